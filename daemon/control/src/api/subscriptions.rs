//! The subscriptions of one connection: which there are, and whose turn it is to write.
//!
//! One that is being prepared counts as much as one that runs. A client need not wait for its answers, so its next request may
//! be a SUBSCRIBE with the same `ref`, an UNSUBSCRIBE, or a HELLO with a token.

use super::answer::{Done, fail};
use super::subscription::{Read, Ready, Subscription};
use futures::future::BoxFuture;
use std::collections::VecDeque;
use torchat_protocol::control::api::command::SubscribeAnswer;
use torchat_protocol::control::api::{ApiError, Ref};
use torchat_protocol::control::code::Code;

/// Subscriptions of one connection.
pub(crate) const SUBSCRIPTIONS: usize = 16;

/// See the module's description.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    /// The first one is the next to write.
    running: VecDeque<Subscription>,
    /// Those whose place is not known yet, by number.
    preparing: Vec<(u64, Option<Ref>)>,
    next_number: u64,
}

impl Subscriptions {
    /// None runs. Those that are being prepared are requests in work.
    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Takes a place for a SUBSCRIBE. Returns its number, for [`Self::begin`].
    ///
    /// # Errors
    /// `already-subscribed`, `too-many-subscriptions`.
    pub(crate) fn prepare(&mut self, reference: Option<Ref>) -> Done<u64> {
        let mut taken = self.running.iter().map(|one| &one.reference).chain(self.preparing.iter().map(|one| &one.1));
        if taken.any(|other| *other == reference) {
            let message = "another subscription of this connection has the same \"ref\"";
            return Err(fail(Code::AlreadySubscribed, message));
        }
        if self.running.len() + self.preparing.len() >= SUBSCRIPTIONS {
            let error = fail(Code::TooManySubscriptions, format!("{SUBSCRIPTIONS} subscriptions are the limit"));
            return Err(error.with("limit", SUBSCRIPTIONS));
        }
        let number = self.next_number;
        self.next_number += 1;
        self.preparing.push((number, reference));
        Ok(number)
    }

    /// Begins one whose place is known, and gives back what SUBSCRIBE answers. One that was ended meanwhile has an answer, and
    /// never an event.
    ///
    /// # Errors
    /// Why it cannot begin.
    pub(crate) fn begin(&mut self, number: u64, prepared: Done<Ready>) -> Done<SubscribeAnswer> {
        let at = self.preparing.iter().position(|one| one.0 == number);
        let wanted = at.map(|at| self.preparing.swap_remove(at));
        let ready = prepared?;
        let answer = ready.answer.clone();
        if let Some((number, reference)) = wanted {
            self.running.push_back(Subscription::new(number, reference, ready));
        }
        Ok(answer)
    }

    /// Ends one by its `ref`. `false`: there is none.
    pub(crate) fn end(&mut self, reference: &Option<Ref>) -> bool {
        let before = self.running.len() + self.preparing.len();
        self.running.retain(|one| one.reference != *reference);
        self.preparing.retain(|one| one.1 != *reference);
        self.running.len() + self.preparing.len() < before
    }

    /// Ends all without a word.
    pub(crate) fn end_all(&mut self) {
        self.running.clear();
        self.preparing.clear();
    }

    /// Ends all: one line of each that runs says why.
    pub(crate) fn end_all_with(&mut self, error: &ApiError) {
        self.preparing.clear();
        for subscription in &mut self.running {
            subscription.end(error.clone());
        }
    }

    /// Puts lines of the next one that has some on the way. In turn, so that one with much to say does not silence the others.
    pub(crate) fn take_piece(&mut self, out: &mut Vec<u8>) {
        for _ in 0..self.running.len() {
            self.running.rotate_left(1);
            if self.running.back_mut().is_some_and(|subscription| subscription.take_piece(out)) {
                break;
            }
        }
    }

    /// Lets those go that have said their last line, and gives back what the others want to read, by number.
    pub(crate) fn next_reads(&mut self) -> Vec<(u64, BoxFuture<'static, Read>)> {
        self.running.retain(|subscription| !subscription.is_over());
        self.running.iter_mut().filter_map(|one| Some((one.number, one.next_read()?))).collect()
    }

    /// Takes up what one has read. One that was ended meanwhile wants it no more.
    pub(crate) fn take(&mut self, number: u64, read: Read) {
        if let Some(subscription) = self.running.iter_mut().find(|one| one.number == number) {
            subscription.take(read);
        }
    }
}
