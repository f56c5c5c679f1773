//! LEGACY: what old daemons brought. Apart from every conversation, because nothing proves who wrote it.

use super::commands::{Held, Outcome, count, date, refused};
use crate::LegacyLine;
use crate::handle::Handle;
use serde_json::{Value, json};
use torchat_protocol::control::{Reply, Request};

/// The one place that all of them stand in. No onion is written like it.
const BUCKET: &str = "legacy:";

/// Without `msg` the oldest one that was not taken, as UPDATE does; with a number the last so many, as HISTORY does.
pub(super) async fn legacy(handle: &Handle, request: &Request) -> Result<Outcome, Reply> {
    match request.msg.trim() {
        "" => Ok(next(handle, request).await),
        number => list(handle, request, count(request, number)?).await.map(Into::into),
    }
}

async fn next(handle: &Handle, request: &Request) -> Outcome {
    let Some(lease) = handle.lease_legacy().await else {
        return Reply::new("END", BUCKET, "", request.portno).into();
    };
    let reply = Reply::new("LEGACY", BUCKET, &lease.line.text, request.portno)
        .with("auth", "none")
        .with("claims", lease.line.claim.as_str())
        .with("date", date(lease.line.at_ms))
        .with("warning", warning(&lease.line));
    Outcome { reply, lease: Some(Held::Old(lease)), exit: false }
}

async fn list(handle: &Handle, request: &Request, n: u32) -> Result<Reply, Reply> {
    let lines = handle.legacy(n).await.map_err(|refusal| refused(request, &refusal))?;
    // A claim has neither spaces nor line breaks, so it cannot write a line of its own.
    let text: String = lines
        .iter()
        .map(|line| format!("{} {}: {}\n", date(line.at_ms), warning(line), line.text.replace('\n', "\n  ")))
        .collect();
    let list: Vec<_> = lines.iter().map(entry).collect();
    Ok(Reply::new("LEGACY", BUCKET, text, request.portno).with("auth", "none").with("lines", Value::from(list)))
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
