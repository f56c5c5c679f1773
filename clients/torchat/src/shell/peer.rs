//! What users write for a peer: an onion, a name of theirs, or the beginning of an onion.

use super::failure::{Done, Failure};
use super::format::NAME_COLUMNS;
use torchat_client::api::command::{Contacts, Conversations, Requests};
use torchat_client::api::{Connection, Onion};
use torchat_client::show::{shown_line, shown_name};
use torchat_protocol::id::{ONION_CHARS, parse_onion};

/// Fewer characters of an onion are too easily somebody else's.
const PREFIX_MIN: usize = 4;

/// A peer that a word may mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    /// Who.
    pub(crate) peer: Onion,
    /// The user's own name for it.
    pub(crate) name: Option<String>,
}

/// Finds the one peer that a word means.
///
/// # Errors
/// Bad input, with a list of those that it may mean.
pub(crate) fn find(connection: &Connection, word: &str) -> Done<Onion> {
    if let Some(peer) = onion(word)? {
        return Ok(peer);
    }
    let contacts = connection.call(&Contacts {})?.contacts;
    let mut known: Vec<_> = contacts.into_iter().map(|row| Known { peer: row.peer, name: row.name }).collect();
    let requests = connection.call(&Requests {})?.requests;
    known.extend(requests.into_iter().map(|row| Known { peer: row.peer, name: None }));
    match choose(word, &known)? {
        Some(peer) => Ok(peer),
        // Those with whom there only is a history; not looked at first, because that takes longer.
        None => {
            let rows = connection.call(&Conversations {})?.conversations;
            let known: Vec<_> = rows.into_iter().map(|row| Known { peer: row.contact.peer, name: None }).collect();
            choose(word, &known)?.ok_or_else(|| unknown(word))
        }
    }
}

/// As [`find`], for several.
pub(crate) fn find_all(connection: &Connection, words: &[String]) -> Done<Option<Vec<Onion>>> {
    let found = words.iter().map(|word| find(connection, word)).collect::<Done<Vec<_>>>()?;
    Ok((!found.is_empty()).then_some(found))
}

/// A whole onion, which must be right; anything else is no onion.
fn onion(word: &str) -> Done<Option<Onion>> {
    let bare = word.strip_suffix(".onion");
    if bare.is_none() && word.len() != ONION_CHARS {
        return Ok(None);
    }
    match parse_onion(word) {
        Ok(peer) => Ok(Some(Onion(peer))),
        // A name of the user's may well have 56 characters.
        Err(_) if bare.is_none() && !is_onion_like(word) => Ok(None),
        Err(error) => Err(Failure::input(format!("\"{}\" is no onion: {error}", shown_line(word)))),
    }
}

fn is_onion_like(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte))
}

fn unknown(word: &str) -> Failure {
    let shown = shown_line(word);
    Failure::input(format!(
        "\"{shown}\" is neither a contact's name nor the beginning (at least {PREFIX_MIN} characters) of a known onion: \
         `torchat contacts` lists them"
    ))
}

/// Names and beginnings count alike: who means one and hits the other must be told.
fn choose(word: &str, known: &[Known]) -> Done<Option<Onion>> {
    let is_prefix = word.len() >= PREFIX_MIN && is_onion_like(word);
    let mut fitting: Vec<&Known> = Vec::new();
    for row in known {
        let fits =
            row.name.as_deref() == Some(word) && !word.is_empty() || is_prefix && row.peer.0.onion().starts_with(word);
        if fits && fitting.iter().all(|other| other.peer != row.peer) {
            fitting.push(row);
        }
    }
    match fitting.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one.peer)),
        several => {
            let row = |row: &&Known| {
                let name = row.name.as_deref().map(|name| format!(" ({})", shown_name(name, NAME_COLUMNS)));
                format!("{}{}", row.peer.0.onion(), name.unwrap_or_default())
            };
            let list = several.iter().map(row).collect::<Vec<_>>().join(", ");
            Err(Failure::input(format!("\"{}\" may mean {list}: write more of the onion", shown_line(word))))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use torchat_protocol::id::PeerId;

    /// The generator of ed25519 and its double: keys that are points.
    fn peers() -> [Onion; 2] {
        let one = parse_onion("2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid").unwrap();
        let other = parse_onion("pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd").unwrap();
        [one, other].map(Onion)
    }

    fn known(rows: &[(Onion, Option<&str>)]) -> Vec<Known> {
        rows.iter().map(|(peer, name)| Known { peer: *peer, name: name.map(str::to_owned) }).collect()
    }

    #[test]
    fn a_word_is_a_name_or_the_beginning_of_an_onion() {
        let [a, b] = peers();
        let rows = known(&[(a, Some("bob")), (b, None)]);
        assert_eq!(choose("bob", &rows).unwrap(), Some(a));
        assert_eq!(choose("pg6m", &rows).unwrap(), Some(b));
        assert_eq!(choose("pg6", &rows).unwrap(), None, "too short");
        assert_eq!(choose("bo", &rows).unwrap(), None, "names are whole");
        assert_eq!(choose("", &known(&[(a, Some(""))])).unwrap(), None);
        // A peer that stands in two lists is one peer.
        assert_eq!(choose("pg6mm", &known(&[(b, None), (b, None)])).unwrap(), Some(b));
    }

    #[test]
    fn what_may_mean_two_is_an_error_that_names_both() {
        let [a, b] = peers();
        for rows in [known(&[(a, Some("bob")), (b, Some("bob"))]), known(&[(a, Some("pg6m")), (b, Some("x\u{1b}"))])] {
            let word = rows.first().unwrap().name.clone().unwrap();
            let failure = choose(&word, &rows).unwrap_err();
            assert_eq!(failure.exit, crate::arguments::exit::Exit::BadInput);
            for peer in [a, b] {
                assert!(failure.message.contains(&peer.0.onion()), "{}", failure.message);
            }
            assert!(!failure.message.contains('\u{1b}'), "{}", failure.message);
        }
    }

    #[test]
    fn an_onion_is_whole_and_right_or_an_error() {
        let [a, _] = peers();
        let text = a.0.onion();
        assert_eq!(onion(&text).unwrap(), Some(a));
        assert_eq!(onion(text.strip_suffix(".onion").unwrap()).unwrap(), Some(a));
        assert_eq!(onion("bob").unwrap(), None);
        assert_eq!(onion(&"x Y".repeat(19).chars().take(56).collect::<String>()).unwrap(), None);
        for wrong in ["bob.onion", &text.replacen('2', "3", 1), &text.to_uppercase().replace(".ONION", ".onion")] {
            assert!(onion(wrong).unwrap_err().message.contains("no onion"), "{wrong}");
        }
        let _: PeerId = a.0;
    }
}
