//! What the desk of rooms writes is what it begins with at the next start.

use crate::beside::fast_dir;
use torchat_core::op::{Op, RoomOp};
use torchat_core::snapshot::rooms::{
    HandRow, InviteRow, PetitionRow, RoomKeys, RoomSnapshot, RoomState, RoomsSnapshot, Tomb, Way,
};
use torchat_engine::store::{Reader, Store};
use torchat_protocol::id::{InviteSecret, PeerId};
use torchat_protocol::nick::Nick;
use torchat_protocol::room::body::acts::Settle;
use torchat_protocol::room::body::said::Text;
use torchat_protocol::room::body::{Body, BoundedText, Role};
use torchat_protocol::room::{
    Author, BoxKey, EventId, Identity, InviteId, InviteKey, LogDigest, LogId, MemberKey, MemberNo, Pass, RoomId,
    Signature, TextId,
};
use torchat_room::outcome::Op as ReplicaOp;
use torchat_room::signing::{Clock, sign};
use torchat_room::standing::Standing;

const ROOM: RoomId = RoomId([5; 32]);

struct Desk {
    _dir: tempfile::TempDir,
    store: Store,
    reader: Reader,
}

impl Desk {
    fn new() -> Self {
        let dir = fast_dir();
        let path = dir.path().join("torchat.db");
        let store = Store::open(&path).unwrap();
        Self { reader: Reader::of_file(path), store, _dir: dir }
    }

    fn write(&mut self, ops: impl IntoIterator<Item = RoomOp>) -> RoomsSnapshot {
        let ops: Vec<Op> = ops.into_iter().map(Op::from).collect();
        self.store.commit(0, &ops).unwrap();
        self.reader.rooms().unwrap()
    }

    fn room(&mut self, op: RoomOp) -> RoomSnapshot {
        self.write([op]).rooms.into_iter().find(|room| room.stored.room == ROOM).unwrap()
    }
}

fn peer(n: u8) -> PeerId {
    let identity = torchat_core::handshake::LocalIdentity::from_seeds(&[n + 1; 32], &[n + 101; 32], 1_700_000_000);
    identity.unwrap().peer_id()
}

fn keys() -> RoomKeys {
    RoomKeys { sign: [3; 32], sealing: [2; 32] }
}

fn begin(way: Option<Way>) -> RoomOp {
    RoomOp::Begin { room: ROOM, keys: keys(), log: LogId([1; 8]), way }
}

fn queued(mid: u8) -> RoomOp {
    let text = Text { mid: TextId([mid; 16]), text: BoundedText::new("waits").unwrap(), re: None, to: Vec::new() };
    RoomOp::Replica { room: ROOM, op: ReplicaOp::Queue(text) }
}

fn act(seq: u64) -> torchat_protocol::room::Event {
    let clock = Clock { acts: 0, lamport: 1, minute: 1 };
    let key = ed25519_dalek::SigningKey::from_bytes(&[3; 32]);
    sign(&key, Some(ROOM), Author::ACTS, seq, ROOM.as_event(), clock, &Body::Settle(Settle::default())).unwrap()
}

fn stored() -> RoomOp {
    let event = act(1);
    let digest = LogDigest::EMPTY.next(event.id());
    let standing = Standing::As(Role::Owner);
    let op = ReplicaOp::Store { pos: 1, event: event.into(), digest, lamport: 1, standing };
    RoomOp::Replica { room: ROOM, op }
}

#[test]
fn a_room_says_how_it_is_entered_until_it_is() {
    let mut desk = Desk::new();
    let way = Way {
        doors: vec![peer(1), peer(2)],
        pass: Some(Pass { id: InviteId([6; 8]), secret: InviteSecret([7; 16]) }),
        nick: Some(Nick::parse("anna").unwrap()),
        text: BoundedText::new("it is me").unwrap(),
        want: Some(50),
    };
    let room = desk.room(begin(Some(way.clone())));
    assert_eq!((room.state, room.way), (RoomState::Joining, Some(way)));
    assert_eq!(room.sealing, keys().public_sealing());
    assert_eq!(room.stored.me.map(|me| (me.seed, me.chain)), Some(([3; 32], 0)));
    let bare = Way { doors: Vec::new(), pass: None, nick: None, text: BoundedText::default(), want: None };
    assert_eq!(desk.room(begin(Some(bare.clone()))).way, Some(bare));
    let room = desk.room(RoomOp::State { room: ROOM, state: RoomState::Member });
    assert_eq!((room.state, room.way), (RoomState::Member, None));
    let room = desk.room(RoomOp::State { room: ROOM, state: RoomState::Leaving(77) });
    assert_eq!(room.state, RoomState::Leaving(77));
}

/// The replica of a newcomer begins anew.
fn anew(log: u8) -> RoomOp {
    RoomOp::Replica { room: ROOM, op: torchat_room::outcome::Op::Anew(LogId([log; 8])) }
}

#[test]
fn a_replica_that_begins_anew_keeps_the_texts_that_wait_and_nothing_else() {
    let mut desk = Desk::new();
    desk.write([begin(None), queued(1), stored(), queued(2)]);
    let room = desk.room(anew(9));
    assert_eq!((room.stored.log, room.stored.next, room.stored.digest), (LogId([9; 8]), 1, LogDigest::EMPTY));
    assert!(room.stored.recent.is_empty() && room.stored.act_positions.is_empty());
    assert_eq!(room.stored.outbox.iter().map(|text| text.mid.0[0]).collect::<Vec<_>>(), [1, 2]);
    // The same again in one transaction with what follows.
    let snapshot = desk.write([stored(), anew(8), stored()]);
    assert_eq!(snapshot.rooms[0].stored.next, 2);
    // And a room that begins has nothing.
    let room = desk.room(begin(None));
    assert_eq!((room.stored.next, room.stored.outbox.len()), (1, 0));
}

