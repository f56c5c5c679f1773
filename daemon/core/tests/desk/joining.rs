//! Who gets in, and who does not.

use crate::net::{Net, identity, invite, peer};
use torchat_core::effect::{RoomAnswer, RoomNotice, RoomRefused};
use torchat_core::input::{NewInvite, RoomAct, RoomCommand, RoomWish};
use torchat_core::snapshot::rooms::RoomState;
use torchat_protocol::room::RoomInvite;
use torchat_protocol::room::body::Role;

const HOUR: u64 = 3_600_000;

#[test]
fn an_invite_lets_somebody_in_and_both_hear_each_other() {
    let mut net = Net::new(2, 1);
    let room = net.make(0);
    let said = net.say(0, room, "before");
    let invite = net.invite(0, room, invite());
    net.join(1, &invite);
    net.pass(10_000);
    assert_eq!(net.state(1, room), Some(RoomState::Member));
    let answer = net.say(1, room, "here I am");
    net.pass(5_000);
    for n in 0..2 {
        assert_eq!(net.texts(n, room), [said, answer].into(), "desk {n}");
    }
    assert_eq!(net.told(1, &RoomNotice::Joined), 1);
}

#[test]
fn an_invite_lets_in_as_many_as_it_says_and_gives_its_role() {
    let mut net = Net::new(4, 2);
    let room = net.make(0);
    let invite = net.invite(0, room, NewInvite { uses: Some(2), role: Role::Reader, ..invite() });
    for n in 1..4 {
        net.join(n, &invite);
        net.pass(10_000);
    }
    assert_eq!([1, 2].map(|n| net.role(n, room)), [Some(Role::Reader); 2]);
    assert_eq!(net.state(3, room), Some(RoomState::Joining));
    assert_eq!(net.desks[0].rooms.petitions(room).count(), 1, "the third one waits for the user");
    assert_eq!(net.desks[0].rooms.invites(room).next().unwrap().1, 2);
}

#[test]
fn an_invite_ends_with_its_time_and_when_it_is_taken_back() {
    let mut net = Net::new(3, 3);
    let room = net.make(0);
    let late = net.invite(0, room, NewInvite { hours: 1, ..invite() });
    let revoked = net.invite(0, room, invite());
    let id = revoked.pass.unwrap().id;
    assert_eq!(net.wish(0, room, RoomWish::Uninvite(id)), RoomAnswer::Done);
    assert_eq!(net.wish(0, room, RoomWish::Uninvite(id)), RoomAnswer::Refused(RoomRefused::NoInvite));
    net.pass(HOUR + 1);
    net.join(1, &late);
    net.join(2, &revoked);
    net.pass(10_000);
    assert_eq!([1, 2].map(|n| net.state(n, room)), [Some(RoomState::Joining); 2]);
}

#[test]
fn an_invite_for_one_lets_in_nobody_else() {
    let mut net = Net::new(3, 4);
    let room = net.make(0);
    let invite = net.invite(0, room, NewInvite { whom: Some(peer(2)), ..invite() });
    net.join(1, &invite);
    net.pass(10_000);
    net.join(2, &invite);
    net.pass(10_000);
    assert_eq!([1, 2].map(|n| net.state(n, room)), [Some(RoomState::Joining), Some(RoomState::Member)]);
}

#[test]
fn a_wrong_secret_is_like_none() {
    let mut net = Net::new(2, 5);
    let room = net.make(0);
    let invite = net.invite(0, room, invite());
    let mut pass = invite.pass.unwrap();
    pass.secret.0[15] ^= 1;
    net.join(1, &RoomInvite::new(room, vec![peer(0)], Some(pass)).unwrap());
    net.pass(10_000);
    assert_eq!(net.state(1, room), Some(RoomState::Joining));
    let petition = net.desks[0].rooms.petitions(room).next().unwrap();
    assert_eq!((petition.id, petition.via), (identity(1), None));
}

