//! What API 1 says of a value that is not what it must be: the key, what it must be, and what was there, whatever the command.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::path::Path;
use torchat_harness::api::{Pair, connect};

/// Words of the language in which the daemon is written. A space keeps `"instruct"` and the like apart.
const THEIRS: [&str; 13] = [
    "invalid type",
    "invalid value",
    "invalid length",
    "expected",
    "struct ",
    "enum",
    "variant",
    "missing field",
    "u32",
    "u64",
    "i64",
    " line ",
    " column ",
];

fn schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/control-api.schema.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// What a schema says of a value, without the references.
fn resolved<'a>(schema: &'a Value, of: &'a Value) -> &'a Value {
    match of["$ref"].as_str() {
        Some(reference) => resolved(schema, schema.pointer(reference.trim_start_matches('#')).unwrap()),
        None => of,
    }
}

/// The JSON types that a value may be of.
fn types(schema: &Value, of: &Value) -> Vec<String> {
    let of = resolved(schema, of);
    let both = ["anyOf", "oneOf"].iter().filter_map(|key| of[*key].as_array()).flatten();
    let inner = both.flat_map(|one| types(schema, one));
    let own = match &of["type"] {
        Value::String(one) => vec![one.clone()],
        Value::Array(list) => list.iter().map(|one| one.as_str().unwrap().to_owned()).collect(),
        _ => Vec::new(),
    };
    own.into_iter().chain(inner).collect()
}

/// Values of every type that it must not be of, with the words for them.
fn wrong(schema: &Value, of: &Value) -> Vec<(Value, &'static str)> {
    let types = types(schema, of);
    assert!(!types.is_empty(), "{of}");
    let all = [
        ("null", json!(null), "null"),
        ("boolean", json!(true), "true"),
        ("boolean", json!(false), "false"),
        ("integer", json!(3), "the number 3"),
        ("integer", json!(-3), "the number -3"),
        ("number", json!(1.5), "the number 1.5"),
        ("string", json!("expected a\nstruct"), "the text \"expected a\\nstruct\""),
        ("string", json!("long ".repeat(100)), "a long text"),
        ("array", json!([]), "a list"),
        ("array", json!([[1], {"a": "]"}]), "a list"),
        ("object", json!({}), "an object"),
        ("object", json!({"a": [1, "}"], "b": {}}), "an object"),
    ];
    all.into_iter()
        .filter(|(kind, ..)| !types.iter().any(|one| one == kind))
        .map(|(_, value, words)| (value, words))
        .collect()
}

/// Every key of every command: its steps from the outermost key, and what it must be. An empty step is an element of a list.
fn keys<'a>(schema: &'a Value, of: &'a Value, path: &[&'a str], keys: &mut Vec<(Vec<&'a str>, &'a Value)>) {
    for (key, value) in resolved(schema, of)["properties"].as_object().into_iter().flatten() {
        let path = [path, &[key.as_str()]].concat();
        let inner = resolved(schema, value);
        if let Some(items) = inner.get("items") {
            keys.push(([&path[..], &[""]].concat(), items));
        }
        self::keys(schema, value, &path, keys);
        keys.push((path, value));
    }
}

/// An object with one value at a place.
fn with(path: &[&str], value: Value) -> Value {
    path.iter()
        .rev()
        .fold(value, |value, step| if step.is_empty() { json!([value]) } else { json!({ (*step): value }) })
}

fn theirs(message: &str, value: &Value) -> Vec<&'static str> {
    // What the program itself wrote is repeated.
    let message = value.as_str().map_or_else(|| message.to_owned(), |text| message.replace(&format!("{text:?}"), ""));
    THEIRS.into_iter().filter(|word| message.contains(word)).collect()
}

