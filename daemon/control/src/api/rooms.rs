//! Rooms: to make one, join, write and moderate.

use super::answer::{Done, answer_line, fail, refused};
use super::connection::Connection;
use super::contacts::invalid;
use super::dispatch::{Caller, Course, Execute, Row, row};
use super::messages::client_key;
use super::page::{List, PAGE_BYTES, Page, held};
use crate::verbs::{self, INVITE_DEFAULT_H, INVITE_MAX_H};
use std::time::Duration;
use torchat_core::effect::RoomAnswer;
use torchat_core::input::{NewInvite, NewRoom, RoomAct, RoomCommand, RoomWish};
use torchat_core::snapshot::rooms as core;
use torchat_engine::handle::{EraseOptions, Refusal, SendOptions};
use torchat_protocol::control::api::command::{
    Edit, GivenNotify, GivenRole, Nothing, OneRoom, PolicyParts, React, Redact, RoomAdmit, RoomAnswer as RoomShown,
    RoomDestroy, RoomInvite, RoomInviteAnswer, RoomInvites, RoomInvitesAnswer, RoomJoin, RoomLeave, RoomMembers,
    RoomMembersAnswer, RoomMute, RoomNew, RoomPardon, RoomPetitions, RoomPetitionsAnswer, RoomRemove, RoomRole,
    RoomSet, RoomSettle, RoomSettleAnswer, RoomTransfer, RoomUninvite, RoomUnmute, Rooms, RoomsAnswer,
};
use torchat_protocol::control::api::{ConversationId, Onion, Right};
use torchat_protocol::control::code::Code;
use torchat_protocol::id::PeerId;
use torchat_protocol::nick::Nick;
use torchat_protocol::room::body::acts::{Policy, Set};
use torchat_protocol::room::body::{BoundedText, Role};
use torchat_protocol::room::limits::{NAME_BYTES, REASON_BYTES};
use torchat_protocol::room::{Identity, MemberNo, RoomId, RoomInvite as Invite};

/// Most uses of an invite that has an end.
const USES_MAX: u32 = 1_000;
/// The longest time for which a room keeps what is said, in days.
const KEEP_MAX_DAYS: u64 = 36_500;
/// Longest note of an invite, in bytes.
const NOTE_BYTES: usize = 200;

pub(crate) const ROWS: &[Row] = &[
    row::<Rooms>(),
    row::<OneRoom>(),
    row::<RoomMembers>(),
    row::<RoomPetitions>(),
    row::<Edit>(),
    row::<React>(),
    row::<Redact>(),
    row::<RoomNew>(),
    row::<RoomJoin>(),
    row::<RoomLeave>(),
    row::<RoomInvite>(),
    row::<RoomInvites>(),
    row::<RoomUninvite>(),
    row::<RoomAdmit>(),
    row::<RoomRole>(),
    row::<RoomRemove>(),
    row::<RoomPardon>(),
    row::<RoomMute>(),
    row::<RoomUnmute>(),
    row::<RoomSet>(),
    row::<RoomTransfer>(),
    row::<RoomSettle>(),
    row::<RoomDestroy>(),
];

impl Execute for Rooms {
    fn execute(self, caller: Caller, _: &mut Connection) -> Course<RoomsAnswer> {
        Course::later(async move {
            let among = caller.access.peers.as_deref();
            let rooms = caller.handle().list_rooms(among).await.map_err(|error| refused(&error))?;
            Ok(RoomsAnswer { rooms })
        })
    }
}

impl Execute for OneRoom {
    fn execute(self, caller: Caller, _: &mut Connection) -> Course<RoomShown> {
        Course::later(async move {
            let room = caller.handle().measured_room(caller.room(self.peer)?).await;
            Ok(RoomShown { room: room.map_err(|error| refused(&error))? })
        })
    }
}

async fn shown(caller: &Caller, room: RoomId) -> Done<RoomShown> {
    Ok(RoomShown { room: caller.handle().room(room).await.map_err(|error| refused(&error))? })
}

impl Execute for RoomMembers {
    fn execute(self, caller: Caller, _: &mut Connection) -> Course<RoomMembersAnswer> {
        Course::page(members(self, caller))
    }
}

