//! What is stored: `history`, `search`, `peers`, `conversations`, `export`.

use super::Shell;
use super::failure::{Done, note, warn};
use super::format::{self, count};
use super::out::{Out, whole};
use crate::arguments;
use crate::membership::{instead, speaker};
use torchat_client::api::command::{History, Search};
use torchat_client::api::record::{Conversation, Direction, Message};
use torchat_client::api::{Connection, ConversationId, rows};
use torchat_client::names::{Purpose, shown_room};

/// Messages of a page: the daemon's limit.
const PAGE: u32 = 1_000;

pub(super) fn history(shell: &Shell<'_>, wanted: &arguments::History) -> Done {
    let connection = shell.connect()?;
    let peer = shell.conversation(&connection, &wanted.peer, Purpose::Read)?;
    let messages = match wanted.after {
        Some(after) => forward(&connection, peer, after, wanted.count)?,
        None => backward(&connection, peer, wanted.before, wanted.count)?,
    };
    print(shell, &connection, &messages)
}

pub(super) fn search(shell: &Shell<'_>, wanted: &arguments::Search) -> Done {
    let connection = shell.connect()?;
    let peer = wanted.peer.as_deref().map(|word| shell.conversation(&connection, word, Purpose::Read)).transpose()?;
    let (mut before, mut found, mut complete) = (wanted.before, Vec::new(), true);
    loop {
        let left = wanted.count.saturating_sub(found.len() as u64);
        let limit = Some(page(left));
        let answer = connection.call(&Search { text: wanted.words.join(" "), peer, before, limit })?;
        before = answer.messages.last().map(|message| message.id);
        complete &= answer.complete;
        let empty = answer.messages.is_empty();
        found.extend(answer.messages);
        if !answer.more || empty || found.len() as u64 >= wanted.count {
            break;
        }
    }
    print(shell, &connection, &found)?;
    if !complete {
        warn(shell.form.json, "search-incomplete", "not all messages could be searched: torchat doctor says why");
    }
    Ok(())
}

fn print(shell: &Shell<'_>, connection: &Connection, messages: &[Message]) -> Done {
    let names = shell.names(connection)?;
    let mut out = shell.out();
    for message in messages {
        if out.is_json() {
            out.record(message)?;
        } else {
            let line = format::message(&out, &names, message);
            out.line(&line)?;
        }
    }
    out.flush()
}

fn page(left: u64) -> u32 {
    u32::try_from(left).map_or(PAGE, |left| left.min(PAGE))
}

/// A number of messages before one, or the last ones; oldest first.
pub(super) fn backward(
    connection: &Connection,
    peer: ConversationId,
    before: Option<i64>,
    count: u64,
) -> Done<Vec<Message>> {
    let (mut before, mut pages) = (before, Vec::new());
    let mut left = count;
    while left > 0 {
        let answer = connection.call(&History { peer, before, after: None, limit: Some(page(left)), hidden: false })?;
        let Some(first) = answer.messages.first() else { break };
        before = Some(first.id);
        left = left.saturating_sub(answer.messages.len() as u64);
        pages.push(answer.messages);
        if !answer.more {
            break;
        }
    }
    Ok(pages.into_iter().rev().flatten().collect())
}

fn forward(connection: &Connection, peer: ConversationId, after: i64, count: u64) -> Done<Vec<Message>> {
    let (mut after, mut messages) = (after, Vec::new());
    while (messages.len() as u64) < count {
        let left = count - messages.len() as u64;
        let answer = connection.call(&History {
            peer,
            before: None,
            after: Some(after),
            limit: Some(page(left)),
            hidden: false,
        })?;
        let Some(last) = answer.messages.last() else { break };
        after = last.id;
        messages.extend(answer.messages);
        if !answer.more {
            break;
        }
    }
    Ok(messages)
}

