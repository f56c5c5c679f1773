//! Everything that can be refused is found here, before anything is changed; then, in [`Checked::enter`], what the
//! daemon needs is made and taken: directory, lock, socket, identity.
//!
//! All of it happens before the fork, so that a failure is printed by the process that the user started.

use crate::cli::{Args, Level};
use crate::config::{Config, ConfigError};
use crate::datadir::{DataDir, Lock};
use crate::exit::{Code, Failure};
use crate::identity::{self, Seeds};
use crate::places;
use crate::replace::Inheritance;
use crate::torrc::Torrc;
use crate::undo::{Undo, is_missing};
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use torchat_control::{BindError, Listeners, bind_group, bind_tcp, bind_unix};

/// The port of the onion service that every daemon dials.
const VIRTUAL_PORT: u16 = 80;

/// What was found to be possible. Nothing is changed yet; the port is taken and, if there is a directory, its lock.
pub(crate) struct Checked {
    data: DataDir,
    lock: Option<Lock>,
    seeds: Option<Box<Seeds>>,
    tcp: Option<TcpListener>,
    /// Served already, by the process whose place we took.
    unix: Option<UnixListener>,
    replaced: bool,
    socket: PathBuf,
    log_dir: PathBuf,
    level: Level,
    config: Config,
    virtual_port: u16,
    remarks: Vec<String>,
}

/// What the daemon runs with.
pub(crate) struct Ready {
    /// What was made by this start. Before the lock, so that it goes first.
    pub(crate) undo: Undo,
    /// The data directory.
    pub(crate) data: DataDir,
    /// Held as long as the daemon lives.
    pub(crate) lock: Lock,
    /// Who we are, until the engine knows it.
    pub(crate) seeds: Option<Box<Seeds>>,
    /// The control socket and, if they were asked for, the one for other users and the control port.
    pub(crate) listeners: Listeners,
    /// The number of the control port.
    pub(crate) port: Option<u16>,
    /// Where the control socket is.
    pub(crate) socket: PathBuf,
    /// An existing directory.
    pub(crate) log_dir: PathBuf,
    /// How much is logged.
    pub(crate) level: Level,
    /// The configuration.
    pub(crate) config: Config,
    /// The port of our onion service.
    pub(crate) virtual_port: u16,
    /// What to say in the log as soon as there is one.
    pub(crate) remarks: Vec<String>,
    /// This process took the place of another one.
    pub(crate) replaced: bool,
}

impl Ready {
    /// What the daemon makes while it starts is removed again if the start fails. Only with a new identity: a daemon that
    /// has one keeps all that it has.
    fn expect(&mut self) {
        let database = self.data.database();
        let beside = |end: &str| {
            let mut name = database.clone().into_os_string();
            name.push(end);
            PathBuf::from(name)
        };
        for path in [self.data.tor(), database.clone(), beside("-wal"), beside("-shm")] {
            self.undo.will_make(&path);
        }
    }
}

/// Which daemon is meant: its data directory and its control socket, with the torrc that may have named the directory.
pub(crate) fn which(args: &Args) -> Result<(DataDir, PathBuf, Torrc), Failure> {
    let (torrc, beside) = match &args.torrc {
        Some(file) => (read_torrc(file)?, places::absolute(file)?.parent().map(Path::to_owned)),
        None => (Torrc::default(), None),
    };
    let from_torrc = torrc.data_directory.as_deref().map(|dir| below(beside.as_deref(), dir)).transpose()?;
    let data = DataDir::choose(args.data_dir.as_deref().or(from_torrc.as_deref()))?;
    let socket = args.socket.as_deref().map_or_else(|| Ok(data.socket()), places::absolute)?;
    Ok((data, socket, torrc))
}

/// A directory of the torrc: `~/` is the home directory, as in C tor; a relative one starts at the torrc, so that one
/// file means one place wherever the daemon is started. (C tor starts at its working directory.)
fn below(torrc_dir: Option<&Path>, dir: &Path) -> Result<PathBuf, Failure> {
    match dir.strip_prefix("~") {
        Ok(rest) => {
            let no_home = || Failure::new(Code::DataDir, "DataDirectory begins with ~, and there is no home directory");
            Ok(places::home().ok_or_else(no_home)?.join(rest))
        }
        Err(_) => Ok(torrc_dir.unwrap_or(Path::new("/")).join(dir)),
    }
}

fn read_torrc(file: &Path) -> Result<Torrc, Failure> {
    let shown = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::new(Code::Torrc, format!("the torrc {shown} cannot be read: {error}")))?;
    Torrc::parse(&text).map_err(|error| Failure::new(Code::Torrc, format!("the torrc {shown} is wrong: {error}")))
}

