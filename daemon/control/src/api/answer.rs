//! Answers and refusals, as lines.

use serde::Serialize;
use torchat_engine::handle::Refusal;
use torchat_protocol::control::api::{self, ApiError, Call, Line, Ref};
use torchat_protocol::control::code::Code;

/// What a command comes to.
pub(crate) type Done<T> = Result<T, ApiError>;

/// A refusal that this crate decides.
pub(crate) fn fail(code: Code, message: impl Into<String>) -> ApiError {
    ApiError::new(code, message)
}

/// A refusal that the engine decided.
pub(crate) fn refused(refusal: &Refusal) -> ApiError {
    let code = match refusal {
        // The classic name of the same.
        Refusal::BadValue(_) => Code::BadRequest,
        other => other.code(),
    };
    ApiError { params: refusal.params(), ..fail(code, refusal.to_string()) }
}

/// A version that is not spoken here.
pub(crate) fn unsupported(version: i64) -> ApiError {
    fail(Code::UnsupportedApi, format!("this daemon speaks API {}, not {version}", api::VERSION))
        .with("api", api::VERSION)
}

/// The line that answers a command.
pub(crate) fn answer_line<C: Call>(reference: Option<Ref>, result: Done<C::Answer>) -> Vec<u8> {
    match result {
        Ok(ok) => line(&Line::Ok { reference, ok }),
        Err(error) => error_line(reference, error),
    }
}

/// The line that refuses a command.
pub(crate) fn error_line(reference: Option<Ref>, error: ApiError) -> Vec<u8> {
    line(&Line::<()>::Error { reference, error })
}

/// The word of the audit for what came of a command.
pub(crate) fn code_of<T>(result: &Done<T>) -> &str {
    result.as_ref().err().map_or("ok", |error| error.code.as_str())
}

/// A line's bytes with the newline.
pub(crate) fn line(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128);
    push_line(&mut bytes, value);
    bytes
}

/// Appends a line.
pub(crate) fn push_line(bytes: &mut Vec<u8>, value: &impl Serialize) {
    // Records with text keys cannot fail to serialise, and a Vec takes every byte.
    let _ = serde_json::to_writer(&mut *bytes, value);
    bytes.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_row_in_the_table() {
        use Refusal::*;
        use torchat_engine::handle::{NotStored, Trouble};
        let text = String::new;
        let not = |trouble| NotStored { trouble, why: text() };
        let all = [
            ToSelf,
            TextTooLong(1),
            OutboxFull(text()),
            Storage(not(Trouble::Full)),
            Storage(not(Trouble::Locked)),
            Storage(not(Trouble::Damaged)),
            Storage(not(Trouble::Failing)),
            Storage(not(Trouble::ReadOnly)),
            Unreadable(not(Trouble::Damaged)),
            SearchDamaged,
            Traces(text()),
            Unsure(text()),
            NotPending,
            NoContact,
            NoRequest,
            Blocked,
            NotBlocked,
            TooManyInvites,
            BadValue(text()),
            ClientIdReused,
            TooManyConsumers(1),
            IsRoom,
            RoomTextTooLong(1),
            NoMessage,
            DecisionWaits(1),
            Room(torchat_core::effect::RoomRefused::NoRoom),
            Stopping,
        ];
        for refusal in &all {
            // The compiler sends you here when you add one.
            match refusal {
                ToSelf | TextTooLong(_) | OutboxFull(_) | Storage(_) | Unreadable(_) | Unsure(_) | NotPending
                | NoContact | NoRequest | Blocked | NotBlocked | TooManyInvites | BadValue(_) | ClientIdReused
                | TooManyConsumers(_) | SearchDamaged | Traces(_) | IsRoom | RoomTextTooLong(_) | NoMessage
                | DecisionWaits(_)
                // Each of them has a test in the engine.
                | Room(_) | Stopping => {}
            }
            assert!(refused(refusal).hint.is_some(), "{refusal:?}");
        }
    }
}
