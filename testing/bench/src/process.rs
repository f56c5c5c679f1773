//! The programs that are measured, as processes of their own.

use anyhow::{Context as _, bail, ensure};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use torchat_client::Client;

/// How long a program may take until it answers.
/// A dial over Tor may be part of it.
const START_TIME: Duration = Duration::from_secs(120);
/// Between two looks at a program that starts: the precision of a measured start.
const LOOK: Duration = Duration::from_micros(200);
/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// How to start a program, which writes its port into a file `port` in its data directory.
pub(crate) struct Recipe {
    program: PathBuf,
    arguments: Vec<PathBuf>,
    data: PathBuf,
    clean_exit: bool,
    /// The port of a program that is none of ours: it is told one, and has no HOST.
    told: Option<u16>,
}

/// A program that runs. Killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) port: u16,
    /// From before the start to its answer to HOST.
    pub(crate) first_answer: Duration,
    clean_exit: bool,
}

impl Recipe {
    /// This program as reference server.
    pub(crate) fn reference(dir: &Path, store: bool) -> anyhow::Result<Self> {
        let mut arguments = vec!["refserver".into(), dir.to_owned()];
        if store {
            arguments.push("--store".into());
        }
        let program = std::env::current_exe()?;
        Ok(Self { program, arguments, data: dir.to_owned(), clean_exit: false, told: None })
    }

    /// The daemon whose peers are on loopback TCP: everything of torchat but Tor.
    pub(crate) fn loopback(dir: &Path) -> anyhow::Result<Self> {
        Self::loopback_of(&sibling("loopback-daemon")?, dir, &dir.with_extension("peers"), 7)
    }

    /// The same of any build, with the folder that it shares with its peers, and its identity.
    pub(crate) fn loopback_of(program: &Path, dir: &Path, peers: &Path, seed: u8) -> anyhow::Result<Self> {
        std::fs::create_dir_all(peers)?;
        let arguments = vec![dir.to_owned(), peers.to_owned(), seed.to_string().into()];
        Ok(Self { program: program.to_owned(), arguments, data: dir.to_owned(), clean_exit: true, told: None })
    }

    /// Redis, which answers when what it was given is on the disk.
    pub(crate) fn redis(program: &Path, dir: &Path) -> anyhow::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let text = "--bind 127.0.0.1 --save  --appendonly yes --appendfsync always --port";
        let mut arguments: Vec<PathBuf> = text.split(' ').map(PathBuf::from).collect();
        arguments.extend([port.to_string().into(), "--dir".into(), dir.to_owned()]);
        Ok(Self { program: program.to_owned(), arguments, data: dir.to_owned(), clean_exit: false, told: Some(port) })
    }

    /// The same with one more argument.
    pub(crate) fn with(mut self, argument: &str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// torchatd itself.
    pub(crate) fn torchatd(dir: &Path, config: &Path) -> anyhow::Result<Self> {
        Ok(Self::torchatd_of(&sibling("torchatd")?, dir, config))
    }

    /// torchatd of any build.
    pub(crate) fn torchatd_of(program: &Path, dir: &Path, config: &Path) -> Self {
        let arguments = vec![
            "--data-dir".into(),
            dir.to_owned(),
            "--config".into(),
            config.to_owned(),
            "--log-dir".into(),
            dir.with_extension("logs"),
            "0".into(),
        ];
        Self { program: program.to_owned(), arguments, data: dir.to_owned(), clean_exit: true, told: None }
    }

    /// This program as the bare reference over Tor: one arti client and one service that sends back what it gets. With a
    /// peer it dials that first, and answers when it had an echo.
    #[cfg(feature = "tor")]
    pub(crate) fn bare(dir: &Path, config: &Path, seed: u8, dial: Option<&str>) -> anyhow::Result<Self> {
        let mut arguments = vec!["bare".into(), dir.to_owned(), config.to_owned(), seed.to_string().into()];
        if let Some(onion) = dial {
            arguments.extend(["--dial".into(), onion.into()]);
        }
        let program = std::env::current_exe()?;
        Ok(Self { program, arguments, data: dir.to_owned(), clean_exit: false, told: None })
    }

    /// Starts it and waits for its first answer.
    pub(crate) fn start(&self) -> anyhow::Result<Process> {
        // As torchatd itself makes it: it refuses one that is open to others.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.data)?;
        let port = self.data.join("port");
        if let Err(error) = std::fs::remove_file(&port) {
            ensure!(error.kind() == std::io::ErrorKind::NotFound, "cannot remove {}: {error}", port.display());
        }
        let stderr = self.data.with_extension("stderr");
        let begun = Instant::now();
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&stderr)?)
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        loop {
            let found = match self.told {
                None => ask(&port),
                Some(port) => TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok().map(|_| port),
            };
            if let Some((port, first_answer)) = found.map(|port| (port, begun.elapsed())) {
                return Ok(Process { child, port, first_answer, clean_exit: self.clean_exit });
            }
            let ended = child.try_wait()?;
            if ended.is_some() || begun.elapsed() > START_TIME {
                let _ = child.kill();
                let _ = child.wait();
                let name = self.program.display();
                bail!("{name} does not serve ({ended:?}): {}", std::fs::read_to_string(&stderr)?);
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// The port, once a HOST is answered there.
fn ask(file: &Path) -> Option<u16> {
    let port = std::fs::read_to_string(file).ok()?.trim().parse().ok()?;
    Client::connect_tcp(port, PATIENCE).ok()?.host().ok()?;
    Some(port)
}

impl Process {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// As kill -9 does.
    #[cfg(feature = "tor")]
    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::connect_tcp(self.port, PATIENCE)?)
    }

    /// Ends it: with EXIT where it knows that.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        if self.clean_exit {
            self.client()?.exit()?;
            let status = self.child.wait()?;
            ensure!(status.success(), "it ended with {status}");
        }
        // The rest is done by the drop.
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program of the same build.
pub(crate) fn sibling(name: &str) -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name(name);
    ensure!(program.is_file(), "{} is not built: `cargo xtask bench` builds all that is needed", program.display());
    Ok(program)
}

/// Writes a configuration of a Tor network whose only relay is closed: a daemon starts as always, and nothing leaves
/// loopback.
pub(crate) fn closed_network(path: &Path) -> anyhow::Result<()> {
    // The port of a listener that is gone: nobody answers there, unless somebody takes it within these seconds.
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let text = format!(
        "[tor.tor_network]\n\
         authorities = {{ v3idents = [\"97D003816DA48701E171BE2C5B6AFC2AE9C2F346\"] }}\n\
         fallback_caches = [{{ rsa_identity = \"F0ED5FF25D6859D6CDEBFF3734D22F1279923A78\", \
         ed_identity = \"B04SRCrrQVGqNFqH6/xnMcPBYfDo+HmPTaUluuxYW18\", orports = [\"{closed}\"] }}]\n\n\
         [tor.address_filter]\nallow_local_addrs = true\n"
    );
    Ok(std::fs::write(path, text)?)
}
