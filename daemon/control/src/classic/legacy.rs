//! LEGACY: what old daemons brought. Apart from every conversation, because nothing proves who wrote it.

use super::command::{Echo, Rejected};
use super::execute::{Context, HandedOut, Outcome, REPLY_BYTES, date};
use serde_json::{Value, json};
use torchat_engine::LegacyLine;
use torchat_engine::handle::Handle;

/// Bytes of a line and its entry without their texts, at most.
const LINE_BYTES: usize = 256;

/// The one place that all of them stand in. No onion is written like it.
const BUCKET: &str = "legacy:";

/// The oldest one that was not taken, as UPDATE does.
pub(crate) async fn next(handle: &Handle, echo: &Echo) -> Outcome {
    let Some(lease) = handle.lease_legacy().await else {
        return echo.reply_about(BUCKET, "END", "").into();
    };
    let reply = echo
        .reply_about(BUCKET, "LEGACY", &lease.line.text)
        .with("auth", "none")
        .with("claims", lease.line.claim.as_str())
        .with("date", date(lease.line.at_ms))
        .with("warning", warning(&lease.line));
    Outcome { lease: Some(HandedOut::Old(lease)), ..reply.into() }
}

/// The last ones, as HISTORY does.
pub(crate) async fn list(context: &Context, echo: &Echo, n: u32) -> Result<Outcome, Rejected> {
    let permit = context.share.page(REPLY_BYTES).await;
    let mut lines = context.handle.legacy(n).await.map_err(|refusal| Rejected::from(&refusal))?;
    // Each stands there twice, and a control character of a text may become six.
    let bytes = permit.bytes();
    let mut room = bytes;
    let fit = lines.iter().rev().take_while(|line| {
        let size = LINE_BYTES + 3 * line.claim.len() + 12 * line.text.len();
        let fits = size <= room;
        room = room.saturating_sub(size);
        fits
    });
    let cut = lines.len() - fit.count().max(1).min(lines.len());
    lines.drain(..cut);
    // A claim has neither spaces nor line breaks, so it cannot write a line of its own.
    let text: String = lines
        .iter()
        .map(|line| format!("{} {}: {}\n", date(line.at_ms), warning(line), line.text.replace('\n', "\n  ")))
        .collect();
    let list: Vec<_> = lines.iter().map(entry).collect();
    let held = permit.hold(bytes - room);
    let reply = echo.reply_about(BUCKET, "LEGACY", text).with("auth", "none").with("lines", Value::from(list));
    Ok(Outcome { room: Some(held), ..if cut > 0 { reply.with("cut", true) } else { reply }.into() })
}

/// What people must be shown with such a message.
fn warning(line: &LegacyLine) -> String {
    format!("UNAUTHENTICATED, claims to be {}", line.claim)
}

fn entry(line: &LegacyLine) -> Value {
    json!({
        "claims": line.claim,
        "date": date(line.at_ms),
        "msg": line.text,
        "state": if line.taken { "read" } else { "unread" },
        "warning": warning(line),
    })
}
