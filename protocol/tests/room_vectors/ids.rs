//! Rooms that are drawn, ids that are none, logs, invites and proofs; and the worked example of the protocol's page.

use super::{compare, counting, draw, example, hello, hex, public, room, sealing, seed, text};
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::CompressedEdwardsY;
use serde_json::{Value, json};
use torchat_protocol::id::{InviteSecret, PeerId};
use torchat_protocol::room::body::acts::{Create, Deciders, Entry, Policy, Readers};
use torchat_protocol::room::body::{Body, Role};
use torchat_protocol::room::{
    Author, Event, EventId, Frame, Identity, InviteId, InviteKey, LogDigest, MemberKey, MemberNo, Pass, RoomId,
    RoomInvite, Salt, TextId, message_id,
};

const ROOM: &str = "52sfije2rhkqqibiuxx2dj5olxew2ajppimi4o5bnxe6axygijwrooid";
const DOOR: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd";
const OTHER_DOOR: &str = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid";

fn drawn(seed: [u8; 32], box_secret: [u8; 32], identity_seed: [u8; 32], (tried, event): &(u64, Event)) -> Value {
    let room = RoomId::of_create(event.id()).unwrap();
    json!({
        "seed": hex(seed),
        "box_secret": hex(box_secret),
        "identity_seed": hex(identity_seed),
        "minute": event.header().minute,
        "tried": tried,
        "body": std::str::from_utf8(event.body().unwrap()).unwrap(),
        "header": hex(event.header().encode()),
        "room": hex(room.0),
        "onion": room.conversation().onion().trim_end_matches(".onion"),
        "signature": hex(event.signature().0),
    })
}

/// A room with other rules than the usual ones, and characters of every length.
fn other() -> (u64, Event) {
    let owner = Entry {
        no: MemberNo::MAKER,
        sign: MemberKey(public([1; 32])),
        sealing: sealing([2; 32]),
        role: Role::Owner,
        id: Some(Identity(public([3; 32]))),
        nick: None,
        via: None,
    };
    let policy = Policy {
        read: Readers::Anyone,
        joins: Role::Reader,
        admit: Deciders::Mods,
        expel: Deciders::Mods,
        history: (1 << 53) - 1,
        keep_days: 30,
        slow_s: 3_600,
        seen: true,
        ..Policy::default()
    };
    let (name, topic) = (text("r\u{e9}union \u{4e2d} \u{1f600}"), text("\"quoted\" \\ \u{1}\n/"));
    draw([1; 32], Create { owner, name, topic, policy, salt: Salt([0; 16]) })
}

#[test]
fn ids_and_invites() {
    let rooms = [drawn(seed(), counting(32), counting(64), &example()), drawn([1; 32], [2; 32], [3; 32], &other())];
    // The last salt that was tried before the one that is good.
    let (tried, event) = example();
    let Ok(Some(Body::Create(mut create))) = event.read() else { unreachable!() };
    create.salt = Salt(u128::from(tried - 2).to_be_bytes());
    let body = Body::Create(create).encode();
    let before = super::header(None, Author::ACTS, 1, EventId([0; 32]), 1, &body);
    assert_eq!(RoomId::of_create(before.id()), None);

    let point = CompressedEdwardsY(room().0).decompress().unwrap();
    let mut shapes: Vec<[u8; 32]> = EIGHT_TORSION.iter().map(|torsion| (point + *torsion).compress().0).collect();
    shapes.extend(EIGHT_TORSION.iter().map(|torsion| torsion.compress().0));
    // y = p + 3, which is 3 in another spelling, and a y without a point.
    let (mut other_spelling, mut no_point) = ([0xff; 32], [0; 32]);
    (other_spelling[0], other_spelling[31], no_point[0]) = (0xf0, 0x7f, 2);
    shapes.extend([other_spelling, no_point]);
    let shape = |id: [u8; 32]| json!({ "id": hex(id), "room": RoomId::of_create(EventId(id)).is_some() });
    let shapes: Vec<_> = shapes.into_iter().map(shape).collect();
    assert_eq!(shapes.iter().filter(|row| row["room"] == true).count(), 1);

    let authors = [0, 1, 255, 256, 257, 511, 512, u32::MAX - 255, u32::MAX].map(|number| match Author::new(number) {
        None => json!({ "author": number, "valid": false }),
        Some(author) => json!({
            "author": number,
            "valid": true,
            "member": author.member().map_or(0, MemberNo::get),
            "chain": author.chain(),
        }),
    });
    let mids = [(room(), 1, counting(0)), (room(), 2, counting(0)), (room(), (1 << 24) - 1, [0xff; 32])];
    let messages = mids.map(|(room, member, mid)| {
        let mid = TextId(*mid.first_chunk().unwrap());
        let message = message_id(room, MemberNo::new(member).unwrap(), mid);
        json!({ "room": hex(room.0), "member": member, "mid": hex(mid.0), "message": hex(message.0) })
    });
    let log = [room().as_event(), hello().id(), EventId([7; 32]), EventId([0; 32])];
    let digests = log.iter().scan(LogDigest::EMPTY, |digest, id| {
        *digest = digest.next(*id);
        Some(hex(digest.0))
    });
    let log = json!({ "ids": log.map(|id| hex(id.0)), "digests": digests.collect::<Vec<_>>() });
    compare(
        "ids",
        &json!({
            "rooms": rooms,
            "no_rooms": [{ "header": hex(before.encode()), "why": "the id is no point of prime order" }],
            "shapes": shapes,
            "authors": authors,
            "messages": messages,
            "log": log,
            "invites": invites(),
            "bad_invites": bad_invites(),
            "proofs": proofs(),
        }),
    );
}

