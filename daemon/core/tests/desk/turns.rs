//! Two daemons that share more rooms than their link has channels.

use crate::net::{Net, invite};
use torchat_core::snapshot::rooms::RoomState;
use torchat_protocol::room::RoomId;

/// Rooms of two desks, one more for each number, made by the first or by the other in turn.
fn rooms_of_two(net: &mut Net, count: usize) -> Vec<RoomId> {
    let rooms = (0..count).map(|n| {
        let maker = n % 2;
        let room = net.make(maker);
        let way = net.invite(maker, room, invite());
        net.join(1 - maker, &way);
        net.pass(5_000);
        room
    });
    let rooms: Vec<_> = rooms.collect();
    let deadline = net.now_ms + 4 * 3_600_000;
    while !rooms.iter().all(|room| (0..2).all(|n| net.state(n, *room) == Some(RoomState::Member))) {
        assert!(net.now_ms < deadline, "not all of {count} rooms have their turn");
        net.pass(30_000);
    }
    rooms
}

fn open(net: &Net, rooms: &[RoomId]) -> usize {
    rooms.iter().filter(|room| net.desks[0].rooms.status(**room).unwrap().open.len() == 1).count()
}

#[test]
fn each_of_more_rooms_than_a_link_has_channels_has_its_turn() {
    let mut net = Net::new(2, 90);
    let rooms = rooms_of_two(&mut net, 80);
    let talk = |net: &mut Net, n: usize| -> Vec<_> {
        rooms.iter().map(|room| (*room, net.say(n, *room, "in each of them"))).collect()
    };
    for n in 0..2 {
        net.pass(60_000);
        let said = talk(&mut net, n);
        let (begun, mut most) = (net.now_ms, 0);
        while !said.iter().all(|(room, text)| net.texts(1 - n, *room).contains(text)) {
            assert!(net.now_ms - begun < 15 * 60_000, "some of it never comes");
            net.pass(10_000);
            most = most.max(open(&net, &rooms));
        }
        assert!((48..=64).contains(&most), "{most}");
    }
    assert_eq!(net.limits, 0, "no opening meets a full link");
    assert_eq!(net.links.len(), 1, "and no flood of openings ends it");
}

#[test]
fn a_room_in_which_a_text_waits_comes_before_those_that_wait_as_long() {
    let mut net = Net::new(2, 91);
    let rooms = rooms_of_two(&mut net, 90);
    net.pass(600_000);
    let closed = |net: &Net| -> Vec<RoomId> {
        let is_closed = |room: &&RoomId| net.desks[0].rooms.status(**room).unwrap().open.is_empty();
        rooms.iter().filter(is_closed).copied().collect()
    };
    let last = closed(&net);
    assert!(last.len() >= 26, "{}", last.len());
    let room = *last.last().unwrap();
    let text = net.say(0, room, "now, please");
    net.pass(60_000);
    assert!(net.texts(1, room).contains(&text), "it waits for the others");
}

#[test]
fn busy_rooms_do_not_keep_the_others_out() {
    let mut net = Net::new(2, 92);
    let rooms = rooms_of_two(&mut net, 68);
    let mut seen = std::collections::BTreeSet::new();
    // Something is said everywhere all the time, so that no channel is ever quiet for long.
    for _ in 0..35 {
        for room in &rooms {
            if let [_] = net.desks[0].rooms.status(*room).unwrap().open[..] {
                net.say(0, *room, "and on");
                seen.insert(*room);
            }
        }
        net.pass(25_000);
    }
    assert_eq!(seen.len(), rooms.len());
    assert_eq!(net.limits, 0);
}

#[test]
fn as_long_as_there_is_a_place_for_each_no_room_is_closed() {
    let mut net = Net::new(2, 93);
    let rooms = rooms_of_two(&mut net, 20);
    net.pass(60_000);
    let before = net.opened;
    net.pass(4 * 3_600_000);
    assert_eq!((open(&net, &rooms), net.opened), (20, before));
}
