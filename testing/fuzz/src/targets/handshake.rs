//! Handshakes that somebody tampers with: on the wire, or by lying in what a perfect handshake carries.
//!
//! The promise is the same everywhere: an end is satisfied only if every byte that it and its peer took is the one that
//! the other said, in a handshake between those two; and a certificate is believed only as its owner signed it.

mod forger;

use crate::generate::Dice;
use crate::script::{Script, pieces};
use crate::{ACCEPTED, Seen};
use std::sync::OnceLock;
use torchat_core::handshake::{Established, Handshake, LocalIdentity};
use torchat_protocol::frame::TYPE_JSON;
use torchat_protocol::hello;
use torchat_protocol::purpose::Purpose;

pub use forger::lies;

/// 2026-09-21, in seconds since 1970.
const NOW_S: u64 = 1_790_000_000;
/// What the client says in a handshake: its hello, the first and the third message.
const CLIENT_BYTES: usize = 6 + 34 + 514;
/// What it has said before the second message.
const CLIENT_BYTES_BEFORE: usize = 6 + 34;
/// What the server says.
const SERVER_BYTES: usize = hello::SERVER_HELLO_LEN + 2 + 544;

/// Four daemons. Made once, because keys and signatures cost more than most cases.
fn who(n: usize) -> &'static LocalIdentity {
    static DAEMONS: OnceLock<Vec<LocalIdentity>> = OnceLock::new();
    let made = DAEMONS.get_or_init(|| {
        (1..=4).filter_map(|n| LocalIdentity::from_seeds(&[n; 32], &[n + 100; 32], NOW_S).ok()).collect()
    });
    &made[n % made.len()]
}

fn entropy(seed: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    Dice::new(seed).fill(&mut bytes);
    bytes
}

/// One direction of a stream with somebody in the middle.
#[derive(Default)]
struct Way {
    said: Vec<u8>,
    came: Vec<u8>,
}

impl Way {
    fn is_honest_up_to(&self, count: usize) -> bool {
        self.came.len() >= count && self.said.get(..count) == self.came.get(..count)
    }
}

/// The flights of a recorded handshake between the first two daemons: what a listener has.
fn recorded() -> &'static [Vec<u8>] {
    static FLIGHTS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    FLIGHTS.get_or_init(|| {
        let (mut client, mut flight) = Handshake::initiator(who(0), who(1).peer_id(), Purpose::CHAT, entropy(1));
        let mut server = Handshake::responder(who(1), &[Purpose::CHAT], entropy(2));
        let mut flights = Vec::new();
        while !flight.is_empty() {
            let end = if flights.len() % 2 == 0 { &mut server } else { &mut client };
            let answer = end.receive(&flight, NOW_S).map(|progress| progress.write).unwrap_or_default();
            flights.push(std::mem::replace(&mut flight, answer));
        }
        flights
    })
}

/// What somebody does to a flight.
struct Edit {
    flight: usize,
    kind: u8,
    at: usize,
    value: u8,
}

impl Edit {
    fn read(script: &mut Script<'_>) -> Self {
        let flight = script.below(7);
        // Offsets near both ends of a flight are as likely as those in its middle.
        let (kind, at) = (script.byte(), usize::from(u16::from_be_bytes(script.array())));
        Self { flight, kind, at, value: script.byte() }
    }