/// Whether the daemon could be started again as it runs, with the files as they are now. A replacement that would be
/// refused is not begun.
pub(crate) fn check_again(args: &Args, ready: &Ready) -> Result<(), Failure> {
    let (data, socket, torrc) = which(args)?;
    if (data.path(), socket.as_path()) != (ready.data.path(), ready.socket.as_path()) {
        return Err(Failure::new(Code::Torrc, "the torrc names another data directory now"));
    }
    let config = read_config(args.config.as_deref())?;
    let group = config.group().map(|group| group.path.as_path());
    if let Some(error) = torrc.exposes(ready.port, &socket).or_else(|| torrc.exposes(None, group?)) {
        return Err(Failure::new(Code::Torrc, format!("the torrc is wrong: {error}")));
    }
    check_identity(&data).map(drop)
}

/// Reads the torrc and the configuration and says in one line that they are valid. It changes nothing, and a daemon may run
/// meanwhile: neither its directory nor its port is looked at.
///
/// # Errors
/// What a start would refuse of them.
pub(crate) fn check_settings(args: &Args) -> Result<String, Failure> {
    let (_, socket, torrc) = which(args)?;
    let config = read_config(args.config.as_deref())?;
    let group = config.group().map(|group| group.path.as_path());
    if let Some(error) = torrc.exposes(args.port, &socket).or_else(|| torrc.exposes(None, group?)) {
        return Err(Failure::new(Code::Torrc, format!("the torrc is wrong: {error}")));
    }
    if group == Some(socket.as_path()) {
        return Err(same_socket(&socket));
    }
    let named = args.config.clone().or_else(places::default_config);
    let config = match (named, places::config_path()) {
        (Some(file), _) => format!("the configuration {} is valid", file.display()),
        (None, Some(path)) => format!("there is no configuration ({}), so the defaults hold", path.display()),
        (None, None) => "there is no configuration, so the defaults hold".to_owned(),
    };
    let torrc = args.torrc.as_ref().map_or_else(String::new, |file| format!("; the torrc {} is valid", file.display()));
    Ok(format!("{config}{torrc}"))
}

fn same_socket(socket: &Path) -> Failure {
    Failure::new(Code::Config, format!("{} cannot be both sockets", socket.display()))
}

/// Checks everything. `inherited` is what the process before handed over, if this one took its place.
pub(crate) fn check(args: &Args, inherited: Option<Inheritance>) -> Result<Checked, Failure> {
    let replaced = inherited.is_some();
    let (held, unix, served) = match inherited {
        Some(Inheritance { lock, unix, tcp }) => (Some(lock), Some(unix), tcp),
        None => (None, None, None),
    };
    let (data, socket, torrc) = which(args)?;
    let config = read_config(args.config.as_deref())?;
    let group = config.group().map(|group| group.path.as_path());
    let exposes = |port| torrc.exposes(port, &socket).or_else(|| torrc.exposes(None, group?));
    let exposed = |port: Option<u16>| match (exposes(port), &args.torrc) {
        (Some(error), Some(file)) => {
            Err(Failure::new(Code::Torrc, format!("the torrc {} is wrong: {error}", file.display())))
        }
        _ => Ok(()),
    };
    exposed(args.port.filter(|port| *port > 0))?;
    places::check_socket_path(&socket)?;
    // Arti takes its directories as text only.
    if data.path().to_str().is_none() {
        return Err(Failure::new(
            Code::DataDir,
            format!(
                "the data directory {} has a name that is not UTF-8, which Tor cannot use: name another one with --data-dir",
                data.path().display()
            ),
        ));
    }
    let lock = match held {
        Some(held) => data.check_again(held)?,
        None => data.check()?,
    };
    let seeds = check_identity(&data)?;
    let log_dir = places::log_dir(args.log_dir.as_deref())?;
    check_log_dir(&log_dir)?;
    let unix = unix.filter(|unix| serves(unix, &socket));
    if unix.is_none() {
        check_socket(&socket, &data).map_err(|failure| {
            // Another start has made the directory since it was found to be missing.
            let meanwhile = failure.code == Code::PortTaken && lock.is_none() && socket == data.socket();
            let shown = data.path().display();
            let already = || Failure::new(Code::AlreadyRunning, format!("torchatd already runs with {shown}"));
            if meanwhile { already() } else { failure }
        })?;
    }
    // Never inherited: a process that took another one's place makes it anew.
    if let Some(group) = group {
        if group == socket {
            return Err(same_socket(group));
        }
        check_socket(group, &data)?;
    }
    let tcp = match (args.port, served) {
        // The port that was taken at the first start, whatever its number.
        (Some(port), Some(served)) if port == 0 || port_of(Some(&served))? == Some(port) => Some(served),
        (port, _) => port.map(bind_tcp).transpose().map_err(|error| bind_failure(&error))?,
    };
    // With port 0 the number is known only now.
    exposed(port_of(tcp.as_ref())?)?;
    Ok(Checked {
        data,
        lock,
        seeds,
        tcp,
        unix,
        replaced,
        socket,
        log_dir,
        level: args.log_level.or(torrc.level).unwrap_or(Level::Info),
        config,
        virtual_port: torrc.virtual_port.unwrap_or(VIRTUAL_PORT),
        remarks: torrc.remarks,
    })
}

