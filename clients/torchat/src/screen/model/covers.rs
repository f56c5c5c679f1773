//! The lines of what covers the body and can be scrolled: keys, commands, texts, questions.

use super::{ALIASES, COMMANDS, Confirm, KEYS, Overlay};
use crate::screen::settings::keymap::Keymap;
use crate::screen::theme::Role;
use crate::screen::wrap::{cut, fill, wrap};
use torchat_client::api::ConversationId;

/// The lines of an overlay, in this many columns. `name`: what a peer is called, harmless.
pub(crate) fn lines(
    overlay: &Overlay,
    keymap: &Keymap,
    name: impl Fn(ConversationId) -> String,
    columns: usize,
) -> Vec<(String, Role)> {
    let columns = columns.saturating_sub(2).max(1);
    let mut lines = Vec::new();
    let mut pair = |left: &str, right: &str, left_columns: usize| {
        let rest = columns.saturating_sub(left_columns + 1);
        if rest >= 20 {
            for (n, row) in wrap(right, rest).iter().enumerate() {
                lines.push((format!("{} {row}", fill(if n == 0 { left } else { "" }, left_columns)), Role::Text));
            }
        } else {
            lines.push((cut(left, columns), Role::Strong));
            lines.extend(wrap(right, columns.saturating_sub(2)).iter().map(|row| (format!("  {row}"), Role::Text)));
        }
    };
    match overlay {
        Overlay::Keys { .. } => {
            KEYS.iter().for_each(|(keys, about)| pair(keys, about, 22));
            if keymap.bound().next().is_some() {
                pair("", "", 22);
                pair("client.toml binds", "and the keys above that these actions had do nothing:", 22);
            }
            for action in keymap.bound() {
                pair(&keymap.keys_of(action).unwrap_or_default(), action, 22);
            }
        }
        Overlay::Help { .. } => {
            for command in COMMANDS {
                pair(format!("/{} {}", command.name, command.usage).trim_end(), command.about, 28);
            }
            lines.push((String::new(), Role::Text));
            let aliases =
                ALIASES.iter().map(|(alias, name)| format!("/{alias} is /{name}")).collect::<Vec<_>>().join(", ");
            lines.extend(wrap(&format!("{aliases}."), columns).into_iter().map(|row| (row, Role::Dim)));
            let rest = "You can abbreviate commands as long as they stay unambiguous; Tab completes them. // begins a message with a slash.";
            lines.extend(wrap(rest, columns).into_iter().map(|row| (row, Role::Dim)));
        }
        Overlay::Text { lines: texts, .. } => {
            for text in texts {
                lines.extend(wrap(text, columns).into_iter().map(|row| (row, Role::Text)));
            }
        }
        Overlay::Confirm(confirm) => {
            let (question, keys) = match confirm {
                Confirm::Exit => (
                    "Stop torchatd? Nobody can reach you then. Waiting messages are sent when it runs again."
                        .to_owned(),
                    "y stops it, any other key does not",
                ),
                Confirm::Start => (
                    "No torchatd runs. Start one? [Y/n] It goes on in the background when you leave.".to_owned(),
                    "Enter or y starts it; n or any other key does not, and torchat keeps looking for one",
                ),
                Confirm::Block(peer) => (
                    format!(
                        "Block {}? They see what every stranger sees. Messages that wait for them are taken back.",
                        name(peer.conversation())
                    ),
                    "y blocks, any other key does not",
                ),
                Confirm::Remove(peer) => (
                    format!(
                        "Remove {}? They can no longer write to you. Messages that wait for them are taken back; the history stays.",
                        name(peer.conversation())
                    ),
                    "y removes, any other key does not",
                ),
                Confirm::Erase(id) => (
                    format!(
                        "Erase all messages with {} here, for good? What waits for delivery stays. Their copy, backups, exports and \
                         text logs are not erased.",
                        name(*id)
                    ),
                    "y erases, any other key does not",
                ),
            };
            lines.push((String::new(), Role::Text));
            lines.extend(wrap(&question, columns).into_iter().map(|row| (row, Role::Text)));
            lines.push((String::new(), Role::Text));
            lines.extend(wrap(keys, columns).into_iter().map(|row| (row, Role::Strong)));
        }
        Overlay::Code { .. } | Overlay::Search(_) => {}
    }
    lines
}
