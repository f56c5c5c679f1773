//! Rooms over the real core, engine and store, with room links over the simulated network. Time is paused.
#![allow(clippy::unwrap_used)]

use std::time::Duration;
use torchat_core::effect::{RoomAnswer, RoomRefused};
use torchat_core::input::RoomWish;
use torchat_engine::EngineConfig;
use torchat_harness::sim::{Sim, run};

const MINUTES: Duration = Duration::from_secs(300);

#[test]
fn two_daemons_that_are_no_contacts_talk_in_a_room_and_one_leaves() {
    run(async {
        let sim = Sim::new(1, 2, EngineConfig::default());
        let room = sim.make_room(0).await;
        sim.say(0, room, "is anybody there").await;
        let invite = sim.invite(0, room).await;
        sim.join(1, &invite).await;
        sim.said_at_least(1, room, 1, MINUTES).await;

        sim.say(1, room, "yes").await;
        sim.said_at_least(0, room, 2, MINUTES).await;
        sim.say(0, room, "good").await;
        sim.said_at_least(1, room, 3, MINUTES).await;
        let all = [(1, "is anybody there"), (2, "yes"), (1, "good")].map(|(no, text)| (no, text.to_owned()));
        assert_eq!((sim.said(0, room), sim.said(1, room)), (all.to_vec(), all.to_vec()));

        assert_eq!(sim.wish(1, room, RoomWish::Leave).await, RoomAnswer::Done);
        // It is over when the owner has that it leaves.
        let deadline = tokio::time::Instant::now() + MINUTES;
        while sim.wish(1, room, RoomWish::Leave).await != RoomAnswer::Refused(RoomRefused::NoRoom) {
            assert!(tokio::time::Instant::now() < deadline, "it never ends");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        sim.say(0, room, "alone again").await;
        tokio::time::sleep(MINUTES).await;
        assert_eq!(sim.said(1, room), all, "what came before the end stays, and nothing more comes");
    });
}

#[test]
fn a_room_goes_on_after_each_of_its_daemons_was_killed() {
    run(async {
        let mut sim = Sim::new(2, 3, EngineConfig::default());
        let room = sim.make_room(0).await;
        let invite = sim.invite(0, room).await;
        for n in [1, 2] {
            sim.join(n, &invite).await;
        }
        sim.say(0, room, "0").await;
        for n in [1, 2] {
            sim.said_at_least(n, room, 1, MINUTES).await;
        }
        for killed in 0..3 {
            let before = sim.said(killed, room).len();
            sim.kill(killed).await;
            for n in (0..3).filter(|n| *n != killed) {
                sim.say(n, room, &format!("{n} while {killed} is away")).await;
            }
            sim.start(killed);
            sim.say(killed, room, &format!("{killed} is back")).await;
            for n in 0..3 {
                sim.said_at_least(n, room, before + 3, MINUTES).await;
            }
        }
        let sorted = |n| {
            let mut said = sim.said(n, room);
            said.sort();
            said
        };
        assert_eq!(sorted(0).len(), 10);
        assert_eq!((sorted(1), sorted(2)), (sorted(0), sorted(0)));
    });
}

#[test]
fn a_newcomer_hears_a_long_history_and_what_is_said_meanwhile_in_one_order() {
    run(async {
        let sim = Sim::new(3, 3, EngineConfig::default());
        let room = sim.make_room(0).await;
        let invite = sim.invite(0, room).await;
        for n in 0..1_100 {
            sim.say(0, room, &format!("old {n} {}", "x".repeat(n % 700))).await;
        }
        // The first one hears the last 1,000 in many pieces, while more is said: as much as may be at once.
        sim.join(1, &invite).await;
        for live in 0..15 {
            sim.say(0, room, &format!("live {live}")).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        sim.join(2, &invite).await;
        sim.said_at_least(1, room, 900, MINUTES).await;
        sim.say(1, room, "I have it").await;
        sim.said_at_least(0, room, 1_116, MINUTES).await;
        let owners = sim.said(0, room);
        for n in [1, 2] {
            let deadline = tokio::time::Instant::now() + MINUTES;
            while sim.said(n, room).last() != owners.last() {
                assert!(tokio::time::Instant::now() < deadline, "daemon {n} has {:?}", sim.said(n, room).last());
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            let said = sim.said(n, room);
            assert!(said.len() >= 990, "{} of 1,000", said.len());
            let of =
                |no: u32, list: &[(u32, String)]| list.iter().filter(|(by, _)| *by == no).cloned().collect::<Vec<_>>();
            let (theirs, owner) = (of(1, &said), of(1, &owners));
            assert_eq!(
                theirs,
                owner[owner.len() - theirs.len()..],
                "the owner's texts, without a hole and in their order"
            );
        }
    });
}

#[test]
fn a_store_that_takes_no_writes_ends_room_links_and_no_text_is_lost() {
    run(async {
        let sim = Sim::new(4, 2, EngineConfig::default());
        let room = sim.make_room(0).await;
        let invite = sim.invite(0, room).await;
        sim.join(1, &invite).await;
        sim.say(0, room, "before").await;
        sim.said_at_least(1, room, 1, MINUTES).await;
        // It has some pages left, and the texts are longer.
        let small = sim.store(1).lock().set_max_bytes(1);
        assert!(small.is_ok());
        let long = |n: u32| format!("{n} {}", "y".repeat(15_000));
        for n in 0..8 {
            sim.say(0, room, &long(n)).await;
        }
        let deadline = tokio::time::Instant::now() + MINUTES;
        while sim.handle(1).status().to_json()["storage"] != "full" {
            assert!(tokio::time::Instant::now() < deadline, "it is never full");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(sim.said(1, room).len() < 9, "nothing is taken that is not stored");
        sim.store(1).lock().set_max_bytes(1 << 30).unwrap();
        sim.said_at_least(1, room, 9, MINUTES).await;
        let expected: Vec<_> = std::iter::once((1, "before".to_owned())).chain((0..8).map(|n| (1, long(n)))).collect();
        assert_eq!(sim.said(1, room), expected);
        sim.say(1, room, "all of it").await;
        sim.said_at_least(0, room, 10, MINUTES).await;
    });
}
