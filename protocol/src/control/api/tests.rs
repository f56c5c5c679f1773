#![allow(clippy::unwrap_used)]
use super::command::{Place, Send, Subscribe};
use super::*;
use crate::id::parse_onion;
use crate::json::JsonError;
use serde_json::json;

const PEER: &str = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion";

fn read<C: Call>(value: &serde_json::Value) -> Result<C, WrongValue> {
    let bytes = value.to_string().into_bytes();
    let envelope = Envelope::read(&bytes).unwrap();
    assert_eq!(envelope.name, C::NAME);
    envelope.parameters()
}

#[test]
fn a_command_is_its_name_and_its_parameters() {
    let bytes = json!({"cmd": "SEND", "ref": "a", "peer": PEER, "text": "hi", "new_key": [1]}).to_string();
    let envelope = Envelope::read(bytes.as_bytes()).unwrap();
    assert_eq!((envelope.name.as_ref(), &envelope.reference), ("SEND", &Some(Ref::Text("a".into()))));
    let peer = ConversationId::from(parse_onion(PEER).unwrap());
    let send = Send {
        peer,
        text: "hi".into(),
        client_id: None,
        wait: None,
        timeout: None,
        expire: None,
        re: None,
        to: vec![],
    };
    assert_eq!(envelope.parameters::<Send>().unwrap(), send);
    assert_eq!((Send::NAME, Send::RIGHT), ("SEND", Some(Right::Send)));
    let subscribe: Subscribe = read(&json!({"cmd": "SUBSCRIBE", "from": "start", "ref": 7})).unwrap();
    let from = Some(command::From::Place(Place::Start));
    assert_eq!(subscribe, Subscribe { consumer: None, from, filter: event::Filter::default() });
    let subscribe: Subscribe = read(&json!({"cmd": "SUBSCRIBE", "from": 12})).unwrap();
    assert_eq!(subscribe.from, Some(command::From::After(12)));
    assert_eq!(read::<command::Host>(&json!({"cmd": "HOST", "new_key": {"deep": [1]}})), Ok(command::Host {}));
}

