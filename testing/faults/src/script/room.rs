//! The script's room: the daemon that suffers faults is its owner, or one of its members; a third one is there to witness.

use super::{Mode, Reply, Script};
use crate::ledger::{Fate, Ledger};
use crate::node::{Address, Node};
use crate::rooms::Room;
use crate::rooms::decider::{Decider, KINDS, NOT_NOW};
use crate::rooms::view::{self, View};
use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use torchat_client::ClientError;
use torchat_testkit::daemon::eventually;

/// A member that was kept out while the store took no writes dials again after a pause, and the pauses grow.
const SETTLE_ROOM: Duration = Duration::from_secs(180);

/// What the faulty daemon is in the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Its owner, who decides.
    Owner,
    /// A member.
    Member,
}

impl Part {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Owner, Self::Member];
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Owner => "the owner of a room",
            Self::Member => "a member of a room",
        })
    }
}

/// The room, and what was said and decided in it.
pub(super) struct Stage {
    part: Part,
    witness: Node,
    /// `None`: the faulty daemon has yet to make it.
    room: Option<Room>,
    said: Ledger,
    number: u64,
    decider: Decider,
}

impl Stage {
    /// Starts the witness. With `used`, the room is together, and all daemons run; otherwise the faulty one has yet to come, or, as the owner, to
    /// make the room.
    pub(super) fn new(
        program: &Path,
        dir: &Path,
        part: Part,
        faulty: &mut Node,
        friend: &Node,
        used: bool,
    ) -> anyhow::Result<Self> {
        let mut witness = Node::new(program, dir, 3)?;
        witness.start_plain()?;
        let healthy = [friend.address()?, witness.address()?];
        let room = match (part, used) {
            (Part::Owner, true) => Some(Room::together(&[faulty.address()?, healthy[0].clone(), healthy[1].clone()])?),
            (Part::Member, true) => Some(Room::together(&[healthy[0].clone(), faulty.address()?, healthy[1].clone()])?),
            (Part::Owner, false) => None,
            (Part::Member, false) => Some(Room::together(&healthy)?),
        };
        let (said, decider) = (Ledger::default(), Decider::default());
        Ok(Self { part, witness, room, said, number: 0, decider })
    }

    fn owner(&self, faulty: &Node, friend: &Node) -> anyhow::Result<Address> {
        if self.part == Part::Owner { faulty.address() } else { friend.address() }
    }
}

impl Script {
    /// The faulty daemon makes the room, or asks to become a member, if that was not done. The room, if it did.
    fn enter_room(&mut self, mode: Mode) -> anyhow::Result<Option<Room>> {
        let stage = self.stage()?;
        match (stage.part, stage.room.clone()) {
            (Part::Owner, None) => {
                let Reply::Fine(made) = self.ask_api(&Room::making(), mode)? else { return Ok(None) };
                let peer = made["room"]["peer"].clone();
                let Reply::Fine(invite) = self.ask_api(&Room::inviting(&peer), mode)? else { return Ok(None) };
                let room = Room::of(&peer, &invite["invite"])?;
                let (friend, witness) = (self.friend.address()?, self.stage()?.witness.address()?);
                room.join(&friend, "n2")?;
                room.join(&witness, "n3")?;
                self.stage_mut()?.room = Some(room.clone());
                Ok(Some(room))
            }
            (Part::Member, Some(room)) => {
                let joined = self.ask_api(&room.joining("n3"), mode)?;
                Ok(matches!(joined, Reply::Fine(_)).then_some(room))
            }
            (_, room) => Ok(room),
        }
    }

    /// One round of talk in the room: everybody says something, and the owner decides something.
    pub(super) fn talk_in_room(&mut self, n: usize, mode: Mode) -> anyhow::Result<()> {
        let entered = self.enter_room(mode)?;
        let friend = self.friend.address()?;
        let stage = self.stage_mut()?;
        let Some(room) = stage.room.clone() else { return Ok(()) };
        stage.number += 1;
        let (number, witness) = (stage.number, stage.witness.address()?);
        for (who, address) in [("friend", friend), ("witness", witness)] {
            let text = format!("{who} {number}");
            let sent = address.connect().context("it does not answer")?.send(&room.peer, &text);
            match sent {
                Ok(()) | Err(ClientError::Refused { queued: true, .. }) => {}
                Err(error) => return Err(error).context("a healthy daemon refused"),
            }
            stage.said.note(text, Fate::Acked);
        }
        if entered.is_some() {
            let text = format!("faulty {number}");
            let fate = self.fate(&json!({"cmd": "SEND", "peer": room.peer, "text": text}), mode)?;
            self.stage_mut()?.said.note(text, fate);
        }
        let kind = 2 * u64::try_from(n)?;
        self.decide(&room, kind % KINDS, mode)?;
        self.decide(&room, (kind + 1) % KINDS, mode)
    }

