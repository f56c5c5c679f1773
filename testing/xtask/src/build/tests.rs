#![allow(clippy::unwrap_used)]

use super::progress::{Downloads, Progress};
use super::{Goal, Line, follow};
use crate::build::plan::Plan;
use serde_json::{Value, json};
use std::process::Command;
use std::time::Duration;

const OURS: &str = "path+file:///here/daemon#torchatd@0.1.0";
const RING: &str = "registry+https://github.com/rust-lang/crates.io-index#ring@0.17.14";
const TEMPFILE: &str = "registry+https://github.com/rust-lang/crates.io-index#tempfile@3.27.0";
const PORTABLE: &str = "registry+https://github.com/rust-lang/crates.io-index#portable-atomic@1.15.0";
/// What cargo's features select: not `portable-atomic`, which the metadata name all the same.
const TREE: &str = "torchatd v0.1.0 (/here/daemon)\nring v0.17.14\ntempfile v3.27.0\nring v0.17.14 (*)\n";

/// A daemon of ours that needs `ring`, and for its tests `tempfile`; beside it a program that nobody asks for.
fn metadata() -> Value {
    let ring = json!([{"pkg": PORTABLE, "dep_kinds": [{"kind": null}]}]);
    let target = |kind: &str, name: &str, test: bool| json!({"kind": [kind], "name": name, "test": test});
    json!({
        "packages": [
            {"id": OURS, "name": "torchatd", "version": "0.1.0", "targets": [
                target("lib", "torchatd", true), target("bin", "torchatd", true), target("bin", "helper", false),
                target("test", "life", true), target("test", "tor", false),
            ]},
            {"id": RING, "name": "ring", "version": "0.17.14", "targets": [target("lib", "ring", true), target("custom-build", "build", false)]},
            {"id": TEMPFILE, "name": "tempfile", "version": "3.27.0", "targets": [target("lib", "tempfile", true)]},
            {"id": PORTABLE, "name": "portable-atomic", "version": "1.15.0", "targets": [target("lib", "portable_atomic", true)]},
        ],
        "workspace_members": [OURS],
        "resolve": {"nodes": [
            {"id": OURS, "deps": [
                {"pkg": RING, "dep_kinds": [{"kind": null}]},
                {"pkg": TEMPFILE, "dep_kinds": [{"kind": "dev"}]},
            ]},
            {"id": RING, "deps": ring},
            {"id": PORTABLE, "deps": []},
            {"id": TEMPFILE, "deps": []},
        ]},
    })
}

fn plan(goal: Goal) -> Plan {
    Plan::new(&metadata(), TREE, goal, &["torchatd"]).unwrap()
}

/// A message as cargo 1.95 writes it, without what is not read.
fn artifact(package: &str, kind: &str, name: &str, test: bool, fresh: bool) -> String {
    let target = json!({"kind": [kind], "crate_types": [kind], "name": name, "edition": "2024"});
    json!({"reason": "compiler-artifact", "package_id": package, "target": target, "profile": {"opt_level": "0", "test": test},
        "features": ["default"], "fresh": fresh})
    .to_string()
}

#[test]
fn a_plan_holds_what_a_goal_needs_and_no_more() {
    // ring, the library, one program.
    assert_eq!(plan(Goal::Programs).parts.len(), 3, "{:?}", plan(Goal::Programs));
    // ring and tempfile; the library and the program each with and without tests; the helper, and one of both tests.
    assert_eq!(plan(Goal::Everything).parts.len(), 8, "{:?}", plan(Goal::Everything));
}

