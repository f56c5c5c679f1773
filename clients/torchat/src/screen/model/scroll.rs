//! What part of a conversation is on the screen: scrolling, paging, and what counts as seen.

use super::{Ask, Focus, Link, Model, Place};
use crate::screen::layout::{self, Row};
use crate::screen::talk::{Bottom, Entry, Talk};
use torchat_client::api::record::{Direction, MessageState};

/// Pages are read when so many rows or fewer are left.
const AHEAD: usize = 40;

impl Model {
    fn body(&self) -> (usize, usize) {
        let body = self.areas().body;
        (usize::from(body.width), usize::from(body.height))
    }

    fn rows_of(&self, talk: &Talk, entry: &Entry, columns: usize) -> Vec<Row> {
        layout::block(self, talk, entry, columns)
    }

    /// The rows of messages on the screen, from top to bottom; fewer than fit if there are no more.
    pub(crate) fn visible(&self) -> Vec<Row> {
        let (columns, height) = self.body();
        let Some(talk) = self.talk() else { return Vec::new() };
        let mut rows: Vec<Row> = Vec::new();
        let mut hidden = talk.bottom.map_or(0, |bottom| bottom.hidden);
        let mut entry = match talk.bottom {
            Some(bottom) => talk.entry(bottom.id),
            None => talk.before(None),
        };
        while let Some(here) = entry {
            let block = self.rows_of(talk, here, columns);
            let shown = block.len().saturating_sub(hidden);
            hidden = 0;
            for row in block.into_iter().take(shown).rev() {
                if rows.len() == height {
                    rows.reverse();
                    return rows;
                }
                rows.push(row);
            }
            entry = talk.before(Some(here.message.id));
        }
        rows.reverse();
        rows
    }

    /// Scrolls towards the past.
    pub(super) fn scroll_up(&mut self, rows: usize) {
        let (columns, height) = self.body();
        let Some(talk) = self.talk() else { return };
        // Rows above the lower edge, as far as they matter.
        let mut above = 0;
        let (mut id, hidden) = match talk.bottom {
            Some(bottom) => (Some(bottom.id), bottom.hidden),
            None => (talk.before(None).map(|entry| entry.message.id), 0),
        };
        let mut blocks = Vec::new();
        while let Some(entry) = id.and_then(|id| talk.entry(id)) {
            let all = self.rows_of(talk, entry, columns).len();
            let seen = if blocks.is_empty() { all.saturating_sub(hidden) } else { all };
            blocks.push((entry.message.id, all, seen));
            above += seen;
            if above >= rows + height {
                break;
            }
            id = talk.before(Some(entry.message.id)).map(|entry| entry.message.id);
        }
        // The first row of all may reach the upper edge, and no further.
        let mut steps = rows.min(above.saturating_sub(height));
        if steps == 0 {
            return;
        }
        for (id, all, seen) in blocks {
            if steps < seen {
                let bottom = Bottom { id, hidden: all - seen + steps };
                if let Some(talk) = self.talk_mut() {
                    talk.bottom = Some(bottom);
                }
                return;
            }
            steps -= seen;
        }
    }

    /// Scrolls towards the present.
    pub(super) fn scroll_down(&mut self, rows: usize) {
        let (columns, _) = self.body();
        let Some(talk) = self.talk() else { return };
        let Some(Bottom { id, hidden }) = talk.bottom else { return };
        let bottom = if rows <= hidden {
            Some(Bottom { id, hidden: hidden - rows })
        } else {
            let mut left = rows - hidden;
            let mut next = talk.after(id);
            loop {
                let Some(entry) = next else { break None };
                let all = self.rows_of(talk, entry, columns).len();
                if left <= all {
                    break Some(Bottom { id: entry.message.id, hidden: all - left });
                }
                left -= all;
                next = talk.after(entry.message.id);
            }
        };
        let last = talk.before(None).map(|entry| entry.message.id);
        let (more_after, end) = (talk.more_after, last.map(|id| Bottom { id, hidden: 0 }));
        if let Some(talk) = self.talk_mut() {
            // At the very end it stays there when something comes, unless the window is not the end.
            talk.bottom = match bottom {
                Some(bottom) if Some(bottom) == end && !more_after => None,
                None if more_after => end,
                bottom => bottom,
            };
        }
    }

