//! `torchat import-log`: the `file.log` of the ancestor, split by peer.
//!
//! Its lines are a time, a few columns, and the JSON of each RECV and SEND as it came. Nothing in it is proven, not even
//! who wrote what, so nothing of it goes into the daemon's conversations, which only hold what is proven. The result is
//! files to read, or JSON lines for a program.

mod log;

use super::Shell;
use super::failure::{Done, Failure, warn};
use super::format::count;
use super::input;
use super::out::Out;
use crate::arguments::ImportLog;
use log::{Entry, Log};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{BufReader, Read};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use torchat_client::show::shown_line;

/// Characters of a peer's id that its file is named by; the rest is replaced by a hash.
const NAME_CHARS: usize = 80;

pub(super) fn run(shell: &Shell<'_>, wanted: &ImportLog) -> Done {
    let shown = wanted.file.display();
    let input: Box<dyn Read> = if wanted.file.as_os_str() == "-" && input::literal(std::env::args_os()) == 0 {
        Box::new(std::io::stdin().lock())
    } else {
        let opened = std::fs::File::open(&wanted.file);
        Box::new(opened.map_err(|error| Failure::input(format!("cannot read {shown}: {error}")))?)
    };
    let log =
        Log::read(BufReader::new(input)).map_err(|error| Failure::input(format!("cannot read {shown}: {error}")))?;
    if log.entries.is_empty() {
        return Err(Failure::input(format!("there is no message in {shown}: is it the file.log of a TORchat?")));
    }
    let mut peers: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in &log.entries {
        peers.entry(&entry.peer).or_default().push(entry);
    }
    match &wanted.into {
        None => {
            let mut out = shell.out();
            for (peer, entries) in &peers {
                write(&mut out, peer, entries)?;
            }
            out.flush()?;
        }
        Some(directory) => {
            make(directory)?;
            let mut told = shell.out();
            for (peer, entries) in &peers {
                let path = directory.join(file_name(peer, shell.form.json));
                let mut out = Out::to_file(shell.form, &path)?;
                write(&mut out, peer, entries)?;
                out.flush()?;
                let (file, messages) = (path.display().to_string(), entries.len() as u64);
                if told.is_json() {
                    told.record(&json!({ "peer": peer, "file": file, "messages": messages }))?;
                } else {
                    // The directory's name is the user's, the rest of the path is ours: nothing of it is a peer's.
                    told.line(&format!("{file}: {}", count(messages, "message")))?;
                }
            }
            told.flush()?;
        }
    }
    if log.left_out > 0 {
        let message = format!("left out {} of the log: not a whole message", count(log.left_out, "line"));
        warn(shell.form.json, "left-out", &message);
    }
    Ok(())
}

fn make(directory: &Path) -> Done {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|error| Failure::input(format!("cannot make {}: {error}", directory.display())))
}

fn write(out: &mut Out, peer: &str, entries: &[&Entry]) -> Done {
    if !out.is_json() {
        out.line(&format!("# {}, as an old log has it; nothing proves who wrote this", shown_line(peer)))?;
    }
    for entry in entries {
        if out.is_json() {
            out.record(entry)?;
        } else {
            let (arrow, text) = (if entry.dir == "out" { ">" } else { "<" }, out.text(&entry.text));
            let at = entry.at.as_deref().map_or_else(|| format!("{:16}", "-"), |at| at.chars().take(16).collect());
            out.line(&format!("{at} {arrow} {}: {text}", shown_line(peer)))?;
        }
    }
    Ok(())
}

/// A file's name from what a log calls a peer. The ancestor took it as it was, a path included.
fn file_name(peer: &str, json: bool) -> PathBuf {
    let mut name = String::new();
    for byte in peer.bytes() {
        let plain = byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.' && !name.is_empty();
        if plain {
            name.push(byte.into());
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    if name.is_empty() {
        name.push_str("nobody");
    }
    if name.len() > NAME_CHARS {
        // FNV-1a: two long ids with the same beginning get two files. Everything in the name is ASCII.
        let hash = peer
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        name.truncate(NAME_CHARS);
        name.push_str(&format!("-{hash:016x}"));
    }
    name.push_str(if json { ".jsonl" } else { ".txt" });
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_peer_names_a_file_elsewhere() {
        let name = |peer: &str| file_name(peer, false).to_string_lossy().into_owned();
        assert_eq!(name("bbbbbbbbbbbbbbbb.onion"), "bbbbbbbbbbbbbbbb.onion.txt");
        assert_eq!(name("../../etc/passwd"), "%2E.%2F..%2Fetc%2Fpasswd.txt");
        assert_eq!(name(""), "nobody.txt");
        assert_eq!(name("a\0\n/é"), "a%00%0A%2F%C3%A9.txt");
        let (one, other) = (name(&"x".repeat(500)), name(&format!("{}y", "x".repeat(499))));
        assert!(one.len() < 130 && one != other, "{one} {other}");
        assert_eq!(file_name("a", true).to_string_lossy(), "a.jsonl");
    }
}
