//! Members that sign two histories, many times.

use super::*;

fn forks_said(effects: &[Effect]) -> usize {
    said(effects).into_iter().filter(|frame| matches!(frame, Frame::Fork(_))).count()
}

/// Somebody forks each of its chains. That costs every channel a frame for each, until it is removed.
#[test]
fn whoever_was_removed_costs_no_channel_the_proofs_of_its_forks() {
    let mut honest = Honest::new(Policy::default());
    for chain in 0..=255 {
        let place = Place { author: number(4).chain(chain), seq: 1 };
        let [one, other] = [1, 2].map(|n| honest.event(4, place, honest.room.as_event(), &text(n, "two")));
        let (one, other) = if one.header().to_wire() < other.header().to_wire() { (one, other) } else { (other, one) };
        honest.hear(Frame::Fork(Box::new((one.stripped(), other.stripped()))));
    }
    let open = |honest: &mut Honest, n: u64| {
        let effects =
            honest.turn(|replica, ctx| replica.open(ctx, ChannelId(n), Identity([3; 32]), Some(number(3)), None));
        forks_said(&effects)
    };
    assert_eq!(open(&mut honest, 2), 256);
    let cut = vec![Cut { no: number(4), keep: Keep::NOTHING, why: CutReason::Removed }];
    let act = honest.next_act(&Body::Roster(Roster { cut, ..Roster::default() }));
    honest.hear_events(&[(*act).clone()]);
    assert_eq!(open(&mut honest, 3), 0);
}

/// If somebody was cut behind where the fork is, the proof still decides.
#[test]
fn a_fork_before_what_a_cut_keeps_is_told() {
    let mut honest = Honest::new(Policy::default());
    let events = honest.chain_of(4, chain(4), (0..5).map(|n| text(n, "long")));
    honest.hear_events(&events);
    let keep: Keep = [(0, 5)].into_iter().collect();
    let cut = vec![Cut { no: number(4), keep, why: CutReason::Removed }];
    let act = honest.next_act(&Body::Roster(Roster { cut, ..Roster::default() }));
    honest.hear_events(&[(*act).clone()]);
    let rival = honest.event(4, Place { author: chain(4), seq: 3 }, events[1].id(), &text(9, "rival"));
    honest.hear(Frame::Fork(Box::new((events[2].stripped(), rival.stripped()))));
    let effects = honest.turn(|replica, ctx| replica.open(ctx, ChannelId(2), Identity([3; 32]), Some(number(3)), None));
    assert_eq!(forks_said(&effects), 1);
}
