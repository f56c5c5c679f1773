//! What time alone changes.

use super::{Link, Model};
use crate::screen::layout;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// An age in its greatest unit: `7s`, `3m`, `2h`, `5d`.
pub(crate) fn age(ms: i64) -> String {
    match ms.max(0) {
        ms if ms < MINUTE => format!("{}s", ms / SECOND),
        ms if ms < HOUR => format!("{}m", ms / MINUTE),
        ms if ms < DAY => format!("{}h", ms / HOUR),
        ms => format!("{}d", ms / DAY),
    }
}

/// When an age is to be drawn again: once a second, in minutes six times a minute, and so on; on round times, so that a
/// hundred ages are drawn together.
fn next_age(now: i64, since: i64) -> i64 {
    let (unit, grid) = match now - since {
        ms if ms < MINUTE => (SECOND, SECOND),
        ms if ms < HOUR => (MINUTE, 10 * SECOND),
        ms if ms < DAY => (HOUR, 10 * MINUTE),
        _ => (DAY, HOUR),
    };
    let due = since + ((now - since).max(0) / unit + 1) * unit;
    // Seconds are counted from when they began; the others wait for the round time.
    if unit == SECOND { due } else { (due + grid - 1).div_euclid(grid) * grid }
}

impl Model {
    /// When [`super::Input::Tick`] is due, in milliseconds since 1970; `None`: time changes nothing.
    pub(crate) fn wake_at(&self) -> Option<i64> {
        let mut at = self.notice.as_ref().map(|notice| notice.until);
        let mut sooner = |time: i64| at = Some(at.map_or(time, |at: i64| at.min(time)));
        if let Some(save) = self.save_at {
            sooner(save);
        }
        if let Some(retry) = self.retry_at.filter(|_| self.link == Link::Up) {
            sooner(retry);
        }
        let open = self.conversation();
        let listed = if layout::shows_list(self) { self.list.order() } else { &[] };
        // Only the rows that can be on the screen.
        let rows = usize::from(self.size.1);
        let from = self.list_at.saturating_sub(self.list.request_list().len() + rows);
        for peer in listed.iter().skip(from).take(2 * rows).copied().chain(open) {
            let heard =
                self.list.get(peer).filter(|timeline| !timeline.contact().link).and_then(|timeline| timeline.heard_at);
            if let Some(heard) = heard {
                sooner(next_age(self.now, heard));
            }
        }
        let news = self.news.due().filter(|_| self.link == Link::Up);
        for next in [news, self.next_reason(), self.next_told()].into_iter().flatten() {
            sooner(next);
        }
        at
    }

    /// When the reason why the last message waits is to be shown: of one that goes out at once, never.
    fn next_reason(&self) -> Option<i64> {
        let entries = self.timeline()?.window.entries();
        let waiting = entries.values().rev().take(50).find(|entry| entry.is_under_way())?;
        let at = waiting.at + layout::REASON_AFTER + 1;
        (at > self.now).then_some(at)
    }

    /// Does what is due.
    pub(super) fn expire(&mut self) {
        if self.notice.as_ref().is_some_and(|notice| notice.until <= self.now) {
            self.notice = None;
        }
        if self.save_at.is_some_and(|at| at <= self.now) {
            self.save();
        }
        self.tell_now();
        if self.retry_at.is_some_and(|at| at <= self.now) {
            self.retry_at = None;
        }
        self.ask_news();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_change_with_their_unit() {
        assert_eq!(
            [0, 59_999, MINUTE, HOUR - 1, HOUR, DAY - 1, 3 * DAY].map(age),
            ["0s", "59s", "1m", "59m", "1h", "23h", "3d"]
        );
        assert_eq!(next_age(10_400, 400), 11_400);
        assert_eq!(next_age(2 * MINUTE, 500), 2 * MINUTE + 10 * SECOND);
        assert!(next_age(2 * HOUR, 500) > 2 * HOUR);
        for (now, since) in [(0, 0), (59_999, 0), (MINUTE, 0), (DAY, 7), (5, 100), (HOUR, HOUR)] {
            assert!(next_age(now, since) > now, "{now} {since}");
        }
    }
}
