//! Frames that are none, and frames where they have no place.

use super::super::{Attack, Kind, row};
use crate::room::{Member, RoomLink, hello, nothing, text};
use crate::target::Target;
use anyhow::ensure;
use std::sync::Arc;
use torchat_protocol::frame::TYPE_JSON;
use torchat_protocol::message::{ContactRes, ContactState, PeerMessage};
use torchat_protocol::room::body::BoundedText;
use torchat_protocol::room::{
    Author, BoxKey, Close, CloseCode, Deny, DenyCode, Frame, Head, Identity, Join, LogDigest, LogPlace, MemberKey,
    Open, OpenAs, Petition, Tag, Told,
};

const CLOSED: &str = "the link ends without a word";
const SKIPPED: &str = "it is skipped, and the link goes on";

/// A valid frame of each type that may come on an open channel.
fn examples(member: &mut Member) -> anyhow::Result<Vec<Frame>> {
    let author = member.no.chain(0);
    let one = member.event(author, 1, member.room.as_event(), 2, &text("canary a")?)?;
    let other = member.event(author, 1, member.room.as_event(), 2, &text("canary b")?)?;
    let join = Join {
        room: member.room,
        sign: MemberKey([7; 32]),
        sealing: BoxKey([8; 32]),
        invite: None,
        nick: None,
        text: BoundedText::default(),
    };
    let (next, digest) = (1, LogDigest([0; 16]));
    Ok(vec![
        Frame::Have(nothing()),
        Frame::Base(vec![one.stripped()]),
        Frame::Events(vec![one.clone()]),
        Frame::Mark(LogPlace { next, digest }),
        Frame::Stored(vec![(author, 1)]),
        Frame::Deny(Deny { author, seq: 1, code: DenyCode::Quota, retry_s: 1 }),
        Frame::Fork(Box::new((one.stripped(), other.stripped()))),
        Frame::At(Head { author, seq: 1, tag: Tag([1; 8]) }),
        Frame::Need(author, 1),
        Frame::Body(vec![(author, 1)]),
        Frame::Credit(1),
        Frame::Petition(Petition { id: Identity([9; 32]), join }),
    ])
}

/// Says something on a link of the room that all these attacks share, with everything else said and heard.
async fn attacked<Done: Future<Output = anyhow::Result<()>>>(
    target: &Target,
    say: impl FnOnce(RoomLink, u16) -> Done,
) -> anyhow::Result<()> {
    let (stage, member) = target.stage().await?;
    let mut member = member.lock().await;
    let (mut link, channel) = member.enter(target).await?;
    ensure!(link.settle().await?.1, "the link ended");
    say(link, channel).await?;
    stage.unharmed(target).await
}

/// The daemon ends the link without a word.
async fn thrown_out(mut link: RoomLink, what: &str) -> anyhow::Result<()> {
    let said = link.ended().await?;
    ensure!(said.is_empty(), "{what}: it says {said:?}");
    Ok(())
}

