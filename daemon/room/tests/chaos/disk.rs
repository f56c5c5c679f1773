//! A store in memory: what a replica's ops mean, written as simply as possible.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use torchat_protocol::room::body::said::Text;
use torchat_protocol::room::body::{Body, Place, Ref};
use torchat_protocol::room::{Author, Cookie, Event, EventId, Identity, LogDigest, LogId, MemberNo, RoomId, TextId};
use torchat_room::counts::{Said, counting, edit_in_force, is_redacted, last_in_force};
use torchat_room::outcome::{ChainRow, Op, Proof};
use torchat_room::reading::Log;
use torchat_room::replica::{Me, Stored};
use torchat_room::standing::{Spans, Standing};

pub(crate) fn place(event: &Event) -> Place {
    Place { author: event.header().author, seq: event.header().seq }
}

#[derive(Debug, Clone)]
struct Row {
    event: Arc<Event>,
    digest: LogDigest,
    standing: Standing,
}

#[derive(Debug, Clone)]
pub(crate) struct Disk {
    room: RoomId,
    me: Me,
    log: LogId,
    lamport: u64,
    rows: Vec<Row>,
    at: BTreeMap<Place, u64>,
    branch: Vec<EventId>,
    acts: BTreeMap<EventId, (Arc<Event>, Option<u64>)>,
    rivals: Vec<EventId>,
    act_forks: Vec<(Arc<Event>, Arc<Event>)>,
    chains: BTreeMap<Author, (ChainRow, Option<Proof>)>,
    floors: BTreeMap<Author, Arc<Event>>,
    /// Positions of what counts as nothing for good.
    discarded: BTreeSet<u64>,
    cookies: BTreeMap<Identity, Cookie>,
    outbox: Vec<Text>,
    reviews: BTreeMap<Author, u64>,
    fresh: bool,
    /// Whether the bodies of what is redacted are dropped.
    pub(crate) drops: bool,
    /// The redacts of each event, and the text of each edit. They stay when bodies go.
    redacted_by: BTreeMap<Ref, BTreeSet<Place>>,
    edits: BTreeMap<Place, Ref>,
    /// The ids of texts whose bodies are or were here.
    mids: BTreeMap<Place, TextId>,
}

/// A text that counts: its id as an event, the edit in force, who reacted how.
pub(crate) type Shown = (EventId, Option<Place>, BTreeMap<MemberNo, String>);

/// What a room's members see, of one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) texts: BTreeMap<Place, Shown>,
    pub(crate) nicks: BTreeMap<MemberNo, String>,
    pub(crate) acts: Vec<EventId>,
}

impl View {
    /// What is in one of two views and not, or otherwise, in the other.
    pub(crate) fn difference(&self, other: &Self) -> String {
        let texts = self.texts.iter().filter(|(place, text)| other.texts.get(place) != Some(text));
        let nicks = self.nicks.iter().filter(|(no, nick)| other.nicks.get(no) != Some(nick));
        format!("texts {:?} nicks {:?}", texts.collect::<Vec<_>>(), nicks.collect::<Vec<_>>())
    }
}

impl Disk {
    pub(crate) fn new(room: RoomId, me: Me, log: LogId) -> Self {
        Self {
            room,
            me,
            log,
            lamport: 0,
            rows: Vec::new(),
            at: BTreeMap::new(),
            branch: Vec::new(),
            acts: BTreeMap::new(),
            rivals: Vec::new(),
            act_forks: Vec::new(),
            chains: BTreeMap::new(),
            floors: BTreeMap::new(),
            discarded: BTreeSet::new(),
            cookies: BTreeMap::new(),
            outbox: Vec::new(),
            reviews: BTreeMap::new(),
            fresh: true,
            drops: false,
            redacted_by: BTreeMap::new(),
            edits: BTreeMap::new(),
            mids: BTreeMap::new(),
        }
    }

    pub(crate) fn write(&mut self, op: Op) {
        if let Op::Store { event, .. } | Op::Body(event) = &op
            && event.header().author != Author::ACTS
        {
            match event.read().ok().flatten() {
                Some(Body::Redact(redact)) => drop(self.redacted_by.entry(redact.of).or_default().insert(place(event))),
                Some(Body::Edit(edit)) => drop(self.edits.insert(place(event), edit.of)),
                Some(Body::Text(text)) => drop(self.mids.insert(place(event), text.mid)),
                _ => {}
            }
        }
        self.write_op(op);
    }

