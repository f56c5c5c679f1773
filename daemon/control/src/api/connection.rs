//! One connection of API 1: what is in work on it, what goes out, and when it ends.
//!
//! One task for each connection. It takes requests as long as few enough are in work, works on them side by side, and
//! writes what is due: answers first, then events. SENDs are given to the engine one after the other, so that messages
//! to one peer keep the order of their requests, and are awaited side by side.

use super::answer::{Done, answer_line, error_line, fail, refused};
use super::dispatch::{Caller, Context, dispatch};
use super::hello::{auth, check_version, hello};
use super::messages::Enqueued;
use super::outgoing::Outgoing;
use super::page::Page;
use super::subscription::{self, Read, Ready};
use super::subscriptions::Subscriptions;
use crate::ControlConfig;
use crate::access::{Gate, Visitor};
use crate::objects::{Found, Objects};
use crate::page_budget::PagePermit;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use torchat_engine::handle::Refusal;
use torchat_protocol::control::api::command::{Auth, Hello, Subscribe};
use torchat_protocol::control::api::{ApiError, Call, Envelope, Ref, RequestError};
use torchat_protocol::control::code::Code;

/// Requests of one connection that are in work, or whose answers were not taken.
pub(crate) const IN_WORK: usize = 16;
/// How long the last lines may take when the daemon stops.
const STOP_TIME: Duration = Duration::from_secs(1);
/// How often a connection that has no deadline looks whether it has one.
const TICK: Duration = Duration::from_secs(3600);

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

/// Serves a connection from its HELLO on, which is `first`, until it ends.
pub(crate) async fn run(
    first: Vec<u8>,
    objects: &mut Objects<impl AsyncRead + Unpin>,
    writer: &mut (impl AsyncWrite + Unpin),
    visitor: Visitor,
    context: Context,
    config: Arc<ControlConfig>,
    stop: &CancellationToken,
) {
    // Without an idle time the timer goes off now and then for nothing.
    let tick = config.idle_time.unwrap_or(TICK);
    let mut connection = Connection {
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
    };
    connection.begin(&first).await;
    let mut timer = std::pin::pin!(tokio::time::sleep(tick));
    let mut stopped = std::pin::pin!(stop.cancelled());
    let mut stopping: Option<Instant> = None;
    'connection: loop {
        connection.refill();
        // Mostly the kernel takes it at once: then nothing is set up to wait for it.
        while connection.outgoing.is_writing() {
            match connection.outgoing.write(writer).now_or_never() {
                Some(Ok(())) => connection.refill(),
                Some(Err(_)) => break 'connection,
                None => break,
            }
        }
        if connection.is_done() {
            break;
        }
        let deadline = connection.deadline().into_iter().chain(stopping).min();
        // A timer that is too early is only looked at again: most requests need not touch it.
        if let Some(deadline) = deadline.filter(|deadline| *deadline < timer.deadline()) {
            timer.as_mut().reset(deadline);
        }
        let may_begin = connection.may_begin();
        let Connection { work, enqueuing, outgoing, .. } = &mut connection;
        tokio::select! {
            biased;
            () = stopped.as_mut(), if stopping.is_none() => {
                stopping = Some(Instant::now() + STOP_TIME);
                connection.stop();
            }
            Some(enqueued) = async { Some(enqueuing.as_mut()?.await) }, if enqueuing.is_some() => {
                connection.enqueuing = None;
                connection.await_send(enqueued);
            }
            Some(finished) = work.next(), if !work.is_empty() => connection.finish(finished),
            found = async {
                if may_begin {
                    return objects.next().await;
                }
                objects.until_broken().await;
                Found::Broken
            } => if connection.take(found, objects).await.is_break() {
                break;
            },
            result = outgoing.write(writer), if outgoing.is_writing() => if result.is_err() {
                break;
            },
            () = timer.as_mut() => {
                let now = Instant::now();
                match connection.deadline().into_iter().chain(stopping).min() {
                    Some(deadline) if deadline <= now => {
                        tracing::debug!("a local client was idle for too long, or did not take its answers");
                        break;
                    }
                    Some(deadline) => timer.as_mut().reset(deadline),
                    None => timer.as_mut().reset(now + tick),
                }
            }
        }
    }
    if connection.exiting {
        connection.context.handle.stop();
    }
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

/// The course of the connection.
impl Connection {
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

    fn is_done(&self) -> bool {
        self.ended && !self.is_at_work() && !self.outgoing.is_writing() && self.subscriptions.is_empty()
    }

    /// When the connection must end if nothing changes.
    fn deadline(&self) -> Option<Instant> {
        let idle = !self.is_at_work() && self.outgoing.answers() == 0 && self.subscriptions.is_empty();
        self.outgoing.due().or_else(|| self.config.idle_time.filter(|_| idle).map(|time| self.active_at + time))
    }