#[test]
fn without_an_invite_the_owner_decides() {
    let mut net = Net::new(3, 6);
    let room = net.make(0);
    let door = RoomInvite::new(room, vec![peer(0)], None).unwrap();
    net.join(1, &door);
    net.join(2, &door);
    net.pass(20_000);
    assert_eq!(net.desks[0].rooms.petitions(room).count(), 2);
    assert_eq!(net.told(0, &RoomNotice::Petition(identity(1))), 1, "once, however often it asks");
    let nobody = RoomAct::Admit { id: identity(7), role: None };
    assert_eq!(net.act(0, room, nobody), RoomAnswer::Refused(RoomRefused::NoPetition));
    assert_eq!(net.act(0, room, RoomAct::Admit { id: identity(1), role: None }), RoomAnswer::Done);
    assert_eq!(net.wish(0, room, RoomWish::Deny(identity(2))), RoomAnswer::Done);
    // It dials again by itself.
    net.pass(120_000);
    assert_eq!(net.state(1, room), Some(RoomState::Member));
    assert_eq!(net.state(2, room), Some(RoomState::Joining));
    assert_eq!(net.desks[0].rooms.petitions(room).count(), 0, "what was refused is not shown again");
    assert_eq!(net.told(0, &RoomNotice::Petition(identity(2))), 1);
    let said = net.say(1, room, "thanks");
    net.pass(5_000);
    assert!(net.texts(0, room).contains(&said));
}

#[test]
fn who_lost_its_store_is_replaced_by_itself() {
    let mut net = Net::new(3, 7);
    let room = net.room_of_all();
    net.desks[1].store = crate::net::Store::default();
    net.kill(1);
    net.join(1, &RoomInvite::new(room, vec![peer(0)], None).unwrap());
    net.pass(180_000);
    assert_eq!(net.state(1, room), Some(RoomState::Member));
    assert_eq!(net.number(1, room).get(), 4, "a number is never given twice");
    for n in 0..3 {
        assert_eq!(net.desks[n].rooms.status(room).unwrap().members, 3, "desk {n}");
    }
    let said = net.say(1, room, "here again");
    net.pass(5_000);
    assert!(net.texts(2, room).contains(&said));
}

#[test]
fn a_ninth_member_is_not_let_in() {
    let mut net = Net::new(9, 8);
    let room = net.make(0);
    let invite = net.invite(0, room, NewInvite { uses: None, ..invite() });
    for n in 1..9 {
        net.join(n, &invite);
        net.pass(20_000);
    }
    assert_eq!(net.state(7, room), Some(RoomState::Member));
    assert_eq!(net.state(8, room), Some(RoomState::Joining));
    let seventh = net.number(7, room);
    assert_eq!(net.act(0, room, RoomAct::Remove { member: seventh, ban: true }), RoomAnswer::Done);
    net.pass(600_000);
    assert_eq!(net.state(8, room), Some(RoomState::Member), "there is a place now");
}

#[test]
fn what_is_no_invite_of_a_room_is_not_made() {
    let mut net = Net::new(1, 9);
    let room = net.make(0);
    let limit = RoomAnswer::Refused(RoomRefused::Limit);
    for new in [
        NewInvite { uses: Some(0), ..invite() },
        NewInvite { uses: Some(1_001), ..invite() },
        NewInvite { hours: 0, ..invite() },
        NewInvite { hours: 2_161, ..invite() },
        NewInvite { role: Role::Owner, ..invite() },
        NewInvite { note: Some("x".repeat(201)), ..invite() },
    ] {
        assert_eq!(net.wish(0, room, RoomWish::Invite(new.clone())), limit, "{new:?}");
    }
    for _ in 0..1_000 {
        net.invite(0, room, NewInvite { hours: 1, ..invite() });
    }
    assert_eq!(net.wish(0, room, RoomWish::Invite(invite())), RoomAnswer::Refused(RoomRefused::TooManyInvites));
    net.pass(HOUR + 1);
    net.invite(0, room, invite());
    assert_eq!(net.desks[0].rooms.invites(room).count(), 1, "old ones go");
}

#[test]
fn a_newcomer_whose_link_breaks_begins_anew_and_has_everything() {
    let mut broken = 0;
    for steps in 0..60 {
        let mut net = Net::new(2, 70);
        let room = net.make(0);
        let said: std::collections::BTreeSet<_> = (0..300).map(|_| net.say(0, room, "long ago")).collect();
        let invite = net.invite(0, room, invite());
        net.join(1, &invite);
        for _ in 0..steps {
            net.step();
        }
        let had = net.texts(1, room).len();
        broken += usize::from(had > 0 && had < 300);
        for link in net.links.keys().copied().collect::<Vec<_>>() {
            net.cut(link);
        }
        let waits = net.say(1, room, "when I am in");
        if steps % 2 == 0 {
            net.kill(1);
        }
        net.pass(600_000);
        assert_eq!(net.state(1, room), Some(RoomState::Member), "after {steps}");
        for n in 0..2 {
            let texts = net.texts(n, room);
            assert!(texts.is_superset(&said) && texts.contains(&waits), "after {steps}, desk {n}: {}", texts.len());
        }
    }
    assert!(broken > 3, "{broken} links broke in the middle");
}

