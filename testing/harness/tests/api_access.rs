//! Who may use the control API, over real sockets: tokens and their proof, other users, the group socket, the audit.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use torchat_protocol::control::token::{Exchange, Proof, Token, UNIX, nonce};
use torchat_testkit::daemon::Daemon;
use torchat_testkit::skipped;

/// A valid onion that nobody serves here: the example of rend-spec-v3.
const OTHER: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
/// Another one: the key of the documentation's second example.
const THIRD: &str = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion";
const WAIT: Duration = Duration::from_secs(120);
/// Users who are nobody here.
const STRANGER: u32 = 65_534;
const NOT_LISTED: u32 = 65_533;

struct Place {
    dir: tempfile::TempDir,
    daemon: Daemon,
}

fn start(options: &[&str]) -> Place {
    let dir = tempfile::tempdir().unwrap();
    // Other users must get at the group socket and at their token.
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let peers = dir.path().join("peers");
    std::fs::create_dir(&peers).unwrap();
    let data = dir.path().join("d");
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let mut arguments = vec![text(&data), text(&peers), "1".to_owned()];
    arguments.extend(options.iter().map(|option| option.replace("DIR", dir.path().to_str().unwrap())));
    let mut daemon = Daemon::new(Path::new(env!("CARGO_BIN_EXE_loopback-daemon")), arguments, &data);
    daemon.start().unwrap();
    Place { dir, daemon }
}

/// A connection: lines of JSON.
struct Talk<S> {
    stream: BufReader<S>,
    address: String,
}

impl<S: Read + Write> Talk<S> {
    fn say(&mut self, request: &Value) {
        self.stream.get_mut().write_all(format!("{request}\n").as_bytes()).unwrap();
    }

    /// The next line; `None`: the connection has ended.
    fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&line).unwrap()),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("{error}"),
        }
    }

    fn ask(&mut self, request: Value) -> Value {
        self.say(&request);
        self.line().unwrap_or_else(|| panic!("{request} was not answered"))
    }

    fn ok(&mut self, request: Value) -> Value {
        let answer = self.ask(request.clone());
        assert!(answer.get("ok").is_some(), "{request}: {answer}");
        answer["ok"].clone()
    }

    fn code(&mut self, request: Value) -> String {
        let answer = self.ask(request.clone());
        answer["error"]["code"].as_str().unwrap_or_else(|| panic!("{request}: {answer}")).to_owned()
    }

    fn hello(mut self) -> Self {
        self.ok(json!({"cmd": "HELLO", "api": 1, "client": "test"}));
        self
    }

    /// HELLO with a token. Returns the daemon's nonce.
    fn begin(&mut self, token: &Token) -> String {
        let hello = json!({"cmd": "HELLO", "api": 1, "token": token.name(), "nonce": CLIENT_NONCE});
        let answer = self.ok(hello);
        assert_eq!(answer.as_object().unwrap().len(), 3, "nothing else is told before the proof: {answer}");
        answer["nonce"].as_str().unwrap().to_owned()
    }

    /// Proves a token and checks that the other side is the daemon. Returns AUTH's answer, or the error's code.
    fn prove(&mut self, token: &Token) -> Result<Value, String> {
        let nonce = self.begin(token);
        let address = self.address.clone();
        let exchange = Exchange { client_nonce: CLIENT_NONCE, server_nonce: &nonce, address: &address };
        let answer = self.ask(json!({"cmd": "AUTH", "proof": token.client_proof(&exchange).to_string()}));
        let Some(ok) = answer.get("ok") else { return Err(answer["error"]["code"].as_str().unwrap().to_owned()) };
        let proof: Proof = ok["proof"].as_str().unwrap().parse().unwrap();
        assert!(token.accepts(&exchange, &proof), "the daemon has proven itself");
        Ok(ok.clone())
    }
}

/// A nonce should be random; a replayed proof is refused even if the client's is not.
const CLIENT_NONCE: &str = "AAECAwQFBgcICQoLDA0ODxAR";

fn tcp(port: u16) -> Talk<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(WAIT)).unwrap();
    Talk { stream: BufReader::new(stream), address: format!("127.0.0.1:{port}") }
}

fn unix(path: &Path) -> Talk<UnixStream> {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(WAIT)).unwrap();
    Talk { stream: BufReader::new(stream), address: UNIX.to_owned() }
}

