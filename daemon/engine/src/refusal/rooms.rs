//! Why a wish about a room was refused: as codes, and in words that say what, where and what to do.

use torchat_core::effect::RoomRefused;
use torchat_core::rooms::ROOMS;
use torchat_protocol::control::code::Code;
use torchat_room::replica::{Cannot, MESH_MEMBERS};

/// The stable code.
pub(super) fn code(refused: RoomRefused) -> Code {
    match refused {
        RoomRefused::NoRoom | RoomRefused::Cannot(Cannot::Destroyed) => Code::NoRoom,
        RoomRefused::AlreadyIn => Code::AlreadyJoined,
        RoomRefused::TooManyRooms => Code::TooManyRooms,
        RoomRefused::ClientReused => Code::ClientIdReused,
        RoomRefused::ToSelf => Code::ToSelf,
        RoomRefused::OutboxFull => Code::OutboxFull,
        RoomRefused::NotPending => Code::NotPending,
        RoomRefused::NoMember => Code::NoMember,
        RoomRefused::OwnerLeaves => Code::OwnerLeaves,
        RoomRefused::TooManyInvites => Code::TooManyInvites,
        RoomRefused::NotServed | RoomRefused::Limit | RoomRefused::Cannot(Cannot::Limit) => Code::BadValue,
        RoomRefused::NoInvite => Code::NoInvite,
        RoomRefused::NoPetition => Code::NoPetition,
        RoomRefused::NotMuted => Code::NotMuted,
        RoomRefused::NoHand => Code::NoHandover,
        RoomRefused::NotFrozen => Code::NotFrozen,
        RoomRefused::NeedsQuorum => Code::NeedsQuorum,
        RoomRefused::Storage => Code::Storage,
        RoomRefused::Cannot(Cannot::NotJoined) => Code::NotJoined,
        RoomRefused::Cannot(Cannot::NoRole) => Code::NoRole,
        RoomRefused::Cannot(Cannot::NotCaughtUp) => Code::NotCaughtUp,
        RoomRefused::Cannot(Cannot::Frozen) => Code::RoomFrozen,
        RoomRefused::Cannot(Cannot::NeedsHosts) => Code::NeedsHosts,
        RoomRefused::Cannot(Cannot::NoChain) => Code::NoChain,
    }
}

/// The parameters of the code.
pub(super) fn params(refused: RoomRefused) -> &'static [(&'static str, usize)] {
    match refused {
        RoomRefused::TooManyRooms => &[("limit", ROOMS)],
        RoomRefused::Cannot(Cannot::NeedsHosts) => &[("limit", MESH_MEMBERS)],
        _ => &[],
    }
}

/// What happened, and what to do.
pub(super) fn sentence(refused: RoomRefused) -> String {
    match refused {
        RoomRefused::NoRoom => "there is no such room here, or it is over for you: ROOMS lists them".to_owned(),
        RoomRefused::AlreadyIn => {
            "you are in this room already, or have asked to become a member: ROOM tells how far it is".to_owned()
        }
        RoomRefused::TooManyRooms => format!("you are in {ROOMS} rooms, which is the limit: leave one first"),
        RoomRefused::ClientReused => {
            "this client_id was used for another room: use a new one for a new room".to_owned()
        }
        RoomRefused::ToSelf => "this invite leads to your own daemon only: you own the room, or did".to_owned(),
        RoomRefused::NotServed => "such rules need a newer version of torchatd".to_owned(),
        RoomRefused::OutboxFull => {
            "too many messages wait in this room: wait until another member is online, or CANCEL some".to_owned()
        }
        RoomRefused::NotPending => {
            "no message with this id waits in the room: it is published, was taken back, or was never sent here; REDACT \
             takes a published text away"
                .to_owned()
        }
        RoomRefused::NoMember => {
            "the room has no other member with this number, or they are not in it any more: ROOM_MEMBERS lists them"
                .to_owned()
        }
        RoomRefused::OwnerLeaves => {
            "you own this room, so you can neither leave it nor have another role: hand it over with ROOM_TRANSFER, or end it with \
             ROOM_DESTROY"
                .to_owned()
        }
        RoomRefused::TooManyInvites => {
            "too many invites to this room are outstanding: ROOM_UNINVITE some, or wait until they have expired".to_owned()
        }
        RoomRefused::Limit => {
            "a number of uses or hours, a role, or the length of a text is beyond its limit: see the command's parameters"
                .to_owned()
        }
        RoomRefused::NoInvite => {
            "the room has no invite with this id: it was used up, taken back, or has expired".to_owned()
        }
        RoomRefused::NoPetition => "nobody with this onion asks to become a member of the room".to_owned(),
        RoomRefused::NotMuted => "this member is not muted".to_owned(),
        RoomRefused::NoHand => {
            "the owner has not said that they hand this room over to you: they must say ROOM_TRANSFER first".to_owned()
        }
        RoomRefused::NotFrozen => "there is nothing to settle in this room".to_owned(),
        RoomRefused::NeedsQuorum => {
            "too many decisions about this room wait until another member is online: wait, or decide with \"force\""
                .to_owned()
        }
        RoomRefused::Storage => "nothing was stored: the store takes no writes".to_owned(),
        RoomRefused::Cannot(cannot) => not_by_the_replica(cannot),
    }
}

