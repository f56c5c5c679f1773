//! What covers the body: help, codes, the search, questions.

use super::{members, put};
use crate::screen::model::{Confirm, Model, Overlay, Search, covers};
use crate::screen::qr;
use crate::screen::theme::{Role, Theme};
use crate::screen::wrap::{cut, fill, width, wrap};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use torchat_client::api::record::Direction;
use torchat_client::show;
use torchat_client::timeline::millis;
use torchat_client::timeline::room::member_name;

/// The prompt of the search.
const SEARCH: &str = " / ";

/// What the bar says.
pub(super) fn title(overlay: &Overlay) -> String {
    match overlay {
        Overlay::Keys { .. } => "Keys".into(),
        Overlay::Help { .. } => "Commands".into(),
        Overlay::Text { title, .. } | Overlay::Code { title, .. } => title.clone(),
        Overlay::Compare { .. } => "Compare words".into(),
        Overlay::Search(search) if search.peer.is_some() => "Search in this conversation (Tab: everywhere)".into(),
        Overlay::Search(_) => "Search everywhere (Tab: in this conversation)".into(),
        Overlay::Members(page) => members::title(page),
        Overlay::Confirm(_) => "Please confirm".into(),
    }
}

/// What can be pressed.
pub(super) fn hint(overlay: &Overlay) -> &'static str {
    match overlay {
        Overlay::Keys { .. } | Overlay::Help { .. } | Overlay::Text { .. } | Overlay::Compare { .. } => {
            "↑ ↓ scroll, any other key closes"
        }
        Overlay::Code { .. } => "y copies, any other key closes",
        Overlay::Search(_) => "Enter searches, goes there  Esc closes",
        Overlay::Members(page) => members::hint(page),
        Overlay::Confirm(Confirm::Erase { found: None, .. }) => "Esc closes",
        Overlay::Confirm(Confirm::Start) => "Enter or y: yes, any other key: no",
        Overlay::Confirm(_) => "y: yes, any other key: no",
    }
}

/// Draws it.
pub(super) fn draw(model: &Model, overlay: &Overlay, buffer: &mut Buffer, area: Rect) {
    match overlay {
        Overlay::Code { title, text } => code(model, title, text, buffer, area),
        Overlay::Search(search) => results(model, search, buffer, area),
        Overlay::Members(page) => members::draw(model, page, buffer, area),
        Overlay::Keys { scroll } | Overlay::Help { scroll } | Overlay::Text { scroll, .. } => {
            scrolled(model, overlay, *scroll, buffer, area);
        }
        Overlay::Compare { lines, code, scroll } => {
            let room = (usize::from(area.width), usize::from(area.height));
            match covers::compared(lines, code, room) {
                Some((at, _)) => compared(model, overlay, (code.as_str(), at), buffer, area),
                None => scrolled(model, overlay, *scroll, buffer, area),
            }
        }
        Overlay::Confirm(_) => scrolled(model, overlay, 0, buffer, area),
    }
}

fn scrolled(model: &Model, overlay: &Overlay, scroll: usize, buffer: &mut Buffer, area: Rect) {
    let height = usize::from(area.height);
    let lines = covers::lines(overlay, &model.settings.keymap, |id| model.about(id), (usize::from(area.width), height));
    let fits = lines.len() <= height;
    let room = if fits { height } else { height.saturating_sub(1) };
    // After a change of size there may be less.
    let scroll = scroll.min(lines.len().saturating_sub(room));
    for (n, (text, role)) in lines.iter().skip(scroll).take(room).enumerate() {
        put(model, buffer, area, n, 1, text, *role);
    }
    if !fits {
        let left = lines.len().saturating_sub(scroll + room);
        let text =
            if left > 0 { format!("↓ {left} more; any other key closes") } else { "any other key closes".into() };
        put(model, buffer, area, room, 1, &text, Role::Dim);
    }
}

/// A code with the lines beside it, where there is room for both. `at`: the column of the lines.
fn compared(model: &Model, overlay: &Overlay, (code, at): (&str, usize), buffer: &mut Buffer, area: Rect) {
    let room = (usize::from(area.width), usize::from(area.height));
    let drawn = qr::rows(code, model.theme == Theme::Plain).unwrap_or_default();
    for (n, row) in drawn.iter().enumerate() {
        put(model, buffer, area, n, 0, row, Role::Paper);
    }
    let lines = covers::lines(overlay, &model.settings.keymap, |id| model.about(id), room);
    for (n, (text, role)) in lines.iter().enumerate() {
        put(model, buffer, area, n, at, text, *role);
    }
}

