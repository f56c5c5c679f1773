//! What is typed in a room: whom a text mentions, what it answers, and the message that a command is about.

use super::{Question, RoomAsk, RoomWish};
use crate::screen::model::{Focus, Model};
use crate::screen::rows::{beginning, sender_name};
use crate::screen::wrap::cut;
use torchat_client::api::ConversationId;
use torchat_client::api::record::{Direction, Message, MessageState, Role};
use torchat_client::invitation;
use torchat_client::names::resolve_member;
use torchat_client::timeline::room::{completions, named_in};
use torchat_client::timeline::{Addressed, Entry};

/// Columns of a text's beginning in a sentence.
const WORDS: usize = 40;

/// What the next text in a room answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    room: ConversationId,
    /// The message's number in the daemon.
    id: i64,
    /// Who wrote it and how it begins, harmless.
    pub(crate) about: String,
}

/// The message that the command in the input is about, as long as the input begins with the command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    room: ConversationId,
    id: i64,
    command: &'static str,
}

impl Model {
    /// What the next text answers, if the room is open.
    pub(crate) fn reply_to(&self) -> Option<&Reply> {
        self.rooms.reply.as_ref().filter(|reply| self.conversation() == Some(reply.room))
    }

    /// The next text answers nothing. False: it did not.
    pub(in crate::screen::model) fn forget_reply(&mut self) -> bool {
        let was = self.reply_to().is_some();
        self.rooms.reply = None;
        was
    }

    /// What goes with a text.
    pub(in crate::screen::model) fn addressed(&mut self, peer: ConversationId, text: &str) -> Addressed {
        let Some(side) = self.list.get(peer).and_then(|timeline| timeline.room()) else { return Addressed::default() };
        let me = side.me();
        let mut to = named_in(text, &side.members.known());
        to.retain(|no| Some(*no) != me);
        let re = self.rooms.reply.take_if(|reply| reply.room == peer).map(|reply| reply.id);
        Addressed { re, to }
    }

    /// Why a text is too long for where it goes.
    pub(in crate::screen::model) fn too_long(&self, peer: ConversationId, text: &str) -> Option<String> {
        let is_room = self.list.get(peer).is_some_and(|timeline| timeline.is_room());
        let most = self.rooms.text_bytes;
        (is_room && text.len() > most).then(|| format!("a message in a room has at most {most} bytes"))
    }

    /// The last message of the room that fits, from the newest on.
    fn last_message(&self, fits: impl Fn(&Message) -> bool) -> Option<&Message> {
        let entries = self.timeline()?.window.entries().values().rev();
        entries.filter(|entry| !entry.is_pending()).map(|entry| &entry.message).find(|message| fits(message))
    }

    /// Whether a message can be changed, or reacted to: a member wrote it, it is published, and it counts.
    fn counts(message: &Message) -> bool {
        use MessageState::{Hidden, Redacted, System, Void};
        message.from.is_some() && message.order.is_some() && !matches!(message.state, Hidden | Redacted | System | Void)
    }

    fn is_own(message: &Message) -> bool {
        message.dir == Direction::Out && Self::counts(message)
    }

    /// `/reply` in a room, or `r` on a message of it: the next text answers it.
    pub(in crate::screen::model) fn reply_in_room(&mut self, id: Option<i64>) {
        let Some((room, _)) = self.open_room() else { return };
        let chosen = id.and_then(|id| self.timeline()?.window.entry(id)).filter(|entry| !entry.is_pending());
        let chosen = chosen.map(|entry| &entry.message).filter(|message| message.from.is_some());
        let last = || self.last_message(|message| message.dir == Direction::In && Self::counts(message));
        let found = if id.is_some() { chosen } else { last() };
        let Some(message) = found else { return self.warn("there is nothing to reply to") };
        let name = self.timeline().map(|timeline| sender_name(timeline, message, 20)).unwrap_or_default();
        let about = format!("{name}: {}", cut(&beginning(&message.text), WORDS));
        self.rooms.reply = Some(Reply { room, id: message.id, about });
        self.focus = Focus::Input;
    }

    /// A message that a command is about: the one that it was begun for, else `last`.
    fn target(&self, command: &str, last: impl Fn(&Message) -> bool) -> Option<i64> {
        let open = self.conversation();
        let target = self.rooms.target.as_ref().filter(|target| Some(target.room) == open && target.command == command);
        target.map(|target| target.id).or_else(|| self.last_message(last).map(|message| message.id))
    }

    /// The command in the input is about nothing else any more, if it is another one.
    pub(in crate::screen::model) fn target_settles(&mut self) {
        let (open, text) = (self.conversation(), self.editor.text());
        let is_it = |target: &mut Target| {
            let rest = text.strip_prefix('/').and_then(|line| line.strip_prefix(target.command));
            Some(target.room) != open
                || !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
        };
        self.rooms.target.take_if(is_it);
        self.rooms.reply.take_if(|reply| Some(reply.room) != open);
    }

