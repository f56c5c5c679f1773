//! What the user sets for the open conversation: that its key was compared, how long messages stay, that they go now.

use super::{Ask, Confirm, Decision, Model, Overlay};
use torchat_client::api::words::count;
use torchat_client::api::{ConversationId, Onion};
use torchat_client::compare;

/// Words on a line.
const ON_A_LINE: usize = 4;

impl Model {
    /// `/verify`. False: it was called with something else than it takes.
    pub(super) fn verify(&mut self, rest: &str) -> bool {
        let peer = match self.open_peer() {
            Ok(peer) => peer,
            Err(error) => {
                self.warn(error);
                return true;
            }
        };
        match rest {
            "" => self.show_words(peer),
            "yes" => self.ask(Ask::Decide(Decision::Verify, peer)),
            "no" => self.ask(Ask::Decide(Decision::Doubt, peer)),
            _ => return false,
        }
        true
    }

    fn show_words(&mut self, peer: Onion) {
        let Some(own) = self.own else { return self.warn("torchatd has not told your onion yet") };
        let name = self.name_of(peer.conversation(), 30);
        let words = compare::words(&own.0, &peer.0);
        let mut lines = vec![
            format!("{name} must see the same words: compare them by voice or face to face, not in this conversation."),
            String::new(),
        ];
        lines.extend(words.chunks(ON_A_LINE).map(|line| line.join(" ")));
        lines.extend([
            String::new(),
            "They are the same: /verify yes. They differ: this is not the onion of the person you are talking to."
                .into(),
        ]);
        lines.extend([String::new(), "Your onion:".into(), own.0.onion(), format!("{name}:"), peer.0.onion()]);
        self.overlay = Some(Overlay::Text { title: format!("Compare words with {name}"), lines, scroll: 0 });
    }

    /// `/retain`. False: as [`Model::verify`].
    pub(super) fn retain(&mut self, rest: &str) -> bool {
        let peer = match self.open_peer() {
            Ok(peer) => peer,
            Err(error) => {
                self.warn(error);
                return true;
            }
        };
        match (rest, rest.parse()) {
            ("off", _) => self.ask(Ask::Retain(peer, None)),
            (_, Ok(days)) => self.ask(Ask::Retain(peer, Some(days))),
            ("", _) => {
                let kept = self.list.get(peer.conversation()).and_then(|timeline| timeline.contact().retain_days);
                self.retained(peer, kept);
            }
            _ => return false,
        }
        true
    }

    pub(super) fn retained(&mut self, peer: Onion, days: Option<u32>) {
        let name = self.name_of(peer.conversation(), 20);
        self.say(match days {
            Some(days) => {
                let days = count(u64::from(days), "day");
                format!("messages with {name} are erased here after {days}, when they are read")
            }
            None => format!("messages with {name} are kept"),
        });
    }

    /// `/erase`
    pub(super) fn ask_to_erase(&mut self) {
        match self.conversation() {
            Some(id) => self.overlay = Some(Overlay::Confirm(Confirm::Erase(id))),
            None => self.warn("no conversation is open"),
        }
    }

    pub(super) fn erased(&mut self, id: ConversationId, erased: u64, kept: u64) {
        let name = self.name_of(id, 20);
        let kept = if kept > 0 { format!("; still waiting for delivery: {kept} (/cancel)") } else { String::new() };
        self.say(format!("erased here: {} with {name}{kept}", count(erased, "message")));
    }
}
