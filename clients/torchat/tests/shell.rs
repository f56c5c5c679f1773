//! `torchat` in the shell: every command as a process against real daemons.
#![allow(clippy::unwrap_used)]

#[path = "shell/support.rs"]
mod support;
#[path = "shell/transcript.rs"]
mod transcript;

use std::path::Path;
use support::House;

#[test]
fn every_command_in_text_and_json_with_its_exit_code() {
    let house = House::friends();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shell/commands.console");
    let lines = transcript::file(&house, &file, 80);
    let help = house.torchat(&["--help"]).stdout;
    let commands = help.split("\nCommands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let mut known = 0;
    for command in commands.lines().filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next()) {
        known += 1;
        let with = |needle: &str| lines.iter().any(|line| line.contains(&format!("torchat {command}")) && line.contains(needle));
        assert!(with(""), "no case of {command}");
        // These speak no JSON of their own.
        if !["completions", "exit", "pipe", "import-log"].contains(&command) {
            assert!(with("--json"), "no JSON case of {command}");
        }
    }
    assert!(known >= 15, "{help}");
}
