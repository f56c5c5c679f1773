//! What each command of the classic contract does.

use super::command::{Command, Echo, Rejected};
use super::{contacts, legacy, rooms};
use crate::access::{Access, Audited, Gate, is_audited};
use crate::page_budget::{PagePermit, PageShare};
use crate::verbs;
use serde::Serialize;
use std::fmt::Write as _;
use torchat_core::input::ContactChange;
use torchat_engine::LegacyLease;
use torchat_engine::handle::{Handle, HistoryLine, Lease, Refusal, SendOptions};
use torchat_protocol::control::api::{COMMANDS, Onion};
use torchat_protocol::control::code::Code;
use torchat_protocol::control::{Reply, Request};
use torchat_protocol::id::{MessageId, PeerId, parse_local_onion};

/// Bytes of a reply of HISTORY, and of a list of old programs' messages; less if there is little room, see [`PageShare`].
pub(crate) const REPLY_BYTES: usize = 4 << 20;

/// A message that was handed out and is neither taken nor put back.
pub(crate) enum HandedOut {
    Mail(Lease),
    Old(LegacyLease),
}

impl HandedOut {
    pub(crate) async fn take(self, handle: &Handle) {
        match self {
            Self::Mail(lease) => handle.take(lease).await,
            Self::Old(lease) => handle.take_legacy(lease).await,
        }
    }

    pub(crate) fn put_back(self, handle: &Handle) {
        match self {
            Self::Mail(lease) => handle.put_back(lease),
            Self::Old(lease) => drop(lease),
        }
    }
}

/// What came of a request.
pub(crate) struct Outcome {
    pub(crate) reply: Reply,
    /// A message that the reply hands out.
    pub(crate) lease: Option<HandedOut>,
    /// What its reply counts for until it is taken.
    pub(crate) room: Option<PagePermit>,
    /// The daemon is to stop after the reply.
    pub(crate) exit: bool,
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Self {
        Self { reply, lease: None, room: None, exit: false }
    }
}

/// What the commands of a connection work with. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) handle: Handle,
    pub(crate) share: PageShare,
    /// Our onion.
    pub(crate) own: String,
}

/// Executes a request, and leaves a line in the audit if it is administrative. The contract knows no rights: a program
/// that does not have all of them is refused.
///
/// May be dropped at any time: what the engine has by then goes on, and an administrative command is carried out.
pub(crate) async fn execute(context: &Context, gate: &Gate, access: &Access, request: Request) -> Outcome {
    // A command of both contracts has the same name in both.
    let audited = COMMANDS.iter().find(|row| row.name == request.cmd && is_audited(row.right));
    let may = access.may_classic(&request.cmd);
    let (echo, command) = Command::parse(request);
    let named = audited.and_then(|_| parse_local_onion(&echo.id).ok());
    if !may {
        let (code, text) = (Code::NotAllowed, "the classic contract is for the daemon's own user: begin with HELLO");
        if access.is_unknown() {
            context.handle.note_lost_command();
        }
        if let Some(row) = audited {
            gate.audit_refusal(access, row.name, named.as_ref(), code.as_str());
        }
        return echo.reject(Rejected::new(code, text)).into();
    }
    let Some(row) = audited else { return run(context, &echo, command).await };
    // An invite names somebody, too; and who was named is told also of a command that cannot be read.
    let subject = command.as_ref().ok().and_then(Command::subject).or(named);
    let begun = Audited::begin(access, row.name, subject.as_ref());
    let (context, lost) = (context.clone(), echo.clone());
    // In a task of its own: what is begun is done, and not left half done when the connection breaks.
    let task = tokio::spawn(async move {
        let outcome = run(&context, &echo, command).await;
        begun.end(outcome.reply.code().as_ref().map_or("ok", Code::as_str));
        outcome
    });
    task.await.unwrap_or_else(|_| lost.reject((&Refusal::Stopping).into()).into())
}

async fn run(context: &Context, echo: &Echo, command: Result<Command, Rejected>) -> Outcome {
    let done = match command {
        Ok(command) => carry_out(context, echo, command).await,
        Err(rejected) => Err(rejected),
    };
    done.unwrap_or_else(|rejected| echo.reject(rejected).into())
}

async fn carry_out(context: &Context, echo: &Echo, command: Command) -> Result<Outcome, Rejected> {
    let handle = &context.handle;
    Ok(match command {
        Command::Host => echo.reply("HOST", context.own.as_str()).into(),
        Command::Send { to, text, wait } => send(context, echo, to, text, wait).await?.into(),
        Command::GetPeers => {
            let peers: Vec<_> = handle.unread_peers().iter().map(PeerId::onion).collect();
            echo.reply("GET_PEERS", peers.join(",")).into()
        }
        Command::Update(from) => update(handle, echo, from).await,
        Command::History { with, count } => history(context, echo, with, count).await?,
        Command::Cancel(to, mid) => {
            let certain = handle.cancel(to, mid).await.map_err(|refusal| Rejected::from(&refusal))?;
            // Honest about what is not known: a message that was on its way may have arrived.
            echo.reply("END", "").with("certain", certain).into()
        }
        Command::Contacts => contacts::contacts(handle, echo).into(),
        Command::Requests => contacts::requests(handle, echo).into(),
        Command::Join(invite, text) => rooms::join(handle, echo, invite, text).await?.into(),
        Command::Rooms => rooms::rooms(handle, echo).await?.into(),
        Command::Change(whom, how) => change(handle, echo, whom, how).await?.into(),
        Command::Invite { lifetime_ms } => {
            let invite = handle.invite(lifetime_ms).await.map_err(|refusal| Rejected::from(&refusal))?;
            echo.reply("INVITE", invite.to_string()).into()
        }
        Command::NextLegacy => legacy::next(handle, echo).await,
        Command::Legacy { count } => legacy::list(context, echo, count).await?,
        Command::Status => {
            let status = handle.status_for_clients().await;
            let sentence = status.sentence.clone().unwrap_or_default();
            echo.reply("STATUS", sentence).with("status", status.to_json()).into()
        }
        Command::Exit => Outcome { exit: true, ..echo.reply("END", "").into() },
    })
}