async fn members(wanted: RoomMembers, caller: Caller) -> Done<Page> {
    let room = caller.room(wanted.peer)?;
    let permit = caller.context.share.page(PAGE_BYTES).await;
    let (mut page, mut after) = (List::new(wanted.limit, permit.bytes())?, wanted.after);
    loop {
        let found = caller.handle().room_members(room, after, page.step()).await;
        let (found, more) = found.map_err(|error| refused(&error))?;
        after = found.last().map(|last| last.no).or(after);
        if !found.into_iter().all(|member| page.add(member)) || !more {
            break;
        }
    }
    let (members, more) = page.end();
    let answer = RoomMembersAnswer { members, more };
    Ok(held(permit, answer_line::<RoomMembers>(caller.reference, Ok(answer))))
}

impl Execute for RoomPetitions {
    fn execute(self, caller: Caller, _: &mut Connection) -> Course<RoomPetitionsAnswer> {
        let room = match self.peer.map(|peer| caller.room(peer)).transpose() {
            Ok(room) => room,
            Err(error) => return Course::Now(Err(error)),
        };
        let mut petitions = caller.handle().room_petitions(room);
        petitions.retain(|petition| caller.access.sees(petition.peer));
        Course::Now(Ok(RoomPetitionsAnswer { petitions }))
    }
}

impl Execute for Edit {
    fn execute(self, caller: Caller, _: &mut Connection) -> Course<Nothing> {
        if let Err(invalid) = verbs::check_text(&self.text) {
            return Course::Now(Err(fail(Code::BadRequest, invalid.to_string())));
        }
        Course::later(async move {
            let room = caller.room(self.peer)?;
            done(caller.handle().edit(room, self.id, self.text).await)
        })
    }
}

impl Execute for React {
    fn execute(self, caller: Caller, _: &mut Connection) -> Course<Nothing> {
        let sign = match bounded("sign", self.sign) {
            Ok(sign) => sign,
            Err(error) => return Course::Now(Err(error)),
        };
        Course::later(async move {
            let room = caller.room(self.peer)?;
            done(caller.handle().react(room, self.id, sign).await)
        })
    }
}

impl Execute for Redact {
    fn execute(self, caller: Caller, _: &mut Connection) -> Course<Nothing> {
        let why = match reason(self.why) {
            Ok(why) => why,
            Err(error) => return Course::Now(Err(error)),
        };
        Course::later(async move {
            let room = caller.room(self.peer)?;
            done(caller.handle().redact(room, self.id, why).await)
        })
    }
}

impl Execute for RoomNew {
    fn execute(self, caller: Caller, _: &mut Connection) -> Course<RoomShown> {
        match new(self, &caller) {
            Ok(command) => Course::later(begun(caller, command)),
            Err(error) => Course::Now(Err(error)),
        }
    }
}

fn new(wanted: RoomNew, caller: &Caller) -> Done<RoomCommand> {
    if caller.access.peers.is_some() {
        let why = "this connection is for some conversations only, so it cannot make a room, which is none of them";
        return Err(fail(Code::NotAllowed, why));
    }
    Ok(RoomCommand::Make(NewRoom {
        name: room_name(wanted.name)?,
        topic: bounded("topic", wanted.topic)?,
        policy: policy(wanted.policy, Policy::default())?,
        nick: wanted.nick.map(nick).transpose()?,
        client: client_key(caller, wanted.client_id)?,
    }))
}

async fn begun(caller: Caller, command: RoomCommand) -> Done<RoomShown> {
    Ok(RoomShown { room: caller.handle().begin_room(command).await.map_err(|error| refused(&error))? })
}

impl Execute for RoomJoin {
    fn subject(&self) -> Option<PeerId> {
        self.invite.parse::<Invite>().ok()?.room.conversation().as_peer()
    }

    fn execute(self, caller: Caller, _: &mut Connection) -> Course<RoomShown> {
        match join(self, &caller) {
            Ok(command) => Course::later(begun(caller, command)),
            Err(error) => Course::Now(Err(error)),
        }
    }
}

/// The wish to become a member.
pub(super) fn join(wanted: RoomJoin, caller: &Caller) -> Done<RoomCommand> {
    let (invite, text) = verbs::join(&wanted.invite, wanted.text).map_err(invalid)?;
    caller.conversation(invite.room.conversation())?;
    if wanted.want == Some(u32::MAX) {
        return Err(fail(Code::BadRequest, format!("\"want\" is at most {}; absent, it is all", u32::MAX - 1)));
    }
    Ok(RoomCommand::Join {
        invite,
        nick: wanted.nick.map(nick).transpose()?,
        text: bounded("text", text)?,
        want: wanted.want,
        client: client_key(caller, wanted.client_id)?,
    })
}

impl Execute for RoomLeave {
    fn subject(&self) -> Option<PeerId> {
        self.peer.as_peer()
    }

