//! A daemon's disk: what the transactions of the core's turns leave, as the schema of the real store keeps it.

use std::collections::{BTreeMap, BTreeSet};
use torchat_core::account::ROW_BYTES;
use torchat_core::op::{ChatOp, ContactOp, LogOp, Op};
use torchat_core::snapshot::{ContactRequest, Intro, InviteRow, OutSnapshot, PeerSnapshot, Pending, Snapshot};
use torchat_protocol::id::{Chain, LaneId, MessageId, PeerId, RunId};
use torchat_protocol::limits;
use torchat_protocol::message::{LaneState, SkipReason};

/// How a sent message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Queued,
    Delivered,
    /// Taken back; whether it had reached the peer is not known.
    Open(SkipReason),
    /// Taken back for good.
    Gone,
}

/// A message of ours.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) peer: PeerId,
    pub(super) mid: MessageId,
    pub(super) lane: LaneId,
    pub(super) seq: u64,
    pub(super) text: String,
    pub(super) at_ms: i64,
    pub(super) until_ms: Option<i64>,
    pub(super) state: State,
}

/// A message of a peer's.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) peer: PeerId,
    pub(super) mid: MessageId,
    pub(super) text: String,
    pub(super) read: bool,
}

#[derive(Debug, Clone, Default)]
struct Row {
    contact: bool,
    waiting: bool,
    added_ms: Option<i64>,
    seen_ms: Option<i64>,
    blocked: bool,
    petname: Option<String>,
    nick: Option<String>,
    intro: Intro,
    hidden: bool,
    epoch: u32,
    met: Option<RunId>,
    attempts: u32,
    linked: bool,
    verified_ms: Option<i64>,
    retain_days: Option<u32>,
}

/// See the module's description.
#[derive(Debug, Default)]
pub(super) struct Store {
    peers: BTreeMap<PeerId, Row>,
    requests: BTreeMap<PeerId, ContactRequest>,
    invites: BTreeMap<[u8; 32], i64>,
    runs: Vec<RunId>,
    clock_set_ms: Option<i64>,
    out_lanes: BTreeMap<PeerId, (LaneId, u64, Chain)>,
    /// Those that moved last stand last.
    in_lanes: BTreeMap<PeerId, Vec<LaneState>>,
    /// The highest number that each lane of a peer ever had here, forgotten lanes included.
    highest: BTreeMap<(PeerId, LaneId), u64>,
    /// In the order of their acceptance.
    pub(super) sent: Vec<Sent>,
    /// In the order of their arrival. A row's number is its place.
    pub(super) received: Vec<Received>,
    /// Marks of lost messages.
    marks: BTreeMap<PeerId, usize>,
    /// Bytes that are unread no more, by peer, since they were taken from here.
    pub(super) freed: Vec<(PeerId, u64)>,
}

impl Store {
    /// Our lane to a peer.
    pub(super) fn out_lane(&self, peer: &PeerId) -> Option<LaneState> {
        self.out_lanes.get(peer).map(|(lane, acked, chain)| LaneState { lane: *lane, hwm: *acked, chain: *chain })
    }

    /// A peer's lanes to us.
    pub(super) fn in_lanes(&self, peer: &PeerId) -> &[LaneState] {
        self.in_lanes.get(peer).map(Vec::as_slice).unwrap_or_default()
    }

    /// The highest number that this lane of a peer ever had here.
    pub(super) fn highest(&self, peer: &PeerId, lane: LaneId) -> u64 {
        self.highest.get(&(*peer, lane)).copied().unwrap_or(0)
    }

    /// How many marks of lost messages stand in the conversation with this peer.
    pub(super) fn marks_of(&self, peer: &PeerId) -> usize {
        self.marks.get(peer).copied().unwrap_or(0)
    }

    /// Whether something is owed to this peer.
    pub(super) fn owes(&self, peer: &PeerId) -> bool {
        self.sent.iter().any(|sent| sent.peer == *peer && sent.state == State::Queued)
    }

