//! Rooms over API 1 and the classic contract, with real daemons that are linked: every command, every refusal, every event, and
//! what programs with few rights see.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use torchat_client::Client;
use torchat_harness::api::{Api, Pair, connect};
use torchat_protocol::control::api::COMMANDS;
use torchat_protocol::control::token::Token;
use torchat_testkit::daemon::eventually;

/// A valid onion that nobody serves here: the example of rend-spec-v3.
const NOBODY: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
const WAIT: Duration = Duration::from_secs(120);

fn pair() -> Pair {
    Pair::start(Path::new(env!("CARGO_BIN_EXE_loopback-daemon"))).unwrap()
}

/// Waits until something holds, and returns it.
fn until(what: &str, mut look: impl FnMut() -> Option<Value>) -> Value {
    eventually(what, WAIT, || Ok(look())).unwrap()
}

fn made(api: &mut Api, name: &str) -> Value {
    api.ok(json!({"cmd": "ROOM_NEW", "name": name, "nick": "anna"})).unwrap()["room"]["peer"].clone()
}

fn invited(api: &mut Api, room: &Value, more: Value) -> Value {
    let mut request = json!({"cmd": "ROOM_INVITE", "peer": room});
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    api.ok(request).unwrap()["invite"].clone()
}

/// Waits until a daemon is a member of a room that it is joining.
fn becomes_member(api: &mut Api, room: &Value) {
    until("the join", || {
        let now = api.ok(json!({"cmd": "ROOM", "peer": room})).unwrap()["room"].clone();
        (now["state"] == "member" && now["linked"].as_u64() > Some(0)).then_some(now)
    });
}

fn joins(api: &mut Api, invite: &Value, nick: &str) -> Value {
    let room = api.ok(json!({"cmd": "ROOM_JOIN", "invite": invite, "nick": nick})).unwrap()["room"]["peer"].clone();
    becomes_member(api, &room);
    room
}

/// A room of the first two daemons.
fn shared(a: &mut Api, b: &mut Api) -> Value {
    let room = made(a, "lab");
    let invite = invited(a, &room, json!({}));
    assert_eq!(joins(b, &invite, "bob"), room);
    room
}

fn say(api: &mut Api, room: &Value, text: &str) -> Value {
    let sent = api.ok(json!({"cmd": "SEND", "peer": room, "text": text, "wait": "delivered"})).unwrap();
    assert_eq!(sent["state"], "delivered");
    sent
}

/// The message with a text, once it is there.
fn message(api: &mut Api, room: &Value, text: &str) -> Value {
    until(text, || {
        let page = api.ok(json!({"cmd": "HISTORY", "peer": room})).unwrap();
        page["messages"].as_array().unwrap().iter().find(|message| message["text"] == text).cloned()
    })
}

fn members(api: &mut Api, room: &Value) -> Vec<Value> {
    api.ok(json!({"cmd": "ROOM_MEMBERS", "peer": room})).unwrap()["members"].as_array().unwrap().clone()
}

