//! API 1 against a scripted daemon: what a real one does rarely or never.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use torchat_client::api::command::{From, History, Host, Search, Send, Subscribe};
use torchat_client::api::event::{Filter, What};
use torchat_client::api::events::{Follower, State, Step};
use torchat_client::api::{Address, ApiClientError, Code, Connection, Onion, Token};
use torchat_protocol::control::token::{Exchange, Proof, UNIX, nonce};
use torchat_protocol::id::parse_onion;

const ONION: &str = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion";
const LONG: Duration = Duration::from_secs(20);

/// The daemon's end of one connection.
struct Talk {
    reader: BufReader<UnixStream>,
}

impl Talk {
    fn accept(listener: &UnixListener) -> Self {
        Self { reader: BufReader::new(listener.accept().unwrap().0) }
    }

    /// The next request; `None` when the client left.
    fn hear(&mut self) -> Option<Value> {
        let mut line = String::new();
        (self.reader.read_line(&mut line).ok()? > 0).then(|| serde_json::from_str(&line).unwrap())
    }

    /// The next request, which must be this one: its `ref`.
    fn expect(&mut self, command: &str) -> Value {
        let mut request = self.hear().unwrap();
        assert_eq!(request["cmd"], command, "{request}");
        request["ref"].take()
    }

    fn say(&mut self, value: &Value) {
        // A client that has left is no matter of the script.
        let _ = self.reader.get_mut().write_all(format!("{value}\n").as_bytes());
    }

    fn welcome(&mut self, seq: u64) {
        let reference = self.expect("HELLO");
        self.say(&json!({"ref": reference, "ok": welcome(seq)}));
    }

    fn event(&mut self, sub: &Value, seq: u64) {
        self.say(&json!({"sub": sub, "event":
            {"seq": seq, "at": "2026-01-02T03:04:05.006Z", "event": "link", "peer": ONION, "up": true}}));
    }
}

fn welcome(seq: u64) -> Value {
    json!({"api": 1, "server": "fake", "onion": ONION, "rights": ["admin"], "commands": [], "seq": seq, "oldest": 1,
        "limits": {"object_bytes": 1, "text_bytes": 1, "requests": 1, "subscriptions": 1, "page": 1}})
}

/// Runs a script as the daemon of an address. A script that fails makes the test fail when the result is dropped.
struct Fake {
    address: Address,
    thread: Option<std::thread::JoinHandle<()>>,
    _dir: tempfile::TempDir,
}

impl Fake {
    fn new(script: impl FnOnce(&UnixListener) + std::marker::Send + 'static) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let mut address = Address::unix(path).named("test");
        address.patience = LONG;
        Self { address, thread: Some(std::thread::spawn(move || script(&listener))), _dir: dir }
    }

    fn open(&self) -> Result<Connection, ApiClientError> {
        Connection::open(&self.address)
    }

    /// Waits for the end of the script.
    fn end(mut self) {
        self.thread.take().unwrap().join().unwrap();
    }
}

fn peer() -> Onion {
    Onion(parse_onion(ONION).unwrap())
}

fn all() -> Subscribe {
    Subscribe { consumer: None, from: None, filter: Filter::default() }
}

fn is_lost<T: std::fmt::Debug>(result: &Result<T, ApiClientError>) -> bool {
    matches!(result, Err(ApiClientError::Lost { .. }))
}

#[test]
fn answers_find_the_one_who_asked_in_any_order() {
    let fake = Fake::new(|listener| {
        let mut talk = Talk::accept(listener);
        talk.welcome(0);
        let requests: Vec<_> = (0..8).map(|_| talk.hear().unwrap()).collect();
        // What nobody asked for, or knows, disturbs nobody.
        talk.say(&json!({"ref": 999, "ok": {}}));
        talk.say(&json!({"ref": "a text", "ok": {}}));
        talk.say(&json!({"later": ["a new", "kind of line"]}));
        for request in requests.iter().rev() {
            assert_eq!(request["cmd"], "SEARCH");
            let more = request["text"] == "odd";
            talk.say(&json!({"ref": request["ref"], "ok": {"messages": [], "more": more, "complete": true, "new": 1}}));
        }
    });
    let connection = fake.open().unwrap();
    std::thread::scope(|scope| {
        for n in 0..8 {
            let connection = connection.clone();
            scope.spawn(move || {
                let text = if n % 2 == 1 { "odd" } else { "even" };
                let search = Search { text: text.into(), peer: None, before: None, limit: None };
                assert_eq!(connection.call(&search).unwrap().more, n % 2 == 1);
            });
        }
    });
    fake.end();
}

