//! The branch of acts that holds, acts that do not fit onto it, and when another branch holds instead.

use crate::key::{Incoming, Key};
use crate::roster::Roster;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use torchat_protocol::room::body::Body;
use torchat_protocol::room::body::acts::Handover;
use torchat_protocol::room::{Event, EventId, Header, MemberKey, MemberNo, RoomId};

/// Most acts of a room.
pub(crate) const ACTS: u64 = 100_000;
/// Most bytes of the bodies of a branch. All replicas keep all acts in memory, so an owner must not be able to fill it; and all must
/// agree which act is one too many.
pub(crate) const ACT_BYTES: usize = 16 << 20;
/// How many acts that do not fit are kept, and their bytes. Beyond it the oldest goes. Few, because each that comes is compared with
/// all ways that the others make; an owner who was restored from a backup makes a handful.
const RIVALS: usize = 512;
const RIVAL_BYTES: usize = 16 << 20;

/// How many of them may be the former owner's, who was restored from a backup and handed the room over once more. Few, and apart from the
/// others: a former owner must not push out what matters.
const FORMER_RIVALS: usize = 64;

/// To how many members the kept acts may hand the room over.
const HEIRS: usize = 4;

/// An act, with what it says.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    pub(crate) incoming: Incoming,
    /// `None`: nothing that has an effect.
    pub(crate) body: Option<Body>,
}

impl Act {
    pub(crate) fn new(incoming: Incoming) -> Self {
        let body = incoming.event.read().ok().flatten();
        Self { incoming, body }
    }

    pub(crate) fn header(&self) -> &Header {
        self.incoming.event.header()
    }

    pub(crate) fn id(&self) -> EventId {
        self.incoming.event.id()
    }

    /// Whether it can decide between two branches.
    pub(crate) fn decides(&self) -> bool {
        matches!(self.body, Some(Body::Settle(_) | Body::Handover(_)))
    }

    fn bytes(&self) -> usize {
        Header::encode(self.header()).len() + self.body_bytes()
    }

    fn body_bytes(&self) -> usize {
        self.incoming.event.body().map_or(0, |body| body.len())
    }
}

/// An act that does not fit onto the branch.
#[derive(Debug, Clone)]
struct Rival {
    act: Act,
    /// When it came, among all rivals.
    number: u64,
    /// A key that did not sign it, so that nobody makes us check it again and again.
    not_by: Option<MemberKey>,
    /// The former owner signed it, and it stands beside the acts of that one's time.
    is_former: bool,
    /// Whether it hands the room to this key, and whoever has it agreed. Looked at once for each key, because it costs a signature.
    agreed: Option<(MemberKey, bool)>,
}

impl Rival {
    /// Whether it is a handover to a member, to which the one with this key has agreed.
    fn hands_to(&mut self, room: RoomId, to: MemberNo, key: &Key) -> bool {
        let Some(Body::Handover(act)) = &self.act.body else { return false };
        match self.agreed {
            Some((known, agreed)) if known == key.bytes() => agreed,
            _ => {
                let signed = Handover::to_be_signed(room, act.proposal, act.to);
                let agreed = act.to == to && key.verifies(&signed, &act.accept);
                self.agreed = Some((key.bytes(), agreed));
                agreed
            }
        }
    }
}

/// The acts of a room.
#[derive(Debug, Clone)]
pub(crate) struct Branch {
    room: RoomId,
    /// Those that hold, one after the other. Empty: the room is known by its id only.
    acts: Vec<Act>,
    /// The bytes of their bodies.
    act_bytes: usize,
    ids: BTreeMap<EventId, u64>,
    rivals: BTreeMap<EventId, Rival>,
    rival_bytes: usize,
    number: u64,
    /// Acts that are in the log, on the branch or not, with their positions.
    pub(crate) stored: BTreeMap<EventId, u64>,
    /// Two acts with one number, both signed by who owned the room then.
    proofs: BTreeMap<u64, (Arc<Event>, Arc<Event>)>,
    /// What the branch says.
    pub(crate) roster: Roster,
    /// Who owned the room before the present owner.
    former: Option<Key>,
}

/// A branch that shall hold instead of ours, from an act of ours on.
pub(crate) struct Better {
    /// The number of the last common act.
    pub(crate) fork: u64,
    /// The acts behind it.
    pub(crate) path: Vec<EventId>,
}

