//! What contacts claim of us is told as what they claim.

use super::*;
use crate::input::{ContactInput, LinkInput};
use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::scalar::Scalar;

/// The n-th contact beside the bench's own.
fn contact(bench: &mut Bench, n: u8) -> PeerId {
    let point = ED25519_BASEPOINT_POINT * Scalar::from(u64::from(n) + 2);
    let peer = PeerId::from_key(point.compress().0).unwrap();
    bench.turn([Input::Contacts(ContactInput::Change {
        request: 9,
        peer,
        change: ContactChange::Add(Intro::default()),
    })]);
    peer
}

/// It comes with a link of its own and says that it has met somebody else who is us, or a newer copy.
fn claim(bench: &mut Bench, link: u64, peer: PeerId, superseded: bool) -> Vec<Notice> {
    bench.turn([came(link, peer, 1)]);
    let turn = if superseded {
        let bye = Bye { why: ByeReason::Superseded };
        bench.turn([Input::Link(LinkInput::Message { link: LinkId(link), message: PeerMessage::Bye(bye) })])
    } else {
        bench.hello(link, None, Some(200))
    };
    bench.turn([gone(link)]);
    notices(&turn)
}

#[test]
fn several_contacts_that_claim_the_same_are_told_as_several() {
    for superseded in [false, true] {
        let mut bench = Bench::new(|_, _| {});
        for n in 1..=3 {
            let peer = contact(&mut bench, n);
            let say = usize::from(n);
            let expected = if superseded { Notice::Superseded { peer, say } } else { Notice::OtherCopy { peer, say } };
            assert_eq!(claim(&mut bench, n.into(), peer, superseded), [expected]);
            assert_eq!(claim(&mut bench, n.into(), peer, superseded), [], "said once");
        }
        // The other claim is counted by itself.
        let peer = bench.peer;
        let [found] = claim(&mut bench, 9, peer, !superseded)[..] else { panic!("no notice") };
        assert!(matches!(found, Notice::OtherCopy { say: 1, .. } | Notice::Superseded { say: 1, .. }), "{found:?}");
    }
}

#[test]
fn a_contact_that_claims_the_same_for_days_takes_one_place() {
    let mut bench = Bench::new(|_, _| {});
    let honest = contact(&mut bench, 1);
    claim(&mut bench, 1, honest, false);
    let liar = contact(&mut bench, 2);
    for _ in 0..100 {
        bench.pass(11 * MINUTE);
        assert_eq!(claim(&mut bench, 2, liar, true), [Notice::Superseded { peer: liar, say: 1 }]);
        assert_eq!(claim(&mut bench, 2, liar, false), [Notice::OtherCopy { peer: liar, say: 2 }]);
    }
    let kept: Vec<_> = bench.node.status(bench.now.mono_ms).notices.iter().map(|n| n.notice.peer()).collect();
    assert_eq!(kept, [Some(honest), Some(liar), Some(liar)]);
}

#[test]
fn a_strangers_claims_are_not_even_told() {
    let mut bench = Bench::new(|row, _| row.contact = false);
    let peer = bench.peer;
    for superseded in [false, true] {
        assert_eq!(claim(&mut bench, 1, peer, superseded), []);
    }
}
