//! Hellos, a whole handshake, records and frames.

use super::{NOW_S, client, compare, hex, server};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use torchat_core::handshake::{Established, Handshake};
use torchat_protocol::frame::{self, MAX_BODY, Reassembler, TYPE_JSON, Takes};
use torchat_protocol::hello;
use torchat_protocol::message::{ContactReq, ContactRes, ContactState, PeerMessage};
use torchat_protocol::purpose::Purpose;

const CLIENT_EPHEMERAL: [u8; 32] = [7; 32];
const SERVER_EPHEMERAL: [u8; 32] = [8; 32];

/// The flights of the handshake of all vectors, and what both ends have at its end.
fn shake_hands() -> (Vec<Value>, Established, Established) {
    let dialled = server().peer_id();
    let (mut at_client, mut flight) = Handshake::initiator(&client(), dialled, Purpose::CHAT, CLIENT_EPHEMERAL);
    let mut at_server = Handshake::responder(&server(), &[Purpose::CHAT], SERVER_EPHEMERAL);
    let (mut flights, mut ends) = (Vec::new(), [None, None]);
    for turn in 0.. {
        if flight.is_empty() {
            break;
        }
        let to_server = turn % 2 == 0;
        flights.push(json!({ "from": if to_server { "client" } else { "server" }, "bytes": hex(&flight) }));
        let end = if to_server { &mut at_server } else { &mut at_client };
        let progress = end.receive(&flight, NOW_S).unwrap();
        if let Some(done) = progress.done {
            ends[usize::from(to_server)] = Some(done);
        }
        flight = progress.write;
    }
    let [at_client, at_server] = ends;
    (flights, at_client.unwrap(), at_server.unwrap())
}

#[test]
fn handshake() {
    let (flights, mut at_client, mut at_server) = shake_hands();
    assert_eq!(at_client.binding, at_server.binding);
    let request = PeerMessage::ContactReq(ContactReq { nick: "ann".into(), text: "it is me".into(), invite: None });
    let answer = PeerMessage::ContactRes(ContactRes { st: ContactState::Accepted });
    let mut records = Vec::new();
    for (from, message) in [("client", request), ("server", answer)] {
        let mut wire = Vec::new();
        let (sealer, opener) = match from {
            "client" => (&mut at_client.sealer, &mut at_server.opener),
            _ => (&mut at_server.sealer, &mut at_client.opener),
        };
        sealer.seal(TYPE_JSON, 0, &message.encode(), &mut wire);
        opener.push(&wire);
        assert_eq!(opener.next_message().unwrap(), Some(message.encode()));
        let message = String::from_utf8(message.encode()).unwrap();
        records.push(json!({ "from": from, "message": message, "bytes": hex(&wire) }));
    }
    // What a server answers to first bytes. `null`: it waits for more; an empty text: it closes without a byte.
    let mut firsts = Vec::new();
    for first in [
        &b"TCHT\x01\x01"[..],
        b"TCHT\x03\x02\x01\x03",
        b"TCHT\x02\x02\x03",
        b"TCHT\x00",
        b"TCHT\x09",
        b"TCHT\x02\x01\x01",
        b"TCHX",
        b"{",
        b"0",
        b"G",
        b"\x16\x03\x01",
        b"TCH",
        b"TCHT\x02\x01",
        b"TCHT\x02\x01\x00",
        b"TCHT\x02\xff\x01",
        b"TCHT\x02\xfe\x01",
    ] {
        let mut at_server = Handshake::responder(&server(), &[Purpose::CHAT], SERVER_EPHEMERAL);
        let answer = match at_server.receive(first, NOW_S) {
            Ok(progress) if progress.write.is_empty() => Value::Null,
            Ok(progress) => hex(progress.write).into(),
            Err(_) => "".into(),
        };
        firsts.push(json!({ "bytes": hex(first), "answer": answer }));
    }
    // What a client makes of a server's first bytes: `null` while it waits, else whether it goes on.
    let mut answers = Vec::new();
    for answer in [
        &b"TCHT"[..],
        b"TCHT\x01",
        b"TCHT\x02",
        b"TCHT\x00",
        b"TCHT\xff",
        b"TCHX",
        b"HTTP",
        b"TCHT\x01\x02\x20",
        b"TCHT\x01\x02\x1f",
    ] {
        let (mut at_client, _) = Handshake::initiator(&client(), server().peer_id(), Purpose::CHAT, CLIENT_EPHEMERAL);
        let goes_on = match at_client.receive(answer, NOW_S) {
            Ok(progress) if progress.write.is_empty() => Value::Null,
            Ok(_) => true.into(),
            Err(_) => false.into(),
        };
        answers.push(json!({ "bytes": hex(answer), "goes_on": goes_on }));
    }
    let prologue = hello::prologue(&server().peer_id(), &hello::client_hello(), &hello::server_hello(hello::VERSION));
    compare(
        "handshake",
        &json!({
            "now": NOW_S,
            "client": { "seed": hex([1; 32]), "device_secret": hex([101; 32]), "ephemeral": hex(CLIENT_EPHEMERAL) },
            "server": { "seed": hex([2; 32]), "device_secret": hex([102; 32]), "ephemeral": hex(SERVER_EPHEMERAL) },
            "prologue": hex(prologue),
            "flights": flights,
            "hash": hex(at_client.binding),
            "tie": hex(Sha256::new().chain_update(b"tie").chain_update(at_client.binding).finalize()),
            "records": records,
            "first_bytes": firsts,
            "answers_of_a_server": answers,
            "small_order": small_order(),
            "other_spellings": other_spellings(),
        }),
    );
}

