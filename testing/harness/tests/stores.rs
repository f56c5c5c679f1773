//! Stores of every frozen version open in today's daemon, say what they said, and go on.
#![allow(clippy::unwrap_used)]

use serde_json::json;
use std::path::Path;
use std::time::Duration;
use torchat_harness::stores::{END_MS, FRIEND, OWN, agrees, connect, fixture, onion, place, start, tell};
use torchat_testkit::daemon::eventually;

/// The versions that ever were.
const VERSIONS: [i64; 6] = [9, 10, 11, 12, 13, 14];
/// What a fixture may take of the repository.
const MOST_BYTES: u64 = 200_000;

#[test]
fn every_frozen_version_has_a_small_fixture() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../stores");
    let steps = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../daemon/engine/src/store/schema/fingerprints");
    let frozen = std::fs::read_to_string(steps).unwrap();
    let frozen: Vec<i64> = frozen.lines().map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect();
    assert_eq!(frozen, VERSIONS, "make one: cargo xtask stores --make");
    for version in VERSIONS {
        let bytes = dir.join(format!("v{version}.db.zst")).metadata().unwrap().len();
        assert!(bytes <= MOST_BYTES, "{bytes} bytes");
    }
}

#[test]
fn every_fixture_says_what_it_said_and_goes_on() {
    for version in VERSIONS {
        let (store, told) = fixture(version).unwrap();
        let dir = tempfile::tempdir().unwrap();
        place(dir.path(), &store).unwrap();
        let own = start(dir.path(), OWN, END_MS).unwrap();
        let mut api = connect(&own).unwrap();
        agrees(&told, &tell(&mut api).unwrap()).unwrap_or_else(|error| panic!("version {version}: {error}"));
        assert!(
            told["history"].as_object().unwrap().values().map(|page| page.as_array().unwrap().len()).sum::<usize>()
                > 450
        );

        // The friend has lost everything, so that all that waits gets a new lane.
        let friend = start(dir.path(), FRIEND, END_MS).unwrap();
        let mut other = connect(&friend).unwrap();
        other.ok(json!({"cmd": "ADD", "peer": onion(OWN).unwrap()})).unwrap();
        let send = |to: &str, text: &str| json!({"cmd": "SEND", "peer": to, "text": text, "wait": "delivered"});
        api.ok(send(&onion(FRIEND).unwrap(), "from the old store")).unwrap();
        other.ok(send(&onion(OWN).unwrap(), "to the old store")).unwrap();
        let last = |api: &mut torchat_harness::api::Api, peer: u8| {
            let page = api.ok(json!({"cmd": "HISTORY", "peer": onion(peer).unwrap(), "limit": 2})).unwrap();
            page["messages"].as_array().unwrap().iter().map(|m| m["text"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(last(&mut api, FRIEND), ["from the old store", "to the old store"]);
        assert_eq!(last(&mut other, OWN), ["from the old store", "to the old store"]);
        let found = api.ok(json!({"cmd": "SEARCH", "text": "\"old store\""})).unwrap();
        assert_eq!(found["messages"].as_array().unwrap().len(), 2);
        // And after one more start everything is as it was.
        drop((api, own));
        let own = start(dir.path(), OWN, END_MS + 60_000).unwrap();
        let mut api = connect(&own).unwrap();
        assert_eq!(last(&mut api, FRIEND), ["from the old store", "to the old store"]);
        eventually("the link is up again", Duration::from_secs(60), || {
            Ok(api.ok(send(&onion(FRIEND)?, "and once more")).ok())
        })
        .unwrap();
    }
}
