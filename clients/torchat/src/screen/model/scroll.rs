//! What part of a conversation is on the screen: scrolling, paging, and what counts as seen.

use super::attention::Looks;
use super::{Ask, Focus, Link, Model};
use crate::screen::rows::{Look, Row, block};
use torchat_client::api::record::{Direction, MessageState};
use torchat_client::timeline::{Anchor, Bottom, Entry, Timeline};

impl Model {
    fn body(&self) -> (usize, usize) {
        let body = self.areas().body;
        (usize::from(body.width), usize::from(body.height))
    }

    fn rows_of(&self, timeline: &Timeline, entry: &Entry, columns: usize) -> Vec<Row> {
        let chosen = match self.focus {
            Focus::Message(id) => Some(id),
            _ => None,
        };
        let remark = self.remark(timeline.peer());
        let words = self.settings.highlight.as_slice();
        let look = Look { here: self.here(), columns, chosen, remark, words, wrapped: &self.wrapped };
        block(look, timeline, entry)
    }

    /// The rows of messages on the screen, from top to bottom; fewer than fit if there are no more.
    pub(crate) fn visible(&self) -> Vec<Row> {
        let (columns, height) = self.body();
        let Some(timeline) = self.timeline() else { return Vec::new() };
        let mut rows: Vec<Row> = Vec::new();
        let mut hidden = timeline.window.bottom.map_or(0, |bottom| bottom.hidden);
        let cleared = self.cleared_upto();
        let mut entry = match timeline.window.bottom {
            Some(bottom) => timeline.window.entry(bottom.id),
            None => timeline.window.before(None),
        };
        while let Some(here) = entry.filter(|entry| cleared.is_none_or(|upto| entry.message.id > upto)) {
            let block = self.rows_of(timeline, here, columns);
            let shown = block.len().saturating_sub(hidden);
            hidden = 0;
            for row in block.into_iter().take(shown).rev() {
                if rows.len() == height {
                    rows.reverse();
                    return rows;
                }
                rows.push(row);
            }
            entry = timeline.window.before(Some(here.message.id));
        }
        rows.reverse();
        rows
    }

    /// Scrolls towards the past.
    pub(super) fn scroll_up(&mut self, rows: usize) {
        if self.cleared_upto().is_some() {
            self.cleared = None;
            return;
        }
        let (columns, height) = self.body();
        let Some(timeline) = self.timeline() else { return };
        // Rows above the lower edge, as far as they matter.
        let mut above = 0;
        let (mut id, hidden) = match timeline.window.bottom {
            Some(bottom) => (Some(bottom.id), bottom.hidden),
            None => (timeline.window.before(None).map(|entry| entry.message.id), 0),
        };
        let mut blocks = Vec::new();
        while let Some(entry) = id.and_then(|id| timeline.window.entry(id)) {
            let all = self.rows_of(timeline, entry, columns).len();
            let seen = if blocks.is_empty() { all.saturating_sub(hidden) } else { all };
            blocks.push((entry.message.id, all, seen));
            above += seen;
            if above >= rows + height {
                break;
            }
            id = timeline.window.before(Some(entry.message.id)).map(|entry| entry.message.id);
        }
        // The first row of all may reach the upper edge, and no further.
        let mut steps = rows.min(above.saturating_sub(height));
        if steps == 0 {
            return;
        }
        for (id, all, seen) in blocks {
            if steps < seen {
                let bottom = Bottom { id, hidden: all - seen + steps };
                if let Some(timeline) = self.timeline_mut() {
                    timeline.window.bottom = Some(bottom);
                }
                return;
            }
            steps -= seen;
        }
    }

    /// Scrolls towards the present.
    pub(super) fn scroll_down(&mut self, rows: usize) {
        let (columns, _) = self.body();
        let Some(timeline) = self.timeline() else { return };
        let Some(Bottom { id, hidden }) = timeline.window.bottom else { return };
        let bottom = if rows <= hidden {
            Some(Bottom { id, hidden: hidden - rows })
        } else {
            let mut left = rows - hidden;
            let mut next = timeline.window.after(id);
            loop {
                let Some(entry) = next else { break None };
                let all = self.rows_of(timeline, entry, columns).len();
                if left <= all {
                    break Some(Bottom { id: entry.message.id, hidden: all - left });
                }
                left -= all;
                next = timeline.window.after(entry.message.id);
            }
        };
        let last = timeline.window.before(None).map(|entry| entry.message.id);
        let (more_after, end) = (timeline.window.has_newer(), last.map(|id| Bottom { id, hidden: 0 }));
        if let Some(timeline) = self.timeline_mut() {
            // At the very end it stays there when something comes, unless the window is not the end.
            timeline.window.bottom = match bottom {
                Some(bottom) if Some(bottom) == end && !more_after => None,
                None if more_after => end,
                bottom => bottom,
            };
        }
    }

    /// Messages of the other side below the screen that nobody has read.
    pub(crate) fn new_below(&self) -> u64 {
        let Some(timeline) = self.timeline() else { return 0 };
        let Some(Bottom { id, .. }) = timeline.window.bottom else { return 0 };
        if timeline.window.has_newer() {
            return timeline.unread();
        }
        let newer = timeline.window.entries().range(id + 1..);
        let unread = |entry: &Entry| entry.message.dir == Direction::In && entry.message.state == MessageState::Unread;
        newer.filter(|(_, entry)| unread(entry)).map(|_| 1).sum()
    }

    /// Goes to the oldest message.
    pub(super) fn go_to_start(&mut self) {
        let Some(timeline) = self.timeline_mut() else { return };
        if timeline.window.has_older() {
            self.ask_page(Anchor::Oldest);
        } else {
            self.scroll_up(usize::MAX / 4);
        }
    }

