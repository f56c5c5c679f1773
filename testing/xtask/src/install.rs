//! Debian's packages that the tests need, installed when they are missing, without letting the system's own Tor service
//! start.

use anyhow::{Context as _, bail};
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

/// Run as root. policy-rc.d is Debian's hook that decides whether a package may start its service; exit status 101 says
/// no. An administrator's own is left alone, and ours goes whatever happens to us, which is why one shell does it all.
const INSTALL: &str = r#"
set -eu
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
ours=
trap 'if [ -n "$ours" ]; then rm -f "$policy"; fi' EXIT
trap 'exit 130' HUP INT TERM
if [ ! -e "$policy" ]; then
    ours=yes
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
install() { apt-get -q -y -o DPkg::Lock::Timeout=120 install --no-install-recommends tor; }
# The list of packages may be old or missing; then it is fetched, and the second attempt says what is wrong.
install 2>/dev/null || { apt-get -q update && install; }
# It would start with the next boot.
update-rc.d tor disable >/dev/null 2>&1 || true
"#;

/// Run as root, with the package's name. None of these starts a service.
const INSTALL_PLAIN: &str = r#"
set -eu
export DEBIAN_FRONTEND=noninteractive
install() { apt-get -q -y -o DPkg::Lock::Timeout=120 install --no-install-recommends "$1"; }
install "$1" 2>/dev/null || { apt-get -q update && install "$1"; }
"#;

/// Returns at once when `tor` and `tor-gencert` are there, else installs them.
pub(crate) fn ensure_tor() -> anyhow::Result<()> {
    ensure(&Package {
        name: "tor",
        programs: &["tor", "tor-gencert"],
        script: INSTALL,
        why: "the private Tor network needs Debian's package tor (the programs tor and tor-gencert)",
        note: " (its service is neither started nor enabled)",
    })
}

/// Returns at once when `strace` is there, else installs it.
pub(crate) fn ensure_strace() -> anyhow::Result<()> {
    ensure(&Package {
        name: "strace",
        programs: &["strace"],
        script: INSTALL_PLAIN,
        why: "the tests that make system calls fail need Debian's package strace",
        note: "",
    })
}

/// Returns at once when `python3` is there, else installs it.
pub(crate) fn ensure_python() -> anyhow::Result<()> {
    ensure(&Package {
        name: "python3",
        programs: &["python3"],
        script: INSTALL_PLAIN,
        why: "the second implementation of the protocol and the examples need Debian's package python3",
        note: "",
    })
}

/// Returns at once when OpenBSD's `nc` and `jq` are there, else installs them.
pub(crate) fn ensure_shell_tools() -> anyhow::Result<()> {
    ensure(&Package {
        name: "netcat-openbsd",
        programs: &["nc"],
        script: INSTALL_PLAIN,
        why: "the lines of README.md and docs/COOKBOOK.md need Debian's package netcat-openbsd",
        note: "",
    })?;
    ensure(&Package {
        name: "jq",
        programs: &["jq"],
        script: INSTALL_PLAIN,
        why: "the recipes of docs/COOKBOOK.md need Debian's package jq",
        note: "",
    })
}

/// Returns at once when `tmux` is there, else installs it.
pub(crate) fn ensure_tmux() -> anyhow::Result<()> {
    ensure(&Package {
        name: "tmux",
        programs: &["tmux"],
        script: INSTALL_PLAIN,
        why: "the tests of the terminal client in tmux need Debian's package tmux",
        note: "",
    })
}

/// Returns at once when a browser of this family is there, else installs one.
pub(crate) fn ensure_chromium() -> anyhow::Result<()> {
    if ["chromium-browser", "google-chrome", "google-chrome-stable"].iter().any(|name| present(&[name])) {
        return Ok(());
    }
    ensure(&Package {
        name: "chromium",
        programs: &["chromium"],
        script: INSTALL_PLAIN,
        why: "the attacks of a real browser need Debian's package chromium",
        note: " (some 300 MB)",
    })
}

struct Package {
    name: &'static str,
    programs: &'static [&'static str],
    script: &'static str,
    /// What is missing without it.
    why: &'static str,
    /// What its installation leaves alone.
    note: &'static str,
}

fn ensure(package: &Package) -> anyhow::Result<()> {
    if present(package.programs) {
        return Ok(());
    }
    let Package { name, why, note, .. } = package;
    let advice = format!("{why}.\nType: sudo apt-get install --no-install-recommends {name}");
    let root = rustix::process::geteuid().is_root();
    let sudo = !root && succeeds(Command::new("sudo").args(["-n", "true"]));
    if !(root || sudo) || !succeeds(Command::new("apt-get").arg("--version")) {
        bail!("{advice}");
    }
    if std::io::stdin().is_terminal() && !asked(&format!("Install Debian's package {name} now?{note} [y/N] "))? {
        bail!("{advice}");
    }
    eprintln!("installing Debian's package {name}{note}");
    let mut command = Command::new(if root { "sh" } else { "sudo" });
    if sudo {
        command.args(["-n", "sh"]);
    }
    crate::run(command.args(["-c", package.script, "sh", name]).stdin(Stdio::null()))
        .with_context(|| advice.clone())?;
    anyhow::ensure!(
        present(package.programs),
        "the package {name} is installed, but its programs are not found. {advice}"
    );
    Ok(())
}

fn present(programs: &[&str]) -> bool {
    programs.iter().all(|program| {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let usual = [Path::new("/usr/bin").to_owned(), Path::new("/usr/sbin").to_owned()];
        std::env::split_paths(&paths).chain(usual).any(|folder| folder.join(program).is_file())
    })
}

fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn asked(question: &str) -> anyhow::Result<bool> {
    eprint!("{question}");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
