//! Conversations: pages of them, the search in them, what of them was seen.

use super::{Handle, Refusal, blocking};
use crate::engine::{Event, lock};
use serde::Serialize;
use tokio::sync::oneshot;
use torchat_protocol::control::api::command::SearchAnswer;
use torchat_protocol::control::api::record::{Contact, ContactRequest, Conversation, Message, MessageState};
use torchat_protocol::id::{MessageId, PeerId};

/// What HISTORY says of a message that was taken back after it may have left.
const FATE_OPEN: &str = "the peer is asked to skip it; it may have got it before";

/// How a message is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SendOptions {
    /// The same key again, within 30 days, is the same message. Keys of different programs must differ already.
    pub client_id: Option<String>,
    /// Fails if it is not delivered within so many milliseconds; at most what the policy says, which is the default.
    pub expire_ms: Option<i64>,
}

/// A message that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Its number in this daemon.
    pub id: i64,
    /// Its id, the same at both ends.
    pub mid: MessageId,
    /// How far it is.
    pub state: MessageState,
    /// A message with this `client_id` was accepted before; nothing was sent now.
    pub duplicate: bool,
}

/// A text that the engine has, and has not accepted yet. Dropped, it is accepted all the same.
#[derive(Debug)]
pub struct Sending {
    answer: oneshot::Receiver<Result<MessageId, Refusal>>,
}

impl Sending {
    /// Returns when the message is durable here.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing was accepted then.
    pub async fn accepted(self) -> Result<Accepted, Refusal> {
        let mid = self.answer.await.map_err(|_| Refusal::Stopping)??;
        Ok(Accepted { id: 0, mid, state: MessageState::Queued, duplicate: false })
    }
}

/// Which part of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// The newest messages.
    Last,
    /// The newest of those before this `id`.
    Before(i64),
    /// The oldest of those after this `id`.
    After(i64),
}

/// One message of a conversation, as HISTORY shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HistoryLine {
    /// Milliseconds since 1970: arrival of a received message, acceptance of a sent one.
    #[serde(skip)]
    pub at_ms: i64,
    /// `in` or `out`.
    pub dir: &'static str,
    /// The message's id.
    pub mid: MessageId,
    /// The text.
    pub text: String,
    /// `unread`, `read`; `queued`, `sent`, `waiting`, `delivered`, `withdrawn`, `failed`; `lost` for a mark of ours.
    pub state: &'static str,
    /// Why it is not delivered, in words.
    pub reason: Option<String>,
    /// When the peer is dialled next: milliseconds since 1970.
    pub next_try_ms: Option<i64>,
}

impl Handle {
    /// The last `n` messages with a peer, oldest first.
    ///
    /// # Errors
    /// [`Refusal::Storage`] when the store cannot be read.
    pub async fn history(&self, peer: PeerId, n: u32) -> Result<Vec<HistoryLine>, Refusal> {
        let reader = self.reader.clone();
        let found = blocking(move || reader.history(&peer, n)).await.ok_or(Refusal::Stopping)?;
        let found = found.map_err(|error| Refusal::Storage(error.to_string()))?;
        let now = self.clock.now();
        let (sent_below, waiting, reason, next_dial) = {
            let node = lock(&self.node);
            let next_dial = node.next_dial_in_ms(&peer, now.mono_ms);
            (node.sent_below(&peer), node.is_waiting(&peer), node.reason(&peer), next_dial)
        };
        let next_try_ms = next_dial.map(|ms| now.wall_ms.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX)));
        Ok(found
            .into_iter()
            .map(|row| {
                let mut line = row.line;
                if let Some((lane, seq)) = row.place {
                    if waiting {
                        line.state = "waiting";
                    } else if sent_below.is_some_and(|(sent, below)| sent == lane && seq < below) {
                        line.state = "sent";
                    }
                    line.reason.clone_from(&reason);
                    line.next_try_ms = next_try_ms;
                } else if row.fate_open {
                    line.reason = Some(FATE_OPEN.to_owned());
                }
                line
            })
            .collect())
    }

    /// Accepts a text for a peer, which becomes a contact. Returns when the message is durable here.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing was accepted then.
    pub async fn send_with(&self, peer: PeerId, text: String, options: SendOptions) -> Result<Accepted, Refusal> {
        self.begin_send(peer, text, options).await?.accepted().await
    }

    /// Gives a text for a peer to the engine, and returns when the engine has it: before it is durable. Messages to one
    /// peer get the order in which their calls returned, so whoever sends many need not wait for each.
    ///
    /// # Errors
    /// [`Refusal::Stopping`]; what else can be wrong, [`Sending::accepted`] tells.
    pub async fn begin_send(&self, peer: PeerId, text: String, options: SendOptions) -> Result<Sending, Refusal> {
        let _ = options;
        let (reply, answer) = oneshot::channel();
        self.post(Event::Send { peer, text, reply }).await?;
        Ok(Sending { answer })
    }

    /// A page of a conversation, oldest first, and whether there is more in the direction that was asked for.
    ///
    /// # Errors
    /// [`Refusal::Storage`] when the store cannot be read.
    pub async fn page(&self, _peer: PeerId, _page: Page, _limit: u32) -> Result<(Vec<Message>, bool), Refusal> {
        Err(Refusal::Stopping)
    }

    /// Messages that hold all the given words, newest first.
    ///
    /// # Errors
    /// [`Refusal::BadValue`] when there is no word in `text`; [`Refusal::Storage`].
    pub async fn search(
        &self,
        _text: String,
        _peers: Option<Vec<PeerId>>,
        _before: Option<i64>,
        _limit: u32,
    ) -> Result<SearchAnswer, Refusal> {
        Err(Refusal::Stopping)
    }

    /// Marks received messages of a peer as seen. Returns how many were unread, when that is durable.
    ///
    /// # Errors
    /// [`Refusal::Storage`].
    pub async fn seen(&self, _peer: PeerId, _upto: i64) -> Result<u64, Refusal> {
        Err(Refusal::Stopping)
    }

    /// Conversations with their unread counts and last messages, the one with the newest message first.
    ///
    /// # Errors
    /// [`Refusal::Storage`] when the store cannot be read.
    pub async fn conversations(&self) -> Result<Vec<Conversation>, Refusal> {
        Err(Refusal::Stopping)
    }

    /// Contacts and blocked peers, and what is known of each.
    #[must_use]
    pub fn contact_records(&self) -> Vec<Contact> {
        Vec::new()
    }

    /// The strangers that wait for the user's decision, oldest first.
    #[must_use]
    pub fn request_records(&self) -> Vec<ContactRequest> {
        Vec::new()
    }
}
