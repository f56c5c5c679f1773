//! The table.

use crate::stats::Summary;
use std::fmt::Write as _;
use std::path::Path;

/// One measurement.
pub(crate) struct Row {
    /// What was measured.
    pub(crate) what: String,
    /// Ours, with its unit.
    pub(crate) ours: String,
    /// The reference's, with its unit.
    pub(crate) reference: String,
    /// What the aim is about: the ratio within each pair, or a plain value where there is no reference.
    pub(crate) judged: Option<Summary>,
    /// The aim.
    pub(crate) aim: Aim,
}

/// What is aimed at.
pub(crate) enum Aim {
    /// Nothing; for information.
    None,
    /// At most so much.
    AtMost(f64),
    /// At least so much.
    AtLeast(f64),
}

impl Aim {
    fn text(&self, judged: Option<Summary>) -> String {
        let Some(judged) = judged else { return String::new() };
        let (text, met) = match *self {
            Self::None => return "-".into(),
            Self::AtMost(limit) => (format!("<= {limit}"), judged.median <= limit),
            Self::AtLeast(limit) => (format!(">= {limit}"), judged.median >= limit),
        };
        format!("{text}: {}", if met { "met" } else { "missed" })
    }
}

/// What was measured, and on what.
pub(crate) struct Report {
    machine: String,
    head: [&'static str; 6],
    rows: Vec<Row>,
    notes: Vec<String>,
}

const HEAD: [&str; 6] = ["measured", "torchat", "reference", "judged: median [quartiles]", "n", "aim"];

impl Report {
    pub(crate) fn new(dir: &Path) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let machine = format!(
            "{cores} cores, Linux {}, load at the start {}, files on {}",
            read("/proc/sys/kernel/osrelease"),
            read("/proc/loadavg").split(' ').next().unwrap_or_default(),
            file_system(dir).unwrap_or_else(|| "an unknown file system".into()),
        );
        Self { machine, head: HEAD, rows: Vec::new(), notes: Vec::new() }
    }

    /// The same for two builds: theirs are the columns of ours and of the reference.
    pub(crate) fn of_builds(dir: &Path) -> Self {
        let head = ["measured", "new", "old", "new / old: median [quartiles]", "n", "aim"];
        Self { head, ..Self::new(dir) }
    }

    /// The same for two sizes of one thing: the larger one has the column of ours, the smaller one that of the reference.
    pub(crate) fn of_sizes(dir: &Path) -> Self {
        let head = ["measured", "many", "few", "many / few: median [quartiles]", "n", "aim"];
        Self { head, ..Self::new(dir) }
    }

    /// Adds a line, and shows it at once: a run takes minutes.
    pub(crate) fn add(&mut self, row: Row) {
        eprintln!("{}", cells(&row).join(" | "));
        self.rows.push(row);
    }

    /// Adds a sentence below the table.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        eprintln!("{note}");
        self.notes.push(note);
    }

    fn foot(&self) -> String {
        self.notes.iter().map(|note| format!("\n{note}\n")).collect()
    }

    pub(crate) fn plain(&self) -> String {
        let mut table = vec![self.head.map(str::to_owned)];
        table.extend(self.rows.iter().map(cells));
        let width: [usize; 6] =
            std::array::from_fn(|n| table.iter().map(|row| row[n].chars().count()).max().unwrap_or_default());
        let mut text = format!("{}\n\n", self.machine);
        for row in &table {
            let padded: Vec<_> = row.iter().zip(width).map(|(cell, width)| format!("{cell:width$}")).collect();
            text.push_str(padded.join("  ").trim_end());
            text.push('\n');
        }
        text + &self.foot()
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text =
            format!("{}\n\n| {} |\n|{}\n", self.machine, self.head.join(" | "), "---|".repeat(self.head.len()));
        for row in &self.rows {
            let _ = writeln!(text, "| {} |", cells(row).join(" | "));
        }
        text + &self.foot()
    }
}

fn cells(row: &Row) -> [String; 6] {
    let judged = row.judged.map_or_else(String::new, |s| format!("{:.2} [{:.2} to {:.2}]", s.median, s.low, s.high));
    let n = row.judged.map_or_else(String::new, |s| s.n.to_string());
    [row.what.clone(), row.ours.clone(), row.reference.clone(), judged, n, row.aim.text(row.judged)]
}

/// The type of the file system: on one in memory, nothing that a sync costs is seen.
fn file_system(dir: &Path) -> Option<String> {
    let dir = dir.canonicalize().ok()?;
    let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    let longest = mounts.filter(|(place, _)| dir.starts_with(place)).max_by_key(|(place, _)| place.len())?;
    Some(longest.1.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aim_is_judged_by_the_median() {
        let judged = Summary::of([1.0, 1.2, 9.0]);
        assert_eq!(Aim::AtMost(1.3).text(judged), "<= 1.3: met");
        assert_eq!(Aim::AtLeast(1.3).text(judged), ">= 1.3: missed");
        assert_eq!(Aim::None.text(judged), "-");
        assert_eq!(Aim::AtMost(1.0).text(None), "");
    }

    #[test]
    fn both_tables_have_every_cell() {
        let row = Row {
            what: "HOST".into(),
            ours: "9 us".into(),
            reference: "7 us".into(),
            judged: Summary::of([1.25, 1.25]),
            aim: Aim::AtMost(1.3),
        };
        let report = Report { machine: "a machine".into(), head: HEAD, rows: vec![row], notes: vec!["A note.".into()] };
        assert!(
            report.markdown().ends_with("| HOST | 9 us | 7 us | 1.25 [1.25 to 1.25] | 2 | <= 1.3: met |\n\nA note.\n")
        );
        let plain = report.plain();
        let last = plain.lines().nth_back(2).unwrap_or_default();
        assert!(last.starts_with("HOST ") && last.ends_with("<= 1.3: met"), "{last}");
    }
}