#[test]
fn errors_name_what_is_wrong() {
    let object = |bytes: &[u8]| Envelope::read(bytes).map(|_| ()).unwrap_err();
    assert!(matches!(object(br#"{"ref": 3}"#), RequestError::Value(_)));
    assert_eq!(object(b"[]"), RequestError::Object(JsonError::NotAnObject));
    assert!(matches!(object(br#"{"cmd":"HOST","ref":{}}"#), RequestError::Value(_)));
    // The syntax of what is ignored, too: a command without parameters is read once.
    assert!(matches!(object(br#"{"cmd":"HOST","x":tru}"#), RequestError::Object(_)));
    for bad in [
        json!({"cmd": "SEND", "ref": 3, "text": "hi"}),
        json!({"cmd": "SEND", "ref": 3, "peer": "x", "text": "hi"}),
        json!({"cmd": "SEND", "ref": 3, "peer": PEER, "text": 7}),
        json!({"cmd": "SEND", "ref": 3, "peer": PEER, "text": "hi", "wait": "read"}),
    ] {
        assert!(read::<Send>(&bad).is_err(), "{bad}");
    }
    assert!(read::<command::History>(&json!({"cmd": "HISTORY", "peer": PEER, "limit": -1})).is_err());
    assert!(read::<Subscribe>(&json!({"cmd": "SUBSCRIBE", "from": "yesterday"})).is_err());
    let long = json!({"cmd": "HOST", "ref": "x".repeat(REF_BYTES + 1)}).to_string();
    assert_eq!(object(long.as_bytes()), RequestError::Reference);
}

#[test]
fn every_command_stands_once_in_the_table_and_is_documented() {
    for (n, row) in COMMANDS.iter().enumerate() {
        assert!(COMMANDS.iter().skip(n + 1).all(|other| other.name != row.name), "{}", row.name);
        assert!(row.about.trim().ends_with('.'), "{}", row.name);
    }
}

#[test]
fn an_event_is_golden_and_filters_hide_no_gap() {
    let peer = Onion(parse_onion(PEER).unwrap());
    let event =
        event::Event { seq: 4, at: "2026-01-02T03:04:05.006Z".into(), what: event::What::Link { peer, up: true } };
    let line: Line<()> = Line::Event { sub: Some(Ref::Number(1)), event: event.clone() };
    let text = serde_json::to_string(&line).unwrap();
    assert_eq!(
        text,
        format!(
            "{{\"sub\":1,\"event\":{{\"seq\":4,\"at\":\"2026-01-02T03:04:05.006Z\",\"event\":\"link\",\"peer\":\"{PEER}\",\"up\":true}}}}"
        )
    );
    assert_eq!(
        serde_json::from_str::<Line<serde_json::Value>>(&text).unwrap(),
        Line::Event { sub: Some(Ref::Number(1)), event: event.clone() }
    );
    let upto: Line<()> = Line::Upto { sub: Some(Ref::Number(1)), upto: 9 };
    assert_eq!(serde_json::to_string(&upto).unwrap(), r#"{"sub":1,"upto":9}"#);
    assert_eq!(
        serde_json::from_str::<Line<serde_json::Value>>(r#"{"sub":1,"upto":9}"#).unwrap(),
        Line::Upto { sub: Some(Ref::Number(1)), upto: 9 }
    );
    let with = peer.conversation();
    let filter = event::Filter { kinds: Some(vec![event::Kind::Received]), peers: Some(vec![with]) };
    assert!(!filter.passes(&event.what));
    assert!(filter.passes(&event::What::Gap { from: 1, to: 3 }));
    let about_nobody = event::What::Tor { usable: true, sentence: String::new(), why: None };
    assert!(event::Filter::default().passes(&about_nobody));
    assert!(!event::Filter { kinds: None, peers: Some(vec![with]) }.passes(&about_nobody));
}

#[test]
fn words_of_a_later_version_are_read_and_not_taken() {
    use record::{ContactState, Direction, Message, MessageState, Token};
    let mid = "00112233445566778899aabbccddeeff";
    let message =
        json!({"id": 1, "mid": mid, "peer": PEER, "dir": "sideways", "text": "", "state": "edited", "at": ""});
    let message: Message = serde_json::from_value(message).unwrap();
    assert_eq!((message.dir, message.state), (Direction::Unknown, MessageState::Unknown));
    assert_eq!(serde_json::from_value::<ContactState>(json!("family")).unwrap(), ContactState::Unknown);
    let token = json!({"name": "t", "rights": ["read", "call", "send"], "created_at": ""});
    assert_eq!(serde_json::from_value::<Token>(token).unwrap().rights, [Right::Read, Right::Send]);
    let welcome = json!({"onion": PEER, "rights": ["call", "admin"], "commands": [], "seq": 1, "oldest": 1,
        "limits": {"object_bytes": 1, "text_bytes": 1, "requests": 1, "subscriptions": 1, "page": 1}});
    assert_eq!(serde_json::from_value::<command::Welcome>(welcome).unwrap().rights, [Right::Admin]);
    let who = json!({"onion": PEER, "who": "guest", "rights": ["read", "call"], "carrier": "pigeon"});
    let who = serde_json::from_value::<command::WhoAmIAnswer>(who).unwrap();
    assert_eq!((who.who, who.carrier), (command::Who::Unknown, command::Carrier::Unknown));
    assert_eq!(who.rights, [Right::Read]);
    // A daemon gives no token a right that it does not know.
    let create = json!({"cmd": "TOKEN", "action": "create", "name": "t", "rights": ["read", "call"]});
    assert!(read::<command::Tokens>(&create).is_err());
    assert!(serde_json::from_value::<Right>(json!("unknown")).is_err());
}

#[test]
fn a_message_of_a_room_is_golden_and_one_of_a_peer_has_no_key_of_rooms() {
    use record::{Message, Order};
    let message = json!({"id": 32, "mid": "00112233445566778899aabbccddeeff", "peer": PEER, "dir": "in", "text": "thanks",
        "state": "unread", "at": "", "from": {"member": 5, "name": "bob", "onion": PEER, "me": false, "role": "member"},
        "order": [17, 1280, 9], "re": "ffeeddccbbaa99887766554433221100", "mention": true, "reacts": {"+1": [2, 5]},
        "flags": ["mention", "edited"], "edited_at": "x"});
    let read: Message = serde_json::from_value(message.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), message);
    assert_eq!(read.order, Some(Order { lamport: 17, author: 1280, seq: 9 }));
    assert_eq!(read.order.unwrap().member(), Some(5));
    let plain = json!({"id": 32, "mid": "00112233445566778899aabbccddeeff", "peer": PEER, "dir": "in", "text": "", "state": "read",
        "at": ""});
    let read: Message = serde_json::from_value(plain.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), plain);
}

#[test]
fn a_room_is_golden_and_its_events_are_about_its_conversation() {
    use event::{Event, What};
    use record::{MemberState, Proof, Role, Room, RoomForm, RoomState};
    let room = json!({"peer": PEER, "name": "lab", "topic": "", "state": "member", "form": "mesh",
        "me": {"member": 1, "role": "owner"}, "owner": 1, "members": 1, "linked": 0, "policy": {"joins": "member", "history": 1000},
        "queued": 0, "notify": "mentions",
        "problems": [{"sentence": "1 decision of yours waits until another member is reached",
            "why": {"code": "acts-wait", "decisions": 1}}]});
    let read: Room = serde_json::from_value(room.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), room);
    assert_eq!((read.state, read.form, read.me.unwrap().role), (RoomState::Member, RoomForm::Mesh, Role::Owner));
    let peer: ConversationId = PEER.parse().unwrap();
    let member = json!({"no": 2, "name": "bob", "proven": "link", "role": "reader", "state": "muted", "link": true});
    let mid = "00112233445566778899aabbccddeeff";
    let petition = json!({"peer": PEER, "onion": PEER, "name": "", "text": "hi", "at": ""});
    let events = [
        json!({"event": "room", "room": room}),
        json!({"event": "member", "peer": PEER, "member": member, "change": "muted"}),
        json!({"event": "petition", "petition": petition}),
        json!({"event": "petition-gone", "peer": PEER, "onion": PEER}),
        json!({"event": "edited", "peer": PEER, "id": 1, "mid": mid, "text": "b", "edited_at": ""}),
        json!({"event": "redacted", "peer": PEER, "id": 1, "mid": mid}),
        json!({"event": "reacted", "peer": PEER, "id": 1, "mid": mid, "member": 2, "sign": ""}),
        json!({"event": "voided", "peer": PEER, "messages": [{"id": 1, "mid": mid, "state": "hidden"}]}),
    ];
    for mut event in events {
        (event["seq"], event["at"]) = (json!(1), json!(""));
        let read: Event = serde_json::from_value(event.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), event);
        assert_eq!(read.what.conversation(), Some(peer), "{event}");
        assert_eq!(json!(read.what.kind()), event["event"]);
        if let What::Member { member, .. } = read.what {
            assert_eq!((member.state, member.proven, member.role), (MemberState::Muted, Proof::Link, Role::Reader));
        }
    }
}

#[test]
fn words_about_rooms_of_a_later_version_are_read_and_not_taken() {
    use record::{MemberChange, MemberState, MessageFlag, Notify, Proof, Role, RoomForm, RoomState};
    assert_eq!(serde_json::from_value::<Role>(json!("guest")).unwrap(), Role::Unknown);
    assert_eq!(serde_json::from_value::<RoomState>(json!("guest")).unwrap(), RoomState::Unknown);
    assert_eq!(serde_json::from_value::<RoomForm>(json!("hosted")).unwrap(), RoomForm::Unknown);
    assert_eq!(serde_json::from_value::<Notify>(json!("sometimes")).unwrap(), Notify::Unknown);
    assert_eq!(serde_json::from_value::<MemberState>(json!("away")).unwrap(), MemberState::Unknown);
    assert_eq!(serde_json::from_value::<Proof>(json!("paper")).unwrap(), Proof::Unknown);
    assert_eq!(serde_json::from_value::<MemberChange>(json!("hosted")).unwrap(), MemberChange::Unknown);
    assert_eq!(serde_json::from_value::<MessageFlag>(json!("sealed")).unwrap(), MessageFlag::Unknown);
    let set = |key: &str, value: &str| json!({"cmd": "ROOM_SET", "peer": PEER, key: value});
    assert!(read::<command::RoomSet>(&set("notify", "mentions")).is_ok());
    let refused = read::<command::RoomSet>(&set("notify", "sometimes")).unwrap_err().to_string();
    assert!(refused.contains("mentions") && !refused.contains("unknown"), "{refused}");
    let role = |role: &str| json!({"cmd": "ROOM_ROLE", "peer": PEER, "member": 2, "role": role});
    assert!(read::<command::RoomRole>(&role("moderator")).is_ok());
    for bad in ["owner", "guest", "unknown"] {
        let refused = read::<command::RoomRole>(&role(bad)).unwrap_err().to_string();
        assert!(refused.starts_with(r#""role" must be "reader", "member" or "moderator","#), "{refused}");
    }
    // Nobody gets a list where an object is meant.
    assert!(read::<command::RoomNew>(&json!({"cmd": "ROOM_NEW", "name": "lab", "policy": []})).is_err());
    let new: command::RoomNew =
        read(&json!({"cmd": "ROOM_NEW", "name": "lab", "policy": {"joins": "reader"}})).unwrap();
    assert_eq!((new.policy.joins, new.policy.history), (Some(command::GivenRole::Reader), None));
}
