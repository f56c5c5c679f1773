//! Makes a fixture by talking: real daemons, with whatever store their code has.

use super::{END_MS, FRIEND, OWN, START_MS, connect, onion, start, tell};
use crate::api::Api;
use crate::resident::Resident;
use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::Duration;
use torchat_client::Client;
use torchat_testkit::daemon::eventually;

/// A valid onion that nobody serves: the example of rend-spec-v3.
const NOBODY: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
const PATIENCE: Duration = Duration::from_secs(60);
const HOUR_MS: i64 = 3_600_000;
/// Messages each way between the two friends.
const TALK: u32 = 240;

/// Strangers that ask, are refused, are blocked; a contact that has not accepted; one that was removed; one that is hidden from.
const ASKS: u8 = 3;
const REFUSED: u8 = 4;
const BLOCKED: u8 = 5;
const SILENT: u8 = 6;
const REMOVED: u8 = 7;
const HIDDEN: u8 = 8;

/// Makes a store below `dir` and what API 1 tells of it: the file's bytes as a clean stop leaves it.
///
/// # Errors
/// When something is refused, or does not happen in time.
pub fn make(dir: &Path) -> anyhow::Result<(Vec<u8>, Value)> {
    let talk = dir.join("talk");
    {
        let (own, friend) = (start(&talk, OWN, START_MS)?, start(&talk, FRIEND, START_MS)?);
        contacts(&talk, &own)?;
        conversation(&own, &friend)?;
    }
    gaps(&talk)?;
    lost(&talk)?;
    let store = {
        let mut own = start(&talk, OWN, START_MS + 5 * HOUR_MS)?;
        programs(&talk, &own)?;
        room(&own)?;
        own.stop()?;
        std::fs::read(own.data().join("torchat.db"))?
    };
    // Nobody else is there when it is told of.
    let alone = dir.join("alone");
    super::place(&alone, &store)?;
    let own = start(&alone, OWN, END_MS)?;
    Ok((store, tell(&mut connect(&own)?)?))
}

/// A room of our own, and what can be said in one.
fn room(own: &Resident) -> anyhow::Result<()> {
    let mut api = connect(own)?;
    let made = api.ok(json!({"cmd": "ROOM_NEW", "name": "lab", "topic": "who feeds the cat", "nick": "anna"}))?;
    let room = made["room"]["peer"].as_str().context("no room")?.to_owned();
    let mut said = Vec::new();
    for text in ["a room at the harbour", "wrogn", "taken back later", "löwe"] {
        said.push(
            api.ok(json!({"cmd": "SEND", "peer": room, "text": text, "client_id": format!("room-{text}")}))?["id"]
                .take(),
        );
    }
    api.ok(json!({"cmd": "EDIT", "peer": room, "id": said[1], "text": "wrong"}))?;
    api.ok(json!({"cmd": "REACT", "peer": room, "id": said[0], "sign": "+1"}))?;
    api.ok(json!({"cmd": "REDACT", "peer": room, "id": said[2]}))?;
    api.ok(
        json!({"cmd": "ROOM_SET", "peer": room, "topic": "nobody feeds the cat", "alias": "cats", "notify": "all"}),
    )?;
    Ok(())
}

fn add(own: &mut Api, other: &mut Api, seed: u8) -> anyhow::Result<()> {
    other.ok(json!({"cmd": "ADD", "peer": onion(OWN)?, "text": format!("I am {seed}")}))?;
    own.ok(json!({"cmd": "ADD", "peer": onion(seed)?}))?;
    delivered(own, &onion(seed)?, "hello")
}

fn delivered(api: &mut Api, peer: &str, text: &str) -> anyhow::Result<()> {
    api.ok(json!({"cmd": "SEND", "peer": peer, "text": text, "wait": "delivered", "timeout": 60})).map(drop)
}

