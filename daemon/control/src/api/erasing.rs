//! What of a conversation is erased here, and when.

use super::answer::{Done, fail, refused};
use super::connection::Connection;
use super::dispatch::{Caller, Course, Execute, Row, row};
use torchat_core::input::ContactChange;
use torchat_engine::handle::EraseOptions;
use torchat_protocol::control::api::ApiError;
use torchat_protocol::control::api::command::{Erase, EraseAnswer, EraseCount, EraseCountAnswer, Nothing, Retain};
use torchat_protocol::control::code::Code;
use torchat_protocol::id::PeerId;

/// The longest time that RETAIN takes, in days.
const RETAIN_MAX_DAYS: u32 = 36_500;

pub(crate) const ROWS: &[Row] = &[row::<Erase>(), row::<EraseCount>(), row::<Retain>()];

impl Execute for Erase {
    fn subject(&self) -> Option<PeerId> {
        self.peer.as_peer()
    }

    fn execute(self, caller: Caller, _: &mut Connection) -> Course<EraseAnswer> {
        let options = match options(self.upto, self.before.as_deref()) {
            Ok(options) => options,
            Err(error) => return Course::Now(Err(error)),
        };
        Course::later(async move {
            let peer = caller.conversation(self.peer)?;
            let count = caller.handle().erase(peer, options).await.map_err(|error| refused(&error))?;
            Ok(EraseAnswer { erased: count.erased, kept: count.kept })
        })
    }
}

/// A command of its own and not a parameter of ERASE: a daemon that does not know a parameter ignores it, and would erase.
impl Execute for EraseCount {
    fn subject(&self) -> Option<PeerId> {
        self.peer.as_peer()
    }

    fn execute(self, caller: Caller, _: &mut Connection) -> Course<EraseCountAnswer> {
        let options = match options(self.upto, self.before.as_deref()) {
            Ok(options) => options,
            Err(error) => return Course::Now(Err(error)),
        };
        Course::later(async move {
            let peer = caller.conversation(self.peer)?;
            let found = caller.handle().erasable(peer, options).await.map_err(|error| refused(&error))?;
            Ok(EraseCountAnswer { erasable: found.erasable, kept: found.kept, upto: found.upto })
        })
    }
}

fn options(upto: Option<i64>, before: Option<&str>) -> Result<EraseOptions, ApiError> {
    let before_ms = match before.map(str::parse::<jiff::Timestamp>) {
        None => None,
        Some(Ok(before)) => Some(before.as_millisecond()),
        Some(Err(_)) => {
            return Err(fail(Code::BadRequest, "\"before\" is a time such as \"2026-11-21T09:30:00Z\""));
        }
    };
    Ok(EraseOptions { upto, before_ms })
}

impl Execute for Retain {
    fn subject(&self) -> Option<PeerId> {
        Some(self.peer.0)
    }

    fn execute(self, caller: Caller, _: &mut Connection) -> Course<Nothing> {
        if self.days.is_some_and(|days| !(1..=RETAIN_MAX_DAYS).contains(&days)) {
            return Course::Now(Err(fail(
                Code::BadRequest,
                format!("\"days\" must be 1 to {RETAIN_MAX_DAYS}, or null"),
            )));
        }
        Course::later(retain(self, caller))
    }
}

async fn retain(wanted: Retain, caller: Caller) -> Done<Nothing> {
    let peer = caller.peer(wanted.peer)?;
    caller.handle().change(peer, ContactChange::Retain(wanted.days)).await.map_err(|error| refused(&error))?;
    Ok(Nothing {})
}