#[test]
fn a_room_is_made_joined_and_talked_in() {
    let pair = pair();
    let (mut a, mut b) = (connect(&pair.a).unwrap(), connect(&pair.b).unwrap());
    let (limit, peer_limit) = (&a.hello["limits"]["room_text_bytes"], &a.hello["limits"]["text_bytes"]);
    assert_eq!((limit, peer_limit), (&json!(16_384), &json!(65_536)));
    a.ok(json!({"cmd": "SUBSCRIBE", "ref": "a", "from": "now"})).unwrap();
    b.ok(json!({"cmd": "SUBSCRIBE", "ref": "b", "from": "now", "filter": {"kinds": ["received", "room"]}})).unwrap();

    let new = json!({"cmd": "ROOM_NEW", "name": "lab", "topic": "cats", "nick": "anna", "client_id": "k"});
    let room = a.ok(new.clone()).unwrap()["room"].clone();
    let peer = room["peer"].clone();
    let golden = json!({"peer": peer, "name": "lab", "topic": "cats", "state": "member", "form": "mesh",
        "me": {"member": 1, "role": "owner"}, "owner": 1, "members": 1, "linked": 0,
        "policy": {"joins": "member", "history": 1000}, "queued": 0, "notify": "mentions"});
    assert_eq!(room, golden);
    assert_eq!(a.ok(new).unwrap()["room"]["peer"], peer, "the same key is the same room");
    assert_eq!(a.ok(json!({"cmd": "ROOMS"})).unwrap()["rooms"], json!([golden]));
    let told = a.event(&json!("a")).unwrap().unwrap();
    assert_eq!((&told["event"], &told["room"]["peer"]), (&json!("room"), &peer));

    let invite = a.ok(json!({"cmd": "ROOM_INVITE", "peer": peer, "uses": 2, "hours": 1, "note": "friends"})).unwrap();
    let listed = a.ok(json!({"cmd": "ROOM_INVITES", "peer": peer})).unwrap()["invites"].clone();
    let (text, one) = (invite["invite"].as_str().unwrap(), &listed[0]);
    assert_eq!((&one["id"], &one["uses"], &one["used"]), (&invite["id"], &json!(2), &json!(0)));
    assert_eq!((&one["note"], &one["role"]), (&json!("friends"), &json!("member")));
    let secret = &text[text.len() - 32..];
    assert!(!listed.to_string().contains(secret), "it is shown once");

    let join = json!({"cmd": "ROOM_JOIN", "invite": text, "text": "it is me", "nick": "bob", "client_id": "k"});
    let joining = b.ok(join.clone()).unwrap()["room"].clone();
    assert_eq!((&joining["peer"], &joining["state"], &joining["name"]), (&peer, &json!("joining"), &json!("")));
    assert_eq!(b.ok(join).unwrap()["room"]["peer"], peer, "it joins nothing anew");
    becomes_member(&mut b, &peer);
    let came = until("bob is told of", || {
        let event = a.event(&json!("a")).unwrap().unwrap();
        (event["event"] == "member").then_some(event)
    });
    assert_eq!((&came["peer"], &came["change"], &came["member"]["no"]), (&peer, &json!("joined"), &json!(2)));
    let both = members(&mut a, &peer);
    let names: Vec<_> = both.iter().map(|one| (one["no"].clone(), one["name"].clone(), one["role"].clone())).collect();
    assert_eq!(names, [(json!(1), json!("anna"), json!("owner")), (json!(2), json!("bob"), json!("member"))]);
    assert_eq!((&both[1]["onion"], &both[1]["proven"]), (&json!(pair.onion_b), &json!("link")));
    assert_eq!((&both[1]["link"], &both[1]["state"], &both[0]["me"]), (&json!(true), &json!("in"), &json!(true)));
    let page = a.ok(json!({"cmd": "ROOM_MEMBERS", "peer": peer, "limit": 1})).unwrap();
    assert_eq!((page["members"].as_array().unwrap().len(), &page["more"]), (1, &json!(true)));
    let page = a.ok(json!({"cmd": "ROOM_MEMBERS", "peer": peer, "limit": 1, "after": 1})).unwrap();
    assert_eq!((&page["members"][0]["no"], page.get("more")), (&json!(2), None));

    // Texts: the same to all, with who wrote them.
    let first = a.ok(json!({"cmd": "SEND", "peer": peer, "text": "who feeds the cat?", "wait": "delivered"})).unwrap();
    assert_eq!((&first["state"], &first["duplicate"]), (&json!("delivered"), &json!(false)));
    let question = message(&mut b, &peer, "who feeds the cat?");
    assert_eq!(question["mid"], first["mid"], "the same at both ends");
    assert_eq!((&question["dir"], &question["state"]), (&json!("in"), &json!("unread")));
    let from = json!({"member": 1, "name": "anna", "onion": pair.onion_a, "me": false, "role": "owner"});
    assert_eq!(question["from"], from);
    let heard = until("the event", || {
        let event = b.event(&json!("b")).unwrap().unwrap();
        (event["event"] == "received").then_some(event)
    });
    let mut as_it_came = question.clone();
    as_it_came.as_object_mut().unwrap().remove("flags");
    assert_eq!(heard["message"], as_it_came);
    let answer = json!({"cmd": "SEND", "peer": peer, "text": "fed at nine", "re": question["id"], "to": [1], "client_id": "cat-17",
        "wait": "delivered"});
    let said = b.ok(answer.clone()).unwrap();
    let again = b.ok(answer).unwrap();
    assert_eq!((&again["id"], &again["mid"], &again["duplicate"]), (&said["id"], &said["mid"], &json!(true)));
    let heard = message(&mut a, &peer, "fed at nine");
    assert_eq!((&heard["re"], &heard["mention"], &heard["from"]["member"]), (&first["mid"], &json!(true), &json!(2)));
    assert!(heard["order"].as_array().unwrap()[0].as_u64() > question["order"].as_array().unwrap()[0].as_u64());
    let own = message(&mut b, &peer, "fed at nine");
    assert_eq!((&own["dir"], &own["state"], &own["client_id"]), (&json!("out"), &json!("delivered"), &json!("cat-17")));
    assert_eq!((&own["order"], &own["from"]["me"]), (&heard["order"], &json!(true)));
    assert_eq!((&own["stored"], heard.get("stored")), (&json!({"members": 1, "of": 1}), None));
    let measured = b.ok(json!({"cmd": "ROOM", "peer": peer})).unwrap()["room"].clone();
    assert!(measured["bytes"].as_u64() > Some(500), "{measured}");
    assert_eq!(
        (measured.get("missing"), b.ok(json!({"cmd": "ROOMS"})).unwrap()["rooms"][0].get("bytes")),
        (None, None)
    );

    // The commands of conversations.
    let conversation = a.ok(json!({"cmd": "CONVERSATIONS"})).unwrap()["conversations"][0].clone();
    assert_eq!((&conversation["contact"]["peer"], &conversation["contact"]["state"]), (&peer, &json!("room")));
    assert_eq!((&conversation["contact"]["nick"], &conversation["contact"]["link"]), (&json!("lab"), &json!(true)));
    assert_eq!((&conversation["unread"], &conversation["mentions"]), (&json!(1), &json!(1)));
    assert_eq!((&conversation["room"]["members"], &conversation["last"]["text"]), (&json!(2), &json!("fed at nine")));
    assert_eq!(a.ok(json!({"cmd": "SEEN", "peer": peer, "upto": heard["id"]})).unwrap()["seen"], 1);
    let conversation = a.ok(json!({"cmd": "CONVERSATIONS"})).unwrap()["conversations"][0].clone();
    assert_eq!((&conversation["unread"], &conversation["mentions"]), (&json!(0), &json!(0)));
    let found = b.ok(json!({"cmd": "SEARCH", "text": "fe*", "peer": peer})).unwrap()["messages"].clone();
    let texts: Vec<_> = found.as_array().unwrap().iter().map(|found| found["text"].clone()).collect();
    assert_eq!(texts, ["fed at nine", "who feeds the cat?"]);
    assert_eq!(a.ok(json!({"cmd": "CONTACTS"})).unwrap()["contacts"], json!([]), "a room is no contact");
    let status = b.ok(json!({"cmd": "STATUS"})).unwrap()["status"]["rooms"].clone();
    let refused = json!({"channels": 0, "joins": 0, "misbehaved": 0, "opens": 0, "outbox_full": 0, "petitions": 0, "quota": 0,
        "signatures": 0, "waiting": 0});
    let golden = json!({"channels": 1, "joined": 1, "links": 1, "petitions": 0, "queued": 0, "refused": refused});
    assert_eq!(status, golden);
}