    fn write_op(&mut self, op: Op) {
        match op {
            Op::Store { pos, event, digest, lamport, standing } => {
                assert_eq!(pos, self.rows.len() as u64 + 1, "positions have no gap");
                self.lamport = lamport;
                if event.header().author == Author::ACTS {
                    self.acts.insert(event.id(), (event.clone(), Some(pos)));
                    self.rivals.retain(|id| *id != event.id());
                } else {
                    assert!(self.at.insert(place(&event), pos).is_none(), "each event is stored once");
                }
                self.rows.push(Row { event, digest, standing });
            }
            Op::Chain(author, row) => {
                let fork = self.chains.remove(&author).and_then(|(_, fork)| fork);
                self.chains.insert(author, (row, fork));
            }
            Op::Floor(event) => drop(self.floors.insert(event.header().author, event)),
            Op::Discard(member) => {
                for author in
                    self.at.keys().map(|place| place.author).chain(self.chains.keys().copied()).collect::<Vec<_>>()
                {
                    if author.member() == Some(member) {
                        self.at.retain(|place, pos| {
                            if place.author == author {
                                self.discarded.insert(*pos);
                            }
                            place.author != author
                        });
                        self.chains.remove(&author);
                        self.floors.remove(&author);
                        self.reviews.remove(&author);
                        self.edits.retain(|edit, _| edit.author != author);
                        self.mids.retain(|text, _| text.author != author);
                        for redacts in self.redacted_by.values_mut() {
                            redacts.retain(|redact| redact.author != author);
                        }
                    }
                }
            }
            Op::Fork(author, proof) => {
                let chain = self.chains.get_mut(&author);
                chain.expect("a chain with a proof has a row").1 = Some(proof);
            }
            Op::Review(author, Some(from)) => drop(self.reviews.insert(author, from)),
            Op::Review(author, None) => drop(self.reviews.remove(&author)),
            Op::Spans(author, spans) => self.judge(author, &spans),
            Op::Rival(event) => {
                self.rivals.push(event.id());
                self.acts.entry(event.id()).or_insert((event, None));
            }
            Op::DropRival(id) => self.rivals.retain(|rival| *rival != id),
            Op::ActFork(one, other) => self.act_forks.push((one, other)),
            Op::Act { seq, id } => {
                assert_eq!(seq, self.branch.len() as u64 + 1, "the branch has no gap");
                assert!(self.acts.contains_key(&id), "an act on the branch is there");
                self.branch.push(id);
                self.rivals.retain(|rival| *rival != id);
            }
            Op::CutBranch(seq) => {
                let from = usize::try_from(seq - 1).unwrap();
                self.rivals.extend(self.branch.split_off(from));
            }
            Op::Complete => self.fresh = false,
            Op::Anew(log) => {
                let mut anew = Self::new(self.room, self.me.clone(), log);
                (anew.outbox, anew.drops) = (std::mem::take(&mut self.outbox), self.drops);
                *self = anew;
            }
            Op::Log(log) => {
                self.log = log;
                self.cookies.clear();
            }
            Op::Cookie(peer, Some(cookie)) => drop(self.cookies.insert(peer, cookie)),
            Op::Cookie(peer, None) => drop(self.cookies.remove(&peer)),
            Op::Own(chain) => self.me.chain = chain,
            Op::Queue(text) => self.outbox.push(text),
            Op::Said(_) => {}
            Op::Unqueue(mid) => self.outbox.retain(|text| text.mid != mid),
            Op::Body(event) => {
                let pos = self.at[&place(&event)];
                let row = self.row_mut(pos);
                assert_eq!(row.event.id(), event.id());
                row.event = event;
            }
        }
    }

    /// Drops the bodies of what is redacted: the end of each transaction.
    pub(crate) fn drop_redacted(&mut self) {
        if self.drops {
            let gone: Vec<u64> = self.at.iter().filter(|(at, _)| self.is_redacted(**at)).map(|(_, pos)| *pos).collect();
            for pos in gone {
                let event = &mut self.row_mut(pos).event;
                *event = Arc::new(event.stripped());
            }
        }
    }

    /// An event that is found.
    fn find(&self, place: Place) -> Option<&Event> {
        self.at.get(&place).map(|pos| &*self.rows[usize::try_from(pos - 1).unwrap()].event)
    }

