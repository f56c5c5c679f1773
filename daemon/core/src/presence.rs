//! Which copies of a contact and of ourselves were met, when a contact was last heard of, and whether it sees us.

use crate::account::{Kind, Payer};
use crate::input::LinkId;
use crate::later::Later;
use crate::op::{ContactOp, LogOp, Op};
use crate::snapshot::PeerSnapshot;
use crate::turn::Context;
use std::collections::{BTreeMap, BTreeSet};
use torchat_protocol::id::{PeerId, RunId};

/// The stored "last heard of" may lag by this much while a link is up: a write for every ping would be waste. The end
/// of the link writes it exactly.
const SEEN_STEP_MS: i64 = 600_000;

/// What was seen of each peer, and what each may see of us.
#[derive(Debug)]
pub(crate) struct Presence {
    peers: BTreeMap<PeerId, Seen>,
    links: BTreeMap<LinkId, Met>,
    /// The contacts that see us only while there is something to deliver.
    hidden: BTreeSet<PeerId>,
    /// This run of the daemon.
    run: RunId,
    /// The store knows it, so peers may hear of it.
    run_known: bool,
    /// Every run of the daemon that the store knows, this one included.
    runs: BTreeSet<RunId>,
    /// The peers whose links or standing changed in this turn, or since the store took writes last.
    to_show: BTreeSet<PeerId>,
}

/// One peer's part.
#[derive(Debug, Default)]
struct Seen {
    at_ms: Option<i64>,
    /// The event log says that a link to it is up.
    shown_up: bool,
    /// It ended its last link because it wants none while there is nothing to deliver, or because it stops.
    quiet: bool,
    /// The highest epoch of its certificates.
    epoch: u32,
    /// Its run that was met last.
    met: Option<RunId>,
}

/// One link's part.
#[derive(Debug, Default)]
struct Met {
    /// The peer's run, as it says.
    run: Option<RunId>,
    /// Which run of the peer we said to have met last.
    told: Option<RunId>,
    /// The ping whose answer shows that the peer has heard that.
    telling: Option<u64>,
}

/// What a link's epoch says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CopyAge {
    /// The one that we know, or a newer one.
    Current,
    /// One that its owner gave up, or that was stolen: it gets no word of ours.
    Old,
}

/// What is to be done so that a contact's run hears which one was met before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Telling {
    Nothing,
    /// There was none before: it is met now.
    Heard,
    /// A ping behind our HELLO; its answer shows that the HELLO was heard.
    Ping,
}

impl Presence {
    pub(crate) fn restore(run: RunId, runs: Vec<RunId>, peers: &[PeerSnapshot]) -> Self {
        let seen = |row: &PeerSnapshot| Seen {
            at_ms: row.seen_ms,
            shown_up: row.linked,
            quiet: false,
            epoch: row.epoch,
            met: row.met,
        };
        Self {
            peers: peers.iter().map(|row| (row.peer, seen(row))).collect(),
            links: BTreeMap::new(),
            hidden: peers.iter().filter(|row| row.hidden).map(|row| row.peer).collect(),
            run,
            run_known: false,
            runs: runs.into_iter().collect(),
            // The last process did not live to say that the link is down.
            to_show: peers.iter().filter(|row| row.linked).map(|row| row.peer).collect(),
        }
    }

    /// Writes this run down, in the first turn that can: only then a peer may hear of it, or it would be a stranger to
    /// the next run.
    pub(crate) fn tell_run(&mut self, ctx: &mut Context<'_>) {
        if self.run_known || !ctx.conditions.writable || ctx.conditions.stopping {
            return;
        }
        self.run_known = true;
        self.runs.insert(self.run);
        ctx.write(Op::Log(LogOp::Run { run: self.run, at_ms: ctx.now.wall_ms }));
    }

    /// This run, if peers may hear of it.
    pub(crate) fn run(&self) -> Option<RunId> {
        self.run_known.then_some(self.run)
    }

    /// Whether it is a run of ours, as far as the store knows.
    pub(crate) fn is_ours(&self, run: &RunId) -> bool {
        self.runs.contains(run)
    }

