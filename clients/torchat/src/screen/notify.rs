//! How users are told about what is not on the screen.

use serde::{Deserialize, Serialize};

/// Who is told about new messages that are not on the screen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Notify {
    #[default]
    Off,
    Bell,
    /// That something came, and from which peer.
    Desktop,
    /// What came, too.
    Content,
}

impl Notify {
    /// How the user calls it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Bell => "bell",
            Self::Desktop => "desktop",
            Self::Content => "content",
        }
    }
}
