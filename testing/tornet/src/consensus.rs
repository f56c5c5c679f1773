//! What the authorities agree on, asked over their directory port.

use anyhow::ensure;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// What a consensus says of the relays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Relays in it.
    pub relays: usize,
    /// Relays that run.
    pub running: usize,
    /// Relays that keep descriptors of onion services.
    pub hsdir: usize,
    /// Relays that may be guards.
    pub guard: usize,
}

impl Counts {
    /// Counts a consensus (dir-spec 3.4.1: `r` begins a relay, `s` lists its flags).
    #[must_use]
    pub fn of(consensus: &str) -> Self {
        let mut counts = Self::default();
        for line in consensus.lines() {
            if line.starts_with("r ") {
                counts.relays += 1;
            } else if let Some(flags) = line.strip_prefix("s ") {
                let has = |flag| usize::from(flags.split(' ').any(|word| word == flag));
                counts.running += has("Running");
                counts.hsdir += has("HSDir");
                counts.guard += has("Guard");
            }
        }
        counts
    }

    pub(crate) fn all_usable(self, nodes: usize) -> bool {
        [self.running, self.hsdir, self.guard].iter().all(|count| *count == nodes)
    }
}

/// Counts the newest consensus of an authority, in the flavour that clients use.
pub(crate) fn counts(dir_port: u16) -> anyhow::Result<Counts> {
    // A node that is suspended takes the connection and says nothing.
    let patience = Some(Duration::from_secs(3));
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, dir_port))?;
    stream.set_read_timeout(patience)?;
    stream.set_write_timeout(patience)?;
    stream.write_all(b"GET /tor/status-vote/current/consensus-microdesc HTTP/1.0\r\n\r\n")?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply)?;
    let reply = String::from_utf8_lossy(&reply);
    ensure!(reply.starts_with("HTTP/1.0 200"), "no consensus yet");
    Ok(Counts::of(&reply))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_counted_as_words() {
        let text = "r a1 xyz\ns Authority Fast Guard HSDir Running V2Dir Valid\n\
            r r1 abc\ns Fast HSDirX Running\nvalid-after x\n";
        let counts = Counts::of(text);
        assert_eq!(counts, Counts { relays: 2, running: 2, hsdir: 1, guard: 1 });
        assert!(!counts.all_usable(2));
        assert_eq!(Counts::of(""), Counts::default());
    }
}