pub(super) fn rows() -> Vec<Attack> {
    let mut rows = vec![
        row(
            Kind::Quick,
            "room-broken: each frame, cut by a byte and with one more",
            CLOSED,
            |target: Arc<Target>| async move {
                let (stage, member) = target.stage().await?;
                let mut member = member.lock().await;
                for frame in examples(&mut member)? {
                    let (kind, bytes) = (frame.kind(), frame.encode());
                    let shorter = bytes.get(..bytes.len() - 1).unwrap_or_default().to_vec();
                    for broken in [shorter, [&bytes[..], &[0]].concat()] {
                        let (mut link, channel) = member.enter(&target).await?;
                        ensure!(link.settle().await?.1, "the link ended");
                        link.say_raw(channel, kind, &broken).await?;
                        thrown_out(link, &format!("type {kind:#x} with {} of {} bytes", broken.len(), bytes.len()))
                            .await?;
                    }
                }
                stage.unharmed(&target).await
            },
        ),
        row(
            Kind::Quick,
            "room-broken: types that are only for the beginning, and for nobody",
            CLOSED,
            |target: Arc<Target>| async move {
                let room = target.stage().await?.0.room;
                let open = Frame::Open(Open { room, role: OpenAs::Member(None) });
                let wrong: Vec<(&str, u16, u8, Vec<u8>)> = vec![
                    ("HELLO twice", 0, 0x41, hello(nothing()).encode()),
                    ("OPEN twice", 0, 0x40, open.encode()),
                    ("TOLD", 0, 0x51, Frame::Told(Told::Pending).encode()),
                    ("RESET with a byte", 0, 0x43, vec![0]),
                    ("a first frame that opens nothing", 100, 0x4c, vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
                    ("OPEN with a number of the other side", 101, 0x40, open.encode()),
                    ("a type that must be understood", 0, 0xc6, vec![]),
                ];
                for (what, number, kind, bytes) in wrong {
                    attacked(&target, |mut link, channel| async move {
                        // The numbers above are behind that of the channel.
                        let at = if number == 0 { channel } else { channel + number };
                        link.say_raw(at, kind, &bytes).await?;
                        thrown_out(link, what).await
                    })
                    .await?;
                }
                Ok(())
            },
        ),
        row(
            Kind::Quick,
            "room-broken: JSON and frames on each other's channels",
            CLOSED,
            |target: Arc<Target>| async move {
                let pong = PeerMessage::ContactRes(ContactRes { st: ContactState::Accepted }).encode();
                let wrong: Vec<(&str, bool, u8, Vec<u8>)> = vec![
                    ("another message than PING, PONG and BYE", false, TYPE_JSON, pong),
                    ("no JSON", false, TYPE_JSON, b"canary".to_vec()),
                    ("JSON on a room's channel", true, TYPE_JSON, b"{}".to_vec()),
                    ("a frame on channel 0", false, 0x4e, vec![0, 0, 0, 1]),
                ];
                for (what, on_channel, kind, bytes) in wrong {
                    attacked(&target, |mut link, channel| async move {
                        link.say_raw(if on_channel { channel } else { 0 }, kind, &bytes).await?;
                        thrown_out(link, what).await
                    })
                    .await?;
                }
                Ok(())
            },
        ),
        row(Kind::Quick, "room-broken: an event that lies about its body", CLOSED, |target: Arc<Target>| async move {
            let event = {
                let member = target.stage().await?.1.lock().await;
                member.event(member.no.chain(0), 1, member.room.as_event(), 2, &text("canary")?)?
            };
            for at in [100, 104] {
                // The length of the body, and its hash, in the wire form of the header behind the flags.
                let mut bytes = Frame::Events(vec![event.clone()]).encode();
                if let Some(byte) = bytes.get_mut(at - 31 + 3) {
                    *byte ^= 1;
                }
                attacked(&target, |mut link, channel| async move {
                    link.say_raw(channel, 0x46, &bytes).await?;
                    thrown_out(link, &format!("byte {at}")).await
                })
                .await?;
            }
            Ok(())
        }),
    ];
    rows.push(row(
        Kind::Quick,
        "room-skipped: types of later versions, and a channel that is over",
        SKIPPED,
        |target: Arc<Target>| async move {
            attacked(&target, |mut link, channel| async move {
                link.say_raw(channel, 0x4f, b"canary").await?;
                link.say_raw(channel, 0x7f, &[]).await?;
                let words = BoundedText::new("canary").unwrap_or_default();
                link.say(channel, &Frame::Close(Close { code: CloseCode::Other(99), retry_s: u32::MAX, words }))
                    .await?;
                link.say(channel, &Frame::Need(Author::ACTS, 1)).await?;
                link.say_raw(channel, 0x46, b"broken, and nobody minds").await?;
                let (said, alive) = link.settle().await?;
                ensure!(alive && said.is_empty(), "alive: {alive}, {said:?}");
                Ok(())
            })
            .await
        },
    ));
    rows.push(row(
        Kind::Quick,
        "room-skipped: an event of another version",
        "CLOSE `limit`; the link goes on",
        |target: Arc<Target>| async move {
            attacked(&target, |mut link, channel| async move {
                let mut bytes = vec![0; 1 + 104 + 64];
                // The version, behind the flags.
                bytes.splice(1..2, [9]);
                link.say_raw(channel, 0x46, &bytes).await?;
                let (said, alive) = link.settle().await?;
                let closed =
                    super::count(&said, |frame| matches!(frame, Frame::Close(close) if close.code == CloseCode::Limit));
                ensure!(alive && closed == 1, "alive: {alive}, {said:?}");
                Ok(())
            })
            .await
        },
    ));
    rows
}
