//! The power goes while a room talks: images of all members' disks of the same moment, opened again.

use super::Room;
use super::decider::{Decider, KINDS};
use super::view::{self, View};
use crate::ledger::{Fate, Ledger};
use crate::node::{Address, Node};
use crate::powercut::{self, Disks, PATIENCE, Recorder, Said, cut, ledger, now, opens, say};
use anyhow::{Context as _, ensure};
use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};
use torchat_testkit::daemon::eventually;

/// Members; the first owns the room.
const MEMBERS: usize = 3;

/// What a run found.
#[derive(Debug, Clone, Copy, Default)]
pub struct Report {
    /// Images of all members at once, each opened and checked.
    pub images: usize,
    /// Of them those on which all daemons were started, until all members agreed.
    pub with_daemons: usize,
    /// System calls in all logs.
    pub calls: usize,
    /// Accepted texts of the room that were looked for at their authors.
    pub texts: usize,
    /// Texts that were looked for at another member, who had said that they are stored.
    pub stored: usize,
    /// Things that were decided and looked at.
    pub decided: usize,
    /// Mail that was looked for.
    pub mail: usize,
    /// The whole run.
    pub time: Duration,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} power cuts of a room of {MEMBERS} ({} changes of files in the log) in {:.1} s: {} accepted texts looked for at their \
             authors, {} delivered ones at another member, {} decisions and {} messages beside it; 0 lost, 0 undone, 0 repeated, \
             0 out of order, 0 damaged stores; on {} of them all daemons were started, got the rest and agreed",
            self.images,
            self.calls,
            self.time.as_secs_f64(),
            self.texts,
            self.stored,
            self.decided,
            self.mail,
            self.with_daemons,
        )
    }
}

/// What was said and decided before the power went.
struct Talk {
    room: Room,
    /// From this moment on the room was together.
    met: u64,
    /// By members.
    said: Vec<Vec<Said>>,
    /// By the first two, to each other.
    mail: [Vec<Said>; 2],
    onions: [String; 2],
    decider: Decider,
}

/// Records the daemons of a room under load, then cuts their power at `images` moments; on every `sample`th image they run again.
///
/// # Errors
/// The first violation, with its image's number: `seed` gives the same choices over another recording.
pub fn run(
    program: &Path,
    disks: Disks,
    messages: usize,
    images: usize,
    sample: usize,
    seed: u64,
) -> anyhow::Result<Report> {
    let begun = Instant::now();
    let dir = tempfile::tempdir()?;
    let mut nodes = Vec::new();
    for n in 1..=MEMBERS {
        nodes.push(Node::new(program, dir.path(), u8::try_from(n)?)?);
    }
    let recorder = Recorder::start(&mut nodes, dir.path(), disks)?;
    let talk = load(&nodes, messages)?;
    let recordings = recorder.stop(&mut nodes)?;
    let mut report = Report { calls: recordings.iter().map(Vec::len).sum(), ..Report::default() };
    cut(&recordings, images, seed, |number, moment, place| {
        judge(place, &talk, moment, &mut report)?;
        report.mail += powercut::judge(program, place, &talk.mail, moment, &talk.onions, false)?;
        if number % sample == sample - 1 && moment >= talk.met {
            go_on(program, place, &talk, moment)?;
            report.with_daemons += 1;
        }
        report.images += 1;
        Ok(())
    })?;
    report.time = begun.elapsed();
    ensure!(report.texts > 0 && report.stored > 0 && report.decided > 0, "nothing was tested: {report}");
    Ok(report)
}

/// All members talk, the owner decides, two exchange mail.
fn load(nodes: &[Node], messages: usize) -> anyhow::Result<Talk> {
    let room = Room::meet(nodes)?;
    let met = now();
    let addresses = nodes.iter().map(Node::address).collect::<anyhow::Result<Vec<_>>>()?;
    std::thread::scope(|scope| {
        let peer = room.peer.as_str();
        let mut talking = Vec::new();
        for (n, own) in addresses.iter().enumerate() {
            // The last one is muted now and then, and what it says is not delivered then.
            let waits = n + 1 < MEMBERS;
            talking.push((n, scope.spawn(move || say(own, peer, &format!("{n}-wait"), messages, waits))));
            talking.push((n, scope.spawn(move || say(own, peer, &format!("{n}-plain"), messages, false))));
        }
        let mut mail = Vec::new();
        for side in 0..2 {
            let (own, other) = (&addresses[side], addresses[1 - side].onion.as_str());
            mail.push(scope.spawn(move || say(own, other, &format!("mail{side}"), messages, side == 0)));
        }
        let deciding = scope.spawn(|| decide(&addresses[0], &room, messages));
        let panicked = |_| anyhow::anyhow!("a thread panicked");
        let mut said = vec![Vec::new(); nodes.len()];
        for (n, thread) in talking {
            said[n].extend(thread.join().map_err(panicked)??);
        }
        let mut letters = [Vec::new(), Vec::new()];
        for (side, thread) in mail.into_iter().enumerate() {
            letters[side] = thread.join().map_err(panicked)??;
        }
        let decider = deciding.join().map_err(panicked)??;
        let onions = [addresses[0].onion.clone(), addresses[1].onion.clone()];
        Ok(Talk { room: room.clone(), met, said, mail: letters, onions, decider })
    })
}

