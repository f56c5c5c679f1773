//! A real browser with a hostile page, where one is installed.
//!
//! The page comes from a server of ours on loopback, under 127.0.0.1 and under a name that the browser is told to
//! resolve to 127.0.0.1, which is what DNS rebinding comes to. It tries fetch, forms, beacons, EventSource, images and WebSockets
//! against the daemon's port, and the same against a port of ours, which shows that the browser really sends them.

use super::Place;
use crate::attack;
use anyhow::{Context as _, ensure};
use std::fmt;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How browsers are called that this can drive.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/// How long the page may take.
const PAGE_TIME: Duration = Duration::from_secs(120);
/// How long a connection of the browser may be silent at our own port.
const SILENCE: Duration = Duration::from_secs(2);
/// Ways in which the page tries; each must reach our own port under both names.
const LEAST_REQUESTS: usize = 12;

/// The browser, if there is one in PATH.
#[must_use]
pub fn installed() -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).flat_map(|folder| NAMES.map(|name| folder.join(name))).find(|path| path.is_file())
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    /// First lines of what it said to our own port.
    pub requests: Vec<String>,
    /// What the page says of its tries, one a line.
    pub results: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "a real browser: {} tries, 0 commands executed, 0 answers read", self.results.len())?;
        write!(f, "  the same tries made {} connections to a port of ours", self.requests.len())
    }
}

/// The browser's process. Killed when it is dropped.
struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Shows the page to a browser and judges the daemon.
///
/// # Errors
/// When a command was executed, the page could read an answer, or the browser did not try.
pub async fn run(browser: &Path, daemon: &Path) -> anyhow::Result<Report> {
    let place = Place::start(daemon, None)?;
    let port = place.port()?;
    let recorder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = requests.clone();
    let (told, results) = channel();
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let (pages, ours) = (server.local_addr()?.port(), recorder.local_addr()?.port());
    let page = include_str!("page.html").replace("PORTS", &format!("{port}, {ours}"));
    // Both threads end with the process: nothing can be waited for in an accept.
    std::thread::spawn(move || record(&recorder, &seen));
    std::thread::spawn(move || serve(&server, &page, &told));
    let profile = tempfile::tempdir()?;
    let mut answers = Vec::new();
    for host in ["127.0.0.1", "evil.example"] {
        let mut command = Command::new(browser);
        command.args(["--headless=new", "--disable-gpu", "--no-first-run", "--disable-background-networking"]);
        command.args(["--disable-component-update", "--host-resolver-rules=MAP evil.example 127.0.0.1"]);
        if rustix::process::geteuid().is_root() {
            // Its sandbox refuses to run as root. The page is ours.
            command.arg("--no-sandbox");
        }
        command.arg(format!("--user-data-dir={}", profile.path().join(host).display()));
        command.arg(format!("http://{host}:{pages}/"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let running = Browser(child);
        let text = results.recv_timeout(PAGE_TIME).context("the page did not come to its end")?;
        drop(running);
        answers.extend(text.lines().map(|line| format!("{host}: {line}")));
        attack::nothing_executed(port).await?;
    }
    let read: Vec<_> =
        answers.iter().filter(|line| line.contains(&format!(":{port} ")) && line.contains("READ")).collect();
    ensure!(read.is_empty(), "the page read answers of the daemon: {read:?}");
    let requests = requests.lock().map_err(|_| anyhow::anyhow!("the recorder panicked"))?.clone();
    ensure!(requests.len() >= LEAST_REQUESTS, "the browser has not tried: {requests:?}");
    place.finish()?;
    Ok(Report { requests, results: answers })
}

/// Takes whatever comes and answers nothing, as the daemon does.
fn record(listener: &TcpListener, seen: &Mutex<Vec<String>>) {
    for mut stream in listener.incoming().flatten() {
        let mut bytes = [0; 2048];
        let _ = stream.set_read_timeout(Some(SILENCE));
        if let Ok(count @ 1..) = stream.read(&mut bytes) {
            let text = String::from_utf8_lossy(bytes.get(..count).unwrap_or_default()).into_owned();
            let line = text.lines().next().unwrap_or_default().to_owned();
            if let Ok(mut seen) = seen.lock() {
                seen.push(line);
            }
        }
    }
}

/// Gives out the page, and takes what it says at its end.
fn serve(listener: &TcpListener, page: &str, told: &Sender<String>) {
    for stream in listener.incoming().flatten() {
        // One after the other: a browser that opens a connection for nothing is waited for only so long.
        let _ = answer(stream, page, told);
    }
}

fn answer(mut stream: TcpStream, page: &str, told: &Sender<String>) -> anyhow::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let content = if first.starts_with("POST /done") {
        told.send(String::from_utf8_lossy(&body).into_owned())?;
        ""
    } else if first.starts_with("GET / ") {
        page
    } else {
        ""
    };
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close\r\n";
    stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{content}", content.len()).as_bytes())?;
    Ok(())
}
