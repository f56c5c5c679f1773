//! From a request to what its command does: one table, and once for all commands what all of them need.
//!
//! Name, right and parameters come from the protocol's tables ([`Call`]); what is done from [`Execute`]. Whether a command leaves
//! lines in the audit follows from its right: it leaves one when it begins and one when it ends, or one when it is refused. So a new command is a row there and an implementation in the file of its family
//! here, and nothing else in the daemon.

use super::Consumers;
use super::answer::{Done, answer_line, code_of, error_line, fail, refused};
use super::connection::Connection;
use super::page::Page;
use super::{admin, contacts, erasing, events, hello, messages, rooms};
use crate::access::{Access, Audited, is_audited};
use crate::carrier::Kind;
use crate::page_budget::PageShare;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use torchat_core::effect::RoomRefused;
use torchat_engine::handle::{Handle, Refusal};
use torchat_protocol::control::api::{Call, ConversationId, Envelope, Onion, Ref, Right};
use torchat_protocol::control::code::Code;
use torchat_protocol::id::PeerId;
use torchat_protocol::room::RoomId;

/// Characters of an unknown command's name that go back.
const NAME_CHARS: usize = 32;

/// What the commands of a connection work with.
pub(crate) struct Context {
    pub(crate) handle: Handle,
    pub(crate) share: PageShare,
    pub(crate) consumers: Consumers,
    /// Over what the connection came.
    pub(crate) carrier: Kind,
    /// The client sends nothing more: what it waits for without need ends.
    pub(crate) ending: CancellationToken,
    /// The connection must end: nothing may wait any more.
    pub(crate) cut: CancellationToken,
}

impl Context {
    /// For one connection.
    pub(crate) fn new(handle: Handle, share: PageShare, consumers: Consumers, carrier: Kind) -> Self {
        let (ending, cut) = (CancellationToken::new(), CancellationToken::new());
        Self { handle, share, consumers, carrier, ending, cut }
    }
}

/// Who asks, and what the command works with. Cheap to clone: the handle alone has twenty parts, and to clone it for each
/// request was more work than HOST.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) access: Arc<Access>,
    pub(crate) context: Arc<Context>,
    pub(crate) reference: Option<Ref>,
}

impl Caller {
    /// What the engine is asked through.
    pub(crate) fn handle(&self) -> &Handle {
        &self.context.handle
    }

    /// A peer that this connection may know of.
    pub(crate) fn peer(&self, peer: Onion) -> Done<PeerId> {
        self.conversation(peer.conversation()).map(|_| peer.0)
    }

    /// A room of ours that this connection may know of.
    pub(crate) fn room(&self, id: ConversationId) -> Done<RoomId> {
        let id = self.conversation(id)?;
        self.handle().room_of(id).ok_or_else(|| refused(&Refusal::Room(RoomRefused::NoRoom)))
    }

    /// A conversation that this connection may know of.
    pub(crate) fn conversation(&self, id: ConversationId) -> Done<ConversationId> {
        if self.access.sees(id) {
            Ok(id)
        } else {
            let error = fail(Code::NotAllowed, format!("this connection may not see {}", id.onion()));
            Err(error.with("peer", id.onion()))
        }
    }
}

