//! Bytes of an onion stream: certificate, hellos, records and frames.

use crate::Seen;
use crate::script::{Script, pieces};
use std::ops::RangeInclusive;
use torchat_protocol::cert::{self, DeviceCert};
use torchat_protocol::frame::{self, FrameError, Framed, Reassembler, RecordDecoder, TYPE_JSON, Taken, Takes};
use torchat_protocol::hello::{self, HelloError};
use torchat_protocol::limits;

/// The bytes as a device certificate.
///
/// # Panics
/// When a certificate has two spellings, the signature leaves a byte out, or the validity is reckoned wrongly.
pub fn cert(data: &[u8]) -> Seen {
    let decoded = DeviceCert::decode(data);
    assert_eq!(decoded.is_some(), data.len() == cert::LEN);
    let Some(decoded) = decoded else { return Seen::Refused };
    assert_eq!(decoded.encode(), data, "one spelling");
    let signed = decoded.to_be_signed();
    assert_eq!(signed, [cert::CONTEXT, &data[..cert::LEN - 64]].concat(), "every byte is signed");
    let (start, end) = (i128::from(decoded.not_before), i128::from(decoded.not_after));
    let skew = i128::from(cert::CLOCK_SKEW_S);
    for now in [decoded.not_before, decoded.not_after, 0, u64::MAX, decoded.not_before.wrapping_sub(cert::CLOCK_SKEW_S)]
    {
        let exact = (start - skew..=end + skew).contains(&i128::from(now));
        assert_eq!(decoded.is_current(now), exact, "at {now}");
    }
    let sound = decoded.epoch >= 1 && (1..=i128::from(cert::VALID_S)).contains(&(end - start));
    assert_eq!(decoded.is_sound(), sound, "90 days at most, and an epoch");
    Seen::Taken
}

/// The bytes as both hellos.
///
/// # Panics
/// When later bytes change a verdict, or something is accepted that no hello is.
pub fn hello(data: &[u8]) -> Seen {
    let client = settled(data, hello::parse_client_hello);
    if let Some(end) = client {
        let (magic, rest) = data[..end].split_at(4);
        assert_eq!(magic, hello::MAGIC);
        assert_eq!(usize::from(rest[0]), rest.len() - 1, "as many versions as it says");
        assert!(rest[1..].contains(&hello::VERSION));
        let mut versions = rest[1..].to_vec();
        versions.sort_unstable();
        versions.dedup();
        assert_eq!(versions.len(), rest.len() - 1, "none twice");
        assert!(!versions.contains(&0) && !versions.contains(&hello::NO_VERSION), "none that is none");
    }
    let server = settled(data, hello::parse_server_hello);
    if let Some(end) = server {
        assert_eq!(data[..end], hello::server_hello(hello::VERSION), "one spelling");
    }
    if client.or(server).is_some() { Seen::Taken } else { Seen::Refused }
}

fn settled(data: &[u8], parse: fn(&[u8]) -> Result<Option<usize>, HelloError>) -> Option<usize> {
    let whole = parse(data);
    let first = (0..=data.len()).map(|n| (n, parse(&data[..n]))).find(|(_, verdict)| *verdict != Ok(None));
    match first {
        None => assert_eq!(whole, Ok(None)),
        Some((n, verdict)) => {
            assert_eq!(whole, verdict, "later bytes change nothing");
            if let Ok(Some(end)) = verdict {
                assert_eq!(end, n, "nothing behind the hello is waited for");
                return Some(end);
            }
        }
    }
    None
}

/// The bytes as a stream of records, whole and in pieces.
///
/// # Panics
/// When the cuts change what is found, or a byte is lost, added or kept.
pub fn records(data: &[u8]) -> Seen {
    let mut script = Script::new(data);
    let seed = script.byte();
    let stream = script.rest();
    let whole = cut(&mut std::iter::once(stream));
    assert_eq!(whole, cut(&mut pieces(stream, seed)), "a cut changes nothing");
    let mut at = 0;
    for record in &whole.0 {
        let cells = (record.len() + frame::LENGTH_LEN) / 498;
        assert!((record.len() + frame::LENGTH_LEN).is_multiple_of(498) && cells.is_power_of_two() && cells <= 16);
        let wire = [&u16::try_from(record.len()).unwrap_or(0).to_be_bytes(), record.as_slice()].concat();
        assert!(stream[at..].starts_with(&wire), "the bytes of the stream, in order");
        at += wire.len();
    }
    if whole.1.is_none() {
        assert!(stream.len() - at < 16 * 498, "a whole record is never held back");
    }
    if whole.0.is_empty() { Seen::Refused } else { Seen::Taken }
}

