//! One connection: requests out from any thread, answers back to the threads that asked.

use super::address::Address;
use super::error::ApiClientError;
use super::stream::Stream;
use super::subscription::{Item, Route, Subscription};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::marker::PhantomData;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use torchat_protocol::control::api::command::{Auth, Contacts, Conversations, Hello, Subscribe, Welcome};
use torchat_protocol::control::api::event::Event;
use torchat_protocol::control::api::record::{Contact, Conversation};
use torchat_protocol::control::api::{self, ApiError, Call, Ref};
use torchat_protocol::control::code::Code;
use torchat_protocol::control::token::{self, Exchange, Proof, Token};
use torchat_protocol::{json, limits};

/// Longest line that is read. The daemon's longest answer is a list of all contacts; what is longer is no torchatd.
const LINE_BYTES: u64 = 64 << 20;
/// A line buffer that grew beyond this is given back.
const KEPT_BYTES: usize = 64 << 10;

/// What is common to all lines: enough to know whose it is. The answer itself is read by the thread that waits for it.
#[derive(Deserialize)]
struct Head {
    #[serde(default, rename = "ref")]
    reference: Option<Ref>,
    #[serde(default)]
    ok: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    error: Option<ApiError>,
    #[serde(default)]
    sub: Option<Ref>,
    #[serde(default)]
    end: Option<ApiError>,
    /// Of the classic contract: a daemon that does not know HELLO.
    #[serde(default)]
    cmd: Option<String>,
    #[serde(default)]
    event: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    upto: Option<u64>,
}

#[derive(Deserialize)]
struct Answer<A> {
    ok: A,
}

#[derive(Deserialize)]
struct Pushed {
    event: Event,
}

/// An event of a kind that this crate does not know.
#[derive(Deserialize)]
struct PushedUnknown {
    event: Numbered,
}

#[derive(Deserialize)]
struct Numbered {
    seq: u64,
}

#[derive(Serialize)]
struct Request<'a, C> {
    cmd: &'static str,
    #[serde(rename = "ref")]
    reference: i64,
    #[serde(flatten)]
    parameters: &'a C,
}

/// A line for the thread that waits, or a refusal.
type Reply = Result<Vec<u8>, ApiError>;

#[derive(Default)]
struct Routes {
    last: i64,
    waiting: HashMap<i64, Sender<Reply>>,
    subscriptions: HashMap<i64, Route>,
    /// Why nothing more comes.
    lost: Option<ApiClientError>,
}

/// What the reading thread shares with the callers. It does not keep the connection open.
struct Shared {
    writer: Mutex<Stream>,
    routes: Mutex<Routes>,
    patience: Duration,
}

impl Shared {
    fn routes(&self) -> MutexGuard<'_, Routes> {
        // Every change of the routes is complete in itself.
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends everything that waits. The first cause counts.
    fn lose(&self, cause: ApiClientError) {
        let mut routes = self.routes();
        let cause = routes.lost.get_or_insert(cause).clone();
        routes.waiting.clear();
        for (_, route) in routes.subscriptions.drain() {
            route.push(Item::End(cause.clone()), 0);
        }
    }

