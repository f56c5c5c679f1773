//! What strangers, members and former members can do to a room, and cannot.

use crate::links::{STRANGER, frames, has_ended, join};
use crate::net::{Net, Wire, identity, invite, peer};
use ed25519_dalek::SigningKey;
use torchat_core::effect::RoomAnswer;
use torchat_core::input::{LinkId, NewInvite, RoomAct, RoomWish};
use torchat_core::op::RoomOp;
use torchat_core::snapshot::rooms::RoomState;
use torchat_protocol::room::body::said::Leave;
use torchat_protocol::room::body::{Body, BoundedText, Role};
use torchat_protocol::room::{
    BoxKey, Close, CloseCode, Frame, Has, Head, Hello, InviteKey, Join, LogDigest, LogId, LogPlace, MemberKey, Open,
    OpenAs, RoomId, RoomInvite, Told,
};
use torchat_room::signing::{Clock, sign};

fn close(code: CloseCode) -> Frame {
    Frame::Close(Close { code, retry_s: 0, words: BoundedText::default() })
}

#[test]
fn the_end_of_a_petitions_channel_never_tells_what_became_of_the_room() {
    type End = fn(&mut Net, RoomId);
    let ends: [(&str, End); 3] = [
        ("destroyed", |net, room| drop(net.act(0, room, RoomAct::Destroy(None)))),
        ("removed", |net, room| {
            let one = net.number(1, room);
            net.act(0, room, RoomAct::Remove { member: one, ban: false });
        }),
        ("left", |net, room| drop(net.wish(1, room, RoomWish::Leave))),
    ];
    for (what, end) in ends {
        let mut net = Net::new(3, 80);
        let room = net.room_of_all();
        let links = [0, 1].map(|n| net.link(STRANGER, n));
        for (n, link) in links.into_iter().enumerate() {
            net.say_to(n, link, 1, join(room, 1));
            net.say_to(n, link, 3, join(RoomId([9; 32]), 1));
        }
        end(&mut net, room);
        net.pass(9_999);
        for link in links {
            let pending = Frame::Told(Told::Pending);
            assert_eq!(frames(&net, link), [(1, pending.clone()), (3, pending)], "{what}");
        }
        net.pass(1);
        for link in links {
            let ends = frames(&net, link).split_off(2);
            assert_eq!(ends, [(1, close(CloseCode::Done)), (3, close(CloseCode::Done))], "{what}");
        }
    }
}

#[test]
fn a_stranger_that_asks_a_newcomer_to_be_let_in_does_not_keep_it_out() {
    for ends in [false, true] {
        let mut net = Net::new(2, 81);
        let room = net.make(0);
        let invite = net.invite(0, room, invite());
        net.away(0);
        net.join(1, &invite);
        let link = net.link(STRANGER, 1);
        net.say_to(1, link, 1, join(room, 1));
        net.back(0);
        for n in 0..30 {
            net.pass(4_000);
            net.say_to(1, link, 2 * n + 3, join(room, 1));
            if ends {
                net.say_to(1, link, 2 * n + 3, close(CloseCode::None));
            }
        }
        assert_eq!(net.state(1, room), Some(RoomState::Member), "{ends}");
    }
}

#[test]
fn petitions_keep_no_link() {
    let mut net = Net::new(1, 82);
    let room = net.make(0);
    let alive = |net: &Net, links: &[LinkId]| links.iter().filter(|link| !has_ended(net, **link)).count();
    let mut links = Vec::new();
    for n in 0..200 {
        let link = net.link(STRANGER + n, 0);
        net.say_to(0, link, 1, join(if n % 2 == 0 { room } else { RoomId([9; 32]) }, 1));
        links.push(link);
        assert!(alive(&net, &links) <= 32, "{}", alive(&net, &links));
    }
    for n in 1..12 {
        net.pass(4_000);
        net.say_to(0, links[199], 2 * n + 1, join(room, 1));
    }
    assert_eq!(alive(&net, &links), 0);
}

#[test]
fn strangers_push_out_no_member_that_is_about_to_open_a_room() {
    let mut net = Net::new(2, 83);
    let room = net.room_of_all();
    net.away(1);
    net.back(1);
    net.link(1, 0);
    for n in 0..40 {
        net.link(STRANGER + n, 0);
    }
    net.calm();
    assert_eq!(net.desks[0].rooms.status(room).unwrap().open.len(), 1);
}
/// A room key of somebody of no desk.
fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