fn cut(stream: &mut dyn Iterator<Item = &[u8]>) -> (Vec<Vec<u8>>, Option<FrameError>) {
    let mut decoder = RecordDecoder::default();
    let mut found = Vec::new();
    for piece in stream {
        decoder.push(piece);
        loop {
            match decoder.next_record() {
                Ok(Some(record)) => found.push(record.to_vec()),
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    (found, None)
}

/// A link of another purpose than chat: JSON on channel 0, one type on the other channels.
const SEVERAL: Takes = Takes(&[
    Taken { kinds: TYPE_JSON..=TYPE_JSON, channels: 0..=0 },
    Taken { kinds: 0x40..=0x40, channels: 1..=u16::MAX },
]);

/// The bytes as the plaintexts of records, of chat and of a link with several channels, and as a message that is cut into
/// frames.
///
/// # Panics
/// When something else is accepted than what the frames say, or a message is not put together again.
pub fn frames(data: &[u8]) -> Seen {
    put_together_again(data);
    pushed(data, SEVERAL, |kind| match kind {
        TYPE_JSON => Some(0..=0),
        0x40 => Some(1..=u16::MAX),
        _ => None,
    });
    pushed(data, Takes::CHAT, |kind| (kind == TYPE_JSON).then_some(0..=0))
}

/// What a link takes, type by type, is said a second time by `channels`.
fn pushed(data: &[u8], takes: Takes, channels: impl Fn(u8) -> Option<RangeInclusive<u16>>) -> Seen {
    let mut script = Script::new(data);
    let mut reassembler = Reassembler::new(takes);
    let mut unfinished: Option<Framed> = None;
    let mut seen = Seen::Refused;
    while !script.is_over() {
        // Lengths near the shortest are the interesting ones.
        let length = script.below(64);
        let plaintext = script.take(length);
        let expected = expect(plaintext, &channels, &mut unfinished);
        let found = reassembler.push(plaintext);
        assert_eq!(found, expected);
        match found {
            Err(_) => return seen,
            Ok(Some(_)) => seen = Seen::Taken,
            Ok(None) => {}
        }
        assert_eq!(reassembler.is_unfinished(), unfinished.is_some());
    }
    seen
}

/// The page's rules for frames, written anew.
fn expect(
    plaintext: &[u8],
    channels: impl Fn(u8) -> Option<RangeInclusive<u16>>,
    unfinished: &mut Option<Framed>,
) -> Result<Option<Framed>, FrameError> {
    let [kind, flags, channel_high, channel_low, high, low, rest @ ..] = plaintext else {
        return Err(FrameError::FrameLength);
    };
    let (channel, length) = (u16::from_be_bytes([*channel_high, *channel_low]), u16::from_be_bytes([*high, *low]));
    let Some((body, padding)) = rest.split_at_checked(usize::from(length)) else { return Err(FrameError::FrameLength) };
    if padding.iter().any(|byte| *byte != 0) {
        return Err(FrameError::Padding);
    }
    let Some(channels) = channels(*kind) else {
        return if *kind < 0x80 { Ok(None) } else { Err(FrameError::Type(*kind)) };
    };
    if !channels.contains(&channel) {
        return Err(FrameError::Channel(channel));
    }
    if *flags > 1 {
        return Err(FrameError::Flags(*flags));
    }
    let mut framed = unfinished.take().unwrap_or(Framed { kind: *kind, channel, bytes: Vec::new() });
    if (framed.kind, framed.channel) != (*kind, channel) {
        return Err(FrameError::Interleaved);
    }
    framed.bytes.extend(body);
    if framed.bytes.len() > limits::PEER_OBJECT_BYTES {
        return Err(FrameError::TooLong);
    }
    if *flags == 0 {
        return Ok(Some(framed));
    }
    *unfinished = Some(framed);
    Ok(None)
}

fn put_together_again(message: &[u8]) {
    // Long enough for every size of a record, and for a second one.
    let long;
    let message = match message.first() {
        Some(times @ 1..=8) => {
            long = message.repeat(usize::from(*times));
            &long
        }
        _ => message,
    };
    for (kind, channel) in [(TYPE_JSON, 0), (0x40, 0x0102)] {
        let mut reassembler = Reassembler::new(SEVERAL);
        let plaintexts: Vec<_> = frame::split(kind, channel, message).collect();
        for (n, plaintext) in plaintexts.iter().enumerate() {
            let length = plaintext.len() + frame::TAG_LEN + frame::LENGTH_LEN;
            assert!([498, 996, 1992, 3984, 7968].contains(&length));
            let found = reassembler.push(plaintext);
            let whole = n + 1 == plaintexts.len();
            assert_eq!(found, Ok(whole.then(|| Framed { kind, channel, bytes: message.to_vec() })));
        }
    }
}
