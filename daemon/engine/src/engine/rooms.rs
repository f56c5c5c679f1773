//! Rooms beside the turns: their links, who may be reading for them, and what is done for them once a turn is durable.

use super::Engine;
use super::pending::Facts;
use crate::link::handle::ToLink;
use crate::link::room::{Encoded, PublishedKeys, Purses, RoomHandle, RoomSaid};
use crate::mailbox::{Event, Looked, RoomEvent};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use torchat_core::effect::{RoomEffect, RoomNotice};
use torchat_core::input::{Input, LinkId, RoomInput};
use torchat_core::op::{Op, RoomOp};
use torchat_protocol::id::PeerId;
use torchat_protocol::message::{Bye, PeerMessage};
use torchat_protocol::room::{Frame, RoomId};
use torchat_room::reading::{Read, Report};

/// Looks at rooms' logs at the same time: so few of the threads for reading that HISTORY always finds another one.
const READINGS: usize = 2;
/// Between two steps by which rows of logs are brought to what they count as. A step takes some tens of milliseconds.
const RESTAND_PAUSE: Duration = Duration::from_millis(100);

/// Room links, and what is read for them.
pub(super) struct RoomLinks {
    links: BTreeMap<LinkId, (PeerId, RoomHandle)>,
    keys: PublishedKeys,
    readings: Arc<Semaphore>,
    told: Arc<Purses>,
    /// Which node the looks are for.
    node: u64,
    /// The events that were said last: they mostly go to all members one after the other.
    last: Option<(Frame, Arc<Encoded>)>,
    /// Rows of logs are brought further soon.
    restands: bool,
}

impl Default for RoomLinks {
    fn default() -> Self {
        Self {
            links: BTreeMap::new(),
            keys: PublishedKeys::default(),
            readings: Arc::new(Semaphore::new(READINGS)),
            told: Arc::new(Purses::for_what_is_told()),
            node: 0,
            last: None,
            restands: false,
        }
    }
}

impl RoomLinks {
    /// Who signs in the rooms that we have, for the links.
    pub(super) fn keys(&self) -> PublishedKeys {
        self.keys.clone()
    }

    /// Whether no link is up.
    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// At a stop: a link has said its last words.
    pub(super) fn note_end(&mut self, event: &RoomEvent) {
        if let RoomEvent::Down(link) = event {
            self.links.remove(link);
        }
    }

    /// Ends all links at once. What is read for them concerns nobody any more.
    pub(super) fn cancel(&mut self) {
        for (_, link) in std::mem::take(&mut self.links).into_values() {
            link.cancel();
        }
        self.node += 1;
    }

    fn tell(&self, link: LinkId, message: ToLink<RoomSaid>) {
        if let Some((_, handle)) = self.links.get(&link) {
            handle.tell(message);
        }
    }

    /// Says a frame on a channel.
    fn say(&mut self, link: LinkId, channel: u16, frame: Frame) {
        let frames = match frame {
            Frame::Events(_) => vec![self.encoded(frame)],
            // Lists may be longer than a message.
            frame => frame.parts().iter().map(|frame| Arc::new(frame.into())).collect(),
        };
        for frame in frames {
            self.tell(link, ToLink::Say(RoomSaid::Frame { channel, frame }));
        }
    }

    /// Events as bytes. Those that go to several members are made into bytes once.
    fn encoded(&mut self, frame: Frame) -> Arc<Encoded> {
        match &self.last {
            Some((last, encoded)) if *last == frame => encoded.clone(),
            _ => {
                let encoded = Arc::new(Encoded::from(&frame));
                self.last = Some((frame, encoded.clone()));
                encoded
            }
        }
    }
}

impl Engine {
    /// Takes what comes of a room link or of reading.
    pub(super) fn room_event(&mut self, event: RoomEvent, inputs: &mut Vec<Input>) {
        match event {
            RoomEvent::Up { link, peer, outgoing, binding, epoch, handle } => {
                self.rooms.links.insert(link, (peer, handle));
                inputs.push(Input::Room(RoomInput::LinkUp { link, peer, outgoing, binding, epoch }));
            }
            RoomEvent::Down(link) => {
                if self.rooms.links.remove(&link).is_some() {
                    inputs.push(Input::Room(RoomInput::LinkDown { link }));
                }
            }
            RoomEvent::Looked(looked) => self.looked(looked, inputs),
            RoomEvent::Restand => {
                self.rooms.restands = false;
                self.untold.push(Op::from(RoomOp::Restand));
            }
        }
    }

