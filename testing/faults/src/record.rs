//! A log of system calls, read as what happened to the files of one directory.

use anyhow::{Context as _, bail, ensure};
use std::collections::HashMap;
use std::path::Path;

/// Calls that change files and that the model knows.
const KNOWN: &str = "openat,close,lseek,write,pwrite64,ftruncate,fsync,fdatasync,rename,unlink,mmap";
/// Calls that change files and that the model does not know: one of them in the directory ends the reading.
const UNKNOWN: &str = "open,creat,writev,pwritev,pwritev2,truncate,fallocate,copy_file_range,sendfile,splice,renameat,\
                       renameat2,unlinkat,link,linkat,symlink,symlinkat,mkdir,mkdirat,rmdir,msync,sync_file_range,sync,\
                       syncfs,io_uring_setup,io_submit";

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A name came to be, with an empty file, unless it was there.
    Create,
    /// The file got this size.
    Size(u64),
    /// Bytes were written at an offset.
    Write(u64, Vec<u8>),
    /// The file was synced.
    Sync,
    /// The directory was synced.
    SyncNames,
    /// The name was changed.
    Rename(String),
    /// The name went.
    Unlink,
}

/// A change with its file's name (at that time) and the moments between which it happened, in nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The file's name in the directory.
    pub name: String,
    /// What happened.
    pub change: Change,
    /// Before this moment nothing of it had happened.
    pub start: u64,
    /// After this moment all of it had.
    pub end: u64,
}

/// The arguments that make strace write a log for [`read`].
#[must_use]
pub fn tracer(log: &Path) -> Vec<String> {
    let mut arguments: Vec<String> =
        ["-f", "-q", "-y", "-xx", "-s", "1000000", "--seccomp-bpf"].map(Into::into).to_vec();
    arguments.extend(["--absolute-timestamps=format:unix,precision:ns", "--syscall-times=ns"].map(Into::into));
    arguments.extend(["-o".to_owned(), log.to_string_lossy().into_owned()]);
    // A name that this machine's architecture lacks is no error with the question mark.
    let unknown: Vec<String> = UNKNOWN.split(',').map(|call| format!("?{}", call.trim())).collect();
    arguments.extend(["-e".to_owned(), format!("trace={KNOWN},{}", unknown.join(","))]);
    arguments
}

/// Whether strace has written the end of this process, which is the last that it writes.
///
/// # Errors
/// When the log cannot be read.
pub fn is_complete(log: &Path, pid: u32) -> anyhow::Result<bool> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut file = std::fs::File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(4096)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let tail = String::from_utf8_lossy(&tail);
    Ok(tail.lines().any(|line| line.split_whitespace().next() == Some(&pid.to_string()) && line.ends_with(" +++")))
}

/// Reads the changes below `directory`, in the order in which they ended.
///
/// # Errors
/// When the log holds a change that the model does not know, so that no image could be trusted.
pub fn read(log: &Path, directory: &Path) -> anyhow::Result<Vec<Call>> {
    let directory = std::fs::canonicalize(directory)?;
    let text = std::fs::read_to_string(log)?;
    let mut parser =
        Parser { directory: directory.to_string_lossy().into_owned(), positions: HashMap::new(), calls: Vec::new() };
    let mut unfinished: HashMap<&str, (u64, &str)> = HashMap::new();
    let mut whole: Vec<(u64, u64, String)> = Vec::new();
    for line in text.lines() {
        let Some((pid, rest)) = line.split_once(char::is_whitespace) else { continue };
        let Some((moment, rest)) = rest.trim_start().split_once(' ') else { continue };
        let moment = nanoseconds(moment).with_context(|| format!("no time in {line:.80}"))?;
        if rest.starts_with("+++") || rest.starts_with("---") {
            continue;
        }
        if let Some(head) = rest.strip_suffix(" <unfinished ...>") {
            unfinished.insert(pid, (moment, head));
            continue;
        }
        let (start, call) = match rest.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>")) {
            None => (moment, rest.to_owned()),
            Some((_, tail)) => {
                let (start, head) = unfinished.remove(pid).context("a call ended that had not begun")?;
                (start, format!("{head}{tail}"))
            }
        };
        // A call that the end of the process cut off has no time: it may have happened in part.
        let duration = call.rsplit_once('<').and_then(|(_, rest)| nanoseconds(rest.strip_suffix('>')?));
        whole.push((start, duration.map_or(u64::MAX, |duration| start + duration), call));
    }
    whole.sort_by_key(|(_, end, _)| *end);
    for (start, end, call) in &whole {
        parser.call(*start, *end, call).with_context(|| format!("in the call {call:.200}"))?;
    }
    Ok(parser.calls)
}

struct Parser {
    directory: String,
    positions: HashMap<String, u64>,
    calls: Vec<Call>,
}

