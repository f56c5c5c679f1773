//! The mouse, if it was switched on: wheel and click.

use super::{Focus, Model};
use crate::screen::areas::list_offset;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

impl Model {
    /// The mouse, if it was switched on: wheel and click.
    pub(super) fn mouse(&mut self, mouse: MouseEvent) {
        if matches!(mouse.kind, MouseEventKind::Down(_) | MouseEventKind::ScrollUp | MouseEventKind::ScrollDown) {
            self.key_shows_attention();
        }
        if matches!(mouse.kind, MouseEventKind::Down(_)) {
            self.notice_read();
        }
        let areas = self.areas();
        let inside = |area: ratatui::layout::Rect| area.contains((mouse.column, mouse.row).into());
        let up = mouse.kind == MouseEventKind::ScrollUp;
        match mouse.kind {
            MouseEventKind::ScrollUp | MouseEventKind::ScrollDown if inside(areas.list) => {
                let last = self.list.items().len().saturating_sub(1);
                self.list_at = if up { self.list_at.saturating_sub(1) } else { (self.list_at + 1).min(last) };
            }
            MouseEventKind::ScrollUp | MouseEventKind::ScrollDown if self.overlay.is_some() => {
                let code = if up { KeyCode::Up } else { KeyCode::Down };
                self.overlay_key(KeyEvent::new(code, KeyModifiers::NONE));
            }
            MouseEventKind::ScrollUp => self.scroll_up(3),
            MouseEventKind::ScrollDown => self.scroll_down(3),
            MouseEventKind::Down(MouseButton::Left) if self.overlay.is_some() => {}
            MouseEventKind::Down(MouseButton::Left) if inside(areas.list) => {
                let at = list_offset(self.list_at, areas.list.height) + usize::from(mouse.row - areas.list.y);
                if at < self.list.items().len() {
                    self.open_item(at);
                }
            }
            MouseEventKind::Down(MouseButton::Left) if inside(areas.body) => {
                let rows = self.visible();
                let missing = usize::from(areas.body.height).saturating_sub(rows.len());
                let at = usize::from(mouse.row - areas.body.y).checked_sub(missing);
                if let Some(row) = at.and_then(|at| rows.get(at)) {
                    self.focus = Focus::Message(row.id);
                }
            }
            MouseEventKind::Down(MouseButton::Left) if inside(areas.input) => self.focus = Focus::Input,
            _ => {}
        }
    }
}
