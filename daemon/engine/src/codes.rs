//! What the core tells by its own enums, as the codes of the API. The words are made of those, in one place: the protocol.

use torchat_core::effect::Notice;
use torchat_core::input::{DialEnd, DialFailure, EndedBy, LinkEnd, NoLink, PeerDid};
use torchat_core::view::{Health, Obstacle, Trouble};
use torchat_protocol::control::reason;
use torchat_protocol::message::SkipReason;
use torchat_transport::NetworkStatus;

/// What the user should know.
pub(crate) fn notice(notice: &Notice) -> reason::Notice {
    match *notice {
        Notice::OtherCopy { say, .. } => reason::Notice::OtherCopy { say },
        Notice::Superseded { say, .. } => reason::Notice::Superseded { say },
        Notice::OldCopyOfPeer(_) => reason::Notice::OldCopyOfPeer,
        Notice::Woke(ms) => reason::Notice::Woke { ms },
        Notice::ClockSet(ms) => reason::Notice::ClockSet { ms },
        Notice::CameWithInvite(_) => reason::Notice::CameWithInvite,
    }
}

/// Why a message that was taken back is not delivered.
pub(crate) fn taken_back(why: SkipReason) -> reason::Reason {
    match why {
        SkipReason::Expired => reason::Reason::Expired { seconds: None },
        SkipReason::Withdrawn | SkipReason::Lost => reason::Reason::TakenBack,
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
        Obstacle::NoConnection { why, tries } => {
            let (failure, ended, detail) = match &why {
                Some(NoLink::Dial(end)) => {
                    let ended = if let DialFailure::Handshake(by) = end.failure { Some(stream_end(by)) } else { None };
                    (Some(failure(end.failure)), ended, Some(dial_end(end)))
                }
                Some(NoLink::Link(end)) => (None, Some(stream_end(end.by)), Some(link_end(end))),
                None => (None, None, None),
            };
            reason::Reason::Unreachable { tries, failure, ended, detail }
        }
    }
}

/// How a dial failed, in words.
pub(crate) fn dial_end(end: &DialEnd) -> String {
    let detail = end.detail.as_deref();
    match end.failure {
        // The way in which the stream ended says more.
        DialFailure::Handshake(by) => stream_end(by).sentence(detail),
        other => failure(other).sentence(detail),
    }
}

/// Why a dial of our own service did not reach it.
pub(crate) fn not_reached(end: &DialEnd) -> reason::NotReached {
    let ended = if let DialFailure::Handshake(by) = end.failure { Some(stream_end(by)) } else { None };
    reason::NotReached { code: failure(end.failure), ended, detail: dial_end(end) }
}

/// How a link ended, in words.
pub(crate) fn link_end(end: &LinkEnd) -> String {
    stream_end(end.by).sentence(end.detail.as_deref())
}

fn stream_end(by: EndedBy) -> reason::StreamEnd {
    match by {
        EndedBy::Peer(PeerDid::End) => reason::StreamEnd::ByPeer,
        EndedBy::Peer(PeerDid::BreakProtocol) => reason::StreamEnd::Protocol,
        EndedBy::Peer(PeerDid::NotRead) => reason::StreamEnd::NotRead,
        EndedBy::Peer(PeerDid::ProveNothing) => reason::StreamEnd::NotProven,
        EndedBy::Peer(PeerDid::TakeTooLong) => reason::StreamEnd::TooSlow,
        EndedBy::Peer(PeerDid::Leave) => reason::StreamEnd::Left,
        EndedBy::Network => reason::StreamEnd::Network,
        EndedBy::Us => reason::StreamEnd::ByUs,
    }
}

fn failure(failure: DialFailure) -> reason::Failure {
    match failure {
        DialFailure::PeerDown => reason::Failure::PeerDown,
        DialFailure::NoNetwork => reason::Failure::NoNetwork,
        DialFailure::Timeout => reason::Failure::Timeout,
        DialFailure::GivenUp => reason::Failure::GivenUp,
        DialFailure::Handshake(_) => reason::Failure::Handshake,
        DialFailure::NoRoom => reason::Failure::NoRoom,
        DialFailure::Permanent => reason::Failure::Permanent,
    }
}

