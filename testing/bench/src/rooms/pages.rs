//! HISTORY of a room beside that of a contact, and what a text of each takes on disk.
//!
//! Two stores, one with conversations with contacts and one with rooms, as many of each, with as many texts of the same kind. The
//! rooms have eight members, who speak in turn; the daemon's user is one of them.

use super::cast::{Cast, SAID_MS};
use super::pair_row;
use crate::Setup;
use crate::api::{Filling, Line, TEXT, Words, fill};
use crate::contract;
use crate::process::Recipe;
use crate::report::{Aim, Report, Row};
use crate::stats::{Summary, median};
use anyhow::ensure;
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use torchat_core::handshake::LocalIdentity;
use torchat_engine::store::Store;
use torchat_protocol::id::PeerId;
use torchat_room::replica::MESH_MEMBERS;

/// Conversations of each store.
const CONVERSATIONS: usize = 2;
/// Texts of each.
const TEXTS: usize = 10_000;
/// Texts of a page.
const PAGE: usize = 100;
/// Pages of a slice.
const PAGES: usize = 20;
/// The daemons' identity.
const SEED: u8 = 7;

/// A store that is filled, and the conversations in it.
struct Filled {
    recipe: Recipe,
    file: PathBuf,
    conversations: Vec<String>,
}

pub(super) fn run(setup: &Setup<'_>, report: &mut Report) -> anyhow::Result<()> {
    let sides = [rooms(setup)?, contacts(setup)?];
    sizes(setup, &sides, report)?;
    let daemons = [sides[0].recipe.start()?, sides[1].recipe.start()?];
    let mut lines = [Line::api(daemons[0].port)?, Line::api(daemons[1].port)?];
    let mut n = 0;
    let mut slice = |side: usize| {
        let mut times = Vec::new();
        for _ in 0..PAGES {
            n += 1;
            let peer = &sides[side].conversations[n % CONVERSATIONS];
            let request = format!("{{\"ref\":1,\"cmd\":\"HISTORY\",\"peer\":\"{peer}\",\"limit\":{PAGE}}}\n");
            times.push(lines[side].ask(request.as_bytes(), "{\"ref\":1,\"ok\":")?.as_secs_f64() * 1e6);
            let found = lines[side].answer().matches("\"mid\":").count();
            ensure!(found >= PAGE, "a page has {found} messages");
        }
        anyhow::Ok(median(times))
    };
    // Not counted: they fill caches.
    slice(0)?;
    slice(1)?;
    let pairs = super::alternately(setup.pairs, slice)?;
    let what = format!("HISTORY, last {PAGE} of {TEXTS} of a room (reference: of a contact)");
    pair_row(report, &what, "us", &pairs, Aim::AtMost(1.3));
    let bytes = [0, 1].map(|side| lines[side].answer().len());
    report.note(format!("A page of a room has {} bytes, one of a contact {}.", bytes[0], bytes[1]));
    for daemon in daemons {
        daemon.stop()?;
    }
    Ok(())
}

fn place(setup: &Setup<'_>, name: &str) -> anyhow::Result<(Recipe, PathBuf)> {
    let dir = setup.dir.join(name);
    std::fs::create_dir_all(&dir)?;
    Ok((Recipe::loopback(&dir)?, dir.join("torchat.db")))
}

fn contacts(setup: &Setup<'_>) -> anyhow::Result<Filled> {
    let (recipe, file) = place(setup, "pages-contacts")?;
    let messages = (CONVERSATIONS * TEXTS) as u64;
    let took = fill(&file, Filling { messages, conversations: CONVERSATIONS, fast: false })?;
    eprintln!("{messages} messages written in {took:.1?}");
    let conversations = contract::peers()?.iter().take(CONVERSATIONS).map(|peer| peer.onion()).collect();
    Ok(Filled { recipe, file, conversations })
}

fn rooms(setup: &Setup<'_>) -> anyhow::Result<Filled> {
    let (recipe, file) = place(setup, "pages-rooms")?;
    let begun = std::time::Instant::now();
    let words = Words::new();
    let mut conversations = Vec::new();
    for n in 0..CONVERSATIONS {
        let cast = Cast::new(u8::try_from(n)?, &people()?)?;
        let mut book = cast.owners_book()?;
        book.talk(&(0..MESH_MEMBERS).collect::<Vec<_>>(), TEXTS, &words)?;
        book.write(&file)?;
        conversations.push(cast.room.conversation().onion());
    }
    eprintln!("{} texts of rooms written in {:.1?}", CONVERSATIONS * TEXTS, begun.elapsed());
    Ok(Filled { recipe, file, conversations })
}

/// The daemon's user, and seven others.
fn people() -> anyhow::Result<Vec<PeerId>> {
    let now_s = SAID_MS.unsigned_abs() / 1_000;
    let me = LocalIdentity::from_seeds(&[SEED + 1; 32], &[SEED + 51; 32], now_s)?.peer_id();
    let others = contract::peers()?.into_iter().take(MESH_MEMBERS - 1);
    Ok(std::iter::once(me).chain(others).collect())
}

/// Bytes on disk for each text, by the tables' pages, without what an empty store has and without the log of events.
fn sizes(setup: &Setup<'_>, sides: &[Filled; 2], report: &mut Report) -> anyhow::Result<()> {
    let empty = setup.dir.join("pages-empty.db");
    drop(Store::open(&empty)?);
    let before = tables(&empty)?;
    let mut parts = Vec::new();
    for side in sides {
        let texts = (CONVERSATIONS * TEXTS) as f64;
        let of = |(name, bytes): (String, i64)| {
            let more = bytes - before.get(&name).copied().unwrap_or_default();
            (name, more as f64 / texts)
        };
        parts.push(tables(&side.file)?.into_iter().map(of).collect::<Vec<_>>());
    }
    let all = |side: usize| parts[side].iter().map(|(_, bytes)| bytes).sum::<f64>();
    report.add(Row {
        what: format!("bytes on disk for a text of {TEXT} bytes in a room, with search (reference: for a contact)"),
        ours: format!("{:.0} bytes", all(0)),
        reference: format!("{:.0} bytes", all(1)),
        judged: Summary::of([all(0) / all(1)]),
        aim: Aim::AtMost(2.8),
    });
    for (name, parts) in ["a room", "a contact"].iter().zip(&mut parts) {
        parts.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        let parts = parts.iter().filter(|(_, bytes)| *bytes >= 0.5);
        let parts: Vec<_> = parts.map(|(name, bytes)| format!("{name} {bytes:.0}")).collect();
        report.note(format!("Bytes of a text for {name}: {}.", parts.join(", ")));
    }
    Ok(())
}

fn tables(file: &Path) -> anyhow::Result<BTreeMap<String, i64>> {
    let db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut query = db.prepare("SELECT name, pgsize FROM dbstat WHERE aggregate = TRUE AND name <> 'event'")?;
    Ok(query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_room_is_filled_with_what_was_said() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("torchat.db");
        let cast = Cast::new(0, &people().unwrap()).unwrap();
        let mut book = cast.owners_book().unwrap();
        book.talk(&[0, 1, 7], 100, &Words::new()).unwrap();
        book.write(&file).unwrap();
        let db = Connection::open(&file).unwrap();
        let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM room_event"), 102, "two acts, and the texts");
        assert_eq!(count("SELECT count(*) FROM message WHERE length(text) = 118"), 100);
    }
}
