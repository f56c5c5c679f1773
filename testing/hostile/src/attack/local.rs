//! What programs that are no clients say to the control port: web pages through their browser, and other protocols.
//!
//! A page decides about parts of what a browser sends: a path, a body, names of fields, some headers, a host name. Each
//! row puts commands into such a part of the bytes that a browser sends, and says them in four ways: at once, cut behind the
//! head, byte by byte, and twice on one connection. Not a byte may come back, and none of the commands may be executed.

use super::{Attack, Kind, row};
use crate::target::Target;
use anyhow::{Context as _, ensure};
use serde_json::json;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use torchat_harness::api::Api;

/// The example of rend-spec-v3: nobody serves it here.
const NOBODY: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
const CLOSED: &str = "closed without a byte, nothing executed";
/// How long the daemon may take to close.
const PATIENCE: Duration = Duration::from_secs(20);

const AGENT: &str = "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 \
                     Safari/537.36\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en\r\n";
const PAGE: &str = "Origin: http://evil.example\r\nReferer: http://evil.example/\r\nSec-Fetch-Site: cross-site\r\n";

/// What a TLS library sends first (Python's, for evil.example with h2 and http/1.1), up to its session id, and from the
/// cipher suites on.
const CLIENT_HELLO: (&str, &str) = (
    "1603010200010001fc0303223d8d40f43c1cc405fe554257b6477c14ae4f9c2203f4204f6cd1f8c727b56020",
    "0024130213031301c02cc030c02bc02fcca9cca8c024c028c023c027009f009e006b006700ff0100018f00000011000f00000c6576696c2e65\
     78616d706c65000b000403000102000a00160014001d0017001e0019001801000101010201030104002300000010000e000c02683208687474\
     702f312e31",
);

/// How the head is told from what a page puts behind it.
type Recording = (&'static str, Record);
/// From a command and the daemon's port.
type Record = fn(&str, u16) -> (Vec<u8>, Vec<u8>);

fn parts(head: String, rest: impl Into<Vec<u8>>) -> (Vec<u8>, Vec<u8>) {
    (head.into_bytes(), rest.into())
}

fn post(kind: &str, host: &str, body: &str) -> (Vec<u8>, Vec<u8>) {
    let length = body.len();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {host}\r\nConnection: keep-alive\r\nContent-Length: {length}\r\n{AGENT}Content-Type: \
         {kind}\r\n{PAGE}Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: empty\r\n\r\n"
    );
    parts(head, body)
}

fn get(path: &str, host: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: keep-alive\r\n{AGENT}{more}{PAGE}\r\n")
}

fn local(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// As browsers write it into a path: everything but the harmless.
fn escaped(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~:,{}[]".contains(&byte);
    text.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16).unwrap_or_default()).unwrap_or_default();
    let hex: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).map(digit).collect();
    hex.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()
}

