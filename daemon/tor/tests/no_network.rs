//! Arti where there is no network at all: what a daemon says and does then. Nothing leaves the machine.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use torchat_core::handshake::LocalIdentity;
use torchat_tor::{StartError, TorConfig};
use torchat_transport::{DialError, Group, Isolation, NetworkStatus};

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
    let refused = network.transport.dial(peer, Isolation::Fresh(Group::CHAT)).await;
    assert!(matches!(&refused, Err(DialError::NoNetwork(why)) if !why.is_empty()), "not refused as it should be");
    assert!(begun.elapsed() < Duration::from_secs(5), "a dial must not wait for the start to succeed");

    let mut status = network.transport.status();
    // Arti itself goes on forever here, and calls it neither a failure nor a blockage.
    let told = status.wait_for(|status| status.sentence.contains("without progress"));
    let told = tokio::time::timeout(Duration::from_secs(120), told).await.unwrap().unwrap().clone();
    println!("after {:.1} s: {}", begun.elapsed().as_secs_f64(), told.sentence);
    assert!(!told.usable && told.percent < 100);
    assert!(!told.sentence.contains(&identity(1).peer_id().onion()[..56]));
}

/// What a daemon says as soon as it says more than at its beginning.
async fn said(network: &torchat_transport::Network, contains: &str) -> NetworkStatus {
    let mut status = network.transport.status();
    let told = status.wait_for(|status| status.sentence.contains(contains));
    match tokio::time::timeout(Duration::from_secs(120), told).await {
        Ok(told) => told.unwrap().clone(),
        Err(_) => panic!("{contains:?} is not said, but {:?}", *network.transport.status().borrow()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_state_directory_serves_one_service() {
    let dir = tempfile::tempdir().unwrap();
    let first = torchat_tor::start(nowhere(dir.path()), &identity(3).expanded_secret()).unwrap();
    said(&first, "connecting").await;
    let second = torchat_tor::start(nowhere(dir.path()), &identity(3).expanded_secret()).unwrap();
    let told = said(&second, "trying again in").await;
    assert!(told.sentence.starts_with("Tor cannot be started: ") && !told.usable, "{told:?}");
    assert!(told.notices.is_empty(), "nothing is damaged: {told:?}");
    drop(first);
}

/// Every file that a run made, damaged in every way: Tor starts anew, and says what was set aside.
#[test]
fn no_damage_to_what_can_be_made_again_keeps_tor_from_starting() {
    type Damage = fn(&Path);
    let ways: [(&str, Damage); 5] = [
        ("emptied", |path| fs::write(path, "").unwrap()),
        ("zeroed", |path| fs::write(path, [0; 4096]).unwrap()),
        ("garbage", |path| fs::write(path, [0xa5; 4096]).unwrap()),
        ("JSON of another kind", |path| {
            fs::write(path, "{\"version\": [\"x\"], \"stored\": 7, \"default\": 1}").unwrap()
        }),
        ("a directory", |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }),
    ];
    let run = |dir: &Path| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let told = runtime.block_on(async {
            let network = torchat_tor::start(nowhere(dir), &identity(5).expanded_secret()).unwrap();
            said(&network, "connecting to the Tor network").await
        });
        // Everything of it ends, its locks too.
        runtime.shutdown_timeout(Duration::from_secs(10));
        told
    };
    let template = tempfile::tempdir().unwrap();
    assert!(run(template.path()).notices.is_empty());
    // What a longer life adds.
    let state = template.path().join("state");
    fs::write(state.join("state/vanguards.json"), r#"{"l2_vanguards": [], "l3_vanguards": []}"#).unwrap();
    let made = files(template.path());
    assert!(made.iter().any(|path| path.ends_with("guards.json")) && made.len() >= 8, "{made:?}");
    for (how, damage) in ways {
        for file in &made {
            let dir = tempfile::tempdir().unwrap();
            copy(template.path(), dir.path());
            damage(&dir.path().join(file));
            let told = run(dir.path());
            let harmless = file.extension().is_some_and(|ext| ext == "lock") && how != "a directory"
                || file.ends_with("dir.sqlite3") && how == "emptied";
            // What arti takes all the same is not to be set aside.
            if !harmless && how != "JSON of another kind" {
                assert_eq!(told.notices.len(), 1, "{} {how}: {told:?}", file.display());
            }
            println!("{} {how}: {:?}", file.display(), told.notices.iter().map(|n| &n.sentence).collect::<Vec<_>>());
        }
    }
}

/// The files below a directory, by their names in it.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { open.push(path) } else { found.push(path.strip_prefix(dir).unwrap().to_owned()) }
        }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        if from.is_dir() {
            fs::DirBuilder::new().mode(0o700).create(&to).unwrap();
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
}

#[tokio::test]
async fn a_bad_configuration_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = nowhere(dir.path());
    config.options.insert("nonsense".into(), 1.into());
    assert!(matches!(torchat_tor::start(config, &identity(4).expanded_secret()), Err(StartError::Config(_))));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
