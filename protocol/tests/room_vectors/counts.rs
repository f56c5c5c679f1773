//! What counts: sets of events under branches of acts, with what is seen of them. Written down by hand, so that whoever
//! computes it is compared with what was meant.

use super::{compare, example, header, hex, public, room, sealing, seed, signed, text};
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use torchat_protocol::room::body::acts::{Cut, CutReason, Entry, Handover, Promotion, Roster, Set};
use torchat_protocol::room::body::said::{Edit, Hand, Mute, Nick, Reaction, Redact, Text, Topic, Unmute};
use torchat_protocol::room::body::{Keep, Place, Ref, Role};
use torchat_protocol::room::{
    Author, Body, Event, EventId, Frame, Header, MemberKey, MemberNo, Signature, Tag, TextId,
};

fn member(number: u32) -> MemberNo {
    MemberNo::new(number).unwrap()
}

/// The seed of a member's key: the maker's, or one of equal bytes.
fn seed_of(number: u32) -> [u8; 32] {
    if number == 1 { seed() } else { [u8::try_from(number).unwrap(); 32] }
}

fn keep(pairs: &[(u8, u64)]) -> Keep {
    pairs.iter().copied().collect()
}

fn entry(number: u32, role: Role) -> Entry {
    Entry {
        no: member(number),
        sign: MemberKey(public(seed_of(number))),
        sealing: sealing(seed_of(number)),
        role,
        id: None,
        nick: Some(text(&format!("member {number}"))),
        via: None,
    }
}

fn add(entries: &[Entry]) -> Body {
    Body::Roster(Roster { add: entries.to_vec(), ..Roster::default() })
}

fn cut(number: u32, left: &[(u8, u64)]) -> Body {
    let cut = Cut { no: member(number), keep: keep(left), why: CutReason::Removed };
    Body::Roster(Roster { cut: vec![cut], ..Roster::default() })
}

fn promote(number: u32, role: Role, before: &[(u8, u64)]) -> Body {
    let change = Promotion { no: member(number), role, keep: keep(before) };
    Body::Roster(Roster { role: vec![change], ..Roster::default() })
}

/// A text whose id has only this byte.
fn words(mid: u8, words: &str) -> Body {
    Body::Text(Text { mid: TextId([mid; 16]), text: text(words), re: None, to: vec![] })
}

fn edit(of: Ref, words: &str) -> Body {
    Body::Edit(Edit { of, mid: TextId([0xed; 16]), text: text(words) })
}

fn react(of: Ref, sign: &str) -> Body {
    Body::Reaction(Reaction { of, sign: text(sign) })
}

fn redact(of: Ref) -> Body {
    Body::Redact(Redact { of, why: None })
}

/// A ref to the same place, where another event was when it was said.
fn other(of: Ref) -> Ref {
    Ref { tag: Tag(of.tag.0.map(|byte| !byte)), ..of }
}

fn mute(who: u32, before: &[(u8, u64)]) -> Body {
    Body::Mute(Mute { who: member(who), keep: keep(before), why: None })
}

fn unmute(of: Ref, upto: &[(u8, u64)]) -> Body {
    Body::Unmute(Unmute { of, resume: keep(upto) })
}

/// A text that counts: the words of the edit in force, and who reacted how.
#[derive(Default)]
struct Seen {
    label: &'static str,
    edit: Option<&'static str>,
    signs: Vec<(u32, &'static str)>,
}

/// A branch of acts and events, and what is meant to be seen.
struct Story {
    what: &'static str,
    owner: u32,
    lamport: u64,
    acts: Vec<Event>,
    events: Vec<(String, Event)>,
    heads: BTreeMap<Author, (u64, EventId)>,
    texts: Vec<Seen>,
    hidden: Vec<&'static str>,
    redacted: Vec<&'static str>,
    void: Vec<&'static str>,
    nicks: Vec<(u32, &'static str)>,
    topic: &'static str,
}

impl Story {
    /// A room with member 2, a moderator, and the members 3 and 4.
    fn new(what: &'static str) -> Self {
        let (_, create) = example();
        let mut story = Self {
            what,
            owner: 1,
            lamport: 1,
            acts: vec![create],
            events: vec![],
            heads: BTreeMap::new(),
            texts: vec![],
            hidden: vec![],
            redacted: vec![],
            void: vec![],
            nicks: vec![],
            topic: "",
        };
        story.act(&add(&[entry(2, Role::Moderator), entry(3, Role::Member), entry(4, Role::Member)]));
        story
    }

