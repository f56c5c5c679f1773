//! Finding a place of the past: the daemon's pages are asked by number, people think in days and counts.

use torchat_client::api::ApiClientError;

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
}
