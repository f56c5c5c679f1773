#![allow(clippy::unwrap_used)]
mod erasing;
mod force;
mod legacy;
mod marks;
mod order;
mod reserve;
mod schema;
mod search_health;
mod shares;
mod whole;

use super::messages::{AFTER, BEFORE, BY_CLIENT, BY_ID, FOUND, UNREAD_OF};
use super::query::erasable::ERASABLE;
use super::query::rooms;
use super::*;
use proptest::prelude::*;
use rusqlite::params;
use torchat_core::account::ROW_BYTES;
use torchat_core::op::{ChatOp, ContactOp, LogOp};
use torchat_core::snapshot::ContactRequest;
use torchat_core::view::ContactView;
use torchat_protocol::control::api::event::{Event, Kind, What};
use torchat_protocol::control::api::record::{Direction, MessageState};
use torchat_protocol::control::reason::{Network, Notice};
use torchat_protocol::conversation::ConversationId;
use torchat_protocol::id::{Chain, LaneId, MessageId};
use torchat_protocol::message::SkipReason;

/// A valid key for each number.
fn peer(n: u8) -> PeerId {
    let identity = torchat_core::handshake::LocalIdentity::from_seeds(&[n + 1; 32], &[n + 101; 32], 1_700_000_000);
    identity.unwrap().peer_id()
}

fn mid(n: u64) -> MessageId {
    let mut mid = [0; 16];
    mid[..8].copy_from_slice(&n.to_be_bytes());
    MessageId(mid)
}

const LANE: LaneId = LaneId([7; 8]);

fn queue(peer: PeerId, n: u64, text: &str) -> Op {
    let (lane, seq, chain, text) = (LANE, n, Chain([0; 16]), text.to_owned());
    Op::Chat(ChatOp::Queue { peer, mid: mid(n), lane, seq, chain, at_ms: 1_000, until_ms: None, client: None, text })
}

fn receive(peer: PeerId, n: u64, text: &str) -> Op {
    let (lane, seq, chain, text) = (LANE, n, Chain([0; 16]), text.to_owned());
    Op::Chat(ChatOp::Receive { peer, lane, seq, chain, mid: mid(n), sent_s: 60, at_ms: 1_000, text })
}

fn delivered(peer: PeerId, upto: u64, late: Vec<MessageId>) -> Op {
    Op::Chat(ChatOp::Delivered { peer, lane: LANE, upto, chain: Chain([0; 16]), late, at_ms: 2_000 })
}

fn contact(peer: PeerId) -> Op {
    Op::Contacts(ContactOp::Add { peer, at_ms: 1_000 })
}

fn notice(sentence: &str, why: Option<Notice>) -> Op {
    Op::Log(LogOp::Notice { peer: None, sentence: sentence.into(), why })
}

fn kinds(events: &[Event]) -> Vec<Kind> {
    events.iter().map(|event| event.what.kind()).collect()
}

fn at(now_ms: i64) -> Option<Believed> {
    Moment::calm(now_ms).believed
}

fn log(store: &Store) -> Vec<Event> {
    events::read(store.connection(), 0, u64::MAX, usize::MAX, usize::MAX).unwrap()
}

