//! A network of replicas with stores, in memory, that a seed drives: links that come and go, frames and looks at the disk in
//! any order, backups that are restored, processes that are killed.

use crate::disk::{Disk, View};
use crate::oracle::Oracle;
use ed25519_dalek::SigningKey;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use torchat_protocol::room::body::acts::{Create, Entry, Host, Hosts, Policy, Roster};
use torchat_protocol::room::body::said::Text;
use torchat_protocol::room::body::{Body, BoundedText, Place, Ref, Role};
use torchat_protocol::room::{
    Author, BoxKey, CloseCode, Event, EventId, Frame, Identity, LogId, MemberKey, MemberNo, RoomId, Salt, TextId,
};
use torchat_room::Replica;
use torchat_room::key::{Key, verifies};
use torchat_room::outcome::{ChannelId, Context, Effect, Notice, Op};
use torchat_room::reading::{Read, Report, answer};
use torchat_room::replica::{Cannot, Me, Stored};
use torchat_room::signing::create;

/// What a backup has of a node.
type Backup = (Disk, Vec<TextId>, Option<Box<dyn Beside>>);

/// What events say, by their ids and whether their bodies are there: each is read once.
type Bodies = HashMap<(EventId, bool), Option<Arc<Body>>>;

/// Another store beside a node's disk, which must say the same.
pub(crate) trait Beside {
    /// What a turn wrote; the disk has it.
    fn commit(&mut self, ops: &[Op], disk: &Disk);
    /// What the disk answers.
    fn answer(&self, read: &Read, frames: &[Frame], report: &Report);
    /// The process ends, and begins again.
    fn kill(&mut self, disk: &Disk);
    /// A backup.
    fn copy(&self) -> Box<dyn Beside>;
}

pub(crate) struct Node {
    pub(crate) replica: Replica,
    pub(crate) disk: Disk,
    beside: Option<Box<dyn Beside>>,
    /// Texts whose acceptance is durable.
    pub(crate) accepted: Vec<TextId>,
    seed: [u8; 32],
    /// How many events it wants, as a newcomer.
    pub(crate) want: Option<u32>,
    reads: VecDeque<Read>,
}

/// What was seen on the way.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) restored: u64,
    pub(crate) forked: u64,
    pub(crate) frozen: u64,
    pub(crate) refused: BTreeMap<String, u64>,
    pub(crate) ended: u64,
    pub(crate) backups: u64,
    pub(crate) kills: u64,
}

pub(crate) struct Net {
    pub(crate) nodes: Vec<Node>,
    pub(crate) room: RoomId,
    pub(crate) rng: StdRng,
    pub(crate) now_ms: u64,
    pub(crate) seen: Seen,
    /// Open channels: their two ends, and what is on the way to the second of the key.
    channels: BTreeMap<ChannelId, (usize, usize)>,
    wires: BTreeMap<(ChannelId, usize), VecDeque<Frame>>,
    next_channel: u64,
    texts: u64,
    backups: BTreeMap<usize, Backup>,
    checked: HashMap<(EventId, MemberKey), bool>,
    bodies: RefCell<Bodies>,
    keys: HashMap<MemberKey, Key>,
    /// What somebody took away on purpose.
    pub(crate) redacted: BTreeSet<Ref>,
    /// All texts that ever were events.
    texts_at: BTreeMap<Ref, (MemberNo, TextId)>,
    /// Nodes that reach nobody.
    pub(crate) absent: BTreeSet<usize>,
    /// After each step of a replica, what it counts is compared with the oracle.
    pub(crate) watch: bool,
}

pub(crate) fn identity(node: usize) -> Identity {
    let mut bytes = [7; 32];
    bytes[0] = u8::try_from(node).unwrap();
    Identity(bytes)
}

pub(crate) fn number(node: usize) -> MemberNo {
    MemberNo::new(u32::try_from(node).unwrap() + 1).unwrap()
}

pub(crate) fn key_of(seed: &[u8; 32]) -> MemberKey {
    MemberKey(SigningKey::from_bytes(seed).verifying_key().to_bytes())
}

