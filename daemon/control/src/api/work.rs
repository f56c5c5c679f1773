//! What each command of API 1 does.

use super::answer_line;
use super::subscription::{allowed, consumer_key};
use crate::access::Access;
use crate::commands::{WAIT_DEFAULT_S, WAIT_MAX_S};
use crate::contacts::{INVITE_DEFAULT_H, INVITE_MAX_H};
use crate::pages::{Desk, Held, Turn};
use serde::Serialize;
use serde_json::Value;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use torchat_core::input::ContactChange;
use torchat_core::snapshot::Intro;
use torchat_engine::LegacyLine;
use torchat_engine::handle::time;
use torchat_engine::handle::{DeliveryWait, EventLog, Handle, Page as Part, Refusal};
use torchat_protocol::control::api::command::{
    Ack, AckAnswer, Add, AddAnswer, Cancel, CancelAnswer, CheckAnswer, ContactsAnswer, Conversations,
    ConversationsAnswer, Cursors, CursorsAnswer, Events, EventsAnswer, History, Invite, InviteAnswer, Legacy,
    LegacyAnswer, LegacyTake, LegacyTakeAnswer, MessagesAnswer, Nothing, Rename, RequestsAnswer, Search, SearchAnswer,
    Seen, SeenAnswer, SendAnswer, Status, StatusAnswer,
};
use torchat_protocol::control::api::event::{Event, What};
use torchat_protocol::control::api::record::{Cursor, Message, MessageState, OldMessage};
use torchat_protocol::control::api::{ApiError, Onion, Ref};
use torchat_protocol::id::{MessageId, PeerId, parse_local_onion};
use torchat_protocol::invite::Invite as TypedInvite;
use torchat_protocol::limits;
use torchat_protocol::nick::Nick;

/// Messages or events in an answer.
pub(super) const PAGE: u32 = 1000;
/// Bytes of messages or events in an answer: what does not fit is left for the next page. One always fits. Less if there
/// is little room, see [`Desk`].
const PAGE_BYTES: usize = 1 << 20;
const MESSAGES_DEFAULT: u32 = 50;
const EVENTS_DEFAULT: u32 = 100;
/// How long EVENTS and STATUS wait at most, in seconds.
const NEWS_WAIT_MAX_S: u32 = 300;

/// What a command works with.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) handle: Handle,
    pub(super) desk: Desk,
    pub(super) access: Arc<Access>,
    /// The client sends nothing more: what it waits for without need ends.
    pub(super) ending: CancellationToken,
    /// The connection must end: nothing may wait any more.
    pub(super) cut: CancellationToken,
}

pub(super) type Done<T> = Result<T, ApiError>;

/// An answer's line, which counts until it is taken.
pub(super) type Page = Done<(Vec<u8>, Option<Held>)>;

pub(super) fn fail(code: &str, message: impl Into<String>) -> ApiError {
    ApiError::new(code, message)
}

pub(super) fn refused(refusal: &Refusal) -> ApiError {
    let code = match refusal {
        // The classic name of the same.
        Refusal::BadValue(_) => "bad-request",
        other => other.code(),
    };
    fail(code, refusal.to_string())
}

impl Context {
    /// A peer that this connection may know of.
    pub(super) fn peer(&self, peer: Onion) -> Done<PeerId> {
        if self.access.sees(&peer.0) {
            Ok(peer.0)
        } else {
            Err(fail("not-allowed", format!("this connection may not see {}", peer.0.onion())))
        }
    }

    pub(super) async fn change(self, peer: Onion, change: ContactChange) -> Done<Nothing> {
        let peer = self.peer(peer)?;
        self.handle.change(peer, change).await.map_err(|error| refused(&error))?;
        Ok(Nothing {})
    }

    pub(super) async fn rename(self, wanted: Rename) -> Done<Nothing> {
        let name = match wanted.name.as_str() {
            "" => None,
            name => Some(Nick::typed(name).map_err(|error| fail("bad-request", format!("no name: {error}")))?),
        };
        self.change(wanted.peer, ContactChange::Rename(name.map(|name| name.as_str().to_owned()))).await
    }

