//! What becomes of a room's messages after they came: they are said otherwise, taken away, reacted to, or do not count.

use torchat_protocol::control::api::record::{Direction, Message, MessageFlag, MessageState, Time};

/// Something that an event tells of a message in a room. The last one is the truth, whatever was known before: the daemon tells
/// them in the order in which they changed what it keeps, and what a page says is never older than what was told before it was
/// asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomChange {
    /// It was said otherwise.
    Edited {
        /// The new text.
        text: String,
        /// When.
        at: Time,
    },
    /// Its text was taken away.
    Redacted,
    /// A member reacts with a sign, instead of what they reacted with before; empty: not any more.
    Reacted {
        /// The member's number.
        member: u32,
        /// The sign.
        sign: String,
    },
    /// It does not count any more, or counts again.
    Counts(MessageState),
}

impl RoomChange {
    /// Whether an unread message is unread no more.
    pub(in crate::timeline) fn is_end_of_unread(&self) -> bool {
        match self {
            Self::Redacted => true,
            Self::Counts(state) => *state != MessageState::Unread,
            Self::Edited { .. } | Self::Reacted { .. } => false,
        }
    }

    /// Whether a message counts since now, or is redacted where it did not count: events have not told what was done to it before.
    pub(in crate::timeline) fn is_counting_again(&self) -> bool {
        matches!(self, Self::Counts(state) if !matches!(state, MessageState::Void | MessageState::Hidden))
    }

    /// Does it to a message. Twice is once.
    pub(in crate::timeline) fn apply(&self, message: &mut Message) {
        match self {
            Self::Edited { text, at } => {
                message.text.clone_from(text);
                message.edited_at = Some(at.clone());
                flag(message, MessageFlag::Edited, true);
            }
            Self::Redacted => {
                message.text.clear();
                flag(message, MessageFlag::Redacted, true);
                count_as(message, MessageState::Redacted);
            }
            Self::Reacted { member, sign } => {
                message.reacts.values_mut().for_each(|members| members.retain(|known| known != member));
                message.reacts.retain(|_, members| !members.is_empty());
                if !sign.is_empty() {
                    let members = message.reacts.entry(sign.clone()).or_default();
                    members.push(*member);
                    members.sort_unstable();
                }
            }
            Self::Counts(state) => {
                flag(message, MessageFlag::Void, *state == MessageState::Void);
                flag(message, MessageFlag::Hidden, *state == MessageState::Hidden);
                if *state == MessageState::Redacted {
                    message.text.clear();
                    flag(message, MessageFlag::Redacted, true);
                }
                count_as(message, *state);
            }
        }
    }
}

/// A message that does not count is a mark.
fn count_as(message: &mut Message, state: MessageState) {
    use MessageState::{Hidden, Redacted, Void};
    message.state = state;
    message.dir = match (state, &message.from) {
        (Void | Hidden | Redacted, _) => Direction::Mark,
        (_, Some(from)) if from.me => Direction::Out,
        (_, Some(_)) => Direction::In,
        (_, None) => message.dir,
    };
}

fn flag(message: &mut Message, flag: MessageFlag, on: bool) {
    message.flags.retain(|known| *known != flag);
    if on {
        message.flags.push(flag);
        message.flags.sort_unstable();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::timeline::tests::{message, with};
    use torchat_protocol::control::api::record::{Role, Sender};

    fn said(me: bool) -> Message {
        let (dir, state) =
            if me { (Direction::Out, MessageState::Delivered) } else { (Direction::In, MessageState::Unread) };
        let from = Some(Sender { member: 2, name: "bob".into(), onion: None, me, role: Role::Member });
        Message { from, ..message(1, with(9), dir, state) }
    }

    #[test]
    fn a_member_has_one_reaction_and_nobody_leaves_an_empty_sign() {
        let mut message = said(false);
        for (member, sign) in [(5, "+"), (2, "+"), (5, "-"), (2, ""), (5, "-")] {
            RoomChange::Reacted { member, sign: sign.into() }.apply(&mut message);
        }
        assert_eq!(message.reacts, [("-".to_owned(), vec![5])].into());
    }

    #[test]
    fn what_does_not_count_is_a_mark_and_counts_again_as_whose_it_was() {
        for (me, dir) in [(true, Direction::Out), (false, Direction::In)] {
            let mut message = said(me);
            for state in [MessageState::Void, MessageState::Hidden] {
                RoomChange::Counts(state).apply(&mut message);
                assert_eq!((message.dir, message.state, message.flags.len()), (Direction::Mark, state, 1));
                assert!(!message.text.is_empty());
            }
            RoomChange::Counts(MessageState::Read).apply(&mut message);
            assert_eq!((message.dir, message.state, message.flags.len()), (dir, MessageState::Read, 0));
            RoomChange::Redacted.apply(&mut message);
            assert_eq!((message.dir, message.text.as_str()), (Direction::Mark, ""));
        }
    }
}
