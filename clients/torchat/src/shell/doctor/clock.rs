//! The clock: Tor needs it right to some hours, and people read times by it.
//!
//! There is nothing here that knows the time. What can be said: whether it can be right at all, whether it agrees with
//! what was stored before, with what peers say in their messages, and with what Tor's relays say. To the minute nobody here
//! knows it. What one peer says of the time is its word and no more: it writes any time into its messages. Only several who
//! say the same are believed, and a majority of all at that.

use super::super::format::{Names, count};
use super::{Finding, Grade};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use torchat_client::api::ConversationId;
use torchat_client::api::reason::NetworkCause;
use torchat_client::api::record::{Direction, Message};
use torchat_client::api::status::TorPart;

/// The program was made then (2026-01-01): a clock before that is wrong.
const MADE_S: i64 = 1_767_225_600;
/// Nobody runs this program unchanged for so long.
const LIFE_S: i64 = 20 * 366 * 86_400;
/// A message's own time is rounded down to the minute, and clocks differ a little.
const TOLERANCE_S: i64 = 120;
/// What this many peers say each by itself is more than their word. Somebody who is several contacts can still lie so.
const SEVERAL: usize = 3;

const ADVICE: &str = "set it, for example with `timedatectl set-ntp true`; Tor does not work with a wrong one";

/// Everything that tells of the clock: the messages of this daemon, and what it says of Tor.
pub(super) fn check(now: Timestamp, recent: &[Message], tor: Option<&TorPart>, names: &Names) -> Finding {
    if let Some(TorPart { cause: Some(NetworkCause::Clock), sentence, .. }) = tor {
        return Finding::wrong("clock", format!("Tor's relays say that the time is different: {sentence}"), ADVICE);
    }
    set_back(now, recent).unwrap_or_else(|| against_peers(now, recent, names))
}

