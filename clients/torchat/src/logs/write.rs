//! Writing a conversation's log up to its last message, each message once, over kills, power cuts and other writers.
//!
//! A batch of lines is first written into the journal, then appended to the log, then the journal says that it is written;
//! each is durable before the next begins. Who finds a batch in the journal compares it with the end of the log, and
//! appends what is missing. So a line is written again only if a kill and a change of the file by its user come together.

use super::disk::{Disk, Found};
use super::line::Here;
use super::place::{letters, log_name};
use super::position::{Messages, position};
use super::progress::{Batch, Mark, Progress};
use super::tail::{contains, missing};
use std::io;
use torchat_client::api::command::History;
use torchat_client::api::record::Message;
use torchat_client::api::{ApiClientError, ConversationId};

/// Messages of a page: the daemon's limit. Of long ones it gives fewer.
const PAGE: u32 = 1_000;
/// Bytes of a batch, but for its last message: what a kill makes us look through.
const BATCH_BYTES: usize = 256 << 10;

/// Why a log is not written.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum Trouble {
    /// The daemon is away, or says no.
    #[error(transparent)]
    Daemon(#[from] ApiClientError),
    /// What the user has set cannot be read.
    #[error("{0}; nothing is logged until this is corrected")]
    Settings(String),
    /// The disk.
    #[error("the text logs are not written ({why}): {what}")]
    Disk {
        /// Which file.
        what: String,
        /// What the system says.
        why: String,
    },
}

impl Trouble {
    fn disk(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |error| Self::Disk { what, why: error.to_string() }
    }
}

/// A log that has got something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// Which one.
    pub(crate) conversation: ConversationId,
    /// How many messages.
    pub(crate) messages: u64,
}

/// The logs of an identity.
pub(super) struct Logs<'a, D> {
    pub(super) disk: &'a D,
    pub(super) own: ConversationId,
}

/// How the reader of a log is called, and where it is.
pub(super) struct Reader<'a> {
    pub(super) zone: &'a jiff::tz::TimeZone,
    pub(super) name: &'a str,
    /// The time, in milliseconds since 1970.
    pub(super) now: i64,
}

/// The name of the file that says how far a log is.
fn state_name(conversation: ConversationId) -> String {
    format!("{}.json", letters(conversation))
}

/// The file that says since when all conversations are logged.
const ALL: &str = "all.json";

