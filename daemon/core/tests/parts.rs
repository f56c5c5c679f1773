//! The walls inside the core: the parts of the node know neither the node nor each other, and keep their fields to themselves.
//! Every module of the core is found here by itself, and has its place in one of the lists below.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The parts, with the one struct of each that the node holds.
const PARTS: [(&str, &str); 14] = [
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
    ("rooms", "Rooms"),
    ("supervision", "Supervision"),
];
/// Families of plain values, and what a turn gives to everybody.
const VALUES: [&str; 10] = ["effect", "input", "op", "piece", "policy", "snapshot", "tariff", "time", "turn", "view"];
/// Pure helpers: they hold no state of the node.
const HELPERS: [&str; 3] = ["entropy", "handshake", "rate"];
/// What is composed of the parts, and so knows them.
const COMPOSED: [&str; 2] = ["chat", "node"];
/// Parts that others are handed as an argument: whoever says something pays, and what is written later is given away. An outbox
/// is held by another part.
const HANDED: [&str; 3] = ["account", "chat/outbox", "later"];
/// Structs with many open fields that are filled in once and then only read: what a user may set, and a row of the store.
const FILLED_ONCE: [&str; 3] = ["DialPolicy", "PeerSnapshot", "Policy"];

/// The texts of a crate's modules, by their paths below `src`, without what is only for tests.
type Sources = BTreeMap<String, String>;

fn sources() -> Sources {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Sources::new();
    let mut open = vec![src.clone()];
    while let Some(path) = open.pop() {
        if path.file_stem().is_some_and(|name| name == "tests") {
            continue;
        }
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let module = path.strip_prefix(&src).unwrap().with_extension("").to_str().unwrap().to_owned();
            found.insert(module, std::fs::read_to_string(&path).unwrap());
        }
    }
    found.remove("lib");
    found
}

/// What stands before a file's tests, which may be told in terms of anything.
fn without_tests(text: &str) -> &str {
    let starts = ["#[cfg(test)]\nmod tests", "#[cfg(test)]\npub(crate) mod tests"];
    let end = starts.iter().filter_map(|start| text.find(start)).min();
    &text[..end.unwrap_or(text.len())]
}

/// The unit that a module belongs to: a part with all its files, or a family. The parts of chat are units of their own.
fn unit(path: &[&str]) -> String {
    match path {
        ["chat", part, ..] if part.starts_with(|c: char| c.is_ascii_lowercase()) => format!("chat/{part}"),
        [first, ..] => (*first).to_owned(),
        [] => String::new(),
    }
}

/// The units that the code of a module names by `crate::` or `super::`. An empty one is the crate's root.
fn named(module: &str, text: &str) -> BTreeSet<String> {
    let is_path = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let code = without_tests(text).lines().filter(|line| !line.trim_start().starts_with("//"));
    let words = code.flat_map(|line| line.split(|c| !is_path(c)));
    let mut units = BTreeSet::new();
    for word in words.filter(|word| word.starts_with("crate::") || word.starts_with("super::")) {
        let mut path: Vec<&str> = module.split('/').collect();
        for segment in word.split("::").filter(|segment| !segment.is_empty()) {
            match segment {
                "crate" => path.clear(),
                "super" => drop(path.pop()),
                name => path.push(name),
            }
        }
        units.insert(unit(&path));
    }
    units
}

/// The structs in a text: the name of each, and its lines that declare a field.
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

/// What is wrong with the walls of a core.
fn faults(sources: &Sources) -> Vec<String> {
    let mut faults = Vec::new();
    let parts: BTreeSet<_> = PARTS.iter().map(|(part, _)| *part).collect();
    for (module, text) in sources {
        let own = unit(&module.split('/').collect::<Vec<_>>());
        if COMPOSED.contains(&own.as_str()) {
            continue;
        }
        if !parts.contains(own.as_str()) && !VALUES.contains(&own.as_str()) && !HELPERS.contains(&own.as_str()) {
            faults.push(format!("{module} is in none of the lists"));
            continue;
        }
        for name in named(module, text).into_iter().filter(|name| *name != own) {
            let name = name.as_str();
            if !VALUES.contains(&name) && !HELPERS.contains(&name) && !HANDED.contains(&name) {
                faults.push(format!("{module} names {}", if name.is_empty() { "the crate's root" } else { name }));
            }
        }
    }
    for (part, name) in PARTS {
        let structs = structs(without_tests(sources.get(part).map_or("", String::as_str)));
        match structs.iter().find(|(found, _)| found == name) {
            None => faults.push(format!("{part} has no struct {name}")),
            Some((_, fields)) if fields.is_empty() => faults.push(format!("{part}: {name} has no field")),
            Some((_, fields)) if fields.iter().any(|field| field.starts_with("pub")) => {
                faults.push(format!("{part}: {name} shows a field"));
            }
            Some(_) => {}
        }
    }
    faults
}