/// The JOIN of somebody of no desk who has an invite.
fn join_by(n: usize, signs: u8, invite: &RoomInvite) -> Frame {
    let (sign, sealing) = (MemberKey(key(signs).verifying_key().to_bytes()), BoxKey([5; 32]));
    let proof = |pass: torchat_protocol::room::Pass| {
        (pass.id, InviteKey::new(invite.room, pass.secret).proof(invite.room, identity(n), sign, sealing))
    };
    let (room, invite, text) = (invite.room, invite.pass.map(proof), BoundedText::default());
    Frame::Join(Join { room, sign, sealing, invite, nick: None, text })
}

/// The HELLO of somebody who has nothing.
fn hello() -> Frame {
    let has = Has::Heads(vec![Head {
        author: torchat_protocol::room::Author::ACTS,
        seq: 0,
        tag: torchat_protocol::room::Tag::NONE,
    }]);
    Frame::Hello(Hello { log: LogId([7; 8]), has, want: None, credit: 262_144 })
}

fn open(room: RoomId) -> Frame {
    Frame::Open(Open { room, role: OpenAs::Member(None) })
}

/// Somebody of no desk becomes a member, opens the room on channel 3 and has everything.
fn enter(net: &mut Net, n: usize, signs: u8, invite: &RoomInvite) -> LinkId {
    let link = net.link(n, 0);
    net.say_to(0, link, 1, join_by(n, signs, invite));
    net.say_to(0, link, 3, open(invite.room));
    net.say_to(0, link, 3, hello());
    net.calm();
    net.say_to(0, link, 3, Frame::Mark(LogPlace { next: 1, digest: LogDigest([0; 16]) }));
    net.calm();
    link
}

#[test]
fn a_member_that_loses_its_store_again_and_again_does_not_use_up_the_acts() {
    let mut net = Net::new(1, 85);
    let room = net.make(0);
    let invite = net.invite(0, room, invite());
    let link = enter(&mut net, STRANGER, 9, &invite);
    let before = net.branch(0, room).len();
    let door = RoomInvite::new(room, invite.doors().to_vec(), None).unwrap();
    for n in 10..110 {
        net.say_to(0, link, 2 * u16::from(n) + 3, join_by(STRANGER, n, &door));
    }
    assert_eq!(net.branch(0, room).len() - before, 3);
    let refused = net.desks[0].rooms.refused();
    assert_eq!(refused.joins + refused.channels, 97);
    assert_eq!(net.desks[0].rooms.status(room).unwrap().members, 2);
}

#[test]
fn who_comes_and_goes_by_one_invite_does_not_use_up_the_acts() {
    let mut net = Net::new(1, 86);
    let room = net.make(0);
    let invite = net.invite(0, room, NewInvite { uses: None, ..invite() });
    for n in 0..60 {
        let who = STRANGER + n;
        let link = net.link(who, 0);
        net.say_to(0, link, 1, join_by(who, 9, &invite));
        if let Some(member) = net.members(Some(0), room).pop() {
            let act = RoomAct::Remove { member, ban: false };
            net.wish(0, room, RoomWish::Act { act, force: true });
        }
    }
    assert_eq!(net.branch(0, room).len(), 41, "twenty come and go");
}

#[test]
fn a_join_that_is_said_once_more_before_its_end_is_heard_lets_nobody_in() {
    let mut net = Net::new(1, 89);
    let room = net.make(0);
    let invite = net.invite(0, room, NewInvite { uses: None, ..invite() });
    let link = net.link(STRANGER, 0);
    net.say_to(0, link, 1, join_by(STRANGER, 9, &invite));
    let member = net.members(Some(0), room).pop().unwrap();
    let act = RoomAct::Remove { member, ban: false };
    net.wish(0, room, RoomWish::Act { act, force: true });
    assert_eq!(net.branch(0, room).len(), 3, "made, let in, removed");
    net.say_to(0, link, 3, join_by(STRANGER, 9, &invite));
    assert_eq!(net.branch(0, room).len(), 3, "the same key is no new wish");
    net.say_to(0, link, 5, join_by(STRANGER, 10, &invite));
    assert_eq!(net.branch(0, room).len(), 4, "another key is one");
}

