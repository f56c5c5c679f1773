//! What few and many contacts cost that are all away: peers that are looked at, counted.

use super::*;
use crate::turn::tests::{looks_of, peers};
use torchat_protocol::purpose::Purpose;

/// A node that wants to see all of so many contacts, of whom every second one must not see us, and dials as many at once as it may.
fn away(count: usize) -> (Node, Now, Vec<PeerId>) {
    let row = |(n, peer)| PeerSnapshot { contact: true, hidden: n % 2 == 1, ..PeerSnapshot::new(peer) };
    let rows = peers(count).into_iter().enumerate().map(row).collect();
    let own = parse_onion("pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd").unwrap();
    let snapshot = Snapshot { peers: rows, ..Snapshot::default() };
    let mut node = Node::new(own, Policy::default(), snapshot, START, &mut |out: &mut [u8]| out.fill(1));
    let usable = [Input::Network(NetworkInput::State { usable: true })];
    let mut dialled = dials(&node.turn(START, &mut |out: &mut [u8]| out.fill(1), usable));
    let mut now = START;
    for _ in 0..60 {
        now = Now { wall_ms: now.wall_ms + 1_000, mono_ms: now.mono_ms + 1_000 };
        dialled.extend(dials(&node.turn(now, &mut |out: &mut [u8]| out.fill(1), [])));
    }
    assert_eq!(dialled.len(), Policy::default().dial.concurrent);
    (node, now, dialled)
}

fn dials(turn: &Turn) -> Vec<PeerId> {
    let peer = |effect: &Effect| match effect {
        Effect::Network(NetworkEffect::Dial { peer, .. }) => Some(*peer),
        _ => None,
    };
    turn.effects.iter().filter_map(peer).collect()
}

/// For 16 dials that fail, and a turn behind each in which nothing happens.
fn looks_of_turns(count: usize) -> u64 {
    let (mut node, mut now, mut running) = away(count);
    looks_of(|| {
        for _ in 0..16 {
            now = Now { wall_ms: now.wall_ms + 1, mono_ms: now.mono_ms + 1 };
            let (peer, end) = (running.remove(0), DialFailure::PeerDown.into());
            let failed = [Input::Network(NetworkInput::DialFailed { peer, purpose: Purpose::CHAT, end })];
            let turn = node.turn(now, &mut |out: &mut [u8]| out.fill(1), failed);
            assert_eq!(dials(&turn).len(), 1, "another one has its place");
            running.extend(dials(&turn));
            node.turn(now, &mut |out: &mut [u8]| out.fill(1), []);
            let _looked_at = node.next_deadline();
        }
    })
}

#[test]
fn a_turn_with_many_contacts_that_are_away_costs_what_it_costs_with_few() {
    let few = looks_of_turns(100);
    assert!(few > 16, "{few}");
    assert_eq!(looks_of_turns(2_000), few);
}

#[test]
fn a_page_of_contacts_looks_at_what_is_on_it() {
    for count in [100, 2_000] {
        let (node, now, _) = away(count);
        let mut page = Vec::new();
        assert_eq!(looks_of(|| page.extend(node.contacts_after(None, now).take(20))), 20);
        let last = page.last().map(|contact| contact.peer);
        assert_eq!(looks_of(|| page.extend(node.contacts_after(last, now).take(20))), 20);
        assert!(page.is_sorted_by_key(|contact| contact.peer) && page.len() == 40);
        assert_eq!(looks_of(|| assert_eq!(node.status(now.mono_ms).contacts, count)), 0, "STATUS asks no contact");
    }
}
