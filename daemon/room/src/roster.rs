//! What a branch of acts says: who is a member, as what, who owns the room, what its rules are.
//!
//! A function of the acts alone, applied one after the other. Acts are judged by acts: nothing that a member says changes
//! what an act means, so all replicas that have the same acts agree.

use crate::key::Key;
use std::collections::{BTreeMap, BTreeSet};
use torchat_protocol::nick::Nick;
use torchat_protocol::room::body::acts::{CutReason, Entry, Handover, Host, Policy, Roster as RosterAct};
use torchat_protocol::room::body::{Body, Keep, Role};
use torchat_protocol::room::{Author, BoxKey, Event, EventId, Header, Identity, InviteId, MemberKey, MemberNo, RoomId};

/// A member, or one that was.
#[derive(Debug, Clone)]
pub struct Member {
    /// The key by which it signs.
    pub key: Key,
    /// The key for sealed bodies.
    pub sealing: BoxKey,
    /// Its identity, by the owner's word.
    pub id: Option<Identity>,
    /// What it wanted to be called when it came, if that is a name.
    pub nick: Option<Nick>,
    /// The invite that it came with.
    pub via: Option<InviteId>,
    /// What it may, one change after the other: behind which numbers of its chains each begins. The first is that of its entry.
    pub roles: Vec<(Role, Keep)>,
    /// Why it is no member any more, and what counts of what it said.
    pub cuts: Vec<(CutReason, Keep)>,
    /// The number of the act by which it came.
    pub since: u64,
}

impl Member {
    fn new(entry: &Entry, since: u64) -> Self {
        Self {
            key: Key::new(entry.sign),
            sealing: entry.sealing,
            id: entry.id,
            nick: entry.nick.as_ref().and_then(|nick| Nick::parse(nick.as_str()).ok()),
            via: entry.via,
            roles: vec![(entry.role, Keep::NOTHING)],
            cuts: Vec::new(),
            since,
        }
    }

    /// Whether it still is one.
    #[must_use]
    pub fn is_in(&self) -> bool {
        self.cuts.is_empty()
    }

    /// What it may do now.
    #[must_use]
    pub fn role(&self) -> Role {
        self.roles.last().map_or(Role::Reader, |(role, _)| *role)
    }

    /// The last number of one of its chains that counts, as far as the acts say.
    fn last_of(&self, chain: u8) -> u64 {
        self.cuts.iter().map(|(_, keep)| keep.of(chain)).min().unwrap_or(u64::MAX)
    }
}

/// What the acts up to some act say.
#[derive(Debug, Clone)]
pub struct Roster {
    room: RoomId,
    /// Everybody who ever was a member, by number.
    pub members: BTreeMap<MemberNo, Member>,
    /// Who owns the room.
    pub owner: MemberNo,
    /// The number of the act that made the owner the owner.
    pub owner_since: u64,
    /// The last act that settled between two branches: its number and id.
    pub settled: Option<(u64, EventId)>,
    /// The name.
    pub name: String,
    /// The rules.
    pub policy: Policy,
    /// Who keeps the room for others.
    pub hosts: Vec<Host>,
    /// The room has ended.
    pub destroyed: bool,
    /// Proposals by which the room was handed over: each serves once.
    used: BTreeSet<EventId>,
}

