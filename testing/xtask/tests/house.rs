//! The house rules that a compiler does not keep: which crate may depend on what, licences, and versions of which only
//! one may be in the tree. Read from `cargo metadata`, so that no further tool is needed; `.deny.toml` says the same to
//! cargo-deny for those who have it.
#![allow(clippy::unwrap_used)]

#[path = "house/modules.rs"]
mod modules;

use modules::Modules;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The crates of the daemon: no client may name one.
const DAEMON: [&str; 7] = [
    "torchat-core",
    "torchat-room",
    "torchat-transport",
    "torchat-engine",
    "torchat-tor",
    "torchat-control",
    "torchatd",
];

struct Tree {
    packages: BTreeMap<String, Value>,
    /// Package id to the ids of its dependencies that are compiled into a program (no dev-dependencies of others).
    edges: BTreeMap<String, Vec<String>>,
}

fn tree() -> Tree {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = "x86_64-unknown-linux-gnu";
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", target])
        .current_dir(top())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let data: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let packages = data["packages"].as_array().unwrap().iter().map(|p| (text(&p["id"]), p.clone())).collect();
    let edges = data["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| {
            let compiled = node["deps"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|dep| dep["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"] != "dev"));
            (text(&node["id"]), compiled.map(|dep| text(&dep["pkg"])).collect())
        })
        .collect();
    Tree { packages, edges }
}

impl Tree {
    fn id(&self, name: &str) -> &String {
        self.packages.iter().find(|(_, p)| p["name"] == name).unwrap_or_else(|| panic!("no package {name}")).0
    }

    /// The names of all packages that are compiled into this one.
    fn below(&self, name: &str) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut open = vec![self.id(name).clone()];
        while let Some(id) = open.pop() {
            for next in &self.edges[&id] {
                if seen.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        seen.iter().map(|id| self.packages[id]["name"].as_str().unwrap().to_owned()).collect()
    }

    fn ours(&self) -> impl Iterator<Item = &Value> {
        self.packages.values().filter(|p| p["source"].is_null())
    }
}

/// The source tree's top.
fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

/// Where a package's sources are.
fn source(package: &Value) -> PathBuf {
    Path::new(package["manifest_path"].as_str().unwrap()).with_file_name("src")
}

/// The Rust files in a folder and below it.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn is_arti(name: &str) -> bool {
    name.starts_with("tor-") || name == "arti-client"
}

#[test]
fn the_pure_crates_stay_pure() {
    let tree = tree();
    for pure in ["torchat-protocol", "torchat-core", "torchat-room"] {
        let below = tree.below(pure);
        for forbidden in
            ["tokio", "mio", "rusqlite", "libsqlite3-sys", "rustix", "rand", "getrandom", "tracing", "jiff"]
        {
            // snow names a generator of its own; the handshake gives it ours, and nothing else uses it. The features that snow
            // asks for are those of the whole tree, so the signatures' crate has it beside them.
            let by_snow = forbidden == "getrandom" && pure != "torchat-protocol";
            assert!(by_snow || !below.contains(forbidden), "{pure} depends on {forbidden}");
        }
        assert!(!below.iter().any(|name| is_arti(name)), "{pure} depends on arti");
    }
}

#[test]
fn the_pure_crates_name_no_clock_file_or_socket() {
    let mut read = 0;
    for path in
        ["protocol/src", "daemon/core/src", "daemon/room/src"].iter().flat_map(|folder| sources(&top().join(folder)))
    {
        // Tests may read golden files, and be told how long to try.
        if path.iter().any(|part| part == "tests.rs" || part == "tests") {
            continue;
        }
        read += 1;
        let text = std::fs::read_to_string(&path).unwrap();
        for forbidden in ["std::fs", "std::net", "std::time", "std::thread", "std::env", "SystemTime", "Instant::now"] {
            assert!(!text.contains(forbidden), "{} names {forbidden}", path.display());
        }
    }
    assert!(read > 15, "only {read} files were found");
}

#[test]
fn only_the_tor_crate_names_arti_and_only_the_daemon_forks() {
    let tree = tree();
    for package in tree.ours() {
        let name = package["name"].as_str().unwrap();
        for dependency in package["dependencies"].as_array().unwrap() {
            let wanted = dependency["name"].as_str().unwrap();
            assert!(!is_arti(wanted) || name == "torchat-tor", "{name} names {wanted}");
            assert!(wanted != "daemonize" || name == "torchatd", "{name} names daemonize");
        }
    }
    for light in [
        "torchat-engine",
        "torchat-harness",
        "torchat-faults",
        "torchat-testkit",
        "torchat-client",
        "torchat-tornet",
        "xtask",
    ] {
        assert!(!tree.below(light).iter().any(|name| is_arti(name)), "{light} builds arti");
    }
    assert!(!tree.below("xtask").contains("tokio"), "xtask builds tokio");
}