#[test]
fn texts_are_changed_taken_away_and_reacted_to_and_programs_are_told() {
    let pair = pair();
    let (mut a, mut b) = (connect(&pair.a).unwrap(), connect(&pair.b).unwrap());
    let room = shared(&mut a, &mut b);
    say(&mut a, &room, "one");
    say(&mut b, &room, "two");
    let (one_at_a, two_at_a) = (message(&mut a, &room, "one"), message(&mut a, &room, "two"));
    let (one_at_b, two_at_b) = (message(&mut b, &room, "one"), message(&mut b, &room, "two"));
    let kinds = json!(["edited", "reacted", "redacted", "voided"]);
    for (api, sub) in [(&mut a, "a"), (&mut b, "b")] {
        api.ok(json!({"cmd": "SUBSCRIBE", "ref": sub, "filter": {"kinds": kinds, "peers": [room]}})).unwrap();
    }
    let next = |api: &mut Api, sub: &str| api.event(&json!(sub)).unwrap().unwrap();

    b.ok(json!({"cmd": "EDIT", "peer": room, "id": two_at_b["id"], "text": "too"})).unwrap();
    let told = next(&mut a, "a");
    assert_eq!((&told["event"], &told["id"], &told["mid"]), (&json!("edited"), &two_at_a["id"], &two_at_a["mid"]));
    assert_eq!((&told["text"], &told["peer"]), (&json!("too"), &room));
    assert_eq!(next(&mut b, "b")["event"], "edited", "the one who did it, too");
    let now = message(&mut a, &room, "too");
    assert_eq!((&now["flags"], now["edited_at"].is_string()), (&json!(["edited"]), true));

    a.ok(json!({"cmd": "REACT", "peer": room, "id": two_at_a["id"], "sign": "+1"})).unwrap();
    let told = next(&mut b, "b");
    assert_eq!((&told["event"], &told["member"], &told["sign"]), (&json!("reacted"), &json!(1), &json!("+1")));
    assert_eq!(message(&mut b, &room, "too")["reacts"], json!({"+1": [1]}));
    a.ok(json!({"cmd": "REACT", "peer": room, "id": two_at_a["id"], "sign": ""})).unwrap();
    assert_eq!(next(&mut b, "b")["sign"], "");
    assert_eq!(message(&mut b, &room, "too").get("reacts"), None);

    // Of others: the owner may take away, nobody may change.
    let edit = json!({"cmd": "EDIT", "peer": room, "id": two_at_a["id"], "text": "no"});
    assert_eq!(a.refused(edit).unwrap(), "no-role");
    let redact = json!({"cmd": "REDACT", "peer": room, "id": one_at_b["id"]});
    assert_eq!(b.refused(redact).unwrap(), "no-role");
    a.ok(json!({"cmd": "REDACT", "peer": room, "id": two_at_a["id"], "why": "no"})).unwrap();
    let told = next(&mut b, "b");
    assert_eq!((&told["event"], &told["id"]), (&json!("redacted"), &two_at_b["id"]));
    let page = b.ok(json!({"cmd": "HISTORY", "peer": room})).unwrap()["messages"].clone();
    let gone = page.as_array().unwrap().iter().find(|message| message["id"] == two_at_b["id"]).unwrap();
    assert_eq!((&gone["text"], &gone["state"]), (&json!(""), &json!("redacted")));
    assert_eq!(b.ok(json!({"cmd": "SEARCH", "text": "too"})).unwrap()["messages"], json!([]));
    b.ok(json!({"cmd": "SEND", "peer": room, "text": "three"})).unwrap();
    let three = message(&mut b, &room, "three");
    b.ok(json!({"cmd": "REDACT", "peer": room, "id": three["id"]})).unwrap();

    for (request, code) in [
        (json!({"cmd": "EDIT", "peer": room, "id": 999_999, "text": "x"}), "no-message"),
        (json!({"cmd": "EDIT", "peer": room, "id": one_at_a["id"], "text": " "}), "bad-request"),
        (json!({"cmd": "EDIT", "peer": room, "id": one_at_a["id"], "text": "x".repeat(16_385)}), "too-long"),
        (json!({"cmd": "REACT", "peer": room, "id": 999_999, "sign": "x"}), "no-message"),
        (json!({"cmd": "REACT", "peer": room, "id": one_at_a["id"], "sign": "x".repeat(33)}), "bad-request"),
        (json!({"cmd": "REDACT", "peer": room, "id": 999_999}), "no-message"),
        (json!({"cmd": "REDACT", "peer": room, "id": one_at_a["id"], "why": "x".repeat(201)}), "bad-request"),
        (json!({"cmd": "SEND", "peer": room, "text": "x".repeat(16_385)}), "too-long"),
        (json!({"cmd": "SEND", "peer": room, "text": "x", "re": 999_999}), "no-message"),
        (json!({"cmd": "SEND", "peer": room, "text": "x", "to": [0]}), "no-member"),
        (json!({"cmd": "SEND", "peer": room, "text": "x", "to": (1..=17).collect::<Vec<_>>()}), "bad-request"),
        (json!({"cmd": "SEND", "peer": NOBODY, "text": "x", "to": [1]}), "bad-request"),
        (json!({"cmd": "CANCEL", "peer": room, "mid": one_at_a["mid"]}), "not-pending"),
    ] {
        assert_eq!(a.refused(request.clone()).unwrap(), code, "{request}");
    }
}

