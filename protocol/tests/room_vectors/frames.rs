//! Every frame, every length of it that is too short or too long, what is broken, and what is skipped.

use super::{compare, example, header, hello, hex, maker, public, room, sealing, seed, signed, text};
use serde_json::{Value, json};
use std::sync::Arc;
use torchat_protocol::id::InviteSecret;
use torchat_protocol::nick::Nick;
use torchat_protocol::room::{
    Author, Close, CloseCode, Cookie, Deny, DenyCode, Event, EventId, Frame, FrameError, Has, Head, Header, Hello,
    Identity, InviteId, InviteKey, Join, LogDigest, LogId, LogPlace, MemberKey, MemberNo, Open, OpenAs, Petition,
    Signature, Tag, Told,
};

const MAX: u64 = (1 << 53) - 1;

pub(super) fn author(number: u32) -> Author {
    Author::new(number).unwrap()
}

/// The maker's event with this number, body and logical time.
fn said(seq: u64, prev: EventId, lamport: u64, body: &[u8]) -> Event {
    let header = header(Some(room()), maker(), seq, prev, 16, body);
    signed(seed(), Header { lamport, ..header }, body)
}

fn join() -> Join {
    let (identity, sign, sealing) = (Identity(public([7; 32])), MemberKey(public([8; 32])), sealing([9; 32]));
    let secret = InviteSecret(std::array::from_fn(|n| u8::try_from(n).unwrap()));
    let proof = InviteKey::new(room(), secret).proof(room(), identity, sign, sealing);
    Join {
        room: room(),
        sign,
        sealing,
        invite: Some((InviteId([0xa5; 8]), proof)),
        nick: Nick::parse("ann\u{e9}").ok(),
        text: text("it is me, \"ann\u{e9}\"\n"),
    }
}

