//! Room links on which anything can be said, and members that say it.
//!
//! Written from `docs/ROOM-PROTOCOL.md`. Frames and events have the bytes of `torchat-protocol`; whom to tell what, and when, nobody
//! decides here but the attack. An honest member is the honest twin of all of them: it is let in, and what it says arrives.

use crate::forger::Forger;
use crate::link::Link;
use crate::target::Target;
use anyhow::{Context as _, bail, ensure};
use ed25519_dalek::{Signer as _, SigningKey};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use torchat_client::api::command::{GivenRole, PolicyParts, RoomInvite as MakeInvite, RoomJoin, RoomNew, Send, Wait};
use torchat_client::api::{ConversationId, record};
use torchat_protocol::frame::TYPE_JSON;
use torchat_protocol::id::PeerId;
use torchat_protocol::message::{Nonce, PeerMessage};
use torchat_protocol::room::body::acts::Create;
use torchat_protocol::room::body::said::Text;
use torchat_protocol::room::body::{Body, BoundedText};
use torchat_protocol::room::limits::CREDIT_BYTES;
use torchat_protocol::room::{
    Author, BoxKey, Event, EventId, Frame, Has, Head, Header, Hello, Identity, InviteKey, Join, LogId, MemberKey,
    MemberNo, Open, OpenAs, RoomId, RoomInvite, Salt, Signature, Tag, TextId, Told,
};

/// What a daemon says on a room link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A frame, on a channel.
    Frame(u16, Frame),
    /// A message on channel 0.
    Message(PeerMessage),
}

/// A link for rooms.
pub struct RoomLink {
    link: Link,
    rooms: HashMap<u16, RoomId>,
    next: u16,
    /// How long the daemon may take.
    patience: Duration,
}

impl RoomLink {
    /// Dials for rooms.
    ///
    /// # Errors
    /// When the daemon does not let it in.
    pub async fn dial(target: &Target, forger: &Forger) -> anyhow::Result<Self> {
        Ok(Self::over(target.knock(forger).await?, target.patience, 1))
    }

    /// Over a link that was made. `first`: the number of the first channel, odd for whoever dialled.
    #[must_use]
    pub fn over(link: Link, patience: Duration, first: u16) -> Self {
        Self { link: link.for_rooms(), rooms: HashMap::new(), next: first, patience }
    }

    /// A number for another channel.
    pub fn number(&mut self, room: RoomId) -> u16 {
        let number = self.next;
        self.rooms.insert(number, room);
        self.next += 2;
        number
    }

    /// What comes on this channel is of this room.
    pub fn expect(&mut self, channel: u16, room: RoomId) {
        self.rooms.insert(channel, room);
    }

    /// Says a frame. `false`: the daemon ended the link.
    ///
    /// # Errors
    /// As [`Link::seal`].
    pub async fn say(&mut self, channel: u16, frame: &Frame) -> anyhow::Result<bool> {
        self.say_raw(channel, frame.kind(), &frame.encode()).await
    }

    /// Says bytes as a message of a type.
    ///
    /// # Errors
    /// As [`Link::seal`].
    pub async fn say_raw(&mut self, channel: u16, kind: u8, bytes: &[u8]) -> anyhow::Result<bool> {
        let records = self.link.records_of(kind, channel, bytes)?;
        Ok(self.link.throw(&records).await)
    }

    /// Says a message on channel 0.
    ///
    /// # Errors
    /// As [`Link::seal`].
    pub async fn message(&mut self, message: &PeerMessage) -> anyhow::Result<bool> {
        self.say_raw(0, TYPE_JSON, &message.encode()).await
    }

    /// The link under it.
    pub fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    /// What the daemon says next; `None`: it has ended the link.
    ///
    /// # Errors
    /// When it breaks the protocol, or says nothing and stays.
    pub async fn next(&mut self) -> anyhow::Result<Option<Said>> {
        let patience = self.patience;
        tokio::time::timeout(patience, self.next_ever()).await.context("the daemon says nothing and stays")?
    }