    /// The peer's run that was met last.
    pub(crate) fn met(&self, peer: &PeerId) -> Option<RunId> {
        self.peers.get(peer)?.met
    }

    /// When the peer was heard of last, in milliseconds since 1970, as the store knows it.
    pub(crate) fn seen_ms(&self, peer: &PeerId) -> Option<i64> {
        self.peers.get(peer)?.at_ms
    }

    /// It sees us only while there is something to deliver.
    pub(crate) fn is_hidden(&self, peer: &PeerId) -> bool {
        self.hidden.contains(peer)
    }

    /// Whether there are contacts that see us only while there is something to deliver.
    pub(crate) fn hides_us(&self) -> bool {
        !self.hidden.is_empty()
    }

    pub(crate) fn link_up(&mut self, id: LinkId, peer: PeerId) {
        self.links.insert(id, Met::default());
        self.to_show.insert(peer);
        if let Some(seen) = self.peers.get_mut(&peer) {
            seen.quiet = false;
        }
    }

    pub(crate) fn link_down(&mut self, id: LinkId) {
        self.links.remove(&id);
    }

    /// The peer is looked at at the end of the turn: whether what the event log says of it still holds.
    pub(crate) fn changed(&mut self, peer: PeerId) {
        self.to_show.insert(peer);
    }

    /// The peer said why it ends its link.
    pub(crate) fn ends(&mut self, peer: PeerId, quiet: bool) {
        self.peers.entry(peer).or_default().quiet = quiet;
    }

    /// It is no contact any more.
    pub(crate) fn removed(&mut self, peer: PeerId) {
        self.to_show.insert(peer);
        self.hidden.remove(&peer);
    }

    /// Nothing is known of the peer any more.
    pub(crate) fn forget(&mut self, peer: &PeerId) {
        self.peers.remove(peer);
    }

    /// Keeps the highest epoch of a contact's certificates.
    pub(crate) fn pin_epoch(
        &mut self,
        ctx: &mut Context<'_>,
        payer: &mut Payer<'_>,
        peer: PeerId,
        epoch: u32,
    ) -> CopyAge {
        let seen = self.peers.entry(peer).or_default();
        if epoch < seen.epoch {
            return CopyAge::Old;
        }
        // An epoch that it cannot pay for is pinned by its next link.
        if epoch > seen.epoch && ctx.conditions.writable && payer.pay(Kind::Notes, 1) {
            seen.epoch = epoch;
            ctx.write(Op::Contacts(ContactOp::Met { peer, epoch, run: seen.met }));
        }
        CopyAge::Current
    }

    /// A contact says which run of it this is.
    pub(crate) fn says(&mut self, id: LinkId, run: Option<RunId>) {
        if let Some(met) = self.links.get_mut(&id) {
            met.run = run;
        }
    }

    /// We said on this link which run of the peer we have met.
    pub(crate) fn told(&mut self, id: LinkId, met: Option<RunId>) {
        if let Some(link) = self.links.get_mut(&id) {
            link.told = met;
        }
    }

    /// A new run of the contact is told which one was met before, because only it can know whether that was its own. Until
    /// the answer to a ping behind our HELLO shows that it has heard it, the one before stays the one that we have met: a
    /// link that is closed as a double takes its HELLO with it, and another copy would stay unseen (found by the storms).
    pub(crate) fn telling(&self, id: LinkId, contact: &PeerId) -> Telling {
        let Some(link) = self.links.get(&id).filter(|link| link.telling.is_none() && link.run.is_some()) else {
            return Telling::Nothing;
        };
        match self.met(contact) {
            None => Telling::Heard,
            met if met != link.run && met == link.told => Telling::Ping,
            Some(_) => Telling::Nothing,
        }
    }

    /// The ping behind our HELLO has this number.
    pub(crate) fn pinged(&mut self, id: LinkId, n: u64) {
        if let Some(link) = self.links.get_mut(&id) {
            link.telling = Some(n);
        }
    }

