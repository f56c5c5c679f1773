//! `torchat recv`: what was received, until now or for as long as the process lives.
//!
//! Two places can be kept, both in the daemon. Without a consumer it is the read marks: what is printed counts as read,
//! for every program of the user. With one it is that consumer's cursor in the event log, which nobody else moves. Either is
//! moved only after the lines are written and flushed: a crash repeats lines, it never loses one.

use super::failure::{Done, Failure, note, progress, warn};
use super::format::{self, Names};
use super::out::Out;
use super::{Shell, needs, peer, read};
use crate::arguments::exit::Exit;
use crate::arguments::{Beginning, Recv};
use crate::daemon::{Place as Daemon, PlaceError};
use crate::streams::{is_gone, when_gone};
use serde_json::json;
use std::collections::HashMap;
use std::time::Duration;
use torchat_client::api::command::{Ack, Cursors, Events, From, Place, Seen, Subscribe};
use torchat_client::api::event::{Event, Filter, Kind, What};
use torchat_client::api::events::{Follower, Handle, State, Step};
use torchat_client::api::record::{Direction, Message, MessageState};
use torchat_client::api::{ApiClientError, Code, Connection, ConversationId, rows};
use torchat_client::names::Purpose;

/// Events that are worked off before the place is moved, while more are there.
const BATCH: usize = 64;
/// Between two looks for a daemon that does not run yet.
const LOOK: Duration = Duration::from_millis(300);
/// What is written of the events, and what keeps the names right.
const KINDS: [Kind; 4] = [Kind::Received, Kind::Lost, Kind::Contact, Kind::Room];

pub(super) fn run(shell: &Shell<'_>, wanted: &Recv) -> Done {
    let connection = if wanted.follow && !wanted.no_wait { wait_for_daemon(shell)? } else { shell.connect()? };
    let peers = peer::find_conversations(&connection, &wanted.peer, Purpose::Read)?;
    let marks = wanted.consumer.is_none() && !wanted.keep;
    if marks {
        needs(&connection, "SEEN", "use --keep, or --consumer NAME")?;
    }
    let mut sink = Sink::new(shell, shell.names(&connection)?, wanted.count);
    let filter = Filter { kinds: Some(KINDS.to_vec()), peers };
    let place = match &wanted.consumer {
        None => Kept::Marks { marks },
        Some(name) => {
            if wanted.from == Beginning::Start {
                begin(&connection, name)?;
            }
            Kept::Cursor(name.clone())
        }
    };
    if wanted.follow {
        drop(connection);
        return follow(shell.place, sink, filter, &place);
    }
    match place {
        Kept::Marks { marks } => {
            sink.unread(&connection, filter.peers.as_deref())?;
            sink.settle(|seen| if marks { mark(&connection, seen) } else { Ok(()) })
        }
        Kept::Cursor(name) => until_now(&connection, sink, filter, &name),
    }
}

/// Connects, and waits for a daemon if none runs: a program that follows may be started first at boot.
fn wait_for_daemon(shell: &Shell<'_>) -> Done<Connection> {
    let mut result = shell.place.connect();
    let mut said = false;
    loop {
        match result {
            // Whoever is not let in, or has named what cannot be a socket, would wait forever.
            Err(PlaceError::Api(error)) if error.is_absent() => {
                if !std::mem::replace(&mut said, true) {
                    let code = Failure::from(error).code.map(|code| code.to_string()).unwrap_or_default();
                    warn(shell.form.json, &code, "no torchatd runs yet: waiting for it (--no-wait ends instead)");
                }
            }
            result => return Ok(result?),
        }
        if is_gone(std::io::stdout()) {
            return Err(Failure::silent(Exit::Done));
        }
        std::thread::sleep(LOOK);
        result = shell.place.connect_running();
    }
}

/// Where it is kept what was printed.
pub(super) enum Kept {
    /// In the read marks of the messages, or, without, nowhere.
    Marks {
        /// Whether they are set.
        marks: bool,
    },
    /// At a consumer's cursor.
    Cursor(String),
}

/// Puts a consumer that does not exist at the oldest event.
fn begin(connection: &Connection, consumer: &str) -> Done {
    let known = connection.call(&Cursors { forget: None })?.cursors;
    if known.iter().all(|cursor| cursor.consumer != consumer) {
        let seq = connection.welcome().oldest.saturating_sub(1);
        connection.call(&Ack { consumer: consumer.to_owned(), seq })?;
    }
    Ok(())
}

