//! Tor's life in the daemon: a client and a service are made, and made again until they work. Nothing that befalls Tor
//! keeps the daemon from serving: what is damaged is set aside, everything else is tried again, and STATUS says why.

use crate::client::DialClients;
use crate::damage::{Places, Remark};
use crate::report::report;
use crate::status::{self, Given, Status};
use crate::{Client, TorConfig, config, service};
use arti_client::{ErrorKind, HasKind as _, TorClient};
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tor_hsservice::RunningOnionService;
use tor_rtcompat::PreferredRuntime;
use torchat_transport::{Callers, Incoming};
use zeroize::Zeroizing;

/// First pause after Tor could not be started; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How often arti is asked anew after something was set aside. With each time more is, see [`Places::blame`].
const HEALINGS: u32 = 4;

/// What Tor is made of.
pub(crate) struct Life {
    pub(crate) config: TorConfig,
    pub(crate) secret: Zeroizing<[u8; 64]>,
    pub(crate) acceptor: mpsc::Sender<Incoming>,
    /// Where the circuits of those who come are made.
    pub(crate) callers: Callers,
    pub(crate) clients: Arc<DialClients>,
    pub(crate) status: Arc<Status>,
}

/// Why there is no Tor.
struct Trouble {
    /// For people.
    words: String,
    /// Whether it is about what we keep on disk, and would go if that was made anew.
    damage: bool,
}

type Made = (Client, Arc<RunningOnionService>);

impl Life {
    /// Runs for as long as the daemon.
    pub(crate) async fn live(self) {
        let places = Places::new(&self.config.state_dir, &self.config.cache_dir);
        let life = Arc::new(self);
        let (mut pause, mut healings) = (FIRST_PAUSE, 0);
        loop {
            let trouble = match Self::start(life.clone(), places.clone()).await {
                Ok((client, service)) => {
                    life.clients.begin(client.clone());
                    match status::bootstrap(client, service, &life.status).await {
                        Given::Ended => return,
                        Given::Damaged(words) => {
                            life.clients.end();
                            life.status.notice(&told(places.blame_cache(&words)));
                            Trouble { words, damage: false }
                        }
                    }
                }
                Err(trouble) => trouble,
            };
            if trouble.damage && healings < HEALINGS {
                let remarks = places.blame(&trouble.words, healings);
                healings += 1;
                if !remarks.is_empty() {
                    life.status.notice(&told(remarks));
                    continue;
                }
            }
            tracing::warn!("Tor cannot be started: {}; trying again in {} s", trouble.words, pause.as_secs());
            life.status.cannot_start(&trouble.words, pause);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Makes a client and launches the service, on a thread that may wait for the disk.
    async fn start(life: Arc<Self>, places: Places) -> Result<Made, Trouble> {
        let made = tokio::task::spawn_blocking(move || {
            life.status.notice(&told(places.inspect()));
            life.make()
        });
        // Whatever arti finds no word for ends here, and not the daemon.
        made.await.unwrap_or_else(|_| Err(Trouble { words: "it broke down".into(), damage: true }))
    }

    fn make(&self) -> Result<Made, Trouble> {
        let fixed = |words: String| Trouble { words, damage: false };
        let arti = config::build(&self.config).map_err(|error| fixed(error.to_string()))?;
        let key = service::keypair(&self.secret).ok_or_else(|| fixed("the identity's key is not usable".into()))?;
        let runtime = PreferredRuntime::current().map_err(|error| fixed(error.to_string()))?;
        let client = TorClient::with_runtime(runtime).config(arti).create_unbootstrapped().map_err(|e| trouble(&e))?;
        service::forget_introductions(&self.config.state_dir);
        let service =
            service::launch(&client, key, self.config.virtual_port, self.acceptor.clone(), self.callers.clone())?;
        Ok((client, service))
    }
}

impl From<service::NoService> for Trouble {
    fn from(why: service::NoService) -> Self {
        match why {
            service::NoService::Arti(error) => trouble(&error),
            service::NoService::Words(words) => Self { words, damage: false },
        }
    }
}

fn told(remarks: Vec<Remark>) -> Vec<Remark> {
    for remark in &remarks {
        tracing::warn!("{remark}");
    }
    remarks
}

fn trouble(error: &arti_client::Error) -> Trouble {
    Trouble { words: report(error), damage: is_damage(error.kind(), error) }
}

/// Whether an error is about files that can be made again. A full or read-only disk is not: nothing is gained by losing the
/// guards over it, and neither over a mode of a directory that is not ours, which is what arti's complaints of permissions
/// are about after ours were mended.
pub(crate) fn is_damage(kind: ErrorKind, error: &(dyn Error + 'static)) -> bool {
    match kind {
        ErrorKind::PersistentStateCorrupted | ErrorKind::CacheCorrupted | ErrorKind::Internal => true,
        ErrorKind::PersistentStateAccessFailed | ErrorKind::CacheAccessFailed => {
            let mut cause = Some(error);
            while let Some(error) = cause {
                if let Some(io) = error
                    .downcast_ref::<io::Error>()
                    .or_else(|| error.downcast_ref::<Arc<io::Error>>().map(AsRef::as_ref))
                {
                    return about_a_file(io.kind());
                }
                cause = error.source();
            }
            false
        }
        _ => false,
    }
}

fn about_a_file(kind: io::ErrorKind) -> bool {
    use io::ErrorKind as K;
    matches!(
        kind,
        K::NotADirectory
            | K::IsADirectory
            | K::InvalidData
            | K::UnexpectedEof
            | K::InvalidInput
            | K::PermissionDenied
            | K::AlreadyExists
            | K::DirectoryNotEmpty
            | K::NotFound
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guards_are_not_given_up_over_a_full_disk() {
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::ReadOnlyFilesystem] {
            assert!(!about_a_file(kind));
            assert!(!is_damage(ErrorKind::PersistentStateAccessFailed, &io::Error::from(kind)));
        }
        for kind in [io::ErrorKind::IsADirectory, io::ErrorKind::InvalidData] {
            assert!(is_damage(ErrorKind::PersistentStateAccessFailed, &io::Error::from(kind)));
        }
        let other = io::Error::other("anything");
        assert!(is_damage(ErrorKind::PersistentStateCorrupted, &other));
        for kind in [ErrorKind::FsPermissions, ErrorKind::LocalResourceAlreadyInUse, ErrorKind::LocalResourceExhausted]
        {
            assert!(!is_damage(kind, &other), "{kind:?}");
        }
    }
}
