//! What API 1 stands on, over the real core, engine and store: the event log, cursors, keys of clients, pages, the search.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;
use torchat_core::account::ROW_BYTES;
use torchat_core::input::ContactChange;
use torchat_core::policy::Strangers;
use torchat_engine::EngineConfig;
use torchat_engine::handle::{DeliveryWait, Handle, Page, Refusal, SendOptions, TokenRow};
use torchat_harness::sim::{Sim, run};
use torchat_protocol::control::api::Right;
use torchat_protocol::control::api::event::{Event, Filter, Kind, What};
use torchat_protocol::control::api::record::{ContactState, Direction, MessageState};
use torchat_protocol::id::MessageId;

const HOUR: Duration = Duration::from_secs(3600);

/// The whole log from a number on, in bites of `bite` events.
async fn read(handle: &Handle, mut after: u64, bite: usize, filter: &Filter) -> Vec<Event> {
    let log = handle.log();
    let mut events = Vec::new();
    while after < log.last() {
        let batch = log.after(after, bite, filter).await.unwrap();
        assert!(batch.next > after && batch.events.len() <= bite + 1);
        after = batch.next;
        events.extend(batch.events);
    }
    events
}

async fn all(handle: &Handle) -> Vec<Event> {
    read(handle, 0, 100, &Filter::default()).await
}

fn names(events: &[Event]) -> Vec<Kind> {
    events.iter().map(|event| event.what.kind()).collect()
}

fn of_kinds(kinds: &[Kind]) -> Filter {
    Filter { kinds: Some(kinds.to_vec()), peers: None }
}

/// The message that an event is about.
fn mid(event: &Event) -> Option<MessageId> {
    match &event.what {
        What::Received { message } | What::Queued { message } | What::Lost { message } => Some(message.mid),
        What::Sent(m) | What::Delivered(m) | What::Failed(m) | What::Withdrawn(m) | What::Read(m) => Some(m.mid),
        _ => None,
    }
}

#[test]
fn every_change_is_one_event_in_order() {
    run(async {
        let mut sim = Sim::new(1, 2, EngineConfig::default());
        sim.befriend_all().await;
        let (a, b) = (sim.handle(0), sim.handle(1));
        let sent = a.send(sim.id(1), "hello".into()).await.unwrap();
        assert_eq!(a.wait_delivered(sim.id(1), sent, HOUR).await, DeliveryWait::Delivered);
        let ours = |events: &[Event]| {
            let about = events.iter().filter(|event| mid(event) == Some(sent));
            about.map(|event| event.what.kind()).collect::<Vec<_>>()
        };
        assert_eq!(ours(&all(&a).await), [Kind::Queued, Kind::Sent, Kind::Delivered]);
        assert_eq!(ours(&all(&b).await), [Kind::Received]);
        let row = b.page(sim.id(0), Page::Last, 1).await.unwrap().0.remove(0);
        assert_eq!(b.seen(sim.id(0), row.id).await.unwrap(), 1);
        assert_eq!(b.seen(sim.id(0), row.id).await.unwrap(), 0);
        assert_eq!(ours(&all(&b).await), [Kind::Received, Kind::Read]);

        a.change(sim.id(1), ContactChange::Rename(Some("Bob".into()))).await.unwrap();
        a.appear(sim.id(1), true).await.unwrap();
        a.appear(sim.id(1), true).await.unwrap();
        a.change(sim.id(1), ContactChange::Block).await.unwrap();
        a.change(sim.id(1), ContactChange::Unblock).await.unwrap();
        let told: Vec<_> = read(&a, 0, 100, &of_kinds(&[Kind::Contact]))
            .await
            .into_iter()
            .filter_map(|event| match event.what {
                What::Contact { contact } => Some((contact.state, contact.name, contact.hidden)),
                _ => None,
            })
            .skip_while(|(_, name, _)| name.is_none())
            .collect();
        let bob = || Some("Bob".to_owned());
        let expected = [
            (ContactState::Contact, bob(), false),
            (ContactState::Contact, bob(), true),
            (ContactState::Blocked, None, false),
            (ContactState::Stranger, None, false),
        ];
        assert_eq!(told, expected, "a block is one event, and what changes nothing is none");

        // A link that was up when its daemon died is down when it comes back, and Tor's state is said anew.
        let before = b.log().last();
        let links = read(&b, 0, 100, &of_kinds(&[Kind::Link])).await;
        assert!(matches!(links.last().unwrap().what, What::Link { up: true, .. }), "{links:?}");
        sim.kill(1).await;
        sim.start(1);
        let b = sim.handle(1);
        let mut log = b.log();
        while log.last() < before + 2 {
            log.changed().await;
        }
        let after = read(&b, before, 100, &Filter::default()).await;
        assert!(after.iter().any(|event| matches!(event.what, What::Link { up: false, .. })), "{after:?}");
        assert!(after.iter().any(|event| event.what.kind() == Kind::Tor), "{after:?}");
    });
}

