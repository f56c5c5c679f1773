//! Why the daemon said no, in words for people: its own sentences name the commands of the API.

use super::Ask;
use torchat_client::api::{ApiClientError, Code};

/// Why something that was asked was not done.
pub(super) fn refused(ask: &Ask, error: &ApiClientError) -> String {
    match (ask, error) {
        (Ask::Invite { .. }, ApiClientError::Refused(refusal)) if refusal.code == Code::BadRequest => {
            format!("/invite: {}", refusal.message.replace("\"hours\"", "HOURS"))
        }
        _ => plain(error),
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
        // What to do is in the sentence; the hint is for programs.
        _ => refusal.message.clone(),
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
        assert!(!plain(&error(Code::NoRequest, "ADD it: REQUESTS lists who has")).contains("ADD"));
    }
}
