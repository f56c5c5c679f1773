//! The fields of binary frames: reading with every size judged, and writing.

use super::{Close, CloseCode, Cookie, FrameError, Has, Hello, LogPlace, Open, OpenAs};
use crate::room::body::BoundedText;
use crate::room::id::{Author, Head, LogDigest, LogId, MemberNo, RoomId, Signature, Tag};
use crate::room::limits::{HEADS, MAX_NUMBER, REASON_BYTES};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The version that HELLO names.
const VERSION: u8 = 1;
/// HELLO's flag: a cookie follows, and no frontier.
const WITH_COOKIE: u8 = 1;
/// HELLO wants all events.
const ALL: u32 = u32::MAX;
/// Bytes of a head.
const HEAD_LEN: usize = 20;
/// Bytes of an author and a number.
pub(super) const PLACE_LEN: usize = 12;
const AS_MEMBER: u8 = 0;
const AS_GUEST: u8 = 1;
const BY_KEY: u8 = 2;

/// Reads fields one after the other.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let (field, rest) = self.0.split_first_chunk().ok_or(FrameError::Length)?;
        self.0 = rest;
        Ok(*field)
    }

    /// All that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(super) fn number(&mut self) -> Result<u32, FrameError> {
        self.take().map(u32::from_be_bytes)
    }

    fn author(&mut self) -> Result<Author, FrameError> {
        Author::new(self.number()?).ok_or(FrameError::Field("author"))
    }

    /// A number of an event or a position: what every JSON reader keeps exactly.
    fn long(&mut self, least: u64) -> Result<u64, FrameError> {
        let number = u64::from_be_bytes(self.take()?);
        if (least..=MAX_NUMBER).contains(&number) { Ok(number) } else { Err(FrameError::Field("number")) }
    }

    pub(super) fn place(&mut self) -> Result<(Author, u64), FrameError> {
        Ok((self.author()?, self.long(1)?))
    }

    pub(super) fn head(&mut self) -> Result<Head, FrameError> {
        let head = Head { author: self.author()?, seq: self.long(0)?, tag: Tag(self.take()?) };
        if head.seq == 0 && head.tag != Tag::NONE { Err(FrameError::Field("tag")) } else { Ok(head) }
    }

    pub(super) fn log_place(&mut self) -> Result<LogPlace, FrameError> {
        Ok(LogPlace { next: self.long(1)?, digest: LogDigest(self.take()?) })
    }

    pub(super) fn frontier(&mut self) -> Result<Vec<Head>, FrameError> {
        // Before anything is put anywhere.
        if self.0.is_empty() || self.0.len() > HEADS * HEAD_LEN {
            return Err(FrameError::Length);
        }
        let mut last = None;
        let mut heads = Vec::with_capacity(self.0.len() / HEAD_LEN);
        while !self.is_over() {
            let head = self.head()?;
            // The first head is the acts', and only that may have no event.
            if heads.is_empty() != (head.author == Author::ACTS) || head.seq == 0 && head.author != Author::ACTS {
                return Err(FrameError::Field("frontier"));
            }
            in_order(&mut last, head.author)?;
            heads.push(head);
        }
        Ok(heads)
    }

    pub(super) fn stored(&mut self) -> Result<Vec<(Author, u64)>, FrameError> {
        let (mut last, mut chains) = (None, Vec::new());
        while !self.is_over() {
            let (author, seq) = self.place()?;
            in_order(&mut last, author)?;
            chains.push((author, seq));
        }
        Ok(chains)
    }

    pub(super) fn places(&mut self) -> Result<Vec<(Author, u64)>, FrameError> {
        let (mut last, mut places) = (None, Vec::new());
        while !self.is_over() {
            let place = self.place()?;
            in_order(&mut last, place)?;
            places.push(place);
        }
        Ok(places)
    }

    pub(super) fn open(&mut self) -> Result<Open, FrameError> {
        let (room, [form], number) = (RoomId(self.take()?), self.take()?, self.number()?);
        let member = MemberNo::new(number);
        let role = match (form, member) {
            (AS_MEMBER, member) if member.is_some() || number == 0 => OpenAs::Member(member),
            (AS_GUEST, None) if number == 0 => OpenAs::Guest,
            (BY_KEY, Some(member)) => OpenAs::Key(member, Signature(self.take()?)),
            (AS_MEMBER | AS_GUEST | BY_KEY, _) => return Err(FrameError::Field("member")),
            _ => return Err(FrameError::Field("role")),
        };
        Ok(Open { room, role })
    }

    pub(super) fn hello(&mut self) -> Result<Hello, FrameError> {
        let [version] = self.take()?;
        if version != VERSION {
            return Err(FrameError::Version);
        }
        let ([flags], log) = (self.take()?, LogId(self.take()?));
        let cookie = match flags {
            0 => None,
            WITH_COOKIE => Some(Cookie { log: LogId(self.take()?), place: self.log_place()? }),
            _ => return Err(FrameError::Field("flag")),
        };
        let (want, credit) = (self.number()?, self.number()?);
        let has = match cookie {
            Some(cookie) => Has::Upto(cookie),
            None => Has::Heads(self.frontier()?),
        };
        Ok(Hello { log, has, want: (want != ALL).then_some(want), credit })
    }

    pub(super) fn close(&mut self) -> Result<Close, FrameError> {
        let ([code], retry) = (self.take()?, self.number()?);
        let words = self.rest();
        if words.len() > REASON_BYTES {
            return Err(FrameError::Length);
        }
        let words = std::str::from_utf8(words).ok().and_then(BoundedText::new).ok_or(FrameError::Field("text"))?;
        Ok(Close { code: CloseCode::from(code), retry_s: retry, words })
    }
}

