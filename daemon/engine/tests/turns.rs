//! Many clients at once on a store that becomes full under them: turns whose answers are given while the next one commits,
//! until one of those fails.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use torchat_core::handshake::LocalIdentity;
use torchat_engine::handle::{Page, Refusal};
use torchat_engine::store::{PageLimit, Reader};
use torchat_engine::{Ended, Engine, EngineConfig, Storage, World};
use torchat_protocol::control::api::event::{Filter, What};
use torchat_protocol::id::PeerId;
use torchat_transport::memory::{SimulatedNetwork, Weather};

const CLIENTS: usize = 50;

fn identity(n: u8) -> LocalIdentity {
    LocalIdentity::from_seeds(&[n + 100; 32], &[n; 32], 1_800_000_000).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_answered_is_stored_and_what_is_refused_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("torchat.db");
    let own = identity(1);
    let network = SimulatedNetwork::new(1, Weather::default()).attach(own.peer_id());
    let storage = Storage::File { path: path.clone(), max_bytes: Some(1 << 20) };
    let running = Engine::start(EngineConfig::default(), own, storage, network, World::system()).unwrap();
    let peers: Vec<PeerId> = (2..6).map(|n| identity(n).peer_id()).collect();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (handle, peer) = (running.handle.clone(), peers[client % peers.len()]);
            tokio::spawn(async move {
                let mut accepted = Vec::new();
                // Each message once, and the one that was refused is none.
                loop {
                    match handle.send(peer, format!("message {} of client {client}", accepted.len())).await {
                        Ok(mid) => accepted.push(mid),
                        Err(Refusal::Storage(_)) => return (accepted, peer),
                        Err(other) => panic!("{other}"),
                    }
                }
            })
        })
        .collect();
    let (mut accepted, mut order) = (BTreeSet::new(), Vec::new());
    for client in clients {
        let (mids, peer) = client.await.unwrap();
        accepted.extend(mids.iter().copied());
        order.push((peer, mids));
    }
    assert!(accepted.len() > CLIENTS, "{} messages", accepted.len());
    // Every message is told once, in an order without gaps.
    let log = running.handle.log();
    let (mut told, mut seq) = (Vec::new(), 0);
    while seq < log.last() {
        let batch = log.after(seq, 1_000, &Filter::default()).await.unwrap();
        for event in &batch.events {
            assert_eq!(event.seq, seq + 1);
            seq = event.seq;
            if let What::Queued { message } = &event.what {
                told.push(message.mid);
            }
        }
    }
    assert_eq!((told.len(), told.iter().copied().collect::<BTreeSet<_>>()), (accepted.len(), accepted.clone()));
    running.handle.stop();
    assert_eq!(running.join.await.unwrap(), Ok(Ended::Stopped));
    // And all of it, and nothing else, is on the disk, each client's in its order.
    let reader = Reader::of_file(path);
    let mut stored = Vec::new();
    for peer in &peers {
        let mut after = 0;
        let mut of_peer = Vec::new();
        loop {
            let (rows, more) = reader.page((*peer).into(), Page::After(after), PageLimit::rows(1_000)).unwrap();
            of_peer.extend(rows.iter().map(|row| row.mid));
            after = rows.last().map_or(after, |row| row.id);
            if !more {
                break;
            }
        }
        for (_, mids) in order.iter().filter(|(of, _)| of == peer) {
            let ours: BTreeSet<_> = mids.iter().collect();
            assert!(of_peer.iter().filter(|mid| ours.contains(mid)).eq(mids), "in the order of its client");
        }
        stored.extend(of_peer);
    }
    assert_eq!((stored.len(), stored.into_iter().collect::<BTreeSet<_>>()), (accepted.len(), accepted));
}
