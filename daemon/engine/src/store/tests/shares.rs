//! One peer's events push out nobody else's, and no clock that was wrong for a moment removes any.

use super::super::events;
use super::*;
use torchat_core::op::ChatOp;

fn notice() -> Op {
    super::notice("x", None)
}

/// Whose events the log holds.
fn owners(store: &Store, who: PeerId) -> usize {
    log(store).iter().filter(|event| event.what.conversation() == Some(who.into())).count()
}

/// Removes what is too much, as later commits do.
fn settle(store: &mut Store, at_ms: i64) {
    while store.trim(at(at_ms), 4_096).unwrap().0 {}
}

#[test]
fn a_flood_of_one_peer_pushes_out_nobody_elses_events() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("torchat.db");
    let mut store = Store::open(&path).unwrap();
    store.set_retention(Retention { events: 4_000, age_ms: i64::MAX });
    let (bob, eve) = (peer(1), peer(2));
    store.commit(0, &[contact(bob), contact(eve)]).unwrap();
    let mut n = 0;
    let mut flood = |store: &mut Store, turns: u64| {
        for _ in 0..turns {
            let ops: Vec<_> = (n + 1..=n + 100).map(|n| receive(eve, n, "")).collect();
            n += 100;
            store.commit(0, &ops).unwrap();
        }
    };
    for m in 1..=300 {
        store.commit(0, &[receive(bob, m, "to keep"), notice()]).unwrap();
        flood(&mut store, 1);
    }
    let kept = owners(&store, bob);
    assert_eq!(kept, 300, "every event of bob's, of {} in the log", log(&store).len());
    flood(&mut store, 100);
    settle(&mut store, 0);
    let edges = store.log_edges();
    assert_eq!(owners(&store, bob), 300);
    assert!(log(&store).iter().any(|event| matches!(event.what, What::Notice { .. })), "the daemon's own stay");
    let rows: i64 = store.db.query_row("SELECT count(*) FROM event", [], |row| row.get(0)).unwrap();
    assert!(rows <= 4_000, "{rows} rows");
    assert!(owners(&store, eve) >= 500, "its part stays, the newest of it");
    let newest = log(&store).last().unwrap().clone();
    assert_eq!((newest.seq, newest.what.kind()), (edges.last, Kind::Received));
    // Counted anew at a start, it goes on in the same way.
    drop(store);
    let mut store = Store::open(&path).unwrap();
    store.set_retention(Retention { events: 4_000, age_ms: i64::MAX });
    assert_eq!(store.log_edges(), edges);
    flood(&mut store, 100);
    settle(&mut store, 0);
    assert_eq!(owners(&store, bob), 300);
    let rows: i64 = store.db.query_row("SELECT count(*) FROM event", [], |row| row.get(0)).unwrap();
    assert!(rows <= 4_000, "{rows} rows");
}

#[test]
fn what_is_removed_in_between_is_announced() {
    let mut store = Store::in_memory().unwrap();
    store.set_retention(Retention { events: 300, age_ms: i64::MAX });
    let (bob, eve) = (peer(1), peer(2));
    for m in 1..=50 {
        let mut ops = vec![receive(bob, m, "to keep")];
        ops.extend((20 * m..20 * (m + 1)).map(|n| receive(eve, n, "")));
        store.commit(0, &ops).unwrap();
    }
    settle(&mut store, 0);
    let read = log(&store);
    let mut next = read[0].seq;
    for event in &read {
        let from = if let What::Gap { from, .. } = event.what { from } else { event.seq };
        assert_eq!(from, next, "{event:?}");
        next = event.seq + 1;
    }
    assert_eq!(next, store.log_edges().last + 1);
    assert!(read.iter().any(|event| matches!(event.what, What::Gap { .. })));
    assert_eq!(read.iter().filter(|event| event.what.conversation() == Some(bob.into())).count(), 50);
}

#[test]
fn a_log_without_a_greedy_peer_loses_its_oldest() {
    let mut store = Store::in_memory().unwrap();
    store.set_retention(Retention { events: 1_000, age_ms: i64::MAX });
    for m in 1..=200 {
        let ops: Vec<_> = (0..16).map(|n| receive(peer(n), m, "x")).collect();
        store.commit(0, &ops).unwrap();
    }
    settle(&mut store, 0);
    let (edges, read) = (store.log_edges(), log(&store));
    assert_eq!((read.len() as u64, read[0].seq), (1_000, edges.oldest));
    assert_eq!(edges.last + 1 - edges.oldest, 1_000, "without a gap");
    assert_eq!(events::edges(store.connection()).unwrap(), edges);
}

#[test]
fn a_store_of_an_older_version_is_counted_from_here_on() {
    let mut store = Store::in_memory().unwrap();
    store.set_retention(Retention { events: 3_000, age_ms: i64::MAX });
    let ops: Vec<_> = (1..=2_500).map(|n| receive(peer(1), n, "old")).collect();
    store.commit(0, &ops).unwrap();
    // What an older version leaves: no counts at all.
    store.db.execute_batch("DELETE FROM event_share").unwrap();
    store.shares = None;
    for m in 1..=20 {
        let ops: Vec<_> = (100 * m..100 * (m + 1)).map(|n| receive(peer(2), n, "new")).collect();
        store.commit(0, &ops).unwrap();
    }
    settle(&mut store, 0);
    let rows: i64 = store.db.query_row("SELECT count(*) FROM event", [], |row| row.get(0)).unwrap();
    assert!((2_900..=3_000).contains(&rows), "{rows} rows");
}

#[test]
fn only_a_clock_that_is_believed_makes_events_and_keys_too_old() {
    let day = 24 * 3_600_000;
    let mut store = Store::in_memory().unwrap();
    let keyed = |n: u64, client: &str, at_ms| match queue(peer(1), n, "text") {
        Op::Chat(ChatOp::Queue { peer, mid, lane, seq, chain, text, .. }) => Op::Chat(ChatOp::Queue {
            peer,
            mid,
            lane,
            seq,
            chain,
            text,
            at_ms,
            until_ms: None,
            client: Some(client.into()),
        }),
        _ => unreachable!(),
    };
    store.commit(0, &[contact(peer(1)), keyed(1, "a", 0)]).unwrap();
    // A hundred days ahead, for a moment: far more commits than remove what is old.
    let wrong = Moment { at_ms: 100 * day, believed: None };
    for n in 2..=300 {
        store.commit_at(wrong, &[keyed(n, &format!("key {n}"), 100 * day)]).unwrap();
    }
    store.trim(None, 1_000).unwrap();
    assert_eq!(log(&store)[0].seq, 1, "nothing is too old to a clock that is not believed");
    let find = |store: &Store, believed| records::by_client_id(store.connection(), "a", believed).unwrap().is_some();
    assert!(find(&store, None), "the same key stays the same message");
    // Set right again: nothing is missing. And ahead for good: it goes.
    store.trim(at(day), 1_000).unwrap();
    assert!(log(&store)[0].seq == 1 && find(&store, at(day)));
    // What was noted before a leap counts from the leap on.
    let leapt = |now_ms| Some(Believed { now_ms, since_ms: 100 * day });
    store.trim(leapt(101 * day), 1_000).unwrap();
    assert!(log(&store)[0].seq == 1 && find(&store, leapt(101 * day)));
    assert!(!find(&store, leapt(131 * day)));
    store.trim(leapt(191 * day), 1_000).unwrap();
    assert!(log(&store).is_empty());
}
