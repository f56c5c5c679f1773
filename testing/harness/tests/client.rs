//! The Rust client of API 1 against the real daemon.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::{Duration, Instant};
use torchat_client::api::command::{
    Cursors, Events, From, History, Host, Place, Search, Send, SendAnswer, Subscribe, TokenAction, Tokens, Wait,
};
use torchat_client::api::event::{Event, Filter, Kind, What};
use torchat_client::api::events::{Follower, State};
use torchat_client::api::record::MessageState;
use torchat_client::api::{Address, ApiClientError, Code, Connection, Onion, Right, Token, client_id};
use torchat_protocol::id::parse_onion;
use torchat_testkit::daemon::{Daemon, Friends, eventually};

const LONG: Duration = Duration::from_secs(120);

fn friends(dir: &Path) -> Friends {
    Friends::start(Path::new(env!("CARGO_BIN_EXE_loopback-daemon")), dir).unwrap()
}

fn onion(text: &str) -> Onion {
    Onion(parse_onion(text).unwrap())
}

fn open(daemon: &Daemon) -> Connection {
    Connection::open(&Address::in_data_dir(daemon.data()).unwrap().named("test")).unwrap()
}

fn text(peer: &str, text: &str) -> Send {
    Send {
        peer: peer.parse().unwrap(),
        text: text.into(),
        client_id: None,
        wait: None,
        timeout: None,
        expire: None,
        re: None,
        to: Vec::new(),
    }
}

fn delivered(peer: &str, words: &str) -> Send {
    Send { wait: Some(Wait::Delivered), timeout: Some(30), ..text(peer, words) }
}

fn history(connection: &Connection, peer: &str) -> Vec<String> {
    let history = History { peer: peer.parse().unwrap(), before: None, after: None, limit: Some(1000), hidden: false };
    connection.call(&history).unwrap().messages.into_iter().map(|message| message.text).collect()
}

fn received(consumer: Option<&str>) -> Subscribe {
    let filter = Filter { kinds: Some(vec![Kind::Received]), peers: None };
    Subscribe { consumer: consumer.map(str::to_owned), from: None, filter }
}

fn words(event: Event) -> String {
    match event.what {
        What::Received { message } => message.text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_connection_serves_many_threads() {
    let dir = tempfile::tempdir().unwrap();
    let Friends { a, b, onion_a, onion_b } = friends(dir.path());
    let (near, far) = (open(&a), open(&b));
    assert_eq!(near.welcome().onion, onion(&onion_a));
    // A long poll waits; nobody else does.
    let wanted = Events {
        after: Some(far.welcome().seq),
        consumer: None,
        wait: Some(30),
        limit: None,
        filter: received(None).filter,
    };
    let poll = far.start(&wanted).unwrap();
    assert_eq!(far.call(&Host {}).unwrap().onion, onion(&onion_b));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (near, onion_b) = (near.clone(), &onion_b);
            scope.spawn(move || {
                for n in 0..5 {
                    near.call_within(&delivered(onion_b, &format!("word{thread} {n}")), LONG).unwrap();
                }
            });
        }
    });
    let polled = poll.wait(LONG).unwrap();
    assert!(!polled.events.is_empty() && polled.events.iter().all(|event| event.what.kind() == Kind::Received));
    for thread in 0..4 {
        let search = Search { text: format!("word{thread}"), peer: None, before: None, limit: None };
        let mut found: Vec<_> = far.call(&search).unwrap().messages.into_iter().map(|message| message.text).collect();
        found.reverse();
        assert_eq!(found, (0..5).map(|n| format!("word{thread} {n}")).collect::<Vec<_>>(), "in order, each once");
    }
    // The same key is the same message.
    let send = Send { client_id: Some(client_id().unwrap()), ..text(&onion_b, "once") };
    let answers: Vec<SendAnswer> = (0..5).map(|_| near.call(&send).unwrap()).collect();
    assert!(!answers[0].duplicate && answers[1..].iter().all(|again| again.duplicate && again.mid == answers[0].mid));
    assert_eq!(history(&near, &onion_b).iter().filter(|text| *text == "once").count(), 1);
    let refused = near.call(&text(&onion_a, "me")).unwrap_err();
    assert_eq!(refused.code(), Some(&Code::ToSelf), "{refused}");
    // Over the port it is the same.
    let port = Connection::open(&Address::tcp(a.port().unwrap())).unwrap();
    assert_eq!(port.welcome().onion, near.welcome().onion);
    // A thread that waits wakes up when another one closes.
    let mut subscription = near.subscribe(received(None)).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| subscription.next(LONG));
        near.close();
        assert!(matches!(waiting.join().unwrap(), Err(ApiClientError::Lost { .. })));
    });
}