fn code(model: &Model, title: &str, text: &str, buffer: &mut Buffer, area: Rect) {
    let (wide, tall) = (usize::from(area.width), usize::from(area.height));
    let plain = model.theme == Theme::Plain;
    let about = wrap(title, wide.saturating_sub(2));
    let below = wrap(text, wide.saturating_sub(2));
    let rows = qr::rows(text, plain).unwrap_or_default();
    let columns = rows.first().map_or(0, |row| row.chars().count());
    let mut at = 0;
    let mut say = |buffer: &mut Buffer, column: usize, text: &str, role: Role| {
        put(model, buffer, area, at, column, text, role);
        at += 1;
    };
    let fits = !rows.is_empty() && rows.len() <= tall && columns <= wide;
    let room = tall.saturating_sub(rows.len());
    if fits && room >= about.len() + below.len() {
        about.iter().for_each(|row| say(buffer, 1, row, Role::Strong));
        rows.iter().for_each(|row| say(buffer, 1, row, Role::Paper));
        below.iter().for_each(|row| say(buffer, 1, row, Role::Text));
    } else if fits {
        // The words beside it, where there is room.
        rows.iter().for_each(|row| say(buffer, 0, row, Role::Paper));
        if let Some((at, beside)) = covers::beside((wide, tall), (columns, rows.len())) {
            let words = wrap(title, beside).into_iter().map(|row| (row, Role::Strong));
            let text = wrap(text, beside).into_iter().map(|row| (row, Role::Text));
            for (n, (row, role)) in words.chain([(String::new(), Role::Text)]).chain(text).enumerate() {
                put(model, buffer, area, n, at, &row, role);
            }
        }
    } else {
        about.iter().for_each(|row| say(buffer, 1, row, Role::Strong));
        say(buffer, 1, "", Role::Text);
        below.iter().for_each(|row| say(buffer, 1, row, Role::Text));
        say(buffer, 1, "", Role::Text);
        let needs = format!("The code needs a window of {columns} x {}; y copies the text.", rows.len() + 2);
        wrap(&needs, wide.saturating_sub(2)).iter().for_each(|row| say(buffer, 1, row, Role::Dim));
    }
}

/// Where the cursor of the search is.
pub(super) fn search_cursor(search: &Search, area: Rect) -> Position {
    let shown = search.editor.rows(search_columns(area));
    let column = u16::try_from(shown.cursor.1 + SEARCH.len()).unwrap_or(u16::MAX);
    Position::new(area.x + column.min(area.width.saturating_sub(1)), area.y)
}

fn search_columns(area: Rect) -> usize {
    usize::from(area.width).saturating_sub(SEARCH.len()).max(2)
}

fn results(model: &Model, search: &Search, buffer: &mut Buffer, area: Rect) {
    let wide = usize::from(area.width);
    let shown = search.editor.rows(search_columns(area));
    put(model, buffer, area, 0, 0, SEARCH, Role::Strong);
    // One row; of a longer text that with the cursor.
    put(model, buffer, area, 0, SEARCH.len(), shown.rows.get(shown.cursor.0).map_or("", String::as_str), Role::Text);
    let about = match (search.waiting, search.asked.is_empty(), search.found.len()) {
        (true, _, _) => "looking ...".to_owned(),
        (_, true, 0) => "Enter searches for all the words; wor*: words that begin so; \"side by side\"".to_owned(),
        (_, _, 0) => "nothing found".to_owned(),
        (_, _, count) => format!("{count}{} found, newest first; Enter goes there", if search.more { "+" } else { "" }),
    };
    let about = if search.complete { about } else { format!("{about}; the newest messages were not searched") };
    put(model, buffer, area, 1, 1, &cut(&about, wide.saturating_sub(2)), Role::Dim);
    let room = usize::from(area.height).saturating_sub(2);
    let from = (search.at + 1).saturating_sub(room);
    for (n, message) in search.found.iter().skip(from).take(room).enumerate() {
        let at = message.at.as_str();
        let when = millis(at).map(|at| model.here().moment(at)).unwrap_or_default();
        let (name, role) = match (message.dir, &message.from) {
            (Direction::Out, _) => ("you".to_owned(), Role::You),
            (_, Some(from)) => {
                (member_name(&from.name, from.member, 12), Role::of_member(message.peer, from.member, from.onion))
            }
            _ => (model.name_of(message.peer, 12), Role::Contact(message.peer)),
        };
        let name = match (message.dir, search.peer) {
            (Direction::Out, None) => format!("→{}", model.name_of(message.peer, 11)),
            (_, None) if message.from.is_some() => model.name_of(message.peer, 12),
            _ => name,
        };
        put(model, buffer, area, n + 2, 1, &fill(&when, 7), Role::Dim);
        put(model, buffer, area, n + 2, 9, &fill(&name, 12), role);
        let text = show::shown_line(&message.text.replace('\n', " "));
        put(model, buffer, area, n + 2, 22, &cut(&text, wide.saturating_sub(23)), Role::Text);
        if n + from == search.at {
            super::paint(model, buffer, area, n + 2, Role::Chosen);
        }
    }
    debug_assert!(width(SEARCH) == SEARCH.len());
}