    /// Whether an event is redacted, by itself or, if it is an edit, with its text.
    fn is_redacted(&self, at: Place) -> bool {
        let said = |at: &Place| {
            let row = &self.rows[usize::try_from(self.at.get(at)? - 1).unwrap()];
            Some(Said { order: row.event.header().order(), standing: row.standing })
        };
        let directly = |event: &Event| {
            let redacts = self.redacted_by.get(&event.named()).into_iter().flatten().filter_map(said);
            said(&event.place()).is_some_and(|of| is_redacted(&of, redacts))
        };
        let Some(event) = self.find(at) else { return false };
        match event.header().kind {
            16 => directly(event),
            17 => {
                let of = self.edits.get(&at).filter(|of| of.place.author.member() == at.author.member());
                let text = of.and_then(|of| self.find(of.place).map(|text| (of, text)));
                // An edit without its body is not asked for while its text is redacted, whatever event it is of: of another one it
                // means nothing.
                let goes_with = |(of, text): (&Ref, &Event)| {
                    text.header().kind == 16 && (event.body().is_none() || *of == text.named()) && directly(text)
                };
                directly(event) || text.is_some_and(goes_with)
            }
            _ => false,
        }
    }

    fn judge(&mut self, author: Author, spans: &Spans) {
        for (place, pos) in self.at.clone() {
            if place.author == author {
                self.row_mut(pos).standing = spans.at(place.seq);
            }
        }
    }

    fn row_mut(&mut self, pos: u64) -> &mut Row {
        &mut self.rows[usize::try_from(pos - 1).unwrap()]
    }

