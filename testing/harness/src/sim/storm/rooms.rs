//! A room in a storm: its members talk, the owner decides, and at the end all have the same.

use super::{Storm, Told};
use crate::sim::checker::Violation;
use crate::sim::disk::rooms::{Said, SaidRow};
use torchat_core::effect::RoomAnswer;
use torchat_core::input::{NewInvite, NewRoom, RoomAct, RoomCommand, RoomWish};
use torchat_engine::handle::{Answer, Refusal, Request};
use torchat_protocol::room::body::acts::{Policy, Set};
use torchat_protocol::room::body::{BoundedText, Place, Ref, Role};
use torchat_protocol::room::{Author, MemberNo, RoomId, RoomInvite};

/// When everybody is up and connected, all members of a room have the same after so long: a member that heard `none`, because the
/// other one was behind, comes again after an hour at most.
pub const ROOM_SETTLE_LIMIT_MS: u64 = 2 * 3_600_000;
/// All who join in calm weather are in after so long.
const JOIN_LIMIT_MS: u64 = 30 * 60_000;

/// The room of a storm. All daemons are members, and the first one owns it.
pub(super) struct Room {
    id: RoomId,
    invite: RoomInvite,
    /// A daemon that joins while things go wrong.
    late: Option<usize>,
}

fn text<const N: usize>(words: &str) -> BoundedText<N> {
    BoundedText::new(words).unwrap_or_default()
}

impl Storm {
    /// The room is made, and all join it, before anything goes wrong.
    pub(super) fn open_room(&mut self) {
        let new = NewRoom {
            name: text("lab"),
            topic: BoundedText::default(),
            policy: Policy::default(),
            nick: None,
            client: None,
        };
        let Some(RoomAnswer::Room(id)) = self.ask_now(0, RoomCommand::Make(new)) else { panic!("no room") };
        let new = NewInvite { role: Role::Member, uses: None, hours: 2_000, whom: None, note: None };
        let wish = RoomWish::Invite(new);
        let Some(RoomAnswer::Invited(invite)) = self.ask_now(0, RoomCommand::In { room: id, wish }) else {
            panic!("no invite")
        };
        let late = Some(self.world.count() - 1).filter(|_| self.die(2) == 0);
        let soon: Vec<_> = (1..self.world.count()).filter(|n| Some(*n) != late).collect();
        for n in &soon {
            self.join(*n, &invite);
        }
        self.room = Some(Room { id, invite, late });
        let begun = self.world.now_ms();
        while !soon.iter().all(|n| self.is_member(*n)) {
            if self.world.now_ms() - begun > JOIN_LIMIT_MS {
                return self.checker.violations.push(Violation::RoomNotSettled("not all could join".to_owned()));
            }
            self.pass(5_000);
        }
    }

    fn ask_now(&mut self, n: usize, command: RoomCommand) -> Option<RoomAnswer> {
        let handle = self.world.handle(n)?;
        match self.world.block_on(n, handle.ask(Request::Room(command)))? {
            Ok(Answer::Room(answer)) => Some(answer),
            _ => None,
        }
    }

    fn join(&mut self, n: usize, invite: &RoomInvite) {
        let (invite, text) = (invite.clone(), BoundedText::default());
        let _ = self.ask_now(n, RoomCommand::Join { invite, nick: None, text, want: None, client: None });
        self.world.stir();
    }

    /// Whether a daemon may be restored from a copy of now. One of before a newcomer joins knows of no room; and an owner that has
    /// forgotten whom it let in makes that one a stranger again, with all that it has said. Both are limits that are known.
    pub(super) fn may_forget(&self, n: usize) -> bool {
        let Some(room) = &self.room else { return true };
        self.is_member(n) && (n > 0 || room.late.is_none())
    }

    /// The one that is late joins now.
    fn join_late(&mut self) {
        let Some(room) = &self.room else { return };
        if let Some(n) = room.late.filter(|n| self.world.is_awake(*n)) {
            self.say(|| format!("{n} joins"));
            let invite = room.invite.clone();
            self.join(n, &invite);
        }
    }

    fn is_member(&self, n: usize) -> bool {
        let Some(room) = &self.room else { return false };
        self.world.image(n).rooms.get(&room.id.0).is_some_and(|image| image.state == 1)
    }

    /// What the members do, beside what happens to their daemons.
    pub(super) fn talk_in_room(&mut self) {
        let n = self.die(self.world.count());
        if self.room.is_none() || !self.world.is_awake(n) {
            return;
        }
        match self.die(20) {
            0..9 => self.say_in_room(n),
            9 => self.appoint(),
            10 => self.redact(n),
            11 => self.edit(n),
            12 => {
                let topic = text(&format!("{}", self.die(1_000)));
                self.wish(n, RoomWish::Topic(topic));
            }
            13 => {
                let name = Some(text(&format!("lab {}", self.die(1_000))));
                let act = RoomAct::Set(Set { name, topic: None, policy: None });
                self.act(act);
            }
            14 => self.join_late(),
            _ => {}
        }
    }

