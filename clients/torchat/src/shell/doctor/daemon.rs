//! What the daemon says: Tor, reachability, the queue, latencies, notices.

use super::super::admin::right_name;
use super::super::failure::{Done, progress};
use super::super::format::{self, Names, count, took};
use super::{Finding, Grade, clock, rooms};
use crate::daemon::{Place, program};
use crate::times::span;
use jiff::Timestamp;
use std::time::{Duration, Instant};
use torchat_client::api::command::{Check, CheckAnswer, Conversations, History, Host, Status};
use torchat_client::api::record::{Direction, Message};
use torchat_client::api::status::{
    DaemonStatus, ReachablePart, RefusedPart, RoomsPart, SearchState, StorageState, TorPart,
};
use torchat_client::api::{ApiClientError, Call as _, Connection, Endpoint, Right};
use torchat_client::reason;

/// Calls that are timed.
const CALLS: usize = 100;
/// Conversations and messages of each that latencies and the clock are read from.
const RECENT: (u32, u32) = (5, 50);
/// How long the daemon may take for a dial and what is said on it.
const CHECK_TIME: Duration = Duration::from_secs(180);
/// From this share of the texts that may wait on, the outbox is nearly full.
const NEARLY_FULL_PERCENT: u64 = 90;
const UNREADY: &str = "wait a few minutes; if it does not change, check the clock, the network and the daemon's log";
const UNREACHED: &str =
    "meanwhile, messages from others wait and nothing is lost; if this lasts for hours, look into the daemon's log";
/// A reachability that was seen within this is fresh.
const FRESH_S: u64 = 3_600;

/// Whether somebody is there.
pub(super) fn answers(place: &Place, endpoint: &Endpoint, opened: Result<&Connection, &ApiClientError>) -> Finding {
    match opened {
        Ok(connection) => {
            Finding::ok("daemon", format!("torchatd answers at {endpoint}; {}", allowed(&connection.welcome().rights)))
        }
        Err(error) => away(place, error),
    }
}

/// What we may do there.
fn allowed(rights: &[Right]) -> String {
    if rights.contains(&Right::Admin) {
        return "you may do everything".to_owned();
    }
    let names: Vec<_> = rights.iter().map(|right| right_name(*right)).collect();
    if names.is_empty() { "you have no rights there".to_owned() } else { format!("your rights: {}", names.join(", ")) }
}

/// Nobody is there, or nobody who wants us.
pub(super) fn away(place: &Place, error: &ApiClientError) -> Finding {
    let advice = match error {
        error if error.is_absent() && program().is_some() => {
            format!("start it: {}", place.command_line())
        }
        error if error.is_absent() => {
            "torchatd is neither next to this program nor in PATH: install it first".to_owned()
        }
        ApiClientError::Connect { .. } => {
            "look who owns the socket, and whether --socket or TORCHAT_SOCKET names the right one".to_owned()
        }
        _ => "look into its log".to_owned(),
    };
    Finding::wrong("daemon", error.to_string(), advice)
}

/// Asks it everything, and tells each thing when it is known.
pub(super) fn check(json: bool, connection: &Connection, tell: &mut impl FnMut(Finding) -> Done) -> Done {
    let status = connection.call(&Status::default())?.status;
    let recent = recent(connection)?;
    let works = tor(status.tor.as_ref());
    let names = Names::read(connection)?;
    tell(clock::check(Timestamp::now(), &recent, status.tor.as_ref(), &names))?;
    let usable = works.grade == Grade::Ok;
    tell(works)?;
    tell(onion(json, connection, status.reachable.as_ref(), usable)?)?;
    tell(storage(status.storage))?;
    tell(sandbox(status.sandbox.as_deref()))?;
    if let Some(finding) = search(status.search) {
        tell(finding)?;
    }
    tell(calls(connection)?)?;
    delivery(&recent).map_or(Ok(()), &mut *tell)?;
    queue(&status, &names).into_iter().try_for_each(&mut *tell)?;
    rooms::check(connection, &names)?.into_iter().try_for_each(&mut *tell)?;
    held_up(status.refused.as_ref()).map_or(Ok(()), &mut *tell)?;
    dropped_in_rooms(status.rooms.as_ref()).map_or(Ok(()), &mut *tell)?;
    lost(status.refused.as_ref()).map_or(Ok(()), &mut *tell)?;
    notices(&status, &names).into_iter().try_for_each(tell)
}

