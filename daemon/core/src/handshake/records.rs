//! Messages as encrypted records, in both directions of an established link.

use snow::TransportState;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use torchat_protocol::frame::{self, FrameError, Framed, Reassembler, RecordDecoder, Takes};

/// After how many records the key of a direction changes, at both ends alike.
const REKEY_AFTER: u64 = 1 << 16;

/// Why a link ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The peer broke the framing.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A record was changed, repeated, left out or not for us.
    #[error("a record does not decrypt")]
    Decrypt,
    /// An earlier error: nothing after it is read.
    #[error("the link is over")]
    Over,
}

/// Encrypts what we say.
pub struct Sealer {
    transport: Arc<Mutex<TransportState>>,
    records: u64,
}

/// Decrypts what the peer says. After an error it stays dead: a stream cipher's stream is never resynchronised.
pub struct Opener {
    transport: Arc<Mutex<TransportState>>,
    records: u64,
    decoder: RecordDecoder,
    reassembler: Reassembler,
    dead: bool,
}

/// The two directions share one cipher state behind a lock that is held for one record at a time, so that a reading and
/// a writing task need not know of each other.
pub(super) fn pair(transport: TransportState) -> (Sealer, Opener) {
    let transport = Arc::new(Mutex::new(transport));
    let sealer = Sealer { transport: transport.clone(), records: 0 };
    let opener = Opener {
        transport,
        records: 0,
        decoder: RecordDecoder::default(),
        reassembler: Reassembler::new(Takes::CHAT),
        dead: false,
    };
    (sealer, opener)
}

fn lock(transport: &Mutex<TransportState>) -> MutexGuard<'_, TransportState> {
    transport.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sealer {
    /// Appends the records of a message to `out`. Chat says [`frame::TYPE_JSON`] on channel 0.
    pub fn seal(&mut self, kind: u8, channel: u16, message: &[u8], out: &mut Vec<u8>) {
        for plaintext in frame::split(kind, channel, message) {
            let mut transport = lock(&self.transport);
            let len = plaintext.len() + frame::TAG_LEN;
            let at = out.len() + frame::LENGTH_LEN;
            // Plaintexts come in five sizes, all far below a Noise message's limit of 65,535 bytes.
            out.extend(u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes());
            out.resize(at + len, 0);
            let written = transport.write_message(&plaintext, &mut out[at..]);
            debug_assert_eq!(written.ok(), Some(len), "a record of a fixed size cannot fail");
            self.records += 1;
            if self.records.is_multiple_of(REKEY_AFTER) {
                transport.rekey_outgoing();
            }
        }
    }
}

impl Opener {
    /// The link takes these frames; before it is said, those of chat. To be said before anything is read.
    #[must_use]
    pub fn taking(mut self, takes: Takes) -> Self {
        self.reassembler = Reassembler::new(takes);
        self
    }

    /// Takes bytes as they come. They are kept until [`Opener::next_frame`] reads them, so call that until it returns
    /// `None` before the next push; a dead opener keeps nothing.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.dead {
            self.decoder.push(bytes);
        }
    }

    /// The next whole message of a link that takes one type on one channel, or `None` while bytes are missing.
    ///
    /// # Errors
    /// [`LinkError`]: close the link.
    pub fn next_message(&mut self) -> Result<Option<Vec<u8>>, LinkError> {
        Ok(self.next_frame()?.map(|framed| framed.bytes))
    }

    /// The next whole message with its type and channel, or `None` while bytes are missing.
    ///
    /// # Errors
    /// [`LinkError`]: close the link.
    pub fn next_frame(&mut self) -> Result<Option<Framed>, LinkError> {
        if self.dead {
            return Err(LinkError::Over);
        }
        let result = self.open_next();
        self.dead = result.is_err();
        result
    }

    /// Whether the peer is in the middle of saying something long: a part of a message is there, or a part of a record of more
    /// than one cell. Of a record of one cell it is never said, or two ends that answer this with small messages would never
    /// be still.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        !self.dead && (self.reassembler.is_unfinished() || self.decoder.is_in_long_record())
    }

    fn open_next(&mut self) -> Result<Option<Framed>, LinkError> {
        let mut plaintext = [0; frame::MAX_CIPHERTEXT];
        while let Some(record) = self.decoder.next_record()? {
            let mut transport = lock(&self.transport);
            let len = transport.read_message(record, &mut plaintext).map_err(|_| LinkError::Decrypt)?;
            self.records += 1;
            if self.records.is_multiple_of(REKEY_AFTER) {
                transport.rekey_incoming();
            }
            drop(transport);
            if let Some(framed) = self.reassembler.push(plaintext.get(..len).ok_or(LinkError::Decrypt)?)? {
                return Ok(Some(framed));
            }
        }
        Ok(None)
    }
}
