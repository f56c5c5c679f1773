//! The short forms. The long ones: `cargo xtask faults kill|consumers|syncs|errors|powercut`.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use torchat_faults::powercut::Disks;
use torchat_faults::script::Part;
use torchat_faults::{consumers, errors, kill, migration, powercut, rooms, syncs};

fn daemon() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_faults-daemon"))
}

#[test]
fn sixty_kills_under_load_lose_nothing() {
    let seed = rand::random();
    let report = kill::run(daemon(), 60, seed).unwrap_or_else(|error| panic!("seed {seed}: {error:#}"));
    println!("{report}");
    assert!(report.crossed_under_fire > 0, "messages crossed between the kills: {report}");
    assert!(report.taken > 0 && report.slowest_start.as_secs() < 5, "{report}");
}

#[test]
fn killed_consumers_of_killed_daemons_get_everything_once() {
    let seed = rand::random();
    let programs = consumers::Programs {
        daemon: daemon().to_owned(),
        consumer: Path::new(env!("CARGO_BIN_EXE_faults-consumer")).to_owned(),
    };
    let report = consumers::run(&programs, 500, seed).unwrap_or_else(|error| panic!("seed {seed}: {error:#}"));
    println!("{report}");
    assert_eq!(report.diaries.len(), 5);
    let kills = report.consumer_kills + report.daemon_kills + report.both + report.sender_kills;
    assert!(kills >= 5, "{report}");
}

#[test]
fn a_kill_at_every_sync_loses_nothing() {
    let report = syncs::run(daemon(), 2, &[None]).unwrap_or_else(|error| panic!("{error:#}"));
    println!("{report}");
    assert!(report.new_store >= 5 && report.kills > report.new_store + 3, "{report}");
}

#[test]
fn failing_writes_and_syncs_are_never_acknowledged() {
    let report = errors::run(daemon(), &errors::faults(&[2, 9], &[None])).unwrap_or_else(|error| panic!("{error:#}"));
    println!("{report}");
    assert!(report.refused_starts > 0, "{report}");
}

#[test]
fn power_cuts_lose_nothing_that_was_acknowledged() {
    let seed = rand::random();
    let report = powercut::run(daemon(), Disks::Honest, 25, 100, 25, seed);
    println!("{}", report.unwrap_or_else(|error| panic!("seed {seed}: {error:#}")));
}

#[test]
fn a_disk_that_lies_about_syncs_is_found_out() {
    let error = powercut::run(daemon(), Disks::Lying, 10, 40, 41, 1).unwrap_err();
    let error = format!("{error:#}");
    // Which of the two comes first is the recording's chance.
    assert!(error.contains("lost") || error.contains("does not open"), "the wrong thing was found: {error}");
}

#[test]
fn forty_kills_in_a_room_lose_nothing_and_undo_nothing() {
    let seed = rand::random();
    let report = rooms::kill::run(daemon(), 40, seed).unwrap_or_else(|error| panic!("seed {seed}: {error:#}"));
    println!("{report}");
    assert!(report.crossed_under_fire > 0 && report.waited > 0 && report.decided > 0, "{report}");
}

#[test]
fn a_kill_at_every_sync_of_a_member_of_a_room_loses_nothing() {
    let report = syncs::run(daemon(), 1, &[Some(Part::Owner)]).unwrap_or_else(|error| panic!("{error:#}"));
    println!("{report}");
    assert!(report.new_store >= 5 && report.decided > 0, "{report}");
}

#[test]
fn failing_writes_and_syncs_are_never_acknowledged_in_a_room() {
    let faults = errors::faults(&[12], &[Some(Part::Owner)]);
    let report = errors::run(daemon(), &faults).unwrap_or_else(|error| panic!("{error:#}"));
    println!("{report}");
    assert!(report.decided > 0, "{report}");
}

#[test]
fn power_cuts_of_a_room_lose_and_undo_nothing() {
    let seed = rand::random();
    let report = rooms::powercut::run(daemon(), Disks::Honest, 8, 30, 15, seed);
    println!("{}", report.unwrap_or_else(|error| panic!("seed {seed}: {error:#}")));
}

#[test]
fn a_disk_that_lies_about_syncs_is_found_out_in_a_room() {
    let error = rooms::powercut::run(daemon(), Disks::Lying, 8, 40, 41, 1).unwrap_err();
    let error = format!("{error:#}");
    let found = ["lost", "does not open", "forgotten", "nobody has", "must be"];
    assert!(found.iter().any(|word| error.contains(word)), "the wrong thing was found: {error}");
}

#[test]
fn the_same_cuts_find_what_a_weaker_setting_loses() {
    let rows = |setting| powercut::rows(Path::new(env!("CARGO_BIN_EXE_faults")), setting, 100, 60, 1).unwrap();
    assert_eq!(rows("full").lost, 0);
    let normal = rows("normal");
    assert!(normal.with_losses > 20, "a checker that finds nothing here would find nothing anywhere: {normal:?}");
}

#[test]
fn a_power_cut_or_a_kill_at_any_write_of_the_first_start_stops_no_other() {
    let seed = rand::random();
    let report = migration::first_start(Path::new(env!("CARGO_BIN_EXE_faults")), 3, seed);
    println!("{}", report.unwrap_or_else(|error| panic!("seed {seed}: {error:#}")));
}

#[test]
fn a_power_cut_or_a_kill_at_any_write_of_a_new_version_loses_nothing() {
    let seed = rand::random();
    for version in [9, 10, 11, 12, 13, 14] {
        let (store, _) = torchat_harness::stores::fixture(version).unwrap();
        let report = migration::run(Path::new(env!("CARGO_BIN_EXE_faults")), &store, 1, seed);
        let report = report.unwrap_or_else(|error| panic!("version {version}, seed {seed}: {error:#}"));
        println!("{report}");
        assert!(report.rows > 500 && report.with_copy < report.images, "{report}");
        assert_eq!(report.with_copy > 0, version < 14, "only what changes is copied: {report}");
    }
}