#[test]
fn requests_come_and_go_in_the_log() {
    run(async {
        let sim = Sim::new(2, 3, EngineConfig::default());
        let c = sim.handle(2);
        let kinds = of_kinds(&[Kind::Request, Kind::RequestGone, Kind::Contact]);
        let mut log = c.log();
        for from in [0, 1] {
            sim.handle(from).add(sim.id(2)).await.unwrap();
        }
        while c.requests().len() < 2 || read(&c, 0, 9, &kinds).await.len() < 2 {
            log.changed().await;
        }
        assert_eq!(c.request_records().len(), 2);
        c.change(sim.id(0), ContactChange::Accept).await.unwrap();
        c.change(sim.id(1), ContactChange::Refuse).await.unwrap();
        let told = read(&c, 0, 1, &kinds).await;
        assert_eq!(
            names(&told),
            [Kind::Request, Kind::Request, Kind::Contact, Kind::RequestGone, Kind::RequestGone],
            "{told:?}"
        );
        let about = |n: usize| Filter { kinds: None, peers: Some(vec![sim.id(n).into()]) };
        assert!(read(&c, 0, 3, &about(1)).await.iter().all(|e| e.what.conversation() == Some(sim.id(1).into())));
    });
}

#[test]
fn no_event_without_its_change_and_no_change_without_its_event_over_kills() {
    run(async {
        let mut sim = Sim::new(3, 2, EngineConfig::default());
        sim.befriend_all().await;
        let mut accepted = Vec::new();
        for round in 0..40u64 {
            let (a, b) = (sim.handle(0), sim.handle(1));
            let sending: Vec<_> = (0..5)
                .map(|n| {
                    let (a, to) = (a.clone(), sim.id(1));
                    tokio::spawn(async move { a.send(to, format!("{round}.{n}")).await })
                })
                .collect();
            let seen = tokio::spawn({
                let from = sim.id(0);
                async move { b.seen(from, i64::MAX).await }
            });
            // Any point: before, within and after commits of both.
            tokio::time::sleep(Duration::from_millis(round % 13)).await;
            let victim = usize::from(round % 2 == 0);
            sim.kill(victim).await;
            for send in sending {
                accepted.extend(send.await.unwrap().ok());
            }
            let _ = seen.await.unwrap();
            sim.start(victim);
            tokio::time::sleep(Duration::from_millis(round * 50)).await;
        }
        assert!(sim.settled(HOUR).await);
        assert!(accepted.len() > 40, "{} were accepted", accepted.len());
        for n in [0, 1] {
            let handle = sim.handle(n);
            let events = all(&handle).await;
            assert_eq!(events.iter().map(|e| e.seq).collect::<Vec<_>>(), (1..=handle.log().last()).collect::<Vec<_>>());
            let mut told: BTreeMap<MessageId, Vec<Kind>> = BTreeMap::new();
            for event in &events {
                if let Some(mid) = mid(event) {
                    told.entry(mid).or_default().push(event.what.kind());
                }
            }
            let (messages, more) = handle.page(sim.id(1 - n), Page::Last, 1_000).await.unwrap();
            assert!(!more);
            assert_eq!(told.len(), messages.len(), "every event is about a message that is there");
            for message in &messages {
                let mut kinds = told.remove(&message.mid).unwrap();
                let times = |kind| kinds.iter().filter(|other| **other == kind).count();
                match message.dir {
                    Direction::Out => {
                        assert_eq!((kinds[0], *kinds.last().unwrap()), (Kind::Queued, Kind::Delivered));
                        assert_eq!((times(Kind::Queued), times(Kind::Delivered)), (1, 1));
                        // Once in each run that sends it.
                        kinds.retain(|kind| *kind != Kind::Sent);
                        assert_eq!(kinds.len(), 2);
                    }
                    Direction::In if message.state == MessageState::Unread => assert_eq!(kinds, [Kind::Received]),
                    _ => assert_eq!(kinds, [Kind::Received, Kind::Read]),
                }
            }
            if n == 0 {
                let there: Vec<_> = messages.iter().map(|message| message.mid).collect();
                assert!(accepted.iter().all(|mid| there.contains(mid)), "what was accepted is there");
            }
        }
    });
}