/// What the daemon wants its user to know, and which peer it is about. Some of it is only what a contact says.
fn notices(status: &DaemonStatus, names: &Names) -> Vec<Finding> {
    let rows = status.notices.iter().flatten();
    rows.map(|notice| Finding::note("notice", format::notice(notice, |peer| names.of(peer)))).collect()
}

/// The last messages of the liveliest conversations.
fn recent(connection: &Connection) -> Done<Vec<Message>> {
    let (conversations, limit) = RECENT;
    let mut messages = Vec::new();
    let first = Conversations { before: None, after: None, limit: Some(conversations) };
    for row in connection.call(&first)?.conversations {
        if row.last.is_some() {
            let page = History { peer: row.id(), before: None, after: None, limit: Some(limit), hidden: false };
            messages.extend(connection.call(&page)?.messages);
        }
    }
    Ok(messages)
}

fn tor(tor: Option<&TorPart>) -> Finding {
    match tor {
        Some(TorPart { usable: true, sentence, .. }) => Finding::ok("tor", sentence.as_str()),
        Some(tor) => unready(tor),
        None => Finding::wrong("tor", "the daemon says nothing about Tor", UNREADY),
    }
}

fn unready(tor: &TorPart) -> Finding {
    let progress = if tor.percent < 100 { Some(format!("{} %", tor.percent)) } else { None };
    let age = tor.down_s.map(|seconds| format!("for {}", span(seconds)));
    let more: Vec<_> = progress.into_iter().chain(age).collect();
    let more = if more.is_empty() { String::new() } else { format!(" ({})", more.join(", ")) };
    Finding::wrong("tor", format!("{}{more}", tor.sentence), UNREADY).explain(tor.detail.clone())
}

/// Has the daemon dial its own onion, if that can be; else tells what it knows.
fn onion(json: bool, connection: &Connection, reachable: Option<&ReachablePart>, usable: bool) -> Done<Finding> {
    let can = connection.welcome().commands.iter().any(|name| name == Check::NAME);
    if !usable || !can {
        return Ok(known(reachable, usable));
    }
    progress(json, "dialling your own onion, which may take a minute");
    Ok(checked(&connection.call_within(&Check {}, CHECK_TIME)?, reachable))
}

/// What a dial of our own onion came to.
fn checked(answer: &CheckAnswer, reachable: Option<&ReachablePart>) -> Finding {
    let (time, ago) = (took(answer.ms.saturating_mul(1_000)), answer.age_s);
    let when = if ago == 0 { String::new() } else { format!(", {} ago", span(ago)) };
    if answer.reached {
        return Finding::ok("onion", format!("your onion answered over a fresh circuit after {time}{when}"));
    }
    let last = reachable.and_then(|reachable| reachable.reached_s_ago);
    let last =
        last.map_or("it was not reached since the start".to_owned(), |s| format!("it was reached {} ago", span(s)));
    let sentence = format!("your onion did not answer over a fresh circuit ({time}{when}); {last}");
    Finding::wrong("onion", sentence, format!("{UNREACHED}; this is normal in the first minutes after a start"))
        .explain(answer.reason.clone())
}

/// What the daemon knows of it without a dial.
fn known(reachable: Option<&ReachablePart>, usable: bool) -> Finding {
    let last = reachable.and_then(|reachable| reachable.reached_s_ago);
    if !usable {
        // Whatever was true a moment ago.
        let when = last.map_or_else(String::new, |s| format!("; it was last reached {} ago", span(s)));
        return Finding::note("onion", format!("nobody can reach your onion while Tor does not work{when}"));
    }
    if let Some(sentence) = reachable.and_then(|reachable| reachable.sentence.as_deref()) {
        return Finding::wrong("onion", sentence, UNREACHED);
    }
    match last {
        Some(seconds) if seconds <= FRESH_S => {
            Finding::ok("onion", format!("your onion was reached {} ago", span(seconds)))
        }
        Some(seconds) => Finding::note(
            "onion",
            format!("your onion was last reached {} ago; nothing suggests that it is not reachable now", span(seconds)),
        ),
        None => Finding::note("onion", "nobody, not even the daemon itself, has reached your onion since it started"),
    }
}

/// What the kernel refuses to the daemon itself. It works without, so nothing of it is wrong.
fn sandbox(said: Option<&str>) -> Finding {
    match said {
        Some(said) if said.starts_with("on") => Finding::ok("sandbox", said),
        Some(said) => Finding::note("sandbox", said),
        None => Finding::note("sandbox", "this version of the daemon has no sandbox"),
    }
}

