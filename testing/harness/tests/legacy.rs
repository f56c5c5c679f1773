//! Old daemons at the onion's door: their bytes as they wrote them, over real sockets and in simulated time.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use torchat_client::{Client, ClientError};
use torchat_engine::handle::Handle;
use torchat_engine::{EngineConfig, LegacyLine};
use torchat_harness::sim::{Sim, run};
use torchat_protocol::id::parse_onion;
use torchat_testkit::daemon::{Daemon, eventually};
use torchat_testkit::loopback::arguments;
use torchat_testkit::pace;
use torchat_transport::{BoxStream, Group, Isolation, Transport};

const OLD: &str = "aaaaaaaaaaaaaaaa.onion";
/// A valid onion that nobody serves here: the example of rend-spec-v3.
const OTHER: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
const LONG: Duration = Duration::from_secs(120);

/// What an old daemon writes: the first generations bare, the last behind four digits.
fn recv(claim: &str, text: &str, digits: bool) -> Vec<u8> {
    let text = serde_json::to_string(text).unwrap();
    let object = format!(r#"{{"cmd":"RECV","date":"[12:34] ","id":"{claim}","msg":{text},"portno":80}}"#);
    if digits { format!("{:04}{object}", object.len()) } else { object }.into_bytes()
}

struct Place {
    dir: tempfile::TempDir,
    daemon: Daemon,
    own: String,
}

fn daemon(dir: &Path, seed: u8, legacy: bool) -> Daemon {
    let peers = dir.join("peers");
    std::fs::create_dir_all(&peers).unwrap();
    let data = dir.join(format!("d{seed}"));
    let arguments = arguments(&data, &peers, seed, if legacy { &["legacy"] } else { &[] });
    let mut daemon = Daemon::new(Path::new(env!("CARGO_BIN_EXE_loopback-daemon")), arguments, &data);
    daemon.start().unwrap();
    daemon
}

fn start(legacy: bool) -> Place {
    let dir = tempfile::tempdir().unwrap();
    let daemon = daemon(dir.path(), 1, legacy);
    let own = daemon.client().unwrap().host().unwrap();
    Place { dir, daemon, own }
}

impl Place {
    fn client(&self) -> Client {
        self.daemon.client().unwrap()
    }

    /// The onion's door.
    fn door(&self) -> TcpStream {
        let port = std::fs::read_to_string(self.dir.path().join("peers").join(&self.own)).unwrap();
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port.trim().parse::<u16>().unwrap())).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream
    }

    /// Writes as an old daemon does: one write, and away, without reading.
    fn deliver(&self, bytes: &[u8]) {
        self.door().write_all(bytes).unwrap();
    }

    /// Writes, waits for the other end to close, and returns what it said and how long that took. The stream stays open
    /// at this end.
    fn ask(&self, bytes: &[u8]) -> (Vec<u8>, Duration) {
        let mut stream = self.door();
        let asked = Instant::now();
        // A program that closes in the middle of the bytes resets: that is an end, too.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("the stream is left open"),
            _ => (answer, asked.elapsed()),
        }
    }

    fn unread(&self) -> u64 {
        self.client().status().unwrap()["legacy"]["unread"].as_u64().unwrap()
    }

    /// STATUS counts a message when its commit begins; the list has it when it is durable.
    fn wait_kept(&self, count: usize) {
        eventually("the messages are kept", LONG, || Ok((self.texts().len() == count).then_some(()))).unwrap();
    }

    fn refused(&self, counter: &str) -> u64 {
        self.client().status().unwrap()["legacy"]["refused"][counter].as_u64().unwrap()
    }

    fn wait_refused(&self, counter: &str, count: u64) {
        eventually(counter, LONG, || Ok((self.refused(counter) == count).then_some(()))).unwrap();
    }

    /// What LEGACY lists.
    fn texts(&self) -> Vec<String> {
        self.client().legacy_history(1000).unwrap().into_iter().map(|message| message.text).collect()
    }
}