    pub(super) fn is_contact(&self, peer: &PeerId) -> bool {
        self.peers.get(peer).is_some_and(|row| row.contact)
    }

    /// The bytes of a peer's unread texts and rows. Nobody reads marks here: each is given back at once.
    pub(super) fn unread_bytes(&self, peer: &PeerId) -> u64 {
        let unread = self.received.iter().filter(|row| row.peer == *peer && !row.read);
        unread.map(|row| row.text.len() as u64 + ROW_BYTES).sum()
    }

    fn in_lane(&mut self, peer: PeerId, state: LaneState) {
        let lanes = self.in_lanes.entry(peer).or_default();
        lanes.retain(|other| other.lane != state.lane);
        lanes.push(state);
        let highest = self.highest.entry((peer, state.lane)).or_default();
        *highest = state.hwm.max(*highest);
        assert!(lanes.len() <= limits::LANES_PER_PEER, "more lanes of a peer than there may be");
    }

    /// Applies one operation. Returns the place of a message that was stored anew.
    ///
    /// # Panics
    /// When the operation does not go on from what is here.
    pub(super) fn apply(&mut self, op: Op) -> Option<usize> {
        match op {
            Op::Contacts(ContactOp::Add { peer, at_ms }) => {
                let row = self.peers.entry(peer).or_default();
                row.contact = true;
                row.added_ms.get_or_insert(at_ms);
            }
            Op::Contacts(ContactOp::Remove { peer }) => self.change(peer, |row| {
                (row.contact, row.waiting, row.hidden) = (false, false, false);
                (row.petname, row.intro) = (None, Intro::default());
            }),
            Op::Contacts(ContactOp::Block { peer, blocked }) => self.peers.entry(peer).or_default().blocked = blocked,
            Op::Contacts(ContactOp::Petname { peer, name }) => self.change(peer, |row| row.petname = name),
            Op::Contacts(ContactOp::Nick { peer, nick }) => self.change(peer, |row| row.nick = Some(nick)),
            Op::Contacts(ContactOp::Intro { peer, intro }) => self.peers.entry(peer).or_default().intro = intro,
            Op::Contacts(ContactOp::Request { peer, request: Some(request) }) => {
                drop(self.requests.insert(peer, request))
            }
            Op::Contacts(ContactOp::Request { peer, request: None }) => drop(self.requests.remove(&peer)),
            Op::Contacts(ContactOp::Invite { invite }) => drop(self.invites.insert(invite.hash, invite.until_ms)),
            Op::Contacts(ContactOp::InviteGone { hash }) => drop(self.invites.remove(&hash)),
            Op::Contacts(ContactOp::Waiting { peer, waiting }) => self.peers.entry(peer).or_default().waiting = waiting,
            Op::Log(LogOp::Run { run, .. }) => self.runs.push(run),
            Op::Log(LogOp::ClockSet { at_ms }) => self.clock_set_ms = Some(at_ms),
            Op::Contacts(ContactOp::Met { peer, epoch, run }) => {
                self.change(peer, |row| (row.epoch, row.met) = (epoch, run))
            }
            Op::Contacts(ContactOp::Hidden { peer, hidden }) => self.change(peer, |row| row.hidden = hidden),
            Op::Contacts(ContactOp::Verified { peer, at_ms }) => self.change(peer, |row| row.verified_ms = at_ms),
            Op::Contacts(ContactOp::Retain { peer, days }) => self.change(peer, |row| row.retain_days = days),
            Op::Contacts(ContactOp::Seen { peer, at_ms }) => self.change(peer, |row| row.seen_ms = Some(at_ms)),
            Op::Contacts(ContactOp::Retry { peer, attempts, .. }) => {
                self.peers.entry(peer).or_default().attempts = attempts
            }
            Op::Chat(ChatOp::Receive { peer, lane, seq, chain, mid, text, .. }) => {
                let before = self.in_lanes(&peer).iter().find(|state| state.lane == lane);
                let (hwm, digest) = before.map_or((0, Chain::EMPTY), |state| (state.hwm, state.chain));
                assert_eq!((seq, chain), (hwm + 1, digest.next(mid)), "a lane goes on where it was");
                self.in_lane(peer, LaneState { lane, hwm: seq, chain });
                if !self.received.iter().any(|row| (row.peer, row.mid) == (peer, mid)) {
                    self.received.push(Received { peer, mid, text, read: false });
                    return Some(self.received.len() - 1);
                }
                self.freed.push((peer, text.len() as u64 + ROW_BYTES));
            }
            Op::Chat(ChatOp::Skip { peer, lane, to, chain, count, why, .. }) => {
                let hwm = self.in_lanes(&peer).iter().find(|state| state.lane == lane).map_or(0, |state| state.hwm);
                assert_eq!(hwm.checked_add(count), Some(to), "as many numbers as it says");
                assert!(why == SkipReason::Lost || count == 1, "only lost ones are skipped by the dozen");
                self.in_lane(peer, LaneState { lane, hwm: to, chain });
                if why == SkipReason::Lost {
                    *self.marks.entry(peer).or_default() += 1;
                    self.freed.push((peer, ROW_BYTES));
                }
            }
            Op::Chat(ChatOp::ForgetLane { peer, lane }) => {
                self.in_lanes.entry(peer).or_default().retain(|state| state.lane != lane);
            }
            Op::Chat(ChatOp::Read { row, .. }) => {
                if let Some(row) = usize::try_from(row).ok().and_then(|row| self.received.get_mut(row))
                    && !std::mem::replace(&mut row.read, true)
                {
                    self.freed.push((row.peer, row.text.len() as u64 + ROW_BYTES));
                }
            }
            Op::Log(LogOp::Link { peer, up }) => self.change(peer, |row| row.linked = up),
            // For the event log, and for messages that the core does not know any more.
            Op::Chat(ChatOp::Sent { .. } | ChatOp::Erase { .. })
            | Op::Log(LogOp::Changed { .. })
            | Op::Log(LogOp::Network { .. })
            | Op::Log(LogOp::Notice { .. }) => {}
            other => self.apply_sent(other),
        }
        None
    }

