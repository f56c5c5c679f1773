//! A connection that speaks API 1: requests begun in their order and answered in any, and subscriptions.
//!
//! One task for each connection. It takes requests as long as few enough are in work, works on them side by side, and
//! writes what is due: answers first, then events. SENDs are given to the engine one after the other, so that messages
//! to one peer keep the order of their requests, and are awaited side by side.

mod consumers;
mod lines;
mod subscription;
mod work;

use super::ControlConfig;
use super::access::{Access, Audited, Visitor, is_audited, is_in_namespace, not_authenticated};
use super::pages::{Desk, Held};
use super::source::{Found, Source};
use crate::handle::{Handle, Refusal, SendOptions, Sending};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use lines::{Lines, line};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use subscription::{Read, Ready, Subscription};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use torchat_core::input::ContactChange;
use torchat_protocol::control::api::command::{
    self, COMMANDS, Command, Hello, HelloAnswer, HostAnswer, Limits, Nothing, Send, SendAnswer, Wait, Welcome,
};
use torchat_protocol::control::api::{self, ApiError, Call, Line, Onion, Ref, RequestError, Right};
use torchat_protocol::id::PeerId;
use torchat_protocol::limits;
use torchat_transport::randomness::Randomness;
use work::{Context, Done, fail, refused};

/// Requests of one connection that are in work, or whose answers were not taken.
const IN_WORK: usize = 16;
/// Subscriptions of one connection.
const SUBSCRIPTIONS: usize = 16;
/// Characters of a program's name that the log shows.
const CLIENT_CHARS: usize = 32;
/// Longest key of a message, in bytes.
const CLIENT_ID_BYTES: usize = 64;
/// Shortest time that a message may be given, in seconds: less than the way through Tor takes would only fail.
const EXPIRE_MIN_S: u64 = 60;
/// How long the last lines may take when the daemon stops.
const STOP_TIME: Duration = Duration::from_secs(1);
/// How often a connection that has no deadline looks whether it has one.
const TICK: Duration = Duration::from_secs(3600);

/// What all connections share.
#[derive(Debug, Clone, Default)]
pub(super) struct Shared {
    consumers: consumers::Consumers,
}

/// What a HELLO of the classic contract asks for.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Wanted {
    /// The version; absent: nothing, the request is no HELLO.
    #[serde(default)]
    pub(super) api: Option<i64>,
}

/// What came of something that took time.
enum Finished {
    Answer(Vec<u8>),
    /// The same of a page, which counts until it is taken.
    Page(Vec<u8>, Option<Held>),
    Subscribed {
        reference: Option<Ref>,
        result: Box<Done<Ready>>,
    },
    Read {
        number: u64,
        read: Box<Read>,
    },
}

/// A SEND that the engine has, or has refused to take.
struct Enqueued {
    request: SendRequest,
    sending: Result<Sending, Refusal>,
}

struct SendRequest {
    context: Context,
    reference: Option<Ref>,
    peer: PeerId,
    wait: Option<Option<u64>>,
}

