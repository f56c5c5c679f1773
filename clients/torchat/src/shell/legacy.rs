//! `torchat legacy`: what old TORchat programs brought.
//!
//! It is in no conversation, because nothing proves who wrote it; each line says so. A message is taken after it was
//! written and flushed: what a crash leaves between the two comes again.

use super::failure::{Done, warn};
use super::format;
use super::out::Out;
use super::{Shell, needs};
use crate::arguments::Legacy as Arguments;
use torchat_client::api::Connection;
use torchat_client::api::command::{Legacy, LegacyTake, Status};
use torchat_client::api::record::OldMessage;
use torchat_client::show::shown_line;

/// Messages of one answer.
const PAGE: u32 = 100;

pub(super) fn run(shell: &Shell<'_>, wanted: &Arguments) -> Done {
    let connection = shell.connect()?;
    let takes = !wanted.keep && !wanted.all;
    if takes {
        needs(&connection, "LEGACY_TAKE", "a token needs the right `send`, or say --keep")?;
    }
    let mut out = shell.out();
    let (mut after, mut left) = (None, wanted.count.unwrap_or(u64::MAX));
    loop {
        let limit = u32::try_from(left).unwrap_or(PAGE).min(PAGE);
        let page = connection.call(&Legacy { after, limit: Some(limit), untaken: !wanted.all })?;
        for message in &page.messages {
            if out.is_json() {
                out.record(message)?;
            } else {
                let line = line(&out, message);
                out.line(&line)?;
            }
        }
        out.flush()?;
        let Some(last) = page.messages.last().map(|message| message.id) else {
            return if after.is_none() { warn_of_a_closed_door(shell, &connection) } else { Ok(()) };
        };
        if takes {
            connection.call(&LegacyTake { upto: last })?;
        }
        left = left.saturating_sub(page.messages.len() as u64);
        if left == 0 || !page.more {
            return Ok(());
        }
        after = Some(last);
    }
}

/// Says why nothing comes, if the configuration lets nothing in: an empty list looks as if nobody had written.
fn warn_of_a_closed_door(shell: &Shell<'_>, connection: &Connection) -> Done {
    let status = connection.call(&Status::default())?.status;
    if status.legacy.is_some_and(|legacy| !legacy.receive) {
        let words = "messages from TORchat programs of 2016-17 are not let in: `receive = true` under [legacy] in the configuration lets them in";
        warn(shell.form.json, "legacy-off", words);
    }
    Ok(())
}

/// A message with the warning that belongs to it.
fn line(out: &Out, message: &OldMessage) -> String {
    let (time, claims, text) = (format::time(&message.at), shown_line(&message.claims), out.text(&message.text));
    format!("{time} ! NOT PROVEN, claims to be {claims}: {text}")
}