impl Branch {
    /// Without an act.
    pub(crate) fn new(room: RoomId) -> Self {
        Self {
            room,
            acts: Vec::new(),
            act_bytes: 0,
            ids: BTreeMap::new(),
            rivals: BTreeMap::new(),
            rival_bytes: 0,
            number: 0,
            stored: BTreeMap::new(),
            proofs: BTreeMap::new(),
            roster: Roster::nobody(room),
            former: None,
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.acts.len() as u64
    }

    pub(crate) fn acts(&self) -> &[Act] {
        &self.acts
    }

    /// The act with a number.
    pub(crate) fn at(&self, seq: u64) -> Option<&Act> {
        self.acts.get(usize::try_from(seq.checked_sub(1)?).ok()?)
    }

    /// The id of the last act.
    pub(crate) fn head(&self) -> EventId {
        self.acts.last().map_or(self.room.as_event(), Act::id)
    }

    /// The number of an act that is on the branch.
    pub(crate) fn seq_of(&self, id: EventId) -> Option<u64> {
        self.ids.get(&id).copied()
    }

    pub(crate) fn is_rival(&self, id: EventId) -> bool {
        self.rivals.contains_key(&id)
    }

    pub(crate) fn rivals(&self) -> impl Iterator<Item = &Act> {
        self.rivals.values().map(|rival| &rival.act)
    }

    /// The proof with the lowest number that freezes the branch.
    pub(crate) fn freezing_proof(&self) -> Option<&(Arc<Event>, Arc<Event>)> {
        let after = self.roster.owner_since.max(self.roster.settled.map_or(0, |(seq, _)| seq));
        self.proofs.range(after + 1..).next().map(|(_, proof)| proof)
    }

    /// What the acts up to a number say.
    fn roster_at(&self, seq: u64) -> Option<Roster> {
        let mut acts = self.acts.iter();
        let mut roster = Roster::begin(self.room, acts.next()?.body.as_ref())?;
        for act in acts.take(usize::try_from(seq.checked_sub(1)?).ok()?) {
            roster.apply(act.header(), act.id(), act.body.as_ref());
        }
        Some(roster)
    }

    /// Whether an act is of the former owner, and of a branch on which that one still was the owner: the way to what the present owner said
    /// there may lead over it.
    fn is_former(&self, act: &mut Act) -> bool {
        let stands_behind = self.seq_of(act.header().prev).is_some_and(|seq| seq >= self.roster.owner_since);
        !stands_behind && self.former.as_ref().is_some_and(|key| act.incoming.is_signed_by(key))
    }

    /// Whether the owner, somebody to whom a kept act hands the room over, or the former owner signed an act. Acts of others are not even
    /// kept apart: they would push out those that matter.
    pub(crate) fn could_be_by_an_owner(&self, act: &mut Act) -> bool {
        self.is_by_an_owner(act) || self.is_former(act)
    }

    fn is_by_an_owner(&self, act: &mut Act) -> bool {
        let mut keys: Vec<Key> = self.roster.owner_key().into_iter().cloned().collect();
        let handovers = self.rivals().filter_map(|rival| match &rival.body {
            Some(Body::Handover(handover)) => Some(handover.to),
            _ => None,
        });
        let named: BTreeSet<_> = handovers.collect();
        for to in named.into_iter().take(HEIRS) {
            keys.extend(self.roster.members.get(&to).map(|member| member.key.clone()));
            let entries = self.rivals().filter_map(|rival| match &rival.body {
                Some(Body::Roster(roster)) => roster.add.iter().find(|entry| entry.no == to),
                _ => None,
            });
            keys.extend(entries.take(1).map(|entry| Key::new(entry.sign)));
        }
        keys.iter().any(|key| act.incoming.is_signed_by(key))
    }

    /// Whether an act continues the branch.
    pub(crate) fn continues(&self, act: &mut Act) -> bool {
        if self.acts.is_empty() {
            return self.begins(act);
        }
        let next = act.header().seq == self.len() + 1 && act.header().prev == self.head() && self.may_go_on();
        let next = next && self.has_room_for(act.body_bytes());
        next && (!self.is_frozen() || matches!(act.body, Some(Body::Settle(_))))
            && self.roster.owner_key().is_some_and(|key| act.incoming.is_signed_by(key))
    }

    /// Whether an act is the room's first one: its id is the room's and has the shape of an identity, and its owner signed it.
    fn begins(&self, act: &mut Act) -> bool {
        let Some(roster) = Roster::begin(self.room, act.body.as_ref()) else { return false };
        act.header().room.is_none()
            && RoomId::of_create(act.id()) == Some(self.room)
            && roster.owner_key().is_some_and(|key| act.incoming.is_signed_by(key))
    }

    /// The branch goes on with an act that continues it.
    pub(crate) fn push(&mut self, act: Act) {
        match Roster::begin(self.room, act.body.as_ref()) {
            Some(roster) if self.acts.is_empty() => self.roster = roster,
            _ => {
                let (before, since) = (self.roster.owner_key().cloned(), self.roster.owner_since);
                self.roster.apply(act.header(), act.id(), act.body.as_ref());
                if self.roster.owner_since != since {
                    self.former = before;
                }
            }
        }
        self.forget_rival(act.id());
        self.ids.insert(act.id(), self.len() + 1);
        self.act_bytes += act.body_bytes();
        self.acts.push(act);
    }

    /// Whether an act with so many bytes in its body may follow.
    pub(crate) fn has_room_for(&self, bytes: usize) -> bool {
        self.act_bytes + bytes <= ACT_BYTES
    }

    /// Keeps an act apart. Returns those that go for it.
    pub(crate) fn keep_apart(&mut self, mut act: Act) -> Vec<EventId> {
        let is_former = !self.is_by_an_owner(&mut act) && self.is_former(&mut act);
        self.number += 1;
        self.rival_bytes += act.bytes();
        self.rivals.insert(act.id(), Rival { act, number: self.number, not_by: None, is_former, agreed: None });
        let mut gone = Vec::new();
        let formers = self.rivals.values().filter(|rival| rival.is_former).count();
        while self.rivals.len() > RIVALS || self.rival_bytes > RIVAL_BYTES || formers > FORMER_RIVALS + gone.len() {
            // Whoever comes with too many loses its own.
            let of_these = |rival: &Rival| rival.is_former || !is_former;
            let oldest = self.rivals.iter().filter(|(_, rival)| of_these(rival)).min_by_key(|(_, rival)| rival.number);
            let Some(oldest) = oldest.map(|(id, _)| *id) else { break };
            self.forget_rival(oldest);
            gone.push(oldest);
        }
        gone
    }

    fn forget_rival(&mut self, id: EventId) {
        if let Some(rival) = self.rivals.remove(&id) {
            self.rival_bytes -= rival.act.bytes();
        }
    }

    /// The room has not ended, and has room for an act.
    fn may_go_on(&self) -> bool {
        !self.roster.destroyed && self.len() < ACTS
    }

    /// Takes a rival that continues the branch.
    pub(crate) fn take_next(&mut self) -> Option<Act> {
        if !self.may_go_on() {
            return None;
        }
        let (seq, head, frozen) = (self.len() + 1, self.head(), self.is_frozen());
        let (key, left) = (self.roster.owner_key()?.clone(), ACT_BYTES.saturating_sub(self.act_bytes));
        let fits = |rival: &Rival| {
            rival.act.header().seq == seq
                && rival.act.header().prev == head
                && rival.act.body_bytes() <= left
                && rival.not_by != Some(key.bytes())
                && (!frozen || matches!(rival.act.body, Some(Body::Settle(_))))
        };
        while let Some((id, rival)) = self.rivals.iter_mut().find(|(_, rival)| fits(rival)) {
            if rival.act.incoming.is_signed_by(&key) {
                let id = *id;
                let rival = self.rivals.remove(&id)?;
                self.rival_bytes -= rival.act.bytes();
                return Some(rival.act);
            }
            rival.not_by = Some(key.bytes());
        }
        None
    }

    /// Whether an act proves, beside one of ours, that the owner signed two with one number. Noted once a number.
    pub(crate) fn proves_fork(&mut self, act: &Act) -> Option<(Arc<Event>, Arc<Event>)> {
        let seq = act.header().seq;
        let mine = self.at(seq).filter(|mine| mine.header().prev == act.header().prev && mine.id() != act.id())?;
        // What a former owner says twice decides nothing.
        if self.proofs.contains_key(&seq) || seq <= self.roster.owner_since {
            return None;
        }
        let mine = mine.incoming.event.clone();
        let owner = self.roster_at(seq - 1)?.owner_key()?.clone();
        if !act.incoming.clone().is_signed_by(&owner) {
            return None;
        }
        let other = act.incoming.event.clone();
        let proof = if mine.id() < other.id() { (mine, other) } else { (other, mine) };
        self.proofs.insert(seq, proof.clone());
        Some(proof)
    }

    /// Acts beside the last one, on the same act before.
    pub(crate) fn beside_last(&self) -> Vec<Act> {
        let Some(last) = self.acts.last().map(Act::header) else { return Vec::new() };
        let beside = self.rivals().filter(|rival| rival.header().seq == last.seq && rival.header().prev == last.prev);
        beside.cloned().collect()
    }

    pub(crate) fn load_proof(&mut self, proof: (Arc<Event>, Arc<Event>)) {
        self.proofs.insert(proof.0.header().seq, proof);
    }

    /// The number before which the way from an act back to one of ours is broken. `None`: it is whole.
    pub(crate) fn broken_before(&self, act: &Act) -> Option<u64> {
        let mut header = act.header();
        loop {
            if self.ids.contains_key(&header.prev) {
                return None;
            }
            match self.rivals.get(&header.prev).map(|rival| rival.act.header()) {
                Some(before) if before.seq + 1 == header.seq => header = before,
                _ => return Some(header.seq - 1),
            }
        }
    }

    /// The present owner's key signed two acts with one number, and nothing behind them settles it.
    pub(crate) fn is_frozen(&self) -> bool {
        self.freezing_proof().is_some()
    }

    /// What makes a branch the room's, from a fork on: that the owner handed the room over on it, then its last settlement, then
    /// that settlement's smaller id.
    fn score<'a>(
        roster: &Roster,
        fork: u64,
        behind: impl DoubleEndedIterator<Item = &'a Act>,
    ) -> (bool, u64, Reverse<EventId>) {
        let settle = behind.rev().find(|act| matches!(act.body, Some(Body::Settle(_))));
        let (seq, id) = settle.map_or((0, EventId([0; 32])), |act| (act.header().seq, act.id()));
        (roster.owner_since > fork, seq, Reverse(id))
    }

