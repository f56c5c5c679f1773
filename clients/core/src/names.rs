//! Which peer a word means that a user writes. One rule for every client; docs/SHELL.md, "PEER", tells it to people.
//!
//! - A whole onion is always that peer.
//! - A name that the user gave is taken as it is, every byte of it, and wins over everything but a whole onion.
//! - Else the first characters of an onion, at least [`PREFIX_MIN`], among those that the user has let in.
//! - Else a name that the user gave, in upper or lower case, if only one peer is called so. It comes last: what has meant a peer
//!   by its onion never means another one because of a new name.
//!
//! **What a stranger chooses never counts**: neither the nickname that a peer gave itself nor the onion of somebody who asks
//! to become a contact, because both can be made to fit. A stranger is named by its whole onion; only a decision about
//! requests looks among requests, and there among nothing else. Rejected: names and beginnings in one space, where two that fit
//! are an error. Then a request whose onion begins like a contact's name makes that name useless, and a name that was
//! changed reaches the stranger.

mod rooms;

pub use rooms::{
    KnownMember, KnownRoom, ROOM_SIGN, RoomNameError, is_room_word, resolve_member, resolve_room, shown_room,
};

use crate::show::{shown_line, shown_name};
use torchat_protocol::control::api::{ConversationId, Onion};
use torchat_protocol::id::{ONION_CHARS, OnionError, parse_onion};

/// Fewer characters of an onion are too easily somebody else's.
pub const PREFIX_MIN: usize = 4;
/// Columns of a name in an error.
const NAME_COLUMNS: usize = 32;
/// Names that an error suggests.
const SUGGESTIONS: usize = 3;
/// A shorter word is one character away from too many names.
const MISTYPED_MIN: usize = 3;

/// What a peer is to the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A contact, also one that has not accepted us yet.
    Contact,
    /// Blocked.
    Blocked,
    /// No contact any more, or never one: there only is a conversation.
    Former,
    /// A stranger that asks.
    Asking,
}

/// A peer that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Who.
    pub peer: Onion,
    /// The name that the user gave. Never the one that the peer gave itself.
    pub name: Option<String>,
    /// What it is.
    pub standing: Standing,
}

/// What the peer is wanted for: that decides who can be meant without a whole onion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To send it something, or to change what it is or may do: contacts, and who is blocked (the daemon sends them nothing).
    Act,
    /// To read what is stored: those, and else those that there is a conversation with.
    Read,
    /// To decide about a request: those that ask, and nobody else.
    Request,
    /// To unblock: who is blocked.
    Unblock,
}

/// By what a peer may be meant, and who; what comes first wins.
fn tiers(purpose: Purpose) -> &'static [(By, Standing)] {
    use By::{AnyCase, Beginning, Name};
    use Standing::{Asking, Blocked, Contact, Former};
    match purpose {
        Purpose::Act => &[
            (Name, Contact),
            (Name, Blocked),
            (Beginning, Contact),
            (Beginning, Blocked),
            (AnyCase, Contact),
            (AnyCase, Blocked),
        ],
        Purpose::Read => &[
            (Name, Contact),
            (Name, Blocked),
            (Beginning, Contact),
            (Beginning, Blocked),
            (AnyCase, Contact),
            (AnyCase, Blocked),
            (Beginning, Former),
        ],
        Purpose::Request => &[(Beginning, Asking)],
        Purpose::Unblock => &[(Name, Blocked), (Beginning, Blocked), (AnyCase, Blocked)],
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Name,
    Beginning,
    AnyCase,
}

/// Why a word means nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It looks like an onion and is none.
    #[error("\"{}\" is not an onion: {reason}", shown_line(word))]
    NoOnion {
        /// What was written.
        word: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody who could be meant for this is called so.
    #[error("\"{}\" is {}", shown_line(word), nobody(*purpose, others, near))]
    Nobody {
        /// What was written.
        word: String,
        /// What it was wanted for.
        purpose: Purpose,
        /// Known peers that must be named by their whole onion, and whose onion begins so.
        others: Vec<Onion>,
        /// Names that may have been meant, as the user gave them; at most three.
        near: Vec<String>,
    },
    /// Several are called so.
    #[error("\"{}\" is ambiguous: {}; write more of the onion", shown_line(word), list(fitting))]
    Several {
        /// What was written.
        word: String,
        /// What it may mean.
        fitting: Vec<Known>,
    },
}

