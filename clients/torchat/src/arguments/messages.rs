//! The parameters of the commands that are about messages.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// What to send, and to which peer.
#[derive(Debug, Args)]
pub(crate) struct Send {
    /// The receiver
    pub(crate) peer: String,
    /// The text; - or nothing: standard input, which nobody else can read; behind -- a - is a text
    pub(crate) text: Option<String>,
    /// Return when the peer has it, not only the daemon
    #[arg(long, value_enum)]
    pub(crate) wait: Option<WaitFor>,
    /// How long to wait for that
    #[arg(long, value_name = "SECONDS", requires = "wait", default_value_t = 120,
        value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) timeout: u64,
    /// Give up when it is not delivered within this number of seconds
    #[arg(long, value_name = "SECONDS")]
    pub(crate) expire: Option<u64>,
    /// A key of your own: the same key again, within 30 days, is the same message and is not sent twice
    #[arg(long, value_name = "KEY")]
    pub(crate) id: Option<String>,
}

/// What `--wait` waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WaitFor {
    /// The message is safe at the peer
    Delivered,
}

/// What to receive.
#[derive(Debug, Args)]
pub(crate) struct Recv {
    /// Go on with what comes, over restarts of the daemon
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Of this peer only; may be given several times
    #[arg(short, long, value_name = "PEER")]
    pub(crate) peer: Vec<String>,
    /// A durable place of your own instead of the read marks: begins now, and what was printed never comes again
    #[arg(short, long, value_name = "NAME")]
    pub(crate) consumer: Option<String>,
    /// Where a consumer that is new begins
    #[arg(long, value_enum, requires = "consumer", default_value = "now")]
    pub(crate) from: Beginning,
    /// Do not mark as read
    #[arg(short, long, conflicts_with = "consumer")]
    pub(crate) keep: bool,
    /// End after this number of messages
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
}

/// Where a new consumer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Beginning {
    /// After the last event
    Now,
    /// At the oldest event that the daemon still knows
    Start,
}

/// What of old programs.
#[derive(Debug, Args)]
pub(crate) struct Legacy {
    /// Do not take it: it comes again
    #[arg(short, long)]
    pub(crate) keep: bool,
    /// All that the daemon still has, also what was taken; takes nothing
    #[arg(short, long, conflicts_with = "keep")]
    pub(crate) all: bool,
    /// End after this number of messages
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
}

/// Which part of a conversation.
#[derive(Debug, Args)]
pub(crate) struct History {
    /// The other side
    pub(crate) peer: String,
    /// How many messages
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: u64,
    /// Messages before the one with this number
    #[arg(long, value_name = "ID", conflicts_with = "after")]
    pub(crate) before: Option<i64>,
    /// Messages after the one with this number
    #[arg(long, value_name = "ID")]
    pub(crate) after: Option<i64>,
}

/// What to look for.
#[derive(Debug, Args)]
pub(crate) struct Search {
    /// The words; wor* is a word that begins so, "two words" (with the quotes) stand side by side
    #[arg(required = true, value_name = "WORD")]
    pub(crate) words: Vec<String>,
    /// In the conversation with this peer only
    #[arg(short, long, value_name = "PEER")]
    pub(crate) peer: Option<String>,
    /// How many messages at most
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: u64,
    /// Messages before the one with this number
    #[arg(long, value_name = "ID")]
    pub(crate) before: Option<i64>,
}

/// What to write, and where.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The other side
    pub(crate) peer: String,
    /// A new file, for your eyes only [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// What to connect to.
#[derive(Debug, Args)]
pub(crate) struct Pipe {
    /// The conversation
    pub(crate) peer: String,
    /// Go on receiving when standard input has ended
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// At the end of standard input wait until the peer has everything, at most this long
    #[arg(long, value_name = "SECONDS")]
    pub(crate) flush: Option<u64>,
    /// A durable place of your own for what is received, instead of beginning now
    #[arg(short, long, value_name = "NAME")]
    pub(crate) consumer: Option<String>,
}