/// X25519 points that must be refused as `e`, `s` and in certificates.
fn small_order() -> Vec<String> {
    let mut points = [[0; 32], [0; 32], [0xff; 32], [0xff; 32], [0xff; 32]];
    points[1][0] = 1;
    // p - 1, p and p + 1 are -1, 0 and 1.
    for (n, last) in [(2, 0xec), (3, 0xed), (4, 0xee)] {
        (points[n][0], points[n][31]) = (last, 0x7f);
    }
    for point in points {
        let mut at_server = Handshake::responder(&server(), &[Purpose::CHAT], SERVER_EPHEMERAL);
        let first = [&hello::client_hello()[..], &[0, 32], &point].concat();
        assert!(at_server.receive(&first, NOW_S).is_err());
    }
    points.map(hex).into()
}

/// X25519 points that are none of small order and must be refused all the same: another spelling of an honest one.
fn other_spellings() -> Vec<String> {
    let mut top_bit = client().cert().device;
    top_bit[31] |= 0x80;
    // 9 + p, and 9 + p with the top bit set.
    let mut nine = [0xff; 32];
    (nine[0], nine[31]) = (0xf6, 0x7f);
    let mut both = nine;
    both[31] = 0xff;
    let points = [top_bit, nine, both];
    for point in points {
        let mut at_server = Handshake::responder(&server(), &[Purpose::CHAT], SERVER_EPHEMERAL);
        let first = [&hello::client_hello()[..], &[0, 32], &point].concat();
        assert!(at_server.receive(&first, NOW_S).is_err());
    }
    points.map(hex).into()
}

