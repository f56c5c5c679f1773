//! The daemon that is played: what it has, and what it answers.

use super::{contact, message, onion, rooms};
use crate::timeline::*;
use std::cmp::Reverse;
use torchat_protocol::control::api::command::{History, MessagesAnswer};
use torchat_protocol::control::api::event::{Event, MessageRef, What};
use torchat_protocol::control::api::record::ContactRequest;

/// What the daemon has, and what it has not told yet.
#[derive(Default)]
pub(super) struct Daemon {
    pub(super) messages: Vec<Message>,
    pub(super) requests: Vec<ContactRequest>,
    /// The room, if it has one, with its members and those who ask.
    pub(super) room: Option<rooms::Kept>,
    pub(super) log: Vec<Event>,
    pub(super) told: usize,
    /// Messages that ever were.
    pub(super) made: i64,
}

impl Daemon {
    pub(super) fn tell(&mut self, what: What) {
        let seq = self.log.len() as u64 + 1;
        self.log.push(Event { seq, at: String::new(), what });
    }

    pub(super) fn add(&mut self, peer: ConversationId, dir: Direction) {
        self.made += 1;
        let id = self.made;
        let state = match dir {
            Direction::In => MessageState::Unread,
            Direction::Out => MessageState::Queued,
            _ => MessageState::Lost,
        };
        let mut message = message(id, peer, dir, state);
        if self.room.as_ref().is_some_and(|room| room.id() == peer) {
            rooms::in_room(&mut message);
        }
        self.messages.push(message.clone());
        if message.state == MessageState::System {
            // A line of a room is told by nothing but what was decided.
            return self.tell_room();
        }
        self.tell(match dir {
            Direction::In => What::Received { message },
            Direction::Out => What::Queued { message },
            _ => What::Lost { message },
        });
    }

    /// One more step of a message that was sent; also late deliveries of what was taken back.
    pub(super) fn step(&mut self, at: usize, way: u8) {
        use MessageState::{Delivered, Failed, Queued, Sent, Withdrawn};
        let count = self.messages.len();
        let Some(message) = self.messages.get_mut(at % count.max(1)) else { return };
        let state = match (message.state, way % 4) {
            (Queued, 0) => Sent,
            (Queued | Sent, 1) => Failed,
            (Queued | Sent, 2) => Withdrawn,
            (Queued | Sent | Failed | Withdrawn, 3) => Delivered,
            _ => return,
        };
        message.state = state;
        let reference = MessageRef { peer: message.peer, id: message.id, mid: message.mid };
        self.tell(match state {
            Sent => What::Sent(reference),
            Failed => What::Failed(reference),
            Withdrawn => What::Withdrawn(reference),
            _ => What::Delivered(reference),
        });
    }

    /// The user reads with another program: up to a message, or that one only.
    pub(super) fn read(&mut self, at: usize, upto: bool) {
        let Some(last) = self.messages.get(at % self.messages.len().max(1)) else { return };
        let (peer, id) = (last.peer, last.id);
        self.read_piece(peer, if upto { 0 } else { id }, id);
    }

    /// SEEN, whether the message is still there or not.
    pub(super) fn read_upto(&mut self, peer: ConversationId, upto: i64) {
        self.read_piece(peer, 0, upto);
    }

    fn read_piece(&mut self, peer: ConversationId, from: i64, upto: i64) {
        let mut told = Vec::new();
        for message in &mut self.messages {
            let meant = message.peer == peer && (from..=upto).contains(&message.id);
            if meant && message.state == MessageState::Unread {
                message.state = MessageState::Read;
                told.push(What::Read(MessageRef { peer, id: message.id, mid: message.mid }));
            }
        }
        told.into_iter().for_each(|what| self.tell(what));
    }

