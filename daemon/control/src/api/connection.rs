//! One connection of API 1: what is in work on it, and what commands do with it.
//!
//! One task for each connection ([`run()`]). It takes requests as long as few enough are in work, works on them side by side,
//! and writes what is due: answers first, then events. SENDs are given to the engine one after the other, so that messages
//! to one peer keep the order of their requests, and are awaited side by side.

mod requests;
mod run;

pub(crate) use run::run;

use super::answer::{Done, error_line, fail};
use super::dispatch::{Caller, Context};
use super::messages::Enqueued;
use super::outgoing::Outgoing;
use super::page::Page;
use super::subscription::{self, Read, Ready};
use super::subscriptions::Subscriptions;
use crate::ControlConfig;
use crate::access::{Gate, Visitor};
use crate::page_budget::PagePermit;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use std::sync::Arc;
use tokio::time::Instant;
use torchat_protocol::control::api::command::Subscribe;
use torchat_protocol::control::api::{ApiError, Ref};
use torchat_protocol::control::code::Code;

/// Requests of one connection that are in work, or whose answers were not taken.
pub(crate) const IN_WORK: usize = 16;

/// What came of something that took time.
enum Finished {
    Answer(Vec<u8>),
    /// The same of a page, which counts until it is taken.
    Page(Page),
    Subscribed {
        number: u64,
        reference: Option<Ref>,
        prepared: Box<Done<Ready>>,
    },
    Read {
        number: u64,
        read: Box<Read>,
    },
}

/// What a connection holds. Commands reach it through its methods.
pub(crate) struct Connection {
    visitor: Visitor,
    context: Arc<Context>,
    config: Arc<ControlConfig>,
    outgoing: Outgoing,
    subscriptions: Subscriptions,
    work: FuturesUnordered<BoxFuture<'static, Finished>>,
    /// Requests among the work, the others read events.
    in_work: usize,
    /// The SEND that the engine is about to take. No other request is begun meanwhile.
    enqueuing: Option<BoxFuture<'static, Enqueued>>,
    /// Nothing more is begun: [`Context::ending`], without its lock.
    ended: bool,
    /// What is said when nothing is in work any more.
    last_words: Option<ApiError>,
    /// The daemon is to stop when the answers are taken.
    exiting: bool,
    active_at: Instant,
}

/// What commands use.
impl Connection {
    /// What commands work with.
    pub(crate) fn context(&self) -> Arc<Context> {
        self.context.clone()
    }

    /// Who is at the other end.
    pub(crate) fn visitor(&mut self) -> &mut Visitor {
        &mut self.visitor
    }

    /// The tokens, and the audit of refusals.
    pub(crate) fn gate(&self) -> Gate {
        self.visitor.gate()
    }

    /// How the server was started.
    pub(crate) fn config(&self) -> &ControlConfig {
        &self.config
    }

    /// Puts an answer's line in line.
    pub(crate) fn answer(&mut self, line: Vec<u8>, held: Option<PagePermit>) {
        self.active_at = Instant::now();
        self.outgoing.answer(line, held);
    }

    /// Answers that a command was refused.
    pub(crate) fn refuse(&mut self, reference: Option<Ref>, error: ApiError) {
        self.answer(error_line(reference, error), None);
    }

    /// Takes up what takes time, and comes to an answer's line.
    pub(crate) fn work(&mut self, work: BoxFuture<'static, Vec<u8>>) {
        self.in_work += 1;
        self.work.push(Box::pin(async move { Finished::Answer(work.await) }));
    }

    /// As [`Self::work`], for a page.
    pub(crate) fn page(&mut self, reference: Option<Ref>, work: BoxFuture<'static, Done<Page>>) {
        self.in_work += 1;
        self.work.push(Box::pin(async move {
            match work.await {
                Ok(page) => Finished::Page(page),
                Err(error) => Finished::Answer(error_line(reference, error)),
            }
        }));
    }

    /// Takes up a SEND. Nothing else is begun before the engine has it.
    pub(crate) fn enqueue(&mut self, sending: BoxFuture<'static, Enqueued>) {
        self.enqueuing = Some(sending);
    }

    /// Takes up a SUBSCRIBE, and answers it when its place is known.
    ///
    /// # Errors
    /// `already-subscribed`, `too-many-subscriptions`.
    pub(crate) fn subscribe(&mut self, caller: Caller, wanted: Subscribe) -> Done<()> {
        let reference = caller.reference.clone();
        let number = self.subscriptions.prepare(reference.clone())?;
        self.in_work += 1;
        self.work.push(Box::pin(async move {
            let prepared = Box::new(subscription::prepare(caller, wanted).await);
            Finished::Subscribed { number, reference, prepared }
        }));
        Ok(())
    }

    /// Ends a subscription by its `ref`.
    ///
    /// # Errors
    /// `unknown-subscription`.
    pub(crate) fn unsubscribe(&mut self, sub: &Option<Ref>) -> Done<()> {
        if self.subscriptions.end(sub) {
            Ok(())
        } else {
            Err(fail(Code::UnknownSubscription, "this connection has no such subscription"))
        }
    }

    /// Ends all subscriptions without a word.
    pub(crate) fn end_subscriptions(&mut self) {
        self.subscriptions.end_all();
    }

    /// Stops the daemon when the answers are taken. No further request is begun.
    pub(crate) fn exit(&mut self) {
        self.exiting = true;
    }
}

impl Connection {
    fn new(visitor: Visitor, context: Context, config: Arc<ControlConfig>) -> Self {
        Self {
            visitor,
            context: Arc::new(context),
            outgoing: Outgoing::new(config.write_time),
            config,
            subscriptions: Subscriptions::default(),
            work: FuturesUnordered::new(),
            in_work: 0,
            enqueuing: None,
            ended: false,
            last_words: None,
            exiting: false,
            active_at: Instant::now(),
        }
    }

    fn may_begin(&self) -> bool {
        self.enqueuing.is_none()
            && !self.ended
            && !self.exiting
            && self.in_work + self.outgoing.answers() < IN_WORK
            && !self.outgoing.is_crowded()
    }

    fn is_at_work(&self) -> bool {
        self.enqueuing.is_some() || self.in_work > 0
    }

    /// The client sends nothing more: it gets its answers, and its subscriptions end.
    fn end(&mut self) {
        self.ended = true;
        self.context.ending.cancel();
        self.subscriptions.end_all();
    }

    /// Something is so wrong that nothing after it may be executed.
    fn give_up(&mut self, error: ApiError) {
        self.last_words = Some(error);
        self.context.cut.cancel();
        self.end();
    }
}
