//! What a turn costs the store, by each build's own example `turns`.

use super::{Builds, alternately, less_is_better};
use crate::Setup;
use crate::report::Report;
use anyhow::{Context as _, ensure};
use std::process::Command;

/// How often each build's program runs: it takes some 10 s.
const RUNS: u32 = 3;
/// Slices of each kind in a run.
const SLICES: &str = "4";
/// Accepted messages of a turn.
const TURNS: [usize; 3] = [1, 50, 256];

pub(super) fn run(setup: &Setup<'_>, builds: &Builds, report: &mut Report) -> anyhow::Result<()> {
    let programs = [0, 1].map(|side| builds.program(side, "examples/turns"));
    if let Some(missing) = programs.iter().find(|program| !program.is_file()) {
        let missing = missing.display();
        report.note(format!("There is no {missing} (cargo build with --examples): a turn's cost was not compared."));
        return Ok(());
    }
    let pairs = alternately(RUNS, |side| {
        let output = Command::new(&programs[side]).arg(setup.dir).arg(SLICES).output()?;
        ensure!(output.status.success(), "{}: {}", programs[side].display(), String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout)?;
        let costs: Option<Vec<_>> = TURNS.iter().map(|turn| store_us(&text, *turn)).collect();
        costs.with_context(|| format!("not the table of `turns`: {text}"))
    })?;
    for (n, turn) in TURNS.iter().enumerate() {
        let pairs: Vec<_> = pairs.iter().map(|[new, old]| [new[n], old[n]]).collect();
        less_is_better(report, &format!("the store's processor time of a message in a turn of {turn}"), "us", &pairs);
    }
    Ok(())
}

/// The store's processor time of a message, of the line `TURN store RATE RATIO CPU N`.
fn store_us(table: &str, turn: usize) -> Option<f64> {
    table.lines().find_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            [first, "store", _, _, cpu, _] if first == turn.to_string() => cpu.parse().ok(),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::store_us;

    #[test]
    fn the_store_is_found_in_the_table() {
        let table = "    turn what     messages/s of the log CPU us/message    n\n\
                     \x20     50 log          100000       1.00           2.00    4\n\
                     \x20     50 store         45000       0.45           9.21    4\n";
        assert_eq!(store_us(table, 50), Some(9.21));
        assert_eq!(store_us(table, 1), None);
    }
}