#[test]
fn the_owner_decides_and_a_moderator_moderates() {
    let pair = pair();
    let third = pair.third().unwrap();
    let (mut a, mut b, mut c) = (connect(&pair.a).unwrap(), connect(&pair.b).unwrap(), connect(&third).unwrap());
    let room = shared(&mut a, &mut b);
    let onion_c = c.hello["onion"].clone();
    a.ok(json!({"cmd": "SUBSCRIBE", "ref": "a", "filter": {"peers": [room], "kinds": ["member", "petition", "petition-gone", "room"]}}))
        .unwrap();
    let told = move |a: &mut Api, kind: &str| {
        until(kind, || {
            let event = a.event(&json!("a")).unwrap().unwrap();
            (event["event"] == kind).then_some(event)
        })
    };

    // Somebody asks without an invite.
    let bare = invited(&mut a, &room, json!({})).as_str().unwrap().split("&i=").next().unwrap().to_owned();
    c.ok(json!({"cmd": "ROOM_JOIN", "invite": bare, "text": "let me in", "nick": "carol"})).unwrap();
    let petition = told(&mut a, "petition")["petition"].clone();
    assert_eq!((&petition["onion"], &petition["name"]), (&onion_c, &json!("carol")));
    assert_eq!((&petition["text"], &petition["peer"]), (&json!("let me in"), &room));
    let listed = a.ok(json!({"cmd": "ROOM_PETITIONS"})).unwrap()["petitions"].clone();
    assert_eq!(listed, json!([petition]));
    let nobody = json!({"cmd": "ROOM_ADMIT", "peer": room, "petition": NOBODY, "yes": true});
    assert_eq!(a.refused(nobody.clone()).unwrap(), "no-petition");
    let mut no = nobody;
    no["yes"] = json!(false);
    assert_eq!(a.refused(no).unwrap(), "no-petition");
    a.ok(json!({"cmd": "ROOM_ADMIT", "peer": room, "petition": onion_c, "yes": true, "role": "reader"})).unwrap();
    becomes_member(&mut c, &room);
    assert_eq!(told(&mut a, "petition-gone")["onion"], onion_c);
    assert_eq!(a.ok(json!({"cmd": "ROOM_PETITIONS", "peer": room})).unwrap()["petitions"], json!([]));
    assert_eq!(c.refused(json!({"cmd": "SEND", "peer": room, "text": "hi"})).unwrap(), "no-role");

    // Roles.
    a.ok(json!({"cmd": "ROOM_ROLE", "peer": room, "member": 3, "role": "member"})).unwrap();
    a.ok(json!({"cmd": "ROOM_ROLE", "peer": room, "member": 2, "role": "moderator"})).unwrap();
    let changed = until("the role", || {
        let event = told(&mut a, "member");
        (event["change"] == "role" && event["member"]["no"] == 2).then_some(event)
    });
    assert_eq!(changed["member"]["role"], "moderator");
    until("bob is a moderator", || {
        let now = b.ok(json!({"cmd": "ROOM", "peer": room})).unwrap()["room"]["me"].clone();
        (now["role"] == "moderator").then_some(now)
    });
    until("carol is a member", || {
        let now = c.ok(json!({"cmd": "ROOM", "peer": room})).unwrap()["room"]["me"].clone();
        (now["role"] == "member").then_some(now)
    });

    // Mutes.
    b.ok(json!({"cmd": "ROOM_MUTE", "peer": room, "member": 3, "why": "noise"})).unwrap();
    until("carol is muted", || {
        let carol = members(&mut a, &room)[2].clone();
        (carol["state"] == "muted").then_some(carol)
    });
    until("carol knows it", || {
        let carol = members(&mut c, &room)[2].clone();
        (carol["state"] == "muted").then_some(carol)
    });
    let send = json!({"cmd": "SEND", "peer": room, "text": "nobody hears me", "wait": "delivered"});
    let error = c.ask(send).unwrap().unwrap_err();
    assert_eq!((&error["code"], &error["params"]["reason"]["code"]), (&json!("not-delivered"), &json!("muted")));
    let hidden = until("the hidden text", || {
        let page = a.ok(json!({"cmd": "HISTORY", "peer": room, "hidden": true})).unwrap()["messages"].clone();
        page.as_array().unwrap().iter().find(|message| message["text"] == "nobody hears me").cloned()
    });
    assert_eq!((&hidden["state"], &hidden["flags"]), (&json!("hidden"), &json!(["hidden"])));
    let page = a.ok(json!({"cmd": "HISTORY", "peer": room})).unwrap();
    assert!(!page.to_string().contains("nobody hears me"), "{page}");
    b.ok(json!({"cmd": "ROOM_UNMUTE", "peer": room, "member": 3})).unwrap();
    assert_eq!(b.refused(json!({"cmd": "ROOM_UNMUTE", "peer": room, "member": 3})).unwrap(), "not-muted");
    assert_eq!(b.refused(json!({"cmd": "ROOM_MUTE", "peer": room, "member": 1})).unwrap(), "no-role");
    assert_eq!(b.refused(json!({"cmd": "ROOM_MUTE", "peer": room, "member": 9})).unwrap(), "no-member");

    // Name, topic, rules, and what is the user's own.
    let set = json!({"cmd": "ROOM_SET", "peer": room, "name": "cats", "topic": "purr", "policy": {"joins": "reader"},
        "alias": "my cats", "notify": "all", "nick": "ann"});
    let now = a.ok(set).unwrap()["room"].clone();
    assert_eq!((&now["name"], &now["topic"], &now["alias"]), (&json!("cats"), &json!("purr"), &json!("my cats")));
    assert_eq!((&now["policy"], &now["notify"]), (&json!({"joins": "reader", "history": 1000}), &json!("all")));
    b.ok(json!({"cmd": "ROOM_SET", "peer": room, "topic": "hiss"})).unwrap();
    until("the moderator's topic", || {
        let now = a.ok(json!({"cmd": "ROOM", "peer": room})).unwrap()["room"].clone();
        (now["topic"] == "hiss").then_some(now)
    });
    assert_eq!(members(&mut b, &room)[0]["name"], "ann");
    for (request, code) in [
        (json!({"cmd": "ROOM_SET", "peer": room, "name": "dogs"}), "no-role"),
        (json!({"cmd": "ROOM_SET", "peer": room, "name": " "}), "bad-request"),
        (json!({"cmd": "ROOM_SET", "peer": room, "name": "x".repeat(65)}), "bad-request"),
        (json!({"cmd": "ROOM_SET", "peer": room, "topic": "x".repeat(501)}), "bad-request"),
        (json!({"cmd": "ROOM_SET", "peer": room, "nick": "x\ny"}), "bad-request"),
        (json!({"cmd": "ROOM_SET", "peer": room, "policy": {"joins": "moderator"}}), "bad-request"),
        (json!({"cmd": "ROOM_SET", "peer": room, "policy": {"history": -1}}), "bad-request"),
        (json!({"cmd": "ROOM_SET", "peer": room, "notify": "sometimes"}), "bad-request"),
        (json!({"cmd": "ROOM_ROLE", "peer": room, "member": 3, "role": "reader"}), "no-role"),
        (json!({"cmd": "ROOM_ROLE", "peer": room, "member": 3, "role": "owner"}), "bad-request"),
        (json!({"cmd": "ROOM_REMOVE", "peer": room, "member": 3}), "no-role"),
        (json!({"cmd": "ROOM_INVITE", "peer": room}), "no-role"),
        (json!({"cmd": "ROOM_PARDON", "peer": room, "onion": onion_c}), "no-role"),
        (json!({"cmd": "ROOM_TRANSFER", "peer": room, "member": 3}), "no-role"),
        (json!({"cmd": "ROOM_TRANSFER", "peer": room, "take": true}), "no-handover"),
        (json!({"cmd": "ROOM_TRANSFER", "peer": room}), "bad-request"),
        (json!({"cmd": "ROOM_TRANSFER", "peer": room, "member": 3, "take": true}), "bad-request"),
        (json!({"cmd": "ROOM_SETTLE", "peer": room}), "not-frozen"),
        (json!({"cmd": "ROOM_DESTROY", "peer": room, "name": "cats"}), "no-role"),
    ] {
        assert_eq!(b.refused(request.clone()).unwrap(), code, "{request}");
    }

    // Removed, and let in again.
    a.ok(json!({"cmd": "ROOM_REMOVE", "peer": room, "member": 3})).unwrap();
    until("carol is out", || {
        let now = c.ok(json!({"cmd": "ROOM", "peer": room})).unwrap()["room"].clone();
        (now["state"] == "removed").then_some(now)
    });
    assert_eq!(c.refused(json!({"cmd": "SEND", "peer": room, "text": "hi"})).unwrap(), "no-room");
    let carol = members(&mut a, &room)[2].clone();
    assert_eq!((&carol["state"], &carol["banned"]), (&json!("removed"), &json!(true)));
    assert_eq!(a.refused(json!({"cmd": "ROOM_REMOVE", "peer": room, "member": 3})).unwrap(), "no-member");
    a.ok(json!({"cmd": "ROOM_PARDON", "peer": room, "onion": onion_c})).unwrap();
    assert_eq!(members(&mut a, &room)[2].get("banned"), None);

    // Another owner.
    a.ok(json!({"cmd": "ROOM_TRANSFER", "peer": room, "member": 2})).unwrap();
    let offered = until("the offer", || {
        let now = b.ok(json!({"cmd": "ROOM", "peer": room})).unwrap()["room"].clone();
        now.get("handover").is_some().then_some(now)
    });
    assert_eq!(offered["handover"], json!({"by": 1, "to": 2}));
    assert_eq!(offered["problems"][0]["why"], json!({"code": "offered"}));
    b.ok(json!({"cmd": "ROOM_TRANSFER", "peer": room, "take": true})).unwrap();
    until("the new owner", || {
        let now = a.ok(json!({"cmd": "ROOM", "peer": room})).unwrap()["room"].clone();
        (now["owner"] == 2).then_some(now)
    });
    until("bob knows it", || {
        let now = b.ok(json!({"cmd": "ROOM", "peer": room})).unwrap()["room"].clone();
        (now["me"]["role"] == "owner").then_some(now)
    });
    assert_eq!(b.refused(json!({"cmd": "ROOM_LEAVE", "peer": room})).unwrap(), "owner-leaves");
    a.ok(json!({"cmd": "ROOM_LEAVE", "peer": room})).unwrap();
    until("the old owner has left", || {
        let now = a.ok(json!({"cmd": "ROOM", "peer": room})).unwrap()["room"].clone();
        (now["state"] == "left").then_some(now)
    });
    assert!(!a.ok(json!({"cmd": "HISTORY", "peer": room})).unwrap()["messages"].as_array().unwrap().is_empty());
    a.ok(json!({"cmd": "ROOM_LEAVE", "peer": room, "forget": true})).unwrap();
    assert_eq!(a.ok(json!({"cmd": "HISTORY", "peer": room})).unwrap()["messages"], json!([]));

    // The end.
    let wrong = json!({"cmd": "ROOM_DESTROY", "peer": room, "name": "lab"});
    assert_eq!(b.refused(wrong).unwrap(), "bad-request");
    b.ok(json!({"cmd": "ROOM_DESTROY", "peer": room, "name": "cats", "why": "enough"})).unwrap();
    let over = b.ok(json!({"cmd": "ROOM", "peer": room})).unwrap()["room"].clone();
    assert_eq!(over["state"], "destroyed");
    assert_eq!(b.refused(json!({"cmd": "SEND", "peer": room, "text": "hi"})).unwrap(), "no-room");
}

