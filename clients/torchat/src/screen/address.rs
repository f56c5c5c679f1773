//! Onions and invites as people paste them: broken into rows by a terminal, with the borders beside them, in quotes.

use torchat_protocol::id::parse_onion;
use torchat_protocol::invite::Invite;
use torchat_protocol::room::RoomInvite;
use torchat_protocol::room::limits::DOORS;

/// Characters of an onion without its ending.
const KEY: usize = 56;
/// Digits of an invite's secret.
const SECRET: usize = 32;
const SCHEME: &str = "torchat:";
const ENDING: &str = ".onion";
const BEFORE_SECRET: &str = "?i=";
const ROOM_SCHEME: &str = "torchat-room:";
const BEFORE_DOOR: &str = "?d=";
const BEFORE_PASS: &str = "&i=";
/// Digits of what lets somebody into a room: the invite's id and its secret.
const PASS: usize = 48;

/// An onion or an invite at the beginning of a text, as the daemon takes it, and the words behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// `ONION.onion`, or `torchat:ONION?i=SECRET`.
    pub(crate) peer: String,
    /// What is left of the text.
    pub(crate) words: String,
}

/// Reads one. Blanks, line ends, quotes, brackets, and what draws borders and codes are passed over between its characters; each
/// part has a fixed length, so the words behind it cannot be mistaken for it. `None`: it does not begin with one.
///
/// # Errors
/// It means to be an invite, and is not one: a sentence.
pub(crate) fn read(text: &str) -> Option<Result<Address, String>> {
    let mut reader = Reader { text, at: 0 };
    if !reader.take(SCHEME) {
        let key = reader.many(KEY, is_key)?;
        reader.take(ENDING);
        let peer = format!("{key}{ENDING}");
        let whole = !reader.goes_on() && parse_onion(&peer).is_ok();
        return whole.then(|| Ok(Address { peer, words: reader.words() }));
    }
    Some(invite(reader))
}

fn invite(mut reader: Reader<'_>) -> Result<Address, String> {
    let missing = || "the invite is not whole: copy it from torchat: to its last digit".to_owned();
    let key = reader.many(KEY, is_key).ok_or_else(missing)?;
    reader.take(ENDING);
    if !reader.take(BEFORE_SECRET) {
        return Err(missing());
    }
    let secret = reader.many(SECRET, |c| c.is_ascii_hexdigit()).ok_or_else(missing)?;
    if reader.goes_on() {
        return Err("the invite is too long: something is glued to its end".into());
    }
    let peer = format!("{SCHEME}{key}{BEFORE_SECRET}{secret}");
    match peer.parse::<Invite>() {
        Ok(_) => Ok(Address { peer, words: reader.words() }),
        Err(error) => Err(error.to_string()),
    }
}

/// Reads an invite of a room in the same way, which the result has in its one spelling. `None`: it does not begin with one.
///
/// # Errors
/// It means to be an invite of a room, and is not one: a sentence.
pub(crate) fn read_room(text: &str) -> Option<Result<Address, String>> {
    let mut reader = Reader { text, at: 0 };
    reader.take(ROOM_SCHEME).then(|| room_invite(reader))
}

fn room_invite(mut reader: Reader<'_>) -> Result<Address, String> {
    let missing = || "the invite is not whole: copy it from torchat-room: to its last character".to_owned();
    let key = |reader: &mut Reader<'_>| {
        let key = reader.many(KEY, is_key);
        reader.take(ENDING);
        key
    };
    let mut peer = format!("{ROOM_SCHEME}{}", key(&mut reader).ok_or_else(missing)?);
    if !reader.take(BEFORE_DOOR) {
        return Err(missing());
    }
    for door in 0..DOORS {
        // Words that follow may look like another door: only a comma makes one of them.
        if door > 0 && !reader.has_comma() {
            break;
        }
        peer.push_str(if door == 0 { BEFORE_DOOR } else { "," });
        peer.push_str(&key(&mut reader).ok_or_else(missing)?);
    }
    if reader.take(BEFORE_PASS) {
        peer.push_str(BEFORE_PASS);
        peer.push_str(&reader.many(PASS, |c| c.is_ascii_hexdigit()).ok_or_else(missing)?);
    }
    if reader.goes_on() {
        return Err("the invite is too long: something is glued to its end".into());
    }
    match peer.parse::<RoomInvite>() {
        Ok(_) => Ok(Address { peer, words: reader.words() }),
        Err(error) => Err(error.to_string()),
    }
}

