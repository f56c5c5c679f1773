//! The frames by which somebody becomes a member, JOIN, TOLD and PETITION: JSON.

use super::{FrameError, Join, Petition, Told};
use crate::json;
use crate::limits::{JSON_DEPTH, NICK_BYTES, PEER_OBJECT_BYTES, REQUEST_TEXT_BYTES};
use crate::nick::Nick;
use crate::room::body::BoundedText;
use crate::room::id::{BoxKey, EventId, Identity, InviteId, MemberKey, MemberNo, RoomId};
use crate::room::invite::Proof;
use crate::strict::{object, present, word};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The keys of JOIN, in the order in which they are written.
#[derive(Serialize, Deserialize)]
pub(super) struct JoinKeys {
    room: EventId,
    sign: MemberKey,
    #[serde(rename = "box")]
    sealing: BoxKey,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    invite: Option<InviteId>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    proof: Option<Proof>,
    #[serde(default, skip_serializing_if = "BoundedText::is_empty")]
    nick: BoundedText<NICK_BYTES>,
    #[serde(default, skip_serializing_if = "BoundedText::is_empty")]
    text: BoundedText<REQUEST_TEXT_BYTES>,
}

impl TryFrom<JoinKeys> for Join {
    type Error = FrameError;

    fn try_from(keys: JoinKeys) -> Result<Self, FrameError> {
        let JoinKeys { room, sign, sealing, invite, proof, nick, text } = keys;
        let invite = match (invite, proof) {
            (Some(invite), Some(proof)) => Some((invite, proof)),
            (None, None) => None,
            // An invite and its proof come together.
            _ => return Err(FrameError::Field("invite")),
        };
        Ok(Self { room: RoomId(room.0), sign, sealing, invite, nick: Nick::parse(nick.as_str()).ok(), text })
    }
}

impl From<&Join> for JoinKeys {
    fn from(join: &Join) -> Self {
        let (invite, proof) = join.invite.unzip();
        Self {
            room: join.room.as_event(),
            sign: join.sign,
            sealing: join.sealing,
            invite,
            proof,
            // A name that keeps the rules is not too long.
            nick: join.nick.as_ref().and_then(|nick| BoundedText::new(nick.as_str())).unwrap_or_default(),
            text: join.text.clone(),
        }
    }
}

/// The keys of TOLD.
#[derive(Serialize, Deserialize)]
pub(super) struct ToldKeys {
    #[serde(deserialize_with = "word")]
    st: State,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    no: Option<MemberNo>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Pending,
    Accepted,
}

impl TryFrom<ToldKeys> for Told {
    type Error = FrameError;

    fn try_from(keys: ToldKeys) -> Result<Self, FrameError> {
        match (keys.st, keys.no) {
            (State::Pending, None) => Ok(Self::Pending),
            (State::Accepted, Some(no)) => Ok(Self::Accepted(no)),
            // Who is a member has a number, and nobody else.
            _ => Err(FrameError::Field("number")),
        }
    }
}

impl From<&Told> for ToldKeys {
    fn from(told: &Told) -> Self {
        match *told {
            Told::Pending => Self { st: State::Pending, no: None },
            Told::Accepted(no) => Self { st: State::Accepted, no: Some(no) },
        }
    }
}

/// The keys of PETITION.
#[derive(Serialize, Deserialize)]
pub(super) struct PetitionKeys {
    id: Identity,
    #[serde(deserialize_with = "object")]
    join: JoinKeys,
}

impl TryFrom<PetitionKeys> for Petition {
    type Error = FrameError;

    fn try_from(keys: PetitionKeys) -> Result<Self, FrameError> {
        Ok(Self { id: keys.id, join: keys.join.try_into()? })
    }
}

impl From<&Petition> for PetitionKeys {
    fn from(petition: &Petition) -> Self {
        Self { id: petition.id, join: (&petition.join).into() }
    }
}

/// Reads the keys of an object.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FrameError> {
    json::from_slice(bytes, PEER_OBJECT_BYTES, JSON_DEPTH).map_err(|error| FrameError::Json(error.in_our_words()))
}