fn decide(owner: &Address, room: &Room, count: usize) -> anyhow::Result<Decider> {
    let mut decider = Decider::default();
    let mut api = owner.api().context("it does not answer")?;
    for n in 0..u64::try_from(count)? {
        if let Some(wish) = decider.think(&mut api, room, n % KINDS)? {
            ensure!(decider.ask(&mut api, wish)?, "the connection ended");
        }
    }
    Ok(decider)
}

/// Opens the images.
fn judge(place: &Path, talk: &Talk, moment: u64, report: &mut Report) -> anyhow::Result<()> {
    let mut views = Vec::new();
    for n in 0..MEMBERS {
        let database = place.join(format!("node{}", n + 1)).join("torchat.db");
        opens(&database).with_context(|| format!("member {}", n + 1))?;
        views.push(View::in_store(&database, &talk.room.peer)?);
    }
    let lines = |at: usize, own: bool| {
        let Some(view) = &views[at] else { return Ok(Vec::new()) };
        let is_own = |member: u64| usize::try_from(member).is_ok_and(|member| member == at + 1);
        let texts = view.texts.iter().filter(|shown| is_own(shown.member) == own).cloned().collect();
        View { decided: Default::default(), texts }.lines(&talk.decider.originals)
    };
    let (mut published, mut arrived) = (HashSet::new(), Vec::new());
    for (n, said) in talk.said.iter().enumerate() {
        let who = || format!("member {}", n + 1);
        let own = lines(n, true)?;
        let mut at_author = ledger(said, moment, false);
        let redacted = views[n].as_ref().map(|view| view.redacted(&talk.decider.originals)).unwrap_or_default();
        redacted.into_iter().for_each(|text| at_author.excuse(text));
        report.texts += at_author.check(&own).with_context(who)?.acked;
        published.extend(views[n].iter().flat_map(|view| view.texts.iter().map(|shown| shown.mid.clone())));
        let there = lines(n, false)?;
        unsure(talk).check(&there).with_context(who)?;
        arrived.push(there);
    }
    for (n, there) in arrived.iter().enumerate() {
        let unknown = there.iter().find(|(mid, _)| !published.contains(mid));
        ensure!(unknown.is_none(), "member {} has {unknown:?}, which its author has forgotten", n + 1);
    }
    for (n, said) in talk.said.iter().enumerate() {
        let others = arrived.iter().enumerate().filter(|(at, _)| *at != n);
        let texts: Vec<_> = others.flat_map(|(_, there)| there.iter().map(|(_, text)| text.clone())).collect();
        let mut ledger = ledger(said, moment, true);
        // Whoever heard of the redact first shows no text there.
        talk.decider.originals.values().for_each(|text| ledger.excuse(text));
        let missing = ledger.missing(&texts);
        ensure!(missing.is_empty(), "member {} was told that others had stored {missing:?}, and nobody has", n + 1);
        report.stored += ledger.acked();
    }
    let things = views[0].as_ref().map(View::things).unwrap_or_default();
    report.decided += talk.decider.decisions.check(&things, moment)?;
    Ok(())
}

/// All that was ever said, of which anything may be there.
fn unsure(talk: &Talk) -> Ledger {
    let mut ledger = Ledger::default();
    for said in talk.said.iter().flatten() {
        ledger.note(said.text.clone(), Fate::Unsure);
    }
    ledger
}

/// Starts all daemons. What was accepted comes to every member, and all agree.
fn go_on(program: &Path, place: &Path, talk: &Talk, moment: u64) -> anyhow::Result<()> {
    let mut nodes = Vec::new();
    for n in 1..=MEMBERS {
        let mut node = Node::new(program, place, u8::try_from(n)?)?;
        node.start_plain()?;
        nodes.push(node);
    }
    let mut all = Ledger::default();
    for said in &talk.said {
        all.merge(ledger(said, moment, false));
    }
    let views = eventually("all members agree", PATIENCE, || {
        let mut views = Vec::new();
        for node in &nodes {
            views.push(View::at(&node.address()?, &talk.room.peer)?);
        }
        for view in &views[1..] {
            views[0].agrees(view)?;
        }
        Ok(Some(views))
    })?;
    view::judge(&views, &all, &talk.decider, moment)?;
    for node in &mut nodes {
        node.stop()?;
        ensure!(!node.log()?.contains("panicked"), "it panicked: {}", node.log()?);
    }
    Ok(())
}
