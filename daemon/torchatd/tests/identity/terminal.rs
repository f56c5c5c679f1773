//! torchatd at a terminal.

use std::path::Path;
use torchat_testkit::pty::{Screen, command};

/// Runs torchatd at a terminal.
pub(crate) fn run(dir: &Path, line: &[&str]) -> Screen {
    let mut command = command(env!("CARGO_BIN_EXE_torchatd"));
    command.args(line).current_dir(dir).env("HOME", dir);
    Screen::start(command, (200, 24))
}
