//! What each command of the classic contract does.

use super::access::{Access, Audited, Gate, is_audited};
use super::pages::{self, Desk};
use super::{contacts, legacy};
use serde::Serialize;
use std::fmt::Write as _;
use std::time::Duration;
use torchat_core::input::ContactChange;
use torchat_engine::LegacyLease;
use torchat_engine::handle::{DeliveryWait, Handle, HistoryLine, Lease, Refusal};
use torchat_protocol::control::api::COMMANDS;
use torchat_protocol::control::{Reply, Request};
use torchat_protocol::id::{MessageId, PeerId, parse_local_onion};

/// Messages that HISTORY shows when no number is given.
const HISTORY_DEFAULT: u32 = 20;
/// Messages that HISTORY shows at most, so that a reply stays a reply.
const HISTORY_MAX: u32 = 10_000;
/// Bytes of such a reply, and of a list of old programs' messages; less if there is little room, see [`Desk`].
pub(super) const REPLY_BYTES: usize = 4 << 20;
/// How long SEND waits for the delivery when no time is given.
pub(super) const WAIT_DEFAULT_S: u64 = 120;
/// How long SEND waits at most.
pub(super) const WAIT_MAX_S: u64 = 3600;

/// A message that was handed out and is neither taken nor put back.
pub(super) enum Held {
    Mail(Lease),
    Old(LegacyLease),
}

impl Held {
    pub(super) async fn take(self, handle: &Handle) {
        match self {
            Self::Mail(lease) => handle.take(lease).await,
            Self::Old(lease) => handle.take_legacy(lease).await,
        }
    }

    pub(super) fn put_back(self, handle: &Handle) {
        match self {
            Self::Mail(lease) => handle.put_back(lease),
            Self::Old(lease) => drop(lease),
        }
    }
}

/// What came of a request.
pub(super) struct Outcome {
    pub(super) reply: Reply,
    /// A message that the reply hands out.
    pub(super) lease: Option<Held>,
    /// What its reply counts for until it is taken.
    pub(super) room: Option<pages::Held>,
    /// The daemon is to stop after the reply.
    pub(super) exit: bool,
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Self {
        Self { reply, lease: None, room: None, exit: false }
    }
}

/// Executes a request, and leaves a line in the audit if it is administrative. The contract knows no rights: whoever
/// does not have all of them is refused.
///
/// May be dropped at any time: what the engine has by then goes on, and an administrative command is carried out.
pub(super) async fn execute(handle: &Handle, gate: &Gate, access: &Access, desk: &Desk, request: Request) -> Outcome {
    // A command of both contracts has the same name in both.
    let audited = COMMANDS.iter().find(|row| row.name == request.cmd && is_audited(row.right));
    let peer = audited.and_then(|_| parse_local_onion(&request.id).ok());
    if !access.is_classic() {
        let (code, text) = ("not-allowed", "the classic contract is for the daemon's own user: begin with HELLO");
        if let Some(row) = audited {
            gate.audit_refusal(access, row.name, peer.as_ref(), code);
        }
        return Reply::error(code, &request.id, text, request.portno).into();
    }
    let Some(row) = audited else { return run(handle, desk, &request).await };
    let begun = Audited::begin(access, row.name, peer.as_ref());
    let (handle, desk, id, portno) = (handle.clone(), desk.clone(), request.id.clone(), request.portno);
    // In a task of its own: what is begun is done, and not left half done when the connection breaks.
    let task = tokio::spawn(async move {
        let outcome = run(&handle, &desk, &request).await;
        begun.end(outcome.reply.code().unwrap_or("ok"));
        outcome
    });
    task.await.unwrap_or_else(|_| {
        let stopping = Refusal::Stopping;
        Reply::error(stopping.code(), &id, stopping.to_string(), portno).into()
    })
}

