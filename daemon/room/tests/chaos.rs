//! Replicas under chaos: however links come and go, whatever is restored, killed, decided and forged, in the end all see the
//! same, and nothing of members in good standing is lost or seen twice.
//!
//! `ROOM_SEEDS` says how many seeds each test takes, `ROOM_FROM` the first.
#![allow(clippy::unwrap_used)]

#[path = "chaos/disk.rs"]
mod disk;
#[path = "chaos/net.rs"]
mod net;
#[path = "chaos/oracle.rs"]
mod oracle;
#[path = "chaos/story.rs"]
mod story;
#[path = "chaos/vectors.rs"]
mod vectors;

use net::{Net, number};
use rand::RngExt as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use story::{ALL, Plan, chaos};
use torchat_protocol::room::body::acts::{Cut, CutReason, Handover, Promotion, Roster, Settle};
use torchat_protocol::room::body::said::{Hand, Mute, Nick, Text, Unmute};
use torchat_protocol::room::body::{Body, BoundedText, Keep, Place, Role};
use torchat_protocol::room::{Author, Event, EventId, Signature, TextId};

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The seeds of a test, by default so many.
fn seeds(default: u64) -> std::ops::Range<u64> {
    let first = from_environment("ROOM_FROM", 0);
    first..first + from_environment("ROOM_SEEDS", default)
}

/// Runs a plan over many seeds.
fn run(plan: Plan, count: u64) {
    let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
    let mut refused: BTreeMap<String, u64> = BTreeMap::new();
    for seed in seeds(count) {
        let (mut net, handed) = chaos(Net::new(plan.nodes, seed), seed, plan);
        let owner = usize::from(handed);
        if net.nodes[owner].replica.needs_settlement() {
            *totals.entry("runs that needed a settlement").or_default() += 1;
            net.turn(owner, |replica, ctx| replica.settle(ctx)).unwrap();
            net.calm();
            plan.rest(&mut net);
        }
        if plan.drops {
            // A redact that counts no more leaves a body that is missing: it is asked for from the next start on.
            for node in 0..plan.nodes {
                net.kill(node);
            }
            plan.rest(&mut net);
        }
        net.agree(&format!("seed {seed}"));
        for node in 0..plan.nodes {
            // Who is a member on the other branch only is told of no settlement.
            let is_told = net.nodes[0].replica.roster().members.contains_key(&number(node));
            assert!(!is_told || !net.nodes[node].replica.is_frozen(), "seed {seed}: node {node} is frozen");
            net.compare(node);
        }
        let (lost, waiting) = net.lost();
        assert_eq!(lost, [], "seed {seed}: texts of members in good standing are lost");
        assert_eq!(waiting, 0, "seed {seed}: texts of members in good standing still wait");
        assert_eq!(net.seen.ended, 0, "seed {seed}: an honest replica ended a link");
        let forks = net.nodes[0].replica.forks().count() as u64;
        for (what, count) in [
            ("runs", 1),
            ("texts", net.texts()),
            ("restored backups", net.seen.backups),
            ("noticed by the replica", net.seen.restored),
            ("kills", net.seen.kills),
            ("forked chains", forks),
            ("handovers", u64::from(handed)),
        ] {
            *totals.entry(what).or_default() += count;
        }
        for (why, count) in &net.seen.refused {
            *refused.entry(why.clone()).or_default() += count;
        }
    }
    println!("{totals:?}, refused {refused:?}");
}

#[test]
fn everything_at_once_ends_in_equal_views() {
    run(ALL, 200);
}

#[test]
fn a_mesh_of_friends_ends_in_equal_views() {
    run(Plan { nodes: 7, hosts: 0, ..ALL }, 200);
}

#[test]
fn an_owner_that_was_restored_acts_with_a_quorum_and_contradicts_nobody() {
    run(Plan { owner_restores: true, ..ALL }, 50);
}

#[test]
fn an_owner_that_was_restored_and_acts_at_once_settles_what_it_contradicts() {
    run(Plan { owner_restores: true, quorum: false, ..ALL }, 50);
}

#[test]
fn what_is_redacted_is_gone_everywhere_and_nothing_else_is() {
    run(Plan { nodes: 7, hosts: 0, drops: true, ..ALL }, 40);
}

