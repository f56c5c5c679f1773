//! What an event counts as, chain by chain: by the acts, by proven forks, and by mutes.
//!
//! Along one chain the answer changes only behind the numbers that cuts, changes of role, forks, mutes and their ends
//! name. So it is a short list of spans, and a change of a room's state is a few new spans, however long the log is.

use crate::roster::Roster;
use std::collections::{BTreeMap, BTreeSet};
use torchat_protocol::room::body::said::{Mute, Unmute};
use torchat_protocol::room::body::{Place, Ref, Role};
use torchat_protocol::room::{Author, MemberNo, Tag};

/// What an event counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It counts as nothing: its author is no member, or it is behind the end of what counts of the chain.
    Void,
    /// A muted member's: it counts, and is shown only to those who ask for it.
    Hidden(Role),
    /// That of somebody with this role.
    As(Role),
}

impl Standing {
    /// Whether an event for which somebody needs a role counts.
    #[must_use]
    pub fn allows(self, needed: Role) -> bool {
        match self {
            Self::Void => false,
            Self::Hidden(role) | Self::As(role) => role >= needed,
        }
    }

    /// Whether it is a muted member's.
    #[must_use]
    pub fn is_hidden(self) -> bool {
        matches!(self, Self::Hidden(_))
    }
}

/// What the events of one chain count as: from which number on which standing. The first begins at 1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spans(Vec<(u64, Standing)>);

impl Spans {
    /// From which number on which standing, in ascending order.
    #[must_use]
    pub fn new(list: Vec<(u64, Standing)>) -> Self {
        Self(list)
    }

    /// What the event with a number counts as.
    #[must_use]
    pub fn at(&self, seq: u64) -> Standing {
        let before = self.0.partition_point(|(from, _)| *from <= seq);
        before.checked_sub(1).and_then(|span| self.0.get(span)).map_or(Standing::Void, |(_, standing)| *standing)
    }

    /// From which number on which standing.
    #[must_use]
    pub fn list(&self) -> &[(u64, Standing)] {
        &self.0
    }
}

/// The mutes of a room and their ends, as they were said. Which of them count depends on who said them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mutes {
    mutes: BTreeMap<Place, (Tag, Mute)>,
    ends: BTreeMap<Place, Unmute>,
}

impl Mutes {
    pub(crate) fn add(&mut self, named: Ref, mute: Mute) {
        self.mutes.insert(named.place, (named.tag, mute));
    }

    pub(crate) fn add_end(&mut self, place: Place, unmute: Unmute) {
        self.ends.insert(place, unmute);
    }

    /// The mute that an end names.
    fn named(&self, mute: Ref) -> Option<&Mute> {
        self.mutes.get(&mute.place).filter(|(tag, _)| *tag == mute.tag).map(|(_, mute)| mute)
    }

    /// Whom the mutes and ends of an author concern.
    pub(crate) fn touched_by(&self, author: Author) -> BTreeSet<MemberNo> {
        let mutes = self.mutes.range(of(author)).map(|(_, (_, mute))| mute.who);
        let ends = self.ends.range(of(author)).filter_map(|(_, end)| self.named(end.of));
        mutes.chain(ends.map(|mute| mute.who)).collect()
    }

    /// Forgets what some authors said. Returns whom it concerned.
    pub(crate) fn forget(&mut self, authors: &std::ops::RangeInclusive<Author>) -> BTreeSet<MemberNo> {
        let of: BTreeSet<Author> = self.mutes.keys().chain(self.ends.keys()).map(|place| place.author).collect();
        let muted = of.into_iter().filter(|author| authors.contains(author)).flat_map(|author| self.touched_by(author));
        let muted = muted.collect();
        self.mutes.retain(|place, _| !authors.contains(&place.author));
        self.ends.retain(|place, _| !authors.contains(&place.author));
        muted
    }

