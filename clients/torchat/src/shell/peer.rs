//! What users write for a peer: an onion, a name of theirs, or the beginning of a contact's onion. The rule is
//! `torchat_client::names`; here is what it is asked about.

use super::failure::{Done, Failure};
use super::{Shell, needs};
use crate::arguments::Completed;
use torchat_client::api::command::Requests;
use torchat_client::api::record::{Contact, ContactState, Conversation};
use torchat_client::api::{Connection, ConversationId, Onion, rows};
use torchat_client::names::{Known, NameError, Purpose, Standing, is_beginning, is_room_word, onion, resolve, whole};
use torchat_client::show::shown_name;

/// Finds the one peer that a word means.
///
/// # Errors
/// Bad input, with a list of those that it may mean.
pub(crate) fn find(connection: &Connection, word: &str, purpose: Purpose) -> Done<Onion> {
    if let Some(peer) = onion(word)? {
        return Ok(peer);
    }
    needs(connection, "CONTACTS", "name the peer by the full onion: names are looked up with the right `read`")?;
    let known = match purpose {
        Purpose::Request => requests(connection)?,
        Purpose::Act | Purpose::Read | Purpose::Unblock => contacts(connection)?,
    };
    match resolve(word, purpose, &known) {
        // Not looked at first, because that takes longer: they are found, or named as those that are not.
        Err(NameError::Nobody { .. }) if is_beginning(word) && purpose != Purpose::Request => {
            let mut known = known;
            known.extend(former(connection)?);
            known.extend(requests(connection)?);
            Ok(resolve(word, purpose, &known)?)
        }
        found => Ok(found?),
    }
}

/// Finds the one conversation that a word means: its whole id, a room's name behind a `#`, or what means the peer whose it is.
///
/// # Errors
/// As [`find`].
pub(crate) fn find_conversation(connection: &Connection, word: &str, purpose: Purpose) -> Done<ConversationId> {
    match whole(word)? {
        Some(id) => Ok(id),
        None if is_room_word(word) => super::room::find(connection, word),
        None => Ok(find(connection, word, purpose)?.conversation()),
    }
}

/// As [`find_conversation`], for several.
pub(crate) fn find_conversations(
    connection: &Connection,
    words: &[String],
    purpose: Purpose,
) -> Done<Option<Vec<ConversationId>>> {
    let found = words.iter().map(|word| find_conversation(connection, word, purpose)).collect::<Done<Vec<_>>>()?;
    Ok((!found.is_empty()).then_some(found))
}

fn contacts(connection: &Connection) -> Done<Vec<Known>> {
    let known = |row: Contact| Known { peer: row.peer, name: row.name, standing: standing(row.state) };
    Ok(connection.contact_pages().flat_map(rows).map(|row| row.map(known)).collect::<Result<_, _>>()?)
}

fn requests(connection: &Connection) -> Done<Vec<Known>> {
    let rows = connection.call(&Requests {})?.requests;
    Ok(rows.into_iter().map(|row| Known { peer: row.peer, name: None, standing: Standing::Asking }).collect())
}

fn former(connection: &Connection) -> Done<Vec<Known>> {
    let known = |row: Conversation| Known { peer: row.contact.peer, name: None, standing: Standing::Former };
    Ok(connection.conversation_pages().flat_map(rows).map(|row| row.map(known)).collect::<Result<_, _>>()?)
}

/// Prints the words that a shell completes a PEER with, one a line. Without a daemon there are none, which is no error: nobody
/// wants to read one in the middle of a command line.
pub(crate) fn complete(shell: &Shell<'_>, who: Completed) -> Done {
    let Ok(connection) = shell.place.connect_running() else { return Ok(()) };
    let known = match who {
        Completed::Asking => requests(&connection),
        Completed::Room => Ok(Vec::new()),
        Completed::Contact | Completed::Peer | Completed::Blocked => contacts(&connection),
    };
    let mut out = shell.out();
    if matches!(who, Completed::Room | Completed::Peer) {
        for word in super::room::words(&connection) {
            out.line(&word)?;
        }
    }
    for row in known.unwrap_or_default() {
        if who != Completed::Blocked || row.standing == Standing::Blocked {
            // What is written out on a screen cannot be typed.
            let typed = row.name.filter(|name| !name.is_empty() && shown_name(name, usize::MAX) == *name);
            out.line(&typed.unwrap_or_else(|| row.peer.0.onion()))?;
        }
    }
    out.flush()
}

/// What a row of the contacts is.
pub(crate) fn standing(state: ContactState) -> Standing {
    match state {
        ContactState::Waiting | ContactState::Contact => Standing::Contact,
        ContactState::Blocked => Standing::Blocked,
        // One that a later daemon may have: nothing is sent to it by a name.
        ContactState::Stranger | ContactState::Room | ContactState::Unknown => Standing::Former,
    }
}

impl From<NameError> for Failure {
    fn from(error: NameError) -> Self {
        let mut failure = Self::input(error.to_string());
        failure.hint = match &error {
            NameError::Nobody { purpose: Purpose::Request, .. } => Some("`torchat contacts requests` lists who asks"),
            NameError::Nobody { others, near, .. } if others.is_empty() && near.is_empty() => {
                Some("`torchat contacts` lists them")
            }
            NameError::Nobody { .. } | NameError::NoOnion { .. } | NameError::Several { .. } => None,
        }
        .map(str::to_owned);
        failure
    }
}
