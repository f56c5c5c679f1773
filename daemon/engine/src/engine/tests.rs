//! What clients are told when a turn, the store, and their question meet at a bad moment.
#![allow(clippy::unwrap_used)]
mod erasing;
mod rooms;

use super::{Engine, EngineConfig, Running, Storage, StoreLost, World};
use crate::handle::{DeliveryWait, Handle, Refusal, SendOptions, Sending, Trouble};
use crate::mailbox::Event;
use crate::store::Store;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use torchat_core::handshake::LocalIdentity;
use torchat_protocol::control::reason::Reason;
use torchat_protocol::id::PeerId;
use torchat_transport::clock::Clock;
use torchat_transport::memory::{SimulatedNetwork, Weather};
use torchat_transport::randomness::Randomness;

const MINUTE: Duration = Duration::from_secs(60);

fn identity(n: u8) -> LocalIdentity {
    LocalIdentity::from_seeds(&[n + 100; 32], &[n; 32], 1_800_000_000).unwrap()
}

/// An engine whose peer is never there, and whose commits take two milliseconds of paused time.
struct Place {
    running: Running,
    store: Arc<Mutex<Store>>,
    peer: PeerId,
}

fn network() -> SimulatedNetwork {
    SimulatedNetwork::new(1, Weather::default())
}

fn start(n: u8, storage: Storage, network: &SimulatedNetwork) -> Running {
    let own = identity(n);
    let network = network.attach(own.peer_id());
    let world = World { clock: Clock::simulated(1_800_000_000_000), randomness: Randomness::seeded(n.into()) };
    Engine::start(EngineConfig::default(), own, storage, network, world).unwrap()
}

fn place_in(network: &SimulatedNetwork) -> Place {
    let store = Arc::new(Mutex::new(Store::in_memory().unwrap()));
    let running = start(1, Storage::Shared(store.clone()), network);
    Place { running, store, peer: identity(2).peer_id() }
}

fn place() -> Place {
    place_in(&network())
}

impl Place {
    fn handle(&self) -> &Handle {
        &self.running.handle
    }

    /// Gives the engine a text, and returns when its commit is under way.
    async fn being_committed(&self, text: &str) -> Sending {
        // The turns of the start are over.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let sending = self.handle().begin_send(self.peer.into(), text.into(), SendOptions::default()).await.unwrap();
        while self.handle().mailbox.capacity() < self.handle().mailbox.max_capacity() {
            tokio::task::yield_now().await;
        }
        sending
    }

