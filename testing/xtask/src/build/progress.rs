//! What cargo says while it builds, and the one line that is made of it. No input and no output: lines come in, words go out.

use super::plan::{Part, Plan};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// How far a build is.
pub(super) struct Progress {
    plan: Plan,
    done: BTreeSet<Part>,
    /// Those that were compiled now, not found as they had been.
    compiled: BTreeSet<Part>,
    /// The names of packages that are being compiled; the one that takes longest first.
    running: Vec<String>,
    /// Another cargo works in the same folder.
    blocked: bool,
}

impl Progress {
    pub(super) fn new(plan: Plan) -> Self {
        Self { plan, done: BTreeSet::new(), compiled: BTreeSet::new(), running: Vec::new(), blocked: false }
    }

    /// Takes a line of cargo's messages in JSON; what it returns is to be shown.
    pub(super) fn message(&mut self, line: &str) -> Option<String> {
        let Ok(message) = serde_json::from_str::<Value>(line) else {
            // Build scripts and macros may print what they like.
            return Some(line.to_owned());
        };
        match message["reason"].as_str()? {
            "compiler-artifact" => {
                self.finished(&message);
                None
            }
            "compiler-message" => message["message"]["rendered"].as_str().map(str::to_owned),
            _ => None,
        }
    }

    fn finished(&mut self, artifact: &Value) {
        let Some(part) = self.plan.part(artifact) else { return };
        if artifact["fresh"] != true {
            self.compiled.insert(part.clone());
        }
        self.done.insert(part.clone());
        let more = |other: &Part| other.package == part.package && !self.done.contains(other);
        if !self.plan.parts.iter().any(more)
            && let Some(name) = self.plan.name(&part.package)
        {
            self.running.retain(|running| running != name);
        }
    }

    /// Takes a line that cargo prints for people; what it returns is to be shown.
    pub(super) fn status(&mut self, line: &str) -> Option<String> {
        let Some((verb, rest)) = status(line) else { return words(line) };
        self.blocked = verb == "Blocking";
        if matches!(verb, "Compiling" | "Checking") {
            let name = rest.split(' ').next().unwrap_or(rest);
            if !self.running.iter().any(|running| running == name) {
                self.running.push(name.to_owned());
            }
        }
        None
    }

    /// The line of progress.
    pub(super) fn line(&self, elapsed: Duration) -> String {
        // A plan may miss a crate that only this cargo knows of.
        let all = self.plan.parts.union(&self.done).count();
        let what = match (self.blocked, self.running.first()) {
            (true, _) => "waits for another cargo in this folder",
            (false, Some(name)) => name,
            (false, None) => "",
        };
        format!("building: {} of {all} crates, {}  {what}", self.done.len(), time(elapsed)).trim_end().to_owned()
    }

    /// What to say at the end.
    pub(super) fn end(&self, elapsed: Duration) -> String {
        let (compiled, all) = (self.compiled.len(), self.done.len());
        format!("built: {compiled} of {all} crates compiled, the others were there, {}", time(elapsed))
    }
}

/// How many crates cargo has fetched.
#[derive(Default)]
pub(super) struct Downloads(u64);

impl Downloads {
    /// Takes a line that cargo prints for people; what it returns is to be shown.
    pub(super) fn status(&mut self, line: &str) -> Option<String> {
        match status(line) {
            Some(("Downloaded", _)) => self.0 += 1,
            Some(_) => {}
            None => return words(line),
        }
        None
    }

    /// The line of progress, as soon as there is something to tell.
    pub(super) fn line(&self) -> Option<String> {
        (self.0 > 0).then(|| format!("downloading: {} crates", self.0))
    }
}

/// A status line of cargo's: a verb that ends in the twelfth column, and the rest.
fn status(line: &str) -> Option<(&str, &str)> {
    let (verb, rest) = line.split_at_checked(12)?;
    let verb = verb.trim_start();
    let is_verb =
        verb.starts_with(|first: char| first.is_ascii_uppercase()) && verb.bytes().all(|b| b.is_ascii_alphabetic());
    is_verb.then_some(())?;
    Some((verb, rest.strip_prefix(' ')?))
}

fn words(line: &str) -> Option<String> {
    (!line.trim().is_empty()).then(|| line.to_owned())
}

fn time(elapsed: Duration) -> String {
    match elapsed.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}
