//! Messages on their way out: accepted, waited for, taken back.

use super::{Handle, Refusal, read};
use crate::codes;
use crate::request::{Answer, Request};
use crate::store::MessageRow;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::oneshot;
use torchat_protocol::control::api::record::MessageState;
use torchat_protocol::control::reason::Reason;
use torchat_protocol::conversation::ConversationId;
use torchat_protocol::id::{MessageId, PeerId};

/// Bytes of a client's key, with what the caller puts before it.
const CLIENT_ID_BYTES: usize = 256;

/// How a message is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SendOptions {
    /// The same key again, within 30 days, is the same message. Keys of different programs must differ already.
    pub client_id: Option<String>,
    /// Fails if it is not delivered within this time in milliseconds; at most what the policy says, which is the default.
    pub expire_ms: Option<i64>,
}

/// A message that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Its number in this daemon.
    pub id: i64,
    /// Its id, the same at both ends.
    pub mid: MessageId,
    /// Who gets it.
    pub peer: PeerId,
    /// How far it is.
    pub state: MessageState,
    /// A message with this `client_id` was accepted before; nothing was sent now.
    pub duplicate: bool,
}

/// How the wait for a delivery ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryWait {
    /// Durable at the peer.
    Delivered,
    /// It never will be: it was taken back, or it waited too long.
    Failed {
        /// Why.
        reason: Reason,
    },
    /// Not within the time. `reason` says what the message waits for; it stays queued.
    NotYet {
        /// Why.
        reason: Reason,
    },
}

/// A text that the engine has, and has not accepted yet. Dropped, it is accepted all the same.
pub struct Sending(State);

enum State {
    /// The message is there already, under the same key.
    Before(Accepted),
    Asked {
        peer: PeerId,
        answer: oneshot::Receiver<Result<Answer, Refusal>>,
        again: Option<Box<Again>>,
    },
}

/// What is asked once more when the look into the store was too long ago.
struct Again {
    handle: Handle,
    peer: PeerId,
    text: String,
    options: SendOptions,
}

impl Sending {
    /// Returns when the message is durable here.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing was accepted then.
    pub async fn accepted(self) -> Result<Accepted, Refusal> {
        let mut state = self.0;
        loop {
            let (peer, answer, again) = match state {
                State::Before(accepted) => return Ok(accepted),
                State::Asked { peer, answer, again } => (peer, answer, again),
            };
            let answer = answer.await.map_err(|_| Refusal::Stopping)??;
            match (answer, again) {
                (Answer::Accepted { mid, row: id, duplicate: true }, Some(again)) => {
                    let reader = again.handle.reader.clone();
                    return Ok(match read(reader, move |reader| reader.message(id)).await? {
                        Some(row) => again.handle.accepted_before(peer, row),
                        None => Accepted { id, mid, peer, state: MessageState::Queued, duplicate: true },
                    });
                }
                (Answer::Accepted { mid, row: id, duplicate }, _) => {
                    return Ok(Accepted { id, mid, peer, state: MessageState::Queued, duplicate });
                }
                (Answer::LookAgain, Some(again)) => {
                    let Again { handle, peer, text, options } = *again;
                    state = handle.begin_send(peer.into(), text, options).await?.0;
                }
                // Only what has a key is sent to look again, and nothing else answers a SEND.
                (_, _) => return Err(Refusal::Stopping),
            }
        }
    }
}

impl Handle {
    /// Accepts a text for a peer, which becomes a contact. Returns when the message is durable here.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing was accepted then.
    pub async fn send(&self, peer: PeerId, text: String) -> Result<MessageId, Refusal> {
        Ok(self.send_with(peer, text, SendOptions::default()).await?.mid)
    }

    /// Accepts a text for a peer, which becomes a contact. Returns when the message is durable here. With a `client_id`
    /// that was used for the same message before, nothing is sent and the message of then is named.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing was accepted then. [`Refusal::ClientIdReused`] for another text or peer under the same key.
    pub async fn send_with(&self, peer: PeerId, text: String, options: SendOptions) -> Result<Accepted, Refusal> {
        self.begin_send(peer.into(), text, options).await?.accepted().await
    }