impl Place {
    fn port(&self) -> u16 {
        self.daemon.port().unwrap()
    }

    fn tcp(&self) -> Talk<TcpStream> {
        tcp(self.port())
    }

    /// Makes a token as the daemon's user.
    fn make(&self, name: &str, parameters: Value) -> Token {
        let mut request = json!({"cmd": "TOKEN", "action": "create", "name": name});
        request.as_object_mut().unwrap().extend(parameters.as_object().unwrap().clone());
        self.tcp().hello().ok(request)["token"].as_str().unwrap().parse().unwrap()
    }

    fn proven(&self, token: &Token) -> Talk<TcpStream> {
        let mut talk = self.tcp();
        talk.prove(token).unwrap();
        talk
    }

    /// A file that other users may read: only in a test.
    fn token_file(&self, token: &Token) -> PathBuf {
        let path = self.dir.path().join(token.name());
        std::fs::write(&path, token.to_text().as_bytes()).unwrap();
        path
    }

    fn audit(&self) -> String {
        std::fs::read_to_string(self.daemon.log_path()).unwrap()
    }

    /// Runs a Python program with our port and these arguments, under another uid if one is given: only root may.
    fn python(&self, uid: Option<u32>, program: &str, arguments: &[&str]) -> Output {
        let mut command = match uid {
            None => Command::new("python3"),
            Some(uid) => {
                // Our own group: the group socket's.
                let gid = rustix::process::getegid().as_raw();
                let mut command = Command::new("setpriv");
                // The system's Python: one in our home directory is not for others.
                command.env("PATH", "/usr/bin:/bin");
                command.args([&format!("--reuid={uid}"), &format!("--regid={gid}"), "--clear-groups", "python3"]);
                command
            }
        };
        let output = command.args(["-c", program, &self.port().to_string()]).args(arguments);
        output.current_dir("/").stdin(Stdio::null()).output().unwrap()
    }
}

fn stdout(output: &Output) -> String {
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The program of the documentation, as it stands there.
fn documented() -> &'static str {
    let text = include_str!("../../../docs/CONTROL-API.md");
    let start = text.find("```python\nimport base64, hashlib, hmac").unwrap() + "```python\n".len();
    text[start..].split("```").next().unwrap()
}

#[test]
fn a_token_has_its_rights_and_no_others() {
    let place = start(&[]);
    let token = place.make("cron", json!({"rights": ["send"]}));
    let mut talk = place.tcp();
    let welcome = talk.prove(&token).unwrap();
    assert_eq!(welcome["rights"], json!(["send"]));
    let commands = welcome["commands"].as_array().unwrap();
    assert!(commands.contains(&json!("SEND")) && !commands.contains(&json!("HISTORY")), "{commands:?}");
    for request in [
        json!({"cmd": "HOST"}),
        json!({"cmd": "HISTORY", "peer": OTHER}),
        json!({"cmd": "CONVERSATIONS"}),
        json!({"cmd": "SEARCH", "text": "x"}),
        json!({"cmd": "CONTACTS"}),
        json!({"cmd": "STATUS"}),
        json!({"cmd": "EVENTS", "after": 0}),
        json!({"cmd": "SUBSCRIBE"}),
        json!({"cmd": "ADD", "peer": OTHER}),
        json!({"cmd": "LOG_LEVEL", "level": "trace"}),
        json!({"cmd": "TOKEN", "action": "create", "name": "more", "rights": ["admin"]}),
        json!({"cmd": "EXIT"}),
    ] {
        assert_eq!(talk.code(request.clone()), "not-allowed", "{request}");
    }
    let onion = place.daemon.client().unwrap().host().unwrap();
    let who = json!({"onion": onion, "who": "token", "token": "cron", "rights": ["send"], "carrier": "tcp"});
    assert_eq!(talk.ok(json!({"cmd": "WHOAMI"})), who);
    let who = json!({"onion": onion, "who": "owner", "rights": ["admin"], "carrier": "tcp"});
    assert_eq!(place.tcp().hello().ok(json!({"cmd": "WHOAMI"})), who);
    let sent = talk.ok(json!({"cmd": "SEND", "peer": OTHER, "text": "the build is green"}));
    assert_eq!(sent["state"], "queued");
    assert_eq!(place.daemon.client().unwrap().history(OTHER, 1).unwrap()[0].text, "the build is green");

    // The program of the own user has given its other rights up.
    assert_eq!(
        talk.code(json!({"cmd": "HELLO", "api": 1, "token": "cron", "nonce": CLIENT_NONCE})),
        "not-authenticated"
    );
    assert_eq!(talk.line(), None);
}

