//! Who connects, and what they may do: from here on a program is a carrier and a visitor.

use crate::ControlConfig;
use crate::access::{Access, Gate, Identity, Visitor, gone};
use crate::bind::Listeners;
use crate::carrier::Carrier;
use crate::contract::{self, SharedLimits};
use crate::seldom::Seldom;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use torchat_engine::handle::Handle;
use torchat_loopback::{Client, Owners, Refused, Users};
use torchat_protocol::control::token;

/// Clients of the port that are looked at side by side where that takes long: see [`Owners::is_quick`].
const LOOKS: usize = 4;
/// Pause when the process has no descriptor left.
const NO_DESCRIPTOR_PAUSE: Duration = Duration::from_millis(100);

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
            "the daemon does not serve uid {uid} of the socket for other users: it means every user that this user namespace does not map"
        );
    }
    let server = Arc::new(Server {
        gate: Gate::open(handle.clone(), config.must_prove).await,
        handle,
        places: Arc::new(Semaphore::new(config.max_connections)),
        limits: SharedLimits::default(),
        config: Arc::new(config),
        users,
        told: Told::default(),
        connections: TaskTracker::new(),
        stop,
    });
    let unix = listeners.unix.map(UnixListener::from_std).transpose()?;
    let group = listeners.group.map(UnixListener::from_std).transpose()?;
    let tcp = listeners.tcp.map(TcpListener::from_std).transpose()?;
    tokio::join!(server.serve_unix(unix, false), server.serve_unix(group, true), serve_tcp(&server, tcp));
    server.connections.close();
    server.connections.wait().await;
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
    limits: SharedLimits,
    told: Told,
    connections: TaskTracker,
    stop: CancellationToken,
}

/// The port. Nothing that takes longer than some microseconds is done between two accepts: a program that connects again and
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
            let judged = owners.client(&stream);
            server.admit(stream, judged);
            continue;
        }
        let place = tokio::select! {
            biased;
            () = server.stop.cancelled() => return,
            place = looks.clone().acquire_owned() => place,
        };
        let (server, owners) = (server.clone(), owners.clone());
        server.clone().connections.spawn(async move {
            let looked = tokio::task::spawn_blocking(move || (owners.client(&stream), stream)).await;
            drop(place);
            if let Ok((judged, stream)) = looked {
                server.admit(stream, judged);
            }
        });
    }
}

impl Server {
    /// `group`: users in the table are served too.
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
                Ok(access) => {
                    self.start(Carrier::unix(stream), Visitor::free(&self.gate, token::UNIX.to_owned(), access))
                }
                Err(refused) => self.refuse(&refused),
            }
        }
    }

    /// A client of the port, now that it is known whether it is the own user.
    fn admit(&self, stream: TcpStream, judged: Result<Client, Refused>) {
        let server = stream.local_addr().unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let address = token::tcp_address(server);
        let visitor = match judged {
            Ok(Client::Open) => Visitor::free(&self.gate, address, Access::own_user()),
            Ok(Client::Closed) => Visitor::free(&self.gate, address, Access::gone(Identity::Owner)),
            Err(Refused::Closed) if self.config.trust_closed => {
                Visitor::free(&self.gate, address, Access::gone(Identity::Unknown))
            }
            Err(refused @ Refused::Closed) => {
                if gone::has_words(&stream) {
                    self.handle.note_lost_command();
                }
                // It could prove no token either: for that it would have to read.
                return self.refuse(&refused);
            }
            Err(refused) => match Visitor::stranger(&self.gate, address) {
                Some(stranger) => stranger,
                None => return self.refuse(&refused),
            },
        };
        self.start(Carrier::tcp(stream), visitor);
    }

    fn start(&self, carrier: Carrier, visitor: Visitor) {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            self.handle.note_crowded_out();
            let most = self.config.max_connections;
            self.told.crowded.note(move |count| {
                tracing::warn!(count, "local clients were refused: {most} are connected");
            });
            return;
        };
        let (handle, config, limits, stop) =
            (self.handle.clone(), self.config.clone(), self.limits.clone(), self.stop.child_token());
        // In a box: what is awaited within another future takes its room twice.
        let connection = Box::pin(contract::serve(carrier, visitor, handle, config, limits, stop));
        self.connections.spawn(async move {
            connection.await;
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
