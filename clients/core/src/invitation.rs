//! Invites of rooms in what people write: an invite is long, so a client shows a few words in its place, and joins when its
//! user says so.

use std::ops::Range;
use torchat_protocol::room::RoomInvite;

const SCHEME: &str = "torchat-room:";

/// The first whole invite of a room in a text, and where it is, in bytes. A text that only looks like one is none.
#[must_use]
pub fn find(text: &str) -> Option<(Range<usize>, RoomInvite)> {
    text.match_indices(SCHEME).find_map(|(from, _)| {
        let rest = text.get(from..)?;
        let end = rest.find(|c| !is_written(c)).unwrap_or(rest.len());
        // What ends a sentence, or stands between two invites, is no part of it.
        let written = rest.get(..end)?.trim_end_matches([',', '?', ':', '-', '&', '=']);
        let invite = written.parse().ok()?;
        Some((from..from + written.len(), invite))
    })
}

/// What is shown in the place of a text with an invite of a room: the text, with a few words instead. `None`: there is no invite in it.
#[must_use]
pub fn with_words(text: &str) -> Option<String> {
    let (place, invite) = find(text)?;
    let (before, behind) = (text.get(..place.start)?, text.get(place.end..)?);
    Some(format!("{before}[invitation to a room {}..]{behind}", invite.room.conversation().short()))
}

/// Whether an invite can hold it.
fn is_written(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || ":-?=,&".contains(c)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const INVITE: &str = "torchat-room:52sfije2rhkqqibiuxx2dj5olxew2ajppimi4o5bnxe6axygijwrooid\
        ?d=pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd&i=08090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f";

    #[test]
    fn an_invite_is_found_wherever_it_stands_in_a_text() {
        for text in [
            INVITE.to_owned(),
            format!("come in: {INVITE}"),
            format!("({INVITE}), it is fun"),
            format!("{INVITE}\nsee you"),
            format!("is it {INVITE}?"),
            format!("torchat-room:nothing, {INVITE}, {INVITE}"),
            format!("日本{INVITE}日本"),
        ] {
            let (place, invite) = find(&text).unwrap();
            assert_eq!((&text[place], invite.to_string().as_str()), (INVITE, INVITE), "{text}");
        }
    }

    #[test]
    fn what_is_no_whole_invite_is_only_text() {
        for text in [
            String::new(),
            "torchat-room:".to_owned(),
            INVITE.replace("torchat-room", "torchat"),
            INVITE.replace("52sf", "52sg"),
            format!("{INVITE}0"),
            INVITE.get(..INVITE.len() - 1).unwrap().to_owned(),
        ] {
            assert_eq!(find(&text), None, "{text}");
        }
    }
}
