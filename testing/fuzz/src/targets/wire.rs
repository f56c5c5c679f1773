//! Bytes of an onion stream: certificate, hellos, records and frames.

use crate::Seen;
use crate::script::{Script, pieces};
use torchat_protocol::cert::{self, DeviceCert};
use torchat_protocol::frame::{self, FrameError, Reassembler, RecordDecoder};
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

/// The bytes as the plaintexts of records, and as a message that is cut into frames.
///
/// # Panics
/// When something else is accepted than what the frames say, or a message is not put together again.
pub fn frames(data: &[u8]) -> Seen {
    put_together_again(data);
    let mut script = Script::new(data);
    let mut reassembler = Reassembler::default();
    let mut expected: Vec<u8> = Vec::new();
    let mut seen = Seen::Refused;
    while !script.is_over() {
        // Lengths near the shortest are the interesting ones.
        let length = script.below(64);
        let plaintext = script.take(length);
        match reassembler.push(plaintext) {
            Err(error) => {
                assert!(!is_json_frame(plaintext) || error == FrameError::TooLong, "{error}");
                return seen;
            }
            Ok(None) if plaintext[0] != frame::TYPE_JSON => assert!(plaintext[0] < 0x80, "a critical type"),
            Ok(found) => {
                assert!(is_json_frame(plaintext));
                let length = usize::from(u16::from_be_bytes([plaintext[4], plaintext[5]]));
                expected.extend(&plaintext[frame::HEADER_LEN..frame::HEADER_LEN + length]);
                assert_eq!(found.is_some(), plaintext[1] == 0, "MORE decides");
                if let Some(message) = found {
                    assert_eq!(message, std::mem::take(&mut expected), "the bodies, in order");
                    assert!(message.len() <= limits::PEER_OBJECT_BYTES);
                    seen = Seen::Taken;
                }
            }
        }
    }
    seen
}

/// The page's rules for a frame of type JSON, written anew.
fn is_json_frame(plaintext: &[u8]) -> bool {
    let [kind, flags, 0, 0, high, low, rest @ ..] = plaintext else { return false };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    *kind == frame::TYPE_JSON
        && *flags <= 1
        && length <= rest.len()
        && rest.get(length..).is_some_and(|padding| padding.iter().all(|byte| *byte == 0))
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
    let mut reassembler = Reassembler::default();
    let plaintexts: Vec<_> = frame::split(message).collect();
    for (n, plaintext) in plaintexts.iter().enumerate() {
        let length = plaintext.len() + frame::TAG_LEN + frame::LENGTH_LEN;
        assert!([498, 996, 1992, 3984, 7968].contains(&length));
        let found = reassembler.push(plaintext);
        let expected = (n + 1 == plaintexts.len()).then(|| message.to_vec());
        assert_eq!(found, Ok(expected));
    }
}