#[test]
fn a_scoped_token_sees_its_conversations_only() {
    let place = start(&[]);
    let mut client = place.daemon.client().unwrap();
    client.send(OTHER, "for the one").unwrap();
    client.send(THIRD, "for the other").unwrap();
    let token = place.make("one", json!({"rights": ["read", "send"], "peers": [OTHER]}));
    let mut talk = place.tcp();
    assert_eq!(talk.prove(&token).unwrap()["peers"], json!([OTHER]));
    assert_eq!(talk.ok(json!({"cmd": "WHOAMI"}))["peers"], json!([OTHER]));
    let contacts = talk.ok(json!({"cmd": "CONTACTS"}));
    assert_eq!(contacts["contacts"].as_array().unwrap().len(), 1);
    assert_eq!(contacts["contacts"][0]["peer"], OTHER);
    for request in [
        json!({"cmd": "HISTORY", "peer": THIRD}),
        json!({"cmd": "SEND", "peer": THIRD, "text": "x"}),
        json!({"cmd": "SEARCH", "text": "other", "peer": THIRD}),
        json!({"cmd": "SEEN", "peer": THIRD, "upto": 9}),
        json!({"cmd": "ERASE", "peer": OTHER}),
        json!({"cmd": "ERASE_COUNT", "peer": OTHER}),
        json!({"cmd": "RETAIN", "peer": OTHER, "days": 1}),
        json!({"cmd": "VERIFY", "peer": OTHER, "verified": true}),
    ] {
        assert_eq!(talk.code(request.clone()), "not-allowed", "{request}");
    }
    let history = talk.ok(json!({"cmd": "HISTORY", "peer": OTHER}));
    assert_eq!(history["messages"][0]["text"], "for the one");
    let found = talk.ok(json!({"cmd": "SEARCH", "text": "for"}));
    assert_eq!(found["messages"].as_array().unwrap().len(), 1, "{found}");
    let events = talk.ok(json!({"cmd": "EVENTS", "after": 0})).to_string();
    assert!(events.contains(OTHER) && !events.contains(THIRD), "{events}");
    let status = talk.ok(json!({"cmd": "STATUS"})).to_string();
    assert!(!status.contains(THIRD), "{status}");
}

