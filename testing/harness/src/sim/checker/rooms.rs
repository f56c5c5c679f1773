//! What is promised of rooms: no text that was accepted is lost, none counts twice, and all members agree.

use super::{Checker, Fate, Violation};
use crate::sim::disk::Image;
use crate::sim::disk::rooms::{RoomImage, Said};
use std::collections::{BTreeMap, BTreeSet};

/// What the clients in rooms were told, beside the promises of each daemon.
#[derive(Debug, Default)]
pub(super) struct Book {
    fates: BTreeMap<Said, Fate>,
    /// What each disk, or one that it replaced, ever held of its own texts.
    kept: BTreeSet<Said>,
    /// What each disk, or one that it replaced, ever held of the texts of others.
    held: BTreeSet<Said>,
    /// Texts that somebody wanted to be taken away.
    redacted: BTreeSet<Said>,
    /// The id that each text was first seen with: programs know it by that, and what is said again keeps it.
    mids: BTreeMap<Said, String>,
    next_no: u32,
}

impl Checker {
    /// A new text in a room, whose SEND is about to be made.
    pub fn issue_said(&mut self, from: usize) -> Said {
        self.book.next_no += 1;
        let said = Said { from, no: self.book.next_no };
        self.book.fates.insert(said, Fate::Open);
        said
    }

    /// Whether a SEND to a room of this daemon is not answered yet.
    #[must_use]
    pub fn is_saying(&self, from: usize) -> bool {
        self.book.fates.iter().any(|(said, fate)| *fate == Fate::Open && said.from == from)
    }

    /// A SEND to a room was answered.
    pub fn said(&mut self, said: Said, accepted: bool) {
        self.book.fates.insert(said, if accepted { Fate::Accepted } else { Fate::Refused });
        if accepted {
            self.promises[said.from].said.insert(said);
        }
    }

    /// Somebody wants a text to be taken away.
    pub fn redacts(&mut self, said: Said) {
        self.book.redacted.insert(said);
    }

    pub(super) fn said_died(&mut self, at: usize) {
        for (said, fate) in &mut self.book.fates {
            if said.from == at && *fate == Fate::Open {
                *fate = Fate::Unknown;
            }
        }
    }

    /// What must hold of rooms at every moment.
    pub(super) fn audit_rooms(&mut self, images: &[Image]) {
        for (at, image) in images.iter().enumerate() {
            let own = |said: &Said| said.from == at;
            for room in image.rooms.values() {
                self.book.kept.extend(room.queued.iter().copied());
                self.book.kept.extend(room.texts.iter().map(|row| row.said).filter(own));
                self.book.held.extend(room.texts.iter().map(|row| row.said).filter(|said| !own(said)));
            }
        }
        for (at, image) in images.iter().enumerate() {
            for row in image.rooms.values().flat_map(|room| &room.texts) {
                let first = self.book.mids.entry(row.said).or_insert_with(|| row.mid.clone());
                if *first != row.mid {
                    self.violations.push(Violation::RoomTextOtherId(row.said, at));
                }
            }
            for room in image.rooms.values() {
                self.audit_room(at, room);
            }
            let kept =
                |said: &Said| self.book.redacted.contains(said) || image.rooms.values().any(|room| room.has(*said));
            let lost = self.promises[at].said.iter().filter(|said| !kept(said));
            self.violations.extend(lost.map(|said| Violation::RoomTextNotKept(*said)));
        }
    }

