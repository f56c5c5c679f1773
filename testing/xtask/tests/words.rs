//! What users read: no count before a plural that may be 1, no person who is "it", and documents that name what the programs say.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// Every file with this ending below a folder of the tree, without those for tests.
fn files(folder: &str, end: &str) -> Vec<(PathBuf, String)> {
    let (mut folders, mut found) = (vec![root().join(folder)], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "tests" {
                folders.push(path);
            } else if path.extension().is_some_and(|is| is == end) && name != "tests.rs" {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    found
}

/// The lines of the programs' sources in which users' words can be, up to the tests of the file.
fn lines() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in ["clients/torchat/src", "clients/core/src"] {
        for (path, text) in files(folder, "rs") {
            let code = text.split("#[cfg(test)]").next().unwrap();
            // The comments of the command line are its help.
            let help = path.to_string_lossy().contains("/arguments");
            for (at, line) in code.lines().enumerate().filter(|(_, line)| help || !line.trim_start().starts_with("//"))
            {
                found.push((format!("{}:{}", path.display(), at + 1), line.trim().to_owned()));
            }
        }
    }
    found
}

/// What users count.
const COUNTED: &str = "messages days hours minutes seconds lines rows contacts events people peers tries files commands tokens \
                       consumers links strangers requests words invites programs connections conversations";

/// Places where the number is never 1: what the line holds, and why.
const NEVER_ONE: [(&str, &str); 6] = [
    ("(false, number) => format!(\"{number} conversations\")", "one has words of its own"),
    ("{} people ask to become contacts", "one is meant without a question"),
    ("{} people ask to become members", "one is meant without a question"),
    ("highlight has more than {} words", "a constant"),
    ("=> format!(\"{} days\", seconds / 86_400)", "from two days on"),
    ("{say} of {all} peers say in their messages", "at least three"),
];

/// The noun behind a placeholder that would be wrong for 1.
fn plural_behind_a_number(line: &str) -> Option<String> {
    let behind = line.split('}').skip(1).filter_map(|rest| rest.strip_prefix(' '));
    let words = behind.map(|rest| rest.chars().take_while(char::is_ascii_alphabetic).collect::<String>());
    words.into_iter().find(|word| COUNTED.split_whitespace().any(|counted| counted == word))
}

#[test]
fn no_number_stands_before_a_plural_that_is_wrong_for_one() {
    let mut wrong = Vec::new();
    for (place, line) in lines() {
        let excused = NEVER_ONE.iter().any(|(part, _)| line.contains(part));
        if let Some(word) = plural_behind_a_number(&line).filter(|_| !excused) {
            wrong.push(format!("{place}: \"{word}\" may be one: use `words::count`: {line}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert_eq!(plural_behind_a_number("format!(\"kept for {days} days\")").as_deref(), Some("days"));
    assert_eq!(plural_behind_a_number("format!(\"{} of them\")"), None);
}

/// Words with which people are things, and by what STYLE.md replaces them.
const THINGS: [&str; 14] = [
    "calls itself",
    "call itself",
    "it learns",
    "it sees what",
    "its name bears",
    "contact that",
    "contacts that",
    "stranger that",
    "strangers that",
    "friend that",
    "friends that",
    "somebody that",
    "contact which",
    "stranger which",
];

#[test]
fn people_are_not_things() {
    let documents = [
        "docs/ROOMS.md",
        "docs/CLIENT.md",
        "docs/SHELL.md",
        "docs/OPERATIONS.md",
        "docs/RELIABILITY.md",
        "docs/SECURITY.md",
        "docs/COOKBOOK.md",
    ];
    let mut texts = lines();
    for file in documents.into_iter().chain(["README.md", "CHANGELOG.md"]) {
        let text = std::fs::read_to_string(root().join(file)).unwrap();
        // Without what stands between back quotes: names of tests are not prose.
        let prose = |line: &str| line.split('`').step_by(2).collect::<Vec<_>>().join(" ");
        texts.extend(text.lines().enumerate().map(|(at, line)| (format!("{file}:{}", at + 1), prose(line))));
    }
    let found = |line: &str| THINGS.iter().find(|thing| line.to_lowercase().contains(**thing)).copied();
    let wrong: Vec<_> =
        texts.iter().filter_map(|(place, line)| Some(format!("{place}: {:?}: {line}", found(line)?))).collect();
    assert!(wrong.is_empty(), "people are \"they\", or \"who\":\n{}", wrong.join("\n"));
}

/// The table of `doctor` in SHELL.md has every check that the program can report, and no other.
#[test]
fn the_table_of_doctor_has_every_check() {
    let mut checks = BTreeSet::new();
    for (_, text) in files("clients/torchat/src/shell/doctor", "rs") {
        let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
        for grade in ["ok", "note", "wrong"] {
            for rest in code.split(&format!("Finding::{grade}(")).skip(1) {
                let name = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
                checks.extend(name.map(str::to_owned));
            }
        }
    }
    assert!(checks.len() > 12, "{checks:?}");
    let document = std::fs::read_to_string(root().join("docs/SHELL.md")).unwrap();
    let table = document.split("| check | what | code |").nth(1).unwrap().split("\n\n").next().unwrap();
    let rows = table.lines().filter_map(|row| row.strip_prefix("| `"));
    let named =
        rows.flat_map(|row| row.split(" | ").next().unwrap().split(", ").map(|name| name.trim_matches('`').to_owned()));
    assert_eq!(named.collect::<BTreeSet<_>>(), checks);
}
