//! Conversations and their messages, and those of old programs.

use super::answer::{Done, answer_line, fail, refused};
use super::connection::Connection;
use super::dispatch::{Caller, Course, Execute, Row, row};
use super::page::{self, List, PAGE_BYTES, Page, fitting, held, scrub_all, scrub_message};
use crate::access::is_in_namespace;
use crate::verbs::{self, NotDelivered};
use torchat_core::snapshot::LegacyNum;
use torchat_engine::LegacyLine;
use torchat_engine::handle::{Accepted, ListFrom, Page as Part, Refusal, SendOptions, Sending, time};
use torchat_protocol::control::api::command::{
    Cancel, CancelAnswer, Conversations, ConversationsAnswer, History, Legacy, LegacyAnswer, LegacyTake,
    LegacyTakeAnswer, MessagesAnswer, Search, SearchAnswer, Seen, SeenAnswer, Send, SendAnswer, Wait,
};
use torchat_protocol::control::api::record::{Conversation, MessageState, OldMessage};
use torchat_protocol::control::api::{ApiError, ConversationId};
use torchat_protocol::control::code::Code;
use torchat_protocol::control::reason::Reason;
use torchat_protocol::id::MessageId;
use torchat_protocol::room::limits::MENTIONS;

/// Messages of a page when no number is given.
const MESSAGES_DEFAULT: u32 = 50;
/// Longest key of a message, in bytes.
const CLIENT_ID_BYTES: usize = 64;
/// Shortest time that a message may be given, in seconds: less than the way through Tor takes would only fail.
const EXPIRE_MIN_S: u64 = 60;

pub(crate) const ROWS: &[Row] = &[
    row::<Send>(),
    row::<History>(),
    row::<Conversations>(),
    row::<Search>(),
    row::<Seen>(),
    row::<Cancel>(),
    row::<Legacy>(),
    row::<LegacyTake>(),
];

impl Execute for Conversations {
    fn execute(self, caller: Caller, _: &mut Connection) -> Course<ConversationsAnswer> {
        Course::page(async move {
            let permit = caller.context.share.page(PAGE_BYTES).await;
            let from = match (self.before, self.after) {
                (None, None) => ListFrom::Newest,
                (Some(id), None) => ListFrom::Before(id),
                (None, Some(id)) => ListFrom::After(id),
                (Some(_), Some(_)) => {
                    return Err(fail(Code::BadRequest, "either \"before\" or \"after\", not both"));
                }
            };
            let page = List::new(self.limit, permit.bytes())?;
            let (among, access) = (caller.access.peers.clone(), caller.access.clone());
            let add = move |page: &mut List<Conversation>, mut one: Conversation| {
                if let Some(last) = &mut one.last {
                    scrub_message(last, &access);
                }
                page.add(one)
            };
            let page = caller.handle().list_conversations(from, among, page.step(), page, add).await;
            let (conversations, more) = page.map_err(|error| refused(&error))?.end();
            let answer = ConversationsAnswer { conversations, more };
            Ok(held(permit, answer_line::<Self>(caller.reference, Ok(answer))))
        })
    }
}

impl Execute for History {
    fn execute(self, caller: Caller, _: &mut Connection) -> Course<MessagesAnswer> {
        Course::page(history(self, caller))
    }
}

async fn history(wanted: History, caller: Caller) -> Done<Page> {
    let conversation = caller.conversation(wanted.peer)?;
    let limit = page::limit(wanted.limit, MESSAGES_DEFAULT)?;
    let part = match (wanted.before, wanted.after) {
        (None, None) => Part::Last,
        (Some(id), None) => Part::Before(id),
        (None, Some(id)) => Part::After(id),
        (Some(_), Some(_)) => return Err(fail(Code::BadRequest, "either \"before\" or \"after\", not both")),
    };
    let Caller { access, context, reference } = caller;
    let permit = context.share.page(PAGE_BYTES).await;
    let line =
        context.handle.page_as(conversation, part, limit, wanted.hidden, permit.bytes(), move |mut messages, more| {
            scrub_all(&mut messages, &access);
            answer_line::<History>(reference, Ok(MessagesAnswer { messages, more }))
        });
    Ok(held(permit, line.await.map_err(|error| refused(&error))?))
}