/// A list is in its order and has nothing twice.
pub(super) fn in_order<T: Ord + Copy>(last: &mut Option<T>, next: T) -> Result<(), FrameError> {
    if last.replace(next).is_some_and(|before| before >= next) { Err(FrameError::Order) } else { Ok(()) }
}

/// Writes fields one after the other.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }

    pub(super) fn number(&mut self, number: u32) {
        self.bytes(&number.to_be_bytes());
    }

    pub(super) fn place(&mut self, author: Author, number: u64) {
        self.number(author.get());
        self.bytes(&number.to_be_bytes());
    }

    pub(super) fn head(&mut self, head: &Head) {
        self.place(head.author, head.seq);
        self.bytes(&head.tag.0);
    }

    pub(super) fn log_place(&mut self, place: &LogPlace) {
        self.bytes(&place.next.to_be_bytes());
        self.bytes(&place.digest.0);
    }

    /// In the order of authors, each once, the acts always, other chains without an event never; as many as a message has room
    /// for.
    pub(super) fn frontier(&mut self, heads: &[Head]) {
        let none = Head { author: Author::ACTS, seq: 0, tag: Tag::NONE };
        let mut heads: BTreeMap<_, _> = heads.iter().filter(|head| head.seq > 0).map(|h| (h.author, h)).collect();
        heads.entry(Author::ACTS).or_insert(&none);
        heads.values().take(HEADS).for_each(|head| self.head(head));
    }

    /// In the order of authors; of several numbers of one the largest.
    pub(super) fn stored(&mut self, chains: &[(Author, u64)]) {
        let mut largest = BTreeMap::new();
        for (author, seq) in chains {
            let known = largest.entry(*author).or_insert(*seq);
            *known = (*known).max(*seq);
        }
        largest.into_iter().for_each(|(author, seq)| self.place(author, seq));
    }

    /// In order, each once.
    pub(super) fn places(&mut self, places: &[(Author, u64)]) {
        places.iter().collect::<BTreeSet<_>>().into_iter().for_each(|(author, seq)| self.place(*author, *seq));
    }

    pub(super) fn open(&mut self, open: &Open) {
        let (form, member, signature) = match &open.role {
            OpenAs::Member(member) => (AS_MEMBER, *member, None),
            OpenAs::Guest => (AS_GUEST, None, None),
            OpenAs::Key(member, signature) => (BY_KEY, Some(*member), Some(signature)),
        };
        self.bytes(&open.room.0);
        self.bytes(&[form]);
        self.number(member.map_or(0, MemberNo::get));
        self.bytes(signature.map_or(&[], |signature| &signature.0));
    }

    pub(super) fn hello(&mut self, hello: &Hello) {
        self.bytes(&[VERSION, if matches!(hello.has, Has::Upto(_)) { WITH_COOKIE } else { 0 }]);
        self.bytes(&hello.log.0);
        if let Has::Upto(cookie) = &hello.has {
            self.bytes(&cookie.log.0);
            self.log_place(&cookie.place);
        }
        self.number(hello.want.unwrap_or(ALL));
        self.number(hello.credit);
        if let Has::Heads(heads) = &hello.has {
            self.frontier(heads);
        }
    }

    pub(super) fn close(&mut self, close: &Close) {
        self.bytes(&[close.code.into()]);
        self.number(close.retry_s);
        self.bytes(close.words.as_str().as_bytes());
    }

    pub(super) fn json(&mut self, object: &impl Serialize) {
        // Texts, numbers and ids cannot fail to serialise.
        self.bytes(&serde_json::to_vec(object).unwrap_or_default());
    }
}
