//! A private Tor network on loopback, from Debian's `tor`: directory authorities and relays that vote every few seconds,
//! with everything that arti and C tor need to use them. For tests, and for trying things by hand.
//!
//! Nothing leaves 127.0.0.1. With an owner, every `tor` ends by itself within some 15 seconds after the owner's end, even
//! after kill -9. Several networks may run at once, each in its folder.

mod client;
mod consensus;
mod keys;
mod ports;
mod processes;
mod record;
mod status;
mod torrc;

pub use client::SocksClient;
pub use consensus::Counts;
pub use status::Status;

use anyhow::{Context as _, bail, ensure};
use keys::Identity;
use processes::Programs;
use record::Record;
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long the processes may take to agree on a network. Eight seconds are usual; a busy machine misses a vote or two,
/// and the next is a voting interval later.
const USABLE_TIME: Duration = Duration::from_secs(120);
/// Between two looks at the consensus.
const LOOK: Duration = Duration::from_millis(100);
/// How often other ports are tried when somebody took one between our look and tor's.
const PORT_ATTEMPTS: usize = 3;
/// The authorities as torrc lines, for clients that come later.
const AUTHORITIES: &str = "authorities";
/// The ready configuration file.
const DAEMON_CONFIG: &str = "torchatd.toml";

/// What network to start.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it keeps its files. Made if it is missing; a folder that holds anything but an old network is refused.
    pub dir: PathBuf,
    /// Directory authorities, which are relays too.
    pub authorities: usize,
    /// Further relays. With two of them full vanguards find no path for many choices of guards ("can't find extra hop"),
    /// so the default is five.
    pub relays: usize,
    /// Seconds between two votes: 15 or more, because arti takes no time period below 5 minutes (24 votes), and a divisor
    /// of half an hour, because tor says so.
    pub voting_interval_s: u64,
    /// The first of consecutive ports on 127.0.0.1, two for an authority and one for a relay. `None`: free ones are chosen.
    pub base_port: Option<u16>,
    /// The process whose end ends the network. `None`: it stays until [`Network::stop`], whichever process ends.
    pub owner: Option<u32>,
    /// Set it to give up starting: [`Network::start`] then fails within a second or two and leaves nothing.
    pub interrupted: Option<Arc<AtomicBool>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("tornet"),
            authorities: 3,
            relays: 5,
            voting_interval_s: 20,
            base_port: None,
            owner: None,
            interrupted: None,
        }
    }
}

/// A node of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    /// `a1`, `a2`, .. an authority, `r1`, .. a relay; also the name of its folder.
    name: String,
    or_port: u16,
    /// Only authorities have one.
    dir_port: Option<u16>,
}

/// A network. One that has an owner is stopped when this value is dropped.
#[derive(Debug)]
pub struct Network {
    dir: PathBuf,
    config: PathBuf,
    record: Record,
    /// Whether it ends with this value.
    owned: bool,
}

impl Network {
    /// Starts a network and waits until it is usable: some ten seconds. When it fails, nothing stays.
    ///
    /// # Errors
    /// When Debian's `tor` is missing, the folder holds something else or a network that runs, a process does not start,
    /// or the authorities do not agree in time; then with the end of a log.
    pub fn start(config: Config) -> anyhow::Result<Self> {
        ensure!(config.authorities >= 1, "a network needs an authority");
        let vote = config.voting_interval_s;
        ensure!(vote >= 15, "arti takes no time period below 5 minutes: vote every 15 s or more");
        ensure!(1800 % vote == 0, "tor wants a voting interval that divides half an hour");
        let programs = Programs::find()?;
        for attempt in 1.. {
            match Self::attempt(&programs, &config) {
                Err(error) if config.base_port.is_none() && attempt < PORT_ATTEMPTS && is_port_taken(&error) => {}
                result => return result,
            }
        }
        bail!("no attempt to start succeeded")
    }

    fn attempt(programs: &Programs, config: &Config) -> anyhow::Result<Self> {
        let prepared = record::prepare(&config.dir)?;
        let nodes = ports::choose(config)?;
        let dir = prepared.dir.clone();
        let record = Record { owner: config.owner, made: prepared.made, nodes };
        // Before anything else, so that whatever follows can be found and stopped.
        record.write(&dir)?;
        // Until it is usable it ends with this value, whatever happens.
        let mut network = Self { config: dir.join(DAEMON_CONFIG), dir, record, owned: true };
        let identities = keys::make(programs, &network.dir, &network.record.nodes)?;
        network.write_files(config, &identities)?;
        let starting = network
            .folders()
            .map(|(_, folder)| processes::spawn(programs, &folder))
            .collect::<anyhow::Result<Vec<_>>>()?;
        // All of them, so that none is left without its pid file when another one fails.
        let ready: Vec<_> = starting.into_iter().map(processes::Starting::ready).collect();
        ready.into_iter().collect::<anyhow::Result<()>>()?;
        network.await_usable(config.interrupted.as_deref())?;
        network.owned = config.owner.is_some();
        Ok(network)
    }

