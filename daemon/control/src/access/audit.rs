//! The audit: who used a command that needs the right `contacts`, `rooms` or `admin`.
//!
//! A command leaves a line when it is accepted, before anything is done, and another one with what came of it. It is carried out by
//! a task of its own, so a client that resets its connection right behind its words changes nothing about either. The second
//! line says `unseen` only if the daemon ended in between.

use super::{Access, Gate};
use crate::seldom::Seldom;
use torchat_protocol::control::api::Right;
use torchat_protocol::id::PeerId;

/// Whether a command leaves lines in the audit.
pub(crate) fn is_audited(right: Option<Right>) -> bool {
    matches!(right, Some(Right::Contacts | Right::Rooms | Right::Admin))
}

/// One line: who, what, the first four characters of the peer that it was about, and `begun`, `ok`, the error's code, or `unseen`.
/// Never any content.
fn line(who: &str, command: &str, peer: Option<&str>, code: &str) {
    tracing::info!(target: "audit", who, command, peer, code);
}

/// A command that was accepted. Its second line is written by [`Self::end`], or `unseen` when it is dropped: it may be done or
/// not.
#[derive(Debug)]
pub(crate) struct Audited {
    who: String,
    command: &'static str,
    peer: Option<String>,
    ended: bool,
}

impl Audited {
    /// Writes the first line. To be called before anything is done.
    pub(crate) fn begin(access: &Access, command: &'static str, peer: Option<&PeerId>) -> Self {
        let begun = Self {
            who: access.who.to_string(),
            command,
            peer: peer.map(|peer| peer.short().to_string()),
            ended: false,
        };
        begun.line("begun");
        begun
    }

    /// Writes the second line.
    pub(crate) fn end(mut self, code: &str) {
        self.ended = true;
        self.line(code);
    }

    fn line(&self, code: &str) {
        line(&self.who, self.command, self.peer.as_deref(), code);
    }
}

impl Drop for Audited {
    fn drop(&mut self) {
        if !self.ended {
            self.line("unseen");
        }
    }
}

impl Gate {
    /// Leaves a line about a command that somebody may not use. One a minute and somebody, with a count: else a program that may do
    /// nothing could still turn the audit over.
    pub(crate) fn audit_refusal(&self, access: &Access, command: &'static str, peer: Option<&PeerId>, code: &str) {
        let (who, peer, code) = (access.who.to_string(), peer.map(|peer| peer.short().to_string()), code.to_owned());
        self.refusals_of(&who).note(move |count| {
            if count == 1 {
                line(&who, command, peer.as_deref(), &code);
            } else {
                let peer = peer.as_deref();
                tracing::info!(target: "audit", who, command, peer, code, count, "the first of those that were refused");
            }
        });
    }

    fn refusals_of(&self, who: &str) -> Seldom {
        self.refusals().entry(who.to_owned()).or_default().clone()
    }
}
