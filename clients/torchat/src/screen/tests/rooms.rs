//! Rooms on the screen: the list, the head, the lines, the commands with their refusals, the page of the members.

mod commands;
mod events;
mod hostile;
mod line;
mod members;
mod snapshots;

use super::*;
use crate::screen::model::{RoomAnswer, RoomAsk, RoomWish};
use torchat_client::api::record::{
    Me, Member, MemberState, MessageFlag, Notify, Order, Petition, Proof, Role, Room, RoomForm, RoomPolicy, RoomState,
    Sender,
};

/// The number of the room among the onions, whose shape its id has.
pub(super) const ROOM: u8 = 7;

/// The room `lab`, in which we are member 1 with this role.
pub(super) fn room(role: Role) -> Room {
    Room {
        peer: with(ROOM),
        name: "lab".into(),
        alias: None,
        topic: "who feeds the cat".into(),
        state: RoomState::Member,
        form: RoomForm::Mesh,
        me: Some(Me { member: 1, role }),
        owner: Some(if role == Role::Owner { 1 } else { 2 }),
        members: 4,
        linked: Some(2),
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

/// The room at a glance.
pub(super) fn glance(room: Room, unread: u64, mentions: u64, last: Option<Message>) -> Conversation {
    let contact =
        Contact { state: ContactState::Room, heard_s: None, link: true, ..contact(ROOM, Some(&room.name), None) };
    Conversation { contact, unread, last, room: Some(Box::new(room)), mentions: Some(mentions) }
}

fn member(no: u32, name: &str, role: Role) -> Member {
    Member {
        no,
        name: name.into(),
        onion: Some(onion(u8::try_from(20 + no).unwrap())),
        proven: if no.is_multiple_of(2) { Proof::Link } else { Proof::Owner },
        role,
        state: MemberState::In,
        me: no == 1,
        link: no == 2,
        banned: false,
        said_at: (no == 2).then(|| time(NOW - 120_000)),
    }
}

/// Ourselves, the owner or a moderator, a moderator, two who read alike, one who left.
pub(super) fn members(role: Role) -> Vec<Member> {
    let (second, left) = (if role == Role::Owner { Role::Moderator } else { Role::Owner }, MemberState::Left);
    vec![
        member(1, "me", role),
        member(2, "anna", second),
        member(3, "bob", Role::Member),
        member(4, "B0b", Role::Reader),
        Member { state: left, ..member(5, "carl", Role::Member) },
    ]
}

/// A message of a member, `minutes` ago.
pub(super) fn said(id: i64, no: u32, minutes: i64, text: &str) -> Message {
    let me = no == 1;
    let (dir, state) = if me { (Direction::Out, MessageState::Delivered) } else { (Direction::In, MessageState::Read) };
    let names = ["", "me", "anna", "bob", "B0b", "carl"];
    let name = names.get(no as usize).copied().unwrap_or("new").to_owned();
    let from = Some(Sender { member: no, name, onion: None, me, role: Role::Member });
    let order = Some(Order { lamport: id.unsigned_abs(), author: no << 8, seq: 1 });
    Message { from, order, ..message(id, with(ROOM), dir, state, NOW - minutes * 60_000, text) }
}

/// What was decided.
fn decided(id: i64, minutes: i64, text: &str) -> Message {
    let flags = vec![MessageFlag::System];
    let at = NOW - minutes * 60_000;
    Message { flags, ..message(id, with(ROOM), Direction::Mark, MessageState::System, at, text) }
}

/// A message that does not count.
fn gone(state: MessageState, message: Message) -> Message {
    Message { dir: Direction::Mark, state, ..message }
}

/// What was said in the room.
fn talk_in_room() -> Vec<Message> {
    use MessageState::{Hidden, Queued, Redacted, Sent, Void};
    let edited = Some(time(NOW - 33 * 60_000));
    let (mut question, mut long) = (
        said(42, 2, 40, "who feeds the cat?"),
        said(43, 3, 39, "I did, at nine, and again at ten because it looked so hungry"),
    );
    question.reacts = [("\u{1f44d}".to_owned(), vec![1, 3]), ("+".to_owned(), vec![4])].into();
    long.re = Some(question.mid);
    long.edited_at = edited;
    let mut mention = said(46, 4, 30, "@me: and you?");
    (mention.mention, mention.state) = (true, MessageState::Unread);
    let mut sent = said(51, 1, 2, "I was away");
    (sent.state, sent.re) = (Sent, Some(MessageId([0xee; 16])));
    let mut queued = said(52, 1, 1, "back tomorrow");
    (queued.state, queued.order) = (Queued, None);
    vec![
        decided(41, 41, "bob joined"),
        question,
        long,
        said(44, 3, 38, "and the dog"),
        said(45, 1, 37, "thanks"),
        mention,
        gone(Void, said(47, 5, 20, "after I left")),
        gone(Hidden, said(48, 3, 19, "spam")),
        gone(Redacted, said(49, 2, 18, "")),
        decided(50, 17, "anna muted bob: spam"),
        sent,
        queued,
    ]
}

impl Play {
    /// A daemon with the room, in which we have this role, and with people.
    fn with_room(size: (u16, u16), role: Role) -> Self {
        Self::with_rooms(size, vec![glance(room(role), 1, 1, Some(said(52, 1, 1, "back tomorrow")))], Vec::new())
    }

    fn with_rooms(size: (u16, u16), rooms: Vec<Conversation>, petitions: Vec<Petition>) -> Self {
        let mut play = Self::new(size);
        play.rooms = true;
        play.start(rooms.into_iter().chain(people()).collect(), vec![]);
        let ask = play.asked_room(|ask| matches!(ask, RoomAsk::Petitions(_)));
        play.answer_room(ask, RoomAnswer::Petitions(petitions));
        play
    }

    /// The room is open, and everything of it is there.
    fn in_room(size: (u16, u16), role: Role) -> Self {
        let mut play = Self::with_room(size, role);
        if play.model.focus == crate::screen::model::Focus::List {
            play.key(KeyCode::Enter);
        }
        play.fill_room(role);
        play
    }

    fn fill_room(&mut self, role: Role) {
        self.page(Anchor::Newest, talk_in_room(), false);
        let ask = self.asked_room(|ask| matches!(ask, RoomAsk::Members(..)));
        self.answer_room(ask, RoomAnswer::Members(members(role)));
    }

    #[track_caller]
    fn asked_room(&mut self, fits: impl Fn(&RoomAsk) -> bool) -> RoomAsk {
        match self.asked(|ask| matches!(ask, Ask::Room(ask) if fits(ask))) {
            Ask::Room(ask) => ask,
            _ => unreachable!(),
        }
    }

    /// Takes what is wished in the room.
    #[track_caller]
    fn wished(&mut self) -> RoomWish {
        match self.asked_room(|ask| matches!(ask, RoomAsk::In(..))) {
            RoomAsk::In(room, wish) if room == with(ROOM) => wish,
            other => panic!("{other:?}"),
        }
    }

    /// What a line wishes in the room.
    #[track_caller]
    fn wish(&mut self, line: &str) -> RoomWish {
        self.line(line);
        self.wished()
    }

    fn answer_room(&mut self, ask: RoomAsk, answer: RoomAnswer) {
        self.answer(Ask::Room(ask), Answer::Room(answer));
    }

    fn tell_room(&mut self, change: impl FnOnce(&mut Room)) {
        let mut room = Room { linked: None, ..room(Role::Owner) };
        change(&mut room);
        self.event(What::Room { room: Box::new(room) });
    }
}

/// Makes a message one of the room's: of one of five members, in every state, and some lines of the room itself.
pub(super) fn of_the_room(message: Message) -> Message {
    use MessageState::{Hidden, Redacted, System, Void};
    let no = u32::try_from(message.id % 6).unwrap_or_default();
    if no == 0 {
        return Message { dir: Direction::Mark, state: System, ..message };
    }
    let id = message.id;
    let re = (id % 4 == 0).then(|| said(id - 3, 1, 0, "").mid);
    let plain = Message { at: message.at, text: message.text, re, mention: id % 7 == 0, ..said(id, no, 0, "") };
    match id % 11 {
        1 => gone(Void, plain),
        2 => gone(Hidden, plain),
        3 => gone(Redacted, plain),
        _ => plain,
    }
}

/// Something happens in the room: to a message, to the room, to a member, or somebody asks.
pub(super) fn happens(id: i64, what: u8, text: String) -> What {
    use torchat_client::api::event::Recounted;
    let (peer, mid) = (with(ROOM), said(id, 2, 0, "").mid);
    let no = u32::from(what % 6) + 1;
    let states = [MessageState::Void, MessageState::Hidden, MessageState::Read, MessageState::Unread];
    match what % 10 {
        0 => What::Received {
            message: Message { state: MessageState::Unread, mention: id % 2 == 0, ..said(id, 3, 0, &text) },
        },
        1 => What::Edited { peer, id, mid, text, edited_at: time(NOW) },
        2 => What::Redacted { peer, id, mid },
        3 => What::Reacted { peer, id, mid, member: no, sign: text },
        4 => {
            let state = states.get(usize::from(what / 10) % 4).copied().unwrap_or(MessageState::Void);
            What::Voided { peer, messages: vec![Recounted { id, mid, state }, Recounted { id: id + 1, mid, state }] }
        }
        5 => What::Member {
            peer,
            member: member(no, &text, Role::Member),
            change: torchat_client::api::record::MemberChange::Nick,
        },
        6 => What::Room { room: Box::new(Room { topic: text, frozen: what > 100, ..room(Role::Owner) }) },
        7 => {
            What::Room { room: Box::new(Room { name: text, state: RoomState::Removed, me: None, ..room(Role::Owner) }) }
        }
        8 => What::Petition { petition: Petition { text: text.clone(), ..petition(12, &text) } },
        _ => What::PetitionGone { peer, onion: onion(12) },
    }
}

/// What a daemon answers that does whatever it is asked.
pub(super) fn answer(ask: &RoomAsk) -> RoomAnswer {
    match ask {
        RoomAsk::Petitions(_) => RoomAnswer::Petitions(vec![petition(12, "Dora")]),
        RoomAsk::Members(..) => RoomAnswer::Members(members(Role::Owner)),
        RoomAsk::New { .. } | RoomAsk::Join { .. } => RoomAnswer::Room(Box::new(room(Role::Owner))),
        RoomAsk::In(_, wish) => match wish {
            RoomWish::Topic(_) | RoomWish::Alias(_) | RoomWish::Nick(_) | RoomWish::Notify(_) => {
                RoomAnswer::Room(Box::new(room(Role::Owner)))
            }
            RoomWish::Invite { .. } => RoomAnswer::Invite(invite()),
            RoomWish::Settle => RoomAnswer::Settled(1),
            _ => RoomAnswer::Done,
        },
    }
}

fn petition(number: u8, name: &str) -> Petition {
    let (peer, onion, text) = (with(ROOM), onion(number), "it is me, from the library".into());
    Petition { peer, onion, name: name.into(), text, invite: None, at: time(NOW - 5_000) }
}

/// An invite to the room.
fn invite() -> String {
    let bare = |number: u8| onion(number).0.onion().trim_end_matches(".onion").to_owned();
    format!("torchat-room:{}?d={}&i={}", bare(9), bare(8), "0f".repeat(24))
}
