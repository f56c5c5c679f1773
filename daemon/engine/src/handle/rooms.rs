//! Rooms: how they are, and what programs want of them. What is said in them are conversations, as with peers.

mod show;

pub(super) use show::{live_room, room_contact, stored, waiting};

use super::conversation::why_failed;
use super::sending::ended;
use super::{Handle, Lease, Refusal, read};
use crate::handle::DeliveryWait;
use crate::request::{Answer, Request};
use crate::store::RoomTarget;
use std::time::Duration;
use torchat_core::effect::{RoomAnswer, RoomRefused};
use torchat_core::input::{ContactChange, RoomAct, RoomCommand, RoomWish};
use torchat_protocol::control::api::event::{Filter, Kind, What};
use torchat_protocol::control::api::record::{MessageState, Room, Sender};
use torchat_protocol::control::reason::Reason;
use torchat_protocol::conversation::ConversationId;
use torchat_protocol::id::MessageId;
use torchat_protocol::room::body::acts::Policy;
use torchat_protocol::room::body::{BoundedText, Ref, Role};
use torchat_protocol::room::limits::{REASON_BYTES, SIGN_BYTES};
use torchat_protocol::room::{MemberNo, RoomId};
use torchat_room::replica::Cannot;

/// Most events that one wish takes away, beside the one that is shown: a member has so many chains, and says a text once in each.
/// One of ill will can say it more often, which is to cost whoever takes it away no more than this.
const DOUBLES: usize = 256;
/// Events that a wait for a delivery looks at in one step.
const LOOK: usize = 1_000;

impl Handle {
    /// The room that a conversation is in. `None`: it is one with a peer, or with nobody.
    #[must_use]
    pub fn room_of(&self, conversation: ConversationId) -> Option<RoomId> {
        let room = RoomId::from(conversation);
        self.node.lock().rooms().is_known(room).then_some(room)
    }

    /// Makes a room, or asks to become a member of one. Returns it when that is durable.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing changed then.
    pub async fn begin_room(&self, command: RoomCommand) -> Result<Room, Refusal> {
        match self.ask(Request::Room(command)).await? {
            Answer::Room(RoomAnswer::Room(room)) => self.room(room).await,
            // The desk answers so, or refuses.
            _ => Err(Refusal::Stopping),
        }
    }

    /// Does something in a room. A decision of the owner may wait until another member is reached, and is answered then: see
    /// [`Handle::decide`].
    ///
    /// # Errors
    /// A [`Refusal`]; nothing changed then.
    pub async fn in_room(&self, room: RoomId, wish: RoomWish) -> Result<RoomAnswer, Refusal> {
        match self.ask(Request::Room(RoomCommand::In { room, wish })).await? {
            Answer::Room(answer) => Ok(answer),
            _ => Err(Refusal::Stopping),
        }
    }

    /// Decides something as the owner of a room. Until another member is reached it waits, and is waited for at most for `timeout`.
    /// `force`: it does not wait.
    ///
    /// # Errors
    /// [`Refusal::DecisionWaits`]: it waits in the daemon, and events tell when it is done. Another [`Refusal`]: nothing changed.
    pub async fn decide(
        &self,
        room: RoomId,
        act: RoomAct,
        force: bool,
        timeout: Duration,
    ) -> Result<RoomAnswer, Refusal> {
        let mut asked = Box::pin(self.in_room(room, RoomWish::Act { act, force }));
        if let Ok(done) = tokio::time::timeout(timeout, &mut asked).await {
            return done;
        }
        loop {
            let version = self.status_version();
            let waits = self.node.lock().rooms().status(room).is_some_and(|status| status.waiting > 0);
            if waits {
                return Err(Refusal::DecisionWaits(timeout.as_secs()));
            }
            // The store, or a busy engine, keeps it.
            tokio::select! {
                biased;
                done = &mut asked => return done,
                () = self.status_changed(version) => {}
            }
        }
    }