#[rustfmt::skip] // A table.
const RECORDINGS: &[Recording] = &[
    ("fetch GET, a command in the path", |cmd, port| parts(get(&format!("/{}", escaped(cmd)), &local(port), "Sec-Fetch-Mode: no-cors\r\n"), cmd)),
    ("fetch GET, a command in the query as it is", |cmd, port| parts(get(&format!("/?{}", cmd.replace(' ', "")), &local(port), ""), cmd)),
    ("fetch POST text/plain with a command as its body", |cmd, port| post("text/plain;charset=UTF-8", &local(port), cmd)),
    ("fetch POST text/plain, commands on lines of their own", |cmd, port| post("text/plain;charset=UTF-8", &local(port), &format!("\r\n{cmd}\r\n{cmd}\r\n"))),
    ("fetch POST text/plain, a framed command", |cmd, port| post("text/plain;charset=UTF-8", &local(port), &format!("{:04}{cmd}", cmd.len()))),
    ("fetch POST of a megabyte of line breaks, then a command", |cmd, port| post("text/plain;charset=UTF-8", &local(port), &format!("{}{cmd}", "\n".repeat(1 << 20)))),
    ("fetch POST application/json", |cmd, port| post("application/json", &local(port), cmd)),
    ("fetch POST application/json, its preflight", |cmd, port| parts(format!("OPTIONS / HTTP/1.1\r\nHost: {}\r\n{AGENT}Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\nAccess-Control-Request-Private-Network: true\r\n{PAGE}\r\n", local(port)), cmd)),
    ("fetch with four digits as its method", |cmd, port| parts(format!("{:04} / HTTP/1.1\r\nHost: {}\r\n{AGENT}\r\n", cmd.len(), local(port)), cmd)),
    ("sendBeacon", |cmd, port| post("text/plain;charset=UTF-8\r\nCache-Control: max-age=0\r\nPriority: u=4, i", &local(port), cmd)),
    ("a form, text/plain: the name is a command up to its =", |cmd, port| post("text/plain", &local(port), &format!("{},\"x\":\"=\"}}\r\n", cmd.trim_end_matches('}')))),
    ("a form, urlencoded", |cmd, port| post("application/x-www-form-urlencoded", &local(port), &format!("{}=", escaped(cmd)))),
    ("a form, multipart", |cmd, port| post("multipart/form-data; boundary=----WebKitFormBoundaryA1b2C3d4E5f6G7h8", &local(port), &format!("------WebKitFormBoundaryA1b2C3d4E5f6G7h8\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n{cmd}\r\n------WebKitFormBoundaryA1b2C3d4E5f6G7h8--\r\n"))),
    ("an upload of a file", |cmd, port| post("multipart/form-data; boundary=b", &local(port), &format!("--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x.json\"\r\nContent-Type: application/json\r\n\r\n{cmd}\r\n--b--\r\n"))),
    ("a chunked body", |cmd, port| parts(format!("POST / HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n{AGENT}\r\n", local(port)), format!("{:x}\r\n{cmd}\r\n0\r\n\r\n", cmd.len()))),
    ("an image", |cmd, port| parts(get("/x.png", &local(port), "Sec-Fetch-Dest: image\r\n"), cmd)),
    ("an EventSource", |cmd, port| parts(get("/", &local(port), "Accept: text/event-stream\r\nCache-Control: no-cache\r\n"), cmd)),
    ("a WebSocket's upgrade and a frame", |cmd, port| {
        let head = get("/", &local(port), "Pragma: no-cache\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n");
        // Masked with zeroes, so that the command stands in it as it is.
        let length = u16::try_from(cmd.len()).unwrap_or(u16::MAX).to_be_bytes();
        (head.into_bytes(), [&[0x81, 0xfe][..], &length, &[0; 4], cmd.as_bytes()].concat())
    }),
    ("a WebSocket's protocol name is a command", |cmd, port| parts(get("/", &local(port), &format!("Upgrade: websocket\r\nSec-WebSocket-Protocol: x,\r\n{cmd}\r\n")), cmd)),
    ("DNS rebinding: the page's own name", |cmd, port| post("application/json", &format!("evil.example:{port}"), cmd)),
    ("DNS rebinding: same-origin GET", |cmd, port| parts(get("/", &format!("evil.example:{port}"), "Sec-Fetch-Site: same-origin\r\n"), cmd)),
    ("DNS rebinding: localhost.evil.example", |cmd, port| post("text/plain", &format!("localhost.evil.example:{port}"), cmd)),
    ("DNS rebinding: a name that is a number", |cmd, port| post("text/plain", &format!("0x7f000001:{port}"), cmd)),
    ("no host at all", |cmd, _| parts("POST / HTTP/1.0\r\n\r\n".into(), cmd)),
    ("a request, and a command as the second line", |cmd, _| parts("GET / HTTP/1.1\r\n".into(), format!("{cmd}\r\n"))),
    ("a header whose value has a line break and a command", |cmd, port| parts(get("/", &local(port), &format!("X-Note: a\r\n{cmd}\r\n")), cmd)),
    ("two requests on one connection, a command between them", |cmd, port| parts(get("/", &local(port), ""), format!("{cmd}\n{}", get("/", &local(port), "")))),
    ("a proxy's CONNECT", |cmd, port| parts(format!("CONNECT {} HTTP/1.1\r\nHost: {}\r\n\r\n", local(port), local(port)), cmd)),
    ("HTTP/0.9", |cmd, _| parts("GET /\r\n".into(), cmd)),
    ("HTTP/2 from the start: preface, SETTINGS, DATA", |cmd, _| {
        let length = u32::try_from(cmd.len()).unwrap_or_default().to_be_bytes();
        let data = [length.get(1..).unwrap_or_default(), &[0, 1, 0, 0, 0, 1], cmd.as_bytes()].concat();
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), [&[0, 0, 0, 4, 0, 0, 0, 0, 0][..], &data].concat())
    }),
    ("a TLS ClientHello", |cmd, _| {
        let hello = [bytes(CLIENT_HELLO.0), vec![7; 32], bytes(CLIENT_HELLO.1)].concat();
        (hello, cmd.as_bytes().to_vec())
    }),
    ("a TLS ClientHello whose session id is a server's choice", |cmd, _| {
        // A page's server chose it in an earlier connection; the name was rebound since.
        let id = cmd.bytes().chain(std::iter::repeat(b' ')).take(32).collect();
        ([bytes(CLIENT_HELLO.0), id, bytes(CLIENT_HELLO.1)].concat(), cmd.as_bytes().to_vec())
    }),
    ("TURN over TCP, a command as the user name", |cmd, _| {
        let length = u16::try_from(cmd.len()).unwrap_or_default().to_be_bytes();
        (vec![0, 3, 2, 0, 0x21, 0x12, 0xa4, 0x42], [&[1; 12][..], &[0, 6], &length, cmd.as_bytes()].concat())
    }),
    ("FTP", |cmd, _| parts("USER anonymous\r\n".into(), format!("{cmd}\r\n"))),
    ("SMTP", |cmd, _| parts("EHLO evil.example\r\n".into(), format!("{cmd}\r\n"))),
    ("IRC", |cmd, _| parts("NICK evil\r\n".into(), format!("{cmd}\r\n"))),
    ("Telnet", |cmd, _| (vec![0xff, 0xfb, 0x18], cmd.as_bytes().to_vec())),
    ("Redis", |cmd, _| parts("*1\r\n$4\r\nPING\r\n".into(), cmd)),
    ("a byte order mark", |cmd, _| (vec![0xef, 0xbb, 0xbf], cmd.as_bytes().to_vec())),
    ("UTF-16", |cmd, _| (vec![0xff, 0xfe], cmd.encode_utf16().flat_map(u16::to_le_bytes).collect())),
    ("a zero byte", |cmd, _| (vec![0], cmd.as_bytes().to_vec())),
    ("a list of commands", |cmd, _| parts("[".into(), format!("{cmd}]"))),
    ("a text", |cmd, _| parts("\"".into(), cmd)),
];

