//! The rows of messages: what a text, its sender, its state and its day look like in a number of columns.

mod room;

pub(crate) use room::{beginning, sender_name, signed_name};

use super::remark::Remark;
use super::settings::mentions;
use super::theme::Role;
use super::wrap::{fill, width, wrap};
use crate::times::Here;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use torchat_client::api::reason::Reason;
use torchat_client::api::record::{Direction, Message, MessageState};
use torchat_client::invitation;
use torchat_client::timeline::{Entry, Timeline, millis};
use torchat_client::{reason, show};

/// Columns of a contact's name before a text at most.
const NAME: usize = 14;
/// From this many columns on, names stand before the texts instead of above them.
const NAMES_BESIDE: usize = 50;
/// After this many milliseconds a name is written again, though nobody else wrote.
const NAME_AGAIN: i64 = 15 * 60_000;
/// A message that waits for longer than this says why, in milliseconds: one that goes out at once is not worth a line.
pub(crate) const REASON_AFTER: i64 = 3_000;
/// Columns of a peer's name where a line says why a message waits: the line is to be one.
const REASON_NAME: usize = 14;
/// Texts whose rows are kept.
const KEPT: usize = 400;

/// What the rows depend on beside the conversation.
#[derive(Clone, Copy)]
pub(crate) struct Look<'a> {
    pub(crate) here: Here<'a>,
    pub(crate) columns: usize,
    /// The chosen message says more.
    pub(crate) chosen: Option<i64>,
    /// What the screen itself says in this conversation.
    pub(crate) remark: Option<&'a Remark>,
    /// A message with one of these words is marked.
    pub(crate) words: &'a [String],
    pub(crate) wrapped: &'a Wrapped,
}

/// What was worked out for texts of messages that the daemon has, by number: their rows, with the columns that they were wrapped for, and whether they
/// have a highlight word. To look for the words at each drawing took half of its time or more (measured, long texts and one word).
#[derive(Debug, Default)]
pub(crate) struct Wrapped {
    rows: RefCell<HashMap<i64, WrappedText>>,
    mentions: RefCell<HashMap<i64, bool>>,
}

/// The columns, and the rows that they make.
type WrappedText = (usize, Rc<Vec<String>>);

impl Wrapped {
    /// Another conversation, another size, other messages under the same numbers, or other highlight words.
    pub(crate) fn clear(&self) {
        self.rows.borrow_mut().clear();
        self.mentions.borrow_mut().clear();
    }

    /// Whether a received message has one of the words.
    fn mentions(&self, id: i64, text: &str, words: &[String]) -> bool {
        if words.is_empty() {
            return false;
        }
        let mut kept = self.mentions.borrow_mut();
        if kept.len() > KEPT {
            kept.clear();
        }
        *kept.entry(id).or_insert_with(|| mentions(text, words))
    }

    /// A message's text in rows.
    fn rows(&self, id: i64, text: &str, columns: usize) -> Rc<Vec<String>> {
        let mut kept = self.rows.borrow_mut();
        if let Some((known, rows)) = kept.get(&id)
            && *known == columns
        {
            return rows.clone();
        }
        if kept.len() > KEPT {
            kept.clear();
        }
        let invitation = invitation::with_words(text);
        let rows = Rc::new(wrap(&show::shown_rows(invitation.as_deref().unwrap_or(text)), columns));
        kept.insert(id, (columns, rows.clone()));
        rows
    }
}

/// Texts beside each other, each with what it is.
type Parts = Vec<(String, Role)>;

/// A row of the messages.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// Whose row it is.
    pub(crate) id: i64,
    pub(crate) parts: Parts,
    /// A line from side to side with the text in the middle.
    pub(crate) is_line: bool,
}

/// What a text has before it.
struct Gutter {
    columns: usize,
    name: usize,
}

fn gutter(columns: usize, most: usize) -> Gutter {
    // The time, the sign of the state, blanks; with the name there is one blank more.
    if columns >= NAMES_BESIDE {
        let name = (columns / 7).clamp(8, most);
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
        MessageState::Unread
        | MessageState::Read
        | MessageState::Lost
        | MessageState::Void
        | MessageState::Hidden
        | MessageState::Redacted
        | MessageState::System
        | MessageState::Unknown => ("  ", Role::Dim),
    }
}

