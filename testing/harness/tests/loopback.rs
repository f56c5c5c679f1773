//! Real processes and real files, with peers on loopback TCP: what kill -9 may not break.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;
use torchat_harness::daemon::{Daemon, eventually, talk_under_kills};

fn pair(dir: &Path) -> (Daemon, Daemon) {
    let peers = dir.join("peers");
    std::fs::create_dir(&peers).unwrap();
    let daemon = |name: &str, seed: u8| {
        let data = dir.join(name);
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let arguments = vec![text(&data), text(&peers), seed.to_string()];
        Daemon::new(Path::new(env!("CARGO_BIN_EXE_loopback-daemon")), arguments, &data)
    };
    (daemon("a", 1), daemon("b", 2))
}

fn befriend(a: &Daemon, b: &Daemon) {
    let (mut a, mut b) = (a.client().unwrap(), b.client().unwrap());
    a.add(&b.host().unwrap()).unwrap();
    b.add(&a.host().unwrap()).unwrap();
}

#[test]
fn two_hundred_messages_each_way_survive_a_hundred_kills() {
    let dir = tempfile::tempdir().unwrap();
    let (mut a, mut b) = pair(dir.path());
    a.start().unwrap();
    b.start().unwrap();
    befriend(&a, &b);
    // A hundred kills take about 17 s, so the kills fall into the talk.
    let pace = Duration::from_millis(80);
    talk_under_kills(&mut a, &mut b, 200, 100, pace, Duration::from_secs(60)).unwrap();
}

#[test]
fn what_was_accepted_for_an_absent_peer_outlives_the_sender() {
    let dir = tempfile::tempdir().unwrap();
    let (mut a, mut b) = pair(dir.path());
    a.start().unwrap();
    b.start().unwrap();
    befriend(&a, &b);
    let (onion_a, onion_b) = (a.client().unwrap().host().unwrap(), b.client().unwrap().host().unwrap());
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
    let (mut a, mut b) = pair(dir.path());
    a.start().unwrap();
    b.start().unwrap();
    befriend(&a, &b);
    let (onion_a, onion_b) = (a.client().unwrap().host().unwrap(), b.client().unwrap().host().unwrap());
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
    let (mut a, mut b) = pair(dir.path());
    a.start().unwrap();
    b.start().unwrap();
    befriend(&a, &b);
    let onion_b = b.client().unwrap().host().unwrap();
    a.client().unwrap().send_and_wait(&onion_b, "hello", 30).unwrap();
    let took = a.stop().unwrap();
    assert!(took < Duration::from_secs(2), "{took:?}");
    eventually("the peer saw the end", Duration::from_secs(5), || {
        Ok((b.client()?.status()?["links"] == 0).then_some(()))
    })
    .unwrap();
}
