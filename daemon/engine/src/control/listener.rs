//! The sockets that local programs connect to, and who may.

use super::access::{Access, Gate, Visitor};
use super::{ControlConfig, owner, session};
use crate::handle::Handle;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use torchat_protocol::control::token;

/// Longest path of a Unix socket, in bytes (unix(7): 108 with the terminating zero).
const MAX_SOCKET_PATH: usize = 107;
/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 1024;
/// Pause when the process has no descriptor left.
const NO_DESCRIPTOR_PAUSE: Duration = Duration::from_millis(100);

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
/// [`BindError::PortTaken`], or what the system says.
pub fn bind_tcp(port: u16) -> Result<std::net::TcpListener, BindError> {
    let io = |error| BindError::Io { what: format!("port {port}"), error };
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

/// Opens a Unix socket with mode 0660 for a group. What its users may do is [`ControlConfig::users`]; the mode only keeps
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
    // Whoever connects before this is looked at as everybody else is: the mode is not what decides.
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

/// Serves until `stop`, then ends when every connection's last reply is written.
///
/// # Errors
/// When a socket cannot be given to the runtime.
pub async fn serve(
    handle: Handle,
    listeners: Listeners,
    config: ControlConfig,
    stop: CancellationToken,
) -> io::Result<()> {
    let server = Server {
        gate: Gate::open(handle.clone(), config.must_prove).await,
        handle,
        places: Arc::new(Semaphore::new(config.max_connections)),
        limits: session::SharedLimits::default(),
        config: Arc::new(config),
        sessions: TaskTracker::new(),
        stop,
    };
    let unix = listeners.unix.map(UnixListener::from_std).transpose()?;
    let group = listeners.group.map(UnixListener::from_std).transpose()?;
    let tcp = listeners.tcp.map(TcpListener::from_std).transpose()?;
    tokio::join!(server.serve_unix(unix, false), server.serve_unix(group, true), server.serve_tcp(tcp));
    server.sessions.close();
    server.sessions.wait().await;
    Ok(())
}

struct Server {
    handle: Handle,
    gate: Gate,
    config: Arc<ControlConfig>,
    places: Arc<Semaphore>,
    limits: session::SharedLimits,
    sessions: TaskTracker,
    stop: CancellationToken,
}

impl Server {
    /// `group`: whoever stands in the table is served too.
    async fn serve_unix(&self, listener: Option<UnixListener>, group: bool) {
        let Some(listener) = listener else { return };
        let own = rustix::process::geteuid().as_raw();
        loop {
            let stream = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        accept_failed(&error).await;
                        continue;
                    }
                },
            };
            let access = match stream.peer_cred() {
                Ok(cred) if cred.uid() == own => Ok(Access::own_user()),
                Ok(cred) => match self.config.users.get(&cred.uid()) {
                    Some(rights) if group => Ok(Access::group_user(cred.uid(), rights.iter().copied())),
                    _ => Err(owner::Refused::OtherUser),
                },
                Err(error) => Err(owner::Refused::Unknown(error)),
            };
            match access {
                Ok(access) => self.start(stream, Visitor::free(&self.gate, token::UNIX.to_owned(), access)),
                Err(refused) => self.refuse(&refused),
            }
        }
    }

    async fn serve_tcp(&self, listener: Option<TcpListener>) {
        let Some(listener) = listener else { return };
        loop {
            let (stream, client) = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                accepted = listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        accept_failed(&error).await;
                        continue;
                    }
                },
            };
            // Asked before a byte is read: the answer is about the socket that connected.
            let server = stream.local_addr().unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
            let address = token::tcp_address(server);
            let visitor = match owner::check(client, server) {
                Ok(()) => Visitor::free(&self.gate, address, Access::own_user()),
                Err(refused) => match Visitor::stranger(&self.gate, address) {
                    Some(stranger) => stranger,
                    None => {
                        self.refuse(&refused);
                        continue;
                    }
                },
            };
            // A reply is one write: waiting for more to send would only delay it.
            let _ = stream.set_nodelay(true);
            self.start(stream, visitor);
        }
    }

    fn start(&self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, visitor: Visitor) {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            self.handle.note_crowded_out();
            tracing::warn!("a local client was refused: {} are connected", self.config.max_connections);
            return;
        };
        let (handle, config, limits, stop) =
            (self.handle.clone(), self.config.clone(), self.limits.clone(), self.stop.clone());
        // In a box: what is awaited within another future takes its room twice.
        let session = Box::pin(session::run(visitor.guard(stream), visitor, handle, config, limits, stop));
        self.sessions.spawn(async move {
            session.await;
            drop(place);
        });
    }

    fn refuse(&self, refused: &owner::Refused) {
        self.handle.note_refused_client();
        tracing::warn!("a local client was refused: {refused}");
    }
}

async fn accept_failed(error: &io::Error) {
    // Out of descriptors, mostly. Connections wait in the kernel meanwhile; a tight loop would take the whole core.
    tracing::warn!(%error, "a local client could not be accepted");
    tokio::time::sleep(NO_DESCRIPTOR_PAUSE).await;
}
