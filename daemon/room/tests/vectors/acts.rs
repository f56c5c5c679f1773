//! The branch of acts: sets of acts, in three orders of arrival each, and which of them hold then. Written down by hand, so
//! that whoever computes it is compared with what was meant.

use super::{Arc, Author, Body, BoundedText, Event, EventId, Place, Role, Signature, Value};
use super::{compare, entry, event, first, hex, item, key, number};
use crate::disk::Disk;
use ed25519_dalek::Signer as _;
use serde_json::json;
use std::collections::BTreeMap;
use torchat_protocol::room::body::acts::{
    Cut, CutReason, Destroy, Entry, Handover, Policy, Promotion, Roster, Set, Settle,
};
use torchat_protocol::room::body::{Keep, acts::Replicas};
use torchat_protocol::room::{Frame, Header, Identity, LogId, MemberKey, RoomId};
use torchat_room::Replica;
use torchat_room::outcome::{ChannelId, Context, Effect};
use torchat_room::replica::{Me, Stored};

/// A set of acts, each with a label.
struct Acts {
    room: RoomId,
    acts: Vec<(&'static str, Arc<Event>)>,
}

fn add(entries: &[Entry]) -> Body {
    Body::Roster(Roster { add: entries.to_vec(), ..Roster::default() })
}

fn cut(no: u8) -> Body {
    let cut = Cut { no: number(no), keep: Keep::NOTHING, why: CutReason::Removed };
    Body::Roster(Roster { cut: vec![cut], ..Roster::default() })
}

fn name(name: &str) -> Body {
    Body::Set(Set { name: BoundedText::new(name), ..Set::default() })
}

fn settle() -> Body {
    Body::Settle(Settle { lost: Some(1) })
}

impl Acts {
    /// `c` begins the room, `a2` adds the moderator 2 and the member 3.
    fn new() -> Self {
        let first = first(Policy::default());
        let room = RoomId(first.id().0);
        let mut acts = Self { room, acts: vec![("c", Arc::new(first))] };
        acts.by(1, "a2", "c", &add(&[entry(2, 2, Role::Moderator), entry(3, 3, Role::Member)]));
        acts
    }

    fn find(&self, label: &str) -> &Arc<Event> {
        &self.acts.iter().find(|(other, _)| *other == label).unwrap().1
    }

    /// An act that somebody signs after another one.
    fn by(&mut self, signs: u8, label: &'static str, after: &str, body: &Body) -> &mut Self {
        let seq = self.find(after).header().seq + 1;
        self.at(signs, label, seq, after, body)
    }

    fn at(&mut self, signs: u8, label: &'static str, seq: u64, after: &str, body: &Body) -> &mut Self {
        let act = self.make(signs, seq, after, seq, body);
        self.acts.push((label, act));
        self
    }

    fn make(&self, signs: u8, seq: u64, after: &str, lamport: u64, body: &Body) -> Arc<Event> {
        let place = Place { author: Author::ACTS, seq };
        let known = u32::try_from(seq - 1).unwrap();
        event(self.room, signs, place, self.find(after).id(), (known, lamport), body)
    }

    /// An act whose id comes before that of another one, or behind it.
    fn beside(
        &mut self,
        signs: u8,
        label: &'static str,
        after: &str,
        body: &Body,
        before: bool,
        other: &str,
    ) -> &mut Self {
        let (seq, other) = (self.find(after).header().seq + 1, self.find(other).id());
        let mut drawn = (seq..).map(|lamport| self.make(signs, seq, after, lamport, body));
        let act = drawn.find(|act| (act.id() < other) == before).unwrap();
        self.acts.push((label, act));
        self
    }

    /// An act with any body.
    fn raw(&mut self, signs: u8, label: &'static str, after: &str, kind: u8, body: &[u8]) -> &mut Self {
        let before = self.find(after);
        let seq = before.header().seq + 1;
        let header = Header::of_body(kind, Some(self.room), Author::ACTS, seq, before.id(), body);
        let header = Header { lamport: seq, ..header };
        let signature = Signature(key(signs).sign(&header.id().to_be_signed()).to_bytes());
        self.acts.push((label, Arc::new(Event::new(header, signature, Arc::from(body)).unwrap())));
        self
    }