    async fn next_ever(&mut self) -> anyhow::Result<Option<Said>> {
        let Some(framed) = self.link.framed_next().await? else { return Ok(None) };
        if framed.channel == 0 {
            return Ok(Some(Said::Message(PeerMessage::decode(&framed.bytes)?)));
        }
        let room = self.rooms.get(&framed.channel).copied();
        let frame = match room {
            Some(room) => Frame::decode(framed.kind, &framed.bytes, room)?,
            None => Frame::decode_first(framed.kind, &framed.bytes)?,
        };
        let frame = frame.with_context(|| format!("a frame of type {:#x}", framed.kind))?;
        if let Frame::Open(Open { room, .. }) = &frame {
            self.rooms.insert(framed.channel, *room);
        }
        Ok(Some(Said::Frame(framed.channel, frame)))
    }

    /// What the daemon says until it has dealt with everything that was said: two pings. `None` behind it: it ended the link.
    ///
    /// # Errors
    /// As [`RoomLink::next`].
    pub async fn settle(&mut self) -> anyhow::Result<(Vec<Said>, bool)> {
        let mut said = Vec::new();
        for _ in 0..2 {
            let n = u64::from(rand::random::<u32>());
            self.message(&PeerMessage::Ping(Nonce { n })).await?;
            loop {
                match self.next().await? {
                    None => return Ok((said, false)),
                    Some(Said::Message(PeerMessage::Pong(nonce))) if nonce.n == n => break,
                    Some(one) => said.push(one),
                }
            }
        }
        Ok((said, true))
    }

    /// The daemon ends the link within its patience. Returns what it said before.
    ///
    /// # Errors
    /// When it stays.
    pub async fn ended(&mut self) -> anyhow::Result<Vec<Said>> {
        let patience = self.patience;
        let all = async {
            let mut said = Vec::new();
            while let Some(one) = self.next_ever().await? {
                said.push(one);
            }
            anyhow::Ok(said)
        };
        tokio::time::timeout(patience, all).await.context("the daemon keeps the link")?
    }
}

/// The first words on a channel, with these heads.
#[must_use]
pub fn hello(heads: Vec<Head>) -> Frame {
    Frame::Hello(Hello { log: LogId(rand::random()), has: Has::Heads(heads), want: None, credit: CREDIT_BYTES })
}

/// A frontier of nothing.
#[must_use]
pub fn nothing() -> Vec<Head> {
    vec![Head { author: Author::ACTS, seq: 0, tag: Tag::NONE }]
}

/// A member of a room that knows every rule.
#[derive(Debug)]
pub struct Member {
    /// Its identity.
    pub forger: Forger,
    /// The room.
    pub room: RoomId,
    /// Its number.
    pub no: MemberNo,
    key: SigningKey,
    /// The acts, in their order.
    pub acts: Vec<Event>,
    /// Members' events, as they came.
    pub events: Vec<Event>,
    /// The last number and id of each chain of its own.
    own: BTreeMap<u8, (u64, EventId)>,
    lamport: u64,
}

impl Member {
    /// Makes a room, as its owner.
    ///
    /// # Errors
    /// When no salt makes an id that has the shape of an identity.
    pub fn owner(forger: Forger, first: impl FnOnce(MemberKey) -> Create) -> anyhow::Result<Self> {
        let key = SigningKey::from_bytes(&rand::random());
        let mut create = first(MemberKey(key.verifying_key().to_bytes()));
        for _ in 0..1_000 {
            create.salt = Salt(rand::random());
            let bytes: Arc<[u8]> = Body::Create(create.clone()).encode().into();
            let header = Header::of_body(1, None, Author::ACTS, 1, EventId([0; 32]), &bytes);
            let header = Header { lamport: 1, minute: 29_833_333, ..header };
            let Some(room) = RoomId::of_create(header.id()) else { continue };
            let (acts, events, own) = (Vec::new(), Vec::new(), BTreeMap::new());
            let mut member = Self { forger, room, no: MemberNo::MAKER, key, acts, events, own, lamport: 1 };
            let act = member.signed(header, bytes)?;
            member.acts.push(act);
            return Ok(member);
        }
        bail!("no salt makes a room")
    }

