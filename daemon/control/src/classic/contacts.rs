//! The commands that say who may write to us: `id` = peer, `msg` = argument.

use super::commands::{date, peer, refused};
use serde_json::{Value, json};
use torchat_core::input::ContactChange;
use torchat_core::snapshot::Intro;
use torchat_core::view::ContactView;
use torchat_engine::handle::Handle;
use torchat_protocol::control::{Reply, Request};
use torchat_protocol::id::PeerId;
use torchat_protocol::invite::Invite;
use torchat_protocol::limits;
use torchat_protocol::nick::Nick;

/// How long an invite is good when no number is given, in hours.
pub(super) const INVITE_DEFAULT_H: u32 = 7 * 24;
/// How long an invite is good at most, in hours.
pub(super) const INVITE_MAX_H: u32 = 90 * 24;

fn end(request: &Request) -> Reply {
    Reply::new("END", &request.id, "", request.portno)
}

fn bad_value(request: &Request, text: impl Into<String>) -> Reply {
    Reply::error("bad-value", &request.id, text.into(), request.portno)
}

async fn change(handle: &Handle, request: &Request, whom: PeerId, change: ContactChange) -> Result<Reply, Reply> {
    handle.change(whom, change).await.map_err(|refusal| refused(request, &refusal))?;
    Ok(end(request))
}

/// ACCEPT, REFUSE, BLOCK, UNBLOCK, REMOVE: nothing but a peer.
pub(super) async fn simple(handle: &Handle, request: &Request, how: ContactChange) -> Result<Reply, Reply> {
    let whom = peer(request, &request.id)?;
    change(handle, request, whom, how).await
}

/// `id` = an onion or an invite, `msg` = a few words for whoever decides.
pub(super) async fn add(handle: &Handle, request: &Request) -> Result<Reply, Reply> {
    if request.msg.len() > limits::REQUEST_TEXT_BYTES {
        let most = limits::REQUEST_TEXT_BYTES;
        return Err(bad_value(
            request,
            format!("a request has at most {most} bytes, this one has {}", request.msg.len()),
        ));
    }
    let (whom, invite) = if Invite::is_meant(&request.id) {
        let invite: Invite = request.id.parse().map_err(|error| bad_value(request, format!("no invite: {error}")))?;
        (invite.peer, Some(invite.secret))
    } else {
        (peer(request, &request.id)?, None)
    };
    change(handle, request, whom, ContactChange::Add(Intro { text: request.msg.clone(), invite })).await
}

/// `msg` = the name, or nothing to take it away.
pub(super) async fn rename(handle: &Handle, request: &Request) -> Result<Reply, Reply> {
    let whom = peer(request, &request.id)?;
    let name = match request.msg.as_str() {
        "" => None,
        name => Some(Nick::typed(name).map_err(|error| bad_value(request, format!("no name: {error}")))?),
    };
    change(handle, request, whom, ContactChange::Rename(name.map(|name| name.as_str().to_owned()))).await
}

pub(super) async fn appear(handle: &Handle, request: &Request) -> Result<Reply, Reply> {
    let whom = peer(request, &request.id)?;
    let hidden = match request.msg.as_str() {
        "offline" => true,
        "online" => false,
        _ => return Err(bad_value(request, "\"msg\" must be \"offline\" or \"online\"")),
    };
    change(handle, request, whom, ContactChange::Appear { hidden }).await
}

/// `msg` = hours.
pub(super) async fn invite(handle: &Handle, request: &Request) -> Result<Reply, Reply> {
    let hours = match request.msg.trim() {
        "" => Some(INVITE_DEFAULT_H),
        hours => hours.parse().ok().filter(|hours| (1..=INVITE_MAX_H).contains(hours)),
    };
    let hours = hours.ok_or_else(|| bad_value(request, format!("\"msg\" must be hours, 1 to {INVITE_MAX_H}")))?;
    let invite = handle.invite(i64::from(hours) * 3_600_000).await.map_err(|refusal| refused(request, &refusal))?;
    Ok(Reply::new("INVITE", &request.id, invite.to_string(), request.portno))
}

pub(super) fn requests(handle: &Handle, request: &Request) -> Reply {
    let requests = handle.requests();
    // Names and words of strangers stand in the list only: a line of text could be broken by them.
    let text: String =
        requests.iter().map(|r| format!("{} asked at {}\n", r.peer.onion(), date(r.request.at_ms))).collect();
    let list: Vec<_> = requests
        .iter()
        .map(|r| {
            json!({
                "date": date(r.request.at_ms),
                "id": r.peer.onion(),
                "msg": r.request.text,
                "nick": r.request.nick,
            })
        })
        .collect();
    Reply::new("REQUESTS", &request.id, text, request.portno).with("requests", Value::from(list))
}

pub(super) fn contacts(handle: &Handle, request: &Request) -> Reply {
    let contacts = handle.contacts();
    let text: String = contacts.iter().map(|c| format!("{} {}\n", c.peer.onion(), presence(c))).collect();
    let list: Vec<_> = contacts
        .iter()
        .map(|c| {
            json!({
                "appear": if c.hidden { "offline" } else { "online" },
                "heard_s": c.heard_ms_ago.map(|ms| ms / 1000),
                "id": c.peer.onion(),
                "link": c.linked,
                "name": c.petname,
                "nick": c.nick,
                "presence": presence(c),
                "queued": c.queued,
                "state": state(c),
            })
        })
        .collect();
    Reply::new("CONTACTS", &request.id, text, request.portno).with("contacts", Value::from(list))
}

fn state(contact: &ContactView) -> &'static str {
    match (contact.blocked, contact.waiting) {
        (true, _) => "blocked",
        (false, true) => "waiting",
        (false, false) => "contact",
    }
}

/// A fact with an age, never a guess: nobody is called online.
fn presence(contact: &ContactView) -> String {
    if contact.blocked {
        return "blocked".to_owned();
    }
    let Some(ms) = contact.heard_ms_ago else { return "never heard of".to_owned() };
    let seconds = ms / 1000;
    let age = match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    };
    let link = if contact.linked { "linked, " } else { "" };
    format!("{link}last heard {age} ago")
}