#[test]
fn tokens_are_made_by_rules_listed_and_revoked() {
    let place = start(&[]);
    let mut own = place.tcp().hello();
    for (parameters, code) in [
        (json!({"name": "x"}), "bad-request"),
        (json!({"name": "x", "rights": []}), "bad-request"),
        (json!({"rights": ["read"]}), "bad-request"),
        (json!({"name": "a b", "rights": ["read"]}), "bad-request"),
        (json!({"name": "x", "rights": ["read"], "peers": []}), "bad-request"),
        (json!({"name": "x", "rights": ["contacts"], "peers": [OTHER]}), "bad-request"),
        (json!({"name": "x", "rights": ["admin"], "peers": [OTHER]}), "bad-request"),
        (json!({"name": "x", "rights": ["read"], "days": 0}), "bad-request"),
        (json!({"name": "x", "rights": ["read"], "days": 3651}), "bad-request"),
        (json!({"name": "x", "rights": ["write"]}), "bad-request"),
    ] {
        let mut request = json!({"cmd": "TOKEN", "action": "create"});
        request.as_object_mut().unwrap().extend(parameters.as_object().unwrap().clone());
        assert_eq!(own.code(request.clone()), code, "{request}");
    }
    assert_eq!(own.ok(json!({"cmd": "TOKEN", "action": "list"})), json!({"tokens": []}));
    let made =
        own.ok(json!({"cmd": "TOKEN", "action": "create", "name": "x", "rights": ["send", "read", "read"], "days": 1}));
    assert_eq!(own.code(json!({"cmd": "TOKEN", "action": "create", "name": "x", "rights": ["read"]})), "token-exists");
    let listed = own.ok(json!({"cmd": "TOKEN", "action": "list"}));
    assert!(listed.get("token").is_none(), "the secret is shown once");
    assert_eq!(listed["tokens"], made["tokens"]);
    let row = &listed["tokens"][0];
    assert_eq!((&row["name"], &row["rights"]), (&json!("x"), &json!(["read", "send"])));
    assert!(row["expires_at"].as_str().unwrap() > row["created_at"].as_str().unwrap());
    assert_eq!(own.code(json!({"cmd": "TOKEN", "action": "revoke", "name": "y"})), "unknown-token");
    assert_eq!(own.code(json!({"cmd": "TOKEN", "action": "revoke"})), "bad-request");

    for n in 1..100 {
        own.ok(json!({"cmd": "TOKEN", "action": "create", "name": format!("t{n}"), "rights": ["read"]}));
    }
    assert_eq!(
        own.code(json!({"cmd": "TOKEN", "action": "create", "name": "z", "rights": ["read"]})),
        "too-many-tokens"
    );

    // A token that may make tokens; its revocation ends it at once, in the middle of everything.
    let list = own.ok(json!({"cmd": "TOKEN", "action": "revoke", "name": "t99"}));
    assert_eq!(list["tokens"].as_array().unwrap().len(), 99);
    let chief = place.make("chief", json!({"rights": ["admin"]}));
    let mut talk = place.proven(&chief);
    talk.ok(json!({"cmd": "TOKEN", "action": "list"}));
    own.ok(json!({"cmd": "TOKEN", "action": "revoke", "name": "chief"}));
    assert_eq!(talk.line(), None, "closed without a word");
    let mut talk = place.tcp();
    assert_eq!(talk.prove(&chief), Err("not-authenticated".to_owned()));
    assert_eq!(talk.line(), None);
    // A new token of the same name is another one.
    let again = place.make("chief", json!({"rights": ["read"]}));
    assert_eq!(place.tcp().prove(&chief), Err("not-authenticated".to_owned()));
    place.proven(&again);
}

#[test]
fn tokens_outlive_the_daemon_and_end_in_time() {
    let mut place = start(&[]);
    let token = place.make("cron", json!({"rights": ["read"]}));
    let short = place.make("short", json!({"rights": ["read"], "days": 1}));
    let gone = place.make("gone", json!({"rights": ["read"]}));
    place.tcp().hello().ok(json!({"cmd": "TOKEN", "action": "revoke", "name": "gone"}));
    place.daemon.kill().unwrap();
    let database = std::fs::read(place.daemon.data().join("torchat.db")).unwrap();
    let wal = std::fs::read(place.daemon.data().join("torchat.db-wal")).unwrap_or_default();
    let text = token.to_text();
    let secret = text.rsplit(':').next().unwrap();
    for bytes in [database, wal] {
        assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "no secret is stored");
    }
    place.daemon.start().unwrap();
    place.proven(&token);
    place.proven(&short);
    assert_eq!(place.tcp().prove(&gone), Err("not-authenticated".to_owned()));
    place.daemon.kill().unwrap();
    let store = rusqlite::Connection::open(place.daemon.data().join("torchat.db")).unwrap();
    assert_eq!(store.execute("UPDATE token SET expires_ms = 1000 WHERE name = 'short'", []).unwrap(), 1);
    drop(store);
    place.daemon.start().unwrap();
    assert_eq!(place.tcp().prove(&short), Err("not-authenticated".to_owned()));
    place.proven(&token);
}