    /// The way from a rival back to an act of ours: the number of that act, and the rivals behind it.
    fn path(&self, to: EventId) -> Option<(u64, Vec<EventId>)> {
        let mut path = vec![to];
        let mut at = self.rivals.get(&to)?.act.header();
        loop {
            if let Some(fork) = self.seq_of(at.prev) {
                // Somebody could number the acts of a rival branch as it likes.
                path.reverse();
                return (at.seq == fork + 1).then_some((fork, path));
            }
            let before = self.rivals.get(&at.prev)?.act.header();
            if before.seq + 1 != at.seq {
                return None;
            }
            path.push(at.prev);
            at = before;
        }
    }

    /// A whole, well-signed branch that holds rather than ours. From before the act that made the present owner the owner only if the
    /// present owner says so: who has heard of a handover cannot be moved by the former owner.
    pub(crate) fn better(&self) -> Option<Better> {
        // What has ended has ended: its members have forgotten what was said.
        if self.roster.destroyed {
            return None;
        }
        let present = self.roster.owner_key()?.bytes();
        let ends =
            self.rivals.values().filter(|rival| rival.act.decides() && !rival.is_former).map(|rival| rival.act.id());
        let mut rosters: BTreeMap<u64, Roster> = BTreeMap::new();
        ends.filter_map(|end| self.path(end)).find_map(|(fork, path)| {
            // Most rivals stand on the same act of ours.
            if let std::collections::btree_map::Entry::Vacant(place) = rosters.entry(fork) {
                place.insert(self.roster_at(fork)?);
            }
            let mut roster = rosters.get(&fork)?.clone();
            let rivals: Vec<&Act> = path.iter().filter_map(|id| Some(&self.rivals.get(id)?.act)).collect();
            let behind = self.acts.iter().skip(usize::try_from(fork).ok()?).map(Act::body_bytes).sum::<usize>();
            if self.act_bytes - behind + rivals.iter().map(|act| act.body_bytes()).sum::<usize>() > ACT_BYTES {
                return None;
            }
            let mut last = None;
            for act in &rivals {
                let owner = roster.owner_key()?;
                if !act.incoming.clone().is_signed_by(owner) {
                    return None;
                }
                last = Some((roster.owner, owner.bytes()));
                roster.apply(act.header(), act.id(), act.body.as_ref());
            }
            // A handover without effect decides nothing, and must not carry with it what a freeze behind a settle holds back.
            let end = rivals.last()?;
            if fork < self.roster.owner_since && last != Some((self.roster.owner, present)) {
                return None;
            }
            if roster.owner_since != end.header().seq && !matches!(end.body, Some(Body::Settle(_))) {
                return None;
            }
            let from = usize::try_from(fork).ok()?;
            let theirs = Self::score(&roster, fork, rivals.into_iter());
            let ours = Self::score(&self.roster, fork, self.acts.iter().skip(from));
            (theirs > ours).then_some(Better { fork, path })
        })
    }

