//! Who may do what on a connection.
//!
//! Whoever runs under the daemon's own uid has every right. Users of the group socket have the rights that the
//! configuration names. Everybody else proves a token, and so may the own user's programs that want fewer rights.

use std::collections::BTreeSet;
use std::sync::Arc;
use torchat_protocol::control::api::{ApiError, Right};
use torchat_protocol::id::PeerId;

/// What a connection may do, and in whose name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Access {
    /// Who it is, for the audit: `own user`, `uid 1001`, `token cron`.
    pub(super) who: String,
    /// What it may do.
    pub(super) rights: BTreeSet<Right>,
    /// The conversations that it is good for; `None`: all.
    pub(super) peers: Option<Arc<BTreeSet<PeerId>>>,
    /// What stands before its consumers and `client_id`s, so that nobody moves or repeats those of others. Nothing for the
    /// own user, `uid:1001/`, `token:cron/`: no name of the own user's has such a character.
    pub(super) namespace: String,
}

impl Access {
    /// The daemon's own user: everything.
    pub(super) fn own_user() -> Self {
        Self { who: "own user".into(), rights: BTreeSet::from([Right::Admin]), peers: None, namespace: String::new() }
    }

    /// A user of the group socket.
    pub(super) fn group_user(uid: u32, rights: impl IntoIterator<Item = Right>) -> Self {
        Self {
            who: format!("uid {uid}"),
            rights: rights.into_iter().collect(),
            peers: None,
            namespace: format!("uid:{uid}/"),
        }
    }

    /// Whoever proves a token.
    pub(super) fn token(
        name: &str,
        rights: impl IntoIterator<Item = Right>,
        peers: Option<Arc<BTreeSet<PeerId>>>,
    ) -> Self {
        Self {
            who: format!("token {name}"),
            rights: rights.into_iter().collect(),
            peers,
            namespace: format!("token:{name}/"),
        }
    }

    /// Whether a command may be used that needs this right; `None`: everybody who may connect.
    pub(super) fn allows(&self, right: Option<Right>) -> bool {
        right.is_none_or(|right| self.rights.contains(&right) || self.rights.contains(&Right::Admin))
    }

    /// Whether it may know of this peer and write to it.
    pub(super) fn sees(&self, peer: &PeerId) -> bool {
        self.peers.as_ref().is_none_or(|peers| peers.contains(peer))
    }

    /// Whether the classic contract is allowed, which knows no rights: only to whoever has them all.
    pub(super) fn is_classic(&self) -> bool {
        self.rights.contains(&Right::Admin) && self.peers.is_none()
    }
}

/// Who is at the other end of one connection. What it may do can begin with a proof, and end while it is open.
///
/// The stream of a connection looks after itself: it breaks as soon as the token that it has proven is revoked or has
/// expired, and when nothing was proven in time. So a session needs only to ask [`Visitor::access`] before each command.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    access: Option<Arc<Access>>,
}

impl Visitor {
    /// Somebody who needs no proof.
    pub(super) fn known(access: Access) -> Self {
        Self { access: Some(Arc::new(access)) }
    }

    /// What it may do at this moment. To be asked before every command but HELLO and AUTH.
    ///
    /// # Errors
    /// `not-authenticated` as long as a proof is needed, and for ever after a token that was proven has ended: the
    /// answer to give before the connection ends.
    pub(super) fn access(&self) -> Result<Arc<Access>, ApiError> {
        self.access.clone().ok_or_else(not_authenticated)
    }

    /// HELLO with a token: what the program had without it is gone. Returns the `nonce` of the answer. A token that does
    /// not exist gets one as well: only AUTH fails then.
    ///
    /// # Errors
    /// `bad-value` for what is no name or no nonce; the connection then ends.
    pub(super) fn begin_proof(&mut self, token: &str, nonce: &str) -> Result<String, ApiError> {
        self.access = None;
        let _ = (token, nonce);
        Err(not_authenticated())
    }

    /// AUTH. Returns the `proof` of the answer; [`Visitor::access`] is then the token's. May take a second when there
    /// were many failures.
    ///
    /// # Errors
    /// `not-authenticated`, whatever was wrong; the connection then ends.
    pub(super) async fn end_proof(&mut self, proof: &str) -> Result<String, ApiError> {
        let _ = proof;
        Err(not_authenticated())
    }
}

/// The answer to everything on a connection that has not proven what it must, and to a proof that failed.
pub(super) fn not_authenticated() -> ApiError {
    ApiError {
        code: "not-authenticated".into(),
        message: "this connection has not proven a token that is good now".into(),
        hint: Some("HELLO with \"token\" and \"nonce\", then AUTH: see \"Tokens\" in docs/CONTROL-API.md".into()),
        queued: None,
    }
}

/// Leaves one line about a command that needs the right `contacts` or `admin`: who, what, whom it was about as the first
/// four characters, and `ok` or the error's code. Never any content.
pub(super) fn audit(access: &Access, command: &str, peer: Option<&PeerId>, code: &str) {
    let peer = peer.map(PeerId::short);
    tracing::info!(target: "audit", who = access.who, command, peer, code);
}

/// Whether a command leaves a line in the audit.
pub(super) fn is_audited(right: Option<Right>) -> bool {
    matches!(right, Some(Right::Contacts | Right::Admin))
}
