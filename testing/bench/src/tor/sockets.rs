//! What a process costs while it idles: processor time, and bytes on its TCP connections.

use crate::memory::cpu_ns;
use anyhow::{Context as _, bail, ensure};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Between two looks at the counters. A connection that closes takes what it carried since the last look with it.
const LOOK: Duration = Duration::from_secs(2);

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// NLM_F_REQUEST and NLM_F_DUMP.
const DUMP: u16 = 1 | 0x300;
const NLMSG_HEADER: usize = 16;
const AF_INET: u8 = 2;
const IPPROTO_TCP: u8 = 6;
/// The attribute that holds struct tcp_info.
const INET_DIAG_INFO: u16 = 2;
/// struct inet_diag_msg.
const DIAG_MESSAGE: usize = 72;
/// Offsets in struct tcp_info, linux/tcp.h: bytes that the other side acknowledged, and bytes received.
const BYTES_ACKED: usize = 120;
const BYTES_RECEIVED: usize = 128;

/// One TCP connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Connection {
    inode: u32,
    local_port: u16,
    /// Of the stream, both ways, without headers and retransmissions.
    bytes: u64,
}

/// What a process used in a window.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Used {
    /// Of one core, in nanoseconds.
    pub(super) cpu_ns: u64,
    /// Payload of all its TCP connections but the control port's, both ways.
    pub(super) bytes: u64,
}

/// A process that is watched.
pub(super) struct Watched {
    pid: u32,
    control_port: u16,
    last: BTreeMap<u32, u64>,
    bytes: u64,
}

impl Watched {
    pub(super) fn new(pid: u32, control_port: u16) -> Self {
        Self { pid, control_port, last: BTreeMap::new(), bytes: 0 }
    }

    /// Adds what was carried since the last look.
    fn look(&mut self, connections: &[Connection]) -> anyhow::Result<()> {
        let own = inodes(self.pid)?;
        let mut now = BTreeMap::new();
        for connection in connections {
            if own.contains(&connection.inode) && connection.local_port != self.control_port {
                now.insert(connection.inode, connection.bytes);
            }
        }
        // A new connection counts from its first byte.
        let carried = now.iter().map(|(inode, bytes)| bytes.saturating_sub(self.last.get(inode).copied().unwrap_or(0)));
        self.bytes += carried.sum::<u64>();
        self.last = now;
        Ok(())
    }
}

/// Watches some processes at the same time for a window.
pub(super) fn watch<const N: usize>(watched: &mut [Watched; N], window: Duration) -> anyhow::Result<[Used; N]> {
    let look = |watched: &mut [Watched; N]| {
        let connections = connections()?;
        watched.iter_mut().try_for_each(|process| process.look(&connections))
    };
    look(watched)?;
    let mut before = [Used::default(); N];
    for (used, process) in before.iter_mut().zip(&*watched) {
        *used = Used { cpu_ns: cpu_ns(process.pid)?, bytes: process.bytes };
    }
    let end = Instant::now() + window;
    while Instant::now() < end {
        std::thread::sleep(LOOK.min(end.saturating_duration_since(Instant::now())));
        look(watched)?;
    }
    let mut used = before;
    for (used, process) in used.iter_mut().zip(&*watched) {
        used.cpu_ns = cpu_ns(process.pid)?.saturating_sub(used.cpu_ns);
        used.bytes = process.bytes - used.bytes;
    }
    Ok(used)
}

/// The sockets of a process.
fn inodes(pid: u32) -> anyhow::Result<BTreeSet<u32>> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd"))? {
        // It may be closed meanwhile.
        let Ok(target) = std::fs::read_link(entry?.path()) else { continue };
        let target = target.to_string_lossy();
        let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
        found.extend(inode.and_then(|inode| inode.parse::<u32>().ok()));
    }
    Ok(found)
}

