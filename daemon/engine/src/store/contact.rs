//! Contacts, as events and records show them.

use super::time;
use torchat_core::view::ContactView;
use torchat_protocol::control::api::Onion;
use torchat_protocol::control::api::record::{Contact, ContactState};

/// A contact as records show it.
pub(crate) fn contact_record(view: ContactView) -> Contact {
    Contact {
        peer: Onion(view.peer),
        state: match (view.blocked, view.contact, view.waiting) {
            (true, ..) => ContactState::Blocked,
            (false, false, _) => ContactState::Stranger,
            (false, true, true) => ContactState::Waiting,
            (false, true, false) => ContactState::Contact,
        },
        name: view.petname,
        nick: view.nick,
        link: view.linked,
        heard_s: view.heard_ms_ago.map(|ms| ms / 1000),
        hidden: view.hidden,
        queued: view.queued as u64,
        verified: view.verified_ms.map(time),
        retain_days: view.retain_days,
    }
}
