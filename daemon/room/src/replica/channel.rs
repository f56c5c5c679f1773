//! One room on one link: what the other side has, what it was told, and what it may still say.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use torchat_protocol::room::body::Place;
use torchat_protocol::room::{Author, Event, Head, Hello, Identity, LogId, LogPlace, MemberNo, Tag};

/// Bytes of events that the other side may send without our grant.
pub(super) const CREDIT: u32 = 262_144;
/// What is committed is granted again from so many bytes on.
pub(super) const GRANT_FROM: u32 = 65_536;
/// About how many bytes are said by one reading of the log.
pub(super) const READING: u32 = 65_536;
/// Pause between two MARKs on a channel, in milliseconds.
pub(super) const MARK_PAUSE_MS: u64 = 1_000;
/// Pause between two NEEDs about one chain on a channel, in milliseconds.
pub(super) const NEED_PAUSE_MS: u64 = 60_000;
/// Pause between two HAVEs on a channel, and between two beginnings of our log because of them, in milliseconds.
pub(super) const HAVE_PAUSE_MS: u64 = 10_000;
/// A NEED about the same chain is dropped if it comes sooner: less than the pause, because the way takes time.
pub(super) const NEED_DROP_MS: u64 = 30_000;
/// Most events that are looked up at a time.
pub(super) const LOOKS: u32 = 256;
/// Most answers that a channel waits for.
pub(super) const NEEDS: usize = 64;
/// Most bodies that are asked for at once, and in a minute.
pub(super) const BODIES: usize = 256;
/// Most wrong signatures on a channel.
pub(super) const WRONG_SIGNATURES: u32 = 64;

/// One room on one link.
#[derive(Debug, Clone)]
pub(super) struct Channel {
    pub(super) peer: Identity,
    /// Who of the members it is. `None`: of no member; a newcomer's, before it is one.
    pub(super) member: Option<MemberNo>,
    /// The other side's log, when it has said HELLO.
    pub(super) log: Option<LogId>,
    /// How far the other side is told our log.
    pub(super) told: Told,
    /// Its HELLO, while it is no member by our acts: it is told nothing.
    pub(super) untold: Option<Hello>,
    /// Our cookie was not of its log, and it heard what we have.
    pub(super) was_reset: bool,
    /// It said anew what it has, while a reading was on, or too soon after the last time.
    pub(super) restart: Option<Vec<Head>>,
    /// When the log was begun for it last, because it said anew what it has.
    pub(super) begun_ms: Option<u64>,
    /// When we said anew what we have.
    pub(super) asked_again_ms: Option<u64>,
    /// What it had when it said so; empty when it was told everything once.
    pub(super) has: BTreeMap<Author, (u64, Tag)>,
    /// Positions of what came from there, behind what it was told.
    pub(super) from_there: BTreeSet<u64>,
    /// Bytes of events that we may still say.
    pub(super) credit: i64,
    /// Bytes of events that the other side may still say; and those that are committed and not granted again.
    pub(super) allowed: i64,
    pub(super) committed: u32,
    /// Events for this channel, and what of the other side's is durable here.
    pub(super) pending: Vec<Arc<Event>>,
    pub(super) stored: BTreeMap<Author, u64>,
    /// Everything that the other side had was told us.
    pub(super) caught_up: bool,
    /// Something was put off: no cookie in this session.
    pub(super) hole: bool,
    /// It will be asked for again when an act has come; and one has.
    pub(super) again: bool,
    pub(super) again_due: bool,
    /// How many events are being looked up, and the MARK that came meanwhile.
    pub(super) looking_up: u32,
    pub(super) mark: Option<LogPlace>,
    pub(super) wrong_signatures: u32,
    /// The MARK that we said last, and when.
    pub(super) marked: Option<(u64, u64)>,
    pub(super) needs: BTreeMap<Author, Need>,
    pub(super) answers: Answers,
}

/// How far the other side of a channel is told our log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// It has not said what it has.
    Nothing,
    /// A reading is on.
    Reading,
    /// The acts up to a number: the first thing for those who do not get the whole log. What they want comes after.
    Acts(u64, Option<u32>),
    /// What before the start decides about later events, up to a position; then the log from the start.
    Early(u64, u64),
    /// A reading of that is on.
    ReadingEarly(u64),
    /// Everything before this position.
    Before(u64),
}

/// A chain that was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Need {
    pub(super) asked_ms: u64,
    /// It is asked for again, up to this number.
    pub(super) again: Option<u64>,
}

/// Chains that the other side asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Answers {
    pub(super) waiting: VecDeque<(Author, u64, u64)>,
    /// Events whose bodies it asked for; how many in this minute, which began then.
    pub(super) bodies: Vec<Place>,
    pub(super) bodies_asked: usize,
    pub(super) bodies_ms: u64,
    pub(super) reading: bool,
    pub(super) answered_ms: BTreeMap<Author, u64>,
}

impl Channel {
    pub(super) fn new(peer: Identity, member: Option<MemberNo>) -> Self {
        Self {
            peer,
            member,
            log: None,
            told: Told::Nothing,
            untold: None,
            was_reset: false,
            restart: None,
            begun_ms: None,
            asked_again_ms: None,
            has: BTreeMap::new(),
            from_there: BTreeSet::new(),
            credit: 0,
            allowed: i64::from(CREDIT),
            committed: 0,
            pending: Vec::new(),
            stored: BTreeMap::new(),
            caught_up: false,
            hole: false,
            again: false,
            again_due: false,
            looking_up: 0,
            mark: None,
            wrong_signatures: 0,
            marked: None,
            needs: BTreeMap::new(),
            answers: Answers::default(),
        }
    }

    /// Whether the other side was told our whole log, which ends before `next`, and nothing else is to be said or looked up.
    pub(super) fn rests(&self, next: u64) -> bool {
        let answers = &self.answers;
        let answered = !answers.reading && answers.waiting.is_empty() && answers.bodies.is_empty();
        let told = self.told == Told::Before(next) && self.restart.is_none();
        let said = self.pending.is_empty() && self.stored.is_empty() && !self.again_due;
        told && said && answered && self.looking_up == 0
    }

    /// Whether what was put off is asked for again now: once, and not too often.
    pub(super) fn ask_again(&mut self, now_ms: u64) -> bool {
        let now = self.again_due && self.asked_again_ms.is_none_or(|at| now_ms >= at + HAVE_PAUSE_MS);
        if now {
            (self.again, self.again_due, self.asked_again_ms) = (false, false, Some(now_ms));
        }
        now
    }

    /// An act has come: what was put off may be taken now.
    pub(super) fn act_came(&mut self) {
        self.again_due |= self.again;
    }
}