    /// A ping was answered; whether it was the one behind our HELLO.
    pub(crate) fn answered(&mut self, id: LinkId, n: u64) -> bool {
        let Some(link) = self.links.get_mut(&id).filter(|link| link.telling == Some(n)) else { return false };
        link.telling = None;
        true
    }

    /// This link's run of the contact is the one that we have met last.
    pub(crate) fn has_heard(&mut self, ctx: &mut Context<'_>, payer: &mut Payer<'_>, id: LinkId, peer: PeerId) {
        let Some(run) = self.links.get(&id).map(|link| link.run).filter(|_| ctx.conditions.writable) else { return };
        let seen = self.peers.entry(peer).or_default();
        // What it cannot pay for stays as it was: the run of before is told of, again.
        if run.is_some() && seen.met != run && payer.pay(Kind::Notes, 1) {
            seen.met = run;
            ctx.write(Op::Contacts(ContactOp::Met { peer, epoch: seen.epoch, run }));
        }
    }

    /// A contact shows that it is there.
    pub(crate) fn seen(&mut self, ctx: &mut Context<'_>, contact: PeerId) {
        if !ctx.conditions.writable {
            return;
        }
        let at_ms = ctx.now.wall_ms;
        let seen = self.peers.entry(contact).or_default();
        if seen.at_ms.is_none_or(|seen| (at_ms - seen).abs() >= SEEN_STEP_MS) {
            seen.at_ms = Some(at_ms);
            ctx.write(Op::Contacts(ContactOp::Seen { peer: contact, at_ms }));
        }
    }

    /// The last link to a contact is gone: what is stored as its last sign of life becomes exact.
    pub(crate) fn heard_last(&mut self, ctx: &mut Context<'_>, contact: PeerId, heard_mono_ms: u64) {
        let ago = i64::try_from(ctx.now.mono_ms.saturating_sub(heard_mono_ms)).unwrap_or(0);
        let at_ms = ctx.now.wall_ms - ago;
        let seen = self.peers.entry(contact).or_default();
        if seen.at_ms != Some(at_ms) && ctx.conditions.writable {
            seen.at_ms = Some(at_ms);
            ctx.write(Op::Contacts(ContactOp::Seen { peer: contact, at_ms }));
        }
    }

    /// Whether a link to this contact is wanted although nothing is owed: as long as it was heard of a while ago, wants
    /// it too, and may see us.
    pub(crate) fn is_wished(&self, ctx: &Context<'_>, contact: &PeerId) -> bool {
        let seen = self.peers.get(contact);
        let recent = seen
            .and_then(|seen| seen.at_ms)
            .is_none_or(|at| ctx.now.wall_ms.saturating_sub(at) < ctx.policy.presence_ms);
        recent && !self.is_hidden(contact) && !seen.is_some_and(|seen| seen.quiet) && !ctx.conditions.stopping
    }

    /// Whether a contact sees us while there is nothing to deliver.
    pub(crate) fn appear(&mut self, ctx: &mut Context<'_>, contact: PeerId, hidden: bool) {
        let changed = if hidden { self.hidden.insert(contact) } else { self.hidden.remove(&contact) };
        if changed {
            ctx.write(Op::Contacts(ContactOp::Hidden { peer: contact, hidden }));
        }
    }

    /// The peers that are to be looked at, each once.
    pub(crate) fn take_changed(&mut self) -> BTreeSet<PeerId> {
        std::mem::take(&mut self.to_show)
    }

    /// Tells the event log of a contact whose first link came up or whose last one went down in this turn. That one came up
    /// is written in the next turn, so that its first words do not wait for the disk; that turn is due at once.
    pub(crate) fn show_link(&mut self, ctx: &mut Context<'_>, later: &mut Later, peer: PeerId, up: bool) {
        if up == self.peers.get(&peer).is_some_and(|seen| seen.shown_up) {
            return;
        }
        self.peers.entry(peer).or_default().shown_up = up;
        let op = Op::Log(LogOp::Link { peer, up });
        // The end of a link is written down anyway, and a daemon that stops has no next turn.
        if up && !ctx.conditions.stopping { later.push(ctx.now.mono_ms, op) } else { ctx.write(op) }
    }

