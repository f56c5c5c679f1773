//! The threads that talk to the daemon.
//!
//! One hands its events on. Three ask it: one for what changes something, in order; one for what only reads, so that a long
//! search holds no message up; and one waits for news.

use super::{Wake, export, locate, logs, rooms, settings};
use crate::daemon::{Place, PlaceError, STOP};
use crate::logs::Waking;
use crate::screen::model::{Answer, Ask, Decision, Erasing, Input, Past, RoomAsk};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use torchat_client::api::command::{self, From, Place as Begin, Subscribe};
use torchat_client::api::event::Filter;
use torchat_client::api::events::{Follower, Handle, State, Step};
use torchat_client::api::{ApiClientError, Connection, ConversationId, Onion};
use torchat_client::timeline::{Anchor, News, millis};

/// Messages of a page.
const PAGE: u32 = 100;
/// What a search finds at a time.
const FOUND: u32 = 50;
/// So much may the daemon's clock be behind the screen's, in milliseconds.
const CLOCK: i64 = 5 * 60_000;

/// The daemon as the loop sees it: nothing here waits.
pub(in crate::screen) struct Daemon {
    place: Place,
    handle: Handle,
    changes: Sender<Asked>,
    looks: Sender<Asked>,
    news: Sender<Asked>,
    logs: Sender<Waking>,
}

/// A question, and which identity it is for; `None`: no daemon has answered yet.
struct Asked {
    own: Option<Onion>,
    ask: Ask,
}

