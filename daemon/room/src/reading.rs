//! What a replica has looked up in its stored log, and what is said to others from there.
//!
//! The log is not in memory. A turn asks with an effect [`Read`]; whoever has the log answers it outside of the turn with
//! [`answer`], says the frames on the channel, and gives the [`Report`] back as an input.

use crate::outcome::ChannelId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use torchat_protocol::room::body::Place;
use torchat_protocol::room::body::said::Text;
use torchat_protocol::room::{Author, Event, EventId, Frame, Head, Header, LogDigest, MemberNo, Tag};

/// A question to the stored log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// Where the log begins for somebody who does not get all of it, and where the chains begin there. For a channel.
    Begin {
        /// To whom it is said.
        channel: ChannelId,
        /// It wants at most so many events of members; `None`: all that it gets.
        want: Option<u32>,
        /// It gets nothing before this position but acts, and what decides about later events.
        not_before: u64,
        /// What is left out.
        filter: Arc<Filter>,
    },
    /// The log from a position, for a channel.
    Log {
        /// To whom it is said.
        channel: ChannelId,
        /// The position.
        from: u64,
        /// Only what decides about later events, up to this position; `None`: everything.
        early: Option<u64>,
        /// About how many bytes are said; one event may always be.
        most: u32,
        /// What is left out.
        filter: Arc<Filter>,
    },
    /// A chain, for a channel.
    Chain {
        /// To whom it is said.
        channel: ChannelId,
        /// The chain.
        author: Author,
        /// From this number.
        from: u64,
        /// Up to this number.
        upto: u64,
        /// Nothing before this position.
        not_before: u64,
        /// About how many bytes are said; one event may always be.
        most: u32,
    },
    /// Events with their bodies, for a channel.
    Bodies {
        /// To whom they are said.
        channel: ChannelId,
        /// Which.
        places: Vec<Place>,
        /// Nothing before this position.
        not_before: u64,
        /// About how many bytes are said; one event may always be.
        most: u32,
    },
    /// One event, for a question of the replica.
    Find {
        /// The question.
        ticket: u64,
        /// Which event.
        place: Place,
    },
    /// The digest of everything before a position, and the last numbers of some chains before it, for a question of the replica.
    Digest {
        /// The question.
        ticket: u64,
        /// The position.
        next: u64,
        /// The chains.
        chains: Vec<Author>,
    },
    /// Texts of a chain of ours, from a number on, that count as nothing, and of which no other counts or was redacted.
    Own {
        /// The chain.
        author: Author,
        /// The number.
        from: u64,
    },
    /// Events whose bodies are not here and that are not redacted: one that was redacted may be so no more.
    Missing,
}

/// What came of a [`Read`], for the replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// Where the chains begin was said.
    Begin {
        /// On which channel.
        channel: ChannelId,
        /// The position with which the log begins there.
        start: u64,
    },
    /// The log was said up to a position.
    Log {
        /// On which channel.
        channel: ChannelId,
        /// The next position.
        next: u64,
        /// How many bytes of events were said.
        bytes: u64,
    },
    /// A chain was said up to a number.
    Chain {
        /// On which channel.
        channel: ChannelId,
        /// The next number; `None`: that was all.
        next: Option<u64>,
        /// How many bytes of events were said.
        bytes: u64,
    },
    /// Events with their bodies were said.
    Bodies {
        /// On which channel.
        channel: ChannelId,
        /// Those for which there was no place.
        left: Vec<Place>,
        /// How many bytes of events were said.
        bytes: u64,
    },
    /// An event, with its position.
    Find {
        /// The question.
        ticket: u64,
        /// The event.
        found: Option<(u64, Arc<Event>)>,
    },
    /// A digest.
    Digest {
        /// The question.
        ticket: u64,
        /// The digest; `None`: the log is shorter.
        digest: Option<LogDigest>,
        /// The last numbers of the chains that were asked for; without those that have none.
        chains: Vec<(Author, u64)>,
    },
    /// Texts of ours of which none counts.
    Own {
        /// The chain.
        author: Author,
        /// The texts, in their order.
        texts: Vec<Text>,
    },
    /// The events whose bodies are missing.
    Missing {
        /// Which.
        places: Vec<Place>,
    },
}

/// What somebody who is told a log does not need, as it was when the reading was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Where the log ended then. What is behind is left to the next reading: this filter does not know the acts and members among
    /// it, and would leave them out for good.
    pub end: u64,
    /// What the other side has.
    pub has: BTreeMap<Author, (u64, Tag)>,
    /// The last number that counts, of chains of which not everything does.
    pub lines: BTreeMap<Author, u64>,
    /// The members that are or were in; events of others are left out.
    pub members: BTreeSet<MemberNo>,
    /// The ids of the acts on the branch.
    pub branch: BTreeSet<EventId>,
    /// Acts that decide between branches, which are left out only for those who have a later act of this branch.
    pub decisive: BTreeSet<EventId>,
    /// The number of the other side's last act, if that is on this branch.
    pub acts_upto: u64,
    /// Positions of what came from the other side.
    pub from_there: BTreeSet<u64>,
}

