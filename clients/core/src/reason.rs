//! Why a message is not delivered, in words for people. Every client shows these, and none shows what the network says of a
//! failed dial (`detail`): that is for the log and for records (`--json`).

use crate::show;
use torchat_protocol::control::reason::Reason;

/// A few harmless words in one line, made of the code and the peer's `name`, which must be harmless. What the daemon says in
/// its own words (`said`) counts only where there is no code that this program knows: an older or a later daemon.
/// `None`: nothing is said at all.
#[must_use]
pub fn words(why: Option<&Reason>, said: Option<&str>, name: &str) -> Option<String> {
    match (why, said) {
        (None | Some(Reason::Unknown), Some(said)) => Some(show::shown_line(&show::reveal(said))),
        (Some(why), _) => Some(why.about(name)),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use torchat_protocol::control::reason::Failure;

    #[test]
    fn the_code_comes_first_and_the_daemons_words_are_made_harmless() {
        let detail = Some("503 circuits".to_owned());
        let why = Reason::Unreachable { tries: 2, failure: Some(Failure::PeerDown), ended: None, detail };
        assert_eq!(words(Some(&why), Some("no (503 circuits)"), "bob").as_deref(), Some("bob is not reachable"));
        assert_eq!(words(None, Some("x\u{1b}"), "bob").as_deref(), Some("x\\u{1b}"));
        let later = Some(&Reason::Unknown);
        assert_eq!(words(later, Some("no host"), "bob").as_deref(), Some("no host"));
        assert!(words(later, None, "bob").is_some());
        assert_eq!(words(None, None, "bob"), None);
    }
}
