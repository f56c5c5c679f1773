//! Subscriptions, cursors and the long poll over real sockets: nothing is lost, and nothing comes again that was
//! acknowledged.
#![allow(clippy::unwrap_used)]

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use std::io::Read as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::{Duration, Instant};
use torchat_harness::api::{Api, Pair, connect};
use torchat_protocol::control::token::{Exchange, Token};
use torchat_testkit::daemon::Daemon;

/// A valid onion that nobody serves here: the example of rend-spec-v3.
const NOBODY: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
const WAIT: Duration = Duration::from_secs(30);

fn pair() -> Pair {
    Pair::start(Path::new(env!("CARGO_BIN_EXE_loopback-daemon"))).unwrap()
}

/// Makes `texts` events.
fn queue(api: &mut Api, texts: impl IntoIterator<Item = String>) {
    for text in texts {
        api.ok(json!({"cmd": "SEND", "peer": NOBODY, "text": text})).unwrap();
    }
}

fn names(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

/// The next texts that a subscription gets.
fn texts(api: &mut Api, sub: &Value, count: usize) -> Vec<String> {
    (0..count).map(|_| api.event(sub).unwrap().unwrap()["message"]["text"].as_str().unwrap().to_owned()).collect()
}

const QUEUED: &str = "queued";

#[test]
fn a_subscription_begins_where_it_is_told() {
    let pair = pair();
    let (mut api, mut writer) = (connect(&pair.a).unwrap(), connect(&pair.a).unwrap());
    queue(&mut writer, names(0..3));
    let filter = json!({"kinds": [QUEUED]});
    let all = api.ok(json!({"cmd": "EVENTS", "after": 0, "filter": filter})).unwrap();
    let second = all["events"][1]["seq"].clone();
    for (sub, from) in [("start", json!("start")), ("now", json!("now")), ("n", second), ("absent", Value::Null)] {
        let mut request = json!({"cmd": "SUBSCRIBE", "ref": sub, "from": from, "filter": filter});
        if from.is_null() {
            request.as_object_mut().unwrap().remove("from");
        }
        let answer = api.ok(request).unwrap();
        assert_eq!(answer["last"], all["last"]);
    }
    queue(&mut writer, names(3..4));
    assert_eq!(texts(&mut api, &json!("start"), 4), names(0..4));
    assert_eq!(texts(&mut api, &json!("n"), 2), names(2..4));
    assert_eq!(texts(&mut api, &json!("now"), 1), names(3..4));
    assert_eq!(texts(&mut api, &json!("absent"), 1), names(3..4));
    api.ok(json!({"cmd": "UNSUBSCRIBE", "sub": "now"})).unwrap();
    queue(&mut writer, names(4..5));
    assert_eq!(texts(&mut api, &json!("absent"), 1), names(4..5));
    assert!(api.ok(json!({"cmd": "HOST"})).is_ok());
    let sub = |line: &Value| line["sub"] == "now";
    while let Ok(line) = api.line_at_once() {
        assert!(!sub(&line), "an ended subscription pushed {line}");
    }
}

/// Sends requests in one write, so that each is begun before the one before it is answered. Returns their answers.
fn together<const N: usize>(api: &mut Api, requests: [Value; N]) -> [Result<Value, Value>; N] {
    let lines: String = requests.iter().map(|request| format!("{request}\n")).collect();
    api.say_bytes(lines.as_bytes()).unwrap();
    let mut answers: Vec<_> = (0..N).map(|_| api.line().unwrap()).collect();
    requests.map(|request| {
        let at = answers.iter().position(|line| line["ref"] == request["ref"]).unwrap();
        let mut line = answers.remove(at);
        if line.get("error").is_some() { Err(line["error"]["code"].take()) } else { Ok(line["ok"].take()) }
    })
}

#[test]
fn a_subscription_that_is_being_prepared_counts_as_one_that_runs() {
    let pair = pair();
    let mut api = connect(&pair.a).unwrap();
    let subscribe = |sub: &str| json!({"cmd": "SUBSCRIBE", "ref": sub});
    let unsubscribe = |sub: &str| json!({"cmd": "UNSUBSCRIBE", "ref": format!("end of {sub}"), "sub": sub});
    let twice = together(&mut api, [subscribe("s"), subscribe("s")]);
    assert_eq!(twice.iter().filter(|answer| answer.is_ok()).count(), 1, "{twice:?}");
    assert!(twice.contains(&Err(json!("already-subscribed"))), "{twice:?}");
    // It is ended before it has begun.
    let ended = together(&mut api, [subscribe("t"), unsubscribe("t")]);
    assert!(ended.iter().all(Result::is_ok), "{ended:?}");
    assert_eq!(api.refused(unsubscribe("t")).unwrap(), "unknown-subscription");
    api.ok(unsubscribe("s")).unwrap();
    // What the own user subscribed to ends when its program wants to be less than the own user.
    let create = json!({"cmd": "TOKEN", "action": "create", "name": "t", "rights": ["read"], "peers": [NOBODY]});
    let token: Token = api.ok(create).unwrap()["token"].as_str().unwrap().parse().unwrap();
    const NONCE: &str = "AAECAwQFBgcICQoLDA0ODxAR";
    let hello = json!({"cmd": "HELLO", "ref": "h", "api": 1, "token": token.name(), "nonce": NONCE});
    let [_, hello] = together(&mut api, [subscribe("all"), hello]);
    let (hello, address) = (hello.unwrap(), format!("127.0.0.1:{}", pair.a.port().unwrap()));
    let server_nonce = hello["nonce"].as_str().unwrap();
    let exchange = Exchange { client_nonce: NONCE, server_nonce, address: &address };
    api.ok(json!({"cmd": "AUTH", "proof": token.client_proof(&exchange).to_string()})).unwrap();
    assert_eq!(api.refused(unsubscribe("all")).unwrap(), "unknown-subscription");
}

#[test]
fn events_have_numbers_without_holes_and_pass_a_filter() {
    let pair = pair().befriend().unwrap();
    let (mut a, mut b) = (connect(&pair.a).unwrap(), connect(&pair.b).unwrap());
    b.ok(json!({"cmd": "SUBSCRIBE", "ref": "all", "from": "start"})).unwrap();
    let peers = json!({"kinds": ["received", "link"], "peers": [pair.onion_a]});
    b.ok(json!({"cmd": "SUBSCRIBE", "ref": "some", "from": "start", "filter": peers})).unwrap();
    b.ok(json!({"cmd": "SUBSCRIBE", "ref": "none", "from": "start", "filter": {"peers": [NOBODY]}})).unwrap();
    a.ok(json!({"cmd": "SEND", "peer": pair.onion_b, "text": "hi", "wait": "delivered"})).unwrap();
    b.ok(json!({"cmd": "SEND", "peer": pair.onion_a, "text": "ho", "wait": "delivered"})).unwrap();
    b.ok(json!({"cmd": "SEND", "peer": NOBODY, "text": "to nobody"})).unwrap();
    let mut kinds = Vec::new();
    for n in 1u64.. {
        let event = b.event(&json!("all")).unwrap().unwrap();
        assert_eq!(event["seq"], n, "{event}");
        kinds.push(event["event"].as_str().unwrap().to_owned());
        if event["event"] == "queued" && event["message"]["text"] == "to nobody" {
            break;
        }
    }
    for kind in ["contact", "link", "received", "queued", "sent", "delivered"] {
        assert!(kinds.iter().any(|found| found == kind), "{kind} in {kinds:?}");
    }
    loop {
        let event = b.event(&json!("some")).unwrap().unwrap();
        assert!(event["event"] == "link" && event["peer"] == pair.onion_a || event["event"] == "received", "{event}");
        if event["event"] == "received" {
            break;
        }
    }
    loop {
        let event = b.event(&json!("none")).unwrap().unwrap();
        let about = event["message"]["peer"].as_str().or(event["contact"]["peer"].as_str()).unwrap();
        assert_eq!(about, NOBODY, "{event}");
        if event["event"] == "queued" {
            break;
        }
    }
}

#[test]
fn a_filter_that_drops_everything_moves_on_all_the_same() {
    let pair = pair();
    let (mut api, mut writer) = (connect(&pair.a).unwrap(), connect(&pair.a).unwrap());
    let rare = json!({"cmd": "SUBSCRIBE", "ref": "s", "consumer": "rare", "filter": {"kinds": ["received"]}});
    api.ok(rare.clone()).unwrap();
    let mut upto = |least: u64| loop {
        let line = api.line().unwrap();
        assert_eq!((&line["sub"], line.as_object().unwrap().len()), (&json!("s"), 2), "{line}");
        let upto = line["upto"].as_u64().unwrap();
        if upto >= least {
            break upto;
        }
    };
    queue(&mut writer, names(0..3));
    let last = |writer: &mut Api| writer.ok(json!({"cmd": "EVENTS", "after": 0, "limit": 1})).unwrap()["last"].clone();
    let quiet = upto(last(&mut writer).as_u64().unwrap());
    // While there is no quiet, after 1,024 of them.
    let mut asked = std::collections::VecDeque::new();
    for n in 0..1100 {
        asked.push_back(writer.begin(json!({"cmd": "SEND", "peer": NOBODY, "text": n.to_string()})).unwrap());
        if asked.len() > 8 {
            writer.answer(&asked.pop_front().unwrap()).unwrap().unwrap();
        }
    }
    for answer in asked {
        writer.answer(&answer).unwrap().unwrap();
    }
    upto(quiet + 1024);
    let seen = upto(last(&mut writer).as_u64().unwrap());
    writer.ok(json!({"cmd": "ACK", "consumer": "rare", "seq": seen})).unwrap();
    assert_eq!(connect(&pair.a).unwrap().ok(rare).unwrap()["after"], seen, "nothing is looked through again");
    // One batch read back is long enough to be told of before the quiet.
    let begun = Instant::now();
    let mut api = connect(&pair.a).unwrap();
    api.ok(json!({"cmd": "SUBSCRIBE", "ref": "s", "from": "start", "filter": {"kinds": ["received"]}})).unwrap();
    let first = api.line().unwrap()["upto"].as_u64().unwrap();
    assert!(first >= 1024 && begun.elapsed() < WAIT, "{first}");
}

#[test]
fn what_was_not_acknowledged_comes_again_and_nothing_else() {
    let mut pair = pair();
    let subscribe = json!({"cmd": "SUBSCRIBE", "ref": "s", "consumer": "bot", "filter": {"kinds": [QUEUED]}});
    let mut api = connect(&pair.a).unwrap();
    let begun = api.ok(subscribe.clone()).unwrap()["after"].clone();
    // A new consumer has its place at once: what comes before its first ACK is not lost.
    drop(api);
    queue(&mut connect(&pair.a).unwrap(), names(0..6));
    let mut api = connect(&pair.a).unwrap();
    assert_eq!(api.ok(subscribe.clone()).unwrap()["after"], begun);
    let events: Vec<_> = (0..6).map(|_| api.event(&json!("s")).unwrap().unwrap()).collect();
    let third = events[2]["seq"].clone();
    assert_eq!(api.ok(json!({"cmd": "ACK", "consumer": "bot", "seq": third})).unwrap()["seq"], third);
    assert_eq!(api.ok(json!({"cmd": "ACK", "consumer": "bot", "seq": 1})).unwrap()["seq"], third, "never back");
    let unread = api.ok(json!({"cmd": "EVENTS", "consumer": "bot", "filter": {"kinds": [QUEUED]}})).unwrap();
    assert_eq!(unread["events"].as_array().unwrap()[..], events[3..], "the same by the long poll");
    for kill in [false, true] {
        if kill {
            pair.a.kill().unwrap();
            pair.a.start().unwrap();
        }
        let mut api = connect(&pair.a).unwrap();
        assert_eq!(api.ok(subscribe.clone()).unwrap()["after"], third);
        let again: Vec<_> = (0..3).map(|_| api.event(&json!("s")).unwrap().unwrap()).collect();
        assert_eq!(again[..], events[3..]);
    }
}

#[test]
fn a_token_has_consumers_keys_and_events_of_its_own() {
    let pair = pair();
    let mut own = connect(&pair.a).unwrap();
    let create =
        json!({"cmd": "TOKEN", "action": "create", "name": "t", "rights": ["read", "send"], "peers": [NOBODY]});
    let token = own.ok(create).unwrap()["token"].as_str().unwrap().parse().unwrap();
    let mut api = Api::prove(pair.a.port().unwrap(), &token).unwrap();
    let subscribe = json!({"cmd": "SUBSCRIBE", "ref": "s", "consumer": "bot", "from": "start"});
    own.ok(subscribe.clone()).unwrap();
    api.ok(subscribe.clone()).unwrap();
    let hidden = json!({"cmd": "SUBSCRIBE", "ref": "h", "filter": {"peers": [NOBODY, pair.onion_b]}});
    assert_eq!(api.refused(hidden).unwrap(), "not-allowed");
    own.ok(json!({"cmd": "SEND", "peer": pair.onion_b, "text": "secret", "client_id": "k"})).unwrap();
    own.ok(json!({"cmd": "SEND", "peer": NOBODY, "text": "own", "client_id": "k2"})).unwrap();
    let sent = api.ok(json!({"cmd": "SEND", "peer": NOBODY, "text": "token's", "client_id": "k"})).unwrap();
    assert_eq!(sent["duplicate"], false, "the same key of another program is another key");
    let mut seen = Vec::new();
    let last = loop {
        let event = api.event(&json!("s")).unwrap().unwrap();
        assert!(event.to_string().contains(NOBODY) && !event.to_string().contains(&pair.onion_b), "{event}");
        if event["event"] == QUEUED {
            seen.push((event["message"]["text"].clone(), event["message"]["client_id"].clone()));
            if seen.len() == 2 {
                break event["seq"].clone();
            }
        }
    };
    assert_eq!(seen, [(json!("own"), Value::Null), (json!("token's"), json!("k"))], "keys of others are not shown");
    let keys = |api: &mut Api| -> Vec<Value> {
        let page = api.ok(json!({"cmd": "HISTORY", "peer": NOBODY})).unwrap();
        page["messages"].as_array().unwrap().iter().map(|message| message["client_id"].clone()).collect()
    };
    assert_eq!(keys(&mut own), [json!("k2"), Value::Null], "not even to the own user");
    assert_eq!(keys(&mut api), [Value::Null, json!("k")]);
    for key in ["token:t/k", "token:", "uid:1001/k"] {
        let send = json!({"cmd": "SEND", "peer": NOBODY, "text": "token's", "client_id": key});
        assert_eq!(own.refused(send).unwrap(), "bad-request", "{key}");
        let subscribe = json!({"cmd": "SUBSCRIBE", "consumer": key});
        assert_eq!(own.refused(subscribe).unwrap(), "bad-request", "{key}");
        assert_eq!(own.refused(json!({"cmd": "ACK", "consumer": key, "seq": 1})).unwrap(), "bad-request", "{key}");
    }
    api.ok(json!({"cmd": "ACK", "consumer": "bot", "seq": last})).unwrap();
    let consumers = |cursors: Value| -> Vec<(Value, Value)> {
        let rows = cursors["cursors"].as_array().unwrap();
        rows.iter().map(|row| (row["consumer"].clone(), row["seq"].clone())).collect()
    };
    assert_eq!(consumers(api.ok(json!({"cmd": "CURSORS"})).unwrap()), [(json!("bot"), last.clone())]);
    let all = consumers(own.ok(json!({"cmd": "CURSORS"})).unwrap());
    assert_eq!(all, [(json!("bot"), json!(0)), (json!("token:t/bot"), last)]);
    // Its subscription goes on: the other one's consumer has only the same name.
    own.ok(json!({"cmd": "SEND", "peer": NOBODY, "text": "more"})).unwrap();
    assert!(api.event(&json!("s")).unwrap().is_ok());
    assert_eq!(own.ok(json!({"cmd": "CURSORS", "forget": "token:t/bot"})).unwrap()["cursors"][0]["consumer"], "bot");
    own.ok(json!({"cmd": "TOKEN", "action": "revoke", "name": "t"})).unwrap();
    while api.line().is_ok() {}
}

#[test]
fn a_consumer_is_taken_over_by_its_next_subscription() {
    let pair = pair();
    let (mut first, mut second) = (connect(&pair.a).unwrap(), connect(&pair.a).unwrap());
    let subscribe =
        |name: &str| json!({"cmd": "SUBSCRIBE", "ref": name, "consumer": "bot", "filter": {"kinds": [QUEUED]}});
    first.ok(subscribe("one")).unwrap();
    first.ok(json!({"cmd": "SUBSCRIBE", "ref": "other", "consumer": "other", "filter": {"kinds": [QUEUED]}})).unwrap();
    second.ok(subscribe("two")).unwrap();
    let end = first.event(&json!("one")).unwrap().unwrap_err();
    assert_eq!((&end["code"], end["hint"].is_string()), (&json!("taken-over"), true));
    second.ok(subscribe("three")).unwrap();
    assert_eq!(second.event(&json!("two")).unwrap().unwrap_err()["code"], "taken-over");
    queue(&mut first, names(0..1));
    assert_eq!(texts(&mut second, &json!("three"), 1), names(0..1));
    assert_eq!(texts(&mut first, &json!("other"), 1), names(0..1), "other consumers go on");
}

#[test]
fn whoever_never_reads_holds_up_nobody_and_loses_nothing() {
    const MESSAGES: usize = 600;
    let pair = pair();
    let text = |n: usize| format!("{n} {}", "x".repeat(20_000));
    let subscribe = json!({"cmd": "SUBSCRIBE", "ref": "s", "from": "now", "filter": {"kinds": [QUEUED]}});
    let mut lazy = connect(&pair.a).unwrap();
    for sub in 0..8 {
        lazy.ok(json!({"cmd": "SUBSCRIBE", "ref": sub, "from": "now", "filter": {"kinds": [QUEUED]}})).unwrap();
    }
    let mut eager = connect(&pair.a).unwrap();
    eager.ok(subscribe).unwrap();
    let before = resident_kib(&pair.a);
    let mut writer = connect(&pair.a).unwrap();
    let writing = std::thread::spawn(move || {
        for n in 0..MESSAGES {
            writer.ok(json!({"cmd": "SEND", "peer": NOBODY, "text": text(n)})).unwrap();
        }
    });
    for n in 0..MESSAGES {
        assert_eq!(eager.event(&json!("s")).unwrap().unwrap()["message"]["text"], text(n));
    }
    writing.join().unwrap();
    // 12 MB for each of eight subscriptions wait in the log, not in memory.
    let grown = resident_kib(&pair.a).saturating_sub(before);
    assert!(grown < 24 * 1024, "{grown} KiB");
    // Asked only now: the answer is before most of what waits.
    let host = lazy.begin(json!({"cmd": "HOST"})).unwrap();
    let mut next = [0; 8];
    let mut pushed_before_answer = 0;
    loop {
        let line = lazy.line().unwrap();
        if line["ref"] == host {
            break;
        }
        if line.get("upto").is_some() {
            continue;
        }
        let sub = usize::try_from(line["sub"].as_u64().unwrap()).unwrap();
        assert_eq!(line["event"]["message"]["text"], text(next[sub]));
        next[sub] += 1;
        pushed_before_answer += 1;
    }
    assert!(pushed_before_answer < MESSAGES * 4, "{pushed_before_answer} events came before the answer");
    while next.iter().any(|count| *count < MESSAGES) {
        let line = lazy.line().unwrap();
        if line.get("upto").is_some() {
            continue;
        }
        let sub = usize::try_from(line["sub"].as_u64().unwrap()).unwrap();
        assert_eq!(line["event"]["message"]["text"], text(next[sub]), "in order, without a hole");
        next[sub] += 1;
    }
}

#[test]
fn a_client_that_does_not_take_its_answers_is_not_worked_for() {
    let pair = pair();
    let mut api = connect(&pair.a).unwrap();
    let text = "x".repeat(60_000);
    for _ in 0..20 {
        api.ok(json!({"cmd": "SEND", "peer": NOBODY, "text": text})).unwrap();
    }
    let before = resident_kib(&pair.a);
    let mut writer = api.stream().try_clone().unwrap();
    writer.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let page = json!({"cmd": "HISTORY", "peer": NOBODY, "limit": 1000}).to_string().repeat(100);
    // More than a megabyte for each: the first ones fill the sockets, then reading stops.
    while std::io::Write::write_all(&mut writer, page.as_bytes()).is_ok() {}
    assert_eq!(connect(&pair.a).unwrap().ok(json!({"cmd": "HOST"})).unwrap()["onion"], pair.onion_a);
    let grown = resident_kib(&pair.a).saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB");
}

#[test]
fn the_long_poll_ends_with_the_first_event_and_not_before() {
    let pair = pair();
    let (mut api, mut writer) = (connect(&pair.a).unwrap(), connect(&pair.a).unwrap());
    let last = api.ok(json!({"cmd": "EVENTS", "after": 0, "limit": 1})).unwrap()["last"].clone();
    let begun = Instant::now();
    let nothing = api.ok(json!({"cmd": "EVENTS", "after": last, "wait": 1})).unwrap();
    assert_eq!((&nothing["events"], &nothing["next"]), (&json!([]), &last));
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
    let filter = json!({"kinds": [QUEUED], "peers": [NOBODY]});
    let poll = api.begin(json!({"cmd": "EVENTS", "after": last, "wait": 300, "filter": filter})).unwrap();
    writer.ok(json!({"cmd": "ADD", "peer": NOBODY})).unwrap();
    queue(&mut writer, names(0..3));
    let answer = api.answer(&poll).unwrap().unwrap();
    assert_eq!(answer["events"][0]["message"]["text"], "0");
    let mut found: Vec<Value> = answer["events"].as_array().unwrap().clone();
    let mut next = answer["next"].clone();
    while found.len() < 3 {
        let more = api.ok(json!({"cmd": "EVENTS", "after": next, "limit": 1, "filter": filter})).unwrap();
        found.extend(more["events"].as_array().unwrap().iter().cloned());
        next = more["next"].clone();
    }
    let texts: Vec<_> = found.iter().map(|event| event["message"]["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["0", "1", "2"]);
}

#[test]
fn only_what_does_nothing_is_closed_as_idle() {
    let dir = tempfile::tempdir().unwrap();
    let peers = dir.path().join("peers");
    std::fs::create_dir(&peers).unwrap();
    let data = dir.path().join("d");
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let arguments = vec![text(&data), text(&peers), "1".to_owned(), "idle=600".to_owned()];
    let mut daemon = Daemon::new(Path::new(env!("CARGO_BIN_EXE_loopback-daemon")), arguments, &data);
    daemon.start().unwrap();
    let classic = std::net::TcpStream::connect(("127.0.0.1", daemon.port().unwrap())).unwrap();
    classic.set_read_timeout(Some(WAIT)).unwrap();
    let (mut idle, mut subscribed, mut waiting) =
        (connect(&daemon).unwrap(), connect(&daemon).unwrap(), connect(&daemon).unwrap());
    subscribed.ok(json!({"cmd": "SUBSCRIBE", "ref": "s"})).unwrap();
    // The daemon's one event of its own: how it reaches its network.
    let first = waiting.ok(json!({"cmd": "EVENTS", "after": 0, "wait": 60})).unwrap();
    assert_eq!(first["events"][0]["event"], "tor");
    assert_eq!(first["events"][0]["why"], json!({"code": "connected"}));
    let poll = waiting.begin(json!({"cmd": "EVENTS", "after": first["last"], "wait": 2})).unwrap();
    assert!(idle.is_over());
    assert_eq!((&classic).read(&mut [0; 8]).unwrap(), 0, "the classic one too");
    assert_eq!(waiting.answer(&poll).unwrap().unwrap()["events"], json!([]), "it waited longer than that");
    assert!(subscribed.ok(json!({"cmd": "HOST"})).is_ok());
    subscribed.ok(json!({"cmd": "UNSUBSCRIBE", "sub": "s"})).unwrap();
    assert!(subscribed.is_over() && waiting.is_over());
}

/// What a consumer must be able to rely on, watched over all its connections.
#[derive(Default)]
struct Consumer {
    /// The last event whose ACK was answered, and the last that was sent.
    acknowledged: u64,
    sent: u64,
    /// What came, each once, by number.
    worked_off: Vec<(u64, String)>,
    connections: usize,
    repeated: usize,
}

impl Consumer {
    /// One connection's life: ends when it breaks, or when `enough` texts were worked off and acknowledged.
    fn live(&mut self, port: u16, random: &mut StdRng, enough: usize) -> anyhow::Result<()> {
        let mut api = Api::connect(port)?;
        let subscribe = json!({"cmd": "SUBSCRIBE", "ref": "s", "consumer": "bot", "filter": {"kinds": ["received"]}});
        let after = api.ok(subscribe)?["after"].as_u64().unwrap();
        self.connections += 1;
        assert!((self.acknowledged..=self.sent.max(self.acknowledged)).contains(&after) || self.connections == 1);
        self.acknowledged = after;
        self.sent = self.sent.max(after);
        // What was not acknowledged is worked off again: a program that keeps its state with its cursor forgets it.
        let before = self.worked_off.len();
        self.worked_off.retain(|(seq, _)| *seq <= after);
        self.repeated += before - self.worked_off.len();
        loop {
            if self.worked_off.len() == enough
                && self.worked_off.last().is_none_or(|(seq, _)| *seq <= self.acknowledged)
            {
                return Ok(());
            }
            // The end of the test comes as an event too, so this waits only for what must come.
            let event = match api.event(&json!("s"))? {
                Ok(event) => event,
                Err(end) => anyhow::bail!("{end}"),
            };
            assert_ne!(event["event"], "gap", "{event}");
            let seq = event["seq"].as_u64().unwrap();
            assert!(seq > after, "{seq} came again after it was acknowledged ({after})");
            assert!(self.worked_off.last().is_none_or(|(last, _)| seq > *last), "{seq} is out of order");
            self.worked_off.push((seq, event["message"]["text"].as_str().unwrap().to_owned()));
            if random.random_range(0..3) == 0 || self.worked_off.len() == enough {
                self.sent = self.sent.max(seq);
                let ack = api.begin(json!({"cmd": "ACK", "consumer": "bot", "seq": seq}))?;
                // Killed between the work and the ACK, or between the ACK and its answer.
                if random.random_range(0..20) == 0 {
                    return Ok(());
                }
                let Ok(answer) = api.answer(&ack)? else { anyhow::bail!("the daemon stops") };
                // The last ACK of a connection that broke may be done after the first words of the next one.
                self.acknowledged = answer["seq"].as_u64().unwrap();
                assert!((seq..=self.sent).contains(&self.acknowledged), "{seq} {answer} {}", self.sent);
            }
            if random.random_range(0..40) == 0 {
                return Ok(());
            }
        }
    }
}

/// Messages go from one daemon to the other; both, and the consumer at the other one, end at random moments without a
/// last word.
fn consumer_under_kills(messages: usize, seed: u64) {
    let Pair { mut a, mut b, onion_b, dir: _dir, .. } = pair().befriend().unwrap();
    let mut random = StdRng::seed_from_u64(seed);
    let ports = [AtomicU16::new(a.port().unwrap()), AtomicU16::new(b.port().unwrap())];
    let done = AtomicBool::new(false);
    // Before the first message, so that the cursor is before it.
    let mut consumer = Consumer::default();
    connect(&b).unwrap().ok(json!({"cmd": "SUBSCRIBE", "consumer": "bot"})).unwrap();
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let mut api: Option<Api> = None;
            for n in 0..messages {
                let send = json!({"cmd": "SEND", "peer": onion_b, "text": n.to_string(), "client_id": n.to_string()});
                // The same key again is the same message, whatever became of the first answer.
                loop {
                    if api.is_none() {
                        api = Api::connect(ports[0].load(Ordering::Relaxed)).ok();
                    }
                    match api.as_mut().map(|api| api.ask(send.clone())) {
                        Some(Ok(Ok(_))) => break,
                        Some(Ok(Err(error))) if error["code"] != "stopping" && error["code"] != "outbox-full" => {
                            panic!("{error}")
                        }
                        _ => {
                            api = None;
                            std::thread::sleep(Duration::from_millis(2));
                        }
                    }
                }
                // A pace at which kills fall into the talk.
                std::thread::sleep(Duration::from_millis(4));
            }
        });
        let consuming = scope.spawn(|| {
            let mut random = StdRng::seed_from_u64(seed + 1);
            let begun = Instant::now();
            while consumer.worked_off.len() < messages
                || consumer.worked_off.last().is_some_and(|(seq, _)| *seq > consumer.acknowledged)
            {
                let _ = consumer.live(ports[1].load(Ordering::Relaxed), &mut random, messages);
                assert!(begun.elapsed() < WAIT * 4 + Duration::from_millis(40) * u32::try_from(messages).unwrap());
                std::thread::sleep(Duration::from_millis(1));
            }
            done.store(true, Ordering::Relaxed);
        });
        while !done.load(Ordering::Relaxed) && !consuming.is_finished() {
            std::thread::sleep(Duration::from_millis(random.random_range(50..400)));
            if sending.is_finished() {
                continue;
            }
            let (port, victim) = if random.random_range(0..3) == 0 { (&ports[0], &mut a) } else { (&ports[1], &mut b) };
            victim.kill().unwrap();
            victim.start().unwrap();
            port.store(victim.port().unwrap(), Ordering::Relaxed);
        }
        sending.join().unwrap();
        consuming.join().unwrap();
    });
    let texts: Vec<_> = consumer.worked_off.iter().map(|(_, text)| text.clone()).collect();
    assert_eq!(texts, names(0..messages), "0 lost, 0 twice, in order");
    assert!(consumer.connections > 3, "{} connections", consumer.connections);
    println!(
        "{} connections, {} events came again that were not acknowledged",
        consumer.connections, consumer.repeated
    );
}

