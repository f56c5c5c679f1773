//! A daemon that replaces itself by its program: the same process to everybody outside, with nothing lost.

#![allow(clippy::unwrap_used)]

#[path = "lifecycle/house.rs"]
#[allow(dead_code, reason = "shared with the other tests of the process")]
mod house;

use house::{House, ask, wait_until, within_patience};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use torchat_testkit::skipped;

/// How often the process has begun to serve, by its log.
fn starts(house: &House) -> usize {
    fs::read_to_string(house.logs().join("torchatd.log")).unwrap_or_default().matches(": serving").count()
}

fn replace(house: &House, pid: u32) {
    let before = starts(house);
    house::signal(pid, "USR2");
    wait_until(|| starts(house) > before);
}

/// How many open files of each name a process has.
type Files = BTreeMap<String, usize>;

/// Open files of a process. The system shows them to root only, because our process hides them.
fn open_files(pid: u32) -> Files {
    let mut files = Files::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
        // It may be closed while we look.
        if let Ok(path) = fs::read_link(entry.unwrap().path()) {
            // Sockets and pipes have numbers of their own each time.
            let name = path.to_string_lossy().split(":[").next().unwrap_or_default().to_owned();
            *files.entry(name).or_default() += 1;
        }
    }
    files
}

/// The most of each name that was ever seen at once. One look says nothing: a directory is open for a moment here, a
/// connection there.
#[derive(Default)]
struct Seen(Files);

impl Seen {
    fn look(&mut self, pid: u32) {
        for (name, count) in open_files(pid) {
            let most = self.0.entry(name).or_default();
            *most = count.max(*most);
        }
    }

    /// Those of which there are more than there ever were.
    fn grown(&self, now: &Files) -> Vec<String> {
        let more = now.iter().filter(|(name, count)| **count > self.0.get(*name).copied().unwrap_or_default());
        more.map(|(name, count)| format!("{count} of {name}")).collect()
    }
}

/// One request; `None` if the connection ended without a reply.
fn request(stream: &mut UnixStream, request: &str) -> Option<Value> {
    stream.write_all(format!("{request}\n").as_bytes()).ok()?;
    let mut reply = String::new();
    BufReader::new(stream).read_line(&mut reply).ok()?;
    serde_json::from_str(&reply).ok()
}

