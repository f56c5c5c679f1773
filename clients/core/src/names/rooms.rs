//! Which room a word means, and which member of one.
//!
//! A room: its whole id; else `#` and the user's own name for it (the alias), every byte of it; else `#` and the room's name, in
//! upper or lower case, if one room only is called so; else the first characters of its id, at least [`PREFIX_MIN`].
//!
//! A room's owner chooses its name, and can change it at any time. So a name never wins over another one by being the exact one:
//! if two rooms are called the same but for case, neither is meant, and the user must write the alias or the id. A member: `no:`
//! and the number; else the whole onion; else the name, in upper or lower case, if one member only is called so.

use super::{PREFIX_MIN, is_beginning, onion, whole};
use crate::show::{shown_line, shown_name};
use torchat_protocol::control::api::{ConversationId, Onion};

/// What stands before the name of a room.
pub const ROOM_SIGN: char = '#';
/// What stands before the number of a member.
const NUMBER_SIGN: &str = "no:";
/// Columns of a name in an error.
const NAME_COLUMNS: usize = 32;

/// A room that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRoom {
    /// Its id.
    pub id: ConversationId,
    /// The name that its owner gave it.
    pub name: String,
    /// The name that the user gave it here.
    pub alias: Option<String>,
}

impl KnownRoom {
    /// As it is called on a screen and in a list, harmless: `#lab`.
    #[must_use]
    pub fn shown(&self) -> String {
        shown_room(&self.name, self.alias.as_deref(), NAME_COLUMNS)
    }
}

/// A member that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownMember {
    /// Their number.
    pub no: u32,
    /// What they are called in the room.
    pub name: String,
    /// Their onion, as far as the owner has said it.
    pub onion: Option<Onion>,
}

/// Why a word means no room, or no member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoomNameError {
    /// No room is called so.
    #[error(
        "\"{}\" is not a room: write {ROOM_SIGN} and its name, or at least {PREFIX_MIN} characters of its id",
        shown_line(word)
    )]
    NoRoom {
        /// What was written.
        word: String,
    },
    /// Several are called so.
    #[error("\"{}\" is ambiguous: {}; write the beginning of the id, or more of it", shown_line(word), rooms(fitting))]
    SeveralRooms {
        /// What was written.
        word: String,
        /// What it may mean.
        fitting: Vec<KnownRoom>,
    },
    /// No member is called so.
    #[error(
        "\"{}\" is not in this room: write a member's name, {NUMBER_SIGN} and their number, or their onion",
        shown_line(word)
    )]
    NoMember {
        /// What was written.
        word: String,
    },
    /// Several are called so.
    #[error("\"{}\" is ambiguous: {}; write {NUMBER_SIGN} and the number", shown_line(word), members(fitting))]
    SeveralMembers {
        /// What was written.
        word: String,
        /// Who it may be.
        fitting: Vec<KnownMember>,
    },
}

fn rooms(fitting: &[KnownRoom]) -> String {
    fitting.iter().map(|room| format!("{} ({})", room.id.onion(), room.shown())).collect::<Vec<_>>().join(", ")
}

fn members(fitting: &[KnownMember]) -> String {
    let row = |row: &KnownMember| format!("{NUMBER_SIGN}{} ({})", row.no, shown_name(&row.name, NAME_COLUMNS));
    fitting.iter().map(row).collect::<Vec<_>>().join(", ")
}

/// What a room is called here, harmless: `#` and the alias, or else the room's name; at most this many columns and the `#`.
#[must_use]
pub fn shown_room(name: &str, alias: Option<&str>, columns: usize) -> String {
    let name = alias.filter(|alias| !alias.is_empty()).unwrap_or(name);
    format!("{ROOM_SIGN}{}", shown_name(name, columns))
}

/// Whether a word can only mean a room.
#[must_use]
pub fn is_room_word(word: &str) -> bool {
    word.starts_with(ROOM_SIGN)
}

fn same(one: &str, other: &str) -> bool {
    one == other || one.to_lowercase() == other.to_lowercase()
}

/// Which room a word means, of those that are known.
///
/// # Errors
/// [`RoomNameError::NoRoom`] and [`RoomNameError::SeveralRooms`].
pub fn resolve_room(word: &str, known: &[KnownRoom]) -> Result<ConversationId, RoomNameError> {
    let nobody = || RoomNameError::NoRoom { word: word.to_owned() };
    if let Some(id) = whole(word).map_err(|_| nobody())? {
        return Ok(id);
    }
    let fitting: Vec<&KnownRoom> = match word.strip_prefix(ROOM_SIGN) {
        Some("") => return Err(nobody()),
        Some(name) => {
            let aliased: Vec<_> = known.iter().filter(|room| room.alias.as_deref() == Some(name)).collect();
            if aliased.is_empty() { known.iter().filter(|room| same(&room.name, name)).collect() } else { aliased }
        }
        None if is_beginning(word) => known.iter().filter(|room| room.id.onion().starts_with(word)).collect(),
        None => return Err(nobody()),
    };
    match fitting.as_slice() {
        [] => Err(nobody()),
        [one] => Ok(one.id),
        several => Err(RoomNameError::SeveralRooms {
            word: word.to_owned(),
            fitting: several.iter().map(|room| (*room).clone()).collect(),
        }),
    }
}