    /// A handover to a member, to which a key agrees.
    fn handover(&self, to: u8, proposal: u8, agrees: u8) -> Body {
        let proposal = EventId([proposal; 32]);
        let signed = Handover::to_be_signed(self.room, proposal, number(to));
        let accept = Signature(key(agrees).sign(&signed).to_bytes());
        Body::Handover(Handover { to: number(to), proposal, accept, old: Keep::NOTHING, new: Keep::NOTHING })
    }

    fn hand_over(&mut self, signs: u8, label: &'static str, after: &str, to: u8, proposal: u8) -> &mut Self {
        let body = self.handover(to, proposal, to);
        self.by(signs, label, after, &body)
    }

    /// As listed, backwards, and every second one first.
    fn orders(&self) -> [Vec<usize>; 3] {
        let all = 0..self.acts.len();
        let third = all.clone().skip(1).step_by(2).chain(all.clone().step_by(2)).collect();
        [all.clone().collect(), all.rev().collect(), third]
    }

    fn label(&self, id: EventId) -> &'static str {
        self.acts.iter().find(|(_, act)| act.id() == id).unwrap().0
    }

    /// What a replica makes of the acts in an order. All are said again as long as that changes something: what is not taken
    /// now is asked for again.
    fn arrive(&self, order: &[usize]) -> Value {
        let (me, log) = (Me { seed: [99; 32], chain: 0 }, LogId([5; 8]));
        // Not a newcomer, which would begin again with each channel.
        let stored = Stored { fresh: false, ..Stored::new(self.room, log, Some(me.clone())) };
        let mut replica = Replica::load(stored);
        let mut disk = Disk::new(self.room, me, log);
        let mut channel = 0;
        loop {
            let before = kept(&disk.stored());
            for n in order {
                let mut random = |bytes: &mut [u8]| bytes.fill(7);
                let mut ctx = Context { now_ms: 0, minute: 1, random: &mut random };
                if replica.channels().count() == 0 {
                    channel += 1;
                    replica.open(&mut ctx, ChannelId(channel), Identity([1; 32]), None, None);
                }
                replica.hear(&mut ctx, ChannelId(channel), Frame::Events(vec![(*self.acts[*n].1).clone()]), &[]);
                let outcome = replica.take();
                assert!(!outcome.effects.iter().any(|effect| matches!(effect, Effect::EndLink(_))));
                outcome.ops.into_iter().for_each(|op| disk.write(op));
            }
            if before == kept(&disk.stored()) {
                break;
            }
        }
        let again = Replica::load(disk.stored());
        assert_eq!(self.state(&again, &disk), self.state(&replica, &disk), "a restart changes nothing");
        self.state(&replica, &disk)
    }

    fn state(&self, replica: &Replica, disk: &Disk) -> Value {
        let stored = disk.stored();
        let mut rivals: Vec<_> = stored.rivals.iter().map(|act| self.label(act.id())).collect();
        rivals.sort_unstable();
        let mut proofs: Vec<_> = stored
            .act_forks
            .iter()
            .map(|(one, other)| (one.header().seq, [self.label(one.id()), self.label(other.id())]))
            .collect();
        proofs.sort_unstable();
        let roster = replica.roster();
        let members = roster.members.iter().map(|(no, member)| {
            json!({ "no": no.get(), "in": member.is_in(), "role": member.role(), "sign": hex(member.key.bytes().0) })
        });
        json!({
            "branch": replica.act_ids().map(|id| self.label(id)).collect::<Vec<_>>(),
            "rivals": rivals,
            "proofs": proofs.into_iter().map(|(_, labels)| labels).collect::<Vec<_>>(),
            "frozen": replica.is_frozen(),
            "owner": roster.owner.get(),
            "since": roster.owner_since,
            "name": roster.name,
            "destroyed": roster.destroyed,
            "members": members.collect::<Vec<_>>(),
        })
    }
}

