//! A daemon that is played: events come in their order, answers whenever they like, and in the end the client shows what
//! HISTORY and CONVERSATIONS say.

#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use torchat_protocol::control::api::command::{History, MessagesAnswer};
use torchat_protocol::control::api::event::{Event, MessageRef, What};
use torchat_protocol::control::api::record::ContactRequest;
use torchat_protocol::id::PeerId;

const NOW: i64 = 1_795_253_400_000;
/// Messages that a window holds in these tests, so that few are needed to fill it.
const HELD: usize = 130;
const PAGE: u32 = 25;
/// Messages that are in view.
const VIEW: usize = 8;

fn onion(number: u8) -> Onion {
    let key = |last| {
        let mut key = [number; 32];
        key[31] = last & 0x7f;
        PeerId::from_key(key).ok()
    };
    (0..=u8::MAX).find_map(key).map(Onion).unwrap()
}

fn contact(peer: Onion) -> Contact {
    Contact {
        peer,
        state: ContactState::Contact,
        name: None,
        nick: None,
        link: false,
        heard_s: None,
        hidden: false,
        queued: 0,
    }
}

fn message(id: i64, peer: Onion, dir: Direction, state: MessageState) -> Message {
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
    }
}

/// What the daemon has, and what it has not told yet.
#[derive(Default)]
struct Daemon {
    messages: Vec<Message>,
    requests: Vec<ContactRequest>,
    log: Vec<Event>,
    told: usize,
}

impl Daemon {
    fn tell(&mut self, what: What) {
        let seq = self.log.len() as u64 + 1;
        self.log.push(Event { seq, at: String::new(), what });
    }

    fn add(&mut self, peer: Onion, dir: Direction) {
        let id = self.messages.len() as i64 + 1;
        let state = match dir {
            Direction::In => MessageState::Unread,
            Direction::Out => MessageState::Queued,
            _ => MessageState::Lost,
        };
        let message = message(id, peer, dir, state);
        self.messages.push(message.clone());
        self.tell(match dir {
            Direction::In => What::Received { message },
            Direction::Out => What::Queued { message },
            _ => What::Lost { message },
        });
    }

    /// One more step of a message that was sent; also late deliveries of what was taken back.
    fn step(&mut self, at: usize, way: u8) {
        use MessageState::{Delivered, Failed, Queued, Sent, Withdrawn};
        let count = self.messages.len();
        let Some(message) = self.messages.get_mut(at % count.max(1)) else { return };
        let state = match (message.state, way % 4) {
            (Queued, 0) => Sent,
            (Queued | Sent, 1) => Failed,
            (Queued | Sent, 2) => Withdrawn,
            (Queued | Sent | Failed | Withdrawn, 3) => Delivered,
            _ => return,
        };
        message.state = state;
        let reference = MessageRef { peer: message.peer, id: message.id, mid: message.mid };
        self.tell(match state {
            Sent => What::Sent(reference),
            Failed => What::Failed(reference),
            Withdrawn => What::Withdrawn(reference),
            _ => What::Delivered(reference),
        });
    }

    /// The user reads with another program: up to a message, or that one only.
    fn read(&mut self, at: usize, upto: bool) {
        let Some(last) = self.messages.get(at % self.messages.len().max(1)).cloned() else { return };
        let mut told = Vec::new();
        for message in &mut self.messages {
            let meant = message.peer == last.peer && (message.id == last.id || upto && message.id < last.id);
            if meant && message.state == MessageState::Unread {
                message.state = MessageState::Read;
                told.push(What::Read(MessageRef { peer: message.peer, id: message.id, mid: message.mid }));
            }
        }
        told.into_iter().for_each(|what| self.tell(what));
    }

    fn ask_request(&mut self, number: u8) {
        let peer = onion(number);
        if let Some(at) = self.requests.iter().position(|request| request.peer == peer) {
            self.requests.remove(at);
            self.tell(What::RequestGone { peer });
        } else {
            self.requests.push(ContactRequest { peer, nick: String::new(), text: String::new(), at: String::new() });
            self.tell(What::Request { peer, nick: String::new(), text: String::new() });
        }
    }

