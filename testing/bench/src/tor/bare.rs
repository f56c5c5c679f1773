//! The reference over Tor: torchat's transport without an engine. The same arti client and service in the same process
//! shape, streams that carry plain bytes, and a control server that can only say HOST.

use crate::refserver;
use anyhow::Context as _;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use torchat_core::handshake::LocalIdentity;
use torchat_engine::World;
use torchat_protocol::id::{PeerId, parse_onion};
use torchat_tor::TorConfig;
use torchat_transport::{BoxStream, Group, Isolation, Network, Transport};

/// One attempt of a dial, as in the engine.
const ATTEMPT: Duration = Duration::from_secs(25);
/// Between two attempts.
const AGAIN: Duration = Duration::from_millis(100);
/// Bytes of an echo: a message's frame.
const ECHO: usize = super::ECHO;

/// The identity of a bare process.
pub(super) fn identity(seed: u8) -> anyhow::Result<LocalIdentity> {
    Ok(LocalIdentity::from_seeds(&[seed; 32], &[seed.wrapping_add(50); 32], World::system().clock.now_s())?)
}

/// An arti client and a service, and nothing else.
pub(crate) fn start(dir: &Path, options: &toml::Table, identity: &LocalIdentity) -> anyhow::Result<Network> {
    let config = TorConfig {
        state_dir: dir.join("state"),
        cache_dir: dir.join("cache"),
        virtual_port: 80,
        options: options.clone(),
    };
    Ok(torchat_tor::start(config, &identity.expanded_secret())?)
}

/// The process. Serves until it is killed.
pub(crate) fn run(dir: &Path, config: &Path, seed: u8, dial: Option<&str>) -> anyhow::Result<()> {
    let options = super::options(config)?;
    // As torchatd's runtime.
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let Network { transport, mut incoming, callers: _ } = start(dir, &options, &identity(seed)?)?;
        tokio::spawn(async move {
            while let Some(incoming) = incoming.recv().await {
                tokio::spawn(send_back(incoming.stream));
            }
        });
        let _stream = match dial {
            Some(onion) => Some(reach(&transport, parse_onion(onion)?).await?),
            None => None,
        };
        refserver::answer(dir).await
    })
}

/// Sends back what comes, and keeps as little as possible for a stream on which nothing comes.
async fn send_back(mut stream: BoxStream) -> io::Result<()> {
    let mut buffer = [0; ECHO];
    loop {
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return stream.shutdown().await;
        }
        stream.write_all(&buffer[..n]).await?;
        stream.flush().await?;
    }
}

/// A stream to a bare process that has carried an echo: dialled with circuits of its own, again and again.
///
/// # Errors
/// When this can never succeed.
pub(super) async fn reach(transport: &Arc<dyn Transport>, peer: PeerId) -> anyhow::Result<BoxStream> {
    let mut status = transport.status();
    status.wait_for(|status| status.usable).await.context("Tor has ended")?;
    loop {
        let attempt = async {
            let mut stream =
                transport.dial(peer, Isolation::Fresh(Group::CHAT)).await.map_err(|error| error.to_string())?;
            super::echo(&mut stream).await.map_err(|error| error.to_string())?;
            Ok::<_, String>(stream)
        };
        match tokio::time::timeout(ATTEMPT, attempt).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(reason)) => eprintln!("a bare dial failed: {reason}"),
            Err(_) => eprintln!("a bare dial had no answer in time"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}
