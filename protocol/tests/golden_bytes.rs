//! The exact bytes below the messages: hellos, prologue, certificate, frames. `UPDATE_GOLDEN=1` writes them anew, which is
//! a new version of the protocol.
#![allow(clippy::unwrap_used)]

use data_encoding::HEXLOWER;
use torchat_protocol::cert::{self, DeviceCert};
use torchat_protocol::frame::{self, MAX_BODY, Reassembler, TYPE_JSON, Takes};
use torchat_protocol::hello;
use torchat_protocol::id::{PeerId, parse_onion};
use torchat_protocol::message::{Nonce, PeerMessage};

/// Compares with `golden/NAME.hex`: a name and hexadecimal bytes in each line.
fn compare(name: &str, lines: &[(&str, Vec<u8>)]) {
    let text: String = lines.iter().map(|(what, bytes)| format!("{what} {}\n", HEXLOWER.encode(bytes))).collect();
    let path = format!("{}/golden/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "{name}");
}

/// The example of rend-spec-v3.
fn service() -> PeerId {
    parse_onion("pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd").unwrap()
}

#[test]
fn hellos_and_prologue() {
    let (client, server) = (hello::client_hello(), hello::server_hello(hello::VERSION));
    compare(
        "hello",
        &[
            ("client", client.clone()),
            ("server", server.to_vec()),
            ("server-no-version", hello::server_hello(hello::NO_VERSION).to_vec()),
            ("prologue", hello::prologue(&service(), &client, &server)),
        ],
    );
}

#[test]
fn certificate() {
    let cert = DeviceCert {
        identity: *service().as_bytes(),
        device: [2; 32],
        dev_no: 3,
        epoch: 0x0405_0607,
        not_before: 0x0809_0a0b_0c0d_0e0f,
        not_after: 0x1011_1213_1415_1617,
        signature: [0x18; 64],
    };
    compare("cert", &[("to-be-signed", cert.to_be_signed()), ("certificate", cert.encode())]);
    assert_eq!(cert.encode().len(), cert::LEN);
}

#[test]
fn frames() {
    let ping = PeerMessage::Ping(Nonce { n: 7 }).encode();
    // One byte more than one frame holds: a full frame with "more follows", then one with a single byte.
    let long: Vec<u8> = (0..=MAX_BODY).map(|n| b'a' + u8::try_from(n % 26).unwrap()).collect();
    let mut lines: Vec<(&str, Vec<u8>)> = Vec::new();
    for (name, message) in [("empty", &b""[..]), ("ping", &ping), ("two-cells", &long[..475]), ("two-frames", &long)] {
        let mut reassembler = Reassembler::new(Takes::CHAT);
        let mut found = Vec::new();
        for plaintext in frame::split(TYPE_JSON, 0, message) {
            found.extend(reassembler.push(&plaintext).unwrap().map(|framed| framed.bytes));
            lines.push((name, plaintext));
        }
        assert_eq!(found, [message], "{name}");
    }
    compare("frames", &lines);
}
