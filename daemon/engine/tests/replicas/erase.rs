//! What is erased of a room goes from its log, too: the bodies, but nothing by which chains are checked.

use crate::beside::fast_dir;
use ed25519_dalek::SigningKey;
use std::sync::Arc;
use torchat_core::op::{ChatOp, Op, RoomOp};
use torchat_core::piece::Piece;
use torchat_core::snapshot::rooms::RoomKeys;
use torchat_engine::store::{Reader, Store};
use torchat_protocol::room::body::said::{Edit, Reaction, Text};
use torchat_protocol::room::body::{Body, BoundedText, Ref, Role};
use torchat_protocol::room::{Author, Event, EventId, Frame, LogDigest, LogId, MemberKey, MemberNo, RoomId, TextId};
use torchat_room::outcome::{ChainRow, ChannelId, Op as ReplicaOp};
use torchat_room::reading::{Filter, Read};
use torchat_room::signing::{Clock, sign};
use torchat_room::standing::Standing;

/// An identity's bytes: a room that is no conversation has no messages.
fn room() -> RoomId {
    let identity = torchat_core::handshake::LocalIdentity::from_seeds(&[5; 32], &[6; 32], 1_700_000_000);
    RoomId(*identity.unwrap().peer_id().as_bytes())
}

struct Log {
    path: std::path::PathBuf,
    _dir: tempfile::TempDir,
    store: Store,
    next: u64,
    digest: LogDigest,
    heads: std::collections::BTreeMap<Author, (u64, EventId)>,
}

impl Log {
    fn new() -> Self {
        let dir = fast_dir();
        let path = dir.path().join("torchat.db");
        let mut store = Store::open(&path).unwrap();
        let keys = RoomKeys { sign: [3; 32], sealing: [2; 32] };
        store.commit(0, &[Op::from(RoomOp::Begin { room: room(), keys, log: LogId([1; 8]), way: None })]).unwrap();
        Self { path, _dir: dir, store, next: 1, digest: LogDigest::EMPTY, heads: std::collections::BTreeMap::new() }
    }

    /// Member 2 says something in one of their chains, which arrives at this moment.
    fn say(&mut self, chain: u8, at_ms: i64, body: &Body) -> Ref {
        let key = SigningKey::from_bytes(&[4; 32]);
        let author = MemberNo::new(2).unwrap().chain(chain);
        let (seq, prev) = self.heads.get(&author).copied().unwrap_or((0, room().as_event()));
        let clock = Clock { acts: 1, lamport: self.next, minute: 29_833_333 };
        let event = sign(&key, Some(room()), author, seq + 1, prev, clock, body).unwrap();
        let (id, named, pos) = (event.id(), event.named(), self.next);
        self.digest = self.digest.next(id);
        let key = MemberKey(key.verifying_key().to_bytes());
        let standing = Standing::As(Role::Member);
        let ops = [
            ReplicaOp::Chain(author, ChainRow { head: seq + 1, id, floor: 0, key }),
            ReplicaOp::Store { pos, event: Arc::new(event), digest: self.digest, lamport: pos, standing },
        ];
        self.store.commit(at_ms, &ops.map(|op| Op::from(RoomOp::Replica { room: room(), op }))).unwrap();
        self.heads.insert(author, (seq + 1, id));
        self.next += 1;
        named
    }

    fn erase(&mut self, before_ms: i64) {
        let peer = room().conversation().as_peer().unwrap();
        let piece = Piece { after: 0, upto: i64::MAX, before_ms: Some(before_ms), unread: true, limit: 64 };
        self.store.commit(0, &[Op::Chat(ChatOp::Erase { peer, piece })]).unwrap();
        self.store.scrub(true).unwrap();
    }

    /// What another member is told.
    fn told(&self) -> Vec<Event> {
        let filter =
            Arc::new(Filter { end: self.next, members: [MemberNo::new(2).unwrap()].into(), ..Filter::default() });
        let read = Read::Log { channel: ChannelId(1), from: 1, early: None, most: 1 << 20, filter };
        let (frames, _) = Reader::of_file(self.path.clone()).answer_room(room(), &read).unwrap().unwrap();
        let events = frames.into_iter().flat_map(|frame| match frame {
            Frame::Events(events) => events,
            _ => Vec::new(),
        });
        events.collect()
    }

    fn holds(&self, words: &str) -> bool {
        let bytes = std::fs::read(&self.path).unwrap();
        bytes.windows(words.len()).any(|part| part == words.as_bytes())
    }
}

fn text(mid: u8, text: &str) -> Body {
    Body::Text(Text { mid: TextId([mid; 16]), text: BoundedText::new(text).unwrap(), re: None, to: Vec::new() })
}

#[test]
fn an_erased_text_of_a_room_leaves_no_body_and_is_not_asked_for_again() {
    let mut log = Log::new();
    let old = log.say(0, 1_000, &text(1, "where the key lies"));
    let edit = Edit { of: old, mid: TextId([9; 16]), text: BoundedText::new("under the stone").unwrap() };
    log.say(0, 1_500, &Body::Edit(edit));
    log.say(0, 1_600, &Body::Reaction(Reaction { of: old, sign: BoundedText::new("gladly").unwrap() }));
    log.say(0, 3_000, &text(2, "the cat is fed"));
    log.store.checkpoint().unwrap();
    let before = log.told();
    assert!(before.iter().all(|event| event.body().is_some()) && log.holds("under the stone"));
    log.erase(2_000);
    let told = log.told();
    let bodies: Vec<bool> = told.iter().map(|event| event.body().is_some()).collect();
    assert_eq!(bodies, [false, false, false, true]);
    // Chains are checked by what is left.
    assert_eq!(told.iter().map(Event::id).collect::<Vec<_>>(), before.iter().map(Event::id).collect::<Vec<_>>());
    for words in ["where the key lies", "under the stone", "gladly"] {
        assert!(!log.holds(words), "{words:?} is left in the file");
    }
    assert!(log.holds("the cat is fed"));
    let stored = Reader::of_file(log.path.clone()).rooms().unwrap().rooms.remove(0).stored;
    assert_eq!(stored.missing, [], "what was dropped here is not missing");
    // The same text in another chain of theirs, as after a restored backup.
    log.say(1, 4_000, &text(1, "where the key lies"));
    log.store.checkpoint().unwrap();
    assert!(log.told().last().is_some_and(|event| event.body().is_none()), "it is erased");
}