impl Net {
    /// Nodes of a room that the first has made. The others know its id.
    pub(crate) fn new(count: usize, seed: u64) -> Self {
        Self::beside(count, seed, |_| None)
    }

    /// The same, with other stores beside the disks.
    pub(crate) fn beside(count: usize, seed: u64, mut beside: impl FnMut(&Disk) -> Option<Box<dyn Beside>>) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let seeds: Vec<[u8; 32]> = (0..count).map(|_| rng.random()).collect();
        let owner = Entry {
            no: MemberNo::MAKER,
            sign: key_of(&seeds[0]),
            sealing: BoxKey([9; 32]),
            role: Role::Owner,
            id: Some(identity(0)),
            nick: None,
            via: None,
        };
        let first = Create {
            owner,
            name: BoundedText::new("lab").unwrap(),
            topic: BoundedText::default(),
            policy: Policy { history: 1_000_000, ..Policy::default() },
            salt: Salt([0; 16]),
        };
        let first = create(&SigningKey::from_bytes(&seeds[0]), first, 1, &mut || Salt(rng.random())).unwrap();
        let room = RoomId(first.id().0);
        let nodes = seeds.iter().map(|seed| {
            let (me, log) = (Me { seed: *seed, chain: 0 }, LogId(rng.random()));
            let replica = Replica::load(Stored::new(room, log, Some(me.clone())));
            let disk = Disk::new(room, me, log);
            let beside = beside(&disk);
            Node { replica, disk, beside, accepted: Vec::new(), seed: *seed, want: None, reads: VecDeque::new() }
        });
        let mut net = Self {
            nodes: nodes.collect(),
            room,
            now_ms: 0,
            seen: Seen::default(),
            channels: BTreeMap::new(),
            wires: BTreeMap::new(),
            next_channel: 0,
            texts: 0,
            backups: BTreeMap::new(),
            checked: HashMap::new(),
            bodies: RefCell::default(),
            keys: HashMap::new(),
            redacted: BTreeSet::new(),
            texts_at: BTreeMap::new(),
            absent: BTreeSet::new(),
            watch: false,
            rng,
        };
        net.turn(0, |replica, ctx| replica.found_room(ctx, first));
        net
    }

    pub(crate) fn seed_of(&self, node: usize) -> SigningKey {
        SigningKey::from_bytes(&self.nodes[node].seed)
    }

    pub(crate) fn entry(&self, node: usize, role: Role) -> Entry {
        Entry {
            no: number(node),
            sign: key_of(&self.nodes[node].seed),
            sealing: BoxKey([9; 32]),
            role,
            id: Some(identity(node)),
            nick: None,
            via: None,
        }
    }

    /// One input of a replica: decided, committed, done.
    pub(crate) fn turn<T>(&mut self, node: usize, input: impl FnOnce(&mut Replica, &mut Context<'_>) -> T) -> T {
        let Self { nodes, rng, now_ms, texts_at, .. } = self;
        let mut random = |bytes: &mut [u8]| bytes.fill_with(|| rng.random());
        let mut ctx = Context { now_ms: *now_ms, minute: 1, random: &mut random };
        let Node { replica, disk, reads, beside, .. } = &mut nodes[node];
        let result = input(replica, &mut ctx);
        replica.flush(&mut ctx);
        let outcome = replica.take();
        for op in &outcome.ops {
            if let Op::Store { event, .. } = op
                && let (Some(member), Ok(Some(Body::Text(text)))) = (event.header().author.member(), event.read())
            {
                texts_at.insert(event.named(), (member, text.mid));
            }
            disk.write(op.clone());
        }
        let written = !outcome.ops.is_empty();
        if written {
            disk.drop_redacted();
            if let Some(beside) = beside {
                beside.commit(&outcome.ops, disk);
            }
        }
        let mut closing = Vec::new();
        for effect in outcome.effects {
            match effect {
                Effect::Send(channel, frame) => {
                    let to = self.channels.get(&channel).map(|(a, b)| if *a == node { *b } else { *a });
                    if let Some(to) = to {
                        self.wires.entry((channel, to)).or_default().push_back(frame);
                    }
                }
                Effect::Read(read) => reads.push_back(read),
                Effect::Close(channel, code) => closing.push((channel, code)),
                Effect::EndLink(channel) => {
                    self.seen.ended += 1;
                    closing.push((channel, CloseCode::Protocol));
                }
                Effect::Notice(notice) => match notice {
                    Notice::Restored => self.seen.restored += 1,
                    Notice::Forked(_) => self.seen.forked += 1,
                    Notice::Frozen => self.seen.frozen += 1,
                    Notice::Refused(_, why) => *self.seen.refused.entry(format!("{why:?}")).or_default() += 1,
                    _ => {}
                },
            }
        }
        for (channel, code) in closing {
            let ends = self.channels.get(&channel).copied();
            self.drop_channel(channel);
            if let (Some((a, b)), CloseCode::Again) = (ends, code) {
                self.connect(a, b);
            }
        }
        if self.watch && written {
            self.compare(node);
        }
        result
    }

    /// What a replica counts, step by step, must be what the plain function says of all that it has.
    pub(crate) fn compare(&self, node: usize) {
        let (replica, disk) = (&self.nodes[node].replica, &self.nodes[node].disk);
        let oracle = self.oracle(node);
        let hidden = oracle.hidden();
        for (place, stored) in disk.standings() {
            let (power, hidden) = (oracle.power(place), hidden(place));
            let here = replica.standing(place);
            assert_eq!(here, stored, "node {node}: what is stored of {place:?} is what the replica says");
            let wanted = match power {
                None => torchat_room::standing::Standing::Void,
                Some(role) if hidden => torchat_room::standing::Standing::Hidden(role),
                Some(role) => torchat_room::standing::Standing::As(role),
            };
            assert_eq!(here, wanted, "node {node}: {place:?}");
        }
    }

    pub(crate) fn oracle(&self, node: usize) -> Oracle {
        let disk = &self.nodes[node].disk;
        let mut bodies = self.bodies.borrow_mut();
        let mut read = |event: &Arc<Event>| {
            let body = bodies.entry((event.id(), event.body().is_some()));
            let body = body.or_insert_with(|| event.read().ok().flatten().map(Arc::new)).clone();
            (event.clone(), body)
        };
        let events = disk.events().filter(|event| event.header().author != Author::ACTS).map(&mut read).collect();
        let branch: Vec<_> = disk.branch().iter().map(read).collect();
        Oracle::new(self.room, &branch, events, disk.proofs().collect())
    }

    fn member_of(&self, here: usize, other: usize) -> Option<MemberNo> {
        let members = self.nodes[here].replica.roster().members.iter().rev();
        members.filter(|(_, member)| member.id == Some(identity(other))).map(|(no, _)| *no).next()
    }

    pub(crate) fn is_connected(&self, a: usize, b: usize) -> bool {
        self.channels.values().any(|ends| *ends == (a, b) || *ends == (b, a))
    }

    pub(crate) fn connect(&mut self, a: usize, b: usize) {
        // Newcomers dial those who know the room.
        let new = |node: usize| self.nodes[node].replica.acts() == 0;
        if new(a) && new(b) {
            return;
        }
        if a == b || self.is_connected(a, b) || self.absent.contains(&a) || self.absent.contains(&b) {
            return;
        }
        self.next_channel += 1;
        let channel = ChannelId(self.next_channel);
        self.channels.insert(channel, (a, b));
        for (here, other) in [(a, b), (b, a)] {
            if !self.channels.contains_key(&channel) {
                // The other one did not want it.
                return;
            }
            let (member, want) = (self.member_of(here, other), self.nodes[here].want);
            self.turn(here, |replica, ctx| replica.open(ctx, channel, identity(other), member, want));
        }
    }

    pub(crate) fn cut(&mut self, a: usize, b: usize) {
        let found = self.channels.iter().find(|(_, ends)| **ends == (a, b) || **ends == (b, a)).map(|(id, _)| *id);
        if let Some(channel) = found {
            self.drop_channel(channel);
        }
    }

    fn drop_channel(&mut self, channel: ChannelId) {
        if let Some((a, b)) = self.channels.remove(&channel) {
            for end in [a, b] {
                self.wires.remove(&(channel, end));
                self.turn(end, |replica, _| replica.closed(channel));
            }
        }
    }

    pub(crate) fn links(&self) -> Vec<(usize, usize)> {
        self.channels.values().copied().collect()
    }

    fn cut_off(&mut self, node: usize) -> Vec<(usize, usize)> {
        let links: Vec<_> = self.links().into_iter().filter(|(a, b)| *a == node || *b == node).collect();
        for (a, b) in &links {
            self.cut(*a, *b);
        }
        links
    }

    /// Delivers a few frames on one wire, or answers one look at a disk. False: there is nothing.
    pub(crate) fn deliver(&mut self) -> bool {
        let reading: Vec<usize> = (0..self.nodes.len()).filter(|node| !self.nodes[*node].reads.is_empty()).collect();
        let busy: Vec<_> = self.wires.iter().filter(|(_, wire)| !wire.is_empty()).map(|(key, _)| *key).collect();
        let all = reading.len() + busy.len();
        if all == 0 {
            return false;
        }
        let pick = self.rng.random_range(0..all);
        match reading.get(pick) {
            Some(node) => self.read(*node),
            None => {
                let (channel, to) = busy[pick - reading.len()];
                for _ in 0..self.rng.random_range(1..8) {
                    let frame = self.wires.get_mut(&(channel, to)).and_then(VecDeque::pop_front);
                    let Some(frame) = frame else { break };
                    self.hear(to, channel, frame);
                }
            }
        }
        true
    }

    fn read(&mut self, node: usize) {
        let Some(read) = self.nodes[node].reads.pop_front() else { return };
        let Ok((frames, report)) = answer(&self.nodes[node].disk, &read);
        if let Some(beside) = &self.nodes[node].beside {
            beside.answer(&read, &frames, &report);
        }
        let channel = match report {
            Report::Begin { channel, .. }
            | Report::Log { channel, .. }
            | Report::Chain { channel, .. }
            | Report::Bodies { channel, .. } => Some(channel),
            _ => None,
        };
        if let Some((channel, (a, b))) = channel.and_then(|channel| Some((channel, *self.channels.get(&channel)?))) {
            let to = if a == node { b } else { a };
            self.wires.entry((channel, to)).or_default().extend(frames);
        }
        self.turn(node, |replica, ctx| replica.report(ctx, report));
    }

    fn hear(&mut self, node: usize, channel: ChannelId, frame: Frame) {
        let checked = match &frame {
            Frame::Events(events) | Frame::Base(events) => events.iter().map(|event| self.check(node, event)).collect(),
            _ => Vec::new(),
        };
        self.turn(node, |replica, ctx| replica.hear(ctx, channel, frame, &checked));
    }

    /// What a link's task does: checks under the key that the author has now, each event and key once in a run.
    fn check(&mut self, node: usize, event: &Event) -> Option<MemberKey> {
        let roster = self.nodes[node].replica.roster();
        let author = event.header().author;
        let member = author.member().unwrap_or(roster.owner);
        let key = roster.members.get(&member)?.key.bytes();
        let parsed = self.keys.entry(key).or_insert_with(|| Key::new(key));
        let good = *self.checked.entry((event.id(), key)).or_insert_with(|| verifies(parsed, event));
        good.then_some(key)
    }

    /// Lets everything come to rest, time included.
    pub(crate) fn calm(&mut self) {
        let mut steps = 0_u64;
        loop {
            while self.deliver() {
                steps += 1;
                assert!(steps < 2_000_000, "the exchange does not end");
            }
            let Some(due) = self.nodes.iter().filter_map(|node| node.replica.due_ms()).min() else { break };
            self.now_ms = self.now_ms.max(due);
            for node in 0..self.nodes.len() {
                if self.nodes[node].replica.due_ms().is_some_and(|due| due <= self.now_ms) {
                    self.turn(node, |_, _| ());
                }
            }
            steps += 1;
            assert!(steps < 2_000_000, "the exchange does not end");
        }
    }

    pub(crate) fn say(&mut self, node: usize) -> bool {
        self.texts += 1;
        let mut mid = [0; 16];
        mid[..8].copy_from_slice(&self.texts.to_be_bytes());
        let mid = TextId(mid);
        let text = Text { mid, text: BoundedText::new("hello").unwrap(), re: None, to: Vec::new() };
        let said = self.turn(node, |replica, ctx| replica.say_text(ctx, text)).is_ok();
        if said {
            self.nodes[node].accepted.push(mid);
        }
        said
    }

    pub(crate) fn texts(&self) -> u64 {
        self.texts
    }

    pub(crate) fn event(&mut self, node: usize, body: &Body) -> Option<EventId> {
        self.turn(node, |replica, ctx| replica.say_event(ctx, body)).ok()
    }

    /// What other events name it by.
    pub(crate) fn named(&mut self, node: usize, body: &Body) -> Option<Ref> {
        let id = self.event(node, body)?;
        self.nodes[node].disk.events().find(|event| event.id() == id).map(|event| event.named())
    }

    pub(crate) fn act(&mut self, node: usize, body: &Body, force: bool) -> Result<EventId, Cannot> {
        self.turn(node, |replica, ctx| replica.say_act(ctx, body, force))
    }

    /// The first node names hosts, so that a room may have more members than a mesh.
    pub(crate) fn name_hosts(&mut self, hosts: impl Iterator<Item = usize>) {
        let hosts = hosts.map(|node| Host { id: identity(node), no: number(node).get() }).collect();
        self.act(0, &Body::Hosts(Hosts { hosts }), true).unwrap();
    }

    pub(crate) fn admit(&mut self, who: impl Iterator<Item = usize>, moderators: usize) {
        let role = |node| if node <= moderators { Role::Moderator } else { Role::Member };
        let add = who.map(|node| self.entry(node, role(node))).collect();
        self.act(0, &Body::Roster(Roster { add, ..Roster::default() }), true).unwrap();
    }

    pub(crate) fn back_up(&mut self, node: usize) {
        let Node { disk, accepted, beside, .. } = &self.nodes[node];
        let beside = beside.as_ref().map(|beside| beside.copy());
        self.backups.insert(node, (disk.clone(), accepted.clone(), beside));
    }

    /// An old copy of a node's disk takes the place of its disk.
    pub(crate) fn restore(&mut self, node: usize) {
        if let Some((disk, accepted, beside)) = self.backups.remove(&node) {
            self.seen.backups += 1;
            self.cut_off(node);
            self.nodes[node].disk = disk;
            self.nodes[node].accepted = accepted;
            self.nodes[node].beside = beside;
            self.start(node);
        }
    }

    /// The process ends, and begins again with what is on its disk.
    pub(crate) fn kill(&mut self, node: usize) {
        self.seen.kills += 1;
        self.cut_off(node);
        let before = (self.nodes[node].replica.frontier(), self.nodes[node].replica.act_ids().collect::<Vec<_>>());
        self.start(node);
        let after = (self.nodes[node].replica.frontier(), self.nodes[node].replica.act_ids().collect::<Vec<_>>());
        assert_eq!(before, after, "node {node}");
        if self.watch {
            self.compare(node);
        }
    }

    fn start(&mut self, node: usize) {
        let Node { replica, disk, reads, beside, .. } = &mut self.nodes[node];
        if let Some(beside) = beside {
            beside.kill(disk);
        }
        reads.clear();
        *replica = Replica::load(disk.stored());
        self.turn(node, |_, _| ());
    }

    /// Links as they are on a quiet day: hosts in a ring, and each other one at one host.
    pub(crate) fn rest(&mut self, hosts: usize) {
        for (a, b) in self.links() {
            self.cut(a, b);
        }
        // Newcomers have one link at first, and hosts that are some have nothing for others: who is not let in comes again.
        for _ in 0..4 {
            for host in 1..=hosts {
                self.connect(host, host % hosts + 1);
            }
            for node in (0..self.nodes.len()).filter(|node| !(1..=hosts).contains(node)) {
                self.connect(node, 1 + node % hosts);
            }
            self.calm();
        }
    }

    /// Links as they are in a room without hosts on a quiet day: each with each.
    pub(crate) fn rest_in_mesh(&mut self) {
        for (a, b) in self.links() {
            self.cut(a, b);
        }
        for _ in 0..4 {
            for a in 0..self.nodes.len() {
                for b in 0..a {
                    self.connect(a, b);
                }
            }
            self.calm();
        }
    }

    pub(crate) fn view(&self, node: usize) -> View {
        self.nodes[node].disk.view()
    }

    /// All see the same, and it is what the plain function says.
    #[track_caller]
    pub(crate) fn agree(&self, what: &str) {
        let first = self.view(0);
        let same = |view: &View, other: &View, whose: &str| {
            assert!(
                view == other,
                "{what}: {whose}\n only here: {}\n only there: {}",
                view.difference(other),
                other.difference(view)
            );
        };
        same(&self.oracle(0).view(), &first, "the plain function, and the first node");
        // Who never was a member is told nothing.
        for node in (1..self.nodes.len()).filter(|node| self.member_of(0, *node).is_some()) {
            let view = self.view(node);
            same(&view, &first, &format!("node {node}, and the first one"));
        }
    }

    /// Texts that were accepted and not rolled back, of members in good standing: how many are not seen, and how many wait.
    pub(crate) fn lost(&self) -> (Vec<(usize, TextId)>, u64) {
        let replica = &self.nodes[0].replica;
        let muted: BTreeSet<MemberNo> = self.nodes.iter().flat_map(|node| node.disk.muted()).collect();
        let texts = self.nodes[0].disk.texts();
        let redacted: BTreeSet<_> = self.redacted.iter().filter_map(|named| self.texts_at.get(named)).collect();
        let (mut lost, mut waiting) = (Vec::new(), 0);
        for (n, node) in self.nodes.iter().enumerate() {
            let Some(member) = replica.roster().members.get(&number(n)) else { continue };
            let good = member.is_in()
                && !muted.contains(&number(n))
                && member.roles.iter().all(|(role, _)| *role != Role::Reader);
            for mid in node.accepted.iter().filter(|_| good) {
                if node.replica.outbox().any(|text| text.mid == *mid) {
                    waiting += 1;
                } else if texts.get(&(number(n), *mid)).copied().flatten().is_none()
                    && !redacted.contains(&(number(n), *mid))
                {
                    lost.push((n, *mid));
                }
            }
        }
        (lost, waiting)
    }

    /// An event as a member of ill will makes it, at any place of its chain.
    pub(crate) fn forge(&self, node: usize, place: Place, prev: EventId, lamport: u64, body: &Body) -> Arc<Event> {
        let acts = u32::try_from(self.nodes[0].replica.acts()).unwrap();
        let clock = torchat_room::signing::Clock { acts, lamport, minute: 1 };
        let key = self.seed_of(node);
        let event =
            torchat_room::signing::sign(&key, Some(self.room), place.author, place.seq, prev, clock, body).unwrap();
        Arc::new(event)
    }

    /// A node hears an event over its link with another one.
    pub(crate) fn give_from(&mut self, node: usize, other: usize, event: &Arc<Event>) {
        self.connect(node, other);
        let of = |ends: &(usize, usize)| *ends == (node, other) || *ends == (other, node);
        // A newcomer that has another link takes no second one.
        let found = self.channels.iter().find(|(_, ends)| of(ends)).map(|(id, _)| *id);
        let Some(channel) = found else { return };
        self.hear(node, channel, Frame::Events(vec![(**event).clone()]));
    }
}
