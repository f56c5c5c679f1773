//! What a log says: a line per message, and its further lines marked.
//!
//! ```text
//! # 2026-11-30 13:40:00: log of ONION (me) with ONION (bob)
//! # times are UTC+01:00 from here on
//! 2026-11-30 13:40:05 <bob> the first line
//!                   | its second one
//! 2026-11-30 13:40:09 <me> an answer
//! 2026-11-30 13:41:00 -!- what the daemon says about the conversation
//! ```
//!
//! A message begins with a digit, and nothing else does: the further lines of a text begin with blanks and `|`, so a text
//! forges neither a message nor a remark. Texts and names are as harmless as on the screen.

use crate::membership;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use torchat_client::api::ConversationId;
use torchat_client::api::record::{Direction, Message};
use torchat_client::show;
use torchat_client::timeline::millis;

/// Who we are in a log.
pub(super) const ME: &str = "me";
/// Before each further line of a text.
const FURTHER: &str = "                  | ";

/// Where the reader of the logs is.
#[derive(Debug, Clone)]
pub(super) struct Here {
    pub(super) zone: TimeZone,
    /// Seconds between UTC and the times of the last line; `None`: nothing says it yet.
    pub(super) offset: Option<i32>,
}

impl Here {
    /// The local time of a moment, in milliseconds since 1970. A line is put before it if it counts from another UTC than
    /// the line before: an hour that comes twice in October is told apart.
    fn local(&mut self, at: i64, lines: &mut String) -> DateTime {
        let zoned = Timestamp::from_millisecond(at).unwrap_or_default().to_zoned(self.zone.clone());
        if self.offset != Some(zoned.offset().seconds()) {
            self.offset = Some(zoned.offset().seconds());
            lines.push_str(&format!("# times are {} from here on\n", utc(zoned.offset())));
        }
        zoned.datetime()
    }

    /// A message, from the name `who` if it is not ours.
    pub(super) fn message(&mut self, message: &Message, who: &str, lines: &mut String) {
        let at = millis(&message.at).unwrap_or(0);
        let time = self.local(at, lines).strftime("%Y-%m-%d %H:%M:%S").to_string();
        let text = match membership::instead(message) {
            Some(words) => words.to_owned(),
            None => show::shown_rows(&message.text).replace('\n', &format!("\n{FURTHER}")),
        };
        // In a room somebody else for each message. They choose their names, and nobody's name ends before its end.
        let member =
            message.from.as_ref().map(|from| membership::speaker(&from.name, from.member).replace('>', "\\u{3e}"));
        let who = match (message.dir, &member) {
            (Direction::In, Some(member)) => format!("<{member}>"),
            (Direction::In, None) => format!("<{}>", other(who, message.peer)),
            (Direction::Out, _) => format!("<{ME}>"),
            (Direction::Mark, Some(member)) => format!("-!- {member}:"),
            (Direction::Mark, None) => "-!-".into(),
            (Direction::Unknown, _) => "-?-".into(),
        };
        lines.push_str(&format!("{time} {who} {text}\n"));
    }

    /// What stands where a log begins, and where one begins again. In milliseconds since 1970.
    pub(super) fn begin(&self, at: i64, own: ConversationId, other: (ConversationId, &str), lines: &mut String) {
        let at = Timestamp::from_millisecond(at).unwrap_or_default().to_zoned(self.zone.clone());
        let (time, own, who) = (at.strftime("%Y-%m-%d %H:%M:%S"), own.onion(), self::other(other.1, other.0));
        lines.push_str(&format!("# {time}: log of {own} ({ME}) with {} ({who})\n", other.0.onion()));
    }
}

/// The name of the other side: not the one that we have.
fn other(who: &str, conversation: ConversationId) -> String {
    if who == ME { conversation.onion().chars().take(10).collect() } else { who.to_owned() }
}

/// `UTC+01:00`
fn utc(offset: Offset) -> String {
    let seconds = offset.seconds();
    let (hours, minutes) = (seconds.abs() / 3_600, seconds.abs() / 60 % 60);
    format!("UTC{}{hours:02}:{minutes:02}", if seconds < 0 { '-' } else { '+' })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::logs::tests::{message, peer};
    use proptest::prelude::*;

    fn here(zone: &str) -> Here {
        Here { zone: TimeZone::get(zone).unwrap(), offset: None }
    }

    fn lines(here: &mut Here, message: &Message) -> String {
        let mut lines = String::new();
        here.message(message, "bob", &mut lines);
        lines
    }

    #[test]
    fn a_message_is_a_line_in_local_time_and_ours_is_from_me() {
        let mut here = here("Europe/Berlin");
        let one = message(1, peer(3), Direction::In, 1_796_042_405_000, "hi\nthere");
        let expected = "# times are UTC+01:00 from here on\n2026-11-30 13:40:05 <bob> hi\n                  | there\n";
        assert_eq!(lines(&mut here, &one), expected);
        let ours = message(2, peer(3), Direction::Out, 1_796_042_406_000, "* waves");
        assert_eq!(lines(&mut here, &ours), "2026-11-30 13:40:06 <me> * waves\n");
        let mark = message(3, peer(3), Direction::Mark, 1_796_042_407_000, "lost");
        assert_eq!(lines(&mut here, &mark), "2026-11-30 13:40:07 -!- lost\n");
    }

    #[test]
    fn an_hour_that_comes_twice_is_told_apart() {
        let mut here = here("Europe/Berlin");
        // 25 October 2026: 00:30 UTC is 02:30 in summer, 01:30 UTC is 02:30 in winter.
        let summer = 1_792_888_200_000;
        let both: Vec<_> = [summer, summer + 3_600_000]
            .map(|at| lines(&mut here, &message(1, peer(3), Direction::In, at, "x")))
            .into();
        assert_eq!(both[0], "# times are UTC+02:00 from here on\n2026-10-25 02:30:00 <bob> x\n");
        assert_eq!(both[1], "# times are UTC+01:00 from here on\n2026-10-25 02:30:00 <bob> x\n");
        let west = self::here("America/St_Johns");
        let mut west = Here { offset: None, ..west };
        assert!(lines(&mut west, &message(1, peer(3), Direction::In, 0, "x")).starts_with("# times are UTC-03:30 "));
    }

    #[test]
    fn nobody_is_called_as_we_are() {
        let mut here = here("UTC");
        here.offset = Some(0);
        let mut written = String::new();
        here.message(&message(1, peer(3), Direction::In, 0, "I owe you"), ME, &mut written);
        assert!(!written.contains("<me>") && written.contains(&format!("<{}", &peer(3).onion()[..10])), "{written}");
    }

    /// The lines as anything that reads lines may take them.
    fn read(text: &str) -> Vec<&str> {
        text.split(['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}']).collect()
    }

    proptest! {
        #[test]
        fn no_text_forges_a_line(
            text in "(\\PC|[\n\r\t\u{1b}\u{0}\u{85}\u{2028}\u{2029}\u{b}\u{c}]|\n2026-11-30 12:40:05 <me> |\n# |\r# ){0,40}"
        ) {
            let mut here = here("UTC");
            here.offset = Some(0);
            let written = lines(&mut here, &message(1, peer(3), Direction::In, 0, &text));
            let written = written.strip_suffix('\n').unwrap();
            let mut rows = read(written).into_iter();
            prop_assert!(rows.next().unwrap().starts_with("1970-01-01 00:00:00 <bob> "));
            for row in rows {
                prop_assert!(row.starts_with(FURTHER), "{:?}", row);
            }
            prop_assert!(!written.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{:?}", written);
        }
    }
}
