//! Which user is at the other end of a loopback TCP connection.
//!
//! Loopback is no authentication: every user and every container with the host's network reaches it. Unix sockets tell who
//! is there (`SO_PEERCRED`), TCP sockets do not. So the kernel is asked for the socket at the other end, by sock_diag(7) or, where
//! that is missing, by `/proc/net/tcp`. The daemon asks so about its clients, a client without a token about its daemon.
//!
//! The answer is by address, not by connection, so it is believed only if all of this holds:
//! - Its addresses and ports are exactly those asked for, and both are loopback addresses. The kernel names a *listener* on the
//!   port when there is no connection, and a packet filter can give a connection from outside a loopback address to
//!   talk to.
//! - Its state is one in which a program holds the other end. A socket that only begins to connect, a listener, and what is left
//!   of a closed connection are refused.
//! - It has an inode, so a program has it open.
//! - *Afterwards* our own end is still connected. A connection that was reset is accepted like any other, with the bytes that
//!   it brought, and its addresses may be somebody else's by then. As long as our end lives, the kernel lets nobody else
//!   have its four numbers.
//! - The uid is not the overflow uid, as which a user namespace shows every user that it does not map.
//!
//! **A program that wrote and closed at once** leaves a socket without an inode. Linux 6.17 and later still say whose it was
//! (`sk_uid`), older ones say 0 for everybody. Measured on 6.18 over loopback, 40 sockets each: the record is whole until
//! the end that is left confirms the FIN, some 40 ms later or with its first answer; then a remnant takes its place (a
//! `TIME_WAIT` in the disguise of `FIN_WAIT2`), which has uid 0 for everybody, and goes after a minute. So a daemon that asks as
//! soon as it accepts still learns the owner of nearly every one. [`Owners::client`] believes the record only where
//! [`closed::keeps_uids`] has seen that this kernel keeps uids, and never the uid of a remnant.

mod closed;
mod diag;
mod table;
mod users;

pub use users::{CannotTell, Users};

use rustix::net::{getpeername, getsockname};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Why the other end is not taken for our own user's.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The socket belongs to somebody else.
    #[error("its socket belongs to another user")]
    OtherUser,
    /// The socket belongs to a user that this user namespace does not know.
    #[error("its socket belongs to a user that this user namespace does not map")]
    Nobody,
    /// Nobody has the other end open, or it is not the other end of this connection.
    #[error("its socket has no owner any more (it closed before it was looked at)")]
    NoOwner,
    /// A program of this machine had the other end, has closed it, and the kernel does not say any more whose it was. Only
    /// [`Owners::client`] tells this apart from [`Refused::NoOwner`].
    #[error(
        "its program closed the socket before it was looked at, and the kernel does not know any more whose it was"
    )]
    Closed,
    /// No program has the other end open yet.
    #[error("no program has accepted the connection yet")]
    NotAccepted,
    /// One end is no loopback address.
    #[error("it does not come from a loopback address")]
    NotLoopback,
    /// The kernel did not tell.
    #[error("its owner could not be found out: {0}")]
    Unknown(io::Error),
}

/// The other end of a connection, as the kernel describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    /// As include/net/tcp_states.h numbers them.
    state: u8,
    local: SocketAddr,
    remote: SocketAddr,
    uid: u32,
    inode: u32,
}

const ESTABLISHED: u8 = 1;
const FIN_WAIT1: u8 = 4;
const FIN_WAIT2: u8 = 5;
const CLOSE_WAIT: u8 = 8;

/// A program of our own user at the other end, as [`Owners::client`] finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// It has its socket open, and can read an answer.
    Open,
    /// It has closed its socket: nobody will read an answer.
    Closed,
}

/// How the kernel is asked.
#[derive(Debug)]
enum Way {
    Diag(diag::Diag),
    Table,
}

/// Asks the kernel. Made once, because how it can be asked is tried out then.
#[derive(Debug)]
pub struct Owners {
    way: Way,
    users: Users,
    /// The kernel says whose a socket was that its program has closed.
    keeps_uids: bool,
}

impl Owners {
    /// Tries out how the kernel can be asked. May block for some milliseconds: the kernel may load a module.
    #[must_use]
    pub fn new() -> Self {
        let way = diag::Diag::open().ok().filter(diag::Diag::works).map_or(Way::Table, Way::Diag);
        let users = Users::of_this_process();
        let keeps_uids = closed::keeps_uids(&way, users);
        Self { way, users, keeps_uids }
    }

