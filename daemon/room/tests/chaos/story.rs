//! What happens to a room in a run: links come and go, people talk, decide, are restored and killed, and a former owner lies.

use crate::net::{Net, number};
use rand::RngExt as _;
use std::sync::Arc;
use torchat_protocol::room::body::acts::{Cut, CutReason, Handover, Promotion, Roster, Settle};
use torchat_protocol::room::body::said::{Edit, Hand, Mute, Nick, Reaction, Redact, Unmute};
use torchat_protocol::room::body::{Body, BoundedText, Keep, Place, Ref, Role};
use torchat_protocol::room::{Author, Event, Signature, TextId};

/// What happens in a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) nodes: usize,
    /// 0: a mesh.
    pub(crate) hosts: usize,
    pub(crate) steps: usize,
    pub(crate) restores: bool,
    pub(crate) owner_restores: bool,
    /// The owner acts only with a quorum.
    pub(crate) quorum: bool,
    pub(crate) acts: bool,
    /// The bodies of what is redacted are dropped.
    pub(crate) drops: bool,
}

pub(crate) const ALL: Plan = Plan {
    nodes: 12,
    hosts: 3,
    steps: 900,
    restores: true,
    owner_restores: false,
    quorum: true,
    acts: true,
    drops: false,
};

impl Plan {
    pub(crate) fn rest(self, net: &mut Net) {
        if self.hosts == 0 { net.rest_in_mesh() } else { net.rest(self.hosts) }
    }
}

/// One run: the net at rest afterwards, and whether the room was handed over.
pub(crate) fn chaos(mut net: Net, seed: u64, plan: Plan) -> (Net, bool) {
    net.watch = true;
    for node in &mut net.nodes {
        node.disk.drops = plan.drops;
    }
    if plan.hosts > 0 {
        net.name_hosts(1..=plan.hosts);
    }
    net.admit(1..plan.nodes - 2, 3);
    net.connect(0, 1);
    net.calm();
    let mut handed = false;
    let mut evil = false;
    let mut muted: Vec<(Ref, usize)> = Vec::new();
    for step in 0..plan.steps {
        let pause = net.rng.random_range(0..400);
        net.now_ms += pause;
        let dice = net.rng.random_range(0..1_000);
        let owner = usize::from(handed);
        let anybody = net.rng.random_range(0..plan.nodes);
        match dice {
            0..270 => drop(net.say(anybody)),
            270..300 => said(&mut net, anybody),
            300..360 if plan.hosts > 0 => {
                let host = net.rng.random_range(1..=plan.hosts);
                net.connect(host, host % plan.hosts + 1);
            }
            300..500 => {
                let other = if plan.hosts > 0 {
                    net.rng.random_range(1..=plan.hosts)
                } else {
                    net.rng.random_range(0..plan.nodes)
                };
                net.connect(anybody, other);
            }
            500..620 => {
                let links = net.links();
                if !links.is_empty() {
                    let (a, b) = links[net.rng.random_range(0..links.len())];
                    net.cut(a, b);
                }
            }
            620..640 if plan.restores => net.back_up(anybody),
            640..648 if plan.restores => {
                if anybody != owner || plan.owner_restores {
                    net.restore(anybody);
                }
            }
            648..654 => net.kill(anybody),
            654..658 if plan.acts => {
                for host in 1..=plan.hosts {
                    net.connect(owner, host);
                }
            }
            658..666 if plan.acts => decide(&mut net, plan, owner),
            666..674 if plan.acts => mute(&mut net, plan, &mut muted),
            _ => drop(net.deliver()),
        }
        if plan.acts && seed.is_multiple_of(2) && step == plan.steps / 2 && !handed {
            plan.rest(&mut net);
            handed = hand_over(&mut net);
            plan.rest(&mut net);
        }
        if handed && seed.is_multiple_of(4) && step > plan.steps * 3 / 4 && !evil {
            evil = true;
            rivals_of_the_former_owner(&mut net, plan);
        }
    }
    plan.rest(&mut net);
    (net, handed)
}

