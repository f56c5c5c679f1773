//! Stores that are restored to a moment at which something was otherwise: an owner's, and a member's.

use crate::net::{Net, identity, invite};
use torchat_core::effect::{RoomAnswer, RoomNotice};
use torchat_core::input::{NewInvite, RoomAct, RoomWish};
use torchat_core::snapshot::rooms::RoomState;
use torchat_protocol::room::{RoomId, RoomInvite};

fn invites(net: &Net, room: RoomId) -> usize {
    net.desks[0].rooms.invites(room).count()
}

/// A room of the first desk's, an invite for any number of people, and those who came with it.
fn room_of(desks: usize, seed: u64, members: std::ops::Range<usize>) -> (Net, RoomId, RoomInvite) {
    let mut net = Net::new(desks, seed);
    let room = net.make(0);
    let way = net.invite(0, room, NewInvite { uses: None, ..invite() });
    for n in members {
        net.join(n, &way);
        net.pass(60_000);
    }
    (net, room, way)
}

/// All who are here have the same acts and texts.
fn agree(net: &Net, room: RoomId, all: &[usize]) {
    let of = |n| (net.branch(n, room), net.texts(n, room));
    for n in all {
        assert_eq!(of(*n), of(all[0]), "desk {n}");
    }
}

#[test]
fn an_owner_that_was_restored_ends_its_invites_and_keeps_out_whom_it_removed_since() {
    for seed in 120..126 {
        let (mut net, room, way) = room_of(4, seed, 1..3);
        let backup = net.desks[0].store.clone();
        let member = net.number(2, room);
        assert_eq!(net.act(0, room, RoomAct::Remove { member, ban: true }), RoomAnswer::Done);
        assert_eq!(net.wish(0, room, RoomWish::Uninvite(way.pass.unwrap().id)), RoomAnswer::Done);
        net.pass(60_000);
        assert_eq!(net.state(2, room), Some(RoomState::Removed));
        net.restore(0, &backup);
        assert_eq!(invites(&net, room), 1);
        // Both come with the old invite before the owner knows that it is old.
        net.join(2, &way);
        net.join(3, &way);
        net.pass(3_600_000);
        assert_eq!((invites(&net, room), net.told(0, &RoomNotice::Restored)), (0, 1), "seed {seed}");
        assert!(net.desks[0].rooms.is_banned(room, identity(2)), "seed {seed}");
        assert_eq!(net.present(0, room), [0, 1], "seed {seed}");
        let asks = net.desks[0].rooms.petitions(room).count();
        assert_eq!(asks, 2, "seed {seed}: the user decides");
        agree(&net, room, &[0, 1]);
    }
}

#[test]
fn an_owner_that_decided_something_before_it_knew_that_it_was_restored_ends_its_invites_too() {
    let (mut net, room, _) = room_of(3, 127, 1..3);
    let backup = net.desks[0].store.clone();
    let remove = |net: &Net, n| RoomAct::Remove { member: net.number(n, room), ban: true };
    let act = remove(&net, 2);
    assert_eq!(net.act(0, room, act), RoomAnswer::Done);
    net.pass(60_000);
    net.away(0);
    net.restore(0, &backup);
    let set = torchat_protocol::room::body::acts::Set { name: None, topic: None, policy: None };
    let act = RoomWish::Act { act: RoomAct::Set(set), force: true };
    assert_eq!(net.wish(0, room, act), RoomAnswer::Done);
    net.back(0);
    net.pass(3_600_000);
    assert!(!net.desks[0].rooms.status(room).unwrap().frozen);
    assert_eq!((invites(&net, room), net.told(0, &RoomNotice::Restored)), (0, 1));
    agree(&net, room, &[0, 1]);
}

#[test]
fn an_owner_that_forgot_whom_it_let_in_is_told_by_any_other_member() {
    for seed in 130..136 {
        let (mut net, room, way) = room_of(4, seed, 1..3);
        let backup = net.desks[0].store.clone();
        net.join(3, &way);
        net.pass(60_000);
        net.say(3, room, "I am new");
        net.say(0, room, "welcome");
        net.pass(60_000);
        // First it meets only the one whom it has forgotten.
        net.away(1);
        net.away(2);
        net.restore(0, &backup);
        net.pass(20 * 60_000);
        net.say(3, room, "do you know me");
        net.back(1);
        net.pass(2 * 3_600_000);
        net.back(2);
        net.pass(2 * 3_600_000);
        assert_eq!(net.present(0, room), [0, 1, 2, 3], "seed {seed}");
        assert_eq!(net.desks[0].rooms.petitions(room).count(), 0, "seed {seed}");
        assert_eq!(net.texts(0, room).len(), 3, "seed {seed}");
        agree(&net, room, &[0, 1, 2, 3]);
    }
}

