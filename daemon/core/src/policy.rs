//! What a daemon may take and how patient it is: every limit and pause of the core in one place.

use crate::tariff::Tariff;
use torchat_protocol::purpose::Purpose;

/// The limits and pauses of the core. `Default` holds the documented values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The name that we would like to have at those that we ask to accept us; may be empty.
    pub nick: String,
    /// What a stranger may do.
    pub strangers: Strangers,
    /// Requests of strangers.
    pub requests: RequestPolicy,
    /// Messages of old daemons.
    pub legacy: LegacyPolicy,
    /// What one peer may cost.
    pub tariff: Tariff,
    /// Bytes of unread text from one peer, and [`crate::account::ROW_BYTES`] for each message and mark; beyond it nothing of this peer is acknowledged until something is read.
    pub unread_bytes_per_peer: u64,
    /// Bytes of unread text from all peers.
    pub unread_bytes_total: u64,
    /// Undelivered messages for one contact.
    pub outbox_messages_per_contact: usize,
    /// Bytes of undelivered text for all contacts.
    pub outbox_bytes_total: u64,
    /// Links to peers that are no contacts; the oldest goes when another comes.
    pub stranger_links: usize,
    /// How long a stranger may keep a link, in milliseconds.
    pub stranger_link_ms: u64,
    /// How long a message is tried, in milliseconds; then it has failed.
    pub expiry_ms: i64,
    /// Links to contacts that were heard of within this time are kept although nothing is to be delivered.
    pub presence_ms: i64,
    /// Pauses of dialling.
    pub dial: DialPolicy,
    /// Pauses of the sign of life.
    pub liveness: Liveness,
    /// When our own way into the network is repaired.
    pub repair: RepairPolicy,
}

/// What a stranger may do. Its mail waits at its sender in any case but [`Strangers::Open`], and it cannot tell the others
/// apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strangers {
    /// Nothing.
    Closed,
    /// Become a contact with an invite of ours.
    Invite,
    /// That, or ask: the request is kept apart from mail until the user decides.
    Request,
    /// Write.
    Open,
}

/// How many requests of strangers are kept, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestPolicy {
    /// Requests that wait for the user. Beyond it, further ones are dropped.
    pub waiting: usize,
    /// How long a request, or its refusal, is kept, in milliseconds.
    pub kept_ms: i64,
    /// How many requests may come at once ..
    pub burst: u64,
    /// .. and one more after this time. A new onion costs nothing, so only the whole flow can be bounded.
    pub token_ms: u64,
    /// What is stored of a stranger is written after a random time of at least this, in milliseconds ..
    pub later_min_ms: u64,
    /// .. and at most this. The user sees a request at once, programs hear of it then.
    pub later_max_ms: u64,
    /// Invites that may be outstanding.
    pub invites: usize,
}

impl Default for RequestPolicy {
    fn default() -> Self {
        Self {
            waiting: 100,
            kept_ms: 30 * 24 * 3_600_000,
            burst: 20,
            token_ms: 60_000,
            later_min_ms: 1_000,
            later_max_ms: 5_000,
            invites: 100,
        }
    }
}

/// What is taken from old daemons, whose senders nothing proves. See [`torchat_protocol::legacy`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyPolicy {
    /// Whether anything is taken at all.
    pub receive: bool,
    /// Messages within any minute, of all old daemons together: a claimed id costs nothing, so only the whole flow can
    /// be bounded. Beyond it they are dropped.
    pub per_minute: usize,
    /// Messages that are kept, taken by a client or not. The oldest taken one gives its place to a new one; what nobody
    /// has taken stays, and then the new one is dropped.
    pub kept: usize,
    /// How long a message is kept, in milliseconds.
    pub kept_ms: i64,
}

impl Default for LegacyPolicy {
    fn default() -> Self {
        Self { receive: false, per_minute: 10, kept: 500, kept_ms: 7 * 24 * 3_600_000 }
    }
}

/// When to dial. The values rest on measurements of arti after crashes, see `docs/adr/0003-dialling.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialPolicy {
    /// Dials at the same time.
    pub concurrent: usize,
    /// Shortest pause after a link was lost. A dial at once would meet the dead service's introduction point, which
    /// still answers, and would hang for 40 s.
    pub loss_min_ms: u64,
    /// Longest pause after a link was lost.
    pub loss_max_ms: u64,
    /// First pause after a peer was found to be down; it doubles with every failure.
    pub backoff_ms: u64,
    /// First pause after a link to a peer that has not accepted us; it doubles up to [`DialPolicy::cap_ms`].
    pub backoff_waiting_ms: u64,
    /// Least pause after a peer ended a link because it does not want us now: it is full, we broke a limit of it, or it knows
    /// a newer copy of us.
    pub unwanted_ms: u64,
    /// Longest pause for a contact that was heard of within the hour.
    pub cap_hour_ms: u64,
    /// Longest pause for a contact that was heard of within the day.
    pub cap_day_ms: u64,
    /// Longest pause for any contact.
    pub cap_ms: u64,
    /// Longest pause while nothing is owed and the link is only wanted for presence.
    pub cap_presence_ms: u64,
    /// Dials of one contact that may follow each other without a pause of [`DialPolicy::token_ms`].
    pub burst: u64,
    /// One more dial of a contact is allowed after this time. Each dial builds up to two ways, and some 24 circuits to a
    /// peer that is down; a peer that comes and goes must not be able to make us build circuits without end.
    pub token_ms: u64,
    /// At the start, dials are spread over at most this time, 2 s for each peer.
    pub start_spread_ms: u64,
}