#[test]
fn every_change_is_told_once_and_reads_the_same_from_the_disk() {
    let mut store = Store::in_memory().unwrap();
    let (a, b) = (peer(1), peer(2));
    let ask = ContactRequest { nick: "eve".into(), text: "hi".into(), at_ms: 1, refused: false };
    let refused = ContactRequest { refused: true, ..ask.clone() };
    let view = ContactView {
        peer: a,
        contact: true,
        petname: Some("A".into()),
        nick: None,
        blocked: false,
        linked: true,
        heard_ms_ago: Some(2_500),
        hidden: false,
        waiting: false,
        queued: 1,
        verified_ms: None,
        retain_days: None,
    };
    let take_back = |n: u64, why| Op::Chat(ChatOp::TakeBack { peer: a, mid: mid(n), seq: n, why, at_ms: 1_500 });
    let skip = Op::Chat(ChatOp::Skip {
        peer: a,
        lane: LANE,
        to: 9,
        chain: Chain([3; 16]),
        count: 3,
        why: SkipReason::Lost,
        at_ms: 1_000,
    });
    let turns = [
        (vec![contact(a), Op::Log(LogOp::Changed { contact: view })], vec![Kind::Contact]),
        (vec![queue(a, 1, "one"), queue(a, 2, "two"), queue(a, 3, "three")], vec![Kind::Queued; 3]),
        (vec![Op::Chat(ChatOp::Sent { peer: a, lane: LANE, first: 1, count: 2 })], vec![Kind::Sent; 2]),
        (vec![take_back(2, SkipReason::Withdrawn)], vec![Kind::Withdrawn]),
        (vec![take_back(2, SkipReason::Withdrawn)], vec![]),
        (vec![take_back(3, SkipReason::Expired)], vec![Kind::Failed]),
        // The second was taken back too late, the third in time.
        (vec![delivered(a, 3, vec![mid(2)])], vec![Kind::Delivered; 2]),
        (vec![delivered(a, 3, vec![])], vec![]),
        (vec![receive(a, 1, "x"), receive(a, 1, "x"), receive(a, 2, "y")], vec![Kind::Received; 2]),
        (vec![skip.clone(), skip], vec![Kind::Lost]),
        (vec![Op::Contacts(ContactOp::Request { peer: b, request: Some(ask) })], vec![Kind::Request]),
        (vec![Op::Contacts(ContactOp::Request { peer: b, request: Some(refused) })], vec![Kind::RequestGone]),
        (vec![Op::Contacts(ContactOp::Request { peer: b, request: None })], vec![]),
        (vec![Op::Log(LogOp::Link { peer: a, up: true })], vec![Kind::Link]),
        (
            vec![Op::Log(LogOp::Network { usable: true, sentence: "up".into(), why: Network::Connected })],
            vec![Kind::Tor],
        ),
        (vec![notice("slept", Some(Notice::Woke { ms: 9 }))], vec![Kind::Notice]),
        (vec![notice("{not an object", None)], vec![Kind::Notice]),
        (vec![Op::Chat(ChatOp::ReadUpto { peer: a, upto: 4, limit: 9 })], vec![Kind::Read]),
        (vec![Op::Chat(ChatOp::ReadUpto { peer: a, upto: 99, limit: 9 })], vec![Kind::Read]),
        (vec![Op::Chat(ChatOp::ReadUpto { peer: a, upto: 99, limit: 9 })], vec![]),
    ];
    let mut told = Vec::new();
    for (n, (ops, expected)) in turns.into_iter().enumerate() {
        let applied = store.commit(1_700_000_000_000, &ops).unwrap();
        assert_eq!(kinds(&applied.events), expected, "turn {n}");
        told.extend(applied.events);
    }
    assert_eq!(told.iter().map(|event| event.seq).collect::<Vec<_>>(), (1..=told.len() as u64).collect::<Vec<_>>());
    assert_eq!(log(&store), told, "what is read is what was told");
    assert_eq!(told[0].at, "2023-11-14T22:13:20.000Z");
    let order: Vec<_> = told.iter().filter(|e| e.what.kind() == Kind::Delivered).map(|e| e.what.clone()).collect();
    assert!(
        matches!(&order[..], [What::Delivered(one), What::Delivered(two)] if one.mid == mid(1) && two.mid == mid(2))
    );
    let What::Received { message } = &told.iter().find(|e| e.what.kind() == Kind::Received).unwrap().what else {
        panic!("no message")
    };
    assert_eq!((message.dir, message.state, message.text.as_str()), (Direction::In, MessageState::Unread, "x"));
    assert_eq!(message.sent_at.as_deref(), Some("1970-01-01T00:01:00.000Z"));
    // A message that is gone is announced, and nothing fails.
    store.db.execute("DELETE FROM message WHERE text = 'two'", []).unwrap();
    let read = log(&store);
    // Neighbours are one gap.
    let numbers = |event: &Event| if let What::Gap { from, to } = event.what { to - from + 1 } else { 1 };
    assert_eq!(read.iter().map(numbers).sum::<u64>(), told.len() as u64);
    let queued =
        told.iter().position(|e| matches!(&e.what, What::Queued { message } if message.text == "two")).unwrap();
    let seq = told[queued].seq;
    assert_eq!(read[queued].what, What::Gap { from: seq, to: seq });
}

#[test]
fn dozens_of_messages_of_a_turn_stand_in_their_order() {
    let (peers, count) = ([peer(1), peer(2)], 45);
    let mut store = Store::in_memory().unwrap();
    let mut ops: Vec<_> = peers.map(contact).into();
    // Groups of all sizes, and something else between two of them.
    for n in 1..=count {
        ops.extend(peers.iter().map(|peer| queue(*peer, n, &format!("text {n}"))));
        if n == 30 {
            ops.push(delivered(peers[0], 29, Vec::new()));
        }
    }
    let applied = store.commit(1, &ops).unwrap();
    assert_eq!(applied.queued.iter().map(|(_, id)| *id).collect::<Vec<_>>(), (1..=2 * 45).collect::<Vec<_>>());
    assert_eq!(kinds(&applied.events).iter().filter(|kind| **kind == Kind::Delivered).count(), 29);
    assert_eq!(log(&store), applied.events);
    for (peer, waiting_from) in peers.into_iter().zip([30, 1]) {
        let page = messages::page(store.connection(), peer.into(), Page::Last, PageLimit::rows(100), false).unwrap().0;
        let texts: Vec<_> = page.iter().map(|row| row.text.clone()).collect();
        assert_eq!(texts, (1..=count).map(|n| format!("text {n}")).collect::<Vec<_>>());
        let places: Vec<_> = page.iter().filter_map(|row| row.place.map(|(_, seq)| seq)).collect();
        assert_eq!(places, (waiting_from..=count).collect::<Vec<_>>());
    }
}

#[test]
fn moments_are_written_to_the_millisecond() {
    let written = [0, 1_784_966_400_007, -1].map(time);
    assert_eq!(written, ["1970-01-01T00:00:00.000Z", "2026-07-25T08:00:00.007Z", "1969-12-31T23:59:59.999Z"]);
    // Of no year that has a name; and the day before and after is not forgotten by it.
    for moment in [i64::MAX, 1_784_966_400_007, i64::MIN, 1_784_966_399_999] {
        let expected = jiff::Timestamp::from_millisecond(moment).unwrap_or_default();
        assert_eq!(time(moment), format!("{expected:.3}"), "{moment}");
    }
}

