//! `torchat contacts`: who is one, and who decides to be one.

use super::failure::{Done, Failure, note, warn};
use super::format::{self, NAME_COLUMNS, count};
use super::input;
use super::{Shell, erase, may, verify};
use crate::arguments::{Appearance, ContactAction};
use crate::refusal;
use crate::standing;
use crate::times::span;
use serde_json::json;
use std::io::IsTerminal as _;
use std::path::Path;
use torchat_client::api::command::{
    Accept, Add, Appear, Block, Invite, Nothing, Refuse, Remove, Rename, Requests, Unblock,
};
use torchat_client::api::record::Contact;
use torchat_client::api::{ApiClientError, Code, Connection, Onion, rows};
use torchat_client::lookalike::Look;
use torchat_client::names::{Purpose, onion};
use torchat_client::show::{shown_line, shown_name, unmarked_name};

pub(super) fn run(shell: &Shell<'_>, action: Option<ContactAction>) -> Done {
    // First what is to be read: nobody should wait for a daemon to learn that it is not there.
    let wanted = match &action {
        Some(ContactAction::Add { peer, words, invite_file }) => {
            Some(addressed(shell.form.json, peer.as_deref(), words.as_deref(), invite_file.as_deref())?)
        }
        _ => None,
    };
    let connection = shell.connect()?;
    type Decide<'a> = &'a dyn Fn(&Connection, Onion) -> Result<Nothing, ApiClientError>;
    let one_of = |purpose: Purpose, word: &str, decide: Decide<'_>| -> Done {
        let peer = shell.peer(&connection, word, purpose)?;
        decide(&connection, peer)?;
        // Silence is success for people; programs want to know which peer it was.
        if shell.form.json { shell.answer(&json!({ "peer": peer }), "") } else { Ok(()) }
    };
    let one = |word: &str, decide: Decide<'_>| one_of(Purpose::Act, word, decide);
    match action.unwrap_or(ContactAction::List) {
        ContactAction::List => list(shell, &connection),
        ContactAction::Show { peer } => show(shell, &connection, &peer),
        ContactAction::Requests => requests(shell, &connection),
        ContactAction::Add { .. } => {
            let (peer, text) = wanted.unwrap_or_default();
            add(shell, &connection, peer, text)
        }
        ContactAction::Accept { peer } => {
            one_of(Purpose::Request, &peer, &|connection, peer| connection.call(&Accept { peer }))
        }
        ContactAction::Refuse { peer } => {
            one_of(Purpose::Request, &peer, &|connection, peer| connection.call(&Refuse { peer }))
        }
        ContactAction::Block { peer } => {
            one(&peer, &|connection, peer| losing(shell, connection, peer, &|| connection.call(&Block { peer })))
        }
        ContactAction::Unblock { peer } => {
            one_of(Purpose::Unblock, &peer, &|connection, peer| connection.call(&Unblock { peer }))
        }
        ContactAction::Remove { peer } => one(&peer, &|connection, peer| {
            losing(shell, connection, peer, &|| connection.call(&Remove { peer: peer.into() }))
        }),
        ContactAction::Rename { peer, name } => {
            let peer = shell.peer(&connection, &peer, Purpose::Act)?;
            connection.call(&Rename { peer: peer.into(), name: name.clone() })?;
            warn_of_twins(shell, &connection, peer, &name)?;
            if shell.form.json { shell.answer(&json!({ "peer": peer }), "") } else { Ok(()) }
        }
        ContactAction::Verify { peer, yes, words, undo } => {
            verify::run(shell, &connection, &verify::Wanted { peer, yes, words, undo })
        }
        ContactAction::Retain { peer, days } => erase::retain(shell, &connection, &peer, days.0),
        ContactAction::Appear { peer, how } => {
            let hidden = how == Appearance::Offline;
            one(&peer, &|connection, peer| connection.call(&Appear { peer, hidden }))
        }
        ContactAction::Invite { hours } => {
            let answer = connection.call(&Invite { hours })?;
            shell.answer(&answer, &answer.invite)
        }
    }
}