impl Filter {
    /// Whether an event is said.
    #[must_use]
    pub fn wants(&self, pos: u64, header: &Header, id: EventId) -> bool {
        !self.from_there.contains(&pos) && self.counts(header, id) && !self.is_known(header, id)
    }

    fn counts(&self, header: &Header, id: EventId) -> bool {
        match header.author.member() {
            None => self.branch.contains(&id),
            Some(member) => {
                self.members.contains(&member)
                    && header.seq <= self.lines.get(&header.author).copied().unwrap_or(u64::MAX)
            }
        }
    }

    fn is_known(&self, header: &Header, id: EventId) -> bool {
        if self.decisive.contains(&id) {
            return header.seq <= self.acts_upto;
        }
        self.has
            .get(&header.author)
            .is_some_and(|(seq, tag)| header.seq < *seq || (header.seq == *seq && id.tag() == *tag))
    }
}

/// A stored log, as [`answer`] reads it. Positions begin at 1.
pub trait Log {
    /// What goes wrong when it is read.
    type Error;

    /// Visits the events from a position on, in order, until the visitor says false.
    ///
    /// # Errors
    /// As the store has them.
    fn visit(&self, from: u64, visitor: &mut dyn FnMut(u64, Arc<Event>) -> bool) -> Result<(), Self::Error>;

    /// Visits the events of some kinds from a position on, in order, until the visitor says false.
    ///
    /// # Errors
    /// As the store has them.
    fn visit_kinds(
        &self,
        kinds: &[u8],
        from: u64,
        visitor: &mut dyn FnMut(u64, Arc<Event>) -> bool,
    ) -> Result<(), Self::Error>;

    /// Visits the events of a chain from a number on, in order, with their positions, until the visitor says false.
    ///
    /// # Errors
    /// As the store has them.
    fn visit_chain(&self, from: Place, visitor: &mut dyn FnMut(u64, Arc<Event>) -> bool) -> Result<(), Self::Error>;

    /// The members' chains of which something is stored, or a floor known.
    ///
    /// # Errors
    /// As the store has them.
    fn chains(&self) -> Result<Vec<Author>, Self::Error>;

    /// Of a chain, the last event up to a number that is stored before a position; else the event at its floor. Its body may
    /// be missing.
    ///
    /// # Errors
    /// As the store has them.
    fn last_before(&self, upto: Place, before: u64) -> Result<Option<Arc<Event>>, Self::Error>;

    /// The event of a member at a place, with its position.
    ///
    /// # Errors
    /// As the store has them.
    fn at(&self, place: Place) -> Result<Option<(u64, Arc<Event>)>, Self::Error>;

    /// The digest of everything before a position; `None`: the log is shorter.
    ///
    /// # Errors
    /// As the store has them.
    fn digest(&self, next: u64) -> Result<Option<LogDigest>, Self::Error>;

    /// The position with which the last so many events of members begin.
    ///
    /// # Errors
    /// As the store has them.
    fn start_of_last(&self, count: u32) -> Result<u64, Self::Error>;

    /// Texts of a chain from a number on that count as nothing, and of whose id no text of the member counts, or was redacted, as far
    /// as its id was ever known here.
    ///
    /// # Errors
    /// As the store has them.
    fn uncounted(&self, from: Place) -> Result<Vec<Text>, Self::Error>;

    /// Events whose bodies are not here and that are not redacted.
    ///
    /// # Errors
    /// As the store has them.
    fn missing(&self) -> Result<Vec<Place>, Self::Error>;
}

/// Events as frames, as the protocol puts them together. Only here are they taken out of what they share with others: what
/// waits for a channel is held once, however many channels it waits for.
pub fn pack(events: Vec<Arc<Event>>) -> Vec<Frame> {
    Frame::Events(events.into_iter().map(Arc::unwrap_or_clone).collect()).parts()
}

/// How many positions one reading looks at, at most: what is left out costs time, too.
const POSITIONS: u64 = 4_096;
/// The kinds of events that decide about later ones, or are in force until another comes: mutes and their ends, topics, offers
/// and names.
const DECIDING: [u8; 5] = [20, 21, 22, 25, 29];

/// Whether events of a kind before somebody's start are said all the same, and taken below a floor.
pub(crate) fn decides(kind: u8) -> bool {
    DECIDING.contains(&kind)
}

/// Gathers events until they are enough.
struct Page {
    events: Vec<Arc<Event>>,
    bytes: usize,
    most: usize,
}

impl Page {
    fn new(most: u32) -> Self {
        Self { events: Vec::new(), bytes: 0, most: most as usize }
    }

