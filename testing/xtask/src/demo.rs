//! `cargo xtask demo`: the main job, for everybody to see.

use crate::build::{self, Goal};
use crate::{built, install};
use anyhow::{Context as _, bail, ensure};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use torchat_client::Client;
use torchat_tornet::{Config, Network};

/// How long the first message may take: descriptors must be published and fetched first.
const DELIVERY_S: u64 = 180;
const PATIENCE: Duration = Duration::from_secs(DELIVERY_S + 30);
const SERVE_TIME: Duration = Duration::from_secs(30);

pub(crate) fn run(once: bool) -> anyhow::Result<()> {
    // First, because it may ask.
    install::ensure_tor()?;
    // A Ctrl-C reaches the whole process group; we stay to clean up after the others.
    let interrupted = crate::interrupted()?;
    match show(once, &interrupted) {
        // What an interruption breaks is not worth a report.
        Err(_) if interrupted.load(Ordering::Relaxed) => bail!("interrupted"),
        result => result,
    }
}

fn show(once: bool, interrupted: &Arc<AtomicBool>) -> anyhow::Result<()> {
    println!(
        "building torchatd and torchat (the first time takes 6 to 13 minutes on two cores, because Tor is built in)"
    );
    build::build(Goal::Programs)?;
    let folder = Folder::new()?;
    println!("starting a private Tor network on 127.0.0.1: 3 authorities and 5 relays");
    let begun = Instant::now();
    let config = Config {
        dir: folder.0.join("tornet"),
        owner: Some(std::process::id()),
        interrupted: Some(interrupted.clone()),
        ..Config::default()
    };
    let network = Network::start(config)?;
    println!("  usable after {:.1} s", begun.elapsed().as_secs_f64());

    let mut alice = Daemon::start("alice", &folder.0, network.config_path())?;
    let mut bob = Daemon::start("bob", &folder.0, network.config_path())?;
    let outcome = exchange(&alice, &bob).map_err(|error| explain(error, &folder.0));
    if let Ok((onion_a, onion_b)) = &outcome
        && !once
    {
        invite(&alice, &bob, onion_a, onion_b, network.config_path());
        wait_for_the_end(&mut alice, &mut bob, interrupted)?;
    }
    alice.stop()?;
    bob.stop()?;
    network.stop()?;
    outcome.map(drop)
}

