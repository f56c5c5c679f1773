//! What is said besides the answer: it is true, for programs it is a record, and nobody waits for what cannot come.

use super::process::Running;
use super::support::House;
use serde_json::Value;

/// Every line of standard error is a record.
#[track_caller]
fn records(stderr: &str) -> Vec<Value> {
    let record = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    stderr.lines().map(record).collect()
}

#[test]
fn a_mark_that_goes_with_its_contact_is_told_when_it_is_gone() {
    let house = House::friends();
    assert_eq!(house.torchat(&["contacts", "verify", "bob", "--yes"]).code, Some(0));
    // Refused, so the mark is still there.
    let (file, bob) = ("read.token", house.onion(&house.bob).0.onion());
    assert_eq!(house.torchat(&["token", "create", "reader", "--right", "read", "--output", file]).code, Some(0));
    for action in ["block", "remove"] {
        let ran = house.torchat(&["--token-file", file, "contacts", action, &bob]);
        assert!(ran.code == Some(4) && !ran.stderr.contains("verified"), "{action}: {ran:?}");
    }
    assert!(house.torchat(&["contacts"]).stdout.contains("verified"));
    let ran = house.torchat(&["contacts", "remove", "bob", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(records(&ran.stderr).first().unwrap()["warning"]["code"], "verified-lost", "{ran:?}");
}

#[test]
fn what_is_said_to_programs_is_json() {
    let house = House::friends();
    std::fs::write(house.dir().join("old.log"), "half a line {\"cmd\":\"RECV\"\n").unwrap();
    for arguments in [
        &["import-log", "old.log", "--json"][..],
        &["erase", "bob", "--yes", "--json"],
        &["export", "bob", "--output", "bob.jsonl", "--json"],
        &["contacts", "verify", "bob", "--json"],
        &["contacts", "invite", "--hours", "0", "--json"],
        &["contacts", "retain", "bob", "0", "--json"],
        &["token", "create", "x", "--right", "read", "--days", "0", "--json"],
    ] {
        let ran = house.torchat(arguments);
        for record in records(&ran.stderr) {
            let said = record["warning"]["message"].as_str().or(record["error"]["message"].as_str());
            // No name of a parameter, and no value of JSON.
            assert!(said.is_some_and(|said| !said.contains('"') && !said.contains("null")), "{arguments:?}: {ran:?}");
        }
    }
}

#[test]
fn what_cannot_be_reached_is_not_waited_for() {
    let house = House::friends();
    std::fs::write(house.dir().join("file"), "").unwrap();
    // Nothing will ever listen below a file.
    let ran = house.shell("TORCHAT_SOCKET=file/control.sock torchat recv --follow");
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.stderr.contains("cannot connect to torchatd at file/control.sock"), "{ran:?}");
    assert!(!ran.stderr.contains("waiting for it"), "{ran:?}");
    // Where none runs yet, one may.
    let running = Running::start(&house, &["--socket", "later.sock", "recv", "--follow"]);
    assert!(running.kill().is_empty());
}
