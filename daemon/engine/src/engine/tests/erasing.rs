//! Erasing while the store is full, is read, or is to be cleaned later.

use super::*;
use crate::handle::{EraseOptions, ErasedCount, Page};
use crate::store::open_reader;
use torchat_core::input::ContactChange;
use torchat_core::op::{ChatOp, Op};
use torchat_protocol::id::{Chain, LaneId, MessageId};

const MARKER: &str = "xylophonemarker";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// As `count` messages from the peer leave them.
fn received(store: &mut Store, peer: PeerId, count: u64, text: &str) {
    let message = |n: u64| {
        let mut mid = [0; 16];
        mid[..8].copy_from_slice(&n.to_be_bytes());
        let (lane, chain, mid, text) = (LaneId([7; 8]), Chain([0; 16]), MessageId(mid), text.to_owned());
        Op::Chat(ChatOp::Receive { peer, lane, seq: n, chain, mid, sent_s: 60, at_ms: 1_000, text })
    };
    store.commit(0, &(1..=count).map(message).collect::<Vec<_>>()).unwrap();
    store.commit(0, &[Op::Chat(ChatOp::ReadUpto { peer, upto: i64::MAX, limit: 999 })]).unwrap();
}

#[tokio::test(start_paused = true)]
async fn mail_in_the_same_turn_keeps_nobody_from_erasing_in_a_full_store() {
    let place = place();
    tokio::time::sleep(Duration::from_millis(100)).await;
    {
        let mut store = place.store.lock();
        received(&mut store, place.peer, 20, &"x".repeat(60_000));
        store.set_max_bytes(1 << 20).unwrap();
    }
    // Both wait when the engine looks: they are one turn.
    let mail = place.wait_in_the_mailbox(&"y".repeat(60_000)).await;
    let erased = place.handle().erase(place.peer, EraseOptions::default()).await;
    let refused = mail.accepted().await.unwrap_err();
    assert!(matches!(&refused, Refusal::Storage(not) if not.trouble == Trouble::Full), "{refused}");
    assert_eq!(erased, Ok(ErasedCount { erased: 20, kept: 0 }));
}

#[tokio::test]
async fn while_somebody_reads_an_erasing_is_not_answered() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("torchat.db");
    let peer = identity(2).peer_id();
    received(&mut Store::open(&path).unwrap(), peer, 20, MARKER);
    let running = start(1, Storage::File { path: path.clone(), max_bytes: None }, &network());
    let handle = running.handle.clone();
    let reader = open_reader(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM message").unwrap();
    let erasing = tokio::spawn({
        let handle = handle.clone();
        async move { handle.erase(peer, EraseOptions::default()).await }
    });
    while !handle.page(peer, Page::Last, 1).await.unwrap().0.is_empty() {
        tokio::task::yield_now().await;
    }
    // Others' commits do not wait for the reader.
    handle.send(peer, "meanwhile".into()).await.unwrap();
    assert!(!erasing.is_finished(), "its texts are in the log");
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(erasing.await.unwrap(), Ok(ErasedCount { erased: 20, kept: 0 }));
    for file in std::fs::read_dir(dir.path()).unwrap().map(Result::unwrap) {
        let bytes = std::fs::read(file.path()).unwrap();
        assert!(!bytes.windows(MARKER.len()).any(|window| window == MARKER.as_bytes()), "{:?}", file.file_name());
    }
    running.kill().await;
}

#[tokio::test(start_paused = true)]
async fn traces_of_what_was_too_old_go_within_a_day() {
    let network = network();
    let place = place_in(&network);
    let (handle, peer) = (place.handle(), place.peer);
    handle.change(peer, ContactChange::Retain(Some(1))).await.unwrap();
    tokio::time::sleep(25 * MINUTE).await;
    received(&mut place.store.lock(), peer, 20, MARKER);
    let due = || {
        let sql = "SELECT (SELECT count(*) FROM message), coalesce((SELECT value FROM meta WHERE name = 'traces'), 0)";
        let found = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
        place.store.lock().connection().query_row(sql, [], found).unwrap()
    };
    tokio::time::sleep(11 * MINUTE).await;
    assert_eq!(due(), (0, 1), "they are erased, and only the log is folded");
    tokio::time::sleep(DAY).await;
    assert_eq!(due(), (0, 0));
}
