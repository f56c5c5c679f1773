//! The commands that set something, and `/set`, which shows all of it. What they set is kept in `client.toml`.

use super::super::{Effect, Model, Notify, Overlay};
use crate::logs::Choice;
use crate::screen::settings::{Change, Settings, checked_word};
use crate::screen::theme::Theme;
use torchat_client::api::ConversationId;
use torchat_client::names::Purpose;

impl Model {
    /// `/notify`: what is set, or sets it. False: the word is none.
    pub(super) fn set_notify(&mut self, word: &str) -> bool {
        self.notify = match word {
            "off" => Notify::Off,
            "bell" => Notify::Bell,
            "desktop" => Notify::Desktop,
            "content" => Notify::Content,
            "" => {
                self.say(format!("notifications: {}", self.notify.word()));
                return true;
            }
            _ => return false,
        };
        self.say(format!("notifications: {word}"));
        self.effects.push(Effect::Set(Change::Notify(self.notify)));
        true
    }

    /// `/mouse`, in the same way.
    pub(super) fn set_mouse(&mut self, word: &str) -> bool {
        let on = match word {
            "on" => true,
            "off" => false,
            "" => {
                self.say(format!("mouse: {}", on_off(self.mouse)));
                return true;
            }
            _ => return false,
        };
        self.mouse = on;
        self.effects.push(Effect::Mouse(on));
        self.effects.push(Effect::Set(Change::Mouse(on)));
        self.say(format!("mouse: {word}"));
        true
    }

    /// `/theme`, in the same way.
    pub(super) fn set_theme(&mut self, word: &str) -> bool {
        self.theme = match word {
            "dark" => Theme::Dark,
            "light" => Theme::Light,
            "plain" => Theme::Plain,
            "" => {
                self.say(format!("theme: {}", self.theme.word()));
                return true;
            }
            _ => return false,
        };
        self.effects.push(Effect::Set(Change::Theme(self.theme)));
        self.say(format!("theme: {word}"));
        true
    }

    /// `/mute [PEER] [on|off]`: no bell, no notification, no activity (the bar, Alt+A); what comes is unread all the same.
    pub(super) fn mute(&mut self, rest: &str) {
        if let Some((peer, on)) = self.peer_and_switch(rest) {
            self.mute_conversation(peer, on);
        }
    }

    /// The same of one that is known. `None`: says whether it is muted.
    pub(super) fn mute_conversation(&mut self, peer: ConversationId, on: Option<bool>) {
        let name = self.name_of(peer, 20);
        let Some(on) = on else {
            let is = if self.settings.muted.contains(&peer) { "muted" } else { "not muted" };
            return self.say(format!("{name} is {is}: /mute on, /mute off"));
        };
        if on {
            self.settings.muted.insert(peer);
            self.say(format!("{name} is muted: only your highlight words ring"));
        } else {
            self.settings.muted.remove(&peer);
            self.say(format!("{name} is not muted any more"));
        }
        self.effects.push(Effect::Set(Change::Mute(peer, on)));
    }

    /// A peer, else the open one, and a switch; `None` after a warning.
    fn peer_and_switch(&mut self, rest: &str) -> Option<(ConversationId, Option<bool>)> {
        let last = rest.rsplit(char::is_whitespace).next().unwrap_or_default();
        let on = match last {
            "on" => Some(true),
            "off" => Some(false),
            _ => None,
        };
        let name = if on.is_some() { rest.strip_suffix(last).unwrap_or_default().trim() } else { rest };
        let peer = match (name, self.conversation()) {
            ("", Some(peer)) => Ok(peer),
            ("", None) => Err("no conversation is open".to_owned()),
            (name, _) => self.peer_of(name, Purpose::Act).map(torchat_client::api::Onion::conversation),
        };
        match peer {
            Ok(peer) => Some((peer, on)),
            Err(error) => {
                self.warn(error);
                None
            }
        }
    }

