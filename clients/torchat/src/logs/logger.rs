//! What is to be written when: one pass over the conversations that are switched on, each time that something wakes it.

use super::choice::Choice;
use super::disk::{Disk, Files};
use super::place::Place;
use super::progress::{Mark, Progress};
use super::write::{Logs, Reader, Trouble, Written};
use crate::names::Names;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use torchat_client::api::event::What;
use torchat_client::api::events::{State, Step};
use torchat_client::api::{Connection, ConversationId, rows};

/// What the user has set, and when: the moment is in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) choice: Choice,
    pub(crate) at: i64,
}

/// What wakes a logger, gathered until it has time.
#[derive(Debug, Default)]
pub(crate) struct Waking {
    /// All conversations are to be looked at, and the names read again: the daemon is (again) there, or something was set.
    all: bool,
    conversations: BTreeSet<ConversationId>,
    names: bool,
}

impl Waking {
    /// Everything is to be looked at.
    pub(crate) fn all() -> Self {
        Self { all: true, names: true, ..Self::default() }
    }

    /// What a step of a follower is to a logger.
    pub(crate) fn of(step: &Step) -> Self {
        match step {
            Step::State(State::Connected { .. }) => Self::all(),
            Step::Event(event) => match &event.what {
                What::Received { message } | What::Queued { message } | What::Lost { message } => {
                    Self { conversations: BTreeSet::from([message.peer]), ..Self::default() }
                }
                What::Contact { .. } => Self { names: true, ..Self::default() },
                // Messages may be among what is gone.
                What::Gap { .. } => Self::all(),
                _ => Self::default(),
            },
            Step::State(_) | Step::Timeout => Self::default(),
        }
    }

    /// Adds what came later.
    pub(crate) fn add(&mut self, other: Self) {
        self.all |= other.all;
        self.names |= other.names;
        self.conversations.extend(other.conversations);
    }

    /// Whether it wakes nobody.
    pub(crate) fn is_empty(&self) -> bool {
        self.is_nothing() && !self.names
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_nothing(&self) -> bool {
        !self.all && self.conversations.is_empty()
    }
}

/// Tells what the user has set now.
type Choose = Box<dyn Fn() -> Result<Chosen, String> + Send>;

/// Writes the logs of this user.
pub(crate) struct Logger {
    files: Files,
    choose: Choose,
    names: Option<Names>,
}

impl Logger {
    /// A logger that has not done anything. `choose` is asked each time, so that what another program has set counts.
    pub(crate) fn new(place: Place, choose: impl Fn() -> Result<Chosen, String> + Send + 'static) -> Self {
        Self { files: Files { place }, choose: Box::new(choose), names: None }
    }

    /// Writes what is new. One log that cannot be written keeps no other from being written.
    ///
    /// # Errors
    /// The first trouble, and what was written all the same. `woken` is then to be tried again as a whole.
    pub(crate) fn pass(&mut self, connection: &Connection, woken: &Waking) -> (Vec<Written>, Result<(), Trouble>) {
        let mut written = Vec::new();
        let result = self.run(connection, woken, &mut written);
        (written, result)
    }