#[test]
fn a_wrong_or_replayed_proof_is_refused_and_names_cannot_be_probed() {
    let place = start(&[]);
    let token = place.make("cron", json!({"rights": ["admin"]}));
    let wrong = Token::new("cron", [7; 32]).unwrap();
    let unknown = Token::new("nobody", [7; 32]).unwrap();
    let mut answers = Vec::new();
    for token in [&wrong, &unknown] {
        let mut talk = place.tcp();
        let server_nonce = talk.begin(token);
        assert_eq!(server_nonce.len(), nonce(&[0; 32]).len());
        let exchange =
            Exchange { client_nonce: CLIENT_NONCE, server_nonce: &server_nonce, address: &talk.address.clone() };
        talk.say(&json!({"cmd": "AUTH", "ref": 1, "proof": token.client_proof(&exchange).to_string()}));
        let answer = talk.line().unwrap();
        // Whatever comes behind it is not executed.
        let _ = talk.stream.get_mut().write_all(b"{\"cmd\":\"EXIT\"}\n");
        assert_eq!(talk.line(), None);
        answers.push(answer);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0]["error"]["code"], "not-authenticated");

    // The proof of one login, played again on another one.
    let mut talk = place.tcp();
    let server_nonce = talk.begin(&token);
    let exchange = Exchange { client_nonce: CLIENT_NONCE, server_nonce: &server_nonce, address: &talk.address.clone() };
    let proof = json!({"cmd": "AUTH", "proof": token.client_proof(&exchange).to_string()});
    talk.ok(proof.clone());
    let mut thief = place.tcp();
    assert_ne!(thief.begin(&token), server_nonce);
    assert_eq!(thief.code(proof.clone()), "not-authenticated");
    assert_eq!(thief.line(), None);
    // Without HELLO, and twice.
    assert_eq!(place.tcp().hello().code(proof.clone()), "not-authenticated");
    assert_eq!(talk.code(proof), "not-authenticated");
    place.daemon.client().unwrap().host().unwrap();
}

/// Passes everything on to the daemon, and keeps what the client said.
fn relay(daemon: u16) -> (u16, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let kept = heard.clone();
    std::thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        let server = TcpStream::connect((Ipv4Addr::LOCALHOST, daemon)).unwrap();
        let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Both);
        });
        let (mut client, mut server) = (client, server);
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = client.read(&mut buffer) {
            kept.lock().unwrap().extend_from_slice(&buffer[..count]);
            if server.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
    });
    (port, heard)
}

#[test]
fn whoever_squats_on_a_port_learns_nothing_and_cannot_pass_a_proof_on() {
    let place = start(&[]);
    let token = place.make("cron", json!({"rights": ["admin"]}));
    let (port, heard) = relay(place.port());
    let mut talk = tcp(port);
    assert_eq!(talk.prove(&token), Err("not-authenticated".to_owned()), "relayed");
    let heard = heard.lock().unwrap().clone();
    let text = token.to_text();
    let secret = text.rsplit(':').next().unwrap().as_bytes();
    assert!(!heard.is_empty() && !heard.windows(secret.len()).any(|part| part == secret));
    // The relay is no hindrance to a client that knows what it reaches: so it is the address that was refused.
    let (port, _) = relay(place.port());
    let mut talk = tcp(port);
    talk.address = place.tcp().address;
    talk.prove(&token).unwrap();

    // A squatter that plays the daemon is found out by the documented program.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let squatter = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream);
        let mut heard = String::new();
        lines.read_line(&mut heard).unwrap();
        let hello = json!({"ref": null, "ok": {"api": 1, "server": "torchatd", "nonce": nonce(&[1; 32])}});
        lines.get_mut().write_all(format!("{hello}\n").as_bytes()).unwrap();
        let mut auth = String::new();
        lines.read_line(&mut auth).unwrap();
        let lie = json!({"ref": null, "ok": {"proof": nonce(&[2; 32]), "rights": ["admin"]}});
        lines.get_mut().write_all(format!("{lie}\n").as_bytes()).unwrap();
        let mut more = String::new();
        let _ = lines.read_to_string(&mut more);
        (serde_json::from_str::<Value>(&auth).unwrap(), more)
    });
    let file = place.token_file(&token);
    let output =
        Command::new("python3").args(["-c", documented(), &port.to_string(), file.to_str().unwrap()]).output().unwrap();
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("this is not the daemon"));
    let (auth, more) = squatter.join().unwrap();
    assert_eq!(more, "", "nothing was said to it after its lie");
    let mut thief = place.tcp();
    thief.begin(&token);
    assert_eq!(thief.code(auth), "not-authenticated", "what it has got is worth nothing");
}

#[test]
fn the_documented_program_proves_a_token() {
    let place = start(&[]);
    let token = place.make("py", json!({"rights": ["read", "send"]}));
    let file = place.token_file(&token);
    let output = place.python(None, documented(), &[file.to_str().unwrap()]);
    assert_eq!(stdout(&output), "read send");
    let wrong = place.token_file(&Token::new("py", [7; 32]).unwrap());
    let output = place.python(None, documented(), &[wrong.to_str().unwrap()]);
    assert_eq!(String::from_utf8_lossy(&output.stderr).trim(), "not-authenticated");
}

