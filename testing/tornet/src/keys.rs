//! The nodes' keys, made by tor's own programs.

use crate::Node;
use crate::processes::Programs;
use crate::record::set_private;
use crate::torrc;
use anyhow::{Context as _, ensure};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// What others must know of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// SHA-1 of its RSA key, 40 hexadecimal digits.
    pub(crate) rsa: String,
    /// Its Ed25519 key in base64.
    pub(crate) ed25519: String,
    /// The fingerprint of an authority's voting identity.
    pub(crate) v3: Option<String>,
}

/// Makes the keys of all nodes, at the same time: RSA keys take seconds.
pub(crate) fn make(programs: &Programs, dir: &Path, nodes: &[Node]) -> anyhow::Result<Vec<Identity>> {
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            nodes.iter().map(|node| scope.spawn(|| make_one(programs, &dir.join(&node.name), node))).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?).collect()
    })
}

fn make_one(programs: &Programs, dir: &Path, node: &Node) -> anyhow::Result<Identity> {
    let keys = dir.join("keys");
    std::fs::create_dir_all(&keys)?;
    set_private(dir)?;
    set_private(&keys)?;
    if let Some(port) = node.dir_port {
        let mut child = Command::new(&programs.gencert)
            .args(["--create-identity-key", "--passphrase-fd", "0", "-m", "24", "-a"])
            .arg(format!("127.0.0.1:{port}"))
            .arg("-i")
            .arg(keys.join("authority_identity_key"))
            .arg("-s")
            .arg(keys.join("authority_signing_key"))
            .arg("-c")
            .arg(keys.join("authority_certificate"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start tor-gencert")?;
        // The passphrase of a key that lives for one test.
        child.stdin.take().context("no input")?.write_all(b"none\n")?;
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "tor-gencert: {}", String::from_utf8_lossy(&output.stderr));
    }
    // tor makes a relay's keys when it lists its fingerprint; it wants a whole configuration for that.
    let torrc = dir.join("keys.torrc");
    let nobody = "0".repeat(40);
    std::fs::write(
        &torrc,
        format!(
            "DataDirectory {}\nNickname {}\nORPort 127.0.0.1:{}\nAddress 127.0.0.1\nSocksPort 0\nTestingTorNetwork 1\n\
             DirAuthority x orport=1 v3ident={nobody} 127.0.0.1:2 {nobody}\n",
            torrc::quoted(dir)?,
            node.name,
            node.or_port
        ),
    )?;
    let output = Command::new(&programs.tor)
        .arg("--hush")
        .arg("-f")
        .arg(&torrc)
        .args(["--defaults-torrc", "/dev/null", "--list-fingerprint"])
        .output()
        .context("cannot start tor")?;
    ensure!(
        output.status.success(),
        "tor makes no keys: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let word = |file: &str| -> anyhow::Result<String> {
        let text = std::fs::read_to_string(dir.join(file))?;
        Ok(text.split_ascii_whitespace().nth(1).with_context(|| format!("no fingerprint in {file}"))?.to_owned())
    };
    let v3 = match node.dir_port {
        None => None,
        Some(_) => {
            let text = std::fs::read_to_string(keys.join("authority_certificate"))?;
            let line = text.lines().find_map(|line| line.strip_prefix("fingerprint "));
            Some(line.context("no fingerprint in the certificate")?.to_owned())
        }
    };
    Ok(Identity { rsa: word("fingerprint")?, ed25519: word("fingerprint-ed25519")?, v3 })
}
