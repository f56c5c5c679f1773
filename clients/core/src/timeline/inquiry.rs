//! A question to the daemon that is under way, and what happened meanwhile.
//!
//! An answer may have been read before an event that is here already. So what happens between the question and its answer
//! is kept, and done again after the answer; everything in this module's neighbours can be done twice.

/// Changes that are kept while an answer is under way. If there are more, the question is asked again.
const MEANWHILE: usize = 1_024;

/// Tells the answer of one question from those of the questions before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u32);

/// At most one question of a kind that is under way. A new one makes the answers of all earlier ones void.
#[derive(Debug, Clone)]
pub(super) struct Inquiry<T> {
    last: u32,
    under_way: Option<Meanwhile<T>>,
}

/// What happened since the question was asked.
#[derive(Debug, Clone)]
pub(super) enum Meanwhile<T> {
    All(Vec<T>),
    /// More than is kept: the answer alone is not the truth.
    TooMuch,
}

impl<T> Default for Inquiry<T> {
    fn default() -> Self {
        Self { last: 0, under_way: None }
    }
}

impl<T> Inquiry<T> {
    /// Asks.
    pub(super) fn ask(&mut self) -> Ticket {
        self.last = self.last.wrapping_add(1);
        self.under_way = Some(Meanwhile::All(Vec::new()));
        Ticket(self.last)
    }

    /// Whether an answer is awaited.
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Keeps what happened, if an answer is under way.
    pub(super) fn note(&mut self, change: impl FnOnce() -> T) {
        match &mut self.under_way {
            Some(Meanwhile::All(changes)) if changes.len() < MEANWHILE => changes.push(change()),
            Some(meanwhile) => *meanwhile = Meanwhile::TooMuch,
            None => {}
        }
    }

    /// Whether this is the question that is under way.
    pub(super) fn awaits(&self, ticket: Ticket) -> bool {
        self.is_under_way() && self.last == ticket.0
    }

    /// The answer is there: what happened meanwhile. `None`: this answer is void.
    pub(super) fn answered(&mut self, ticket: Ticket) -> Option<Meanwhile<T>> {
        if self.awaits(ticket) { self.under_way.take() } else { None }
    }

    /// No answer is awaited any more.
    pub(super) fn cancel(&mut self) {
        self.under_way = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_question_is_answered_and_with_all_that_happened_since_it() {
        let mut inquiry = Inquiry::default();
        inquiry.note(|| 0);
        let first = inquiry.ask();
        inquiry.note(|| 1);
        let second = inquiry.ask();
        inquiry.note(|| 2);
        assert!(inquiry.answered(first).is_none());
        assert!(matches!(inquiry.answered(second), Some(Meanwhile::All(changes)) if changes == [2]));
        assert!(inquiry.answered(second).is_none());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut inquiry = Inquiry::default();
        let ticket = inquiry.ask();
        (0..=MEANWHILE).for_each(|n| inquiry.note(|| n));
        assert!(matches!(inquiry.answered(ticket), Some(Meanwhile::TooMuch)));
    }
}
