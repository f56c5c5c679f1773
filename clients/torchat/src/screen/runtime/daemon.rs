//! The threads that talk to the daemon.
//!
//! One hands its events on. Two ask it: one for what changes something, in order; one for what only reads, so that a long
//! search holds no message up.

use super::Wake;
use crate::daemon::{Place, PlaceError};
use crate::screen::model::{Answer, Ask, Decision, Input, Place as Page};
use crate::screen::talk::millis;
use std::fs::OpenOptions;
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use torchat_client::api::command::{self, From, Place as Begin, Subscribe};
use torchat_client::api::event::Filter;
use torchat_client::api::events::{Follower, Handle, State, Step};
use torchat_client::api::record::Direction;
use torchat_client::api::{ApiClientError, Onion};
use torchat_client::show;

/// Messages of a page.
const PAGE: u32 = 100;
/// What a search finds at a time.
const FOUND: u32 = 50;
/// Messages of a page of an export.
const EXPORT_PAGE: u32 = 500;

/// The daemon as the loop sees it: nothing here waits.
pub(super) struct Daemon {
    place: Place,
    handle: Handle,
    changes: Sender<Ask>,
    looks: Sender<Ask>,
}

impl Daemon {
    /// Starts the threads.
    pub(super) fn start(place: &Place, wakes: &Sender<Wake>) -> anyhow::Result<Self> {
        // From now on: what was before is read as a whole. After that no event is missed, whatever restarts.
        let wanted = Subscribe { consumer: None, from: Some(From::Place(Begin::Now)), filter: Filter::default() };
        let there = place.clone();
        let mut follower = Follower::finding(move || there.address().map_err(client_error), wanted);
        let handle = follower.handle();
        let events = wakes.clone();
        std::thread::Builder::new().name("events".into()).spawn(move || {
            loop {
                let input = match follower.step(Duration::MAX) {
                    Step::Event(event) => Input::Event(Box::new(event)),
                    Step::State(state) => {
                        let stopped = state == State::Stopped;
                        if events.send(Input::Link(state).into()).is_err() || stopped {
                            return;
                        }
                        continue;
                    }
                    Step::Timeout => continue,
                };
                if events.send(input.into()).is_err() {
                    return;
                }
            }
        })?;
        let asking = |name: &str| -> anyhow::Result<Sender<Ask>> {
            let (sender, receiver) = channel();
            let (handle, wakes) = (handle.clone(), wakes.clone());
            std::thread::Builder::new().name(name.into()).spawn(move || ask_all(&handle, &receiver, &wakes))?;
            Ok(sender)
        };
        Ok(Self { place: place.clone(), changes: asking("changes")?, looks: asking("looks")?, handle })
    }

    /// Asks; the answer is an input.
    pub(super) fn ask(&self, ask: Ask) {
        let looks = matches!(
            ask,
            Ask::Conversations { .. } | Ask::Requests | Ask::Status { .. } | Ask::Page(..) | Ask::Search { .. }
        );
        // The threads end after the loop.
        let _ = if looks { self.looks.send(ask) } else { self.changes.send(ask) };
    }

    /// Looks for the daemon now.
    pub(super) fn retry(&self) {
        self.handle.retry();
    }

    /// Starts a daemon; how that went is an input.
    pub(super) fn start_daemon(&self, wakes: Sender<Wake>) {
        let place = self.place.clone();
        std::thread::spawn(move || {
            let outcome = place.start_quietly().map_err(|error| error.to_string());
            let _ = wakes.send(Input::Started(outcome).into());
        });
    }

    /// Writes a conversation to a new file; how that went is an input.
    pub(super) fn export(&self, peer: Onion, path: PathBuf, name: String, wakes: Sender<Wake>) {
        let handle = self.handle.clone();
        std::thread::spawn(move || {
            let outcome = export(&handle, peer, &path, &name).map_err(|error| format!("{error:#}"));
            let _ = wakes.send(Input::Exported(path, outcome).into());
        });
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.handle.stop();
    }
}

/// The follower knows the errors of its own crate only.
fn client_error(error: PlaceError) -> ApiClientError {
    match error {
        PlaceError::Api(error) => error,
        other => ApiClientError::System(other.to_string()),
    }
}

fn ask_all(handle: &Handle, asks: &Receiver<Ask>, wakes: &Sender<Wake>) {
    for ask in asks {
        let answer = perform(handle, &ask);
        if wakes.send(Input::Answer(ask, answer).into()).is_err() {
            return;
        }
    }
}

