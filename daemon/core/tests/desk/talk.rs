//! Texts, roles, mutes, and decisions that wait.

use crate::net::{Net, invite};
use torchat_core::effect::{RoomAnswer, RoomNotice, RoomRefused};
use torchat_core::input::{NewRoom, RoomAct, RoomCommand, RoomWish};
use torchat_core::op::RoomOp;
use torchat_core::rooms::RoomObstacle;
use torchat_core::snapshot::rooms::Notify;
use torchat_protocol::room::body::acts::{Policy, Set};
use torchat_protocol::room::body::{BoundedText, Role};
use torchat_room::replica::Cannot;
use torchat_room::standing::Standing;

#[test]
fn a_room_of_five_is_a_mesh_of_one_link_each() {
    let mut net = Net::new(5, 11);
    let room = net.room_of_all();
    let other = net.make(0);
    for n in 0..5 {
        let status = net.desks[n].rooms.status(room).unwrap();
        assert_eq!((status.members, status.open.len()), (5, 4), "desk {n}");
    }
    assert_eq!(net.links.len(), 10);
    // A second room of two of them uses the same link.
    let invite = net.invite(0, other, invite());
    net.join(1, &invite);
    net.pass(10_000);
    assert_eq!(net.links.len(), 10);
    let said: std::collections::BTreeSet<_> = (0..5).map(|n| net.say(n, room, "hello")).collect();
    let aside = net.say(1, other, "aside");
    net.pass(5_000);
    for n in 0..5 {
        assert!(net.texts(n, room).is_superset(&said), "desk {n}");
        assert_eq!(net.texts(n, other).contains(&aside), n < 2, "desk {n}");
    }
}

#[test]
fn who_was_away_hears_all_when_it_is_back_and_its_own_texts_waited() {
    let mut net = Net::new(3, 12);
    let room = net.room_of_all();
    net.away(2);
    let said: Vec<_> = (0..40).map(|n| net.say(n % 2, room, "while you were away")).collect();
    let own = net.say(2, room, "from afar");
    net.pass(3_600_000);
    assert!(!net.texts(0, room).contains(&own));
    net.back(2);
    net.pass(7_200_000);
    for n in 0..3 {
        assert!(said.iter().chain([&own]).all(|mid| net.texts(n, room).contains(mid)), "desk {n}");
    }
}

#[test]
fn that_a_text_is_at_another_member_is_written_once_whoever_says_it() {
    let mut net = Net::new(4, 17);
    let room = net.room_of_all();
    net.desks[2].store.told.clear();
    let text = net.say(2, room, "hello");
    net.pass(10_000);
    let author = net.number(2, room).chain(0);
    let delivered = RoomOp::Delivered { room, author, upto: 1 };
    assert_eq!(net.desks[2].store.told, std::slice::from_ref(&delivered), "three others have it");
    // What others said is theirs to know.
    assert!(
        net.desks[1].store.told.iter().all(|op| !matches!(op, RoomOp::Delivered { author: of, .. } if *of == author))
    );
    // The key of a program goes with its text.
    let say = RoomWish::Say {
        text: BoundedText::new("again").unwrap(),
        re: None,
        to: Vec::new(),
        client: Some("cat-17".into()),
        expire_ms: None,
    };
    let RoomAnswer::Queued(again) = net.wish(2, room, say) else { panic!("not queued") };
    assert_ne!(again, text);
    assert!(net.desks[2].store.told.contains(&RoomOp::Client { room, text: again, client: "cat-17".into() }));
}

#[test]
fn what_the_user_sets_for_themselves_is_written_also_when_the_room_is_over() {
    let mut net = Net::new(2, 18);
    let room = net.room_of_all();
    for over in [false, true] {
        let alias = RoomWish::Alias(BoundedText::new("cats"));
        assert_eq!(net.wish(1, room, alias), RoomAnswer::Done);
        assert_eq!(net.wish(1, room, RoomWish::Notify(Notify::All)), RoomAnswer::Done);
        let told = std::mem::take(&mut net.desks[1].store.told);
        assert!(told.contains(&RoomOp::Alias { room, alias: Some("cats".into()) }), "over: {over}");
        assert!(told.contains(&RoomOp::Notify { room, notify: Notify::All }));
        net.wish(1, room, RoomWish::Leave);
        net.pass(600_000);
        assert!(net.desks[1].rooms.status(room).is_none());
    }
    let nowhere = RoomWish::Alias(None);
    assert_eq!(net.wish(1, torchat_protocol::room::RoomId([9; 32]), nowhere), RoomAnswer::Refused(RoomRefused::NoRoom));
}

