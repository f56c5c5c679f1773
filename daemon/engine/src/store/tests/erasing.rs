//! Erasing: what goes, what stays, what never comes back, and what is left in the files.

use super::*;
use crate::store::scrub::Traces;
use std::time::Duration;
use torchat_core::piece::Piece;

fn piece(after: i64, limit: u32) -> Piece {
    Piece { after, upto: i64::MAX, before_ms: None, unread: true, limit }
}

fn erase(peer: PeerId, piece: Piece) -> Op {
    Op::Chat(ChatOp::Erase { peer, piece })
}

fn texts(store: &Store) -> Vec<String> {
    let mut query = store.db.prepare("SELECT text FROM message ORDER BY id").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn unread(store: &Store) -> (i64, i64, Option<i64>) {
    let sql = "SELECT unread, unread_bytes, untaken FROM peer WHERE num = 1";
    store.db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap()
}

#[test]
fn a_piece_erases_what_does_not_wait_and_says_what_stays() {
    let mut store = Store::in_memory().unwrap();
    let (a, b) = (peer(1), peer(2));
    store
        .commit(
            0,
            &[
                receive(a, 1, "one"),
                queue(a, 1, "gone out"),
                queue(a, 2, "waits"),
                receive(a, 2, "two"),
                receive(b, 1, "b"),
            ],
        )
        .unwrap();
    store.commit(0, &[delivered(a, 1, vec![])]).unwrap();
    let applied = store.commit(7, &[erase(a, piece(0, 100))]).unwrap();
    let [erased] = &applied.erased[..] else { panic!("{applied:?}") };
    assert_eq!((&erased.rows[..], erased.waiting, erased.next), (&[1, 2, 4][..], 1, None));
    let what = What::Erased { peer: a.into(), from: 1, upto: 4, kept: vec![3] };
    assert_eq!(applied.events.iter().map(|event| event.what.clone()).collect::<Vec<_>>(), std::slice::from_ref(&what));
    assert_eq!(log(&store).last().unwrap().what, what, "it reads the same from the disk");
    assert_eq!(applied.freed, [(a, 6 + 2 * ROW_BYTES)], "what was unread is not any more");
    assert_eq!((texts(&store), unread(&store)), (vec!["waits".to_owned(), "b".into()], (0, 0, None)));
    // What waits is still sent, and its lane is whole.
    let snapshot = query::snapshot(store.connection()).unwrap();
    let lane = snapshot.peers.iter().find(|row| row.peer == a).unwrap().out.clone().unwrap();
    assert_eq!((lane.acked, lane.pending.len()), (1, 1));
    // Once more there is nothing to do, and nothing is told.
    let again = store.commit(8, &[erase(a, piece(0, 100))]).unwrap();
    assert_eq!((again.erased[0].rows.len(), again.events.len()), (0, 0));
}

#[test]
fn the_count_before_an_erasing_is_what_it_erases_and_what_it_leaves() {
    let mut store = Store::in_memory().unwrap();
    let (a, b) = (peer(1), peer(2));
    let mut ops = vec![receive(b, 1, "somebody else's"), queue(a, 1, "gone out"), queue(a, 2, "waits")];
    ops.extend((1..=7).map(|n| receive(a, n, "four")));
    store.commit(0, &ops).unwrap();
    store.commit(0, &[delivered(a, 1, vec![])]).unwrap();
    let last = store.db.query_row("SELECT max(id) FROM message", [], |row| row.get::<_, i64>(0)).unwrap();
    let count = |store: &Store, upto, before| query::erasable::count(store.connection(), &a, upto, before).unwrap();
    for (upto, before_ms, expected) in [
        (last, None, (8, 1)),
        (last - 2, None, (6, 1)),
        (last, Some(i64::MIN), (0, 0)),
        (last, Some(i64::MAX), (8, 1)),
        (1, None, (0, 0)),
    ] {
        assert_eq!(count(&store, upto, before_ms), expected, "{upto} {before_ms:?}");
    }
    assert_eq!(query::erasable::count(store.connection(), &peer(9), last, None).unwrap(), (0, 0), "nobody");
    // What comes meanwhile is neither counted nor erased.
    store.commit(0, &[receive(a, 8, "late")]).unwrap();
    let (erasable, kept) = count(&store, last, None);
    let applied = store.commit(7, &[erase(a, Piece { upto: last, ..piece(0, 100) })]).unwrap();
    assert_eq!((applied.erased[0].rows.len() as u64, applied.erased[0].waiting), (erasable, kept));
    assert_eq!(count(&store, i64::MAX, None), (1, 1));
}

#[test]
fn an_erased_message_that_its_sender_repeats_does_not_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("torchat.db");
    let mut store = Store::open(&path).unwrap();
    let a = peer(1);
    store.commit(0, &[receive(a, 1, "one"), receive(a, 2, "two")]).unwrap();
    store.commit(0, &[erase(a, piece(0, 100))]).unwrap();
    drop(store);
    let mut store = Store::open(&path).unwrap();
    let again = store.commit(0, &[receive(a, 1, "one")]).unwrap();
    assert_eq!((again.stored.len(), again.events.len(), again.freed), (0, 0, vec![(a, 3 + ROW_BYTES)]));
    // And its number is nobody else's, also after a start with an empty table.
    let next = store.commit(0, &[receive(a, 3, "three")]).unwrap();
    assert_eq!(next.stored[0].head.row, 3);
}

