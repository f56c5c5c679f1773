//! ERASE, RETAIN and VERIFY, over the real core, engine and store.
#![allow(clippy::unwrap_used)]

use std::time::Duration;
use torchat_core::input::ContactChange;
use torchat_engine::EngineConfig;
use torchat_engine::handle::{
    DeliveryWait, ErasableCount, EraseOptions, ErasedCount, Handle, Page, Refusal, SendOptions,
};
use torchat_harness::sim::{Sim, run};
use torchat_protocol::control::api::event::{Event, Filter, Kind, What};
use torchat_protocol::id::PeerId;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

async fn texts(handle: &Handle, peer: PeerId) -> Vec<String> {
    let (page, _) = handle.page(peer, Page::Last, 1_000).await.unwrap();
    page.into_iter().map(|message| message.text).collect()
}

async fn events(handle: &Handle) -> Vec<Event> {
    let log = handle.log();
    let (mut after, mut events) = (0, Vec::new());
    while after < log.last() {
        let batch = log.after(after, 1_000, &Filter::default()).await.unwrap();
        after = batch.next;
        events.extend(batch.events);
    }
    events
}

/// Tells, and waits until it is there.
async fn tell(from: &Handle, to: PeerId, text: &str) {
    let sent = from.send(to, text.into()).await.unwrap();
    assert_eq!(from.wait_delivered(to, sent, HOUR).await, DeliveryWait::Delivered);
}

#[test]
fn a_conversation_is_erased_but_for_what_waits_and_no_event_shows_it() {
    run(async {
        let mut sim = Sim::new(1, 3, EngineConfig::default());
        sim.befriend_all().await;
        let (a, b) = (sim.handle(0), sim.handle(1));
        // More than one piece.
        for n in 0..300 {
            tell(&b, sim.id(0), &format!("secret {n}")).await;
        }
        tell(&a, sim.id(1), "secret answer").await;
        tell(&a, sim.id(2), "to somebody else").await;
        let options = SendOptions { client_id: Some("key".into()), ..SendOptions::default() };
        let keyed = a.send_with(sim.id(1), "secret with a key".into(), options.clone()).await.unwrap();
        assert_eq!(a.wait_delivered(sim.id(1), keyed.mid, HOUR).await, DeliveryWait::Delivered);
        sim.kill(1).await;
        a.send(sim.id(1), "it waits".into()).await.unwrap();
        let found = a.erasable(sim.id(1), EraseOptions::default()).await.unwrap();
        assert!(matches!(found, ErasableCount { erasable: 302, kept: 1, upto: 303.. }), "{found:?}");
        assert_eq!(texts(&a, sim.id(1)).await.len(), 303, "a count erases nothing");
        assert_eq!(a.erase(sim.id(1), EraseOptions::default()).await.unwrap(), ErasedCount { erased: 302, kept: 1 });
        assert_eq!(texts(&a, sim.id(1)).await, ["it waits"]);
        assert_eq!(texts(&a, sim.id(2)).await, ["to somebody else"]);
        assert!(a.unread_peers().is_empty(), "classic UPDATE hands nothing of it out");
        assert_eq!(a.lease(sim.id(1)).await, None);
        let told = events(&a).await;
        let secret = |event: &Event| match &event.what {
            What::Received { message } | What::Queued { message } => message.text.contains("secret"),
            _ => false,
        };
        assert!(!told.iter().any(secret), "neither from memory nor from the disk");
        assert!(told.iter().any(|event| event.what.kind() == Kind::Erased));
        let found = a.search("secret".into(), None, None, 9).await.unwrap();
        assert_eq!(found.messages.len(), 0);
        // The key is still known: nothing is sent twice.
        let again = a.send_with(sim.id(1), "secret with a key".into(), options).await.unwrap();
        assert_eq!((again.duplicate, again.mid), (true, keyed.mid));
        // To repeat it does nothing; the peer's copy is there.
        assert_eq!(a.erase(sim.id(1), EraseOptions::default()).await.unwrap(), ErasedCount { erased: 0, kept: 1 });
        sim.start(1);
        let b = sim.handle(1);
        assert_eq!(texts(&b, sim.id(0)).await.len(), 302);
    });
}

