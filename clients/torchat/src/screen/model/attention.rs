//! Whether the user looks at this screen: what is on it then counts as read, and nobody rings for it.
//!
//! A terminal that reports the focus is believed. One that reports nothing shows what it is given, and the user is taken to be
//! there. Between such a terminal and this program may be tmux or screen, which hide windows and by default report nothing.
//! tmux is asked, and only when something new has come: its answer is a fact, costs one short process, and needs no
//! setting of the user's. (To count everything as unread until a key comes was rejected for tmux: who reads along without
//! typing would be rung at for each message; so was to trust the last minute's keys: the window may be left a second
//! after a key.) Nothing can be asked of the others: there, who has pressed a key a minute ago still looks.

use super::{Effect, Model};
use torchat_client::api::record::Message;

/// How long somebody looks at a screen after a key, where nothing else tells it, in milliseconds.
const KEY_LASTS: i64 = 60_000;
/// What was hidden is asked about again after this many milliseconds, if there is a reason to.
const ASK_AGAIN: i64 = 60_000;

/// What is between the terminal and this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Between {
    /// Nothing that hides windows.
    #[default]
    Nothing,
    /// tmux, which can be asked.
    Tmux,
    /// Something that hides windows and cannot be asked.
    Other,
}

/// Whether the user looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looks {
    Yes,
    No,
    /// It must be asked.
    Unknown,
}

/// What is known of it.
#[derive(Debug)]
pub(super) struct Attention {
    between: Between,
    /// What the terminal reported last; `None`: it never did.
    focused: Option<bool>,
    /// When a key came last.
    key_at: Option<i64>,
    /// A key came, or an answer, in this update.
    now: Option<bool>,
    asked: bool,
    /// The newest message that was hidden when it was asked, and when that was.
    hidden: Option<(i64, i64)>,
    /// Came while it was not known: the first one's number, and the last one.
    unsure: Option<(i64, Message)>,
    /// The user is to be told once that tmux can report the focus.
    advice: Advice,
}

#[derive(Debug, PartialEq, Eq)]
enum Advice {
    NotYet,
    Due,
    Given,
}

impl Attention {
    pub(super) fn new(between: Between) -> Self {
        let (asked, hidden, unsure) = (false, None, None);
        Self { between, focused: None, key_at: None, now: None, asked, hidden, unsure, advice: Advice::NotYet }
    }

    pub(super) fn looks(&self, now: i64) -> Looks {
        let known = match (self.focused, self.between) {
            (Some(focused), _) => Some(focused),
            (None, Between::Nothing) => Some(true),
            (None, Between::Tmux) => self.now,
            (None, Between::Other) => Some(self.key_at.is_some_and(|at| now - at < KEY_LASTS)),
        };
        match known {
            Some(true) => Looks::Yes,
            Some(false) => Looks::No,
            None => Looks::Unknown,
        }
    }

    /// An update begins.
    pub(super) fn begin(&mut self) {
        self.now = None;
    }

    /// Another daemon answers: what was asked is about messages of the old one. An answer may still come.
    pub(super) fn forget(&mut self) {
        (self.hidden, self.unsure) = (None, None);
    }

    /// The terminal has reported it.
    pub(super) fn reported(&mut self, focused: bool) {
        self.focused = Some(focused);
    }
}

impl Model {
    /// A key came: tmux gives keys only to the window that is shown.
    pub(super) fn key_shows_attention(&mut self) {
        let attention = &mut self.attention;
        (attention.key_at, attention.now, attention.unsure) = (Some(self.now), Some(true), None);
        if attention.focused.is_none() && attention.advice == Advice::Due {
            attention.advice = Advice::Given;
            self.advise("tmux hides from torchat whether you look: set -g focus-events on");
        }
    }

    /// What tmux says: whether the window is shown. `None`: it cannot be asked.
    pub(super) fn looked(&mut self, shown: Option<bool>) {
        let attention = &mut self.attention;
        attention.asked = false;
        match shown {
            None => attention.between = Between::Other,
            Some(shown) => attention.now = Some(shown),
        }
        let looks = attention.looks(self.now);
        if looks == Looks::No && shown.is_some() && attention.advice == Advice::NotYet {
            attention.advice = Advice::Due;
        }
        if let Some((first, message)) = attention.unsure.take()
            && looks == Looks::No
        {
            self.unseen(&message, first);
        }
    }

    /// A message is on the screen, and it is not known whether anybody looks.
    pub(super) fn unsure_of(&mut self, message: &Message) {
        let first = self.attention.unsure.as_ref().map_or(message.id, |(first, _)| *first);
        self.attention.unsure = Some((first, message.clone()));
        self.look(message.id);
    }

    /// Asks whether anybody looks, for a message that is on the screen.
    pub(super) fn look(&mut self, upto: i64) {
        let (now, attention) = (self.now, &mut self.attention);
        let known = attention.hidden.is_some_and(|(id, at)| upto <= id && now - at < ASK_AGAIN);
        if !attention.asked && !known {
            attention.asked = true;
            attention.hidden = Some((upto, now));
            self.effects.push(Effect::Look);
        }
    }
}
