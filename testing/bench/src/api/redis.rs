//! Redis, where it is installed: a list entry for each message, and a sync before it is answered.

use crate::load::Script;
use crate::process::{Process, Recipe};
use std::path::{Path, PathBuf};

/// The server's program, if it is in the `PATH`.
pub(super) fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("redis-server")).find(|program| program.is_file())
}

pub(super) fn start(program: &Path, dir: &Path) -> anyhow::Result<Process> {
    Recipe::redis(program, dir)?.start()
}

/// An entry as long as a message.
pub(super) fn script() -> Script {
    let text = "x".repeat(crate::contract::TEXT);
    let request = format!("*3\r\n$5\r\nRPUSH\r\n$4\r\nmail\r\n${}\r\n{text}\r\n", text.len());
    Script { hello: b"", requests: vec![request.into_bytes()], answer: b":", in_flight: 1 }
}