    async fn wait_in_the_mailbox(&self, text: &str) -> Sending {
        self.handle().begin_send(self.peer.into(), text.into(), SendOptions::default()).await.unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_message_that_has_ended_is_told_how() {
    let place = place();
    let (handle, peer) = (place.handle(), place.peer);
    let taken_back = handle.send(peer, "taken back".into()).await.unwrap();
    let short = SendOptions { expire_ms: Some(60_000), ..SendOptions::default() };
    let expired = handle.send_with(peer, "too late".into(), short).await.unwrap().mid;
    let waits = handle.send(peer, "waits".into()).await.unwrap();
    handle.cancel(peer, taken_back).await.unwrap();
    tokio::time::sleep(2 * MINUTE).await;
    let failed = |reason| DeliveryWait::Failed { reason };
    assert_eq!(handle.wait_delivered(peer, taken_back, MINUTE).await, failed(Reason::TakenBack));
    assert_eq!(handle.wait_delivered(peer, expired, MINUTE).await, failed(Reason::Expired { seconds: None }));
    assert!(matches!(handle.wait_delivered(peer, waits, MINUTE).await, DeliveryWait::NotYet { .. }));
    // As a delivery leaves it behind.
    place.store.lock().connection().execute("UPDATE message SET state = 1 WHERE mid = ?1", [taken_back.0]).unwrap();
    assert_eq!(handle.wait_delivered(peer, taken_back, MINUTE).await, DeliveryWait::Delivered);
}

#[tokio::test(start_paused = true)]
async fn what_was_durable_before_the_store_was_given_up_is_answered_so() {
    let place = place();
    let durable = place.being_committed("durable").await;
    place.handle().mailbox.send(Event::Condemned("a test says so".into())).await.ok().unwrap();
    let late = place.wait_in_the_mailbox("late").await;
    let accepted = durable.accepted().await.unwrap();
    let refused = late.accepted().await.unwrap_err();
    assert!(matches!(&refused, Refusal::Storage(not) if not.trouble == Trouble::Damaged), "{refused}");
    let (messages, _) = place.handle().page(place.peer, crate::handle::Page::Last, 10).await.unwrap();
    assert_eq!(messages.iter().map(|message| message.id).collect::<Vec<_>>(), [accepted.id]);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_store_is_given_up_although_nothing_else_happens() {
    let place = place();
    let durable = place.being_committed("durable").await;
    place.handle().mailbox.send(Event::Condemned("a test says so".into())).await.ok().unwrap();
    durable.accepted().await.unwrap();
    tokio::time::timeout(Duration::from_secs(1), async {
        while place.handle().store.trouble() != Some(Trouble::Damaged) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_node_that_may_be_ahead_of_its_store_makes_no_turn() {
    let place = place();
    let rename = |from: &str, to: &str| {
        let sql = format!("ALTER TABLE {from} RENAME TO {to}");
        place.store.lock().connection().execute_batch(&sql).unwrap();
    };
    place.wait_in_the_mailbox("stored").await.accepted().await.unwrap();
    let fails = place.being_committed("fails").await;
    let waits = place.wait_in_the_mailbox("waits").await;
    // Neither written nor read, and whole again as soon as that is known.
    rename("message", "gone");
    let refused = fails.accepted().await.unwrap_err();
    rename("gone", "message");
    assert!(matches!(refused, Refusal::Storage(_)), "{refused}");
    assert_eq!(waits.accepted().await, Err(Refusal::Stopping));
    assert_eq!(place.running.join.await.unwrap(), Err(StoreLost));
    let texts = "SELECT group_concat(text) FROM message";
    let texts: String = place.store.lock().connection().query_row(texts, [], |row| row.get(0)).unwrap();
    assert_eq!(texts, "stored");
}

#[tokio::test]
async fn a_store_whose_thread_is_gone_leaves_open_what_was_stored() {
    let dir = tempfile::tempdir().unwrap();
    let storage = Storage::File { path: dir.path().join("torchat.db"), max_bytes: None };
    let (running, peer) = (start(1, storage, &network()), identity(2).peer_id());
    running.handle.send(peer, "stored".into()).await.unwrap();
    let gone = running.handle.jobs.run(|_| panic!("a test says so")).await;
    assert!(gone.is_err());
    let refused = running.handle.send(peer, "perhaps".into()).await.unwrap_err();
    assert!(matches!(refused, Refusal::Unsure(_)), "{refused}");
    assert_eq!(running.join.await.unwrap(), Err(StoreLost));
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_and_cannot_be_read_for_its_link_is_accepted_all_the_same() {
    let network = network();
    let (place, other) = (place_in(&network), start(2, Storage::in_memory().unwrap(), &network));
    let (handle, peer) = (place.handle(), place.peer);
    other.handle.add(handle.own()).await.unwrap();
    let first = handle.send(peer, "first".into()).await.unwrap();
    assert_eq!(handle.wait_delivered(peer, first, 10 * MINUTE).await, DeliveryWait::Delivered);
    let run = |sql: &str| place.store.lock().connection().execute_batch(sql).unwrap();
    // What is no text cannot be read, and is stored all the same.
    run("CREATE TEMP TRIGGER spoil AFTER INSERT ON message
         BEGIN UPDATE message SET text = CAST(x'ff' AS TEXT) WHERE id = NEW.id; END");
    let spoilt = handle.send_with(peer, "second".into(), SendOptions::default()).await.unwrap();
    assert!(handle.store.trouble().is_some(), "its link is up, so it was read");
    run("DROP TRIGGER spoil");
    let waits = handle.wait_delivered(peer, spoilt.mid, 10 * MINUTE);
    let mend = async {
        tokio::time::sleep(MINUTE).await;
        run("UPDATE message SET text = 'second' WHERE typeof(text) = 'text' AND text = CAST(x'ff' AS TEXT)");
    };
    assert_eq!(tokio::join!(waits, mend).0, DeliveryWait::Delivered);
    let queued = "SELECT count(*) FROM event WHERE kind = 2";
    let queued: i64 = place.store.lock().connection().query_row(queued, [], |row| row.get(0)).unwrap();
    assert_eq!((queued, handle.log().last()), (2, place.store.lock().log_edges().last));
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_sent_to_the_store_when_the_node_is_made_anew_from_it() {
    let place = place();
    let (handle, peer) = (place.handle(), place.peer);
    let mid = handle.send(peer, "waits".into()).await.unwrap();
    let waits = handle.wait_delivered(peer, mid, 10 * MINUTE);
    let rebuilt = async {
        tokio::time::sleep(MINUTE).await;
        // As a turn leaves it behind whose outcome was not known.
        place.store.lock().connection().execute("UPDATE message SET state = 1", []).unwrap();
        handle.mailbox.send(Event::Condemned("a test says so".into())).await.ok().unwrap();
    };
    assert_eq!(tokio::join!(waits, rebuilt).0, DeliveryWait::Delivered);
}