    /// Gives a text for a conversation to the engine, and returns when the engine has it: before it is durable. Messages to one
    /// peer get the order in which their calls returned, so a program that sends many need not wait for each. Only a request
    /// that waited while thousands of keys were committed is given to the engine once more, later than others.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing was accepted then. [`Refusal::BadValue`] for an id that is no conversation. What else can be
    /// wrong, [`Sending::accepted`] tells.
    pub async fn begin_send(
        &self,
        conversation: ConversationId,
        text: String,
        options: SendOptions,
    ) -> Result<Sending, Refusal> {
        let peer = addressee(conversation)?;
        let SendOptions { client_id, expire_ms } = options;
        if client_id.as_ref().is_some_and(|client| client.is_empty() || client.len() > CLIENT_ID_BYTES) {
            return Err(Refusal::BadValue(format!("a client_id has 1 to {CLIENT_ID_BYTES} bytes")));
        }
        // Before the look: the engine knows what was committed since.
        let looked_at = self.client_commits.load(Ordering::Acquire);
        if let Some(client) = client_id.clone() {
            // A key that looks too old to a clock that is not believed is still known.
            let (reader, believed) = (self.reader.clone(), self.node.lock().believed(self.clock.now()));
            if let Some(row) = read(reader, move |reader| reader.by_client_id(&client, believed)).await? {
                if row.conversation != conversation || (row.text != text && !row.erased) {
                    return Err(Refusal::ClientIdReused);
                }
                return Ok(Sending(State::Before(self.accepted_before(peer, row))));
            }
        }
        let client = client_id.clone().map(|client| (client, looked_at));
        // Kept only for a client that may be sent to look again.
        let again = client_id.map(|client| {
            let options = SendOptions { client_id: Some(client), expire_ms };
            Box::new(Again { handle: self.clone(), peer, text: text.clone(), options })
        });
        let answer = self.begin(Request::Send { peer, text, client, expire_ms }).await?;
        Ok(Sending(State::Asked { peer, answer, again }))
    }

    fn accepted_before(&self, peer: PeerId, row: MessageRow) -> Accepted {
        let (id, mid, state) = (row.id, row.mid, row.state);
        let state = self.show(vec![row]).first().map_or(state, |shown| shown.state);
        Accepted { id, mid, peer, state, duplicate: true }
    }

    /// Waits until the peer has a message durably, at most for `timeout`. Of a message that has ended before, the store is
    /// asked how: what was taken back, or waited too long, between its acceptance and this call was not delivered.
    pub async fn wait_delivered(&self, peer: PeerId, mid: MessageId, timeout: Duration) -> DeliveryWait {
        match tokio::time::timeout(timeout, self.ask(Request::Wait { peer, mid })).await {
            Ok(Ok(Answer::Delivered)) => DeliveryWait::Delivered,
            Ok(Ok(Answer::Failed { reason })) => DeliveryWait::Failed { reason },
            Ok(Err(Refusal::NotPending)) => {
                let found = read(self.reader.clone(), move |reader| reader.sent(&peer, mid)).await;
                // A store that cannot be read says nothing against the message: it must not be sent again.
                found.ok().flatten().map_or(DeliveryWait::NotYet { reason: Reason::Ending }, ended)
            }
            // Nothing else answers or refuses a wait.
            Ok(Ok(_) | Err(_)) => DeliveryWait::NotYet { reason: Reason::Stopping },
            Err(_) => {
                let reason = self.node.lock().obstacle(&peer).map(codes::reason);
                DeliveryWait::NotYet { reason: reason.unwrap_or(Reason::Ending) }
            }
        }
    }

    /// Takes a message back that is not delivered. `true`: it never left this machine. `false`: it may have, and HISTORY
    /// shows how it ended as soon as the peer has said so.
    ///
    /// # Errors
    /// [`Refusal::NotPending`] when it is delivered, or no such message was sent; [`Refusal::Storage`].
    pub async fn cancel(&self, conversation: impl Into<ConversationId>, mid: MessageId) -> Result<bool, Refusal> {
        let peer = conversation.into().as_peer().ok_or(Refusal::NotPending)?;
        match self.ask(Request::Cancel { peer, mid }).await? {
            Answer::TakenBack { certain } => Ok(certain),
            _ => Err(Refusal::Stopping),
        }
    }
}

/// How a message of ours that waits no more has ended.
fn ended(state: MessageState) -> DeliveryWait {
    match state {
        MessageState::Delivered => DeliveryWait::Delivered,
        MessageState::Withdrawn => DeliveryWait::Failed { reason: Reason::TakenBack },
        MessageState::Failed => DeliveryWait::Failed { reason: Reason::Expired { seconds: None } },
        _ => DeliveryWait::NotYet { reason: Reason::Ending },
    }
}

/// Who gets what is sent to a conversation. So far that is one peer always, who becomes a contact by it.
fn addressee(conversation: ConversationId) -> Result<PeerId, Refusal> {
    let nobody = "there is no such conversation, and the id is not a valid key, so no peer can have it: copy it again";
    conversation.as_peer().ok_or_else(|| Refusal::BadValue(nobody.to_owned()))
}
