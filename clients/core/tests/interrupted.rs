//! A program that is stopped and goes on, as by Ctrl-Z and `fg`, while it waits for an answer.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;
use torchat_client::Client;

#[test]
fn a_program_that_is_stopped_and_goes_on_gets_its_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        BufReader::new(stream.try_clone().unwrap()).read_line(&mut String::new()).unwrap();
        // The client waits now, or does so after one of these. Linux ends a read that has a time limit when the program
        // goes on (signal(7)).
        let again = format!(
            "for n in 1 2 3 4 5; do kill -STOP {0}; sleep 0.02; kill -CONT {0}; sleep 0.02; done",
            std::process::id()
        );
        assert!(Command::new("sh").args(["-c", &again]).status().unwrap().success());
        stream.write_all(b"{\"cmd\":\"HOST\",\"msg\":\"me.onion\"}\n").unwrap();
    });
    let mut client = Client::connect_tcp(port, Duration::from_secs(60)).unwrap();
    assert_eq!(client.host().unwrap(), "me.onion");
    server.join().unwrap();
}
