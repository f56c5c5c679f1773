//! What holds for every frame: the order of what is encoded, its parts, first frames, the words of errors.

use super::frames::{author, decode, heads, in_order, rivals, samples};
use super::{hello, maker};
use torchat_protocol::room::{Author, Event, Frame, FrameError, Head, Header, Signature, Tag};

#[test]
fn every_frame_is_a_sample() {
    let kinds: std::collections::BTreeSet<_> = samples().iter().map(|(_, frame)| frame.kind()).collect();
    let known: std::collections::BTreeSet<_> =
        (0..=255).filter(|kind| !matches!(decode(*kind, b""), Ok(None) | Err(FrameError::Type(_)))).collect();
    assert_eq!(kinds, known);
}

#[test]
fn what_is_encoded_is_in_order_whatever_order_was_given() {
    let (one, other) = in_order(rivals());
    let fork = Frame::Fork(Box::new((one.clone(), other.clone())));
    assert_eq!(Frame::Fork(Box::new((other, one))).encode(), fork.encode());
    let mut backwards = heads();
    backwards.reverse();
    assert_eq!(Frame::Have(backwards).encode(), Frame::Have(heads()).encode());
    let empty = Head { author: maker(), seq: 0, tag: Tag([1; 8]) };
    let nothing = Head { author: Author::ACTS, seq: 0, tag: Tag::NONE };
    assert_eq!(Frame::Have(vec![empty]).encode(), Frame::Have(vec![nothing]).encode());
    let chains = vec![(maker(), 3), (Author::ACTS, 1), (maker(), 9), (maker(), 4)];
    assert_eq!(
        decode(0x48, &Frame::Stored(chains).encode()),
        Ok(Some(Frame::Stored(vec![(Author::ACTS, 1), (maker(), 9)])))
    );
    let places = vec![(maker(), 3), (maker(), 1), (maker(), 3)];
    assert_eq!(decode(0x4d, &Frame::Body(places).encode()), Ok(Some(Frame::Body(vec![(maker(), 1), (maker(), 3)]))));
    let base = vec![hello().stripped(), hello().stripped()];
    assert_eq!(decode(0x45, &Frame::Base(base).encode()), Ok(Some(Frame::Base(vec![hello().stripped()]))));
}

#[test]
fn what_is_too_long_for_one_message_is_said_in_parts() {
    let many = 50_000u32;
    let base: Vec<_> = (1..=5_000)
        .map(|n| Event::without_body(Header { author: author(n << 8), ..*hello().header() }, Signature([1; 64])))
        .collect();
    let stored: Vec<_> = (1..=many).map(|n| (author(n << 8), 1)).collect();
    let body: Vec<_> = (1..=many).map(|n| (maker(), u64::from(n))).collect();
    for frame in [Frame::Base(base), Frame::Stored(stored), Frame::Body(body)] {
        let parts = frame.clone().parts();
        assert!(parts.len() > 1);
        for part in &parts {
            assert_eq!(decode(part.kind(), &part.encode()), Ok(Some(part.clone())));
        }
        let all: Vec<u8> = parts.iter().flat_map(Frame::encode).collect();
        assert_eq!(all, frame.encode());
    }
    assert_eq!(Frame::Reset.parts(), [Frame::Reset]);
    // A frontier is cut, because it is one message.
    let heads: Vec<_> = (0..30_000).map(|n| Head { author: author(n << 8), seq: 1, tag: Tag([1; 8]) }).collect();
    let Ok(Some(Frame::Have(read))) = decode(0x44, &Frame::Have(heads.clone()).encode()) else { panic!() };
    assert_eq!(read, heads[..26_000]);
}

#[test]
fn a_first_frame_opens_or_joins() {
    for (name, frame) in samples() {
        let read = Frame::decode_first(frame.kind(), &frame.encode());
        match frame {
            Frame::Open(_) | Frame::Join(_) => assert_eq!(read, Ok(Some(frame)), "{name}"),
            _ => assert_eq!(read, Err(FrameError::First(frame.kind())), "{name}"),
        }
    }
    assert!(Frame::decode_first(0x40, b"").is_err());
    assert_eq!(Frame::decode_first(0x80, b""), Err(FrameError::Type(0x80)));
}

#[test]
fn an_error_has_none_of_the_peers_words() {
    for (kind, bytes) in [
        (0x50, &br#"{"secretword":1,"secretword":2}"#[..]),
        (0x50, br#"{"room":"secretword"}"#),
        (0x51, br#"{"st":"secretword"}"#),
        (0x42, b"\0\0\0\0\0secretword\xff"),
        (0x52, br#"secretword"#),
    ] {
        let error = decode(kind, bytes).unwrap_err();
        assert!(!error.to_string().contains("secret") && !format!("{error:?}").contains("secret"), "{error:?}");
    }
}
