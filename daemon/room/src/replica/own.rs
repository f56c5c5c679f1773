//! What we say ourselves: texts that wait for their time, events, acts.

use super::Replica;
use crate::key::Incoming;
use crate::outcome::{Context, Effect, Op};
use crate::roster::Roster;
use crate::signing::{Clock, sign};
use ed25519_dalek::SigningKey;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use torchat_protocol::room::body::acts::{Entry, Roster as RosterAct, Settle};
use torchat_protocol::room::body::said::Text;
use torchat_protocol::room::body::{Body, Place, Role};
use torchat_protocol::room::{Author, Event, EventId, MemberKey, MemberNo, TextId};

/// Most members of a room that nobody hosts: each of them is linked with each.
pub const MESH_MEMBERS: usize = 8;
/// Most texts that become events in one turn.
const TEXTS_A_TURN: usize = 16;

/// Our key in a room, as it is stored.
#[derive(Clone)]
pub struct Me {
    /// The seed of the key by which we sign.
    pub seed: [u8; 32],
    /// Which of our chains our events go on in.
    pub chain: u8,
}

impl Me {
    /// The public part of the key.
    #[must_use]
    pub fn key(&self) -> MemberKey {
        MemberKey(SigningKey::from_bytes(&self.seed).verifying_key().to_bytes())
    }
}

impl std::fmt::Debug for Me {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Me").field("chain", &self.chain).finish_non_exhaustive()
    }
}

/// Why something of ours is not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Cannot {
    /// We are no member.
    #[error("you are no member of this room")]
    NotJoined,
    /// Our role does not allow it.
    #[error("your role in this room does not allow this")]
    NoRole,
    /// Nobody has told us yet what there is.
    #[error("no other member was reached yet since the daemon started")]
    NotCaughtUp,
    /// Two acts of the owner contradict each other.
    #[error("two decisions of the owner contradict each other: settle them first")]
    Frozen,
    /// Without hosts there is no room for more.
    #[error("a room without hosts has at most {MESH_MEMBERS} members")]
    NeedsHosts,
    /// All our chains were forked.
    #[error("too many backups were restored: the owner must give you a new number")]
    NoChain,
    /// A number, a list or a text is beyond its limit.
    #[error("a limit of the room is passed")]
    Limit,
    /// The room has ended.
    #[error("the room has ended")]
    Destroyed,
}

/// What a text costs while it waits.
fn bytes(text: &Text) -> usize {
    text.text.as_str().len()
}

/// Our own end of a room.
#[derive(Default)]
pub(super) struct Own {
    key: Option<SigningKey>,
    no: Option<MemberNo>,
    /// That we are a member was told.
    joined: bool,
    chain: u8,
    /// Texts that wait to become events, the oldest first, and their bytes.
    outbox: VecDeque<Text>,
    bytes: usize,
    /// Where those of them stand that a newcomer was told as events of ours: it may lose all that it was told, see [`Own::told`].
    told: BTreeSet<(TextId, Place)>,
}

impl Own {
    pub(super) fn new(me: Option<&Me>, outbox: Vec<Text>) -> Self {
        let key = me.map(|me| SigningKey::from_bytes(&me.seed));
        let (chain, bytes) = (me.map_or(0, |me| me.chain), outbox.iter().map(bytes).sum());
        Self { key, no: None, joined: false, chain, outbox: outbox.into(), bytes, told: BTreeSet::new() }
    }

    /// Of one who begins anew as a newcomer.
    pub(super) fn anew(self) -> Self {
        Self { no: None, joined: false, told: BTreeSet::new(), ..self }
    }

    /// Our number.
    pub(super) fn no(&self) -> Option<MemberNo> {
        self.no
    }

    pub(super) fn chain(&self) -> u8 {
        self.chain
    }

    /// Our events go on above a chain, unless they do.
    pub(super) fn go_above(&mut self, highest: u8) -> bool {
        // The last chain goes on for good; the owner must give a new number.
        let above = highest.saturating_add(1);
        let goes = self.chain < above;
        self.chain = self.chain.max(above);
        goes
    }

