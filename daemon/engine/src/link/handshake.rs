//! The handshake over a stream: each flight has a time of its own.

use super::context::LinkContext;
use super::failure::{Failure, PeerFault};
use super::stream::WRITE_TIME;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;
use torchat_core::handshake::{Established, Handshake};
use torchat_protocol::id::PeerId;
use torchat_protocol::purpose::Purpose;
use torchat_transport::BoxStream;

/// A peer must say who it is within this time.
pub(crate) const HANDSHAKE_TIME: Duration = Duration::from_secs(60);
/// The first bytes of an incoming stream must come within this time.
pub(crate) const FIRST_BYTES_TIME: Duration = Duration::from_secs(5);
/// Each flight of a handshake must be whole within this time after the one before it. Without it, a peer that we dial could hold
/// one of the few places for dials for the whole of a handshake's time with a byte now and then.
pub(crate) const FLIGHT_TIME: Duration = Duration::from_secs(20);

/// Which side of the handshake we are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role<'a> {
    /// We dialled this peer, for this.
    Dialled(PeerId, Purpose),
    /// A stream was opened to us; it may be for one of these.
    Accepted(&'a [Purpose]),
}

/// Proves who is at the other end. `said` are bytes that the other end said already. `reached` hears how many flights of the
/// other end were heard, after each.
///
/// # Errors
/// A [`Failure`]: the stream is to be closed without a word.
pub(crate) async fn shake_hands(
    stream: &mut BoxStream,
    role: Role<'_>,
    said: &[u8],
    context: &LinkContext,
    reached: impl Fn(u8),
) -> Result<Established, Failure> {
    let begun = Instant::now();
    let entropy = context.randomness.bytes();
    // A daemon may run longer than its first certificate is valid.
    let now_s = context.clock.now_s();
    let renewed = context.identity.wants_renewal(now_s).then(|| context.identity.renewed(now_s));
    let identity = renewed.as_ref().unwrap_or(&context.identity);
    let (mut handshake, first) = match role {
        Role::Dialled(peer, purpose) => Handshake::initiator(identity, peer, purpose, entropy),
        Role::Accepted(served) => (Handshake::responder(identity, served, entropy), Vec::new()),
    };
    if !first.is_empty() {
        send(stream, &first).await?;
    }
    let mut buffer = [0; 2048];
    let mut flights = 0;
    let mut flight_until = begun + FLIGHT_TIME;
    let mut until = match role {
        Role::Dialled(..) => flight_until,
        Role::Accepted(_) => begun + FIRST_BYTES_TIME,
    };
    let mut said = (!said.is_empty()).then_some(said);
    loop {
        let bytes = match said.take() {
            Some(said) => said,
            None => hear(stream, &mut buffer, until).await?,
        };
        let progress = handshake.receive(bytes, context.clock.now_s()).map_err(PeerFault::from)?;
        if !progress.write.is_empty() {
            send(stream, &progress.write).await?;
        }
        if let Some(established) = progress.done {
            return Ok(established);
        }
        if handshake.flights() > flights {
            flights = handshake.flights();
            flight_until = Instant::now() + FLIGHT_TIME;
            reached(flights);
        }
        until = flight_until;
    }
}

/// Speaks to a service as far as its hello, which shows that somebody serves it who speaks the protocol.
///
/// # Errors
/// A [`Failure`]: the stream is to be closed without a word.
pub(crate) async fn hear_hello(stream: &mut BoxStream, peer: PeerId, context: &LinkContext) -> Result<(), Failure> {
    let entropy = context.randomness.bytes();
    let (mut handshake, first) = Handshake::initiator(&context.identity, peer, Purpose::CHAT, entropy);
    send(stream, &first).await?;
    let mut buffer = [0; 2048];
    let until = Instant::now() + FLIGHT_TIME;
    loop {
        let bytes = hear(stream, &mut buffer, until).await?;
        let progress = handshake.receive(bytes, context.clock.now_s()).map_err(PeerFault::from)?;
        // What we would say next follows a whole hello. It is not said: nothing more is to be learnt from ourselves.
        if !progress.write.is_empty() {
            return Ok(());
        }
    }
}

/// The next bytes of a handshake.
///
/// # Errors
/// A [`Failure`]: the stream is to be closed without a word.
pub(crate) async fn hear<'a>(
    stream: &mut BoxStream,
    buffer: &'a mut [u8],
    until: Instant,
) -> Result<&'a [u8], Failure> {
    match tokio::time::timeout_at(until, stream.read(buffer)).await {
        Err(_) => Err(PeerFault::TooSlow.into()),
        Ok(Err(error)) => Err(Failure::Network(error)),
        Ok(Ok(0)) => Err(PeerFault::Left.into()),
        Ok(Ok(n)) => Ok(buffer.get(..n).unwrap_or_default()),
    }
}

async fn send(stream: &mut BoxStream, bytes: &[u8]) -> Result<(), Failure> {
    let write = async {
        stream.write_all(bytes).await?;
        // A Tor stream keeps small writes back until it is flushed.
        stream.flush().await
    };
    match tokio::time::timeout(WRITE_TIME, write).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Failure::Network(error)),
        Err(_) => Err(PeerFault::NotRead.into()),
    }
}
