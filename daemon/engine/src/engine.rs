//! The engine: one actor that owns the core. It takes what happened, asks the core, commits, and only then acts.
//!
//! Everything that waits while a commit runs is taken into the next turn: that is the group commit. The node is locked
//! for the length of a decision (microseconds, never over an await) so that STATUS can look at it without queueing.
//! After a failed commit the node is rebuilt from the store and every link is closed: the store is the truth, and the
//! links' first words restate where each lane stands.

mod act;
mod commit;
mod config;
mod news;
mod pending;
mod rooms;
mod start;
#[cfg(test)]
mod tests;
mod upkeep;

use crate::client_ids::ClientIds;
use crate::handle::{Handle, LogWriter};
use crate::link::context::LinkContext;
use crate::link::dialer::Dialer;
use crate::link::handle::LinkHandle;
use crate::mailbox::Event;
use crate::request::{Reply, Request};
use crate::store::{Health, Outgoing, Reader, Writer};
use crate::unread::UnreadBuffers;
pub use config::{Ended, EngineConfig, Storage, StoreLost, World};
use parking_lot::Mutex;
use pending::{Facts, Pending};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use torchat_core::effect::Effect;
use torchat_core::input::{Input, LinkId, LinkInput, NetworkInput, RequestId};
use torchat_core::node::Node;
use torchat_core::op::{LogOp, Op};
use torchat_protocol::id::{MessageId, PeerId};
use torchat_protocol::message::PeerMessage;
use torchat_transport::{NetworkStatus, Transport};

/// Events that one turn takes at most, so that a commit stays short.
const TURN: usize = 256;
/// How often a store that failed is tried again.
const PROBE_PAUSE: Duration = Duration::from_secs(5);
/// How long the good-byes may take at a stop.
const FAREWELL: Duration = Duration::from_millis(1100);

/// A running engine.
pub struct Running {
    /// Asks it.
    pub handle: Handle,
    /// Ends when the engine has stopped and everything is on disk. An error: nobody asked it to, the store failed.
    pub join: JoinHandle<Result<Ended, StoreLost>>,
}

impl Running {
    /// Ends the engine as kill -9 ends a process: without last words, without the turn that is under way. Only the
    /// store's last commit counts. For simulations.
    pub async fn kill(self) {
        self.join.abort();
        // The engine's guard ends its links. Either it was aborted, or it had ended before.
        let _ = self.join.await;
    }
}

/// What a turn asks for: to be done once the turn is durable, and not before.
#[derive(Default)]
struct Due {
    effects: Vec<Effect>,
    outgoing: Vec<Vec<Outgoing>>,
    facts: Facts,
    /// There was a commit.
    written: bool,
}

/// A running engine's state. [`Engine::start`] must be called within a tokio runtime.
pub struct Engine {
    node: Arc<Mutex<Node>>,
    own: PeerId,
    config: EngineConfig,
    world: World,
    writer: Writer,
    reader: Reader,
    unread: Arc<UnreadBuffers>,
    transport: Arc<dyn Transport>,
    dialer: Dialer,
    events: mpsc::Receiver<Event>,
    context: LinkContext,
    links: BTreeMap<LinkId, LinkHandle<PeerMessage>>,
    rooms: rooms::RoomLinks,
    pending: BTreeMap<RequestId, Pending>,
    next_request: RequestId,
    waiters: HashMap<(PeerId, MessageId), Vec<Reply>>,
    clients: ClientIds,
    log: LogWriter,
    /// Counts up when the way into the network, a link or a dial has changed, for programs that wait for news in STATUS. Such things
    /// are no events: they tell how it is, not what happened, and would push what happened out of the log.
    status_version: watch::Sender<u64>,
    /// What the event log is to be told with the next commit.
    untold: Vec<Op>,
    /// What the start found in the store, for the event log.
    remarks: Vec<Op>,
    /// What clients have read and the store does not know yet, because it took no writes.
    unwritten_reads: Vec<Op>,
    /// Decisions of the user that failed with the mail of their turn, to be tried alone.
    again: Vec<(Request, Reply)>,
    writable: bool,
    /// Why the store is given up, before the next turn.
    condemned: Option<String>,
    health: Health,
    /// What is too old in the event log is being removed, since the clock was believed last.
    trims: bool,
    network_usable: bool,
    network_works: bool,
    /// Ends the dials that run. Replaced by another when they were dropped.
    dials: CancellationToken,
    stop: CancellationToken,
    /// The end that was asked for is a replacement of the process.
    replace: Arc<AtomicBool>,
    /// Links, dials and the acceptor end with the engine, however it ends.
    _end: DropGuard,
}

