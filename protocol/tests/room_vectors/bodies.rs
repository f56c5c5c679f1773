//! Bodies: one of each kind, other spellings, limits from both sides, and values in wrong places.

use super::{hex, public, room, sealing, text};
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};
use torchat_protocol::room::body::acts::{
    Create, Cut, CutReason, Destroy, Entry, Handover, Host, Hosts, Policy, Promotion, Readers, Roster, Set, Settle,
};
use torchat_protocol::room::body::said::{
    Edit, Expel, Hand, Leave, Mute, Nick, Offer, Reaction, Redact, Seen, Take, Text, Topic, Unmute, Vouch,
};
use torchat_protocol::room::body::{Keep, Place, Ref, Role};
use torchat_protocol::room::{
    Author, Body, EventId, Identity, InviteId, MemberKey, MemberNo, Salt, Signature, Tag, TextId,
};

fn member(number: u32) -> MemberNo {
    MemberNo::new(number).unwrap()
}

fn named(author: u32, seq: u64) -> Ref {
    Ref { place: Place { author: Author::new(author).unwrap(), seq }, tag: Tag([0x7a; 8]) }
}

/// [`named`] of the first event of chain 256, as JSON.
const NAMED: &str = r#"[256,1,"7a7a7a7a7a7a7a7a"]"#;

fn keep(pairs: &[(u8, u64)]) -> Keep {
    pairs.iter().copied().collect()
}

fn entry(number: u32, role: Role) -> Entry {
    let seed = u8::try_from(number).unwrap();
    Entry {
        no: member(number),
        sign: MemberKey(public([seed; 32])),
        sealing: sealing([seed; 32]),
        role,
        id: None,
        nick: None,
        via: None,
    }
}

/// The id of the proposal that the samples speak of.
const PROPOSAL: EventId = EventId([0x5a; 32]);

/// Member 2 agrees to own the room.
pub(crate) fn accept() -> Signature {
    let said = Handover::to_be_signed(room(), PROPOSAL, member(2));
    Signature(SigningKey::from_bytes(&[2; 32]).sign(&said).to_bytes())
}

/// A body of every kind but the first, by name.
pub(crate) fn samples() -> Vec<(&'static str, Body)> {
    let anna = Entry {
        id: Some(Identity([7; 32])),
        nick: Some(text("ann\u{e9}")),
        via: Some(InviteId([8; 8])),
        ..entry(2, Role::Member)
    };
    let cut = Cut { no: member(4), keep: keep(&[(0, 12), (1, 3)]), why: CutReason::Removed };
    let promotion = Promotion { no: member(2), role: Role::Moderator, keep: keep(&[(0, 5)]) };
    let hosts = vec![Host { id: Identity([7; 32]), no: 2 }, Host { id: Identity([9; 32]), no: 0 }];
    let mid = TextId([0xab; 16]);
    vec![
        (
            "roster",
            Body::Roster(Roster {
                add: vec![anna, entry(3, Role::Reader), entry(4, Role::Member)],
                cut: vec![cut, Cut { no: member(3), keep: Keep::NOTHING, why: CutReason::Replaced }],
                role: vec![promotion],
            }),
        ),
        ("roster_empty", Body::Roster(Roster::default())),
        (
            "set",
            Body::Set(Set {
                name: Some(text("lab 2")),
                topic: Some(text("")),
                policy: Some(Policy { read: Readers::Anyone, ..Policy::default() }),
            }),
        ),
        ("hosts", Body::Hosts(Hosts { hosts })),
        (
            "handover",
            Body::Handover(Handover {
                to: member(2),
                proposal: PROPOSAL,
                accept: accept(),
                old: keep(&[(0, 9)]),
                new: keep(&[(0, 4), (255, (1 << 53) - 1)]),
            }),
        ),
        ("settle", Body::Settle(Settle { lost: Some(2) })),
        ("destroy", Body::Destroy(Destroy { why: Some(text("over")) })),
        ("text", Body::Text(Text { mid, text: text("\u{fc} \"quoted\" \u{1}\n"), re: None, to: vec![] })),
        (
            "text_answer",
            Body::Text(Text {
                mid,
                text: text("yes"),
                re: Some(named(512, 7)),
                to: vec![member(2), member((1 << 24) - 1)],
            }),
        ),
        ("edit", Body::Edit(Edit { of: named(256, 1), mid, text: text("no") })),
        ("reaction", Body::Reaction(Reaction { of: named(512, 7), sign: text("\u{1f44d}") })),
        ("reaction_none", Body::Reaction(Reaction { of: named(512, 7), sign: text("") })),
        ("redact", Body::Redact(Redact { of: named(u32::MAX, (1 << 53) - 1), why: Some(text("rude")) })),
        ("mute", Body::Mute(Mute { who: member(2), keep: keep(&[(0, 7)]), why: None })),
        ("unmute", Body::Unmute(Unmute { of: named(256, 8), resume: keep(&[(0, 9), (2, 1)]) })),
        ("topic", Body::Topic(Topic { topic: text("what it is about") })),
        ("leave", Body::Leave(Leave {})),
        ("seen", Body::Seen(Seen { heads: vec![named(0, 3), named(256, 1)] })),
        ("offer", Body::Offer(Offer { host: true, bytes: 1 << 30 })),
        ("vouch", Body::Vouch(Vouch { sign: MemberKey([6; 32]), yes: false, role: Role::Member })),
        ("expel", Body::Expel(Expel { who: member(3), keep: Keep::NOTHING, why: Some(text("")) })),
        ("nick", Body::Nick(Nick { nick: text("bob") })),
        ("hand", Body::Hand(Hand { to: member(2) })),
        ("take", Body::Take(Take { proposal: PROPOSAL, accept: accept() })),
    ]
}

