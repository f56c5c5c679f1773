//! A daemon that is played: events come in their order, answers whenever they like, and in the end the client shows what
//! HISTORY and CONVERSATIONS say.

#![allow(clippy::unwrap_used)]

mod daemon;
mod play;
mod rooms;

use super::*;
use play::{Play, Step};
use proptest::prelude::*;
use torchat_protocol::control::api::event::{Event, What};
use torchat_protocol::id::PeerId;

pub(super) const NOW: i64 = 1_795_253_400_000;
/// Messages that a window holds in these tests, so that few are needed to fill it.
const HELD: usize = 130;
const PAGE: u32 = 25;
/// Messages that are in view.
const VIEW: usize = 8;

pub(super) fn onion(number: u8) -> Onion {
    let key = |last| {
        let mut key = [number; 32];
        key[31] = last & 0x7f;
        PeerId::from_key(key).ok()
    };
    (0..=u8::MAX).find_map(key).map(Onion).unwrap()
}

/// The conversation with one of them.
pub(super) fn with(number: u8) -> ConversationId {
    onion(number).conversation()
}

pub(super) fn contact(peer: Onion) -> Contact {
    Contact {
        peer,
        state: ContactState::Contact,
        name: None,
        nick: None,
        link: false,
        heard_s: None,
        hidden: false,
        queued: 0,
        verified: None,
        retain_days: None,
    }
}

pub(super) fn message(id: i64, peer: ConversationId, dir: Direction, state: MessageState) -> Message {
    Message {
        id,
        mid: MessageId([0; 16]),
        peer,
        dir,
        text: format!("no. {id}"),
        state,
        at: jiff::Timestamp::from_millisecond(NOW + id).unwrap().to_string(),
        sent_at: None,
        done_at: None,
        client_id: None,
        reason: None,
        why: None,
        next_try_at: None,
        from: None,
        order: None,
        re: None,
        mention: false,
        edited_at: None,
        reacts: Default::default(),
        flags: Vec::new(),
        stored: None,
    }
}

/// Steps of this many conversations.
fn step(peers: usize) -> impl Strategy<Value = Step> {
    let dir = prop::sample::select(vec![Direction::In, Direction::In, Direction::Out, Direction::Mark]);
    let many = prop_oneof![8 => 1usize..4, 2 => 20usize..60, 1 => 150usize..200];
    let on_the_way = prop_oneof![Just(0), 1usize..50, Just(usize::MAX)];
    prop_oneof![
        6 => (0usize..peers, dir, many).prop_map(|(at, dir, count)| Step::Add(at, dir, count)),
        8 => (0usize..600, any::<u8>()).prop_map(|(at, way)| Step::Progress(at, way)),
        4 => (0usize..600, any::<bool>()).prop_map(|(at, upto)| Step::ReadElsewhere(at, upto)),
        2 => (10u8..14).prop_map(Step::Request),
        10 => (1usize..12).prop_map(Step::Tell),
        2 => (50usize..300).prop_map(Step::Tell),
        8 => (0usize..peers).prop_map(Step::Want),
        2 => (0usize..peers, 1i64..600).prop_map(|(at, id)| Step::Jump(at, id)),
        3 => (0usize..peers, 1i64..600).prop_map(|(at, id)| Step::Scroll(at, id)),
        9 => (0usize..8).prop_map(Step::Read),
        9 => (0usize..8).prop_map(Step::Answer),
        3 => (0usize..peers).prop_map(Step::Seen),
        1 => (0usize..peers).prop_map(Step::SeenHere),
        1 => (0usize..peers).prop_map(Step::Close),
        1 => (0usize..peers, 1i64..300, 1usize..300, on_the_way)
            .prop_map(|(at, from, count, on_the_way)| Step::Erase(at, from, count, on_the_way)),
        1 => any::<bool>().prop_map(Step::Reconnect),
        1 => Just(Step::Gap),
    ]
}

