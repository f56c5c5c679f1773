//! A contact fills the whole store (H2, protocol 1): the user can still read, remove and block, and be done with it.

use super::{Place, started};
use crate::link::Lane;
use crate::target::Target;
use crate::way::Way;
use anyhow::{Context as _, ensure};
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};
use torchat_protocol::message::PeerMessage;

/// What the store may have.
const BYTES: u64 = 3_000_000;
/// How long the flood may need.
const PATIENCE: Duration = Duration::from_secs(240);

/// Runs it. Returns a row for people.
///
/// # Errors
/// What was not possible.
pub async fn run(program: &Path) -> anyhow::Result<String> {
    let dir = tempfile::tempdir()?;
    let peers = dir.path().join("peers");
    std::fs::create_dir(&peers)?;
    let daemon = started(program, dir.path(), "victim", 1, None, &[&format!("bytes={BYTES}")])?;
    let place = Place { daemon, dir };
    let target = Target::new(Way::Loopback(peers), place.port()?, None)?;
    let begun = Instant::now();
    let (mut said, mut lane, mut bytes) = (0, Lane::fresh(), 20_000);
    let full = loop {
        ensure!(begun.elapsed() < PATIENCE, "the store is not full after {said} messages");
        let (forger, mut link) = target.accepted(0).await?;
        for n in 0..50 {
            let before = Lane { ..lane };
            link.say(&PeerMessage::Recv(lane.next(&format!("{n}{}", "x".repeat(bytes))))).await?;
            let heard = link.settle(target.patience).await?;
            if !heard.acks().contains(&lane.state()) {
                lane = before;
                break;
            }
            said += 1;
        }
        let state = target.ask(|client| Ok(client.status()?)).await?["storage"].clone();
        if state == "full" {
            if bytes == 0 {
                break forger;
            }
            // Until not even an empty text finds room.
            bytes = if bytes > 1_000 { 100 } else { 0 };
        }
    };
    let onion = full.peer()?.onion();
    let asked = onion.clone();
    target
        .ask(move |client| {
            for command in ["REMOVE", "BLOCK"] {
                client.request(&json!({ "cmd": command, "id": asked })).with_context(|| command.to_owned())?;
            }
            ensure!(client.update(&asked)?.is_some(), "nothing of it can be read");
            Ok(())
        })
        .await
        .context("the store is full")?;
    let (_, state) = target.enter(&full).await?;
    ensure!(state == torchat_protocol::message::ContactState::Pending, "it is blocked and told {state:?}");
    drop(target);
    place.finish()?;
    Ok(format!("H2, protocol 1: a store filled by {said} messages of a contact: REMOVE, BLOCK, UPDATE and EXIT work"))
}
