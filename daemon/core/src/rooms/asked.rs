//! What clients want of rooms.

use super::petitions::Purses;
use super::quota::PassedOn;
use super::{Alone, Context, Entry, ROOMS, Room, Rooms, identity};
use crate::effect::{RoomAnswer, RoomRefused};
use crate::input::{NewRoom, RequestId, RoomCommand, RoomWish};
use crate::op::RoomOp;
use crate::snapshot::rooms::{HandRow, RoomKeys, RoomState, Way};
use ed25519_dalek::{Signer as _, SigningKey};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use torchat_protocol::room::body::acts::{Create, Entry as Member, Handover, Replicas};
use torchat_protocol::room::body::said::{Edit, Hand, Mute, Nick, Reaction, Redact, Take, Topic, Unmute};
use torchat_protocol::room::body::{Body, BoundedText, Ref, Role};
use torchat_protocol::room::limits::REASON_BYTES;
use torchat_protocol::room::{CloseCode, LogId, MemberKey, MemberNo, RoomId, RoomInvite, Salt, Signature, TextId};
use torchat_room::Replica;
use torchat_room::replica::{Cannot, Me, Stored};
use torchat_room::signing::create;

/// The public part of our signing key.
pub(super) fn public(seed: &[u8; 32]) -> MemberKey {
    MemberKey(SigningKey::from_bytes(seed).verifying_key().to_bytes())
}

/// Writes down what a user has set.
fn set(ctx: &mut Context<'_>, op: RoomOp) -> Result<RoomAnswer, RoomRefused> {
    ctx.write(op);
    Ok(RoomAnswer::Done)
}

impl Rooms {
    pub(super) fn asked(&mut self, ctx: &mut Context<'_>, request: RequestId, command: RoomCommand) {
        let answer = match command {
            RoomCommand::Make(new) => self.make(ctx, &new),
            RoomCommand::Join { invite, nick, text, want, client } => {
                let doors: Vec<_> = invite.doors().iter().copied().filter(|door| *door != self.own).collect();
                self.join(ctx, &invite, Way { doors, pass: invite.pass, nick, text, want }, client)
            }
            RoomCommand::In { room, wish: RoomWish::Act { act, force } } => {
                return self.asked_to_decide(ctx, request, room, act, force);
            }
            RoomCommand::In { room, wish } => {
                let said = matches!(wish, RoomWish::Say { .. });
                let done = self.wish(ctx, room, wish);
                self.settle(ctx, room);
                if said && done.is_ok() {
                    self.hurry(ctx, room);
                }
                done
            }
        };
        ctx.answer(request, answer.unwrap_or_else(RoomAnswer::Refused));
    }

    fn make(&mut self, ctx: &mut Context<'_>, new: &NewRoom) -> Result<RoomAnswer, RoomRefused> {
        if let Some(before) = self.asked_by(new.client.as_deref()) {
            return Ok(RoomAnswer::Room(before));
        }
        if self.rooms.len() >= ROOMS {
            return Err(RoomRefused::TooManyRooms);
        }
        if new.policy.replicas != Replicas::Members {
            return Err(RoomRefused::NotServed);
        }
        let keys = RoomKeys { sign: ctx.random(), sealing: ctx.random() };
        let owner = Member {
            no: MemberNo::MAKER,
            sign: public(&keys.sign),
            sealing: keys.public_sealing(),
            role: Role::Owner,
            id: Some(identity(&self.own)),
            nick: new.nick.as_ref().and_then(|nick| BoundedText::new(nick.as_str())),
            via: None,
        };
        let first =
            Create { owner, name: new.name.clone(), topic: new.topic.clone(), policy: new.policy, salt: Salt([0; 16]) };
        let minute = ctx.with(|now| now.minute);
        let key = SigningKey::from_bytes(&keys.sign);
        let first = create(&key, first, minute, &mut || Salt(ctx.random())).ok_or(RoomRefused::Limit)?;
        let id = RoomId(first.id().0);
        self.begin(ctx, id, keys, None);
        self.remember(ctx, id, new.client.clone());
        if let Some(room) = self.rooms.get_mut(&id) {
            ctx.with(|now| room.replica.found_room(now, first));
        }
        self.settle(ctx, id);
        Ok(RoomAnswer::Room(id))
    }

    /// The room that a program has made or joined under a key.
    fn asked_by(&self, client: Option<&str>) -> Option<RoomId> {
        self.clients.get(client?).copied()
    }

    fn remember(&mut self, ctx: &mut Context<'_>, room: RoomId, client: Option<String>) {
        if let Some(client) = client {
            self.clients.insert(client.clone(), room);
            ctx.write(RoomOp::AskedBy { room, client });
        }
    }