fn nobody(purpose: Purpose, others: &[Onion], near: &[String]) -> String {
    let mut text = match purpose {
        Purpose::Act | Purpose::Read => {
            format!(
                "neither a contact's name nor the beginning (at least {PREFIX_MIN} characters) of a contact's onion"
            )
        }
        Purpose::Request => {
            format!("not the beginning (at least {PREFIX_MIN} characters) of the onion of anybody who asks")
        }
        Purpose::Unblock => "neither the name nor the beginning of the onion of anybody who is blocked".to_owned(),
    };
    if !others.is_empty() {
        let onions = others.iter().map(|peer| peer.0.onion()).collect::<Vec<_>>().join(" or ");
        text.push_str(&format!("; if you mean {onions}, write the whole onion"));
    }
    if !near.is_empty() {
        let names = near.iter().map(|name| format!("\"{}\"", shown_name(name, NAME_COLUMNS)));
        text.push_str(&format!("; did you mean {}?", names.collect::<Vec<_>>().join(" or ")));
    }
    text
}

fn list(fitting: &[Known]) -> String {
    let row = |row: &Known| {
        let name = row.name.as_deref().map(|name| format!(" ({})", shown_name(name, NAME_COLUMNS)));
        format!("{}{}", row.peer.0.onion(), name.unwrap_or_default())
    };
    fitting.iter().map(row).collect::<Vec<_>>().join(", ")
}

/// A whole onion (with or without `.onion`), which must be right; `None`: the word is no onion.
///
/// # Errors
/// [`NameError::NoOnion`] for what looks like one.
pub fn onion(word: &str) -> Result<Option<Onion>, NameError> {
    let nobody = || NameError::NoOnion { word: word.to_owned(), reason: OnionError::Key.to_string() };
    whole(word)?.map(|id| id.as_peer().map(Onion).ok_or_else(nobody)).transpose()
}

/// As [`onion`], for the whole id of a conversation, which need not be anybody's onion.
///
/// # Errors
/// [`NameError::NoOnion`] for what looks like one and is mistyped.
pub fn whole(word: &str) -> Result<Option<ConversationId>, NameError> {
    let bare = word.strip_suffix(".onion");
    if bare.is_none() && word.len() != ONION_CHARS {
        return Ok(None);
    }
    match word.parse::<ConversationId>() {
        Ok(id) => Ok(Some(id)),
        // A name of the user's may well have 56 characters.
        Err(_) if bare.is_none() && !is_onion_like(word) => Ok(None),
        Err(error) => Err(NameError::NoOnion { word: word.to_owned(), reason: error.0.to_string() }),
    }
}

/// Whether a word can be the beginning of an onion.
#[must_use]
pub fn is_beginning(word: &str) -> bool {
    word.len() >= PREFIX_MIN && is_onion_like(word)
}

fn is_onion_like(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte))
}

/// Which peer a word means for a purpose, of those that are known.
///
/// # Errors
/// Any [`NameError`].
pub fn resolve(word: &str, purpose: Purpose, known: &[Known]) -> Result<Onion, NameError> {
    if let Some(peer) = onion(word)? {
        return Ok(peer);
    }
    for (by, standing) in tiers(purpose) {
        let mut fitting: Vec<&Known> = Vec::new();
        for row in known.iter().filter(|row| row.standing == *standing && fits(word, *by, row)) {
            // A peer that stands in two lists is one peer.
            if fitting.iter().all(|other| other.peer != row.peer) {
                fitting.push(row);
            }
        }
        match fitting.as_slice() {
            [] => {}
            [one] => return Ok(one.peer),
            several => {
                let fitting = several.iter().map(|row| (*row).clone()).collect();
                return Err(NameError::Several { word: word.to_owned(), fitting });
            }
        }
    }
    let mut others: Vec<Onion> = Vec::new();
    for row in known.iter().filter(|row| fits(word, By::Beginning, row)) {
        if !others.contains(&row.peer) {
            others.push(row.peer);
        }
    }
    if let Err(reason @ OnionError::Old) = parse_onion(word) {
        return Err(NameError::NoOnion { word: word.to_owned(), reason: reason.to_string() });
    }
    Err(NameError::Nobody { word: word.to_owned(), purpose, others, near: near(word, purpose, known) })
}

