//! Mail that breaks the rules of lanes: from strangers, and from contacts that lie.

use super::{Attack, Kind, row};
use crate::forger::Forger;
use crate::link::{Lane, Link, honest_hello};
use crate::target::Target;
use anyhow::{Context as _, bail, ensure};
use std::sync::Arc;
use torchat_protocol::id::{Chain, LaneId, MessageId};
use torchat_protocol::limits;
use torchat_protocol::message::{LaneState, PeerMessage, Recv, Skip, SkipReason};

const CLOSED: &str = "the link ends, nothing is stored";
const NOTHING: &str = "nothing is stored, nothing acknowledged";
/// The largest number of a lane.
const MAX: u64 = (1 << 53) - 1;

/// A contact's link, and what the daemon has of it.
struct Contact {
    target: Arc<Target>,
    forger: Forger,
    link: Link,
}

impl Contact {
    async fn enter(target: &Arc<Target>, n: usize) -> anyhow::Result<Self> {
        let (forger, link) = target.accepted(n).await?;
        Ok(Self { target: target.clone(), forger, link })
    }

    /// Says a message; what the daemon answers.
    async fn offer(&mut self, recv: Recv) -> anyhow::Result<crate::link::Heard> {
        self.link.say(&PeerMessage::Recv(recv)).await?;
        self.link.settle(self.target.patience).await
    }

    /// Says a message that must be taken.
    async fn deliver(&mut self, lane: &mut Lane, text: &str) -> anyhow::Result<()> {
        let recv = lane.next(text);
        let heard = self.offer(recv).await?;
        ensure!(heard.acks().contains(&lane.state()), "an honest message is not acknowledged: {heard:?}");
        Ok(())
    }

    async fn count(&self, text: &str) -> anyhow::Result<usize> {
        Ok(self.target.texts(self.forger.peer()?).await?.iter().filter(|found| *found == text).count())
    }

    async fn stored(&self, text: &str, times: usize) -> anyhow::Result<()> {
        let found = self.count(text).await?;
        ensure!(found == times, "{text:?} is there {found} times instead of {times}");
        Ok(())
    }
}

/// A text that no other row has.
fn unique(what: &str) -> String {
    format!("{what} {:016x}", rand::random::<u64>())
}