    /// The rows that are found, with their positions.
    fn found(&self) -> impl Iterator<Item = (u64, &Row)> {
        let rows = self.rows.iter().enumerate().map(|(at, row)| (at as u64 + 1, row));
        rows.filter(|(pos, _)| !self.discarded.contains(pos))
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = &Arc<Event>> {
        self.found().map(|(_, row)| &row.event)
    }

    pub(crate) fn branch(&self) -> Vec<Arc<Event>> {
        self.branch.iter().map(|id| self.acts[id].0.clone()).collect()
    }

    pub(crate) fn proofs(&self) -> impl Iterator<Item = (Author, u64)> {
        self.chains.iter().filter_map(|(author, (_, proof))| Some((*author, proof.as_ref()?.0.header().seq)))
    }

    /// What is stored, as a daemon reads it at its start.
    pub(crate) fn stored(&self) -> Stored {
        let recent: Vec<_> = self.found().map(|(pos, row)| (pos, row.event.clone())).collect();
        let of_kind = |kinds: [u8; 2]| self.events().filter(move |event| kinds.contains(&event.header().kind)).cloned();
        let below = |author: Author| self.chains.get(&author).map_or(0, |(row, _)| row.floor);
        Stored {
            room: self.room,
            log: self.log,
            next: self.rows.len() as u64 + 1,
            digest: self.rows.last().map_or(LogDigest::EMPTY, |row| row.digest),
            lamport: self.lamport,
            me: Some(self.me.clone()),
            acts: self.branch(),
            act_positions: self.acts.iter().filter_map(|(id, (_, pos))| Some((*id, (*pos)?))).collect(),
            rivals: self.rivals.iter().map(|id| self.acts[id].0.clone()).collect(),
            act_forks: self.act_forks.clone(),
            chains: self.chains.iter().map(|(author, (row, fork))| (*author, *row, fork.clone())).collect(),
            loose: self.at.keys().filter(|place| place.seq <= below(place.author)).copied().collect(),
            missing: self.missing(),
            mutes: of_kind([20, 21]).collect(),
            recent: recent.into_iter().rev().take(256).rev().collect(),
            cookies: self.cookies.clone().into_iter().collect(),
            outbox: self.outbox.clone(),
            reviews: self.reviews.clone().into_iter().collect(),
            fresh: self.fresh,
        }
    }

    /// Events without bodies that were not redacted.
    fn missing(&self) -> Vec<Place> {
        let bare = self.events().filter(|event| event.body().is_none()).map(|event| place(event));
        bare.filter(|place| !self.is_redacted(*place)).collect()
    }

    fn said(&self) -> impl Iterator<Item = (Said, &Arc<Event>, Body)> {
        self.found().filter(|(_, row)| row.event.header().author != Author::ACTS).filter_map(|(_, row)| {
            let body = row.event.read().ok().flatten()?;
            Some((Said { order: row.event.header().order(), standing: row.standing }, &row.event, body))
        })
    }

    fn redacts(&self) -> BTreeMap<Ref, Vec<Said>> {
        let mut redacts: BTreeMap<Ref, Vec<Said>> = BTreeMap::new();
        for (said, _, body) in self.said() {
            if let Body::Redact(redact) = body {
                redacts.entry(redact.of).or_default().push(said);
            }
        }
        redacts
    }

    /// Texts by their author and id, with whether each counts.
    pub(crate) fn texts(&self) -> BTreeMap<(MemberNo, TextId), Option<Place>> {
        let redacts = self.redacts();
        let mut groups: BTreeMap<(MemberNo, TextId), Vec<(Said, bool)>> = BTreeMap::new();
        for (said, event, body) in self.said() {
            if let Body::Text(text) = body {
                let redacted = is_redacted(&said, redacts.get(&event.named()).into_iter().flatten().copied());
                groups.entry((said.member().unwrap(), text.mid)).or_default().push((said, redacted));
            }
        }
        let place = |said: Said| Place { author: said.order.author, seq: said.order.seq };
        groups.into_iter().map(|(key, texts)| (key, counting(texts).map(place))).collect()
    }

    /// What is seen of the room here, by the rows' standings.
    pub(crate) fn view(&self) -> View {
        let redacts = self.redacts();
        let mut edits: BTreeMap<Ref, Vec<(Said, bool)>> = BTreeMap::new();
        let mut signs: BTreeMap<(Ref, MemberNo), Vec<(Said, String)>> = BTreeMap::new();
        let mut nicks: BTreeMap<MemberNo, Vec<(Said, String)>> = BTreeMap::new();
        for (said, event, body) in self.said() {
            match body {
                Body::Edit(edit) => {
                    let redacted = is_redacted(&said, redacts.get(&event.named()).into_iter().flatten().copied());
                    edits.entry(edit.of).or_default().push((said, redacted));
                }
                Body::Reaction(sign) => {
                    let sign_of = (sign.of, said.member().unwrap());
                    signs.entry(sign_of).or_default().push((said, sign.sign.as_str().to_owned()));
                }
                Body::Nick(nick) => {
                    nicks.entry(said.member().unwrap()).or_default().push((said, nick.nick.as_str().to_owned()));
                }
                _ => {}
            }
        }
        let last = |list: &[(Said, String)], role| {
            let last = last_in_force(list.iter().map(|(said, _)| *said), role)?;
            list.iter().find(|(said, _)| *said == last).map(|(_, text)| text.clone())
        };
        let standing: BTreeMap<Place, (Said, &Arc<Event>)> =
            self.said().map(|(said, event, _)| (place(event), (said, event))).collect();
        let mut view = View { acts: self.branch.clone(), ..View::default() };
        for text in self.texts().into_values().flatten() {
            let (said, event) = standing[&text];
            let own = edits.get(&event.named()).into_iter().flatten().copied();
            let edit = edit_in_force(&said, own);
            let edit = edit.map(|edit| Place { author: edit.order.author, seq: edit.order.seq });
            let reacts = signs.iter().filter(|((of, _), _)| *of == event.named());
            let reacts = reacts.filter_map(|((_, who), list)| {
                Some((*who, last(list, torchat_protocol::room::body::Role::Member).filter(|sign| !sign.is_empty())?))
            });
            view.texts.insert(text, (event.id(), edit, reacts.collect()));
        }
        for (who, list) in &nicks {
            if let Some(nick) = last(list, torchat_protocol::room::body::Role::Reader) {
                view.nicks.insert(*who, nick);
            }
        }
        view
    }

    /// The log: positions, events, what they count as.
    pub(crate) fn log(&self) -> impl Iterator<Item = (u64, &Arc<Event>, Standing)> {
        self.found().map(|(pos, row)| (pos, &row.event, row.standing))
    }

    /// Each stored event of members, with what it counts as by the rows.
    pub(crate) fn standings(&self) -> BTreeMap<Place, Standing> {
        let of_members = self.log().filter(|(_, event, _)| event.header().author != Author::ACTS);
        of_members.map(|(_, event, standing)| (place(event), standing)).collect()
    }

    pub(crate) fn muted(&self) -> BTreeSet<MemberNo> {
        self.said().filter_map(|(_, _, body)| if let Body::Mute(mute) = body { Some(mute.who) } else { None }).collect()
    }
}

impl Log for Disk {
    type Error = std::convert::Infallible;

