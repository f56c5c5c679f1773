//! The checker: what the clients were told, what each disk ever held, and the promises that tie the two together.
//!
//! A restored backup loses what came after it, and that is not the daemon's fault. So everything that the clients were
//! told stands in a [`Promises`] of the daemon, which is copied with a backup and rolled back with it; and what a disk
//! held is noted right before it is replaced. With these two, a loss by a backup and a bug can be told apart exactly.

use super::disk::{Image, Lane, Text};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How a run broke a promise. The numbers are the daemons'.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// A message was delivered by its sender's account, and the receiver neither has it nor shows a mark for it.
    Lost(Text),
    /// A client was told that a message is queued, and the store does not hold it.
    NotKept(Text),
    /// A client was told that a message was not accepted, and it is there.
    RefusedButKept(Text),
    /// A message is there twice.
    Duplicate(Text),
    /// A message came after a younger one of its conversation or lane.
    Reordered(Text),
    /// The sender counts a message as delivered that was never durable at its receiver.
    AckedBeforeDurable(Text),
    /// The receiver holds a message that was never durable at its sender.
    SentBeforeDurable(Text),
    /// A message stands in the wrong conversation, or nobody wrote it.
    WrongSender(Text, usize),
    /// A message was taken back before it left its sender, and is at its receiver.
    WithdrawnButThere(Text),
    /// A message vanished from a store that was never replaced.
    Vanished(Text),
    /// A message that a client took durably is unread again.
    ReadForgotten(Text),
    /// A client got a message that is not the oldest unread one, or none although one was there.
    WrongHead(usize, Option<Text>),
    /// A client was told that a contact was added, and it is not there.
    ContactLost(usize, usize),
    /// The numbers up to the receiver's place in a lane are not each exactly one message, repetition or mark.
    Hole {
        /// The receiver.
        at: usize,
        /// The sender.
        from: usize,
        /// The number in the lane.
        seq: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Messages still wait although nothing has stood in their way for the stated time.
    Stuck(String),
    /// An engine ended that nobody stopped, or a task panicked.
    Broken(String),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stuck(what) | Self::Broken(what) => write!(f, "{what}"),
            other => write!(f, "{other:?}"),
        }
    }
}

/// What became of a SEND.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Not answered yet.
    Open,
    /// "Queued".
    Accepted,
    /// "Not accepted".
    Refused,
    /// The daemon died before it answered.
    Unknown,
}

/// What a daemon's clients were told. Copied with a backup and rolled back with it.
#[derive(Debug, Clone, Default)]
pub struct Promises {
    /// Texts that are queued.
    accepted: BTreeSet<Text>,
    /// Texts that were taken back before they left.
    withdrawn: BTreeSet<Text>,
    /// Texts that were taken.
    read: BTreeSet<Text>,
    /// Contacts that were added.
    contacts: BTreeSet<usize>,
}

/// See the module's description.
#[derive(Debug, Default)]
pub struct Checker {
    fates: BTreeMap<Text, Fate>,
    promises: Vec<Promises>,
    /// What each disk, or one that it replaced, ever held durably: received texts.
    held: Vec<BTreeSet<Text>>,
    /// The same for sent texts.
    kept: Vec<BTreeSet<Text>>,
    /// Texts that their sender took back or let expire: their numbers are skipped without a mark.
    gone: BTreeSet<Text>,
    /// Daemons that were restored from a backup.
    restored: Vec<bool>,
    /// The texts that ever had a number in a lane of a sender.
    numbers: BTreeMap<(usize, Lane, u64), BTreeSet<Text>>,
    /// Messages that a restored receiver forgot without a mark, because its sender was restored too.
    pub unmarked: u64,
    /// Numbers under a mark whose message had been taken back, so that the mark says one too many.
    pub overcounted: BTreeSet<(usize, Lane, u64)>,
    /// What was found.
    pub violations: Vec<Violation>,
    next_no: u32,
}