/// Every TCP connection over IPv4, by sock_diag(7).
fn connections() -> anyhow::Result<Vec<Connection>> {
    let socket =
        socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(netlink::SOCK_DIAG))?;
    send(&socket, &request(), SendFlags::empty())?;
    let mut found = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let (length, _) = recv(&socket, &mut buffer[..], RecvFlags::empty())?;
        ensure!(length > 0, "sock_diag says nothing");
        if parse(&buffer[..length], &mut found)? {
            return Ok(found);
        }
    }
}

fn request() -> Vec<u8> {
    let mut body = vec![AF_INET, IPPROTO_TCP, 1 << (INET_DIAG_INFO - 1), 0];
    // Every TCP state, every address.
    body.extend(u32::MAX.to_ne_bytes());
    body.extend([0; 48]);
    let length = u32::try_from(NLMSG_HEADER + body.len()).unwrap_or(u32::MAX);
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message.extend(DUMP.to_ne_bytes());
    message.extend(1u32.to_ne_bytes());
    message.extend(0u32.to_ne_bytes());
    message.extend(body);
    message
}

/// Reads the messages of a datagram. Returns whether it was the last one.
fn parse(mut datagram: &[u8], found: &mut Vec<Connection>) -> anyhow::Result<bool> {
    let u16_at = |bytes: &[u8], at: usize| Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
    let u32_at = |bytes: &[u8], at: usize| Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
    let u64_at = |bytes: &[u8], at: usize| Some(u64::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
    let next = |length: usize| length.next_multiple_of(4);
    while !datagram.is_empty() {
        let length = u32_at(datagram, 0).context("a short netlink message")? as usize;
        let message = datagram.get(NLMSG_HEADER..length).context("a short netlink message")?;
        match u16_at(datagram, 4) {
            Some(NLMSG_DONE) => return Ok(true),
            Some(NLMSG_ERROR) => bail!("sock_diag refuses: {message:?}"),
            _ => {}
        }
        // inet_diag_msg: four bytes, then the port in network order; the inode is its last field.
        let port = message.get(4..6).map(|port| u16::from_be_bytes([port[0], port[1]]));
        let (port, inode) = port.zip(u32_at(message, DIAG_MESSAGE - 4)).context("a short answer of sock_diag")?;
        let mut attributes = message.get(DIAG_MESSAGE..).unwrap_or_default();
        while let (Some(length), Some(kind)) = (u16_at(attributes, 0), u16_at(attributes, 2)) {
            let length = usize::from(length).max(4);
            if kind == INET_DIAG_INFO {
                let info = attributes.get(4..length).unwrap_or_default();
                let bytes = u64_at(info, BYTES_ACKED).zip(u64_at(info, BYTES_RECEIVED));
                // A listening socket has none.
                found.extend(bytes.map(|(acked, received)| Connection {
                    inode,
                    local_port: port,
                    bytes: acked + received,
                }));
            }
            attributes = attributes.get(next(length)..).unwrap_or_default();
        }
        datagram = datagram.get(next(length)..).unwrap_or_default();
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn bytes_of_our_own_connection_are_counted_both_ways() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        client.write_all(&[0; 3000]).unwrap();
        server.read_exact(&mut [0; 3000]).unwrap();
        server.write_all(&[0; 70]).unwrap();
        client.read_exact(&mut [0; 70]).unwrap();
        let own = inodes(std::process::id()).unwrap();
        // The acknowledgement of the last bytes may be on its way. The kernel counts the SYN and the FIN as bytes.
        let at = client.local_addr().unwrap().port();
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let mut found = connections().unwrap();
            found.retain(|found| own.contains(&found.inode));
            let bytes =
                |port: u16| found.iter().filter(|found| found.local_port == port).map(|found| found.bytes).max();
            if [at, port].iter().all(|port| bytes(*port).is_some_and(|bytes| (3070..=3072).contains(&bytes))) {
                return;
            }
            assert!(Instant::now() < deadline, "{found:?}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn our_own_processor_time_grows() {
        let before = cpu_ns(std::process::id()).unwrap();
        while cpu_ns(std::process::id()).unwrap() == before {
            std::hint::black_box((0..10_000).sum::<u64>());
        }
    }
}