    fn decide(&mut self, room: &Room, kind: u64, mode: Mode) -> anyhow::Result<()> {
        let stage = self.stage()?;
        if stage.part == Part::Member {
            let mut api = self.friend.api()?;
            let stage = self.stage_mut()?;
            if let Some(wish) = stage.decider.think(&mut api, room, kind)? {
                ensure!(stage.decider.ask(&mut api, wish)?, "a healthy daemon is gone");
            }
            return Ok(());
        }
        let Reply::Fine(page) = self.ask_api(&Decider::look(room), mode)? else { return Ok(()) };
        let messages = page["messages"].as_array().context("no messages")?;
        let Some(mut wish) = self.stage_mut()?.decider.wish(kind, &room.peer, messages) else { return Ok(()) };
        // A disk that takes nothing keeps the other members away, and with them every decision that waits for one.
        if wish.request["cmd"] == "ROOM_SET" {
            wish.request["force"] = true.into();
        }
        let fate = self.fate(&wish.request, mode)?;
        self.stage_mut()?.decider.note(wish, fate);
        Ok(())
    }

    fn fate(&mut self, request: &Value, mode: Mode) -> anyhow::Result<Fate> {
        Ok(match self.ask_api(request, mode)? {
            Reply::Fine(_) => Fate::Acked,
            Reply::Refused => Fate::Refused,
            Reply::Gone => Fate::Unsure,
        })
    }

    /// All are members, have everything that was accepted, see every decision done, and agree.
    pub(super) fn settle_room(&mut self) -> anyhow::Result<()> {
        if self.stage.is_none() {
            return Ok(());
        }
        // What was refused is asked for once more: from here on nothing fails.
        self.enter_room(Mode::Killed)?;
        let stage = self.stage()?;
        let room = stage.room.clone().context("the room could not be made")?;
        let decided = stage.decider.decisions.count(Fate::Acked);
        let mut addresses = [self.faulty.address()?, self.friend.address()?, stage.witness.address()?];
        if stage.part == Part::Member {
            addresses.swap(0, 1);
        }
        let owner = stage.owner(&self.faulty, &self.friend)?;
        let findings = eventually("all members agree", SETTLE_ROOM, || {
            room.is_whole(&owner, addresses.len())?;
            let views = addresses.iter().map(|at| View::at(at, &room.peer)).collect::<anyhow::Result<Vec<_>>>()?;
            let found = view::judge(&views, &stage.said, &stage.decider, u64::MAX)?;
            Ok(Some(found))
        })?;
        self.outcome.findings += findings;
        self.outcome.decided = decided;
        Ok(())
    }

    /// One request to the faulty daemon in API 1, as [`Script::ask`].
    fn ask_api(&mut self, request: &Value, mode: Mode) -> anyhow::Result<Reply> {
        // Each on a connection of its own: the daemon may have been started again since the last one.
        let reply = match self.faulty.address()?.api() {
            Some(mut api) => api.ask(request.clone()),
            None => Err(anyhow::anyhow!("no connection")),
        };
        match reply {
            Ok(Ok(answer)) => Ok(Reply::Fine(answer)),
            Ok(Err(error)) => match error["code"].as_str().unwrap_or_default() {
                // It was done before.
                "already-joined" => Ok(Reply::Fine(error)),
                code if NOT_NOW.contains(&code) => Ok(Reply::Refused),
                code => self.refused(code, mode).with_context(|| format!("{request} was refused: {error}")),
            },
            Err(error) => {
                self.ended(mode).with_context(|| format!("{request}: {error:#}"))?;
                Ok(Reply::Gone)
            }
        }
    }

    fn stage(&self) -> anyhow::Result<&Stage> {
        self.stage.as_ref().context("no room")
    }

    fn stage_mut(&mut self) -> anyhow::Result<&mut Stage> {
        self.stage.as_mut().context("no room")
    }
}
