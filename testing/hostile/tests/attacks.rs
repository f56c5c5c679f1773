//! The short form: every row that needs no minute is a test, and short floods. The long one: `cargo xtask hostile`.
//!
//! It has a main of its own because the rows are data, and its output is that of the standard one. An argument that is
//! no option selects the rows whose names contain it, as in the standard one.

use std::cell::Cell;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use torchat_hostile::attack::{self, Attack, Kind, Outcome};
use torchat_hostile::flood::Flood;
use torchat_hostile::victim::Pair;
use torchat_hostile::{bounds, process};

/// Each flood, and the quiet time before it.
const FLOOD: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let mut only: Vec<_> = std::env::args().skip(1).collect();
    let listing = only.iter().any(|argument| argument == "--list");
    only.retain(|argument| !argument.starts_with('-'));
    let wanted = |name: &str| only.is_empty() || only.iter().any(|only| name.contains(only.as_str()));
    let table: Vec<_> = attack::table().into_iter().filter(|row| wanted(&row.name)).collect();
    let floods = wanted("floods");
    if listing {
        table.iter().for_each(|row| println!("{}: test", row.name));
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", table.len() + usize::from(floods));
    let begun = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let result = runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(run(table, floods)));
    let (passed, ignored, failed) = result.unwrap_or_else(|error: anyhow::Error| {
        println!("\n{error:#}");
        (0, 0, 1)
    });
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {verdict}. {passed} passed; {failed} failed; {ignored} ignored; 0 measured; 0 filtered out; \
         finished in {:.2}s\n",
        begun.elapsed().as_secs_f64()
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(table: Vec<Attack>, floods: bool) -> anyhow::Result<(usize, usize, usize)> {
    process::many_streams()?;
    let daemon = Path::new(env!("CARGO_BIN_EXE_hostile-daemon"));
    let counts = Cell::new((0, 0, 0));
    let tell = |name: &str, outcome: &Outcome| {
        let (passed, ignored, failed) = counts.get();
        counts.set(match outcome {
            Outcome::Held => {
                println!("test {name} ... ok");
                (passed + 1, ignored, failed)
            }
            Outcome::LeftOut(why) => {
                println!("test {name} ... ignored, {why}");
                (passed, ignored + 1, failed)
            }
            Outcome::Failed(error) => {
                println!("test {name} ... FAILED\n    {error:#}");
                (passed, ignored, failed + 1)
            }
        });
    };
    let attacks = async |table: Vec<Attack>| {
        if table.is_empty() {
            return Ok(());
        }
        let pair = Pair::start(daemon)?;
        let target = Arc::new(pair.target()?);
        attack::run(&target, table, false, |row, outcome, _| tell(&row.name, outcome)).await;
        drop(target);
        pair.finish()
    };
    // Those that wait half a minute have a daemon of their own, which the others do not push around meanwhile.
    let (waiting, others): (Vec<_>, Vec<_>) =
        table.into_iter().partition(|row| matches!(row.kind, Kind::Patient | Kind::Slow));
    let at_once = async {
        attacks(others).await?;
        if floods {
            let paced = Flood::ALL.map(|flood| (flood, Some(flood.pace())));
            println!("{}", bounds::HEAD);
            let result = bounds::run(daemon, &paced, FLOOD, |cost| println!("{cost}")).await;
            tell("floods", &result.map_or_else(Outcome::Failed, |()| Outcome::Held));
        }
        anyhow::Ok(())
    };
    let (waited, done) = tokio::join!(attacks(waiting), at_once);
    waited.and(done)?;
    Ok(counts.get())
}
