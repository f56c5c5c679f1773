//! Where a daemon is: named by the user, by the environment, or in its data directory.

use super::error::ApiClientError;
use std::ffi::OsStr;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use torchat_protocol::control::token::{self, Token};
use torchat_protocol::home;

/// How long a daemon may take to answer, unless [`Address::patience`] says otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a daemon listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// Its Unix socket.
    Unix(PathBuf),
    /// Its port. A loopback address: the API is not made for a network, and has no encryption of its own.
    Tcp(SocketAddr),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Tcp(address) => write!(f, "{address}"),
        }
    }
}

impl Endpoint {
    /// What both sides of a proof name.
    pub(super) fn proof_address(&self) -> String {
        match self {
            Self::Unix(_) => token::UNIX.to_owned(),
            Self::Tcp(address) => token::tcp_address(*address),
        }
    }
}

/// Where a daemon is, and who comes.
#[derive(Debug, Clone)]
pub struct Address {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// What to prove; needed by other users, and by programs that shall have fewer rights.
    pub token: Option<Token>,
    /// What the program calls itself, for the daemon's log.
    pub client: String,
    /// How long an answer may take where a call says nothing else; 30 seconds at first.
    pub patience: Duration,
}

impl Address {
    /// A daemon at an endpoint, without a token.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, token: None, client: "torchat-client".into(), patience: PATIENCE }
    }

    /// A daemon at a Unix socket.
    #[must_use]
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::new(Endpoint::Unix(path.into()))
    }

    /// A daemon at a port of 127.0.0.1.
    #[must_use]
    pub fn tcp(port: u16) -> Self {
        Self::new(Endpoint::Tcp((Ipv4Addr::LOCALHOST, port).into()))
    }

    /// The same with a token.
    #[must_use]
    pub fn with_token(self, token: Token) -> Self {
        Self { token: Some(token), ..self }
    }

    /// The same with a name for the daemon's log.
    #[must_use]
    pub fn named(self, client: &str) -> Self {
        Self { client: client.to_owned(), ..self }
    }

    /// Reads what a user gives for `--socket` or in `TORCHAT_SOCKET`: a port, a loopback address with its port, or else a path.
    ///
    /// # Errors
    /// [`ApiClientError::Address`] for nothing, port 0 and addresses beyond this machine.
    pub fn parse(text: &str) -> Result<Self, ApiClientError> {
        let wrong = || ApiClientError::Address { text: text.to_owned() };
        if let Ok(port) = text.parse::<u16>() {
            return if port == 0 { Err(wrong()) } else { Ok(Self::tcp(port)) };
        }
        let address = match text.strip_prefix("localhost:") {
            Some(port) => port.parse::<u16>().map(|port| (Ipv4Addr::LOCALHOST, port).into()).ok(),
            None => text.parse::<SocketAddr>().ok(),
        };
        match address {
            Some(address) if address.ip().is_loopback() && address.port() != 0 => Ok(Self::new(Endpoint::Tcp(address))),
            Some(_) => Err(wrong()),
            None if text.is_empty() => Err(wrong()),
            None => Ok(Self::unix(text)),
        }
    }

    /// Finds the daemon: what the user gave for `--socket`, else `TORCHAT_SOCKET`, else the default data directory.
    ///
    /// # Errors
    /// [`ApiClientError::Address`], [`ApiClientError::NotFound`].
    pub fn find(socket: Option<&str>) -> Result<Self, ApiClientError> {
        if let Some(given) = socket {
            return Self::parse(given);
        }
        if let Some(given) = std::env::var_os("TORCHAT_SOCKET").filter(|value| !value.is_empty()) {
            // What is not UTF-8 is no port: a path may be any bytes.
            return given.to_str().map_or_else(|| Ok(Self::unix(&given)), Self::parse);
        }
        let home = home::home(std::env::var_os("HOME").as_deref(), std::env::home_dir);
        match data_dir(std::env::var_os("XDG_DATA_HOME").as_deref(), home.as_deref()) {
            Some(directory) => Self::in_data_dir(&directory),
            None => Err(ApiClientError::NotFound {
                looked: "there is no home directory (HOME must be an absolute path)".into(),
            }),
        }
    }

    /// The daemon of a data directory: its `control.sock`, else the port in its `port`.
    ///
    /// # Errors
    /// [`ApiClientError::NotFound`], which says what is there.
    pub fn in_data_dir(directory: &Path) -> Result<Self, ApiClientError> {
        let socket = directory.join("control.sock");
        if socket.exists() {
            return Ok(Self::unix(socket));
        }
        let number = |name: &str| std::fs::read_to_string(directory.join(name)).ok()?.trim().parse::<u32>().ok();
        if let Some(port) = number("port").and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0) {
            return Ok(Self::tcp(port));
        }
        let shown = directory.display();
        let looked = match number("pid") {
            _ if !directory.is_dir() => format!("there is no directory {shown}"),
            Some(pid) => format!("{shown} has no control.sock and no port, only the pid {pid}"),
            None => format!("{shown} has no control.sock and no port, so no torchatd runs there"),
        };
        Err(ApiClientError::NotFound { looked })
    }
}