    pub(super) async fn add(self, wanted: Add) -> Done<AddAnswer> {
        let (most, found) = (limits::REQUEST_TEXT_BYTES, wanted.text.len());
        if found > most {
            return Err(fail("too-long", format!("a request has at most {most} bytes, this one has {found}")));
        }
        let (peer, invite) = if TypedInvite::is_meant(&wanted.peer) {
            let invite: TypedInvite =
                wanted.peer.parse().map_err(|error| fail("bad-request", format!("no invite: {error}")))?;
            (invite.peer, Some(invite.secret))
        } else {
            (parse_local_onion(&wanted.peer).map_err(|error| fail("bad-request", error.to_string()))?, None)
        };
        self.change(Onion(peer), ContactChange::Add(Intro { text: wanted.text, invite })).await?;
        Ok(AddAnswer { peer: Onion(peer) })
    }

    pub(super) async fn invite(self, wanted: Invite) -> Done<InviteAnswer> {
        let hours = wanted.hours.unwrap_or(INVITE_DEFAULT_H);
        if !(1..=INVITE_MAX_H).contains(&hours) {
            return Err(fail("bad-request", format!("\"hours\" must be 1 to {INVITE_MAX_H}")));
        }
        let invite = self.handle.invite(i64::from(hours) * 3_600_000).await.map_err(|error| refused(&error))?;
        Ok(InviteAnswer { invite: invite.to_string() })
    }

    pub(super) fn contacts(&self) -> ContactsAnswer {
        let mut contacts = self.handle.contact_records();
        contacts.retain(|contact| self.access.sees(&contact.peer.0));
        ContactsAnswer { contacts }
    }

    pub(super) fn requests(&self) -> RequestsAnswer {
        let mut requests = self.handle.request_records();
        requests.retain(|request| self.access.sees(&request.peer.0));
        RequestsAnswer { requests }
    }

    pub(super) async fn status(self, wanted: Status) -> Done<StatusAnswer> {
        let wait = wanted.wait.unwrap_or_default();
        check_wait(wait)?;
        if let Some(version) = wanted.version {
            tokio::select! {
                biased;
                () = self.ending.cancelled() => {}
                () = self.handle.outlook_changed(version) => {}
                () = tokio::time::sleep(Duration::from_secs(wait.into())) => {}
            }
        }
        Ok(self.status_now())
    }

    /// Whoever may see only some peers learns nothing of the others, not even how many they are.
    pub(super) fn status_now(&self) -> StatusAnswer {
        // Before the look: what changes meanwhile is told by the next answer.
        let version = self.handle.outlook();
        let mut status = self.handle.status();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if self.access.peers.is_none() {
            return StatusAnswer { version, sentence: text(&status["sentence"]), status };
        }
        let sentence = text(&status["tor"]["sentence"]);
        if let Some(map) = status.as_object_mut() {
            map.retain(|key, _| ["notices", "onion", "reachable", "reasons", "storage", "tor"].contains(&key.as_str()));
            map.insert("sentence".into(), sentence.clone().into());
            for list in ["notices", "reasons"] {
                if let Some(Value::Array(rows)) = map.get_mut(list) {
                    rows.retain(|row| match row["peer"].as_str() {
                        Some(peer) => parse_local_onion(peer).is_ok_and(|peer| self.access.sees(&peer)),
                        None => false,
                    });
                }
            }
        }
        StatusAnswer { version, sentence, status }
    }

    pub(super) async fn check(self) -> Done<CheckAnswer> {
        let checked = tokio::select! {
            biased;
            checked = self.handle.check() => checked.map_err(|error| refused(&error))?,
            () = self.cut.cancelled() => return Err(refused(&Refusal::Stopping)),
        };
        let reached = checked.failure.is_none();
        Ok(CheckAnswer { reached, ms: checked.took_ms, reason: checked.failure, age_s: checked.ago_ms / 1000 })
    }

    pub(super) async fn conversations(self, reference: Option<Ref>) -> Page {
        let turn = self.desk.page(PAGE_BYTES).await;
        let mut conversations = self.handle.conversations().await.map_err(|error| refused(&error))?;
        conversations.retain(|conversation| self.access.sees(&conversation.contact.peer.0));
        for conversation in &mut conversations {
            if let Some(last) = &mut conversation.last {
                scrub_message(last, &self.access);
            }
        }
        Ok(held(turn, answer_line::<Conversations>(reference, Ok(ConversationsAnswer { conversations }))))
    }