    fn run(&mut self, connection: &Connection, woken: &Waking, written: &mut Vec<Written>) -> Result<(), Trouble> {
        if woken.names {
            self.names = None;
        }
        if woken.is_nothing() {
            return Ok(());
        }
        // Who logs nothing gets no folder, and is not told of logs.
        let is_used = self.files.place.state.exists();
        let Chosen { choice, at } = match (self.choose)() {
            Err(_) if !is_used => return Ok(()),
            chosen => chosen.map_err(Trouble::Settings)?,
        };
        if choice.is_nothing() && !is_used {
            return Ok(());
        }
        let logs = Logs { disk: &self.files, own: connection.welcome().onion.conversation() };
        logs.follow(&choice, at)?;
        if choice.is_nothing() {
            return Ok(());
        }
        let mut wanted = match woken.all {
            true => behind(connection, &logs, &choice)?,
            false => woken.conversations.clone(),
        };
        wanted.retain(|conversation| choice.is_on(*conversation));
        if wanted.is_empty() {
            return Ok(());
        }
        let names = match self.names.take() {
            Some(names) => names,
            None => Names::read(connection)?,
        };
        let zone = TimeZone::system();
        let mut result = Ok(());
        for conversation in wanted {
            let name = names.bare(conversation);
            let reader = Reader { zone: &zone, name: &name, now: Timestamp::now().as_millisecond() };
            let done =
                logs.begun(&choice, conversation).and_then(|()| logs.catch_up(connection, conversation, &reader));
            match done {
                Ok(0) => {}
                Ok(messages) => written.push(Written { conversation, messages }),
                // It is away. A token that is not for this conversation may be for the next one.
                Err(Trouble::Daemon(error)) if error.is_passing() => return Err(error.into()),
                Err(error) => result = result.and(Err(error)),
            }
        }
        self.names = Some(names);
        result
    }
}

/// The conversations that have something that is not in their logs.
fn behind(
    connection: &Connection,
    logs: &Logs<'_, Files>,
    choice: &Choice,
) -> Result<BTreeSet<ConversationId>, Trouble> {
    let mut behind = BTreeSet::new();
    for row in connection.conversation_pages().flat_map(rows) {
        let row = row?;
        let (id, Some(last)) = (row.id(), &row.last) else { continue };
        if choice.is_on(id) && !logs.progress(id)?.is_some_and(|progress| progress.ends_with(last)) {
            behind.insert(id);
        }
    }
    Ok(behind)
}

impl<D: Disk> Logs<'_, D> {
    /// Takes over what the user has set at a moment: what is switched on begins then, what is switched off is forgotten.
    pub(super) fn follow(&self, choice: &Choice, at: i64) -> Result<(), Trouble> {
        let known = self.known()?;
        let unknown = |conversation: &&ConversationId| !known.contains(conversation);
        let changes = self.all_since()?.is_some() != choice.all
            || choice.conversations.iter().chain(&choice.except).any(|conversation| unknown(&conversation))
            || known.iter().any(|conversation| !choice.is_on(*conversation))
            || !choice.except.is_empty()
            || known.iter().any(|conversation| choice.is_on(*conversation) && self.is_off(*conversation));
        if !changes {
            return Ok(());
        }
        let _lock = self.lock()?;
        match (self.all_since()?, choice.all) {
            (None, true) => self.set_all(Some(at))?,
            (Some(_), false) => self.set_all(None)?,
            _ => {}
        }
        for conversation in
            choice.conversations.iter().chain(&known).filter(|conversation| choice.is_on(**conversation))
        {
            // What cannot be read is told when it is to be written.
            let Ok(progress) = self.progress(*conversation) else { continue };
            if progress.is_none_or(|progress| progress.mark == Mark::Off) {
                self.set(*conversation, &Progress::since(at))?;
            }
        }
        for conversation in known.iter().chain(&choice.except).filter(|conversation| !choice.is_on(**conversation)) {
            match (choice.all, self.settle(*conversation)) {
                // Or it would begin with what was said meanwhile, as soon as it is no exception any more.
                (true, Ok(Some(progress))) if progress.mark == Mark::Off => {}
                (true, _) => self.set(*conversation, &Progress::off())?,
                (false, Ok(None)) => {}
                (false, _) => self.forget(*conversation)?,
            }
        }
        Ok(())
    }

    fn is_off(&self, conversation: ConversationId) -> bool {
        matches!(self.progress(conversation), Ok(Some(Progress { mark: Mark::Off, .. })))
    }

    /// Begins a log that is on because all are.
    pub(super) fn begun(&self, choice: &Choice, conversation: ConversationId) -> Result<(), Trouble> {
        if !choice.all || self.progress(conversation)?.is_some() {
            return Ok(());
        }
        let Some(since) = self.all_since()? else { return Ok(()) };
        let _lock = self.lock()?;
        match self.progress(conversation)? {
            Some(_) => Ok(()),
            None => self.set(conversation, &Progress::since(since)),
        }
    }
}
