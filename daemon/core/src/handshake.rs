//! Who is at the other end of an onion stream: Noise XX with a device certificate signed by the onion's key.
//!
//! ```text
//! C -> S   client hello
//! S -> C   server hello
//! C -> S   u16 length, e
//! S -> C   u16 length, e ee s es, certificate           (padded to 448 bytes)
//! C -> S   u16 length, s se, certificate, purpose       (padded to 448 bytes); records may follow at once
//! ```
//!
//! `Noise_XX_25519_ChaChaPoly_BLAKE2s`. The prologue binds the service that was dialled and both hellos, so a relay in
//! the middle and a stripped version list both break the handshake. Why not a signed challenge: it would authenticate,
//! but leave a signed transcript of who met, and no channel binding. Sans-IO: bytes in, bytes out; the clock and
//! the entropy are arguments.

mod ephemeral;
mod identity;
mod proof;
mod records;

pub use identity::LocalIdentity;
pub use records::{LinkError, Opener, Sealer};

use ephemeral::Fixed;
use proof::check_key;
use snow::params::NoiseParams;
use snow::{Builder, HandshakeState};
use torchat_protocol::cert::{self, DeviceCert};
use torchat_protocol::hello::{self, HelloError};
use torchat_protocol::id::PeerId;
use torchat_protocol::purpose::Purpose;

const PATTERN: &str = "Noise_XX_25519_ChaChaPoly_BLAKE2s";
/// Both certificates travel in payloads of this size, so that a later, longer payload looks the same.
const PAYLOAD_LEN: usize = 448;
const DH_LEN: usize = 32;
const TAG_LEN: usize = 16;
const FIRST_LEN: usize = DH_LEN;
const SECOND_LEN: usize = DH_LEN + DH_LEN + TAG_LEN + PAYLOAD_LEN + TAG_LEN;
const THIRD_LEN: usize = DH_LEN + TAG_LEN + PAYLOAD_LEN + TAG_LEN;

