//! What a build consists of, from `cargo metadata`: the number that the line of progress counts towards.

use super::Goal;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One crate that the compiler makes: of a package of others always one, however often it is compiled; of ours each library,
/// program, test and example.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Part {
    /// Cargo's id of the package.
    pub(super) package: String,
    /// Kind and name, and whether it is compiled as a test; none for a package of others.
    target: Option<(String, String, bool)>,
}

/// All crates of a build.
#[derive(Default, Debug)]
pub(super) struct Plan {
    pub(super) parts: BTreeSet<Part>,
    /// The names of the packages, by cargo's ids.
    names: BTreeMap<String, String>,
    /// The ids of our own packages.
    ours: BTreeSet<String>,
}

impl Plan {
    /// Reads what `cargo metadata` and `cargo tree` printed. None if something is missing in the first.
    ///
    /// `tree` holds lines `NAME vVERSION ..`. The metadata name optional dependencies too that no feature selects, and the tree
    /// alone would not say what our packages consist of.
    pub(super) fn new(metadata: &Value, tree: &str, goal: Goal, programs: &[&str]) -> Option<Self> {
        let selected: BTreeSet<(&str, &str)> =
            tree.lines().filter_map(|line| line.split(' ').next().zip(line.split(' ').nth(1))).collect();
        let mut plan = Self::default();
        let mut packages = BTreeMap::new();
        for package in metadata["packages"].as_array()? {
            let id = package["id"].as_str()?;
            plan.names.insert(id.to_owned(), package["name"].as_str()?.to_owned());
            packages.insert(id, package);
        }
        plan.ours =
            metadata["workspace_members"].as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let nodes = metadata["resolve"]["nodes"].as_array()?;
        let nodes: BTreeMap<&str, &Value> =
            nodes.iter().filter_map(|node| Some((node["id"].as_str()?, node))).collect();
        let mut open: Vec<&str> = plan.ours.iter().map(String::as_str).collect();
        if goal == Goal::Programs {
            open.retain(|id| targets(packages.get(id)).any(|target| is_one_of(target, programs)));
        }
        let mut seen: BTreeSet<&str> = open.iter().copied().collect();
        while let Some(id) = open.pop() {
            let tests = goal == Goal::Everything && plan.ours.contains(id);
            for dependency in nodes.get(id)?["deps"].as_array()? {
                let kinds = dependency["dep_kinds"].as_array()?;
                let next = dependency["pkg"].as_str()?;
                if kinds.iter().any(|kind| tests || kind["kind"] != "dev") && seen.insert(next) {
                    open.push(next);
                }
            }
        }
        for id in seen {
            if plan.ours.contains(id) {
                let targets = targets(packages.get(id)).flat_map(|target| wanted(target, goal, programs));
                let part = |target| Part { package: id.to_owned(), target: Some(target) };
                plan.parts.extend(targets.map(part));
            } else if is_selected(packages.get(id)?, &selected) {
                plan.parts.insert(Part { package: id.to_owned(), target: None });
            }
        }
        Some(plan)
    }

    /// Which part it is that cargo tells of in a message "compiler-artifact"; none for a build script.
    pub(super) fn part(&self, artifact: &Value) -> Option<Part> {
        let package = artifact["package_id"].as_str()?.to_owned();
        let (kind, name) = kind_and_name(&artifact["target"])?;
        if kind == "custom-build" {
            return None;
        }
        let test = artifact["profile"]["test"] == true;
        let target = self.ours.contains(&package).then_some((kind, name, test));
        Some(Part { package, target })
    }

    /// The package's name.
    pub(super) fn name(&self, package: &str) -> Option<&str> {
        self.names.get(package).map(String::as_str)
    }
}

fn targets<'a>(package: Option<&&'a Value>) -> impl Iterator<Item = &'a Value> {
    package.and_then(|package| package["targets"].as_array()).into_iter().flatten()
}

fn is_selected(package: &Value, selected: &BTreeSet<(&str, &str)>) -> bool {
    let version = format!("v{}", package["version"].as_str().unwrap_or_default());
    package["name"].as_str().is_some_and(|name| selected.contains(&(name, version.as_str())))
}

fn kind_and_name(target: &Value) -> Option<(String, String)> {
    Some((target["kind"][0].as_str()?.to_owned(), target["name"].as_str()?.to_owned()))
}

fn is_one_of(target: &Value, programs: &[&str]) -> bool {
    target["kind"][0] == "bin" && target["name"].as_str().is_some_and(|name| programs.contains(&name))
}

/// What is compiled of a target of ours: nothing, one crate, or one more with its tests.
fn wanted(target: &Value, goal: Goal, programs: &[&str]) -> Vec<(String, String, bool)> {
    let Some((kind, name)) = kind_and_name(target) else { return Vec::new() };
    let with_tests = target["test"] == true;
    let versions: &[bool] = match (goal, kind.as_str()) {
        (_, "custom-build") => &[],
        (Goal::Programs, "bin") if !is_one_of(target, programs) => &[],
        (Goal::Programs, "lib" | "bin") => &[false],
        (Goal::Programs, _) => &[],
        (Goal::Everything, "test" | "bench") if with_tests => &[true],
        (Goal::Everything, "test" | "bench") => &[],
        (Goal::Everything, "lib" | "bin") if with_tests => &[false, true],
        (Goal::Everything, _) => &[false],
    };
    versions.iter().map(|test| (kind.clone(), name.clone(), *test)).collect()
}