#[test]
fn a_clients_key_still_finds_its_erased_message() {
    let mut store = Store::in_memory().unwrap();
    let Op::Chat(ChatOp::Queue { peer, mid, lane, seq, chain, at_ms, until_ms, text, .. }) = queue(peer(1), 1, "text")
    else {
        unreachable!()
    };
    let client = Some("key".to_owned());
    store
        .commit(
            0,
            &[
                Op::Chat(ChatOp::Queue { peer, mid, lane, seq, chain, at_ms, until_ms, client, text }),
                delivered(peer, 1, vec![]),
            ],
        )
        .unwrap();
    store.commit(0, &[erase(peer, piece(0, 9))]).unwrap();
    let found = records::by_client_id(store.connection(), "key", at(0)).unwrap().unwrap();
    assert_eq!(
        (found.id, found.mid, found.conversation, found.state, found.erased),
        (1, mid, peer.into(), MessageState::Delivered, true)
    );
}

#[test]
fn pieces_go_on_where_the_last_one_ended_and_keep_what_nobody_has_read() {
    let mut store = Store::in_memory().unwrap();
    let a = peer(1);
    let ops: Vec<_> = (1..=10).map(|n| receive(a, n, "four")).collect();
    store.commit(0, &ops).unwrap();
    store.commit(0, &[Op::Chat(ChatOp::ReadUpto { peer: a, upto: 8, limit: 99 })]).unwrap();
    let old = |after| Piece { before_ms: Some(1_001), unread: false, ..piece(after, 4) };
    let (mut after, mut rows) = (0, Vec::new());
    loop {
        let applied = store.commit(0, &[erase(a, old(after))]).unwrap();
        rows.extend(applied.erased[0].rows.clone());
        match applied.erased[0].next {
            Some(next) => after = next,
            None => break,
        }
    }
    assert_eq!(rows, (1..=8).collect::<Vec<_>>());
    assert_eq!(unread(&store), (2, 8, Some(9)), "classic UPDATE goes on behind them");
    // Nothing is older than it is.
    let young = Piece { before_ms: Some(1_000), unread: true, ..piece(0, 9) };
    let applied = store.commit(0, &[erase(a, young)]).unwrap();
    assert_eq!((applied.erased[0].rows.len(), applied.erased[0].aged), (0, false));
}

#[test]
fn events_of_erased_messages_are_one_gap_and_still_their_conversations() {
    let mut store = Store::in_memory().unwrap();
    let a = peer(1);
    let ops: Vec<_> = (1..=5).map(|n| receive(a, n, "text")).collect();
    store.commit(0, &ops).unwrap();
    store.commit(0, &[erase(a, piece(0, 9))]).unwrap();
    let events = log(&store);
    assert_eq!(events[0].what, What::Gap { from: 1, to: 5 });
    assert_eq!((events[0].seq, events[1].seq, events.len()), (5, 6, 2));
    let shares = Shares::read(&store.db, store.log).unwrap();
    assert_eq!(shares.rows(), 6);
    let owners: i64 = store
        .db
        .query_row(
            "SELECT count(*) FROM event e LEFT JOIN message m ON m.id = e.message LEFT JOIN erased x ON x.id = e.message
             JOIN peer p ON p.num = coalesce(m.peer, x.peer)",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(owners, 5);
}

/// Every file of a directory that holds a text, however its letters are written.
fn holding(dir: &Path, text: &str) -> Vec<String> {
    let (mut found, text) = (Vec::new(), text.to_ascii_lowercase());
    for file in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let bytes = std::fs::read(file.path()).unwrap().to_ascii_lowercase();
        if memchr(&bytes, text.as_bytes()) {
            found.push(file.file_name().to_string_lossy().into_owned());
        }
    }
    found
}

