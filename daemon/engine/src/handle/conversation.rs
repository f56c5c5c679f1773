//! Conversations: pages of them, the search in them, what of them was seen.

use super::{Handle, Refusal, read, rooms};
use crate::codes;
use crate::request::{Answer, Request};
use crate::store::{
    ListFrom, MessageRow, Page, PageLimit, Preview, QUERY_BYTES, QUERY_TERMS, SearchHealth, Store, Trouble,
    contact_record, search_query, time,
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use torchat_protocol::control::api::command::SearchAnswer;
use torchat_protocol::control::api::record::{Conversation, Direction, Message, MessageState, Sender, Stored};
use torchat_protocol::control::reason::Reason;
use torchat_protocol::conversation::ConversationId;
use torchat_protocol::id::{LaneId, MessageId, PeerId};

/// Messages of a page at most.
const PAGE: u32 = 1_000;
/// Messages that one turn marks as seen.
const SEEN_STEP: u32 = 1_000;
/// Conversations that are read at once of a list.
pub(super) const LIST_STEP: usize = 64;
/// Messages that one commit puts into the search's index when somebody searches.
const INDEX_STEP: u32 = 4_096;

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
    /// In a room: who wrote it.
    pub from: Option<Sender>,
    /// It is of a room.
    pub in_room: bool,
}

/// A message with what only the node knows of it.
pub(super) struct Shown {
    row: MessageRow,
    pub(super) state: MessageState,
    reason: Option<Reason>,
    next_try_ms: Option<i64>,
    stored: Option<Stored>,
}

impl Shown {
    fn record(self) -> Message {
        let Self { row, state, reason, next_try_ms, stored } = self;
        let words = reason.as_ref().map(|reason| reason.about(whom(&row)));
        let mut message = Message {
            id: row.id,
            mid: row.mid,
            peer: row.conversation,
            dir: row.dir,
            text: row.text,
            state,
            at: time(row.at_ms),
            sent_at: row.sent_s.map(|s| time(s.saturating_mul(1000))),
            done_at: row.done_ms.map(time),
            client_id: row.client,
            reason: words,
            why: reason,
            next_try_at: next_try_ms.map(time),
            from: None,
            order: None,
            re: None,
            mention: false,
            edited_at: None,
            reacts: BTreeMap::new(),
            flags: Vec::new(),
            stored,
        };
        if let Some(room) = row.room {
            room.fill(&mut message, true);
        }
        message
    }

    fn line(self) -> HistoryLine {
        let Self { row, state, reason, next_try_ms, stored: _ } = self;
        let words = reason.as_ref().map(|reason| reason.about(whom(&row)));
        HistoryLine {
            at_ms: row.at_ms,
            dir: if row.dir == Direction::Out { "out" } else { "in" },
            mid: row.mid,
            text: row.text,
            state: state.name(),
            reason: words,
            next_try_ms,
            in_room: row.room.is_some(),
            from: row.room.and_then(|room| room.from),
        }
    }
}

/// Whom a message is for, in a sentence.
fn whom(row: &MessageRow) -> &'static str {
    if row.room.is_some() { "the room" } else { "the peer" }
}

/// Bytes of a record's JSON without its texts, at most: names, ids, an onion, four times, a reason with its words.
const RECORD_BYTES: usize = 1024;
/// What a message of a room has more, without the writer's name and the reactions.
const ROOM_BYTES: usize = 512;
/// The same of a line of classic HISTORY and of its entry, without a reason and the time of the next dial.
const LINE_BYTES: usize = 256;
/// These two, at most.
const REASON_BYTES: usize = 384;

/// What a record takes of an answer, at most.
fn record_bytes(row: &MessageRow) -> usize {
    let room = row.room.as_ref().map_or(0, |room| {
        let reacts = room.reacts.iter().map(|(sign, members)| json_bytes(sign) + 8 + 12 * members.len());
        ROOM_BYTES + room.from.as_ref().map_or(0, |from| json_bytes(&from.name)) + reacts.sum::<usize>()
    });
    RECORD_BYTES + room + json_bytes(&row.text) + row.client.as_deref().map_or(0, json_bytes)
}

