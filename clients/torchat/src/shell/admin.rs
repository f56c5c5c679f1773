//! The daemon itself: `host`, `whoami`, `status`, `token`, `exit`, and the completions.

use super::failure::{Done, Failure};
use super::format;
use super::out::{new_file, whole};
use super::{Shell, peer};
use crate::arguments::{Allowed, Shell as ShellName, Token as Action};
use crate::daemon::STOP;
use crate::status;
use std::io::Write as _;
use torchat_client::api::command::{Carrier, Exit, Host, Status, TokenAction, Tokens, Who, WhoAmI, WhoAmIAnswer};
use torchat_client::api::{ConversationId, Right};
use torchat_client::names::Purpose;
use torchat_client::show::shown_line;

pub(super) fn host(shell: &Shell<'_>) -> Done {
    let answer = shell.connect()?.call(&Host {})?;
    shell.answer(&answer, &answer.onion.0.onion())
}

pub(super) fn whoami(shell: &Shell<'_>) -> Done {
    let answer = shell.connect()?.call(&WhoAmI {})?;
    shell.answer(&answer, &taken_as(&answer))
}

/// Who one is for the daemon, in words: a line each for the onion, the connection, and what it may do.
fn taken_as(answer: &WhoAmIAnswer) -> String {
    let who = match answer.who {
        Who::Owner => "the daemon's own user".to_owned(),
        Who::User => answer.uid.map_or_else(|| "another user".to_owned(), |uid| format!("user {uid}")),
        Who::Token => format!("token {}", shown_line(answer.token.as_deref().unwrap_or_default())),
        Who::Unknown => "somebody unknown to this torchat".to_owned(),
    };
    let carrier = match answer.carrier {
        Carrier::Unix => "the Unix socket",
        Carrier::Tcp => "the port",
        Carrier::Unknown => "something that this torchat does not know",
    };
    let rights = answer.rights.iter().map(|right| right_name(*right)).collect::<Vec<_>>().join(", ");
    let peers = answer.peers.as_deref().map(|peers| peers.iter().map(ConversationId::onion).collect::<Vec<_>>());
    let peers = peers.map_or_else(String::new, |peers| format!(", only with {}", peers.join(" and ")));
    format!("onion: {}\nyou are {who}, over {carrier}\nyou may: {rights}{peers}", answer.onion.0.onion())
}

pub(super) fn status(shell: &Shell<'_>, verbose: bool) -> Done {
    let answer = shell.connect()?.call(&Status::default())?;
    let mut out = shell.out();
    if out.is_json() {
        out.record(&answer)?;
        return out.flush();
    }
    for line in status::lines(&answer, verbose, |peer| peer.onion()) {
        out.line(&line)?;
    }
    out.flush()
}

pub(super) fn exit(shell: &Shell<'_>) -> Done {
    // Not `connect`: nobody wants a daemon started to stop it.
    let connection = shell.place.connect_running()?;
    connection.call(&Exit {})?;
    if !shell.place.wait_gone(STOP) {
        return Err(Failure::system("torchatd has not stopped: look into its log"));
    }
    if shell.form.json { shell.answer(&serde_json::json!({ "stopped": true }), "") } else { Ok(()) }
}

pub(super) fn token(shell: &Shell<'_>, action: Action) -> Done {
    let connection = shell.connect()?;
    let empty = Tokens { action: TokenAction::List, name: None, rights: None, peers: None, days: None };
    let mut out = shell.out();
    match action {
        Action::Create { name, rights, peer, days, output } => {
            let rights = rights.into_iter().map(right).collect();
            let peers = peer::find_conversations(&connection, &peer, Purpose::Act)?;
            let made = Tokens { action: TokenAction::Create, name: Some(name), rights: Some(rights), peers, days };
            let Some(path) = output else {
                let token = connection.call(&made)?.token.unwrap_or_default();
                return shell.answer(&serde_json::json!({ "token": token }), &token);
            };
            // The file first: a token is shown once, so there must be a place for it.
            let mut file = new_file(&path)?;
            let written = connection.call(&made).map_err(Failure::from).and_then(|answer| {
                let token = answer.token.unwrap_or_default();
                let written = writeln!(file, "{token}").and_then(|()| file.sync_all());
                written.map_err(|error| Failure::written(&whole(&path), &error))
            });
            if written.is_err() {
                // Made just now, by us, and of no use.
                let _ = std::fs::remove_file(&path);
            }
            written?;
            if out.is_json() {
                out.record(&serde_json::json!({ "file": path.display().to_string() }))?;
            }
        }
        Action::Revoke { name } => {
            connection.call(&Tokens { action: TokenAction::Revoke, name: Some(name.clone()), ..empty })?;
            if out.is_json() {
                out.record(&serde_json::json!({ "revoked": name }))?;
            }
        }
        Action::List => {
            for token in &connection.call(&empty)?.tokens {
                if out.is_json() {
                    out.record(token)?;
                    continue;
                }
                let rights = token.rights.iter().map(|right| right_name(*right)).collect::<Vec<_>>().join(", ");
                let peers = token.peers.as_deref().map(|peers| peers.iter().map(ConversationId::onion));
                let peers = peers.map(|peers| format!(", only with {}", peers.collect::<Vec<_>>().join(" and ")));
                let end = token.expires_at.as_deref().map(|at| format!(", until {}", format::time(at)));
                let made = format::time(&token.created_at);
                let (peers, end) = (peers.unwrap_or_default(), end.unwrap_or_default());
                out.line(&format!("{}  {rights}{peers}, made {made}{end}", shown_line(&token.name)))?;
            }
        }
    }
    out.flush()
}

fn right(allowed: Allowed) -> Right {
    match allowed {
        Allowed::Read => Right::Read,
        Allowed::Send => Right::Send,
        Allowed::Contacts => Right::Contacts,
        Allowed::Rooms => Right::Rooms,
        Allowed::Admin => Right::Admin,
    }
}

pub(super) fn right_name(right: Right) -> &'static str {
    match right {
        Right::Read => "read",
        Right::Send => "send",
        Right::Contacts => "contacts",
        Right::Rooms => "rooms",
        Right::Admin => "admin",
    }
}

/// Made by `cargo xtask dist` from the command line's definition; a test there compares.
pub(super) fn completions(shell: &Shell<'_>, name: ShellName) -> Done {
    let (name, text) = match name {
        ShellName::Bash => ("bash", include_str!("../../completions/torchat.bash")),
        ShellName::Zsh => ("zsh", include_str!("../../completions/_torchat")),
        ShellName::Fish => ("fish", include_str!("../../completions/torchat.fish")),
    };
    shell.answer(&serde_json::json!({ "shell": name, "completions": text }), text.trim_end())
}