#[test]
fn what_was_told_before_there_were_codes_is_read_without_one_and_what_a_later_version_stores_too() {
    let mut store = Store::in_memory().unwrap();
    let told = [Op::Log(LogOp::Network { usable: true, sentence: "up".into(), why: Network::Connected })];
    store.commit(0, &told).unwrap();
    store.commit(0, &[notice("slept", Some(Notice::Woke { ms: 9_000 }))]).unwrap();
    // Byte for byte what the releases before wrote, and what a later one may.
    let rows = [
        (13, r#"{"usable":false,"sentence":"connecting (40 %)"}"#),
        (14, "the daemon did not run for 9 s; it is checking every link"),
        (14, r#"{"sentence":"rooms are full","why":{"code":"rooms-full","rooms":9}}"#),
    ];
    for (kind, data) in rows {
        let sql = "INSERT INTO event (seq, at_ms, kind, data) SELECT max(seq) + 1, 0, ?1, ?2 FROM event";
        store.db.execute(sql, params![kind, data]).unwrap();
    }
    let words = |sentence: &str, why| What::Notice { peer: None, sentence: sentence.into(), why };
    let expected = [
        What::Tor { usable: true, sentence: "up".into(), why: Some(Network::Connected) },
        words("slept", Some(Notice::Woke { ms: 9_000 })),
        What::Tor { usable: false, sentence: "connecting (40 %)".into(), why: None },
        words("the daemon did not run for 9 s; it is checking every link", None),
        words("rooms are full", Some(Notice::Unknown)),
    ];
    assert_eq!(log(&store).into_iter().map(|event| event.what).collect::<Vec<_>>(), expected);
}

#[test]
fn a_commit_that_fails_leaves_neither_change_nor_event() {
    let mut store = Store::in_memory().unwrap();
    store.commit(0, &[contact(peer(1)), queue(peer(1), 1, "one")]).unwrap();
    let before = (log(&store), store.log_edges());
    let invite =
        Op::Contacts(ContactOp::Invite { invite: torchat_core::snapshot::InviteRow { hash: [1; 32], until_ms: 1 } });
    assert!(store.commit(0, &[queue(peer(1), 2, "two"), queue(peer(2), 1, "new"), invite.clone(), invite]).is_err());
    assert_eq!((log(&store), store.log_edges()), before);
    let applied = store.commit(0, &[queue(peer(1), 2, "two"), queue(peer(2), 1, "new")]).unwrap();
    assert_eq!(applied.events[0].seq, before.1.last + 1, "no number is skipped");
    assert_eq!(log(&store)[1..], applied.events, "what was learned in the turn that failed is forgotten");
}

#[test]
fn old_events_go_in_small_steps_and_the_edges_tell() {
    let mut store = Store::in_memory().unwrap();
    store.set_retention(Retention { events: 100, age_ms: 1_000_000 });
    let notice = || notice("x", None);
    let mut most = 0;
    for n in 0..1_000 {
        let before = store.log_edges().oldest;
        let edges = store.commit(n, &[notice()]).unwrap().log;
        most = most.max(edges.oldest - before);
        assert!(edges.last + 1 - edges.oldest <= 100 + TRIM_AT, "{edges:?}");
    }
    assert!(most > 0 && most <= TRIM_STEP, "{most} at once");
    let edges = store.log_edges();
    let found = log(&store);
    assert_eq!((found[0].seq, found.len() as u64), (edges.oldest, edges.last + 1 - edges.oldest));
    // By age, at a start: in steps, until nothing old is left. Numbers go on.
    let (more, after) = store.trim(at(2_000_000), 10).unwrap();
    assert_eq!((more, after.oldest), (true, edges.oldest + 10));
    while store.trim(at(2_000_000), 10).unwrap().0 {}
    assert_eq!(store.log_edges(), LogEdges { oldest: 1_001, last: 1_000 });
    assert_eq!(events::edges(store.connection()).unwrap(), store.log_edges(), "as after a restart");
    let applied = store.commit(2_000_001, &[notice()]).unwrap();
    assert_eq!((applied.events[0].seq, applied.log), (1_001, LogEdges { oldest: 1_001, last: 1_001 }));
    assert!(!store.trim(at(2_000_001), 10).unwrap().0);
}

#[test]
fn cursors_never_go_back_and_tokens_come_back_whole() {
    let mut store = Store::in_memory().unwrap();
    let ask = |store: &mut Store, consumer: &str, seq| store.acknowledge(0, &[(consumer.into(), seq)]).unwrap();
    assert_eq!(ask(&mut store, "a", 5), [5]);
    assert_eq!(ask(&mut store, "a", 3), [5]);
    assert_eq!(ask(&mut store, "a", 9), [9]);
    assert_eq!(records::cursors(store.connection()).unwrap(), [("a".to_owned(), 9)]);
    assert!(store.forget_cursor("a").unwrap());
    assert!(!store.forget_cursor("a").unwrap());
    let token = crate::store::TokenRow {
        name: "cron".into(),
        rights: vec![torchat_protocol::control::api::Right::Send],
        peers: Some(vec![peer(1).into(), ConversationId::from_bytes([0; 32])]),
        stored_key: [1; 32],
        server_key: [2; 32],
        created_ms: 3,
        expires_ms: Some(4),
    };
    store.put_token(&token).unwrap();
    let all = crate::store::TokenRow { peers: None, expires_ms: None, name: "all".into(), ..token.clone() };
    store.put_token(&all).unwrap();
    assert_eq!(records::tokens(store.connection()).unwrap(), [all, token]);
    assert!(store.drop_token("cron").unwrap());
    assert!(!store.drop_token("cron").unwrap());
}

#[test]
fn what_is_seen_is_taken_and_unread_is_counted_once() {
    let mut store = Store::in_memory().unwrap();
    let a = peer(1);
    let count = |store: &Store| -> (i64, i64, Option<i64>) {
        let sql = "SELECT unread, unread_bytes, untaken FROM peer";
        store.db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap()
    };
    let ops: Vec<_> =
        (1..=5).map(|n| receive(a, n, "four")).chain([queue(a, 6, "mine"), receive(a, 7, "last")]).collect();
    store.commit(0, &ops).unwrap();
    assert_eq!(count(&store), (6, 24, Some(1)));
    let applied = store.commit(0, &[Op::Chat(ChatOp::ReadUpto { peer: a, upto: 3, limit: 100 })]).unwrap();
    assert_eq!((applied.seen, applied.freed), (vec![3], vec![(a, 12 + 3 * ROW_BYTES)]));
    assert_eq!(applied.read, [ReadMark { peer: a, upto: 3, first: Some(4) }]);
    assert_eq!(count(&store), (3, 12, Some(4)), "UPDATE does not hand it out any more");
    let applied = store.commit(0, &[Op::Chat(ChatOp::Read { peer: a, row: 1 })]).unwrap();
    assert!(applied.freed.is_empty() && applied.events.is_empty(), "it was read before");
    assert_eq!(count(&store), (3, 12, Some(4)));
    let applied = store.commit(0, &[Op::Chat(ChatOp::Read { peer: a, row: 4 })]).unwrap();
    assert_eq!((applied.freed, kinds(&applied.events)), (vec![(a, 4 + ROW_BYTES)], vec![Kind::Read]));
    store.commit(0, &[Op::Chat(ChatOp::Read { peer: a, row: 5 })]).unwrap();
    assert_eq!(count(&store), (1, 4, Some(7)), "the next one is behind a message of ours");
    let applied = store.commit(0, &[Op::Chat(ChatOp::ReadUpto { peer: a, upto: i64::MAX, limit: 100 })]).unwrap();
    assert_eq!(applied.read, [ReadMark { peer: a, upto: 7, first: None }], "not beyond what there is");
    assert_eq!(count(&store), (0, 0, None));
    store.commit(0, &[receive(a, 8, "new")]).unwrap();
    assert_eq!(count(&store), (1, 3, Some(8)));
    let limited =
        store.commit(0, &[receive(a, 9, "x"), Op::Chat(ChatOp::ReadUpto { peer: a, upto: 99, limit: 1 })]).unwrap();
    assert_eq!(limited.seen, [1]);
    let before = count(&store);
    let again = store.commit(0, &[receive(a, 9, "x")]).unwrap();
    assert_eq!((again.freed, again.stored.len()), (vec![(a, 1 + ROW_BYTES)], 0), "a repetition is not unread twice");
    assert_eq!(count(&store), before);
}

#[test]
fn a_store_of_before_hands_out_nothing_that_was_seen() {
    let mut store = Store::in_memory().unwrap();
    let (a, b) = (peer(1), peer(2));
    let ops: Vec<_> = (1..=4).map(|n| receive(a, n, "four")).chain([receive(b, 5, "all of it")]).collect();
    store.commit(0, &ops).unwrap();
    let seen = |peer, upto| Op::Chat(ChatOp::ReadUpto { peer, upto, limit: 100 });
    store.commit(0, &[seen(a, 3), seen(b, 9)]).unwrap();
    // Until version 0.1.0 UPDATE had a place of its own, which SEEN did not move.
    store.db.execute("UPDATE peer SET untaken = CASE unread WHEN 0 THEN 5 ELSE 1 END", []).unwrap();
    let reader = Reader::shared(std::sync::Arc::new(Mutex::new(store)));
    assert_eq!(reader.untaken().unwrap(), [Unread { peer: a, first: 4 }]);
    assert_eq!(reader.heads(&a, 0, 9).unwrap().iter().map(|head| head.row).collect::<Vec<_>>(), [4]);
    assert_eq!(reader.heads(&b, 0, 9).unwrap(), []);
}

#[test]
fn a_clients_key_finds_its_message_until_it_is_too_old() {
    let mut store = Store::in_memory().unwrap();
    let day = 24 * 3_600_000;
    let send = |n: u64, client: &str, at| match queue(peer(1), n, "text") {
        Op::Chat(ChatOp::Queue { peer, mid, lane, seq, chain, text, .. }) => Op::Chat(ChatOp::Queue {
            peer,
            mid,
            lane,
            seq,
            chain,
            text,
            at_ms: at,
            until_ms: None,
            client: Some(client.into()),
        }),
        _ => unreachable!(),
    };
    store.commit(0, &[contact(peer(1)), send(1, "a", 0), send(2, "b", 29 * day)]).unwrap();
    let find = |store: &Store, client: &str, now| {
        records::by_client_id(store.connection(), client, at(now)).unwrap().map(|row| row.mid)
    };
    assert_eq!(find(&store, "a", 29 * day), Some(mid(1)));
    assert_eq!(find(&store, "a", 31 * day), None);
    assert_eq!(find(&store, "b", 31 * day), Some(mid(2)));
    let (rows, _) = messages::page(store.connection(), peer(1).into(), Page::Last, PageLimit::rows(9), false).unwrap();
    assert_eq!(rows[0].client.as_deref(), Some("a"), "shown with the message");
    store.commit(0, &[send(3, "a", 31 * day)]).unwrap();
    assert_eq!(find(&store, "a", 31 * day), Some(mid(3)), "used anew");
    store.commit(90 * day, &[send(4, "c", 90 * day)]).unwrap();
    let left: i64 = store.db.query_row("SELECT count(*) FROM client_id", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 1, "old ones are dropped");
}

#[test]
fn the_search_knows_words_and_none_of_the_index_language() {
    let mut store = Store::in_memory().unwrap();
    let (a, b) = (peer(1), peer(2));
    let texts = ["Hello wide world", "hello Wörld", "NOT a query AND no OR", "100% foo-bar \"quoted\"", "world hello"];
    for (n, text) in (1..).zip(texts) {
        store.commit(0, &[receive(if n % 2 == 0 { b } else { a }, n, text)]).unwrap();
    }
    let token = search::query("x", Some(&[a.into()])).unwrap();
    let token = token.rsplit('"').nth(1).unwrap().to_owned();
    while store.index(2).unwrap() {}
    let find = |text: &str, among: Option<&[ConversationId]>| {
        let query = search::query(text, among)?;
        let (rows, _) = search::find(store.connection(), &query, among, i64::MAX, PageLimit::rows(10)).unwrap();
        Some(rows.into_iter().map(|row| row.id).collect::<Vec<_>>())
    };
    for (text, expected) in [
        ("hello", Some(vec![5, 2, 1])),
        ("HELLO world", Some(vec![5, 2, 1])),
        ("\"hello world\"", Some(vec![2])),
        ("\"hello wo\"*", Some(vec![2])),
        ("wor*", Some(vec![5, 2, 1])),
        ("wor", Some(vec![])),
        ("world\u{0}hello", Some(vec![5])),
        ("NOT", Some(vec![3])),
        ("hello OR foo", Some(vec![])),
        ("hello NOT world", Some(vec![])),
        ("NEAR(hello world)", Some(vec![])),
        ("foo-bar", Some(vec![4])),
        ("quoted\"", Some(vec![4])),
        ("\"", None),
        ("", None),
        ("   \t\n", None),
        ("*", None),
        ("!!! --- ()", None),
        ("{text} : hello", Some(vec![])),
        ("conversation : hello", Some(vec![])),
        ("^hello", Some(vec![5, 2, 1])),
        ("hello + world", Some(vec![5, 2, 1])),
        ("'; DROP TABLE search; --", Some(vec![])),
        ("\"\"\"hello\"\"\"", Some(vec![5, 2, 1])),
        (&token, Some(vec![])),
        ("\u{1f600}", None),
        ("\u{1f600} hello", Some(vec![5, 2, 1])),
    ] {
        assert_eq!(find(text, None), expected, "{text:?}");
    }
    assert_eq!(find("hello", Some(&[a.into()])), Some(vec![5, 1]));
    assert_eq!(find("hello", Some(&[b.into()])), Some(vec![2]));
    assert_eq!(find("hello", Some(&[b.into(), a.into()])), Some(vec![5, 2, 1]));
    assert_eq!(find(&"x ".repeat(QUERY_TERMS + 1), None), None);
    assert_eq!(find(&"x".repeat(QUERY_BYTES + 1), None), None);
    let many: Vec<_> = (0..100).map(|n| peer(n).into()).collect();
    assert_eq!(find("hello", Some(&many)), Some(vec![5, 2, 1]), "a token's scope may be long");
    let query = search::query("hello", None).unwrap();
    let (rows, more) = search::find(store.connection(), &query, None, 5, PageLimit::rows(1)).unwrap();
    assert_eq!((rows.len(), rows[0].id, more), (1, 2, true));
}

proptest! {
    #[test]
    fn each_moment_is_written_as_the_library_does(moments in prop::collection::vec(-377_705_116_800_000_i64..=253_402_207_200_999, 1..9)) {
        for moment in moments.into_iter().flat_map(|moment| [moment, moment.saturating_add(1)]) {
            let Ok(expected) = jiff::Timestamp::from_millisecond(moment) else { continue };
            prop_assert_eq!(time(moment), format!("{expected:.3}"));
        }
    }

    #[test]
    fn no_text_breaks_the_search(text in "\\PC{0,40}|[\"*() :^+{}\\-a-z\u{0}-\u{1f}]{0,40}") {
        let store = Store::in_memory().unwrap();
        if let Some(query) = search::query(&text, Some(&[peer(1).into()])) {
            search::find(store.connection(), &query, None, i64::MAX, PageLimit::rows(1)).unwrap();
        }
    }

    #[test]
    fn pages_of_any_size_from_either_side_give_everything_once(
        owners in prop::collection::vec(0u8..3, 0..60),
        rows in 1u32..8,
        bytes in 0usize..20,
    ) {
        // A text's length is its cost.
        let most = PageLimit { rows, bytes, cost: |row| row.text.len() };
        let fits = |rows: &[MessageRow]| {
            rows.len() <= most.rows as usize
                && (rows.len() == 1 || rows.iter().map(|row| row.text.len()).sum::<usize>() <= bytes)
        };
        let mut store = Store::in_memory().unwrap();
        for (n, owner) in (1..).zip(&owners) {
            let text = "x".repeat(n as usize % 7);
            let op = if n % 3 == 0 { queue(peer(*owner), n, &text) } else { receive(peer(*owner), n, &text) };
            store.commit(0, &[op]).unwrap();
        }
        let expected: Vec<i64> = (1..).zip(&owners).filter(|(_, owner)| **owner == 1).map(|(id, _)| id).collect();
        let (mut forward, mut place) = (Vec::new(), 0);
        loop {
            let (rows, more) = messages::page(store.connection(), peer(1).into(), Page::After(place), most, false).unwrap();
            prop_assert!(fits(&rows) || rows.is_empty());
            forward.extend(rows.iter().map(|row| row.id));
            prop_assert_eq!(more, forward.len() < expected.len());
            let Some(last) = rows.last().filter(|_| more) else { break };
            place = last.id;
        }
        prop_assert_eq!(&forward, &expected);
        let (mut backward, mut page) = (Vec::new(), Page::Last);
        loop {
            let (rows, more) = messages::page(store.connection(), peer(1).into(), page, most, false).unwrap();
            prop_assert!(fits(&rows) || rows.is_empty());
            backward.splice(0..0, rows.iter().map(|row| row.id));
            prop_assert_eq!(more, backward.len() < expected.len());
            let Some(first) = rows.first().filter(|_| more) else { break };
            page = Page::Before(first.id);
        }
        prop_assert_eq!(backward, expected);
    }
}

#[test]
fn a_busy_writer_is_never_far_ahead_of_the_search() {
    let mut store = Store::in_memory().unwrap();
    let mut sent = 0;
    for _ in 0..400 {
        let ops: Vec<_> = (sent + 1..=sent + 100).map(|n| receive(peer(1), n, "word")).collect();
        sent += 100;
        store.commit(0, &ops).unwrap();
        let (indexed, last) = search::state(store.connection()).unwrap();
        assert!(last - indexed < INDEX_BEHIND + 100, "{indexed} of {last}");
        assert!(indexed == 0 || last > INDEX_BEHIND, "the first commits are spared");
    }
    assert!(search::state(store.connection()).unwrap().0 > 0);
    while store.index(4_096).unwrap() {}
    assert_eq!(search::state(store.connection()).unwrap(), (40_000, 40_000));
}

#[tokio::test]
async fn an_idle_writer_indexes_what_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("torchat.db");
    let writer = Writer::threaded(Store::open(&path).unwrap()).unwrap();
    let reader = Reader::of_file(path);
    let ops = (1..=600).map(|n| receive(peer(1), n, "word")).collect();
    writer.write(0, ops, Vec::new()).await.unwrap().unwrap();
    assert!(!reader.is_indexed().unwrap(), "not with the commit");
    // More than one step. Asking the writer would keep it busy, so the file is looked at.
    while !reader.is_indexed().unwrap() {
        tokio::task::yield_now().await;
    }
}

#[test]
fn numbers_are_never_used_twice_whatever_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("torchat.db");
    let notice = || notice("x", None);
    let mut store = Store::open(&path).unwrap();
    store.commit(0, &[receive(peer(1), 1, "a"), notice(), notice()]).unwrap();
    store.set_retention(Retention { events: 1_000, age_ms: 10 });
    while store.trim(at(100), 10).unwrap().0 {}
    assert_eq!(log(&store), [], "all of them are gone");
    drop(store);
    let mut store = Store::open(&path).unwrap();
    assert_eq!(store.log_edges(), LogEdges { oldest: 4, last: 3 });
    // What failed or was only tried uses no number up.
    store.probe().unwrap();
    let invite =
        Op::Contacts(ContactOp::Invite { invite: torchat_core::snapshot::InviteRow { hash: [1; 32], until_ms: 1 } });
    store.commit(0, &[receive(peer(1), 2, "b"), notice(), invite.clone(), invite]).unwrap_err();
    let applied = store.commit(0, &[receive(peer(1), 1, "a"), receive(peer(1), 2, "b")]).unwrap();
    assert_eq!((applied.stored[0].head.row, applied.events[0].seq, applied.events.len()), (2, 4, 1));
    drop(store);
    let mut store = Store::open(&path).unwrap();
    let applied = store.commit(0, &[receive(peer(1), 3, "c")]).unwrap();
    assert_eq!((applied.stored[0].head.row, applied.events[0].seq), (3, 5));
}