impl Checker {
    /// For `count` daemons with empty disks.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self {
            promises: vec![Promises::default(); count],
            held: vec![BTreeSet::new(); count],
            kept: vec![BTreeSet::new(); count],
            restored: vec![false; count],
            ..Self::default()
        }
    }

    /// A new text, whose SEND is about to be made.
    pub fn issue(&mut self, from: usize, to: usize) -> Text {
        self.next_no += 1;
        let text = Text { from, to, no: self.next_no };
        self.fates.insert(text, Fate::Open);
        text
    }

    /// Whether a SEND of this pair is not answered yet.
    #[must_use]
    pub fn is_open(&self, from: usize, to: usize) -> bool {
        self.fates.iter().any(|(text, fate)| *fate == Fate::Open && (text.from, text.to) == (from, to))
    }

    /// A SEND was answered.
    pub fn answered(&mut self, text: Text, accepted: bool) {
        self.fates.insert(text, if accepted { Fate::Accepted } else { Fate::Refused });
        if accepted {
            self.promises[text.from].accepted.insert(text);
            // Whoever is written to becomes a contact.
            self.promises[text.from].contacts.insert(text.to);
        }
    }

    /// A client was told that a message is taken back and never left its machine.
    pub fn withdrawn(&mut self, text: Text) {
        self.promises[text.from].withdrawn.insert(text);
    }

    /// A client was told that a message is durable at its receiver, whose disk holds `there` now.
    pub fn delivered(&mut self, text: Text, there: &Image) {
        if !there.received.iter().any(|row| row.text == text) && !self.held[text.to].contains(&text) {
            self.violations.push(Violation::AckedBeforeDurable(text));
        }
    }

    /// An ADD was answered.
    pub fn added(&mut self, at: usize, peer: usize) {
        self.promises[at].contacts.insert(peer);
    }

    /// A client holds a message that it was given.
    pub fn leased(&mut self, at: usize, text: Text) {
        if self.promises[at].read.contains(&text) {
            self.violations.push(Violation::ReadForgotten(text));
        }
    }

    /// A client has taken a message and was told that this is durable.
    pub fn taken(&mut self, at: usize, text: Text) {
        self.promises[at].read.insert(text);
    }

    /// A daemon died: what it had not answered may have happened or not.
    pub fn died(&mut self, at: usize) {
        for (text, fate) in &mut self.fates {
            if text.from == at && *fate == Fate::Open {
                *fate = Fate::Unknown;
            }
        }
    }

    /// What belongs to a backup of this daemon that is made now.
    #[must_use]
    pub fn backup(&self, at: usize) -> Promises {
        self.promises[at].clone()
    }

    /// A daemon's disk is replaced by a backup. [`Checker::audit`] must have seen the old one in its last state.
    pub fn restore(&mut self, at: usize, backup: Promises) {
        self.promises[at] = backup;
        self.restored[at] = true;
    }

    /// What must hold at every moment. `images` are all disks, of one moment.
    pub fn audit(&mut self, images: &[Image]) {
        for (at, image) in images.iter().enumerate() {
            for row in &image.out {
                self.kept[at].insert(row.text);
                self.numbers.entry((at, row.lane, row.seq)).or_default().insert(row.text);
                if row.state > 1 {
                    self.gone.insert(row.text);
                }
            }
            self.held[at].extend(image.received.iter().map(|row| row.text));
        }
        for (at, image) in images.iter().enumerate() {
            self.audit_sent(at, image);
            self.audit_received(at, image);
            self.audit_marks(at, image);
        }
    }

    fn audit_sent(&mut self, at: usize, image: &Image) {
        let mut seen = BTreeSet::new();
        for row in &image.out {
            if !seen.insert(row.text) {
                self.violations.push(Violation::Duplicate(row.text));
            }
            if (row.text.from, row.text.to) != (at, row.peer) {
                self.violations.push(Violation::WrongSender(row.text, at));
            }
            if self.fates.get(&row.text) == Some(&Fate::Refused) {
                self.violations.push(Violation::RefusedButKept(row.text));
            }
            if row.state == 1 && !self.held[row.peer].contains(&row.text) {
                self.violations.push(Violation::AckedBeforeDurable(row.text));
            }
        }
        let promises = &self.promises[at];
        let lost = promises.accepted.difference(&seen).map(|text| Violation::NotKept(*text));
        let strangers = promises.contacts.difference(&image.contacts).map(|peer| Violation::ContactLost(at, *peer));
        self.violations.extend(lost.chain(strangers));
    }

    fn audit_received(&mut self, at: usize, image: &Image) {
        let mut seen = BTreeSet::new();
        let mut last: BTreeMap<(usize, Option<Lane>), (u64, u32)> = BTreeMap::new();
        for row in &image.received {
            let text = row.text;
            if !seen.insert(text) {
                self.violations.push(Violation::Duplicate(text));
            }
            if (text.from, text.to) != (row.peer, at) || !self.fates.contains_key(&text) {
                self.violations.push(Violation::WrongSender(text, row.peer));
            } else if self.fates.get(&text) == Some(&Fate::Refused) {
                self.violations.push(Violation::RefusedButKept(text));
            } else if !self.kept[text.from].contains(&text) {
                self.violations.push(Violation::SentBeforeDurable(text));
            }
            // What a restored sender takes back may have left it in the time that the backup forgot.
            if !self.restored[text.from] && self.promises[text.from].withdrawn.contains(&text) {
                self.violations.push(Violation::WithdrawnButThere(text));
            }
            let in_lane = last.insert((row.peer, Some(row.lane)), (row.seq, text.no));
            let mut bad = in_lane.is_some_and(|(seq, no)| seq >= row.seq || no >= text.no);
            // A restored sender repeats in a new lane what the receiver, if it was restored too, may have lost.
            if !self.restored[row.peer] {
                bad |= last.insert((row.peer, None), (0, text.no)).is_some_and(|(_, no)| no >= text.no);
            }
            if bad {
                self.violations.push(Violation::Reordered(text));
            }
            if !row.read && self.promises[at].read.contains(&text) {
                self.violations.push(Violation::ReadForgotten(text));
            }
        }
        if !self.restored[at] {
            self.violations.extend(self.held[at].difference(&seen).map(|text| Violation::Vanished(*text)));
        }
    }

    /// Every number up to the receiver's place in a lane is exactly one of: a message that is there; a message that is
    /// there already by another lane of a restored sender; a mark for one that a backup of the receiver forgot.
    fn audit_marks(&mut self, at: usize, image: &Image) {
        let mut rows: BTreeSet<(usize, Lane, u64)> = BTreeSet::new();
        let mut texts = BTreeSet::new();
        for row in &image.received {
            rows.insert((row.peer, row.lane, row.seq));
            texts.insert(row.text);
        }
        let marked = marked_numbers(image);
        for (&(from, lane), &hwm) in &image.lanes {
            for seq in 1..=hwm {
                let known = self.numbers.get(&(from, lane, seq));
                let here = known.is_some_and(|known| known.iter().any(|text| texts.contains(text)));
                let held = known.is_some_and(|known| known.iter().any(|text| self.held[at].contains(text)));
                if known.is_none() && self.restored[from] {
                    // It got another number by a new lane before the checker saw the first one.
                    continue;
                }
                let what = match (rows.contains(&(from, lane, seq)), marked.get(&(from, lane, seq)).copied()) {
                    (true, None) | (false, Some(1)) if known.is_none() => "the sender never had it",
                    (true, None) => continue,
                    (true, Some(_)) => "a message and a mark",
                    (false, Some(1)) if !self.restored[at] => "a mark, although nothing was forgotten",
                    // A restored receiver is told how many numbers it forgot, those included that were taken back: the
                    // sender remembers only how far the lane was. A known limit, counted.
                    (false, Some(1)) if known.is_some_and(|known| !known.is_disjoint(&self.gone)) => {
                        self.overcounted.insert((at, lane, seq));
                        continue;
                    }
                    (false, Some(1)) if !held => "a mark for what never was here",
                    (false, Some(1)) if here && !self.restored[from] => "a mark for what is here",
                    (false, Some(1)) => continue,
                    (false, Some(_)) => "two marks",
                    (false, None) if here && self.restored[from] => continue,
                    (false, None) if known.is_some_and(|known| !known.is_disjoint(&self.gone)) => continue,
                    (false, None) => "no mark",
                };
                self.violations.push(Violation::Hole { at, from, seq, what });
            }
        }
        for (from, lane, seq) in rows.into_iter().chain(marked.into_keys()) {
            if image.lanes.get(&(from, lane)).is_none_or(|hwm| seq > *hwm) {
                self.violations.push(Violation::Hole { at, from, seq, what: "beyond the lane's end" });
            }
        }
    }

    /// What must hold when everything has settled: each message that a daemon counts as its own is at its receiver, or
    /// under a mark there.
    pub fn finish(&mut self, images: &[Image]) {
        self.audit(images);
        let arrived: BTreeSet<Text> = images.iter().flat_map(|i| i.received.iter().map(|row| row.text)).collect();
        let marked: Vec<_> = images.iter().map(marked_numbers).collect();
        for (from, image) in images.iter().enumerate() {
            for row in &image.out {
                let marked = marked[row.peer].contains_key(&(from, row.lane, row.seq));
                if matches!(row.state, 0 | 4 | 5) {
                    self.violations.push(Violation::Stuck(format!("{} still waits", row.text)));
                } else if row.state == 1 && !arrived.contains(&row.text) && !marked {
                    // Both ends were restored. The sender may have left the lane in which it delivered this, and speaks
                    // only of its new one; or the receiver stands on numbers that the sender, before its own restore,
                    // gave to other messages, and the sender compares no digest of what is acknowledged. Known limits,
                    // counted, not mysteries: with only one end restored there must be a mark.
                    if self.restored[from] && self.restored[row.peer] {
                        self.unmarked += 1;
                    } else {
                        self.violations.push(Violation::Lost(row.text));
                    }
                }
            }
        }
    }
}

/// How many marks cover each number of each lane. A mark that cannot be read covers its last number only.
fn marked_numbers(image: &Image) -> BTreeMap<(usize, Lane, u64), u32> {
    let mut marked = BTreeMap::new();
    for mark in &image.marks {
        let first = mark.to.saturating_sub(mark.count().unwrap_or(1)) + 1;
        for seq in first..=mark.to {
            *marked.entry((mark.peer, mark.lane, seq)).or_insert(0) += 1;
        }
    }
    marked
}
