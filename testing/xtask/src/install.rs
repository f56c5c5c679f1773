//! Debian's `tor`, installed when it is missing, without letting the system's own Tor service start.

use anyhow::{Context as _, bail};
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

/// Debian's hook that decides whether a package may start its service: exit status 101 says no.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Returns at once when `tor` and `tor-gencert` are there, else installs them.
pub(crate) fn ensure_tor() -> anyhow::Result<()> {
    if present() {
        return Ok(());
    }
    let advice = "the private Tor network needs Debian's package tor (the programs tor and tor-gencert).\n\
                  Type: sudo apt-get install --no-install-recommends tor";
    let root = rustix::process::geteuid().is_root();
    let sudo = !root && succeeds(Command::new("sudo").args(["-n", "true"]));
    if !(root || sudo) || !succeeds(Command::new("apt-get").arg("--version")) {
        bail!("{advice}");
    }
    if std::io::stdin().is_terminal()
        && !asked("Install Debian's package tor now? Its service will not be started. [y/N] ")?
    {
        bail!("{advice}");
    }
    eprintln!("installing Debian's package tor (its service stays off)");
    let as_root = |arguments: &[&str]| {
        let mut command = if root {
            Command::new(arguments[0])
        } else {
            let mut command = Command::new("sudo");
            command.arg("-n").arg(arguments[0]);
            command
        };
        command.args(&arguments[1..]);
        command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
        command
    };
    let ours = !Path::new(POLICY).exists();
    if ours {
        let script = format!("printf '#!/bin/sh\\nexit 101\\n' > {POLICY} && chmod 755 {POLICY}");
        crate::run(&mut as_root(&["sh", "-c", &script]))?;
    }
    let install = || {
        let packages = ["apt-get", "install", "-y", "-q", "--no-install-recommends", "tor"];
        if succeeds(&mut as_root(&packages)) {
            return Ok(());
        }
        // The list of packages is old or missing.
        crate::run(&mut as_root(&["apt-get", "update", "-q"]))?;
        crate::run(&mut as_root(&packages))
    };
    let result = install();
    if ours {
        crate::run(&mut as_root(&["rm", "-f", POLICY])).with_context(|| format!("{POLICY} must be removed by hand"))?;
    }
    result.with_context(|| advice.to_owned())?;
    anyhow::ensure!(present(), "the package tor is installed, but its programs are not found. {advice}");
    Ok(())
}

fn present() -> bool {
    ["tor", "tor-gencert"].iter().all(|program| {
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
