//! The exact bytes of every peer message. Daemons in the field speak them: a change here is a new version of the protocol.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use torchat_protocol::id::{Chain, LaneId, MessageId, RunId, parse_onion};
use torchat_protocol::limits;
use torchat_protocol::message::*;

fn lane_state(hwm: u64) -> LaneState {
    LaneState { lane: LaneId([0x9f; 8]), hwm, chain: Chain([0xab; 16]) }
}

fn samples() -> Vec<(&'static str, PeerMessage)> {
    let limits = Limits { msg: 65_536, inflight: 64, credit: 1_048_576 };
    let hello = |lanes| Hello { app: "torchatd".into(), v: 1, features: vec![], lanes, limits, run: None, met: None };
    let request = |invite| ContactReq { nick: "ann".into(), text: "it is me".into(), invite };
    vec![
        ("hello", PeerMessage::Hello(hello(vec![]))),
        ("hello_lanes", PeerMessage::Hello(hello(vec![lane_state(412)]))),
        (
            "hello_met",
            PeerMessage::Hello(Hello { run: Some(RunId([0x1d; 8])), met: Some(RunId([0xe4; 8])), ..hello(vec![]) }),
        ),
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
        ("bye_superseded", PeerMessage::Bye(Bye { why: ByeReason::Superseded })),
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
fn every_message_has_one_spelling() {
    let golden: std::collections::HashMap<_, _> =
        samples().into_iter().map(|(name, m)| (name, String::from_utf8(m.encode()).unwrap())).collect();
    for (name, from, to) in [
        ("bye", r#""shutdown""#, r#"{"shutdown":null}"#),
        ("bye", r#""shutdown""#, "0"),
        ("bye", r#""shutdown""#, "null"),
        ("contact_res_accepted", r#""accepted""#, r#"{"accepted":null}"#),
        ("skip", r#""lost""#, r#"["lost"]"#),
        ("recv", r#"{"k":"text","text":"#, r#"{"k":0,"text":"#),
        ("recv", r#"{"k":"text","text":"#, r#"{"k":"TEXT","text":"#),
        ("recv", r#"{"k":"text","text":"#, r#"{"text":"#),
        ("recv", r#"{"k":"text","text":"#, r#"{"k":"text","txt":"#),
        ("recv", "9f9f9f9f9f9f9f9f", "9F9f9f9f9f9f9f9f"),
        ("recv", "9f9f9f9f9f9f9f9f", "9f9f9f9f9f9f9f"),
        ("recv", r#""seq":413"#, r#""seq":"413""#),
        ("recv", r#""seq":413"#, r#""seq":413.0"#),
        ("hello", r#"{"msg":65536,"inflight":64,"credit":1048576}"#, "[65536,64,1048576]"),
        ("hello", r#""features":[]"#, r#""features":{}"#),
        ("hello", r#""v":1"#, r#""v":-1"#),
        (
            "hello_lanes",
            r#"{"lane":"9f9f9f9f9f9f9f9f","hwm":412,"chain":"abababababababababababababababab"}"#,
            r#"["9f9f9f9f9f9f9f9f",412,"abababababababababababababababab"]"#,
        ),
        ("ping", r#""PING""#, "6"),
        ("ping", r#""PING""#, r#""ping""#),
        ("ping", r#"{"t":"PING","n":7}"#, r#"["PING",{"n":7}]"#),
        ("ping", r#"{"t":"PING","n":7}"#, r#"{"t":"PING","t":"PONG","n":7}"#),
    ] {
        let text = golden[name].replacen(from, to, 1);
        assert_ne!(text, golden[name], "{name} holds {from}");
        assert!(PeerMessage::decode(text.as_bytes()).is_err(), "{text}");
    }
    let body = r#"{"k":"text","text":"ü \"quoted\" \u0001\n"}"#;
    let listed = golden["recv"].replace(body, r#"["text","hi"]"#);
    assert_ne!(listed, golden["recv"]);
    assert!(PeerMessage::decode(listed.as_bytes()).is_err(), "{listed}");
}

#[test]
fn unknown_keys_and_another_order_are_no_error() {
    for (name, message) in samples() {
        let text = String::from_utf8(message.encode()).unwrap();
        let (tag, rest) = text.strip_prefix('{').unwrap().split_once(',').unwrap();
        let rest = rest.strip_suffix('}').unwrap();
        let text = format!("\n{{ {rest} , \"new\":[{{\"x\":null}},1.5,true] , {tag} }}\r\n");
        assert_eq!(PeerMessage::decode(text.as_bytes()).unwrap(), message, "{name}");
    }
    let recv = String::from_utf8(samples()[3].1.encode()).unwrap();
    let newer = recv.replace(r#"{"k":"text","#, r#"{"new":[],"k":"text","#);
    assert_eq!(PeerMessage::decode(newer.as_bytes()).unwrap(), samples()[3].1);
}

#[test]
fn a_later_reason_to_end_a_link_is_no_error() {
    let bye = PeerMessage::decode(br#"{"t":"BYE","why":"moved"}"#).unwrap();
    assert_eq!(bye, PeerMessage::Bye(Bye { why: ByeReason::Unknown }));
}

#[test]
fn every_limit_of_a_message_is_exact() {
    let hello = |app: usize, features: Vec<usize>| {
        let limits = Limits { msg: 65_536, inflight: 1, credit: 1 };
        let features = features.into_iter().map(|len| "f".repeat(len)).collect();
        PeerMessage::Hello(Hello { app: "a".repeat(app), v: 1, features, lanes: vec![], limits, run: None, met: None })
    };
    let request = |nick: usize, text: usize, invite: usize| {
        PeerMessage::ContactReq(ContactReq {
            nick: "n".repeat(nick),
            text: "t".repeat(text),
            invite: Some("i".repeat(invite)),
        })
    };
    for (good, bad, field) in [
        (hello(64, vec![]), hello(65, vec![]), "app"),
        (hello(1, vec![64; 32]), hello(1, vec![1; 33]), "features"),
        (hello(1, vec![64]), hello(1, vec![65]), "features"),
        (request(32, 0, 0), request(33, 0, 0), "nick"),
        (request(0, 500, 0), request(0, 501, 0), "text"),
        (request(0, 0, 64), request(0, 0, 65), "invite"),
    ] {
        assert_eq!(PeerMessage::decode(&good.encode()).unwrap(), good, "{field}");
        assert_eq!(PeerMessage::decode(&bad.encode()), Err(MessageError::Limit(field)));
    }
    for (msg, good) in [(0, false), (65_535, false), (65_536, true), ((1 << 53) - 1, true)] {
        let PeerMessage::Hello(mut hello) = hello(1, vec![]) else { unreachable!() };
        hello.limits.msg = msg;
        let read = PeerMessage::decode(&PeerMessage::Hello(hello).encode());
        assert_eq!(read.err(), (!good).then_some(MessageError::Limit("limits.msg")), "{msg}");
    }
    for (to, good) in [(0, false), (1, true), ((1 << 53) - 1, true), (1 << 53, false)] {
        let skip =
            PeerMessage::Skip(Skip { lane: LaneId([0; 8]), to, chain: Chain::EMPTY, why: SkipReason::Withdrawn });
        assert_eq!(PeerMessage::decode(&skip.encode()).is_ok(), good, "{to}");
    }
}

#[test]
fn the_chain_is_golden() {
    let first = Chain::EMPTY.next(MessageId([1; 16]));
    assert_eq!(first.next(MessageId([2; 16])).to_string(), include_str!("../golden/chain.txt").trim());
}

#[test]
fn no_control_verb_is_a_peer_message() {
    // Every command of the API, and those that only the classic contract has.
    let api = torchat_protocol::control::api::command::COMMANDS.iter().map(|command| command.name);
    let verbs: Vec<_> = api.chain(["UPDATE", "GET_PEERS", "RECV", "END", "ERR"]).collect();
    assert!(verbs.len() > 25 && verbs.contains(&"EXIT"), "{verbs:?}");
    // Three words are in both languages, with other fields; nobody reads the one with the other's parser.
    let both = ["HELLO", "ACK", "RECV"];
    for (name, message) in samples() {
        let value: serde_json::Value = serde_json::from_slice(&message.encode()).unwrap();
        let kind = value["t"].as_str().unwrap();
        assert!(both.contains(&kind) || !verbs.contains(&kind), "{name}: {kind} is a command, too");
    }
    for verb in verbs {
        for key in ["t", "cmd"] {
            let text = format!(r#"{{"{key}":"{verb}","id":"x","msg":"x","portno":1}}"#);
            assert!(PeerMessage::decode(text.as_bytes()).is_err(), "{text}");
        }
    }
}

/// The shortest way to write 64 bytes, an Ed25519 signature, in characters: base 64. An octet a character needs as many.
const SIGNATURE_CHARS: usize = 64;

/// What a person or a program chose freely: it may hold anything, and nobody checks it as a signature.
const FREE: [&str; 6] = ["text", "nick", "app", "features", "invite", "t"];

fn no_room_for_a_signature(name: &str, key: &str, value: &serde_json::Value) {
    match value {
        _ if FREE.contains(&key) => {}
        serde_json::Value::String(text) => assert!(text.len() < SIGNATURE_CHARS, "{name}: {key} holds {text}"),
        serde_json::Value::Array(list) => list.iter().for_each(|one| no_room_for_a_signature(name, key, one)),
        serde_json::Value::Object(map) => map.iter().for_each(|(key, one)| no_room_for_a_signature(name, key, one)),
        serde_json::Value::Number(_) | serde_json::Value::Bool(_) | serde_json::Value::Null => {}
    }
}

#[test]
fn no_message_has_room_for_a_signature() {
    let mut kinds = std::collections::BTreeSet::new();
    for (name, message) in samples() {
        let value: serde_json::Value = serde_json::from_slice(&message.encode()).unwrap();
        kinds.insert(value["t"].as_str().unwrap().to_owned());
        no_room_for_a_signature(name, "", &value);
    }
    // A message that is added must be added here, too.
    let source = include_str!("../src/message.rs");
    let known = source.split("pub enum PeerMessage {").nth(1).unwrap().split("\n}").next().unwrap();
    let variants = known.lines().map(str::trim).filter(|line| line.starts_with(char::is_uppercase));
    assert_eq!(variants.count(), kinds.len(), "{kinds:?}");
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
    use torchat_protocol::id::OnionError::{Character, Checksum, Key, Length, Old, Version};
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
        ("ld74fqvoxpu5yi73.onion".to_owned(), Old),
        ("ld74fqvoxpu5yi73".to_owned(), Old),
        ("LD74FQVOXPU5YI73.onion".to_owned(), Old),
        ("ld74fqvoxpu5yi731".to_owned(), Length),
        ("ld74fqvoxpu5yi7!".to_owned(), Length),
    ] {
        assert_eq!(parse_onion(&text), Err(error), "{text:?}");
    }
    // A well-formed address of a key of small order: the neutral element.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    assert_eq!(torchat_protocol::id::PeerId::from_key(neutral), Err(Key));
}

const MAX: u64 = (1 << 53) - 1;

fn any_lane_state() -> impl Strategy<Value = LaneState> {
    (any::<[u8; 8]>(), 0..=MAX, any::<[u8; 16]>()).prop_map(|(lane, hwm, chain)| LaneState {
        lane: LaneId(lane),
        hwm,
        chain: Chain(chain),
    })
}

fn any_message() -> impl Strategy<Value = PeerMessage> {
    use proptest::collection::vec;
    let number = 0..=MAX;
    let hello = (
        "\\PC{0,16}",
        any::<u32>(),
        vec("\\PC{0,16}", 0..=32),
        vec(any_lane_state(), 0..=8),
        [0..=MAX, 0..=MAX, 0..=MAX],
        any::<[Option<[u8; 8]>; 2]>(),
    )
        .prop_map(|(app, v, features, lanes, [msg, inflight, credit], runs)| {
            let [run, met] = runs.map(|run| run.map(RunId));
            let limits = Limits { msg, inflight, credit };
            PeerMessage::Hello(Hello { app, v, features, lanes, limits, run, met })
        });
    let recv = (any_lane_state(), 1..=MAX, any::<[u8; 16]>(), number.clone(), vec(any::<char>(), 0..200)).prop_map(
        |(at, seq, mid, sent, text)| {
            let body = Body::Text { text: text.into_iter().collect() };
            PeerMessage::Recv(Recv { lane: at.lane, seq, prev: at.chain, mid: MessageId(mid), sent, body })
        },
    );
    let skip = (
        any_lane_state(),
        1..=MAX,
        prop::sample::select(vec![SkipReason::Lost, SkipReason::Withdrawn, SkipReason::Expired]),
    )
        .prop_map(|(at, to, why)| PeerMessage::Skip(Skip { lane: at.lane, to, chain: at.chain, why }));
    let request = (vec(any::<char>(), 0..=8), vec(any::<char>(), 0..=125), prop::option::of("\\PC{0,16}")).prop_map(
        |(nick, text, invite)| {
            let (nick, text) = (nick.into_iter().collect(), text.into_iter().collect());
            PeerMessage::ContactReq(ContactReq { nick, text, invite })
        },
    );
    let bye = vec![
        ByeReason::Shutdown,
        ByeReason::Dup,
        ByeReason::Limit,
        ByeReason::Full,
        ByeReason::Protocol,
        ByeReason::Idle,
        ByeReason::Superseded,
    ];
    prop_oneof![
        hello,
        recv,
        any_lane_state().prop_map(PeerMessage::Ack),
        skip,
        request,
        prop::sample::select(vec![ContactState::Pending, ContactState::Accepted])
            .prop_map(|st| PeerMessage::ContactRes(ContactRes { st })),
        number.clone().prop_map(|n| PeerMessage::Ping(Nonce { n })),
        number.prop_map(|n| PeerMessage::Pong(Nonce { n })),
        prop::sample::select(bye).prop_map(|why| PeerMessage::Bye(Bye { why })),
    ]
}

proptest! {
    #[test]
    fn every_message_survives_and_no_part_of_it_is_one(message in any_message(), cut in any::<prop::sample::Index>()) {
        let bytes = message.encode();
        prop_assert!(bytes.len() <= limits::PEER_OBJECT_BYTES);
        prop_assert!(PeerMessage::decode(&bytes[..cut.index(bytes.len())]).is_err());
        prop_assert_eq!(PeerMessage::decode(&bytes).unwrap(), message);
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

/// What the old programs wrote, a line for each: the first two generations, the third with its four digits, and a
/// script's Python.
#[test]
fn what_old_daemons_wrote_is_read() {
    let path = format!("{}/golden/legacy.txt", env!("CARGO_MANIFEST_DIR"));
    let golden = std::fs::read_to_string(path).unwrap();
    let texts: Vec<_> = golden
        .lines()
        .map(|wire| {
            let message = torchat_protocol::legacy::Reader::default().push(wire.as_bytes()).unwrap().unwrap();
            assert_eq!(message.claim.as_str(), "aaaaaaaaaaaaaaaa.onion");
            message.text
        })
        .collect();
    assert_eq!(texts, ["hello b", "hello b", "hello s", "grüße 😀"]);
}
