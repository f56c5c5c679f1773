//! The daemon that is played: what it has, and what it answers.

use super::{contact, message, onion};
use crate::timeline::*;
use torchat_protocol::control::api::command::{History, MessagesAnswer};
use torchat_protocol::control::api::event::{Event, MessageRef, What};
use torchat_protocol::control::api::record::ContactRequest;

/// What the daemon has, and what it has not told yet.
#[derive(Default)]
pub(super) struct Daemon {
    pub(super) messages: Vec<Message>,
    pub(super) requests: Vec<ContactRequest>,
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
        let message = message(id, peer, dir, state);
        self.messages.push(message.clone());
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
        let Some(last) = self.messages.get(at % self.messages.len().max(1)).cloned() else { return };
        let mut told = Vec::new();
        for message in &mut self.messages {
            let meant = message.peer == last.peer && (message.id == last.id || upto && message.id < last.id);
            if meant && message.state == MessageState::Unread {
                message.state = MessageState::Read;
                told.push(What::Read(MessageRef { peer: message.peer, id: message.id, mid: message.mid }));
            }
        }
        told.into_iter().for_each(|what| self.tell(what));
    }

    /// A piece of a conversation is erased: up to this many messages from a number on.
    pub(super) fn erase(&mut self, peer: ConversationId, from: i64, count: usize) {
        let waits = |message: &Message| matches!(message.state, MessageState::Queued | MessageState::Sent);
        let piece: Vec<Message> = self.all(peer).into_iter().filter(|message| message.id >= from).take(count).collect();
        let gone: Vec<i64> = piece.iter().filter(|message| !waits(message)).map(|message| message.id).collect();
        let (Some(from), Some(upto)) = (gone.first().copied(), gone.last().copied()) else { return };
        let kept = piece.iter().map(|message| message.id).filter(|id| (from..upto).contains(id) && !gone.contains(id));
        let kept: Vec<i64> = kept.collect();
        self.messages.retain(|message| !gone.contains(&message.id));
        self.tell(What::Erased { peer, from, upto, kept });
    }

    /// Where a message is, by its number.
    pub(super) fn place(&self, id: i64) -> Option<usize> {
        self.messages.iter().position(|message| message.id == id)
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

    pub(super) fn conversations(&self, peers: &[ConversationId]) -> Vec<Conversation> {
        let conversation = |peer: &ConversationId| Conversation {
            contact: contact(peer.as_peer().map(Onion).unwrap()),
            unread: self.unread(*peer),
            last: self.all(*peer).pop(),
        };
        peers.iter().map(conversation).collect()
    }
}