#[test]
fn a_kill_in_the_middle_of_an_erasing_leaves_whole_pieces_and_a_repeat_finishes_it() {
    run(async {
        let mut sim = Sim::new(2, 2, EngineConfig::default());
        sim.befriend_all().await;
        let (a, b) = (sim.handle(0), sim.handle(1));
        for n in 0..700 {
            b.send(sim.id(0), format!("secret {n}")).await.unwrap();
        }
        tell(&b, sim.id(0), "the last one").await;
        // The first piece is durable, the others are not begun.
        let (peer, engine) = (sim.id(1), a.clone());
        let erasing = tokio::spawn(async move { engine.erase(peer, EraseOptions::default()).await });
        while texts(&a, sim.id(1)).await.first().is_some_and(|text| text == "secret 0") {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        sim.kill(0).await;
        assert_eq!(erasing.await.unwrap(), Err(Refusal::Stopping));
        sim.start(0);
        let a = sim.handle(0);
        let left = texts(&a, sim.id(1)).await.len();
        assert!((1..701).contains(&left), "{left}");
        let count = a.erase(sim.id(1), EraseOptions::default()).await.unwrap();
        assert_eq!((count.erased as usize, texts(&a, sim.id(1)).await.len()), (left, 0));
        // What comes now is new.
        tell(&sim.handle(1), sim.id(0), "hello").await;
        assert_eq!(texts(&a, sim.id(1)).await, ["hello"]);
    });
}

#[test]
fn what_is_older_than_the_user_wants_to_keep_goes_when_it_is_read() {
    run(async {
        let sim = Sim::new(3, 2, EngineConfig::default());
        sim.befriend_all().await;
        let (a, b) = (sim.handle(0), sim.handle(1));
        tell(&b, sim.id(0), "read").await;
        let (page, _) = a.page(sim.id(1), Page::Last, 1).await.unwrap();
        a.seen(sim.id(1), page[0].id).await.unwrap();
        tell(&b, sim.id(0), "unread").await;
        a.change(sim.id(1), ContactChange::Retain(Some(2))).await.unwrap();
        tokio::time::sleep(DAY).await;
        assert_eq!(texts(&a, sim.id(1)).await, ["read", "unread"], "young enough");
        tell(&a, sim.id(1), "young").await;
        tokio::time::sleep(DAY + HOUR).await;
        assert_eq!(texts(&a, sim.id(1)).await, ["unread", "young"]);
        let contact = a.contacts().into_iter().find(|contact| contact.peer == sim.id(1)).unwrap();
        assert_eq!(contact.retain_days, Some(2));
        a.change(sim.id(1), ContactChange::Retain(None)).await.unwrap();
        tokio::time::sleep(10 * DAY).await;
        assert_eq!(texts(&a, sim.id(1)).await, ["unread", "young"], "nobody asked for it any more");
        assert_eq!(texts(&b, sim.id(0)).await, ["read", "unread", "young"]);
    });
}

#[test]
fn a_verified_contact_stays_so_over_a_restart_and_a_new_name() {
    run(async {
        let mut sim = Sim::new(4, 2, EngineConfig::default());
        sim.befriend_all().await;
        let a = sim.handle(0);
        a.change(sim.id(1), ContactChange::Verify { verified: true }).await.unwrap();
        a.change(sim.id(1), ContactChange::Rename(Some("Bob".into()))).await.unwrap();
        sim.kill(0).await;
        sim.start(0);
        let a = sim.handle(0);
        let verified = |a: &Handle| a.contact_records().into_iter().find_map(|contact| contact.verified);
        assert!(verified(&a).is_some());
        a.change(sim.id(1), ContactChange::Remove).await.unwrap();
        assert_eq!(verified(&a), None);
        let refused = a.change(sim.id(1), ContactChange::Verify { verified: true }).await;
        assert_eq!(refused, Err(Refusal::NoContact));
    });
}
