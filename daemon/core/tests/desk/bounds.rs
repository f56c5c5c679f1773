//! What a room takes of others, and what becomes of texts that nobody may say.

use crate::net::{Net, invite};
use torchat_core::input::{NewInvite, RoomAct};
use torchat_core::op::RoomOp;
use torchat_core::snapshot::rooms::RoomState;
use torchat_protocol::room::RoomId;
use torchat_protocol::room::body::Role;

/// The texts that a desk was told will never be said.
fn failed(net: &Net, n: usize) -> Vec<RoomOp> {
    let all = net.desks[n].store.told.iter();
    all.filter(|op| matches!(op, RoomOp::Failed { .. })).cloned().collect()
}

fn queued(net: &Net, n: usize, room: RoomId) -> usize {
    net.desks[n].rooms.status(room).unwrap().queued
}

#[test]
fn texts_of_a_newcomer_that_becomes_a_reader_end() {
    let mut net = Net::new(2, 110);
    let room = net.make(0);
    let way = net.invite(0, room, NewInvite { role: Role::Reader, ..invite() });
    net.away(0);
    net.join(1, &way);
    let texts: Vec<_> = (0..3).map(|_| net.say(1, room, "may I")).collect();
    net.pass(60_000);
    assert_eq!((queued(&net, 1, room), failed(&net, 1).len()), (3, 0), "nobody knows yet");
    net.back(0);
    net.pass(3_600_000);
    assert_eq!((net.state(1, room), net.role(1, room)), (Some(RoomState::Member), Some(Role::Reader)));
    let ends: Vec<_> = texts.into_iter().map(|text| RoomOp::Failed { room, text }).collect();
    assert_eq!((queued(&net, 1, room), failed(&net, 1)), (0, ends));
}

#[test]
fn texts_that_wait_when_a_role_is_taken_away_end_and_not_before_all_acts_are_known() {
    let mut net = Net::new(3, 111);
    let room = net.room_of_all();
    let role = |net: &mut Net, n, role| {
        let member = net.number(n, room);
        net.act(0, room, RoomAct::Role { member, role })
    };
    for n in 1..3 {
        net.away(n);
        net.kill(n);
    }
    let gone = net.say(1, room, "too late");
    let stays = net.say(2, room, "in time");
    net.pass(60_000);
    // The second one is a reader for a while only.
    net.back(1);
    net.pass(120_000);
    assert_eq!(net.texts(0, room).len(), 1, "it is said while it may be");
    net.away(1);
    net.kill(1);
    let late = net.say(1, room, "later");
    assert_ne!(gone, late);
    net.back(2);
    net.pass(120_000);
    assert!(net.texts(0, room).contains(&stays));
    role(&mut net, 1, Role::Reader);
    net.pass(60_000);
    assert_eq!((queued(&net, 1, room), failed(&net, 1)), (1, vec![]));
    net.back(1);
    net.pass(3_600_000);
    assert_eq!(queued(&net, 1, room), 0);
    assert_eq!(failed(&net, 1), [RoomOp::Failed { room, text: late }]);
    assert!(!net.texts(0, room).contains(&late));
}

#[test]
fn what_others_pass_on_beyond_all_measure_comes_later_and_keeps_nobody_out() {
    let mut net = Net::new(4, 112);
    let room = net.room_of_all();
    let day = 24 * 3_600_000;
    net.away(3);
    let mut said = 0;
    for _ in 0..11 {
        for n in 0..2_000 {
            net.say(1, room, "and another thing");
            if n % 100 == 0 {
                net.pass(100_000);
            }
        }
        said += 2_000;
        net.pass(day - 2_000_000);
    }
    let other = net.say(2, room, "also me");
    let count = |net: &Net, n| net.texts(n, room).len();
    net.pass(3 * day);
    assert_eq!(count(&net, 2), said + 1);
    // Who says so much is gone, so that others must pass it on.
    net.away(1);
    net.back(3);
    net.pass(60_000);
    let status = |net: &Net| net.desks[3].rooms.is_too_much(room);
    // What is in one frame is taken as a whole.
    let first = count(&net, 3);
    assert!((20_001..20_100).contains(&first), "so much at once: {first}");
    assert!(net.texts(3, room).contains(&other) && status(&net));
    net.pass(day);
    assert_eq!(count(&net, 3), said + 1, "nothing is lost");
    net.pass(day);
    assert!(!status(&net));
    assert_eq!(net.texts(3, room), net.texts(2, room));
}