#[test]
fn invites_have_their_limits_and_are_taken_back() {
    let pair = pair().befriend().unwrap();
    let (mut a, mut b) = (connect(&pair.a).unwrap(), connect(&pair.b).unwrap());
    let room = made(&mut a, "lab");
    for (request, code) in [
        (json!({"uses": 1_001}), "bad-request"),
        (json!({"hours": 0}), "bad-request"),
        (json!({"hours": 2_161}), "bad-request"),
        (json!({"note": "x".repeat(201)}), "bad-request"),
        (json!({"role": "owner"}), "bad-request"),
        (json!({"send": true}), "bad-request"),
    ] {
        let mut whole = json!({"cmd": "ROOM_INVITE", "peer": room});
        whole.as_object_mut().unwrap().extend(request.as_object().unwrap().clone());
        assert_eq!(a.refused(whole).unwrap(), code, "{request}");
    }
    let for_bob = json!({"cmd": "ROOM_INVITE", "peer": room, "for": pair.onion_b, "send": true, "uses": 0});
    let made = a.ok(for_bob).unwrap();
    let listed = a.ok(json!({"cmd": "ROOM_INVITES", "peer": room})).unwrap()["invites"][0].clone();
    assert_eq!((&listed["for"], listed.get("uses")), (&json!(pair.onion_b), None));
    // It came as a message; ADD takes it, too.
    let came = message(&mut b, &json!(pair.onion_a), made["invite"].as_str().unwrap());
    assert_eq!(b.ok(json!({"cmd": "ADD", "peer": came["text"], "text": "thanks"})).unwrap()["peer"], room);
    becomes_member(&mut b, &room);
    assert_eq!(b.refused(json!({"cmd": "ROOM_JOIN", "invite": came["text"]})).unwrap(), "already-joined");
    a.ok(json!({"cmd": "ROOM_UNINVITE", "peer": room, "id": made["id"]})).unwrap();
    assert_eq!(a.ok(json!({"cmd": "ROOM_INVITES", "peer": room})).unwrap()["invites"], json!([]));
    assert_eq!(a.refused(json!({"cmd": "ROOM_UNINVITE", "peer": room, "id": made["id"]})).unwrap(), "no-invite");
    for (request, code) in [
        (json!({"cmd": "ROOM_JOIN", "invite": "torchat:x"}), "bad-request"),
        (json!({"cmd": "ROOM_JOIN", "invite": came["text"], "text": "x".repeat(501)}), "too-long"),
        (json!({"cmd": "ROOM_JOIN", "invite": came["text"], "nick": ""}), "bad-request"),
        (json!({"cmd": "ROOM_JOIN", "invite": came["text"], "want": 4_294_967_295_u32}), "bad-request"),
        (json!({"cmd": "ROOM_NEW", "name": ""}), "bad-request"),
        (json!({"cmd": "ROOM_NEW", "name": "x", "client_id": ""}), "bad-request"),
        (json!({"cmd": "ROOM_NEW", "name": "x", "topic": "x".repeat(501)}), "bad-request"),
    ] {
        assert_eq!(b.refused(request.clone()).unwrap(), code, "{request}");
    }
    let own = json!({"cmd": "ROOM_JOIN", "invite": came["text"]});
    assert_eq!(a.refused(own).unwrap(), "already-joined");
    let key = json!({"cmd": "ROOM_NEW", "name": "other", "client_id": "k"});
    b.ok(key).unwrap();
    let reused = json!({"cmd": "ROOM_JOIN", "invite": came["text"], "client_id": "k"});
    assert_eq!(b.refused(reused).unwrap(), "client-id-reused");
}

