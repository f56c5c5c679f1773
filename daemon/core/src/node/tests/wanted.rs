//! Dials to peers that do not want us, that drop us, and that drag their handshakes.
use super::*;
use crate::effect::NetworkEffect;
use crate::input::{ContactInput, LinkInput, NetworkInput};
use torchat_protocol::purpose::Purpose;

fn owing() -> Bench {
    let mut bench = Bench::new(|_, _| {});
    bench.turn([text_for(1, bench.peer, "x")]);
    bench
}

/// How long the next dial takes to come.
fn until_dial(bench: &mut Bench, limit: u64) -> Option<u64> {
    let begun = bench.now.mono_ms;
    while bench.now.mono_ms - begun < limit {
        if bench.pass(100).iter().any(|e| matches!(e, Effect::Network(NetworkEffect::Dial { .. }))) {
            return Some(bench.now.mono_ms - begun);
        }
    }
    None
}

/// The peer is dialled, takes the link, says so much and ends it.
fn visit(bench: &mut Bench, link: u64, lived: u64, why: Option<ByeReason>) {
    let (peer, binding) = (bench.peer, [0; 32]);
    bench.turn([Input::Link(LinkInput::Up { link: LinkId(link), peer, outgoing: true, binding, epoch: 1 })]);
    bench.hello(link, None, None);
    bench.pass(lived);
    if let Some(why) = why {
        bench.turn([Input::Link(LinkInput::Message { link: LinkId(link), message: PeerMessage::Bye(Bye { why }) })]);
    }
    bench.turn([gone(link)]);
}

#[test]
fn after_full_limit_and_superseded_the_next_dial_comes_later_than_after_a_loss() {
    for lived in [0, 10 * MINUTE] {
        let after = |why| {
            let mut bench = owing();
            until_dial(&mut bench, MINUTE).unwrap();
            visit(&mut bench, 1, lived, why);
            until_dial(&mut bench, HOUR).unwrap()
        };
        assert!(after(None) <= 3_200, "a loss");
        for why in [ByeReason::Full, ByeReason::Limit, ByeReason::Superseded] {
            let pause = after(Some(why));
            assert!((MINUTE..=2 * MINUTE).contains(&pause), "{why:?} after {lived}: {pause}");
        }
    }
    // What is urgent waits as well; unless the peer comes by itself.
    let mut bench = owing();
    until_dial(&mut bench, MINUTE).unwrap();
    visit(&mut bench, 1, 0, Some(ByeReason::Full));
    bench.pass(20 * SECOND);
    let send = |peer| text_for(2, peer, "y");
    let peer = bench.peer;
    bench.turn([send(peer)]);
    assert_eq!(until_dial(&mut bench, 39 * SECOND), None);
    bench.link(2, 1);
    bench.turn([gone(2)]);
    assert!(until_dial(&mut bench, MINUTE).is_some());
}

#[test]
fn a_contact_that_takes_links_and_drops_them_is_dialled_ever_less() {
    for why in [None, Some(ByeReason::Full), Some(ByeReason::Protocol)] {
        let mut bench = owing();
        let begun = bench.now.mono_ms;
        let mut at = Vec::new();
        for link in 1.. {
            if until_dial(&mut bench, HOUR).is_none() || bench.now.mono_ms - begun > 2 * HOUR {
                break;
            }
            at.push(bench.now.mono_ms - begun);
            visit(&mut bench, link, 0, why);
        }
        let in_time = |from: u64, to: u64| at.iter().filter(|at| (from..to).contains(*at)).count();
        assert!(in_time(0, MINUTE) <= 7, "{why:?}: {at:?}");
        // A minute and a half at most, because it was heard of a moment ago.
        assert!((40..=56).contains(&in_time(HOUR, 2 * HOUR)), "{why:?}: {at:?}");
    }
}

/// Peers from small seeds.
fn peers(count: u8) -> Vec<PeerId> {
    (0..count)
        .map(|n| {
            let scalar = curve25519_dalek::Scalar::from(u64::from(n) + 2);
            let point = curve25519_dalek::constants::ED25519_BASEPOINT_POINT * scalar;
            PeerId::from_key(point.compress().0).unwrap()
        })
        .collect()
}

#[test]
fn contacts_that_drag_their_handshakes_do_not_hold_the_places_for_dials() {
    // As long as the dialler lets them: 25 s for the stream and 20 s for each of two flights.
    const DRAG: u64 = 65 * SECOND;
    let everyone = peers(17);
    let (honest, hostile) = everyone.split_last().unwrap();
    let row = Bench::new(|_, _| {}).remembered();
    assert_eq!(row, 1);
    let mut bench = Bench::new(|_, _| {});
    let mut request = 0;
    let mut send = |peer: PeerId| {
        request += 1;
        text_for(request, peer, "x")
    };
    let add = |peer| {
        Input::Contacts(ContactInput::Change { request: 0, peer, change: ContactChange::Add(Default::default()) })
    };
    for peer in &everyone {
        bench.turn([add(*peer)]);
    }
    for peer in hostile {
        bench.turn([send(*peer)]);
    }
    // When each dial that runs will end.
    let mut running: BTreeMap<PeerId, u64> = BTreeMap::new();
    let mut waits = Vec::new();
    let mut wanted_since = None;
    let begun = bench.now.mono_ms;
    while bench.now.mono_ms - begun < 3 * HOUR {
        let now = bench.now.mono_ms;
        // Every five minutes somebody writes to the honest contact, which is not there at the moment and says so.
        let mut inputs = Vec::new();
        if wanted_since.is_none() && now - begun >= 5 * MINUTE * (waits.len() as u64 + 1) {
            wanted_since = Some(now);
            inputs.push(send(*honest));
        }
        let ended: Vec<_> = running.iter().filter(|(_, at)| **at <= now).map(|(peer, _)| *peer).collect();
        for peer in ended {
            running.remove(&peer);
            let failure =
                if peer == *honest { DialFailure::PeerDown } else { DialFailure::Handshake(EndedBy::Network) };
            inputs.push(Input::Network(NetworkInput::DialFailed { peer, purpose: Purpose::CHAT, end: failure.into() }));
        }
        let mut effects = bench.turn(inputs).effects;
        effects.extend(bench.pass(500));
        for effect in effects {
            let Effect::Network(NetworkEffect::Dial { peer, .. }) = effect else { continue };
            let lasts = if peer == *honest { 2 * SECOND } else { DRAG };
            running.insert(peer, bench.now.mono_ms + lasts);
            if peer == *honest
                && let Some(since) = wanted_since.take()
            {
                waits.push(bench.now.mono_ms - since);
            }
        }
        assert!(running.len() <= 8);
    }
    waits.sort_unstable();
    let (median, longest) = (waits[waits.len() / 2], waits[waits.len() - 1]);
    println!("{} waits: median {median} ms, longest {longest} ms", waits.len());
    assert!(waits.len() > 20 && longest <= DRAG && median <= 15 * SECOND, "{waits:?}");
}
