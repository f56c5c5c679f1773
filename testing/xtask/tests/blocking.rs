//! Nothing waits on a thread of the runtime: no file, sleep or process in asynchronous code, and no lock held while the store or a
//! file is waited for. Links and Tor run on the same threads, so one slow disk would hold up all of them.
//!
//! clippy knows a lock that is held over `.await`, and not one that is held over a slow call on another thread while the runtime
//! waits for the lock. So the sources are read here, by rules simple enough to be kept in the head.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

/// What waits for a disk, for time or for another process.
const BLOCKING: &[&str] = &[
    "std::fs::",
    " fs::",
    "(fs::",
    "File::open",
    "File::options",
    "OpenOptions::new",
    "thread::sleep",
    "Command::new",
    "std::net::TcpStream::connect",
    "StdUnixStream::connect",
    ".blocking_",
    "block_on(",
    "Owners::new()",
];

/// What waits for a disk while a lock is held.
const SLOW: &[&str] =
    &["store.", "db.", "std::fs::", " fs::", "thread::sleep", ".blocking_", "Owners::new()", ".recv()"];

/// What holds the running daemon.
const FOLDERS: &[&str] =
    &["daemon/transport/src", "daemon/engine/src", "daemon/control/src", "daemon/tor/src", "daemon/torchatd/src"];

/// A line that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    line: usize,
    rule: &'static str,
    text: String,
}

/// A block that something holds in.
struct Open {
    /// The braces and brackets around it: it ends with fewer.
    depth: usize,
    what: What,
}

#[derive(PartialEq)]
enum What {
    /// Runs on the runtime.
    Async,
    /// Runs elsewhere, though it is written in there.
    Elsewhere,
    /// A lock is held under this name, or until the block ends.
    Lock(Option<String>),
}

/// Without comments, and without what stands in quotes.
fn bare(line: &str) -> String {
    let line = if line.trim_start().starts_with("//") { "" } else { line };
    let mut out = String::new();
    let (mut quoted, mut escaped) = (false, false);
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '/' if !quoted && rest.peek() == Some(&'/') => break,
            // A character, not a lifetime.
            '\'' if !quoted && rest.clone().nth(1) == Some('\'') => {
                rest.nth(1);
            }
            _ if quoted => {}
            _ => out.push(c),
        }
    }
    out
}

fn is_lock(expression: &str) -> bool {
    expression.contains(".lock()") && !expression.contains(".lock().await")
}

/// The name of a guard that is kept, if the line keeps one.
fn guard(line: &str) -> Option<String> {
    let (name, value) = line.trim().strip_prefix("let ")?.split_once(" = ")?;
    // What is done with it in the same statement lets it go at its end.
    value.trim_end_matches(';').ends_with(".lock()").then(|| name.trim_start_matches("mut ").to_owned())
}

/// A lock of the standard library: it is poisoned by a panic, and the one who takes it has to say that this is no matter.
fn poisons(line: &str) -> bool {
    line.split("std::sync::").skip(1).any(|rest| {
        let end = if rest.starts_with('{') { '}' } else { ';' };
        let named = rest.split(|c: char| c == end || "<>(".contains(c)).next().unwrap_or(rest);
        ["Mutex", "RwLock", "Condvar", "PoisonError"].iter().any(|name| named.contains(name))
    })
}

