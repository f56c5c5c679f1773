//! Whose a connection to the local port is: attacks of other users of the machine, as they would run them.
//!
//! Most of them need root, to be somebody else.
#![allow(clippy::unwrap_used)]

use serde_json::json;
use std::fs::Permissions;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use torchat_harness::api::Api;
use torchat_harness::strangers::{STRANGER, Stopped, Stranger};
use torchat_testkit::daemon::{Daemon, eventually};
use torchat_testkit::skipped::{NO_NAMESPACE, is_root, skipped};

/// A valid onion that nobody serves here: the example of rend-spec-v3.
const NOBODY: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
const PATIENCE: Duration = Duration::from_secs(120);

struct Place {
    _dir: tempfile::TempDir,
    daemon: Daemon,
}

fn start() -> Place {
    start_with(&[])
}

fn start_with(options: &[&str]) -> Place {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("peers")).unwrap();
    let data = dir.path().join("d");
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let mut arguments = vec![text(&data), text(&dir.path().join("peers")), "1".to_owned()];
    arguments.extend(options.iter().map(|&option| option.to_owned()));
    // Its warnings are looked at.
    let arguments =
        ["RUST_LOG=warn".to_owned(), env!("CARGO_BIN_EXE_loopback-daemon").to_owned()].into_iter().chain(arguments);
    let mut daemon = Daemon::new(Path::new("env"), arguments.collect(), &data);
    daemon.start().unwrap();
    Place { _dir: dir, daemon }
}

impl Place {
    fn port(&self) -> u16 {
        self.daemon.port().unwrap()
    }

    fn refused(&self) -> u64 {
        self.daemon.client().unwrap().status().unwrap()["refused"]["clients"].as_u64().unwrap_or_default()
    }

    /// How many commands were lost because their program had closed its socket.
    fn lost(&self) -> u64 {
        self.daemon.client().unwrap().status().unwrap()["refused"]["closed"].as_u64().unwrap()
    }

    /// Does something while the daemon stands still, and lets it go on when the kernel has forgotten whose the sockets were that
    /// were closed meanwhile: it does so some 40 ms after.
    fn too_late<T>(&self, work: impl FnOnce() -> T) -> T {
        let _still = Stopped::stop(self.daemon.pid().unwrap()).unwrap();
        let done = work();
        let owners = torchat_loopback::Owners::new();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        // An end that follows words is confirmed later than one alone.
        TcpStream::connect(listener.local_addr().unwrap()).unwrap().write_all(b"words").unwrap();
        let server = listener.accept().unwrap().0;
        let forgotten = || Ok(matches!(owners.client(&server), Err(torchat_loopback::Refused::Closed)).then_some(()));
        eventually("the kernel forgets", PATIENCE, forgotten).unwrap();
        done
    }

    /// What the port's own user has sent to [`NOBODY`], or somebody in its name.
    fn sent(&self) -> serde_json::Value {
        let mut api = Api::connect(self.port()).unwrap();
        api.ok(json!({"cmd": "HISTORY", "peer": NOBODY, "limit": 1_000})).unwrap()["messages"].clone()
    }

    /// Waits until one more client was refused than before, and asserts that none of its words was executed.
    fn has_refused_one_more_than(&self, before: u64) {
        let look = || Ok((self.refused() > before || self.sent() != json!([])).then_some(()));
        eventually("the stranger's connection is looked at", PATIENCE, look).unwrap();
        assert_eq!(self.sent(), json!([]), "a stranger's SEND ran");
        assert_eq!(self.refused(), before + 1);
    }
}

fn stranger(arguments: &[&str]) -> Stranger {
    Stranger::start(Path::new(env!("CARGO_BIN_EXE_stranger")), STRANGER, arguments).unwrap()
}

fn send() -> String {
    json!({"cmd": "SEND", "id": NOBODY, "msg": "canary"}).to_string()
}

#[test]
fn a_reset_connection_from_the_port_of_a_listener_of_ours_is_not_ours() {
    if !is_root("a_reset_connection_from_the_port_of_a_listener_of_ours_is_not_ours") {
        return;
    }
    let place = start();
    let before = place.refused();
    let mut thief = stranger(&["reset", &place.port().to_string(), &send()]);
    let from: u16 = thief.says().unwrap().parse().unwrap();
    // Any program of the own user's, on any address: it need not know of the daemon.
    let _ours = TcpListener::bind((Ipv4Addr::UNSPECIFIED, from)).unwrap();
    {
        let _still = Stopped::stop(place.daemon.pid().unwrap()).unwrap();
        thief.go().unwrap();
        assert_eq!(thief.says().unwrap(), "reset");
    }
    place.has_refused_one_more_than(before);
}

