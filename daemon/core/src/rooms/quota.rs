//! What a member may say on its own link, before the replica is asked: what is beyond it is denied for a while.
//!
//! Events that another member passes on are bounded by its credit only, so that replicas do not differ for long. What a member
//! has said while we were away counts towards its day, and not as a burst.

use super::{Context, Rooms, identity};
use crate::rate::{Bucket, Rate};
use std::collections::{BTreeMap, BTreeSet};
use torchat_protocol::room::{Author, Deny, DenyCode, Event, Frame, MemberKey};
use torchat_room::outcome::ChannelId;

/// Events of a member at once, and then one a second.
const BURST: Rate = Rate::every(20, 1_000);
/// Events of a member in a day.
const DAY: Rate = Rate::every(2_000, 43_200);
/// Bytes of events of a member in a day.
const BYTES: Rate = Rate::hourly(32 << 20, (32 << 20) / 24);
/// The shortest pause that a member is told, in milliseconds: what is said again then comes all at once.
const PAUSE_MS: u64 = 20_000;

/// What one member has said.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Quota {
    burst: Bucket,
    day: Bucket,
    bytes: Bucket,
}

impl Quota {
    /// Takes an event. Else nothing, and the moment from which on it can be taken.
    fn take(&mut self, bytes: u64, live: bool, now_ms: u64) -> Result<(), u64> {
        let burst = if live { self.burst.ready(BURST, 1, now_ms) } else { now_ms };
        let ready = burst.max(self.day.ready(DAY, 1, now_ms)).max(self.bytes.ready(BYTES, bytes, now_ms));
        if ready > now_ms {
            return Err(ready);
        }
        if live {
            self.burst.take(BURST, 1, now_ms)?;
        }
        self.day.take(DAY, 1, now_ms)?;
        self.bytes.take(BYTES, bytes, now_ms)
    }
}

/// A chain of the other side of a channel that is not taken now: from which number on, and until when.
pub(super) type NotNow = BTreeMap<Author, (u64, u64)>;

impl Rooms {
    /// What of these events is for the replica. The rest is denied.
    pub(super) fn within_quota(
        &mut self,
        ctx: &mut Context<'_>,
        id: ChannelId,
        events: Vec<Event>,
        checked: &[Option<MemberKey>],
    ) -> (Vec<Event>, Vec<Option<MemberKey>>) {
        let now = ctx.mono_ms();
        let Some(open) = self.channels.get_mut(&id) else { return (Vec::new(), Vec::new()) };
        let peer = self.links.get(&open.link).map(super::Link::peer);
        let Some(room) = self.rooms.get_mut(&open.room) else { return (Vec::new(), Vec::new()) };
        let member = peer.and_then(|peer| room.peers.get(&peer).copied().or_else(|| room.number_of(identity(&peer))));
        let Some(member) = member else { return (events, checked.to_vec()) };
        let quota = room.quotas.entry(member).or_default();
        let (mut taken, mut known, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        let (mut denied, mut denials) = (BTreeSet::new(), Vec::new());
        for (n, event) in events.into_iter().enumerate() {
            let header = *event.header();
            let (author, seq) = (header.author, header.seq);
            let own = author.member() == Some(member);
            let waits = open.not_now.get(&author).is_some_and(|(from, until)| seq > *from && now < *until);
            if own && (waits || denied.contains(&author)) {
                refused.push(event);
                continue;
            }
            let paid = if own { quota.take(Frame::event_len(&event) as u64, open.live, now) } else { Ok(()) };
            if let Err(ready) = paid {
                let pause = (ready - now).max(PAUSE_MS);
                open.not_now.insert(author, (seq, now + pause));
                denied.insert(author);
                let retry_s = u32::try_from(pause.div_ceil(1_000)).unwrap_or(u32::MAX);
                denials.push(Deny { author, seq, code: DenyCode::Quota, retry_s });
                refused.push(event);
                continue;
            }
            taken.push(event);
            known.push(checked.get(n).copied().flatten());
        }
        ctx.refused.quota += refused.len() as u64;
        if !refused.is_empty() {
            room.replica.deny(id, &refused);
            for deny in denials {
                self.say(ctx, id, Frame::Deny(deny));
            }
        }
        (taken, known)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: u64 = 1_000_000;

    #[test]
    fn a_member_says_20_at_once_one_a_second_and_2_000_a_day() {
        let mut quota = Quota::default();
        let mut said = 0;
        for now in (NOW..NOW + 86_400_000).step_by(100) {
            while quota.take(100, true, now).is_ok() {
                said += 1;
            }
            if now == NOW {
                assert_eq!(said, 20);
            }
            if now == NOW + 60_000 {
                assert_eq!(said, 80);
            }
        }
        // The day's burst, and what comes back in a day.
        assert!((3_990..=4_000).contains(&said), "{said}");
    }

    #[test]
    fn what_is_old_is_no_burst() {
        let mut quota = Quota::default();
        assert_eq!((0..3_000).filter(|_| quota.take(100, false, NOW).is_ok()).count(), 2_000);
        assert_eq!(quota.take(100, false, NOW), Err(NOW + 43_200));
    }

    #[test]
    fn long_events_cost_their_bytes() {
        let mut quota = Quota::default();
        let long = 131_072;
        assert_eq!((0..1_000).filter(|_| quota.take(long, false, NOW).is_ok()).count(), 256);
        let later = quota.take(long, false, NOW).unwrap_err();
        assert!((300_000..400_000).contains(&(later - NOW)), "{}", later - NOW);
        assert_eq!(
            quota.take(1, true, NOW),
            Err(quota.bytes.ready(BYTES, 1, NOW)),
            "a refusal takes nothing of the others"
        );
        assert!(quota.burst.is_full(BURST, NOW));
    }
}