/// A branch of acts that the owner of ill will signs behind the acts that are there.
fn branch(net: &Net, depth: u64, added: usize, cut: usize) -> Vec<Arc<Event>> {
    let acts = net.nodes[0].disk.branch();
    let (mut seq, mut prev) = (acts.len() as u64, acts.last().unwrap().id());
    let mut branch = Vec::new();
    for n in 0..depth {
        let roster = if n == 0 {
            Roster { add: vec![net.entry(added, Role::Member)], ..Roster::default() }
        } else {
            let cut = Cut { no: number(cut), keep: Keep::NOTHING, why: CutReason::Removed };
            Roster { cut: vec![cut], ..Roster::default() }
        };
        seq += 1;
        let act = net.forge(0, Place { author: Author::ACTS, seq }, prev, 50 + n, &Body::Roster(roster));
        prev = act.id();
        branch.push(act);
    }
    branch
}

#[test]
fn two_stories_of_the_owner_freeze_the_acts_and_a_settlement_mends_them() {
    for seed in seeds(60) {
        let mut net = Net::new(14, seed);
        net.watch = true;
        net.name_hosts(1..=3);
        net.admit(1..10, 3);
        net.rest(3);
        for _ in 0..40 {
            let node = net.rng.random_range(0..10);
            net.say(node);
            net.deliver();
        }
        net.calm();
        for (a, b) in net.links() {
            net.cut(a, b);
        }
        let depth = 1 + seed % 3;
        let (one, other) = (branch(&net, depth, 10, 8), branch(&net, depth, 11, 9));
        for (host, story, clients) in [(1, &one, [4, 5, 10]), (2, &other, [6, 7, 11])] {
            for act in story {
                net.give_from(host, clients[0], act);
            }
            for client in clients {
                net.connect(host, client);
            }
        }
        net.calm();
        for node in [4, 5, 10, 6, 7, 11] {
            net.say(node);
        }
        net.calm();
        net.rest(3);
        // Talk goes on although the acts are frozen.
        for node in 0..12 {
            net.say(node);
        }
        net.calm();
        // Who is a member in one of the stories only is let in by those who believe that one.
        for node in 0..10 {
            assert!(net.nodes[node].replica.is_frozen(), "seed {seed}: node {node}");
        }
        assert!((0..12).any(|node| net.view(node) != net.view(0)), "seed {seed}: they see different rooms");
        net.turn(0, |replica, ctx| replica.settle(ctx)).unwrap();
        net.calm();
        net.rest(3);
        net.agree(&format!("seed {seed}"));
        // The one who is no member any more hears of no settlement.
        for node in 0..10 {
            assert!(!net.nodes[node].replica.is_frozen(), "seed {seed}: node {node}");
        }
        assert_eq!(net.lost().0, [], "seed {seed}");
    }
}

#[test]
fn three_stories_of_a_member_end_in_one_line_everywhere() {
    for seed in seeds(60) {
        let mut net = Net::new(12, seed);
        net.watch = true;
        net.name_hosts(1..=3);
        net.admit(1..12, 3);
        net.rest(3);
        for _ in 0..60 {
            let node = net.rng.random_range(0..12);
            net.say(node);
            net.deliver();
        }
        net.calm();
        let author = number(11).chain(0);
        let head = net.nodes[11].replica.keep(number(11)).of(0);
        let id = |net: &Net, seq: u64| {
            let of = |event: &&Arc<Event>| disk::place(event) == Place { author, seq };
            net.nodes[0].disk.events().find(of).map_or(net.room.as_event(), |event| event.id())
        };
        let text = |mid: u64| {
            let mut bytes = [0xee; 16];
            bytes[..8].copy_from_slice(&mid.to_be_bytes());
            Body::Text(Text { mid: TextId(bytes), text: BoundedText::new("story").unwrap(), re: None, to: vec![] })
        };
        for host in 1..=3 {
            let mut prev = id(&net, head);
            for n in 0..net.rng.random_range(1..6) {
                let place = Place { author, seq: head + 1 + n };
                let event = net.forge(11, place, prev, 1 << 52, &text(90_000 + host as u64 * 100 + n));
                prev = event.id();
                net.give_from(host, 11, &event);
            }
            for _ in 0..5 {
                net.deliver();
            }
        }
        for _ in 0..30 {
            let node = net.rng.random_range(0..11);
            net.say(node);
            net.deliver();
        }
        if head > 0 && seed.is_multiple_of(2) {
            // And a rival of something older still.
            let at = net.rng.random_range(1..=head);
            let event = net.forge(11, Place { author, seq: at }, id(&net, at - 1), 3, &text(80_000));
            net.give_from(1 + usize::try_from(seed % 3).unwrap(), 11, &event);
        }
        net.calm();
        net.rest(3);
        net.agree(&format!("seed {seed}"));
        let lines: BTreeSet<u64> = net.nodes.iter().map(|node| node.replica.line(author)).collect();
        assert_eq!(lines.len(), 1, "seed {seed}: {lines:?}");
        assert!(lines.iter().all(|line| *line < u64::MAX), "seed {seed}: the fork is proven");
    }
}

