//! The commands that tell about people: `/whois`, `/nick`.

use super::super::{Model, Overlay};
use crate::standing;
use crate::times::age;
use torchat_client::api::record::ContactState;
use torchat_client::api::words::count;
use torchat_client::names::Purpose;
use torchat_client::show;
use torchat_client::timeline::millis;

impl Model {
    /// `/whois [PEER]`: everything that is known here about a peer.
    pub(super) fn whois(&mut self, rest: &str) {
        let peer = match (rest, self.conversation()) {
            ("", Some(_)) => self.open_peer(),
            ("", None) => Err("/whois PEER: no conversation is open".to_owned()),
            (name, _) => self.peer_of(name, Purpose::Act),
        };
        let peer = match peer {
            Ok(peer) => peer,
            Err(error) => return self.warn(error),
        };
        let Some(timeline) = self.list.get(peer.conversation()) else {
            return self.warn("you have no contact with this onion: /add it");
        };
        let contact = timeline.contact();
        let shown = |name: &Option<String>| {
            name.as_deref().map(|name| show::unmarked_name(name, 60)).filter(|name| !name.is_empty())
        };
        let mut lines = vec![peer.0.onion(), String::new()];
        // Before the names, which may say anything.
        lines.push(match (contact.verified.as_deref(), contact.state) {
            (Some(since), _) => match millis(since) {
                Some(since) => format!("✓ verified since {}", self.here().day(since).strftime("%-d %B %Y")),
                None => "✓ verified".into(),
            },
            (None, ContactState::Contact | ContactState::Waiting) => {
                "not verified: /verify shows the words to compare".into()
            }
            (None, _) => "not verified: only a contact can be".into(),
        });
        lines.push(match shown(&contact.name) {
            Some(name) => format!("you call them {name}"),
            None => "you have given them no name: /rename NAME".into(),
        });
        lines.push(match shown(&contact.nick) {
            Some(nick) => format!("they call themselves {nick}; anyone can choose that name"),
            None => "they have not told a name of their own".into(),
        });
        if timeline.is_lookalike() {
            lines.push("the name could be mistaken for another contact's: compare the onions".into());
        }
        lines.push(standing::sentence(&timeline.name(30), contact.state));
        lines.push(match (contact.link, timeline.heard_at) {
            (true, _) => "online".into(),
            (false, Some(at)) => format!("last heard {} ago", age(self.now - at)),
            (false, None) => "never heard".into(),
        });
        if contact.hidden {
            lines.push("you are hidden from them: /hide off".into());
        }
        if let Some(days) = contact.retain_days {
            lines.push(format!("messages are erased here when they are older than {}", count(days.into(), "day")));
        }
        lines.push(match (contact.queued, timeline.unread()) {
            (0, unread) => format!("nothing waits for them; unread here: {unread}"),
            (queued, unread) => format!("waiting for them: {queued}; unread here: {unread}"),
        });
        let title = format!("Who is {}", timeline.name(30));
        self.overlay = Some(Overlay::Text { title, lines, scroll: 0 });
    }

    /// `/nick`: who the user is. Peers learn the nickname from the daemon, so it is set there.
    pub(super) fn nick(&mut self, rest: &str) {
        let where_ = "your nickname is `nick` in [profile] of torchatd's configuration";
        match (rest, self.own) {
            ("", Some(own)) => {
                let lines = vec!["you are".into(), own.0.onion(), String::new(), format!("{where_}.")];
                self.overlay = Some(Overlay::Text { title: "Who you are".into(), lines, scroll: 0 });
            }
            ("", None) => self.warn("torchatd has not told your onion yet"),
            _ => self.warn(format!("{where_}; /rename names a contact")),
        }
    }
}
