//! The limits of PROTOCOL.md that the node keeps: what happens at them and beyond.

use super::*;
use crate::effect::LinkEffect;
use crate::input::LinkInput;
use crate::op::ChatOp;
use torchat_protocol::id::{LaneId, MessageId};
use torchat_protocol::limits;
use torchat_protocol::message::{Body, Recv};

/// The first messages of a lane.
fn lane(n: u8, count: u64, bytes: usize) -> Vec<PeerMessage> {
    let mut prev = Chain::EMPTY;
    let messages = (1..=count).map(|seq| {
        let mut mid = [n; 16];
        mid[..8].copy_from_slice(&seq.to_be_bytes());
        let (mid, before) = (MessageId(mid), prev);
        prev = prev.next(mid);
        let body = Body::Text { text: "x".repeat(bytes) };
        PeerMessage::Recv(Recv { lane: LaneId([n; 8]), seq, prev: before, mid, sent: 60, body })
    });
    messages.collect()
}

fn say(bench: &mut Bench, messages: &[PeerMessage]) -> Turn {
    bench.turn(messages.iter().cloned().map(|message| Input::Link(LinkInput::Message { link: LinkId(1), message })))
}

fn stored(turn: &Turn) -> usize {
    turn.ops.iter().filter(|op| matches!(op, Op::Chat(ChatOp::Receive { .. }))).count()
}

#[test]
fn a_receiver_takes_more_than_a_sender_may_have_in_flight() {
    // The number in flight binds the sender; who has the disk for it drops nothing.
    let mut bench = Bench::new(|_, _| {});
    bench.link(1, 1);
    let count = 3 * limits::IN_FLIGHT_MESSAGES;
    let turn = say(&mut bench, &lane(1, count as u64, 10));
    assert_eq!(stored(&turn), count);
    let ack = |effect: &Effect| match effect {
        Effect::Link(LinkEffect::Say { message: PeerMessage::Ack(state), .. }) => Some(state.hwm),
        _ => None,
    };
    assert_eq!(turn.effects.iter().find_map(ack), Some(count as u64));
    assert_eq!(count_closes(&turn), 0);
}

fn count_closes(turn: &Turn) -> usize {
    count(&turn.effects, |effect| matches!(effect, Effect::Link(LinkEffect::Close { .. })))
}

#[test]
fn dropped_messages_end_the_link_beyond_twice_the_credit() {
    // A stranger's mail is dropped, and so is a contact's behind a gap: both count alike.
    for contact in [false, true] {
        let mut bench = Bench::new(|row, _| row.contact = contact);
        bench.link(1, 1);
        let fits = usize::try_from(2 * limits::RECEIVE_CREDIT_BYTES).unwrap() / (limits::TEXT_BYTES + 256);
        let one = &lane(1, 2, limits::TEXT_BYTES)[1..];
        for n in 1..=fits {
            let turn = say(&mut bench, one);
            assert_eq!((stored(&turn), count_closes(&turn)), (0, 0), "{contact} {n}");
        }
        let turn = say(&mut bench, one);
        assert!(
            turn.effects.contains(&Effect::Link(LinkEffect::Close { link: LinkId(1), bye: Some(ByeReason::Limit) })),
            "{contact}"
        );
    }
}

#[test]
fn one_lane_too_many_makes_the_one_forgotten_that_was_not_moved_for_longest() {
    let mut bench = Bench::new(|_, _| {});
    bench.link(1, 1);
    let most = u8::try_from(limits::LANES_PER_PEER).unwrap();
    for n in 1..=most {
        assert_eq!(stored(&say(&mut bench, &lane(n, 1, 1))), 1, "{n}");
    }
    // A repetition moves nothing; the next number does.
    assert_eq!(stored(&say(&mut bench, &lane(1, 1, 1))), 0);
    assert_eq!(stored(&say(&mut bench, &lane(2, 2, 1)[1..])), 1);
    let forgotten = |turn: &Turn| -> Vec<u8> {
        let lane = |op: &Op| if let Op::Chat(ChatOp::ForgetLane { lane, .. }) = op { Some(lane.0[0]) } else { None };
        turn.ops.iter().filter_map(lane).collect()
    };
    assert_eq!(forgotten(&say(&mut bench, &lane(most + 1, 1, 1))), [1]);
    assert_eq!(forgotten(&say(&mut bench, &lane(most + 2, 1, 1))), [3]);
}