    pub(super) async fn history(self, wanted: History, reference: Option<Ref>) -> Page {
        let peer = self.peer(wanted.peer)?;
        let limit = page_limit(wanted.limit, MESSAGES_DEFAULT)?;
        let page = match (wanted.before, wanted.after) {
            (None, None) => Part::Last,
            (Some(id), None) => Part::Before(id),
            (None, Some(id)) => Part::After(id),
            (Some(_), Some(_)) => return Err(fail("bad-request", "either \"before\" or \"after\", not both")),
        };
        let turn = self.desk.page(PAGE_BYTES).await;
        let access = self.access;
        let line = self.handle.page_as(peer, page, limit, turn.bytes(), move |mut messages, more| {
            scrub_all(&mut messages, &access);
            answer_line::<History>(reference, Ok(MessagesAnswer { messages, more }))
        });
        Ok(held(turn, line.await.map_err(|error| refused(&error))?))
    }

    pub(super) async fn search(self, wanted: Search, reference: Option<Ref>) -> Page {
        let limit = page_limit(wanted.limit, MESSAGES_DEFAULT)?;
        let peers = match wanted.peer {
            Some(peer) => Some(vec![self.peer(peer)?]),
            None => self.access.peers.as_ref().map(|peers| peers.iter().copied().collect()),
        };
        let turn = self.desk.page(PAGE_BYTES).await;
        let access = self.access;
        let make = move |mut found: SearchAnswer| {
            scrub_all(&mut found.messages, &access);
            answer_line::<Search>(reference, Ok(found))
        };
        let line = self.handle.search_as(wanted.text, peers, wanted.before, limit, turn.bytes(), make);
        Ok(held(turn, line.await.map_err(|error| refused(&error))?))
    }

    /// Nothing tells whose such a message is, so it is for those who may see everybody's.
    fn sees_all(&self) -> Done<()> {
        match self.access.peers {
            None => Ok(()),
            Some(_) => {
                Err(fail("not-allowed", "this connection may see only some conversations, and these are in none"))
            }
        }
    }

    pub(super) async fn legacy(self, wanted: Legacy, reference: Option<Ref>) -> Page {
        self.sees_all()?;
        let limit = page_limit(wanted.limit, MESSAGES_DEFAULT)?;
        let turn = self.desk.page(PAGE_BYTES).await;
        // One more tells whether there are more.
        let lines = self.handle.legacy_after(wanted.after.unwrap_or(0), wanted.untaken, limit + 1).await;
        let mut messages: Vec<_> = lines.map_err(|error| refused(&error))?.into_iter().map(record_of).collect();
        let more = messages.len() > limit as usize;
        messages.truncate(limit as usize);
        let more = fitting(&mut messages, turn.bytes()) || more;
        Ok(held(turn, answer_line::<Legacy>(reference, Ok(LegacyAnswer { messages, more }))))
    }

    pub(super) async fn take_legacy(self, wanted: LegacyTake) -> Done<LegacyTakeAnswer> {
        self.sees_all()?;
        let taken = self.handle.take_legacy_upto(wanted.upto).await.map_err(|error| refused(&error))?;
        Ok(LegacyTakeAnswer { taken })
    }

    pub(super) async fn seen(self, wanted: Seen) -> Done<SeenAnswer> {
        let peer = self.peer(wanted.peer)?;
        let seen = self.handle.seen(peer, wanted.upto).await.map_err(|error| refused(&error))?;
        Ok(SeenAnswer { seen })
    }

    pub(super) async fn cancel(self, wanted: Cancel) -> Done<CancelAnswer> {
        let peer = self.peer(wanted.peer)?;
        let certain = self.handle.cancel(peer, wanted.mid).await.map_err(|error| refused(&error))?;
        Ok(CancelAnswer { certain })
    }

    pub(super) async fn ack(self, wanted: Ack) -> Done<AckAnswer> {
        let key = consumer_key(&wanted.consumer, &self.access)?;
        let seq = self.handle.acknowledge(&key, wanted.seq).await.map_err(|error| refused(&error))?;
        Ok(AckAnswer { seq })
    }

    pub(super) async fn cursors(self, wanted: Cursors) -> Done<CursorsAnswer> {
        let namespace = &self.access.namespace;
        if let Some(name) = wanted.forget {
            let gone = self.handle.forget_cursor(&format!("{namespace}{name}")).await;
            if !gone.map_err(|error| refused(&error))? {
                return Err(fail("unknown-consumer", "there is no consumer of this name"));
            }
        }
        let cursors = self.handle.cursors().await.map_err(|error| refused(&error))?;
        let own = |cursor: Cursor| {
            let consumer = cursor.consumer.strip_prefix(namespace.as_str())?.to_owned();
            Some(Cursor { consumer, ..cursor })
        };
        Ok(CursorsAnswer { cursors: cursors.into_iter().filter_map(own).collect() })
    }

