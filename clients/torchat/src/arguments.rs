//! The command line, and nothing else: `cargo xtask dist` reads this file too, to write man pages and completions.

// Named by their paths, because xtask takes this file in by its path as well.
#[path = "arguments/contacts.rs"]
mod contacts;
#[path = "arguments/exit.rs"]
pub(crate) mod exit;
#[path = "arguments/messages.rs"]
mod messages;
#[path = "arguments/number.rs"]
mod number;
#[path = "arguments/room.rs"]
mod room;
#[path = "arguments/token.rs"]
mod token;

pub(crate) use contacts::{Appearance, ContactAction, Contacts};
pub(crate) use messages::{Beginning, Erase, Export, History, Legacy, Logs, Pipe, Recv, Search, Send};
pub(crate) use room::{
    JoinRoom, Joining, MemberRole, NewRoom, Notify, Room, RoomAction, RoomInvite, Say, SetRoom, TailRoom,
};
pub(crate) use token::{Allowed, Token};

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use torchat_client::api::event::Kind;

/// Terminal and command-line client for torchatd, a messenger over Tor. Without a command it opens the terminal client
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
                Name strangers by their whole onions; accept and refuse look only among those who ask. \
                Where you write to a conversation or read one, PEER may be a room: '#lab'.\n\n\
                Every user of this machine can read a command line while it runs: pass texts and invites on \
                standard input.";
    let examples = "Examples:\n  \
                    torchat                              open the terminal client\n  \
                    torchat contacts invite              print an invite for a friend\n  \
                    torchat contacts add torchat:...     use an invite that a friend gave you\n  \
                    echo 'lunch?' | torchat send bob     send a message\n  \
                    torchat recv --follow                print messages as they come\n  \
                    torchat room new lab                 make a group; torchat room invite '#lab' lets friends in\n  \
                    torchat doctor                       find out what is wrong";
    format!("{examples}\n\n{peer}\n\n{}", exit::help())
}

/// Where the daemon is.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "The daemon")]
pub(crate) struct PlaceArguments {
    /// The daemon's socket or port [default: the socket in $XDG_DATA_HOME/torchatd]
    #[arg(long, env = "TORCHAT_SOCKET", hide_env_values = true, global = true, value_name = "PATH|PORT")]
    pub(crate) socket: Option<String>,

    /// A token file that others cannot read: for other users, and for programs with fewer rights
    #[arg(long, env = "TORCHAT_TOKEN_FILE", hide_env_values = true, global = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,

    /// Start torchatd without asking if it does not run
    #[arg(long, global = true)]
    pub(crate) start: bool,
}

/// What comes out.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Form {
    /// Print JSON lines for programs, also for errors; docs/CONTROL-API.md describes the records
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Print what others wrote unchanged; it can then control your terminal
    #[arg(long, global = true, conflicts_with = "json")]
    pub(crate) raw: bool,
}

/// A command of the shell.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print your onion
    Host,
    /// Print who the daemon thinks you are, and what you may do
    Whoami,
    /// Send a text; returns when the daemon, or the peer, has stored it
    Send(Send),
    /// Print unread messages and mark them as read
    Recv(Recv),
    /// Print messages from TORchat programs of 2016-17 and remove them from the queue; nothing proves who wrote them
    Legacy(Legacy),
    /// Print the last messages of a conversation
    History(History),
    /// Find messages that hold all the words, newest first
    Search(Search),
    /// Print who has sent unread messages
    Peers,
    /// Print your contacts, or change them
    Contacts(Contacts),
    /// Print your rooms, or do something in one: make, invite, join, say, moderate
    Room(Room),
    /// Print the conversations, the one with the newest message first
    Conversations,
    /// Print what works, what does not, and what the daemon does about it
    Status(Depth),
    /// Print events as they come: messages, deliveries, links, requests
    Tail(Tail),
    /// Manage tokens, for programs of other users or with fewer rights
    #[command(subcommand)]
    Token(Token),
    /// Write a whole conversation as text, or with --json as JSON lines
    Export(Export),
    /// Write the text logs of the conversations that client.toml names, as messages come
    ///
    /// The terminal client does the same while it runs; both may run at once. Switch logs on there (/log on), or in the table "logs" of
    /// client.toml. A log begins when it is switched on; `torchat export` has what was before.
    Logs(Logs),
    /// Erase a conversation here, or its older part, for good
    ///
    /// What waits for delivery stays. It does not erase the peer's copy, backups, exports and text logs, the copy of the store that
    /// an upgrade keeps for 30 days, or spare cells of flash storage.
    Erase(Erase),
    /// Split the file.log of an old TORchat by peer, into files
    ///
    /// This does not put the messages into the daemon, because nothing proves who wrote them. Without --into it prints them.
    ImportLog(ImportLog),
    /// Connect standard input and output to a conversation: each line is a message
    Pipe(Pipe),
    /// Stop the daemon
    Exit,
    /// Print the completions for a shell
    Completions {
        /// Which shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print the words that a shell can complete a PEER with
    #[command(hide = true)]
    CompletePeers {
        /// Who can be meant
        #[arg(value_enum, default_value = "contact")]
        who: Completed,
    },
    /// Check everything from the socket to Tor, and say what is wrong and what to do
    Doctor(Depth),
}

/// How much to print.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Depth {
    /// Also print Tor's own words about what is wrong
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

/// Which events.
#[derive(Debug, Args)]
pub(crate) struct Tail {
    // Its help names the kinds: `kinds`.
    #[arg(short = 'e', long = "event", value_name = "KIND", help = kinds())]
    pub(crate) events: Vec<String>,
    /// About this peer only; may be given several times
    #[arg(short, long, value_name = "PEER")]
    pub(crate) peer: Vec<String>,
    /// Begin after the event with this number, at `start`, or `now`
    #[arg(long, value_name = "SEQ|start|now", conflicts_with = "consumer")]
    pub(crate) from: Option<String>,
    /// The daemon remembers under this name how far you have read; printed events never come again
    #[arg(short, long, value_name = "NAME")]
    pub(crate) consumer: Option<String>,
    /// End after this number of events
    #[arg(short = 'n', long, value_name = "N", value_parser = number::positive)]
    pub(crate) count: Option<u64>,
    /// End after the last event that there is now; without --from, begin at the start
    #[arg(long)]
    pub(crate) no_follow: bool,
}

/// The help of `tail --event`: every kind that the log holds, so that none is missing here.
fn kinds() -> String {
    let names = Kind::STORED.map(|kind| serde_json::to_value(kind).unwrap_or_default());
    let mut names: Vec<_> = names.iter().filter_map(|name| name.as_str()).collect();
    let last = names.pop().unwrap_or_default();
    format!("Of this kind only: {} or {last}; may be given several times", names.join(", "))
}

/// An old log, and where its parts go.
#[derive(Debug, Args)]
pub(crate) struct ImportLog {
    /// The old file.log; - for standard input
    pub(crate) file: PathBuf,
    /// A directory for one new file per peer; made if it is missing
    #[arg(long, value_name = "DIR")]
    pub(crate) into: Option<PathBuf>,
}

/// Who can be meant by a PEER that a shell completes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Completed {
    /// Contacts and blocked peers
    Contact,
    /// Those, and rooms
    Peer,
    /// Rooms
    Room,
    /// Strangers who ask
    Asking,
    /// Blocked peers
    Blocked,
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