#[test]
fn a_reset_connection_whose_port_is_ours_by_now_is_not_ours() {
    if !is_root("a_reset_connection_whose_port_is_ours_by_now_is_not_ours") {
        return;
    }
    let place = start();
    let before = place.refused();
    let mut thief = stranger(&["reset", &place.port().to_string(), &send()]);
    let from: u16 = thief.says().unwrap().parse().unwrap();
    let ours = {
        // The queue is as long as the daemon is slow.
        let _still = Stopped::stop(place.daemon.pid().unwrap()).unwrap();
        thief.go().unwrap();
        assert_eq!(thief.says().unwrap(), "reset");
        // Somebody of the own user's gets the same port, as the system gives them.
        connect_from(from, place.port())
    };
    place.has_refused_one_more_than(before);
    drop(ours);
}

#[test]
fn a_client_of_another_user_that_stays_is_not_ours() {
    if !is_root("a_client_of_another_user_that_stays_is_not_ours") {
        return;
    }
    let place = start();
    for uid in [STRANGER, 65_534, 1] {
        let before = place.refused();
        let port = place.port().to_string();
        let mut thief =
            Stranger::start(Path::new(env!("CARGO_BIN_EXE_stranger")), uid, &["stay", &port, &send()]).unwrap();
        assert_eq!(thief.says().unwrap(), "0", "not a byte in answer for uid {uid}");
        place.has_refused_one_more_than(before);
    }
}

/// As the first TORchat's programs: one connection, one write, and the end.
fn send_and_close(port: u16, times: usize) {
    for _ in 0..times {
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        client.write_all(send().as_bytes()).unwrap();
    }
}

#[test]
fn all_commands_of_a_program_that_closes_at_once_are_executed_and_its_exit_too() {
    const COMMANDS: usize = 5;
    let mut place = start_with(&["trust-closed"]);
    let words = send().repeat(COMMANDS);
    // Closed before the daemon looks, behind its back while it answers, and with a reset.
    let mut sent = 0;
    for (late, reset) in [(true, false), (false, false), (false, true)] {
        let write = || {
            let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, place.port())).unwrap();
            client.write_all(words.as_bytes()).unwrap();
            if reset {
                // The daemon has read them all when it answers the last one.
                let answers = std::io::BufRead::lines(std::io::BufReader::new(&client));
                let host = |text: &String| text.contains("\"HOST\"");
                client.try_clone().unwrap().write_all(b"{\"cmd\":\"HOST\"}\n").unwrap();
                let mut answers = answers.map(Result::unwrap);
                answers.find(host).unwrap();
                client.try_clone().unwrap().write_all(words.as_bytes()).unwrap();
                rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
            }
        };
        if late {
            place.too_late(write)
        } else {
            write()
        }
        sent += if reset { 2 } else { 1 } * COMMANDS;
        let all = || Ok((place.sent().as_array().unwrap().len() == sent).then_some(()));
        eventually("each SEND runs", PATIENCE, all).unwrap();
    }
    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, place.port())).unwrap();
    client.write_all(format!("{words}{{\"cmd\":\"EXIT\"}}").as_bytes()).unwrap();
    drop(client);
    assert!(place.daemon.wait(PATIENCE).unwrap().success());
}

#[test]
fn what_programs_of_ours_send_before_they_close_at_once_is_sent_or_told() {
    let place = start();
    let sent = || place.sent().as_array().unwrap().len() as u64;
    let mut expected = 0;
    // The kernel knows for 40 ms whose they were. A busy machine may look too late at all of a round, but not at those of every round.
    eventually("some are sent", PATIENCE, || {
        send_and_close(place.port(), 40);
        expected += 40;
        let all = || Ok((sent() + place.lost() >= expected).then_some(()));
        eventually("each is sent, or counted as lost", PATIENCE, all)?;
        Ok((sent() > 0 || !torchat_loopback::Owners::new().knows_closed()).then_some(()))
    })
    .unwrap();
    let (sent, lost) = (sent(), place.lost());
    eprintln!("{sent} of {expected} were sent, {lost} lost");
    assert_eq!(sent + lost, expected);
}