    fn all(&self, peer: Onion) -> Vec<Message> {
        self.messages.iter().filter(|message| message.peer == peer).cloned().collect()
    }

    fn history(&self, asked: &History) -> MessagesAnswer {
        let all = self.all(asked.peer);
        let limit = asked.limit.unwrap() as usize;
        let (messages, more): (Vec<_>, bool) = if let Some(after) = asked.after {
            let newer: Vec<_> = all.into_iter().filter(|message| message.id > after).collect();
            (newer.iter().take(limit).cloned().collect(), newer.len() > limit)
        } else {
            let before = asked.before.unwrap_or(i64::MAX);
            let older: Vec<_> = all.into_iter().filter(|message| message.id < before).collect();
            let cut = older.len().saturating_sub(limit);
            (older[cut..].to_vec(), cut > 0)
        };
        MessagesAnswer { messages, more }
    }

    fn unread(&self, peer: Onion) -> u64 {
        self.all(peer).iter().filter(|message| message.state == MessageState::Unread).count() as u64
    }

    fn conversations(&self, peers: &[Onion]) -> Vec<Conversation> {
        let conversation = |peer: &Onion| Conversation {
            contact: contact(*peer),
            unread: self.unread(*peer),
            last: self.all(*peer).pop(),
        };
        peers.iter().map(conversation).collect()
    }
}

/// A question on its way: asked, then read by the daemon, then answered.
enum Question {
    Page(Onion, PageRequest, Option<(MessagesAnswer, Option<MessagesAnswer>)>),
    List(ListRequest, Option<Vec<Conversation>>),
    Requests(Ticket, Option<Vec<ContactRequest>>),
}

struct Play {
    daemon: Daemon,
    list: ConversationList,
    questions: Vec<Question>,
    peers: [Onion; 2],
}

impl Play {
    fn new() -> Self {
        let mut play = Self {
            daemon: Daemon::default(),
            list: ConversationList::default(),
            questions: Vec::new(),
            peers: [onion(2), onion(3)],
        };
        let needs = play.list.connected(false);
        play.need(needs);
        play
    }

    fn need(&mut self, needs: Vec<Need>) {
        for need in needs {
            match need {
                Need::Conversations(request) => self.questions.push(Question::List(request, None)),
                Need::Requests(ticket) => self.questions.push(Question::Requests(ticket, None)),
                Need::Message(peer, id) => self.questions.push(Question::Page(peer, PageRequest::one(id), None)),
            }
        }
    }

    /// Tells the next event.
    fn tell(&mut self) -> bool {
        let Some(event) = self.daemon.log.get(self.daemon.told).cloned() else { return false };
        self.daemon.told += 1;
        let needs = self.list.event(&event, NOW);
        self.need(needs);
        true
    }

    fn ask(&mut self, peer: Onion, anchor: Anchor) {
        let Some(timeline) = self.list.get_mut(peer) else { return };
        let request = timeline.window.ask(anchor);
        self.questions.push(Question::Page(peer, request, None));
    }

    /// The page that a view would ask for now.
    fn want(&mut self, peer: Onion) -> bool {
        let Some(timeline) = self.list.get_mut(peer) else { return false };
        let window = &timeline.window;
        let lowest = window.bottom.map_or(i64::MAX, |bottom| bottom.id);
        let shown: Vec<i64> = window.entries().range(..=lowest).rev().take(VIEW).map(|(id, _)| *id).collect();
        let ends = shown.last().copied().zip(shown.first().copied());
        let Some(anchor) = window.wanted(ends, shown.len() == VIEW) else { return false };
        self.ask(peer, anchor);
        true
    }

