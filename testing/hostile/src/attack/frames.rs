//! Behind the handshake: records, frames and JSON that do not exist.

use super::{Attack, Kind, row};
use crate::link::{Link, hello};
use crate::target::Target;
use anyhow::ensure;
use std::time::Duration;
use tokio::time::MissedTickBehavior;
use torchat_protocol::frame::{HEADER_LEN, MAX_BODY, TAG_LEN, TYPE_JSON};
use torchat_protocol::limits;
use torchat_protocol::message::{Nonce, PeerMessage};

const CLOSED: &str = "the link ends";
const SKIPPED: &str = "it is skipped, and the link goes on";
/// A peer that is no contact keeps a link for 30 s.
const STRANGER: Duration = Duration::from_secs(30);

/// A plaintext that fills `cells` relay cells as a record.
fn plain(kind: u8, flags: u8, channel: u16, length: u16, body: &[u8], cells: usize) -> Vec<u8> {
    let mut bytes = vec![kind, flags];
    bytes.extend(channel.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes.extend(body);
    bytes.resize(cells * 498 - 2 - TAG_LEN, 0);
    bytes
}

fn records() -> Vec<(&'static str, Vec<u8>)> {
    let with = |length: u16, bytes: &[u8]| [&length.to_be_bytes()[..], bytes].concat();
    vec![
        ("a record of length 0", with(0, &[])),
        ("a record of length 1", with(1, &[7])),
        ("a record one byte too short", with(495, &[7; 495])),
        ("a record one byte too long", with(497, &[7; 497])),
        ("a record of 65,535 bytes", with(u16::MAX, &[7; 65_535])),
        ("a record one beyond the longest", with(7967, &[7; 7967])),
        ("a record of noise", with(496, &[7; 496])),
        ("the longest record, of noise", with(7966, &[7; 7966])),
    ]
}

fn plaintexts() -> Vec<(&'static str, Vec<u8>)> {
    let ping = PeerMessage::Ping(Nonce { n: 1 }).encode();
    let len = u16::try_from(ping.len()).unwrap_or_default();
    let mut dirty = plain(TYPE_JSON, 0, 0, len, &ping, 1);
    dirty.last_mut().into_iter().for_each(|byte| *byte = 1);
    vec![
        ("a type that must be understood", plain(0x81, 0, 0, len, &ping, 1)),
        ("type 255", plain(0xff, 0, 0, len, &ping, 1)),
        ("an unknown flag", plain(TYPE_JSON, 2, 0, len, &ping, 1)),
        ("all flags", plain(TYPE_JSON, 0xff, 0, len, &ping, 1)),
        ("an unknown channel", plain(TYPE_JSON, 0, 1, len, &ping, 1)),
        ("channel 65,535", plain(TYPE_JSON, 0, u16::MAX, len, &ping, 1)),
        ("a frame longer than its record", plain(TYPE_JSON, 0, 0, 476, &ping, 1)),
        ("a frame of 65,535 bytes in a small record", plain(TYPE_JSON, 0, 0, u16::MAX, &ping, 1)),
        ("padding that is not zero", dirty),
        ("an empty message", plain(TYPE_JSON, 0, 0, 0, &[], 1)),
        ("a message of zeros", plain(TYPE_JSON, 0, 0, 400, &[], 1)),
    ]
}

/// Objects that are no message.
fn objects() -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let many = (0..100_000).map(|n| format!("\"k{n}\":0")).collect::<Vec<_>>().join(",");
    vec![
        ("no JSON", text("hello")),
        ("an array", text("[1]")),
        ("a number", text("1")),
        ("null", text("null")),
        ("two objects", text("{\"t\":\"PING\",\"n\":1}{\"t\":\"PING\",\"n\":2}")),
        ("half an object", text("{\"t\":\"PING\",\"n\":1")),
        ("no kind", text("{\"n\":1}")),
        ("an unknown kind", text("{\"t\":\"NOTHING\"}")),
        ("a kind that is a sentence for the daemon's user (L4)", text("{\"t\":\"canary: stop this daemon\"}")),
        ("EXIT", text("{\"t\":\"EXIT\"}")),
        ("SEND", text("{\"t\":\"SEND\",\"id\":\"x\",\"msg\":\"canary\"}")),
        ("UPDATE", text("{\"t\":\"UPDATE\",\"msg\":\"\"}")),
        ("a command of the control port", text("{\"cmd\":\"EXIT\",\"id\":\"\",\"msg\":\"\"}")),
        ("a key twice", text("{\"t\":\"PING\",\"n\":1,\"n\":2}")),
        ("a key twice, once escaped", text("{\"t\":\"PING\",\"n\":1,\"\\u006e\":2}")),
        ("an ignored key twice", text("{\"t\":\"PING\",\"n\":1,\"z\":1,\"z\":2}")),
        ("100,000 levels of arrays", text(&format!("{{\"t\":\"PING\",\"n\":1,\"z\":{}", "[".repeat(100_000)))),
        ("nine levels", text("{\"t\":\"PING\",\"n\":1,\"z\":[[[[[[[[1]]]]]]]]}")),
        ("1e400", text("{\"t\":\"PING\",\"n\":1,\"z\":1e400}")),
        ("2^53", text("{\"t\":\"PING\",\"n\":9007199254740992}")),
        ("2^63", text("{\"t\":\"PING\",\"n\":9223372036854775808}")),
        ("2^64", text("{\"t\":\"PING\",\"n\":18446744073709551616}")),
        ("a negative number", text("{\"t\":\"PING\",\"n\":-1}")),
        ("minus zero as a number's text", text("{\"t\":\"PING\",\"n\":\"-0\"}")),
        ("a fraction", text("{\"t\":\"PING\",\"n\":1.5}")),
        ("half a surrogate pair", text("{\"t\":\"PING\",\"n\":1,\"z\":\"\\ud800\"}")),
        ("the second half of a pair", text("{\"t\":\"PING\",\"n\":1,\"z\":\"\\udc00\"}")),
        ("invalid UTF-8", b"{\"t\":\"PING\",\"n\":1,\"z\":\"\xff\xfe\"}".to_vec()),
        ("a surrogate as UTF-8", b"{\"t\":\"PING\",\"n\":1,\"z\":\"\xed\xa0\x80\"}".to_vec()),
        ("a byte order mark", text("\u{feff}{\"t\":\"PING\",\"n\":1}")),
        ("a raw NUL in a string", b"{\"t\":\"PING\",\"n\":1,\"z\":\"\0\"}".to_vec()),
        ("a raw line feed in a string", text("{\"t\":\"PING\",\"n\":1,\"z\":\"\n\"}")),
        ("100,000 keys", text(&format!("{{{many},\"t\":\"PING\",\"n\":1}}")).into_iter().take(500_000).collect()),
        ("65 keys", text(&format!("{{{}}}", (0..65).map(|n| format!("\"k{n}\":1")).collect::<Vec<_>>().join(",")))),
        ("a list in the place of an object", text("{\"t\":\"ACK\",\"lane\":[1],\"hwm\":1,\"chain\":\"\"}")),
        (
            "a lane in capitals",
            text(&format!(
                "{{\"t\":\"ACK\",\"lane\":\"{}\",\"hwm\":1,\"chain\":\"{}\"}}",
                "AB".repeat(8),
                "00".repeat(16)
            )),
        ),
        ("a name of 65 bytes in HELLO", hello_with(&format!("\"app\":\"{}\",\"v\":1", "x".repeat(65)), "")),
        (
            "33 features in HELLO",
            hello_with("\"app\":\"x\",\"v\":1", &format!(",\"features\":[{}]", ["\"a\""; 33].join(","))),
        ),
        ("33 lanes in HELLO", hello_with("\"app\":\"x\",\"v\":1", &format!(",\"lanes\":[{}]", lanes(33)))),
        ("HELLO without limits", text("{\"t\":\"HELLO\",\"app\":\"x\",\"v\":1}")),
        ("a nickname of 33 bytes", text(&format!("{{\"t\":\"CONTACT_REQ\",\"nick\":\"{}\"}}", "x".repeat(33)))),
        ("a request of 501 bytes", text(&format!("{{\"t\":\"CONTACT_REQ\",\"text\":\"{}\"}}", "x".repeat(501)))),
        ("an invite of 65 bytes", text(&format!("{{\"t\":\"CONTACT_REQ\",\"invite\":\"{}\"}}", "x".repeat(65)))),
    ]
}