/// What a message takes of a reply of classic HISTORY, at most: its text stands there twice, once with its line breaks
/// indented.
fn line_bytes(row: &MessageRow) -> usize {
    let indents = row.text.bytes().filter(|byte| *byte == b'\n').count() * 2;
    let reason = if row.place.is_some() || row.room.is_some() || row.fate_open || row.state == MessageState::Failed {
        REASON_BYTES
    } else {
        0
    };
    // Before each line stands who wrote it.
    let room = row.room.as_ref().map_or(0, |room| {
        let name = room.from.as_ref().map_or(0, |from| json_bytes(&from.name)) + 16;
        ROOM_BYTES + name + (name + 2) * row.text.split('\n').count()
    });
    LINE_BYTES + reason + room + 2 * json_bytes(&row.text) + indents
}

/// Bytes of a text within JSON's quotes, at most: a control character may become six.
fn json_bytes(text: &str) -> usize {
    let extra = |byte: u8| match byte {
        b'"' | b'\\' => 1,
        ..0x20 => 5,
        _ => 0,
    };
    text.len() + text.bytes().map(extra).sum::<usize>()
}

impl Handle {
    /// The last `n` messages with a peer, oldest first.
    ///
    /// # Errors
    /// [`Refusal::Unreadable`].
    pub async fn history(&self, peer: PeerId, n: u32) -> Result<Vec<HistoryLine>, Refusal> {
        self.history_as(peer, n, usize::MAX, |lines, _| lines).await
    }

