//! Commands about the daemon itself: how it is, who may use it, its end.

use super::Nothing;
use crate::control::api::record::Token;
use crate::control::api::{ConversationId, Right};
use crate::control::reason::NotReached;
use crate::control::status::DaemonStatus;
use serde::{Deserialize, Serialize};

commands! {
    /// The state of the daemon: a sentence for people, and the same object as in the classic contract.
    Status "STATUS" Some(Right::Read) => StatusAnswer;
    /// Dials the daemon's own onion as a stranger would, up to the first words of the protocol. At most one dial at a time and one
    /// a minute; in between it gives the last result, with its age.
    Check "CHECK" Some(Right::Read) => CheckAnswer;
    /// Makes, lists or revokes tokens. A token's secret is shown once.
    Tokens "TOKEN" Some(Right::Admin) => TokenAnswer;
    /// Sets how much the daemon logs until it ends.
    LogLevel "LOG_LEVEL" Some(Right::Admin) => Nothing;
    /// Stops the daemon within 2 seconds.
    Exit "EXIT" Some(Right::Admin) => Nothing;
}

records! {
    /// Parameters of STATUS.
    #[derive(Default)]
    Status {
        /// Answer as soon as the state's `version` differs from this one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<u64>,
        /// For `version`: seconds to wait for that at most, at most 300; 0 if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait: Option<u32>,
    }
    /// What STATUS answers.
    StatusAnswer {
        /// Changes when the way into the network, a link, or a dial has changed, or a message was sent. Counters change
        /// without it.
        version: u64,
        /// What works, what does not, what the daemon does about it.
        sentence: String,
        /// The details: see the classic STATUS.
        status: DaemonStatus,
    }
    /// Parameters of CHECK.
    Check {}
    /// What CHECK answers.
    CheckAnswer {
        /// It answered.
        reached: bool,
        /// How long that took, or until the daemon gave up, in milliseconds.
        ms: u64,
        /// Why not, in words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The same for programs; absent: it was reached.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<NotReached>,
        /// How long ago that was, in seconds: 0 if it was done for this request.
        age_s: u64,
    }
    /// Parameters of TOKEN.
    Tokens {
        /// What to do.
        action: TokenAction,
        /// The token's name: 1 to 64 of letters, digits, `.`, `_`, `-`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// `create`: what it may do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rights: Option<Vec<Right>>,
        /// `create`: good for these conversations only. Not with `contacts` or `admin`; with `rooms` if all of them are rooms.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peers: Option<Vec<ConversationId>>,
        /// `create`: ends after this number of days; absent: never.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        days: Option<u32>,
    }
    /// What TOKEN answers.
    TokenAnswer {
        /// `create`: the token, shown once and stored nowhere.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<String>,
        /// All tokens after the change.
        tokens: Vec<Token>,
    }
    /// Parameters of LOG_LEVEL.
    LogLevel {
        /// `error`, `warn`, `info`, `debug` or `trace`.
        level: String,
    }
    /// Parameters of EXIT.
    Exit {}
}

/// What TOKEN does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum TokenAction {
    /// Makes one.
    Create,
    /// Lists them.
    List,
    /// Ends one at once; its connections are closed.
    Revoke,
}
