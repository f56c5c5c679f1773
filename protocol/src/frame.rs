//! Frames and records: how messages become padded plaintexts of a few sizes, and how ciphertexts are cut out of a stream.
//!
//! ```text
//! record    = u16 length, ciphertext               big endian; 498, 996, 1992, 3984 or 7968 bytes with the length
//! plaintext = type u8, flags u8, channel u16, length u16, body, zero padding
//! ```
//!
//! 498 bytes are what a relay cell carries, so a record fills 1, 2, 4, 8 or 16 cells and its size tells an observer
//! only the class of the message's length.

use crate::limits;
use std::ops::RangeInclusive;

/// Bytes that the cipher adds.
pub const TAG_LEN: usize = 16;
/// Bytes before a frame's body.
pub const HEADER_LEN: usize = 6;
/// Bytes of the record's length.
pub const LENGTH_LEN: usize = 2;
/// Longest ciphertext.
pub const MAX_CIPHERTEXT: usize = 16 * CELL - LENGTH_LEN;
/// Longest body of one frame.
pub const MAX_BODY: usize = MAX_CIPHERTEXT - TAG_LEN - HEADER_LEN;
/// The frame type of JSON messages.
pub const TYPE_JSON: u8 = 1;

const CELL: usize = 498;
const CELLS: [usize; 5] = [1, 2, 4, 8, 16];
const FLAG_MORE: u8 = 1;
/// A type with this bit must be understood; one without it may be skipped.
const CRITICAL: u8 = 0x80;

/// How a peer broke the framing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A record's length is none of the five.
    #[error("a record has a length that does not exist")]
    RecordLength,
    /// A frame's length does not fit its record.
    #[error("a frame is longer than its record")]
    FrameLength,
    /// The padding is not zero.
    #[error("a frame's padding is not zero")]
    Padding,
    /// A frame type that must be understood is not.
    #[error("an unknown frame type {0:#04x}")]
    Type(u8),
    /// A channel that does not exist, or not for frames of this type.
    #[error("an unknown channel {0}")]
    Channel(u16),
    /// A message begins between the frames of another one.
    #[error("a message begins before the one before it is whole")]
    Interleaved,
    /// Flags that do not exist.
    #[error("unknown flags {0:#04x}")]
    Flags(u8),
    /// The message is longer than a message may be.
    #[error("a message is longer than {} bytes", limits::PEER_OBJECT_BYTES)]
    TooLong,
}

/// Types of frames, and the channels on which they may come.
#[derive(Debug)]
pub struct Taken {
    /// The types.
    pub kinds: RangeInclusive<u8>,
    /// The channels of each of them.
    pub channels: RangeInclusive<u16>,
}

/// Which frames a link takes; every purpose of streams has its own. A link skips a frame of any other type if bit 7 of the
/// type is clear, and ends if the bit is set.
#[derive(Debug, Clone, Copy)]
pub struct Takes(pub &'static [Taken]);

impl Takes {
    /// Messages between two peers: JSON on channel 0.
    pub const CHAT: Self = Self(&[Taken { kinds: TYPE_JSON..=TYPE_JSON, channels: 0..=0 }]);

    /// Rooms: JSON on channel 0, and the frames of ROOM-PROTOCOL.md's table on all other channels. Which of those are open, the
    /// reader of a message judges.
    pub const ROOM: Self = Self(&[
        Taken { kinds: TYPE_JSON..=TYPE_JSON, channels: 0..=0 },
        Taken { kinds: 0x40..=0x4e, channels: 1..=u16::MAX },
        Taken { kinds: 0x50..=0x52, channels: 1..=u16::MAX },
    ]);

    /// Whether the link takes such a frame. False: it skips the frame.
    ///
    /// # Errors
    /// [`FrameError`]: it does neither.
    fn judge(self, kind: u8, channel: u16) -> Result<bool, FrameError> {
        let mut known = self.0.iter().filter(|taken| taken.kinds.contains(&kind)).peekable();
        if known.peek().is_none() {
            // Something that a later version added and that may be ignored.
            return if kind & CRITICAL == 0 { Ok(false) } else { Err(FrameError::Type(kind)) };
        }
        if known.any(|taken| taken.channels.contains(&channel)) { Ok(true) } else { Err(FrameError::Channel(channel)) }
    }
}

/// A whole message, with the type and the channel of its frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Framed {
    /// The type of its frames.
    pub kind: u8,
    /// Their channel.
    pub channel: u16,
    /// What they carried, at most [`limits::PEER_OBJECT_BYTES`].
    pub bytes: Vec<u8>,
}

