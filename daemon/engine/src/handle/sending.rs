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
use torchat_protocol::room::body::BoundedText;
use torchat_protocol::room::limits::TEXT_BYTES;

/// Bytes of a client's key, with what the caller puts before it.
const CLIENT_ID_BYTES: usize = 256;

/// How a message is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SendOptions {
    /// The same key again, within 30 days, is the same message. Keys of different programs must differ already.
    pub client_id: Option<String>,
    /// Fails if it is not delivered within this time in milliseconds; at most what the policy says, which is the default. In a room
    /// it is taken back if it is not published by then; without this it waits without end.
    pub expire_ms: Option<i64>,
    /// In a room: the number of the message that it answers.
    pub re: Option<i64>,
    /// In a room: the numbers of the members that it mentions.
    pub to: Vec<u32>,
}

/// A message that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Its number in this daemon.
    pub id: i64,
    /// Its id, the same at both ends.
    pub mid: MessageId,
    /// The conversation that it is in.
    pub conversation: ConversationId,
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
        conversation: ConversationId,
        answer: oneshot::Receiver<Result<Answer, Refusal>>,
        again: Option<Box<Again>>,
    },
}

/// What is asked once more when the look into the store was too long ago.
struct Again {
    handle: Handle,
    conversation: ConversationId,
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
            let (conversation, answer, again) = match state {
                State::Before(accepted) => return Ok(accepted),
                State::Asked { conversation, answer, again } => (conversation, answer, again),
            };
            let answer = answer.await.map_err(|_| Refusal::Stopping)??;
            match (answer, again) {
                (Answer::Accepted { mid, row: id, duplicate: true }, Some(again)) => {
                    let reader = again.handle.reader.clone();
                    return Ok(match read(reader, move |reader| reader.message(id)).await? {
                        Some(row) => again.handle.accepted_before(conversation, row),
                        None => Accepted { id, mid, conversation, state: MessageState::Queued, duplicate: true },
                    });
                }
                (Answer::Accepted { mid, row: id, duplicate }, _) => {
                    return Ok(Accepted { id, mid, conversation, state: MessageState::Queued, duplicate });
                }
                (Answer::LookAgain, Some(again)) => {
                    let Again { handle, conversation, text, options } = *again;
                    state = handle.begin_send(conversation, text, options).await?.0;
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
        let room = self.room_of(conversation);
        let peer = addressee(conversation)?;
        if room.is_some() && text.len() > TEXT_BYTES {
            return Err(Refusal::RoomTextTooLong(text.len()));
        }
        if room.is_none() && (options.re.is_some() || !options.to.is_empty()) {
            return Err(Refusal::BadValue("\"re\" and \"to\" are for rooms, and this is a person".to_owned()));
        }
        let client_id = options.client_id.clone();
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
                return Ok(Sending(State::Before(self.accepted_before(conversation, row))));
            }
        }
        let client = client_id.map(|client| (client, looked_at));
        // Kept only for a client that may be sent to look again.
        let again = client.is_some().then(|| {
            Box::new(Again { handle: self.clone(), conversation, text: text.clone(), options: options.clone() })
        });
        let expire_ms = options.expire_ms;
        let request = match room {
            None => Request::Send { peer, text, client, expire_ms },
            Some(room) => {
                let (re, to) = self.said_to(room, options.re, &options.to).await?;
                let text = BoundedText::new(text).ok_or(Refusal::RoomTextTooLong(TEXT_BYTES))?;
                Request::Say { room, text, re, to, client, expire_ms }
            }
        };
        let answer = self.begin(request).await?;
        Ok(Sending(State::Asked { conversation, answer, again }))
    }

    fn accepted_before(&self, conversation: ConversationId, row: MessageRow) -> Accepted {
        let (id, mid, state) = (row.id, row.mid, row.state);
        let state = self.show(vec![row]).first().map_or(state, |shown| shown.state);
        Accepted { id, mid, conversation, state, duplicate: true }
    }

    /// As [`Handle::wait_delivered`], of a message that was accepted; in a room, until another member has it durably.
    pub async fn wait_accepted(&self, accepted: &Accepted, timeout: Duration) -> DeliveryWait {
        match (self.room_of(accepted.conversation), accepted.conversation.as_peer()) {
            (Some(room), _) => self.wait_in_room(room, accepted.id, timeout).await,
            (None, Some(peer)) => self.wait_delivered(peer, accepted.mid, timeout).await,
            // Nothing is accepted for nobody.
            (None, None) => DeliveryWait::NotYet { reason: Reason::Ending },
        }
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
        let conversation = conversation.into();
        if let Some(room) = self.room_of(conversation) {
            return self.take_back(room, mid).await.map(|()| true);
        }
        let peer = conversation.as_peer().ok_or(Refusal::NotPending)?;
        match self.ask(Request::Cancel { peer, mid }).await? {
            Answer::TakenBack { certain } => Ok(certain),
            _ => Err(Refusal::Stopping),
        }
    }
}

/// How a message of ours that waits no more has ended.
pub(super) fn ended(state: MessageState) -> DeliveryWait {
    match state {
        MessageState::Delivered => DeliveryWait::Delivered,
        MessageState::Withdrawn => DeliveryWait::Failed { reason: Reason::TakenBack },
        MessageState::Failed => DeliveryWait::Failed { reason: Reason::Expired { seconds: None } },
        _ => DeliveryWait::NotYet { reason: Reason::Ending },
    }
}

/// The peer whose conversation this is, who becomes a contact by what is sent. A room's id has the shape of a peer's.
fn addressee(conversation: ConversationId) -> Result<PeerId, Refusal> {
    let nobody = "there is no such conversation, and the id is not a valid key, so no peer can have it: copy it again";
    conversation.as_peer().ok_or_else(|| Refusal::BadValue(nobody.to_owned()))
}