    /// Puts on the way what is due, and lets subscriptions read on whose lines are.
    fn refill(&mut self) {
        if self.ended
            && !self.is_at_work()
            && let Some(error) = self.last_words.take()
        {
            self.refuse(None, error);
        }
        if self.exiting && self.outgoing.answers() == 0 {
            self.exiting = false;
            self.context.handle.stop();
        }
        let subscriptions = &mut self.subscriptions;
        self.outgoing.fill(|out| subscriptions.take_piece(out));
        if subscriptions.is_empty() {
            return;
        }
        for (number, read) in subscriptions.next_reads() {
            self.work.push(Box::pin(async move { Finished::Read { number, read: Box::new(read.await) } }));
        }
        if self.subscriptions.is_empty() {
            self.active_at = Instant::now();
        }
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

    /// The daemon stops: what is due is said.
    fn stop(&mut self) {
        self.ended = true;
        self.context.ending.cancel();
        self.context.cut.cancel();
        self.subscriptions.end_all_with(&refused(&Refusal::Stopping));
    }

    fn finish(&mut self, finished: Finished) {
        if !matches!(finished, Finished::Read { .. }) {
            self.in_work -= 1;
        }
        match finished {
            Finished::Answer(line) => self.answer(line, None),
            Finished::Page((line, held)) => self.answer(line, held),
            Finished::Subscribed { number, reference, prepared } => {
                // Answers go before events, so none of its events comes before this line.
                let answer = self.subscriptions.begin(number, *prepared);
                self.answer(answer_line::<Subscribe>(reference, answer), None);
            }
            Finished::Read { number, read } => self.subscriptions.take(number, *read),
        }
    }

    fn await_send(&mut self, enqueued: Enqueued) {
        self.in_work += 1;
        self.work.push(Box::pin(async move { Finished::Answer(enqueued.answered().await) }));
    }

    /// Takes up what came, and what came whole with it: a client that has many requests in flight sends them together, and
    /// their answers are to go together.
    async fn take(&mut self, found: Found, objects: &mut Objects<impl AsyncRead + Unpin>) -> ControlFlow<()> {
        let mut next = Some(found);
        while let Some(found) = next {
            match found {
                Found::Request { bytes, .. } => self.begin(&bytes).await,
                Found::Bad { error, .. } => self.give_up(fail(Code::BadObject, error.to_string())),
                Found::End => self.end(),
                Found::Foreign | Found::Broken => return ControlFlow::Break(()),
            }
            next = if self.may_begin() { objects.at_hand() } else { None };
        }
        ControlFlow::Continue(())
    }

    /// Begins a request. Only a proof takes time here.
    async fn begin(&mut self, bytes: &[u8]) {
        self.active_at = Instant::now();
        let envelope = match Envelope::read(bytes) {
            Ok(envelope) => envelope,
            Err(RequestError::Object(error)) => return self.give_up(fail(Code::BadObject, error.to_string())),
            Err(error @ RequestError::Reference) => {
                let error =
                    self.visitor.access().map_or_else(|error| error, |_| fail(Code::BadRequest, error.to_string()));
                return self.refuse_unproven(None, error);
            }
        };
        match envelope.name.as_ref() {
            Hello::NAME => self.hello(&envelope),
            Auth::NAME => self.auth(&envelope).await,
            // What is not proven is not told what there is.
            _ => match self.visitor.access() {
                Ok(access) => dispatch(&envelope, access, self),
                Err(error) => self.refuse_unproven(envelope.reference, error),
            },
        }
    }

    /// Refuses something. What was not proven may do nothing: the connection ends after what was said.
    fn refuse_unproven(&mut self, reference: Option<Ref>, error: ApiError) {
        self.refuse(reference, error);
        if self.visitor.access().is_err() {
            self.refuse_all();
        }
    }

    fn refuse_all(&mut self) {
        self.context.cut.cancel();
        self.end();
    }

    /// The parameters of HELLO and AUTH, or the refusal.
    fn parameters<C: Call>(&mut self, envelope: &Envelope<'_>) -> Option<C> {
        match envelope.parameters() {
            Ok(parameters) => Some(parameters),
            Err(error) => {
                let error =
                    self.visitor.access().map_or_else(|error| error, |_| fail(Code::BadRequest, error.to_string()));
                self.refuse_unproven(envelope.reference.clone(), error);
                None
            }
        }
    }

    fn hello(&mut self, envelope: &Envelope<'_>) {
        let Some(wanted) = self.parameters::<Hello>(envelope) else { return };
        let reference = envelope.reference.clone();
        if let Err(error) = check_version(&wanted) {
            return self.refuse(reference, error);
        }
        let result = hello(wanted, self);
        let failed = result.is_err();
        self.answer(answer_line::<Hello>(reference, result), None);
        if failed {
            self.refuse_all();
        }
    }

    async fn auth(&mut self, envelope: &Envelope<'_>) {
        let Some(wanted) = self.parameters::<Auth>(envelope) else { return };
        let result = auth(wanted, self).await;
        let failed = result.is_err();
        self.answer(answer_line::<Auth>(envelope.reference.clone(), result), None);
        if failed {
            self.refuse_all();
        }
    }
}
