//! Strangers, requests, invites, blocked peers: told step by step over the real core, engine and store.
#![allow(clippy::unwrap_used)]

use std::time::Duration;
use torchat_core::input::ContactChange;
use torchat_core::policy::Strangers;
use torchat_core::snapshot::Intro;
use torchat_engine::EngineConfig;
use torchat_engine::handle::{DeliveryWait, Refusal};
use torchat_harness::sim::{Sim, run};
use torchat_protocol::invite::Invite;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const HOUR_MS: i64 = 3_600_000;

/// 0 asks 1 with some words and sends mail at once; returns when the request is at 1, or should be.
async fn ask(sim: &Sim, words: &str) {
    let intro = Intro { text: words.into(), invite: None };
    sim.handle(0).change(sim.id(1), ContactChange::Add(intro)).await.unwrap();
    for text in ["first", "second", "third"] {
        sim.handle(0).send(sim.id(1), text.into()).await.unwrap();
    }
    tokio::time::sleep(2 * MINUTE).await;
}

fn words(sim: &Sim, at: usize) -> Vec<String> {
    sim.handle(at).requests().into_iter().map(|view| view.request.text).collect()
}

fn is_waiting(sim: &Sim) -> bool {
    sim.handle(0).contacts()[0].waiting
}

#[test]
fn a_request_waits_apart_from_mail_and_what_is_accepted_arrives_in_order() {
    run(async {
        let mut config = EngineConfig::default();
        config.policy.nick = "ann".into();
        let mut sim = Sim::new(1, 2, config);
        ask(&sim, "it is me, from the station").await;
        let request = sim.handle(1).requests().pop().unwrap();
        assert_eq!((request.peer, request.request.nick.as_str()), (sim.id(0), "ann"));
        assert_eq!(words(&sim, 1), ["it is me, from the station"]);
        assert!(sim.handle(1).unread_peers().is_empty() && sim.received(1, 0).await.is_empty());
        assert!(is_waiting(&sim));
        assert!(sim.handle(1).status().to_json()["sentence"].as_str().unwrap().contains("1 stranger asks"));
        // It is kept over a crash.
        sim.kill(1).await;
        sim.start(1);
        assert_eq!(words(&sim, 1).len(), 1);
        sim.handle(1).change(sim.id(0), ContactChange::Accept).await.unwrap();
        assert!(sim.settled(HOUR).await);
        assert_eq!(sim.received(1, 0).await, ["first", "second", "third"]);
        assert_eq!(words(&sim, 1).len(), 0);
        assert!(!is_waiting(&sim));
        assert_eq!(sim.handle(1).contacts()[0].nick.as_deref(), Some("ann"));
        assert_eq!(sim.handle(1).change(sim.id(0), ContactChange::Accept).await, Err(Refusal::NoRequest));
    });
}

#[test]
fn a_refused_or_blocked_peer_learns_nothing_and_is_not_shown_again() {
    run(async {
        for change in [ContactChange::Refuse, ContactChange::Block] {
            let mut sim = Sim::new(2, 2, EngineConfig::default());
            ask(&sim, "please").await;
            sim.handle(1).change(sim.id(0), change.clone()).await.unwrap();
            let intro = Intro { text: "please!!".into(), invite: None };
            sim.handle(0).change(sim.id(1), ContactChange::Add(intro)).await.unwrap();
            sim.kill(0).await;
            sim.start(0);
            sim.kill(1).await;
            sim.start(1);
            tokio::time::sleep(8 * HOUR).await;
            assert!(words(&sim, 1).is_empty() && sim.received(1, 0).await.is_empty());
            assert!(is_waiting(&sim), "as if nobody had decided");
            assert_eq!(sim.queued(), 3);
            // The user may change her mind.
            if change == ContactChange::Block {
                assert_eq!(sim.handle(1).add(sim.id(0)).await, Err(Refusal::Blocked));
                assert_eq!(sim.handle(1).send(sim.id(0), "no".into()).await, Err(Refusal::Blocked));
                assert!(sim.handle(1).contacts()[0].blocked);
                sim.handle(1).change(sim.id(0), ContactChange::Unblock).await.unwrap();
                assert_eq!(sim.handle(1).change(sim.id(0), ContactChange::Unblock).await, Err(Refusal::NotBlocked));
            }
            sim.handle(1).add(sim.id(0)).await.unwrap();
            assert!(sim.settled(HOUR).await);
            assert_eq!(sim.received(1, 0).await, ["first", "second", "third"]);
        }
    });
}

