//! Members that leave or are removed, a room that is handed over, and one that ends.

use crate::net::{Net, invite};
use torchat_core::effect::{RoomAnswer, RoomNotice, RoomRefused};
use torchat_core::input::{NewInvite, RoomAct, RoomWish};
use torchat_core::snapshot::rooms::RoomState;
use torchat_protocol::room::body::{BoundedText, Role};

#[test]
fn who_leaves_is_cut_by_the_owner_and_hears_no_more() {
    let mut net = Net::new(3, 21);
    let room = net.room_of_all();
    assert_eq!(net.wish(0, room, RoomWish::Leave), RoomAnswer::Refused(RoomRefused::OwnerLeaves));
    assert_eq!(net.wish(2, room, RoomWish::Leave), RoomAnswer::Done);
    net.pass(5_000);
    assert_eq!(net.state(2, room), Some(RoomState::Left));
    for n in 0..2 {
        assert_eq!(net.desks[n].rooms.status(room).unwrap().members, 2, "desk {n}");
    }
    let after = net.say(0, room, "between us");
    net.pass(600_000);
    assert!(net.texts(1, room).contains(&after));
    assert_eq!(net.links.len(), 1, "nothing keeps the others' links to it");
    assert_eq!((net.told(2, &RoomNotice::Left), net.told(2, &RoomNotice::Removed)), (1, 0));
}

#[test]
fn who_leaves_while_nobody_is_there_goes_on_when_somebody_is() {
    let mut net = Net::new(3, 22);
    let room = net.room_of_all();
    net.away(0);
    net.away(2);
    net.kill(2);
    assert_eq!(net.wish(2, room, RoomWish::Leave), RoomAnswer::Done);
    net.pass(60_000);
    net.kill(2);
    assert!(matches!(net.state(2, room), Some(RoomState::Leaving(_))));
    net.back(2);
    net.pass(3_600_000);
    assert_eq!(net.state(2, room), Some(RoomState::Left), "another member has that it leaves");
    assert_eq!(net.desks[1].rooms.status(room).unwrap().members, 3, "the owner is away");
    net.back(0);
    net.pass(3_600_000);
    assert_eq!(net.desks[1].rooms.status(room).unwrap().members, 2);
}

#[test]
fn who_is_removed_hears_of_it_and_no_invite_lets_it_in_again() {
    let mut net = Net::new(3, 23);
    let room = net.room_of_all();
    let (two, id) = (net.number(2, room), crate::net::identity(2));
    assert_eq!(net.act(0, room, RoomAct::Remove { member: two, ban: true }), RoomAnswer::Done);
    net.pass(5_000);
    assert_eq!(net.state(2, room), Some(RoomState::Removed));
    assert_eq!(net.told(2, &RoomNotice::Removed), 1);
    let say = RoomWish::Say {
        text: BoundedText::new("no").unwrap(),
        re: None,
        to: Vec::new(),
        client: None,
        expire_ms: None,
    };
    assert_eq!(net.wish(2, room, say), RoomAnswer::Refused(RoomRefused::NoRoom));
    let invite = net.invite(0, room, NewInvite { uses: None, ..invite() });
    net.join(2, &invite);
    net.pass(20_000);
    assert_eq!(net.state(2, room), Some(RoomState::Joining));
    assert_eq!(net.wish(0, room, RoomWish::Pardon(id)), RoomAnswer::Done);
    net.pass(600_000);
    assert_eq!(net.state(2, room), Some(RoomState::Member), "when the user has lifted that");
}

#[test]
fn who_is_removed_while_it_is_away_is_shown_the_act_when_it_is_back() {
    for rewound in [false, true] {
        let mut net = Net::new(3, 24);
        let room = net.room_of_all();
        let old = net.desks[2].store.clone();
        net.say(0, room, "one more");
        net.pass(5_000);
        net.away(2);
        let two = net.number(2, room);
        net.act(0, room, RoomAct::Remove { member: two, ban: false });
        net.pass(600_000);
        if rewound {
            net.desks[2].store = old;
        }
        net.kill(2);
        net.back(2);
        net.pass(3_600_000);
        assert_eq!(net.state(2, room), Some(RoomState::Removed), "{rewound}");
        assert_eq!(net.links.len(), 1, "{rewound}");
    }
}

