//! A conversation as a file.

use crate::membership::{instead, speaker};
use crate::screen::model::Input;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use torchat_client::api::ConversationId;
use torchat_client::api::command;
use torchat_client::api::events::Handle;
use torchat_client::api::record::{Direction, Message};
use torchat_client::show;
use torchat_client::timeline::millis;

/// Messages of a page.
const PAGE: u32 = 500;

/// Has a conversation written by `write`, which gets the whole path and returns how many messages: how that went, as the screen is
/// told. `asked` is the path as it was typed, by which the screen finds the line again.
pub(in crate::screen) fn export(asked: PathBuf, write: impl FnOnce(&Path) -> anyhow::Result<u64>) -> Input {
    // Whole, so that the user finds the file wherever the client was started.
    let whole = whole(&asked);
    let outcome = write(&whole).map_err(|error| format!("{error:#}"));
    Input::Exported { asked, whole, outcome }
}

/// Writes a conversation to a new file. Returns how many messages. What cannot be written whole is not left behind.
pub(super) fn write(handle: &Handle, peer: ConversationId, path: &Path, name: &str) -> anyhow::Result<u64> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = write_all(handle, peer, file, name);
    if written.is_err() {
        let _ = std::fs::remove_file(path);
    }
    written
}

fn write_all(handle: &Handle, peer: ConversationId, file: File, name: &str) -> anyhow::Result<u64> {
    let mut file = BufWriter::new(file);
    let (mut after, mut count) = (0, 0);
    loop {
        let page = handle.call(&command::History {
            peer,
            before: None,
            after: Some(after),
            limit: Some(PAGE),
            hidden: false,
        })?;
        for message in &page.messages {
            writeln!(file, "{}", lines(message, name))?;
            (after, count) = (message.id, count + 1);
        }
        if !page.more || page.messages.is_empty() {
            break;
        }
    }
    file.into_inner()?.sync_all()?;
    Ok(count)
}

/// A message as text: a line with its time and who wrote it, its further lines indented.
pub(in crate::screen) fn lines(message: &Message, name: &str) -> String {
    let at = millis(&message.at).and_then(|at| jiff::Timestamp::from_millisecond(at).ok()).unwrap_or_default();
    let member = message.from.as_ref().filter(|from| !from.me).map(|from| speaker(&from.name, from.member));
    let who = match (message.dir, &member, &message.from) {
        (_, Some(member), _) => member,
        (Direction::Out, ..) | (_, None, Some(_)) => "you",
        (Direction::In, ..) => name,
        (Direction::Mark, ..) => "!",
        (Direction::Unknown, ..) => "?",
    };
    let text = match instead(message) {
        Some(words) => words.to_owned(),
        None => show::shown_rows(&message.text).replace('\n', "\n    "),
    };
    format!("{} {who}: {text}", at.strftime("%Y-%m-%dT%H:%M:%SZ"))
}

fn whole(path: &Path) -> PathBuf {
    let path = home(path);
    std::path::absolute(&path).unwrap_or(path)
}

/// A path as a shell would take it.
fn home(path: &Path) -> PathBuf {
    let home = || torchat_protocol::home::home(std::env::var_os("HOME").as_deref(), std::env::home_dir);
    match path.strip_prefix("~").map(|rest| (rest, home())) {
        Ok((rest, Some(home))) => home.join(rest),
        _ => path.to_owned(),
    }
}