    /// `/highlight [WORD|-WORD]`: shows the words, adds one, takes one away.
    pub(super) fn highlight(&mut self, rest: &str) {
        let (word, on) = match rest.strip_prefix('-') {
            Some(word) => (word, false),
            None => (rest, true),
        };
        if word.trim().is_empty() {
            let words = self.settings.highlight.join(", ");
            return self.say(match words.as_str() {
                "" => "no highlight words: /highlight WORD adds one, /highlight -WORD takes it away".into(),
                words => format!("highlight words: {words}"),
            });
        }
        let word = match checked_word(word) {
            Ok(word) => word,
            Err(why) => return self.warn(why),
        };
        self.settings.highlight.retain(|other| other.to_lowercase() != word.to_lowercase());
        if on {
            self.settings.highlight.push(word.clone());
        }
        self.wrapped.clear();
        self.say(format!("{word} is {} highlight word", if on { "a" } else { "no longer a" }));
        self.effects.push(Effect::Set(Change::Highlight(word, on)));
    }

    /// `/set`: everything, with where it comes from.
    pub(super) fn show_settings(&mut self) {
        let settings = &self.settings;
        let from = |is_set: bool, otherwise: &str| if is_set { "client.toml".to_owned() } else { otherwise.to_owned() };
        const NOT_SAVED: &str = "not saved, lasts until you leave";
        let names = |peers: &mut dyn Iterator<Item = &ConversationId>| {
            let names: Vec<_> = peers.map(|peer| self.name_of(*peer, 20)).collect();
            if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
        };
        let row = |name: &str, value: String, from: String| format!("{name} = {value}  ({from})");
        let mut lines = vec![
            row("theme", self.theme.word().into(), self.theme_from()),
            row(
                "notify",
                self.notify.word().into(),
                match (settings.notify, self.stored.notify, self.notify) {
                    (Some(set), _, now) if set == now => "client.toml",
                    (None, Some(old), now) if old == now => "drafts.json, of an earlier version",
                    (None, None, Notify::Off) => "default",
                    _ => NOT_SAVED,
                }
                .into(),
            ),
            row(
                "mouse",
                on_off(self.mouse).into(),
                match (settings.mouse, self.mouse) {
                    (Some(set), now) if set == now => "client.toml",
                    (None, false) => "default",
                    _ => NOT_SAVED,
                }
                .into(),
            ),
            row(
                "list_width",
                settings.list_width.map_or_else(|| "a quarter of the screen".into(), |width| width.to_string()),
                from(settings.list_width.is_some(), "default"),
            ),
            row(
                "highlight",
                if settings.highlight.is_empty() { "no words".into() } else { settings.highlight.join(", ") },
                from(!settings.highlight.is_empty(), "default"),
            ),
            row("muted", names(&mut settings.muted.iter()), from(!settings.muted.is_empty(), "default")),
            row("logs", self.shown_logs(), from(settings.logs != Choice::default(), "default")),
        ];
        for action in settings.keymap.bound() {
            let keys = settings.keymap.keys_of(action).unwrap_or_default();
            lines.push(row(&format!("keys.{action}"), keys, "client.toml".into()));
        }
        lines.push(String::new());
        lines.push(self.settings_path.clone());
        let lines = lines.iter().map(|line| super::super::one_line(line)).collect();
        self.overlay = Some(Overlay::Text { title: "Settings".into(), lines, scroll: 0 });
    }

    fn theme_from(&self) -> String {
        match self.settings.theme {
            Some(theme) if theme == self.theme => "client.toml".into(),
            // Either counts more than the file.
            Some(_) => "/theme or TORCHAT_THEME".into(),
            None => "/theme, TORCHAT_THEME, or the terminal".into(),
        }
    }

    /// Whether a conversation neither rings nor counts as activity.
    pub(crate) fn is_muted(&self, id: ConversationId) -> bool {
        self.settings.muted.contains(&id)
    }

    /// Whether a highlight word came that was not seen yet.
    pub(crate) fn is_mentioned(&self, id: ConversationId) -> bool {
        self.mentioned.contains_key(&id)
    }

    /// What the file says after a change: other clients may have set something, too.
    pub(in super::super) fn settings_changed(&mut self, outcome: Result<Settings, String>) {
        match outcome {
            Ok(settings) => {
                self.settings = settings;
                self.wrapped.clear();
                if self.settings.notify.is_some() && self.stored.notify.take().is_some() {
                    self.save_soon();
                }
            }
            Err(error) => self.warn(format!("not saved, lasts until you leave: {error}")),
        }
    }
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}
