//! Our onion service: published for the life of the process, one virtual port, every other stream refused.

use crate::Client;
use crate::circuits::{Circuits, IDLE_CIRCUITS};
use crate::report::report;
use crate::stream::TorStream;
use arti_client::config::onion_service::{OnionServiceConfig, OnionServiceConfigBuilder};
use futures::StreamExt as _;
use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tor_cell::relaycell::msg::{Connected, End, EndReason};
use tor_hscrypto::pk::HsIdKeypair;
use tor_hsservice::config::TokenBucketConfig;
use tor_hsservice::{HsNickname, RendRequest, RunningOnionService, StreamRequest};
use tor_llcrypto::pk::ed25519::ExpandedKeypair;
use tor_proto::stream::IncomingStreamRequest;
use torchat_transport::{BoxStream, Callers, Circuit, Incoming};

/// The service's name in arti's state directory.
const NICKNAME: &str = "torchatd";
/// Streams on one circuit: a peer needs one, and one more while it replaces a dead one. arti's default is 65,535.
const STREAMS_PER_CIRCUIT: u32 = 4;
/// Introductions in a second, and how many may come at once; the introduction points enforce it (proposal 305).
const INTRO_RATE: (u32, u32) = (5, 20);
/// Circuits that are being built to callers at the same time. At this number further callers wait in arti's queue.
const MEETING: usize = 256;
/// Accepted streams that wait for the engine at the same time; further ones are refused.
const WAITING: usize = 64;
/// A circuit must be built, and a stream accepted and taken by the engine, within this time.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn keypair(secret: &[u8; 64]) -> Option<HsIdKeypair> {
    ExpandedKeypair::from_secret_key_bytes(*secret).map(HsIdKeypair::from)
}

/// Forgets the introduction points of the process before. Their keys were in its memory only, so arti could but make new
/// ones for the same relays, and calls each of them a bug of its own. To be called before the launch.
pub(crate) fn forget_introductions(state_dir: &Path) {
    let service = state_dir.join("hss").join(NICKNAME);
    for name in ["ipts.json", "iptpub.json"] {
        if let Err(error) = std::fs::remove_file(service.join(name))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::debug!("{name} of Tor's state cannot be removed: {error}");
        }
    }
}

/// Why a service was not launched.
#[derive(Debug)]
pub(crate) enum NoService {
    /// Arti's reason.
    Arti(arti_client::Error),
    /// Another one.
    Words(String),
}

/// Launches the service. Accepted streams go to `acceptor`.
pub(crate) fn launch(
    client: &Client,
    key: HsIdKeypair,
    port: u16,
    acceptor: mpsc::Sender<Incoming>,
    callers: Callers,
) -> Result<Arc<RunningOnionService>, NoService> {
    let launched = client.launch_onion_service_with_hsid(config()?, key).map_err(NoService::Arti)?;
    let (running, introductions) = launched.ok_or_else(|| NoService::Words("the onion service is disabled".into()))?;
    let service = Arc::new(Service {
        port,
        acceptor,
        callers,
        meeting: Arc::new(Semaphore::new(MEETING)),
        waiting: Semaphore::new(WAITING),
        circuits: Circuits::new(IDLE_CIRCUITS),
    });
    tokio::spawn(receive(introductions, service));
    Ok(running)
}

/// The service as arti shall run it.
fn config() -> Result<OnionServiceConfig, NoService> {
    let fail = |error: &dyn std::fmt::Display| NoService::Words(error.to_string());
    let nickname: HsNickname = NICKNAME.parse().map_err(|error| fail(&error))?;
    let mut config = OnionServiceConfigBuilder::default();
    config
        .nickname(nickname)
        .max_concurrent_streams_per_circuit(STREAMS_PER_CIRCUIT)
        .rate_limit_at_intro(Some(TokenBucketConfig::new(INTRO_RATE.0, INTRO_RATE.1)));
    config.build().map_err(|error| fail(&error))
}

/// What all circuits to our service share.
struct Service {
    port: u16,
    acceptor: mpsc::Sender<Incoming>,
    callers: Callers,
    meeting: Arc<Semaphore>,
    waiting: Semaphore,
    circuits: Circuits,
}