fn memchr(bytes: &[u8], text: &[u8]) -> bool {
    let Some((first, rest)) = text.split_first() else { return true };
    let mut from = bytes;
    while let Some(at) = from.iter().position(|byte| byte == first) {
        from = &from[at + 1..];
        if from.starts_with(rest) {
            return true;
        }
    }
    false
}

/// Erases all of a conversation, as ERASE does.
fn erase_all(store: &mut Store, peer: PeerId, limit: u32, upto: i64) -> usize {
    let (mut after, mut count) = (0, 0);
    loop {
        let applied = store.commit(0, &[erase(peer, Piece { upto, ..piece(after, limit) })]).unwrap();
        assert!(!applied.index_damaged);
        count += applied.erased[0].rows.len();
        match applied.erased[0].next {
            Some(next) => after = next,
            None => return count,
        }
    }
}

/// A store with two conversations, one of which has two words that nobody else has; in pages that are shared with the other one's
/// texts, which take `bytes` each.
fn two_conversations(dir: &Path, messages: u64, bytes: usize) -> Store {
    let mut store = Store::open(&dir.join("torchat.db")).unwrap();
    let (mut n, mut others) = (0, 0);
    while n < messages {
        let mut ops = Vec::new();
        for _ in 0..20 {
            n += 1;
            // Short ones, and some that need pages of their own.
            let long = if n % 50 == 0 { 2_000 } else { n as usize % 7 };
            ops.push(receive(peer(1), n, &format!("xylophonemarker {n} {}", "zwischenrufmarker ".repeat(long))));
            for _ in 0..n % 3 + u64::from(n % 40 == 0) * 12 {
                others += 1;
                ops.push(receive(peer(2), others, &format!("{others} somebody else's words {}", "y".repeat(bytes))));
            }
        }
        store.commit(i64::try_from(n).unwrap(), &ops).unwrap();
        if n % 40 == 0 {
            while store.index(64).unwrap() {}
        }
    }
    while store.index(64).unwrap() {}
    store.checkpoint().unwrap();
    store
}

fn bytes_of(dir: &Path) -> u64 {
    std::fs::metadata(dir.join("torchat.db")).unwrap().len()
}

const MARKERS: [&str; 3] = ["xylophonemarker", "zwischenrufmarker", "xylophonem"];

#[test]
fn no_file_of_the_store_holds_an_erased_text() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = two_conversations(dir.path(), 400, 20);
    assert!(bytes_of(dir.path()) < 4 << 20);
    let a = peer(1);
    assert_eq!(holding(dir.path(), "xylophonemarker"), ["torchat.db"]);
    let before = texts(&store).len();
    assert_eq!(erase_all(&mut store, a, 64, i64::MAX), 400);
    store.scrub(true).unwrap();
    for text in MARKERS {
        assert_eq!(holding(dir.path(), text), [""; 0], "{text}");
    }
    // The index is whole, and finds what is left.
    store.db.execute_batch("INSERT INTO search (search) VALUES ('integrity-check')").unwrap();
    let found = |words: &str| {
        let query = search_query(words, None).unwrap();
        search::find(store.connection(), &query, None, i64::MAX, PageLimit::rows(9_999)).unwrap().0.len()
    };
    assert_eq!((found("words"), found("xylo*"), found("zwischenrufmarker")), (before - 400, 0, 0));
}