/// The rows of a message, with the lines that are about its place: its day, what is new, what the screen itself says.
pub(crate) fn block(look: Look<'_>, timeline: &Timeline, entry: &Entry) -> Vec<Row> {
    let mut rows = message_rows(look, timeline, entry);
    let id = entry.message.id;
    if let Some(remark) = look.remark.filter(|remark| entry.at <= remark.at)
        && timeline.window.after(id).is_none()
    {
        let lines = remark_parts(remark, look.columns).into_iter();
        rows.extend(lines.map(|parts| Row { id, parts, is_line: true }));
    }
    rows
}

fn message_rows(look: Look<'_>, timeline: &Timeline, entry: &Entry) -> Vec<Row> {
    let Look { here, columns, .. } = look;
    let message = &entry.message;
    let id = message.id;
    let mut rows = Vec::new();
    let mut push = |is_line: bool, parts: Vec<(String, Role)>| rows.push(Row { id, parts, is_line });
    let before = timeline.window.before(Some(id));
    let new_day = before.is_none_or(|before| here.day(before.at) != here.day(entry.at));
    if new_day {
        let label = here.day(entry.at).strftime(" %a, %-d %B %Y ").to_string();
        push(true, vec![(label, Role::Dim)]);
    }
    // Before the first message that is newer; behind the last, if there is none.
    if let Some(remark) = look.remark.filter(|remark| entry.at > remark.at)
        && before.is_none_or(|before| before.at <= remark.at)
    {
        remark_parts(remark, columns).into_iter().for_each(|parts| push(true, parts));
    }
    if timeline.new_from == Some(id) {
        push(true, vec![(" new ".into(), Role::Warning)]);
    }
    let time = (format!("{} ", here.clock(entry.at)), Role::Dim);
    if message.state == MessageState::System {
        room::system(look, time, message).into_iter().for_each(|parts| push(false, parts));
        return rows;
    }
    if message.dir == Direction::Mark && message.from.is_none() {
        for text in wrap(&show::shown_rows(&message.text), columns.saturating_sub(4)) {
            push(false, vec![("  ! ".into(), Role::Warning), (text, Role::Warning)]);
        }
        return rows;
    }
    let gutter = gutter(columns, if timeline.is_room() { room::NAME } else { NAME });
    let text_columns = columns.saturating_sub(gutter.columns + 1).max(1);
    let out = message.dir == Direction::Out;
    let name_columns = if gutter.name > 0 { gutter.name } else { columns };
    let (name, name_role) = match room::sender(timeline, message, name_columns) {
        Some(sender) => sender,
        None if out => ("you".to_owned(), Role::You),
        None => (timeline.name(name_columns), Role::Contact(timeline.id())),
    };
    let same_sender = !new_day
        && timeline.new_from != Some(id)
        && before.is_some_and(|before| is_same_sender(&before.message, message) && entry.at - before.at < NAME_AGAIN);
    if gutter.name == 0 && !same_sender {
        push(false, vec![(name.clone(), name_role)]);
    }
    if let Some(quote) = room::quote(timeline, message, &gutter, text_columns) {
        push(false, quote);
    }
    let instead = room::instead(message);
    let mentions = !out && look.wrapped.mentions(id, &message.text, look.words);
    let (sign, sign_role) = match (entry.is_pending(), mentions) {
        (true, _) => ("..", Role::Warning),
        _ if message.mention && instead.is_none() => ("@ ", Role::Mention),
        (_, true) => ("! ", Role::Warning),
        _ => tick(message.state),
    };
    let mut head = vec![time];
    if gutter.name > 0 {
        head.push((fill(if same_sender { "" } else { &name }, gutter.name), name_role));
        head.push((" ".into(), Role::Text));
    }
    head.push((format!("{sign} "), sign_role));
    let role = match message.state {
        MessageState::Withdrawn | MessageState::Failed => Role::Dim,
        _ if instead.is_some() => Role::Dim,
        _ if mentions || message.mention => Role::Strong,
        _ => Role::Text,
    };
    // The number of one that waits is given again when it is gone.
    let texts = if let Some(word) = instead {
        Rc::new(vec![word.to_owned()])
    } else if entry.is_pending() {
        Rc::new(wrap(&show::shown_rows(&message.text), text_columns))
    } else {
        look.wrapped.rows(id, &message.text, text_columns)
    };
    let before_text = || (" ".repeat(gutter.columns), Role::Text);
    let mut behind = room::behind(message).filter(|_| instead.is_none());
    for (n, text) in texts.iter().enumerate() {
        // Something stands before every row of a text, so that none can pretend to be another message.
        let mut parts = if n == 0 { std::mem::take(&mut head) } else { vec![before_text()] };
        parts.push((text.clone(), role));
        let fits = |behind: &mut String| n + 1 == texts.len() && width(text) + 2 + width(behind) <= text_columns;
        parts.extend(behind.take_if(fits).map(|behind| (format!("  {behind}"), Role::Dim)));
        push(false, parts);
    }
    // Under the text, if there was no room beside it.
    for text in behind.iter().flat_map(|behind| wrap(behind, text_columns)) {
        push(false, vec![before_text(), (text, Role::Dim)]);
    }
    if let Some(detail) = detail(look, timeline, entry) {
        for text in wrap(&detail, text_columns) {
            push(false, vec![(" ".repeat(gutter.columns), Role::Text), (text, Role::Dim)]);
        }
    }
    rows
}