/// Blocks or removes a contact, and then says whether a mark went with them.
fn losing(
    shell: &Shell<'_>,
    connection: &Connection,
    peer: Onion,
    decide: &dyn Fn() -> Result<Nothing, ApiClientError>,
) -> Result<Nothing, ApiClientError> {
    let verified = verify::is_verified(connection, peer)?;
    let done = decide()?;
    if verified {
        verify::lost(shell.form.json);
    }
    Ok(done)
}

/// Says that another contact's name is the same or reads like the new one: `send` may then mean either, and so may the user.
fn warn_of_twins(shell: &Shell<'_>, connection: &Connection, peer: Onion, name: &str) -> Done {
    let look = Look::of(name);
    if name.is_empty() || !may(connection, "CONTACTS") {
        return Ok(());
    }
    for contact in connection.contact_pages().flat_map(rows) {
        let contact = contact?;
        let Some(other) = contact.name.as_deref().filter(|other| !other.is_empty() && contact.peer != peer) else {
            continue;
        };
        let (shown, onion) = (shown_name(other, NAME_COLUMNS), contact.peer.0.onion());
        if other == name {
            let message =
                format!("{onion} has the name \"{shown}\", too: name one of them otherwise, or write the whole onion");
            warn(shell.form.json, "name-taken", &message);
        } else if look.is_like(&Look::of(other)) {
            warn(shell.form.json, "name-alike", &format!("the name reads like \"{shown}\", which is {onion}"));
        }
    }
    Ok(())
}

/// Which peer to add, and what to say to it: of the command line, of standard input or of a file.
fn addressed(json: bool, peer: Option<&str>, words: Option<&str>, file: Option<&Path>) -> Done<(String, String)> {
    let (given, words) = match (file, peer) {
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
                note(json, "type the onion or invite, then Ctrl-D on a new line:");
            }
            (input::whole(std::io::stdin().lock())?, words)
        }
        (None, peer) => return Ok((peer.unwrap_or_default().to_owned(), words.unwrap_or_default().to_owned())),
    };
    let (peer, rest) = given.trim_start().split_once('\n').unwrap_or((given.trim_start(), ""));
    let peer = peer.trim();
    if peer.is_empty() {
        return Err(Failure::input("there is neither an onion nor an invite on its first line"));
    }
    Ok((peer.to_owned(), words.unwrap_or(rest.trim()).to_owned()))
}

/// A stranger becomes a contact only by their whole onion or by their invite. Names and beginnings are for those that are one.
fn add(shell: &Shell<'_>, connection: &Connection, peer: String, words: String) -> Done {
    if torchat_protocol::room::RoomInvite::is_meant(&peer) {
        return Err(Failure::input("this is an invite to a room, and not of a contact: `torchat room join` uses it"));
    }
    if !peer.starts_with("torchat:") && onion(&peer)?.is_none() {
        let shown = shown_line(&peer);
        return Err(match shell.peer(connection, &peer, Purpose::Act) {
            Ok(found) => Failure::input(format!("\"{shown}\" is a contact already: {}", found.0.onion())),
            // It says whose whole onion is to be written, if one begins so.
            Err(failure) if failure.message.contains(".onion") => failure,
            Err(failure) if failure.code == Some(Code::BadInput) => {
                Failure::input(format!("\"{shown}\" is neither an onion nor an invite"))
            }
            Err(failure) => failure,
        });
    }
    match connection.call(&Add { peer, text: words }) {
        Ok(answer) => shell.answer(&answer, &answer.peer.onion()),
        Err(ApiClientError::Refused(error)) if error.code == Code::BadRequest => {
            Err(Failure::input(refusal::message(&error)))
        }
        Err(error) => Err(error.into()),
    }
}

fn list(shell: &Shell<'_>, connection: &Connection) -> Done {
    let mut out = shell.out();
    for contact in connection.contact_pages().flat_map(rows) {
        let contact = contact?;
        if out.is_json() {
            out.record(&contact)?;
        } else {
            out.line(&row(&contact))?;
        }
    }
    out.flush()
}