/// The structs that have more than twelve fields which several files may write.
fn wide(sources: &Sources) -> BTreeSet<String> {
    let of_all = sources.values().flat_map(|text| structs(text));
    of_all
        .filter(|(_, fields)| fields.iter().filter(|field| field.starts_with("pub")).count() > 12)
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn no_part_knows_the_node_or_another_part_or_shows_a_field() {
    let sources = sources();
    assert!(sources.len() > 40, "{} modules were found", sources.len());
    assert_eq!(faults(&sources), Vec::<String>::new());
}

#[test]
fn every_name_in_the_lists_is_needed() {
    let sources = sources();
    for listed in VALUES.iter().chain(&HELPERS).chain(&COMPOSED) {
        assert!(sources.contains_key(*listed), "there is no {listed}");
    }
    for handed in HANDED {
        let by_another = |(module, text): (&String, &String)| {
            let own = unit(&module.split('/').collect::<Vec<_>>());
            own != handed && !COMPOSED.contains(&own.as_str()) && named(module, text).contains(handed)
        };
        assert!(sources.iter().any(by_another), "nobody is handed {handed}");
    }
}

#[test]
fn no_struct_that_several_files_may_write_has_more_than_twelve_fields() {
    assert_eq!(wide(&sources()), FILLED_ONCE.map(str::to_owned).into());
}

#[test]
fn what_breaks_a_wall_is_found() {
    let with = |module: &str, text: &str| {
        let mut sources = sources();
        sources.entry(module.to_owned()).or_default().insert_str(0, text);
        faults(&sources)
    };
    assert_eq!(with("clock/zones", "use super::Clock;\nuse crate::time::Now;\n"), Vec::<String>::new());
    assert_eq!(with("mailbox", ""), ["mailbox is in none of the lists"]);
    assert_eq!(with("chat/rooms", ""), ["chat/rooms is in none of the lists"]);
    assert_eq!(with("links/life", "use crate::node::Node;\n"), ["links/life names node"]);
    assert_eq!(with("links/life", "fn f() { super::super::presence::f() }\n"), ["links/life names presence"]);
    assert_eq!(
        with("chat/sending/pump", "use crate::chat::receiving::Received;\n"),
        ["chat/sending/pump names chat/receiving"]
    );
    assert_eq!(with("chat/legacy", "use super::receiving;\n"), ["chat/legacy names chat/receiving"]);
    assert_eq!(with("op/chat", "use crate::contacts::Contacts;\n"), ["op/chat names contacts"]);
    // Several modules at once would hide what they are.
    assert_eq!(with("clock/zones", "use crate::{links, time};\n"), ["clock/zones names the crate's root"]);
    let changed = |module: &str, from: &str, to: &str| {
        let mut sources = sources();
        let text = sources.get_mut(module).unwrap();
        *text = text.replacen(from, to, 1);
        faults(&sources)
    };
    assert_eq!(
        changed("clock", "struct Clock {\n", "struct Clock {\n    pub(crate) n: u8,\n"),
        ["clock: Clock shows a field"]
    );
    assert_eq!(changed("clock", "struct Clock", "struct Watch"), ["clock has no struct Clock"]);
    let fields: String = (0..13).map(|n| format!("    pub(crate) f{n}: u8,\n")).collect();
    let sources = Sources::from([("view".to_owned(), format!("pub struct Wide {{\n{fields}}}\n"))]);
    assert_eq!(wide(&sources), ["Wide".to_owned()].into());
}