#[test]
fn commands_for_persons_know_a_room() {
    let pair = pair();
    let (mut a, mut b) = (connect(&pair.a).unwrap(), connect(&pair.b).unwrap());
    let room = shared(&mut a, &mut b);
    for request in [
        json!({"cmd": "ADD", "peer": room}),
        json!({"cmd": "ACCEPT", "peer": room}),
        json!({"cmd": "REFUSE", "peer": room}),
        json!({"cmd": "BLOCK", "peer": room}),
        json!({"cmd": "UNBLOCK", "peer": room}),
        json!({"cmd": "APPEAR", "peer": room, "hidden": true}),
        json!({"cmd": "VERIFY", "peer": room, "verified": true}),
        json!({"cmd": "RETAIN", "peer": room, "days": 3}),
    ] {
        assert_eq!(b.refused(request.clone()).unwrap(), "is-room", "{request}");
    }
    for command in ["ROOM", "ROOM_MEMBERS", "ROOM_LEAVE", "ROOM_INVITES", "ROOM_SETTLE"] {
        let request = json!({"cmd": command, "peer": NOBODY});
        assert_eq!(b.refused(request).unwrap(), "no-room", "{command}");
    }
    b.ok(json!({"cmd": "RENAME", "peer": room, "name": "friends"})).unwrap();
    let named = b.ok(json!({"cmd": "ROOM", "peer": room})).unwrap()["room"].clone();
    assert_eq!((&named["alias"], &named["name"]), (&json!("friends"), &json!("lab")));
    b.ok(json!({"cmd": "RENAME", "peer": room, "name": ""})).unwrap();
    assert_eq!(b.ok(json!({"cmd": "ROOM", "peer": room})).unwrap()["room"].get("alias"), None);
    b.ok(json!({"cmd": "REMOVE", "peer": room})).unwrap();
    until("bob is out", || {
        let now = b.ok(json!({"cmd": "ROOM", "peer": room})).unwrap()["room"].clone();
        (now["state"] == "left").then_some(now)
    });
}

#[test]
fn what_waits_is_told_why_and_can_be_taken_back_or_end() {
    let mut pair = pair();
    let (mut a, mut b) = (connect(&pair.a).unwrap(), connect(&pair.b).unwrap());
    let room = shared(&mut a, &mut b);
    say(&mut b, &room, "before");
    pair.a.kill().unwrap();
    // A daemon that was told nothing yet in its run does not publish: it may be a backup.
    pair.b.kill().unwrap();
    pair.b.start().unwrap();
    let mut b = connect(&pair.b).unwrap();
    let send = json!({"cmd": "SEND", "peer": room, "text": "waits", "client_id": "w"});
    let waits = b.ok(send.clone()).unwrap();
    assert_eq!(waits["state"], "queued");
    let regretted = b.ok(json!({"cmd": "SEND", "peer": room, "text": "regretted"})).unwrap();
    let told = message(&mut b, &room, "waits");
    assert_eq!(told["state"], "queued");
    assert!(told["reason"].is_string() && told["why"]["code"].is_string(), "{told}");
    assert_eq!(told.get("order"), None, "it is not published");
    let status = b.ok(json!({"cmd": "STATUS"})).unwrap()["status"].clone();
    let waiting = status["reasons"].as_array().unwrap().iter().find(|row| row["peer"] == room).unwrap();
    assert_eq!((&waiting["queued"], &status["rooms"]["queued"]), (&json!(2), &json!(2)));
    assert_eq!(b.ok(json!({"cmd": "ROOM", "peer": room})).unwrap()["room"]["queued"], 2);
    let error = b
        .ask(json!({"cmd": "SEND", "peer": room, "text": "patient", "client_id": "p", "wait": "delivered", "timeout": 0}))
        .unwrap()
        .unwrap_err();
    assert_eq!((&error["code"], error["queued"].is_string()), (&json!("not-delivered"), true));
    let cancel = json!({"cmd": "CANCEL", "peer": room, "mid": regretted["mid"]});
    assert_eq!(b.ok(cancel.clone()).unwrap()["certain"], true);
    assert_eq!(b.refused(cancel).unwrap(), "not-pending");
    assert_eq!(message(&mut b, &room, "regretted")["state"], "withdrawn");
    // Nor is anything else said, or decided.
    let before = message(&mut b, &room, "before");
    let edit = json!({"cmd": "EDIT", "peer": room, "id": before["id"], "text": "after"});
    assert_eq!(b.refused(edit).unwrap(), "not-caught-up");
    // Over a restart the key is still the same message.
    pair.b.kill().unwrap();
    pair.b.start().unwrap();
    let mut b = connect(&pair.b).unwrap();
    let again = b.ok(send).unwrap();
    assert_eq!((&again["id"], &again["duplicate"]), (&waits["id"], &json!(true)));
    pair.a.start().unwrap();
    let mut a = connect(&pair.a).unwrap();
    let waiting = json!({"cmd": "SEND", "peer": room, "text": "waits", "client_id": "w", "wait": "delivered"});
    assert_eq!(b.ok(waiting).unwrap()["state"], "delivered");
    let heard = message(&mut a, &room, "waits");
    assert_eq!(heard["mid"], message(&mut b, &room, "waits")["mid"]);
    message(&mut a, &room, "patient");
    let page = a.ok(json!({"cmd": "HISTORY", "peer": room})).unwrap();
    assert!(!page.to_string().contains("regretted"), "{page}");
}

