//! What the hostile member says: each burst has a plot, and no plot is kept to the end.

use torchat_protocol::id::{Chain, LaneId, MessageId, RunId};
use torchat_protocol::message::{
    Body, Bye, ByeReason, ContactReq, ContactRes, ContactState, Hello, LaneState, Limits, Nonce, PeerMessage, Recv,
    Skip, SkipReason,
};
use torchat_transport::randomness::Randomness;

/// Kinds of words; one more is a mixture of all.
const PLOTS: usize = 9;

/// One link's words.
pub(super) struct Speech {
    dice: Randomness,
    lanes: Vec<(LaneId, u64, Chain)>,
    /// The daemon's lane, from its messages, and its digest as they tell it.
    theirs: Option<LaneState>,
    /// The daemon's last PING.
    ping: u64,
    begun: bool,
}

impl Speech {
    pub(super) fn new(dice: Randomness) -> Self {
        Self { dice, lanes: Vec::new(), theirs: None, ping: 0, begun: false }
    }

    pub(super) fn hears(&mut self, message: &PeerMessage) {
        match message {
            PeerMessage::Recv(recv) => {
                self.theirs = Some(LaneState { lane: recv.lane, hwm: recv.seq, chain: recv.prev.next(recv.mid) });
            }
            PeerMessage::Ping(nonce) => self.ping = nonce.n,
            _ => {}
        }
    }

    /// How many words.
    pub(super) fn burst(&mut self, count: usize) -> Vec<PeerMessage> {
        let mut words = Vec::new();
        if !std::mem::replace(&mut self.begun, true) && self.dice.below(4) > 0 {
            words.extend([self.hello(), PeerMessage::ContactRes(ContactRes { st: ContactState::Accepted })]);
        }
        let plot = self.dice.below(PLOTS + 1);
        words.extend((0..count).map(|_| {
            let plot = if plot == PLOTS || self.dice.below(12) == 0 { self.dice.below(PLOTS) } else { plot };
            self.word(plot)
        }));
        words
    }

    fn word(&mut self, plot: usize) -> PeerMessage {
        match plot {
            0 => self.recv(),
            1 => self.skip(),
            2 => self.hello(),
            3 => {
                let accepted = self.dice.below(2) == 0;
                let st = if accepted { ContactState::Accepted } else { ContactState::Pending };
                PeerMessage::ContactRes(ContactRes { st })
            }
            4 => {
                let nick = format!("n{}", self.dice.below(1_000));
                let text = format!("{}", self.number());
                PeerMessage::ContactReq(ContactReq { nick, text, invite: None })
            }
            5 => PeerMessage::Ping(Nonce { n: self.number() }),
            6 => PeerMessage::Pong(Nonce { n: self.ping }),
            7 => PeerMessage::Ack(self.state()),
            _ => match self.dice.below(60) {
                0 => PeerMessage::Bye(Bye { why: ByeReason::Superseded }),
                1 => PeerMessage::Bye(Bye { why: ByeReason::Limit }),
                n if n < 30 => self.skip(),
                _ => self.recv(),
            },
        }
    }

    fn number(&self) -> u64 {
        u64::from_le_bytes(self.dice.bytes()) >> 12
    }

    /// Where it claims to stand: honestly, or not.
    fn state(&self) -> LaneState {
        let claimed = LaneState {
            lane: LaneId(self.dice.bytes()),
            hwm: self.dice.below(90) as u64,
            chain: Chain(self.dice.bytes()),
        };
        match self.theirs {
            Some(theirs) if self.dice.below(3) == 0 => theirs,
            Some(theirs) => LaneState { lane: theirs.lane, ..claimed },
            None => claimed,
        }
    }

    fn hello(&self) -> PeerMessage {
        let limits = Limits { msg: 65_536, inflight: self.dice.below(80) as u64, credit: 1 << 20 };
        let lanes = if self.dice.below(2) == 0 { vec![self.state()] } else { Vec::new() };
        let [run, met] = [0, 1].map(|_| (self.dice.below(3) > 0).then(|| RunId(self.dice.bytes())));
        PeerMessage::Hello(Hello { app: "hostile".into(), v: 1, features: Vec::new(), lanes, limits, run, met })
    }

    fn lane(&mut self) -> usize {
        if self.lanes.is_empty() || self.dice.below(30) == 0 {
            self.lanes.push((LaneId(self.dice.bytes()), 0, Chain::EMPTY));
        }
        if self.dice.below(4) > 0 { self.lanes.len() - 1 } else { self.dice.below(self.lanes.len()) }
    }

    fn recv(&mut self) -> PeerMessage {
        let n = self.lane();
        let (mid, wrong) = (MessageId(self.dice.bytes()), Chain(self.dice.bytes()));
        let length = [0, 0, 1, 100, 1_000, 30_000][self.dice.below(6)];
        let (honest, gap) = (self.dice.below(12) > 0, self.dice.below(3) as u64);
        let (lane, seq, chain) = &mut self.lanes[n];
        let (seq, prev) = if honest {
            *seq += 1;
            (*seq, std::mem::replace(chain, chain.next(mid)))
        } else {
            ((*seq + gap).max(1), wrong)
        };
        let body = Body::Text { text: "x".repeat(length) };
        PeerMessage::Recv(Recv { lane: *lane, seq, prev, mid, sent: 60, body })
    }

    fn skip(&mut self) -> PeerMessage {
        let n = self.lane();
        let why = [SkipReason::Lost, SkipReason::Lost, SkipReason::Withdrawn, SkipReason::Expired][self.dice.below(4)];
        let (to, new) = (1 + self.dice.below(3) as u64, Chain(self.dice.bytes()));
        let (lane, seq, chain) = &mut self.lanes[n];
        *seq += if why == SkipReason::Lost { to } else { 1 };
        *chain = new;
        PeerMessage::Skip(Skip { lane: *lane, to: *seq, chain: new, why })
    }
}