fn exchange(alice: &Daemon, bob: &Daemon) -> anyhow::Result<(String, String)> {
    let (mut a, mut b) = (alice.client()?, bob.client()?);
    let (onion_a, onion_b) = (a.host()?, b.host()?);
    println!("\nalice is {onion_a}, JSON port {}", alice.port);
    println!("bob   is {onion_b}, JSON port {}", bob.port);
    a.add(&onion_b)?;
    b.add(&onion_a)?;
    println!("they have added each other\n");
    let talk =
        [("alice", &mut a, &onion_b, "hello bob"), ("bob", &mut b, &onion_a, "hello alice, I know that it is you")];
    for (name, client, to, text) in talk {
        let begun = Instant::now();
        client.send_and_wait(to, text, DELIVERY_S)?;
        println!("{name} sent {text:?}: durable at the peer after {:.2} s", begun.elapsed().as_secs_f64());
    }
    for (name, client, from, text) in
        [("bob", &mut b, &onion_a, "hello bob"), ("alice", &mut a, &onion_b, "hello alice, I know that it is you")]
    {
        let message = client.update(from)?.context("the message is not there")?;
        ensure!(message.text == text && message.peer == *from, "{name} reads something else: {message:?}");
        println!("{name} reads {:?} from {}", message.text, message.peer);
    }
    let mut times = Vec::new();
    for n in 0..10 {
        let begun = Instant::now();
        a.send_and_wait(&onion_b, &format!("message {n}"), DELIVERY_S)?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    println!("ten more on the open link: median {:.0} ms, longest {:.0} ms", ms(times[5]), ms(times[9]));
    Ok((onion_a, onion_b))
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn invite(alice: &Daemon, bob: &Daemon, onion_a: &str, onion_b: &str, config: &Path) {
    let (a, b) = (alice.port, bob.port);
    let torchat = built().join("torchat").display().to_string();
    println!("\nAlice's and Bob's screens, each in another terminal:\n");
    println!("  {torchat} --socket {a}");
    println!("  {torchat} --socket {b}");
    println!("\nThe same from the shell, and with nothing but nc:\n");
    println!("  {torchat} --socket {a} send {onion_b} 'typed by hand' --wait delivered");
    println!("  {torchat} --socket {b} recv");
    println!("  printf '{{\"cmd\":\"SEND\",\"id\":\"{onion_b}\",\"msg\":\"typed by hand\"}}' | nc -N 127.0.0.1 {a}");
    println!("  printf '{{\"cmd\":\"UPDATE\",\"msg\":\"{onion_a}\"}}' | nc -N 127.0.0.1 {b}");
    println!("  printf '{{\"cmd\":\"HISTORY\",\"id\":\"{onion_a}\"}}' | nc -N 127.0.0.1 {b}");
    println!(
        "\nA third daemon on the same network: {} --config {} --data-dir DIR 0",
        built().join("torchatd").display(),
        config.display()
    );
    println!("\nCtrl-C ends everything.");
}

/// Waits for Ctrl-C, or for a daemon's end.
fn wait_for_the_end(alice: &mut Daemon, bob: &mut Daemon, interrupted: &AtomicBool) -> anyhow::Result<()> {
    while !interrupted.load(Ordering::Relaxed) {
        for daemon in [&mut *alice, &mut *bob] {
            if daemon.child.try_wait()?.is_some() {
                println!("\n{} has ended; ending the rest", daemon.name);
                return Ok(());
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    println!("\nending");
    Ok(())
}

fn explain(error: anyhow::Error, folder: &Path) -> anyhow::Error {
    let mut text = String::new();
    for name in ["alice", "bob"] {
        let log = folder.join(name).with_extension("stderr");
        let mut content = String::new();
        if std::fs::File::open(&log).and_then(|mut file| file.read_to_string(&mut content)).is_ok() {
            let tail: Vec<_> = content.lines().rev().take(15).collect();
            text.push_str(&format!("\n--- {name}, the end of its log\n"));
            text.push_str(&tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
    }
    error.context(format!("the demonstration failed{text}\n---"))
}

struct Daemon {
    name: &'static str,
    child: Child,
    port: u16,
}

impl Daemon {
    fn start(name: &'static str, folder: &Path, config: &Path) -> anyhow::Result<Self> {
        let data = folder.join(name);
        let stderr = std::fs::File::create(data.with_extension("stderr"))?;
        let mut child = Command::new(built().join("torchatd"))
            .arg("--data-dir")
            .arg(&data)
            .arg("--config")
            .arg(config)
            .arg("--log-dir")
            .arg(folder.join(format!("{name}-logs")))
            .arg("0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .context("cannot start torchatd")?;
        let deadline = Instant::now() + SERVE_TIME;
        loop {
            if let Some(status) = child.try_wait()? {
                let why = std::fs::read_to_string(data.with_extension("stderr")).unwrap_or_default();
                bail!("{name}'s torchatd ended with {status}: {why}");
            }
            let port = std::fs::read_to_string(data.join("port")).ok().and_then(|text| text.trim().parse().ok());
            if let Some(port) = port
                && Client::connect_tcp(port, PATIENCE).is_ok()
            {
                return Ok(Self { name, child, port });
            }
            ensure!(Instant::now() < deadline, "{name}'s torchatd does not serve within {SERVE_TIME:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::connect_tcp(self.port, PATIENCE)?)
    }

    fn stop(&mut self) -> anyhow::Result<()> {
        if self.child.try_wait()?.is_none() {
            // A daemon that is ending already, because Ctrl-C reached it too, does not answer any more.
            let _ = self.client().map(|mut client| client.exit());
        }
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder of our own that goes with us.
struct Folder(PathBuf);

impl Folder {
    fn new() -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("torchat-demo-{}", std::process::id()));
        std::fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
