//! A room in the daemon that is played: who is in it, and what becomes of what is said. Whatever the order in which answers and
//! events come, in the end the client shows what the daemon has.

use super::daemon::Daemon;
use super::play::{Play, Step};
use super::{HELD, NOW, onion, step};
use crate::timeline::*;
use proptest::prelude::*;
use std::sync::LazyLock;
use torchat_protocol::control::api::event::{Event, Recounted, What};
use torchat_protocol::control::api::record::{
    Member, MemberChange, MemberState, MessageFlag, Notify, Petition, Proof, Role, RoomForm, RoomPolicy, RoomState,
    Sender,
};

/// What the daemon keeps of its room.
pub(super) struct Kept {
    name: String,
    topic: String,
    members: Vec<Member>,
    pub(super) petitions: Vec<Petition>,
}

impl Default for Kept {
    fn default() -> Self {
        let members = (1..=4).map(|no| member(no, &format!("m{no}"))).collect();
        Self { name: "lab".into(), topic: String::new(), members, petitions: Vec::new() }
    }
}

/// Onions, made once: each costs some work.
fn known(number: u8) -> Onion {
    static KNOWN: LazyLock<Vec<Onion>> = LazyLock::new(|| (0..=200).map(onion).collect());
    KNOWN[usize::from(number)]
}

/// A member; number 1 is the user, who owns the room.
pub(super) fn member(no: u32, name: &str) -> Member {
    let number = u8::try_from(no % 100).unwrap();
    Member {
        no,
        name: name.into(),
        onion: Some(known(100 + number)),
        proven: Proof::Owner,
        role: if no == 1 { Role::Owner } else { Role::Member },
        state: MemberState::In,
        me: no == 1,
        link: false,
        banned: false,
        said_at: None,
    }
}

impl Kept {
    /// As every room's id, it has the shape of an onion.
    pub(super) fn id(&self) -> ConversationId {
        known(200).conversation()
    }

    pub(super) fn members(&self) -> Vec<Member> {
        self.members.clone()
    }

    pub(super) fn room(&self) -> Room {
        let me = torchat_protocol::control::api::record::Me { member: 1, role: Role::Owner };
        Room {
            peer: self.id(),
            name: self.name.clone(),
            alias: None,
            topic: self.topic.clone(),
            state: RoomState::Member,
            form: RoomForm::Mesh,
            me: Some(me),
            owner: Some(1),
            members: self.members.len() as u64,
            linked: Some(0),
            policy: RoomPolicy { joins: Role::Member, history: 1_000, keep_days: None },
            frozen: false,
            handover: None,
            queued: 0,
            notify: Notify::Mentions,
            problems: Vec::new(),
            missing: 0,
            bytes: None,
        }
    }

    pub(super) fn conversation(&self, plain: Conversation, mentions: u64) -> Conversation {
        let contact = Contact { state: ContactState::Room, name: Some(self.name.clone()), ..plain.contact };
        Conversation { contact, room: Some(Box::new(self.room())), mentions: Some(mentions), ..plain }
    }
}

/// Makes a message one of the room: from one of the members, every third one a mention; a mark is a line of the daemon's.
pub(super) fn in_room(message: &mut Message) {
    let me = message.dir == Direction::Out;
    if message.dir == Direction::Mark {
        (message.state, message.flags) = (MessageState::System, vec![MessageFlag::System]);
        return;
    }
    let member = if me { 1 } else { u32::try_from(message.id % 3).unwrap() + 2 };
    message.mention = !me && message.id % 3 == 0;
    message.from = Some(Sender { member, name: format!("m{member}"), onion: None, me, role: Role::Member });
}

