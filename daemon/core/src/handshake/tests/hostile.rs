//! Peers that follow the wire to the letter and lie in what it carries: Noise driven by hand, with any static key, any
//! certificate and any purpose. An honest forger passes, so every refusal here is for the lie alone.

use super::*;
use curve25519_dalek::MontgomeryPoint;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha512};
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::CryptoResolver;
use snow::types::{Cipher, Dh, Hash, Random};

/// A point of order 8 of X25519.
const WEAK: [u8; 32] = [
    0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d,
    0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
];

/// An attacker's end: an identity of its own (the seed's), a device key and what it sends as its payload.
struct Forger {
    seed: [u8; 32],
    secret: [u8; 32],
    /// Shows this as its static key; with one of small order it computes what everybody can compute with it, with another
    /// spelling of its own key what it computes anyway.
    weak: Option<[u8; 32]>,
    payload: Vec<u8>,
}

impl Forger {
    /// A forger that tells the truth.
    fn honest() -> Self {
        let mut forger = Self { seed: [3; 32], secret: [103; 32], weak: None, payload: Vec::new() };
        forger.show(&forger.signed(forger.cert(), cert::CONTEXT));
        forger
    }

    fn cert(&self) -> DeviceCert {
        let device = MontgomeryPoint::mul_base_clamped(self.secret).to_bytes();
        DeviceCert {
            identity: SigningKey::from_bytes(&self.seed).verifying_key().to_bytes(),
            device: self.weak.unwrap_or(device),
            dev_no: 0,
            epoch: 1,
            not_before: NOW,
            not_after: NOW + cert::VALID_S,
            signature: [0; 64],
        }
    }

    fn signed(&self, mut cert: DeviceCert, context: &[u8]) -> DeviceCert {
        let mut text = context.to_vec();
        text.extend(&cert.to_be_signed()[cert::CONTEXT.len()..]);
        cert.signature = SigningKey::from_bytes(&self.seed).sign(&text).to_bytes();
        cert
    }

    fn show(&mut self, cert: &DeviceCert) {
        self.payload = cert.encode();
        self.payload.resize(PAYLOAD_LEN, 0);
    }

    fn noise(&self, prologue: &[u8], initiator: bool) -> HandshakeState {
        let resolver = Box::new(Weak { fixed: Fixed(zeroize::Zeroizing::new([9; 32])), point: self.weak });
        let builder = Builder::with_resolver(PATTERN.parse().unwrap(), resolver);
        let builder = builder.local_private_key(&self.secret).unwrap().prologue(prologue).unwrap();
        if initiator { builder.build_initiator() } else { builder.build_responder() }.unwrap()
    }

    /// Dials an honest server; what that makes of the third message.
    fn dial(&self, server: &LocalIdentity) -> Result<Progress, HandshakeError> {
        let mut s = Handshake::responder(server, &[Purpose::CHAT], [8; 32]);
        let client_hello = hello::client_hello();
        let server_hello = s.receive(&client_hello, NOW).unwrap().write;
        let mut noise = self.noise(&hello::prologue(&server.peer_id(), &client_hello, &server_hello), true);
        let second = s.receive(&flight(&mut noise, &[]), NOW).unwrap().write;
        noise.read_message(&second[2..], &mut [0; 1024]).unwrap();
        s.receive(&flight(&mut noise, &self.payload), NOW)
    }

    /// Serves an honest client that dialled `dialled`; what that makes of the second message.
    fn serve(&self, client: &LocalIdentity, dialled: PeerId) -> Result<Progress, HandshakeError> {
        let (mut c, client_hello) = Handshake::initiator(client, dialled, Purpose::CHAT, [7; 32]);
        let server_hello = hello::server_hello(hello::VERSION);
        let first = c.receive(&server_hello, NOW).unwrap().write;
        let mut noise = self.noise(&hello::prologue(&dialled, &client_hello, &server_hello), false);
        noise.read_message(&first[2..], &mut [0; 1024]).unwrap();
        c.receive(&flight(&mut noise, &self.payload), NOW)
    }

    fn identity(&self) -> PeerId {
        PeerId::from_key(self.cert().identity).unwrap()
    }