fn storage(storage: Option<StorageState>) -> Finding {
    match storage {
        Some(StorageState::Ok) => Finding::ok("storage", "the store takes messages"),
        Some(StorageState::Locked) => Finding::wrong(
            "storage",
            "another program holds torchat.db, so the daemon refuses new messages",
            "end the program that holds it: a backup, sqlite3",
        ),
        Some(StorageState::Damaged) => Finding::wrong(
            "storage",
            "torchat.db is damaged, so the daemon refuses new messages",
            "stop the daemon and restore torchat.db from a copy: see \"Copies of the store\" in OPERATIONS.md",
        ),
        Some(StorageState::Failing) => Finding::wrong(
            "storage",
            "the disk reports errors, so the daemon refuses new messages",
            "look at the system's log and at the disk",
        ),
        Some(StorageState::ReadOnly) => Finding::wrong(
            "storage",
            "torchat.db cannot be written, so the daemon refuses new messages",
            "make the file, its directory and its disk writable for the daemon's user",
        ),
        _ => {
            Finding::wrong("storage", "the store is full, so the daemon refuses new messages", "make room on the disk")
        }
    }
}

/// The search's index; an older daemon says nothing of it.
fn search(search: Option<SearchState>) -> Option<Finding> {
    match search? {
        SearchState::Ok => None,
        SearchState::Rebuilding => {
            Some(Finding::note("search", "the search index was damaged; the daemon is rebuilding it"))
        }
        _ => Some(
            Finding::note("search", "the search index is damaged; the messages are complete")
                .advise("restart the daemon: it rebuilds the index"),
        ),
    }
}

/// What peers could not pay from their accounts. An honest peer hardly ever meets a bound, so somebody should know.
fn held_up(refused: Option<&RefusedPart>) -> Option<Finding> {
    let met: Vec<_> = refused?.account().into_iter().filter(|(_, times)| *times > 0).collect();
    let met: Vec<_> = met.into_iter().map(|(kind, times)| format!("{kind} {times}")).collect();
    let sentence =
        format!("peers asked for more than one peer may cost, and the daemon slowed them down: {}", met.join(", "));
    let advice = "nothing is lost by it; OPERATIONS.md, \"The account of each peer\", says what each word means";
    (!met.is_empty()).then(|| Finding::note("peers", sentence).advise(advice))
}

/// What members, former members and strangers did in rooms beyond what they may.
fn dropped_in_rooms(rooms: Option<&RoomsPart>) -> Option<Finding> {
    let met: Vec<_> = rooms?.refused.by_others().into_iter().filter(|(_, times)| *times > 0).collect();
    let met: Vec<_> = met.into_iter().map(|(kind, times)| format!("{kind} {times}")).collect();
    let sentence =
        format!("in rooms, others did more than they may, and the daemon did not take it: {}", met.join(", "));
    let advice = "what honest members say comes later; OPERATIONS.md, \"Limits\", says what each word means";
    (!met.is_empty()).then(|| Finding::note("peers", sentence).advise(advice))
}

/// Commands of programs that close their socket at once, as those of the first TORchat do: they believe that they have sent.
fn lost(refused: Option<&RefusedPart>) -> Option<Finding> {
    let lost = refused?.closed;
    let (commands, were, its) = match lost {
        1 => ("command", "was", "its program"),
        _ => ("commands", "were", "their programs"),
    };
    let sentence = format!(
        "{lost} local {commands} {were} lost, because {its} closed the socket before the daemon saw whose it was"
    );
    let advice = "keep the socket open until the answer is there; on a machine of your own, [control] trust_closed (OPERATIONS.md) \
                  lets SEND and EXIT through";
    (lost > 0).then(|| Finding::note("clients", sentence).advise(advice))
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
    let sentence = format!("a call takes {} (p50), {} (p95)", micros(p50), micros(p95));
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
    let sentence = format!("a delivery took {} (p50), {} (p95), by the last {n}", micros(p50), micros(p95));
    Some(Finding::ok("delivery", sentence))
}

