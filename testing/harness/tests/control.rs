//! The control contract over real sockets, byte for byte, and what must never get through it.
#![allow(clippy::unwrap_used)]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use torchat_testkit::daemon::{Daemon, eventually};
use torchat_testkit::skipped;

/// A valid onion that nobody serves here: the example of rend-spec-v3.
const OTHER: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";

struct Place {
    _dir: tempfile::TempDir,
    daemon: Daemon,
    own: String,
}

fn start() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let peers = dir.path().join("peers");
    std::fs::create_dir(&peers).unwrap();
    let data = dir.path().join("d");
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let arguments = vec![text(&data), text(&peers), "1".to_owned()];
    let mut daemon = Daemon::new(Path::new(env!("CARGO_BIN_EXE_loopback-daemon")), arguments, &data);
    daemon.start().unwrap();
    let own = daemon.client().unwrap().host().unwrap();
    Place { _dir: dir, daemon, own }
}

impl Place {
    fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.daemon.port().unwrap())).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Writes, half-closes, and returns everything that comes back.
    fn say(&self, bytes: &[u8]) -> String {
        let mut stream = self.tcp();
        // The daemon may close before everything is written; what it said before is what counts.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        String::from_utf8(reply).unwrap()
    }

    fn is_unharmed(&self) {
        assert_eq!(self.daemon.client().unwrap().host().unwrap(), self.own);
    }
}