    /// Goes to the newest message.
    pub(super) fn go_to_end(&mut self) {
        let Some(timeline) = self.timeline_mut() else { return };
        timeline.window.bottom = None;
        if timeline.window.has_newer() {
            self.ask_page(Anchor::Newest);
        }
    }

    /// Brings a message of the window to the middle of the screen.
    pub(super) fn show_message(&mut self, id: i64) {
        let (columns, height) = self.body();
        let Some(timeline) = self.timeline() else { return };
        let Some(entry) = timeline.window.entry(id) else { return };
        let rows = self.rows_of(timeline, entry, columns).len();
        let below = height.saturating_sub(rows.min(height)) / 2;
        if let Some(timeline) = self.timeline_mut() {
            timeline.window.bottom = Some(Bottom { id, hidden: rows.saturating_sub(height) });
        }
        self.scroll_down(below);
        self.clamp();
    }

    /// Brings a chosen message onto the screen, if it is not there.
    pub(super) fn reveal_message(&mut self, id: i64) {
        let (_, height) = self.body();
        for _ in 0..2 {
            let visible = self.visible();
            let first = visible.first().map(|row| row.id);
            let count = visible.iter().filter(|row| row.id == id).count();
            let Some(timeline) = self.timeline() else { return };
            let all = timeline.window.entry(id).map_or(0, |entry| self.rows_of(timeline, entry, self.body().0).len());
            if count >= all.min(height) {
                return;
            }
            if first.is_some_and(|first| id <= first) {
                if let Some(timeline) = self.timeline_mut() {
                    // Its end at the lower edge, then down until its beginning is at the upper one.
                    timeline.window.bottom = Some(Bottom { id, hidden: all.saturating_sub(height) });
                }
                self.scroll_down(height.saturating_sub(all));
            } else if let Some(timeline) = self.timeline_mut() {
                timeline.window.bottom = Some(Bottom { id, hidden: all.saturating_sub(height) });
                self.scroll_down(0);
            }
            self.clamp();
        }
    }

    /// After a change of size or of the window: the screen is filled again, and nothing is below the end.
    pub(super) fn clamp(&mut self) {
        let (_, height) = self.body();
        let visible = self.visible().len();
        if visible < height {
            self.scroll_down(height - visible);
        }
    }

    /// Reads the pages that are needed next.
    pub(super) fn load(&mut self) {
        if self.link != Link::Up || !self.list.is_loaded() {
            return;
        }
        self.load_members();
        let Some(timeline) = self.timeline() else { return };
        // Nothing is to be shown above.
        if self.cleared_upto().is_some() && timeline.window.is_loaded() {
            return;
        }
        let visible = self.visible();
        let shown = visible.first().map(|row| row.id).zip(visible.last().map(|row| row.id));
        let filled = visible.len() >= self.body().1;
        if let Some(anchor) = timeline.window.wanted(shown, filled) {
            self.ask_page(anchor);
        }
    }

    /// Asks for a page of the open conversation.
    pub(super) fn ask_page(&mut self, anchor: Anchor) {
        let Some(timeline) = self.timeline_mut() else { return };
        let (id, request) = (timeline.id(), timeline.window.ask(anchor));
        self.ask(Ask::Page(id, request));
    }

    /// Tells the daemon what is on the screen and has the user's attention.
    pub(super) fn see(&mut self) {
        let shown = self.overlay.is_none() && self.areas().body.height > 0;
        let looks = self.attention.looks(self.now);
        if !shown || looks == Looks::No || self.seeing || self.see_again_at.is_some() || self.link != Link::Up {
            return;
        }
        let Some(timeline) = self.timeline() else { return };
        let unread = |id: &i64| {
            timeline
                .window
                .entry(*id)
                .is_some_and(|entry| entry.message.dir == Direction::In && entry.message.state == MessageState::Unread)
        };
        let upto = self.visible().iter().map(|row| row.id).filter(unread).max();
        let id = timeline.id();
        let Some(upto) = upto.filter(|upto| *upto > timeline.seen_upto()) else { return };
        if looks == Looks::Unknown {
            self.look(upto);
        } else {
            self.seeing = true;
            self.ask(Ask::Seen(id, upto));
        }
    }

    /// Chooses the message before or after the chosen one.
    pub(super) fn choose(&mut self, up: bool) {
        // What is chosen must be on the screen.
        self.cleared = None;
        let Some(timeline) = self.timeline() else { return };
        let next = match (self.focus, up) {
            (Focus::Message(id), true) => timeline.window.before(Some(id)).or(timeline.window.entry(id)),
            (Focus::Message(id), false) => timeline.window.after(id),
            (_, true) => {
                let lowest = self.visible().last().map(|row| row.id);
                lowest.and_then(|id| timeline.window.entry(id))
            }
            (_, false) => None,
        };
        match next.map(|entry| entry.message.id) {
            Some(id) => {
                self.focus = Focus::Message(id);
                self.reveal_message(id);
                // How many members have a message of ours, no event tells.
                let side = self.timeline_mut().filter(|timeline| timeline.is_room());
                if let Some(window) = side.map(|timeline| &mut timeline.window)
                    && window.entry(id).is_some_and(|entry| {
                        entry.message.dir == Direction::Out
                            && (entry.message.order.is_some() || entry.message.state == MessageState::Delivered)
                    })
                {
                    window.look_at(id);
                }
            }
            None => {
                self.focus = Focus::Input;
                self.go_to_end();
            }
        }
    }
}
