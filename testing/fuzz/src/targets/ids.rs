//! Identities as text: onions, hexadecimal ids, invites. Each has one spelling.

use crate::Seen;
use crate::script::Script;
use data_encoding::BASE32_NOPAD;
use sha3::{Digest as _, Sha3_256};
use std::fmt::Display;
use std::str::FromStr;
use torchat_protocol::id::{Chain, InviteSecret, LaneId, MessageId, ONION_CHARS, PeerId, RunId, parse_onion};
use torchat_protocol::invite::Invite;

/// The bytes as an onion's text, and as the key of an onion whose text is right.
///
/// # Panics
/// When an onion has two spellings, or the key and its text are judged differently.
pub fn onion(data: &[u8]) -> Seen {
    let mut seen = Seen::Refused;
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(peer) = parse_onion(text)
    {
        assert!(peer.onion() == text || peer.onion() == format!("{text}.onion"), "another spelling: {text:?}");
        check(&peer);
        seen = Seen::Taken;
    }
    let mut script = Script::new(data);
    let key = script.array::<32>();
    let text = address(&key, 3);
    let by_key = PeerId::from_key(key);
    assert_eq!(parse_onion(&text), by_key, "the key and its address are judged alike");
    assert!(parse_onion(&address(&key, script.byte() | 4)).is_err(), "another version");
    assert!(parse_onion(&text.to_uppercase()).is_err(), "upper case");
    if let Ok(peer) = by_key {
        assert_eq!((peer.as_bytes(), peer.onion()), (&key, format!("{text}.onion")));
        check(&peer);
        mistyped(&mut script, &text, peer);
        seen = Seen::Taken;
    }
    seen
}

fn check(peer: &PeerId) {
    let onion = peer.onion();
    assert_eq!(onion.len(), ONION_CHARS + 6);
    assert_eq!(parse_onion(&onion), Ok(*peer));
    assert_eq!(parse_onion(&onion[..ONION_CHARS]), Ok(*peer));
    assert_eq!(PeerId::from_key(*peer.as_bytes()), Ok(*peer));
    let logged = format!("{peer:?}");
    assert!(logged.contains(&onion[..4]) && !logged.contains(&onion[..5]), "a log shows four characters: {logged}");
}

/// A checksum of 16 bits lets one of 65,536 mistakes through; never to the same peer.
fn mistyped(script: &mut Script<'_>, text: &str, peer: PeerId) {
    let at = script.below(ONION_CHARS);
    let other = b"abcdefghijklmnopqrstuvwxyz234567"[script.below(32)];
    let mut changed = text.as_bytes().to_vec();
    changed[at] = other;
    let changed = String::from_utf8_lossy(&changed).into_owned();
    if let Ok(found) = parse_onion(&changed) {
        assert_eq!(found == peer, changed == text);
        assert_eq!(found.onion(), format!("{changed}.onion"));
    }
}

/// rend-spec-v3 6, written anew.
fn address(key: &[u8; 32], version: u8) -> String {
    let sum = Sha3_256::new().chain_update(b".onion checksum").chain_update(key).chain_update([version]).finalize();
    let mut raw = key.to_vec();
    raw.extend([sum[0], sum[1], version]);
    BASE32_NOPAD.encode(&raw).to_ascii_lowercase()
}

/// The bytes as every kind of hexadecimal id.
///
/// # Panics
/// When an id has two spellings or is not read back.
pub fn hex_ids(data: &[u8]) -> Seen {
    let mut script = Script::new(data);
    read_back(&MessageId(script.array()));
    read_back(&LaneId(script.array()));
    let Ok(text) = std::str::from_utf8(data) else { return Seen::Refused };
    let short = one_spelling::<LaneId>(text).or(one_spelling::<RunId>(text));
    let long = one_spelling::<MessageId>(text).or(one_spelling::<InviteSecret>(text)).or(one_spelling::<Chain>(text));
    assert!(short == Seen::Refused || long == Seen::Refused, "two lengths for one text");
    short.or(long)
}

fn read_back<T: Display + FromStr + PartialEq>(id: &T) {
    assert!(id.to_string().parse().ok().as_ref() == Some(id), "{id} is not read back");
}

fn one_spelling<T: Display + FromStr>(text: &str) -> Seen {
    match text.parse::<T>() {
        Ok(id) => {
            assert_eq!(id.to_string(), text, "another spelling");
            Seen::Taken
        }
        Err(_) => Seen::Refused,
    }
}

/// The bytes as an invite's text.
///
/// # Panics
/// When an invite has two spellings, or something else than an onion and a secret.
pub fn invite(data: &[u8]) -> Seen {
    let Ok(text) = std::str::from_utf8(data) else { return Seen::Refused };
    let Ok(invite) = text.parse::<Invite>() else { return Seen::Refused };
    assert_eq!(invite.to_string(), text, "another spelling");
    assert!(Invite::is_meant(text) && parse_onion(text).is_err());
    assert!(text.contains(&invite.peer.onion()[..ONION_CHARS]) && text.ends_with(&invite.secret.to_string()));
    Seen::Taken
}