    /// The event of a message of a room, for what refers to it; and whether it is ours.
    ///
    /// # Errors
    /// [`Refusal::NoMessage`] if there is none: it is not in this room, not published, or a line of the daemon's own;
    /// [`Refusal::Unreadable`].
    pub async fn room_event(&self, room: RoomId, id: i64) -> Result<(Ref, bool), Refusal> {
        match read(self.reader.clone(), move |reader| reader.room_target(room, id)).await? {
            Some(RoomTarget::Said { named, own }) => Ok((named, own)),
            Some(RoomTarget::Waits(_)) | None => Err(Refusal::NoMessage),
        }
    }

    /// The name of the room that a text was handed out of, and who wrote it. `None`: it is of a peer.
    pub async fn room_text(&self, lease: &Lease) -> Option<(String, Option<Sender>)> {
        let room = self.room_of(lease.peer.into())?;
        let row = lease.row;
        let found = read(self.reader.clone(), move |reader| Ok((reader.room(room)?, reader.message(row)?))).await;
        // What cannot be read is told without its writer.
        let (room, message) = found.unwrap_or_default();
        let from = message.and_then(|message| message.room).and_then(|part| part.from);
        Some((room.map(|room| room.name).unwrap_or_default(), from))
    }

    /// Changes the text of a message of ours.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing changed then.
    pub async fn edit(&self, room: RoomId, id: i64, text: String) -> Result<(), Refusal> {
        let (of, own) = self.room_event(room, id).await?;
        if !own {
            return Err(Refusal::Room(RoomRefused::Cannot(Cannot::NoRole)));
        }
        let bytes = text.len();
        let text = BoundedText::new(text).ok_or(Refusal::RoomTextTooLong(bytes))?;
        self.in_room(room, RoomWish::Edit { of, text }).await.map(drop)
    }

    /// Reacts to a message with a sign; an empty one takes the reaction back.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing changed then.
    pub async fn react(&self, room: RoomId, id: i64, sign: BoundedText<SIGN_BYTES>) -> Result<(), Refusal> {
        let (of, _) = self.room_event(room, id).await?;
        self.in_room(room, RoomWish::React { of, sign }).await.map(drop)
    }

    /// Takes the text of a message away: of ours, or as a moderator. It goes with each event here that says it, so that none of them
    /// counts when the one that is shown does not any more.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing changed then.
    pub async fn redact(&self, room: RoomId, id: i64, why: Option<BoundedText<REASON_BYTES>>) -> Result<(), Refusal> {
        let (shown, own) = self.room_event(room, id).await?;
        let role = self.node.lock().rooms().status(room).and_then(|status| status.me).map(|(_, role)| role);
        // The room would take the event, and it would mean nothing.
        if !own && role.is_some_and(|role| role < Role::Moderator) {
            return Err(Refusal::Room(RoomRefused::Cannot(Cannot::NoRole)));
        }
        let mut of = read(self.reader.clone(), move |reader| reader.room_doubles(room, id, DOUBLES)).await?;
        of.retain(|double| *double != shown);
        of.insert(0, shown);
        self.in_room(room, RoomWish::Redact { of, why }).await.map(drop)
    }

    /// The rules of a room, as they are now. `None`: there are none, or we are in it no more.
    #[must_use]
    pub fn room_policy(&self, room: RoomId) -> Option<Policy> {
        self.node.lock().rooms().roster(room).map(|roster| roster.policy)
    }

    /// Our role in a room. `None`: we are not in it.
    #[must_use]
    pub fn room_role(&self, room: RoomId) -> Option<Role> {
        self.node.lock().rooms().status(room)?.me.map(|(_, role)| role)
    }