/// Serves a connection from its HELLO on, which is `first`, until it ends.
#[allow(clippy::too_many_arguments, reason = "called once, with what a session has")]
pub(super) async fn run(
    first: Vec<u8>,
    requests: &mut Source<impl AsyncRead + Unpin>,
    writer: &mut (impl AsyncWrite + Unpin),
    visitor: Visitor,
    handle: Handle,
    config: Arc<ControlConfig>,
    shared: Shared,
    desk: Desk,
    stop: CancellationToken,
) {
    // Without an idle time the timer goes off now and then for nothing.
    let tick = config.idle_time.unwrap_or(TICK);
    let mut connection = Connection {
        visitor,
        handle,
        lines: Lines::new(config.write_time),
        config,
        shared,
        desk,
        subscriptions: VecDeque::new(),
        subscribing: 0,
        next_number: 0,
        work: FuturesUnordered::new(),
        in_work: 0,
        enqueuing: None,
        ending: CancellationToken::new(),
        cut: CancellationToken::new(),
        last_words: None,
        exiting: false,
        active_at: Instant::now(),
    };
    connection.begin(&first).await;
    let timer = tokio::time::sleep(tick);
    tokio::pin!(timer);
    let mut stopping: Option<Instant> = None;
    loop {
        connection.refill();
        if connection.is_done() {
            break;
        }
        let deadline = connection.deadline().into_iter().chain(stopping).min();
        // A timer that is too early is only looked at again: most requests need not touch it.
        if let Some(deadline) = deadline.filter(|deadline| *deadline < timer.deadline()) {
            timer.as_mut().reset(deadline);
        }
        let may_begin = connection.may_begin();
        let Connection { work, enqueuing, lines, .. } = &mut connection;
        tokio::select! {
            biased;
            () = stop.cancelled(), if stopping.is_none() => {
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
                    return requests.next().await;
                }
                requests.until_broken().await;
                Found::Broken
            } => match found {
                Found::Request { bytes, .. } => connection.begin(&bytes).await,
                Found::Bad { error, .. } => connection.give_up(fail("bad-object", error.to_string())),
                Found::End => connection.end(),
                Found::Foreign | Found::Broken => break,
            },
            result = lines.write(writer), if lines.is_writing() => if result.is_err() {
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
        connection.handle.stop();
    }
}

struct Connection {
    visitor: Visitor,
    handle: Handle,
    config: Arc<ControlConfig>,
    shared: Shared,
    desk: Desk,
    lines: Lines,
    /// The first one is the next to write.
    subscriptions: VecDeque<Subscription>,
    /// Those that are being prepared.
    subscribing: usize,
    next_number: u64,
    work: FuturesUnordered<BoxFuture<'static, Finished>>,
    /// Requests among the work, the others read events.
    in_work: usize,
    /// The SEND that the engine is about to take. No other request is begun meanwhile.
    enqueuing: Option<BoxFuture<'static, Enqueued>>,
    /// The client sends nothing more.
    ending: CancellationToken,
    /// Nothing may wait any more.
    cut: CancellationToken,
    /// What is said when nothing is in work any more.
    last_words: Option<ApiError>,
    /// The daemon is to stop when the answers are taken.
    exiting: bool,
    active_at: Instant,
}

impl Connection {
    fn may_begin(&self) -> bool {
        self.enqueuing.is_none()
            && !self.ending.is_cancelled()
            && !self.exiting
            && self.in_work + self.lines.answers() < IN_WORK
            && !self.lines.is_crowded()
    }

    fn is_at_work(&self) -> bool {
        self.enqueuing.is_some() || self.in_work > 0
    }

    fn is_done(&self) -> bool {
        self.ending.is_cancelled() && !self.is_at_work() && !self.lines.is_writing() && self.subscriptions.is_empty()
    }

    /// When the connection must end if nothing changes.
    fn deadline(&self) -> Option<Instant> {
        let idle = !self.is_at_work() && self.lines.answers() == 0 && self.subscriptions.is_empty();
        self.lines.due().or_else(|| self.config.idle_time.filter(|_| idle).map(|time| self.active_at + time))
    }

    /// Puts on the way what is due, and lets subscriptions read on whose lines are.
    fn refill(&mut self) {
        if self.ending.is_cancelled()
            && !self.is_at_work()
            && let Some(error) = self.last_words.take()
        {
            self.answer(line(&Line::<()>::Error { reference: None, error }), None);
        }
        if self.exiting && self.lines.answers() == 0 {
            self.exiting = false;
            self.handle.stop();
        }
        let subscriptions = &mut self.subscriptions;
        self.lines.fill(|out| {
            // In turn, so that a subscription with much to say does not silence the others.
            for _ in 0..subscriptions.len() {
                subscriptions.rotate_left(1);
                if subscriptions.back_mut().is_some_and(|subscription| subscription.take_piece(out)) {
                    break;
                }
            }
        });
        if self.subscriptions.is_empty() {
            return;
        }
        self.subscriptions.retain(|subscription| !subscription.is_over());
        for subscription in &mut self.subscriptions {
            if let Some(read) = subscription.next_read() {
                let number = subscription.number;
                self.work.push(Box::pin(async move { Finished::Read { number, read: Box::new(read.await) } }));
            }
        }
        if self.subscriptions.is_empty() {
            self.active_at = Instant::now();
        }
    }

    /// The client sends nothing more: it gets its answers, and its subscriptions end.
    fn end(&mut self) {
        self.ending.cancel();
        self.subscriptions.clear();
    }

    /// Something is so wrong that nothing after it may be executed.
    fn give_up(&mut self, error: ApiError) {
        self.last_words = Some(error);
        self.cut.cancel();
        self.end();
    }

    /// The daemon stops: what is due is said.
    fn stop(&mut self) {
        self.ending.cancel();
        self.cut.cancel();
        for subscription in &mut self.subscriptions {
            subscription.end(refused(&Refusal::Stopping));
        }
    }

    fn answer(&mut self, line: Vec<u8>, held: Option<Held>) {
        self.active_at = Instant::now();
        self.lines.answer(line, held);
    }

    fn reply<C: Call>(&mut self, reference: Option<Ref>, result: Done<C::Answer>) {
        self.answer(answer_line::<C>(reference, result), None);
    }

    fn finish(&mut self, finished: Finished) {
        if !matches!(finished, Finished::Read { .. }) {
            self.in_work -= 1;
        }
        match finished {
            Finished::Answer(line) => self.answer(line, None),
            Finished::Page(line, held) => self.answer(line, held),
            Finished::Subscribed { reference, result } => {
                self.subscribing -= 1;
                match *result {
                    Ok(ready) => {
                        // The answer first: no event of a subscription comes before it.
                        self.reply::<command::Subscribe>(reference.clone(), Ok(ready.answer.clone()));
                        if !self.ending.is_cancelled() {
                            let number = self.next_number;
                            self.next_number += 1;
                            self.subscriptions.push_back(Subscription::new(number, reference, ready));
                        }
                    }
                    Err(error) => self.reply::<command::Subscribe>(reference, Err(error)),
                }
            }
            Finished::Read { number, read } => {
                if let Some(subscription) = self.subscriptions.iter_mut().find(|one| one.number == number) {
                    subscription.take(*read);
                }
            }
        }
    }

    /// Begins a request. Only a proof takes time here.
    async fn begin(&mut self, bytes: &[u8]) {
        self.active_at = Instant::now();
        let (reference, command) = match api::parse(bytes) {
            Ok(request) => request,
            Err(RequestError::Object(error)) => return self.give_up(fail("bad-object", error.to_string())),
            // What is not proven is not told what there is.
            Err(RequestError::Unknown { reference, .. } | RequestError::Parameters { reference, .. })
                if self.visitor.access().is_err() =>
            {
                self.reply::<command::Exit>(reference, Err(not_authenticated()));
                return self.refuse_all();
            }
            Err(RequestError::Unknown { name, reference }) => {
                let error = fail("unknown-command", format!("there is no command {name:?}"));
                return self.reply::<command::Exit>(reference, Err(error));
            }
            Err(RequestError::Parameters { error, reference }) => {
                return self.reply::<command::Exit>(reference, Err(fail("bad-request", error.to_string())));
            }
        };
        match command {
            Command::Hello(hello) => self.hello(reference, hello),
            Command::Auth(auth) => {
                let result = self.visitor.end_proof(&auth.proof).await;
                let result = result.and_then(|proof| {
                    let welcome = self.welcome(&*self.visitor.access()?);
                    Ok(command::AuthAnswer { proof, welcome })
                });
                let failed = result.is_err();
                self.reply::<command::Auth>(reference, result);
                if failed {
                    self.refuse_all();
                }
            }
            command => match self.visitor.access() {
                Ok(access) => self.execute(reference, command, access),
                Err(error) => {
                    self.reply::<command::Exit>(reference, Err(error));
                    self.refuse_all();
                }
            },
        }
    }

    /// What was not proven may do nothing: the connection ends after what was said.
    fn refuse_all(&mut self) {
        self.cut.cancel();
        self.end();
    }

    fn hello(&mut self, reference: Option<Ref>, hello: Hello) {
        if hello.api != api::VERSION {
            return self.reply::<Hello>(reference, Err(unsupported(hello.api.into())));
        }
        let name: String = hello.client.chars().take(CLIENT_CHARS).collect();
        tracing::debug!(client = %name.escape_debug(), "a local program says hello");
        let answer = |nonce, welcome| HelloAnswer { api: api::VERSION, server: server(), nonce, welcome };
        let result = match (hello.token, hello.nonce) {
            (None, _) => self.visitor.access().map(|access| answer(None, Some(self.welcome(&access)))),
            (Some(_), None) => Err(fail("bad-request", "a \"token\" needs a \"nonce\"")),
            (Some(token), Some(nonce)) => {
                // What subscribed before had other rights.
                self.subscriptions.clear();
                self.visitor.begin_proof(&token, &nonce).map(|nonce| answer(Some(nonce), None))
            }
        };
        let failed = result.is_err();
        self.reply::<Hello>(reference, result);
        if failed {
            self.refuse_all();
        }
    }

    fn welcome(&self, access: &Access) -> Welcome {
        let log = self.handle.log();
        let commands = COMMANDS.iter().filter(|row| access.allows(row.right)).map(|row| row.name.to_owned());
        Welcome {
            onion: Onion(self.handle.own()),
            rights: access.rights.iter().copied().collect(),
            peers: access.peers.as_ref().map(|peers| peers.iter().copied().map(Onion).collect()),
            commands: commands.collect(),
            seq: log.last(),
            oldest: log.oldest(),
            limits: Limits {
                object_bytes: limits::CONTROL_OBJECT_BYTES as u64,
                text_bytes: limits::TEXT_BYTES as u64,
                requests: IN_WORK as u64,
                subscriptions: SUBSCRIPTIONS as u64,
                page: work::PAGE.into(),
            },
        }
    }

    fn execute(&mut self, reference: Option<Ref>, command: Command, access: Arc<Access>) {
        let row = command.info();
        if !access.allows(row.right) {
            let right = row.right.map_or_else(String::new, right_name);
            let error = fail("not-allowed", format!("{} needs the right \"{right}\"", row.name));
            if is_audited(row.right) {
                self.visitor.gate().audit_refusal(&access, row.name, subject(&command).as_ref(), &error.code);
            }
            return self.reply::<command::Exit>(reference, Err(error));
        }
        let context = Context {
            handle: self.handle.clone(),
            desk: self.desk.clone(),
            access,
            ending: self.ending.clone(),
            cut: self.cut.clone(),
        };
        match command {
            // Both are done before rights are looked at.
            Command::Hello(_) | Command::Auth(_) => {}
            Command::Host(_) => {
                self.reply::<command::Host>(reference, Ok(HostAnswer { onion: Onion(self.handle.own()) }));
            }
            Command::Status(wanted) if wanted.version.is_none() && wanted.wait.is_none() => {
                self.reply::<command::Status>(reference, Ok(context.status_now()));
            }
            Command::Status(wanted) => self.later::<command::Status>(reference, context.status(wanted)),
            Command::Check(_) => self.later::<command::Check>(reference, context.check()),
            Command::Contacts(_) => self.reply::<command::Contacts>(reference, Ok(context.contacts())),
            Command::Requests(_) => self.reply::<command::Requests>(reference, Ok(context.requests())),
            Command::Conversations(_) => self.page(reference.clone(), context.conversations(reference)),
            Command::History(wanted) => self.page(reference.clone(), context.history(wanted, reference)),
            Command::Search(wanted) => self.page(reference.clone(), context.search(wanted, reference)),
            Command::Events(wanted) => self.page(reference.clone(), context.events(wanted, reference)),
            Command::Legacy(wanted) => self.page(reference.clone(), context.legacy(wanted, reference)),
            Command::LegacyTake(wanted) => self.later::<command::LegacyTake>(reference, context.take_legacy(wanted)),
            Command::Subscribe(wanted) => self.subscribe(reference, context, wanted),
            Command::Unsubscribe(wanted) => self.unsubscribe(reference, &wanted.sub),
            Command::Ack(wanted) => self.later::<command::Ack>(reference, context.ack(wanted)),
            Command::Cursors(wanted) => self.later::<command::Cursors>(reference, context.cursors(wanted)),
            Command::Send(wanted) => self.send(reference, context, wanted),
            Command::Cancel(wanted) => self.later::<command::Cancel>(reference, context.cancel(wanted)),
            Command::Seen(wanted) => self.later::<command::Seen>(reference, context.seen(wanted)),
            Command::Add(wanted) => {
                let peer = work::add_subject(&wanted);
                self.audited::<command::Add>(reference, &context.clone(), peer, context.add(wanted));
            }
            Command::Accept(w) => self.change::<command::Accept>(reference, context, w.peer, ContactChange::Accept),
            Command::Refuse(w) => self.change::<command::Refuse>(reference, context, w.peer, ContactChange::Refuse),
            Command::Block(w) => self.change::<command::Block>(reference, context, w.peer, ContactChange::Block),
            Command::Unblock(w) => self.change::<command::Unblock>(reference, context, w.peer, ContactChange::Unblock),
            Command::Remove(w) => self.change::<command::Remove>(reference, context, w.peer, ContactChange::Remove),
            Command::Rename(wanted) => {
                let peer = Some(wanted.peer.0);
                self.audited::<command::Rename>(reference, &context.clone(), peer, context.rename(wanted));
            }
            Command::Appear(w) => {
                let change = ContactChange::Appear { hidden: w.hidden };
                self.change::<command::Appear>(reference, context, w.peer, change);
            }
            Command::Invite(wanted) => {
                self.audited::<command::Invite>(reference, &context.clone(), None, context.invite(wanted));
            }
            Command::Tokens(wanted) => {
                let (gate, access) = (self.visitor.gate(), context.access.clone());
                let tokens =
                    async move { super::access::token_command(&gate, &access, &wanted, &Randomness::system()).await };
                self.audited::<command::Tokens>(reference, &context, None, tokens);
            }
            Command::LogLevel(wanted) => {
                let begun = Audited::begin(&context.access, row.name, None);
                let result = self.log_level(&wanted.level);
                begun.end(code_of(&result));
                self.reply::<command::LogLevel>(reference, result);
            }
            Command::Exit(_) => {
                Audited::begin(&context.access, row.name, None).end("ok");
                self.reply::<command::Exit>(reference, Ok(Nothing {}));
                self.exiting = true;
            }
        }
    }

    fn work(&mut self, future: impl Future<Output = Finished> + std::marker::Send + 'static) {
        self.in_work += 1;
        self.work.push(Box::pin(future));
    }

    fn later<C: Call + 'static>(
        &mut self,
        reference: Option<Ref>,
        future: impl Future<Output = Done<C::Answer>> + std::marker::Send + 'static,
    ) {
        self.work(async move { Finished::Answer(answer_line::<C>(reference, future.await)) });
    }

    /// As [`Self::later`], for what writes its line where it is read.
    fn page(&mut self, reference: Option<Ref>, read: impl Future<Output = work::Page> + std::marker::Send + 'static) {
        self.work(async move {
            match read.await {
                Ok((line, held)) => Finished::Page(line, held),
                Err(error) => Finished::Answer(answer_line::<command::Exit>(reference, Err(error))),
            }
        });
    }

    /// As [`Self::later`], with its lines in the audit: the first one now, whatever becomes of the connection.
    fn audited<C: Call + 'static>(
        &mut self,
        reference: Option<Ref>,
        context: &Context,
        peer: Option<PeerId>,
        future: impl Future<Output = Done<C::Answer>> + std::marker::Send + 'static,
    ) {
        let begun = Audited::begin(&context.access, C::NAME, peer.as_ref());
        let lost = reference.clone();
        let work = async move {
            let result = future.await;
            begun.end(code_of(&result));
            answer_line::<C>(reference, result)
        };
        let stopping = || answer_line::<C>(lost, Err(refused(&Refusal::Stopping)));
        self.carry_out(work.boxed(), Box::new(stopping));
    }

    /// What is begun is done, and not left half done when the connection breaks: in a task of its own. `stopping` is the answer
    /// if that one is ended with the daemon. Once for all commands, in boxes: else each of them makes the code that picks
    /// a command larger, and HOST slower.
    fn carry_out(
        &mut self,
        mut work: BoxFuture<'static, Vec<u8>>,
        stopping: Box<dyn FnOnce() -> Vec<u8> + std::marker::Send>,
    ) {
        // It is begun here, so that the engine gets the requests of a connection in their order.
        if let Some(line) = work.as_mut().now_or_never() {
            return self.work(std::future::ready(Finished::Answer(line)));
        }
        let task = tokio::spawn(work);
        self.work(async move { Finished::Answer(task.await.unwrap_or_else(|_| stopping())) });
    }

    fn change<C: Call<Answer = Nothing> + 'static>(
        &mut self,
        reference: Option<Ref>,
        context: Context,
        peer: Onion,
        change: ContactChange,
    ) {
        self.audited::<C>(reference, &context.clone(), Some(peer.0), context.change(peer, change));
    }

    fn log_level(&self, level: &str) -> Done<Nothing> {
        if !["error", "warn", "info", "debug", "trace"].contains(&level) {
            return Err(fail("bad-request", "\"level\" is error, warn, info, debug or trace"));
        }
        match &self.config.log_level {
            Some(hook) => hook.set(level).map(|()| Nothing {}).map_err(|why| fail("unavailable", why)),
            None => Err(fail("unavailable", "this daemon's log has a fixed level")),
        }
    }

    fn subscribe(&mut self, reference: Option<Ref>, context: Context, wanted: command::Subscribe) {
        if self.subscriptions.iter().any(|one| one.reference == reference) {
            let error = fail("already-subscribed", "another subscription of this connection has the same \"ref\"");
            return self.reply::<command::Subscribe>(reference, Err(error));
        }
        if self.subscriptions.len() + self.subscribing >= SUBSCRIPTIONS {
            let error = fail("too-many-subscriptions", format!("{SUBSCRIPTIONS} subscriptions are the limit"));
            return self.reply::<command::Subscribe>(reference, Err(error));
        }
        self.subscribing += 1;
        let consumers = self.shared.consumers.clone();
        self.work(async move {
            let result = subscription::prepare(context, consumers, reference.clone(), wanted).await;
            Finished::Subscribed { reference, result: Box::new(result) }
        });
    }

    fn unsubscribe(&mut self, reference: Option<Ref>, sub: &Option<Ref>) {
        let before = self.subscriptions.len();
        self.subscriptions.retain(|one| one.reference != *sub);
        let result = if self.subscriptions.len() < before {
            Ok(Nothing {})
        } else {
            Err(fail("unknown-subscription", "this connection has no such subscription"))
        };
        self.reply::<command::Unsubscribe>(reference, result);
    }

    fn send(&mut self, reference: Option<Ref>, context: Context, wanted: Send) {
        let key = wanted.client_id.as_ref();
        let peer = match context.peer(wanted.peer) {
            Ok(peer) => peer,
            Err(error) => return self.reply::<Send>(reference, Err(error)),
        };
        if key.is_some_and(|key| !(1..=CLIENT_ID_BYTES).contains(&key.len())) {
            let error = fail("bad-request", format!("a \"client_id\" has 1 to {CLIENT_ID_BYTES} bytes"));
            return self.reply::<Send>(reference, Err(error));
        }
        if key.is_some_and(|key| is_in_namespace(key)) {
            let error = fail("bad-request", "a \"client_id\" does not begin with \"token:\" or \"uid:\"");
            return self.reply::<Send>(reference, Err(error));
        }
        if wanted.expire.is_some_and(|seconds| seconds < EXPIRE_MIN_S) {
            let error = fail("bad-request", format!("\"expire\" is at least {EXPIRE_MIN_S} seconds"));
            return self.reply::<Send>(reference, Err(error));
        }
        let expire = wanted.expire.map(|seconds| seconds.saturating_mul(1000).try_into().unwrap_or(i64::MAX));
        let options =
            SendOptions { client_id: key.map(|key| format!("{}{key}", context.access.namespace)), expire_ms: expire };
        let wait = wanted.wait.map(|Wait::Delivered| wanted.timeout);
        let handle = context.handle.clone();
        let request = SendRequest { context, reference, peer, wait };
        self.enqueuing = Some(Box::pin(async move {
            let sending = handle.begin_send(peer, wanted.text, options).await;
            Enqueued { request, sending }
        }));
    }

    fn await_send(&mut self, enqueued: Enqueued) {
        let Enqueued { request: SendRequest { context, reference, peer, wait }, sending } = enqueued;
        self.later::<Send>(reference, async move {
            let sending = sending.map_err(|error| refused(&error))?;
            let accepted = sending.accepted().await.map_err(|error| refused(&error))?;
            let mut answer =
                SendAnswer { id: accepted.id, mid: accepted.mid, state: accepted.state, duplicate: accepted.duplicate };
            if let Some(seconds) = wait {
                work::wait_for(&context, peer, &mut answer, seconds).await?;
            }
            Ok(answer)
        });
    }
}