    /// The last messages with a peer as the classic contract shows them: at most `n`, and fewer when a reply would have
    /// more than about `bytes`. `make` gets them, and whether there are older ones, in the thread that reads.
    ///
    /// # Errors
    /// [`Refusal::Unreadable`].
    pub async fn history_as<T: Send + 'static>(
        &self,
        peer: PeerId,
        n: u32,
        bytes: usize,
        make: impl FnOnce(Vec<HistoryLine>, bool) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let (handle, most) = (self.clone(), PageLimit { rows: n, bytes, cost: line_bytes });
        read(self.reader.clone(), move |reader| {
            let (rows, more) = reader.page(peer.into(), Page::Last, most)?;
            Ok(make(handle.show(rows).into_iter().map(Shown::line).collect(), more))
        })
        .await
    }

    /// A page of a conversation, oldest first, and whether there is more in the direction that was asked for. `limit` is
    /// taken as 1 to 1,000.
    ///
    /// # Errors
    /// [`Refusal::Unreadable`].
    pub async fn page(
        &self,
        conversation: impl Into<ConversationId>,
        page: Page,
        limit: u32,
    ) -> Result<(Vec<Message>, bool), Refusal> {
        self.page_as(conversation.into(), page, limit, false, usize::MAX, |messages, more| (messages, more)).await
    }

    /// As [`Handle::page`]; `hidden`: with what is hidden in a room. With fewer messages when their records have more than `bytes`; a
    /// single one may. `make` gets
    /// them in the thread that reads: to write them into an answer there keeps the runtime's threads free.
    ///
    /// # Errors
    /// [`Refusal::Unreadable`].
    pub async fn page_as<T: Send + 'static>(
        &self,
        conversation: ConversationId,
        page: Page,
        limit: u32,
        hidden: bool,
        bytes: usize,
        make: impl FnOnce(Vec<Message>, bool) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let (handle, most) = (self.clone(), PageLimit { rows: limit.clamp(1, PAGE), bytes, cost: record_bytes });
        read(self.reader.clone(), move |reader| {
            let (rows, more) = reader.page_with(conversation, page, most, hidden)?;
            Ok(make(handle.records(rows), more))
        })
        .await
    }

    /// Messages that hold all the given words, newest first; with `among` only those of these conversations, with
    /// `before` only those before this `id`. `limit` is taken as 1 to 1,000.
    ///
    /// # Errors
    /// [`Refusal::BadValue`] when there is no word in `text`, or too much; [`Refusal::Unreadable`].
    pub async fn search(
        &self,
        text: String,
        among: Option<Vec<ConversationId>>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<SearchAnswer, Refusal> {
        self.search_as(text, among, before, limit, usize::MAX, |found| found).await
    }

    /// As [`Handle::search`], in the way of [`Handle::page_as`].
    ///
    /// # Errors
    /// As [`Handle::search`].
    pub async fn search_as<T: Send + 'static>(
        &self,
        text: String,
        among: Option<Vec<ConversationId>>,
        before: Option<i64>,
        limit: u32,
        bytes: usize,
        make: impl FnOnce(SearchAnswer) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let Some(query) = search_query(&text, among.as_deref()) else {
            let most = format!("search for 1 to {QUERY_TERMS} words in at most {QUERY_BYTES} bytes");
            return Err(Refusal::BadValue(most));
        };
        if among.as_ref().is_some_and(Vec::is_empty) {
            return Ok(make(SearchAnswer { messages: Vec::new(), more: false, complete: true }));
        }
        let complete = self.index().await?;
        let (handle, before) = (self.clone(), before.unwrap_or(i64::MAX));
        let most = PageLimit { rows: limit.clamp(1, PAGE), bytes, cost: record_bytes };
        let found = read(self.reader.clone(), move |reader| {
            let (rows, more) = match reader.search(&query, among.as_deref(), before, most) {
                Err(error) if error.trouble() == Trouble::Damaged => return Ok(None),
                found => found?,
            };
            Ok(Some(make(SearchAnswer { messages: handle.records(rows), more, complete })))
        });
        match found.await? {
            Some(found) => Ok(found),
            // What follows from the messages can be made anew from them.
            None => {
                self.jobs.run(Store::distrust_search).await.map_err(|_| Refusal::Stopping)?;
                Err(Refusal::SearchDamaged)
            }
        }
    }

    /// Puts the newest messages into the search's index. `false`: the store takes no writes.
    async fn index(&self) -> Result<bool, Refusal> {
        let reader = self.reader.clone();
        if read(reader, move |reader| reader.is_indexed()).await? {
            return Ok(true);
        }
        loop {
            match self.write(|store| store.index(INDEX_STEP)).await {
                // It may take minutes, and goes on when the store has nothing else to do.
                Ok(true) if self.store.search() != SearchHealth::Ok => return Ok(false),
                Ok(true) => {}
                Ok(false) if self.store.search() == SearchHealth::Damaged => return Err(Refusal::SearchDamaged),
                Ok(false) => return Ok(true),
                Err(Refusal::Stopping) => return Err(Refusal::Stopping),
                Err(error) => {
                    tracing::debug!(%error, "the newest messages are not indexed");
                    return Ok(false);
                }
            }
        }
    }

    /// Marks received messages of a conversation as seen. Returns how many were unread, when that is durable: none in a
    /// conversation that there is not.
    ///
    /// # Errors
    /// [`Refusal::Storage`]; some may be marked then.
    pub async fn seen(&self, conversation: impl Into<ConversationId>, upto: i64) -> Result<u64, Refusal> {
        let Some(peer) = conversation.into().as_peer() else { return Ok(0) };
        let mut seen = 0;
        loop {
            let Answer::Seen(step) = self.ask(Request::Seen { peer, upto, limit: SEEN_STEP }).await? else {
                return Err(Refusal::Stopping);
            };
            seen += step;
            if step < u64::from(SEEN_STEP) {
                return Ok(seen);
            }
        }
    }

    /// All conversations, see [`Handle::list_conversations`].
    ///
    /// # Errors
    /// [`Refusal::Unreadable`].
    pub async fn conversations(&self) -> Result<Vec<Conversation>, Refusal> {
        let add = |all: &mut Vec<_>, one| {
            all.push(one);
            true
        };
        self.list_conversations(ListFrom::Newest, None, LIST_STEP, Vec::new(), add).await
    }

    /// Conversations with their unread counts and last messages, the one with the newest message first; contacts without
    /// any message stand last. Peers that are no contacts any more are strangers. Only those of `among`, if it is given.
    ///
    /// `add` puts them into `page`, in the thread that reads, until it wants no more. All is read in one transaction, `step`
    /// conversations at once, and what is not wanted is not read.
    ///
    /// # Errors
    /// [`Refusal::Unreadable`].
    pub async fn list_conversations<T: Send + 'static>(
        &self,
        from: ListFrom,
        among: Option<Arc<BTreeSet<ConversationId>>>,
        step: usize,
        page: T,
        mut add: impl FnMut(&mut T, Conversation) -> bool + Send + 'static,
    ) -> Result<T, Refusal> {
        let handle = self.clone();
        read(self.reader.clone(), move |reader| {
            let mut page = page;
            reader.conversations(from, among.as_deref(), step, |found| {
                handle.conversations_of(found).into_iter().all(|one| add(&mut page, one))
            })?;
            Ok(page)
        })
        .await
    }

    fn conversations_of(&self, found: Vec<Preview>) -> Vec<Conversation> {
        let (heads, rows): (Vec<_>, Vec<_>) = found.into_iter().map(|g| ((g.peer, g.unread, g.room), g.last)).unzip();
        let with_message = rows.iter().map(Option::is_some).collect::<Vec<_>>();
        let mut shown = self.show(rows.into_iter().flatten().collect()).into_iter().map(Shown::record);
        let now = self.clock.now();
        let node = self.node.lock();
        let conversations = heads.into_iter().zip(with_message).filter_map(|((id, unread, room), with_message)| {
            let last = if with_message { shown.next() } else { None };
            let (room, mentions) = room.unzip();
            let room = room.map(|room| Box::new(rooms::live_room(&node, *room, now)));
            // The ids of rooms have the shape of an onion.
            let peer = id.as_peer()?;
            let contact = match &room {
                None => contact_record(node.contact(&peer, now)),
                Some(room) => rooms::room_contact(room, peer),
            };
            Some(Conversation { contact, unread, last, room, mentions })
        });
        conversations.collect()
    }

    fn records(&self, rows: Vec<MessageRow>) -> Vec<Message> {
        self.show(rows).into_iter().map(Shown::record).collect()
    }

    /// Adds to rows what only the node knows: what is on its way, and why the rest is not.
    pub(super) fn show(&self, rows: Vec<MessageRow>) -> Vec<Shown> {
        let now = self.clock.now();
        let node = self.node.lock();
        let mut waiting_in: BTreeMap<ConversationId, Option<Waiting>> = BTreeMap::new();
        let mut show = |row: MessageRow| {
            let mut shown =
                Shown { state: row.state, reason: None, next_try_ms: None, stored: rooms::stored(&node, &row), row };
            if let Some((lane, seq)) = shown.row.place {
                let conversation = shown.row.conversation;
                let waiting = waiting_in.entry(conversation).or_insert_with(|| {
                    let peer = conversation.as_peer()?;
                    Some(Waiting {
                        sent_below: node.sent_below(&peer),
                        held_back: node.is_waiting(&peer),
                        reason: node.obstacle(&peer).map(codes::reason),
                        next_try_ms: node
                            .next_dial_in_ms(&peer, now.mono_ms)
                            .map(|ms| now.wall_ms.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX))),
                    })
                });
                if let Some(waiting) = waiting {
                    if waiting.held_back {
                        shown.state = MessageState::Waiting;
                    } else if waiting.sent_below.is_some_and(|(sent, below)| sent == lane && seq < below) {
                        shown.state = MessageState::Sent;
                    }
                    shown.reason.clone_from(&waiting.reason);
                    shown.next_try_ms = waiting.next_try_ms;
                }
            } else if shown.row.room.is_some() && shown.state == MessageState::Queued {
                let conversation = shown.row.conversation;
                let waiting = waiting_in.entry(conversation).or_insert_with(|| {
                    let (reason, next_try_ms) = rooms::waiting(&node, conversation.into(), now);
                    Some(Waiting { sent_below: None, held_back: false, reason, next_try_ms })
                });
                if let Some(waiting) = waiting {
                    shown.reason.clone_from(&waiting.reason);
                    shown.next_try_ms = waiting.next_try_ms;
                }
            } else if shown.row.fate_open {
                shown.reason = Some(Reason::Skipping);
            } else if shown.state == MessageState::Failed {
                shown.reason = Some(why_failed(&shown.row));
            }
            shown
        };
        rows.into_iter().map(&mut show).collect()
    }
}

