//! Faults in a room: real daemons that keep one together, whose members talk and decide beside mail.
//!
//! The first daemon is the owner's. [`view`] is what a member sees through the API. It is judged by the same
//! [`ledger`](crate::ledger) as mail, and by the owner's [`decisions`](crate::decisions): what was accepted counts once at every member, in
//! the order of its author; what was answered as done is done; and all members see the same.

pub mod decider;
pub mod kill;
pub mod powercut;
pub mod view;

use crate::node::{Address, Node};
use anyhow::Context as _;
use serde_json::{Value, json};
use std::time::Duration;
use torchat_testkit::daemon::eventually;

/// How long a room may take to come together.
const MEETING: Duration = Duration::from_secs(60);

/// A room that daemons have made.
#[derive(Debug, Clone)]
pub struct Room {
    /// Its id.
    pub peer: String,
    /// Lets anybody in, as often as they like.
    pub invite: String,
}

impl Room {
    /// What the owner's daemon is asked to make. The same again is the same room.
    #[must_use]
    pub fn making() -> Value {
        let policy = json!({"history": 9_007_199_254_740_991_u64});
        json!({"cmd": "ROOM_NEW", "name": "lab", "nick": "n1", "client_id": "lab", "policy": policy})
    }

    /// What the owner's daemon is asked for those who are to come.
    #[must_use]
    pub fn inviting(peer: &Value) -> Value {
        json!({"cmd": "ROOM_INVITE", "peer": peer, "uses": 0})
    }

    /// What a daemon is asked to come.
    #[must_use]
    pub fn joining(&self, nick: &str) -> Value {
        json!({"cmd": "ROOM_JOIN", "invite": self.invite, "nick": nick})
    }

    /// The room of these answers.
    ///
    /// # Errors
    /// When one has no text.
    pub fn of(peer: &Value, invite: &Value) -> anyhow::Result<Self> {
        Ok(Self { peer: text(peer)?, invite: text(invite)? })
    }

    /// A daemon asks to become a member, if it has not yet.
    ///
    /// # Errors
    /// When it refuses.
    pub fn join(&self, member: &Address, nick: &str) -> anyhow::Result<()> {
        let answer = member.api().context("the member's daemon does not answer")?.ask(self.joining(nick))?;
        match answer {
            Err(error) if error["code"] != "already-joined" => anyhow::bail!("ROOM_JOIN: {error}"),
            _ => Ok(()),
        }
    }

    /// These daemons make a room, the first as its owner, and each sees that all are in.
    ///
    /// # Errors
    /// When one refuses, or they do not come together in time.
    pub fn together(addresses: &[Address]) -> anyhow::Result<Self> {
        let mut owner = addresses.first().and_then(Address::api).context("the owner's daemon does not answer")?;
        let peer = owner.ok(Self::making())?["room"]["peer"].take();
        let room = Self::of(&peer, &owner.ok(Self::inviting(&peer))?["invite"])?;
        for (n, member) in addresses.iter().enumerate().skip(1) {
            room.join(member, &format!("n{}", n + 1))?;
            // One after the other, so that each gets the number of its name.
            eventually("it is let in", MEETING, || room.is_member(member))?;
        }
        for address in addresses {
            eventually("the room is together", MEETING, || room.is_whole(address, addresses.len()))?;
        }
        Ok(room)
    }

    /// The same with daemons of which the first two are contacts, too.
    ///
    /// # Errors
    /// As [`Room::together`].
    pub fn meet(nodes: &[Node]) -> anyhow::Result<Self> {
        let addresses = nodes.iter().map(Node::address).collect::<anyhow::Result<Vec<_>>>()?;
        let [owner, second, ..] = addresses.as_slice() else { anyhow::bail!("a room of nobody") };
        owner.connect().context("no answer")?.add(&second.onion)?;
        second.connect().context("no answer")?.add(&owner.onion)?;
        Self::together(&addresses)
    }

    /// Whether a daemon is a member.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn is_member(&self, at: &Address) -> anyhow::Result<Option<()>> {
        let mut api = at.api().context("it does not answer")?;
        let state = api.ok(json!({"cmd": "ROOM", "peer": self.peer}))?["room"]["state"].take();
        Ok((state == "member").then_some(()))
    }

    /// Whether a daemon sees so many members, and has told everything that it has to tell.
    ///
    /// # Errors
    /// What is missing.
    pub fn is_whole(&self, at: &Address, members: usize) -> anyhow::Result<Option<()>> {
        let mut api = at.api().context("it does not answer")?;
        let room = api.ok(json!({"cmd": "ROOM", "peer": self.peer}))?["room"].take();
        let whole = room["state"] == "member" && room["members"] == members && room["queued"] == 0;
        anyhow::ensure!(whole && room["linked"] == members - 1, "{room}");
        Ok(Some(()))
    }
}

fn text(value: &Value) -> anyhow::Result<String> {
    Ok(value.as_str().with_context(|| format!("no text: {value}"))?.to_owned())
}
