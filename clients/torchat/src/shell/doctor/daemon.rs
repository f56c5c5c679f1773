//! What the daemon says: Tor, reachability, the queue, latencies, notices.

use super::super::failure::Done;
use super::super::format::{age, count, millis};
use super::{Finding, clock};
use crate::daemon::{Place, program};
use serde_json::Value;
use std::time::{Duration, Instant, SystemTime};
use torchat_client::api::command::{Conversations, History, Host, Status};
use torchat_client::api::record::{Direction, Message};
use torchat_client::api::{ApiClientError, Connection, Endpoint};

/// Calls that are timed.
const CALLS: usize = 100;
/// Conversations and messages of each that latencies and the clock are read from.
const RECENT: (usize, u32) = (5, 50);
/// A reachability that was seen within this is fresh.
const FRESH_S: u64 = 3_600;

/// Whether somebody is there.
pub(super) fn answers(place: &Place, endpoint: &Endpoint, opened: Result<&Connection, &ApiClientError>) -> Finding {
    match opened {
        Ok(connection) => {
            let rights = connection.welcome().rights.len();
            let sentence = format!("torchatd answers at {endpoint}, with {}", count(rights as u64, "right"));
            Finding::ok("daemon", sentence)
        }
        Err(error) => away(place, error),
    }
}

/// Nobody is there, or nobody who wants us.
pub(super) fn away(place: &Place, error: &ApiClientError) -> Finding {
    let advice = match error {
        ApiClientError::NotFound { .. } | ApiClientError::Connect { .. } if program().is_some() => {
            format!("start it: {}", place.command_line())
        }
        ApiClientError::NotFound { .. } | ApiClientError::Connect { .. } => {
            "torchatd is neither beside this program nor in PATH: install it first".to_owned()
        }
        _ => "look into its log".to_owned(),
    };
    Finding::wrong("daemon", error.to_string(), advice)
}

/// Asks it everything.
pub(super) fn check(connection: &Connection) -> Done<Vec<Finding>> {
    let status = connection.call(&Status::default())?.status;
    let recent = recent(connection)?;
    let mut findings = vec![clock::plausible(SystemTime::now())];
    findings.extend(clock::against_peers(&recent));
    findings.push(tor(&status["tor"]));
    findings.push(reachable(&status["reachable"], status["tor"]["usable"] == true));
    findings.push(storage(&status["storage"]));
    findings.push(calls(connection)?);
    findings.extend(delivery(&recent));
    findings.extend(queue(&status));
    for notice in status["notices"].as_array().into_iter().flatten() {
        findings.push(Finding::note("notice", notice["sentence"].as_str().unwrap_or_default()));
    }
    Ok(findings)
}

/// The last messages of the liveliest conversations.
fn recent(connection: &Connection) -> Done<Vec<Message>> {
    let (conversations, limit) = RECENT;
    let mut messages = Vec::new();
    for row in connection.call(&Conversations {})?.conversations.into_iter().take(conversations) {
        if row.last.is_some() {
            let page = History { peer: row.contact.peer, before: None, after: None, limit: Some(limit) };
            messages.extend(connection.call(&page)?.messages);
        }
    }
    Ok(messages)
}

fn tor(tor: &Value) -> Finding {
    let sentence = tor["sentence"].as_str().unwrap_or("the daemon says nothing of Tor");
    let percent = tor["percent"].as_u64().unwrap_or(0);
    if tor["usable"] == true {
        Finding::ok("tor", sentence)
    } else {
        let advice = "wait a few minutes; if it stays so, look at the clock, the network and the daemon's log";
        Finding::wrong("tor", format!("{sentence} ({percent} %)"), advice)
    }
}

fn reachable(reachable: &Value, usable: bool) -> Finding {
    if let Some(sentence) = reachable["sentence"].as_str() {
        let advice = "messages of others wait meanwhile and nothing is lost; if it lasts for hours, look into the log";
        return Finding::wrong("onion", sentence, advice);
    }
    match reachable["reached_s_ago"].as_u64() {
        Some(seconds) if seconds <= FRESH_S => {
            Finding::ok("onion", format!("your onion was reached {} ago", age(seconds)))
        }
        Some(seconds) => Finding::note(
            "onion",
            format!("your onion was last reached {} ago; nothing says that it is not now", age(seconds)),
        ),
        None if usable => {
            Finding::note("onion", "nobody, the daemon included, has reached your onion since it started")
        }
        None => Finding::note("onion", "whether your onion can be reached is known when Tor works"),
    }
}