    fn event(&mut self, signer: u32, author: Author, seq: u64, prev: EventId, kind: u8, body: &[u8]) -> Event {
        self.lamport += 1;
        let header = header(Some(room()), author, seq, prev, kind, body);
        let acts = u32::try_from(self.acts.len()).unwrap();
        signed(seed_of(signer), Header { lamport: self.lamport, acts, ..header }, body)
    }

    fn act(&mut self, body: &Body) -> &mut Self {
        let (last, seq) = (self.acts.last().unwrap().id(), self.acts.len() as u64 + 1);
        let act = self.event(self.owner, Author::ACTS, seq, last, body.kind(), &body.encode());
        self.acts.push(act);
        self
    }

    /// A member says something in one of its chains.
    fn in_chain(&mut self, label: &str, number: u32, chain: u8, body: &Body) -> Ref {
        self.bytes(label, number, chain, body.kind(), &body.encode())
    }

    fn bytes(&mut self, label: &str, number: u32, chain: u8, kind: u8, body: &[u8]) -> Ref {
        let author = member(number).chain(chain);
        let (last, prev) = self.heads.get(&author).copied().unwrap_or((0, room().as_event()));
        let event = self.event(number, author, last + 1, prev, kind, body);
        let named = event.named();
        self.heads.insert(author, (last + 1, event.id()));
        self.events.push((label.to_owned(), event));
        named
    }

    fn say(&mut self, label: &str, number: u32, body: &Body) -> Ref {
        self.in_chain(label, number, 0, body)
    }

    /// Another event at the place of one that was said, after the same event.
    fn rival(&mut self, label: &str, of: &str, body: &Body) {
        let header = *self.events.iter().find(|(found, _)| found == of).unwrap().1.header();
        let signer = header.author.member().unwrap().get();
        let event = self.event(signer, header.author, header.seq, header.prev, body.kind(), &body.encode());
        self.events.push((label.to_owned(), event));
    }

    /// Nobody has the body of an event any more.
    fn strip(&mut self, label: &str) {
        let event = self.events.iter_mut().find(|(found, _)| found == label).unwrap();
        event.1 = event.1.stripped();
    }

    fn sees(&mut self, label: &'static str) -> &mut Self {
        self.texts.push(Seen { label, ..Seen::default() });
        self
    }

    fn sees_edited(&mut self, label: &'static str, edit: &'static str) -> &mut Self {
        self.texts.push(Seen { label, edit: Some(edit), ..Seen::default() });
        self
    }

    fn sees_signs(&mut self, label: &'static str, signs: &[(u32, &'static str)]) -> &mut Self {
        self.texts.push(Seen { label, edit: None, signs: signs.to_vec() });
        self
    }

    fn written(&self) -> Value {
        let item = |event: &Event| hex(Frame::Events(vec![event.clone()]).encode());
        let labels: std::collections::BTreeSet<_> = self.events.iter().map(|(label, _)| label.as_str()).collect();
        assert_eq!(labels.len(), self.events.len(), "{}: a label twice", self.what);
        let said = [&self.hidden, &self.redacted, &self.void].into_iter().flatten();
        assert!(said.chain(self.texts.iter().map(|seen| &seen.label)).all(|label| labels.contains(label)));
        let texts =
            self.texts.iter().map(|seen| json!({ "label": seen.label, "edit": seen.edit, "reactions": seen.signs }));
        json!({
            "what": self.what,
            "acts": self.acts.iter().map(item).collect::<Vec<_>>(),
            "events": self.events.iter().map(|(label, e)| json!({ "label": label, "item": item(e) })).collect::<Vec<_>>(),
            "texts": texts.collect::<Vec<_>>(),
            "hidden": self.hidden,
            "redacted": self.redacted,
            "void": self.void,
            "nicks": self.nicks,
            "topic": self.topic,
        })
    }
}

