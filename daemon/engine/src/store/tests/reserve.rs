//! Whatever fills the store, the user can still block, remove and read.

use super::*;
use torchat_core::op::{ChatOp, ContactOp, LogOp};

fn full() -> Store {
    let mut store = Store::in_memory().unwrap();
    store.set_max_bytes(3 << 20).unwrap();
    let (eve, mut n) = (peer(1), 0);
    store.commit(0, &[contact(eve)]).unwrap();
    // Down to single rows: mail finds no place at all.
    for (count, bytes) in [(64, 4_000), (8, 400), (1, 0)] {
        loop {
            let ops: Vec<_> = (n + 1..=n + count).map(|n| receive(eve, n, &"x".repeat(bytes))).collect();
            match store.commit(0, &ops) {
                Ok(_) => n += count,
                Err(error) => {
                    assert!(matches!(error, StoreError::Full(_)), "{error}");
                    break;
                }
            }
        }
    }
    store
}

#[test]
fn a_full_store_still_takes_what_the_user_decides() {
    let mut store = full();
    let eve = peer(1);
    assert!(store.probe().is_err(), "mail waits");
    let view = ContactView {
        peer: eve,
        contact: false,
        petname: None,
        nick: None,
        blocked: true,
        linked: false,
        heard_ms_ago: None,
        hidden: false,
        waiting: false,
        queued: 0,
        verified_ms: None,
        retain_days: None,
    };
    let block = [
        Op::Contacts(ContactOp::Block { peer: eve, blocked: true }),
        Op::Contacts(ContactOp::Remove { peer: eve }),
        Op::Log(LogOp::Changed { contact: view.clone() }),
    ];
    for _ in 0..500 {
        store.commit(0, &block).unwrap();
    }
    let seen = store.commit(0, &[Op::Chat(ChatOp::ReadUpto { peer: eve, upto: i64::MAX, limit: 200 })]).unwrap();
    assert_eq!(seen.seen, [200]);
    assert!(matches!(store.commit(0, &[receive(peer(2), 1, "x")]), Err(StoreError::Full(_))), "not mail");
    let both = [receive(peer(2), 1, "x"), Op::Contacts(ContactOp::Block { peer: eve, blocked: true })];
    assert!(matches!(store.commit(0, &both), Err(StoreError::Full(_))), "nor mail that stands beside a decision");
}

#[test]
fn reading_leaves_a_part_of_the_reserve_to_decisions() {
    let mut store = full();
    let eve = peer(1);
    let notices: Vec<_> =
        (0..100).map(|_| Op::Chat(ChatOp::ReadUpto { peer: eve, upto: i64::MAX, limit: 1 })).collect();
    let mut refused = false;
    for _ in 0..2_000 {
        match store.commit(0, &notices) {
            Ok(done) if done.seen.iter().all(|seen| *seen == 0) => break,
            Ok(_) => {}
            Err(error) => {
                assert!(matches!(error, StoreError::Full(_)));
                refused = true;
                break;
            }
        }
    }
    for _ in 0..100 {
        store.commit(0, &[Op::Contacts(ContactOp::Block { peer: eve, blocked: true })]).unwrap();
    }
    assert!(refused || store.commit(0, &notices).is_ok());
}

#[test]
fn a_limit_that_is_set_later_leaves_a_reserve_as_well() {
    let mut store = Store::in_memory().unwrap();
    let ops: Vec<_> = (1..=2_000).map(|n| receive(peer(1), n, &"x".repeat(1_000))).collect();
    store.commit(0, &ops).unwrap();
    store.set_max_bytes(1 << 20).unwrap();
    let mut n = 2_000;
    while store.commit(0, &[receive(peer(1), n + 1, "x")]).is_ok() {
        n += 1;
    }
    store
        .commit(
            0,
            &[
                Op::Contacts(ContactOp::Block { peer: peer(1), blocked: true }),
                Op::Contacts(ContactOp::Remove { peer: peer(1) }),
            ],
        )
        .unwrap();
}

#[test]
fn each_trouble_has_its_own_words() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("torchat.db");
    let mut store = Store::open(&path).unwrap();
    store.db.busy_timeout(std::time::Duration::from_millis(1)).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let locked = store.commit(0, &[contact(peer(1))]).unwrap_err();
    assert_eq!(locked.trouble(), Trouble::Locked, "{locked}");
    other.execute_batch("ROLLBACK").unwrap();
    store.commit(0, &[contact(peer(1))]).unwrap();
    drop((store, other));
    let read_only = open_reader(&path).unwrap();
    let error = StoreError::from(read_only.execute("DELETE FROM message", []).unwrap_err());
    assert_eq!(error.trouble(), Trouble::ReadOnly, "{error}");
    std::fs::write(
        &path,
        "this is no database, whatever its name says, and it is long enough to be looked at.".repeat(9),
    )
    .unwrap();
    let error = StoreError::from(Connection::open(&path).unwrap().execute("DELETE FROM message", []).unwrap_err());
    assert_eq!(error.trouble(), Trouble::Damaged, "{error}");
    let words = [Trouble::Full, Trouble::Locked, Trouble::Damaged, Trouble::Failing, Trouble::ReadOnly];
    for (n, trouble) in words.into_iter().enumerate() {
        assert!(words[n + 1..].iter().all(|other| other.state() != trouble.state() && other.code() != trouble.code()));
    }
}
