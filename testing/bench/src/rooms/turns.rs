//! What a turn of the pure core costs with one room and one link, and with more of both: the desk looks at every room and every link
//! in each of its turns, so that must be little, and must not grow faster than their number.

use super::cast::{Book, Cast, SAID_MS};
use super::pair_row;
use crate::Setup;
use crate::api::{Numbers, Words};
use crate::report::{Aim, Report};
use crate::stats::median;
use anyhow::{Context as _, ensure};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Instant;
use torchat_core::effect::{Effect, RoomEffect};
use torchat_core::handshake::LocalIdentity;
use torchat_core::input::{Input, LinkId, NetworkInput, RoomInput};
use torchat_core::node::Node;
use torchat_core::policy::Policy;
use torchat_core::time::Now;
use torchat_engine::store::{Reader, Store};
use torchat_protocol::id::PeerId;
use torchat_protocol::room::limits::CREDIT_BYTES;
use torchat_protocol::room::{Frame, Has, Hello, LogId};
use torchat_room::reading::{Read, Report as Looked};

/// How many rooms there are, each with a member of its own on a link of its own.
const SIZES: [u8; 3] = [1, 10, 40];
/// Slices at most: no member may say more than 2,000 texts a day.
const SLICES: u32 = 24;
/// Turns of a slice.
const TURNS: usize = 50;
/// Between two turns, so that no member says more in a room than it may, and no link is silent for long.
const STEP_MS: u64 = 1_000;
/// The number of the first channel of whoever dialled.
const CHANNEL: u16 = 1;

/// A node whose rooms are all open, each on a link.
struct Bench<'a> {
    node: Node,
    now: Now,
    entropy: Numbers,
    books: Vec<Book<'a>>,
    casts: &'a [Cast],
    turns: usize,
    words: Words,
}

fn person(n: u8) -> anyhow::Result<PeerId> {
    Ok(LocalIdentity::from_seeds(&[n + 1; 32], &[n + 101; 32], 1_790_000_000)?.peer_id())
}

pub(super) fn run(setup: &Setup<'_>, report: &mut Report) -> anyhow::Result<()> {
    let most = SIZES[SIZES.len() - 1];
    let me = person(0)?;
    let casts = (0..most).map(|n| Cast::new(n, &[me, person(n + 1)?])).collect::<anyhow::Result<Vec<_>>>()?;
    let benches = SIZES.iter().map(|size| Bench::new(me, &casts[..usize::from(*size)]));
    let mut benches = benches.collect::<anyhow::Result<Vec<_>>>()?;
    let mut slices: Vec<[f64; 3]> = Vec::new();
    // One more, which is not counted: it fills caches.
    for n in 0..=setup.pairs.min(SLICES) {
        let mut slice = [0.0; 3];
        for step in 0..SIZES.len() {
            let at = (step + n as usize) % SIZES.len();
            slice[at] = benches[at].slice()?;
        }
        if n > 0 {
            slices.push(slice);
        }
    }
    for (at, size) in SIZES.iter().enumerate().skip(1) {
        let pairs: Vec<_> = slices.iter().map(|slice| [slice[at], slice[0]]).collect();
        let what = format!("a turn of the core that takes a text, {size} rooms and links (reference: 1)");
        pair_row(report, &what, "us", &pairs, Aim::AtMost(f64::from(*size)));
    }
    Ok(())
}

impl<'a> Bench<'a> {
    fn new(me: PeerId, casts: &'a [Cast]) -> anyhow::Result<Self> {
        let mut store = Store::in_memory()?;
        let mut books = Vec::new();
        for cast in casts {
            let mut book = cast.owners_book()?;
            book.write_into(&mut store)?;
            books.push(book);
        }
        let reader = Reader::shared(Arc::new(Mutex::new(store)));
        let now = Now { wall_ms: SAID_MS, mono_ms: 1_000 };
        let mut entropy = Numbers::new(9);
        let mut fill = |out: &mut [u8]| out.fill_with(|| entropy.next().to_le_bytes()[0]);
        let node = Node::new(me, Policy::default(), reader.snapshot()?, now, &mut fill);
        let mut bench = Self { node, now, entropy, books, casts, turns: 0, words: Words::new() };
        bench.turn(vec![Input::Network(NetworkInput::State { usable: true })]);
        for n in 0..casts.len() {
            bench.open(n)?;
        }
        Ok(bench)
    }

