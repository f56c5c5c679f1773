//! Who asks for rooms that are not theirs learns nothing, not even whether they exist.

use super::super::{Attack, Kind, row};
use crate::forger::Forger;
use crate::room::{RoomLink, Said, Stage, hello, identity, nothing};
use crate::target::Target;
use anyhow::{Context as _, ensure};
use std::sync::Arc;
use torchat_protocol::message::PeerMessage;
use torchat_protocol::room::body::BoundedText;
use torchat_protocol::room::{
    BoxKey, CloseCode, Frame, InviteId, InviteKey, Join, MemberKey, MemberNo, Open, OpenAs, Proof, RoomId, Signature,
    Told,
};

pub(super) fn rows() -> Vec<Attack> {
    vec![
        row(
            Kind::Quick,
            "room-probe: OPEN of what is not ours",
            "CLOSE `none`, the same bytes in the same turn",
            |target: Arc<Target>| async move {
                let (stage, member) = target.stage().await?;
                let no = member.lock().await.no;
                let unknown = RoomId(rand::random());
                let opens = [
                    ("an unknown room", unknown, OpenAs::Member(None)),
                    ("an unknown room, by number", unknown, OpenAs::Member(MemberNo::new(1))),
                    ("a room", stage.room, OpenAs::Member(None)),
                    ("a room, by the owner's number", stage.room, OpenAs::Member(Some(MemberNo::MAKER))),
                    ("a room, by a member's number", stage.room, OpenAs::Member(Some(no))),
                    ("a room, as a guest", stage.room, OpenAs::Guest),
                    ("a room, by a key", stage.room, OpenAs::Key(no, Signature([7; 64]))),
                ];
                let mut answers = Vec::new();
                for (what, room, role) in opens {
                    let mut link = RoomLink::dial(&target, &Forger::fresh().for_rooms()).await?;
                    let channel = link.number(room);
                    link.say(channel, &Frame::Open(Open { room, role })).await?;
                    link.say(channel, &hello(nothing())).await?;
                    let before = link.link().bytes();
                    let (said, alive) = link.settle().await?;
                    ensure!(alive, "{what}: the link ended");
                    // Before the answer to the first ping, so in the turn that heard it.
                    let [Said::Frame(at, Frame::Close(close))] = &said[..] else { anyhow::bail!("{what}: {said:?}") };
                    ensure!(*at == channel && close.code == CloseCode::None, "{what}: {close:?}");
                    answers.push((what, Frame::Close(close.clone()).encode(), link.link().bytes() - before));
                }
                let first = answers.first().context("no answer")?.clone();
                for (what, bytes, length) in &answers {
                    ensure!((bytes, length) == (&first.1, &first.2), "{what} is answered otherwise than {}", first.0);
                }
                Ok(())
            },
        ),
        row(
            Kind::Patient,
            "room-probe: JOIN with and without what lets in",
            "TOLD `pending`, then CLOSE after the same time",
            |target: Arc<Target>| async move {
                let stage = Stage::new(&target).await?;
                let pass = stage.invite.pass.as_ref().context("no secret")?;
                let joins: [(&str, RoomId, Option<InviteId>); 4] = [
                    ("an unknown room", RoomId(rand::random()), None),
                    ("a room without an invite", stage.room, None),
                    ("a room with an unknown invite", stage.room, Some(InviteId(rand::random()))),
                    ("a room with a wrong proof", stage.room, Some(pass.id)),
                ];
                let mut links = Vec::new();
                for (what, room, invite) in joins {
                    let forger = Forger::fresh().for_rooms();
                    let wrong: Proof = InviteKey::from_bytes(rand::random()).proof(
                        room,
                        identity(&forger.peer()?),
                        MemberKey([7; 32]),
                        BoxKey([8; 32]),
                    );
                    let mut link = RoomLink::dial(&target, &forger).await?;
                    let channel = link.number(room);
                    let join = Join {
                        room,
                        sign: MemberKey(*forger.peer()?.as_bytes()),
                        sealing: BoxKey([8; 32]),
                        invite: invite.map(|id| (id, wrong)),
                        nick: None,
                        text: BoundedText::default(),
                    };
                    link.say(channel, &Frame::Join(join)).await?;
                    let begun = tokio::time::Instant::now();
                    let (said, alive) = link.settle().await?;
                    ensure!(
                        alive && said == [Said::Frame(channel, Frame::Told(Told::Pending))],
                        "{what}: {alive} {said:?}"
                    );
                    links.push((what, link, begun));
                }
                for (what, mut link, begun) in links {
                    loop {
                        match link.next().await.with_context(|| what.to_owned())?.with_context(|| what.to_owned())? {
                            Said::Frame(_, Frame::Close(close)) if close.code == CloseCode::Done => break,
                            Said::Message(PeerMessage::Ping(_)) => {}
                            other => anyhow::bail!("{what}: {other:?}"),
                        }
                    }
                    let seconds = begun.elapsed().as_secs_f64();
                    ensure!((9.5..12.0).contains(&seconds), "{what}: CLOSE after {seconds} s");
                }
                stage.unharmed(&target).await
            },
        ),
    ]
}
