//! Durable SEND to rooms, beside SEND to contacts: the same daemon, 50 connections, alternate slices.
//!
//! The contacts do not exist, and the rooms' other member was there and is away: what is measured is the acceptance, which in a
//! room makes and signs an event. Were the other member there, it would not take more than one text a second of each room.

use super::party::Party;
use crate::Setup;
use crate::contract::{self, TEXT};
use crate::load::Script;
use crate::process::{Recipe, sibling};
use crate::report::{Aim, Report};
use std::sync::Arc;

/// Connections at the same time.
const CONNECTIONS: usize = 50;
/// Rooms, as many as there are contacts.
const ROOMS: usize = 16;
/// Slices in which one daemon is sent to, besides the first one that is not counted: the outboxes have room.
const SLICES: u32 = 6;

pub(super) fn run(setup: &Setup<'_>, report: &mut Report) -> anyhow::Result<()> {
    let program = sibling("loopback-daemon")?;
    let mut pairs = Vec::new();
    while let left @ 1.. = setup.pairs - u32::try_from(pairs.len())? {
        let dir = setup.dir.join(format!("rooms-send-{}", pairs.len()));
        std::fs::create_dir_all(&dir)?;
        let recipe = |name: &str, seed| Recipe::loopback_of(&program, &dir.join(name), &dir.join("peers"), seed);
        let Party { friends, connections, rooms } = Party::start([recipe("a", 1)?, recipe("b", 2)?], ROOMS)?;
        drop(connections);
        let [sender, other] = friends.running;
        other.stop()?;
        let to_rooms = script(rooms.iter().map(|room| room.onion()));
        let to_contacts = script(contract::peers()?.iter().map(|peer| peer.onion()));
        let both = [(&sender, &to_rooms), (&sender, &to_contacts)];
        pairs.extend(contract::measure(left.min(SLICES), both, CONNECTIONS)?);
        sender.stop()?;
        std::fs::remove_dir_all(&dir)?;
    }
    let what = format!("durable SEND to a room, {CONNECTIONS} connections (reference: to a contact)");
    contract::rate_row(report, &what, &pairs, Aim::AtLeast(0.6));
    contract::latency_row(report, &what, &pairs, Aim::None);
    Ok(())
}

fn script(peers: impl Iterator<Item = String>) -> Arc<Script> {
    let text = "x".repeat(TEXT);
    let request = |peer: String| format!("{{\"ref\":1,\"cmd\":\"SEND\",\"peer\":\"{peer}\",\"text\":\"{text}\"}}\n");
    Arc::new(Script::api(peers.map(|peer| request(peer).into_bytes()).collect()))
}
