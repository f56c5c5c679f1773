//! Who is at either end: HELLO, AUTH, HOST, WHOAMI.

use super::answer::{Done, fail, unsupported};
use super::connection::{Connection, IN_WORK};
use super::dispatch::{Caller, Course, Execute, Row, row};
use super::page::PAGE;
use super::subscriptions::SUBSCRIPTIONS;
use crate::access::{Access, Identity, not_authenticated};
use crate::carrier::Kind;
use torchat_protocol::control::api::command::{
    Auth, AuthAnswer, Carrier, Hello, HelloAnswer, Host, HostAnswer, Limits, Welcome, Who, WhoAmI, WhoAmIAnswer,
};
use torchat_protocol::control::api::{self, COMMANDS, Onion};
use torchat_protocol::control::code::Code;
use torchat_protocol::limits;

/// Characters of a program's name that the log shows.
const CLIENT_CHARS: usize = 32;

pub(crate) const ROWS: &[Row] = &[row::<Host>(), row::<WhoAmI>()];

/// HELLO, which comes before any right.
///
/// # Errors
/// After any of them the connection ends, but for a version that is not spoken.
pub(crate) fn hello(hello: Hello, connection: &mut Connection) -> Done<HelloAnswer> {
    let name: String = hello.client.chars().take(CLIENT_CHARS).collect();
    let carrier = connection.context().carrier;
    tracing::debug!(client = %name.escape_debug(), ?carrier, "a local program says hello");
    let answer = |nonce, welcome| {
        let server = concat!("torchatd/", env!("CARGO_PKG_VERSION")).to_owned();
        HelloAnswer { api: api::VERSION, server, nonce, welcome }
    };
    match (hello.token, hello.nonce) {
        (None, _) => connection.visitor().access().map(|access| answer(None, Some(welcome(&access, connection)))),
        (Some(_), None) => Err(fail(Code::BadRequest, "a \"token\" needs a \"nonce\"")),
        (Some(token), Some(nonce)) => {
            // What subscribed before had other rights.
            connection.end_subscriptions();
            connection.visitor().begin_proof(&token, &nonce).map(|nonce| answer(Some(nonce), None))
        }
    }
}

/// Whether this HELLO names a version that is spoken here.
///
/// # Errors
/// `unsupported-api`.
pub(crate) fn check_version(hello: &Hello) -> Done<()> {
    if hello.api == api::VERSION { Ok(()) } else { Err(unsupported(hello.api.into())) }
}

/// AUTH, which ends the proof.
///
/// # Errors
/// After any of them the connection ends.
pub(crate) async fn auth(auth: Auth, connection: &mut Connection) -> Done<AuthAnswer> {
    let proof = connection.visitor().end_proof(&auth.proof).await?;
    let access = connection.visitor().access()?;
    Ok(AuthAnswer { proof, welcome: welcome(&access, connection) })
}

fn welcome(access: &Access, connection: &Connection) -> Welcome {
    let handle = &connection.context().handle;
    let log = handle.log();
    let commands = COMMANDS.iter().filter(|row| access.allows(row.right)).map(|row| row.name.to_owned());
    Welcome {
        onion: Onion(handle.own()),
        rights: access.rights.iter().copied().collect(),
        peers: access.peers.as_ref().map(|peers| peers.iter().copied().collect()),
        commands: commands.collect(),
        seq: log.last(),
        oldest: log.oldest(),
        limits: Limits {
            object_bytes: limits::CONTROL_OBJECT_BYTES as u64,
            text_bytes: limits::TEXT_BYTES as u64,
            requests: IN_WORK as u64,
            subscriptions: SUBSCRIPTIONS as u64,
            page: PAGE.into(),
            room_text_bytes: torchat_protocol::room::limits::TEXT_BYTES as u64,
        },
    }
}

impl Execute for Host {
    fn execute(self, caller: Caller, _: &mut Connection) -> Course<HostAnswer> {
        Course::Now(Ok(HostAnswer { onion: Onion(caller.handle().own()) }))
    }
}

impl Execute for WhoAmI {
    fn execute(self, caller: Caller, _: &mut Connection) -> Course<WhoAmIAnswer> {
        let Access { who, rights, peers, .. } = &*caller.access;
        let (who, uid, token) = match who {
            Identity::Owner => (Who::Owner, None, None),
            Identity::User(uid) => (Who::User, Some(*uid), None),
            Identity::Token(name) => (Who::Token, None, Some(name.clone())),
            // It has the classic contract only.
            Identity::Unknown => return Course::Now(Err(not_authenticated())),
        };
        let carrier = match caller.context.carrier {
            Kind::Unix => Carrier::Unix,
            Kind::Tcp => Carrier::Tcp,
        };
        let (onion, rights) = (Onion(caller.handle().own()), rights.iter().copied().collect());
        let peers = peers.as_ref().map(|peers| peers.iter().copied().collect());
        Course::Now(Ok(WhoAmIAnswer { onion, who, uid, token, rights, peers, carrier }))
    }
}