    /// Goes to the oldest message.
    pub(super) fn go_to_start(&mut self) {
        let Some(talk) = self.talk_mut() else { return };
        let (peer, more) = (talk.peer(), talk.more_before);
        if more {
            talk.loading = true;
            self.ask(Ask::Page(peer, Place::First));
        } else {
            self.scroll_up(usize::MAX / 4);
        }
    }

    /// Goes to the newest message.
    pub(super) fn go_to_end(&mut self) {
        let Some(talk) = self.talk_mut() else { return };
        let (peer, more) = (talk.peer(), talk.more_after);
        talk.bottom = None;
        if more {
            talk.loading = true;
            self.ask(Ask::Page(peer, Place::Last));
        }
    }

    /// Brings a message of the window to the middle of the screen.
    pub(super) fn show_message(&mut self, id: i64) {
        let (columns, height) = self.body();
        let Some(talk) = self.talk() else { return };
        let Some(entry) = talk.entry(id) else { return };
        let rows = self.rows_of(talk, entry, columns).len();
        let below = height.saturating_sub(rows.min(height)) / 2;
        if let Some(talk) = self.talk_mut() {
            talk.bottom = Some(Bottom { id, hidden: rows.saturating_sub(height) });
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
            let Some(talk) = self.talk() else { return };
            let all = talk.entry(id).map_or(0, |entry| self.rows_of(talk, entry, self.body().0).len());
            if count >= all.min(height) {
                return;
            }
            if first.is_some_and(|first| id <= first) {
                if let Some(talk) = self.talk_mut() {
                    // Its end at the lower edge, then down until its beginning is at the upper one.
                    talk.bottom = Some(Bottom { id, hidden: all.saturating_sub(height) });
                }
                self.scroll_down(height.saturating_sub(all));
            } else if let Some(talk) = self.talk_mut() {
                talk.bottom = Some(Bottom { id, hidden: all.saturating_sub(height) });
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
        if self.link != Link::Up || !self.loaded {
            return;
        }
        let Some(talk) = self.talk() else { return };
        if talk.loading {
            return;
        }
        let peer = talk.peer();
        let place = if !talk.loaded {
            Some(Place::Last)
        } else if let Some((first, last)) = talk.span() {
            let visible = self.visible();
            let (_, height) = self.body();
            let top = visible.first().map_or(first, |row| row.id);
            let bottom = visible.last().map_or(last, |row| row.id);
            // Counted in messages, which have a row at least.
            let older = talk.entries().range(first..top).take(AHEAD).count();
            let newer = talk.entries().range(bottom + 1..).take(AHEAD).count();
            if talk.more_before && (older < AHEAD || visible.len() < height) {
                Some(Place::Before(first))
            } else if talk.more_after && newer < AHEAD {
                Some(Place::After(last))
            } else {
                None
            }
        } else {
            None
        };
        if let Some(place) = place {
            if let Some(talk) = self.talk_mut() {
                talk.loading = true;
            }
            self.ask(Ask::Page(peer, place));
        }
    }

    /// Tells the daemon what is on the screen and has the user's attention.
    pub(super) fn see(&mut self) {
        let shown = self.overlay.is_none() && self.areas().body.height > 0;
        if !shown || !self.attention || self.seeing || self.link != Link::Up {
            return;
        }
        let Some(talk) = self.talk() else { return };
        let unread = |id: &i64| {
            talk.entry(*id)
                .is_some_and(|entry| entry.message.dir == Direction::In && entry.message.state == MessageState::Unread)
        };
        let upto = self.visible().iter().map(|row| row.id).filter(unread).max();
        let peer = talk.peer();
        if let Some(upto) = upto.filter(|upto| *upto > talk.seen) {
            self.seeing = true;
            self.ask(Ask::Seen(peer, upto));
        }
    }

    /// Chooses the message before or after the chosen one.
    pub(super) fn choose(&mut self, up: bool) {
        let Some(talk) = self.talk() else { return };
        let next = match (self.focus, up) {
            (Focus::Message(id), true) => talk.before(Some(id)).or(talk.entry(id)),
            (Focus::Message(id), false) => talk.after(id),
            (_, true) => {
                let lowest = self.visible().last().map(|row| row.id);
                lowest.and_then(|id| talk.entry(id))
            }
            (_, false) => None,
        };
        match next.map(|entry| entry.message.id) {
            Some(id) => {
                self.focus = Focus::Message(id);
                self.reveal_message(id);
            }
            None => {
                self.focus = Focus::Input;
                self.go_to_end();
            }
        }
    }
}