/// Connects, says the second argument, and prints what comes back.
const SAY: &str = r#"
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.settimeout(20)
said = b""
try:
    s.sendall(sys.argv[2].encode())
    while part := s.recv(4096):
        said += part
except ConnectionError:
    pass
print(said.decode())
"#;

#[test]
fn another_user_needs_a_token_and_has_nothing_before_it() {
    if !skipped::is_root("another_user_needs_a_token_and_has_nothing_before_it") {
        return;
    }
    let place = start(&[]);
    let say = |what: &str| stdout(&place.python(Some(STRANGER), SAY, &[what]));
    assert_eq!(say("{\"cmd\":\"HOST\"}\n"), "", "without tokens nobody is heard");
    let token = place.make("guest", json!({"rights": ["read"]}));
    for request in [
        json!({"cmd": "HOST"}),
        json!({"cmd": "EXIT"}),
        json!({"cmd": "HELLO", "api": 1}),
        json!({"cmd": "AUTH", "proof": "x"}),
        json!({"cmd": "NONSENSE"}),
    ] {
        // What stands behind it is not executed.
        let said = say(&format!("{request}\n{{\"cmd\":\"EXIT\"}}\n"));
        assert_eq!(said.lines().count(), 1, "{request}: {said}");
        assert!(said.contains("not-authenticated"), "{request}: {said}");
    }
    let hello = json!({"cmd": "HELLO", "api": 1, "token": "guest", "nonce": CLIENT_NONCE});
    let said = say(&format!("{hello}\n{}\n{}\n", json!({"cmd": "HOST"}), json!({"cmd": "EXIT"})));
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(said.lines().nth(1).unwrap().contains("not-authenticated"), "{said}");
    assert_eq!(say("GET / HTTP/1.1\r\n\r\n"), "", "no browser hears a word");
    let long = format!("{{\"cmd\":\"HELLO\",\"x\":\"{}\"}}\n", "x".repeat(5000));
    assert_eq!(say(&long), "", "too much before the proof");
    assert_eq!(say("{\"cmd\":"), "", "not in time");

    let file = place.token_file(&token);
    let output = place.python(Some(STRANGER), documented(), &[file.to_str().unwrap()]);
    assert_eq!(stdout(&output), "read");
    place.daemon.client().unwrap().host().unwrap();
}

/// Opens as many connections as the second argument says, waits until at most 16 of them are open, and prints how many
/// were heard.
const CROWD: &str = r#"
import json, socket, sys, time
hello = json.dumps({"cmd": "HELLO", "api": 1, "token": "x", "nonce": "A" * 24}) + "\n"
crowd, heard = [], 0
for n in range(int(sys.argv[2])):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    s.settimeout(20)
    crowd.append(s)
    try:
        s.sendall(hello.encode())
        heard += s.recv(4096).startswith(b'{"ref"')
    except ConnectionError:
        pass
def is_open(s):
    s.setblocking(False)
    try:
        return s.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionError:
        return False
while len(crowd) > 16:
    crowd = [s for s in crowd if is_open(s)]
    time.sleep(0.01)
print(heard)
"#;

#[test]
fn few_strangers_may_try_at_the_same_time() {
    if !skipped::is_root("few_strangers_may_try_at_the_same_time") {
        return;
    }
    let place = start(&[]);
    place.make("guest", json!({"rights": ["read"]}));
    let output = place.python(Some(STRANGER), CROWD, &["30"]);
    // Nobody is locked out by those who came before: a random one of them goes, and 16 stay.
    assert_eq!(stdout(&output), "30");
}

/// Connects to the Unix socket of the second argument, says the lines of the third, and prints the answers.
const SAY_UNIX: &str = r#"
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(20)
s.connect(sys.argv[2])
said = b""
try:
    s.sendall(sys.argv[3].encode())
    s.shutdown(socket.SHUT_WR)
    while part := s.recv(4096):
        said += part
except ConnectionError:
    pass
print(said.decode())
"#;

