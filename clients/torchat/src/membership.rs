//! What rooms and their members are to the user, in words: the same in the shell and on the screen.
//!
//! A member's name and a room's name are hostile text. They come here harmless already, or are made so by [`speaker`].

use torchat_client::api::record::{Member, MemberChange, MemberState, Message, MessageState, Proof, Role, RoomState};
use torchat_client::show::unmarked_name;

/// Columns of a member's name.
pub(crate) const MEMBER_COLUMNS: usize = 32;

/// What a member may do, in a word.
pub(crate) fn role(role: Role) -> &'static str {
    match role {
        Role::Owner => "owner",
        Role::Moderator => "moderator",
        Role::Member => "member",
        Role::Reader => "reader",
        Role::Unknown => "in a role that this torchat does not know",
    }
}

/// How far we are in a room, where we are not simply a member. Behind its name: "#lab: you have left".
pub(crate) fn state(state: RoomState) -> Option<&'static str> {
    Some(match state {
        RoomState::Member => return None,
        RoomState::Joining => "joining; not let in yet",
        RoomState::Leaving => "leaving",
        RoomState::Left => "you have left",
        RoomState::Removed => "the owner has removed you",
        RoomState::Destroyed => "the owner has ended it",
        RoomState::Ended => "ended by its owner, as a member has shown; what you have stays until you erase it",
        RoomState::NeedsNewer => "it needs a newer torchatd",
        RoomState::Unknown => "in a state that this torchat does not know",
    })
}

/// What somebody is who was a member, or whose messages are hidden; `None`: a member.
pub(crate) fn member_state(state: MemberState) -> Option<&'static str> {
    Some(match state {
        MemberState::In => return None,
        MemberState::Muted => "muted",
        MemberState::Left => "has left",
        MemberState::Removed => "removed",
        MemberState::Replaced => "has another number now",
        MemberState::Unknown => "in a state that this torchat does not know",
    })
}

/// How it is known whose daemon a member is.
pub(crate) fn proof(proof: Proof) -> &'static str {
    match proof {
        Proof::Link => "proven by link",
        Proof::Owner => "as the owner says",
        Proof::Unknown => "not known how",
    }
}

/// What happened to a member, behind their name: "bob left". As in the lines that the daemon writes into the history.
pub(crate) fn change(change: MemberChange, member: &Member) -> String {
    match change {
        MemberChange::Joined => "joined".to_owned(),
        MemberChange::Left => "left".to_owned(),
        MemberChange::Removed => "removed by the owner".to_owned(),
        MemberChange::Replaced => "here with a new number".to_owned(),
        MemberChange::Role => format!("is {} now", with_article(member.role)),
        MemberChange::Muted => "is muted".to_owned(),
        MemberChange::Unmuted => "is not muted any more".to_owned(),
        MemberChange::Nick => format!("is no:{}, under a new name", member.no),
        MemberChange::Forked => {
            "has two histories, as after a restored backup: what is behind the difference does not count".to_owned()
        }
        MemberChange::Unknown => "has changed in a way that this torchat does not know".to_owned(),
    }
}

/// "the owner", "a member".
pub(crate) fn with_article(role: Role) -> String {
    match role {
        Role::Owner => "the owner".to_owned(),
        Role::Unknown => self::role(role).to_owned(),
        other => format!("a {}", self::role(other)),
    }
}

/// What stands in the place of a message's text that is not there, or not shown; `None`: its text does.
pub(crate) fn instead(message: &Message) -> Option<&'static str> {
    match message.state {
        MessageState::Redacted => Some("(redacted)"),
        MessageState::Hidden => Some("(hidden)"),
        _ => None,
    }
}

/// A member's name, harmless, as it stands before what they say: `NAME: text`. Without a name it is their number.
///
/// A colon, and a hyphen at the beginning, are written out as other characters are that must not be taken for ours: else a member
/// who calls themselves `anna: yes` says what reads like Anna's words, and `-- bob` like a line of torchat's.
pub(crate) fn speaker(name: &str, no: u32) -> String {
    let shown = unmarked_name(name, MEMBER_COLUMNS);
    if shown.is_empty() {
        return format!("no:{no}");
    }
    let shown = shown.replace(':', "\\u{3a}");
    match shown.strip_prefix('-') {
        Some(rest) => format!("\\u{{2d}}{rest}"),
        None => shown,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use torchat_client::show::reveal;

    #[test]
    fn no_name_reads_like_a_line_of_ours_or_of_somebody_else() {
        for (name, shown) in [
            ("anna", "anna"),
            ("anna: yes", "anna\\u{3a} yes"),
            ("-- bob", "\\u{2d}- bob"),
            ("no:1", "no\\u{3a}1"),
            ("\u{2713}bob", "bob"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("", "no:5"),
            ("\u{2713}", "no:5"),
        ] {
            assert_eq!(speaker(name, 5), shown, "{name:?}");
        }
        assert_eq!(reveal(&speaker("-: x", 1)), "-: x");
    }

    #[test]
    fn each_change_is_a_sentence_about_somebody() {
        let member = serde_json::json!({"no": 5, "name": "bob", "proven": "owner", "role": "moderator", "state": "in"});
        let member: Member = serde_json::from_value(member).unwrap();
        let said = |what| format!("bob {}", change(what, &member));
        assert_eq!(said(MemberChange::Joined), "bob joined");
        assert_eq!(said(MemberChange::Role), "bob is a moderator now");
        assert_eq!(said(MemberChange::Nick), "bob is no:5, under a new name");
    }
}
