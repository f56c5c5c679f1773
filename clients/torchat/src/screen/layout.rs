//! Where everything is: the areas of the screen, and the rows of messages.
//!
//! Pure, because keys, the mouse, what counts as seen and the drawing must all mean the same places.

use super::model::{Focus, Model, Overlay};
use super::theme::Role;
use super::wrap::{fill, width};
use jiff::Timestamp;
use jiff::civil::Date;
use ratatui::layout::Rect;
use torchat_client::api::record::{Direction, MessageState};
use torchat_client::show;
use torchat_client::timeline::{Entry, Timeline};

/// From so many columns on, the list stands beside the conversation.
const BOTH: u16 = 72;
/// Below it, nothing but a sentence is shown.
pub(crate) const LEAST: (u16, u16) = (20, 6);
/// From so many columns on, names stand before the texts instead of above them.
const NAMES_BESIDE: usize = 50;

/// After so many milliseconds a name is written again, though nobody else wrote.
const NAME_AGAIN: i64 = 15 * 60_000;

/// The areas of the screen. What does not fit is empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Areas {
    pub(crate) list: Rect,
    /// The line between the list and the rest.
    pub(crate) edge: Rect,
    /// Who it is.
    pub(crate) bar: Rect,
    /// Messages, or what covers them.
    pub(crate) body: Rect,
    /// The line above the input.
    pub(crate) rule: Rect,
    pub(crate) input: Rect,
    /// What is going on.
    pub(crate) status: Rect,
}

/// The prompt before the input.
pub(crate) const PROMPT: &str = "> ";

/// Whether list and conversation are side by side.
pub(crate) fn is_wide(model: &Model) -> bool {
    model.size.0 >= BOTH
}

/// The columns of the input's text.
pub(crate) fn input_columns(model: &Model) -> usize {
    let main = model.size.0.saturating_sub(list_columns(model));
    usize::from(main).saturating_sub(PROMPT.len()).max(2)
}

/// Of the list and its edge, where they stand beside the rest. A list without anybody is not shown.
fn list_columns(model: &Model) -> u16 {
    if is_wide(model) && !model.is_first_run() { (model.size.0 / 4).clamp(22, 34) } else { 0 }
}

/// The areas for what is shown now.
pub(crate) fn areas(model: &Model) -> Areas {
    let (columns, rows) = model.size;
    if columns < LEAST.0 || rows < LEAST.1 {
        return Areas::default();
    }
    let left = list_columns(model);
    let (x, wide) = (left, columns - left);
    let most = (rows / 3).max(1);
    let needed = model.editor.lay(input_columns(model)).rows.len();
    let input = u16::try_from(needed).unwrap_or(most).clamp(1, most);
    let status = Rect::new(0, rows - 1, columns, 1);
    let body_rows = rows.saturating_sub(input + 3);
    let mut areas = Areas {
        list: Rect::new(0, 0, left.saturating_sub(1), if left > 0 { rows - 1 } else { 0 }),
        edge: Rect::new(left.saturating_sub(1), 0, left.min(1), if left > 0 { rows - 1 } else { 0 }),
        bar: Rect::new(x, 0, wide, 1),
        body: Rect::new(x, 1, wide, body_rows),
        rule: Rect::new(x, 1 + body_rows, wide, 1),
        input: Rect::new(x, 2 + body_rows, wide, input),
        status,
    };
    if model.is_first_run() && model.overlay.is_none() {
        // Its code needs the row of the bar.
        areas.body = Rect::new(x, 0, wide, body_rows + 1);
        areas.bar = Rect::new(x, 0, 0, 0);
    }
    if matches!(model.overlay, Some(Overlay::Code { .. })) {
        // A code needs every row that there is.
        areas = Areas { body: Rect::new(0, 0, columns, rows - 1), status, ..Areas::default() };
    } else if left == 0 && model.overlay.is_none() && !model.is_first_run() && shows_list(model) {
        areas.list = areas.body;
        areas.body = Rect::new(x, 1, 0, 0);
    }
    areas
}

