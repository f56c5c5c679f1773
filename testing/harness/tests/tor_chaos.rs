//! A short chaos with real `torchatd` processes on a private Tor network: `cargo xtask test` starts the network and says
//! where it is. `cargo xtask chaos` is the long one.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use torchat_harness::chaos::{Chaos, Plan, Scenario, Until};
use torchat_testkit::daemon::Daemon;
use torchat_tornet::Network;

/// The same plan in every run, because this test is about what must always hold; the long chaos takes other seeds.
const SEED: u64 = 3;

#[test]
fn nothing_is_lost_while_relays_daemons_and_the_network_fail() {
    let wanted = |name: &str| {
        PathBuf::from(std::env::var_os(name).expect("this test needs a private Tor network: run `cargo xtask test`"))
    };
    let (config, torchatd) = (wanted("TORCHAT_TORNET"), wanted("TORCHATD"));
    let network = Network::open(config.parent().unwrap()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let daemons = ["a", "b"].map(|name| Daemon::on_tor(&torchatd, dir.path(), name, &config));
    println!("seed {SEED}");
    let (mut chaos, first) = Chaos::start(&network, daemons, Plan::short(SEED)).unwrap();
    println!("both talk {:.1} s after their start", first.as_secs_f64());
    // In the order of `Scenario::ALL`, which has its reason.
    for (scenario, faults) in Scenario::ALL.into_iter().zip([1, 2, 1, 3]) {
        let outcome = chaos.run(scenario, Until::Faults(faults)).unwrap();
        println!("{outcome}");
        assert_eq!(outcome.faults.len(), faults);
        // The times are printed and not judged; that mail flows at all within minutes is.
        assert_eq!(outcome.never(), 0, "{outcome}");
        assert!(outcome.messages > 0);
    }
    chaos.stop().unwrap();
}
