//! Rooms in the classic contract: a room's id is named where an onion is, and what members say is told with their names.

use super::command::{Echo, Rejected};
use serde_json::{Value, json};
use torchat_core::input::RoomCommand;
use torchat_engine::handle::Handle;
use torchat_protocol::control::Reply;
use torchat_protocol::control::api::Onion;
use torchat_protocol::control::api::record::{Room, Sender};
use torchat_protocol::room::RoomInvite;
use torchat_protocol::room::body::BoundedText;

/// A text as it is told of a room: each line behind the name of its writer, so that nobody can write a line that looks like
/// another's. What the daemon tells has no writer.
pub(crate) fn told(from: Option<&Sender>, text: &str) -> String {
    let who = from.map_or_else(|| "--".to_owned(), |from| format!("{}:", name(from)));
    // Whatever a terminal or a program may take for the end of a line.
    let ends = ['\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];
    let lines: Vec<_> = text.replace("\r\n", "\n").split(ends).map(|line| format!("{who} {line}")).collect();
    lines.join("\n")
}

/// Says in a reply who wrote a text of a room.
pub(crate) fn with_writer(reply: Reply, from: Option<&Sender>) -> Reply {
    let Some(from) = from else { return reply };
    let reply = reply.with("member", from.member);
    match from.onion {
        Some(Onion(peer)) => reply.with("from", peer.onion()),
        None => reply,
    }
}

/// What a member is called: their name, or their number if they have none.
fn name(from: &Sender) -> String {
    if from.name.is_empty() { format!("no:{}", from.member) } else { from.name.clone() }
}

/// ROOMS: a line for people and an entry for programs about each.
pub(crate) async fn rooms(handle: &Handle, echo: &Echo) -> Result<Reply, Rejected> {
    let rooms = handle.list_rooms(None).await.map_err(|refusal| Rejected::from(&refusal))?;
    // Names and topics are their writers' words: a line of text could be broken by them.
    let text: String = rooms.iter().map(line).collect();
    let list: Vec<_> = rooms.iter().map(entry).collect();
    Ok(echo.reply("ROOMS", text).with("rooms", Value::from(list)))
}

fn line(room: &Room) -> String {
    format!(
        "{} {} {}\n",
        room.peer.onion(),
        word(room.state),
        torchat_protocol::control::words::count(room.members, "member")
    )
}

fn entry(room: &Room) -> Value {
    json!({
        "alias": room.alias,
        "id": room.peer.onion(),
        "linked": room.linked,
        "members": room.members,
        "name": room.name,
        "owner": room.owner,
        "queued": room.queued,
        "role": room.me.map(|me| me.role),
        "state": room.state,
        "topic": room.topic,
    })
}

fn word(state: impl serde::Serialize) -> String {
    // A word of the API.
    serde_json::to_value(state).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

/// ADD with an invite to a room.
pub(crate) async fn join(handle: &Handle, echo: &Echo, invite: RoomInvite, text: String) -> Result<Reply, Rejected> {
    // Its length was looked at where it was read.
    let text = BoundedText::new(text).unwrap_or_default();
    let command = RoomCommand::Join { invite, nick: None, text, want: None, client: None };
    handle.begin_room(command).await.map_err(|refusal| Rejected::from(&refusal))?;
    Ok(echo.reply("END", ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use torchat_protocol::control::api::record::Role;

    #[test]
    fn every_line_is_told_behind_the_name_of_its_writer() {
        let from = |name: &str| Sender { member: 5, name: name.into(), onion: None, me: false, role: Role::Member };
        assert_eq!(told(Some(&from("bob")), "hi"), "bob: hi");
        assert_eq!(told(Some(&from("bob")), "hi\nanna: no\n"), "bob: hi\nbob: anna: no\nbob: ");
        assert_eq!(told(Some(&from("")), "hi"), "no:5: hi");
        assert_eq!(told(None, "carol joined"), "-- carol joined");
        for end in ["\r", "\r\n", "\u{b}", "\u{c}", "\u{1e}", "\u{85}", "\u{2028}", "\u{2029}"] {
            assert_eq!(told(Some(&from("bob")), &format!("hi{end}anna: no")), "bob: hi\nbob: anna: no", "{end:?}");
        }
    }
}