    /// A text of ours is in the log, and does not wait any more. Whether it did.
    pub(super) fn said(&mut self, mid: TextId) -> bool {
        let Some(at) = self.outbox.iter().position(|text| text.mid == mid) else { return false };
        self.bytes -= self.outbox.remove(at).as_ref().map_or(0, bytes);
        true
    }

    /// A newcomer was told a text of ours, perhaps one that waits. It waits on: if the newcomer begins again, and the chain is known as
    /// forked by then, nobody tells it this event once more.
    pub(super) fn told(&mut self, mid: TextId, at: Place) {
        if self.waits(mid) {
            self.told.insert((mid, at));
        }
    }

    fn waits(&self, mid: TextId) -> bool {
        self.outbox.iter().any(|text| text.mid == mid)
    }

    fn wait(&mut self, text: Text) {
        self.bytes += bytes(&text);
        self.outbox.push_back(text);
    }

    /// Looks for our number: that of our key.
    pub(super) fn find_number(&mut self, roster: &Roster) {
        let Some(key) = self.key.as_ref().map(|key| MemberKey(key.verifying_key().to_bytes())) else { return };
        self.no = roster.with_key(key);
    }

    /// Whether we are a member since now.
    pub(super) fn joins(&mut self, roster: &Roster) -> bool {
        let is_in = self.no.and_then(|no| roster.members.get(&no)).is_some_and(|member| member.is_in());
        let joins = is_in && !self.joined;
        self.joined = is_in;
        joins
    }
}

impl Replica {
    /// Our number.
    #[must_use]
    pub fn me(&self) -> Option<MemberNo> {
        self.own.no
    }

    /// Which of our chains our events go on in.
    #[must_use]
    pub fn own_chain(&self) -> u8 {
        self.own.chain
    }

