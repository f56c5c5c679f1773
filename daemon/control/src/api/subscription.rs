//! Subscriptions: places in the event log that move on as fast as their client reads.
//!
//! The log is the queue. A subscription holds one batch at most, and reads the next when the last line of it is on the
//! way: a client that does not read stops its own subscription and nothing else, and loses nothing.

use super::answer::{fail, line, push_line, refused};
use super::consumers::{Claim, is_name};
use super::dispatch::Caller;
use super::outgoing::Pending;
use super::page::scrub;
use crate::access::Access;
use crate::page_budget::PageShare;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use torchat_engine::handle::EventLog;
use torchat_protocol::control::api::command::{From, Place, Subscribe, SubscribeAnswer};
use torchat_protocol::control::api::event::Filter;
use torchat_protocol::control::api::{ApiError, Line, Ref};
use torchat_protocol::control::code::Code;

/// Events that a subscription reads at once.
const BATCH_EVENTS: usize = 256;
/// After this many events in a row that the filter dropped, the client is told how far the log was looked through.
const UPTO_EVENTS: u64 = 1024;
/// It is told of fewer when nothing came for so long. Else its cursor would stay behind a filter that passes little, until
/// the log forgets what is there: a gap for events that it never wanted.
const UPTO_QUIET: Duration = Duration::from_secs(1);

/// A batch of lines with the source to read on from, or why there are no more.
pub(crate) type Read = Result<(Source, Pending), ApiError>;

/// A subscription of one connection.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) number: u64,
    pub(crate) reference: Option<Ref>,
    pending: Pending,
    /// Absent while it reads, and at the end.
    source: Option<Source>,
    over: CancellationToken,
    ended: bool,
    _claim: Option<Claim>,
}

/// A subscription that can begin.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) answer: SubscribeAnswer,
    source: Source,
    over: CancellationToken,
    claim: Option<Claim>,
}

impl Subscription {
    pub(crate) fn new(number: u64, reference: Option<Ref>, ready: Ready) -> Self {
        let Ready { source, over, claim, .. } = ready;
        let pending = Pending::default();
        Self { number, reference, pending, source: Some(source), over, ended: false, _claim: claim }
    }

    /// Nothing more comes from it.
    pub(crate) fn is_over(&self) -> bool {
        self.ended && self.pending.is_empty()
    }

    /// What it wants to read next, if its client took everything.
    pub(crate) fn next_read(&mut self) -> Option<BoxFuture<'static, Read>> {
        if !self.pending.is_empty() || self.ended {
            return None;
        }
        let (source, over) = (self.source.take()?, self.over.clone());
        Some(Box::pin(async move {
            tokio::select! {
                biased;
                () = over.cancelled() => Err(taken_over()),
                read = source.read() => read,
            }
        }))
    }

    /// Takes up what it has read.
    pub(crate) fn take(&mut self, read: Read) {
        if self.ended {
            return;
        }
        match read {
            Ok((source, pending)) => {
                self.source = Some(source);
                self.pending = pending;
            }
            Err(error) => self.end(error),
        }
    }

    /// Ends it: one line says why, what was not on the way is in the log.
    pub(crate) fn end(&mut self, error: ApiError) {
        self.source = None;
        self.ended = true;
        self.pending = Pending::new(line(&Line::<()>::End { sub: self.reference.clone(), end: error }), None);
    }

    /// Puts some lines on the way. Returns whether there were any.
    pub(crate) fn take_piece(&mut self, out: &mut Vec<u8>) -> bool {
        if !self.ended && self.over.is_cancelled() {
            self.end(taken_over());
        }
        let any = !self.pending.is_empty();
        if any {
            self.pending.take_piece(out);
        }
        any
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // Its read, if one is under way.
        self.over.cancel();
    }
}

fn taken_over() -> ApiError {
    fail(Code::TakenOver, "the same consumer subscribed again")
}

/// Where a subscription reads.
#[derive(Debug)]
pub(crate) struct Source {
    log: EventLog,
    share: PageShare,
    filter: Filter,
    /// Up to here everything was read.
    at: u64,
    /// Up to here the client knows it.
    told: u64,
    reference: Option<Ref>,
    access: Arc<Access>,
}

