//! `cargo xtask stores --make`: the fixture of the newest frozen version of the store, made by the code of this tree.
//!
//! The work is done by a program of the harness, because xtask itself is to build in seconds.

use crate::build::{self, Goal};
use crate::{built, root};
use anyhow::{Context as _, ensure};
use clap::Args;
use std::process::Command;

#[derive(Args)]
pub(crate) struct Stores {
    /// Make the fixture of the newest version in testing/stores; it takes two minutes
    #[arg(long, required = true)]
    make: bool,
}

pub(crate) fn run(_: &Stores) -> anyhow::Result<()> {
    let frozen = root().join("daemon/engine/src/store/schema/fingerprints");
    let frozen = std::fs::read_to_string(&frozen).with_context(|| format!("cannot read {}", frozen.display()))?;
    let newest = frozen.lines().last().and_then(|line| line.split(' ').next()).context("no version is frozen")?;
    let folder = root().join("testing/stores");
    ensure!(
        !folder.join(format!("v{newest}.db.zst")).exists(),
        "testing/stores has version {newest} already. A fixture is made once, by the release that froze its version"
    );
    build::build(Goal::Everything)?;
    crate::run(Command::new(built().join("stores")).arg(newest).arg(&folder))
}
