//! Why a command failed: a sentence for people, a code for programs, and how the process ends.

use crate::arguments::exit::Exit;
use crate::daemon::PlaceError;
use serde_json::json;
use std::io;
use torchat_client::api::ApiClientError;
use torchat_client::show::shown_line;

/// The result of a command or of a part of it.
pub(crate) type Done<T = ()> = Result<T, Failure>;

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// How the process ends.
    pub(crate) exit: Exit,
    /// For programs: the daemon's own code where it refused.
    pub(crate) code: String,
    /// For people; empty: nothing is said.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// The message that is queued all the same.
    pub(crate) queued: Option<String>,
}

impl Failure {
    fn new(exit: Exit, code: &str, message: impl Into<String>) -> Self {
        Self { exit, code: code.to_owned(), message: message.into(), hint: None, queued: None }
    }

    /// What the user gave cannot be used.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self::new(Exit::BadInput, "bad-input", message)
    }

    /// The system refused something.
    pub(crate) fn system(message: impl Into<String>) -> Self {
        Self::new(Exit::Other, "system", message)
    }

    /// The command has already said everything.
    pub(crate) fn silent(exit: Exit) -> Self {
        Self::new(exit, "", "")
    }

    /// Our output could not be written. That whoever reads it has gone is no failure: it has had enough.
    pub(crate) fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::silent(Exit::Done);
        }
        Self::new(Exit::Other, "output", format!("the output cannot be written: {error}"))
    }

    /// Standard output is closed, or looks so.
    pub(crate) fn closed() -> Self {
        let mut failure = Self::new(Exit::Other, "output", "standard output is closed, so nothing was read or begun");
        failure.hint = Some("`> /dev/null` throws it away (open for writing only)".to_owned());
        failure
    }

    /// Writes it to stderr: a sentence, or a JSON line.
    pub(crate) fn report(&self, json: bool) {
        if self.message.is_empty() {
            return;
        }
        if json {
            let mut error = json!({"code": self.code, "message": self.message, "exit": self.exit as u8});
            if let (Some(map), Some(hint)) = (error.as_object_mut(), &self.hint) {
                map.insert("hint".into(), hint.as_str().into());
            }
            if let (Some(map), Some(queued)) = (error.as_object_mut(), &self.queued) {
                map.insert("queued".into(), queued.as_str().into());
            }
            note(&json!({ "error": error }).to_string());
        } else {
            let hint = self.hint.as_deref().map_or_else(String::new, |hint| format!(": {hint}"));
            // It may quote what came from others.
            note(&format!("torchat: {}", shown_line(&format!("{}{hint}", self.message))));
        }
    }
}

/// A line on stderr. Nobody can be told when that fails.
pub(crate) fn note(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(io::stderr(), "{line}");
}

impl From<ApiClientError> for Failure {
    fn from(error: ApiClientError) -> Self {
        let (exit, code) = match &error {
            ApiClientError::NotFound { .. } | ApiClientError::Connect { .. } => (Exit::NotRunning, "not-running"),
            ApiClientError::Lost { .. } => (Exit::NotRunning, "lost"),
            ApiClientError::Timeout { .. } => (Exit::NotRunning, "timeout"),
            ApiClientError::Impostor { .. } | ApiClientError::NotYours { .. } => (Exit::Refused, "impostor"),
            ApiClientError::Address { .. } => (Exit::BadInput, "bad-input"),
            ApiClientError::Protocol(_) => (Exit::Other, "protocol"),
            ApiClientError::System(_) => (Exit::Other, "system"),
            ApiClientError::Refused(refusal) => {
                let exit = match refusal.code.as_str() {
                    "not-delivered" => Exit::NotDelivered,
                    "bad-request" | "bad-value" | "too-long" | "to-self" => Exit::BadInput,
                    "stopping" => Exit::NotRunning,
                    _ => Exit::Refused,
                };
                let mut failure = Self::new(exit, &refusal.code, refusal.message.clone());
                failure.hint = match refusal.code.as_str() {
                    // The message says what is right; the daemon's hint names the API's reference.
                    "bad-request" | "bad-value" => None,
                    code => hint(code).map(str::to_owned).or_else(|| refusal.hint.clone()),
                };
                failure.queued = refusal.queued.map(|mid| mid.to_string());
                return failure;
            }
        };
        Self::new(exit, code, error.to_string())
    }
}

impl From<PlaceError> for Failure {
    fn from(error: PlaceError) -> Self {
        match error {
            PlaceError::Api(error) => error.into(),
            PlaceError::Token { .. } => Self::input(error.to_string()),
            PlaceError::NoProgram | PlaceError::Start { .. } => {
                Self::new(Exit::NotRunning, "not-running", error.to_string())
            }
        }
    }
}

/// What to do in the shell; the daemon's own hints speak of the API's commands.
fn hint(code: &str) -> Option<&'static str> {
    Some(match code {
        "no-request" => "`torchat contacts requests` lists who asks",
        "no-contact" => "`torchat contacts add` makes it one",
        "blocked" => "`torchat contacts unblock` comes first",
        "not-blocked" => "`torchat contacts` tells who is",
        "unknown-token" => "`torchat token list` lists them",
        "token-exists" => "`torchat token revoke` ends it",
        "client-id-reused" => "use another --id for another message",
        "not-delivered" => "do not send it again while it is queued: `torchat history` tells how it goes on",
        "too-many-consumers" => "remove one that is not used any more: CURSORS in docs/CONTROL-API.md",
        "not-allowed" => "the daemon's user can make a token with other rights: `torchat token create`",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use torchat_client::api::ApiError;

    #[test]
    fn each_cause_has_its_exit_code() {
        let refused = |code| Failure::from(ApiClientError::Refused(ApiError::new(code, "no"))).exit;
        assert_eq!(refused("not-delivered"), Exit::NotDelivered);
        assert_eq!(refused("too-long"), Exit::BadInput);
        assert_eq!(refused("blocked"), Exit::Refused);
        assert_eq!(refused("not-allowed"), Exit::Refused);
        assert_eq!(refused("stopping"), Exit::NotRunning);
        let lost = ApiClientError::Lost { reason: "gone".into() };
        assert_eq!(Failure::from(lost).exit, Exit::NotRunning);
    }

    #[test]
    fn a_broken_pipe_is_quiet_and_a_full_disk_is_not() {
        let quiet = Failure::output(&io::ErrorKind::BrokenPipe.into());
        assert_eq!((quiet.exit, quiet.message.as_str()), (Exit::Done, ""));
        assert_eq!(Failure::output(&io::ErrorKind::StorageFull.into()).exit, Exit::Other);
    }
}
