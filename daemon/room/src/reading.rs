//! What a replica has looked up in its stored log, and what is said to others from there.
//!
//! The log is not in memory. A turn asks with an effect [`Read`]; whoever has the log answers it outside of the turn with
//! [`answer`], says the frames on the channel, and gives the [`Report`] back as an input.

use crate::chain::place;
use crate::outcome::ChannelId;
use crate::standing::Standing;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use torchat_protocol::room::body::Place;
use torchat_protocol::room::body::said::Text;
use torchat_protocol::room::{Author, Event, EventId, Frame, Head, Header, LogDigest, MemberNo, Tag};

/// A question to the stored log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// The log from a position, for a channel.
    Log {
        /// To whom it is said.
        channel: ChannelId,
        /// The position.
        from: u64,
        /// About how many bytes are said; one event may always be.
        most: u32,
        /// What is left out.
        filter: Arc<Filter>,
        /// The log does not begin with its first event for the other side.
        begin: Option<Begin>,
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
        /// About how many bytes are said; one event may always be.
        most: u32,
    },
    /// Events with their bodies, for a channel.
    Bodies {
        /// To whom they are said.
        channel: ChannelId,
        /// Which.
        places: Vec<Place>,
    },
    /// One event, for a question of the replica.
    Find {
        /// The question.
        ticket: u64,
        /// Which event.
        place: Place,
    },
    /// The digest of everything before a position, for a question of the replica.
    Digest {
        /// The question.
        ticket: u64,
        /// The position.
        next: u64,
    },
    /// Texts of a chain of ours, from a number on, of which no other counts.
    Own {
        /// The chain.
        author: Author,
        /// The number.
        from: u64,
    },
}

/// How a log begins for somebody who does not get all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begin {
    /// It wants at most so many events of members; `None`: all that it gets.
    pub want: Option<u32>,
    /// It gets nothing before this position.
    pub not_before: u64,
    /// The acts of the branch, which it gets in any case.
    pub acts: Vec<Arc<Event>>,
}

/// What came of a [`Read`], for the replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
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
    },
    /// Texts of ours of which none counts.
    Own {
        /// The chain.
        author: Author,
        /// The texts, in their order.
        texts: Vec<Text>,
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

    /// Visits the events of a chain from a number on, in order, until the visitor says false.
    ///
    /// # Errors
    /// As the store has them.
    fn visit_chain(&self, from: Place, visitor: &mut dyn FnMut(Arc<Event>) -> bool) -> Result<(), Self::Error>;

    /// The event at a place, with its position: of those on the branch, if it is an act.
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

    /// Texts of a chain from a number on of whose id no text of the member counts.
    ///
    /// # Errors
    /// As the store has them.
    fn uncounted(&self, from: Place) -> Result<Vec<Text>, Self::Error>;
}

/// Bytes of events in one frame, of those that share it: what fits into the largest record.
const FRAME_BYTES: usize = torchat_protocol::frame::MAX_BODY;

/// Bytes of an event in a frame.
#[must_use]
pub fn wire_len(event: &Event) -> usize {
    1 + torchat_protocol::room::WIRE_HEADER_LEN + 64 + event.body().map_or(0, |body| body.len())
}

/// Events as frames: those that fit share one.
pub fn pack(events: Vec<Arc<Event>>) -> impl Iterator<Item = Frame> {
    let mut events = events.into_iter().peekable();
    std::iter::from_fn(move || {
        let first = events.next()?;
        let mut bytes = wire_len(&first);
        let mut list = vec![Arc::unwrap_or_clone(first)];
        while let Some(next) = events.next_if(|next| bytes + wire_len(next) <= FRAME_BYTES) {
            bytes += wire_len(&next);
            list.push(Arc::unwrap_or_clone(next));
        }
        Some(Frame::Events(list))
    })
}

