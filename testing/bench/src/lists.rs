//! Thousands of contacts: what a page of each list costs, what one more contact costs, and the daemon's memory, for two numbers of
//! contacts beside each other.
//!
//! Two daemons without Tor run at the same time, one with few contacts and one with many, and are asked in turn. The contacts are real
//! ones, added over the API; their onions nobody serves, so the daemons dial them all the time. Every second one has a message.

use crate::Setup;
use crate::memory::{Resident, megabytes};
use crate::process::{Process, Recipe};
use crate::report::{Aim, Report, Row};
use crate::stats::{Summary, median};
use anyhow::{Context as _, ensure};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use torchat_client::api::command::{Add, Contacts, Conversations, Host, Rename, Send, Status};
use torchat_client::api::{Address, ApiClientError, Call, Connection, Onion, Pending};
use torchat_core::handshake::LocalIdentity;

/// How many contacts there are.
#[derive(clap::Args)]
pub(crate) struct Sizes {
    /// Contacts of one daemon.
    #[arg(default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(500..=100_000))]
    few: u32,
    /// Contacts of the other daemon.
    #[arg(default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(500..=100_000))]
    many: u32,
}

/// Requests that are under way at once: as many as a daemon takes of a connection.
const AHEAD: usize = 16;
/// Pairs of questions.
const PAIRS: usize = 24;
/// The same of whole lists.
const WHOLE: usize = 5;
/// Rows of a page whose cost is compared.
const PAGE: u32 = 100;
/// The last contacts are added in slices of so many, whose times are compared.
const SLICE: usize = 20;
/// And this many slices.
const SLICES: usize = 20;
/// What a page or a contact may cost among many contacts, compared with few: it does not depend on their number, and a
/// busy machine gets some room.
const RATIO: f64 = 1.5;
/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// One of the daemons.
struct Side {
    recipe: Recipe,
    process: Process,
    connection: Connection,
    peers: Vec<Onion>,
    fresh: Resident,
}

impl Side {
    /// A daemon with all but the last contacts.
    fn start(setup: &Setup<'_>, name: &str, contacts: u32) -> anyhow::Result<Self> {
        let recipe = Recipe::loopback(&setup.dir.join(name))?;
        let process = recipe.start()?;
        let fresh = Resident::of(process.pid())?;
        let connection = Connection::open(&Address::tcp(process.port))?;
        let peers = peers(contacts)?;
        let side = Self { recipe, process, connection, peers, fresh };
        let most = side.peers.len() - SLICE * SLICES;
        let begun = Instant::now();
        side.add(0..most)?;
        eprintln!("{most} contacts added and named in {:.1?}", begun.elapsed());
        Ok(side)
    }

    fn add(&self, which: std::ops::Range<usize>) -> anyhow::Result<()> {
        let peers = || self.peers.iter().enumerate().skip(which.start).take(which.len());
        let add = |peer: &Onion| Add { peer: peer.0.onion(), text: String::new() };
        all(&self.connection, peers().map(|(_, peer)| add(peer)))?;
        all(
            &self.connection,
            peers().map(|(n, peer)| Rename { peer: peer.conversation(), name: format!("contact {n}") }),
        )
    }
}