#[test]
fn by_default_an_old_daemon_is_any_other_protocol() {
    let place = start(false);
    for bytes in [
        recv(OLD, "hello", false),
        recv(OLD, "hello", true),
        br#"{"cmd":"EXIT","id":"localhost","msg":"","portno":8000}"#.to_vec(),
        b"{".to_vec(),
        b"0".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        b"x".to_vec(),
    ] {
        let (answer, took) = place.ask(&bytes);
        assert_eq!(answer, b"", "{}", String::from_utf8_lossy(&bytes));
        assert!(took < Duration::from_secs(10) + pace::slack(), "closed at its first byte: {took:?}");
    }
    let status = place.client().status().unwrap();
    assert_eq!((&status["legacy"]["receive"], &status["legacy"]["unread"]), (&false.into(), &0.into()));
    let refused = status["legacy"]["refused"].as_object().unwrap();
    assert!(refused.len() == 8 && refused.values().all(|count| count == 0), "{refused:?}");
    assert_eq!(place.client().legacy().unwrap(), None);
    assert!(place.texts().is_empty());
}

#[test]
fn both_framings_arrive_marked_and_outlive_kills_until_they_are_read() {
    let mut place = start(true);
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../../protocol/golden/legacy.txt");
    let golden = std::fs::read_to_string(golden).unwrap();
    for (n, wire) in (1..).zip(golden.lines()) {
        place.deliver(wire.as_bytes());
        place.wait_kept(n);
    }
    let expected = ["hello b", "hello b", "hello s", "grüße 😀"];
    place.daemon.kill().unwrap();
    place.daemon.start().unwrap();
    assert_eq!(place.texts(), expected);
    let mut reader = place.client();
    let first = reader.legacy().unwrap().unwrap();
    assert_eq!((first.text.as_str(), first.claims.as_str()), (expected[0], OLD));
    assert_eq!(first.warning, format!("UNAUTHENTICATED, claims to be {OLD}"));
    // Handed out, and the daemon dies before anybody said that it arrived.
    place.daemon.kill().unwrap();
    place.daemon.start().unwrap();
    assert_eq!(place.unread(), 4);
    let mut reader = place.client();
    for text in expected {
        assert_eq!(reader.legacy().unwrap().unwrap().text, text);
    }
    assert_eq!(reader.legacy().unwrap(), None);
    place.daemon.kill().unwrap();
    place.daemon.start().unwrap();
    assert_eq!((place.unread(), place.client().legacy().unwrap()), (0, None), "the marks are durable");
    assert_eq!(place.texts(), expected, "what was read is still in the list");
}