    /// Joins with an invite: JOIN, then OPEN, up to the first MARK. Returns the link with the channel that is open.
    ///
    /// # Errors
    /// When the daemon does not let it in.
    pub async fn join(target: &Target, invite: &RoomInvite) -> anyhow::Result<(Self, RoomLink, u16)> {
        let forger = Forger::fresh().for_rooms();
        let (key, room) = (SigningKey::from_bytes(&rand::random()), invite.room);
        let (sign, sealing) = (MemberKey(key.verifying_key().to_bytes()), BoxKey(rand::random()));
        let pass = invite.pass.as_ref().context("an invite without a secret")?;
        let proof = InviteKey::new(room, pass.secret).proof(room, Identity(*forger.peer()?.as_bytes()), sign, sealing);
        let invite = Some((pass.id, proof));
        let mut link = RoomLink::dial(target, &forger).await?;
        let channel = link.number(room);
        link.say(channel, &Frame::Join(Join { room, sign, sealing, invite, nick: None, text: BoundedText::default() }))
            .await?;
        let no = loop {
            match link.next().await?.context("the daemon ended the link behind JOIN")? {
                Said::Frame(_, Frame::Told(Told::Accepted(no))) => break no,
                Said::Frame(_, Frame::Told(Told::Pending)) => {}
                other => bail!("not let in: {other:?}"),
            }
        };
        let (acts, events, own) = (Vec::new(), Vec::new(), BTreeMap::new());
        let mut member = Self { forger, room, no, key, acts, events, own, lamport: 1 };
        let channel = member.open(&mut link, None, nothing()).await?;
        Ok((member, link, channel))
    }

    /// Another link, with the room open on it and everything told.
    ///
    /// # Errors
    /// When the daemon does not let it in.
    pub async fn enter(&mut self, target: &Target) -> anyhow::Result<(RoomLink, u16)> {
        let mut link = RoomLink::dial(target, &self.forger).await?;
        let (no, heads) = (self.no, self.heads());
        let channel = self.open(&mut link, Some(no), heads).await?;
        Ok((link, channel))
    }

    /// Opens the room, and takes what it is told up to the first MARK.
    async fn open(&mut self, link: &mut RoomLink, no: Option<MemberNo>, heads: Vec<Head>) -> anyhow::Result<u16> {
        let channel = link.number(self.room);
        link.say(channel, &Frame::Open(Open { room: self.room, role: OpenAs::Member(no) })).await?;
        link.say(channel, &hello(heads)).await?;
        loop {
            match link.next().await?.context("the daemon ended the link behind OPEN")? {
                Said::Frame(at, frame) if at == channel => match frame {
                    Frame::Events(events) => self.take(events),
                    Frame::Mark(place) => {
                        // All that it had: a member that knows the rules says so, too.
                        link.say(channel, &Frame::Mark(place)).await?;
                        return Ok(channel);
                    }
                    Frame::Close(close) => bail!("closed: {close:?}"),
                    _ => {}
                },
                Said::Frame(..) | Said::Message(PeerMessage::Ping(_)) => {}
                other @ Said::Message(_) => bail!("{other:?}"),
            }
        }
    }

    fn take(&mut self, events: Vec<Event>) {
        for event in events {
            self.lamport = self.lamport.max(event.header().lamport);
            let list = if event.header().author == Author::ACTS { &mut self.acts } else { &mut self.events };
            if list.iter().all(|one| one.id() != event.id()) {
                list.push(event);
            }
        }
    }

    /// What it has, as a frontier.
    #[must_use]
    pub fn heads(&self) -> Vec<Head> {
        let mut heads: BTreeMap<Author, Head> = BTreeMap::new();
        for event in self.acts.iter().chain(&self.events) {
            let (author, seq) = (event.header().author, event.header().seq);
            if heads.get(&author).is_none_or(|head| head.seq < seq) {
                heads.insert(author, event.head());
            }
        }
        for (chain, (seq, id)) in &self.own {
            let author = self.no.chain(*chain);
            heads.insert(author, Head { author, seq: *seq, tag: id.tag() });
        }
        heads.into_values().collect()
    }

    /// Its next event of a chain.
    ///
    /// # Errors
    /// When the body is too long.
    pub fn next(&mut self, chain: u8, body: &Body) -> anyhow::Result<Event> {
        let (seq, prev) = self.own.get(&chain).copied().unwrap_or((0, self.room.as_event()));
        self.lamport += 1;
        let event = self.event(self.no.chain(chain), seq + 1, prev, self.lamport, body)?;
        self.own.insert(chain, (seq + 1, event.id()));
        Ok(event)
    }