    fn visit(&self, from: u64, visitor: &mut dyn FnMut(u64, Arc<Event>) -> bool) -> Result<(), Self::Error> {
        for (pos, row) in self.found().filter(|(pos, _)| *pos >= from) {
            if !visitor(pos, row.event.clone()) {
                break;
            }
        }
        Ok(())
    }

    fn visit_kinds(
        &self,
        kinds: &[u8],
        from: u64,
        visitor: &mut dyn FnMut(u64, Arc<Event>) -> bool,
    ) -> Result<(), Self::Error> {
        self.visit(from, &mut |pos, event| !kinds.contains(&event.header().kind) || visitor(pos, event))
    }

    fn visit_chain(&self, from: Place, visitor: &mut dyn FnMut(u64, Arc<Event>) -> bool) -> Result<(), Self::Error> {
        let upto = Place { author: from.author, seq: u64::MAX };
        for pos in self.at.range(from..=upto).map(|(_, pos)| *pos) {
            if !visitor(pos, self.rows[usize::try_from(pos - 1).unwrap()].event.clone()) {
                break;
            }
        }
        Ok(())
    }

    fn chains(&self) -> Result<Vec<Author>, Self::Error> {
        Ok(self.chains.keys().copied().collect())
    }

    fn last_before(&self, upto: Place, before: u64) -> Result<Option<Arc<Event>>, Self::Error> {
        let first = Place { author: upto.author, seq: 0 };
        let floor = self.floors.get(&upto.author);
        let stored = self
            .at
            .range(first..=upto)
            .rev()
            .find(|(place, pos)| **pos < before && floor.is_none_or(|floor| place.seq > floor.header().seq));
        let event = |pos: u64| self.rows[usize::try_from(pos - 1).unwrap()].event.clone();
        Ok(stored.map(|(_, pos)| event(*pos)).or_else(|| floor.filter(|floor| floor.header().seq <= upto.seq).cloned()))
    }

    fn at(&self, place: Place) -> Result<Option<(u64, Arc<Event>)>, Self::Error> {
        let row = |pos: u64| (pos, self.rows[usize::try_from(pos - 1).unwrap()].event.clone());
        Ok(self.at.get(&place).map(|pos| row(*pos)))
    }

    fn digest(&self, next: u64) -> Result<Option<LogDigest>, Self::Error> {
        let at = usize::try_from(next).unwrap();
        Ok(match at {
            0 => None,
            1 => Some(LogDigest::EMPTY),
            _ => self.rows.get(at - 2).map(|row| row.digest),
        })
    }

    fn start_of_last(&self, count: u32) -> Result<u64, Self::Error> {
        let of_members = self.found().filter(|(_, row)| row.event.header().author != Author::ACTS);
        let of_members: Vec<u64> = of_members.map(|(pos, _)| pos).collect();
        let before = of_members.len().saturating_sub(count as usize);
        Ok(of_members.get(before).copied().unwrap_or(self.rows.len() as u64 + 1))
    }

    fn missing(&self) -> Result<Vec<Place>, Self::Error> {
        Ok(Disk::missing(self))
    }

    fn uncounted(&self, from: Place) -> Result<Vec<Text>, Self::Error> {
        let counts = self.texts();
        let member = from.author.member().unwrap();
        let own = self.mids.iter().filter(|(place, _)| place.author.member() == Some(member));
        let redacted: BTreeSet<TextId> = own.filter(|(at, _)| self.is_redacted(**at)).map(|(_, mid)| *mid).collect();
        let texts = self.said().filter_map(|(said, event, body)| {
            let place = place(event);
            let mine = place.author == from.author && place.seq >= from.seq && said.standing == Standing::Void;
            match body {
                Body::Text(text) if mine && !redacted.contains(&text.mid) => Some((place.seq, text)),
                _ => None,
            }
        });
        let mut texts: Vec<_> = texts.filter(|(_, text)| counts[&(member, text.mid)].is_none()).collect();
        texts.sort_by_key(|(seq, _)| *seq);
        Ok(texts.into_iter().map(|(_, text)| text).collect())
    }
}
