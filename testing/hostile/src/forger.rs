//! Noise by hand, with any static key, any certificate and any purpose.
//!
//! Written from `docs/PROTOCOL.md`, not with the daemon's handshake: an honest forger that is let in shows that both
//! understand the page alike, and every refusal is for the lie alone.

use crate::link::Link;
use crate::way::BoxStream;
use anyhow::{Context as _, ensure};
use curve25519_dalek::montgomery::MontgomeryPoint;
use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use rand::Rng as _;
use sha2::{Digest as _, Sha512};
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, HandshakeState};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use torchat_protocol::cert::{self, DeviceCert};
use torchat_protocol::hello;
use torchat_protocol::id::PeerId;

/// Bytes of the padded payload of the second and third message.
pub const PAYLOAD_LEN: usize = 448;
/// Bytes of the server's answers in a whole handshake: its hello, and the second message with its length.
pub const ANSWERS_LEN: usize = hello::SERVER_HELLO_LEN + 2 + 544;
/// The purpose of a link that chats.
pub const CHAT: u8 = 0;
/// The purpose of a link for rooms.
pub const ROOM: u8 = 2;

/// Points of X25519 of small order, as RFC 7748 6.1 warns of them: an end that uses one makes the shared secret zero.
pub const SMALL_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    first([1, 0]),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09,
        0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44,
        0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    // p-1, p and p+1, with p = 2^255-19.
    near_p(0xec),
    near_p(0xed),
    near_p(0xee),
];

const fn first(low: [u8; 2]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[0] = low[0];
    bytes[1] = low[1];
    bytes
}

const fn near_p(low: u8) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    bytes[0] = low;
    bytes[31] = 0x7f;
    bytes
}

/// An attacker's identity, its device, and the lies that it tells. [`Forger::fresh`] tells none.
#[derive(Debug, Clone)]
pub struct Forger {
    seed: [u8; 32],
    device: [u8; 32],
    weak: Option<[u8; 32]>,
    hello: Vec<u8>,
    believed_hello: Vec<u8>,
    payload: Vec<u8>,
}

impl Forger {
    /// An identity that nobody has met, with a perfect certificate.
    #[must_use]
    pub fn fresh() -> Self {
        let hello = hello::client_hello();
        let (seed, device) = (rand::random(), rand::random());
        let forger = Self { seed, device, weak: None, believed_hello: hello.clone(), hello, payload: Vec::new() };
        let cert = forger.signed(forger.cert());
        forger.showing(&cert, CHAT)
    }

    /// Who it really is.
    ///
    /// # Errors
    /// Never, for a key that a seed gives.
    pub fn peer(&self) -> anyhow::Result<PeerId> {
        Ok(PeerId::from_key(self.key().verifying_key().to_bytes())?)
    }

    fn key(&self) -> SigningKey {
        SigningKey::from_bytes(&self.seed)
    }

    /// The certificate that it may sign, without a signature.
    #[must_use]
    pub fn cert(&self) -> DeviceCert {
        let now = now_s();
        DeviceCert {
            identity: self.key().verifying_key().to_bytes(),
            device: self.weak.unwrap_or_else(|| MontgomeryPoint::mul_base_clamped(self.device).to_bytes()),
            dev_no: 0,
            epoch: 1,
            not_before: now - now % 86_400,
            not_after: now - now % 86_400 + cert::VALID_S,
            signature: [0; 64],
        }
    }

    /// Signs a certificate as the protocol says.
    #[must_use]
    pub fn signed(&self, mut cert: DeviceCert) -> DeviceCert {
        cert.signature = self.key().sign(&cert.to_be_signed()).to_bytes();
        cert
    }

    /// Signs a certificate's fields behind another context.
    #[must_use]
    pub fn signed_as(&self, mut cert: DeviceCert, context: &[u8]) -> DeviceCert {
        let mut text = context.to_vec();
        text.extend(cert.to_be_signed().split_off(cert::CONTEXT.len()));
        cert.signature = self.key().sign(&text).to_bytes();
        cert
    }

