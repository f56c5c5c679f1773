//! What is erased of the open conversation, now or by its age: counted first, then asked, then done.
//!
//! The question is on the screen from the first moment on, without its number while that is counted. So no key that somebody types
//! meanwhile can be the answer to a question that comes a moment later.

use super::{Ask, Confirm, Erasing, Model, Overlay};
use crate::counts::{counted, grouped};
use torchat_client::api::command::EraseCountAnswer;
use torchat_client::api::{ConversationId, Onion};

/// Milliseconds of a day.
const DAY: i64 = 24 * 3_600_000;
/// More days than this the daemon does not take.
const RETAIN_MAX_DAYS: u32 = 36_500;

impl Model {
    /// `/erase`
    pub(super) fn ask_to_erase(&mut self) {
        match self.conversation() {
            Some(id) => self.count_first(id, Erasing::All),
            None => self.warn("no conversation is open"),
        }
    }

    /// `/retain`. False: it was called with something else than it takes.
    pub(super) fn retain(&mut self, rest: &str) -> bool {
        let peer = match self.open_peer() {
            Ok(peer) => peer,
            Err(error) => {
                self.warn(error);
                return true;
            }
        };
        match (rest, rest.parse::<u32>()) {
            ("off", _) => self.ask(Ask::Retain(peer, None)),
            (_, Ok(days @ 1..=RETAIN_MAX_DAYS)) => {
                let before = self.now.saturating_sub(i64::from(days).saturating_mul(DAY));
                self.count_first(peer.conversation(), Erasing::Older { days, before });
            }
            ("", _) => {
                let kept = self.list.get(peer.conversation()).and_then(|timeline| timeline.contact().retain_days);
                self.retained(peer, kept);
            }
            _ => return false,
        }
        true
    }

    fn count_first(&mut self, id: ConversationId, what: Erasing) {
        self.overlay = Some(Overlay::Confirm(Confirm::Erase { id, what, found: None }));
        self.ask(Ask::CountErasable(id, what));
    }

    /// What is waited for, if it is this question.
    fn waits_for(&self, id: ConversationId, what: Erasing) -> bool {
        let waiting = Confirm::Erase { id, what, found: None };
        matches!(self.overlay, Some(Overlay::Confirm(ref confirm)) if *confirm == waiting)
    }

    /// The number for a question. If there is nothing to erase, nothing needs an answer.
    pub(super) fn erasable(&mut self, id: ConversationId, what: Erasing, found: EraseCountAnswer) {
        if !self.waits_for(id, what) {
            return;
        }
        let found = Found { erasable: found.erasable, kept: found.kept, upto: found.upto };
        let name = self.name_of(id, 20);
        match (found.erasable, what) {
            (1.., _) => self.overlay = Some(Overlay::Confirm(Confirm::Erase { id, what, found: Some(found) })),
            (0, Erasing::All) => {
                self.overlay = None;
                self.say(match found.kept {
                    0 => format!("there are no messages with {name} here"),
                    kept => format!("nothing to erase with {name}: {}", stay(kept)),
                });
                // An earlier one may have left traces in the store's files. It takes no message.
                self.ask(Ask::Erase(id, 0));
            }
            (0, Erasing::Older { days, .. }) => {
                self.overlay = None;
                self.retain_confirmed(id, days);
            }
        }
    }

    /// The number is not to be had, and without it nothing is asked.
    pub(super) fn not_counted(&mut self, id: ConversationId, what: Erasing) {
        if self.waits_for(id, what) {
            self.overlay = None;
        }
    }

    /// The user has said yes to what was counted.
    pub(super) fn erase_confirmed(&mut self, id: ConversationId, what: Erasing, found: Found) {
        match what {
            Erasing::All => self.ask(Ask::Erase(id, found.upto)),
            Erasing::Older { days, .. } => self.retain_confirmed(id, days),
        }
    }

    fn retain_confirmed(&mut self, id: ConversationId, days: u32) {
        if let Some(peer) = id.as_peer() {
            self.ask(Ask::Retain(Onion(peer), Some(days)));
        }
    }

    pub(super) fn retained(&mut self, peer: Onion, days: Option<u32>) {
        let name = self.name_of(peer.conversation(), 20);
        self.say(match days {
            Some(days) => {
                let days = counted(days.into(), "day");
                format!("kept for {days} here: messages with {name}; older ones are erased when they are read")
            }
            None => format!("kept, however old: messages with {name}"),
        });
    }

    pub(super) fn erased(&mut self, id: ConversationId, erased: u64, kept: u64) {
        if erased == 0 {
            return;
        }
        let name = self.name_of(id, 20);
        let kept = if kept > 0 { format!("; {}", stay(kept)) } else { String::new() };
        self.say(format!("erased {} with {name} here{kept}", counted(erased, "message")));
    }
}

/// What an erasing would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    erasable: u64,
    kept: u64,
    /// The last message that was counted.
    upto: i64,
}

/// The question, for a conversation with somebody of this name; without a number while it is counted.
pub(super) fn question(what: Erasing, found: Option<Found>, name: &str) -> String {
    match (what, found) {
        (_, None) => format!("Counting the messages with {name} here ..."),
        (Erasing::All, Some(found)) => {
            let kept = if found.kept > 0 { format!(" {}.", stay(found.kept)) } else { String::new() };
            format!(
                "Erase {} with {name} here, for good?{kept} Their copy, backups, exports and text logs are not erased.",
                counted(found.erasable, "message")
            )
        }
        (Erasing::Older { days, .. }, Some(found)) => {
            let (days, number) = (counted(days.into(), "day"), counted(found.erasable, "message"));
            format!(
                "Erase messages with {name} here, for good, when they are read and older than {days}? Now that is up to \
                 {number}. Their copy, backups, exports and text logs are not erased."
            )
        }
    }
}

/// "3 that wait for delivery stay (/cancel)".
fn stay(kept: u64) -> String {
    match kept {
        1 => "1 that waits for delivery stays (/cancel)".into(),
        kept => format!("{} that wait for delivery stay (/cancel)", grouped(kept)),
    }
}
