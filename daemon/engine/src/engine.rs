//! The engine: one actor that owns the core. It takes what happened, asks the core, commits, and only then acts.
//!
//! Everything that waits while a commit runs is taken into the next turn: that is the group commit. The node is locked
//! for the length of a decision (microseconds, never over an await) so that STATUS can look at it without queueing.
//! After a failed commit the node is rebuilt from the store and every link is closed: the store is the truth, and the
//! links' first words restate where each lane stands.

mod config;
mod news;
mod replies;
mod upkeep;

use crate::client_ids::{ClientIds, SendReply};
use crate::handle::{Consumers, Handle, LogWriter};
use crate::legacy::{OldDoor, Refusals};
use crate::link::acceptor;
use crate::link::context::LinkContext;
use crate::link::dialer::{self, Checker};
use crate::link::handle::{LinkHandle, ToLink};
use crate::link::rejected::SentAway;
use crate::mailbox::{DeliveryWait, Event, lock};
use crate::store::{Applied, Health, Moment, Outgoing, Reader, Retention, Store, StoreError, Trouble, Wanted, Writer};
use crate::transport::{Isolation, Network, NetworkStatus, Transport};
use crate::unread::UnreadBuffers;
pub use config::{Ended, EngineConfig, Storage, StoreLost, World};
use news::News;
use replies::{Facts, Reply};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use torchat_core::effect::{Effect, Turn};
use torchat_core::handshake::LocalIdentity;
use torchat_core::input::{Input, LinkId, RequestId};
use torchat_core::node::Node;
use torchat_core::op::Op;
use torchat_protocol::id::{Chain, LaneId, MessageId, PeerId};
use torchat_protocol::message::{Body, PeerMessage, Recv, SkipReason};

/// Events that wait for the engine.
const MAILBOX: usize = 1024;
/// Events that one turn takes at most, so that a commit stays short.
const TURN: usize = 256;
/// Bytes of received messages that wait for the engine, of all links, in KiB.
const WAITING_KIB: usize = 8 * 1024;
/// How often a store that failed is tried again.
const PROBE_PAUSE: Duration = Duration::from_secs(5);
/// A day in milliseconds.
const DAY_MS: i64 = 24 * 3_600_000;
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
    events: mpsc::Receiver<Event>,
    context: LinkContext,
    links: BTreeMap<LinkId, LinkHandle>,
    replies: BTreeMap<RequestId, Reply>,
    next_request: RequestId,
    waiters: HashMap<(PeerId, MessageId), Vec<oneshot::Sender<DeliveryWait>>>,
    clients: ClientIds,
    log: LogWriter,
    /// Counts up when the way into the network, a link or a dial has changed, for whoever waits for news in STATUS. Such things
    /// are no events: they tell how it is, not what happened, and would push what happened out of the log.
    outlook: watch::Sender<u64>,
    /// What the event log is to be told with the next commit.
    untold: Vec<Op>,
    /// What the start found in the store, for the event log.
    remarks: Vec<Op>,
    /// What clients have read and the store does not know yet, because it took no writes.
    unwritten_reads: Vec<Op>,
    /// Decisions of the user that failed with the mail of their turn, to be tried alone.
    again: Vec<Event>,
    writable: bool,
    health: Health,
    /// What is too old in the event log is being removed, since the clock was believed last.
    trims: bool,
    network_usable: bool,
    /// Ends the dials that run. Replaced by another when they were dropped.
    dials: CancellationToken,
    stop: CancellationToken,
    /// The end that was asked for is a replacement of the process.
    replace: Arc<AtomicBool>,
    /// Links, dials and the door end with the engine, however it ends.
    _end: DropGuard,
}