fn pass() -> Pass {
    Pass { id: InviteId([0xa5; 8]), secret: InviteSecret(std::array::from_fn(|n| u8::try_from(n).unwrap())) }
}

fn invites() -> Vec<Value> {
    [(vec![DOOR], Some(pass())), (vec![OTHER_DOOR, DOOR, ROOM], Some(pass())), (vec![DOOR, OTHER_DOOR], None)]
        .into_iter()
        .map(|(doors, pass)| {
            let doors: Vec<PeerId> =
                doors.into_iter().map(|door| torchat_protocol::id::parse_onion(door).unwrap()).collect();
            let invite = RoomInvite::new(room(), doors.clone(), pass).unwrap();
            let written = invite.to_string();
            assert_eq!(written.parse(), Ok(invite));
            json!({
                "text": written,
                "room": hex(room().0),
                "doors": doors.iter().map(|door| hex(door.as_bytes())).collect::<Vec<_>>(),
                "id": pass.map(|pass| pass.id),
                "secret": pass.map(|pass| pass.secret),
            })
        })
        .collect()
}

fn bad_invites() -> Vec<Value> {
    let good = format!("torchat-room:{ROOM}?d={DOOR}&i={}{}", pass().id, pass().secret);
    assert!(good.parse::<RoomInvite>().is_ok());
    // A well-formed address of a key of small order.
    let neutral = torchat_protocol::conversation::ConversationId::from_bytes(std::array::from_fn(|n| u8::from(n == 0)));
    let neutral = neutral.onion();
    let neutral = neutral.trim_end_matches(".onion");
    let rows = [
        (String::new(), "nothing"),
        (good.to_uppercase(), "upper case"),
        (good.replace("torchat-room:", "torchat:"), "another scheme"),
        (good.replace("torchat-room:", "torchat-room://"), "another scheme"),
        (good["torchat-room:".len()..].to_owned(), "no scheme"),
        (format!("torchat-room:{ROOM}"), "no door"),
        (format!("torchat-room:{ROOM}&i={}{}", pass().id, pass().secret), "no door"),
        (format!("torchat-room:{ROOM}?d="), "an empty list of doors"),
        (format!("torchat-room:{ROOM}?d={DOOR},"), "a comma too many"),
        (format!("torchat-room:{ROOM}?d={DOOR},{DOOR}"), "a door twice"),
        (format!("torchat-room:{ROOM}?d={DOOR},{OTHER_DOOR},{ROOM},{DOOR}"), "four doors"),
        (good.replace(DOOR, &format!("{DOOR}.onion")), "a suffix"),
        (good.replace(ROOM, &format!("{ROOM}.onion")), "a suffix"),
        (good.replace("?d=", "?D="), "upper case"),
        (good.replace("&i=", "?i="), "another mark"),
        (good.replace("a5a5", "A5a5"), "upper case"),
        (good[..good.len() - 1].to_owned(), "a digit is missing"),
        (format!("{good}0"), "a digit too many"),
        (format!("{good} "), "a blank"),
        (format!("{good}&x=1"), "another key"),
        (good.replace("?d=pg6", "?d=pg7"), "a mistyped door"),
        (good.replace(":52s", ":53s"), "a mistyped room"),
        (good.replace(ROOM, neutral), "a room of small order"),
        (good.replace(DOOR, neutral), "a door of small order"),
        (good[..good.len() - 48].to_owned(), "no digits"),
    ];
    for (text, why) in &rows {
        assert_ne!(text, &good);
        assert!(text.parse::<RoomInvite>().is_err(), "{why}: {text}");
    }
    rows.iter().map(|(text, why)| json!({ "text": text, "why": why })).collect()
}