    fn change(&mut self, peer: PeerId, change: impl FnOnce(&mut Row)) {
        if let Some(row) = self.peers.get_mut(&peer) {
            change(row);
        }
    }

    fn apply_sent(&mut self, op: Op) {
        match op {
            Op::Chat(ChatOp::Queue { peer, mid, lane, seq, at_ms, until_ms, text, .. }) => {
                self.out_lanes.entry(peer).or_insert((lane, 0, Chain::EMPTY));
                assert!(!self.sent.iter().any(|sent| sent.mid == mid), "an id twice");
                self.sent.push(Sent { peer, mid, lane, seq, text, at_ms, until_ms, state: State::Queued });
            }
            Op::Chat(ChatOp::TakeBack { peer, mid, why, .. }) => {
                for sent in self.of(peer).filter(|sent| sent.mid == mid && sent.state == State::Queued) {
                    sent.state = State::Open(why);
                }
            }
            Op::Chat(ChatOp::Delivered { peer, lane, upto, chain, late, .. }) => {
                if let Some(row) = self.out_lanes.get_mut(&peer).filter(|row| row.0 == lane) {
                    assert!(upto > row.1, "a lane goes forward");
                    (row.1, row.2) = (upto, chain);
                }
                let late: BTreeSet<_> = late.into_iter().collect();
                for sent in self.of(peer) {
                    let passed = sent.lane == lane && sent.seq <= upto;
                    sent.state = match sent.state {
                        _ if late.contains(&sent.mid) => State::Delivered,
                        State::Queued if passed => State::Delivered,
                        State::Open(_) if passed => State::Gone,
                        state => state,
                    };
                }
            }
            Op::Chat(ChatOp::NewLane { peer, lane, messages }) => {
                if let Some(row) = self.out_lanes.get_mut(&peer) {
                    *row = (lane, 0, Chain::EMPTY);
                }
                for sent in self.of(peer).filter(|sent| matches!(sent.state, State::Open(_))) {
                    sent.state = State::Gone;
                }
                for (seq, (mid, _)) in (1u64..).zip(messages) {
                    for sent in self.of(peer).filter(|sent| sent.mid == mid) {
                        (sent.lane, sent.seq) = (lane, seq);
                    }
                }
            }
            other => panic!("an operation that nothing here can cause: {other:?}"),
        }
    }

