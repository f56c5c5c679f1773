//! sock_diag(7), inet_diag: one socket by its addresses, without a walk over all of them.

use crate::{Found, plain};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const HEADER: usize = 16;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
/// The kernel's word for "there is no such socket".
const ENOENT: i32 = 2;

/// An open netlink socket. Kept, so that a question costs no descriptor: there may be none left when it is asked.
#[derive(Debug)]
pub(crate) struct Diag(Mutex<Open>);

#[derive(Debug)]
struct Open {
    socket: OwnedFd,
    /// Of the last question.
    number: u32,
}

impl Diag {
    pub(crate) fn open() -> io::Result<Self> {
        // Non-blocking: the kernel has the answer ready when send returns.
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(netlink::SOCK_DIAG))?;
        Ok(Self(Mutex::new(Open { socket, number: 0 })))
    }

    /// Whether it finds a socket that is there. A kernel without inet_diag says of each that there is none.
    pub(crate) fn works(&self) -> bool {
        let look = || -> io::Result<bool> {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let client = TcpStream::connect(listener.local_addr()?)?;
            let (near, far) = (client.local_addr()?, client.peer_addr()?);
            Ok(self
                .find(near, far)?
                .is_some_and(|found| (found.local, found.remote) == (near, far) && found.inode != 0))
        };
        look().unwrap_or(false)
    }

    /// The socket that is `local` to its owner. What comes may be another one: see the crate's first lines.
    pub(crate) fn find(&self, local: SocketAddr, remote: SocketAddr) -> io::Result<Option<Found>> {
        // Nothing in there can be left half done by a panic.
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.number = open.number.wrapping_add(1);
        send(&open.socket, &query(local, remote, open.number), SendFlags::empty())?;
        loop {
            let mut reply = [0u8; 1024];
            let (length, _) = recv(&open.socket, &mut reply, RecvFlags::empty())?;
            let reply = reply.get(..length).unwrap_or_default();
            // One that was not taken, of a question that failed.
            if field::<4>(reply, 8).map(u32::from_ne_bytes) != Some(open.number) {
                continue;
            }
            return parse(reply).unwrap_or_else(|| Err(io::ErrorKind::InvalidData.into()));
        }
    }
}

pub(crate) fn query(local: SocketAddr, remote: SocketAddr, number: u32) -> Vec<u8> {
    let family = if local.is_ipv4() { AF_INET } else { AF_INET6 };
    let mut body = vec![family, IPPROTO_TCP, 0, 0];
    // Every TCP state.
    body.extend(u32::MAX.to_ne_bytes());
    body.extend(local.port().to_be_bytes());
    body.extend(remote.port().to_be_bytes());
    for address in [local.ip(), remote.ip()] {
        match address {
            IpAddr::V4(address) => {
                body.extend(address.octets());
                body.extend([0; 12]);
            }
            IpAddr::V6(address) => body.extend(address.octets()),
        }
    }
    // Any interface.
    body.extend(0u32.to_ne_bytes());
    // No cookie: INET_DIAG_NOCOOKIE twice.
    body.extend([0xff; 8]);
    let length = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    message.extend(number.to_ne_bytes());
    message.extend(0u32.to_ne_bytes());
    message.extend(body);
    message
}

fn field<const N: usize>(reply: &[u8], at: usize) -> Option<[u8; N]> {
    reply.get(at..)?.first_chunk::<N>().copied()
}

/// An error, or struct inet_diag_msg: four bytes, the 48 bytes of the id, then expires, rqueue, wqueue, uid, inode.
/// `None`: it is neither.
fn parse(reply: &[u8]) -> Option<io::Result<Option<Found>>> {
    match u16::from_ne_bytes(field(reply, 4)?) {
        NLMSG_ERROR => match i32::from_ne_bytes(field(reply, HEADER)?).checked_neg()? {
            ENOENT => Some(Ok(None)),
            error => Some(Err(io::Error::from_raw_os_error(error))),
        },
        SOCK_DIAG_BY_FAMILY => {
            let body = reply.get(HEADER..)?;
            let address = |port: usize, ip: usize| -> Option<SocketAddr> {
                let ip = match *body.first()? {
                    AF_INET => IpAddr::V4(Ipv4Addr::from(field::<4>(body, ip)?)),
                    AF_INET6 => IpAddr::V6(Ipv6Addr::from(field::<16>(body, ip)?)),
                    _ => return None,
                };
                Some(plain(SocketAddr::new(ip, u16::from_be_bytes(field(body, port)?))))
            };
            Some(Ok(Some(Found {
                state: *body.get(1)?,
                local: address(4, 8)?,
                remote: address(6, 24)?,
                uid: u32::from_ne_bytes(field(body, 64)?),
                inode: u32::from_ne_bytes(field(body, 68)?),
            })))
        }
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_no_answer_is_an_error_and_not_a_socket() {
        assert!(parse(b"").is_none());
        assert!(parse(&[0; 200]).is_none());
        let mut error = vec![0; 36];
        error[4..6].copy_from_slice(&NLMSG_ERROR.to_ne_bytes());
        error[16..20].copy_from_slice(&(-13i32).to_ne_bytes());
        assert_eq!(parse(&error).unwrap().unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        error[16..20].copy_from_slice(&(-ENOENT).to_ne_bytes());
        assert_eq!(parse(&error).unwrap().unwrap(), None);
        for length in 0..HEADER + 72 {
            let mut cut = vec![0; length];
            if let Some(kind) = cut.get_mut(4..6) {
                kind.copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
            }
            if let Some(family) = cut.get_mut(HEADER) {
                *family = AF_INET;
            }
            assert!(parse(&cut).is_none(), "{length} bytes");
        }
    }
}
