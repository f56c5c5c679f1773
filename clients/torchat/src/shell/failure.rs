//! Why a command failed: a sentence for people, a code for programs, and how the process ends.

use crate::arguments::exit::Exit;
use crate::daemon::PlaceError;
use serde_json::json;
use std::io;
use torchat_client::api::{ApiClientError, Code};
use torchat_client::show::shown_line;

/// The result of a command or of a part of it.
pub(crate) type Done<T = ()> = Result<T, Failure>;

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// How the process ends.
    pub(crate) exit: Exit,
    /// For programs: the daemon's own code where it refused; `None`: nothing is said.
    pub(crate) code: Option<Code>,
    /// For people; empty: nothing is said.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// The message that is queued all the same.
    pub(crate) queued: Option<String>,
}

impl Failure {
    fn new(exit: Exit, code: Code, message: impl Into<String>) -> Self {
        Self { exit, code: Some(code), message: message.into(), hint: None, queued: None }
    }

    /// What the user gave cannot be used.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self::new(Exit::BadInput, Code::BadInput, message)
    }

    /// The system refused something.
    pub(crate) fn system(message: impl Into<String>) -> Self {
        Self::new(Exit::Other, Code::System, message)
    }

    /// The command has already said everything.
    pub(crate) fn silent(exit: Exit) -> Self {
        Self { exit, code: None, message: String::new(), hint: None, queued: None }
    }

    /// Our output could not be written. That its reader has gone is no failure: it has had enough.
    pub(crate) fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::silent(Exit::Done);
        }
        Self::new(Exit::Other, Code::Output, format!("the output cannot be written: {error}"))
    }

    /// Standard output is closed, or looks so.
    pub(crate) fn closed() -> Self {
        let mut failure =
            Self::new(Exit::Other, Code::Output, "standard output is closed, so nothing was read or begun");
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
            ApiClientError::NotFound { .. } | ApiClientError::Connect { .. } => (Exit::NotRunning, Code::NotRunning),
            ApiClientError::Lost { .. } => (Exit::NotRunning, Code::Lost),
            ApiClientError::Timeout { .. } => (Exit::NotRunning, Code::Timeout),
            ApiClientError::Impostor { .. } | ApiClientError::NotYours { .. } => (Exit::Refused, Code::Impostor),
            ApiClientError::Address { .. } => (Exit::BadInput, Code::BadInput),
            ApiClientError::Protocol(_) => (Exit::Other, Code::Protocol),
            ApiClientError::System(_) => (Exit::Other, Code::System),
            ApiClientError::Refused(refusal) => {
                let exit = match &refusal.code {
                    Code::NotDelivered => Exit::NotDelivered,
                    Code::BadRequest | Code::BadValue | Code::TooLong | Code::ToSelf => Exit::BadInput,
                    Code::Stopping => Exit::NotRunning,
                    _ => Exit::Refused,
                };
                let mut failure = Self::new(exit, refusal.code.clone(), refusal.message.clone());
                failure.hint = match &refusal.code {
                    // The message says what is right; the daemon's hint names the API's reference.
                    Code::BadRequest | Code::BadValue => None,
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
                Self::new(Exit::NotRunning, Code::NotRunning, error.to_string())
            }
        }
    }
}

/// What to do in the shell; the daemon's own hints speak of the API's commands.
fn hint(code: &Code) -> Option<&'static str> {
    Some(match code {
        Code::NoRequest => "`torchat contacts requests` lists who asks",
        Code::NoContact => "`torchat contacts add` makes it one",
        Code::Blocked => "`torchat contacts unblock` comes first",
        Code::NotBlocked => "`torchat contacts` tells who is",
        Code::UnknownToken => "`torchat token list` lists them",
        Code::TokenExists => "`torchat token revoke` ends it",
        Code::ClientIdReused => "use another --id for another message",
        Code::NotDelivered => "do not send it again while it is queued: `torchat history` tells how it goes on",
        Code::TooManyConsumers => "remove one that is not used any more: CURSORS in docs/CONTROL-API.md",
        Code::NotAllowed => "the daemon's user can make a token with other rights: `torchat token create`",
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
        assert_eq!(refused(Code::NotDelivered), Exit::NotDelivered);
        assert_eq!(refused(Code::TooLong), Exit::BadInput);
        assert_eq!(refused(Code::Blocked), Exit::Refused);
        assert_eq!(refused(Code::NotAllowed), Exit::Refused);
        assert_eq!(refused(Code::Stopping), Exit::NotRunning);
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
