//! Over a private Tor network: message to durable ack, beside a raw echo on the same circuit.
//!
//! Two engines with arti in this process. For each link, dialled on circuits of its own, a second stream is opened with
//! the isolation of that very dial, so arti gives it the same circuit to the same service; the other side sends back
//! what comes on it. Then messages and echoes alternate. What both have in common is Tor; what the message has more is
//! ours: sealing, two turns and two commits before the ack leaves, and the commit that notes the ack.

mod bare;
mod contacts;
mod delivery;
mod sockets;
mod tap;

pub(crate) use bare::{run as bare, start as client};
pub(crate) use contacts::run as contacts;
pub(crate) use delivery::run as delivery;

use crate::Setup;
use crate::report::{Aim, Report, Row};
use crate::stats::{Summary, median, percentile};
use anyhow::{Context as _, ensure};
use std::path::Path;
use std::time::{Duration, Instant};
use tap::Tap;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use torchat_core::handshake::LocalIdentity;
use torchat_core::op::{ChatOp, ContactOp, Op};
use torchat_engine::handle::{DeliveryWait, Handle};
use torchat_engine::store::{Store, Writer};
use torchat_engine::{DialTimes, Engine, EngineConfig, Running, Storage, World};
use torchat_protocol::id::{Chain, LaneId, MessageId, PeerId};
use torchat_tor::TorConfig;
use torchat_tornet::{Config, Network};
use torchat_transport::BoxStream;

/// Messages and echoes on each circuit.
const PAIRS: u64 = 100;
/// How long a first delivery may take: descriptors are published and fetched before it.
const FIRST_TIME: Duration = Duration::from_secs(240);
/// How long an echo or a commit may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of an echo, as many as the frame of a message has with its text; less than a Tor cell carries, as its ack.
const ECHO: usize = 250;
/// Bytes of a message's text.
const TEXT: usize = 100;

/// One side.
struct Side {
    running: Running,
    tap: std::sync::Arc<Tap>,
    peer: PeerId,
}

/// One circuit, in milliseconds.
struct Circuit {
    link: f64,
    stream: f64,
    messages: Vec<f64>,
    echoes: Vec<f64>,
    /// The median.
    commit: f64,
}

impl Circuit {
    fn message(&self) -> f64 {
        median(self.messages.iter().copied())
    }

    fn echo(&self) -> f64 {
        median(self.echoes.iter().copied())
    }
}

pub(crate) fn run(setup: &Setup<'_>, report: &mut Report) -> anyhow::Result<()> {
    eprintln!("starting a private Tor network");
    let config = Config { dir: setup.dir.join("bench-net"), owner: Some(std::process::id()), ..Config::default() };
    let network = Network::start(config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let circuits = runtime.block_on(measure(setup, network.config_path()));
    runtime.shutdown_timeout(Duration::from_secs(2));
    network.stop()?;
    show(report, &circuits?);
    Ok(())
}

/// arti's options for a network, of its configuration file.
pub(crate) fn options(config: &Path) -> anyhow::Result<toml::Table> {
    let mut file = std::fs::read_to_string(config)?.parse::<toml::Table>()?;
    match file.remove("tor") {
        Some(toml::Value::Table(options)) => Ok(options),
        _ => anyhow::bail!("{} has no options for Tor", config.display()),
    }
}

async fn measure(setup: &Setup<'_>, config: &Path) -> anyhow::Result<Vec<Circuit>> {
    let options = options(config)?;
    let a = start_side(&setup.dir.join("tor-a"), 1, &options, true)?;
    let b = start_side(&setup.dir.join("tor-b"), 2, &options, false)?;
    a.running.handle.add(b.peer).await?;
    b.running.handle.add(a.peer).await?;
    let mut commits = Commits::open(&setup.dir.join("commits.db"), b.peer).await?;
    let mut circuits = Vec::new();
    for n in 0..setup.circuits {
        let circuit = one_circuit(&a, b.peer, &mut commits).await.with_context(|| format!("circuit {}", n + 1))?;
        eprintln!(
            "circuit {}: link {:.0} ms, echo stream {:.0} ms, message {:.2} ms, echo {:.2} ms, commit {:.2} ms",
            n + 1,
            circuit.link,
            circuit.stream,
            circuit.message(),
            circuit.echo(),
            circuit.commit
        );
        circuits.push(circuit);
        a.tap.cut();
    }
    for side in [a, b] {
        side.running.handle.stop();
        side.running.join.await??;
    }
    Ok(circuits)
}

fn start_side(dir: &Path, seed: u8, options: &toml::Table, dials: bool) -> anyhow::Result<Side> {
    std::fs::create_dir_all(dir)?;
    let world = World::system();
    let identity = LocalIdentity::from_seeds(&[seed; 32], &[seed + 50; 32], world.clock.now_s())?;
    let peer = identity.peer_id();
    let tor = TorConfig {
        state_dir: dir.join("state"),
        cache_dir: dir.join("cache"),
        virtual_port: 80,
        options: options.clone(),
    };
    let (tap, network) = Tap::around(torchat_tor::start(tor, &identity.expanded_secret())?, dials);
    let mut config = EngineConfig::default();
    // A link that we cut ourselves leaves no dead service behind, so the next dial need not wait.
    config.policy.dial.loss_min_ms = 100;
    config.policy.dial.loss_max_ms = 200;
    config.policy.dial.start_spread_ms = 100;
    // No second dial beside a slow one: the echo must know whose circuit the link has.
    config.dial = DialTimes { hedge: config.dial.attempt, ..config.dial };
    let storage = Storage::File { path: dir.join("torchat.db"), max_bytes: None };
    let running = Engine::start(config, identity, storage, network, world)?;
    Ok(Side { running, tap, peer })
}

async fn one_circuit(a: &Side, b: PeerId, commits: &mut Commits) -> anyhow::Result<Circuit> {
    // Not counted: it waits for the link.
    let links = a.tap.links();
    deliver(&a.running.handle, b, FIRST_TIME).await?;
    ensure!(a.tap.links() > links, "the message went over the old link");
    let link = a.tap.last_dial();
    let begun = Instant::now();
    let stream = tokio::time::timeout(PATIENCE, a.tap.echo(b)).await.context("no second stream in time")?;
    let mut stream = stream.context("no second stream")?;
    let opened = begun.elapsed();
    echo(&mut stream).await?;
    let links = a.tap.links();
    let (mut messages, mut echoes, mut written) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..PAIRS {
        if n % 2 == 0 {
            messages.push(deliver(&a.running.handle, b, PATIENCE).await?);
            echoes.push(echo(&mut stream).await?);
        } else {
            echoes.push(echo(&mut stream).await?);
            messages.push(deliver(&a.running.handle, b, PATIENCE).await?);
        }
        written.push(commits.one().await?);
    }
    ensure!(a.tap.links() == links, "the link was lost while it was measured");
    let ms = |times: Vec<Duration>| -> Vec<f64> { times.into_iter().map(|time| time.as_secs_f64() * 1000.0).collect() };
    Ok(Circuit {
        link: link.as_secs_f64() * 1000.0,
        stream: opened.as_secs_f64() * 1000.0,
        messages: ms(messages),
        echoes: ms(echoes),
        commit: median(ms(written)),
    })
}

/// A message, from before it is accepted until the peer has it on disk and says so.
async fn deliver(handle: &Handle, peer: PeerId, patience: Duration) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let mid = handle.send(peer, "x".repeat(TEXT)).await?;
    match handle.wait_delivered(peer, mid, patience).await {
        DeliveryWait::Delivered => Ok(begun.elapsed()),
        DeliveryWait::NotYet { reason } => anyhow::bail!("not delivered within {patience:?}: {}", reason.sentence()),
        DeliveryWait::Failed { reason } => anyhow::bail!("never delivered: {}", reason.sentence()),
    }
}