    /// What a change of a peer means, if what is named is a room.
    pub(super) async fn change_room(&self, room: RoomId, change: ContactChange) -> Result<(), Refusal> {
        let wish = match change {
            ContactChange::Remove => RoomWish::Leave,
            ContactChange::Rename(name) => RoomWish::Alias(name.and_then(BoundedText::new)),
            ContactChange::Add(_)
            | ContactChange::Accept
            | ContactChange::Refuse
            | ContactChange::Block
            | ContactChange::Unblock
            | ContactChange::Appear { .. }
            | ContactChange::Verify { .. }
            | ContactChange::Retain(_) => return Err(Refusal::IsRoom),
        };
        self.in_room(room, wish).await.map(drop)
    }

    /// What a text of ours refers to.
    pub(super) async fn said_to(
        &self,
        room: RoomId,
        re: Option<i64>,
        to: &[u32],
    ) -> Result<(Option<Ref>, Vec<MemberNo>), Refusal> {
        let to = to.iter().map(|no| MemberNo::new(*no)).collect::<Option<Vec<_>>>();
        let to = to.ok_or(Refusal::Room(RoomRefused::NoMember))?;
        let Some(id) = re else { return Ok((None, to)) };
        Ok((Some(self.room_event(room, id).await?.0), to))
    }

    /// Takes a text of ours back that is not published.
    pub(super) async fn take_back(&self, room: RoomId, mid: MessageId) -> Result<(), Refusal> {
        let found = read(self.reader.clone(), move |reader| reader.room_waiting(room, mid)).await?;
        self.in_room(room, RoomWish::TakeBack(found.ok_or(Refusal::NotPending)?)).await.map(drop)
    }

    /// Waits until a message of ours is durable at another member, at most for `timeout`.
    pub(super) async fn wait_in_room(&self, room: RoomId, id: i64, timeout: Duration) -> DeliveryWait {
        match tokio::time::timeout(timeout, self.delivered_in_room(room, id)).await {
            Ok(Ok(end)) => end,
            Ok(Err(_)) => DeliveryWait::NotYet { reason: Reason::Stopping },
            Err(_) => DeliveryWait::NotYet { reason: self.why_in_room(room) },
        }
    }

    async fn delivered_in_room(&self, room: RoomId, id: i64) -> Result<DeliveryWait, Refusal> {
        let mut log = self.log.renewed();
        // Before the look at the message: what becomes of it afterwards is in the log behind this.
        let mut after = log.last();
        let kinds = Some(vec![Kind::Delivered, Kind::Failed, Kind::Withdrawn, Kind::Redacted, Kind::Voided]);
        let filter = Filter { kinds, peers: Some(vec![room.conversation()]) };
        loop {
            let row = read(self.reader.clone(), move |reader| reader.message(id)).await?;
            let Some(row) = row else { return Ok(DeliveryWait::NotYet { reason: Reason::Ending }) };
            match (row.state, ended(row.state)) {
                // Others have it, and hide it as we do.
                (MessageState::Hidden, _) => return Ok(DeliveryWait::Failed { reason: Reason::Muted }),
                // It was taken away after it was published.
                (MessageState::Redacted, _) => return Ok(DeliveryWait::Delivered),
                (MessageState::Failed, _) => return Ok(DeliveryWait::Failed { reason: why_failed(&row) }),
                (_, DeliveryWait::NotYet { .. }) => {}
                (_, end) => return Ok(end),
            }
            loop {
                let batch = log.after(after, LOOK, &filter).await?;
                let moved = batch.next > after;
                after = batch.next;
                let concerns = |what: &What| match what {
                    What::Delivered(message) | What::Failed(message) | What::Withdrawn(message) => message.id == id,
                    What::Redacted { id: redacted, .. } => *redacted == id,
                    What::Voided { messages, .. } => messages.iter().any(|one| one.id == id),
                    What::Gap { .. } => true,
                    _ => false,
                };
                if batch.events.iter().any(|event| concerns(&event.what)) {
                    break;
                }
                if !moved {
                    log.changed().await;
                }
            }
        }
    }
}