#[test]
fn the_search_goes_on_where_it_ended() {
    let mut store = Store::in_memory().unwrap();
    for n in 1..=200 {
        store.commit(0, &[receive(peer(1), n, "word")]).unwrap();
    }
    assert!(!store.index(1_000).unwrap());
    let query = search::query("word", None).unwrap();
    let found = search::find(store.connection(), &query, None, i64::MAX, PageLimit::rows(1_000)).unwrap();
    assert_eq!(found.0.len(), 200);
    // A probe of the disk leaves nothing.
    store.probe().unwrap();
    store.commit(0, &[receive(peer(1), 201, "word")]).unwrap();
    while store.index(1).unwrap() {}
    assert_eq!(search::state(store.connection()).unwrap(), (201, 201));
}

#[test]
fn conversations_are_counted_and_strangers_with_messages_stay() {
    let mut store = Store::in_memory().unwrap();
    store.commit(0, &[contact(peer(1)), contact(peer(2)), receive(peer(1), 1, "a"), receive(peer(1), 2, "b")]).unwrap();
    store
        .commit(0, &[contact(peer(3)), receive(peer(3), 3, "c"), Op::Contacts(ContactOp::Remove { peer: peer(3) })])
        .unwrap();
    store.commit(0, &[contact(peer(4)), Op::Contacts(ContactOp::Remove { peer: peer(4) })]).unwrap();
    let mut found = Vec::new();
    let take = |previews: Vec<Preview>| {
        found.extend(
            previews
                .into_iter()
                .map(|glance| (glance.peer.as_peer().unwrap(), glance.unread, glance.last.map(|last| last.text))),
        );
        true
    };
    store.order.list(store.connection(), ListFrom::Newest, None, 9, take).unwrap();
    assert_eq!(
        found,
        [(peer(3), 1, Some("c".to_owned())), (peer(1), 2, Some("b".to_owned())), (peer(2), 0, None)],
        "a stranger without messages is nobody"
    );
}