    /// Whether a question takes microseconds. If not, the kernel writes out all its connections for each one, which takes
    /// some 20 milliseconds on a large machine: nothing for a thread that serves others.
    #[must_use]
    pub const fn is_quick(&self) -> bool {
        matches!(self.way, Way::Diag(_))
    }

    /// Whether the kernel still says whose a socket was that its program has just closed.
    #[must_use]
    pub const fn knows_closed(&self) -> bool {
        self.keeps_uids
    }

    /// Whether the other end of a connected TCP socket is a program of our own user.
    ///
    /// # Errors
    /// Why not, or why it cannot be told.
    pub fn check(&self, socket: impl AsFd) -> Result<(), Refused> {
        match self.client(socket) {
            Ok(Client::Open) => Ok(()),
            Ok(Client::Closed) | Err(Refused::Closed) => Err(Refused::NoOwner),
            Err(refused) => Err(refused),
        }
    }

    /// As [`Self::check`], for the side that has accepted; a program of our own user that has closed its socket already is
    /// one, too, if the kernel still says that it was ours.
    ///
    /// # Errors
    /// Why not, or why it cannot be told.
    pub fn client(&self, socket: impl AsFd) -> Result<Client, Refused> {
        let socket = socket.as_fd();
        let (near, far) = (near(socket)?, peer(socket)?.ok_or(Refused::NoOwner)?);
        if !near.ip().is_loopback() || !far.ip().is_loopback() {
            return Err(Refused::NotLoopback);
        }
        let found = self.way.find(far, near).map_err(Refused::Unknown)?;
        // Only now: see the first lines.
        if peer(socket)? != Some(far) {
            return Err(Refused::NoOwner);
        }
        self.judge(found, far, near)
    }

    /// As [`Self::check`], for the side that has connected: waits at most this long until the other end is accepted by a program.
    ///
    /// # Errors
    /// As [`Self::check`]; [`Refused::NotAccepted`] if no program accepts it in time.
    pub fn check_accepted(&self, socket: impl AsFd, patience: Duration) -> Result<(), Refused> {
        let begun = Instant::now();
        let mut pause = Duration::from_micros(100);
        loop {
            match self.check(socket.as_fd()) {
                Err(Refused::NotAccepted) if begun.elapsed() < patience => {}
                judged => return judged,
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    fn judge(&self, found: Option<Found>, local: SocketAddr, remote: SocketAddr) -> Result<Client, Refused> {
        let found = found.ok_or(Refused::NoOwner)?;
        let held = matches!(found.state, ESTABLISHED | FIN_WAIT1 | FIN_WAIT2 | CLOSE_WAIT);
        if !held || (found.local, found.remote) != (local, remote) {
            return Err(Refused::NoOwner);
        }
        let client = match (found.inode, found.state) {
            // What a program has closed has said so to the other end, and is in another state.
            (0, ESTABLISHED) => return Err(Refused::NotAccepted),
            (0, _) if closed::knows_uid(&found, self.keeps_uids) => Client::Closed,
            (0, FIN_WAIT1 | FIN_WAIT2) => return Err(Refused::Closed),
            (0, _) => return Err(Refused::NoOwner),
            _ => Client::Open,
        };
        match found.uid {
            uid if self.users.is_nobody(uid) => Err(Refused::Nobody),
            uid if uid == self.users.own() => Ok(client),
            _ => Err(Refused::OtherUser),
        }
    }
}

impl Way {
    /// The socket that is `local` to its owner.
    fn find(&self, local: SocketAddr, remote: SocketAddr) -> io::Result<Option<Found>> {
        match self {
            Self::Diag(diag) => diag.find(local, remote),
            Self::Table => table::find(local, remote),
        }
    }
}

impl Default for Owners {
    fn default() -> Self {
        Self::new()
    }
}

/// An IPv4 address is itself, however its socket writes it: a socket for both versions says `::ffff:127.0.0.1`.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn near(socket: impl AsFd) -> Result<SocketAddr, Refused> {
    let address = getsockname(socket).and_then(SocketAddr::try_from);
    address.map(plain).map_err(|error| Refused::Unknown(error.into()))
}

/// `None`: it is not connected any more. The kernel says so from the moment at which a reset has arrived.
fn peer(socket: impl AsFd) -> Result<Option<SocketAddr>, Refused> {
    match getpeername(socket) {
        Ok(address) => match address.map(SocketAddr::try_from).transpose() {
            Ok(address) => Ok(address.map(plain)),
            Err(error) => Err(Refused::Unknown(error.into())),
        },
        Err(rustix::io::Errno::NOTCONN) => Ok(None),
        Err(error) => Err(Refused::Unknown(error.into())),
    }
}

#[cfg(test)]
mod tests;