    fn turn(&mut self, inputs: Vec<Input>) -> Vec<Effect> {
        let entropy = &mut self.entropy;
        let mut fill = |out: &mut [u8]| out.fill_with(|| entropy.next().to_le_bytes()[0]);
        self.node.turn(self.now, &mut fill, inputs).effects
    }

    /// The only other member of a room is linked, and both sides have told each other everything.
    fn open(&mut self, n: usize) -> anyhow::Result<()> {
        let link = LinkId(n as u64 + 1);
        let peer = person(u8::try_from(n)? + 1)?;
        let up = RoomInput::LinkUp { link, peer, outgoing: true, binding: [3; 32], epoch: 1 };
        let opened = self.turn(vec![Input::Room(up)]);
        let says = |effects: &[Effect], hello: bool| {
            effects.iter().any(|effect| match effect {
                Effect::Room(RoomEffect::Say { link: to, channel: CHANNEL, frame }) if *to == link => {
                    if hello {
                        matches!(frame, Frame::Hello(_))
                    } else {
                        matches!(frame, Frame::Mark(_))
                    }
                }
                _ => false,
            })
        };
        ensure!(says(&opened, true), "the room was not opened: {opened:?}");
        let (has, end) = (Has::Heads(self.books[n].replica.frontier()), self.books[n].end());
        let hello = Hello { log: LogId([2; 8]), has, want: None, credit: CREDIT_BYTES };
        let read = self.turn(vec![frame(link, Frame::Hello(hello)), frame(link, Frame::Mark(end))]);
        let looked = read.iter().find_map(|effect| match effect {
            Effect::Room(RoomEffect::Read { room, read: Read::Log { channel, .. }, .. }) => Some((*room, *channel)),
            _ => None,
        });
        let (room, channel) = looked.with_context(|| format!("the log was not read: {read:?}"))?;
        let report = Looked::Log { channel, next: end.next, bytes: 0 };
        let told = self.turn(vec![Input::Room(RoomInput::Report { room, report })]);
        ensure!(says(&told, false), "not everything was told: {told:?}");
        Ok(())
    }

    /// The median time of a turn, in microseconds.
    fn slice(&mut self) -> anyhow::Result<f64> {
        let mut times = Vec::with_capacity(TURNS);
        for _ in 0..TURNS {
            let n = self.turns % self.books.len();
            self.turns += 1;
            self.now = Now { wall_ms: self.now.wall_ms + 1_000, mono_ms: self.now.mono_ms + STEP_MS };
            let words = self.words.text(&mut self.entropy);
            let event = self.books[n].text_of(1, &words)?;
            let input = RoomInput::Frame {
                link: LinkId(n as u64 + 1),
                channel: CHANNEL,
                frame: Frame::Events(vec![event]),
                checked: vec![Some(self.casts[n].public(1))],
            };
            let begun = Instant::now();
            let effects = self.turn(vec![Input::Room(input)]);
            times.push(begun.elapsed().as_secs_f64() * 1e6);
            let stored =
                |effect: &Effect| matches!(effect, Effect::Room(RoomEffect::Say { frame: Frame::Stored(_), .. }));
            ensure!(effects.iter().any(stored), "the text was not taken: {effects:?}");
        }
        Ok(median(times))
    }
}

fn frame(link: LinkId, frame: Frame) -> Input {
    Input::Room(RoomInput::Frame { link, channel: CHANNEL, frame, checked: Vec::new() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rooms_are_open_on_their_links_and_each_takes_a_text() {
        let me = person(0).unwrap();
        let casts: Vec<_> = (0..3).map(|n| Cast::new(n, &[me, person(n + 1).unwrap()]).unwrap()).collect();
        let mut bench = Bench::new(me, &casts).unwrap();
        assert!(bench.slice().unwrap() > 0.0);
        assert!(casts.iter().all(|cast| bench.node.rooms().status(cast.room).is_some()));
    }
}