/// Contacts and strangers in every state.
fn contacts(dir: &Path, own: &Resident) -> anyhow::Result<()> {
    let mut api = connect(own)?;
    for seed in [ASKS, REFUSED, BLOCKED] {
        let other = start(dir, seed, START_MS)?;
        connect(&other)?.ok(json!({"cmd": "ADD", "peer": onion(OWN)?, "text": format!("I am {seed}")}))?;
        eventually("a request", PATIENCE, || {
            let requests = api.ok(json!({"cmd": "REQUESTS"}))?["requests"].take();
            let onion = onion(seed)?;
            Ok(requests.as_array().context("no list")?.iter().any(|one| one["peer"] == onion).then_some(()))
        })?;
    }
    api.ok(json!({"cmd": "REFUSE", "peer": onion(REFUSED)?}))?;
    api.ok(json!({"cmd": "BLOCK", "peer": onion(BLOCKED)?}))?;
    for seed in [REMOVED, HIDDEN] {
        let other = start(dir, seed, START_MS)?;
        let mut other = connect(&other)?;
        add(&mut api, &mut other, seed)?;
        delivered(&mut other, &onion(OWN)?, "good morning, harbour")?;
    }
    api.ok(json!({"cmd": "REMOVE", "peer": onion(REMOVED)?}))?;
    api.ok(json!({"cmd": "APPEAR", "peer": onion(HIDDEN)?, "hidden": true}))?;
    // It takes the request and does not answer it.
    let silent = start(dir, SILENT, START_MS)?;
    api.ok(json!({"cmd": "SEND", "peer": onion(SILENT)?, "text": "do you know me?"}))?;
    eventually("it waits for consent", PATIENCE, || {
        let contacts = api.ok(json!({"cmd": "CONTACTS"}))?["contacts"].take();
        let onion = onion(SILENT)?;
        let mut contacts = contacts.as_array().context("no list")?.iter();
        Ok(contacts.any(|one| one["peer"] == onion && one["state"] == "waiting").then_some(()))
    })?;
    drop(silent);
    api.ok(json!({"cmd": "INVITE", "hours": 24}))?;
    // Settings of a conversation, and one that is erased: its messages' numbers and ids stay.
    api.ok(json!({"cmd": "VERIFY", "peer": onion(HIDDEN)?, "verified": true}))?;
    api.ok(json!({"cmd": "RETAIN", "peer": onion(HIDDEN)?, "days": 3650}))?;
    let erased = api.ok(json!({"cmd": "ERASE", "peer": onion(REMOVED)?}))?;
    ensure!(erased["erased"] == 2 && erased["kept"] == 0, "{erased}");
    Ok(())
}

fn text(n: u32, who: &str) -> String {
    let more = match n % 8 {
        0 => "a small boat in the harbour",
        1 => "Löwe, ἁλς, мир, 船",
        2 => "two\nlines\tand a tab",
        3 => "\u{202e}written from the right\u{202c}",
        4 => "harbours and \"quoted\" words; 100 %",
        5 => "👋🏽",
        _ => "nothing in particular",
    };
    format!("{who} {n}: {more}")
}

/// The long conversation, seen and taken in part.
fn conversation(own: &Resident, friend: &Resident) -> anyhow::Result<()> {
    let (mut a, mut b) = (connect(own)?, connect(friend)?);
    add(&mut a, &mut b, FRIEND)?;
    a.ok(json!({"cmd": "RENAME", "peer": onion(FRIEND)?, "name": "Bob 🛶"}))?;
    for n in 0..TALK {
        let mut request = json!({"cmd": "SEND", "peer": onion(FRIEND)?, "text": text(n, "mine")});
        if n.is_multiple_of(20) {
            request["client_id"] = json!(format!("key-{n}"));
        }
        a.ok(request)?;
        b.ok(json!({"cmd": "SEND", "peer": onion(OWN)?, "text": text(n, "yours")}))?;
    }
    delivered(&mut a, &onion(FRIEND)?, &"long ".repeat(2_000))?;
    delivered(&mut b, &onion(OWN)?, "the last of these")?;
    let page = a.ok(json!({"cmd": "HISTORY", "peer": onion(FRIEND)?, "limit": 200}))?;
    a.ok(json!({"cmd": "SEEN", "peer": onion(FRIEND)?, "upto": page["messages"][0]["id"]}))?;
    let mut classic = Client::connect_unix(&own.socket(), PATIENCE)?;
    for _ in 0..TALK / 4 {
        ensure!(classic.update(&onion(FRIEND)?)?.is_some(), "nothing is left to take");
    }
    Ok(())
}

fn cancel(api: &mut Api, peer: &str, text: &str) -> anyhow::Result<()> {
    let sent = api.ok(json!({"cmd": "SEND", "peer": peer, "text": text}))?;
    api.ok(json!({"cmd": "CANCEL", "peer": peer, "mid": sent["mid"]})).map(drop)
}

