//! Messages that are taken back or grow too old, copies of a data directory, and who sees which peers: told step by step over
//! the real core, engine and store. What random faults make of it is the storms' matter.
#![allow(clippy::unwrap_used)]

use std::time::Duration;
use torchat_core::account::ROW_BYTES;
use torchat_engine::EngineConfig;
use torchat_engine::handle::{DeliveryWait, HistoryLine, Refusal};
use torchat_harness::sim::{Sim, run};
use torchat_protocol::control::reason::Reason;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

async fn last(sim: &Sim, at: usize, with: usize) -> HistoryLine {
    sim.handle(at).history(sim.id(with), 1).await.unwrap().pop().unwrap()
}

async fn pair(seed: u64, config: EngineConfig) -> Sim {
    let sim = Sim::new(seed, 2, config);
    sim.befriend_all().await;
    let mid = sim.handle(0).send(sim.id(1), "met".into()).await.unwrap();
    assert_eq!(sim.handle(0).wait_delivered(sim.id(1), mid, HOUR).await, DeliveryWait::Delivered);
    sim
}

#[test]
fn a_message_that_never_left_is_taken_back_for_certain() {
    run(async {
        let mut sim = pair(1, EngineConfig::default()).await;
        sim.kill(1).await;
        let a = sim.handle(0);
        tokio::time::sleep(5 * MINUTE).await;
        let mut mids = Vec::new();
        for text in ["first", "regretted", "last"] {
            mids.push(a.send(sim.id(1), text.into()).await.unwrap());
        }
        assert_eq!(a.cancel(sim.id(1), mids[1]).await, Ok(true));
        assert_eq!(a.cancel(sim.id(1), mids[1]).await, Err(Refusal::NotPending), "once");
        let wait = a.wait_delivered(sim.id(1), mids[2], MINUTE).await;
        assert!(matches!(wait, DeliveryWait::NotYet { .. }));
        let line = last(&sim, 0, 1).await;
        assert_eq!(line.state, "queued");
        assert_eq!(line.reason.as_deref(), Some("the peer is not reachable"));
        assert!(line.next_try_ms.is_some());
        // It stays taken back when the sender dies, too.
        sim.kill(0).await;
        sim.start(0);
        sim.start(1);
        assert!(sim.settled(HOUR).await);
        assert_eq!(sim.received(1, 0).await, ["met", "first", "last"]);
        let states: Vec<_> =
            sim.handle(0).history(sim.id(1), 3).await.unwrap().iter().map(|l| (l.state, l.reason.clone())).collect();
        assert_eq!(states, [("delivered", None), ("withdrawn", None), ("delivered", None)]);
    });
}

#[test]
fn a_message_that_left_is_taken_back_if_the_peer_did_not_take_it() {
    run(async {
        let mut config = EngineConfig::default();
        // The second text does not fit, so it flies and is not taken.
        config.policy.unread_bytes_per_peer = 1_000 + 2 * ROW_BYTES;
        let sim = pair(2, config).await;
        let a = sim.handle(0);
        a.send(sim.id(1), "x".repeat(900)).await.unwrap();
        let regretted = a.send(sim.id(1), format!("regretted {}", "x".repeat(900))).await.unwrap();
        a.send(sim.id(1), "last".into()).await.unwrap();
        tokio::time::sleep(MINUTE).await;
        let line = a.history(sim.id(1), 2).await.unwrap().remove(0);
        assert_eq!(line.state, "sent");
        assert_eq!(a.cancel(sim.id(1), regretted).await, Ok(false), "the peer may have it");
        let line = a.history(sim.id(1), 2).await.unwrap().remove(0);
        assert_eq!(line.state, "withdrawn");
        assert!(line.reason.unwrap().contains("may already have it"));
        let b = sim.handle(1);
        while let Some(lease) = b.lease(sim.id(0)).await {
            b.take(lease).await;
        }
        assert!(sim.settled(HOUR).await);
        let got: Vec<_> = sim.received(1, 0).await.iter().map(String::len).collect();
        assert_eq!(got, [3, 900, 4]);
        let line = a.history(sim.id(1), 2).await.unwrap().remove(0);
        assert_eq!((line.state, line.reason), ("withdrawn", None), "now it is certain");
    });
}

