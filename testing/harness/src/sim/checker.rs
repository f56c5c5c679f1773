//! The checker: what the clients were told, what each disk ever held, and the promises that tie the two together.
//!
//! A restored backup loses what came after it, and that is not the daemon's fault. So everything that the clients were
//! told stands in a [`Promises`] of the daemon, which is copied with a backup and rolled back with it; and what a disk
//! held is noted right before it is replaced. With these two, a loss by a backup and a bug can be told apart exactly.

mod marks;
mod rooms;

use super::disk::rooms::Said;
use super::disk::{Image, Lane, Text};
use marks::marked_numbers;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::AddAssign;

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
    /// A client was told that a message is given up, and it is queued.
    GivenUpButQueued(Text),
    /// A message was given up although nobody took it back and it was not old enough.
    GivenUpUnasked(Text),
    /// The receiver has skipped the number of a message that was given up, and then got the message.
    CameBack(Text),
    /// A message is delivered or given up, and a client that waits for it, or reads the HISTORY, is not told so.
    NotTold(Text),
    /// A message vanished from a store that was never replaced.
    Vanished(Text),
    /// A message that a client took durably is unread again.
    ReadForgotten(Text),
    /// A client got a message that is not the oldest unread one, or none although one was there.
    WrongHead(usize, Option<Text>),
    /// A client was told that a contact was added, and it is not there.
    ContactLost(usize, usize),
    /// A client was told that a contact is hidden from or shown to, and the store says otherwise.
    HiddenForgotten(usize, usize),
    /// The second daemon has met another copy of the first, and the first does not say so.
    NoNotice(usize, usize),
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
    /// A client was told that a text is accepted in a room, and the store does not hold it.
    RoomTextNotKept(Said),
    /// A client was told that a text was not accepted in a room, and it is there.
    RoomTextRefused(Said),
    /// A text in a room counts twice at a member.
    RoomTextTwice(Said, usize),
    /// A member has a text that nobody wrote, or that was never durable at its writer.
    RoomTextUnknown(Said, usize),
    /// A text in a room stands before one that its writer said earlier.
    RoomTextReordered(Said, usize),
    /// The messages of a member show a text that does not count, or do not show one that does.
    RoomTextShown(Said, usize),
    /// A text is delivered by its writer's account, and was never durable at another member.
    RoomTextNotThere(Said),
    /// A text was seen with another id before.
    RoomTextOtherId(Said, usize),
    /// A text that was accepted does not count at a member.
    RoomTextLost(Said, usize),
    /// The members of a room do not agree, or something still waits.
    RoomNotSettled(String),
    /// Messages still wait although nothing has stood in their way for the stated time.
    Stuck(String),
    /// An engine ended that nobody stopped, or a task panicked.
    Broken(String),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stuck(what) | Self::Broken(what) | Self::RoomNotSettled(what) => write!(f, "{what}"),
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
    /// Texts that were taken back, whether they had left or not, or that failed.
    given_up: BTreeSet<Text>,
    /// Texts that were taken.
    read: BTreeSet<Text>,
    /// Contacts that were added.
    contacts: BTreeSet<usize>,
    /// Which peers it hides from, and which it shows itself to, where that is not just being changed.
    hidden: BTreeMap<usize, bool>,
    /// Texts that are accepted in rooms.
    said: BTreeSet<Said>,
}

/// What daemons that were restored from backups, or whose copies alternate, cannot know: how often each was met. Known
/// limits, each with its one cause; what has another cause is a [`Violation`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Messages that a restored receiver forgot without a mark, because its sender was restored too and has left the lane
    /// in which it delivered them: nobody compares that lane any more.
    pub left_lanes: u64,
    /// The same, because the sender gave one number to two messages, in times of which it forgot one: who is behind is
    /// judged by the number alone.
    pub reused_numbers: u64,
    /// Messages that were taken back too late for one copy of the receiver, which has them, and in time for the other.
    pub half_taken_back: u64,
    /// Numbers under a mark whose message had been taken back and never was there, so that the mark says one too many: the
    /// sender remembers only how far the lane was.
    pub overcounted: u64,
    /// Numbers under a mark whose message is there by another lane of a restored sender.
    pub repeated: u64,
}

