//! What the rows of a room have that those of a conversation have not: who wrote a message, lines of the room itself, a word in a
//! text's place, what stands before and behind a text.

use super::{Gutter, Look, Parts};
use crate::membership::speaker;
use crate::screen::theme::Role;
use crate::screen::wrap::{cut, width, wrap};
use torchat_client::api::record::{self, Message, MessageState};
use torchat_client::show;
use torchat_client::timeline::Timeline;
use torchat_client::timeline::room::member_name;

/// Columns of a name at most, with its signs.
pub(super) const NAME: usize = 12;
/// Columns of a sign with which somebody reacts.
const SIGN: usize = 8;
/// Signs that are shown behind a text at most; the others are counted.
const SIGNS: usize = 6;
/// Columns of the beginning of a text that is answered.
const QUOTE: usize = 60;
/// Stands before what the room itself says.
const SYSTEM: &str = "-- ";
/// Stands where a text cannot be, so that no text looks like a quote.
const QUOTE_SIGN: &str = "┌ ";

/// Who wrote a message, and in which colour; `None`: it is not of a room, or of nobody.
pub(super) fn sender(timeline: &Timeline, message: &Message, columns: usize) -> Option<(String, Role)> {
    let from = message.from.as_ref()?;
    if from.me {
        return Some(("you".into(), Role::You));
    }
    let member = timeline.room().and_then(|side| side.members.get(from.member));
    let columns = columns.min(NAME);
    let role = member.map_or(from.role, |member| member.role);
    let name = signed_name(timeline, from.member, &from.name, role, columns);
    Some((name, Role::of_member(timeline.id(), from.member, from.onion)))
}

/// Who wrote a message, in a sentence or before a colon, harmless.
pub(crate) fn sender_name(timeline: &Timeline, message: &Message, columns: usize) -> String {
    match &message.from {
        Some(from) if from.me => "you".into(),
        Some(from) => speaker(&from.name, from.member),
        None => timeline.name(columns),
    }
}

/// A member's name with its signs: `~` the owner, `%` a moderator, `≈` and the number of one whose name reads like another's.
pub(crate) fn signed_name(timeline: &Timeline, no: u32, name: &str, role: record::Role, columns: usize) -> String {
    let mut sign = match role {
        record::Role::Owner => "~".to_owned(),
        record::Role::Moderator => "%".to_owned(),
        _ => String::new(),
    };
    if timeline.room().is_some_and(|room| room.members.is_marked(no)) {
        sign.push_str(&format!("≈{no} "));
    }
    let left = columns.saturating_sub(width(&sign)).max(1);
    format!("{sign}{}", member_name(name, no, left))
}

/// The rows of a line of the room itself: who came and went, what the owner has decided.
pub(super) fn system(look: Look<'_>, time: (String, Role), message: &Message) -> Vec<Parts> {
    let before = width(&time.0) + SYSTEM.len();
    let texts = wrap(&show::shown_rows(&message.text), look.columns.saturating_sub(before + 1).max(1));
    let mut time = Some(time);
    let row = |text: String| {
        let blank = (" ".repeat(before - SYSTEM.len()), Role::Dim);
        vec![time.take().unwrap_or(blank), (format!("{SYSTEM}{text}"), Role::Dim)]
    };
    texts.into_iter().map(row).collect()
}

/// The word in the place of a text that is not shown.
pub(super) fn instead(message: &Message) -> Option<&'static str> {
    match message.state {
        MessageState::Void => Some("void"),
        MessageState::Hidden => Some("hidden"),
        MessageState::Redacted => Some("redacted"),
        _ => None,
    }
}

/// The row above a text that answers another one.
pub(super) fn quote(timeline: &Timeline, message: &Message, gutter: &Gutter, columns: usize) -> Option<Parts> {
    let answered = message.re?;
    let quoted = timeline.window.entries().values().map(|entry| &entry.message).find(|other| other.mid == answered);
    let text = match quoted {
        Some(other) => {
            let name = sender_name(timeline, other, NAME);
            let words = instead(other).map_or_else(|| beginning(&other.text), str::to_owned);
            format!("{name}: {words}")
        }
        None => "an earlier message".into(),
    };
    let before = gutter.columns.saturating_sub(width(QUOTE_SIGN));
    Some(vec![
        (" ".repeat(before), Role::Text),
        (QUOTE_SIGN.into(), Role::Dim),
        (cut(&text, columns.min(QUOTE)), Role::Dim),
    ])
}

/// The beginning of a text on one line, harmless.
pub(crate) fn beginning(text: &str) -> String {
    // No more of a long text than can be shown.
    let begin: String = text.chars().take(4 * QUOTE).collect();
    show::shown_line(&begin.replace(['\n', '\t'], " "))
}

/// What stands behind a text: that it was changed, and the signs with which members react.
pub(super) fn behind(message: &Message) -> Option<String> {
    let mut parts = Vec::new();
    if message.edited_at.is_some() {
        parts.push("(edited)".to_owned());
    }
    let mut signs: Vec<(&String, usize)> = message.reacts.iter().map(|(sign, members)| (sign, members.len())).collect();
    signs.retain(|(_, count)| *count > 0);
    signs.sort_by(|(a, one), (b, other)| other.cmp(one).then_with(|| a.cmp(b)));
    let more = signs.len().saturating_sub(SIGNS);
    for (sign, count) in signs.into_iter().take(SIGNS) {
        let sign = show::shown_name(sign, SIGN);
        parts.push(if count == 1 { sign } else { format!("{sign} {count}") });
    }
    if more > 0 {
        parts.push(format!("+{more}"));
    }
    (!parts.is_empty()).then(|| parts.join("  "))
}