impl Engine {
    /// Opens the store and starts to serve.
    ///
    /// # Errors
    /// When the store cannot be opened or read.
    pub fn start(
        config: EngineConfig,
        identity: LocalIdentity,
        storage: Storage,
        network: Network,
        world: World,
    ) -> Result<Running, StoreError> {
        let retention = Retention { events: config.events_kept, age_ms: i64::from(config.events_days) * DAY_MS };
        let (writer, reader, health, unchecked) = match storage {
            Storage::File { path, max_bytes } => {
                let mut store = Store::open(&path)?;
                store.set_retention(retention);
                if let Some(bytes) = max_bytes {
                    store.set_max_bytes(bytes)?;
                }
                let thread_error = |error: std::io::Error| StoreError::Damaged(format!("no thread: {error}"));
                let (health, unchecked) = (store.health(), store.is_unchecked());
                (Writer::threaded(store).map_err(thread_error)?, Reader::of_file(path), health, unchecked)
            }
            Storage::Shared(store) => {
                let health = Store::adopt(&store, retention);
                (Writer::inline(store.clone()), Reader::shared(store), health, false)
            }
        };
        let own = identity.peer_id();
        let mut fill = |out: &mut [u8]| world.randomness.fill(out);
        let node = Node::new(own, config.policy.clone(), reader.snapshot()?, world.clock.now(), &mut fill);
        let node = Arc::new(Mutex::new(node));
        let unread = Arc::new(UnreadBuffers::load(&reader)?);
        let (mailbox, events) = mpsc::channel(MAILBOX);
        let stop = CancellationToken::new();
        let status = network.transport.status();
        let context = LinkContext {
            identity: Arc::new(identity),
            clock: world.clock.clone(),
            randomness: world.randomness.clone(),
            mailbox: mailbox.clone(),
            next_link: Arc::new(AtomicU64::new(1)),
            waiting: Arc::new(Semaphore::new(WAITING_KIB)),
            sent_away: Arc::<SentAway>::default(),
            stop: CancellationToken::new(),
        };
        let end = context.stop.clone().drop_guard();
        let replace = Arc::<AtomicBool>::default();
        let refusals = Arc::<Refusals>::default();
        let log = LogWriter::new(reader.log_edges()?);
        let clients = ClientIds::default();
        // From the clock, so that a number of the process before means another state.
        let outlook = watch::Sender::new(world.clock.now().wall_ms.unsigned_abs());
        let handle = Handle {
            own,
            mailbox,
            unread: unread.clone(),
            reader: reader.clone(),
            jobs: writer.jobs(),
            node: node.clone(),
            network: status.clone(),
            outlook: outlook.subscribe(),
            clock: world.clock.clone(),
            stop: stop.clone(),
            replace: replace.clone(),
            refused_clients: Arc::default(),
            bucket: Arc::default(),
            old_refusals: refusals.clone(),
            receives_old: config.policy.legacy.receive,
            sent_away: context.sent_away.clone(),
            callers: network.callers.clone(),
            log: log.reader(reader.clone(), world.clock.clone()),
            consumers: Arc::new(Consumers::new(reader.cursors()?)),
            client_commits: clients.commits(),
            store: health.clone(),
            started_ms: world.clock.now().wall_ms,
            checker: Arc::new(Checker::new(&network.transport, own, config.dial, context.clone())),
            sandbox: config.sandbox.as_str().into(),
        };
        if unchecked {
            tokio::spawn(upkeep::look_through(reader.clone(), handle.mailbox.clone()));
        }
        let remarks = health.remarks();
        for remark in &remarks {
            tracing::warn!("{remark}");
        }
        let remarks = remarks.into_iter().map(|sentence| Op::Notice { peer: None, sentence }).collect();
        let old = config.policy.legacy.receive.then(|| OldDoor::new(refusals));
        tokio::spawn(acceptor::run(network.incoming, config.unauthenticated_streams, old, context.clone()));
        let engine = Self {
            node,
            own,
            config,
            world,
            writer,
            reader,
            unread,
            transport: network.transport,
            events,
            context,
            links: BTreeMap::new(),
            replies: BTreeMap::new(),
            next_request: 0,
            waiters: HashMap::new(),
            clients,
            log,
            outlook,
            untold: Vec::new(),
            remarks,
            unwritten_reads: Vec::new(),
            again: Vec::new(),
            writable: true,
            health,
            trims: false,
            network_usable: false,
            dials: CancellationToken::new(),
            stop: stop.clone(),
            replace: replace.clone(),
            _end: end,
        };
        Ok(Running { handle, join: tokio::spawn(engine.run(status, stop)) })
    }

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
        loop {
            // The first turn runs at once: it dials whom the last process left waiting.
            let due = match self.turn(std::mem::take(&mut inputs), std::mem::take(&mut before)).await {
                Ok(due) => due,
                Err(_) => {
                    tracing::error!("the store's thread is gone: stopping");
                    break;
                }
            };
            room.clear();
            // While requests wait, the next turn's commit is begun before this one's answers are given. Not after a turn
            // that wrote nothing: it did not wait for anything either, and others are to run as well.
            if due.written && self.writable && !stop.is_cancelled() {
                self.accept_waiting(&mut inputs, &mut room);
                if !inputs.is_empty() {
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
            let deadline = lock(&self.node).next_deadline().map(|ms| self.world.clock.instant(ms));
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = std::future::ready(()), if !self.again.is_empty() => {}
                event = self.events.recv() => match event {
                    Some(event) => self.accept(event, &mut inputs, &mut room),
                    None => break,
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
        }
        let asked = stop.is_cancelled();
        let ended = if self.replace.load(Ordering::Acquire) { Ended::Replace } else { Ended::Stopped };
        self.farewell().await;
        if asked { Ok(ended) } else { Err(StoreLost) }
    }

    /// Takes what waits, as much as one turn may have.
    fn accept_waiting(&mut self, inputs: &mut Vec<Input>, room: &mut Vec<OwnedSemaphorePermit>) {
        for event in std::mem::take(&mut self.again) {
            self.accept(event, inputs, room);
        }
        while inputs.len() < TURN {
            let Ok(event) = self.events.try_recv() else { break };
            self.accept(event, inputs, room);
        }
    }

    fn accept(&mut self, event: Event, inputs: &mut Vec<Input>, room: &mut Vec<OwnedSemaphorePermit>) {
        let request = self.next_request;
        self.next_request += 1;
        let reply = match event {
            Event::Core { input, room: taken } => {
                if let Input::LinkDown { link, .. } = &input {
                    self.links.remove(link);
                }
                room.extend(taken);
                inputs.push(input);
                return;
            }
            Event::LinkUp { link, peer, outgoing, binding, epoch, handle } => {
                self.links.insert(link, handle);
                inputs.push(Input::LinkUp { link, peer, outgoing, binding, epoch });
                return;
            }
            Event::Wait { peer, mid, reply } => {
                if lock(&self.node).is_pending(&peer, &mid) {
                    let waiters = self.waiters.entry((peer, mid)).or_default();
                    waiters.retain(|waiter| !waiter.is_closed());
                    waiters.push(reply);
                } else {
                    let _ = reply.send(DeliveryWait::Delivered);
                }
                return;
            }
            Event::Send { peer, text, client, expire_ms, reply } => {
                let (client, reply) = match client {
                    None => (None, reply),
                    Some((client, looked_at)) => match self.clients.begin(&client, &peer, &text, looked_at, reply) {
                        Some(reply) => (Some(client), reply),
                        None => return,
                    },
                };
                inputs.push(Input::Send { request, peer, text, client: client.clone(), expire_ms });
                Reply::Send { client, reply }
            }
            Event::Contact { peer, change, reply } => {
                inputs.push(Input::Contact { request, peer, change: change.clone() });
                let alone = (inputs.len() > 1 && self.writable).then_some((peer, change));
                Reply::Contact { alone, reply }
            }
            Event::Condemned(why) => {
                self.condemn(why);
                return;
            }
            Event::Invite { lifetime_ms, reply } => {
                inputs.push(Input::Invite { request, lifetime_ms });
                Reply::Invite(reply)
            }
            Event::Cancel { peer, mid, reply } => {
                inputs.push(Input::Cancel { request, peer, mid });
                Reply::Cancel(reply)
            }
            Event::Read { peer, row, reply } => {
                inputs.push(Input::Read { request, peer, row });
                Reply::Read(reply)
            }
            Event::Seen { peer, upto, limit, reply } => {
                inputs.push(Input::ReadUpto { request, peer, upto, limit });
                Reply::Seen(reply)
            }
            Event::LegacyTaken { row, at_ms, reply } => {
                inputs.push(Input::LegacyTaken { request, row, at_ms });
                Reply::Read(reply)
            }
        };
        self.replies.insert(request, reply);
    }

    fn note_network(&mut self, status: &mut watch::Receiver<NetworkStatus>, inputs: &mut Vec<Input>) {
        let now = status.borrow_and_update().clone();
        self.outlook.send_modify(|version| *version += 1);
        if now.usable != self.network_usable {
            self.network_usable = now.usable;
            inputs.push(Input::Network { usable: now.usable });
            self.tell_network(&now);
        }
    }

    /// Says in the event log how the way into the network is. While the store takes no writes, only the last word counts.
    fn tell_network(&mut self, status: &NetworkStatus) {
        self.untold.clear();
        self.untold.push(Op::Network { usable: status.usable, sentence: status.sentence.clone() });
    }

    /// One turn. Gives back what it asks for once it is durable, to be settled by the caller or with the next turn. The
    /// error means that there is no store any more.
    ///
    /// `before` is what the last turn asks for: it is durable, so it may be seen, and it is settled while the store is at
    /// work. The decision is not: it is made after the last commit succeeded, so a failed commit never takes back
    /// what another one was built on.
    async fn turn(&mut self, inputs: Vec<Input>, before: Due) -> Result<Due, crate::store::WriterGone> {
        let now = self.world.clock.now();
        let mut news = News::of(&inputs);
        let (Turn { mut ops, effects }, believed) = {
            let mut fill = |out: &mut [u8]| self.world.randomness.fill(out);
            let mut node = lock(&self.node);
            let turn = node.turn(now, &mut fill, inputs);
            news.judge(&turn.effects, &node);
            (turn, node.believed(now))
        };
        match believed {
            None => self.trims = false,
            Some(_) if !std::mem::replace(&mut self.trims, true) => {
                tokio::spawn(upkeep::trim_log(
                    self.writer.jobs(),
                    self.node.clone(),
                    self.world.clock.clone(),
                    self.log.clone(),
                ));
            }
            Some(_) => {}
        }
        if news.any {
            self.outlook.send_modify(|version| *version += 1);
        }
        let (mut told, mut remarked) = (0, 0);
        if self.writable {
            (told, remarked) = (self.untold.len(), self.remarks.len());
            ops.extend(self.untold.iter().chain(&self.remarks).cloned());
            ops.extend(effects.iter().filter_map(|effect| match effect {
                Effect::Notice(notice) => Some(Op::Notice { peer: notice.peer(), sentence: notice.sentence() }),
                _ => None,
            }));
        }
        let is_read = |op: &Op| matches!(op, Op::Read { .. } | Op::LegacyTaken { .. });
        // What is to be sent is read from the store as well: without it the node is ahead of what went out.
        let only_reads = !effects.iter().any(|effect| matches!(effect, Effect::Transmit { .. }))
            && ops.iter().all(|op| is_read(op) || matches!(op, Op::ReadUpto { .. }));
        let mut reads = Vec::new();
        // A full store has a reserve for what was read. All of it goes there together: the place of a conversation that moved
        // past what was read earlier would make that unread after a kill, and given to nobody.
        let reads_too = self.writable || self.health.trouble() == Some(Trouble::Full);
        if reads_too {
            reads.extend(ops.iter().filter(|op| is_read(op)).cloned());
            ops.extend_from_slice(&self.unwritten_reads);
        } else {
            self.unwritten_reads.extend(ops.extract_if(.., |op| is_read(op)));
        }
        let wanted: Vec<_> = effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Transmit { peer, lane, first, count, .. } => {
                    Some(Wanted { peer: *peer, lane: *lane, first: *first, count: *count })
                }
                _ => None,
            })
            .collect();
        if ops.is_empty() && wanted.is_empty() {
            self.settle(before);
            return Ok(Due { effects, ..Due::default() });
        }
        let written = self.writer.begin(Moment { at_ms: now.wall_ms, believed }, ops, wanted);
        self.settle(before);
        match written.await? {
            Ok(written) => {
                if reads_too {
                    self.unwritten_reads.clear();
                }
                self.untold.drain(..told);
                self.remarks.drain(..remarked);
                let facts = written.applied.map_or_else(Facts::default, |applied| self.take_up(applied));
                Ok(Due { effects, outgoing: written.outgoing, facts, written: true })
            }
            Err(error) => {
                self.fail(&error, reads, only_reads, effects);
                Ok(Due::default())
            }
        }
    }

