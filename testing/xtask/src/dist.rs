//! `cargo xtask dist`: man pages and completions, made of the definitions of the command lines themselves, and the unit for
//! systemd. With `--prefix` they go to where the system's programs look for them.
//!
//! The definitions are taken in by their paths: both belong to programs, one of which holds all of Tor, and this builds in
//! seconds. What `torchat completions` prints is a copy in its source tree, which this writes too; a test compares.

mod peers;

use anyhow::Context as _;
use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use std::path::{Path, PathBuf};

#[allow(dead_code, unused_imports, reason = "only the definition is wanted here")]
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
    /// Install below this directory too: `~/.local` for yourself, `/usr/local` for everybody.
    #[arg(long, value_name = "DIR", conflicts_with = "check")]
    prefix: Option<PathBuf>,
}

/// The unit for systemd, from the top of the tree.
const UNIT: &str = "packaging/torchatd.service";

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
    let unit = crate::root().join(UNIT);
    let unit = std::fs::read(&unit).with_context(|| format!("cannot read {}", unit.display()))?;
    write(&to.join("systemd").join("torchatd.service"), &unit)?;
    println!("man pages, completions and the unit for systemd are in {}", to.display());
    if let Some(prefix) = &options.prefix {
        install(&to, prefix)?;
        println!("they are installed below {}", prefix.display());
    }
    Ok(())
}

/// Copies what was made to where man, the shells and systemd look below a prefix.
fn install(made: &Path, prefix: &Path) -> anyhow::Result<()> {
    let share = prefix.join("share");
    for folder in ["man", "completions", "systemd"] {
        let folder = made.join(folder);
        let files = std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for file in files {
            let path = file?.path();
            let place = path.file_name().and_then(|name| name.to_str()).and_then(place);
            let Some(place) = place else { continue };
            let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            write(&share.join(place), &bytes)?;
        }
    }
    Ok(())
}

/// Where a file goes below `share`.
fn place(name: &str) -> Option<PathBuf> {
    let folder = match name.rsplit_once('.') {
        Some((program, "bash")) => return Some(Path::new("bash-completion/completions").join(program)),
        Some((_, "fish")) => "fish/vendor_completions.d",
        Some((_, "service")) => "systemd/user",
        Some((_, "1")) => "man/man1",
        _ if name.starts_with('_') => "zsh/site-functions",
        _ => return None,
    };
    Some(Path::new(folder).join(name))
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
        Ok((file(shell), peers::add(shell, command, String::from_utf8(bytes)?)))
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
        run(&Dist { check: true, prefix: None }).unwrap();
    }

    #[test]
    fn everything_that_is_made_has_its_place() {
        for (name, want) in [
            ("torchat.1", "man/man1/torchat.1"),
            ("torchat-send.1", "man/man1/torchat-send.1"),
            ("torchatd.bash", "bash-completion/completions/torchatd"),
            ("_torchat", "zsh/site-functions/_torchat"),
            ("torchat.fish", "fish/vendor_completions.d/torchat.fish"),
            ("torchatd.service", "systemd/user/torchatd.service"),
        ] {
            assert_eq!(place(name), Some(PathBuf::from(want)), "{name}");
        }
        let (made, prefix) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for file in ["man/torchatd.1", "completions/_torchatd", "systemd/torchatd.service"] {
            write(&made.path().join(file), file.as_bytes()).unwrap();
        }
        install(made.path(), prefix.path()).unwrap();
        let unit = std::fs::read(prefix.path().join("share/systemd/user/torchatd.service")).unwrap();
        assert_eq!(unit, b"systemd/torchatd.service");
        assert!(prefix.path().join("share/man/man1/torchatd.1").exists());
    }

    /// systemd says nothing of a program's options: it starts it, and the user reads why it did not.
    #[test]
    fn the_unit_is_one_that_systemd_takes_and_its_command_line_exists() {
        use clap::Parser as _;
        let path = crate::root().join(UNIT);
        let unit = std::fs::read_to_string(&path).unwrap();
        let value = |key: &str| {
            let lines: Vec<_> = unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect();
            assert_eq!(lines.len(), 1, "{key}");
            lines[0]
        };
        let mut words = value("ExecStart").split_whitespace();
        assert!(words.next().unwrap().ends_with("/torchatd"));
        let args = torchatd::Args::try_parse_from(std::iter::once("torchatd").chain(words)).unwrap();
        assert!(!args.daemon, "systemd follows the process that it starts");
        assert_eq!((value("Type"), value("Restart"), value("WantedBy")), ("exec", "on-failure", "default.target"));
        let table = std::fs::read_to_string(crate::root().join("docs/OPERATIONS.md")).unwrap();
        for code in value("RestartPreventExitStatus").split_whitespace() {
            assert!(table.contains(&format!("| {code} | ")), "{code} is no exit code");
        }
        assert!(table.contains("packaging/torchatd.service") && table.contains("loginctl enable-linger"));
        let dir = tempfile::tempdir().unwrap();
        // Where the program stands is not known here.
        let copy = dir.path().join("torchatd.service");
        std::fs::write(&copy, unit.replace("%h/.cargo/bin/torchatd", "/bin/true")).unwrap();
        let mut systemd = std::process::Command::new("systemd-analyze");
        systemd.args(["verify", "--user", "--man=no"]).arg(&copy).env("XDG_RUNTIME_DIR", dir.path());
        match systemd.output() {
            Ok(judged) => {
                let said = String::from_utf8_lossy(&judged.stderr);
                assert!(!said.contains("torchatd.service"), "{said}");
            }
            // Most containers have none; what is above holds everywhere.
            Err(error) => println!("systemd-analyze: {error}"),
        }
    }

    #[test]
    fn every_command_has_completions_and_a_man_page() {
        let dir = tempfile::tempdir().unwrap();
        for mut command in [torchat::Arguments::command(), torchatd::Args::command()] {
            let name = command.get_name().to_owned();
            let names = command.get_subcommands().filter(|sub| !sub.is_hide_set());
            let names: Vec<_> = names.map(|sub| sub.get_name().to_owned()).collect();
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
