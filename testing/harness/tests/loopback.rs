//! Real processes and real files, with peers on loopback TCP: what kill -9 may not break.
#![allow(clippy::unwrap_used)]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use torchat_testkit::daemon::{Daemon, eventually, talk_under_kills};
use torchat_testkit::loopback::arguments;
use torchat_testkit::pace;

fn pair(dir: &Path) -> (Daemon, Daemon) {
    let peers = dir.join("peers");
    std::fs::create_dir(&peers).unwrap();
    let daemon = |name: &str, seed: u8| {
        let data = dir.join(name);
        let arguments = arguments(&data, &peers, seed, &[]);
        Daemon::new(Path::new(env!("CARGO_BIN_EXE_loopback-daemon")), arguments, &data)
    };
    (daemon("a", 1), daemon("b", 2))
}

/// Two running daemons that have added each other, and their onions.
struct Friends {
    a: Daemon,
    b: Daemon,
    onion_a: String,
    onion_b: String,
}

fn friends(dir: &Path) -> Friends {
    let (mut a, mut b) = pair(dir);
    a.start().unwrap();
    b.start().unwrap();
    let (onion_a, onion_b) = (a.client().unwrap().host().unwrap(), b.client().unwrap().host().unwrap());
    a.client().unwrap().add(&onion_b).unwrap();
    b.client().unwrap().add(&onion_a).unwrap();
    Friends { a, b, onion_a, onion_b }
}

#[test]
fn two_hundred_messages_each_way_survive_a_hundred_kills() {
    let dir = tempfile::tempdir().unwrap();
    let Friends { mut a, mut b, .. } = friends(dir.path());
    // A hundred kills take about 17 s, so the kills fall into the talk.
    let pace = Duration::from_millis(80);
    talk_under_kills(&mut a, &mut b, 200, 100, pace, Duration::from_secs(60)).unwrap();
}

#[test]
fn what_was_accepted_for_an_absent_peer_outlives_the_sender() {
    let dir = tempfile::tempdir().unwrap();
    let Friends { mut a, mut b, onion_a, onion_b } = friends(dir.path());
    b.kill().unwrap();
    for n in 0..3 {
        a.client().unwrap().send(&onion_b, &format!("{n}")).unwrap();
    }
    a.kill().unwrap();
    a.start().unwrap();
    b.start().unwrap();
    let received = eventually("three messages", Duration::from_secs(30), || {
        let lines = b.client()?.history(&onion_a, 10)?;
        Ok((lines.len() == 3).then_some(lines))
    });
    let texts: Vec<_> = received.unwrap().into_iter().map(|line| line.text).collect();
    assert_eq!(texts, ["0", "1", "2"]);
}

#[test]
fn a_message_handed_out_is_repeated_after_a_crash_and_never_lost() {
    let dir = tempfile::tempdir().unwrap();
    let Friends { a, mut b, onion_a, onion_b } = friends(dir.path());
    let mut sender = a.client().unwrap();
    sender.send_and_wait(&onion_b, "one", 30).unwrap();
    sender.send_and_wait(&onion_b, "two", 30).unwrap();

    let mut reader = b.client().unwrap();
    assert_eq!(reader.peers().unwrap(), std::slice::from_ref(&onion_a));
    assert_eq!(reader.update(&onion_a).unwrap().unwrap().text, "one");
    // Handed out, and the daemon dies before anybody said that it arrived.
    b.kill().unwrap();
    b.start().unwrap();
    let mut reader = b.client().unwrap();
    assert_eq!(reader.update(&onion_a).unwrap().unwrap().text, "one");
    // The next request says so.
    assert_eq!(reader.update(&onion_a).unwrap().unwrap().text, "two");
    assert_eq!(reader.update(&onion_a).unwrap(), None);
    b.kill().unwrap();
    b.start().unwrap();
    assert!(b.client().unwrap().peers().unwrap().is_empty(), "the marks are durable");
}

#[test]
fn exit_ends_within_two_seconds_with_links_up() {
    let dir = tempfile::tempdir().unwrap();
    let Friends { mut a, b, onion_b, .. } = friends(dir.path());
    a.client().unwrap().send_and_wait(&onion_b, "hello", 30).unwrap();
    let took = a.stop().unwrap();
    let limit = Duration::from_secs(2) + pace::slack();
    assert!(took < limit, "it took {took:?}, and may take {limit:?}");
    eventually("the peer saw the end", Duration::from_secs(5), || {
        Ok((b.client()?.status()?["links"] == 0).then_some(()))
    })
    .unwrap();
}

