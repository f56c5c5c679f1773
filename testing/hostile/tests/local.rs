//! The short form of the attacks on the local port. The long one: `cargo xtask hostile --local`.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use torchat_hostile::attack::{self, Outcome};
use torchat_hostile::local::loads::{self, Load, Sizes};
use torchat_hostile::local::{contacts, endurance, erasing, full, old, owner};
use torchat_hostile::victim::Pair;
use torchat_testkit::skipped::is_root;

fn daemon() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_hostile-daemon"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_browsers_say_executes_nothing() {
    let pair = Pair::start(daemon()).unwrap();
    let target = Arc::new(pair.target().unwrap());
    let (mut held, mut failed) = (0, Vec::new());
    attack::run(&target, attack::local(), true, |row, outcome, _| match outcome {
        Outcome::Held => held += 1,
        Outcome::Failed(error) => failed.push(format!("{}: {error:#}", row.name)),
        Outcome::LeftOut(why) => failed.push(format!("{}: {why}", row.name)),
    })
    .await;
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(held > 40, "{held}");
    drop(target);
    pair.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loads_on_the_port_leave_nothing_and_stop_nobody() {
    let sizes = Sizes {
        loads: vec![Load::Malformed(1_000), Load::Idle(200), Load::Crawling(200), Load::Deaf(200), Load::Knocking(150)],
        slice: Duration::from_millis(500),
        slices: 1,
        history: 600,
    };
    println!("{}", loads::HEAD);
    loads::run(daemon(), &sizes, |cost| println!("{cost}")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_of_erase_and_retain_stop_nobody_and_erase_nothing_that_waits() {
    let sizes = erasing::Sizes { waiting: 300, history: 50, slice: Duration::from_millis(700) };
    erasing::run(daemon(), sizes, |cost| println!("{cost}")).await.unwrap();
}

#[test]
fn other_users_of_the_machine_run_nothing_and_keep_nobody_waiting() {
    if !is_root("other_users_of_the_machine_run_nothing_and_keep_nobody_waiting") {
        return;
    }
    let setup = owner::Setup {
        daemon: daemon(),
        stranger: Path::new(env!("CARGO_BIN_EXE_hostile-stranger")),
        slice: Duration::from_millis(500),
        slices: 2,
        tries: 2,
        // Other tests run beside this one; the long form asserts 1.1.
        ratio: 5.0,
    };
    owner::run(&setup, |name, result| println!("{name}: {result:?}")).unwrap();
}

#[test]
fn what_is_no_message_of_an_old_program_is_not_kept() {
    old::run(daemon(), |name| println!("{name}")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_without_descriptors_serves_on_and_recovers() {
    println!("{}", loads::exhaust(daemon(), 80, 200, Duration::from_millis(500)).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_requests_and_messages_leave_nothing() {
    println!("{}", endurance::run(daemon(), 50_000, 2_000).await.unwrap());
}

#[test]
fn two_thousand_contacts_are_listed_page_by_page_and_cost_nobody_much() {
    println!("{}", contacts::run(daemon(), 2_000).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_that_fills_the_store_can_be_removed_and_blocked() {
    println!("{}", full::run(daemon()).await.unwrap());
}