/// Measures.
pub(crate) fn run(setup: &Setup<'_>, sizes: &Sizes, report: &mut Report) -> anyhow::Result<()> {
    ensure!(sizes.few < sizes.many, "the first number of contacts is the smaller one");
    let sides = [Side::start(setup, "many", sizes.many)?, Side::start(setup, "few", sizes.few)?];
    let mut rows = Rows { sides: &sides, report };
    let mut next = sides.each_ref().map(|side| side.peers.len() - SLICE * SLICES);
    let adding = rows.pairs(SLICES, |side, at| {
        let from = next[at];
        next[at] += SLICE;
        side.add(from..from + SLICE)
    })?;
    rows.row("a contact added and named", adding, SLICE, Aim::AtMost(RATIO));

    let silent = Conversations { before: None, after: None, limit: Some(PAGE) };
    let contacts = Contacts { after: None, limit: Some(PAGE) };
    rows.ask(&format!("first {PAGE} of CONTACTS"), PAIRS, |c| c.call(&contacts).map(drop), Aim::AtMost(RATIO))?;
    rows.ask(&format!("first {PAGE} of CONVERSATIONS"), PAIRS, |c| c.call(&silent).map(drop), Aim::AtMost(RATIO))?;
    rows.ask("STATUS", PAIRS, |c| c.call(&Status { version: None, wait: None }).map(drop), Aim::None)?;
    for side in &sides {
        let every_second = side.peers.iter().step_by(2);
        let send = |peer: &Onion| Send {
            peer: peer.conversation(),
            text: "a message that waits".to_owned(),
            client_id: None,
            expire: None,
            re: None,
            to: Vec::new(),
            wait: None,
            timeout: None,
        };
        all(&side.connection, every_second.map(send))?;
    }
    rows.ask(
        &format!("first {PAGE} of CONVERSATIONS, with messages"),
        PAIRS,
        |c| c.call(&silent).map(drop),
        Aim::AtMost(RATIO),
    )?;
    let whole = |c: &Connection| c.contact_pages().try_for_each(|page| page.map(drop));
    rows.ask("all of CONTACTS", WHOLE, whole, Aim::None)?;
    let whole = |c: &Connection| c.conversation_pages().try_for_each(|page| page.map(drop));
    rows.ask("all of CONVERSATIONS", WHOLE, whole, Aim::None)?;
    rows.ask(
        "STATUS, when every second contact is owed a message",
        WHOLE,
        |c| c.call(&Status { version: None, wait: None }).map(drop),
        Aim::None,
    )?;
    rows.ask("HOST", 10 * PAIRS, |c| c.call(&Host {}).map(drop), Aim::AtMost(RATIO))?;
    for side in &sides {
        let now = Resident::of(side.process.pid())?;
        let grown = now.all.saturating_sub(side.fresh.all);
        rows.report.note(format!(
            "{} contacts: memory {:.1} -> {:.1} MB, {:.0} bytes for each",
            side.peers.len(),
            megabytes(side.fresh.all),
            megabytes(now.all),
            grown as f64 / side.peers.len() as f64
        ));
    }
    for Side { recipe, process, connection, peers, .. } in sides {
        drop(connection);
        process.stop()?;
        let mut starts = Vec::new();
        for _ in 0..setup.starts.min(5) {
            let again = recipe.start()?;
            starts.push(again.first_answer.as_secs_f64() * 1e3);
            again.stop()?;
        }
        let n = starts.len();
        report.note(format!(
            "start with {} contacts: {:.0} ms to the first answer, n = {n}",
            peers.len(),
            median(starts)
        ));
    }
    Ok(())
}

struct Rows<'a> {
    sides: &'a [Side; 2],
    report: &'a mut Report,
}

impl Rows<'_> {
    /// Times of both daemons, the first of them alternating.
    fn pairs(
        &self,
        count: usize,
        mut one: impl FnMut(&Side, usize) -> anyhow::Result<()>,
    ) -> anyhow::Result<Vec<[f64; 2]>> {
        let mut pairs = Vec::with_capacity(count);
        for n in 0..count {
            let mut pair = [0.0; 2];
            for at in [n % 2, 1 - n % 2] {
                let begun = Instant::now();
                one(&self.sides[at], at)?;
                pair[at] = begun.elapsed().as_secs_f64();
            }
            pairs.push(pair);
        }
        Ok(pairs)
    }

    fn ask(
        &mut self,
        what: &str,
        count: usize,
        mut ask: impl FnMut(&Connection) -> Result<(), ApiClientError>,
        aim: Aim,
    ) -> anyhow::Result<()> {
        let pairs = self.pairs(count, |side, _| Ok(ask(&side.connection)?)).with_context(|| what.to_owned())?;
        self.row(what, pairs, 1, aim);
        Ok(())
    }

    /// `of`: how many things each time is for.
    fn row(&mut self, what: &str, pairs: Vec<[f64; 2]>, of: usize, aim: Aim) {
        let ms = |at: usize| format!("{:.2} ms", median(pairs.iter().map(|pair| pair[at])) * 1e3 / of as f64);
        let judged = Summary::of(pairs.iter().map(|[many, few]| many / few));
        self.report.add(Row { what: what.to_owned(), ours: ms(0), reference: ms(1), judged, aim });
    }
}

/// Onions that nobody serves.
fn peers(count: u32) -> anyhow::Result<Vec<Onion>> {
    let peer = |n: u32| {
        let mut seed = [7; 32];
        seed[..4].copy_from_slice(&n.to_le_bytes());
        Ok(Onion(LocalIdentity::from_seeds(&seed, &seed, 1_800_000_000)?.peer_id()))
    };
    (0..count).map(peer).collect()
}

/// Asks for everything, some of it at once, and waits for every answer.
fn all<C: Call>(connection: &Connection, commands: impl Iterator<Item = C>) -> anyhow::Result<()> {
    let mut under_way: VecDeque<Pending<C>> = VecDeque::new();
    for command in commands {
        if under_way.len() == AHEAD
            && let Some(first) = under_way.pop_front()
        {
            first.wait(PATIENCE)?;
        }
        under_way.push_back(connection.start(&command)?);
    }
    for pending in under_way {
        pending.wait(PATIENCE)?;
    }
    Ok(())
}