    /// The acts behind a number become rivals.
    pub(crate) fn cut(&mut self, fork: u64) {
        let Ok(from) = usize::try_from(fork) else { return };
        for act in self.acts.split_off(from.min(self.acts.len())) {
            self.ids.remove(&act.id());
            self.act_bytes -= act.body_bytes();
            self.keep_apart(act);
        }
        if let Some(roster) = self.roster_at(fork) {
            self.roster = roster;
            let before = self.roster_at(self.roster.owner_since.saturating_sub(1));
            self.former = before.and_then(|roster| roster.owner_key().cloned());
        }
    }

    /// Looks whether the former owner, who was restored from a backup, has made the present owner the owner on another branch, too, and
    /// the present one has not said yet which of them holds. Whoever heard of that branch first cannot be moved by anybody else.
    pub(crate) fn is_handed_twice(&mut self) -> bool {
        let (room, to, since) = (self.room, self.roster.owner, self.roster.owner_since);
        let Some(present) = self.roster.owner_key().cloned() else { return false };
        if self.roster.settled.is_some_and(|(seq, _)| seq > since) {
            return false;
        }
        let handovers = self.rivals.values_mut().filter_map(|rival| {
            let hands = rival.hands_to(room, to, &present);
            hands.then(|| rival.act.id())
        });
        let handovers: Vec<_> = handovers.collect();
        handovers.into_iter().any(|end| self.hands_to(end, present.bytes()).is_some_and(|fork| fork < since))
    }