impl Daemon {
    /// Starts the threads.
    pub(in crate::screen) fn start(
        place: &Place,
        settings: &settings::File,
        wakes: &Sender<Wake>,
    ) -> anyhow::Result<Self> {
        // From now on: what was before is read as a whole. After that no event is missed, whatever restarts.
        let wanted = Subscribe { consumer: None, from: Some(From::Place(Begin::Now)), filter: Filter::default() };
        let there = place.clone();
        let mut follower = Follower::finding(move || there.address().map_err(client_error), wanted);
        let handle = follower.handle();
        let logs = logs::start(handle.clone(), settings.clone(), wakes.clone())?;
        let (events, logging) = (wakes.clone(), logs.clone());
        std::thread::Builder::new().name("events".into()).spawn(move || {
            loop {
                let step = follower.step(Duration::MAX);
                let waking = Waking::of(&step);
                if !waking.is_empty() {
                    let _ = logging.send(waking);
                }
                let input = match step {
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
        let asking = |name: &str| -> anyhow::Result<Sender<Asked>> {
            let (sender, receiver) = channel();
            let (place, handle, wakes) = (place.clone(), handle.clone(), wakes.clone());
            std::thread::Builder::new().name(name.into()).spawn(move || ask_all(&place, &handle, &receiver, &wakes))?;
            Ok(sender)
        };
        Ok(Self {
            place: place.clone(),
            changes: asking("changes")?,
            looks: asking("looks")?,
            news: asking("news")?,
            logs,
            handle,
        })
    }

    /// Asks the daemon of this identity, and no other one that may be there by now; [`Wake::Answer`] follows.
    pub(in crate::screen) fn ask(&self, own: Option<Onion>, ask: Ask) {
        let thread = match ask {
            Ask::News { .. } => &self.news,
            Ask::Conversations { .. }
            | Ask::Requests(_)
            | Ask::Status
            | Ask::Page(..)
            | Ask::Locate(..)
            | Ask::CountErasable(..)
            | Ask::Room(RoomAsk::Petitions(_) | RoomAsk::Members(..))
            | Ask::Search { .. } => &self.looks,
            _ => &self.changes,
        };
        // The threads end after the loop.
        let _ = thread.send(Asked { own, ask });
    }

    /// Has the text logs written as the user has set it now.
    pub(super) fn log_again(&self) {
        let _ = self.logs.send(Waking::all());
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
    pub(super) fn export(&self, peer: ConversationId, path: PathBuf, name: String, wakes: Sender<Wake>) {
        let handle = self.handle.clone();
        std::thread::spawn(move || {
            let exported = export::export(path, |whole| export::write(&handle, peer, whole, &name));
            let _ = wakes.send(exported.into());
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

fn ask_all(place: &Place, handle: &Handle, asks: &Receiver<Asked>, wakes: &Sender<Wake>) {
    for Asked { own, ask } in asks {
        let answer = connection_of(handle, own).and_then(|connection| perform(&connection, &ask));
        if ask == Ask::Exit && answer.is_ok() {
            // A program that starts one next must not meet one that ends.
            place.wait_gone(STOP);
        }
        if wakes.send(Wake::Answer(own, Box::new(Input::Answer(ask, answer)))).is_err() {
            return;
        }
    }
}

/// The connection, if it is one to the daemon of this identity: all of a question is asked over one.
fn connection_of(handle: &Handle, own: Option<Onion>) -> Result<Connection, ApiClientError> {
    let lost = |reason: &str| ApiClientError::Lost { reason: reason.into() };
    let connection = handle.connection().ok_or_else(|| lost("torchatd is away"))?;
    match own {
        Some(own) if connection.welcome().onion != own => Err(lost("another daemon answers")),
        _ => Ok(connection),
    }
}

fn perform(connection: &Connection, ask: &Ask) -> Result<Answer, ApiClientError> {
    Ok(match ask {
        Ask::Conversations(_) => Answer::Conversations(connection.conversations()?),
        Ask::Requests(_) => Answer::Requests(connection.call(&command::Requests {})?.requests),
        Ask::Status => Answer::Status(Box::new(connection.call(&command::Status::default())?)),
        Ask::News { version } => {
            Answer::Status(Box::new(connection.call_within(&News::question(*version), News::patience())?))
        }
        Ask::Page(peer, request) => page(connection, *peer, request.anchor)?,
        Ask::Locate(peer, past) => Answer::Located(located(connection, *peer, *past)?),
        Ask::Search { text, peer, before } => {
            let search = command::Search { text: text.clone(), peer: *peer, before: *before, limit: Some(FOUND) };
            Answer::Found(connection.call(&search)?)
        }
        Ask::Send { peer, text, key, addressed } => {
            let (peer, text, client_id) = (*peer, text.clone(), Some(key.clone()));
            Answer::Sent(connection.call(&command::Send {
                peer,
                text,
                client_id,
                wait: None,
                timeout: None,
                expire: None,
                re: addressed.re,
                to: addressed.to.clone(),
            })?)
        }
        Ask::Cancel(peer, mid) => {
            Answer::Cancelled(connection.call(&command::Cancel { peer: *peer, mid: *mid })?.certain)
        }
        Ask::TakeBack { peer, key, typed } => {
            let newest = |before| {
                connection.call(&command::History {
                    peer: *peer,
                    before,
                    after: None,
                    limit: Some(PAGE),
                    hidden: false,
                })
            };
            let found = locate::by_key(key, typed - CLOCK, newest)?;
            let mid = found.map(|message| message.mid);
            let cancel = mid.map(|mid| connection.call(&command::Cancel { peer: *peer, mid })).transpose()?;
            Answer::TakenBack(cancel.map(|answer| answer.certain))
        }
        Ask::Seen(peer, upto) => {
            connection.call(&command::Seen { peer: *peer, upto: *upto })?;
            Answer::Done
        }
        Ask::Add { peer, text } => {
            Answer::Added(connection.call(&command::Add { peer: peer.clone(), text: text.clone() })?.peer)
        }
        Ask::Decide(decision, peer) => {
            decide(connection, *decision, *peer)?;
            Answer::Done
        }
        Ask::Rename(peer, name) => {
            connection.call(&command::Rename { peer: peer.conversation(), name: name.clone() })?;
            Answer::Done
        }
        Ask::Retain(peer, days) => {
            connection.call(&command::Retain { peer: *peer, days: *days })?;
            Answer::Done
        }
        Ask::CountErasable(id, what) => {
            let before = match what {
                Erasing::All => None,
                Erasing::Older { before, .. } => jiff::Timestamp::from_millisecond(*before).ok(),
            };
            let before = before.map(|before| before.to_string());
            Answer::Erasable(connection.call(&command::EraseCount { peer: *id, upto: None, before })?)
        }
        Ask::Erase(id, upto) => {
            let erased = connection.call(&command::Erase { peer: *id, upto: Some(*upto), before: None })?;
            Answer::Erased(erased.erased, erased.kept)
        }
        Ask::Invite { hours, .. } => Answer::Invite(connection.call(&command::Invite { hours: Some(*hours) })?.invite),
        Ask::Room(ask) => Answer::Room(rooms::perform(connection, ask)?),
        Ask::Exit => {
            connection.call(&command::Exit {})?;
            Answer::Done
        }
    })
}

fn decide(connection: &Connection, decision: Decision, peer: Onion) -> Result<(), ApiClientError> {
    match decision {
        Decision::Accept => connection.call(&command::Accept { peer }).map(drop),
        Decision::Refuse => connection.call(&command::Refuse { peer }).map(drop),
        Decision::Block => connection.call(&command::Block { peer }).map(drop),
        Decision::Unblock => connection.call(&command::Unblock { peer }).map(drop),
        Decision::Remove => connection.call(&command::Remove { peer: peer.into() }).map(drop),
        Decision::Hide => connection.call(&command::Appear { peer, hidden: true }).map(drop),
        Decision::Verify => connection.call(&command::Verify { peer, verified: true }).map(drop),
        Decision::Doubt => connection.call(&command::Verify { peer, verified: false }).map(drop),
        Decision::Appear => connection.call(&command::Appear { peer, hidden: false }).map(drop),
    }
}

fn page(connection: &Connection, peer: ConversationId, anchor: Anchor) -> Result<Answer, ApiClientError> {
    let (first, second) = anchor.commands(peer, PAGE);
    let first = connection.call(&first)?;
    Ok(Answer::Page(first, second.map(|second| connection.call(&second)).transpose()?))
}

fn located(connection: &Connection, peer: ConversationId, past: Past) -> Result<Option<i64>, ApiClientError> {
    match past {
        Past::Since(ms) => locate::since(ms, |after| {
            let found = connection.call(&command::History {
                peer,
                before: None,
                after: Some(after),
                limit: Some(1),
                hidden: false,
            })?;
            Ok(found.messages.first().map(|message| (message.id, millis(&message.at).unwrap_or(0))))
        }),
        Past::Back(count) => locate::back(count, |before, limit| {
            let page =
                connection.call(&command::History { peer, before, after: None, limit: Some(limit), hidden: false })?;
            Ok((page.messages.iter().map(|message| message.id).collect(), page.more))
        }),
    }
}