    /// The long poll.
    pub(super) async fn events(self, wanted: Events, reference: Option<Ref>) -> Page {
        let limit = page_limit(wanted.limit, EVENTS_DEFAULT)?;
        let wait = wanted.wait.unwrap_or_default();
        check_wait(wait)?;
        let filter = allowed(wanted.filter, &self.access)?;
        let mut log = self.handle.log();
        let after = match (wanted.after, wanted.consumer) {
            (Some(seq), None) => seq,
            (None, Some(name)) => self.place_of(&log, &consumer_key(&name, &self.access)?).await?,
            _ => return Err(fail("bad-request", "either \"after\" or \"consumer\" is needed, not both")),
        };
        let deadline = tokio::time::Instant::now() + Duration::from_secs(wait.into());
        let mut at = after;
        loop {
            let turn = self.desk.page(PAGE_BYTES).await;
            let batch = log.within(at, limit as usize, turn.bytes(), &filter).await.map_err(|error| refused(&error))?;
            let mut events = batch.events;
            let mut next = batch.next;
            if !events.is_empty() {
                for event in &mut events {
                    scrub(&mut event.what, &self.access);
                }
                if fitting(&mut events, turn.bytes()) {
                    next = events.last().map_or(at, |event: &Event| event.seq);
                }
                let answer = EventsAnswer { events, next, last: log.last() };
                return Ok(held(turn, answer_line::<Events>(reference, Ok(answer))));
            }
            let moved = next > at;
            at = next;
            if moved && at < log.last() {
                continue;
            }
            // The wait for the next event is nobody's turn.
            drop(turn);
            let changed = tokio::select! {
                biased;
                () = self.ending.cancelled() => false,
                changed = tokio::time::timeout_at(deadline, log.changed()) => changed.is_ok(),
            };
            if !changed {
                let answer = EventsAnswer { events: Vec::new(), next: at, last: log.last() };
                return Ok((answer_line::<Events>(reference, Ok(answer)), None));
            }
        }
    }

    /// A consumer's cursor. A new one is made now, durably, so that nothing after it is lost.
    async fn place_of(&self, log: &EventLog, key: &str) -> Done<u64> {
        let cursor = self.handle.cursor(key).await.map_err(|error| refused(&error))?;
        match cursor {
            Some(seq) => Ok(seq),
            None => self.handle.acknowledge(key, log.last()).await.map_err(|error| refused(&error)),
        }
    }

    /// Waits for the delivery of a message that was accepted.
    async fn delivered(&self, peer: PeerId, mid: MessageId, seconds: Option<u64>) -> Done<()> {
        let seconds = seconds.unwrap_or(WAIT_DEFAULT_S).min(WAIT_MAX_S);
        let end = tokio::select! {
            biased;
            end = self.handle.wait_delivered(peer, mid, Duration::from_secs(seconds)) => end,
            () = self.cut.cancelled() => {
                let message = "the connection ends before the message is delivered; it is still being tried";
                return Err(ApiError { queued: Some(mid), ..fail("not-delivered", message) });
            }
        };
        match end {
            DeliveryWait::Delivered => Ok(()),
            DeliveryWait::NotYet { reason } => {
                let message = format!("not delivered within {seconds} s, still being tried: {reason}");
                Err(ApiError { queued: Some(mid), ..fail("not-delivered", message) })
            }
            DeliveryWait::Failed { reason } => {
                Err(fail("not-delivered", format!("it will not be delivered: {reason}")))
            }
        }
    }
}

/// Waits for the delivery of a message that was accepted, now or before.
pub(super) async fn wait_for(
    context: &Context,
    peer: PeerId,
    answer: &mut SendAnswer,
    seconds: Option<u64>,
) -> Done<()> {
    match answer.state {
        // A repeated SEND can find its message at its end.
        MessageState::Withdrawn => Err(fail("not-delivered", "it will not be delivered: it was taken back")),
        MessageState::Failed => Err(fail("not-delivered", "it will not be delivered: it waited too long")),
        _ => {
            context.delivered(peer, answer.mid, seconds).await?;
            answer.state = MessageState::Delivered;
            Ok(())
        }
    }
}

fn record_of(line: LegacyLine) -> OldMessage {
    let LegacyLine { row, at_ms, claim, text, taken } = line;
    OldMessage { id: row, claims: claim, text, at: time(at_ms), taken }
}

