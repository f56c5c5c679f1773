//! The two lines of one row around the input: the bar above it (Tor, what is new elsewhere, the time), and what is going on below
//! it.

use super::overlay;
use super::put;
use crate::screen::model::{Focus, Link, Model, Open, TorSign};
use crate::screen::theme::Role;
use crate::screen::wrap::{cut, width};
use crate::times::span;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Columns of a name in the bar.
const NAME: usize = 8;
/// Conversations that are named in the bar at most; the others are counted.
const NAMED: usize = 20;
/// Columns of a sentence beside the keys of a page, below which it is left out.
const SENTENCE: usize = 12;

/// The bar above the input.
pub(super) fn bar(model: &Model, buffer: &mut Buffer, area: Rect) {
    let columns = usize::from(area.width);
    put(model, buffer, area, 0, 0, &"─".repeat(columns), Role::Dim);
    let clock = format!(" {} ", model.here().clock(model.now));
    let right = columns.saturating_sub(width(&clock) + 1);
    put(model, buffer, area, 0, right, &clock, Role::Dim);
    let mut say = |column: usize, text: &str, role: Role| {
        let text = format!(" {} ", cut(text, right.saturating_sub(column + 3)));
        put(model, buffer, area, 0, column, &text, role)
    };
    let mut column = 1;
    if let Some(sign) = model.tor_sign() {
        column = say(column, &tor(model, &sign), Role::Warning);
    }
    let elsewhere = elsewhere(model, right.saturating_sub(column + 3));
    if !elsewhere.is_empty() {
        say(column, &elsewhere, Role::Strong);
    }
}

fn tor(model: &Model, sign: &TorSign) -> String {
    match sign {
        TorSign::Starts => "Tor: starting".into(),
        TorSign::Down { since } => match model.now.saturating_sub(*since) / 1_000 {
            // The line is drawn again with the minute, not with the second.
            ..60 => "Tor: down".into(),
            60..120 => "Tor: down 1 min".into(),
            seconds => format!("Tor: down {}", span(u64::try_from(seconds).unwrap_or(0))),
        },
    }
}

/// `ann:2 bob:1 +3`, as far as it fits; the last is how many others have something new.
fn elsewhere(model: &Model, columns: usize) -> String {
    let requests = model.list.request_list().len() + model.list.petition_list().len();
    let mut parts = Vec::new();
    if requests > 0 && !matches!(model.open, Open::Request(_) | Open::Petition(..)) {
        parts.push(format!("?:{requests}"));
    }
    let count = parts.len() + model.active_elsewhere().count();
    for (peer, unread) in model.active_elsewhere().take(NAMED) {
        let unread = if unread > 999 { "999+".to_owned() } else { unread.to_string() };
        parts.push(format!("{}:{unread}", model.name_of(peer, NAME)));
    }
    let mut out = String::new();
    for (n, part) in parts.iter().enumerate() {
        let others = count - n - 1;
        let room = if others > 0 { format!(" +{others}").len() } else { 0 };
        let gap = usize::from(n > 0);
        if width(&out) + gap + width(part) + room > columns {
            let left = format!("{}+{}", if n > 0 { " " } else { "" }, count - n);
            out.push_str(&left);
            return out;
        }
        out.push_str(if n > 0 { " " } else { "" });
        out.push_str(part);
    }
    if count > parts.len() {
        out.push_str(&format!(" +{}", count - parts.len()));
    }
    out
}

/// The last line.
pub(super) fn last(model: &Model, buffer: &mut Buffer, area: Rect) {
    let columns = usize::from(area.width).saturating_sub(1);
    let Some(overlay) = &model.overlay else {
        let (text, role) = text(model);
        put(model, buffer, area, 0, 0, &cut(&text, columns), role);
        return;
    };
    // A page always says how it is left.
    let hint = overlay::hint(overlay);
    let Some(notice) = &model.notice else {
        put(model, buffer, area, 0, 0, &cut(hint, columns), Role::Dim);
        return;
    };
    let role = if notice.warning { Role::Warning } else { Role::Text };
    let beside = columns.saturating_sub(width(hint) + 2);
    if width(&notice.text) <= beside || beside >= SENTENCE {
        let used = put(model, buffer, area, 0, 0, &cut(&notice.text, beside), role);
        put(model, buffer, area, 0, used + 2, hint, Role::Dim);
    } else if notice.keyed {
        // Who has pressed a key of the page knows it.
        put(model, buffer, area, 0, 0, &cut(&notice.text, columns), role);
    } else {
        put(model, buffer, area, 0, 0, &cut(hint, columns), Role::Dim);
    }
}

/// Of a screen without a page.
fn text(model: &Model) -> (String, Role) {
    if let Some(hint) = model.recall_hint() {
        return (hint, Role::Strong);
    }
    if let Some(notice) = &model.notice {
        return (notice.text.clone(), if notice.warning { Role::Warning } else { Role::Text });
    }
    if let Some(hint) = model.command_hint() {
        return (hint, Role::Dim);
    }
    if let Some(reply) = model.reply_to() {
        return (format!("reply to {}  Esc: no reply", reply.about), Role::Strong);
    }
    let unsent = model.waiting_to_be_sent();
    let waiting = if unsent > 0 { format!("; {unsent} waiting to be sent") } else { String::new() };
    match &model.link {
        Link::New => return ("looking for torchatd".into(), Role::Dim),
        Link::Gone(reason) => return (format!("torchatd is away{waiting}; /start starts it: {reason}"), Role::Warning),
        Link::Refused(reason) => return (reason.clone(), Role::Warning),
        Link::Up => {}
    }
    if let Some(tor) = model.tor.as_ref().filter(|tor| !tor.usable) {
        // All its sentences name Tor; on a small screen the percentage at their end counts.
        return (tor.sentence.clone(), Role::Warning);
    }
    let requests = model.list.request_list().len();
    if requests > 0 && !model.shows_list() && !matches!(model.open, Open::Request(_)) {
        let words = if requests == 1 { "1 contact request".to_owned() } else { format!("{requests} contact requests") };
        return (format!("{words}: Esc shows the list"), Role::Warning);
    }
    let in_room = model.open_room().is_some();
    if let Focus::Message(id) = model.focus
        && let Some(entry) = model.timeline().and_then(|timeline| timeline.window.entry(id))
        && let Some(stored) = entry.message.stored
    {
        let hint =
            format!("{} of {} members have it  r reply  + react  e edit  x take away", stored.members, stored.of);
        return (hint, Role::Dim);
    }
    let hint = match (model.focus, model.open) {
        (Focus::List, _) => "Enter opens  Tab back  /add ONION  ? keys",
        (Focus::Message(_), _) if in_room => "r reply  + react  e edit  x take away  y copy  Esc back",
        (Focus::Message(_), _) => "r reply  c take back  y copy  Esc back",
        (Focus::Input, _) if !model.editor.text().is_empty() => "Enter sends  Alt+Enter new line",
        (Focus::Input, Open::Request(_)) => "/accept  /refuse  /block  Tab list",
        (Focus::Input, Open::Petition(..)) => "/admit  /refuse  Tab list",
        (Focus::Input, _) if in_room => "/members  @ and Tab mention  ? keys  /help commands",
        (Focus::Input, _) => "? keys  /help commands  Tab list  ↑ choose",
    };
    (hint.into(), Role::Dim)
}
