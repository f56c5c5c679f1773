//! The daemon itself: how it is, how much it logs, its end.

use super::answer::{Done, fail, refused};
use super::connection::Connection;
use super::dispatch::{Caller, Course, Execute, Row, row};
use crate::access::Access;
use std::time::Duration;
use torchat_engine::handle::{Handle, Refusal};
use torchat_protocol::control::api::command::{
    Check, CheckAnswer, Exit, LogLevel, Nothing, Status, StatusAnswer, Tokens,
};
use torchat_protocol::control::code::Code;

/// How long EVENTS and STATUS wait at most, in seconds.
pub(crate) const NEWS_WAIT_MAX_S: u32 = 300;

pub(crate) const ROWS: &[Row] = &[row::<Status>(), row::<Check>(), row::<Tokens>(), row::<LogLevel>(), row::<Exit>()];

/// Whether news may be waited for so long.
pub(crate) fn check_wait(seconds: u32) -> Done<()> {
    if seconds > NEWS_WAIT_MAX_S {
        return Err(fail(Code::BadRequest, format!("\"wait\" is at most {NEWS_WAIT_MAX_S} seconds")));
    }
    Ok(())
}

impl Execute for Status {
    fn execute(self, caller: Caller, _: &mut Connection) -> Course<StatusAnswer> {
        let wait = self.wait.unwrap_or_default();
        if let Err(error) = check_wait(wait) {
            return Course::Now(Err(error));
        }
        let Some(version) = self.version else {
            return Course::later(async move { Ok(status(caller.handle(), &caller.access).await) });
        };
        Course::later(async move {
            tokio::select! {
                biased;
                () = caller.context.ending.cancelled() => {}
                () = caller.handle().status_changed(version) => {}
                () = tokio::time::sleep(Duration::from_secs(wait.into())) => {}
            }
            Ok(status(caller.handle(), &caller.access).await)
        })
    }
}

/// Who may see only some peers learns nothing of the others, not even how many they are.
async fn status(handle: &Handle, access: &Access) -> StatusAnswer {
    // Before the look: what changes meanwhile is told by the next answer.
    let version = handle.status_version();
    let mut status = handle.status_for_clients().await;
    if access.peers.is_some() {
        status = status.of_some(|id| access.sees(id));
    }
    StatusAnswer { version, sentence: status.sentence.clone().unwrap_or_default(), status }
}

impl Execute for Check {
    fn execute(self, caller: Caller, _: &mut Connection) -> Course<CheckAnswer> {
        Course::later(async move {
            let checked = tokio::select! {
                biased;
                checked = caller.handle().check() => checked.map_err(|error| refused(&error))?,
                () = caller.context.cut.cancelled() => return Err(refused(&Refusal::Stopping)),
            };
            let reached = checked.failure.is_none();
            let reason = checked.failure.as_ref().map(|why| why.detail.clone());
            let age_s = checked.ago_ms / 1000;
            Ok(CheckAnswer { reached, ms: checked.took_ms, reason, why: checked.failure, age_s })
        })
    }
}

impl Execute for LogLevel {
    fn execute(self, _: Caller, connection: &mut Connection) -> Course<Nothing> {
        Course::Now(log_level(&self.level, connection))
    }
}

fn log_level(level: &str, connection: &Connection) -> Done<Nothing> {
    if !["error", "warn", "info", "debug", "trace"].contains(&level) {
        return Err(fail(Code::BadRequest, "\"level\" is error, warn, info, debug or trace"));
    }
    match &connection.config().log_level {
        Some(hook) => hook.set(level).map(|()| Nothing {}).map_err(|why| fail(Code::Unavailable, why)),
        None => Err(fail(Code::Unavailable, "this daemon's log has a fixed level")),
    }
}

impl Execute for Exit {
    fn execute(self, _: Caller, connection: &mut Connection) -> Course<Nothing> {
        connection.exit();
        Course::Now(Ok(Nothing {}))
    }
}