fn lines() -> Vec<Story> {
    let mut calm = Story::new("people talk");
    let first = calm.say("first", 1, &words(1, "hello"));
    calm.say(
        "second",
        3,
        &Body::Text(Text { mid: TextId([2; 16]), text: text("hi"), re: Some(first), to: vec![member(1)] }),
    );
    calm.say("third", 4, &words(1, "with the id of another member's text"));
    calm.sees("first").sees("second").sees("third");

    let mut gone = Story::new("a member is removed: what is above the line, chain by chain, does not count");
    for n in 1..=3 {
        gone.say(["", "one", "two", "three"][n], 3, &words(u8::try_from(n).unwrap(), "of three"));
    }
    gone.in_chain("elsewhere", 3, 1, &words(9, "in a chain that nobody named"));
    gone.act(&cut(3, &[(0, 2)]));
    gone.void = vec!["three", "elsewhere"];
    gone.sees("one").sees("two");

    let mut twice = Story::new("of two cuts the lower line holds, and no third one lifts it");
    for n in 1..=3 {
        twice.say(["", "one", "two", "three"][n], 3, &words(u8::try_from(n).unwrap(), "of three"));
    }
    twice.act(&cut(3, &[(0, 2)])).act(&cut(3, &[(0, 1), (1, 5)])).act(&cut(3, &[(0, 9)]));
    twice.void = vec!["two", "three"];
    twice.sees("one");

    let mut forked = Story::new("a proven fork costs the chain, and what is said again in the next one counts");
    forked.say("before", 3, &words(1, "before"));
    forked.say("one story", 3, &words(2, "one"));
    forked.say("after it", 3, &words(3, "more"));
    forked.rival("another story", "one story", &words(4, "other"));
    forked.in_chain("again", 3, 1, &words(2, "one"));
    forked.void = vec!["one story", "after it", "another story"];
    forked.sees("before").sees("again");

    let mut stranger = Story::new("who was never given a number says nothing");
    stranger.say("of five", 5, &words(1, "hello?"));
    stranger.act(&add(&[Entry { sign: MemberKey(public([9; 32])), ..entry(3, Role::Moderator) }]));
    stranger.act(&add(&[entry(7, Role::Owner)])).act(&promote(3, Role::Owner, &[])).act(&cut(1, &[]));
    stranger.say("of seven", 7, &words(1, "nobody becomes the owner so"));
    stranger.say("of three", 3, &words(1, "the first entry holds"));
    stranger.say("topic", 3, &Body::Topic(Topic { topic: text("mine") }));
    stranger.say("of one", 1, &words(1, "the owner is not cut"));
    stranger.void = vec!["of five", "of seven", "topic"];
    stranger.sees("of three").sees("of one");
    vec![calm, gone, twice, forked, stranger]
}

