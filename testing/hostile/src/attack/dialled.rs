//! Services that lie to the daemon that dials them.

use super::{Attack, Kind, handshake, row, unproven};
use crate::forger::{CHAT, Forger, PAYLOAD_LEN, SMALL_ORDER};
use crate::target::Target;
use crate::way::{BoxStream, Way};
use anyhow::{Context as _, ensure};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use torchat_protocol::hello;
use torchat_protocol::id::PeerId;
use torchat_protocol::message::PeerMessage;

const REFUSED: &str = "the daemon ends the stream instead of its third message";
/// What a dialling daemon says before it believes the service anything: its hello and the first message.
const FIRST_WORDS: usize = 6 + 2 + 32;
/// How long a daemon waits for each flight of a service that has taken the stream.
const FLIGHT: Duration = Duration::from_secs(20);

/// A service of the attacker's, which the daemon's user has been talked into adding, or whose invite they took.
pub(super) struct Service {
    target: Arc<Target>,
    peer: PeerId,
    listener: TcpListener,
    file: PathBuf,
}

impl Service {
    async fn open(target: &Arc<Target>, peer: PeerId) -> anyhow::Result<Self> {
        let service = Self::listen(target, peer).await?;
        target.ask(move |client| Ok(client.add(&peer.onion())?)).await?;
        Ok(service)
    }

    /// Waits for the daemon, which knows nothing of it yet.
    pub(super) async fn listen(target: &Arc<Target>, peer: PeerId) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let file = directory(target)?.join(peer.onion());
        std::fs::write(&file, listener.local_addr()?.port().to_string())?;
        Ok(Self { target: target.clone(), peer, listener, file })
    }

    pub(super) async fn accept(&self) -> anyhow::Result<BoxStream> {
        let accepted = tokio::time::timeout(3 * self.target.patience, self.listener.accept());
        let (stream, _) = accepted.await.context("the daemon does not dial")??;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }

    /// Nobody can dial it any more.
    pub(super) fn gone(self) -> anyhow::Result<()> {
        Ok(std::fs::remove_file(&self.file)?)
    }

    async fn close(self) -> anyhow::Result<()> {
        std::fs::remove_file(&self.file)?;
        let onion = self.peer.onion();
        self.target.ask(move |client| Ok(client.decide("REMOVE", &onion, "")?)).await
    }
}

fn directory(target: &Target) -> anyhow::Result<&Path> {
    match &target.way {
        Way::Loopback(directory) => Ok(directory),
        Way::Socks(_) => anyhow::bail!("only on loopback"),
    }
}

