//! What comes in and what goes out: inputs, effects, questions to the daemon and its answers.

use super::Stored;
use super::room::{RoomAnswer, RoomAsk};
use crate::screen::settings::{Change, Settings};
use crossterm::event::{KeyEvent, MouseEvent};
use std::path::PathBuf;
use torchat_client::api::command::{EraseCountAnswer, MessagesAnswer, SearchAnswer, SendAnswer, StatusAnswer};
use torchat_client::api::event::Event;
use torchat_client::api::events::State;
use torchat_client::api::record::{ContactRequest, Conversation};
use torchat_client::api::{ApiClientError, ConversationId, Onion};
use torchat_client::timeline::{Addressed, ListRequest, PageRequest, Ticket};
use torchat_protocol::id::MessageId;

/// What comes from outside.
#[derive(Debug)]
pub(crate) enum Input {
    Key(KeyEvent),
    Paste(String),
    Mouse(MouseEvent),
    /// Columns and rows.
    Resize(u16, u16),
    /// The terminal has the user's attention, or lost it.
    Focus(bool),
    /// tmux says whether the window is shown; `None`: it cannot be asked.
    Looked(Option<bool>),
    /// A text is in tmux's buffers, or the terminal was asked to take it.
    Copied(bool),
    /// The time of [`super::Model::wake_at`] has come.
    Tick,
    /// How it stands with the daemon.
    Link(State),
    Event(Box<Event>),
    /// What the daemon answered, or why not.
    Answer(Ask, Result<Answer, ApiClientError>),
    /// A conversation was written to a file.
    Exported {
        /// The path of [`Effect::Export`].
        asked: PathBuf,
        /// Where that is.
        whole: PathBuf,
        /// How many messages.
        outcome: Result<u64, String>,
    },
    /// A command has changed the settings: what they are now, or why they are not kept.
    Settings(Box<Result<Settings, String>>),
    /// The log of a conversation was switched on or off: what is set now, or why it is not.
    Logged(ConversationId, bool, Box<Result<Settings, String>>),
    /// The text logs cannot be written, in a sentence.
    NotLogged(String),
    /// `torchatd -d` has ended.
    Started(Result<(), String>),
    /// The process is to end.
    Leave,
    /// The process goes on after it was stopped.
    Resume,
}

/// What is to be done outside.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    Ask(Ask),
    /// Writes a conversation to a file that is not there yet.
    Export {
        peer: ConversationId,
        path: PathBuf,
        name: String,
    },
    /// Starts `torchatd -d`.
    StartDaemon,
    /// Looks for the daemon now.
    Retry,
    Save(Box<Stored>),
    /// Keeps what a command has set.
    Set(Change),
    /// Switches the log of a conversation on or off; [`Input::Logged`] follows.
    Log(ConversationId, bool),
    Bell,
    /// Shows a notification on the desktop, or asks the terminal for one.
    Notify(String),
    /// Puts a text into tmux's buffers, or asks the terminal to put it into the clipboard; [`Input::Copied`] follows.
    Copy(String),
    /// Asks tmux whether the window is shown; [`Input::Looked`] follows.
    Look,
    Mouse(bool),
    Suspend,
    Repaint,
    Leave,
}

/// What is asked from the daemon.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ask {
    Conversations(ListRequest),
    Requests(Ticket),
    /// The state of the daemon, for the user to read.
    Status,
    /// The same as soon as it is another one.
    News {
        version: Option<u64>,
    },
    Page(ConversationId, PageRequest),
    /// Which message is the first one there.
    Locate(ConversationId, Past),
    Search {
        text: String,
        peer: Option<ConversationId>,
        before: Option<i64>,
    },
    Send {
        peer: ConversationId,
        text: String,
        key: String,
        addressed: Addressed,
    },
    Cancel(ConversationId, MessageId),
    /// Takes a message back that the daemon may have, by its key.
    TakeBack {
        peer: ConversationId,
        key: String,
        /// When it was typed, in milliseconds since 1970.
        typed: i64,
    },
    Seen(ConversationId, i64),
    Add {
        peer: String,
        text: String,
    },
    Decide(Decision, Onion),
    Rename(Onion, String),
    Retain(Onion, Option<u32>),
    /// How many messages an erasing would erase, for the question before it.
    CountErasable(ConversationId, Erasing),
    /// Up to this message: what came later was not counted.
    Erase(ConversationId, i64),
    Invite {
        hours: u32,
        /// The user wants to see it now.
        show: bool,
    },
    Room(RoomAsk),
    Exit,
}

/// Which messages of a conversation are to be erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Erasing {
    /// All of them, once.
    All,
    /// Those that are older than this number of days, now and from now on. `before`: what is as old already, in milliseconds since
    /// 1970.
    Older { days: u32, before: i64 },
}

/// What becomes of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Accept,
    Refuse,
    Block,
    Unblock,
    Remove,
    Hide,
    Appear,
    Verify,
    Doubt,
}

/// A place in the past that has no number yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Past {
    /// The first message of a moment or after it, in milliseconds since 1970.
    Since(i64),
    /// This many messages before the end.
    Back(u32),
}

/// What the daemon answers.
#[derive(Debug)]
pub(crate) enum Answer {
    Conversations(Vec<Conversation>),
    Requests(Vec<ContactRequest>),
    Status(Box<StatusAnswer>),
    /// Of [`Anchor::Around`](torchat_client::timeline::Anchor::Around): the page that ends with it, and the one behind it.
    Page(MessagesAnswer, Option<MessagesAnswer>),
    /// The message's number; `None`: there is none.
    Located(Option<i64>),
    Found(SearchAnswer),
    Sent(SendAnswer),
    /// Whether it never left this machine.
    Cancelled(bool),
    /// The same of [`Ask::TakeBack`]; `None`: the daemon never had it.
    TakenBack(Option<bool>),
    Added(ConversationId),
    Invite(String),
    Erasable(EraseCountAnswer),
    /// How many messages, and how many stay because they wait.
    Erased(u64, u64),
    Room(RoomAnswer),
    Done,
}
