//! Real `torchatd` processes on a private Tor network: `cargo xtask test` starts the network and says where it is.
#![allow(clippy::unwrap_used)]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use torchat_testkit::daemon::{Daemon, check_history, eventually, talk_under_kills};
use torchat_testkit::pace;
use torchat_tornet::Network;

/// The deadline of every delivery. An old introduction point alone can hold a dial for 40 s.
const DELIVERY: Duration = Duration::from_secs(180);
const DELIVERY_S: u64 = 180;

fn network_config() -> PathBuf {
    let path = std::env::var_os("TORCHAT_TORNET");
    PathBuf::from(path.expect("these tests need a private Tor network: run `cargo xtask test`"))
}

fn daemon(dir: &Path, name: &str) -> Daemon {
    let program = std::env::var_os("TORCHATD").expect("these tests need torchatd: run `cargo xtask test`");
    Daemon::on_tor(Path::new(&program), dir, name, &network_config())
}

fn pair(dir: &Path) -> (Daemon, Daemon) {
    let (mut a, mut b) = (daemon(dir, "a"), daemon(dir, "b"));
    a.start().unwrap();
    b.start().unwrap();
    (a, b)
}

fn onion(daemon: &Daemon) -> String {
    daemon.client().unwrap().host().unwrap()
}

fn befriend(a: &Daemon, b: &Daemon) {
    a.client().unwrap().add(&onion(b)).unwrap();
    b.client().unwrap().add(&onion(a)).unwrap();
}

/// What the logs may never hold.
fn logs_are_discreet(dir: &Path, secrets: &[&str]) {
    for name in ["a-logs", "b-logs"] {
        for file in ["torchatd.log", "error.log", "audit.log"] {
            let text = std::fs::read_to_string(dir.join(name).join(file)).unwrap();
            for secret in secrets {
                assert!(!text.contains(secret), "{name}/{file} holds {secret:?}");
            }
        }
    }
}

#[test]
fn a_message_arrives_with_its_sender_proven() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = pair(dir.path());
    befriend(&a, &b);
    let (onion_a, onion_b) = (onion(&a), onion(&b));
    let begun = Instant::now();
    a.client().unwrap().send_and_wait(&onion_b, "canary over Tor", DELIVERY_S).unwrap();
    println!("first delivery after {:.1} s", begun.elapsed().as_secs_f64());
    let mut reader = b.client().unwrap();
    assert_eq!(reader.peers().unwrap(), std::slice::from_ref(&onion_a));
    let message = reader.update(&onion_a).unwrap().unwrap();
    assert_eq!((message.text.as_str(), &message.peer), ("canary over Tor", &onion_a));
    assert_eq!(reader.update(&onion_a).unwrap(), None);
    check_history(&reader.history(&onion_a, 10).unwrap(), "in", &["canary over Tor".to_owned()]).unwrap();
    let sent = a.client().unwrap().history(&onion_b, 10).unwrap();
    assert_eq!(sent[0].state, "delivered");
    assert_eq!(sent[0].mid, reader.history(&onion_a, 10).unwrap()[0].mid, "the same message at both ends");
    logs_are_discreet(dir.path(), &["canary", &onion_a[..56], &onion_b[..56]]);
}

#[test]
fn a_strangers_message_waits_for_the_receivers_add() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = pair(dir.path());
    let (onion_a, onion_b) = (onion(&a), onion(&b));
    a.client().unwrap().send(&onion_b, "may I?").unwrap();
    eventually("the sender is told that it waits", DELIVERY, || {
        Ok((a.client()?.history(&onion_b, 1)?[0].state == "waiting").then_some(()))
    })
    .unwrap();
    assert!(b.client().unwrap().peers().unwrap().is_empty());
    assert!(b.client().unwrap().history(&onion_a, 10).unwrap().is_empty());
    let begun = Instant::now();
    b.client().unwrap().add(&onion_a).unwrap();
    eventually("it arrives after ADD", DELIVERY, || Ok(b.client()?.update(&onion_a)?)).unwrap();
    println!("after ADD: {:.1} s", begun.elapsed().as_secs_f64());
}

#[test]
fn mail_for_an_absent_peer_outlives_a_killed_sender() {
    let dir = tempfile::tempdir().unwrap();
    let (mut a, mut b) = pair(dir.path());
    befriend(&a, &b);
    let (onion_a, onion_b) = (onion(&a), onion(&b));
    a.client().unwrap().send_and_wait(&onion_b, "met", DELIVERY_S).unwrap();
    b.kill().unwrap();
    for n in 0..3 {
        a.client().unwrap().send(&onion_b, &format!("{n}")).unwrap();
    }
    a.kill().unwrap();
    a.start().unwrap();
    b.start().unwrap();
    let begun = Instant::now();
    let expected = ["met", "0", "1", "2"].map(str::to_owned);
    eventually("three messages, once each, in order", DELIVERY, || {
        check_history(&b.client()?.history(&onion_a, 20)?, "in", &expected).map(Some)
    })
    .unwrap();
    println!("three messages after both were back: {:.1} s", begun.elapsed().as_secs_f64());
}

