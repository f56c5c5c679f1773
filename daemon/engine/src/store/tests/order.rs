//! The order of the conversations: what a page of the list costs, and what it shows while others write.

use super::*;
use crate::store::order::PLACES;

/// A valid key for each number.
fn many(count: u16) -> Vec<PeerId> {
    let key = |n: u16| {
        let mut seed = [3; 32];
        seed[..2].copy_from_slice(&n.to_be_bytes());
        torchat_core::handshake::LocalIdentity::from_seeds(&seed, &seed, 1_700_000_000).unwrap().peer_id()
    };
    (0..count).map(key).collect()
}

fn listed(store: &Store, db: &Connection, from: ListFrom, step: usize) -> Vec<(PeerId, Option<i64>)> {
    let mut all = Vec::new();
    let take = |found: Vec<Preview>| {
        all.extend(found.into_iter().map(|one| (one.peer.as_peer().unwrap(), one.last.map(|last| last.id))));
        true
    };
    store.order.list(db, from, None, step, take).unwrap();
    all
}

/// Steps of SQLite's machine for the first 20 conversations of this many, of which every second one has a message, and for the 20
/// behind a place in both halves.
fn steps(count: u16) -> Vec<i32> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("torchat.db");
    let mut store = Store::open(&path).unwrap();
    let peers = many(count);
    let ops = peers
        .iter()
        .enumerate()
        .flat_map(|(n, peer)| [contact(*peer)].into_iter().chain((n % 2 == 0).then(|| receive(*peer, 1, "a text"))));
    store.commit(0, &ops.collect::<Vec<_>>()).unwrap();
    let silent = listed(&store, store.connection(), ListFrom::Before(1), 64)[10].0;
    let reader = open_reader(&path).unwrap();
    [ListFrom::Newest, ListFrom::Before(30), ListFrom::After(silent.into())]
        .map(|from| {
            store
                .order
                .list(&reader, from, None, 20, |found| {
                    assert_eq!(found.len(), 20);
                    false
                })
                .unwrap();
            let steps = |sql| reader.prepare_cached(sql).unwrap().get_status(rusqlite::StatementStatus::VmStep);
            [BEFORE, UNREAD_OF, PLACES].into_iter().map(steps).sum()
        })
        .to_vec()
}

#[test]
fn a_page_of_conversations_costs_what_is_on_it_however_many_there_are() {
    assert_eq!(steps(100), steps(1_000));
}

/// What the store says if it is asked for everything.
fn by_scan(db: &Connection) -> Vec<(PeerId, Option<i64>)> {
    let mut query = db.prepare(PLACES).unwrap();
    let rows = query
        .query_map([], |row| Ok((messages::blob::<32>(row, 0)?, row.get::<_, bool>(1)?, row.get::<_, Option<i64>>(2)?)))
        .unwrap();
    let mut all: Vec<_> = rows
        .map(|row| row.unwrap())
        .filter(|(_, listed, last)| *listed || last.is_some())
        .map(|(key, _, last)| (PeerId::from_key(key).unwrap(), last))
        .collect();
    all.sort_by_key(|(peer, last)| (std::cmp::Reverse(*last), *peer));
    all
}

#[test]
fn the_order_follows_every_commit_and_pages_are_the_whole_list() {
    let mut store = Store::in_memory().unwrap();
    let peers: Vec<_> = (1..=9).map(peer).collect();
    let mut dice = 1u64;
    let mut throw = |n: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % n
    };
    let mut seqs = [0; 9];
    for _ in 0..300 {
        let mut ops = Vec::new();
        for _ in 0..=throw(3) {
            let n = usize::try_from(throw(9)).unwrap();
            let peer = peers[n];
            ops.push(match throw(7) {
                0 => contact(peer),
                1 => Op::Contacts(ContactOp::Remove { peer }),
                2 => Op::Contacts(ContactOp::Block { peer, blocked: throw(2) == 0 }),
                3 => {
                    let piece = torchat_core::piece::Piece {
                        after: 0,
                        upto: i64::MAX,
                        before_ms: None,
                        unread: true,
                        limit: 9,
                    };
                    Op::Chat(ChatOp::Erase { peer, piece })
                }
                _ => {
                    seqs[n] += 1;
                    receive(peer, seqs[n], "a text")
                }
            });
        }
        store.commit(0, &ops).unwrap();
        let whole = by_scan(store.connection());
        for step in [1, 2, 64] {
            assert_eq!(listed(&store, store.connection(), ListFrom::Newest, step), whole, "in steps of {step}");
        }
        for (at, (peer, last)) in whole.iter().enumerate() {
            let from = last.map_or(ListFrom::After((*peer).into()), ListFrom::Before);
            assert_eq!(listed(&store, store.connection(), from, 2), whole[at + 1..]);
        }
    }
}

#[test]
fn a_reader_that_sees_less_than_the_order_shows_what_it_sees() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("torchat.db");
    let mut store = Store::open(&path).unwrap();
    let (a, b, c) = (peer(1), peer(2), peer(3));
    store.commit(0, &[contact(a), contact(b), contact(c), receive(a, 1, "a"), receive(b, 1, "b")]).unwrap();
    let reader = open_reader(&path).unwrap();
    let (mut shown, order) = (Vec::new(), store.order());
    let mut news = vec![receive(a, 2, "again"), receive(c, 1, "c")];
    let take = |found: Vec<Preview>| {
        shown.extend(found.into_iter().map(|one| (one.peer.as_peer().unwrap(), one.last.map(|last| last.id))));
        // Between two steps of one list others write, and move what it has not shown yet.
        if !news.is_empty() {
            store.commit(0, &std::mem::take(&mut news)).unwrap();
        }
        true
    };
    order.list(&reader, ListFrom::Newest, None, 1, take).unwrap();
    assert_eq!(shown, [(b, Some(2)), (a, Some(1)), (c, None)]);
    assert_eq!(listed(&store, &reader, ListFrom::Newest, 1), [(c, Some(4)), (a, Some(3)), (b, Some(2))]);
}

#[test]
fn an_order_that_is_not_to_be_trusted_is_made_anew_and_pages_are_right_meanwhile() {
    let mut store = Store::in_memory().unwrap();
    store.commit(0, &[receive(peer(1), 1, "a"), receive(peer(2), 1, "b")]).unwrap();
    store.order.distrust();
    let whole = by_scan(store.connection());
    assert_eq!(listed(&store, store.connection(), ListFrom::Newest, 1), whole);
    store.commit(0, &[receive(peer(1), 2, "c")]).unwrap();
    assert_eq!(listed(&store, store.connection(), ListFrom::Newest, 1), [(peer(1), Some(3)), (peer(2), Some(2))]);
}
