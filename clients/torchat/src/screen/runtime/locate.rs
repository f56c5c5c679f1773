//! Finding a place of the past: the daemon's pages are asked by number, people think in days and counts.

use torchat_client::api::ApiClientError;
use torchat_client::api::command::MessagesAnswer;
use torchat_client::api::record::Message;
use torchat_client::timeline::millis;

/// Messages of a page when they are counted: the most that the daemon gives.
const PAGE: u32 = 1_000;

/// No number of a message is larger: the API's numbers are what every language keeps exactly.
const LAST: i64 = (1 << 53) - 1;

/// The first message of a moment or after it, in milliseconds since 1970. `after` gives the first message behind a number,
/// with its time. Halves what is in question again and again: 53 short questions at most, however long the
/// conversation is. Where the clock once went back, it is one of the messages of that time.
pub(super) fn since(
    ms: i64,
    mut after: impl FnMut(i64) -> Result<Option<(i64, i64)>, ApiClientError>,
) -> Result<Option<i64>, ApiClientError> {
    // Up to `early` everything is too early; the first message from `late` on is `found`.
    let (mut early, mut late, mut found) = (0, LAST, None);
    while late - early > 1 {
        let middle = early + (late - early) / 2;
        match after(middle - 1)? {
            Some((id, at)) if at < ms => early = id,
            Some((id, _)) => (late, found) = (middle, Some(id)),
            None => late = middle,
        }
    }
    Ok(found)
}

/// The message with this `client_id`, if it is not older than `since`, in milliseconds since 1970. `before` gives the page that ends
/// before a number, or at the end.
pub(super) fn by_key(
    key: &str,
    since: i64,
    mut before: impl FnMut(Option<i64>) -> Result<MessagesAnswer, ApiClientError>,
) -> Result<Option<Message>, ApiClientError> {
    let mut first = None;
    loop {
        let MessagesAnswer { mut messages, more } = before(first)?;
        if let Some(at) = messages.iter().rposition(|message| message.client_id.as_deref() == Some(key)) {
            return Ok(Some(messages.swap_remove(at)));
        }
        let oldest = messages.first().map(|message| (message.id, millis(&message.at).unwrap_or(0)));
        match oldest.filter(|(_, at)| more && *at >= since) {
            Some((id, _)) => first = Some(id),
            None => return Ok(None),
        }
    }
}

/// The message that this many stand behind and with: the first one, if there are fewer. `page` gives the numbers before a number,
/// or of the end, ascending, and whether there are older ones.
pub(super) fn back(
    count: u32,
    mut page: impl FnMut(Option<i64>, u32) -> Result<(Vec<i64>, bool), ApiClientError>,
) -> Result<Option<i64>, ApiClientError> {
    let (mut left, mut first) = (count, None);
    while left > 0 {
        let (ids, more) = page(first, left.min(PAGE))?;
        let Some(oldest) = ids.first() else { break };
        first = Some(*oldest);
        left = left.saturating_sub(u32::try_from(ids.len()).unwrap_or(left));
        if !more {
            break;
        }
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use torchat_client::api::ConversationId;
    use torchat_client::api::record::{Direction, MessageState};
    use torchat_protocol::id::{MessageId, PeerId};

    proptest! {
        #[test]
        fn it_is_the_first_message_of_its_time(
            steps in prop::collection::vec((1..1_000_000_i64, 0..1_000_i64), 0..200), ms in 0..100_000_i64
        ) {
            let mut stored = BTreeMap::new();
            let (mut id, mut at) = (0, 0);
            for (further, later) in steps {
                (id, at) = (id + further, at + later);
                stored.insert(id, at);
            }
            let mut asked = 0;
            let found = since(ms, |after| {
                asked += 1;
                assert!((0..LAST).contains(&after), "{after}");
                Ok(stored.range(after + 1..).next().map(|(id, at)| (*id, *at)))
            });
            prop_assert_eq!(found.unwrap(), stored.iter().find(|(_, at)| **at >= ms).map(|(id, _)| *id));
            prop_assert!(asked <= 53, "{} questions", asked);
        }

        #[test]
        fn so_many_stand_with_it(stored in 0..5_000_i64, count in 1..6_000_u32) {
            let found = back(count, |before, limit| {
                let end = before.unwrap_or(stored + 1);
                let begin = (end - i64::from(limit)).max(1);
                Ok(((begin..end).collect(), begin > 1))
            });
            prop_assert_eq!(found.unwrap(), (stored > 0).then(|| (stored - i64::from(count) + 1).max(1)));
        }
    }

    #[test]
    fn a_message_is_found_by_its_key_as_far_back_as_it_can_be() {
        let peer = (0..=0x7f).find_map(|n| PeerId::from_key([n; 32]).ok()).map(ConversationId::from).unwrap();
        // Ten a page, one a second; every tenth is of this client.
        let page = |before: Option<i64>| {
            let end = before.unwrap_or(101);
            let messages = (end - 10..end).map(|id| Message {
                id,
                mid: MessageId([0; 16]),
                peer,
                dir: Direction::Out,
                text: String::new(),
                state: MessageState::Queued,
                at: jiff::Timestamp::from_millisecond(id * 1_000).unwrap().to_string(),
                sent_at: None,
                done_at: None,
                client_id: (id % 10 == 0).then(|| format!("key-{id}")),
                reason: None,
                why: None,
                next_try_at: None,
                from: None,
                order: None,
                re: None,
                mention: false,
                edited_at: None,
                reacts: Default::default(),
                flags: Vec::new(),
                stored: None,
            });
            Ok(MessagesAnswer { messages: messages.collect(), more: end > 11 })
        };
        let found = |key: &str, since| by_key(key, since, page).unwrap().map(|message| message.id);
        assert_eq!(found("key-100", 99_000), Some(100));
        assert_eq!(found("key-40", 40_000), Some(40));
        assert_eq!(found("key-40", 60_000), None);
        assert_eq!(found("key-1", 0), None);
    }
}