/// A consumer's events up to the one that is the last now.
fn until_now(connection: &Connection, mut sink: Sink, filter: Filter, name: &str) -> Done {
    let mut last = None;
    loop {
        let (consumer, limit, filter) = (Some(name.to_owned()), Some(1_000), filter.clone());
        let answer = connection.call(&Events { after: None, consumer, wait: None, limit, filter })?;
        let last = *last.get_or_insert(answer.last);
        let mut upto = answer.next;
        for event in &answer.events {
            sink.event(event)?;
            if sink.is_full() {
                upto = event.seq;
                break;
            }
        }
        sink.settle(|_| {
            connection.call(&Ack { consumer: name.to_owned(), seq: upto })?;
            Ok(())
        })?;
        if sink.is_full() || answer.next >= last {
            return Ok(());
        }
    }
}

/// Prints what comes until the process ends, or enough has come.
fn follow(daemon: &Daemon, mut sink: Sink, filter: Filter, kept: &Kept) -> Done {
    let mut follower = follower(daemon, filter.clone(), kept, None);
    let handle = follower.handle();
    let stopped = follower.handle();
    when_gone(std::io::stdout(), move || stopped.stop());
    let mut listed = false;
    loop {
        // While more is there, the place is moved for many at once: each time is a commit in the daemon.
        match sink.step(&mut follower) {
            Step::Event(event) => {
                sink.event(&event)?;
                if let (What::Received { message }, Kept::Marks { marks: true }) = (&event.what, kept) {
                    sink.seen(message);
                }
            }
            Step::Timeout => {
                settle(&mut sink, &mut follower, kept)?;
                if sink.is_full() {
                    return Ok(());
                }
            }
            Step::State(State::Connected { continued, .. }) => {
                sink.back();
                listed &= continued;
                if let (Kept::Marks { marks }, false, Some(connection)) = (kept, listed, handle.connection()) {
                    let result = sink.unread(&connection, filter.peers.as_deref());
                    // If the daemon leaves in the middle, the rest is listed when it is back.
                    listed = result.is_ok();
                    passing(result)?;
                    if !marks {
                        sink.forget_seen();
                    }
                }
                settle(&mut sink, &mut follower, kept)?;
            }
            Step::State(State::Gone { reason, .. }) => sink.gone(&reason),
            Step::State(State::Refused(error)) => return Err(error.into()),
            Step::State(State::New) => {}
            Step::State(State::Stopped) => return Ok(()),
        }
    }
}

/// A follower of this daemon, wherever it is after a restart.
pub(super) fn follower(daemon: &Daemon, filter: Filter, kept: &Kept, from: Option<From>) -> Follower {
    let daemon = daemon.clone();
    let (consumer, from) = match kept {
        Kept::Cursor(name) => (Some(name.clone()), None),
        Kept::Marks { .. } => (None, Some(from.unwrap_or(From::Place(Place::Now)))),
    };
    let find = move || {
        daemon.address().map_err(|error| match error {
            crate::daemon::PlaceError::Api(error) => error,
            other => ApiClientError::System(other.to_string()),
        })
    };
    Follower::finding(find, Subscribe { consumer, from, filter })
}

/// What was written is out; then the daemon may know it. While it is away, it will know later.
pub(super) fn settle(sink: &mut Sink, follower: &mut Follower, kept: &Kept) -> Done {
    let handle = follower.handle();
    sink.settle(|seen| {
        passing(match kept {
            Kept::Cursor(_) => follower.ack().map_err(Failure::from),
            Kept::Marks { .. } => mark_by(&handle, seen),
        })
    })
}

/// A failure that goes by itself is none for somebody who follows.
fn passing(result: Done) -> Done {
    match result {
        Err(failure)
            if matches!(failure.code, Some(Code::Lost | Code::Timeout | Code::NotRunning | Code::Stopping)) =>
        {
            Ok(())
        }
        result => result,
    }
}

fn mark_by(handle: &Handle, seen: &mut HashMap<ConversationId, i64>) -> Done {
    match handle.connection() {
        Some(connection) => mark(&connection, seen),
        // Kept for the next time.
        None => Ok(()),
    }
}

/// Marks messages as read, up to the last one of each conversation.
fn mark(connection: &Connection, seen: &mut HashMap<ConversationId, i64>) -> Done {
    while let Some((&peer, &upto)) = seen.iter().next() {
        connection.call(&Seen { peer, upto })?;
        seen.remove(&peer);
    }
    Ok(())
}

/// Writes messages, and remembers what was written and not yet told to the daemon.
pub(super) struct Sink {
    out: Out,
    names: Names,
    /// How one message is written for people.
    line: fn(&Out, &Names, &Message) -> String,
    left: Option<u64>,
    /// Events since the place was moved.
    unsettled: usize,
    /// For each conversation its last message that was written: those of them that are not marked, and all.
    seen: HashMap<ConversationId, i64>,
    written: HashMap<ConversationId, i64>,
    away: bool,
}

