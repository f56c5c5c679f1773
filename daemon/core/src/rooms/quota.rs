//! What is taken from others, before the replica is asked: what is beyond it comes later.
//!
//! What a member says on its own link is denied for a while. What a member has said while we were away counts towards its day, and
//! not as a burst.
//!
//! What is passed on by somebody else was taken there within the same bounds, if that one keeps to them. If it does not, only these
//! bounds keep two members from filling the disks of all others: one says, and the other one passes on. So they are wide enough for
//! all that can be said in ten days of our absence, and each author has its own, so that nobody's flood keeps out what others say.
//! What is beyond is not taken now, and asked for after a while.

use super::{Context, Room, Rooms, identity};
use crate::rate::{Bucket, Rate};
use crate::snapshot::rooms::RoomState;
use std::collections::{BTreeMap, BTreeSet};
use torchat_protocol::id::PeerId;
use torchat_protocol::room::body::Place;
use torchat_protocol::room::{Author, Deny, DenyCode, Event, Frame, MemberKey, MemberNo};
use torchat_room::outcome::ChannelId;

/// Events of a member at once, and then one a second.
const BURST: Rate = Rate::every(20, 1_000);
/// Events of a member in a day.
const DAY: Rate = Rate::every(2_000, 43_200);
/// Bytes of events of a member in a day.
const BYTES: Rate = Rate::hourly(32 << 20, (32 << 20) / 24);
/// New events of one member that others pass on: so many at once, and 10,000 a day.
const PASSED_ON: Rate = Rate::every(20_000, 8_640);
/// Their bytes: so many at once, and 64 MiB a day.
const PASSED_ON_BYTES: Rate = Rate::hourly(256 << 20, (64 << 20) / 24);
/// The same of all members of a room together: an owner can add more and more of them.
const ROOM: Rate = Rate::every(100_000, 864);
/// Their bytes, and 256 MiB a day.
const ROOM_BYTES: Rate = Rate::hourly(1 << 30, (256 << 20) / 24);
/// Pause until what was too much is asked for, in milliseconds: all of it is said again, and most of it may be too much again.
const AGAIN_MS: u64 = 600_000;
/// Of so many members it is remembered what was passed on; of more, only of those of whom much was.
const REMEMBERED: usize = 64;
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

/// What others have passed on of one member.
#[derive(Debug, Clone, Copy, Default)]
struct Of {
    events: Bucket,
    bytes: Bucket,
    /// Nothing of it is taken before that moment.
    not_before: u64,
}

/// What others have passed on in a room.
#[derive(Debug, Default)]
pub(super) struct PassedOn {
    events: Bucket,
    bytes: Bucket,
    of: BTreeMap<MemberNo, Of>,
}

impl PassedOn {
    /// Whether a new event of a member may be taken now. Else the moment from which on it is to be asked for.
    fn allows(&mut self, author: MemberNo, now_ms: u64) -> Result<(), u64> {
        let ready = self.events.ready(ROOM, 1, now_ms).max(self.bytes.ready(ROOM_BYTES, 1, now_ms));
        let Some(of) = self.of.get_mut(&author) else {
            return if ready > now_ms { Err(ready.max(now_ms + AGAIN_MS)) } else { Ok(()) };
        };
        if now_ms < of.not_before {
            return Err(of.not_before);
        }
        let ready = ready.max(of.events.ready(PASSED_ON, 1, now_ms)).max(of.bytes.ready(PASSED_ON_BYTES, 1, now_ms));
        if ready > now_ms {
            of.not_before = ready.max(now_ms + AGAIN_MS);
            return Err(of.not_before);
        }
        Ok(())
    }

