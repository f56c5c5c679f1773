//! What a member says: `room say`, `edit`, `redact`, `react`.

use super::{find, member};
use crate::arguments::Say;
use crate::refusal::{EDITS, REDACTS};
use crate::shell::failure::{Done, Failure};
use crate::shell::input::NoText;
use crate::shell::{Shell, read, send};
use serde_json::json;
use torchat_client::api::command::{Edit, History, React, Redact, Send, Wait};
use torchat_client::api::record::{Direction, Message, MessageState};
use torchat_client::api::{Connection, ConversationId, client_id};
use torchat_protocol::room::limits::TEXT_BYTES;

/// How many messages are looked through for the last one that is meant.
const LOOKED_THROUGH: u64 = 1_000;

pub(super) fn say(shell: &Shell<'_>, said: &Say) -> Done {
    let text = text(shell, said.text.as_deref())?;
    let connection = shell.connect()?;
    let peer = find(&connection, &said.room)?;
    let answered = said.re.as_deref().map(|word| message(&connection, peer, word, Meant::Any)).transpose()?;
    let to = said.to.iter().map(|word| member(&connection, peer, word)).collect::<Done<Vec<_>>>()?;
    let wait = said.wait.map(|_| Wait::Delivered);
    // Our own key, if the user has none: then it can be repeated when the daemon leaves in the middle.
    let key = said.id.clone().map_or_else(client_id, Ok)?;
    let send = Send {
        peer,
        text,
        client_id: Some(key),
        wait,
        timeout: wait.map(|_| said.timeout),
        expire: said.expire,
        re: answered.map(|message| message.id),
        to,
    };
    let manner = send::Manner { who: "another member", keyed: said.id.is_some(), quiet: said.quiet };
    send::accepted(shell, connection, &send, &manner)
}

/// The text of the command line or of standard input, if it can be said in a room.
fn text(shell: &Shell<'_>, given: Option<&str>) -> Done<String> {
    let text = send::text(shell.form.json, given)?;
    if text.len() > TEXT_BYTES { Err(NoText::beyond("the text", TEXT_BYTES)) } else { Ok(text) }
}

pub(super) fn edit(shell: &Shell<'_>, room: &str, word: &str, given: Option<&str>) -> Done {
    let text = text(shell, given)?;
    let connection = shell.connect()?;
    let peer = find(&connection, room)?;
    let id = number(&connection, peer, word, Meant::Own)?;
    connection.call(&Edit { peer, id, text }).map_err(|error| Failure::of_roles(EDITS, error))?;
    done_with(shell, peer, id)
}

pub(super) fn redact(shell: &Shell<'_>, room: &str, word: &str, why: Option<String>) -> Done {
    let connection = shell.connect()?;
    let peer = find(&connection, room)?;
    let id = number(&connection, peer, word, Meant::Own)?;
    connection.call(&Redact { peer, id, why }).map_err(|error| Failure::of_roles(REDACTS, error))?;
    done_with(shell, peer, id)
}

pub(super) fn react(shell: &Shell<'_>, room: &str, word: &str, sign: String) -> Done {
    let connection = shell.connect()?;
    let peer = find(&connection, room)?;
    let id = number(&connection, peer, word, Meant::Any)?;
    connection.call(&React { peer, id, sign })?;
    done_with(shell, peer, id)
}

fn done_with(shell: &Shell<'_>, peer: ConversationId, id: i64) -> Done {
    if shell.form.json { shell.answer(&json!({ "peer": peer, "id": id }), "") } else { Ok(()) }
}

/// Which message `last` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meant {
    /// The last one of ours.
    Own,
    /// The last one that anybody said.
    Any,
}

impl Meant {
    fn fits(self, message: &Message) -> bool {
        let said = message.from.as_ref().is_some_and(|from| self == Self::Any || from.me);
        said && message.dir != Direction::Mark && message.state != MessageState::Redacted
    }
}

/// The number of the message that a word means.
fn number(connection: &Connection, peer: ConversationId, word: &str, meant: Meant) -> Done<i64> {
    match word.parse() {
        Ok(id) => Ok(id),
        Err(_) => Ok(message(connection, peer, word, meant)?.id),
    }
}

/// The message that a word means: its number, or `last`.
fn message(connection: &Connection, peer: ConversationId, word: &str, meant: Meant) -> Done<Message> {
    let none = |message: &str| Err(Failure::input(message));
    if word == "last" {
        let messages = read::backward(connection, peer, None, LOOKED_THROUGH)?;
        let last = messages.into_iter().rev().find(|message| meant.fits(message));
        return match (last, meant) {
            (Some(message), _) => Ok(message),
            (None, Meant::Own) => none("you have said nothing in this room that is here"),
            (None, Meant::Any) => none("nobody has said anything in this room that is here"),
        };
    }
    let Ok(id) = word.parse::<i64>() else {
        return none("a message is named by its number, which `torchat room tail --numbers` prints, or by `last`");
    };
    let page = History { peer, before: Some(id.saturating_add(1)), after: None, limit: Some(1), hidden: true };
    let found = connection.call(&page)?.messages.pop().filter(|message| message.id == id);
    found.map_or_else(|| none("there is no message with this number in this room"), Ok)
}
