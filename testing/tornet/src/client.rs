//! A C tor client on the network, for what another program than ours sees.

use crate::processes::{self, Programs};
use crate::{ports, record, torrc};
use anyhow::ensure;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a client may take to become usable.
const CLIENT_TIME: Duration = Duration::from_secs(90);
/// Between two looks at its log.
const LOOK: Duration = Duration::from_millis(50);

/// A C tor client on the network. It ends when it is dropped.
#[derive(Debug)]
pub struct SocksClient {
    dir: PathBuf,
    port: u16,
}

impl SocksClient {
    pub(crate) fn start(network: &Path, authorities: &str) -> anyhow::Result<Self> {
        let programs = Programs::find()?;
        let port = ports::free()?;
        // From here on it is cleaned up when something fails.
        let client = Self { dir: record::client_dir(network, port)?, port };
        std::fs::write(client.dir.join("torrc"), torrc::client(&client.dir, port, std::process::id(), authorities)?)?;
        processes::spawn(&programs, &client.dir)?.ready()?;
        let deadline = Instant::now() + CLIENT_TIME;
        while !std::fs::read_to_string(client.dir.join(processes::LOG))?.contains("Bootstrapped 100%") {
            ensure!(
                processes::pid(&client.dir).is_some() && Instant::now() < deadline,
                "the client is not usable; {}",
                processes::log_tail(&client.dir)
            );
            std::thread::sleep(LOOK);
        }
        Ok(client)
    }

    /// Its SOCKS5 port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for SocksClient {
    fn drop(&mut self) {
        // What does not end here ends with this process, and its folder with the network.
        let _ = processes::end_all(std::slice::from_ref(&self.dir));
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