#[test]
fn the_only_room_that_is_joined_again_is_a_room_like_others() {
    let mut desk = Desk::new();
    desk.write([begin(None), stored()]);
    desk.write([begin(None), stored()]);
    let listed: Vec<_> = desk.reader.room_records().unwrap().into_iter().map(|room| room.peer).collect();
    assert_eq!(listed, [ROOM.conversation()]);
}

#[test]
fn who_may_join_and_who_leaves_is_kept_and_goes() {
    let mut desk = Desk::new();
    desk.write([begin(None)]);
    let invite = |note: Option<&str>| InviteRow {
        id: InviteId([1; 8]),
        key: InviteKey::from_bytes([2; 32]),
        role: Role::Moderator,
        uses: note.map(|_| 5),
        until_ms: 99,
        whom: note.map(|_| Identity([3; 32])),
        note: note.map(str::to_owned),
    };
    let petition = |text: &str| PetitionRow {
        id: Identity([4; 32]),
        sign: MemberKey([5; 32]),
        sealing: BoxKey([6; 32]),
        nick: Nick::parse("bob").ok().filter(|_| !text.is_empty()),
        text: BoundedText::new(text).unwrap(),
        via: Some(InviteId([1; 8])).filter(|_| !text.is_empty()),
        at_ms: 88,
        refused: text.is_empty(),
    };
    for note in [Some("for bob"), None] {
        let room = desk.room(RoomOp::Invite { room: ROOM, invite: invite(note) });
        assert_eq!(room.invites, [invite(note)]);
        assert_eq!(room.invites[0].key.as_bytes(), &[2; 32]);
    }
    for text in ["hello", ""] {
        let room = desk.room(RoomOp::Petition { room: ROOM, petition: petition(text) });
        assert_eq!(room.petitions, [petition(text)]);
    }
    let ban = |banned| RoomOp::Ban { room: ROOM, id: Identity([7; 32]), banned };
    let leaver = |leaves| RoomOp::Leaver { room: ROOM, member: MemberNo::new(70_000).unwrap(), leaves };
    let hand = |accept| HandRow { proposal: EventId([8; 32]), by: MemberNo::MAKER, to: MemberNo::MAKER, accept };
    assert_eq!(desk.room(ban(true)).bans, [Identity([7; 32])]);
    assert_eq!(desk.room(leaver(true)).leavers, [MemberNo::new(70_000).unwrap()]);
    for accept in [None, Some(Signature([9; 64]))] {
        let room = desk.room(RoomOp::Hand { room: ROOM, hand: Some(hand(accept)) });
        assert_eq!(room.hand, Some(hand(accept)));
    }
    let gone = [
        RoomOp::InviteGone { room: ROOM, id: InviteId([1; 8]) },
        RoomOp::PetitionGone { room: ROOM, id: Identity([4; 32]) },
        ban(false),
        leaver(false),
        RoomOp::Hand { room: ROOM, hand: None },
    ];
    let room = desk.write(gone).rooms.remove(0);
    assert!(room.invites.is_empty() && room.petitions.is_empty() && room.bans.is_empty() && room.leavers.is_empty());
    assert_eq!(room.hand, None);
}

#[test]
fn a_room_that_is_over_has_no_keys_and_one_that_is_destroyed_has_two_acts() {
    let mut desk = Desk::new();
    let other = RoomId([6; 32]);
    let rest = RoomOp::Begin { room: other, keys: keys(), log: LogId([1; 8]), way: None };
    let snapshot = desk.write([begin(None), rest, stored(), RoomOp::State { room: ROOM, state: RoomState::Removed }]);
    assert_eq!(snapshot.past, [(ROOM, RoomState::Removed)]);
    assert_eq!(snapshot.rooms.iter().map(|room| room.stored.room).collect::<Vec<_>>(), [other]);
    let kept = |desk: &Desk| {
        let path = desk._dir.path().join("torchat.db");
        let db = rusqlite::Connection::open(path).unwrap();
        let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        (
            count("SELECT count(*) FROM room WHERE seed IS NOT NULL OR sealing IS NOT NULL"),
            count("SELECT count(*) FROM room_event"),
        )
    };
    assert_eq!(kept(&desk), (1, 1), "what was said stays");
    let tomb = Tomb {
        room: ROOM,
        acts: vec![act(1).into(), act(2).into()],
        members: vec![Identity([1; 32]), Identity([2; 32])],
        at_ms: 66,
    };
    let snapshot = desk.write([RoomOp::Bury(tomb.clone())]);
    assert_eq!((snapshot.past, snapshot.tombs), (vec![(ROOM, RoomState::Destroyed)], vec![tomb]));
    assert_eq!(kept(&desk), (1, 0));
    let snapshot = desk.write([RoomOp::Unbury(ROOM), RoomOp::Epoch { peer: peer(1), epoch: 4 }]);
    assert_eq!((snapshot.tombs, snapshot.epochs), (vec![], vec![(peer(1), 4)]));
    let snapshot = desk.write([RoomOp::Epoch { peer: peer(1), epoch: 5 }]);
    assert_eq!(snapshot.epochs, [(peer(1), 5)]);
    // Somebody may come back.
    assert_eq!(desk.room(begin(None)).state, RoomState::Member);
}
