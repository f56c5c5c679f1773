//! Circuits to our service, and what one may bring.

use crate::BoxStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Streams on one circuit that may come and prove nothing, in the circuit's life.
const UNPROVEN_STREAMS: u32 = 4;

/// Those who come to our service, as far as circuits tell them apart. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Callers {
    rejected: Arc<AtomicU64>,
}

impl Callers {
    /// A circuit that somebody has built to us.
    #[must_use]
    pub fn circuit(&self) -> Circuit {
        Circuit(Arc::new(Budget { unproven: AtomicU32::new(0), callers: self.clone() }))
    }

    /// How many circuits were closed because too many streams on them proved nothing.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }
}

/// A circuit to our service. What comes on it comes from one caller; nobody knows whether two circuits have the same one.
///
/// It has a budget: a stream that comes costs a part of it, and gives it back when it proves who it is. Without one, a few
/// circuits were enough to open streams at any rate, because only introductions are limited, and those are for circuits.
#[derive(Debug, Clone)]
pub struct Circuit(Arc<Budget>);

#[derive(Debug)]
struct Budget {
    unproven: AtomicU32,
    callers: Callers,
}

impl Circuit {
    /// A stream comes on it. `false`: it has brought too many already that proved nothing (4); the stream is not to be accepted
    /// and the circuit is to be closed. That is counted, so it is to be asked once then.
    #[must_use]
    pub fn admits(&self) -> bool {
        let take = |count| (count < UNPROVEN_STREAMS).then_some(count + 1);
        let admitted = self.0.unproven.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok();
        self.0.callers.rejected.fetch_add(u64::from(!admitted), Ordering::Relaxed);
        admitted
    }

    /// A stream of it has proven who it is.
    pub fn used_well(&self) {
        self.0.unproven.fetch_sub(1, Ordering::Relaxed);
    }

    /// The same for clones, and for no other circuit while one of them is held.
    #[must_use]
    pub fn id(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }
}

/// A stream that somebody opened to our service, and where it came from.
pub struct Incoming {
    /// The stream.
    pub stream: BoxStream,
    /// Its circuit, which admitted it.
    pub circuit: Circuit,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circuit_brings_four_streams_that_prove_nothing_and_no_more() {
        let callers = Callers::default();
        let (circuit, other) = (callers.circuit(), callers.circuit());
        assert_ne!(circuit.id(), other.id());
        assert_eq!(circuit.id(), circuit.clone().id());
        // Any number of streams that prove who they are.
        for _ in 0..100 {
            assert!(circuit.admits());
            circuit.used_well();
        }
        assert!((0..4).all(|_| circuit.admits()));
        assert_eq!(callers.rejected(), 0);
        assert!(!circuit.clone().admits(), "whichever clone is asked");
        assert_eq!(callers.rejected(), 1);
        assert!(other.admits());
    }
}
