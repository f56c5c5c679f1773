//! What is beside the list: a conversation, a request, or the first run.

use super::{asking, put};
use crate::screen::model::{Focus, Link, Model, Open};
use crate::screen::qr;
use crate::screen::rows::row_width;
use crate::screen::theme::{Role, Theme};
use crate::screen::wrap::{width, wrap};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use torchat_client::timeline::Tor;

/// Draws what is open.
pub(super) fn draw(model: &Model, buffer: &mut Buffer, area: Rect) {
    if area.is_empty() {
        return;
    }
    match model.open {
        Open::Conversation(peer) if model.list.get(peer).is_some() => messages(model, buffer, area),
        Open::Petition(room, peer) => asking::petition(model, room, peer, buffer, area),
        Open::Request(peer) => asking::request(model, peer, buffer, area),
        _ if model.is_first_run() => first_run(model, buffer, area),
        _ => nothing(model, buffer, area),
    }
}

fn messages(model: &Model, buffer: &mut Buffer, area: Rect) {
    let rows = model.visible();
    let columns = usize::from(area.width);
    // The newest message stands at the input, however few there are.
    let from = usize::from(area.height).saturating_sub(rows.len());
    for (n, row) in rows.iter().enumerate() {
        let n = n + from;
        if row.is_line {
            let used = row_width(row);
            let left = columns.saturating_sub(used) / 2;
            let role = row.parts.first().map_or(Role::Dim, |part| part.1);
            put(model, buffer, area, n, 0, &"─".repeat(columns), Role::Dim);
            if let Some((text, _)) = row.parts.first() {
                put(model, buffer, area, n, left, text, role);
            }
        } else {
            let mut column = 0;
            for (text, role) in &row.parts {
                put(model, buffer, area, n, column, text, *role);
                column += width(text);
            }
            if model.focus == Focus::Message(row.id) {
                super::paint(model, buffer, area, n, Role::Chosen);
            }
        }
    }
    let Some(timeline) = model.timeline() else { return };
    if rows.is_empty()
        && let Some(remark) = model.remark(timeline.peer())
    {
        let lines = wrap(&remark.text, columns.saturating_sub(4));
        for (n, line) in lines.iter().enumerate() {
            put(model, buffer, area, from.saturating_sub(lines.len()) + n, 2, line, Role::Good);
        }
    } else if rows.is_empty() {
        let text = if timeline.window.is_loaded() { "No messages yet." } else { "..." };
        put(model, buffer, area, from.saturating_sub(1), 2, text, Role::Dim);
    } else if from > 0 && timeline.window.has_older() {
        put(model, buffer, area, from - 1, 2, "...", Role::Dim);
    }
    if timeline.window.bottom.is_some() && !timeline.window.entries().is_empty() {
        let text = match model.new_below() {
            0 => " ↓ Alt+End ".to_owned(),
            count => format!(" ↓ {count} new  Alt+End "),
        };
        let text = text.as_str();
        put(model, buffer, area, usize::from(area.height) - 1, columns.saturating_sub(width(text)), text, Role::Bar);
    }
}

/// Tor's progress in words.
fn progress(tor: &Tor) -> String {
    format!("Tor: {}", tor.sentence)
}

fn first_run(model: &Model, buffer: &mut Buffer, area: Rect) {
    let own = model.own.map(|own| own.0.onion()).unwrap_or_default();
    let code = model.invite.clone().unwrap_or_else(|| own.clone());
    let drawn = qr::rows(&code, model.theme == Theme::Plain);
    let (wide, tall) = (usize::from(area.width), usize::from(area.height));
    let drawn =
        drawn.filter(|rows| rows.len() <= tall && rows.first().map_or(0, |row| row.chars().count()) + 34 <= wide);
    let code_columns = drawn.as_ref().and_then(|rows| rows.first()).map_or(0, |row| row.chars().count());
    if let Some(rows) = &drawn {
        for (n, row) in rows.iter().enumerate() {
            put(model, buffer, area, n, wide - code_columns, row, Role::Paper);
        }
    }
    let columns = wide.saturating_sub(if drawn.is_some() { code_columns + 3 } else { 1 });
    let roomy = tall >= 14;
    // Whole in one row, it can be copied with the mouse as it is.
    let below = drawn.as_ref().map_or(0, Vec::len) + 1;
    let apart = model.invite.as_deref().filter(|invite| drawn.is_some() && width(invite) < wide && tall > below + 1);
    if let Some(invite) = apart {
        put(model, buffer, area, below, 1, "The invite:", Role::Text);
        put(model, buffer, area, below + 1, 1, invite, Role::Strong);
    }
    let mut lines: Vec<(String, Role)> = Vec::new();
    let mut say = |text: &str, role: Role| lines.extend(wrap(text, columns).into_iter().map(|row| (row, role)));
    if roomy {
        say("Welcome to torchat", Role::Strong);
        say("", Role::Text);
    }
    say("Your onion, for a friend:", Role::Text);
    say(&own, Role::Strong);
    if let Some(invite) = model.invite.as_deref().filter(|_| roomy) {
        say("", Role::Text);
        let about = "or an invite, good once, for a week";
        match (apart, &drawn) {
            (Some(_), _) => say(&format!("{about}: it is the code here, and below; /copy copies it"), Role::Text),
            (None, Some(_)) => say(&format!("{about}; also as the QR code. /copy copies it:"), Role::Text),
            (None, None) => say(&format!("{about}; /copy copies it:"), Role::Text),
        }
        if apart.is_none() {
            say(invite, Role::Strong);
        }
        say("In a shell: torchat contacts invite", Role::Dim);
    }
    if roomy {
        say("", Role::Text);
    }
    say("Paste your friend's onion or invite below and press Enter.", Role::Text);
    if roomy {
        say("", Role::Text);
    }
    if let Some(tor) = &model.tor {
        say(&progress(tor), if tor.usable { Role::Good } else { Role::Warning });
        if !tor.usable {
            say("You can write already; messages are sent when Tor is ready.", Role::Dim);
        }
    }
    if drawn.is_none() {
        say("/qr and /invite show them as codes.", Role::Dim);
    }
    for (n, (text, role)) in lines.iter().enumerate() {
        put(model, buffer, area, n, 1, text, *role);
    }
}

fn nothing(model: &Model, buffer: &mut Buffer, area: Rect) {
    let columns = usize::from(area.width).saturating_sub(4);
    let text = match &model.link {
        Link::New => "Looking for torchatd.".to_owned(),
        Link::Gone(reason) => {
            format!("torchatd is away. torchat keeps looking for it; /start starts it.\n\n{reason}")
        }
        Link::Refused(reason) => format!("torchatd refuses to talk to this program.\n\n{reason}"),
        Link::Up if model.list.is_loaded() => "Choose a conversation: Tab, then Enter.".to_owned(),
        Link::Up => "...".to_owned(),
    };
    for (n, row) in wrap(&text, columns).iter().enumerate() {
        put(model, buffer, area, n + 1, 2, row, Role::Dim);
    }
}