#[test]
fn two_hundred_messages_each_way_survive_six_kills() {
    let dir = tempfile::tempdir().unwrap();
    let (mut a, mut b) = pair(dir.path());
    befriend(&a, &b);

    let settled = talk_under_kills(&mut a, &mut b, 200, 6, Duration::from_millis(10), DELIVERY).unwrap();
    println!("400 messages with 6 kills: settled {:.1} s after the last kill", settled.as_secs_f64());
}

#[test]
fn exit_is_clean_and_fast_over_tor() {
    let dir = tempfile::tempdir().unwrap();
    let (mut a, b) = pair(dir.path());
    befriend(&a, &b);
    a.client().unwrap().send_and_wait(&onion(&b), "hello", DELIVERY_S).unwrap();
    let took = a.stop().unwrap();
    let limit = Duration::from_secs(2) + pace::slack();
    assert!(took < limit, "it took {took:?}, and may take {limit:?}");
    eventually(
        "the peer was told",
        Duration::from_secs(10),
        || Ok((b.client()?.status()?["links"] == 0).then_some(())),
    )
    .unwrap();
}

/// Another Tor implementation opens a stream to the service's port 80.
fn through_c_tor(socks: u16, onion: &str) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, socks))?;
    stream.set_read_timeout(Some(Duration::from_secs(90)))?;
    stream.write_all(&[5, 1, 0])?;
    stream.read_exact(&mut [0; 2])?;
    // RFC 1928: CONNECT to a domain name.
    let mut request = vec![5, 1, 0, 3, u8::try_from(onion.len()).unwrap()];
    request.extend(onion.bytes());
    request.extend(80u16.to_be_bytes());
    stream.write_all(&request)?;
    let mut reply = [0; 10];
    stream.read_exact(&mut reply)?;
    if reply[1] == 0 { Ok(stream) } else { Err(std::io::Error::other(format!("SOCKS reply {}", reply[1]))) }
}

#[test]
fn a_c_tor_client_gets_an_answer_to_our_protocol_and_to_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let mut a = daemon(dir.path(), "a");
    a.start().unwrap();
    let name = onion(&a);
    let network = Network::open(network_config().parent().unwrap()).unwrap();
    let client = network.socks_client().unwrap();
    let connect =
        || eventually("a stream through C tor", DELIVERY, || Ok(Some(through_c_tor(client.port(), &name)?))).unwrap();
    let mut stream = connect();
    stream.write_all(b"TCHT\x01\x01").unwrap();
    // The server's hello comes first; the handshake's first message then brings the second, of a fixed length.
    let mut hello = [0; 5];
    stream.read_exact(&mut hello).unwrap();
    assert_eq!(&hello, b"TCHT\x01");
    let mut first = vec![0, 32];
    first.extend([9; 32]);
    stream.write_all(&first).unwrap();
    let mut second = [0; 2];
    stream.read_exact(&mut second).unwrap();
    assert_eq!(u16::from_be_bytes(second), 544);

    for bytes in [
        &b"{\"cmd\":\"EXIT\",\"id\":\"\",\"msg\":\"\",\"portno\":0}"[..],
        b"0014{\"cmd\":\"EXIT\"}",
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        let mut stream = connect();
        stream.write_all(bytes).unwrap();
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        assert!(reply.is_empty(), "{bytes:?} got {reply:?}");
    }
    assert_eq!(onion(&a), name, "still there");
}

/// A word of the canary test: every text, name and message of it begins so.
const CANARY: &str = "canary";

/// A daemon that logs all it can, with a nickname and an open door for old programs.
fn talkative(dir: &Path, name: &str) -> Daemon {
    let program = std::env::var_os("TORCHATD").expect("these tests need torchatd: run `cargo xtask test`");
    let (data, logs, config) = (dir.join(name), dir.join(format!("{name}-logs")), dir.join(format!("{name}.toml")));
    let network = std::fs::read_to_string(network_config()).unwrap();
    let extra = format!("[profile]\nnick = \"{CANARY}-nick-{name}\"\n[legacy]\nreceive = true\n");
    std::fs::write(&config, format!("{network}\n{extra}")).unwrap();
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let places = ["--data-dir", &text(&data), "--config", &text(&config), "--log-dir", &text(&logs)].map(str::to_owned);
    let arguments = places.into_iter().chain(["--log-level", "trace", "0"].map(str::to_owned)).collect();
    Daemon::new(Path::new(&program), arguments, &data)
}

