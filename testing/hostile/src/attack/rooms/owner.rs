//! Owners of rooms that the attacked daemon's user was talked into joining.

use super::super::dialled::Service;
use super::super::{Attack, Kind, row};
use super::count;
use crate::forger::Forger;
use crate::room::{Member, RoomLink, Said, hello, identity, text};
use crate::target::Target;
use anyhow::{Context as _, bail, ensure};
use std::sync::Arc;
use torchat_client::api::command::{OneRoom, RoomJoin, RoomLeave};
use torchat_client::api::record::RoomState;
use torchat_protocol::room::body::acts::{Create, Entry, Policy, Roster};
use torchat_protocol::room::body::{Body, BoundedText, Role};
use torchat_protocol::room::{
    Author, BoxKey, Event, EventId, Frame, Identity, Join, LogDigest, LogPlace, MemberKey, MemberNo, Pass, RoomInvite,
    Told,
};

/// An owner, on the link over which the attacked daemon has opened the room.
struct Owner {
    /// Signs as member 1.
    member: Member,
    /// The attacked daemon's entry.
    second: MemberNo,
    link: RoomLink,
    channel: u16,
    /// Its service stays as long as the link.
    service: Service,
}

fn entry(no: MemberNo, sign: MemberKey, sealing: BoxKey, role: Role, id: Identity) -> Entry {
    Entry { no, sign, sealing, role, id: Some(id), nick: None, via: None }
}

impl Owner {
    /// Makes a room, invites, lets in, and says all acts, as every owner does.
    async fn of(target: &Arc<Target>) -> anyhow::Result<Self> {
        let forger = Forger::fresh().for_rooms();
        let peer = forger.peer()?;
        let member = Member::owner(forger, |sign| {
            let owner = entry(MemberNo::MAKER, sign, BoxKey([7; 32]), Role::Owner, identity(&peer));
            let (name, topic) = (BoundedText::new("canary").unwrap_or_default(), BoundedText::default());
            Create { owner, name, topic, policy: Policy::default(), salt: torchat_protocol::room::Salt([0; 16]) }
        })?;
        let service = Service::listen(target, peer).await?;
        let pass = Pass {
            id: torchat_protocol::room::InviteId(rand::random()),
            secret: torchat_protocol::id::InviteSecret(rand::random()),
        };
        let invite = RoomInvite::new(member.room, vec![peer], Some(pass)).context("no invite")?.to_string();
        target.call(RoomJoin { invite, text: String::new(), want: None, nick: None, client_id: None }).await?;
        let (link, _) = member.forger.serve(service.accept().await?, peer).await?;
        let mut owner = Self {
            member,
            second: MemberNo::new(2).context("no number")?,
            link: RoomLink::over(link, target.patience, 2),
            channel: 0,
            service,
        };
        let join = owner.heard_join().await?;
        let who = identity(&target.peer);
        let second = entry(owner.second, join.sign, join.sealing, Role::Member, who);
        owner.act(&Body::Roster(Roster { add: vec![second], ..Roster::default() }))?;
        owner.heard_open().await?;
        let (heads, acts) = (owner.member.heads(), owner.member.acts.clone());
        owner.say(&hello(heads)).await?;
        owner.say(&Frame::Events(acts)).await?;
        Ok(owner)
    }

    /// The next act.
    fn act(&mut self, body: &Body) -> anyhow::Result<Event> {
        let (seq, prev) = self.member.acts.last().map_or((0, EventId([0; 32])), |act| (act.header().seq, act.id()));
        let act = self.member.event(Author::ACTS, seq + 1, prev, seq + 1, body)?;
        self.member.acts.push(act.clone());
        Ok(act)
    }

    async fn heard_join(&mut self) -> anyhow::Result<Join> {
        loop {
            match self.link.next().await?.context("it ended the link")? {
                Said::Frame(channel, Frame::Join(join)) => {
                    self.link.expect(channel, self.member.room);
                    self.link.say(channel, &Frame::Told(Told::Pending)).await?;
                    self.link.say(channel, &Frame::Told(Told::Accepted(self.second))).await?;
                    return Ok(join);
                }
                Said::Message(_) => {}
                other @ Said::Frame(..) => bail!("no JOIN: {other:?}"),
            }
        }
    }

    async fn heard_open(&mut self) -> anyhow::Result<()> {
        loop {
            match self.link.next().await?.context("it ended the link")? {
                Said::Frame(channel, Frame::Open(_)) => self.channel = channel,
                Said::Frame(channel, Frame::Hello(_)) if channel == self.channel => return Ok(()),
                Said::Frame(_, Frame::Close(_)) | Said::Message(_) => {}
                other @ Said::Frame(..) => bail!("no OPEN: {other:?}"),
            }
        }
    }

