//! Two daemons that are contacts of each other, and deliveries between them.

use crate::process::{Process, Recipe};
use anyhow::{Context as _, ensure};
use std::time::{Duration, Instant};

/// How long a delivery may take at most.
const LIMIT_S: u64 = 280;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// Two daemons that have met, and their onions.
pub(crate) struct Friends {
    pub(crate) recipes: [Recipe; 2],
    pub(crate) running: [Process; 2],
    pub(crate) onions: [String; 2],
}

impl Friends {
    /// Starts both and lets them deliver a message each way.
    pub(crate) fn start(recipes: [Recipe; 2]) -> anyhow::Result<Self> {
        let running = [recipes[0].start()?, recipes[1].start()?];
        let onions = [running[0].client()?.host()?, running[1].client()?.host()?];
        running[0].client()?.add(&onions[1])?;
        running[1].client()?.add(&onions[0])?;
        deliver(&running[0], &onions[1])?;
        deliver(&running[1], &onions[0])?;
        Ok(Self { recipes, running, onions })
    }

    /// Ends both.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        for daemon in self.running {
            daemon.stop()?;
        }
        Ok(())
    }
}

/// Sends a message and waits until it is durable at its receiver.
pub(crate) fn deliver(from: &Process, to: &str) -> anyhow::Result<()> {
    Ok(from.client()?.send_and_wait(to, "a message", LIMIT_S)?)
}

/// Waits for a condition.
pub(crate) fn until(what: &str, mut look: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(LIMIT_S);
    while !look().context(what.to_owned())? {
        ensure!(Instant::now() < deadline, "not within {LIMIT_S} s: {what}");
        std::thread::sleep(LOOK);
    }
    Ok(())
}
