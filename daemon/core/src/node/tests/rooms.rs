//! Rooms in the node: their dials beside all others, and what holds for the whole daemon.
use super::*;
use crate::effect::{RoomAnswer, RoomEffect, RoomRefused};
use crate::input::{NewRoom, RoomCommand, RoomInput};
use crate::piece::Retained;
use crate::turn::tests::peers;
use torchat_protocol::purpose::Purpose;
use torchat_protocol::room::body::BoundedText;
use torchat_protocol::room::body::acts::Policy as Rules;
use torchat_protocol::room::{Frame, Join, Open, OpenAs, RoomId, RoomInvite};

fn room(n: u8) -> RoomId {
    RoomId(*peers(200)[100 + usize::from(n)].as_bytes())
}

/// A client wants to get into a room, by these doors.
fn join(n: u8, doors: &[PeerId]) -> Input {
    let invite = RoomInvite::new(room(n), doors.to_vec(), None).unwrap();
    let command = RoomCommand::Join { invite, nick: None, text: BoundedText::default(), want: None, client: None };
    Input::Room(RoomInput::Do { request: u64::from(n), command })
}

fn up(link: u64, peer: PeerId, outgoing: bool) -> Input {
    Input::Room(RoomInput::LinkUp { link: LinkId(link), peer, outgoing, binding: [0; 32], epoch: 1 })
}

fn down(link: u64) -> Input {
    Input::Room(RoomInput::LinkDown { link: LinkId(link) })
}

fn failed(peer: PeerId, failure: DialFailure) -> Input {
    Input::Network(NetworkInput::DialFailed { peer, purpose: Purpose::ROOM, end: failure.into() })
}

/// Whom the effects dial, what for, and whether by the circuits of before.
fn dialled(effects: &[Effect]) -> Vec<(PeerId, Purpose, bool)> {
    let dial = |effect: &Effect| match effect {
        Effect::Network(NetworkEffect::Dial { peer, purpose, last_circuits }) => {
            Some((*peer, *purpose, *last_circuits))
        }
        _ => None,
    };
    effects.iter().filter_map(dial).collect()
}

/// How long the next dial for rooms takes to come.
fn until_dial(bench: &mut Bench, limit: u64) -> Option<u64> {
    let begun = bench.now.mono_ms;
    while bench.now.mono_ms - begun < limit {
        if dialled(&bench.pass(100)).iter().any(|(_, purpose, _)| *purpose == Purpose::ROOM) {
            return Some(bench.now.mono_ms - begun);
        }
    }
    None
}

fn answers(effects: &[Effect]) -> Vec<RoomAnswer> {
    let answer = |effect: &Effect| match effect {
        Effect::Room(RoomEffect::Answer { answer, .. }) => Some(answer.clone()),
        _ => None,
    };
    effects.iter().filter_map(answer).collect()
}

#[test]
fn the_door_of_an_invite_is_dialled_at_once_for_rooms() {
    let mut bench = Bench::new(|row, _| row.contact = false);
    let door = peers(50)[40];
    let turn = bench.turn([join(1, &[door])]);
    assert_eq!(answers(&turn.effects), [RoomAnswer::Room(room(1))]);
    assert!(turn.ops.iter().any(|op| matches!(op, Op::Room(_))));
    assert_eq!(dialled(&turn.effects), [(door, Purpose::ROOM, false)]);
    assert_eq!(bench.node.rooms().ids().collect::<Vec<_>>(), [room(1)]);
}

#[test]
fn rooms_have_four_of_the_eight_places_and_mail_has_the_others() {
    let mut bench = Bench::new(|_, _| {});
    let all = peers(60);
    let mut begun: Vec<_> =
        (0..10).flat_map(|n| dialled(&bench.turn([join(n, &[all[40 + usize::from(n)]])]).effects)).collect();
    let mail = (0..10).map(|n| text_for(100 + n, all[20 + usize::try_from(n).unwrap()], "x")).collect::<Vec<_>>();
    begun.extend(dialled(&bench.turn(mail).effects));
    begun.extend(dialled(&bench.pass(5 * SECOND)));
    let of = |purpose| begun.iter().filter(|dial| dial.1 == purpose).count();
    assert_eq!((of(Purpose::ROOM), of(Purpose::CHAT)), (4, 4));
}

#[test]
fn a_door_that_is_down_is_left_alone_for_longer_and_longer_and_mail_to_it_is_not() {
    let mut bench = Bench::new(|_, _| {});
    let peer = bench.peer;
    bench.turn([join(1, &[peer])]);
    let mut pauses = Vec::new();
    for _ in 0..8 {
        bench.turn([failed(peer, DialFailure::PeerDown)]);
        pauses.push(until_dial(&mut bench, HOUR).unwrap());
    }
    assert!(pauses[0] <= 3 * SECOND && pauses[7] > 30 * SECOND, "{pauses:?}");
    // Whom the rooms do not reach, mail may.
    bench.turn([text_for(9, peer, "x")]);
    bench.pass(SECOND);
    assert!(bench.node.parts.dialling.is_running(&Target::chat(peer)));
    assert_eq!(bench.node.parts.dialling.attempts(&Target::chat(peer)), 0);
}