/// The names that may have been meant, of those that the purpose looks among.
fn near(word: &str, purpose: Purpose, known: &[Known]) -> Vec<String> {
    let mut near: Vec<String> = Vec::new();
    for (_, standing) in tiers(purpose).iter().filter(|(by, _)| *by == By::Name) {
        for row in known.iter().filter(|row| row.standing == *standing) {
            let Some(name) = row.name.as_deref().filter(|name| is_near(word, name)) else { continue };
            if near.len() < SUGGESTIONS && near.iter().all(|other| other != name) {
                near.push(name.to_owned());
            }
        }
    }
    near
}

/// Whether a name begins with a word, or differs from it by one character: one more, one less, another one, or two that are
/// swapped. Upper and lower case are the same here.
fn is_near(word: &str, name: &str) -> bool {
    let letters = |text: &str| text.to_lowercase().chars().collect::<Vec<_>>();
    let (word, name) = (letters(word), letters(name));
    if word.len() >= 2 && name.starts_with(&word) {
        return true;
    }
    let same = word.iter().zip(&name).take_while(|(a, b)| a == b).count();
    match (word.get(same..).unwrap_or_default(), name.get(same..).unwrap_or_default()) {
        _ if word.len() < MISTYPED_MIN => false,
        ([a, b, word @ ..], [c, d, name @ ..]) if a == d && b == c && word == name => true,
        ([_, word @ ..], name) if word == name => true,
        (word, [_, name @ ..]) if word == name => true,
        ([_, word @ ..], [_, name @ ..]) => word == name,
        _ => false,
    }
}

