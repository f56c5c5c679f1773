//! Thousands of contacts: what a list of them costs the daemon, a client, and another program's requests.
//!
//! They are real contacts, added over the API, whose onions nobody serves; two and two have the same name, so that a client
//! has something to mark. The bounds are far above what was measured: they tell a list whose cost grows with the square of
//! its length from one that can be lived with.

use super::Place;
use crate::bounds::median;
use crate::process;
use anyhow::{Context as _, ensure};
use ed25519_dalek::SigningKey;
use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};
use torchat_client::api::command::{Add, Contacts, Conversations, Host, Rename};
use torchat_client::api::event::{Event, What};
use torchat_client::api::{Address, ApiClientError, Call, Connection, Onion};
use torchat_client::timeline::{ConversationList, Need, Timeline};
use torchat_protocol::id::PeerId;
use torchat_testkit::pace::slack;

/// Requests that are under way at once: as many as the daemon takes of a connection.
const AHEAD: usize = 16;
/// How often a page is asked for, and a name changed in the client's list.
const TIMES: usize = 20;
/// How long the first page of a list may take for each contact that there is. A build for tests on a busy machine needed 0.7 ms
/// (docs/BENCHMARKS.md).
const PAGE: Duration = Duration::from_millis(2);
/// How long a client may take for each contact to read the whole list and to make a list for the screen of it; such a build
/// needed 2.4 ms.
const LIST: Duration = Duration::from_millis(6);
/// How long one change in the client's list may take, and another program's HOST.
const QUICK: Duration = Duration::from_secs(1);
/// Memory that the daemon may need for each contact, in KiB, and beside that for whatever it is.
const EACH_KIB: u64 = 16;
const BESIDE_KIB: u64 = 48 * 1024;

/// What the contacts cost.
#[derive(Debug)]
pub struct Cost {
    /// How many.
    pub contacts: usize,
    /// Adding and naming each, in all.
    pub added: Duration,
    /// The first page of CONTACTS and of CONVERSATIONS: p50, and how many are on it.
    pub contact_page: (Duration, usize),
    /// The same of CONVERSATIONS.
    pub conversation_page: (Duration, usize),
    /// All pages of both: p50.
    pub all_pages: (Duration, Duration),
    /// From the question to the client's list, with marks and order.
    pub listed: Duration,
    /// A changed name in the client's list, p50.
    pub renamed: Duration,
    /// HOST of another program, p50: before, and with all contacts there.
    pub host: (Duration, Duration),
    /// Memory of the daemon before and after, in KiB.
    pub daemon_kib: (u64, u64),
    /// Memory of this process before and after it has the list, in KiB.
    pub client_kib: (u64, u64),
}

impl fmt::Display for Cost {
    #[allow(clippy::cast_precision_loss, reason = "for people")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let mib = |kib: u64| kib as f64 / 1024.0;
        writeln!(f, "{} contacts, added and named in {:.1} s", self.contacts, self.added.as_secs_f64())?;
        for (what, page, all) in [
            ("CONTACTS", self.contact_page, self.all_pages.0),
            ("CONVERSATIONS", self.conversation_page, self.all_pages.1),
        ] {
            let (first, rows) = page;
            writeln!(
                f,
                "{what}: first page p50 {:.1} ms ({rows} rows), all p50 {:.1} ms, n = {TIMES}",
                ms(first),
                ms(all)
            )?;
        }
        writeln!(
            f,
            "a client: list read and made in {:.1} ms, a name changed in {:.3} ms (p50, n = {TIMES}), memory {:.1} -> {:.1} MiB",
            ms(self.listed),
            ms(self.renamed),
            mib(self.client_kib.0),
            mib(self.client_kib.1)
        )?;
        write!(
            f,
            "HOST p50 {:.3} -> {:.3} ms; the daemon's memory {:.1} -> {:.1} MiB",
            ms(self.host.0),
            ms(self.host.1),
            mib(self.daemon_kib.0),
            mib(self.daemon_kib.1)
        )
    }
}