    /// What was to be told of a contact's link could not be written.
    pub(crate) fn show_again(&mut self, peer: PeerId, up: bool) {
        if let Some(seen) = self.peers.get_mut(&peer) {
            seen.shown_up = !up;
            self.to_show.insert(peer);
        }
    }

    /// How many peers something is remembered of.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }

    #[cfg(test)]
    pub(crate) fn runs(&self) -> &BTreeSet<RunId> {
        &self.runs
    }

    #[cfg(test)]
    pub(crate) fn is_any_shown_up(&self) -> bool {
        self.peers.values().any(|seen| seen.shown_up)
    }

    /// As if the store had not taken it.
    #[cfg(test)]
    pub(crate) fn forget_run(&mut self) {
        self.run_known = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Account, Tariff};
    use crate::policy::Policy;
    use crate::turn::tests::{START, after, decide, peer};

    const OURS: RunId = RunId([1; 8]);

    fn presence(change: impl FnOnce(&mut PeerSnapshot)) -> Presence {
        let mut row = PeerSnapshot { contact: true, ..PeerSnapshot::new(peer(1)) };
        change(&mut row);
        Presence::restore(OURS, Vec::new(), &[row])
    }

    #[test]
    fn a_run_is_spoken_of_when_it_is_written_down() {
        let mut presence = presence(|_| {});
        assert_eq!((presence.run(), presence.is_ours(&OURS)), (None, false));
        let written = decide(START, &Policy::default(), |ctx| presence.tell_run(ctx)).1;
        assert_eq!(written.ops, [Op::Log(LogOp::Run { run: OURS, at_ms: START.wall_ms })]);
        assert_eq!((presence.run(), presence.is_ours(&OURS)), (Some(OURS), true));
        assert_eq!(decide(START, &Policy::default(), |ctx| presence.tell_run(ctx)).1.ops, [], "once");
    }

    #[test]
    fn an_older_copy_is_told_from_a_newer_one_which_is_kept() {
        let (mut presence, mut account) = (presence(|row| row.epoch = 5), Account::new(Tariff::default()));
        let mut pin = |epoch| {
            decide(START, &Policy::default(), |ctx| {
                let mut payer = account.payer(ctx.now, peer(1), true);
                presence.pin_epoch(ctx, &mut payer, peer(1), epoch)
            })
        };
        assert_eq!(pin(4).0, CopyAge::Old);
        let (copy, turn) = pin(6);
        assert_eq!((copy, turn.ops.len()), (CopyAge::Current, 1));
        assert_eq!(pin(5).0, CopyAge::Old, "the newer one counts from now on");
    }

    #[test]
    fn another_run_is_told_which_one_was_met_and_heard_when_it_answers() {
        let (before, now) = (RunId([7; 8]), RunId([8; 8]));
        let mut presence = presence(|row| row.met = Some(before));
        let id = LinkId(1);
        presence.link_up(id, peer(1));
        assert_eq!(presence.telling(id, &peer(1)), Telling::Nothing, "it has not said which one it is");
        presence.told(id, Some(before));
        presence.says(id, Some(now));
        assert_eq!(presence.telling(id, &peer(1)), Telling::Ping);
        presence.pinged(id, 9);
        assert_eq!(presence.telling(id, &peer(1)), Telling::Nothing, "one question at a time");
        assert!(!presence.answered(id, 8) && presence.answered(id, 9));
    }

    #[test]
    fn a_link_is_wished_for_with_those_who_were_heard_of_lately_want_it_and_may_see_us() {
        let policy = Policy::default();
        let wished = |presence: &Presence, ms| decide(after(ms), &policy, |ctx| presence.is_wished(ctx, &peer(1))).0;
        let hour = policy.presence_ms.unsigned_abs();
        let seen = presence(|row| row.seen_ms = Some(START.wall_ms));
        assert!(wished(&seen, hour - 1) && !wished(&seen, hour));
        assert!(!wished(&presence(|row| row.hidden = true), 0));
        let mut quiet = presence(|_| {});
        quiet.ends(peer(1), true);
        assert!(!wished(&quiet, 0));
    }
}