impl Sink {
    pub(super) fn new(shell: &Shell<'_>, names: Names, count: Option<u64>) -> Self {
        Self {
            out: shell.out(),
            names,
            line: format::message,
            left: count,
            unsettled: 0,
            seen: HashMap::new(),
            written: HashMap::new(),
            away: false,
        }
    }

    /// The same with another way to write a message.
    pub(super) fn with_line(self, line: fn(&Out, &Names, &Message) -> String) -> Self {
        Self { line, ..self }
    }

    /// Nothing more may be written.
    fn is_full(&self) -> bool {
        self.left == Some(0)
    }

    /// The next event. [`Step::Timeout`]: now it is time to settle what was written, because nothing more is there or
    /// enough has come.
    pub(super) fn step(&self, follower: &mut Follower) -> Step {
        if self.is_full() || self.unsettled >= BATCH {
            return Step::Timeout;
        }
        follower.step(if self.unsettled == 0 { Duration::MAX } else { Duration::ZERO })
    }

    pub(super) fn event(&mut self, event: &Event) -> Done {
        self.unsettled += 1;
        match &event.what {
            What::Received { message } | What::Lost { message } => self.message(message),
            What::Contact { contact } => {
                self.names.changed(contact);
                Ok(())
            }
            What::Room { room } => {
                self.names.room_changed(room);
                Ok(())
            }
            What::Gap { from, to } if self.out.is_json() => {
                self.out.record(&json!({ "gap": { "from": from, "to": to } }))
            }
            What::Gap { from, to } => {
                let lost = format!(
                    "torchat: the daemon does not know the events {from} to {to} any more; messages among them are in `torchat \
                     history`"
                );
                note(false, &lost);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn message(&mut self, message: &Message) -> Done {
        // It came while the unread ones were listed, and was among them.
        if self.written.get(&message.peer).is_some_and(|last| *last >= message.id) || self.is_full() {
            return Ok(());
        }
        self.written.insert(message.peer, message.id);
        if let Some(left) = &mut self.left {
            *left -= 1;
        }
        if self.out.is_json() {
            return self.out.record(message);
        }
        let line = (self.line)(&self.out, &self.names, message);
        self.out.line(&line)
    }

    /// To be marked as read when it is out.
    pub(super) fn seen(&mut self, message: &Message) {
        if self.written.get(&message.peer) == Some(&message.id) {
            self.seen.insert(message.peer, message.id);
        }
    }

    fn forget_seen(&mut self) {
        self.seen.clear();
    }

    /// Writes all that is not read, oldest first.
    fn unread(&mut self, connection: &Connection, among: Option<&[ConversationId]>) -> Done {
        if !self.out.is_json() {
            self.names = Names::read(connection)?;
        }
        let mut messages = Vec::new();
        for row in connection.conversation_pages().flat_map(rows) {
            let row = row?;
            let id = row.id();
            if row.unread > 0 && among.is_none_or(|among| among.contains(&id)) {
                messages.extend(unread_of(connection, id, row.unread)?);
            }
        }
        messages.sort_by_key(|message| message.id);
        for message in &messages {
            if self.is_full() {
                break;
            }
            self.message(message)?;
            self.seen(message);
        }
        self.unsettled += messages.len();
        Ok(())
    }

    /// Flushes, and then has the daemon told.
    pub(super) fn settle(&mut self, tell: impl FnOnce(&mut HashMap<ConversationId, i64>) -> Done) -> Done {
        self.out.flush()?;
        self.unsettled = 0;
        tell(&mut self.seen)
    }

    /// The daemon is away.
    pub(super) fn gone(&mut self, reason: &ApiClientError) {
        if !self.away {
            progress(self.out.is_json(), &format!("torchat: {reason}; waiting for it"));
        }
        self.away = true;
    }

    /// It is back.
    pub(super) fn back(&mut self) {
        if self.away {
            progress(self.out.is_json(), "torchat: torchatd is back");
        }
        self.away = false;
    }
}

/// The unread messages of a conversation, as many as it says there are.
fn unread_of(connection: &Connection, peer: ConversationId, unread: u64) -> Done<Vec<Message>> {
    let is_unread = |message: &Message| message.dir == Direction::In && message.state == MessageState::Unread;
    let (mut found, mut before) = (Vec::new(), None);
    while (found.len() as u64) < unread {
        let page = read::backward(connection, peer, before, unread.clamp(20, 1_000))?;
        let Some(first) = page.first() else { break };
        before = Some(first.id);
        found.extend(page.into_iter().filter(is_unread));
    }
    Ok(found)
}