    /// Does what a durable turn asks for.
    fn settle(&mut self, due: Due) {
        self.act(due.effects, due.outgoing, due.facts);
    }

    /// Takes up what a commit did, before anybody hears of it.
    fn take_up(&mut self, applied: Applied) -> Facts {
        for stored in applied.stored {
            self.unread.add(stored);
        }
        if !applied.freed.is_empty() {
            let mut node = lock(&self.node);
            for (peer, bytes) in applied.freed {
                node.freed(&peer, bytes);
            }
        }
        self.log.publish(applied.events, applied.log);
        Facts { rows: applied.queued.into_iter().collect(), seen: applied.seen.into(), trouble: None }
    }

    /// A turn was not written: nothing of it may be seen by anybody, except that what was read is read.
    fn fail(&mut self, error: &StoreError, reads: Vec<Op>, only_reads: bool, effects: Vec<Effect>) {
        if self.writable {
            tracing::error!(%error, "the store takes no writes: new mail is refused until it does");
        }
        let full = error.trouble() == Trouble::Full && !matches!(error, StoreError::Unsure { .. });
        self.writable = false;
        self.health.set_trouble(Some(error.trouble()));
        self.outlook.send_modify(|version| *version += 1);
        self.unwritten_reads.extend(reads);
        if only_reads {
            let mut others = Vec::new();
            for effect in effects {
                let Effect::Answer { request, answer } = effect else {
                    others.push(effect);
                    continue;
                };
                match self.replies.remove(&request) {
                    Some(reply @ Reply::Seen(_)) => reply.fail(error, &mut self.clients),
                    Some(reply) => reply.answer(&answer, &mut Facts::default(), &mut self.clients),
                    None => {}
                }
            }
            // The node goes on, so what it has decided must happen: a link that it holds for closed would stay for ever.
            self.act(others, Vec::new(), Facts::default());
            let mut node = lock(&self.node);
            node.resume(self.network_usable, false);
            return;
        }
        for reply in std::mem::take(&mut self.replies).into_values() {
            match reply {
                // There is a reserve for it, which the mail of the same turn could not have.
                Reply::Contact { alone: Some((peer, change)), reply } if full => {
                    self.again.push(Event::Contact { peer, change, reply });
                }
                reply => reply.fail(error, &mut self.clients),
            }
        }
        for link in std::mem::take(&mut self.links).into_values() {
            link.cancel();
        }
        let snapshot = match self.reader.snapshot() {
            Ok(snapshot) => snapshot,
            Err(error) => {
                // Neither written nor read: the node in memory is ahead of the disk, so it must not go on.
                tracing::error!(%error, "the store cannot be read either: stopping");
                self.context.stop.cancel();
                self.events.close();
                return;
            }
        };
        let mut fill = |out: &mut [u8]| self.world.randomness.fill(out);
        let policy = self.config.policy.clone();
        let mut node = Node::new(self.own, policy, snapshot, self.world.clock.now(), &mut fill);
        node.resume(self.network_usable, false);
        let mut before = lock(&self.node);
        node.keep_account(&mut before);
        *before = node;
    }

