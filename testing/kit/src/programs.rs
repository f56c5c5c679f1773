//! Programs that a test makes and then starts.
//!
//! Tests of one process run side by side, and a child that another thread starts holds every file of ours that is open
//! at that moment until it has become its own program. A program that is still open for writing cannot be started
//! (`ETXTBSY`), so a test that writes one itself and starts it fails now and then. Here another process writes it: no
//! child of ours ever holds it open. (To try again until it starts was rejected: each caller that starts the program would have to
//! do so, and often that is the program under test.)

use anyhow::{Context as _, ensure};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// A copy of a program that everybody may run.
///
/// # Errors
/// When it cannot be written.
pub fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let ended = Command::new("install").arg("-m").arg("755").arg("--").arg(from).arg(to).status()?;
    ensure!(ended.success(), "{} cannot be copied to {}", from.display(), to.display());
    Ok(())
}

/// A program of this text that everybody may run. Replaces what stands there.
///
/// # Errors
/// When it cannot be written.
pub fn script(to: &Path, text: &str) -> anyhow::Result<()> {
    let mut writer = Command::new("install")
        .args(["-m", "755", "--", "/dev/stdin"])
        .arg(to)
        .stdin(Stdio::piped())
        .spawn()
        .context("install cannot be started")?;
    writer.stdin.take().context("install takes nothing")?.write_all(text.as_bytes())?;
    ensure!(writer.wait()?.success(), "{} cannot be written", to.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn what_was_made_starts_at_once_while_other_threads_start_programs() {
        let dir = tempfile::tempdir().expect("a directory");
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        Command::new("true").status().expect("true");
                    }
                });
            }
            let rounds: anyhow::Result<()> = (0..50).try_for_each(|round| {
                let (one, other) = (dir.path().join(format!("s{round}")), dir.path().join(format!("c{round}")));
                script(&one, "#!/bin/sh\nexit 7\n")?;
                copy(Path::new("/bin/true"), &other)?;
                ensure!(Command::new(&one).status()?.code() == Some(7));
                ensure!(Command::new(&other).status()?.success());
                Ok(())
            });
            over.store(true, Ordering::Relaxed);
            rounds.expect("every program starts");
        });
    }
}
