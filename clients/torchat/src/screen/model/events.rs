//! What the daemon tells by itself.

use super::{Ask, Confirm, Effect, Link, Model, Notify, Open, Overlay, Place, Tor};
use crate::screen::talk::{Talk, millis};
use crate::screen::wrap::cut;
use torchat_client::api::Onion;
use torchat_client::api::event::{Event, What};
use torchat_client::api::events::State;
use torchat_client::api::record::{ContactRequest, Conversation, Message, MessageState};
use torchat_client::show;

/// Between two bells or notifications, in milliseconds: of a flood of messages the first and the last of each second.
const TOLD_AGAIN: i64 = 1_000;
/// Columns of a notification at most.
const TOLD_COLUMNS: usize = 160;
/// Notices of the daemon that /status shows.
const NOTICES: usize = 50;

impl Model {
    /// How it stands with the daemon now.
    pub(super) fn link_changed(&mut self, state: State) {
        match state {
            State::New | State::Stopped => self.link = Link::New,
            State::Connected { welcome, continued } => {
                let another = self.own.is_some_and(|own| own != welcome.onion);
                if another {
                    self.forget_everything();
                }
                self.own = Some(welcome.onion);
                self.link = Link::Up;
                (self.sending, self.seeing, self.retry_at) = (false, false, None);
                if matches!(self.overlay, Some(Overlay::Confirm(Confirm::Start))) {
                    self.overlay = None;
                }
                for talk in self.talks.values_mut() {
                    talk.loading = false;
                }
                self.ask(Ask::Conversations { fresh: !continued });
                self.ask(Ask::Requests);
                self.begin_news();
            }
            State::Gone { reason, .. } => {
                self.link = Link::Gone(super::one_line(&reason.to_string()));
                (self.sending, self.seeing) = (false, false);
                let nobody = matches!(
                    reason,
                    torchat_client::api::ApiClientError::NotFound { .. }
                        | torchat_client::api::ApiClientError::Connect { .. }
                );
                // Asked once, and not when a daemon that was there is only starting again.
                if nobody && self.own.is_none() && !self.asked_to_start {
                    self.asked_to_start = true;
                    self.overlay = Some(Overlay::Confirm(Confirm::Start));
                }
            }
            State::Refused(error) => {
                self.link = Link::Refused(super::one_line(&error.to_string()));
                (self.sending, self.seeing) = (false, false);
            }
        }
    }

    /// Another daemon answers: nothing of the old one may be shown as its.
    fn forget_everything(&mut self) {
        self.keep_draft();
        self.talks.clear();
        self.order.clear();
        self.requests.clear();
        (self.loaded, self.invite, self.invite_asked) = (false, None, false);
        (self.open, self.overlay, self.list_at) = (Open::Nothing, None, 0);
        self.editor.take();
        self.warn("another daemon answers: this is another identity");
    }

    /// Does again what happened while the list was on its way, because the list may be older. Without bells, and without what
    /// cannot be done twice: that a message was read.
    pub(super) fn replay(&mut self) {
        let Some(events) = self.meanwhile.take() else { return };
        self.replaying = true;
        for event in events {
            if !matches!(event.what, What::Read(_) | What::Notice { .. } | What::Gap { .. }) {
                self.event(event);
            }
        }
        self.replaying = false;
    }

    /// An event.
    pub(super) fn event(&mut self, event: Event) {
        if let Some(meanwhile) = &mut self.meanwhile {
            meanwhile.push(event.clone());
        }
        let at = millis(&event.at).unwrap_or(self.now);
        match event.what {
            What::Received { message } => self.received(message, at),
            What::Queued { message } | What::Lost { message } => {
                let key = message.client_id.clone();
                self.put(message, at);
                if let Some(key) = key {
                    self.stored.unsent.retain(|unsent| unsent.key != key || self.sending);
                }
            }
            What::Sent(message) => self.state(message.peer, message.id, MessageState::Sent),
            What::Delivered(message) => {
                self.state(message.peer, message.id, MessageState::Delivered);
                self.heard(message.peer, at);
            }
            What::Failed(message) => {
                self.state(message.peer, message.id, MessageState::Failed);
                self.again(message.peer, message.id);
            }
            What::Withdrawn(message) => self.state(message.peer, message.id, MessageState::Withdrawn),
            What::Read(message) => {
                if let Some(talk) = self.talks.get_mut(&message.peer) {
                    talk.read(message.id);
                }
            }
            What::Request { peer, nick, text } => {
                self.requests.retain(|request| request.peer != peer);
                self.requests.push(ContactRequest { peer, nick, text, at: event.at });
                let name = self.requests.last().map(|request| Self::name_of_request(request, 20)).unwrap_or_default();
                self.tell(format!("{name} asks to become a contact"), "");
                self.sort();
            }
            What::RequestGone { peer } => self.request_gone(peer),
            What::Contact { contact } => {
                let peer = contact.peer;
                let now = self.now;
                let renamed = match self.talks.get_mut(&peer) {
                    Some(talk) => {
                        let before = talk.raw_name().map(str::to_owned);
                        talk.set_contact(contact, now);
                        before.as_deref() != talk.raw_name()
                    }
                    None => {
                        let conversation = Conversation { contact, unread: 0, last: None };
                        self.talks.insert(peer, Talk::new(conversation, now));
                        true
                    }
                };
                if renamed {
                    self.mark_lookalike(peer);
                }
                self.sort();
            }
            What::Link { peer, up } => {
                if let Some(talk) = self.talks.get_mut(&peer) {
                    talk.contact.link = up;
                    talk.heard_at = talk.heard_at.max(Some(at));
                }
            }
            What::Tor { usable, sentence } => self.tor = Some(Tor { usable, sentence: super::one_line(&sentence) }),
            What::Notice { peer, sentence } => {
                let who = peer.map(|peer| format!("{}: ", self.name_of(peer, 20))).unwrap_or_default();
                let text = format!("{who}{}", super::one_line(&sentence));
                self.notices.push_back((at, text.clone()));
                if self.notices.len() > NOTICES {
                    self.notices.pop_front();
                }
                self.say(text);
            }
            // Nothing proves who wrote it, so it is in none of the conversations here: `torchat legacy` shows it.
            What::Legacy { claims, .. } => {
                self.say(format!("an old program that claims to be {} has written", super::one_line(&claims)));
            }
            What::Gap { .. } => {
                self.ask(Ask::Conversations { fresh: true });
                self.ask(Ask::Requests);
            }
        }
    }