/// Answers introductions. Arti's own `handle_rend_requests` is not used: it keeps any number of circuits, each some
/// 0.13 MB, for as long as the callers like.
async fn receive(introductions: impl futures::Stream<Item = RendRequest>, service: Arc<Service>) {
    let mut introductions = pin!(introductions);
    while let Some(introduction) = introductions.next().await {
        let Ok(place) = service.meeting.clone().acquire_owned().await else { break };
        tokio::spawn(meet(introduction, service.clone(), place));
    }
    tracing::warn!("the onion service takes no streams any more");
}

/// One circuit to a caller, from the introduction until it is closed or has been idle for too long.
async fn meet(introduction: RendRequest, service: Arc<Service>, place: OwnedSemaphorePermit) {
    let mut requests = match tokio::time::timeout(PATIENCE, introduction.accept()).await {
        Ok(Ok(requests)) => requests,
        Ok(Err(error)) => return tracing::debug!("a caller was not met: {}", report(&error)),
        Err(_) => return tracing::debug!("a caller was not met in time"),
    };
    drop(place);
    let streams = Arc::new(Semaphore::new(STREAMS_PER_CIRCUIT as usize));
    let circuit = service.callers.circuit();
    let mut refused = 0;
    while refused < STREAMS_PER_CIRCUIT {
        let request = tokio::select! {
            biased;
            request = requests.next() => request,
            () = service.circuits.until_unwanted(&streams, STREAMS_PER_CIRCUIT) => {
                return tracing::debug!("a circuit without streams was closed");
            }
        };
        // Without one the caller closed the circuit.
        let Some(request) = request else { return };
        match service.admit(request, &streams, &circuit).await {
            Admitted::Ours => {}
            Admitted::Wrong => refused += 1,
            Admitted::Spent => return tracing::debug!("a circuit was closed after streams that proved nothing"),
        }
    }
    // Somebody who tries one port after the other. C tor closes the circuit at the first wrong one.
    tracing::debug!("a circuit was closed after wrong requests");
}

/// What came of a request for a stream.
enum Admitted {
    /// It was for our port. That it was lost on the way, or too much, is not the caller's fault.
    Ours,
    /// It was for another port, or for none.
    Wrong,
    /// The circuit has brought too many streams that proved nothing, and is closed.
    Spent,
}

impl Service {
    /// Takes a stream, or refuses it.
    async fn admit(&self, request: StreamRequest, streams: &Arc<Semaphore>, circuit: &Circuit) -> Admitted {
        let ours = matches!(request.request(), IncomingStreamRequest::Begin(begin) if begin.port() == self.port);
        let (Ok(open), Ok(_waiting), true) = (streams.clone().try_acquire_owned(), self.waiting.try_acquire(), ours)
        else {
            // DONE, as if the stream had ended: no hint which ports exist.
            let _ = request.reject(End::new_with_reason(EndReason::DONE)).await;
            return if ours { Admitted::Ours } else { Admitted::Wrong };
        };
        if !circuit.admits() {
            // With whatever else it carries: all of it is of this caller. Silent streams cost an introduction now.
            if let Err(error) = request.shutdown_circuit() {
                tracing::debug!("a circuit could not be closed: {}", report(&error));
            }
            return Admitted::Spent;
        }
        let taken = tokio::time::timeout(PATIENCE, async {
            let stream = request.accept(Connected::new_empty()).await.map_err(|error| report(&error))?;
            let stream: BoxStream = Box::new(TorStream::new(stream, Some(open)));
            self.acceptor
                .send(Incoming { stream, circuit: circuit.clone() })
                .await
                .map_err(|_| "the daemon is stopping".to_owned())
        });
        match taken.await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => tracing::debug!("an incoming stream was lost: {why}"),
            Err(_) => tracing::debug!("an incoming stream was not taken in time"),
        }
        Admitted::Ours
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn introduction_points_whose_keys_are_gone_are_forgotten_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let service = dir.path().join("hss").join(NICKNAME);
        forget_introductions(dir.path());
        std::fs::create_dir_all(service.join("iptreplay")).unwrap();
        for name in ["ipts.json", "iptpub.json", "lock"] {
            std::fs::write(service.join(name), "{}").unwrap();
        }
        forget_introductions(dir.path());
        let mut left: Vec<_> = service.read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["iptreplay", "lock"]);
    }

    #[test]
    fn strangers_are_kept_within_limits() {
        let config = config().unwrap();
        assert_eq!(*config.max_concurrent_streams_per_circuit(), 4);
        assert_eq!(*config.rate_limit_at_intro(), Some(TokenBucketConfig::new(5, 20)));
        assert!(*config.enabled());
    }
}
