//! A second client for dialling, while the service lives on in the first.

use super::{BYE, Echo, LIMIT, PORT, converse, exchange, resident_mib, tornet};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use torchat_transport::{Group, Isolation};

/// Renewals in a row.
const RENEWALS: usize = 4;

/// The numbers of the copies of the state, and so of the clients that dial or still have dials under way.
fn copies(dir: &Path) -> Vec<usize> {
    let mut numbers: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_prefix("state.dialling-")?.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers
}

async fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

impl Echo {
    fn copies(&self) -> Vec<usize> {
        copies(self._dir.path())
    }

    /// Renews, and returns when that is over.
    async fn renew(&self) {
        let runs = "a new Tor client for dialling is being started";
        let mut status = self.transport.status();
        self.transport.renew();
        // Nothing happens: one runs.
        self.transport.renew();
        for want in [true, false] {
            let changed = status.wait_for(|status| status.sentence.ends_with(runs) == want);
            let status = tokio::time::timeout(LIMIT, changed).await.unwrap().unwrap().clone();
            assert!(status.usable && status.percent == 100, "dials go on: {status:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dials_go_by_a_new_client_and_the_service_stays() {
    let tornet = tornet().await;
    let other = Echo::start(&tornet, 9, PORT).await;
    let daemon = Echo::start(&tornet, 10, PORT).await;
    let tasks = || Handle::current().metrics().num_alive_tasks();
    // By the first client, in both directions; both streams live through all that follows.
    let mut out = daemon.reach(other.peer).await;
    let mut within = other.reach(daemon.peer).await;
    let mut streams = Vec::new();
    assert_eq!(daemon.copies(), [0; 0]);
    for number in 1..=RENEWALS {
        let begun = Instant::now();
        daemon.renew().await;
        println!("renewal {number}: {} ms, {} tasks, {} MiB", begun.elapsed().as_millis(), tasks(), resident_mib());
        // The client before is gone, although streams that it opened are alive.
        wait_until("the last client is gone", || daemon.copies() == [number]).await;
        let begun = Instant::now();
        let stream = daemon.dial(other.peer, Isolation::Last(Group::CHAT)).await;
        println!("first dial by client {number}: {} ms", begun.elapsed().as_millis());
        let mut stream = stream.unwrap_or_else(|error| panic!("by client {number}: {error}"));
        exchange(&mut stream, b"by the new client").await;
        if number <= 2 {
            streams.push(stream);
        } else {
            exchange(&mut stream, BYE).await;
        }
        exchange(&mut out, b"by the first client").await;
        exchange(&mut within, b"to the service").await;
        for stream in &mut streams {
            exchange(stream, b"by a client that was replaced").await;
        }
        converse(other.reach(daemon.peer).await, b"the service is reachable on new circuits").await;
    }
    println!("{} tasks after {RENEWALS} renewals; {} MiB", tasks(), resident_mib());
}