    fn write(&self, line: &[u8]) -> Result<(), ApiClientError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write_all(line).map_err(|error| {
            // Part of the line may be out: nothing can follow it.
            writer.shut();
            let cause = ApiClientError::Lost { reason: format!("it takes no requests: {error}") };
            self.lose(cause.clone());
            self.routes().lost.clone().unwrap_or(cause)
        })
    }

    fn read(&self, stream: Stream) {
        let mut reader = BufReader::with_capacity(16 << 10, stream);
        let mut line = Vec::new();
        let cause = loop {
            line.clear();
            if line.capacity() > KEPT_BYTES {
                line = Vec::new();
            }
            match reader.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line) {
                Ok(_) if line.last() == Some(&b'\n') => {}
                Ok(0) => break ApiClientError::Lost { reason: "torchatd closed it".into() },
                Ok(n) if n as u64 == LINE_BYTES => break ApiClientError::Protocol("a line without an end".into()),
                Ok(_) => break ApiClientError::Lost { reason: "torchatd closed it in the middle of a line".into() },
                Err(error) => break ApiClientError::Lost { reason: error.to_string() },
            }
            if let Err(cause) = self.deliver(&line) {
                break cause;
            }
        };
        reader.get_ref().shut();
        self.lose(cause);
    }

    /// Hands a line to the thread that it belongs to. An error ends the connection.
    fn deliver(&self, line: &[u8]) -> Result<(), ApiClientError> {
        let not_understood = |error: serde_json::Error| ApiClientError::Protocol(error.to_string());
        let head: Head = serde_json::from_slice(line).map_err(not_understood)?;
        let number = |reference: Option<Ref>| match reference {
            Some(Ref::Number(number)) => Some(number),
            _ => None,
        };
        if let Some(error) = head.error {
            let Some(reference) = number(head.reference) else {
                // About the connection, which ends now: bad-object, not-authenticated.
                return Err(ApiClientError::Refused(error));
            };
            self.answer(reference, Err(error));
        } else if head.ok.is_some() {
            if let Some(reference) = number(head.reference) {
                self.answer(reference, Ok(line.to_vec()));
            }
        } else if let Some(error) = head.end {
            if let Some(route) = number(head.sub).and_then(|sub| self.routes().subscriptions.remove(&sub)) {
                route.push(Item::End(ApiClientError::Refused(error)), 0);
            }
        } else if head.event.is_some() && head.sub.is_some() {
            let item = match serde_json::from_slice::<Pushed>(line) {
                Ok(pushed) => Item::Event(Box::new(pushed.event)),
                // Newer daemons have more kinds. Its number must be kept, or it would look like a hole.
                Err(_) => {
                    Item::Unknown(serde_json::from_slice::<PushedUnknown>(line).map_err(not_understood)?.event.seq)
                }
            };
            if let Some(route) = number(head.sub).and_then(|sub| self.routes().subscriptions.get(&sub).cloned()) {
                route.push(item, line.len());
            }
        } else if let (Some(upto), Some(sub)) = (head.upto, number(head.sub)) {
            if let Some(route) = self.routes().subscriptions.get(&sub).cloned() {
                route.push(Item::Upto(upto), line.len());
            }
        } else if head.cmd.is_some() {
            return Err(ApiClientError::Protocol("this torchatd does not know API 1: it is too old".into()));
        }
        // Anything else is of a later version of the API and was not asked for.
        Ok(())
    }

    fn answer(&self, reference: i64, reply: Reply) {
        let waiting = self.routes().waiting.remove(&reference);
        if let Some(waiting) = waiting {
            // A thread that gave up has dropped its end.
            let _ = waiting.send(reply);
        }
    }

    fn lost(&self) -> ApiClientError {
        let lost = self.routes().lost.clone();
        lost.unwrap_or_else(|| ApiClientError::Lost { reason: "torchatd closed it".into() })
    }

    fn next_reference(&self) -> Result<(i64, MutexGuard<'_, Routes>), ApiClientError> {
        let mut routes = self.routes();
        if let Some(cause) = &routes.lost {
            return Err(cause.clone());
        }
        routes.last += 1;
        Ok((routes.last, routes))
    }
}

/// The end of the last handle is the end of the connection.
struct Open {
    shared: Arc<Shared>,
    stream: Stream,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.stream.shut();
    }
}

/// A connection to a daemon. A clone is another handle of the same one; it ends with the last of them.
#[derive(Clone)]
pub struct Connection {
    open: Arc<Open>,
    welcome: Arc<Welcome>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("lost", &self.open.shared.routes().lost).finish_non_exhaustive()
    }
}

impl Connection {
    /// Connects, says HELLO, and proves the token if the address has one; the daemon must prove that it knows it too. Without
    /// a token the program that listens on a port must be of this program's user.
    ///
    /// # Errors
    /// Any [`ApiClientError`].
    pub fn open(address: &Address) -> Result<Self, ApiClientError> {
        let system = |error: std::io::Error| ApiClientError::System(error.to_string());
        let stream = Stream::connect(&address.endpoint, address.patience)?;
        let (reader, writer) = (stream.try_clone().map_err(system)?, stream.try_clone().map_err(system)?);
        let shared =
            Arc::new(Shared { writer: Mutex::new(writer), routes: Mutex::default(), patience: address.patience });
        let open = Open { shared: shared.clone(), stream };
        std::thread::Builder::new().name("torchat-api".into()).spawn(move || shared.read(reader)).map_err(system)?;
        let open = Arc::new(open);
        let welcome = match &address.token {
            None => {
                // An answer shows that somebody has accepted the connection, so it can be asked who. Nothing of worth was said.
                let welcome = hello(&open, address)?;
                open.stream.is_ours(&address.endpoint)?;
                welcome
            }
            Some(token) => prove(&open, address, token)?,
        };
        Ok(Self { open, welcome: Arc::new(welcome) })
    }

    /// What HELLO has told: the daemon's onion, the rights of this connection, limits, the last event's number then.
    #[must_use]
    pub fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// Asks and waits for the answer, at most the address' patience. Commands that wait themselves (SEND with `wait`,
    /// EVENTS with `wait`) want [`Connection::call_within`].
    ///
    /// # Errors
    /// [`ApiClientError::Refused`], [`ApiClientError::Timeout`], [`ApiClientError::Lost`], [`ApiClientError::Protocol`].
    pub fn call<C: Call>(&self, command: &C) -> Result<C::Answer, ApiClientError> {
        self.call_within(command, self.open.shared.patience)
    }