impl Engine {
    async fn run(
        mut self,
        mut status: watch::Receiver<NetworkStatus>,
        stop: CancellationToken,
    ) -> Result<Ended, StoreLost> {
        let mut inputs = Vec::new();
        let mut room = Vec::new();
        let mut probe_at = None;
        let mut status_open = true;
        // Said at every start, because what the last process said may not hold any more.
        self.tell_network(&status.borrow().clone());
        self.note_network(&mut status, &mut inputs);
        // What the last turn asks for, if it is to be settled with the next one.
        let mut before = Due::default();
        let lost = loop {
            // The first turn runs at once: it dials the peers that the last process left waiting.
            let Ok(due) = self.turn(std::mem::take(&mut inputs), std::mem::take(&mut before)).await else { break true };
            room.clear();
            // While requests wait, the next turn's commit is begun before this one's answers are given. Not after a turn
            // that wrote nothing: it did not wait for anything either, and others are to run as well.
            if due.written && self.writable && !stop.is_cancelled() {
                self.accept_waiting(&mut inputs, &mut room);
                if !inputs.is_empty() || self.condemned.is_some() {
                    before = due;
                    continue;
                }
            }
            self.settle(due);
            probe_at = match (self.writable, probe_at) {
                (true, _) => None,
                (false, None) => Some(tokio::time::Instant::now() + PROBE_PAUSE),
                (false, at) => at,
            };
            let deadline = self.node.lock().next_deadline().map(|ms| self.world.clock.instant(ms));
            tokio::select! {
                biased;
                () = stop.cancelled() => break false,
                () = std::future::ready(()), if !self.again.is_empty() => {}
                event = self.events.recv() => match event {
                    Some(event) => self.accept(event, &mut inputs, &mut room),
                    None => break false,
                },
                changed = status.changed(), if status_open => match changed {
                    Ok(()) => self.note_network(&mut status, &mut inputs),
                    Err(_) => status_open = false,
                },
                () = at(probe_at) => {
                    probe_at = None;
                    if self.probe().await {
                        inputs.push(Input::Storage { writable: true });
                    }
                }
                () = at(deadline) => {}
            }
            self.accept_waiting(&mut inputs, &mut room);
        };
        let asked = stop.is_cancelled();
        let ended = if self.replace.load(Ordering::Acquire) { Ended::Replace } else { Ended::Stopped };
        // A node that may be ahead of the store makes no last turn. What waits in the mailbox is not answered, which its sender
        // takes for what it is: not accepted.
        if !lost {
            self.farewell().await;
        }
        if asked { Ok(ended) } else { Err(StoreLost) }
    }

    /// Takes what waits, as much as one turn may have.
    fn accept_waiting(&mut self, inputs: &mut Vec<Input>, room: &mut Vec<OwnedSemaphorePermit>) {
        for (request, reply) in std::mem::take(&mut self.again) {
            self.take_request(request, reply, inputs);
        }
        while inputs.len() < TURN {
            let Ok(event) = self.events.try_recv() else { break };
            self.accept(event, inputs, room);
        }
    }

    fn accept(&mut self, event: Event, inputs: &mut Vec<Input>, room: &mut Vec<OwnedSemaphorePermit>) {
        match event {
            Event::Core { input, room: taken } => {
                if let Input::Link(LinkInput::Down { link, .. }) = &input {
                    self.links.remove(link);
                }
                room.extend(taken);
                inputs.push(input);
            }
            Event::LinkUp { link, peer, outgoing, binding, epoch, handle } => {
                self.links.insert(link, handle);
                inputs.push(Input::Link(LinkInput::Up { link, peer, outgoing, binding, epoch }));
            }
            Event::Room(event) => self.room_event(event, inputs),
            Event::Request { request, reply } => self.take_request(request, reply, inputs),
            Event::Condemned(why) => self.condemned = Some(why),
        }
    }

    fn note_network(&mut self, status: &mut watch::Receiver<NetworkStatus>, inputs: &mut Vec<Input>) {
        let now = status.borrow_and_update().clone();
        self.status_version.send_modify(|version| *version += 1);
        if now.usable != self.network_usable {
            inputs.push(Input::Network(NetworkInput::State { usable: now.usable }));
        }
        if now.works() != self.network_works {
            self.tell_network(&now);
            inputs.push(Input::Network(NetworkInput::Carries { carries: now.works() || !now.usable }));
        }
        (self.network_usable, self.network_works) = (now.usable, now.works());
    }

    /// Says in the event log how the way into the network is. While the store takes no writes, only the last word counts.
    fn tell_network(&mut self, status: &NetworkStatus) {
        self.untold.clear();
        let (usable, sentence, why) = (status.works(), status.sentence.clone(), crate::codes::network(status));
        self.untold.push(Op::Log(LogOp::Network { usable, sentence, why }));
    }

    /// The clean end: last words to every link, what clients asked for is written, the log is folded into the file.
    async fn farewell(mut self) {
        let mut inputs = Vec::new();
        let mut room = Vec::new();
        self.accept_waiting(&mut inputs, &mut room);
        while let Ok(event) = self.events.try_recv() {
            self.accept(event, &mut inputs, &mut room);
        }
        inputs.push(Input::Stop);
        if let Ok(due) = self.turn(inputs, Due::default()).await {
            self.settle(due);
            room.clear();
            // A link ends by itself once its last words are written. What else comes now is not answered, which its
            // sender takes for what it is: not accepted.
            let said = async {
                while !(self.links.is_empty() && self.rooms.is_empty()) {
                    match self.events.recv().await {
                        Some(Event::Room(event)) => self.rooms.note_end(&event),
                        Some(Event::Core { input: Input::Link(LinkInput::Down { link, .. }), .. }) => {
                            drop(self.links.remove(&link))
                        }
                        Some(_) => {}
                        None => break,
                    }
                }
            };
            if tokio::time::timeout(FAREWELL, said).await.is_err() {
                tracing::debug!("some links did not take their last words in time");
            }
        }
        self.events.close();
        self.context.stop.cancel();
        if let Ok(Err(error)) = self.writer.checkpoint().await {
            tracing::warn!(%error, "the store's log was not folded into its file; nothing is lost");
        }
    }
}

async fn at(moment: Option<tokio::time::Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
