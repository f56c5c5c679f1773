//! Whether a turn changes what STATUS says of the network, of links, and of mail that waits.

use torchat_core::effect::{Effect, NetworkEffect};
use torchat_core::input::{ChatInput, Input, LinkInput, NetworkInput, RoomInput};
use torchat_core::node::Node;
use torchat_protocol::id::PeerId;
use torchat_protocol::purpose::Purpose;

/// What a turn has to tell programs that wait for news.
#[derive(Debug, Default)]
pub(super) struct News {
    pub(super) any: bool,
    /// Dialled for messages without success: news only where mail waits. A hundred absent contacts are dialled all day.
    dialled: Vec<PeerId>,
}

impl News {
    /// What comes into a turn.
    pub(super) fn of(inputs: &[Input]) -> Self {
        let mut news = Self::default();
        for input in inputs {
            match input {
                Input::Chat(ChatInput::Send { .. })
                | Input::Link(LinkInput::Up { .. } | LinkInput::Down { .. })
                | Input::Room(RoomInput::LinkUp { .. } | RoomInput::LinkDown { .. })
                | Input::Network(NetworkInput::State { .. } | NetworkInput::Carries { .. }) => {
                    news.any = true;
                }
                Input::Network(NetworkInput::DialFailed { peer, purpose: Purpose::CHAT, .. }) => {
                    news.dialled.push(*peer)
                }
                _ => {}
            }
        }
        news
    }

    /// What the turn made of it.
    pub(super) fn judge(&mut self, effects: &[Effect], node: &Node) {
        let begun = effects.iter().filter_map(|effect| match effect {
            Effect::Network(NetworkEffect::Dial { peer, purpose: Purpose::CHAT, .. }) => Some(*peer),
            _ => None,
        });
        self.any = self.any || self.dialled.iter().copied().chain(begun).any(|peer| node.obstacle(&peer).is_some());
    }
}
