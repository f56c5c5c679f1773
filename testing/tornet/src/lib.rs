//! A private Tor network on loopback, from Debian's `tor`: directory authorities and relays that vote every few seconds,
//! with everything that arti and C tor need to use them. For tests, and for trying things by hand.
//!
//! Nothing leaves 127.0.0.1. With an owner, every `tor` ends by itself when the owner does, even after kill -9.

mod consensus;
mod keys;
mod processes;
mod torrc;

pub use consensus::Counts;
pub use processes::SocksClient;

use anyhow::{Context as _, bail, ensure};
use keys::Identity;
use std::fmt;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a network may take to become usable.
const USABLE_TIME: Duration = Duration::from_secs(120);
/// Between two looks at the consensus.
const LOOK: Duration = Duration::from_millis(200);
/// The file that says what belongs to the network.
const NODES: &str = "nodes";

/// What network to start.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it keeps its files. Made if it is missing; must not hold another running network.
    pub dir: PathBuf,
    /// Directory authorities, which are relays too.
    pub authorities: usize,
    /// Further relays. With two of them full vanguards find no path for many choices of guards ("can't find extra hop"),
    /// so the default is five.
    pub relays: usize,
    /// Seconds between two votes; at least 15, because arti takes no time period below 5 minutes (24 votes).
    pub voting_interval_s: u64,
    /// The process whose end ends the network. `None`: it stays until [`Network::stop`].
    pub owner: Option<u32>,
}

impl Default for Config {
    fn default() -> Self {
        Self { dir: PathBuf::from("tornet"), authorities: 3, relays: 5, voting_interval_s: 20, owner: None }
    }
}

/// One `tor` process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) or_port: u16,
    /// Only authorities have one.
    pub(crate) dir_port: Option<u16>,
}

/// A network.
#[derive(Debug)]
pub struct Network {
    dir: PathBuf,
    config: PathBuf,
    nodes: Vec<Node>,
    /// Whether it ends with this value.
    owned: bool,
}

/// What runs, and what the authorities agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Each node and whether its process lives.
    pub nodes: Vec<(String, Option<u32>)>,
    /// What the newest consensus says, if there is one.
    pub consensus: Option<Counts>,
}

impl Status {
    /// Whether every node lives and is usable for everything.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.nodes.iter().all(|(_, pid)| pid.is_some())
            && self.consensus.is_some_and(|counts| counts.all_usable(self.nodes.len()))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, pid) in &self.nodes {
            match pid {
                Some(pid) => writeln!(f, "{name}  runs, process {pid}")?,
                None => writeln!(f, "{name}  does not run")?,
            }
        }
        match self.consensus {
            Some(c) => {
                write!(f, "consensus: {} relays, {} running, {} HSDir, {} Guard", c.relays, c.running, c.hsdir, c.guard)
            }
            None => write!(f, "no consensus"),
        }
    }
}

impl Network {
    /// Starts a network and waits until it is usable.
    ///
    /// # Errors
    /// When Debian's `tor` is missing, a process does not start, or the authorities do not agree in time.
    pub fn start(config: Config) -> anyhow::Result<Self> {
        ensure!(config.authorities >= 1, "a network needs an authority");
        ensure!(config.voting_interval_s >= 15, "arti takes no time period below 5 minutes: vote every 15 s or more");
        let programs = processes::Programs::find()?;
        if let Ok(old) = Self::open(&config.dir) {
            ensure!(
                old.status()?.nodes.iter().all(|(_, pid)| pid.is_none()),
                "a network runs in {} already: stop it first",
                config.dir.display()
            );
        }
        std::fs::create_dir_all(&config.dir).with_context(|| format!("cannot make {}", config.dir.display()))?;
        // Absolute, because tor resolves paths from a working directory of its own.
        let dir = config.dir.canonicalize()?;
        set_private(&dir)?;
        let nodes = choose_ports(&config)?;
        for node in &nodes {
            // Of an earlier network in this place: other ports make its keys' certificates useless.
            let _ = std::fs::remove_dir_all(dir.join(&node.name));
        }
        let network = Self { config: dir.join("torchatd.toml"), dir, nodes, owned: config.owner.is_some() };
        let identities = keys::make(&programs, &network.dir, &network.nodes)?;
        network.write_files(&config, &identities)?;
        for node in &network.nodes {
            processes::spawn(&programs, &network.dir.join(&node.name))?;
        }
        network.await_usable()?;
        Ok(network)
    }

