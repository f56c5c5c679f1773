//! `torchat erase` and `torchat contacts retain`: what of a conversation does not stay here.

use super::Shell;
use super::failure::{Done, Failure, note};
use crate::arguments::Erase;
use crate::counts::{counted, grouped};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::json;
use torchat_client::api::Connection;
use torchat_client::api::command;
use torchat_client::names::Purpose;

/// What ERASE leaves, for people.
const NOT_ERASED: &str = "not erased: the peer's copy, backups, exports and text logs, and the copy of the store that an upgrade keeps \
                          for 30 days";

/// The same in a room.
const NOT_ERASED_IN_ROOMS: &str = "not erased: what other members have, who wrote when, backups, exports and text logs";

pub(super) fn run(shell: &Shell<'_>, arguments: &Erase) -> Done {
    let before = arguments.before.as_deref().map(moment).transpose()?;
    let connection = shell.connect()?;
    super::needs(&connection, "ERASE", "it needs the right admin")?;
    let (id, upto) = (shell.conversation(&connection, &arguments.peer, Purpose::Read)?, arguments.upto);
    if arguments.yes {
        let answer = connection.call(&command::Erase { peer: id, upto, before })?;
        let is_room = connection.call(&command::OneRoom { peer: id }).is_ok();
        note(shell.form.json, if is_room { NOT_ERASED_IN_ROOMS } else { NOT_ERASED });
        return shell.answer(&answer, &format!("{} erased{}", grouped(answer.erased), kept(answer.kept)));
    }
    let found = connection.call(&command::EraseCount { peer: id, upto, before })?;
    let count = format!("{} would be erased{}", counted(found.erasable, "message"), kept(found.kept));
    if arguments.dry_run {
        return shell.answer(&found, &count);
    }
    let mut failure = Failure::input(format!("nothing is erased without --yes: {}: {count}", id.onion()));
    failure.hint = Some("what is erased here cannot be had again; `torchat export` keeps a copy".to_owned());
    Err(failure)
}

/// What stays, behind what goes.
fn kept(kept: u64) -> String {
    match kept {
        0 => String::new(),
        1 => ", 1 waiting for delivery stays".to_owned(),
        kept => format!(", {} waiting for delivery stay", grouped(kept)),
    }
}

/// The beginning of a day where the user is, or a moment.
fn moment(text: &str) -> Done<String> {
    let day = text.parse::<Date>().ok().and_then(|day| day.to_zoned(TimeZone::system()).ok());
    let moment = text.parse::<Timestamp>().ok().or_else(|| Some(day?.timestamp()));
    let wrong = || Failure::input("a day is written as 2026-11-21, a moment as 2026-11-21T09:30:00Z");
    moment.map(|moment| moment.to_string()).ok_or_else(wrong)
}

/// Says how long messages are kept.
pub(super) fn retain(shell: &Shell<'_>, connection: &Connection, word: &str, days: Option<u32>) -> Done {
    super::needs(connection, "RETAIN", "it needs the right admin")?;
    let peer = shell.peer(connection, word, Purpose::Read)?;
    connection.call(&command::Retain { peer, days })?;
    if shell.form.json { shell.answer(&json!({ "peer": peer, "retain_days": days }), "") } else { Ok(()) }
}