#[test]
fn a_consumer_gets_everything_once_whoever_is_killed() {
    // TORCHAT_API_MESSAGES=10000 for the long run.
    let messages = std::env::var("TORCHAT_API_MESSAGES").ok().map_or(300, |text| text.parse().unwrap());
    consumer_under_kills(messages, 7);
}

#[test]
fn an_event_is_there_as_soon_as_the_answer() {
    let pair = pair();
    let (mut api, mut writer) = (connect(&pair.a).unwrap(), connect(&pair.a).unwrap());
    api.ok(json!({"cmd": "SUBSCRIBE", "ref": "s", "filter": {"kinds": [QUEUED]}})).unwrap();
    for n in 0..50 {
        let sent = writer.ok(json!({"cmd": "SEND", "peer": NOBODY, "text": n.to_string()})).unwrap();
        let event = api.event(&json!("s")).unwrap().unwrap();
        assert_eq!((&event["message"]["id"], &event["message"]["mid"]), (&sent["id"], &sent["mid"]));
        // What EVENTS shows is what was pushed.
        let polled =
            writer.ok(json!({"cmd": "EVENTS", "after": event["seq"].as_u64().unwrap() - 1, "limit": 1})).unwrap();
        assert_eq!(polled["events"][0], event);
    }
}

fn resident_kib(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid().unwrap())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}
