//! Decide, then commit: one turn, and what is done when the store took nothing of it.

use super::news::News;
use super::pending::Facts;
use super::{Due, Engine, StoreLost, upkeep};
use crate::refusal::not_written;
use crate::store::{Applied, Moment, StoreError, Trouble, Wanted, WriterGone, Written};
use torchat_core::effect::{Effect, LinkEffect, RoomEffect};
use torchat_core::input::Input;
use torchat_core::node::Node;
use torchat_core::op::{ChatOp, LegacyOp, LogOp, Op};
use torchat_core::turn::Turn;

impl Engine {
    /// One turn. Gives back what it asks for once it is durable, to be settled by the caller or with the next turn.
    ///
    /// `before` is what the last turn asks for: it is durable, so it may be seen, and it is settled while the store is at
    /// work. The decision is not: it is made after the last commit succeeded, so a failed commit never takes back
    /// what another one was built on.
    ///
    /// # Errors
    /// [`StoreLost`]: the node in memory may be ahead of what is durable, and must make no other turn.
    pub(super) async fn turn(&mut self, inputs: Vec<Input>, mut before: Due) -> Result<Due, StoreLost> {
        if let Some(why) = self.condemned.take() {
            // First what is durable: to who asked for it, "nothing was stored" would not be true.
            self.settle(std::mem::take(&mut before));
            self.condemn(why).await?;
        }
        let now = self.world.clock.now();
        let mut news = News::of(&inputs);
        let (Turn { mut ops, effects }, believed) = {
            let mut fill = |out: &mut [u8]| self.world.randomness.fill(out);
            let mut node = self.node.lock();
            // For measurements: whoever reads the node waits so long.
            let _locked = tracing::trace_span!("node locked").entered();
            let turn = node.turn(now, &mut fill, inputs);
            news.judge(&turn.effects, &node);
            (turn, node.believed(now))
        };
        match believed {
            None => self.trims = false,
            Some(_) if !std::mem::replace(&mut self.trims, true) => {
                tokio::spawn(upkeep::trim_log(
                    self.writer.jobs(),
                    self.node.clone(),
                    self.world.clock.clone(),
                    self.log.clone(),
                ));
            }
            Some(_) => {}
        }
        if news.any {
            self.status_version.send_modify(|version| *version += 1);
        }
        let (mut told, mut remarked) = (0, 0);
        if self.writable {
            (told, remarked) = (self.untold.len(), self.remarks.len());
            ops.extend(self.untold.iter().chain(&self.remarks).cloned());
            ops.extend(effects.iter().filter_map(|effect| match effect {
                Effect::Notice(notice) => {
                    let why = crate::codes::notice(notice);
                    let (peer, sentence) = (notice.peer(), why.sentence());
                    Some(Op::Log(LogOp::Notice { peer, sentence, why: Some(why) }))
                }
                _ => None,
            }));
        }
        let is_read = |op: &Op| matches!(op, Op::Chat(ChatOp::Read { .. }) | Op::Legacy(LegacyOp::Taken { .. }));
        // What is to be sent is read from the store as well: without it the node is ahead of what went out.
        let only_reads = !effects.iter().any(|effect| matches!(effect, Effect::Link(LinkEffect::Transmit { .. })))
            && ops
                .iter()
                .all(|op| is_read(op) || matches!(op, Op::Chat(ChatOp::ReadUpto { .. } | ChatOp::Erase { .. })));
        let mut reads = Vec::new();
        // A full store has a reserve for what was read. All of it goes there together: the place of a conversation that moved
        // past what was read earlier would make that unread after a kill, and given to nobody.
        let reads_too = self.writable || self.health.trouble() == Some(Trouble::Full);
        if reads_too {
            reads.extend(ops.iter().filter(|op| is_read(op)).cloned());
            ops.extend_from_slice(&self.unwritten_reads);
        } else {
            self.unwritten_reads.extend(ops.extract_if(.., |op| is_read(op)));
        }
        let wanted: Vec<_> = effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Link(LinkEffect::Transmit { peer, lane, first, count, .. }) => {
                    Some(Wanted { peer: *peer, lane: *lane, first: *first, count: *count })
                }
                _ => None,
            })
            .collect();
        if ops.is_empty() && wanted.is_empty() {
            self.settle(before);
            return Ok(Due { effects, ..Due::default() });
        }
        let written = self.writer.begin(Moment { at_ms: now.wall_ms, believed }, ops, wanted);
        self.settle(before);
        let Ok(written) = written.await else {
            tracing::error!("the store's thread is gone: stopping");
            let error = StoreError::Unsure { trouble: Trouble::Failing, why: WriterGone.to_string() };
            for pending in std::mem::take(&mut self.pending).into_values() {
                pending.fail(&error, &mut self.clients);
            }
            return Err(StoreLost);
        };
        match written {
            Ok(Written { applied, outgoing }) => {
                if reads_too {
                    self.unwritten_reads.clear();
                }
                self.untold.drain(..told);
                self.remarks.drain(..remarked);
                let facts = applied.map_or_else(Facts::default, |applied| self.take_up(applied));
                match outgoing {
                    Ok(outgoing) => Ok(Due { effects, outgoing, facts, written: true }),
                    Err(error) => {
                        self.tell_without_links(effects, facts);
                        self.fail(&error, Vec::new(), false, Vec::new())?;
                        Ok(Due::default())
                    }
                }
            }
            Err(error) => {
                self.fail(&error, reads, only_reads, effects)?;
                Ok(Due::default())
            }
        }
    }

    /// Does what a durable turn asks for.
    pub(super) fn settle(&mut self, due: Due) {
        self.act(due.effects, due.outgoing, due.facts);
    }

    /// What is to be sent cannot be read, so the node is made anew and its links end. What is durable is told before.
    fn tell_without_links(&mut self, mut effects: Vec<Effect>, facts: Facts) {
        effects.retain(|effect| match effect {
            Effect::Answer { .. } | Effect::Chat(_) | Effect::Notice(_) => true,
            Effect::Room(effect) => matches!(effect, RoomEffect::Answer { .. } | RoomEffect::Notice { .. }),
            Effect::Link(_) | Effect::Network(_) => false,
        });
        self.act(effects, Vec::new(), facts);
    }

    /// Takes up what a commit did, before anybody hears of it.
    fn take_up(&mut self, applied: Applied) -> Facts {
        for stored in applied.stored {
            self.unread.add(stored);
        }
        for (conversation, first) in applied.renewed {
            if let Some(peer) = conversation.as_peer() {
                self.unread.renew(peer, first);
            }
        }
        for read in applied.read {
            self.unread.read(&read);
        }
        if !applied.freed.is_empty() {
            let mut node = self.node.lock();
            for (peer, bytes) in applied.freed {
                node.freed(&peer, bytes);
            }
        }
        for erased in &applied.erased {
            self.unread.forget(erased);
        }
        self.log.publish(applied.events, applied.log);
        if applied.behind {
            self.restand_later();
        }
        Facts {
            rows: applied.queued.into_iter().collect(),
            said: applied.said.into_iter().map(|said| (said.text, (said.mid, said.row))).collect(),
            seen: applied.seen.into(),
            erased: applied.erased.into(),
            trouble: None,
        }
    }

    /// A turn was not written: nothing of it may be seen by anybody, except that what was read is read.
    ///
    /// # Errors
    /// [`StoreLost`] when the store cannot be read either.
    fn fail(
        &mut self,
        error: &StoreError,
        reads: Vec<Op>,
        only_reads: bool,
        effects: Vec<Effect>,
    ) -> Result<(), StoreLost> {
        if self.writable {
            tracing::error!(%error, "the store takes no writes; refusing new messages until it does");
        }
        let full = error.trouble() == Trouble::Full && !matches!(error, StoreError::Unsure { .. });
        self.writable = false;
        self.health.set_trouble(Some(error.trouble()));
        self.status_version.send_modify(|version| *version += 1);
        self.unwritten_reads.extend(reads);
        if only_reads {
            let mut others = Vec::new();
            for effect in effects {
                let Effect::Answer { request, answer } = effect else {
                    others.push(effect);
                    continue;
                };
                match self.pending.remove(&request) {
                    Some(pending) if pending.needs_the_store() => pending.fail(error, &mut self.clients),
                    Some(pending) => pending.answer(&answer, &mut Facts::default(), &mut self.clients),
                    None => {}
                }
            }
            // The node goes on, so what it has decided must happen: a link that it holds for closed would stay forever.
            self.act(others, Vec::new(), Facts::default());
            let mut node = self.node.lock();
            node.resume(self.network_usable, false);
            return Ok(());
        }
        for pending in std::mem::take(&mut self.pending).into_values() {
            // For a decision of the user there is a reserve, which the mail of the same turn could not have.
            match if full { pending.alone() } else { Err(pending) } {
                Ok(again) => self.again.push(again),
                Err(pending) => pending.fail(error, &mut self.clients),
            }
        }
        for link in std::mem::take(&mut self.links).into_values() {
            link.cancel();
        }
        self.rooms.cancel();
        let snapshot = match self.reader.snapshot() {
            Ok(snapshot) => snapshot,
            Err(unreadable) => {
                tracing::error!(error = %unreadable, "the store cannot be read either: stopping");
                for (_, reply) in std::mem::take(&mut self.again) {
                    // A client that left does not need its answer.
                    let _ = reply.send(Err(not_written(error)));
                }
                return Err(StoreLost);
            }
        };
        let mut fill = |out: &mut [u8]| self.world.randomness.fill(out);
        let policy = self.config.policy.clone();
        let mut node = Node::new(self.own, policy, snapshot, self.world.clock.now(), &mut fill);
        node.resume(self.network_usable, false);
        let mut before = self.node.lock();
        node.keep_unstored(&mut before);
        *before = node;
        drop(before);
        self.release_waiters();
        Ok(())
    }

    pub(super) async fn probe(&mut self) -> bool {
        let works = matches!(self.writer.probe().await, Ok(Ok(())));
        if works {
            tracing::info!("the store takes writes again");
            self.writable = true;
            self.health.set_trouble(None);
        }
        works
    }

    /// The store was found to be damaged: nothing is written to it any more, what can be read is read.
    async fn condemn(&mut self, why: String) -> Result<(), StoreLost> {
        let why = format!("{why}; nothing is written until torchat.db is restored from a copy");
        tracing::error!("the store is damaged: {why}");
        let error = StoreError::Damaged(why.clone());
        self.health.remark(error.to_string());
        // A thread that is gone writes nothing either.
        let _ = self.writer.jobs().run(move |store| store.condemn(&why)).await;
        self.fail(&error, Vec::new(), false, Vec::new())
    }
}
