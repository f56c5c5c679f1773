//! What a peer's flood and a wrong clock cannot do to the store, over the real core, engine and store.
#![allow(clippy::unwrap_used)]

use std::time::Duration;
use torchat_core::input::ContactChange;
use torchat_engine::EngineConfig;
use torchat_engine::handle::{Handle, Refusal, SendOptions};
use torchat_harness::sim::{Sim, run};
use torchat_protocol::control::api::event::{Event, Filter, Kind, What};

const HOUR: Duration = Duration::from_secs(3600);
const DAY_MS: i64 = 86_400_000;

async fn log(handle: &Handle) -> Vec<Event> {
    let (log, mut after, mut events) = (handle.log(), 0, Vec::new());
    while after < log.last() {
        let batch = log.after(after, 1_000, &Filter::default()).await.unwrap();
        after = batch.next;
        events.extend(batch.events);
    }
    events
}

/// Fills the first one's store by messages of the second one, until it says that it is full.
async fn flood(sim: &Sim) {
    let (a, b) = (sim.handle(0), sim.handle(1));
    for bytes in [6_000, 600, 0] {
        for n in 0..600 {
            // The outbox of the flooder may be full: what is in it is enough.
            drop(b.send(sim.id(0), format!("{n} {}", "x".repeat(bytes))).await);
            if n % 50 == 0 {
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
            if a.status().to_json()["storage"] == "full" {
                return;
            }
        }
    }
    panic!("the store is not full: {}", a.status().to_json());
}

#[test]
fn a_peer_that_fills_the_store_can_be_removed_and_blocked_and_what_it_said_be_read() {
    run(async {
        let mut sim = Sim::new(71, 2, EngineConfig::default());
        sim.store(0).lock().set_max_bytes(2 << 20).unwrap();
        sim.befriend_all().await;
        flood(&sim).await;
        let (a, eve) = (sim.handle(0), sim.id(1));
        assert!(matches!(a.send(eve, "x".repeat(60_000)).await, Err(Refusal::Storage(_))), "no room for mail");
        assert!(a.seen(eve, i64::MAX).await.unwrap() > 0);
        a.change(eve, ContactChange::Remove).await.unwrap();
        a.change(eve, ContactChange::Block).await.unwrap();
        let blocked = |handle: &Handle| handle.contacts().iter().any(|contact| contact.peer == eve && contact.blocked);
        assert!(blocked(&a));
        // The user's word is durable.
        sim.kill(0).await;
        sim.start(0);
        assert!(blocked(&sim.handle(0)));
        sim.stop(0).await;
    });
}

#[test]
fn a_block_in_the_middle_of_a_flood_is_not_refused_with_it() {
    run(async {
        let sim = Sim::new(72, 3, EngineConfig::default());
        sim.store(0).lock().set_max_bytes(2 << 20).unwrap();
        sim.befriend_all().await;
        let (a, b, other) = (sim.handle(0), sim.handle(1), sim.id(2));
        for n in 0..600 {
            drop(b.send(sim.id(0), format!("{n} {}", "x".repeat(6_000))).await);
        }
        // Each decision stands in a turn with mail, until the one that does not fit.
        for _ in 0..100_000 {
            a.change(other, ContactChange::Block).await.unwrap();
            if a.change(other, ContactChange::Unblock).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(7)).await;
        }
        assert_eq!(a.status().to_json()["storage"], "full");
        a.change(sim.id(1), ContactChange::Block).await.unwrap();
    });
}

#[test]
fn a_clock_that_is_wrong_at_a_start_removes_nothing() {
    run(async {
        let mut sim = Sim::new(73, 2, EngineConfig::default());
        sim.befriend_all().await;
        for n in 0..6 {
            sim.handle(1).send(sim.id(0), format!("to keep {n}")).await.unwrap();
        }
        assert!(sim.settled(HOUR).await);
        let a = sim.handle(0);
        a.acknowledge("archive", 0).await.unwrap();
        let keyed = || SendOptions { client_id: Some("once".into()), ..SendOptions::default() };
        let first = a.send_with(sim.id(1), "once".into(), keyed()).await.unwrap();
        let invite = a.invite(DAY_MS).await.unwrap();
        assert!(sim.settled(HOUR).await);
        let before = log(&a).await;
        // Stopped, started a hundred days ahead, used, and set right again.
        sim.stop(0).await;
        sim.set_clock(100 * DAY_MS);
        sim.start(0);
        let a = sim.handle(0);
        let again = a.send_with(sim.id(1), "once".into(), keyed()).await.unwrap();
        assert_eq!((again.mid, again.duplicate), (first.mid, true), "one key is one message");
        a.invite(DAY_MS).await.unwrap();
        for n in 0..200 {
            a.send(sim.id(1), format!("while it is wrong {n}")).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(300)).await;
        sim.stop(0).await;
        sim.set_clock(-100 * DAY_MS);
        sim.start(0);
        tokio::time::sleep(2 * HOUR).await;
        let a = sim.handle(0);
        let after = log(&a).await;
        assert_eq!(after[..before.len()], before, "every event of before");
        let kept = after.iter().filter(|event| event.what.kind() == Kind::Received).count();
        assert_eq!((kept, after.iter().any(|event| matches!(event.what, What::Gap { .. }))), (6, false));
        // The invite of before is good.
        let (own, guest) = (sim.id(0), sim.handle(1));
        guest.change(own, ContactChange::Remove).await.unwrap();
        a.change(sim.id(1), ContactChange::Remove).await.unwrap();
        let intro = torchat_core::snapshot::Intro { text: String::new(), invite: Some(invite.secret) };
        guest.change(own, ContactChange::Add(intro)).await.unwrap();
        let contact = async {
            while !a.contacts().iter().any(|contact| contact.peer == sim.id(1) && contact.contact) {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::time::timeout(HOUR, contact).await.unwrap();
    });
}

#[test]
fn a_clock_that_leaps_while_the_daemon_runs_removes_nothing() {
    run(async {
        let sim = Sim::new(74, 2, EngineConfig::default());
        sim.befriend_all().await;
        for n in 0..6 {
            sim.handle(1).send(sim.id(0), format!("to keep {n}")).await.unwrap();
        }
        assert!(sim.settled(HOUR).await);
        // Believed by now.
        tokio::time::sleep(HOUR).await;
        let a = sim.handle(0);
        let before = log(&a).await;
        sim.set_clock(100 * DAY_MS);
        for n in 0..300 {
            a.send(sim.id(1), format!("while it is wrong {n}")).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(500)).await;
        sim.set_clock(-100 * DAY_MS);
        tokio::time::sleep(2 * HOUR).await;
        assert_eq!(log(&a).await[..before.len()], before);
    });
}
