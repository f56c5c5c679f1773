//! Scenarios over the real core, engine and store with simulated faults. Time is paused: hours take a second.
#![allow(clippy::unwrap_used)]

use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use torchat_core::account::ROW_BYTES;
use torchat_core::handshake::{Handshake, LocalIdentity};
use torchat_core::policy::Strangers;
use torchat_engine::EngineConfig;
use torchat_engine::handle::{DeliveryWait, Refusal};
use torchat_harness::sim::{Sim, run};
use torchat_protocol::control::reason::Reason;
use torchat_protocol::purpose::Purpose;
use torchat_transport::memory::Weather;
use torchat_transport::{Group, Isolation, Transport};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_message_is_delivered_both_ways_and_read_once() {
    run(async {
        let sim = Sim::new(1, 2, EngineConfig::default());
        sim.befriend_all().await;
        let (a, b) = (sim.handle(0), sim.handle(1));
        let mid = a.send(sim.id(1), "hello".into()).await.unwrap();
        assert_eq!(a.wait_delivered(sim.id(1), mid, HOUR).await, DeliveryWait::Delivered);
        let back = b.send(sim.id(0), "hi".into()).await.unwrap();
        assert_eq!(b.wait_delivered(sim.id(0), back, HOUR).await, DeliveryWait::Delivered);

        assert_eq!(b.unread_peers(), [sim.id(0)]);
        let lease = b.lease(sim.id(0)).await.unwrap();
        assert_eq!((lease.text.as_str(), lease.peer), ("hello", sim.id(0)));
        b.put_back(lease);
        let lease = b.lease(sim.id(0)).await.unwrap();
        b.take(lease).await;
        assert!(b.lease(sim.id(0)).await.is_none());
        assert!(b.unread_peers().is_empty());
        let states: Vec<_> = b.history(sim.id(0), 10).await.unwrap().iter().map(|l| (l.dir, l.state)).collect();
        assert_eq!(states, [("in", "read"), ("out", "delivered")]);
    });
}

#[test]
fn a_strangers_message_waits_until_the_receiver_adds_it() {
    run(async {
        let sim = Sim::new(2, 2, EngineConfig::default());
        let (a, b) = (sim.handle(0), sim.handle(1));
        let mid = a.send(sim.id(1), "may I?".into()).await.unwrap();
        let waited = a.wait_delivered(sim.id(1), mid, HOUR).await;
        assert!(matches!(waited, DeliveryWait::NotYet { reason } if reason == Reason::NotAccepted), "told why");
        assert!(b.unread_peers().is_empty());
        assert!(b.history(sim.id(0), 10).await.unwrap().is_empty(), "neither shown nor stored");
        assert_eq!(a.history(sim.id(1), 1).await.unwrap()[0].state, "waiting");

        b.add(sim.id(0)).await.unwrap();
        assert_eq!(a.wait_delivered(sim.id(1), mid, Duration::from_secs(60)).await, DeliveryWait::Delivered);
        assert_eq!(sim.received(1, 0).await, ["may I?"]);
    });
}

#[test]
fn an_open_door_lets_strangers_in() {
    run(async {
        let mut config = EngineConfig::default();
        config.policy.strangers = Strangers::Open;
        let sim = Sim::new(3, 2, config);
        let mid = sim.handle(0).send(sim.id(1), "knock".into()).await.unwrap();
        assert_eq!(sim.handle(0).wait_delivered(sim.id(1), mid, HOUR).await, DeliveryWait::Delivered);
        assert_eq!(sim.received(1, 0).await, ["knock"]);
    });
}

#[test]
fn what_cannot_be_accepted_is_refused_before_anything_changes() {
    run(async {
        let mut config = EngineConfig::default();
        config.policy.outbox_messages_per_contact = 2;
        config.policy.outbox_bytes_total = 70_000;
        let mut sim = Sim::new(4, 3, config);
        sim.kill(1).await;
        sim.kill(2).await;
        let a = sim.handle(0);
        assert_eq!(a.send(sim.id(0), "me".into()).await, Err(Refusal::ToSelf));
        assert_eq!(a.add(sim.id(0)).await, Err(Refusal::ToSelf));
        assert_eq!(a.send(sim.id(1), "x".repeat(65_537)).await, Err(Refusal::TextTooLong(65_537)));
        a.send(sim.id(1), "x".repeat(65_536)).await.unwrap();
        assert!(matches!(a.send(sim.id(2), "x".repeat(5_000)).await, Err(Refusal::OutboxFull(_))));
        a.send(sim.id(1), "2".into()).await.unwrap();
        assert!(matches!(a.send(sim.id(1), "3".into()).await, Err(Refusal::OutboxFull(_))));
        assert_eq!(a.history(sim.id(1), 10).await.unwrap().len(), 2);
        assert_eq!(a.status().to_json()["refused"]["outbox_full"], 2, "only what the limits refused");
    });
}