async fn echo(stream: &mut BoxStream) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let exchange = async {
        stream.write_all(&[7; ECHO]).await?;
        stream.flush().await?;
        stream.read_exact(&mut [0; ECHO]).await
    };
    tokio::time::timeout(PATIENCE, exchange).await.context("no echo in time")??;
    Ok(begun.elapsed())
}

/// A store of its own on the same disk, to know what one commit of one message costs in the same seconds.
struct Commits {
    writer: Writer,
    peer: PeerId,
    lane: LaneId,
    chain: Chain,
    seq: u64,
}

impl Commits {
    async fn open(path: &Path, peer: PeerId) -> anyhow::Result<Self> {
        let writer = Writer::threaded(Store::open(path)?)?;
        let lane = LaneId([1; 8]);
        let ops = vec![Op::Contacts(ContactOp::Add { peer, at_ms: 0 })];
        writer.write(0, ops, Vec::new()).await??;
        Ok(Self { writer, peer, lane, chain: Chain::EMPTY, seq: 0 })
    }

    async fn one(&mut self) -> anyhow::Result<Duration> {
        self.seq += 1;
        let mut mid = [0; 16];
        mid[..8].copy_from_slice(&self.seq.to_be_bytes());
        let mid = MessageId(mid);
        self.chain = self.chain.next(mid);
        let op = Op::Chat(ChatOp::Queue {
            peer: self.peer,
            mid,
            lane: self.lane,
            seq: self.seq,
            chain: self.chain,
            at_ms: 0,
            until_ms: None,
            client: None,
            text: "x".repeat(TEXT),
        });
        let begun = Instant::now();
        self.writer.write(0, vec![op], Vec::new()).await??;
        Ok(begun.elapsed())
    }
}

fn show(report: &mut Report, circuits: &[Circuit]) {
    let middle = |of: fn(&Circuit) -> f64| median(circuits.iter().map(of));
    let (message, echo, commit) = (middle(Circuit::message), middle(Circuit::echo), middle(|c| c.commit));
    report.add(Row {
        what: "over Tor: message to durable ack / (echo + 2 commits)".into(),
        ours: format!("{message:.1} ms"),
        reference: format!("{echo:.1} ms + 2 x {commit:.2} ms"),
        judged: Summary::of(circuits.iter().map(|c| c.message() / (c.echo() + 2.0 * c.commit))),
        aim: Aim::AtMost(1.1),
    });
    // The values are those of all circuits together, the ratio is that within each circuit.
    let all = |of: fn(&Circuit) -> &Vec<f64>| circuits.iter().flat_map(|c| of(c).iter().copied()).collect::<Vec<_>>();
    let (messages, echoes) = (all(|c| &c.messages), all(|c| &c.echoes));
    for percent in [50, 95, 99] {
        report.add(Row {
            what: format!("over Tor, warm: message to durable ack / echo, p{percent}"),
            ours: format!("{:.1} ms", percentile(&messages, percent)),
            reference: format!("{:.1} ms", percentile(&echoes, percent)),
            judged: Summary::of(
                circuits.iter().map(|c| percentile(&c.messages, percent) / percentile(&c.echoes, percent)),
            ),
            aim: Aim::None,
        });
    }
    let (link, stream) = (middle(|c| c.link), middle(|c| c.stream));
    report.add(Row {
        what: "over Tor: dial on new circuits / stream on the same".into(),
        ours: format!("{link:.0} ms"),
        reference: format!("{stream:.0} ms"),
        judged: Summary::of(circuits.iter().map(|c| c.link / c.stream)),
        aim: Aim::None,
    });
}