#[test]
fn a_text_that_is_no_event_in_its_time_is_taken_back_also_after_a_restart() {
    for restarts in [false, true] {
        let mut net = Net::new(2, 19);
        let room = net.room_of_all();
        let say = |expire_ms| RoomWish::Say {
            text: BoundedText::new("soon").unwrap(),
            re: None,
            to: Vec::new(),
            client: None,
            expire_ms,
        };
        // What is an event at once does not end.
        net.wish(1, room, say(Some(60_000)));
        net.away(1);
        net.kill(1);
        let RoomAnswer::Queued(late) = net.wish(1, room, say(Some(60_000))) else { panic!("not queued") };
        let RoomAnswer::Queued(stays) = net.wish(1, room, say(None)) else { panic!("not queued") };
        net.desks[1].store.told.clear();
        net.pass(50_000);
        assert_eq!(net.desks[1].store.told, []);
        if restarts {
            net.kill(1);
            net.pass(500_000);
            assert_eq!(net.desks[1].store.told, [], "the clock may be wrong at a start");
        }
        net.pass(120_000);
        assert_eq!(net.desks[1].store.told, [RoomOp::Failed { room, text: late }]);
        net.back(1);
        net.pass(3_600_000);
        let texts = net.texts(0, room);
        assert!(texts.contains(&stays) && !texts.contains(&late) && texts.len() == 2, "restarts: {restarts}");
    }
}

#[test]
fn a_key_of_a_program_is_one_room_also_after_a_restart() {
    let mut net = Net::new(2, 20);
    let new = |name: &str, client: &str| {
        let (name, topic) = (BoundedText::new(name).unwrap(), BoundedText::default());
        RoomCommand::Make(NewRoom { name, topic, policy: Policy::default(), nick: None, client: Some(client.into()) })
    };
    let RoomAnswer::Room(room) = net.ask_now(0, new("lab", "a")) else { panic!("not made") };
    let invite = net.invite(0, room, invite());
    let join = |client: &str| RoomCommand::Join {
        invite: invite.clone(),
        nick: None,
        text: BoundedText::default(),
        want: None,
        client: Some(client.into()),
    };
    for _ in 0..2 {
        assert_eq!(net.ask_now(0, new("lab", "a")), RoomAnswer::Room(room));
        assert_eq!(net.ask_now(1, join("b")), RoomAnswer::Room(room));
        assert_eq!(net.ask_now(1, join("c")), RoomAnswer::Refused(RoomRefused::AlreadyIn));
        net.kill(0);
        net.kill(1);
    }
    let RoomAnswer::Room(other) = net.ask_now(1, new("lab", "c")) else { panic!("not made") };
    assert_ne!(other, room);
    assert_eq!(net.ask_now(1, join("c")), RoomAnswer::Refused(RoomRefused::ClientReused));
}

#[test]
fn why_a_text_waits_and_how_long_nobody_is_reached_is_told() {
    let mut net = Net::new(2, 21);
    let room = net.room_of_all();
    let of = |net: &Net, n: usize| net.desks[n].rooms.status(room).unwrap();
    assert_eq!((of(&net, 1).obstacle, of(&net, 1).alone), (RoomObstacle::Unconfirmed, None));
    net.away(1);
    let told = of(&net, 1);
    assert_eq!((told.obstacle, told.alone), (RoomObstacle::Alone, Some((net.now_ms, true))));
    net.kill(1);
    assert_eq!(of(&net, 1).alone, Some((net.now_ms, false)), "nobody was reached in this run");
    let alone = net.make(0);
    assert_eq!(net.desks[0].rooms.status(alone).unwrap().alone, None, "there is no other");
}

