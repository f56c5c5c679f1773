//! Our onion service: published for the life of the process, one virtual port, every other stream refused.

use crate::{Client, StartError, status};
use arti_client::config::onion_service::OnionServiceConfigBuilder;
use futures::StreamExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tor_cell::relaycell::msg::{Connected, End, EndReason};
use tor_hscrypto::pk::HsIdKeypair;
use tor_hsservice::config::TokenBucketConfig;
use tor_hsservice::{HsNickname, RunningOnionService, StreamRequest};
use tor_llcrypto::pk::ed25519::ExpandedKeypair;
use tor_proto::stream::IncomingStreamRequest;
use torchat_engine::transport::BoxStream;

/// The service's name in arti's state directory.
const NICKNAME: &str = "torchatd";
/// Streams on one circuit: a peer needs one, and one more while it replaces a dead one. arti's default is 65,535.
const STREAMS_PER_CIRCUIT: u32 = 4;
/// Introductions in a second, and how many may come at once; the introduction points enforce it (proposal 305).
const INTRO_RATE: (u32, u32) = (5, 20);
/// Streams that are being accepted at the same time.
const ACCEPTING: usize = 64;
/// A stream must be accepted within this time.
const ACCEPT_TIME: Duration = Duration::from_secs(30);

pub(crate) fn keypair(secret: &[u8; 64]) -> Option<HsIdKeypair> {
    ExpandedKeypair::from_secret_key_bytes(*secret).map(HsIdKeypair::from)
}

/// Launches the service. Accepted streams go to `door`; while it is full, introductions wait in arti.
pub(crate) fn launch(
    client: &Client,
    key: HsIdKeypair,
    port: u16,
    door: mpsc::Sender<BoxStream>,
) -> Result<Arc<RunningOnionService>, StartError> {
    let fail = |error: &dyn std::fmt::Display| StartError::Arti(error.to_string());
    let nickname: HsNickname = NICKNAME.parse().map_err(|error| fail(&error))?;
    let mut config = OnionServiceConfigBuilder::default();
    config
        .nickname(nickname)
        .max_concurrent_streams_per_circuit(STREAMS_PER_CIRCUIT)
        .rate_limit_at_intro(Some(TokenBucketConfig::new(INTRO_RATE.0, INTRO_RATE.1)));
    let config = config.build().map_err(|error| fail(&error))?;
    let launched =
        client.launch_onion_service_with_hsid(config, key).map_err(|error| StartError::Arti(status::report(&error)))?;
    let (service, introductions) = launched.ok_or_else(|| StartError::Arti("the onion service is disabled".into()))?;
    let requests = tor_hsservice::handle_rend_requests(introductions);
    tokio::spawn(async move {
        requests.for_each_concurrent(ACCEPTING, |request| accept(request, port, door.clone())).await;
        tracing::warn!("the onion service takes no streams any more");
    });
    Ok(service)
}

async fn accept(request: StreamRequest, port: u16, door: mpsc::Sender<BoxStream>) {
    let ours = matches!(request.request(), IncomingStreamRequest::Begin(begin) if begin.port() == port);
    if !ours {
        // DONE, as if the stream had ended: no hint which ports exist.
        let _ = request.reject(End::new_with_reason(EndReason::DONE)).await;
        return;
    }
    match tokio::time::timeout(ACCEPT_TIME, request.accept(Connected::new_empty())).await {
        Ok(Ok(stream)) => drop(door.send(Box::new(stream)).await),
        Ok(Err(error)) => tracing::debug!("an incoming stream was lost: {}", status::report(&error)),
        Err(_) => tracing::debug!("an incoming stream took too long"),
    }
}
