//! What the store knows of rooms, beside the replicas themselves.

use std::sync::Arc;
use torchat_protocol::id::PeerId;
use torchat_protocol::nick::Nick;
use torchat_protocol::room::body::{BoundedText, Role};
use torchat_protocol::room::{
    BoxKey, Event, EventId, Identity, InviteId, InviteKey, MemberKey, MemberNo, Pass, RoomId, Signature, TextId,
};
use torchat_room::replica::Stored;

/// All that the desk of rooms must know to go on where the last process stopped.
#[derive(Debug, Clone, Default)]
pub struct RoomsSnapshot {
    /// The rooms that we are in, or want to be in.
    pub rooms: Vec<RoomSnapshot>,
    /// Rooms that are over for us.
    pub past: Vec<(RoomId, RoomState)>,
    /// Rooms that were destroyed.
    pub tombs: Vec<Tomb>,
    /// The rooms that programs have made or joined under a key of theirs.
    pub clients: Vec<(String, RoomId)>,
    /// The highest epoch of the certificates of each member that was met.
    pub epochs: Vec<(PeerId, u32)>,
}

/// One room's part of a [`RoomsSnapshot`].
#[derive(Debug, Clone)]
pub struct RoomSnapshot {
    /// The replica. Its `me` has our key.
    pub stored: Stored,
    /// How far we are in it.
    pub state: RoomState,
    /// The public part of our key for sealed bodies.
    pub sealing: BoxKey,
    /// How we get in, while we are joining.
    pub way: Option<Way>,
    /// Invites of ours.
    pub invites: Vec<InviteRow>,
    /// Who asks to become a member.
    pub petitions: Vec<PetitionRow>,
    /// Whom no invite lets in.
    pub bans: Vec<Identity>,
    /// Members that have said that they leave, and are not cut.
    pub leavers: Vec<MemberNo>,
    /// The last proposal to hand the room over.
    pub hand: Option<HandRow>,
    /// Texts of ours that are taken back if they still wait at a moment, in milliseconds since 1970.
    pub expiring: Vec<(TextId, i64)>,
}

/// How far we are in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomState {
    /// We have asked to become a member, or have not everything that a newcomer gets.
    Joining,
    /// We are a member.
    Member,
    /// The user wants to leave, since this moment in milliseconds since 1970. It is over when another member has that we do.
    Leaving(i64),
    /// We have left.
    Left,
    /// The owner has removed us.
    Removed,
    /// The owner has ended the room.
    Destroyed,
    /// Somebody has shown us that the owner has ended the room, and we lack the acts before. What we have is erased only when
    /// the user says so.
    Ended,
    /// The room needs what this version does not have.
    NotServed,
}

impl RoomState {
    /// Whether we have anything to do in the room.
    #[must_use]
    pub fn is_active(self) -> bool {
        matches!(self, Self::Joining | Self::Member | Self::Leaving(_))
    }
}

/// Of which texts of a room the user is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Notify {
    /// Of all.
    All,
    /// Of those that mention us.
    #[default]
    Mentions,
    /// Of none.
    None,
}

/// Our private keys in a room.
#[derive(Clone, PartialEq, Eq)]
pub struct RoomKeys {
    /// The seed of the key by which we sign.
    pub sign: [u8; 32],
    /// The secret of the key for sealed bodies.
    pub sealing: [u8; 32],
}

impl RoomKeys {
    /// The public part of the key for sealed bodies. Takes some 40 us.
    #[must_use]
    pub fn public_sealing(&self) -> BoxKey {
        BoxKey(curve25519_dalek::MontgomeryPoint::mul_base_clamped(self.sealing).0)
    }
}

impl std::fmt::Debug for RoomKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RoomKeys(..)")
    }
}

/// How we get into a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The daemons that take a JOIN.
    pub doors: Vec<PeerId>,
    /// What lets us in.
    pub pass: Option<Pass>,
    /// What we would like to be called.
    pub nick: Option<Nick>,
    /// A few words to the owner.
    pub text: BoundedText<{ torchat_protocol::limits::REQUEST_TEXT_BYTES }>,
    /// How many events we want at most; `None`: all that a newcomer gets.
    pub want: Option<u32>,
}

/// An invite of ours. Its secret is shown once and stored nowhere.
#[derive(Debug, Clone)]
pub struct InviteRow {
    /// Names it.
    pub id: InviteId,
    /// What proves the secret.
    pub key: InviteKey,
    /// As what it lets in.
    pub role: Role,
    /// How often; `None`: without end. The acts tell how often it was used.
    pub uses: Option<u32>,
    /// Until when, in milliseconds since 1970.
    pub until_ms: i64,
    /// Whom; `None`: anybody.
    pub whom: Option<Identity>,
    /// The user's words about it.
    pub note: Option<String>,
}

impl PartialEq for InviteRow {
    fn eq(&self, other: &Self) -> bool {
        // The key goes with the id.
        (self.id, self.role, self.uses, self.until_ms, self.whom, &self.note)
            == (other.id, other.role, other.uses, other.until_ms, other.whom, &other.note)
    }
}

impl Eq for InviteRow {}

/// Somebody's wish to become a member. One for each identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PetitionRow {
    /// Who asks, proven by the link.
    pub id: Identity,
    /// The key by which they will sign.
    pub sign: MemberKey,
    /// Their key for sealed bodies.
    pub sealing: BoxKey,
    /// What they would like to be called.
    pub nick: Option<Nick>,
    /// A few words.
    pub text: BoundedText<{ torchat_protocol::limits::REQUEST_TEXT_BYTES }>,
    /// The invite that they have proven to have.
    pub via: Option<InviteId>,
    /// When it came, in milliseconds since 1970.
    pub at_ms: i64,
    /// The user has refused it. Kept, so that the same identity is not shown again at once.
    pub refused: bool,
}

/// The owner's proposal to hand the room over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandRow {
    /// The event that proposes it.
    pub proposal: EventId,
    /// The owner that does.
    pub by: MemberNo,
    /// To whom.
    pub to: MemberNo,
    /// Their signature, when they have taken it.
    pub accept: Option<Signature>,
}

/// What is kept of a room that was destroyed, to tell those who come late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tomb {
    /// The room.
    pub room: RoomId,
    /// The create and the destroy act.
    pub acts: Vec<Arc<Event>>,
    /// Who was a member at the end.
    pub members: Vec<Identity>,
    /// When it was destroyed, in milliseconds since 1970.
    pub at_ms: i64,
}
