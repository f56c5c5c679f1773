//! A store that takes no writes: rooms are closed, nothing is taken, and everything goes on afterwards.

use crate::net::{Net, invite};
use torchat_core::effect::{RoomAnswer, RoomRefused};
use torchat_core::input::RoomWish;
use torchat_core::snapshot::rooms::RoomState;
use torchat_protocol::room::body::BoundedText;
use torchat_protocol::room::{CloseCode, Frame, Open, OpenAs, RoomId};

#[test]
fn rooms_are_closed_while_the_store_takes_no_writes_and_nothing_is_lost() {
    let mut net = Net::new(3, 5);
    let room = net.room_of_all();
    net.full.insert(1);
    net.turn(1, Vec::new());
    assert_eq!(net.desks[1].rooms.status(room).unwrap().open, []);
    let say =
        RoomWish::Say { text: BoundedText::new("x").unwrap(), re: None, to: Vec::new(), client: None, expire_ms: None };
    let refused = RoomAnswer::Refused(RoomRefused::Storage);
    assert_eq!(net.wish(1, room, say), refused);
    let first = net.say(0, room, "while one is full");
    net.pass(4 * 60_000);
    assert_eq!(net.desks[1].rooms.wishes().len(), 0, "it dials nobody");
    assert!(net.texts(2, room).contains(&first));
    assert!(!net.texts(1, room).contains(&first));
    net.full.clear();
    net.turn(1, Vec::new());
    net.pass(120_000);
    assert!(net.texts(1, room).contains(&first));
    assert_eq!(net.desks[1].rooms.status(room).unwrap().open.len(), 2);
}

#[test]
fn a_log_that_cannot_be_read_ends_the_channel_that_asked_and_is_tried_again_after_a_while() {
    let mut net = Net::new(3, 9);
    let room = net.room_of_all();
    net.away(2);
    net.pass(1_000);
    let texts: Vec<_> = (0..15).map(|_| net.say(0, room, "while you were away")).collect();
    net.pass(10_000);
    let busy = |net: &Net| net.told_busy(0) + net.told_busy(1);
    net.unreadable.extend([0, 1]);
    net.back(2);
    let (before, deadline) = (busy(&net), net.now_ms + 3_600_000);
    while busy(&net) < before + 2 {
        assert!(net.now_ms < deadline, "nobody asks");
        net.pass(1_000);
    }
    let closed = busy(&net);
    net.pass(10_000);
    assert_eq!(busy(&net), closed, "it is not tried again at once");
    assert!(!net.texts(2, room).contains(&texts[0]));
    net.unreadable.clear();
    net.pass(3_600_000);
    assert!(texts.iter().all(|text| net.texts(2, room).contains(text)));
}

/// What the last one said about a channel that somebody of no desk has opened.
fn answers(net: &mut Net, open: Frame) -> Vec<String> {
    let stranger = net.desks.len() + 1;
    let link = net.link(stranger, 0);
    let before = net.heard.len();
    net.say_to(0, link, 1, open);
    net.heard[before..].iter().map(|(_, wire)| format!("{wire:?}")).collect()
}

#[test]
fn a_full_store_answers_all_openings_alike() {
    let mut net = Net::new(2, 6);
    let room = net.room_of_all();
    net.full.insert(0);
    net.turn(0, Vec::new());
    let open = |room| Frame::Open(Open { room, role: OpenAs::Member(None) });
    let of_ours = answers(&mut net, open(room));
    assert_eq!(of_ours, answers(&mut net, open(RoomId([9; 32]))));
    assert!(of_ours[0].contains(&format!("{:?}", CloseCode::Busy)), "{of_ours:?}");
}

#[test]
fn who_asks_to_join_while_the_owners_store_is_full_hears_what_all_hear_and_is_let_in_later() {
    let mut net = Net::new(2, 7);
    let room = net.make(0);
    let way = net.invite(0, room, invite());
    net.full.insert(0);
    net.join(1, &way);
    net.pass(30_000);
    assert_eq!(net.state(1, room), Some(RoomState::Joining));
    net.full.clear();
    net.turn(0, Vec::new());
    net.pass(15 * 60_000);
    assert_eq!(net.state(1, room), Some(RoomState::Member));
}

#[test]
fn a_store_that_is_full_again_and_again_in_the_middle_of_a_talk_loses_nothing() {
    let mut net = Net::new(2, 8);
    let room = net.room_of_all();
    for n in 0..40 {
        net.say(0, room, &format!("{n}"));
        if n % 5 == 0 {
            net.full.insert(1);
            net.turn(1, Vec::new());
            // What is on the way comes, and what was asked of the disk is found.
            net.calm();
            net.full.clear();
            net.turn(1, Vec::new());
        }
    }
    net.pass(4 * 3_600_000);
    assert_eq!(net.texts(0, room).len(), 40);
    assert_eq!(net.texts(1, room), net.texts(0, room));
}
