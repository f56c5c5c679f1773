//! `torchat contacts verify`: the words that both sides must see, and the mark.

use super::Shell;
use super::failure::{Done, note, warn};
use serde_json::json;
use torchat_client::api::command::{Contacts, Host, Verify};
use torchat_client::api::{ApiClientError, Call as _, Connection, Onion, rows};
use torchat_client::compare::words;
use torchat_client::names::Purpose;

/// Words on a line.
const ON_A_LINE: usize = 6;

pub(super) fn run(shell: &Shell<'_>, connection: &Connection, word: &str, yes: bool, undo: bool) -> Done {
    let peer = shell.peer(connection, word, Purpose::Act)?;
    if yes || undo {
        connection.call(&Verify { peer, verified: yes })?;
        return if shell.form.json { shell.answer(&json!({ "peer": peer, "verified": yes }), "") } else { Ok(()) };
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
    if !connection.welcome().commands.iter().any(|name| name == Contacts::NAME) {
        return Ok(false);
    }
    for contact in connection.contact_pages().flat_map(rows) {
        let contact = contact?;
        if contact.peer == peer {
            return Ok(contact.verified.is_some());
        }
    }
    Ok(false)
}

/// Says that a contact who was verified is no longer one, so that their mark is gone, too: nothing brings it back.
pub(super) fn lost(json: bool) {
    warn(json, "verified-lost", "this contact was verified, and is not any more");
}
