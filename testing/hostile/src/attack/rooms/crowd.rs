//! One thing said again and again on a room link. What it costs is measured by the floods; here the daemon goes on.

use super::super::{Kind, row};
use super::{Attack, by_member, count, stored_of};
use crate::forger::Forger;
use crate::room::{RoomLink, Stage, hello, nothing, text};
use crate::target::Target;
use anyhow::ensure;
use std::sync::Arc;
use torchat_protocol::message::{Nonce, PeerMessage};
use torchat_protocol::room::limits::{HEADS, MAX_NUMBER};
use torchat_protocol::room::{
    Author, EventId, Frame, Head, Header, LogDigest, LogPlace, MemberNo, Open, OpenAs, RoomId, Tag,
};

/// How often each thing is said.
const OFTEN: u64 = 2_000;

pub(super) fn rows() -> Vec<Attack> {
    let goes_on = "the daemon goes on, and honest texts arrive";
    vec![
        by_member("room-flood: orphans of its own chain", goes_on, |_, mut by| async move {
            for seq in 0..1_200 {
                let event = by.member.event(by.member.no.chain(0), seq + 2, EventId([9; 32]), 20, &text("canary")?)?;
                by.say_events(vec![event]).await?;
            }
            by.alive().await?;
            // What is in its order is taken all the same.
            let first = by.member.next(0, &text("canary")?)?;
            by.say_events(vec![first]).await?;
            let said = by.alive().await?;
            ensure!(count(&said, |frame| matches!(frame, Frame::Stored(_) | Frame::Deny(_))) > 0, "{said:?}");
            Ok(())
        }),
        by_member("room-flood: events of 1,200 members that nobody knows", goes_on, |_, mut by| async move {
            let room = by.member.room;
            for no in 0..1_200 {
                let author = Author::new((1_000 + no) << 8).unwrap_or(Author::ACTS);
                let event = by.member.event(author, 1, room.as_event(), 20, &text("canary")?)?;
                let header = Header { acts: u32::MAX, ..*event.header() };
                let event = by.member.signed(header, event.body().cloned().unwrap_or_else(|| Arc::from(&b""[..])))?;
                by.say_events(vec![event]).await?;
            }
            by.alive().await?;
            Ok(())
        }),
        by_member("room-flood: NEED, AT and BODY of everybody", goes_on, |_, mut by| async move {
            // What a peer may cost at once: beyond it, its link is read slowly.
            for n in 0..400 {
                let author = Author::new((1 + u32::try_from(n % 3)?) << 8).unwrap_or(Author::ACTS);
                by.say(&Frame::Need(if n % 4 == 0 { Author::ACTS } else { author }, MAX_NUMBER)).await?;
                by.say(&Frame::At(Head { author, seq: 1, tag: Tag([9; 8]) })).await?;
                by.say(&Frame::Body((1..=64).map(|seq| (author, seq)).collect())).await?;
            }
            by.alive().await?;
            Ok(())
        }),
        by_member("room-flood: MARK, RESET, HAVE and CREDIT", "one HAVE answers all RESET", |_, mut by| async move {
            for next in 1..=OFTEN {
                by.say(&Frame::Mark(LogPlace { next, digest: LogDigest([7; 16]) })).await?;
                by.say(&Frame::Reset).await?;
                by.say(&Frame::Have(nothing())).await?;
                by.say(&Frame::Credit(u32::MAX)).await?;
            }
            let said = by.alive().await?;
            let answers = count(&said, |frame| matches!(frame, Frame::Have(_)));
            ensure!(answers <= 1, "{answers} frontiers");
            Ok(())
        }),
        by_member("room-flood: the longest frontiers", goes_on, |_, mut by| async move {
            let chains = (1_u32..).map(|n| Author::new(n + 255)).take(HEADS - 1).flatten();
            let heads: Vec<_> = nothing()
                .into_iter()
                .chain(chains.map(|author| Head { author, seq: MAX_NUMBER, tag: Tag([9; 8]) }))
                .collect();
            for _ in 0..10 {
                by.say(&Frame::Have(heads.clone())).await?;
            }
            by.alive().await?;
            Ok(())
        }),
        by_member("room-flood: more than its quota", "the rest is denied", |_, mut by| async move {
            let mut list = Vec::new();
            for n in 0..60 {
                list.push(by.member.next(0, &text(&format!("canary {n}"))?)?);
            }
            by.say_events(list).await?;
            let said = by.alive().await?;
            ensure!(count(&said, |frame| matches!(frame, Frame::Deny(_))) > 0, "{said:?}");
            let stored = said.iter().filter_map(stored_of).max().unwrap_or(0);
            ensure!((20..60).contains(&stored), "{stored} are stored at once");
            Ok(())
        }),
        by_member("room-flood: PING", "each is answered", |_, mut by| async move {
            for n in 0..OFTEN {
                by.link.message(&PeerMessage::Ping(Nonce { n })).await?;
            }
            by.alive().await?;
            Ok(())
        }),
        row(
            Kind::Quick,
            "room-flood: a stranger's OPEN and JOIN",
            "a limit; honest texts arrive",
            |target: Arc<Target>| async move {
                let stage = &target.stage().await?.0;
                let mut link = RoomLink::dial(&target, &Forger::fresh().for_rooms()).await?;
                let mut alive = true;
                for _ in 0..400 {
                    let room = RoomId(rand::random());
                    let channel = link.number(room);
                    alive = alive
                        && link
                            .say(channel, &Frame::Open(Open { room, role: OpenAs::Member(MemberNo::new(1)) }))
                            .await?;
                    alive = alive && link.say(channel, &hello(nothing())).await?;
                }
                let said = link.ended().await?;
                let closed = count(&said, |frame| matches!(frame, Frame::Close(_)));
                ensure!((150..400).contains(&closed), "{closed} were answered");
                stage.unharmed(&target).await
            },
        ),
        row(
            Kind::Quick,
            "room-flood: 200 links of strangers",
            "32 of them stay; honest texts arrive",
            |target: Arc<Target>| async move {
                let stage: &Stage = &target.stage().await?.0;
                let mut links = Vec::new();
                for _ in 0..200 {
                    links.push(RoomLink::dial(&target, &Forger::fresh().for_rooms()).await?);
                }
                let mut alive = 0;
                for mut link in links {
                    alive += usize::from(matches!(link.settle().await, Ok((_, true))));
                }
                ensure!(alive <= 33, "{alive} links of strangers are kept");
                stage.unharmed(&target).await
            },
        ),
    ]
}
