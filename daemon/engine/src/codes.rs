//! What the core tells by its own enums, as the codes of the API. The words are made of those, in one place: the protocol.

use torchat_core::effect::Notice;
use torchat_core::input::DialFailure;
use torchat_core::view::{Health, Obstacle, Trouble};
use torchat_protocol::control::reason;

/// What the user should know.
pub(crate) fn notice(notice: &Notice) -> reason::Notice {
    match *notice {
        Notice::OtherCopy { say, .. } => reason::Notice::OtherCopy { say },
        Notice::Superseded { say, .. } => reason::Notice::Superseded { say },
        Notice::OldCopyOfPeer(_) => reason::Notice::OldCopyOfPeer,
        Notice::Woke(ms) => reason::Notice::Woke { ms },
        Notice::ClockSet(ms) => reason::Notice::ClockSet { ms },
    }
}

/// Why a peer's messages are not delivered.
pub(crate) fn reason(obstacle: Obstacle) -> reason::Reason {
    match obstacle {
        Obstacle::NotAccepted => reason::Reason::NotAccepted,
        Obstacle::Asking => reason::Reason::Asking,
        Obstacle::NotConfirmed => reason::Reason::Unconfirmed,
        Obstacle::NoNetwork => reason::Reason::NoNetwork,
        Obstacle::Connecting => reason::Reason::Connecting,
        Obstacle::NoConnection { failure, detail, tries } => {
            reason::Reason::Unreachable { tries, failure: failure.map(self::failure), detail }
        }
    }
}

fn failure(failure: DialFailure) -> reason::Failure {
    match failure {
        DialFailure::PeerDown => reason::Failure::PeerDown,
        DialFailure::NoNetwork => reason::Failure::NoNetwork,
        DialFailure::Timeout => reason::Failure::Timeout,
        DialFailure::Handshake => reason::Failure::Handshake,
        DialFailure::Permanent => reason::Failure::Permanent,
    }
}

/// What is wrong with our way into the network or with our service. `None`: nothing is known to be wrong.
pub(crate) fn trouble(health: &Health) -> Option<reason::Trouble> {
    Some(match health.trouble()? {
        Trouble::NothingGetsThrough { for_ms: ms, renewals } => reason::Trouble::NothingGetsThrough { ms, renewals },
        Trouble::Unreachable { for_ms: ms, why: detail } => reason::Trouble::NotReachable { ms, detail },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_way_into_the_network_comes_before_our_service() {
        let unreachable = Health { unreachable_for_ms: Some((120_000, "nobody answers".into())), ..Health::default() };
        let not_reachable = reason::Trouble::NotReachable { ms: 120_000, detail: "nobody answers".into() };
        assert_eq!(trouble(&unreachable), Some(not_reachable));
        let both = Health { trouble_for_ms: Some(60_000), renewals: 2, ..unreachable };
        assert_eq!(trouble(&both), Some(reason::Trouble::NothingGetsThrough { ms: 60_000, renewals: 2 }));
        assert_eq!(trouble(&Health::default()), None);
    }
}
