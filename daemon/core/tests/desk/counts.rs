//! What STATUS counts of rooms, and at how many members a message is.

use crate::links::{STRANGER, has_ended, join};
use crate::net::Net;
use torchat_protocol::room::body::Place;
use torchat_protocol::room::{Frame, Open, OpenAs, RoomId};

#[test]
fn what_strangers_try_too_often_is_counted() {
    let mut net = Net::new(1, 190);
    let room = net.make(0);
    let link = net.link(STRANGER, 0);
    let refused = |net: &Net| net.desks[0].rooms.refused();
    for n in 0..65 {
        net.say_to(0, link, 2 * n + 1, join(RoomId([9; 32]), 1));
    }
    assert_eq!((refused(&net).channels, refused(&net).opens), (1, 0));
    let link = net.link(STRANGER, 0);
    for n in 0..300 {
        let open = Open { room: RoomId([9; 32]), role: OpenAs::Member(None) };
        net.say_to(0, link, 2 * n + 1, Frame::Open(open));
    }
    assert!(has_ended(&net, link));
    assert_eq!(refused(&net).opens, 1);
    assert_eq!((refused(&net).petitions, refused(&net).misbehaved), (0, 0));

    for n in 1..31 {
        let link = net.link(STRANGER + n, 0);
        net.say_to(0, link, 1, join(room, 1));
    }
    assert_eq!(refused(&net).petitions, 10, "twenty may come at once");

    let link = net.link(STRANGER + 99, 0);
    net.say_to(0, link, 1, Frame::Reset);
    assert!(has_ended(&net, link));
    net.say_to(0, link, 3, Frame::Reset);
    assert_eq!(refused(&net).misbehaved, 1, "each link once");
}

#[test]
fn who_says_more_than_it_may_is_counted() {
    let mut net = Net::new(2, 191);
    let room = net.room_of_all();
    for _ in 0..40 {
        net.say(1, room, "flood");
    }
    net.pass(1_000);
    assert!(net.desks[0].rooms.refused().quota > 0);
    assert_eq!(net.desks[1].rooms.refused().quota, 0);
    net.pass(3_600_000);
    assert_eq!(net.texts(0, room).len(), 40);
}

#[test]
fn it_is_told_at_how_many_members_a_message_is() {
    let mut net = Net::new(3, 192);
    let room = net.room_of_all();
    let author = net.number(0, room).chain(0);
    let stored = |net: &Net, seq| net.desks[0].rooms.stored(room, Place { author, seq });
    net.say(0, room, "to both");
    net.pass(5_000);
    assert_eq!((stored(&net, 1), stored(&net, 2)), (Some((2, 2)), Some((0, 2))));
    net.away(2);
    net.say(0, room, "to one");
    net.pass(5_000);
    assert_eq!((stored(&net, 1), stored(&net, 2)), (Some((2, 2)), Some((1, 2))));
    // What was heard in an earlier run is not known any more, until they are met again.
    net.away(1);
    net.kill(0);
    assert_eq!(stored(&net, 2), Some((0, 2)));
    net.back(1);
    net.back(2);
    net.pass(3_600_000);
    assert_eq!(stored(&net, 2), Some((2, 2)));
    let theirs = Place { author: net.number(1, room).chain(0), seq: 1 };
    assert_eq!(net.desks[0].rooms.stored(room, theirs), None, "only of ours");
}
