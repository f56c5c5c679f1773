//! The tables of limits in the documentation say what the code says: every number, every key, every counter.
//!
//! Most of the constants are private to crates that this one must not link (one of them links arti), so they are read out of
//! the sources. What cannot be read is a failure, never a pass.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;

const MIB: u64 = 1 << 20;
const DAY_MS: u64 = 86_400_000;

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The rows of the table below a heading, as trimmed cells, without its head.
fn table(document: &str, heading: &str) -> Vec<Vec<String>> {
    let text = read(document);
    let start = text.find(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("{document} has no {heading}"));
    let rows: Vec<Vec<String>> = text[start + 1..]
        .lines()
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
        .filter(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect();
    let width = rows[0].len();
    assert!(rows.iter().all(|row| row.len() == width), "{document}: a row of {heading} has another number of cells");
    rows.into_iter().skip(2).collect()
}

/// `"15 s"`, `"16 MiB"`, `"100"` as milliseconds, bytes, a number.
fn documented(cell: &str) -> u64 {
    let (number, unit) = cell.split_once(' ').unwrap_or((cell, ""));
    let number: u64 = number.parse().unwrap_or_else(|_| panic!("{cell:?} is no number"));
    number
        * match unit {
            "" | "ms" => 1,
            "s" => 1000,
            "min" => 60_000,
            "h" => 3_600_000,
            "days" => DAY_MS,
            "KiB" => 1024,
            "MiB" => MIB,
            _ => panic!("{cell:?} has an unknown unit"),
        }
}

/// A product, a difference, a shift, or a duration of whole numbers.
fn evaluate(expression: &str) -> Option<u64> {
    let expression = expression.trim();
    for (function, scale) in [("Duration::from_secs(", 1000), ("Duration::from_millis(", 1)] {
        if let Some(inner) = expression.strip_prefix(function) {
            return Some(evaluate(inner.strip_suffix(')')?)? * scale);
        }
    }
    if let Some((left, right)) = expression.rsplit_once(" - ") {
        return evaluate(left)?.checked_sub(evaluate(right)?);
    }
    if let Some((left, right)) = expression.split_once("<<") {
        return Some(
            evaluate(left.trim_matches(|c: char| "( ".contains(c)))? << evaluate(right.trim_end_matches(')'))?,
        );
    }
    if let Some((left, right)) = expression.split_once('*') {
        return Some(evaluate(left)? * evaluate(right)?);
    }
    let digits: String = expression.chars().filter(|c| *c != '_').collect();
    digits.parse().ok()
}

/// An expression with numbers in the place of constants, of the same file or of another one of its crate (`crate::a::NAME`).
fn with_numbers(path: &str, expression: &str) -> String {
    let number = |word: &str| {
        let (file, name) = match word.strip_prefix("crate::").and_then(|rest| rest.rsplit_once("::")) {
            Some((module, name)) => {
                (format!("{}/src/{}.rs", path.split("/src/").next().unwrap(), module.replace("::", "/")), name)
            }
            None => (path.to_owned(), word),
        };
        let constant = name.contains(|c: char| c.is_ascii_uppercase()) && !name.contains(|c: char| c.is_lowercase());
        if constant { in_code(&file, name).to_string() } else { word.to_owned() }
    };
    expression.split(' ').map(number).collect::<Vec<_>>().join(" ")
}

/// What a name stands for in the source: `CONSTANT`, `CONSTANT.0` of a pair or a rate, or `Type.field` of a `Default`.
fn in_code(path: &str, name: &str) -> u64 {
    let source = read(path);
    let (head, part) = name.split_once('.').map_or((name, None), |(head, part)| (head, Some(part)));
    let is_type = head.chars().any(char::is_lowercase);
    let expression = if is_type {
        let block = source.split(&format!("impl Default for {head} {{")).nth(1);
        let block = block.and_then(|rest| rest.split("\n}").next()).unwrap_or_else(|| panic!("{path}: no {name}"));
        let field = part.unwrap();
        let found: Vec<_> = block.split([',', '{', '}']).filter_map(|one| one.trim().split_once(':')).collect();
        let found: Vec<_> = found.iter().filter(|(key, _)| key.lines().last().unwrap_or("").trim() == field).collect();
        assert_eq!(found.len(), 1, "{path}: {name} stands there {} times", found.len());
        // The duration's own colons.
        let (_, rest) = block.split_once(&format!("{field}:")).unwrap();
        rest.split([',', '}']).next().unwrap().to_owned()
    } else {
        let found: Vec<_> = source
            .lines()
            .filter_map(|line| line.split_once(&format!("const {head}: ")))
            .filter(|(before, _)| before.trim().is_empty() || before.trim().starts_with("pub"))
            .collect();
        assert_eq!(found.len(), 1, "{path}: {name} stands there {} times", found.len());
        let value = found[0].1.split_once(" = ").unwrap().1.trim_end_matches(';');
        match part {
            None => value.to_owned(),
            // Of a pair, or of the arguments of a `Rate`.
            Some(place) => {
                let inner = value.split_once('(').unwrap_or_else(|| panic!("{path}: {name} has no parts")).1;
                inner.trim_end_matches(')').split(',').nth(place.parse().unwrap()).unwrap().to_owned()
            }
        }
    };
    let value = evaluate(&expression).or_else(|| evaluate(&with_numbers(path, &expression)));
    let value = value.unwrap_or_else(|| panic!("{path}: {name} = {expression} cannot be read"));
    // A duration is in milliseconds already.
    let scale = match name.rsplit('_').next().unwrap() {
        _ if expression.contains("Duration") => 1,
        "KIB" => 1024,
        "S" | "s" => 1000,
        "H" | "h" => 3_600_000,
        "days" => DAY_MS,
        _ => 1,
    };
    value * scale
}

fn code(cell: &str) -> Option<(&str, &str)> {
    if cell.is_empty() {
        return None;
    }
    let inner = cell.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
    Some(inner.and_then(|inner| inner.split_once(' ')).unwrap_or_else(|| panic!("{cell:?} names no place in the code")))
}

fn limits() -> Vec<Vec<String>> {
    table("docs/OPERATIONS.md", "Limits").into_iter().filter(|row| !row[0].starts_with("**")).collect()
}

#[test]
fn every_documented_limit_is_the_codes() {
    let mut compared = 0;
    let wire = table("docs/PROTOCOL.md", "Limits of the wire");
    let rooms = table("docs/ROOM-PROTOCOL.md", "Limits of the wire");
    let wire = wire.iter().chain(&rooms).map(|row| (&row[0], &row[1], row.last().unwrap()));
    let all = limits();
    for (what, value, place) in wire.chain(all.iter().map(|row| (&row[0], &row[1], &row[5]))) {
        if let Some((path, name)) = code(place) {
            assert_eq!(documented(value), in_code(path, name), "{what}: {path} {name}");
            compared += 1;
        }
    }
    assert!(compared > 60, "only {compared}");
}

/// The names of all tests below a folder.
fn tests_below(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            tests_below(&path, found);
        } else if name.ends_with(".rs") {
            let source = std::fs::read_to_string(&path).unwrap();
            let marked = source.split("#[test]").skip(1);
            let name = |rest: &str| rest.split("fn ").nth(1)?.split(['(', '<']).next().map(str::to_owned);
            found.extend(marked.filter_map(name));
        }
    }
}

