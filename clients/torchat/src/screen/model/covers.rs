//! The lines of what covers the body and can be scrolled: keys, commands, texts, questions.

use super::erase::question;
use super::{ALIASES, COMMANDS, Confirm, KEYS, Overlay};
use crate::screen::qr;
use crate::screen::settings::keymap::Keymap;
use crate::screen::theme::Role;
use crate::screen::wrap::{cut, fill, wrap};
use torchat_client::api::ConversationId;

/// Columns between a code and what stands beside it.
const GAP: usize = 2;
/// Beside a code nothing narrower than this is shown.
const BESIDE: usize = 16;
/// In a window of this size the words of `/verify` and their code are both shown, whatever they are.
const BOTH: &str = "80 x 24";

/// What a question says of a peer.
pub(crate) struct About {
    /// What it is called, harmless.
    pub(crate) name: String,
    /// Its key was compared.
    pub(crate) is_verified: bool,
}

/// Where the text beside a code begins and how many columns it has, in a room of this many columns and rows. `None`: there is no room.
pub(crate) fn beside((wide, tall): (usize, usize), code: (usize, usize)) -> Option<(usize, usize)> {
    let at = code.0 + GAP;
    let left = wide.saturating_sub(at + 1);
    (code.1 <= tall && left >= BESIDE).then_some((at, left))
}

/// The columns of the text of a page with a code, where both fit beside each other; and where it begins.
pub(crate) fn compared(lines: &[String], code: &str, room: (usize, usize)) -> Option<(usize, usize)> {
    let (at, left) = beside(room, qr::size(code)?)?;
    let rows: usize = lines.iter().map(|line| wrap(line, left).len()).sum();
    (rows <= room.1).then_some((at, left))
}

/// The lines of an overlay, in a room of this many columns and rows. `about`: what is to be told of a peer.
pub(crate) fn lines(
    overlay: &Overlay,
    keymap: &Keymap,
    about: impl Fn(ConversationId) -> About,
    room: (usize, usize),
) -> Vec<(String, Role)> {
    let columns = room.0.saturating_sub(2).max(1);
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
        Overlay::Compare { lines: texts, code, .. } => {
            let fits = compared(texts, code, room);
            let columns = fits.map_or(columns, |(_, columns)| columns);
            let note = format!("In a window of {BOTH} this page shows the words as a QR code, too.");
            for (n, text) in texts.iter().chain(fits.is_none().then_some(&note)).enumerate() {
                let role = if n == 0 { Role::Strong } else { Role::Text };
                lines.extend(wrap(text, columns).into_iter().map(|row| (row, role)));
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
                Confirm::Block(peer) => {
                    let about = about(peer.conversation());
                    let what = "They see what every stranger sees. Messages that wait for them are taken back.";
                    (format!("Block {}? {what}{}", about.name, loses(&about)), "y blocks, any other key does not")
                }
                Confirm::Remove(peer) => {
                    let about = about(peer.conversation());
                    let what = "They can no longer write to you. Messages that wait for them are taken back; the history stays.";
                    (format!("Remove {}? {what}{}", about.name, loses(&about)), "y removes, any other key does not")
                }
                Confirm::Room(question) => (question.text.clone(), question.keys),
                Confirm::Erase { id, what, found } => {
                    let keys = if found.is_some() { "y erases, any other key does not" } else { "Esc closes" };
                    (question(*what, *found, &about(*id).name), keys)
                }
            };
            lines.push((String::new(), Role::Text));
            lines.extend(wrap(&question, columns).into_iter().map(|row| (row, Role::Text)));
            lines.push((String::new(), Role::Text));
            lines.extend(wrap(keys, columns).into_iter().map(|row| (row, Role::Strong)));
        }
        Overlay::Code { .. } | Overlay::Search(_) | Overlay::Members(_) => {}
    }
    lines
}

/// What goes with a contact whose key was compared.
fn loses(about: &About) -> &'static str {
    if about.is_verified { " They are verified: the ✓ goes, too." } else { "" }
}