    /// Begins a command about the chosen message.
    fn begin(&mut self, command: &'static str, id: i64, text: &str) {
        let Some((room, _)) = self.open_room() else { return };
        if !self.editor.text().is_empty() {
            return self.warn("something is typed already: Ctrl+C empties the input, Ctrl+_ brings it back");
        }
        self.focus = Focus::Input;
        self.editor.set(format!("/{command} {text}"));
        self.rooms.target = Some(Target { room, id, command });
        self.save_soon();
    }

    /// `/edit TEXT`, or without TEXT the text into the input.
    pub(in crate::screen::model) fn edit_message(&mut self, text: &str) {
        let Some(id) = self.target("edit", Self::is_own) else {
            return self.warn("you have said nothing here that can be changed");
        };
        let Some((room, _)) = self.open_room() else { return };
        if !text.is_empty() {
            return self.ask_room(RoomAsk::In(room, RoomWish::Edit(id, text.to_owned())));
        }
        let old =
            self.timeline().and_then(|timeline| timeline.window.entry(id)).map(|entry| entry.message.text.clone());
        self.begin("edit", id, &old.unwrap_or_default());
    }

    /// `/react [SIGN]`.
    pub(in crate::screen::model) fn react(&mut self, sign: &str) {
        let last = |message: &Message| message.dir == Direction::In && Self::counts(message);
        let Some(id) = self.target("react", last) else { return self.warn("nobody has said anything here") };
        if let Some((room, _)) = self.open_room() {
            self.ask_room(RoomAsk::In(room, RoomWish::React(id, sign.to_owned())));
        }
    }

    /// `/redact [WHY]`: of one's own last message, after a question.
    pub(in crate::screen::model) fn redact(&mut self, why: &str) {
        match self.target("redact", Self::is_own) {
            Some(id) => self.ask_to_redact(id, why),
            None => self.warn("you have said nothing here that can be taken away"),
        }
    }

    fn ask_to_redact(&mut self, id: i64, why: &str) {
        let (Some(timeline), Some((room, _))) = (self.timeline(), self.open_room()) else { return };
        let Some(entry) = timeline.window.entry(id) else { return };
        let name = match &entry.message.from {
            Some(from) if from.me => "your message".to_owned(),
            _ => format!("the message of {}", sender_name(timeline, &entry.message, 20)),
        };
        let words = cut(&beginning(&entry.message.text), WORDS);
        let text =
            format!("Take {name} away at all members? \"{words}\" Whoever has read or copied it may still have it.");
        let why = Some(why.to_owned()).filter(|why| !why.is_empty());
        let ask = RoomAsk::In(room, RoomWish::Redact(id, why));
        self.ask_first(Question { text, keys: "y takes it away, any other key does not", ask });
    }

    /// A key on a chosen message that only rooms have, or a message with an invite of one. False: it is another key.
    pub(in crate::screen::model) fn room_message_key(&mut self, key: char, id: i64) -> bool {
        let Some((_, side)) = self.open_room() else { return false };
        let moderates = side.may(Role::Moderator);
        let Some(message) = self.timeline().and_then(|timeline| timeline.window.entry(id)).map(|entry| &entry.message)
        else {
            return false;
        };
        let (is_own, counts, text) = (Self::is_own(message), Self::counts(message), message.text.clone());
        let is_unpublished = message.dir == Direction::Out && message.order.is_none();
        match key {
            'e' if is_own => self.begin("edit", id, &text),
            'e' => self.warn("you can change your own messages only"),
            '+' if counts => self.begin("react", id, ""),
            'x' if counts && (is_own || moderates) => self.ask_to_redact(id, ""),
            'x' if is_unpublished => self.warn("nobody has it yet: c takes it back"),
            'x' => self.warn("you can take away your own messages; those of others only as a moderator"),
            _ => return false,
        }
        true
    }

    /// Asks whether to join the room whose invite somebody has sent in the chosen message. False: there is none.
    pub(in crate::screen::model) fn join_from(&mut self, id: i64) -> bool {
        let Some(timeline) = self.timeline() else { return false };
        let entry = timeline.window.entry(id).filter(|entry: &&Entry| entry.message.dir == Direction::In);
        let Some((_, invite)) = entry.and_then(|entry| invitation::find(&entry.message.text)) else { return false };
        let name = entry.map(|entry| sender_name(timeline, &entry.message, 20)).unwrap_or_default();
        let room = invite.room.conversation();
        if let Some(known) = self.list.get(room).filter(|known| known.room().is_some_and(|side| side.is_in())) {
            let name = known.name(20);
            self.say(format!("you are a member of {name} already"));
            self.open(crate::screen::model::Open::Conversation(room));
            return true;
        }
        let text = format!(
            "Join the room {}..? {name} has sent the invite. The room's owner and members see your onion and what you say.",
            room.short()
        );
        let ask = RoomAsk::Join { invite: invite.to_string(), text: String::new() };
        self.ask_first(Question { text, keys: "y joins, any other key does not", ask });
        true
    }

    /// Tab in a room: the members' names. `None`: no room is open.
    pub(in crate::screen::model) fn member_words(&self, part: &str) -> Option<Vec<String>> {
        let (_, side) = self.open_room()?;
        let known = side.members.known();
        let mut words = completions(part, &known);
        // Nobody mentions themselves.
        words.retain(|word| resolve_member(word, &known).ok() != side.me());
        Some(words)
    }
}
