//! The command line, and nothing else: `cargo xtask dist` reads this file too, to write man pages and completions.

// Named by its path, because xtask takes this file in by its path as well.
#[path = "arguments/exit.rs"]
pub(crate) mod exit;

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

/// Contacts, or one decision.
#[derive(Debug, Args)]
#[command(subcommand_value_name = "ACTION")]
pub(crate) struct Contacts {
    #[command(subcommand)]
    pub(crate) action: Option<ContactAction>,
}

/// A decision about a peer.
#[derive(Debug, Subcommand)]
pub(crate) enum ContactAction {
    /// Print them; the same as no action
    List,
    /// Make a peer a contact and ask it to accept you
    Add {
        /// Its onion, or an invite (torchat:...?i=...); -: the first line of standard input, and the rest are the words
        #[arg(required_unless_present = "invite_file")]
        peer: Option<String>,
        /// A few words to it, at most 500 bytes
        words: Option<String>,
        /// The file with the onion or invite, in the place of PEER
        #[arg(long, value_name = "FILE")]
        invite_file: Option<PathBuf>,
    },
    /// Print the strangers that ask to become contacts
    Requests,
    /// Make a stranger that asks a contact
    Accept {
        /// Who asks
        peer: String,
    },
    /// Do not show a stranger's request again for 30 days; it learns nothing of it
    Refuse {
        /// Who asks
        peer: String,
    },
    /// Block a peer: it sees what every stranger sees
    Block {
        /// The peer
        peer: String,
    },
    /// Make a blocked peer a stranger
    Unblock {
        /// The peer
        peer: String,
    },
    /// Give a contact a name of yours; an empty one takes it away
    Rename {
        /// The peer
        peer: String,
        /// The name
        name: String,
    },
    /// Make a contact a stranger; what waits for it is taken back, the history stays
    Remove {
        /// The peer
        peer: String,
    },
    /// Make an invite: the first peer that uses it, in time, is a contact at once
    Invite {
        /// How long it is good for
        #[arg(long, value_name = "HOURS")]
        hours: Option<u32>,
    },
    /// Say whether a contact sees you while there is nothing to deliver
    Appear {
        /// The contact
        peer: String,
        /// How
        #[arg(value_enum)]
        how: Appearance,
    },
}

/// How a contact sees us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Appearance {
    /// Linked whenever both are there
    Online,
    /// Linked only to deliver
    Offline,
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

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make one, and print it or write it to a file: it is shown once and stored nowhere else
    Create {
        /// Its name: letters, digits, dots, underscores and hyphens
        name: String,
        /// What it may do; may be given several times
        #[arg(short, long = "right", value_name = "RIGHT", value_enum, required = true)]
        rights: Vec<Allowed>,
        /// Good for the conversation with this peer only; may be given several times
        #[arg(short, long, value_name = "PEER")]
        peer: Vec<String>,
        /// Ends after this number of days
        #[arg(long)]
        days: Option<u32>,
        /// A new file for it, for your eyes only [default: standard output]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Print them, without their secrets
    List,
    /// End one at once; its connections are closed
    Revoke {
        /// Its name
        name: String,
    },
}

/// A right of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Allowed {
    /// See conversations, contacts, events, the state of the daemon
    Read,
    /// Write to contacts, take back, mark as read
    Send,
    /// Decide who is a contact
    Contacts,
    /// Everything
    Admin,
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

/// An old log, and where its parts go.
#[derive(Debug, Args)]
pub(crate) struct ImportLog {
    /// The old file.log; - for standard input
    pub(crate) file: PathBuf,
    /// A directory for one new file per peer, made if it is missing
    #[arg(long, value_name = "DIR")]
    pub(crate) into: Option<PathBuf>,
}

/// What to connect to.
#[derive(Debug, Args)]
pub(crate) struct Pipe {
    /// The conversation
    pub(crate) peer: String,
    /// Go on receiving when standard input has ended
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// At the end of standard input wait until the peer has everything, at most so long
    #[arg(long, value_name = "SECONDS")]
    pub(crate) flush: Option<u64>,
    /// A durable place of your own for what is received, instead of beginning now
    #[arg(short, long, value_name = "NAME")]
    pub(crate) consumer: Option<String>,
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
