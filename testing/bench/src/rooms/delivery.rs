//! A text in a room until it is durable at another member, beside a message to a contact: the same two daemons on loopback, in
//! both directions.
//!
//! A member may say 20 texts in a room at once and one a second then, so there are several rooms, and a few texts in each.

use super::pair_row;
use super::party::{Party, deliver};
use crate::Setup;
use crate::process::{Recipe, sibling};
use crate::report::{Aim, Report};
use crate::stats::median;
use torchat_client::api::ConversationId;

/// Rooms of the two.
const ROOMS: usize = 8;
/// Slices at most: a text in each room and each direction, with one that was said before, and within what a member may say at
/// once.
const SLICES: u32 = 18;

pub(super) fn run(setup: &Setup<'_>, report: &mut Report) -> anyhow::Result<()> {
    let dir = setup.dir.join("rooms-delivery");
    std::fs::create_dir_all(&dir)?;
    let program = sibling("loopback-daemon")?;
    let recipe = |name: &str, seed| Recipe::loopback_of(&program, &dir.join(name), &dir.join("peers"), seed);
    let party = Party::start([recipe("a", 1)?, recipe("b", 2)?], ROOMS)?;
    let onions: Vec<ConversationId> =
        party.friends.onions.iter().map(|onion| Ok(onion.parse()?)).collect::<anyhow::Result<_>>()?;
    let mut pairs = Vec::new();
    for n in 0..setup.pairs.min(SLICES) as usize {
        let mut times = [Vec::new(), Vec::new()];
        for (at, room) in party.rooms.iter().enumerate() {
            for (from, connection) in party.connections.iter().enumerate() {
                let contact = onions[1 - from];
                // In turn, so that neither always runs on what the other left warm.
                for kind in [(n + at) % 2, 1 - (n + at) % 2] {
                    let to = [*room, contact][kind];
                    let took = deliver(connection, to, "a message of some length, as people write them to each other")?;
                    times[kind].push(took.as_secs_f64() * 1e3);
                }
            }
        }
        pairs.push(times.map(median));
    }
    pair_row(
        report,
        "a text in a room to its delivery, loopback (reference: a message to a contact)",
        "ms",
        &pairs,
        Aim::AtMost(1.15),
    );
    party.stop()
}
