//! Who may do what on a connection.
//!
//! A program that runs under the daemon's own uid has every right. Users of the group socket have the rights that the
//! configuration names. Everybody else proves a token, and so may the own user's programs that want fewer rights.

mod audit;
mod gate;
pub(crate) mod gone;
mod guard;

pub(crate) use audit::{Audited, is_audited};
pub(crate) use gate::{Gate, Known};
pub(crate) use guard::Guarded;

use gate::ProofSlot;
use guard::Guard;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;
use torchat_protocol::control::api::{ApiError, Right};
use torchat_protocol::control::code::Code;
use torchat_protocol::control::token::{self, Exchange, Proof, Verifier};
use torchat_protocol::conversation::ConversationId;

/// How long a proof may take: from the connection, or from HELLO if none was needed to connect.
const PROOF_TIME: Duration = Duration::from_secs(5);
/// What may be read of a connection before its proof: HELLO and AUTH, generously.
const UNPROVEN_BYTES: usize = 4 * 1024;
/// A token's end is looked at again at least so often, because the wall clock can be set.
const EXPIRY_LOOK: Duration = Duration::from_secs(60);

/// How the namespaces of those begin that are not the own user. No `client_id` begins so, and no consumer's name can: the
/// own user's have nothing before them, and would else be somebody's.
const NAMESPACES: [&str; 2] = ["token:", "uid:"];

/// Whether a key that a program gives looks like one in a namespace.
pub(crate) fn is_in_namespace(key: &str) -> bool {
    NAMESPACES.iter().any(|prefix| key.starts_with(prefix))
}

/// Who a connection is taken for. In words, for the audit: `own user`, `uid 1001`, `token cron`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Identity {
    /// The daemon's own user.
    Owner,
    /// A user of the group socket, by uid.
    User(u32),
    /// A program that proves the token of this name.
    Token(String),
    /// Nobody knows: the program had closed its socket before the kernel was asked.
    Unknown,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner => f.write_str("own user"),
            Self::User(uid) => write!(f, "uid {uid}"),
            Self::Token(name) => write!(f, "token {name}"),
            Self::Unknown => f.write_str("unknown (its socket was closed)"),
        }
    }
}

/// What a connection may do, and in whose name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Access {
    /// Who it is.
    pub(crate) who: Identity,
    /// What it may do.
    pub(crate) rights: BTreeSet<Right>,
    /// The conversations that it is good for; `None`: all.
    pub(crate) peers: Option<Arc<BTreeSet<ConversationId>>>,
    /// What stands before its consumers and `client_id`s, so that nobody moves or repeats those of others. Nothing for the
    /// own user, `uid:1001/`, `token:cron/`: no name of the own user's has such a character.
    pub(crate) namespace: String,
    /// Its program has closed the socket, and reads no answer: see [`gone`].
    pub(crate) gone: bool,
}

impl Access {
    /// The daemon's own user: everything.
    pub(crate) fn own_user() -> Self {
        Self {
            who: Identity::Owner,
            rights: BTreeSet::from([Right::Admin]),
            peers: None,
            namespace: String::new(),
            gone: false,
        }
    }

    /// A user of the group socket.
    pub(crate) fn group_user(uid: u32, rights: impl IntoIterator<Item = Right>) -> Self {
        Self {
            who: Identity::User(uid),
            rights: rights.into_iter().collect(),
            peers: None,
            namespace: format!("uid:{uid}/"),
            gone: false,
        }
    }

    /// A program that proves a token.
    pub(crate) fn token(
        name: &str,
        rights: impl IntoIterator<Item = Right>,
        peers: Option<Arc<BTreeSet<ConversationId>>>,
    ) -> Self {
        Self {
            who: Identity::Token(name.to_owned()),
            rights: rights.into_iter().collect(),
            peers,
            namespace: format!("token:{name}/"),
            gone: false,
        }
    }

    /// Whether a command may be used that needs this right; `None`: everybody who may connect.
    pub(crate) fn allows(&self, right: Option<Right>) -> bool {
        right.is_none_or(|right| self.rights.contains(&right) || self.rights.contains(&Right::Admin))
    }