fn is_key(c: char) -> bool {
    matches!(c, 'a'..='z' | '2'..='7')
}

/// The lines of borders, and the blocks of a code.
fn is_drawn(c: char) -> bool {
    matches!(c, '\u{2500}'..='\u{259f}')
}

/// What a terminal, a mail or a person puts around and between the characters of an address.
fn is_between(c: char) -> bool {
    is_drawn(c) || c.is_whitespace() || c.is_control() || "\"'`<>()[]{}|,;“”„‘’«»‹›\u{200b}\u{feff}".contains(c)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next character of an address, in lower case, and the place behind it.
    fn letter(&self) -> Option<(char, usize)> {
        let (place, c) = self.rest().char_indices().find(|(_, c)| !is_between(*c))?;
        Some((c.to_ascii_lowercase(), self.at + place + c.len_utf8()))
    }

    /// Takes a word. False: it is not there, and nothing is taken.
    fn take(&mut self, word: &str) -> bool {
        let before = self.at;
        for wanted in word.chars() {
            match self.letter() {
                Some((c, behind)) if c == wanted => self.at = behind,
                _ => {
                    self.at = before;
                    return false;
                }
            }
        }
        true
    }

    /// Takes a number of characters of a kind.
    fn many(&mut self, count: usize, fits: impl Fn(char) -> bool) -> Option<String> {
        let mut out = String::new();
        while out.len() < count {
            let (c, behind) = self.letter().filter(|(c, _)| fits(*c))?;
            out.push(c);
            self.at = behind;
        }
        Some(out)
    }

    /// Whether the word that was read has more letters.
    fn goes_on(&self) -> bool {
        self.rest().chars().next().is_some_and(char::is_alphanumeric)
    }

    /// Whether a comma comes next, though a line may end before it.
    fn has_comma(&self) -> bool {
        self.rest().chars().find(|c| !is_drawn(*c) && !c.is_whitespace() && !c.is_control()) == Some(',')
    }

    fn words(&self) -> String {
        let rest = self.rest().trim_start_matches(|c| is_between(c) && !matches!(c, '(' | '['));
        rest.trim_end_matches(|c: char| c.is_whitespace() || is_drawn(c)).to_owned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const ONION: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd";
    const SECRET: &str = "000102030405060708090a0b0c0d0e0f";

    fn invite() -> String {
        format!("torchat:{ONION}?i={SECRET}")
    }

    #[track_caller]
    fn reads(text: &str, peer: &str, words: &str) {
        let wanted = Address { peer: peer.into(), words: words.into() };
        assert_eq!(read(text), Some(Ok(wanted)), "{text:?}");
    }

    #[test]
    fn an_address_is_read_however_it_was_pasted() {
        let (invite, onion) = (invite(), format!("{ONION}.onion"));
        for text in [&invite, &format!("\"{invite}\""), &format!("<{invite}>\n"), &invite.to_uppercase()] {
            reads(text, &invite, "");
        }
        for text in [ONION, &onion, &format!(" <{onion}> "), &format!("'{ONION}'")] {
            reads(text, &onion, "");
        }
        reads(&invite.replace("?i=", ".onion?i="), &invite, "");
        reads(&format!("{invite} Hello, (it is) me"), &invite, "Hello, (it is) me");
        reads(&format!("{onion}\nwe met in Brno"), &onion, "we met in Brno");
        // The words begin with what could be a digit of it.
        reads(&format!("{invite} a friend"), &invite, "a friend");
    }

    #[test]
    fn the_rows_of_the_first_page_are_read_with_their_borders_and_the_code_beside_them() {
        let invite = invite();
        let (one, rest) = invite.split_at(36);
        let (two, three) = rest.split_at(36);
        reads(&format!("│ {one}  ██ █▀▄ ██│\n│ {two}  ██▄ ▀▄██│\n│ {three}    ██ ▄██│\n"), &invite, "");
        reads(&format!(" {one} \r\n {two}\r\n {three}"), &invite, "");
    }

    const ROOM: &str = "52sfije2rhkqqibiuxx2dj5olxew2ajppimi4o5bnxe6axygijwrooid";

    fn room_invite(doors: usize, pass: bool) -> String {
        let all = [ONION, ROOM, "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid"];
        let pass = if pass { "&i=08090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f" } else { "" };
        format!("torchat-room:{ROOM}?d={}{pass}", all.get(..doors).unwrap().join(","))
    }

    #[test]
    fn what_is_no_address_is_a_text_or_a_sentence() {
        for text in ["", "hello", "torch", &"a".repeat(56), &format!("{ONION}a"), &ONION[1..]] {
            assert_eq!(read(text), None, "{text:?}");
        }
        let invite = invite();
        for (text, says) in [
            (&invite[..invite.len() - 1], "not whole"),
            (&invite[..60], "not whole"),
            (&invite.replace("pg6", "pg7"), "onion"),
            (&format!("{invite}0"), "too long"),
        ] {
            let error = read(text).unwrap().unwrap_err();
            assert!(error.contains(says), "{text:?}: {error}");
        }
    }

    #[track_caller]
    fn reads_room(text: &str, peer: &str, words: &str) {
        let wanted = Address { peer: peer.into(), words: words.into() };
        assert_eq!(read_room(text), Some(Ok(wanted)), "{text:?}");
        assert_eq!(read(text), None, "{text:?} is nobody's address");
    }

    #[test]
    fn an_invite_of_a_room_is_read_however_it_was_pasted() {
        for (doors, pass) in [(1, true), (2, true), (3, true), (1, false), (3, false)] {
            let invite = room_invite(doors, pass);
            reads_room(&invite, &invite, "");
            reads_room(&format!("<{invite}>\n"), &invite, "");
            reads_room(&invite.replace(',', ",\n │ "), &invite, "");
            reads_room(&invite.replace("?d=", ".onion?d="), &invite, "");
            reads_room(&format!("{invite} it is me, Bob"), &invite, "it is me, Bob");
            let (one, rest) = invite.split_at(40);
            let (two, three) = rest.split_at(30);
            reads_room(&format!("│ {one}  ██ █▀▄ ██│\n│ {two}  ██▄ ▀▄██│\n│ {three}    ██ ▄██│\n"), &invite, "");
        }
    }

    #[test]
    fn a_broken_invite_of_a_room_is_a_sentence() {
        let invite = room_invite(2, true);
        for (text, says) in [
            (&invite[..invite.len() - 1], "not whole"),
            (&invite[..100], "not whole"),
            (&invite[..60], "not whole"),
            (&invite.replace("52sf", "52sg"), "onion"),
            (&invite.replace(ONION, ROOM), "doors"),
            (&format!("{invite}0"), "too long"),
        ] {
            let error = read_room(text).unwrap().unwrap_err();
            assert!(error.contains(says), "{text:?}: {error}");
        }
        for text in ["", "hello", "torchat-room", &self::invite()] {
            assert_eq!(read_room(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_break_changes_what_is_read(cuts in prop::collection::vec((0usize..98, 0usize..5), 0..9)) {
            let mut pieces: Vec<String> = invite().chars().map(String::from).collect();
            for (at, what) in cuts {
                pieces[at].push_str(["\n", " ", "│ ", "\r\n  ", "▄█"][what]);
            }
            let text = pieces.concat();
            prop_assert_eq!(read(&text), Some(Ok(Address { peer: invite(), words: String::new() })));
        }

        #[test]
        fn no_text_makes_it_fail(text in "\\PC{0,200}") {
            let _ = (read(&text), read_room(&text));
        }
    }
}
