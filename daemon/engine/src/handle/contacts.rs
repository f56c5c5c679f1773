//! Contacts, strangers that ask, and invites.

use super::{Handle, Refusal};
use crate::request::{Answer, Request};
use crate::store::{contact_record, time};
use std::collections::BTreeSet;
use std::ops::Bound;
use torchat_core::input::ContactChange;
use torchat_core::snapshot::Intro;
use torchat_core::view::{ContactView, RequestView};
use torchat_protocol::control::api::Onion;
use torchat_protocol::control::api::record::{Contact, ContactRequest};
use torchat_protocol::conversation::ConversationId;
use torchat_protocol::id::PeerId;
use torchat_protocol::invite::Invite;

impl Handle {
    /// Makes a peer a contact. Returns when that is durable.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing changed then.
    pub async fn add(&self, peer: PeerId) -> Result<(), Refusal> {
        self.change(peer, ContactChange::Add(Intro::default())).await
    }

    /// Changes what a peer is to us. Returns when that is durable. Of a room, RENAME is its alias and REMOVE leaves it; else it is
    /// [`Refusal::IsRoom`].
    ///
    /// # Errors
    /// A [`Refusal`]; nothing changed then.
    pub async fn change(&self, peer: PeerId, change: ContactChange) -> Result<(), Refusal> {
        if let Some(room) = self.room_of(peer.into()) {
            return self.change_room(room, change).await;
        }
        self.ask(Request::Contact { peer, change }).await?;
        Ok(())
    }

    /// A new invite, good for one request within `lifetime_ms`. It is shown here and stored nowhere.
    ///
    /// # Errors
    /// [`Refusal::TooManyInvites`], [`Refusal::Storage`].
    pub async fn invite(&self, lifetime_ms: i64) -> Result<Invite, Refusal> {
        match self.ask(Request::Invite { lifetime_ms }).await? {
            Answer::Invited(secret) => Ok(Invite { peer: self.own, secret }),
            _ => Err(Refusal::Stopping),
        }
    }

    /// The strangers that wait for the user's decision, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestView> {
        self.node.lock().requests()
    }

    /// Says whether a contact sees us while there is nothing to deliver. Returns when that is durable.
    ///
    /// # Errors
    /// [`Refusal::NoContact`], [`Refusal::Storage`].
    pub async fn appear(&self, peer: PeerId, hidden: bool) -> Result<(), Refusal> {
        self.change(peer, ContactChange::Appear { hidden }).await
    }

    /// The contacts and when they were last heard of.
    #[must_use]
    pub fn contacts(&self) -> Vec<ContactView> {
        self.node.lock().contacts(self.clock.now())
    }

    /// Contacts and blocked peers, and what is known of each.
    #[must_use]
    pub fn contact_records(&self) -> Vec<Contact> {
        self.contacts().into_iter().map(contact_record).collect()
    }

    /// As [`Handle::contact_records`], in the order of their ids: at most `limit` of those behind `after`. Only those of `among`, if it is
    /// given. What is behind them costs nothing, and the node is free between two calls.
    #[must_use]
    pub fn list_contacts(
        &self,
        after: Option<PeerId>,
        among: Option<&BTreeSet<ConversationId>>,
        limit: usize,
    ) -> Vec<Contact> {
        let now = self.clock.now();
        let node = self.node.lock();
        let Some(among) = among else {
            return node.contacts_after(after, now).take(limit).map(contact_record).collect();
        };
        let from = after.map_or(Bound::Unbounded, |peer| Bound::Excluded(ConversationId::from(peer)));
        let peers = among.range((from, Bound::Unbounded)).filter_map(ConversationId::as_peer);
        let listed = peers.filter(|peer| node.is_listed(peer)).take(limit);
        listed.map(|peer| contact_record(node.contact(&peer, now))).collect()
    }

    /// The strangers that wait for the user's decision, oldest first.
    #[must_use]
    pub fn request_records(&self) -> Vec<ContactRequest> {
        let record = |view: RequestView| ContactRequest {
            peer: Onion(view.peer),
            nick: view.request.nick,
            text: view.request.text,
            at: time(view.request.at_ms),
        };
        self.requests().into_iter().map(record).collect()
    }
}