pub(super) fn peers(shell: &Shell<'_>) -> Done {
    let connection = shell.connect()?;
    let mut out = shell.out();
    for row in connection.conversation_pages().flat_map(rows) {
        let row = row?;
        if row.unread == 0 {
            continue;
        }
        let id = row.id();
        if out.is_json() {
            let mut record = serde_json::json!({"peer": id, "unread": row.unread});
            if let Some(map) = record.as_object_mut() {
                let name = row.contact.name.as_deref().filter(|name| !name.is_empty());
                map.extend(name.map(|name| ("name".to_owned(), name.into())));
                let verified = row.contact.verified.as_deref();
                map.extend(verified.map(|since| ("verified".to_owned(), since.into())));
            }
            out.record(&record)?;
        } else {
            let (sign, mut name) = (format::sign(&row.contact), format::named(&row.contact).unwrap_or_default());
            if let Some(room) = &row.room {
                name = shown_room(&room.name, room.alias.as_deref(), format::NAME_COLUMNS);
            }
            let name = if sign.is_empty() && name.is_empty() { name } else { format!("\t{sign}{name}") };
            out.line(&format!("{}\t{}{name}", id.onion(), row.unread))?;
        }
    }
    out.flush()
}

pub(super) fn conversations(shell: &Shell<'_>) -> Done {
    let connection = shell.connect()?;
    let mut out = shell.out();
    for row in connection.conversation_pages().flat_map(rows) {
        let row = row?;
        if out.is_json() {
            out.record(&row)?;
        } else {
            let line = glance(&out, &row);
            out.line(&line)?;
        }
    }
    out.flush()
}

fn glance(out: &Out, row: &Conversation) -> String {
    let mut names = format::Names::new([&row.contact]);
    if let Some(room) = &row.room {
        names.room_changed(room);
    }
    let who = names.of(row.id());
    let unread = if row.unread == 0 { String::new() } else { format!("  [{} unread]", row.unread) };
    match &row.last {
        None => format!("{:16}  {who}{unread}", "-"),
        Some(last) => {
            let arrow = if last.dir == Direction::Out { ">" } else { "<" };
            let from = last.from.as_ref().filter(|from| !from.me);
            let from = from.map_or_else(String::new, |from| format!("{}: ", speaker(&from.name, from.member)));
            let text = instead(last).map_or_else(|| out.one_line(&last.text), str::to_owned);
            format!("{}  {who}{unread} {arrow} {from}{text}", format::time(&last.at))
        }
    }
}

pub(super) fn export(shell: &Shell<'_>, wanted: &arguments::Export) -> Done {
    let connection = shell.connect()?;
    let peer = shell.conversation(&connection, &wanted.peer, Purpose::Read)?;
    let mut out = match &wanted.output {
        None => shell.out(),
        Some(path) => Out::to_file(shell.form, path)?,
    };
    let names = shell.names(&connection)?;
    if !out.is_json() {
        let (own, other) = (connection.welcome().onion.0.onion(), peer.onion());
        let sign = if names.is_verified(peer) { ", ✓ verified" } else { "" };
        out.line(&if names.is_room(peer) {
            format!("# the room {} {other}, as {own} (>) has it", names.bare(peer))
        } else {
            format!("# conversation of {own} (>) with {other} (<){sign}")
        })?;
    }
    let (mut after, mut total) = (0, 0);
    loop {
        let answer =
            connection.call(&History { peer, before: None, after: Some(after), limit: Some(PAGE), hidden: false })?;
        let Some(last) = answer.messages.last() else { break };
        after = last.id;
        total += answer.messages.len() as u64;
        for message in &answer.messages {
            if out.is_json() {
                out.record(message)?;
            } else {
                let line = format::message(&out, &names, message);
                out.line(&line)?;
            }
        }
        if !answer.more {
            break;
        }
    }
    out.flush()?;
    if let Some(path) = wanted.output.as_deref() {
        note(shell.form.json, &format!("{} written to {}", count(total, "message"), whole(path).display()));
    }
    Ok(())
}
