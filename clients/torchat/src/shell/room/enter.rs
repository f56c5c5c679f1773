//! To be in a room: `room new`, `invite`, `uninvite`, `join`, `leave`.

use super::{find, list};
use crate::arguments::exit::Exit;
use crate::arguments::{JoinRoom, Joining, MemberRole, NewRoom, RoomInvite as Invited};
use crate::membership;
use crate::shell::failure::{Done, Failure, note, progress};
use crate::shell::{Shell, input};
use std::io::IsTerminal as _;
use std::path::Path;
use std::time::{Duration, Instant};
use torchat_client::api::command::GivenRole;
use torchat_client::api::command::{
    Events, OneRoom, PolicyParts, RoomInvite, RoomJoin, RoomLeave, RoomNew, RoomUninvite,
};
use torchat_client::api::event::{Filter, Kind, What};
use torchat_client::api::record::{Room, RoomState};
use torchat_client::api::{ApiClientError, Code, Connection, ConversationId, client_id};
use torchat_protocol::room::RoomInvite as Invite;

/// How long one question waits for news, in seconds: so that a daemon that leaves is noticed.
const NEWS_S: u32 = 60;
/// What the daemon may take beyond the time that it waits.
const BEYOND: Duration = Duration::from_secs(30);

pub(super) fn make(shell: &Shell<'_>, new: NewRoom) -> Done {
    let connection = shell.connect()?;
    let policy = PolicyParts { joins: new.joins.map(joining), history: new.last, keep_days: new.keep_days };
    let client_id = new.id.map_or_else(client_id, Ok)?;
    let wanted = RoomNew { name: new.name, topic: new.topic, policy, nick: new.nick, client_id: Some(client_id) };
    let answer = connection.call(&wanted)?;
    shell.answer(&answer.room, &format!("{}  {}", list::shown(&answer.room), answer.room.peer.onion()))
}

pub(super) fn joining(joins: Joining) -> GivenRole {
    match joins {
        Joining::Member => GivenRole::Member,
        Joining::Reader => GivenRole::Reader,
    }
}

pub(super) fn given(role: MemberRole) -> GivenRole {
    match role {
        MemberRole::Moderator => GivenRole::Moderator,
        MemberRole::Member => GivenRole::Member,
        MemberRole::Reader => GivenRole::Reader,
    }
}

pub(super) fn invite(shell: &Shell<'_>, wanted: Invited) -> Done {
    let connection = shell.connect()?;
    let peer = find(&connection, &wanted.room)?;
    let whom = wanted.peer.as_deref().map(|word| shell.somebody(&connection, word)).transpose()?;
    let answer = connection.call(&RoomInvite {
        peer,
        role: wanted.role.map(given),
        uses: Some(wanted.uses),
        hours: Some(wanted.hours),
        whom,
        send: wanted.send,
        note: wanted.note,
    })?;
    // What was sent is in their conversation; nobody needs it a second time.
    if wanted.send && !shell.form.json { Ok(()) } else { shell.answer(&answer, &answer.invite) }
}

pub(super) fn uninvite(shell: &Shell<'_>, room: &str, invite: &str) -> Done {
    let bad = || Failure::input("an invite is named as `torchat room invites` prints it: 16 hexadecimal digits");
    let id = invite.parse().map_err(|_| bad())?;
    let connection = shell.connect()?;
    let peer = find(&connection, room)?;
    connection.call(&RoomUninvite { peer, id })?;
    shell.done_in(peer)
}

pub(super) fn leave(shell: &Shell<'_>, room: &str, forget: bool) -> Done {
    let connection = shell.connect()?;
    let peer = find(&connection, room)?;
    connection.call(&RoomLeave { peer, forget })?;
    shell.done_in(peer)
}