    /// Rows of rooms' logs do not all say yet what they count as. The next of them are written a little later, so that whatever else is
    /// to be written waits for one such step at most.
    pub(super) fn restand_later(&mut self) {
        if std::mem::replace(&mut self.rooms.restands, true) {
            return;
        }
        let mailbox = self.context.mailbox.clone();
        tokio::spawn(async move {
            tokio::time::sleep(RESTAND_PAUSE).await;
            drop(mailbox.send(Event::Room(RoomEvent::Restand)).await);
        });
    }

    /// A look at a room's log is over. What it found is durable, so it may be said at once, before the replica hears of it and says
    /// what comes behind. Nothing is said on a channel that has ended meanwhile.
    fn looked(&mut self, looked: Looked, inputs: &mut Vec<Input>) {
        let Looked { node, room, to, found } = looked;
        if node != self.rooms.node {
            return;
        }
        match found {
            Ok((frames, report)) => {
                if let Some((link, channel)) = to
                    && self.node.lock().rooms().is_open(link, channel)
                {
                    for frame in frames {
                        self.rooms.say(link, channel, frame);
                    }
                }
                inputs.push(Input::Room(RoomInput::Report { room, report }));
            }
            Err(read) => inputs.push(Input::Room(RoomInput::Unread { room, read })),
        }
    }

    /// Does one thing for a room.
    pub(super) fn room_effect(&mut self, effect: RoomEffect, facts: &Facts) {
        match effect {
            RoomEffect::Say { link, channel, frame } => self.rooms.say(link, channel, frame),
            RoomEffect::Tell { link, message } => self.rooms.tell(link, ToLink::Say(RoomSaid::Message(message))),
            RoomEffect::Close { link, bye } => {
                let bye = bye.map(|why| RoomSaid::Message(PeerMessage::Bye(Bye { why })));
                self.rooms.tell(link, ToLink::Close(bye));
            }
            RoomEffect::Read { room, read, to } => self.look(room, read, to),
            RoomEffect::Acts(room) => self.rooms.keys.publish(room, self.node.lock().rooms().roster(room)),
            RoomEffect::Answer { request, answer } => {
                if let Some(pending) = self.pending.remove(&request) {
                    pending.answer_room(answer, facts, &mut self.clients);
                }
            }
            RoomEffect::Notice { room, notice } => self.room_notice(room, notice),
        }
    }

    fn room_notice(&self, room: RoomId, notice: RoomNotice) {
        // Each text at each member: the store tells of it, and nothing in STATUS changes.
        if matches!(notice, RoomNotice::Delivered { .. }) {
            return;
        }
        tracing::info!(room = %room.conversation().short(), ?notice, "of a room");
        self.status_version.send_modify(|version| *version += 1);
    }

    /// Looks something up in a room's log, in a thread for reading. For a channel not before its link has room, and not more than its
    /// peer may be told.
    fn look(&self, room: RoomId, read: Read, to: Option<(LinkId, u16)>) {
        let link = to.map(|(link, _)| self.rooms.links.get(&link).map(|(peer, handle)| (*peer, handle.room())));
        let link = match link {
            Some(None) => return,
            link => link.flatten(),
        };
        let (reader, context, node) = (self.reader.clone(), self.context.clone(), self.rooms.node);
        let (readings, told) = (self.rooms.readings.clone(), self.rooms.told.clone());
        let job = async move {
            if let Some((_, link)) = &link
                && !link.wait().await
            {
                return;
            }
            let asked = read.clone();
            let looked = {
                let Ok(_place) = readings.acquire().await else { return };
                reader.run(move |reader| reader.answer_room(room, &asked)).await
            };
            let found = match looked {
                Some(Ok(Some(found))) => Ok(found),
                // The room is gone, and with it the question.
                Some(Ok(None)) => return,
                Some(Err(error)) => {
                    tracing::warn!(%error, "the log of a room could not be read; what it was for ends");
                    Err(read)
                }
                None => Err(read),
            };
            if let (Ok((_, report)), Some((peer, _))) = (&found, &link) {
                let price = bytes(report);
                while let Err(at) = told.pay(*peer, price, context.clock.now().mono_ms) {
                    tokio::time::sleep_until(context.clock.instant(at)).await;
                }
            }
            let looked = Looked { node, room, to, found };
            // The engine is gone only when the daemon stops.
            let _ = context.mailbox.send(Event::Room(RoomEvent::Looked(looked))).await;
        };
        let stop = self.context.stop.clone();
        tokio::spawn(async move { stop.run_until_cancelled(job).await });
    }
}

/// How many bytes of events were found for a channel.
fn bytes(report: &Report) -> u64 {
    match report {
        Report::Log { bytes, .. } | Report::Chain { bytes, .. } | Report::Bodies { bytes, .. } => *bytes,
        Report::Begin { .. }
        | Report::Find { .. }
        | Report::Digest { .. }
        | Report::Own { .. }
        | Report::Missing { .. } => 0,
    }
}