/// A hostile relay: takes every stream, opens one to `target`, passes all bytes both ways, and keeps what clients said.
struct Relay {
    port: u16,
    heard: Arc<Mutex<Vec<u8>>>,
}

fn relay(target: u16) -> Relay {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let keep = heard.clone();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else { continue };
            let (mut client_in, mut server_out) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let (mut server_in, mut client_out) = (server, client);
            let keep = keep.clone();
            std::thread::spawn(move || {
                let mut chunk = [0; 4096];
                while let Ok(n @ 1..) = client_in.read(&mut chunk) {
                    keep.lock().unwrap().extend(&chunk[..n]);
                    if server_out.write_all(&chunk[..n]).is_err() {
                        break;
                    }
                }
                let _ = server_out.shutdown(Shutdown::Both);
            });
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut server_in, &mut client_out);
                let _ = client_out.shutdown(Shutdown::Both);
            });
        }
    });
    Relay { port, heard }
}

fn door(dir: &Path, onion: &str) -> u16 {
    std::fs::read_to_string(dir.join("peers").join(onion)).unwrap().trim().parse().unwrap()
}

#[test]
fn a_relay_between_two_makes_no_message_appear() {
    let dir = tempfile::tempdir().unwrap();
    let Friends { a, b, onion_a, onion_b } = friends(dir.path());
    // Alice dials a third onion, whose owner passes every byte on to Bob.
    let mallory = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
    let relay = relay(door(dir.path(), &onion_b));
    std::fs::write(dir.path().join("peers").join(mallory), relay.port.to_string()).unwrap();
    a.client().unwrap().send(mallory, "for mallory alone").unwrap();
    eventually("alice tried", Duration::from_secs(20), || {
        let status = a.client()?.status()?;
        let reasons = status["reasons"].as_array().cloned().unwrap_or_default();
        Ok(reasons.iter().any(|r| r["reason"].as_str().is_some_and(|r| r.contains("handshake"))).then_some(()))
    })
    .unwrap();
    assert!(!relay.heard.lock().unwrap().is_empty(), "it was really between them");
    assert!(b.client().unwrap().history(&onion_a, 10).unwrap().is_empty());
    assert!(b.client().unwrap().peers().unwrap().is_empty());
    assert_ne!(a.client().unwrap().history(mallory, 1).unwrap()[0].state, "delivered");
}

#[test]
fn a_recorded_talk_played_again_makes_no_message_appear() {
    let dir = tempfile::tempdir().unwrap();
    let (mut a, mut b) = pair(dir.path());
    a.start().unwrap();
    b.start().unwrap();
    let (onion_a, onion_b) = (a.client().unwrap().host().unwrap(), b.client().unwrap().host().unwrap());
    // Only Alice dials, and through the recorder: Bob does not know where she is.
    std::fs::rename(dir.path().join("peers").join(&onion_a), dir.path().join("hidden")).unwrap();
    let bob = door(dir.path(), &onion_b);
    let recorder = relay(bob);
    std::fs::write(dir.path().join("peers").join(&onion_b), recorder.port.to_string()).unwrap();
    b.client().unwrap().add(&onion_a).unwrap();
    a.client().unwrap().send_and_wait(&onion_b, "said once", 60).unwrap();
    let recorded = recorder.heard.lock().unwrap().clone();
    assert!(recorded.len() > 1000, "hello, handshake and records: {}", recorded.len());
    let mut again = TcpStream::connect((Ipv4Addr::LOCALHOST, bob)).unwrap();
    again.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    again.write_all(&recorded).unwrap();
    let mut answer = Vec::new();
    // The stream ends: the recorded third flight does not fit Bob's new ephemeral key.
    let _ = again.read_to_end(&mut answer);
    assert!(answer.len() <= 5 + 546, "the server's hello and second message, and nothing else: {}", answer.len());
    let texts: Vec<_> = b.client().unwrap().history(&onion_a, 10).unwrap().into_iter().map(|l| l.text).collect();
    assert_eq!(texts, ["said once"]);
}