/// How our way into the network is.
pub(crate) fn network(status: &NetworkStatus) -> reason::Network {
    let cause = status.down.as_ref().and_then(|down| down.cause);
    match &status.down {
        _ if !status.usable => reason::Network::Connecting { percent: status.percent, cause },
        Some(down) => reason::Network::Down { cause, detail: down.detail.clone() },
        None => reason::Network::Connected,
    }
}

/// What is wrong with our way into the network or with our service. `None`: nothing is known to be wrong.
pub(crate) fn trouble(health: &Health) -> Option<reason::Trouble> {
    Some(match health.trouble()? {
        Trouble::NothingGetsThrough { for_ms: ms, renewals } => reason::Trouble::NothingGetsThrough { ms, renewals },
        Trouble::Unreachable { for_ms: ms, end } => {
            reason::Trouble::NotReachable { ms, failure: Some(failure(end.failure)), detail: dial_end(&end) }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use torchat_transport::NetworkDown;

    #[test]
    fn a_network_that_carries_nothing_is_down_only_after_it_was_there() {
        let cause = Some(reason::NetworkCause::Offline);
        let down = NetworkDown { wall_ms: 1, since: std::time::Instant::now(), cause, detail: Some("no route".into()) };
        let code = |usable, down| network(&NetworkStatus { usable, percent: 40, down, ..NetworkStatus::default() });
        assert_eq!(code(false, Some(down.clone())), reason::Network::Connecting { percent: 40, cause });
        assert_eq!(code(true, Some(down)), reason::Network::Down { cause, detail: Some("no route".into()) });
        assert_eq!(code(true, None), reason::Network::Connected);
    }

    #[test]
    fn our_way_into_the_network_comes_before_our_service() {
        let end = DialEnd { failure: DialFailure::PeerDown, detail: Some("not found".into()) };
        let unreachable = Health { unreachable_for_ms: Some((120_000, end)), ..Health::default() };
        let (failure, detail) = (Some(reason::Failure::PeerDown), "the peer is not reachable: not found".into());
        let not_reachable = reason::Trouble::NotReachable { ms: 120_000, failure, detail };
        assert_eq!(trouble(&unreachable), Some(not_reachable));
        let both = Health { trouble_for_ms: Some(60_000), renewals: 2, ..unreachable };
        assert_eq!(trouble(&both), Some(reason::Trouble::NothingGetsThrough { ms: 60_000, renewals: 2 }));
        assert_eq!(trouble(&Health::default()), None);
    }

    #[test]
    fn why_there_is_no_link_is_told_by_codes_and_in_words() {
        let told = |why: Option<NoLink>| match reason(Obstacle::NoConnection { why, tries: 2 }) {
            reason::Reason::Unreachable { tries: 2, failure, ended, detail } => (failure, ended, detail),
            other => panic!("{other:?}"),
        };
        let words = |text: &str| Some(text.to_owned());
        assert_eq!(told(None), (None, None, None));
        let dial = |failure, detail| Some(NoLink::Dial(DialEnd { failure, detail }));
        assert_eq!(
            told(dial(DialFailure::Permanent, words("no such port"))),
            (Some(reason::Failure::Permanent), None, words("cannot be dialled: no such port"))
        );
        let proved_nothing = DialFailure::Handshake(EndedBy::Peer(PeerDid::ProveNothing));
        assert_eq!(
            told(dial(proved_nothing, words("someone else answers"))),
            (
                Some(reason::Failure::Handshake),
                Some(reason::StreamEnd::NotProven),
                words("the handshake failed: someone else answers")
            )
        );
        assert_eq!(
            told(dial(DialFailure::NoRoom, None)),
            (Some(reason::Failure::NoRoom), None, words("no room for another link"))
        );
        let link = |by: EndedBy| Some(NoLink::Link(by.into()));
        assert_eq!(told(link(EndedBy::Us)), (None, Some(reason::StreamEnd::ByUs), words("closed here")));
        assert_eq!(
            told(link(EndedBy::Peer(PeerDid::End))),
            (None, Some(reason::StreamEnd::ByPeer), words("the peer ended the link"))
        );
    }
}
