//! What came of the faults.

use super::Scenario;
use std::fmt;
use std::time::Duration;

/// The aim for half of the faults.
const AIM_MEDIAN: Duration = Duration::from_secs(15);
/// The aim for every fault.
const AIM_WORST: Duration = Duration::from_secs(60);

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What was done.
    pub what: String,
    /// From the moment at which everything ran again to the first message that was newly delivered, in the slower
    /// direction. `None`: not within the patience of the plan.
    pub recovered: Option<Duration>,
    /// Whether the mail was seen to stand still for more than two seconds. Most killed relays carry none of it.
    pub stood_still: bool,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.recovered {
            Some(time) => {
                write!(f, "{}; mail flows both ways {:.1} s after it was back", self.what, time.as_secs_f64())
            }
            None => write!(f, "{}; NO mail in one direction or both, in all the time that was given", self.what),
        }
    }
}

/// The spread of some times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Distribution {
    /// How many.
    pub n: usize,
    /// Half of them are not longer.
    pub p50: Duration,
    /// 95 of 100 are not longer.
    pub p95: Duration,
    /// The longest.
    pub max: Duration,
}

impl Distribution {
    /// By nearest rank, so every figure is a time that was measured; nothing of nothing.
    #[must_use]
    pub fn of(times: impl IntoIterator<Item = Duration>) -> Option<Self> {
        let mut sorted: Vec<_> = times.into_iter().collect();
        sorted.sort_unstable();
        let n = sorted.len();
        let at = |percent: usize| sorted.get((n * percent).div_ceil(100).checked_sub(1)?).copied();
        Some(Self { n, p50: at(50)?, p95: at(95)?, max: at(100)? })
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p95, max] = [self.p50, self.p95, self.max].map(|time| time.as_secs_f64());
        write!(f, "n {}, p50 {p50:.1} s, p95 {p95:.1} s, max {max:.1} s", self.n)
    }
}

/// What came of a scenario in which nothing was lost, repeated or out of order.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Which.
    pub scenario: Scenario,
    /// Every fault.
    pub faults: Vec<Fault>,
    /// Messages that were accepted, and checked at both ends.
    pub messages: usize,
    /// The longest wait after the last fault had healed, until every message was where it belongs.
    pub settled: Duration,
}

impl Outcome {
    pub(super) fn new(scenario: Scenario) -> Self {
        Self { scenario, faults: Vec::new(), messages: 0, settled: Duration::ZERO }
    }

    /// Faults after which no mail flowed within the patience of the plan.
    #[must_use]
    pub fn never(&self) -> usize {
        self.faults.iter().filter(|fault| fault.recovered.is_none()).count()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = Distribution::of(self.faults.iter().filter_map(|fault| fault.recovered));
        let still = || self.faults.iter().filter(|fault| fault.stood_still);
        let hit = Distribution::of(still().filter_map(|fault| fault.recovered));
        write!(
            f,
            "{}: {} messages, 0 lost, 0 repeated, in order; settled {:.1} s after the last fault",
            self.scenario.name(),
            self.messages,
            self.settled.as_secs_f64()
        )?;
        if let Some(all) = all {
            write!(f, "\n  time to deliver, all faults:                 {all}")?;
            let met = |yes| if yes { "met" } else { "missed" };
            let worst = all.max <= AIM_WORST && self.never() == 0;
            write!(f, "; aims: p50 15 s {}, worst 60 s {}", met(all.p50 <= AIM_MEDIAN), met(worst))?;
        }
        match hit {
            Some(hit) => write!(f, "\n  time to deliver, where the mail stood still: {hit}")?,
            None => write!(f, "\n  the mail never stood still for 2 s")?,
        }
        match self.never() {
            0 => Ok(()),
            never => write!(f, "\n  {never} faults after which no mail flowed in the time that was given"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_times_that_were_measured() {
        assert_eq!(Distribution::of([]), None);
        let times = (1..=20).rev().map(Duration::from_secs);
        let spread = Distribution::of(times);
        let s = Duration::from_secs;
        assert_eq!(spread, Some(Distribution { n: 20, p50: s(10), p95: s(19), max: s(20) }));
        assert_eq!(Distribution::of([s(7)]), Some(Distribution { n: 1, p50: s(7), p95: s(7), max: s(7) }));
    }

    #[test]
    fn a_fault_without_an_end_misses_the_aim() {
        let fault = |recovered| Fault { what: "r1 killed".into(), recovered, stood_still: true };
        let faults = vec![fault(Some(Duration::from_secs(1))), fault(None)];
        let outcome = Outcome { faults, ..Outcome::new(Scenario::Relays) };
        let text = outcome.to_string();
        assert!(text.contains("worst 60 s missed") && text.contains("p50 15 s met"), "{text}");
    }
}