#[test]
fn a_build_that_goes_well_is_one_line() {
    let mut progress = Progress::new(plan(Goal::Programs));
    assert_eq!(progress.line(Duration::from_secs(1)), "building: 0 of 3 crates, 1 s");
    assert_eq!(progress.status("    Blocking waiting for file lock on build directory"), None);
    assert!(progress.line(Duration::from_secs(2)).ends_with("waits for another cargo in this folder"));
    assert_eq!(progress.status("   Compiling ring v0.17.14"), None);
    assert_eq!(progress.line(Duration::from_secs(75)), "building: 0 of 3 crates, 1 min 15 s  ring");
    assert_eq!(progress.message(&artifact(RING, "custom-build", "build", false, false)), None);
    assert!(progress.line(Duration::from_secs(75)).contains("0 of 3"), "a build script is not the crate");
    assert_eq!(progress.message(&artifact(RING, "lib", "ring", false, false)), None);
    progress.status("   Compiling torchatd v0.1.0 (/here/daemon)");
    progress.message(&artifact(OURS, "lib", "torchatd", false, false));
    assert_eq!(progress.line(Duration::from_secs(80)), "building: 2 of 3 crates, 1 min 20 s  torchatd");
    progress.message(&artifact(OURS, "bin", "torchatd", false, true));
    // Of a host and a target, or once more with other features: still one.
    progress.message(&artifact(RING, "lib", "ring", false, false));
    assert_eq!(progress.message(r#"{"reason":"build-finished","success":true}"#), None);
    assert_eq!(progress.status("    Finished `dev` profile [unoptimized + debuginfo] target(s) in 3m 19s"), None);
    assert_eq!(progress.line(Duration::from_secs(81)), "building: 3 of 3 crates, 1 min 21 s");
    assert_eq!(
        progress.end(Duration::from_secs(81)),
        "built: 2 of 3 crates compiled, the others were there, 1 min 21 s"
    );
}

#[test]
fn what_is_no_progress_is_shown() {
    let mut progress = Progress::new(plan(Goal::Programs));
    let rendered = "error[E0308]: mismatched types\n --> src/lib.rs:1:26\n";
    let message =
        json!({"reason": "compiler-message", "package_id": OURS, "message": {"rendered": rendered, "level": "error"}});
    assert_eq!(progress.message(&message.to_string()).as_deref(), Some(rendered));
    for line in
        ["error: failed to run custom build command for `ring v0.17.14`", "  cc: command not found", "Caused by:"]
    {
        assert_eq!(progress.status(line).as_deref(), Some(line));
    }
    assert_eq!(progress.message("a macro's own words").as_deref(), Some("a macro's own words"));
    assert_eq!(progress.status(""), None);
}

#[test]
fn downloads_are_counted() {
    let mut downloads = Downloads::default();
    assert_eq!(downloads.line(), None, "nothing was fetched");
    for line in [
        "    Updating crates.io index",
        " Downloading crates ...",
        "  Downloaded ring v0.17.14",
        "  Downloaded toml v1.2.1",
    ] {
        assert_eq!(downloads.status(line), None);
    }
    assert_eq!(downloads.line().as_deref(), Some("downloading: 2 crates"));
    let error = "error: failed to download `ring v0.17.14`";
    assert_eq!(downloads.status(error).as_deref(), Some(error));
}

/// A real cargo, on a package that does not compile.
#[test]
fn a_build_that_fails_shows_the_compilers_error_whole() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("src")).unwrap();
    let manifest = "[package]\nname = \"broken\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n";
    std::fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
    std::fs::write(folder.path().join("src/lib.rs"), "pub fn number() -> u8 {\n    \"no number\"\n}\n").unwrap();
    let mut progress = Progress::new(Plan::default());
    let mut shown = String::new();
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--offline", "--message-format=json"]).current_dir(folder.path());
    command.env("CARGO_TARGET_DIR", folder.path().join("target"));
    let status = follow(&mut command, |line| {
        let said = match line {
            Line::Output(line) => progress.message(&line),
            Line::Error(line) => progress.status(&line),
            Line::None => None,
        };
        shown.extend(said);
    });
    assert!(!status.unwrap().success());
    for part in ["error[E0308]: mismatched types", "--> src/lib.rs:2:5", "\"no number\"", "could not compile `broken`"]
    {
        assert!(shown.contains(part), "{part} is missing in:\n{shown}");
    }
    assert!(!shown.contains("Compiling"), "{shown}");
}