#[test]
fn memory_and_disk_tell_the_same_and_a_waiting_reader_is_woken() {
    run(async {
        let mut sim = Sim::new(4, 2, EngineConfig::default());
        sim.befriend_all().await;
        let a = sim.handle(0);
        let mut log = a.log();
        let waiting = tokio::spawn(async move {
            let from = log.last();
            log.changed().await;
            log.after(from, 10, &Filter::default()).await.unwrap()
        });
        tokio::task::yield_now().await;
        let id = a.send_with(sim.id(1), "wake up".into(), SendOptions::default()).await.unwrap().id;
        let woken = waiting.await.unwrap();
        assert!(
            woken.events.iter().any(|e| matches!(&e.what, What::Queued { message } if message.id == id)),
            "{woken:?}"
        );
        // More than memory keeps.
        for n in 0..400 {
            a.send(sim.id(1), format!("{n}")).await.unwrap();
        }
        assert!(sim.settled(HOUR).await);
        let live = all(&a).await;
        assert!(live.len() > 1_200);
        let bites = read(&a, 0, 1, &Filter::default()).await;
        assert_eq!(live, bites);
        let last = a.log().last();
        sim.kill(0).await;
        sim.start(0);
        let a = sim.handle(0);
        let mut again = all(&a).await;
        again.truncate(live.len());
        assert_eq!(again, live, "after a restart");
        assert!(matches!(a.log().after(u64::MAX, 1, &Filter::default()).await, Err(Refusal::BadValue(_))));
        assert!(a.log().last() >= last);
    });
}

#[test]
fn removed_events_are_announced() {
    run(async {
        let config = EngineConfig { events_kept: 50, ..EngineConfig::default() };
        let mut sim = Sim::new(5, 2, config);
        sim.befriend_all().await;
        sim.kill(1).await;
        let a = sim.handle(0);
        for n in 0..300 {
            a.send(sim.id(1), format!("{n}")).await.unwrap();
        }
        sim.kill(0).await;
        sim.start(0);
        let a = sim.handle(0);
        let log = a.log();
        // Every number is there or in a gap. What the conversation did not say is there, the end of the log, too.
        let events = all(&a).await;
        let mut next = 1;
        for event in &events {
            let from = if let What::Gap { from, .. } = event.what { from } else { event.seq };
            assert_eq!(from, next, "{event:?}");
            next = event.seq + 1;
        }
        assert_eq!(next, log.last() + 1);
        let gaps = |events: &[Event]| events.iter().filter(|e| e.what.kind() == Kind::Gap).cloned().collect::<Vec<_>>();
        assert!(events.len() - gaps(&events).len() < 200 && !gaps(&events).is_empty(), "{events:?}");
        assert!(events.iter().any(|event| event.what.kind() == Kind::Tor), "{:?}", names(&events));
        let numbers = |events: &[Event]| events.iter().map(|e| (e.what.clone(), e.seq)).collect::<Vec<_>>();
        let filtered = read(&a, 0, 100, &of_kinds(&[Kind::Read])).await;
        assert_eq!(numbers(&gaps(&filtered)), numbers(&gaps(&events)), "a gap passes every filter");
        let status = a.status().to_json();
        assert_eq!(status["events"]["last"], log.last());
        assert_eq!(status["events"]["consumers"], 0);
    });
}

