//! kill -9 of the daemons of a room at random moments, while all of them talk, one decides, and two exchange mail beside it.

use super::Room;
use super::decider::{Decider, KINDS, Wish};
use super::view::{self, View};
use crate::kill::{LIFE_MS, PACE, SETTLE, drain, read_until, send_until};
use crate::ledger::{Fate, Ledger};
use crate::node::{Address, Node};
use anyhow::{Context as _, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use torchat_harness::api::Api;
use torchat_testkit::daemon::eventually;

/// Members that talk; the first owns the room. One more comes and goes.
const MEMBERS: usize = 3;
/// Between two texts of a member: a room's text costs each member's daemon more than mail.
const ROOM_PACE: Duration = Duration::from_millis(8);
/// Between two decisions.
const DECIDE: Duration = Duration::from_millis(15);

/// What a run found.
#[derive(Debug, Clone, Copy, Default)]
pub struct Report {
    /// Kills.
    pub rounds: usize,
    /// Texts in the room that were accepted.
    pub texts: usize,
    /// Of them those whose client waited until another member had them.
    pub waited: usize,
    /// Texts of others that members had got before the last kill.
    pub crossed_under_fire: usize,
    /// Decisions that were answered as done.
    pub decided: usize,
    /// Decisions whose answers were lost.
    pub unsure: usize,
    /// Members that came, each under a number of its own.
    pub came: usize,
    /// Mail that was accepted.
    pub mail: usize,
    /// Kills and talk.
    pub time: Duration,
    /// From the last kill until all agreed.
    pub settled: Duration,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} kills in a room of {} in {:.1} s: {} texts accepted ({} of them waited for), {} had crossed under fire, {} decisions done, \
             {} answers lost with their daemon, {} newcomers, {} messages beside it; 0 lost, 0 repeated, 0 out of order, \
             0 undone; all agreed {:.1} s after the last kill",
            self.rounds,
            MEMBERS + 1,
            self.time.as_secs_f64(),
            self.texts,
            self.waited,
            self.crossed_under_fire,
            self.decided,
            self.unsure,
            self.came,
            self.mail,
            self.settled.as_secs_f64(),
        )
    }
}

