//! Every target by proptest, which shrinks what fails; and by the mutations of the long run, for a moment.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use torchat_fuzz::long::{self, Amount};
use torchat_fuzz::{ACCEPTED, Class, Seen, TARGETS, Target, corpus, generate};

/// Few enough for a development build, where a handshake takes milliseconds.
fn cases(target: &Target) -> u32 {
    match target.class {
        Class::Parser => 400,
        Class::Stateful => 60,
        Class::Handshake => 60,
    }
}

/// Random bytes, files of the corpus, and both with some bytes changed, left out, or put in.
fn inputs(target: &Target) -> BoxedStrategy<Vec<u8>> {
    let files: Vec<_> = corpus::files(target).unwrap().into_iter().map(|(_, bytes)| bytes).collect();
    let words: Vec<_> = target.words.iter().map(|word| word.as_bytes().to_vec()).chain([vec![0]]).collect();
    let longest = target.longest;
    let base = prop_oneof![
        1 => proptest::collection::vec(any::<u8>(), 0..longest.min(200)),
        3 => proptest::sample::select(files),
    ];
    let piece = prop_oneof![proptest::collection::vec(any::<u8>(), 0..4), proptest::sample::select(words),];
    let change = (any::<proptest::sample::Index>(), 0usize..4, piece);
    (base, proptest::collection::vec(change, 0..5))
        .prop_map(move |(mut bytes, changes)| {
            for (at, gone, piece) in changes {
                let at = at.index(bytes.len() + 1);
                let end = bytes.len().min(at + gone);
                bytes.splice(at..end, piece);
            }
            bytes.truncate(longest);
            bytes
        })
        .boxed()
}

fn check(class: Class) {
    for target in TARGETS.iter().filter(|target| target.class == class) {
        let config = Config { cases: cases(target), failure_persistence: None, ..Config::default() };
        let result = TestRunner::new(config).run(&inputs(target), |bytes| {
            (target.run)(&bytes);
            Ok(())
        });
        if let Err(error) = result {
            panic!("{}: {error}", target.name);
        }
    }
}

#[test]
fn parsers_keep_their_promises() {
    check(Class::Parser);
}

#[test]
fn handshakes_keep_their_promises() {
    check(Class::Handshake);
}

#[test]
fn two_peers_keep_their_promises() {
    check(Class::Stateful);
}

#[test]
fn a_seed_gives_the_same_inputs_and_others_give_others() {
    for target in TARGETS {
        let files: Vec<_> = corpus::files(target).unwrap().into_iter().map(|(_, bytes)| bytes).collect();
        let of = |seed| (0..200).map(|index| generate::input(target, &files, seed, index)).collect::<Vec<_>>();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert!(of(3).iter().all(|input| input.len() <= target.longest));
    }
}

#[test]
fn the_long_run_counts_what_fails() {
    let outcome = long::run(Class::Parser, Amount::Cases(3_000), 1, 2).unwrap();
    assert_eq!((outcome.panics, outcome.accepted), (0, 0), "{:?}", outcome.failures);
    // Each of the two threads may have begun one more.
    assert!((3_000..=3_001).contains(&outcome.cases()));
    assert!(outcome.tallies.iter().all(|tally| tally.cases > 0));
    let broken =
        Target { name: "broken", class: Class::Parser, run: |_| panic!("{ACCEPTED}anybody"), words: &[], longest: 1 };
    assert!(long::run_one(&broken, b"x").is_err());
    let fine = Target { run: |bytes| if bytes.is_empty() { Seen::Refused } else { Seen::Taken }, ..broken };
    assert_eq!(long::run_one(&fine, b"x"), Ok(Seen::Taken));
}