#[test]
fn an_invite_passes_at_once_and_once() {
    run(async {
        for strangers in [Strangers::Invite, Strangers::Request] {
            let mut config = EngineConfig::default();
            config.policy.strangers = strangers;
            let mut sim = Sim::new(3, 4, config);
            let invite = sim.handle(1).invite(HOUR_MS).await.unwrap();
            // It is good after a restart, too.
            sim.kill(1).await;
            sim.start(1);
            let add = |invite: Invite| ContactChange::Add(Intro { text: String::new(), invite: Some(invite.secret) });
            sim.handle(0).change(invite.peer, add(invite)).await.unwrap();
            let mid = sim.handle(0).send(sim.id(1), "invited".into()).await.unwrap();
            assert_eq!(sim.handle(0).wait_delivered(sim.id(1), mid, 2 * MINUTE).await, DeliveryWait::Delivered);
            // Somebody else with the same one is a stranger like any other.
            sim.handle(2).change(invite.peer, add(invite)).await.unwrap();
            let mid = sim.handle(2).send(sim.id(1), "copied".into()).await.unwrap();
            assert!(matches!(sim.handle(2).wait_delivered(sim.id(1), mid, HOUR).await, DeliveryWait::NotYet { .. }));
            // And so is who comes too late.
            let late = sim.handle(1).invite(HOUR_MS).await.unwrap();
            tokio::time::sleep(2 * HOUR).await;
            sim.handle(3).change(late.peer, add(late)).await.unwrap();
            let mid = sim.handle(3).send(sim.id(1), "late".into()).await.unwrap();
            assert!(matches!(sim.handle(3).wait_delivered(sim.id(1), mid, HOUR).await, DeliveryWait::NotYet { .. }));
            let waiting = if strangers == Strangers::Request { 2 } else { 0 };
            assert_eq!(sim.handle(1).requests().len(), waiting, "{strangers:?}");
            assert_eq!(sim.received(1, 2).await.len() + sim.received(1, 3).await.len(), 0);
        }
    });
}

/// 0 gives an invite of 1 to its daemon; both are contacts after a dial's time.
async fn passes(sim: &Sim, what: &str) {
    let invite = sim.handle(1).invite(24 * HOUR_MS).await.unwrap();
    let intro = Intro { text: String::new(), invite: Some(invite.secret) };
    sim.handle(0).change(invite.peer, ContactChange::Add(intro)).await.unwrap();
    tokio::time::sleep(MINUTE).await;
    assert!(sim.handle(1).contacts().iter().any(|view| view.peer == sim.id(0) && view.contact), "{what}: not let in");
    assert!(!is_waiting(sim), "{what}: not told");
    assert!(sim.handle(1).requests().is_empty(), "{what}: still asks");
}

