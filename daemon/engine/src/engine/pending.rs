//! Clients' requests while their turn is under way, and what they are answered.

use super::Engine;
use crate::client_ids::ClientIds;
use crate::refusal::{NotStored, Refusal, not_written};
use crate::request::{Answer, Reply, Request};
use crate::store::{Erased, StoreError, Trouble};
use std::collections::{HashMap, VecDeque};
use torchat_core::effect::{RoomAnswer, RoomRefused};
use torchat_core::input::{self, Input, Refused};
use torchat_protocol::id::{MessageId, PeerId};
use torchat_protocol::room::TextId;

/// A client's request between its input and its answer.
pub(super) struct Pending {
    kind: Kind,
    reply: Reply,
    /// What is tried alone if the turn does not fit into the store: a decision of the user, for which there is a reserve.
    alone: Option<Box<Request>>,
}

/// What is special about a request's answer.
enum Kind {
    /// Nothing.
    Plain,
    /// Its row comes from the store, and its key is known from now on.
    Send { client: Option<String> },
    /// Its number comes from the store.
    Seen,
    /// What it did comes from the store.
    Erase,
    /// What was read stays read in memory and is written down when the store takes it.
    Read,
}

/// What the store said of a turn's requests.
#[derive(Default)]
pub(super) struct Facts {
    /// The rows of the messages that were accepted.
    pub(super) rows: HashMap<MessageId, i64>,
    /// The ids and rows of the texts that were accepted for rooms.
    pub(super) said: HashMap<TextId, (MessageId, i64)>,
    /// How many messages each SEEN found unread, in order.
    pub(super) seen: VecDeque<u64>,
    /// What each piece that was erased was, in order.
    pub(super) erased: VecDeque<Erased>,
    /// Why the store takes no writes.
    pub(super) trouble: Option<Trouble>,
}

impl Engine {
    /// Takes up a client's request: as an input of the next turn, unless it is answered without one.
    pub(super) fn take_request(&mut self, request: Request, mut reply: Reply, inputs: &mut Vec<Input>) {
        let kind = match &request {
            Request::Wait { peer, mid } => return self.wait(*peer, *mid, reply),
            Request::Send { client: None, .. } => Kind::Send { client: None },
            Request::Send { peer, text, client: Some((client, looked_at)), .. } => {
                match self.clients.begin(client, (*peer).into(), text, *looked_at, reply) {
                    Some(back) => reply = back,
                    None => return,
                }
                Kind::Send { client: Some(client.clone()) }
            }
            Request::Say { client: None, .. } => Kind::Send { client: None },
            Request::Say { room, text, client: Some((client, looked_at)), .. } => {
                match self.clients.begin(client, room.conversation(), text.as_str(), *looked_at, reply) {
                    Some(back) => reply = back,
                    None => return,
                }
                Kind::Send { client: Some(client.clone()) }
            }
            Request::Contact { .. } | Request::Invite { .. } | Request::Cancel { .. } | Request::Room(_) => Kind::Plain,
            Request::Read { .. } | Request::LegacyTaken { .. } => Kind::Read,
            Request::Seen { .. } => Kind::Seen,
            Request::Erase { .. } => Kind::Erase,
        };
        // Mail may come into the turn later, so it does not matter whether it is the first.
        let decides = matches!(request, Request::Contact { .. } | Request::Erase { .. });
        let alone = (decides && self.writable).then(|| Box::new(request.clone()));
        let id = self.next_request;
        self.next_request += 1;
        if let Some(input) = request.input(id) {
            inputs.push(input);
            self.pending.insert(id, Pending { kind, reply, alone });
        }
    }

    fn wait(&mut self, peer: PeerId, mid: MessageId, reply: Reply) {
        if self.node.lock().is_pending(&peer, &mid) {
            let waiters = self.waiters.entry((peer, mid)).or_default();
            waiters.retain(|waiter| !waiter.is_closed());
            waiters.push(reply);
        } else {
            // What became of it only the store knows.
            let _ = reply.send(Err(Refusal::NotPending));
        }
    }

    /// The node was made anew from the store, where messages may have ended without a word: who waits for one of them is
    /// sent to look there.
    pub(super) fn release_waiters(&mut self) {
        let node = self.node.lock();
        self.waiters.retain(|(peer, mid), waiters| {
            let waits = node.is_pending(peer, mid);
            if !waits {
                for waiter in waiters.drain(..) {
                    let _ = waiter.send(Err(Refusal::NotPending));
                }
            }
            waits
        });
    }
}