#[test]
fn a_decision_waits_in_the_daemon_and_not_on_the_connection() {
    let mut pair = pair();
    let (mut a, mut b) = (connect(&pair.a).unwrap(), connect(&pair.b).unwrap());
    let room = shared(&mut a, &mut b);
    say(&mut b, &room, "before");
    pair.b.kill().unwrap();
    until("bob is gone", || {
        let now = a.ok(json!({"cmd": "ROOM", "peer": room})).unwrap()["room"].clone();
        (now["linked"] == 0).then_some(now)
    });
    a.ok(json!({"cmd": "SEND", "peer": room, "text": "to nobody"})).unwrap();
    let alone = message(&mut a, &room, "to nobody");
    assert_eq!((&alone["state"], alone.get("stored")), (&json!("queued"), None), "{alone}");
    assert!(alone["reason"].as_str().unwrap().contains("the room"), "{alone}");
    let status = a.ok(json!({"cmd": "STATUS"})).unwrap()["status"].clone();
    let waiting = status["reasons"].as_array().unwrap().iter().find(|row| row["peer"] == room).unwrap();
    assert_eq!((&waiting["queued"], &status["rooms"]["queued"]), (&json!(1), &json!(1)));
    assert_eq!(a.ok(json!({"cmd": "ROOM", "peer": room})).unwrap()["room"]["queued"], 1, "the same everywhere");

    pair.a.kill().unwrap();
    pair.a.start().unwrap();
    let mut a = connect(&pair.a).unwrap();
    let role = json!({"cmd": "ROOM_ROLE", "peer": room, "member": 2, "role": "moderator", "timeout": 1});
    let error = a.ask(role).unwrap().unwrap_err();
    assert_eq!((&error["code"], &error["params"]), (&json!("decision-waits"), &json!({"seconds": 1})));
    let troubles = a.ok(json!({"cmd": "ROOM", "peer": room})).unwrap()["room"]["problems"].clone();
    assert_eq!(troubles[0]["why"], json!({"code": "acts-wait", "decisions": 1}), "{troubles}");
    a.ok(json!({"cmd": "SUBSCRIBE", "ref": "a", "from": "now", "filter": {"peers": [room], "kinds": ["member"]}}))
        .unwrap();
    pair.b.start().unwrap();
    let told = until("the role", || {
        let event = a.event(&json!("a")).unwrap().unwrap();
        (event["change"] == "role").then_some(event)
    });
    assert_eq!((&told["member"]["no"], &told["member"]["role"]), (&json!(2), &json!("moderator")));
}

#[test]
fn a_token_sees_and_does_what_it_is_for_and_no_more() {
    let pair = pair();
    let (mut a, mut b) = (connect(&pair.a).unwrap(), connect(&pair.b).unwrap());
    let (room, other) = (shared(&mut a, &mut b), made(&mut b, "other"));
    let port = pair.b.port().unwrap();
    let token = |b: &mut Api, name: &str, rights: Value, peers: Option<Value>| {
        let made = json!({"cmd": "TOKEN", "action": "create", "name": name, "rights": rights, "peers": peers});
        let text = b.ok(made).unwrap()["token"].as_str().unwrap().to_owned();
        Api::prove(port, &text.parse::<Token>().unwrap()).unwrap()
    };
    // A bot of one room.
    let mut bot = token(&mut b, "bot", json!(["read", "send"]), Some(json!([room])));
    bot.ok(json!({"cmd": "SUBSCRIBE", "ref": "s", "consumer": "c"})).unwrap();
    bot.ok(json!({"cmd": "SEND", "peer": room, "text": "beep", "client_id": "k", "wait": "delivered"})).unwrap();
    assert_eq!(bot.event(&json!("s")).unwrap().unwrap()["message"]["text"], "beep");
    let rooms = bot.ok(json!({"cmd": "ROOMS"})).unwrap()["rooms"].clone();
    assert_eq!((rooms.as_array().unwrap().len(), &rooms[0]["peer"]), (1, &room));
    for (request, code) in [
        (json!({"cmd": "ROOM", "peer": other}), "not-allowed"),
        (json!({"cmd": "ROOM_MEMBERS", "peer": other}), "not-allowed"),
        (json!({"cmd": "ROOM_PETITIONS", "peer": other}), "not-allowed"),
        (json!({"cmd": "SEND", "peer": other, "text": "hi"}), "not-allowed"),
        (json!({"cmd": "REACT", "peer": other, "id": 1, "sign": "x"}), "not-allowed"),
        (json!({"cmd": "ROOM_MUTE", "peer": room, "member": 1}), "not-allowed"),
        (json!({"cmd": "ROOM_NEW", "name": "x"}), "not-allowed"),
        (json!({"cmd": "ROOM_LEAVE", "peer": room}), "not-allowed"),
    ] {
        assert_eq!(bot.refused(request.clone()).unwrap(), code, "{request}");
    }
    let status = bot.ok(json!({"cmd": "STATUS"})).unwrap()["status"].clone();
    assert_eq!(status.get("rooms"), None, "it counts all of them");
    // A moderator of one room.
    let mut moderator = token(&mut b, "mod", json!(["rooms"]), Some(json!([room])));
    assert_eq!(moderator.refused(json!({"cmd": "ROOM_MUTE", "peer": room, "member": 1})).unwrap(), "no-role");
    moderator.ok(json!({"cmd": "ROOM_SET", "peer": room, "alias": "ours"})).unwrap();
    for (request, code) in [
        (json!({"cmd": "ROOM_SET", "peer": other, "alias": "ours"}), "not-allowed"),
        (json!({"cmd": "ROOM_NEW", "name": "x"}), "not-allowed"),
        (json!({"cmd": "ROOM", "peer": room}), "not-allowed"),
        (json!({"cmd": "SEND", "peer": room, "text": "x"}), "not-allowed"),
        (json!({"cmd": "ROOM_LEAVE", "peer": room, "forget": true}), "not-allowed"),
    ] {
        assert_eq!(moderator.refused(request.clone()).unwrap(), code, "{request}");
    }
    let audit = pair.b.audit().unwrap().join("\n");
    assert!(audit.contains("ROOM_MUTE") && audit.contains("ROOM_SET"), "{audit}");
    // Who decides about contacts does not leave rooms, nor join them.
    let mut contacts = token(&mut b, "contacts", json!(["contacts"]), None);
    let invite = invited(&mut b, &other, json!({}));
    for request in [json!({"cmd": "REMOVE", "peer": room}), json!({"cmd": "ADD", "peer": invite})] {
        assert_eq!(contacts.refused(request.clone()).unwrap(), "not-allowed", "{request}");
    }
    // The right goes with rooms, and with nobody else.
    for (rights, peers) in [
        (json!(["rooms"]), json!([room, pair.onion_a])),
        (json!(["rooms", "contacts"]), json!([room])),
        (json!(["rooms"]), json!([NOBODY])),
    ] {
        let create = json!({"cmd": "TOKEN", "action": "create", "name": "x", "rights": rights, "peers": peers});
        assert_eq!(b.refused(create).unwrap(), "bad-request", "{rights} {peers}");
    }
    // All rooms.
    let mut all = token(&mut b, "all", json!(["rooms", "read"]), None);
    assert!(all.ok(json!({"cmd": "ROOM_NEW", "name": "third"})).is_ok());
    assert_eq!(all.ok(json!({"cmd": "ROOMS"})).unwrap()["rooms"].as_array().unwrap().len(), 3);
}