#[test]
fn every_limit_of_the_wire_is_compared_with_the_code_and_has_a_test_for_what_is_beyond_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let mut known = BTreeSet::new();
    tests_below(root, &mut known);
    let rows = table("docs/PROTOCOL.md", "Limits of the wire");
    assert!(rows.len() >= 18, "{}", rows.len());
    for row in &rows {
        let [what, value, beyond, shown, place] = &row[..] else { panic!("{row:?}") };
        let (path, name) = code(place).unwrap_or_else(|| panic!("{what} names no place in the code"));
        assert_eq!(documented(value), in_code(path, name), "{what}: {path} {name}");
        assert!(!beyond.is_empty(), "what is beyond {what}?");
        let tests: Vec<_> = shown.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test shows what is beyond {what}");
        for test in tests {
            assert!(known.contains(test), "{what}: there is no test {test}");
        }
    }
}

#[test]
fn no_limit_of_the_code_is_left_out() {
    let rooms = "docs/ROOM-PROTOCOL.md";
    let tables = [table("docs/PROTOCOL.md", "Limits of the wire"), table(rooms, "Limits of the wire"), limits()];
    let places: BTreeSet<_> =
        tables.iter().flatten().map(|row| row.last().unwrap().trim_matches('`').to_owned()).collect();
    let mut wanted = BTreeSet::new();
    for file in ["protocol/src/limits.rs", "protocol/src/room/limits.rs"] {
        for line in read(file).lines() {
            if let Some((name, _)) = line.strip_prefix("pub const ").and_then(|rest| rest.split_once(':')) {
                wanted.insert(format!("{file} {name}"));
            }
        }
    }
    let policy = read("daemon/core/src/policy.rs");
    for owner in ["Policy", "RequestPolicy", "LegacyPolicy"] {
        let block = policy.split(&format!("impl Default for {owner} {{")).nth(1).unwrap().split("\n}").next().unwrap();
        for (name, value) in block.split([',', '{', '}']).filter_map(|one| one.trim().rsplit_once(": ")) {
            if evaluate(value).is_some() {
                wanted.insert(format!("daemon/core/src/policy.rs {owner}.{}", name.trim()));
            }
        }
    }
    assert!(wanted.len() > 20, "{wanted:?}");
    let missing: Vec<_> = wanted.difference(&places).collect();
    assert!(
        missing.is_empty(),
        "not in docs/OPERATIONS.md, \"Limits\", or \"Limits of the wire\" in docs/PROTOCOL.md and {rooms}: {missing:?}"
    );
}