pub(super) fn rows() -> Vec<Attack> {
    let quick = Kind::Quick;
    vec![
        row(quick, "RECV: honest", "stored once, acknowledged", |target| async move {
            let mut contact = Contact::enter(&target, 0).await?;
            let text = unique("honest");
            contact.deliver(&mut Lane::fresh(), &text).await?;
            contact.stored(&text, 1).await
        }),
        row(quick, "RECV by a stranger", NOTHING, |target| async move {
            let (forger, mut link) = target.stranger().await?;
            link.introduce().await?;
            let mut lane = Lane::fresh();
            for _ in 0..50 {
                link.say(&PeerMessage::Recv(lane.next("from nobody"))).await?;
            }
            let heard = link.settle(target.patience).await?;
            ensure!(heard.acks().is_empty(), "a stranger's mail is acknowledged: {heard:?}");
            ensure!(heard.hellos().iter().all(|hello| hello.lanes.is_empty()), "a stranger is told of lanes");
            target.nothing_from(forger.peer()?).await
        }),
        row(quick, "RECV by a stranger before any HELLO", NOTHING, |target| async move {
            let forger = Forger::fresh();
            let mut link = target.knock(&forger).await?;
            link.say(&PeerMessage::Recv(Lane::fresh().next("too early"))).await?;
            ensure!(link.settle(target.patience).await?.acks().is_empty(), "it is acknowledged");
            target.nothing_from(forger.peer()?).await
        }),
        row(quick, "SKIP and ACK by a stranger", NOTHING, |target| async move {
            let (forger, mut link) = target.stranger().await?;
            let lane = LaneId(rand::random());
            for why in [SkipReason::Lost, SkipReason::Withdrawn, SkipReason::Expired] {
                link.say(&PeerMessage::Skip(Skip { lane, to: MAX, chain: Chain([1; 16]), why })).await?;
            }
            link.say(&PeerMessage::Ack(LaneState { lane, hwm: MAX, chain: Chain([1; 16]) })).await?;
            ensure!(link.settle(target.patience).await?.acks().is_empty(), "it is acknowledged");
            target.nothing_from(forger.peer()?).await
        }),
        row(quick, "a stranger that says it accepted us", NOTHING, |target| async move {
            let (forger, mut link) = target.stranger().await?;
            link.introduce().await?;
            ensure!(link.settle(target.patience).await?.messages.is_empty(), "it is told something");
            target.nothing_from(forger.peer()?).await
        }),
        row(
            quick,
            "RECV by a contact before its HELLO",
            "stored if and only if it is acknowledged",
            |target| async move {
                let forger = target.contact(0).await?;
                let (mut link, _) = target.enter(&forger).await?;
                let (mut lane, text) = (Lane::fresh(), unique("early"));
                link.say(&PeerMessage::Recv(lane.next(&text))).await?;
                let acked = link.settle(target.patience).await?.acks().contains(&lane.state());
                let stored = target.texts(forger.peer()?).await?.contains(&text);
                ensure!(acked == stored, "acknowledged: {acked}, stored: {stored}");
                Ok(())
            },
        ),
        row(quick, "RECV: number 0", CLOSED, |target| async move { impossible(&target, 0).await }),
        row(quick, "RECV: number 2^53", CLOSED, |target| async move { impossible(&target, MAX + 1).await }),
        row(quick, "RECV: number 2^64-1", CLOSED, |target| async move { impossible(&target, u64::MAX).await }),
        row(quick, "RECV: a gap", "HELLO instead of an acknowledgement, nothing stored", |target| async move {
            let mut contact = Contact::enter(&target, 0).await?;
            for seq in [2, 3, 1_000, MAX] {
                let (lane, text) = (Lane::fresh(), unique("gap"));
                let recv = Recv { seq, ..lane.peek(MessageId(rand::random()), &text) };
                ensure!(contact.offer(recv).await?.acks().is_empty(), "{seq} is acknowledged");
                contact.stored(&text, 0).await?;
            }
            let mut lane = Lane::fresh();
            contact.deliver(&mut lane, &unique("after gaps")).await
        }),
        row(quick, "RECV: going back", "acknowledged again, stored once", |target| async move {
            let mut contact = Contact::enter(&target, 0).await?;
            let (mut lane, text, second) = (Lane::fresh(), unique("first"), unique("second"));
            let first = lane.next(&text);
            contact.offer(first.clone()).await?;
            contact.deliver(&mut lane, &second).await?;
            for _ in 0..3 {
                let heard = contact.offer(first.clone()).await?;
                ensure!(heard.alive && heard.acks().iter().all(|ack| *ack == lane.state()), "{heard:?}");
            }
            contact.stored(&text, 1).await?;
            contact.stored(&second, 1).await
        }),
        row(quick, "RECV: the same number with another id", "the first one stays", |target| async move {
            let mut contact = Contact::enter(&target, 0).await?;
            let (mut lane, text, other) = (Lane::fresh(), unique("first"), unique("other"));
            let before = lane;
            contact.deliver(&mut lane, &text).await?;
            let heard = contact.offer(before.peek(MessageId(rand::random()), &other)).await?;
            ensure!(heard.acks().iter().all(|ack| *ack == lane.state()), "another history is acknowledged: {heard:?}");
            contact.stored(&text, 1).await?;
            contact.stored(&other, 0).await
        }),
        row(quick, "RECV: a wrong digest", "its own state comes back, nothing is stored", |target| async move {
            let mut contact = Contact::enter(&target, 0).await?;
            let mut lane = Lane::fresh();
            contact.deliver(&mut lane, &unique("right")).await?;
            let text = unique("wrong digest");
            for prev in [Chain::EMPTY, Chain([0xff; 16])] {
                let recv = Recv { prev, ..lane.peek(MessageId(rand::random()), &text) };
                let heard = contact.offer(recv).await?;
                ensure!(heard.acks().iter().all(|ack| *ack == lane.state()), "it moved on: {heard:?}");
            }
            contact.stored(&text, 0).await?;
            contact.deliver(&mut lane, &unique("right again")).await
        }),
        row(quick, "RECV: the lane of another peer", "nothing of it is moved or stored", other_lane),
        row(quick, "RECV: the message id of another peer", "each has its own message", |target| async move {
            let (mut one, mut two) = (Contact::enter(&target, 0).await?, Contact::enter(&target, 1).await?);
            let (mid, ours, theirs) = (MessageId(rand::random()), unique("ours"), unique("theirs"));
            // The thief is first: it must not keep the other's message out.
            ensure!(!two.offer(Lane::fresh().peek(mid, &theirs)).await?.acks().is_empty(), "not acknowledged");
            ensure!(!one.offer(Lane::fresh().peek(mid, &ours)).await?.acks().is_empty(), "not acknowledged");
            one.stored(&ours, 1).await?;
            one.stored(&theirs, 0).await?;
            two.stored(&theirs, 1).await
        }),
        row(quick, "RECV: one message id on many lanes", "stored once", |target| async move {
            let mut contact = Contact::enter(&target, 0).await?;
            let (mid, text) = (MessageId(rand::random()), unique("many lanes"));
            for _ in 0..5 {
                contact.offer(Lane::fresh().peek(mid, &text)).await?;
            }
            contact.stored(&text, 1).await
        }),
        row(quick, "ten thousand lanes", "at most 32 are kept", ten_thousand_lanes),
        row(quick, "ACK beyond what was sent", "nothing counts as delivered", false_acks),
        row(quick, "ACK and HELLO about lanes that do not exist", "nothing happens", |target| async move {
            let mut contact = Contact::enter(&target, 0).await?;
            let state = |n: u8, hwm| LaneState { lane: LaneId([n; 8]), hwm, chain: Chain([n; 16]) };
            for n in 0..100 {
                contact.link.say(&PeerMessage::Ack(state(n, MAX))).await?;
            }
            let mut hello = honest_hello();
            hello.lanes = (0..32).map(|n| state(n, MAX)).collect();
            contact.link.say(&PeerMessage::Hello(hello.clone())).await?;
            // The same lane 32 times, with different states.
            hello.lanes = (0..32u64).map(|n| state(1, n)).collect();
            contact.link.say(&PeerMessage::Hello(hello)).await?;
            ensure!(contact.link.settle(target.patience).await?.alive, "the link ended");
            contact.deliver(&mut Lane::fresh(), &unique("after false states")).await
        }),
        row(quick, "HELLO with limits of nothing and of everything", "nothing happens", |target| async move {
            let mut contact = Contact::enter(&target, 0).await?;
            for n in [0, 1, MAX] {
                let mut hello = honest_hello();
                // Less than the longest text is no HELLO: see the table of messages.
                hello.limits.msg = n.max(hello.limits.msg);
                (hello.limits.inflight, hello.limits.credit) = (n, n);
                contact.link.say(&PeerMessage::Hello(hello)).await?;
            }
            ensure!(contact.link.settle(target.patience).await?.alive, "the link ended");
            Ok(())
        }),
        row(quick, "SKIP lost: to the sky", "one mark, and other lanes go on", |target| async move {
            let mut contact = Contact::enter(&target, 0).await?;
            let (mut lane, text) = (Lane::fresh(), unique("before the sky"));
            contact.deliver(&mut lane, &text).await?;
            let skip = Skip { lane: lane.lane, to: MAX, chain: Chain([7; 16]), why: SkipReason::Lost };
            contact.link.say(&PeerMessage::Skip(skip)).await?;
            let heard = contact.link.settle(target.patience).await?;
            ensure!(heard.alive, "the link ended");
            // Beyond the sky there is nothing; below it everything was said to be lost.
            let below = Recv { seq: 2, ..lane.peek(MessageId(rand::random()), "below the sky") };
            contact.offer(below).await?;
            contact.stored("below the sky", 0).await?;
            contact.stored(&text, 1).await?;
            contact.deliver(&mut Lane::fresh(), &unique("another lane")).await
        }),
        row(quick, "SKIP: numbers 0 and 2^53", CLOSED, |target| async move {
            for to in [0, MAX + 1] {
                let mut contact = Contact::enter(&target, 0).await?;
                let skip = Skip { lane: LaneId(rand::random()), to, chain: Chain::EMPTY, why: SkipReason::Lost };
                contact.link.say(&PeerMessage::Skip(skip)).await?;
                contact.link.ended(target.patience).await.with_context(|| format!("{to}"))?;
            }
            Ok(())
        }),
        row(quick, "SKIP withdrawn and expired: out of turn", "nothing is skipped", |target| async move {
            let mut contact = Contact::enter(&target, 0).await?;
            let mut lane = Lane::fresh();
            contact.deliver(&mut lane, &unique("before")).await?;
            for why in [SkipReason::Withdrawn, SkipReason::Expired] {
                for to in [3, 4, 100, MAX] {
                    let skip = Skip { lane: lane.lane, to, chain: Chain([9; 16]), why };
                    contact.link.say(&PeerMessage::Skip(skip)).await?;
                    let heard = contact.link.settle(target.patience).await?;
                    ensure!(heard.alive, "the link ended");
                    ensure!(heard.acks().iter().all(|ack| *ack == lane.state()), "{to} was skipped: {heard:?}");
                }
            }
            // A number that is durable cannot be taken back either.
            let back = Skip { lane: lane.lane, to: 1, chain: Chain([9; 16]), why: SkipReason::Withdrawn };
            contact.link.say(&PeerMessage::Skip(back)).await?;
            let heard = contact.link.settle(target.patience).await?;
            ensure!(heard.acks().iter().all(|ack| *ack == lane.state()), "the past was changed: {heard:?}");
            contact.deliver(&mut lane, &unique("after")).await
        }),
        row(quick, "RECV: 65,537 bytes of text", CLOSED, |target| async move {
            let mut contact = Contact::enter(&target, 0).await?;
            let text = "x".repeat(limits::TEXT_BYTES + 1);
            contact.link.say(&PeerMessage::Recv(Lane::fresh().next(&text))).await?;
            contact.link.ended(target.patience).await?;
            contact.stored(&text, 0).await
        }),
        row(quick, "RECV: a body of an unknown kind", CLOSED, |target| async move {
            let mut contact = Contact::enter(&target, 0).await?;
            let recv = PeerMessage::Recv(Lane::fresh().next("x")).encode();
            let strange = String::from_utf8(recv)?.replace("\"k\":\"text\"", "\"k\":\"html\"");
            contact.link.say_bytes(strange.as_bytes()).await?;
            contact.link.ended(target.patience).await.map(drop)
        }),
        row(quick, "RECV: times of the year 0 and of the far future", "stored, and readable", |target| async move {
            let mut contact = Contact::enter(&target, 0).await?;
            let mut lane = Lane::fresh();
            for sent in [0, 1, MAX] {
                let text = unique("time");
                let recv = Recv { sent, ..lane.next(&text) };
                let heard = contact.offer(recv).await?;
                ensure!(heard.acks().contains(&lane.state()), "{sent} is not acknowledged: {heard:?}");
                contact.stored(&text, 1).await?;
            }
            Ok(())
        }),
    ]
}

