//! Contacts: who may write to us.

use super::answer::{Done, answer_line, fail, refused};
use super::connection::Connection;
use super::dispatch::{Caller, Course, Execute, Row, row};
use super::page::{List, PAGE_BYTES, held};
use super::rooms;
use crate::verbs::{self, INVITE_DEFAULT_H, INVITE_MAX_H, Invalid};
use torchat_core::input::ContactChange;
use torchat_engine::handle::Refusal;
use torchat_protocol::control::api::command::{
    Accept, Add, AddAnswer, Appear, Block, Contacts, ContactsAnswer, Invite, InviteAnswer, Nothing, Refuse, Remove,
    Rename, Requests, RequestsAnswer, Unblock, Verify,
};
use torchat_protocol::control::api::{ApiError, ConversationId, Onion, Right};
use torchat_protocol::control::code::Code;
use torchat_protocol::id::PeerId;
use torchat_protocol::limits;
use torchat_protocol::room::RoomInvite;

pub(crate) const ROWS: &[Row] = &[
    row::<Contacts>(),
    row::<Requests>(),
    row::<Add>(),
    row::<Accept>(),
    row::<Refuse>(),
    row::<Block>(),
    row::<Unblock>(),
    row::<Rename>(),
    row::<Remove>(),
    row::<Invite>(),
    row::<Appear>(),
    row::<Verify>(),
];

/// What is wrong with a wish, as a refusal.
pub(super) fn invalid(invalid: Invalid) -> ApiError {
    let code = match invalid {
        Invalid::RequestTooLong(_) => Code::TooLong,
        Invalid::Onion(_) | Invalid::Invite(_) | Invalid::RoomInvite(_) | Invalid::Name(_) | Invalid::NoText => {
            Code::BadRequest
        }
    };
    let error = fail(code, invalid.to_string());
    match invalid {
        Invalid::RequestTooLong(bytes) => error.with("bytes", bytes).with("limit", limits::REQUEST_TEXT_BYTES),
        _ => error,
    }
}

async fn change(caller: Caller, peer: Onion, change: ContactChange) -> Done<Nothing> {
    let peer = caller.peer(peer)?;
    caller.handle().change(peer, change).await.map_err(|error| refused(&error))?;
    Ok(Nothing {})
}

/// The same of a conversation, which may be nobody's.
async fn change_in(caller: Caller, conversation: ConversationId, how: ContactChange) -> Done<Nothing> {
    let conversation = caller.conversation(conversation)?;
    let peer = conversation.as_peer().ok_or_else(|| refused(&Refusal::NoContact))?;
    change(caller, Onion(peer), how).await
}

/// Commands that change what a peer is to us and answer nothing: each says how.
macro_rules! changes {
    ($($command:ident: $change:expr;)+) => {
        $(impl Execute for $command {
            fn subject(&self) -> Option<PeerId> {
                Some(self.peer.0)
            }

            fn execute(self, caller: Caller, _: &mut Connection) -> Course<Nothing> {
                let how: fn(&Self) -> ContactChange = $change;
                Course::later(change(caller, self.peer, how(&self)))
            }
        })+
    };
}

changes! {
    Accept: |_| ContactChange::Accept;
    Refuse: |_| ContactChange::Refuse;
    Block: |_| ContactChange::Block;
    Unblock: |_| ContactChange::Unblock;
    Appear: |appear| ContactChange::Appear { hidden: appear.hidden };
    Verify: |verify| ContactChange::Verify { verified: verify.verified };
}

impl Execute for Contacts {
    fn execute(self, caller: Caller, _: &mut Connection) -> Course<ContactsAnswer> {
        Course::page(async move {
            let permit = caller.context.share.page(PAGE_BYTES).await;
            let mut page = List::new(self.limit, permit.bytes())?;
            let (mut after, among) = (self.after.map(|after| after.0), caller.access.peers.as_deref());
            loop {
                let contacts = caller.handle().list_contacts(after, among, page.step());
                after = contacts.last().map(|last| last.peer.0);
                let last = contacts.len() < page.step();
                if !contacts.into_iter().all(|contact| page.add(contact)) || last {
                    break;
                }
                // Others are served between two steps.
                tokio::task::yield_now().await;
            }
            let (contacts, more) = page.end();
            let answer = ContactsAnswer { contacts, more };
            Ok(held(permit, answer_line::<Self>(caller.reference, Ok(answer))))
        })
    }
}

impl Execute for Requests {
    fn execute(self, caller: Caller, _: &mut Connection) -> Course<RequestsAnswer> {
        let mut requests = caller.handle().request_records();
        requests.retain(|request| caller.access.sees(request.peer));
        Course::Now(Ok(RequestsAnswer { requests }))
    }
}

impl Execute for Add {
    fn subject(&self) -> Option<PeerId> {
        if let Ok(invite) = self.peer.parse::<RoomInvite>() {
            return invite.room.conversation().as_peer();
        }
        verbs::contact_named(&self.peer).ok().map(|(peer, _)| peer)
    }

    fn execute(self, caller: Caller, _: &mut Connection) -> Course<AddAnswer> {
        if RoomInvite::is_meant(&self.peer) {
            return Course::later(async move {
                let peer = rooms::add(caller, self.peer, self.text).await?;
                Ok(AddAnswer { peer })
            });
        }
        let (peer, add) = match verbs::add(&self.peer, self.text) {
            Ok(add) => add,
            Err(error) => return Course::Now(Err(invalid(error))),
        };
        Course::later(async move {
            change(caller, Onion(peer), add).await?;
            Ok(AddAnswer { peer: peer.into() })
        })
    }
}

impl Execute for Remove {
    fn subject(&self) -> Option<PeerId> {
        self.peer.as_peer()
    }

    fn execute(self, caller: Caller, _: &mut Connection) -> Course<Nothing> {
        if caller.handle().room_of(self.peer).is_some() && !caller.access.allows(Some(Right::Rooms)) {
            let error = fail(Code::NotAllowed, "to leave a room needs the right \"rooms\"");
            return Course::Now(Err(error.with("right", "rooms")));
        }
        Course::later(change_in(caller, self.peer, ContactChange::Remove))
    }
}

impl Execute for Rename {
    fn subject(&self) -> Option<PeerId> {
        self.peer.as_peer()
    }

    fn execute(self, caller: Caller, _: &mut Connection) -> Course<Nothing> {
        match verbs::rename(&self.name) {
            Ok(rename) => Course::later(change_in(caller, self.peer, rename)),
            Err(error) => Course::Now(Err(invalid(error))),
        }
    }
}

impl Execute for Invite {
    fn execute(self, caller: Caller, _: &mut Connection) -> Course<InviteAnswer> {
        let Some(lifetime_ms) = verbs::invite_ms(self.hours.unwrap_or(INVITE_DEFAULT_H)) else {
            return Course::Now(Err(fail(Code::BadRequest, format!("\"hours\" must be 1 to {INVITE_MAX_H}"))));
        };
        Course::later(async move {
            let invite = caller.handle().invite(lifetime_ms).await.map_err(|error| refused(&error))?;
            Ok(InviteAnswer { invite: invite.to_string() })
        })
    }
}
