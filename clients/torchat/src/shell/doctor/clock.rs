//! The clock: Tor needs it right to the hour, and people read times by it.

use super::Finding;
use jiff::Timestamp;
use std::time::{Duration, SystemTime};
use torchat_client::api::record::{Direction, Message};

/// The program was made then (2026-01-01): a clock before that is wrong.
const MADE_S: u64 = 1_767_225_600;
/// Nobody runs this program unchanged for so long.
const LIFE: Duration = Duration::from_secs(20 * 366 * 86_400);
/// A message's own time is rounded down to the minute, and clocks differ a little.
const TOLERANCE_S: i64 = 120;
/// From so many messages something can be said.
const ENOUGH: usize = 3;

const ADVICE: &str = "set it, for example with `timedatectl set-ntp true`; Tor does not work with a wrong one";

/// Whether it can be right at all.
pub(super) fn plausible(now: SystemTime) -> Finding {
    let made = SystemTime::UNIX_EPOCH + Duration::from_secs(MADE_S);
    match now.duration_since(made) {
        Err(_) => Finding::wrong("clock", "the clock stands before this program was made", ADVICE),
        Ok(age) if age > LIFE => Finding::wrong("clock", "the clock stands decades ahead", ADVICE),
        Ok(_) => Finding::ok("clock", "the clock is plausible"),
    }
}

/// Compares with the clocks of others: a message cannot arrive before it was written. Says nothing of a clock that is
/// ahead, because messages may be long on their way.
pub(super) fn against_peers<'a>(messages: impl IntoIterator<Item = &'a Message>) -> Option<Finding> {
    let late = |message: &Message| -> Option<i64> {
        let at: Timestamp = message.at.parse().ok()?;
        let sent: Timestamp = message.sent_at.as_deref()?.parse().ok()?;
        Some(at.as_second() - sent.as_second())
    };
    let received = messages.into_iter().filter(|message| message.dir == Direction::In);
    let delays: Vec<i64> = received.filter_map(late).collect();
    let longest = *delays.iter().max()?;
    if delays.len() < ENOUGH {
        return None;
    }
    Some(if longest < -TOLERANCE_S {
        let sentence = format!(
            "each of the last {} messages arrived before it was written, by {} s at least",
            delays.len(),
            -longest
        );
        Finding::wrong("clock", sentence, format!("your clock is behind theirs: {ADVICE}"))
    } else {
        Finding::ok("clock", "the clock agrees with those of your peers, as far as messages tell")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Grade;
    use super::*;

    fn message(at: &str, sent: &str) -> Message {
        serde_json::from_value(serde_json::json!({
            "id": 1, "mid": "00000000000000000000000000000000", "dir": "in", "text": "", "state": "read", "at": at,
            "peer": "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion", "sent_at": sent,
        }))
        .unwrap()
    }

    #[test]
    fn a_clock_in_the_past_or_far_future_is_wrong() {
        let at = |seconds| plausible(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).grade;
        assert_eq!(at(0), Grade::Wrong);
        assert_eq!(at(MADE_S + 1), Grade::Ok);
        assert_eq!(at(MADE_S + 30 * 366 * 86_400), Grade::Wrong);
    }

    #[test]
    fn messages_from_the_future_tell_that_our_clock_is_behind() {
        let future = message("2026-06-01T10:00:00.000Z", "2026-06-01T10:30:00Z");
        let normal = message("2026-06-01T10:00:10.000Z", "2026-06-01T10:00:00Z");
        let grade = |messages: &[&Message]| against_peers(messages.iter().copied()).map(|finding| finding.grade);
        assert_eq!(grade(&[&future, &future, &future]), Some(Grade::Wrong));
        assert_eq!(grade(&[&future, &future, &normal]), Some(Grade::Ok), "one peer may be wrong");
        assert_eq!(grade(&[&future, &future]), None);
        assert_eq!(grade(&[]), None);
    }
}