    /// All contacts and blocked peers, page after page.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn contacts(&self) -> Result<Vec<Contact>, ApiClientError> {
        let mut all: Vec<Contact> = Vec::new();
        loop {
            let after = all.last().map(|contact| contact.peer);
            let page = self.call(&Contacts { after, limit: None })?;
            let more = page.more && !page.contacts.is_empty();
            all.extend(page.contacts);
            if !more {
                return Ok(all);
            }
        }
    }

    /// All conversations, the one with the newest message first, page after page. One that gets a message meanwhile may
    /// be missing from the later pages, because it stands at the beginning now; its event tells of it.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn conversations(&self) -> Result<Vec<Conversation>, ApiClientError> {
        let mut all: Vec<Conversation> = Vec::new();
        loop {
            let last = all.last();
            let before = last.and_then(|one| one.last.as_ref()).map(|message| message.id);
            let after = last.filter(|one| one.last.is_none()).map(|one| one.contact.peer);
            let page = self.call(&Conversations { before, after, limit: None })?;
            let more = page.more && !page.conversations.is_empty();
            all.extend(page.conversations);
            if !more {
                return Ok(all);
            }
        }
    }

    /// As [`Connection::call`], with a time of its own.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn call_within<C: Call>(&self, command: &C, limit: Duration) -> Result<C::Answer, ApiClientError> {
        self.start(command)?.wait(limit)
    }

    /// Asks without waiting. Many may be under way; the daemon answers in any order.
    ///
    /// # Errors
    /// As [`Connection::call`], except the time-out.
    pub fn start<C: Call>(&self, command: &C) -> Result<Pending<C>, ApiClientError> {
        start(&self.open, command)
    }

    /// Subscribes to events.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn subscribe(&self, wanted: Subscribe) -> Result<Subscription, ApiClientError> {
        let (sender, receiver) = channel();
        let route = Route::new(sender);
        let (reference, answer) = self.subscribe_route(&wanted, route.clone())?;
        Ok(Subscription::new(self.clone(), reference, wanted, answer, route, receiver))
    }

    pub(super) fn subscribe_route(
        &self,
        wanted: &Subscribe,
        route: Route,
    ) -> Result<(i64, api::command::SubscribeAnswer), ApiClientError> {
        let shared = &self.open.shared;
        // In place before it is asked for: events may come in the same packet as the answer.
        let (reference, receiver) = {
            let (reference, mut routes) = shared.next_reference()?;
            let (sender, receiver) = channel();
            routes.waiting.insert(reference, sender);
            routes.subscriptions.insert(reference, route);
            (reference, receiver)
        };
        let pending = Pending::<Subscribe>::new(&self.open, reference, receiver);
        let answer = write(shared, reference, wanted).and_then(|()| pending.wait(shared.patience));
        match answer {
            Ok(answer) => Ok((reference, answer)),
            Err(error) => {
                shared.routes().subscriptions.remove(&reference);
                if matches!(error, ApiClientError::Timeout { .. }) {
                    // It may begin all the same.
                    self.unsubscribe(reference);
                }
                Err(error)
            }
        }
    }

    /// Ends a subscription, without waiting for it.
    pub(super) fn unsubscribe(&self, reference: i64) {
        self.open.shared.routes().subscriptions.remove(&reference);
        // If it cannot be said, the connection is lost and the subscription with it.
        let _ = self.start(&api::command::Unsubscribe { sub: Some(Ref::Number(reference)) });
    }

    /// Ends the connection for all its handles: threads that wait get an error.
    pub fn close(&self) {
        self.open.shared.lose(ApiClientError::Lost { reason: "this program closed it".into() });
        self.open.stream.shut();
    }
}

fn write<C: Call>(shared: &Shared, reference: i64, command: &C) -> Result<(), ApiClientError> {
    let request = Request { cmd: C::NAME, reference, parameters: command };
    let mut line = serde_json::to_vec(&request).map_err(|error| ApiClientError::Protocol(error.to_string()))?;
    if line.len() > limits::CONTROL_OBJECT_BYTES {
        // The daemon would end the connection, and with it what others wait for.
        let message = format!("a request has at most {} bytes", limits::CONTROL_OBJECT_BYTES);
        return Err(ApiClientError::Refused(ApiError::new(Code::TooLong, message)));
    }
    // So it would for what it takes for no object: a number that other programs would round, for instance.
    if let Err(error) = json::from_slice::<IgnoredAny>(&line, limits::CONTROL_OBJECT_BYTES, limits::JSON_DEPTH) {
        let message = format!("{} cannot be asked so: {error}", C::NAME);
        return Err(ApiClientError::Refused(ApiError::new(Code::BadRequest, message)));
    }
    line.push(b'\n');
    shared.write(&line)
}

