//! What arti writes again and again and what says nothing to an operator: it is counted, and the count is told now and then.
//!
//! Of a circuit that failed, the one who asked for it is told, with the cause; our own lines and STATUS say whether the
//! network carries us. Arti's lines beside that name no cause, and come several times a second while the network is away.

use parking_lot::Mutex;
use std::fmt;
use std::time::{Duration, Instant};
use torchat_protocol::control::words;
use tracing::Event;
use tracing::field::{Field, Visit};

/// The count is told at most once in this time.
const PAUSE: Duration = Duration::from_secs(600);

/// Whether an event says nothing to an operator.
pub(super) fn is_harmless(event: &Event<'_>) -> bool {
    let target = event.metadata().target();
    if !target.starts_with("tor_netdir") && !target.starts_with("tor_circmgr") {
        return false;
    }
    let mut text = Text(String::new());
    event.record(&mut text);
    says_nothing(&text.0)
}

fn says_nothing(text: &str) -> bool {
    // A network of a few relays.
    let few_relays = text.contains("Requested ") && text.contains(" relays, but only ")
        || text.starts_with("After filtering, all ") && text.contains(" relays had zero weight");
    // Circuits for measurements want exits. A daemon that only dials onion services needs none.
    let no_exits = text.contains("Failed to build preemptive circuit") && text.contains("non-exit");
    // The last words of an attempt whose caller gets the causes.
    let without_cause = text.trim_end() == "Request failed" || text.starts_with("Reached circuit build retry limit");
    let flood = text.starts_with("Too many preemptive onion service circuits failed");
    few_relays || no_exits || without_cause || flood
}

/// All fields of an event, one after the other.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
        use fmt::Write;
        // Writing into a String does not fail.
        let _ = write!(self.0, "{value:?} ");
    }
}

/// How many were left out.
#[derive(Debug, Default)]
pub(super) struct Quiet(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    count: u64,
    told: Option<Instant>,
}

impl Quiet {
    pub(super) fn count(&self) {
        self.0.lock().count += 1;
    }

    /// What is to be told before the next line, if there is something and the last time is long ago.
    pub(super) fn told(&self, now: Instant) -> Option<String> {
        let mut state = self.0.lock();
        let long_ago = state.told.is_none_or(|told| now.saturating_duration_since(told) >= PAUSE);
        if state.count == 0 || !long_ago {
            return None;
        }
        state.told = Some(now);
        let count = std::mem::take(&mut state.count);
        Some(format!(
            "{} of Tor's about relays and circuits were left out: STATUS says whether Tor works",
            words::count(count, "line")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_names_no_cause_is_left_out() {
        for text in [
            "Request failed",
            "Reached circuit build retry limit, exiting...",
            "Too many preemptive onion service circuits failed; waiting a while.",
            "Requested 9 relays, but only 8 could be had",
            "After filtering, all 6 relays had zero weight. Choosing one at random. See bug #1907. self.weights=..",
        ] {
            assert!(says_nothing(text), "{text}");
        }
        for text in ["Request failed because of this", "Failed to build preemptive circuit: refused", "Too many files"]
        {
            assert!(!says_nothing(text), "{text}");
        }
    }

    #[test]
    fn the_count_is_told_once_in_a_while() {
        let (quiet, begun) = (Quiet::default(), Instant::now());
        assert_eq!(quiet.told(begun), None);
        quiet.count();
        assert!(quiet.told(begun).is_some_and(|line| line.starts_with("1 line of")));
        quiet.count();
        quiet.count();
        assert_eq!(quiet.told(begun + PAUSE / 2), None);
        assert!(quiet.told(begun + PAUSE).is_some_and(|line| line.starts_with("2 lines of")));
        assert_eq!(quiet.told(begun + PAUSE * 2), None);
    }
}
