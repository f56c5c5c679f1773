//! `/proc/net/tcp` and `tcp6`, for systems without sock_diag. Slow: the kernel writes out every connection that there is.

use crate::{Found, plain};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The socket that is `local` to its owner.
pub(crate) fn find(local: SocketAddr, remote: SocketAddr) -> io::Result<Option<Found>> {
    if let Some(found) = find_in(&std::fs::read_to_string("/proc/net/tcp")?, local, remote) {
        return Ok(Some(found));
    }
    // Sockets for both versions of IP; the file is missing where there is no IPv6.
    match std::fs::read_to_string("/proc/net/tcp6") {
        Ok(table) => Ok(find_in(&table, local, remote)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A connection may stand there twice for a moment, as what is left of the last one with these numbers: one that somebody has
/// open counts.
fn find_in(table: &str, local: SocketAddr, remote: SocketAddr) -> Option<Found> {
    let rows = || table.lines().skip(1).filter_map(row).filter(|row| (row.local, row.remote) == (local, remote));
    rows().find(|row| row.inode != 0).or_else(|| rows().next())
}

/// proc(5).
fn row(line: &str) -> Option<Found> {
    let fields: Vec<_> = line.split_ascii_whitespace().collect();
    Some(Found {
        state: u8::from_str_radix(fields.get(3)?, 16).ok()?,
        local: address(fields.get(1)?)?,
        remote: address(fields.get(2)?)?,
        uid: fields.get(7)?.parse().ok()?,
        inode: fields.get(9)?.parse().ok()?,
    })
}

/// The address as hexadecimal numbers of four bytes in memory, so on every byte order what `to_ne_bytes` gives.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let word = |at: usize| Some(u32::from_str_radix(ip.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut octets = [0; 16];
            for (n, four) in octets.chunks_mut(4).enumerate() {
                four.copy_from_slice(&word(8 * n)?);
            }
            IpAddr::V6(Ipv6Addr::from(octets))
        }
        _ => return None,
    };
    Some(plain(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?)))
}
