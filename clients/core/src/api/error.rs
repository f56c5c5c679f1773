//! What can go wrong between a program and its daemon, in sentences that say what to do.

use std::time::Duration;
use torchat_protocol::control::api::ApiError;
use torchat_protocol::control::code::Code;
use torchat_protocol::control::words::took;

/// Why a call, a subscription or a connection failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiClientError {
    /// There is no daemon to be found.
    #[error(
        "torchatd was not found: {looked}; start it with `torchatd -d`, or name its socket with --socket or TORCHAT_SOCKET"
    )]
    NotFound {
        /// Where was looked.
        looked: String,
    },
    /// What was given is no address.
    #[error("{text:?} is not an address of a torchatd: give the path of its socket, its port, or 127.0.0.1:PORT")]
    Address {
        /// What was given.
        text: String,
    },
    /// Nobody listens there, or not for this user.
    #[error("cannot connect to torchatd at {endpoint}: {reason}; {hint}")]
    Connect {
        /// Where.
        endpoint: String,
        /// What the system says.
        reason: String,
        /// What to do.
        hint: &'static str,
        /// What kind of failure that is.
        kind: std::io::ErrorKind,
    },
    /// The connection ended. What was asked and not answered may be done or not.
    #[error("the connection to torchatd is lost: {reason}; connect again")]
    Lost {
        /// Why, as far as is known.
        reason: String,
    },
    /// The daemon said no.
    #[error("{}", refusal(.0))]
    Refused(ApiError),
    /// No answer in time. It may be done or not.
    #[error(
        "torchatd did not answer within {}: it may be done or not; look before you repeat it", took(micros(*.after))
    )]
    Timeout {
        /// What was asked.
        command: &'static str,
        /// How long was waited.
        after: Duration,
    },
    /// The program that answers does not know the token, so it is not the daemon that the token is of. It has learnt nothing.
    #[error(
        "the program that answers at {endpoint} does not know the token {token:?}, so it is not your torchatd: \
         look which program listens there"
    )]
    Impostor {
        /// Where.
        endpoint: String,
        /// The token's name.
        token: String,
    },
    /// Without a token, and the program that listens there is not of the user of this program, or cannot be told. It has heard HELLO and
    /// nothing else.
    #[error(
        "the program that answers at {endpoint} is not known to be your torchatd: {why}; look which program listens there, use the daemon's \
         socket, or a token"
    )]
    NotYours {
        /// Where.
        endpoint: String,
        /// What the system says of the other end.
        why: String,
    },
    /// What came is not API 1.
    #[error("torchat does not understand torchatd's answer: {0}; do client and daemon have the same version?")]
    Protocol(String),
    /// The system gave no random bytes or no thread.
    #[error("the system refused: {0}")]
    System(String),
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn refusal(error: &ApiError) -> String {
    match &error.hint {
        Some(hint) => format!("{error}: {hint}"),
        None => error.to_string(),
    }
}

impl ApiClientError {
    /// The code of a refusal.
    #[must_use]
    pub fn code(&self) -> Option<&Code> {
        match self {
            Self::Refused(error) => Some(&error.code),
            _ => None,
        }
    }

    /// Whether no daemon runs there. False where one may run that does not let this user in, and where what was named cannot be a
    /// socket.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        match self {
            Self::NotFound { .. } => true,
            Self::Connect { kind, .. } => {
                matches!(kind, std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused)
            }
            _ => false,
        }
    }

    /// Whether the same may work later without anybody's doing: the daemon is away or busy.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::NotFound { .. } | Self::Connect { .. } | Self::Lost { .. } | Self::Timeout { .. } => true,
            Self::Refused(error) => error.code.is_passing(),
            Self::Address { .. }
            | Self::Impostor { .. }
            | Self::NotYours { .. }
            | Self::Protocol(_)
            | Self::System(_) => false,
        }
    }
}