#[test]
fn a_file_that_is_not_written_anew_holds_no_erased_text_either() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = two_conversations(dir.path(), 3_000, 1_500);
    assert!(bytes_of(dir.path()) > 4 << 20);
    let others: Vec<_> = texts(&store).into_iter().filter(|text| text.contains("somebody")).collect();
    // First the older half, which moves rows of the younger one.
    let middle = store.last_message / 2;
    let half = erase_all(&mut store, peer(1), 256, middle);
    assert!((1_000..2_000).contains(&half), "{half}");
    store.scrub(false).unwrap();
    let rest = erase_all(&mut store, peer(1), 256, i64::MAX);
    assert_eq!(half + rest, 3_000);
    store.scrub(true).unwrap();
    assert_eq!(texts(&store), others, "neighbours have their texts again");
    for text in MARKERS {
        assert_eq!(holding(dir.path(), text), [""; 0], "{text}");
    }
    let check: String = store.db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    // What may be left in gaps goes at the next start.
    assert_eq!(store.traces, Traces::Gaps);
    let pages = |store: &Store| store.db.query_row("PRAGMA page_count", [], |row| row.get::<_, i64>(0)).unwrap();
    let before = pages(&store);
    drop(store);
    let store = Store::open(&dir.path().join("torchat.db")).unwrap();
    assert!(store.traces == Traces::None && pages(&store) < before);
    assert_eq!(texts(&store), others);
}

#[test]
fn rows_that_sqlite_moves_leave_nothing_of_texts_that_are_erased_later() {
    for seed in 1..=24_u64 {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(&dir.path().join("torchat.db")).unwrap();
        let mut state = seed;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % below
        };
        let sizes = if seed % 2 == 0 { [5, 50, 300, 900] } else { [20, 20, 200, 6_000] };
        let ops: Vec<_> = (1..=600)
            .map(|n| {
                receive(
                    peer(u8::try_from(random(3)).unwrap()),
                    n,
                    &format!("marker{n:05} {}", "q".repeat(sizes[random(4)])),
                )
            })
            .collect();
        store.commit(0, &ops).unwrap();
        // The first two move rows of those that come after them.
        for (left, erased) in [(2, 0), (1, 1), (0, 2)] {
            erase_all(&mut store, peer(erased), 64, i64::MAX);
            store.scrub(false).unwrap();
            let bytes = std::fs::read(dir.path().join("torchat.db")).unwrap();
            let found = bytes.windows(6).filter(|window| window == b"marker").count();
            assert_eq!(found, texts(&store).len(), "seed {seed}, {left} conversations are left");
        }
    }
}

#[test]
fn what_has_nothing_to_remove_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = two_conversations(dir.path(), 40, 20);
    let written = || {
        ["torchat.db", "torchat.db-wal"]
            .map(|name| std::fs::metadata(dir.path().join(name)).unwrap().modified().unwrap())
    };
    erase_all(&mut store, peer(1), 64, i64::MAX);
    store.scrub(true).unwrap();
    let before = written();
    for _ in 0..1_000 {
        assert_eq!(erase_all(&mut store, peer(1), 64, i64::MAX), 0);
        store.scrub(true).unwrap();
    }
    assert_eq!(written(), before);
}

#[test]
fn traces_that_are_left_at_a_kill_go_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = two_conversations(dir.path(), 400, 20);
    erase_all(&mut store, peer(1), 64, i64::MAX);
    // As after a kill: the log is left as it is.
    store.db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    drop(store);
    assert!(!holding(dir.path(), "xylophonemarker").is_empty());
    let mut store = Store::open(&dir.path().join("torchat.db")).unwrap();
    store.scrub(true).unwrap();
    assert_eq!(holding(dir.path(), "xylophonemarker"), [""; 0]);
}

#[test]
fn a_reader_delays_the_scrub_and_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = two_conversations(dir.path(), 400, 20);
    let reader = open_reader(&dir.path().join("torchat.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM message").unwrap();
    erase_all(&mut store, peer(1), 64, i64::MAX);
    for thorough in [false, true, true] {
        let refused = store.scrub(thorough);
        assert!(matches!(refused, Err(StoreError::Read)), "{refused:?}");
    }
    assert!(!holding(dir.path(), "xylophonemarker").is_empty());
    reader.execute_batch("COMMIT").unwrap();
    store.scrub(true).unwrap();
    assert_eq!(holding(dir.path(), "xylophonemarker"), [""; 0]);
}