/// Kills one of the daemons `rounds` times. Victims and moments follow from the seed; what the daemons did then does not.
///
/// # Errors
/// Any loss, repetition or disorder, anything that was undone, members that do not agree, or a daemon that does not come back.
pub fn run(program: &Path, rounds: usize, seed: u64) -> anyhow::Result<Report> {
    let dir = tempfile::tempdir()?;
    let mut nodes = Vec::new();
    for n in 0..=MEMBERS {
        let mut node = Node::new(program, dir.path(), u8::try_from(n)? + 1)?;
        node.start_plain()?;
        nodes.push(node);
    }
    let room = Room::meet(&nodes[..MEMBERS])?;
    let addresses = nodes.iter().map(Node::address).collect::<anyhow::Result<Vec<_>>>()?;
    let stop = AtomicBool::new(false);
    let begun = Instant::now();
    let mut report = Report { rounds, ..Report::default() };
    let talk = std::thread::scope(|scope| -> anyhow::Result<Talk> {
        let (mut rooms, mut mail, mut reading) = (Vec::new(), Vec::new(), Vec::new());
        let (stop, peer) = (&stop, room.peer.as_str());
        for (n, own) in addresses.iter().take(MEMBERS).enumerate() {
            rooms.push((n, scope.spawn(move || send_until(own, peer, &format!("{n}-plain"), ROOM_PACE, stop))));
            rooms.push((n, scope.spawn(move || wait_until(own, peer, &format!("{n}-wait"), stop))));
        }
        for side in 0..2 {
            let (own, other) = (&addresses[side], addresses[1 - side].onion.as_str());
            mail.push(scope.spawn(move || send_until(own, other, &format!("mail{side}"), PACE, stop)));
            reading.push(scope.spawn(move || read_until(own, other, stop)));
        }
        let (decider, room) = (&addresses, &room);
        let deciding = scope.spawn(move || decide_until(decider, room, seed, stop));
        let mut random = StdRng::seed_from_u64(seed);
        let killing = (|| -> anyhow::Result<()> {
            for round in 0..rounds {
                // The moment is what is tested; nothing is waited for.
                std::thread::sleep(Duration::from_millis(random.random_range(0..LIFE_MS)));
                let victim = random.random_range(0..nodes.len());
                let victim = &mut nodes[victim];
                victim.kill()?;
                victim.start_plain().with_context(|| format!("after kill {round}"))?;
            }
            for node in &nodes[..MEMBERS] {
                report.crossed_under_fire += node.stored(peer, "in")?.len();
            }
            Ok(())
        })();
        stop.store(true, Ordering::Relaxed);
        let panicked = |_| anyhow::anyhow!("a thread panicked");
        let mut talk = Talk::default();
        for (n, thread) in rooms {
            let ledger = thread.join().map_err(panicked)?.with_context(|| format!("member {}", n + 1))?;
            report.waited += if ledger.is_of("wait") { ledger.acked() } else { 0 };
            talk.room.merge(ledger);
        }
        for (side, thread) in mail.into_iter().enumerate() {
            talk.mail[side].merge(thread.join().map_err(panicked)??);
        }
        for thread in reading {
            talk.reads.push(thread.join().map_err(panicked)??);
        }
        talk.decider = deciding.join().map_err(panicked)?.context("the decider")?;
        killing.map(|()| talk)
    })?;
    report.time = begun.elapsed();
    let last = Instant::now();
    let views = settled(&nodes, &addresses, &room, &talk);
    if views.is_err() {
        // What the stores hold says more than any message.
        eprintln!("the data directories are kept in {}", dir.keep().display());
    }
    let views = views?;
    report.settled = last.elapsed();
    report.came = views[0].decided.keys().filter(|thing| thing.starts_with("member ")).count() - MEMBERS;
    for (address, view) in addresses.iter().zip(&views) {
        told(address, &room.peer, view)?;
    }
    for (side, mut read) in talk.reads.into_iter().enumerate() {
        let peer = &addresses[1 - side].onion;
        drain(&nodes[side], peer, &mut read)?;
        let arrived = nodes[side].stored(peer, "in")?;
        talk.mail[1 - side].check(&arrived).with_context(|| format!("mail to side {side}"))?;
        read.judge(&arrived)?;
    }
    for node in &mut nodes {
        ensure!(!node.log()?.contains("panicked"), "a daemon panicked: {}", node.log()?);
        node.stop()?;
    }
    report.texts = talk.room.acked();
    report.mail = talk.mail.iter().map(Ledger::acked).sum();
    report.decided = talk.decider.decisions.count(Fate::Acked);
    report.unsure = talk.decider.decisions.count(Fate::Unsure);
    Ok(report)
}

/// What was said and decided.
#[derive(Debug, Default)]
struct Talk {
    room: Ledger,
    mail: [Ledger; 2],
    reads: Vec<crate::kill::Reads>,
    decider: Decider,
}

/// Waits until all members have everything and agree. Returns what each sees.
fn settled(nodes: &[Node], addresses: &[Address], room: &Room, talk: &Talk) -> anyhow::Result<Vec<View>> {
    let views = eventually("all members agree", SETTLE, || {
        let mut views = Vec::new();
        for address in addresses.iter().take(MEMBERS) {
            views.push(View::at(address, &room.peer)?);
        }
        // The one that came and went, if it is a member now.
        let guest = views[0].has("n4");
        if guest {
            let seen = View::at(&addresses[MEMBERS], &room.peer);
            views.push(seen.with_context(|| format!("the guest, where the owner sees {:?}", views[0].decided))?);
        }
        for view in &views[1..] {
            views[0].agrees(view)?;
        }
        for (side, ledger) in talk.mail.iter().enumerate() {
            let arrived = nodes[1 - side].stored(&addresses[side].onion, "in")?;
            let texts: Vec<_> = arrived.into_iter().map(|(_, text)| text).collect();
            ensure!(ledger.missing(&texts).is_empty(), "mail of side {side} is missing");
        }
        Ok(Some(views))
    })?;
    view::judge(&views, &talk.room, &talk.decider, u64::MAX)?;
    Ok(views)
}

