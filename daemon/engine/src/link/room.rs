//! Room links: streams for the rooms that we share with a peer, of which the desk of rooms knows.
//!
//! A link decodes what comes and checks the signatures, beside the engine, so the core need not. What waits for the engine has
//! room of its own, apart from that of mail, and only a little of it may be in one turn: mail never waits behind a catch-up.

mod channels;
mod keys;
mod pace;
pub(crate) mod said;
#[cfg(test)]
mod tests;

pub(crate) use keys::PublishedKeys;
pub(crate) use pace::Purses;
pub(crate) use said::{Encoded, RoomHandle, RoomSaid};

use super::context::LinkContext;
use super::failure::PeerFault;
use super::life::{self, Life, Talk, WaitingRoom};
use super::router::{Handler, Limits, Proven};
use super::stream::MessageWriter;
use crate::mailbox::{Event, RoomEvent};
use channels::{Channels, Heard};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use keys::{Checked, Checker};
use said::Queued;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use torchat_core::handshake::Established;
use torchat_core::input::{Input, LinkId, RoomInput};
use torchat_protocol::frame::{Framed, TYPE_JSON, Takes};
use torchat_protocol::id::PeerId;
use torchat_protocol::message::PeerMessage;
use torchat_protocol::room::Frame;

/// How many room links there are at most. More than members of all rooms that we may be in: which of them are strangers' the desk
/// knows, and it keeps few of those.
const LINKS: usize = 1_024;
/// How many there are of one peer: two while the tie between them is open, and some that are ending.
const LINKS_OF_ONE: usize = 4;
pub(crate) const LIMITS: Limits = Limits { all: LINKS, of_one: LINKS_OF_ONE };
/// Bytes of received frames that wait for the engine, of one link and of all, in KiB.
const WAITING_KIB: u32 = 1024;
const ALL_WAITING_KIB: u32 = 8 * 1024;
/// Of these, in the engine's mailbox and in one turn, in KiB: some 500 texts, so that a turn stays short.
const TURN_KIB: u32 = 128;
/// Events that hold under none of the keys that are known here, after which a link is read slowly. The replica ends the link after
/// as many on a channel; not while the acts contradict each other, when nobody may be to blame.
const WRONG: u32 = 64;
/// The price of such an event then, in units of [`pace`]: half a second.
const WRONG_COSTS: u64 = 10_000;

/// Serves streams for rooms.
pub(crate) struct Rooms {
    context: LinkContext,
    keys: PublishedKeys,
    costs: Arc<Purses>,
    waiting: WaitingRoom,
    turn: WaitingRoom,
}

impl Rooms {
    pub(crate) fn new(context: LinkContext, keys: PublishedKeys) -> Self {
        let (waiting, turn) = (WaitingRoom::new(ALL_WAITING_KIB), WaitingRoom::new(TURN_KIB));
        Self { context, keys, costs: Arc::new(Purses::for_what_comes()), waiting, turn }
    }
}

impl Handler for Rooms {
    fn serve(&self, proven: Proven) -> BoxFuture<'static, ()> {
        let waiting = [WaitingRoom::new(WAITING_KIB), self.waiting.clone(), self.turn.clone()];
        let (checker, costs) = (Checker::new(self.keys.clone()), self.costs.clone());
        serve(proven, self.context.clone(), waiting, checker, costs).boxed()
    }
}

/// Frames on channels, and a few messages in JSON on channel 0.
struct Frames {
    link: LinkId,
    peer: PeerId,
    channels: Channels,
    checker: Checker,
    queued: Arc<Queued>,
    context: LinkContext,
    costs: Arc<Purses>,
    /// What was heard and is not paid.
    owed: AtomicU64,
    /// Events that held under no key.
    wrong: AtomicU64,
}

impl Frames {
    fn owes(&self, price: u64) {
        self.owed.fetch_add(price, Ordering::Relaxed);
    }

