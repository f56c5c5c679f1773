//! A request of the classic contract, read once: from here on it has types.

use crate::verbs::{self, INVITE_DEFAULT_H, INVITE_MAX_H, Invalid};
use serde_json::Value;
use torchat_core::input::ContactChange;
use torchat_engine::handle::Refusal;
use torchat_protocol::control::code::Code;
use torchat_protocol::control::{Reply, Request};
use torchat_protocol::id::{MessageId, PeerId, parse_local_onion};
use torchat_protocol::room::RoomInvite;

/// Messages that HISTORY shows when no number is given.
const HISTORY_DEFAULT: u32 = 20;
/// Messages that HISTORY shows at most, so that a reply stays a reply.
const HISTORY_MAX: u32 = 10_000;
/// Characters of an unknown command's name that go back.
const NAME_CHARS: usize = 32;

/// What is asked.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Host,
    Send {
        to: PeerId,
        text: String,
        /// Seconds to wait for the delivery, if that is to be waited for.
        wait: Option<u64>,
    },
    GetPeers,
    Update(PeerId),
    History {
        with: PeerId,
        count: u32,
    },
    Cancel(PeerId, MessageId),
    Contacts,
    Requests,
    /// ADD with an invite to a room: the invite, and what to say to its owner.
    Join(RoomInvite, String),
    Rooms,
    /// ADD, ACCEPT, REFUSE, BLOCK, UNBLOCK, REMOVE, RENAME, APPEAR.
    Change(PeerId, ContactChange),
    Invite {
        lifetime_ms: i64,
    },
    /// The oldest message of an old program that was not taken, to be taken.
    NextLegacy,
    /// The last messages of old programs.
    Legacy {
        count: u32,
    },
    Status,
    Exit,
}

/// Why a request, or what it asks for, gets an ERR.
#[derive(Debug)]
pub(crate) struct Rejected {
    pub(crate) code: Code,
    pub(crate) text: String,
}

impl Rejected {
    pub(crate) fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

impl From<&Refusal> for Rejected {
    fn from(refusal: &Refusal) -> Self {
        Self::new(refusal.code(), refusal.to_string())
    }
}

impl From<Invalid> for Rejected {
    fn from(invalid: Invalid) -> Self {
        let code = match invalid {
            Invalid::Onion(_) => Code::BadOnion,
            Invalid::Invite(_)
            | Invalid::RoomInvite(_)
            | Invalid::Name(_)
            | Invalid::RequestTooLong(_)
            | Invalid::NoText => Code::BadValue,
        };
        let hint = if matches!(invalid, Invalid::NoText) { ": \"msg\" is its text" } else { "" };
        Self::new(code, format!("{invalid}{hint}"))
    }
}

/// What a reply repeats of its request.
#[derive(Debug, Clone)]
pub(crate) struct Echo {
    pub(crate) id: String,
    /// As it came.
    pub(crate) portno: Value,
}

impl Echo {
    /// A reply that repeats both.
    pub(crate) fn reply(&self, cmd: &'static str, msg: impl Into<String>) -> Reply {
        Reply::new(cmd, self.id.as_str(), msg, self.portno.clone())
    }

    /// A reply about somebody else than `id`.
    pub(crate) fn reply_about(&self, id: impl Into<String>, cmd: &'static str, msg: impl Into<String>) -> Reply {
        Reply::new(cmd, id, msg, self.portno.clone())
    }

    /// An ERR.
    pub(crate) fn reject(&self, rejected: Rejected) -> Reply {
        Reply::error(rejected.code, self.id.as_str(), rejected.text, self.portno.clone())
    }
}

impl Command {
    /// Reads what a request asks for, or what is wrong with it.
    pub(crate) fn parse(request: Request) -> (Echo, Result<Self, Rejected>) {
        let Request { cmd, id, msg, portno, wait, timeout } = request;
        let command = Self::of(&cmd, &id, msg, wait.as_deref(), timeout);
        (Echo { id, portno }, command)
    }

