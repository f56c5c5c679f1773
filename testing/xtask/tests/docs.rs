//! What the documents name is there: files and folders of the tree, the words of the glossary in the files that it says, and
//! what links lead to.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

/// The top folders of which a path in a document is one of the tree.
const TOPS: [&str; 5] = ["protocol/", "daemon/", "clients/", "testing/", "docs/"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// All documents, by their paths below the root.
fn documents() -> Vec<(PathBuf, String)> {
    let mut files = vec![PathBuf::from("README.md")];
    for folder in ["docs", "docs/adr"] {
        let entries = std::fs::read_dir(root().join(folder)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        files.extend(names.filter(|name| name.ends_with(".md")).map(|name| Path::new(folder).join(name)));
    }
    files.into_iter().map(|file| (file.clone(), std::fs::read_to_string(root().join(&file)).unwrap())).collect()
}

/// What stands between back quotes, without blocks of code.
fn quoted(text: &str) -> Vec<&str> {
    let mut quoted = Vec::new();
    let mut block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            block = !block;
        } else if !block {
            quoted.extend(line.split('`').skip(1).step_by(2));
        }
    }
    quoted
}

/// The path that a quotation begins with, if it names a place of the tree. Patterns and places to come (`NNN`, `*`, `<..>`) name none.
fn path(quotation: &str) -> Option<&str> {
    let path = quotation.split([' ', ':']).next()?;
    let pattern = path.contains(['*', '<', '{', '$']) || path.contains("NNN") || path.contains("..");
    (TOPS.iter().any(|top| path.starts_with(top)) && !pattern).then_some(path)
}

/// Whether the text holds the name as a whole word.
fn holds(text: &str, name: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name)
}

/// What is wrong with the last cell of a row of the glossary: a path, then names that the file must hold.
fn misplaced(cell: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut file = None;
    for quotation in cell.split('`').skip(1).step_by(2) {
        match path(quotation) {
            Some(path) => {
                file = read(path).map(|text| (path, text));
                if file.is_none() {
                    wrong.push(format!("{path} is not there"));
                }
            }
            None => match &file {
                Some((path, text)) if !holds(text, quotation) => wrong.push(format!("{path} has no {quotation}")),
                Some(_) => {}
                None => wrong.push(format!("no file that exists is named for {quotation}")),
            },
        }
    }
    if wrong.is_empty() && file.is_none() {
        wrong.push(format!("no file is named in {cell}"));
    }
    wrong
}

#[test]
fn every_path_that_a_document_names_exists() {
    let (mut named, mut wrong) = (0, Vec::new());
    for (file, text) in documents() {
        // What changed, and what was decided once, may name what is no more.
        if file.starts_with("docs/adr") || file.ends_with("BENCHMARKS.md") {
            continue;
        }
        for path in quoted(&text).into_iter().filter_map(path) {
            named += 1;
            if !root().join(path).exists() {
                wrong.push(format!("{} names {path}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(named > 150, "only {named} paths are named");
}

#[test]
fn every_link_leads_to_a_file() {
    let (mut followed, mut wrong) = (0, Vec::new());
    for (file, text) in documents() {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap();
            if target.is_empty() || target.contains("://") || target.contains(' ') {
                continue;
            }
            followed += 1;
            if !root().join(file.parent().unwrap()).join(target).exists() {
                wrong.push(format!("{} leads to {target}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(followed > 20, "only {followed} links");
}

#[test]
fn every_word_of_the_glossary_is_where_it_says() {
    let glossary = std::fs::read_to_string(root().join("docs/GLOSSARY.md")).unwrap();
    let rows: Vec<_> =
        glossary.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| word |")).collect();
    assert!(rows.len() > 50, "only {} words", rows.len());
    let mut wrong = Vec::new();
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").collect();
        assert_eq!(cells.len(), 4, "{row}");
        for fault in misplaced(cells[3], |path| std::fs::read_to_string(root().join(path)).ok()) {
            wrong.push(format!("{}: {fault}", cells[0].trim()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Words that STYLE.md replaces, and by what.
const OLD_WORDS: [(&str, &str); 4] = [
    ("whoever", "a program that .., anybody who .."),
    ("for ever", "forever"),
    ("so many", "how many, this many"),
    ("dear", "expensive"),
];

#[test]
fn the_documents_keep_to_plain_words() {
    let mut wrong = Vec::new();
    for (file, text) in documents() {
        if file.starts_with("docs/adr")
            || ["docs/BENCHMARKS.md", "docs/STYLE.md"].iter().any(|name| file == Path::new(name))
        {
            continue;
        }
        for (at, line) in text.lines().enumerate() {
            // Without what stands between back quotes: names, commands, and what a program prints.
            let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join(" ").to_lowercase();
            let words = format!(" {} ", prose.split(|c: char| !c.is_alphanumeric()).collect::<Vec<_>>().join(" "));
            for (old, new) in OLD_WORDS.iter().filter(|(old, _)| words.contains(&format!(" {old} "))) {
                wrong.push(format!("{}:{}: {old:?}, say {new}", file.display(), at + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn what_is_not_there_is_found() {
    let read = |path: &str| (path == "daemon/core/src/lib.rs").then(|| "pub struct Node {\n}\n".to_owned());
    assert!(misplaced(" `daemon/core/src/lib.rs` `Node` ", read).is_empty());
    assert_eq!(misplaced("`daemon/core/src/lib.rs` `Nod`", read).len(), 1);
    assert_eq!(misplaced("`daemon/core/src/gone.rs`", read).len(), 1);
    assert_eq!(misplaced("`Node`", read).len(), 1);
    assert_eq!(misplaced("-", read).len(), 1);
    assert_eq!(path("protocol/src/limits.rs IN_FLIGHT_MESSAGES"), Some("protocol/src/limits.rs"));
    assert_eq!(path("store/schema/NNN.sql"), None);
    assert_eq!(path("--help"), None);
    assert_eq!(quoted("a `b`\n```\n`c`\n```\nd `e f`"), ["b", "e f"]);
}