impl Parser {
    fn call(&mut self, start: u64, end: u64, call: &str) -> anyhow::Result<()> {
        let Some((verb, rest)) = call.split_once('(') else { return Ok(()) };
        let Some((arguments, result)) = rest.rsplit_once(" = ") else { return Ok(()) };
        let arguments = arguments.trim_end();
        let arguments: Vec<&str> = arguments.strip_suffix(')').unwrap_or(arguments).split(", ").collect();
        let argument = |n: usize| arguments.get(n).copied().with_context(|| format!("no argument {n}"));
        if result.starts_with('-') || result.starts_with('?') {
            // Failed, so nothing happened; "?" is the end of the process.
            return Ok(());
        }
        if result.contains("(INJECTED)") {
            // The caller was told a result of a call that never reached the kernel.
            return Ok(());
        }
        let result_number: u64 =
            result.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or_default();
        let mut push = |name: String, change: Change| self.calls.push(Call { name, change, start, end });
        match verb {
            "openat" => {
                let flags = argument(2)?;
                let path = unquote(argument(1)?)?;
                self.positions.insert(result_number.to_string(), 0);
                if let Some(name) = in_directory(&self.directory, &path)
                    && !name.is_empty()
                {
                    ensure!(!flags.contains("O_APPEND"), "O_APPEND is not in the model");
                    if flags.contains("O_CREAT") {
                        push(name.clone(), Change::Create);
                    }
                    if flags.contains("O_TRUNC") {
                        push(name, Change::Size(0));
                    }
                }
            }
            "rename" => {
                let (from, to) = (unquote(argument(0)?)?, unquote(argument(1)?)?);
                match (in_directory(&self.directory, &from), in_directory(&self.directory, &to)) {
                    (Some(from), Some(to)) => push(from, Change::Rename(to)),
                    (None, None) => {}
                    _ => bail!("a rename across the directory is not in the model"),
                }
            }
            "unlink" => {
                if let Some(name) = in_directory(&self.directory, &unquote(argument(0)?)?) {
                    push(name, Change::Unlink);
                }
            }
            "mmap" => {
                let (protection, flags) = (argument(2)?, argument(3)?);
                let file = descriptor(argument(4)?).and_then(|(_, path)| in_directory(&self.directory, &path));
                if let Some(name) = file
                    && protection.contains("PROT_WRITE")
                    && flags.contains("MAP_SHARED")
                {
                    // SQLite's index of its log: rebuilt at the first opening, never needed from the disk.
                    ensure!(name.ends_with("-shm"), "{name} is written through memory, which is not in the model");
                }
            }
            "close" | "lseek" | "write" | "pwrite64" | "ftruncate" | "fsync" | "fdatasync" => {
                let Some((number, path)) = descriptor(argument(0)?) else { return Ok(()) };
                let at = self.positions.entry(number).or_default();
                let Some(name) = in_directory(&self.directory, &path) else { return Ok(()) };
                match verb {
                    "close" => {}
                    "lseek" => *at = result_number,
                    "write" => {
                        let bytes = quoted(argument(1)?)?;
                        ensure!(bytes.len() as u64 >= result_number, "the log holds only a part of a write");
                        let bytes = bytes.get(..usize::try_from(result_number)?).unwrap_or_default().to_vec();
                        push(name, Change::Write(*at, bytes));
                        *at += result_number;
                    }
                    "pwrite64" => {
                        let bytes = quoted(argument(1)?)?;
                        ensure!(bytes.len() as u64 == result_number, "a write was cut short");
                        push(name, Change::Write(argument(3)?.parse()?, bytes));
                    }
                    "ftruncate" => push(name, Change::Size(argument(1)?.parse()?)),
                    _ if name.is_empty() => push(name, Change::SyncNames),
                    _ => push(name, Change::Sync),
                }
            }
            _ => {
                let touched = arguments.iter().any(|argument| {
                    let path = descriptor(argument).map(|(_, path)| path).or_else(|| unquote(argument).ok());
                    path.is_some_and(|path| in_directory(&self.directory, &path).is_some())
                });
                ensure!(!touched && !verb.starts_with("io_"), "{verb} is not in the model");
            }
        }
        Ok(())
    }
}

/// The name of a path in the directory; empty for the directory itself.
fn in_directory(directory: &str, path: &str) -> Option<String> {
    let rest = path.strip_prefix(directory)?;
    if rest.is_empty() {
        return Some(String::new());
    }
    rest.strip_prefix('/').map(str::to_owned)
}

/// `11<\x2f..>` as number and path. One that was deleted has no name any more.
fn descriptor(argument: &str) -> Option<(String, String)> {
    let (number, rest) = argument.split_once('<')?;
    let path = String::from_utf8(hex(rest.strip_suffix('>')?).ok()?).ok()?;
    number.bytes().all(|byte| byte.is_ascii_digit()).then(|| (number.to_owned(), path))
}

fn unquote(argument: &str) -> anyhow::Result<String> {
    Ok(String::from_utf8(quoted(argument)?)?)
}

fn quoted(argument: &str) -> anyhow::Result<Vec<u8>> {
    let inner = argument.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    hex(inner.context("the log holds only a part of a text")?)
}

fn hex(text: &str) -> anyhow::Result<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    text.as_bytes()
        .chunks(4)
        .map(|chunk| match chunk {
            [b'\\', b'x', high, low] => {
                let value = digit(*high).zip(digit(*low)).map(|(high, low)| high << 4 | low);
                Ok(u8::try_from(value.context("no hexadecimal digit")?)?)
            }
            _ => bail!("not hexadecimal"),
        })
        .collect()
}

fn nanoseconds(text: &str) -> Option<u64> {
    let (seconds, fraction) = text.split_once('.')?;
    if fraction.len() != 9 {
        return None;
    }
    Some(seconds.parse::<u64>().ok()? * 1_000_000_000 + fraction.parse::<u64>().ok()?)
}