fn hello_with(start: &str, rest: &str) -> Vec<u8> {
    format!("{{\"t\":\"HELLO\",{start},\"limits\":{{\"msg\":65536,\"inflight\":1,\"credit\":1}}{rest}}}").into_bytes()
}

fn lanes(count: usize) -> String {
    let lane = |n: usize| format!("{{\"lane\":\"{n:016x}\",\"hwm\":1,\"chain\":\"{}\"}}", "00".repeat(16));
    (0..count).map(lane).collect::<Vec<_>>().join(",")
}

/// Strange and allowed: refusing it would break with a later version.
fn tolerated() -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        ("an unknown key", text("{\"t\":\"PING\",\"n\":1,\"z\":{\"y\":[1,2]}}")),
        ("a bidi override in an unknown key", text("{\"t\":\"PING\",\"n\":1,\"\u{202e}z\":\"\u{202e}\"}")),
        ("a key of 64 KiB", text(&format!("{{\"t\":\"PING\",\"n\":1,\"{}\":1}}", "k".repeat(65_536)))),
        ("an escaped NUL in an unknown key", text("{\"t\":\"PING\",\"n\":1,\"z\":\"\\u0000\"}")),
        ("2^53-1", text("{\"t\":\"PING\",\"n\":9007199254740991}")),
        ("white space around it", text(" \n\t{\"t\":\"PING\" , \"n\":1}\r\n")),
    ]
}