    /// A client's wish, whose answer nobody waits for.
    fn wish(&mut self, n: usize, wish: RoomWish) {
        let (Some(room), Some(handle)) = (&self.room, self.world.handle(n)) else { return };
        let command = RoomCommand::In { room: room.id, wish };
        self.world.spawn(n, async move { drop(handle.ask(Request::Room(command)).await) });
        self.world.stir();
    }

    /// The owner decides something, now and then although it reaches nobody.
    fn act(&mut self, act: RoomAct) {
        let force = self.die(6) == 0;
        if self.world.is_awake(0) {
            self.say(|| format!("the owner: {act:?}, force: {force}"));
            self.wish(0, RoomWish::Act { act, force });
        }
    }

    /// Somebody becomes a moderator, or is none any more.
    fn appoint(&mut self) {
        let role = if self.die(2) == 0 { Role::Moderator } else { Role::Member };
        let member = u32::try_from(self.die(self.world.count())).ok().and_then(|n| MemberNo::new(n + 1));
        if let Some(member) = member {
            self.act(RoomAct::Role { member, role });
        }
    }

    /// One of the last texts at a member, and all its events there, the chosen one first.
    fn recent(&mut self, n: usize, own: bool) -> Option<(Said, Vec<Ref>)> {
        let image = self.world.image(n);
        let rows = &image.rooms.get(&self.room.as_ref()?.id.0)?.texts;
        let last: Vec<_> = rows.iter().rev().filter(|row| !own || row.said.from == n).take(8).collect();
        let row = last.get(self.die(last.len().max(1)))?;
        let doubles = rows.iter().filter(|other| other.said == row.said && *other != *row);
        Some((row.said, std::iter::once(*row).chain(doubles).map(named).collect()))
    }

    fn redact(&mut self, n: usize) {
        let Some((said, of)) = self.recent(n, false) else { return };
        self.say(|| format!("{n} redacts {said}"));
        self.checker.redacts(said);
        self.wish(n, RoomWish::Redact { of, why: None });
    }

    fn edit(&mut self, n: usize) {
        if let Some((said, of)) = self.recent(n, true)
            && let Some(of) = of.first().copied()
        {
            let text = text(&said.written(5));
            self.wish(n, RoomWish::Edit { of, text });
        }
    }

    fn say_in_room(&mut self, n: usize) {
        if !self.checker.is_saying(n) {
            let texts = 1 + self.die(8);
            self.write_in_room(n, texts);
            if self.die(8) == 0 {
                self.kill(n);
            }
        }
    }

    fn write_in_room(&mut self, n: usize, texts: usize) {
        let (Some(room), Some(handle)) = (&self.room, self.world.handle(n)) else { return };
        let (room, tell) = (room.id, self.tell.clone());
        let all: Vec<_> = (0..texts).map(|_| self.checker.issue_said(n)).collect();
        let all: Vec<_> = all.into_iter().map(|said| (said, said.written(self.die(self.padding)))).collect();
        self.world.spawn(n, async move {
            for (said, words) in all {
                let (text, to) = (text(&words), Vec::new());
                let wish = RoomWish::Say { text, re: None, to, client: None, expire_ms: None };
                let answer = handle.ask(Request::Room(RoomCommand::In { room, wish })).await;
                // The storm listens as long as it runs.
                let _ = tell.send(Told::Said { said, answer });
            }
        });
        self.world.stir();
    }

    /// What a client was told of a text.
    pub(super) fn heard_of_said(&mut self, said: Said, answer: &Result<Answer, Refusal>) {
        match answer {
            Ok(Answer::Accepted { .. }) => {
                self.say(|| format!("{said} is accepted"));
                self.outcome.said += 1;
                self.checker.said(said, true);
            }
            // As with messages: a daemon that stops may stop between the commit and the answer.
            Err(Refusal::Stopping | Refusal::Unsure(_)) => self.say(|| format!("{said} is unknown")),
            refused => {
                self.say(|| format!("{said} is refused: {refused:?}"));
                self.checker.said(said, false);
            }
        }
    }

    /// All say a last word, and all have all of them.
    pub(super) fn settle_room(&mut self) -> bool {
        let Some(room) = self.room.as_ref().map(|room| (room.id.0, room.invite.clone())) else { return true };
        let begun = self.world.now_ms();
        self.join_late();
        for n in 0..self.world.count() {
            self.write_in_room(n, 1);
        }
        loop {
            self.pass(10_000);
            if !self.checker.violations.is_empty() {
                return false;
            }
            let images = self.world.images();
            if self.checker.is_room_settled(&images, &room.0) {
                break;
            }
            if self.world.now_ms() - begun > ROOM_SETTLE_LIMIT_MS {
                break;
            }
        }
        self.outcome.room_settled_ms = self.outcome.room_settled_ms.max(self.world.now_ms() - begun);
        let images = self.world.images();
        self.checker.finish_room(&images, &room.0);
        self.checker.violations.is_empty()
    }
}

fn named(row: &SaidRow) -> Ref {
    let (author, seq) = row.place;
    Ref { place: Place { author: Author::new(author).unwrap_or(Author::ACTS), seq }, tag: row.tag }
}
