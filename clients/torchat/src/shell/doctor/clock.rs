//! The clock: Tor needs it right to some hours, and people read times by it.
//!
//! There is nothing here that knows the time. What can be said: whether it can be right at all, whether it agrees with
//! what was stored before, with what peers wrote, and with what Tor's relays say. To the minute nobody here knows it.

use super::Finding;
use jiff::{SignedDuration, Timestamp};
use torchat_client::api::record::{Direction, Message};

/// The program was made then (2026-01-01): a clock before that is wrong.
const MADE_S: i64 = 1_767_225_600;
/// Nobody runs this program unchanged for so long.
const LIFE_S: i64 = 20 * 366 * 86_400;
/// A message's own time is rounded down to the minute, and clocks differ a little.
const TOLERANCE_S: i64 = 120;
/// From so many messages something can be said.
const ENOUGH: usize = 3;

const ADVICE: &str = "set it, for example with `timedatectl set-ntp true`; Tor does not work with a wrong one";

/// Everything that tells of the clock: the messages of this daemon, and what it says of Tor.
pub(super) fn check(now: Timestamp, recent: &[Message], tor: &str) -> Finding {
    if tor.contains("clock") {
        return Finding::wrong("clock", format!("Tor's relays say another time: {tor}"), ADVICE);
    }
    set_back(now, recent).unwrap_or_else(|| match against_peers(recent) {
        Some(Ok(())) => plausible(now, Some("and those of your peers agree, as far as messages tell")),
        Some(Err(behind_s)) => {
            let sentence = format!("the last messages arrived before they were written, by {behind_s} s at least");
            Finding::wrong("clock", sentence, format!("your clock is behind those of your peers: {ADVICE}"))
        }
        None => plausible(now, None),
    })
}

/// Whether it can be right at all; `more` is what else speaks for it.
pub(super) fn plausible(now: Timestamp, more: Option<&str>) -> Finding {
    let shown = now.strftime("%Y-%m-%d %H:%M");
    let more = more.unwrap_or("but nothing here tells whether it is right to the minute");
    match now.as_second() - MADE_S {
        ..0 => {
            Finding::wrong("clock", format!("the clock stands at {shown} UTC, before this program was made"), ADVICE)
        }
        LIFE_S.. => Finding::wrong("clock", format!("the clock stands at {shown} UTC, decades ahead"), ADVICE),
        _ => Finding::ok("clock", format!("the clock stands at {shown} UTC, which can be right, {more}")),
    }
}

/// Messages that this daemon stored by this clock, and that are later than it stands now.
fn set_back(now: Timestamp, recent: &[Message]) -> Option<Finding> {
    let newest = recent.iter().filter_map(|message| message.at.parse::<Timestamp>().ok()).max()?;
    let ahead: SignedDuration = newest.duration_since(now);
    (ahead.as_secs() > TOLERANCE_S).then(|| {
        let sentence =
            format!("the clock was set back: a message was stored {} s later than it is now", ahead.as_secs());
        Finding::wrong("clock", sentence, format!("one of the two times is wrong: {ADVICE}"))
    })
}

/// Compares with the clocks of others: a message cannot arrive before it was written; the error says by how many seconds
/// it seems so. Says nothing of a clock that is ahead, because messages may be long on their way.
fn against_peers(messages: &[Message]) -> Option<Result<(), i64>> {
    let late = |message: &Message| -> Option<i64> {
        let at: Timestamp = message.at.parse().ok()?;
        let sent: Timestamp = message.sent_at.as_deref()?.parse().ok()?;
        Some(at.as_second() - sent.as_second())
    };
    let received = messages.iter().filter(|message| message.dir == Direction::In);
    let delays: Vec<i64> = received.filter_map(late).collect();
    let longest = *delays.iter().max()?;
    (delays.len() >= ENOUGH).then_some(if longest < -TOLERANCE_S { Err(-longest) } else { Ok(()) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Grade;
    use super::*;

    const NOW: &str = "2026-06-01T10:01:00Z";

    fn message(at: &str, sent: &str) -> Message {
        serde_json::from_value(serde_json::json!({
            "id": 1, "mid": "00000000000000000000000000000000", "dir": "in", "text": "", "state": "read", "at": at,
            "peer": "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion", "sent_at": sent,
        }))
        .unwrap()
    }

    fn look(messages: &[&Message], tor: &str) -> Finding {
        let messages: Vec<_> = messages.iter().map(|message| (*message).clone()).collect();
        check(NOW.parse().unwrap(), &messages, tor)
    }

    #[test]
    fn a_clock_in_the_past_or_far_future_is_wrong() {
        let at = |seconds| plausible(Timestamp::from_second(seconds).unwrap(), None).grade;
        assert_eq!([at(0), at(MADE_S + 1), at(MADE_S + 30 * 366 * 86_400)], [Grade::Wrong, Grade::Ok, Grade::Wrong]);
    }

    #[test]
    fn messages_from_the_future_tell_that_our_clock_is_behind() {
        let future = message("2026-06-01T10:00:00.000Z", "2026-06-01T10:30:00Z");
        let normal = message("2026-06-01T10:00:10.000Z", "2026-06-01T10:00:00Z");
        let behind = look(&[&future, &future, &future], "ready");
        assert!(behind.grade == Grade::Wrong && behind.sentence.contains("by 1800 s"), "{behind:?}");
        let agree = look(&[&future, &future, &normal], "ready");
        assert!(agree.grade == Grade::Ok && agree.sentence.contains("your peers agree"), "one may be wrong: {agree:?}");
        for few in [&[&future, &future][..], &[]] {
            let nothing = look(few, "ready");
            assert!(nothing.grade == Grade::Ok && nothing.sentence.contains("nothing here tells"), "{nothing:?}");
        }
    }

    #[test]
    fn what_was_stored_later_than_now_tells_that_it_was_set_back() {
        let later = message("2026-06-01T12:00:00.000Z", "2026-06-01T12:00:00Z");
        let found = look(&[&later], "ready");
        assert!(found.grade == Grade::Wrong && found.sentence.contains("7140 s later"), "{found:?}");
        assert_eq!(look(&[&message("2026-06-01T10:02:00.000Z", NOW)], "ready").grade, Grade::Ok, "a minute is nothing");
    }

    #[test]
    fn what_tors_relays_say_counts_most() {
        let found = look(&[], "the computer's clock seems to be slow by about 2 h, so Tor cannot work: set it");
        assert!(found.grade == Grade::Wrong && found.sentence.contains("slow by about 2 h"), "{found:?}");
    }
}
