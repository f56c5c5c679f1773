//! What is done for rooms once a turn is durable.

use super::Engine;
use torchat_core::effect::RoomEffect;

impl Engine {
    /// Does one thing for a room.
    pub(super) fn room_effect(&mut self, effect: RoomEffect) {
        // No link task carries rooms yet, and no client asks of them, so nothing comes of it.
        tracing::debug!(writable = self.writable, ?effect, "for a room");
    }
}