    /// An event was stored. Only then it counts: of what is not stored there may be as much as anybody likes, in anybody's name.
    fn count(&mut self, author: MemberNo, bytes: u64, now_ms: u64) {
        if self.of.len() >= REMEMBERED && !self.of.contains_key(&author) {
            self.of.retain(|_, of| !of.events.is_full(PASSED_ON, now_ms) || !of.bytes.is_full(PASSED_ON_BYTES, now_ms));
        }
        let of = self.of.entry(author).or_default();
        for (bucket, rate, amount) in [
            (&mut of.events, PASSED_ON, 1),
            (&mut of.bytes, PASSED_ON_BYTES, bytes),
            (&mut self.events, ROOM, 1),
            (&mut self.bytes, ROOM_BYTES, bytes),
        ] {
            // The last one may be longer than what is left.
            let left = bucket.left(rate, now_ms);
            let _ = bucket.take(rate, amount.min(left), now_ms);
        }
    }
}

impl Room {
    /// As which member somebody is at the other end of a link.
    pub(super) fn member_at(&self, peer: &PeerId) -> Option<MemberNo> {
        self.peers.get(peer).copied().or_else(|| self.number_of(identity(peer)))
    }

    /// An event was stored: it counts, if it came from somebody else than its author.
    pub(super) fn count_what_was_passed_on(&mut self, event: &Event, now_ms: u64) {
        let Some(author) = event.header().author.member() else { return };
        if self.hears.is_some_and(|from| from != author) && Some(author) != self.replica.me() {
            self.passed_on.count(author, Frame::event_len(event) as u64, now_ms);
        }
    }
}

/// A chain of the other side of a channel that is not taken now: from which number on, and until when.
pub(super) type NotNow = BTreeMap<Author, (u64, u64)>;

impl Rooms {
    /// Asks for what was passed on and was too much, where its time has come.
    pub(super) fn ask_for_what_was_too_much(&mut self, ctx: &Context<'_>) {
        let now = ctx.mono_ms();
        for (id, open) in &mut self.channels {
            if open.asks_at.take_if(|at| *at <= now).is_some()
                && let Some(room) = self.rooms.get_mut(&open.room)
            {
                room.replica.ask_for_what_was_denied(*id);
            }
        }
    }

    /// What of these events is for the replica. The rest is denied, or asked for later.
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
        let Some(member) = peer.and_then(|peer| room.member_at(&peer)) else { return (events, checked.to_vec()) };
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
            if let (false, Some(of)) = (own, author.member().filter(|of| Some(*of) != room.replica.me()))
                && room.state != RoomState::Joining
                && room.replica.is_new(Place { author, seq })
                && let Err(at) = room.passed_on.allows(of, now)
            {
                open.asks_at = Some(open.asks_at.map_or(at, |before| before.min(at)));
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

    fn taken(passed_on: &mut PassedOn, who: MemberNo, bytes: u64, now: u64) -> usize {
        let takes = |_: &usize| {
            let allowed = passed_on.allows(who, now).is_ok();
            if allowed {
                passed_on.count(who, bytes, now);
            }
            allowed
        };
        (0..200_000).take_while(takes).count()
    }

    #[test]
    fn what_is_passed_on_of_one_member_is_bounded_and_keeps_nobody_else_out() {
        let (mut passed_on, one, other) = (PassedOn::default(), MemberNo::MAKER, MemberNo::new(2).unwrap());
        assert_eq!(taken(&mut passed_on, one, 100, NOW), 20_000);
        assert_eq!(taken(&mut passed_on, one, 100, NOW + AGAIN_MS - 1), 0, "not before it is asked for");
        assert_eq!(taken(&mut passed_on, other, 100, NOW), 20_000);
        assert_eq!(taken(&mut passed_on, one, 100, NOW + 86_400_000), 10_000, "and so many a day");
    }

    #[test]
    fn what_is_passed_on_in_a_room_is_bounded_however_many_members_its_owner_adds() {
        let mut passed_on = PassedOn::default();
        let all = (1..2_000).filter_map(MemberNo::new);
        let taken: usize = all.map(|who| taken(&mut passed_on, who, 131_072, NOW)).sum();
        assert_eq!(taken, 8_192, "a GiB");
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