#[test]
fn whom_an_owner_forgot_and_nobody_else_knows_asks_by_itself_and_loses_nothing() {
    for seed in 140..148 {
        let mut net = Net::new(2, seed);
        let room = net.make(0);
        let way = net.invite(0, room, invite());
        let backup = net.desks[0].store.clone();
        net.join(1, &way);
        net.pass(60_000);
        let texts: Vec<_> = (0..5).map(|_| net.say(1, room, "I am in")).collect();
        net.say(0, room, "welcome");
        net.pass(60_000);
        net.restore(0, &backup);
        net.pass(600_000);
        assert_eq!(net.present(0, room), [0], "seed {seed}: nobody is let in by what it says of itself");
        let asks: Vec<_> = net.desks[0].rooms.petitions(room).map(|row| row.id).collect();
        assert_eq!(asks, [identity(1)], "seed {seed}");
        let wish = RoomWish::Act { act: RoomAct::Admit { id: identity(1), role: None }, force: false };
        assert_eq!(net.wish(0, room, wish), RoomAnswer::Done);
        net.pass(2 * 3_600_000);
        let later = net.say(1, room, "and again");
        net.pass(60_000);
        assert_eq!(net.present(0, room), [0, 1], "seed {seed}");
        assert_eq!(net.number(1, room).get(), 2, "seed {seed}");
        assert!(texts.iter().chain([&later]).all(|text| net.texts(0, room).contains(text)), "seed {seed}");
        assert_eq!(net.texts(0, room).len(), 7, "seed {seed}: what the owner said is there, too");
        assert!(!net.desks[1].rooms.status(room).unwrap().frozen, "seed {seed}");
        agree(&net, room, &[0, 1]);
    }
}

#[test]
fn whose_number_an_owner_gave_again_gets_another_one() {
    for seed in 150..156 {
        let (mut net, room, way) = room_of(3, seed, 0..0);
        let backup = net.desks[0].store.clone();
        net.join(1, &way);
        net.pass(60_000);
        net.say(1, room, "I am number 2");
        net.pass(60_000);
        net.away(1);
        net.restore(0, &backup);
        net.join(2, &way);
        net.pass(60_000);
        let text = net.say(2, room, "so am I");
        net.pass(60_000);
        net.back(1);
        net.pass(600_000);
        let wish = RoomWish::Act { act: RoomAct::Admit { id: identity(1), role: None }, force: false };
        assert_eq!(net.wish(0, room, wish), RoomAnswer::Done);
        net.pass(4 * 3_600_000);
        let later = net.say(1, room, "then another one");
        net.pass(60_000);
        // Its new number is behind the one that took its place.
        assert_eq!(net.present(0, room), [0, 2, 1], "seed {seed}");
        for n in 0..3 {
            let texts = net.texts(n, room);
            assert!(texts.contains(&text) && texts.contains(&later), "seed {seed}, desk {n}");
        }
        agree(&net, room, &[0, 1, 2]);
    }
}

#[test]
fn a_member_that_was_restored_to_when_it_asked_is_known_by_its_key() {
    for seed in 160..168 {
        let (mut net, room, way) = room_of(3, seed, 2..3);
        net.away(0);
        net.join(1, &way);
        let early = net.say(1, room, "let me in");
        net.pass(1_000);
        let backup = net.desks[1].store.clone();
        net.back(0);
        net.pass(600_000);
        let before = net.say(1, room, "I am in");
        net.pass(60_000);
        net.restore(1, &backup);
        assert_eq!(net.state(1, room), Some(RoomState::Joining), "seed {seed}");
        let after = net.say(1, room, "am I");
        net.pass(2 * 3_600_000);
        assert_eq!(net.state(1, room), Some(RoomState::Member), "seed {seed}");
        assert_eq!(net.present(0, room).len(), 3, "seed {seed}: under its old number");
        for n in 0..3 {
            let texts = net.texts(n, room);
            assert!([early, before, after].iter().all(|text| texts.contains(text)), "seed {seed}, desk {n}");
            assert_eq!(texts.len(), 3, "seed {seed}, desk {n}: nothing comes twice");
        }
        agree(&net, room, &[0, 1, 2]);
    }
}

#[test]
fn a_member_that_was_restored_to_before_it_knew_of_the_room_joins_again_and_is_replaced() {
    for seed in 170..176 {
        let mut net = Net::new(3, seed);
        let room = net.make(0);
        let way = net.invite(0, room, NewInvite { uses: Some(2), ..invite() });
        net.join(2, &way);
        net.pass(60_000);
        let backup = net.desks[1].store.clone();
        net.join(1, &way);
        net.pass(60_000);
        let before = net.say(1, room, "I am in");
        net.pass(60_000);
        net.restore(1, &backup);
        net.pass(60_000);
        assert_eq!(net.state(1, room), None, "seed {seed}");
        // The invite is used up: it is let in because it is a member.
        net.join(1, &way);
        net.pass(600_000);
        let after = net.say(1, room, "I am in again");
        net.pass(60_000);
        assert_eq!((net.state(1, room), net.number(1, room).get()), (Some(RoomState::Member), 4), "seed {seed}");
        for n in 0..3 {
            let texts = net.texts(n, room);
            assert!(texts.contains(&before) && texts.contains(&after), "seed {seed}, desk {n}");
        }
        assert_eq!(net.present(0, room).len(), 3, "seed {seed}");
        agree(&net, room, &[0, 1, 2]);
    }
}