#[test]
fn who_left_unheard_and_comes_again_gets_a_number_for_its_new_key() {
    let mut net = Net::new(3, 71);
    let room = net.room_of_all();
    // Only another member hears that it leaves, and is away when the owner is back.
    net.away(0);
    assert_eq!(net.wish(2, room, RoomWish::Leave), RoomAnswer::Done);
    net.pass(5_000);
    assert_eq!(net.state(2, room), Some(RoomState::Left));
    net.away(1);
    net.back(0);
    // In this run nobody has told the owner what there is, so it lets nobody in yet.
    net.kill(0);
    net.join(2, &RoomInvite::new(room, vec![peer(0)], None).unwrap());
    net.pass(600_000);
    assert_eq!(net.state(2, room), Some(RoomState::Member));
    net.back(1);
    net.pass(3_600_000);
    for n in 0..3 {
        assert_eq!(net.desks[n].rooms.status(room).unwrap().members, 3, "desk {n}");
        assert_eq!(net.desks[n].rooms.status(room).unwrap().open.len(), 2, "desk {n}");
    }
}

#[test]
fn a_newcomer_whose_door_is_gone_is_told_the_rest_by_another_member() {
    for kill in [false, true] {
        let mut net = Net::new(3, 72);
        let room = net.make(0);
        let door = net.invite(0, room, NewInvite { uses: None, ..invite() });
        net.join(1, &door);
        net.pass(10_000);
        let said: std::collections::BTreeSet<_> =
            (0..100).map(|_| net.say(0, room, &"long ago ".repeat(300))).collect();
        net.pass(600_000);
        let text = torchat_protocol::room::body::BoundedText::default();
        net.ask(2, RoomCommand::Join { invite: door, nick: None, text, want: Some(90), client: None });
        // It knows that it is in, and so does the other member, and it has not everything.
        let half = |net: &Net| {
            net.desks[2].rooms.status(room).is_some_and(|status| status.me.is_some())
                && net.desks[1].rooms.status(room).unwrap().members == 3
        };
        while !half(&net) {
            assert!(net.step() || net.state(2, room) == Some(RoomState::Joining), "{kill}");
        }
        assert_eq!(net.state(2, room), Some(RoomState::Joining), "{kill}");
        net.away(0);
        if kill {
            net.kill(2);
        }
        net.pass(3_600_000);
        assert_eq!(net.state(2, room), Some(RoomState::Member), "{kill}");
        assert!(said.intersection(&net.texts(2, room)).count() >= 80, "{kill}");
    }
}

#[test]
fn a_door_that_says_nothing_more_does_not_keep_a_newcomer_from_another_one() {
    let mut net = Net::new(2, 73);
    let room = net.make(0);
    let mut invite = net.invite(0, room, invite());
    let silent = 50;
    invite = RoomInvite::new(room, vec![peer(silent), peer(0)], invite.pass).unwrap();
    net.away(0);
    net.join(1, &invite);
    let link = net.link(1, silent);
    // It lets it in, opens the room, and stalls; it answers every question whether it is there.
    net.say_to(
        1,
        link,
        1,
        torchat_protocol::room::Frame::Told(torchat_protocol::room::Told::Accepted(
            torchat_protocol::room::MemberNo::MAKER,
        )),
    );
    let has = torchat_protocol::room::Has::Heads(vec![torchat_protocol::room::Head {
        author: torchat_protocol::room::Author::ACTS,
        seq: 9,
        tag: torchat_protocol::room::Tag([9; 8]),
    }]);
    let log = torchat_protocol::room::LogId([9; 8]);
    let hello = torchat_protocol::room::Hello { log, has, want: None, credit: 262_144 };
    net.say_to(1, link, 3, torchat_protocol::room::Frame::Hello(hello));
    net.back(0);
    for _ in 0..120 {
        net.pass(5_000);
        let pong = torchat_protocol::message::PeerMessage::Pong(torchat_protocol::message::Nonce { n: 1 });
        net.turn(1, vec![torchat_core::input::RoomInput::Message { link, message: pong }]);
    }
    assert_eq!(net.state(1, room), Some(RoomState::Member));
}