impl Checked {
    /// Makes and takes what the daemon needs. If that fails, what was made is removed again.
    pub(crate) fn enter(self) -> Result<Ready, Failure> {
        let lock;
        // Goes before the lock does: without that, another start could have taken what is removed.
        let mut undo = Undo::default();
        lock = match (self.replaced, self.lock) {
            // The traces in the directory are ours.
            (true, Some(lock)) => lock,
            (_, lock) => self.data.enter(lock, &mut undo)?,
        };
        let unix = match self.unix {
            Some(unix) => unix,
            None => bound(&self.socket, &mut undo, bind_unix).map_err(|error| bind_failure(&error))?,
        };
        let group = self.config.group();
        let group = group.map(|group| bound(&group.path, &mut undo, |path| bind_group(path, group.gid))).transpose();
        let group = group.map_err(|error| bind_failure(&error))?;
        places::make_private(&self.log_dir, true, &mut undo).map_err(|error| log_failure(&self.log_dir, &error))?;
        let new = self.seeds.is_none();
        let seeds = match self.seeds {
            Some(seeds) => seeds,
            None => {
                let key = self.data.identity();
                let seeds = identity::create(&key)?;
                undo.made(&key);
                seeds
            }
        };
        let mut ready = Ready {
            undo,
            port: port_of(self.tcp.as_ref())?,
            data: self.data,
            lock,
            seeds: Some(seeds),
            listeners: Listeners { unix: Some(unix), group, tcp: self.tcp },
            socket: self.socket,
            log_dir: self.log_dir,
            level: self.level,
            config: self.config,
            virtual_port: self.virtual_port,
            remarks: self.remarks,
            replaced: self.replaced,
        };
        if new {
            ready.expect();
        }
        Ok(ready)
    }
}

/// Binds a socket, and notes it if none was there.
fn bound<T>(path: &Path, undo: &mut Undo, bind: impl FnOnce(&Path) -> Result<T, BindError>) -> Result<T, BindError> {
    let new = is_missing(path);
    let socket = bind(path)?;
    if new {
        undo.made(path);
    }
    Ok(socket)
}

fn read_config(named: Option<&Path>) -> Result<Config, Failure> {
    let Some(file) = named.map(Path::to_owned).or_else(places::default_config) else { return Ok(Config::default()) };
    let failure = |error: ConfigError| Failure::new(Code::Config, error.to_string());
    let config = Config::read(&file).map_err(failure)?;
    torchat_tor::check(&config.tor)
        .map_err(|why| failure(ConfigError::Tor { file: file.display().to_string(), why: why.to_string() }))?;
    Ok(config)
}

fn check_identity(data: &DataDir) -> Result<Option<Box<Seeds>>, Failure> {
    let (key, database) = (data.identity(), data.database());
    let seeds = identity::load(&key)?;
    if seeds.is_none() && database.exists() {
        // The key is always older than the store. A new one would make every contact of the store a stranger to us.
        return Err(Failure::other(format!(
            "{} is missing, but there are messages in {}: restore the key from a copy, or move the messages away to \
             start with a new onion",
            key.display(),
            database.display()
        )));
    }
    Ok(seeds)
}

fn check_log_dir(dir: &Path) -> Result<(), Failure> {
    let checked = if dir.exists() { places::writable(dir) } else { places::creatable(dir, true) };
    checked.map_err(|error| log_failure(dir, &error))
}

fn log_failure(dir: &Path, error: &io::Error) -> Failure {
    Failure::other(format!("the log directory {} cannot be used: {error} (name one with --log-dir)", dir.display()))
}

/// Whether a socket that we inherited is the one that is found under the path.
fn serves(unix: &UnixListener, socket: &Path) -> bool {
    let same = unix.local_addr().is_ok_and(|address| address.as_pathname() == Some(socket));
    same && socket.symlink_metadata().is_ok_and(|metadata| metadata.file_type().is_socket())
}

