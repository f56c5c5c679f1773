//! An owner that says more than anybody can keep.

use super::*;
use torchat_protocol::room::{Header, Signature};

/// An act of the owner that takes so many bytes.
fn long(prev: EventId, room: RoomId, seq: u64, bytes: usize) -> Event {
    let mut body = br#"{"name":"x"}"#.to_vec();
    body.resize(bytes, b' ');
    let body: Arc<[u8]> = body.into();
    let header = Header::of_body(set("x").kind(), Some(room), Author::ACTS, seq, prev, &body);
    let header = Header { acts: 2, lamport: 5, minute: 1, ..header };
    let signature = Signature(ed25519_dalek::Signer::sign(&key(1), &header.id().to_be_signed()).to_bytes());
    Event::new(header, signature, body).unwrap()
}

#[test]
fn the_acts_of_a_room_take_16_mib_and_no_more() {
    let mut honest = Honest::new(Policy::default());
    let (mut prev, mut seq) = (honest.acts[1].id(), 3);
    for _ in 0..200 {
        let act = long(prev, honest.room, seq, 131_072);
        (prev, seq) = (act.id(), seq + 1);
        honest.hear(Frame::Events(vec![act]));
        honest.turn(|replica, _| replica.closed(CHANNEL));
        honest.turn(|replica, ctx| replica.open(ctx, CHANNEL, PEER, Some(number(1)), None));
    }
    // The first two are short.
    assert_eq!(honest.replica.acts(), 2 + 127);
    // A short one still has a place.
    let last = honest.replica.act_ids().last().unwrap();
    honest.hear(Frame::Events(vec![long(last, honest.room, 130, 1_000)]));
    assert_eq!(honest.replica.acts(), 130);
    // And the same after a start.
    assert_eq!(Replica::load(honest.disk.stored()).acts(), 130);
}

#[test]
fn acts_behind_the_last_number_are_never_kept() {
    let mut honest = Honest::new(Policy::default());
    let acts = [100_000, 100_001].map(|seq| {
        let place = Place { author: Author::ACTS, seq };
        (*honest.event(1, place, EventId([7; 32]), &set("late"))).clone()
    });
    honest.hear_events(&acts[..1]);
    assert_eq!(honest.disk.stored().rivals.len(), 1, "the last one may be on some branch");
    honest.hear_events(&acts[1..]);
    assert_eq!(honest.disk.stored().rivals.len(), 1);
}
