//! Clients' requests while their turn is under way, and what they are answered.

use crate::client_ids::{ClientIds, SendReply, Sent};
use crate::refusal::{NotStored, Refusal, not_written};
use crate::store::{StoreError, Trouble};
use std::collections::{HashMap, VecDeque};
use tokio::sync::oneshot;
use torchat_core::input::{Answer, ContactChange, Refused};
use torchat_protocol::id::{InviteSecret, MessageId, PeerId};

/// A client's request between its input and its answer.
pub(super) enum Reply {
    Send {
        client: Option<String>,
        reply: SendReply,
    },
    Contact {
        /// What is tried alone if the turn does not fit into the store.
        alone: Option<(PeerId, ContactChange)>,
        reply: oneshot::Sender<Result<(), Refusal>>,
    },
    Invite(oneshot::Sender<Result<InviteSecret, Refusal>>),
    Cancel(oneshot::Sender<Result<bool, Refusal>>),
    Read(oneshot::Sender<()>),
    Seen(oneshot::Sender<Result<u64, Refusal>>),
}

/// What the store said of a turn's requests.
#[derive(Default)]
pub(super) struct Facts {
    /// The rows of the messages that were accepted.
    pub(super) rows: HashMap<MessageId, i64>,
    /// How many messages each SEEN found unread, in order.
    pub(super) seen: VecDeque<u64>,
    /// Why the store takes no writes.
    pub(super) trouble: Option<Trouble>,
}

impl Reply {
    pub(super) fn answer(self, answer: &Answer, facts: &mut Facts, clients: &mut ClientIds) {
        let trouble = facts.trouble;
        let refusal = |refused: &Refused| refusal(refused, trouble);
        // A client that left does not need its answer.
        match (self, answer) {
            (Self::Send { client, reply }, Answer::Queued(mid)) => {
                let row = facts.rows.get(mid).copied().unwrap_or_default();
                if let Some(client) = client {
                    clients.committed(client, *mid, row);
                }
                drop(reply.send(Ok(Sent::Accepted { mid: *mid, row, duplicate: false })));
            }
            (Self::Send { client, reply }, answer) => {
                // The core answers a SEND with its message, or refuses it.
                let refusal = if let Answer::Refused(refused) = answer { refusal(refused) } else { Refusal::Stopping };
                if let Some(client) = client {
                    clients.refused(&client, &refusal);
                }
                drop(reply.send(Err(refusal)));
            }
            (Self::Seen(reply), Answer::Refused(refused)) => drop(reply.send(Err(refusal(refused)))),
            (Self::Seen(reply), _) => drop(reply.send(Ok(facts.seen.pop_front().unwrap_or_default()))),
            (Self::Contact { reply, .. }, Answer::Refused(refused)) => drop(reply.send(Err(refusal(refused)))),
            (Self::Contact { reply, .. }, _) => drop(reply.send(Ok(()))),
            (Self::Invite(reply), Answer::Invited(secret)) => drop(reply.send(Ok(*secret))),
            (Self::Invite(reply), Answer::Refused(refused)) => drop(reply.send(Err(refusal(refused)))),
            (Self::Read(reply), _) => drop(reply.send(())),
            (Self::Cancel(reply), Answer::TakenBack { certain }) => drop(reply.send(Ok(*certain))),
            (Self::Cancel(reply), Answer::Refused(refused)) => drop(reply.send(Err(refusal(refused)))),
            // The core answers a request with what was asked, or refuses it.
            (Self::Invite(reply), _) => drop(reply.send(Err(Refusal::Stopping))),
            (Self::Cancel(reply), _) => drop(reply.send(Err(Refusal::Stopping))),
        }
    }

    pub(super) fn fail(self, error: &StoreError, clients: &mut ClientIds) {
        let refusal = not_written(error);
        match self {
            Self::Send { client, reply } => {
                if let Some(client) = client {
                    clients.refused(&client, &refusal);
                }
                drop(reply.send(Err(refusal)));
            }
            Self::Seen(reply) => drop(reply.send(Err(refusal))),
            Self::Contact { reply, .. } => drop(reply.send(Err(refusal))),
            Self::Invite(reply) => drop(reply.send(Err(refusal))),
            Self::Cancel(reply) => drop(reply.send(Err(refusal))),
            // What was read stays read in memory and is written down when the store takes it.
            Self::Read(reply) => drop(reply.send(())),
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
        Refused::Storage => Refusal::Storage(NotStored::of(trouble.unwrap_or(Trouble::Failing))),
    }
}
