//! How much longer than on a quiet machine things may take now: for tests of what must end within a time.
//!
//! A fixed bound is wrong on a busy machine, and without one a test cannot fail. So the bound grows with what the machine
//! needs, at this moment, for something that has nothing to do with us.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Programs that are started to see how busy the machine is.
const STARTS: u32 = 20;
/// This many times as long as those starts take.
const SHARE: u32 = 25;

/// What to add to a bound: half a second or less on a quiet machine, many seconds on one where starting a program takes
/// long. Ask for it after what is measured, so that asking does not slow that down.
///
/// # Panics
/// When Debian's `true` cannot be started.
#[must_use]
pub fn slack() -> Duration {
    let begun = Instant::now();
    for _ in 0..STARTS {
        let status = Command::new("true").stdin(Stdio::null()).status().expect("the program true");
        assert!(status.success());
    }
    begun.elapsed() * SHARE
}