#[test]
fn only_the_greater_number_waits_before_it_dials() {
    let mut net = Net::new(3, 13);
    net.room_of_all();
    let before: Vec<_> = net.desks.iter().map(|desk| desk.dialled.clone()).collect();
    for link in net.links.keys().copied().collect::<Vec<_>>() {
        net.cut(link);
    }
    net.pass(20_000);
    assert_eq!(net.links.len(), 3);
    let dials = |n: usize, to: usize| net.desks[n].dialled.get(&to).unwrap_or(&0) - before[n].get(&to).unwrap_or(&0);
    assert_eq!([(0, 1), (0, 2), (1, 2)].map(|(n, to)| dials(n, to)), [1; 3]);
    assert_eq!([(1, 0), (2, 0), (2, 1)].map(|(n, to)| dials(n, to)), [0; 3]);
}

#[test]
fn a_room_without_anybody_else_needs_nobody() {
    let mut net = Net::new(1, 14);
    let room = net.make(0);
    let said: std::collections::BTreeSet<_> = (0..100).map(|_| net.say(0, room, "note")).collect();
    net.kill(0);
    assert_eq!(net.texts(0, room), said);
    assert_eq!(
        net.act(0, room, RoomAct::Set(Set { name: BoundedText::new("notes"), ..Set::default() })),
        RoomAnswer::Done
    );
    assert_eq!(net.desks[0].rooms.roster(room).unwrap().name, "notes");
}

#[test]
fn roles_are_given_and_kept_to() {
    let mut net = Net::new(3, 15);
    let room = net.room_of_all();
    let (one, two) = (net.number(1, room), net.number(2, room));
    let no_role = RoomAnswer::Refused(RoomRefused::Cannot(Cannot::NoRole));
    let topic = || RoomWish::Topic(BoundedText::new("cats").unwrap());
    assert_eq!(net.wish(1, room, topic()), no_role);
    assert_eq!(net.act(1, room, RoomAct::Role { member: two, role: Role::Reader }), no_role);
    assert_eq!(net.act(0, room, RoomAct::Role { member: one, role: Role::Moderator }), RoomAnswer::Done);
    assert_eq!(net.act(0, room, RoomAct::Role { member: two, role: Role::Reader }), RoomAnswer::Done);
    let owner = net.number(0, room);
    assert_eq!(
        net.act(0, room, RoomAct::Role { member: owner, role: Role::Reader }),
        RoomAnswer::Refused(RoomRefused::OwnerLeaves)
    );
    assert_eq!(
        net.act(0, room, RoomAct::Role { member: one, role: Role::Owner }),
        RoomAnswer::Refused(RoomRefused::Limit)
    );
    assert_eq!(
        net.act(0, room, RoomAct::Remove { member: owner, ban: true }),
        RoomAnswer::Refused(RoomRefused::OwnerLeaves)
    );
    assert_eq!(net.wish(0, room, RoomWish::Hand(owner)), RoomAnswer::Refused(RoomRefused::NoMember));
    net.pass(5_000);
    assert_eq!([1, 2].map(|n| net.role(n, room)), [Some(Role::Moderator), Some(Role::Reader)]);
    assert_eq!(net.wish(1, room, topic()), RoomAnswer::Done);
    let say = RoomWish::Say {
        text: BoundedText::new("no").unwrap(),
        re: None,
        to: Vec::new(),
        client: None,
        expire_ms: None,
    };
    assert_eq!(net.wish(2, room, say), no_role);
}

#[test]
fn a_wish_takes_away_each_event_that_it_names() {
    let mut net = Net::new(3, 22);
    let room = net.room_of_all();
    for n in 0..3 {
        net.say(1, room, &format!("text {n}"));
    }
    net.pass(5_000);
    let named = net.named(1, room);
    let of = vec![named[0], named[2]];
    assert_eq!(net.wish(1, room, RoomWish::Redact { of, why: None }), RoomAnswer::Done);
    net.pass(5_000);
    for n in 0..3 {
        assert_eq!(net.texts(n, room).len(), 1, "{n}");
    }
}