#[test]
fn a_follower_loses_nothing_and_repeats_nothing_over_kills() {
    const MESSAGES: usize = 120;
    let dir = tempfile::tempdir().unwrap();
    let Friends { a, mut b, onion_a, onion_b } = friends(dir.path());
    let data = b.data().to_owned();
    let follow = || {
        let data = data.clone();
        Follower::finding(move || Address::in_data_dir(&data), received(Some("bot")))
    };
    let mut follower = follow();
    // It has its cursor before anything is sent.
    assert_eq!(follower.next(Duration::ZERO), Ok(None));
    assert!(matches!(follower.state(), State::Connected { continued: false, .. }));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let near = open(&a);
            for n in 0..MESSAGES {
                near.call(&text(&onion_b, &n.to_string())).unwrap();
            }
        });
        let mut found = Vec::new();
        let (mut kill_at, mut die_at) = (10, 20);
        while found.len() < MESSAGES {
            found.push(words(follower.next(LONG).unwrap().expect("nothing came for a long time")));
            if found.len() % 3 == 0 {
                // The daemon may be away: then it is said later.
                let _ = follower.ack();
            }
            if found.len() >= kill_at {
                kill_at += 30;
                b.kill().unwrap();
                b.start().unwrap();
            }
            if found.len() >= die_at && found.len() < MESSAGES - 1 {
                die_at += 40;
                while follower.ack().is_err() {
                    found.extend(follower.next(Duration::from_millis(10)).unwrap().map(words));
                }
                // The consumer dies. What it had not acknowledged comes again, and nothing else.
                if let Some(event) = follower.next(Duration::from_millis(500)).unwrap() {
                    follower = follow();
                    let again = follower.next(LONG).unwrap().unwrap();
                    assert_eq!(again, event);
                    found.push(words(again));
                }
            }
        }
        // Not each time as often: what comes while an acknowledgement is repeated counts, too.
        assert!(kill_at >= 70 && die_at >= 60, "the daemon was killed twice and the consumer died: {kill_at} {die_at}");
        assert_eq!(found, (0..MESSAGES).map(|n| n.to_string()).collect::<Vec<_>>());
    });
    eventually("the acknowledgement", LONG, || {
        follower.next(Duration::from_millis(10))?;
        Ok(follower.ack().is_ok().then_some(()))
    })
    .unwrap();
    let far = open(&b);
    let cursors = far.call(&Cursors { forget: None }).unwrap().cursors;
    assert_eq!(cursors.iter().map(|cursor| cursor.consumer.as_str()).collect::<Vec<_>>(), ["bot"]);
    assert_eq!(history(&far, &onion_a).len(), MESSAGES);
    // A screen keeps its place in memory; another program with the same name takes the consumer.
    let mut other = follow();
    assert_eq!(other.next(Duration::ZERO), Ok(None));
    assert_eq!(follower.next(LONG).unwrap_err().code(), Some(&Code::TakenOver));
}

#[test]
fn events_tell_the_whole_life_of_a_message() {
    let dir = tempfile::tempdir().unwrap();
    let Friends { a, b: _b, onion_b, .. } = friends(dir.path());
    let near = open(&a);
    let from = Some(From::Place(Place::Start));
    let mut subscription = near.subscribe(Subscribe { consumer: None, from, filter: Filter::default() }).unwrap();
    let sent = near.call_within(&delivered(&onion_b, "hello"), LONG).unwrap();
    assert_eq!(sent.state, MessageState::Delivered);
    let mut life = Vec::new();
    let mut last = subscription.answer().after;
    while life.last() != Some(&Kind::Delivered) {
        let event = subscription.next(LONG).unwrap().unwrap();
        assert_eq!(event.seq, last + 1, "no holes");
        last = event.seq;
        let ours = match &event.what {
            What::Queued { message } => message.mid == sent.mid,
            What::Sent(message) | What::Delivered(message) => message.mid == sent.mid,
            _ => false,
        };
        if ours {
            life.push(event.what.kind());
        }
    }
    assert_eq!(life, [Kind::Queued, Kind::Sent, Kind::Delivered]);
    // Without anything to say, nothing is said.
    let waker = subscription.waker();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(move || waker.wake());
        while subscription.next(LONG).unwrap().is_some() {}
    });
    assert!(begun.elapsed() < LONG);
}

#[test]
fn a_token_gives_what_it_says_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let Friends { a, b, onion_a, onion_b } = friends(dir.path());
    let near = open(&a);
    let tokens = |action, name: &str| Tokens {
        action,
        name: Some(name.to_owned()),
        rights: (action == TokenAction::Create).then(|| vec![Right::Send]),
        peers: (action == TokenAction::Create).then(|| vec![onion(&onion_b).conversation()]),
        days: None,
    };
    let made = near.call(&tokens(TokenAction::Create, "cron")).unwrap().token.unwrap();
    let token: Token = made.parse().unwrap();
    for address in [Address::tcp(a.port().unwrap()), Address::unix(a.socket())] {
        let cron = Connection::open(&address.clone().with_token(token.clone())).unwrap();
        assert_eq!(cron.welcome().rights, [Right::Send]);
        cron.call_within(&delivered(&onion_b, "a report"), LONG).unwrap();
        for refused in [
            cron.call(&History {
                peer: onion(&onion_b).conversation(),
                before: None,
                after: None,
                limit: None,
                hidden: false,
            })
            .unwrap_err(),
            cron.call(&text(&onion_a, "to another peer")).unwrap_err(),
            cron.subscribe(received(None)).unwrap_err(),
        ] {
            assert_eq!(refused.code(), Some(&Code::NotAllowed), "{refused}");
            assert!(!refused.is_passing());
        }
        let guessed = Token::new("cron", [0; 32]).unwrap();
        let wrong = Connection::open(&address.with_token(guessed)).unwrap_err();
        assert_eq!(wrong.code(), Some(&Code::NotAuthenticated), "{wrong}");
    }
    assert_eq!(history(&open(&b), &onion_a), ["a report", "a report"]);
    let address = Address::unix(a.socket()).with_token(token);
    let cron = Connection::open(&address).unwrap();
    near.call(&tokens(TokenAction::Revoke, "cron")).unwrap();
    eventually("the end of its connections", LONG, || {
        Ok(cron.call(&text(&onion_b, "too late")).is_err().then_some(()))
    })
    .unwrap();
    assert_eq!(Connection::open(&address).unwrap_err().code(), Some(&Code::NotAuthenticated));
    // A follower is not let in either, and says so instead of trying forever.
    let mut follower = Follower::new(address, received(None));
    assert_eq!(follower.next(LONG).unwrap_err().code(), Some(&Code::NotAuthenticated));
}
