//! What a connection costs that says nothing.

use super::line::Line;
use crate::Setup;
use crate::load::HELLO;
use crate::memory::Resident;
use crate::process::Recipe;
use crate::report::{Aim, Report, Row};
use crate::stats::Summary;
use rustix::process::{Resource, getrlimit, setrlimit};
use std::time::Duration;

/// Connections.
const CONNECTIONS: usize = 1000;
/// Opened and closed before, so that what is made once is there.
const FIRST: usize = 20;
/// How long the process rests before its memory is looked at.
const REST: Duration = Duration::from_millis(500);
/// What is said on each and answered before it idles, by name.
const SHAPES: [(&str, &[u8]); 2] = [("API 1", HELLO), ("classic", b"{\"cmd\":\"HOST\"}\n")];

pub(super) fn run(setup: &Setup<'_>, report: &mut Report) -> anyhow::Result<()> {
    // This process and the daemon, which inherits it, have a descriptor for each.
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    for (name, words) in SHAPES {
        let mut bytes = Vec::new();
        for round in 0..setup.rounds {
            let dir = setup.dir.join(format!("idle-{}-{round}", name.len()));
            // A fresh process each time: one that had them before has their memory already.
            let daemon = Recipe::loopback(&dir)?.with(&format!("connections={}", CONNECTIONS + FIRST + 10)).start()?;
            open(daemon.port, FIRST, words)?;
            std::thread::sleep(REST);
            let before = Resident::of(daemon.pid())?;
            let idle = open(daemon.port, CONNECTIONS, words)?;
            std::thread::sleep(REST);
            let with = Resident::of(daemon.pid())?;
            bytes.push(with.anonymous.saturating_sub(before.anonymous) as f64 / CONNECTIONS as f64 / 1000.0);
            drop(idle);
            daemon.stop()?;
        }
        let judged = Summary::of(bytes);
        report.add(Row {
            what: format!("one of {CONNECTIONS} idle connections, {name}, kB"),
            ours: judged.map_or_else(String::new, |s| format!("{:.1} kB", s.median)),
            reference: String::new(),
            judged,
            aim: Aim::AtMost(10.0),
        });
    }
    Ok(())
}

fn open(port: u16, count: usize, words: &[u8]) -> anyhow::Result<Vec<Line>> {
    let one = |_| {
        let mut line = Line::classic(port)?;
        line.ask(words, "{")?;
        Ok(line)
    };
    (0..count).map(one).collect()
}