fn roles() -> Vec<Story> {
    let mut reader = Story::new("a member becomes a reader: what was said before stays");
    let one = reader.say("one", 3, &words(1, "one"));
    reader.say("two", 3, &words(2, "two"));
    reader.say("nick", 3, &Body::Nick(Nick { nick: text("quiet") }));
    reader.say("sign", 3, &react(one, "+"));
    reader.act(&promote(3, Role::Reader, &[(0, 1)]));
    reader.void = vec!["two", "sign"];
    reader.nicks = vec![(3, "quiet")];
    reader.sees("one");

    let mut demoted = Story::new("a moderator who loses the role cannot date back, and what was decided before stays");
    let (a, b) = (demoted.say("a", 3, &words(1, "a")), demoted.say("b", 3, &words(2, "b")));
    demoted.say("of a", 2, &redact(a));
    demoted.act(&promote(2, Role::Member, &[(0, 1)]));
    demoted.say("of b", 2, &redact(b));
    demoted.in_chain("of b elsewhere", 2, 1, &redact(b));
    demoted.say("own", 2, &words(3, "still a member"));
    demoted.redacted = vec!["a"];
    demoted.sees("b").sees("own");

    let mut changes = Story::new("of several changes the last whose line is below the event");
    for n in 1..=6 {
        changes.say(["", "1", "2", "3", "4", "5", "6"][n], 3, &words(u8::try_from(n).unwrap(), "n"));
    }
    changes.act(&promote(3, Role::Reader, &[(0, 2)])).act(&promote(3, Role::Member, &[(0, 5)]));
    changes.act(&promote(3, Role::Reader, &[(0, 6)]));
    changes.void = vec!["3", "4", "5"];
    changes.sees("1").sees("2").sees("6");

    let mut handed = Story::new("after a handover the new owner acts, and the former one is a moderator");
    let hand = handed.say("hand", 1, &Body::Hand(Hand { to: member(3) }));
    let proposal = handed.events.iter().find(|(label, _)| label == "hand").unwrap().1.id();
    assert!(hand.place.seq == 1 && hand.is_of(proposal));
    let accept = |number: u32, proposal| {
        let said = Handover::to_be_signed(room(), proposal, member(number));
        Signature(SigningKey::from_bytes(&seed_of(number)).sign(&said).to_bytes())
    };
    let over = |to: u32, accept, old: &[(u8, u64)], new: &[(u8, u64)]| {
        Body::Handover(Handover { to: member(to), proposal, accept, old: keep(old), new: keep(new) })
    };
    let words_of_four = handed.say("four", 4, &words(1, "four"));
    // The signature of somebody else: the act takes its place and changes nothing.
    handed.act(&over(4, accept(3, proposal), &[], &[]));
    handed.act(&over(3, accept(3, proposal), &[(0, 1)], &[]));
    handed.owner = 3;
    // One proposal is good for one handover.
    handed.act(&over(4, accept(4, proposal), &[], &[]));
    handed.say("hand again", 1, &Body::Hand(Hand { to: member(4) }));
    handed.say("redact", 1, &redact(words_of_four));
    handed.act(&cut(2, &[]));
    handed.act(&cut(3, &[]));
    handed.say("two", 2, &words(2, "the new owner has removed me"));
    handed.say("three", 3, &words(3, "the owner is not cut"));
    handed.void = vec!["hand again", "two"];
    handed.redacted = vec!["four"];
    handed.sees("three");
    vec![reader, demoted, changes, handed]
}

fn mutes() -> Vec<Story> {
    let mut muted = Story::new("a mute hides what comes after its line, until an unmute ends it");
    muted.say("before", 3, &words(1, "before"));
    let of = muted.say("mute", 2, &mute(3, &[(0, 1)]));
    muted.say("within", 3, &words(2, "within"));
    muted.in_chain("elsewhere", 3, 1, &words(3, "in a chain that the mute does not name"));
    muted.say("unmute", 1, &unmute(of, &[(0, 2), (1, 1)]));
    muted.say("after", 3, &words(4, "after"));
    muted.in_chain("after elsewhere", 3, 1, &words(5, "after"));
    muted.in_chain("third chain", 3, 2, &words(6, "the unmute does not name it, so it is above"));
    muted.hidden = vec!["within", "elsewhere"];
    muted.sees("before").sees("after").sees("after elsewhere").sees("third chain");

    let mut two = Story::new("each mute has its own end, and of several ends of one the earliest shows");
    let one = two.say("first mute", 2, &mute(3, &[]));
    let other = two.say("second mute", 1, &mute(3, &[(0, 1)]));
    for n in 1..=4 {
        two.say(["", "1", "2", "3", "4"][n], 3, &words(u8::try_from(n).unwrap(), "n"));
    }
    two.say("end of the first", 1, &unmute(one, &[]));
    two.say("late end of the second", 2, &unmute(other, &[(0, 3)]));
    two.say("early end of the second", 2, &unmute(other, &[(0, 2)]));
    two.hidden = vec!["2"];
    two.sees("1").sees("3").sees("4");

    let mut rank = Story::new("a mute needs a moderator and hides no moderator");
    rank.say("by a member", 4, &mute(3, &[]));
    rank.say("of the owner", 2, &mute(1, &[]));
    let of = rank.say("of a moderator", 1, &mute(2, &[]));
    rank.say("three", 3, &words(1, "seen"));
    rank.say("one", 1, &words(1, "seen"));
    rank.say("two", 2, &words(1, "seen"));
    rank.act(&promote(2, Role::Member, &[(0, 2)]));
    rank.say("two later", 2, &words(2, "a member by now"));
    rank.say("end by nobody", 2, &unmute(of, &[]));
    rank.void = vec!["by a member", "end by nobody"];
    rank.hidden = vec!["two later"];
    rank.sees("three").sees("one").sees("two");

    let mut quiet = Story::new("who is muted does not speak through edits, signs and names");
    let a = quiet.say("a", 3, &words(1, "a"));
    let b = quiet.say("b", 4, &words(1, "b"));
    quiet.say("mute", 2, &mute(3, &[(0, 1)]));
    quiet.say("edit", 3, &edit(a, "through an edit"));
    quiet.say("sign", 3, &react(b, "through a sign"));
    quiet.say("nick", 3, &Body::Nick(Nick { nick: text("through a name") }));
    quiet.hidden = vec!["edit", "sign", "nick"];
    quiet.sees("a").sees("b");

    let mut void = Story::new("a mute above its author's line is none");
    void.say("before", 2, &words(1, "of the moderator"));
    void.say("mute", 2, &mute(3, &[]));
    void.say("three", 3, &words(1, "seen"));
    void.act(&cut(2, &[(0, 1)]));
    void.void = vec!["mute"];
    void.sees("before").sees("three");
    vec![muted, two, rank, quiet, void]
}