#[test]
fn a_value_of_a_wrong_type_is_told_by_its_key_what_it_must_be_and_what_was_there() {
    let pair = Pair::start(Path::new(env!("CARGO_BIN_EXE_loopback-daemon"))).unwrap();
    let mut api = connect(&pair.a).unwrap();
    let schema = schema();
    let (mut tried, mut commands) = (0, 0);
    for (name, command) in schema["commands"].as_object().unwrap() {
        let mut all = Vec::new();
        for part in command["request"]["allOf"].as_array().unwrap() {
            keys(&schema, part, &[], &mut all);
        }
        commands += usize::from(!all.is_empty());
        for (path, must) in all {
            for (value, words) in wrong(&schema, must) {
                let mut request = with(&path, value.clone());
                request["cmd"] = json!(name);
                let error = api.ask(request.clone()).unwrap().expect_err(&request.to_string());
                assert_eq!(error["code"], "bad-request", "{request}: {error}");
                let message = error["message"].as_str().unwrap();
                let mut steps =
                    path.iter().rev().map(|step| if step.is_empty() { "each".into() } else { format!("{step:?}") });
                let place = steps.by_ref().collect::<Vec<_>>().join(" of ");
                assert!(message.starts_with(&format!("{place} must be ")), "{request}: {message}");
                assert!(message.ends_with(&format!(", and here it is {words}")), "{request}: {message}");
                assert_eq!(theirs(message, &value), Vec::<&str>::new(), "{request}: {message}");
                tried += 1;
            }
        }
    }
    assert!(tried > 500 && commands > 25, "{tried} values of {commands} commands");
}

#[test]
fn a_value_that_no_key_can_have_and_a_key_that_is_missing_are_told_by_the_key() {
    let pair = Pair::start(Path::new(env!("CARGO_BIN_EXE_loopback-daemon"))).unwrap();
    let mut api = connect(&pair.a).unwrap();
    let peer = &pair.onion_b;
    for (request, words) in [
        (json!({"cmd": "SEND", "text": "x"}), "the key \"peer\" is missing"),
        (json!({"cmd": "SEND", "peer": "bob", "text": "x"}), "\"peer\": an onion id has 56 characters"),
        (
            json!({"cmd": "SEND", "peer": peer, "text": "x", "wait": "read"}),
            "\"wait\" must be \"delivered\", and here it is the text \"read\"",
        ),
        (
            json!({"cmd": "TOKEN", "action": "make"}),
            "\"action\" must be \"create\", \"list\" or \"revoke\", and here it is the text \"make\"",
        ),
        (
            json!({"cmd": "SUBSCRIBE", "from": "yesterday"}),
            "\"from\" must be the number of an event, \"cursor\", \"now\" or \"start\", and here it is the text \"yesterday\"",
        ),
        (
            json!({"cmd": "HISTORY", "peer": peer, "limit": 5_000_000_000_u64}),
            "\"limit\" must be a whole number from 0 to 4294967295, and here it is the number 5000000000",
        ),
        (
            json!({"cmd": "TOKEN", "action": "create", "name": "t", "rights": ["read", "fly"]}),
            "each of \"rights\" must be \"read\", \"send\", \"contacts\", \"rooms\" or \"admin\", and here it is the text \"fly\"",
        ),
        (
            json!({"cmd": "EVENTS", "after": 0, "filter": {"peers": ["bob"]}}),
            "each of \"peers\" of \"filter\": an onion id has 56 characters",
        ),
    ] {
        let error = api.ask(request.clone()).unwrap().expect_err(&request.to_string());
        let message = error["message"].as_str().unwrap();
        assert!(message.starts_with(words), "{request}: {message}");
        assert_eq!(theirs(message, &Value::Null), Vec::<&str>::new(), "{request}: {message}");
    }
    for (bytes, words) in [
        (&b"{\"cmd\":3}\n"[..], "\"cmd\" must be a text, and here it is the number 3"),
        (b"{\"ref\":3}\n", "the key \"cmd\" is missing"),
        (b"{\"cmd\":\"HOST\",\"ref\":[]}\n", "\"ref\" must be a whole number or a text, and here it is a list"),
        (b"{\"cmd\":HOST}\n", "this is not JSON at character 8: an object looks like {\"cmd\":\"HOST\"}"),
    ] {
        let mut api = connect(&pair.a).unwrap();
        api.say_bytes(bytes).unwrap();
        let error = api.line().unwrap()["error"].take();
        assert_eq!((error["code"].as_str(), error["message"].as_str()), (Some("bad-object"), Some(words)));
    }
}
