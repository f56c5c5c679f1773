//! Every message, other spellings of some, and objects that are no message.

use super::compare;
use serde_json::json;
use torchat_protocol::limits;
use torchat_protocol::message::PeerMessage;

fn golden(name: &str) -> String {
    let path = format!("{}/../../protocol/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn messages() {
    let names = [
        "hello",
        "hello_lanes",
        "hello_met",
        "contact_res_pending",
        "contact_res_accepted",
        "contact_req",
        "contact_req_invite",
        "recv",
        "ack",
        "skip",
        "ping",
        "pong",
        "bye",
        "bye_superseded",
    ];
    let mut good = Vec::new();
    for name in names {
        let text = golden(name);
        let message = PeerMessage::decode(text.as_bytes()).unwrap();
        assert_eq!(message.encode(), text.as_bytes(), "{name}");
        good.push(json!({ "name": name, "text": text }));
    }
    // Other bytes, the same meaning.
    let same = [
        ("ping", "\n{ \"n\" : 7 , \"new\":[{\"x\":null},1.5,true], \"t\":\"PING\" }\r\n".to_owned()),
        ("ping", r#"{"\u0074":"PIN\u0047","n":7}"#.to_owned()),
        ("ack", golden("ack").replace('}', r#","seen":{"by":"nobody"}}"#)),
        ("hello", golden("hello").replace(r#""features":[],"lanes":[],"#, "")),
        ("hello", golden("hello").replace('}', r#","later":1}"#).replacen("}}", "},\"run\":null}", 1)),
        ("contact_req", golden("contact_req").replace('}', r#","invite":null}"#)),
        ("ping", r#"{"t":"PING","n":7,"z":[1e20,1e-400,9007199254740993.0,-0,-9007199254740991,7e0]}"#.to_owned()),
        ("hello", golden("hello").replacen('{', r#"{"met":null,"#, 1)),
    ];
    for (name, text) in &same {
        let read = PeerMessage::decode(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(read, PeerMessage::decode(golden(name).as_bytes()).unwrap(), "{text}");
    }
    let long = |name: &str, from: &str, letters: usize| golden(name).replace(from, &"x".repeat(letters));
    let lane = r#"{"lane":"9f9f9f9f9f9f9f9f","hwm":412,"chain":"abababababababababababababababab"}"#;
    let lanes = |count: usize| golden("hello_lanes").replace(lane, &vec![lane; count].join(","));
    let features = |count: usize, letters: usize| {
        let list = vec![format!("\"{}\"", "f".repeat(letters)); count].join(",");
        golden("hello").replace(r#""features":[]"#, &format!(r#""features":[{list}]"#))
    };
    let number = |n: &str| golden("recv").replace(r#""seq":413"#, &format!(r#""seq":{n}"#));
    let limits = [
        (long("hello", "torchatd", 64), true),
        (long("hello", "torchatd", 65), false),
        (features(32, 64), true),
        (features(33, 1), false),
        (features(1, 65), false),
        (lanes(limits::LANES_PER_PEER), true),
        (lanes(limits::LANES_PER_PEER + 1), false),
        (long("contact_req", "ann", limits::NICK_BYTES), true),
        (long("contact_req", "ann", limits::NICK_BYTES + 1), false),
        (long("contact_req", "it is me", limits::REQUEST_TEXT_BYTES), true),
        (long("contact_req", "it is me", limits::REQUEST_TEXT_BYTES + 1), false),
        (long("contact_req_invite", "secret", 64), true),
        (long("contact_req_invite", "secret", 65), false),
        (golden("hello").replace("65536", "65535"), false),
        (golden("hello").replace("65536", "65537"), true),
        (number("1"), true),
        (number("9007199254740991"), true),
        (number("0"), false),
        (number("9007199254740992"), false),
        (number("-1"), false),
        (number("1.0"), false),
        (golden("skip").replace("450", "0"), false),
        (golden("bye").replace("shutdown", "a later reason"), true),
        (r#"{"t":"PING","n":7,"z":[[[[[[[]]]]]]]}"#.to_owned(), true),
        (r#"{"t":"PING","n":7,"z":[[[[[[[[]]]]]]]]}"#.to_owned(), false),
    ];
    let refused = [
        ("", "nothing"),
        ("[]", "no object"),
        (r#"{"t":"PING","n":7e0}"#, "a whole number has neither point nor exponent"),
        (r#"{"t":"PING","n":70e-1}"#, "a whole number has neither point nor exponent"),
        (r#"{"t":"PING","n":-0}"#, "a whole number has no sign"),
        (r#"{"t":"PING","n":null}"#, "null where it does not stand"),
        (r#"{"t":"CONTACT_REQ","nick":null}"#, "null where it does not stand"),
        (
            r#"{"t":"HELLO","app":"a","v":1,"limits":{"msg":65536,"inflight":1,"credit":1},"lanes":null}"#,
            "null where it does not stand",
        ),
        (
            r#"{"t":"HELLO","app":"a","v":1,"limits":{"msg":65536,"inflight":1,"credit":1},"features":null}"#,
            "null where it does not stand",
        ),
        (r#"{"t":"PING","n":7,"z":-9007199254740992}"#, "a number below -(2^53-1), in an ignored key"),
        (r#"{"t":"PING","n":7}{}"#, "two objects"),
        ("\u{feff}{\"t\":\"PING\",\"n\":7}", "a byte order mark"),
        (r#"{"t":"PING","n":7,"n":7}"#, "a key twice"),
        (r#"{"t":"PING","n":7,"z":{"k":1,"\u006b":1}}"#, "a key twice, in an ignored object, in two spellings"),
        (r#"{"t":"PING","n":7,"z":9007199254740992}"#, "a number over 2^53-1, in an ignored key"),
        (r#"{"t":"PING","n":7,"z":1e400}"#, "a number that no double holds"),
        (r#"{"t":"PING","n":7,"z":"\ud800"}"#, "half of a surrogate pair"),
        (r#"{"t":"PING"}"#, "a missing key"),
        (r#"{"t":"PING","n":"7"}"#, "a wrong type"),
        (r#"{"t":"PING","n":7.0}"#, "no whole number"),
        (r#"{"n":7}"#, "no t"),
        (r#"{"t":"EXIT"}"#, "a control verb"),
        (r#"{"t":"ping","n":7}"#, "another case"),
        (r#"{"t":"BYE","why":{"shutdown":null}}"#, "an object in the place of a word"),
        (r#"{"t":"CONTACT_RES","st":"refused"}"#, "an unknown state"),
        (r#"{"t":"ACK","lane":"9F9f9f9f9f9f9f9f","hwm":1,"chain":"abababababababababababababababab"}"#, "upper case"),
        (r#"{"t":"ACK","lane":"9f9f","hwm":1,"chain":"abababababababababababababababab"}"#, "a short lane"),
        (r#"{"t":"HELLO","app":"a","v":1,"limits":[1,1,1]}"#, "a list in the place of an object"),
    ];
    let unknown_body = golden("recv").replace(r#""k":"text""#, r#""k":"song""#);
    let refused: Vec<_> = refused
        .iter()
        .map(|(text, why)| ((*text).to_owned(), *why))
        .chain([(unknown_body, "an unknown kind of body")])
        .collect();
    for (text, good) in limits.iter().map(|(t, g)| (t, *g)).chain(refused.iter().map(|(t, _)| (t, false))) {
        assert_eq!(PeerMessage::decode(text.as_bytes()).is_ok(), good, "{text}");
    }
    let keep = |(text, good): &(String, bool)| json!({ "text": text, "valid": good });
    compare(
        "messages",
        &json!({
            "messages": good,
            "same": same.iter().map(|(name, text)| json!({ "name": name, "text": text })).collect::<Vec<_>>(),
            "limits": limits.iter().map(keep).collect::<Vec<_>>(),
            "refused": refused.iter().map(|(text, why)| json!({ "text": text, "why": why })).collect::<Vec<_>>(),
        }),
    );
}
