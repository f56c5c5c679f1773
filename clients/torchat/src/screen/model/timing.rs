//! What time alone changes.

use super::{Link, Model};
use crate::screen::rows::REASON_AFTER;
use crate::times::next_age;

impl Model {
    /// When [`super::Input::Tick`] is due, in milliseconds since 1970; `None`: time changes nothing.
    pub(crate) fn wake_at(&self) -> Option<i64> {
        let mut at = Some(self.next_minute());
        let mut sooner = |time: i64| at = Some(at.map_or(time, |at: i64| at.min(time)));
        if let Some(notice) = &self.notice {
            sooner(notice.until);
        }
        if let Some(save) = self.save_at {
            sooner(save);
        }
        if self.link == Link::Up {
            [self.retry_at, self.see_again_at].into_iter().flatten().for_each(&mut sooner);
        }
        let open = self.conversation();
        let listed = if self.shows_list() { self.list.order() } else { &[] };
        // Only the rows that can be on the screen.
        let rows = usize::from(self.size.1);
        let from = self.list_at.saturating_sub(self.list.request_list().len() + rows);
        for peer in listed.iter().skip(from).take(2 * rows).copied().chain(open) {
            // Where its age is shown: not of a room.
            let shown = self.list.get(peer).filter(|timeline| !timeline.contact().link && !timeline.is_room());
            let heard = shown.and_then(|timeline| timeline.heard_at);
            if let Some(heard) = heard {
                sooner(next_age(self.now, heard));
            }
        }
        let news = self.news.due().filter(|_| self.link == Link::Up);
        let list = self.list.due().filter(|_| self.link == Link::Up);
        let all = [news, list, self.next_reason(), self.next_told(), self.next_refused_invite()];
        for next in all.into_iter().flatten() {
            sooner(next);
        }
        at
    }

    /// When the reason why the last message waits is to be shown: of one that goes out at once, never.
    fn next_reason(&self) -> Option<i64> {
        let entries = self.timeline()?.window.entries();
        let waiting = entries.values().rev().take(50).find(|entry| entry.is_under_way())?;
        let at = waiting.at + REASON_AFTER + 1;
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
        self.invites_refused();
        for again in [&mut self.retry_at, &mut self.see_again_at] {
            again.take_if(|at| *at <= self.now);
        }
        if self.link == Link::Up && self.list.due().is_some_and(|at| at <= self.now) {
            let now = self.now;
            self.change_list(|list| list.expire(now));
        }
        self.ask_news();
    }
}