    /// Tries both roles; both must fail alike.
    fn refused(&self) -> HandshakeError {
        let other = who(2);
        let as_client = self.dial(&other).err().expect("a server took it");
        let as_server = self.serve(&other, self.identity()).err().expect("a client took it");
        assert_eq!(as_client, as_server);
        as_client
    }
}

fn flight(noise: &mut HandshakeState, payload: &[u8]) -> Vec<u8> {
    let mut message = [0; 1024];
    let len = noise.write_message(payload, &mut message).unwrap();
    let mut out = u16::try_from(len).unwrap().to_be_bytes().to_vec();
    out.extend(&message[..len]);
    out
}

/// snow's primitives, but the static key may be a point of small order.
struct Weak {
    fixed: Fixed,
    point: Option<[u8; 32]>,
}

impl CryptoResolver for Weak {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        self.fixed.resolve_rng()
    }
    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        let honest = self.fixed.resolve_dh(choice)?;
        Some(Box::new(WeakDh { honest, point: self.point, is_static: false }))
    }
    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        self.fixed.resolve_hash(choice)
    }
    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        self.fixed.resolve_cipher(choice)
    }
}

struct WeakDh {
    honest: Box<dyn Dh>,
    point: Option<[u8; 32]>,
    /// snow sets a static key and generates an ephemeral one.
    is_static: bool,
}

impl WeakDh {
    fn weak(&self) -> Option<&[u8; 32]> {
        self.point.as_ref().filter(|_| self.is_static)
    }
}

impl Dh for WeakDh {
    fn name(&self) -> &'static str {
        self.honest.name()
    }
    fn pub_len(&self) -> usize {
        self.honest.pub_len()
    }
    fn priv_len(&self) -> usize {
        self.honest.priv_len()
    }
    fn set(&mut self, key: &[u8]) {
        self.is_static = true;
        self.honest.set(key);
    }
    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), snow::Error> {
        self.honest.generate(rng)
    }
    fn pubkey(&self) -> &[u8] {
        self.weak().map_or(self.honest.pubkey(), |point| point)
    }
    fn privkey(&self) -> &[u8] {
        self.honest.privkey()
    }
    fn dh(&self, key: &[u8], out: &mut [u8]) -> Result<(), snow::Error> {
        if self.weak().is_some_and(|point| check_key(Some(point)) == Err(HandshakeError::SmallOrder)) {
            out.fill(0);
            return Ok(());
        }
        self.honest.dh(key, out)
    }
}

#[test]
fn a_forger_that_tells_the_truth_is_let_in() {
    let forger = Forger::honest();
    let other = who(2);
    assert_eq!(forger.dial(&other).unwrap().done.unwrap().peer, forger.identity());
    let at_client = forger.serve(&other, forger.identity()).unwrap();
    assert_eq!(at_client.done.unwrap().peer, forger.identity());
    assert_eq!(at_client.write.len(), 2 + THIRD_LEN);
}

#[test]
fn a_device_key_of_small_order_is_refused_with_a_perfect_certificate() {
    // With such a key every shared secret is zero: anybody who saw the certificate could speak as its owner.
    let mut forger = Forger::honest();
    for mut point in [WEAK, [0; 32]] {
        for top in [0, 0x80] {
            point[31] |= top;
            forger.weak = Some(point);
            forger.show(&forger.signed(forger.cert(), cert::CONTEXT));
            assert_eq!(forger.refused(), HandshakeError::SmallOrder, "{point:02x?}");
        }
    }
}