#[test]
fn the_contract_byte_for_byte() {
    let place = start();
    let own = &place.own;
    let cases = [
        (r#"{"cmd":"HOST","id":"localhost","msg":"","portno":8000}"#, format!(r#"{{"cmd":"HOST","id":"localhost","msg":"{own}","portno":8000}}"#)),
        (r#"{"cmd":"HOST"}"#, format!(r#"{{"cmd":"HOST","id":"","msg":"{own}","portno":0}}"#)),
        (r#"{"cmd":"GET_PEERS","id":"localhost","portno":7}"#, r#"{"cmd":"GET_PEERS","id":"localhost","msg":"","portno":7}"#.to_owned()),
        (&format!(r#"{{"cmd":"UPDATE","id":"localhost","msg":"{OTHER}","portno":7}}"#), format!(r#"{{"cmd":"END","id":"{OTHER}","msg":"{OTHER}","portno":7}}"#)),
        (&format!(r#"{{"cmd":"UPDATE","id":"{}"}}"#, &OTHER[..56]), format!(r#"{{"cmd":"END","id":"{OTHER}","msg":"{OTHER}","portno":0}}"#)),
        (&format!(r#"{{"cmd":"ADD","id":"{OTHER}","portno":1}}"#), format!(r#"{{"cmd":"END","id":"{OTHER}","msg":"","portno":1}}"#)),
        (&format!(r#"{{"cmd":"SEND","id":"{OTHER}","msg":"hi","portno":80}}"#), format!(r#"{{"cmd":"END","id":"{own}","msg":"","portno":80}}"#)),
        (&format!(r#"{{"cmd":"SEND","id":"{own}","msg":"hi","portno":80}}"#), format!(r#"{{"cmd":"ERR","code":"to-self","id":"{own}","msg":"this is your own onion: a message needs another peer","portno":80}}"#)),
        (r#"{"cmd":"SEND","id":"abc","msg":"hi"}"#, r#"{"cmd":"ERR","code":"bad-onion","id":"abc","msg":"an onion id has 56 characters (with or without .onion)","portno":0}"#.to_owned()),
        (r#"{"cmd":"RECV","id":"x"}"#, r#"{"cmd":"ERR","code":"not-a-command","id":"x","msg":"RECV is for peers, which come over Tor: local programs use SEND","portno":0}"#.to_owned()),
    ];
    for (request, reply) in &cases {
        assert_eq!(place.say(request.as_bytes()), format!("{reply}\n"), "{request}");
        let framed = format!("{:04}{request}", request.len());
        assert_eq!(place.say(framed.as_bytes()), format!("{:04}{reply}", reply.len()), "{framed}");
    }
    let history = place.say(format!(r#"{{"cmd":"HISTORY","id":"{OTHER}","msg":"5"}}"#).as_bytes());
    assert!(
        history.contains(r#""dir":"out""#)
            && history.contains(r#""msg":"hi""#)
            && history.contains(r#""state":"queued""#),
        "{history}"
    );
    let status = place.say(br#"{"cmd":"STATUS"}"#);
    for key in ["\"tor\":", "\"onion\":", "\"links\":", "\"queue\":", "\"refused\":", "\"reasons\":"] {
        assert!(status.contains(key), "{key} in {status}");
    }
    for unknown in ["END", "ERR", "host", "DROP TABLE", ""] {
        let reply = place.say(format!(r#"{{"cmd":"{unknown}"}}"#).as_bytes());
        assert!(reply.starts_with(r#"{"cmd":"ERR","code":""#), "{unknown}: {reply}");
    }
}

#[test]
fn requests_of_one_connection_are_answered_in_order() {
    let place = start();
    let many: String = (0..200).map(|n| format!(r#"{{"cmd":"HOST","portno":{n}}}"#)).collect();
    let reply = place.say(many.as_bytes());
    let ports: Vec<_> = reply.lines().map(|l| l.rsplit(':').next().unwrap().trim_end_matches('}').to_owned()).collect();
    assert_eq!(ports, (0..200).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn an_undelivered_wait_says_that_it_is_still_queued() {
    let place = start();
    let reply =
        place.say(format!(r#"{{"cmd":"SEND","id":"{OTHER}","msg":"x","wait":"delivered","timeout":1}}"#).as_bytes());
    assert!(
        reply.contains(r#""code":"not-delivered""#)
            && reply.contains(r#""queued":true"#)
            && reply.contains(r#""mid":""#),
        "{reply}"
    );
    let reply = place.say(format!(r#"{{"cmd":"SEND","id":"{OTHER}","msg":"x","wait":"read"}}"#).as_bytes());
    assert!(reply.contains(r#""code":"bad-value""#), "{reply}");
}

#[test]
fn the_first_bad_object_ends_the_connection_and_nothing_after_it_runs() {
    let place = start();
    let send = format!(r#"{{"cmd":"SEND","id":"{OTHER}","msg":"evil"}}"#);
    let deep = format!("{{\"cmd\":{}", "[".repeat(100_000));
    let bad = [
        r#"{"cmd":1}"#,
        r#"{"cmd":"HOST","portno":"eighty"}"#,
        r#"{"cmd":"HOST","cmd":"EXIT"}"#,
        r#"{"cmd":"HOST","id":{"a":[[[[[[[[[1]]]]]]]]]}}"#,
        r#"{"cmd":"HOST",}"#,
        "{nonsense}",
        deep.as_str(),
    ];
    for bad in bad {
        let reply = place.say(format!("{bad}{send}").as_bytes());
        let short: String = bad.chars().take(60).collect();
        assert!(reply.starts_with(r#"{"cmd":"ERR","code":"bad-object""#) || reply.is_empty(), "{short}: {reply}");
        assert!(reply.lines().count() <= 1, "{short}: {reply}");
    }
    assert!(place.daemon.client().unwrap().history(OTHER, 10).unwrap().is_empty(), "nothing was sent");
    place.is_unharmed();
}

#[test]
fn other_protocols_get_no_byte_and_run_nothing() {
    let place = start();
    let send = format!(r#"{{"cmd":"SEND","id":"{OTHER}","msg":"evil"}}"#);
    // As browsers send them: a form or fetch with a text body, a preflight, a WebSocket, a rebound name.
    for head in [
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nContent-Type: text/plain\r\nContent-Length: 99\r\n\r\n",
        "GET /?q={\"cmd\":\"EXIT\"} HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n\r\n",
        "OPTIONS / HTTP/1.1\r\nAccess-Control-Request-Method: POST\r\n\r\n",
        "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}",
        "\0\0\0\0",
        "*1\r\n$4\r\nPING\r\n",
        "[1]",
        "\"x\"",
    ] {
        assert_eq!(place.say(format!("{head}{send}").as_bytes()), "", "{head:?}");
        assert_eq!(place.say(format!("{head}\n{{\"cmd\":\"EXIT\"}}").as_bytes()), "", "{head:?}");
    }
    assert!(place.daemon.client().unwrap().history(OTHER, 10).unwrap().is_empty());
    place.is_unharmed();
}

#[test]
fn an_object_without_end_costs_a_bounded_amount() {
    let place = start();
    let before = resident_kib(&place.daemon);
    let reply = place.say(format!(r#"{{"cmd":"SEND","msg":"{}"#, "x".repeat(10 << 20)).as_bytes());
    assert!(reply.contains("bad-object") || reply.is_empty(), "{reply}");
    place.is_unharmed();
    let grown = resident_kib(&place.daemon).saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB");
}

#[test]
fn clients_that_leave_stay_or_crawl_disturb_nobody() {
    let place = start();
    let mut idle: Vec<_> = (0..200).map(|_| place.tcp()).collect();
    for stream in &mut idle {
        stream.write_all(b"{\"cmd\":\"HO").unwrap();
    }
    for _ in 0..200 {
        // Leaves before its reply.
        let mut stream = place.tcp();
        stream.write_all(br#"{"cmd":"HOST"}{"cmd":"STATUS"}"#).unwrap();
    }
    // Never reads: the replies fill the socket's buffer, and only this connection waits.
    let mut greedy = place.tcp();
    greedy.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let status = br#"{"cmd":"STATUS"}"#.repeat(1000);
    while greedy.write_all(&status).is_ok() {}
    // Its connections have a time limit: nobody waits for the greedy one.
    place.is_unharmed();
    for stream in &mut idle {
        stream.write_all(b"ST\"}").unwrap();
        let mut reply = [0; 16];
        stream.read_exact(&mut reply).unwrap();
        assert!(reply.starts_with(b"{\"cmd\":\"HOST\""));
    }
}

#[test]
fn a_refused_client_of_another_user_runs_nothing() {
    if !skipped::is_root("a_refused_client_of_another_user_runs_nothing") {
        return;
    }
    let place = start();
    let port = place.daemon.port().unwrap();
    let refused = |place: &Place| place.daemon.client().unwrap().status().unwrap()["refused"]["clients"].as_u64();
    let before = refused(&place);
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port}; printf '{{\"cmd\":\"EXIT\"}}' >&3; cat <&3 | wc -c");
    let out = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "bash", "-c", &script])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&out.stdout).trim(), "0", "not a byte in answer");
    assert!(refused(&place) > before, "the refusal is counted");
    place.is_unharmed();
}

#[test]
fn a_client_too_many_is_closed_at_once_and_counted() {
    let place = start();
    let mut client = place.daemon.client().unwrap();
    let mut counted = || Ok(client.status()?["refused"]["connections"].as_u64().filter(|count| *count > 0));
    assert_eq!(counted().unwrap(), None);
    // The test daemon takes 300. The system lets them all in, and the daemon looks at one after the other.
    let port = place.daemon.port().unwrap();
    let crowd: Vec<_> = (0..310).map(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap()).collect();
    let count = eventually("those that are too many are counted", Duration::from_secs(20), &mut counted).unwrap();
    assert!(count <= 20, "{count}");
    drop(crowd);
    // Until the daemon has seen that they left, a new client is one too many, too.
    let served = || Ok((place.daemon.client()?.host()? == place.own).then_some(()));
    eventually("there is room again", Duration::from_secs(20), served).unwrap();
}

#[test]
fn a_peer_stream_that_speaks_the_control_language_is_closed_without_a_byte() {
    let place = start();
    let door = std::fs::read_to_string(place.daemon.data().parent().unwrap().join("peers").join(&place.own)).unwrap();
    for bytes in [
        &b"{\"cmd\":\"EXIT\",\"id\":\"\",\"msg\":\"\",\"portno\":0}"[..],
        b"0014{\"cmd\":\"EXIT\"}",
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, door.trim().parse::<u16>().unwrap())).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(bytes).unwrap();
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        assert_eq!(reply, b"");
    }
    let mut good = TcpStream::connect((Ipv4Addr::LOCALHOST, door.trim().parse::<u16>().unwrap())).unwrap();
    good.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    good.write_all(b"TCHT\x01\x01").unwrap();
    let mut reply = [0; 5];
    good.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"TCHT\x01");
    place.is_unharmed();
}

#[test]
fn a_flood_of_unproven_streams_does_not_lock_the_door() {
    let place = start();
    let peers = place.daemon.data().parent().unwrap().join("peers");
    let door: u16 = std::fs::read_to_string(peers.join(&place.own)).unwrap().trim().parse().unwrap();
    let before = resident_kib(&place.daemon);
    let flood: Vec<_> = (0..300).map(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, door)).unwrap()).collect();
    let other = place.daemon.data().parent().unwrap().join("other");
    let arguments = vec![other.to_str().unwrap().to_owned(), peers.to_str().unwrap().to_owned(), "2".to_owned()];
    let mut friend = Daemon::new(Path::new(env!("CARGO_BIN_EXE_loopback-daemon")), arguments, &other);
    friend.start().unwrap();
    let name = friend.client().unwrap().host().unwrap();
    place.daemon.client().unwrap().add(&name).unwrap();
    friend.client().unwrap().send_and_wait(&place.own, "through the crowd", 30).unwrap();
    let grown = resident_kib(&place.daemon).saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB for 300 idle streams");
    drop(flood);
}

#[test]
fn a_full_house_turns_away_and_recovers() {
    let place = start();
    // The test daemon takes 300.
    let mut held: Vec<_> = (0..300).map(|_| place.tcp()).collect();
    for stream in &mut held {
        stream.write_all(br#"{"cmd":"HOST"}"#).unwrap();
        stream.read_exact(&mut [0; 16]).unwrap();
    }
    assert_eq!(place.say(br#"{"cmd":"HOST"}"#), "", "closed at once");
    drop(held);
    eventually("there is room again", Duration::from_secs(10), || {
        Ok(place.say(br#"{"cmd":"HOST"}"#).contains(&place.own).then_some(()))
    })
    .unwrap();
}

fn resident_kib(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid().unwrap())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn what_is_not_delivered_can_be_taken_back_and_contacts_have_an_age() {
    let place = start();
    let mut client = place.daemon.client().unwrap();
    let never = client.appear(OTHER, false).unwrap_err();
    assert!(never.to_string().contains("not a contact"), "{never}");
    client.send(OTHER, "regretted").unwrap();
    let line = client.history(OTHER, 1).unwrap().pop().unwrap();
    assert_eq!(line.state, "queued");
    assert!(line.reason.is_some(), "why it waits");
    assert!(client.cancel(OTHER, &line.mid).unwrap(), "it never left");
    assert_eq!(client.history(OTHER, 1).unwrap()[0].state, "withdrawn");
    let again = client.cancel(OTHER, &line.mid).unwrap_err();
    assert!(again.to_string().contains("with this id is waiting"), "{again}");
    assert_eq!(client.status().unwrap()["queue"]["messages"], 0);
    let bad = place.say(format!(r#"{{"cmd":"CANCEL","id":"{OTHER}","msg":"last"}}"#).as_bytes());
    assert!(bad.contains("bad-value") && bad.contains("32 hexadecimal digits"), "{bad}");

    client.appear(OTHER, false).unwrap();
    let contact = client.contacts().unwrap().pop().unwrap();
    assert_eq!((&contact["id"], &contact["appear"]), (&OTHER.into(), &"offline".into()));
    assert_eq!((&contact["presence"], &contact["heard_s"]), (&"never heard of".into(), &serde_json::Value::Null));
    client.appear(OTHER, true).unwrap();
    assert_eq!(client.contacts().unwrap()[0]["appear"], "online");
    let bad = place.say(format!(r#"{{"cmd":"APPEAR","id":"{OTHER}","msg":"away"}}"#).as_bytes());
    assert!(bad.contains("bad-value"), "{bad}");
    place.is_unharmed();
}

#[test]
fn contacts_are_asked_named_blocked_and_removed_by_commands() {
    let place = start();
    let mut client = place.daemon.client().unwrap();
    let refusal = |result: Result<(), torchat_client::ClientError>| match result {
        Err(torchat_client::ClientError::Refused { code, .. }) => code,
        other => panic!("{other:?}"),
    };
    assert_eq!(refusal(client.decide("ACCEPT", OTHER, "")), "no-request");
    assert_eq!(refusal(client.decide("RENAME", OTHER, "Bob")), "no-contact");
    client.ask(OTHER, "it is me").unwrap();
    client.decide("RENAME", OTHER, "Bob").unwrap();
    assert_eq!(client.contacts().unwrap()[0]["name"], "Bob");
    for bad in ["\u{202e}boB", "system", "x\ny", &"x".repeat(33)] {
        assert_eq!(refusal(client.decide("RENAME", OTHER, bad)), "bad-value", "{bad:?}");
    }
    client.decide("BLOCK", OTHER, "").unwrap();
    let blocked = client.contacts().unwrap().pop().unwrap();
    assert_eq!((&blocked["state"], &blocked["presence"]), (&"blocked".into(), &"blocked".into()));
    assert_eq!(refusal(client.send(OTHER, "hello?")), "blocked");
    client.decide("UNBLOCK", OTHER, "").unwrap();
    assert_eq!(refusal(client.decide("UNBLOCK", OTHER, "")), "not-blocked");
    assert!(client.contacts().unwrap().is_empty());

    let invite = client.invite(24).unwrap();
    assert!(invite.starts_with("torchat:") && invite.len() == 8 + 56 + 3 + 32, "{invite}");
    assert_eq!(refusal(client.ask(&invite, "")), "to-self");
    assert_eq!(refusal(client.ask("torchat:abc?i=00", "")), "bad-value");
    assert_eq!(refusal(client.ask(OTHER, &"x".repeat(501))), "bad-value");
    let bad = place.say(br#"{"cmd":"INVITE","msg":"0"}"#);
    assert!(bad.contains("bad-value") && bad.contains("1 to 2160"), "{bad}");
    assert!(client.requests().unwrap().is_empty());
    client.ask(&invite.replace(&place.own[..56], &OTHER[..56]), "invited").unwrap();
    client.decide("REMOVE", OTHER, "").unwrap();
    assert_eq!(refusal(client.decide("REMOVE", OTHER, "")), "no-contact");
    place.is_unharmed();
}

#[test]
fn a_stranger_asks_and_is_accepted_between_two_daemons() {
    let place = start();
    let dir = place._dir.path();
    let data = dir.join("second");
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let arguments = vec![text(&data), text(&dir.join("peers")), "2".to_owned()];
    let mut other = Daemon::new(Path::new(env!("CARGO_BIN_EXE_loopback-daemon")), arguments, &data);
    other.start().unwrap();
    let mut asking = other.client().unwrap();
    let mut asked = place.daemon.client().unwrap();
    asking.ask(&place.own, "from the \u{202e}station").unwrap();
    asking.send(&place.own, "hello").unwrap();
    let wait = Duration::from_secs(30);
    let request = eventually("the request", wait, || Ok(asked.requests()?.pop())).unwrap();
    assert_eq!(request["msg"], "from the \u{202e}station", "kept as it came");
    let id = request["id"].as_str().unwrap().to_owned();
    assert!(asked.peers().unwrap().is_empty());
    asked.decide("ACCEPT", &id, "").unwrap();
    let message = eventually("the mail", wait, || Ok(asked.update(&id)?)).unwrap();
    assert_eq!(message.text, "hello");
}
