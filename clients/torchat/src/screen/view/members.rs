//! The page of a room's members, and of what can be done about one of them.

use super::{paint, put};
use crate::membership;
use crate::screen::model::Model;
use crate::screen::model::room::{MembersPage, rows};
use crate::screen::rows::signed_name;
use crate::screen::theme::Role;
use crate::screen::wrap::{cut, fill, wrap};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use torchat_client::api::record::{Member, MemberState, Proof};
use torchat_client::timeline::{Timeline, millis};

/// Columns of a number, and of a name with its signs.
const NUMBER: usize = 4;
const NAME: usize = 18;
/// The same where there are fewer columns than [`NARROW`].
const NAME_NARROW: usize = 14;
const NARROW: usize = 60;
/// Columns of a role or of what a member is now.
const STATE: usize = 10;

/// What the bar says.
pub(super) fn title(page: &MembersPage) -> String {
    match page.chosen {
        Some((no, _)) => format!("Member {no}"),
        None => "Members".into(),
    }
}

/// What can be pressed.
pub(super) fn hint(page: &MembersPage) -> &'static str {
    match page.chosen {
        Some(_) => "Enter does it  Esc back",
        None => "Enter: what can be done  Esc closes",
    }
}

/// Draws the page.
pub(super) fn draw(model: &Model, page: &MembersPage, buffer: &mut Buffer, area: Rect) {
    let Some(timeline) = model.list.get(page.room) else { return };
    match page.chosen {
        Some((no, at)) => member(model, timeline, (page, no, at), buffer, area),
        None => all(model, timeline, page, buffer, area),
    }
}

fn all(model: &Model, timeline: &Timeline, page: &MembersPage, buffer: &mut Buffer, area: Rect) {
    let Some(side) = timeline.room() else { return };
    let members = rows(side);
    if members.is_empty() {
        let text = if side.members.is_loaded() { "nobody" } else { "..." };
        put(model, buffer, area, 0, 1, text, Role::Dim);
    }
    let height = usize::from(area.height);
    let at = page.at.min(members.len().saturating_sub(1));
    let from = (at + 1).saturating_sub(height);
    for (n, member) in members.into_iter().skip(from).take(height).enumerate() {
        row(model, timeline, member, n, buffer, area);
        if n + from == at {
            paint(model, buffer, area, n, Role::Chosen);
        }
    }
}

fn row(model: &Model, timeline: &Timeline, member: &Member, n: usize, buffer: &mut Buffer, area: Rect) {
    let is_in = matches!(member.state, MemberState::In | MemberState::Muted);
    let role = if is_in { Role::of_member(timeline.id(), member.no, member.onion) } else { Role::Dim };
    let columns = if usize::from(area.width) < NARROW { NAME_NARROW } else { NAME };
    let name = signed_name(timeline, member.no, &member.name, member.role, columns);
    let name = if member.me { format!("{name} (you)") } else { name };
    let mut column = 1;
    let mut say = |text: &str, columns: usize, role: Role| {
        put(model, buffer, area, n, column, &fill(text, columns), role);
        column += columns + 1;
    };
    say(&format!("{:>NUMBER$}", member.no), NUMBER, Role::Dim);
    say(&name, columns, role);
    say(state(member), STATE, Role::Text);
    let left = usize::from(area.width).saturating_sub(NUMBER + columns + STATE + 5);
    let text = cut(&details(model, member), left);
    say(&text, left, Role::Dim);
}

/// Their role, or what they are instead.
fn state(member: &Member) -> &'static str {
    membership::member_state(member.state).unwrap_or_else(|| membership::role(member.role))
}

/// The onion's beginning, who has proven it, when they said something, and who they are to the user.
fn details(model: &Model, member: &Member) -> String {
    let onion = member.onion.map(|onion| {
        let proven = if member.proven == Proof::Link { "" } else { "?" };
        format!("{}..{proven}", onion.0.short())
    });
    let contact = member.onion.filter(|onion| model.is_contact(*onion));
    let contact = contact.map(|onion| format!("your contact {}", model.name_of(onion, 20)));
    let said = member.said_at.as_deref().and_then(millis).map(|at| format!("said {}", model.here().moment(at)));
    [onion, said, contact].into_iter().flatten().collect::<Vec<_>>().join("  ")
}

fn member(
    model: &Model,
    timeline: &Timeline,
    (page, no, at): (&MembersPage, u32, usize),
    buffer: &mut Buffer,
    area: Rect,
) {
    let Some(member) = timeline.room().and_then(|side| side.members.get(no)) else { return };
    let columns = usize::from(area.width).saturating_sub(2);
    let name = signed_name(timeline, no, &member.name, member.role, columns);
    let mut lines =
        vec![(name, Role::of_member(timeline.id(), no, member.onion)), (state(member).to_owned(), Role::Text)];
    if let Some(onion) = member.onion {
        lines.extend(wrap(&onion.0.onion(), columns).into_iter().map(|row| (row, Role::Dim)));
        let proven = match member.proven {
            Proof::Link => "Their own daemon has proven this onion to yours.",
            _ => "The owner says that this is their onion; no link has proven it.",
        };
        lines.extend(wrap(proven, columns).into_iter().map(|row| (row, Role::Dim)));
    }
    lines.push((String::new(), Role::Text));
    let actions = model.member_actions(page);
    // What can be done stays on the screen, whatever is above it.
    let height = usize::from(area.height);
    lines.truncate(height.saturating_sub(actions.len().max(1)));
    let top = lines.len();
    for (n, (text, role)) in lines.iter().enumerate() {
        put(model, buffer, area, n, 1, &cut(text, columns), *role);
    }
    if actions.is_empty() {
        put(model, buffer, area, top, 1, "Nothing can be done here.", Role::Dim);
    }
    let room = height.saturating_sub(top);
    let from = (at + 1).saturating_sub(room.max(1));
    for (n, action) in actions.iter().skip(from).take(room).enumerate() {
        let text = cut(action.words(), columns.saturating_sub(2));
        put(model, buffer, area, top + n, 3, &text, Role::Text);
        if n + from == at {
            paint(model, buffer, area, top + n, Role::Chosen);
        }
    }
}
