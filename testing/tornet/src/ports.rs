//! Free ports on loopback.

use crate::{Config, Node};
use anyhow::{Context as _, bail};
use std::hash::{BuildHasher as _, Hasher as _};
use std::net::{Ipv4Addr, TcpListener};

/// Where ports are looked for: below 32768, where Linux begins to give out ports to connecting sockets. A port of that
/// upper range could be lost to any connection while its node is down.
const RANGE: std::ops::Range<u16> = 10_000..30_000;

/// The nodes of a network, with their ports.
pub(crate) fn choose(config: &Config) -> anyhow::Result<Vec<Node>> {
    let mut ports = Ports { next: config.base_port, held: Vec::new() };
    let mut nodes = Vec::new();
    for n in 1..=config.authorities {
        nodes.push(Node { name: format!("a{n}"), or_port: ports.take()?, dir_port: Some(ports.take()?) });
    }
    for n in 1..=config.relays {
        nodes.push(Node { name: format!("r{n}"), or_port: ports.take()?, dir_port: None });
    }
    Ok(nodes)
}

/// One free port. It is free now; who needs it must be ready to find it taken.
pub(crate) fn free() -> anyhow::Result<u16> {
    Ports { next: None, held: Vec::new() }.take()
}

struct Ports {
    /// The next port, when the caller said where to begin.
    next: Option<u16>,
    /// Held until all are chosen, so that none is chosen twice.
    held: Vec<TcpListener>,
}

impl Ports {
    fn take(&mut self) -> anyhow::Result<u16> {
        if let Some(port) = self.next {
            let held = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| format!("port {port}"))?;
            self.held.push(held);
            self.next = Some(port.checked_add(1).context("no port is left")?);
            return Ok(port);
        }
        for _ in 0..1000 {
            let port = RANGE.start + u16::try_from(random() % u64::from(RANGE.end - RANGE.start))?;
            if let Ok(held) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
                self.held.push(held);
                return Ok(port);
            }
        }
        bail!("no port between {} and {} is free", RANGE.start, RANGE.end)
    }
}

/// A number from the entropy with which the standard library seeds its hash maps: enough to keep two networks apart.
fn random() -> u64 {
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_port_is_another_one() {
        let nodes = choose(&Config { authorities: 10, relays: 10, ..Config::default() }).unwrap();
        let mut ports: Vec<_> = nodes.iter().map(|node| node.or_port).collect();
        ports.extend(nodes.iter().filter_map(|node| node.dir_port));
        assert_eq!(ports.len(), 30);
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 30);
        assert!(ports.iter().all(|port| RANGE.contains(port)));
    }

    #[test]
    fn a_base_port_that_is_taken_is_named() {
        // The port after a free one may be taken by others; the first one is held here, which is all that matters.
        let port = free().unwrap();
        let _held = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let error = choose(&Config { base_port: Some(port), ..Config::default() }).unwrap_err();
        assert!(format!("{error:#}").contains(&port.to_string()), "{error:#}");
    }
}