/// Whom an ADD is about.
pub(super) fn add_subject(wanted: &Add) -> Option<PeerId> {
    let invite = || wanted.peer.parse().ok().map(|invite: TypedInvite| invite.peer);
    parse_local_onion(&wanted.peer).ok().or_else(invite)
}

fn check_wait(seconds: u32) -> Done<()> {
    if seconds > NEWS_WAIT_MAX_S {
        return Err(fail("bad-request", format!("\"wait\" is at most {NEWS_WAIT_MAX_S} seconds")));
    }
    Ok(())
}

fn page_limit(wanted: Option<u32>, default: u32) -> Done<u32> {
    let limit = wanted.unwrap_or(default);
    if (1..=PAGE).contains(&limit) {
        Ok(limit)
    } else {
        Err(fail("bad-request", format!("\"limit\" must be 1 to {PAGE}")))
    }
}

fn held(turn: Turn, mut line: Vec<u8>) -> (Vec<u8>, Option<Held>) {
    line.shrink_to_fit();
    let held = turn.hold(line.len());
    (line, Some(held))
}

/// Leaves as many as fit into `room` bytes, at least one. Returns whether some were left out.
fn fitting<T: Serialize>(items: &mut Vec<T>, mut room: usize) -> bool {
    let fit = items.iter().take_while(|item| {
        let mut count = Count(0);
        // Counting cannot fail.
        let _ = serde_json::to_writer(&mut count, item);
        let fits = count.0 <= room;
        room = room.saturating_sub(count.0);
        fits
    });
    let fit = fit.count().max(1);
    let cut = fit < items.len();
    items.truncate(fit);
    cut
}

struct Count(usize);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes the namespace from the keys of the program's own messages, and hides the keys of others.
pub(super) fn scrub(what: &mut What, access: &Access) {
    if let What::Received { message } | What::Queued { message } | What::Lost { message } = what {
        scrub_message(message, access);
    }
}

fn scrub_all(messages: &mut [Message], access: &Access) {
    for message in messages {
        scrub_message(message, access);
    }
}

fn scrub_message(message: &mut Message, access: &Access) {
    message.client_id = message.client_id.take().and_then(|key| access.own_key(&key));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_row_in_the_table() {
        use Refusal::*;
        use torchat_engine::handle::Trouble;
        let text = String::new;
        let not = |trouble| torchat_engine::handle::NotStored { trouble, why: text() };
        let all = [
            ToSelf,
            TextTooLong(1),
            OutboxFull(text()),
            Storage(not(Trouble::Full)),
            Storage(not(Trouble::Locked)),
            Storage(not(Trouble::Damaged)),
            Storage(not(Trouble::Failing)),
            Storage(not(Trouble::ReadOnly)),
            Unreadable(not(Trouble::Damaged)),
            SearchDamaged,
            Unsure(text()),
            NotPending,
            NoContact,
            NoRequest,
            Blocked,
            NotBlocked,
            TooManyInvites,
            BadValue(text()),
            ClientIdReused,
            TooManyConsumers(1),
            Stopping,
        ];
        for refusal in &all {
            // Whoever adds one is sent here by the compiler.
            match refusal {
                ToSelf | TextTooLong(_) | OutboxFull(_) | Storage(_) | Unreadable(_) | Unsure(_) | NotPending
                | NoContact | NoRequest | Blocked | NotBlocked | TooManyInvites | BadValue(_) | ClientIdReused
                | TooManyConsumers(_) | SearchDamaged | Stopping => {}
            }
            assert!(refused(refusal).hint.is_some(), "{refusal:?}");
        }
    }

    #[test]
    fn a_page_is_bounded_by_bytes_and_never_empty() {
        let mut few = vec!["x".repeat(PAGE_BYTES / 4); 3];
        assert!(!fitting(&mut few, PAGE_BYTES));
        assert_eq!(few.len(), 3);
        let mut many = vec!["x".repeat(PAGE_BYTES / 4); 9];
        assert!(fitting(&mut many, PAGE_BYTES));
        assert_eq!(many.len(), 3);
        let mut large = vec!["x".repeat(2 * PAGE_BYTES); 2];
        assert!(fitting(&mut large, PAGE_BYTES));
        assert_eq!(large.len(), 1);
        assert!(!fitting(&mut Vec::<u8>::new(), PAGE_BYTES));
    }
}