    fn apply(&self, bytes: &mut Vec<u8>, way_back: &[u8]) {
        let at = self.at % (bytes.len() + 1);
        match self.kind % 12 {
            0 | 1 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (self.value % 8)),
            2 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = self.value),
            3 => bytes.truncate(at),
            4 => bytes.insert(at, self.value),
            5 => drop(bytes.drain(at..bytes.len().min(at + usize::from(self.value)))),
            // The listener's: the same flight of another handshake, or another flight.
            6 => bytes.clone_from(&recorded()[usize::from(self.value) % recorded().len()]),
            7 => {
                let other = &recorded()[self.flight % recorded().len()];
                let end = bytes.len().min(at + usize::from(self.value)).min(other.len());
                bytes.splice(at.min(end)..end, other[at.min(end)..end].iter().copied());
            }
            // Reflection: what the receiver said itself.
            8 => *bytes = way_back.to_vec(),
            9 => bytes.extend_from_within(at..),
            // A public key of small order, behind the length.
            10 => {
                let point = forger::SMALL_ORDER[usize::from(self.value) % forger::SMALL_ORDER.len()];
                bytes.iter_mut().skip(2).zip(point).for_each(|(byte, new)| *byte = new);
            }
            // Other versions.
            _ => {
                let hello: &[&[u8]] =
                    &[b"TCHT\x02\x01\x02", b"TCHT\x02\x02\x01", b"TCHT\x01\x02", b"TCHT\xff", b"TCHT\x02"];
                *bytes = hello[usize::from(self.value) % hello.len()].to_vec();
            }
        }
    }
}

/// The bytes as what somebody on the way does to a handshake and to the records after it. The first byte says which side dials
/// the other, and which one answers.
///
/// # Panics
/// When an end is satisfied though a byte was changed or the wrong one answers, or a record is read that nobody said.
pub fn tampered(data: &[u8]) -> Seen {
    let mut script = Script::new(data);
    let (roles, cut) = (script.byte(), script.byte());
    let seed = u64::from(script.byte());
    let (client, server) = (who(usize::from(roles) % 2), who(1 + usize::from(roles) % 2));
    // Mostly the one that was dialled answers.
    let dialled = if roles > 200 { who(3) } else { server };
    let mut edits = Vec::new();
    while edits.len() < 4 && !script.is_over() {
        edits.push(Edit::read(&mut script));
    }

    // Other entropy than that of the recorded handshake: a repetition of one's own random numbers is no attack.
    let (mut c, first) = Handshake::initiator(client, dialled.peer_id(), Purpose::CHAT, entropy(1_000 + seed));
    let mut s = Handshake::responder(server, &[Purpose::CHAT], entropy(2_000 + seed));
    let (mut up, mut down) = (Way::default(), Way::default());
    let (mut at_client, mut at_server): (Option<Established>, Option<Established>) = (None, None);
    let mut flight = first;
    // Two more flights than in an honest handshake, for what somebody repeats.
    for n in 0..7 {
        let to_server = n % 2 == 0;
        let (way, back) = if to_server { (&mut up, &down) } else { (&mut down, &up) };
        way.said.extend(&flight);
        edits.iter().filter(|edit| edit.flight == n).for_each(|edit| edit.apply(&mut flight, &back.said));
        let mut answer = Vec::new();
        for piece in pieces_of(&flight, cut) {
            way.came.extend(piece);
            let (end, done) = if to_server { (&mut s, &mut at_server) } else { (&mut c, &mut at_client) };
            // Behind the handshake come records.
            if let Some(done) = done {
                done.opener.push(piece);
                continue;
            }
            let Ok(progress) = end.receive(piece, NOW_S) else { return refused(&at_client, &up, &down) };
            answer.extend(progress.write);
            *done = progress.done;
        }
        flight = answer;
    }
    if let Some(client_end) = &at_client {
        let honest = down.is_honest_up_to(SERVER_BYTES) && up.is_honest_up_to(CLIENT_BYTES_BEFORE);
        assert!(honest && dialled.peer_id() == server.peer_id(), "{ACCEPTED}by the client");
        assert_eq!((client_end.peer, client_end.device), (server.peer_id(), server.cert().device));
    }
    let Some(server_end) = &at_server else { return refused(&at_client, &up, &down) };
    let honest = down.is_honest_up_to(SERVER_BYTES) && up.is_honest_up_to(CLIENT_BYTES);
    assert!(honest && dialled.peer_id() == server.peer_id(), "{ACCEPTED}by the server");
    assert_eq!((server_end.peer, server_end.device), (client.peer_id(), client.cert().device));
    let (Some(mut client_end), Some(mut server_end)) = (at_client, at_server) else {
        panic!("{ACCEPTED}by the server alone")
    };
    assert_eq!(client_end.binding, server_end.binding);
    let bytes_behind = up.came.len() > CLIENT_BYTES || down.came.len() > SERVER_BYTES;
    let clean = records(&mut script, &mut client_end, &mut server_end, bytes_behind, cut);
    if clean { Seen::Taken } else { Seen::Refused }
}