/// Answers of something that is no service of ours.
fn foreign() -> Vec<(&'static str, Vec<u8>)> {
    let second = |length: u16, e: [u8; 32]| {
        [&hello::server_hello(hello::VERSION)[..], &length.to_be_bytes(), &e, &[7; 1024]].concat()
    };
    let mut answers = vec![
        ("nothing", Vec::new()),
        ("HTTP", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        ("64 KiB of zeros", vec![0; 65_536]),
        ("no common version", b"TCHT\xff".to_vec()),
        ("a version that was not offered", b"TCHT\x02".to_vec()),
        ("version 0", b"TCHT\x00".to_vec()),
        ("a second message of noise", second(544, [9; 32])),
        ("a second message of length 0", second(0, [9; 32])),
        ("a second message of 65,535 bytes", second(u16::MAX, [9; 32])),
    ];
    answers.extend(SMALL_ORDER.map(|point| ("a point of small order as the ephemeral key", second(544, point))));
    answers
}

pub(super) fn rows() -> Vec<Attack> {
    let mut rows = vec![
        row(Kind::Quick, "dialled: no lie at all", "the daemon says HELLO", |target| async move {
            let forger = Forger::fresh();
            let service = Service::open(&target, forger.peer()?).await?;
            let (mut link, cert) = forger.serve(service.accept().await?, service.peer).await?;
            ensure!(&cert.identity == target.peer.as_bytes(), "the daemon shows another identity");
            let first = link.hear(target.patience).await?;
            ensure!(matches!(first, Some(PeerMessage::Hello(_))), "{first:?}");
            service.close().await
        }),
        row(Kind::Quick, "dialled: another's perfect certificate for its own key", REFUSED, |target| async move {
            let (dialled, impostor) = (Forger::fresh().peer()?, Forger::fresh());
            lie(&target, dialled, &impostor).await
        }),
        row(Kind::Quick, "dialled: a point of small order as the device's key", REFUSED, |target| async move {
            for point in SMALL_ORDER {
                let forger = Forger::fresh();
                let peer = forger.peer()?;
                lie(&target, peer, &forger.with_weak_device(point)).await?;
            }
            Ok(())
        }),
        row(
            Kind::Quick,
            "dialled: the purpose of a client behind the certificate",
            "it is ignored or refused",
            |target| {
                // A service has no purpose to say; its payload is zeros after the certificate. What else stands there is
                // for later versions, so the daemon may go on.
                async move {
                    let forger = Forger::fresh();
                    let cert = forger.signed(forger.cert());
                    let forger = forger.showing(&cert, 255);
                    let service = Service::open(&target, forger.peer()?).await?;
                    let _ = forger.serve(service.accept().await?, service.peer).await;
                    service.close().await
                }
            },
        ),
        row(Kind::Quick, "relay: the daemon's dial is passed on to another daemon", REFUSED, |target| async move {
            let to = target.honest_peer().await?;
            relay(&target, to).await
        }),
        row(Kind::Quick, "reflection: the daemon's dial is passed on to itself", REFUSED, |target| async move {
            relay(&target, target.peer).await
        }),
        row(Kind::Quick, "reflection: an echo", REFUSED, |target| async move {
            let service = Service::open(&target, Forger::fresh().peer()?).await?;
            let (mut reader, mut writer) = tokio::io::split(service.accept().await?);
            let echo = tokio::time::timeout(target.patience, tokio::io::copy(&mut reader, &mut writer));
            // A reset is an end too.
            let bytes = echo.await.context("the daemon keeps the stream")?.unwrap_or_default();
            ensure!(bytes <= FIRST_WORDS as u64, "it says {bytes} bytes to itself");
            service.close().await
        }),
        row(
            Kind::Slow,
            "dialled: a service that says nothing (the 8 places for dials)",
            "the daemon gives up after 20 s",
            |target| async move {
                let service = Service::open(&target, Forger::fresh().peer()?).await?;
                let mut stream = service.accept().await?;
                let mut said = Vec::new();
                let read = stream.read_to_end(&mut said);
                let _ = tokio::time::timeout(FLIGHT + target.patience, read).await.context("it waits for ever")?;
                ensure!(said.len() <= FIRST_WORDS, "it says {} bytes", said.len());
                service.close().await
            },
        ),
    ];
    for (name, lie_of) in handshake::certificates() {
        // What a client says of its purpose is no lie of a service.
        if name.starts_with("purpose") {
            continue;
        }
        rows.push(row(Kind::Quick, format!("dialled: certificate: {name}"), REFUSED, move |target| async move {
            let forger = Forger::fresh();
            let peer = forger.peer()?;
            lie(&target, peer, &lie_of(forger, target.peer)?).await
        }));
    }
    for torsion in 1..8 {
        let name = format!("dialled: certificate: torsion {torsion}, whose signature verifies");
        rows.push(row(Kind::Quick, name, REFUSED, move |target| async move {
            let forger = Forger::fresh();
            let peer = forger.peer()?;
            let cert = forger.signed_with_torsion(torsion)?;
            lie(&target, peer, &forger.showing(&cert, CHAT)).await
        }));
    }
    rows.extend(foreign().into_iter().enumerate().map(|(n, (name, answer))| {
        row(Kind::Quick, format!("dialled: answer {n}: {name}"), REFUSED, move |target| {
            let answer = answer.clone();
            async move {
                let service = Service::open(&target, Forger::fresh().peer()?).await?;
                let mut stream = service.accept().await?;
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
                let mut said = Vec::new();
                let read = stream.read_to_end(&mut said);
                let _ = tokio::time::timeout(target.patience, read).await.context("the daemon keeps the stream")?;
                ensure!(said.len() <= FIRST_WORDS, "it says {} bytes", said.len());
                service.close().await
            }
        })
    }));
    rows.into_iter().map(Attack::on_loopback).collect()
}

/// The daemon dials `dialled` and finds this one there.
async fn lie(target: &Arc<Target>, dialled: PeerId, forger: &Forger) -> anyhow::Result<()> {
    ensure!(forger.payload().len() <= PAYLOAD_LEN + 16, "a payload that the table does not have");
    let service = Service::open(target, dialled).await?;
    let mut half = forger.serve_second(service.accept().await?, dialled).await?;
    unproven::ends(&mut half.stream, b"", target.patience).await?;
    service.close().await
}

/// The man in the middle: whatever the daemon says goes to another one, and back.
async fn relay(target: &Arc<Target>, to: PeerId) -> anyhow::Result<()> {
    let port = std::fs::read_to_string(directory(target)?.join(to.onion()))?.trim().parse::<u16>()?;
    let service = Service::open(target, Forger::fresh().peer()?).await?;
    let (from, to_from) = tokio::io::split(service.accept().await?);
    let (other, to_other) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?.into_split();
    let both = async { tokio::join!(pass_on(from, to_other), pass_on(other, to_from)) };
    let (said, _) = tokio::time::timeout(target.patience, both).await.context("both ends talk on")?;
    ensure!(said <= FIRST_WORDS, "it says {said} bytes to a man in the middle");
    service.close().await
}

/// Passes on whatever comes until one of the two ends, and says how much it was.
async fn pass_on(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> usize {
    let (mut bytes, mut buffer) = (0, [0; 4096]);
    // A reset is an end too: the side that noticed the middle closed with bytes unread.
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        bytes += n;
        if to.write_all(buffer.get(..n).unwrap_or_default()).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
    bytes
}