    fn join(
        &mut self,
        ctx: &mut Context<'_>,
        invite: &RoomInvite,
        way: Way,
        client: Option<String>,
    ) -> Result<RoomAnswer, RoomRefused> {
        let id = invite.room;
        match self.asked_by(client.as_deref()) {
            Some(before) if before == id => return Ok(RoomAnswer::Room(id)),
            Some(_) => return Err(RoomRefused::ClientReused),
            None => {}
        }
        if self.rooms.contains_key(&id) {
            return Err(RoomRefused::AlreadyIn);
        }
        if self.rooms.len() >= ROOMS {
            return Err(RoomRefused::TooManyRooms);
        }
        if way.doors.is_empty() {
            return Err(RoomRefused::ToSelf);
        }
        let keys = RoomKeys { sign: ctx.random(), sealing: ctx.random() };
        self.begin(ctx, id, keys, Some(way));
        self.remember(ctx, id, client);
        Ok(RoomAnswer::Room(id))
    }

    fn begin(&mut self, ctx: &mut Context<'_>, id: RoomId, keys: RoomKeys, way: Option<Way>) {
        let log = LogId(ctx.random());
        let stored = Stored::new(id, log, Some(Me { seed: keys.sign, chain: 0 }));
        let room = Room {
            state: if way.is_some() { RoomState::Joining } else { RoomState::Member },
            replica: Replica::load(stored),
            seed: keys.sign,
            sealing: keys.public_sealing(),
            way: way.clone(),
            entry: Entry::default(),
            peers: BTreeMap::new(),
            acts_changed: true,
            invites: BTreeMap::new(),
            petitions: BTreeMap::new(),
            purses: Purses::default(),
            bans: BTreeSet::new(),
            leavers: BTreeSet::new(),
            hand: None,
            quotas: BTreeMap::new(),
            passed_on: PassedOn::default(),
            hears: None,
            waiting: VecDeque::new(),
            stored: BTreeMap::new(),
            stored_at: BTreeMap::new(),
            left_at: None,
            expiring: BTreeMap::new(),
            alone: Alone::since(ctx.now),
            restored: false,
            pauses: BTreeMap::new(),
            begun_anew: BTreeMap::new(),
        };
        self.past.remove(&id);
        self.rooms.insert(id, room);
        ctx.write(RoomOp::Begin { room: id, keys, log, way });
    }

    fn wish(&mut self, ctx: &mut Context<'_>, id: RoomId, wish: RoomWish) -> Result<RoomAnswer, RoomRefused> {
        // What the user sets for themselves they may set of a room that is over, too.
        if self.past.contains_key(&id) || self.rooms.contains_key(&id) {
            match wish {
                RoomWish::Alias(alias) => {
                    let alias = alias.map(|alias| alias.as_str().to_owned());
                    return set(ctx, RoomOp::Alias { room: id, alias });
                }
                RoomWish::Notify(notify) => return set(ctx, RoomOp::Notify { room: id, notify }),
                _ => {}
            }
        }
        let may_wait = !matches!(&wish, RoomWish::Say { text, .. } if !self.may_wait(text.as_str().len()));
        let room = self.rooms.get_mut(&id).ok_or(RoomRefused::NoRoom)?;
        let body = match wish {
            RoomWish::Say { .. } if !may_wait => {
                ctx.refused.outbox += 1;
                return Err(RoomRefused::OutboxFull);
            }
            RoomWish::Say { text, re, to, client, expire_ms } => {
                let said = room.say_text(ctx, text, re, to);
                if let (Ok(RoomAnswer::Queued(text)), Some(client)) = (&said, client) {
                    ctx.write(RoomOp::Client { room: id, text: *text, client });
                }
                if let (Ok(RoomAnswer::Queued(text)), Some(expire_ms)) = (&said, expire_ms) {
                    room.expires(ctx, id, *text, expire_ms);
                }
                return said;
            }
            RoomWish::TakeBack(mid) => {
                return if room.replica.take_back(mid) { Ok(RoomAnswer::Done) } else { Err(RoomRefused::NotPending) };
            }
            RoomWish::Leave => return self.leave(ctx, id),
            RoomWish::Invite(new) => return self.invite(ctx, id, new),
            RoomWish::Uninvite(invite) => return room.uninvite(ctx, id, invite),
            RoomWish::Deny(who) => {
                let petition = room.petitions.get_mut(&who).ok_or(RoomRefused::NoPetition)?;
                petition.refused = true;
                ctx.write(RoomOp::Petition { room: id, petition: petition.clone() });
                return Ok(RoomAnswer::Done);
            }
            RoomWish::Pardon(_) if !room.is_ours() => return Err(RoomRefused::Cannot(Cannot::NoRole)),
            RoomWish::Pardon(who) => {
                if room.bans.remove(&who) {
                    ctx.write(RoomOp::Ban { room: id, id: who, banned: false });
                }
                return Ok(RoomAnswer::Done);
            }
            // The desk sends these another way.
            RoomWish::Act { .. } | RoomWish::Alias(_) | RoomWish::Notify(_) => return Err(RoomRefused::NoRoom),
            RoomWish::Unmute(who) => return room.unmute(ctx, who),
            RoomWish::Redact { of, why } => return room.redact(ctx, of, why.as_ref()),
            RoomWish::Edit { of, text } => Body::Edit(Edit { of, mid: TextId(ctx.random()), text }),
            RoomWish::React { of, sign } => Body::Reaction(Reaction { of, sign }),
            RoomWish::Topic(topic) => Body::Topic(Topic { topic }),
            RoomWish::Nick(nick) => {
                Body::Nick(Nick { nick: BoundedText::new(nick.as_str()).ok_or(RoomRefused::Limit)? })
            }
            RoomWish::Mute { who, why } => {
                room.is_member(who)?;
                // A mute of those who may mute hides nothing.
                if room.replica.roster().members.get(&who).is_some_and(|found| found.role() > Role::Member) {
                    return Err(RoomRefused::Cannot(Cannot::NoRole));
                }
                Body::Mute(Mute { who, keep: room.replica.keep(who), why })
            }
            RoomWish::Hand(to) => {
                room.is_member(to)?;
                if room.is_ours() && room.replica.me() == Some(to) {
                    return Err(RoomRefused::NoMember);
                }
                Body::Hand(Hand { to })
            }
            RoomWish::Take => Body::Take(room.accept(id)?),
        };
        room.say(ctx, &body)
    }