impl Execute for Search {
    fn execute(self, caller: Caller, _: &mut Connection) -> Course<SearchAnswer> {
        Course::page(search(self, caller))
    }
}

async fn search(wanted: Search, caller: Caller) -> Done<Page> {
    let limit = page::limit(wanted.limit, MESSAGES_DEFAULT)?;
    let among = match wanted.peer {
        Some(id) => Some(vec![caller.conversation(id)?]),
        None => caller.access.peers.as_ref().map(|peers| peers.iter().copied().collect()),
    };
    let Caller { access, context, reference } = caller;
    let permit = context.share.page(PAGE_BYTES).await;
    let make = move |mut found: SearchAnswer| {
        scrub_all(&mut found.messages, &access);
        answer_line::<Search>(reference, Ok(found))
    };
    let line = context.handle.search_as(wanted.text, among, wanted.before, limit, permit.bytes(), make);
    Ok(held(permit, line.await.map_err(|error| refused(&error))?))
}

/// Nothing tells whose such a message is, so it is for those who may see everybody's.
fn sees_all(caller: &Caller) -> Done<()> {
    match caller.access.peers {
        None => Ok(()),
        Some(_) => Err(fail(
            Code::NotAllowed,
            "this connection may see only some conversations, and these messages are in none",
        )),
    }
}

impl Execute for Legacy {
    fn execute(self, caller: Caller, _: &mut Connection) -> Course<LegacyAnswer> {
        Course::page(async move {
            sees_all(&caller)?;
            let limit = page::limit(self.limit, MESSAGES_DEFAULT)?;
            let permit = caller.context.share.page(PAGE_BYTES).await;
            // One more tells whether there are more.
            let lines = caller
                .handle()
                .legacy_after(self.after.map_or(LegacyNum::NONE, LegacyNum), self.untaken, limit + 1)
                .await;
            let mut messages: Vec<_> = lines.map_err(|error| refused(&error))?.into_iter().map(record_of).collect();
            let more = messages.len() > limit as usize;
            messages.truncate(limit as usize);
            let more = fitting(&mut messages, permit.bytes()) || more;
            Ok(held(permit, answer_line::<Self>(caller.reference, Ok(LegacyAnswer { messages, more }))))
        })
    }
}

fn record_of(line: LegacyLine) -> OldMessage {
    let LegacyLine { row, at_ms, claim, text, taken } = line;
    OldMessage { id: row.0, claims: claim, text, at: time(at_ms), taken }
}

impl Execute for LegacyTake {
    fn execute(self, caller: Caller, _: &mut Connection) -> Course<LegacyTakeAnswer> {
        Course::later(async move {
            sees_all(&caller)?;
            let taken =
                caller.handle().take_legacy_upto(LegacyNum(self.upto)).await.map_err(|error| refused(&error))?;
            Ok(LegacyTakeAnswer { taken })
        })
    }
}

impl Execute for Seen {
    fn execute(self, caller: Caller, _: &mut Connection) -> Course<SeenAnswer> {
        Course::later(async move {
            let conversation = caller.conversation(self.peer)?;
            let seen = caller.handle().seen(conversation, self.upto).await.map_err(|error| refused(&error))?;
            Ok(SeenAnswer { seen })
        })
    }
}

impl Execute for Cancel {
    fn execute(self, caller: Caller, _: &mut Connection) -> Course<CancelAnswer> {
        Course::later(async move {
            let conversation = caller.conversation(self.peer)?;
            let certain = caller.handle().cancel(conversation, self.mid).await.map_err(|error| refused(&error))?;
            Ok(CancelAnswer { certain })
        })
    }
}

impl Execute for Send {
    fn execute(self, caller: Caller, connection: &mut Connection) -> Course<SendAnswer> {
        let (conversation, options) = match check(&self, &caller) {
            Ok(checked) => checked,
            Err(error) => return Course::Now(Err(error)),
        };
        let wait = self.wait.map(|Wait::Delivered| verbs::wait_s(self.timeout));
        connection.enqueue(Box::pin(async move {
            let sending = caller.handle().begin_send(conversation, self.text, options).await;
            // From here on others may be begun.
            Enqueued { caller, wait, sending }
        }));
        Course::Taken
    }
}

