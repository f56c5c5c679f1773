//! Figures of the screen: the real client on a terminal, a real daemon with many conversations behind it.
//!
//! `cargo run --release -p torchat --example screen-bench [CONVERSATIONS] [MESSAGES]`: 100 conversations and 20,000 messages if
//! nothing is said. It wants `torchat` to be built in the same profile. Aims: a key on the screen within 5 ms (p50) and
//! 16 ms (p99), the first screen within 100 ms, 20 MB of memory, no processor time while nothing happens.

#[path = "../tests/support/pty.rs"]
#[allow(dead_code)]
mod pty;

use anyhow::Context as _;
use pty::{Home, Screen, client};
use std::path::Path;
use std::time::{Duration, Instant};
use torchat_client::api::{Address, Connection, Onion, command};

const KEYS: usize = 500;
/// SENDs that are under way at a time.
const AHEAD: usize = 64;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| arguments.next().map_or(Ok(default), |text| text.parse());
    let (conversations, messages): (usize, usize) = (number(100)?, number(20_000)?);
    let program = client();
    let dir = tempfile::tempdir()?;
    let mut ann = Home::new(dir.path(), "ann", 21);
    ann.daemon.start()?;
    let filled = Instant::now();
    fill(&ann, conversations, messages)?;
    println!("{conversations} conversations, {messages} messages (filled in {:.0?})", filled.elapsed());

    let mut starts = Vec::new();
    for _ in 0..5 {
        let begun = Instant::now();
        let mut screen = ann.screen(Path::new(&program), (120, 40));
        screen.see("message number");
        starts.push(begun.elapsed());
        screen.keys("\x11");
        screen.end();
    }
    print("start to the first full screen (with setsid and the terminal)", &mut starts);

    let mut screen = ann.screen(Path::new(&program), (120, 40));
    screen.see("message number");
    let mut typed = Vec::new();
    for n in 0..KEYS {
        let key = char::from(b'a' + u8::try_from(n % 26)?);
        let count = |screen: &vt100::Screen| cursor_column(screen);
        let before = screen.wait("a cursor", |screen| Some(count(screen)));
        if n % 60 == 59 {
            screen.keys("\x15");
            screen.wait("an empty input", |screen| (cursor_column(screen) < before).then_some(()));
            continue;
        }
        let begun = Instant::now();
        screen.keys(&key.to_string());
        screen.wait("the key", |screen| (count(screen) != before).then_some(()));
        typed.push(begun.elapsed());
    }
    print("a typed key on the screen", &mut typed);

    screen.keys("\x15");
    let mut scrolled = Vec::new();
    for n in 0..200 {
        quiet(&screen, 40);
        let before = screen.frame();
        let begun = Instant::now();
        // Up and down again: there is always a page in this direction.
        screen.keys(if n % 2 == 0 { "\x1b[5~" } else { "\x1b[6~" });
        screen.wait("another page", |screen| (pty::framed(screen) != before).then_some(()));
        scrolled.push(begun.elapsed());
    }
    print("a page scrolled", &mut scrolled);
    let mut switched = Vec::new();
    for n in 0..200 {
        quiet(&screen, 40);
        let before = screen.frame();
        let begun = Instant::now();
        screen.keys(if n % 60 < 40 { "\x0e" } else { "\x10" });
        screen.wait("another conversation", |screen| (pty::framed(screen) != before).then_some(()));
        switched.push(begun.elapsed());
    }
    print("another conversation (its first change on the screen)", &mut switched);

    let pid = screen.pid();
    println!("memory: {:.1} MB resident", resident_mb(pid)?);
    // What was asked last is answered.
    quiet(&screen, 1_000);
    let (before, pieces) = (cpu_ticks(pid)?, screen.pieces());
    std::thread::sleep(Duration::from_secs(10));
    println!(
        "idle for 10 s: {} ticks of 10 ms of processor time, {} draws",
        cpu_ticks(pid)? - before,
        screen.pieces() - pieces
    );
    screen.keys("\x11");
    screen.end();
    Ok(())
}

/// Waits until nothing was drawn for so many milliseconds: what is measured next is not the rest of something else.
fn quiet(screen: &Screen, ms: u64) {
    let mut last = screen.pieces();
    loop {
        std::thread::sleep(Duration::from_millis(ms));
        let now = screen.pieces();
        if now == last {
            return;
        }
        last = now;
    }
}

fn fill(home: &Home, conversations: usize, messages: usize) -> anyhow::Result<()> {
    let port = home.daemon.port().context("a port")?;
    let connection = Connection::open(&Address::tcp(port))?;
    let peers: Vec<Onion> = onions().take(conversations).collect();
    let mut waiting = std::collections::VecDeque::new();
    for n in 0..messages {
        let peer = peers.get(n % peers.len()).copied().context("a peer")?;
        let text = format!("message number {n}: {}", "some words of a text ".repeat(n % 7));
        let (client_id, wait, timeout, expire) = (None, None, None, None);
        waiting.push_back(connection.start(&command::Send { peer, text, client_id, wait, timeout, expire })?);
        if waiting.len() >= AHEAD {
            waiting.pop_front().context("one waits")?.wait(pty::PATIENCE)?;
        }
    }
    for pending in waiting {
        pending.wait(pty::PATIENCE)?;
    }
    for (n, peer) in peers.iter().enumerate() {
        connection.call(&command::Rename { peer: *peer, name: format!("friend no. {n}") })?;
    }
    Ok(())
}

/// Onions of nobody: points of the curve, counted up.
fn onions() -> impl Iterator<Item = Onion> {
    (0u32..).filter_map(|n| {
        let mut key = [7; 32];
        key[..4].copy_from_slice(&n.to_le_bytes());
        torchat_protocol::id::PeerId::from_key(key).ok().map(Onion)
    })
}

fn cursor_column(screen: &vt100::Screen) -> u16 {
    screen.cursor_position().1
}

fn print(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let ms = |part: usize| {
        let at = (times.len() * part / 100).min(times.len().saturating_sub(1));
        times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    println!("{what}: p50 {:.2} ms, p99 {:.2} ms, of {}", ms(50), ms(99), times.len());
}

fn resident_mb(pid: u32) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    let kb: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kb / 1024.0)
}

fn cpu_ticks(pid: u32) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let rest = text.rsplit_once(')').context("a stat")?.1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field = |n: usize| fields.get(n).context("a field").and_then(|text| Ok(text.parse::<u64>()?));
    Ok(field(11)? + field(12)?)
}