    fn execute(self, caller: Caller, _: &mut Connection) -> Course<Nothing> {
        if self.forget && !caller.access.allows(Some(Right::Admin)) {
            let error = fail(Code::NotAllowed, "\"forget\" erases messages, which needs the right \"admin\"");
            return Course::Now(Err(error.with("right", "admin")));
        }
        Course::later(async move {
            let room = caller.room(self.peer)?;
            let handle = caller.handle();
            match handle.in_room(room, RoomWish::Leave).await {
                // It is over already; what was said there can still be erased.
                Err(Refusal::Room(torchat_core::effect::RoomRefused::NoRoom)) if self.forget => {}
                left => drop(left.map_err(|error| refused(&error))?),
            }
            if self.forget {
                let erased = handle.erase(self.peer, EraseOptions::default()).await;
                erased.map_err(|error| refused(&error))?;
            }
            Ok(Nothing {})
        })
    }
}

impl Execute for RoomInvite {
    fn subject(&self) -> Option<PeerId> {
        self.peer.as_peer()
    }

    fn execute(self, caller: Caller, _: &mut Connection) -> Course<RoomInviteAnswer> {
        match new_invite(&self, &caller) {
            Ok(new) => Course::later(invite(self, new, caller)),
            Err(error) => Course::Now(Err(error)),
        }
    }
}

fn new_invite(wanted: &RoomInvite, caller: &Caller) -> Done<NewInvite> {
    let bad = |message: String| fail(Code::BadRequest, message);
    let uses = match wanted.uses.unwrap_or(1) {
        0 => None,
        uses @ 1..=USES_MAX => Some(uses),
        _ => return Err(bad(format!("\"uses\" must be 1 to {USES_MAX}, or 0 for without end"))),
    };
    let hours = wanted.hours.unwrap_or(INVITE_DEFAULT_H);
    if verbs::invite_ms(hours).is_none() {
        return Err(bad(format!("\"hours\" must be 1 to {INVITE_MAX_H}")));
    }
    if wanted.note.as_ref().is_some_and(|note| note.len() > NOTE_BYTES) {
        return Err(bad(format!("\"note\" has at most {NOTE_BYTES} bytes")));
    }
    let whom = wanted.whom.map(|Onion(peer)| peer);
    if wanted.send {
        let whom = whom.ok_or_else(|| bad("\"send\" needs \"for\": to whom it is sent".to_owned()))?;
        if !caller.access.allows(Some(Right::Send)) {
            return Err(fail(Code::NotAllowed, "\"send\" needs the right \"send\"").with("right", "send"));
        }
        caller.conversation(whom.into())?;
    }
    let role = wanted.role.map_or(Role::Member, given);
    Ok(NewInvite { role, uses, hours, whom, note: wanted.note.clone() })
}

async fn invite(wanted: RoomInvite, new: NewInvite, caller: Caller) -> Done<RoomInviteAnswer> {
    let room = caller.room(wanted.peer)?;
    let (whom, handle) = (new.whom, caller.handle());
    let RoomAnswer::Invited(invite) = wish(&caller, room, Wanted::Now(RoomWish::Invite(new))).await? else {
        return Err(refused(&Refusal::Stopping));
    };
    // An invite is made with its secret.
    let id = invite.pass.as_ref().map(|pass| pass.id).ok_or_else(|| refused(&Refusal::Stopping))?;
    if let Some(whom) = whom.filter(|_| wanted.send) {
        let sent = handle.send_with(whom, invite.to_string(), SendOptions::default()).await;
        sent.map_err(|error| refused(&error))?;
    }
    Ok(RoomInviteAnswer { invite: invite.to_string(), id })
}

impl Execute for RoomInvites {
    fn subject(&self) -> Option<PeerId> {
        self.peer.as_peer()
    }

    fn execute(self, caller: Caller, _: &mut Connection) -> Course<RoomInvitesAnswer> {
        let invites = caller.room(self.peer).map(|room| caller.handle().room_invites(room));
        Course::Now(invites.map(|invites| RoomInvitesAnswer { invites }))
    }
}

/// A wish about a member, who must have a number that somebody can have.
fn member(number: u32) -> Done<MemberNo> {
    MemberNo::new(number).ok_or_else(|| refused(&Refusal::Room(torchat_core::effect::RoomRefused::NoMember)))
}

/// An identity as rooms write it.
fn identity(Onion(peer): Onion) -> Identity {
    Identity(*peer.as_bytes())
}

/// What a command wants in a room.
enum Wanted {
    /// It is done at once.
    Now(RoomWish),
    /// The owner decides it, and it may wait for another member.
    Act { act: RoomAct, force: bool, timeout: Option<u64> },
}

