//! Invites: `torchat:<56 characters>?i=<32 hexadecimal digits>`. The first peer that presents the secret, in time, is a contact.

use crate::id::{HexIdError, InviteSecret, OnionError, PeerId, parse_onion};
use std::fmt;
use std::str::FromStr;

const SCHEME: &str = "torchat:";
const SECRET: &str = "?i=";

/// An invitation to become a contact of `peer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invite {
    /// Who invites.
    pub peer: PeerId,
    /// What proves it.
    pub secret: InviteSecret,
}

/// Why a text is no invite.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InviteError {
    /// It does not begin with `torchat:`, or the secret is missing.
    #[error("an invite looks like torchat:ONION?i=SECRET")]
    Form,
    /// The onion is not one.
    #[error(transparent)]
    Onion(#[from] OnionError),
    /// The secret is not one.
    #[error("the invite's secret is damaged: {0}")]
    Secret(HexIdError),
}

impl Invite {
    /// Whether a text means to be an invite, and not an onion.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(SCHEME)
    }
}

impl FromStr for Invite {
    type Err = InviteError;

    /// Reads an invite. One spelling only: what is shown to people must not have a second form.
    fn from_str(text: &str) -> Result<Self, InviteError> {
        let rest = text.strip_prefix(SCHEME).ok_or(InviteError::Form)?;
        let (onion, secret) = rest.split_once(SECRET).ok_or(InviteError::Form)?;
        if onion.contains('.') {
            return Err(InviteError::Form);
        }
        Ok(Self { peer: parse_onion(onion)?, secret: secret.parse().map_err(InviteError::Secret)? })
    }
}

impl fmt::Display for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let onion = self.peer.onion();
        write!(f, "{SCHEME}{}{SECRET}{}", onion.trim_end_matches(".onion"), self.secret)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GOOD: &str =
        "torchat:pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd?i=000102030405060708090a0b0c0d0e0f";

    #[test]
    fn an_invite_has_one_spelling() {
        let invite: Invite = GOOD.parse().unwrap();
        assert_eq!(invite.to_string(), GOOD);
        assert_eq!(invite.secret.0[15], 15);
        for bad in [
            "",
            "torchat:",
            &GOOD[8..],
            &GOOD.to_uppercase(),
            &GOOD.replace("?i=", ".onion?i="),
            &GOOD.replace("?i=", "?I="),
            &GOOD.replace("0f", "0F"),
            &GOOD[..GOOD.len() - 1],
            &format!("{GOOD}0"),
            &format!("{GOOD} "),
            &GOOD.replace("pg6", "pg7"),
            "torchat:pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd",
        ] {
            assert!(bad.parse::<Invite>().is_err(), "{bad:?}");
        }
    }
}
