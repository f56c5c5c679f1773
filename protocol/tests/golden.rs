//! The exact bytes of every peer message. Daemons in the field speak them: a change here is a new version of the protocol.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use torchat_protocol::id::{Chain, LaneId, MessageId, parse_onion};
use torchat_protocol::limits;
use torchat_protocol::message::*;

fn lane_state(hwm: u64) -> LaneState {
    LaneState { lane: LaneId([0x9f; 8]), hwm, chain: Chain([0xab; 16]) }
}

fn samples() -> Vec<(&'static str, PeerMessage)> {
    let limits = Limits { msg: 65_536, inflight: 64, credit: 1_048_576 };
    let hello = |lanes| Hello { app: "torchatd".into(), v: 1, features: vec![], lanes, limits };
    let request = |invite| ContactReq { nick: "ann".into(), text: "it is me".into(), invite };
    vec![
        ("hello", PeerMessage::Hello(hello(vec![]))),
        ("hello_lanes", PeerMessage::Hello(hello(vec![lane_state(412)]))),
        (
            "recv",
            PeerMessage::Recv(Recv {
                lane: LaneId([0x9f; 8]),
                seq: 413,
                prev: Chain([0xab; 16]),
                mid: MessageId([0xcd; 16]),
                sent: 1_789_999_980,
                body: Body::Text { text: "ü \"quoted\" \u{1}\n".into() },
            }),
        ),
        ("ack", PeerMessage::Ack(lane_state(413))),
        (
            "skip",
            PeerMessage::Skip(Skip { lane: LaneId([0x9f; 8]), to: 450, chain: Chain([1; 16]), why: SkipReason::Lost }),
        ),
        ("contact_req", PeerMessage::ContactReq(request(None))),
        ("contact_req_invite", PeerMessage::ContactReq(request(Some("secret".into())))),
        ("contact_res_pending", PeerMessage::ContactRes(ContactRes { st: ContactState::Pending })),
        ("contact_res_accepted", PeerMessage::ContactRes(ContactRes { st: ContactState::Accepted })),
        ("ping", PeerMessage::Ping(Nonce { n: 7 })),
        ("pong", PeerMessage::Pong(Nonce { n: 7 })),
        ("bye", PeerMessage::Bye(Bye { why: ByeReason::Shutdown })),
    ]
}

#[test]
fn every_message_has_its_golden_bytes() {
    for (name, message) in samples() {
        let path = format!("{}/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let bytes = message.encode();
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &bytes).unwrap();
        }
        let golden = std::fs::read(&path).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), String::from_utf8(golden.clone()).unwrap(), "{name}");
        assert_eq!(PeerMessage::decode(&golden).unwrap(), message, "{name}");
        for end in 0..golden.len() {
            assert!(PeerMessage::decode(&golden[..end]).is_err(), "{name} cut at {end}");
        }
    }
}

#[test]
fn the_chain_is_golden() {
    let first = Chain::EMPTY.next(MessageId([1; 16]));
    assert_eq!(first.next(MessageId([2; 16])).to_string(), include_str!("../golden/chain.txt").trim());
}

#[test]
fn no_control_verb_is_a_peer_message() {
    for verb in ["EXIT", "SEND", "UPDATE", "GET_PEERS", "HOST", "HISTORY", "ADD", "STATUS", "RECV", "END"] {
        for key in ["t", "cmd"] {
            let text = format!(r#"{{"{key}":"{verb}","id":"x","msg":"x","portno":1}}"#);
            assert!(PeerMessage::decode(text.as_bytes()).is_err(), "{text}");
        }
    }
}

#[test]
fn limits_are_kept() {
    let text = |text: String| {
        PeerMessage::Recv(Recv {
            lane: LaneId([0; 8]),
            seq: 1,
            prev: Chain::EMPTY,
            mid: MessageId([0; 16]),
            sent: 0,
            body: Body::Text { text },
        })
    };
    assert!(PeerMessage::decode(&text("\u{1}".repeat(limits::TEXT_BYTES)).encode()).is_ok(), "sixfold by escapes");
    assert!(PeerMessage::decode(&text("x".repeat(limits::TEXT_BYTES + 1)).encode()).is_err());
    let good = String::from_utf8(text("x".into()).encode()).unwrap();
    for (from, to) in
        [("\"seq\":1", "\"seq\":0"), ("\"seq\":1", "\"seq\":9007199254740992"), ("\"seq\":1", "\"seq\":-1")]
    {
        assert!(PeerMessage::decode(good.replace(from, to).as_bytes()).is_err(), "{to}");
    }
    let hello = String::from_utf8(samples()[1].1.encode()).unwrap();
    let lane = hello.split("\"lanes\":[").nth(1).unwrap().split(']').next().unwrap().to_owned();
    let many = vec![lane.clone(); limits::LANES_PER_PEER + 1].join(",");
    assert!(PeerMessage::decode(hello.replace(&lane, &many).as_bytes()).is_err());
}

#[test]
fn bad_onions_are_told_apart() {
    use torchat_protocol::id::OnionError::{Character, Checksum, Key, Length, Version};
    // The example of rend-spec-v3.
    let good = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd";
    assert_eq!(parse_onion(&format!("{good}.onion")), parse_onion(good));
    assert_eq!(parse_onion(good).unwrap().onion(), format!("{good}.onion"));
    for (text, error) in [
        (String::new(), Length),
        (good[..55].to_owned(), Length),
        (format!("{good}.onion.onion"), Length),
        (format!("www.{good}.onion"), Length),
        (good.to_uppercase(), Character),
        (good.replace('p', "1"), Character),
        (format!("{}é", &good[..54]), Character),
        (format!("q{}", &good[1..]), Checksum),
        (format!("{}e", &good[..55]), Version),
    ] {
        assert_eq!(parse_onion(&text), Err(error), "{text:?}");
    }
    // A well-formed address of a key of small order: the neutral element.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    assert_eq!(torchat_protocol::id::PeerId::from_key(neutral), Err(Key));
}

proptest! {
    #[test]
    fn texts_survive(text in "\\PC{0,200}", seq in 1u64..(1 << 53), sent in 0u64..(1 << 50)) {
        let message = PeerMessage::Recv(Recv {
            lane: LaneId([1; 8]), seq, prev: Chain::EMPTY, mid: MessageId([2; 16]), sent, body: Body::Text { text },
        });
        prop_assert_eq!(PeerMessage::decode(&message.encode()).unwrap(), message);
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = PeerMessage::decode(&bytes);
    }

    #[test]
    fn no_changed_message_panics(which in 0usize..12, at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = samples()[which].1.encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = PeerMessage::decode(&bytes);
    }
}
