//! The parameters of the commands that are about messages.

use super::number;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// What to send, and to which peer.
#[derive(Debug, Args)]
pub(crate) struct Send {
    /// The receiver
    pub(crate) peer: String,
    /// The text; - or nothing: read it from standard input, which nobody else can see; after --, a - is a text
    pub(crate) text: Option<String>,
    /// Return only when the peer has it, not just the daemon
    #[arg(long, value_enum)]
    pub(crate) wait: Option<WaitFor>,
    /// How long to wait for that
    #[arg(long, value_name = "SECONDS", requires = "wait", default_value_t = 120,
        value_parser = number::between(1, 3600))]
    pub(crate) timeout: u64,
    /// Give up if it is not delivered within this number of seconds
    #[arg(long, value_name = "SECONDS", value_parser = number::whole::<u64>)]
    pub(crate) expire: Option<u64>,
    /// A key that you choose: the same key within 30 days means the same message, which is not sent twice
    #[arg(long, value_name = "KEY")]
    pub(crate) id: Option<String>,
    /// Say nothing if the same message was sent before under this --id
    #[arg(short, long, requires = "id")]
    pub(crate) quiet: bool,
}

/// What `--wait` waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WaitFor {
    /// The peer has stored the message
    Delivered,
}

/// What to receive.
#[derive(Debug, Args)]
pub(crate) struct Recv {
    /// Wait for more; survives restarts of the daemon
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// With --follow: end with 3 if no daemon runs yet, instead of waiting for one
    #[arg(long, requires = "follow")]
    pub(crate) no_wait: bool,
    /// Of this peer only; may be given several times
    #[arg(short, long, value_name = "PEER")]
    pub(crate) peer: Vec<String>,
    /// The daemon remembers under this name how far you have read, independent of read marks; begins now
    #[arg(short, long, value_name = "NAME")]
    pub(crate) consumer: Option<String>,
    /// Where a new consumer begins
    #[arg(long, value_enum, requires = "consumer", default_value = "now")]
    pub(crate) from: Beginning,
    /// Do not mark as read
    #[arg(short, long, conflicts_with = "consumer")]
    pub(crate) keep: bool,
    /// End after this number of messages
    #[arg(short = 'n', long, value_name = "N", value_parser = number::positive)]
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
    /// Leave the messages in the queue
    #[arg(short, long)]
    pub(crate) keep: bool,
    /// Print all that the daemon still has, even those that were removed from the queue; removes nothing
    #[arg(short, long, conflicts_with = "keep")]
    pub(crate) all: bool,
    /// End after this number of messages
    #[arg(short = 'n', long, value_name = "N", value_parser = number::positive)]
    pub(crate) count: Option<u64>,
}

/// Which part of a conversation.
#[derive(Debug, Args)]
pub(crate) struct History {
    /// The other side
    pub(crate) peer: String,
    /// How many messages
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = number::positive)]
    pub(crate) count: u64,
    /// Messages before the one with this number
    #[arg(long, value_name = "ID", conflicts_with = "after", value_parser = number::whole::<i64>)]
    pub(crate) before: Option<i64>,
    /// Messages after the one with this number
    #[arg(long, value_name = "ID", value_parser = number::whole::<i64>)]
    pub(crate) after: Option<i64>,
}

/// What to look for.
#[derive(Debug, Args)]
pub(crate) struct Search {
    /// The words; wor* matches words that begin with wor, "two words" (with the quotes) must be side by side
    #[arg(required = true, value_name = "WORD")]
    pub(crate) words: Vec<String>,
    /// In the conversation with this peer only
    #[arg(short, long, value_name = "PEER")]
    pub(crate) peer: Option<String>,
    /// How many messages at most
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50, value_parser = number::positive)]
    pub(crate) count: u64,
    /// Messages before the one with this number
    #[arg(long, value_name = "ID", value_parser = number::whole::<i64>)]
    pub(crate) before: Option<i64>,
}

/// What to write, and where.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The other side
    pub(crate) peer: String,
    /// A new file, which only you can read [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// For how long to write the text logs.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Logs {
    /// Write what is missing now, and end
    #[arg(long)]
    pub(crate) once: bool,
}

/// What to connect to.
#[derive(Debug, Args)]
pub(crate) struct Pipe {
    /// The conversation
    pub(crate) peer: String,
    /// Go on receiving after standard input has ended
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// At the end of standard input, wait at most this long until the peer has everything
    #[arg(long, value_name = "SECONDS", value_parser = number::whole::<u64>)]
    pub(crate) flush: Option<u64>,
    /// The daemon remembers under this name what you have received, instead of beginning now
    #[arg(short, long, value_name = "NAME")]
    pub(crate) consumer: Option<String>,
}

/// What of a conversation to erase.
#[derive(Debug, Args)]
pub(crate) struct Erase {
    /// The other side
    pub(crate) peer: String,
    /// Messages of before this day (2026-11-21, where you are) or moment (2026-11-21T09:30:00Z) [default: all]
    #[arg(long, value_name = "DATE")]
    pub(crate) before: Option<String>,
    /// Messages up to the one with this number [default: all]
    #[arg(long, value_name = "ID", value_parser = number::whole::<i64>)]
    pub(crate) upto: Option<i64>,
    /// Do it; without this nothing is erased
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print how many messages would be erased, and erase nothing
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
}
