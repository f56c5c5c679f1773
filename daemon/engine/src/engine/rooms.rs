//! What is done for rooms once a turn is durable.

use super::Engine;
use torchat_core::effect::RoomEffect;

impl Engine {
    /// Does one thing for a room.
    pub(super) fn room_effect(&mut self, effect: RoomEffect) {
        match effect {
            RoomEffect::Answer { request, answer } => {
                if let Some(pending) = self.pending.remove(&request) {
                    pending.answer_room(answer, &mut self.clients);
                }
            }
            // No link task carries rooms yet.
            effect => tracing::debug!(writable = self.writable, ?effect, "for a room"),
        }
    }
}
