//! What can be said of a network.

use crate::Counts;
use std::fmt;

/// What runs, and what the authorities agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Each node and its process, if that lives. A suspended process lives.
    pub nodes: Vec<(String, Option<u32>)>,
    /// What the newest consensus of the first authority that answers says; `None` when none has one.
    pub consensus: Option<Counts>,
}

impl Status {
    /// Whether every node lives and is usable for everything. The authorities do not test each other's reachability (that
    /// would take minutes), so a consensus goes on to call a dead relay running: that is why the processes count too.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.nodes.iter().all(|(_, pid)| pid.is_some())
            && self.consensus.is_some_and(|counts| counts.all_usable(self.nodes.len()))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, pid) in &self.nodes {
            match pid {
                Some(pid) => writeln!(f, "{name}  runs, process {pid}")?,
                None => writeln!(f, "{name}  does not run")?,
            }
        }
        match self.consensus {
            Some(c) => {
                write!(f, "consensus: {} relays, {} running, {} HSDir, {} Guard", c.relays, c.running, c.hsdir, c.guard)
            }
            None => write!(f, "no consensus"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usable_means_every_process_and_every_flag() {
        let all = Counts { relays: 2, running: 2, hsdir: 2, guard: 2 };
        let status = |pid, consensus| Status { nodes: vec![("a1".into(), Some(7)), ("r1".into(), pid)], consensus };
        assert!(status(Some(8), Some(all)).is_usable());
        assert!(!status(None, Some(all)).is_usable());
        assert!(!status(Some(8), None).is_usable());
        assert!(!status(Some(8), Some(Counts { hsdir: 1, ..all })).is_usable());
        assert_eq!(
            status(None, Some(all)).to_string(),
            "a1  runs, process 7\nr1  does not run\nconsensus: 2 relays, 2 running, 2 HSDir, 2 Guard"
        );
    }
}