async fn change(handle: &Handle, echo: &Echo, whom: PeerId, how: ContactChange) -> Result<Reply, Rejected> {
    handle.change(whom, how).await.map_err(|refusal| Rejected::from(&refusal))?;
    Ok(echo.reply("END", ""))
}

async fn send(context: &Context, echo: &Echo, to: PeerId, text: String, wait: Option<u64>) -> Result<Reply, Rejected> {
    let accepted = context.handle.send_with(to, text, SendOptions::default()).await;
    let accepted = accepted.map_err(|refusal| Rejected::from(&refusal))?;
    if let Some(seconds) = wait
        && let Err(end) = verbs::delivered(&context.handle, &accepted, seconds).await
    {
        let mid = accepted.mid;
        let reply = Reply::error(Code::NotDelivered, to.onion(), end.sentence(), echo.portno.clone());
        return Ok(reply.with("mid", mid.to_string()).with("queued", end.queued));
    }
    Ok(echo.reply_about(context.own.as_str(), "END", ""))
}

async fn update(handle: &Handle, echo: &Echo, from: PeerId) -> Outcome {
    let onion = from.onion();
    match handle.lease(from).await {
        None => echo.reply_about(&onion, "END", &onion).into(),
        Some(lease) => {
            let reply = match handle.room_text(&lease).await {
                None => echo.reply_about(&onion, "UPDATE", &lease.text),
                Some((room, from)) => {
                    let reply = echo.reply_about(&onion, "UPDATE", rooms::told(from.as_ref(), &lease.text));
                    let reply = reply.with("room", room).with("text", lease.text.as_str());
                    rooms::with_writer(reply, from.as_ref())
                }
            };
            let reply = reply.with("date", date(lease.arrived_ms));
            Outcome { lease: Some(HandedOut::Mail(lease)), ..reply.into() }
        }
    }
}

async fn history(context: &Context, echo: &Echo, with: PeerId, count: u32) -> Result<Outcome, Rejected> {
    let (own, onion) = (context.own.clone(), with.onion());
    let Echo { id, portno } = echo.clone();
    let permit = context.share.page(REPLY_BYTES).await;
    let reply = context.handle.history_as(with, count, permit.bytes(), move |lines, more| {
        let cut = more && lines.len() < count as usize;
        let (mut text, mut list) = (String::new(), vec![b'[']);
        // A line is gone when its two forms are written: they are large enough.
        for line in lines {
            let date = date(line.at_ms);
            let who = if line.dir == "out" { &own } else { &onion };
            let words = if line.in_room { rooms::told(line.from.as_ref(), &line.text) } else { line.text.clone() };
            let _ = writeln!(text, "{date} {who} {}", words.replace('\n', "\n  "));
            if list.len() > 1 {
                list.push(b',');
            }
            let next_try = line.next_try_ms.map(self::date);
            let HistoryLine { dir, mid, text: msg, reason, state, from, .. } = line;
            let (member, from) = from.map(|from| (from.member, from.onion)).unzip();
            // Records with text keys cannot fail to serialise, and a Vec takes every byte.
            let _ = serde_json::to_writer(
                &mut list,
                &Entry { date, dir, from: from.flatten(), member, mid, msg, next_try, reason, state },
            );
        }
        list.push(b']');
        let size = text.len() + list.len();
        let reply = Reply::new("HISTORY", id, text, portno).with_json("lines", list);
        // Fewer than were asked for, although there are more.
        (if cut { reply.with("cut", true) } else { reply }, size)
    });
    let (reply, size) = reply.await.map_err(|refusal| Rejected::from(&refusal))?;
    Ok(Outcome { room: Some(permit.hold(size)), ..reply.into() })
}

/// A message of HISTORY. The keys stand in alphabetical order, as everywhere in the contract.
#[derive(Serialize)]
struct Entry {
    date: String,
    dir: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Onion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    member: Option<u32>,
    mid: MessageId,
    msg: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_try: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    state: &'static str,
}

/// RFC 3339, UTC, seconds.
pub(crate) fn date(at_ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(at_ms) {
        Ok(at) => at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        // Outside the years that have a name; only a broken clock gets here.
        Err(_) => "1970-01-01T00:00:00Z".to_owned(),
    }
}