/// Which member a word means, of those that are known. Gives the number.
///
/// # Errors
/// [`RoomNameError::NoMember`] and [`RoomNameError::SeveralMembers`].
pub fn resolve_member(word: &str, known: &[KnownMember]) -> Result<u32, RoomNameError> {
    let nobody = || RoomNameError::NoMember { word: word.to_owned() };
    let fitting: Vec<&KnownMember> = match (word.strip_prefix(NUMBER_SIGN), onion(word)) {
        (Some(number), _) => {
            let number: u32 = number.parse().map_err(|_| nobody())?;
            known.iter().filter(|member| member.no == number).collect()
        }
        (None, Ok(Some(onion))) => known.iter().filter(|member| member.onion == Some(onion)).collect(),
        (None, _) if word.is_empty() => return Err(nobody()),
        (None, _) => known.iter().filter(|member| same(&member.name, word)).collect(),
    };
    match fitting.as_slice() {
        [] => Err(nobody()),
        [one] => Ok(one.no),
        several => Err(RoomNameError::SeveralMembers {
            word: word.to_owned(),
            fitting: several.iter().map(|member| (*member).clone()).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn room(first: u8, name: &str, alias: Option<&str>) -> KnownRoom {
        let id = ConversationId::from_bytes(std::array::from_fn(|at| if at == 0 { first } else { 7 }));
        KnownRoom { id, name: name.to_owned(), alias: alias.map(str::to_owned) }
    }

    fn member(no: u32, name: &str) -> KnownMember {
        KnownMember { no, name: name.to_owned(), onion: None }
    }

    #[test]
    fn an_alias_wins_and_a_name_is_meant_only_if_no_other_room_has_it() {
        let (lab, other, club) = (room(1, "Lab", None), room(99, "lab", None), room(200, "club", Some("c")));
        let known = [lab.clone(), club.clone()];
        for word in ["#Lab", "#lab", "#LAB", &lab.id.onion(), &lab.id.onion()[..56], &lab.id.onion()[..5]] {
            assert_eq!(resolve_room(word, &known), Ok(lab.id), "{word}");
        }
        assert_eq!(resolve_room("#c", &known), Ok(club.id));
        assert_eq!(resolve_room("#club", &known), Ok(club.id));
        // The owner of another room calls it so, too, and exactly as the user writes it.
        let known = [lab.clone(), other.clone()];
        let error = resolve_room("#lab", &known).unwrap_err();
        assert_eq!(error, RoomNameError::SeveralRooms { word: "#lab".into(), fitting: known.to_vec() });
        assert!(error.to_string().contains(&other.id.onion()), "{error}");
        // What the user has chosen is not the owner's to take.
        let mine = KnownRoom { alias: Some("lab".into()), ..lab };
        assert_eq!(resolve_room("#lab", &[mine.clone(), other]), Ok(mine.id));
    }

    #[test]
    fn what_is_no_room_says_how_one_is_written() {
        let known = [room(1, "lab", None)];
        for word in ["", "#", "lab", "#labs", "abc", &known[0].id.onion()[..3], "x.onion"] {
            let error = resolve_room(word, &known).unwrap_err();
            assert_eq!(error, RoomNameError::NoRoom { word: word.to_owned() });
        }
        let hostile = RoomNameError::NoRoom { word: "#\u{1b}[2J".into() }.to_string();
        assert!(hostile.contains("\\u{1b}[2J"), "{hostile}");
    }

    #[test]
    fn a_members_name_is_meant_only_if_no_other_member_has_it() {
        let known = [member(1, "anna"), member(5, "Bob"), member(7, "bob"), member(9, "no:1")];
        assert_eq!(resolve_member("Anna", &known), Ok(1));
        assert_eq!(resolve_member("no:7", &known), Ok(7));
        // Nobody takes a number by a name.
        assert_eq!(resolve_member("no:1", &known), Ok(1));
        let error = resolve_member("bob", &known).unwrap_err().to_string();
        assert!(error.contains("no:5 (Bob), no:7 (bob)"), "{error}");
        for word in ["", "no:", "no:x", "no:99", "carol"] {
            assert_eq!(resolve_member(word, &known), Err(RoomNameError::NoMember { word: word.to_owned() }));
        }
    }

    #[test]
    fn a_room_is_shown_by_its_alias_and_harmlessly() {
        assert_eq!(shown_room("lab", None, 32), "#lab");
        assert_eq!(shown_room("lab", Some(""), 32), "#lab");
        assert_eq!(shown_room("l\u{202e}ab", Some("home"), 32), "#home");
        assert_eq!(shown_room("l\u{202e}ab", None, 32), "#l\\u{202e}ab");
    }
}
