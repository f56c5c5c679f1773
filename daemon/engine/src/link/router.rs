//! The router: a stream whose other end is proven goes to the handler of its purpose, as far as that has room.
//!
//! The handshake refuses every purpose that is not registered here, so a daemon says nothing to a stream that it does not
//! serve. A new purpose is a handler and a registration; the acceptor and the dialler do not change.

use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use torchat_core::handshake::Established;
use torchat_protocol::id::PeerId;
use torchat_protocol::purpose::Purpose;
use torchat_transport::BoxStream;

/// A stream whose other end is proven, on its way to the handler of its purpose.
pub(crate) struct Proven {
    pub(crate) stream: BoxStream,
    /// Who is at the other end, what for, and the keys of the stream.
    pub(crate) established: Established,
    /// We dialled.
    pub(crate) outgoing: bool,
}

/// Serves the streams of one purpose.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Serves a stream until it ends.
    fn serve(&self, proven: Proven) -> BoxFuture<'static, ()>;
}

/// How many streams of one purpose may be served at the same time. One beyond it is closed without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Of all peers.
    pub(crate) all: usize,
    /// Of one peer.
    pub(crate) of_one: usize,
}

impl Limits {
    /// The handler itself decides which stream ends when there are too many.
    pub(crate) const OF_THE_HANDLER: Self = Self { all: usize::MAX, of_one: usize::MAX };
}

struct Route {
    handler: Box<dyn Handler>,
    limits: Limits,
    open: Arc<Mutex<Open>>,
}

/// The streams of one purpose that are served now.
#[derive(Debug, Default)]
struct Open {
    all: usize,
    of: HashMap<PeerId, usize>,
}

/// One stream's place. It is free again when this is dropped.
struct Place {
    peer: PeerId,
    open: Arc<Mutex<Open>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock();
        open.all -= 1;
        if let Some(count) = open.of.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                open.of.remove(&self.peer);
            }
        }
    }
}

impl Route {
    fn enter(&self, peer: PeerId) -> Option<Place> {
        let mut open = self.open.lock();
        let of_one = open.of.get(&peer).copied().unwrap_or(0);
        if open.all >= self.limits.all || of_one >= self.limits.of_one {
            return None;
        }
        open.all += 1;
        open.of.insert(peer, of_one + 1);
        Some(Place { peer, open: self.open.clone() })
    }
}

/// Which handler serves which purpose.
#[derive(Default)]
pub(crate) struct Router {
    routes: BTreeMap<Purpose, Route>,
    served: Vec<Purpose>,
}

impl Router {
    /// With a handler for one purpose more.
    pub(crate) fn with(mut self, purpose: Purpose, limits: Limits, handler: impl Handler) -> Self {
        let route = Route { handler: Box::new(handler), limits, open: Arc::default() };
        if self.routes.insert(purpose, route).is_none() {
            self.served.push(purpose);
        }
        self
    }

    /// What peers may come for.
    pub(crate) fn served(&self) -> &[Purpose] {
        &self.served
    }

    /// Serves a stream until it ends. False: its purpose has no handler, or no room, and it was closed without a word.
    pub(crate) async fn serve(&self, proven: Proven) -> bool {
        let Some(route) = self.routes.get(&proven.established.purpose) else { return false };
        let Some(_place) = route.enter(proven.established.peer) else { return false };
        route.handler.serve(proven).await;
        true
    }
}

#[cfg(test)]
mod tests;
