//! `cargo xtask dist`: man pages and completions, made of the definitions of the command lines themselves.
//!
//! The definitions are taken in by their paths: both belong to programs, one of which holds all of Tor, and this builds in
//! seconds. What `torchat completions` prints is a copy in its source tree, which this writes too; a test compares.

use anyhow::Context as _;
use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use std::path::{Path, PathBuf};

#[allow(dead_code, reason = "only the definition is wanted here")]
#[path = "../../../clients/torchat/src/arguments.rs"]
mod torchat;
#[allow(dead_code, reason = "only the definition is wanted here")]
#[path = "../../../daemon/torchatd/src/cli.rs"]
mod torchatd;

/// Where `torchat` keeps its completions, from the top of the tree.
const EMBEDDED: &str = "clients/torchat/completions";

#[derive(Debug, clap::Args)]
pub(crate) struct Dist {
    /// Write nothing, and fail if the completions in the source tree are not what the command line says.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(options: &Dist) -> anyhow::Result<()> {
    let embedded = crate::root().join(EMBEDDED);
    for (name, text) in completions(&mut torchat::Arguments::command())? {
        let path = embedded.join(name);
        if std::fs::read_to_string(&path).is_ok_and(|found| found == text) {
            continue;
        }
        anyhow::ensure!(!options.check, "{} is not what the command line says: cargo xtask dist", path.display());
        write(&path, text.as_bytes())?;
    }
    if options.check {
        return Ok(());
    }
    let to = target().join("dist");
    for mut command in [torchat::Arguments::command(), torchatd::Args::command()] {
        for (name, text) in completions(&mut command)? {
            write(&to.join("completions").join(name), text.as_bytes())?;
        }
        let man = to.join("man");
        std::fs::create_dir_all(&man).with_context(|| format!("cannot make {}", man.display()))?;
        // A page for the program, and one for each of its commands: torchat-send(1).
        clap_mangen::generate_to(command, &man).with_context(|| format!("cannot write to {}", man.display()))?;
    }
    println!("man pages and completions are in {}", to.display());
    Ok(())
}

/// File names, as the shells look for them, and contents.
fn completions(command: &mut Command) -> anyhow::Result<Vec<(String, String)>> {
    let name = command.get_name().to_owned();
    let shells = [Shell::Bash, Shell::Zsh, Shell::Fish];
    let file = |shell| match shell {
        Shell::Zsh => format!("_{name}"),
        shell => format!("{name}.{shell}"),
    };
    let generate = |shell: Shell| {
        let mut bytes = Vec::new();
        clap_complete::generate(shell, &mut command.clone(), &name, &mut bytes);
        Ok((file(shell), String::from_utf8(bytes)?))
    };
    shells.into_iter().map(generate).collect()
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(cannot)?;
    }
    std::fs::write(path, bytes).with_context(cannot)
}

/// Cargo's folder for what is made.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| crate::root().join("target"), PathBuf::from)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_torchat_prints_is_what_its_command_line_says() {
        run(&Dist { check: true }).unwrap();
    }

    #[test]
    fn every_command_has_completions_and_a_man_page() {
        let dir = tempfile::tempdir().unwrap();
        for mut command in [torchat::Arguments::command(), torchatd::Args::command()] {
            let name = command.get_name().to_owned();
            let names: Vec<_> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
            for (file, text) in completions(&mut command).unwrap() {
                assert!(names.iter().all(|name| text.contains(name.as_str())), "{file}");
            }
            clap_mangen::generate_to(command, dir.path()).unwrap();
            for page in names.iter().map(|sub| format!("{name}-{sub}.1")).chain([format!("{name}.1")]) {
                let text = std::fs::read_to_string(dir.path().join(&page)).unwrap();
                assert!(text.contains(".SH NAME"), "{page}");
            }
        }
        let main = std::fs::read_to_string(dir.path().join("torchat.1")).unwrap();
        for (code, meaning) in torchat::exit::TABLE {
            assert!(main.contains(&meaning.replace('-', "\\-")) || main.contains(meaning), "{code} {meaning}");
        }
    }

    #[test]
    fn the_reference_has_the_table_of_exit_codes() {
        let document = std::fs::read_to_string(crate::root().join("docs/SHELL.md")).unwrap();
        for (code, meaning) in torchat::exit::TABLE {
            assert!(document.contains(&format!("| {code} | {meaning} |")), "{code} {meaning}");
        }
    }
}
