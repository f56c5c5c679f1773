//! Marks of lost messages: merged, counted among what is unread, and given back.

use super::*;
use torchat_core::op::ChatOp;

fn lost(lane: u8, to: u64, count: u64) -> Op {
    let mut chain = [lane; 16];
    chain[..8].copy_from_slice(&to.to_be_bytes());
    let (peer, lane, chain, why) = (peer(1), LaneId([lane; 8]), Chain(chain), SkipReason::Lost);
    Op::Chat(ChatOp::Skip { peer, lane, to, chain, count, why, at_ms: 1_000 })
}

fn marks(store: &Store) -> Vec<(i64, i64, String)> {
    let mut query = store.db.prepare("SELECT seq, state, text FROM message WHERE dir = 2 ORDER BY id").unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

fn unread(store: &Store) -> u64 {
    let snapshot = query::snapshot(store.connection()).unwrap();
    snapshot.peers.iter().map(|row| row.unread_bytes).sum()
}

#[test]
fn neighbouring_marks_of_a_lane_are_one_that_counts() {
    let mut store = Store::in_memory().unwrap();
    let mut freed = 0;
    for to in 1..=1_000 {
        let applied = store.commit(0, &[lost(7, to, 1)]).unwrap();
        assert_eq!(kinds(&applied.events), [Kind::Lost]);
        freed += applied.freed.iter().map(|(_, bytes)| bytes).sum::<u64>();
    }
    assert_eq!(marks(&store), [(1_000, 0, "1000 messages were lost here, the peer says".into())]);
    assert_eq!(freed, 999 * ROW_BYTES, "what no row was made for is given back");
    assert_eq!(unread(&store), ROW_BYTES, "and a start counts the same");
    // A message between them: the next gap is another mark.
    let after = Op::Chat(ChatOp::Receive {
        peer: peer(1),
        lane: LaneId([7; 8]),
        seq: 1_001,
        chain: Chain([9; 16]),
        mid: mid(5),
        sent_s: 0,
        at_ms: 0,
        text: "text".into(),
    });
    store.commit(0, &[after, lost(7, 1_003, 2)]).unwrap();
    assert_eq!(marks(&store).len(), 2);
    assert_eq!(unread(&store), 3 * ROW_BYTES + 4);
    // Who has seen the conversation has read its marks; a gap that grows is news again.
    let applied = store.commit(0, &[Op::Chat(ChatOp::ReadUpto { peer: peer(1), upto: 99, limit: 99 })]).unwrap();
    assert_eq!(applied.freed.iter().map(|(_, bytes)| bytes).sum::<u64>(), 3 * ROW_BYTES + 4);
    assert_eq!(unread(&store), 0);
    let applied = store.commit(0, &[lost(7, 1_004, 1)]).unwrap();
    assert_eq!(applied.freed, []);
    assert_eq!(marks(&store)[1], (1_004, 0, "3 messages were lost here, the peer says".into()));
    assert_eq!(unread(&store), ROW_BYTES);
}

#[test]
fn two_losses_with_one_digest_in_two_lanes_are_two_marks() {
    let mut store = Store::in_memory().unwrap();
    let chain = Chain([3; 16]);
    for (lane, to) in [(1, 2), (2, 7)] {
        let lane = LaneId([lane; 8]);
        let why = SkipReason::Lost;
        store
            .commit(0, &[Op::Chat(ChatOp::Skip { peer: peer(1), lane, to, chain, count: to, why, at_ms: 0 })])
            .unwrap();
    }
    let texts: Vec<_> = marks(&store).into_iter().map(|mark| mark.2).collect();
    assert_eq!(texts, ["2 messages were lost here, the peer says", "7 messages were lost here, the peer says"]);
}

#[test]
fn a_repeated_loss_leaves_one_mark_and_costs_nothing() {
    let mut store = Store::in_memory().unwrap();
    store.commit(0, &[lost(7, 3, 3)]).unwrap();
    // Its lane was forgotten meanwhile.
    store.commit(0, &[Op::Chat(ChatOp::ForgetLane { peer: peer(1), lane: LaneId([7; 8]) })]).unwrap();
    let applied = store.commit(0, &[lost(7, 3, 3)]).unwrap();
    assert_eq!((kinds(&applied.events), applied.freed), (vec![], vec![(peer(1), ROW_BYTES)]));
    assert_eq!(marks(&store).len(), 1);
}

#[test]
fn a_store_of_before_counts_its_rows_and_merges_its_marks() {
    let mut store = Store::in_memory().unwrap();
    store.commit(0, &[contact(peer(1)), receive(peer(1), 1, ""), receive(peer(1), 2, "four"), lost(7, 5, 3)]).unwrap();
    // As the program of before wrote it: a mark is read at once, and its id is the lane's digest.
    let chain: Vec<u8> = store.db.query_row("SELECT chain FROM in_lane", [], |row| row.get(0)).unwrap();
    store.db.execute("UPDATE message SET state = 1, mid = ?1 WHERE dir = 2", [chain]).unwrap();
    store.known = apply::Known::default();
    assert_eq!(unread(&store), 2 * ROW_BYTES + 4, "texts and rows; a mark of before is read");
    store.commit(0, &[lost(7, 6, 1)]).unwrap();
    assert_eq!(marks(&store), [(6, 0, "4 messages were lost here, the peer says".into())]);
    assert_eq!(unread(&store), 3 * ROW_BYTES + 4);
    let applied = store.commit(0, &[Op::Chat(ChatOp::Read { peer: peer(1), row: 2 })]).unwrap();
    assert_eq!(applied.freed, [(peer(1), ROW_BYTES + 4)]);
}
