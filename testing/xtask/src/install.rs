//! Debian's `tor`, installed when it is missing, without letting the system's own Tor service start.

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
    eprintln!("installing Debian's package tor (its service is neither started nor enabled)");
    let mut command = Command::new(if root { "sh" } else { "sudo" });
    if sudo {
        command.args(["-n", "sh"]);
    }
    crate::run(command.args(["-c", INSTALL]).stdin(Stdio::null())).with_context(|| advice.to_owned())?;
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
