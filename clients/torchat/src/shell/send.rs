//! `torchat send`.

use super::Shell;
use super::failure::{Done, Failure, note, progress};
use super::input::{self, NoText, literal};
use crate::arguments::Send as Arguments;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};
use torchat_client::api::command::{Send, SendAnswer, Wait};
use torchat_client::api::{ApiClientError, Connection, client_id};
use torchat_client::names::Purpose;
use torchat_protocol::limits::TEXT_BYTES;

/// What the daemon may take beyond the time that a SEND waits.
const BEYOND: Duration = Duration::from_secs(30);
/// How long a daemon that restarts while we send is waited for.
const RESTART: Duration = Duration::from_secs(10);

pub(super) fn run(shell: &Shell<'_>, arguments: &Arguments) -> Done {
    // First the text: who sends from a pipe should not have to wait for a daemon to learn that it is empty.
    let text = text(shell.form.json, arguments.text.as_deref())?;
    let connection = shell.connect()?;
    let peer = shell.conversation(&connection, &arguments.peer, Purpose::Act)?;
    let wait = arguments.wait.map(|_| Wait::Delivered);
    // Our own key, if the user has none: then it can be repeated when the daemon leaves in the middle.
    let key = arguments.id.clone().map_or_else(client_id, Ok)?;
    let timeout = wait.map(|_| arguments.timeout);
    let send =
        Send { peer, text, client_id: Some(key), wait, timeout, expire: arguments.expire, re: None, to: Vec::new() };
    let manner = Manner { who: "the peer", keyed: arguments.id.is_some(), quiet: arguments.quiet };
    accepted(shell, connection, &send, &manner)
}

/// What the user is told of a message that is sent.
pub(super) struct Manner {
    /// For whom it waits.
    pub(super) who: &'static str,
    /// The user has given it a key.
    pub(super) keyed: bool,
    /// Nothing is said of a message that was sent before.
    pub(super) quiet: bool,
}

/// Sends a message, and tells what came of it.
pub(super) fn accepted(shell: &Shell<'_>, connection: Connection, send: &Send, manner: &Manner) -> Done {
    if send.wait.is_some() {
        let (who, seconds) = (manner.who, send.timeout.unwrap_or_default());
        progress(
            shell.form.json,
            &format!("waiting until {who} has it, at most {seconds} s (Ctrl-C: it stays queued)"),
        );
    }
    let answer = send_surely(shell, connection, send)?;
    if shell.form.json {
        return shell.answer(&answer, "");
    }
    if manner.keyed && answer.duplicate && !manner.quiet {
        note(false, &format!("torchat: a message with this --id was accepted before; it is {}", answer.state.name()));
    }
    Ok(())
}

/// Sends, and again if the connection is lost before the answer: the key makes both the same message.
fn send_surely(shell: &Shell<'_>, mut connection: Connection, send: &Send) -> Done<SendAnswer> {
    let limit = Duration::from_secs(send.timeout.unwrap_or(0)) + BEYOND;
    let deadline = Instant::now() + RESTART;
    loop {
        let lost = match connection.call_within(send, limit) {
            Err(error @ ApiClientError::Lost { .. }) => error,
            result => return Ok(result?),
        };
        connection = loop {
            match shell.place.address().map(|address| Connection::open(&address)) {
                Ok(Ok(connection)) => break connection,
                _ if Instant::now() >= deadline => return Err(lost.into()),
                _ => std::thread::sleep(Duration::from_millis(100)),
            }
        };
    }
}

/// The text of the command line or of standard input.
pub(super) fn text(json: bool, given: Option<&str>) -> Done<String> {
    let text = match given {
        Some(text) if text != "-" || literal(std::env::args_os()) > 0 => text.to_owned(),
        _ => {
            if std::io::stdin().is_terminal() {
                note(json, "type the text, then Ctrl-D on a new line:");
            }
            input::whole(std::io::stdin().lock())?
        }
    };
    check(&text)?;
    Ok(text)
}

/// Whether a text can be a message.
pub(super) fn check(text: &str) -> Done {
    if text.is_empty() {
        return Err(Failure::input("there is no text to send"));
    }
    if text.len() > TEXT_BYTES {
        return Err(NoText::TooLong.of("the text"));
    }
    Ok(())
}