#[test]
fn a_newcomer_that_begins_again_keeps_its_texts_until_it_was_told_everything() {
    let mut in_time = 0;
    for seed in seeds(60) {
        let mut net = Net::new(4, seed);
        net.watch = true;
        net.admit(1..4, 0);
        net.connect(0, 2);
        net.calm();
        net.cut(0, 2);
        // A text that waits, and a backup in which it does.
        assert!(net.say(3));
        net.back_up(3);
        net.connect(0, 1);
        net.calm();
        net.say(0);
        net.connect(3, 0);
        net.calm();
        net.absent.insert(1);
        net.cut(0, 1);
        // The restored one says it again, to somebody who has not heard it: the chain is forked at its first number.
        net.restore(3);
        net.back_up(3);
        net.connect(3, 2);
        net.calm();
        net.cut(3, 2);
        net.connect(0, 2);
        net.calm();
        net.cut(0, 2);
        assert_eq!(net.nodes[0].replica.forks().count(), 1, "seed {seed}");
        // Restored once more, it hears its first text from somebody who knows of no fork, but not everything.
        net.restore(3);
        net.absent.clear();
        net.connect(3, 1);
        let hears =
            |net: &Net| net.nodes[3].disk.events().any(|event| event.header().author.member() == Some(number(3)));
        while !hears(&net) && net.deliver() {}
        assert!(hears(&net), "seed {seed}");
        in_time += u32::from(!net.nodes[3].replica.may_speak());
        net.cut(3, 1);
        // When it begins again all know of the fork, so nobody tells it that text.
        net.connect(0, 1);
        net.calm();
        net.rest_in_mesh();
        net.agree(&format!("seed {seed}"));
        assert_eq!(net.lost(), (vec![], 0), "seed {seed}");
    }
    assert!(in_time > 0, "everybody was told everything at once");
}

/// The first node hands the room over to the second, by a proposal that the second has accepted.
fn hand_over_by(net: &mut Net, proposal: EventId) {
    let signed = Handover::to_be_signed(net.room, proposal, number(1));
    let accept = Signature(ed25519_dalek::Signer::sign(&net.seed_of(1), &signed).to_bytes());
    let replica = &net.nodes[0].replica;
    let (old, new) = (replica.keep(number(0)), replica.keep(number(1)));
    net.act(0, &Body::Handover(Handover { to: number(1), proposal, accept, old, new }), true).unwrap();
}

