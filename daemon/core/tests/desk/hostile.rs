//! What strangers, members and former members can do to a room, and cannot.

use crate::links::{STRANGER, frames, has_ended, join};
use crate::net::{Net, invite};
use torchat_core::input::{LinkId, RoomAct, RoomWish};
use torchat_core::snapshot::rooms::RoomState;
use torchat_protocol::room::body::BoundedText;
use torchat_protocol::room::{Close, CloseCode, Frame, RoomId, Told};

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
