//! Fixtures of the store: one for each frozen schema, with what API 1 told of it (`testing/stores`).
//!
//! A fixture is made by a release's own code ([`make()`]), once, and then only opened. A test that opens it starts a daemon with the
//! clock of that time ([`END_MS`]), because messages, events and keys grow old by the wall clock.

mod make;

pub use make::make;

use crate::api::Api;
use crate::resident::{Options, Resident};
use anyhow::Context as _;
use serde_json::{Value, json};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use torchat_core::handshake::LocalIdentity;

/// The wall clock when a fixture's first daemon starts: 2026-09-21, in milliseconds since 1970.
pub const START_MS: i64 = 1_790_000_000_000;
/// And when the last one ends, or a little before.
pub const END_MS: i64 = START_MS + 6 * 3_600_000;
/// The same in words: later events are of the start that was to tell of the store.
const END: &str = "2026-09-21T20:13:20";

/// Whose store it is, as a seed of [`Resident`].
pub const OWN: u8 = 1;
/// A contact with most of the messages.
pub const FRIEND: u8 = 2;
/// What a search finds in every fixture.
pub const WORDS: [&str; 4] = ["harbour", "löwe", "\"small boat\"", "har*"];

/// What differs from start to start, and is no part of what the store says.
const VOLATILE: [&str; 11] =
    ["reason", "tries", "failure", "ended", "detail", "next_try_at", "heard_s", "link", "behind", "linked", "problems"];

/// The onion of a seed.
///
/// # Errors
/// When the keys are refused.
pub fn onion(seed: u8) -> anyhow::Result<String> {
    Ok(LocalIdentity::from_seeds(&[seed + 1; 32], &[seed + 51; 32], 1)?.peer_id().onion())
}

/// A daemon at a moment of the wall clock, which takes messages of old programs.
///
/// # Errors
/// When it does not start.
pub fn start(dir: &Path, seed: u8, clock_ms: i64) -> anyhow::Result<Resident> {
    let options = Options { legacy: seed == OWN, clock_ms: Some(clock_ms), ..Options::default() };
    Resident::start_with(dir, &name(seed), seed, options)
}

/// A connection to it.
///
/// # Errors
/// When it does not serve.
pub fn connect(daemon: &Resident) -> anyhow::Result<Api> {
    Api::connect(std::fs::read_to_string(daemon.data().join("port"))?.trim().parse()?)
}

fn name(seed: u8) -> String {
    format!("d{seed}")
}

/// Puts a store where [`start`] finds it. Returns its path.
///
/// # Errors
/// When it cannot be written.
pub fn place(dir: &Path, store: &[u8]) -> anyhow::Result<PathBuf> {
    let data = dir.join(name(OWN));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&data)?;
    let path = data.join("torchat.db");
    std::fs::write(&path, store)?;
    Ok(path)
}

/// The fixture of a version: the store's file, and what was told of it.
///
/// # Errors
/// When there is none.
pub fn fixture(version: i64) -> anyhow::Result<(Vec<u8>, Value)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../stores");
    let read = |end: &str| {
        let path = dir.join(format!("v{version}.{end}"));
        std::fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))
    };
    let mut told = serde_json::from_slice(&read("json")?)?;
    // What is volatile may have been found so only later.
    forget_volatile(&mut told);
    Ok((zstd::decode_all(read("db.zst")?.as_slice())?, told))
}