fn storage(storage: &Value) -> Finding {
    match storage.as_str() {
        Some("ok") => Finding::ok("storage", "the store takes messages"),
        _ => Finding::wrong("storage", "the store is full, so new mail is refused", "make room on the disk"),
    }
}

/// What the control API takes.
fn calls(connection: &Connection) -> Done<Finding> {
    let mut times = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let begun = Instant::now();
        connection.call(&Host {})?;
        times.push(begun.elapsed());
    }
    let (p50, p95) = quantiles(&mut times);
    let sentence = format!("a call takes {} (p50), {} (p95)", millis(p50), millis(p95));
    Ok(if p95 < Duration::from_millis(100) { Finding::ok("api", sentence) } else { Finding::note("api", sentence) })
}

/// How long messages took to be durable at their peers. Those that waited for an absent peer are among them.
fn delivery(recent: &[Message]) -> Option<Finding> {
    let took = |message: &Message| -> Option<Duration> {
        let at: jiff::Timestamp = message.at.parse().ok()?;
        let done: jiff::Timestamp = message.done_at.as_deref()?.parse().ok()?;
        Duration::try_from(done.duration_since(at)).ok()
    };
    let delivered = |message: &&Message| {
        message.dir == Direction::Out && message.state == torchat_client::api::record::MessageState::Delivered
    };
    let mut times: Vec<_> = recent.iter().filter(delivered).filter_map(took).collect();
    if times.is_empty() {
        return None;
    }
    let n = count(times.len() as u64, "message");
    let (p50, p95) = quantiles(&mut times);
    let sentence = format!("the last {n} took {} (p50), {} (p95) to their peers", millis(p50), millis(p95));
    Some(Finding::ok("delivery", sentence))
}

/// Of at least one time.
fn quantiles(times: &mut [Duration]) -> (Duration, Duration) {
    times.sort_unstable();
    let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied();
    (at(50).unwrap_or_default(), at(95).unwrap_or_default())
}

fn queue(status: &Value) -> Vec<Finding> {
    let waiting = status["queue"]["messages"].as_u64().unwrap_or(0);
    if waiting == 0 {
        return vec![Finding::ok("queue", "nothing waits to be delivered")];
    }
    let mut findings = vec![Finding::note("queue", format!("{} undelivered", count(waiting, "message")))];
    for row in status["reasons"].as_array().into_iter().flatten() {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let waiting = count(row["queued"].as_u64().unwrap_or(0), "message");
        findings.push(Finding::note("queue", format!("{waiting} for {}: {}", text("peer"), text("reason"))));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;
    use serde_json::json;

    #[test]
    fn what_status_says_is_graded() {
        assert_eq!(tor(&json!({"usable": true, "percent": 100, "sentence": "ready"})).grade, Grade::Ok);
        let away = tor(&json!({"usable": false, "percent": 40, "sentence": "loading"}));
        assert_eq!((away.grade, away.sentence.as_str()), (Grade::Wrong, "loading (40 %)"));
        let onion = |value: Value| reachable(&value, true).grade;
        assert_eq!(onion(json!({"reached_s_ago": 12, "sentence": null})), Grade::Ok);
        assert_eq!(onion(json!({"reached_s_ago": 90_000, "sentence": null})), Grade::Note);
        assert_eq!(onion(json!({"reached_s_ago": null, "sentence": null})), Grade::Note);
        assert_eq!(onion(json!({"reached_s_ago": 900, "sentence": "not reached"})), Grade::Wrong);
        assert_eq!(storage(&json!("full")).grade, Grade::Wrong);
        let waiting = queue(&json!({"queue": {"messages": 1}, "reasons": [{"peer": "p", "queued": 1, "reason": "r"}]}));
        assert_eq!(waiting.len(), 2);
    }

    #[test]
    fn quantiles_are_of_the_sorted_times() {
        let mut times: Vec<_> = (0..100).rev().map(Duration::from_millis).collect();
        assert_eq!(quantiles(&mut times), (Duration::from_millis(50), Duration::from_millis(95)));
        assert_eq!(quantiles(&mut [Duration::from_secs(1)]), (Duration::from_secs(1), Duration::from_secs(1)));
    }
}