    /// Whether it may know of this conversation, or this peer, and write there.
    pub(crate) fn sees(&self, conversation: impl Into<ConversationId>) -> bool {
        self.peers.as_ref().is_none_or(|peers| peers.contains(&conversation.into()))
    }

    /// A stored key as its owner gave it; `None`: it is somebody else's.
    pub(crate) fn own_key(&self, key: &str) -> Option<String> {
        if self.namespace.is_empty() && is_in_namespace(key) {
            return None;
        }
        key.strip_prefix(&self.namespace).map(str::to_owned)
    }

    /// Whether the classic contract is allowed, which knows no rights: only to programs that have them all.
    pub(crate) fn is_classic(&self) -> bool {
        self.rights.contains(&Right::Admin) && self.peers.is_none()
    }
}

/// Who is at the other end of one connection. What it may do can begin with a proof, and end while it is open.
///
/// The stream of a connection ([`Visitor::guard`]) looks after itself: it breaks as soon as the token that was proven is
/// revoked or has expired, when nothing was proven in time, and when too much was said before. So a session needs only to
/// ask [`Visitor::access`] before each command, and to end after an error of the three functions here.
#[derive(Debug)]
pub(crate) struct Visitor {
    gate: Gate,
    /// What a proof must name.
    address: String,
    /// The Unix socket is never slowed down by what happens on TCP.
    tcp: bool,
    state: State,
    guard: Arc<Guard>,
    /// Given back as soon as it has proven something.
    slot: Option<ProofSlot>,
    watch: Option<Watch>,
}

/// Cuts the stream in time.
#[derive(Debug)]
struct Watch {
    /// It is told once what was proven.
    tell: Option<oneshot::Sender<Arc<Known>>>,
    /// Ends with the visitor.
    _task: AbortOnDropHandle<()>,
}

#[derive(Debug)]
enum State {
    /// Needs no proof.
    Free(Arc<Access>),
    /// Needs one.
    MustProve,
    /// HELLO was answered.
    Proving { name: String, client_nonce: String, server_nonce: String, known: Option<Arc<Known>>, verifier: Verifier },
    /// Has proven a token.
    Proven(Arc<Known>),
    /// Nothing is listened to any more.
    Failed,
}

impl Visitor {
    /// Somebody who needs no proof to connect.
    pub(crate) fn free(gate: &Gate, address: String, access: Access) -> Self {
        Self::new(gate, address, State::Free(Arc::new(access)), Guard::new(usize::MAX))
    }

    /// Somebody who can only prove a token; when too many are at it, a random one of them goes. `None`: there is nothing
    /// to prove.
    pub(crate) fn stranger(gate: &Gate, address: String) -> Option<Self> {
        if !gate.has_tokens() {
            return None;
        }
        let guard = Guard::new(UNPROVEN_BYTES);
        let slot = gate.slot(guard.clone())?;
        let mut visitor = Self::new(gate, address, State::MustProve, guard);
        visitor.slot = Some(slot);
        visitor.watch();
        Some(visitor)
    }

    fn new(gate: &Gate, address: String, state: State, guard: Arc<Guard>) -> Self {
        let tcp = address != token::UNIX;
        Self { gate: gate.clone(), address, tcp, state, guard, slot: None, watch: None }
    }

    /// The connection's stream, to be used instead of the bare one.
    pub(crate) fn guard<S>(&self, stream: S) -> Guarded<S> {
        Guarded::new(stream, self.guard.clone())
    }

    /// For TOKEN.
    pub(crate) fn gate(&self) -> Gate {
        self.gate.clone()
    }

    /// What it may do at this moment. To be asked before every command but HELLO and AUTH.
    ///
    /// # Errors
    /// `not-authenticated` as long as a proof is needed, and forever after a token that was proven has ended: the
    /// answer to give before the connection ends.
    pub(crate) fn access(&self) -> Result<Arc<Access>, ApiError> {
        match &self.state {
            State::Free(access) => Ok(access.clone()),
            State::Proven(known) if known.is_good(self.gate.wall_ms()) => Ok(known.access.clone()),
            State::Proven(_) | State::MustProve | State::Proving { .. } | State::Failed => Err(not_authenticated()),
        }
    }