impl Pending {
    /// The core has answered, and its turn is durable.
    pub(super) fn answer(self, answer: &input::Answer, facts: &mut Facts, clients: &mut ClientIds) {
        let trouble = facts.trouble;
        let result = match (&self.kind, answer) {
            (Kind::Read, _) => Ok(Answer::Done),
            (_, input::Answer::Refused(refused)) => Err(refusal(refused, trouble)),
            (Kind::Seen, _) => Ok(Answer::Seen(facts.seen.pop_front().unwrap_or_default())),
            (Kind::Erase, _) => Ok(Answer::Erased(facts.erased.pop_front().unwrap_or_default())),
            (_, input::Answer::Queued(mid)) => {
                let row = facts.rows.get(mid).copied().unwrap_or_default();
                Ok(Answer::Accepted { mid: *mid, row, duplicate: false })
            }
            (_, input::Answer::Done) => Ok(Answer::Done),
            (_, input::Answer::TakenBack { certain }) => Ok(Answer::TakenBack { certain: *certain }),
            (_, input::Answer::Invited(secret)) => Ok(Answer::Invited(*secret)),
        };
        self.end(result, clients);
    }

    /// The core has answered a wish about rooms, and its turn is durable.
    pub(super) fn answer_room(self, answer: RoomAnswer, facts: &Facts, clients: &mut ClientIds) {
        let result = match answer {
            RoomAnswer::Refused(RoomRefused::Storage) => Err(Refusal::Storage(not_written_now(facts.trouble))),
            RoomAnswer::Refused(refused) => Err(Refusal::Room(refused)),
            RoomAnswer::Queued(text) => {
                let (mid, row) = facts.said.get(&text).copied().unwrap_or((MessageId(text.0), 0));
                Ok(Answer::Accepted { mid, row, duplicate: false })
            }
            answer => Ok(Answer::Room(answer)),
        };
        self.end(result, clients);
    }

    /// The store took nothing of the request's turn.
    pub(super) fn fail(self, error: &StoreError, clients: &mut ClientIds) {
        let result = match self.kind {
            Kind::Read => Ok(Answer::Done),
            _ => Err(not_written(error)),
        };
        self.end(result, clients);
    }

    fn end(self, result: Result<Answer, Refusal>, clients: &mut ClientIds) {
        if let Kind::Send { client: Some(client) } = self.kind {
            match &result {
                Ok(Answer::Accepted { mid, row, .. }) => clients.committed(client, *mid, *row),
                // The core answers a SEND with its message, or refuses it.
                Ok(_) => clients.refused(&client, &Refusal::Stopping),
                Err(refusal) => clients.refused(&client, refusal),
            }
        }
        // A client that left does not need its answer.
        let _ = self.reply.send(result);
    }

    /// Its answer is a fact of the store.
    pub(super) fn needs_the_store(&self) -> bool {
        matches!(self.kind, Kind::Seen | Kind::Erase)
    }

    /// The request, if it is to be tried alone.
    ///
    /// # Errors
    /// Itself, if not.
    pub(super) fn alone(self) -> Result<(Request, Reply), Self> {
        match self.alone {
            Some(request) => Ok((*request, self.reply)),
            None => Err(self),
        }
    }
}

fn refusal(refused: &Refused, trouble: Option<Trouble>) -> Refusal {
    match refused {
        Refused::ToSelf => Refusal::ToSelf,
        Refused::TextTooLong(bytes) => Refusal::TextTooLong(*bytes),
        Refused::OutboxFullForContact => Refusal::OutboxFull("for this contact".into()),
        Refused::OutboxFull => Refusal::OutboxFull("for all contacts together".into()),
        Refused::NotPending => Refusal::NotPending,
        Refused::NoContact => Refusal::NoContact,
        Refused::NoRequest => Refusal::NoRequest,
        Refused::Blocked => Refusal::Blocked,
        Refused::NotBlocked => Refusal::NotBlocked,
        Refused::TooManyInvites => Refusal::TooManyInvites,
        Refused::Storage => Refusal::Storage(not_written_now(trouble)),
    }
}

fn not_written_now(trouble: Option<Trouble>) -> NotStored {
    NotStored::of(trouble.unwrap_or(Trouble::Failing))
}