fn proofs() -> Vec<Value> {
    [(room(), pass().secret, [7, 8, 9]), (room(), InviteSecret([0xff; 16]), [1, 1, 1])]
        .into_iter()
        .map(|(room, secret, [identity, sign, box_secret])| {
            let key = InviteKey::new(room, secret);
            let identity = Identity(public([identity; 32]));
            let (sign, sealing) = (MemberKey(public([sign; 32])), sealing([box_secret; 32]));
            let proof = key.proof(room, identity, sign, sealing);
            assert!(key.proves(&proof, room, identity, sign, sealing));
            json!({
                "room": hex(room.0),
                "secret": secret,
                "k": hex(key.as_bytes()),
                "identity": identity,
                "sign": sign,
                "box": sealing,
                "proof": proof,
            })
        })
        .collect()
}

#[test]
fn the_worked_example_is_what_the_page_says() {
    let (tried, event) = example();
    assert_eq!(tried, 34);
    let body = std::str::from_utf8(event.body().unwrap()).unwrap();
    assert_eq!(body.len(), 483);
    assert_eq!(
        body,
        concat!(
            r#"{"owner":{"no":1,"sign":"03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8","#,
            r#""box":"358072d6365880d1aeea329adf9121383851ed21a28e3b75e965d0d2cd166254","role":"owner","#,
            r#""id":"2543b92ff1095511476adc8369db6ddc933665a11978dda1404ee1066ca9559d","nick":"anna"},"#,
            r#""name":"lab","topic":"","policy":{"read":"members","joins":"member","admit":"owner","expel":"owner","#,
            r#""history":1000,"keep_days":0,"slow_s":0,"seen":false,"replicas":"members"},"#,
            r#""salt":"00000000000000000000000000000021"}"#
        )
    );
    assert_eq!(room().conversation().onion(), format!("{ROOM}.onion"));
    assert_eq!(hex(room().0), "eea454249a89d5082028a5efa1a7ae5dc96d012f7a188e3ba16dc9e05f06426d");
    assert_eq!(
        hex(event.signature().0),
        "4109b9237e45c20a8aeb35aafa9c1d7ba8efa7fc1d1cdeaeea75059839c79f2e\
         2ab6ad29cc5295e2575934c0042557bda21de609f706d5017027c22817323305"
    );
    let said = hello();
    assert_eq!(said.header().author.get(), 256);
    assert_eq!(
        hex(said.header().encode()),
        "01001000eea454249a89d5082028a5efa1a7ae5dc96d012f7a188e3ba16dc9e05f06426d000001000000000000000001\
         eea454249a89d5082028a5efa1a7ae5dc96d012f7a188e3ba16dc9e05f06426d0000000100000000000000000000000201c73876\
         000000396312171b9f32b0b0c8684c4183b08a423991d067fe969190b0140f91ff1c3829"
    );
    assert_eq!(said.id().to_string(), "82d5f341595e5959a5bfe7312de1399701d9f313d80b6a5429ff7e78a8a6826a");
    assert_eq!(
        hex(said.signature().0),
        "347f7bd1da75608108e13b228a0082d2133ab63d4b176a13cb2c16f63ccbd117\
         fae2154930b37d590423d5e5a0bc5e946db3a3bd4de25b2bb3461c6bea8a2d07"
    );
    assert_eq!(Frame::event_len(&said), 226);
    let first = LogDigest::EMPTY.next(room().as_event());
    assert_eq!(first.to_string(), "b04b47cd4eec7ae505663be7dc3b0031");
    assert_eq!(first.next(said.id()).to_string(), "d633ede5d85ab422845d210d531f7852");
    let Ok(Some(Body::Text(body))) = said.read() else { unreachable!() };
    assert_eq!(message_id(room(), MemberNo::MAKER, body.mid).to_string(), "f229622ef18f6ae05e8ad68797954c37");
    let key = InviteKey::new(room(), pass().secret);
    assert_eq!(hex(key.as_bytes()), "174be72818cc93ca88136f5800708d691c5ea287b3bd106495079b1eebf06ed3");
    let (identity, sign) = (Identity(public([7; 32])), MemberKey(public([8; 32])));
    assert_eq!(
        key.proof(room(), identity, sign, sealing([9; 32])).to_string(),
        "3edf4cb85abc13a639f1f14b480db3cbeac785b00ee682801d5beed99b7916a1"
    );
}
