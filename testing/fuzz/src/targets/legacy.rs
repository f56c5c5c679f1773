//! What old daemons say.

use crate::Seen;
use crate::script::{Script, pieces};
use serde_json::Value;
use torchat_protocol::legacy::{CLAIM_BYTES, LegacyError, OBJECT_BYTES, OldMessage, Reader, is_meant};

/// The bytes as a stream from an old daemon, whole and in pieces.
///
/// # Panics
/// When a cut changes the verdict, a message is not what its JSON says, or anything but a RECV is taken.
pub fn stream(data: &[u8]) -> Seen {
    let mut script = Script::new(data);
    let seed = script.byte();
    let bytes = script.rest();
    let whole = read(&mut std::iter::once(bytes));
    assert_eq!(whole, read(&mut pieces(bytes, seed)), "a cut changes nothing");
    let slow = read(&mut bytes.chunks(1));
    assert_eq!(whole, slow, "nor do many");
    let begins = bytes.first().is_some_and(|first| is_meant(*first));
    assert!(begins || bytes.is_empty() || whole == Err(LegacyError::Foreign), "another protocol, at its first byte");
    let Ok(Some(message)) = whole else { return Seen::Refused };
    let object = if bytes[0] == b'{' { bytes } else { &bytes[4..] };
    // What follows is never looked at.
    let mut said = serde_json::Deserializer::from_slice(object).into_iter::<Value>();
    let Some(Ok(value)) = said.next() else { panic!("no JSON, and taken") };
    if bytes[0] != b'{' {
        let length = format!("{:04}", said.byte_offset());
        // White space may stand between the end of the object and that of its length.
        assert!(bytes[..4] >= *length.as_bytes(), "as long as it says");
    }
    let allowed = ["cmd", "id", "msg", "portno", "date"];
    assert!(value.as_object().is_some_and(|keys| keys.keys().all(|key| allowed.contains(&key.as_str()))));
    assert_eq!((value["cmd"].as_str(), value["msg"].as_str()), (Some("RECV"), Some(message.text.as_str())));
    assert!(value.get("date").is_none_or(Value::is_string) && value["portno"].is_i64(), "each key has its type");
    let claim = message.claim.as_str();
    assert_eq!(value["id"].as_str(), Some(claim));
    assert!((1..=CLAIM_BYTES).contains(&claim.len()) && claim.bytes().all(|byte| (0x21..=0x7e).contains(&byte)));
    assert!(message.text.len() <= OBJECT_BYTES);
    Seen::Taken
}

fn read(stream: &mut dyn Iterator<Item = &[u8]>) -> Result<Option<OldMessage>, LegacyError> {
    let mut reader = Reader::default();
    for piece in stream {
        match reader.push(piece) {
            Ok(None) => {}
            verdict => {
                assert_eq!(reader.push(b"{"), Err(LegacyError::Over), "one message, or one error");
                return verdict;
            }
        }
    }
    Ok(None)
}
