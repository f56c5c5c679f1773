//! The table of attacks, and what runs it.

mod account;
mod claims;
mod dialled;
mod floods;
mod frames;
mod handshake;
mod lanes;
mod local;
mod rooms;
mod slow;
mod text;
mod unproven;

pub use floods::answer_times;
pub use local::nothing_executed;

use crate::target::Target;
use crate::way::Way;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// When an attack runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// By itself.
    Quick,
    /// Together with all others of its kind, because each waits for a deadline of the daemon of up to 30 s.
    Patient,
    /// As [`Kind::Patient`], with a deadline of a minute. Left out unless it is asked for.
    Slow,
}

type Run = Arc<dyn Fn(Arc<Target>) -> BoxFuture<'static, anyhow::Result<()>> + Send + Sync>;

/// One row of the table.
#[derive(Clone)]
pub struct Attack {
    /// What is done.
    pub name: String,
    /// What the daemon must do.
    pub expect: &'static str,
    /// When it runs.
    pub kind: Kind,
    /// Only on loopback: the daemon must dial us, or it would take too long over Tor.
    pub loopback: bool,
    run: Run,
}

fn row<F, Done>(kind: Kind, name: impl Into<String>, expect: &'static str, run: F) -> Attack
where
    F: Fn(Arc<Target>) -> Done + Send + Sync + 'static,
    Done: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    Attack { name: name.into(), expect, kind, loopback: false, run: Arc::new(move |target| run(target).boxed()) }
}

impl Attack {
    fn on_loopback(self) -> Self {
        Self { loopback: true, ..self }
    }
}

/// The whole table of what peers do.
#[must_use]
pub fn table() -> Vec<Attack> {
    let tables = [
        unproven::rows(),
        handshake::rows(),
        frames::rows(),
        lanes::rows(),
        text::rows(),
        claims::rows(),
        account::rows(),
        dialled::rows(),
        slow::rows(),
        floods::rows(),
        rooms::rows(),
    ];
    tables.into_iter().flatten().collect()
}

/// What programs that are no clients say to the control port. Its last row leaves traces.
#[must_use]
pub fn local() -> Vec<Attack> {
    local::rows()
}

/// How a row ended.
#[derive(Debug)]
pub enum Outcome {
    /// The daemon did what it must.
    Held,
    /// It did not.
    Failed(anyhow::Error),
    /// It cannot be tried here.
    LeftOut(&'static str),
}

/// Runs rows and reports each as it ends: those that wait first and together, then the others one by one. After each
/// of those an honest contact's message must arrive.
pub async fn run(
    target: &Arc<Target>,
    rows: Vec<Attack>,
    slow: bool,
    mut report: impl FnMut(&Attack, &Outcome, Duration),
) {
    let loopback = matches!(target.way, Way::Loopback(_));
    let (rows, left_out): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| loopback || !row.loopback);
    left_out.iter().for_each(|row| report(row, &Outcome::LeftOut("on loopback only"), Duration::ZERO));
    let (waiting, others): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|row| matches!(row.kind, Kind::Patient | Kind::Slow));
    let mut together = Vec::new();
    for row in waiting {
        if row.kind == Kind::Slow && !slow {
            report(&row, &Outcome::LeftOut("takes a minute: --slow"), Duration::ZERO);
            continue;
        }
        let (work, begun) = ((row.run)(target.clone()), Instant::now());
        together.push((row, tokio::spawn(async move { (work.await, begun.elapsed()) })));
    }
    for (row, task) in together {
        match task.await {
            Ok((result, took)) => report(&row, &outcome(result), took),
            Err(error) => report(&row, &Outcome::Failed(error.into()), Duration::ZERO),
        }
    }
    for row in others {
        let begun = Instant::now();
        let result = async {
            (row.run)(target.clone()).await?;
            target.unharmed().await
        };
        let result = outcome(result.await);
        report(&row, &result, begun.elapsed());
    }
}

fn outcome(result: anyhow::Result<()>) -> Outcome {
    match result {
        Ok(()) => Outcome::Held,
        Err(error) => Outcome::Failed(error),
    }
}
