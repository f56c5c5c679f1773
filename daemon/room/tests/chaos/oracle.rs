//! What counts, as a plain function of the set of events and of the branch of acts: ROOM-PROTOCOL.md, "What counts", step by
//! step and without anything of the replica.

use crate::disk::{View, place};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use torchat_protocol::room::body::acts::Handover;
use torchat_protocol::room::body::{Body, Keep, Place, Ref, Role};
use torchat_protocol::room::{Author, Event, EventId, MemberKey, MemberNo, RoomId, TextId};
use torchat_room::key::Key;

struct Member {
    key: MemberKey,
    roles: Vec<(Role, Keep)>,
    cuts: Vec<Keep>,
}

/// An event with what it says.
pub(crate) type Read = (Arc<Event>, Option<Arc<Body>>);

pub(crate) struct Oracle {
    events: Vec<Read>,
    members: BTreeMap<MemberNo, Member>,
    owner: MemberNo,
    /// The lowest number at which each chain is proven forked.
    forks: BTreeMap<Author, u64>,
    acts: Vec<EventId>,
}

impl Oracle {
    pub(crate) fn new(room: RoomId, branch: &[Read], events: Vec<Read>, forks: BTreeMap<Author, u64>) -> Self {
        let mut oracle = Self {
            events,
            members: BTreeMap::new(),
            owner: MemberNo::MAKER,
            forks,
            acts: branch.iter().map(|(act, _)| act.id()).collect(),
        };
        let mut used = BTreeSet::new();
        for (_, body) in branch {
            oracle.act(room, body.as_deref().cloned(), &mut used);
        }
        oracle
    }

    fn act(&mut self, room: RoomId, body: Option<Body>, used: &mut BTreeSet<EventId>) {
        match body {
            Some(Body::Create(create)) if self.members.is_empty() => {
                let roles = vec![(Role::Owner, Keep::NOTHING)];
                self.members.insert(create.owner.no, Member { key: create.owner.sign, roles, cuts: vec![] });
            }
            Some(Body::Roster(roster)) => {
                for entry in roster.add {
                    if entry.role != Role::Owner && !self.members.contains_key(&entry.no) {
                        let roles = vec![(entry.role, Keep::NOTHING)];
                        self.members.insert(entry.no, Member { key: entry.sign, roles, cuts: vec![] });
                    }
                }
                for cut in roster.cut {
                    if cut.no != self.owner
                        && let Some(member) = self.members.get_mut(&cut.no)
                    {
                        member.cuts.push(cut.keep);
                    }
                }
                for change in roster.role {
                    if change.no != self.owner
                        && change.role != Role::Owner
                        && let Some(member) = self.members.get_mut(&change.no)
                    {
                        member.roles.push((change.role, change.keep));
                    }
                }
            }
            Some(Body::Handover(act)) => {
                let Some(to) = self.members.get(&act.to) else { return };
                let signed = Handover::to_be_signed(room, act.proposal, act.to);
                let agreed = to.cuts.is_empty() && Key::new(to.key).verifies(&signed, &act.accept);
                if agreed && act.to != self.owner && used.insert(act.proposal) {
                    let old = self.owner;
                    self.members.get_mut(&old).unwrap().roles.push((Role::Moderator, act.old));
                    self.members.get_mut(&act.to).unwrap().roles.push((Role::Owner, act.new));
                    self.owner = act.to;
                }
            }
            _ => {}
        }
    }

    fn line(&self, author: Author) -> u64 {
        let Some(member) = author.member().and_then(|no| self.members.get(&no)) else { return 0 };
        let cut = member.cuts.iter().map(|keep| keep.of(author.chain())).min().unwrap_or(u64::MAX);
        cut.min(self.forks.get(&author).map_or(u64::MAX, |seq| seq - 1))
    }

    /// The power of what counts at a place.
    pub(crate) fn power(&self, place: Place) -> Option<Role> {
        let member = self.members.get(&place.author.member()?)?;
        if place.seq > self.line(place.author) {
            return None;
        }
        let role = member.roles.iter().rev().find(|(_, keep)| place.seq > keep.of(place.author.chain()));
        role.map(|(role, _)| *role)
    }

