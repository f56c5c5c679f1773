//! Before the handshake: first bytes of other protocols, bad hellos, silence.

use super::{Attack, Kind, row};
use crate::target::Target;
use anyhow::{Context as _, ensure};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The daemon waits 5 s for the first bytes.
const FIRST_BYTES: Duration = Duration::from_secs(5);
/// It waits 20 s for each flight of the handshake.
const FLIGHT: Duration = Duration::from_secs(20);
const CLOSED: &str = "the stream ends without a byte";

/// First bytes that are not ours. Each is judged at its first wrong byte.
fn foreign() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("HTTP GET", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("HTTP POST with a command", b"POST / HTTP/1.1\r\nContent-Length: 14\r\n\r\n{\"cmd\":\"EXIT\"}".to_vec()),
        ("HTTP TRACE, which begins like ours", b"TRACE / HTTP/1.1\r\n\r\n".to_vec()),
        ("a TLS hello", [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 500]].concat()),
        ("SOCKS 5", vec![5, 1, 0]),
        ("SOCKS 4", b"\x04\x01\x00\x50\x7f\x00\x00\x01x\x00".to_vec()),
        ("SSH", b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()),
        ("64 KiB of zeros", vec![0; 65_536]),
        ("a control object", b"{\"cmd\":\"EXIT\",\"id\":\"\",\"msg\":\"\"}".to_vec()),
        ("a framed control object", b"0014{\"cmd\":\"EXIT\"}".to_vec()),
        ("an old daemon's message", b"{\"cmd\":\"RECV\",\"id\":\"x\",\"msg\":\"canary\",\"portno\":8000}".to_vec()),
        ("our name in lower case", b"tcht\x01\x01".to_vec()),
        ("a hello with no version", b"TCHT\x00".to_vec()),
        ("a hello with nine versions", b"TCHT\x09\x01\x02\x03\x04\x05\x06\x07\x08\x09".to_vec()),
        ("a hello with 255 versions", [&b"TCHT\xff"[..], &[1; 255]].concat()),
        ("a hello with our version twice", b"TCHT\x02\x01\x01".to_vec()),
        ("a hello with version 0 behind ours (protocol D2)", b"TCHT\x02\x01\x00".to_vec()),
        ("a hello with version 255 before ours (protocol D2)", b"TCHT\x02\xff\x01".to_vec()),
        ("a hello with a version twice", b"TCHT\x03\x01\x02\x02".to_vec()),
    ]
}

pub(super) fn rows() -> Vec<Attack> {
    let mut rows: Vec<_> = foreign()
        .into_iter()
        .map(|(name, bytes)| {
            row(Kind::Quick, format!("first bytes: {name}"), CLOSED, move |target| {
                let bytes = bytes.clone();
                async move { answered(&target, &bytes, b"").await }
            })
        })
        .collect();
    rows.push(row(Kind::Quick, "first bytes: none, and the end", CLOSED, |target| async move {
        let mut stream = target.dial().await?;
        stream.shutdown().await?;
        ends(&mut stream, b"", target.patience).await
    }));
    rows.push(row(Kind::Quick, "only versions of the future", "0xff, and nothing more", |target| async move {
        let mut stream = target.dial().await?;
        stream.write_all(b"TCHT\x02\x02\x09").await?;
        stream.flush().await?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await?;
        ensure!(&answer == b"TCHT\xff", "{answer:?}");
        stream.write_all(b"TCHT\x01\x01").await?;
        stream.flush().await?;
        ends(&mut stream, b"", target.patience).await
    }));
    rows.push(row(Kind::Patient, "silence", "the stream ends after 5 s without a byte", |target| async move {
        let mut stream = target.dial().await?;
        ends(&mut stream, b"", FIRST_BYTES + target.patience).await
    }));
    rows.push(row(Kind::Patient, "one byte, then silence", "the stream ends after 20 s", |target| async move {
        let mut stream = target.dial().await?;
        stream.write_all(b"T").await?;
        stream.flush().await?;
        ends(&mut stream, b"", FLIGHT + target.patience).await
    }));
    rows.push(row(
        Kind::Patient,
        "half a handshake, then silence",
        "the stream ends after 20 s",
        |target| async move {
            let mut stream = target.dial().await?;
            stream.write_all(b"TCHT\x01\x01").await?;
            stream.write_all(&[0, 32, 9, 9]).await?;
            stream.flush().await?;
            ends(&mut stream, b"TCHT\x01", FLIGHT + target.patience).await
        },
    ));
    rows.push(row(
        Kind::Slow,
        "one byte every three seconds",
        "the stream ends 20 s after the flight before",
        |target| async move {
            let stream = target.dial().await?;
            let (mut reader, mut writer) = tokio::io::split(stream);
            let drip = async move {
                let mut tick = tokio::time::interval(Duration::from_secs(3));
                // A hello with our version, and a first message that never becomes whole.
                for byte in b"TCHT\x01\x01\x00\x20".iter().chain(std::iter::repeat(&9)) {
                    tick.tick().await;
                    if writer.write_all(&[*byte]).await.is_err() || writer.flush().await.is_err() {
                        break;
                    }
                }
            };
            let read = async move {
                let mut answer = Vec::new();
                let _ = reader.read_to_end(&mut answer).await;
                answer
            };
            let answer = tokio::time::timeout(2 * FLIGHT + target.patience, async {
                tokio::select! {
                    answer = read => answer,
                    () = drip => Vec::new(),
                }
            });
            let answer = answer.await.context("the daemon keeps the stream")?;
            ensure!(answer.is_empty() || answer == b"TCHT\x01", "{answer:?}");
            Ok(())
        },
    ));
    rows
}

/// Says bytes; the daemon ends the stream and says exactly `answer`.
pub(super) async fn answered(target: &Target, bytes: &[u8], answer: &[u8]) -> anyhow::Result<()> {
    let mut stream = target.dial().await?;
    // It may end the stream before it has read everything.
    let _ = stream.write_all(bytes).await;
    let _ = stream.flush().await;
    ends(&mut stream, answer, target.patience).await
}

/// The stream ends, and what came before is exactly `answer`; or nothing, when the end overtook it.
pub(super) async fn ends(stream: &mut crate::way::BoxStream, answer: &[u8], patience: Duration) -> anyhow::Result<()> {
    let mut found = Vec::new();
    // A reset is an end as well.
    let _ =
        tokio::time::timeout(patience, stream.read_to_end(&mut found)).await.context("the daemon keeps the stream")?;
    ensure!(
        found.is_empty() || found == answer,
        "{} bytes came: {:02x?}",
        found.len(),
        found.get(..16.min(found.len()))
    );
    Ok(())
}
