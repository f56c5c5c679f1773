//! How many bytes a text takes on the disk.

use crate::beside::fast_dir;
use ed25519_dalek::SigningKey;
use std::sync::Arc;
use torchat_core::op::{Op, RoomOp};
use torchat_core::snapshot::rooms::RoomKeys;
use torchat_engine::store::Store;
use torchat_protocol::room::body::said::Text;
use torchat_protocol::room::body::{Body, BoundedText, Role};
use torchat_protocol::room::{Frame, LogDigest, LogId, MemberKey, MemberNo, RoomId, TextId};
use torchat_room::outcome::{ChainRow, Op as ReplicaOp};
use torchat_room::signing::{Clock, sign};
use torchat_room::standing::Standing;

const TEXTS: u64 = 8_000;
const MEMBERS: u64 = 8;
/// What a text of a contact takes, with its words in the search and its event.
const CHAT_BYTES: f64 = 268.0;
/// Characters of a text.
const LENGTH: usize = 118;

#[test]
fn a_text_of_118_characters_takes_less_than_2_8_times_what_one_of_a_contact_takes() {
    let dir = fast_dir();
    let path = dir.path().join("torchat.db");
    let mut store = Store::open(&path).unwrap();
    let room = RoomId([5; 32]);
    let keys = RoomKeys { sign: [3; 32], sealing: [2; 32] };
    store.commit(0, &[Op::from(RoomOp::Begin { room, keys, log: LogId([1; 8]), way: None })]).unwrap();
    store.checkpoint().unwrap();
    let before = path.metadata().unwrap().len();
    let key = SigningKey::from_bytes(&[3; 32]);
    let mut heads = vec![room.as_event(); usize::try_from(MEMBERS).unwrap()];
    let (mut digest, mut length) = (LogDigest::EMPTY, 0);
    let member_key = MemberKey(key.verifying_key().to_bytes());
    for n in 0..TEXTS {
        let member = usize::try_from(n % MEMBERS).unwrap();
        let author = MemberNo::new(u32::try_from(member).unwrap() + 1).unwrap().chain(0);
        let seq = n / MEMBERS + 1;
        let mut mid = [0x5a; 16];
        mid[..8].copy_from_slice(&n.to_be_bytes());
        let text = format!("{n:LENGTH$}");
        let body =
            Body::Text(Text { mid: TextId(mid), text: BoundedText::new(text).unwrap(), re: None, to: Vec::new() });
        let clock = Clock { acts: 1, lamport: n + 1, minute: 29_833_333 };
        let event = sign(&key, Some(room), author, seq, heads[member], clock, &body).unwrap();
        heads[member] = event.id();
        length = Frame::event_len(&event);
        digest = digest.next(event.id());
        let ops = [
            ReplicaOp::Chain(author, ChainRow { head: seq, id: event.id(), floor: 0, key: member_key }),
            ReplicaOp::Store {
                pos: n + 1,
                event: Arc::new(event),
                digest,
                lamport: n + 1,
                standing: Standing::As(Role::Member),
            },
        ];
        store.commit(1_790_000_000_000, &ops.map(|op| Op::from(RoomOp::Replica { room, op }))).unwrap();
    }
    while store.index(4_096).unwrap() {}
    store.checkpoint().unwrap();
    let bytes = (path.metadata().unwrap().len() - before) as f64 / TEXTS as f64;
    println!("{bytes:.0} bytes on the disk for a text of {LENGTH} characters, whose event has {length} in a frame");
    assert!(bytes < 2.8 * CHAT_BYTES, "{bytes}");
}
