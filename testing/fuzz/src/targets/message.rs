//! Messages between daemons.

use crate::Seen;
use crate::script::Script;
use serde_json::Value;
use torchat_protocol::frame::{self, Framed, Reassembler, TYPE_JSON, Takes};
use torchat_protocol::id::{Chain, LaneId, MessageId, RunId};
use torchat_protocol::limits;
use torchat_protocol::message::{
    Body, Bye, ByeReason, ContactReq, ContactRes, ContactState, Hello, LaneState, Limits, Nonce, PeerMessage, Recv,
    Skip, SkipReason,
};

const LARGEST: u64 = (1 << 53) - 1;

/// The bytes as a peer message.
///
/// # Panics
/// When a message is not what its JSON says, is not read back, or passes a limit.
pub fn decode(data: &[u8]) -> Seen {
    let Ok(message) = PeerMessage::decode(data) else { return Seen::Refused };
    assert!(within_limits(&message), "a limit is passed: {message:?}");
    let wire = message.encode();
    assert_eq!(PeerMessage::decode(&wire).as_ref(), Ok(&message), "read back");
    let said: Value = serde_json::from_slice(data).unwrap_or_default();
    let understood: Value = serde_json::from_slice(&wire).unwrap_or_default();
    assert!(is_said(&understood, &said), "{understood} is understood where {said} is said");
    assert!(wire.starts_with(b"{\"t\":\""), "the type comes first");
    through_frames(&wire);
    Seen::Taken
}

/// Whether everything that was understood was said, in the one spelling. What was said and not understood is for later
/// versions.
fn is_said(understood: &Value, said: &Value) -> bool {
    match (understood, said) {
        (Value::Object(understood), Value::Object(said)) => understood.iter().all(|(key, value)| match said.get(key) {
            Some(found) => is_said(value, found) || key == "why" && value == "unknown" && found.is_string(),
            // A default.
            None => matches!(value, Value::Array(list) if list.is_empty()) || value == "",
        }),
        (Value::Array(understood), Value::Array(said)) => {
            understood.len() == said.len() && understood.iter().zip(said).all(|(a, b)| is_said(a, b))
        }
        (understood, said) => understood == said,
    }
}

fn through_frames(wire: &[u8]) {
    let mut reassembler = Reassembler::new(Takes::CHAT);
    let plaintexts = frame::split(TYPE_JSON, 0, wire);
    let found: Vec<_> = plaintexts.filter_map(|plaintext| reassembler.push(&plaintext).transpose()).collect();
    assert_eq!(found, [Ok(Framed { kind: TYPE_JSON, channel: 0, bytes: wire.to_vec() })]);
}

/// The bytes as the fields of a message, which is written and read.
///
/// # Panics
/// When a message within the limits is not read back, or one beyond them is.
pub fn built(data: &[u8]) -> Seen {
    let message = build(&mut Script::new(data));
    let wire = message.encode();
    let back = PeerMessage::decode(&wire);
    if within_limits(&message) {
        assert_eq!(back, Ok(message), "read back");
        through_frames(&wire);
        Seen::Taken
    } else {
        assert!(back.is_err(), "a limit is passed: {message:?}");
        Seen::Refused
    }
}

/// The limits of the protocol's page, written anew.
fn within_limits(message: &PeerMessage) -> bool {
    let number = |n: u64| n <= LARGEST;
    let place = |n: u64| n > 0 && n <= LARGEST;
    match message {
        PeerMessage::Hello(hello) => {
            let Limits { msg, inflight, credit } = hello.limits;
            hello.app.len() <= 64
                && hello.features.len() <= 32
                && hello.features.iter().all(|feature| feature.len() <= 64)
                && hello.lanes.len() <= limits::LANES_PER_PEER
                && hello.lanes.iter().all(|state| number(state.hwm))
                && [msg, inflight, credit].into_iter().all(number)
                && msg >= limits::TEXT_BYTES as u64
        }
        PeerMessage::Recv(Recv { seq, sent, body: Body::Text { text }, .. }) => {
            place(*seq) && number(*sent) && text.len() <= limits::TEXT_BYTES
        }
        PeerMessage::Ack(state) => number(state.hwm),
        PeerMessage::Skip(skip) => place(skip.to),
        PeerMessage::ContactReq(ContactReq { nick, text, invite }) => {
            nick.len() <= limits::NICK_BYTES
                && text.len() <= limits::REQUEST_TEXT_BYTES
                && invite.as_ref().is_none_or(|invite| invite.len() <= 64)
        }
        PeerMessage::Ping(Nonce { n }) | PeerMessage::Pong(Nonce { n }) => number(*n),
        PeerMessage::ContactRes(_) | PeerMessage::Bye(_) => true,
    }
}

/// The message that a script describes, within its limits or not.
pub(super) fn build(script: &mut Script<'_>) -> PeerMessage {
    match script.below(9) {
        0 => PeerMessage::Hello(Hello {
            app: script.text(),
            v: u32::from_be_bytes(script.array()),
            features: (0..script.below(40)).map(|_| script.text()).collect(),
            lanes: (0..script.below(40)).map(|_| lane_state(script)).collect(),
            // Most of them large enough, or hardly a HELLO would be one.
            limits: Limits {
                msg: Some(script.number()).filter(|n| n % 4 == 0).unwrap_or(limits::TEXT_BYTES as u64),
                inflight: script.number(),
                credit: script.number(),
            },
            run: (script.byte() & 1 == 1).then(|| RunId(script.array())),
            met: (script.byte() & 1 == 1).then(|| RunId(script.array())),
        }),
        1 => {
            let lane = LaneId(script.array());
            let (seq, prev) = (script.number(), Chain(script.array()));
            let (mid, sent) = (MessageId(script.array()), script.number());
            let times = [1, 1, 1, 300][script.below(4)];
            PeerMessage::Recv(Recv {
                lane,
                seq,
                prev,
                mid,
                sent,
                body: Body::Text { text: script.text().repeat(times) },
            })
        }
        2 => PeerMessage::Ack(lane_state(script)),
        3 => {
            let LaneState { lane, hwm, chain } = lane_state(script);
            let why = [SkipReason::Lost, SkipReason::Withdrawn, SkipReason::Expired][script.below(3)];
            PeerMessage::Skip(Skip { lane, to: hwm, chain, why })
        }
        4 => PeerMessage::ContactReq(ContactReq {
            nick: script.text(),
            text: script.text().repeat([1, 1, 3][script.below(3)]),
            invite: (script.byte() & 1 == 1).then(|| script.text()),
        }),
        5 => {
            let st = if script.byte() & 1 == 1 { ContactState::Accepted } else { ContactState::Pending };
            PeerMessage::ContactRes(ContactRes { st })
        }
        6 => PeerMessage::Ping(Nonce { n: script.number() }),
        7 => PeerMessage::Pong(Nonce { n: script.number() }),
        _ => PeerMessage::Bye(Bye { why: bye_reason(script) }),
    }
}

fn lane_state(script: &mut Script<'_>) -> LaneState {
    LaneState { lane: LaneId(script.array()), hwm: script.number(), chain: Chain(script.array()) }
}

fn bye_reason(script: &mut Script<'_>) -> ByeReason {
    use ByeReason::{Dup, Full, Idle, Limit, Protocol, Shutdown, Superseded, Unknown};
    [Shutdown, Dup, Limit, Full, Protocol, Idle, Superseded, Unknown][script.below(8)]
}
