//! What all connections share about who may: the tokens, the places of those who have proven nothing, the failures.

use super::Access;
use super::guard::Guard;
use crate::seldom::Seldom;
use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use torchat_engine::handle::{Handle, TokenRow};
use torchat_protocol::control::token::Verifier;
use torchat_transport::randomness::Randomness;
use zeroize::Zeroizing;

/// Failed proofs on TCP within [`FAILURE_TIME`] after which every further one is delayed.
const FAILURES: usize = 5;
/// How long a failure counts.
const FAILURE_TIME: Duration = Duration::from_secs(60);
/// The delay. Secrets have 256 bits, so it is not against guessing: it keeps the log and the processor quiet.
const DELAY: Duration = Duration::from_secs(1);

/// A token, as the connections see it. A new one of the same name is another one.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) access: Arc<Access>,
    pub(crate) verifier: Verifier,
    pub(crate) created_ms: i64,
    pub(crate) expires_ms: Option<i64>,
    /// Cancelled when it is revoked.
    pub(crate) ended: CancellationToken,
}

impl Known {
    /// Milliseconds that it is still good for at a moment; `None`: forever.
    pub(crate) fn left_ms(&self, wall_ms: i64) -> Option<i64> {
        if self.ended.is_cancelled() {
            return Some(0);
        }
        self.expires_ms.map(|expires_ms| expires_ms.saturating_sub(wall_ms).max(0))
    }

    pub(crate) fn is_good(&self, wall_ms: i64) -> bool {
        self.left_ms(wall_ms) != Some(0)
    }
}

#[derive(Debug, Default)]
struct Unproven {
    next: u64,
    guards: Vec<(u64, Arc<Guard>)>,
}

/// A place among those that have proven nothing. Given back when it is dropped.
pub(crate) struct ProofSlot {
    gate: Gate,
    number: u64,
}

impl fmt::Debug for ProofSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProofSlot").field(&self.number).finish()
    }
}

impl Drop for ProofSlot {
    fn drop(&mut self) {
        self.gate.0.unproven.lock().guards.retain(|(number, _)| *number != self.number);
    }
}

/// See the module's description. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Shared>);

struct Shared {
    handle: Handle,
    tokens: Mutex<BTreeMap<String, Arc<Known>>>,
    /// One change at a time, so that memory and store agree.
    change: tokio::sync::Mutex<()>,
    /// For names that do not exist; of this run only.
    nobody: Zeroizing<[u8; 32]>,
    randomness: Randomness,
    slots: usize,
    /// Those that have proven nothing yet, by number.
    unproven: Mutex<Unproven>,
    failures: Mutex<VecDeque<Instant>>,
    /// Commands that somebody may not use, by who it was: there are no more than tokens and users.
    refusals: Mutex<BTreeMap<String, Seldom>>,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gate(..)")
    }
}

impl Gate {
    /// Reads the tokens of the store. If it cannot be read there are none until the next start: everybody who needs one
    /// is refused, and everybody else served.
    pub(crate) async fn open(handle: Handle, must_prove: usize) -> Self {
        let randomness = Randomness::system();
        let rows = handle.tokens().await.unwrap_or_else(|error| {
            tracing::error!(%error, "the tokens cannot be read, so nobody can use one");
            Vec::new()
        });
        Self(Arc::new(Shared {
            handle,
            tokens: Mutex::new(rows.into_iter().map(known).collect()),
            change: tokio::sync::Mutex::default(),
            nobody: Zeroizing::new(randomness.bytes()),
            randomness,
            slots: must_prove,
            unproven: Mutex::default(),
            failures: Mutex::default(),
            refusals: Mutex::default(),
        }))
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.0.handle
    }

    pub(crate) fn wall_ms(&self) -> i64 {
        self.0.handle.wall_ms()
    }

    /// Random bytes, for nonces and secrets.
    pub(crate) fn random<const N: usize>(&self) -> [u8; N] {
        self.0.randomness.bytes()
    }

    /// Whether anybody could prove anything at this moment.
    pub(crate) fn has_tokens(&self) -> bool {
        let now = self.wall_ms();
        self.tokens().values().any(|known| known.is_good(now))
    }

    /// A place for a connection that must prove what it is. When all are taken a random one is cut for it, as the acceptor
    /// does with streams of peers. To refuse the new one was rejected: a program that keeps all places taken would lock
    /// everybody else out. `None`: there are no places at all.
    pub(crate) fn slot(&self, guard: Arc<Guard>) -> Option<ProofSlot> {
        let (unlucky, number) = {
            let mut unproven = self.0.unproven.lock();
            if self.0.slots == 0 {
                return None;
            }
            let full = unproven.guards.len() >= self.0.slots;
            let random = self.0.randomness.below(unproven.guards.len());
            let unlucky = full.then(|| unproven.guards.swap_remove(random).1);
            unproven.next += 1;
            let number = unproven.next;
            unproven.guards.push((number, guard));
            (unlucky, number)
        };
        if let Some(guard) = unlucky {
            guard.cut();
            self.0.handle.note_refused_client();
        }
        Some(ProofSlot { gate: self.clone(), number })
    }

    /// A token that is good now, and what a proof under this name is checked with. Nobody can tell from outside
    /// whether there is one.
    pub(crate) fn find(&self, name: &str) -> (Option<Arc<Known>>, Verifier) {
        // Made for every name, so that it takes the same time for every name.
        let nobody = Verifier::of_nobody(&self.0.nobody, name);
        let found = self.tokens().get(name).cloned();
        match found.filter(|known| known.is_good(self.wall_ms())) {
            Some(known) => {
                let verifier = known.verifier.clone();
                (Some(known), verifier)
            }
            None => (None, nobody),
        }
    }

    /// The names with their tokens.
    pub(crate) fn tokens(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Known>>> {
        self.0.tokens.lock()
    }

    /// Makes a token known that is durable. From now on it can be proven.
    pub(crate) fn insert(&self, row: TokenRow) {
        let (name, known) = known(row);
        self.tokens().insert(name, known);
    }

    pub(crate) fn refusals(&self) -> MutexGuard<'_, BTreeMap<String, Seldom>> {
        self.0.refusals.lock()
    }

    /// To be held while a token is made or revoked.
    pub(crate) async fn changing(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.change.lock().await
    }

    /// Waits if there were many failures lately.
    pub(crate) async fn slow_down(&self) {
        let many = {
            let mut failures = self.0.failures.lock();
            let now = Instant::now();
            failures.retain(|at| now.duration_since(*at) < FAILURE_TIME);
            failures.len() >= FAILURES
        };
        if many {
            tokio::time::sleep(DELAY).await;
        }
    }

    /// Counts a failure.
    pub(crate) fn note_failure(&self) {
        let mut failures = self.0.failures.lock();
        failures.push_back(Instant::now());
        while failures.len() > FAILURES {
            failures.pop_front();
        }
    }
}

/// A row of the store, as the connections see it.
fn known(row: TokenRow) -> (String, Arc<Known>) {
    let peers = row.peers.map(|peers| Arc::new(peers.into_iter().collect()));
    let known = Known {
        access: Arc::new(Access::token(&row.name, row.rights, peers)),
        verifier: Verifier { stored_key: row.stored_key, server_key: row.server_key },
        created_ms: row.created_ms,
        expires_ms: row.expires_ms,
        ended: CancellationToken::new(),
    };
    (row.name, Arc::new(known))
}