#[test]
fn a_file_that_cannot_be_written_anew_has_its_log_folded_and_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = two_conversations(dir.path(), 400, 20);
    erase_all(&mut store, peer(1), 64, i64::MAX);
    // Nothing can be written anew inside of a transaction; that fails like a full disk.
    let holder = Connection::open(dir.path().join("torchat.db")).unwrap();
    store.db.busy_timeout(Duration::ZERO).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = store.scrub(true).unwrap_err();
    assert_eq!(refused.trouble(), Trouble::Locked, "{refused}");
    assert_eq!(store.traces, Traces::File, "it is due");
    holder.execute_batch("COMMIT").unwrap();
    drop(holder);
    store.scrub(true).unwrap();
    assert_eq!((holding(dir.path(), "xylophonemarker"), store.traces), (vec![], Traces::None));
}

#[test]
fn a_full_store_erases_and_is_scrubbed() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = two_conversations(dir.path(), 400, 20);
    store.set_max_bytes(1 << 20).unwrap();
    let (mut n, long) = (10_000, "z".repeat(4_000));
    while store.commit(0, &[receive(peer(3), n, &long)]).is_ok() {
        n += 1;
    }
    assert!(store.probe().is_err());
    assert_eq!(erase_all(&mut store, peer(1), 64, i64::MAX), 400);
    store.scrub(true).unwrap();
    assert_eq!(holding(dir.path(), "xylophonemarker"), [""; 0]);
    store.probe().unwrap();
}

#[test]
fn a_damaged_index_keeps_nothing_from_being_erased() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(&dir.path().join("torchat.db")).unwrap();
    let a = peer(1);
    store.commit(0, &[receive(a, 1, "xylophonemarker"), receive(peer(2), 1, "left")]).unwrap();
    while store.index(64).unwrap() {}
    store.db.execute_batch("UPDATE search_data SET block = zeroblob(length(block)) WHERE id > 10; UPDATE search_data SET block = x'ffffffffffff' WHERE id = 10").unwrap();
    let applied = store.commit(0, &[erase(a, piece(0, 9))]).unwrap();
    assert_eq!(applied.erased[0].rows, [1]);
    assert!(applied.index_damaged);
    while store.index(64).unwrap() {}
    assert_eq!(texts(&store), ["left"]);
    let query = search_query("left", None).unwrap();
    assert_eq!(search::find(store.connection(), &query, None, i64::MAX, PageLimit::rows(9)).unwrap().0.len(), 1);
}

#[test]
fn a_damaged_page_of_the_index_keeps_nothing_from_being_erased() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(&dir.path().join("torchat.db")).unwrap();
    let a = peer(1);
    let ops: Vec<_> = (1..=900).map(|n| receive(a, n, &format!("word{n} xylophonemarker"))).collect();
    store.commit(0, &ops).unwrap();
    store.commit(0, &[receive(peer(2), 1, "left")]).unwrap();
    while store.index(4_096).unwrap() {}
    // A page of words, and not what tells which pages there are: it is first read when the index is written.
    let damaged =
        store.db.execute("UPDATE search_data SET block = x'00040400ffffffffffffffffffffffffffffff' WHERE id > 10", []);
    assert!(damaged.unwrap() > 1);
    let applied = store.commit(0, &[erase(a, piece(0, 9))]).unwrap();
    assert_eq!(applied.erased[0].rows.len(), 9);
    assert!(applied.index_damaged);
    while store.index(4_096).unwrap() {}
    assert_eq!(store.health().search(), SearchHealth::Ok);
    let query = search_query("left", None).unwrap();
    assert_eq!(search::find(store.connection(), &query, None, i64::MAX, PageLimit::rows(9)).unwrap().0.len(), 1);
}

#[test]
fn settings_of_a_conversation_are_there_after_a_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("torchat.db");
    let mut store = Store::open(&path).unwrap();
    let a = peer(1);
    let ops = [
        contact(a),
        Op::Contacts(ContactOp::Verified { peer: a, at_ms: Some(5) }),
        Op::Contacts(ContactOp::Retain { peer: a, days: Some(30) }),
    ];
    store.commit(0, &ops).unwrap();
    drop(store);
    let mut store = Store::open(&path).unwrap();
    let settings = |store: &Store| {
        let row = query::snapshot(store.connection()).unwrap().peers.remove(0);
        (row.verified_ms, row.retain_days)
    };
    assert_eq!(settings(&store), (Some(5), Some(30)));
    store.commit(0, &[Op::Contacts(ContactOp::Remove { peer: a })]).unwrap();
    assert_eq!(settings(&store), (None, Some(30)), "the mark goes with the contact, the age stays with the history");
}