    /// What the daemon says about itself and Tor, newest first.
    pub(super) fn notices(&self) -> impl Iterator<Item = &(i64, String)> {
        self.notices.iter().rev()
    }

    fn received(&mut self, message: Message, at: i64) {
        let (peer, id, text) = (message.peer, message.id, message.text.clone());
        let is_new = message.state == MessageState::Unread;
        self.put(message, at);
        let on_screen = self.attention
            && self.overlay.is_none()
            && self.open == Open::Talk(peer)
            && self.visible().iter().any(|row| row.id == id);
        if is_new && !on_screen {
            if self.open == Open::Talk(peer)
                && let Some(talk) = self.talk_mut()
                && talk.new_from.is_none_or(|from| from <= talk.seen)
            {
                talk.new_from = Some(id);
            }
            self.tell(format!("a message from {}", self.name_of(peer, 20)), &text);
        }
    }

    /// Tells the user what is not on the screen, as far as it is wanted. `text` is what the peer wrote, as it came: whoever
    /// looks over the user's shoulder reads it only if the user asked for that.
    fn tell(&mut self, about: String, text: &str) {
        if self.replaying {
            return;
        }
        self.untold = match self.stored.notify {
            Notify::Off => None,
            Notify::Bell => Some(Effect::Bell),
            Notify::Content if !text.is_empty() => {
                let line = show::shown_line(&text.replace(['\n', '\t'], " "));
                Some(Effect::Notify(cut(&format!("{about}: {line}"), TOLD_COLUMNS)))
            }
            Notify::Desktop | Notify::Content => Some(Effect::Notify(about)),
        };
        self.tell_now();
    }

    /// When the user is told what waits for that: not more often than somebody can look.
    pub(super) fn next_told(&self) -> Option<i64> {
        self.untold.as_ref().map(|_| self.told_at + TOLD_AGAIN)
    }

    /// Tells it if it is time.
    pub(super) fn tell_now(&mut self) {
        if self.next_told().is_some_and(|at| at <= self.now) {
            self.told_at = self.now;
            self.effects.extend(self.untold.take());
        }
    }

    fn put(&mut self, message: Message, at: i64) {
        let peer = message.peer;
        match self.talks.get_mut(&peer) {
            Some(talk) => talk.put(message, at),
            // Events of somebody unknown: the list knows who it is.
            None => self.ask(Ask::Conversations { fresh: false }),
        }
        self.sort();
    }

    fn state(&mut self, peer: Onion, id: i64, state: MessageState) {
        if let Some(talk) = self.talks.get_mut(&peer) {
            talk.set_state(id, state);
        }
    }

    fn heard(&mut self, peer: Onion, at: i64) {
        if let Some(talk) = self.talks.get_mut(&peer) {
            talk.heard_at = talk.heard_at.max(Some(at));
        }
    }

    fn again(&mut self, peer: Onion, id: i64) {
        if self.talks.get(&peer).is_some_and(|talk| talk.entry(id).is_some()) {
            self.ask(Ask::Page(peer, Place::One(id)));
        }
    }

    fn request_gone(&mut self, peer: Onion) {
        let at = self.items().get(self.list_at).copied();
        self.requests.retain(|request| request.peer != peer);
        if self.open == Open::Request(peer) {
            self.open(Open::Nothing);
        }
        let items = self.items();
        let found = items.iter().position(|item| Some(*item) == at);
        self.list_at = found.unwrap_or(self.list_at).min(items.len().saturating_sub(1));
    }
}
