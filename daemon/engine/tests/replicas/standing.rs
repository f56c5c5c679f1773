//! A long chain that counts as something else is written in steps, and the room says in the end what it would have said at once.

use crate::talk::{COUNTS, Story, no, text};
use torchat_core::op::RoomOp;
use torchat_core::snapshot::rooms::RoomState;
use torchat_engine::store::Applied;
use torchat_protocol::control::api::event::What;
use torchat_protocol::room::TextId;
use torchat_protocol::room::body::{Body, Role};
use torchat_room::standing::Standing;

/// Rows that a commit brings to what they count as.
const STEP: usize = 1_024;
const TEXTS: usize = 2 * STEP + 500;
const HIDDEN: Standing = Standing::Hidden(Role::Member);

/// A room in which a member has said much.
fn long_story() -> Story {
    let mut story = Story::new();
    let mut ops = Vec::new();
    for n in 0..TEXTS {
        let mut said = text(0, &format!("number {n}"));
        said.mid = TextId((n as u128).to_be_bytes());
        ops.extend(story.event(no(3).chain(0), &Body::Text(said), COUNTS).1);
    }
    story.replica(ops);
    story
}

/// Messages of which programs are told that they count as something else.
fn recounted(applied: &Applied) -> usize {
    let voided = applied.events.iter().map(|event| match &event.what {
        What::Voided { messages, .. } => messages.len(),
        _ => 0,
    });
    voided.sum()
}

/// The numbers of the texts that are shown.
fn shown(story: &Story) -> Vec<usize> {
    let rows = story.all(false).into_iter().filter_map(|row| row.text.strip_prefix("number ")?.parse().ok());
    rows.collect()
}

#[test]
fn a_mute_of_all_that_somebody_ever_said_is_written_in_steps_the_last_texts_first() {
    let mut story = long_story();
    let applied = story.stands(3, &[(1, HIDDEN)]);
    assert_eq!((recounted(&applied), applied.behind), (STEP, true));
    assert_eq!(shown(&story), (0..TEXTS - STEP).collect::<Vec<_>>());
    // What else is written is no step.
    let room = story.room;
    let applied = story.write([RoomOp::Alias { room, alias: Some("cats".into()) }]);
    assert_eq!((recounted(&applied), applied.behind), (0, true));
    story.restart();
    let applied = story.write([RoomOp::Restand]);
    assert_eq!((recounted(&applied), applied.behind), (STEP, true));
    let applied = story.write([RoomOp::Restand]);
    assert_eq!((recounted(&applied), applied.behind), (TEXTS - 2 * STEP, false));
    assert_eq!((shown(&story), story.unread()), (vec![], (0, 0)));
    let applied = story.write([RoomOp::Restand]);
    assert_eq!((recounted(&applied), applied.behind), (0, false), "nothing is left to be done");
}

#[test]
fn mutes_and_their_ends_in_turn_write_so_many_rows_each_and_no_more() {
    let mut story = long_story();
    for _ in 0..20 {
        assert_eq!(recounted(&story.stands(3, &[(1, HIDDEN)])), STEP);
        // What was not hidden yet is not shown again.
        let applied = story.stands(3, &[(1, COUNTS)]);
        assert_eq!((recounted(&applied), applied.behind), (STEP, true));
        assert_eq!(shown(&story).len(), TEXTS);
    }
    let applied = story.write([RoomOp::Restand]);
    assert_eq!((recounted(&applied), applied.behind), (0, false));
    assert_eq!(story.unread(), (TEXTS as u64, 0));
}

#[test]
fn all_mutes_of_one_commit_write_no_more_than_one() {
    let mut story = long_story();
    let author = no(3).chain(0);
    let spans = |standing| torchat_room::standing::Spans::new(vec![(1, standing)]);
    let ops = [HIDDEN, COUNTS, HIDDEN].map(|standing| torchat_room::outcome::Op::Spans(author, spans(standing)));
    let applied = story.replica(ops);
    assert_eq!((recounted(&applied), applied.behind), (STEP, true));
    while story.write([RoomOp::Restand]).behind {}
    assert_eq!((shown(&story), story.unread()), (vec![], (0, 0)));
}

#[test]
fn what_is_said_while_a_chain_is_behind_counts_as_it_should() {
    let mut story = long_story();
    story.stands(3, &[(1, HIDDEN), (TEXTS as u64 + 1, COUNTS)]);
    story.say(3, &Body::Text(text(1, "again")));
    assert!(story.all(false).iter().any(|row| row.text == "again"));
    // Another member's chain, meanwhile.
    story.say(1, &Body::Text(text(2, "owner")));
    assert!(recounted(&story.stands(1, &[(1, Standing::Void)])) > 0);
    while story.write([RoomOp::Restand]).behind {}
    let left: Vec<_> = story.shown_all().into_iter().filter(|text| !text.starts_with("number")).collect();
    assert_eq!((left, shown(&story)), (vec!["again".to_owned()], vec![]));
}

#[test]
fn the_texts_to_be_said_again_do_not_wait_for_the_rows() {
    let mut story = Story::new();
    let mut ops = Vec::new();
    for n in 0..TEXTS {
        let mut said = text(0, "own");
        said.mid = TextId((n as u128).to_be_bytes());
        ops.extend(story.event(no(2).chain(0), &Body::Text(said), COUNTS).1);
    }
    story.replica(ops);
    assert!(story.stands(2, &[(1, COUNTS), (11, Standing::Void)]).behind);
    assert_eq!(story.uncounted(no(2).chain(0), 1), TEXTS - 10);
    while story.write([RoomOp::Restand]).behind {}
    assert_eq!(story.uncounted(no(2).chain(0), 1), TEXTS - 10);
}

#[test]
fn a_chain_that_goes_is_not_behind_any_more() {
    let mut story = long_story();
    assert!(story.stands(3, &[(1, HIDDEN)]).behind);
    story.replica([torchat_room::outcome::Op::Discard(no(3))]);
    assert!(!story.write([RoomOp::Restand]).behind);
    let room = story.room;
    assert!(!story.write([RoomOp::State { room, state: RoomState::Left }]).behind);
}
