//! `cargo xtask schema`: writes down the control API as its types have it: a JSON Schema for programs, the tables of
//! docs/CONTROL-API.md for people, and the codes for the Python module. A test compares all three with the types.

use anyhow::{Context as _, ensure};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use torchat_protocol::control::api::{ApiError, COMMANDS, CommandInfo, Line, Ref, event};
use torchat_protocol::control::code::{CODES, CodeInfo, Source};

/// Where the schema lies, from the top of the tree.
const SCHEMA: &str = "docs/control-api.schema.json";
/// Where the tables are.
const DOCUMENT: &str = "docs/CONTROL-API.md";
/// The Python module of the codes.
const PYTHON: &str = "clients/python/torchat/codes.py";
/// What answers and events are made of, as the document shows it.
const RECORDS: [&str; 20] = [
    "Message",
    "Contact",
    "ContactRequest",
    "Conversation",
    "Sender",
    "Stored",
    "Room",
    "RoomPolicy",
    "Handover",
    "RoomProblem",
    "Member",
    "Petition",
    "OutstandingInvite",
    "PolicyParts",
    "OldMessage",
    "Cursor",
    "Token",
    "Filter",
    "Limits",
    "ApiError",
];
/// Their words, after them.
const WORDS: [&str; 9] =
    ["MessageState", "MessageFlag", "Role", "RoomState", "RoomForm", "Notify", "MemberState", "Proof", "MemberChange"];
/// After a table's begin mark.
const MARK: &str = "written by `cargo xtask schema`";

#[derive(Debug, clap::Args)]
pub(crate) struct Schema {
    /// Write nothing, and fail if something would change.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(options: &Schema) -> anyhow::Result<()> {
    for (path, text) in files()? {
        if std::fs::read_to_string(&path).is_ok_and(|found| found == text) {
            continue;
        }
        ensure!(!options.check, "{} does not say what the types say: cargo xtask schema", path.display());
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{} is new", path.display());
    }
    Ok(())
}

/// All files as they must be.
fn files() -> anyhow::Result<[(PathBuf, String); 3]> {
    let schema = schema();
    let path = crate::root().join(DOCUMENT);
    let mut text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let tables = [
        ("commands", commands_table(&schema)),
        ("records", records_table(&schema)),
        ("events", events_table(&schema)),
        ("codes", codes_table()),
    ];
    for (name, table) in tables {
        text = between(&text, name, &table)?;
    }
    Ok([(crate::root().join(SCHEMA), format!("{schema:#}\n")), (path, text), (crate::root().join(PYTHON), python())])
}

fn right(row: &CommandInfo) -> Value {
    // The same word as on the wire.
    row.right.and_then(|right| serde_json::to_value(right).ok()).unwrap_or_default()
}

fn schema() -> Value {
    let mut generator = SchemaGenerator::new(SchemaSettings::draft2020_12());
    let mut entries = Map::new();
    let mut requests = Vec::new();
    let reference = generator.subschema_for::<Ref>();
    for row in COMMANDS {
        let parameters = (row.parameters)(&mut generator);
        let request = json!({
            "allOf": [parameters],
            "properties": { "cmd": { "const": row.name }, "ref": reference },
            "required": ["cmd"],
            "type": "object",
        });
        let about = row.about.trim();
        let entry =
            json!({ "about": about, "answer": (row.answer)(&mut generator), "request": request, "right": right(row) });
        entries.insert(row.name.to_owned(), entry);
        requests.push(json!({ "$ref": format!("#/commands/{}/request", row.name) }));
    }
    let line = generator.subschema_for::<Line<Value>>();
    let event = generator.subschema_for::<event::Event>();
    let error = generator.subschema_for::<ApiError>();
    let definitions = generator.take_definitions(true);
    json!({
        "$defs": definitions,
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "anyOf": [{ "oneOf": requests }, line],
        "codes": codes(),
        "commands": entries,
        "description": "API 1 of torchatd: what a program may write after HELLO, and the lines that it hears. `commands` \
                        holds, for each, what it asks, what stands under `ok` in its answer, and the right that it needs; `codes`, \
                        for each, whose fault it is and whether the same request may succeed later.",
        "error": error,
        "event": event,
        "title": "torchatd control API 1",
    })
}

