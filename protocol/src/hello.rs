//! The first, clear bytes of a link: which versions of the protocol the two ends speak.
//!
//! Both hellos enter the handshake's prologue, so an attacker who strips a version from the list breaks the handshake.

use crate::id::PeerId;

/// The first four bytes of both hellos. Its first byte tells our protocol from everything else on the onion port.
pub const MAGIC: [u8; 4] = *b"TCHT";
/// The only version so far.
pub const VERSION: u8 = 1;
/// The server's answer when it speaks none of the client's versions.
pub const NO_VERSION: u8 = 0xff;
/// Bytes of the server's hello.
pub const SERVER_HELLO_LEN: usize = 5;
/// Most versions of a client's hello.
const MAX_VERSIONS: usize = 8;
/// No version: an answer of this kind would read like [`NO_VERSION`], or like a field that nobody has set.
const NEVER: [u8; 2] = [0, NO_VERSION];

/// Why the first bytes are not ours. The stream is closed without a byte in answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// Another protocol: a web browser, an old daemon, a scanner.
    #[error("not this protocol")]
    Magic,
    /// None, too many, or repeated versions, or one that is none: 0 and 0xff.
    #[error("a bad list of versions")]
    Versions,
    /// We have no version in common.
    #[error("no common version")]
    NoCommonVersion,
}

/// The client's hello.
#[must_use]
pub fn client_hello() -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, VERSION]);
    bytes
}

/// The server's hello.
#[must_use]
pub fn server_hello(chosen: u8) -> [u8; SERVER_HELLO_LEN] {
    let [a, b, c, d] = MAGIC;
    [a, b, c, d, chosen]
}

/// Looks for a client's hello at the start of `bytes`: its length, or `None` while bytes are missing. The magic
/// and the count are judged byte by byte, the versions once all of them are there; later bytes never change a verdict.
///
/// # Errors
/// [`HelloError`]; for [`HelloError::NoCommonVersion`] the server may answer [`NO_VERSION`].
pub fn parse_client_hello(bytes: &[u8]) -> Result<Option<usize>, HelloError> {
    if bytes.iter().zip(MAGIC).any(|(found, expected)| *found != expected) {
        return Err(HelloError::Magic);
    }
    let Some(&count) = bytes.get(MAGIC.len()) else { return Ok(None) };
    let count = usize::from(count);
    if !(1..=MAX_VERSIONS).contains(&count) {
        return Err(HelloError::Versions);
    }
    let end = MAGIC.len() + 1 + count;
    let Some(versions) = bytes.get(MAGIC.len() + 1..end) else { return Ok(None) };
    let twice = versions.iter().enumerate().any(|(n, version)| versions.iter().take(n).any(|before| before == version));
    if twice || versions.iter().any(|v| NEVER.contains(v)) {
        return Err(HelloError::Versions);
    }
    if versions.contains(&VERSION) { Ok(Some(end)) } else { Err(HelloError::NoCommonVersion) }
}

/// Looks for a server's hello at the start of `bytes`, as [`parse_client_hello`] does for a client's.
///
/// # Errors
/// [`HelloError`].
pub fn parse_server_hello(bytes: &[u8]) -> Result<Option<usize>, HelloError> {
    if bytes.iter().zip(MAGIC).any(|(found, expected)| *found != expected) {
        return Err(HelloError::Magic);
    }
    match bytes.get(MAGIC.len()) {
        None => Ok(None),
        Some(&VERSION) => Ok(Some(SERVER_HELLO_LEN)),
        Some(_) => Err(HelloError::NoCommonVersion),
    }
}

/// What both ends must agree on before the handshake's first byte: the service that was dialled and both hellos.
#[must_use]
pub fn prologue(service: &PeerId, client_hello: &[u8], server_hello: &[u8]) -> Vec<u8> {
    let mut bytes = b"torchatd/1 peer session\0".to_vec();
    bytes.extend(service.as_bytes());
    for hello in [client_hello, server_hello] {
        bytes.extend(u32::try_from(hello.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(hello);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hellos_are_golden() {
        assert_eq!(client_hello(), b"TCHT\x01\x01");
        assert_eq!(server_hello(VERSION), *b"TCHT\x01");
        assert_eq!(parse_client_hello(&client_hello()), Ok(Some(6)));
        assert_eq!(parse_server_hello(&server_hello(VERSION)), Ok(Some(5)));
    }

    #[test]
    fn every_bad_hello_is_refused_at_its_first_bad_byte() {
        for bad in [&b"G"[..], b"{", b"0", b"\x16\x03\x01", b"\x00", b"TCHX", b"TX", b"t"] {
            assert_eq!(parse_client_hello(bad), Err(HelloError::Magic), "{bad:?}");
            assert_eq!(parse_server_hello(bad), Err(HelloError::Magic), "{bad:?}");
        }
        for bad in [&b"TCHT\x00"[..], b"TCHT\x09", b"TCHT\xff", b"TCHT\x02\x01\x01", b"TCHT\x03\x01\x02\x02"] {
            assert_eq!(parse_client_hello(bad), Err(HelloError::Versions), "{bad:?}");
        }
        for bad in
            [&b"TCHT\x01\x00"[..], b"TCHT\x01\xff", b"TCHT\x02\x01\x00", b"TCHT\x02\xff\x01", b"TCHT\x03\x02\x00\xff"]
        {
            assert_eq!(parse_client_hello(bad), Err(HelloError::Versions), "{bad:?}");
        }
        assert_eq!(parse_client_hello(b"TCHT\x02\xfe\x01"), Ok(Some(7)));
        assert_eq!(parse_client_hello(b"TCHT\x02\x02\x03"), Err(HelloError::NoCommonVersion));
        assert_eq!(parse_server_hello(b"TCHT\xff"), Err(HelloError::NoCommonVersion));
    }

    #[test]
    fn every_prefix_of_a_hello_waits_for_more() {
        let hello = b"TCHT\x03\x02\x01\x03";
        for n in 0..hello.len() {
            assert_eq!(parse_client_hello(&hello[..n]), Ok(None), "{n}");
        }
        assert_eq!(parse_client_hello(hello), Ok(Some(hello.len())));
        assert_eq!(parse_client_hello(b"TCHT\x01\x01more"), Ok(Some(6)));
    }

    proptest! {
        #[test]
        fn later_bytes_never_change_a_verdict(
            good in 0usize..=4,
            bytes in proptest::collection::vec(prop_oneof![0u8..10, any::<u8>()], 0..20),
        ) {
            let all: Vec<u8> = MAGIC[..good].iter().copied().chain(bytes).collect();
            for parse in [parse_client_hello, parse_server_hello] {
                let verdicts: Vec<_> = (0..=all.len()).map(|n| parse(&all[..n])).collect();
                let first = verdicts.iter().position(|verdict| *verdict != Ok(None)).unwrap_or(all.len());
                prop_assert!(verdicts[first..].iter().all(|verdict| *verdict == verdicts[first]));
                if let Ok(Some(end)) = verdicts[first] {
                    prop_assert_eq!(end, first, "nothing behind the hello was waited for");
                }
            }
        }
    }
}