/// Why a handshake ends. The stream is closed without a word: the other side learns nothing from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The first bytes are not ours.
    #[error(transparent)]
    Hello(#[from] HelloError),
    /// A message has a length that it cannot have.
    #[error("a handshake message has the wrong length")]
    Length,
    /// The ciphers disagree: another prologue, a changed byte, another key.
    #[error("the two sides of the handshake do not match")]
    Noise,
    /// A public key of small order, which would make the shared secret known to everybody.
    #[error("the peer uses a key of small order")]
    SmallOrder,
    /// A public key in another spelling than its one canonical one.
    #[error("the peer sends a key in a non-canonical spelling")]
    KeySpelling,
    /// The certificate is not the peer's, not current or not valid.
    #[error("the peer's certificate is not valid: {0}")]
    Certificate(&'static str),
    /// Someone else than the peer that was dialled.
    #[error("somebody else answered, not the peer that was dialled")]
    WrongPeer,
    /// The peer shows our own identity.
    #[error("the peer shows our own identity")]
    OwnIdentity,
    /// The link is for something that is not served here.
    #[error("the link is for an unknown purpose")]
    Purpose,
    /// More bytes came after the end, or after an error.
    #[error("the handshake is over")]
    Over,
}

/// One side of a handshake. After an error it stays dead.
pub struct Handshake {
    identity: PeerId,
    cert: DeviceCert,
    secret: zeroize::Zeroizing<[u8; 32]>,
    entropy: zeroize::Zeroizing<[u8; 32]>,
    /// Server: what clients may come for.
    served: Vec<Purpose>,
    state: State,
    received: Vec<u8>,
}

enum State {
    /// Client: the server's hello is missing.
    AwaitServerHello {
        dialled: PeerId,
        purpose: Purpose,
    },
    /// Client: the second message is missing.
    AwaitSecond {
        dialled: PeerId,
        purpose: Purpose,
        noise: Box<HandshakeState>,
    },
    /// Server: the client's hello is missing.
    AwaitClientHello,
    /// Server: the first message is missing.
    AwaitFirst {
        noise: Box<HandshakeState>,
    },
    /// Server: the third message is missing.
    AwaitThird {
        noise: Box<HandshakeState>,
    },
    /// Server: it said that it speaks none of the client's versions, and only waits for the stream's end.
    NoCommonVersion,
    Over,
}

/// What came of some received bytes.
pub struct Progress {
    /// To be sent now.
    pub write: Vec<u8>,
    /// The link, once the handshake is complete. Bytes that came after it are in its opener already.
    pub done: Option<Established>,
}

/// A link whose other end is proven.
pub struct Established {
    /// Who it is.
    pub peer: PeerId,
    /// What the link is for, as the side that dialled says.
    pub purpose: Purpose,
    /// Its device's key.
    pub device: [u8; 32],
    /// Its device's number.
    pub dev_no: u8,
    /// The epoch of its device's key.
    pub epoch: u32,
    /// The handshake's hash: the same at both ends, and of no other link.
    pub binding: [u8; 32],
    /// Encrypts what we say.
    pub sealer: Sealer,
    /// Decrypts what the peer says.
    pub opener: Opener,
}

impl Handshake {
    /// Starts a handshake with the peer whose service was dialled. Returns the first bytes to send.
    #[must_use]
    pub fn initiator(local: &LocalIdentity, dialled: PeerId, purpose: Purpose, entropy: [u8; 32]) -> (Self, Vec<u8>) {
        (Self::new(local, &[], entropy, State::AwaitServerHello { dialled, purpose }), hello::client_hello())
    }

    /// Waits for the client that opened a stream to our service. One that comes for a purpose that is not `served` gets
    /// [`HandshakeError::Purpose`].
    #[must_use]
    pub fn responder(local: &LocalIdentity, served: &[Purpose], entropy: [u8; 32]) -> Self {
        Self::new(local, served, entropy, State::AwaitClientHello)
    }

    fn new(local: &LocalIdentity, served: &[Purpose], entropy: [u8; 32], state: State) -> Self {
        Self {
            identity: local.peer_id(),
            cert: *local.cert(),
            secret: zeroize::Zeroizing::new(*local.device_secret()),
            entropy: zeroize::Zeroizing::new(entropy),
            served: served.to_vec(),
            state,
            received: Vec::new(),
        }
    }

    /// Takes received bytes, however they were cut. `now_s` is the time by the wall clock, in seconds since 1970.
    ///
    /// A client whose versions a server does not speak is told so in a last hello: that comes as a progress, and every
    /// call after it is an error.
    ///
    /// # Errors
    /// [`HandshakeError`]: close the stream.
    pub fn receive(&mut self, bytes: &[u8], now_s: u64) -> Result<Progress, HandshakeError> {
        match self.state {
            // Nothing is kept of what comes after the end.
            State::Over => return Err(HandshakeError::Over),
            State::NoCommonVersion => {
                self.state = State::Over;
                return Err(HelloError::NoCommonVersion.into());
            }
            _ => self.received.extend(bytes),
        }
        let mut progress = Progress { write: Vec::new(), done: None };
        while progress.done.is_none() {
            let state = std::mem::replace(&mut self.state, State::Over);
            match self.step(state, now_s, &mut progress)? {
                Step::Next(state) => self.state = state,
                Step::NeedMore(state) => {
                    self.state = state;
                    break;
                }
                Step::Done => break,
            }
        }
        Ok(progress)
    }

    /// How many whole flights of the other end were heard and found in order; 0 at the end of the handshake.
    #[must_use]
    pub fn flights(&self) -> u8 {
        match self.state {
            State::AwaitSecond { .. } | State::AwaitFirst { .. } => 1,
            State::AwaitThird { .. } => 2,
            State::AwaitServerHello { .. } | State::AwaitClientHello | State::NoCommonVersion | State::Over => 0,
        }
    }

    fn step(&mut self, state: State, now_s: u64, progress: &mut Progress) -> Result<Step, HandshakeError> {
        match state {
            State::AwaitServerHello { dialled, purpose } => {
                let Some(end) = hello::parse_server_hello(&self.received)? else {
                    return Ok(Step::NeedMore(State::AwaitServerHello { dialled, purpose }));
                };
                let server_hello: Vec<u8> = self.received.drain(..end).collect();
                let prologue = hello::prologue(&dialled, &hello::client_hello(), &server_hello);
                let mut noise = self.noise(&prologue, true)?;
                write_message(&mut noise, &[], &mut progress.write)?;
                Ok(Step::Next(State::AwaitSecond { dialled, purpose, noise: Box::new(noise) }))
            }
            State::AwaitSecond { dialled, purpose, mut noise } => {
                let Some(message) = self.next_message(SECOND_LEN)? else {
                    return Ok(Step::NeedMore(State::AwaitSecond { dialled, purpose, noise }));
                };
                check_key(message.get(..DH_LEN))?;
                let payload = read_message(&mut noise, &message)?;
                let (peer, cert) = self.check_cert(&noise, &payload, now_s)?;
                if peer != dialled {
                    return Err(HandshakeError::WrongPeer);
                }
                let mut payload = self.cert.encode();
                payload.push(purpose.0);
                payload.resize(PAYLOAD_LEN, 0);
                write_message(&mut noise, &payload, &mut progress.write)?;
                progress.done = Some(self.establish(*noise, peer, purpose, &cert)?);
                Ok(Step::Done)
            }
            State::AwaitClientHello => {
                let end = match hello::parse_client_hello(&self.received) {
                    Ok(Some(end)) => end,
                    Ok(None) => return Ok(Step::NeedMore(State::AwaitClientHello)),
                    Err(HelloError::NoCommonVersion) => {
                        // It speaks our protocol, so it may know that we are too old or too new for it.
                        progress.write.extend(hello::server_hello(hello::NO_VERSION));
                        return Ok(Step::NeedMore(State::NoCommonVersion));
                    }
                    Err(error) => return Err(error.into()),
                };
                let client_hello: Vec<u8> = self.received.drain(..end).collect();
                let server_hello = hello::server_hello(hello::VERSION);
                let noise = self.noise(&hello::prologue(&self.identity, &client_hello, &server_hello), false)?;
                progress.write.extend(server_hello);
                Ok(Step::Next(State::AwaitFirst { noise: Box::new(noise) }))
            }
            State::AwaitFirst { mut noise } => {
                let Some(message) = self.next_message(FIRST_LEN)? else {
                    return Ok(Step::NeedMore(State::AwaitFirst { noise }));
                };
                check_key(Some(&message))?;
                read_message(&mut noise, &message)?;
                let mut payload = self.cert.encode();
                payload.resize(PAYLOAD_LEN, 0);
                write_message(&mut noise, &payload, &mut progress.write)?;
                Ok(Step::Next(State::AwaitThird { noise }))
            }
            State::AwaitThird { mut noise } => {
                let Some(message) = self.next_message(THIRD_LEN)? else {
                    return Ok(Step::NeedMore(State::AwaitThird { noise }));
                };
                let payload = read_message(&mut noise, &message)?;
                let (peer, cert) = self.check_cert(&noise, &payload, now_s)?;
                let said = payload.get(cert::LEN).map(|byte| Purpose(*byte));
                let purpose = said.filter(|purpose| self.served.contains(purpose)).ok_or(HandshakeError::Purpose)?;
                progress.done = Some(self.establish(*noise, peer, purpose, &cert)?);
                Ok(Step::Done)
            }
            State::NoCommonVersion => Err(HelloError::NoCommonVersion.into()),
            State::Over => Err(HandshakeError::Over),
        }
    }

    fn noise(&self, prologue: &[u8], initiator: bool) -> Result<HandshakeState, HandshakeError> {
        let params: NoiseParams = PATTERN.parse().map_err(|_| HandshakeError::Noise)?;
        let resolver = Box::new(Fixed(zeroize::Zeroizing::new(*self.entropy)));
        let build = || {
            let builder =
                Builder::with_resolver(params, resolver).local_private_key(&*self.secret)?.prologue(prologue)?;
            if initiator { builder.build_initiator() } else { builder.build_responder() }
        };
        build().map_err(|_| HandshakeError::Noise)
    }

    /// The next message, which must have exactly `expected` bytes. The length is judged before anything is waited for.
    fn next_message(&mut self, expected: usize) -> Result<Option<Vec<u8>>, HandshakeError> {
        let Some((length, rest)) = self.received.split_first_chunk::<2>() else { return Ok(None) };
        if usize::from(u16::from_be_bytes(*length)) != expected {
            return Err(HandshakeError::Length);
        }
        let Some(message) = rest.get(..expected).map(<[u8]>::to_vec) else { return Ok(None) };
        self.received.drain(..2 + expected);
        Ok(Some(message))
    }

    fn establish(
        &mut self,
        noise: HandshakeState,
        peer: PeerId,
        purpose: Purpose,
        cert: &DeviceCert,
    ) -> Result<Established, HandshakeError> {
        let binding = noise.get_handshake_hash().try_into().map_err(|_| HandshakeError::Noise)?;
        let transport = noise.into_transport_mode().map_err(|_| HandshakeError::Noise)?;
        let (sealer, mut opener) = records::pair(transport);
        opener.push(&std::mem::take(&mut self.received));
        Ok(Established {
            peer,
            purpose,
            device: cert.device,
            dev_no: cert.dev_no,
            epoch: cert.epoch,
            binding,
            sealer,
            opener,
        })
    }
}

enum Step {
    Next(State),
    NeedMore(State),
    Done,
}

fn write_message(noise: &mut HandshakeState, payload: &[u8], out: &mut Vec<u8>) -> Result<(), HandshakeError> {
    let mut message = [0; SECOND_LEN];
    let len = noise.write_message(payload, &mut message).map_err(|_| HandshakeError::Noise)?;
    out.extend(u16::try_from(len).map_err(|_| HandshakeError::Length)?.to_be_bytes());
    out.extend(message.get(..len).ok_or(HandshakeError::Length)?);
    Ok(())
}

fn read_message(noise: &mut HandshakeState, message: &[u8]) -> Result<Vec<u8>, HandshakeError> {
    let mut payload = vec![0; message.len()];
    let len = noise.read_message(message, &mut payload).map_err(|_| HandshakeError::Noise)?;
    payload.truncate(len);
    Ok(payload)
}

#[cfg(test)]
mod tests;