/// Answers a question: the frames to say on its channel, and the report for the replica.
///
/// # Errors
/// Those of the log.
pub fn answer<L: Log>(log: &L, read: &Read) -> Result<(Vec<Frame>, Report), L::Error> {
    match read {
        Read::Log { channel, from, most, filter, begin } => {
            let mut out = Vec::new();
            let mut from = *from;
            if let Some(begin) = begin {
                let wanted = begin.want.map_or(Ok(1), |count| log.start_of_last(count))?;
                // Never behind what the filter knows: where chains begin there would not be told.
                from = from.max(begin.not_before).max(wanted).min(filter.end);
                before(log, from, filter, begin, &mut out)?;
            }
            let (mut events, mut bytes, mut next) = (Vec::new(), 0, from);
            log.visit(from, &mut |pos, event| {
                if pos >= filter.end {
                    return false;
                }
                if filter.wants(pos, event.header(), event.id()) {
                    if bytes > 0 && bytes + wire_len(&event) > *most as usize {
                        return false;
                    }
                    bytes += wire_len(&event);
                    events.push(event);
                }
                next = pos + 1;
                true
            })?;
            out.extend(pack(events));
            Ok((out, Report::Log { channel: *channel, next, bytes: bytes as u64 }))
        }
        Read::Chain { channel, author, from, upto, most } => {
            let (mut events, mut bytes, mut next) = (Vec::new(), 0, None);
            log.visit_chain(Place { author: *author, seq: *from }, &mut |event| {
                let seq = event.header().seq;
                if seq > *upto {
                    return false;
                }
                if bytes > 0 && bytes + wire_len(&event) > *most as usize {
                    next = Some(seq);
                    return false;
                }
                bytes += wire_len(&event);
                events.push(event);
                true
            })?;
            Ok((pack(events).collect(), Report::Chain { channel: *channel, next, bytes: bytes as u64 }))
        }
        Read::Bodies { channel, places } => {
            let mut events = Vec::new();
            for place in places {
                let found = log.at(*place)?.map(|(_, event)| event);
                events.extend(found.filter(|event| event.body().is_some()));
            }
            let bytes = events.iter().map(|event| wire_len(event) as u64).sum();
            Ok((pack(events).collect(), Report::Bodies { channel: *channel, bytes }))
        }
        Read::Find { ticket, place } => Ok((Vec::new(), Report::Find { ticket: *ticket, found: log.at(*place)? })),
        Read::Digest { ticket, next } => {
            Ok((Vec::new(), Report::Digest { ticket: *ticket, digest: log.digest(*next)? }))
        }
        Read::Own { author, from } => {
            let texts = log.uncounted(Place { author: *author, seq: *from })?;
            Ok((Vec::new(), Report::Own { author: *author, texts }))
        }
    }
}

/// What somebody is told of the log before the position with which it begins for it: the acts, where the chains begin, and
/// what of the earlier events is in force.
fn before<L: Log>(log: &L, start: u64, filter: &Filter, begin: &Begin, out: &mut Vec<Frame>) -> Result<(), L::Error> {
    let mut acts = begin.acts.clone();
    acts.retain(|act| !filter.is_known(act.header(), act.id()));
    let mut heads: BTreeMap<Author, Arc<Event>> = BTreeMap::new();
    let mut in_force: BTreeMap<(u8, Place), Arc<Event>> = BTreeMap::new();
    log.visit(1, &mut |pos, event| {
        let header = event.header();
        if pos >= start {
            return false;
        }
        if header.author == Author::ACTS || !filter.counts(header, event.id()) {
            return true;
        }
        if !filter.has.contains_key(&header.author)
            && heads.get(&header.author).is_none_or(|head| head.header().seq < header.seq)
        {
            heads.insert(header.author, event.clone());
        }
        // Each mute and its end; of topics, offers and names the last of each author: what was before is not in force.
        let of = match header.kind {
            20 | 21 => place(&event),
            22 | 25 | 29 => Place { author: header.author, seq: 0 },
            _ => return true,
        };
        if !filter.is_known(header, event.id()) {
            in_force.insert((header.kind, of), event);
        }
        true
    })?;
    let mut in_force: Vec<_> = in_force.into_values().collect();
    in_force.sort_by_key(|event| event.header().order());
    out.extend(pack(acts));
    let heads: Vec<Event> = heads.values().map(|head| head.stripped()).collect();
    out.extend(heads.chunks(BASE_ITEMS).map(|heads| Frame::Base(heads.to_vec())));
    out.extend(pack(in_force));
    Ok(())
}

/// Most heads in one BASE: what fits into the largest record.
const BASE_ITEMS: usize = FRAME_BYTES / (torchat_protocol::room::WIRE_HEADER_LEN + 64);

/// A frontier, as a filter has it.
#[must_use]
pub(crate) fn frontier(heads: &[Head]) -> BTreeMap<Author, (u64, Tag)> {
    heads.iter().map(|head| (head.author, (head.seq, head.tag))).collect()
}

/// Whether an event that counts as something means something, by what its kind needs.
#[must_use]
pub fn is_valid(kind: u8, standing: Standing) -> bool {
    crate::roster::needed(kind).is_some_and(|role| standing.allows(role))
}