/// Something that happens in the room. Numbers choose a message or a member.
#[derive(Debug, Clone)]
pub(super) enum InRoom {
    Edit(usize),
    Redact(usize),
    React(usize, u32, &'static str),
    /// Some messages behind each other are hidden, void, or count again.
    Count(usize, usize, MessageState),
    Name(u32, &'static str),
    Member(u32, MemberState),
    Topic(usize),
    Petition(u8),
}

impl Daemon {
    /// Lets it happen.
    pub(super) fn in_room(&mut self, step: InRoom) {
        let Some(room) = self.room.as_ref().map(Kept::id) else { return };
        match step {
            // What is done to a message while it does not count is no event.
            InRoom::Edit(at) => {
                let edited_at = format!("2026-11-21T09:{:02}:00.000Z", at % 60);
                let Some(message) = self.said(at) else { return };
                (message.text, message.edited_at) = (format!("changed {at}"), Some(edited_at.clone()));
                let (id, mid, text) = (message.id, message.mid, message.text.clone());
                if counts(message) {
                    self.tell(What::Edited { peer: room, id, mid, text, edited_at });
                }
            }
            InRoom::Redact(at) => {
                let Some(message) = self.said(at) else { return };
                message.text.clear();
                message.flags = vec![MessageFlag::Redacted];
                if counts(message) {
                    (message.dir, message.state) = (Direction::Mark, MessageState::Redacted);
                    let (id, mid) = (message.id, message.mid);
                    self.tell(What::Redacted { peer: room, id, mid });
                }
            }
            InRoom::React(at, member, sign) => {
                let Some(message) = self.said(at) else { return };
                for members in message.reacts.values_mut() {
                    members.retain(|known| *known != member);
                }
                if !sign.is_empty() {
                    let members = message.reacts.entry(sign.into()).or_default();
                    members.push(member);
                    members.sort_unstable();
                }
                message.reacts.retain(|_, members| !members.is_empty());
                let (id, mid, sign) = (message.id, message.mid, sign.to_owned());
                if counts(message) {
                    self.tell(What::Reacted { peer: room, id, mid, member, sign });
                }
            }
            InRoom::Count(at, count, wanted) => self.count(room, (at, count), wanted),
            InRoom::Name(no, name) => self.member(no, MemberChange::Nick, |member| member.name = name.into()),
            InRoom::Member(no, state) => {
                let change = match state {
                    MemberState::Muted => MemberChange::Muted,
                    MemberState::In => MemberChange::Unmuted,
                    _ => MemberChange::Removed,
                };
                self.member(no, change, |member| member.state = state);
            }
            InRoom::Topic(n) => {
                let kept = self.room.as_mut().unwrap();
                kept.topic = format!("topic {n}");
                self.add(room, Direction::Mark);
            }
            InRoom::Petition(number) => {
                let (kept, onion) = (self.room.as_mut().unwrap(), known(number));
                let before = kept.petitions.len();
                kept.petitions.retain(|known| known.onion != onion);
                if kept.petitions.len() < before {
                    return self.tell(What::PetitionGone { peer: room, onion });
                }
                let (name, text, at) = (format!("p{number}"), "let me in".into(), String::new());
                let petition = Petition { peer: room, onion, name, text, invite: None, at };
                kept.petitions.push(petition.clone());
                self.tell(What::Petition { petition });
            }
        }
    }

    /// A message of a member that can be changed.
    fn said(&mut self, at: usize) -> Option<&mut Message> {
        let room = self.room.as_ref().map(Kept::id)?;
        let said = self.messages.iter_mut().filter(|message| message.peer == room && message.from.is_some());
        let mut said: Vec<_> = said.filter(|message| !is_redacted(message)).collect();
        let count = said.len();
        (count > 0).then(|| said.swap_remove(at % count))
    }

    fn count(&mut self, room: ConversationId, (at, count): (usize, usize), wanted: MessageState) {
        let mut told = Vec::new();
        let all = self.messages.iter_mut().filter(|message| message.peer == room && message.from.is_some());
        for message in all.skip(at).take(count) {
            let again = wanted == MessageState::Read;
            if message.state == MessageState::Redacted || again == counts(message) {
                continue;
            }
            let me = message.from.as_ref().unwrap().me;
            // What counts again is as unread as it was; some were seen.
            let state = if message.id % 5 == 0 { MessageState::Unread } else { MessageState::Read };
            (message.dir, message.state) = match (again, me) {
                (true, _) if is_redacted(message) => (Direction::Mark, MessageState::Redacted),
                (true, true) => (Direction::Out, MessageState::Delivered),
                (true, false) => (Direction::In, state),
                (false, _) => (Direction::Mark, wanted),
            };
            told.push(Recounted { id: message.id, mid: message.mid, state: message.state });
        }
        if !told.is_empty() {
            self.tell(What::Voided { peer: room, messages: told });
        }
    }

    fn member(&mut self, no: u32, change: MemberChange, how: impl FnOnce(&mut Member)) {
        let kept = self.room.as_mut().unwrap();
        let peer = kept.id();
        let at = match kept.members.iter().position(|known| known.no == no) {
            Some(at) => at,
            None => {
                kept.members.push(member(no, "new"));
                kept.members.sort_by_key(|member| member.no);
                kept.members.iter().position(|known| known.no == no).unwrap()
            }
        };
        how(&mut kept.members[at]);
        let member = kept.members[at].clone();
        self.tell(What::Member { peer, member, change });
        self.add(peer, Direction::Mark);
    }

    /// What was decided; the line about it is in the messages.
    pub(super) fn tell_room(&mut self) {
        let room = Box::new(Room { linked: None, ..self.room.as_ref().unwrap().room() });
        self.tell(What::Room { room });
    }
}

fn counts(message: &Message) -> bool {
    !matches!(message.state, MessageState::Void | MessageState::Hidden)
}

/// Also where it does not count.
fn is_redacted(message: &Message) -> bool {
    message.flags.contains(&MessageFlag::Redacted)
}

fn in_room_step() -> impl Strategy<Value = InRoom> {
    use MessageState::{Hidden, Read, Void};
    let states = vec![MemberState::In, MemberState::Muted, MemberState::Left, MemberState::Removed];
    prop_oneof![
        3 => (0usize..300).prop_map(InRoom::Edit),
        2 => (0usize..300).prop_map(InRoom::Redact),
        4 => (0usize..300, 1u32..5, prop::sample::select(vec!["+", "-", ""]))
            .prop_map(|(at, member, sign)| InRoom::React(at, member, sign)),
        4 => (0usize..200, 1usize..60, prop::sample::select(vec![Hidden, Void, Read, Read]))
            .prop_map(|(at, count, state)| InRoom::Count(at, count, state)),
        2 => (1u32..8, prop::sample::select(vec!["bob", "b0b", "eve", "you", ""])).prop_map(|(no, name)| InRoom::Name(no, name)),
        2 => (2u32..8, prop::sample::select(states)).prop_map(|(no, state)| InRoom::Member(no, state)),
        1 => (0usize..9).prop_map(InRoom::Topic),
        2 => (60u8..64).prop_map(InRoom::Petition),
    ]
}

/// Pages of the room on their way, so that events overtake them.
fn page_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Close(2)),
        3 => Just(Step::Want(2)),
        1 => (1i64..200).prop_map(|id| Step::Jump(2, id)),
        3 => (0usize..3).prop_map(Step::Read),
        3 => (0usize..3).prop_map(Step::Answer),
        3 => (1usize..6).prop_map(Step::Tell),
        2 => Just(Step::Seen(2)),
    ]
}