#[test]
fn an_invite_passes_whatever_was_before() {
    run(async {
        for pause in [3, 40, 120, 3 * 3600].map(Duration::from_secs) {
            for change in [None, Some(ContactChange::Refuse)] {
                let sim = Sim::new(7, 2, EngineConfig::default());
                sim.handle(0).change(sim.id(1), ContactChange::Add(Intro::default())).await.unwrap();
                while sim.handle(1).requests().is_empty() {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                if let Some(change) = &change {
                    sim.handle(1).change(sim.id(0), change.clone()).await.unwrap();
                }
                tokio::time::sleep(pause).await;
                assert!(is_waiting(&sim));
                passes(&sim, &format!("{change:?}, {pause:?} ago")).await;
            }
            // Removed at the other end, and at both.
            for both in [false, true] {
                let sim = Sim::new(8, 2, EngineConfig::default());
                sim.befriend_all().await;
                sim.handle(0).send(sim.id(1), "hello".into()).await.unwrap();
                assert!(sim.settled(HOUR).await);
                sim.handle(1).change(sim.id(0), ContactChange::Remove).await.unwrap();
                if both {
                    sim.handle(0).change(sim.id(1), ContactChange::Remove).await.unwrap();
                }
                tokio::time::sleep(pause).await;
                passes(&sim, &format!("removed at both: {both}, {pause:?} ago")).await;
                sim.handle(0).send(sim.id(1), "again".into()).await.unwrap();
                assert!(sim.settled(HOUR).await);
                assert_eq!(sim.received(1, 0).await, ["hello", "again"]);
            }
        }
    });
}

#[test]
fn an_invite_is_said_again_until_it_is_heard() {
    run(async {
        let mut sim = Sim::new(9, 2, EngineConfig::default());
        sim.handle(0).change(sim.id(1), ContactChange::Add(Intro::default())).await.unwrap();
        tokio::time::sleep(3 * HOUR).await;
        sim.handle(1).change(sim.id(0), ContactChange::Refuse).await.unwrap();
        let invite = sim.handle(1).invite(100 * HOUR_MS).await.unwrap();
        // Its daemon is down, and ours is killed meanwhile. Words that come later leave the invite as it is.
        sim.kill(1).await;
        let intro = Intro { text: String::new(), invite: Some(invite.secret) };
        sim.handle(0).change(invite.peer, ContactChange::Add(intro)).await.unwrap();
        let words = Intro { text: "the invite is from Sunday".into(), invite: None };
        sim.handle(0).change(invite.peer, ContactChange::Add(words)).await.unwrap();
        tokio::time::sleep(3 * HOUR).await;
        sim.kill(0).await;
        sim.start(0);
        tokio::time::sleep(3 * HOUR).await;
        assert!(is_waiting(&sim));
        sim.start(1);
        tokio::time::sleep(5 * HOUR).await;
        assert!(sim.handle(1).contacts().iter().any(|view| view.contact));
        assert!(!is_waiting(&sim));
    });
}

#[test]
fn other_words_replace_those_that_wait() {
    run(async {
        for pause in [3, 40, 3 * 3600].map(Duration::from_secs) {
            let sim = Sim::new(10, 2, EngineConfig::default());
            for text in ["first words", "other words"] {
                let intro = Intro { text: text.into(), invite: None };
                sim.handle(0).change(sim.id(1), ContactChange::Add(intro)).await.unwrap();
                tokio::time::sleep(pause.max(10 * Duration::from_secs(1))).await;
                assert_eq!(words(&sim, 1), [text], "{pause:?}");
            }
            // Asked again without words, it says nothing new, and nothing is shown twice.
            sim.handle(0).change(sim.id(1), ContactChange::Add(Intro::default())).await.unwrap();
            tokio::time::sleep(MINUTE).await;
            assert_eq!(words(&sim, 1), ["other words"]);
        }
    });
}

#[test]
fn an_invite_opens_no_door_that_was_closed_to_its_bearer_and_none_but_its_makers() {
    run(async {
        let sim = Sim::new(11, 3, EngineConfig::default());
        let invite = sim.handle(1).invite(HOUR_MS).await.unwrap();
        let with_it = || ContactChange::Add(Intro { text: String::new(), invite: Some(invite.secret) });
        sim.handle(1).change(sim.id(0), ContactChange::Block).await.unwrap();
        sim.handle(0).change(sim.id(1), with_it()).await.unwrap();
        tokio::time::sleep(MINUTE).await;
        assert!(is_waiting(&sim) && sim.handle(1).contacts().iter().all(|view| !view.contact));
        // Said to somebody else it is as none: one asks.
        sim.handle(0).change(sim.id(2), with_it()).await.unwrap();
        tokio::time::sleep(MINUTE).await;
        assert_eq!(sim.handle(2).requests().len(), 1);
        // It is not used up by that, and the user may change her mind.
        sim.handle(1).change(sim.id(0), ContactChange::Unblock).await.unwrap();
        sim.handle(0).change(sim.id(1), with_it()).await.unwrap();
        tokio::time::sleep(MINUTE).await;
        assert!(sim.handle(1).contacts().iter().any(|view| view.peer == sim.id(0) && view.contact));
        // Who has blocked the inviter does not ask it.
        let own = sim.handle(2).invite(HOUR_MS).await.unwrap();
        sim.handle(1).change(sim.id(2), ContactChange::Block).await.unwrap();
        let add = ContactChange::Add(Intro { text: String::new(), invite: Some(own.secret) });
        assert_eq!(sim.handle(1).change(own.peer, add).await, Err(Refusal::Blocked));
    });
}

#[test]
fn invites_are_bounded() {
    run(async {
        let sim = Sim::new(4, 1, EngineConfig::default());
        let a = sim.handle(0);
        for _ in 0..100 {
            a.invite(HOUR_MS).await.unwrap();
        }
        assert_eq!(a.invite(HOUR_MS).await, Err(Refusal::TooManyInvites));
        assert_eq!(a.status().to_json()["refused"]["invites"], 1);
        tokio::time::sleep(2 * HOUR).await;
        a.invite(HOUR_MS).await.unwrap();
    });
}

#[test]
fn a_removed_contact_is_a_stranger_and_its_history_stays() {
    run(async {
        let mut sim = Sim::new(5, 2, EngineConfig::default());
        sim.befriend_all().await;
        let mid = sim.handle(0).send(sim.id(1), "before".into()).await.unwrap();
        assert_eq!(sim.handle(0).wait_delivered(sim.id(1), mid, HOUR).await, DeliveryWait::Delivered);
        sim.handle(1).change(sim.id(0), ContactChange::Rename(Some("Bob".into()))).await.unwrap();
        assert_eq!(sim.handle(1).contacts()[0].petname.as_deref(), Some("Bob"));
        sim.kill(0).await;
        sim.handle(1).send(sim.id(0), "never to be sent".into()).await.unwrap();
        sim.handle(1).change(sim.id(0), ContactChange::Remove).await.unwrap();
        assert!(sim.handle(1).contacts().is_empty());
        assert_eq!(sim.queued(), 0, "what waits for it is taken back");
        sim.start(0);
        let mid = sim.handle(0).send(sim.id(1), "after".into()).await.unwrap();
        assert!(matches!(sim.handle(0).wait_delivered(sim.id(1), mid, HOUR).await, DeliveryWait::NotYet { .. }));
        assert!(is_waiting(&sim));
        assert_eq!(sim.received(1, 0).await, ["before"]);
        assert_eq!(sim.handle(1).change(sim.id(0), ContactChange::Remove).await, Err(Refusal::NoContact));
        // The same lane goes on where it stopped.
        sim.handle(1).add(sim.id(0)).await.unwrap();
        assert!(sim.settled(HOUR).await);
        assert_eq!(sim.received(1, 0).await, ["before", "after"]);
        assert_eq!(sim.handle(1).contacts()[0].petname, None);
        assert_eq!(sim.received(0, 1).await, Vec::<String>::new());
    });
}

#[test]
fn a_closed_door_keeps_nothing_of_strangers() {
    run(async {
        for strangers in [Strangers::Closed, Strangers::Invite] {
            let mut config = EngineConfig::default();
            config.policy.strangers = strangers;
            let sim = Sim::new(6, 2, config);
            ask(&sim, "please").await;
            assert!(sim.handle(1).requests().is_empty());
            assert!(is_waiting(&sim));
            assert!(sim.handle(1).status().to_json()["refused"]["requests"].as_u64().unwrap() > 0, "counted");
        }
    });
}
