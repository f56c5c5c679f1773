//! Transcripts: `$ line` of a shell, what it prints, and `[exit N]` if that is not 0. `bob$ line` is typed at Bob's machine.
//!
//! What differs from run to run (times, ids, secrets, durations) is compared as what it is; `...` stands for anything on
//! a line, and a line `...` for any lines. `TORCHAT_TRANSCRIPTS=write` puts what really came into the files that belong to the
//! tests, for the author to look at.

use super::support::{House, Ran};
use regex::Regex;
use std::path::Path;

/// A line of a shell and what must come.
struct Case {
    /// Whose daemon it is: nothing before the `$` is Alice's.
    who: &'static str,
    line: String,
    expected: String,
}

/// The blocks of a document that are transcripts, or a whole file of cases.
fn cases(text: &str, fenced: bool) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut inside = !fenced;
    for line in text.lines() {
        if fenced && line.starts_with("```") {
            inside = line == "```console";
        } else if inside {
            let typed =
                ["", "bob"].into_iter().find_map(|who| Some((who, line.strip_prefix(who)?.strip_prefix("$ ")?)));
            match (typed, cases.last_mut()) {
                (Some((who, line)), _) => cases.push(Case { who, line: line.to_owned(), expected: String::new() }),
                (None, Some(case)) => {
                    case.expected.push_str(line);
                    case.expected.push('\n');
                }
                (None, None) => {}
            }
        }
    }
    cases
}

/// What a person sees.
fn seen(ran: &Ran) -> String {
    let mut text = format!("{}{}", ran.stdout, ran.stderr);
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    match ran.code {
        Some(0) => {}
        Some(code) => text.push_str(&format!("[exit {code}]\n")),
        None => text.push_str("[killed]\n"),
    }
    text
}

/// Replaces what differs by what it is.
fn plain(text: &str, house: &House) -> String {
    let text = text.replace(house.dir().to_str().unwrap(), "DIR");
    let rules = [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d", "TIME"),
        // The seconds of text logs.
        (r"TIME:\d\d([ :])", "TIME$1"),
        (r"next try at \d\d:\d\d", "next try at TIME"),
        (r"torchat-token:([\w.-]+):[a-z2-7]{52}", "torchat-token:$1:SECRET"),
        (r"(torchat:[a-z2-7]{56})\?i=[\w-]+", "$1?i=SECRET"),
        (r"torchat-room:[a-z2-7]{56}(\?d=[a-z2-7]{56})&i=[0-9a-f]{48}", "torchat-room:ROOM$1&i=SECRET"),
        (r#""mid":"[0-9a-f]{32}""#, r#""mid":"MID""#),
        (r#""queued":"[0-9a-f]{32}""#, r#""queued":"MID""#),
        (r"\d+(\.\d+)? ms", "N ms"),
        // On a busy machine the same may take seconds.
        (r"(takes|took|circuit after|\(p50\),) \d+(\.\d+)? s", "$1 N ms"),
        (r"\d+ s ago", "N s ago"),
        (r#""heard_s":\d+"#, r#""heard_s":N"#),
        (r"\d+ MiB", "N MiB"),
        (r#""seq":\d+"#, r#""seq":N"#),
    ];
    rules.iter().fold(text, |text, (rule, to)| Regex::new(rule).unwrap().replace_all(&text, *to).into_owned())
}

/// Whether what came is what was expected, with its wildcards.
fn fits(expected: &str, came: &str) -> bool {
    let mut pattern = String::from("^");
    for line in expected.lines() {
        if line == "..." {
            pattern.push_str("(?:.*\n)*");
        } else {
            pattern.push_str(&line.split("...").map(regex::escape).collect::<Vec<_>>().join(".*"));
            pattern.push('\n');
        }
    }
    pattern.push('$');
    Regex::new(&pattern).unwrap().is_match(came)
}

/// Runs a document's transcripts in order; `lines` is how many there must be at least.
pub(crate) fn document(house: &House, path: &Path, lines: usize) -> Vec<String> {
    run(house, path, lines, true)
}

/// Runs a file of cases.
pub(crate) fn file(house: &House, path: &Path, lines: usize) -> Vec<String> {
    run(house, path, lines, false)
}

fn run(house: &House, path: &Path, lines: usize, fenced: bool) -> Vec<String> {
    let cases = cases(&std::fs::read_to_string(path).unwrap(), fenced);
    assert!(cases.len() >= lines, "only {} lines in {}", cases.len(), path.display());
    let (mut wrong, mut written) = (String::new(), String::new());
    for case in &cases {
        let came = seen(&house.shell_of(case.who, &case.line));
        written.push_str(&format!("{}$ {}\n{}\n", case.who, case.line, plain(&came, house)));
        if !fits(&plain(case.expected.trim_end_matches('\n'), house), plain(&came, house).as_str()) {
            wrong.push_str(&format!("{}$ {}\n--- expected\n{}--- came\n{came}\n", case.who, case.line, case.expected));
        }
    }
    if std::env::var_os("TORCHAT_TRANSCRIPTS").is_some_and(|value| value == "write") {
        let name = path.file_name().unwrap().to_str().unwrap();
        std::fs::write(std::env::temp_dir().join(format!("came-{name}")), written).unwrap();
    }
    assert!(wrong.is_empty(), "{}:\n{wrong}", path.display());
    cases.into_iter().map(|case| case.line).collect()
}