    /// A network that runs, or ran, in a directory.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(dir: &Path) -> anyhow::Result<Self> {
        let dir = dir.canonicalize().with_context(|| format!("there is no network in {}", dir.display()))?;
        let text = std::fs::read_to_string(dir.join(NODES))
            .with_context(|| format!("there is no network in {}", dir.display()))?;
        let nodes = text.lines().map(parse_node).collect::<Option<Vec<_>>>().context("the list of nodes is damaged")?;
        Ok(Self { config: dir.join("torchatd.toml"), dir, nodes, owned: false })
    }

    /// A ready configuration file for `torchatd --config`.
    #[must_use]
    pub fn config_path(&self) -> &Path {
        &self.config
    }

    /// What runs.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub fn status(&self) -> anyhow::Result<Status> {
        let nodes = self.nodes.iter().map(|node| (node.name.clone(), processes::pid(&self.dir.join(&node.name))));
        Ok(Status { nodes: nodes.collect(), consensus: self.counts() })
    }

    fn counts(&self) -> Option<Counts> {
        let port = self.nodes.iter().find_map(|node| node.dir_port)?;
        consensus::fetch(port).ok().map(|text| Counts::of(&text))
    }

    /// Kills a node as `kill -9` does.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&self, node: &str) -> anyhow::Result<()> {
        let dir = self.dir.join(&self.node(node)?.name);
        let pid = processes::pid(&dir).with_context(|| format!("{node} does not run"))?;
        processes::end(pid, Duration::ZERO)
    }

    /// Starts a node again.
    ///
    /// # Errors
    /// When it runs, or does not start.
    pub fn restart(&self, node: &str) -> anyhow::Result<()> {
        let dir = self.dir.join(&self.node(node)?.name);
        ensure!(processes::pid(&dir).is_none(), "{node} runs");
        processes::spawn(&processes::Programs::find()?, &dir)
    }

    /// Starts a C tor client on the network. It ends when it is dropped.
    ///
    /// # Errors
    /// When it does not become usable.
    pub fn socks_client(&self) -> anyhow::Result<SocksClient> {
        let authorities = std::fs::read_to_string(self.dir.join("authorities"))?;
        SocksClient::start(&self.dir, &authorities)
    }

    /// Stops everything and removes the directory.
    ///
    /// # Errors
    /// When a process does not end, or the directory stays.
    pub fn stop(mut self) -> anyhow::Result<()> {
        self.owned = false;
        self.end()
    }

    fn end(&self) -> anyhow::Result<()> {
        let pids: Vec<_> = self.nodes.iter().filter_map(|node| processes::pid(&self.dir.join(&node.name))).collect();
        for pid in &pids {
            processes::interrupt(*pid);
        }
        for pid in pids {
            processes::end(pid, Duration::from_secs(3))?;
        }
        std::fs::remove_dir_all(&self.dir).with_context(|| format!("cannot remove {}", self.dir.display()))
    }

    fn node(&self, name: &str) -> anyhow::Result<&Node> {
        self.nodes.iter().find(|node| node.name == name).with_context(|| format!("there is no node {name}"))
    }

    fn write_files(&self, config: &Config, identities: &[Identity]) -> anyhow::Result<()> {
        let authorities = torrc::authority_lines(&self.nodes, identities);
        for node in &self.nodes {
            let dir = self.dir.join(&node.name);
            std::fs::write(dir.join("torrc"), torrc::node(&dir, node, config, &authorities))?;
        }
        std::fs::write(self.dir.join("authorities"), &authorities)?;
        std::fs::write(&self.config, torrc::daemon_config(&self.nodes, identities))?;
        let list: String =
            self.nodes.iter().map(|n| format!("{} {} {}\n", n.name, n.or_port, n.dir_port.unwrap_or(0))).collect();
        std::fs::write(self.dir.join(NODES), list)?;
        Ok(())
    }

    fn await_usable(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + USABLE_TIME;
        loop {
            let status = self.status()?;
            if status.is_usable() {
                return Ok(());
            }
            let dead = status.nodes.iter().find(|(_, pid)| pid.is_none());
            if let Some((name, _)) = dead
                && processes::has_ended(&self.dir.join(name))
            {
                bail!("{name} has ended:\n{}", processes::log_tail(&self.dir.join(name)));
            }
            if Instant::now() > deadline {
                let first = self.nodes.first().map(|node| node.name.clone()).unwrap_or_default();
                bail!(
                    "the network is not usable after {USABLE_TIME:?}: {status}\n{}",
                    processes::log_tail(&self.dir.join(first))
                );
            }
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

fn parse_node(line: &str) -> Option<Node> {
    let mut words = line.split(' ');
    let name = words.next()?.to_owned();
    let or_port = words.next()?.parse().ok()?;
    let dir_port = words.next()?.parse().ok()?;
    Some(Node { name, or_port, dir_port: (dir_port != 0).then_some(dir_port) })
}

/// Takes free ports. They are all held until the last one is chosen, so that none is chosen twice.
fn choose_ports(config: &Config) -> anyhow::Result<Vec<Node>> {
    let mut held = Vec::new();
    let mut free = || -> anyhow::Result<u16> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        held.push(listener);
        Ok(port)
    };
    let mut nodes = Vec::new();
    for n in 1..=config.authorities {
        nodes.push(Node { name: format!("a{n}"), or_port: free()?, dir_port: Some(free()?) });
    }
    for n in 1..=config.relays {
        nodes.push(Node { name: format!("r{n}"), or_port: free()?, dir_port: None });
    }
    Ok(nodes)
}

fn set_private(dir: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))?)
}