async fn impossible(target: &Arc<Target>, seq: u64) -> anyhow::Result<()> {
    let mut contact = Contact::enter(target, 0).await?;
    let text = unique("impossible");
    let recv = Recv { seq, ..Lane::fresh().peek(MessageId(rand::random()), &text) };
    contact.link.say(&PeerMessage::Recv(recv)).await?;
    contact.link.ended(target.patience).await?;
    contact.stored(&text, 0).await
}

/// One contact writes on the lane of another.
async fn other_lane(target: Arc<Target>) -> anyhow::Result<()> {
    let (mut owner, mut thief) = (Contact::enter(&target, 0).await?, Contact::enter(&target, 1).await?);
    let mut lane = Lane::fresh();
    for n in 0..3 {
        owner.deliver(&mut lane, &unique(&format!("own {n}"))).await?;
    }
    let text = unique("stolen");
    // The right number and the right digest, from the wrong peer.
    let heard = thief.offer(lane.peek(MessageId(rand::random()), &text)).await?;
    ensure!(heard.acks().is_empty(), "the thief is told of the owner's lane: {heard:?}");
    ensure!(heard.hellos().iter().all(|hello| hello.lanes.iter().all(|state| state.lane != lane.lane)), "{heard:?}");
    let skip = Skip { lane: lane.lane, to: MAX, chain: Chain([3; 16]), why: SkipReason::Lost };
    thief.link.say(&PeerMessage::Skip(skip)).await?;
    thief.link.settle(target.patience).await?;
    owner.deliver(&mut lane, &unique("own again")).await?;
    owner.stored(&text, 0).await?;
    thief.stored(&text, 0).await
}