#[test]
fn the_last_circuits_of_a_door_are_tried_once_and_only_for_rooms() {
    let mut bench = Bench::new(|row, _| row.contact = false);
    let door = peers(50)[40];
    bench.turn([join(1, &[door])]);
    // It is reached, nothing is open on the link, and it ends.
    bench.turn([up(1, door, true)]);
    bench.turn([down(1)]);
    let mut circuits = Vec::new();
    for _ in 0..3 {
        let found = dialled(&bench.pass(2 * HOUR));
        circuits.push(found.first().copied().unwrap());
        bench.turn([failed(door, DialFailure::PeerDown)]);
    }
    assert_eq!(circuits, [(door, Purpose::ROOM, false), (door, Purpose::ROOM, true), (door, Purpose::ROOM, false)]);
}

#[test]
fn a_peer_that_does_not_want_us_is_left_alone() {
    let mut bench = Bench::new(|row, _| row.contact = false);
    let door = peers(50)[40];
    bench.turn([join(1, &[door])]);
    bench.turn([up(1, door, true)]);
    let message = PeerMessage::Bye(Bye { why: ByeReason::Limit });
    bench.turn([Input::Room(RoomInput::Message { link: LinkId(1), message })]);
    bench.turn([down(1)]);
    assert!(until_dial(&mut bench, HOUR).unwrap() >= MINUTE);
}

#[test]
fn dials_for_rooms_tell_whether_tor_carries_us() {
    let mut bench = Bench::new(|row, _| row.contact = false);
    for (n, door) in (0..8).zip(&peers(50)[40..]) {
        bench.turn([join(n, &[*door])]);
    }
    let mut checked = false;
    for _ in 0..400 {
        let effects = bench.pass(SECOND);
        checked |= count(&effects, |effect| {
            matches!(effect, Effect::Network(NetworkEffect::SelfCheck | NetworkEffect::Renew))
        }) > 0;
        for (peer, ..) in dialled(&effects) {
            bench.turn([failed(peer, DialFailure::NoNetwork)]);
        }
    }
    assert!(checked, "nobody wondered");
}

#[test]
fn after_a_sleep_room_links_are_asked_and_dials_dropped() {
    let mut bench = Bench::new(|row, _| row.contact = false);
    let all = peers(50);
    bench.turn([join(1, &[all[40]]), join(2, &[all[41]])]);
    bench.turn([up(1, all[40], true)]);
    // The wall clock went on, the other one did not.
    bench.now.wall_ms += 3_600_000;
    let woke = bench.turn([]);
    let asked = |effect: &Effect| {
        matches!(effect, Effect::Room(RoomEffect::Tell { link: LinkId(1), message: PeerMessage::Ping(_) }))
    };
    assert_eq!(count(&woke.effects, asked), 1, "{:?}", woke.effects);
    assert_eq!(count(&woke.effects, |effect| *effect == Effect::Network(NetworkEffect::DropDials)), 1);
    bench.turn([failed(all[41], DialFailure::GivenUp)]);
    assert!(until_dial(&mut bench, MINUTE).is_some());
}

#[test]
fn nothing_is_dialled_without_a_network_and_the_door_soon_with_one() {
    let mut bench = Bench::new(|row, _| row.contact = false);
    bench.turn([Input::Network(NetworkInput::State { usable: false })]);
    bench.turn([join(1, &[peers(50)[40]])]);
    assert_eq!(until_dial(&mut bench, HOUR), None);
    let back = bench.turn([Input::Network(NetworkInput::State { usable: true })]);
    assert_eq!(dialled(&back.effects).len() + dialled(&bench.pass(SECOND)).len(), 1);
}

#[test]
fn while_the_store_takes_no_writes_nothing_of_rooms_is_written_or_wanted() {
    let mut bench = Bench::new(|row, _| row.contact = false);
    let all = peers(50);
    bench.turn([join(1, &[all[40]])]);
    bench.turn([failed(all[40], DialFailure::PeerDown)]);
    bench.node.resume(true, false);
    let refused = bench.turn([join(2, &[all[41]])]);
    assert_eq!((answers(&refused.effects), refused.ops.len()), (vec![RoomAnswer::Refused(RoomRefused::Storage)], 0));
    assert_eq!(until_dial(&mut bench, HOUR), None);
    let open = Frame::Open(Open { room: room(1), role: OpenAs::Member(None) });
    let opened = bench.turn([
        up(1, all[42], false),
        Input::Room(RoomInput::Frame { link: LinkId(1), channel: 1, frame: open, checked: Vec::new() }),
    ]);
    assert_eq!(opened.ops, []);
    assert_eq!(count(&opened.effects, |effect| matches!(effect, Effect::Room(RoomEffect::Say { .. }))), 1);
    let again = bench.turn([Input::Storage { writable: true }]);
    assert_eq!(dialled(&again.effects), [(all[40], Purpose::ROOM, false)]);
}

