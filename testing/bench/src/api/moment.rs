//! How much later than SEND's answer at one connection its event is at another one.

use super::line::Line;
use crate::Setup;
use crate::contract;
use crate::process::Recipe;
use crate::report::{Aim, Report, Row};
use crate::stats::{Summary, median};
use anyhow::{Context as _, ensure};
use std::sync::mpsc;
use std::time::Instant;

/// Messages, in each contract.
const MESSAGES: usize = 2000;
/// Not counted.
const WARM: usize = 50;

/// From the moment before SEND was written, in microseconds.
struct Times {
    answer: f64,
    event: f64,
}

pub(super) fn run(setup: &Setup<'_>, report: &mut Report) -> anyhow::Result<()> {
    let daemon = Recipe::loopback(&setup.dir.join("api-event"))?.start()?;
    let api = super::api_send()?;
    let classic = contract::classic_send()?;
    for (name, script, line) in
        [("API 1", &api, Line::api(daemon.port)?), ("classic", &classic, Line::classic(daemon.port)?)]
    {
        let good = std::str::from_utf8(script.answer)?;
        let times = measure(daemon.port, line, &script.requests, good)?;
        report.add(Row {
            what: format!("event at a second connection / SEND's answer at the first, {name}"),
            ours: format!("{:.1} us", median(times.iter().map(|times| times.event))),
            reference: format!("{:.1} us", median(times.iter().map(|times| times.answer))),
            judged: Summary::of(times.iter().map(|times| times.event / times.answer)),
            aim: Aim::AtMost(1.2),
        });
    }
    daemon.stop()
}

/// One message at a time; each connection has a thread of its own, so that neither waits for the other's reading.
fn measure(port: u16, mut line: Line, requests: &[Vec<u8>], good: &str) -> anyhow::Result<Vec<Times>> {
    let mut events = Line::api(port)?;
    let subscribe = br#"{"ref":1,"cmd":"SUBSCRIBE","from":"now","filter":{"kinds":["queued"]}}"#;
    events.ask(&[&subscribe[..], b"\n"].concat(), "{\"ref\":1,\"ok\":")?;
    let (heard, arrivals) = mpsc::channel();
    std::thread::scope(|scope| {
        let listener = scope.spawn(move || {
            for _ in 0..MESSAGES + WARM {
                let event = events.hear()?;
                let at = Instant::now();
                ensure!(event.contains("\"queued\""), "not the event: {event}");
                heard.send(at)?;
            }
            anyhow::Ok(())
        });
        let mut times = Vec::with_capacity(MESSAGES);
        for n in 0..MESSAGES + WARM {
            let begun = Instant::now();
            let answer = line.ask(&requests[n % requests.len()], good)?;
            // The listener has gone when it fails, and says why below.
            let Ok(event) = arrivals.recv() else { break };
            if n >= WARM {
                let us = |time: std::time::Duration| time.as_secs_f64() * 1e6;
                times.push(Times { answer: us(answer), event: us(event.duration_since(begun)) });
            }
        }
        listener.join().ok().context("the listener panicked")??;
        Ok(times)
    })
}
