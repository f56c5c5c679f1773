//! API 1 over real sockets: the way into it, every command, every error, and answers in any order.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};
use torchat_harness::api::{Api, Pair, connect};
use torchat_protocol::control::api::{COMMANDS, ConversationId, REF_BYTES};
use torchat_protocol::control::code::CODES;
use torchat_testkit::daemon::eventually;
use torchat_testkit::pace;

/// A valid onion that nobody serves here: the example of rend-spec-v3.
const NOBODY: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
const WAIT: Duration = Duration::from_secs(120);

fn pair() -> Pair {
    Pair::start(Path::new(env!("CARGO_BIN_EXE_loopback-daemon"))).unwrap()
}

fn raw(pair: &Pair) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, pair.a.port().unwrap())).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Writes, half-closes, and returns everything that comes back.
fn exchange(pair: &Pair, bytes: &[u8]) -> String {
    let mut stream = raw(pair);
    stream.write_all(bytes).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut reply = String::new();
    let _ = stream.read_to_string(&mut reply);
    reply
}

#[test]
fn hello_leads_from_the_classic_contract_to_the_api() {
    let pair = pair();
    let own = &pair.onion_a;
    let said =
        exchange(&pair, br#"{"cmd":"HOST","portno":7}{"cmd":"HELLO","api":1,"ref":"x","new":[1]}{"cmd":"HOST"}"#);
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines[0], format!(r#"{{"cmd":"HOST","id":"","msg":"{own}","portno":7}}"#), "classic before HELLO");
    let hello: Value = serde_json::from_str(lines[1]).unwrap();
    assert_eq!(hello["ref"], "x");
    let ok = &hello["ok"];
    assert_eq!((&ok["api"], &ok["onion"], &ok["rights"]), (&json!(1), &json!(own), &json!(["admin"])));
    assert_eq!(ok["commands"].as_array().unwrap().len(), COMMANDS.len());
    assert!(ok["server"].as_str().unwrap().starts_with("torchatd/"));
    assert_eq!(
        ok["limits"],
        json!({"object_bytes": 1_048_576, "text_bytes": 65_536, "requests": 16, "subscriptions": 16, "page": 1000,
            "room_text_bytes": 16_384})
    );
    assert_eq!(lines[2], format!(r#"{{"ref":null,"ok":{{"onion":"{own}"}}}}"#), "and lines after it");
    assert_eq!(lines.len(), 3);
}

#[test]
fn a_hello_that_cannot_be_leaves_the_connection_classic() {
    let pair = pair();
    let host = br#"{"cmd":"HOST"}"#;
    for (hello, code, words) in [
        (r#"{"cmd":"HELLO","api":2,"portno":5}"#, "unsupported-api", "speaks API 1, not 2"),
        (r#"{"cmd":"HELLO","api":"1","portno":5}"#, "bad-value", "speaks API 1"),
        (r#"{"cmd":"HELLO","portno":5}"#, "unknown-command", "unknown command"),
    ] {
        let said = exchange(&pair, &[hello.as_bytes(), host].concat());
        let lines: Vec<_> = said.lines().collect();
        assert!(lines[0].starts_with(&format!(r#"{{"cmd":"ERR","code":"{code}","id":"","msg":""#)), "{}", lines[0]);
        assert!(lines[0].contains(words) && lines[0].ends_with(r#""portno":5}"#), "{}", lines[0]);
        assert!(lines[1].starts_with(r#"{"cmd":"HOST""#), "{}", lines[1]);
    }
    let hello = r#"{"cmd":"HELLO","api":1}"#;
    let said = exchange(&pair, format!("{:04}{hello}0014{}", hello.len(), r#"{"cmd":"HOST"}"#).as_bytes());
    assert!(said[4..].starts_with(r#"{"cmd":"ERR","code":"bad-value""#), "{said}");
    assert!(said.contains(r#"{"cmd":"HOST""#), "{said}");
}

/// Why mail for nobody waits changes with every dial, and none of it is an event: STATUS is told to wait for it.
#[test]
fn status_waits_for_news() {
    let pair = pair();
    let mut api = connect(&pair.a).unwrap();
    assert_eq!(api.refused(json!({"cmd": "STATUS", "version": 1, "wait": 301})).unwrap(), "bad-request");
    let status = api.ok(json!({"cmd": "STATUS"})).unwrap();
    let version = status["version"].as_u64().unwrap();
    let asked = json!({"cmd": "STATUS", "version": version});
    assert_eq!(api.ok(asked).unwrap()["version"], version, "without `wait` it answers at once");
    let waiting = api.begin(json!({"cmd": "STATUS", "version": version, "wait": 300})).unwrap();
    let sent = api.ok(json!({"cmd": "SEND", "peer": NOBODY, "text": "hello?"})).unwrap();
    assert_eq!(sent["state"], "queued", "who waits for news holds nobody up");
    let mut answer = api.answer(&waiting).unwrap().unwrap();
    let mut reasons = BTreeSet::new();
    // It is dialled, which fails, and is then dialled again later.
    while !reasons.contains(&1) {
        let last = answer["version"].as_u64().unwrap();
        assert!(last > version && reasons.len() < 9, "{reasons:?}");
        let why = &answer["status"]["reasons"][0]["why"];
        reasons.insert(why["tries"].as_u64().unwrap_or_default());
        answer = api.ok(json!({"cmd": "STATUS", "version": last, "wait": 300})).unwrap();
    }
    // The version of a process that ended is another one too.
    assert!(api.ok(json!({"cmd": "STATUS", "version": version - 1, "wait": 300})).is_ok());
    // Nor does the wait hold up the end of the connection.
    let last = api.ok(json!({"cmd": "STATUS"})).unwrap()["version"].as_u64().unwrap();
    let said = exchange(
        &pair,
        format!(r#"{{"cmd":"HELLO","api":1}}{{"cmd":"STATUS","version":{last},"wait":300}}"#).as_bytes(),
    );
    assert_eq!(said.lines().count(), 2, "{said}");
}

#[test]
fn refs_come_back_as_they_were() {
    let pair = pair();
    let mut api = connect(&pair.a).unwrap();
    for reference in [json!(7), json!(-1), json!("a"), json!(""), json!("ü".repeat(REF_BYTES / 2)), Value::Null] {
        assert!(api.ask(json!({"cmd": "HOST", "ref": reference})).unwrap().is_ok(), "{reference}");
    }
    api.say(&json!({"cmd": "HOST", "ref": "x".repeat(REF_BYTES + 1)})).unwrap();
    let line = api.line().unwrap();
    assert_eq!((&line["ref"], &line["error"]["code"]), (&Value::Null, &json!("bad-request")), "{line}");
    api.say(&json!({"cmd": "HELLO", "api": 2, "ref": 1})).unwrap();
    assert_eq!(api.line().unwrap()["error"]["code"], "unsupported-api");
    assert_eq!(
        api.ok(json!({"cmd": "HELLO", "api": 1})).unwrap()["onion"],
        pair.onion_a,
        "again, as often as you like"
    );
}

#[test]
fn what_is_no_object_ends_the_connection_and_nothing_after_it_runs() {
    let pair = pair();
    for bad in [
        "[1]",
        "{\"cmd\":\"HOST\",}",
        "{\"cmd\":1}",
        "{\"ref\":1}",
        "{\"cmd\":\"HOST\",\"ref\":{}}",
        "GET / HTTP/1.1\r\n",
    ] {
        let mut api = connect(&pair.a).unwrap();
        let send = json!({"cmd": "SEND", "peer": NOBODY, "text": "evil"});
        api.say_bytes(format!("{{\"cmd\":\"HOST\",\"ref\":1}}{bad}{send}").as_bytes()).unwrap();
        assert_eq!(api.line().unwrap()["ok"]["onion"], pair.onion_a);
        let line = api.line().unwrap();
        assert_eq!((&line["ref"], &line["error"]["code"]), (&Value::Null, &json!("bad-object")), "{bad}: {line}");
        assert!(api.is_over(), "{bad}");
    }
    assert!(pair.a.client().unwrap().history(NOBODY, 10).unwrap().is_empty());
}

#[test]
fn every_command_does_what_it_says() {
    let pair = pair();
    let (mut a, mut b) = (connect(&pair.a).unwrap(), connect(&pair.b).unwrap());
    let (peer, own) = (json!(pair.onion_b), json!(pair.onion_a));
    let mut done: BTreeSet<String> = ["HELLO", "AUTH", "TOKEN"].map(str::to_owned).into();
    let mut ok = |api: &mut Api, request: Value| {
        done.insert(request["cmd"].as_str().unwrap().to_owned());
        api.ok(request).unwrap()
    };
    assert_eq!(ok(&mut a, json!({"cmd": "HOST"}))["onion"], own);
    assert_eq!(ok(&mut a, json!({"cmd": "WHOAMI"}))["who"], "owner");
    let status = ok(&mut a, json!({"cmd": "STATUS"}));
    assert!(status["sentence"].is_string() && status["status"]["onion"] == own, "{status}");

    assert_eq!(ok(&mut a, json!({"cmd": "CHECK"}))["reached"], true);

    // A stranger asks, is refused, asks another one.
    assert_eq!(ok(&mut b, json!({"cmd": "ADD", "peer": own, "text": "it is me"}))["peer"], own);
    let request = eventually("the request", WAIT, || {
        Ok(a.ok(json!({"cmd": "REQUESTS"}))?["requests"].as_array().unwrap().first().cloned())
    });
    let request = request.unwrap();
    assert_eq!((&request["peer"], &request["text"]), (&peer, &json!("it is me")));
    ok(&mut a, json!({"cmd": "REQUESTS"}));
    ok(&mut a, json!({"cmd": "ACCEPT", "peer": peer}));
    ok(&mut a, json!({"cmd": "RENAME", "peer": peer, "name": "Bob"}));
    ok(&mut a, json!({"cmd": "APPEAR", "peer": peer, "hidden": false}));
    let contacts = ok(&mut a, json!({"cmd": "CONTACTS"}));
    assert_eq!(
        (&contacts["contacts"][0]["name"], &contacts["contacts"][0]["state"]),
        (&json!("Bob"), &json!("contact"))
    );

    // Messages.
    let sent =
        ok(&mut a, json!({"cmd": "SEND", "peer": peer, "text": "one word", "client_id": "k1", "wait": "delivered"}));
    assert_eq!((&sent["state"], &sent["duplicate"]), (&json!("delivered"), &json!(false)));
    let again = ok(&mut a, json!({"cmd": "SEND", "peer": peer, "text": "one word", "client_id": "k1"}));
    assert_eq!((&again["id"], &again["mid"], &again["duplicate"]), (&sent["id"], &sent["mid"], &json!(true)));
    ok(&mut a, json!({"cmd": "SEND", "peer": peer, "text": "two words", "wait": "delivered", "expire": 3600}));
    let page = ok(&mut a, json!({"cmd": "HISTORY", "peer": peer, "limit": 1}));
    assert_eq!((&page["messages"][0]["text"], &page["more"]), (&json!("two words"), &json!(true)));
    let before = page["messages"][0]["id"].clone();
    let page = ok(&mut a, json!({"cmd": "HISTORY", "peer": peer, "before": before}));
    assert_eq!((&page["messages"][0]["text"], &page["more"]), (&json!("one word"), &json!(false)));
    assert_eq!(page["messages"][0]["client_id"], "k1");
    let page = ok(&mut a, json!({"cmd": "HISTORY", "peer": peer, "after": page["messages"][0]["id"]}));
    assert_eq!(
        (&page["messages"][0]["text"], &page["messages"][0]["state"]),
        (&json!("two words"), &json!("delivered"))
    );
    let found = ok(&mut b, json!({"cmd": "SEARCH", "text": "word*", "peer": own}));
    let texts: Vec<_> = found["messages"].as_array().unwrap().iter().map(|m| m["text"].clone()).collect();
    assert_eq!((texts, &found["complete"]), (vec![json!("two words"), json!("one word")], &json!(true)));
    let conversations = ok(&mut b, json!({"cmd": "CONVERSATIONS"}));
    let conversation = &conversations["conversations"][0];
    assert_eq!((&conversation["unread"], &conversation["last"]["text"]), (&json!(2), &json!("two words")));
    let upto = conversation["last"]["id"].clone();
    assert_eq!(ok(&mut b, json!({"cmd": "SEEN", "peer": own, "upto": upto}))["seen"], 2);
    assert_eq!(b.ok(json!({"cmd": "CONVERSATIONS"})).unwrap()["conversations"][0]["unread"], 0);
    let waiting = ok(&mut a, json!({"cmd": "SEND", "peer": NOBODY, "text": "regretted"}));
    assert_eq!(ok(&mut a, json!({"cmd": "CANCEL", "peer": NOBODY, "mid": waiting["mid"]}))["certain"], true);

    // Events.
    let last = ok(&mut a, json!({"cmd": "EVENTS", "after": 0, "limit": 1000}));
    assert!(last["events"].as_array().unwrap().len() > 5 && last["next"] == last["last"], "{last}");
    ok(&mut a, json!({"cmd": "SUBSCRIBE", "consumer": "c", "ref": "s"}));
    assert_eq!(ok(&mut a, json!({"cmd": "ACK", "consumer": "c", "seq": last["last"]}))["seq"], last["last"]);
    let cursors = ok(&mut a, json!({"cmd": "CURSORS"}));
    assert_eq!((&cursors["cursors"][0]["consumer"], &cursors["cursors"][0]["seq"]), (&json!("c"), &last["last"]));
    ok(&mut a, json!({"cmd": "UNSUBSCRIBE", "sub": "s"}));
    assert_eq!(a.ok(json!({"cmd": "CURSORS", "forget": "c"})).unwrap()["cursors"], json!([]));

    // What old programs brought: nothing here, tests/legacy.rs has the rest.
    let old = ok(&mut a, json!({"cmd": "LEGACY"}));
    assert_eq!(old, json!({"messages": [], "more": false}));
    assert_eq!(ok(&mut a, json!({"cmd": "LEGACY_TAKE", "upto": 7})), json!({"taken": 0}));

    // What the user decides about one conversation; tests/api_erase.rs has the rest.
    assert_eq!(ok(&mut a, json!({"cmd": "RETAIN", "peer": peer, "days": 30})), json!({}));
    assert_eq!(ok(&mut a, json!({"cmd": "VERIFY", "peer": peer, "verified": true})), json!({}));
    let contacts = a.ok(json!({"cmd": "CONTACTS"})).unwrap();
    let bob = contacts["contacts"].as_array().unwrap().iter().find(|contact| contact["peer"] == peer).unwrap();
    assert!(bob["verified"].is_string() && bob["retain_days"] == 30, "{bob}");
    let found = ok(&mut a, json!({"cmd": "ERASE_COUNT", "peer": peer}));
    assert_eq!((&found["erasable"], &found["kept"]), (&json!(2), &json!(0)));
    let old = json!({"cmd": "ERASE_COUNT", "peer": peer, "before": "2001-01-01T00:00:00Z"});
    assert_eq!(a.ok(old).unwrap()["erasable"], 0);
    assert_eq!(ok(&mut a, json!({"cmd": "ERASE", "peer": peer, "upto": found["upto"]}))["erased"], 2);
    assert_eq!(a.ok(json!({"cmd": "HISTORY", "peer": peer})).unwrap()["messages"], json!([]));

    // Contacts go.
    ok(&mut a, json!({"cmd": "BLOCK", "peer": NOBODY}));
    ok(&mut a, json!({"cmd": "UNBLOCK", "peer": NOBODY}));
    ok(&mut a, json!({"cmd": "REMOVE", "peer": peer}));
    let invite = ok(&mut a, json!({"cmd": "INVITE", "hours": 24}))["invite"].as_str().unwrap().to_owned();
    assert!(invite.starts_with("torchat:"), "{invite}");
    let for_nobody = invite.replace(&pair.onion_a[..56], &NOBODY[..56]);
    assert_eq!(a.ok(json!({"cmd": "ADD", "peer": for_nobody})).unwrap()["peer"], NOBODY);
    let third = pair.third().unwrap();
    let mut c = connect(&third).unwrap();
    c.ok(json!({"cmd": "ADD", "peer": own, "text": "and me"})).unwrap();
    let request = eventually("the second request", WAIT, || {
        Ok(a.ok(json!({"cmd": "REQUESTS"}))?["requests"].as_array().unwrap().first().cloned())
    });
    ok(&mut a, json!({"cmd": "REFUSE", "peer": request.unwrap()["peer"]}));
    assert_eq!(a.ok(json!({"cmd": "REQUESTS"})).unwrap()["requests"], json!([]));
    ok(&mut a, json!({"cmd": "LOG_LEVEL", "level": "debug"}));
    ok(&mut a, json!({"cmd": "EXIT"}));
    // tests/api_rooms.rs tries those of rooms.
    let of_rooms = |name: &str| name.starts_with("ROOM") || ["EDIT", "REACT", "REDACT"].contains(&name);
    let missing: Vec<_> =
        COMMANDS.iter().map(|row| row.name).filter(|name| !done.contains(*name) && !of_rooms(name)).collect();
    assert!(missing.is_empty(), "{missing:?} were not tried");
}

/// An id that was drawn until it has the shape of an identity, as a room's will be. It is nobody's key.
fn drawn() -> String {
    let drawn = (0..=255).find_map(|byte| torchat_protocol::id::PeerId::from_key([byte; 32]).ok());
    drawn.unwrap().onion()
}

#[test]
fn an_id_that_is_nobodys_key_stands_wherever_a_peer_stands() {
    let pair = pair();
    let mut api = connect(&pair.a).unwrap();
    let room = drawn();
    let sent = api.ok(json!({"cmd": "SEND", "peer": room, "text": "fed at nine"})).unwrap();
    api.ok(json!({"cmd": "SEND", "peer": NOBODY, "text": "fed at ten"})).unwrap();
    let history = api.ok(json!({"cmd": "HISTORY", "peer": room})).unwrap();
    assert_eq!((&history["messages"][0]["peer"], &history["messages"][0]["id"]), (&json!(room), &sent["id"]));
    let found = api.ok(json!({"cmd": "SEARCH", "text": "fed", "peer": room})).unwrap();
    assert_eq!(found["messages"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(api.ok(json!({"cmd": "SEEN", "peer": room, "upto": sent["id"]})).unwrap(), json!({"seen": 0}));
    let filter = json!({"kinds": ["queued"], "peers": [room]});
    let events = api.ok(json!({"cmd": "EVENTS", "after": 0, "filter": filter})).unwrap();
    assert_eq!(events["events"].as_array().unwrap().len(), 1, "{events}");
    assert_eq!(events["events"][0]["message"]["peer"], json!(room));
    let token = json!({"cmd": "TOKEN", "action": "create", "name": "room", "rights": ["read"], "peers": [room]});
    assert_eq!(api.ok(token).unwrap()["tokens"][0]["peers"], json!([room]));
}

#[test]
fn an_id_that_can_be_nobodys_key_names_a_conversation_and_no_person() {
    let pair = pair();
    let mut api = connect(&pair.a).unwrap();
    // The neutral element: no daemon can have it as its key.
    let room = ConversationId::from_bytes(std::array::from_fn(|at| u8::from(at == 0))).onion();
    assert_eq!(api.ok(json!({"cmd": "HISTORY", "peer": room})).unwrap(), json!({"messages": [], "more": false}));
    let found = api.ok(json!({"cmd": "SEARCH", "text": "fed", "peer": room})).unwrap();
    assert_eq!(found["messages"], json!([]));
    assert_eq!(api.ok(json!({"cmd": "SEEN", "peer": room, "upto": 9})).unwrap(), json!({"seen": 0}));
    assert_eq!(api.ok(json!({"cmd": "CONVERSATIONS", "after": room})).unwrap()["conversations"], json!([]));
    let events = api.ok(json!({"cmd": "EVENTS", "after": 0, "filter": {"peers": [room]}})).unwrap();
    assert_eq!(events["events"], json!([]));
    let token = json!({"cmd": "TOKEN", "action": "create", "name": "room", "rights": ["read"], "peers": [room]});
    assert_eq!(api.ok(token).unwrap()["tokens"][0]["peers"], json!([room]));
    let mid = "0".repeat(32);
    assert_eq!(api.refused(json!({"cmd": "CANCEL", "peer": room, "mid": mid})).unwrap(), "not-pending");
    // There is no room to write to, and nobody to decide about.
    assert_eq!(api.refused(json!({"cmd": "SEND", "peer": room, "text": "hi"})).unwrap(), "bad-request");
    for person in ["ADD", "ACCEPT", "REFUSE", "BLOCK", "UNBLOCK"] {
        assert_eq!(api.refused(json!({"cmd": person, "peer": room})).unwrap(), "bad-request", "{person}");
    }
    assert_eq!(api.refused(json!({"cmd": "REMOVE", "peer": room})).unwrap(), "no-contact");
    assert_eq!(api.ok(json!({"cmd": "CONTACTS"})).unwrap()["contacts"], json!([]));
}

#[test]
fn lists_have_pages_and_no_page_is_told_twice() {
    let pair = pair();
    let mut api = connect(&pair.a).unwrap();
    for peer in [&pair.onion_b, NOBODY, &drawn()] {
        api.ok(json!({"cmd": "SEND", "peer": peer, "text": "hi"})).unwrap();
    }
    let whole = api.ok(json!({"cmd": "CONTACTS"})).unwrap();
    assert_eq!((whole["contacts"].as_array().unwrap().len(), whole.get("more")), (3, None));
    let first = api.ok(json!({"cmd": "CONTACTS", "limit": 2})).unwrap();
    assert_eq!(first["more"], true);
    let rest = api.ok(json!({"cmd": "CONTACTS", "limit": 2, "after": first["contacts"][1]["peer"]})).unwrap();
    // The person, and not whether a link came up meanwhile.
    assert_eq!((&rest["contacts"][0]["peer"], rest.get("more")), (&whole["contacts"][2]["peer"], None));

    let whole = api.ok(json!({"cmd": "CONVERSATIONS"})).unwrap();
    let first = api.ok(json!({"cmd": "CONVERSATIONS", "limit": 1})).unwrap();
    assert_eq!((&first["conversations"][0]["contact"]["peer"], &first["more"]), (&json!(drawn()), &json!(true)));
    let before = &first["conversations"][0]["last"]["id"];
    let rest = api.ok(json!({"cmd": "CONVERSATIONS", "before": before})).unwrap();
    assert_eq!((rest["conversations"].as_array().unwrap().len(), rest.get("more")), (2, None));
    assert_eq!(rest["conversations"][0]["contact"]["peer"], whole["conversations"][1]["contact"]["peer"]);
    let none = api.ok(json!({"cmd": "CONVERSATIONS", "after": NOBODY})).unwrap();
    assert_eq!(none["conversations"], json!([]), "all have messages");
    let both = json!({"cmd": "CONVERSATIONS", "after": NOBODY, "before": 1});
    assert_eq!(api.refused(both).unwrap(), "bad-request");
    assert_eq!(api.refused(json!({"cmd": "CONTACTS", "limit": 0})).unwrap(), "bad-request");
}

#[test]
fn every_refusal_has_its_code() {
    let pair = pair();
    let mut api = connect(&pair.a).unwrap();
    let own = &pair.onion_a;
    let long = "x".repeat(65_537);
    let mid = "0".repeat(32);
    let cases = [
        (json!({"cmd": "SENDD"}), "unknown-command"),
        (json!({"cmd": "send"}), "unknown-command"),
        (json!({"cmd": "SEND", "peer": NOBODY}), "bad-request"),
        (json!({"cmd": "SEND", "peer": "x", "text": "hi"}), "bad-request"),
        (json!({"cmd": "SEND", "peer": NOBODY, "text": "hi", "client_id": ""}), "bad-request"),
        (json!({"cmd": "SEND", "peer": NOBODY, "text": "hi", "client_id": "x".repeat(65)}), "bad-request"),
        (json!({"cmd": "SEND", "peer": NOBODY, "text": "hi", "expire": 1}), "bad-request"),
        (json!({"cmd": "SEND", "peer": NOBODY, "text": "hi", "wait": "read"}), "bad-request"),
        (json!({"cmd": "SEND", "peer": own, "text": "hi"}), "to-self"),
        (json!({"cmd": "SEND", "peer": NOBODY, "text": long}), "too-long"),
        (json!({"cmd": "SEND", "peer": NOBODY, "text": "hi", "wait": "delivered", "timeout": 0}), "not-delivered"),
        (json!({"cmd": "HISTORY", "peer": NOBODY, "before": 1, "after": 1}), "bad-request"),
        (json!({"cmd": "HISTORY", "peer": NOBODY, "limit": 0}), "bad-request"),
        (json!({"cmd": "HISTORY", "peer": NOBODY, "limit": 1001}), "bad-request"),
        (json!({"cmd": "SEARCH", "text": ""}), "bad-request"),
        (json!({"cmd": "CANCEL", "peer": NOBODY, "mid": mid}), "not-pending"),
        (json!({"cmd": "CANCEL", "peer": NOBODY, "mid": "last"}), "bad-request"),
        (json!({"cmd": "ADD", "peer": "nobody"}), "bad-request"),
        (json!({"cmd": "ADD", "peer": "torchat:abc?i=00"}), "bad-request"),
        (json!({"cmd": "ADD", "peer": NOBODY, "text": "x".repeat(501)}), "too-long"),
        (json!({"cmd": "ADD", "peer": own}), "to-self"),
        (json!({"cmd": "ACCEPT", "peer": NOBODY}), "no-request"),
        (json!({"cmd": "RENAME", "peer": NOBODY, "name": "x\ny"}), "bad-request"),
        (json!({"cmd": "RENAME", "peer": pair.onion_b, "name": "Bob"}), "no-contact"),
        (json!({"cmd": "UNBLOCK", "peer": NOBODY}), "not-blocked"),
        (json!({"cmd": "INVITE", "hours": 0}), "bad-request"),
        (json!({"cmd": "INVITE", "hours": 8761}), "bad-request"),
        (json!({"cmd": "EVENTS"}), "bad-request"),
        (json!({"cmd": "EVENTS", "after": 0, "consumer": "c"}), "bad-request"),
        (json!({"cmd": "EVENTS", "after": 0, "wait": 301}), "bad-request"),
        (json!({"cmd": "EVENTS", "after": 1_000_000}), "bad-request"),
        (json!({"cmd": "EVENTS", "after": 0, "filter": {"kinds": ["birthday"]}}), "bad-request"),
        (json!({"cmd": "SUBSCRIBE", "from": "cursor"}), "bad-request"),
        (json!({"cmd": "SUBSCRIBE", "from": 1_000_000}), "bad-request"),
        (json!({"cmd": "SUBSCRIBE", "consumer": "a b"}), "bad-request"),
        (json!({"cmd": "UNSUBSCRIBE", "sub": "none"}), "unknown-subscription"),
        (json!({"cmd": "ACK", "consumer": "token:x/y", "seq": 0}), "bad-request"),
        (json!({"cmd": "ACK", "consumer": "c", "seq": 1_000_000}), "bad-request"),
        (json!({"cmd": "CURSORS", "forget": "never"}), "unknown-consumer"),
        (json!({"cmd": "LOG_LEVEL", "level": "loud"}), "bad-request"),
        (json!({"cmd": "TOKEN", "action": "revoke", "name": "never"}), "unknown-token"),
    ];

    for (request, code) in cases {
        let error = api.ask(request.clone()).unwrap().unwrap_err();
        assert_eq!(error["code"], code, "{request}: {error}");
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{error}");
        let row = CODES.iter().find(|row| row.text == code).unwrap();
        assert_eq!(error["hint"], row.hint, "{request}");
        assert_eq!(error.get("queued").is_some(), code == "not-delivered", "{error}");
    }
    api.ok(json!({"cmd": "SEND", "peer": NOBODY, "text": "a", "client_id": "k"})).unwrap();
    let again = json!({"cmd": "SEND", "peer": NOBODY, "text": "b", "client_id": "k"});
    assert_eq!(api.refused(again).unwrap(), "client-id-reused");
    api.ok(json!({"cmd": "BLOCK", "peer": NOBODY})).unwrap();
    assert_eq!(api.refused(json!({"cmd": "SEND", "peer": NOBODY, "text": "b"})).unwrap(), "blocked");
    for n in 0..16 {
        api.ok(json!({"cmd": "SUBSCRIBE", "ref": n})).unwrap();
    }
    assert_eq!(api.refused(json!({"cmd": "SUBSCRIBE", "ref": 3})).unwrap(), "already-subscribed");
    assert_eq!(api.refused(json!({"cmd": "SUBSCRIBE", "ref": 16})).unwrap(), "too-many-subscriptions");
    api.ok(json!({"cmd": "UNSUBSCRIBE", "sub": 3})).unwrap();
    api.ok(json!({"cmd": "SUBSCRIBE", "ref": 16})).unwrap();
}

#[test]
fn a_request_that_waits_holds_nobody_up() {
    let pair = pair();
    let mut api = connect(&pair.a).unwrap();
    let send =
        api.begin(json!({"cmd": "SEND", "peer": NOBODY, "text": "x", "wait": "delivered", "timeout": 3600})).unwrap();
    let poll = api.begin(json!({"cmd": "EVENTS", "after": 1_000, "wait": 300})).unwrap();
    // Too far ahead, so at once; the next one waits.
    assert_eq!(api.answer(&poll).unwrap().unwrap_err()["code"], "bad-request");
    let begun = Instant::now();
    assert_eq!(api.ok(json!({"cmd": "HOST"})).unwrap()["onion"], pair.onion_a);
    assert!(begun.elapsed() < Duration::from_secs(250), "it did not wait for the poll, which waits 300 s");
    let mid = eventually("it is queued", WAIT, || {
        let page = api.ok(json!({"cmd": "HISTORY", "peer": NOBODY}))?;
        Ok(page["messages"].as_array().unwrap().first().map(|message| message["mid"].clone()))
    });
    api.ok(json!({"cmd": "CANCEL", "peer": NOBODY, "mid": mid.unwrap()})).unwrap();
    let error = api.answer(&send).unwrap().unwrap_err();
    assert_eq!((&error["code"], error.get("queued")), (&json!("not-delivered"), None), "{error}");
}

#[test]
fn sixteen_requests_are_in_work_then_reading_stops() {
    let pair = pair();
    let mut api = connect(&pair.a).unwrap();
    let last = api.ok(json!({"cmd": "EVENTS", "after": 0, "limit": 1})).unwrap()["last"].clone();
    let polls: Vec<_> =
        (0..16).map(|_| api.begin(json!({"cmd": "EVENTS", "after": last, "wait": 300})).unwrap()).collect();
    let host = api.begin(json!({"cmd": "HOST"})).unwrap();
    // Another connection makes an event, which ends the polls.
    let mut other = connect(&pair.a).unwrap();
    other.ok(json!({"cmd": "SEND", "peer": NOBODY, "text": "x"})).unwrap();
    let mut order = Vec::new();
    while order.len() < 17 {
        order.push(api.line().unwrap()["ref"].clone());
    }
    let at = order.iter().position(|reference| *reference == host).unwrap();
    assert!(at > 0, "HOST had to wait until a poll was answered");
    assert!(polls.iter().all(|poll| order.contains(poll)));
}

#[test]
fn messages_keep_the_order_of_their_requests() {
    let pair = pair();
    let mut api = connect(&pair.a).unwrap();
    let all: String = (0..1000)
        .map(|n| json!({"cmd": "SEND", "peer": NOBODY, "text": n.to_string(), "ref": n}).to_string())
        .collect();
    let mut writer = api.stream().try_clone().unwrap();
    let writing = std::thread::spawn(move || writer.write_all(all.as_bytes()).unwrap());
    let mut answered = BTreeSet::new();
    while answered.len() < 1000 {
        let line = api.line().unwrap();
        assert!(line.get("ok").is_some(), "{line}");
        answered.insert(line["ref"].as_u64().unwrap());
    }
    writing.join().unwrap();
    let page = api.ok(json!({"cmd": "HISTORY", "peer": NOBODY, "limit": 1000})).unwrap();
    let texts: Vec<_> =
        page["messages"].as_array().unwrap().iter().map(|m| m["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(texts, (0..1000).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_client_that_half_closes_gets_all_its_answers() {
    let pair = pair();
    let mut requests = r#"{"cmd":"HELLO","api":1}"#.to_owned();
    for n in 0..100 {
        requests += &json!({"cmd": "SEND", "peer": NOBODY, "text": n.to_string(), "ref": n}).to_string();
    }
    // A long poll ends with the requests, or nobody could wait for the answers.
    requests += r#"{"cmd":"EVENTS","consumer":"late","wait":300,"ref":"poll"}"#;
    let said = exchange(&pair, requests.as_bytes());
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 102, "{said}");
    assert!(lines.iter().all(|line| line.get("ok").is_some()));
    assert!(lines.iter().any(|line| line["ref"] == "poll"));
}

#[test]
fn at_the_end_of_the_daemon_everything_due_is_said() {
    let mut pair = pair();
    let mut api = connect(&pair.a).unwrap();
    let mut other = connect(&pair.a).unwrap();
    api.ok(json!({"cmd": "SUBSCRIBE", "ref": "s", "filter": {"kinds": ["received"]}})).unwrap();
    let last = api.ok(json!({"cmd": "EVENTS", "after": 0, "limit": 1, "filter": {"kinds": ["lost"]}})).unwrap()["last"]
        .clone();
    let poll = api.begin(json!({"cmd": "EVENTS", "after": last, "wait": 300, "filter": {"kinds": ["lost"]}})).unwrap();
    let send = api.begin(json!({"cmd": "SEND", "peer": NOBODY, "text": "x", "wait": "delivered"})).unwrap();
    // It is under way: what comes later is answered after it was begun.
    api.ok(json!({"cmd": "HOST"})).unwrap();
    let asked = Instant::now();
    other.ok(json!({"cmd": "EXIT"})).unwrap();
    assert_eq!(api.answer(&poll).unwrap().unwrap()["events"], json!([]));
    let error = api.answer(&send).unwrap().unwrap_err();
    assert!(error["code"] == "stopping" || error["queued"].is_string(), "{error}");
    assert_eq!(api.event(&json!("s")).unwrap().unwrap_err()["code"], "stopping");
    assert!(api.is_over() && other.is_over());
    assert!(pair.a.wait(Duration::from_secs(60)).unwrap().success());
    let (took, limit) = (asked.elapsed(), Duration::from_secs(3) + pace::slack());
    assert!(took < limit, "it took {took:?}, and may take {limit:?}");
}

#[test]
fn an_idle_connection_costs_little() {
    let pair = pair();
    let many = |count| -> Vec<_> {
        (0..count)
            .map(|_| {
                let mut api = connect(&pair.a).unwrap();
                api.ok(json!({"cmd": "STATUS"})).unwrap();
                api
            })
            .collect()
    };
    // What the allocator keeps of the first ones is not counted to the others.
    drop(many(50));
    let held = many(40);
    let before = resident_bytes(&pair);
    let more = many(200);
    let each = resident_bytes(&pair).saturating_sub(before) / 200;
    println!("{each} bytes for each idle connection");
    assert!(each <= 12_000, "{each} bytes for each idle connection");
    drop((held, more));
}

fn resident_bytes(pair: &Pair) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pair.a.pid().unwrap())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn the_daemon_dials_itself_when_asked_and_not_too_often() {
    let pair = pair();
    let mut api = connect(&pair.a).unwrap();
    let check = json!({"cmd": "CHECK"});
    let handshakes = |api: &mut Api| {
        let status = api.ok(json!({"cmd": "STATUS"})).unwrap();
        status["status"]["refused"]["handshakes"].as_u64().unwrap()
    };
    // Many at once are one dial: it hung up after the hello, which its own door counts.
    let asked: Vec<_> = (0..8).map(|_| api.begin(check.clone()).unwrap()).collect();
    let answers: Vec<_> = asked.iter().map(|asked| api.answer(asked).unwrap().unwrap()).collect();
    for answer in &answers {
        assert_eq!((&answer["reached"], answer.get("reason"), answer.get("why")), (&json!(true), None, None));
        assert_eq!((&answer["ms"], &answer["age_s"]), (&answers[0]["ms"], &json!(0)), "{answer}");
    }
    let reachable = api.ok(json!({"cmd": "STATUS"})).unwrap()["status"]["reachable"].clone();
    assert!(reachable["reached_s_ago"].is_u64(), "{reachable}");
    assert!(handshakes(&mut api) <= 1);
    // Somebody without a service.
    let mut b = connect(&pair.b).unwrap();
    std::fs::remove_file(pair.dir.path().join("peers").join(&pair.onion_b)).unwrap();
    let answer = b.ok(check.clone()).unwrap();
    assert_eq!(answer["reached"], false);
    assert!(answer["reason"].as_str().unwrap().contains("not reachable"), "{answer}");
    assert_eq!(answer["why"], json!({"code": "peer-down", "detail": answer["reason"]}));
    assert_eq!(b.ok(check).unwrap()["reached"], false, "the last result");
}
