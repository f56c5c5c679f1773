//! Every test that docs/SECURITY.md and docs/RELIABILITY.md name as a proof exists under that name. That it ran and
//! passed is for `cargo xtask test` to say, in its step "proofs".
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The names of all functions that are marked as tests, below a folder.
fn tests(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = entry.file_name().into_string().unwrap_or_default();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            tests(&path, found);
        } else if name.ends_with(".rs") {
            let source = std::fs::read_to_string(&path).unwrap();
            let mut marked = false;
            for line in source.lines().map(str::trim) {
                if line == "#[test]" || line.starts_with("#[tokio::test") {
                    marked = true;
                } else if let Some((_, rest)) = line.split_once("fn ").filter(|_| marked) {
                    found.insert(rest.split(['(', '<']).next().unwrap().to_owned());
                    marked = false;
                }
            }
        }
    }
}

#[test]
fn every_proof_that_is_named_exists() {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned();
    let mut known = BTreeSet::new();
    tests(&root, &mut known);
    assert!(known.len() > 200, "{}", known.len());
    let mut named = 0;
    let tables =
        [("SECURITY", "| property | by | shown by |"), ("RELIABILITY", "| # | promise | kept by | shown by |")];
    for (name, head) in tables {
        let document = std::fs::read_to_string(root.join(format!("docs/{name}.md"))).unwrap();
        let table = document.split(head).nth(1).unwrap().split("\n\n").next().unwrap();
        for row in table.lines().filter(|line| line.starts_with("| ")) {
            let proofs = row.trim_end_matches('|').rsplit('|').next().unwrap();
            let proofs: Vec<_> = proofs.split('`').skip(1).step_by(2).collect();
            assert!(!proofs.is_empty(), "docs/{name}.md names no test in the row {row}");
            for proof in proofs {
                assert!(known.contains(proof), "docs/{name}.md names the test {proof}, which does not exist");
                named += 1;
            }
        }
    }
    assert!(named > 40, "only {named} tests are named");
}

#[test]
fn every_reason_for_which_a_test_may_not_try_is_documented() {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned();
    let source = std::fs::read_to_string(root.join("testing/kit/src/skipped.rs")).unwrap();
    let constants = source.lines().filter_map(|line| line.strip_prefix("pub const ")?.split_once(": &str = "));
    let reasons: BTreeSet<_> =
        constants.filter(|(name, _)| *name != "FILE").map(|(_, value)| value.trim_matches(['"', ';'])).collect();
    let document = std::fs::read_to_string(root.join("docs/SECURITY.md")).unwrap();
    let table = document.split("| said | not tried then |").nth(1).unwrap().split("\n\n").next().unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| "));
    let told: BTreeSet<_> = rows.map(|row| row.split('|').nth(1).unwrap().trim()).collect();
    assert_eq!(reasons, told, "testing/kit/src/skipped.rs, and what docs/SECURITY.md knows");
}
