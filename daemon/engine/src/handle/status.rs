//! STATUS: the state of the daemon in one object and one sentence.

use super::Handle;
use crate::codes;
use crate::mailbox::lock;
use crate::store::Trouble;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use torchat_core::account::Kind;
use torchat_core::view::{LegacyStatus, NodeStatus};
use torchat_protocol::id::PeerId;
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
        lock(&self.node).spent(peer, kind)
    }

    /// The state of the daemon, for STATUS. `sentence` says in words what matters most.
    #[must_use]
    pub fn status(&self) -> Value {
        let network = self.network.borrow().clone();
        let status = lock(&self.node).status(self.clock.now().mono_ms);
        let trouble = if status.writable { None } else { self.store.trouble().or(Some(Trouble::Failing)) };
        let reasons: Vec<_> = status
            .waiting
            .iter()
            .map(|waiting| {
                json!({
                    "next_try_s": waiting.next_dial_in_ms.map(|ms| ms / 1000),
                    "peer": waiting.peer.onion(),
                    "queued": waiting.queued,
                    "reason": codes::reason(waiting.obstacle.clone()).sentence(),
                })
            })
            .collect();
        let of_network =
            network.notices.iter().map(|n| json!({ "at_ms": n.wall_ms, "peer": Value::Null, "sentence": n.sentence }));
        // What was found in the store stands first, for it lasts as long as this run.
        let found = self.store.remarks().into_iter();
        let found = found.map(|sentence| json!({ "at_ms": self.started_ms, "peer": null, "sentence": sentence }));
        let notices = status.notices.iter().map(|n| {
            let peer = n.notice.peer().map(|peer| peer.onion());
            json!({ "at_ms": n.wall_ms, "peer": peer, "sentence": codes::notice(&n.notice).sentence() })
        });
        let notices: Vec<_> = found.chain(notices).chain(of_network).collect();
        json!({
            "contacts": status.contacts,
            "events": { "consumers": self.consumers.count(), "last": self.log.last(), "oldest": self.log.oldest() },
            "legacy": self.legacy_status(&status.legacy),
            "links": status.links,
            "notices": notices,
            "onion": self.own.onion(),
            "reachable": {
                "failing_s": status.health.unreachable_for_ms.as_ref().map(|(ms, _)| ms / 1000),
                "reached_s_ago": status.health.reached_ms_ago.map(|ms| ms / 1000),
                "sentence": codes::trouble(&status.health).map(|trouble| trouble.sentence()),
            },
            "queue": { "bytes": status.queued_bytes, "messages": status.queued },
            "reasons": reasons,
            "refused": {
                "account_answers": status.counters.account.of(Kind::Answers),
                "account_bytes": status.counters.account.of(Kind::Bytes),
                "account_lanes": status.counters.account.of(Kind::Lanes),
                "account_links": status.counters.account.of(Kind::Links),
                "account_notes": status.counters.account.of(Kind::Notes),
                "account_replaced": status.counters.account.of(Kind::Replaced),
                "account_resent": status.counters.account.of(Kind::Resent),
                "account_rows": status.counters.account.of(Kind::Rows),
                "account_states": status.counters.account.of(Kind::States),
                "account_work": status.counters.account.of(Kind::Work),
                "requests": status.counters.requests,
                "dials": status.counters.dials,
                "circuits": self.callers.rejected(),
                "clients": self.refused_clients.load(Ordering::Relaxed),
                "connections": self.rejected.connections.load(Ordering::Relaxed),
                "handshakes": self.rejected.handshakes.load(Ordering::Relaxed),
                "invites": status.counters.invites,
                "links": status.counters.links + self.rejected.crowded.load(Ordering::Relaxed),
                "misbehaved": status.counters.misbehaved,
                "not_read": self.rejected.not_read.load(Ordering::Relaxed),
                "outbox_full": status.counters.outbox,
                "protocol": self.rejected.protocol.load(Ordering::Relaxed),
                "storage": status.counters.storage,
                "strangers": status.counters.strangers,
                "streams": self.rejected.streams.load(Ordering::Relaxed),
                "unread_full": status.counters.unread_full,
            },
            "requests": status.requests,
            "sandbox": *self.sandbox,
            "sentence": sentence(&network, &status, trouble),
            "search": self.store.search().state(),
            "storage": trouble.map_or("ok", Trouble::state),
            "tor": { "percent": network.percent, "sentence": network.sentence, "usable": network.usable },
            "unread_bytes": status.unread_bytes,
        })
    }

    fn legacy_status(&self, status: &LegacyStatus) -> Value {
        let rejected = &self.legacy_rejected;
        json!({
            "receive": self.receives_old,
            "refused": {
                "busy": rejected.busy.load(Ordering::Relaxed),
                "commands": rejected.commands.load(Ordering::Relaxed),
                "expired": status.expired,
                "full": status.full,
                "malformed": rejected.malformed.load(Ordering::Relaxed),
                "rate": status.rate,
                "storage": status.storage,
                "unfinished": rejected.unfinished.load(Ordering::Relaxed),
            },
            "unread": status.unread,
        })
    }
}

fn sentence(network: &NetworkStatus, status: &NodeStatus, trouble: Option<Trouble>) -> String {
    let mail = match status.queued {
        0 => "nothing waits to be delivered".to_owned(),
        1 => "1 message waits to be delivered".to_owned(),
        n => format!("{n} messages wait to be delivered"),
    };
    let requests = match status.requests {
        0 => String::new(),
        1 => "; 1 stranger asks to become a contact".to_owned(),
        n => format!("; {n} strangers ask to become contacts"),
    };
    let storage = trouble.map_or_else(String::new, |trouble| format!("; {trouble}, so new mail is refused"));
    let trouble = codes::trouble(&status.health)
        .filter(|_| network.usable)
        .map_or_else(String::new, |trouble| format!("; {}", trouble.sentence()));
    let warning = status.notices.iter().rev().find(|n| n.notice.is_warning());
    let warning = warning.map_or_else(String::new, |n| format!("; {}", codes::notice(&n.notice).sentence()));
    let links = match status.links {
        1 => "1 link".to_owned(),
        n => format!("{n} links"),
    };
    format!("{}; {}; {mail}{requests}{storage}{trouble}{warning}", network.sentence, links)
}
