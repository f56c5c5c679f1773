//! The list of conversations and requests.

use super::{paint, put};
use crate::screen::areas::list_offset;
use crate::screen::model::{Focus, Link, Model, Open};
use crate::screen::rows::timeline_name;
use crate::screen::theme::Role;
use crate::screen::wrap::fill;
use crate::times::age;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use torchat_client::api::record::ContactState;
use torchat_client::timeline::{Item, Timeline};

/// A row: a sign, a name, and a few columns at the right.
struct Row {
    sign: (&'static str, Role),
    name: (String, Role),
    right: (String, Role),
    is_open: bool,
}

/// Draws the list.
pub(super) fn draw(model: &Model, buffer: &mut Buffer, area: Rect) {
    if area.is_empty() {
        return;
    }
    let items = model.list.items();
    if items.is_empty() && model.list.is_loaded() {
        put(model, buffer, area, 0, 0, "nobody yet", Role::Dim);
        put(model, buffer, area, 1, 0, "/add ONION", Role::Dim);
    }
    let columns = usize::from(area.width);
    let from = list_offset(model.list_at, area.height);
    for (n, item) in items.iter().skip(from).take(usize::from(area.height)).enumerate() {
        let Some(row) = row(model, *item, columns) else { continue };
        let sign = if row.is_open && row.sign.0 == " " { "›" } else { row.sign.0 };
        let at = n + from;
        // The numbers of Alt+1 to 9 and of /win.
        let number = if model.shows_numbers() { format!("{} ", at + 1) } else { String::new() };
        let before = 2 + number.len();
        let name_columns = columns.saturating_sub(before + 5);
        put(model, buffer, area, n, 0, sign, row.sign.1);
        put(model, buffer, area, n, 2, &number, Role::Dim);
        put(model, buffer, area, n, before, &fill(&row.name.0, name_columns), row.name.1);
        put(model, buffer, area, n, before + name_columns, &format!("{:>5}", row.right.0), row.right.1);
        if at == model.list_at && (model.focus == Focus::List || row.is_open) {
            paint(model, buffer, area, n, Role::Chosen);
        }
    }
}

fn row(model: &Model, item: Item, columns: usize) -> Option<Row> {
    let asks = |name: String, open: Open| Row {
        sign: ("?", Role::Warning),
        name: (name, Role::Warning),
        right: ("asks".into(), Role::Warning),
        is_open: model.open == open,
    };
    Some(match item {
        Item::Request(peer) => {
            let request = model.list.request(peer);
            let nick = request.map(|request| Model::name_of_request(request, columns)).unwrap_or_default();
            asks(nick, Open::Request(peer))
        }
        Item::Petition(room, peer) => asks(model.name_of_petition(room, peer, columns), Open::Petition(room, peer)),
        Item::Conversation(id) => conversation(model, model.list.get(id)?, columns),
    })
}

fn conversation(model: &Model, timeline: &Timeline, columns: usize) -> Row {
    let id = timeline.id();
    // While the daemon is away nobody knows who is here.
    let sign = match timeline.room() {
        Some(side) if side.room().frozen || timeline.waiting.is_some() => ("!", Role::Warning),
        _ if timeline.contact().link && model.link == Link::Up => ("●", Role::Good),
        _ => (" ", Role::Good),
    };
    let role = match timeline.contact().state {
        ContactState::Contact | ContactState::Waiting => Role::Contact(id),
        ContactState::Room if timeline.room().is_none_or(|side| !side.is_over()) => Role::Contact(id),
        _ => Role::Dim,
    };
    Row {
        sign,
        name: (timeline_name(timeline, columns), role),
        right: right(model, timeline),
        is_open: model.open == Open::Conversation(id),
    }
}

/// What is unread, else when they were heard.
fn right(model: &Model, timeline: &Timeline) -> (String, Role) {
    let id = timeline.id();
    let muted = model.is_muted(id);
    match (timeline.unread(), timeline.contact().link, timeline.heard_at) {
        (1.., _, _) if timeline.mentions() > 0 => (format!("@{}", timeline.mentions().min(999)), Role::Mention),
        (unread @ 1.., _, _) if model.is_mentioned(id) => (format!("! {}", unread.min(999)), Role::Warning),
        (unread @ 1.., _, _) if muted => (format!("m {}", unread.min(999)), Role::Dim),
        (unread @ 1.., _, _) => (if unread > 999 { "999+".into() } else { unread.to_string() }, Role::Strong),
        _ if muted => ("muted".into(), Role::Dim),
        // A room has not been heard: its members have.
        _ if timeline.is_room() => (String::new(), Role::Dim),
        (_, false, Some(at)) => (age(model.now - at), Role::Dim),
        _ => (String::new(), Role::Dim),
    }
}