async fn wish(caller: &Caller, room: RoomId, wanted: Wanted) -> Done<RoomAnswer> {
    let done = match wanted {
        Wanted::Now(wish) => caller.handle().in_room(room, wish).await,
        Wanted::Act { act, force, timeout } => {
            let timeout = Duration::from_secs(verbs::wait_s(timeout).max(1));
            caller.handle().decide(room, act, force, timeout).await
        }
    };
    done.map_err(|error| refused(&error))
}

/// Commands that want one thing in a room and answer nothing: each says which.
macro_rules! wishes {
    ($($command:ident: $wish:expr;)+) => {
        $(impl Execute for $command {
            fn subject(&self) -> Option<PeerId> {
                self.peer.as_peer()
            }

            fn execute(self, caller: Caller, _: &mut Connection) -> Course<Nothing> {
                let of: fn(Self) -> Done<Wanted> = $wish;
                Course::later(async move {
                    let room = caller.room(self.peer)?;
                    wish(&caller, room, of(self)?).await?;
                    Ok(Nothing {})
                })
            }
        })+
    };
}

wishes! {
    RoomUninvite: |wanted| Ok(Wanted::Now(RoomWish::Uninvite(wanted.id)));
    RoomAdmit: |wanted| {
        let id = identity(wanted.petition);
        if wanted.yes {
            let act = RoomAct::Admit { id, role: wanted.role.map(given) };
            Ok(Wanted::Act { act, force: wanted.force, timeout: wanted.timeout })
        } else {
            Ok(Wanted::Now(RoomWish::Deny(id)))
        }
    };
    RoomRole: |wanted| {
        let act = RoomAct::Role { member: member(wanted.member)?, role: given(wanted.role) };
        Ok(Wanted::Act { act, force: wanted.force, timeout: wanted.timeout })
    };
    RoomRemove: |wanted| {
        let act = RoomAct::Remove { member: member(wanted.member)?, ban: wanted.ban.unwrap_or(true) };
        Ok(Wanted::Act { act, force: wanted.force, timeout: wanted.timeout })
    };
    RoomPardon: |wanted| Ok(Wanted::Now(RoomWish::Pardon(identity(wanted.onion))));
    RoomMute: |wanted| {
        Ok(Wanted::Now(RoomWish::Mute { who: member(wanted.member)?, why: reason(wanted.why)? }))
    };
    RoomUnmute: |wanted| Ok(Wanted::Now(RoomWish::Unmute(member(wanted.member)?)));
    RoomTransfer: |wanted| match (wanted.member, wanted.take) {
        (Some(to), false) => Ok(Wanted::Now(RoomWish::Hand(member(to)?))),
        (None, true) => Ok(Wanted::Now(RoomWish::Take)),
        _ => Err(fail(Code::BadRequest, "either \"member\", as the owner, or \"take\": true, as that member")),
    };
}

impl Execute for RoomSet {
    fn subject(&self) -> Option<PeerId> {
        self.peer.as_peer()
    }

    fn execute(self, caller: Caller, _: &mut Connection) -> Course<RoomShown> {
        Course::later(async move {
            let room = caller.room(self.peer)?;
            for one in changes(self, &caller, room)? {
                wish(&caller, room, one).await?;
            }
            shown(&caller, room).await
        })
    }
}

/// What is to be changed, part by part. All of it was looked at before the first one is done.
fn changes(wanted: RoomSet, caller: &Caller, room: RoomId) -> Done<Vec<Wanted>> {
    let mut wishes = Vec::new();
    if let Some(alias) = wanted.alias {
        let alias = if alias.is_empty() { None } else { Some(bounded("alias", alias)?) };
        wishes.push(Wanted::Now(RoomWish::Alias(alias)));
    }
    wishes.extend(wanted.notify.map(|notify| {
        Wanted::Now(RoomWish::Notify(match notify {
            GivenNotify::All => core::Notify::All,
            GivenNotify::Mentions => core::Notify::Mentions,
            GivenNotify::None => core::Notify::None,
        }))
    }));
    if let Some(name) = wanted.nick {
        wishes.push(Wanted::Now(RoomWish::Nick(nick(name)?)));
    }
    let mut topic = wanted.topic.map(|topic| bounded("topic", topic)).transpose()?;
    // A moderator changes the topic by an event of theirs.
    if caller.handle().room_role(room) == Some(Role::Moderator) {
        wishes.extend(topic.take().map(|topic| Wanted::Now(RoomWish::Topic(topic))));
    }
    let name = wanted.name.map(room_name).transpose()?;
    let policy = match (wanted.policy, caller.handle().room_policy(room)) {
        (Some(parts), Some(before)) => Some(policy(parts, before)?),
        (Some(_), None) => return Err(refused(&Refusal::Room(torchat_core::effect::RoomRefused::NoRoom))),
        (None, _) => None,
    };
    if name.is_some() || topic.is_some() || policy.is_some() {
        let act = RoomAct::Set(Set { name, topic, policy });
        wishes.push(Wanted::Act { act, force: wanted.force, timeout: wanted.timeout });
    }
    Ok(wishes)
}