    /// The fork of a whole and well-signed branch that ends with a handover to a key.
    fn hands_to(&self, end: EventId, key: MemberKey) -> Option<u64> {
        let (fork, path) = self.path(end)?;
        let mut roster = self.roster_at(fork)?;
        for act in path.iter().filter_map(|id| Some(&self.rivals.get(id)?.act)) {
            if !act.incoming.clone().is_signed_by(roster.owner_key()?) {
                return None;
            }
            roster.apply(act.header(), act.id(), act.body.as_ref());
        }
        let handed = roster.owner_since > fork && roster.owner_key().map(Key::bytes) == Some(key);
        handed.then_some(fork)
    }

    /// Takes a rival by its id.
    pub(crate) fn take_rival(&mut self, id: EventId) -> Option<Act> {
        let act = self.rivals.get(&id)?.act.clone();
        self.forget_rival(id);
        Some(act)
    }

    /// The end of the branch upon which the owner settles: of those that it signed itself, the one with more acts, of equal ones
    /// the one with the smaller id. Its number and id.
    pub(crate) fn to_settle_on(&self) -> (u64, EventId) {
        let mut best = (self.len(), Reverse(self.head()));
        let Some(owner) = self.roster.owner_key() else { return (best.0, best.1.0) };
        for rival in self.rivals().filter(|rival| !matches!(rival.body, Some(Body::Handover(_)))) {
            let reaches = self.path(rival.id()).is_some_and(|(fork, _)| fork >= self.roster.owner_since);
            let end = (rival.header().seq, Reverse(rival.id()));
            if reaches && end > best && rival.incoming.clone().is_signed_by(owner) {
                best = end;
            }
        }
        (best.0, best.1.0)
    }
}