/// What is known of a peer; `None`: it is no contact. Reads pages until it comes.
///
/// # Errors
/// As [`Connection::call`].
pub(super) fn find(connection: &Connection, peer: Onion) -> Result<Option<Contact>, ApiClientError> {
    let is_it = |row: &Result<Contact, _>| row.as_ref().map_or(true, |contact| contact.peer == peer);
    connection.contact_pages().flat_map(rows).find(is_it).transpose()
}

/// `contacts show`: everything that is known here about one of them, a fact on a line.
fn show(shell: &Shell<'_>, connection: &Connection, word: &str) -> Done {
    let peer = shell.peer(connection, word, Purpose::Act)?;
    let Some(contact) = find(connection, peer)? else {
        return Err(Failure::input(format!("{} is not a contact", peer.0.onion())));
    };
    let mut out = shell.out();
    if out.is_json() {
        out.record(&contact)?;
        return out.flush();
    }
    for line in facts(&contact) {
        out.line(&line)?;
    }
    out.flush()
}

/// The lines of [`show`]. What the contact has chosen says so, and stands behind words of ours.
fn facts(contact: &Contact) -> Vec<String> {
    let mut lines = vec![contact.peer.0.onion(), format!("{}, {}", standing::words(contact.state), seen(contact))];
    lines.push(match contact.verified.as_deref() {
        Some(since) => format!("✓ verified since {}", format::day(since)),
        None => "not verified: `torchat contacts verify PEER` prints the words to compare".to_owned(),
    });
    lines.push(format::named(contact).map_or("no name of yours".to_owned(), |name| format!("name: {name}")));
    lines.extend(nick(contact).map(|nick| format!("they call themselves: {nick}; anyone can choose that name")));
    if contact.hidden {
        lines.push("they see you only when there is mail".to_owned());
    }
    if let Some(days) = contact.retain_days {
        lines.push(format!("messages are erased here when they are older than {}", count(days.into(), "day")));
    }
    lines.push(format!("{} waiting for them", count(contact.queued, "message")));
    lines
}

/// What a contact calls itself, harmless and without the sign that only we put before a name.
fn nick(contact: &Contact) -> Option<String> {
    contact.nick.as_deref().map(|nick| unmarked_name(nick, NAME_COLUMNS)).filter(|nick| !nick.is_empty())
}

fn seen(contact: &Contact) -> String {
    match (contact.link, contact.heard_s) {
        (true, _) => "linked now".to_owned(),
        (false, Some(seconds)) => format!("heard {} ago", span(seconds)),
        (false, None) => "never heard".to_owned(),
    }
}

fn row(contact: &Contact) -> String {
    let mut line = format!("{}  {}, {}", contact.peer.0.onion(), standing::words(contact.state), seen(contact));
    // Before the names, which may say anything.
    if let Some(since) = &contact.verified {
        line.push_str(&format!(", ✓ verified {}", format::day(since)));
    }
    if let Some(name) = format::named(contact) {
        line.push_str(&format!(", name: {name}"));
    }
    if let Some(nick) = nick(contact) {
        line.push_str(&format!(", their own name: {nick}"));
    }
    if contact.hidden {
        line.push_str(", sees you only when there is mail");
    }
    if let Some(days) = contact.retain_days {
        line.push_str(&format!(", messages are erased here after {}", count(u64::from(days), "day")));
    }
    if contact.queued > 0 {
        line.push_str(&format!(", {} queued", contact.queued));
    }
    line
}

fn requests(shell: &Shell<'_>, connection: &Connection) -> Done {
    let mut out = shell.out();
    for request in &connection.call(&Requests {})?.requests {
        if out.is_json() {
            out.record(request)?;
            continue;
        }
        let (time, onion) = (format::time(&request.at), request.peer.0.onion());
        out.line(&format!("{time} ? {onion}{}", format::says_of_themselves(&out, &request.nick, &request.text)))?;
    }
    out.flush()
}