#[test]
fn commands_that_are_lost_with_their_socket_are_counted_and_told() {
    let place = start();
    let before = place.refused();
    place.too_late(|| {
        send_and_close(place.port(), 40);
        // A program that only looks whether somebody serves the port has lost nothing.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, place.port())).unwrap());
    });
    eventually("all are looked at", PATIENCE, || Ok((place.refused() >= before + 41).then_some(()))).unwrap();
    assert_eq!((place.lost(), place.sent()), (40, json!([])));
    let notices = place.daemon.client().unwrap().status().unwrap()["notices"].clone();
    let about = notices
        .as_array()
        .unwrap()
        .iter()
        .filter(|notice| notice["sentence"].to_string().contains("closed their sockets"));
    assert_eq!(about.count(), 1, "{notices}");
}

#[test]
fn with_trust_closed_a_socket_of_nobody_sends_and_ends_and_does_nothing_else() {
    let place = start_with(&["trust-closed"]);
    let commands = [
        json!({"cmd": "ADD", "id": NOBODY}),
        json!({"cmd": "BLOCK", "id": NOBODY}),
        json!({"cmd": "INVITE"}),
        json!({"cmd": "HELLO", "api": 1}),
    ];
    place.too_late(|| {
        send_and_close(place.port(), 40);
        for command in &commands {
            let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, place.port())).unwrap();
            let more = json!({"cmd": "TOKEN", "action": "create", "name": "canary", "rights": ["admin"]});
            client.write_all(format!("{command}\n{more}\n").as_bytes()).unwrap();
        }
    });
    let all = || Ok((place.sent().as_array().unwrap().len() == 40 && place.lost() >= 3).then_some(()));
    eventually("every SEND runs", PATIENCE, all).unwrap();
    let mut api = Api::connect(place.port()).unwrap();
    let contacts = api.ok(json!({"cmd": "CONTACTS"})).unwrap();
    assert_eq!(contacts["contacts"][0]["state"], "contact", "SEND makes one, BLOCK did not run: {contacts}");
    assert_eq!(api.ok(json!({"cmd": "TOKEN", "action": "list"})).unwrap()["tokens"], json!([]));
    let mut place = place;
    place.too_late(|| {
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, place.port())).unwrap();
        client.write_all(b"{\"cmd\":\"EXIT\"}").unwrap();
    });
    assert!(place.daemon.wait(PATIENCE).unwrap().success());
}

#[test]
fn another_users_closed_socket_is_refused_as_long_as_the_kernel_knows_it() {
    if !is_root("another_users_closed_socket_is_refused_as_long_as_the_kernel_knows_it") {
        return;
    }
    for options in [&[][..], &["trust-closed"]] {
        let place = start_with(options);
        let before = place.refused();
        let mut expected = 0;
        // With the key, too, what is known to be another user's is refused. A busy machine may look too late at all of a round.
        eventually("some are known to be another user's", PATIENCE, || {
            let mut thief = stranger(&["gone", &place.port().to_string(), &send(), "40"]);
            assert_eq!(thief.says()?, "gone");
            expected += 40;
            let looked_at = || {
                let sent = place.sent().as_array().unwrap().len() as u64;
                Ok((place.refused() - before + sent >= expected).then_some(()))
            };
            eventually("all are looked at", PATIENCE, looked_at)?;
            Ok((place.refused() > before || !torchat_loopback::Owners::new().knows_closed()).then_some(()))
        })
        .unwrap();
        if options.is_empty() {
            assert_eq!(place.sent(), json!([]), "another user's SEND ran");
        }
        let before = place.refused();
        place.too_late(|| {
            let mut thief = stranger(&["gone", &place.port().to_string(), &send(), "10"]);
            assert_eq!(thief.says().unwrap(), "gone");
        });
        if options.is_empty() {
            eventually("all are looked at", PATIENCE, || Ok((place.refused() >= before + 10).then_some(()))).unwrap();
            assert_eq!(place.sent(), json!([]), "another user's SEND ran");
        } else {
            // This is what the key is documented to allow.
            let ran = || Ok((place.sent().as_array().unwrap().len() >= 10).then_some(()));
            eventually("a SEND of nobody knows whom runs", PATIENCE, ran).unwrap();
        }
    }
}

