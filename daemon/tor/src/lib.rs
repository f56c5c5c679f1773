//! Tor inside the daemon, by arti: the only crate that names it.
//!
//! One onion service for the life of the process, in the [`TorClient`] that was there first: arti never relaunches a
//! service of the same nickname in one process. A later client, for dialling only, is the repair when that one gets
//! nowhere any more ([`Transport::renew`](torchat_transport::Transport::renew)). The identity's key lives in an ephemeral keystore, so `identity.key` stays its only copy on
//! disk. The service runs with full vanguards (measured on a private network: +0.16 s to connect, +48 ms round trip).

mod circuits;
mod client;
mod config;
mod damage;
mod dial;
mod last;
mod life;
mod pulse;
mod report;
mod service;
mod status;
mod stream;
mod trouble;

pub use config::{ConfigError, NO_BRIDGES, check, weaker};

use arti_client::TorClient;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;
use tor_rtcompat::PreferredRuntime;
use torchat_transport::{Callers, Network};
use zeroize::Zeroizing;

/// Where arti keeps its state, and what the user wants of it.
#[derive(Debug, Clone)]
pub struct TorConfig {
    /// Guards and vanguards: kept.
    pub state_dir: PathBuf,
    /// The directory's documents: may be deleted.
    pub cache_dir: PathBuf,
    /// The port of the onion service.
    pub virtual_port: u16,
    /// The `[tor.*]` tables of the configuration file, with arti's own keys.
    pub options: toml::Table,
}

/// Why Tor cannot be started at all: what only the user can mend. Whatever else befalls it, at the start or later, is said
/// by [the status](torchat_transport::NetworkStatus) and tried again.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is not acceptable.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The identity's key is not one.
    #[error("the identity's key is not usable for an onion service")]
    Key,
}

/// Streams of others that wait to be looked at.
const INCOMING: usize = 16;

/// Starts Tor within the current tokio runtime and returns at once. Client, service and the way into the network are made
/// in the background, and tried without end; [the status](torchat_transport::NetworkStatus::sentence) says how far it
/// is. Files of Tor's that are damaged are set aside, with a notice in the status.
///
/// # Errors
/// [`StartError`].
pub fn start(config: TorConfig, onion_secret: &[u8; 64]) -> Result<Network, StartError> {
    // arti with rustls panics without a provider. An error only says that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    config::build(&config)?;
    service::keypair(onion_secret).ok_or(StartError::Key)?;
    client::clear_copies(&config.state_dir);
    let (acceptor, incoming) = mpsc::channel(INCOMING);
    let status = status::Status::new();
    let weaker = config::weaker(&config.options);
    if !weaker.is_empty() {
        let keys: Vec<_> = weaker.iter().map(|key| format!("tor.{key}")).collect();
        let remark = format!("the configuration weakens Tor, in a private network: {}", keys.join(", "));
        tracing::warn!("{remark}");
        status.notice(&[remark]);
    }
    let port = config.virtual_port;
    let clients = client::DialClients::new(config.clone(), status.clone());
    let callers = Callers::default();
    let life = life::Life {
        config,
        secret: Zeroizing::new(*onion_secret),
        acceptor,
        callers: callers.clone(),
        clients: clients.clone(),
        status: status.clone(),
    };
    tokio::spawn(life.live());
    tokio::spawn(pulse::watch(clients.clone(), status.clone()));
    Ok(Network { transport: Arc::new(dial::Arti::new(clients, port, status)), incoming, callers })
}

type Client = Arc<TorClient<PreferredRuntime>>;