/// Cuts a message into padded plaintexts, one for each record. The receiver refuses a message of more than
/// [`limits::PEER_OBJECT_BYTES`].
pub fn split(kind: u8, channel: u16, message: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let last = message.len().saturating_sub(1) / MAX_BODY;
    // An empty message has no chunk, and is one frame all the same.
    let empty = message.is_empty().then_some(message);
    let bodies = empty.into_iter().chain(message.chunks(MAX_BODY));
    bodies.enumerate().map(move |(n, body)| plaintext(kind, if n < last { FLAG_MORE } else { 0 }, channel, body))
}

fn plaintext(kind: u8, flags: u8, channel: u16, body: &[u8]) -> Vec<u8> {
    let used = LENGTH_LEN + TAG_LEN + HEADER_LEN + body.len();
    let cells = CELLS.into_iter().find(|cells| cells * CELL >= used).unwrap_or(16);
    let mut bytes = Vec::with_capacity(cells * CELL);
    bytes.extend([kind, flags]);
    bytes.extend(channel.to_be_bytes());
    bytes.extend(u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend(body);
    bytes.resize(cells * CELL - LENGTH_LEN - TAG_LEN, 0);
    bytes
}

/// Puts messages together from plaintexts. Never holds more than was received.
///
/// At most one message of a link is unfinished at a time, whatever its channel. A frame of another type or channel that the link
/// takes ends the link if it comes before that message is whole. We rejected one unfinished message for each channel: a peer
/// could then make a link hold as many messages of the greatest size as it has channels.
#[derive(Debug)]
pub struct Reassembler {
    takes: Takes,
    /// The type and the channel of the message of which a part is there.
    unfinished: Option<(u8, u16)>,
    bytes: Vec<u8>,
}

impl Reassembler {
    /// For a link that takes these frames.
    #[must_use]
    pub fn new(takes: Takes) -> Self {
        Self { takes, unfinished: None, bytes: Vec::new() }
    }

    /// Takes the plaintext of one record; returns the message that it completes.
    ///
    /// # Errors
    /// [`FrameError`]: the link must be closed.
    pub fn push(&mut self, plaintext: &[u8]) -> Result<Option<Framed>, FrameError> {
        let (header, rest) = plaintext.split_first_chunk::<HEADER_LEN>().ok_or(FrameError::FrameLength)?;
        let [kind, flags, channel_high, channel_low, len_high, len_low] = *header;
        let len = usize::from(u16::from_be_bytes([len_high, len_low]));
        let (body, padding) = rest.split_at_checked(len).ok_or(FrameError::FrameLength)?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(FrameError::Padding);
        }
        let channel = u16::from_be_bytes([channel_high, channel_low]);
        if !self.takes.judge(kind, channel)? {
            return Ok(None);
        }
        if flags & !FLAG_MORE != 0 {
            return Err(FrameError::Flags(flags));
        }
        if self.unfinished.is_some_and(|unfinished| unfinished != (kind, channel)) {
            return Err(FrameError::Interleaved);
        }
        if self.bytes.len() + body.len() > limits::PEER_OBJECT_BYTES {
            return Err(FrameError::TooLong);
        }
        self.bytes.extend(body);
        self.unfinished = (flags & FLAG_MORE != 0).then_some((kind, channel));
        let whole = self.unfinished.is_none();
        Ok(whole.then(|| Framed { kind, channel, bytes: std::mem::take(&mut self.bytes) }))
    }

    /// Whether a part of a message is there and not all of it.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        self.unfinished.is_some()
    }
}

/// Cuts records out of a stream of bytes. Holds at most one record more than it was fed at once.
#[derive(Debug, Default)]
pub struct RecordDecoder {
    buffer: Vec<u8>,
    start: usize,
}

