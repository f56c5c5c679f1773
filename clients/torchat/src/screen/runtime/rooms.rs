//! What the screen asks of rooms, as commands of the daemon.

use crate::screen::model::{RoomAnswer, RoomAsk, RoomWish};
use torchat_client::api::command::{
    self, PolicyParts, RoomAdmit, RoomDestroy, RoomInvite, RoomJoin, RoomLeave, RoomMembers, RoomMute, RoomNew,
    RoomPardon, RoomPetitions, RoomRemove, RoomRole, RoomSet, RoomSettle, RoomTransfer, RoomUnmute,
};
use torchat_client::api::{ApiClientError, Call, Connection, ConversationId};

/// How long the screen waits for another member, in seconds, before it says that a decision waits.
const SOON_S: u64 = 10;

/// Asks the daemon.
pub(super) fn perform(connection: &Connection, ask: &RoomAsk) -> Result<RoomAnswer, ApiClientError> {
    let room = |answer: command::RoomAnswer| RoomAnswer::Room(Box::new(answer.room));
    Ok(match ask {
        RoomAsk::Petitions(_) => RoomAnswer::Petitions(connection.call(&RoomPetitions::default())?.petitions),
        RoomAsk::Members(peer, _) => RoomAnswer::Members(members(connection, *peer)?),
        RoomAsk::New { name, topic, key } => room(connection.call(&RoomNew {
            name: name.clone(),
            topic: topic.clone(),
            policy: PolicyParts::default(),
            nick: None,
            client_id: Some(key.clone()),
        })?),
        RoomAsk::Join { invite, text } => room(connection.call(&RoomJoin {
            invite: invite.clone(),
            text: text.clone(),
            want: None,
            nick: None,
            client_id: None,
        })?),
        RoomAsk::In(peer, wish) => in_room(connection, *peer, wish)?,
    })
}

fn members(
    connection: &Connection,
    peer: ConversationId,
) -> Result<Vec<torchat_client::api::record::Member>, ApiClientError> {
    let mut members = Vec::new();
    loop {
        let after = members.last().map(|member: &torchat_client::api::record::Member| member.no);
        let page = connection.call(&RoomMembers { peer, after, limit: None })?;
        let is_last = !page.more || page.members.is_empty();
        members.extend(page.members);
        if is_last {
            return Ok(members);
        }
    }
}

fn in_room(connection: &Connection, peer: ConversationId, wish: &RoomWish) -> Result<RoomAnswer, ApiClientError> {
    fn done<C: Call>(connection: &Connection, command: &C) -> Result<RoomAnswer, ApiClientError> {
        connection.call(command).map(|_| RoomAnswer::Done)
    }
    let timeout = Some(SOON_S);
    let (wish, force) = match wish {
        RoomWish::Forced(wish) => (&**wish, true),
        wish => (wish, false),
    };
    let set =
        RoomSet { peer, name: None, topic: None, policy: None, alias: None, notify: None, nick: None, force, timeout };
    match wish.clone() {
        RoomWish::Leave { forget } => done(connection, &RoomLeave { peer, forget }),
        RoomWish::Topic(topic) => changed(connection, &RoomSet { topic: Some(topic), ..set }),
        RoomWish::Alias(alias) => changed(connection, &RoomSet { alias: Some(alias), ..set }),
        RoomWish::Nick(nick) => changed(connection, &RoomSet { nick: Some(nick), ..set }),
        RoomWish::Notify(notify) => changed(connection, &RoomSet { notify: Some(notify), ..set }),
        RoomWish::Invite { uses, role, whom } => {
            let (hours, note, send) = (None, None, whom.is_some());
            let invite = RoomInvite { peer, role, uses: Some(uses), hours, whom, send, note };
            Ok(RoomAnswer::Invite(connection.call(&invite)?.invite))
        }
        RoomWish::Admit { petition, yes, role } => {
            done(connection, &RoomAdmit { peer, petition, yes, role, force, timeout })
        }
        RoomWish::Role(member, role) => done(connection, &RoomRole { peer, member, role, force, timeout }),
        RoomWish::Remove(member) => done(connection, &RoomRemove { peer, member, ban: None, force, timeout }),
        RoomWish::RemoveForNow(member) => {
            done(connection, &RoomRemove { peer, member, ban: Some(false), force, timeout })
        }
        RoomWish::Pardon(onion) => done(connection, &RoomPardon { peer, onion }),
        RoomWish::Mute(member, why) => done(connection, &RoomMute { peer, member, why }),
        RoomWish::Unmute(member) => done(connection, &RoomUnmute { peer, member }),
        RoomWish::Edit(id, text) => done(connection, &command::Edit { peer, id, text }),
        RoomWish::React(id, sign) => done(connection, &command::React { peer, id, sign }),
        RoomWish::Redact(id, why) => done(connection, &command::Redact { peer, id, why }),
        RoomWish::Transfer(member) => done(connection, &RoomTransfer { peer, member: Some(member), take: false }),
        RoomWish::Take => done(connection, &RoomTransfer { peer, member: None, take: true }),
        RoomWish::Settle => Ok(RoomAnswer::Settled(connection.call(&RoomSettle { peer, force, timeout })?.lost)),
        // There is one word for it.
        RoomWish::Forced(wish) => in_room(connection, peer, &wish),
        RoomWish::Destroy(name) => done(connection, &RoomDestroy { peer, name, why: None, force, timeout }),
    }
}

fn changed(connection: &Connection, set: &RoomSet) -> Result<RoomAnswer, ApiClientError> {
    Ok(RoomAnswer::Room(Box::new(connection.call(set)?.room)))
}