/// Withdrawn and expired messages: those that the peer has skipped, and those whose number still waits.
fn gaps(dir: &Path) -> anyhow::Result<()> {
    let friend = onion(FRIEND)?;
    let own = start(dir, OWN, START_MS + HOUR_MS)?;
    let mut api = connect(&own)?;
    for peer in [friend.as_str(), NOBODY] {
        api.ok(json!({"cmd": "SEND", "peer": peer, "text": "before the gap"}))?;
        cancel(&mut api, peer, "regretted")?;
        api.ok(json!({"cmd": "SEND", "peer": peer, "text": "soon too old", "expire": 60}))?;
        let key = format!("gap-{peer:.4}");
        api.ok(json!({"cmd": "SEND", "peer": peer, "text": "after the gap", "client_id": key}))?;
    }
    // A clock that leaps is not believed, so the minute is waited for.
    for peer in [friend.as_str(), NOBODY] {
        eventually("it is too old", 3 * PATIENCE, || {
            let page = api.ok(json!({"cmd": "HISTORY", "peer": peer}))?;
            let mut messages = page["messages"].as_array().context("no list")?.iter();
            Ok(messages.any(|one| one["state"] == "failed").then_some(()))
        })?;
    }
    let _friend = start(dir, FRIEND, START_MS + HOUR_MS)?;
    delivered(&mut api, &friend, "behind the gap")
}

/// A copy of our store comes back, so what came since then is marked as lost; and a copy of the friend's, so that it has
/// another lane to us.
fn lost(dir: &Path) -> anyhow::Result<()> {
    let path = |seed: u8, file: &str| dir.join(super::name(seed)).join(file);
    let files = ["torchat.db", "torchat.db-mark"];
    for (seed, clock_ms) in [(OWN, START_MS + 3 * HOUR_MS), (FRIEND, START_MS + 4 * HOUR_MS)] {
        for file in files {
            std::fs::copy(path(seed, file), path(seed, &format!("{file}.copy")))?;
        }
        {
            let (_own, friend) = (start(dir, OWN, clock_ms)?, start(dir, FRIEND, clock_ms)?);
            for n in 0..3 {
                delivered(&mut connect(&friend)?, &onion(OWN)?, &format!("{n} is forgotten"))?;
            }
        }
        for file in files {
            std::fs::rename(path(seed, &format!("{file}.copy")), path(seed, file))?;
        }
        let (own, friend) = (start(dir, OWN, clock_ms + HOUR_MS / 2)?, start(dir, FRIEND, clock_ms + HOUR_MS / 2)?);
        delivered(&mut connect(&friend)?, &onion(OWN)?, "after the restore")?;
        delivered(&mut connect(&own)?, &onion(FRIEND)?, "after your restore")?;
    }
    Ok(())
}

/// What programs left: tokens, consumers, messages of old programs, a whole index of the search.
fn programs(dir: &Path, own: &Resident) -> anyhow::Result<()> {
    let mut api = connect(own)?;
    api.ok(json!({"cmd": "TOKEN", "action": "create", "name": "reader", "rights": ["read"], "days": 30}))?;
    let peers = json!([onion(FRIEND)?, NOBODY]);
    let scoped = json!({"cmd": "TOKEN", "action": "create", "name": "bot", "rights": ["read", "send"], "peers": peers});
    api.ok(scoped)?;
    for (consumer, seq) in [("bot", 100), ("desk.2", 7)] {
        api.ok(json!({"cmd": "ACK", "consumer": consumer, "seq": seq}))?;
    }
    let port: u16 = std::fs::read_to_string(dir.join("peers").join(onion(OWN)?))?.trim().parse()?;
    for n in 0..3_usize {
        let object = json!({"cmd": "RECV", "date": "[12:34] ", "id": "aaaaaaaaaaaaaaaa.onion", "msg": format!("old {n}"), "portno": 80});
        let object = object.to_string();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port))?
            .write_all(format!("{:04}{object}", object.len()).as_bytes())?;
        eventually("it is kept", PATIENCE, || {
            let kept = api.ok(json!({"cmd": "LEGACY"}))?["messages"].as_array().map_or(0, Vec::len);
            Ok((kept == n + 1).then_some(()))
        })?;
    }
    api.ok(json!({"cmd": "LEGACY_TAKE", "upto": 1}))?;
    let found = api.ok(json!({"cmd": "SEARCH", "text": "harbour"}))?;
    ensure!(found["complete"] == true && found["messages"][0].is_object(), "{found}");
    Ok(())
}