#[test]
fn each_crate_of_the_daemon_keeps_its_borders() {
    let tree = tree();
    for (name, forbidden) in [
        ("torchat-transport", &["torchat-engine", "torchat-control", "torchat-tor", "rusqlite"][..]),
        ("torchat-engine", &["torchat-control", "torchat-tor"]),
        ("torchat-tor", &["torchat-engine", "torchat-control"]),
    ] {
        let below = tree.below(name);
        for forbidden in forbidden {
            assert!(!below.contains(*forbidden), "{name} depends on {forbidden}");
        }
    }
    assert!(!tree.below("torchat-transport").iter().any(|name| is_arti(name)), "the transport builds arti");
}

#[test]
fn a_replica_of_a_room_knows_neither_links_nor_noise_nor_the_core() {
    let tree = tree();
    let room = tree.ours().find(|package| package["name"] == "torchat-room").unwrap();
    let named = room["dependencies"].as_array().unwrap().iter().filter(|one| one["kind"].is_null());
    let named: BTreeSet<_> = named.map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(named, BTreeSet::from(["ed25519-dalek", "thiserror", "torchat-protocol"]));
}

#[test]
fn the_control_server_asks_the_handle_and_nothing_behind_it() {
    let tree = tree();
    let Some(control) = tree.ours().find(|package| package["name"] == "torchat-control") else { return };
    let named: Vec<_> = control["dependencies"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert!(!named.iter().any(|name| *name == "rusqlite"), "control names rusqlite");
    for file in sources(&source(control)) {
        let text = std::fs::read_to_string(&file).unwrap();
        for forbidden in ["torchat_engine::store", "torchat_core::node"] {
            assert!(!text.contains(forbidden), "{} names {forbidden}", file.display());
        }
    }
}

#[test]
fn clients_know_only_the_control_api() {
    let tree = tree();
    for client in ["torchat-client", "torchat", "torchat-testkit"] {
        let below = tree.below(client);
        // Its tests know no more than it does: what they need of a daemon is a process.
        let package = &tree.packages[tree.id(client)];
        let named = package["dependencies"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap());
        for name in named.chain(below.iter().map(String::as_str)) {
            let forbidden = DAEMON.contains(&name) || ["torchat-harness", "rusqlite", "tokio"].contains(&name);
            assert!(!forbidden, "{client} depends on {name}");
        }
    }
}

#[test]
fn the_view_models_name_no_toolkit_clock_file_or_socket() {
    let client = top().join("clients/core/src");
    let mut files = sources(&client.join("timeline"));
    files.push(client.join("timeline.rs"));
    assert!(files.len() > 10, "{files:?}");
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let forbidden =
            ["ratatui", "crossterm", "std::fs", "std::net", "std::thread", "std::env", "SystemTime", "Instant"];
        for forbidden in forbidden.into_iter().chain(["Timestamp::now", "Zoned::now", "crate::api"]) {
            assert!(!text.contains(forbidden), "{} names {forbidden}", path.display());
        }
    }
}