    async fn probe(&mut self) -> bool {
        let works = matches!(self.writer.probe().await, Ok(Ok(())));
        if works {
            tracing::info!("the store takes writes again");
            self.writable = true;
            self.health.set_trouble(None);
        }
        works
    }

    /// The store was found to be damaged: nothing is written to it any more, what can be read is read.
    fn condemn(&mut self, why: String) {
        let why = format!("{why}; nothing is written until torchat.db is restored from a copy");
        tracing::error!("the store is damaged: {why}");
        let error = StoreError::Damaged(why.clone());
        self.health.remark(error.to_string());
        let jobs = self.writer.jobs();
        tokio::spawn(async move { drop(jobs.run(move |store| store.condemn(&why)).await) });
        self.fail(&error, Vec::new(), false, Vec::new());
    }

    fn act(&mut self, effects: Vec<Effect>, outgoing: Vec<Vec<Outgoing>>, mut facts: Facts) {
        facts.trouble = self.health.trouble();
        let mut outgoing = outgoing.into_iter();
        for effect in effects {
            match effect {
                Effect::Answer { request, answer } => {
                    if let Some(reply) = self.replies.remove(&request) {
                        reply.answer(&answer, &mut facts, &mut self.clients);
                    }
                }
                Effect::Say { link, message } => self.tell(link, ToLink::Say(message)),
                Effect::Transmit { link, lane, first, prev, .. } => {
                    let messages = outgoing.next().unwrap_or_default();
                    for message in recv_messages(lane, first, prev, messages) {
                        self.tell(link, ToLink::Say(message));
                    }
                }
                Effect::Close { link, bye } => {
                    self.tell(link, ToLink::Close(bye));
                }
                Effect::Dial { peer, last_circuits } => {
                    let isolation = if last_circuits { Isolation::Last } else { Isolation::Fresh };
                    let (transport, context) = (self.transport.clone(), self.context.clone());
                    let (times, dropped) = (self.config.dial, self.dials.clone());
                    tokio::spawn(dialer::dial(transport, peer, isolation, times, context, dropped));
                }
                Effect::DropDials => std::mem::take(&mut self.dials).cancel(),
                Effect::Renew => {
                    tracing::warn!("no dial gets through: a new way into the network is made");
                    self.transport.renew();
                }
                Effect::SelfCheck => {
                    let (transport, context) = (self.transport.clone(), self.context.clone());
                    let (own, times) = (self.own, self.config.dial);
                    tokio::spawn(async move { drop(dialer::check(transport, own, times, context).await) });
                }
                Effect::Replace => self.ask_for_replacement(),
                Effect::Notice(notice) if notice.is_warning() => tracing::warn!("{}", notice.sentence()),
                Effect::Notice(notice) => tracing::info!("{}", notice.sentence()),
                Effect::TakenBack { peer, mids, why } => {
                    let reason = match why {
                        SkipReason::Expired => "it waited too long",
                        SkipReason::Withdrawn | SkipReason::Lost => "it was taken back",
                    };
                    for mid in mids {
                        for waiter in self.waiters.remove(&(peer, mid)).unwrap_or_default() {
                            let _ = waiter.send(DeliveryWait::Failed { reason: reason.to_owned() });
                        }
                    }
                }
                Effect::Delivered { peer, mids } => {
                    for mid in mids {
                        for waiter in self.waiters.remove(&(peer, mid)).unwrap_or_default() {
                            let _ = waiter.send(DeliveryWait::Delivered);
                        }
                    }
                }
            }
        }
    }