/// Starts a daemon as `uid` in a user namespace that knows nobody else. `None`: this system makes none for us.
fn in_a_namespace(test: &str, uid: u32, more: &[&str]) -> Option<(tempfile::TempDir, Daemon)> {
    let map = [format!("--map-user={uid}"), format!("--map-group={uid}")];
    let made = Command::new("unshare").arg("--user").args(&map).arg("true").status();
    if !made.is_ok_and(|status| status.success()) {
        skipped(test, NO_NAMESPACE);
        return None;
    }
    let dir = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap();
    std::fs::create_dir(dir.path().join("peers")).unwrap();
    let data = dir.path().join("d");
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let mut arguments = vec!["--user".to_owned()];
    arguments.extend(map);
    let program = env!("CARGO_BIN_EXE_loopback-daemon");
    arguments.extend([program.to_owned(), text(&data), text(&dir.path().join("peers")), "1".to_owned()]);
    arguments.extend(more.iter().map(|word| word.replace("DIR", &text(dir.path()))));
    Some((dir, Daemon::new(Path::new("unshare"), arguments, &data)))
}

#[test]
fn who_is_nobody_in_a_user_namespace_serves_no_port() {
    let Some((_dir, mut daemon)) = in_a_namespace("who_is_nobody_in_a_user_namespace_serves_no_port", 65_534, &[])
    else {
        return;
    };
    let error = format!("{:#}", daemon.start().unwrap_err());
    assert!(error.contains("uid 65534") && error.contains("any but 65534"), "{error}");
}

#[test]
fn whom_a_user_namespace_does_not_map_is_nobody_even_in_the_table_of_users() {
    if !is_root("whom_a_user_namespace_does_not_map_is_nobody_even_in_the_table_of_users") {
        return;
    }
    let group = rustix::process::getegid().as_raw();
    let Some((dir, mut daemon)) = in_a_namespace(
        "whom_a_user_namespace_does_not_map_is_nobody_even_in_the_table_of_users",
        1000,
        &["group=DIR/group.sock", "65534=admin"],
    ) else {
        return;
    };
    daemon.start().unwrap();
    let host = json!({"cmd": "HOST"}).to_string();
    let refused = |daemon: &Daemon| daemon.client().unwrap().status().unwrap()["refused"]["clients"].as_u64();
    let port = daemon.port().unwrap().to_string();
    for place in [port.as_str(), dir.path().join("group.sock").to_str().unwrap()] {
        let before = refused(&daemon);
        let user = |program: &Path| {
            let mut command = Command::new(program);
            command.uid(STRANGER).gid(group);
            command
        };
        let program = Path::new(env!("CARGO_BIN_EXE_stranger"));
        let mut thief = Stranger::start_by(program, user, &["stay", place, &host]).unwrap();
        assert_eq!(thief.says().unwrap(), "0", "not a byte in answer at {place}");
        let counted = || Ok((refused(&daemon) > before).then_some(()));
        eventually("the refusal is counted", PATIENCE, counted).unwrap();
    }
}

/// How long a new connection of our own takes until its first answer.
fn served(port: u16) -> Duration {
    let begun = Instant::now();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"{\"cmd\":\"HOST\"}").unwrap();
    assert!(stream.read(&mut [0; 256]).unwrap() > 0);
    begun.elapsed()
}

#[test]
fn a_flood_of_refused_connections_keeps_nobody_waiting() {
    if !is_root("a_flood_of_refused_connections_keeps_nobody_waiting") {
        return;
    }
    let begun = Instant::now();
    let place = start();
    let port = place.port();
    let before = place.refused();
    let slice = || -> Vec<Duration> {
        let end = Instant::now() + Duration::from_millis(400);
        std::iter::from_fn(|| (Instant::now() < end).then(|| served(port))).collect()
    };
    let median = |mut times: Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    served(port);
    let (mut quiet, mut loud) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        quiet.extend(slice());
        let mut flood = stranger(&["flood", &port.to_string(), "150"]);
        assert_eq!(flood.says().unwrap(), "flooding");
        loud.extend(slice());
        eprintln!("{}", flood.end().unwrap());
    }
    assert!(place.refused() > before + 50, "the flood was one: {}", place.refused());
    // One after the other in the same time: that some of them wait for seconds does not show in the median.
    let served = (quiet.len(), loud.len());
    let (quiet, loud) = (median(quiet), median(loud));
    let told = format!("a new connection's HOST: {quiet:?} before, {loud:?} meanwhile, {served:?} of them");
    eprintln!("{told}");
    // Generous, because other tests run beside this one; `cargo xtask hostile --local` asserts 1.1.
    assert!(loud < 10 * quiet && 10 * served.1 > served.0, "{told}");
    // One line at once, and one for each minute.
    let log = std::fs::read_to_string(place.daemon.log_path()).unwrap();
    let lines = log.lines().filter(|line| line.contains("local clients were refused")).count();
    let minutes = usize::try_from(begun.elapsed().as_secs() / 60).unwrap();
    assert!((1..=2 + minutes).contains(&lines), "{lines} lines: {log}");
}

