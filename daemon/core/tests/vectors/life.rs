//! Signs of life, told by the daemon's own node: what it says, and when it ends the link, to what comes when.

use super::{NOW_S, came, client, compare, server};
use serde_json::{Value, json};
use torchat_core::effect::{Effect, LinkEffect};
use torchat_core::input::{ChatInput, Input, LinkId, LinkInput};
use torchat_core::node::Node;
use torchat_core::policy::Policy;
use torchat_core::snapshot::{PeerSnapshot, Snapshot};
use torchat_core::time::Now;
use torchat_protocol::message::{ContactRes, ContactState, Hello, Limits, Nonce, PeerMessage};

const START_MS: u64 = 1_000_000;

/// A node with a link whose HELLO has been heard, and the milliseconds since.
struct Clocked {
    node: Node,
    ms: u64,
    said: Vec<Value>,
}

impl Clocked {
    fn turn(&mut self, inputs: Vec<Input>) {
        let wall_ms = i64::try_from(NOW_S * 1000 + self.ms).unwrap();
        let now = Now { wall_ms, mono_ms: START_MS + self.ms };
        for effect in self.node.turn(now, &mut |out: &mut [u8]| out.fill(1), inputs).effects {
            match effect {
                Effect::Link(LinkEffect::Say {
                    message: message @ (PeerMessage::Ping(_) | PeerMessage::Pong(_)),
                    ..
                }) => {
                    let text = String::from_utf8(message.encode()).unwrap();
                    self.said.push(json!({ "ms": self.ms, "says": text }));
                }
                Effect::Link(LinkEffect::Close { bye: None, .. }) => {
                    self.said.push(json!({ "ms": self.ms, "ends": true }))
                }
                _ => {}
            }
        }
    }

    fn pass(&mut self, until: u64) {
        while self.ms < until {
            let next = self.node.next_deadline().map_or(until, |at| at.saturating_sub(START_MS));
            self.ms = next.clamp(self.ms + 1, until);
            if self.ms < until || next == until {
                self.turn(vec![]);
            }
        }
    }
}

/// `flying`: a text of this many bytes is unacknowledged from the beginning on. `comes`: when bytes come, and of what: `part` of
/// something long, `whole` for the rest of a message, `short` for bytes of neither.
fn case(what: &str, features: &[&str], flying: usize, comes: &[(u64, &str)], until: u64) -> Value {
    let peer = server().peer_id();
    let row = PeerSnapshot { contact: true, added_ms: Some(0), ..PeerSnapshot::new(peer) };
    let now = Now { wall_ms: i64::try_from(NOW_S * 1000).unwrap(), mono_ms: START_MS };
    let snapshot = Snapshot { peers: vec![row], ..Snapshot::default() };
    let node = Node::new(client().peer_id(), Policy::default(), snapshot, now, &mut |out: &mut [u8]| out.fill(9));
    let mut clocked = Clocked { node, ms: 0, said: Vec::new() };
    let limits = Limits { msg: 65_536, inflight: 64, credit: 1_048_576 };
    let features: Vec<String> = features.iter().map(|&feature| feature.to_owned()).collect();
    let hello =
        Hello { app: "other".into(), v: 1, features: features.clone(), lanes: vec![], limits, run: None, met: None };
    let mut inputs = vec![came(peer)];
    if flying > 0 {
        let text = "x".repeat(flying);
        inputs.push(Input::Chat(ChatInput::Send { request: 1, peer, text, client: None, expire_ms: None }));
    }
    let accepted = PeerMessage::ContactRes(ContactRes { st: ContactState::Accepted });
    inputs.extend(
        [PeerMessage::Hello(hello), accepted]
            .map(|message| Input::Link(LinkInput::Message { link: LinkId(1), message })),
    );
    clocked.turn(inputs);
    for (at, bytes) in comes {
        clocked.pass(*at);
        clocked.turn(vec![match *bytes {
            "whole" => Input::Link(LinkInput::Message { link: LinkId(1), message: PeerMessage::Pong(Nonce { n: 0 }) }),
            bytes => Input::Link(LinkInput::Heard { link: LinkId(1), unfinished: bytes == "part" }),
        }]);
    }
    clocked.pass(until);
    let comes: Vec<_> = comes.iter().map(|(at, bytes)| json!({ "ms": at, "bytes": bytes })).collect();
    json!({
        "what": what,
        "features": features,
        "unacknowledged": flying,
        "comes": comes,
        "until": until,
        "does": clocked.said,
    })
}

#[test]
fn signs_of_life() {
    let every_second = |from: u64, to: u64, bytes: &'static str| -> Vec<(u64, &str)> {
        (from..to).map(|second| (second * 1000 + 1, bytes)).collect()
    };
    let long = [&every_second(1, 14, "part")[..], &[(14_001, "whole"), (14_101, "part"), (16_001, "whole")]].concat();
    let cases = [
        case("something long comes, then the rest of it", &["life"], 0, &long, 30_000),
        case("the same from a peer that shows no life", &[], 0, &long, 30_000),
        case("nothing long comes", &["life"], 1, &every_second(1, 60, "short"), 61_000),
        case("silence, and a dead link", &["life"], 1, &[], 60_000),
        case("silence, then a byte in time", &["life"], 1, &[(24_900, "short")], 60_000),
        case("a byte too late", &["life"], 1, &[(25_100, "short")], 26_000),
        case("a long text is unacknowledged", &["life"], 65_536, &[], 60_000),
        case("the same at a peer that shows no life", &[], 65_536, &[], 120_000),
        case("it takes the text and says so", &["life"], 65_536, &[(6_000, "whole"), (12_000, "whole")], 60_000),
    ];
    compare("life", &json!(cases.to_vec()));
}