fn start<C: Call>(open: &Arc<Open>, command: &C) -> Result<Pending<C>, ApiClientError> {
    let (reference, receiver) = {
        let (reference, mut routes) = open.shared.next_reference()?;
        let (sender, receiver) = channel();
        routes.waiting.insert(reference, sender);
        (reference, receiver)
    };
    let pending = Pending::new(open, reference, receiver);
    write(&open.shared, reference, command)?;
    Ok(pending)
}

/// An answer that is still to come. Dropped, the answer is thrown away; what was asked is done all the same.
pub struct Pending<C: Call> {
    open: Arc<Open>,
    reference: i64,
    receiver: Receiver<Reply>,
    command: PhantomData<fn() -> C>,
}

impl<C: Call> fmt::Debug for Pending<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pending({}, {})", C::NAME, self.reference)
    }
}

impl<C: Call> Pending<C> {
    fn new(open: &Arc<Open>, reference: i64, receiver: Receiver<Reply>) -> Self {
        Self { open: open.clone(), reference, receiver, command: PhantomData }
    }

    /// Waits for the answer.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn wait(self, limit: Duration) -> Result<C::Answer, ApiClientError> {
        // Beyond what the clock can count is forever.
        let reply = match Instant::now().checked_add(limit) {
            Some(_) => self.receiver.recv_timeout(limit),
            None => self.receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match reply {
            Ok(Ok(line)) => serde_json::from_slice::<Answer<C::Answer>>(&line)
                .map(|answer| answer.ok)
                .map_err(|error| ApiClientError::Protocol(format!("the answer of {}: {error}", C::NAME))),
            Ok(Err(error)) => Err(ApiClientError::Refused(error)),
            Err(RecvTimeoutError::Timeout) => Err(ApiClientError::Timeout { command: C::NAME, after: limit }),
            Err(RecvTimeoutError::Disconnected) => Err(self.open.shared.lost()),
        }
    }
}

impl<C: Call> Drop for Pending<C> {
    fn drop(&mut self) {
        self.open.shared.routes().waiting.remove(&self.reference);
    }
}

fn ask<C: Call>(open: &Arc<Open>, command: &C) -> Result<C::Answer, ApiClientError> {
    start(open, command)?.wait(open.shared.patience)
}

fn hello(open: &Arc<Open>, address: &Address) -> Result<Welcome, ApiClientError> {
    let hello = Hello { api: api::VERSION, client: address.client.clone(), token: None, nonce: None };
    let answer = ask(open, &hello)?;
    answer.welcome.ok_or_else(|| ApiClientError::Protocol("HELLO's answer says not what is allowed".into()))
}

fn prove(open: &Arc<Open>, address: &Address, token: &Token) -> Result<Welcome, ApiClientError> {
    let impostor =
        || ApiClientError::Impostor { endpoint: address.endpoint.to_string(), token: token.name().to_owned() };
    let client_nonce = token::nonce(&random::<{ token::SERVER_NONCE }>()?);
    let hello = Hello {
        api: api::VERSION,
        client: address.client.clone(),
        token: Some(token.name().to_owned()),
        nonce: Some(client_nonce.clone()),
    };
    // A program that lets us in without a proof of its own has shown nothing.
    let server_nonce = ask(open, &hello)?.nonce.ok_or_else(impostor)?;
    let proof_address = address.endpoint.proof_address();
    let exchange = Exchange { client_nonce: &client_nonce, server_nonce: &server_nonce, address: &proof_address };
    let answer = ask(open, &Auth { proof: token.client_proof(&exchange).to_string() })?;
    let server: Proof = answer.proof.parse().map_err(|_| impostor())?;
    if token.accepts(&exchange, &server) { Ok(answer.welcome) } else { Err(impostor()) }
}

/// Random bytes of the system. Read from its device, because the standard library has no other way and one place in
/// one program is no reason for a crate.
fn random<const N: usize>() -> Result<[u8; N], ApiClientError> {
    let mut bytes = [0; N];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut device| device.read_exact(&mut bytes))
        .map_err(|error| ApiClientError::System(format!("no random bytes: {error}")))?;
    Ok(bytes)
}

/// A new key for [`SEND`](api::command::Send)'s `client_id`. Keep it with the text until the daemon has answered, and
/// repeat the SEND with it as often as you like: it is one message.
///
/// # Errors
/// [`ApiClientError::System`] when the system gives no random bytes.
pub fn client_id() -> Result<String, ApiClientError> {
    Ok(token::nonce(&random::<18>()?))
}