    /// Our role, if we are in.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        let member = self.branch.roster.members.get(&self.own.no?)?;
        member.is_in().then(|| member.role())
    }

    /// Texts of ours that wait to become events.
    pub fn outbox(&self) -> impl Iterator<Item = &Text> {
        self.own.outbox.iter()
    }

    /// The bytes of their words.
    #[must_use]
    pub fn outbox_bytes(&self) -> usize {
        self.own.bytes
    }

    /// Whether we may say something now: as a member who was told by another one in this run of the daemon what there is, or
    /// who is alone.
    ///
    /// A replica that was restored from a backup learns of its own later events first, so that it does not say two with one
    /// number.
    #[must_use]
    pub fn may_speak(&self) -> bool {
        let alone = self.branch.roster.present().all(|(no, _)| Some(no) == self.own.no);
        self.role().is_some() && (alone || self.caught_up() > 0)
    }

    /// A text of ours: an event at once if we may speak, else when we may. It is durable with the turn.
    ///
    /// # Errors
    /// [`Cannot`]: it is not kept.
    pub fn say_text(&mut self, ctx: &mut Context<'_>, text: Text) -> Result<(), Cannot> {
        if self.branch.roster.destroyed {
            return Err(Cannot::Destroyed);
        }
        match self.role() {
            // A newcomer's texts wait until it is one.
            None if self.own.key.is_none() || self.own.no.is_some() => return Err(Cannot::NotJoined),
            Some(Role::Reader) => return Err(Cannot::NoRole),
            _ => {}
        }
        // What waits goes first. Most texts never do, and to store that they wait would cost the store as much as the text itself.
        if self.own.outbox.is_empty() && self.may_say_texts() {
            let body = Body::Text(text.clone());
            if self.publish(ctx, &body).is_ok() {
                self.drain(ctx);
                return Ok(());
            }
        }
        self.write(Op::Queue(text.clone()));
        self.own.wait(text);
        self.say_what_waits(ctx);
        self.drain(ctx);
        Ok(())
    }

    /// Takes a text of ours back. False: it does not wait any more.
    pub fn take_back(&mut self, mid: TextId) -> bool {
        let waited = self.own.said(mid);
        if waited {
            self.write(Op::Unqueue(mid));
        }
        waited
    }

    /// Whether texts wait that could be said now: the next turn goes on with them.
    #[must_use]
    pub fn has_more_to_say(&self) -> bool {
        !self.own.outbox.is_empty() && self.may_say_texts()
    }

    fn may_say_texts(&self) -> bool {
        let has_chain = self.own.no.is_some_and(|no| {
            let author = no.chain(self.own.chain);
            self.end(author).0 < self.line(author)
        });
        has_chain && self.may_speak() && self.role() >= Some(Role::Member)
    }

    /// Ends a turn: makes events of texts that wait, and says what gathered, as [`Replica::flush`].
    pub fn go_on(&mut self, ctx: &mut Context<'_>) {
        self.say_what_waits(ctx);
        self.drain(ctx);
        self.flush(ctx);
    }

    /// Of a newcomer that was told everything: what counts of the texts that waited waits no more.
    pub(super) fn unqueue_what_was_told(&mut self) {
        for (mid, at) in std::mem::take(&mut self.own.told) {
            if at.seq <= self.line(at.author) && self.own.said(mid) {
                self.write(Op::Unqueue(mid));
            }
        }
    }

    /// Makes events of texts that wait.
    pub(super) fn say_what_waits(&mut self, ctx: &mut Context<'_>) {
        for _ in 0..TEXTS_A_TURN {
            if !self.has_more_to_say() {
                return;
            }
            let Some(text) = self.own.outbox.front().cloned() else { return };
            // In the log it waits no more.
            if self.publish(ctx, &Body::Text(text)).is_err() {
                return;
            }
        }
    }

    /// Says something that is no text, at once.
    ///
    /// # Errors
    /// [`Cannot`].
    pub fn say_event(&mut self, ctx: &mut Context<'_>, body: &Body) -> Result<EventId, Cannot> {
        let needed = crate::roster::needed(body.kind()).ok_or(Cannot::NoRole)?;
        match self.role() {
            None => return Err(Cannot::NotJoined),
            Some(role) if role < needed => return Err(Cannot::NoRole),
            Some(_) if self.branch.roster.destroyed => return Err(Cannot::Destroyed),
            Some(_) if !self.may_speak() => return Err(Cannot::NotCaughtUp),
            Some(_) => {}
        }
        let id = self.publish(ctx, body)?;
        self.drain(ctx);
        Ok(id)
    }

    /// Makes an event of ours, and takes it as one that came.
    fn publish(&mut self, ctx: &mut Context<'_>, body: &Body) -> Result<EventId, Cannot> {
        let author = self.own.no.ok_or(Cannot::NotJoined)?.chain(self.own.chain);
        let (head, prev, _) = self.end(author);
        if head >= self.line(author) {
            // The last chain was forked: only a new number helps.
            return Err(Cannot::NoChain);
        }
        let event = self.make(ctx, author, head + 1, prev, body)?;
        let id = event.id();
        if let Body::Text(text) = body
            && !self.own.waits(text.mid)
        {
            self.write(Op::Said(text.mid));
        }
        // At once: the next one follows it.
        self.take_event(ctx, self.as_ours(event), None);
        Ok(id)
    }

    fn as_ours(&self, event: Event) -> Incoming {
        let checked = self.own.key.as_ref().map(|key| MemberKey(key.verifying_key().to_bytes()));
        Incoming { event: Arc::new(event), checked }
    }

    fn make(&self, ctx: &Context<'_>, author: Author, seq: u64, prev: EventId, body: &Body) -> Result<Event, Cannot> {
        let key = self.own.key.as_ref().ok_or(Cannot::NotJoined)?;
        let acts = u32::try_from(self.branch.len()).map_err(|_| Cannot::Limit)?;
        let clock = Clock { acts, lamport: self.lamport + 1, minute: ctx.minute };
        sign(key, Some(self.room), author, seq, prev, clock, body).ok_or(Cannot::Limit)
    }

    /// Whether the owner's daemon may make an act: what other replicas have of its own acts is known.
    ///
    /// With this, no restored backup of an owner contradicted itself in 1,000 simulated rooms; without it 108 did.
    #[must_use]
    pub fn has_quorum(&self) -> bool {
        let hosts = &self.branch.roster.hosts;
        let others = self.branch.roster.present().any(|(no, _)| Some(no) != self.own.no);
        let mine = |host: &torchat_protocol::room::body::acts::Host| self.own.no.is_some_and(|no| no.get() == host.no);
        match hosts.len() {
            0 => !others || self.caught_up() > 0,
            count => {
                let reached = hosts.iter().filter(|host| mine(host) || self.caught_up_with(host.id)).count();
                reached * 2 > count
            }
        }
    }

    /// Makes an act.
    ///
    /// # Errors
    /// [`Cannot`]. [`Cannot::NotCaughtUp`]: without a quorum and without `force`.
    pub fn say_act(&mut self, ctx: &mut Context<'_>, body: &Body, force: bool) -> Result<EventId, Cannot> {
        self.may_act(force)?;
        if let Body::Roster(RosterAct { add, cut, .. }) = body {
            let gone = cut.iter().filter(|cut| self.branch.roster.members.get(&cut.no).is_some_and(|one| one.is_in()));
            self.is_room_for(add, gone.count())?;
        }
        let id = self.publish_act(ctx, self.branch.len() + 1, self.branch.head(), body)?;
        self.drain(ctx);
        Ok(id)
    }

    fn may_act(&self, force: bool) -> Result<(), Cannot> {
        match self.role() {
            None => Err(Cannot::NotJoined),
            Some(role) if role < Role::Owner || self.own.no != Some(self.branch.roster.owner) => Err(Cannot::NoRole),
            Some(_) if self.branch.roster.destroyed => Err(Cannot::Destroyed),
            Some(_) if self.branch.is_frozen() => Err(Cannot::Frozen),
            Some(_) if !force && !self.has_quorum() => Err(Cannot::NotCaughtUp),
            Some(_) if self.branch.len() >= crate::branch::ACTS => Err(Cannot::Limit),
            Some(_) => Ok(()),
        }
    }

    fn is_room_for(&self, add: &[Entry], gone: usize) -> Result<(), Cannot> {
        let roster = &self.branch.roster;
        let new = add.iter().filter(|entry| !roster.members.contains_key(&entry.no)).count();
        let fits = !roster.hosts.is_empty() || roster.present().count() + new <= MESH_MEMBERS + gone;
        if fits { Ok(()) } else { Err(Cannot::NeedsHosts) }
    }

    /// Settles two branches of our acts: for the one with more acts, of equal ones for the smaller id. Returns how many acts are
    /// lost.
    ///
    /// # Errors
    /// [`Cannot`].
    pub fn settle(&mut self, ctx: &mut Context<'_>) -> Result<u64, Cannot> {
        if self.own.no != Some(self.branch.roster.owner) {
            return Err(Cannot::NoRole);
        }
        let (seq, on) = self.branch.to_settle_on();
        if seq >= crate::branch::ACTS {
            return Err(Cannot::Limit);
        }
        let lost = if self.branch.seq_of(on).is_some() {
            self.branch.rivals().count() as u64
        } else {
            self.branch.acts().iter().filter(|act| act.header().seq > self.branch.roster.owner_since).count() as u64
        };
        self.publish_act(ctx, seq + 1, on, &Body::Settle(Settle { lost: Some(lost) }))?;
        self.drain(ctx);
        Ok(lost)
    }

    fn publish_act(&mut self, ctx: &mut Context<'_>, seq: u64, prev: EventId, body: &Body) -> Result<EventId, Cannot> {
        let event = self.make(ctx, Author::ACTS, seq, prev, body)?;
        if !self.branch.has_room_for(event.body().map_or(0, |body| body.len())) {
            return Err(Cannot::Limit);
        }
        let id = event.id();
        let incoming = self.as_ours(event);
        self.take_act(ctx, incoming, None);
        Ok(id)
    }

    /// Texts of a forked chain of ours of which none counts: they are said again, under their old ids.
    pub(super) fn say_again(&mut self, ctx: &mut Context<'_>, author: Author, texts: Vec<Text>) {
        self.write(Op::Review(author, None));
        for text in texts {
            if !self.own.waits(text.mid) {
                self.write(Op::Queue(text.clone()));
                self.own.wait(text);
            }
        }
        self.say_what_waits(ctx);
    }

    /// Reviews of own chains that a crash cut off begin again.
    pub(super) fn review(&mut self, reviews: Vec<(Author, u64)>) {
        for (author, from) in reviews {
            self.act(Effect::Read(crate::reading::Read::Own { author, from }));
        }
    }
}