    fn audit_room(&mut self, at: usize, room: &RoomImage) {
        let mut seen = BTreeSet::new();
        for row in &room.texts {
            let said = row.said;
            if row.counts && !seen.insert(said) {
                self.violations.push(Violation::RoomTextTwice(said, at));
            }
            match self.book.fates.get(&said) {
                None => self.violations.push(Violation::RoomTextUnknown(said, at)),
                Some(Fate::Refused) => self.violations.push(Violation::RoomTextRefused(said)),
                // A disk does not hold the words of what was taken away.
                Some(_) if !self.book.kept.contains(&said) && !self.book.redacted.contains(&said) => {
                    self.violations.push(Violation::RoomTextUnknown(said, at));
                }
                Some(_) => {}
            }
        }
        let shown: BTreeSet<_> = room.shown.iter().map(|shown| shown.said).collect();
        let is: BTreeSet<_> = seen.into_iter().chain(room.queued.iter().copied()).collect();
        if let Some(said) = shown.symmetric_difference(&is).next() {
            self.violations.push(Violation::RoomTextShown(*said, at));
        }
        for shown in &room.shown {
            let (said, there) = (shown.said, self.book.held.contains(&shown.said));
            if shown.delivered && !there && !self.book.redacted.contains(&said) {
                self.violations.push(Violation::RoomTextNotThere(said));
            }
        }
        if shown.len() < room.shown.len() {
            self.violations.push(Violation::RoomNotSettled(format!("{at} shows a text twice")));
        }
        // One chain of a writer that was never restored: what it said first has the smaller number.
        let mut last: BTreeMap<usize, u32> = BTreeMap::new();
        let mut rows: Vec<_> = room.texts.iter().filter(|row| row.counts).collect();
        rows.sort_unstable_by_key(|row| row.place);
        for row in rows.into_iter().filter(|row| !self.restored[row.said.from]) {
            if last.insert(row.said.from, row.said.no).is_some_and(|before| before > row.said.no) {
                self.violations.push(Violation::RoomTextReordered(row.said, at));
            }
        }
    }

    /// Whether nothing of a room waits: all are members and have the same, and what was promised counts at all.
    #[must_use]
    pub fn is_room_settled(&self, images: &[Image], room: &[u8; 32]) -> bool {
        self.unsettled(images, room).is_empty()
    }

    /// What must hold when everything has settled.
    pub fn finish_room(&mut self, images: &[Image], room: &[u8; 32]) {
        self.audit(images);
        let unsettled = self.unsettled(images, room);
        self.violations.extend(unsettled);
    }

    fn unsettled(&self, images: &[Image], room: &[u8; 32]) -> Vec<Violation> {
        let of = |what: String| Violation::RoomNotSettled(what);
        let mut found = Vec::new();
        let mut first: Option<(usize, &RoomImage, BTreeSet<_>)> = None;
        for (at, image) in images.iter().enumerate() {
            let Some(image) = image.rooms.get(room) else {
                found.push(of(format!("{at} is in no room")));
                continue;
            };
            if image.state != 1 {
                found.push(of(format!("{at} is in state {}", image.state)));
            }
            if let Some(said) = image.queued.first() {
                found
                    .push(of(format!("{at} has {} texts that are no events, the first is {said}", image.queued.len())));
            }
            let counting = image.counting();
            let counts: BTreeSet<Said> = counting.iter().map(|(said, _)| *said).collect();
            for promises in &self.promises {
                let lost =
                    promises.said.iter().filter(|said| !self.book.redacted.contains(said) && !counts.contains(said));
                found.extend(lost.map(|said| Violation::RoomTextLost(*said, at)));
            }
            match &first {
                None => first = Some((at, image, counting)),
                Some((other, like, texts)) => {
                    if image.acts != like.acts {
                        found.push(of(format!("{at} has {} acts, {other} has {}", image.acts.len(), like.acts.len())));
                    }
                    let (here, there) = (image.valid(), like.valid());
                    if here != there {
                        let only_here: Vec<_> = here.difference(&there).take(3).collect();
                        let only_there: Vec<_> = there.difference(&here).take(3).collect();
                        found.push(of(format!("only {at} has {only_here:?}, only {other} has {only_there:?}")));
                    }
                    if counting != *texts {
                        let differs = counting.symmetric_difference(texts).next();
                        found.push(of(format!("other texts count at {at} than at {other}: {differs:?}")));
                    }
                }
            }
        }
        found
    }
}