fn search(source: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let (mut depth, mut open): (usize, Vec<Open>) = (0, Vec::new());
    let tests = source.find("#[cfg(test)]\nmod tests {").unwrap_or(source.len());
    for (n, whole) in source[..tests].lines().enumerate() {
        let line = bare(whole);
        let mut hit = |rule, words: &[&str]| {
            if words.iter().any(|word| format!(" {}", line.trim_start()).contains(word)) {
                found.push(Found { line: n + 1, rule, text: whole.trim().to_owned() });
            }
        };
        let on_runtime = open.iter().rev().find(|open| !matches!(open.what, What::Lock(_)));
        if on_runtime.is_some_and(|open| open.what == What::Async) && !line.contains("spawn_blocking(") {
            hit("blocks the runtime", BLOCKING);
        }
        if open.iter().any(|open| matches!(open.what, What::Lock(_))) {
            hit("is waited for while a lock is held", SLOW);
        }
        let mut begin = |what| open.push(Open { depth: depth + 1, what });
        if line.contains("spawn_blocking(") || line.contains("jobs.run(") || line.contains("thread::Builder") {
            begin(What::Elsewhere);
        } else if line.contains("async fn ")
            || line.contains("async move {")
            || line.contains("async {")
            || line.contains("async |")
        {
            begin(What::Async);
        }
        let held = ["match ", "for ", "while let "].iter().any(|word| line.trim_start().starts_with(word));
        if held && is_lock(&line) && line.ends_with('{') {
            begin(What::Lock(None));
        }
        let before = depth;
        for c in line.chars() {
            match c {
                '{' | '(' | '[' => depth += 1,
                '}' | ')' | ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        // The signature of an `async fn` may take lines before its block begins: it is looked at from there on.
        open.retain(|open| depth >= open.depth || (depth == before && open.depth == before + 1 && !line.contains(';')));
        if let Some(name) = guard(&line) {
            open.push(Open { depth, what: What::Lock(Some(name)) });
        }
        open.retain(|open| !matches!(&open.what, What::Lock(Some(name)) if line.contains(&format!("drop({name})"))));
    }
    found
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = entry.file_name().into_string().unwrap();
        if path.is_dir() && name != "tests" {
            sources(&path, into);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            into.push(path);
        }
    }
}

/// The names and the texts of all sources.
fn texts() -> Vec<(String, String)> {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned();
    let mut files = Vec::new();
    for folder in FOLDERS {
        sources(&root.join(folder), &mut files);
    }
    assert!(files.len() > 60, "only {} files were read", files.len());
    let name = |path: &Path| path.strip_prefix(&root).unwrap().display().to_string();
    files.iter().map(|path| (name(path), std::fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn nothing_waits_on_a_thread_of_the_runtime() {
    let mut wrong = Vec::new();
    for (name, text) in texts() {
        for found in search(&text) {
            wrong.push(format!("{name}:{}: {} {}", found.line, found.text, found.rule));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// A ban by clippy's `disallowed-types` would hold for the clients and the tests as well, which have reasons for other locks.
#[test]
fn no_lock_is_poisoned() {
    assert!(poisons("use std::sync::{Arc, Mutex};") && poisons("    node: Arc<std::sync::RwLock<Node>>,"));
    assert!(!poisons("    Thread(Arc<Mutex<std::sync::mpsc::Sender<Job>>>),"));
    assert!(!poisons("use std::sync::{Arc, OnceLock};") && !poisons("use parking_lot::{Mutex, RwLock};"));
    let mut wrong = Vec::new();
    for (name, text) in texts() {
        wrong.extend(text.lines().filter(|line| poisons(line)).map(|line| format!("{name}: {line}")));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_rules_find_what_they_are_for() {
    let rules = |source: &str| search(source).into_iter().map(|found| (found.line, found.rule)).collect::<Vec<_>>();
    let (blocks, locked) = ("blocks the runtime", "is waited for while a lock is held");
    // M7, as it was.
    let cursors = "fn write(&self, store: &mut Store) {\n    let mut known = self.known.lock();\n    match store.acknowledge() {\n    }\n}\n";
    assert_eq!(rules(cursors), [(3, locked)]);
    let mended = "fn write(&self, store: &mut Store) {\n    {\n        let known = self.known.lock();\n    }\n    store.acknowledge();\n    self.known.lock().insert(1);\n}\n";
    assert_eq!(rules(mended), []);
    assert_eq!(rules("fn a() {\n    let known = x.lock();\n    drop(known);\n    store.write();\n}\n"), []);
    assert_eq!(rules("fn a() {\n    let one = x.lock().get(1);\n    store.write();\n}\n"), []);
    assert_eq!(
        rules("fn a() {\n    for one in x.lock().iter() {\n        store.write(one);\n    }\n    store.write();\n}\n"),
        [(3, locked)]
    );
    // M2, as it was: the table of all connections read between two accepts.
    assert_eq!(
        rules("async fn a() {\n    std::fs::read_to_string(path);\n}\nfn b() {\n    std::fs::read(path);\n}\n"),
        [(2, blocks)]
    );
    assert_eq!(
        rules("fn a() {\n    spawn(async move {\n        thread::sleep(time);\n    });\n    thread::sleep(time);\n}\n"),
        [(3, blocks)]
    );
    assert_eq!(
        rules(
            "async fn a() {\n    spawn_blocking(move || {\n        fs::read(path)\n    });\n    let a = fs::read(path);\n}\n"
        ),
        [(5, blocks)]
    );
    assert_eq!(rules("async fn a(\n    b: u8,\n) {\n    fs::read(path);\n}\n"), [(4, blocks)]);
    assert_eq!(rules("async fn a() {\n    // fs::read\n    say(\"std::fs::read\");\n}\n"), []);
}
