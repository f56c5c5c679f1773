//! A client and its daemon, step by step: in any order, as a connection may bring it.

use super::daemon::Daemon;
use super::rooms::{InRoom, Kept};
use super::{HELD, NOW, PAGE, VIEW, with};
use crate::timeline::room::MembersRequest;
use crate::timeline::*;
use torchat_protocol::control::api::command::MessagesAnswer;
use torchat_protocol::control::api::event::{Event, What};
use torchat_protocol::control::api::record::{ContactRequest, Member, Petition};

/// A question on its way: asked, then read by the daemon, then answered.
pub(super) enum Question {
    Page(ConversationId, PageRequest, Option<(MessagesAnswer, Option<MessagesAnswer>)>),
    /// Page by page: what was read, and whether that is all.
    List(ListRequest, Vec<Conversation>, bool),
    Requests(Ticket, Option<Vec<ContactRequest>>),
    Petitions(Ticket, Option<Vec<Petition>>),
    Members(MembersRequest, Option<Vec<Member>>),
}

pub(super) struct Play {
    pub(super) daemon: Daemon,
    pub(super) list: ConversationList,
    pub(super) questions: Vec<Question>,
    pub(super) peers: Vec<ConversationId>,
}

impl Play {
    pub(super) fn new() -> Self {
        let mut play = Self {
            daemon: Daemon::default(),
            list: ConversationList::default(),
            questions: Vec::new(),
            peers: vec![with(2), with(3)],
        };
        play.connect(false);
        play
    }

    /// With a room as the last conversation.
    pub(super) fn with_room() -> Self {
        let room = Kept::default();
        let mut play = Self {
            peers: vec![with(2), with(3), room.id()],
            daemon: Daemon { room: Some(room), ..Daemon::default() },
            list: ConversationList::default(),
            questions: Vec::new(),
        };
        play.connect(false);
        play
    }

    fn connect(&mut self, continued: bool) {
        self.list.set_rooms(self.daemon.room.is_some());
        let needs = self.list.connected(continued);
        self.need(needs);
    }

    /// With messages in the daemon that came before the subscription, so that they are no events of it.
    pub(super) fn after(before: usize) -> Self {
        let mut play = Self::new();
        for n in 0..before {
            let dir = if n % 3 == 0 { Direction::Out } else { Direction::In };
            play.daemon.add(play.peers[n % 7 / 6], dir);
        }
        play.daemon.told = play.daemon.log.len();
        play
    }

    pub(super) fn need(&mut self, needs: Vec<Need>) {
        for need in needs {
            match need {
                Need::Conversations(request) => self.questions.push(Question::List(request, Vec::new(), false)),
                Need::Requests(ticket) => self.questions.push(Question::Requests(ticket, None)),
                Need::Petitions(ticket) => self.questions.push(Question::Petitions(ticket, None)),
                Need::Message(peer, id) => self.questions.push(Question::Page(peer, PageRequest::one(id), None)),
            }
        }
    }

    /// Tells the next event.
    pub(super) fn tell(&mut self) -> bool {
        let Some(event) = self.daemon.log.get(self.daemon.told).cloned() else { return false };
        self.daemon.told += 1;
        let needs = self.list.event(&event, NOW);
        self.need(needs);
        true
    }

    pub(super) fn ask(&mut self, peer: ConversationId, anchor: Anchor) {
        let Some(timeline) = self.list.get_mut(peer) else { return };
        let request = timeline.window.ask(anchor);
        self.questions.push(Question::Page(peer, request, None));
    }

    /// The page that a view would ask for now.
    pub(super) fn want(&mut self, peer: ConversationId) -> bool {
        let Some(timeline) = self.list.get_mut(peer) else { return false };
        if let Some(side) = timeline.room_mut().filter(|side| side.members.wanted()) {
            self.questions.push(Question::Members(side.members.ask(), None));
        }
        let window = &timeline.window;
        let lowest = window.bottom.map_or(i64::MAX, |bottom| bottom.id);
        let shown: Vec<i64> = window.entries().range(..=lowest).rev().take(VIEW).map(|(id, _)| *id).collect();
        let ends = shown.last().copied().zip(shown.first().copied());
        let Some(anchor) = window.wanted(ends, shown.len() == VIEW) else { return false };
        self.ask(peer, anchor);
        true
    }

    /// The daemon reads for a question: what it answers later is of now.
    pub(super) fn read(&mut self, at: usize) {
        let count = self.questions.len();
        let Some(question) = self.questions.get_mut(at % count.max(1)) else { return };
        match question {
            Question::Page(peer, request, answer @ None) => {
                let (first, second) = request.anchor.commands(*peer, PAGE);
                *answer = Some((self.daemon.history(&first), second.map(|second| self.daemon.history(&second))));
            }
            Question::List(_, list, all @ false) => {
                list.extend(self.daemon.conversation_after(&self.peers, list.last()));
                *all = self.daemon.conversation_after(&self.peers, list.last()).is_none();
            }
            Question::Requests(_, answer @ None) => *answer = Some(self.daemon.requests.clone()),
            Question::Petitions(_, answer @ None) => {
                *answer = self.daemon.room.as_ref().map(|room| room.petitions.clone())
            }
            Question::Members(_, answer @ None) => *answer = self.daemon.room.as_ref().map(Kept::members),
            _ => {}
        }
    }

