//! One replica, and a peer that says what it likes: whatever it says costs little, changes nothing that it may not change, and
//! leaves the room in agreement.
#![allow(clippy::unwrap_used)]

#[path = "hostile/acts.rs"]
mod acts;
#[path = "hostile/bodies.rs"]
mod bodies;
#[path = "chaos/disk.rs"]
#[allow(dead_code, reason = "the chaos tests use the rest")]
mod disk;
#[path = "hostile/forks.rs"]
mod forks;

use disk::Disk;
use ed25519_dalek::SigningKey;
use std::sync::Arc;
use torchat_protocol::room::body::acts::{
    Create, Cut, CutReason, Destroy, Entry, Handover, Policy, Promotion, Roster, Set, Settle,
};
use torchat_protocol::room::body::said::{Mute, Nick, Text};
use torchat_protocol::room::body::{Body, BoundedText, Keep, Place, Role};
use torchat_protocol::room::{
    Author, BoxKey, CloseCode, Cookie, Event, EventId, Frame, Has, Head, Hello, Identity, LogDigest, LogId, LogPlace,
    MemberKey, MemberNo, RoomId, Salt, Tag, TextId,
};
use torchat_room::Replica;
use torchat_room::outcome::{ChannelId, Context, Effect, Notice, Refusal};
use torchat_room::reading::{Read, answer};
use torchat_room::replica::{Me, Stored};
use torchat_room::signing::{Clock, create, sign};
use torchat_room::standing::Standing;

const PEER: Identity = Identity([1; 32]);
const CHANNEL: ChannelId = ChannelId(1);

fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

fn number(n: u32) -> MemberNo {
    MemberNo::new(n).unwrap()
}

/// Chain 0 of the member with a number.
fn chain(n: u32) -> Author {
    number(n).chain(0)
}

fn entry(no: u32, signs: u8, role: Role) -> Entry {
    let sign = MemberKey(key(signs).verifying_key().to_bytes());
    let id = Some(Identity([u8::try_from(no).unwrap(); 32]));
    Entry { no: number(no), sign, sealing: BoxKey([0; 32]), role, id, nick: None, via: None }
}

fn text(n: u64, words: &str) -> Body {
    let mut mid = [0; 16];
    mid[..8].copy_from_slice(&n.to_be_bytes());
    Body::Text(Text { mid: TextId(mid), text: BoundedText::new(words).unwrap(), re: None, to: vec![] })
}

/// The replica of the member with number 2, of a room of four that member 1 owns.
struct Honest {
    replica: Replica,
    disk: Disk,
    room: RoomId,
    now_ms: u64,
    acts: Vec<Arc<Event>>,
    /// Looks at the disk so far.
    reads: Vec<Read>,
}

impl Honest {
    fn new(policy: Policy) -> Self {
        Self::told(policy, true)
    }

    /// `whole`: somebody has told it everything once.
    fn told(policy: Policy, whole: bool) -> Self {
        let first = Create {
            owner: entry(1, 1, Role::Owner),
            name: BoundedText::new("lab").unwrap(),
            topic: BoundedText::default(),
            policy,
            salt: Salt([0; 16]),
        };
        let mut salt = 0_u128;
        let mut draw = || {
            salt += 1;
            Salt(salt.to_be_bytes())
        };
        let first = create(&key(1), first, 1, &mut draw).unwrap();
        let room = RoomId(first.id().0);
        let (me, log) = (Me { seed: [2; 32], chain: 0 }, LogId([5; 8]));
        let replica = Replica::load(Stored::new(room, log, Some(me.clone())));
        let disk = Disk::new(room, me, log);
        let mut honest = Self { replica, disk, room, now_ms: 0, acts: vec![Arc::new(first.clone())], reads: vec![] };
        if whole {
            honest.turn(|replica, ctx| replica.found_room(ctx, first.clone()));
        }
        let roles = [(2, Role::Member), (3, Role::Moderator), (4, Role::Member)];
        let add = roles.map(|(no, role)| entry(no, u8::try_from(no).unwrap(), role)).to_vec();
        let act = honest.next_act(&Body::Roster(Roster { add, ..Roster::default() }));
        honest.turn(|replica, ctx| replica.open(ctx, CHANNEL, PEER, Some(number(1)), None));
        honest.hello(Has::Heads(vec![Head { author: Author::ACTS, seq: 2, tag: act.id().tag() }]));
        honest.hear(Frame::Events(vec![first, (*act).clone()]));
        assert_eq!(honest.replica.acts(), 2);
        honest
    }

    /// An act of the owner behind those that are there.
    fn next_act(&mut self, body: &Body) -> Arc<Event> {
        let last = self.acts.last().unwrap();
        let act = self.event(1, Place { author: Author::ACTS, seq: last.header().seq + 1 }, last.id(), body);
        self.acts.push(act.clone());
        act
    }

    /// An event at any place, signed by any key.
    fn event(&self, signs: u8, place: Place, prev: EventId, body: &Body) -> Arc<Event> {
        let clock = Clock { acts: 2, lamport: 5, minute: 1 };
        Arc::new(sign(&key(signs), Some(self.room), place.author, place.seq, prev, clock, body).unwrap())
    }