fn texts() -> Vec<Story> {
    let mut edits = Story::new("the last edit by the text's author is in force");
    let a = edits.say("a", 3, &words(1, "a"));
    edits.say("edit 1", 3, &edit(a, "a, first edit"));
    edits.in_chain("edit 2", 3, 1, &edit(a, "a, second edit"));
    edits.say("edit by another", 4, &edit(a, "by another"));
    edits.say("edit by a moderator", 2, &edit(a, "by a moderator"));
    let b = edits.say("b", 4, &words(1, "b"));
    edits.say("b 1", 4, &edit(b, "b, first edit"));
    let last = edits.say("b 2", 4, &edit(b, "b, second edit"));
    edits.say("not b 2", 4, &redact(last));
    edits.say("of nothing", 4, &edit(Ref { place: Place { author: member(4).chain(7), seq: 1 }, ..b }, "of nothing"));
    edits.redacted = vec!["b 2"];
    edits.sees_edited("a", "a, second edit").sees_edited("b", "b, first edit");

    let mut redacts = Story::new("a redact needs the author or a moderator, and takes away texts and edits only");
    let names: Vec<_> = ["a", "b", "c", "d"]
        .into_iter()
        .zip(1..)
        .map(|(label, mid)| redacts.say(label, 3, &words(mid, label)))
        .collect();
    redacts.say("edit of a", 3, &edit(names[0], "edited"));
    redacts.say("own", 3, &redact(names[0]));
    redacts.say("by a moderator", 2, &redact(names[1]));
    redacts.say("by a member", 4, &redact(names[2]));
    let sign = redacts.say("sign", 4, &react(names[3], "+"));
    redacts.say("of a sign", 1, &redact(sign));
    redacts.in_chain("own, other chain", 3, 1, &redact(names[2]));
    redacts.strip("b");
    redacts.redacted = vec!["a", "b", "c", "edit of a"];
    redacts.void = vec!["b"];
    redacts.sees_signs("d", &[(4, "+")]);

    let mut signs = Story::new("the last sign of each member is in force");
    let a = signs.say("a", 3, &words(1, "a"));
    signs.say("1", 1, &react(a, "+"));
    signs.say("2", 1, &react(a, "-"));
    signs.say("3", 2, &react(a, "?"));
    signs.say("4", 2, &react(a, ""));
    signs.say("5", 3, &react(a, "!"));
    signs.say("6", 4, &react(Ref { place: Place { author: Author::ACTS, seq: 1 }, tag: room().as_event().tag() }, "!"));
    signs.sees_signs("a", &[(1, "-"), (3, "!")]);

    let mut tags = Story::new("a ref whose tag is not that of the event at the place means nothing");
    let (a, b) = (tags.say("a", 3, &words(1, "a")), tags.say("b", 3, &words(2, "b")));
    let mute_of_four = tags.say("mute", 2, &mute(4, &[]));
    tags.say("four", 4, &words(3, "muted"));
    tags.say("unmute", 2, &unmute(other(mute_of_four), &[]));
    tags.say("edit", 3, &edit(other(a), "of another event"));
    tags.say("sign", 2, &react(other(a), "+"));
    tags.say("own redact", 3, &redact(other(a)));
    tags.say("redact", 2, &redact(Ref { tag: b.tag, ..a }));
    let right = tags.say("edit of b", 3, &edit(b, "b, edited"));
    tags.say("not the edit", 2, &redact(other(right)));
    tags.hidden = vec!["four"];
    tags.sees("a").sees_edited("b", "b, edited");

    let mut parted = Story::new("an edit of another event at the place does not go with the text that is there");
    let a = parted.say("a", 3, &words(1, "a"));
    let wrong = parted.say("edit of another event", 3, &edit(other(a), "lost"));
    parted.say("redact of a", 2, &redact(a));
    parted.say("sign", 2, &react(wrong, "+"));
    parted.redacted = vec!["a"];

    let mut doubles = Story::new("of several texts with one id the first in order counts");
    // Order is logical time first: what is said first here comes from the higher chain.
    doubles.in_chain("first", 3, 5, &words(1, "first"));
    doubles.in_chain("second", 3, 0, &words(1, "second"));
    doubles.in_chain("of another", 4, 0, &words(1, "of another member"));
    doubles.sees("first").sees("of another");

    let mut hidden = Story::new("a double counts if the first one is hidden or redacted");
    hidden.in_chain("hidden", 3, 0, &words(1, "hidden"));
    hidden.say("mute", 2, &mute(3, &[(1, 9)]));
    hidden.in_chain("shown", 3, 1, &words(1, "shown"));
    let gone = hidden.in_chain("gone", 4, 0, &words(2, "gone"));
    hidden.in_chain("there", 4, 1, &words(2, "there"));
    hidden.say("redact", 2, &redact(gone));
    hidden.hidden = vec!["hidden"];
    hidden.redacted = vec!["gone"];
    hidden.sees("shown").sees("there");

    let mut nothing =
        Story::new("a body that breaks its rules, one that is missing and a kind of a later version mean nothing");
    nothing.say("text", 3, &words(1, "text"));
    nothing.bytes("broken", 3, 0, 16, br#"{"mid":"zz","text":"broken"}"#);
    nothing.say("missing", 3, &words(2, "missing"));
    nothing.bytes("later", 3, 0, 63, b"anything");
    nothing.bytes("an act's kind", 3, 0, 2, b"{}");
    nothing.say("last", 3, &words(3, "the chain goes on"));
    nothing.strip("missing");
    nothing.void = vec!["broken", "missing", "later", "an act's kind"];
    nothing.sees("text").sees("last");

    let mut names = Story::new("names and topics: the last in order, acts and events together");
    names.say("nick 1", 3, &Body::Nick(Nick { nick: text("one") }));
    names.say("nick 2", 3, &Body::Nick(Nick { nick: text("two") }));
    names.say("topic 1", 2, &Body::Topic(Topic { topic: text("by a moderator") }));
    names.act(&Body::Set(Set { topic: Some(text("by the owner")), ..Set::default() }));
    names.say("topic 2", 3, &Body::Topic(Topic { topic: text("by a member") }));
    names.void = vec!["topic 2"];
    names.nicks = vec![(3, "two")];
    names.topic = "by the owner";
    let mut later = Story::new("a topic event after an act is in force");
    later.act(&Body::Set(Set { topic: Some(text("by the owner")), ..Set::default() }));
    later.say("topic", 2, &Body::Topic(Topic { topic: text("by a moderator") }));
    later.topic = "by a moderator";
    vec![edits, redacts, signs, tags, parted, doubles, hidden, nothing, names, later]
}

#[test]
fn what_counts() {
    let stories = [lines(), roles(), mutes(), texts()];
    let cases: Vec<_> = stories.iter().flatten().map(Story::written).collect();
    compare("counts", &json!({ "room": hex(room().0), "cases": cases }));
}
