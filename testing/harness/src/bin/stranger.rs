//! A program of another user of the machine, for tests of the local port: what it does is its first argument.
//!
//! `stranger reset PORT TEXT`: binds a port of its own and says which; told to go, it connects from there to PORT, writes the
//! text, and resets the connection. `stranger stay PORT|PATH TEXT`: connects, writes the text, and says how many bytes come back
//! at first. `stranger gone PORT TEXT COUNT`: so often connects, writes the text, and closes at once. `stranger flood PORT RATE`: connects and resets RATE times a second until its standard input ends. `stranger squat`:
//! listens and says where; answers as a daemon would, and says what it hears.

use anyhow::{Context as _, bail};
use rustix::net::{AddressFamily, SocketType, bind, connect, getsockname, socket, sockopt};
use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *words.as_slice() {
        ["reset", port, text] => reset(port.parse()?, text),
        ["stay", place, text] => stay(place, text),
        ["gone", port, text, count] => gone(port.parse()?, text, count.parse()?),
        ["flood", port, rate] => flood(port.parse()?, rate.parse()?),
        ["squat"] => squat(),
        _ => bail!("see the first lines of this program's source"),
    }
}

/// To the program that started it: one line.
fn say(line: impl std::fmt::Display) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

fn until_told() -> anyhow::Result<()> {
    std::io::stdin().lines().next().context("nobody tells it to go")??;
    Ok(())
}

fn loopback(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)
}

fn reset(port: u16, text: &str) -> anyhow::Result<()> {
    let client = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    // So that a listener of somebody else's on the same port is allowed.
    sockopt::set_socket_reuseaddr(&client, true)?;
    bind(&client, &loopback(0))?;
    say(SocketAddr::try_from(getsockname(&client)?)?.port())?;
    until_told()?;
    connect(&client, &loopback(port))?;
    let mut client = TcpStream::from(client);
    client.write_all(text.as_bytes())?;
    sockopt::set_socket_linger(&client, Some(Duration::ZERO))?;
    drop(client);
    say("reset")
}

fn stay(place: &str, text: &str) -> anyhow::Result<()> {
    // A clone reads, so that the connection stays as it is.
    let (mut writer, mut reader): (Box<dyn Write>, Box<dyn Read>) = match place.parse() {
        Ok(port) => {
            let client = TcpStream::connect(loopback(port))?;
            client.set_read_timeout(Some(PATIENCE))?;
            (Box::new(client.try_clone()?), Box::new(client))
        }
        Err(_) => {
            let client = UnixStream::connect(place)?;
            client.set_read_timeout(Some(PATIENCE))?;
            (Box::new(client.try_clone()?), Box::new(client))
        }
    };
    // It may be closed already.
    let _ = writer.write_all(text.as_bytes());
    let mut first = [0; 4096];
    say(reader.read(&mut first).unwrap_or_default())
}

fn gone(port: u16, text: &str, count: usize) -> anyhow::Result<()> {
    for _ in 0..count {
        TcpStream::connect(loopback(port))?.write_all(text.as_bytes())?;
    }
    say("gone")
}

fn flood(port: u16, rate: u32) -> anyhow::Result<()> {
    let ended = std::thread::spawn(|| std::io::stdin().lines().next().is_none());
    let (begun, each) = (Instant::now(), Duration::from_secs(1) / rate);
    let (mut count, mut failed) = (0u32, 0u32);
    while !ended.is_finished() {
        match TcpStream::connect_timeout(&loopback(port).into(), PATIENCE) {
            // A reset leaves nothing: the kernel knows no such socket any more when the daemon asks.
            Ok(client) => sockopt::set_socket_linger(&client, Some(Duration::ZERO))?,
            Err(_) => failed += 1,
        }
        count += 1;
        if count == 1 {
            say("flooding")?;
        }
        std::thread::sleep((each * count).saturating_sub(begun.elapsed()));
    }
    say(format_args!("{count} connections in {:.1} s, {failed} failed", begun.elapsed().as_secs_f64()))
}

fn squat() -> anyhow::Result<()> {
    let listener = TcpListener::bind(loopback(0))?;
    say(listener.local_addr()?.port())?;
    loop {
        let (stream, _) = listener.accept()?;
        // A client that leaves is not the end of it.
        let _ = pretend(stream);
    }
}

/// Answers every line as a daemon would, in the contract that the client begins with.
fn pretend(mut stream: TcpStream) -> anyhow::Result<()> {
    let onion = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
    let objects = serde_json::Deserializer::from_reader(BufReader::new(stream.try_clone()?)).into_iter();
    for object in objects {
        let object: serde_json::Value = object?;
        say(format_args!("heard {}", object["cmd"]))?;
        let answer = match object.get("ref") {
            Some(reference) => serde_json::json!({"ref": reference, "ok": {
                "api": 1, "server": "torchatd/0.1.0", "onion": onion, "rights": ["admin"], "commands": ["HOST", "SEND"],
                "seq": 0, "oldest": 0, "id": 1, "mid": "00".repeat(16), "state": "delivered",
                "limits": {"object_bytes": 1 << 20, "text_bytes": 65536, "requests": 16, "subscriptions": 16, "page": 1000}}}),
            None => serde_json::json!({"cmd": "END", "id": onion, "msg": onion, "portno": 0}),
        };
        stream.write_all(format!("{answer}\n").as_bytes())?;
    }
    Ok(())
}
