#![allow(clippy::unwrap_used)]
use super::*;
use crate::clock::{Clock, Randomness};
use crate::transport::{BoxStream, DialError};
use crate::{EngineConfig, Storage, World};
use futures::future::BoxFuture;
use torchat_core::handshake::LocalIdentity;
use torchat_protocol::control::api::event::{Filter, What};

/// Nobody is there.
struct Nobody(watch::Receiver<NetworkStatus>);

impl Transport for Nobody {
    fn dial(&self, _: PeerId, _: Isolation) -> BoxFuture<'_, Result<BoxStream, DialError>> {
        Box::pin(async { Err(DialError::PeerDown("nobody is there".into())) })
    }

    fn status(&self) -> watch::Receiver<NetworkStatus> {
        self.0.clone()
    }
}

#[tokio::test]
async fn the_log_tells_how_far_tor_is_until_it_is_usable() {
    let clock = Clock::simulated(1_790_000_000_000);
    let identity = LocalIdentity::from_seeds(&[1; 32], &[2; 32], clock.now_s()).unwrap();
    let says = |usable, percent, sentence: &str| NetworkStatus { usable, percent, sentence: sentence.into() };
    let (tor, status) = watch::channel(says(false, 0, "starting Tor"));
    let (_door, incoming) = mpsc::channel(1);
    let network = Network { transport: Arc::new(Nobody(status)), incoming };
    let dir = tempfile::tempdir().unwrap();
    let storage = Storage::File { path: dir.path().join("db"), max_bytes: None };
    let world = World { clock, randomness: Randomness::seeded(1) };
    let running = Engine::start(EngineConfig::default(), identity, storage, network, world).unwrap();
    let mut log = running.handle.log();
    let mut told = Vec::new();
    let steps = [
        (None, "starting Tor"),
        (Some(says(false, 40, "connecting (40 %)")), "connecting (40 %)"),
        // The same again is nothing new.
        (Some(says(false, 40, "connecting (40 %)")), "connecting (40 %)"),
        (Some(says(false, 80, "connecting (80 %)")), "connecting (80 %)"),
        (Some(says(true, 100, "connected")), "connected"),
        // Its words while it works are not: the next event is that of the loss.
        (Some(says(true, 100, "connected, published")), "connected"),
        (Some(says(false, 100, "lost")), "lost"),
    ];
    for (change, expected) in steps {
        if let Some(change) = change {
            tor.send_replace(change);
        }
        loop {
            let batch = log.after(0, 100, &Filter::default()).await.unwrap();
            told = batch.events.into_iter().map(|event| event.what).collect();
            if matches!(told.last(), Some(What::Tor { sentence, .. }) if sentence == expected) {
                break;
            }
            log.changed().await;
        }
    }
    let told: Vec<_> = told
        .iter()
        .filter_map(|what| match what {
            What::Tor { usable, sentence } => Some((*usable, sentence.as_str())),
            _ => None,
        })
        .collect();
    let expected = [
        (false, "starting Tor"),
        (false, "connecting (40 %)"),
        (false, "connecting (80 %)"),
        (true, "connected"),
        (false, "lost"),
    ];
    assert_eq!(told, expected);
    running.handle.stop();
    running.join.await.unwrap().unwrap();
}