proptest! {
    #[test]
    fn any_order_of_pages_and_events_ends_in_what_the_daemon_says(
        before in 0usize..300,
        steps in prop::collection::vec(step(2), 1..120),
    ) {
        let mut play = Play::after(before);
        for step in steps {
            play.take(step);
            for peer in play.peers.iter().copied() {
                let held = play.list.get(peer).map_or(0, |timeline| timeline.window.entries().len());
                prop_assert!(held <= HELD, "{held} messages are held");
            }
        }
        play.settle();
        play.compare();
    }
}

/// Plays steps to their end, in a daemon that had messages before.
fn played(before: usize, steps: Vec<Step>) {
    let mut play = Play::after(before);
    steps.into_iter().for_each(|step| play.take(step));
    play.settle();
    play.compare();
}

#[test]
fn what_was_read_before_the_list_is_not_subtracted_because_of_a_newer_message_that_was_erased_before_it() {
    use Direction::In;
    // The list is read last, and has not got the newest message, whose event is told before that of the one which was read.
    let (newest, read) = (Step::Add(1, In, 1), Step::ReadElsewhere(1, false));
    let erased = Step::Erase(1, 1, 1, usize::MAX);
    played(3, vec![Step::Add(0, In, 160), newest.clone(), read.clone(), erased.clone()]);
    // The same if the event of the erased one comes before the other's.
    played(3, vec![Step::Add(0, In, 160), newest, erased, read]);
}

#[test]
fn a_message_that_was_read_before_a_second_list_is_not_subtracted_when_it_is_seen_here() {
    use Step::{Answer, Read};
    let list = [Read(0), Read(0), Answer(0)];
    let mut steps = list.to_vec();
    // There are requests to answer, too. Then a page is shown, but for its end.
    steps.extend([Read(0), Answer(0), Step::Want(0), Read(0), Answer(0), Step::Scroll(0, 15)]);
    // One is read elsewhere, and so the list is asked for again. Before it is read, another one is read.
    steps.extend([Step::ReadElsewhere(1, false), Step::Tell(1), Step::ReadElsewhere(2, false)]);
    steps.extend(list);
    // It is seen here, and its event comes after that.
    steps.push(Step::Seen(0));
    played(20, steps);
}

#[test]
fn what_was_read_between_two_pages_of_the_list_is_not_subtracted_because_of_a_message_newer_than_the_first_page() {
    let (newer, read) = (Step::Add(0, Direction::In, 1), Step::ReadElsewhere(13, false));
    played(22, vec![Step::Read(0), newer, read, Step::Read(0), Step::Answer(0)]);
}

#[test]
fn a_conversation_that_moves_between_two_pages_of_the_list_is_counted_by_the_next_list() {
    use Step::{Answer, Read};
    // It was read after the list was asked for, so the list is asked for again, behind the requests.
    let mut steps = vec![Step::ReadElsewhere(1, false), Read(0), Read(0), Step::Tell(1), Answer(0)];
    steps.extend([Read(1), Step::Add(0, Direction::In, 1), Read(1), Answer(1)]);
    played(14, steps);
}

#[test]
fn what_is_shown_before_its_event_comes_stays_unread_if_the_daemon_is_not_told() {
    use Step::{Answer, Read};
    let mut steps = vec![Read(0), Read(0), Answer(0), Read(0), Answer(0)];
    steps.extend([Step::Add(0, Direction::In, 1), Step::Want(0), Read(0), Answer(0), Step::SeenHere(0)]);
    played(20, steps);
}

#[test]
fn a_pending_message_becomes_the_daemons_in_either_order() {
    for event_first in [true, false] {
        let mut play = Play::new();
        play.settle();
        let peer = play.peers[0];
        let timeline = play.list.get_mut(peer).unwrap();
        timeline.window.put_pending(peer, "key", "hello", NOW, None);
        timeline.window.put_pending(peer, "other", "world", NOW, None);
        let mut queued = message(1, peer, Direction::Out, MessageState::Queued);
        queued.client_id = Some("key".into());
        let event = Event { seq: 1, at: String::new(), what: What::Queued { message: queued.clone() } };
        let answer = torchat_protocol::control::api::command::SendAnswer {
            id: 1,
            mid: queued.mid,
            state: queued.state,
            duplicate: false,
        };
        for first in [event_first, !event_first] {
            if first {
                play.list.event(&event, NOW);
            } else {
                play.list.accepted(peer, "key", &answer, NOW);
            }
        }
        let entries: Vec<_> = play.list.get(peer).unwrap().window.entries().values().collect();
        assert_eq!(entries.len(), 2);
        assert_eq!((entries[0].message.id, entries[0].is_pending()), (1, false));
        assert_eq!(entries[0].at, NOW + 1, "the daemon's time");
        assert!(entries[1].is_pending());
    }
}

