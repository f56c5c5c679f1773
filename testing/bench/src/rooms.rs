//! Rooms beside what they are like: a text in a room beside a message to a contact, a room's link beside a contact's, and the
//! catching up of a member beside a raw stream of the same bytes. Meshes of at most eight members; nothing here has a host.

mod cast;
mod catchup;
mod delivery;
mod idle;
mod lock;
mod memory;
mod pages;
mod party;
mod send;
#[cfg(feature = "tor")]
mod tor;
mod turns;
mod wire;

use crate::Setup;
use crate::report::{Aim, Report, Row};
use crate::stats::{Summary, median};
use clap::{Args, ValueEnum};

#[derive(Args)]
pub(crate) struct Rooms {
    /// Only these parts, in this order
    #[arg(long, value_enum, value_delimiter = ',', num_args = 1..)]
    only: Vec<What>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// A text to its delivery, between two daemons on loopback.
    Delivery,
    /// A member that was away catches up: on loopback, and over a slow line.
    Catchup,
    /// Durable SEND with 50 connections.
    Send,
    /// The last 100 texts of a room, and bytes on disk.
    Pages,
    /// How long the node is locked while 500 texts a second arrive.
    Lock,
    /// Memory of links.
    Memory,
    /// Traffic of idle links.
    Idle,
    /// A turn of the core with 1, 10 and 40 rooms.
    Turns,
    /// Delivery and catching up over a private Tor network; only if it is named.
    #[cfg(feature = "tor")]
    Tor,
}

pub(crate) fn run(setup: &Setup<'_>, rooms: &Rooms, report: &mut Report) -> anyhow::Result<()> {
    use What::{Catchup, Delivery, Idle, Lock, Memory, Pages, Send, Turns};
    let all = [Delivery, Catchup, Send, Pages, Lock, Memory, Idle, Turns];
    let parts = if rooms.only.is_empty() { &all[..] } else { &rooms.only };
    let mut failed = Ok(());
    for part in parts {
        let done = match part {
            Delivery => delivery::run(setup, report),
            Catchup => catchup::run(setup, report),
            Send => send::run(setup, report),
            Pages => pages::run(setup, report),
            Lock => lock::run(setup, report),
            Memory => memory::run(setup, report),
            Idle => idle::run(report),
            Turns => turns::run(setup, report),
            #[cfg(feature = "tor")]
            What::Tor => tor::run(setup, report),
        };
        // The other parts are worth their figures all the same.
        if let Err(error) = done {
            report.note(format!("A part failed: {error:#}"));
            failed = Err(error);
        }
    }
    failed
}

/// Does something for both sides in turn, the first of them alternating, so that a trend of the machine favours neither.
fn alternately<T>(count: u32, mut one: impl FnMut(usize) -> anyhow::Result<T>) -> anyhow::Result<Vec<[T; 2]>> {
    (0..count)
        .map(|n| {
            if n % 2 == 0 {
                let ours = one(0)?;
                Ok([ours, one(1)?])
            } else {
                let reference = one(1)?;
                Ok([one(0)?, reference])
            }
        })
        .collect()
}

/// A row of pairs: ours and the reference's.
fn pair_row(report: &mut Report, what: &str, unit: &str, pairs: &[[f64; 2]], aim: Aim) {
    let side = |side: usize| format!("{:.2} {unit}", median(pairs.iter().map(|pair| pair[side])));
    let judged = Summary::of(pairs.iter().map(|[ours, reference]| ours / reference));
    report.add(Row { what: what.to_owned(), ours: side(0), reference: side(1), judged, aim });
}