/// Whether the control socket can be made: nothing but a socket may be replaced, and not one that answers.
fn check_socket(socket: &Path, data: &DataDir) -> Result<(), Failure> {
    let shown = socket.display();
    match socket.symlink_metadata() {
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(Failure::other(format!("{shown} is not a socket, so the control socket does not replace it")));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = socket.parent().unwrap_or(Path::new("/"));
            if parent == data.path() {
                // Checked already, and perhaps not made yet.
                return Ok(());
            }
            return places::writable(parent)
                .map_err(|error| Failure::other(format!("the control socket {shown} cannot be made: {error}")));
        }
        Err(error) => return Err(Failure::other(format!("the control socket {shown} cannot be made: {error}"))),
    }
    match UnixStream::connect(socket) {
        Ok(_) => Err(bind_failure(&BindError::SocketTaken(socket.to_owned()))),
        // Nobody serves it any more: it is replaced.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(Failure::other(format!("the control socket {shown} cannot be replaced: {error}"))),
    }
}

/// A failed bind with its exit code.
fn bind_failure(error: &BindError) -> Failure {
    let code = match error {
        BindError::PortTaken(_) | BindError::SocketTaken(_) => Code::PortTaken,
        BindError::PathTooLong(_) | BindError::CannotTell(..) | BindError::Io { .. } => Code::Other,
    };
    Failure::new(code, error.to_string())
}

fn port_of(tcp: Option<&TcpListener>) -> Result<Option<u16>, Failure> {
    tcp.map(|tcp| tcp.local_addr().map(|address| address.port()))
        .transpose()
        .map_err(|error| Failure::other(format!("the control port has no number: {error}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::Parser;

    fn args(line: &[&str]) -> Args {
        Args::try_parse_from(["torchatd"].iter().chain(line)).unwrap()
    }

    #[test]
    fn the_command_line_comes_before_the_torrc() {
        let dir = tempfile::tempdir().unwrap();
        let torrc = dir.path().join("torrc");
        std::fs::write(&torrc, "DataDirectory state/d\n").unwrap();
        let torrc = torrc.to_str().unwrap();
        let (data, socket, _) = which(&args(&["--torrc", torrc])).unwrap();
        assert_eq!(data.path(), dir.path().join("state/d"), "relative to the torrc");
        assert_eq!(socket, dir.path().join("state/d/control.sock"));
        let (data, socket, _) = which(&args(&["--torrc", torrc, "--data-dir", "/x", "--socket", "/y/s"])).unwrap();
        assert_eq!((data.path(), socket.as_path()), (Path::new("/x"), Path::new("/y/s")));
    }

    #[test]
    fn a_home_directory_in_the_torrc() {
        let home = places::home().unwrap();
        assert_eq!(below(Some(Path::new("/etc")), Path::new("~/d")).unwrap(), home.join("d"));
        assert_eq!(below(Some(Path::new("/etc")), Path::new("/d")).unwrap(), Path::new("/d"));
        assert_eq!(below(Some(Path::new("/etc")), Path::new("d")).unwrap(), Path::new("/etc/d"));
    }

    #[test]
    fn only_a_dead_socket_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::choose(Some(dir.path())).unwrap();
        let path = dir.path().join("s");
        check_socket(&path, &data).unwrap();
        let listener = bind_unix(&path).unwrap();
        assert_eq!(check_socket(&path, &data).unwrap_err().code, Code::PortTaken);
        drop(listener);
        check_socket(&path, &data).unwrap();
        bind_unix(&path).unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "precious").unwrap();
        assert_eq!(check_socket(&file, &data).unwrap_err().code, Code::Other);
        assert!(check_socket(&dir.path().join("no/s"), &data).is_err());
    }

    #[test]
    fn a_taken_port_is_named() {
        let taken = bind_tcp(0).unwrap();
        let port = port_of(Some(&taken)).unwrap().unwrap();
        let failure = bind_failure(&bind_tcp(port).unwrap_err());
        assert_eq!(failure.code, Code::PortTaken);
        assert!(failure.message.contains(&port.to_string()), "{failure}");
    }

    #[test]
    fn messages_without_their_key_are_not_given_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::choose(Some(dir.path())).unwrap();
        assert_eq!(check_identity(&data).unwrap(), None);
        std::fs::write(data.database(), "").unwrap();
        let failure = check_identity(&data).unwrap_err();
        assert!(failure.message.contains("identity.key is missing"), "{failure}");
        assert!(!data.identity().exists());
    }
}