proptest! {
    #[test]
    fn whatever_becomes_of_a_rooms_messages_the_client_shows_what_the_daemon_has(
        before in 0usize..200,
        settled: bool,
        steps in prop::collection::vec(prop_oneof![2 => step(3), 3 => in_room_step().prop_map(Step::Room), 3 => page_step()], 1..120),
    ) {
        let mut play = Play::with_room();
        for n in 0..before {
            play.daemon.add(play.peers[if n % 3 == 0 { n % 2 } else { 2 }], if n % 4 == 0 { Direction::Out } else { Direction::In });
        }
        play.daemon.told = play.daemon.log.len();
        if settled {
            play.settle();
        }
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

#[test]
fn a_line_that_is_written_while_the_first_page_is_under_way_is_read_too() {
    let mut play = Play::with_room();
    play.settle();
    play.take(Step::Close(2));
    play.take(Step::Want(2));
    // The page, which the daemon reads now; its answer comes after the event.
    play.take(Step::Read(1));
    play.take(Step::Room(InRoom::Name(1, "bob")));
    play.settle();
    play.compare();
}

#[test]
fn a_line_is_wanted_again_if_the_page_that_has_it_does_not_come() {
    let mut play = Play::with_room();
    play.settle();
    play.take(Step::Room(InRoom::Name(1, "bob")));
    play.take(Step::Tell(50));
    play.take(Step::Jump(2, 1));
    play.take(Step::Reconnect(true));
    play.settle();
    play.compare();
}

/// A room with these members, that is open.
fn open(members: Vec<Member>) -> Play {
    let mut play = Play::with_room();
    play.daemon.room.as_mut().unwrap().members = members;
    play.settle();
    play
}

fn marked(play: &Play) -> Vec<u32> {
    let room = play.daemon.room.as_ref().unwrap();
    let side = play.list.get(room.id()).and_then(Timeline::room).unwrap();
    room.members.iter().map(|member| member.no).filter(|no| side.members.is_marked(*no)).collect()
}

#[test]
fn names_that_read_alike_are_marked_as_long_as_they_do() {
    let mut play = open(vec![member(1, "anna"), member(2, "bob"), member(3, "B0b"), member(4, "you"), member(5, "")]);
    assert_eq!(marked(&play), [2, 3, 4]);
    play.take(Step::Room(InRoom::Name(3, "carol")));
    play.settle();
    assert_eq!(marked(&play), [4]);
    // Whoever left has said things under the name, too.
    play.take(Step::Room(InRoom::Member(2, MemberState::Left)));
    play.take(Step::Room(InRoom::Name(3, "bob")));
    play.settle();
    assert_eq!(marked(&play), [2, 3, 4]);
}

#[test]
fn who_joins_again_is_not_like_themselves_and_who_is_called_like_a_named_contact_is_marked() {
    let again = Member { onion: member(2, "").onion, ..member(3, "bob") };
    let mut play = open(vec![member(2, "bob"), again, member(4, "ann")]);
    assert_eq!(marked(&play), [0; 0]);
    for (peer, expected) in [(onion(2), vec![4]), (member(4, "").onion.unwrap(), vec![])] {
        let contact = Contact { name: Some("Ann".into()), ..super::contact(peer) };
        let event = Event { seq: 1, at: String::new(), what: What::Contact { contact } };
        play.list.event(&event, NOW);
        assert_eq!(marked(&play), expected);
        // The other one is called otherwise before the next one is.
        let contact = Contact { name: Some("else".into()), ..super::contact(peer) };
        play.list.event(&Event { seq: 1, at: String::new(), what: What::Contact { contact } }, NOW);
    }
}

#[test]
fn mentions_are_counted_apart_from_what_is_unread() {
    let mut play = open(vec![member(1, "anna")]);
    let room = play.peers[2];
    // Every third one is a mention.
    (0..9).for_each(|_| play.daemon.add(room, Direction::In));
    // The list counts them, not their events.
    play.take(Step::Reconnect(false));
    play.settle();
    let counts = |play: &Play| play.list.get(room).map(|timeline| (timeline.unread(), timeline.mentions())).unwrap();
    assert_eq!(counts(&play), (9, 3));
    // Seen up to the fourth, among which one was: no event has told it yet.
    play.list.get_mut(room).unwrap().window.bottom = Some(Bottom { id: 4, hidden: 0 });
    play.seen(2);
    assert_eq!(counts(&play), (5, 2));
    // One that mentions the user is hidden, and one that does not is redacted.
    play.take(Step::Room(InRoom::Count(5, 1, MessageState::Hidden)));
    play.take(Step::Room(InRoom::Redact(6)));
    while play.tell() {}
    assert_eq!(counts(&play), (3, 1));
    play.settle();
    play.compare();
}

/// A room with one message, which was changed while it did not count, and counts again: the client is about to read it once more.
fn counting_again() -> Play {
    let mut play = open(vec![member(1, "anna")]);
    play.daemon.add(play.peers[2], Direction::In);
    play.take(Step::Room(InRoom::Count(0, 1, MessageState::Hidden)));
    play.settle();
    play.take(Step::Room(InRoom::Edit(7)));
    play.take(Step::Room(InRoom::Count(0, 1, MessageState::Read)));
    while play.tell() {}
    play.take(Step::Want(2));
    play
}

#[test]
fn what_becomes_of_a_message_while_it_is_read_once_more_is_not_lost() {
    for read_first in [false, true] {
        let mut play = counting_again();
        let page = play.questions.len() - 1;
        if read_first {
            play.read(page);
        }
        play.take(Step::Room(InRoom::React(0, 3, "+")));
        play.take(Step::Room(InRoom::Edit(8)));
        while play.tell() {}
        play.read(page);
        play.answer(page);
        play.settle();
        play.compare();
    }
}

#[test]
fn a_message_is_read_once_more_although_its_answer_is_lost_or_another_page_is_asked_for() {
    let ends: [fn(&mut Play); 3] = [
        |play| play.take(Step::Reconnect(true)),
        |play| play.take(Step::Jump(2, 0)),
        // It stops counting, is changed, and counts, before the answer of the first reading comes.
        |play| {
            let page = play.questions.len() - 1;
            play.read(page);
            play.take(Step::Room(InRoom::Count(0, 1, MessageState::Void)));
            play.take(Step::Room(InRoom::Redact(0)));
            play.take(Step::Room(InRoom::Count(0, 1, MessageState::Read)));
            while play.tell() {}
            play.answer(page);
        },
    ];
    for end in ends {
        let mut play = counting_again();
        end(&mut play);
        play.settle();
        play.compare();
    }
}

#[test]
fn what_does_not_count_is_not_delivered_after_all() {
    let mut play = open(vec![member(1, "anna")]);
    let room = play.peers[2];
    play.daemon.add(room, Direction::Out);
    play.take(Step::Room(InRoom::Count(0, 1, MessageState::Void)));
    play.settle();
    let id = play.daemon.messages.last().map(|message| (message.id, message.mid)).unwrap();
    let delivered =
        What::Delivered(torchat_protocol::control::api::event::MessageRef { peer: room, id: id.0, mid: id.1 });
    play.daemon.tell(delivered);
    play.settle();
    play.compare();
}

#[test]
fn a_room_that_is_not_known_is_looked_for_and_one_that_is_over_has_no_row_without_a_message() {
    let mut play = Play::new();
    play.settle();
    let room = Kept::default().room();
    let event = |room: Room| Event { seq: 1, at: String::new(), what: What::Room { room: Box::new(room) } };
    let needs = play.list.event(&event(room.clone()), NOW);
    assert!(matches!(needs.as_slice(), [Need::Conversations(_)]), "{needs:?}");
    let mut play = open(vec![member(1, "anna")]);
    assert!(play.list.order().contains(&room.peer));
    for state in [RoomState::Left, RoomState::Removed, RoomState::Destroyed, RoomState::Ended] {
        play.list.event(&event(Room { state, ..room.clone() }), NOW);
        assert!(!play.list.order().contains(&room.peer), "{state:?}");
        play.list.event(&event(room.clone()), NOW);
        assert!(play.list.order().contains(&room.peer));
    }
}

#[test]
fn a_daemon_without_rooms_is_asked_for_none() {
    let mut list = ConversationList::default();
    let petitions = |needs: Vec<Need>| needs.iter().filter(|need| matches!(need, Need::Petitions(_))).count();
    assert_eq!(petitions(list.connected(false)), 0);
    let gap = Event { seq: 1, at: String::new(), what: What::Gap { from: 1, to: 1 } };
    assert_eq!(petitions(list.event(&gap, NOW)), 0);
    list.set_rooms(true);
    assert_eq!(petitions(list.connected(true)), 1);
    assert_eq!(petitions(list.event(&gap, NOW)), 1);
}

#[test]
fn a_rooms_name_is_the_users_own_one_before_the_owners_and_never_empty() {
    let name = |alias: Option<&str>, name: &str| {
        let kept = Kept { name: name.into(), ..Kept::default() };
        let plain =
            Conversation { contact: super::contact(onion(200)), unread: 0, last: None, room: None, mentions: None };
        let mut conversation = kept.conversation(plain, 0);
        conversation.room.as_mut().unwrap().alias = alias.map(str::to_owned);
        Timeline::new(conversation, NOW).name(12)
    };
    assert_eq!(name(None, "lab"), "#lab");
    assert_eq!(name(Some("home"), "lab"), "#home");
    assert_eq!(name(None, "a name that is too long"), "#a name tha\u{2026}");
    assert_eq!(name(None, "\u{1b}[2J"), "#\\u{1b}[2J");
    assert_eq!(name(None, ""), format!("#{}..", onion(200).0.short()));
}