#[test]
fn refusals_and_silence_are_told_apart() {
    let (done, wait) = channel::<()>();
    let fake = Fake::new(move |listener| {
        let mut talk = Talk::accept(listener);
        talk.welcome(0);
        let reference = talk.expect("SEND");
        talk.say(&json!({"ref": reference, "error": {"code": "too-long", "message": "no", "hint": "split it"}}));
        let late = talk.expect("HOST");
        wait.recv().unwrap();
        talk.say(&json!({"ref": late, "ok": {"onion": ONION}}));
        let reference = talk.expect("HOST");
        talk.say(&json!({"ref": reference, "ok": {"nothing": "useful"}}));
        let reference = talk.expect("HISTORY");
        talk.say(&json!({"ref": reference, "ok": {"messages": [], "more": false}}));
        assert_eq!(talk.hear(), None);
    });
    let connection = fake.open().unwrap();
    let send = Send {
        peer: peer().conversation(),
        text: "x".into(),
        client_id: None,
        wait: None,
        timeout: None,
        expire: None,
        re: None,
        to: Vec::new(),
    };
    let refused = connection.call(&send).unwrap_err();
    assert_eq!(refused.code(), Some(&Code::TooLong));
    assert_eq!(refused.to_string(), "no (too-long): split it");
    let short = Duration::from_millis(20);
    let silent = connection.call_within(&Host {}, short).unwrap_err();
    assert_eq!(silent, ApiClientError::Timeout { command: "HOST", after: short });
    done.send(()).unwrap();
    // The late answer is nobody's, and one that cannot be read hurts only its own call.
    assert!(matches!(connection.call(&Host {}), Err(ApiClientError::Protocol(_))));
    let history = History { peer: peer().conversation(), before: None, after: None, limit: None, hidden: false };
    assert!(connection.call(&history).unwrap().messages.is_empty());
    // Never sent: the daemon would end the connection.
    let huge = Send { text: "\u{1}".repeat(300_000), ..send };
    assert_eq!(connection.call(&huge).unwrap_err().code(), Some(&Code::TooLong));
    drop(connection);
    fake.end();
}

/// What the daemon takes for no object ends the connection, and with it what others wait for.
#[test]
fn a_call_that_is_no_request_is_refused_here_and_ends_nobodys_connection() {
    let fake = Fake::new(|listener| {
        let mut talk = Talk::accept(listener);
        talk.welcome(0);
        let sub = talk.expect("SUBSCRIBE");
        talk.say(&json!({"ref": sub, "ok": {"after": 0, "last": 0}}));
        // Nothing of the bad calls came.
        let host = talk.expect("HOST");
        talk.say(&json!({"ref": host, "ok": {"onion": ONION}}));
        talk.event(&sub, 1);
        talk.hear();
    });
    let connection = fake.open().unwrap();
    let mut subscription = connection.subscribe(all()).unwrap();
    let history = |before, after| History { peer: peer().conversation(), before, after, limit: None, hidden: false };
    for wrong in [history(Some(i64::MAX), None), history(None, Some(1 << 53)), history(Some(i64::MIN), None)] {
        let error = connection.call(&wrong).unwrap_err();
        assert_eq!(error.code(), Some(&Code::BadRequest), "{error}");
        assert!(!error.is_passing());
    }
    let far = Subscribe { from: Some(From::After(u64::MAX)), ..all() };
    assert_eq!(connection.subscribe(far).unwrap_err().code(), Some(&Code::BadRequest));
    connection.call(&Host {}).unwrap();
    assert_eq!(subscription.next(LONG).unwrap().unwrap().seq, 1);
    drop((subscription, connection));
    fake.end();
}