    async fn say(&mut self, frame: &Frame) -> anyhow::Result<bool> {
        self.link.say(self.channel, frame).await
    }

    /// "That was all."
    async fn mark(&mut self, next: u64) -> anyhow::Result<()> {
        self.say(&Frame::Mark(LogPlace { next, digest: LogDigest([9; 16]) })).await?;
        Ok(())
    }

    /// How far the attacked daemon thinks that it is.
    async fn state(&self, target: &Target) -> anyhow::Result<RoomState> {
        Ok(target.call(OneRoom { peer: self.member.room.conversation() }).await?.room.state)
    }

    async fn over(self, target: &Arc<Target>) -> anyhow::Result<()> {
        let peer = self.member.room.conversation();
        target.call(RoomLeave { peer, forget: true }).await?;
        self.service.gone()?;
        target.stage().await?.0.unharmed(target).await
    }
}

pub(super) fn rows() -> Vec<Attack> {
    let rows = [
        row(
            Kind::Quick,
            "room-owner: no lie at all",
            "the daemon becomes a member",
            |target: Arc<Target>| async move {
                let mut owner = Owner::of(&target).await?;
                owner.mark(3).await?;
                let (said, alive) = owner.link.settle().await?;
                ensure!(alive, "the link ended: {said:?}");
                ensure!(owner.state(&target).await? == RoomState::Member, "it is no member");
                owner.over(&target).await
            },
        ),
        row(
            Kind::Quick,
            "room-owner: never says that it is all",
            "the daemon is no member, and goes on",
            |target: Arc<Target>| async move {
                let mut owner = Owner::of(&target).await?;
                let words = owner.member.next(0, &text("canary")?)?;
                owner.say(&Frame::Events(vec![words])).await?;
                let (said, alive) = owner.link.settle().await?;
                ensure!(alive, "the link ended: {said:?}");
                ensure!(owner.state(&target).await? == RoomState::Joining, "a member without everything");
                owner.over(&target).await
            },
        ),
        row(
            Kind::Quick,
            "room-owner: lies in BASE",
            "chains begin where their authors were",
            |target: Arc<Target>| async move {
                let mut owner = Owner::of(&target).await?;
                let member = &owner.member;
                let (room, prev) = (member.room.as_event(), EventId([9; 32]));
                // Of a member who is none, of the daemon itself under the owner's key, and far up in the owner's own chain.
                let nobody =
                    member.event(MemberNo::new(77).context("no number")?.chain(0), 5, prev, 5, &text("canary")?)?;
                let theirs = member.event(owner.second.chain(0), 9, prev, 5, &text("canary")?)?;
                let own = member.event(MemberNo::MAKER.chain(0), 1_000, prev, 5, &text("canary")?)?;
                let mut base: Vec<_> = [own, theirs, nobody].iter().map(Event::stripped).collect();
                base.sort_by_key(|event| event.header().author);
                owner.say(&Frame::Base(base.clone())).await?;
                owner.mark(3).await?;
                // Too late: it is no newcomer any more.
                owner.say(&Frame::Base(base)).await?;
                let first = owner.member.event(MemberNo::MAKER.chain(0), 1, room, 5, &text("canary")?)?;
                owner.say(&Frame::Events(vec![first])).await?;
                let (said, alive) = owner.link.settle().await?;
                ensure!(alive, "the link ended: {said:?}");
                ensure!(owner.state(&target).await? == RoomState::Member, "it is no member");
                owner.over(&target).await
            },
        ),
        row(
            Kind::Quick,
            "room-owner: two stories of everything",
            "the daemon goes on",
            |target: Arc<Target>| async move {
                let mut owner = Owner::of(&target).await?;
                owner.mark(3).await?;
                let last = owner.member.acts.last().context("no acts")?.clone();
                let (seq, prev) = (last.header().seq + 1, last.id());
                for n in 0..600_u32 {
                    let topic = torchat_protocol::room::body::acts::Set {
                        topic: BoundedText::new(format!("canary {n}")),
                        ..Default::default()
                    };
                    let rival = owner.member.event(Author::ACTS, seq, prev, u64::from(n) + 9, &Body::Set(topic))?;
                    owner.say(&Frame::Events(vec![rival])).await?;
                }
                let (said, alive) = owner.link.settle().await?;
                ensure!(alive, "the link ended");
                ensure!(count(&said, |frame| matches!(frame, Frame::Events(_))) <= 4, "each proof is told");
                let room = target.call(OneRoom { peer: owner.member.room.conversation() }).await?.room;
                ensure!(room.frozen, "two stories, and nobody notices: {room:?}");
                owner.over(&target).await
            },
        ),
    ];
    rows.into_iter().map(Attack::on_loopback).collect()
}
