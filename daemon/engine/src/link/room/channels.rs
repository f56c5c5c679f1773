//! The channels of a room link, as far as frames are read: of which room each is, and which are over.

use super::said::Encoded;
use parking_lot::Mutex;
use std::collections::HashMap;
use torchat_protocol::room::{Frame, FrameError, RoomId};

/// A number that was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Channel {
    Of(RoomId),
    /// Either side has closed it. What comes is skipped.
    Over,
}

/// The numbers that were used on a link, by either side. A number is used once, so there are at most 65,535.
#[derive(Debug, Default)]
pub(super) struct Channels(Mutex<HashMap<u16, Channel>>);

/// What came on a channel.
#[derive(Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "it is taken apart at once")]
pub(super) enum Heard {
    /// A frame, with the room of its channel.
    Frame(Frame, RoomId),
    /// What only a later version understands.
    Newer,
    /// What is skipped.
    Nothing,
}

impl Channels {
    /// We say something on a channel.
    pub(super) fn said(&self, number: u16, frame: &Encoded) {
        let mut channels = self.0.lock();
        if let Some(room) = frame.begins {
            channels.insert(number, Channel::Of(room));
        }
        if frame.ends {
            channels.insert(number, Channel::Over);
        }
    }

    /// Reads what came on a channel.
    ///
    /// # Errors
    /// [`FrameError`]: the link ends without a word.
    pub(super) fn hear(&self, number: u16, kind: u8, bytes: &[u8]) -> Result<Heard, FrameError> {
        let before = self.0.lock().get(&number).copied();
        let read = match before {
            Some(Channel::Over) => return Ok(Heard::Nothing),
            Some(Channel::Of(room)) => Frame::decode(kind, bytes, room).map(|frame| frame.map(|frame| (frame, room))),
            None => Frame::decode_first(kind, bytes).map(|frame| {
                frame.and_then(|frame| {
                    let room = match &frame {
                        Frame::Open(open) => open.room,
                        Frame::Join(join) => join.room,
                        _ => return None,
                    };
                    Some((frame, room))
                })
            }),
        };
        match read {
            Ok(Some((frame, room))) => {
                let channel = if matches!(frame, Frame::Close(_)) { Channel::Over } else { Channel::Of(room) };
                self.0.lock().insert(number, channel);
                Ok(Heard::Frame(frame, room))
            }
            Ok(None) => Ok(Heard::Nothing),
            Err(error) if before.is_some() && error.is_of_later_version() => {
                self.0.lock().insert(number, Channel::Over);
                Ok(Heard::Newer)
            }
            Err(error) => Err(error),
        }
    }
}