#[test]
fn two_handovers_of_an_owner_that_was_restored_between_are_settled_by_the_new_owner() {
    let mut moved = 0;
    for seed in seeds(60) {
        let mut net = Net::new(6, seed);
        net.watch = true;
        net.admit(1..6, 3);
        net.rest_in_mesh();
        let proposal = net.event(0, &Body::Hand(Hand { to: number(1) })).unwrap();
        net.calm();
        net.back_up(0);
        // Some hear of the first one, the new owner or not.
        let first: BTreeSet<usize> = (1..6).filter(|_| net.rng.random_range(0..2) == 0).collect();
        for (a, b) in net.links() {
            net.cut(a, b);
        }
        hand_over_by(&mut net, proposal);
        for node in &first {
            net.connect(0, *node);
        }
        net.calm();
        net.absent.extend(&first);
        let promotion = |net: &mut Net, node| {
            let role = Promotion { no: number(node), role: Role::Moderator, keep: Keep::NOTHING };
            // As somebody who does not ask whether others are there.
            let _ = net.act(1, &Body::Roster(Roster { role: vec![role], ..Roster::default() }), true);
        };
        if first.contains(&1) {
            net.say(1);
            promotion(&mut net, 5);
        }
        // The restored owner reaches the others, decides something in some runs, and hands the room over once more.
        net.restore(0);
        for node in 1..6 {
            net.connect(0, node);
        }
        net.calm();
        if seed % 3 == 0 {
            let role = Promotion { no: number(4), role: Role::Reader, keep: net.nodes[0].replica.keep(number(4)) };
            net.act(0, &Body::Roster(Roster { role: vec![role], ..Roster::default() }), true).unwrap();
        }
        hand_over_by(&mut net, proposal);
        net.calm();
        if !first.contains(&1) {
            promotion(&mut net, 5);
        }
        let before: Vec<_> = (0..6).map(|node| net.view(node).acts).collect();
        net.absent.clear();
        net.rest_in_mesh();
        if net.nodes[1].replica.needs_settlement() {
            net.turn(1, |replica, ctx| replica.settle(ctx)).unwrap();
            net.calm();
            net.rest_in_mesh();
        }
        net.agree(&format!("seed {seed}"));
        assert!(!net.nodes[1].replica.needs_settlement(), "seed {seed}");
        assert_eq!(net.lost(), (vec![], 0), "seed {seed}");
        moved += (0..6).filter(|node| !net.view(*node).acts.starts_with(&before[*node])).count();
        // After that no act of the former owner moves anybody, or makes the new one settle once more.
        let acts = net.view(1).acts;
        let (branch, proof) = (net.nodes[2].disk.branch(), Body::Settle(Settle::default()));
        for depth in [2, branch.len() - 1] {
            let place = Place { author: Author::ACTS, seq: branch[depth - 1].header().seq + 1 };
            let late = net.forge(0, place, branch[depth - 1].id(), 9, &proof);
            net.give_from(2, 0, &late);
        }
        net.calm();
        net.rest_in_mesh();
        assert!(!net.nodes[1].replica.needs_settlement(), "seed {seed}");
        assert_eq!(net.view(3).acts, acts, "seed {seed}");
    }
    assert!(moved > 20, "{moved} replicas were on another branch");
}

#[test]
fn newcomers_that_want_the_last_few_see_what_all_see_above_their_floors() {
    for seed in seeds(60) {
        let mut net = Net::new(16, seed);
        net.watch = true;
        net.name_hosts(1..=3);
        net.admit(1..12, 3);
        // The last four are not members yet, and reach nobody: whoever is none gets nothing.
        net.absent = (12..16).collect();
        net.rest(3);
        talk(&mut net, 80);
        net.calm();
        for (node, want) in [(12, Some(0)), (13, Some(7)), (14, Some(20)), (15, None)] {
            net.nodes[node].want = want;
        }
        net.admit(12..16, 3);
        net.calm();
        net.absent.clear();
        net.rest(3);
        talk(&mut net, 60);
        net.rest(3);
        for node in 12..16 {
            assert!(net.say(node), "seed {seed}: node {node} is a member");
        }
        net.calm();
        let all = net.view(0);
        for node in 0..16 {
            let floors: BTreeMap<Author, u64> = net.nodes[node].replica.floors().collect();
            let above = |place: &Place| place.seq > floors.get(&place.author).copied().unwrap_or(0);
            let wanted: BTreeSet<Place> = all.texts.keys().filter(|place| above(place)).copied().collect();
            let view = net.view(node);
            assert_eq!(view.acts, all.acts, "seed {seed}: node {node}");
            assert_eq!(view.texts.into_keys().collect::<BTreeSet<_>>(), wanted, "seed {seed}: node {node}");
            assert_eq!(view.nicks, all.nicks, "seed {seed}: node {node}");
        }
        assert_eq!(net.nodes[15].replica.floors().count(), 0, "who wants all has no floor");
        let floor = |node: usize| net.nodes[node].replica.floors().map(|(_, floor)| floor).sum::<u64>();
        assert!(floor(12) > floor(13) && floor(13) >= floor(14) && floor(14) > 0, "seed {seed}");
    }
}

/// Members talk; a moderator mutes somebody now and then, and another one ends it.
fn talk(net: &mut Net, texts: usize) {
    for n in 0..texts {
        let node = net.rng.random_range(0..12);
        net.say(node);
        if n % 17 == 3 {
            let who = number(net.rng.random_range(5..12));
            let keep = net.nodes[2].replica.keep(who);
            let mute = net.named(2, &Body::Mute(Mute { who, keep, why: None }));
            if let Some(of) = mute.filter(|_| n % 2 == 0) {
                net.calm();
                let resume = net.nodes[1].replica.keep(who);
                net.event(1, &Body::Unmute(Unmute { of, resume }));
            }
        }
        if n % 13 == 5 {
            let node = net.rng.random_range(0..12);
            net.event(node, &Body::Nick(Nick { nick: BoundedText::new(format!("nick{n}")).unwrap() }));
        }
        net.deliver();
    }
}