#[test]
fn whoever_is_added_again_was_added_then() {
    let mut store = Store::in_memory().unwrap();
    store.commit(0, &[contact(peer(1)), Op::Contacts(ContactOp::Seen { peer: peer(1), at_ms: 2_000 })]).unwrap();
    store.commit(0, &[Op::Contacts(ContactOp::Add { peer: peer(1), at_ms: 3_000 })]).unwrap();
    let store = std::sync::Arc::new(parking_lot::Mutex::new(store));
    let row = Reader::shared(store).snapshot().unwrap().peers.remove(0);
    assert_eq!((row.added_ms, row.seen_ms), (Some(3_000), Some(2_000)), "so a restart asks it");
}

#[test]
fn a_conversation_whose_id_can_be_nobodys_key_is_read_searched_and_told() {
    let mut store = Store::in_memory().unwrap();
    store.commit(0, &[receive(peer(1), 1, "fed at nine"), receive(peer(2), 1, "fed at ten")]).unwrap();
    // The neutral element stands for a room.
    let room = ConversationId::from_bytes(std::array::from_fn(|at| u8::from(at == 0)));
    assert_eq!(room.as_peer(), None);
    let sql = "UPDATE peer SET peer = ?1 WHERE peer = ?2";
    store.db.execute(sql, params![room.as_bytes(), peer(1).as_bytes()]).unwrap();
    let (rows, _) = messages::page(store.connection(), room, Page::Last, PageLimit::rows(9), false).unwrap();
    assert_eq!(
        rows.iter().map(|row| (row.conversation, row.text.as_str())).collect::<Vec<_>>(),
        [(room, "fed at nine")]
    );
    while store.index(9).unwrap() {}
    let (all, in_room) = (search::query("fed", None).unwrap(), search::query("fed", Some(&[room])).unwrap());
    let find = |query: &str, among: Option<&[ConversationId]>| {
        let (rows, _) = search::find(store.connection(), query, among, i64::MAX, PageLimit::rows(9)).unwrap();
        rows.into_iter().map(|row| row.conversation).collect::<Vec<_>>()
    };
    assert_eq!(find(&all, None), [peer(2).into(), room]);
    assert_eq!(find(&in_room, Some(&[room])), [room]);
    let told: Vec<_> = log(&store).into_iter().filter_map(|event| event.what.conversation()).collect();
    assert_eq!(told, [room, peer(2).into()]);
}

