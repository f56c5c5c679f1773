//! Why the daemon said no, in words for people: its own sentences name the commands of the API.

use super::{Ask, RoomAsk, RoomWish};
use crate::refusal;
use torchat_client::api::{ApiClientError, Code};

/// Why something that was asked was not done.
pub(super) fn refused(ask: &Ask, error: &ApiClientError) -> String {
    if let Some(words) = of_roles(ask).filter(|_| error.code() == Some(&Code::NoRole)) {
        return words.into();
    }
    match (command(ask), error.code()) {
        // The command shows which of its words is meant.
        (Some(command), Some(Code::BadRequest | Code::BadValue)) => format!("/{command}: {}", plain(error)),
        _ => plain(error),
    }
}

/// Whose role allows what was asked, where that is not said by one's own alone.
fn of_roles(ask: &Ask) -> Option<&'static str> {
    match ask {
        Ask::Room(RoomAsk::In(_, RoomWish::Mute(..))) => Some(refusal::MUTES),
        Ask::Room(RoomAsk::In(_, RoomWish::Edit(..))) => Some(refusal::EDITS),
        Ask::Room(RoomAsk::In(_, RoomWish::Redact(..))) => Some(refusal::REDACTS),
        _ => None,
    }
}

/// The command that asks with numbers of the user's.
fn command(ask: &Ask) -> Option<&'static str> {
    match ask {
        Ask::Invite { .. } => Some("invite"),
        Ask::Retain(..) => Some("retain"),
        _ => None,
    }
}

/// Why something was not done.
pub(super) fn plain(error: &ApiClientError) -> String {
    let ApiClientError::Refused(refusal) = error else { return error.to_string() };
    match &refusal.code {
        Code::NoRequest => "nobody with this onion asks to become a contact".into(),
        Code::NoContact => "this is not a contact: /add ONION".into(),
        Code::Blocked => "they are blocked: /unblock comes first".into(),
        Code::NotBlocked => "they are not blocked".into(),
        Code::NotAllowed => "the token of this client does not allow it".into(),
        Code::StorageUnsure => {
            format!("{}: look whether it is here before you repeat it", refusal::message(refusal))
        }
        // What to do is in the sentence; the hint is for programs.
        _ => refusal::message(refusal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use torchat_client::api::ApiError;

    #[test]
    fn nothing_of_the_api_is_shown() {
        let error = |code, message: &str| {
            let hint = Some("look at the command's parameters in docs/CONTROL-API.md".into());
            ApiClientError::Refused(ApiError { hint, ..ApiError::new(code, message) })
        };
        let invite = Ask::Invite { hours: 0, show: true };
        let hours = error(Code::BadRequest, "\"hours\" must be 1 to 2160");
        assert_eq!(refused(&invite, &hours), "/invite: HOURS must be 1 to 2160");
        assert_eq!(refused(&Ask::Status, &error(Code::Stopping, "torchatd is stopping")), "torchatd is stopping");
        let days = error(Code::BadRequest, "\"days\" must be 1 to 36500, or null");
        let retain = Ask::Retain(crate::screen::tests::onion(2), Some(0));
        assert_eq!(refused(&retain, &days), "/retain: DAYS must be 1 to 36500, or off");
        for code in [Code::NoRequest, Code::NoContact, Code::Blocked, Code::StorageUnsure, Code::UnknownCommand] {
            let said = plain(&error(code, "ADD it, or look at HISTORY"));
            assert!(!crate::refusal::tests::names_the_api(&said), "{said}");
        }
    }
}
