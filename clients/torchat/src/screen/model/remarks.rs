//! Lines of the screen itself in a conversation: how somebody became a contact. They are not messages, and end with the
//! program.

use super::attention::Looks;
use super::{Model, Open};
use crate::screen::remark::Remark;
use std::collections::HashMap;
use torchat_client::api::Onion;
use torchat_client::api::record::{Contact, ContactState};
use torchat_protocol::invite::Invite;

/// Conversations with a remark at most; beyond that the oldest go.
const REMARKS: usize = 200;
/// A peer that was reached and has not accepted us in this time has not taken our invite, in milliseconds.
const TAKEN: i64 = 15_000;

/// The remarks, and what is needed to make them.
#[derive(Debug, Default)]
pub(super) struct Remarks {
    by_peer: HashMap<Onion, Remark>,
    /// Whom this screen has added with an invite, and since when the peer is linked.
    shown: HashMap<Onion, Option<i64>>,
}

impl Model {
    /// What the screen says in a conversation.
    pub(crate) fn remark(&self, peer: Onion) -> Option<&Remark> {
        self.remarks.by_peer.get(&peer)
    }

    /// The user has asked for this peer with `text`, an onion or an invite.
    pub(super) fn invite_shown(&mut self, text: &str, peer: Onion) {
        if text.parse::<Invite>().is_ok() {
            let linked = self.list.get(peer.conversation()).is_some_and(|timeline| timeline.contact().link);
            self.remarks.shown.insert(peer, linked.then_some(self.now));
        }
    }

    /// What a peer is now, before the list knows it. Who is new here may have been added by any program of the user's, so nothing is
    /// said of them: the daemon says who came with an invite.
    pub(super) fn contact_changes(&mut self, contact: &Contact) {
        let before = self.list.get(contact.peer.conversation()).map(|timeline| timeline.contact().state);
        if contact.state == ContactState::Contact && before == Some(ContactState::Waiting) {
            let name = contact.name.as_deref().or(contact.nick.as_deref()).unwrap_or_default();
            let name = match name {
                "" => format!("{}..", contact.peer.0.short()),
                name => torchat_client::show::shown_name(name, 20),
            };
            self.became_contact(contact.peer, format!("{name} has accepted you"));
        }
    }

    /// The daemon says that somebody has shown the user's invite.
    pub(super) fn came_with_invite(&mut self, peer: Onion) {
        // What is typed stays where it is typed.
        if self.open == Open::Nothing && self.editor.text().is_empty() {
            self.open(Open::Conversation(peer.conversation()));
        }
        self.became_contact(peer, format!("{} came with your invite", self.name_of(peer, 20)));
    }

    fn became_contact(&mut self, peer: Onion, text: String) {
        self.remarks.shown.remove(&peer);
        self.remark_on(peer, text.clone());
        let here = matches!(self.open, Open::Nothing) || self.open == Open::Conversation(peer.conversation());
        if !here || self.overlay.is_some() || self.attention.looks(self.now) != Looks::Yes {
            self.tell(text.clone(), "");
        }
        self.say(text);
    }

    /// A link to a peer came up or went.
    pub(super) fn link_of(&mut self, peer: Onion, up: bool) {
        let now = self.now;
        if let Some(linked) = self.remarks.shown.get_mut(&peer) {
            *linked = up.then_some(linked.unwrap_or(now));
        }
    }

    /// When it is to be told that an invite was not taken.
    pub(super) fn next_refused_invite(&self) -> Option<i64> {
        self.remarks.shown.values().flatten().map(|at| at + TAKEN).min()
    }

    /// An invite that was used before, or is too old, is a request like everybody's; the peer says nothing of it, so this is
    /// what is left when it was reached and has not accepted.
    pub(super) fn invites_refused(&mut self) {
        let now = self.now;
        let due = |at: &Option<i64>| at.is_some_and(|at| at + TAKEN <= now);
        let late: Vec<Onion> = self.remarks.shown.iter().filter(|(_, at)| due(at)).map(|(peer, _)| *peer).collect();
        for peer in late {
            self.remarks.shown.remove(&peer);
            let waits = self
                .list
                .get(peer.conversation())
                .is_some_and(|timeline| timeline.contact().state == ContactState::Waiting);
            if waits {
                let text = "the invite is used up or too old: they were asked, and can still accept you".to_owned();
                self.remark_on(peer, text.clone());
                self.say(format!("{}: {text}", self.name_of(peer, 20)));
            }
        }
    }

    fn remark_on(&mut self, peer: Onion, text: String) {
        let kept = &mut self.remarks.by_peer;
        if kept.len() >= REMARKS
            && let Some(oldest) = kept.iter().min_by_key(|(_, remark)| remark.at).map(|(peer, _)| *peer)
        {
            kept.remove(&oldest);
        }
        kept.insert(peer, Remark { at: self.now, text });
    }

    /// Another daemon answers.
    pub(super) fn forget_remarks(&mut self) {
        self.remarks = Remarks::default();
    }
}
