//! `/verify`: the words that both sides of a conversation must see, as words and as a QR code.

use super::{Ask, Decision, Model, Overlay};
use torchat_client::api::Onion;
use torchat_client::compare;

/// Words on a line.
const ON_A_LINE: usize = 4;
/// Columns of a name: the page's words and its code are to fit into 80 x 24.
const NAME: usize = 24;

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
            words if words.contains(char::is_whitespace) => self.compare(peer, words),
            _ => return false,
        }
        true
    }

    fn show_words(&mut self, peer: Onion) {
        let Some(own) = self.own else { return self.warn("torchatd has not told your onion yet") };
        let name = self.name_of(peer.conversation(), NAME);
        let words = compare::words(&own.0, &peer.0);
        let mut lines = vec![
            format!("Compare these words with {name}, by voice or face to face, not in this conversation."),
            String::new(),
        ];
        lines.extend(words.chunks(ON_A_LINE).map(|line| line.join(" ")));
        lines.extend([
            String::new(),
            "All the same: /verify yes. If not, one of you has somebody else's onion.".into(),
            format!("The QR code holds the same words; {name} has the same code."),
            String::new(),
            "Your onion:".into(),
            own.0.onion(),
            format!("{name}:"),
            peer.0.onion(),
        ]);
        self.overlay = Some(Overlay::Compare { lines, code: compare::code(&words), scroll: 0 });
    }

    /// Compares what was heard and typed, or read from a code.
    fn compare(&mut self, peer: Onion, heard: &str) {
        let Some(own) = self.own else { return self.warn("torchatd has not told your onion yet") };
        let name = self.name_of(peer.conversation(), 20);
        if compare::is_same(&compare::words(&own.0, &peer.0), heard) {
            self.say(format!("these are the words of you and {name}: /verify yes"));
        } else {
            self.warn(format!("not the words of you and {name}: /verify shows them"));
        }
    }
}