impl RecordDecoder {
    /// Takes bytes as they come.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend(bytes);
    }

    /// Whether a part of a record of more than one cell is there and not all of it.
    #[must_use]
    pub fn is_in_long_record(&self) -> bool {
        let waiting = self.buffer.get(self.start..).unwrap_or_default();
        waiting.first_chunk::<LENGTH_LEN>().is_some_and(|length| {
            let length = usize::from(u16::from_be_bytes(*length)) + LENGTH_LEN;
            length > CELL && waiting.len() < length
        })
    }

    /// The next whole ciphertext.
    ///
    /// # Errors
    /// [`FrameError::RecordLength`] as soon as a bad length is there; nothing after it is read.
    pub fn next_record(&mut self) -> Result<Option<&[u8]>, FrameError> {
        let waiting = self.buffer.get(self.start..).unwrap_or_default();
        let Some((length, rest)) = waiting.split_first_chunk::<LENGTH_LEN>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes(*length));
        if !CELLS.iter().any(|cells| cells * CELL == length + LENGTH_LEN) {
            return Err(FrameError::RecordLength);
        }
        if rest.len() < length {
            return Ok(None);
        }
        let from = self.start + LENGTH_LEN;
        self.start = from + length;
        Ok(self.buffer.get(from..self.start))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::room;
    use proptest::prelude::*;

    /// A link as it may be beside chat: JSON on channel 0, two types on all others, and one of them on channel 0 too.
    const SEVERAL: Takes = Takes(&[
        Taken { kinds: TYPE_JSON..=TYPE_JSON, channels: 0..=0 },
        Taken { kinds: 0x40..=0x41, channels: 1..=u16::MAX },
        Taken { kinds: 0x41..=0x41, channels: 0..=0 },
    ]);

    fn chat() -> Reassembler {
        Reassembler::new(Takes::CHAT)
    }

    fn json(message: &[u8]) -> impl Iterator<Item = Vec<u8>> {
        split(TYPE_JSON, 0, message)
    }

    #[test]
    fn a_small_frame_is_golden() {
        let plain: Vec<_> = json(b"{}").collect();
        assert_eq!(plain.len(), 1);
        assert_eq!(plain[0].len() + TAG_LEN + LENGTH_LEN, 498);
        assert_eq!(plain[0][..8], [1, 0, 0, 0, 0, 2, b'{', b'}']);
        assert!(plain[0][8..].iter().all(|b| *b == 0));
    }

    #[test]
    fn sizes_are_classes() {
        for (len, record) in [(0, 498), (474, 498), (475, 996), (972, 996), (973, 1992), (MAX_BODY, 7968)] {
            let plain: Vec<_> = json(&vec![b'x'; len]).collect();
            assert_eq!(plain.len(), 1, "{len}");
            assert_eq!(plain[0].len() + TAG_LEN + LENGTH_LEN, record, "{len}");
        }
        assert_eq!(MAX_BODY, 7944);
        assert_eq!(json(&vec![b'x'; MAX_BODY + 1]).count(), 2);
    }

    #[test]
    fn every_broken_frame_is_refused() {
        let cases = [
            (vec![], FrameError::FrameLength),
            (vec![1, 0, 0, 0, 0], FrameError::FrameLength),
            (vec![1, 0, 0, 0, 0, 1], FrameError::FrameLength),
            (vec![1, 0, 0, 0, 0, 0, 1], FrameError::Padding),
            (vec![0x81, 0, 0, 0, 0, 0], FrameError::Type(0x81)),
            (vec![1, 0, 0, 1, 0, 0], FrameError::Channel(1)),
            (vec![1, 2, 0, 0, 0, 0], FrameError::Flags(2)),
        ];
        for (bytes, error) in cases {
            assert_eq!(chat().push(&bytes), Err(error), "{bytes:?}");
        }
        assert_eq!(chat().push(&[2, 0, 0, 0, 0, 1, 7]), Ok(None), "unknown and not critical");
    }

    #[test]
    fn a_frame_of_another_type_and_channel_has_the_same_bytes_but_for_those() {
        let plain: Vec<_> = split(0x46, 0x0105, b"{}").collect();
        assert_eq!(plain.len(), 1);
        assert_eq!(plain[0][..8], [0x46, 0, 1, 5, 0, 2, b'{', b'}']);
        assert_eq!(plain[0][6..], json(b"{}").next().unwrap()[6..]);
    }

    #[test]
    fn a_link_takes_the_types_and_channels_that_it_is_given_and_no_others() {
        let whole = |kind, channel| Ok(Some(Framed { kind, channel, bytes: b"{}".to_vec() }));
        let cases = [
            (TYPE_JSON, 0, whole(TYPE_JSON, 0)),
            (TYPE_JSON, 1, Err(FrameError::Channel(1))),
            (0x40, 1, whole(0x40, 1)),
            (0x40, u16::MAX, whole(0x40, u16::MAX)),
            (0x40, 0, Err(FrameError::Channel(0))),
            (0x41, 0, whole(0x41, 0)),
            (0x41, 7, whole(0x41, 7)),
            (0x42, 7, Ok(None)),
            (0x3f, 0, Ok(None)),
            (0xc0, 7, Err(FrameError::Type(0xc0))),
        ];
        for (kind, channel, expected) in cases {
            let plain = split(kind, channel, b"{}").next().unwrap();
            assert_eq!(Reassembler::new(SEVERAL).push(&plain), expected, "{kind:#04x} on {channel}");
        }
    }

    #[test]
    fn a_link_for_rooms_takes_every_frame_that_rooms_have_and_no_others() {
        for kind in 0..=u8::MAX {
            let known = !matches!(
                room::Frame::decode(kind, &[], room::RoomId([0; 32])),
                Ok(None) | Err(room::FrameError::Type(_))
            );
            let on = |channel| Takes::ROOM.judge(kind, channel);
            match kind {
                TYPE_JSON => assert_eq!((on(0), on(1)), (Ok(true), Err(FrameError::Channel(1)))),
                _ if known => {
                    assert_eq!(
                        (on(0), on(1), on(u16::MAX)),
                        (Err(FrameError::Channel(0)), Ok(true), Ok(true)),
                        "{kind:#04x}"
                    );
                }
                0..0x80 => assert_eq!((on(0), on(1)), (Ok(false), Ok(false)), "{kind:#04x}"),
                _ => assert_eq!(
                    (on(0), on(1)),
                    (Err(FrameError::Type(kind)), Err(FrameError::Type(kind))),
                    "{kind:#04x}"
                ),
            }
        }
    }

    #[test]
    fn a_message_that_begins_between_the_frames_of_another_ends_the_link() {
        let part = plaintext(0x40, FLAG_MORE, 1, b"a");
        for (kind, channel) in [(0x40, 2), (0x41, 1), (TYPE_JSON, 0)] {
            // An empty first frame begins a message, too.
            for first in [&part, &plaintext(0x40, FLAG_MORE, 1, b"")] {
                let mut reassembler = Reassembler::new(SEVERAL);
                assert_eq!(reassembler.push(first), Ok(None));
                assert_eq!(reassembler.push(&plaintext(kind, 0, channel, b"b")), Err(FrameError::Interleaved));
            }
        }
        // What the link skips may come there, and the next message may come on another channel.
        let mut reassembler = Reassembler::new(SEVERAL);
        for plain in [&part, &plaintext(0x42, FLAG_MORE, 2, b"?"), &part] {
            assert_eq!(reassembler.push(plain), Ok(None));
        }
        let end = reassembler.push(&plaintext(0x40, 0, 1, b"b"));
        assert_eq!(end, Ok(Some(Framed { kind: 0x40, channel: 1, bytes: b"aab".to_vec() })));
        let next = reassembler.push(&plaintext(0x41, 0, 2, b"c"));
        assert_eq!(next, Ok(Some(Framed { kind: 0x41, channel: 2, bytes: b"c".to_vec() })));
    }

    #[test]
    fn what_is_not_whole_yet_is_told_from_what_is() {
        let long = vec![b'x'; MAX_BODY + 1];
        let mut parts = json(&long);
        let mut reassembler = chat();
        assert!(!reassembler.is_unfinished());
        reassembler.push(&parts.next().unwrap()).unwrap();
        assert!(reassembler.is_unfinished());
        // A frame that is skipped changes nothing.
        reassembler.push(&plaintext(2, 0, 0, b"?")).unwrap();
        assert!(reassembler.is_unfinished());
        assert!(reassembler.push(&parts.next().unwrap()).unwrap().is_some());
        assert!(!reassembler.is_unfinished());
        for (length, long) in [(CELL, false), (2 * CELL, true), (16 * CELL, true)] {
            let mut decoder = RecordDecoder::default();
            assert!(!decoder.is_in_long_record());
            decoder.push(&u16::try_from(length - LENGTH_LEN).unwrap().to_be_bytes());
            assert_eq!(decoder.is_in_long_record(), long, "{length}");
            decoder.push(&vec![0; length - LENGTH_LEN]);
            assert!(!decoder.is_in_long_record(), "it is whole");
            assert!(decoder.next_record().unwrap().is_some());
            assert!(!decoder.is_in_long_record());
        }
    }

    #[test]
    fn a_message_without_end_is_refused() {
        let mut reassembler = chat();
        let frame = plaintext(TYPE_JSON, FLAG_MORE, 0, &[b'x'; MAX_BODY]);
        let fitting = limits::PEER_OBJECT_BYTES / MAX_BODY;
        for _ in 0..fitting {
            assert_eq!(reassembler.push(&frame), Ok(None));
        }
        assert_eq!(reassembler.push(&frame), Err(FrameError::TooLong));
    }

    #[test]
    fn only_five_record_lengths_exist() {
        for length in 0..=u16::MAX {
            let mut decoder = RecordDecoder::default();
            decoder.push(&length.to_be_bytes());
            let good = [496, 994, 1990, 3982, 7966].contains(&length);
            assert_eq!(decoder.next_record().is_ok(), good, "{length}");
        }
    }

    proptest! {
        #[test]
        fn any_message_survives_any_cutting(
            message in proptest::collection::vec(any::<u8>(), 0..30_000),
            cuts in proptest::collection::vec(1usize..5_000, 1..20),
        ) {
            // The cipher only adds a tag, so zeros stand in for it here.
            let mut wire = Vec::new();
            for plain in json(&message) {
                wire.extend(u16::try_from(plain.len() + TAG_LEN).unwrap().to_be_bytes());
                wire.extend(&plain);
                wire.extend([0; TAG_LEN]);
            }
            let mut decoder = RecordDecoder::default();
            let mut reassembler = chat();
            let mut found = Vec::new();
            let mut rest = &wire[..];
            for cut in cuts.iter().cycle() {
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                decoder.push(now);
                while let Some(record) = decoder.next_record().unwrap() {
                    found.extend(reassembler.push(&record[..record.len() - TAG_LEN]).unwrap());
                }
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(found, vec![Framed { kind: TYPE_JSON, channel: 0, bytes: message }]);
        }

        #[test]
        fn any_messages_one_after_the_other_keep_their_types_and_channels(
            messages in proptest::collection::vec(
                (prop_oneof![Just(0x40u8), Just(0x41)], 1..=u16::MAX, proptest::collection::vec(any::<u8>(), 0..20_000)),
                0..5,
            ),
        ) {
            let mut reassembler = Reassembler::new(SEVERAL);
            for (kind, channel, bytes) in messages {
                let mut found = Vec::new();
                for plain in split(kind, channel, &bytes) {
                    found.extend(reassembler.push(&plain).unwrap());
                }
                prop_assert_eq!(found, vec![Framed { kind, channel, bytes }]);
            }
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..9_000)) {
            let mut decoder = RecordDecoder::default();
            decoder.push(&bytes);
            while let Ok(Some(record)) = decoder.next_record() {
                let _ = chat().push(record);
            }
            for takes in [Takes::CHAT, SEVERAL] {
                let _ = Reassembler::new(takes).push(&bytes);
            }
        }
    }
}