fn create() -> Body {
    let owner = entry(1, Role::Owner);
    let (name, topic) = (text("lab"), text("about"));
    Body::Create(Create { owner, name, topic, policy: Policy::default(), salt: Salt([0; 16]) })
}

fn written(body: &Body) -> String {
    String::from_utf8(body.encode()).unwrap()
}

fn sample(name: &str) -> String {
    samples().iter().find(|(found, _)| *found == name).map(|(_, body)| written(body)).unwrap()
}

/// Other spellings of samples.
pub(crate) fn same() -> Vec<Value> {
    let rows = [
        ("nick", "\n{ \"new\":[{\"x\":null},1.5,true,-0,1e20] , \"nick\" : \"bob\" }\r\n".to_owned()),
        ("nick", r#"{"nic\u006b":"b\u006fb"}"#.to_owned()),
        ("leave", r#"{"why":"bored"}"#.to_owned()),
        ("text", sample("text").replace('}', r#","to":[]}"#)),
        ("roster_empty", r#"{"cut":[],"role":[],"add":[]}"#.to_owned()),
        ("mute", sample("mute").replace("[[0,7]]", "[[0,7],[5,0]]")),
        ("roster", sample("roster").replace(r#""role":"member""#, r#""later":{"no":0},"role":"member""#)),
        ("offer", r#"{"bytes":1073741824,"host":true}"#.to_owned()),
    ];
    rows.iter()
        .map(|(name, text)| {
            let (_, body) = samples().into_iter().find(|(found, _)| found == name).unwrap();
            assert_eq!(Body::decode(body.kind(), text.as_bytes()), Ok(Some(body)), "{text}");
            json!({ "name": name, "body": text })
        })
        .collect()
}

/// `$` stands for so many copies of a filling.
struct Limit(u8, String, &'static str, usize);

/// Each limit from both sides: the larger count is one too many.
pub(crate) fn limits() -> Vec<Value> {
    let mid = "abababababababababababababababab";
    let said = |rest: &str| format!(r#"{{"mid":"{mid}",{rest}}}"#);
    let entry = serde_json::to_string(&entry(2, Role::Member)).unwrap();
    let more_entries: &'static str = format!(",{entry}").leak();
    let created = |from: &str, to: &str| written(&create()).replace(from, to);
    let rows = [
        (Limit(16, said(r#""text":"$""#), "x", 16_384), 1),
        (Limit(16, said(r#""text":"$""#), "\u{e9}", 8_192), 1),
        (Limit(16, said(r#""text":"$""#), "\u{1f600}", 4_096), 1),
        (Limit(16, said(r#""text":"$""#), "\\u0001", 16_384), 1),
        (Limit(16, said(r#""text":"","to":[1$]"#), ",1", 15), 1),
        (Limit(17, said(&format!(r#""of":{NAMED},"text":"$""#)), "x", 16_384), 1),
        (Limit(1, created("\"lab\"", "\"$\""), "x", 64), 1),
        (Limit(1, created("\"about\"", "\"$\""), "x", 500), 1),
        (Limit(3, r#"{"name":"$"}"#.into(), "x", 64), 1),
        (Limit(3, r#"{"topic":"$"}"#.into(), "x", 500), 1),
        (Limit(2, format!(r#"{{"add":[{entry}$]}}"#), more_entries, 255), 1),
        (
            Limit(
                2,
                r#"{"cut":[{"no":2,"keep":[],"why":"left"}$]}"#.into(),
                r#",{"no":2,"keep":[],"why":"left"}"#,
                255,
            ),
            1,
        ),
        (
            Limit(
                2,
                r#"{"role":[{"no":2,"role":"reader","keep":[]}$]}"#.into(),
                r#",{"no":2,"role":"reader","keep":[]}"#,
                255,
            ),
            1,
        ),
        (Limit(7, r#"{"why":"$"}"#.into(), "x", 200), 1),
        (Limit(18, format!(r#"{{"of":{NAMED},"sign":"$"}}"#), "x", 32), 1),
        (Limit(19, format!(r#"{{"of":{NAMED},"why":"$"}}"#), "x", 200), 1),
        (Limit(20, r#"{"who":2,"keep":[],"why":"$"}"#.into(), "x", 200), 1),
        (Limit(22, r#"{"topic":"$"}"#.into(), "\u{e9}", 250), 1),
        (Limit(27, r#"{"who":2,"keep":[],"why":"$"}"#.into(), "x", 200), 1),
        (Limit(29, r#"{"nick":"$"}"#.into(), "x", 32), 1),
        // As many as the body has bytes for.
        (Limit(24, format!(r#"{{"heads":[{NAMED}$]}}"#), r#",[256,1,"7a7a7a7a7a7a7a7a"]"#, 4_853), 1),
        (Limit(23, r#"{"z":"$"}"#.into(), "x", 131_064), 1),
        (Limit(23, r#"{"z":[[[[[[[$]]]]]]]}"#.into(), "[]", 0), 1),
    ];
    rows.iter()
        .flat_map(|(Limit(kind, body, fill, most), more)| {
            [(*most, true), (most + more, false)].map(|(times, valid)| {
                let whole = body.replacen('$', &fill.repeat(times), 1);
                assert_eq!(Body::decode(*kind, whole.as_bytes()).is_ok(), valid, "{kind} {body} {times}");
                json!({ "kind": kind, "body": body, "fill": fill, "times": times, "valid": valid })
            })
        })
        .collect()
}

/// Numbers at their ends, forms that are close to the right ones.
pub(crate) fn judged() -> Vec<Value> {
    let host = |n: u8| format!(r#"{{"id":"{}","no":{n}}}"#, hex([n; 32]));
    let hosts = |count: u8| format!(r#"{{"hosts":[{}]}}"#, (0..count).map(host).collect::<Vec<_>>().join(","));
    let keys = |count: usize| {
        let more: String = (1..count).map(|n| format!(",\"k{n}\":0")).collect();
        format!("{{\"nick\":\"\"{more}}}")
    };
    let created = |from: &str, to: &str| {
        let text = written(&create()).replacen(from, to, 1);
        assert_ne!(text, written(&create()), "{from}");
        text
    };
    let mut rows: Vec<(u8, String, bool)> = vec![
        (1, written(&create()), true),
        (1, created(r#""slow_s":0"#, r#""slow_s":3600"#), true),
        (1, created(r#""slow_s":0"#, r#""slow_s":3601"#), false),
        (1, created(r#""history":1000"#, r#""history":9007199254740991"#), true),
        (1, created(r#""history":1000"#, r#""history":9007199254740992"#), false),
        (1, created(r#""joins":"member""#, r#""joins":"reader""#), true),
        (1, created(r#""joins":"member""#, r#""joins":"moderator""#), false),
        (1, created(r#""replicas":"members""#, r#""replicas":"any""#), true),
        (1, created(r#""replicas":"members""#, r#""replicas":"some""#), false),
        (1, created(r#""seen":false,"#, ""), false),
        (1, created(r#""seen":false"#, r#""seen":0"#), false),
        // Form only: whether such an act begins a room is another question.
        (1, created(r#""role":"owner""#, r#""role":"reader""#), true),
        (1, created(r#""role":"owner""#, r#""role":"Owner""#), false),
        (1, created(r#""role":"owner""#, r#""role":"owner","nick":null"#), false),
        (1, created(r#""role":"owner""#, r#""role":"owner","id":null"#), false),
        (4, hosts(0), true),
        (4, hosts(8), true),
        (4, hosts(9), false),
        (4, format!(r#"{{"hosts":[{},{}]}}"#, host(1), host(1)), false),
        (4, hosts(1).replace(r#""no":0"#, r#""no":4294967295"#), true),
        (4, hosts(1).replace(r#""no":0"#, r#""no":4294967296"#), false),
        (16, sample("text").replace("abab", "ABab"), false),
        (16, sample("text").replacen("ab", "", 1), false),
        (16, r#"{"mid":"abababababababababababababababab","text":"\ud83d"}"#.into(), false),
        (23, "{}".into(), true),
        (23, String::new(), false),
        (23, "[]".into(), false),
        (23, "{}{}".into(), false),
        (23, "\u{feff}{}".into(), false),
        (23, r#"{"z":1,"z":1}"#.into(), false),
        (23, r#"{"z":1,"\u007a":1}"#.into(), false),
        (23, r#"{"z":9007199254740992}"#.into(), false),
        (23, r#"{"z":1e400}"#.into(), false),
        (29, keys(64), true),
        (29, keys(65), false),
    ];
    for (number, good) in [
        ("0", false),
        ("1", true),
        ("16777215", true),
        ("16777216", false),
        ("1.0", false),
        ("-1", false),
        ("-0", false),
        ("\"1\"", false),
    ] {
        rows.push((30, format!(r#"{{"to":{number}}}"#), good));
    }
    for (pairs, good) in [
        ("[]", true),
        ("[[0,1],[1,1],[255,9007199254740991]]", true),
        ("[[256,1]]", false),
        ("[[-1,1]]", false),
        ("[[0,9007199254740992]]", false),
        ("[[0,0]]", true),
        ("[[0,1],[0,1]]", false),
        ("[[1,1],[0,1]]", false),
        ("[[0,1,2]]", false),
        ("[[0]]", false),
        ("[[0,1.0]]", false),
        ("{\"0\":1}", false),
        ("null", false),
    ] {
        rows.push((20, format!(r#"{{"who":2,"keep":{pairs}}}"#), good));
    }
    for (place, good) in [
        ("256,1", true),
        ("0,1", true),
        ("256,0", true),
        ("1,1", false),
        ("255,1", false),
        ("4294967295,9007199254740991", true),
        ("4294967296,1", false),
        ("256,9007199254740992", false),
        ("256", false),
        ("256,1,1", false),
    ] {
        rows.push((18, format!(r#"{{"of":[{place},"7a7a7a7a7a7a7a7a"],"sign":""}}"#), good));
    }
    for (named, good) in [
        (r#"[256,1,"0000000000000000"]"#, true),
        ("[256,1]", false),
        ("[256,1,null]", false),
        ("[256,1,7]", false),
        (r#"[256,1,"7a7a7a7a7a7a7a"]"#, false),
        (r#"[256,1,"7a7a7a7a7a7a7a7a7a"]"#, false),
        (r#"[256,1,"7A7a7a7a7a7a7a7a"]"#, false),
        (r#"[256,1,"7a7a7a7a7a7a7a7a",0]"#, false),
        (r#"{"author":256,"seq":1,"tag":"7a7a7a7a7a7a7a7a"}"#, false),
    ] {
        rows.push((18, format!(r#"{{"of":{named},"sign":""}}"#), good));
    }
    rows.into_iter()
        .map(|(kind, body, valid)| {
            assert_eq!(Body::decode(kind, body.as_bytes()).is_ok(), valid, "{kind} {body}");
            json!({ "kind": kind, "body": body, "valid": valid })
        })
        .collect()
}

/// Every key of every sample, left out and with a value of another sort in its place.
pub(crate) fn swapped() -> Vec<Value> {
    let mut rows = Vec::new();
    for (name, body) in samples() {
        let whole: serde_json::Map<String, Value> = serde_json::from_str(&written(&body)).unwrap();
        for key in whole.keys() {
            let values = [None, Some(json!(null)), Some(json!({})), Some(json!([])), Some(json!(7)), Some(json!("x"))];
            for value in values.into_iter().chain([Some(json!(true)), Some(json!([7])), Some(json!([{}]))]) {
                let mut changed = whole.clone();
                match &value {
                    Some(value) => changed.insert(key.clone(), value.clone()),
                    None => changed.remove(key),
                };
                let valid = Body::decode(body.kind(), &serde_json::to_vec(&changed).unwrap()).is_ok();
                let mut row = json!({ "name": name, "key": key, "valid": valid });
                if let Some(value) = value {
                    row["value"] = value;
                }
                rows.push(row);
            }
        }
    }
    rows
}
