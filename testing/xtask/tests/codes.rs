//! Every code of a refusal is named by the type [`Code`], so that no two places can spell it differently.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use torchat_protocol::control::code::CODES;

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            // Tests compare with the words of the wire on purpose.
            if !["tests", "target", "examples"].contains(&name.as_str()) {
                sources(&path, found);
            }
        } else if (name.ends_with(".rs") && name != "tests.rs") || name.ends_with(".py") {
            found.push(path);
        }
    }
}

/// Without the tests at its end.
fn program(text: &str) -> &str {
    // A declaration, `mod tests;`, may stand at the top; only a module with its text in the file ends the program.
    text.split("#[cfg(test)]\nmod tests {").next().unwrap()
}

#[test]
fn no_code_is_spelled_outside_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let mut files = Vec::new();
    for dir in ["daemon", "clients"] {
        sources(&root.join(dir), &mut files);
    }
    assert!(files.len() > 100, "{}", files.len());
    let table = ["code.rs", "codes.py"];
    let mut spelled = Vec::new();
    for path in files.iter().filter(|path| !table.iter().any(|table| path.ends_with(table))) {
        let text = std::fs::read_to_string(path).unwrap();
        for row in CODES {
            // A word alone may be something else: a state, an option.
            let literal = format!("\"{}\"", row.text);
            if row.text.contains('-') && program(&text).contains(&literal) {
                spelled.push(format!("{}: {literal}", path.strip_prefix(root).unwrap().display()));
            }
        }
    }
    assert!(spelled.is_empty(), "{spelled:#?}");
}

#[test]
fn the_daemon_says_no_code_that_only_clients_have() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let mut files = Vec::new();
    sources(&root.join("daemon"), &mut files);
    assert!(files.len() > 50, "{}", files.len());
    let clients = CODES.iter().filter(|row| row.source == torchat_protocol::control::code::Source::Client);
    let names: Vec<_> = clients.map(|row| format!("Code::{:?}", row.code)).collect();
    assert!(names.iter().any(|name| name == "Code::NotRunning"), "{names:?}");
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        for name in &names {
            // A whole word: rooms have codes of their own (`CloseCode`), and one code's name may begin another's.
            let said = program(&text).match_indices(name.as_str()).any(|(at, _)| {
                !text[at + name.len()..].starts_with(|c: char| c.is_alphanumeric())
                    && !text[..at].ends_with(|c: char| c.is_alphanumeric())
            });
            assert!(!said, "{}: {name}", path.display());
        }
    }
}
