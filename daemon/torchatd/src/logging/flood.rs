//! No line of the program fills a log: of each place in the source a log takes a number of lines a minute, and then says how
//! many it left out.
//!
//! What strangers, contacts and local users can cause most easily is counted where it happens and said once a minute
//! (the refused clients of the port, for one). This is for all the rest, libraries included: nobody has to know which of their
//! lines somebody outside can cause.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tracing::callsite::Identifier;
use tracing::{Level, Metadata};

/// Lines of one place in the source within a [`MINUTE`]: lines of 150 bytes make 6.5 MB a day at most.
pub(crate) const LINES: usize = 30;
/// What is left out is told with the first line of any place after it.
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Place {
    begun: Instant,
    taken: usize,
    left_out: u64,
    /// For people.
    name: String,
}

#[derive(Debug, Default)]
struct Places {
    known: HashMap<Identifier, Place>,
    /// Some of them have left something out.
    owing: bool,
}

/// What of its minute is over, and how many lines were left out in it.
pub(crate) type LeftOut = Vec<(String, u64)>;

/// Of one log.
#[derive(Debug, Default)]
pub(crate) struct Flood(Mutex<Places>);

impl Flood {
    /// Whether a line of this place is taken, and what was left out before it.
    pub(crate) fn take(&self, metadata: &Metadata<'_>) -> (bool, LeftOut) {
        // A user who sets the level to debug wants it all, for a while.
        if *metadata.level() > Level::INFO {
            return (true, Vec::new());
        }
        let name =
            || format!("{}:{}", metadata.file().unwrap_or(metadata.target()), metadata.line().unwrap_or_default());
        self.take_at(metadata.callsite(), name, Instant::now())
    }

    fn take_at(&self, place: Identifier, name: impl FnOnce() -> String, now: Instant) -> (bool, LeftOut) {
        // Nothing in there can be left half done by a panic.
        let mut places = self.0.lock();
        let mut left_out = Vec::new();
        if places.owing {
            let over = |place: &&mut Place| place.left_out > 0 && now.duration_since(place.begun) >= MINUTE;
            for place in places.known.values_mut().filter(over) {
                left_out.push((place.name.clone(), std::mem::take(&mut place.left_out)));
            }
            places.owing = places.known.values().any(|place| place.left_out > 0);
        }
        let fresh = || Place { begun: now, taken: 0, left_out: 0, name: name() };
        let place = places.known.entry(place).or_insert_with(fresh);
        if now.duration_since(place.begun) >= MINUTE {
            (place.begun, place.taken) = (now, 0);
        }
        let taken = place.taken < LINES;
        place.taken += usize::from(taken);
        place.left_out += u64::from(!taken);
        places.owing |= !taken;
        (taken, left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_told_when_its_minute_is_over() {
        use tracing::Callsite as _;
        let (here, there) = (
            tracing::callsite!(name: "here", kind: tracing::metadata::Kind::EVENT, fields: a),
            tracing::callsite!(name: "there", kind: tracing::metadata::Kind::EVENT, fields: a),
        );
        let (here, there) = (here.metadata().callsite(), there.metadata().callsite());
        let (flood, begun) = (Flood::default(), Instant::now());
        let at = |place: &Identifier, seconds| {
            flood.take_at(place.clone(), || "here".to_owned(), begun + Duration::from_secs(seconds))
        };
        let taken = (0..LINES + 100).filter(|_| at(&here, 1).0).count();
        assert_eq!(taken, LINES);
        assert_eq!(at(&there, 59), (true, Vec::new()), "not yet");
        assert_eq!(at(&there, 61), (true, vec![("here".to_owned(), 100)]), "with the next line of any place");
        assert_eq!(at(&there, 62), (true, Vec::new()), "once");
        assert_eq!(at(&here, 63), (true, Vec::new()), "it goes on");
    }
}