impl AddAssign for Limits {
    fn add_assign(&mut self, other: Self) {
        self.left_lanes += other.left_lanes;
        self.reused_numbers += other.reused_numbers;
        self.half_taken_back += other.half_taken_back;
        self.overcounted += other.overcounted;
        self.repeated += other.repeated;
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "forgotten without a mark, because both ends were restored: {} in lanes that were left, {} whose numbers were \
             used twice; {} taken back for one copy and not for the other; too many in marks: {} that were taken back, {} \
             that are there by another lane",
            self.left_lanes, self.reused_numbers, self.half_taken_back, self.overcounted, self.repeated
        )
    }
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
    /// Those of them whose numbers the receiver has skipped, in the lane that goes on, without ever having had them.
    skipped: BTreeSet<Text>,
    /// Texts that nobody takes back and that get no time to expire.
    urgent: BTreeSet<Text>,
    /// Texts of which a client waits to be told how they ended.
    waits: BTreeSet<Text>,
    /// Changes of what a contact sees that were asked for and not answered: whose, and the contact.
    appearing: BTreeSet<(usize, usize)>,
    /// Whether messages expire within the time of a storm.
    expires: bool,
    /// Daemons that were restored from a backup.
    restored: Vec<bool>,
    /// The texts that ever had a number in a lane of a sender.
    numbers: BTreeMap<(usize, Lane, u64), BTreeSet<Text>>,
    /// Counts all but what follows.
    limits: Limits,
    /// See [`Limits::overcounted`].
    overcounted: BTreeSet<(usize, Lane, u64)>,
    /// See [`Limits::repeated`].
    repeated: BTreeSet<(usize, Lane, u64)>,
    book: rooms::Book,
    /// What was found.
    pub violations: Vec<Violation>,
    next_no: u32,
}

impl Checker {
    /// For `count` daemons with empty disks, whose messages expire within the time of a storm or not.
    #[must_use]
    pub fn new(count: usize, expires: bool) -> Self {
        Self {
            expires,
            promises: vec![Promises::default(); count],
            held: vec![BTreeSet::new(); count],
            kept: vec![BTreeSet::new(); count],
            restored: vec![false; count],
            ..Self::default()
        }
    }