    /// False: it is full, and the event is not on it. One event may always be.
    fn add(&mut self, event: Arc<Event>) -> bool {
        let len = Frame::event_len(&event);
        let fits = self.bytes == 0 || self.bytes + len <= self.most;
        if fits {
            self.bytes += len;
            self.events.push(event);
        }
        fits
    }
}

/// Answers a question: the frames to say on its channel, and the report for the replica.
///
/// # Errors
/// Those of the log.
pub fn answer<L: Log>(log: &L, read: &Read) -> Result<(Vec<Frame>, Report), L::Error> {
    match read {
        Read::Begin { channel, want, not_before, filter } => {
            let wanted = want.map_or(Ok(1), |count| log.start_of_last(count))?;
            // Never behind what the filter knows: where chains begin there would not be told.
            let start = wanted.max(*not_before).min(filter.end);
            let heads = heads(log, start, filter)?;
            Ok((Frame::Base(heads).parts(), Report::Begin { channel: *channel, start }))
        }
        Read::Log { channel, from, early, most, filter } => {
            let (mut page, mut next, mut stopped) = (Page::new(*most), *from, false);
            let end = early.unwrap_or(filter.end).min(filter.end);
            let mut visit = |pos: u64, event: Arc<Event>| {
                if pos >= end {
                    return false;
                }
                let wanted = filter.wants(pos, event.header(), event.id());
                stopped = pos >= from + POSITIONS || (wanted && !page.add(event));
                if !stopped {
                    next = pos + 1;
                }
                !stopped
            };
            if early.is_some() {
                log.visit_kinds(&DECIDING, *from, &mut visit)?;
            } else {
                log.visit(*from, &mut visit)?;
            }
            if !stopped {
                // There is nothing more before the end.
                next = next.max(end);
            }
            Ok((pack(page.events), Report::Log { channel: *channel, next, bytes: page.bytes as u64 }))
        }
        Read::Chain { channel, author, from, upto, not_before, most } => {
            let (mut page, mut next) = (Page::new(*most), None);
            log.visit_chain(Place { author: *author, seq: *from }, &mut |pos, event| {
                let seq = event.header().seq;
                if seq > *upto {
                    return false;
                }
                if seq >= from + POSITIONS || (pos >= *not_before && !page.add(event)) {
                    next = Some(seq);
                }
                next.is_none()
            })?;
            Ok((pack(page.events), Report::Chain { channel: *channel, next, bytes: page.bytes as u64 }))
        }
        Read::Bodies { channel, places, not_before, most } => {
            let (mut page, mut left) = (Page::new(*most), places.iter().copied());
            let mut full = None;
            for place in left.by_ref() {
                let found = log.at(place)?.filter(|(pos, event)| pos >= not_before && event.body().is_some());
                if found.is_some_and(|(_, event)| !page.add(event)) {
                    full = Some(place);
                    break;
                }
            }
            let (bytes, left) = (page.bytes as u64, full.into_iter().chain(left).collect());
            Ok((pack(page.events), Report::Bodies { channel: *channel, left, bytes }))
        }
        Read::Find { ticket, place } => Ok((Vec::new(), Report::Find { ticket: *ticket, found: log.at(*place)? })),
        Read::Digest { ticket, next, chains } => {
            let mut last = Vec::new();
            for author in chains {
                let upto = Place { author: *author, seq: u64::MAX };
                last.extend(log.last_before(upto, *next)?.map(|event| (*author, event.header().seq)));
            }
            Ok((Vec::new(), Report::Digest { ticket: *ticket, digest: log.digest(*next)?, chains: last }))
        }
        Read::Own { author, from } => {
            let texts = log.uncounted(Place { author: *author, seq: *from })?;
            Ok((Vec::new(), Report::Own { author: *author, texts }))
        }
        Read::Missing => Ok((Vec::new(), Report::Missing { places: log.missing()? })),
    }
}

/// The last event of each chain before a position, of chains of which the other side has nothing.
fn heads<L: Log>(log: &L, start: u64, filter: &Filter) -> Result<Vec<Event>, L::Error> {
    let mut heads = Vec::new();
    for author in log.chains()? {
        let known = author.member().is_some_and(|member| filter.members.contains(&member));
        if !known || filter.has.contains_key(&author) {
            continue;
        }
        let line = filter.lines.get(&author).copied().unwrap_or(u64::MAX);
        heads.extend(log.last_before(Place { author, seq: line }, start)?.map(|head| head.stripped()));
    }
    Ok(heads)
}

/// A frontier, as a filter has it.
#[must_use]
pub(crate) fn frontier(heads: &[Head]) -> BTreeMap<Author, (u64, Tag)> {
    heads.iter().map(|head| (head.author, (head.seq, head.tag))).collect()
}