fn fits(word: &str, by: By, row: &Known) -> bool {
    match by {
        By::Name => !word.is_empty() && row.name.as_deref() == Some(word),
        By::Beginning => is_beginning(word) && row.peer.0.onion().starts_with(word),
        By::AnyCase => {
            !word.is_empty() && row.name.as_ref().is_some_and(|name| name.to_lowercase() == word.to_lowercase())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ONE: &str = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid";
    const OTHER: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd";

    fn peer(text: &str) -> Onion {
        Onion(parse_onion(text).unwrap())
    }

    fn row(text: &str, name: Option<&str>, standing: Standing) -> Known {
        Known { peer: peer(text), name: name.map(str::to_owned), standing }
    }

    const ALL: [Purpose; 4] = [Purpose::Act, Purpose::Read, Purpose::Request, Purpose::Unblock];

    #[test]
    fn a_whole_onion_is_always_that_peer_and_a_wrong_one_is_an_error() {
        // Even if the user gave it to somebody else as a name.
        let known = [row(ONE, Some(OTHER), Standing::Contact)];
        for purpose in ALL {
            assert_eq!(resolve(OTHER, purpose, &known), Ok(peer(OTHER)));
            assert_eq!(resolve(&format!("{OTHER}.onion"), purpose, &[]), Ok(peer(OTHER)));
            for wrong in ["bob.onion", &ONE.replacen('2', "3", 1), &format!("{}.onion", ONE.to_uppercase())] {
                let error = resolve(wrong, purpose, &known).unwrap_err().to_string();
                assert!(error.contains("is not an onion"), "{wrong}: {error}");
            }
        }
        for old in ["ld74fqvoxpu5yi73.onion", "ld74fqvoxpu5yi73"] {
            let error = resolve(old, Purpose::Act, &known).unwrap_err().to_string();
            assert!(error.contains("version 2") && error.contains("2021"), "{old}: {error}");
        }
        // Sixteen such letters may be a name.
        let known = [row(ONE, Some("abcdefghijklmnop"), Standing::Contact)];
        assert_eq!(resolve("abcdefghijklmnop", Purpose::Act, &known), Ok(peer(ONE)));
        assert_eq!(onion(&"x Y".repeat(19).chars().take(56).collect::<String>()), Ok(None), "a long name");
    }

    #[test]
    fn a_whole_id_that_can_be_nobodys_key_is_a_conversation_and_no_person() {
        // The neutral element: no daemon can have it as its key.
        let room = ConversationId::from_bytes(std::array::from_fn(|at| u8::from(at == 0)));
        assert_eq!(whole(&room.onion()), Ok(Some(room)));
        assert_eq!(whole(ONE), Ok(Some(peer(ONE).conversation())));
        assert_eq!(whole("bob"), Ok(None));
        let error = onion(&room.onion()).unwrap_err().to_string();
        assert!(error.contains("is not an onion") && error.contains("not a valid key"), "{error}");
        let mistyped = whole(&ONE.replacen('2', "3", 1)).unwrap_err().to_string();
        assert!(mistyped.contains("mistyped"), "{mistyped}");
    }

    #[test]
    fn a_stranger_that_asks_makes_no_name_ambiguous_and_is_no_target() {
        // Somebody made an onion that begins like the user's name for another peer.
        let asks = row(OTHER, None, Standing::Asking);
        let named = [asks.clone(), row(ONE, Some("pg6m"), Standing::Contact)];
        for purpose in [Purpose::Act, Purpose::Read] {
            assert_eq!(resolve("pg6m", purpose, &named), Ok(peer(ONE)), "{purpose:?}");
            // The user has changed the name.
            let renamed = [asks.clone(), row(ONE, Some("bobby"), Standing::Contact)];
            let error = resolve("pg6m", purpose, &renamed).unwrap_err();
            assert_eq!(
                error,
                NameError::Nobody { word: "pg6m".into(), purpose, others: vec![peer(OTHER)], near: vec![] }
            );
            assert!(error.to_string().contains(&format!("{OTHER}.onion, write the whole onion")), "{error}");
        }
        // Nobody who asks is hidden by a contact's name either, and nobody who does not ask is accepted.
        assert_eq!(resolve("pg6m", Purpose::Request, &named), Ok(peer(OTHER)));
        assert!(resolve("2gzy", Purpose::Request, &named).is_err());
        let name = [row(ONE, Some("carol"), Standing::Contact), asks];
        assert!(resolve("carol", Purpose::Request, &name).is_err(), "requests have no names");
    }

    #[test]
    fn a_name_of_the_users_wins_over_the_beginning_of_any_onion() {
        for standing in [Standing::Contact, Standing::Blocked, Standing::Former, Standing::Asking] {
            let known = [row(OTHER, None, standing), row(ONE, Some("pg6m"), Standing::Contact)];
            assert_eq!(resolve("pg6m", Purpose::Act, &known), Ok(peer(ONE)), "{standing:?}");
            assert_eq!(resolve("pg6m", Purpose::Read, &known), Ok(peer(ONE)), "{standing:?}");
        }
    }

    #[test]
    fn names_are_whole_and_beginnings_have_four_characters() {
        let known = [row(ONE, Some("Bob"), Standing::Contact), row(OTHER, Some(""), Standing::Contact)];
        assert_eq!(resolve("Bob", Purpose::Act, &known), Ok(peer(ONE)));
        assert_eq!(resolve("pg6mm", Purpose::Act, &known), Ok(peer(OTHER)));
        for none in ["Bo", "B", "", "pg6", "g6mm", "PG6M", "Bob "] {
            assert!(matches!(resolve(none, Purpose::Act, &known), Err(NameError::Nobody { .. })), "{none:?}");
        }
    }

    #[test]
    fn a_name_is_found_in_any_case_if_it_is_the_only_one_and_means_nothing_else() {
        let bob = row(ONE, Some("Bob"), Standing::Contact);
        assert_eq!(resolve("bOB", Purpose::Act, std::slice::from_ref(&bob)), Ok(peer(ONE)));
        let both = [bob.clone(), row(OTHER, Some("BOB"), Standing::Contact)];
        assert_eq!(resolve("BOB", Purpose::Act, &both), Ok(peer(OTHER)), "as it was given");
        let error = resolve("bob", Purpose::Act, &both).unwrap_err();
        assert!(matches!(&error, NameError::Several { fitting, .. } if fitting.len() == 2), "{error}");
        // What meant somebody by the onion goes on meaning them.
        let onion = [row(ONE, Some("PG6M"), Standing::Contact), row(OTHER, None, Standing::Contact)];
        assert_eq!(resolve("pg6m", Purpose::Act, &onion), Ok(peer(OTHER)));
        // Nobody who asks has a name, in whatever case.
        assert!(resolve("bob", Purpose::Request, &[bob]).is_err());
    }

    #[test]
    fn a_name_that_is_mistyped_is_suggested() {
        let known = [row(ONE, Some("Robert"), Standing::Contact), row(OTHER, Some("Eve\u{1b}"), Standing::Blocked)];
        for word in ["rob", "Robbert", "Rbert", "Rovert", "Robret", "robertt", "ROBER"] {
            let error = resolve(word, Purpose::Act, &known).unwrap_err().to_string();
            assert!(error.ends_with("; did you mean \"Robert\"?"), "{word}: {error}");
        }
        let error = resolve("eve", Purpose::Unblock, &known).unwrap_err().to_string();
        assert!(error.ends_with("did you mean \"Eve\\u{1b}\"?"), "{error}");
        for word in ["R", "Rboetr", "Bert", "", "Roberta Flack"] {
            let error = resolve(word, Purpose::Act, &known).unwrap_err().to_string();
            assert!(!error.contains("did you mean"), "{word}: {error}");
        }
        let many: Vec<_> = (0..5).map(|n| row(ONE, Some(&format!("ann{n}")), Standing::Contact)).collect();
        assert_eq!(near("ann", Purpose::Read, &many), ["ann0", "ann1", "ann2"]);
    }

    /// The Python client's tests read the same file.
    #[test]
    fn the_golden_cases_hold() {
        let cases: serde_json::Value = serde_json::from_str(include_str!("../golden/names.json")).unwrap();
        let cases = cases.as_array().unwrap();
        assert!(cases.len() >= 20);
        for case in cases {
            let text = |value: &serde_json::Value, key: &str| value[key].as_str().map(str::to_owned);
            let known = case["known"].as_array().unwrap().iter().map(|known| Known {
                peer: peer(known["peer"].as_str().unwrap()),
                name: text(known, "name"),
                standing: match known["standing"].as_str().unwrap() {
                    "contact" => Standing::Contact,
                    "blocked" => Standing::Blocked,
                    "former" => Standing::Former,
                    "asking" => Standing::Asking,
                    other => panic!("{other}"),
                },
            });
            let known: Vec<Known> = known.collect();
            let purpose = match case["purpose"].as_str().unwrap() {
                "act" => Purpose::Act,
                "read" => Purpose::Read,
                "request" => Purpose::Request,
                "unblock" => Purpose::Unblock,
                other => panic!("{other}"),
            };
            let found = resolve(case["word"].as_str().unwrap(), purpose, &known);
            let (why, found, error) = (&case["why"], found.as_ref().ok(), found.as_ref().err());
            assert_eq!(found.map(|peer| peer.0.onion()), text(case, "peer"), "{why}");
            assert_eq!(error.map(NameError::to_string), text(case, "error"), "{why}");
        }
    }

    #[test]
    fn former_peers_are_found_to_read_and_not_to_write() {
        let known = [row(ONE, None, Standing::Former), row(OTHER, Some("eve"), Standing::Blocked)];
        assert_eq!(resolve("2gzy", Purpose::Read, &known), Ok(peer(ONE)));
        assert!(resolve("2gzy", Purpose::Act, &known).is_err());
        // A contact is meant, also if another onion begins so.
        let both = [row(ONE, None, Standing::Former), row(ONE, None, Standing::Contact)];
        assert_eq!(resolve("2gzy", Purpose::Read, &both), Ok(peer(ONE)));
        for word in ["eve", "pg6m"] {
            assert_eq!(resolve(word, Purpose::Unblock, &known), Ok(peer(OTHER)));
            assert_eq!(resolve(word, Purpose::Act, &known), Ok(peer(OTHER)), "the daemon says that it is blocked");
        }
        assert!(resolve("2gzy", Purpose::Unblock, &known).is_err());
    }

    #[test]
    fn what_may_mean_two_is_an_error_that_names_both_harmlessly() {
        let named = [row(ONE, Some("b\u{1b}"), Standing::Contact), row(OTHER, Some("b\u{1b}"), Standing::Contact)];
        let error = resolve("b\u{1b}", Purpose::Act, &named).unwrap_err().to_string();
        assert!(error.contains(ONE) && error.contains(OTHER) && !error.contains('\u{1b}'), "{error}");
        // One peer in two lists is one.
        let twice = [row(ONE, None, Standing::Contact), row(ONE, None, Standing::Contact)];
        assert_eq!(resolve("2gzyx", Purpose::Act, &twice), Ok(peer(ONE)));
    }
}
