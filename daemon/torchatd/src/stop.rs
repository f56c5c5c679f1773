//! `--stop`: asks the daemon of a data directory to stop, and returns when it is gone.
//!
//! It asks by EXIT on the control socket, never by a signal: a process id in a file may meanwhile be another process.

use crate::datadir::DataDir;
use crate::exit::Failure;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// A clean stop takes at most this.
const STOP_TIME: Duration = Duration::from_secs(2);
/// The daemon stops within 2 s; on a machine that is out of breath this is still an answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often the lock is tried. It has no way to tell that it was freed to those who did not queue for it.
const STEP: Duration = Duration::from_millis(10);

/// Stops the daemon. `socket` is where it serves.
///
/// # Errors
/// If none runs (status 1, so that a script notices a wrong directory), if it cannot be asked, or if it does not end.
pub(crate) fn stop(data: &DataDir, socket: &Path) -> Result<(), Failure> {
    let shown = data.path().display();
    if data.is_free()? {
        return Err(Failure::other(format!("no torchatd runs with {shown}")));
    }
    if let Err(error) = ask(socket) {
        // It may have been stopping already.
        if wait_until_free(data, STOP_TIME)? {
            return Ok(());
        }
        let pid = data.pid().map_or(String::new(), |pid| format!(", or `kill {pid}`"));
        return Err(Failure::other(format!(
            "torchatd runs with {shown}, but cannot be asked at {}: {error} (if it was started with --socket, name the \
             same here{pid})",
            socket.display()
        )));
    }
    if wait_until_free(data, PATIENCE)? {
        return Ok(());
    }
    let pid = data.pid().map_or("its process".to_owned(), |pid| format!("process {pid}"));
    Err(Failure::other(format!(
        "torchatd was asked to stop, but {pid} still holds {shown} after {} s",
        PATIENCE.as_secs()
    )))
}

fn ask(socket: &Path) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"{\"cmd\":\"EXIT\"}\n")?;
    let mut reply = Vec::new();
    // The connection ends at the latest with the daemon. How it ends does not matter: the lock tells whether it stopped.
    let _ = stream.take(64 * 1024).read_to_end(&mut reply);
    let reply = String::from_utf8_lossy(&reply);
    match serde_json::from_str::<serde_json::Value>(reply.trim_end()) {
        Ok(object) if object.get("cmd").and_then(|cmd| cmd.as_str()) != Some("END") => {
            Err(io::Error::other(format!("it answered {}", reply.trim_end())))
        }
        _ => Ok(()),
    }
}

/// Whether the lock gets free within a time.
fn wait_until_free(data: &DataDir, patience: Duration) -> Result<bool, Failure> {
    let deadline = Instant::now() + patience;
    while !data.is_free()? {
        if Instant::now() >= deadline {
            return Ok(false);
        }
        std::thread::sleep(STEP);
    }
    Ok(true)
}
