//! What 1,000,000 stored messages cost.

use super::fill::{Filling, fill};
use super::history;
use super::line::Line;
use super::words::{Numbers, TEXT, Words};
use crate::Setup;
use crate::process::{Process, Recipe};
use crate::report::{Aim, Report, Row};
use crate::stats::{Summary, median, percentile};
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};

/// Messages.
const MANY: u64 = 1_000_000;
/// Messages of the larger store.
const MORE: u64 = 10_000_000;
/// Searches of each kind.
const SEARCHES: usize = 500;
/// Not counted.
const WARM: usize = 50;

pub(crate) fn run(setup: &Setup<'_>, ten_million: bool, report: &mut Report) -> anyhow::Result<()> {
    let (recipe, file) = filled(setup, "many", Filling { messages: MANY, conversations: 16, fast: false }, report)?;
    sizes(&file, report)?;
    starts(setup, &recipe, report)?;
    let daemon = recipe.start()?;
    let pages = history::measure(daemon.port, &file)?;
    history::row(report, "1e6", &pages);
    search(&daemon, report)?;
    if ten_million {
        larger(setup, &daemon, &file, report)?;
    }
    daemon.stop()
}

fn filled(setup: &Setup<'_>, name: &str, filling: Filling, report: &mut Report) -> anyhow::Result<(Recipe, PathBuf)> {
    let dir = setup.dir.join(name);
    // The daemon's own folder: it makes it itself only where there is none.
    std::fs::create_dir_all(&dir)?;
    let recipe = Recipe::loopback(&dir)?;
    let file = dir.join("torchat.db");
    eprintln!("writing {} messages", filling.messages);
    let took = fill(&file, filling)?;
    report.note(format!("{} messages were written in {:.0} s.", filling.messages, took.as_secs_f64()));
    // The first start notes a run, and is not counted.
    recipe.start()?.stop()?;
    Ok((recipe, file))
}

/// Bytes on disk for each message, by the tables' pages. Pages that the event log has left count as its own.
fn sizes(file: &Path, report: &mut Report) -> anyhow::Result<()> {
    let db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut query = db.prepare("SELECT name, pgsize FROM dbstat WHERE aggregate = TRUE ORDER BY pgsize DESC")?;
    let tables: Vec<(String, i64)> =
        query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let each = |bytes: i64| bytes as f64 / MANY as f64;
    let own = |name: &str| name != "event";
    let all = tables.iter().filter(|(name, _)| own(name)).map(|(_, bytes)| each(*bytes)).sum();
    report.add(Row {
        what: format!("bytes on disk for a message of {TEXT} bytes, with search, without the event log"),
        ours: format!("{all:.0} bytes"),
        reference: String::new(),
        judged: Summary::of([all]),
        aim: Aim::AtMost(300.0),
    });
    let parts = tables.iter().filter(|(name, bytes)| own(name) && each(*bytes) >= 0.5);
    let parts: Vec<_> = parts.map(|(name, bytes)| format!("{name} {:.0}", each(*bytes))).collect();
    report.note(format!("Bytes of a message: {}.", parts.join(", ")));
    Ok(())
}

fn starts(setup: &Setup<'_>, recipe: &Recipe, report: &mut Report) -> anyhow::Result<()> {
    let empty = Recipe::loopback(&setup.dir.join("empty"))?;
    empty.start()?.stop()?;
    let mut times = Vec::new();
    for _ in 0..setup.starts {
        let mut pair = [0.0; 2];
        for (recipe, time) in [recipe, &empty].into_iter().zip(&mut pair) {
            let daemon = recipe.start()?;
            *time = daemon.first_answer.as_secs_f64() * 1000.0;
            daemon.stop()?;
        }
        times.push(pair);
    }
    let text = |n: usize| format!("{:.1} ms", median(times.iter().map(|pair| pair[n])));
    report.add(Row {
        what: "start to first answer with 1e6 messages (reference: with none), ms".into(),
        ours: text(0),
        reference: text(1),
        judged: Summary::of(times.iter().map(|pair| pair[0])),
        aim: Aim::AtMost(50.0),
    });
    Ok(())
}

/// The newest 50 of what is found, for words that are drawn as often as they occur in texts.
fn search(daemon: &Process, report: &mut Report) -> anyhow::Result<()> {
    type Draw = fn(&Words, &mut Numbers) -> String;
    let kinds: [(&str, Draw); 3] = [
        ("one word", |words, numbers| words.draw(numbers).to_owned()),
        ("two words", |words, numbers| format!("{} {}", words.draw(numbers), words.draw(numbers))),
        ("a prefix", |words, numbers| {
            let word = words.draw(numbers);
            format!("{}*", &word[..word.len().min(3)])
        }),
    ];
    let (words, mut numbers) = (Words::new(), Numbers::new(3));
    for (name, draw) in kinds {
        let mut line = Line::api(daemon.port)?;
        let mut times = Vec::new();
        for n in 0..WARM + SEARCHES {
            let text = draw(&words, &mut numbers);
            let request = format!("{{\"ref\":1,\"cmd\":\"SEARCH\",\"text\":\"{text}\",\"limit\":50}}\n");
            let took = line.ask(request.as_bytes(), "{\"ref\":1,\"ok\":")?;
            if n >= WARM {
                times.push(took.as_secs_f64() * 1000.0);
            }
        }
        report.add(Row {
            what: format!("SEARCH, newest 50 of 1e6, {name}, ms"),
            ours: format!("p50 {:.2} ms, p99 {:.1} ms", median(times.iter().copied()), percentile(&times, 99)),
            reference: String::new(),
            judged: Summary::of(times),
            aim: Aim::AtMost(2.0),
        });
    }
    Ok(())
}

/// Pages of both stores in turn.
fn larger(setup: &Setup<'_>, many: &Process, file: &Path, report: &mut Report) -> anyhow::Result<()> {
    let (recipe, more_file) = filled(setup, "more", Filling { messages: MORE, conversations: 16, fast: true }, report)?;
    let more = recipe.start()?;
    report.note(format!(
        "With 1e7 messages the first answer came {:.1} ms after the start.",
        more.first_answer.as_secs_f64() * 1e3
    ));
    let (mut pages, mut ratios) = ([Vec::new(), Vec::new()], Vec::new());
    for _ in 0..setup.pairs.min(12) {
        let pair = [history::measure(many.port, file)?, history::measure(more.port, &more_file)?];
        let medians = pair.each_ref().map(|pages| median(pages.iter().map(|page| page[0])));
        ratios.push(medians[1] / medians[0]);
        for (all, some) in pages.iter_mut().zip(pair) {
            all.extend(some);
        }
    }
    history::row(report, "1e7", &pages[1]);
    let text = |n: usize| format!("{:.0} us", median(pages[n].iter().map(|page| page[0])));
    report.add(Row {
        what: "HISTORY of 1e7 / HISTORY of 1e6".into(),
        ours: text(1),
        reference: text(0),
        judged: Summary::of(ratios),
        aim: Aim::AtMost(1.2),
    });
    more.stop()
}