#[test]
fn no_query_of_the_api_scans_messages_or_events() {
    let store = Store::in_memory().unwrap();
    let plan = |sql: &str| -> String {
        let mut query = store.db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let nothing = vec![rusqlite::types::Null; query.parameter_count()];
        let rows = query.query_map(rusqlite::params_from_iter(nothing), |row| row.get::<_, String>(3)).unwrap();
        rows.map(Result::unwrap).collect::<Vec<_>>().join("\n")
    };
    let rooms = [rooms::BEFORE, rooms::AFTER, rooms::PART];
    for sql in
        [BEFORE, AFTER, BY_CLIENT, BY_ID, UNREAD_OF, ERASABLE, events::READ, query::HEADS].into_iter().chain(rooms)
    {
        let plan = plan(sql);
        assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
    }
    // The index of the search is a table of its own, whose plan is always called a scan.
    let found = plan(FOUND);
    assert!(!found.contains("SCAN m") && !found.contains("TEMP B-TREE") && found.contains("SCAN s VIRTUAL"), "{found}");
    // One row for each peer, and of its messages the last received and the last sent one.
    let places = plan(super::order::PLACES);
    assert_eq!((places.matches("SCAN p\n").count(), places.matches("SCAN message").count()), (1, 0), "{places}");
    assert!(places.contains("INDEX message_received") && places.contains("INDEX message_sent"), "{places}");
    assert!(!plan(super::order::PLACE).contains("SCAN p\n") && !places.contains("TEMP B-TREE"), "{places}");
}