/// Why a message of ours failed: it waited too long, or, in a room, it could not be said.
pub(super) fn why_failed(row: &MessageRow) -> Reason {
    let in_time = match (row.until_ms, row.done_ms) {
        (Some(until_ms), Some(done_ms)) => done_ms < until_ms,
        (until_ms, _) => until_ms.is_none(),
    };
    if row.room.is_some() && in_time {
        return Reason::MayNotWrite;
    }
    let end = row.until_ms.or(row.done_ms).unwrap_or(row.at_ms);
    Reason::Expired { seconds: Some(u64::try_from(end.saturating_sub(row.at_ms) / 1000).unwrap_or(0)) }
}

/// Why a peer's messages wait.
struct Waiting {
    sent_below: Option<(LaneId, u64)>,
    held_back: bool,
    reason: Option<Reason>,
    next_try_ms: Option<i64>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::RoomPart;
    use proptest::prelude::*;
    use torchat_protocol::control::reason::{Failure, StreamEnd};
    use torchat_protocol::id::parse_onion;

    fn shown(text: String, client: Option<String>, dir: Direction) -> Shown {
        let peer = parse_onion("pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd").unwrap();
        let row = MessageRow {
            id: i64::MIN,
            conversation: peer.into(),
            dir,
            state: MessageState::Withdrawn,
            mid: MessageId([255; 16]),
            at_ms: i64::MAX,
            sent_s: Some(i64::MAX),
            done_ms: Some(i64::MAX),
            until_ms: Some(i64::MAX),
            place: None,
            fate_open: true,
            client,
            text,
            erased: false,
            room: None,
        };
        let reason = Some(Reason::Unreachable {
            tries: u32::MAX,
            failure: Some(Failure::Handshake),
            ended: Some(StreamEnd::NotProven),
            detail: Some("x".repeat(192)),
        });
        Shown { state: row.state, reason, next_try_ms: Some(i64::MAX), stored: None, row }
    }