#[test]
fn a_command_whose_client_resets_behind_it_is_in_the_audit() {
    for (hello, command) in [
        (json!({"cmd": "HOST"}), json!({"cmd": "BLOCK", "id": NOBODY})),
        (json!({"cmd": "HELLO", "api": 1}), json!({"cmd": "BLOCK", "peer": NOBODY})),
    ] {
        let place = start();
        place.daemon.client().unwrap().add(NOBODY).unwrap();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, place.port())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(hello.to_string().as_bytes()).unwrap();
        assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
        stream.write_all(command.to_string().as_bytes()).unwrap();
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
        drop(stream);
        let done = || {
            let contacts = Api::connect(place.port())?.ok(json!({"cmd": "CONTACTS"}))?;
            Ok((contacts["contacts"][0]["state"] == "blocked").then_some(()))
        };
        eventually("it is done, although nobody waits for it", PATIENCE, done).unwrap();
        let audit = place.daemon.audit().unwrap();
        assert!(
            audit.iter().any(|line| line.contains("\"BLOCK\"") && line.contains("\"begun\"")),
            "{command}: {audit:?}"
        );
        let ended =
            || Ok((place.daemon.audit()?.iter().filter(|line| line.contains("\"BLOCK\"")).count() > 1).then_some(()));
        eventually("what came of it is there, too", PATIENCE, ended).unwrap();
        let audit = place.daemon.audit().unwrap();
        assert!(audit.last().unwrap().contains("\"ok\""), "{audit:?}");
    }
}

/// Says `send` to the port in both forms of the Python client; each must refuse.
const PYTHON: &str = r#"
import asyncio, sys, torchat
port, peer = sys.argv[1:]
def plain():
    with torchat.Client(port) as client:
        client.send(peer, "canary")
async def same():
    async with torchat.aio.Client(port) as client:
        await client.send(peer, "canary")
for attempt in (plain, lambda: asyncio.run(same())):
    try:
        attempt()
    except torchat.Impostor as error:
        print(error)
"#;

#[test]
fn a_client_without_a_token_says_nothing_to_another_users_listener() {
    if !is_root("a_client_without_a_token_says_nothing_to_another_users_listener") {
        return;
    }
    let mut squatter = stranger(&["squat"]);
    let port: u16 = squatter.says().unwrap().parse().unwrap();
    let why = "another user";
    let error =
        torchat_client::api::Connection::open(&torchat_client::api::Address::tcp(port)).unwrap_err().to_string();
    assert!(error.contains(why), "{error}");
    assert_eq!(squatter.says().unwrap(), "heard \"HELLO\"");
    let Err(error) = torchat_client::Client::connect_tcp(port, PATIENCE) else { panic!("it was trusted") };
    assert!(error.to_string().contains(why), "{error}");
    let library = concat!(env!("CARGO_MANIFEST_DIR"), "/../../clients/python");
    let python = Command::new("python3")
        .args(["-B", "-c", PYTHON, &port.to_string(), NOBODY])
        .env("PYTHONPATH", library)
        .output()
        .unwrap();
    let said = String::from_utf8(python.stdout).unwrap();
    assert_eq!(said.matches(why).count(), 2, "{said}{}", String::from_utf8_lossy(&python.stderr));
    assert_eq!(squatter.says().unwrap(), "heard \"HELLO\"");
    assert_eq!(squatter.says().unwrap(), "heard \"HELLO\"");
    // Nothing else was heard: the next words are those of somebody who asks nobody.
    let mut careless = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    careless.write_all(b"{\"cmd\":\"END\"}").unwrap();
    assert_eq!(squatter.says().unwrap(), "heard \"END\"");
}

fn connect_from(from: u16, to: u16) -> TcpStream {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket, sockopt};
    let client = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    sockopt::set_socket_reuseaddr(&client, true).unwrap();
    bind(&client, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, from)).unwrap();
    connect(&client, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, to)).unwrap();
    TcpStream::from(client)
}
