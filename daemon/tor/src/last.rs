//! The circuits that worked last, by peer and group of dials: a cached descriptor may outlive a fetch.

use arti_client::StreamPrefs;
use std::collections::HashMap;
use torchat_protocol::id::PeerId;
use torchat_transport::Group;

/// Last working circuits that are remembered.
const REMEMBERED: usize = 1024;

/// The preferences, and so the circuits, of the last dial of each group to each peer that worked. The longest unused entry goes first.
#[derive(Default)]
pub(crate) struct LastCircuits {
    time: u64,
    prefs: HashMap<(PeerId, Group), (u64, StreamPrefs)>,
}

impl LastCircuits {
    pub(crate) fn get(&mut self, peer: PeerId, group: Group) -> Option<StreamPrefs> {
        self.time += 1;
        let (used, prefs) = self.prefs.get_mut(&(peer, group))?;
        *used = self.time;
        Some(prefs.clone())
    }

    pub(crate) fn insert(&mut self, peer: PeerId, group: Group, prefs: StreamPrefs) {
        self.time += 1;
        self.prefs.insert((peer, group), (self.time, prefs));
        if self.prefs.len() > REMEMBERED {
            // A look at a thousand entries, after a dial that took half a second.
            let oldest = self.prefs.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| *key);
            self.prefs.retain(|key, _| Some(*key) != oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use torchat_protocol::purpose::Purpose;

    fn peers() -> impl Iterator<Item = PeerId> {
        (0..=255u8).flat_map(|a| (0..=255u8).map(move |b| [a, b])).filter_map(|[a, b]| {
            let mut key = [0; 32];
            key[0] = a;
            key[1] = b;
            PeerId::from_key(key).ok()
        })
    }

    #[test]
    fn the_memory_of_circuits_is_bounded() {
        let mut last = LastCircuits::default();
        let peers: Vec<_> = peers().take(REMEMBERED + 10).collect();
        assert_eq!(peers.len(), REMEMBERED + 10);
        for peer in &peers[..REMEMBERED] {
            last.insert(*peer, Group::CHAT, StreamPrefs::new());
        }
        assert!(last.get(peers[0], Group::CHAT).is_some(), "and so it is used again");
        for peer in &peers[REMEMBERED..] {
            last.insert(*peer, Group::CHAT, StreamPrefs::new());
        }
        assert_eq!(last.prefs.len(), REMEMBERED);
        assert!(last.get(peers[0], Group::CHAT).is_some() && last.get(peers[REMEMBERED + 9], Group::CHAT).is_some());
        assert!(
            (1..=10).all(|n| last.get(peers[n], Group::CHAT).is_none()) && last.get(peers[11], Group::CHAT).is_some()
        );
    }

    #[test]
    fn the_circuits_of_one_group_are_no_others() {
        let mut last = LastCircuits::default();
        for peer in peers().take(1) {
            last.insert(peer, Group::CHAT, StreamPrefs::new());
            for beside in [Group { number: 1, ..Group::CHAT }, Group::first(Purpose::ROOM)] {
                assert!(last.get(peer, beside).is_none());
            }
            assert!(last.get(peer, Group::CHAT).is_some());
        }
    }
}
