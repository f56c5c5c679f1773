//! The walls inside the core: the parts of the node know neither the node nor each other, and keep their fields to themselves.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

/// What every part may use: plain values, and what the node hands it as an argument.
const COMMON: [&str; 13] = [
    "account", "effect", "entropy", "input", "later", "op", "outbox", "policy", "rate", "snapshot", "time", "turn",
    "view",
];
/// The parts, with the one struct of each that the node holds.
const PARTS: [(&str, &str); 12] = [
    ("account", "Account"),
    ("chat/legacy", "Legacy"),
    ("chat/outbox", "Outbox"),
    ("chat/receiving", "Receiving"),
    ("chat/sending", "Sending"),
    ("clock", "Clock"),
    ("contacts", "Contacts"),
    ("dialling", "Dialling"),
    ("later", "Later"),
    ("links", "Links"),
    ("notices", "Notices"),
    ("presence", "Presence"),
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn read(part: &str) -> String {
    let text = std::fs::read_to_string(source().join(part).with_extension("rs")).unwrap();
    // Tests of a part may be told in terms of anything.
    text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned()
}

/// The modules of this crate that a text names.
fn named(text: &str) -> Vec<String> {
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let after =
        |start: &'static str| code.match_indices(start).map(move |(at, _)| at + start.len()).collect::<Vec<_>>();
    let mut names: Vec<_> = after("crate::").into_iter().chain(after("super::")).collect();
    names.sort_unstable();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    names.into_iter().map(|at| code[at..].chars().take_while(|c| is_name(*c)).collect()).collect()
}

#[test]
fn no_part_knows_the_node_or_another_part() {
    for (part, _) in PARTS.iter().chain(&[("supervision", "Supervision")]) {
        let names = named(&read(part));
        assert!(!names.is_empty() || matches!(*part, "later"), "{part} is looked at");
        for name in names {
            assert!(COMMON.contains(&name.as_str()), "{part} names {name}");
        }
    }
    assert!(named("use crate::node::Node;").contains(&"node".to_owned()), "the search finds what it is for");
}

/// The fields of each struct in a text: its name, and its lines that declare one.
fn structs(text: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some((_, rest)) = line.split_once("struct ").filter(|_| line.ends_with('{') && !line.starts_with("//"))
        else {
            continue;
        };
        let name = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
        let body = lines.by_ref().take_while(|line| !line.starts_with('}')).map(str::trim);
        let fields = body.filter(|line| !line.starts_with("//") && line.contains(": ")).map(str::to_owned).collect();
        found.push((name, fields));
    }
    found
}

#[test]
fn what_a_part_holds_is_written_by_its_own_file_only() {
    for (part, name) in PARTS.iter().chain(&[("supervision", "Supervision")]) {
        let structs = structs(&read(part));
        let (_, fields) = structs.iter().find(|(found, _)| found == name).unwrap();
        assert!(!fields.is_empty(), "{part}: {name} has fields");
        assert!(fields.iter().all(|field| !field.starts_with("pub")), "{part}: {name} shows a field");
    }
}

#[test]
fn no_struct_that_several_files_may_write_has_more_than_twelve_fields() {
    // Filled in once and then only read: what a user may set, and a row of the store.
    const FILLED_ONCE: [&str; 4] = ["Policy", "DialPolicy", "PeerSnapshot", "NodeStatus"];
    let mut files: Vec<_> = ["", "chat", "node", "op", "effect", "input"]
        .iter()
        .filter_map(|folder| std::fs::read_dir(source().join(folder)).ok())
        .flat_map(|entries| entries.map(|entry| entry.unwrap().path()))
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .collect();
    files.sort();
    let mut seen = 0;
    for path in files {
        for (name, fields) in structs(&std::fs::read_to_string(&path).unwrap()) {
            seen += 1;
            let open = fields.iter().filter(|field| field.starts_with("pub")).count();
            assert!(open <= 12 || FILLED_ONCE.contains(&name.as_str()), "{}: {name} has {open}", path.display());
        }
    }
    assert!(seen > 30, "{seen} structs were found");
}
