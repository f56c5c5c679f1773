//! The drawing: from the model to cells. Nothing here changes anything.
//!
//! Texts of others come in only as `torchat_client::show` makes them, and each has an area of its own that it cannot leave.

mod asking;
mod body;
mod lines;
mod list;
mod members;
mod overlay;

use super::areas::{LEAST, PROMPT};
use super::model::{Focus, Link, Model, Open, Overlay};
use super::rows::timeline_name;
use super::theme::Role;
use super::wrap::cut;
use crate::membership;
use crate::standing;
use crate::times::age;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use torchat_client::api::record::ContactState;
use torchat_client::api::words::count;
use torchat_client::show;
use torchat_client::timeline::Timeline;

/// Draws everything.
pub(crate) fn draw(model: &Model, frame: &mut Frame<'_>) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    let (columns, rows) = model.size;
    if columns < LEAST.0 || rows < LEAST.1 || area.width < columns || area.height < rows {
        for (n, row) in super::wrap::wrap("too small", usize::from(area.width)).iter().enumerate() {
            put(model, buffer, area, n, 0, row, Role::Text);
        }
        return;
    }
    let areas = model.areas();
    list::draw(model, buffer, areas.list);
    for n in 0..usize::from(areas.edge.height) {
        put(model, buffer, areas.edge, n, 0, "│", Role::Dim);
    }
    bar(model, buffer, areas.bar);
    match &model.overlay {
        Some(overlay) => overlay::draw(model, overlay, buffer, areas.body),
        None => body::draw(model, buffer, areas.body),
    }
    lines::bar(model, buffer, areas.rule);
    let cursor = input(model, buffer, areas.input);
    lines::last(model, buffer, areas.status);
    let cursor = match &model.overlay {
        Some(Overlay::Search(search)) => Some(overlay::search_cursor(search, areas.body)),
        Some(_) => None,
        None => cursor.filter(|_| model.focus == Focus::Input || !model.editor.text().is_empty()),
    };
    if let Some(cursor) = cursor {
        frame.set_cursor_position(cursor);
    }
}

/// Writes into a row of an area, and nowhere else. `text` must be harmless.
fn put(model: &Model, buffer: &mut Buffer, area: Rect, row: usize, column: usize, text: &str, role: Role) -> usize {
    let Ok(column) = u16::try_from(column) else { return usize::MAX };
    let Ok(row) = u16::try_from(row) else { return usize::from(column) };
    let area = area.intersection(buffer.area);
    if row >= area.height || column >= area.width {
        return usize::from(column);
    }
    let most = usize::from(area.width - column);
    let (end, _) = buffer.set_stringn(area.x + column, area.y + row, text, most, model.theme.style(role));
    usize::from(end - area.x)
}

/// Gives a row of an area a role, over what is written there.
fn paint(model: &Model, buffer: &mut Buffer, area: Rect, row: usize, role: Role) {
    let Ok(row) = u16::try_from(row) else { return };
    if row < area.height {
        let row = Rect::new(area.x, area.y + row, area.width, 1).intersection(buffer.area);
        buffer.set_style(row, model.theme.style(role));
    }
}

/// Presence: a fact with its age.
fn presence(model: &Model, timeline: &Timeline) -> String {
    let heard = match (timeline.contact().link, timeline.heard_at) {
        (true, _) if model.link == Link::Up => "online".into(),
        (true, _) => "online when torchatd was last heard".into(),
        (false, Some(at)) => format!("heard {} ago", age(model.now - at)),
        (false, None) => "never heard".into(),
    };
    match timeline.contact().state {
        ContactState::Contact if timeline.contact().hidden => format!("{heard}, you are hidden"),
        ContactState::Contact => heard,
        state @ (ContactState::Waiting | ContactState::Room | ContactState::Unknown) => {
            format!("{heard}, {}", standing::words(state))
        }
        // Nothing is heard of them.
        state @ (ContactState::Blocked | ContactState::Stranger) => standing::words(state).into(),
    }
}

