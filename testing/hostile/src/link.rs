//! An authenticated link on which anything can be said.

use crate::way::BoxStream;
use anyhow::{Context as _, bail, ensure};
use snow::TransportState;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use torchat_protocol::frame::{self, Framed, Reassembler, RecordDecoder, TYPE_JSON, Takes};
use torchat_protocol::id::{Chain, LaneId, MessageId};
use torchat_protocol::message::{Body, ContactRes, ContactState, Hello, LaneState, Limits, Nonce, PeerMessage, Recv};

/// After how many records the key of a direction changes.
const REKEY_AFTER: u64 = 1 << 16;
/// How long one write may wait for the daemon to read: longer than a slow Tor circuit needs for a full buffer.
const WRITE_TIME: Duration = Duration::from_secs(30);

/// A link after the handshake.
pub struct Link {
    reader: ReadHalf<BoxStream>,
    writer: WriteHalf<BoxStream>,
    transport: TransportState,
    sent: u64,
    received: u64,
    decoder: RecordDecoder,
    reassembler: Reassembler,
    bytes: usize,
    said: Vec<u8>,
}

/// How a link answered until a moment.
#[derive(Debug)]
pub struct Heard {
    /// What the daemon said.
    pub messages: Vec<PeerMessage>,
    /// The link is still up.
    pub alive: bool,
}

impl Heard {
    /// The acknowledgements in it.
    #[must_use]
    pub fn acks(&self) -> Vec<LaneState> {
        let ack = |message: &PeerMessage| if let PeerMessage::Ack(state) = message { Some(*state) } else { None };
        self.messages.iter().filter_map(ack).collect()
    }

    /// The statements in it.
    #[must_use]
    pub fn hellos(&self) -> Vec<Hello> {
        let hello =
            |message: &PeerMessage| if let PeerMessage::Hello(hello) = message { Some(hello.clone()) } else { None };
        self.messages.iter().filter_map(hello).collect()
    }
}

impl Link {
    pub(crate) fn new(stream: BoxStream, transport: TransportState, said: Vec<u8>) -> anyhow::Result<Self> {
        let (reader, writer) = tokio::io::split(stream);
        let (decoder, reassembler) = (RecordDecoder::default(), Reassembler::new(Takes::CHAT));
        Ok(Self { reader, writer, transport, sent: 0, received: 0, decoder, reassembler, bytes: 0, said })
    }

    /// Every byte that was sent so far on the stream, for an attack that repeats it. Records are added by
    /// [`Link::say`] and [`Link::say_plain`].
    #[must_use]
    pub fn said(&self) -> &[u8] {
        &self.said
    }

    /// Bytes that the daemon said since the handshake.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Encrypts a plaintext of any size into a record with its length.
    ///
    /// # Errors
    /// When it is longer than a Noise message can be.
    pub fn seal(&mut self, plaintext: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut record = vec![0; frame::LENGTH_LEN + plaintext.len() + frame::TAG_LEN];
        let body = record.get_mut(frame::LENGTH_LEN..).context("no body")?;
        let len = self.transport.write_message(plaintext, body)?;
        record.splice(..frame::LENGTH_LEN, u16::try_from(len)?.to_be_bytes());
        self.sent += 1;
        if self.sent.is_multiple_of(REKEY_AFTER) {
            self.transport.rekey_outgoing();
        }
        Ok(record)
    }

    /// Understands what is said for rooms, from now on.
    #[must_use]
    pub fn for_rooms(mut self) -> Self {
        self.reassembler = Reassembler::new(Takes::ROOM);
        self
    }

    /// The records of a message.
    ///
    /// # Errors
    /// As [`Link::seal`].
    pub fn records(&mut self, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        self.records_of(TYPE_JSON, 0, message)
    }

    /// The records of a message of any type on any channel.
    ///
    /// # Errors
    /// As [`Link::seal`].
    pub fn records_of(&mut self, kind: u8, channel: u16, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut out = Vec::new();
        for plaintext in frame::split(kind, channel, message) {
            out.extend(self.seal(&plaintext)?);
        }
        Ok(out)
    }

    /// Sends bytes as they are. `false`: the daemon ended the stream, or reads nothing any more.
    pub async fn throw(&mut self, bytes: &[u8]) -> bool {
        let write = async {
            self.writer.write_all(bytes).await?;
            self.writer.flush().await
        };
        matches!(tokio::time::timeout(WRITE_TIME, write).await, Ok(Ok(())))
    }