#[test]
fn strangers_that_ask_do_not_keep_out_who_is_invited() {
    let mut net = Net::new(2, 87);
    let room = net.make(0);
    for n in 0..120 {
        let link = net.link(STRANGER + n, 0);
        net.say_to(0, link, 1, join(room, 1));
        net.pass(60_000);
    }
    assert_eq!(net.desks[0].rooms.petitions(room).count(), 100);
    let invite = net.invite(0, room, invite());
    net.join(1, &invite);
    net.pass(10_000);
    assert_eq!(net.state(1, room), Some(RoomState::Member));
}

#[test]
fn a_mute_or_a_lower_role_does_not_end_with_a_new_number() {
    for (muted, leaves) in [(true, false), (true, true), (false, true)] {
        let mut net = Net::new(3, 88);
        let room = net.make(0);
        let everybody = net.invite(0, room, NewInvite { uses: None, ..invite() });
        for n in 1..3 {
            net.join(n, &everybody);
            net.pass(10_000);
        }
        let one = net.number(1, room);
        if muted {
            net.wish(0, room, RoomWish::Mute { who: one, why: None });
        } else {
            net.act(0, room, RoomAct::Role { member: one, role: Role::Reader });
        }
        net.pass(10_000);
        if leaves {
            net.wish(1, room, RoomWish::Leave);
            net.pass(10_000);
        } else {
            net.desks[1].store = crate::net::Store::default();
            net.kill(1);
        }
        net.join(1, &everybody);
        net.pass(600_000);
        assert_eq!(net.state(1, room), Some(RoomState::Joining), "{muted} {leaves}");
        let asks: Vec<_> = net.desks[0].rooms.petitions(room).map(|row| row.id).collect();
        assert_eq!(asks, [identity(1)], "{muted} {leaves}");
        // The user may give it one.
        assert_eq!(net.act(0, room, RoomAct::Admit { id: identity(1), role: None }), RoomAnswer::Done);
        net.pass(3_600_000);
        assert_eq!(net.state(1, room), Some(RoomState::Member), "{muted} {leaves}");
    }
}

#[test]
fn nobody_says_more_than_it_may_before_its_hello() {
    let mut net = Net::new(1, 89);
    let room = net.make(0);
    let invite = net.invite(0, room, invite());
    let link = enter(&mut net, STRANGER, 9, &invite);
    net.pass(2_000);
    // It ends its channel, so the desk opens another one.
    net.say_to(0, link, 3, close(CloseCode::Again));
    assert!(matches!(frames(&net, link).pop(), Some((2, Frame::Hello(_)))));
    let me = net.members(Some(0), room)[0].chain(0);
    let clock = Clock { acts: 2, lamport: 5, minute: 1 };
    let mut prev = room.as_event();
    for seq in 1..100 {
        let event = sign(&key(9), Some(room), me, seq, prev, clock, &Body::Leave(Leave {})).unwrap();
        prev = event.id();
        net.say_to(0, link, 2, Frame::Events(vec![event]));
    }
    assert_eq!(net.standings(0, room).len(), 0);
    assert!(has_ended(&net, link));
}

#[test]
fn who_begins_anew_is_opened_again_at_once_but_not_all_the_time() {
    let mut net = Net::new(1, 90);
    let room = net.make(0);
    let invite = net.invite(0, room, invite());
    let link = enter(&mut net, STRANGER, 9, &invite);
    net.pass(2_000);
    net.say_to(0, link, 3, close(CloseCode::Again));
    let opened = |net: &Net| {
        let hellos = frames(net, link).into_iter().filter_map(|(number, frame)| match frame {
            Frame::Hello(hello) if number % 2 == 0 => Some((number, hello)),
            _ => None,
        });
        hellos.collect::<Vec<_>>()
    };
    let [(2, hello)] = &opened(&net)[..] else { panic!("{:?}", opened(&net)) };
    assert!(matches!(hello.has, Has::Heads(_)), "what was known of its old log is of no use");
    for n in 1..200 {
        net.say_to(0, link, 2 * n, close(CloseCode::Again));
        net.pass(100);
    }
    assert!(opened(&net).len() < 6, "{}", opened(&net).len());
}