/// Whether the name need not be written again.
fn is_same_sender(before: &Message, message: &Message) -> bool {
    let member = |message: &Message| message.from.as_ref().map(|from| from.member);
    // A pending message of ours has no number yet.
    let is_ours = |message: &Message| message.dir == Direction::Out;
    is_ours(before) && is_ours(message) || before.dir == message.dir && member(before) == member(message)
}

/// What the screen itself says, in lines from side to side, so that no message can look like it.
fn remark_parts(remark: &Remark, columns: usize) -> Vec<Vec<(String, Role)>> {
    let rows = wrap(&remark.text, columns.saturating_sub(6));
    rows.into_iter().map(|row| vec![(format!(" {row} "), Role::Good)]).collect()
}

/// Why a message is not delivered and what happens next: of failed ones, of the last that waits, and of the chosen one.
fn detail(look: Look<'_>, timeline: &Timeline, entry: &Entry) -> Option<String> {
    let message = &entry.message;
    if message.dir != Direction::Out {
        return None;
    }
    let Look { here, .. } = look;
    let chosen = look.chosen == Some(message.id);
    let is_last_waiting = || {
        entry.is_under_way()
            && timeline.window.entries().range(message.id + 1..).all(|(_, later)| !later.is_under_way())
            && here.now - entry.at > REASON_AFTER
    };
    // What the daemon said last of all that waits is newer than what it said when it gave this message.
    let waiting = timeline.waiting.as_ref().filter(|_| entry.is_under_way());
    let (why, said) = match waiting {
        Some(waiting) => (waiting.why.as_ref(), Some(waiting.reason.as_str())),
        None => (message.why.as_ref(), message.reason.as_deref()),
    };
    let reason = reason::words(why, said, &timeline.name(REASON_NAME));
    let next = match waiting {
        Some(waiting) => waiting.next_try,
        None => message.next_try_at.as_deref().and_then(millis),
    };
    let next = next.map(|at| format!("; next try {}", here.soon(at))).unwrap_or_default();
    match message.state {
        _ if entry.is_pending() => Some("torchatd has not got it yet; it is sent when torchatd is back".into()),
        MessageState::Failed => Some(match (why, reason) {
            // These words say it all.
            (Some(Reason::Expired { seconds: Some(_) }), Some(reason)) => reason,
            (_, reason) => format!("not delivered{}", reason.map(|r| format!(": {r}")).unwrap_or_default()),
        }),
        MessageState::Withdrawn => Some("taken back".into()),
        MessageState::Delivered if chosen => {
            let done = message.done_at.as_deref().and_then(millis);
            Some(done.map_or("delivered".into(), |at| format!("delivered {}", here.near(at))))
        }
        MessageState::Queued | MessageState::Sent | MessageState::Waiting if chosen || is_last_waiting() => {
            let words = match message.state {
                MessageState::Sent => "sent, not confirmed",
                MessageState::Waiting => "waiting until they accept you",
                _ => "waiting",
            };
            Some(format!("{}{next}", reason.unwrap_or_else(|| words.into())))
        }
        _ => None,
    }
}

/// The columns of a row's parts.
pub(crate) fn row_width(row: &Row) -> usize {
    row.parts.iter().map(|(text, _)| width(text)).sum()
}

/// A name with the mark of those that read like another one, and the beginning of the key behind it; or with that of those whose key
/// was compared.
pub(crate) fn timeline_name(timeline: &Timeline, columns: usize) -> String {
    if timeline.is_lookalike() {
        format!("≈{} {}", timeline.id().short(), timeline.name(columns))
    } else if timeline.is_verified() {
        format!("✓{}", timeline.name(columns.saturating_sub(1)))
    } else {
        timeline.name(columns)
    }
}
