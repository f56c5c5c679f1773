//! What somebody of no room can do on a link, and how long a link lives.

use crate::net::{Net, Wire, identity, invite};
use torchat_core::input::{LinkId, RoomInput};
use torchat_protocol::message::{Bye, ByeReason, ContactRes, ContactState, Nonce, PeerMessage};
use torchat_protocol::room::body::BoundedText;
use torchat_protocol::room::{
    BoxKey, Close, CloseCode, Frame, InviteId, Join, MemberKey, MemberNo, Open, OpenAs, Proof, RoomId, Told,
};

/// Nobody's number among the desks.
pub(crate) const STRANGER: usize = 50;

fn none() -> Frame {
    Frame::Close(Close { code: CloseCode::None, retry_s: 0, words: BoundedText::default() })
}

pub(crate) fn frames(net: &Net, link: LinkId) -> Vec<(u16, Frame)> {
    let of_link = net.heard.iter().filter(|(of, _)| *of == link);
    of_link
        .filter_map(
            |(_, wire)| if let Wire::Frame(channel, frame) = wire { Some((*channel, frame.clone())) } else { None },
        )
        .collect()
}

pub(crate) fn has_ended(net: &Net, link: LinkId) -> bool {
    net.heard.contains(&(link, Wire::End))
}

pub(crate) fn join(room: RoomId, n: u8) -> Frame {
    let invite = Some((InviteId([n; 8]), Proof([n; 32])));
    let text = BoundedText::default();
    Frame::Join(Join { room, sign: MemberKey(identity(3).0), sealing: BoxKey([5; 32]), invite, nick: None, text })
}

#[test]
fn a_stranger_hears_the_same_whatever_it_opens() {
    let mut net = Net::new(2, 31);
    let room = net.room_of_all();
    let link = net.link(STRANGER, 0);
    let one = MemberNo::new(1);
    let opens = [
        (room, OpenAs::Member(None)),
        (room, OpenAs::Member(one)),
        (room, OpenAs::Member(MemberNo::new(77))),
        (room, OpenAs::Guest),
        (room, OpenAs::Key(MemberNo::MAKER, torchat_protocol::room::Signature([1; 64]))),
        (RoomId([9; 32]), OpenAs::Member(None)),
    ];
    for (n, (room, role)) in opens.into_iter().enumerate() {
        let channel = u16::try_from(2 * n + 1).unwrap();
        let before = net.heard.len();
        net.say_to(0, link, channel, Frame::Open(Open { room, role }));
        assert_eq!(net.heard.len(), before + 1, "in the same turn, and no more");
        assert_eq!(net.heard.last(), Some(&(link, Wire::Frame(channel, none()))));
    }
    assert!(!has_ended(&net, link));
}

#[test]
fn a_stranger_is_told_the_same_whatever_it_wants_to_join() {
    let mut net = Net::new(2, 32);
    let room = net.room_of_all();
    let invite = net.invite(0, room, invite());
    let link = net.link(STRANGER, 0);
    let other = net.link(STRANGER, 1);
    let id = invite.pass.unwrap().id.0[0];
    for (n, frame) in [join(room, 1), join(room, id), join(RoomId([9; 32]), 1)].into_iter().enumerate() {
        let channel = u16::try_from(2 * n + 1).unwrap();
        for (desk, link) in [(0, link), (1, other)] {
            let before = net.heard.len();
            net.say_to(desk, link, channel, frame.clone());
            let told = Wire::Frame(channel, Frame::Told(Told::Pending));
            assert_eq!(net.heard[before..], [(link, told)], "the owner and another one, known and unknown");
        }
    }
    net.pass(9_999);
    assert_eq!(frames(&net, link).len(), 3);
    net.pass(1);
    for link in [link, other] {
        let ends: Vec<_> = frames(&net, link).split_off(3);
        assert!(ends.iter().all(|(_, frame)| matches!(frame, Frame::Close(Close { code: CloseCode::Done, .. }))));
        assert_eq!(ends.len(), 3, "all at one time");
    }
}

#[test]
fn petitions_are_bounded() {
    let mut net = Net::new(1, 33);
    let room = net.make(0);
    for n in 0..200 {
        let link = net.link(STRANGER + n, 0);
        net.say_to(0, link, 1, join(room, 1));
    }
    assert_eq!(net.desks[0].rooms.petitions(room).count(), 20, "so many at once");
    net.pass(3_600_000);
    for n in 0..200 {
        let link = net.link(STRANGER + n, 0);
        net.say_to(0, link, 1, join(room, 1));
        net.pass(60_000);
    }
    assert_eq!(net.desks[0].rooms.petitions(room).count(), 100);
    net.pass(8 * 24 * 3_600_000);
    net.turn(0, Vec::new());
    assert_eq!(net.desks[0].rooms.petitions(room).count(), 0, "they get old");
}

#[test]
fn a_link_without_a_room_ends_and_there_are_few_of_them() {
    let mut net = Net::new(1, 34);
    let links: Vec<_> = (0..40).map(|n| net.link(STRANGER + n, 0)).collect();
    let ended = |net: &Net| links.iter().filter(|link| has_ended(net, **link)).count();
    assert_eq!(ended(&net), 8, "the oldest go");
    assert!(links[..8].iter().all(|link| has_ended(&net, *link)));
    net.pass(29_999);
    assert_eq!(ended(&net), 8);
    net.pass(1);
    assert_eq!(ended(&net), 40);
    let bye = Wire::Message(PeerMessage::Bye(Bye { why: ByeReason::Idle }));
    assert!(net.heard.contains(&(links[39], bye)));
}

