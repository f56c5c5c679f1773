//! Members whose events are signed by nobody, are twice, or come out of their order.

use super::{Attack, by_member, count, events, stored_of};
use crate::room::{hello, text, text_with};
use anyhow::{Context as _, ensure};
use std::sync::Arc;
use torchat_client::api::command::OneRoom;
use torchat_protocol::room::body::Body;
use torchat_protocol::room::body::said::Text;
use torchat_protocol::room::limits::MAX_NUMBER;
use torchat_protocol::room::{Author, Deny, DenyCode, EventId, Frame, Head, Header, MemberNo, Tag};

/// Wrong signatures that a channel bears.
const WRONG: usize = 64;

/// The first chain of the honest member, who joined behind the owner. Signed by an attacker, its events are signed wrongly, and its
/// own quota does not count them.
fn honest() -> Author {
    MemberNo::new(2).map_or(Author::ACTS, |no| no.chain(0))
}

pub(super) fn rows() -> Vec<Attack> {
    vec![
        by_member("room-lie: 64 wrong signatures", "nothing is stored, and the link goes on", |_, mut by| async move {
            let event = by.member.event(honest(), 1, by.member.room.as_event(), 9, &text("canary")?)?;
            by.say_events(vec![event; WRONG]).await?;
            let said = by.alive().await?;
            ensure!(said.iter().all(|one| stored_of(one).is_none()), "{said:?}");
            let good = by.member.next(0, &text("canary")?)?;
            by.say_events(vec![good]).await?;
            ensure!(
                by.alive().await?.iter().filter_map(stored_of).max() == Some(1),
                "what is signed well is not stored"
            );
            Ok(())
        }),
        by_member("room-lie: 65 wrong signatures", "the link ends without a word", |_, mut by| async move {
            let event = by.member.event(honest(), 1, by.member.room.as_event(), 9, &text("canary")?)?;
            by.say_events(vec![event; WRONG + 1]).await?;
            by.thrown_out().await
        }),
        by_member(
            "room-lie: words of the owner and of others, signed by a member",
            "nothing is stored",
            |target, mut by| async move {
                let owner = MemberNo::MAKER.chain(0);
                let (room, set) =
                    (by.member.room, Body::Destroy(torchat_protocol::room::body::acts::Destroy::default()));
                let head = by.member.acts.last().context("no acts")?.id();
                let act = by.member.event(Author::ACTS, by.member.acts.len() as u64 + 1, head, 50, &set)?;
                let mut list = vec![act];
                for author in [owner, honest()] {
                    list.push(by.member.event(author, 1, room.as_event(), 50, &text("canary")?)?);
                }
                by.say_events(list).await?;
                by.alive().await?;
                let state = target.call(OneRoom { peer: room.conversation() }).await?.room;
                ensure!(state.members == 3, "{state:?}");
                Ok(())
            },
        ),
        by_member("room-lie: a text with the id of another's", "both are stored", |_, mut by| async move {
            // What the honest one says next has an id that was never said; here it is one that was.
            let mid = by.member.events.iter().find_map(|event| match event.read() {
                Ok(Some(Body::Text(Text { mid, .. }))) => Some(mid),
                _ => None,
            });
            let mid = mid.unwrap_or(torchat_protocol::room::TextId([9; 16]));
            let copies =
                vec![by.member.next(0, &text_with(mid, "canary")?)?, by.member.next(0, &text_with(mid, "canary 2")?)?];
            by.say_events(copies).await?;
            ensure!(by.alive().await?.iter().filter_map(stored_of).max() == Some(2), "they are not stored");
            Ok(())
        }),
        by_member("room-lie: the largest logical time", "it is stored, and moves nobody's", |_, mut by| async move {
            let event =
                by.member.event(by.member.no.chain(0), 1, by.member.room.as_event(), MAX_NUMBER, &text("canary")?)?;
            by.say_events(vec![event]).await?;
            ensure!(by.alive().await?.iter().filter_map(stored_of).max() == Some(1), "it is not stored");
            Ok(())
        }),
        by_member(
            "room-lie: two histories, then each number before it",
            "what is before the difference counts",
            |_, mut by| async move {
                let mut chain = Vec::new();
                for n in 0..10 {
                    chain.push(by.member.next(0, &text(&format!("canary {n}"))?)?);
                }
                by.say_events(chain.clone()).await?;
                for event in chain.iter().rev() {
                    let Header { author, seq, prev, lamport, .. } = *event.header();
                    let rival = by.member.event(author, seq, prev, lamport, &text("rival")?)?;
                    let mut pair = [event.stripped(), rival.stripped()];
                    pair.sort_by_key(|event| event.header().to_wire());
                    let [one, other] = pair;
                    by.say(&Frame::Fork(Box::new((one, other)))).await?;
                }
                let said = by.alive().await?;
                ensure!(
                    count(&said, |frame| matches!(frame, Frame::Fork(_))) > 0,
                    "it does not pass the proof on: {said:?}"
                );
                Ok(())
            },
        ),
        by_member("room-lie: 256 chains", "each is stored", |_, mut by| async move {
            let mut list = Vec::new();
            for chain in 0..=u8::MAX {
                list.push(by.member.next(chain, &text("canary")?)?);
            }
            by.say_events(list).await?;
            let said = by.alive().await?;
            // 20 at once, the others when their time has come.
            ensure!(count(&said, |frame| matches!(frame, Frame::Stored(_) | Frame::Deny(_))) > 0, "{said:?}");
            Ok(())
        }),
        by_member(
            "room-lie: what is stored and denied that never was said",
            "nothing follows",
            |_, mut by| async move {
                let owner = MemberNo::MAKER.chain(0);
                for seq in [1, 1_000, MAX_NUMBER] {
                    by.say(&Frame::Stored(vec![(owner, seq)])).await?;
                    by.say(&Frame::Deny(Deny { author: owner, seq, code: DenyCode::Other(77), retry_s: u32::MAX }))
                        .await?;
                    by.say(&Frame::At(Head { author: owner, seq, tag: Tag([9; 8]) })).await?;
                }
                by.alive().await?;
                Ok(())
            },
        ),
        by_member(
            "room-lie: an event that is far ahead of nothing",
            "it waits, and costs no question",
            |_, mut by| async move {
                let event = by.member.event(by.member.no.chain(0), 9, EventId([9; 32]), 20, &text("canary")?)?;
                by.say_events(vec![event]).await?;
                let said = by.alive().await?;
                ensure!(said.iter().all(|one| stored_of(one).is_none()), "{said:?}");
                Ok(())
            },
        ),
        by_member(
            "room-lie: bodies that break every rule",
            "they are stored, and mean nothing",
            |_, mut by| async move {
                let mut list = Vec::new();
                let bodies: [(u8, &[u8]); 6] = [
                    (16, b"canary"),
                    (16, b"{\"mid\":1}"),
                    (20, b"{\"who\":0,\"keep\":[]}"),
                    (24, b"[[[[[[[[[[[[[[[["),
                    (31, b""),
                    (200, b"\xff\xfe"),
                ];
                let mut prev = by.member.room.as_event();
                for (seq, (kind, body)) in (1..).zip(bodies) {
                    let body: Arc<[u8]> = body.into();
                    let header = Header::of_body(kind, Some(by.member.room), by.member.no.chain(0), seq, prev, &body);
                    let event = by.member.signed(Header { acts: 1, lamport: 10 + seq, minute: 1, ..header }, body)?;
                    prev = event.id();
                    list.push(event);
                }
                by.say_events(list).await?;
                ensure!(by.alive().await?.iter().filter_map(stored_of).max() == Some(6), "they are not stored");
                Ok(())
            },
        ),
        by_member(
            "room-lie: a removed member goes on",
            "it hears the act and CLOSE `removed`, and nothing more",
            |target, mut by| async move {
                let (room, no) = (by.member.room, by.member.no);
                let remove = torchat_client::api::command::RoomRemove {
                    peer: room.conversation(),
                    member: no.get(),
                    ban: Some(true),
                    force: false,
                    timeout: None,
                };
                target.call(remove).await?;
                let (said, _) = by.link.settle().await?;
                ensure!(!events(&said).is_empty(), "it does not hear the act: {said:?}");
                let closed = |frame: &Frame| matches!(frame, Frame::Close(close) if close.code == torchat_protocol::room::CloseCode::Removed);
                ensure!(count(&said, closed) == 1, "{said:?}");
                let late = by.member.next(0, &text("canary")?)?;
                by.say_events(vec![late]).await?;
                ensure!(by.link.settle().await?.0.is_empty(), "somebody who is no member is answered");
                // Again, with a frontier of nothing: it hears how it came to be none, and no text.
                let channel = by.link.number(room);
                let open =
                    torchat_protocol::room::Open { room, role: torchat_protocol::room::OpenAs::Member(Some(no)) };
                by.link.say(channel, &Frame::Open(open)).await?;
                by.link.say(channel, &hello(crate::room::nothing())).await?;
                let (said, _) = by.link.settle().await?;
                ensure!(count(&said, closed) == 1, "{said:?}");
                ensure!(events(&said).iter().all(|event| event.header().author == Author::ACTS), "it hears texts");
                Ok(())
            },
        ),
    ]
}