/// A word of the table, as on the wire.
fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn codes() -> Map<String, Value> {
    let entry = |row: &CodeInfo| {
        let params: Map<String, Value> =
            row.params.iter().map(|(name, about)| ((*name).to_owned(), (*about).into())).collect();
        json!({
            "again": row.again,
            "fault": row.fault,
            "hint": row.hint,
            "meaning": row.meaning,
            "params": params,
            "source": row.source,
        })
    };
    CODES.iter().map(|row| (row.text.to_owned(), entry(row))).collect()
}

/// The codes as a Python module.
fn python() -> String {
    let mut text = "\"\"\"Every code with which something is refused: what it means, whose fault it is, whether trying again helps.

Written by `cargo xtask schema` from the table in protocol/src/control/code.rs.
\"\"\"

from __future__ import annotations

from typing import Dict, NamedTuple, Tuple


class Info(NamedTuple):
    \"\"\"What is known of a code. docs/control-api.schema.json says what each word means.\"\"\"

    source: str
    \"\"\"Who answers with it: daemon, api, classic, client.\"\"\"
    fault: str
    \"\"\"Who can do something about it: program, user, peer, daemon.\"\"\"
    again: str
    \"\"\"Whether the same request may succeed later: never, after-change, later.\"\"\"
    params: Tuple[str, ...]
    \"\"\"The names of its parameters.\"\"\"
    meaning: str
    hint: str


"
    .to_owned();
    let name = |row: &CodeInfo| row.text.replace('-', "_").to_uppercase();
    for row in CODES {
        text.push_str(&format!("{} = {:?}\n", name(row), row.text));
    }
    text.push_str(
        "\n# In the order of the documentation. A later daemon may answer with others.\nCODES: Dict[str, Info] = {\n",
    );
    for row in CODES {
        let params: String = row.params.iter().map(|(param, _)| format!("{param:?}, ")).collect();
        text.push_str(&format!(
            "    {}: Info(\n        {:?}, {:?}, {:?}, ({}),\n        {:?},\n        {:?},\n    ),\n",
            name(row),
            word(&json!(row.source)),
            word(&json!(row.fault)),
            word(&json!(row.again)),
            params.trim_end(),
            row.meaning,
            row.hint
        ));
    }
    text.push_str("}\n\n# Those after which the same request may succeed without anybody's doing.\n");
    text.push_str("PASSING = frozenset(code for code, info in CODES.items() if info.again == \"later\")\n");
    text
}

/// Follows a reference within the schema.
fn resolve<'a>(schema: &'a Value, part: &'a Value) -> &'a Value {
    match part["$ref"].as_str().and_then(|path| path.strip_prefix('#')) {
        Some(path) => schema.pointer(path).unwrap_or(part),
        None => part,
    }
}

/// One cell: the fields, those that must be there first.
fn fields(schema: &Value, part: &Value) -> String {
    let part = resolve(schema, part);
    let required: Vec<_> = part["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut cells: Vec<(bool, String)> = Vec::new();
    for (name, field) in part["properties"].as_object().into_iter().flatten() {
        let optional = !required.contains(&name.as_str());
        let about = field["description"].as_str().unwrap_or_default();
        cells.push((optional, format!("`{name}`{} {}", if optional { "?" } else { "" }, cell(about))));
    }
    cells.sort_by_key(|(optional, _)| *optional);
    let mut cells: Vec<_> = cells.into_iter().map(|(_, text)| text).collect();
    // What is flattened into it, as Welcome into the answer of HELLO.
    for list in ["allOf", "anyOf"] {
        for inner in part[list].as_array().into_iter().flatten() {
            cells.push(fields(schema, inner));
        }
    }
    cells.retain(|text| !text.is_empty());
    cells.join("<br>")
}

/// A text as it can stand in a cell.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn commands_table(schema: &Value) -> String {
    let mut table = "| command | right | parameters | answer |\n|---|---|---|---|\n".to_owned();
    for row in COMMANDS {
        let entry = &schema["commands"][row.name];
        let right = entry["right"].as_str().unwrap_or("none");
        let parameters = fields(schema, &entry["request"]["allOf"][0]);
        let answer = fields(schema, &entry["answer"]);
        let (name, about) = (row.name, cell(row.about));
        table.push_str(&format!("| `{name}` {about} | {right} | {parameters} | {answer} |\n"));
    }
    table
}

