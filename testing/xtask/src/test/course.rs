//! The steps of a run: which were taken, which failed, and which could not be.
//!
//! A step that fails keeps only those from running that cannot be without it: one mistake in the formatting must not hide
//! what a whole run of tests would have told.

use std::fmt::{self, Write as _};
use std::time::{Duration, Instant};

/// How one step ended.
enum End {
    Done,
    Failed(String),
    /// The step that it needs, which did not succeed.
    NotRun(&'static str),
}

struct Step {
    name: &'static str,
    time: Duration,
    end: End,
}

/// The steps so far, in their order.
#[derive(Default)]
pub(crate) struct Course {
    steps: Vec<Step>,
}

impl Course {
    /// Takes a step if all those that it needs have succeeded, and remembers how it ended.
    pub(crate) fn step(
        &mut self,
        name: &'static str,
        needs: &[&'static str],
        work: impl FnOnce() -> anyhow::Result<()>,
    ) {
        let begun = Instant::now();
        let end = match needs.iter().find(|need| !self.succeeded(need)) {
            Some(need) => End::NotRun(need),
            None => {
                println!("\n=== {name}");
                match work() {
                    Ok(()) => End::Done,
                    Err(error) => {
                        eprintln!("the step \"{name}\" failed: {error:#}");
                        End::Failed(format!("{error:#}"))
                    }
                }
            }
        };
        self.steps.push(Step { name, time: begun.elapsed(), end });
    }

    fn succeeded(&self, name: &str) -> bool {
        self.steps.iter().any(|step| step.name == name && matches!(step.end, End::Done))
    }

    /// A line for each step that failed or was not run; none if all is well.
    pub(crate) fn failures(&self) -> Vec<String> {
        let told = |step: &Step| match &step.end {
            End::Done => None,
            End::Failed(why) => Some(format!("the step \"{}\" failed: {why}", step.name)),
            End::NotRun(need) => Some(format!("the step \"{}\" was not run, because \"{need}\" failed", step.name)),
        };
        self.steps.iter().filter_map(told).collect()
    }
}

/// A table of the steps and their times.
impl fmt::Display for Course {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Step { name, time, end } in &self.steps {
            let note = match end {
                End::Done => "",
                End::Failed(_) => "  FAILED",
                End::NotRun(_) => "  not run",
            };
            writeln!(out, "{:>7.1} s  {name}{note}", time.as_secs_f64())?;
        }
        let all: Duration = self.steps.iter().map(|step| step.time).sum();
        write!(out, "{:>7.1} s  in all", all.as_secs_f64())?;
        out.write_char('\n')
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::Course;
    use anyhow::bail;

    #[test]
    fn a_step_that_fails_keeps_only_those_that_need_it_from_running() {
        let mut taken = Vec::new();
        let mut course = Course::default();
        course.step("formatting", &[], || bail!("a line is too long"));
        course.step("build", &[], || bail!("it does not compile"));
        course.step("tests", &["build"], || {
            taken.push("tests");
            Ok(())
        });
        // It needs a step that was not run: just as bad.
        course.step("proofs", &["tests"], || {
            taken.push("proofs");
            Ok(())
        });
        course.step("lints", &[], || {
            taken.push("lints");
            Ok(())
        });
        assert_eq!(taken, ["lints"]);
        let failures = course.failures();
        assert_eq!(failures.len(), 4, "{failures:#?}");
        assert!(failures[0].contains("formatting") && failures[0].contains("too long"), "{failures:#?}");
        assert!(failures[2].contains("\"tests\" was not run"), "{failures:#?}");
        assert!(failures[3].contains("\"proofs\" was not run, because \"tests\""), "{failures:#?}");
        let table = course.to_string();
        assert!(table.lines().any(|line| line.ends_with("build  FAILED")), "{table}");
        assert!(table.lines().any(|line| line.ends_with("tests  not run")), "{table}");
        assert!(table.lines().any(|line| line.ends_with("lints")), "{table}");
    }

    #[test]
    fn a_run_in_which_all_steps_succeed_has_no_failures() {
        let mut course = Course::default();
        course.step("build", &[], || Ok(()));
        course.step("tests", &["build"], || Ok(()));
        assert!(course.failures().is_empty());
    }
}