#[test]
fn a_daemon_that_was_off_for_long_drops_what_is_too_old() {
    run(async {
        let config = EngineConfig { events_days: 1, ..EngineConfig::default() };
        let mut sim = Sim::new(6, 2, config);
        sim.befriend_all().await;
        assert!(sim.settled(HOUR).await);
        let before = sim.handle(0).log().last();
        sim.kill(0).await;
        tokio::time::sleep(25 * HOUR).await;
        sim.start(0);
        let a = sim.handle(0);
        let log = a.log();
        // Not before the clock was calm.
        assert!(log.oldest() <= before);
        let dropped = async {
            while log.oldest() <= before {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::time::timeout(HOUR, dropped).await.unwrap();
        assert!(log.last() > before, "the new run was told");
    });
}

#[test]
fn cursors_are_durable_and_bounded() {
    run(async {
        let mut sim = Sim::new(7, 2, EngineConfig::default());
        sim.befriend_all().await;
        let a = sim.handle(0);
        let last = a.log().last();
        assert_eq!(a.cursor("bot").await.unwrap(), None);
        assert!(matches!(a.acknowledge("bot", last + 1_000).await, Err(Refusal::BadValue(_))));
        assert_eq!(a.acknowledge("bot", 2).await.unwrap(), 2);
        assert_eq!(a.acknowledge("bot", 1).await.unwrap(), 2, "never back");
        let together = futures::future::join_all((0..last).map(|n| a.acknowledge("bot", n + 1))).await;
        assert!(together.into_iter().all(|moved| moved.is_ok()));
        sim.kill(0).await;
        sim.start(0);
        let a = sim.handle(0);
        assert_eq!(a.cursor("bot").await.unwrap(), Some(last));
        for n in 1..1_000 {
            a.acknowledge(&format!("{n}"), 0).await.unwrap();
        }
        let refused = a.acknowledge("one more", 0).await.unwrap_err();
        assert_eq!(refused, Refusal::TooManyConsumers(1_000));
        assert_eq!(refused.code(), "too-many-consumers");
        assert_eq!(a.acknowledge("bot", 0).await.unwrap(), last, "the others go on");
        assert!(a.forget_cursor("7").await.unwrap());
        assert!(!a.forget_cursor("7").await.unwrap());
        assert_eq!(a.acknowledge("one more", 0).await.unwrap(), 0);
        let cursors = a.cursors().await.unwrap();
        assert_eq!(cursors.len(), 1_000);
        let bot = cursors.iter().find(|cursor| cursor.consumer == "bot").unwrap();
        assert_eq!((bot.seq, bot.behind), (last, a.log().last() - last));
        // An engine that is gone takes no acknowledgement and keeps nobody waiting.
        sim.kill(0).await;
        assert_eq!(a.acknowledge("bot", a.log().last()).await, Err(Refusal::Stopping));
    });
}

#[test]
fn one_key_is_one_message() {
    run(async {
        let mut sim = Sim::new(8, 3, EngineConfig::default());
        sim.befriend_all().await;
        sim.kill(1).await;
        let a = sim.handle(0);
        let key = |key: &str| SendOptions { client_id: Some(key.into()), ..SendOptions::default() };
        let five = futures::future::join_all((0..5).map(|_| a.send_with(sim.id(1), "once".into(), key("k")))).await;
        let five: Vec<_> = five.into_iter().map(Result::unwrap).collect();
        assert_eq!(five.iter().filter(|accepted| !accepted.duplicate).count(), 1);
        assert!(five.iter().all(|accepted| (accepted.id, accepted.mid) == (five[0].id, five[0].mid)));
        assert_eq!(a.send_with(sim.id(1), "other".into(), key("k")).await, Err(Refusal::ClientIdReused));
        assert_eq!(a.send_with(sim.id(2), "once".into(), key("k")).await, Err(Refusal::ClientIdReused));
        // Killed at any point of a commit and asked again, it is one message all the same.
        for n in 0..20u64 {
            let a = sim.handle(0);
            let to = sim.id(1);
            let first = tokio::spawn(async move { a.send_with(to, "again".into(), key(&format!("{n}"))).await });
            tokio::time::sleep(Duration::from_millis(n % 5)).await;
            sim.kill(0).await;
            let first = first.await.unwrap();
            sim.start(0);
            let again = sim.handle(0).send_with(to, "again".into(), key(&format!("{n}"))).await.unwrap();
            if let Ok(first) = first {
                assert_eq!((first.id, first.mid, true), (again.id, again.mid, again.duplicate));
            }
        }
        let a = sim.handle(0);
        let (messages, _) = a.page(sim.id(1), Page::Last, 1_000).await.unwrap();
        assert_eq!(messages.len(), 21);
        assert_eq!(messages[0].client_id.as_deref(), Some("k"));
        sim.start(1);
        assert!(sim.settled(HOUR).await);
        let again = a.send_with(sim.id(1), "once".into(), key("k")).await.unwrap();
        assert_eq!((again.state, again.duplicate), (MessageState::Delivered, true));
        assert_eq!(sim.received(1, 0).await.len(), 21);
        // What was refused may be tried again under its key.
        let own = sim.id(0);
        assert_eq!(a.send_with(own, "me".into(), key("own")).await, Err(Refusal::ToSelf));
        assert!(a.send_with(sim.id(2), "you".into(), key("own")).await.is_ok());
    });
}

#[test]
fn a_message_ends_when_its_sender_said() {
    run(async {
        let mut sim = Sim::new(9, 2, EngineConfig::default());
        sim.befriend_all().await;
        sim.kill(1).await;
        let a = sim.handle(0);
        let expire = |seconds: i64| SendOptions { expire_ms: Some(seconds * 1_000), ..SendOptions::default() };
        let short = a.send_with(sim.id(1), "short".into(), expire(90)).await.unwrap();
        let long = a.send_with(sim.id(1), "long".into(), expire(7_200)).await.unwrap();
        let ended = a.wait_delivered(sim.id(1), short.mid, Duration::from_secs(95)).await;
        assert!(matches!(ended, DeliveryWait::Failed { .. }), "{ended:?}");
        let failed = read(&a, 0, 100, &of_kinds(&[Kind::Failed])).await;
        assert_eq!(failed.iter().map(mid).collect::<Vec<_>>(), [Some(short.mid)]);
        // The other one outlives its daemon, whose next run knows its end only by the wall clock.
        sim.kill(0).await;
        sim.start(0);
        let a = sim.handle(0);
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        assert_eq!(read(&a, 0, 100, &of_kinds(&[Kind::Failed])).await.len(), 1);
        tokio::time::sleep(Duration::from_secs(3_700)).await;
        let failed = read(&a, 0, 100, &of_kinds(&[Kind::Failed])).await;
        assert_eq!(failed.iter().map(mid).collect::<Vec<_>>(), [Some(short.mid), Some(long.mid)]);
        sim.start(1);
        let after = a.send_with(sim.id(1), "after".into(), expire(7_200)).await.unwrap();
        assert_eq!(a.wait_delivered(sim.id(1), after.mid, HOUR).await, DeliveryWait::Delivered);
        assert_eq!(sim.received(1, 0).await, ["after"]);
        let (messages, _) = a.page(sim.id(1), Page::Last, 3).await.unwrap();
        let reasons: Vec<_> = messages.iter().map(|m| (m.state, m.reason.as_deref())).collect();
        assert_eq!(
            reasons,
            [
                (MessageState::Failed, Some("not delivered in 90 s")),
                (MessageState::Failed, Some("not delivered in 2 h")),
                (MessageState::Delivered, None)
            ]
        );
    });
}

#[test]
fn what_is_seen_elsewhere_is_not_handed_out_by_update() {
    run(async {
        let mut sim = Sim::new(10, 2, EngineConfig::default());
        sim.befriend_all().await;
        let texts: Vec<_> = (0..50).map(|n| format!("{n}")).collect();
        for text in &texts {
            sim.handle(0).send(sim.id(1), text.clone()).await.unwrap();
        }
        assert!(sim.settled(HOUR).await);
        let (b, from) = (sim.handle(1), sim.id(0));
        let unread = |b: Handle| async move { b.conversations().await.unwrap()[0].unread };
        assert_eq!(unread(b.clone()).await, 50);
        let (rows, _) = b.page(from, Page::After(0), 40).await.unwrap();
        assert_eq!(b.seen(from, rows[39].id).await.unwrap(), 40);
        assert_eq!((unread(b.clone()).await, b.unread_peers()), (10, vec![from]));
        let mut taken = Vec::new();
        let mut b = b;
        while let Some(lease) = b.lease(from).await {
            taken.push(lease.text.clone());
            b.take(lease).await;
            if taken.len() == 5 {
                assert_eq!(unread(b.clone()).await, 5, "UPDATE reads");
                sim.kill(1).await;
                sim.start(1);
                b = sim.handle(1);
                assert_eq!(b.unread_peers(), [from]);
            }
        }
        assert_eq!(taken, texts[40..], "each once, in order, also over a restart");
        assert_eq!(unread(b.clone()).await, 0, "UPDATE reads");
        assert!(b.unread_peers().is_empty());
        assert_eq!(b.status().to_json()["unread_bytes"], 0);
        let read_events = read(&b, 0, 100, &of_kinds(&[Kind::Read])).await;
        assert_eq!(read_events.len(), 50, "each was read once");
    });
}

#[test]
fn seeing_makes_room_for_what_waits() {
    run(async {
        let mut config = EngineConfig::default();
        config.policy.unread_bytes_per_peer = 10 * (100 + ROW_BYTES);
        let sim = Sim::new(11, 2, config);
        sim.befriend_all().await;
        for _ in 0..30 {
            sim.handle(0).send(sim.id(1), "x".repeat(100)).await.unwrap();
        }
        sim.received_at_least(1, 0, 10, HOUR).await;
        assert!(!sim.settled(Duration::from_secs(60)).await, "more than may be unread");
        let (b, from) = (sim.handle(1), sim.id(0));
        for count in [20, 30] {
            assert_eq!(b.seen(from, i64::MAX).await.unwrap(), 10);
            sim.received_at_least(1, 0, count, Duration::from_secs(60)).await;
        }
        assert!(sim.settled(HOUR).await);
    });
}

#[test]
fn search_and_conversations_know_the_newest() {
    run(async {
        let mut config = EngineConfig::default();
        config.policy.strangers = Strangers::Open;
        let sim = Sim::new(12, 3, config);
        sim.handle(1).send(sim.id(0), "an apple from one".into()).await.unwrap();
        assert!(sim.settled(HOUR).await);
        sim.handle(2).send(sim.id(0), "an apple from two".into()).await.unwrap();
        assert!(sim.settled(HOUR).await);
        let a = sim.handle(0);
        a.send(sim.id(1), "no pear".into()).await.unwrap();
        let found = a.search("apple".into(), None, None, 50).await.unwrap();
        assert_eq!((found.more, found.complete), (false, true));
        let texts = |messages: &[torchat_protocol::control::api::record::Message]| {
            messages.iter().map(|message| message.text.clone()).collect::<Vec<_>>()
        };
        assert_eq!(texts(&found.messages), ["an apple from two", "an apple from one"]);
        let found = a.search("apple".into(), Some(vec![sim.id(1).into()]), None, 50).await.unwrap();
        assert_eq!(texts(&found.messages), ["an apple from one"]);
        assert!(a.search("apple".into(), Some(Vec::new()), None, 50).await.unwrap().messages.is_empty());
        let first = a.search("a*".into(), None, None, 1).await.unwrap();
        assert!(first.more);
        let second = a.search("a*".into(), None, Some(first.messages[0].id), 1).await.unwrap();
        assert_eq!((texts(&second.messages), second.more), (vec!["an apple from one".to_owned()], false));
        assert_eq!(a.search("!?".into(), None, None, 1).await.unwrap_err().code(), "bad-value");

        a.change(sim.id(2), ContactChange::Remove).await.unwrap();
        let conversations = a.conversations().await.unwrap();
        let glance: Vec<_> = conversations
            .iter()
            .map(|c| (c.contact.peer.0, c.contact.state, c.unread, c.last.as_ref().map(|last| last.text.as_str())))
            .collect();
        assert_eq!(
            glance,
            [
                (sim.id(1), ContactState::Contact, 1, Some("no pear")),
                (sim.id(2), ContactState::Stranger, 1, Some("an apple from two"))
            ]
        );
    });
}

#[test]
fn a_full_disk_is_told_and_nothing_is_half_done() {
    run(async {
        let mut sim = Sim::new(13, 2, EngineConfig::default());
        sim.befriend_all().await;
        sim.handle(0).send(sim.id(1), "apple".into()).await.unwrap();
        assert!(sim.settled(HOUR).await);
        let last = sim.handle(1).log().last();
        sim.store(1).lock().set_max_bytes(1).unwrap();
        let b = sim.handle(1);
        let mut refused = None;
        // What is free within the file is filled first.
        for n in 0..200 {
            if let Err(refusal) = b.send(sim.id(0), format!("{n} {}", "x".repeat(20_000))).await {
                refused = Some(refusal);
                break;
            }
        }
        assert!(matches!(refused, Some(Refusal::Storage(_))), "{refused:?}");
        let events = read(&b, last, 100, &of_kinds(&[Kind::Queued])).await;
        let (messages, _) = b.page(sim.id(0), Page::Last, 1_000).await.unwrap();
        let sent = messages.iter().filter(|message| message.dir == Direction::Out).count();
        assert_eq!(events.len(), sent);
        // It takes a row's room at most, which may be there.
        let seen = b.seen(sim.id(0), i64::MAX).await;
        assert!(matches!(seen, Ok(1) | Err(Refusal::Storage(_))), "{seen:?}");
        let found = b.search("apple".into(), None, None, 9).await.unwrap();
        assert!(found.complete || found.messages.is_empty(), "what is not indexed is not claimed: {found:?}");
        sim.store(1).lock().set_max_bytes(1 << 30).unwrap();
        let writes = async {
            while b.seen(sim.id(0), i64::MAX).await.is_err() {
                tokio::time::sleep(Duration::from_secs(1)).await
            }
        };
        tokio::time::timeout(HOUR, writes).await.unwrap();
        let found = b.search("apple".into(), None, None, 9).await.unwrap();
        assert_eq!((found.messages.len(), found.complete), (1, true));
        let (events, expected) = (all(&b).await, b.log().last());
        assert_eq!(events.iter().map(|e| e.seq).collect::<Vec<_>>(), (1..=expected).collect::<Vec<_>>());
        sim.stop(1).await;
    });
}

#[test]
fn tokens_outlive_the_daemon() {
    run(async {
        let mut sim = Sim::new(14, 2, EngineConfig::default());
        let token = TokenRow {
            name: "cron".into(),
            rights: vec![Right::Send],
            peers: Some(vec![sim.id(1).into()]),
            stored_key: [1; 32],
            server_key: [2; 32],
            created_ms: 3,
            expires_ms: None,
        };
        sim.handle(0).put_token(token.clone()).await.unwrap();
        sim.kill(0).await;
        sim.start(0);
        let a = sim.handle(0);
        assert_eq!(a.tokens().await.unwrap(), [token]);
        assert!(a.drop_token("cron").await.unwrap());
        assert!(!a.drop_token("cron").await.unwrap());
        assert!(a.tokens().await.unwrap().is_empty());
    });
}
