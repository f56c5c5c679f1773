//! Long runs: many inputs of many targets on all processors, with panics caught and counted.

use crate::{ACCEPTED, Class, Seen, TARGETS, Target, corpus, generate};
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How much is run of a class.
#[derive(Debug, Clone, Copy)]
pub enum Amount {
    /// This many inputs, spread evenly over the class's targets. A handshake that goes through, because nothing in it was
    /// changed, is no adversarial one and does not count.
    Cases(u64),
    /// As many as fit into this time, at least one round.
    Time(Duration),
}

/// An input that broke a promise.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The target.
    pub target: &'static str,
    /// The input.
    pub input: Vec<u8>,
    /// What the panic said, and where.
    pub words: String,
}

/// What came of one target's inputs.
#[derive(Debug, Clone, Copy)]
pub struct Tally {
    /// The target's name.
    pub target: &'static str,
    /// Inputs.
    pub cases: u64,
    /// Inputs that were accepted rightly: [`Seen::Taken`].
    pub taken: u64,
}

/// What came of a class.
#[derive(Debug)]
pub struct Outcome {
    /// Of each target.
    pub tallies: Vec<Tally>,
    /// How long it took.
    pub took: Duration,
    /// Inputs that made a target panic. The first [`KEPT`] of them are in `failures`.
    pub panics: u64,
    /// Those of them by which somebody was let in who must not be.
    pub accepted: u64,
    /// The inputs that failed.
    pub failures: Vec<Failure>,
}

impl Outcome {
    /// All inputs.
    #[must_use]
    pub fn cases(&self) -> u64 {
        self.tallies.iter().map(|tally| tally.cases).sum()
    }
}

/// Failing inputs that are kept: more of them mostly show the same.
pub const KEPT: usize = 20;
/// Inputs that a thread takes at once.
const BATCH: u64 = 64;

thread_local! {
    static WORDS: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Lets panics be silent and their words be kept. For the whole process, once.
pub fn keep_panics_quiet() {
    panic::set_hook(Box::new(|info| WORDS.with(|words| *words.borrow_mut() = info.to_string())));
}

/// Runs one input. [`keep_panics_quiet`] must have been called for the words of a panic.
///
/// # Errors
/// The panic's words.
pub fn run_one(target: &Target, input: &[u8]) -> Result<Seen, String> {
    // A target keeps no state between inputs, so none can be left broken.
    panic::catch_unwind(AssertUnwindSafe(|| (target.run)(input))).map_err(|_| WORDS.with(|words| words.take()))
}

/// Runs a class of targets with the inputs of a seed.
///
/// # Errors
/// When the corpus cannot be read.
pub fn run(class: Class, amount: Amount, seed: u64, threads: usize) -> std::io::Result<Outcome> {
    let targets: Vec<_> = TARGETS.iter().filter(|target| target.class == class).collect();
    let read = |target: &&Target| Ok(corpus::files(target)?.into_iter().map(|(_, bytes)| bytes).collect());
    let corpora: Vec<Vec<Vec<u8>>> = targets.iter().map(read).collect::<std::io::Result<_>>()?;
    let (started, next, stop) = (Instant::now(), AtomicU64::new(0), AtomicBool::new(false));
    let counted = AtomicU64::new(0);
    let cases: Vec<_> = targets.iter().map(|_| AtomicU64::new(0)).collect();
    let taken: Vec<_> = targets.iter().map(|_| AtomicU64::new(0)).collect();
    let failures = Mutex::new((0, 0, Vec::new()));
    let worker = || {
        while !stop.load(Ordering::Relaxed) {
            let first = next.fetch_add(BATCH, Ordering::Relaxed);
            for index in first..first + BATCH {
                if let Amount::Cases(all) = amount
                    && counted.load(Ordering::Relaxed) >= all
                {
                    return;
                }
                let n = usize::try_from(index).unwrap_or(0) % targets.len();
                let input = generate::input(targets[n], &corpora[n], seed, index);
                cases[n].fetch_add(1, Ordering::Relaxed);
                let seen = run_one(targets[n], &input);
                let counts = class != Class::Handshake || seen != Ok(Seen::Taken);
                counted.fetch_add(u64::from(counts), Ordering::Relaxed);
                match seen {
                    Ok(Seen::Taken) => drop(taken[n].fetch_add(1, Ordering::Relaxed)),
                    Ok(Seen::Refused) => {}
                    Err(words) => {
                        let mut failures = failures.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                        failures.0 += 1;
                        failures.1 += u64::from(words.contains(ACCEPTED));
                        if failures.2.len() < KEPT {
                            failures.2.push(Failure { target: targets[n].name, input, words });
                        }
                    }
                }
            }
            if let Amount::Time(time) = amount
                && started.elapsed() >= time
            {
                stop.store(true, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(worker);
        }
    });
    let (panics, accepted, failures) = failures.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let tally = |n: usize| Tally { target: targets[n].name, cases: count(&cases[n]), taken: count(&taken[n]) };
    let tallies = (0..targets.len()).map(tally).collect();
    Ok(Outcome { tallies, took: started.elapsed(), panics, accepted, failures })
}
