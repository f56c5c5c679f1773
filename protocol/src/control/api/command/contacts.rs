//! Commands that say who may write to us.

use super::Nothing;
use crate::control::api::record::{Contact, ContactRequest};
use crate::control::api::{ConversationId, Onion, Right};
use serde::{Deserialize, Serialize};

commands! {
    /// Contacts, and what the daemon knows about each.
    Contacts "CONTACTS" Some(Right::Read) => ContactsAnswer;
    /// Strangers who ask to become contacts, oldest first.
    Requests "REQUESTS" Some(Right::Read) => RequestsAnswer;
    /// Makes a peer a contact, or the peer that an invite is from. With an invite to a room it is ROOM_JOIN, and needs the right
    /// `rooms` too.
    Add "ADD" Some(Right::Contacts) => AddAnswer;
    /// Accepts a stranger's request: the stranger becomes a contact.
    Accept "ACCEPT" Some(Right::Contacts) => Nothing;
    /// Does not show a stranger's request again for 30 days. The stranger is not told.
    Refuse "REFUSE" Some(Right::Contacts) => Nothing;
    /// Blocks a peer: as REMOVE, and the daemon drops their requests. They see what every stranger sees.
    Block "BLOCK" Some(Right::Contacts) => Nothing;
    /// Unblocks a peer, who becomes a stranger.
    Unblock "UNBLOCK" Some(Right::Contacts) => Nothing;
    /// Gives a contact a name of the user's, which wins over their own nickname; an empty one removes it. Of a room it is the alias.
    Rename "RENAME" Some(Right::Contacts) => Nothing;
    /// Removes a contact, who becomes a stranger. The daemon takes back what waits for them; the history stays. Of a room it is
    /// ROOM_LEAVE, and needs the right `rooms` too.
    Remove "REMOVE" Some(Right::Contacts) => Nothing;
    /// Makes an invite: the first peer that uses it, in time, becomes a contact at once.
    Invite "INVITE" Some(Right::Contacts) => InviteAnswer;
    /// Sets whether a contact sees us while there is nothing to deliver.
    Appear "APPEAR" Some(Right::Contacts) => Nothing;
    /// Marks a contact's key as compared with its owner, or takes the mark away. REMOVE and BLOCK take it away too.
    Verify "VERIFY" Some(Right::Contacts) => Nothing;
}

records! {
    /// Parameters of CONTACTS.
    #[derive(Default)]
    Contacts {
        /// Contacts after this one, in the order of the answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Onion>,
        /// How many at most: 1 to 1,000; as many as fit into 1 MiB if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    }
    /// What CONTACTS answers.
    ContactsAnswer {
        /// Contacts and blocked peers.
        contacts: Vec<Contact>,
        /// There are more after the last one; absent: there are none.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        more: bool,
    }
    /// Parameters of REQUESTS.
    Requests {}
    /// What REQUESTS answers.
    RequestsAnswer {
        /// Oldest first.
        requests: Vec<ContactRequest>,
    }
    /// Parameters of ADD.
    Add {
        /// An onion, or an invite (`torchat:...?i=...`, or `torchat-room:...` to a room).
        peer: String,
        /// What to say, at most 500 bytes.
        #[serde(default)]
        text: String,
    }
    /// What ADD answers.
    AddAnswer {
        /// Who is a contact now, or which room we are joining.
        peer: ConversationId,
    }
    /// Parameters of ACCEPT.
    Accept {
        /// Who asks.
        peer: Onion,
    }
    /// Parameters of REFUSE.
    Refuse {
        /// Who asks.
        peer: Onion,
    }
    /// Parameters of BLOCK.
    Block {
        /// The peer.
        peer: Onion,
    }
    /// Parameters of UNBLOCK.
    Unblock {
        /// The peer.
        peer: Onion,
    }
    /// Parameters of RENAME.
    Rename {
        /// The peer, or a room.
        peer: ConversationId,
        /// The name.
        name: String,
    }
    /// Parameters of REMOVE.
    Remove {
        /// The peer, or a room.
        peer: ConversationId,
    }
    /// Parameters of INVITE.
    Invite {
        /// How long it is valid: 1 to 2,160 hours; 168 if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hours: Option<u32>,
    }
    /// What INVITE answers.
    InviteAnswer {
        /// `torchat:<onion>?i=<secret>`. The daemon shows it here and does not store it.
        invite: String,
    }
    /// Parameters of APPEAR.
    Appear {
        /// The contact.
        peer: Onion,
        /// True: they see us only while there is something to deliver.
        hidden: bool,
    }
    /// Parameters of VERIFY.
    Verify {
        /// The contact.
        peer: Onion,
        /// True: the user has compared its key with its owner. False: the mark is taken away.
        verified: bool,
    }
}