    /// What was met so far.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits { overcounted: self.overcounted.len() as u64, repeated: self.repeated.len() as u64, ..self.limits }
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
            // The receiver of a message becomes a contact.
            self.promises[text.from].contacts.insert(text.to);
        }
    }

    /// A client was told that a message is taken back, and whether it is certain that it never left its machine.
    pub fn withdrawn(&mut self, text: Text, certain: bool) {
        let promises = &mut self.promises[text.from];
        promises.given_up.insert(text);
        if certain {
            promises.withdrawn.insert(text);
        }
    }

    /// From now on nobody takes this back, and it is delivered before it can expire.
    pub fn urge(&mut self, text: Text) {
        self.urgent.insert(text);
    }

    /// A client waits to be told how a message ends.
    pub fn waits(&mut self, text: Text) {
        self.waits.insert(text);
    }

    /// A client's wait has ended; `failed`: with the words that it will not be delivered.
    pub fn waited(&mut self, text: Text, failed: bool) {
        self.waits.remove(&text);
        if failed {
            self.promises[text.from].given_up.insert(text);
        }
    }

    /// A client asks to hide from a contact or to be shown. `false`: it has an answer to await first.
    pub fn appears(&mut self, at: usize, peer: usize) -> bool {
        self.promises[at].hidden.remove(&peer);
        self.appearing.insert((at, peer))
    }

    /// It was answered; `hidden`: what it was told, or nothing because it was refused.
    pub fn appeared(&mut self, at: usize, peer: usize, hidden: Option<bool>) {
        self.appearing.remove(&(at, peer));
        self.promises[at].hidden.extend(hidden.map(|hidden| (peer, hidden)));
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
        self.said_died(at);
        self.waits.retain(|text| text.from != at);
        self.appearing.retain(|(of, _)| *of != at);
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
        // By its account of then they may be queued.
        self.skipped.retain(|text| text.from != at);
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
            for row in &image.received {
                self.held[at].insert(row.text);
                self.numbers.entry((row.peer, row.lane, row.seq)).or_default().insert(row.text);
            }
        }
        for (at, image) in images.iter().enumerate() {
            self.audit_sent(at, image);
            self.audit_received(at, image);
            self.audit_marks(at, image);
        }
        self.audit_rooms(images);
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
            let held = self.held[row.peer].contains(&row.text);
            if row.state == 1 && !held {
                self.violations.push(Violation::AckedBeforeDurable(row.text));
            }
            if row.state == 0 && self.promises[at].given_up.contains(&row.text) {
                self.violations.push(Violation::GivenUpButQueued(row.text));
            }
            if matches!(row.state, 3 | 5) && !self.expires || row.state > 1 && self.urgent.contains(&row.text) {
                self.violations.push(Violation::GivenUpUnasked(row.text));
            }
            if held && self.skipped.contains(&row.text) {
                self.violations.push(Violation::CameBack(row.text));
            } else if matches!(row.state, 2 | 3) && !held && image.open.get(&row.peer) == Some(&row.lane) {
                self.skipped.insert(row.text);
            }
        }
        let promises = &self.promises[at];
        let lost = promises.accepted.difference(&seen).map(|text| Violation::NotKept(*text));
        let strangers = promises.contacts.iter().filter(|peer| !image.contacts.contains_key(peer));
        let strangers = strangers.map(|peer| Violation::ContactLost(at, *peer));
        let hidden = promises.hidden.iter().filter(|(peer, hidden)| image.contacts.get(peer) != Some(hidden));
        let hidden = hidden.map(|(peer, _)| Violation::HiddenForgotten(at, *peer));
        self.violations.extend(lost.chain(strangers).chain(hidden));
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
            let mut bad = in_lane.is_some_and(|(seq, _)| seq >= row.seq);
            if self.restored[row.peer] {
                // It repeats in a new lane what the receiver, if it was restored too, may have lost. In one lane, only a
                // mark can stand between what two of its copies wrote.
                let copies = |seq| image.marks.iter().any(|m| m.lane == row.lane && m.to > seq && m.to < row.seq);
                bad |= in_lane.is_some_and(|(seq, no)| no >= text.no && !copies(seq));
            } else {
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

    /// What must hold when everything has settled: each message that a daemon counts as its own is at its receiver, or
    /// under a mark there; what it gave up is not; and all who waited were told.
    pub fn finish(&mut self, images: &[Image]) {
        self.audit(images);
        let arrived: BTreeSet<_> = images.iter().flat_map(|i| i.received.iter().map(|row| row.text)).collect();
        let placed: BTreeSet<_> =
            images.iter().flat_map(|i| i.received.iter().map(|row| (row.text, row.lane))).collect();
        let marked: Vec<_> = images.iter().map(marked_numbers).collect();
        for (from, image) in images.iter().enumerate() {
            for row in &image.out {
                let open = image.open.get(&row.peer) == Some(&row.lane);
                let restored = (self.restored[from], self.restored[row.peer]);
                let number = (from, row.lane, row.seq);
                match row.state {
                    1 if arrived.contains(&row.text) || marked[row.peer].contains_key(&number) => {}
                    1 if restored == (true, true) && !open => self.limits.left_lanes += 1,
                    1 if restored == (true, true) && self.numbers.get(&number).is_some_and(|texts| texts.len() > 1) => {
                        self.limits.reused_numbers += 1;
                    }
                    1 if restored.1 && self.gone.contains(&row.text) => self.limits.half_taken_back += 1,
                    1 => self.violations.push(Violation::Lost(row.text)),
                    // With one end restored the other one's tombstone and message can both be old.
                    2 | 3 if open && restored == (false, false) && placed.contains(&(row.text, row.lane)) => {
                        self.violations.push(Violation::CameBack(row.text));
                    }
                    2 | 3 => {}
                    _ => self.violations.push(Violation::Stuck(format!("{} still waits", row.text))),
                }
            }
        }
        let untold = std::mem::take(&mut self.waits);
        self.violations.extend(untold.into_iter().map(Violation::NotTold));
    }
}