    /// All pages of the first question.
    pub(super) fn read_all(&mut self) {
        (0..self.peers.len()).for_each(|_| self.read(0));
    }

    /// The client gets an answer, if it was read.
    pub(super) fn answer(&mut self, at: usize) {
        let at = at % self.questions.len().max(1);
        let read = match self.questions.get(at) {
            Some(Question::Page(_, _, answer)) => answer.is_some(),
            Some(Question::List(_, _, all)) => *all,
            Some(Question::Requests(_, answer)) => answer.is_some(),
            Some(Question::Petitions(_, answer)) => answer.is_some(),
            Some(Question::Members(_, answer)) => answer.is_some(),
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
            Question::Petitions(ticket, Some(petitions)) => {
                let needs = self.list.petitions(ticket, petitions);
                self.need(needs);
            }
            Question::Members(request, Some(members)) => {
                let room = self.daemon.room.as_ref().unwrap().id();
                self.list.members(room, request, members);
            }
            Question::List(request, list, true) => {
                let needs = self.list.conversations(request, list, NOW);
                for peer in self.peers.clone() {
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

    pub(super) fn take(&mut self, step: Step) {
        let peer = |at: usize| self.peers[at % self.peers.len()];
        match step {
            Step::Add(at, dir, count) => (0..count).for_each(|_| self.daemon.add(peer(at), dir)),
            Step::Room(step) => self.daemon.in_room(step),
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
            Step::SeenHere(at) => {
                if let Some(timeline) = self.list.get_mut(peer(at))
                    && let Some(lowest) = timeline.window.before(None).map(|entry| entry.message.id)
                {
                    timeline.seen_here(lowest);
                }
            }
            Step::Erase(at, from, count, on_the_way) => self.daemon.erase(peer(at), from, count, on_the_way),
            Step::Close(at) => {
                if let Some(timeline) = self.list.get_mut(peer(at)) {
                    timeline.close();
                }
            }
            Step::Reconnect(continued) => {
                if !continued {
                    self.daemon.told = self.daemon.log.len();
                }
                self.connect(continued);
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
    pub(super) fn seen(&mut self, at: usize) {
        let peer = self.peers[at % self.peers.len()];
        let Some(timeline) = self.list.get_mut(peer) else { return };
        let lowest = timeline.window.bottom.map_or(i64::MAX, |bottom| bottom.id);
        let Some(id) = timeline.window.entries().range(..=lowest).next_back().map(|(id, _)| *id) else { return };
        // It may be erased already; what is before it is seen all the same.
        self.daemon.read_upto(peer, id);
        self.list.get_mut(peer).unwrap().seen(id);
    }

    /// Everything that is on its way comes, and what is wanted is asked for, until nothing happens any more.
    pub(super) fn settle(&mut self) {
        for _ in 0..2_000 {
            let mut busy = self.tell();
            if !self.questions.is_empty() {
                self.read(0);
                self.answer(0);
                busy = true;
            }
            for peer in self.peers.clone() {
                busy |= self.want(peer);
            }
            if let Some(due) = self.list.due() {
                let needs = self.list.expire(due);
                self.need(needs);
                busy = true;
            }
            if !busy {
                return;
            }
        }
        panic!("it asks and asks: {} questions", self.questions.len());
    }

    pub(super) fn compare(&self) {
        for peer in self.peers.iter().copied() {
            let timeline = self.list.get(peer).unwrap();
            let window = &timeline.window;
            // What is done to a message while it does not count, no event tells: it is read again when it counts.
            let counts = |message: &Message| !matches!(message.state, MessageState::Void | MessageState::Hidden);
            let said = |message: &Message| {
                counts(message).then(|| (message.text.clone(), message.edited_at.clone(), message.reacts.clone()))
            };
            let facts = |message: &Message| (message.id, message.dir, message.state, said(message));
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
            // What was done to it while it did not count, no event has told.
            let known = |message: &Message| (message.id, message.dir, message.state);
            assert_eq!(timeline.last().map(known), self.daemon.last(peer).as_ref().map(known), "the last one");
            assert_eq!(timeline.mentions(), self.daemon.mentions(peer), "mentions");
        }
        if let Some(room) = &self.daemon.room {
            let side = self.list.get(room.id()).and_then(Timeline::room).unwrap();
            assert_eq!(side.members.all().cloned().collect::<Vec<_>>(), room.members(), "members");
            assert_eq!(side.room(), &room.room(), "the room");
            assert_eq!(self.list.petition_list(), room.petitions, "petitions");
        }
        let requests: Vec<_> = self.list.request_list().iter().map(|request| request.peer).collect();
        let expected: Vec<_> = self.daemon.requests.iter().map(|request| request.peer).collect();
        assert_eq!(requests, expected);
        let mut order = self.peers.clone();
        let newest = |peer: &ConversationId| self.daemon.last(*peer).map_or(0, |message| message.id);
        order.sort_by(|a, b| newest(b).cmp(&newest(a)).then_with(|| a.cmp(b)));
        assert_eq!(self.list.order(), order);
    }
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Add(usize, Direction, usize),
    Room(InRoom),
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
    SeenHere(usize),
    Close(usize),
    /// A conversation, a number, how many from there on, and how many events are on their way to the client already.
    Erase(usize, i64, usize, usize),
    Reconnect(bool),
    Gap,
}