async fn run(handle: &Handle, desk: &Desk, request: &Request) -> Outcome {
    let result = match request.cmd.as_str() {
        "HOST" => Ok(Reply::new("HOST", &request.id, handle.own().onion(), request.portno).into()),
        "SEND" => send(handle, request).await.map(Into::into),
        "GET_PEERS" => Ok(get_peers(handle, request).into()),
        "UPDATE" => update(handle, request).await,
        "HISTORY" => history(handle, desk, request).await,
        "ADD" => contacts::add(handle, request).await.map(Into::into),
        "ACCEPT" => contacts::simple(handle, request, ContactChange::Accept).await.map(Into::into),
        "REFUSE" => contacts::simple(handle, request, ContactChange::Refuse).await.map(Into::into),
        "BLOCK" => contacts::simple(handle, request, ContactChange::Block).await.map(Into::into),
        "UNBLOCK" => contacts::simple(handle, request, ContactChange::Unblock).await.map(Into::into),
        "REMOVE" => contacts::simple(handle, request, ContactChange::Remove).await.map(Into::into),
        "RENAME" => contacts::rename(handle, request).await.map(Into::into),
        "INVITE" => contacts::invite(handle, request).await.map(Into::into),
        "REQUESTS" => Ok(contacts::requests(handle, request).into()),
        "CANCEL" => cancel(handle, request).await.map(Into::into),
        "APPEAR" => contacts::appear(handle, request).await.map(Into::into),
        "CONTACTS" => Ok(contacts::contacts(handle, request).into()),
        "LEGACY" => legacy::legacy(handle, desk, request).await,
        "STATUS" => Ok(status(handle, request).into()),
        "EXIT" => Ok(Outcome { exit: true, ..Reply::new("END", &request.id, "", request.portno).into() }),
        "RECV" => Err(Reply::error(
            "not-a-command",
            &request.id,
            "RECV is for peers, which have a door of their own",
            request.portno,
        )),
        "END" | "ERR" => {
            let text = format!("{} is a reply, not a command", request.cmd);
            Err(Reply::error("not-a-command", &request.id, text, request.portno))
        }
        other => {
            // The name goes back only as far as a name can be long.
            let name: String = other.chars().take(32).collect();
            let text = format!(
                "unknown command {name:?}: the commands are HOST SEND GET_PEERS UPDATE HISTORY CANCEL CONTACTS ADD REQUESTS ACCEPT \
                 REFUSE INVITE RENAME REMOVE BLOCK UNBLOCK APPEAR LEGACY STATUS EXIT"
            );
            Err(Reply::error("unknown-command", &request.id, text, request.portno))
        }
    };
    result.unwrap_or_else(Into::into)
}

pub(super) fn peer(request: &Request, text: &str) -> Result<PeerId, Reply> {
    parse_local_onion(text).map_err(|error| Reply::error("bad-onion", &request.id, error.to_string(), request.portno))
}

pub(super) fn refused(request: &Request, refusal: &Refusal) -> Reply {
    Reply::error(refusal.code(), &request.id, refusal.to_string(), request.portno)
}

pub(super) fn count(request: &Request, number: &str) -> Result<u32, Reply> {
    let text = "\"msg\" must be the number of messages";
    number.parse().map_err(|_| Reply::error("bad-value", &request.id, text, request.portno))
}

async fn send(handle: &Handle, request: &Request) -> Result<Reply, Reply> {
    let to = peer(request, &request.id)?;
    let wait = match request.wait.as_deref() {
        None => None,
        Some("delivered") => Some(request.timeout.unwrap_or(WAIT_DEFAULT_S).min(WAIT_MAX_S)),
        Some(_) => {
            let text = "\"wait\" can only be \"delivered\"";
            return Err(Reply::error("bad-value", &request.id, text, request.portno));
        }
    };
    let mid = handle.send(to, request.msg.clone()).await.map_err(|refusal| refused(request, &refusal))?;
    if let Some(seconds) = wait {
        let end = handle.wait_delivered(to, mid, Duration::from_secs(seconds)).await;
        let (text, queued) = match end {
            DeliveryWait::Delivered => return Ok(Reply::new("END", handle.own().onion(), "", request.portno)),
            DeliveryWait::NotYet { reason } => {
                (format!("not delivered within {seconds} s, still being tried: {reason}"), true)
            }
            DeliveryWait::Failed { reason } => (format!("it will not be delivered: {reason}"), false),
        };
        let reply = Reply::error("not-delivered", to.onion(), text, request.portno);
        return Err(reply.with("mid", mid.to_string()).with("queued", queued));
    }
    Ok(Reply::new("END", handle.own().onion(), "", request.portno))
}

