//! The owner of a room, who decides one thing after the other.

use super::Room;
use super::view::EDITED;
use crate::decisions::Decisions;
use crate::ledger::Fate;
use crate::powercut::now;
use anyhow::Context as _;
use serde_json::{Value, json};
use std::collections::HashMap;
use torchat_harness::api::Api;

/// How many kinds of wishes there are.
pub const KINDS: u64 = 6;
/// The number of the member that is muted and unmuted in turn.
const MUTED: u64 = 3;
/// Messages among which it chooses.
const LATEST: u64 = 30;
/// Codes that say: not now, and nothing was done.
pub const NOT_NOW: [&str; 4] = ["not-caught-up", "needs-quorum", "not-muted", "no-member"];
/// The signs of reactions.
const SIGNS: [&str; 3] = ["+1", "-1", "!"];

/// Something that is to be decided.
#[derive(Debug, Clone)]
pub struct Wish {
    /// What is asked of the owner's daemon.
    pub request: Value,
    /// Which thing of [`View::things`](super::view::View::things) it is about.
    pub thing: String,
    /// How that is afterwards.
    pub value: String,
}

/// Thinks of things to decide, and keeps what came of them. Each wish has a number of its own, so that no two are the same.
#[derive(Debug, Clone, Default)]
pub struct Decider {
    number: u64,
    /// What it was told.
    pub decisions: Decisions,
    /// Texts that were redacted, or may have been: their ids and what they said.
    pub originals: HashMap<String, String>,
}

impl Decider {
    /// The next wish of a kind, below [`KINDS`]. `None`: there is nothing of the kind to decide.
    ///
    /// # Errors
    /// When the owner's daemon does not answer.
    pub fn think(&mut self, owner: &mut Api, room: &Room, kind: u64) -> anyhow::Result<Option<Wish>> {
        let page = owner.ok(Self::look(room))?;
        Ok(self.wish(kind, &room.peer, page["messages"].as_array().context("no messages")?))
    }

    /// What must be asked before the next wish.
    #[must_use]
    pub fn look(room: &Room) -> Value {
        json!({"cmd": "HISTORY", "peer": room.peer, "limit": LATEST, "hidden": true})
    }

    /// Asks for it, and notes the answer. False: it was lost with the daemon.
    ///
    /// # Errors
    /// When it is refused for a reason that cannot be.
    pub fn ask(&mut self, owner: &mut Api, wish: Wish) -> anyhow::Result<bool> {
        let fate = match owner.ask(wish.request.clone()) {
            Ok(Ok(_)) => Fate::Acked,
            Ok(Err(error)) if NOT_NOW.iter().any(|code| error["code"] == **code) => Fate::Refused,
            Ok(Err(error)) => anyhow::bail!("{} was refused: {error}", wish.request),
            Err(_) => Fate::Unsure,
        };
        self.note(wish, fate);
        Ok(fate != Fate::Unsure)
    }

    /// Notes what became of a wish.
    pub fn note(&mut self, wish: Wish, fate: Fate) {
        if wish.request["cmd"] == "REDACT" {
            // Signs go with the text.
            let sign = wish.thing.replace("text", "sign of 1 on");
            self.decisions.note(sign, String::new(), Fate::Unsure, now());
        }
        self.decisions.note(wish.thing, wish.value, fate, now());
    }

    /// The next wish, from what HISTORY has said.
    pub fn wish(&mut self, kind: u64, room: &str, messages: &[Value]) -> Option<Wish> {
        self.number += 1;
        let n = self.number;
        let published = |message: &&Value| message.get("order").is_some() && message["state"] != "system";
        let untouched =
            |message: &&Value| published(message) && message["state"] != "redacted" && self.is_open(message);
        let mid = |message: &Value| message["mid"].as_str().unwrap_or_default().to_owned();
        let words = |message: &Value| {
            let text = message["text"].as_str().unwrap_or_default();
            text.split_once(EDITED).map_or(text, |(text, _)| text).to_owned()
        };
        match kind {
            0 => Some(Wish {
                request: json!({"cmd": "ROOM_SET", "peer": room, "topic": format!("topic {n}")}),
                thing: "topic".into(),
                value: format!("topic {n}"),
            }),
            1 => {
                let own: Vec<_> = messages.iter().filter(untouched).filter(|message| message["dir"] == "out").collect();
                let message = own.get(usize::try_from(n).ok()? % own.len().max(1))?;
                let text = format!("{}{EDITED}{n})", words(message));
                Some(Wish {
                    request: json!({"cmd": "EDIT", "peer": room, "id": message["id"], "text": text}),
                    thing: format!("text {}", mid(message)),
                    value: text,
                })
            }
            2 => {
                let all: Vec<_> = messages.iter().filter(untouched).collect();
                let message = *all.get(usize::try_from(n).ok()? % all.len().max(1))?;
                self.originals.insert(mid(message), words(message));
                Some(Wish {
                    request: json!({"cmd": "REDACT", "peer": room, "id": message["id"]}),
                    thing: format!("text {}", mid(message)),
                    value: "redacted".into(),
                })
            }
            3 => {
                // A hidden text shows no signs.
                let seen = |message: &&Value| message["from"]["member"] != MUTED;
                let all: Vec<_> = messages.iter().filter(untouched).filter(seen).collect();
                let message = all.get(usize::try_from(n).ok()? % all.len().max(1))?;
                let sign = SIGNS[usize::try_from(n).ok()? % SIGNS.len()];
                Some(Wish {
                    request: json!({"cmd": "REACT", "peer": room, "id": message["id"], "sign": sign}),
                    thing: format!("sign of 1 on {}", mid(message)),
                    value: sign.into(),
                })
            }
            _ => {
                let (cmd, state) = if kind == 4 { ("ROOM_MUTE", "muted") } else { ("ROOM_UNMUTE", "in") };
                Some(Wish {
                    request: json!({"cmd": cmd, "peer": room, "member": MUTED}),
                    thing: format!("member {MUTED}"),
                    value: format!("{state} member"),
                })
            }
        }
    }

    /// What may be redacted already is not touched again: a redact takes what comes after it, too.
    fn is_open(&self, message: &Value) -> bool {
        message["mid"].as_str().is_some_and(|mid| !self.originals.contains_key(mid))
    }
}