#[test]
fn a_room_is_handed_over_by_both() {
    let mut net = Net::new(3, 25);
    let room = net.room_of_all();
    let (zero, one) = (net.number(0, room), net.number(1, room));
    net.invite(0, room, invite());
    assert_eq!(net.wish(1, room, RoomWish::Take), RoomAnswer::Refused(RoomRefused::NoHand));
    assert_eq!(net.wish(0, room, RoomWish::Hand(one)), RoomAnswer::Done);
    net.pass(5_000);
    assert_eq!(net.told(1, &RoomNotice::Handed(zero)), 1);
    assert_eq!(net.wish(2, room, RoomWish::Take), RoomAnswer::Refused(RoomRefused::NoHand));
    assert_eq!(net.wish(1, room, RoomWish::Take), RoomAnswer::Done);
    net.pass(5_000);
    assert_eq!([0, 1].map(|n| net.role(n, room)), [Some(Role::Moderator), Some(Role::Owner)]);
    assert_eq!(net.desks[0].rooms.invites(room).count(), 0, "its invites end");
    for n in 0..3 {
        assert_eq!(net.desks[n].rooms.roster(room).unwrap().owner, one, "desk {n}");
    }
    // The new owner decides, and the old one may leave.
    assert_eq!(net.wish(0, room, RoomWish::Leave), RoomAnswer::Done);
    net.pass(5_000);
    assert_eq!(net.desks[2].rooms.status(room).unwrap().members, 2);
}

#[test]
fn an_old_proposal_hands_nothing_over() {
    let mut net = Net::new(3, 26);
    let room = net.room_of_all();
    let (one, two) = (net.number(1, room), net.number(2, room));
    net.wish(0, room, RoomWish::Hand(one));
    net.pass(5_000);
    net.away(1);
    net.wish(0, room, RoomWish::Hand(two));
    // What it takes is not what is proposed now.
    assert_eq!(
        net.wish(1, room, RoomWish::Take),
        RoomAnswer::Refused(RoomRefused::Cannot(torchat_room::replica::Cannot::NotCaughtUp))
    );
    net.pass(5_000);
    net.back(1);
    net.pass(3_600_000);
    assert_eq!(net.role(0, room), Some(Role::Owner));
    assert_eq!(net.wish(1, room, RoomWish::Take), RoomAnswer::Refused(RoomRefused::NoHand));
    assert_eq!(net.wish(2, room, RoomWish::Take), RoomAnswer::Done);
    net.pass(5_000);
    assert_eq!(net.role(2, room), Some(Role::Owner));
}

#[test]
fn a_room_that_is_destroyed_is_erased_everywhere_and_those_who_come_late_hear_of_it() {
    let mut net = Net::new(4, 27);
    let room = net.room_of_all();
    net.away(3);
    assert_eq!(net.act(0, room, RoomAct::Destroy(None)), RoomAnswer::Done);
    net.pass(5_000);
    for n in 0..3 {
        assert_eq!(net.state(n, room), Some(RoomState::Destroyed), "desk {n}");
        assert!(net.texts(n, room).is_empty(), "desk {n}");
    }
    net.kill(0);
    net.back(3);
    net.pass(3_600_000);
    assert_eq!(net.state(3, room), Some(RoomState::Destroyed));
    assert_eq!(net.links.len(), 0);
    // After 90 days nothing is known of it.
    net.pass(91 * 24 * 3_600_000);
    net.turn(0, Vec::new());
    assert_eq!(net.desks[0].store.buried(), 0);
}

#[test]
fn who_cannot_judge_the_end_of_a_room_keeps_what_it_has() {
    let mut net = Net::new(3, 28);
    let room = net.room_of_all();
    net.away(2);
    let one = net.number(1, room);
    net.act(0, room, RoomAct::Role { member: one, role: Role::Moderator });
    net.act(0, room, RoomAct::Destroy(None));
    net.pass(5_000);
    net.back(2);
    net.pass(3_600_000);
    // Between what it has and the end is an act that nobody has any more.
    assert_eq!(net.state(2, room), Some(RoomState::Ended));
    assert_eq!(net.told(2, &RoomNotice::Ended), 1);
    assert_eq!(net.links.len(), 0);
}

#[test]
fn everybody_closes_the_channels_of_who_is_removed_whatever_that_one_does() {
    let mut net = Net::new(3, 29);
    let room = net.room_of_all();
    // It neither hears nor says anything, and its links stay.
    net.silent.insert(2);
    let two = net.number(2, room);
    assert_eq!(net.act(0, room, RoomAct::Remove { member: two, ban: true }), RoomAnswer::Done);
    net.calm();
    for n in 0..2 {
        assert_eq!(net.desks[n].rooms.status(room).unwrap().open.len(), 1, "desk {n}");
    }
}

#[test]
fn what_was_taken_of_an_older_proposal_hands_nothing_over() {
    let mut net = Net::new(2, 30);
    let room = net.room_of_all();
    let one = net.number(1, room);
    net.wish(0, room, RoomWish::Hand(one));
    net.pass(5_000);
    net.wish(0, room, RoomWish::Hand(one));
    // It has not heard of the second one yet.
    assert_eq!(net.wish(1, room, RoomWish::Take), RoomAnswer::Done);
    net.pass(5_000);
    assert_eq!([0, 1].map(|n| net.role(n, room)), [Some(Role::Owner), Some(Role::Member)]);
    assert_eq!(net.wish(1, room, RoomWish::Take), RoomAnswer::Done);
    net.pass(5_000);
    assert_eq!([0, 1].map(|n| net.role(n, room)), [Some(Role::Moderator), Some(Role::Owner)]);
}