fn server() -> String {
    concat!("torchatd/", env!("CARGO_PKG_VERSION")).to_owned()
}

/// A version that is not spoken here.
pub(super) fn unsupported(version: i64) -> ApiError {
    fail("unsupported-api", format!("this daemon speaks API {}, not {version}", api::VERSION))
}

fn right_name(right: Right) -> String {
    serde_json::to_value(right).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

fn code_of<T>(result: &Done<T>) -> &str {
    result.as_ref().err().map_or("ok", |error| &error.code)
}

fn answer_line<C: Call>(reference: Option<Ref>, result: Done<C::Answer>) -> Vec<u8> {
    line(&match result {
        Ok(ok) => Line::Ok { reference, ok },
        Err(error) => Line::Error { reference, error },
    })
}

/// Whom an administrative command is about, for the audit of a refusal.
fn subject(command: &Command) -> Option<PeerId> {
    match command {
        Command::Add(wanted) => work::add_subject(wanted),
        Command::Accept(command::Accept { peer })
        | Command::Refuse(command::Refuse { peer })
        | Command::Block(command::Block { peer })
        | Command::Unblock(command::Unblock { peer })
        | Command::Remove(command::Remove { peer })
        | Command::Rename(command::Rename { peer, .. })
        | Command::Appear(command::Appear { peer, .. }) => Some(peer.0),
        _ => None,
    }
}