    /// HELLO with a token: what the program had without it is gone. Returns the `nonce` of the answer. A token that does
    /// not exist gets one as well: only AUTH fails then.
    ///
    /// # Errors
    /// `bad-request` for what is no name or no nonce, `not-authenticated` after another proof; the connection then ends.
    pub(crate) fn begin_proof(&mut self, token: &str, nonce: &str) -> Result<String, ApiError> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Free(_) | State::MustProve => {}
            State::Proving { .. } | State::Proven(_) | State::Failed => return Err(not_authenticated()),
        }
        if !token::is_name(token) {
            return Err(ApiError::new(Code::BadRequest, token::TokenError::Name.to_string()));
        }
        token::check_client_nonce(nonce).map_err(|error| ApiError::new(Code::BadRequest, error.to_string()))?;
        if self.watch.is_none() {
            self.watch();
        }
        let server_nonce = token::nonce(&self.gate.random::<{ token::SERVER_NONCE }>());
        let (known, verifier) = self.gate.find(token);
        self.state = State::Proving {
            name: token.to_owned(),
            client_nonce: nonce.to_owned(),
            server_nonce: server_nonce.clone(),
            known,
            verifier,
        };
        Ok(server_nonce)
    }

    /// AUTH. Returns the `proof` of the answer; [`Visitor::access`] is then the token's. May take a second when there
    /// were many failures.
    ///
    /// # Errors
    /// `not-authenticated`, whatever was wrong; the connection then ends.
    pub(crate) async fn end_proof(&mut self, proof: &str) -> Result<String, ApiError> {
        // The nonce is used now, whatever comes of it.
        let state = std::mem::replace(&mut self.state, State::Failed);
        let State::Proving { name, client_nonce, server_nonce, known, verifier } = state else {
            return Err(not_authenticated());
        };
        if self.tcp {
            self.gate.slow_down().await;
        }
        let exchange = Exchange { client_nonce: &client_nonce, server_nonce: &server_nonce, address: &self.address };
        // What is no proof takes the way of a wrong one.
        let client = proof.parse().unwrap_or(Proof([0; 32]));
        let answer = verifier.check(&name, &exchange, &client);
        // It may have ended since HELLO.
        let known = known.filter(|known| known.is_good(self.gate.wall_ms()));
        let (Some(answer), Some(known)) = (answer, known) else {
            if self.tcp {
                self.gate.note_failure();
            }
            return Err(not_authenticated());
        };
        let told = self.watch.as_mut().and_then(|watch| watch.tell.take()).map(|tell| tell.send(known.clone()));
        if !matches!(told, Some(Ok(()))) {
            // The watch has just cut the stream.
            return Err(not_authenticated());
        }
        self.slot = None;
        self.guard.open();
        self.state = State::Proven(known);
        Ok(answer.to_string())
    }

    /// Begins to watch over the stream.
    fn watch(&mut self) {
        let (tell, told) = oneshot::channel::<Arc<Known>>();
        let (gate, guard) = (self.gate.clone(), self.guard.clone());
        let task = tokio::spawn(async move {
            if let Ok(Ok(known)) = tokio::time::timeout(PROOF_TIME, told).await {
                until_it_ends(&gate, &known).await;
            }
            guard.cut();
        });
        self.watch = Some(Watch { tell: Some(tell), _task: AbortOnDropHandle::new(task) });
    }
}

/// Returns when a token is revoked or has expired.
async fn until_it_ends(gate: &Gate, known: &Known) {
    while let Some(left_ms) = known.left_ms(gate.wall_ms()) {
        if left_ms == 0 {
            return;
        }
        let left = Duration::from_millis(left_ms.unsigned_abs());
        tokio::select! {
            () = known.ended.cancelled() => return,
            () = tokio::time::sleep(left.min(EXPIRY_LOOK)) => {}
        }
    }
    known.ended.cancelled().await;
}

/// The answer to everything on a connection that has not proven what it must, and to a proof that failed.
pub(crate) fn not_authenticated() -> ApiError {
    ApiError::new(Code::NotAuthenticated, "this connection has not proven a token that is good now")
}

#[cfg(test)]
mod tests;
