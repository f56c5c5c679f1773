//! Programs that play an old TORchat program to a daemon that takes such messages: they prove nothing, so their form is all that
//! there is to be strict about.

use super::{Place, started};
use anyhow::{Context as _, ensure};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::Duration;
use torchat_testkit::daemon::eventually;

const PATIENCE: Duration = Duration::from_secs(60);

/// A name, and the object that is said. None of them is a message.
const ROWS: [(&str, &str); 3] = [
    (
        "old program, protocol 16: RECV with null in the place of a date",
        r#"{"cmd":"RECV","id":"canary","msg":"canary","portno":80,"date":null}"#,
    ),
    (
        "old program, protocol 16: RECV with null in the place of a text",
        r#"{"cmd":"RECV","id":"canary","msg":null,"portno":80}"#,
    ),
    ("old program: a command in the place of RECV", r#"{"cmd":"EXIT","id":"localhost","msg":"canary","portno":80}"#),
];

/// What is tried.
pub fn names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|(name, _)| *name)
}

/// Says all rows to a daemon that takes messages of old programs.
///
/// # Errors
/// When one is kept, answered or not counted, or a good message behind them is not kept.
pub fn run(program: &Path, mut report: impl FnMut(&str)) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    std::fs::create_dir(dir.path().join("peers"))?;
    let daemon = started(program, dir.path(), "old", 1, None, &["legacy"])?;
    let port = dir.path().join("peers").join(daemon.client()?.host()?);
    let port: u16 = std::fs::read_to_string(port)?.trim().parse()?;
    let say = |object: &str| {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(object.as_bytes())?;
        let mut answer = Vec::new();
        // A program that closes in the middle of the bytes resets: that is an end, too.
        let _ = stream.read_to_end(&mut answer);
        ensure!(answer.is_empty(), "it is answered: {}", String::from_utf8_lossy(&answer));
        anyhow::Ok(())
    };
    // There is a counter for each reason.
    let refused = || {
        let status = daemon.client()?.status()?;
        let counters = status["legacy"]["refused"].as_object().context("no counters")?;
        anyhow::Ok(counters.values().filter_map(serde_json::Value::as_u64).sum::<u64>())
    };
    for (name, object) in ROWS {
        let before = refused()?;
        say(object).context(name)?;
        eventually("it is counted", PATIENCE, || Ok((refused()? > before).then_some(()))).context(name)?;
        report(name);
    }
    // The port itself is open.
    say(r#"{"cmd":"RECV","id":"somebody","msg":"a good one","portno":80,"date":"[12:34] "}"#)?;
    let kept = || anyhow::Ok(daemon.client()?.legacy_history(10)?);
    eventually("the good one is kept", PATIENCE, || Ok((!kept()?.is_empty()).then_some(())))?;
    let texts: Vec<_> = kept()?.into_iter().map(|message| message.text).collect();
    ensure!(texts == ["a good one"], "kept: {texts:?}");
    Place { daemon, dir }.finish()
}