/// A list that a client can ask for whole must have a bound in both directions: what is read under one permit, and what a
/// client may ask for.
#[test]
fn the_pages_of_contacts_and_conversations_have_limits_that_stand_in_both_documents() {
    let page = "daemon/control/src/api/page.rs";
    let rows = limits();
    for place in
        [format!("{page} PAGE"), format!("{page} PAGE_BYTES"), "clients/core/src/api/connection/pages.rs LISTED".into()]
    {
        let row = rows.iter().find(|row| row[5].trim_matches('`') == place);
        let what = &row.unwrap_or_else(|| panic!("{place} is not in the table of limits"))[0];
        assert!(what.contains("contacts") && what.contains("conversations"), "{place}: {what}");
    }
    let (number, bytes) = (in_code(page, "PAGE"), in_code(page, "PAGE_BYTES"));
    let said =
        format!("1 to {},{:03}; as many as fit into {} MiB if absent", number / 1000, number % 1000, bytes / MIB);
    let reference = read("docs/CONTROL-API.md");
    for (command, source) in [("Contacts", "contacts"), ("Conversations", "messages")] {
        let begin = format!("| `{}` ", command.to_uppercase());
        assert!(reference.lines().any(|row| row.starts_with(&begin) && row.contains(&said)), "{command}: {said}");
        let code = read(&format!("daemon/control/src/api/{source}.rs"));
        let block = code.split(&format!("impl Execute for {command} {{")).nth(1).unwrap().split("\n}").next().unwrap();
        for bound in ["share.page(PAGE_BYTES)", "List::new(self.limit, permit.bytes())", "page.add("] {
            assert!(block.contains(bound), "{command}: its page is not read with {bound}");
        }
    }
}

#[test]
fn every_key_of_the_configuration_is_one_that_is_read() {
    let operations = read("docs/OPERATIONS.md");
    let block = operations.split("```toml\n[contacts]").nth(1).unwrap().split("```").next().unwrap();
    let keys: BTreeSet<_> = block
        .lines()
        .filter_map(|line| line.trim_start_matches("# ").split_once(" = "))
        .map(|(key, _)| key.trim().to_owned())
        .collect();
    let named: BTreeSet<_> = limits().iter().map(|row| row[2].trim_matches('`').to_owned()).collect();
    for key in named.iter().filter(|key| !key.is_empty()) {
        assert!(keys.contains(key), "{key} is no key of the configuration");
    }
    let limits = block.split("[limits]").nth(1).unwrap().split("\n[").next().unwrap();
    for line in limits.lines().filter(|line| line.contains(" = ")) {
        let key = line.trim_start_matches("# ").split(' ').next().unwrap();
        assert!(named.contains(key), "{key} is not in the table of limits");
    }
}

/// The part of STATUS's definition between two lines.
fn of_status(begin: &str, end: &str) -> String {
    let source = read("protocol/src/control/status.rs");
    let rest = source.split(begin).nth(1).unwrap_or_else(|| panic!("STATUS has no {begin:?}"));
    rest.split(end).next().unwrap().to_owned()
}

#[test]
fn every_field_of_status_is_documented() {
    // `field: Type,`
    let block = of_status("\nsections! {\n", "\n}\n");
    let keys: Vec<_> = block
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .filter_map(|line| Some(format!("`{}`", line.split_once(": ")?.0.trim())))
        .collect();
    assert!(keys.len() > 10, "{keys:?}");
    let reference = read("docs/CONTROL-API.md");
    let row = reference.lines().find(|line| line.starts_with("| `STATUS` |")).unwrap();
    let missing: Vec<_> = keys.iter().filter(|key| !row.contains(key.as_str())).collect();
    assert!(missing.is_empty(), "STATUS of the classic contract in docs/CONTROL-API.md has no {missing:?}");
}

#[test]
fn every_counter_of_status_is_documented() {
    let names = |part: &str, prefix: &str| -> Vec<String> {
        let block = of_status(&format!("    {part} {{\n"), "\n    }\n");
        let lines = block.lines().map(str::trim).filter(|line| !line.starts_with("//"));
        lines.map(|line| format!("{prefix}{}", line.trim_end_matches(','))).collect()
    };
    let counters: BTreeSet<_> =
        [names("RefusedPart", ""), names("LegacyRefused", "legacy."), names("RoomsRefused", "rooms.")]
            .concat()
            .into_iter()
            .collect();
    assert!(counters.len() > 20, "{counters:?}");
    let cells: BTreeSet<_> = limits().iter().map(|row| row[4].trim_matches('`').to_owned()).collect();
    let documented: BTreeSet<_> = cells.into_iter().filter(|cell| !["-", ""].contains(&cell.as_str())).collect();
    assert_eq!(documented, counters, "the column STATUS of docs/OPERATIONS.md, \"Limits\", and the counters of STATUS");
}
