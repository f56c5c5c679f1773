//! STATUS: the state of the daemon in one object and one sentence.

use super::Handle;
use crate::codes;
use crate::store::Trouble;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use torchat_core::account::Kind;
use torchat_core::view::{Counters, LegacyStatus, NodeStatus, PeerStatus};
use torchat_protocol::control::api::Onion;
use torchat_protocol::control::reason;
use torchat_protocol::control::status::{
    DaemonStatus, EventsPart, LegacyPart, LegacyRefused, NoticePart, QueuePart, ReachablePart, RefusedPart,
    StorageState, TorPart, WaitingPart,
};
use torchat_protocol::control::words::count;
use torchat_protocol::id::PeerId;
use torchat_protocol::room::RoomId;
use torchat_transport::NetworkStatus;

impl Handle {
    /// The version of what STATUS says of the way into the network, of links and of dials. It grows also over restarts, as
    /// long as the clock does; ask for another one rather than for a greater one.
    #[must_use]
    pub fn status_version(&self) -> u64 {
        *self.status_version.borrow()
    }

    /// Waits until [`Handle::status_version`] is another version than this. Never ends when the engine has ended.
    pub async fn status_changed(&self, from: u64) {
        if self.status_version.clone().wait_for(|version| *version != from).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// What a peer has paid of a kind in this process, see [`torchat_core::account`]: for simulations, which compare it with what
    /// it did.
    #[must_use]
    pub fn spent(&self, peer: &PeerId, kind: Kind) -> u64 {
        self.node.lock().spent(peer, kind)
    }

    /// The state of the daemon, for STATUS. `sentence` says in words what matters most.
    pub async fn status_for_clients(&self) -> DaemonStatus {
        self.status_with(&self.queued_in_rooms().await)
    }

    /// The same without a look into the store: of rooms, only the messages that are not published count as queued.
    #[must_use]
    pub fn status(&self) -> DaemonStatus {
        self.status_with(&self.unpublished_in_rooms())
    }

    /// `queued`: messages of ours that no other member has, of each room in which there are some.
    fn status_with(&self, queued: &BTreeMap<RoomId, u64>) -> DaemonStatus {
        let network = self.network.borrow().clone();
        let status = self.node.lock().status(self.clock.now().mono_ms);
        let trouble = if status.writable { None } else { self.store.trouble().or(Some(Trouble::Failing)) };
        let wrong = codes::trouble(&status.health);
        DaemonStatus {
            contacts: Some(status.contacts as u64),
            events: Some(EventsPart {
                consumers: self.consumers.count() as u64,
                last: self.log.last(),
                oldest: self.log.oldest(),
            }),
            legacy: Some(self.legacy_status(&status.legacy)),
            links: Some(status.links as u64),
            notices: Some(self.notices(&network, &status)),
            onion: Some(Onion(self.own)),
            queue: Some(QueuePart {
                bytes: status.queue.bytes,
                limit: Some(status.queue.bytes_limit),
                messages: status.queue.messages as u64,
            }),
            reachable: Some(ReachablePart {
                failing_s: status.health.unreachable_for_ms.as_ref().map(|(ms, _)| ms / 1000),
                reached_s_ago: status.health.reached_ms_ago.map(|ms| ms / 1000),
                sentence: wrong.as_ref().map(reason::Trouble::sentence),
                why: wrong,
            }),
            reasons: Some(status.waiting.iter().map(waiting).chain(self.rooms_waiting(queued)).collect()),
            refused: Some(self.refused(&status.counters)),
            requests: Some(status.requests as u64),
            rooms: Some(self.rooms_status(queued)),
            sandbox: Some((*self.sandbox).to_string()),
            sentence: Some(sentence(&network, &status, trouble)),
            search: Some(self.store.search().state()),
            storage: Some(trouble.map_or(StorageState::Ok, Trouble::state)),
            tor: Some(tor(&network)),
            unread_bytes: Some(status.unread_bytes),
        }
    }

    fn notices(&self, network: &NetworkStatus, status: &NodeStatus) -> Vec<NoticePart> {
        // What was found in the store stands first, for it lasts as long as this run.
        let found = self.store.remarks().into_iter();
        let found = found.map(|sentence| NoticePart { at_ms: self.started_ms, peer: None, sentence, why: None });
        let told = status.notices.iter().map(|n| {
            let why = codes::notice(&n.notice);
            NoticePart {
                at_ms: n.wall_ms,
                peer: n.notice.peer().map(Into::into),
                sentence: why.sentence(),
                why: Some(why),
            }
        });
        let of_network = network.notices.iter().map(|n| NoticePart {
            at_ms: i64::try_from(n.wall_ms).unwrap_or(i64::MAX),
            peer: None,
            sentence: n.sentence.clone(),
            why: None,
        });
        found.chain(told).chain(of_network).chain(self.turned_away.notice()).collect()
    }

    fn refused(&self, counters: &Counters) -> RefusedPart {
        let account = |kind| counters.account.of(kind);
        RefusedPart {
            account_answers: account(Kind::Answers),
            account_bytes: account(Kind::Bytes),
            account_lanes: account(Kind::Lanes),
            account_links: account(Kind::Links),
            account_notes: account(Kind::Notes),
            account_replaced: account(Kind::Replaced),
            account_resent: account(Kind::Resent),
            account_rows: account(Kind::Rows),
            account_states: account(Kind::States),
            account_work: account(Kind::Work),
            requests: counters.requests,
            dials: counters.dials,
            circuits: self.callers.rejected(),
            clients: self.turned_away.clients(),
            closed: self.turned_away.lost(),
            connections: self.rejected.connections.load(Ordering::Relaxed),
            handshakes: self.rejected.handshakes.load(Ordering::Relaxed),
            invites: counters.invites,
            links: counters.links + self.rejected.crowded.load(Ordering::Relaxed),
            misbehaved: counters.misbehaved,
            not_read: self.rejected.not_read.load(Ordering::Relaxed),
            outbox_full: counters.outbox,
            protocol: self.rejected.protocol.load(Ordering::Relaxed),
            storage: counters.storage,
            strangers: counters.strangers,
            streams: self.rejected.streams.load(Ordering::Relaxed),
            unread_full: counters.unread_full,
        }
    }

    fn legacy_status(&self, status: &LegacyStatus) -> LegacyPart {
        let rejected = &self.legacy_rejected;
        LegacyPart {
            receive: self.receives_old,
            refused: LegacyRefused {
                busy: rejected.busy.load(Ordering::Relaxed),
                commands: rejected.commands.load(Ordering::Relaxed),
                expired: status.expired,
                full: status.full,
                malformed: rejected.malformed.load(Ordering::Relaxed),
                rate: status.rate,
                storage: status.storage,
                unfinished: rejected.unfinished.load(Ordering::Relaxed),
            },
            unread: status.unread as u64,
        }
    }
}

fn tor(network: &NetworkStatus) -> TorPart {
    let down = network.down.as_ref();
    TorPart {
        cause: down.and_then(|down| down.cause),
        detail: down.and_then(|down| down.detail.clone()),
        down_s: down.map(|down| down.since.elapsed().as_secs()),
        percent: network.percent.into(),
        sentence: network.sentence.clone(),
        since_ms: down.map(|down| i64::try_from(down.wall_ms).unwrap_or(i64::MAX)),
        usable: network.works(),
    }
}

fn waiting(waiting: &PeerStatus) -> WaitingPart {
    let why = codes::reason(waiting.obstacle.clone());
    WaitingPart {
        next_try_s: waiting.next_dial_in_ms.map(|ms| ms / 1000),
        peer: waiting.peer.into(),
        queued: waiting.queued as u64,
        reason: why.sentence(),
        why: Some(why),
    }
}

fn sentence(network: &NetworkStatus, status: &NodeStatus, trouble: Option<Trouble>) -> String {
    let mail = match status.queue.messages {
        0 => "nothing waits to be delivered".to_owned(),
        1 => "1 message waits to be delivered".to_owned(),
        n => format!("{} wait to be delivered", count(n as u64, "message")),
    };
    let requests = match status.requests {
        0 => String::new(),
        1 => "; 1 stranger asks to become a contact".to_owned(),
        n => format!("; {n} strangers ask to become contacts"),
    };
    let storage =
        trouble.map_or_else(String::new, |trouble| format!("; {trouble}, so the daemon refuses new messages"));
    let trouble = codes::trouble(&status.health)
        .filter(|_| network.works())
        .map_or_else(String::new, |why| format!("; {}", why.sentence()));
    let warning = status.notices.iter().rev().find(|n| n.notice.is_warning());
    let warning = warning.map_or_else(String::new, |n| format!("; {}", codes::notice(&n.notice).sentence()));
    let links = count(status.links as u64, "link");
    format!("{}; {links}; {mail}{requests}{storage}{trouble}{warning}", network.sentence)
}
