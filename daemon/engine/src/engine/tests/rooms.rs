//! What a client wants of a message of a room, and what of it becomes events.

use super::{Mutex, Storage, Store, identity, network, start};
use crate::handle::Page;
use ed25519_dalek::SigningKey;
use std::sync::Arc;
use std::time::Duration;
use torchat_core::op::{Op, RoomOp};
use torchat_core::snapshot::rooms::RoomKeys;
use torchat_protocol::control::api::record::MessageState;
use torchat_protocol::room::body::acts::{Create, Entry, Policy};
use torchat_protocol::room::body::said::Text;
use torchat_protocol::room::body::{BoundedText, Role};
use torchat_protocol::room::{BoxKey, Identity, LogId, MemberKey, MemberNo, RoomId, Salt, TextId};
use torchat_room::Replica;
use torchat_room::outcome::{Context, Op as ReplicaOp};
use torchat_room::replica::{Me, Stored};
use torchat_room::signing::create;
use torchat_room::standing::{Spans, Standing};

/// A room of ours alone in which these texts are said, each with its id.
fn room_with(store: &mut Store, texts: impl IntoIterator<Item = (u128, &'static str)>) -> RoomId {
    let keys = RoomKeys { sign: [2; 32], sealing: [3; 32] };
    let key = SigningKey::from_bytes(&keys.sign);
    let owner = Entry {
        no: MemberNo::MAKER,
        sign: MemberKey(key.verifying_key().to_bytes()),
        sealing: BoxKey([9; 32]),
        role: Role::Owner,
        id: Some(Identity(*identity(1).peer_id().as_bytes())),
        nick: None,
        via: None,
    };
    let (name, topic) = (BoundedText::new("lab").unwrap(), BoundedText::default());
    let first = Create { owner, name, topic, policy: Policy::default(), salt: Salt([0; 16]) };
    let mut salt = 0_u128;
    let mut next = || {
        salt += 1;
        Salt(salt.to_be_bytes())
    };
    let first = create(&key, first, 1, &mut next).unwrap();
    let (room, log) = (RoomId(first.id().0), LogId([1; 8]));
    let mut replica = Replica::load(Stored::new(room, log, Some(Me { seed: keys.sign, chain: 0 })));
    let mut context = Context { now_ms: 1, minute: 1, random: &mut |bytes| bytes.fill(7) };
    replica.found_room(&mut context, first);
    for (mid, words) in texts {
        let text =
            Text { mid: TextId(mid.to_be_bytes()), text: BoundedText::new(words).unwrap(), re: None, to: Vec::new() };
        replica.say_text(&mut context, text).unwrap();
    }
    let said = replica.take().ops.into_iter().map(|op| RoomOp::Replica { room, op });
    let ops: Vec<_> = std::iter::once(RoomOp::Begin { room, keys, log, way: None }).chain(said).map(Op::from).collect();
    store.commit(1, &ops).unwrap();
    room
}

#[tokio::test(start_paused = true)]
async fn a_text_that_is_taken_away_goes_with_all_events_that_say_it() {
    let mut store = Store::in_memory().unwrap();
    let room = room_with(&mut store, [(1, "twice"), (2, "once"), (1, "twice")]);
    let store = Arc::new(Mutex::new(store));
    let running = start(1, Storage::Shared(store.clone()), &network());
    let handle = &running.handle;
    let page = async || handle.page(room.conversation(), Page::Last, 10).await.unwrap().0;
    let said = page().await.into_iter().find(|message| message.text == "twice").unwrap();
    handle.redact(room, said.id, None).await.unwrap();
    let after: Vec<_> = page().await.into_iter().map(|message| (message.text, message.state)).collect();
    assert!(!after.iter().any(|(text, _)| text == "twice"), "{after:?}");
    assert_eq!(after.iter().filter(|(_, state)| *state == MessageState::Redacted).count(), 1, "{after:?}");
    assert!(after.iter().any(|(text, _)| text == "once"));
    let count = |sql: &str| store.lock().connection().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM room_event WHERE kind = 16 AND body IS NULL"), 2);
    assert_eq!(count("SELECT count(*) FROM room_event WHERE kind = 19"), 2, "one event each");
}

#[tokio::test(start_paused = true)]
async fn a_chain_that_is_behind_is_brought_further_by_itself_also_after_a_restart() {
    let mut store = Store::in_memory().unwrap();
    let room = room_with(&mut store, (0..2_500).map(|mid| (mid, "much")));
    let author = MemberNo::MAKER.chain(0);
    let spans = ReplicaOp::Spans(author, Spans::new(vec![(1, Standing::Hidden(Role::Member))]));
    let applied = store.commit(1, &[Op::from(RoomOp::Replica { room, op: spans })]).unwrap();
    assert!(applied.behind, "one commit does not do all");
    let store = Arc::new(Mutex::new(store));
    let left = || {
        let sql = "SELECT count(*) FROM room_event WHERE kind = 16 AND standing = 4";
        store.lock().connection().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(left(), 2_500 - 1_024);
    // The process that began it is gone.
    let running = start(1, Storage::Shared(store.clone()), &network());
    tokio::time::timeout(Duration::from_secs(60), async {
        while left() > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .unwrap();
    drop(running);
}