#[test]
fn records_and_frames() {
    // One byte more than one frame holds: a full frame with "more follows", then one with a single byte.
    let long: Vec<u8> = (0..=MAX_BODY).map(|n| b'a' + u8::try_from(n % 26).unwrap()).collect();
    let mut frames = Vec::new();
    for message in [&b""[..], b"{\"t\":\"PING\",\"n\":7}", &long[..474], &long[..475], &long] {
        let plaintexts: Vec<_> = frame::split(TYPE_JSON, 0, message).collect();
        let mut reassembler = Reassembler::new(Takes::CHAT);
        let found: Vec<_> =
            plaintexts.iter().filter_map(|plain| reassembler.push(plain).unwrap()).map(|framed| framed.bytes).collect();
        assert_eq!(found, [message]);
        let plaintexts: Vec<_> = plaintexts.iter().map(hex).collect();
        let text = String::from_utf8(message.to_vec()).unwrap();
        frames.push(json!({ "message": text, "hex": hex(message), "plaintexts": plaintexts }));
    }
    // What no sender of ours says and every receiver takes.
    let body = |flags: u8, body: &[u8], padding: usize| {
        let head = [1, flags, 0, 0, 0, u8::try_from(body.len()).unwrap()];
        [&head[..], body, &vec![0; padding]].concat()
    };
    let skip = vec![2, 9, 9, 9, 0, 1, 7, 0];
    let taken = [
        ("small fragments", vec![body(1, b"{\"t\":\"PI", 0), body(1, b"NG\",", 3), body(0, b"\"n\":7}", 0)]),
        ("empty fragments", vec![body(1, b"", 0), body(1, b"{\"t\":\"PING\",\"n\":7}", 0), body(0, b"", 9)]),
        ("a larger record than is needed", vec![body(0, b"{\"t\":\"PING\",\"n\":7}", 7_000)]),
        ("frames of an unknown type within", vec![body(1, b"{\"t\":\"PING\",", 0), skip, body(0, b"\"n\":7}", 0)]),
    ];
    let taken = taken.map(|(what, plaintexts)| {
        let mut reassembler = Reassembler::new(Takes::CHAT);
        let found: Vec<_> =
            plaintexts.iter().filter_map(|plain| reassembler.push(plain).unwrap()).map(|framed| framed.bytes).collect();
        assert_eq!(found, [b"{\"t\":\"PING\",\"n\":7}"], "{what}");
        json!({ "what": what, "plaintexts": plaintexts.iter().map(hex).collect::<Vec<_>>(), "hex": hex(&found[0]) })
    });
    let skipped = [vec![0, 0, 0, 0, 0, 0], vec![2, 9, 9, 9, 0, 1, 7, 0], vec![0x7f, 0, 0, 0, 0, 0]];
    for plain in &skipped {
        assert_eq!(Reassembler::new(Takes::CHAT).push(plain), Ok(None));
    }
    let bad = [
        (vec![], "no header"),
        (vec![1, 0, 0, 0, 0], "no header"),
        (vec![1, 0, 0, 0, 0, 1], "longer than its record"),
        (vec![1, 0, 0, 0, 0, 0, 1], "padding is not zero"),
        (vec![2, 0, 0, 0, 0, 0, 1], "padding is not zero"),
        (vec![0x80, 0, 0, 0, 0, 0], "an unknown type that must be understood"),
        (vec![1, 0, 0, 1, 0, 0], "an unknown channel"),
        (vec![1, 2, 0, 0, 0, 0], "an unknown flag"),
    ];
    for (plain, why) in &bad {
        assert!(Reassembler::new(Takes::CHAT).push(plain).is_err(), "{why}");
    }
    let bad: Vec<_> = bad.iter().map(|(plain, why)| json!({ "plaintext": hex(plain), "why": why })).collect();

    // The records around the change of keys, after the handshake of the vectors.
    let (_, mut at_client, mut at_server) = shake_hands();
    let mut rekey = Vec::new();
    for n in 0..=(1u32 << 16) {
        let mut wire = Vec::new();
        at_client.sealer.seal(TYPE_JSON, 0, &n.to_be_bytes(), &mut wire);
        at_server.opener.push(&wire);
        assert_eq!(at_server.opener.next_message().unwrap().unwrap(), n.to_be_bytes());
        if n >= (1 << 16) - 1 {
            rekey.push(json!({ "number": n, "hex": hex(n.to_be_bytes()), "bytes": hex(&wire) }));
        }
    }
    compare(
        "frames",
        &json!({
            "frames": frames,
            "taken": taken,
            "skipped": skipped.map(hex),
            "bad": bad,
            "records_of_the_client": rekey,
        }),
    );
}