    /// Checks what is signed in a frame.
    async fn check(
        &self,
        frame: &Frame,
        room: torchat_protocol::room::RoomId,
    ) -> Vec<Option<torchat_protocol::room::MemberKey>> {
        let checked = match frame {
            Frame::Events(events) | Frame::Base(events) => self.checker.check(room, events).await,
            Frame::Fork(events) => self.checker.check(room, &[events.0.clone(), events.1.clone()]).await,
            _ => Checked::default(),
        };
        let before = self.wrong.fetch_add(checked.wrong.into(), Ordering::Relaxed);
        if before + u64::from(checked.wrong) > u64::from(WRONG) {
            self.owes(WRONG_COSTS * u64::from(checked.wrong));
        }
        checked.keys
    }
}

impl Talk for Frames {
    type Said = RoomSaid;

    fn seal(&self, said: &RoomSaid, out: &mut MessageWriter<'_>) {
        match said {
            RoomSaid::Frame { channel, frame } => {
                // Before the other side can answer.
                self.channels.said(*channel, frame);
                out.seal(frame.kind, *channel, &frame.bytes);
            }
            RoomSaid::Message(message) => out.seal(TYPE_JSON, 0, &message.encode()),
        }
        self.queued.written(said.len());
    }

    async fn hear(&self, framed: Framed) -> Result<Option<Input>, PeerFault> {
        let (link, channel) = (self.link, framed.channel);
        if channel == 0 {
            let message = PeerMessage::decode(&framed.bytes)?;
            self.owes(pace::price_of_message(&message));
            return Ok(Some(Input::Room(RoomInput::Message { link, message })));
        }
        Ok(match self.channels.hear(channel, framed.kind, &framed.bytes)? {
            Heard::Nothing => {
                self.owes(pace::FRAME);
                None
            }
            Heard::Newer => {
                self.owes(pace::price(&Frame::Reset, framed.bytes.len()));
                Some(Input::Room(RoomInput::Newer { link, channel }))
            }
            Heard::Frame(frame, room) => {
                self.owes(pace::price(&frame, framed.bytes.len()));
                let checked = self.check(&frame, room).await;
                Some(Input::Room(RoomInput::Frame { link, channel, frame, checked }))
            }
        })
    }

    fn hear_bytes(&self, _unfinished: bool) -> Input {
        Input::Room(RoomInput::Heard { link: self.link })
    }

    fn pay(&self) -> Result<(), Duration> {
        let owed = self.owed.load(Ordering::Relaxed);
        let now_ms = self.context.clock.now().mono_ms;
        self.costs.pay(self.peer, owed, now_ms).map_err(|at| Duration::from_millis(at.saturating_sub(now_ms)))?;
        // Only the reading half adds to it, and pays.
        self.owed.fetch_sub(owed, Ordering::Relaxed);
        Ok(())
    }
}

/// Serves a link until it ends, and tells the engine of both.
async fn serve(proven: Proven, context: LinkContext, waiting: [WaitingRoom; 3], checker: Checker, costs: Arc<Purses>) {
    let Proven { stream, established, outgoing } = proven;
    let Established { peer, binding, epoch, opener, sealer, .. } = established;
    // A peer that makes many links pays for them before the engine hears of one.
    while let Err(at) = costs.pay(peer, pace::LINK, context.clock.now().mono_ms) {
        tokio::select! {
            () = tokio::time::sleep_until(context.clock.instant(at)) => {}
            () = context.stop.cancelled() => return,
        }
    }
    let link = LinkId(context.next_link.fetch_add(1, Ordering::Relaxed));
    let (handle, ears) = life::handle(&context);
    let queued = Arc::<Queued>::default();
    let handle = RoomHandle::new(handle, queued.clone());
    let up = RoomEvent::Up { link, peer, outgoing, binding, epoch, handle };
    if context.mailbox.send(Event::Room(up)).await.is_err() {
        return;
    }
    let talk = Frames {
        link,
        peer,
        channels: Channels::default(),
        checker,
        queued,
        context: context.clone(),
        costs,
        owed: AtomicU64::new(0),
        wrong: AtomicU64::new(0),
    };
    let life = Life { talk, ears, waiting: &waiting, context: &context };
    let (mut reader, mut writer) = tokio::io::split(stream);
    let ended = life.live(&mut reader, &mut writer, opener.taking(Takes::ROOM), sealer).await;
    tracing::debug!(peer = %peer.short(), why = %ended, "a room link ended");
    // The engine is gone only when the daemon stops.
    let _ = context.mailbox.send(Event::Room(RoomEvent::Down(link))).await;
}
