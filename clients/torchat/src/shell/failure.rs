//! Why a command failed: a sentence for people, a code for programs, and how the process ends.

use crate::arguments::exit::Exit;
use crate::daemon::PlaceError;
use serde_json::json;
use std::io::{self, IsTerminal as _};
use std::path::Path;
use torchat_client::api::{ApiClientError, Code};
use torchat_client::show::shown_line;

/// The result of a command or of a part of it.
pub(crate) type Done<T = ()> = Result<T, Failure>;

/// Something that the user should know of a command that goes on: a sentence, or a JSON line with a code for programs.
pub(crate) fn warn(json: bool, code: &str, message: &str) {
    line(&if json {
        json!({ "warning": { "code": code, "message": message } }).to_string()
    } else {
        format!("torchat: {}", shown_line(message))
    });
}

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

    /// An error of the daemon, with these words where a role does not allow what was asked.
    pub(crate) fn of_roles(words: &str, error: ApiClientError) -> Self {
        let mut failure = Self::from(error);
        if failure.code == Some(Code::NoRole) {
            (failure.message, failure.hint) = (words.into(), Some("`torchat room members` tells the roles".into()));
        }
        failure
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

    /// A file could not be written.
    pub(crate) fn written(path: &Path, error: &io::Error) -> Self {
        Self::new(Exit::Other, Code::Output, format!("cannot write {}: {error}", path.display()))
    }

    /// Standard output is closed, or looks so.
    pub(crate) fn closed() -> Self {
        let mut failure =
            Self::new(Exit::Other, Code::Output, "standard output is closed, so nothing was read or begun");
        failure.hint = Some("`> /dev/null` discards it (open for writing only)".to_owned());
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
            line(&json!({ "error": error }).to_string());
        } else {
            let hint = self.hint.as_deref().map_or_else(String::new, |hint| format!(": {hint}"));
            // It may quote what came from others.
            line(&format!("torchat: {}", shown_line(&format!("{}{hint}", self.message))));
        }
    }
}

/// What only people need, on stderr; nothing with `--json`, which promises records.
pub(crate) fn note(json: bool, text: &str) {
    if !json {
        line(text);
    }
}

/// What goes on, for somebody who looks: nothing unless stderr is a terminal, and nothing with `--json`.
pub(crate) fn progress(json: bool, text: &str) {
    note(json || !io::stderr().is_terminal(), text);
}