/// A local program that never stops to send.
struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Vec<String>>>,
    refused_connections: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Load {
    fn start(socket: PathBuf, peer: String, name: &'static str) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let acknowledged = Arc::<Mutex<Vec<String>>>::default();
        let refused_connections = Arc::<AtomicU64>::default();
        let (ended, sent, refused) = (stop.clone(), acknowledged.clone(), refused_connections.clone());
        let thread = std::thread::spawn(move || {
            let mut number = 0;
            while !ended.load(Ordering::Relaxed) {
                let Ok(mut stream) = UnixStream::connect(&socket) else {
                    refused.fetch_add(1, Ordering::Relaxed);
                    continue;
                };
                while !ended.load(Ordering::Relaxed) {
                    number += 1;
                    let text = format!("{name} {number}");
                    let reply = request(&mut stream, &format!(r#"{{"cmd":"SEND","id":"{peer}","msg":"{text}"}}"#));
                    match reply {
                        Some(reply) if reply["cmd"] == "END" => sent.lock().unwrap().push(text),
                        // It is stopping: nothing was promised.
                        _ => break,
                    }
                }
            }
        });
        Self { stop, acknowledged, refused_connections, thread }
    }

    fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// What was acknowledged, and how many connections were refused.
    fn end(self) -> (Vec<String>, u64) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        let texts = self.acknowledged.lock().unwrap().clone();
        (texts, self.refused_connections.load(Ordering::Relaxed))
    }
}

#[test]
fn under_load_nothing_is_lost_and_nobody_is_refused() {
    let house = House::new();
    let daemon = house.background(&["0"]);
    let (pid, port) = (daemon.pid(), house.read("port"));
    let onion = house.ask(r#"{"cmd":"HOST"}"#)["msg"].clone();
    let peer = house::another_onion();
    assert_eq!(house.ask(&format!(r#"{{"cmd":"ADD","id":"{peer}"}}"#))["cmd"], "END");
    replace(&house, pid);
    let watched = skipped::is_root("under_load_nothing_is_lost_and_nobody_is_refused");
    let mut files = Seen::default();
    let load = Load::start(house.data().join("control.sock"), peer.clone(), "message");
    for round in 1..=5 {
        let before = load.count();
        wait_until(|| {
            // The first process of all that were replaced, until it has done its work for a while.
            if watched && round == 1 {
                files.look(pid);
            }
            load.count() >= before + 20
        });
        replace(&house, pid);
        assert_eq!(house.read("pid").trim(), pid.to_string(), "round {round}");
        assert_eq!(house.read("port"), port, "round {round}");
        let number = port.trim().parse().unwrap();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, number)).unwrap();
        assert_eq!(ask(&mut stream, r#"{"cmd":"HOST"}"#)["msg"], onion, "round {round}");
        let before = load.count();
        wait_until(|| load.count() > before);
    }
    let (acknowledged, refused) = load.end();
    assert_eq!(refused, 0, "a program that connects meanwhile waits");
    println!("{} messages acknowledged over 5 replacements", acknowledged.len());

    let history = house.ask(&format!(r#"{{"cmd":"HISTORY","id":"{peer}","msg":"10000"}}"#));
    let mut shown = BTreeMap::<&str, usize>::new();
    for line in history["lines"].as_array().unwrap() {
        *shown.entry(line["msg"].as_str().unwrap()).or_default() += 1;
    }
    let wrong: Vec<_> = acknowledged.iter().filter(|text| shown.get(text.as_str()) != Some(&1)).collect();
    assert!(wrong.is_empty(), "not there exactly once: {wrong:?}");
    assert!(shown.values().all(|count| *count == 1), "{shown:?}");

    // As at the first count: a process that has just begun, without readers of its store.
    replace(&house, pid);
    if watched {
        // A file that a replacement leaves open is there five times by now, and stays: connections of our own, and Tor's
        // attempts, end by themselves.
        let mut grown = Vec::new();
        let same = within_patience(|| {
            grown = files.grown(&open_files(pid));
            grown.is_empty()
        });
        assert!(same, "more open files than before five replacements: {grown:?}; before: {:?}", files.0);
    }
    assert!(daemon.is_alive());
    house.stop();
    // Its lock is free a moment before it is gone: it is closed first.
    wait_until(|| !daemon.is_alive());
    for name in ["pid", "port", "control.sock"] {
        assert!(!house.data().join(name).exists(), "{name}");
    }
    let errors = fs::read_to_string(house.logs().join("error.log")).unwrap();
    assert!(!errors.contains(" ERROR "), "{errors}");
}

#[test]
fn in_the_foreground_it_stays_the_same_child() {
    let house = House::new();
    let mut daemon = house.foreground(&["0"]);
    daemon.first_line();
    let (pid, port) = (house.read("pid").trim().parse().unwrap(), house.read("port"));
    for _ in 0..2 {
        replace(&house, pid);
    }
    assert_eq!(house.read("port"), port);
    assert_eq!(house.ask(r#"{"cmd":"HOST"}"#)["cmd"], "HOST");
    daemon.signal("TERM");
    assert_eq!(daemon.wait_code(), Some(0));
}

#[test]
fn a_replacement_that_could_not_go_on_is_refused() {
    let house = House::new();
    let config = house.root().join("no-network.toml");
    let daemon = house.background(&[]);
    let good = fs::read(&config).unwrap();
    fs::write(&config, "nonsense = 1\n").unwrap();
    daemon.signal("USR2");
    let errors = house.logs().join("error.log");
    wait_until(|| fs::read_to_string(&errors).unwrap().contains("nonsense"));
    assert_eq!(house.ask(r#"{"cmd":"HOST"}"#)["cmd"], "HOST", "it goes on");
    assert_eq!(starts(&house), 1);
    fs::write(&config, good).unwrap();
    replace(&house, daemon.pid());
    house.stop();
}

#[test]
fn who_stops_it_meanwhile_is_heard() {
    let house = House::new();
    let mut daemon = house.foreground(&[]);
    daemon.first_line();
    // While it is held, both signals wait: it is asked to be replaced and to stop at the same time.
    for signal in ["STOP", "USR2", "TERM", "CONT"] {
        daemon.signal(signal);
    }
    assert_eq!(daemon.wait_code(), Some(0));
    assert_eq!(starts(&house), 1);
    house.background(&[]);
}

#[test]
fn a_copied_environment_means_nothing() {
    let house = House::new();
    let daemon = house.background_with(&[], "TORCHATD_REPLACED", "1");
    assert_eq!(house.ask(r#"{"cmd":"HOST"}"#)["cmd"], "HOST");
    assert!(daemon.stdout.contains("serves"), "{}", daemon.stdout);
}
