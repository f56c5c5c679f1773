//! The members of a room as they are now: read when the room is opened, and kept by events.

use crate::lookalike::{Look, Part, looks_like_our_word};
use crate::names::KnownMember;
use crate::timeline::inquiry::{Inquiry, Meanwhile, Ticket};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use torchat_protocol::control::api::Onion;
use torchat_protocol::control::api::record::{Member, MemberState};

/// All members whom a room has or had, by number; none before they were read. At most as many as the room may have.
#[derive(Debug, Clone, Default)]
pub struct Members {
    by_no: BTreeMap<u32, Member>,
    /// Those whose names read like somebody else's.
    marked: BTreeSet<u32>,
    loaded: bool,
    /// They were refused: not again until the daemon is connected anew.
    refused: bool,
    inquiry: Inquiry<Member>,
}

/// The members that were asked for, to be given back with their answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MembersRequest(Ticket);

impl Members {
    /// They were read since the room was opened.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.loaded
    }

    /// All of them, by number; also those that are no longer in.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Member> {
        self.by_no.values()
    }

    /// Those that are in.
    pub fn present(&self) -> impl Iterator<Item = &Member> {
        self.all().filter(|member| is_in(member))
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, no: u32) -> Option<&Member> {
        self.by_no.get(&no)
    }

    /// Whether the name reads like that of somebody else, so that it must not be shown alone.
    #[must_use]
    pub fn is_marked(&self, no: u32) -> bool {
        self.marked.contains(&no)
    }

    /// Those that are in, for [`crate::names::resolve_member`].
    #[must_use]
    pub fn known(&self) -> Vec<KnownMember> {
        let known = |member: &Member| KnownMember { no: member.no, name: member.name.clone(), onion: member.onion };
        self.present().map(known).collect()
    }

    /// Whether ROOM_MEMBERS is to be asked, all pages: then [`Self::ask`].
    #[must_use]
    pub fn wanted(&self) -> bool {
        !self.loaded && !self.refused && !self.inquiry.is_under_way()
    }

    /// They are asked for. The answers to what was asked before are void.
    pub fn ask(&mut self) -> MembersRequest {
        self.refused = false;
        MembersRequest(self.inquiry.ask())
    }

    /// They were not answered. They are not wanted again before another connection.
    pub fn failed(&mut self, request: MembersRequest) {
        if self.inquiry.answered(request.0).is_some() {
            self.refused = true;
        }
    }

    /// Another connection: an answer that was under way is lost.
    pub(in crate::timeline) fn reconnected(&mut self) {
        self.inquiry.cancel();
        self.refused = false;
    }

    /// Events were missed, or nobody looks at the room: they are read again.
    pub(in crate::timeline) fn forget(&mut self) {
        *self = Self { inquiry: std::mem::take(&mut self.inquiry), ..Self::default() };
        self.reconnected();
    }

    /// The answer. False: it was void, and nothing has changed.
    pub(in crate::timeline) fn answer(&mut self, request: MembersRequest, members: Vec<Member>) -> bool {
        match self.inquiry.answered(request.0) {
            Some(Meanwhile::All(changes)) => {
                let all = members.into_iter().chain(changes);
                self.by_no = all.map(|member| (member.no, member)).collect();
                self.loaded = true;
                true
            }
            // More than is kept: they are asked for again.
            Some(Meanwhile::TooMuch) | None => false,
        }
    }

    /// What a member is now, as an event tells it.
    pub(in crate::timeline) fn changed(&mut self, member: &Member) {
        self.inquiry.note(|| member.clone());
        if self.loaded {
            self.by_no.insert(member.no, member.clone());
        }
    }

    /// Marks the names that read like another member's, like a word of our programs, or like a name `elsewhere`: of a contact whom
    /// the user would take them for. Somebody who was given another number reads like nobody but others.
    pub(in crate::timeline) fn mark(&mut self, elsewhere: impl Fn(&Look, Option<Onion>) -> bool) {
        let looks: Vec<(&Member, Look)> = self.all().map(|member| (member, Look::of(&member.name))).collect();
        let mut alike: HashMap<&Part, Vec<&Member>> = HashMap::new();
        for (member, look) in &looks {
            look.parts().iter().for_each(|part| alike.entry(part).or_default().push(member));
        }
        let is_other =
            |one: &Member, other: &Member| one.no != other.no && (one.onion.is_none() || one.onion != other.onion);
        let is_marked = |(member, look): &&(&Member, Look)| {
            let mut others = look.parts().iter().filter_map(|part| alike.get(part)).flatten();
            !member.me && looks_like_our_word(&member.name)
                || others.any(|other| is_other(member, other))
                || elsewhere(look, member.onion)
        };
        self.marked = looks.iter().filter(is_marked).map(|(member, _)| member.no).collect();
    }
}

/// Whether a member may still say something, or only be silenced.
pub(super) fn is_in(member: &Member) -> bool {
    matches!(member.state, MemberState::In | MemberState::Muted)
}
