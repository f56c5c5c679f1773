//! While the disk is waited for, everything else goes on.
#![allow(clippy::unwrap_used)]

use serde_json::json;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::Duration;
use torchat_harness::api::Pair;

/// A valid onion that nobody serves here: the example of rend-spec-v3.
const NOBODY: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";

/// A connection that has said HELLO, and reads with a limit.
fn connect(port: u16) -> BufReader<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(4))).unwrap();
    let mut stream = BufReader::new(stream);
    say(&mut stream, &json!({"cmd": "HELLO", "api": 1}));
    hear(&mut stream);
    stream
}

fn say(stream: &mut BufReader<TcpStream>, request: &serde_json::Value) {
    stream.get_mut().write_all(format!("{request}\n").as_bytes()).unwrap();
}

fn hear(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).expect("an answer while the disk is waited for");
    line
}

#[test]
fn status_and_subscriptions_do_not_wait_for_a_cursor_that_is_being_written() {
    let pair = Pair::start(Path::new(env!("CARGO_BIN_EXE_loopback-daemon"))).unwrap();
    pair.a.client().unwrap().add(NOBODY).unwrap();
    let port = pair.a.port().unwrap();
    let mut others: Vec<_> = (0..4).map(|_| connect(port)).collect();
    let mut host = connect(port);
    let mut consumer = connect(port);
    // As long as another program writes, a commit of the daemon's waits, for up to five seconds: a disk as slow as that.
    let disk = rusqlite::Connection::open(pair.a.data().join("torchat.db")).unwrap();
    disk.execute_batch("BEGIN IMMEDIATE").unwrap();
    say(&mut consumer, &json!({"cmd": "ACK", "consumer": "bot", "seq": 1, "ref": 1}));
    for _ in 0..20 {
        for other in &mut others {
            say(other, &json!({"cmd": "STATUS"}));
            say(other, &json!({"cmd": "CURSORS"}));
        }
        say(&mut host, &json!({"cmd": "HOST"}));
        assert!(hear(&mut host).contains(&pair.onion_a));
        for other in &mut others {
            assert!(hear(other).contains("\"ok\""));
            assert!(hear(other).contains("\"ok\""));
        }
    }
    disk.execute_batch("ROLLBACK").unwrap();
    assert!(hear(&mut consumer).contains("\"ok\""), "it was written as soon as the disk had time");
    say(&mut others[0], &json!({"cmd": "CURSORS"}));
    assert!(hear(&mut others[0]).contains("\"seq\":1"));
}