#[test]
fn a_moderator_mutes_and_another_ends_it() {
    let mut net = Net::new(4, 16);
    let room = net.room_of_all();
    let numbers: Vec<_> = (0..4).map(|n| net.number(n, room)).collect();
    for n in [1, 2] {
        net.act(0, room, RoomAct::Role { member: numbers[n], role: Role::Moderator });
    }
    net.pass(5_000);
    let before = net.say(3, room, "before");
    net.pass(5_000);
    assert_eq!(net.wish(1, room, RoomWish::Mute { who: numbers[3], why: None }), RoomAnswer::Done);
    net.pass(5_000);
    let muted = net.say(3, room, "muted");
    net.pass(5_000);
    assert_eq!(net.wish(2, room, RoomWish::Unmute(numbers[3])), RoomAnswer::Done);
    net.pass(5_000);
    assert_eq!(net.wish(2, room, RoomWish::Unmute(numbers[3])), RoomAnswer::Refused(RoomRefused::NotMuted));
    let after = net.say(3, room, "after");
    net.pass(5_000);
    for n in 0..4 {
        let texts = net.texts(n, room);
        assert!(texts.contains(&before) && texts.contains(&after) && !texts.contains(&muted), "desk {n}");
        let hidden = net.standings(n, room).into_iter().filter(|one| matches!(one, Standing::Hidden(_))).count();
        assert_eq!(hidden, 1, "desk {n}");
    }
}

#[test]
fn a_decision_waits_for_another_member_and_is_answered_then() {
    let mut net = Net::new(3, 17);
    let room = net.room_of_all();
    let two = net.number(2, room);
    for n in [1, 2] {
        net.away(n);
    }
    // In this run of the daemon nobody has told the owner what there is.
    net.kill(0);
    let act = RoomAct::Role { member: two, role: Role::Moderator };
    let wish = RoomWish::Act { act: act.clone(), force: false };
    let request = net.ask(0, torchat_core::input::RoomCommand::In { room, wish });
    assert_eq!(net.answer(0, request), None);
    assert_eq!(net.told(0, &RoomNotice::ActsWait), 1);
    assert_eq!(net.desks[0].rooms.status(room).unwrap().waiting, 1);
    for n in [1, 2] {
        net.back(n);
    }
    net.pass(3_600_000);
    assert_eq!(net.answer(0, request), Some(&RoomAnswer::Done));
    assert_eq!(net.role(2, room), Some(Role::Moderator));
}

#[test]
fn a_decision_that_is_forced_is_done_behind_those_that_wait() {
    let mut net = Net::new(2, 117);
    let room = net.room_of_all();
    let one = net.number(1, room);
    net.away(1);
    net.kill(0);
    let role = |role| RoomAct::Role { member: one, role };
    let waits = |net: &mut Net, role| {
        let wish = RoomWish::Act { act: role, force: false };
        net.ask(0, torchat_core::input::RoomCommand::In { room, wish })
    };
    let requests = [Role::Moderator, Role::Reader].map(|given| waits(&mut net, role(given)));
    assert_eq!(requests.map(|request| net.answer(0, request).cloned()), [None, None]);
    assert_eq!(net.wish(0, room, RoomWish::Act { act: role(Role::Member), force: true }), RoomAnswer::Done);
    assert_eq!(
        requests.map(|request| net.answer(0, request).cloned()),
        [Some(RoomAnswer::Done), Some(RoomAnswer::Done)]
    );
    net.back(1);
    net.pass(3_600_000);
    assert_eq!(net.role(1, room), Some(Role::Member), "what was decided last holds");
}

#[test]
fn a_text_that_waits_can_be_taken_back() {
    let mut net = Net::new(2, 18);
    let room = net.room_of_all();
    net.away(1);
    net.kill(1);
    let waits = net.say(1, room, "no");
    assert_eq!(net.wish(1, room, RoomWish::TakeBack(waits)), RoomAnswer::Done);
    assert_eq!(net.wish(1, room, RoomWish::TakeBack(waits)), RoomAnswer::Refused(RoomRefused::NotPending));
    let stays = net.say(1, room, "yes");
    net.back(1);
    net.pass(600_000);
    assert_eq!(net.texts(0, room), [stays].into());
}

