//! What others made and we compile: cargo-deny with the rules of `.deny.toml`.
//!
//! The rules that need no network (bans, licences, sources) are also tests, in tests/house.rs, for machines without the
//! tool: building it takes minutes, and a fresh machine must be able to run every test.

use crate::{built, cargo, run};
use std::path::PathBuf;
use std::process::Command;

/// The checks that need nothing but the lock file and the sources that cargo has fetched.
const OFFLINE: [&str; 3] = ["bans", "licenses", "sources"];

/// cargo-deny, in the PATH or where [`release_check`] installs it.
fn tool() -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&paths).chain([tools().join("bin")]);
    places.map(|folder| folder.join("cargo-deny")).find(|path| path.is_file())
}

/// Where tools are installed that only the source tree needs.
fn tools() -> PathBuf {
    built().with_file_name("tools")
}

/// A step of `cargo xtask test`: what cargo-deny says without the network, if it is installed.
pub(crate) fn offline() -> anyhow::Result<()> {
    let Some(tool) = tool() else {
        println!("cargo-deny is not installed; testing/xtask/tests/house.rs has kept the same rules");
        return Ok(());
    };
    run(Command::new(tool).current_dir(crate::root()).args(["--offline", "--locked", "check"]).args(OFFLINE))
}

/// Before a release: all rules, and the advisories of this day. Needs the network.
pub(crate) fn release_check() -> anyhow::Result<()> {
    let tool = match tool() {
        Some(tool) => tool,
        None => {
            eprintln!("installing cargo-deny to {}, which takes some minutes", tools().display());
            run(cargo().args(["install", "--locked", "cargo-deny", "--root"]).arg(tools()))?;
            tools().join("bin/cargo-deny")
        }
    };
    run(Command::new(tool).current_dir(crate::root()).args(["--locked", "check", "advisories"]).args(OFFLINE))?;
    println!("no advisory concerns what is compiled, but for those that .deny.toml ignores with a reason");
    Ok(())
}
