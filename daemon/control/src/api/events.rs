//! The event log: EVENTS, and the places of consumers. [`subscription`](super::subscription) pushes.

use super::admin::check_wait;
use super::answer::{Done, answer_line, fail, refused};
use super::connection::Connection;
use super::dispatch::{Caller, Course, Execute, Row, row};
use super::page::{self, PAGE_BYTES, Page, fitting, held, scrub};
use super::subscription::{allowed, consumer_key};
use std::time::Duration;
use torchat_engine::handle::EventLog;
use torchat_protocol::control::api::command::{
    Ack, AckAnswer, Cursors, CursorsAnswer, Events, EventsAnswer, Nothing, Subscribe, SubscribeAnswer, Unsubscribe,
};
use torchat_protocol::control::api::event::Event;
use torchat_protocol::control::api::record::Cursor;
use torchat_protocol::control::code::Code;

/// Events of a page when no number is given.
const EVENTS_DEFAULT: u32 = 100;

pub(crate) const ROWS: &[Row] =
    &[row::<Ack>(), row::<Events>(), row::<Subscribe>(), row::<Unsubscribe>(), row::<Cursors>()];

impl Execute for Subscribe {
    fn execute(self, caller: Caller, connection: &mut Connection) -> Course<SubscribeAnswer> {
        match connection.subscribe(caller, self) {
            Ok(()) => Course::Taken,
            Err(error) => Course::Now(Err(error)),
        }
    }
}

impl Execute for Unsubscribe {
    fn execute(self, _: Caller, connection: &mut Connection) -> Course<Nothing> {
        Course::Now(connection.unsubscribe(&self.sub).map(|()| Nothing {}))
    }
}

impl Execute for Ack {
    fn execute(self, caller: Caller, _: &mut Connection) -> Course<AckAnswer> {
        Course::later(async move {
            let key = consumer_key(&self.consumer, &caller.access)?;
            let seq = caller.handle().acknowledge(&key, self.seq).await.map_err(|error| refused(&error))?;
            Ok(AckAnswer { seq })
        })
    }
}

impl Execute for Cursors {
    fn execute(self, caller: Caller, _: &mut Connection) -> Course<CursorsAnswer> {
        Course::later(cursors(self, caller))
    }
}

async fn cursors(wanted: Cursors, caller: Caller) -> Done<CursorsAnswer> {
    let namespace = &caller.access.namespace;
    if let Some(name) = wanted.forget {
        let gone = caller.handle().forget_cursor(&format!("{namespace}{name}")).await;
        if !gone.map_err(|error| refused(&error))? {
            return Err(fail(Code::UnknownConsumer, "there is no consumer of this name"));
        }
    }
    let cursors = caller.handle().cursors().await.map_err(|error| refused(&error))?;
    let own = |cursor: Cursor| {
        let consumer = cursor.consumer.strip_prefix(namespace.as_str())?.to_owned();
        Some(Cursor { consumer, ..cursor })
    };
    Ok(CursorsAnswer { cursors: cursors.into_iter().filter_map(own).collect() })
}

impl Execute for Events {
    fn execute(self, caller: Caller, _: &mut Connection) -> Course<EventsAnswer> {
        Course::page(events(self, caller))
    }
}

/// The long poll.
async fn events(wanted: Events, caller: Caller) -> Done<Page> {
    let limit = page::limit(wanted.limit, EVENTS_DEFAULT)?;
    let wait = wanted.wait.unwrap_or_default();
    check_wait(wait)?;
    let filter = allowed(wanted.filter, &caller.access)?;
    let mut log = caller.handle().log();
    let after = match (wanted.after, wanted.consumer) {
        (Some(seq), None) => seq,
        (None, Some(name)) => place_of(&caller, &log, &consumer_key(&name, &caller.access)?).await?,
        _ => return Err(fail(Code::BadRequest, "give either \"after\" or \"consumer\", not both")),
    };
    let deadline = tokio::time::Instant::now() + Duration::from_secs(wait.into());
    let mut at = after;
    loop {
        let permit = caller.context.share.page(PAGE_BYTES).await;
        let batch = log.within(at, limit as usize, permit.bytes(), &filter).await.map_err(|error| refused(&error))?;
        let mut events = batch.events;
        let mut next = batch.next;
        if !events.is_empty() {
            for event in &mut events {
                scrub(&mut event.what, &caller.access);
            }
            if fitting(&mut events, permit.bytes()) {
                next = events.last().map_or(at, |event: &Event| event.seq);
            }
            let answer = EventsAnswer { events, next, last: log.last() };
            return Ok(held(permit, answer_line::<Events>(caller.reference, Ok(answer))));
        }
        let moved = next > at;
        at = next;
        if moved && at < log.last() {
            continue;
        }
        // The wait for the next event keeps nobody from reading.
        drop(permit);
        let changed = tokio::select! {
            biased;
            () = caller.context.ending.cancelled() => false,
            changed = tokio::time::timeout_at(deadline, log.changed()) => changed.is_ok(),
        };
        if !changed {
            let answer = EventsAnswer { events: Vec::new(), next: at, last: log.last() };
            return Ok((answer_line::<Events>(caller.reference, Ok(answer)), None));
        }
    }
}

/// A consumer's cursor. A new one is made now, durably, so that nothing after it is lost.
async fn place_of(caller: &Caller, log: &EventLog, key: &str) -> Done<u64> {
    let cursor = caller.handle().cursor(key).await.map_err(|error| refused(&error))?;
    match cursor {
        Some(seq) => Ok(seq),
        None => caller.handle().acknowledge(key, log.last()).await.map_err(|error| refused(&error)),
    }
}
