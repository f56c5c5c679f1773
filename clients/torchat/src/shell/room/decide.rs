//! What owners and moderators decide, and what a member decides of a room.

use super::enter::{given, joining};
use super::{find, former, member};
use crate::arguments::{Notify as Notified, RoomAction, SetRoom};
use crate::refusal::MUTES;
use crate::shell::Shell;
use crate::shell::failure::{Done, Failure};
use crate::shell::format::count;
use serde_json::json;
use torchat_client::api::command::{
    GivenNotify, PolicyParts, RoomAdmit, RoomDestroy, RoomMute, RoomPardon, RoomPetitions, RoomRemove, RoomRole,
    RoomSet, RoomSettle, RoomTransfer, RoomUnmute,
};
use torchat_client::api::{Connection, ConversationId, Onion};
use torchat_client::names::{Known, Purpose, Standing, resolve};

pub(super) fn run(shell: &Shell<'_>, action: RoomAction) -> Done {
    let connection = shell.connect()?;
    let connection = &connection;
    match action {
        RoomAction::Role { room, member: word, role, now } => {
            about(shell, connection, &room, &word, &|peer, member| {
                connection.call(&RoomRole {
                    peer,
                    member,
                    role: given(role),
                    force: now.force,
                    timeout: Some(now.wait),
                })?;
                Ok(())
            })
        }
        RoomAction::Remove { room, member: word, may_return, now } => {
            about(shell, connection, &room, &word, &|peer, member| {
                connection.call(&RoomRemove {
                    peer,
                    member,
                    ban: Some(!may_return),
                    force: now.force,
                    timeout: Some(now.wait),
                })?;
                Ok(())
            })
        }
        RoomAction::Mute { room, member: word, why } => about(shell, connection, &room, &word, &|peer, member| {
            let muted = connection.call(&RoomMute { peer, member, why: why.clone() });
            muted.map_err(|error| Failure::of_roles(MUTES, error))?;
            Ok(())
        }),
        RoomAction::Unmute { room, member: word } => about(shell, connection, &room, &word, &|peer, member| {
            connection.call(&RoomUnmute { peer, member })?;
            Ok(())
        }),
        RoomAction::Transfer { room, member: word } => about(shell, connection, &room, &word, &|peer, member| {
            connection.call(&RoomTransfer { peer, member: Some(member), take: false })?;
            Ok(())
        }),
        RoomAction::Take { room } => {
            let peer = find(connection, &room)?;
            connection.call(&RoomTransfer { peer, member: None, take: true })?;
            shell.done_in(peer)
        }
        RoomAction::Topic { room, topic } => {
            let peer = find(connection, &room)?;
            let set = RoomSet { topic: Some(topic), ..nothing(peer) };
            shell.answer_quietly(&connection.call(&set)?.room)
        }
        RoomAction::Set(set) => change(shell, connection, set),
        RoomAction::Admit { room, who, role, now } => {
            let (peer, petition) = asking(connection, &room, &who)?;
            let (role, force, timeout) = (role.map(given), now.force, Some(now.wait));
            connection.call(&RoomAdmit { peer, petition, yes: true, role, force, timeout })?;
            shell.done_about(peer, petition)
        }
        RoomAction::Deny { room, who } => {
            let (peer, petition) = asking(connection, &room, &who)?;
            connection.call(&RoomAdmit { peer, petition, yes: false, role: None, force: false, timeout: None })?;
            shell.done_about(peer, petition)
        }
        RoomAction::Pardon { room, member } => {
            let peer = find(connection, &room)?;
            let onion = former(connection, peer, &member)?;
            connection.call(&RoomPardon { peer, onion })?;
            shell.done_about(peer, onion)
        }
        RoomAction::Settle { room, now } => {
            let peer = find(connection, &room)?;
            let answer = connection.call(&RoomSettle { peer, force: now.force, timeout: Some(now.wait) })?;
            let lost = match answer.lost {
                0 => "settled: all that you have decided holds".to_owned(),
                lost => format!("settled: {} of yours not hold any more", do_not(lost)),
            };
            shell.answer(&answer, &lost)
        }
        RoomAction::Destroy { room, name, why, now } => {
            let peer = find(connection, &room)?;
            let name = name.strip_prefix('#').unwrap_or(&name).to_owned();
            connection.call(&RoomDestroy { peer, name, why, force: now.force, timeout: Some(now.wait) })?;
            shell.done_in(peer)
        }
        _ => Err(Failure::system("this command belongs to another part")),
    }
}

/// "1 decision does", "2 decisions do".
fn do_not(lost: u64) -> String {
    format!("{} {}", count(lost, "decision"), if lost == 1 { "does" } else { "do" })
}

/// Decides about a member.
fn about(
    shell: &Shell<'_>,
    connection: &Connection,
    room: &str,
    word: &str,
    decide: &dyn Fn(ConversationId, u32) -> Done,
) -> Done {
    let peer = find(connection, room)?;
    let no = member(connection, peer, word)?;
    decide(peer, no)?;
    if shell.form.json { shell.answer(&json!({ "peer": peer, "member": no }), "") } else { Ok(()) }
}

/// A change of nothing.
fn nothing(peer: ConversationId) -> RoomSet {
    let (force, timeout) = (false, None);
    RoomSet { peer, name: None, topic: None, policy: None, alias: None, notify: None, nick: None, force, timeout }
}

fn change(shell: &Shell<'_>, connection: &Connection, set: SetRoom) -> Done {
    let peer = find(connection, &set.room)?;
    let policy = PolicyParts { joins: set.joins.map(joining), history: set.last, keep_days: set.keep_days };
    let rules = policy.joins.is_some() || policy.history.is_some() || policy.keep_days.is_some();
    let notify = set.notify.map(|notify| match notify {
        Notified::All => GivenNotify::All,
        Notified::Mentions => GivenNotify::Mentions,
        Notified::None => GivenNotify::None,
    });
    let wanted = RoomSet {
        name: set.name,
        policy: rules.then_some(policy),
        alias: set.alias,
        notify,
        nick: set.nick,
        force: set.now.force,
        timeout: Some(set.now.wait),
        ..nothing(peer)
    };
    shell.answer_quietly(&connection.call(&wanted)?.room)
}

/// Who asks to become a member of a room: by the whole onion, or its beginning.
fn asking(connection: &Connection, room: &str, who: &str) -> Done<(ConversationId, Onion)> {
    let peer = find(connection, room)?;
    let petitions = connection.call(&RoomPetitions { peer: Some(peer) })?.petitions;
    let known: Vec<_> = petitions
        .iter()
        .map(|petition| Known { peer: petition.onion, name: None, standing: Standing::Asking })
        .collect();
    let found = resolve(who, Purpose::Request, &known).map_err(|error| {
        let mut failure = Failure::from(error);
        failure.hint = Some("`torchat room petitions` lists who asks".to_owned());
        failure
    })?;
    Ok((peer, found))
}

impl Shell<'_> {
    fn done_about(&self, peer: ConversationId, onion: Onion) -> Done {
        if self.form.json { self.answer(&json!({ "peer": peer, "onion": onion }), "") } else { Ok(()) }
    }

    /// The record for programs; silence for people.
    fn answer_quietly(&self, record: &impl serde::Serialize) -> Done {
        if self.form.json { self.answer(record, "") } else { Ok(()) }
    }
}