    /// A network that runs, or ran, in a folder. Dropping this value leaves it alone.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(dir: &Path) -> anyhow::Result<Self> {
        let dir = dir.canonicalize().with_context(|| format!("there is no folder {}", dir.display()))?;
        let record = Record::read(&dir)?;
        Ok(Self { config: dir.join(DAEMON_CONFIG), dir, record, owned: false })
    }

    /// The folder, absolute.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A ready configuration file for `torchatd --config`.
    #[must_use]
    pub fn config_path(&self) -> &Path {
        &self.config
    }

    /// arti's options for the network in `[tor.*]` tables, as the configuration file of torchatd takes them.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn arti_toml(&self) -> anyhow::Result<String> {
        std::fs::read_to_string(&self.config).with_context(|| format!("cannot read {}", self.config.display()))
    }

    /// The names of the nodes, authorities first: `a1`, `a2`, .. `r1`, `r2`, ..
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        self.record.nodes.iter().map(|node| node.name.as_str())
    }

    /// What runs.
    #[must_use]
    pub fn status(&self) -> Status {
        let nodes = self.folders().map(|(node, folder)| (node.name.clone(), processes::pid(&folder)));
        let consensus = self.dir_ports().find_map(|port| consensus::counts(port).ok());
        Status { nodes: nodes.collect(), consensus }
    }

    /// Kills a node as `kill -9` does. The authorities go on to call it running: they test nothing.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&self, node: &str) -> anyhow::Result<()> {
        processes::kill(&self.folder(node)?).context(node.to_owned())
    }

    /// Starts a node again that was killed, with its keys and ports. Returns when it has its ports.
    ///
    /// # Errors
    /// When it runs, or does not start.
    pub fn restart(&self, node: &str) -> anyhow::Result<()> {
        let folder = self.folder(node)?;
        ensure!(processes::pid(&folder).is_none(), "{node} runs");
        processes::spawn(&Programs::find()?, &folder)?.ready()
    }

    /// Suspends a node: its connections stay open and nothing moves, as with a machine that sleeps or a dead network.
    ///
    /// # Errors
    /// When it does not run.
    pub fn suspend(&self, node: &str) -> anyhow::Result<()> {
        processes::signal(&self.folder(node)?, Signal::STOP).context(node.to_owned())
    }

    /// Lets a suspended node go on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn resume(&self, node: &str) -> anyhow::Result<()> {
        processes::signal(&self.folder(node)?, Signal::CONT).context(node.to_owned())
    }

    /// Starts a C tor client with a SOCKS5 port on the network, and waits until it is usable. It ends when it is dropped, or
    /// with this process.
    ///
    /// # Errors
    /// When it does not become usable; with the end of its log.
    pub fn socks_client(&self) -> anyhow::Result<SocksClient> {
        SocksClient::start(&self.dir, &std::fs::read_to_string(self.dir.join(AUTHORITIES))?)
    }

    /// Stops everything, clients included, and removes what the network made. The folder stays if it was there before or
    /// holds something else.
    ///
    /// # Errors
    /// When it is still being started, a process does not end, or a file stays.
    pub fn stop(mut self) -> anyhow::Result<()> {
        self.owned = false;
        let _lock = record::lock(&self.dir)?;
        self.end()
    }

    fn end(&self) -> anyhow::Result<()> {
        record::stop_all(&self.dir)?;
        record::remove(&self.dir, &self.record).with_context(|| format!("cannot remove {}", self.dir.display()))
    }

    fn folders(&self) -> impl Iterator<Item = (&Node, PathBuf)> {
        self.record.nodes.iter().map(|node| (node, self.dir.join(&node.name)))
    }

    fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let found = self.folders().find(|(node, _)| node.name == name);
        Ok(found.with_context(|| format!("there is no node {name}"))?.1)
    }

    fn dir_ports(&self) -> impl Iterator<Item = u16> {
        self.record.nodes.iter().filter_map(|node| node.dir_port)
    }

    fn write_files(&self, config: &Config, identities: &[Identity]) -> anyhow::Result<()> {
        let nodes = &self.record.nodes;
        let authorities = torrc::authority_lines(nodes, identities);
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        for (node, folder) in self.folders() {
            std::fs::write(folder.join("torrc"), torrc::node(&folder, node, config, now_s, &authorities)?)?;
        }
        std::fs::write(self.dir.join(AUTHORITIES), &authorities)?;
        std::fs::write(&self.config, torrc::daemon_config(nodes, identities))?;
        Ok(())
    }

    /// Waits for all authorities: a client asks any of them.
    fn await_usable(&self, interrupted: Option<&AtomicBool>) -> anyhow::Result<()> {
        let deadline = Instant::now() + USABLE_TIME;
        let all = self.record.nodes.len();
        loop {
            if let Some((node, folder)) = self.folders().find(|(_, folder)| processes::pid(folder).is_none()) {
                bail!("{} has ended; {}", node.name, processes::log_tail(&folder));
            }
            let agrees = |port| consensus::counts(port).is_ok_and(|counts| counts.all_usable(all));
            let Some(late) = self.folders().find(|(node, _)| node.dir_port.is_some_and(|port| !agrees(port))) else {
                return Ok(());
            };
            ensure!(!interrupted.is_some_and(|flag| flag.load(Ordering::Relaxed)), "interrupted");
            ensure!(
                Instant::now() < deadline,
                "the private Tor network is not usable within {USABLE_TIME:?}:\n{}\n{}",
                self.status(),
                processes::log_tail(&late.1)
            );
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if self.owned {
            // What does not end here ends with its owner.
            let _ = self.end();
        }
    }
}

/// Whether tor found a port taken that was free when we looked. tor has no better way to say it.
fn is_port_taken(error: &anyhow::Error) -> bool {
    format!("{error:#}").contains("Address already in use")
}