#[test]
fn a_refused_page_is_not_asked_for_again_before_another_connection() {
    let mut play = Play::new();
    play.daemon.add(with(2), Direction::In);
    play.daemon.told = 1;
    play.read_all();
    play.answer(0);
    let window = &mut play.list.get_mut(with(2)).unwrap().window;
    let request = window.ask(Anchor::Newest);
    window.failed(request);
    assert_eq!(window.wanted(None, false), None);
    play.list.connected(true);
    assert_eq!(play.list.get(with(2)).unwrap().window.wanted(None, false), Some(Anchor::Newest));
}

/// The lists that these needs ask for.
fn lists(needs: Vec<Need>) -> Vec<ListRequest> {
    let list = |need| if let Need::Conversations(request) = need { Some(request) } else { None };
    needs.into_iter().filter_map(list).collect()
}

#[test]
fn messages_that_are_erased_in_a_hundred_conversations_cost_a_few_lists() {
    let mut daemon = daemon::Daemon::default();
    let peers: Vec<ConversationId> =
        (0..200).map(with).collect::<std::collections::BTreeSet<_>>().into_iter().collect();
    assert!(peers.len() > 100);
    peers.iter().for_each(|peer| (0..3).for_each(|_| daemon.add(*peer, Direction::In)));
    let mut list = ConversationList::default();
    let answer = |list: &mut ConversationList, daemon: &daemon::Daemon, asked: Vec<ListRequest>, now| {
        let mut more = Vec::new();
        for request in asked {
            more.extend(lists(list.conversations(request, daemon.conversations(&peers), now)));
        }
        more
    };
    let first = lists(list.connected(false));
    assert_eq!(answer(&mut list, &daemon, first, NOW), []);
    let before = daemon.log.len();
    // A piece of each, 5 ms apart, and the daemon answers each list before the next piece.
    for peer in &peers {
        daemon.erase(*peer, 1, 2, usize::MAX);
    }
    let (mut count, mut now) = (0, NOW);
    for event in daemon.log.get(before..).unwrap().to_vec() {
        now += 5;
        let mut asked = lists(list.event(&event, now));
        while !asked.is_empty() {
            count += asked.len();
            asked = answer(&mut list, &daemon, asked, now);
        }
    }
    assert_eq!(count, 1, "within a second");
    assert!(lists(list.expire(list.due().unwrap() - 1)).is_empty());
    let mut asked = lists(list.expire(list.due().unwrap()));
    while !asked.is_empty() {
        count += asked.len();
        asked = answer(&mut list, &daemon, asked, now + 1_000);
    }
    assert_eq!((count, list.due()), (2, None));
    for peer in &peers {
        let timeline = list.get(*peer).unwrap();
        assert_eq!((timeline.unread(), timeline.last()), (1, daemon.all(*peer).last()));
    }
    // What is erased later is told at once again, and a clock that was set back puts nothing off.
    for later in [now + 10_000, NOW - 86_400_000] {
        let peer = peers[0];
        let id = daemon.all(peer).last().unwrap().id;
        let event =
            Event { seq: 1, at: String::new(), what: What::Erased { peer, from: id, upto: id, kept: Vec::new() } };
        let asked = lists(list.event(&event, later));
        assert_eq!(asked.len(), 1);
        assert!(!asked[0].fresh, "nothing was missed, so the others' messages are not read anew");
        assert_eq!(answer(&mut list, &daemon, asked, later), []);
    }
}

#[test]
fn a_list_that_a_flood_overtakes_is_read_and_counted_again() {
    let mut play = Play::new();
    play.read_all();
    (0..1_500).for_each(|_| play.daemon.add(with(2), Direction::In));
    while play.tell() {}
    play.settle();
    play.compare();
}