    /// The daemon reads for a question: what it answers later is of now.
    fn read(&mut self, at: usize) {
        let count = self.questions.len();
        let Some(question) = self.questions.get_mut(at % count.max(1)) else { return };
        match question {
            Question::Page(peer, request, answer @ None) => {
                let (first, second) = request.anchor.commands(*peer, PAGE);
                *answer = Some((self.daemon.history(&first), second.map(|second| self.daemon.history(&second))));
            }
            Question::List(_, answer @ None) => *answer = Some(self.daemon.conversations(&self.peers)),
            Question::Requests(_, answer @ None) => *answer = Some(self.daemon.requests.clone()),
            _ => {}
        }
    }

    /// The client gets an answer, if it was read.
    fn answer(&mut self, at: usize) {
        let at = at % self.questions.len().max(1);
        let read = match self.questions.get(at) {
            Some(Question::Page(_, _, answer)) => answer.is_some(),
            Some(Question::List(_, answer)) => answer.is_some(),
            Some(Question::Requests(_, answer)) => answer.is_some(),
            None => false,
        };
        if !read {
            return;
        }
        match self.questions.remove(at) {
            Question::Page(peer, request, Some((first, second))) => {
                if let Some(timeline) = self.list.get_mut(peer) {
                    timeline.window.answer(request, first, second);
                    if let Anchor::Around(id) = request.anchor
                        && timeline.window.entry(id).is_some()
                    {
                        timeline.window.bottom = Some(Bottom { id, hidden: 0 });
                    }
                }
            }
            Question::List(request, Some(list)) => {
                let needs = self.list.conversations(request, list, NOW);
                for peer in self.peers {
                    if let Some(timeline) = self.list.get_mut(peer) {
                        timeline.window.limit_to(HELD);
                    }
                }
                self.need(needs);
            }
            Question::Requests(ticket, Some(requests)) => {
                let needs = self.list.requests(ticket, requests);
                self.need(needs);
            }
            _ => {}
        }
    }

    fn take(&mut self, step: Step) {
        let peer = |at: usize| self.peers[at % 2];
        match step {
            Step::Add(at, dir, count) => (0..count).for_each(|_| self.daemon.add(self.peers[at % 2], dir)),
            Step::Progress(at, way) => self.daemon.step(at, way),
            Step::ReadElsewhere(at, upto) => self.daemon.read(at, upto),
            Step::Request(number) => self.daemon.ask_request(number),
            Step::Tell(count) => (0..count).for_each(|_| {
                self.tell();
            }),
            Step::Want(at) => {
                self.want(peer(at));
            }
            Step::Jump(at, id) => {
                let anchor = match id % 5 {
                    0 => Anchor::Oldest,
                    1 => Anchor::Newest,
                    _ => Anchor::Around(id),
                };
                self.ask(peer(at), anchor);
            }
            Step::Scroll(at, id) => {
                if let Some(timeline) = self.list.get_mut(peer(at)) {
                    let lowest = timeline.window.entries().range(..=id).next_back().map(|(id, _)| *id);
                    timeline.window.bottom = lowest.map(|id| Bottom { id, hidden: 0 });
                }
            }
            Step::Read(at) => self.read(at),
            Step::Answer(at) => self.answer(at),
            Step::Seen(at) => self.seen(at),
            Step::Close(at) => {
                if let Some(timeline) = self.list.get_mut(peer(at)) {
                    timeline.close();
                }
            }
            Step::Reconnect(continued) => {
                if !continued {
                    self.daemon.told = self.daemon.log.len();
                }
                let needs = self.list.connected(continued);
                self.need(needs);
            }
            Step::Gap => {
                let (from, to) = (self.daemon.told as u64 + 1, self.daemon.log.len() as u64);
                if from <= to {
                    self.daemon.told = self.daemon.log.len();
                    let event = Event { seq: to, at: String::new(), what: What::Gap { from, to } };
                    let needs = self.list.event(&event, NOW);
                    self.need(needs);
                }
            }
        }
    }

