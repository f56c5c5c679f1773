//! The circuits that worked last, peer by peer: a cached descriptor may outlive a fetch.

use arti_client::StreamPrefs;
use std::collections::HashMap;
use torchat_protocol::id::PeerId;

/// Peers whose last working circuits are remembered.
const REMEMBERED: usize = 1024;

/// The preferences, and so the circuits, of the last dial to each peer that worked. The longest unused entry goes first.
#[derive(Default)]
pub(crate) struct LastCircuits {
    time: u64,
    prefs: HashMap<PeerId, (u64, StreamPrefs)>,
}

impl LastCircuits {
    pub(crate) fn get(&mut self, peer: &PeerId) -> Option<StreamPrefs> {
        self.time += 1;
        let (used, prefs) = self.prefs.get_mut(peer)?;
        *used = self.time;
        Some(prefs.clone())
    }

    pub(crate) fn insert(&mut self, peer: PeerId, prefs: StreamPrefs) {
        self.time += 1;
        self.prefs.insert(peer, (self.time, prefs));
        if self.prefs.len() > REMEMBERED {
            // A look at a thousand entries, after a dial that took half a second.
            let oldest = self.prefs.iter().min_by_key(|(_, (used, _))| *used).map(|(peer, _)| *peer);
            self.prefs.retain(|peer, _| Some(*peer) != oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_circuits_is_bounded() {
        let mut last = LastCircuits::default();
        let peers: Vec<_> = (0..=255u8)
            .flat_map(|a| (0..=255u8).map(move |b| [a, b]))
            .filter_map(|[a, b]| {
                let mut key = [0; 32];
                key[0] = a;
                key[1] = b;
                PeerId::from_key(key).ok()
            })
            .take(REMEMBERED + 10)
            .collect();
        assert_eq!(peers.len(), REMEMBERED + 10);
        for peer in &peers[..REMEMBERED] {
            last.insert(*peer, StreamPrefs::new());
        }
        assert!(last.get(&peers[0]).is_some(), "and so it is used again");
        for peer in &peers[REMEMBERED..] {
            last.insert(*peer, StreamPrefs::new());
        }
        assert_eq!(last.prefs.len(), REMEMBERED);
        assert!(last.get(&peers[0]).is_some() && last.get(&peers[REMEMBERED + 9]).is_some());
        assert!((1..=10).all(|n| last.get(&peers[n]).is_none()) && last.get(&peers[11]).is_some());
    }
}