#[test]
fn a_daemon_that_stops_says_good_bye_on_room_links() {
    let mut bench = Bench::new(|row, _| row.contact = false);
    bench.turn([up(1, peers(50)[40], false)]);
    let bye = bench.turn([Input::Stop]);
    let last = Effect::Room(RoomEffect::Close { link: LinkId(1), bye: Some(ByeReason::Shutdown) });
    assert_eq!(count(&bye.effects, |effect| *effect == last), 1, "{:?}", bye.effects);
}

#[test]
fn of_doors_that_nobody_wants_any_more_nothing_is_remembered() {
    let mut bench = Bench::new(|row, _| row.contact = false);
    let all = peers(60);
    for n in 0..10_u8 {
        let door = all[40 + usize::from(n)];
        bench.turn([join(n, &[door])]);
        let leave = crate::input::RoomWish::Leave;
        let command = RoomCommand::In { room: room(n), wish: leave };
        bench.turn([Input::Room(RoomInput::Do { request: 100, command })]);
        bench.turn([failed(door, DialFailure::PeerDown)]);
    }
    assert_eq!(bench.node.parts.dialling.len(), 1, "only what is known of the bench's peer");
    assert_eq!(until_dial(&mut bench, HOUR), None);
}

#[test]
fn a_blocked_peer_keeps_its_room_links_and_its_petitions_are_not_shown() {
    let petitions = |block: bool| {
        let mut bench = Bench::new(|_, _| {});
        let peer = bench.peer;
        let new = crate::input::NewRoom {
            name: BoundedText::new("lab").unwrap(),
            topic: BoundedText::default(),
            policy: torchat_protocol::room::body::acts::Policy::default(),
            nick: None,
            client: None,
        };
        // A room's id is drawn until it has its shape, so not every byte may be the same.
        let mut n = 1_u64;
        let mut entropy = |out: &mut [u8]| {
            out.fill_with(|| {
                n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                n.to_be_bytes()[0]
            });
        };
        let make = Input::Room(RoomInput::Do { request: 1, command: RoomCommand::Make(new) });
        let made = bench.node.turn(bench.now, &mut entropy, [make]);
        let [RoomAnswer::Room(room)] = answers(&made.effects)[..] else { panic!("{made:?}") };
        bench.turn([up(1, peer, false)]);
        if block {
            let change = ContactChange::Block;
            let blocked = bench.turn([Input::Contacts(ContactInput::Change { request: 2, peer, change })]);
            assert_eq!(count(&blocked.effects, |effect| matches!(effect, Effect::Room(_))), 0, "the link goes on");
        }
        let sign = torchat_protocol::room::MemberKey(*peer.as_bytes());
        let sealing = torchat_protocol::room::BoxKey([1; 32]);
        let join = Join { room, sign, sealing, invite: None, nick: None, text: BoundedText::default() };
        let frame = Frame::Join(join);
        let asked =
            bench.turn([Input::Room(RoomInput::Frame { link: LinkId(1), channel: 1, frame, checked: Vec::new() })]);
        let said = count(&asked.effects, |effect| matches!(effect, Effect::Room(RoomEffect::Say { .. })));
        assert_eq!(said, 1, "it hears what everybody hears");
        bench.node.rooms().petitions(room).count()
    };
    assert_eq!((petitions(false), petitions(true)), (1, 0));
}

#[test]
fn what_is_said_in_a_room_is_kept_as_long_as_its_rules_say_read_or_not() {
    let mut bench = Bench::new(|_, _| {});
    let name = BoundedText::new("lab").unwrap_or_default();
    let policy = Rules { keep_days: 30, ..Rules::default() };
    let new = NewRoom { name, topic: BoundedText::default(), policy, nick: None, client: None };
    // The id of a room is drawn until it has the shape of an onion, so each draw must be another one.
    let mut dice = 0_u8;
    let mut draw = |out: &mut [u8]| {
        dice = dice.wrapping_add(1);
        out.fill(dice);
    };
    let make = Input::Room(RoomInput::Do { request: 1, command: RoomCommand::Make(new) });
    let turn = bench.node.turn(bench.now, &mut draw, [make]);
    let [RoomAnswer::Room(room)] = answers(&turn.effects)[..] else { panic!("a room") };
    assert_eq!(bench.node.retained(bench.now), [], "the daemon has only just started");
    bench.pass(11 * MINUTE);
    let peer = room.conversation().as_peer().expect("the shape of an onion");
    let before_ms = bench.now.wall_ms - 30 * 24 * 60 * i64::try_from(MINUTE).unwrap_or_default();
    assert_eq!(bench.node.retained(bench.now), [Retained { peer, before_ms, unread: true }]);
}