/// For people.
fn micros(time: Duration) -> String {
    took(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

/// Of at least one time.
fn quantiles(times: &mut [Duration]) -> (Duration, Duration) {
    times.sort_unstable();
    let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied();
    (at(50).unwrap_or_default(), at(95).unwrap_or_default())
}

/// What waits, for which peer, why, and when it is tried again.
fn queue(status: &DaemonStatus, names: &Names) -> Vec<Finding> {
    let Some(queue) = status.queue.as_ref().filter(|queue| queue.messages > 0) else {
        return vec![Finding::ok("queue", "nothing waits to be delivered")];
    };
    let sentence = format!("{} undelivered", count(queue.messages, "message"));
    // An older daemon does not say how much may wait.
    let percent = queue.limit.map_or(0, |limit| queue.bytes.saturating_mul(100) / limit.max(1));
    let mut findings = vec![if percent >= NEARLY_FULL_PERCENT {
        let sentence = format!("{sentence}, {percent}% of the text that may wait");
        Finding::wrong(
            "queue",
            sentence,
            "the daemon will soon refuse new messages: take back those that nobody waits for",
        )
    } else {
        Finding::note("queue", sentence).advise("the daemon sends each as soon as its peer can be reached")
    }];
    for row in status.reasons.iter().flatten() {
        let who = names.of(row.peer);
        let next = row.next_try_s.map_or_else(String::new, |s| format!("; next try in {}", span(s)));
        let waiting = count(row.queued, "message");
        let why = reason::words(row.why.as_ref(), Some(&row.reason), &who).unwrap_or_default();
        findings.push(Finding::note("queue", format!("{waiting} for {who}: {why}{next}")));
    }
    findings
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::{Value, json};
    use torchat_client::api::status::RoomsRefused;

    const PEER: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";

    /// A state of which a daemon says only this.
    fn status(said: Value) -> DaemonStatus {
        serde_json::from_value(said).unwrap()
    }

    #[test]
    fn what_status_says_is_graded() {
        assert_eq!(
            tor(status(json!({"tor": {"usable": true, "percent": 100, "sentence": "ready"}})).tor.as_ref()).grade,
            Grade::Ok
        );
        let away = tor(status(json!({"tor": {"usable": false, "percent": 40, "sentence": "loading"}})).tor.as_ref());
        assert_eq!((away.grade, away.sentence.as_str()), (Grade::Wrong, "loading (40 %)"));
        let gone = json!({"usable": false, "percent": 100, "sentence": "no way", "down_s": 125, "detail": "a: b"});
        let gone = tor(status(json!({ "tor": gone })).tor.as_ref());
        assert_eq!((gone.sentence.as_str(), gone.detail.as_deref()), ("no way (for 2 min)", Some("a: b")));
        // What was reached a moment ago is not reached now.
        let cut =
            known(status(json!({"reachable": {"reached_s_ago": 54, "sentence": null}})).reachable.as_ref(), false);
        assert_eq!(
            (cut.grade, cut.sentence.as_str()),
            (Grade::Note, "nobody can reach your onion while Tor does not work; it was last reached 54 s ago")
        );
        let onion = |value: Value| known(status(json!({"reachable": value})).reachable.as_ref(), true).grade;
        assert_eq!(onion(json!({"reached_s_ago": 12, "sentence": null})), Grade::Ok);
        assert_eq!(onion(json!({"reached_s_ago": 90_000, "sentence": null})), Grade::Note);
        assert_eq!(onion(json!({"reached_s_ago": null, "sentence": null})), Grade::Note);
        assert_eq!(onion(json!({"reached_s_ago": 900, "sentence": "not reached"})), Grade::Wrong);
        assert_eq!(storage(Some(StorageState::Full)).grade, Grade::Wrong);
        assert_eq!(sandbox(Some("on: landlock, seccomp")).grade, Grade::Ok);
        assert_eq!(sandbox(Some("none: landlock is switched off")).grade, Grade::Note);
        assert_eq!(sandbox(None).grade, Grade::Note);
        let words = ["full", "locked", "damaged", "failing", "read-only"]
            .map(|state| storage(status(json!({"storage": state})).storage).sentence);
        for (n, sentence) in words.iter().enumerate() {
            assert!(!words[n + 1..].contains(sentence), "{sentence}");
        }
        assert!(search(Some(SearchState::Ok)).is_none() && search(None).is_none());
        assert_eq!(search(Some(SearchState::Rebuilding)).unwrap().grade, Grade::Note);
        let refused = RefusedPart { account_links: 3, account_work: 1, clients: 7, ..RefusedPart::default() };
        let held_up = held_up(Some(&refused)).unwrap();
        assert!(held_up.grade == Grade::Note && held_up.sentence.ends_with(": links 3, work 1"), "{held_up:?}");
        assert!(super::held_up(Some(&RefusedPart { clients: 7, ..RefusedPart::default() })).is_none());
        assert!(super::lost(Some(&RefusedPart { clients: 7, ..RefusedPart::default() })).is_none());
        for (closed, words) in
            [(1, "1 local command was lost, because its"), (38, "38 local commands were lost, because their")]
        {
            let found = super::lost(Some(&RefusedPart { closed, ..RefusedPart::default() })).unwrap();
            assert!(found.sentence.starts_with(words), "{}", found.sentence);
        }
        assert!(super::held_up(None).is_none(), "an older daemon");
        let mut rooms = RoomsPart {
            channels: 0,
            joined: 1,
            links: 0,
            petitions: 0,
            queued: 0,
            refused: RoomsRefused { outbox_full: 2, ..RoomsRefused::default() },
        };
        assert!(super::dropped_in_rooms(Some(&rooms)).is_none(), "that was us");
        rooms.refused.quota = 5;
        let told = super::dropped_in_rooms(Some(&rooms)).unwrap();
        assert!(told.grade == Grade::Note && told.sentence.ends_with(": quota 5"), "{told:?}");
        let queue = |bytes: u64, limit: Option<u64>| {
            let why = json!({"code": "unreachable", "tries": 1, "failure": "timeout", "detail": "503 circuits"});
            let rows = json!([{"peer": PEER, "queued": 1, "reason": "r", "next_try_s": 5, "why": why}]);
            queue(
                &status(json!({"queue": {"messages": 1, "bytes": bytes, "limit": limit}, "reasons": rows})),
                &Names::default(),
            )
        };
        let waiting: Vec<_> =
            queue(118, Some(64 << 20)).into_iter().map(|finding| (finding.grade, finding.sentence)).collect();
        let expected =
            ["1 message undelivered", "1 message for pg6mmjiyjm: pg6mmjiyjm did not answer in time; next try in 5 s"];
        assert_eq!(waiting, expected.map(|sentence| (Grade::Note, sentence.to_owned())));
        // How much may wait is what the daemon says, not what it is by default.
        for (bytes, limit, grade) in [
            (60 << 20, Some(64 << 20), Grade::Wrong),
            (60 << 20, Some(128 << 20), Grade::Note),
            (950, Some(1_000), Grade::Wrong),
            (60 << 20, None, Grade::Note),
        ] {
            let found = queue(bytes, limit).remove(0);
            assert_eq!(found.grade, grade, "{bytes} of {limit:?}: {}", found.sentence);
        }
        assert_eq!(queue(950, Some(1_000)).remove(0).sentence, "1 message undelivered, 95% of the text that may wait");
    }

    #[test]
    fn a_dial_of_our_own_onion_tells_how_it_went_and_when() {
        let answer = |reached, reason: Option<&str>, age_s| {
            let answer = CheckAnswer { reached, ms: 1_500, reason: reason.map(str::to_owned), why: None, age_s };
            checked(&answer, status(json!({"reachable": {"reached_s_ago": 7200}})).reachable.as_ref())
        };
        let good = answer(true, None, 0);
        assert_eq!(
            (good.grade, good.sentence.as_str()),
            (Grade::Ok, "your onion answered over a fresh circuit after 1.5 s")
        );
        assert!(answer(true, None, 40).sentence.ends_with("1.5 s, 40 s ago"));
        let bad = answer(false, Some("no circuit"), 0);
        assert!(bad.grade == Grade::Wrong && bad.sentence.ends_with(" (1.5 s); it was reached 2 h ago"), "{bad:?}");
        assert_eq!(bad.detail.as_deref(), Some("no circuit"), "Tor's words stand apart");
        assert!(bad.advice.unwrap().contains("nothing is lost"));
    }

    #[test]
    fn what_we_may_do_is_told_in_words() {
        assert_eq!(allowed(&[Right::Admin]), "you may do everything");
        assert_eq!(allowed(&[Right::Read, Right::Send]), "your rights: read, send");
        assert_eq!(allowed(&[]), "you have no rights there");
    }

    #[test]
    fn a_notice_says_of_whom_it_is() {
        let status = status(json!({ "notices": [
            { "at_ms": 1, "peer": PEER, "sentence": "says so" },
            { "at_ms": 1, "peer": null, "sentence": "slept" },
        ] }));
        let said: Vec<_> = notices(&status, &Names::default()).into_iter().map(|found| found.sentence).collect();
        assert_eq!(said, ["pg6mmjiyjm: says so", "slept"]);
    }

    #[test]
    fn quantiles_are_of_the_sorted_times() {
        let mut times: Vec<_> = (0..100).rev().map(Duration::from_millis).collect();
        assert_eq!(quantiles(&mut times), (Duration::from_millis(50), Duration::from_millis(95)));
        assert_eq!(quantiles(&mut [Duration::from_secs(1)]), (Duration::from_secs(1), Duration::from_secs(1)));
    }
}