    /// The core has no other means left. Without leave of whoever runs the engine, it is only said.
    fn ask_for_replacement(&self) {
        if self.config.replaceable {
            tracing::warn!("nothing mends the way into the network: the process is replaced");
            self.replace.store(true, Ordering::Release);
            self.stop.cancel();
        } else {
            tracing::warn!("nothing mends the way into the network: restart the daemon");
        }
    }

    fn tell(&self, link: LinkId, message: ToLink) {
        if let Some(handle) = self.links.get(&link) {
            handle.tell(message);
        }
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
                while !self.links.is_empty() {
                    match self.events.recv().await {
                        Some(Event::Core { input: Input::LinkDown { link, .. }, .. }) => drop(self.links.remove(&link)),
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

fn recv_messages(lane: LaneId, first: u64, prev: Chain, messages: Vec<Outgoing>) -> impl Iterator<Item = PeerMessage> {
    let mut before = prev;
    (first..).zip(messages).map(move |(seq, message)| {
        let prev = before;
        before = before.next(message.mid);
        // To the minute: a finer time would be a fingerprint of the sender's clock.
        let sent = (message.at_ms / 60_000 * 60).unsigned_abs();
        PeerMessage::Recv(Recv { lane, seq, prev, mid: message.mid, sent, body: Body::Text { text: message.text } })
    })
}

async fn at(moment: Option<tokio::time::Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
