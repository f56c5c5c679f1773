//! What the daemon tells by itself.

use super::attention::Looks;
use super::{Confirm, Effect, Link, Model, Notify, Open, Overlay, one_line};
use crate::screen::editor::Editor;
use crate::screen::settings::mentions;
use crate::screen::wrap::cut;
use torchat_client::api::event::{Event, What};
use torchat_client::api::events::State;
use torchat_client::api::reason::Notice as DaemonNotice;
use torchat_client::api::record::{Message, MessageState};
use torchat_client::api::{ConversationId, Onion};
use torchat_client::show;
use torchat_client::timeline::{Tor, Wish, millis};

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
                // That torchatd is being started is over. A warning, such as one about the configuration, is not.
                self.notice = self.notice.take().filter(|notice| notice.warning);
                let another = self.own.is_some_and(|own| own != welcome.onion);
                if another {
                    self.forget_everything();
                }
                if self.own != Some(welcome.onion) {
                    // What was typed before any daemon answered, and what was kept of this one.
                    if !another {
                        self.note_draft();
                    }
                    self.own = Some(welcome.onion);
                    let typed = self.editor.clone();
                    self.show_draft();
                    if self.editor.text() == typed.text() {
                        // With its cursor.
                        self.editor = typed;
                    }
                }
                self.link = Link::Up;
                (self.sending, self.taking, self.seeing) = (None, None, false);
                (self.retry_at, self.see_again_at) = (None, None);
                if matches!(self.overlay, Some(Overlay::Confirm(Confirm::Start))) {
                    self.overlay = None;
                }
                self.rooms_of(&welcome);
                self.change_list(|list| list.connected(continued));
                self.news.connected(self.now);
                self.ask_news();
            }
            State::Gone { reason, .. } => {
                if self.link == Link::Up {
                    // What was said before hides what is true now.
                    self.notice = None;
                }
                self.link = Link::Gone(one_line(&reason.to_string()));
                (self.sending, self.taking, self.seeing) = (None, None, false);
                // Asked once, and not when a daemon that was there is only starting again.
                if reason.is_absent() && self.own.is_none() && !self.asked_to_start {
                    self.asked_to_start = true;
                    self.overlay = Some(Overlay::Confirm(Confirm::Start));
                }
            }
            State::Refused(error) => {
                self.link = Link::Refused(one_line(&error.to_string()));
                (self.sending, self.taking, self.seeing) = (None, None, false);
            }
        }
    }

    /// Another daemon answers: nothing of the old one may be shown as its.
    fn forget_everything(&mut self) {
        self.keep_draft();
        self.forget_remarks();
        (self.tor, self.tor_down_since, self.untold) = (None, None, None);
        (self.cleared, self.jumped) = (None, None);
        self.ran.clear();
        self.wanted.clear();
        self.notices.clear();
        self.attention.forget();
        self.list.clear();
        (self.invite, self.invite_asked) = (None, false);
        (self.open, self.overlay, self.list_at) = (Open::Nothing, None, 0);
        self.editor = Editor::default();
        // It stays empty until the identity is known whose draft comes here.
        self.own = None;
        self.forget_recall();
        self.mentioned.clear();
        self.warn("this is another daemon, with another onion");
    }

    /// An event: what it changes, and what the user is told of it.
    pub(super) fn event(&mut self, event: Event) {
        let now = self.now;
        if let What::Contact { contact } = &event.what {
            self.contact_changes(contact);
        }
        if let What::Room { room } = &event.what {
            self.room_changes(room);
        }
        self.change_list(|list| list.event(&event, now));
        let at = millis(&event.at).unwrap_or(now);
        self.room_event(&event.what);
        match event.what {
            What::Received { message } => self.received(&message),
            What::Queued { message } | What::Lost { message } => {
                // What the user has taken back meanwhile is not settled by this.
                let is_open = |key: &String| {
                    self.sending.as_ref() != Some(key)
                        && self.stored.drafts.unsent_of(self.own, Wish::TakeBack).all(|unsent| unsent.key != *key)
                };
                if let Some(key) = message.client_id.filter(is_open) {
                    self.stored.drafts.settle(&key);
                }
            }
            What::Request { peer, .. } => {
                let name = self.list.request(peer).map(|request| Self::name_of_request(request, 20));
                self.tell(format!("{} asks to become a contact", name.unwrap_or_default()), "");
            }
            What::RequestGone { peer } => {
                if self.open == Open::Request(peer) {
                    self.open(Open::Nothing);
                }
            }
            What::Link { peer, up } => self.link_of(peer, up),
            What::Tor { usable, sentence, .. } => self.tor_is(Tor { usable, sentence, since: None }),
            What::Notice { peer: Some(peer), why: Some(DaemonNotice::CameWithInvite), .. } => {
                if let Some(peer) = peer.as_peer() {
                    self.came_with_invite(Onion(peer));
                }
            }
            What::Notice { peer, sentence, .. } => {
                let who = peer.map(|peer| format!("{}: ", self.name_of(peer, 20))).unwrap_or_default();
                let text = format!("{who}{}", one_line(&sentence));
                self.notices.push_back((at, text.clone()));
                if self.notices.len() > NOTICES {
                    self.notices.pop_front();
                }
                self.say(text);
            }
            // Nothing proves who wrote it, so it is in none of the conversations here: `torchat legacy` shows it.
            What::Legacy { claims, .. } => {
                self.say(format!("an old program that claims to be {} has written", one_line(&claims)));
            }
            What::Read(message) => self.mention_read(message.peer, message.id),
            // The list takes them all, and there is nothing to say.
            What::Sent(_)
            | What::Delivered(_)
            | What::Failed(_)
            | What::Withdrawn(_)
            | What::Contact { .. }
            | What::Erased { .. }
            | What::Room { .. }
            | What::Member { .. }
            | What::Petition { .. }
            | What::PetitionGone { .. }
            | What::Edited { .. }
            | What::Redacted { .. }
            | What::Reacted { .. }
            | What::Voided { .. }
            | What::Gap { .. } => {}
        }
    }

    /// What the daemon says about itself and Tor, newest first.
    pub(super) fn notices(&self) -> impl Iterator<Item = &(i64, String)> {
        self.notices.iter().rev()
    }

    fn received(&mut self, message: &Message) {
        let (peer, id) = (message.peer, message.id);
        let on_screen = self.overlay.is_none()
            && self.open == Open::Conversation(peer)
            && self.visible().iter().any(|row| row.id == id);
        if message.state != MessageState::Unread {
            return;
        }
        match self.attention.looks(self.now) {
            Looks::Yes if on_screen => {}
            Looks::Unknown if on_screen => self.unsure_of(message),
            _ => self.unseen(message, id),
        }
    }

    /// A message came, and the user has not seen it. `id`: the first one that they have not.
    pub(super) fn unseen(&mut self, message: &Message, id: i64) {
        let (peer, text) = (message.peer, message.text.as_str());
        if self.open == Open::Conversation(peer)
            && let Some(timeline) = self.timeline_mut()
            && timeline.new_from.is_none_or(|from| from <= timeline.seen_upto())
        {
            timeline.new_from = Some(id);
        }
        let mentions = mentions(text, &self.settings.highlight);
        if mentions && self.open != Open::Conversation(peer) {
            self.mentioned.insert(peer, id);
        }
        let told = match self.room_notice(message, mentions) {
            Some(told) => told,
            // A highlight word comes through a mute: that is what it is for.
            None => (mentions || !self.settings.muted.contains(&peer))
                .then(|| format!("a message from {}", self.name_of(peer, 20))),
        };
        if let Some(about) = told {
            self.tell(about, text);
        }
    }

    /// A message was read by one of the user's programs: no word in it waits any more.
    fn mention_read(&mut self, peer: ConversationId, id: i64) {
        if self.mentioned.get(&peer).is_some_and(|mentioned| *mentioned <= id) {
            self.mentioned.remove(&peer);
        }
        self.mentions_seen();
    }

    /// Where nothing is unread, no word waits.
    pub(super) fn mentions_seen(&mut self) {
        self.mentioned.retain(|peer, _| self.list.get(*peer).is_none_or(|timeline| timeline.unread() > 0));
    }

    /// Tells the user what is not on the screen, as far as it is wanted. `text` is what the peer wrote, as it came: anyone who
    /// looks over the user's shoulder reads it only if the user asked for that.
    pub(super) fn tell(&mut self, about: String, text: &str) {
        self.untold = match self.notify {
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
}