/// The key of a program, with whose it is before it.
pub(super) fn client_key(caller: &Caller, key: Option<String>) -> Done<Option<String>> {
    let Some(key) = key else { return Ok(None) };
    if !(1..=CLIENT_ID_BYTES).contains(&key.len()) {
        return Err(fail(Code::BadRequest, format!("a \"client_id\" has 1 to {CLIENT_ID_BYTES} bytes")));
    }
    if is_in_namespace(&key) {
        return Err(fail(Code::BadRequest, "a \"client_id\" does not begin with \"token:\" or \"uid:\""));
    }
    Ok(Some(format!("{}{key}", caller.access.namespace)))
}

fn check(wanted: &Send, caller: &Caller) -> Done<(ConversationId, SendOptions)> {
    let conversation = caller.conversation(wanted.peer)?;
    verbs::check_text(&wanted.text).map_err(|invalid| fail(Code::BadRequest, invalid.to_string()))?;
    let client_id = client_key(caller, wanted.client_id.clone())?;
    if wanted.to.len() > MENTIONS {
        return Err(fail(Code::BadRequest, format!("\"to\" has at most {MENTIONS} members")));
    }
    if wanted.expire.is_some_and(|seconds| seconds < EXPIRE_MIN_S) {
        return Err(fail(Code::BadRequest, format!("\"expire\" is at least {EXPIRE_MIN_S} seconds")));
    }
    let expire_ms = wanted.expire.map(|seconds| seconds.saturating_mul(1000).try_into().unwrap_or(i64::MAX));
    Ok((conversation, SendOptions { client_id, expire_ms, re: wanted.re, to: wanted.to.clone() }))
}

/// A SEND that the engine has, or has refused to take.
pub(crate) struct Enqueued {
    caller: Caller,
    /// Seconds to wait for the delivery, if that is to be waited for.
    wait: Option<u64>,
    sending: Result<Sending, Refusal>,
}

impl Enqueued {
    /// Waits until it is durable, or delivered. Returns the answer's line.
    pub(crate) async fn answered(self) -> Vec<u8> {
        let Self { caller, wait, sending } = self;
        let result = accepted(&caller, wait, sending).await;
        answer_line::<Send>(caller.reference, result)
    }
}

async fn accepted(caller: &Caller, wait: Option<u64>, sending: Result<Sending, Refusal>) -> Done<SendAnswer> {
    let sending = sending.map_err(|error| refused(&error))?;
    let accepted = sending.accepted().await.map_err(|error| refused(&error))?;
    let mut answer =
        SendAnswer { id: accepted.id, mid: accepted.mid, state: accepted.state, duplicate: accepted.duplicate };
    if let Some(seconds) = wait {
        match answer.state {
            // A repeated SEND can find its message at its end.
            MessageState::Withdrawn => {
                return Err(ended(&Reason::TakenBack));
            }
            // Of a room the row is at hand, and says why.
            MessageState::Failed if caller.handle().room_of(accepted.conversation).is_none() => {
                return Err(ended(&Reason::Expired { seconds: None }));
            }
            // The store is not asked once more, which would look for an old message among all newer ones.
            MessageState::Delivered => {}
            _ => delivered(caller, &accepted, seconds).await?,
        }
        answer.state = MessageState::Delivered;
    }
    Ok(answer)
}

/// Waits for the delivery of a message that was accepted, now or before.
async fn delivered(caller: &Caller, accepted: &Accepted, seconds: u64) -> Done<()> {
    let mid = accepted.mid;
    tokio::select! {
        biased;
        end = verbs::delivered(caller.handle(), accepted, seconds) => end.map_err(|end| not_delivered(&end, mid)),
        () = caller.context.cut.cancelled() => {
            let why = "the connection ended before the message was delivered; the daemon goes on trying";
            Err(ApiError { queued: Some(mid), ..fail(Code::NotDelivered, why) })
        }
    }
}

fn not_delivered(end: &NotDelivered, mid: MessageId) -> ApiError {
    let error = fail(Code::NotDelivered, end.sentence()).with("seconds", end.seconds).with("reason", end.why.to_json());
    ApiError { queued: end.queued.then_some(mid), ..error }
}

fn ended(why: &Reason) -> ApiError {
    fail(Code::NotDelivered, format!("it will not be delivered: {}", why.sentence())).with("reason", why.to_json())
}
