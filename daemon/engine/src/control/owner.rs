//! Which user owns the other end of a loopback TCP connection.
//!
//! Asked right after accept, by an exact netlink query (sock_diag(7), inet_diag) for the client's socket, with
//! `/proc/net/tcp` as the fallback. A client that writes and closes at once leaves a socket without an owner: the kernel
//! then shows uid 0 and inode 0, in both places. So the inode must not be 0, and root is not special. The TCP state does
//! not matter: a script that half-closed is welcome.

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with};
use std::io;
use std::net::{SocketAddr, SocketAddrV4};

/// Why a client is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("its socket belongs to another user")]
    OtherUser,
    #[error("its socket has no owner any more (it closed before it was looked at)")]
    NoOwner,
    #[error("its owner could not be found out: {0}")]
    Unknown(io::Error),
}

/// Whether the client at `client`, connected to us at `server`, runs under our own uid.
pub(super) fn check(client: SocketAddr, server: SocketAddr) -> Result<(), Refused> {
    let (SocketAddr::V4(client), SocketAddr::V4(server)) = (client, server) else {
        return Err(Refused::Unknown(io::ErrorKind::Unsupported.into()));
    };
    let owner = match by_netlink(client, server) {
        Ok(Some(owner)) => Ok(Some(owner)),
        Ok(None) | Err(_) => by_proc(client, server),
    };
    match owner {
        Err(error) => Err(Refused::Unknown(error)),
        Ok(None | Some(Owner { inode: 0, .. })) => Err(Refused::NoOwner),
        Ok(Some(owner)) if owner.uid == rustix::process::geteuid().as_raw() => Ok(()),
        Ok(Some(_)) => Err(Refused::OtherUser),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Owner {
    uid: u32,
    inode: u32,
}

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const NLMSG_HEADER: usize = 16;
const AF_INET: u8 = 2;
const IPPROTO_TCP: u8 = 6;

/// The client's socket is the one whose source is the client's address. `None`: the kernel knows no such socket.
fn by_netlink(client: SocketAddrV4, server: SocketAddrV4) -> io::Result<Option<Owner>> {
    // Non-blocking: the kernel has the answer ready when send returns.
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(netlink::SOCK_DIAG))?;
    send(&socket, &query(client, server), SendFlags::empty())?;
    let mut reply = [0u8; 1024];
    let (len, _) = recv(&socket, &mut reply, RecvFlags::empty())?;
    Ok(parse_reply(reply.get(..len).unwrap_or_default()))
}

fn query(client: SocketAddrV4, server: SocketAddrV4) -> Vec<u8> {
    let mut body = vec![AF_INET, IPPROTO_TCP, 0, 0];
    // Every TCP state.
    body.extend(u32::MAX.to_ne_bytes());
    body.extend(client.port().to_be_bytes());
    body.extend(server.port().to_be_bytes());
    for address in [client.ip(), server.ip()] {
        body.extend(address.octets());
        body.extend([0; 12]);
    }
    body.extend(0u32.to_ne_bytes());
    // No cookie: INET_DIAG_NOCOOKIE twice.
    body.extend([0xff; 8]);
    let length = u32::try_from(NLMSG_HEADER + body.len()).unwrap_or(u32::MAX);
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    message.extend(1u32.to_ne_bytes());
    message.extend(0u32.to_ne_bytes());
    message.extend(body);
    message
}

/// struct inet_diag_msg: four bytes, the 48 bytes of the id, then expires, rqueue, wqueue, uid, inode.
fn parse_reply(reply: &[u8]) -> Option<Owner> {
    if reply.get(4..6)? != SOCK_DIAG_BY_FAMILY.to_ne_bytes() {
        return None;
    }
    let field = |at: usize| Some(u32::from_ne_bytes(reply.get(NLMSG_HEADER + at..)?.first_chunk::<4>().copied()?));
    Some(Owner { uid: field(64)?, inode: field(68)? })
}

fn by_proc(client: SocketAddrV4, server: SocketAddrV4) -> io::Result<Option<Owner>> {
    Ok(parse_table(&std::fs::read_to_string("/proc/net/tcp")?, client, server))
}

/// proc(5): the addresses as the hexadecimal number in memory, so on every byte order what `from_ne_bytes` gives.
fn parse_table(table: &str, client: SocketAddrV4, server: SocketAddrV4) -> Option<Owner> {
    let text = |a: SocketAddrV4| format!("{:08X}:{:04X}", u32::from_ne_bytes(a.ip().octets()), a.port());
    let (local, remote) = (text(client), text(server));
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        (fields.get(1) == Some(&local.as_str()) && fields.get(2) == Some(&remote.as_str())).then_some(())?;
        Some(Owner { uid: fields.get(7)?.parse().ok()?, inode: fields.get(9)?.parse().ok()? })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::net::{TcpListener, TcpStream};

    fn connected() -> (TcpStream, TcpStream, SocketAddrV4, SocketAddrV4) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let v4 = |a: SocketAddr| if let SocketAddr::V4(a) = a { a } else { unreachable!("we bound to IPv4") };
        let (near, far) = (v4(client.local_addr().unwrap()), v4(client.peer_addr().unwrap()));
        (client, accepted, near, far)
    }

    #[test]
    fn both_ways_find_the_same_owner() {
        let (_client, _accepted, near, far) = connected();
        let netlink = by_netlink(near, far).unwrap().expect("netlink knows the socket");
        assert_eq!(netlink.uid, rustix::process::geteuid().as_raw());
        assert_ne!(netlink.inode, 0);
        assert_eq!(by_proc(near, far).unwrap(), Some(netlink));
    }

    #[test]
    fn a_client_that_left_has_no_owner() {
        let (client, _accepted, near, far) = connected();
        drop(client);
        assert!(matches!(check(SocketAddr::V4(near), SocketAddr::V4(far)), Err(Refused::NoOwner)));
    }

    #[test]
    fn a_half_closed_client_is_still_itself() {
        let (client, _accepted, near, far) = connected();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(check(SocketAddr::V4(near), SocketAddr::V4(far)).is_ok());
    }

    #[test]
    fn an_unknown_socket_has_no_owner() {
        let a = "127.0.0.1:1".parse().unwrap();
        let b = "127.0.0.1:2".parse().unwrap();
        assert!(matches!(check(a, b), Err(Refused::NoOwner)));
    }
}
