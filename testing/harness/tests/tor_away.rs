//! What a daemon says of a Tor network that is taken away and given back, while it dials nobody. On a network of its own,
//! because the other tests need theirs: `cargo xtask test` runs it, and says where torchatd is.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use torchat_testkit::daemon::{Daemon, eventually};
use torchat_testkit::pace;
use torchat_tornet::{Config, Network};

/// How soon a dead network is told, as OPERATIONS.md has it.
const TOLD: Duration = Duration::from_secs(20);
/// For a network that is started again, with its consensus, its daemons' guards and their descriptors.
const BACK: Duration = Duration::from_secs(300);
/// The exit codes of `torchat doctor`, as SHELL.md has them.
const UNWELL_TOR: i32 = 12;
const UNWELL_ONION: i32 = 13;

fn torchatd() -> PathBuf {
    std::env::var_os("TORCHATD").expect("these tests need torchatd: run `cargo xtask test`").into()
}

fn network(dir: &Path) -> Network {
    let owner = Some(std::process::id());
    Network::start(Config { dir: dir.join("net"), owner, ..Config::default() }).unwrap()
}

fn doctor(daemon: &Daemon, more: &[&str]) -> Output {
    // The command line's program stands beside the daemon's.
    let mut command = Command::new(torchatd().with_file_name("torchat"));
    command.arg("--socket").arg(daemon.socket()).args(["doctor"]).args(more);
    command.output().unwrap()
}

/// One finding of doctor's JSON lines.
fn finding(output: &Output, check: &str) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.find(|line| line["check"] == check).unwrap_or_else(|| panic!("no {check}: {output:?}"))
}

fn tor_of(daemon: &Daemon) -> Value {
    daemon.client().unwrap().status().unwrap()["tor"].clone()
}

/// Every connection ends, as when the cable is pulled out of a machine whose kernel notices.
#[test]
fn a_network_that_is_gone_is_never_called_well_and_one_that_is_back_is() {
    taken_away(Network::kill, Network::restart);
}

/// The connections stay, and nothing comes over them, as behind a router that has lost its line.
#[test]
fn a_network_that_falls_silent_is_never_called_well_and_one_that_speaks_again_is() {
    taken_away(Network::suspend, Network::resume);
}

type Change = fn(&Network, &str) -> anyhow::Result<()>;

fn taken_away(take: Change, give: Change) {
    let dir = tempfile::tempdir().unwrap();
    let network = network(dir.path());
    let mut daemon = Daemon::on_tor(&torchatd(), dir.path(), "a", network.config_path());
    daemon.start().unwrap();
    eventually("doctor finds nothing wrong", BACK, || {
        let said = doctor(&daemon, &["--json"]);
        let onion = finding(&said, "onion");
        Ok((said.status.success() && onion["grade"] == "ok").then_some(()))
    })
    .unwrap();
    assert_eq!((&tor_of(&daemon)["usable"], &tor_of(&daemon)["down_s"]), (&Value::Bool(true), &Value::Null));

    let nodes: Vec<String> = network.nodes().map(str::to_owned).collect();
    nodes.iter().for_each(|node| take(&network, node).unwrap());
    let gone = Instant::now();
    eventually("STATUS says it", TOLD + pace::slack(), || Ok((tor_of(&daemon)["usable"] == false).then_some(())))
        .unwrap();
    println!("told {:.1} s after the end of the network", gone.elapsed().as_secs_f64());
    let said = doctor(&daemon, &["--json"]);
    assert_eq!(said.status.code(), Some(UNWELL_TOR), "{said:?}");
    let (tor, onion) = (finding(&said, "tor"), finding(&said, "onion"));
    assert_eq!(tor["grade"], "wrong", "{tor}");
    assert_ne!(onion["grade"], "ok", "it was reached a moment ago, and nobody reaches it now: {onion}");
    // One short sentence; all that Tor says of it stands apart.
    let sentence = tor["sentence"].as_str().unwrap();
    assert!(sentence.starts_with("no way into the Tor network: ") && sentence.len() < 120, "{sentence}");
    let status = tor_of(&daemon);
    let (down_s, since_ms) = (status["down_s"].as_u64().unwrap(), status["since_ms"].as_i64().unwrap());
    assert!(down_s <= gone.elapsed().as_secs() && since_ms > 1_700_000_000_000, "{status}");
    let plain = doctor(&daemon, &[]);
    assert!(String::from_utf8_lossy(&plain.stdout).contains("WRONG  tor: no way into the Tor network"), "{plain:?}");
    eventually("it counts", TOLD, || Ok((tor_of(&daemon)["down_s"].as_u64() > Some(down_s)).then_some(()))).unwrap();
    assert_eq!(tor_of(&daemon)["since_ms"].as_i64(), Some(since_ms));

    nodes.iter().for_each(|node| give(&network, node).unwrap());
    let back = Instant::now();
    eventually("Tor works again", BACK, || Ok((tor_of(&daemon)["usable"] == true).then_some(()))).unwrap();
    println!("told {:.1} s after its return", back.elapsed().as_secs_f64());
    // Its descriptor comes a while after the way in.
    eventually("doctor finds nothing wrong again", BACK, || {
        let said = doctor(&daemon, &["--json"]);
        assert!([Some(0), Some(UNWELL_ONION), Some(UNWELL_TOR)].contains(&said.status.code()), "{said:?}");
        Ok(said.status.success().then_some(()))
    })
    .unwrap();
    println!("all well {:.1} s after its return", back.elapsed().as_secs_f64());
    daemon.stop().unwrap();
    network.stop().unwrap();
}

#[test]
fn two_starts_on_a_network_that_works_leave_the_log_of_errors_empty() {
    let dir = tempfile::tempdir().unwrap();
    let network = network(dir.path());
    let mut daemon = Daemon::on_tor(&torchatd(), dir.path(), "a", network.config_path());
    for _ in 0..2 {
        daemon.start().unwrap();
        eventually("the onion answers", BACK, || {
            Ok((finding(&doctor(&daemon, &["--json"]), "onion")["grade"] == "ok").then_some(()))
        })
        .unwrap();
        daemon.stop().unwrap();
    }
    // A network of one's own is said to be weaker than the real one, at each start. And this one votes every 20 s: on a busy
    // machine the list of relays that the second start finds is too old, and for a moment no newer one can be had.
    let expected = ["in a private network", " tor_dirmgr"];
    let errors = std::fs::read_to_string(dir.path().join("a-logs/error.log")).unwrap();
    let errors: Vec<_> = errors.lines().filter(|line| !expected.iter().any(|words| line.contains(words))).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    network.stop().unwrap();
}
