//! `torchat contacts verify`: the words that both sides must see, and the mark.

use super::failure::{Done, Failure, note, warn};
use super::input;
use super::{Shell, contacts};
use serde_json::json;
use torchat_client::api::command::{Contacts, Host, Verify};
use torchat_client::api::{ApiClientError, Call as _, Connection, Onion};
use torchat_client::compare::{is_same, words};
use torchat_client::names::Purpose;

/// Words on a line.
const ON_A_LINE: usize = 6;

/// What is wanted of `contacts verify`.
pub(super) struct Wanted {
    /// The contact, as it was written.
    pub(super) peer: String,
    /// Set the mark.
    pub(super) yes: bool,
    /// What is to be the same words; `-`: on standard input.
    pub(super) words: Option<String>,
    /// Take the mark away.
    pub(super) undo: bool,
}

pub(super) fn run(shell: &Shell<'_>, connection: &Connection, wanted: &Wanted) -> Done {
    let peer = shell.peer(connection, &wanted.peer, Purpose::Act)?;
    if let Some(heard) = &wanted.words {
        let heard = if heard == "-" { input::whole(std::io::stdin().lock())? } else { heard.clone() };
        let own = connection.call(&Host {})?.onion;
        if !is_same(&words(&own.0, &peer.0), &heard) {
            let mut failure = Failure::input(format!("these are not the words of you and {}", peer.0.onion()));
            failure.hint = Some("if they were heard right, one of you has somebody else's onion".to_owned());
            return Err(failure);
        }
    }
    if wanted.yes || wanted.undo {
        connection.call(&Verify { peer, verified: wanted.yes })?;
        let record = json!({ "peer": peer, "verified": wanted.yes });
        return if shell.form.json { shell.answer(&record, "") } else { Ok(()) };
    }
    if wanted.words.is_some() {
        return shell.answer(&json!({ "peer": peer, "same": true }), "the words are the same");
    }
    let own = connection.call(&Host {})?.onion;
    let words = words(&own.0, &peer.0);
    if shell.form.json {
        return shell.answer(&json!({ "peer": peer, "words": words }), "");
    }
    let mut out = shell.out();
    for line in words.chunks(ON_A_LINE) {
        out.line(&line.join(" "))?;
    }
    out.flush()?;
    note(
        shell.form.json,
        "the same words at both ends, compared by voice or face to face: `torchat contacts verify PEER --yes`",
    );
    Ok(())
}

/// Whether a contact is verified. False for a connection that may not read the contacts.
///
/// # Errors
/// When the contacts cannot be asked for.
pub(super) fn is_verified(connection: &Connection, peer: Onion) -> Result<bool, ApiClientError> {
    if !super::may(connection, Contacts::NAME) {
        return Ok(false);
    }
    Ok(contacts::find(connection, peer)?.is_some_and(|contact| contact.verified.is_some()))
}

/// Says that a contact who was verified is no longer one, so that their mark is gone, too: nothing brings it back.
pub(super) fn lost(json: bool) {
    warn(json, "verified-lost", "this contact was verified, and is not any more");
}