/// When a link must show a sign of life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Liveness {
    /// Silence before a ping while something is unacknowledged.
    pub active_ms: u64,
    /// Silence before a ping on an idle link.
    pub idle_ms: u64,
    /// Time to answer a ping.
    pub answer_ms: u64,
    /// A link to a contact that must not see us is closed after this silence.
    pub hidden_ms: u64,
    /// And after this time without anything that is owed or delivered, whatever the contact says.
    pub hidden_end_ms: u64,
    /// A step between the two clocks, or between two turns, above this is a sleep of the machine.
    pub sleep_ms: u64,
    /// The clocks are compared this often at least.
    pub tick_ms: u64,
}

/// When our own way into the network is taken as broken, and what is done. The values rest on measurements of arti
/// after outages: its client needs two minutes and more where a new one gets through within 3 s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairPolicy {
    /// Failed dials without any success before a repair.
    pub failures: u32,
    /// Time without any success before a repair.
    pub trouble_ms: u64,
    /// Between two renewals of the way into the network.
    pub renew_ms: u64,
    /// The same after many that did not help.
    pub renew_cap_ms: u64,
    /// Time without any success, although Tor says that it works, before the process is replaced.
    pub replace_ms: u64,
    /// The same while Tor says that it does not work.
    pub replace_offline_ms: u64,
    /// A process is not replaced before it has run so long.
    pub replace_uptime_ms: u64,
    /// Our own service is dialled if nobody has reached it for this long; 0: never.
    pub self_check_ms: u64,
    /// After a failed check, or a sleep, the next one comes after this time.
    pub self_check_retry_ms: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            nick: String::new(),
            strangers: Strangers::Request,
            requests: RequestPolicy::default(),
            legacy: LegacyPolicy::default(),
            tariff: Tariff::default(),
            unread_bytes_per_peer: 16 << 20,
            unread_bytes_total: 256 << 20,
            outbox_messages_per_contact: 10_000,
            outbox_bytes_total: 64 << 20,
            stranger_links: 32,
            stranger_link_ms: 30_000,
            expiry_ms: 30 * 24 * 3_600_000,
            presence_ms: 3_600_000,
            dial: DialPolicy::default(),
            liveness: Liveness::default(),
            repair: RepairPolicy::default(),
        }
    }
}

impl DialPolicy {
    /// How many of the dials at the same time may be for a purpose: all for messages; half, but one at least, for others, so
    /// that mail never waits until a room's hosts have answered.
    pub(crate) fn places(&self, purpose: Purpose) -> usize {
        if purpose == Purpose::CHAT { self.concurrent } else { (self.concurrent / 2).max(1) }
    }
}

impl Default for DialPolicy {
    fn default() -> Self {
        Self {
            concurrent: 8,
            loss_min_ms: 1_000,
            loss_max_ms: 3_000,
            backoff_ms: 2_000,
            backoff_waiting_ms: 60_000,
            unwanted_ms: 60_000,
            cap_hour_ms: 90_000,
            cap_day_ms: 8 * 60_000,
            cap_ms: 4 * 3_600_000,
            cap_presence_ms: 8 * 60_000,
            burst: 30,
            token_ms: 20_000,
            start_spread_ms: 30_000,
        }
    }
}

impl Default for RepairPolicy {
    fn default() -> Self {
        Self {
            failures: 3,
            trouble_ms: 45_000,
            renew_ms: 60_000,
            renew_cap_ms: 600_000,
            replace_ms: 20 * 60_000,
            replace_offline_ms: 6 * 3_600_000,
            replace_uptime_ms: 30 * 60_000,
            self_check_ms: 3_600_000,
            self_check_retry_ms: 60_000,
        }
    }
}

impl Default for Liveness {
    fn default() -> Self {
        // An idle link is noticed dead within 4 minutes: 215 s, the answer's 10 s and a random part below 15 s.
        Self {
            active_ms: 15_000,
            idle_ms: 215_000,
            answer_ms: 10_000,
            hidden_ms: 5_000,
            hidden_end_ms: 30_000,
            sleep_ms: 30_000,
            tick_ms: 15_000,
        }
    }
}
