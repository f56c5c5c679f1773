//! `torchat doctor`: the whole chain in sentences, each with what to do if something is wrong.
//!
//! It reports what can be known from here: the files, the system, and what the daemon says of itself. One's own onion is
//! dialled by the daemon, over a circuit of its own and up to the first words of the protocol (CHECK).

mod clock;
mod daemon;
mod files;
mod logs;
mod rooms;

use super::Shell;
use super::failure::{Done, Failure};
use crate::arguments::exit::Exit;
use crate::daemon::PlaceError;
use serde::Serialize;
use torchat_client::api::{ApiClientError, Connection};
use torchat_client::show::shown_line;

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Grade {
    /// As it should be.
    Ok,
    /// Not known, or not as good as it could be.
    Note,
    /// Something does not work.
    Wrong,
}

/// What was found at one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    /// What was looked at.
    check: &'static str,
    /// How it stands.
    grade: Grade,
    /// In words.
    sentence: String,
    /// What to do about it.
    #[serde(rename = "do", skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
    /// Tor's own words about it; on a terminal only with `--verbose`.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, sentence: impl Into<String>) -> Self {
        Self { check, grade: Grade::Ok, sentence: sentence.into(), advice: None, detail: None }
    }

    fn note(check: &'static str, sentence: impl Into<String>) -> Self {
        Self { grade: Grade::Note, ..Self::ok(check, sentence) }
    }

    /// With what may be done about it.
    fn advise(self, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..self }
    }

    /// With Tor's own words, if there are any.
    fn explain(self, detail: Option<String>) -> Self {
        Self { detail, ..self }
    }

    fn wrong(check: &'static str, sentence: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { grade: Grade::Wrong, advice: Some(advice.into()), ..Self::ok(check, sentence) }
    }
}

impl Finding {
    /// How the process ends for it.
    fn exit(&self) -> Exit {
        match self.check {
            "socket" | "data" | "key" | "token" => Exit::UnwellFiles,
            "clock" => Exit::UnwellClock,
            "tor" => Exit::UnwellTor,
            "onion" => Exit::UnwellOnion,
            "disk" | "storage" => Exit::UnwellStore,
            "queue" => Exit::UnwellQueue,
            _ => Exit::Unwell,
        }
    }
}

pub(super) fn run(shell: &Shell<'_>, verbose: bool) -> Done {
    let mut out = shell.out();
    // The first that is wrong: what comes behind it is often only its consequence.
    let mut first = None;
    let mut tell = |finding: Finding| -> Done {
        if finding.grade == Grade::Wrong {
            first.get_or_insert(finding.exit());
        }
        if out.is_json() {
            out.record(&finding)?;
        } else {
            let mark = match finding.grade {
                Grade::Ok => "ok   ",
                Grade::Note => "note ",
                Grade::Wrong => "WRONG",
            };
            out.line(&format!("{mark}  {}: {}.", finding.check, shown_line(&finding.sentence)))?;
            if let Some(advice) = &finding.advice {
                out.line(&format!("       -> {}", shown_line(advice)))?;
            }
            if let Some(detail) = finding.detail.as_ref().filter(|_| verbose) {
                out.line(&format!("       Tor says: {}", shown_line(detail)))?;
            }
        }
        // Each line as soon as it is known: some checks take a moment.
        out.flush()
    };
    let opened = match shell.place.address() {
        Ok(address) => {
            let opened = Connection::open(&address);
            tell(daemon::answers(shell.place, &address.endpoint, opened.as_ref()))?;
            files::check(&address.endpoint).into_iter().try_for_each(&mut tell)?;
            opened
        }
        // Not even a socket is there.
        Err(PlaceError::Api(error @ ApiClientError::NotFound { .. })) => {
            tell(daemon::away(shell.place, &error))?;
            Err(error)
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(file) = &shell.place.token_file {
        tell(files::token(file))?;
    }
    logs::check().into_iter().try_for_each(&mut tell)?;
    match opened {
        Ok(connection) => daemon::check(shell.form.json, &connection, &mut tell)?,
        Err(error) => {
            tell(clock::plausible(jiff::Timestamp::now(), None))?;
            let absent = matches!(error, ApiClientError::NotFound { .. } | ApiClientError::Connect { .. });
            return Err(Failure::silent(if absent { Exit::NotRunning } else { Exit::Unwell }));
        }
    }
    first.map_or(Ok(()), |exit| Err(Failure::silent(exit)))
}