#[test]
fn no_statement_is_planned_again_for_what_is_bound_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("torchat.db");
    let store = Store::open(&path).unwrap();
    let reader = open_reader(&path).unwrap();
    for db in [&store.db, &reader] {
        let rooms = [rooms::BEFORE, rooms::AFTER, rooms::PART];
        for sql in
            [BEFORE, AFTER, BY_CLIENT, BY_ID, ERASABLE, FOUND, events::READ, query::HEADS].into_iter().chain(rooms)
        {
            let mut query = db.prepare(sql).unwrap();
            let parameters = query.parameter_count();
            for bound in 1..=3 {
                let numbers = vec![bound; parameters];
                let _ = query.query(rusqlite::params_from_iter(numbers)).unwrap().next();
            }
            assert_eq!(query.get_status(rusqlite::StatementStatus::RePrepare), 0, "{sql}");
        }
    }
}

/// Texts of 118 bytes out of words that are as frequent as words are.
fn texts() -> impl Iterator<Item = String> {
    let mut state = 1u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(state >> 32).unwrap()) / f64::from(u32::MAX)
    };
    std::iter::repeat_with(move || {
        let mut text = String::new();
        while text.len() < 118 {
            // Rank n with a weight of 1/n, of ten thousand words of three to nine letters.
            let rank = 10_000f64.powf(random()) as u64;
            let mut n = rank.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            for _ in 0..3 + n % 7 {
                n = n.rotate_left(11).wrapping_mul(31);
                text.push(char::from(b'a' + (n % 26) as u8));
            }
            text.push(' ');
        }
        text.truncate(118);
        text
    })
}