/// Somebody edits, reacts, redacts or takes another name.
fn said(net: &mut Net, node: usize) {
    let events: Vec<Arc<Event>> = net.nodes[node].disk.events().cloned().collect();
    let pick = net.rng.random_range(0..events.len().max(1));
    let Some(event) = events.get(pick) else { return };
    // Now and then it names another event of that place.
    let mut of = event.named();
    if pick.is_multiple_of(7) {
        of.tag.0[0] ^= 1;
    }
    let body = match net.rng.random_range(0..4) {
        0 if of.place.author.member() == Some(number(node)) => {
            let (mid, text) = (TextId(net.rng.random()), BoundedText::new("edited").unwrap());
            Body::Edit(Edit { of, mid, text })
        }
        1 => {
            net.redacted.insert(of);
            Body::Redact(Redact { of, why: None })
        }
        2 => Body::Nick(Nick { nick: BoundedText::new(format!("nick{pick}")).unwrap() }),
        n => {
            let sign = if n == 3 && pick % 5 == 0 { "" } else { "+1" };
            Body::Reaction(Reaction { of, sign: BoundedText::new(sign).unwrap() })
        }
    };
    net.event(node, &body);
}

/// The owner adds, removes, promotes or demotes somebody.
fn decide(net: &mut Net, plan: Plan, owner: usize) {
    let node = net.rng.random_range(4..plan.nodes);
    let (no, keep) = (number(node), net.nodes[owner].replica.keep(number(node)));
    let dice = net.rng.random_range(0..4);
    let member = net.nodes[owner].replica.roster().members.get(&no);
    let roster = match member.map(|member| (member.is_in(), member.role())) {
        None => Roster { add: vec![net.entry(node, Role::Member)], ..Roster::default() },
        Some(_) if dice == 0 && node >= plan.nodes - 3 => {
            Roster { cut: vec![Cut { no, keep, why: CutReason::Removed }], ..Roster::default() }
        }
        Some((_, role)) => {
            let role = match role {
                Role::Moderator => Role::Member,
                Role::Member if node >= plan.nodes - 4 => Role::Reader,
                _ => Role::Moderator,
            };
            Roster { role: vec![Promotion { no, role, keep }], ..Roster::default() }
        }
    };
    let _ = net.act(owner, &Body::Roster(roster), !plan.quorum);
}

/// A moderator mutes somebody, or ends a mute.
fn mute(net: &mut Net, plan: Plan, muted: &mut Vec<(Ref, usize)>) {
    let by = net.rng.random_range(1..4);
    if muted.is_empty() || net.rng.random_range(0..2) == 0 {
        let who = net.rng.random_range(4..plan.nodes);
        let keep = net.nodes[by].replica.keep(number(who));
        let mute = net.named(by, &Body::Mute(Mute { who: number(who), keep, why: None }));
        muted.extend(mute.map(|mute| (mute, who)));
    } else {
        let (mut of, who) = muted[net.rng.random_range(0..muted.len())];
        if of.place.seq.is_multiple_of(7) {
            of.tag.0[0] ^= 1;
        }
        let resume = net.nodes[by].replica.keep(number(who));
        net.event(by, &Body::Unmute(Unmute { of, resume }));
    }
}

/// The first node hands the room over to the second. False: it could not.
fn hand_over(net: &mut Net) -> bool {
    let Some(proposal) = net.event(0, &Body::Hand(Hand { to: number(1) })) else { return false };
    let signed = Handover::to_be_signed(net.room, proposal, number(1));
    let accept = Signature(ed25519_dalek::Signer::sign(&net.seed_of(1), &signed).to_bytes());
    let replica = &net.nodes[0].replica;
    let (old, new) = (replica.keep(number(0)), replica.keep(number(1)));
    let act = Body::Handover(Handover { to: number(1), proposal, accept, old, new });
    net.act(0, &act, true).is_ok() && net.nodes[0].replica.roster().owner == number(1)
}

/// The former owner, of ill will, signs rivals of old acts, and settles for them.
fn rivals_of_the_former_owner(net: &mut Net, plan: Plan) {
    let acts: Vec<Arc<Event>> = net.nodes[0].disk.branch();
    let from = net.rng.random_range(1..acts.len().min(3));
    let before = &acts[from - 1];
    let seq = before.header().seq + 1;
    let cut = Cut { no: number(2), keep: Keep::NOTHING, why: CutReason::Removed };
    let rival = Body::Roster(Roster { cut: vec![cut], ..Roster::default() });
    let rival = net.forge(0, Place { author: Author::ACTS, seq }, before.id(), 9, &rival);
    let settle = Place { author: Author::ACTS, seq: seq + 1 };
    let settle = net.forge(0, settle, rival.id(), 9, &Body::Settle(Settle::default()));
    for host in 1..=plan.hosts.max(2) {
        net.give_from(host, 0, &rival);
        net.give_from(host, 0, &settle);
    }
}