fn not_by_the_replica(cannot: Cannot) -> String {
    match cannot {
        Cannot::NotJoined => "you are not a member of this room, or not yet: ROOM tells how far it is".to_owned(),
        Cannot::NoRole => {
            "your role in this room does not allow this: ask its owner; moderators and the owner cannot be muted"
                .to_owned()
        }
        Cannot::NotCaughtUp => {
            "no other member of this room was reached since the daemon started, so it cannot know yet what was said \
             meanwhile: repeat it when one is online"
                .to_owned()
        }
        Cannot::Frozen => {
            "the owner's daemon has made decisions that contradict each other, so no further ones are taken: the owner \
             settles them with ROOM_SETTLE"
                .to_owned()
        }
        Cannot::NeedsHosts => {
            format!(
                "this room has {MESH_MEMBERS} members, which is the limit: remove somebody first, or make another room"
            )
        }
        Cannot::NoChain => {
            "too many backups of this daemon were restored, so it cannot write in this room under its number any more: \
             leave the room and join it again"
                .to_owned()
        }
        Cannot::Limit => "a number, a list or a text is beyond the limits of rooms".to_owned(),
        Cannot::Destroyed => "the owner has ended this room".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Refusal;

    const ALL: [RoomRefused; 27] = [
        RoomRefused::NoRoom,
        RoomRefused::AlreadyIn,
        RoomRefused::TooManyRooms,
        RoomRefused::ClientReused,
        RoomRefused::ToSelf,
        RoomRefused::NotServed,
        RoomRefused::OutboxFull,
        RoomRefused::NotPending,
        RoomRefused::NoMember,
        RoomRefused::OwnerLeaves,
        RoomRefused::TooManyInvites,
        RoomRefused::Limit,
        RoomRefused::NoInvite,
        RoomRefused::NoPetition,
        RoomRefused::NotMuted,
        RoomRefused::NoHand,
        RoomRefused::NotFrozen,
        RoomRefused::NeedsQuorum,
        RoomRefused::Storage,
        RoomRefused::Cannot(Cannot::NotJoined),
        RoomRefused::Cannot(Cannot::NoRole),
        RoomRefused::Cannot(Cannot::NotCaughtUp),
        RoomRefused::Cannot(Cannot::Frozen),
        RoomRefused::Cannot(Cannot::NeedsHosts),
        RoomRefused::Cannot(Cannot::NoChain),
        RoomRefused::Cannot(Cannot::Limit),
        RoomRefused::Cannot(Cannot::Destroyed),
    ];

    #[test]
    fn every_refusal_of_a_room_has_a_code_and_words_of_its_own() {
        let mut sentences = std::collections::BTreeSet::new();
        for refused in ALL {
            let refusal = Refusal::Room(refused);
            let info = refusal.code().info().map(|row| row.params.iter().map(|(name, _)| *name).collect::<Vec<_>>());
            let given: Vec<_> = refusal.params().keys().cloned().collect();
            assert!(info.is_some_and(|known| given.iter().all(|name| known.contains(&name.as_str()))), "{refused:?}");
            assert!(sentences.insert(refusal.to_string()), "{refused:?}");
        }
    }
}
