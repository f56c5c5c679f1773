//! Which names read like others. Thousands of contacts are compared by an index of their looks, not each with each.

use super::ConversationList;
use crate::lookalike::{Look, Part, looks_like_our_word};
use crate::timeline::Timeline;
use std::collections::{HashMap, HashSet};
use torchat_protocol::control::api::{ConversationId, Onion};

/// The names of all conversations, by what they look like.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    known: HashMap<ConversationId, Known>,
    alike: HashMap<Part, Alike>,
}

/// The name of one.
#[derive(Debug, Clone)]
struct Known {
    name: String,
    /// The user's own choice.
    own: bool,
    /// The user has compared its key.
    verified: bool,
    look: Look,
    /// It reads like a word by which our programs speak of themselves.
    our_word: bool,
}

/// Peers whose names share a part of their looks.
#[derive(Debug, Clone, Default)]
struct Alike {
    /// Those whose names the user has chosen.
    own: HashSet<ConversationId>,
    /// Those that have chosen their names themselves.
    given: HashSet<ConversationId>,
    /// Of both, those whose keys the user has compared.
    verified: HashSet<ConversationId>,
}

impl Names {
    /// What a peer is called now; an empty name is none.
    fn set(&mut self, timeline: &Timeline) {
        // A room's name is its owner's choice, unless the user has given it another one.
        let own = match timeline.room() {
            Some(side) => side.room().alias.is_some(),
            None => timeline.contact.name.is_some() && !timeline.is_room(),
        };
        let id = timeline.id();
        let name = timeline.raw_name().unwrap_or_default();
        let verified = timeline.contact.verified.is_some();
        let same = |known: &Known| known.name == name && known.own == own && known.verified == verified;
        if self.known.get(&id).map_or(name.is_empty(), same) {
            return;
        }
        self.remove(id);
        if name.is_empty() {
            return;
        }
        let our_word = looks_like_our_word(name);
        let known = Known { name: name.to_owned(), own, verified, look: Look::of(name), our_word };
        for part in known.look.parts() {
            let alike = self.alike.entry(part.clone()).or_default();
            if own {
                alike.own.insert(id)
            } else {
                alike.given.insert(id)
            };
            if verified {
                alike.verified.insert(id);
            }
        }
        self.known.insert(id, known);
    }

    fn remove(&mut self, id: ConversationId) {
        let Some(known) = self.known.remove(&id) else { return };
        for part in known.look.parts() {
            let Some(alike) = self.alike.get_mut(part) else { continue };
            alike.own.remove(&id);
            alike.given.remove(&id);
            alike.verified.remove(&id);
            if alike.own.is_empty() && alike.given.is_empty() {
                self.alike.remove(part);
            }
        }
    }

    /// The peers whose names read like a look.
    fn like(&self, look: &Look) -> impl Iterator<Item = ConversationId> {
        let alike = look.parts().iter().filter_map(|part| self.alike.get(part));
        alike.flat_map(|alike| alike.own.iter().chain(&alike.given)).copied()
    }

    /// A peer, and all whose names read like its name.
    fn around(&self, id: ConversationId) -> HashSet<ConversationId> {
        let known = self.known.get(&id);
        known.into_iter().flat_map(|known| self.like(&known.look)).chain([id]).collect()
    }

    /// A name that the peer chose is marked if it reads like any other. One that the user chose is what is imitated: it
    /// is marked only if the user gave another peer a name that reads like it. One whose key the user has compared is the one that
    /// is meant: it is never marked, and every other that reads like it is.
    fn is_marked(&self, id: ConversationId) -> bool {
        let Some(known) = self.known.get(&id) else { return false };
        let mut alike = known.look.parts().iter().filter_map(|part| self.alike.get(part));
        if known.verified {
            false
        } else if known.own {
            alike.any(|alike| alike.own.len() > 1 || !alike.verified.is_empty())
        } else {
            known.our_word || alike.any(|alike| alike.own.len() + alike.given.len() > 1)
        }
    }
}

impl ConversationList {
    /// The contact whose name a stranger's reads like; of several, the one with the newest message.
    #[must_use]
    pub fn looks_like(&self, peer: Onion, name: &str) -> Option<&Timeline> {
        let look = Look::of(name);
        let others = self.names.like(&look).filter(|other| *other != peer.conversation());
        let shown = others.filter_map(|other| self.timelines.get(&other)).filter(|other| self.has_row(other));
        shown.max_by_key(|other| (other.order(), std::cmp::Reverse(other.id())))
    }

    /// Whether a look is that of somebody whom the user has named or verified, and who has another onion: a member of a room could be
    /// taken for them.
    pub(super) fn is_somebody_else(&self, look: &Look, onion: Option<Onion>) -> bool {
        let own = onion.map(Onion::conversation);
        let is_meant = |id: &ConversationId| self.names.known.get(id).is_some_and(|known| known.own || known.verified);
        let is_person = |id: &ConversationId| self.timelines.get(id).is_some_and(|timeline| !timeline.is_room());
        self.names.like(look).any(|id| Some(id) != own && is_meant(&id) && is_person(&id))
    }

    /// Marks the names that read like others, after the list has changed.
    pub(super) fn mark_lookalikes(&mut self) {
        let gone: Vec<ConversationId> =
            self.names.known.keys().filter(|id| !self.timelines.contains_key(id)).copied().collect();
        gone.into_iter().for_each(|id| self.names.remove(id));
        self.timelines.values().for_each(|timeline| self.names.set(timeline));
        for (id, timeline) in &mut self.timelines {
            timeline.lookalike = self.names.is_marked(*id);
        }
        self.mark_all_members();
    }

    /// Marks one contact whose name may have changed, and those that it was or is alike.
    pub(super) fn mark_lookalike(&mut self, id: ConversationId) {
        let Some(timeline) = self.timelines.get(&id) else { return };
        let mut touched = self.names.around(id);
        self.names.set(timeline);
        touched.extend(self.names.around(id));
        for id in touched {
            if let Some(timeline) = self.timelines.get_mut(&id) {
                timeline.lookalike = self.names.is_marked(id);
            }
        }
        self.mark_all_members();
    }
}