#[test]
fn users_of_the_group_socket_have_the_rights_of_the_table() {
    if !skipped::is_root("users_of_the_group_socket_have_the_rights_of_the_table") {
        return;
    }
    let place = start(&["group=DIR/group.sock", &format!("{STRANGER}=read,send")]);
    let socket = place.dir.path().join("group.sock");
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o7777, 0o660);
    // The daemon's own user is itself on every socket.
    let mut own = unix(&socket);
    let welcome = own.ok(json!({"cmd": "HELLO", "api": 1}));
    assert_eq!(welcome["rights"], json!(["admin"]));

    let socket = socket.to_str().unwrap().to_owned();
    let say = |uid: u32, what: &str| stdout(&place.python(Some(uid), SAY_UNIX, &[&socket, what]));
    let lines = [
        json!({"cmd": "HELLO", "api": 1, "ref": 1}),
        json!({"cmd": "HOST", "ref": 2}),
        json!({"cmd": "ADD", "peer": OTHER, "ref": 3}),
        json!({"cmd": "TOKEN", "action": "list", "ref": 4}),
        json!({"cmd": "EXIT", "ref": 5}),
        json!({"cmd": "WHOAMI", "ref": 0}),
    ];
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let said = say(STRANGER, &text);
    let mut answers: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    answers.sort_by_key(|answer| answer["ref"].as_i64());
    let who = answers.remove(0)["ok"].clone();
    assert_eq!((&who["who"], &who["uid"], &who["carrier"]), (&json!("user"), &json!(STRANGER), &json!("unix")));
    assert_eq!(answers[0]["ok"]["rights"], json!(["read", "send"]));
    assert!(answers[1].get("ok").is_some());
    assert!(answers[2..].iter().all(|answer| answer["error"]["code"] == "not-allowed"), "{said}");
    let classic = say(STRANGER, "{\"cmd\":\"EXIT\"}");
    assert!(classic.starts_with("{\"cmd\":\"ERR\",\"code\":\"not-allowed\""), "{classic}");
    assert_eq!(say(NOT_LISTED, &text), "", "who is not in the table is closed");
    assert!(place.audit().contains(&format!("uid {STRANGER}")), "what was refused is in the audit too");
}

#[test]
fn administrative_commands_leave_a_line_without_content() {
    let place = start(&[]);
    let mut client = place.daemon.client().unwrap();
    client.ask(OTHER, "secret words").unwrap();
    client.decide("BLOCK", OTHER, "").unwrap();
    client.decide("BLOCK", "not an onion", "").unwrap_err();
    client.decide("UNBLOCK", OTHER, "").unwrap();
    client.decide("UNBLOCK", OTHER, "").unwrap_err();
    client.host().unwrap();
    client.send(OTHER, "more secret words").unwrap();
    let token = place.make("helper", json!({"rights": ["contacts"]}));
    let mut talk = place.proven(&token);
    talk.ok(json!({"cmd": "RENAME", "peer": OTHER, "name": "Nemo"}));
    talk.ok(json!({"cmd": "REMOVE", "peer": OTHER}));
    assert_eq!(talk.code(json!({"cmd": "EXIT"})), "not-allowed");
    let audit = place.audit();
    let lines: Vec<_> = audit.lines().filter(|line| line.contains("audit")).collect();
    let expect = [
        ("own user", "ADD", "ok"),
        ("own user", "BLOCK", "ok"),
        ("own user", "BLOCK", "bad-onion"),
        ("own user", "UNBLOCK", "ok"),
        ("own user", "UNBLOCK", "not-blocked"),
        ("own user", "TOKEN", "ok"),
        ("token helper", "RENAME", "ok"),
        ("token helper", "REMOVE", "ok"),
        ("token helper", "EXIT", "not-allowed"),
    ];
    // What is accepted has a line before it is done and one after it; what may not be used has one.
    let expect: Vec<_> = expect
        .into_iter()
        .flat_map(|(who, command, code)| {
            let begun = (code != "not-allowed").then_some((who, command, "begun"));
            begun.into_iter().chain([(who, command, code)])
        })
        .collect();
    assert_eq!(lines.len(), expect.len(), "{audit}");
    for (line, (who, command, code)) in lines.iter().zip(expect) {
        for part in [who, command, code] {
            assert!(line.contains(&format!("\"{part}\"")), "{part}: {line}");
        }
        assert!(line.contains(&OTHER[..4]) || ["TOKEN", "EXIT"].contains(&command) || !line.contains("peer"), "{line}");
        for hidden in [&OTHER[..8], "secret", "Nemo", &token.to_text()[20..40]] {
            assert!(!line.contains(hidden), "{line}");
        }
    }
}