    /// Says the bytes of a message, whatever they are.
    ///
    /// # Errors
    /// As [`Link::seal`]. That the daemon ended the link is none.
    pub async fn say_bytes(&mut self, message: &[u8]) -> anyhow::Result<bool> {
        let records = self.records(message)?;
        self.said.extend(&records);
        Ok(self.throw(&records).await)
    }

    /// Says a message.
    ///
    /// # Errors
    /// As [`Link::say_bytes`].
    pub async fn say(&mut self, message: &PeerMessage) -> anyhow::Result<bool> {
        self.say_bytes(&message.encode()).await
    }

    /// Says a plaintext, whatever its size and content.
    ///
    /// # Errors
    /// As [`Link::seal`].
    pub async fn say_plain(&mut self, plaintext: &[u8]) -> anyhow::Result<bool> {
        let record = self.seal(plaintext)?;
        Ok(self.throw(&record).await)
    }

    /// Says the honest first words, without lanes.
    ///
    /// # Errors
    /// As [`Link::say_bytes`].
    pub async fn introduce(&mut self) -> anyhow::Result<()> {
        self.say(&hello()).await?;
        self.say(&PeerMessage::ContactRes(ContactRes { st: ContactState::Accepted })).await?;
        Ok(())
    }

    /// The next message; `None`: the daemon ended the link.
    ///
    /// # Errors
    /// When the daemon breaks the protocol, or says nothing within `patience`.
    pub async fn hear(&mut self, patience: Duration) -> anyhow::Result<Option<PeerMessage>> {
        tokio::time::timeout(patience, self.hear_next()).await.context("the daemon says nothing and stays")?
    }

    async fn hear_next(&mut self) -> anyhow::Result<Option<PeerMessage>> {
        Ok(self.framed_next().await?.map(|framed| PeerMessage::decode(&framed.bytes)).transpose()?)
    }

    /// The next frame, whatever its type and channel; `None`: the daemon ended the link.
    pub(crate) async fn framed_next(&mut self) -> anyhow::Result<Option<Framed>> {
        let mut plaintext = vec![0; frame::MAX_CIPHERTEXT];
        loop {
            while let Some(record) = self.decoder.next_record()? {
                let len = self.transport.read_message(record, &mut plaintext)?;
                self.received += 1;
                if self.received.is_multiple_of(REKEY_AFTER) {
                    self.transport.rekey_incoming();
                }
                if let Some(framed) = self.reassembler.push(plaintext.get(..len).unwrap_or_default())? {
                    return Ok(Some(framed));
                }
            }
            let mut chunk = [0; 8192];
            match self.reader.read(&mut chunk).await {
                // A reset is an end too: the daemon closed with bytes of ours unread.
                Ok(0) | Err(_) => return Ok(None),
                Ok(n) => {
                    self.bytes += n;
                    self.decoder.push(chunk.get(..n).unwrap_or_default());
                }
            }
        }
    }

    /// Reads until the daemon ends the link, and returns what it said meanwhile.
    ///
    /// # Errors
    /// When it does not end it within `patience`.
    pub async fn ended(&mut self, patience: Duration) -> anyhow::Result<Vec<PeerMessage>> {
        let all = async {
            let mut messages = Vec::new();
            while let Some(message) = self.hear_next().await? {
                messages.push(message);
            }
            anyhow::Ok(messages)
        };
        tokio::time::timeout(patience, all).await.context("the daemon keeps the link")?
    }

    /// The daemon ends the stream and has not said a byte since the handshake.
    ///
    /// # Errors
    /// When it says anything, or stays.
    pub async fn refused(mut self, patience: Duration) -> anyhow::Result<()> {
        let messages = self.ended(patience).await?;
        ensure!(messages.is_empty() && self.bytes == 0, "it said {} bytes: {messages:?}", self.bytes);
        Ok(())
    }

    /// The daemon says its first words: it believes who we are. Returns whether it takes our messages.
    ///
    /// # Errors
    /// When it does not.
    pub async fn welcomed(&mut self, patience: Duration) -> anyhow::Result<(Hello, ContactState)> {
        let Some(PeerMessage::Hello(hello)) = self.hear(patience).await? else { bail!("no HELLO comes first") };
        let Some(PeerMessage::ContactRes(answer)) = self.hear(patience).await? else { bail!("no CONTACT_RES follows") };
        Ok((hello, answer.st))
    }