impl Source {
    async fn read(mut self) -> Read {
        loop {
            // An event must not wait for other programs' pages longer than it must: permits come in their order.
            let permit = self.share.batch().await;
            let batch = self.log.within(self.at, BATCH_EVENTS, permit.bytes(), &self.filter).await;
            let batch = batch.map_err(|error| refused(&error))?;
            let before = self.at;
            let mut bytes = Vec::new();
            let mut all = true;
            for mut event in batch.events {
                let (start, seq) = (bytes.len(), event.seq);
                scrub(&mut event.what, &self.access);
                push_line(&mut bytes, &Line::<()>::Event { sub: self.reference.clone(), event });
                if start > 0 && bytes.len() > permit.bytes() {
                    bytes.truncate(start);
                    all = false;
                    break;
                }
                (self.at, self.told) = (seq, seq);
            }
            if all {
                self.at = batch.next;
            }
            if !bytes.is_empty() {
                bytes.shrink_to_fit();
                let held = permit.hold(bytes.len());
                return Ok((self, Pending::new(bytes, Some(held))));
            }
            // A program that waits for events holds nothing.
            drop(permit);
            if self.at - self.told >= UPTO_EVENTS {
                return Ok(self.upto());
            }
            if self.at > before {
                continue;
            }
            if self.at == self.told {
                self.log.changed().await;
            } else if tokio::time::timeout(UPTO_QUIET, self.log.changed()).await.is_err() {
                return Ok(self.upto());
            }
        }
    }

    fn upto(mut self) -> (Self, Pending) {
        self.told = self.at;
        let bytes = line(&Line::<()>::Upto { sub: self.reference.clone(), upto: self.at });
        (self, Pending::new(bytes, None))
    }
}

/// The part of a filter that this connection may see.
pub(crate) fn allowed(filter: Filter, access: &Access) -> Result<Filter, ApiError> {
    let Some(scope) = &access.peers else { return Ok(filter) };
    let peers = match filter.peers {
        None => scope.iter().copied().collect(),
        Some(peers) => {
            if let Some(hidden) = peers.iter().find(|id| !access.sees(**id)) {
                return Err(fail(Code::NotAllowed, format!("this connection may not see {}", hidden.onion())));
            }
            peers
        }
    };
    Ok(Filter { peers: Some(peers), ..filter })
}

/// The name of a consumer as the store knows it.
pub(crate) fn consumer_key(name: &str, access: &Access) -> Result<String, ApiError> {
    if !is_name(name) {
        return Err(fail(Code::BadRequest, "a consumer's name has 1 to 64 of letters, digits, \".\", \"_\", \"-\""));
    }
    Ok(format!("{}{name}", access.namespace))
}

/// Where the log begins: reading after this number finds everything that it holds.
pub(crate) fn start(log: &EventLog) -> u64 {
    log.oldest().saturating_sub(1)
}

/// Finds the place where a subscription begins. A consumer that has no cursor gets one there, durably, before anything
/// is pushed: or a crash before its first ACK would lose what it was sent.
pub(crate) async fn prepare(caller: Caller, wanted: Subscribe) -> Result<Ready, ApiError> {
    let Caller { access, context, reference } = caller;
    let Subscribe { consumer, from, filter } = wanted;
    let filter = allowed(filter, &access)?;
    let key = consumer.map(|name| consumer_key(&name, &access)).transpose()?;
    let log = context.handle.log();
    let cursor = match &key {
        Some(key) => context.handle.cursor(key).await.map_err(|error| refused(&error))?,
        None => None,
    };
    let default = if key.is_some() { Place::Cursor } else { Place::Now };
    let last = log.last();
    let after = match from.unwrap_or(From::Place(default)) {
        From::After(seq) if seq > last => {
            return Err(fail(Code::BadRequest, format!("there is no event {seq} yet: the last one is {last}")));
        }
        From::After(seq) => seq,
        From::Place(Place::Now) => last,
        From::Place(Place::Start) => start(&log),
        From::Place(Place::Cursor) => {
            if key.is_none() {
                return Err(fail(Code::BadRequest, "only a consumer has a cursor: name one in \"consumer\""));
            }
            cursor.unwrap_or(last)
        }
    };
    if let (Some(key), None) = (&key, cursor) {
        context.handle.acknowledge(key, after).await.map_err(|error| refused(&error))?;
    }
    let over = CancellationToken::new();
    let claim = key.map(|key| context.consumers.take(key, over.clone()));
    let source = Source { log, share: context.share.clone(), filter, at: after, told: after, reference, access };
    Ok(Ready { answer: SubscribeAnswer { after, last }, source, over, claim })
}
