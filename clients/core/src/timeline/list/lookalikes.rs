//! Which names read like others.

use super::ConversationList;
use crate::lookalike;
use crate::timeline::Timeline;
use torchat_protocol::control::api::Onion;

impl ConversationList {
    /// The contact whose name a stranger's reads like.
    #[must_use]
    pub fn looks_like(&self, peer: Onion, name: &str) -> Option<&Timeline> {
        let mut others =
            self.order.iter().filter(|other| **other != peer).filter_map(|other| self.timelines.get(other));
        others.find(|other| other.raw_name().is_some_and(|known| lookalike::looks_like(known, name)))
    }

    /// Marks the names that read like others. The user's own choices are never marked: they are what is imitated.
    pub(super) fn mark_lookalikes(&mut self) {
        let names: Vec<(Onion, String, bool)> = self
            .timelines
            .values()
            .filter_map(|known| Some((known.peer(), known.raw_name()?.to_owned(), known.contact.name.is_some())))
            .collect();
        for (peer, name, own_choice) in &names {
            let like = !own_choice
                && (lookalike::looks_like_our_word(name)
                    || names.iter().any(|(other, known, _)| other != peer && lookalike::looks_like(known, name)));
            if let Some(timeline) = self.timelines.get_mut(peer) {
                timeline.lookalike = like;
            }
        }
    }

    /// The mark of one contact, after its name has changed, and of those that it may be taken for.
    pub(super) fn mark_lookalike(&mut self, peer: Onion) {
        let Some(name) = self.timelines.get(&peer).and_then(Timeline::raw_name).map(str::to_owned) else { return };
        let mut like = lookalike::looks_like_our_word(&name);
        for (other, timeline) in &mut self.timelines {
            if *other != peer && timeline.raw_name().is_some_and(|known| lookalike::looks_like(known, &name)) {
                like = true;
                timeline.lookalike = timeline.contact.name.is_none();
            }
        }
        if let Some(timeline) = self.timelines.get_mut(&peer) {
            timeline.lookalike = like && timeline.contact.name.is_none();
        }
    }
}