    /// Waits until the daemon has dealt with everything that was said: two pings, because an acknowledgement follows
    /// the answers of its turn. Whatever it says meanwhile is returned; an ended link ends the waiting.
    ///
    /// # Errors
    /// When it neither answers nor ends the link within `patience`.
    pub async fn settle(&mut self, patience: Duration) -> anyhow::Result<Heard> {
        let mut messages = Vec::new();
        for _ in 0..2 {
            let n = u64::from(rand::random::<u32>());
            self.say(&PeerMessage::Ping(Nonce { n })).await?;
            loop {
                match self.hear(patience).await? {
                    None => return Ok(Heard { messages, alive: false }),
                    Some(PeerMessage::Pong(nonce)) if nonce.n == n => break,
                    Some(message) => messages.push(message),
                }
            }
        }
        Ok(Heard { messages, alive: true })
    }

    /// Both halves, for a flood that writes and reads at once: [`Flood`].
    #[must_use]
    pub fn into_flood(self) -> Flood {
        Flood { link: self }
    }
}

/// A link that is written to as fast as the daemon reads, while its answers are thrown away.
pub struct Flood {
    link: Link,
}

impl Flood {
    /// Says messages until the daemon ends the link or `next` has none. Returns how many were said.
    ///
    /// # Errors
    /// As [`Link::seal`].
    pub async fn pour(&mut self, mut next: impl FnMut(u64) -> Option<PeerMessage>) -> anyhow::Result<u64> {
        let mut count = 0;
        let mut sink = [0; 16 * 1024];
        while let Some(message) = next(count) {
            let records = self.link.records(&message.encode())?;
            let mut rest = records.as_slice();
            while !rest.is_empty() {
                tokio::select! {
                    read = self.link.reader.read(&mut sink) => match read {
                        Ok(0) | Err(_) => return Ok(count),
                        Ok(_) => {}
                    },
                    written = self.link.writer.write(rest) => match written {
                        Ok(0) | Err(_) => return Ok(count),
                        Ok(n) => rest = rest.get(n..).unwrap_or_default(),
                    },
                }
            }
            count += 1;
        }
        let _ = self.link.writer.flush().await;
        Ok(count)
    }

    /// Reads nothing while it says messages, until the daemon ends the link, stops to read, or `next` has none.
    ///
    /// # Errors
    /// As [`Link::seal`].
    pub async fn pour_deaf(&mut self, mut next: impl FnMut(u64) -> Option<PeerMessage>) -> anyhow::Result<u64> {
        let mut count = 0;
        while let Some(message) = next(count) {
            let records = self.link.records(&message.encode())?;
            if !self.link.throw(&records).await {
                break;
            }
            count += 1;
        }
        Ok(count)
    }
}

/// The honest first words, without lanes.
#[must_use]
pub fn hello() -> PeerMessage {
    PeerMessage::Hello(honest_hello())
}

/// The honest first words, without lanes, to be changed.
#[must_use]
pub fn honest_hello() -> Hello {
    Hello {
        app: "torchatd".into(),
        v: 1,
        features: Vec::new(),
        lanes: Vec::new(),
        limits: Limits { msg: 65_536, inflight: 64, credit: 1 << 20 },
        run: None,
        met: None,
    }
}

/// The sender's end of a lane.
#[derive(Debug, Clone, Copy)]
pub struct Lane {
    /// The lane.
    pub lane: LaneId,
    /// The last number that was given.
    pub seq: u64,
    /// The digest there.
    pub chain: Chain,
}

impl Lane {
    /// A lane that nobody has seen.
    #[must_use]
    pub fn fresh() -> Self {
        Self { lane: LaneId(rand::random()), seq: 0, chain: Chain::EMPTY }
    }

    /// The next message.
    #[must_use]
    pub fn next(&mut self, text: &str) -> Recv {
        let mid = MessageId(rand::random());
        let recv = self.peek(mid, text);
        self.seq += 1;
        self.chain = self.chain.next(mid);
        recv
    }

    /// What would be the next message, with this id.
    #[must_use]
    pub fn peek(&self, mid: MessageId, text: &str) -> Recv {
        let body = Body::Text { text: text.to_owned() };
        let sent = crate::forger::now_s() / 60 * 60;
        Recv { lane: self.lane, seq: self.seq + 1, prev: self.chain, mid, sent, body }
    }

    /// Where it stands, as a receiver says it.
    #[must_use]
    pub fn state(&self) -> LaneState {
        LaneState { lane: self.lane, hwm: self.seq, chain: self.chain }
    }
}