#[test]
fn who_waits_when_the_daemon_leaves_is_told_why() {
    let fake = Fake::new(|listener| {
        let mut talk = Talk::accept(listener);
        talk.welcome(0);
        talk.expect("HOST");
        // Half a line, and the end.
        talk.reader.get_mut().write_all(b"{\"ref\":2,").unwrap();
        drop(talk);
        let mut talk = Talk::accept(listener);
        talk.welcome(0);
        talk.expect("HOST");
        talk.say(&json!({"ref": null, "error": {"code": "not-authenticated", "message": "the token has ended"}}));
        drop(talk);
        let mut talk = Talk::accept(listener);
        talk.expect("HELLO");
        talk.say(&json!({"cmd": "ERR", "code": "unknown-command", "id": "", "msg": "what?", "portno": 0}));
        drop(talk);
        let mut talk = Talk::accept(listener);
        talk.expect("HELLO");
        talk.reader.get_mut().write_all(b"HTTP/1.1 400 Bad Request\r\n").unwrap();
        drop(talk);
        Talk::accept(listener).expect("HELLO");
    });
    let connection = fake.open().unwrap();
    assert!(is_lost(&connection.call(&Host {})));
    assert!(is_lost(&connection.call(&Host {})), "again at once");
    let connection = fake.open().unwrap();
    assert_eq!(connection.call(&Host {}).unwrap_err().code(), Some(&Code::NotAuthenticated));
    let old = fake.open().unwrap_err().to_string();
    assert!(old.contains("too old"), "{old}");
    assert!(matches!(fake.open(), Err(ApiClientError::Protocol(_))));
    assert!(is_lost(&fake.open()));
    let address = fake.address.clone();
    fake.end();
    let gone = Connection::open(&address).unwrap_err().to_string();
    assert!(gone.contains("torchatd -d"), "{gone}");
}

#[test]
fn the_daemon_must_know_the_token_too() {
    let token = Token::new("cron", [7; 32]).unwrap();
    let knows = token.clone();
    let fake = Fake::new(move |listener| {
        // In turn: the daemon; one that lets everybody in; one that has nothing to prove with; one that repeats us.
        for kind in 0..4 {
            let mut talk = Talk::accept(listener);
            let mut hello = talk.hear().unwrap();
            assert_eq!((&hello["cmd"], &hello["token"]), (&json!("HELLO"), &json!("cron")));
            let server_nonce = nonce(&[9; 32]);
            let mut ok = json!({"api": 1, "server": "fake", "nonce": server_nonce});
            if kind == 1 {
                ok = welcome(0);
            }
            talk.say(&json!({"ref": hello["ref"].take(), "ok": ok}));
            let Some(auth) = talk.hear() else { continue };
            assert_eq!(auth["cmd"], "AUTH");
            let exchange =
                Exchange { client_nonce: hello["nonce"].as_str().unwrap(), server_nonce: &server_nonce, address: UNIX };
            let client: Proof = auth["proof"].as_str().unwrap().parse().unwrap();
            let proof = knows.verifier().check("cron", &exchange, &client).unwrap();
            let mut ok = welcome(0);
            ok["proof"] = match kind {
                0 => json!(proof.to_string()),
                2 => json!(nonce(&[0; 32])),
                _ => json!(client.to_string()),
            };
            talk.say(&json!({"ref": auth["ref"], "ok": ok}));
        }
    });
    let address = fake.address.clone().with_token(token);
    assert_eq!(Connection::open(&address).unwrap().welcome().onion, peer());
    for _ in 1..4 {
        let wrong = Connection::open(&address).unwrap_err();
        assert!(matches!(wrong, ApiClientError::Impostor { .. }), "{wrong}");
        assert!(wrong.to_string().contains("\"cron\"") && !wrong.is_passing());
    }
    fake.end();
}

#[test]
fn a_slow_reader_gets_everything_from_the_log() {
    const EVENTS: u64 = 12_000;
    let fake = Fake::new(|listener| {
        let mut talk = Talk::accept(listener);
        talk.welcome(EVENTS);
        let mut subscribed = 0;
        // Like a log: every subscription gets what is after its place.
        while let Some(request) = talk.hear() {
            match request["cmd"].as_str().unwrap() {
                "SUBSCRIBE" => {
                    let after = request["from"].as_u64().unwrap();
                    subscribed += 1;
                    talk.say(&json!({"ref": request["ref"], "ok": {"after": after, "last": EVENTS}}));
                    (after + 1..=EVENTS).for_each(|seq| talk.event(&request["ref"], seq));
                }
                "HOST" => talk.say(&json!({"ref": request["ref"], "ok": {"onion": ONION}})),
                other => assert_eq!(other, "UNSUBSCRIBE"),
            }
        }
        assert!((2..20).contains(&subscribed), "the queue was bounded: {subscribed}");
    });
    let connection = fake.open().unwrap();
    let mut subscription = connection.subscribe(Subscribe { from: Some(From::After(0)), ..all() }).unwrap();
    // Answered behind all the events, none of which was taken.
    assert_eq!(connection.call(&Host {}).unwrap().onion, peer());
    for seq in 1..=EVENTS {
        assert_eq!(subscription.next(LONG).unwrap().unwrap().seq, seq);
    }
    assert_eq!((subscription.next(Duration::ZERO), subscription.position()), (Ok(None), EVENTS));
    drop((subscription, connection));
    fake.end();
}