#[test]
fn an_identity_that_differs_by_torsion_is_refused_although_its_signature_verifies() {
    let honest = Forger::honest();
    let expanded: [u8; 64] = Sha512::digest(honest.seed).into();
    let key = ed25519_dalek::hazmat::ExpandedSecretKey::from_bytes(&expanded);
    let point = CompressedEdwardsY(honest.cert().identity).decompress().unwrap();
    let other = who(2);
    for torsion in &EIGHT_TORSION[1..] {
        let identity = VerifyingKey::from_bytes(&(point + torsion).compress().0).unwrap();
        // The check of a signature does not see the torsion when the challenge is a multiple of 8: one in eight.
        let cert = (0..1_000)
            .find_map(|later| {
                let mut cert = DeviceCert { identity: identity.to_bytes(), ..honest.cert() };
                cert.not_after -= later;
                let text = cert.to_be_signed();
                let signature = ed25519_dalek::hazmat::raw_sign::<Sha512>(&key, &text, &identity);
                cert.signature = signature.to_bytes();
                identity.verify_strict(&text, &signature).is_ok().then_some(cert)
            })
            .expect("a signature that verifies");
        let mut forger = Forger::honest();
        forger.show(&cert);
        let expected = Some(HandshakeError::Certificate("its identity is not an onion key"));
        assert_eq!(forger.dial(&other).err(), expected);
        assert_eq!(forger.serve(&other, honest.identity()).err(), expected);
    }
}

#[test]
fn an_identity_that_is_no_prime_order_point_is_refused() {
    let mut forger = Forger::honest();
    let mut one = [0; 32];
    one[0] = 1;
    // The neutral element, a point of order 4, one that is not on the curve, and a y beyond the field's order.
    for identity in [one, [0; 32], [2; 32], [0xff; 32]] {
        forger.show(&forger.signed(DeviceCert { identity, ..forger.cert() }, cert::CONTEXT));
        assert_eq!(
            forger.refused(),
            HandshakeError::Certificate("its identity is not an onion key"),
            "{identity:02x?}"
        );
    }
}

#[test]
fn a_signature_for_another_purpose_is_no_certificate() {
    let mut forger = Forger::honest();
    let wrong = HandshakeError::Certificate("its signature is wrong");
    for context in [&b"torchatd/1 endpoint certificate\0"[..], b"torchatd/1 device certificate", b"", b"\x01"] {
        forger.show(&forger.signed(forger.cert(), context));
        assert_eq!(forger.refused(), wrong, "{context:?}");
    }
    // Signed by another onion's key.
    let mut cert = forger.cert();
    cert.signature = Forger { seed: [4; 32], ..Forger::honest() }.signed(cert, cert::CONTEXT).signature;
    forger.show(&cert);
    assert_eq!(forger.refused(), wrong);
}

#[test]
fn a_certificate_of_another_time_is_refused() {
    let mut forger = Forger::honest();
    let skew = cert::CLOCK_SKEW_S;
    let late = HandshakeError::Certificate("it is not valid at this time (is a clock wrong?)");
    for (not_before, not_after, good) in [
        (NOW + skew, NOW + 2 * skew, true),
        (NOW + skew + 1, NOW + 2 * skew, false),
        (NOW - 2 * skew, NOW - skew, true),
        (NOW - 2 * skew, NOW - skew - 1, false),
        (0, 0, false),
        (u64::MAX, u64::MAX, false),
    ] {
        forger.show(&forger.signed(DeviceCert { not_before, not_after, ..forger.cert() }, cert::CONTEXT));
        if good {
            assert!(forger.dial(&who(2)).unwrap().done.is_some(), "{not_before} {not_after}");
        } else {
            assert_eq!(forger.refused(), late, "{not_before} {not_after}");
        }
    }
}

#[test]
fn a_certificate_for_ever_is_refused_and_so_is_one_of_no_epoch() {
    let mut forger = Forger::honest();
    let (day, valid) = (86_400, cert::VALID_S);
    let unsound = HandshakeError::Certificate("it is valid for longer than a certificate may be, or has no epoch");
    for (not_before, not_after, epoch, good) in [
        (NOW, NOW + valid, 1, true),
        (NOW - valid, NOW, 1, true),
        (NOW, NOW + 1, u32::MAX, true),
        (NOW, NOW + valid + 1, 1, false),
        (NOW, NOW + 91 * day, 1, false),
        (0, u64::MAX, 1, false),
        (0, NOW + day, 1, false),
        (NOW, u64::MAX, 1, false),
        (NOW, NOW, 1, false),
        // Within the error of the clocks it would be current, although it ends before it begins.
        (NOW + 1, NOW, 1, false),
        (NOW + day, NOW - day, 1, false),
        (NOW, NOW + valid, 0, false),
    ] {
        let cert = DeviceCert { not_before, not_after, epoch, ..forger.cert() };
        assert!(cert.is_current(NOW), "it is refused for its span alone");
        forger.show(&forger.signed(cert, cert::CONTEXT));
        if good {
            assert!(forger.dial(&who(2)).unwrap().done.is_some(), "{not_before} {not_after}");
            assert!(forger.serve(&who(2), forger.identity()).unwrap().done.is_some(), "{not_before} {not_after}");
        } else {
            assert_eq!(forger.refused(), unsound, "{not_before} {not_after} {epoch}");
        }
    }
    // What we make ourselves is sound at every time and every epoch.
    for now in [0, 5, NOW, NOW + 12_345, 4_000_000_000] {
        let own = LocalIdentity::from_seeds(&[1; 32], &[101; 32], now).unwrap();
        for epoch in [0, 1, 7, u32::MAX] {
            let own = own.renewed(now).with_epoch(epoch);
            assert!(own.cert().is_sound() && own.renewed(now + 60 * day).cert().is_sound(), "{now} {epoch}");
        }
    }
}

