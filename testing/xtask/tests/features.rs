//! `cargo xtask demo` and `cargo xtask test` build third-party crates with the same features, so that a user who runs both
//! compiles Tor once.
//!
//! A build with tests resolves the development dependencies too, and their features are added to those of crates that both
//! builds share. One such feature in a crate below arti means that arti is compiled again. cargo-hakari would keep a crate
//! of all features for that; two lines in testing/harness/Cargo.toml do it here.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Name and version of a package, and each set of features that it is compiled with: one for programs, perhaps another for
/// build scripts and macros.
type Features = BTreeMap<String, BTreeSet<String>>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// What cargo's resolver chooses for the whole workspace. `kinds`: the dependencies that count.
fn resolved(kinds: &str) -> Features {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--workspace", "--locked", "--offline", "--prefix", "none", "--format", "{p}|{f}"])
        .args(["--edges", kinds])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    read(&String::from_utf8(output.stdout).unwrap())
}

/// Reads lines `NAME VERSION|FEATURE,FEATURE`. Packages of the workspace say where they are, in brackets; they are ours and
/// left out.
fn read(tree: &str) -> Features {
    let mut features = Features::new();
    for line in tree.lines().map(|line| line.trim_end_matches(" (*)")) {
        let Some((package, set)) = line.split_once('|') else { continue };
        let package = package.trim_end_matches(" (proc-macro)");
        if !package.contains('(') {
            features.entry(package.to_owned()).or_default().insert(set.to_owned());
        }
    }
    features
}

/// The packages of the demo that the tests have too, but not with the same features. What only the tests have, another set of features
/// for a macro in a test among it, costs them a crate and nobody a second Tor.
fn compiled_twice(programs: &Features, tests: &Features) -> Vec<String> {
    let differing = programs.iter().filter_map(|(package, one)| {
        let other = tests.get(package)?;
        (!one.is_subset(other)).then(|| format!("{package}\n    the demo: {one:?}\n    the tests: {other:?}"))
    });
    differing.collect()
}

#[test]
fn the_demo_and_the_tests_build_with_the_same_features() {
    let (programs, tests) = (resolved("normal,build"), resolved("normal,build,dev"));
    assert!(programs.len() > 300 && programs.keys().any(|package| package.starts_with("arti-client ")));
    assert!(tests.keys().any(|package| package.starts_with("proptest ")), "no development dependency was counted");
    let twice = compiled_twice(&programs, &tests);
    assert!(
        twice.is_empty(),
        "these are compiled twice, and all that needs them: name their features in testing/harness/Cargo.toml\n{}",
        twice.join("\n")
    );
}

/// As it was: torchat's tests took `regex` with its default features, the daemon without.
#[test]
fn a_feature_that_only_tests_want_is_found() {
    let programs = "\
        torchat v0.1.0 (/home/me/torchat/clients/torchat)|default\n\
        regex v1.13.1|std,unicode-case\n\
        regex-syntax v0.8.11|std,unicode-case\n\
        uapi-proc v0.0.6 (proc-macro)|default\n\
        regex v1.13.1|std (*)\n";
    let tests = "\
        torchat v0.1.0 (/home/me/torchat/clients/torchat)|default,more\n\
        regex v1.13.1|default,std,unicode\n\
        regex-syntax v0.8.11|std,unicode-case\n\
        uapi-proc v0.0.6 (proc-macro)|default\n\
        regex v1.13.1|std\n\
        uapi-proc v0.0.6 (proc-macro)|default,more\n\
        proptest v1.12.0|std\n";
    let twice = compiled_twice(&read(programs), &read(tests));
    assert_eq!(twice.len(), 1, "{twice:?}");
    assert!(twice[0].starts_with("regex v1.13.1\n"), "{twice:?}");
}

/// Another profile or other flags for the compiler are another build of everything, whatever the features.
#[test]
fn no_configuration_gives_one_of_the_builds_other_flags() {
    let config = std::fs::read_to_string(root().join(".cargo/config.toml")).unwrap();
    assert!(!config.contains("rustflags") && !config.contains("[profile"), "{config}");
    let manifest: toml::Table = std::fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    // `test` inherits from `dev`: what is set in it would hold for tests only.
    let profiles = manifest["profile"].as_table().unwrap();
    assert!(profiles.contains_key("dev") && !profiles.contains_key("test"), "{profiles:?}");
    for task in ["build.rs", "demo.rs", "test.rs"] {
        let source = std::fs::read_to_string(root().join("testing/xtask/src").join(task)).unwrap();
        let part = ["-p", "--package", "--exclude"].iter().any(|option| source.contains(&format!("\"{option}\"")));
        assert!(!part, "{task} builds a part, which has other features");
        for other in ["RUSTFLAGS", "--profile", "--release", "--target", "--features", "CARGO_BUILD"] {
            assert!(!source.replace("RUSTDOCFLAGS", "").contains(other), "{task} builds with {other}");
        }
    }
}