async fn ten_thousand_lanes(target: Arc<Target>) -> anyhow::Result<()> {
    let count = match target.way {
        crate::way::Way::Loopback(_) => 10_000,
        // Tor carries some hundred a second.
        crate::way::Way::Socks(_) => 500,
    };
    let contact = Contact::enter(&target, 3).await?;
    // The same message on every lane: ten thousand lanes, and mail of one.
    let mid = MessageId(rand::random());
    let mut flood = contact.link.into_flood();
    flood.pour(|n| (n < count).then(|| PeerMessage::Recv(Lane::fresh().peek(mid, "everywhere")))).await?;
    let (mut link, _) = {
        let mut link = target.knock(&contact.forger).await?;
        let hello = link.welcomed(target.patience).await?.0;
        ensure!(hello.lanes.len() <= limits::LANES_PER_PEER, "{} lanes are stated", hello.lanes.len());
        (link, hello)
    };
    ensure!(link.settle(target.patience).await?.alive, "the link ended");
    let found = target.texts(contact.forger.peer()?).await?.len();
    ensure!(found <= 1, "the message is there {found} times");
    Ok(())
}

/// The daemon has a message for the attacker, who lies about having it.
async fn false_acks(target: Arc<Target>) -> anyhow::Result<()> {
    let mut contact = Contact::enter(&target, 4).await?;
    contact.link.settle(target.patience).await?;
    let (onion, text) = (contact.forger.peer()?.onion(), unique("for the attacker"));
    let (to, sent) = (onion.clone(), text.clone());
    target.ask(move |client| Ok(client.send(&to, &sent)?)).await?;
    let recv = next_recv(&mut contact.link, &target).await?;
    let state = |lane, hwm, chain| PeerMessage::Ack(LaneState { lane, hwm, chain });
    let real = recv.prev.next(recv.mid);
    for lie in [
        state(recv.lane, recv.seq + 1_000, real),
        state(recv.lane, MAX, Chain([5; 16])),
        state(LaneId([0xee; 8]), recv.seq, real),
        state(recv.lane, 0, Chain([5; 16])),
    ] {
        contact.link.say(&lie).await?;
        let _ = contact.link.settle(target.patience).await?;
        let (onion, text) = (onion.clone(), text.clone());
        let states = target.ask(move |client| Ok(client.history(&onion, 20)?)).await?;
        let line = states.into_iter().find(|line| line.text == text).context("the message is gone")?;
        ensure!(line.state != "delivered", "{lie:?} made it delivered");
    }
    // The truth, on whatever lane it is on now: it was never lost.
    let mut contact = Contact::enter(&target, 4).await?;
    let recv = next_recv(&mut contact.link, &target).await?;
    contact.link.say(&state(recv.lane, recv.seq, recv.prev.next(recv.mid))).await?;
    contact.link.settle(target.patience).await?;
    let found = target.ask(move |client| Ok(client.history(&onion, 20)?)).await?;
    let line = found.into_iter().find(|line| line.text == text).context("the message is gone")?;
    ensure!(line.state == "delivered", "an honest acknowledgement after lies leaves it {}", line.state);
    Ok(())
}

async fn next_recv(link: &mut Link, target: &Target) -> anyhow::Result<Recv> {
    loop {
        match link.hear(target.patience).await? {
            Some(PeerMessage::Recv(recv)) => return Ok(recv),
            Some(_) => {}
            None => bail!("the link ended before the message came"),
        }
    }
}
