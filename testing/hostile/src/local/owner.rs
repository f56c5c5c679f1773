//! Other users of the machine at the port: whose a connection is, what a flood of refused ones costs, and what is left in the
//! log. All of it needs root, to be somebody else.

use super::{NOBODY, Place, host};
use crate::bounds::median;
use anyhow::{Context as _, ensure};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket, sockopt};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use torchat_harness::api::Api;
use torchat_harness::strangers::{STRANGER, Stopped, Stranger};
use torchat_testkit::daemon::{Daemon, eventually};

const PATIENCE: Duration = Duration::from_secs(60);
/// Foreign connections a second.
const RATE: u32 = 150;

/// What is attacked, and who attacks it.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    /// The loopback daemon.
    pub daemon: &'a Path,
    /// The `stranger`.
    pub stranger: &'a Path,
    /// Each quiet and each loud time of the flood.
    pub slice: Duration,
    /// How many of them.
    pub slices: u32,
    /// How often each of the others is tried.
    pub tries: u32,
    /// How many times longer HOST may take during the flood.
    pub ratio: f64,
}

/// A row: its name, and what comes of it in words.
type Row = (&'static str, fn(&Setup<'_>) -> anyhow::Result<String>);

const ROWS: &[Row] = &[
    ("local user, H1 way A: reset from the port of a listener of the victim's", way_a),
    ("local user, H1 way B: reset, and the victim connects from the same port", way_b),
    ("local user, M2: 150 connections a second that reset", flood),
    ("local user, M4: BLOCK and a reset right behind it", unseen),
    ("local user, M5: refused connections in the log", log),
    ("local user, M9: nobody in a user namespace", nobody),
    ("local user, closed sockets: SEND and EXIT, closed at once", closed),
    ("local user, closed sockets with trust_closed: everything but SEND and EXIT", trusted),
];

/// What is tried.
pub fn names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|(name, _)| *name)
}

/// Runs all rows, and tells each as it ends.
///
/// # Errors
/// When one does not hold, with all that did not.
pub fn run(setup: &Setup<'_>, mut report: impl FnMut(&str, &anyhow::Result<String>)) -> anyhow::Result<()> {
    let mut failed = Vec::new();
    for (name, row) in ROWS {
        let result = row(setup);
        report(name, &result);
        failed.extend(result.is_err().then_some(*name));
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join("; "));
    Ok(())
}

fn stranger(setup: &Setup<'_>, arguments: &[&str]) -> anyhow::Result<Stranger> {
    Stranger::start(setup.stranger, STRANGER, arguments)
}

fn refused(daemon: &Daemon) -> anyhow::Result<u64> {
    Ok(daemon.client()?.status()?["refused"]["clients"].as_u64().unwrap_or_default())
}

fn sent(port: u16) -> anyhow::Result<serde_json::Value> {
    Ok(Api::connect(port)?.ok(json!({"cmd": "HISTORY", "peer": NOBODY}))?["messages"].clone())
}

/// A stranger's reset connection with a SEND; `meanwhile` gets the port that it comes from, before it comes and after.
fn reset<T, U>(
    setup: &Setup<'_>,
    place: &Place,
    before: impl FnOnce(u16) -> anyhow::Result<T>,
    after: impl FnOnce(u16) -> anyhow::Result<U>,
) -> anyhow::Result<()> {
    let (port, refusals) = (place.port()?, refused(&place.daemon)?);
    let text = json!({"cmd": "SEND", "id": NOBODY, "msg": "canary"}).to_string();
    let mut thief = stranger(setup, &["reset", &port.to_string(), &text])?;
    let from: u16 = thief.says()?.parse()?;
    let held = before(from)?;
    let also_held = {
        let _still = Stopped::stop(place.daemon.pid().context("it does not run")?)?;
        thief.go()?;
        ensure!(thief.says()? == "reset", "it could not reset");
        after(from)?
    };
    let look = || Ok((refused(&place.daemon)? > refusals || sent(port)? != json!([])).then_some(()));
    eventually("the stranger's connection is looked at", PATIENCE, look)?;
    ensure!(sent(port)? == json!([]), "a stranger's SEND ran");
    drop((held, also_held));
    Ok(())
}

fn way_a(setup: &Setup<'_>) -> anyhow::Result<String> {
    let place = Place::start(setup.daemon, None)?;
    for n in 0..setup.tries {
        let address = if n % 2 == 0 { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST };
        reset(setup, &place, |from| Ok(TcpListener::bind((address, from))?), |_| Ok(()))?;
    }
    place.finish()?;
    Ok(format!("refused {} of {} times", setup.tries, setup.tries))
}