fn events_table(schema: &Value) -> String {
    let mut table = "| `event` | what | fields |\n|---|---|---|\n".to_owned();
    let event = resolve(schema, &schema["event"]);
    let kinds = event["oneOf"].as_array().into_iter().flatten();
    for kind in kinds {
        let name = kind["properties"]["event"]["const"].as_str().unwrap_or_default();
        let about = cell(kind["description"].as_str().unwrap_or_default());
        let mut own = kind.clone();
        if let Some(properties) = own["properties"].as_object_mut() {
            properties.remove("event");
        }
        // What stands in a type of its own is its reference.
        let cells = fields(schema, &own);
        table.push_str(&format!("| `{name}` | {about} | {cells} |\n"));
    }
    table
}

fn records_table(schema: &Value) -> String {
    let mut table = "| record | fields |\n|---|---|\n".to_owned();
    for name in RECORDS {
        let record = &schema["$defs"][name];
        let about = cell(record["description"].as_str().unwrap_or_default());
        table.push_str(&format!("| **{name}** {about} | {} |\n", fields(schema, record)));
    }
    for name in WORDS {
        let kind = &schema["$defs"][name];
        let words = kind["oneOf"].as_array().into_iter().flatten().map(|word| {
            let name = word["const"].as_str().unwrap_or_default();
            format!("`{name}` {}", cell(word["description"].as_str().unwrap_or_default()))
        });
        let about = cell(kind["description"].as_str().unwrap_or_default());
        table.push_str(&format!("| **{name}** {about} | {} |\n", words.collect::<Vec<_>>().join("<br>")));
    }
    table
}

fn codes_table() -> String {
    let mut table =
        "| code | meaning | whose fault | again? | what to do | `params` |\n|---|---|---|---|---|---|\n".to_owned();
    for row in CODES.iter().filter(|row| matches!(row.source, Source::Daemon | Source::Api)) {
        let (fault, again) = (word(&json!(row.fault)), word(&json!(row.again)).replace('-', " "));
        let params: Vec<_> = row.params.iter().map(|(name, about)| format!("`{name}`? {}", cell(about))).collect();
        let (meaning, hint) = (cell(row.meaning), cell(row.hint));
        let params = params.join("<br>");
        table.push_str(&format!("| `{}` | {meaning} | {fault} | {again} | {hint} | {params} |\n", row.text));
    }
    table
}

/// Puts a table between its marks.
fn between(text: &str, name: &str, table: &str) -> anyhow::Result<String> {
    let (begin, end) = (format!("<!-- {name}: {MARK} -->\n"), format!("<!-- end of {name} -->\n"));
    let (before, rest) = text.split_once(&begin).with_context(|| format!("{DOCUMENT} has no mark {begin:?}"))?;
    let (_, after) = rest.split_once(&end).with_context(|| format!("{DOCUMENT} has no mark {end:?}"))?;
    Ok([before, &begin, table, &end, after].concat())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_schema_and_the_tables_say_what_the_types_say() {
        for (path, text) in files().unwrap() {
            let found = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(found == text, "{} is old: cargo xtask schema", path.display());
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_field_is_described() {
        fn references<'a>(part: &'a Value, found: &mut Vec<&'a str>) {
            match part {
                Value::Object(map) => {
                    found.extend(map.get("$ref").and_then(Value::as_str));
                    map.values().for_each(|value| references(value, found));
                }
                Value::Array(list) => list.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let schema = schema();
        let mut found = Vec::new();
        references(&schema, &mut found);
        assert!(found.len() > COMMANDS.len());
        for path in found {
            assert!(schema.pointer(path.trim_start_matches('#')).is_some(), "{path}");
        }
        let table = [commands_table(&schema), events_table(&schema)].concat();
        for row in COMMANDS {
            assert!(table.contains(&format!("| `{}` ", row.name)), "{}", row.name);
        }
        for kind in event::Kind::STORED.iter().chain([&event::Kind::Gap]) {
            let name = serde_json::to_value(kind).unwrap();
            assert!(table.contains(&format!("| `{}` |", name.as_str().unwrap())), "{name}");
        }
    }

    #[test]
    fn a_document_without_marks_is_told() {
        assert!(between("text", "commands", "").is_err());
        let text = format!("a\n<!-- x: {MARK} -->\nold\n<!-- end of x -->\nb\n");
        let once = between(&text, "x", "new\n").unwrap();
        assert_eq!(once, text.replace("old", "new"));
    }
}