impl Roster {
    /// What acts say that stand on each other, the first one first.
    #[must_use]
    pub fn of<'a>(room: RoomId, acts: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut roster = Self::nobody(room);
        acts.into_iter().for_each(|act| roster.take(act));
        roster
    }

    /// The act that comes next.
    pub fn take(&mut self, act: &Event) {
        let body = act.read().ok().flatten();
        match Self::begin(self.room, body.as_ref()) {
            Some(begun) if act.header().seq == 1 => *self = begun,
            _ => self.apply(act.header(), act.id(), body.as_ref()),
        }
    }

    /// The member with a key: the newest, if somebody gave two.
    #[must_use]
    pub fn with_key(&self, key: MemberKey) -> Option<MemberNo> {
        self.members.iter().rev().find(|(_, member)| member.key.bytes() == key).map(|(no, _)| *no)
    }

    /// Before the first act.
    pub(crate) fn nobody(room: RoomId) -> Self {
        Self {
            room,
            members: BTreeMap::new(),
            owner: MemberNo::MAKER,
            owner_since: 0,
            settled: None,
            name: String::new(),
            policy: Policy::default(),
            hosts: Vec::new(),
            destroyed: false,
            used: BTreeSet::new(),
        }
    }

    /// What the first act says. `None`: it begins no room.
    pub(crate) fn begin(room: RoomId, body: Option<&Body>) -> Option<Self> {
        let Some(Body::Create(create)) = body else { return None };
        let owner = &create.owner;
        if owner.no != MemberNo::MAKER || owner.role != Role::Owner {
            return None;
        }
        Some(Self {
            members: BTreeMap::from([(owner.no, Member::new(owner, 1))]),
            owner_since: 1,
            name: create.name.as_str().to_owned(),
            policy: create.policy,
            ..Self::nobody(room)
        })
    }

    /// One act more. A body that is none, or does not follow its rules, changes nothing; nor does what a rule passes over.
    pub(crate) fn apply(&mut self, header: &Header, id: EventId, body: Option<&Body>) {
        match body {
            Some(Body::Roster(act)) => self.change_members(act, header.seq),
            Some(Body::Set(set)) => {
                if let Some(name) = &set.name {
                    name.as_str().clone_into(&mut self.name);
                }
                if let Some(policy) = set.policy {
                    self.policy = Policy { replicas: self.policy.replicas, ..policy };
                }
            }
            Some(Body::Hosts(act)) => self.hosts.clone_from(&act.hosts),
            Some(Body::Handover(act)) => self.hand_over(act, header.seq),
            Some(Body::Settle(_)) => self.settled = Some((header.seq, id)),
            Some(Body::Destroy(_)) => self.destroyed = true,
            _ => {}
        }
    }

    fn change_members(&mut self, act: &RosterAct, seq: u64) {
        for entry in act.add.iter().filter(|entry| entry.role != Role::Owner) {
            self.members.entry(entry.no).or_insert_with(|| Member::new(entry, seq));
        }
        let owner = self.owner;
        for cut in act.cut.iter().filter(|cut| cut.no != owner) {
            if let Some(member) = self.members.get_mut(&cut.no) {
                member.cuts.push((cut.why, cut.keep.clone()));
            }
        }
        for change in act.role.iter().filter(|change| change.no != owner && change.role != Role::Owner) {
            if let Some(member) = self.members.get_mut(&change.no) {
                member.roles.push((change.role, change.keep.clone()));
            }
        }
    }

    fn hand_over(&mut self, act: &Handover, seq: u64) {
        let to = self.members.get(&act.to).filter(|to| to.is_in() && act.to != self.owner);
        let agreed =
            to.is_some_and(|to| to.key.verifies(&Handover::to_be_signed(self.room, act.proposal, act.to), &act.accept));
        if !agreed || !self.used.insert(act.proposal) {
            return;
        }
        for (no, role, keep) in [(self.owner, Role::Moderator, &act.old), (act.to, Role::Owner, &act.new)] {
            if let Some(member) = self.members.get_mut(&no) {
                member.roles.push((role, keep.clone()));
            }
        }
        (self.owner, self.owner_since) = (act.to, seq);
    }

    /// The key by which the next act is signed.
    pub(crate) fn owner_key(&self) -> Option<&Key> {
        self.members.get(&self.owner).map(|owner| &owner.key)
    }

    /// The member that somebody is. `None`: the acts, or nobody.
    #[must_use]
    pub fn member(&self, author: Author) -> Option<&Member> {
        self.members.get(&author.member()?)
    }

    /// The last number of a chain that counts, as far as the acts say.
    #[must_use]
    pub fn cut(&self, author: Author) -> u64 {
        self.member(author).map_or(0, |member| member.last_of(author.chain()))
    }

    /// What the author of an event could do when it said it.
    #[must_use]
    pub fn power(&self, author: Author, seq: u64) -> Option<Role> {
        let behind = |(_, keep): &&(Role, Keep)| seq > keep.of(author.chain());
        self.member(author)?.roles.iter().rev().find(behind).map(|(role, _)| *role)
    }

    /// Members that are in.
    pub fn present(&self) -> impl Iterator<Item = (MemberNo, &Member)> {
        self.members.iter().filter(|(_, member)| member.is_in()).map(|(no, member)| (*no, member))
    }

    /// A number that nobody has had.
    #[must_use]
    pub fn next_number(&self) -> Option<MemberNo> {
        MemberNo::new(self.members.keys().next_back().map_or(1, |last| last.get() + 1))
    }
}

/// The least role whose events of a kind mean something. `None`: a kind that means nothing here.
#[must_use]
pub fn needed(kind: u8) -> Option<Role> {
    match kind {
        16 | 17 | 18 | 19 | 25 | 31 => Some(Role::Member),
        20 | 21 | 22 | 26 | 27 => Some(Role::Moderator),
        23 | 24 | 29 => Some(Role::Reader),
        30 => Some(Role::Owner),
        _ => None,
    }
}