/// What of the acts is kept.
fn kept(stored: &Stored) -> [Vec<EventId>; 2] {
    [&stored.acts, &stored.rivals].map(|acts| acts.iter().map(|act| act.id()).collect())
}

/// A case: the labels of the branch that holds, with `!` behind it if it is frozen; once, or for each order.
type Case = (&'static str, Acts, &'static [&'static str]);

fn two_stories() -> Acts {
    let mut acts = Acts::new();
    acts.by(1, "x3", "a2", &add(&[entry(4, 4, Role::Member)]));
    acts.by(1, "y3", "a2", &cut(3));
    acts
}

fn with(mut acts: Acts, more: impl FnOnce(&mut Acts)) -> Acts {
    more(&mut acts);
    acts
}

fn growing() -> Vec<Case> {
    vec![
        (
            "acts hold one after the other, whatever the order in which they come",
            with(Acts::new(), |acts| {
                acts.by(1, "a3", "a2", &name("club")).by(1, "a4", "a3", &add(&[entry(4, 4, Role::Reader)]));
                acts.by(1, "a5", "a4", &cut(3)).by(1, "a6", "a5", &cut(3));
            }),
            &["c a2 a3 a4 a5 a6"],
        ),
        (
            "acts of a kind that is not known, and acts whose bodies break the rules, take their places",
            with(Acts::new(), |acts| {
                acts.raw(1, "a3", "a2", 12, b"\xff").raw(1, "a4", "a3", 3, br#"{"name":1}"#);
                acts.raw(1, "a5", "a4", 1, br#"{"name":"again"}"#).raw(1, "a6", "a5", 16, b"{}");
                acts.by(1, "a7", "a6", &name("club"));
            }),
            &["c a2 a3 a4 a5 a6 a7"],
        ),
        (
            "what a roster act may not do is passed over, and the rest of it holds",
            with(Acts::new(), |acts| {
                let role = |no, role| Promotion { no: number(no), role, keep: Keep::NOTHING };
                let cut = |no| Cut { no: number(no), keep: Keep::NOTHING, why: CutReason::Left };
                let roster = Roster {
                    add: vec![entry(4, 4, Role::Owner), entry(3, 7, Role::Moderator), entry(5, 5, Role::Member)],
                    cut: vec![cut(1), cut(9), cut(5)],
                    role: vec![
                        role(1, Role::Reader),
                        role(3, Role::Owner),
                        role(9, Role::Member),
                        role(2, Role::Reader),
                    ],
                };
                acts.by(1, "a3", "a2", &Body::Roster(roster));
            }),
            &["c a2 a3"],
        ),
        (
            "an entry whose key is no identity is one, and nobody can hand the room over to it",
            with(Acts::new(), |acts| {
                let nobody = Entry { sign: MemberKey([0; 32]), ..entry(4, 4, Role::Member) };
                acts.by(1, "a3", "a2", &add(&[nobody]));
                acts.hand_over(1, "h4", "a3", 4, 40).by(1, "a5", "h4", &name("club"));
            }),
            &["c a2 a3 h4 a5"],
        ),
        (
            "a policy changes but for who keeps the room",
            with(Acts::new(), |acts| {
                let policy = Policy { history: 5, replicas: Replicas::Any, ..Policy::default() };
                acts.by(1, "a3", "a2", &Body::Set(Set { policy: Some(policy), ..Set::default() }));
            }),
            &["c a2 a3"],
        ),
        (
            "an act of somebody who never owned the room is not kept",
            with(Acts::new(), |acts| {
                acts.by(2, "x3", "a2", &cut(3)).by(3, "y3", "a2", &settle()).by(1, "x4", "x3", &name("club"));
            }),
            &["c a2"],
        ),
        (
            "an act before which others are missing waits",
            with(Acts::new(), |acts| {
                acts.by(1, "a3", "a2", &name("club")).by(1, "a4", "a3", &name("lost")).by(1, "a5", "a4", &settle());
                acts.acts.remove(3);
            }),
            &["c a2 a3"],
        ),
        (
            "nothing is applied behind the end of the room",
            with(Acts::new(), |acts| {
                acts.by(1, "d3", "a2", &Body::Destroy(Destroy::default())).by(1, "a4", "d3", &name("club"));
            }),
            &["c a2 d3"],
        ),
    ]
}

fn rivals() -> Vec<Case> {
    vec![
        (
            "of two acts with one number the first holds, and the branch is frozen",
            two_stories(),
            &["c a2 x3 !", "c a2 y3 !", "c a2 x3 !"],
        ),
        (
            "on a frozen branch nothing is applied",
            with(two_stories(), |acts| {
                acts.by(1, "x4", "x3", &name("x")).by(1, "y4", "y3", &name("y"));
            }),
            &["c a2 x3 !", "c a2 y3 !", "c a2 x3 x4 !"],
        ),
        (
            "a settle ends the freeze",
            with(two_stories(), |acts| {
                acts.by(1, "x4", "x3", &settle()).by(1, "x5", "x4", &name("x"));
            }),
            &["c a2 x3 x4 x5"],
        ),
        (
            "of two settles the one with the greater number holds",
            with(two_stories(), |acts| {
                acts.by(1, "x4", "x3", &name("x")).by(1, "x5", "x4", &settle()).by(1, "y4", "y3", &settle());
                acts.by(1, "y5", "y4", &name("y")).by(1, "y6", "y5", &name("why"));
            }),
            &["c a2 x3 x4 x5"],
        ),
        (
            "of two settles with one number the one with the smaller id holds",
            with(two_stories(), |acts| {
                acts.by(1, "x4", "x3", &settle()).beside(1, "y4", "y3", &settle(), true, "x4");
                acts.by(1, "x5", "x4", &name("x")).by(1, "y5", "y4", &name("y"));
            }),
            &["c a2 y3 y4 y5"],
        ),
        (
            "the last settle of a branch is the one that is compared",
            with(two_stories(), |acts| {
                acts.by(1, "x4", "x3", &settle()).by(1, "y4", "y3", &settle()).by(1, "y5", "y4", &settle());
            }),
            &["c a2 y3 y4 y5"],
        ),
        (
            "a settle far behind the head is an extension",
            with(two_stories(), |acts| {
                acts.by(1, "x4", "x3", &name("x")).by(1, "x5", "x4", &name("xx")).by(1, "x6", "x5", &settle());
            }),
            &["c a2 x3 x4 x5 x6"],
        ),
        (
            "two acts with one number before a settle freeze nothing, two behind it do",
            with(two_stories(), |acts| {
                acts.by(1, "x4", "x3", &settle()).by(1, "p5", "x4", &name("p")).by(1, "q5", "x4", &name("q"));
            }),
            &["c a2 x3 x4 p5 !", "c a2 x3 x4 q5 !", "c a2 x3 x4 q5 !"],
        ),
        (
            "three stories, and a settle on the last",
            with(two_stories(), |acts| {
                acts.by(1, "z3", "a2", &name("z")).by(1, "z4", "z3", &settle());
            }),
            &["c a2 z3 z4"],
        ),
        (
            "a settle whose way is broken does not hold",
            with(two_stories(), |acts| {
                acts.by(1, "y4", "y3", &name("y")).by(1, "y5", "y4", &settle());
                acts.acts.remove(3);
            }),
            &["c a2 x3"],
        ),
        (
            "a settle whose number is not the next of its way does not hold",
            with(two_stories(), |acts| {
                acts.at(1, "y9", 9, "y3", &settle());
            }),
            &["c a2 x3 !", "c a2 y3 !", "c a2 x3 !"],
        ),
        (
            "a settle beside the create event, and one by somebody else, do not hold",
            with(two_stories(), |acts| {
                acts.by(2, "y4", "y3", &settle()).by(3, "x4", "x3", &settle());
            }),
            &["c a2 x3 !", "c a2 y3 !", "c a2 x3 !"],
        ),
        (
            "a number has another key on the other branch",
            with(Acts::new(), |acts| {
                acts.by(1, "x3", "a2", &add(&[entry(4, 4, Role::Member)]));
                acts.by(1, "y3", "a2", &add(&[entry(4, 5, Role::Reader)])).by(1, "y4", "y3", &settle());
            }),
            &["c a2 y3 y4"],
        ),
        (
            "no other branch holds where the room has ended",
            with(Acts::new(), |acts| {
                acts.by(1, "d3", "a2", &Body::Destroy(Destroy::default()));
                acts.by(1, "y3", "a2", &name("y")).by(1, "y4", "y3", &settle());
            }),
            &["c a2 d3 !", "c a2 y3 y4", "c a2 d3 !"],
        ),
    ]
}

/// The owner hands over, is restored, decides something else, and hands over to the same one.
fn handed_twice(acts: &mut Acts) {
    acts.hand_over(1, "h3", "a2", 2, 30).by(1, "y3", "a2", &name("y")).hand_over(1, "g4", "y3", 2, 30);
}

fn owners() -> Vec<Case> {
    vec![
        (
            "the new owner goes on, and the former one not",
            with(Acts::new(), |acts| {
                acts.hand_over(1, "h3", "a2", 2, 30).by(2, "a4", "h3", &name("two")).by(1, "o5", "a4", &name("one"));
                acts.by(2, "a5", "a4", &cut(1));
            }),
            &["c a2 h3 a4 a5"],
        ),
        (
            "a handover beats what the former owner settles beside it",
            with(Acts::new(), |acts| {
                acts.hand_over(1, "h3", "a2", 2, 30).by(1, "y3", "a2", &name("y")).by(1, "y4", "y3", &name("yy"));
                acts.by(1, "y5", "y4", &settle()).by(1, "y6", "y5", &settle());
            }),
            &["c a2 h3"],
        ),
        (
            "a handover beats what the former owner settles before it",
            with(Acts::new(), |acts| {
                acts.by(1, "y2", "c", &name("y")).by(1, "y3", "y2", &settle()).by(1, "y4", "y3", &settle());
                acts.hand_over(1, "h3", "a2", 2, 30).by(2, "a4", "h3", &name("two"));
            }),
            &["c a2 h3 a4"],
        ),
        (
            "two acts of the new owner freeze the branch, and only that owner settles",
            with(Acts::new(), |acts| {
                acts.hand_over(1, "h3", "a2", 2, 30).by(2, "x4", "h3", &name("x")).by(2, "y4", "h3", &name("y"));
                acts.by(1, "y5", "y4", &settle());
            }),
            &["c a2 h3 x4 !", "c a2 h3 y4 !", "c a2 h3 x4 !"],
        ),
        (
            "the new owner settles two acts of its own",
            with(Acts::new(), |acts| {
                acts.hand_over(1, "h3", "a2", 2, 30).by(2, "x4", "h3", &name("x")).by(2, "y4", "h3", &name("y"));
                acts.by(2, "y5", "y4", &settle());
            }),
            &["c a2 h3 y4 y5"],
        ),
        (
            "two acts of the former owner with the number of the handover freeze nothing",
            with(Acts::new(), |acts| {
                acts.hand_over(1, "h3", "a2", 2, 30).by(1, "y3", "a2", &name("y")).by(2, "a4", "h3", &name("two"));
            }),
            &["c a2 h3 a4"],
        ),
        (
            "an owner of ill will hands over twice: what came first stays",
            with(Acts::new(), |acts| {
                acts.hand_over(1, "h3", "a2", 2, 30).hand_over(1, "g3", "a2", 3, 31);
            }),
            &["c a2 h3", "c a2 g3", "c a2 h3"],
        ),
        (
            "an owner that was restored hands over once more: what came first stays",
            with(Acts::new(), handed_twice),
            &["c a2 h3", "c a2 y3 g4", "c a2 h3"],
        ),
        (
            "of two handovers of one proposal that holds on which the new owner settles",
            with(Acts::new(), |acts| {
                handed_twice(acts);
                acts.by(2, "s4", "h3", &settle());
            }),
            &["c a2 h3 s4"],
        ),
        (
            "of two settlements of the new owner the one with the greater number holds",
            with(Acts::new(), |acts| {
                handed_twice(acts);
                acts.by(2, "a5", "g4", &name("two")).by(2, "s6", "a5", &settle());
                acts.by(2, "b4", "h3", &name("three")).by(2, "s5", "b4", &settle());
            }),
            &["c a2 y3 g4 a5 s6"],
        ),
        (
            "a handover to which nobody agreed is without effect, and beats nothing",
            with(Acts::new(), |acts| {
                let body = acts.handover(2, 30, 3);
                acts.by(1, "h3", "a2", &body).by(1, "y3", "a2", &name("y")).by(1, "y4", "y3", &settle());
            }),
            &["c a2 y3 y4"],
        ),
        (
            "a handover without effect takes its place",
            with(Acts::new(), |acts| {
                acts.by(1, "a3", "a2", &cut(3)).hand_over(1, "h4", "a3", 3, 30).hand_over(1, "h5", "h4", 1, 31);
                acts.hand_over(1, "h6", "h5", 9, 32).by(1, "a7", "h6", &name("club"));
            }),
            &["c a2 a3 h4 h5 h6 a7"],
        ),
        (
            "a proposal serves once",
            with(Acts::new(), |acts| {
                acts.hand_over(1, "h3", "a2", 2, 30).hand_over(2, "h4", "h3", 1, 31).hand_over(1, "h5", "h4", 2, 30);
                acts.by(1, "a6", "h5", &name("one"));
            }),
            &["c a2 h3 h4 h5 a6"],
        ),
        (
            "the handover that waits names who signed behind it",
            with(two_stories(), |acts| {
                acts.hand_over(1, "y4", "y3", 2, 30).by(2, "y5", "y4", &name("two")).by(1, "z5", "y4", &name("one"));
            }),
            &["c a2 y3 y4 y5"],
        ),
        (
            "the new owner is a member on the other branch only",
            with(Acts::new(), |acts| {
                acts.by(1, "x3", "a2", &name("x")).by(1, "y3", "a2", &add(&[entry(4, 4, Role::Member)]));
                acts.hand_over(1, "y4", "y3", 4, 30).by(4, "y5", "y4", &name("four"));
            }),
            &["c a2 y3 y4 y5"],
        ),
        (
            "a handover without effect behind a settle does not carry what a freeze holds back",
            with(Acts::new(), |acts| {
                acts.by(1, "y3", "a2", &cut(3)).beside(1, "x3", "a2", &name("x"), true, "y3");
                acts.by(1, "y4", "y3", &settle()).by(1, "p5", "y4", &name("p"));
                acts.beside(1, "q5", "y4", &name("q"), false, "p5");
                let body = acts.handover(2, 30, 3);
                acts.beside(1, "p6", "p5", &body, true, "y4");
            }),
            &["c a2 y3 y4 p5 !", "c a2 y3 y4 p5 !", "c a2 y3 y4 q5 !"],
        ),
    ]
}

#[test]
fn replicas_hold_the_branch_that_the_vectors_say() {
    let mut cases = Vec::new();
    for (what, acts, meant) in growing().into_iter().chain(rivals()).chain(owners()) {
        let ends = acts.orders().map(|order| (acts.arrive(&order), order));
        let rows: Vec<Value> = ends
            .iter()
            .enumerate()
            .map(|(n, (end, order))| {
                let branch: Vec<_> =
                    end["branch"].as_array().unwrap().iter().map(|label| label.as_str().unwrap()).collect();
                let frozen = if end["frozen"] == true { " !" } else { "" };
                let wanted = meant.get(n).unwrap_or(&meant[0]);
                assert_eq!(format!("{}{frozen}", branch.join(" ")), *wanted, "{what}, order {n}");
                let order: Vec<_> = order.iter().map(|n| acts.acts[*n].0).collect();
                json!({ "arrive": order, "end": end })
            })
            .collect();
        let items: BTreeMap<_, _> = acts.acts.iter().map(|(label, act)| (*label, item(act))).collect();
        cases.push(json!({ "what": what, "acts": items, "orders": rows }));
    }
    let room = Acts::new().room;
    compare("acts", &json!({ "room": hex(room.0), "cases": cases }));
}
