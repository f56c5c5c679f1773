//! A peer that follows the wire to the letter, with keys of its own, and lies in what it carries.

use super::{NOW_S, entropy, who};
use crate::script::Script;
use crate::{ACCEPTED, Seen};
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, HandshakeState};
use torchat_core::handshake::{Handshake, LocalIdentity};
use torchat_protocol::cert;
use torchat_protocol::hello;
use torchat_protocol::purpose::Purpose;

/// Bytes of the payload that carries a certificate.
const PAYLOAD_LEN: usize = 448;
/// The forger is the third daemon: its device's secret, as [`who`] made it.
const OWN: usize = 2;
const OWN_DEVICE: [u8; 32] = [103; 32];

/// Points of X25519 of small order (RFC 7748 6.1), and their other spellings.
pub(super) const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    ends(1, 0, 0),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09,
        0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    ends(0xec, 0xff, 0x7f),
    ends(0xee, 0xff, 0xff),
];

const fn ends(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

/// The bytes as the lies of a peer: whose certificate it shows and how it is changed, for what purpose, over which
/// prologue, as a client or as the service that was dialled.
///
/// # Panics
/// When it is let in with anything but the certificate that its own onion signed for its own device, or is not with that.
pub fn lies(data: &[u8]) -> Seen {
    let mut script = Script::new(data);
    let (role, shown) = (script.byte(), script.byte());
    let truth = payload(who(OWN), role);
    let mut payload = if shown % 4 == 0 { payload(who(0), role) } else { truth.clone() };
    change(&mut script, &mut payload, &truth);
    let believed = match script.byte() {
        0..=199 => hello::client_hello(),
        _ => b"TCHT\x02\x01\x02".to_vec(),
    };
    let honest_hello = believed == hello::client_hello();
    if role.is_multiple_of(2) {
        // The purpose counts; what is behind it is for later versions.
        let honest = honest_hello && payload[..=cert::LEN] == truth[..=cert::LEN];
        judge(dial(&payload, &believed), honest)
    } else {
        // The peer that dialled the victim finds the forger.
        let dialled = if shown > 127 { who(0) } else { who(OWN) };
        let honest = honest_hello && payload[..cert::LEN] == truth[..cert::LEN] && shown <= 127;
        judge(serve(&payload, &believed, dialled), honest)
    }
}

fn judge(found: Option<torchat_protocol::id::PeerId>, honest: bool) -> Seen {
    match found {
        Some(peer) => {
            assert!(honest, "{ACCEPTED}a lie");
            assert_eq!(peer, who(OWN).peer_id(), "{ACCEPTED}as somebody else");
            Seen::Taken
        }
        None => {
            assert!(!honest, "the truth is refused");
            Seen::Refused
        }
    }
}

fn payload(of: &LocalIdentity, role: u8) -> Vec<u8> {
    let mut payload = of.cert().encode();
    // The purpose: chat, which a server leaves out.
    payload.push(0);
    payload.resize(PAYLOAD_LEN, 0);
    // Sometimes the padding is not what this version writes.
    if role > 127 {
        payload[PAYLOAD_LEN - 1] = role;
    }
    payload
}

fn change(script: &mut Script<'_>, payload: &mut [u8], truth: &[u8]) {
    for _ in 0..script.below(4) {
        let at = script.below(payload.len());
        let at = if at > 200 { at % (cert::LEN + 2) } else { at };
        match script.below(6) {
            0 | 1 => payload[at] ^= 1 << script.below(8),
            2 => payload[at] = script.byte(),
            // A part of the one certificate in the other.
            3 => {
                let end = payload.len().min(at + usize::from(script.byte()));
                let other = if script.byte() & 1 == 0 { truth.to_vec() } else { self::payload(who(0), 0) };
                payload[at..end].copy_from_slice(&other[at..end]);
            }
            4 => payload[32..64].copy_from_slice(&SMALL_ORDER[script.below(SMALL_ORDER.len())]),
            _ => {
                let (field, value) = ([69, 77, 65, 64][script.below(4)], script.number());
                payload[field..field + 8].copy_from_slice(&value.to_be_bytes());
            }
        }
    }
}

/// Dials the second daemon. Who it takes us for.
fn dial(payload: &[u8], believed: &[u8]) -> Option<torchat_protocol::id::PeerId> {
    let mut server = Handshake::responder(who(1), &[Purpose::CHAT], entropy(5));
    let server_hello = server.receive(&hello::client_hello(), NOW_S).ok()?.write;
    let mut noise = noise(&hello::prologue(&who(1).peer_id(), believed, &server_hello), true)?;
    let second = server.receive(&flight(&mut noise, &[])?, NOW_S).ok()?.write;
    noise.read_message(second.get(2..)?, &mut [0; 1024]).ok()?;
    Some(server.receive(&flight(&mut noise, payload)?, NOW_S).ok()?.done?.peer)
}

/// Serves the second daemon, which dialled `dialled`. Who it takes us for.
fn serve(payload: &[u8], believed: &[u8], dialled: &LocalIdentity) -> Option<torchat_protocol::id::PeerId> {
    let (mut client, _) = Handshake::initiator(who(1), dialled.peer_id(), Purpose::CHAT, entropy(6));
    let server_hello = hello::server_hello(hello::VERSION);
    let first = client.receive(&server_hello, NOW_S).ok()?.write;
    let mut noise = noise(&hello::prologue(&dialled.peer_id(), believed, &server_hello), false)?;
    noise.read_message(first.get(2..)?, &mut [0; 1024]).ok()?;
    Some(client.receive(&flight(&mut noise, payload)?, NOW_S).ok()?.done?.peer)
}

fn noise(prologue: &[u8], initiator: bool) -> Option<HandshakeState> {
    let params = "Noise_XX_25519_ChaChaPoly_BLAKE2s".parse().ok()?;
    let builder = Builder::with_resolver(params, Box::new(Primitives));
    let builder = builder.local_private_key(&OWN_DEVICE).ok()?.prologue(prologue).ok()?;
    if initiator { builder.build_initiator() } else { builder.build_responder() }.ok()
}

fn flight(noise: &mut HandshakeState, payload: &[u8]) -> Option<Vec<u8>> {
    let mut message = [0; 1024];
    let len = noise.write_message(payload, &mut message).ok()?;
    let mut out = u16::try_from(len).ok()?.to_be_bytes().to_vec();
    out.extend(message.get(..len)?);
    Some(out)
}

/// snow's primitives, with random numbers that are the same for the same input.
struct Primitives;

impl CryptoResolver for Primitives {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Same))
    }
    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        DefaultResolver.resolve_dh(choice)
    }
    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }
    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

struct Same;

impl Random for Same {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        dest.copy_from_slice(entropy(7).get(..dest.len()).ok_or(snow::Error::Rng)?);
        Ok(())
    }
}