#[test]
fn the_longest_text_passes_whatever_its_characters() {
    run(async {
        let sim = Sim::new(5, 2, EngineConfig::default());
        sim.befriend_all().await;
        for text in ["\u{1}".repeat(65_536), "é".repeat(32_768), "\"\\".repeat(32_768)] {
            let mid = sim.handle(0).send(sim.id(1), text.clone()).await.unwrap();
            assert_eq!(sim.handle(0).wait_delivered(sim.id(1), mid, HOUR).await, DeliveryWait::Delivered);
            assert_eq!(sim.received(1, 0).await.last(), Some(&text));
        }
    });
}

#[test]
fn too_much_unread_mail_waits_at_its_sender_until_some_is_read() {
    run(async {
        let mut config = EngineConfig::default();
        // Ten texts of 1,000 bytes, with their rows.
        config.policy.unread_bytes_per_peer = 10 * (1_000 + ROW_BYTES);
        let sim = Sim::new(6, 2, config);
        sim.befriend_all().await;
        let (a, b) = (sim.handle(0), sim.handle(1));
        for n in 0..30 {
            a.send(sim.id(1), format!("{n:02} {}", "x".repeat(997))).await.unwrap();
        }
        assert!(!sim.settled(Duration::from_secs(600)).await);
        assert_eq!(sim.received(1, 0).await.len(), 10, "the limit, and no more");
        for n in 0..30 {
            let lease = loop {
                if let Some(lease) = b.lease(sim.id(0)).await {
                    break lease;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            };
            assert!(lease.text.starts_with(&format!("{n:02} ")), "in order");
            b.take(lease).await;
        }
        assert!(sim.settled(HOUR).await);
    });
}

#[test]
fn a_full_store_refuses_mail_without_acknowledging_it_and_recovers() {
    run(async {
        let sim = Sim::new(7, 2, EngineConfig::default());
        sim.befriend_all().await;
        let (a, b) = (sim.handle(0), sim.handle(1));
        for n in 0..5 {
            a.send(sim.id(1), format!("before {n}")).await.unwrap();
        }
        assert!(sim.settled(HOUR).await);
        // No page more than the store has now.
        sim.store(1).lock().set_max_bytes(1).unwrap();
        for n in 0..40 {
            a.send(sim.id(1), format!("during {n} {}", "x".repeat(4_000))).await.unwrap();
        }
        assert!(!sim.settled(Duration::from_secs(300)).await, "not everything fits");
        let stored = sim.received(1, 0).await.len();
        assert!(stored < 45, "{stored}");
        assert!(matches!(b.send(sim.id(0), "x".repeat(8_000)).await, Err(Refusal::Storage(_))));
        assert_eq!(b.status().to_json()["storage"], "full");
        // Reading goes on.
        for _ in 0..3 {
            let lease = b.lease(sim.id(0)).await.unwrap();
            b.take(lease).await;
        }
        assert!(b.lease(sim.id(0)).await.unwrap().text.starts_with("before 3"));
        sim.store(1).lock().set_max_bytes(1 << 30).unwrap();
        assert!(sim.settled(2 * HOUR).await, "recovers by itself: {}", b.status().to_json());
        let received = sim.received(1, 0).await;
        assert_eq!(received.len(), 45);
        assert!(received.iter().skip(5).enumerate().all(|(n, t)| t.starts_with(&format!("during {n} "))), "in order");
    });
}

#[test]
fn a_dead_peer_is_noticed_by_its_silence() {
    run(async {
        let sim = Sim::new(8, 2, EngineConfig::default());
        sim.befriend_all().await;
        sim.handle(0).send(sim.id(1), "one".into()).await.unwrap();
        assert!(sim.settled(HOUR).await);
        // Nothing passes, and nobody says so: as a suspended laptop, or a relay that swallows.
        sim.network.partition(sim.id(0), sim.id(1), true);
        sim.handle(0).send(sim.id(1), "two".into()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(26)).await;
        assert_eq!(sim.handle(0).status().to_json()["links"], 0, "15 s of silence and 10 s without an answer");
        sim.network.partition(sim.id(0), sim.id(1), false);
        assert!(sim.settled(Duration::from_secs(180)).await);
        assert_eq!(sim.received(1, 0).await, ["one", "two"]);
    });
}

#[test]
fn idle_links_are_noticed_dead_within_four_minutes() {
    run(async {
        let sim = Sim::new(9, 2, EngineConfig::default());
        sim.befriend_all().await;
        sim.handle(0).send(sim.id(1), "one".into()).await.unwrap();
        assert!(sim.settled(HOUR).await);
        sim.network.partition(sim.id(0), sim.id(1), true);
        tokio::time::sleep(Duration::from_secs(241)).await;
        assert_eq!(sim.handle(0).status().to_json()["links"], 0);
        assert_eq!(sim.handle(1).status().to_json()["links"], 0);
    });
}

#[test]
fn a_receiver_that_lost_its_store_shows_a_mark() {
    run(async {
        let mut sim = Sim::new(10, 2, EngineConfig::default());
        sim.befriend_all().await;
        for n in 0..3 {
            sim.handle(0).send(sim.id(1), format!("{n}")).await.unwrap();
        }
        assert!(sim.settled(HOUR).await);
        sim.kill(1).await;
        *sim.store(1).lock() = torchat_engine::store::Store::in_memory().unwrap();
        sim.start(1);
        sim.handle(1).add(sim.id(0)).await.unwrap();
        sim.handle(0).send(sim.id(1), "after".into()).await.unwrap();
        assert!(sim.settled(HOUR).await);
        let history = sim.handle(1).history(sim.id(0), 10).await.unwrap();
        let shown: Vec<_> = history.iter().map(|l| (l.state, l.text.as_str())).collect();
        assert_eq!(shown, [("lost", "3 messages were lost here, the peer says"), ("unread", "after")]);
    });
}

/// A line that carries 1 kB/s in each direction. (A delay would come on top of every chunk, and make it slower.)
fn slow_line() -> Weather {
    Weather { bytes_per_s: 1_000, delay_ms: 0, ..Weather::default() }
}

#[test]
fn a_text_of_64_kib_arrives_over_1_kb_a_second_and_so_does_its_acknowledgement() {
    run(async {
        let sim = Sim::new(31, 2, EngineConfig::default());
        sim.befriend_all().await;
        sim.network.set_weather(slow_line());
        let text = "x".repeat(65_536);
        let begun = tokio::time::Instant::now();
        let mid = sim.handle(0).send(sim.id(1), text.clone()).await.unwrap();
        assert_eq!(sim.handle(0).wait_delivered(sim.id(1), mid, HOUR).await, DeliveryWait::Delivered);
        // 72 s for its records, and no second try.
        assert!(begun.elapsed() < Duration::from_secs(100), "{:?}", begun.elapsed());
        assert_eq!(sim.received(1, 0).await, [text]);
    });
}

#[test]
fn long_texts_cross_each_other_on_a_slow_line() {
    run(async {
        let sim = Sim::new(32, 2, EngineConfig::default());
        sim.befriend_all().await;
        sim.network.set_weather(slow_line());
        let begun = tokio::time::Instant::now();
        let texts: Vec<_> = (0..3).map(|n| format!("{n}").repeat(65_536)).collect();
        for text in &texts {
            sim.handle(0).send(sim.id(1), text.clone()).await.unwrap();
            sim.handle(1).send(sim.id(0), text.clone()).await.unwrap();
        }
        assert!(sim.settled(Duration::from_secs(400)).await);
        assert!(begun.elapsed() < Duration::from_secs(300), "{:?}", begun.elapsed());
        assert_eq!(sim.received(1, 0).await, texts);
        assert_eq!(sim.received(0, 1).await, texts);
    });
}

/// Dials a daemon for a purpose and shakes hands. Returns how many bytes come next; 0: the daemon ends the stream.
async fn bytes_for(sim: &Sim, way: &dyn Transport, purpose: Purpose) -> usize {
    let now_s = 1_790_000_000;
    let own = LocalIdentity::from_seeds(&[90; 32], &[91; 32], now_s).unwrap();
    let isolation = Isolation::Fresh(Group::first(purpose));
    let mut stream = way.dial(sim.id(0), isolation).await.unwrap();
    let (mut handshake, first) = Handshake::initiator(&own, sim.id(0), purpose, [9; 32]);
    stream.write_all(&first).await.unwrap();
    let mut buffer = [0; 2048];
    loop {
        let n = stream.read(&mut buffer).await.unwrap();
        assert!(n > 0, "a purpose is judged after the certificate");
        let progress = handshake.receive(&buffer[..n], now_s).unwrap();
        stream.write_all(&progress.write).await.unwrap();
        if progress.done.is_some() {
            break;
        }
    }
    tokio::time::timeout(Duration::from_secs(2), stream.read(&mut buffer)).await.unwrap().unwrap()
}

#[test]
fn a_stream_for_what_no_daemon_serves_is_refused_whatever_it_is_for() {
    run(async {
        let sim = Sim::new(33, 1, EngineConfig::default());
        let stranger = LocalIdentity::from_seeds(&[90; 32], &[91; 32], 1_790_000_000).unwrap().peer_id();
        let way = sim.network.attach(stranger).transport;
        let refused = || sim.handle(0).status().to_json()["refused"]["handshakes"].as_u64().unwrap();
        assert!(bytes_for(&sim, &*way, Purpose::CHAT).await > 0, "chat is served");
        assert_eq!(refused(), 0);
        for (n, purpose) in [(1, Purpose(1)), (2, Purpose(201))] {
            assert_eq!(bytes_for(&sim, &*way, purpose).await, 0, "{purpose}");
            assert_eq!(refused(), n);
        }
    });
}