/// `$XDG_DATA_HOME/torchatd`, else `~/.local/share/torchatd`, as the daemon has it.
fn data_dir(data_home: Option<&OsStr>, home: Option<&Path>) -> Option<PathBuf> {
    Some(home::base(data_home, home, home::DATA)?.join("torchatd"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_users_type_is_a_path_or_a_port_of_this_machine() {
        for (text, endpoint) in [
            ("8000", Endpoint::Tcp(([127, 0, 0, 1], 8000).into())),
            ("localhost:8000", Endpoint::Tcp(([127, 0, 0, 1], 8000).into())),
            ("127.0.0.1:8000", Endpoint::Tcp(([127, 0, 0, 1], 8000).into())),
            ("[::1]:8000", Endpoint::Tcp("[::1]:8000".parse().unwrap())),
            ("./8000", Endpoint::Unix("./8000".into())),
            ("/run/a b.sock", Endpoint::Unix("/run/a b.sock".into())),
        ] {
            assert_eq!(Address::parse(text).unwrap().endpoint, endpoint, "{text}");
        }
        for wrong in ["", "0", "192.168.1.2:8000", "127.0.0.1:0"] {
            assert!(matches!(Address::parse(wrong), Err(ApiClientError::Address { .. })), "{wrong}");
        }
    }

    #[test]
    fn a_data_directory_tells_where_its_daemon_is() {
        let dir = tempfile::tempdir().unwrap();
        let found = |path: &Path| Address::in_data_dir(path).map(|address| address.endpoint);
        let missing = found(&dir.path().join("none")).unwrap_err().to_string();
        assert!(missing.contains("there is no directory") && missing.contains("torchatd -d"), "{missing}");
        assert!(found(dir.path()).unwrap_err().to_string().contains("no torchatd runs"));
        std::fs::write(dir.path().join("port"), "4321\n").unwrap();
        assert_eq!(found(dir.path()).unwrap(), Address::tcp(4321).endpoint);
        std::fs::write(dir.path().join("control.sock"), "").unwrap();
        assert_eq!(found(dir.path()).unwrap(), Endpoint::Unix(dir.path().join("control.sock")));
    }

    #[test]
    fn the_default_directory_is_that_of_the_table_which_the_daemon_is_tested_with_too() {
        let table: serde_json::Value = serde_json::from_str(include_str!("../../golden/places.json")).unwrap();
        let rows = table.as_array().unwrap();
        assert!(rows.len() >= 17);
        for row in rows {
            let text = |key: &str| row[key].as_str().map(OsStr::new);
            let home = home::home(text("home"), || text("entry").map(PathBuf::from));
            let expected = text("directory").map(PathBuf::from);
            assert_eq!(data_dir(text("data_home"), home.as_deref()), expected, "{}", row["about"]);
        }
    }
}