    /// A certificate for an identity that is ours plus a point of small order, with a signature that strict
    /// verification accepts: only the check of the point itself can refuse it.
    ///
    /// # Errors
    /// When a thousand tries find none, of which each succeeds with a chance of one in eight.
    pub fn signed_with_torsion(&self, torsion: usize) -> anyhow::Result<DeviceCert> {
        let torsion = curve25519_dalek::constants::EIGHT_TORSION.get(torsion).context("no such point")?;
        let own = curve25519_dalek::edwards::CompressedEdwardsY(self.cert().identity).decompress();
        let identity = VerifyingKey::from_bytes(&(own.context("no point")? + torsion).compress().0)?;
        let expanded: [u8; 64] = Sha512::digest(self.seed).into();
        let key = ExpandedSecretKey::from_bytes(&expanded);
        let found = (0..1_000).find_map(|later| {
            let mut cert = DeviceCert { identity: identity.to_bytes(), ..self.cert() };
            cert.not_after -= later;
            let text = cert.to_be_signed();
            let signature = raw_sign::<Sha512>(&key, &text, &identity);
            cert.signature = signature.to_bytes();
            identity.verify_strict(&text, &signature).is_ok().then_some(cert)
        });
        found.context("no signature verifies")
    }

    /// Shows this certificate, for this purpose.
    #[must_use]
    pub fn showing(mut self, cert: &DeviceCert, purpose: u8) -> Self {
        self.payload = cert.encode();
        self.payload.push(purpose);
        self.payload.resize(PAYLOAD_LEN, 0);
        self
    }

    /// Sends these bytes as its payload.
    #[must_use]
    pub fn with_payload(mut self, payload: Vec<u8>) -> Self {
        self.payload = payload;
        self
    }

    /// What it sends as its payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Shows its own static key with the top bit set, which X25519 does not look at, perfectly certified.
    #[must_use]
    pub fn with_respelled_device(self) -> Self {
        let mut point = self.cert().device;
        point[31] |= 0x80;
        self.with_weak_device(point)
    }

    /// Shows a static key of small order, certified for its own identity, and computes what everybody can with it.
    #[must_use]
    pub fn with_weak_device(mut self, point: [u8; 32]) -> Self {
        self.weak = Some(point);
        let cert = self.signed(self.cert());
        self.showing(&cert, CHAT)
    }

    /// The same identity with links for rooms.
    #[must_use]
    pub fn for_rooms(self) -> Self {
        let cert = self.signed(self.cert());
        self.showing(&cert, ROOM)
    }

    /// The same identity with this epoch in its certificate.
    #[must_use]
    pub fn with_epoch(self, epoch: u32) -> Self {
        let cert = self.signed(DeviceCert { epoch, ..self.cert() });
        self.showing(&cert, CHAT)
    }

    /// Says another hello than the one that it believes to have said: somebody on the way changed it.
    #[must_use]
    pub fn with_hello(mut self, said: &[u8], believed: &[u8]) -> Self {
        self.hello = said.to_vec();
        self.believed_hello = believed.to_vec();
        self
    }

    fn noise(&self, prologue: &[u8], initiator: bool) -> anyhow::Result<HandshakeState> {
        let builder =
            Builder::with_resolver("Noise_XX_25519_ChaChaPoly_BLAKE2s".parse()?, Box::new(Primitives(self.weak)));
        let builder = builder.local_private_key(&self.device)?.prologue(prologue)?;
        Ok(if initiator { builder.build_initiator()? } else { builder.build_responder()? })
    }

    /// Dials: everything up to the server's second message, which is returned as it came.
    ///
    /// # Errors
    /// When the server ends the stream before.
    pub async fn until_second(&self, mut stream: BoxStream, dialled: PeerId) -> anyhow::Result<Half> {
        stream.write_all(&self.hello).await?;
        stream.flush().await?;
        let mut server_hello = [0; hello::SERVER_HELLO_LEN];
        stream.read_exact(&mut server_hello).await.context("the server's hello")?;
        let mut noise = self.noise(&hello::prologue(&dialled, &self.believed_hello, &server_hello), true)?;
        let mut said = self.hello.clone();
        let first = flight(&mut noise, &[])?;
        said.extend(&first);
        stream.write_all(&first).await?;
        stream.flush().await?;
        let second = read_flight(&mut stream).await.context("the second message")?;
        Ok(Half { stream, noise, second, said })
    }

    /// Dials and says all three messages. Whether the server believes them, only what follows tells.
    ///
    /// # Errors
    /// When the server ends the stream before the third message, or its second one does not decrypt.
    pub async fn knock(&self, stream: BoxStream, dialled: PeerId) -> anyhow::Result<Link> {
        let mut half = self.until_second(stream, dialled).await?;
        let payload = half.open_second()?;
        let cert = DeviceCert::decode(payload.get(..cert::LEN).unwrap_or_default()).context("no certificate")?;
        ensure!(&cert.identity == dialled.as_bytes(), "the server shows another identity");
        let third = flight(&mut half.noise, &self.payload)?;
        half.say(&third).await?;
        Link::new(half.stream, half.noise.into_transport_mode()?, half.said)
    }