/// What API 1 tells of a store, without what differs from start to start.
///
/// # Errors
/// When a request is refused.
pub fn tell(api: &mut Api) -> anyhow::Result<Value> {
    let mut told = json!({});
    for (key, cmd) in [("contacts", "CONTACTS"), ("requests", "REQUESTS"), ("conversations", "CONVERSATIONS")] {
        told[key] = api.ok(json!({"cmd": cmd}))?[key].take();
    }
    told["cursors"] = api.ok(json!({"cmd": "CURSORS"}))?["cursors"].take();
    told["tokens"] = api.ok(json!({"cmd": "TOKEN", "action": "list"}))?["tokens"].take();
    told["legacy"] = api.ok(json!({"cmd": "LEGACY"}))?["messages"].take();
    let peers: Vec<String> = told["conversations"]
        .as_array()
        .context("no list")?
        .iter()
        .filter_map(|conversation| Some(conversation["contact"]["peer"].as_str()?.to_owned()))
        .collect();
    for peer in peers {
        let page = api.ok(json!({"cmd": "HISTORY", "peer": peer, "limit": 1000}))?;
        told["history"][peer] = page["messages"].clone();
    }
    for word in WORDS {
        let found = api.ok(json!({"cmd": "SEARCH", "text": word, "limit": 1000}))?;
        let ids = found["messages"].as_array().context("no list")?.iter().map(|message| message["id"].clone());
        told["search"][word] = ids.collect();
    }
    let (mut after, mut events) = (json!(0), Vec::new());
    loop {
        let mut page = api.ok(json!({"cmd": "EVENTS", "after": after, "limit": 1000}))?;
        // A message's text stands in its conversation.
        for event in page["events"].as_array_mut().context("no list")? {
            let message = event.get("message").map(|message| message["id"].clone());
            if event["at"].as_str() < Some(END) {
                events.push(json!([event["seq"], event["event"], event["at"], message]));
            }
        }
        after = page["next"].take();
        if after == page["last"] {
            break;
        }
    }
    told["events"] = events.into();
    forget_volatile(&mut told);
    Ok(told)
}

fn forget_volatile(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(forget_volatile),
        Value::Object(fields) => {
            fields.retain(|name, _| !VOLATILE.contains(&name.as_str()));
            // A dial may run at this moment, or have ended.
            if fields.get("code").is_some_and(|code| code == "connecting") {
                fields.insert("code".into(), "unreachable".into());
            }
            fields.values_mut().for_each(forget_volatile);
        }
        _ => {}
    }
}

/// Whether everything that was told is told now as well. Later versions of the API may say more.
///
/// # Errors
/// The first difference, and where it is.
pub fn agrees(told: &Value, now: &Value) -> anyhow::Result<()> {
    differs(told, now, "").map_or(Ok(()), |at| anyhow::bail!("{at}"))
}

fn differs(told: &Value, now: &Value, at: &str) -> Option<String> {
    match (told, now) {
        (Value::Object(told), Value::Object(now)) => told
            .iter()
            .find_map(|(key, told)| differs(told, now.get(key).unwrap_or(&Value::Null), &format!("{at}/{key}"))),
        (Value::Array(told), Value::Array(now)) => {
            let length = (told.len() != now.len()).then(|| format!("{at} has {} instead of {}", now.len(), told.len()));
            let mut pairs = told.iter().zip(now).enumerate();
            pairs.find_map(|(n, (told, now))| differs(told, now, &format!("{at}/{n}"))).or(length)
        }
        _ if told == now => None,
        _ => Some(format!("{at}: {now} instead of {told}")),
    }
}

#[cfg(test)]
mod tests {
    use super::agrees;
    use serde_json::json;

    #[test]
    fn more_may_be_said_and_nothing_less() {
        let told = json!({"a": [{"b": 1}], "events": [1, 2]});
        assert!(agrees(&told, &json!({"a": [{"b": 1, "c": 2}], "d": 3, "events": [1, 2]})).is_ok());
        for now in [
            json!({"a": [{"b": 2}], "events": [1, 2]}),
            json!({"a": [{}], "events": [1, 2]}),
            json!({"a": [{"b": 1}, {}], "events": [1, 2]}),
            json!({"a": [], "events": [1, 2]}),
            json!({"a": [{"b": 1}], "events": [1]}),
            json!({"a": [{"b": 1}], "events": [2, 1]}),
            json!({"a": [{"b": 1}], "events": [1, 2, 3]}),
        ] {
            assert!(agrees(&told, &now).is_err(), "{now}");
        }
    }
}