/// `#lab  12 members  who feeds the cat`; on a small screen `#lab 12`.
fn room_bar(model: &Model, timeline: &Timeline, columns: usize) -> (String, String) {
    let name = timeline_name(timeline, columns / 2);
    let Some(side) = timeline.room() else { return (name, String::new()) };
    let room = side.room();
    let topic = match show::shown_line(&room.topic) {
        topic if topic.is_empty() => topic,
        topic => format!("  {topic}"),
    };
    let state = match (membership::state(room.state), model.is_wide()) {
        (None, true) => format!("  {}", count(room.members, "member")),
        (None, false) => format!(" {}", room.members),
        (Some(state), _) => format!("  {state}"),
    };
    let frozen = if room.frozen { "  frozen" } else { "" };
    (name, format!("{state}{frozen}{}", if model.is_wide() { topic } else { String::new() }))
}

fn bar(model: &Model, buffer: &mut Buffer, area: Rect) {
    if area.is_empty() {
        return;
    }
    let columns = usize::from(area.width);
    put(model, buffer, area, 0, 0, &" ".repeat(columns), Role::Bar);
    let (title, rest) = match (&model.overlay, model.open) {
        (Some(overlay), _) => (overlay::title(overlay), String::new()),
        (None, _) if model.focus == Focus::List && !model.is_wide() => ("Conversations".into(), String::new()),
        (None, Open::Conversation(peer)) => match model.list.get(peer) {
            Some(timeline) if timeline.is_room() => room_bar(model, timeline, columns),
            Some(timeline) => {
                let like = if timeline.is_lookalike() { ", reads like another name" } else { "" };
                let short = format!("{}..", peer.short());
                let name = timeline.name(columns / 2);
                let like = if timeline.is_verified() { ", ✓ verified" } else { like };
                let short = if name == short { String::new() } else { format!(" {short}") };
                (name, format!("{short}  {}{like}", presence(model, timeline)))
            }
            None => (format!("{}..", peer.short()), String::new()),
        },
        (None, Open::Petition(room, peer)) => {
            ("Asks to become a member".into(), format!(" of {}: {}..", model.name_of(room, 20), peer.0.short()))
        }
        (None, Open::Request(peer)) => ("A request".into(), format!(" of {}..", peer.0.short())),
        (None, Open::Nothing) => ("torchat".into(), String::new()),
    };
    let used = put(model, buffer, area, 0, 1, &cut(&title, columns.saturating_sub(2)), Role::Bar);
    put(model, buffer, area, 0, used, &cut(&rest, columns.saturating_sub(used + 1)), Role::Bar);
    // Bold, on the bar's own ground.
    if used > 1 && !matches!(model.theme, super::theme::Theme::Plain) {
        let cells = Rect::new(area.x, area.y, u16::try_from(used).unwrap_or(area.width).min(area.width), 1);
        buffer.set_style(cells, model.theme.style(Role::Strong));
    }
}

/// Returns the place of the cursor.
fn input(model: &Model, buffer: &mut Buffer, area: Rect) -> Option<Position> {
    if area.is_empty() {
        return None;
    }
    let shown = model.editor.rows(model.input_columns());
    let height = usize::from(area.height);
    let first = (shown.cursor.0 + 1).saturating_sub(height);
    for (n, row) in shown.rows.iter().skip(first).take(height).enumerate() {
        let sign = if n + first == 0 { PROMPT } else { "  " };
        let used = put(model, buffer, area, n, 0, sign, Role::Strong);
        put(model, buffer, area, n, used, row, Role::Text);
    }
    let column = u16::try_from(shown.cursor.1 + PROMPT.len()).unwrap_or(u16::MAX).min(area.width - 1);
    let row = u16::try_from(shown.cursor.0 - first).unwrap_or(0).min(area.height - 1);
    Some(Position::new(area.x + column, area.y + row))
}