#[test]
fn a_flood_of_openings_ends_the_link() {
    let mut net = Net::new(2, 35);
    let room = net.room_of_all();
    let link = net.link(STRANGER, 0);
    let mut channel = 1;
    while !has_ended(&net, link) {
        net.say_to(0, link, channel, Frame::Open(Open { room, role: OpenAs::Member(None) }));
        channel += 2;
        assert!(channel < 1_000, "it goes on");
    }
    assert_eq!(channel, 2 * 200 + 3);
    let again = net.link(STRANGER, 0);
    net.say_to(0, again, 1, Frame::Open(Open { room, role: OpenAs::Member(None) }));
    assert!(has_ended(&net, again), "a new link is no new purse");
}

#[test]
fn a_link_has_at_most_64_channels() {
    let mut net = Net::new(1, 36);
    let room = net.make(0);
    let link = net.link(STRANGER, 0);
    for n in 0..65 {
        net.say_to(0, link, 2 * n + 1, join(room, 1));
    }
    let last = frames(&net, link).pop().unwrap();
    assert!(matches!(last, (129, Frame::Close(Close { code: CloseCode::Limit, .. }))), "{last:?}");
    assert!(!has_ended(&net, link));
}

#[test]
fn what_has_no_place_ends_the_link_without_a_word() {
    let hello = || {
        let has = torchat_protocol::room::Has::Heads(Vec::new());
        let log = torchat_protocol::room::LogId([0; 8]);
        Frame::Hello(torchat_protocol::room::Hello { log, has, want: None, credit: 0 })
    };
    let room = RoomId([9; 32]);
    let open = || Frame::Open(Open { room, role: OpenAs::Member(None) });
    for (what, said) in [
        ("a first frame that opens nothing", vec![(1, hello())]),
        ("from the wrong side", vec![(2, open())]),
        ("a frame behind JOIN", vec![(1, join(room, 1)), (1, hello())]),
        ("JOIN twice", vec![(1, join(room, 1)), (1, join(room, 1))]),
        ("on channel 0", vec![(0, open())]),
    ] {
        let mut net = Net::new(1, 37);
        let link = net.link(STRANGER, 0);
        for (channel, frame) in said {
            net.say_to(0, link, channel, frame);
        }
        assert_eq!(net.heard.last(), Some(&(link, Wire::End)), "{what}");
        assert!(!net.heard.iter().any(|(_, wire)| matches!(wire, Wire::Message(_))), "{what}");
    }
    let mut net = Net::new(1, 38);
    let link = net.link(STRANGER, 0);
    net.say_to(0, link, 1, open());
    net.say_to(0, link, 1, hello());
    assert!(!has_ended(&net, link), "the channel is over, and what comes on it is skipped");
}

#[test]
fn who_is_silent_is_asked_and_who_does_not_answer_is_gone() {
    let mut net = Net::new(2, 39);
    let room = net.room_of_all();
    net.pass(3_600_000);
    assert_eq!(net.links.len(), 1, "both answer");
    let link = *net.links.keys().next().unwrap();
    net.silent.insert(1);
    net.pass(150_000);
    assert!(!net.links.contains_key(&link));
    assert_eq!(net.desks[0].rooms.status(room).unwrap().open.len(), 0);
    // With something on the way it is noticed sooner.
    net.silent.clear();
    net.pass(3_600_000);
    net.cut(*net.links.keys().next().unwrap());
    net.pass(20_000);
    let link = *net.links.keys().next().unwrap();
    let (dialler, other) = net.links[&link];
    net.say(dialler, room, "are you there");
    net.silent.insert(other);
    net.pass(26_000);
    assert!(!net.links.contains_key(&link));
}

#[test]
fn on_channel_0_there_is_life_and_nothing_else() {
    let mut net = Net::new(1, 40);
    let link = net.link(STRANGER, 0);
    net.turn(0, vec![RoomInput::Message { link, message: PeerMessage::Ping(Nonce { n: 7 }) }]);
    assert_eq!(net.heard.last(), Some(&(link, Wire::Message(PeerMessage::Pong(Nonce { n: 7 })))));
    let stray = PeerMessage::ContactRes(ContactRes { st: ContactState::Accepted });
    net.turn(0, vec![RoomInput::Message { link, message: stray }]);
    assert!(has_ended(&net, link));
}

#[test]
fn a_daemon_that_stops_says_good_bye_and_nothing_more() {
    let mut net = Net::new(1, 41);
    let link = net.link(STRANGER, 0);
    net.turn(0, vec![RoomInput::Stop]);
    let bye = Wire::Message(PeerMessage::Bye(Bye { why: ByeReason::Shutdown }));
    assert_eq!(net.heard, [(link, bye), (link, Wire::End)]);
    assert_eq!(net.desks[0].rooms.deadline(true), None);
}

#[test]
fn of_two_links_to_one_daemon_both_ends_keep_the_same_one() {
    for seed in 0..8 {
        let mut net = Net::new(2, 60 + seed);
        let room = net.room_of_all();
        for _ in 0..2 {
            net.link(0, 1);
            net.link(1, 0);
        }
        net.pass(10_000);
        assert_eq!(net.links.len(), 1, "seed {seed}");
        let said = net.say(0, room, "still here");
        net.pass(5_000);
        assert!(net.texts(1, room).contains(&said), "seed {seed}");
    }
}