#[test]
fn the_classic_contract_takes_a_room_where_an_onion_stands() {
    let pair = pair();
    let (mut a, mut b) = (connect(&pair.a).unwrap(), connect(&pair.b).unwrap());
    let room = made(&mut a, "lab");
    let invite = invited(&mut a, &room, json!({}));
    let (mut old_a, mut old_b) = (pair.a.client().unwrap(), pair.b.client().unwrap());
    let ask = |client: &mut Client, request: Value| client.exchange(&request).unwrap();
    assert_eq!(ask(&mut old_b, json!({"cmd": "ADD", "id": invite, "msg": "it is me"}))["cmd"], "END");
    becomes_member(&mut b, &room);
    b.ok(json!({"cmd": "ROOM_SET", "peer": room, "nick": "bob"})).unwrap();
    assert_eq!(
        ask(&mut old_b, json!({"cmd": "SEND", "id": room, "msg": "one\ntwo", "wait": "delivered"}))["cmd"],
        "END"
    );
    until("the text", || {
        let peers = ask(&mut old_a, json!({"cmd": "GET_PEERS"}));
        (peers["msg"] == room).then_some(peers)
    });
    let update = ask(&mut old_a, json!({"cmd": "UPDATE", "msg": room}));
    assert_eq!((&update["cmd"], &update["msg"]), (&json!("UPDATE"), &json!("bob: one\nbob: two")));
    assert_eq!(
        (&update["text"], &update["from"], &update["member"]),
        (&json!("one\ntwo"), &json!(pair.onion_b), &json!(2))
    );
    assert_eq!((&update["id"], &update["room"]), (&room, &json!("lab")));
    assert_eq!(ask(&mut old_a, json!({"cmd": "UPDATE", "msg": room}))["cmd"], "END");
    assert_eq!(ask(&mut old_a, json!({"cmd": "GET_PEERS"}))["msg"], "");
    let history = ask(&mut old_a, json!({"cmd": "HISTORY", "id": room}));
    let line = history["lines"].as_array().unwrap().iter().find(|line| line["msg"] == "one\ntwo").unwrap();
    assert_eq!((&line["from"], &line["member"], &line["dir"]), (&json!(pair.onion_b), &json!(2), &json!("in")));
    assert!(history["msg"].as_str().unwrap().contains("bob: one\n  bob: two"), "{history}");
    let rooms = ask(&mut old_a, json!({"cmd": "ROOMS"}));
    assert_eq!(rooms["msg"], format!("{} member 2 members\n", room.as_str().unwrap()));
    assert_eq!((&rooms["rooms"][0]["id"], &rooms["rooms"][0]["name"]), (&room, &json!("lab")));
    assert_eq!(ask(&mut old_b, json!({"cmd": "BLOCK", "id": room}))["code"], "is-room");
    assert_eq!(ask(&mut old_b, json!({"cmd": "RENAME", "id": room, "msg": "friends"}))["cmd"], "END");
    assert_eq!(b.ok(json!({"cmd": "ROOM", "peer": room})).unwrap()["room"]["alias"], "friends");
    assert_eq!(ask(&mut old_b, json!({"cmd": "ADD", "id": invite}))["code"], "already-joined");
    assert_eq!(ask(&mut old_a, json!({"cmd": "REMOVE", "id": room}))["code"], "owner-leaves");
    assert_eq!(ask(&mut old_b, json!({"cmd": "REMOVE", "id": room}))["cmd"], "END");
    until("bob is out", || {
        let now = b.ok(json!({"cmd": "ROOM", "peer": room})).unwrap()["room"].clone();
        (now["state"] == "left").then_some(now)
    });
    assert_eq!(ask(&mut old_b, json!({"cmd": "SEND", "id": room, "msg": "too late"}))["code"], "no-room");
}

/// Each command of rooms is named in one of the requests here, so none was forgotten.
#[test]
fn every_command_of_rooms_is_tried_here() {
    let tried: BTreeSet<_> =
        include_str!("api_rooms.rs").split("\"cmd\": \"").filter_map(|part| part.split('"').next()).collect();
    let of_rooms = |name: &str| name.starts_with("ROOM") || ["EDIT", "REACT", "REDACT"].contains(&name);
    let missing: Vec<_> =
        COMMANDS.iter().map(|row| row.name).filter(|name| of_rooms(name) && !tried.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
