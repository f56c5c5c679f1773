//! Two real daemons with a slow line between them, in real time.

use crate::line::Line;
use anyhow::{Context as _, ensure};
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use torchat_testkit::daemon::Daemon;
use torchat_testkit::loopback::arguments;

/// The longest text.
const TEXT: usize = 65_536;
/// What the records of such a text need on the line, and nearly as much again for the start and the acknowledgement.
const PATIENCE_S: u64 = 140;

/// One text of 64 KiB each way at the same time, over a line that carries this many bytes a second each way. Returns what came
/// of it, in words.
///
/// # Errors
/// When a daemon does not serve, or a text does not arrive, or arrives twice.
pub async fn run(program: &Path, rate: u32) -> anyhow::Result<String> {
    let dir = tempfile::tempdir()?;
    let mut daemons = Vec::new();
    for (name, seed) in [("a", 31_u8), ("b", 32)] {
        let (data, peers) = (dir.path().join(name), dir.path().join(format!("{name}-peers")));
        std::fs::create_dir(&peers)?;
        let mut daemon = Daemon::new(program, arguments(&data, &peers, seed, &[]), &data);
        daemon.start()?;
        let onion = daemon.client()?.host()?;
        let port: u16 = std::fs::read_to_string(peers.join(&onion))?.trim().parse()?;
        daemons.push((daemon, peers, onion, port));
    }
    // Each finds the other at the near end of a line.
    let mut lines = tokio::task::JoinSet::new();
    for (near, far) in [(0, 1), (1, 0)] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (_, peers, ..) = daemons.get(near).context("two daemons")?;
        let (_, _, onion, port) = daemons.get(far).context("two daemons")?;
        std::fs::write(peers.join(onion), listener.local_addr()?.port().to_string())?;
        let port = *port;
        lines.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(on) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { continue };
                let (from_near, to_near) = stream.into_split();
                let (from_far, to_far) = on.into_split();
                let line = Line { delay: Duration::ZERO, rate: Some(rate) };
                tokio::spawn(async move { tokio::join!(line.carry(from_near, to_far), line.carry(from_far, to_near)) });
            }
        });
    }
    let begun = Instant::now();
    let mut both = tokio::task::JoinSet::new();
    for (from, to) in [(0, 1), (1, 0)] {
        let (_, _, onion, _) = daemons.get(to).context("two daemons")?;
        let (daemon, ..) = daemons.get(from).context("two daemons")?;
        let (mut client, onion) = (daemon.client()?, onion.clone());
        both.spawn_blocking(move || {
            client.add(&onion)?;
            client.send_and_wait(&onion, &"x".repeat(TEXT), PATIENCE_S)?;
            anyhow::Ok(())
        });
    }
    while let Some(one) = both.join_next().await {
        one?.with_context(|| format!("a text of 64 KiB does not arrive over {rate} B/s"))?;
    }
    let took = begun.elapsed();
    for (at, from) in [(0, 1), (1, 0)] {
        let (_, _, onion, _) = daemons.get(from).context("two daemons")?;
        let (daemon, ..) = daemons.get(at).context("two daemons")?;
        let lines = daemon.client()?.history(onion, 10)?;
        let came = lines.iter().filter(|line| line.dir == "in" && line.text.len() == TEXT).count();
        ensure!(came == 1, "the text is there {came} times");
    }
    for (daemon, ..) in &mut daemons {
        daemon.stop()?;
    }
    lines.shutdown().await;
    Ok(format!("protocol 4: a text of 64 KiB each way over {rate} B/s is delivered after {:.0} s", took.as_secs_f64()))
}