fn perform(handle: &Handle, ask: &Ask) -> Result<Answer, ApiClientError> {
    Ok(match ask {
        Ask::Conversations { .. } => Answer::Conversations(handle.call(&command::Conversations {})?.conversations),
        Ask::Requests => Answer::Requests(handle.call(&command::Requests {})?.requests),
        Ask::Status { .. } => Answer::Status(handle.call(&command::Status::default())?),
        Ask::Page(peer, place) => page(handle, *peer, *place)?,
        Ask::Search { text, peer, before } => {
            let search = command::Search { text: text.clone(), peer: *peer, before: *before, limit: Some(FOUND) };
            Answer::Found(handle.call(&search)?)
        }
        Ask::Send { peer, text, key } => {
            let (peer, text, client_id) = (*peer, text.clone(), Some(key.clone()));
            Answer::Sent(handle.call(&command::Send {
                peer,
                text,
                client_id,
                wait: None,
                timeout: None,
                expire: None,
            })?)
        }
        Ask::Cancel(peer, mid) => Answer::Cancelled(handle.call(&command::Cancel { peer: *peer, mid: *mid })?.certain),
        Ask::Seen(peer, upto) => {
            handle.call(&command::Seen { peer: *peer, upto: *upto })?;
            Answer::Done
        }
        Ask::Add { peer, text } => {
            Answer::Added(handle.call(&command::Add { peer: peer.clone(), text: text.clone() })?.peer)
        }
        Ask::Decide(decision, peer) => {
            decide(handle, *decision, *peer)?;
            Answer::Done
        }
        Ask::Rename(peer, name) => {
            handle.call(&command::Rename { peer: *peer, name: name.clone() })?;
            Answer::Done
        }
        Ask::Invite { hours, .. } => Answer::Invite(handle.call(&command::Invite { hours: Some(*hours) })?.invite),
        Ask::Exit => {
            handle.call(&command::Exit {})?;
            Answer::Done
        }
    })
}

fn decide(handle: &Handle, decision: Decision, peer: Onion) -> Result<(), ApiClientError> {
    match decision {
        Decision::Accept => handle.call(&command::Accept { peer }).map(drop),
        Decision::Refuse => handle.call(&command::Refuse { peer }).map(drop),
        Decision::Block => handle.call(&command::Block { peer }).map(drop),
        Decision::Unblock => handle.call(&command::Unblock { peer }).map(drop),
        Decision::Remove => handle.call(&command::Remove { peer }).map(drop),
        Decision::Hide => handle.call(&command::Appear { peer, hidden: true }).map(drop),
        Decision::Appear => handle.call(&command::Appear { peer, hidden: false }).map(drop),
    }
}

fn page(handle: &Handle, peer: Onion, place: Page) -> Result<Answer, ApiClientError> {
    let history = |before, after, limit| handle.call(&command::History { peer, before, after, limit: Some(limit) });
    Ok(match place {
        Page::Last => Answer::Page(history(None, None, PAGE)?, None),
        Page::First => Answer::Page(history(None, Some(0), PAGE)?, None),
        Page::Before(id) => Answer::Page(history(Some(id), None, PAGE)?, None),
        Page::After(id) => Answer::Page(history(None, Some(id), PAGE)?, None),
        Page::One(id) => Answer::Page(history(None, Some(id - 1), 1)?, None),
        Page::Around(id) => {
            let until = history(Some(id + 1), None, PAGE / 2)?;
            Answer::Page(until, Some(history(None, Some(id), PAGE / 2)?))
        }
    })
}

/// Writes a conversation as text: a line for each message, its further lines indented.
fn export(handle: &Handle, peer: Onion, path: &Path, name: &str) -> anyhow::Result<u64> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let mut file = BufWriter::new(file);
    let (mut after, mut count) = (0, 0);
    loop {
        let page =
            handle.call(&command::History { peer, before: None, after: Some(after), limit: Some(EXPORT_PAGE) })?;
        for message in &page.messages {
            let at = millis(&message.at).and_then(|at| jiff::Timestamp::from_millisecond(at).ok()).unwrap_or_default();
            let who = match message.dir {
                Direction::In => name,
                Direction::Out => "you",
                Direction::Mark => "!",
                Direction::Unknown => "?",
            };
            let text = show::shown_text(&message.text).replace('\n', "\n    ");
            writeln!(file, "{} {who}: {text}", at.strftime("%Y-%m-%dT%H:%M:%SZ"))?;
            (after, count) = (message.id, count + 1);
        }
        if !page.more || page.messages.is_empty() {
            break;
        }
    }
    file.into_inner()?.sync_all()?;
    Ok(count)
}
