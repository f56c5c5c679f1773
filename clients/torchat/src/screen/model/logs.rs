//! `/log`: whether the messages of the open conversation are written to a text file, and which.

use super::{Effect, Model, Overlay, one_line};
use crate::screen::settings::Settings;
use torchat_client::api::ConversationId;

/// What everybody must know who keeps a log.
const STAYS: &str = "/erase and /retain do not erase text logs: remove the file yourself.";

impl Model {
    /// `/log [on|off]`. False: it was called with something else.
    pub(super) fn log(&mut self, rest: &str) -> bool {
        if !["", "on", "off"].contains(&rest) {
            return false;
        }
        let Some(conversation) = self.conversation() else {
            self.warn("no conversation is open");
            return true;
        };
        match rest {
            "" => self.show_log(conversation),
            _ if self.logs.is_none() => self.warn("there is no home directory for text logs"),
            // Told when it is done.
            word => self.effects.push(Effect::Log(conversation, word == "on")),
        }
        true
    }

    fn show_log(&mut self, conversation: ConversationId) {
        let name = self.name_of(conversation, 30);
        let is_on = self.settings.logs.is_on(conversation);
        let mut lines = vec![match (is_on, self.settings.logs.all) {
            (true, true) => format!("Messages with {name} are written to a text file, as all are (client.toml)."),
            (true, false) => format!("Messages with {name} are written to a text file."),
            (false, _) => format!("Messages with {name} are not written to a text file. /log on begins now."),
        }];
        match (&self.logs, self.own) {
            (Some(place), Some(own)) => {
                lines.extend([String::new(), "The file:".into()]);
                lines.push(one_line(&place.file(own.conversation(), conversation).display().to_string()));
            }
            (Some(_), None) => lines.push("torchatd has not told your onion yet, which is in the file's path.".into()),
            (None, _) => lines.push("There is no home directory for it.".into()),
        }
        let stop = if is_on { "/log off stops it. " } else { "" };
        lines.extend([String::new(), format!("{stop}{STAYS}"), "What was before: /export.".into()]);
        self.overlay = Some(Overlay::Text { title: format!("Text log of {name}"), lines, scroll: 0 });
    }

    /// A log was switched on or off.
    pub(super) fn logged(&mut self, conversation: ConversationId, on: bool, outcome: Result<Settings, String>) {
        let name = self.name_of(conversation, 20);
        match outcome {
            Ok(settings) => {
                self.settings = settings;
                self.say(match on {
                    true => format!("{name} is logged from now on; /erase and /retain do not erase logs. /log: where"),
                    false => format!("{name} is not logged any more; what is in the file stays. /log: where"),
                });
            }
            Err(error) => self.warn(format!("the log is not switched {}: {error}", if on { "on" } else { "off" })),
        }
    }

    /// What `/set` says.
    pub(super) fn shown_logs(&self) -> String {
        let logs = &self.settings.logs;
        let names = |peers: &std::collections::BTreeSet<ConversationId>| {
            peers.iter().map(|peer| self.name_of(*peer, 20)).collect::<Vec<_>>().join(", ")
        };
        match (logs.all, logs.except.is_empty(), logs.is_nothing()) {
            (_, _, true) => "nobody".into(),
            (true, true, _) => "all".into(),
            (true, false, _) => format!("all but {}", names(&logs.except)),
            (false, ..) => names(&logs.conversations),
        }
    }
}
