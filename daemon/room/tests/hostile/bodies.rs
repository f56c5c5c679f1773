//! Bodies that are missing, asked for, or come late.
use super::*;

#[test]
fn a_body_that_comes_late_is_taken_wherever_its_event_is() {
    let mut honest = Honest::new(Policy::default());
    let one = honest.chain_of(4, chain(4), [text(1, "x")]);
    honest.hear_events(&[one[0].stripped()]);
    // So many that it is not in memory any more.
    honest.hear_events(&honest.chain_of(3, chain(3), (0..300).map(|n| text(n, "y"))));
    assert_eq!(honest.texts(), 300);
    honest.hear_events(&one);
    assert_eq!(honest.texts(), 301);
    let mut honest = Honest::told(Policy::default(), false);
    let early = honest.chain_of(3, chain(3), [mute(4), text(2, "b"), text(3, "c")]);
    honest.hear(Frame::Base(vec![early[2].stripped()]));
    honest.hear_events(&[early[0].stripped()]);
    honest.hear_events(&early[..1]);
    assert_eq!(honest.replica.standing(Place { author: chain(4), seq: 1 }), Standing::Hidden(Role::Member));
}

#[test]
fn questions_for_bodies_are_paced_by_the_credit_and_the_minute() {
    let mut honest = Honest::new(Policy::default());
    let big = "x".repeat(16_000);
    for one in honest.chain_of(4, chain(4), (0..400).map(|n| text(n, &big))) {
        honest.hear_events(&[one]);
    }
    let ask = |honest: &mut Honest| {
        let effects = honest.hear(Frame::Body((1..=400).map(|seq| (chain(4), seq)).collect()));
        events_said(&effects).iter().map(|event| Frame::event_len(event)).sum::<usize>()
    };
    let first = ask(&mut honest);
    assert!(first > 200_000 && first < 2 * 262_144, "{first}");
    assert_eq!(ask(&mut honest), 0, "nothing more is granted");
    // Whoever grants more gets what it asked for, and no more in this minute.
    let mut events = 0;
    for _ in 0..40 {
        events += events_said(&honest.hear(Frame::Credit(262_144))).len();
    }
    assert!(events < 256, "{events}");
    honest.now_ms += 60_000;
    assert!(ask(&mut honest) > 0);
}

#[test]
fn a_text_is_asked_for_when_the_redact_that_took_it_away_counts_no_more() {
    let mut honest = Honest::new(Policy::default());
    let text_of_four = honest.chain_of(4, chain(4), [text(1, "x")]);
    let of = text_of_four[0].named();
    let redact = Body::Redact(torchat_protocol::room::body::said::Redact { of, why: None });
    honest.hear_events(&text_of_four);
    honest.hear_events(&honest.chain_of(3, chain(3), [redact]));
    honest.disk.drops = true;
    honest.disk.drop_redacted();
    assert_eq!(honest.texts(), 0);
    // The moderator has said something else in the place of the redact.
    let other = honest.chain_of(3, chain(3), [text(2, "y")]);
    let effects = honest.hear(Frame::Events(other));
    let asks = Frame::Body(vec![of.place.into()]);
    assert!(said(&effects).iter().any(|frame| **frame == asks), "{effects:?}");
}
