//! The terminal client.

use crate::daemon::Place;
use std::process::ExitCode;

/// Runs until the user leaves.
pub(crate) fn run(place: &Place) -> ExitCode {
    let _ = place;
    ExitCode::SUCCESS
}