/// Two events of the maker with one number after one event.
pub(super) fn rivals() -> (Event, Event) {
    let event = hello();
    let other = said(1, room().as_event(), 3, br#"{"mid":"000102030405060708090a0b0c0d0e0f","text":"other"}"#);
    (event, other)
}

pub(super) fn heads() -> Vec<Head> {
    let (_, create) = example();
    vec![create.head(), hello().head(), Head { author: author(u32::MAX), seq: MAX, tag: Tag([0xff; 8]) }]
}

pub(super) fn samples() -> Vec<(&'static str, Frame)> {
    let (_, create) = example();
    let event = hello();
    let nothing = Head { author: Author::ACTS, seq: 0, tag: Tag::NONE };
    let two = MemberNo::new(2).unwrap();
    let open = |role| Frame::Open(Open { room: room(), role });
    let greet = |has, want| Frame::Hello(Hello { log: LogId([0x9f; 8]), has, want, credit: 262_144 });
    let place = LogPlace { next: 3, digest: LogDigest::EMPTY.next(create.id()).next(event.id()) };
    let close = |code, retry_s, words| Frame::Close(Close { code: CloseCode::from(code), retry_s, words: text(words) });
    let deny = |code| Frame::Deny(Deny { author: maker(), seq: 1, code: DenyCode::from(code), retry_s: 60 });
    let second = said(2, event.id(), MAX, b"");
    let of_others = Event::without_body(
        Header { author: author(513), seq: 9, prev: EventId([3; 32]), ..*event.header() },
        Signature([0x77; 64]),
    );
    vec![
        ("open_member", open(OpenAs::Member(Some(two)))),
        ("open_last_member", open(OpenAs::Member(MemberNo::new((1 << 24) - 1)))),
        ("open_newest", open(OpenAs::Member(None))),
        ("open_guest", open(OpenAs::Guest)),
        ("open_key", open(OpenAs::Key(two, Signature([0x5e; 64])))),
        ("hello_newcomer", greet(Has::Heads(vec![nothing]), Some(20))),
        ("hello_heads", greet(Has::Heads(heads()), None)),
        ("hello_cookie", greet(Has::Upto(Cookie { log: LogId([0xe4; 8]), place }), None)),
        ("close_done", close(0, 0, "")),
        ("close_full", close(3, 3_600, "come back later, \u{e9}\n")),
        ("close_no_host", close(9, 0, "no host")),
        ("close_later", close(77, u32::MAX, "?")),
        ("reset", Frame::Reset),
        ("have_nothing", Frame::Have(vec![nothing])),
        ("have", Frame::Have(heads())),
        ("base", Frame::Base(vec![event.stripped(), of_others.clone()])),
        ("base_of_none", Frame::Base(vec![])),
        ("events", Frame::Events(vec![create.clone(), event.clone(), second.clone()])),
        ("events_without_bodies", Frame::Events(vec![event.stripped(), of_others, second.stripped()])),
        ("events_none", Frame::Events(vec![])),
        ("mark", Frame::Mark(place)),
        ("mark_last", Frame::Mark(LogPlace { next: MAX, digest: LogDigest([0xff; 16]) })),
        ("stored", Frame::Stored(vec![(Author::ACTS, 4), (maker(), 1), (author(u32::MAX), MAX)])),
        ("deny", deny(1)),
        ("deny_epoch", deny(5)),
        ("deny_later", deny(200)),
        ("fork", Frame::Fork(Box::new(in_order(rivals())))),
        ("at", Frame::At(event.head())),
        ("at_nothing", Frame::At(Head { author: maker(), seq: 0, tag: Tag::NONE })),
        ("need", Frame::Need(maker(), 7)),
        ("need_acts", Frame::Need(Author::ACTS, MAX)),
        ("body", Frame::Body(vec![(maker(), 1), (maker(), 2), (author(512), 1)])),
        ("credit", Frame::Credit(65_536)),
        ("join", Frame::Join(join())),
        ("join_bare", Frame::Join(Join { invite: None, nick: None, text: text(""), ..join() })),
        ("told_pending", Frame::Told(Told::Pending)),
        ("told_accepted", Frame::Told(Told::Accepted(two))),
        ("petition", Frame::Petition(Petition { id: Identity(public([7; 32])), join: join() })),
    ]
}

pub(super) fn in_order((one, other): (Event, Event)) -> (Event, Event) {
    let (one, other) = (one.stripped(), other.stripped());
    if one.header().to_wire() < other.header().to_wire() { (one, other) } else { (other, one) }
}

pub(super) fn decode(kind: u8, bytes: &[u8]) -> Result<Option<Frame>, FrameError> {
    Frame::decode(kind, bytes, room())
}

/// A frame's fields, by their names.
fn fields(frame: &Frame) -> Value {
    let head = |head: &Head| json!({ "author": head.author, "seq": head.seq, "tag": hex(head.tag.0) });
    let heads = |heads: &[Head]| heads.iter().map(head).collect::<Vec<_>>();
    let places = |places: &[(Author, u64)]| json!({ "items": places.iter().map(|(author, seq)| json!({ "author": author, "seq": seq })).collect::<Vec<_>>() });
    let bare = |event: &Event| json!({ "header": hex(event.header().encode()), "signature": event.signature() });
    match frame {
        Frame::Open(Open { room, role }) => {
            let (form, member, signature) = match role {
                OpenAs::Member(member) => (0, member.map_or(0, MemberNo::get), None),
                OpenAs::Guest => (1, 0, None),
                OpenAs::Key(member, signature) => (2, member.get(), Some(signature)),
            };
            json!({ "room": hex(room.0), "as": form, "member": member, "signature": signature })
        }
        Frame::Hello(hello) => {
            let (cookie, heads) = match &hello.has {
                Has::Upto(Cookie { log, place }) => {
                    (json!({ "log": log, "next": place.next, "digest": place.digest }), vec![])
                }
                Has::Heads(found) => (Value::Null, heads(found)),
            };
            let want = hello.want.unwrap_or(u32::MAX);
            json!({ "log": hello.log, "cookie": cookie, "want": want, "credit": hello.credit, "heads": heads })
        }
        Frame::Close(close) => {
            json!({ "code": u8::from(close.code), "retry": close.retry_s, "words": close.words })
        }
        Frame::Reset => json!({}),
        Frame::Have(found) => json!({ "heads": heads(found) }),
        Frame::Base(events) => json!({ "events": events.iter().map(bare).collect::<Vec<_>>() }),
        Frame::Events(events) => {
            let whole = |event: &Event| {
                let mut row = bare(event);
                row["body"] = event.body().map(hex).into();
                row
            };
            json!({ "events": events.iter().map(whole).collect::<Vec<_>>() })
        }
        Frame::Mark(place) => json!({ "next": place.next, "digest": place.digest }),
        Frame::Stored(chains) => places(chains),
        Frame::Deny(deny) => json!({
            "author": deny.author, "seq": deny.seq, "code": u8::from(deny.code), "retry": deny.retry_s,
        }),
        Frame::Fork(events) => json!({ "events": [bare(&events.0), bare(&events.1)] }),
        Frame::At(found) => head(found),
        Frame::Need(author, upto) => json!({ "author": author, "upto": upto }),
        Frame::Body(found) => places(found),
        Frame::Credit(bytes) => json!({ "bytes": bytes }),
        Frame::Join(_) | Frame::Told(_) | Frame::Petition(_) => serde_json::from_slice(&frame.encode()).unwrap(),
    }
}

fn rows() -> Vec<Value> {
    let row = |(name, frame): (&str, Frame)| {
        let (kind, bytes) = (frame.kind(), frame.encode());
        assert_eq!(decode(kind, &bytes), Ok(Some(frame.clone())), "{name}");
        assert_eq!(
            Frame::decode_first(kind, &bytes).is_ok(),
            matches!(frame, Frame::Open(_) | Frame::Join(_)),
            "{name}"
        );
        let cut: Vec<_> = (0..bytes.len()).filter(|end| decode(kind, &bytes[..*end]).is_ok()).collect();
        let more = [&bytes[..], &[0]].concat();
        json!({
            "name": name,
            "kind": kind,
            "bytes": hex(&bytes),
            "frame": fields(&frame),
            "valid_cut_at": cut,
            "valid_with_a_zero_more": decode(kind, &more).is_ok(),
        })
    };
    samples().into_iter().map(row).collect()
}

/// The bytes of a sample with others from one place on.
fn with(name: &str, at: usize, bytes: &[u8]) -> (u8, Vec<u8>) {
    let frame = samples().into_iter().find(|(found, _)| *found == name).unwrap().1;
    let mut changed = frame.encode();
    changed[at..at + bytes.len()].copy_from_slice(bytes);
    assert_ne!(changed, frame.encode(), "{name}");
    (frame.kind(), changed)
}

/// The items of a sample, each of so many bytes, in another order.
fn order(name: &str, start: usize, len: usize, items: &[usize]) -> (u8, Vec<u8>) {
    let frame = samples().into_iter().find(|(found, _)| *found == name).unwrap().1;
    let bytes = frame.encode();
    let mut changed = bytes[..start].to_vec();
    items.iter().for_each(|n| changed.extend(&bytes[start + n * len..][..len]));
    (frame.kind(), changed)
}

fn broken() -> Vec<Value> {
    let over = (1u64 << 53).to_be_bytes();
    let act = Event::without_body(*example().1.header(), Signature([0; 64]));
    let act = [&[0][..], &act.header().to_wire(), &act.signature().0].concat();
    let base_act = act[1..].to_vec();
    let rows = [
        ("an unknown way to open", with("open_guest", 32, &[3]), false),
        ("a member beyond the last", with("open_member", 33, &[1, 0, 0, 0]), false),
        ("a guest with a number", with("open_guest", 36, &[1]), false),
        ("a key of nobody", with("open_key", 36, &[0]), false),
        ("a guest's OPEN with a signature", with("open_key", 32, &[1]), false),
        ("HELLO of version 0", with("hello_heads", 0, &[0]), true),
        ("HELLO of version 2", with("hello_heads", 0, &[2]), true),
        ("nothing of a later HELLO is judged", (0x41, vec![2]), true),
        ("an unknown flag", with("hello_heads", 1, &[2]), false),
        ("a cookie's flag beside an unknown one", with("hello_cookie", 1, &[3]), false),
        ("heads behind a cookie", with("hello_heads", 1, &[1]), false),
        ("a cookie without its flag", with("hello_cookie", 1, &[0]), false),
        ("a cookie before position 1", with("hello_cookie", 18, &[0; 8]), false),
        ("a cookie beyond the last position", with("hello_cookie", 18, &over), false),
        ("HELLO without a head", (0x41, with("hello_newcomer", 0, &[1, 0, 7]).1[..18].to_vec()), false),
        ("a text that is not UTF-8", with("close_done", 0, &[1]).also(&[0xff]), false),
        ("half of a character", with("close_done", 0, &[1]).also(&[0xc3]), false),
        ("words of 201 bytes", with("close_done", 0, &[1]).also(&[b'x'; 201]), false),
        ("RESET with something", (0x43, vec![0]), false),
        ("no head at all", (0x44, vec![]), false),
        ("no head of the acts", order("have", 0, 20, &[1, 2]), false),
        ("the acts not first", order("have", 0, 20, &[1, 0, 2]), false),
        ("the acts twice", order("have", 0, 20, &[0, 0, 1]), false),
        ("chains out of order", order("have", 0, 20, &[0, 2, 1]), false),
        ("a chain twice", order("have", 0, 20, &[0, 1, 1]), false),
        ("a head of no author", with("have", 20, &[0, 0, 0, 255]), false),
        ("a chain without an event", with("have", 24, &[0; 16]), false),
        ("a head beyond the last number", with("have", 24, &over), false),
        ("no act, and a tag", with("have_nothing", 19, &[1]), false),
        ("chains of BASE out of order", order("base", 0, 168, &[1, 0]), false),
        ("a chain of BASE twice", order("base", 0, 168, &[0, 0]), false),
        ("an act in BASE", (0x45, base_act), false),
        ("a header of a later version in BASE", with("base", 0, &[2]), true),
        ("a broken header in BASE", with("base", 3, &[1]), false),
        ("an unknown flag of an event", with("events", 0, &[2]), false),
        ("a broken header", with("events", 4, &[1]), false),
        ("a header of a later version", with("events", 1, &[2]), true),
        ("a sealed event", with("events", 2, &[1]), true),
        ("another body", with("events", 200, b"!"), false),
        ("an act without its body", (0x46, act), false),
        ("MARK of position 0", with("mark", 0, &[0; 8]), false),
        ("MARK beyond the last position", with("mark", 0, &over), false),
        ("chains of STORED out of order", order("stored", 0, 12, &[1, 0]), false),
        ("a chain of STORED twice", order("stored", 0, 12, &[0, 1, 1]), false),
        ("STORED up to 0", with("stored", 4, &[0; 8]), false),
        ("STORED of no author", with("stored", 0, &[0, 0, 0, 1]), false),
        ("DENY of number 0", with("deny", 4, &[0; 8]), false),
        ("DENY of no author", with("deny", 0, &[0, 0, 0, 1]), false),
        ("the halves of FORK out of order", order("fork", 0, 168, &[1, 0]), false),
        ("an event that forks itself", order("fork", 0, 168, &[0, 0]), false),
        ("a fork after two events", with("fork", 16, &[1]), false),
        ("a fork of two numbers", with("fork", 15, &[0]), false),
        ("a fork of two chains", with("fork", 7, &[1]), false),
        ("a header of a later version in FORK", with("fork", 0, &[2]), true),
        ("AT of no event, and a tag", with("at", 4, &[0; 8]), false),
        ("AT of no author", with("at", 0, &[0, 0, 0, 9]), false),
        ("NEED up to 0", with("need", 4, &[0; 8]), false),
        ("NEED of no author", with("need", 0, &[0, 0, 0, 9]), false),
        ("NEED beyond the last number", with("need", 4, &over), false),
        ("events of BODY out of order", order("body", 0, 12, &[1, 0]), false),
        ("an event of BODY twice", order("body", 0, 12, &[0, 0]), false),
        ("a type that must be understood", (0x80, vec![]), false),
        ("a type that must be understood", (0xc1, vec![1]), false),
        ("a type that must be understood", (0xff, vec![0; 9]), false),
    ];
    let row = |(why, (kind, bytes), later): (&str, (u8, Vec<u8>), bool)| {
        match decode(kind, &bytes) {
            Err(error) => assert_eq!(error.is_of_later_version(), later, "{why}: {error}"),
            Ok(frame) => panic!("{why}: {frame:?}"),
        }
        json!({ "why": why, "kind": kind, "bytes": hex(bytes), "later": later })
    };
    rows.map(row).to_vec()
}

trait Also {
    fn also(self, more: &[u8]) -> Self;
}

impl Also for (u8, Vec<u8>) {
    fn also(mut self, more: &[u8]) -> Self {
        self.1.extend(more);
        self
    }
}

/// Objects of JOIN, TOLD and PETITION.
fn objects() -> Vec<Value> {
    let join = String::from_utf8(Frame::Join(join()).encode()).unwrap();
    let bare =
        String::from_utf8(samples().into_iter().find(|(name, _)| *name == "join_bare").unwrap().1.encode()).unwrap();
    let petition = format!(r#"{{"id":"{}","join":{bare}}}"#, hex([7; 32]));
    let also = |more: &str| bare.replace('}', &format!(",{more}}}"));
    let rows = [
        (0x50, join.clone(), true),
        (0x50, format!(" {} ", also(r#""later":[{}],"nick":"","text":"""#)), true),
        (0x50, also(&format!(r#""nick":"{}""#, "n".repeat(32))), true),
        (0x50, also(&format!(r#""nick":"{}""#, "n".repeat(33))), false),
        (0x50, also(r#""nick":"torchat""#), true),
        (0x50, also(&format!(r#""text":"{}""#, "t".repeat(500))), true),
        (0x50, also(&format!(r#""text":"{}""#, "t".repeat(501))), false),
        (0x50, also(&format!(r#""text":"{}""#, "\u{e9}".repeat(251))), false),
        (0x50, also(r#""nick":null"#), false),
        (0x50, also(r#""invite":null,"proof":null"#), false),
        (0x50, also(r#""invite":"a5a5a5a5a5a5a5a5""#), false),
        (0x50, also(&format!(r#""proof":"{}""#, hex([1; 32]))), false),
        (0x50, also(&format!(r#""invite":"a5a5a5a5a5a5a5a5","proof":"{}""#, hex([1; 32]))), true),
        (0x50, also(&format!(r#""invite":"A5a5a5a5a5a5a5a5","proof":"{}""#, hex([1; 32]))), false),
        (0x50, also(r#""z":[[[[[[[]]]]]]]"#), true),
        (0x50, also(r#""z":[[[[[[[[]]]]]]]]"#), false),
        (0x50, also(r#""room":"""#), false),
        (0x50, bare.replace("\"room\"", "\"Room\""), false),
        (0x50, bare.replace("\"box\"", "\"boxes\""), false),
        (0x50, format!("[{bare}]"), false),
        (0x50, String::new(), false),
        (0x51, r#"{"st":"pending"}"#.to_owned(), true),
        (0x51, r#"{"st":"pending","no":1}"#.to_owned(), false),
        (0x51, r#"{"st":"accepted"}"#.to_owned(), false),
        (0x51, r#"{"no":16777215,"st":"accepted"}"#.to_owned(), true),
        (0x51, r#"{"st":"accepted","no":16777216}"#.to_owned(), false),
        (0x51, r#"{"st":"accepted","no":0}"#.to_owned(), false),
        (0x51, r#"{"st":"accepted","no":null}"#.to_owned(), false),
        (0x51, r#"{"st":"refused"}"#.to_owned(), false),
        (0x51, r#"{"st":{"pending":null}}"#.to_owned(), false),
        (0x52, petition.clone(), true),
        (0x52, petition.replace("07", "0"), false),
        (0x52, format!(r#"{{"id":"{}"}}"#, hex([7; 32])), false),
        (0x52, format!(r#"{{"id":"{}","join":[]}}"#, hex([7; 32])), false),
        (0x52, petition.replace("\"sign\"", "\"sing\""), false),
    ];
    rows.into_iter()
        .map(|(kind, text, valid)| {
            assert_eq!(decode(kind, text.as_bytes()).is_ok(), valid, "{text}");
            json!({ "kind": kind, "text": text, "valid": valid })
        })
        .collect()
}

/// Events whose bodies have these lengths, and how they are packed.
fn packs() -> Vec<Value> {
    let cases: [&[usize]; 6] =
        [&[], &[7_775, 0, 7_776], &[3_803, 3_803, 3_803, 3_804], &[100; 60], &[0; 48], &[57, 131_072, 57, 8_000, 57]];
    let row = |bodies: &&[usize]| {
        let events: Vec<_> = bodies.iter().map(|len| said(1, room().as_event(), 1, &vec![b'x'; *len])).collect();
        let sizes: Vec<_> = events.iter().map(Frame::event_len).collect();
        let mut from = 0;
        let frames: Vec<_> = Frame::Events(events)
            .parts()
            .into_iter()
            .map(|frame| {
                assert_eq!(decode(0x46, &frame.encode()), Ok(Some(frame.clone())));
                let Frame::Events(events) = frame else { unreachable!() };
                from += events.len();
                (from - events.len()..from).collect::<Vec<_>>()
            })
            .collect();
        json!({ "sizes": sizes, "frames": frames })
    };
    cases.iter().map(row).collect()
}

/// Frames that are too long to be written down, by how they are made.
fn long() -> Value {
    // One head of the acts, and chains that count up from author 256, each with one event and a tag of zeros.
    let frontiers = [(26_000, true), (26_001, false)].map(|(heads, valid)| {
        let mut bytes = Vec::new();
        for n in 0..heads {
            bytes.extend(if n == 0 { 0 } else { 255 + n as u32 }.to_be_bytes());
            bytes.extend(1u64.to_be_bytes());
            bytes.extend([0; 8]);
        }
        assert_eq!(decode(0x44, &bytes).is_ok(), valid, "{heads}");
        json!({ "heads": heads, "valid": valid })
    });
    // Events of author 256, numbers that count up from 1, in BODY.
    let bodies = [(43_690u64, true), (43_691, false)].map(|(items, valid)| {
        let bytes: Vec<u8> = (1..=items).flat_map(|n| [&[0, 0, 1, 0][..], &n.to_be_bytes()].concat()).collect();
        assert_eq!(decode(0x4d, &bytes).is_ok(), valid, "{items}");
        json!({ "items": items, "valid": valid })
    });
    // Texts of author 256 whose bodies are so many letters x, unsigned.
    let together = [
        (vec![7_775], true),
        (vec![7_776], true),
        (vec![131_072], true),
        (vec![3_803, 3_803], true),
        (vec![3_803, 3_804], false),
        (vec![131_072, 0], false),
        (vec![0, 131_072], false),
        (vec![0; 47], true),
        (vec![0; 48], false),
    ]
    .map(|(bodies, valid)| {
        let events: Vec<_> = bodies
            .iter()
            .map(|len| {
                let body = vec![b'x'; *len];
                let header = header(Some(room()), maker(), 1, room().as_event(), 16, &body);
                Event::new(header, Signature([0; 64]), Arc::from(body)).unwrap()
            })
            .collect();
        assert_eq!(decode(0x46, &Frame::Events(events).encode()).is_ok(), valid, "{bodies:?}");
        json!({ "bodies": bodies, "valid": valid })
    });
    json!({ "frontiers": frontiers, "bodies": bodies, "together": together })
}

#[test]
fn frames() {
    let skipped = [(0x00, ""), (0x01, "{}"), (0x3f, ""), (0x4f, "x"), (0x53, "{}"), (0x7f, "later")];
    for (kind, bytes) in skipped {
        assert_eq!(decode(kind, bytes.as_bytes()), Ok(None));
        assert_eq!(Frame::decode_first(kind, bytes.as_bytes()), Ok(None));
    }
    let skipped = skipped.map(|(kind, bytes)| json!({ "kind": kind, "bytes": hex(bytes) }));
    compare(
        "frames",
        &json!({
            "room": hex(room().0),
            "frames": rows(),
            "broken": broken(),
            "objects": objects(),
            "skipped": skipped,
            "packs": packs(),
            "long": long(),
        }),
    );
}