    /// Whom the end of a mute concerns.
    pub(crate) fn whom(&self, mute: Ref) -> Option<MemberNo> {
        self.named(mute).map(|mute| mute.who)
    }

    /// The mutes of a member that count.
    fn of(&self, who: MemberNo, counts: &impl Fn(Place) -> bool) -> impl Iterator<Item = (Ref, &Mute)> {
        let mutes = self.mutes.iter().filter(move |(place, (_, mute))| mute.who == who && counts(**place));
        mutes.map(|(place, (tag, mute))| (Ref { place: *place, tag: *tag }, mute))
    }

    /// The counting mutes of a member without a counting end.
    pub(crate) fn open_of(&self, who: MemberNo, counts: &impl Fn(Place) -> bool) -> Vec<Ref> {
        let ended = |mute: Ref| self.ends.iter().any(|(end, unmute)| unmute.of == mute && counts(*end));
        self.of(who, counts).map(|(named, _)| named).filter(|named| !ended(*named)).collect()
    }

    /// What the counting mutes of a member hide of a chain, each: behind a number, up to a number.
    fn hide(&self, who: MemberNo, chain: u8, counts: &impl Fn(Place) -> bool) -> Vec<(u64, u64)> {
        let mutes = self.of(who, counts);
        let mut hide: BTreeMap<Ref, (u64, u64)> =
            mutes.map(|(named, mute)| (named, (mute.keep.of(chain), u64::MAX))).collect();
        for (place, end) in &self.ends {
            if let Some((_, upto)) = hide.get_mut(&end.of)
                && counts(*place)
            {
                *upto = end.resume.of(chain).min(*upto);
            }
        }
        hide.into_values().filter(|(behind, upto)| behind < upto).collect()
    }
}

fn of(author: Author) -> std::ops::RangeInclusive<Place> {
    Place { author, seq: 0 }..=Place { author, seq: u64::MAX }
}

/// What the events of a chain count as. `line`: the last number that counts, of each chain.
pub(crate) fn spans(roster: &Roster, mutes: &Mutes, line: impl Fn(Author) -> u64, author: Author) -> Spans {
    let Some((who, member)) = author.member().and_then(|who| Some((who, roster.members.get(&who)?))) else {
        return Spans(vec![(1, Standing::Void)]);
    };
    let chain = author.chain();
    // A mute hides no moderator's event, so whether a mute counts does not depend on other mutes.
    let by_moderator = |place: Place| {
        place.seq <= line(place.author) && roster.power(place.author, place.seq) >= Some(Role::Moderator)
    };
    let mut hide = mutes.hide(who, chain, &by_moderator);
    hide.sort_unstable();
    // As few as there can be, one behind the other: a moderator may say thousands.
    hide.dedup_by(|next, before| {
        let meets = next.0 <= before.1;
        if meets {
            before.1 = before.1.max(next.1);
        }
        meets
    });
    let hidden = |seq: u64| {
        let before = hide.partition_point(|(behind, _)| *behind < seq);
        before.checked_sub(1).and_then(|at| hide.get(at)).is_some_and(|(_, upto)| seq <= *upto)
    };
    let last = line(author);
    let standing = |seq: u64| match roster.power(author, seq) {
        Some(_) if seq > last => Standing::Void,
        Some(role) if role <= Role::Member && hidden(seq) => Standing::Hidden(role),
        Some(role) => Standing::As(role),
        None => Standing::Void,
    };
    let roles = member.roles.iter().map(|(_, keep)| keep.of(chain));
    let muted = hide.iter().flat_map(|(behind, upto)| [*behind, *upto]);
    let changes: BTreeSet<u64> = roles.chain(muted).chain([0, last]).filter_map(|seq| seq.checked_add(1)).collect();
    let mut spans: Vec<(u64, Standing)> = Vec::new();
    for from in changes {
        let now = standing(from);
        if spans.last().is_none_or(|(_, before)| *before != now) {
            spans.push((from, now));
        }
    }
    Spans(spans)
}