    fn valid(&self, needed: Role) -> impl Iterator<Item = (Place, &Arc<Event>, &Body)> {
        self.events.iter().filter_map(move |(event, body)| {
            let body = body.as_deref()?;
            (self.power(place(event))? >= needed).then_some((place(event), event, body))
        })
    }

    /// The places that are hidden by mutes.
    pub(crate) fn hidden(&self) -> impl Fn(Place) -> bool {
        let mut mutes: BTreeMap<Ref, (MemberNo, Keep, Vec<Keep>)> = BTreeMap::new();
        for (_, event, body) in self.valid(Role::Moderator) {
            if let Body::Mute(mute) = body {
                mutes.insert(event.named(), (mute.who, mute.keep.clone(), vec![]));
            }
        }
        for (_, _, body) in self.valid(Role::Moderator) {
            if let Body::Unmute(unmute) = body
                && let Some((_, _, ends)) = mutes.get_mut(&unmute.of)
            {
                ends.push(unmute.resume.clone());
            }
        }
        move |place: Place| {
            self.power(place).is_some_and(|role| role <= Role::Member)
                && mutes.values().any(|(who, keep, ends)| {
                    let chain = place.author.chain();
                    Some(*who) == place.author.member()
                        && place.seq > keep.of(chain)
                        && ends.iter().all(|end| place.seq <= end.of(chain))
                })
        }
    }

    /// What is seen of the room.
    pub(crate) fn view(&self) -> View {
        let hidden = self.hidden();
        let order = |place: Place| {
            let event = self.events.iter().find(|(event, _)| crate::disk::place(event) == place).unwrap();
            event.0.header().order()
        };
        let of = |place: Place| place.author.member().unwrap();
        let mut redacted = BTreeSet::new();
        for (by, _, body) in self.valid(Role::Member) {
            if let Body::Redact(redact) = body
                && (redact.of.place.author.member() == by.author.member() || self.power(by) >= Some(Role::Moderator))
            {
                redacted.insert(redact.of);
            }
        }
        let shown: Vec<_> = self
            .valid(Role::Member)
            // Only texts and edits can be redacted.
            .filter(|(place, event, _)| {
                let gone = matches!(event.header().kind, 16 | 17) && redacted.contains(&event.named());
                !hidden(*place) && !gone
            })
            .map(|(place, event, body)| (place, event.clone(), body.clone()))
            .collect();
        let mut first: BTreeMap<(MemberNo, TextId), Place> = BTreeMap::new();
        for (place, _, body) in &shown {
            if let Body::Text(text) = body {
                let best = first.entry((of(*place), text.mid)).or_insert(*place);
                if order(*place) < order(*best) {
                    *best = *place;
                }
            }
        }
        let mut view = View { acts: self.acts.clone(), ..View::default() };
        for text in first.values() {
            let event = &shown.iter().find(|(place, ..)| place == text).unwrap().1;
            let named = event.named();
            let mut edit: Option<Place> = None;
            let mut signs: BTreeMap<MemberNo, (Place, String)> = BTreeMap::new();
            for (place, _, body) in &shown {
                match body {
                    Body::Edit(form)
                        if form.of == named
                            && of(*place) == of(*text)
                            && edit.is_none_or(|before| order(before) < order(*place)) =>
                    {
                        edit = Some(*place);
                    }
                    Body::Reaction(form) if form.of == named => {
                        let sign = (*place, form.sign.as_str().to_owned());
                        let last = signs.entry(of(*place)).or_insert_with(|| sign.clone());
                        if order(last.0) < order(*place) {
                            *last = sign;
                        }
                    }
                    _ => {}
                }
            }
            let signs = signs.into_iter().map(|(who, (_, sign))| (who, sign)).filter(|(_, sign)| !sign.is_empty());
            view.texts.insert(*text, (event.id(), edit, signs.collect()));
        }
        let mut nicks: BTreeMap<MemberNo, Place> = BTreeMap::new();
        for (place, _, body) in self.valid(Role::Reader) {
            if let Body::Nick(nick) = body
                && !hidden(place)
                && nicks.get(&of(place)).is_none_or(|before| order(*before) < order(place))
            {
                nicks.insert(of(place), place);
                view.nicks.insert(of(place), nick.nick.as_str().to_owned());
            }
        }
        view
    }
}