    /// The events of a chain, from the first on.
    fn chain_of(&self, signs: u8, author: Author, bodies: impl IntoIterator<Item = Body>) -> Vec<Event> {
        let mut prev = self.room.as_event();
        let mut events = Vec::new();
        for (n, body) in bodies.into_iter().enumerate() {
            let event = self.event(signs, Place { author, seq: n as u64 + 1 }, prev, &body);
            prev = event.id();
            events.push((*event).clone());
        }
        events
    }

    /// One input: decided, written, and what it wants looked up is looked up at once. Returns the other effects.
    fn turn<T>(&mut self, input: impl FnOnce(&mut Replica, &mut Context<'_>) -> T) -> Vec<Effect> {
        let mut random = |bytes: &mut [u8]| bytes.fill(7);
        let mut ctx = Context { now_ms: self.now_ms, minute: 1, random: &mut random };
        input(&mut self.replica, &mut ctx);
        self.replica.flush(&mut ctx);
        let mut effects = Vec::new();
        loop {
            let outcome = self.replica.take();
            outcome.ops.into_iter().for_each(|op| self.disk.write(op));
            let mut again = false;
            for effect in outcome.effects {
                let Effect::Read(read) = effect else {
                    effects.push(effect);
                    continue;
                };
                let Ok((frames, report)) = answer(&self.disk, &read);
                effects.extend(frames.into_iter().map(|frame| Effect::Send(CHANNEL, frame)));
                self.reads.push(read);
                self.replica.report(&mut ctx, report);
                self.replica.flush(&mut ctx);
                again = true;
            }
            if !again {
                return effects;
            }
        }
    }

    fn hear(&mut self, frame: Frame) -> Vec<Effect> {
        self.turn(|replica, ctx| replica.hear(ctx, CHANNEL, frame, &[]))
    }

    fn hello(&mut self, has: Has) -> Vec<Effect> {
        self.hear(Frame::Hello(Hello { log: LogId([9; 8]), has, want: None, credit: 262_144 }))
    }

    fn hear_events(&mut self, events: &[Event]) -> Vec<Effect> {
        self.hear(Frame::Events(events.to_vec()))
    }

    fn heads(&self) -> Vec<Head> {
        self.replica.frontier()
    }

    fn texts(&self) -> usize {
        self.disk.view().texts.len()
    }
}

fn said(effects: &[Effect]) -> Vec<&Frame> {
    effects.iter().filter_map(|effect| if let Effect::Send(_, frame) = effect { Some(frame) } else { None }).collect()
}

fn events_said(effects: &[Effect]) -> Vec<&Event> {
    let lists =
        said(effects).into_iter().filter_map(|frame| if let Frame::Events(list) = frame { Some(list) } else { None });
    lists.flatten().collect()
}

fn ends(effects: &[Effect]) -> bool {
    effects.contains(&Effect::EndLink(CHANNEL))
}

#[test]
fn what_waits_is_bounded_and_what_follows_is_taken() {
    let mut honest = Honest::new(Policy::default());
    // Events of every member, each far behind what is there, so that nobody can check them.
    for n in 0..2_000_u64 {
        let author = chain(u32::try_from(2 + n % 3).unwrap());
        let event = honest.event(9, Place { author, seq: 1_000 + n }, EventId([3; 32]), &text(n, "wait"));
        honest.hear_events(&[(*event).clone()]);
    }
    assert!(honest.replica.waiting() <= 3 * 64, "{} wait", honest.replica.waiting());
    // Events of people who are no members yet, by acts that are not here yet.
    for n in 0..3_000_u32 {
        let event = honest.event(9, Place { author: chain(100 + n), seq: 1 }, honest.room.as_event(), &text(1, "wait"));
        let mut header = *event.header();
        header.acts = 77;
        let event = Event::new(header, *event.signature(), event.body().unwrap().clone()).unwrap();
        honest.hear_events(&[event]);
    }
    assert!(honest.replica.waiting() <= 1_000, "{} wait", honest.replica.waiting());
    let good = honest.chain_of(4, chain(4), (0..5).map(|n| text(n, "good")));
    honest.hear_events(&good);
    assert_eq!(honest.texts(), 5);
}

#[test]
fn sixty_four_wrong_signatures_are_borne_and_not_one_more() {
    let mut honest = Honest::new(Policy::default());
    let wrong = honest.event(3, Place { author: chain(4), seq: 1 }, honest.room.as_event(), &text(1, "not mine"));
    for n in 1..=65 {
        let effects = honest.hear_events(&[(*wrong).clone()]);
        assert!(effects.contains(&Effect::Notice(Notice::Refused(CHANNEL, Refusal::Signature))), "{n}");
        assert_eq!(ends(&effects), n > 64, "{n}");
    }
    assert_eq!(honest.texts(), 0);
}

#[test]
fn who_says_twice_what_it_was_granted_loses_the_link() {
    let mut honest = Honest::new(Policy::default());
    // All of it counts, whether it is taken or not.
    let filling = "x".repeat(16_000);
    let place = Place { author: chain(4), seq: 500 };
    let event = honest.event(4, place, EventId([3; 32]), &text(1, &filling));
    let bytes = Frame::event_len(&event);
    let mut say = |times: usize| {
        ends(&honest.turn(|replica, ctx| {
            // What one turn takes is granted again at its end; these come before.
            for _ in 0..times {
                replica.hear(ctx, CHANNEL, Frame::Events(vec![(*event).clone()]), &[]);
            }
        }))
    };
    let twice = 2 * 262_144 / bytes;
    for _ in 0..10 {
        assert!(!say(twice - 1), "what was granted comes back");
    }
    assert!(say(twice + 5));
}

#[test]
fn a_logical_time_far_ahead_is_stored_and_moves_nobody() {
    let mut honest = Honest::new(Policy::default());
    let far = Clock { acts: 2, lamport: (1 << 53) - 1, minute: 1 };
    let room = honest.room;
    let event = sign(&key(4), Some(room), chain(4), 1, room.as_event(), far, &text(1, "from far")).unwrap();
    honest.hear_events(&[event]);
    assert_eq!(honest.texts(), 1);
    // Our own next event has a time that others can still follow.
    honest.hear(Frame::Mark(LogPlace { next: 1, digest: LogDigest::EMPTY }));
    let Body::Text(mine) = text(2, "from here") else { unreachable!() };
    let effects = honest.turn(|replica, ctx| replica.say_text(ctx, mine).unwrap());
    let own: Vec<_> = events_said(&effects).into_iter().filter(|event| event.header().author == chain(2)).collect();
    assert_eq!(own.len(), 1);
    assert!(own[0].header().lamport < 100, "{}", own[0].header().lamport);
}

#[test]
fn nobody_takes_the_place_of_anothers_text_by_copying_its_id() {
    let mut honest = Honest::new(Policy::default());
    let original = honest.chain_of(4, chain(4), [text(1, "the original")]);
    let copy = honest.chain_of(3, chain(3), [text(1, "the copy")]);
    honest.hear_events(&copy);
    honest.hear_events(&original);
    assert_eq!(honest.texts(), 2);
}

#[test]
fn a_chain_begins_only_at_an_event_of_its_author_and_only_before_the_first_mark() {
    let long = |honest: &Honest| honest.chain_of(4, chain(4), (0..6).map(|n| text(n, "long")));
    let forged = |honest: &Honest| honest.chain_of(9, chain(4), (0..6).map(|n| text(n, "forged")));
    let base = |events: &[Event]| Frame::Base(vec![events[3].stripped()]);
    let mut honest = Honest::told(Policy::default(), false);
    honest.hear(base(&forged(&honest)));
    assert_eq!(honest.replica.floors().count(), 0, "nobody signed it");
    honest.hear(Frame::Base(vec![{
        // Of nobody that the acts know.
        let events = honest.chain_of(9, chain(9), (0..6).map(|n| text(n, "nobody's")));
        events[3].stripped()
    }]));
    assert_eq!(honest.replica.floors().count(), 0, "it is nobody's");
    honest.hear(base(&long(&honest)));
    assert_eq!(honest.replica.floors().collect::<Vec<_>>(), [(chain(4), 4)]);
    honest.hear_events(&long(&honest)[4..]);
    assert_eq!(honest.texts(), 2);
    // A later one changes nothing.
    honest.hear(Frame::Base(vec![long(&honest)[5].stripped()]));
    assert_eq!(honest.replica.floors().collect::<Vec<_>>(), [(chain(4), 4)]);

    let mut honest = Honest::told(Policy::default(), false);
    honest.hear(Frame::Mark(LogPlace { next: 1, digest: LogDigest::EMPTY }));
    honest.hear(base(&long(&honest)));
    assert_eq!(honest.replica.floors().count(), 0, "everything was told, so nothing begins later");
}

#[test]
fn a_newcomer_gets_nothing_from_before_its_start_whatever_it_says() {
    let mut honest = Honest::new(Policy { history: 0, ..Policy::default() });
    let early = honest.chain_of(4, chain(4), (0..5).map(|n| text(n, "secret")));
    honest.hear_events(&early);
    let add = vec![entry(5, 5, Role::Member)];
    let act = honest.next_act(&Body::Roster(Roster { add, ..Roster::default() }));
    honest.hear_events(&[(*act).clone()]);
    // It comes on a channel of its own.
    honest.turn(|replica, _| replica.closed(CHANNEL));
    honest.turn(|replica, ctx| replica.open(ctx, CHANNEL, Identity([5; 32]), Some(number(5)), None));
    let nothing = vec![Head { author: Author::ACTS, seq: 0, tag: Tag::NONE }];
    let invented = vec![Head { author: chain(4), seq: 1, tag: Tag([1; 8]) }];
    let mut heard = honest.hello(Has::Heads(nothing.clone()));
    for heads in [nothing, invented, vec![]] {
        honest.now_ms += 60_000;
        heard.extend(honest.hear(Frame::Have(heads)));
    }
    honest.now_ms += 60_000;
    heard.extend(honest.hear(Frame::Need(chain(4), 5)));
    heard.extend(honest.hear(Frame::Body((1..=5).map(|seq| (chain(4), seq)).collect())));
    heard.extend(honest.hear(Frame::Need(Author::ACTS, 9)));
    let texts: Vec<_> = events_said(&heard).into_iter().filter(|event| event.header().kind == 16).collect();
    assert!(texts.is_empty(), "{texts:?}");
    let acts = events_said(&heard).into_iter().filter(|event| event.header().author == Author::ACTS).count();
    assert!(acts >= 3, "the acts are for everybody");
    // What is said from now on is for it.
    let place = Place { author: chain(4), seq: 6 };
    let later = honest.event(4, place, early[4].id(), &text(6, "for all"));
    honest.turn(|replica, ctx| replica.open(ctx, ChannelId(2), PEER, Some(number(1)), None));
    let effects = honest.turn(|replica, ctx| {
        replica.hear(ctx, ChannelId(2), Frame::Events(vec![(*later).clone()]), &[]);
    });
    assert_eq!(events_said(&effects).len(), 1);
}

#[test]
fn questions_are_answered_now_and_then() {
    let mut honest = Honest::new(Policy::default());
    let events = honest.chain_of(4, chain(4), (0..50).map(|n| text(n, "many")));
    honest.hear_events(&events);
    honest.reads.clear();
    for n in 0..1_000 {
        honest.hear(Frame::Need(chain(4), 1 + n % 50));
        honest.hear(Frame::Have(vec![]));
    }
    let (mut chains, mut logs) = (0, 0);
    for read in &honest.reads {
        match read {
            Read::Chain { .. } => chains += 1,
            Read::Log { from: 1, .. } => logs += 1,
            _ => {}
        }
    }
    assert_eq!((chains, logs), (1, 1), "of 1,000 questions in one moment");
    // The last one that was put off is answered later, once.
    honest.now_ms += 10_000;
    honest.turn(|_, _| ());
    let logs = honest.reads.iter().filter(|read| matches!(read, Read::Log { from: 1, .. })).count();
    assert_eq!(logs, 2);
}

#[test]
fn a_second_hello_ends_the_link() {
    let mut honest = Honest::new(Policy::default());
    assert!(ends(&honest.hello(Has::Heads(vec![]))));
}

#[test]
fn a_cookie_that_is_not_of_this_log_is_answered_by_reset() {
    let mut honest = Honest::new(Policy::default());
    let (next, log) = (honest.replica.next(), honest.replica.log());
    let digest = honest.disk.stored().digest;
    let good = LogPlace { next, digest };
    let mut reset = |cookie: Cookie| {
        honest.turn(|replica, _| replica.closed(CHANNEL));
        honest.turn(|replica, ctx| replica.open(ctx, CHANNEL, PEER, Some(number(1)), None));
        let effects = honest.hello(Has::Upto(cookie));
        said(&effects).contains(&&Frame::Reset)
    };
    assert!(!reset(Cookie { log, place: good }));
    assert!(!reset(Cookie { log, place: LogPlace { next: 1, digest: LogDigest::EMPTY } }));
    assert!(reset(Cookie { log: LogId([0; 8]), place: good }), "another log");
    assert!(reset(Cookie { log, place: LogPlace { next: next + 1, digest } }), "longer than ours");
    assert!(reset(Cookie { log, place: LogPlace { next: next - 1, digest } }), "another digest");
    assert!(reset(Cookie { log, place: LogPlace { next: 0, digest: LogDigest::EMPTY } }), "no place");
    assert!(reset(Cookie { log, place: LogPlace { next: u64::MAX, digest } }), "no place");
}

#[test]
fn acts_of_members_are_not_even_kept_apart() {
    let mut honest = Honest::new(Policy::default());
    let before = honest.disk.stored();
    for n in 0..100_u64 {
        let cut = Cut { no: number(2), keep: Keep::NOTHING, why: CutReason::Removed };
        let act = Body::Roster(Roster { cut: vec![cut], ..Roster::default() });
        // By a moderator: beside, behind and far behind the acts that are there.
        for (seq, prev) in [(2, honest.acts[0].id()), (3, honest.acts[1].id()), (900 + n, EventId([8; 32]))] {
            let event = honest.event(3, Place { author: Author::ACTS, seq }, prev, &act);
            honest.hear_events(&[(*event).clone()]);
        }
    }
    let after = honest.disk.stored();
    assert_eq!(after.rivals, before.rivals);
    assert_eq!(after.acts, before.acts);
    assert!(!honest.replica.is_frozen());
    assert!(honest.replica.role().is_some());
}

#[test]
fn a_number_that_gets_another_key_on_another_branch_begins_anew() {
    let mut honest = Honest::new(Policy::default());
    let add = |signs: u8| Body::Roster(Roster { add: vec![entry(5, signs, Role::Member)], ..Roster::default() });
    let (one, other) = {
        let (place, prev) = (Place { author: Author::ACTS, seq: 3 }, honest.acts[1].id());
        (honest.event(1, place, prev, &add(5)), honest.event(1, place, prev, &add(6)))
    };
    honest.hear_events(&[(*one).clone()]);
    let first = honest.chain_of(5, chain(5), [text(1, "of the first"), text(2, "of the first")]);
    honest.hear_events(&first);
    assert_eq!(honest.texts(), 2);
    // The owner, restored from a backup, gave the number to somebody else, too.
    honest.hear_events(&[(*other).clone()]);
    assert!(honest.replica.is_frozen());
    assert_eq!(honest.texts(), 2, "talk does not change");
    let settle = Body::Settle(Settle::default());
    let settle = honest.event(1, Place { author: Author::ACTS, seq: 4 }, other.id(), &settle);
    let effects = honest.hear_events(&[(*settle).clone()]);
    assert!(effects.contains(&Effect::Notice(Notice::OtherBranch { ours: false })) && !honest.replica.is_frozen());
    assert_eq!(honest.texts(), 0, "they were somebody else's");
    honest.turn(|replica, ctx| replica.open(ctx, ChannelId(2), PEER, Some(number(1)), None));
    let second = honest.chain_of(6, chain(5), [text(1, "of the second")]);
    honest.turn(|replica, ctx| replica.hear(ctx, ChannelId(2), Frame::Events(second.clone()), &[]));
    assert_eq!(honest.texts(), 1);
    let again = Replica::load(honest.disk.stored());
    assert_eq!(again.frontier(), honest.heads(), "a restart changes nothing");
    // And those of the first are taken no more.
    honest.turn(|replica, ctx| replica.hear(ctx, ChannelId(2), Frame::Events(first), &[]));
    assert_eq!(honest.texts(), 1);
}

#[test]
fn who_gets_the_room_by_a_handover_has_contradicted_nobody() {
    let mut honest = Honest::new(Policy::default());
    let (place, prev) = (Place { author: Author::ACTS, seq: 3 }, honest.acts[1].id());
    let set = Body::Set(Set { name: None, topic: None, policy: None });
    let (beside, hands) = (honest.event(1, place, prev, &set), honest.event(1, place, prev, &handover(&honest, 2, 1)));
    honest.hear_events(&[(*beside).clone()]);
    assert_eq!(honest.replica.role(), Some(Role::Member));
    let effects = honest.hear_events(&[(*hands).clone()]);
    assert_eq!(honest.replica.role(), Some(Role::Owner));
    // Both are the former owner's. Else the new one would end its invites, and believe that its store is a backup.
    assert!(effects.contains(&Effect::Notice(Notice::OtherBranch { ours: false })), "{effects:?}");
}

#[test]
fn a_mute_by_somebody_who_is_no_moderator_hides_nothing() {
    let mut honest = Honest::new(Policy::default());
    honest.hear_events(&honest.chain_of(2, chain(2), []));
    let mute = |who: u32| Body::Mute(Mute { who: number(who), keep: Keep::NOTHING, why: None });
    let mine = honest.chain_of(4, chain(4), [text(1, "hello"), mute(3), mute(2)]);
    honest.hear_events(&mine);
    assert_eq!(honest.replica.standing(Place { author: chain(3), seq: 1 }), Standing::As(Role::Moderator));
    assert_eq!(honest.replica.standing(Place { author: chain(2), seq: 1 }), Standing::As(Role::Member));
    // A moderator's does, and hides no moderator.
    let moderators = honest.chain_of(3, chain(3), [mute(4), mute(3)]);
    honest.hear_events(&moderators);
    assert_eq!(honest.replica.standing(Place { author: chain(4), seq: 1 }), Standing::Hidden(Role::Member));
    assert_eq!(honest.replica.standing(Place { author: chain(3), seq: 9 }), Standing::As(Role::Moderator));
    assert_eq!(honest.texts(), 0);
}

#[test]
fn old_events_are_looked_up_a_few_at_a_time() {
    let mut honest = Honest::new(Policy::default());
    let events = honest.chain_of(4, chain(4), (0..700).map(|n| text(n, "old")));
    for events in events.chunks(100) {
        honest.hear_events(events);
    }
    // The first ones are not in memory any more. All in one turn, so that no answer comes meanwhile.
    let mut random = |bytes: &mut [u8]| bytes.fill(7);
    let mut ctx = Context { now_ms: honest.now_ms, minute: 1, random: &mut random };
    for _ in 0..3 {
        honest.replica.hear(&mut ctx, CHANNEL, Frame::Events(events[..300].to_vec()), &[]);
    }
    let effects = honest.replica.take().effects;
    let looks = effects.iter().filter(|effect| matches!(effect, Effect::Read(Read::Find { .. }))).count();
    assert_eq!(looks, 256);
    assert!(effects.contains(&Effect::Notice(Notice::Refused(CHANNEL, Refusal::TooManyOld))));
}

fn set(name: &str) -> Body {
    Body::Set(Set { name: BoundedText::new(name), topic: None, policy: None })
}

fn mute(who: u32) -> Body {
    Body::Mute(Mute { who: number(who), keep: Keep::NOTHING, why: None })
}

#[test]
fn a_number_that_is_given_again_later_begins_anew_too() {
    let mut honest = Honest::new(Policy::default());
    let add = |signs: u8| Body::Roster(Roster { add: vec![entry(5, signs, Role::Member)], ..Roster::default() });
    let (place, prev) = (Place { author: Author::ACTS, seq: 3 }, honest.acts[1].id());
    let (one, other) = (honest.event(1, place, prev, &add(5)), honest.event(1, place, prev, &set("x")));
    honest.hear_events(&[(*one).clone()]);
    honest.hear_events(&honest.chain_of(5, chain(5), [text(1, "of the first"), text(2, "of the first")]));
    honest.hear_events(&[(*other).clone()]);
    let settle = Body::Settle(Settle::default());
    let settle = honest.event(1, Place { author: Author::ACTS, seq: 4 }, other.id(), &settle);
    honest.hear_events(&[(*settle).clone()]);
    let again = honest.event(1, Place { author: Author::ACTS, seq: 5 }, settle.id(), &add(6));
    let second = honest.chain_of(6, chain(5), (1..=3).map(|n| text(n, "of the second")));
    for (channel, events) in [(2, vec![(*again).clone()]), (3, second)] {
        honest.turn(|replica, ctx| replica.open(ctx, ChannelId(channel), PEER, Some(number(1)), None));
        honest.turn(|replica, ctx| replica.hear(ctx, ChannelId(channel), Frame::Events(events), &[]));
    }
    assert_eq!(honest.texts(), 3, "only those of who has the number now");
}

#[test]
fn a_proof_that_comes_before_the_beginning_of_a_chain_is_kept() {
    let mut honest = Honest::told(Policy::default(), false);
    let long = honest.chain_of(4, chain(4), (0..12).map(|n| text(n, "long")));
    let rival = honest.event(4, Place { author: chain(4), seq: 10 }, long[8].id(), &text(99, "rival"));
    honest.hear(Frame::Fork(Box::new((long[9].stripped(), rival.stripped()))));
    honest.hear(Frame::Base(vec![long[4].stripped()]));
    honest.hear_events(&long[5..]);
    assert_eq!(honest.replica.floors().collect::<Vec<_>>(), [(chain(4), 5)]);
    assert_eq!(honest.replica.forks().collect::<Vec<_>>(), [(chain(4), 9)]);
    assert_eq!(honest.texts(), 4, "what is between the floor and the fork");
}

#[test]
fn a_newcomer_has_one_channel_and_begins_again_if_it_ends_too_early() {
    let mut honest = Honest::told(Policy::default(), false);
    let long = honest.chain_of(4, chain(4), (0..6).map(|n| text(n, "long")));
    honest.hear(Frame::Base(vec![long[3].stripped()]));
    let second = honest.turn(|replica, ctx| replica.open(ctx, ChannelId(2), Identity([4; 32]), Some(number(4)), None));
    assert!(second.contains(&Effect::Close(ChannelId(2), CloseCode::Busy)), "{second:?}");
    honest.turn(|replica, _| replica.closed(CHANNEL));
    let effects = honest.turn(|replica, ctx| replica.open(ctx, ChannelId(3), PEER, Some(number(1)), None));
    let nothing = Has::Heads(vec![Head { author: Author::ACTS, seq: 0, tag: Tag::NONE }]);
    assert!(said(&effects).iter().any(|frame| matches!(frame, Frame::Hello(hello) if hello.has == nothing)));
    assert_eq!((honest.replica.acts(), honest.replica.floors().count(), honest.replica.next()), (0, 0, 1));
    let again = Replica::load(honest.disk.stored());
    assert_eq!((again.acts(), again.next()), (0, 1), "on the disk, too");
}

#[test]
fn a_member_that_says_much_takes_nobodys_places_below_the_floors() {
    let mut honest = Honest::told(Policy::default(), false);
    let nick = |n: usize| Body::Nick(Nick { nick: BoundedText::new(format!("n{n}")).unwrap() });
    let nicks = honest.chain_of(4, chain(4), (0..4_100).map(nick));
    let moderator = honest.chain_of(3, chain(3), [mute(4), text(2, "b"), text(3, "c")]);
    honest.hear(Frame::Base(vec![moderator[2].stripped(), nicks[4_099].stripped()]));
    for part in nicks[..4_099].chunks(50) {
        honest.hear_events(part);
    }
    honest.hear_events(&moderator[..1]);
    assert_eq!(honest.replica.standing(Place { author: chain(4), seq: 4_101 }), Standing::Hidden(Role::Member));
    assert_eq!(honest.disk.stored().loose.len(), 1_024 + 1);
}

#[test]
fn only_acts_that_freeze_are_told_to_everybody_and_behind_the_log() {
    let mut honest = Honest::new(Policy::default());
    let adds = |from: u32, signs: u8| {
        let add = (from..from + 250).map(|no| Entry { no: number(no), ..entry(9, signs, Role::Member) }).collect();
        Body::Roster(Roster { add, ..Roster::default() })
    };
    let (mut seq, mut prev) = (3, honest.acts[1].id());
    for n in 0..7 {
        let place = Place { author: Author::ACTS, seq };
        let one = honest.event(1, place, prev, &adds(100 + n * 300, 7));
        let other = honest.event(1, place, prev, &adds(100 + n * 300, 8));
        let place = Place { author: Author::ACTS, seq: seq + 1 };
        let settle = honest.event(1, place, one.id(), &Body::Settle(Settle::default()));
        for act in [&one, &other, &settle] {
            honest.hear_events(&[(**act).clone()]);
        }
        (seq, prev) = (seq + 2, settle.id());
    }
    let heads = honest.heads();
    honest.turn(|replica, _| replica.closed(CHANNEL));
    honest.turn(|replica, ctx| replica.open(ctx, CHANNEL, PEER, Some(number(1)), None));
    assert!(events_said(&honest.hello(Has::Heads(heads.clone()))).is_empty(), "all of it is settled");
    // One that is not.
    let place = Place { author: Author::ACTS, seq };
    let (one, other) = (honest.event(1, place, prev, &set("one")), honest.event(1, place, prev, &set("other")));
    honest.hear_events(&[(*one).clone(), (*other).clone()]);
    assert!(honest.replica.is_frozen());
    let heads = honest.heads();
    honest.turn(|replica, _| replica.closed(CHANNEL));
    honest.turn(|replica, ctx| replica.open(ctx, CHANNEL, PEER, Some(number(1)), None));
    let effects = honest.hello(Has::Heads(heads));
    let frames = said(&effects);
    let mark = frames.iter().position(|frame| matches!(frame, Frame::Mark(_))).unwrap();
    let events = frames.iter().position(|frame| matches!(frame, Frame::Events(_))).unwrap();
    assert!(mark < events && events_said(&effects).len() == 2);
}

#[test]
fn a_newcomer_without_acts_counts_no_act_as_wrongly_signed() {
    let mut honest = Honest::told(Policy::default(), false);
    let acts = honest.acts.clone();
    // As if it knew nothing yet.
    honest.turn(|replica, _| replica.closed(CHANNEL));
    honest.turn(|replica, ctx| replica.open(ctx, ChannelId(2), PEER, Some(number(1)), None));
    let effects = honest.turn(|replica, ctx| {
        for _ in 0..100 {
            replica.hear(ctx, ChannelId(2), Frame::Events(vec![(*acts[1]).clone()]), &[]);
        }
    });
    assert!(!effects.contains(&Effect::EndLink(ChannelId(2))), "{effects:?}");
}

#[test]
fn nothing_is_decided_in_a_room_that_has_ended() {
    let mut honest = Honest::new(Policy::default());
    let end = honest.next_act(&Body::Destroy(Destroy { why: None }));
    honest.hear_events(&[(*end).clone()]);
    let more = honest.next_act(&set("after"));
    honest.hear_events(&[(*more).clone()]);
    assert!(honest.replica.roster().destroyed);
    assert_eq!((honest.replica.acts(), honest.replica.roster().name.as_str()), (3, "lab"));
}

#[test]
fn a_former_owner_decides_nothing_and_pushes_nothing_out() {
    let mut honest = Honest::new(Policy::default());
    let proposal = EventId([3; 32]);
    let signed = Handover::to_be_signed(honest.room, proposal, number(3));
    let accept = torchat_protocol::room::Signature(ed25519_dalek::Signer::sign(&key(3), &signed).to_bytes());
    let (old, new) = (Keep::NOTHING, Keep::NOTHING);
    let act = honest.next_act(&Body::Handover(Handover { to: number(3), proposal, accept, old, new }));
    honest.hear_events(&[(*act).clone()]);
    assert_eq!(honest.replica.roster().owner, number(3));
    let settle = Body::Settle(Settle::default());
    let beside = honest.event(1, Place { author: Author::ACTS, seq: 3 }, honest.acts[1].id(), &settle);
    let behind = honest.event(1, Place { author: Author::ACTS, seq: 4 }, act.id(), &settle);
    honest.hear_events(&[(*beside).clone(), (*behind).clone()]);
    // What stands behind the handover never holds. What stands beside it may be the way to what the new owner said there.
    let kept = |honest: &Honest| (honest.disk.stored().rivals.len(), honest.disk.stored().act_forks.len());
    assert_eq!(kept(&honest), (1, 0));
    assert!(!honest.replica.needs_settlement() && honest.replica.acts() == 3);
    // An act of the new owner waits for the one before it; the former owner floods.
    let waits = honest.event(3, Place { author: Author::ACTS, seq: 5 }, EventId([9; 32]), &settle);
    honest.hear_events(&[(*waits).clone()]);
    for lost in 0..200 {
        let settle = Body::Settle(Settle { lost: Some(lost) });
        let beside = honest.event(1, Place { author: Author::ACTS, seq: 3 }, honest.acts[1].id(), &settle);
        honest.hear_events(&[(*beside).clone()]);
    }
    assert_eq!(kept(&honest), (1 + 64, 0));
    assert!(honest.disk.stored().rivals.iter().any(|act| act.id() == waits.id()));
    assert!(!honest.replica.needs_settlement() && honest.replica.acts() == 3);
    // It hands the room over to the new owner as often as it likes: that one settles once.
    for n in 0..3 {
        let clock = Keep::from_iter([(n, 1)]);
        let again = Body::Handover(Handover { to: number(3), proposal, accept, old: clock, new: Keep::NOTHING });
        let again = honest.event(1, Place { author: Author::ACTS, seq: 3 }, honest.acts[1].id(), &again);
        honest.hear_events(&[(*again).clone()]);
        assert_eq!(honest.replica.needs_settlement(), n == 0);
        if n == 0 {
            let settled = honest.event(3, Place { author: Author::ACTS, seq: 4 }, act.id(), &settle);
            honest.hear_events(&[(*settled).clone()]);
        }
    }
    assert_eq!(honest.replica.acts(), 4);
}

#[test]
fn junk_proofs_of_one_take_nobodys_places() {
    let mut honest = Honest::new(Policy::default());
    let fork = |honest: &Honest, no: u32, signs: u8| {
        let place = Place { author: chain(no), seq: 1 };
        let [one, other] = [1, 2].map(|n| honest.event(signs, place, honest.room.as_event(), &text(n, "two")));
        Frame::Fork(Box::new((one.stripped(), other.stripped())))
    };
    honest.turn(|replica, ctx| replica.open(ctx, ChannelId(2), Identity([4; 32]), Some(number(4)), None));
    for n in 0..200 {
        let junk = fork(&honest, 1_000 + n, 9);
        honest.turn(|replica, ctx| replica.hear(ctx, ChannelId(2), junk, &[]));
    }
    let real = fork(&honest, 5, 5);
    honest.hear(real);
    let act = honest.next_act(&Body::Roster(Roster { add: vec![entry(5, 5, Role::Member)], ..Roster::default() }));
    honest.hear_events(&[(*act).clone()]);
    assert_eq!(honest.replica.forks().collect::<Vec<_>>(), [(chain(5), 0)]);
}

#[test]
fn whoever_is_no_member_is_told_nothing() {
    let mut honest = Honest::new(Policy::default());
    for member in [None, Some(number(77))] {
        honest.turn(|replica, ctx| replica.open(ctx, ChannelId(2), Identity([77; 32]), member, None));
        let effects = honest.turn(|replica, ctx| {
            let hello = Hello { log: LogId([9; 8]), has: Has::Heads(vec![]), want: None, credit: 262_144 };
            replica.hear(ctx, ChannelId(2), Frame::Hello(hello), &[]);
        });
        assert!(said(&effects).is_empty(), "{effects:?}");
        let effects = honest.turn(|replica, ctx| {
            for frame in [
                Frame::Have(vec![]),
                Frame::Need(Author::ACTS, 2),
                Frame::Need(chain(4), 1),
                Frame::Body(vec![(chain(4), 1)]),
                Frame::Credit(262_144),
            ] {
                replica.hear(ctx, ChannelId(2), frame, &[]);
            }
        });
        assert!(said(&effects).is_empty(), "{effects:?}");
        // But it may tell: a branch on which it is none may be a lie.
        let event = honest.chain_of(4, chain(4), [text(1, "told")]);
        honest.turn(|replica, ctx| replica.hear(ctx, ChannelId(2), Frame::Events(event), &[]));
        assert_eq!(honest.texts(), 1);
    }
}

/// A handover of the room to a member, who agrees.
fn handover(honest: &Honest, to: u8, proposal: u8) -> Body {
    let (no, proposal) = (number(u32::from(to)), EventId([proposal; 32]));
    let signed = Handover::to_be_signed(honest.room, proposal, no);
    let accept = torchat_protocol::room::Signature(ed25519_dalek::Signer::sign(&key(to), &signed).to_bytes());
    Body::Handover(Handover { to: no, proposal, accept, old: Keep::NOTHING, new: Keep::NOTHING })
}

#[test]
fn who_knows_a_handover_is_not_moved_by_another_one() {
    let mut honest = Honest::new(Policy::default());
    let third = honest.next_act(&set("x"));
    let place = Place { author: Author::ACTS, seq: 4 };
    let [to_3, to_4] = [3, 4].map(|to| honest.event(1, place, third.id(), &handover(&honest, to, to)));
    // Both come before the act on which they stand; then the one with the smaller id holds.
    let (other, heir) = if to_3.id() < to_4.id() { (&to_4, 4) } else { (&to_3, 3) };
    let settle = Body::Settle(Settle::default());
    let settle = honest.event(heir, Place { author: Author::ACTS, seq: 5 }, other.id(), &settle);
    honest.hear_events(&[(*to_3).clone(), (*to_4).clone(), (*settle).clone()]);
    honest.hear_events(&[(*third).clone()]);
    assert_eq!(honest.replica.acts(), 4);
    assert_ne!(honest.replica.roster().owner, number(u32::from(heir)), "the settlement is on the other branch");
}

#[test]
fn who_is_on_another_branch_is_told_what_decides_whatever_its_frontier_says() {
    let mut honest = Honest::new(Policy::default());
    let place = Place { author: Author::ACTS, seq: 3 };
    let [one, other] = ["one", "other"].map(|name| honest.event(1, place, honest.acts[1].id(), &set(name)));
    let settle = Body::Settle(Settle::default());
    let settle = honest.event(1, Place { author: Author::ACTS, seq: 4 }, one.id(), &settle);
    honest.hear_events(&[(*one).clone(), (*other).clone(), (*settle).clone()]);
    assert_eq!(honest.replica.acts(), 4);
    honest.turn(|replica, _| replica.closed(CHANNEL));
    honest.turn(|replica, ctx| replica.open(ctx, CHANNEL, PEER, Some(number(1)), None));
    // Nine acts, the last of which is none of ours.
    let effects = honest.hello(Has::Heads(vec![Head { author: Author::ACTS, seq: 9, tag: Tag([9; 8]) }]));
    let told: Vec<_> = events_said(&effects).into_iter().map(Event::id).collect();
    assert_eq!(told, [settle.id()], "not the other acts: those are asked for");
}

#[test]
fn a_mute_ends_with_the_role_of_its_moderator() {
    let mut honest = Honest::new(Policy::default());
    honest.hear_events(&honest.chain_of(4, chain(4), [text(1, "hello")]));
    honest.hear_events(&honest.chain_of(3, chain(3), [mute(4)]));
    assert_eq!(honest.texts(), 0);
    let role = vec![Promotion { no: number(3), role: Role::Member, keep: Keep::NOTHING }];
    let act = honest.next_act(&Body::Roster(Roster { role, ..Roster::default() }));
    honest.hear_events(&[(*act).clone()]);
    assert_eq!(honest.replica.standing(Place { author: chain(4), seq: 1 }), Standing::As(Role::Member));
    assert_eq!(honest.texts(), 1);
}
