//! What is done once a turn is durable.

use super::Engine;
use super::pending::Facts;
use crate::link::dialer;
use crate::link::handle::ToLink;
use crate::request::Answer;
use crate::store::Outgoing;
use std::sync::atomic::Ordering;
use torchat_core::effect::{ChatEffect, Effect, LinkEffect, NetworkEffect};
use torchat_core::input::LinkId;
use torchat_protocol::id::{Chain, LaneId};
use torchat_protocol::message::{Body, Bye, PeerMessage, Recv};
use torchat_transport::{Group, Isolation};

impl Engine {
    pub(super) fn act(&mut self, effects: Vec<Effect>, outgoing: Vec<Vec<Outgoing>>, mut facts: Facts) {
        facts.trouble = self.health.trouble();
        let mut outgoing = outgoing.into_iter();
        for effect in effects {
            match effect {
                Effect::Answer { request, answer } => {
                    if let Some(pending) = self.pending.remove(&request) {
                        pending.answer(&answer, &mut facts, &mut self.clients);
                    }
                }
                Effect::Link(LinkEffect::Say { link, message }) => self.tell(link, ToLink::Say(message)),
                Effect::Link(LinkEffect::Transmit { link, lane, first, prev, .. }) => {
                    let messages = outgoing.next().unwrap_or_default();
                    for message in recv_messages(lane, first, prev, messages) {
                        self.tell(link, ToLink::Say(message));
                    }
                }
                Effect::Link(LinkEffect::Close { link, bye }) => {
                    self.tell(link, ToLink::Close(bye.map(|why| PeerMessage::Bye(Bye { why }))));
                }
                Effect::Network(NetworkEffect::Dial { peer, purpose, last_circuits }) => {
                    let group = Group::first(purpose);
                    let isolation = if last_circuits { Isolation::Last(group) } else { Isolation::Fresh(group) };
                    tokio::spawn(self.dialer.clone().dial(peer, isolation, self.dials.clone()));
                }
                Effect::Network(NetworkEffect::DropDials) => std::mem::take(&mut self.dials).cancel(),
                Effect::Network(NetworkEffect::Renew) => {
                    tracing::warn!("no dial gets through; making a new way into the network");
                    self.transport.renew();
                }
                Effect::Network(NetworkEffect::SelfCheck) => {
                    let (transport, context) = (self.transport.clone(), self.context.clone());
                    let (own, times) = (self.own, self.config.dial);
                    tokio::spawn(async move { drop(dialer::check(transport, own, times, context).await) });
                }
                Effect::Network(NetworkEffect::Replace) => self.ask_for_replacement(),
                Effect::Room(effect) => self.room_effect(effect, &facts),
                Effect::Notice(notice) if notice.is_warning() => {
                    tracing::warn!("{}", crate::codes::notice(&notice).sentence())
                }
                Effect::Notice(notice) => tracing::info!("{}", crate::codes::notice(&notice).sentence()),
                Effect::Chat(ChatEffect::TakenBack { peer, mids, why }) => {
                    let reason = crate::codes::taken_back(why);
                    for mid in mids {
                        for waiter in self.waiters.remove(&(peer, mid)).unwrap_or_default() {
                            let _ = waiter.send(Ok(Answer::Failed { reason: reason.clone() }));
                        }
                    }
                }
                Effect::Chat(ChatEffect::Delivered { peer, mids }) => {
                    for mid in mids {
                        for waiter in self.waiters.remove(&(peer, mid)).unwrap_or_default() {
                            let _ = waiter.send(Ok(Answer::Delivered));
                        }
                    }
                }
            }
        }
    }

    /// The core has no other means left. Without leave of the program around the engine, it is only said.
    fn ask_for_replacement(&self) {
        if self.config.replaceable {
            tracing::warn!("nothing repairs the way into the network; torchatd replaces itself");
            self.replace.store(true, Ordering::Release);
            self.stop.cancel();
        } else {
            tracing::warn!("nothing repairs the way into the network: restart the daemon");
        }
    }

    fn tell(&self, link: LinkId, message: ToLink<PeerMessage>) {
        if let Some(handle) = self.links.get(&link) {
            handle.tell(message);
        }
    }
}

fn recv_messages(lane: LaneId, first: u64, prev: Chain, messages: Vec<Outgoing>) -> impl Iterator<Item = PeerMessage> {
    let mut before = prev;
    (first..).zip(messages).map(move |(seq, message)| {
        let prev = before;
        before = before.next(message.mid);
        let (mid, sent, body) = (message.mid, Recv::minute(message.at_ms), Body::Text { text: message.text });
        PeerMessage::Recv(Recv { lane, seq, prev, mid, sent, body })
    })
}