#[test]
fn who_says_too_much_at_once_is_denied_for_a_while_and_nothing_of_it_is_lost() {
    let mut net = Net::new(3, 19);
    let room = net.room_of_all();
    let said: std::collections::BTreeSet<_> = (0..100).map(|_| net.say(1, room, "and another thing")).collect();
    net.calm();
    assert_eq!([0, 2].map(|n| net.texts(n, room).len()), [20; 2]);
    net.pass(60_000);
    let some = net.texts(0, room).len();
    assert!((60..=80).contains(&some), "{some}");
    // A link that breaks meanwhile loses nothing either.
    for link in net.links.keys().copied().collect::<Vec<_>>() {
        net.cut(link);
    }
    net.pass(600_000);
    for n in 0..3 {
        assert_eq!(net.texts(n, room), said, "desk {n}");
    }
}

#[test]
fn what_was_said_while_somebody_was_away_is_no_flood() {
    let mut net = Net::new(3, 20);
    let room = net.room_of_all();
    net.away(2);
    for _ in 0..100 {
        net.say(1, room, "meanwhile");
        net.pass(1_000);
    }
    // The only one from whom it can hear it is the one who has said it.
    net.away(0);
    net.back(2);
    net.pass(600_000);
    assert_eq!(net.texts(2, room).len(), 100);
    assert!(net.denials == 0, "{}", net.denials);
}

#[test]
fn only_members_and_doors_are_dialled() {
    let mut net = Net::new(4, 43);
    let room = net.make(0);
    let invite = net.invite(0, room, invite());
    net.join(1, &invite);
    net.pass(3_600_000);
    assert_eq!(net.desks[0].dialled.get(&1).or(net.desks[1].dialled.get(&0)), Some(&1));
    assert!(net.desks.iter().all(|desk| desk.dialled.keys().all(|to| *to < 2)));
    let one = net.number(1, room);
    net.act(0, room, RoomAct::Remove { member: one, ban: false });
    net.pass(5_000);
    let before = [0, 1].map(|n| net.desks[n].dialled.clone());
    net.pass(3_600_000);
    assert_eq!([0, 1].map(|n| net.desks[n].dialled.clone()), before, "nor who is a member no more");
}

#[test]
fn texts_that_wait_in_all_rooms_have_one_limit() {
    let mut net = Net::new(1, 44);
    let doors = vec![crate::net::peer(9)];
    let rooms: Vec<_> = (60..64).map(|n| torchat_protocol::room::RoomId(*crate::net::peer(n).as_bytes())).collect();
    for room in &rooms {
        net.join(0, &torchat_protocol::room::RoomInvite::new(*room, doors.clone(), None).unwrap());
    }
    let long = BoundedText::new("x".repeat(16_384)).unwrap();
    let say = RoomWish::Say { text: long, re: None, to: Vec::new(), client: None, expire_ms: None };
    let mut waiting = Vec::new();
    'full: for _ in 0..2_000 {
        for room in &rooms {
            match net.wish(0, *room, say.clone()) {
                RoomAnswer::Queued(mid) => waiting.push((*room, mid)),
                other => {
                    assert_eq!(other, RoomAnswer::Refused(RoomRefused::OutboxFull));
                    break 'full;
                }
            }
        }
    }
    assert_eq!(waiting.len(), (64 << 20) / 16_384);
    assert_eq!(net.desks[0].rooms.refused().outbox, 1);
    net.kill(0);
    assert_eq!(net.wish(0, rooms[0], say.clone()), RoomAnswer::Refused(RoomRefused::OutboxFull));
    let (room, mid) = waiting.pop().unwrap();
    assert_eq!(net.wish(0, room, RoomWish::TakeBack(mid)), RoomAnswer::Done);
    assert!(matches!(net.wish(0, rooms[0], say), RoomAnswer::Queued(_)));
}
