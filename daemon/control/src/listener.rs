//! The sockets that local programs connect to, and who may.

use super::access::{Access, Gate, Visitor};
use super::seldom::Seldom;
use super::{ControlConfig, session};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use torchat_engine::handle::Handle;
use torchat_loopback::{CannotTell, Owners, Refused, Users};
use torchat_protocol::control::token;

/// Longest path of a Unix socket, in bytes (unix(7): 108 with the terminating zero).
const MAX_SOCKET_PATH: usize = 107;
/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 1024;
/// Clients of the port that are looked at side by side where that takes long: see [`Owners::is_quick`].
const LOOKS: usize = 4;
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
    /// Whoever connects could not be told from the own user.
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
    let users = Users::of_this_process();
    for uid in config.users.keys().filter(|uid| users.is_nobody(**uid)) {
        tracing::warn!(
            "uid {uid} of the socket for other users is whoever this user namespace does not map: it is not served"
        );
    }
    let server = Arc::new(Server {
        gate: Gate::open(handle.clone(), config.must_prove).await,
        handle,
        places: Arc::new(Semaphore::new(config.max_connections)),
        limits: session::SharedLimits::default(),
        config: Arc::new(config),
        users,
        told: Told::default(),
        sessions: TaskTracker::new(),
        stop,
    });
    let unix = listeners.unix.map(UnixListener::from_std).transpose()?;
    let group = listeners.group.map(UnixListener::from_std).transpose()?;
    let tcp = listeners.tcp.map(TcpListener::from_std).transpose()?;
    tokio::join!(server.serve_unix(unix, false), server.serve_unix(group, true), serve_tcp(&server, tcp));
    server.sessions.close();
    server.sessions.wait().await;
    Ok(())
}

/// What is said in the log once a minute, because others can cause it.
#[derive(Default)]
struct Told {
    refused: Seldom,
    crowded: Seldom,
    not_accepted: Seldom,
}

struct Server {
    handle: Handle,
    gate: Gate,
    config: Arc<ControlConfig>,
    users: Users,
    places: Arc<Semaphore>,
    limits: session::SharedLimits,
    told: Told,
    sessions: TaskTracker,
    stop: CancellationToken,
}

/// The port. Nothing that takes longer than some microseconds is done between two accepts: whoever connects again and
/// again would keep everybody else waiting.
async fn serve_tcp(server: &Arc<Server>, listener: Option<TcpListener>) {
    let Some(listener) = listener else { return };
    // It tries out how the kernel can be asked, which may take a while.
    let Ok(owners) = tokio::task::spawn_blocking(Owners::new).await.map(Arc::new) else { return };
    let looks = Arc::new(Semaphore::new(LOOKS));
    loop {
        let stream = tokio::select! {
            biased;
            () = server.stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    server.accept_failed(error).await;
                    continue;
                }
            },
        };
        if owners.is_quick() {
            // Asked before a byte is read: the answer is about the socket that connected.
            let judged = owners.check(&stream);
            server.admit(stream, judged);
            continue;
        }
        let place = tokio::select! {
            biased;
            () = server.stop.cancelled() => return,
            place = looks.clone().acquire_owned() => place,
        };
        let (server, owners) = (server.clone(), owners.clone());
        server.clone().sessions.spawn(async move {
            let looked = tokio::task::spawn_blocking(move || (owners.check(&stream), stream)).await;
            drop(place);
            if let Ok((judged, stream)) = looked {
                server.admit(stream, judged);
            }
        });
    }
}

impl Server {
    /// `group`: whoever stands in the table is served too.
    async fn serve_unix(&self, listener: Option<UnixListener>, group: bool) {
        let Some(listener) = listener else { return };
        loop {
            let stream = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        self.accept_failed(error).await;
                        continue;
                    }
                },
            };
            let access = match stream.peer_cred() {
                // The own socket is ours by its mode, even where we are nobody.
                Ok(cred) if group && self.users.is_nobody(cred.uid()) => Err(Refused::Nobody),
                Ok(cred) if cred.uid() == self.users.own() => Ok(Access::own_user()),
                Ok(cred) => match self.config.users.get(&cred.uid()) {
                    Some(rights) if group => Ok(Access::group_user(cred.uid(), rights.iter().copied())),
                    _ => Err(Refused::OtherUser),
                },
                Err(error) => Err(Refused::Unknown(error)),
            };
            match access {
                Ok(access) => self.start(stream, Visitor::free(&self.gate, token::UNIX.to_owned(), access)),
                Err(refused) => self.refuse(&refused),
            }
        }
    }

    /// A client of the port, now that it is known whether it is the own user.
    fn admit(&self, stream: TcpStream, judged: Result<(), Refused>) {
        let server = stream.local_addr().unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let address = token::tcp_address(server);
        let visitor = match judged {
            Ok(()) => Visitor::free(&self.gate, address, Access::own_user()),
            Err(refused) => match Visitor::stranger(&self.gate, address) {
                Some(stranger) => stranger,
                None => return self.refuse(&refused),
            },
        };
        // A reply is one write: waiting for more to send would only delay it.
        let _ = stream.set_nodelay(true);
        self.start(stream, visitor);
    }

    fn start(&self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, visitor: Visitor) {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            self.handle.note_crowded_out();
            let most = self.config.max_connections;
            self.told.crowded.note(move |count| {
                tracing::warn!(count, "local clients were refused: {most} are connected");
            });
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

    fn refuse(&self, refused: &Refused) {
        self.handle.note_refused_client();
        let why = refused.to_string();
        self.told
            .refused
            .note(move |count| tracing::warn!(count, "local clients were refused, the first one because {why}"));
    }

    /// Out of descriptors, mostly. Connections wait in the kernel meanwhile; a tight loop would take the whole core.
    async fn accept_failed(&self, error: io::Error) {
        self.told.not_accepted.note(move |count| tracing::warn!(count, %error, "local clients could not be accepted"));
        tokio::time::sleep(NO_DESCRIPTOR_PAUSE).await;
    }
}