#[test]
fn no_circle_of_imports_goes_through_two_folders() {
    let mut found = Vec::new();
    let mut crates = 0;
    for package in tree().ours() {
        let src = source(package);
        if src.is_dir() {
            crates += 1;
            let circles = Modules::read(&src).circles();
            found.extend(circles.into_iter().map(|circle| format!("{}: {circle}", package["name"])));
        }
    }
    assert!(crates > 12, "only {crates} crates were read");
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_circle_through_two_folders_is_found() {
    let circles = |files: &[(&str, &str)]| {
        let module = |name: &str| name.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
        Modules::of(&files.iter().map(|(name, text)| (module(name), (*text).to_owned())).collect()).circles()
    };
    let tail = ("tail::end", "");
    let circle = [
        ("", "mod head; mod tail;"),
        ("head", "use crate::tail::{end, other::Thing};"),
        ("tail", "mod end; mod other;"),
        ("tail::other", "fn f() { println!(\"{}\", crate::head::NAME) }"),
        tail,
    ];
    assert_eq!(circles(&circle), ["head -> tail::other -> head"]);
    // A folder may be a knot in itself, and what stands in tests, texts and comments is no import.
    let calm = [
        ("", "mod head; mod tail;"),
        ("head", "use crate::tail::end; fn f() -> &'static str { \"crate::head::f\" }"),
        ("tail", "mod end; mod other; use end::A; /* crate::head */"),
        ("tail::other", "use super::end::A; #[cfg(test)] mod tests { use crate::head::f; }"),
        ("tail::end", "use super::other::B; // crate::head"),
    ];
    assert_eq!(circles(&calm), Vec::<String>::new());
}

#[test]
fn the_daemon_holds_no_second_tls_or_database() {
    let tree = tree();
    let below = tree.below("torchatd");
    for forbidden in ["openssl-sys", "native-tls", "aws-lc-sys", "async-std", "equix", "hashx"] {
        assert!(!below.contains(forbidden), "torchatd depends on {forbidden}");
    }
    for single in ["rusqlite", "libsqlite3-sys", "rustls", "tokio", "ed25519-dalek", "curve25519-dalek", "snow"] {
        let versions = tree.packages.values().filter(|p| p["name"] == single).count();
        assert!(versions <= 1, "{versions} versions of {single}");
    }
}

/// What `.deny.toml` says: cargo-deny and these tests keep the same lists.
fn deny() -> toml::Table {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.deny.toml");
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

#[test]
fn every_licence_is_an_allowed_one() {
    let deny = deny();
    let allowed: Vec<_> =
        deny["licenses"]["allow"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    let tree = tree();
    for package in tree.packages.values().filter(|package| !package["source"].is_null()) {
        let licence = package["license"].as_str().unwrap_or("none named").replace('/', " OR ");
        // A choice needs one allowed side, a sum needs all of them.
        let fine = licence
            .replace(['(', ')'], "")
            .split(" OR ")
            .any(|side| side.split(" AND ").all(|one| allowed.contains(&one.trim())));
        assert!(fine, "{} has the licence {licence:?}", package["name"]);
    }
}

#[test]
fn no_banned_crate_is_compiled_into_anything() {
    let tree = tree();
    let below: BTreeSet<_> = tree.ours().flat_map(|package| tree.below(package["name"].as_str().unwrap())).collect();
    let versions = |name: &str| tree.packages.values().filter(|package| package["name"] == name).count();
    let deny = deny();
    let banned = deny["bans"]["deny"].as_array().unwrap();
    assert!(banned.len() > 8, "{banned:?}");
    for rule in banned {
        let name = rule["crate"].as_str().unwrap();
        if rule.get("deny-multiple-versions").is_some_and(|one| one.as_bool() == Some(true)) {
            assert!(versions(name) <= 1, "{} versions of {name}", versions(name));
        } else {
            assert!(!below.contains(name), "{name} is banned: {rule:?}");
        }
    }
}

#[test]
fn every_package_is_ours_or_of_the_one_registry_with_a_checksum() {
    const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";
    for package in tree().packages.values() {
        let source = &package["source"];
        assert!(source.is_null() || source == REGISTRY, "{} comes from {source}", package["name"]);
    }
    // Of every platform, and whatever no feature selects: what the lock file names may be built by somebody.
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock")).unwrap();
    let lock: toml::Table = lock.parse().unwrap();
    let packages = lock["package"].as_array().unwrap();
    assert!(packages.len() > 100, "{}", packages.len());
    for package in packages {
        let checked = match package.get("source").map(|source| source.as_str().unwrap()) {
            None => package["name"] == "xtask".into() || package["name"].as_str().unwrap().starts_with("torchat"),
            Some(source) => source == REGISTRY && package["checksum"].as_str().unwrap().len() == 64,
        };
        assert!(checked, "{package:?}");
    }
}

#[test]
fn no_dependency_of_ours_takes_any_version() {
    for package in tree().ours() {
        for dependency in package["dependencies"].as_array().unwrap() {
            let ours = !dependency["path"].is_null();
            assert!(ours || dependency["req"] != "*", "{} takes any {}", package["name"], dependency["name"]);
        }
    }
}

#[test]
fn every_advisory_that_is_ignored_has_a_reason() {
    for ignored in deny()["advisories"]["ignore"].as_array().unwrap() {
        let id = ignored["id"].as_str().unwrap();
        assert!(id.starts_with("RUSTSEC-") && ignored["reason"].as_str().unwrap().len() > 20, "{ignored:?}");
    }
}

#[test]
fn every_crate_keeps_the_lints_of_the_workspace() {
    let tree = tree();
    for package in tree.ours() {
        let manifest = std::fs::read_to_string(package["manifest_path"].as_str().unwrap()).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{} has lints of its own", package["name"]);
    }
}