    /// An event at any place, with any time, signed by its key.
    ///
    /// # Errors
    /// When the body is too long.
    pub fn event(&self, author: Author, seq: u64, prev: EventId, lamport: u64, body: &Body) -> anyhow::Result<Event> {
        let bytes: Arc<[u8]> = body.encode().into();
        let header = Header::of_body(body.kind(), Some(self.room), author, seq, prev, &bytes);
        let acts = u32::try_from(self.acts.len())?;
        self.signed(Header { acts, lamport, minute: 29_833_333, ..header }, bytes)
    }

    /// Signs a header, whatever it says.
    ///
    /// # Errors
    /// When the body is not the header's.
    pub fn signed(&self, header: Header, body: Arc<[u8]>) -> anyhow::Result<Event> {
        let signature = Signature(self.key.sign(&header.id().to_be_signed()).to_bytes());
        Event::new(header, signature, body).context("another's body")
    }
}

/// A text of a member.
///
/// # Errors
/// When it is too long.
pub fn text(words: &str) -> anyhow::Result<Body> {
    text_with(TextId(rand::random()), words)
}

/// A text with this id.
///
/// # Errors
/// When it is too long.
pub fn text_with(mid: TextId, words: &str) -> anyhow::Result<Body> {
    let text = BoundedText::new(words).context("too long")?;
    Ok(Body::Text(Text { mid, text, re: None, to: Vec::new() }))
}

/// A room of the attacked daemon, in which the honest one is.
#[derive(Debug)]
pub struct Stage {
    /// The room.
    pub room: RoomId,
    /// Lets anybody in.
    pub invite: RoomInvite,
}

impl Stage {
    /// Makes it.
    ///
    /// # Errors
    /// When one of the daemons does not do what it must.
    pub async fn new(target: &Target) -> anyhow::Result<Self> {
        let (name, topic, policy) = ("stage".to_owned(), String::new(), PolicyParts::default());
        let new = RoomNew { name, topic, policy, nick: None, client_id: None };
        let made = target.call(new).await.context("ROOM_NEW")?.room;
        let peer = made.peer;
        let invite = MakeInvite {
            peer,
            role: Some(GivenRole::Member),
            uses: Some(0),
            hours: None,
            whom: None,
            send: false,
            note: None,
        };
        let invite = target.call(invite).await.context("ROOM_INVITE")?.invite;
        let stage = Self { room: RoomId(*peer.as_bytes()), invite: invite.parse().context("the invite")? };
        let join = RoomJoin { invite, text: String::new(), want: None, nick: None, client_id: None };
        target.call_honest(join).await.context("ROOM_JOIN")?;
        stage.joined(target).await?;
        Ok(stage)
    }

    fn conversation(&self) -> ConversationId {
        self.room.conversation()
    }

    async fn joined(&self, target: &Target) -> anyhow::Result<()> {
        let peer = self.conversation();
        let deadline = tokio::time::Instant::now() + 6 * target.patience;
        loop {
            let room = target.call_honest(torchat_client::api::command::OneRoom { peer }).await?.room;
            if room.state == record::RoomState::Member {
                return Ok(());
            }
            ensure!(tokio::time::Instant::now() < deadline, "the honest daemon is not let in: {room:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A text of the honest daemon is durable at the attacked one, and the other way round.
    ///
    /// # Errors
    /// When it is not within three times the patience.
    pub async fn unharmed(&self, target: &Target) -> anyhow::Result<()> {
        let timeout = Some(3 * target.patience.as_secs());
        let send = |text: &str| Send {
            peer: self.conversation(),
            text: text.to_owned(),
            client_id: None,
            wait: Some(Wait::Delivered),
            timeout,
            expire: None,
            re: None,
            to: Vec::new(),
        };
        let there = target.call_honest(send("are you there")).await?;
        ensure!(there.state == record::MessageState::Delivered, "an honest member's text is {:?}", there.state);
        let back = target.call(send("I am")).await?;
        ensure!(back.state == record::MessageState::Delivered, "the attacked daemon's text is {:?}", back.state);
        Ok(())
    }
}

/// A peer's identity as acts name it.
#[must_use]
pub fn identity(peer: &PeerId) -> Identity {
    Identity(*peer.as_bytes())
}
