//! Identities, invites, certificates.

use super::{NOW_S, client, compare, hex, server};
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::CompressedEdwardsY;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde_json::json;
use torchat_protocol::cert::{self, DeviceCert};
use torchat_protocol::id::{PeerId, parse_onion};
use torchat_protocol::invite::Invite;

/// The example of rend-spec-v3.
const GOOD: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd";

#[test]
fn identities_and_invites() {
    let mut onions = vec![json!({ "key": hex(parse_onion(GOOD).unwrap().as_bytes()), "onion": GOOD })];
    for (seed, identity) in [(1u8, client()), (2, server())] {
        let onion = identity.peer_id().onion();
        assert_eq!(parse_onion(&onion), Ok(identity.peer_id()));
        onions.push(json!({ "seed": hex([seed; 32]), "key": hex(identity.peer_id().as_bytes()), "onion": onion }));
    }
    let bad = [
        (String::new(), "length"),
        (GOOD[..55].to_owned(), "length"),
        (format!("{GOOD}.onion.onion"), "length"),
        (format!("www.{GOOD}.onion"), "length"),
        (GOOD.to_uppercase(), "upper case"),
        (GOOD.replace('p', "1"), "character"),
        (format!("q{}", &GOOD[1..]), "checksum"),
        (format!("{}e", &GOOD[..55]), "version"),
    ];
    for (text, why) in &bad {
        assert!(parse_onion(text).is_err(), "{why}: {text}");
    }
    // The eight keys that differ from an honest one by a torsion point, and encodings of no honest point.
    let point = CompressedEdwardsY(*client().peer_id().as_bytes()).decompress().unwrap();
    let mut keys: Vec<[u8; 32]> = EIGHT_TORSION.iter().map(|torsion| (point + *torsion).compress().0).collect();
    keys.extend(EIGHT_TORSION.iter().map(|torsion| torsion.compress().0));
    // y = p + 3, which is 3 in another spelling, and a y without a point.
    let mut other_spelling = [0xff; 32];
    (other_spelling[0], other_spelling[31]) = (0xf0, 0x7f);
    let mut no_point = [0; 32];
    no_point[0] = 2;
    keys.extend([other_spelling, no_point]);
    let keys: Vec<_> =
        keys.into_iter().map(|key| json!({ "key": hex(key), "valid": PeerId::from_key(key).is_ok() })).collect();
    assert_eq!(keys.iter().filter(|key| key["valid"] == true).count(), 1);

    let secret = "000102030405060708090a0b0c0d0e0f";
    let invite = format!("torchat:{GOOD}?i={secret}");
    assert_eq!(invite.parse::<Invite>().unwrap().to_string(), invite);
    let bad_invites = [
        invite.to_uppercase(),
        invite.replace("?i=", ".onion?i="),
        invite.replace("0f", "0F"),
        invite[..invite.len() - 1].to_owned(),
        format!("{invite} "),
        format!("torchat:{GOOD}"),
    ];
    for text in &bad_invites {
        assert!(text.parse::<Invite>().is_err(), "{text}");
    }
    let bad: Vec<_> = bad.iter().map(|(text, why)| json!({ "text": text, "why": why })).collect();
    compare(
        "identities",
        &json!({
            "onions": onions,
            "bad_onions": bad,
            "keys": keys,
            "invite": { "text": invite, "onion": GOOD, "secret": secret },
            "bad_invites": bad_invites,
        }),
    );
}

#[test]
fn certificates() {
    let mut certificates = Vec::new();
    for (seed, device, epoch) in [(1u8, 101u8, 1), (2, 102, 1), (1, 101, 1_790_000_000)] {
        let identity = if seed == 1 { client() } else { server() }.with_epoch(epoch);
        let cert = *identity.cert();
        let bytes = cert.encode();
        let key = VerifyingKey::from_bytes(&cert.identity).unwrap();
        assert!(key.verify_strict(&cert.to_be_signed(), &Signature::from_bytes(&cert.signature)).is_ok());
        certificates.push(json!({
            "seed": hex([seed; 32]),
            "device_secret": hex([device; 32]),
            "made_at": NOW_S,
            "identity": hex(cert.identity),
            "device": hex(cert.device),
            "number": cert.dev_no,
            "epoch": cert.epoch,
            "not_before": cert.not_before,
            "not_after": cert.not_after,
            "signed": hex(cert.to_be_signed()),
            "certificate": hex(bytes),
        }));
    }
    let good = *client().cert();
    let times = [
        good.not_before - cert::CLOCK_SKEW_S - 1,
        good.not_before - cert::CLOCK_SKEW_S,
        NOW_S,
        good.not_after + cert::CLOCK_SKEW_S,
        good.not_after + cert::CLOCK_SKEW_S + 1,
    ];
    let times: Vec<_> = times.map(|at| json!({ "at": at, "valid": good.is_current(at) })).into();
    // One changed bit in every field, and wrong lengths.
    let mut bad = Vec::new();
    for (at, field) in [
        (0, "identity"),
        (32, "device"),
        (64, "number"),
        (68, "epoch"),
        (76, "not_before"),
        (84, "not_after"),
        (85, "signature"),
        (148, "signature"),
    ] {
        let mut bytes = good.encode();
        bytes[at] ^= 1;
        let cert = DeviceCert::decode(&bytes).unwrap();
        let verified = VerifyingKey::from_bytes(&cert.identity)
            .and_then(|key| key.verify_strict(&cert.to_be_signed(), &Signature::from_bytes(&cert.signature)));
        assert!(verified.is_err(), "{field}");
        bad.push(json!({ "certificate": hex(bytes), "why": format!("a bit of {field} is changed") }));
    }
    for bytes in [good.encode()[..148].to_vec(), [good.encode(), vec![0]].concat()] {
        assert!(DeviceCert::decode(&bytes).is_none());
        bad.push(json!({ "certificate": hex(bytes), "why": "length" }));
    }
    // Signed well by the first identity, looked at when they are current: what they say of themselves decides.
    let spans = [
        (1, 0, cert::VALID_S, "90 days"),
        (1, 12_345, 12_346, "a second, and not from midnight on"),
        (u32::MAX, 0, cert::VALID_S, "the last epoch"),
        (1, 0, cert::VALID_S + 1, "90 days and a second"),
        (1, 0, 91 * 86_400, "91 days"),
        (1, 0, 0, "no time at all"),
        (1, 3_600, 0, "ends before it begins"),
        (0, 0, cert::VALID_S, "epoch 0"),
    ];
    let spans: Vec<_> = spans
        .into_iter()
        .map(|(epoch, from, to, why)| {
            let (not_before, not_after) = (good.not_before + from, good.not_before + to);
            let mut cert = DeviceCert { epoch, not_before, not_after, ..good };
            cert.signature = SigningKey::from_bytes(&[1; 32]).sign(&cert.to_be_signed()).to_bytes();
            assert!(cert.is_current(NOW_S), "{why}");
            json!({ "certificate": hex(cert.encode()), "at": NOW_S, "valid": cert.is_sound(), "why": why })
        })
        .collect();
    assert_eq!(spans.iter().filter(|span| span["valid"] == true).count(), 3);
    compare(
        "certificates",
        &json!({ "certificates": certificates, "times_of_the_first": times, "bad": bad, "spans": spans }),
    );
}