fn way_b(setup: &Setup<'_>) -> anyhow::Result<String> {
    let place = Place::start(setup.daemon, None)?;
    let to = SocketAddrV4::new(Ipv4Addr::LOCALHOST, place.port()?);
    for _ in 0..setup.tries {
        reset(
            setup,
            &place,
            |_| Ok(()),
            |from| {
                let client = socket(AddressFamily::INET, SocketType::STREAM, None)?;
                sockopt::set_socket_reuseaddr(&client, true)?;
                bind(&client, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, from))?;
                connect(&client, &to)?;
                Ok(client)
            },
        )?;
    }
    place.finish()?;
    Ok(format!("refused {} of {} times", setup.tries, setup.tries))
}

/// HOST of somebody else on an open connection, and on a new one each time.
struct Others {
    open: TcpStream,
    port: u16,
}

impl Others {
    fn measure(&mut self, time: Duration, kept: &mut [Vec<Duration>; 2]) -> anyhow::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < time {
            kept[0].push(host(&mut self.open)?);
            let connecting = Instant::now();
            let mut fresh = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
            fresh.set_read_timeout(Some(PATIENCE))?;
            host(&mut fresh)?;
            kept[1].push(connecting.elapsed());
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

fn flood(setup: &Setup<'_>) -> anyhow::Result<String> {
    let place = Place::start(setup.daemon, None)?;
    let port = place.port()?;
    let open = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    open.set_nodelay(true)?;
    open.set_read_timeout(Some(PATIENCE))?;
    let mut others = Others { open, port };
    let (mut quiet, mut loud) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    others.measure(setup.slice / 4, &mut [Vec::new(), Vec::new()])?;
    let before = refused(&place.daemon)?;
    for _ in 0..setup.slices {
        others.measure(setup.slice, &mut quiet)?;
        let mut foreign = stranger(setup, &["flood", &port.to_string(), &RATE.to_string()])?;
        ensure!(foreign.says()? == "flooding", "no flood");
        others.measure(setup.slice, &mut loud)?;
        foreign.end()?;
    }
    let foreign = refused(&place.daemon)? - before;
    let wanted = f64::from(RATE) * (setup.slice * setup.slices).as_secs_f64() / 2.0;
    #[allow(clippy::cast_precision_loss, reason = "some thousands")]
    let enough = foreign as f64 > wanted;
    ensure!(enough, "only {foreign} connections were refused: that was no flood");
    place.finish()?;
    let mut told = format!("{foreign} refused");
    let n = loud[0].len();
    for (what, quiet, loud) in [("open", &quiet[0], &loud[0]), ("new", &quiet[1], &loud[1])] {
        let (quiet, loud) = (median(quiet.clone()), median(loud.clone()));
        let ratio = loud.as_secs_f64() / quiet.as_secs_f64();
        told += &format!("; HOST on an {what} connection {quiet:?} before, {loud:?} meanwhile, {ratio:.2} (n={n})");
        ensure!(ratio <= setup.ratio, "{told}: more than {}", setup.ratio);
    }
    ensure!(2 * loud[0].len() > quiet[0].len(), "{told}; only {n} in the time of {}", quiet[0].len());
    Ok(told)
}

fn unseen(setup: &Setup<'_>) -> anyhow::Result<String> {
    let place = Place::start(setup.daemon, None)?;
    place.daemon.client()?.add(NOBODY)?;
    let lines = || Ok::<_, anyhow::Error>(place.daemon.audit()?.iter().filter(|line| line.contains("BLOCK")).count());
    for n in 0..setup.tries {
        let block = json!({"cmd": "BLOCK", "peer": NOBODY, "id": NOBODY}).to_string();
        let hello = if n % 2 == 0 { r#"{"cmd":"HELLO","api":1}"# } else { r#"{"cmd":"HOST"}"# };
        let before = lines()?;
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, place.port()?))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(hello.as_bytes())?;
        ensure!(stream.read(&mut [0; 4096])? > 0, "no answer");
        stream.write_all(block.as_bytes())?;
        sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
        drop(stream);
        let both = || Ok((lines()? == before + 2).then_some(()));
        eventually("the audit has its two lines", PATIENCE, both).with_context(|| format!("try {n}"))?;
    }
    place.finish()?;
    Ok(format!("{} of {} are in the audit", setup.tries, setup.tries))
}

fn log(setup: &Setup<'_>) -> anyhow::Result<String> {
    let place = Place::talkative(setup.daemon)?;
    let begun = Instant::now();
    let (before, wanted) = (refused(&place.daemon)?, u64::from(setup.tries) * 50);
    let mut foreign = stranger(setup, &["flood", &place.port()?.to_string(), "2000"])?;
    ensure!(foreign.says()? == "flooding", "no flood");
    let many = || Ok((refused(&place.daemon)? >= before + wanted).then_some(()));
    eventually("many are refused", 2 * PATIENCE, many)?;
    foreign.end()?;
    let log = std::fs::read_to_string(place.daemon.log_path())?;
    let lines = u64::try_from(log.lines().filter(|line| line.contains("local clients were refused")).count())?;
    ensure!((1..=1 + begun.elapsed().as_secs().div_ceil(60)).contains(&lines), "{lines} lines");
    place.finish()?;
    Ok(format!("{wanted} refused, {lines} lines"))
}

/// Another user's programs that close at once, while the daemon runs and while it stands still, so that the kernel has forgotten.
fn gone(setup: &Setup<'_>, place: &Place, text: &str, still: bool) -> anyhow::Result<()> {
    let (before, count) = (refused(&place.daemon)?, u64::from(setup.tries) * 20);
    {
        let _still = still.then(|| Stopped::stop(place.daemon.pid().unwrap_or_default())).transpose()?;
        let port = place.port()?.to_string();
        let mut thief = stranger(setup, &["gone", &port, text, &count.to_string()])?;
        ensure!(thief.says()? == "gone", "it could not connect");
        // The kernel forgets after some 40 ms. A row that was too quick would only try the other case again.
        std::thread::sleep(if still { Duration::from_millis(200) } else { Duration::ZERO });
    }
    let all = || Ok((refused(&place.daemon)? >= before + count || sent(place.port()?)? != json!([])).then_some(()));
    eventually("all are looked at", PATIENCE, all)
}

fn closed(setup: &Setup<'_>) -> anyhow::Result<String> {
    let place = Place::start(setup.daemon, None)?;
    let send = json!({"cmd": "SEND", "id": NOBODY, "msg": "canary"}).to_string();
    for still in [false, true] {
        for text in [send.as_str(), r#"{"cmd":"EXIT"}"#] {
            gone(setup, &place, text, still)?;
            ensure!(sent(place.port()?)? == json!([]), "a stranger's SEND ran");
        }
    }
    place.finish()?;
    Ok(format!("refused {} times", setup.tries * 80))
}

fn trusted(setup: &Setup<'_>) -> anyhow::Result<String> {
    let dir = tempfile::tempdir()?;
    std::fs::create_dir(dir.path().join("peers"))?;
    let daemon = super::started(setup.daemon, dir.path(), "victim", 1, None, &["trust-closed"])?;
    let place = Place { daemon, dir };
    for command in ["ADD", "BLOCK", "REMOVE", "INVITE", "UPDATE", "HISTORY"] {
        let lost = || anyhow::Ok(place.daemon.client()?.status()?["refused"].clone());
        let seen = |refused: &serde_json::Value| {
            ["clients", "closed"].iter().filter_map(|key| refused[*key].as_u64()).sum::<u64>()
        };
        let before = seen(&lost()?);
        {
            let _still = Stopped::stop(place.daemon.pid().context("it does not run")?)?;
            let text = json!({"cmd": command, "id": NOBODY, "msg": "1"}).to_string();
            let mut thief = stranger(setup, &["gone", &place.port()?.to_string(), &text, "20"])?;
            ensure!(thief.says()? == "gone", "it could not connect");
            std::thread::sleep(Duration::from_millis(200));
        }
        let all = || Ok((seen(&lost()?) >= before + 20).then_some(()));
        eventually("all are looked at", PATIENCE, all)?;
    }
    let contacts = Api::connect(place.port()?)?.ok(json!({"cmd": "CONTACTS"}))?;
    ensure!(contacts["contacts"] == json!([]), "it ran: {contacts}");
    place.finish()?;
    Ok("nothing of 120 ran".into())
}

fn nobody(setup: &Setup<'_>) -> anyhow::Result<String> {
    let map = ["--user", "--map-user=65534", "--map-group=65534"];
    let made = Command::new("unshare").args(map).arg("true").status().is_ok_and(|status| status.success());
    if !made {
        return Ok("SKIPPED: no user namespace can be made here".into());
    }
    let dir = tempfile::tempdir()?;
    std::fs::create_dir(dir.path().join("peers"))?;
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let data = dir.path().join("d");
    let arguments = [text(setup.daemon), text(&data), text(&dir.path().join("peers")), "1".to_owned()];
    let arguments = map.into_iter().map(str::to_owned).chain(arguments).collect();
    let Err(error) = Daemon::new(Path::new("unshare"), arguments, &data).start() else {
        anyhow::bail!("it serves a port, although everybody is its own user");
    };
    let error = format!("{error:#}");
    ensure!(error.contains("user namespace"), "{error}");
    Ok("it serves no port and says why".into())
}