/// Makes the contacts, and measures.
///
/// # Errors
/// When somebody is missing in a list or stands twice, or something takes longer or more memory than its bound.
pub fn run(program: &Path, contacts: usize) -> anyhow::Result<Cost> {
    let place = Place::start(program, None)?;
    let memory = |pid: u32| process::usage(pid).map(|usage| usage.rss_kib);
    let pid = place.daemon.pid().context("it does not run")?;
    let connection = Connection::open(&Address::tcp(place.port()?))?;
    let hosts = || times(TIMES, || connection.call(&Host {}).map(drop));
    let (host_before, daemon_before) = (hosts()?, memory(pid)?);
    let peers = peers(contacts)?;
    let begun = Instant::now();
    all(&connection, peers.iter().map(|peer| Add { peer: peer.0.onion(), text: String::new() }))?;
    let name = |n: usize| format!("contact {}", n / 2);
    all(&connection, peers.iter().enumerate().map(|(n, peer)| Rename { peer: peer.conversation(), name: name(n) }))?;
    let added = begun.elapsed();

    let first = connection.call(&Contacts { after: None, limit: None })?.contacts.len();
    let contact_page = times(TIMES, || connection.contact_pages().next().transpose().map(drop))?;
    let contact_pages = times(TIMES, || connection.contact_pages().try_for_each(|page| page.map(drop)))?;
    let first_conversations = Conversations { before: None, after: None, limit: None };
    let conversations = connection.call(&first_conversations)?.conversations.len();
    let conversation_page = times(TIMES, || connection.conversation_pages().next().transpose().map(drop))?;
    let conversation_pages = times(TIMES, || connection.conversation_pages().try_for_each(|page| page.map(drop)))?;
    let wanted: HashSet<Onion> = peers.iter().copied().collect();
    let found: Vec<Onion> = connection.contacts()?.into_iter().map(|contact| contact.peer).collect();
    ensure!(
        found.len() == contacts && found.iter().copied().collect::<HashSet<_>>() == wanted,
        "CONTACTS leaves some out"
    );

    let client_before = memory(std::process::id())?;
    let begun = Instant::now();
    let mut list = listed(&connection)?;
    let took = begun.elapsed();
    ensure!(list.order().len() == contacts, "the client's list has {} of {contacts}", list.order().len());
    ensure!(list.timelines().all(Timeline::is_lookalike), "two of the same name are not marked");
    let changes = peers.iter().cycle().enumerate();
    let mut changes = changes
        .filter_map(|(n, peer)| Some((n, list.get(peer.conversation())?.contact().clone())))
        .take(TIMES)
        .collect::<Vec<_>>()
        .into_iter();
    let renamed = times(TIMES, || {
        let Some((n, mut contact)) = changes.next() else { return Ok(()) };
        contact.name = Some(format!("somebody {n}"));
        list.event(&Event { seq: 1, at: String::new(), what: What::Contact { contact } }, 0);
        Ok(())
    })?;
    let cost = Cost {
        contacts,
        added,
        contact_page: (contact_page, first),
        conversation_page: (conversation_page, conversations),
        all_pages: (contact_pages, conversation_pages),
        listed: took,
        renamed,
        host: (host_before, hosts()?),
        daemon_kib: (daemon_before, memory(pid)?),
        client_kib: (client_before, memory(std::process::id())?),
    };
    drop(connection);
    place.finish()?;
    cost.check()?;
    Ok(cost)
}

impl Cost {
    fn check(&self) -> anyhow::Result<()> {
        let slack = slack();
        let each = u32::try_from(self.contacts)?;
        let pages = [self.contact_page.0, self.conversation_page.0];
        ensure!(pages.iter().all(|time| *time < PAGE * each + slack), "slower than {PAGE:?} for each: {self}");
        let quick = [self.renamed, self.host.1];
        ensure!(quick.iter().all(|time| *time < QUICK + slack), "slower than {QUICK:?}: {self}");
        ensure!(self.listed < LIST * each + slack, "slower than {LIST:?} for each: {self}");
        let allowed = self.daemon_kib.0 + BESIDE_KIB + EACH_KIB * self.contacts as u64;
        ensure!(self.daemon_kib.1 < allowed, "more memory than {allowed} KiB: {self}");
        Ok(())
    }
}

/// Onions that nobody serves.
fn peers(count: usize) -> anyhow::Result<Vec<Onion>> {
    let peer = |n: usize| {
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&(n as u64).to_le_bytes());
        Ok(Onion(PeerId::from_key(SigningKey::from_bytes(&seed).verifying_key().to_bytes())?))
    };
    (0..count).map(peer).collect()
}

/// Asks for everything, some of it at once, and waits for every answer.
fn all<C: Call>(connection: &Connection, commands: impl Iterator<Item = C>) -> anyhow::Result<()> {
    let mut under_way = VecDeque::new();
    for command in commands {
        if under_way.len() == AHEAD {
            wait::<C>(&mut under_way)?;
        }
        under_way.push_back(connection.start(&command)?);
    }
    while !under_way.is_empty() {
        wait::<C>(&mut under_way)?;
    }
    Ok(())
}

fn wait<C: Call>(under_way: &mut VecDeque<torchat_client::api::Pending<C>>) -> anyhow::Result<()> {
    let Some(first) = under_way.pop_front() else { return Ok(()) };
    first.wait(Duration::from_secs(60))?;
    Ok(())
}

/// What a client does when it has connected.
fn listed(connection: &Connection) -> anyhow::Result<ConversationList> {
    let mut list = ConversationList::default();
    for need in list.connected(false) {
        if let Need::Conversations(request) = need {
            list.conversations(request, connection.conversations()?, 0);
        }
    }
    Ok(list)
}

/// The median of how long something takes.
fn times(count: usize, mut what: impl FnMut() -> Result<(), ApiClientError>) -> anyhow::Result<Duration> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        what()?;
        times.push(begun.elapsed());
    }
    Ok(median(times))
}