/// The events of a daemon tell of each text of others that is shown, once.
fn told(address: &Address, room: &str, view: &View) -> anyhow::Result<()> {
    let mut api = address.api().context("it does not answer")?;
    let me = api.ok(json!({"cmd": "ROOM", "peer": room}))?["room"]["me"]["member"].clone();
    let (mut after, mut told, mut again) = (json!(0), HashSet::new(), HashSet::new());
    loop {
        let filter = json!({"kinds": ["received", "voided"], "peers": [room]});
        let page = api.ok(json!({"cmd": "EVENTS", "after": after, "limit": 1_000, "filter": filter}))?;
        for event in page["events"].as_array().context("no events")? {
            if event["event"] == "voided" {
                // It was hidden when it came, and counts again.
                let messages = event["messages"].as_array().into_iter().flatten();
                again.extend(messages.filter_map(|message| message["mid"].as_str().map(str::to_owned)));
                continue;
            }
            ensure!(event["event"] == "received", "not everything was kept: {event}");
            let mid = super::text(&event["message"]["mid"])?;
            ensure!(told.insert(mid), "an event came twice: {event}");
        }
        if page["next"] == page["last"] {
            break;
        }
        after = page["next"].clone();
    }
    for shown in view.texts.iter().filter(|shown| me != shown.member && !shown.is("hidden") && !shown.is("redacted")) {
        ensure!(told.contains(&shown.mid) || again.contains(&shown.mid), "programs were never told of {shown:?}");
    }
    Ok(())
}

/// Says texts and waits until another member has each. The same key is the same text, so each is said once, whatever became of the
/// first answer.
fn wait_until(own: &Address, peer: &str, name: &str, stop: &AtomicBool) -> anyhow::Result<Ledger> {
    let mut ledger = Ledger::default();
    let mut connection: Option<Api> = None;
    for number in 1u64.. {
        let text = format!("{name} {number}");
        let send =
            json!({"cmd": "SEND", "peer": peer, "text": text, "client_id": text, "wait": "delivered", "timeout": 20});
        let mut fate = Fate::Unsure;
        while fate == Fate::Unsure && !stop.load(Ordering::Relaxed) {
            let Some(api) = connection.as_mut() else {
                connection = own.api();
                std::thread::sleep(Duration::from_millis(1));
                continue;
            };
            match api.ask(send.clone()) {
                Ok(Ok(_)) => fate = Fate::Acked,
                // It waits, or its author is muted: it is stored.
                Ok(Err(error)) if error["code"] == "not-delivered" => fate = Fate::Acked,
                Ok(Err(error)) => anyhow::bail!("SEND was refused: {error}"),
                Err(_) => connection = None,
            }
        }
        ledger.note(text, fate);
        if stop.load(Ordering::Relaxed) {
            break;
        }
        std::thread::sleep(ROOM_PACE);
    }
    Ok(ledger)
}

/// Decides one thing after the other, as the owner. [`MEMBERS`] of the addresses are members, the last one's daemon comes and is removed in
/// turn.
fn decide_until(addresses: &[Address], room: &Room, seed: u64, stop: &AtomicBool) -> anyhow::Result<Decider> {
    let (owner, guest) = (&addresses[0], &addresses[MEMBERS]);
    let mut decider = Decider::default();
    let mut random = StdRng::seed_from_u64(seed ^ 1);
    let mut connection: Option<Api> = None;
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(DECIDE);
        let Some(api) = connection.as_mut() else {
            connection = owner.api();
            continue;
        };
        let wish = match random.random_range(0..KINDS + 2) {
            kind if kind < KINDS => decider.think(api, room, kind),
            _ => come_and_go(api, room, guest, &mut decider),
        };
        let alive = match wish {
            Ok(None) => true,
            Ok(Some(wish)) => decider.ask(api, wish)?,
            Err(_) => false,
        };
        if !alive {
            connection = None;
        }
    }
    Ok(decider)
}

/// The guest joins if it is not in, and is removed if it is.
fn come_and_go(owner: &mut Api, room: &Room, guest: &Address, decider: &mut Decider) -> anyhow::Result<Option<Wish>> {
    let members = owner.ok(json!({"cmd": "ROOM_MEMBERS", "peer": room.peer}))?;
    let is_guest = |member: &&Value| member["onion"] == *guest.onion && member["state"] == "in";
    let Some(member) = members["members"].as_array().into_iter().flatten().find(is_guest) else {
        // It may be dead at this moment, and asks the next time then.
        let _ = room.join(guest, "n4");
        return Ok(None);
    };
    let thing = format!("member {}", member["no"]);
    let is_in = Wish { request: Value::Null, thing: thing.clone(), value: "in member".into() };
    decider.note(is_in, Fate::Acked);
    let request = json!({"cmd": "ROOM_REMOVE", "peer": room.peer, "member": member["no"], "ban": false});
    Ok(Some(Wish { request, thing, value: "removed member".into() }))
}