/// A line on stderr. Nobody can be told when that fails.
pub(crate) fn line(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(io::stderr(), "{text}");
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
                    Code::NotDelivered | Code::DecisionWaits => Exit::NotDelivered,
                    Code::BadRequest | Code::BadValue | Code::TooLong | Code::ToSelf => Exit::BadInput,
                    Code::Stopping => Exit::NotRunning,
                    _ => Exit::Refused,
                };
                let code = refusal.code.clone();
                let mut failure = Self::new(exit, code, crate::refusal::message(refusal));
                failure.hint = match hint(&refusal.code) {
                    Hint::Say(words) => Some(words.to_owned()),
                    Hint::Nothing => None,
                    Hint::Daemons => refusal.hint.clone(),
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

/// What is said behind a refusal.
enum Hint {
    Say(&'static str),
    Nothing,
    /// What the daemon hints, which names nothing of the API.
    Daemons,
}

/// What to do in the shell.
fn hint(code: &Code) -> Hint {
    Hint::Say(match code {
        Code::NoRequest => "`torchat contacts requests` lists who asks; `torchat contacts add` asks them",
        Code::NoContact => "`torchat contacts add` makes it one",
        Code::Blocked => "`torchat contacts unblock` comes first",
        Code::NotBlocked => "`torchat contacts` lists who is",
        Code::UnknownToken => "`torchat token list` lists them",
        Code::TokenExists => "`torchat token revoke` ends it",
        Code::ClientIdReused => "a new message needs another --id",
        Code::NotDelivered => "do not send it again while it is queued: `torchat history` tells how it goes on",
        Code::TooManyConsumers => "remove one that you no longer use: CURSORS in docs/CONTROL-API.md",
        Code::UnknownConsumer => "docs/CONTROL-API.md, CURSORS, tells how to list them",
        Code::NotAllowed => {
            "`torchat whoami` tells what you may do; the daemon's user can make a token: `torchat token create`"
        }
        Code::NotAuthenticated => {
            "give a token with --token-file FILE; the daemon's user makes one with `torchat token create`"
        }
        Code::StorageUnsure => "look into `torchat history` before you repeat it; with --id you can repeat it safely",
        Code::SearchDamaged => "search again later; `torchat status` tells when",
        Code::TracesLeft => {
            "run it again in some seconds: it removes the traces, even if there is nothing left to erase"
        }
        Code::TakenOver => "run one program for each consumer, or give each a name of its own",
        Code::Stopping => "try again when torchatd runs",
        Code::IsRoom => "name a person, or use `torchat room`",
        Code::NoRoom => "`torchat room` lists yours",
        Code::AlreadyJoined | Code::NotJoined => "`torchat room` tells how far it is",
        Code::NoRole => "`torchat room show` tells your role and who owns the room",
        Code::NoMember | Code::NotMuted => "`torchat room members` lists them",
        Code::NoMessage => {
            "`torchat room tail --numbers` prints the numbers; what is not said yet can still be taken back"
        }
        Code::NoPetition => "`torchat room petitions` lists who asks",
        Code::NoInvite => "`torchat room invites` lists those that are good",
        Code::NoHandover => "the owner runs `torchat room transfer` first",
        Code::NotFrozen => "`torchat room show` tells whether there is",
        Code::RoomFrozen => "the owner settles it: `torchat room settle`; messages, mutes and redactions go on",
        Code::NeedsHosts => "remove somebody, or make another room",
        Code::DecisionWaits => {
            "do not repeat it: it is done when another member is online, and forgotten if torchatd ends before; --force does it at once"
        }
        Code::NeedsQuorum => "wait until another member is online; --force decides at once",
        Code::NotCaughtUp => "repeat it when another member is online",
        Code::NoChain => "leave the room and join it again",
        Code::OwnerLeaves => "hand it over with `torchat room transfer`, or end it with `torchat room destroy`",
        Code::TooManyRooms => "leave one",
        Code::UnknownCommand => "use torchat and torchatd of the same version",
        // The message says it all.
        Code::BadRequest | Code::BadValue | Code::TooManyInvites | Code::ToSelf => return Hint::Nothing,
        Code::OutboxFull | Code::NotPending | Code::TooLong => return Hint::Nothing,
        _ => return Hint::Daemons,
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
        assert_eq!(refused(Code::DecisionWaits), Exit::NotDelivered);
        assert_eq!(refused(Code::TooLong), Exit::BadInput);
        assert_eq!(refused(Code::Blocked), Exit::Refused);
        assert_eq!(refused(Code::NotAllowed), Exit::Refused);
        assert_eq!(refused(Code::Stopping), Exit::NotRunning);
        let lost = ApiClientError::Lost { reason: "gone".into() };
        assert_eq!(Failure::from(lost).exit, Exit::NotRunning);
    }

    #[test]
    fn nothing_that_the_shell_prints_of_a_refusal_names_the_api() {
        use crate::refusal::tests::names_the_api;
        use torchat_protocol::control::code::{CODES, Source};
        // What no command of the shell can be refused with.
        let never = [Code::BadObject, Code::UnsupportedApi, Code::UnknownSubscription, Code::AlreadySubscribed];
        let never = [&never[..], &[Code::TooManySubscriptions]].concat();
        for row in CODES.iter().filter(|row| matches!(row.source, Source::Daemon | Source::Api)) {
            if never.contains(&row.code) {
                continue;
            }
            let mut refusal = ApiError::new(row.code.clone(), "in the daemon's words");
            refusal.hint = Some(row.hint.to_owned());
            let failure = Failure::from(ApiClientError::Refused(refusal));
            let said = format!("{}: {}", failure.message, failure.hint.unwrap_or_default());
            assert!(!names_the_api(&said), "{}: {said}", row.text);
        }
    }

    #[test]
    fn a_broken_pipe_is_quiet_and_a_full_disk_is_not() {
        let quiet = Failure::output(&io::ErrorKind::BrokenPipe.into());
        assert_eq!((quiet.exit, quiet.message.as_str()), (Exit::Done, ""));
        assert_eq!(Failure::output(&io::ErrorKind::StorageFull.into()).exit, Exit::Other);
    }
}
