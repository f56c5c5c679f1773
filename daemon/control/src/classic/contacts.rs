//! CONTACTS and REQUESTS: a line for people and an entry for programs about each.

use super::command::Echo;
use super::execute::date;
use serde_json::{Value, json};
use torchat_core::view::ContactView;
use torchat_engine::handle::Handle;
use torchat_protocol::control::Reply;

pub(crate) fn requests(handle: &Handle, echo: &Echo) -> Reply {
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
    echo.reply("REQUESTS", text).with("requests", Value::from(list))
}

pub(crate) fn contacts(handle: &Handle, echo: &Echo) -> Reply {
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
    echo.reply("CONTACTS", text).with("contacts", Value::from(list))
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
    let age = torchat_protocol::control::words::span(ms / 1000);
    let link = if contact.linked { "linked, " } else { "" };
    format!("{link}last heard {age} ago")
}