impl Execute for RoomSettle {
    fn subject(&self) -> Option<PeerId> {
        self.peer.as_peer()
    }

    fn execute(self, caller: Caller, _: &mut Connection) -> Course<RoomSettleAnswer> {
        Course::later(async move {
            let room = caller.room(self.peer)?;
            let act = Wanted::Act { act: RoomAct::Settle, force: self.force, timeout: self.timeout };
            match wish(&caller, room, act).await? {
                RoomAnswer::Settled(lost) => Ok(RoomSettleAnswer { lost }),
                _ => Err(refused(&Refusal::Stopping)),
            }
        })
    }
}

impl Execute for RoomDestroy {
    fn subject(&self) -> Option<PeerId> {
        self.peer.as_peer()
    }

    fn execute(self, caller: Caller, _: &mut Connection) -> Course<Nothing> {
        Course::later(async move {
            let room = caller.room(self.peer)?;
            let why = reason(self.why)?;
            let called = caller.handle().is_room_called(room, &self.name).await;
            if !called.map_err(|error| refused(&error))? {
                let error = "\"name\" is not the name of this room: nothing was ended";
                return Err(fail(Code::BadRequest, error));
            }
            let act = Wanted::Act { act: RoomAct::Destroy(why), force: self.force, timeout: self.timeout };
            wish(&caller, room, act).await?;
            Ok(Nothing {})
        })
    }
}

fn done(result: Result<(), Refusal>) -> Done<Nothing> {
    result.map(|()| Nothing {}).map_err(|error| refused(&error))
}

fn given(role: GivenRole) -> Role {
    match role {
        GivenRole::Reader => Role::Reader,
        GivenRole::Member => Role::Member,
        GivenRole::Moderator => Role::Moderator,
    }
}

fn bounded<const N: usize>(key: &str, text: String) -> Done<BoundedText<N>> {
    BoundedText::new(text).ok_or_else(|| fail(Code::BadRequest, format!("{key:?} has at most {N} bytes")))
}

fn reason(why: Option<String>) -> Done<Option<BoundedText<REASON_BYTES>>> {
    why.map(|why| bounded("why", why)).transpose()
}

fn room_name(name: String) -> Done<BoundedText<NAME_BYTES>> {
    if name.trim().is_empty() {
        return Err(fail(Code::BadRequest, "\"name\" is empty: a room needs a name"));
    }
    bounded("name", name)
}

fn nick(name: String) -> Done<Nick> {
    Nick::typed(&name).map_err(|error| fail(Code::BadRequest, format!("no name: {error}")))
}

/// Rules with some of them changed.
fn policy(parts: PolicyParts, before: Policy) -> Done<Policy> {
    let joins = match parts.joins {
        Some(GivenRole::Moderator) => {
            return Err(fail(Code::BadRequest, "\"joins\" must be \"member\" or \"reader\""));
        }
        joins => joins.map_or(before.joins, given),
    };
    // No number in a request is greater than the greatest that a room can have.
    let history = parts.history.unwrap_or(before.history);
    let keep_days = parts.keep_days.unwrap_or(before.keep_days);
    if keep_days > KEEP_MAX_DAYS {
        return Err(fail(Code::BadRequest, format!("\"keep_days\" must be 1 to {KEEP_MAX_DAYS}, or 0 for no end")));
    }
    Ok(Policy { joins, history, keep_days, ..before })
}

/// ADD with an invite to a room.
pub(super) async fn add(caller: Caller, invite: String, text: String) -> Done<ConversationId> {
    if !caller.access.allows(Some(Right::Rooms)) {
        let error = fail(Code::NotAllowed, "to join a room needs the right \"rooms\"");
        return Err(error.with("right", "rooms"));
    }
    let wanted = RoomJoin { invite, text, want: None, nick: None, client_id: None };
    Ok(begun(caller.clone(), join(wanted, &caller)?).await?.room.peer)
}
