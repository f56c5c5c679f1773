//! Real networks of real `tor` processes. They need Debian's package tor, which `cargo xtask test` installs.
#![allow(clippy::unwrap_used)]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use torchat_tornet::{Config, Counts, Network};

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    /// The name holds what a torrc takes for the end of a value, unless it is quoted.
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("torchat-tornet {name} #{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A failed test may leave a network that has no owner.
        if let Ok(network) = Network::open(&self.0.join("net")) {
            let _ = network.stop();
        }
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Some process that does nothing, to own a network.
struct Owner(Child);

impl Owner {
    fn new() -> Self {
        Self(Command::new("sleep").arg("600").spawn().unwrap())
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn eventually(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn pids(network: &Network) -> Vec<u32> {
    network.status().nodes.into_iter().filter_map(|(_, pid)| pid).collect()
}

/// The state letter of a process (proc(5)), if it lives.
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next().filter(|state| !matches!(state, 'Z' | 'X'))
}

fn is_gone(pid: u32) -> bool {
    state(pid).is_none()
}

#[test]
fn a_network_serves_and_leaves_nothing_behind() {
    let folder = Folder::new("serves");
    let dir = folder.0.join("net");
    let owner = Some(std::process::id());
    let begun = Instant::now();
    let network = Network::start(Config { dir: dir.clone(), owner, ..Config::default() }).unwrap();
    println!("usable after {:?}", begun.elapsed());

    let status = network.status();
    assert!(status.is_usable(), "{status}");
    assert_eq!(status.consensus, Some(Counts { relays: 8, running: 8, hsdir: 8, guard: 8 }));
    assert_eq!(network.nodes().collect::<Vec<_>>(), ["a1", "a2", "a3", "r1", "r2", "r3", "r4", "r5"]);
    let toml = network.arti_toml().unwrap();
    assert_eq!(toml.matches("rsa_identity").count(), 3, "{toml}");
    assert_eq!(std::fs::read_to_string(network.config_path()).unwrap(), toml);

    // Nobody else starts a network here meanwhile.
    let error = Network::start(Config { dir: dir.clone(), ..Config::default() }).unwrap_err();
    assert!(format!("{error:#}").contains("runs in"), "{error:#}");

    let client = network.socks_client().unwrap();
    let mut socks = TcpStream::connect((Ipv4Addr::LOCALHOST, client.port())).unwrap();
    socks.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // RFC 1928: version 5, one method, "no authentication"; the answer takes it.
    socks.write_all(&[5, 1, 0]).unwrap();
    let mut answer = [9; 2];
    socks.read_exact(&mut answer).unwrap();
    assert_eq!(answer, [5, 0]);
    let port = client.port();
    drop(client);
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err(), "the client is still there");

    let mut all = pids(&network);
    let r1 = network.status().nodes[3].1.unwrap();
    network.suspend("r1").unwrap();
    eventually("r1 is suspended", Duration::from_secs(5), || state(r1) == Some('T'));
    network.resume("r1").unwrap();
    eventually("r1 goes on", Duration::from_secs(5), || state(r1).is_some_and(|state| state != 'T'));
    assert!(network.restart("r1").is_err(), "it runs");
    network.kill("r1").unwrap();
    assert!(is_gone(r1));
    assert!(!network.status().is_usable());
    assert!(network.kill("r1").is_err() && network.suspend("r1").is_err() && network.kill("x9").is_err());
    network.restart("r1").unwrap();
    all.push(network.status().nodes[3].1.unwrap());
    assert!(network.status().is_usable());

    // One that is suspended must end too.
    network.suspend("a2").unwrap();
    network.stop().unwrap();
    assert!(all.iter().all(|pid| is_gone(*pid)), "{all:?}");
    assert!(!dir.exists());
}

#[test]
fn a_network_ends_with_its_owner_and_is_replaced() {
    let folder = Folder::new("owner");
    let config =
        |owner: &Owner| Config { dir: folder.0.join("net"), relays: 1, owner: Some(owner.0.id()), ..Config::default() };
    let mut first = Owner::new();
    let abandoned = Network::start(config(&first)).unwrap();
    let old = pids(&abandoned);
    assert_eq!(old.len(), 4);
    // As after kill -9: nobody stops anything.
    std::mem::forget(abandoned);
    first.kill();
    // The abandoned processes have up to 15 s to live, and must not stand in the way.
    let mut second = Owner::new();
    let network = Network::start(config(&second)).unwrap();
    assert!(old.iter().all(|pid| is_gone(*pid)), "{old:?}");
    let new = pids(&network);
    assert_eq!(new.len(), 4);
    second.kill();
    eventually("every tor has ended by itself", Duration::from_secs(60), || new.iter().all(|pid| is_gone(*pid)));
    network.stop().unwrap();
    assert!(!folder.0.join("net").exists());
}

#[test]
fn a_network_without_an_owner_stays_until_it_is_stopped() {
    let folder = Folder::new("stays");
    let dir = folder.0.join("net");
    // A folder of somebody else's, so it stays.
    std::fs::create_dir(&dir).unwrap();
    drop(Network::start(Config { dir: dir.clone(), relays: 1, ..Config::default() }).unwrap());
    let network = Network::open(&dir).unwrap();
    assert!(network.status().is_usable(), "{}", network.status());
    let all = pids(&network);
    // A client that is still there does not keep it.
    let client = network.socks_client().unwrap();
    std::fs::write(dir.join("mine"), "kept").unwrap();
    network.stop().unwrap();
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, client.port())).is_err(), "the client is still there");
    assert!(all.iter().all(|pid| is_gone(*pid)), "{all:?}");
    let left: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["mine"]);
    assert!(Network::open(&dir).is_err());
}

#[test]
fn a_start_that_fails_leaves_nothing() {
    let folder = Folder::new("fails");
    let dir = folder.0.join("net");
    let start = |config: Config| format!("{:#}", Network::start(config).unwrap_err());

    let interrupted = Some(Arc::new(AtomicBool::new(true)));
    let error = start(Config { dir: dir.clone(), authorities: 1, relays: 0, interrupted, ..Config::default() });
    assert!(error.contains("interrupted"), "{error}");
    assert!(!dir.exists() && !runs_below(&folder.0));

    // What tor would refuse is refused before it is asked.
    let error = start(Config { dir: dir.clone(), voting_interval_s: 17, ..Config::default() });
    assert!(error.contains("half an hour"), "{error}");
    assert!(!dir.exists());

    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("mine"), "kept").unwrap();
    let error = start(Config { dir: dir.clone(), ..Config::default() });
    assert!(error.contains("not empty"), "{error}");
    assert_eq!(std::fs::read_to_string(dir.join("mine")).unwrap(), "kept");
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1);
}

/// Whether any process names a path below `folder` in its command line.
fn runs_below(folder: &Path) -> bool {
    let folder = folder.to_str().unwrap();
    std::fs::read_dir("/proc").unwrap().filter_map(Result::ok).any(|entry| {
        std::fs::read(entry.path().join("cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(folder))
    })
}