/// A former owner, as a backup of before has it, removes everybody on its own branch, and whoever has not heard of the handover
/// believes it. The others are no members there, and bring it back all the same.
#[test]
fn who_was_led_astray_by_a_former_owner_is_brought_back_by_those_whom_that_one_removed() {
    for more in [0, 100] {
        let mut net = Net::new(4, 32);
        let room = net.room_of_all();
        let numbers: Vec<_> = (0..4).map(|n| net.number(n, room)).collect();
        let old = net.desks[0].store.clone();
        net.away(2);
        net.wish(0, room, RoomWish::Hand(numbers[1]));
        net.pass(5_000);
        net.wish(1, room, RoomWish::Take);
        net.pass(5_000);
        assert_eq!(net.role(1, room), Some(Role::Owner));
        net.away(1);
        net.away(3);
        net.desks[0].store = old;
        net.kill(0);
        net.back(2);
        net.pass(600_000);
        for n in [1, 3] {
            assert_eq!(net.act(0, room, RoomAct::Remove { member: numbers[n], ban: false }), RoomAnswer::Done);
        }
        for n in 0..more {
            let name = BoundedText::new(format!("mine {n}")).unwrap();
            let set = torchat_protocol::room::body::acts::Set { name: Some(name), ..Default::default() };
            assert_eq!(net.act(0, room, RoomAct::Set(set)), RoomAnswer::Done);
        }
        net.pass(60_000);
        assert_eq!(net.desks[2].rooms.status(room).unwrap().members, 2, "{more}");
        net.away(0);
        net.back(1);
        net.back(3);
        net.pass(3_600_000);
        assert_eq!(net.desks[2].rooms.roster(room).unwrap().owner, numbers[1], "{more}");
        let said = net.say(2, room, "I was astray");
        net.pass(60_000);
        for n in 1..4 {
            assert!(net.texts(n, room).contains(&said), "{more}: desk {n}");
            assert_eq!(net.branch(n, room), net.branch(1, room), "{more}: desk {n}");
        }
    }
}

#[test]
fn a_clock_that_is_not_believed_ends_nothing() {
    let count = |believes: bool| {
        let mut net = Net::new(3, 30);
        let room = net.room_of_all();
        net.invite(0, room, invite());
        // One wants to leave and reaches nobody, and another room is destroyed.
        net.away(2);
        assert_eq!(net.wish(2, room, RoomWish::Leave), RoomAnswer::Done);
        let other = net.make(0);
        assert_eq!(net.act(0, other, RoomAct::Destroy(None)), RoomAnswer::Done);
        net.believes = believes;
        net.now_ms += 100 * 24 * 3_600_000;
        net.invite(0, room, invite());
        net.turn(0, Vec::new());
        net.turn(2, Vec::new());
        let leaving = matches!(net.state(2, room), Some(RoomState::Leaving(_)));
        (net.desks[0].rooms.invites(room).count(), net.desks[0].store.buried(), leaving)
    };
    // The invite by which all came in, one of before and one of now.
    assert_eq!(count(false), (3, 1, true));
    assert_eq!(count(true), (1, 0, false));
}

#[test]
fn who_was_banned_by_a_former_owner_is_let_in_by_no_invite_for_anybody_of_the_new_one() {
    let mut net = Net::new(3, 33);
    let room = net.room_of_all();
    let numbers: Vec<_> = (0..3).map(|n| net.number(n, room)).collect();
    assert_eq!(net.act(0, room, RoomAct::Remove { member: numbers[2], ban: true }), RoomAnswer::Done);
    net.pass(5_000);
    net.wish(0, room, RoomWish::Hand(numbers[1]));
    net.pass(5_000);
    net.wish(1, room, RoomWish::Take);
    net.pass(5_000);
    assert_eq!(net.role(1, room), Some(Role::Owner));
    let everybody = net.invite(1, room, NewInvite { uses: None, ..invite() });
    net.join(2, &everybody);
    net.pass(600_000);
    assert_eq!(net.state(2, room), Some(RoomState::Joining));
    assert_eq!(net.desks[1].rooms.petitions(room).count(), 1, "the user decides");
    // Or has decided, with an invite for this one.
    net.wish(2, room, RoomWish::Leave);
    let whom = Some(crate::net::peer(2));
    let for_it = net.invite(1, room, NewInvite { whom, ..invite() });
    net.join(2, &for_it);
    net.pass(600_000);
    assert_eq!(net.state(2, room), Some(RoomState::Member));
}