#[test]
fn a_key_has_one_spelling() {
    // The same point with the top bit set, as an ephemeral and as a certified static key, and what p + 9 spells.
    let mut forger = Forger::honest();
    let mut twin = forger.cert().device;
    twin[31] |= 0x80;
    forger.weak = Some(twin);
    forger.show(&forger.signed(forger.cert(), cert::CONTEXT));
    assert_eq!(forger.refused(), HandshakeError::KeySpelling);
    let mut nine = [0xff; 32];
    (nine[0], nine[31]) = (0xf6, 0x7f);
    for point in [twin, nine] {
        let mut server = Handshake::responder(&who(2), &[Purpose::CHAT], [8; 32]);
        let first = [&hello::client_hello()[..], &[0, 32], &point].concat();
        assert_eq!(server.receive(&first, NOW).err(), Some(HandshakeError::KeySpelling), "{point:02x?}");
    }
}

#[test]
fn a_certificate_without_its_end_is_refused() {
    let honest = Forger::honest();
    let mut forger = Forger::honest();
    for len in 0..cert::LEN {
        forger.payload = honest.payload[..len].to_vec();
        assert_eq!(forger.refused(), HandshakeError::Length, "a shorter message, {len}");
        forger.payload.resize(PAYLOAD_LEN, 0);
        // A signature's last bytes may be zero by chance, not with this seed.
        assert!(matches!(forger.refused(), HandshakeError::Certificate(_)), "the rest is zero, {len}");
    }
    forger.payload.clone_from(&honest.payload);
    forger.payload.push(0);
    assert_eq!(forger.refused(), HandshakeError::Length, "a longer message");
}

#[test]
fn someone_else_with_an_own_perfect_certificate_is_not_who_was_dialled() {
    // Only a broken Tor could lead there: the stream to Bob ends at the forger.
    let (alice, bob) = (who(1), who(2));
    assert_eq!(Forger::honest().serve(&alice, bob.peer_id()).err(), Some(HandshakeError::WrongPeer));
    let mut forger = Forger::honest();
    forger.show(bob.cert());
    let stolen = Some(HandshakeError::Certificate("it is for another device"));
    assert_eq!(forger.serve(&alice, bob.peer_id()).err(), stolen);
}

#[test]
fn our_own_identity_is_refused_even_with_another_device() {
    // What a thief of the onion's key, or a clone of this machine, would show.
    let own = who(2);
    let mut forger = Forger { seed: [2; 32], ..Forger::honest() };
    assert_eq!(forger.identity(), own.peer_id());
    forger.show(&forger.signed(forger.cert(), cert::CONTEXT));
    assert_eq!(forger.refused(), HandshakeError::OwnIdentity);
}

#[test]
fn only_chat_is_served() {
    let server = who(2);
    let mut forger = Forger::honest();
    for purpose in 0..=u8::MAX {
        forger.payload[cert::LEN] = purpose;
        let result = forger.dial(&server);
        if Purpose(purpose) == Purpose::CHAT {
            assert!(result.unwrap().done.is_some());
        } else {
            assert_eq!(result.err(), Some(HandshakeError::Purpose), "{purpose}");
        }
    }
}
