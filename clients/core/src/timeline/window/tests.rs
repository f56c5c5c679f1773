//! What a window holds. Pages and events in any order are in the timeline's tests.

use super::*;
use crate::timeline::tests::{message, with};
use torchat_protocol::control::api::command::MessagesAnswer;
use torchat_protocol::control::api::record::Direction;

#[test]
fn long_texts_are_held_up_to_a_number_of_bytes() {
    let mut window = Window::default();
    let request = window.ask(Anchor::Newest);
    window.answer(request, MessagesAnswer { messages: Vec::new(), more: false }, None);
    for id in 1..=1_000 {
        let text = "x".repeat(65_536);
        window.put(Message { text, ..message(id, with(2), Direction::In, MessageState::Unread) });
    }
    assert_eq!(window.entries().len(), HELD_BYTES / 65_536);
    assert_eq!(window.span(), Some((1_001 - (HELD_BYTES / 65_536) as i64, 1_000)));
    assert!(window.has_older());
}