pub(super) fn join(shell: &Shell<'_>, wanted: JoinRoom) -> Done {
    let (invite, text) = given_invite(
        shell.form.json,
        wanted.invite.as_deref(),
        wanted.words.as_deref(),
        wanted.invite_file.as_deref(),
    )?;
    let parsed: Invite = invite.parse().map_err(|error| Failure::input(format!("{error}")))?;
    let connection = shell.connect()?;
    let (peer, seq) = (parsed.room.conversation(), connection.welcome().seq);
    let ask = RoomJoin { invite, text, want: wanted.last, nick: wanted.nick, client_id: None };
    let room = match connection.call(&ask) {
        Ok(answer) => answer.room,
        // Asked before: what becomes of it is what the user wants to know.
        Err(ApiClientError::Refused(refusal)) if refusal.code == Code::AlreadyJoined => {
            connection.call(&OneRoom { peer })?.room
        }
        Err(error) => return Err(error.into()),
    };
    let room = entered(shell, &connection, room, seq, Duration::from_secs(wanted.wait))?;
    if shell.form.json {
        return shell.answer(&room, "");
    }
    let line = list::joined(&connection, &room)?;
    shell.answer(&room, &line)
}

/// The invite and the words: of the command line, of standard input or of a file.
fn given_invite(json: bool, invite: Option<&str>, words: Option<&str>, file: Option<&Path>) -> Done<(String, String)> {
    let (given, words) = match (file, invite) {
        (Some(file), _) if words.is_some() => {
            return Err(Failure::input(format!("with --invite-file {} give only the words", file.display())));
        }
        (Some(file), words) => {
            let opened = std::fs::File::open(file);
            let opened = opened.map_err(|error| Failure::input(format!("cannot read {}: {error}", file.display())))?;
            (input::whole(opened)?, words)
        }
        (None, Some("-")) if input::literal(std::env::args_os()) <= usize::from(words.is_some()) => {
            if std::io::stdin().is_terminal() {
                note(json, "paste the invite, then Ctrl-D on a new line:");
            }
            (input::whole(std::io::stdin().lock())?, words)
        }
        (None, invite) => return Ok((invite.unwrap_or_default().to_owned(), words.unwrap_or_default().to_owned())),
    };
    let (invite, rest) = given.trim_start().split_once('\n').unwrap_or((given.trim_start(), ""));
    Ok((invite.trim().to_owned(), words.unwrap_or(rest.trim()).to_owned()))
}

/// The room when we are a member of it.
///
/// # Errors
/// Not delivered, if we are none in this time; refused, if we shall not be one.
fn entered(shell: &Shell<'_>, connection: &Connection, room: Room, seq: u64, wait: Duration) -> Done<Room> {
    let (peer, deadline) = (room.peer, Instant::now() + wait);
    let (mut room, mut after, mut told) = (room, seq, false);
    loop {
        match room.state {
            RoomState::Member => return Ok(room),
            RoomState::Joining => {}
            other => return Err(shut_out(other)),
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(pending());
        }
        if !std::mem::replace(&mut told, true) {
            let words =
                format!("waiting to be let in, at most {} s (Ctrl-C: the daemon goes on asking)", wait.as_secs());
            progress(shell.form.json, &words);
        }
        let (seen, last) = news(connection, peer, after, left)?;
        after = last;
        if let Some(seen) = seen {
            room = seen;
        }
    }
}

/// The room as its last event after a place has it, and the place behind.
fn news(connection: &Connection, peer: ConversationId, after: u64, left: Duration) -> Done<(Option<Room>, u64)> {
    let filter = Filter { kinds: Some(vec![Kind::Room]), peers: Some(vec![peer]) };
    let wait = u32::try_from(left.as_secs()).unwrap_or(NEWS_S).clamp(1, NEWS_S);
    let events = Events { after: Some(after), consumer: None, wait: Some(wait), limit: Some(100), filter };
    let answer = connection.call_within(&events, Duration::from_secs(wait.into()) + BEYOND)?;
    let mut rooms = answer.events.into_iter().filter_map(|event| match event.what {
        What::Room { room } if room.peer == peer => Some(*room),
        _ => None,
    });
    Ok((rooms.next_back(), answer.next))
}

fn pending() -> Failure {
    let mut failure = Failure::silent(Exit::NotDelivered);
    failure.code = Some(Code::NotDelivered);
    failure.message = "you are not let in yet; the daemon goes on asking".to_owned();
    failure.hint = Some("`torchat room` tells how far it is".to_owned());
    failure
}

fn shut_out(state: RoomState) -> Failure {
    let why = membership::state(state).unwrap_or("you are not let in");
    let mut failure = Failure::silent(Exit::Refused);
    failure.code = Some(Code::NotJoined);
    failure.message = why.to_owned();
    failure
}
