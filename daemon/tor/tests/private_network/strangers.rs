//! What a caller may open on one circuit without proving who it is.

use super::{Echo, Group, Isolation, LIMIT, PORT, converse, exchange, tornet};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use torchat_transport::BoxStream;

/// Nobody speaks on it any more.
async fn is_over(stream: &mut BoxStream) {
    let end = tokio::time::timeout(LIMIT, stream.read(&mut [0; 1])).await.expect("the stream is left open");
    assert!(!matches!(end, Ok(1..)), "the stream is served");
}

/// The echoes here prove nothing, as a stranger's silent streams do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_circuit_brings_four_streams_that_prove_nothing_and_no_fifth() {
    let tornet = tornet().await;
    let service = Echo::start(&tornet, 11, PORT).await;
    let stranger = Echo::start(&tornet, 12, PORT).await;
    let friend = Echo::start(&tornet, 13, PORT).await;
    let mut kept = friend.reach(service.peer).await;
    let mut held = vec![stranger.reach(service.peer).await];
    for _ in 1..4 {
        let next = stranger.dial(service.peer, Isolation::Last(Group::CHAT)).await;
        held.push(next.unwrap_or_else(|error| panic!("one of the four is refused: {error}")));
    }
    for (n, stream) in (0..).zip(&mut held) {
        exchange(stream, &[n; 50]).await;
    }
    match stranger.dial(service.peer, Isolation::Last(Group::CHAT)).await {
        Err(error) => println!("the fifth: {error}"),
        // The word of the circuit's end may be behind the one that it is open.
        Ok(mut fifth) => {
            let _ = fifth.write_all(b"a fifth").await;
            let _ = fifth.flush().await;
            is_over(&mut fifth).await;
        }
    }
    for stream in &mut held {
        is_over(stream).await;
    }
    // Others have circuits of their own, and a new one costs an introduction, which is limited.
    exchange(&mut kept, b"still here").await;
    converse(stranger.reach(service.peer).await, b"on a new circuit").await;
}
