//! Arti where there is no network at all: what a daemon says and does then. Nothing leaves the machine.
#![allow(clippy::unwrap_used)]

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};
use torchat_core::handshake::LocalIdentity;
use torchat_engine::transport::{DialError, Isolation};
use torchat_tor::{StartError, TorConfig};

/// A private network whose only directory cache refuses every connection.
fn nowhere(dir: &Path) -> TorConfig {
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let options = format!(
        r#"
        [tor_network]
        authorities = {{ v3idents = ["97D003816DA48701E171BE2C5B6AFC2AE9C2F346"] }}
        fallback_caches = [{{ rsa_identity = "F0ED5FF25D6859D6CDEBFF3734D22F1279923A78", ed_identity = "B04SRCrrQVGqNFqH6/xnMcPBYfDo+HmPTaUluuxYW18", orports = ["{closed}"] }}]
        [address_filter]
        allow_local_addrs = true
        "#
    );
    TorConfig {
        state_dir: dir.join("state"),
        cache_dir: dir.join("cache"),
        virtual_port: 80,
        options: options.parse().unwrap(),
    }
}

fn identity(n: u8) -> LocalIdentity {
    LocalIdentity::from_seeds(&[n; 32], &[n + 100; 32], 1_800_000_000).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_network_the_daemon_runs_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let network = torchat_tor::start(nowhere(dir.path()), &identity(1).expanded_secret()).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "the start does not wait for the network");

    let begun = Instant::now();
    let peer = identity(2).peer_id();
    let refused = network.transport.dial(peer, Isolation::Fresh).await;
    assert!(matches!(&refused, Err(DialError::NoNetwork(why)) if !why.is_empty()), "not refused as it should be");
    assert!(begun.elapsed() < Duration::from_secs(5), "a dial must not wait for the start to succeed");

    let mut status = network.transport.status();
    // Arti itself goes on for ever here, and calls it neither a failure nor a blockage.
    let told = status.wait_for(|status| status.sentence.contains("without progress"));
    let told = tokio::time::timeout(Duration::from_secs(120), told).await.unwrap().unwrap().clone();
    println!("after {:.1} s: {}", begun.elapsed().as_secs_f64(), told.sentence);
    assert!(!told.usable && told.percent < 100);
    assert!(!told.sentence.contains(&identity(1).peer_id().onion()[..56]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_state_directory_serves_one_service() {
    let dir = tempfile::tempdir().unwrap();
    let first = torchat_tor::start(nowhere(dir.path()), &identity(3).expanded_secret()).unwrap();
    let second = torchat_tor::start(nowhere(dir.path()), &identity(3).expanded_secret());
    assert!(matches!(&second, Err(StartError::Arti(why)) if !why.is_empty()));
    drop(first);
}

#[tokio::test]
async fn a_bad_configuration_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = nowhere(dir.path());
    config.options.insert("nonsense".into(), 1.into());
    assert!(matches!(torchat_tor::start(config, &identity(4).expanded_secret()), Err(StartError::Config(_))));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