fn refused(at_client: &Option<Established>, up: &Way, down: &Way) -> Seen {
    // The client may be satisfied while its third message is still changed on the way.
    if at_client.is_some() {
        assert!(
            down.is_honest_up_to(SERVER_BYTES) && up.is_honest_up_to(CLIENT_BYTES_BEFORE),
            "{ACCEPTED}by the client"
        );
    }
    Seen::Refused
}

/// A flight at once, or in pieces.
fn pieces_of(flight: &[u8], cut: u8) -> Vec<&[u8]> {
    if cut & 1 == 0 { vec![flight] } else { pieces(flight, cut | 2).collect() }
}

/// Messages over the link, with somebody in the middle. `true`: every byte came as it was said.
fn records(script: &mut Script<'_>, from: &mut Established, to: &mut Established, dirty: bool, cut: u8) -> bool {
    let messages: Vec<_> = (0..3).map(|n| vec![b'a' + n; 40 + 500 * usize::from(n)]).collect();
    let mut said = Vec::new();
    messages.iter().for_each(|message| from.sealer.seal(TYPE_JSON, 0, message, &mut said));
    let mut came = said.clone();
    for _ in 0..2 {
        if script.is_over() {
            break;
        }
        Edit::read(script).apply(&mut came, &said);
    }
    let mut read = Vec::new();
    let mut failed = false;
    for piece in pieces_of(&came, cut) {
        to.opener.push(piece);
        loop {
            match to.opener.next_message() {
                Ok(Some(message)) => read.push(message),
                Ok(None) => break,
                Err(_) => {
                    assert!(to.opener.next_message().is_err(), "a dead link stays dead");
                    failed = true;
                    break;
                }
            }
        }
    }
    assert!(messages.starts_with(&read), "{ACCEPTED}a record that nobody said");
    let clean = came == said && !dirty;
    if clean {
        assert_eq!((read.len(), failed), (messages.len(), false), "what was said is read");
    } else if !came.starts_with(&said) {
        assert!(read.len() < messages.len(), "{ACCEPTED}a record that was changed");
    }
    clean
}

/// The bytes as a stream to a server and to a client, neither of which knows the one that it talks to.
///
/// # Panics
/// When either is satisfied, or the cuts of the stream change what it says.
pub fn bytes(data: &[u8]) -> Seen {
    let mut script = Script::new(data);
    let cut = script.byte();
    let stream = script.rest();
    let server = || Handshake::responder(who(1), &[Purpose::CHAT], entropy(3));
    let client = || Handshake::initiator(who(0), who(1).peer_id(), Purpose::CHAT, entropy(4)).0;
    for end in [&server as &dyn Fn() -> Handshake, &client] {
        let whole = feed(end(), &mut std::iter::once(stream));
        let cut = feed(end(), &mut pieces(stream, cut | 2));
        assert_eq!(whole.1, cut.1, "both end alike");
        assert!(whole.0.starts_with(&cut.0) || cut.0.starts_with(&whole.0), "both say the same");
        assert!(whole.1.is_some() || whole.0 == cut.0, "both say all of it");
    }
    Seen::Refused
}

fn feed(
    mut end: Handshake,
    stream: &mut dyn Iterator<Item = &[u8]>,
) -> (Vec<u8>, Option<torchat_core::handshake::HandshakeError>) {
    let mut said = Vec::new();
    // Once more with nothing: a server that knows none of the versions says so first and fails with the next call.
    for piece in stream.chain(std::iter::once(&[][..])) {
        match end.receive(piece, NOW_S) {
            Ok(progress) => {
                said.extend(progress.write);
                assert!(progress.done.is_none(), "{ACCEPTED}a stream of bytes");
            }
            Err(error) => return (said, Some(error)),
        }
    }
    (said, None)
}
