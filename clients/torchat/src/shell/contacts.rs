//! `torchat contacts`: who is one, and who decides to be one.

use super::Shell;
use super::failure::{Done, Failure};
use super::format::{self, NAME_COLUMNS, age};
use crate::arguments::{Appearance, ContactAction};
use serde_json::json;
use torchat_client::api::command::{
    Accept, Add, Appear, Block, Contacts, Invite, Nothing, Refuse, Remove, Rename, Requests, Unblock,
};
use torchat_client::api::record::{Contact, ContactState};
use torchat_client::api::{ApiClientError, Connection, Onion};
use torchat_client::show::shown_name;

pub(super) fn run(shell: &Shell<'_>, action: Option<ContactAction>) -> Done {
    let connection = shell.connect()?;
    let one = |word: &str, decide: &dyn Fn(&Connection, Onion) -> Result<Nothing, ApiClientError>| -> Done {
        let peer = shell.peer(&connection, word)?;
        decide(&connection, peer)?;
        // Silence is success for people; programs want to know whom it hit.
        if shell.form.json { shell.answer(&json!({ "peer": peer }), "") } else { Ok(()) }
    };
    match action.unwrap_or(ContactAction::List) {
        ContactAction::List => list(shell, &connection),
        ContactAction::Requests => requests(shell, &connection),
        ContactAction::Add { peer, words } => add(shell, &connection, peer, words),
        ContactAction::Accept { peer } => one(&peer, &|connection, peer| connection.call(&Accept { peer })),
        ContactAction::Refuse { peer } => one(&peer, &|connection, peer| connection.call(&Refuse { peer })),
        ContactAction::Block { peer } => one(&peer, &|connection, peer| connection.call(&Block { peer })),
        ContactAction::Unblock { peer } => one(&peer, &|connection, peer| connection.call(&Unblock { peer })),
        ContactAction::Remove { peer } => one(&peer, &|connection, peer| connection.call(&Remove { peer })),
        ContactAction::Rename { peer, name } => {
            one(&peer, &|connection, peer| connection.call(&Rename { peer, name: name.clone() }))
        }
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

/// An invite or an onion is given as it is; anything else is looked up as a PEER, so that one who was removed can come back.
fn add(shell: &Shell<'_>, connection: &Connection, peer: String, words: String) -> Done {
    let peer = if peer.starts_with("torchat:") { peer } else { shell.peer(connection, &peer)?.0.onion() };
    match connection.call(&Add { peer, text: words }) {
        Ok(answer) => shell.answer(&answer, &answer.peer.0.onion()),
        Err(ApiClientError::Refused(error)) if error.code == "bad-request" => Err(Failure::input(error.message)),
        Err(error) => Err(error.into()),
    }
}

fn list(shell: &Shell<'_>, connection: &Connection) -> Done {
    let mut out = shell.out();
    for contact in &connection.call(&Contacts {})?.contacts {
        if out.is_json() {
            out.record(contact)?;
        } else {
            out.line(&row(contact))?;
        }
    }
    out.flush()
}

fn row(contact: &Contact) -> String {
    let state = match contact.state {
        ContactState::Stranger => "stranger",
        ContactState::Waiting => "has not accepted you yet",
        ContactState::Contact => "contact",
        ContactState::Blocked => "blocked",
        ContactState::Unknown => "in a state that this client does not know",
    };
    let seen = match (contact.link, contact.heard_s) {
        (true, _) => "linked now".to_owned(),
        (false, Some(seconds)) => format!("heard {} ago", age(seconds)),
        (false, None) => "never heard".to_owned(),
    };
    let mut line = format!("{}  {state}, {seen}", contact.peer.0.onion());
    if let Some(name) = contact.name.as_deref().filter(|name| !name.is_empty()) {
        line.push_str(&format!(", name: {}", shown_name(name, NAME_COLUMNS)));
    }
    if let Some(nick) = contact.nick.as_deref().filter(|nick| !nick.is_empty()) {
        line.push_str(&format!(", calls itself: {}", shown_name(nick, NAME_COLUMNS)));
    }
    if contact.hidden {
        line.push_str(", sees you only when there is mail");
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
        let (nick, words) = (shown_name(&request.nick, NAME_COLUMNS), out.one_line(&request.text));
        let nick = if nick.is_empty() { nick } else { format!(" calls itself {nick},") };
        let words = if words.is_empty() { " says nothing".to_owned() } else { format!(" says: {words}") };
        out.line(&format!("{time} ? {onion}{nick}{words}"))?;
    }
    out.flush()
}
