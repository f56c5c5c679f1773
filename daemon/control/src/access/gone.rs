//! Programs that wrote and closed at once: what is executed for them, although nobody reads the answer.
//!
//! The first TORchat's programs did so with SEND and EXIT. Mostly the kernel still says whose the socket was
//! ([`torchat_loopback`]). Where it does not, any user of the machine may have written the command, so it is lost, counted and told;
//! `[control] trust_closed` lets SEND and EXIT through, for machines with one user.

use super::{Access, Identity};
use rustix::net::{RecvFlags, recv};
use std::os::fd::AsFd;

/// Commands that do nothing but answer. Nobody reads it: nothing is handed out, and a client that pipelined thousands of them and
/// left does not keep the daemon busy.
const ANSWERS: [&str; 8] = ["HOST", "GET_PEERS", "HISTORY", "CONTACTS", "REQUESTS", "STATUS", "UPDATE", "LEGACY"];
/// What is executed for somebody whom nobody knows.
const TRUSTED: [&str; 2] = ["SEND", "EXIT"];

impl Access {
    /// A program that has closed its socket, of our own user or of somebody unknown, who has the classic contract only.
    pub(crate) fn gone(who: Identity) -> Self {
        let mut access = Self { who, gone: true, ..Self::own_user() };
        if access.is_unknown() {
            access.rights.clear();
        }
        access
    }

    /// The program has closed its socket: nobody reads an answer.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone
    }

    /// Nobody knows whose it is: see [`Identity::Unknown`].
    pub(crate) fn is_unknown(&self) -> bool {
        self.who == Identity::Unknown
    }

    /// Whether a command of the classic contract is executed.
    pub(crate) fn may_classic(&self, command: &str) -> bool {
        match (self.gone, &self.who) {
            (true, Identity::Unknown) => TRUSTED.contains(&command),
            (true, _) => self.is_classic() && !only_answers(command),
            (false, _) => self.is_classic(),
        }
    }
}

/// Whether a command of the classic contract is of no use to a client that has gone.
pub(crate) fn only_answers(command: &str) -> bool {
    ANSWERS.contains(&command)
}

/// Whether a program has said anything before it closed. Who only looks whether the port is served has lost nothing.
pub(crate) fn has_words(socket: impl AsFd) -> bool {
    let mut byte = [0; 1];
    recv(socket, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT).is_ok_and(|(length, _)| length > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use torchat_protocol::control::api::Right;

    #[test]
    fn who_is_gone_gets_nothing_handed_out_and_who_is_unknown_only_sends_and_ends() {
        let (ours, unknown) = (Access::gone(Identity::Owner), Access::gone(Identity::Unknown));
        for command in ["SEND", "EXIT"] {
            assert!(ours.may_classic(command) && unknown.may_classic(command), "{command}");
        }
        for command in ["ADD", "BLOCK", "INVITE", "CANCEL", "HELLO", "send", ""] {
            assert!(ours.may_classic(command) && !unknown.may_classic(command), "{command}");
        }
        for command in ANSWERS {
            assert!(!ours.may_classic(command) && !unknown.may_classic(command), "{command}");
            assert!(Access::own_user().may_classic(command));
        }
        for right in [Right::Read, Right::Send, Right::Contacts, Right::Admin] {
            assert!(!unknown.allows(Some(right)), "{right:?}");
        }
    }
}