    /// A piece of a conversation is erased: up to this many messages from a number on. Their events are gaps from now on,
    /// except those that the client has, and this many more that are on their way to it.
    pub(super) fn erase(&mut self, peer: ConversationId, from: i64, count: usize, on_the_way: usize) {
        let waits = |message: &Message| matches!(message.state, MessageState::Queued | MessageState::Sent);
        let piece: Vec<Message> = self.all(peer).into_iter().filter(|message| message.id >= from).take(count).collect();
        let gone: Vec<i64> = piece.iter().filter(|message| !waits(message)).map(|message| message.id).collect();
        let (Some(from), Some(upto)) = (gone.first().copied(), gone.last().copied()) else { return };
        let kept = piece.iter().map(|message| message.id).filter(|id| (from..upto).contains(id) && !gone.contains(id));
        let kept: Vec<i64> = kept.collect();
        self.messages.retain(|message| !gone.contains(&message.id));
        for event in self.log.iter_mut().skip(self.told.saturating_add(on_the_way)) {
            if about(&event.what).is_some_and(|id| gone.contains(&id)) {
                event.what = What::Gap { from: event.seq, to: event.seq };
            }
        }
        self.tell(What::Erased { peer, from, upto, kept });
    }

    pub(super) fn ask_request(&mut self, number: u8) {
        let peer = onion(number);
        if let Some(at) = self.requests.iter().position(|request| request.peer == peer) {
            self.requests.remove(at);
            self.tell(What::RequestGone { peer });
        } else {
            self.requests.push(ContactRequest { peer, nick: String::new(), text: String::new(), at: String::new() });
            self.tell(What::Request { peer, nick: String::new(), text: String::new() });
        }
    }

    pub(super) fn all(&self, peer: ConversationId) -> Vec<Message> {
        self.messages.iter().filter(|message| message.peer == peer).cloned().collect()
    }

    pub(super) fn history(&self, asked: &History) -> MessagesAnswer {
        let all = self.all(asked.peer);
        let limit = asked.limit.unwrap() as usize;
        let (messages, more): (Vec<_>, bool) = if let Some(after) = asked.after {
            let newer: Vec<_> = all.into_iter().filter(|message| message.id > after).collect();
            (newer.iter().take(limit).cloned().collect(), newer.len() > limit)
        } else {
            let before = asked.before.unwrap_or(i64::MAX);
            let older: Vec<_> = all.into_iter().filter(|message| message.id < before).collect();
            let cut = older.len().saturating_sub(limit);
            (older[cut..].to_vec(), cut > 0)
        };
        MessagesAnswer { messages, more }
    }

    pub(super) fn unread(&self, peer: ConversationId) -> u64 {
        self.all(peer).iter().filter(|message| message.state == MessageState::Unread).count() as u64
    }

    /// The last message, but no line of a room.
    pub(super) fn last(&self, peer: ConversationId) -> Option<Message> {
        self.all(peer).into_iter().rev().find(|message| message.state != MessageState::System)
    }

    pub(super) fn mentions(&self, peer: ConversationId) -> u64 {
        let all = self.all(peer).into_iter();
        all.filter(|message| message.state == MessageState::Unread && message.mention).count() as u64
    }

    /// The next conversation of a list: each page has one. The one with the newest message is first.
    pub(super) fn conversation_after(
        &self,
        peers: &[ConversationId],
        before: Option<&Conversation>,
    ) -> Option<Conversation> {
        // Those without any message are last, and follow each other by their peer.
        let place = |known: &Conversation| {
            (
                Reverse(known.last.as_ref().map_or(0, |last| last.id)),
                match &known.last {
                    Some(_) => None,
                    None => Some(known.id()),
                },
            )
        };
        let mut rest = self.conversations(peers);
        rest.retain(|next| before.is_none_or(|before| place(next) > place(before)));
        rest.into_iter().min_by_key(place)
    }

    pub(super) fn conversations(&self, peers: &[ConversationId]) -> Vec<Conversation> {
        let conversation = |peer: &ConversationId| {
            let (contact, last) = (contact(peer.as_peer().map(Onion).unwrap()), self.last(*peer));
            let plain = Conversation { contact, unread: self.unread(*peer), last, room: None, mentions: None };
            match self.room.as_ref().filter(|room| room.id() == *peer) {
                Some(room) => room.conversation(plain, self.mentions(*peer)),
                None => plain,
            }
        };
        peers.iter().map(conversation).collect()
    }
}

/// Which message an event is about.
fn about(what: &What) -> Option<i64> {
    match what {
        What::Received { message } | What::Queued { message } | What::Lost { message } => Some(message.id),
        What::Sent(message)
        | What::Delivered(message)
        | What::Withdrawn(message)
        | What::Failed(message)
        | What::Read(message) => Some(message.id),
        What::Edited { id, .. } | What::Redacted { id, .. } | What::Reacted { id, .. } => Some(*id),
        _ => None,
    }
}
