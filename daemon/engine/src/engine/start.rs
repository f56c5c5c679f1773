//! How an engine is put together.

use super::rooms::RoomLinks;
use super::{Engine, EngineConfig, Running, Storage, World, upkeep};
use crate::client_ids::ClientIds;
use crate::handle::{Consumers, Handle, LogWriter, keep_to_age};
use crate::legacy::{LegacyAcceptor, LegacyRejected};
use crate::link::acceptor;
use crate::link::chat::Chat;
use crate::link::context::LinkContext;
use crate::link::dialer::{Checker, Dialer};
use crate::link::rejected::Rejected;
use crate::link::room;
use crate::link::router::{Limits, Router};
use crate::store::{Reader, Retention, Store, StoreError, Writer};
use crate::unread::UnreadBuffers;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use torchat_core::handshake::LocalIdentity;
use torchat_core::node::Node;
use torchat_core::op::{LogOp, Op};
use torchat_protocol::purpose::Purpose;
use torchat_transport::Network;

/// Events that wait for the engine.
const MAILBOX: usize = 1024;
/// Bytes of received messages that wait for the engine, of all links, in KiB.
const WAITING_KIB: usize = 8 * 1024;
/// A day in milliseconds.
const DAY_MS: i64 = 24 * 3_600_000;

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
                let reader = Reader::beside(path, &store);
                (Writer::threaded(store).map_err(thread_error)?, reader, health, unchecked)
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
            rejected: Arc::<Rejected>::default(),
            stop: CancellationToken::new(),
        };
        let end = context.stop.clone().drop_guard();
        let rooms = RoomLinks::default();
        let router = Router::default().with(Purpose::CHAT, Limits::OF_THE_HANDLER, Chat::new(context.clone())).with(
            Purpose::ROOM,
            room::LIMITS,
            room::Rooms::new(context.clone(), rooms.keys()),
        );
        let router = Arc::new(router);
        let replace = Arc::<AtomicBool>::default();
        let legacy_rejected = Arc::<LegacyRejected>::default();
        let log = LogWriter::new(reader.log_edges()?);
        let clients = ClientIds::default();
        // From the clock, so that a number of the process before means another state.
        let status_version = watch::Sender::new(world.clock.now().wall_ms.unsigned_abs());
        let handle = Handle {
            own,
            mailbox,
            unread: unread.clone(),
            reader: reader.clone(),
            jobs: writer.jobs(),
            node: node.clone(),
            network: status.clone(),
            status_version: status_version.subscribe(),
            clock: world.clock.clone(),
            stop: stop.clone(),
            replace: replace.clone(),
            turned_away: Arc::default(),
            bucket: Arc::default(),
            legacy_rejected: legacy_rejected.clone(),
            receives_old: config.policy.legacy.receive,
            rejected: context.rejected.clone(),
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
        tokio::spawn(keep_to_age(handle.clone(), context.stop.clone()));
        let remarks = health.remarks();
        for remark in &remarks {
            tracing::warn!("{remark}");
        }
        let remarks = remarks.into_iter().map(|sentence| Op::Log(LogOp::Notice { peer: None, sentence, why: None }));
        let remarks = remarks.collect();
        let legacy_acceptor = config.policy.legacy.receive.then(|| LegacyAcceptor::new(legacy_rejected));
        tokio::spawn(acceptor::run(
            network.incoming,
            config.unauthenticated_streams,
            legacy_acceptor,
            router.clone(),
            context.clone(),
        ));
        let dialer = Dialer::new(network.transport.clone(), config.dial, router, context.clone());
        let engine = Self {
            node,
            own,
            config,
            world,
            writer,
            reader,
            unread,
            transport: network.transport,
            dialer,
            events,
            context,
            links: BTreeMap::new(),
            rooms,
            pending: BTreeMap::new(),
            next_request: 0,
            waiters: HashMap::new(),
            clients,
            log,
            status_version,
            untold: Vec::new(),
            remarks,
            unwritten_reads: Vec::new(),
            again: Vec::new(),
            writable: true,
            condemned: None,
            health,
            trims: false,
            network_usable: false,
            network_works: false,
            dials: CancellationToken::new(),
            stop: stop.clone(),
            replace: replace.clone(),
            _end: end,
        };
        Ok(Running { handle, join: tokio::spawn(engine.run(status, stop)) })
    }
}