    fn of(cmd: &str, id: &str, msg: String, wait: Option<&str>, timeout: Option<u64>) -> Result<Self, Rejected> {
        let change = |change| Ok(Self::Change(peer(id)?, change));
        match cmd {
            "HOST" => Ok(Self::Host),
            "SEND" => {
                let (to, wait) = (peer(id)?, wait_of(wait, timeout)?);
                verbs::check_text(&msg)?;
                Ok(Self::Send { to, wait, text: msg })
            }
            "GET_PEERS" => Ok(Self::GetPeers),
            "UPDATE" if msg.is_empty() && id.is_empty() => Err(missing("msg", "the peer's onion")),
            "UPDATE" => Ok(Self::Update(peer(if msg.is_empty() { id } else { &msg })?)),
            "HISTORY" => {
                let with = peer(id)?;
                let wanted = number(&msg)?.unwrap_or(HISTORY_DEFAULT);
                Ok(Self::History { with, count: wanted.min(HISTORY_MAX) })
            }
            "CANCEL" => Ok(Self::Cancel(peer(id)?, message(&msg)?)),
            "CONTACTS" => Ok(Self::Contacts),
            "ADD" if id.is_empty() => Err(missing("id", "the peer's onion, or an invite")),
            "ADD" if RoomInvite::is_meant(id) => {
                let (invite, text) = verbs::join(id, msg)?;
                Ok(Self::Join(invite, text))
            }
            "ROOMS" => Ok(Self::Rooms),
            "ADD" => {
                let (peer, add) = verbs::add(id, msg)?;
                Ok(Self::Change(peer, add))
            }
            "REQUESTS" => Ok(Self::Requests),
            "ACCEPT" => change(ContactChange::Accept),
            "REFUSE" => change(ContactChange::Refuse),
            "INVITE" => Ok(Self::Invite { lifetime_ms: invite(&msg)? }),
            "RENAME" => {
                let whom = peer(id)?;
                Ok(Self::Change(whom, verbs::rename(&msg)?))
            }
            "REMOVE" => change(ContactChange::Remove),
            "BLOCK" => change(ContactChange::Block),
            "UNBLOCK" => change(ContactChange::Unblock),
            "APPEAR" => {
                let whom = peer(id)?;
                Ok(Self::Change(whom, ContactChange::Appear { hidden: hidden(&msg)? }))
            }
            "LEGACY" => Ok(number(&msg)?.map_or(Self::NextLegacy, |count| Self::Legacy { count })),
            "STATUS" => Ok(Self::Status),
            "EXIT" => Ok(Self::Exit),
            other => Err(unknown(other)),
        }
    }