/// Whether a narrow screen shows the list.
pub(crate) fn shows_list(model: &Model) -> bool {
    is_wide(model) || model.focus == Focus::List
}

/// A row of the messages.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// Whose row it is.
    pub(crate) id: i64,
    pub(crate) parts: Vec<(String, Role)>,
    /// A line from side to side with the text in the middle.
    pub(crate) is_line: bool,
}

/// What a text has before it.
struct Gutter {
    columns: usize,
    name: usize,
}

fn gutter(columns: usize) -> Gutter {
    // The time, the sign of the state, blanks; with the name there is one blank more.
    if columns >= NAMES_BESIDE {
        let name = (columns / 7).clamp(8, 14);
        Gutter { columns: 5 + 1 + name + 1 + 2 + 1, name }
    } else {
        Gutter { columns: 5 + 1 + 2 + 1, name: 0 }
    }
}

/// A sign of the state of a message that was sent, two columns wide.
pub(crate) fn tick(state: MessageState) -> (&'static str, Role) {
    match state {
        MessageState::Queued => ("..", Role::Dim),
        MessageState::Waiting => ("? ", Role::Dim),
        MessageState::Sent => ("✓ ", Role::Dim),
        MessageState::Delivered => ("✓✓", Role::Good),
        MessageState::Failed => ("✗ ", Role::Warning),
        MessageState::Withdrawn => ("- ", Role::Dim),
        MessageState::Unread | MessageState::Read | MessageState::Lost | MessageState::Unknown => ("  ", Role::Dim),
    }
}

/// The day of a moment, where the user is.
fn day(model: &Model, at: i64) -> Date {
    Timestamp::from_millisecond(at).unwrap_or_default().to_zoned(model.zone.clone()).date()
}

/// The time of day, where the user is.
pub(crate) fn clock(model: &Model, at: i64) -> String {
    let time = Timestamp::from_millisecond(at).unwrap_or_default().to_zoned(model.zone.clone()).time();
    format!("{:02}:{:02}", time.hour(), time.minute())
}

/// A moment as far away as it is: today its time, else its day.
pub(crate) fn moment(model: &Model, at: i64) -> String {
    let (then, today) = (day(model, at), day(model, model.now));
    if then == today {
        clock(model, at)
    } else if then.year() == today.year() {
        then.strftime("%-d %b").to_string()
    } else {
        then.strftime("%Y-%m").to_string()
    }
}

/// The rows of a message, with the line of its day and that of what is new before it.
pub(crate) fn block(model: &Model, timeline: &Timeline, entry: &Entry, columns: usize) -> Vec<Row> {
    let message = &entry.message;
    let id = message.id;
    let mut rows = Vec::new();
    let mut push = |is_line: bool, parts: Vec<(String, Role)>| rows.push(Row { id, parts, is_line });
    let before = timeline.window.before(Some(id));
    let new_day = before.is_none_or(|before| day(model, before.at) != day(model, entry.at));
    if new_day {
        let label = day(model, entry.at).strftime(" %a, %-d %B %Y ").to_string();
        push(true, vec![(label, Role::Dim)]);
    }
    if timeline.new_from == Some(id) {
        push(true, vec![(" new ".into(), Role::Warning)]);
    }
    if message.dir == Direction::Mark {
        for text in super::wrap::wrap(&show::shown_text(&message.text), columns.saturating_sub(4)) {
            push(false, vec![("  ! ".into(), Role::Warning), (text, Role::Warning)]);
        }
        return rows;
    }
    let gutter = gutter(columns);
    let text_columns = columns.saturating_sub(gutter.columns + 1).max(1);
    let out = message.dir == Direction::Out;
    let (name, name_role) = match out {
        true => ("you".to_owned(), Role::You),
        false => (timeline.name(if gutter.name > 0 { gutter.name } else { columns }), Role::Contact(timeline.peer())),
    };
    let same_sender = !new_day
        && timeline.new_from != Some(id)
        && before.is_some_and(|before| before.message.dir == message.dir && entry.at - before.at < NAME_AGAIN);
    if gutter.name == 0 && !same_sender {
        push(false, vec![(name.clone(), name_role)]);
    }
    let time = (format!("{} ", clock(model, entry.at)), Role::Dim);
    let (sign, sign_role) = if entry.is_pending() { ("..", Role::Warning) } else { tick(message.state) };
    let mut head = vec![time];
    if gutter.name > 0 {
        head.push((fill(if same_sender { "" } else { &name }, gutter.name), name_role));
        head.push((" ".into(), Role::Text));
    }
    head.push((format!("{sign} "), sign_role));
    let role = match message.state {
        MessageState::Withdrawn | MessageState::Failed => Role::Dim,
        _ => Role::Text,
    };
    let texts = model.wrapped(id, &message.text, text_columns);
    for (n, text) in texts.iter().enumerate() {
        // Something stands before every row of a text, so that none can pretend to be another message.
        let mut parts = if n == 0 { std::mem::take(&mut head) } else { vec![(" ".repeat(gutter.columns), Role::Text)] };
        parts.push((text.clone(), role));
        push(false, parts);
    }
    if let Some(detail) = detail(model, timeline, entry) {
        for text in super::wrap::wrap(&detail, text_columns) {
            push(false, vec![(" ".repeat(gutter.columns), Role::Text), (text, Role::Dim)]);
        }
    }
    rows
}