    /// This client shows a message, tells the daemon so, and gets its answer before the events.
    fn seen(&mut self, at: usize) {
        let peer = self.peers[at % 2];
        let Some(timeline) = self.list.get_mut(peer) else { return };
        let lowest = timeline.window.bottom.map_or(i64::MAX, |bottom| bottom.id);
        let Some(id) = timeline.window.entries().range(..=lowest).next_back().map(|(id, _)| *id) else { return };
        self.daemon.read(usize::try_from(id).unwrap() - 1, true);
        self.list.get_mut(peer).unwrap().seen(id);
    }

    /// Everything that is on its way comes, and what is wanted is asked for, until nothing happens any more.
    fn settle(&mut self) {
        for _ in 0..2_000 {
            let mut busy = self.tell();
            if !self.questions.is_empty() {
                self.read(0);
                self.answer(0);
                busy = true;
            }
            for peer in self.peers {
                busy |= self.want(peer);
            }
            if !busy {
                return;
            }
        }
        panic!("it asks and asks: {} questions", self.questions.len());
    }

    fn compare(&self) {
        for peer in self.peers {
            let timeline = self.list.get(peer).unwrap();
            let window = &timeline.window;
            let facts = |message: &Message| (message.id, message.state, message.text.clone());
            let held: Vec<_> = window.entries().values().map(|entry| facts(&entry.message)).collect();
            let all = self.daemon.all(peer);
            let (first, last) = window.span().unwrap_or((i64::MAX, i64::MAX));
            let expected: Vec<_> =
                all.iter().filter(|message| (first..=last).contains(&message.id)).map(facts).collect();
            assert_eq!(held, expected, "the window is not what HISTORY says");
            assert_eq!(window.has_older(), all.iter().any(|message| message.id < first), "older than {first}");
            assert_eq!(window.has_newer(), all.iter().any(|message| message.id > last), "newer than {last}");
            assert!(window.bottom.is_some() || !window.has_newer(), "at the end, and it is not the end");
            assert!(window.is_loaded() && held.len() <= HELD);
            assert_eq!(timeline.unread(), self.daemon.unread(peer), "unread");
            assert_eq!(timeline.last().map(facts), all.last().map(facts), "the last one");
        }
        let requests: Vec<_> = self.list.request_list().iter().map(|request| request.peer).collect();
        let expected: Vec<_> = self.daemon.requests.iter().map(|request| request.peer).collect();
        assert_eq!(requests, expected);
        let mut order: Vec<_> = self.peers.to_vec();
        let newest = |peer: &Onion| self.daemon.all(*peer).last().map_or(0, |message| message.id);
        order.sort_by(|a, b| newest(b).cmp(&newest(a)).then_with(|| a.cmp(b)));
        assert_eq!(self.list.order(), order);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Add(usize, Direction, usize),
    Progress(usize, u8),
    ReadElsewhere(usize, bool),
    Request(u8),
    Tell(usize),
    Want(usize),
    Jump(usize, i64),
    Scroll(usize, i64),
    Read(usize),
    Answer(usize),
    Seen(usize),
    Close(usize),
    Reconnect(bool),
    Gap,
}

fn step() -> impl Strategy<Value = Step> {
    let dir = prop::sample::select(vec![Direction::In, Direction::In, Direction::Out, Direction::Mark]);
    let many = prop_oneof![8 => 1usize..4, 2 => 20usize..60, 1 => 150usize..200];
    prop_oneof![
        6 => (0usize..2, dir, many).prop_map(|(at, dir, count)| Step::Add(at, dir, count)),
        8 => (0usize..600, any::<u8>()).prop_map(|(at, way)| Step::Progress(at, way)),
        4 => (0usize..600, any::<bool>()).prop_map(|(at, upto)| Step::ReadElsewhere(at, upto)),
        2 => (10u8..14).prop_map(Step::Request),
        10 => (1usize..12).prop_map(Step::Tell),
        2 => (50usize..300).prop_map(Step::Tell),
        8 => (0usize..2).prop_map(Step::Want),
        2 => (0usize..2, 1i64..600).prop_map(|(at, id)| Step::Jump(at, id)),
        3 => (0usize..2, 1i64..600).prop_map(|(at, id)| Step::Scroll(at, id)),
        9 => (0usize..8).prop_map(Step::Read),
        9 => (0usize..8).prop_map(Step::Answer),
        3 => (0usize..2).prop_map(Step::Seen),
        1 => (0usize..2).prop_map(Step::Close),
        1 => any::<bool>().prop_map(Step::Reconnect),
        1 => Just(Step::Gap),
    ]
}

proptest! {
    #[test]
    fn any_order_of_pages_and_events_ends_in_what_the_daemon_says(
        before in 0usize..300,
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut play = Play::new();
        (0..before).for_each(|n| {
            let dir = if n % 3 == 0 { Direction::Out } else { Direction::In };
            play.daemon.add(play.peers[n % 7 / 6], dir);
        });
        // What was before the subscription is no event of it.
        play.daemon.told = play.daemon.log.len();
        for step in steps {
            play.take(step);
            for peer in play.peers {
                let held = play.list.get(peer).map_or(0, |timeline| timeline.window.entries().len());
                prop_assert!(held <= HELD, "{held} messages are held");
            }
        }
        play.settle();
        play.compare();
    }
}

#[test]
fn a_pending_message_becomes_the_daemons_in_either_order() {
    for event_first in [true, false] {
        let mut play = Play::new();
        play.settle();
        let peer = play.peers[0];
        let timeline = play.list.get_mut(peer).unwrap();
        timeline.window.put_pending(peer, "key", "hello", NOW);
        timeline.window.put_pending(peer, "other", "world", NOW);
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
    play.daemon.add(onion(2), Direction::In);
    play.daemon.told = 1;
    play.read(0);
    play.answer(0);
    let window = &mut play.list.get_mut(onion(2)).unwrap().window;
    let request = window.ask(Anchor::Newest);
    window.failed(request);
    assert_eq!(window.wanted(None, false), None);
    play.list.connected(true);
    assert_eq!(play.list.get(onion(2)).unwrap().window.wanted(None, false), Some(Anchor::Newest));
}

#[test]
fn long_texts_are_held_up_to_a_number_of_bytes() {
    let mut window = Window::default();
    let request = window.ask(Anchor::Newest);
    window.answer(request, MessagesAnswer { messages: Vec::new(), more: false }, None);
    for id in 1..=1_000 {
        let text = "x".repeat(65_536);
        window.put(Message { text, ..message(id, onion(2), Direction::In, MessageState::Unread) });
    }
    assert_eq!(window.entries().len(), HELD_BYTES / 65_536);
    assert_eq!(window.span(), Some((1_001 - (HELD_BYTES / 65_536) as i64, 1_000)));
    assert!(window.has_older());
}

#[test]
fn a_list_that_a_flood_overtakes_is_read_and_counted_again() {
    let mut play = Play::new();
    play.read(0);
    (0..1_500).for_each(|_| play.daemon.add(onion(2), Direction::In));
    while play.tell() {}
    play.settle();
    play.compare();
}

#[test]
fn drafts_of_several_clients_are_merged() {
    let (ann, bob) = (Some(onion(2)), Some(onion(3)));
    let unsent = |key: &str| Unsent { peer: onion(2), text: key.into(), key: key.into(), at: 0 };
    let mut base = Drafts::default();
    base.keep(ann, "to ann");
    base.keep(bob, "to bob");
    base.send(unsent("1-1"));
    let (mut ours, mut theirs) = (base.clone(), base.clone());
    ours.keep(bob, "");
    ours.send(unsent("2-1"));
    theirs.keep(ann, "to ann, more");
    theirs.settle("1-1");
    theirs.send(unsent("1-2"));
    let merged = Drafts::merge(&base, &ours, theirs);
    assert_eq!((merged.draft(ann), merged.draft(bob), merged.draft(None)), ("to ann, more", "", ""));
    let keys: Vec<_> = merged.unsent().iter().map(|unsent| unsent.key.as_str()).collect();
    assert_eq!(keys, ["1-2", "2-1"]);
}
