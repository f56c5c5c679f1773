//! Rooms in the store: replicas under chaos, each with a store beside the plain model of one, and both say the same after every
//! commit, whatever was killed or restored.
//!
//! `ROOM_SEEDS` says how many seeds each test takes, `ROOM_FROM` the first.
#![allow(clippy::unwrap_used)]

#[path = "replicas/beside.rs"]
mod beside;
#[path = "replicas/dense.rs"]
mod dense;
#[path = "replicas/desk.rs"]
mod desk;
#[path = "replicas/erase.rs"]
mod erase;
#[path = "replicas/messages.rs"]
mod messages;
#[path = "replicas/naming.rs"]
mod naming;
// The replica's own tests have the network and the model.
#[allow(dead_code)]
#[path = "../../room/tests/chaos/disk.rs"]
mod disk;
#[allow(dead_code)]
#[path = "../../room/tests/chaos/net.rs"]
mod net;
#[allow(dead_code)]
#[path = "../../room/tests/chaos/oracle.rs"]
mod oracle;
#[path = "replicas/size.rs"]
mod size;
#[path = "replicas/standing.rs"]
mod standing;
#[allow(dead_code)]
#[path = "../../room/tests/chaos/story.rs"]
mod story;
#[path = "replicas/talk.rs"]
mod talk;

use beside::SqlStore;
use net::{Beside, Net};
use story::{ALL, Plan, chaos};

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Runs a plan over many seeds, by default so many.
fn run(plan: Plan, count: u64) {
    let first = from_environment("ROOM_FROM", 0);
    let (mut commits, mut answers, mut redacted, mut discarded) = (0, 0, 0, 0);
    for seed in first..first + from_environment("ROOM_SEEDS", count) {
        let counts = beside::Counts::default();
        let plan = Plan { drops: true, ..plan };
        let net =
            Net::beside(
                plan.nodes,
                seed,
                |disk| Some(Box::new(SqlStore::new(disk, counts.clone())) as Box<dyn Beside>),
            );
        let (net, _) = chaos(net, seed, plan);
        for node in &net.nodes {
            let events = node.disk.events().filter(|event| event.body().is_none());
            redacted += events.count() - node.disk.stored().missing.len();
            discarded += node.disk.stored().next - 1 - node.disk.events().count() as u64;
        }
        commits += counts.commits.get();
        answers += counts.answers.get();
    }
    println!("{commits} commits, {answers} answers, {redacted} bodies dropped, {discarded} events discarded");
    assert!(commits > 100 && answers > 10);
}

#[test]
fn the_store_of_a_replica_says_what_the_plain_model_says_after_every_commit() {
    run(Plan { steps: 500, ..ALL }, 3);
}

#[test]
fn the_store_of_a_friend_in_a_mesh_says_what_the_plain_model_says_after_every_commit() {
    run(Plan { nodes: 7, hosts: 0, steps: 600, ..ALL }, 3);
}

#[test]
fn the_store_follows_an_owner_who_contradicts_itself() {
    run(Plan { owner_restores: true, quorum: false, nodes: 8, steps: 500, ..ALL }, 4);
}
