//! What both contracts share: what a wish means, whichever words it came in, and what is said of how it ended.

use std::time::Duration;
use torchat_core::input::ContactChange;
use torchat_core::snapshot::Intro;
use torchat_engine::handle::{Accepted, DeliveryWait, Handle};
use torchat_protocol::control::reason::Reason;
use torchat_protocol::id::{InviteSecret, OnionError, PeerId, parse_local_onion};
use torchat_protocol::invite::{Invite, InviteError};
use torchat_protocol::limits::REQUEST_TEXT_BYTES;
use torchat_protocol::nick::{Nick, NickError};
use torchat_protocol::room::{RoomInvite, RoomInviteError};

/// How long an invite is good when no number is given, in hours.
pub(crate) const INVITE_DEFAULT_H: u32 = 7 * 24;
/// How long an invite is good at most, in hours.
pub(crate) const INVITE_MAX_H: u32 = 90 * 24;
/// How long SEND waits for the delivery when no time is given.
const WAIT_DEFAULT_S: u64 = 120;
/// How long SEND waits at most.
const WAIT_MAX_S: u64 = 3600;

/// What is wrong with a wish. Each contract has its own code for it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Invalid {
    #[error(transparent)]
    Onion(OnionError),
    #[error("no invite: {0}")]
    Invite(InviteError),
    #[error("no invite: {0}")]
    RoomInvite(RoomInviteError),
    #[error("no name: {0}")]
    Name(NickError),
    #[error("the message is empty")]
    NoText,
    /// With the bytes found.
    #[error("a request has at most {REQUEST_TEXT_BYTES} bytes, this one has {0}")]
    RequestTooLong(usize),
}

/// The peer that an onion or an invite names, and the invite's secret.
pub(crate) fn contact_named(text: &str) -> Result<(PeerId, Option<InviteSecret>), Invalid> {
    if Invite::is_meant(text) {
        let invite: Invite = text.parse().map_err(Invalid::Invite)?;
        Ok((invite.peer, Some(invite.secret)))
    } else {
        Ok((parse_local_onion(text).map_err(Invalid::Onion)?, None))
    }
}

/// ADD: `text` is for the user who decides.
pub(crate) fn add(whom: &str, text: String) -> Result<(PeerId, ContactChange), Invalid> {
    if text.len() > REQUEST_TEXT_BYTES {
        return Err(Invalid::RequestTooLong(text.len()));
    }
    let (peer, invite) = contact_named(whom)?;
    Ok((peer, ContactChange::Add(Intro { text, invite })))
}

/// ADD with an invite to a room: `text` is for its owner.
pub(crate) fn join(invite: &str, text: String) -> Result<(RoomInvite, String), Invalid> {
    if text.len() > REQUEST_TEXT_BYTES {
        return Err(Invalid::RequestTooLong(text.len()));
    }
    Ok((invite.parse().map_err(Invalid::RoomInvite)?, text))
}

/// SEND: a text that somebody can read. Peers may send others, and what is stored is shown.
pub(crate) fn check_text(text: &str) -> Result<(), Invalid> {
    if text.trim().is_empty() { Err(Invalid::NoText) } else { Ok(()) }
}

/// RENAME: nothing takes the name away.
pub(crate) fn rename(name: &str) -> Result<ContactChange, Invalid> {
    let name = match name {
        "" => None,
        name => Some(Nick::typed(name).map_err(Invalid::Name)?.as_str().to_owned()),
    };
    Ok(ContactChange::Rename(name))
}

/// INVITE: how long it is good, in milliseconds. `None`: that is no number of hours that an invite may be good for.
pub(crate) fn invite_ms(hours: u32) -> Option<i64> {
    (1..=INVITE_MAX_H).contains(&hours).then_some(i64::from(hours) * 3_600_000)
}

/// SEND that waits: for how many seconds.
pub(crate) fn wait_s(wanted: Option<u64>) -> u64 {
    wanted.unwrap_or(WAIT_DEFAULT_S).min(WAIT_MAX_S)
}

/// Why a message was not delivered.
#[derive(Debug)]
pub(crate) struct NotDelivered {
    pub(crate) why: Reason,
    /// To whom, in a sentence.
    whom: &'static str,
    /// How long it was waited for, in seconds.
    pub(crate) seconds: u64,
    /// It is still being tried, so it must not be sent again.
    pub(crate) queued: bool,
}

impl NotDelivered {
    /// In words.
    pub(crate) fn sentence(&self) -> String {
        let why = self.why.about(self.whom);
        if self.queued {
            format!("not delivered within {} s; the daemon goes on trying: {why}", self.seconds)
        } else {
            format!("it will not be delivered: {why}")
        }
    }
}

/// Waits for the delivery of a message that was accepted.
///
/// # Errors
/// [`NotDelivered`].
pub(crate) async fn delivered(handle: &Handle, accepted: &Accepted, seconds: u64) -> Result<(), NotDelivered> {
    let whom = if handle.room_of(accepted.conversation).is_some() { "the room" } else { "the peer" };
    match handle.wait_accepted(accepted, Duration::from_secs(seconds)).await {
        DeliveryWait::Delivered => Ok(()),
        DeliveryWait::NotYet { reason } => Err(NotDelivered { why: reason, whom, seconds, queued: true }),
        DeliveryWait::Failed { reason } => Err(NotDelivered { why: reason, whom, seconds, queued: false }),
    }
}
