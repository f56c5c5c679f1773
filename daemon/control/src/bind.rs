//! Opens the sockets that local programs connect to.

use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use torchat_loopback::{CannotTell, Users};

/// Longest path of a Unix socket, in bytes (unix(7): 108 with the terminating zero).
const MAX_SOCKET_PATH: usize = 107;
/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 1024;

/// Why a control socket cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The port is in use.
    #[error("port {0} is taken by another program: choose another port, or 0 for a free one")]
    PortTaken(u16),
    /// The path is too long for a Unix socket.
    #[error(
        "the socket's path has {0} bytes, the system's limit is {MAX_SOCKET_PATH}: choose a shorter one with --socket"
    )]
    PathTooLong(usize),
    /// Somebody answers on the socket already.
    #[error("another program serves {0}")]
    SocketTaken(PathBuf),
    /// A program that connects could not be told from the own user.
    #[error("port {0} cannot be served: {1}, or serve no port and use the Unix socket")]
    CannotTell(u16, CannotTell),
    /// Anything else.
    #[error("cannot listen on {what}: {error}")]
    Io {
        /// The port or path.
        what: String,
        /// What the system says.
        error: io::Error,
    },
}

/// The sockets to serve.
#[derive(Debug, Default)]
pub struct Listeners {
    /// The Unix socket.
    pub unix: Option<std::os::unix::net::UnixListener>,
    /// The Unix socket for other users of the machine: see [`bind_group`].
    pub group: Option<std::os::unix::net::UnixListener>,
    /// The loopback port.
    pub tcp: Option<std::net::TcpListener>,
}

/// Opens the loopback port; 0 takes a free one. Never any other address than 127.0.0.1.
///
/// # Errors
/// [`BindError::PortTaken`], [`BindError::CannotTell`], or what the system says.
pub fn bind_tcp(port: u16) -> Result<std::net::TcpListener, BindError> {
    let io = |error| BindError::Io { what: format!("port {port}"), error };
    Users::of_this_process().can_tell().map_err(|why| BindError::CannotTell(port, why))?;
    // std sets SO_REUSEADDR on Unix, so a restart need not wait for old connections to expire.
    let listener = match std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(BindError::PortTaken(port)),
        result => result.map_err(io)?,
    };
    // std's backlog is 128: a burst of clients would wait for a second for their SYN to be repeated.
    rustix::net::listen(&listener, BACKLOG).map_err(|error| io(error.into()))?;
    listener.set_nonblocking(true).map_err(io)?;
    Ok(listener)
}

/// Opens the Unix socket with mode 0600. A socket that nobody serves any more is replaced.
///
/// # Errors
/// [`BindError::PathTooLong`], [`BindError::SocketTaken`], or what the system says.
pub fn bind_unix(path: &Path) -> Result<std::os::unix::net::UnixListener, BindError> {
    bind_path(path, None)
}

/// Opens a Unix socket with mode 0660 for a group. What its users may do is [`ControlConfig::users`](crate::ControlConfig::users); the mode only keeps
/// everybody else from filling it.
///
/// # Errors
/// As [`bind_unix`], and when the socket cannot be given to the group: a user can give it only to groups of its own.
pub fn bind_group(path: &Path, gid: u32) -> Result<std::os::unix::net::UnixListener, BindError> {
    bind_path(path, Some(gid))
}

fn bind_path(path: &Path, gid: Option<u32>) -> Result<std::os::unix::net::UnixListener, BindError> {
    let bytes = path.as_os_str().len();
    if bytes > MAX_SOCKET_PATH {
        return Err(BindError::PathTooLong(bytes));
    }
    let io = |error| BindError::Io { what: path.display().to_string(), error };
    match StdUnixStream::connect(path) {
        Ok(_) => return Err(BindError::SocketTaken(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && is_socket(path) => {
            std::fs::remove_file(path).map_err(io)?;
        }
        Err(error) => return Err(io(error)),
    }
    let listener = std::os::unix::net::UnixListener::bind(path).map_err(io)?;
    rustix::net::listen(&listener, BACKLOG).map_err(|error| io(error.into()))?;
    // A program that connects before this is looked at as every other: the mode is not what decides.
    let mode = if gid.is_some() { 0o660 } else { 0o600 };
    let given = std::os::unix::fs::chown(path, None, gid)
        .and_then(|()| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)));
    if let Err(error) = given {
        let _ = std::fs::remove_file(path);
        return Err(io(error));
    }
    listener.set_nonblocking(true).map_err(io)?;
    Ok(listener)
}

fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket())
}
