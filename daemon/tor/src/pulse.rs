//! Whether the network still carries us while nobody dials.
//!
//! A dial is the best probe, but a daemon may dial nobody for hours. On a connection that is in use a relay is never silent
//! for long, because both ends pad it (every 1.5 to 9.5 s by default, Tor's padding-spec). So silence is a suspicion, and
//! then we build a circuit as a dial needs it: that settles it. What arti says of its own service is no evidence
//! (docs/adr/0005).

use crate::Client;
use crate::client::{DialClients, probe};
use crate::dial::{Verdict, verdict};
use crate::status::Status;
use crate::trouble::{self, Cause};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between two looks at the silence, which cost nothing.
const LOOK: Duration = Duration::from_secs(2);
/// A silence that is suspicious.
const SILENCE: Duration = Duration::from_secs(8);
/// How long a circuit may take, with not one byte from a relay meanwhile, before the network is called dead. The sum of
/// these three stays below 20 s.
const PATIENCE: Duration = Duration::from_secs(8);
/// After a circuit that was built: on a network without padding, silence means little, and guards see our circuits.
const CALM: Duration = Duration::from_secs(30);
/// Between two attempts while the network is away; it doubles ..
const RETRY: Duration = Duration::from_secs(10);
/// .. up to this.
const RETRY_CAP: Duration = Duration::from_secs(60);
/// The same when a relay was heard after the last attempt.
const RETRY_HEARD: Duration = Duration::from_secs(4);
/// Two clocks are compared, one of them a coarse one.
const COARSE: Duration = Duration::from_millis(50);

/// What an attempt says of the network.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Carries,
    Dead(Cause),
    Unclear,
}

/// Looks for as long as the daemon runs, and tells `status`.
pub(crate) async fn watch(clients: Arc<DialClients>, status: Arc<Status>) {
    let mut rhythm = Rhythm::default();
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(dial_client) = clients.current().filter(|_| status.is_up()) else { continue };
        if !rhythm.is_due(status.in_trouble(), silence(), Instant::now()) {
            continue;
        }
        let found = attempt(&dial_client.client).await;
        rhythm.attempted(matches!(found, Found::Dead(_)), Instant::now());
        // How a client fares by which nobody dials any more is no news.
        if !clients.is_current(&dial_client) {
            continue;
        }
        match found {
            Found::Carries => status.dialled(None),
            Found::Dead(cause) => status.dialled(Some(cause)),
            Found::Unclear => {}
        }
    }
}

/// How long no relay was heard, by any client of this process.
fn silence() -> Duration {
    tor_proto::time_since_last_incoming_traffic().unwrap_or(Duration::MAX)
}

fn heard_since(begun: Instant) -> bool {
    silence().saturating_add(COARSE) < begun.elapsed()
}

async fn attempt(client: &Client) -> Found {
    let begun = Instant::now();
    match tokio::time::timeout(PATIENCE, probe(client)).await {
        // It may be one that was ready, and whose relay is gone: a relay must be heard too.
        Ok(Ok(())) => {
            while !heard_since(begun) {
                if begun.elapsed() >= PATIENCE {
                    return Found::Dead(silent());
                }
                tokio::time::sleep(PATIENCE / 40).await;
            }
            Found::Carries
        }
        Ok(Err((kind, cause))) if verdict(kind) == Verdict::NoWayIn || !heard_since(begun) => Found::Dead(cause),
        Err(_) if !heard_since(begun) => Found::Dead(silent()),
        Ok(Err(_)) | Err(_) => Found::Unclear,
    }
}

fn silent() -> Cause {
    trouble::no_network().unwrap_or_else(|| Cause::plain("no Tor relay answers"))
}

/// When an attempt is worth its circuit.
#[derive(Debug, Default)]
struct Rhythm {
    last: Option<Instant>,
    /// Attempts in a row that found it dead.
    dead: u32,
}

impl Rhythm {
    fn is_due(&self, trouble: bool, silence: Duration, now: Instant) -> bool {
        let passed = self.last.map_or(Duration::MAX, |last| now.saturating_duration_since(last));
        if !trouble {
            return silence >= SILENCE && passed >= CALM;
        }
        let pause = RETRY.saturating_mul(1 << self.dead.saturating_sub(1).min(8)).min(RETRY_CAP);
        passed >= pause || silence < passed && passed >= RETRY_HEARD
    }

    fn attempted(&mut self, dead: bool, now: Instant) {
        self.last = Some(now);
        self.dead = if dead { self.dead.saturating_add(1) } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_dead_network_is_found_within_twenty_seconds() {
        assert!(LOOK + SILENCE + PATIENCE < 20 * SECOND);
    }

    #[test]
    fn circuits_are_built_on_suspicion_only() {
        let begun = Instant::now();
        let mut rhythm = Rhythm::default();
        assert!(!rhythm.is_due(false, 7 * SECOND, begun), "relays speak");
        assert!(rhythm.is_due(false, 8 * SECOND, begun));
        rhythm.attempted(false, begun);
        assert!(!rhythm.is_due(false, 29 * SECOND, begun + 29 * SECOND), "a network without padding is silent");
        assert!(rhythm.is_due(false, 30 * SECOND, begun + 30 * SECOND));
    }

    #[test]
    fn a_network_that_is_away_is_tried_ever_less_and_at_once_when_a_relay_is_heard() {
        let mut now = Instant::now();
        let mut rhythm = Rhythm::default();
        let mut pauses = Vec::new();
        for _ in 0..6 {
            rhythm.attempted(true, now);
            let pause = (1..=100).find(|n| rhythm.is_due(true, Duration::MAX, now + *n * SECOND));
            pauses.push(pause.unwrap_or_default());
            now += 100 * SECOND;
        }
        assert_eq!(pauses, [10, 20, 40, 60, 60, 60]);
        rhythm.attempted(true, now);
        assert!(rhythm.is_due(true, SECOND, now + 4 * SECOND), "a relay was heard since");
        assert!(!rhythm.is_due(true, 5 * SECOND, now + 4 * SECOND), "that was before");
        assert!(rhythm.is_due(true, Duration::MAX, now + 60 * SECOND));
    }
}
