//! HISTORY of the last 100 messages, beside the bare query on the same file.

use super::line::Line;
use crate::contract;
use crate::report::{Aim, Report, Row};
use crate::stats::{Summary, median};
use anyhow::{Context as _, ensure};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Instant;

/// Messages of a page.
const PAGE: usize = 100;
/// Pages.
const TIMES: usize = 400;
/// Not counted.
const WARM: usize = 32;

/// What HISTORY cannot do without: the newest texts of one conversation. `peer` may be the key or a number that stands
/// for it: it is asked of the rows themselves.
const QUERY: &str = "SELECT id, dir, state, at_ms, text FROM message WHERE peer = ?1 ORDER BY id DESC LIMIT 100";
/// Whose messages are among the last.
const PEERS: &str = "SELECT DISTINCT peer FROM (SELECT peer FROM message ORDER BY id DESC LIMIT 1000)";

/// Microseconds for each page, ours and the bare query's.
pub(super) type Pages = Vec<[f64; 2]>;

pub(super) fn measure(port: u16, path: &Path) -> anyhow::Result<Pages> {
    let mut line = Line::api(port)?;
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    let keys: Vec<Value> =
        db.prepare(PEERS)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>().context("no peers")?;
    ensure!(!keys.is_empty(), "there are no messages");
    let peers = contract::peers()?;
    let mut pages = Vec::new();
    for n in 0..WARM + TIMES {
        let request = format!(
            "{{\"ref\":1,\"cmd\":\"HISTORY\",\"peer\":\"{}\",\"limit\":{PAGE}}}\n",
            peers[n % peers.len()].onion()
        );
        let ours =
            |line: &mut Line| anyhow::Ok(line.ask(request.as_bytes(), "{\"ref\":1,\"ok\":")?.as_secs_f64() * 1e6);
        let key = &keys[n % keys.len()];
        let pair = if n % 2 == 0 {
            [ours(&mut line)?, bare(&db, key)?]
        } else {
            let first = bare(&db, key)?;
            [ours(&mut line)?, first]
        };
        if n == 0 {
            let found = line.answer().matches("\"mid\":").count();
            ensure!(found == PAGE, "a page has {found} messages");
        }
        if n >= WARM {
            pages.push(pair);
        }
    }
    Ok(pages)
}

/// The query, with every column of every row taken into memory of one's own, as nobody can do with less.
fn bare(db: &Connection, key: &Value) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let mut query = db.prepare_cached(QUERY)?;
    let rows = query.query_map([key], |row| {
        Ok((
            row.get::<_, i64>(0)?,
            row.get::<_, i64>(1)?,
            row.get::<_, i64>(2)?,
            row.get::<_, i64>(3)?,
            row.get::<_, String>(4)?,
        ))
    })?;
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    let took = begun.elapsed().as_secs_f64() * 1e6;
    ensure!(rows.len() == PAGE, "the bare query found {} messages", rows.len());
    Ok(took)
}

pub(super) fn row(report: &mut Report, count: &str, pages: &Pages) {
    report.add(Row {
        what: format!("HISTORY, last {PAGE} of {count} messages"),
        ours: format!("{:.0} us", median(pages.iter().map(|page| page[0]))),
        reference: format!("{:.0} us", median(pages.iter().map(|page| page[1]))),
        judged: Summary::of(pages.iter().map(|[ours, bare]| ours / bare)),
        aim: Aim::AtMost(3.0),
    });
}