fn get_peers(handle: &Handle, request: &Request) -> Reply {
    let peers: Vec<_> = handle.unread_peers().iter().map(PeerId::onion).collect();
    Reply::new("GET_PEERS", &request.id, peers.join(","), request.portno)
}

async fn update(handle: &Handle, request: &Request) -> Result<Outcome, Reply> {
    let from = peer(request, if request.msg.is_empty() { &request.id } else { &request.msg })?;
    let onion = from.onion();
    Ok(match handle.lease(from).await {
        None => Reply::new("END", &onion, &onion, request.portno).into(),
        Some(lease) => {
            let reply = Reply::new("UPDATE", &onion, &lease.text, request.portno).with("date", date(lease.arrived_ms));
            Outcome { lease: Some(Held::Mail(lease)), ..reply.into() }
        }
    })
}

async fn history(handle: &Handle, desk: &Desk, request: &Request) -> Result<Outcome, Reply> {
    let with = peer(request, &request.id)?;
    let count = match request.msg.trim() {
        "" => HISTORY_DEFAULT,
        number => count(request, number)?,
    };
    let (own, onion) = (handle.own().onion(), with.onion());
    let (id, portno, count) = (request.id.clone(), request.portno, count.min(HISTORY_MAX));
    let turn = desk.page(REPLY_BYTES).await;
    let reply = handle.history_as(with, count, turn.bytes(), move |lines, more| {
        let cut = more && lines.len() < count as usize;
        let (mut text, mut list) = (String::new(), vec![b'[']);
        // A line is gone when its two forms are written: they are large enough.
        for line in lines {
            let date = date(line.at_ms);
            let who = if line.dir == "out" { &own } else { &onion };
            let _ = writeln!(text, "{date} {who} {}", line.text.replace('\n', "\n  "));
            if list.len() > 1 {
                list.push(b',');
            }
            let next_try = line.next_try_ms.map(self::date);
            let HistoryLine { dir, mid, text: msg, reason, state, .. } = line;
            // Records with text keys cannot fail to serialise, and a Vec takes every byte.
            let _ = serde_json::to_writer(&mut list, &Entry { date, dir, mid, msg, next_try, reason, state });
        }
        list.push(b']');
        let size = text.len() + list.len();
        let reply = Reply::new("HISTORY", id, text, portno).with_json("lines", list);
        // Fewer than were asked for, although there are more.
        (if cut { reply.with("cut", true) } else { reply }, size)
    });
    let (reply, size) = reply.await.map_err(|refusal| refused(request, &refusal))?;
    Ok(Outcome { room: Some(turn.hold(size)), ..reply.into() })
}

/// A message of HISTORY. The keys stand in alphabetical order, as everywhere in the contract.
#[derive(Serialize)]
struct Entry {
    date: String,
    dir: &'static str,
    mid: MessageId,
    msg: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_try: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    state: &'static str,
}

async fn cancel(handle: &Handle, request: &Request) -> Result<Reply, Reply> {
    let whom = peer(request, &request.id)?;
    let mid: MessageId = request.msg.trim().parse().map_err(|_| {
        let text = "\"msg\" must be the message's id, 32 hexadecimal digits as HISTORY shows it under \"mid\"";
        Reply::error("bad-value", &request.id, text, request.portno)
    })?;
    let certain = handle.cancel(whom, mid).await.map_err(|refusal| refused(request, &refusal))?;
    // Honest about what is not known: a message that was on its way may have arrived.
    Ok(Reply::new("END", &request.id, "", request.portno).with("certain", certain))
}

fn status(handle: &Handle, request: &Request) -> Reply {
    let status = handle.status();
    let sentence = status["sentence"].as_str().unwrap_or_default().to_owned();
    Reply::new("STATUS", &request.id, sentence, request.portno).with("status", status)
}

/// RFC 3339, UTC, seconds.
pub(super) fn date(at_ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(at_ms) {
        Ok(at) => at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        // Outside the years that have a name; only a broken clock gets here.
        Err(_) => "1970-01-01T00:00:00Z".to_owned(),
    }
}