    fn leave(&mut self, ctx: &mut Context<'_>, id: RoomId) -> Result<RoomAnswer, RoomRefused> {
        let room = self.rooms.get_mut(&id).ok_or(RoomRefused::NoRoom)?;
        if room.state == RoomState::Joining {
            self.end_room(ctx, id, RoomState::Left, CloseCode::Done);
        } else if room.replica.role() == Some(Role::Owner) {
            return Err(RoomRefused::OwnerLeaves);
        } else if room.state == RoomState::Member {
            room.state = RoomState::Leaving(ctx.now.wall_ms);
            ctx.write(RoomOp::State { room: id, state: room.state });
        }
        Ok(RoomAnswer::Done)
    }
}

impl Room {
    /// Says an event of ours.
    fn say(&mut self, ctx: &mut Context<'_>, body: &Body) -> Result<RoomAnswer, RoomRefused> {
        let said = ctx.with(|now| self.replica.say_event(now, body));
        said.map(|_| RoomAnswer::Done).map_err(RoomRefused::Cannot)
    }

    fn is_member(&self, who: MemberNo) -> Result<(), RoomRefused> {
        let found = self.replica.roster().members.get(&who);
        if found.is_some_and(|member| member.is_in()) { Ok(()) } else { Err(RoomRefused::NoMember) }
    }

    /// Ends each mute of a member that counts and has no end.
    fn unmute(&mut self, ctx: &mut Context<'_>, who: MemberNo) -> Result<RoomAnswer, RoomRefused> {
        let mutes = self.replica.mutes_of(who);
        if mutes.is_empty() {
            return Err(RoomRefused::NotMuted);
        }
        for of in mutes {
            let body = Body::Unmute(Unmute { of, resume: self.replica.keep(who) });
            self.say(ctx, &body)?;
        }
        Ok(RoomAnswer::Done)
    }

    /// Takes away each of the events that say a text.
    fn redact(
        &mut self,
        ctx: &mut Context<'_>,
        of: Vec<Ref>,
        why: Option<&BoundedText<REASON_BYTES>>,
    ) -> Result<RoomAnswer, RoomRefused> {
        for of in of {
            self.say(ctx, &Body::Redact(Redact { of, why: why.cloned() }))?;
        }
        Ok(RoomAnswer::Done)
    }

    /// Our signature under the owner's proposal to hand the room over to us.
    fn accept(&self, id: RoomId) -> Result<Take, RoomRefused> {
        let (Some(me), Some(hand)) = (self.replica.me(), self.hand) else { return Err(RoomRefused::NoHand) };
        let HandRow { proposal, by, to, .. } = hand;
        if to != me || by != self.replica.roster().owner {
            return Err(RoomRefused::NoHand);
        }
        if self.replica.role().is_none() {
            return Err(RoomRefused::Cannot(Cannot::NotJoined));
        }
        let key = SigningKey::from_bytes(&self.seed);
        let accept = Signature(key.sign(&Handover::to_be_signed(id, proposal, me)).to_bytes());
        Ok(Take { proposal, accept })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is public of our keys is that of the example in ROOM-PROTOCOL.md.
    #[test]
    fn our_public_keys_are_those_of_the_worked_example() {
        let bytes = |from: u8| std::array::from_fn(|n| from + u8::try_from(n).unwrap_or(0));
        let sign = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8";
        let sealed = "358072d6365880d1aeea329adf9121383851ed21a28e3b75e965d0d2cd166254";
        assert_eq!(public(&bytes(0)).to_string(), sign);
        assert_eq!(RoomKeys { sign: [0; 32], sealing: bytes(32) }.public_sealing().to_string(), sealed);
    }
}