#[test]
fn a_follower_moves_on_past_what_its_filter_drops() {
    let fake = Fake::new(|listener| {
        let mut talk = Talk::accept(listener);
        talk.welcome(9);
        let sub = talk.expect("SUBSCRIBE");
        talk.say(&json!({"ref": sub, "ok": {"after": 4, "last": 9}}));
        let acknowledged = |talk: &mut Talk| {
            let mut ack = talk.hear().unwrap();
            assert_eq!(ack["cmd"], "ACK", "{ack}");
            talk.say(&json!({"ref": ack["ref"], "ok": {"seq": ack["seq"]}}));
            ack["seq"].take()
        };
        // Nothing is being worked off, so it acknowledges this by itself.
        talk.say(&json!({"sub": sub, "upto": 8}));
        assert_eq!(acknowledged(&mut talk), 8);
        talk.event(&sub, 9);
        // Not this: 9 is being worked off. Its own ACK covers it.
        talk.say(&json!({"sub": sub, "upto": 12}));
        talk.event(&sub, 13);
        assert_eq!(acknowledged(&mut talk), 9);
        assert_eq!(acknowledged(&mut talk), 13);
        talk.say(&json!({"sub": sub, "upto": 20}));
        assert_eq!(acknowledged(&mut talk), 20);
        drop(talk);
        let mut talk = Talk::accept(listener);
        talk.welcome(20);
        let request = talk.hear().unwrap();
        assert_eq!(request["from"], 20, "what was dropped is not looked through again");
        talk.say(&json!({"ref": request["ref"], "ok": {"after": 20, "last": 20}}));
        talk.event(&request["ref"], 21);
        talk.hear();
    });
    let mut follower = Follower::new(fake.address.clone(), Subscribe { consumer: Some("bot".into()), ..all() });
    assert_eq!(follower.next(LONG).unwrap().unwrap().seq, 9);
    assert_eq!(follower.next(LONG).unwrap().unwrap().seq, 13);
    follower.ack_upto(9).unwrap();
    follower.ack().unwrap();
    assert_eq!(follower.next(LONG).unwrap().unwrap().seq, 21);
    drop(follower);
    fake.end();
}

