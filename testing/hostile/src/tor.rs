//! Two torchatd on a private Tor network, and a C tor client through which they are attacked.

use crate::target::Target;
use crate::way::Way;
use anyhow::{Context as _, ensure};
use std::path::Path;
use std::time::{Duration, Instant};
use torchat_testkit::daemon::Daemon;
use torchat_tornet::{Config, Network, SocksClient};

/// How long the first message may take: descriptors are published and fetched before it.
const FIRST_TIME: u64 = 240;

/// Network, client and daemons. All end when it is dropped.
pub struct OnTor {
    /// How long the daemons took from their start to the first message.
    pub first: Duration,
    victim: Daemon,
    honest: Daemon,
    socks: SocksClient,
    network: Network,
}

impl OnTor {
    /// Starts everything below `dir`, which must not exist; the daemons are contacts of each other.
    ///
    /// # Errors
    /// When something does not start, or the daemons do not reach each other.
    pub fn start(torchatd: &Path, dir: &Path) -> anyhow::Result<Self> {
        ensure!(torchatd.is_file(), "{} is not built", torchatd.display());
        std::fs::create_dir(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let config = Config { dir: dir.join("net"), owner: Some(std::process::id()), ..Config::default() };
        let network = Network::start(config)?;
        let [mut victim, mut honest] =
            ["victim", "honest"].map(|name| Daemon::on_tor(torchatd, dir, name, network.config_path()));
        let begun = Instant::now();
        victim.start()?;
        honest.start()?;
        let socks = network.socks_client()?;
        let (a, b) = (victim.client()?.host()?, honest.client()?.host()?);
        victim.client()?.add(&b)?;
        honest.client()?.add(&a)?;
        let mut client = torchat_client::Client::connect_tcp(
            honest.port().context("it has no port")?,
            Duration::from_secs(FIRST_TIME + 10),
        )?;
        client.send_and_wait(&a, "the first message", FIRST_TIME).context("the daemons do not reach each other")?;
        Ok(Self { first: begun.elapsed(), victim, honest, socks, network })
    }

    /// The attacked one.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn target(&self) -> anyhow::Result<Target> {
        let port = |daemon: &Daemon| daemon.port().context("it has no port");
        Target::new(Way::Socks(self.socks.port()), port(&self.victim)?, Some(port(&self.honest)?))
    }

    /// Ends everything as users do.
    ///
    /// # Errors
    /// When something does not end well.
    pub fn finish(mut self) -> anyhow::Result<()> {
        let ends = self.victim.stop().and(self.honest.stop()).context("a daemon does not stop");
        drop(self.socks);
        self.network.stop()?;
        ends.map(drop)
    }
}