pub(super) fn rows() -> Vec<Attack> {
    let mut rows = Vec::new();
    for (name, bytes) in records() {
        rows.push(row(Kind::Quick, format!("record: {name}"), CLOSED, move |target| {
            let bytes = bytes.clone();
            async move {
                let (_, mut link) = target.stranger().await?;
                link.throw(&bytes).await;
                closed(&mut link, &target).await
            }
        }));
    }
    for (name, plaintext) in plaintexts() {
        rows.push(row(Kind::Quick, format!("frame: {name}"), CLOSED, move |target| {
            let plaintext = plaintext.clone();
            async move {
                let (_, mut link) = target.stranger().await?;
                link.say_plain(&plaintext).await?;
                closed(&mut link, &target).await
            }
        }));
    }
    for (name, object) in objects() {
        rows.push(row(Kind::Quick, format!("JSON: {name}"), CLOSED, move |target| {
            let object = object.clone();
            async move {
                let (_, mut link) = target.stranger().await?;
                link.say_bytes(&object).await?;
                closed(&mut link, &target).await
            }
        }));
    }
    for (name, object) in tolerated() {
        rows.push(row(Kind::Quick, format!("JSON, allowed: {name}"), "PONG, and the link goes on", move |target| {
            let object = object.clone();
            async move {
                let (_, mut link) = target.stranger().await?;
                link.say_bytes(&object).await?;
                let heard = link.settle(target.patience).await?;
                let pong = |message: &PeerMessage| matches!(message, PeerMessage::Pong(_));
                ensure!(heard.alive && heard.messages.iter().filter(|m| pong(m)).count() == 1, "{heard:?}");
                Ok(())
            }
        }));
    }
    rows.extend([
        row(Kind::Quick, "frame: a type that may be skipped", SKIPPED, |target| async move {
            let (_, mut link) = target.stranger().await?;
            for kind in [0, 2, 0x7f] {
                link.say_plain(&plain(kind, 0xff, 9, 3, b"\0\xff\n", 1)).await?;
            }
            ensure!(link.settle(target.patience).await?.alive, "the link ended");
            Ok(())
        }),
        row(Kind::Quick, "record: one of the five lengths, repeated", CLOSED, |target| async move {
            let (_, mut link) = target.stranger().await?;
            let record = link.records(&hello().encode())?;
            link.throw(&record).await;
            link.throw(&record).await;
            closed(&mut link, &target).await
        }),
        row(Kind::Quick, "record: one left out", CLOSED, |target| async move {
            let (_, mut link) = target.stranger().await?;
            let _ = link.records(&hello().encode())?;
            link.say(&hello()).await?;
            closed(&mut link, &target).await
        }),
        row(Kind::Quick, "record: two exchanged", CLOSED, |target| async move {
            let (_, mut link) = target.stranger().await?;
            let (one, other) = (link.records(&hello().encode())?, link.records(&hello().encode())?);
            link.throw(&other).await;
            link.throw(&one).await;
            closed(&mut link, &target).await
        }),
        row(Kind::Quick, "record: of the other direction", CLOSED, |target| async move {
            // The two directions have different keys; a counter of our own would decrypt as the daemon's.
            let (_, mut link) = target.stranger().await?;
            let (_, mut other) = target.stranger().await?;
            let record = other.records(&hello().encode())?;
            link.throw(&record).await;
            closed(&mut link, &target).await?;
            ensure!(!other.settle(target.patience).await?.alive, "a record that was never said is not missed");
            Ok(())
        }),
        row(Kind::Quick, "reassembly: a message without end", "the link ends at 512 KiB", |target| async move {
            let (_, mut link) = target.stranger().await?;
            let body = vec![b' '; MAX_BODY];
            let most = limits::PEER_OBJECT_BYTES / MAX_BODY + 1;
            let mut said = 0;
            let length = u16::try_from(MAX_BODY)?;
            while said < most && link.say_plain(&plain(TYPE_JSON, 1, 0, length, &body, 16)).await? {
                said += 1;
            }
            closed(&mut link, &target).await
        }),
        row(
            Kind::Quick,
            "reassembly: 20,000 empty pieces",
            "they cost nothing, whether or not the link goes on",
            |target| async move {
                let (_, mut link) = target.stranger().await?;
                let empty = plain(TYPE_JSON, 1, 0, 0, &[], 1);
                for _ in 0..20_000 {
                    if !link.say_plain(&empty).await? {
                        return Ok(());
                    }
                }
                link.say(&PeerMessage::Ping(Nonce { n: 1 })).await?;
                link.settle(target.patience).await.map(drop)
            },
        ),
        row(
            Kind::Patient,
            "half a record, then silence",
            "the link of a stranger ends after 30 s",
            |target| async move {
                let (_, mut link) = target.stranger().await?;
                let record = link.records(&hello().encode())?;
                link.throw(record.get(..record.len() / 2).unwrap_or_default()).await;
                link.ended(STRANGER + target.patience).await.map(drop)
            },
        ),
        row(
            Kind::Patient,
            "a stranger's record, a byte every second",
            "the link ends after 30 s",
            |target| async move {
                let (_, mut link) = target.stranger().await?;
                let record = link.records(&hello().encode())?;
                let mut tick = tokio::time::interval(Duration::from_secs(1));
                tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
                for byte in record.iter().take(60) {
                    tick.tick().await;
                    if !link.throw(&[*byte]).await {
                        return Ok(());
                    }
                }
                anyhow::bail!("the daemon kept the link for a minute")
            },
        ),
        row(
            Kind::Patient,
            "an authenticated stranger that says nothing",
            "the link ends after 30 s",
            |target| async move {
                let (_, mut link) = target.stranger().await?;
                link.ended(STRANGER + target.patience).await.map(drop)
            },
        ),
    ]);
    // So that the rows above do not rest on a link that dies of itself.
    debug_assert_eq!(HEADER_LEN, 6);
    rows
}

/// The daemon ends the link; what it says before is at most its last words.
async fn closed(link: &mut Link, target: &Target) -> anyhow::Result<()> {
    let said = link.ended(target.patience).await?;
    ensure!(said.iter().all(|message| matches!(message, PeerMessage::Bye(_))), "it answers: {said:?}");
    Ok(())
}
