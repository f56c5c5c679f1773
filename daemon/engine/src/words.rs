//! The words for what the core tells by codes: one place for all of them.
//!
//! The core says what is so, as enums with parameters; a program that translates reads those. These are the English sentences
//! for logs, events and STATUS.

use torchat_core::effect::Notice;
use torchat_core::view::{Health, Obstacle, Trouble};

/// One sentence for people, without onion addresses.
///
/// What contacts say is told as their words, which may be a lie, and never so that it would make the user stop the daemon: one
/// contact that means ill could stop it so.
pub(crate) fn notice(notice: &Notice) -> String {
    match notice {
        Notice::OtherCopy { say, .. } => format!(
            "{} met another daemon with your identity. {} If you restored this data directory from a backup, that was \
             it; if you run a second copy of it, the two split your mail",
            say_that_they_have(*say),
            it_may_be_a_lie(*say)
        ),
        Notice::Superseded { say, .. } => format!(
            "{} met a newer copy of your identity, and talks to this one no more. {} If you imported your identity on \
             another machine, that copy counts; if you did not, perhaps somebody else has your key",
            say_that_they_have(*say),
            it_may_be_a_lie(*say)
        ),
        Notice::OldCopyOfPeer(_) => {
            "a contact came with an older copy of its identity than the one you know: it was turned away".to_owned()
        }
        Notice::Woke(ms) => format!("the daemon did not run for {} s: every link is tried", ms / 1000),
        Notice::ClockSet(ms) => format!("the computer's clock was set by {} s", ms / 1000),
    }
}

fn say_that_they_have(say: usize) -> String {
    match say {
        0 | 1 => "a contact says that it has".to_owned(),
        n => format!("{n} contacts, this one among them, say that they have"),
    }
}

fn it_may_be_a_lie(say: usize) -> &'static str {
    match say {
        0 | 1 => "That is its word alone, which may be wrong or a lie.",
        _ => "That is their word, which may be wrong or a lie; that several say it makes it likelier.",
    }
}

/// Why a peer's messages are not delivered, in a sentence.
pub(crate) fn obstacle(obstacle: &Obstacle) -> String {
    match obstacle {
        Obstacle::NotAccepted => "the peer has not accepted you as a contact yet".to_owned(),
        Obstacle::Asking => "asking the peer to accept you as a contact".to_owned(),
        Obstacle::NotConfirmed => "sent, the peer has not confirmed it yet".to_owned(),
        Obstacle::NoNetwork => "Tor is not ready yet".to_owned(),
        Obstacle::Connecting => "connecting to the peer".to_owned(),
        Obstacle::NoConnection { why, tries } => {
            let why = why.as_deref().unwrap_or("not tried yet");
            format!("no connection to the peer ({why}), {tries} tries so far")
        }
    }
}

/// What is wrong with our way into the network or with our service, and what is being done, in a sentence. `None`: nothing is
/// known to be wrong.
pub(crate) fn health(health: &Health) -> Option<String> {
    Some(match health.trouble()? {
        Trouble::NothingGetsThrough { for_ms, renewals: 0 } => {
            format!("no dial has got through Tor for {} min; new circuits are being tried", for_ms / 60_000)
        }
        Trouble::NothingGetsThrough { for_ms, renewals } => format!(
            "no dial has got through Tor for {} min; a new Tor client is being tried ({renewals} so far)",
            for_ms / 60_000
        ),
        Trouble::Unreachable { for_ms, why } => {
            format!("others cannot reach this daemon ({why}), tried for {} min; it is tried again", for_ms / 60_000)
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use torchat_protocol::id::parse_onion;

    #[test]
    fn what_a_contact_says_is_told_as_its_words_and_stops_nobody() {
        let peer = parse_onion("pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd").unwrap();
        for say in [1, 2, 16] {
            for told in [Notice::OtherCopy { peer, say }, Notice::Superseded { peer, say }] {
                let words = notice(&told);
                let who = if say == 1 { "a contact says that it has met".into() } else { format!("{say} contacts, ") };
                assert!(words.starts_with(&who), "{words}");
                assert!(words.contains("may be wrong or a lie"), "{words}");
                assert!(!words.contains("stop"), "{words}");
                assert_eq!(words.contains("its word alone"), say == 1, "{words}");
                assert!(told.is_warning() && told.peer() == Some(peer));
            }
        }
    }

    #[test]
    fn a_client_that_was_renewed_is_told_of_and_the_way_in_comes_before_our_service() {
        let unreachable = Health { unreachable_for_ms: Some((120_000, "nobody answers".into())), ..Health::default() };
        assert!(health(&unreachable).unwrap().contains("(nobody answers), tried for 2 min"));
        let both = Health { trouble_for_ms: Some(60_000), renewals: 2, ..unreachable };
        assert!(health(&both).unwrap().contains("(2 so far)"));
        assert_eq!(health(&Health::default()), None);
    }
}