/// Whether it can be right at all; `more` is what else speaks for it.
pub(super) fn plausible(now: Timestamp, more: Option<&str>) -> Finding {
    let shown = now.strftime("%Y-%m-%d %H:%M");
    let more = more.unwrap_or("but nothing here tells whether it is exact to the minute");
    match now.as_second() - MADE_S {
        ..0 => Finding::wrong(
            "clock",
            format!("the clock says {shown} UTC, which is before this program was made"),
            ADVICE,
        ),
        LIFE_S.. => Finding::wrong("clock", format!("the clock says {shown} UTC, which is decades ahead"), ADVICE),
        _ => Finding::ok("clock", format!("the clock says {shown} UTC, which can be right, {more}")),
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

/// Compares with what others say of the time: a message cannot arrive before it was written. Says nothing of a clock that is
/// ahead, because messages may be long on their way.
fn against_peers(now: Timestamp, messages: &[Message], names: &Names) -> Finding {
    let writers = longest_delays(messages);
    // By how many seconds our clock is behind theirs, if what they say is true.
    let behind: BTreeMap<ConversationId, i64> = writers
        .iter()
        .filter(|(_, longest)| **longest < -TOLERANCE_S)
        .map(|(peer, longest)| (*peer, -longest))
        .collect();
    let Some(least) = behind.values().min() else {
        let agree = writers.len() >= SEVERAL;
        return plausible(now, agree.then_some("and none of your peers says otherwise in their messages"));
    };
    let (say, all) = (behind.len(), writers.len());
    if say >= SEVERAL && say * 2 > all {
        let sentence = format!(
            "{say} of {all} peers say in their messages that they wrote them after they had arrived here, each by {least} s at \
             least"
        );
        return Finding::wrong("clock", sentence, format!("your clock seems to be behind theirs: {ADVICE}"));
    }
    let finding = plausible(now, None);
    if finding.grade != Grade::Ok {
        return finding;
    }
    let who = behind.keys().take(SEVERAL).map(|peer| names.of(*peer)).collect::<Vec<_>>().join(", ");
    let sentence = format!(
        "your clock is behind by at least {least} s, if the times are right that {who} wrote into their last messages. \
         That is a claim, of {say} out of {}",
        count(all as u64, "peer")
    );
    Finding::note("clock", sentence)
        .advise("compare your clock with one that you trust; everybody who writes to you can write any time")
}

/// How many seconds the messages of each peer were on their way, by the times in them: of each peer the longest.
fn longest_delays(messages: &[Message]) -> BTreeMap<ConversationId, i64> {
    let late = |message: &Message| -> Option<i64> {
        let at: Timestamp = message.at.parse().ok()?;
        let sent: Timestamp = message.sent_at.as_deref()?.parse().ok()?;
        Some(at.as_second().saturating_sub(sent.as_second()))
    };
    let mut longest = BTreeMap::new();
    for message in messages.iter().filter(|message| message.dir == Direction::In) {
        if let Some(delay) = late(message) {
            let known = longest.entry(message.peer).or_insert(delay);
            *known = delay.max(*known);
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    use torchat_protocol::id::PeerId;

    const NOW: &str = "2026-06-01T10:01:00Z";

    fn message(at: &str, sent: &str) -> Message {
        of(1, at, sent)
    }

    /// A message of the n-th peer: the first point of the curve from a number on.
    fn of(n: u8, at: &str, sent: &str) -> Message {
        let peer = (0..=0x7f).find_map(|last| {
            let mut key = [n; 32];
            key[31] = last;
            PeerId::from_key(key).ok()
        });
        serde_json::from_value(serde_json::json!({
            "id": 1, "mid": "00000000000000000000000000000000", "dir": "in", "text": "", "state": "read", "at": at,
            "peer": peer.unwrap().onion(), "sent_at": sent,
        }))
        .unwrap()
    }

    fn look(messages: &[&Message]) -> Finding {
        let messages: Vec<_> = messages.iter().map(|message| (*message).clone()).collect();
        check(NOW.parse().unwrap(), &messages, Some(&tor("connected", None)), &Names::default())
    }

    fn tor(sentence: &str, cause: Option<NetworkCause>) -> TorPart {
        let sentence = sentence.to_owned();
        TorPart { cause, detail: None, down_s: None, percent: 100, sentence, since_ms: None, usable: cause.is_none() }
    }

    #[test]
    fn a_clock_in_the_past_or_far_future_is_wrong() {
        let at = |seconds| plausible(Timestamp::from_second(seconds).unwrap(), None).grade;
        assert_eq!([at(0), at(MADE_S + 1), at(MADE_S + 30 * 366 * 86_400)], [Grade::Wrong, Grade::Ok, Grade::Wrong]);
    }

    /// As if it had been written half an hour after it arrived.
    fn future(n: u8) -> Message {
        of(n, "2026-06-01T10:00:00.000Z", "2026-06-01T10:30:00Z")
    }

    fn normal(n: u8) -> Message {
        of(n, "2026-06-01T10:00:10.000Z", "2026-06-01T10:00:00Z")
    }

    #[test]
    fn what_one_writer_says_of_the_time_is_its_word_however_often_it_says_it() {
        // It writes whatever it likes into its messages, so it must not make the doctor call our clock wrong.
        let liar = future(1);
        for said in [&[&liar][..], &[&liar, &liar, &liar], &[&liar, &liar, &liar, &normal(2)], &[&liar, &future(2)]] {
            let found = look(said);
            assert_eq!(found.grade, Grade::Note, "{found:?}");
            let words = format!("{} {}", found.sentence, found.advice.unwrap());
            assert!(words.contains("by at least 1800 s") && words.contains("That is a claim"), "{words}");
            assert!(
                !words.contains("set it") && !words.contains("timedatectl"),
                "nobody is told to turn the clock: {words}"
            );
        }
    }

    #[test]
    fn several_peers_from_the_future_tell_that_our_clock_is_behind() {
        let behind = look(&[&future(1), &future(2), &future(3)]);
        assert!(behind.grade == Grade::Wrong && behind.sentence.contains("by 1800 s"), "{behind:?}");
        assert!(behind.sentence.contains("3 of 3 peers say"), "{behind:?}");
        // As many say nothing of the kind.
        let split = [&future(1), &future(2), &future(3), &normal(4), &normal(5), &normal(6)];
        assert_eq!(look(&split).grade, Grade::Note);
        let agree = look(&[&normal(1), &normal(2), &normal(3)]);
        assert!(agree.grade == Grade::Ok && agree.sentence.contains("none of your peers says otherwise"), "{agree:?}");
        // A peer whose messages do not all say so does not.
        let agree = look(&[&future(1), &normal(1), &normal(2), &normal(3)]);
        assert!(agree.grade == Grade::Ok && agree.sentence.contains("none of your peers"), "{agree:?}");
        for few in [&[&normal(1), &normal(1), &normal(2)][..], &[]] {
            let nothing = look(few);
            assert!(nothing.grade == Grade::Ok && nothing.sentence.contains("nothing here tells"), "{nothing:?}");
        }
    }

    #[test]
    fn what_was_stored_later_than_now_tells_that_it_was_set_back() {
        let later = message("2026-06-01T12:00:00.000Z", "2026-06-01T12:00:00Z");
        let found = look(&[&later]);
        assert!(found.grade == Grade::Wrong && found.sentence.contains("7140 s later"), "{found:?}");
        assert_eq!(look(&[&message("2026-06-01T10:02:00.000Z", NOW)]).grade, Grade::Ok, "a minute is nothing");
    }

    #[test]
    fn what_tors_relays_say_counts_most() {
        let look = |tor: &TorPart| check(NOW.parse().unwrap(), &[], Some(tor), &Names::default());
        let found = look(&tor("the time is two hours off", Some(NetworkCause::Clock)));
        assert!(found.grade == Grade::Wrong && found.sentence.contains("two hours off"), "{found:?}");
        // Whatever the words are, only the code counts.
        let other = look(&tor("the clock of the tower strikes", Some(NetworkCause::Offline)));
        assert_eq!(other.grade, Grade::Ok, "{other:?}");
    }
}