    /// The peer that it changes, for the audit.
    pub(crate) fn subject(&self) -> Option<PeerId> {
        match self {
            Self::Change(peer, _) => Some(*peer),
            Self::Join(invite, _) => invite.room.conversation().as_peer(),
            _ => None,
        }
    }
}

fn peer(text: &str) -> Result<PeerId, Rejected> {
    if text.is_empty() {
        return Err(missing("id", "the peer's onion"));
    }
    parse_local_onion(text).map_err(|error| Invalid::Onion(error).into())
}

fn missing(key: &str, meaning: &str) -> Rejected {
    Rejected::new(Code::BadOnion, format!("the parameter \"{key}\" is missing: {meaning}"))
}

/// How many messages; `None`: no number is given.
fn number(msg: &str) -> Result<Option<u32>, Rejected> {
    match msg.trim() {
        "" => Ok(None),
        number => match number.parse() {
            Ok(count) => Ok(Some(count)),
            Err(_) => Err(Rejected::new(Code::BadValue, "\"msg\" must be the number of messages")),
        },
    }
}

fn message(msg: &str) -> Result<MessageId, Rejected> {
    let text = "\"msg\" must be the message's id, 32 hexadecimal digits as HISTORY shows it under \"mid\"";
    msg.trim().parse().map_err(|_| Rejected::new(Code::BadValue, text))
}

fn wait_of(wait: Option<&str>, timeout: Option<u64>) -> Result<Option<u64>, Rejected> {
    match wait {
        None => Ok(None),
        Some("delivered") => Ok(Some(verbs::wait_s(timeout))),
        Some(_) => Err(Rejected::new(Code::BadValue, "\"wait\" can only be \"delivered\"")),
    }
}

fn invite(msg: &str) -> Result<i64, Rejected> {
    let hours = match msg.trim() {
        "" => Some(INVITE_DEFAULT_H),
        hours => hours.parse().ok(),
    };
    let text = || format!("\"msg\" must be hours, 1 to {INVITE_MAX_H}");
    hours.and_then(verbs::invite_ms).ok_or_else(|| Rejected::new(Code::BadValue, text()))
}

fn hidden(msg: &str) -> Result<bool, Rejected> {
    match msg {
        "offline" => Ok(true),
        "online" => Ok(false),
        _ => Err(Rejected::new(Code::BadValue, "\"msg\" must be \"offline\" or \"online\"")),
    }
}

fn unknown(cmd: &str) -> Rejected {
    match cmd {
        "RECV" => Rejected::new(Code::NotACommand, "RECV is for peers, which come over Tor: local programs use SEND"),
        "END" | "ERR" => Rejected::new(Code::NotACommand, format!("{cmd} is a reply, not a command")),
        other => {
            // The name goes back only as far as a name can be long.
            let name: String = other.chars().take(NAME_CHARS).collect();
            let text = format!(
                "unknown command {name:?}: the commands are HOST SEND GET_PEERS UPDATE HISTORY CANCEL CONTACTS ADD REQUESTS ACCEPT \
                 REFUSE INVITE RENAME REMOVE BLOCK UNBLOCK APPEAR ROOMS LEGACY STATUS EXIT"
            );
            Rejected::new(Code::UnknownCommand, text)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const PEER: &str = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion";

    fn parse(cmd: &str, id: &str, msg: &str) -> Result<Command, Code> {
        let object = serde_json::json!({ "cmd": cmd, "id": id, "msg": msg }).to_string();
        Command::parse(Request::parse(object.as_bytes()).unwrap()).1.map_err(|rejected| rejected.code)
    }

    #[test]
    fn every_command_that_the_sentence_names_is_one_and_no_other() {
        let sentence = unknown("X").text;
        let (_, names) = sentence.split_once("commands are ").unwrap();
        let names: Vec<_> = names.split(' ').collect();
        assert_eq!(names.len(), 21);
        for name in &names {
            assert_ne!(parse(name, PEER, ""), Err(Code::UnknownCommand), "{name}");
        }
        for other in ["HELLO", "WHOAMI", "host", "", "CHECK"] {
            assert_eq!(parse(other, PEER, ""), Err(Code::UnknownCommand), "{other}");
        }
        for reply in ["RECV", "END", "ERR"] {
            assert_eq!(parse(reply, PEER, ""), Err(Code::NotACommand), "{reply}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        for (cmd, key) in
            [("SEND", "id"), ("UPDATE", "msg"), ("HISTORY", "id"), ("ADD", "id"), ("BLOCK", "id"), ("CANCEL", "id")]
        {
            let request = Request::parse(serde_json::json!({ "cmd": cmd }).to_string().as_bytes()).unwrap();
            let rejected = Command::parse(request).1.unwrap_err();
            assert!(
                rejected.text.starts_with(&format!("the parameter \"{key}\" is missing")),
                "{cmd}: {}",
                rejected.text
            );
        }
        let request = Request::parse(serde_json::json!({ "cmd": "SEND", "id": PEER }).to_string().as_bytes()).unwrap();
        let rejected = Command::parse(request).1.unwrap_err();
        assert_eq!(rejected.text, "the message is empty: \"msg\" is its text");
    }

    #[test]
    fn arguments_have_types_from_here_on() {
        let peer = parse_local_onion(PEER).unwrap();
        assert_eq!(parse("UPDATE", "localhost", PEER), Ok(Command::Update(peer)));
        assert_eq!(parse("UPDATE", PEER, ""), Ok(Command::Update(peer)));
        assert_eq!(parse("HISTORY", PEER, " 99999 "), Ok(Command::History { with: peer, count: HISTORY_MAX }));
        assert_eq!(parse("LEGACY", "", ""), Ok(Command::NextLegacy));
        assert_eq!(parse("LEGACY", "", "3"), Ok(Command::Legacy { count: 3 }));
        assert_eq!(parse("INVITE", "", "1"), Ok(Command::Invite { lifetime_ms: 3_600_000 }));
        assert_eq!(parse("RENAME", PEER, ""), Ok(Command::Change(peer, ContactChange::Rename(None))));
        assert_eq!(parse("ACCEPT", PEER, "").unwrap().subject(), Some(peer));
        for (cmd, id, msg, code) in [
            ("SEND", "x", "hi", "bad-onion"),
            ("SEND", PEER, "", "bad-value"),
            ("SEND", PEER, " \n\t\u{a0}", "bad-value"),
            ("HISTORY", PEER, "many", "bad-value"),
            ("CANCEL", PEER, "12", "bad-value"),
            ("INVITE", "", "0", "bad-value"),
            ("INVITE", "", "2161", "bad-value"),
            ("APPEAR", PEER, "away", "bad-value"),
            ("ADD", "torchat:x", "", "bad-value"),
            ("ADD", "torchat-room:x", "", "bad-value"),
            ("ADD", "x", "", "bad-onion"),
        ] {
            assert_eq!(parse(cmd, id, msg), Err(Code::of(code)), "{cmd} {id} {msg}");
        }
    }
}
