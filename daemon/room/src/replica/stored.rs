//! A replica as it is stored, and how it begins.

use super::{Own, Position, Replica};
use crate::branch::{Act, Branch};
use crate::chain::{Chain, Pool, Recent};
use crate::key::Incoming;
use crate::outcome::{ChainRow, Context, Op, Outcome, Proof};
use crate::replica::own::Me;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use torchat_protocol::room::body::said::Text;
use torchat_protocol::room::body::{Body, Place};
use torchat_protocol::room::{Author, Cookie, Event, EventId, Identity, LogDigest, LogId, RoomId};

/// Everything of a replica that outlives the process, without the log itself.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The room.
    pub room: RoomId,
    /// The log's id.
    pub log: LogId,
    /// The position of the next event.
    pub next: u64,
    /// The digest of all before it.
    pub digest: LogDigest,
    /// The logical time.
    pub lamport: u64,
    /// Our key.
    pub me: Option<Me>,
    /// The acts of the branch, in order.
    pub acts: Vec<Arc<Event>>,
    /// The positions of all acts in the log, on the branch or not.
    pub act_positions: Vec<(EventId, u64)>,
    /// Acts that do not fit onto the branch, the oldest first.
    pub rivals: Vec<Arc<Event>>,
    /// Pairs of acts with one number.
    pub act_forks: Vec<(Arc<Event>, Arc<Event>)>,
    /// The chains, with the proofs that they have two histories.
    pub chains: Vec<(Author, ChainRow, Option<Proof>)>,
    /// What is stored of what lies below floors.
    pub loose: Vec<Place>,
    /// Events without their bodies, which were not taken away on purpose.
    pub missing: Vec<Place>,
    /// Mutes and their ends.
    pub mutes: Vec<Arc<Event>>,
    /// The last 256 events of the log, in order, with their positions.
    pub recent: Vec<(u64, Arc<Event>)>,
    /// Up to where others' logs are here.
    pub cookies: Vec<(Identity, Cookie)>,
    /// Texts of ours that wait to become events.
    pub outbox: Vec<Text>,
    /// Chains of ours whose texts are to be looked through.
    pub reviews: Vec<(Author, u64)>,
    /// Nobody has told us everything yet.
    pub fresh: bool,
}

impl Stored {
    /// A room of which nothing is known but its id.
    #[must_use]
    pub fn new(room: RoomId, log: LogId, me: Option<Me>) -> Self {
        Self {
            room,
            log,
            next: 1,
            digest: LogDigest::EMPTY,
            lamport: 0,
            me,
            acts: Vec::new(),
            act_positions: Vec::new(),
            rivals: Vec::new(),
            act_forks: Vec::new(),
            chains: Vec::new(),
            loose: Vec::new(),
            missing: Vec::new(),
            mutes: Vec::new(),
            recent: Vec::new(),
            cookies: Vec::new(),
            outbox: Vec::new(),
            reviews: Vec::new(),
            fresh: true,
        }
    }
}

impl Replica {
    /// A replica as it was stored. The effects of the first [`Replica::take`] go on with what was cut off.
    ///
    /// Signatures are not checked again: what is stored was checked. Those of acts that are kept apart are, to see whose they are.
    #[must_use]
    pub fn load(stored: Stored) -> Self {
        let mut branch = Branch::new(stored.room);
        for event in stored.acts {
            branch.push(Act::new(Incoming::unchecked(event)));
        }
        for event in stored.rivals {
            branch.keep_apart(Act::new(Incoming::unchecked(event)));
        }
        for proof in stored.act_forks {
            branch.load_proof(proof);
        }
        branch.stored = stored.act_positions.into_iter().collect();
        let mut recent = Recent::default();
        for (pos, event) in &stored.recent {
            recent.add(*pos, event);
        }
        let chain = |(author, row, fork): (Author, ChainRow, _)| {
            (author, Chain { head: row.head, id: row.id, floor: row.floor, fork, ..Chain::new(row.id, row.key) })
        };
        let (frozen, handed_twice) = (branch.is_frozen(), branch.is_handed_twice());
        let mut own = Own::new(stored.me.as_ref(), stored.outbox);
        own.find_number(&branch.roster);
        own.joins(&branch.roster);
        let mut replica = Self {
            room: stored.room,
            log: Position { id: stored.log, next: stored.next, digest: stored.digest },
            lamport: stored.lamport,
            branch,
            chains: stored.chains.into_iter().map(chain).collect(),
            loose: stored.loose.into_iter().collect(),
            missing: stored.missing.into_iter().collect(),
            mutes: crate::standing::Mutes::default(),
            asked_upto: None,
            early: Vec::new(),
            fresh: stored.fresh,
            pool: Pool::default(),
            recent,
            own,
            channels: BTreeMap::new(),
            cookies: stored.cookies.into_iter().collect(),
            questions: BTreeMap::new(),
            tickets: 0,
            queue: VecDeque::new(),
            frozen,
            handed_twice,
            out: Outcome::default(),
        };
        for event in stored.mutes {
            match event.read() {
                Ok(Some(Body::Mute(mute))) => replica.mutes.add(event.named(), mute),
                Ok(Some(Body::Unmute(unmute))) => replica.mutes.add_end(event.place(), unmute),
                _ => {}
            }
        }
        let members: Vec<_> = replica.chains.keys().filter_map(|author| author.member()).collect();
        replica.restand(members);
        // What counts is stored already.
        replica.out = Outcome::default();
        replica.review(stored.reviews);
        replica
    }

    /// The maker takes the first act of its room.
    pub fn found_room(&mut self, ctx: &mut Context<'_>, create: Event) {
        self.queue.push_back((Incoming::unchecked(Arc::new(create)), None));
        self.drain(ctx);
        if std::mem::take(&mut self.fresh) {
            self.write(Op::Complete);
        }
    }
}
