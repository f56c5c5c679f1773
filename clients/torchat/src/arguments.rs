//! The command line, and nothing else: `cargo xtask dist` reads this file too, to write man pages and completions.

// Named by their paths, because xtask takes this file in by its path as well.
#[path = "arguments/contacts.rs"]
mod contacts;
#[path = "arguments/exit.rs"]
pub(crate) mod exit;
#[path = "arguments/messages.rs"]
mod messages;
#[path = "arguments/token.rs"]
mod token;

pub(crate) use contacts::{Appearance, ContactAction, Contacts};
pub(crate) use messages::{Beginning, Export, History, Legacy, Pipe, Recv, Search, Send};
pub(crate) use token::{Allowed, Token};

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// A messenger over Tor: without a command the terminal client, with one a tool for the shell
#[derive(Debug, Parser)]
#[command(name = "torchat", version, about, after_help = after_help(), disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) place: PlaceArguments,
    #[command(flatten)]
    pub(crate) form: Form,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What stands below the options.
fn after_help() -> String {
    let peer = "PEER is an onion, the name you gave a contact, or the first characters (at least 4) of a contact's onion. \
                A stranger is named by its whole onion; accept and refuse look among those who ask, and nowhere else.\n\n\
                Every user of this machine can read the words of a command line while it runs: give texts and invites by \
                standard input.";
    format!("{peer}\n\n{}", exit::help())
}

/// Where the daemon is.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "The daemon")]
pub(crate) struct PlaceArguments {
    /// Its socket or port [default: the socket in $XDG_DATA_HOME/torchatd]
    #[arg(long, env = "TORCHAT_SOCKET", hide_env_values = true, global = true, value_name = "PATH|PORT")]
    pub(crate) socket: Option<String>,

    /// A file that holds a token, closed to others: for other users, and for programs with fewer rights
    #[arg(long, env = "TORCHAT_TOKEN_FILE", hide_env_values = true, global = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,

    /// Start torchatd if it does not run, without asking
    #[arg(long, global = true)]
    pub(crate) start: bool,
}

/// What comes out.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Form {
    /// JSON lines for programs, errors on standard error too; the records are those of docs/CONTROL-API.md
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Print the texts of others as they came: they can then write what they like to your terminal
    #[arg(long, global = true, conflicts_with = "json")]
    pub(crate) raw: bool,
}

/// A command of the shell.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print your onion
    Host,
    /// Print who the daemon takes you for, and what you may do
    Whoami,
    /// Send a text; returns when it is safe in the daemon, or at the peer
    Send(Send),
    /// Print what was received and not read yet, and mark it as read
    Recv(Recv),
    /// Print what old TORchat programs brought, and take it: nothing proves who wrote it
    Legacy(Legacy),
    /// Print the last messages of a conversation
    History(History),
    /// Find messages that hold all the words, newest first
    Search(Search),
    /// Print who has written something that is not read yet
    Peers,
    /// Print the contacts, or decide who is one
    Contacts(Contacts),
    /// Print the conversations, the one with the newest message first
    Conversations,
    /// Print what works, what does not, and what is being done
    Status(Depth),
    /// Print events as they come: messages, deliveries, links, requests
    Tail(Tail),
    /// Tokens, for programs of other users or with fewer rights
    #[command(subcommand)]
    Token(Token),
    /// Write a whole conversation as text, or with --json as JSON lines
    Export(Export),
    /// Split the file.log of an old TORchat by peer, into files
    ///
    /// The messages are not put into the daemon: nothing proves who wrote them. Without --into they are printed.
    ImportLog(ImportLog),
    /// Connect standard input and output to a conversation: a line is a message
    Pipe(Pipe),
    /// Stop the daemon
    Exit,
    /// Print the completions for a shell
    Completions {
        /// Which shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Look at the whole chain, from the socket to Tor, and say what is wrong and what to do
    Doctor(Depth),
}

/// How much is said.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Depth {
    /// Print Tor's own words about what is wrong too
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

/// Which events.
#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// Of this kind only: received, queued, sent, delivered, failed, withdrawn, read, lost, request, request-gone,
    /// contact, link, tor, notice or legacy; may be given several times
    #[arg(short = 'e', long = "event", value_name = "KIND")]
    pub(crate) events: Vec<String>,
    /// About this peer only; may be given several times
    #[arg(short, long, value_name = "PEER")]
    pub(crate) peer: Vec<String>,
    /// Begin after the event with this number, at `start`, or `now`
    #[arg(long, value_name = "SEQ|start|now", conflicts_with = "consumer")]
    pub(crate) from: Option<String>,
    /// A durable place of your own: what was printed never comes again
    #[arg(short, long, value_name = "NAME")]
    pub(crate) consumer: Option<String>,
    /// End after this number of events
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
}

/// An old log, and where its parts go.
#[derive(Debug, Args)]
pub(crate) struct ImportLog {
    /// The old file.log; - for standard input
    pub(crate) file: PathBuf,
    /// A directory for one new file per peer, made if it is missing
    #[arg(long, value_name = "DIR")]
    pub(crate) into: Option<PathBuf>,
}

/// A shell for which completions exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}