#[test]
fn a_message_that_was_taken_back_too_late_is_shown_as_delivered() {
    run(async {
        let mut sim = pair(3, EngineConfig::default()).await;
        let a = sim.handle(0);
        // The receiver stores it, and what it says of it never arrives.
        let late = a.send(sim.id(1), "too late".into()).await.unwrap();
        sim.received_at_least(1, 0, 2, MINUTE).await;
        assert_eq!(a.cancel(sim.id(1), late).await, Ok(false), "its acknowledgement is still on the way");
        assert_eq!(last(&sim, 0, 1).await.state, "withdrawn");
        sim.kill(0).await;
        sim.start(0);
        let a = sim.handle(0);
        let after = a.send(sim.id(1), "after".into()).await.unwrap();
        assert_eq!(a.wait_delivered(sim.id(1), after, HOUR).await, DeliveryWait::Delivered);
        let lines = a.history(sim.id(1), 2).await.unwrap();
        assert_eq!((lines[0].text.as_str(), lines[0].state), ("too late", "delivered"), "the truth, not the wish");
        assert_eq!(sim.received(1, 0).await, ["met", "too late", "after"]);
        let delivered = sim.handle(0).cancel(sim.id(1), late).await;
        assert_eq!(delivered, Err(Refusal::NotPending), "what is delivered cannot be taken back");
    });
}

#[test]
fn what_waits_too_long_fails_visibly_and_is_never_delivered() {
    run(async {
        let mut config = EngineConfig::default();
        config.policy.expiry_ms = 3 * 3_600_000;
        let mut sim = pair(4, config).await;
        sim.kill(1).await;
        let old = sim.handle(0).send(sim.id(1), "old news".into()).await.unwrap();
        let wait = sim.handle(0).wait_delivered(sim.id(1), old, 6 * HOUR).await;
        assert!(matches!(wait, DeliveryWait::Failed { reason } if matches!(reason, Reason::Expired { .. })));
        assert_eq!(last(&sim, 0, 1).await.state, "failed");
        assert!(last(&sim, 0, 1).await.reason.is_some());
        sim.handle(0).send(sim.id(1), "news".into()).await.unwrap();
        sim.start(1);
        assert!(sim.settled(8 * HOUR).await);
        assert_eq!(sim.received(1, 0).await, ["met", "news"]);
    });
}

#[test]
fn presence_is_an_age() {
    run(async {
        let mut sim = pair(5, EngineConfig::default()).await;
        tokio::time::sleep(30 * MINUTE).await;
        let seen = sim.handle(0).contacts().remove(0);
        assert!(seen.linked, "links to recent contacts are kept");
        assert!(seen.heard_ms_ago.unwrap() < 240_000, "an idle link is asked within four minutes");
        sim.kill(1).await;
        sim.network.swallow(sim.id(1));
        tokio::time::sleep(20 * MINUTE).await;
        let gone = sim.handle(0).contacts().remove(0);
        assert!(!gone.linked);
        assert!((960_000..1_440_000).contains(&gone.heard_ms_ago.unwrap()), "{gone:?}");
        // It is remembered.
        sim.kill(0).await;
        sim.start(0);
        assert!(sim.handle(0).contacts()[0].heard_ms_ago.unwrap() >= gone.heard_ms_ago.unwrap());
        sim.start(1);
        tokio::time::sleep(10 * MINUTE).await;
        assert!(sim.handle(0).contacts()[0].linked, "who comes back is linked again though nobody writes");
    });
}

