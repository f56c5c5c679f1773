//! The test vectors of the peer protocol, `docs/vectors/*.json`: made by the code, so that they cannot drift from it.
//!
//! `UPDATE_GOLDEN=1` writes them anew, which is a new version of the protocol. `testing/spec` reads them with another
//! implementation, which knows nothing but what `docs/PROTOCOL.md` says.
#![allow(clippy::unwrap_used)]

#[path = "vectors/ids.rs"]
mod ids;
#[path = "vectors/lanes.rs"]
mod lanes;
#[path = "vectors/life.rs"]
mod life;
#[path = "vectors/messages.rs"]
mod messages;
#[path = "vectors/wire.rs"]
mod wire;

use serde_json::Value;
use std::fmt::Write as _;
use torchat_core::handshake::LocalIdentity;
use torchat_core::input::{Input, LinkId, LinkInput};
use torchat_protocol::id::PeerId;

/// The moment of all vectors, in seconds since 1970.
const NOW_S: u64 = 1_790_000_000;

/// Compares with `docs/vectors/NAME.json`.
fn compare(name: &str, vectors: &Value) {
    let mut text = ascii(&serde_json::to_string_pretty(vectors).unwrap());
    text.push('\n');
    let path = format!("{}/../../docs/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap() == text,
        "docs/vectors/{name}.json is not what the code does. If the protocol is meant to change: UPDATE_GOLDEN=1"
    );
}

/// JSON with escapes for all that is not ASCII, which stands only in strings: nothing invisible lies in the files.
fn ascii(json: &str) -> String {
    let mut text = String::new();
    for c in json.chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(text, "\\u{unit:04x}").unwrap();
            }
        }
    }
    text
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// The link of all vectors came up. The peer dialled.
fn came(peer: PeerId) -> Input {
    Input::Link(LinkInput::Up { link: LinkId(1), peer, outgoing: false, binding: [3; 32], epoch: 1 })
}

/// The two ends of the vectors.
fn client() -> LocalIdentity {
    LocalIdentity::from_seeds(&[1; 32], &[101; 32], NOW_S).unwrap()
}

fn server() -> LocalIdentity {
    LocalIdentity::from_seeds(&[2; 32], &[102; 32], NOW_S).unwrap()
}