#[test]
fn the_reply_byte_for_byte_and_in_both_framings_of_local_programs() {
    let place = start(true);
    place.deliver(&recv("x.onion", "a\nb \u{1b}[2J", true));
    place.wait_kept(1);
    let say = |bytes: &[u8]| {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, place.daemon.port().unwrap())).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        reply
    };
    let listed = say(br#"{"cmd":"LEGACY","id":"me","msg":"5","portno":7}"#);
    let date = listed.split(r#""date":""#).nth(1).unwrap()[..20].to_owned();
    let warning = "UNAUTHENTICATED, claims to be x.onion";
    let text = r"a\nb \u001b[2J";
    let shown = text.replace(r"\n", r"\n  ");
    assert_eq!(
        listed,
        format!(
            "{{\"auth\":\"none\",\"cmd\":\"LEGACY\",\"id\":\"legacy:\",\"lines\":[{{\"claims\":\"x.onion\",\
             \"date\":\"{date}\",\"msg\":\"{text}\",\"state\":\"unread\",\"warning\":\"{warning}\"}}],\
             \"msg\":\"{date} {warning}: {shown}\\n\",\"portno\":7}}\n"
        )
    );
    let object = format!(
        "{{\"auth\":\"none\",\"claims\":\"x.onion\",\"cmd\":\"LEGACY\",\"date\":\"{date}\",\"id\":\"legacy:\",\
         \"msg\":\"{text}\",\"portno\":0,\"warning\":\"{warning}\"}}"
    );
    assert_eq!(say(br#"0016{"cmd":"LEGACY"}"#), format!("{:04}{object}", object.len()));
    assert_eq!(say(br#"{"cmd":"LEGACY"}"#), "{\"cmd\":\"END\",\"id\":\"legacy:\",\"msg\":\"\",\"portno\":0}\n");
    assert!(say(br#"{"cmd":"LEGACY","msg":"all"}"#).contains(r#""code":"bad-value""#));
}

#[test]
fn nothing_but_recv_is_done_and_nothing_is_answered() {
    let place = start(true);
    let commands = ["SEND", "UPDATE", "GET_PEERS", "HOST", "EXIT", "HISTORY", "END", "ERR", "FILEINFO"];
    for (n, command) in commands.iter().enumerate() {
        let object = format!(r#"{{"cmd":"{command}","id":"{OTHER}","msg":"{OTHER}","portno":80}}"#);
        let framed = n % 2 == 0;
        let bytes = if framed { format!("{:04}{object}", object.len()) } else { object };
        assert_eq!(place.ask(bytes.as_bytes()).0, b"", "{command}");
    }
    place.wait_refused("commands", commands.len() as u64);
    let bad: [&[u8]; 8] = [
        b"{}",
        b"{]",
        b"0000",
        b"0002{}",
        b"9999{",
        b"220 hello\r\n",
        br#"{"cmd":"RECV","id":"two words","msg":"x","portno":80}"#,
        br#"{"cmd":"RECV","date":null,"id":"x","msg":"null is no text","portno":80}"#,
    ];
    for bytes in bad {
        assert_eq!(place.ask(bytes).0, b"", "{}", String::from_utf8_lossy(bytes));
    }
    let endless = format!("{{\"cmd\":\"RECV\",\"id\":\"x\",\"portno\":80,\"msg\":\"{}", "x".repeat(9000));
    assert_eq!(place.ask(endless.as_bytes()).0, b"");
    place.wait_refused("malformed", bad.len() as u64 + 1);
    // Half a message, and away.
    place.deliver(&recv(OLD, "half", false)[..40]);
    place.wait_refused("unfinished", 1);
    let (answer, took) = place.ask(&recv(OLD, "whole", true));
    assert_eq!(answer, b"");
    assert!(
        took < Duration::from_secs(10) + pace::slack(),
        "closed when it is whole, though the sender keeps it open: {took:?}"
    );
    place.wait_kept(1);
    // Several in one stream: the first counts.
    assert_eq!(place.ask(&[recv(OLD, "one", false), recv(OLD, "two", false)].concat()).0, b"");
    place.wait_kept(2);
    assert_eq!(place.texts(), ["whole", "one"]);
    let handshakes = || place.client().status().unwrap()["refused"]["handshakes"].as_u64().unwrap();
    assert_eq!(handshakes(), 0, "what old daemons do is counted apart");
    // A stream that speaks neither protocol is closed as always.
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01", b" {}", b"TCHX"] {
        assert_eq!(place.ask(bytes).0, b"");
    }
    eventually("they are counted", LONG, || Ok((handshakes() == 4).then_some(()))).unwrap();
    assert!(place.client().peers().unwrap().is_empty() && place.client().contacts().unwrap().is_empty());
    assert_eq!(place.refused("malformed"), bad.len() as u64 + 1);
}

#[test]
fn a_claim_never_becomes_a_contact_or_joins_one() {
    let place = start(true);
    let friend = daemon(place.dir.path(), 2, false);
    let onion = friend.client().unwrap().host().unwrap();
    place.client().add(&onion).unwrap();
    friend.client().unwrap().add(&place.own).unwrap();
    friend.client().unwrap().send_and_wait(&place.own, "proven", 60).unwrap();
    let contacts = |place: &Place| -> Vec<_> {
        let contacts = place.client().contacts().unwrap();
        contacts.into_iter().map(|c| (c["id"].clone(), c["queued"].clone(), c["nick"].clone())).collect()
    };
    let before = contacts(&place);
    for claim in [&onion, &place.own, OTHER, "localhost", "legacy:"] {
        place.deliver(&recv(claim, &format!("forged as {claim}"), false));
    }
    place.wait_kept(5);
    let mut client = place.client();
    assert_eq!(client.peers().unwrap(), std::slice::from_ref(&onion), "for the proven message");
    assert_eq!(client.update(&onion).unwrap().unwrap().text, "proven");
    for peer in [&onion, OTHER] {
        assert_eq!(client.update(peer).unwrap(), None);
        let texts: Vec<_> = client.history(peer, 100).unwrap().into_iter().map(|line| line.text).collect();
        assert!(texts.iter().all(|text| text == "proven"), "{texts:?}");
    }
    assert!(client.peers().unwrap().is_empty());
    assert!(client.requests().unwrap().is_empty());
    assert_eq!(contacts(&place), before);
    for request in ["legacy:", "legacy"] {
        let error = client.update(request).unwrap_err();
        assert!(matches!(error, ClientError::Refused { ref code, .. } if code == "bad-onion"), "{error}");
    }
    let status = client.status().unwrap();
    assert_eq!(
        (&status["contacts"], &status["requests"], &status["queue"]["messages"]),
        (&1.into(), &0.into(), &0.into())
    );
    assert!(!status.to_string().contains("forged") && !status.to_string().contains(OTHER), "{status}");
    // And they do not come back as mail after a restart, when everything is read from the store.
    let mut place = place;
    place.daemon.kill().unwrap();
    place.daemon.start().unwrap();
    assert!(place.client().peers().unwrap().is_empty());
    assert_eq!(contacts(&place), before);
    assert_eq!(place.unread(), 5);
    let log = std::fs::read_to_string(place.daemon.log_path()).unwrap();
    assert!(!log.contains("forged"), "{log}");
}

#[test]
fn programs_of_api_1_read_without_taking_and_take_by_number_once() {
    let mut place = start(true);
    for n in 1..=5 {
        place.deliver(&recv(OLD, &format!("old {n}"), n % 2 == 0));
        place.wait_kept(n);
    }
    let api = |place: &Place| torchat_harness::api::connect(&place.daemon).unwrap();
    let texts = |answer: &Value| -> Vec<String> {
        answer["messages"].as_array().unwrap().iter().map(|row| row["text"].as_str().unwrap().to_owned()).collect()
    };
    let mut one = api(&place);
    // Each has its event, without its text, committed with it.
    let events = one.ok(json!({"cmd": "EVENTS", "after": 0, "filter": {"kinds": ["legacy"]}})).unwrap();
    let events = events["events"].as_array().unwrap().clone();
    assert_eq!(events.len(), 5);
    assert!(events.iter().all(|event| event["claims"] == OLD && event.get("text").is_none()), "{events:?}");

    // Read as often as one likes.
    let page = one.ok(json!({"cmd": "LEGACY", "limit": 2})).unwrap();
    assert_eq!((texts(&page), &page["more"]), (vec!["old 1".to_owned(), "old 2".to_owned()], &json!(true)));
    let second = page["messages"][1].clone();
    assert_eq!((&second["id"], &second["claims"], &second["taken"]), (&events[1]["id"], &json!(OLD), &json!(false)));
    assert_eq!(one.ok(json!({"cmd": "LEGACY", "limit": 2})).unwrap(), page);
    let rest = one.ok(json!({"cmd": "LEGACY", "after": second["id"]})).unwrap();
    assert_eq!((texts(&rest).len(), &rest["more"]), (3, &json!(false)));

    // Classic LEGACY hands the first one out; somebody takes it and the next by their number meanwhile.
    let mut classic = place.client();
    assert_eq!(classic.legacy().unwrap().unwrap().text, "old 1");
    let take = json!({"cmd": "LEGACY_TAKE", "upto": second["id"]});
    let taken = one.ok(take.clone()).unwrap()["taken"].as_u64().unwrap();
    // The first may be marked already: the client's library says that it has it before the next request.
    assert!((1..=2).contains(&taken), "{taken}");
    assert_eq!(one.ok(take.clone()).unwrap()["taken"], 0, "once");
    assert_eq!(classic.legacy().unwrap().unwrap().text, "old 3", "neither comes twice, and nothing goes back");
    drop(classic);
    // By the store, which is what is durable: STATUS and the list know of it before the commit.
    let untaken = json!({"cmd": "LEGACY", "untaken": true});
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let store = rusqlite::Connection::open_with_flags(place.daemon.data().join("torchat.db"), flags).unwrap();
    eventually("three are marked", LONG, || {
        let marked: u32 = store.query_row("SELECT count(*) FROM legacy WHERE taken <> 0", [], |row| row.get(0))?;
        Ok((marked == 3).then_some(()))
    })
    .unwrap();
    drop(store);
    assert_eq!(texts(&one.ok(untaken.clone()).unwrap()), ["old 4", "old 5"]);

    // Nothing is forgotten over a kill, and a number that is not given yet takes nothing that comes later.
    place.daemon.kill().unwrap();
    place.daemon.start().unwrap();
    let mut one = api(&place);
    assert_eq!(texts(&one.ok(untaken.clone()).unwrap()), ["old 4", "old 5"]);
    assert_eq!(one.ok(json!({"cmd": "LEGACY_TAKE", "upto": (1_i64 << 53) - 1})).unwrap()["taken"], 2);
    place.deliver(&recv(OLD, "old 6", true));
    place.wait_kept(6);
    assert_eq!(texts(&one.ok(untaken.clone()).unwrap()), ["old 6"]);
    let all = one.ok(json!({"cmd": "LEGACY"})).unwrap();
    let taken: Vec<_> = all["messages"].as_array().unwrap().iter().map(|row| row["taken"].clone()).collect();
    assert_eq!(taken, [true, true, true, true, true, false].map(Value::from));
    assert_eq!(place.client().legacy().unwrap().unwrap().text, "old 6", "classic programs get what is left");

    // Two at once: each message is taken by one of them.
    for n in 7..=9 {
        place.deliver(&recv(OLD, &format!("old {n}"), true));
        place.wait_kept(n);
    }
    let last = one.ok(json!({"cmd": "LEGACY"})).unwrap()["messages"][8]["id"].clone();
    let take = json!({"cmd": "LEGACY_TAKE", "upto": last});
    let sum: u64 = std::thread::scope(|scope| {
        let all = [0; 4].map(|_| {
            let (mut api, take) = (api(&place), take.clone());
            scope.spawn(move || api.ok(take).unwrap()["taken"].as_u64().unwrap())
        });
        all.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(sum, 3);
    assert_eq!(texts(&one.ok(untaken).unwrap()), [""; 0]);
    assert_eq!(place.unread(), 0);
    for bad in [json!({"cmd": "LEGACY", "limit": 0}), json!({"cmd": "LEGACY_TAKE"})] {
        assert_eq!(one.ask(bad).unwrap().unwrap_err()["code"], "bad-request");
    }
    // A program that may see one conversation only sees none of these.
    let token = json!({"cmd": "TOKEN", "action": "create", "name": "t", "rights": ["read", "send"], "peers": [OTHER]});
    let token = one.ok(token).unwrap()["token"].as_str().unwrap().parse().unwrap();
    let mut guest = torchat_harness::api::Api::prove(place.daemon.port().unwrap(), &token).unwrap();
    for command in [json!({"cmd": "LEGACY"}), take] {
        assert_eq!(guest.ask(command).unwrap().unwrap_err()["code"], "not-allowed");
    }
    let seen = guest.ok(json!({"cmd": "EVENTS", "after": 0})).unwrap();
    assert_eq!(seen["events"], json!([]));
}

#[test]
fn a_flood_is_bounded_and_contacts_are_served_meanwhile() {
    let place = start(true);
    let friend = daemon(place.dir.path(), 2, false);
    let onion = friend.client().unwrap().host().unwrap();
    place.client().add(&onion).unwrap();
    friend.client().unwrap().add(&place.own).unwrap();
    friend.client().unwrap().send_and_wait(&place.own, "before", 60).unwrap();
    // Ones that never finish fill the door.
    let silent: Vec<_> = (0..100)
        .map(|n| {
            let mut stream = place.door();
            stream.write_all(if n % 2 == 0 { b"{\"cmd\":" } else { b"0090{" }).unwrap();
            stream
        })
        .collect();
    let flood = 300;
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let place = &place;
            scope.spawn(move || {
                for n in 0..flood / 3 {
                    // Closed by the daemon before the next one: so none is pushed out of the door.
                    assert_eq!(place.ask(&recv(OLD, &format!("{thread} {n}"), n % 2 == 0)).0, b"");
                }
            });
        }
        for n in 0..20 {
            friend.client().unwrap().send_and_wait(&place.own, &format!("{n}"), 60).unwrap();
        }
    });
    let all = |place: &Place| place.refused("rate") + place.refused("busy") + place.unread();
    // One of the flood may have had to leave the door for another stream; nobody else is missing.
    eventually("all are counted", LONG, || Ok((all(&place) + 150 >= flood).then_some(()))).unwrap();
    let (minutes, kept) = (begun.elapsed().as_secs() / 60 + 1, place.unread());
    assert!(10 <= kept && kept <= 10 * minutes, "{kept} in {minutes} minutes");
    let history = place.client().history(&onion, 100).unwrap();
    assert_eq!(history.len(), 21);
    drop(silent);
}

/// A daemon that takes old messages, and the way of an old daemon to it.
struct Old {
    sim: Sim,
    way: std::sync::Arc<dyn Transport>,
}

fn sim(count: u8) -> Old {
    let mut config = EngineConfig::default();
    config.policy.legacy.receive = true;
    let sim = Sim::new(7, count, config);
    let way = sim.network.attach(parse_onion(OTHER).unwrap()).transport;
    Old { sim, way }
}

impl Old {
    async fn open(&self) -> BoxStream {
        self.way.dial(self.sim.id(0), Isolation::Fresh(Group::CHAT)).await.unwrap()
    }

    async fn deliver(&self, text: &str) {
        let mut stream = self.open().await;
        stream.write_all(&recv(OLD, text, false)).await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(rest(stream).await, b"");
    }

    fn handle(&self) -> Handle {
        self.sim.handle(0)
    }

    fn status(&self, key: &str) -> u64 {
        let status = self.handle().status().to_json()["legacy"].take();
        status["refused"][key].as_u64().or_else(|| status[key].as_u64()).unwrap()
    }

    async fn kept(&self) -> Vec<LegacyLine> {
        self.handle().legacy(1000).await.unwrap()
    }
}

async fn rest(mut stream: BoxStream) -> Vec<u8> {
    let mut answer = Vec::new();
    // A stream that the other end broke ended, too.
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

/// Lets the engine's turns under way end.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}

#[test]
fn a_slow_sender_has_thirty_seconds_for_all_and_five_for_the_first_byte() {
    run(async {
        let old = sim(1);
        for (first, expected) in [(false, 5), (true, 30)] {
            let mut stream = old.open().await;
            let opened = tokio::time::Instant::now();
            let (mut reader, mut writer) = tokio::io::split(&mut stream);
            let dripping = async {
                // One byte a second, and never the last one: the deadline is of the object, not of a read.
                for byte in std::iter::repeat_n(b'{', if first { 1000 } else { 0 }) {
                    if writer.write_all(&[byte]).await.is_err() || writer.flush().await.is_err() {
                        break;
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                std::future::pending::<()>().await;
            };
            let mut answer = Vec::new();
            tokio::select! {
                _ = reader.read_to_end(&mut answer) => {}
                () = dripping => {}
            }
            assert_eq!(answer, b"");
            let took = opened.elapsed().as_secs();
            assert!((expected - 1..expected + 3).contains(&took), "{took} s");
        }
        assert_eq!(old.status("unfinished"), 1);
        // In time, however it is cut.
        let mut stream = old.open().await;
        for byte in recv(OLD, "slow", true) {
            stream.write_all(&[byte]).await.unwrap();
            stream.flush().await.unwrap();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert_eq!(rest(stream).await, b"");
        settle().await;
        assert_eq!(old.kept().await.len(), 1);
    });
}

#[test]
fn ten_a_minute_five_hundred_kept_seven_days() {
    run(async {
        let mut old = sim(1);
        for n in 0..30 {
            old.deliver(&n.to_string()).await;
        }
        settle().await;
        assert_eq!((old.status("unread"), old.status("rate")), (10, 20));
        for n in 0..520 {
            tokio::time::sleep(Duration::from_secs(60)).await;
            old.deliver(&format!("later {n}")).await;
        }
        settle().await;
        assert_eq!((old.status("unread"), old.status("full")), (500, 30), "unread ones stay");
        // Those that were read make room.
        for n in 0..10 {
            let lease = old.handle().lease_legacy().await.unwrap();
            assert_eq!(lease.line.text, n.to_string());
            assert!(old.handle().lease_legacy().await.is_none(), "one holds it at a time");
            old.handle().take_legacy(lease).await;
        }
        let lease = old.handle().lease_legacy().await.unwrap();
        drop(lease);
        assert_eq!(old.handle().lease_legacy().await.unwrap().line.text, "later 0", "put back");
        assert_eq!((old.status("unread"), old.kept().await.len()), (490, 500));
        old.deliver("new").await;
        settle().await;
        let kept = old.kept().await;
        assert_eq!((kept.len(), kept[0].text.as_str(), kept[499].text.as_str()), (500, "1", "new"));
        // A crash changes nothing of it.
        old.sim.kill(0).await;
        old.sim.start(0);
        assert_eq!((old.status("unread"), old.kept().await.len()), (491, 500));
        tokio::time::sleep(Duration::from_secs(9 * 24 * 3600)).await;
        assert_eq!((old.status("unread"), old.status("expired"), old.kept().await.len()), (0, 491, 0));
        assert!(old.handle().lease_legacy().await.is_none());
        // Nobody was dialled for any of it, and nobody is known.
        assert!(old.handle().contacts().is_empty() && old.handle().unread_peers().is_empty());
    });
}

#[test]
fn a_full_store_takes_none_and_goes_on_by_itself() {
    run(async {
        let old = sim(1);
        old.sim.store(0).lock().set_max_bytes(1).unwrap();
        let long = "x".repeat(8000);
        for _ in 0..100 {
            if old.status("storage") > 0 {
                break;
            }
            old.deliver(&long).await;
            tokio::time::sleep(Duration::from_secs(7)).await;
        }
        assert!(old.status("storage") > 0, "it is full by now");
        let before = old.kept().await.len();
        old.sim.store(0).lock().set_max_bytes(1 << 30).unwrap();
        tokio::time::sleep(Duration::from_secs(70)).await;
        old.deliver("again").await;
        settle().await;
        assert_eq!(old.kept().await.len(), before + 1);
        assert_eq!(old.status("unread"), before as u64 + 1);
    });
}