#[test]
fn a_contact_that_must_not_see_us_gets_deliveries_and_nothing_else() {
    run(async {
        let sim = pair(6, EngineConfig::default()).await;
        let (a, b) = (sim.handle(0), sim.handle(1));
        a.appear(sim.id(1), true).await.unwrap();
        tokio::time::sleep(MINUTE).await;
        assert!(!b.contacts()[0].linked, "the link was closed");
        tokio::time::sleep(2 * HOUR).await;
        let heard = b.contacts()[0].heard_ms_ago.unwrap();
        assert!(heard > 2 * 3_600_000, "not a word meanwhile: {heard}");
        for (from, to) in [(0, 1), (1, 0)] {
            let mid = sim.handle(from).send(sim.id(to), "still there".into()).await.unwrap();
            assert_eq!(sim.handle(from).wait_delivered(sim.id(to), mid, MINUTE).await, DeliveryWait::Delivered);
            tokio::time::sleep(MINUTE).await;
            assert!(!a.contacts()[0].linked && !b.contacts()[0].linked);
        }
        a.appear(sim.id(1), false).await.unwrap();
        tokio::time::sleep(MINUTE).await;
        assert!(b.contacts()[0].linked);
        assert_eq!(a.appear(sim.id(0), true).await, Err(Refusal::ToSelf));
    });
}

#[test]
fn a_second_copy_is_reported_as_soon_as_a_peer_has_met_both() {
    run(async {
        let mut sim = pair(7, EngineConfig::default()).await;
        sim.stop(0).await;
        let copy = sim.copy_of(0);
        let notices = |sim: &Sim| sim.handle(0).status().to_json()["notices"].to_string();
        // The original goes on, and nobody complains.
        sim.start(0);
        let mid = sim.handle(0).send(sim.id(1), "from the original".into()).await.unwrap();
        assert_eq!(sim.handle(0).wait_delivered(sim.id(1), mid, HOUR).await, DeliveryWait::Delivered);
        assert_eq!(notices(&sim), "[]");
        sim.stop(0).await;
        // The copy does not even have to say anything.
        let original = sim.swap(0, copy);
        sim.start(0);
        tokio::time::sleep(10 * MINUTE).await;
        assert!(notices(&sim).contains("another daemon with your identity"), "{}", notices(&sim));
        // It is told as what a contact says, and nobody is told to stop anything.
        let sentence = sim.handle(0).status().to_json()["sentence"].to_string();
        assert!(sentence.contains("a contact says that they have met") && !sentence.contains("stop"), "{sentence}");
        let mid = sim.handle(0).send(sim.id(1), "from the copy".into()).await.unwrap();
        assert_eq!(sim.handle(0).wait_delivered(sim.id(1), mid, HOUR).await, DeliveryWait::Delivered);
        // A restored backup is told once; a copy that still runs makes the other one complain.
        sim.stop(0).await;
        sim.start(0);
        tokio::time::sleep(10 * MINUTE).await;
        assert_eq!(notices(&sim), "[]");
        sim.stop(0).await;
        sim.swap(0, original);
        sim.start(0);
        tokio::time::sleep(10 * MINUTE).await;
        assert!(notices(&sim).contains("another daemon with your identity"));
        assert_eq!(sim.received(1, 0).await, ["met", "from the original", "from the copy"]);
    });
}

#[test]
fn a_sender_may_be_restored_more_often_than_it_may_have_lanes() {
    run(async {
        let mut sim = pair(8, EngineConfig::default()).await;
        sim.stop(0).await;
        let backup = sim.copy_of(0);
        let mut expected = vec!["met".to_owned()];
        for n in 0..40 {
            sim.swap(0, backup.copy());
            sim.start(0);
            let text = format!("after restore {n}");
            let mid = sim.handle(0).send(sim.id(1), text.clone()).await.unwrap();
            assert_eq!(sim.handle(0).wait_delivered(sim.id(1), mid, HOUR).await, DeliveryWait::Delivered, "{n}");
            expected.push(text);
            sim.stop(0).await;
        }
        let mut got = sim.received(1, 0).await;
        // The lane of the backup was forgotten long ago, so the receiver once seems to have lost what came by it.
        got.retain(|text| text != "1 message was lost here, the peer says");
        assert_eq!(got, expected);
    });
}
