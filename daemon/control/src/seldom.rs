//! Lines of the log that others can cause as often as they like: one a minute, with a count.
//!
//! Without this a local program that connects again and again turns the logs over in minutes, and what they told of before is
//! gone.

use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Between two lines of one kind.
pub(crate) const PAUSE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct State {
    said_at: Option<Instant>,
    /// How often it was to be said since, and was not.
    missed: u64,
}

/// One kind of line. Clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seldom(Arc<Mutex<State>>);

impl Seldom {
    /// Says it, or counts it. `say` gets how many are told of by this line: 1 at first; at the end of each minute that had
    /// more, their number, by the `say` of the first of them. To be called on a runtime.
    pub(crate) fn note(&self, say: impl FnOnce(u64) + Send + 'static) {
        let wait = {
            let mut state = self.0.lock();
            let now = Instant::now();
            match state.said_at.map(|at| at + PAUSE).filter(|end| state.missed > 0 || *end > now) {
                None => {
                    state.said_at = Some(now);
                    None
                }
                Some(end) => {
                    state.missed += 1;
                    if state.missed > 1 {
                        return;
                    }
                    Some(end)
                }
            }
        };
        let Some(end) = wait else { return say(1) };
        let this = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep_until(end).await;
            let missed = {
                let mut state = this.0.lock();
                state.said_at = Some(Instant::now());
                std::mem::take(&mut state.missed)
            };
            say(missed);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_one_line_a_minute_and_every_one_is_counted() {
        let said = Arc::new(Mutex::new(Vec::new()));
        let seldom = Seldom::default();
        let begun = Instant::now();
        for _ in 0..300 * 150 {
            let said = said.clone();
            seldom.note(move |count| said.lock().push(count));
            tokio::time::sleep(PAUSE / (60 * 150)).await;
        }
        let minutes = begun.elapsed().as_secs() / 60;
        tokio::time::sleep(2 * PAUSE).await;
        let said = said.lock().clone();
        assert_eq!(said.iter().sum::<u64>(), 300 * 150, "{said:?}");
        assert!(said.len() as u64 <= minutes + 2, "{said:?}");
        assert_eq!(said.first(), Some(&1), "the first one is told at once");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_rare_is_said_at_once() {
        let said = Arc::new(Mutex::new(Vec::new()));
        let seldom = Seldom::default();
        for n in 1..=3 {
            let shared = said.clone();
            seldom.note(move |count| shared.lock().push(count));
            assert_eq!(said.lock().len(), n);
            tokio::time::sleep(PAUSE).await;
        }
    }
}