/// A message that waits for longer than this says why, in milliseconds: one that goes out at once is not worth a line.
pub(super) const REASON_AFTER: i64 = 3_000;

/// Why a message is not delivered and what happens next: of failed ones, of the last that waits, and of the chosen one.
fn detail(model: &Model, timeline: &Timeline, entry: &Entry) -> Option<String> {
    let message = &entry.message;
    if message.dir != Direction::Out {
        return None;
    }
    let chosen = model.focus == Focus::Message(message.id);
    let is_last_waiting = || {
        entry.is_under_way()
            && timeline.window.entries().range(message.id + 1..).all(|(_, later)| !later.is_under_way())
            && model.now - entry.at > REASON_AFTER
    };
    // What the daemon said last of all that waits is newer than what it said when it gave this message.
    let waiting = timeline.waiting.as_ref().filter(|_| entry.is_under_way());
    let reason = waiting.map(|waiting| waiting.reason.as_str()).or(message.reason.as_deref());
    let reason = reason.map(|reason| show::shown_line(&show::reveal(reason)));
    let next = match waiting {
        Some(waiting) => waiting.next_try,
        None => message.next_try_at.as_deref().and_then(torchat_client::timeline::millis),
    };
    let next = next.map(|at| format!("; next try {}", clock_s(model, at))).unwrap_or_default();
    match message.state {
        _ if entry.is_pending() => Some("torchatd has not got it yet: it is sent as soon as torchatd is back".into()),
        MessageState::Failed => Some(format!("not delivered{}", reason.map(|r| format!(": {r}")).unwrap_or_default())),
        MessageState::Withdrawn => Some("taken back".into()),
        MessageState::Delivered if chosen => {
            let done = message.done_at.as_deref().and_then(torchat_client::timeline::millis);
            Some(done.map_or("delivered".into(), |at| format!("delivered {}", clock_s(model, at))))
        }
        MessageState::Queued | MessageState::Sent | MessageState::Waiting if chosen || is_last_waiting() => {
            let words = match message.state {
                MessageState::Sent => "sent, not confirmed",
                MessageState::Waiting => "waits until you are accepted",
                _ => "waits",
            };
            Some(format!("{}{next}", reason.unwrap_or_else(|| words.into())))
        }
        _ => None,
    }
}

fn clock_s(model: &Model, at: i64) -> String {
    let then = Timestamp::from_millisecond(at).unwrap_or_default().to_zoned(model.zone.clone());
    if then.date() == day(model, model.now) {
        then.strftime("%H:%M:%S").to_string()
    } else {
        then.strftime("%-d %b %H:%M").to_string()
    }
}

/// The columns of a row's parts.
pub(crate) fn row_width(row: &Row) -> usize {
    row.parts.iter().map(|(text, _)| width(text)).sum()
}