    /// Serves a stream up to its second message, as the service that was dialled.
    ///
    /// # Errors
    /// When the client ends the stream before.
    pub async fn serve_second(&self, mut stream: BoxStream, dialled: PeerId) -> anyhow::Result<Half> {
        let mut client_hello = vec![0; self.hello.len()];
        stream.read_exact(&mut client_hello).await.context("the client's hello")?;
        let server_hello = hello::server_hello(hello::VERSION);
        stream.write_all(&server_hello).await?;
        stream.flush().await?;
        let mut noise = self.noise(&hello::prologue(&dialled, &client_hello, &server_hello), false)?;
        let first = read_flight(&mut stream).await.context("the first message")?;
        noise.read_message(&first, &mut [0; 1024])?;
        let second = flight(&mut noise, &self.payload)?;
        stream.write_all(&second).await?;
        stream.flush().await?;
        Ok(Half { stream, noise, second: Vec::new(), said: Vec::new() })
    }

    /// Serves a whole handshake, as the service that was dialled. Returns the client's certificate too.
    ///
    /// # Errors
    /// When the client ends the stream, or its third message does not decrypt.
    pub async fn serve(&self, stream: BoxStream, dialled: PeerId) -> anyhow::Result<(Link, DeviceCert)> {
        let mut half = self.serve_second(stream, dialled).await?;
        let third = read_flight(&mut half.stream).await.context("the third message")?;
        let mut payload = vec![0; third.len()];
        let len = half.noise.read_message(&third, &mut payload)?;
        let cert = DeviceCert::decode(payload.get(..cert::LEN.min(len)).unwrap_or_default());
        let link = Link::new(half.stream, half.noise.into_transport_mode()?, Vec::new())?;
        Ok((link, cert.context("no certificate")?))
    }
}

/// A handshake whose third message is missing.
pub struct Half {
    /// The stream.
    pub stream: BoxStream,
    noise: HandshakeState,
    /// The second message as it came, without its length.
    pub second: Vec<u8>,
    /// Every byte that was sent so far.
    pub said: Vec<u8>,
}

impl Half {
    /// Decrypts the second message.
    ///
    /// # Errors
    /// When it does not fit together.
    pub fn open_second(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut payload = vec![0; self.second.len()];
        let len = self.noise.read_message(&self.second, &mut payload)?;
        payload.truncate(len);
        Ok(payload)
    }

    /// The third message, with its length.
    ///
    /// # Errors
    /// When the second was not opened.
    pub fn third(&mut self, payload: &[u8]) -> anyhow::Result<Vec<u8>> {
        flight(&mut self.noise, payload)
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// When the stream is broken.
    pub async fn say(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.said.extend(bytes);
        self.stream.write_all(bytes).await?;
        Ok(self.stream.flush().await?)
    }
}

/// The time by the wall clock, in seconds since 1970.
#[must_use]
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

fn flight(noise: &mut HandshakeState, payload: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut message = vec![0; payload.len() + 256];
    let len = noise.write_message(payload, &mut message)?;
    let mut out = u16::try_from(len)?.to_be_bytes().to_vec();
    out.extend(message.get(..len).unwrap_or_default());
    Ok(out)
}

async fn read_flight(stream: &mut BoxStream) -> anyhow::Result<Vec<u8>> {
    let mut message = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

/// snow's primitives, with the system's randomness; the static key may be a point of small order.
struct Primitives(Option<[u8; 32]>);

impl CryptoResolver for Primitives {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(System))
    }
    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        let honest = DefaultResolver.resolve_dh(choice)?;
        Some(Box::new(WeakDh { honest, point: self.0, is_static: false }))
    }
    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }
    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

struct System;

impl Random for System {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        rand::rng().fill_bytes(dest);
        Ok(())
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

    fn is_small_order(&self) -> bool {
        self.weak().is_some_and(|point| {
            let mut point = *point;
            point[31] &= 0x7f;
            SMALL_ORDER.contains(&point)
        })
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
        if self.is_small_order() {
            out.fill(0);
            return Ok(());
        }
        self.honest.dh(key, out)
    }
}