    fn of(&mut self, peer: PeerId) -> impl Iterator<Item = &mut Sent> {
        self.sent.iter_mut().filter(move |sent| sent.peer == peer)
    }

    /// The queued messages of a lane from a number on, as they are transmitted.
    pub(super) fn outgoing(&self, peer: &PeerId, lane: LaneId, first: u64, count: u64) -> Vec<&Sent> {
        let mut rows: Vec<_> = self
            .sent
            .iter()
            .filter(|sent| sent.peer == *peer && sent.lane == lane && sent.seq >= first && sent.state == State::Queued)
            .collect();
        rows.sort_by_key(|sent| sent.seq);
        rows.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        rows
    }

    /// What the next process finds.
    pub(super) fn snapshot(&self) -> Snapshot {
        let all: BTreeSet<_> = self.peers.keys().chain(self.requests.keys()).copied().collect();
        let peers = all.into_iter().map(|peer| self.peer_snapshot(peer)).collect();
        let invites = self.invites.iter().map(|(hash, until_ms)| InviteRow { hash: *hash, until_ms: *until_ms });
        Snapshot {
            peers,
            invites: invites.collect(),
            runs: self.runs.clone(),
            clock_set_ms: self.clock_set_ms,
            ..Snapshot::default()
        }
    }

    fn peer_snapshot(&self, peer: PeerId) -> PeerSnapshot {
        let row = self.peers.get(&peer).cloned().unwrap_or_default();
        let out = self.out_lanes.get(&peer).map(|(lane, acked, acked_chain)| {
            let open = |state| !matches!(state, State::Delivered | State::Gone);
            let mut rows: Vec<_> =
                self.sent.iter().filter(|s| s.peer == peer && s.lane == *lane && open(s.state)).collect();
            rows.sort_by_key(|sent| sent.seq);
            let numbers: Vec<_> = rows.iter().map(|sent| sent.seq).collect();
            let expected: Vec<_> = (acked + 1..).take(numbers.len()).collect();
            assert_eq!(numbers, expected, "what is pending follows what is acknowledged");
            // As the real store: digests of what is pending follow from the one that is acknowledged.
            let mut before = *acked_chain;
            let pending = rows.into_iter().map(|sent| {
                let mut pending = Pending {
                    mid: sent.mid,
                    chain: Chain::EMPTY,
                    bytes: u32::try_from(sent.text.len()).unwrap_or(u32::MAX),
                    at_ms: sent.at_ms,
                    gone: if let State::Open(why) = sent.state { Some(why) } else { None },
                    until_ms: sent.until_ms,
                    end_mono_ms: None,
                };
                pending.chain = pending.digest(before);
                before = pending.chain;
                pending
            });
            OutSnapshot { lane: *lane, acked: *acked, acked_chain: *acked_chain, pending: pending.collect() }
        });
        PeerSnapshot {
            peer,
            contact: row.contact,
            waiting: row.waiting,
            added_ms: row.added_ms,
            seen_ms: row.seen_ms,
            blocked: row.blocked,
            petname: row.petname,
            nick: row.nick,
            intro: row.intro,
            request: self.requests.get(&peer).cloned(),
            hidden: row.hidden,
            epoch: row.epoch,
            met: row.met,
            attempts: row.attempts,
            out,
            lanes: self.in_lanes(&peer).to_vec(),
            unread_bytes: self.unread_bytes(&peer),
            linked: row.linked,
            verified_ms: row.verified_ms,
            retain_days: row.retain_days,
        }
    }
}