#[test]
fn a_newcomer_leaves_a_door_alone_that_has_nothing_for_it() {
    for code in [CloseCode::Destroyed, CloseCode::Busy, CloseCode::Full, CloseCode::Limit] {
        let mut net = Net::new(1, 91);
        let room = RoomId(*peer(70).as_bytes());
        net.join(0, &RoomInvite::new(room, vec![peer(STRANGER)], None).unwrap());
        let mut opened = 0;
        // A day, in which the door is reached whenever it is wanted.
        for _ in 0..24 * 60 {
            net.pass(60_000);
            let link = net.link(0, STRANGER);
            for (of, wire) in std::mem::take(&mut net.heard) {
                match wire {
                    Wire::Frame(number, Frame::Join(_)) if of == link => {
                        net.say_to(0, link, number, Frame::Told(Told::Pending));
                    }
                    Wire::Frame(number, Frame::Open(_)) if of == link => {
                        opened += 1;
                        net.say_to(0, link, number, close(code));
                    }
                    _ => {}
                }
            }
            net.cut(link);
        }
        assert!((1..40).contains(&opened), "{code:?}: {opened}");
    }
}

#[test]
fn nobody_has_what_was_never_said() {
    let mut net = Net::new(2, 92);
    let room = net.make(0);
    let everybody = net.invite(0, room, NewInvite { uses: None, ..invite() });
    let link = enter(&mut net, STRANGER, 9, &everybody);
    net.join(1, &everybody);
    net.pass(10_000);
    let author = net.number(0, room).chain(0);
    net.say_to(0, link, 3, Frame::Stored(vec![(author, (1 << 53) - 1)]));
    net.desks[0].store.told.clear();
    net.say(0, room, "hello");
    net.pass(5_000);
    assert_eq!(net.desks[0].store.told, [RoomOp::Delivered { room, author, upto: 1 }]);
}

#[test]
fn an_owner_that_names_hundreds_makes_nobody_dial_them() {
    use torchat_protocol::room::body::acts::{Entry, Roster};
    let mut net = Net::new(1, 93);
    // Somebody of no desk owns the room, and the desk joins it.
    let mut drawn = 0_u128;
    let mut salt = || {
        drawn += 1;
        torchat_protocol::room::Salt(drawn.to_be_bytes())
    };
    let entry = |no: u32, signs: u8, n: usize, role| Entry {
        no: torchat_protocol::room::MemberNo::new(no).unwrap(),
        sign: MemberKey(key(signs).verifying_key().to_bytes()),
        sealing: BoxKey([5; 32]),
        role,
        id: Some(identity(n)),
        nick: None,
        via: None,
    };
    let first = torchat_protocol::room::body::acts::Create {
        owner: entry(1, 9, STRANGER, Role::Owner),
        name: BoundedText::default(),
        topic: BoundedText::default(),
        policy: torchat_protocol::room::body::acts::Policy::default(),
        salt: torchat_protocol::room::Salt([0; 16]),
    };
    let first = torchat_room::signing::create(&key(9), first, 1, &mut salt).unwrap();
    let room = RoomId(first.id().0);
    net.join(0, &RoomInvite::new(room, vec![peer(STRANGER)], None).unwrap());
    let link = net.link(0, STRANGER);
    let Some((1, Frame::Join(join))) = frames(&net, link).pop() else { panic!("it asks") };
    net.say_to(0, link, 1, Frame::Told(Told::Accepted(torchat_protocol::room::MemberNo::MAKER)));
    let mut acts = vec![first];
    let me = Entry { sign: join.sign, ..entry(2, 9, 0, Role::Member) };
    let lists = [vec![me], (3..203).map(|no| entry(no, 9, 100 + no as usize, Role::Member)).collect()];
    for add in lists {
        let clock = Clock { acts: acts.len() as u32, lamport: acts.len() as u64 + 1, minute: 1 };
        let (seq, prev) = (acts.len() as u64 + 1, acts[acts.len() - 1].id());
        let body = Body::Roster(Roster { add, ..Roster::default() });
        acts.push(sign(&key(9), Some(room), torchat_protocol::room::Author::ACTS, seq, prev, clock, &body).unwrap());
    }

    let has = Has::Heads(vec![acts[2].head()]);
    net.say_to(0, link, 3, Frame::Hello(Hello { log: LogId([7; 8]), has, want: None, credit: 262_144 }));
    for act in acts {
        net.say_to(0, link, 3, Frame::Events(vec![act]));
    }
    net.say_to(0, link, 3, Frame::Mark(LogPlace { next: 4, digest: LogDigest([0; 16]) }));
    net.calm();
    assert_eq!(net.state(0, room), Some(RoomState::Member));
    assert_eq!(net.desks[0].rooms.status(room).unwrap().members, 202);
    assert!(net.desks[0].rooms.wishes().len() < 20, "{}", net.desks[0].rooms.wishes().len());
}
