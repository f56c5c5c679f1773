//! What local programs say, and what they are answered.

use crate::Seen;
use crate::script::{Script, pieces};
use serde_json::Value;
use torchat_protocol::control::finder::{FindError, Finder, Framing};
use torchat_protocol::control::{Reply, Request};
use torchat_protocol::limits;

/// The bytes as a control connection, whole and in pieces; what is found is read as requests.
///
/// # Panics
/// When the cuts change what is found, or an object is not what stands in the stream.
pub fn finder(data: &[u8]) -> Seen {
    let mut script = Script::new(data);
    let seed = script.byte();
    let stream = script.rest();
    let whole = find(&mut std::iter::once(stream));
    let cut = find(&mut pieces(stream, seed));
    assert_eq!((&whole.objects, whole.error), (&cut.objects, cut.error), "a cut changes nothing");
    let mut rest = stream;
    for object in &whole.objects {
        assert!(object.starts_with(b"{"));
        rest = match whole.framing {
            Some(Framing::Digits) => {
                assert!(object.len() <= limits::FRAMED_OBJECT_BYTES);
                let digits = format!("{:04}", object.len());
                rest.strip_prefix(digits.as_bytes()).unwrap_or_default()
            }
            _ => rest.trim_ascii_start(),
        };
        assert!(rest.starts_with(object), "the bytes of the stream, in order");
        rest = &rest[object.len()..];
        let _ = request(object);
    }
    if whole.error.is_none() {
        assert_eq!((whole.unfinished, whole.framing), (cut.unfinished, cut.framing));
        let kept = if whole.framing == Some(Framing::Plain) { rest.trim_ascii_start() } else { rest };
        assert_eq!(whole.unfinished, kept.len(), "nothing else is kept");
    }
    if whole.error == Some(FindError::Foreign) {
        assert!(whole.objects.is_empty(), "another protocol gets nothing executed");
    }
    if whole.objects.is_empty() { Seen::Refused } else { Seen::Taken }
}

struct Found {
    objects: Vec<Vec<u8>>,
    error: Option<FindError>,
    framing: Option<Framing>,
    unfinished: usize,
}

fn find(stream: &mut dyn Iterator<Item = &[u8]>) -> Found {
    let mut finder = Finder::default();
    let mut objects = Vec::new();
    let mut error = None;
    'stream: for piece in stream {
        finder.push(piece);
        loop {
            match finder.next_object() {
                Ok(Some(object)) => objects.push(object),
                Ok(None) => break,
                Err(found) => {
                    assert_eq!(finder.next_object(), Err(found), "it stays at its error");
                    error = Some(found);
                    break 'stream;
                }
            }
        }
    }
    Found { objects, error, framing: finder.framing(), unfinished: finder.unfinished() }
}

/// The bytes as a request.
///
/// # Panics
/// When a request is not what its JSON says.
pub fn request(data: &[u8]) -> Seen {
    let Ok(request) = Request::parse(data) else { return Seen::Refused };
    let said: Value = serde_json::from_slice(data).unwrap_or_default();
    let text = |key: &str| said.get(key).map_or(Some(""), Value::as_str);
    assert_eq!(said["cmd"].as_str(), Some(request.cmd.as_str()));
    let msg = match said.get("msg") {
        Some(Value::Number(number)) => number.to_string(),
        _ => text("msg").map(str::to_owned).unwrap_or_default(),
    };
    assert_eq!((text("id"), msg), (Some(request.id.as_str()), request.msg.clone()));
    let portno = said.get("portno").cloned().unwrap_or_else(|| 0.into());
    assert_eq!(portno, request.portno);
    assert!(portno.is_i64() || portno.as_str().is_some_and(|text| text.trim().parse::<i64>().is_ok()));
    assert_eq!(said["wait"].as_str(), request.wait.as_deref());
    assert_eq!(said["timeout"].as_u64(), request.timeout);
    Seen::Taken
}

/// The bytes as the words of a reply, which is written in both framings and found again.
///
/// # Panics
/// When a reply is more or less than one object, or its words change.
pub fn reply(data: &[u8]) -> Seen {
    let mut script = Script::new(data);
    let times = [1, 1, 1, 60][script.below(4)];
    let portno = i64::from_be_bytes(script.array()) >> 11;
    let (id, extra) = (script.text(), script.text());
    let msg = String::from_utf8_lossy(script.rest()).repeat(times);
    let reply = Reply::new("UPDATE", id.as_str(), msg.as_str(), portno).with("date", extra.as_str());
    let expected = serde_json::json!({"cmd": "UPDATE", "id": id, "msg": msg, "portno": portno, "date": extra});
    let plain = reply.frame(Framing::Plain);
    let newlines = plain.iter().filter(|byte| **byte == b'\n').count();
    assert!(plain.ends_with(b"\n") && newlines == 1, "one line");
    let object = only(&plain);
    assert_eq!(serde_json::from_slice::<Value>(&object).ok().as_ref(), Some(&expected));
    let framed = only(&reply.frame(Framing::Digits));
    if object.len() <= limits::FRAMED_OBJECT_BYTES {
        assert_eq!(framed, object);
        Seen::Taken
    } else {
        let error: Value = serde_json::from_slice(&framed).unwrap_or_default();
        assert_eq!((&error["code"], &error["portno"]), (&"too-long".into(), &portno.into()));
        Seen::Refused
    }
}

fn only(wire: &[u8]) -> Vec<u8> {
    let found = find(&mut std::iter::once(wire));
    assert_eq!((found.objects.len(), found.error, found.unfinished), (1, None, 0), "one object");
    found.objects.concat()
}