#[test]
fn a_message_takes_at_most_300_bytes_with_the_search() {
    const COUNT: u64 = 19_200;
    const PEERS: u64 = 20;
    // Made once: an identity for every message took most of the test's time.
    let peers: Vec<_> = (0..PEERS as u8).map(peer).collect();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("torchat.db");
    let mut store = Store::open(&path).unwrap();
    store.set_retention(Retention { events: 0, age_ms: 0 });
    let at = 1_800_000_000_000;
    // What happens to a message follows in the next turn.
    let (mut now, mut next) = (Vec::new(), Vec::new());
    for (n, text) in (0..COUNT).zip(texts()) {
        // A peer's messages go to and fro; all are delivered and read at once.
        let (peer, seq) = (peers[(n % PEERS) as usize], n / (2 * PEERS) + 1);
        let id = MessageId(Chain([n as u8; 16]).next(mid(n)).0);
        let at_ms = at + 1_000 * i64::try_from(n).unwrap();
        let (lane, chain) = (LANE, Chain([0; 16]));
        let ops = if (n / PEERS).is_multiple_of(2) {
            let (until_ms, client) = (None, None);
            let queue = Op::Chat(ChatOp::Queue { peer, mid: id, lane, seq, chain, at_ms, until_ms, client, text });
            [queue, Op::Chat(ChatOp::Delivered { peer, lane, upto: seq, chain, late: vec![], at_ms: at_ms + 500 })]
        } else {
            let receive =
                Op::Chat(ChatOp::Receive { peer, lane, seq, chain, mid: id, sent_s: 1_800_000_000, at_ms, text });
            [receive, Op::Chat(ChatOp::ReadUpto { peer, upto: i64::MAX, limit: 9 })]
        };
        let [first, then] = ops;
        now.push(first);
        next.push(then);
        if now.len() == 64 {
            store.commit(at_ms, &now).unwrap();
            now = std::mem::take(&mut next);
            store.commit(at_ms, &now).unwrap();
            now.clear();
            // The writer has nothing else to do for a moment.
            while store.index_due() && store.index(INDEX_STEP).unwrap() {}
        }
    }
    while store.index(256).unwrap() {}
    store.checkpoint().unwrap();
    let events: i64 =
        store.db.query_row("SELECT sum(pgsize) FROM dbstat WHERE name = 'event'", [], |r| r.get(0)).unwrap();
    let file = std::fs::metadata(&path).unwrap().len() - events.unsigned_abs();
    let mut parts =
        store.db.prepare("SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC LIMIT 8").unwrap();
    let parts = parts.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? / COUNT as i64)));
    let parts: Vec<(String, i64)> = parts.unwrap().map(Result::unwrap).collect();
    assert!(file <= 300 * COUNT, "{} bytes for each: {parts:?}", file / COUNT);
    println!("{} {parts:?}", file / COUNT);
}