impl<D: Disk> Logs<'_, D> {
    fn own(&self) -> String {
        letters(self.own)
    }

    /// How far a log is; `None`: it has not begun.
    pub(super) fn progress(&self, conversation: ConversationId) -> Result<Option<Progress>, Trouble> {
        self.load(&state_name(conversation))
    }

    fn load<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Trouble> {
        let wrong = |why: String| Trouble::Disk { what: format!("logs.state/{}/{name}", self.own()), why };
        let Some(bytes) = self.disk.state(&self.own(), name).map_err(|error| wrong(error.to_string()))? else {
            return Ok(None);
        };
        let read = serde_json::from_slice(&bytes);
        read.map(Some)
            .map_err(|_| wrong("this cannot be understood; remove it, and the log begins again from now".into()))
    }

    fn save(&self, name: &str, value: &impl serde::Serialize) -> Result<(), Trouble> {
        let saved = serde_json::to_vec(value).map_err(io::Error::from);
        let saved = saved.and_then(|bytes| self.disk.replace(&self.own(), name, &bytes));
        saved.map_err(Trouble::disk(name))
    }

    pub(super) fn set(&self, conversation: ConversationId, progress: &Progress) -> Result<(), Trouble> {
        self.save(&state_name(conversation), progress)
    }

    /// Forgets how far a log is, when it is switched off: it begins again from the moment when it is switched on.
    pub(super) fn forget(&self, conversation: ConversationId) -> Result<(), Trouble> {
        let name = state_name(conversation);
        self.disk.remove(&self.own(), &name).map_err(Trouble::disk(name))
    }

    /// The conversations of which something is known here.
    pub(super) fn known(&self) -> Result<Vec<ConversationId>, Trouble> {
        let names = self.disk.states(&self.own()).map_err(Trouble::disk("logs.state"))?;
        Ok(names.iter().filter_map(|name| name.strip_suffix(".json")?.parse().ok()).collect())
    }

    /// Since when all are logged, in milliseconds since 1970; `None`: they are not.
    pub(super) fn all_since(&self) -> Result<Option<i64>, Trouble> {
        self.load(ALL)
    }

    pub(super) fn set_all(&self, since: Option<i64>) -> Result<(), Trouble> {
        match since {
            Some(since) => self.save(ALL, &since),
            None => self.disk.remove(&self.own(), ALL).map_err(Trouble::disk(ALL)),
        }
    }

    pub(super) fn lock(&self) -> Result<D::Lock, Trouble> {
        self.disk.lock().map_err(Trouble::disk("logs.state/lock"))
    }

    /// Writes what a log does not have yet. Returns how many messages. Nothing is waited for with the lock held.
    pub(super) fn catch_up(
        &self,
        messages: &impl Messages,
        conversation: ConversationId,
        reader: &Reader<'_>,
    ) -> Result<u64, Trouble> {
        let mut count = 0;
        loop {
            let Some(progress) = self.settled(conversation)? else { return Ok(count) };
            let Some(after) = position(messages, conversation, &progress.mark)? else { return Ok(count) };
            let wanted =
                History { peer: conversation, before: None, after: Some(after), limit: Some(PAGE), hidden: false };
            let page = messages.page(&wanted)?;
            if page.messages.is_empty() {
                return Ok(count);
            }
            let _lock = self.lock()?;
            // Somebody else has written meanwhile.
            if self.progress(conversation)?.as_ref() != Some(&progress) {
                continue;
            }
            let taken = self.write(conversation, &progress, &page.messages, reader)?;
            count += taken as u64;
            if taken == page.messages.len() && !page.more {
                return Ok(count);
            }
        }
    }

    /// How far a log is, when nothing of a batch is missing in it.
    fn settled(&self, conversation: ConversationId) -> Result<Option<Progress>, Trouble> {
        let progress = self.progress(conversation)?;
        if progress.as_ref().is_none_or(|progress| progress.batch.is_none()) {
            return Ok(progress);
        }
        let _lock = self.lock()?;
        self.settle(conversation)
    }

    /// The same with the lock held.
    pub(super) fn settle(&self, conversation: ConversationId) -> Result<Option<Progress>, Trouble> {
        let Some(progress) = self.progress(conversation)? else { return Ok(None) };
        let Some(batch) = &progress.batch else { return Ok(Some(progress)) };
        self.complete(conversation, batch)?;
        self.set(conversation, &progress.written())?;
        Ok(Some(progress.written()))
    }

    /// Writes the first messages of a page, those of a batch; returns how many. With the lock held.
    fn write(
        &self,
        conversation: ConversationId,
        progress: &Progress,
        page: &[Message],
        reader: &Reader<'_>,
    ) -> Result<usize, Trouble> {
        let Some(first) = page.first() else { return Ok(0) };
        let name = log_name(conversation);
        let found = self.disk.find(&self.own(), &name).map_err(Trouble::disk(&name))?;
        let is_new = found.length == 0;
        let mut here = Here { zone: reader.zone.clone(), offset: progress.offset.filter(|_| !is_new) };
        let (mut text, mut taken, mut last) = (String::new(), 0, progress.mark.behind(first));
        if is_new || matches!(progress.mark, Mark::Since(_)) {
            here.begin(reader.now, self.own, (conversation, reader.name), &mut text);
        }
        for message in page {
            if text.len() >= BATCH_BYTES {
                break;
            }
            here.message(message, reader.name, &mut text);
            last = Mark::Last(last).behind(message);
            taken += 1;
        }
        let batch = Batch { length: found.length, inode: found.inode, text, last, offset: here.offset };
        let begun = Progress { batch: Some(batch.clone()), ..progress.clone() };
        self.set(conversation, &begun)?;
        self.append(&name, found, batch.text.as_bytes())?;
        self.set(conversation, &begun.written())?;
        Ok(taken)
    }

    /// Appends what of a batch is missing, after a kill, or when the disk was full.
    fn complete(&self, conversation: ConversationId, batch: &Batch) -> Result<(), Trouble> {
        let name = log_name(conversation);
        let wrong = || Trouble::disk(&name);
        let found = self.disk.find(&self.own(), &name).map_err(wrong())?;
        let text = batch.text.as_bytes();
        let is_same = found.inode == batch.inode || batch.inode == 0;
        if !is_same || found.length < batch.length {
            // The user has changed or exchanged it meanwhile. Of an old one only its end is looked at.
            let from = found.length.saturating_sub(2 * text.len() as u64 + BATCH_BYTES as u64);
            let is_there = contains(&self.disk.read(&self.own(), &name, from).map_err(wrong())?, text);
            return if is_there { Ok(()) } else { self.append(&name, found, text) };
        }
        let tail = self.disk.read(&self.own(), &name, batch.length).map_err(wrong())?;
        match missing(text, &tail) {
            None => Ok(()),
            Some(missing) if missing.continues => self.disk.append(&self.own(), &name, missing.text).map_err(wrong()),
            Some(missing) => self.append(&name, found, missing.text),
        }
    }

    /// Appends lines: behind a last line that the user has left without its end, after that.
    fn append(&self, name: &str, found: Found, lines: &[u8]) -> Result<(), Trouble> {
        let appended = self.ends_a_line(name, found).and_then(|ends| match ends {
            true => self.disk.append(&self.own(), name, lines),
            false => self.disk.append(&self.own(), name, &[b"\n", lines].concat()),
        });
        appended.map_err(Trouble::disk(name))
    }

    fn ends_a_line(&self, name: &str, found: Found) -> io::Result<bool> {
        if found.length == 0 {
            return Ok(true);
        }
        let end = self.disk.read(&self.own(), name, found.length - 1)?;
        Ok(end.last().is_none_or(|byte| *byte == b'\n'))
    }
}