    #[test]
    fn a_text_of_a_room_that_failed_before_its_time_could_not_be_said() {
        let room = RoomPart {
            from: None,
            order: None,
            place: None,
            re: None,
            edited_ms: None,
            reacts: BTreeMap::new(),
            flags: Vec::new(),
        };
        let row = MessageRow { at_ms: 0, done_ms: Some(90_000), ..shown(String::new(), None, Direction::Out).row };
        let in_room = |until_ms| MessageRow { until_ms, room: Some(room.clone()), ..row.clone() };
        assert_eq!(why_failed(&in_room(None)), Reason::MayNotWrite);
        assert_eq!(why_failed(&in_room(Some(100_000))), Reason::MayNotWrite);
        assert_eq!(why_failed(&in_room(Some(60_000))), Reason::Expired { seconds: Some(60) });
        assert_eq!(why_failed(&MessageRow { until_ms: None, ..row }), Reason::Expired { seconds: Some(90) });
    }

    proptest! {
        #[test]
        fn no_record_is_longer_than_it_is_taken_for(
            text in "[\\x00-\\x7f\u{80}-\u{ff}\u{1f600}\"\\\\]{0,200}",
            client in prop::option::of("[\\x00-\\x7f]{1,64}"),
        ) {
            let shown = shown(text, client, Direction::Out);
            let most = record_bytes(&shown.row);
            prop_assert!(serde_json::to_string(&shown.record()).unwrap().len() < most);
        }

        #[test]
        fn no_line_is_longer_than_it_is_taken_for(text in "[\\x00-\\x7f\u{1f600}\n\"]{0,200}") {
            let shown = shown(text, None, Direction::Out);
            let (most, onion) = (line_bytes(&shown.row), shown.row.conversation.onion());
            let line = shown.line();
            let told = format!("2026-11-21T09:00:00Z {onion} {}\n", line.text.replace('\n', "\n  "));
            // The other keys, a comma, a date that is not in the line itself.
            let entry = serde_json::to_string(&line).unwrap().len() + "\"date\":\"2026-11-21T09:00:00Z\",,".len();
            prop_assert!(serde_json::to_string(&told).unwrap().len() + entry < most);
        }
    }
}
