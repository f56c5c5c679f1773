//! What an edit, a reaction, a redact or an answer names is one event, and not whatever is at its place.

use crate::talk::{COUNTS, Story, no, text};
use torchat_core::op::{ChatOp, Op};
use torchat_core::piece::Piece;
use torchat_protocol::control::api::record::MessageState;
use torchat_protocol::room::body::said::{Edit, Reaction, Redact, Text};
use torchat_protocol::room::body::{Body, BoundedText, Place, Ref, Role};
use torchat_protocol::room::{Tag, TextId};
use torchat_room::standing::Standing;

#[test]
fn what_names_another_event_of_the_place_means_nothing_whichever_came_first() {
    let mut story = Story::new();
    // A backup was restored: in another history carol said something else there.
    let there = Place { author: no(3).chain(0), seq: 1 };
    let other = Ref { place: there, tag: Tag([9; 8]) };
    let about = |of: Ref| {
        let edit = Edit { of, mid: TextId([9; 16]), text: BoundedText::new("of another").unwrap() };
        let answer = Text { re: Some(of), ..text(2, "answer") };
        let sign = Reaction { of, sign: BoundedText::new("+1").unwrap() };
        let redact = Redact { of, why: None };
        [Body::Text(answer), Body::Edit(edit), Body::Reaction(sign), Body::Redact(redact)]
    };
    let judge = |story: &mut Story, of: Ref| {
        for (n, body) in about(of).into_iter().enumerate() {
            // What was said about it is in other chains, so that either may come first.
            let author = if n == 1 { no(3).chain(1) } else { no(1).chain(0) };
            story.say_as(author, &body, Standing::As(Role::Owner));
        }
    };
    judge(&mut story, other);
    let said = story.say(3, &Body::Text(text(1, "hello")));
    assert_eq!(said.place, there);
    let whole = |story: &Story| {
        let part = story.row("hello").room.unwrap();
        assert!(part.reacts.is_empty() && part.edited_ms.is_none());
        assert_eq!(story.row("answer").room.unwrap().re, None);
    };
    whole(&story);
    judge(&mut story, other);
    whole(&story);
    story.restart();
    whole(&story);
    assert_eq!(story.missing(), []);
    // One that names the event itself.
    story.say(1, &Body::Text(Text { re: Some(said), ..text(3, "yes") }));
    assert_eq!(story.row("yes").room.unwrap().re, Some(story.row("hello").mid));
    story.say(1, &Body::Redact(Redact { of: said, why: None }));
    assert!(story.page(true).iter().any(|row| row.state == MessageState::Redacted));
    assert_eq!(story.missing(), [], "what was taken away is not asked for");
}

#[test]
fn what_was_said_of_somebody_means_nothing_for_who_gets_the_number_later() {
    let mut story = Story::new();
    let gone = story.say(3, &Body::Text(text(1, "of the first carol")));
    let stays = story.say(3, &Body::Text(text(2, "erased here")));
    for of in [gone, stays] {
        story.say(1, &Body::Redact(Redact { of, why: None }));
    }
    let upto = story.page(true).last().unwrap().id;
    let piece = Piece { after: 0, upto, before_ms: None, unread: true, limit: 64 };
    story.commit(vec![Op::Chat(ChatOp::Erase { peer: story.as_peer(), piece })]);
    let kept = story.say(3, &Body::Text(text(5, "not erased")));
    story.say(1, &Body::Redact(Redact { of: kept, why: None }));
    story.discard(no(3));
    for (n, words) in [(3, "of the next"), (4, "and more"), (6, "and the last")] {
        story.say(3, &Body::Text(text(n, words)));
        assert_eq!(story.row(words).state, MessageState::Unread);
    }
}

#[test]
fn all_events_that_say_a_text_are_found_and_whichever_counts_later_is_taken_away_with_it() {
    let mut story = Story::new();
    let first = story.say(3, &Body::Text(text(1, "again")));
    let id = story.row("again").id;
    let found = |story: &Story| story.reader.room_doubles(story.room, id, 9).unwrap();
    assert_eq!(found(&story), [first]);
    // The chain was forked there, so it was said again in the next one.
    story.stands(3, &[(1, Standing::Void)]);
    let again = story.say_as(no(3).chain(1), &Body::Text(text(1, "again")), COUNTS);
    assert_eq!(found(&story), [first, again], "in their order, whichever counts");
    assert_eq!(story.reader.room_doubles(story.room, id, 1).unwrap(), [first]);
    // Without the other one it comes back when that counts again.
    story.say(1, &Body::Redact(Redact { of: again, why: None }));
    assert_eq!(story.row("again").state, MessageState::Void);
    assert_eq!(found(&story), [first], "what is taken away is not taken away once more");
    story.stands(3, &[(1, COUNTS)]);
    assert_eq!(story.row("again").state, MessageState::Unread);
    story.say(1, &Body::Redact(Redact { of: first, why: None }));
    assert!(story.page(true).iter().any(|row| row.id == id && row.state == MessageState::Redacted));
    assert_eq!(found(&story), []);
}