/// What every user of the machine sees of a process, and what only its own user sees.
fn seen_of_process(daemon: &Daemon) -> String {
    let proc = PathBuf::from(format!("/proc/{}", daemon.pid().unwrap()));
    let mut seen = String::new();
    let tasks = std::fs::read_dir(proc.join("task")).unwrap().map(|task| task.unwrap().path().join("comm"));
    for file in [proc.join("cmdline"), proc.join("environ"), proc.join("status")].into_iter().chain(tasks) {
        // A thread may have ended meanwhile.
        seen += &String::from_utf8_lossy(&std::fs::read(file).unwrap_or_default());
    }
    seen
}

#[test]
fn what_is_said_stays_out_of_logs_and_processes() {
    let dir = tempfile::tempdir().unwrap();
    let (mut a, mut b) = (talkative(dir.path(), "a"), talkative(dir.path(), "b"));
    a.start().unwrap();
    b.start().unwrap();
    let (onion_a, onion_b) = (onion(&a), onion(&b));
    let (mut at_a, mut at_b) = (a.client().unwrap(), b.client().unwrap());
    let ask = |client: &mut torchat_client::Client, cmd: &str, id: &str, msg: &str| {
        client.exchange(&serde_json::json!({"cmd": cmd, "id": id, "msg": msg})).unwrap()
    };
    // A request with words, accepted; names; a message each way; one taken back; what is refused, and what is no command.
    ask(&mut at_a, "ADD", &onion_b, &format!("{CANARY} request"));
    ask(&mut at_a, "SEND", &onion_b, &format!("{CANARY} text"));
    eventually("the request is there", DELIVERY, || Ok((!at_b.requests()?.is_empty()).then_some(()))).unwrap();
    let request = at_b.requests().unwrap().remove(0);
    assert_eq!((request["msg"].as_str(), request["nick"].as_str()), (Some("canary request"), Some("canary-nick-a")));
    ask(&mut at_b, "ACCEPT", &onion_a, "");
    ask(&mut at_b, "RENAME", &onion_a, &format!("{CANARY} name"));
    eventually("the text is there", DELIVERY, || Ok(b.client()?.update(&onion_a)?)).unwrap();
    at_b.send_and_wait(&onion_a, &format!("{CANARY} answer"), DELIVERY_S).unwrap();
    let invite = at_a.invite(1).unwrap();
    for (cmd, id, msg) in [
        ("ADD", invite.as_str(), "to oneself"),
        ("ADD", "canary.onion", "no onion"),
        ("ADD", "torchat:canary?i=canary", "no invite"),
        ("SEND", "canary", "canary"),
        ("CANCEL", &onion_b, "canary"),
        ("canary", "canary", "canary"),
    ] {
        assert_eq!(ask(&mut at_a, cmd, id, msg)["cmd"], "ERR", "{cmd}");
    }
    let mut bad = TcpStream::connect((Ipv4Addr::LOCALHOST, a.port().unwrap())).unwrap();
    bad.write_all(b"{\"cmd\":\"SEND\",\"canary\":}").unwrap();
    let _ = bad.read_to_end(&mut Vec::new());
    // An old program's message, and one that is not.
    let network = Network::open(network_config().parent().unwrap()).unwrap();
    let client = network.socks_client().unwrap();
    let old = r#"{"cmd":"RECV","id":"canary-old","msg":"canary old","portno":80}"#;
    for bytes in
        [old.as_bytes(), b"{\"cmd\":\"canary\",\"id\":\"canary\",\"msg\":\"\",\"portno\":1}", b"TCHT\x01\x01canary"]
    {
        let mut stream =
            eventually("a stream through C tor", DELIVERY, || Ok(Some(through_c_tor(client.port(), &onion_a)?)))
                .unwrap();
        stream.write_all(bytes).unwrap();
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    eventually("the old message is there", DELIVERY, || {
        let old = a.client()?.legacy_history(1)?;
        Ok(old.first().is_some_and(|message| message.text == "canary old").then_some(()))
    })
    .unwrap();
    ask(&mut at_b, "BLOCK", &onion_a, "");
    let processes = seen_of_process(&a) + &seen_of_process(&b);
    a.stop().unwrap();
    b.stop().unwrap();

    let secret = invite.split_once("i=").unwrap().1.to_owned();
    let secrets = [CANARY, &onion_a[..56], &onion_b[..56], &secret];
    logs_are_discreet(dir.path(), &secrets);
    let errors = [&a, &b].map(|daemon| std::fs::read_to_string(daemon.log_path()).unwrap()).concat();
    for secret in secrets {
        assert!(!processes.contains(secret) && !errors.contains(secret), "{secret:?}: {processes} {errors}");
    }
}
