//! `faults-consumer SOCKET NAME FILE PACE-US BATCH`: a program as users write them, to be killed.
//!
//! Works every received message off by writing a line to FILE, which it syncs before it acknowledges: `run` at its
//! start, `got SEQ TEXT` for an event, `ack SEQ` after the daemon's answer, `gap FROM TO` for what the log has dropped.
//! PACE is how long one message takes it; it acknowledges after BATCH messages, or when nothing more comes. It ends only
//! when it is killed, or when the daemon does not want it.

use anyhow::Context as _;
use serde_json::json;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::time::Duration;
use torchat_client::api::event::What;
use torchat_client::api::events::Follower;
use torchat_client::api::{Address, ApiClientError};

/// What is worked off is acknowledged at the latest when nothing came for so long.
const QUIET: Duration = Duration::from_millis(100);

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [socket, name, path, pace, batch] = arguments.as_slice() else {
        anyhow::bail!("faults-consumer SOCKET NAME FILE PACE-US BATCH");
    };
    let (pace, batch): (_, u32) = (Duration::from_micros(pace.parse()?), batch.parse()?);
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    let wanted = serde_json::from_value(json!({"consumer": name, "filter": {"kinds": ["received"]}}))?;
    let mut follower = Follower::new(Address::unix(socket).named("faults-consumer"), wanted);
    note(&mut file, "run")?;
    let (mut last, mut waiting) = (0, 0);
    loop {
        let next = follower.next(QUIET).context("the daemon does not want this consumer")?;
        let quiet = next.is_none();
        if let Some(event) = next {
            match event.what {
                What::Received { message } => note(&mut file, &format!("got {} {}", event.seq, message.text))?,
                What::Gap { from, to } => note(&mut file, &format!("gap {from} {to}"))?,
                other => anyhow::bail!("an event that nobody asked for: {other:?}"),
            }
            last = event.seq;
            waiting += 1;
            if !pace.is_zero() {
                std::thread::sleep(pace);
            }
        }
        if waiting >= batch || (quiet && waiting > 0) {
            file.sync_data()?;
            match follower.ack_upto(last) {
                Ok(()) => {
                    note(&mut file, &format!("ack {last}"))?;
                    waiting = 0;
                }
                // The daemon is away: the follower comes back, and this again with it.
                Err(ApiClientError::Lost { .. } | ApiClientError::Timeout { .. }) => {}
                Err(error) if error.is_passing() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// One write, so that a kill leaves no half of a line.
fn note(file: &mut File, line: &str) -> std::io::Result<()> {
    file.write_all(format!("{line}\n").as_bytes())
}