#[test]
fn a_follower_goes_on_where_it_was() {
    let fake = Fake::new(|listener| {
        let mut talk = Talk::accept(listener);
        talk.welcome(6);
        let mut request = talk.hear().unwrap();
        assert_eq!((&request["consumer"], &request["from"]), (&json!("bot"), &Value::Null), "its cursor");
        let sub = request["ref"].take();
        talk.say(&json!({"ref": sub, "ok": {"after": 4, "last": 6}}));
        talk.event(&sub, 5);
        // Of a later version of the API.
        talk.say(&json!({"sub": sub, "event": {"seq": 6, "at": "x", "event": "room-opened", "room": {}}}));
        let reference = talk.expect("ACK");
        talk.say(&json!({"ref": reference, "ok": {"seq": 5}}));
        talk.event(&sub, 7);
        // The acknowledgement of 7 is not answered.
        let mut ack = talk.hear().unwrap();
        assert_eq!((ack["cmd"].take(), ack["seq"].take()), (json!("ACK"), json!(7)));
        drop(talk);
        // It is said again.
        let mut talk = Talk::accept(listener);
        talk.welcome(8);
        let mut request = talk.hear().unwrap();
        assert_eq!((request["cmd"].take(), request["from"].take()), (json!("SUBSCRIBE"), json!(7)));
        let sub = request["ref"].take();
        talk.say(&json!({"ref": sub, "ok": {"after": 7, "last": 8}}));
        let mut ack = talk.hear().unwrap();
        assert_eq!((ack["cmd"].take(), ack["seq"].take()), (json!("ACK"), json!(7)));
        talk.say(&json!({"ref": ack["ref"], "ok": {"seq": 7}}));
        talk.event(&sub, 8);
        talk.expect("HOST");
        talk.say(&json!({"sub": sub, "end": {"code": "stopping", "message": "the daemon stops"}}));
        drop(talk);
        // A backup was restored: its log ends before our place, and its own cursor counts.
        let mut talk = Talk::accept(listener);
        talk.welcome(3);
        let mut request = talk.hear().unwrap();
        assert_eq!(request["from"], Value::Null);
        let sub = request["ref"].take();
        talk.say(&json!({"ref": sub, "ok": {"after": 2, "last": 3}}));
        talk.event(&sub, 3);
        talk.say(&json!({"sub": sub, "end": {"code": "taken-over", "message": "another one"}}));
        talk.hear();
        drop(talk);
        let mut talk = Talk::accept(listener);
        talk.welcome(3);
        let mut request = talk.hear().unwrap();
        assert_eq!(request["from"], 3);
        talk.say(&json!({"ref": request["ref"].take(), "ok": {"after": 3, "last": 3}}));
        while talk.hear().is_some() {}
    });
    let mut follower = Follower::new(fake.address.clone(), Subscribe { consumer: Some("bot".into()), ..all() });
    let handle = follower.handle();
    assert!(is_lost(&handle.call(&Host {})), "nothing is connected yet");
    let connected = |step: &Step| match step {
        Step::State(State::Connected { continued, .. }) => *continued,
        other => panic!("{other:?}"),
    };
    let seq = |step: &Step| match step {
        Step::Event(event) => event.seq,
        other => panic!("{other:?}"),
    };
    assert!(!connected(&follower.step(LONG)));
    assert_eq!(seq(&follower.step(LONG)), 5);
    follower.ack().unwrap();
    follower.ack().unwrap();
    assert_eq!(seq(&follower.step(LONG)), 7, "what nobody here knows is skipped");
    assert!(is_lost(&follower.ack()));
    assert!(matches!(follower.step(LONG), Step::State(State::Gone { .. })));
    assert!(is_lost(&handle.call(&Host {})));
    assert!(connected(&follower.step(LONG)));
    assert_eq!(seq(&follower.step(LONG)), 8);
    drop(handle.connection().unwrap().start(&Host {}).unwrap());
    assert!(matches!(follower.step(LONG), Step::State(State::Gone { .. })));
    assert!(!connected(&follower.step(LONG)));
    assert_eq!(seq(&follower.step(LONG)), 3);
    // Another program wants the same consumer: not to be fought for.
    match follower.step(LONG) {
        Step::State(State::Refused(error)) => assert_eq!(error.code(), Some(&Code::TakenOver)),
        other => panic!("{other:?}"),
    }
    assert_eq!(follower.step(Duration::from_millis(10)), Step::Timeout);
    assert_eq!(follower.next(Duration::ZERO).unwrap_err().code(), Some(&Code::TakenOver));
    handle.retry();
    assert!(connected(&follower.step(LONG)));
    drop(follower);
    assert!(handle.connection().is_none());
    fake.end();
}

#[test]
fn a_follower_waits_for_a_daemon_and_can_be_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_owned();
    let mut follower = Follower::finding(move || Address::in_data_dir(&data), all());
    let handle = follower.handle();
    for _ in 0..3 {
        match follower.step(LONG) {
            Step::State(State::Gone { reason: ApiClientError::NotFound { .. }, .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    let listener = UnixListener::bind(dir.path().join("control.sock")).unwrap();
    let daemon = std::thread::spawn(move || {
        let mut talk = Talk::accept(&listener);
        talk.welcome(0);
        let sub = talk.expect("SUBSCRIBE");
        talk.say(&json!({"ref": sub, "ok": {"after": 0, "last": 0}}));
        talk.event(&sub, 1);
        while talk.hear().is_some() {}
    });
    let event = follower.next(LONG).unwrap().unwrap();
    assert!(matches!(event.what, What::Link { up: true, .. }));
    // While it waits for events, and while it waits for nothing.
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| follower.next(Duration::from_secs(3600)));
        handle.stop();
        assert_eq!(waiting.join().unwrap(), Ok(None));
    });
    assert_eq!((follower.step(LONG), follower.state()), (Step::Timeout, &State::Stopped));
    assert!(begun.elapsed() < LONG);
    daemon.join().unwrap();
}
