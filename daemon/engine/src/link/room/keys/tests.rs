//! Which key is looked for, and which is found.
#![allow(clippy::unwrap_used)]
use super::*;
use ed25519_dalek::SigningKey;
use torchat_protocol::room::body::acts::{Create, Entry, Handover, Policy, Roster as RosterAct};
use torchat_protocol::room::body::said::Topic;
use torchat_protocol::room::body::{BoundedText, Keep, Role};
use torchat_protocol::room::{BoxKey, EventId, Salt, Signature};
use torchat_room::signing::{Clock, create, sign};

const CLOCK: Clock = Clock { acts: 1, lamport: 2, minute: 29_833_333 };

fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

fn public(n: u8) -> MemberKey {
    MemberKey(key(n).verifying_key().to_bytes())
}

fn entry(no: u32, n: u8, role: Role) -> Entry {
    let no = MemberNo::new(no).unwrap();
    Entry { no, sign: public(n), sealing: BoxKey([n; 32]), role, id: None, nick: None, via: None }
}

/// A room of the key 1, and its first act.
fn room() -> (RoomId, Event) {
    let owner = entry(1, 1, Role::Owner);
    let (name, topic, policy) = (BoundedText::default(), BoundedText::default(), Policy::default());
    let mut salts = 0_u8;
    let mut salt = || {
        salts += 1;
        Salt([salts; 16])
    };
    let act = create(&key(1), Create { owner, name, topic, policy, salt: Salt([0; 16]) }, 1, &mut salt).unwrap();
    (RoomId(act.id().0), act)
}

fn said(room: RoomId, by: u8, author: Author, body: &Body) -> Event {
    sign(&key(by), Some(room), author, 2, EventId([0; 32]), CLOCK, body).unwrap()
}

fn text(room: RoomId, by: u8, member: u32) -> Event {
    let topic = Body::Topic(Topic { topic: BoundedText::new("hello").unwrap() });
    said(room, by, MemberNo::new(member).unwrap().chain(0), &topic)
}

fn adds(room: RoomId, by: u8, entries: Vec<Entry>) -> Event {
    said(room, by, Author::ACTS, &Body::Roster(RosterAct { add: entries, ..RosterAct::default() }))
}

/// Publishes these keys of members 1, 2, ..
fn publish(keys: &PublishedKeys, room: RoomId, owner: u32, of: &[u8]) {
    let members = (1..).zip(of).map(|(no, n)| (MemberNo::new(no).unwrap(), Key::new(public(*n)))).collect();
    keys.0.write().insert(room, Arc::new(RoomKeys { owner: MemberNo::new(owner).unwrap(), members }));
}

#[tokio::test]
async fn an_event_holds_under_the_key_of_its_member_and_an_act_under_that_of_the_owner() {
    let ((room, first), keys) = (room(), PublishedKeys::default());
    publish(&keys, room, 2, &[1, 2]);
    let act = adds(room, 2, vec![]);
    let events = [text(room, 1, 1), text(room, 2, 2), text(room, 1, 2), text(room, 1, 3), act, first];
    let checked = Checker::new(keys).check(room, &events).await;
    // The first act is not the present owner's, but it names its own key.
    let expected = [Some(public(1)), Some(public(2)), None, None, Some(public(2)), Some(public(1))];
    assert_eq!(checked.keys, expected);
    assert_eq!(checked.wrong, 1, "a member who is not known has no wrong signature");
}

#[tokio::test]
async fn a_newcomer_learns_the_keys_from_the_acts_that_come_before() {
    let (room, first) = room();
    let checker = Checker::new(PublishedKeys::default());
    let hand = Handover {
        to: MemberNo::new(2).unwrap(),
        proposal: EventId([7; 32]),
        accept: Signature([0; 64]),
        old: Keep::NOTHING,
        new: Keep::NOTHING,
    };
    let events = [
        first,
        adds(room, 1, vec![entry(2, 2, Role::Member)]),
        text(room, 2, 2),
        said(room, 1, Author::ACTS, &Body::Handover(hand)),
        adds(room, 2, vec![]),
    ];
    let checked = checker.check(room, &events).await;
    assert_eq!(checked.keys, [1, 1, 2, 1, 2].map(|n| Some(public(n))));
}

#[tokio::test]
async fn a_key_that_a_link_has_learnt_stands_beside_the_one_that_holds_here() {
    let ((room, _), keys) = (room(), PublishedKeys::default());
    publish(&keys, room, 1, &[1, 2]);
    let checker = Checker::new(keys);
    // On another branch, member 2 has another key.
    let rival = adds(room, 1, vec![entry(2, 9, Role::Member)]);
    let checked = checker.check(room, &[rival, text(room, 9, 2), text(room, 2, 2), text(room, 3, 2)]).await;
    assert_eq!(checked.keys, [Some(public(1)), Some(public(9)), Some(public(2)), None]);
    assert_eq!(checked.wrong, 1);
}

#[tokio::test]
async fn acts_with_many_keys_fill_no_memory() {
    let (room, _) = room();
    let checker = Checker::new(PublishedKeys::default());
    for part in 0..8 {
        let entries = (2 + part * 100..102 + part * 100).map(|no| entry(no, 3, Role::Member)).collect();
        checker.check(room, &[adds(room, 1, entries)]).await;
    }
    assert_eq!(checker.learnt.lock().keys.len(), LEARNT);
}

#[tokio::test]
async fn of_a_room_that_is_over_nothing_is_known() {
    let ((room, _), keys) = (room(), PublishedKeys::default());
    publish(&keys, room, 1, &[1]);
    keys.publish(room, None);
    let checked = Checker::new(keys).check(room, &[text(room, 1, 1)]).await;
    assert_eq!((checked.keys, checked.wrong), (vec![None], 0));
}