/// How a command goes on.
pub(crate) enum Course<Answer> {
    /// It is done.
    Now(Done<Answer>),
    /// It takes time. Others are begun meanwhile, and may be answered before.
    Later(BoxFuture<'static, Done<Answer>>),
    /// The same of a page, which writes its own line where it is read, and counts until that is taken.
    Page(BoxFuture<'static, Done<Page>>),
    /// The connection has taken it up and sees to the answer.
    Taken,
}

impl<Answer> Course<Answer> {
    /// [`Course::Later`].
    pub(crate) fn later(future: impl Future<Output = Done<Answer>> + Send + 'static) -> Self {
        Self::Later(Box::pin(future))
    }

    /// [`Course::Page`].
    pub(crate) fn page(future: impl Future<Output = Done<Page>> + Send + 'static) -> Self {
        Self::Page(Box::pin(future))
    }
}

/// What a command does. The caller has the right for it.
pub(crate) trait Execute: Call<Answer: Send> + Send + Sized + 'static {
    /// The peer that it is about, for the audit.
    fn subject(&self) -> Option<PeerId> {
        None
    }

    /// Does it, or begins it.
    fn execute(self, caller: Caller, connection: &mut Connection) -> Course<Self::Answer>;
}

/// A row of the table.
pub(crate) struct Row {
    name: &'static str,
    begin: fn(&Envelope<'_>, Arc<Access>, &mut Connection),
}

/// The row of a command.
pub(crate) const fn row<C: Execute>() -> Row {
    Row { name: C::NAME, begin: begin::<C> }
}

/// All commands but HELLO and AUTH, which come before any right. The most frequent ones first.
const TABLE: [&[Row]; 7] =
    [hello::ROWS, messages::ROWS, events::ROWS, contacts::ROWS, rooms::ROWS, erasing::ROWS, admin::ROWS];

/// Begins a request of somebody who has proven what was to be proven.
pub(crate) fn dispatch(envelope: &Envelope<'_>, access: Arc<Access>, connection: &mut Connection) {
    match TABLE.iter().copied().flatten().find(|row| row.name == envelope.name) {
        Some(row) => (row.begin)(envelope, access, connection),
        None => {
            let name: String = envelope.name.chars().take(NAME_CHARS).collect();
            let error = fail(Code::UnknownCommand, format!("there is no command {name:?}")).with("command", name);
            connection.refuse(envelope.reference.clone(), error);
        }
    }
}

fn begin<C: Execute>(envelope: &Envelope<'_>, access: Arc<Access>, connection: &mut Connection) {
    let reference = envelope.reference.clone();
    let command: C = match envelope.parameters() {
        Ok(command) => command,
        Err(error) => return connection.refuse(reference, fail(Code::BadRequest, error.to_string())),
    };
    let audited = is_audited(C::RIGHT);
    let subject = if audited { command.subject() } else { None };
    if !access.allows(C::RIGHT) {
        return not_allowed(C::NAME, C::RIGHT, reference, subject, &access, connection);
    }
    let audit = audited.then(|| Audited::begin(&access, C::NAME, subject.as_ref()));
    let caller = Caller { access, context: connection.context(), reference: reference.clone() };
    match (command.execute(caller, connection), audit) {
        (Course::Now(result), audit) => {
            if let Some(audit) = audit {
                audit.end(code_of(&result));
            }
            connection.answer(answer_line::<C>(reference, result), None);
        }
        (Course::Later(work), None) => connection.work(async move { answer_line::<C>(reference, work.await) }.boxed()),
        (Course::Later(work), Some(audit)) => {
            let lost = reference.clone();
            let work = async move {
                let result = work.await;
                audit.end(code_of(&result));
                answer_line::<C>(reference, result)
            };
            carry_out(work.boxed(), lost, connection);
        }
        // No command with one of these courses is audited: the second line of one that was would say `unseen`.
        (Course::Page(work), _) => connection.page(reference, work),
        (Course::Taken, _) => {}
    }
}

fn not_allowed(
    name: &'static str,
    right: Option<Right>,
    reference: Option<Ref>,
    subject: Option<PeerId>,
    access: &Access,
    connection: &mut Connection,
) {
    let word = right.and_then(|right| serde_json::to_value(right).ok());
    let word = word.as_ref().and_then(|word| word.as_str()).unwrap_or_default();
    let error = fail(Code::NotAllowed, format!("{name} needs the right \"{word}\"")).with("right", word);
    if is_audited(right) {
        connection.gate().audit_refusal(access, name, subject.as_ref(), error.code.as_str());
    }
    connection.refuse(reference, error);
}

/// What is begun is done, and not left half done when the connection breaks: in a task of its own.
fn carry_out(mut work: BoxFuture<'static, Vec<u8>>, reference: Option<Ref>, connection: &mut Connection) {
    // It is begun here, so that the engine gets the requests of a connection in their order.
    if let Some(line) = work.as_mut().now_or_never() {
        return connection.answer(line, None);
    }
    let task = tokio::spawn(work);
    let stopping = || error_line(reference, refused(&Refusal::Stopping));
    // The task is ended only with the daemon.
    connection.work(async move { task.await.unwrap_or_else(|_| stopping()) }.boxed());
}

#[cfg(test)]
mod tests {
    use super::*;
    use torchat_protocol::control::api::COMMANDS;
    use torchat_protocol::control::api::command::{Auth, Hello};

    #[test]
    fn every_command_of_the_protocol_is_done_by_one_row() {
        let rows: Vec<_> = TABLE.iter().copied().flatten().map(|row| row.name).collect();
        for command in COMMANDS {
            let first = [Hello::NAME, Auth::NAME].contains(&command.name);
            let count = rows.iter().filter(|name| **name == command.name).count();
            assert_eq!(count, usize::from(!first), "{}", command.name);
        }
        assert_eq!(rows.len(), COMMANDS.len() - 2, "there is a row that the protocol does not know");
    }
}