/// What a page would like to have done.
fn commands() -> Vec<String> {
    [
        json!({"cmd": "SEND", "id": NOBODY, "msg": "canary"}),
        json!({"cmd": "ADD", "id": NOBODY, "msg": "canary"}),
        json!({"cmd": "EXIT"}),
    ]
    .map(|command| command.to_string())
    .into_iter()
    .chain([format!(
        "{}\n{}",
        json!({"cmd": "HELLO", "api": 1}),
        json!({"cmd": "TOKEN", "action": "create", "name": "canary", "rights": ["admin"]})
    )])
    .collect()
}

pub(super) fn rows() -> Vec<Attack> {
    let mut rows: Vec<Attack> = RECORDINGS
        .iter()
        .map(|&(name, recording)| {
            let work = move |target: Arc<Target>| async move {
                let port = target.control();
                tokio::task::spawn_blocking(move || attempts(port, recording)).await??;
                nothing_executed(port).await
            };
            row(Kind::Quick, format!("local: {name}"), CLOSED, work).on_loopback()
        })
        .collect();
    let broken = "an ERR at most, nothing executed";
    let work = |target: Arc<Target>| async move {
        let port = target.control();
        let said = tokio::task::spawn_blocking(move || {
            // White space belongs to our own contract, so this is answered as a broken object is.
            let (head, body) = post("text/plain", &local(port), &commands().concat());
            say(port, &[b"\r\n", &head, &body])
        });
        let said = String::from_utf8(said.await??)?;
        ensure!(said.is_empty() || said.starts_with(r#"{"cmd":"ERR","code":"bad-object""#), "{said}");
        ensure!(said.lines().count() <= 1, "{said}");
        nothing_executed(port).await
    };
    rows.push(row(Kind::Quick, "local: a request after a line break", broken, work).on_loopback());
    let work = |target: Arc<Target>| async move {
        let port = target.control();
        tokio::task::spawn_blocking(move || twin(port)).await?
    };
    rows.push(row(Kind::Quick, "local: twin: the same commands alone", "executed", work).on_loopback());
    rows
}

/// Every command in every way.
fn attempts(port: u16, recording: Record) -> anyhow::Result<()> {
    for command in commands() {
        let (head, rest) = recording(&command, port);
        let whole = [head.clone(), rest.clone()].concat();
        let first: Vec<&[u8]> = whole.chunks(1).take(2048).collect();
        let ways: [(&str, Vec<&[u8]>); 4] = [
            ("at once", vec![&whole]),
            ("cut behind the head", vec![&head, &rest]),
            ("byte by byte", first),
            ("twice", vec![&whole, b"\r\n", &whole]),
        ];
        for (way, pieces) in ways {
            let said = say(port, &pieces).with_context(|| format!("{way}: {command}"))?;
            ensure!(said.is_empty(), "{way}, {command}: answered with {:?}", String::from_utf8_lossy(&said));
        }
    }
    Ok(())
}

/// Says this on a connection of its own, and returns all that comes back.
fn say(port: u16, pieces: &[&[u8]]) -> anyhow::Result<Vec<u8>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    for piece in pieces {
        // It may have closed already.
        if stream.write_all(piece).is_err() {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Err(error) if !matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => Err(error.into()),
        _ => Ok(said),
    }
}

/// None of [`commands`] was executed by the program that serves this port.
///
/// # Errors
/// What was.
pub async fn nothing_executed(port: u16) -> anyhow::Result<()> {
    let look = move || {
        let mut api = Api::connect(port).context("it serves no more")?;
        let history = api.ok(json!({"cmd": "HISTORY", "peer": NOBODY}))?;
        ensure!(history["messages"] == json!([]), "SEND was executed: {history}");
        let contacts = api.ok(json!({"cmd": "CONTACTS"}))?;
        ensure!(!contacts.to_string().contains(NOBODY), "ADD was executed: {contacts}");
        let tokens = api.ok(json!({"cmd": "TOKEN", "action": "list"}))?;
        ensure!(tokens["tokens"] == json!([]), "TOKEN was executed: {tokens}");
        Ok(())
    };
    tokio::task::spawn_blocking(look).await?
}

/// The commands that no row may get executed are good ones: without a page around them they are.
fn twin(port: u16) -> anyhow::Result<()> {
    let executed = say(port, &[json!({"cmd": "SEND", "id": NOBODY, "msg": "alone"}).to_string().as_bytes()])?;
    ensure!(executed.starts_with(br#"{"cmd":"END""#), "{:?}", String::from_utf8_lossy(&executed));
    let api = [
        json!({"cmd": "HELLO", "api": 1}),
        json!({"cmd": "HISTORY", "peer": NOBODY}),
        json!({"cmd": "TOKEN", "action": "create", "name": "alone", "rights": ["admin"]}),
    ];
    let said = String::from_utf8(say(port, &[api.map(|line| format!("{line}\n")).concat().as_bytes()])?)?;
    ensure!(said.contains("alone") && said.contains("\"token\":\""), "{said}");
    Ok(())
}
