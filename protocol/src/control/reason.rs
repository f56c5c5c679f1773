//! Why something is as it is, for programs: a code with its parameters. The words that people read are made of them here,
//! and nowhere else; a client that speaks another language makes its own.
//!
//! In records a reason stands under `why`, beside the sentence: `{"code":"unreachable","tries":3,"failure":"peer-down"}`.

use super::words::{count, lasting, span};
use serde::{Deserialize, Serialize};

/// Why a dial did not get through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// The peer's service is not there.
    PeerDown,
    /// Our own way into the network does not work.
    NoNetwork,
    /// Nobody answered in time.
    Timeout,
    /// It was given up, because the machine slept meanwhile.
    GivenUp,
    /// Who answered is not the peer, or the stream ended in the handshake.
    Handshake,
    /// The peer was reached, and there was no room for another link here.
    NoRoom,
    /// It can never work.
    Permanent,
    /// Only when reading: of a later version of the API.
    #[serde(other)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    Unknown,
}

impl Failure {
    /// In words, with the network's own words about it.
    #[must_use]
    pub fn sentence(self, own: Option<&str>) -> String {
        let what = match self {
            Self::PeerDown => "the peer is not reachable",
            Self::NoNetwork => "Tor is not usable now",
            Self::Timeout => "no answer in time",
            Self::GivenUp => "given up after a sleep of the machine",
            Self::Handshake => "the handshake failed",
            Self::NoRoom => "no room for another link",
            Self::Permanent => "cannot be dialled",
            Self::Unknown => "for a reason that this program does not know",
        };
        with_detail(what, own)
    }
}

/// How a link, or a stream that was to become one, came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum StreamEnd {
    /// The peer ended the link.
    ByPeer,
    /// The peer broke the protocol.
    Protocol,
    /// The peer did not read what was said to it.
    NotRead,
    /// The other end did not prove that it is the peer.
    NotProven,
    /// The peer did not finish the handshake in time.
    TooSlow,
    /// The other end left in the handshake.
    Left,
    /// What is between the ends broke.
    Network,
    /// This daemon ended it.
    ByUs,
    /// Only when reading: of a later version of the API.
    #[serde(other)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    Unknown,
}

impl StreamEnd {
    /// In words, with the network's own words about it, or the rule that was broken.
    #[must_use]
    pub fn sentence(self, own: Option<&str>) -> String {
        let what = match self {
            Self::ByPeer => "the peer ended the link",
            Self::Protocol => "the peer broke the protocol",
            Self::NotRead => "the peer does not read",
            Self::NotProven => "the handshake failed",
            Self::TooSlow => "the peer did not finish the handshake in time",
            Self::Left => "the stream ended in the handshake",
            Self::Network => "the connection broke",
            Self::ByUs => "closed here",
            Self::Unknown => "for a reason that this program does not know",
        };
        with_detail(what, own)
    }
}

fn with_detail(what: &str, own: Option<&str>) -> String {
    own.filter(|own| !own.is_empty()).map_or_else(|| what.to_owned(), |own| format!("{what}: {own}"))
}

/// Why a message is not delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum Reason {
    /// The peer's user has not accepted us as a contact.
    NotAccepted,
    /// The peer is being asked to accept us as a contact.
    Asking,
    /// It is on a link, and the peer has not confirmed it.
    Unconfirmed,
    /// Our own way into the network does not work yet.
    NoNetwork,
    /// The peer is being dialled.
    Connecting,
    /// No dial has got through to the peer.
    Unreachable {
        /// How many dials were tried.
        tries: u32,
        /// Why the last one failed; absent: none was tried, or the last one became a link, which ended since.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
        /// How the last link ended, or the stream that a dial opened; absent: there was none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ended: Option<StreamEnd>,
        /// What the codes above mean, in English words, with the network's own about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// It was taken back after it may have left: the peer is asked to skip it, and may have got it before.
    Skipping,
    /// It was taken back.
    TakenBack,
    /// It was not delivered in its time.
    Expired {
        /// How long that was, in seconds; absent: not known any more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seconds: Option<u64>,
    },
    /// It has left the queue, and what came of it is about to be known.
    Ending,
    /// A room: we are not a member of it yet.
    Joining,
    /// A room: there is no link to any other member.
    NobodyReached,
    /// A room: a moderator has muted us, so nobody is shown what we write.
    Muted,
    /// A room: when it was to be said, we were a reader in the room, or in it no more.
    MayNotWrite,
    /// A room: the daemons of members take no more of ours for now.
    Denied {
        /// Why.
        denial: Denial,
        /// For how many seconds; absent: they did not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seconds: Option<u64>,
    },
    /// The daemon is stopping.
    Stopping,
    /// Only when reading: of a later version of the API.
    #[serde(other)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    Unknown,
}

impl Reason {
    /// As a parameter of a refusal.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        // Records with text keys cannot fail to serialise.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// In a few words, without what the network says of it: that stands in `detail`, for those who look for a fault.
    #[must_use]
    pub fn sentence(&self) -> String {
        self.about("the peer")
    }

    /// As [`Reason::sentence`], of a peer with this name. The name is taken as it is.
    #[must_use]
    pub fn about(&self, name: &str) -> String {
        match self {
            Self::NotAccepted => format!("{name} has not accepted you as a contact yet"),
            Self::Asking => format!("asking {name} to accept you as a contact"),
            Self::Unconfirmed => format!("sent, and not confirmed by {name} yet"),
            Self::NoNetwork => "Tor is not ready yet".to_owned(),
            Self::Connecting => format!("connecting to {name}"),
            Self::Unreachable { failure, .. } => match failure {
                None => format!("not connected to {name}"),
                Some(Failure::PeerDown | Failure::Unknown) => format!("{name} is not reachable"),
                Some(Failure::NoNetwork) => "there is no way through Tor".to_owned(),
                Some(Failure::Timeout) => format!("{name} did not answer in time"),
                Some(Failure::GivenUp) => "the machine slept, and it is tried again".to_owned(),
                Some(Failure::Handshake) => format!("{name} answered, and the handshake failed"),
                Some(Failure::NoRoom) => format!("there is no room for a link to {name}"),
                Some(Failure::Permanent) => format!("{name} can never be reached"),
            },
            Self::Skipping => format!("{name} is asked to skip it, but may already have it"),
            Self::TakenBack => "it was taken back".to_owned(),
            Self::Expired { seconds: Some(seconds) } => format!("not delivered in {}", span(*seconds)),
            Self::Expired { seconds: None } => "it waited too long".to_owned(),
            Self::Ending => "it is being confirmed".to_owned(),
            Self::Joining => format!("you are not a member of {name} yet"),
            Self::NobodyReached => format!("not connected to any member of {name}"),
            Self::Muted => format!("a moderator of {name} has muted you, so the others are not shown it"),
            Self::MayNotWrite => format!("you could not write in {name} when it was to be said"),
            Self::Denied { denial, seconds } => {
                let until = seconds.map_or_else(String::new, |seconds| format!(" for {}", span(seconds)));
                format!("the members of {name} take no more of you{until}: {}", denial.sentence())
            }
            Self::Stopping => "the daemon is stopping".to_owned(),
            Self::Unknown => "for a reason that this program does not know".to_owned(),
        }
    }
}

/// Why the daemon of another member of a room does not take a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Denial {
    /// We have said too much in a time.
    Quota,
    /// It is too long.
    Size,
    /// Their disk is full.
    Disk,
    /// Only when reading: of a later version of the API.
    #[serde(other)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    Unknown,
}

impl Denial {
    /// In words.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Quota => "you have said too much in a short time",
            Self::Size => "it is too long for them",
            Self::Disk => "their disk is full",
            Self::Unknown => "for a reason that this program does not know",
        }
    }
}

/// What is wrong with a room, or to be decided in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum RoomTrouble {
    /// We have asked to become a member, and nobody has let us in yet.
    Pending,
    /// The owner's daemon has made decisions that contradict each other.
    Frozen {
        /// The owner is this daemon's user, who can settle it.
        ours: bool,
    },
    /// Decisions of ours wait until another member is reached.
    ActsWait {
        /// How many.
        decisions: u64,
    },
    /// No other member has been reached for long.
    NobodyReached {
        /// For how many milliseconds; absent: never since the daemon started.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ms: Option<u64>,
    },
    /// Our store is a restored backup, or another daemon has our keys.
    Restored {
        /// The room is ours: our invites to it were ended, and whom we removed since the backup is banned.
        #[serde(default)]
        ours: bool,
    },
    /// Members pass on more of others than is taken in a day: the rest is taken later.
    TooMuch,
    /// The owner wants to hand the room over to us.
    Offered,
    /// Too many backups were restored: the owner must give us a new number.
    NoChain,
    /// The room needs what this version of the daemon does not have.
    NeedsNewer,
    /// Only when reading: of a later version of the API.
    #[serde(other)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    Unknown,
}

impl RoomTrouble {
    /// In words: what is wrong, and what to do.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Pending => "you have asked to become a member; the owner's daemon has not let you in yet".to_owned(),
            Self::Frozen { ours: true } => {
                "your daemon has made decisions in this room that contradict each other, as after \
                                            a restored backup: settle the room"
                    .to_owned()
            }
            Self::Frozen { ours: false } => {
                "the owner's daemon has made decisions that contradict each other: until the owner \
                                             settles the room, nobody is added or removed; messages go on"
                    .to_owned()
            }
            Self::ActsWait { decisions } => {
                let wait = if *decisions == 1 { "waits" } else { "wait" };
                format!("{} of yours {wait} until another member is reached", count(*decisions, "decision"))
            }
            Self::NobodyReached { ms: Some(ms) } => {
                format!("no other member has been reached for {}", lasting(*ms))
            }
            Self::NobodyReached { ms: None } => "no other member has been reached since the daemon started".to_owned(),
            Self::Restored { ours } => {
                let invites = if *ours { "; your invites to this room were ended" } else { "" };
                format!(
                    "messages or decisions of yours came that this daemon did not know: its store was restored from a backup, \
                     or another daemon has your keys{invites}"
                )
            }
            Self::TooMuch => {
                "members of this room pass on more than is taken in a day: the rest is taken later. What a member says to \
                 your daemon itself comes at once"
                    .to_owned()
            }
            Self::Offered => "the owner wants to hand this room over to you: take it, or do nothing".to_owned(),
            Self::NoChain => "too many backups were restored here: leave the room and join it again".to_owned(),
            Self::NeedsNewer => "this room needs a newer version of torchatd".to_owned(),
            Self::Unknown => "something that this program does not know".to_owned(),
        }
    }
}

/// What the user should know.
///
/// The first two are what contacts say, and a contact can say anything. So the words name it as what it says, tell that it
/// may lie, and never tell the user to stop the daemon: one contact that means ill could stop it so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum Notice {
    /// A contact says that it has met a run of our identity that our store does not know.
    OtherCopy {
        /// How many contacts have said so in this run of the daemon, this one included.
        say: usize,
    },
    /// A contact says that it has met a newer copy of our identity, and ended its link.
    Superseded {
        /// How many contacts have said so in this run of the daemon, this one included.
        say: usize,
    },
    /// A peer that we know by a newer copy came with an older one.
    OldCopyOfPeer,
    /// The process did not run: the machine slept, or it was stopped.
    Woke {
        /// For how many milliseconds.
        ms: u64,
    },
    /// The computer's clock was set.
    ClockSet {
        /// By how many milliseconds.
        ms: i64,
    },
    /// Programs of this machine closed their sockets before the daemon could learn whose they were: their commands were not
    /// executed. `refused.closed` counts them.
    ClosedTooEarly,
    /// A peer is a contact now, because it has shown an invite of ours.
    CameWithInvite,
    /// Only when reading: of a later version of the API.
    #[serde(other)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    Unknown,
}

impl Notice {
    /// In words, without onions.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::OtherCopy { say } => format!(
                "{} met another daemon with your identity. {} If you restored this data directory from a backup, that was \
                 it; if you run a second copy of it, the two split your mail",
                say_that_they_have(*say),
                it_may_be_a_lie(*say)
            ),
            Self::Superseded { say } => format!(
                "{} met a newer copy of your identity, and no longer talks to this one. {} If you imported your identity on \
                 another machine, that copy counts; if you did not, perhaps somebody else has your key",
                say_that_they_have(*say),
                it_may_be_a_lie(*say)
            ),
            Self::OldCopyOfPeer => {
                "a contact came with an older copy of their identity than the one you know; the daemon turned it away"
                    .to_owned()
            }
            Self::Woke { ms } => format!("the daemon did not run for {}; it is checking every link", lasting(*ms)),
            Self::ClockSet { ms } => {
                let way = if *ms < 0 { "back" } else { "forward" };
                format!("the computer's clock was set {way} by {}", lasting(ms.unsigned_abs()))
            }
            Self::ClosedTooEarly => {
                "programs of this machine closed their sockets before the daemon could learn which user \
                                     owned them, so it did not execute their commands: refused.closed counts them"
                    .to_owned()
            }
            Self::CameWithInvite => "a new contact came with your invite".to_owned(),
            Self::Unknown => "something that this program does not know".to_owned(),
        }
    }
}

/// What is wrong with the way into the network, or with the own service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum Trouble {
    /// No dial gets through the network.
    NothingGetsThrough {
        /// For how many milliseconds.
        ms: u64,
        /// How many new ways into the network were tried since.
        renewals: u32,
    },
    /// The own service cannot be reached, as the daemon's own dial of it says.
    NotReachable {
        /// For how many milliseconds.
        ms: u64,
        /// Why the last dial failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
        /// The same in English words, with the network's own about it.
        detail: String,
    },
    /// Only when reading: of a later version of the API.
    #[serde(other)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    Unknown,
}

impl Trouble {
    /// What is wrong and what is being done, in words, without what the network says of it.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::NothingGetsThrough { ms, renewals: 0 } => {
                format!("nothing has got through Tor for {}; new circuits are being tried", lasting(*ms))
            }
            Self::NothingGetsThrough { ms, renewals } => format!(
                "nothing has got through Tor for {}; a new Tor client is being tried ({} so far)",
                lasting(*ms),
                count((*renewals).into(), "attempt")
            ),
            // The network's own words are in `detail`.
            Self::NotReachable { ms, .. } => {
                format!("nobody has reached this daemon for {}, itself included; it tries again", lasting(*ms))
            }
            Self::Unknown => "something is wrong that this program does not know".to_owned(),
        }
    }
}

/// How the way into the network is. The sentence beside it is the network's own and says more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum Network {
    /// It carries us, as far as is known.
    Connected,
    /// It was there, and carries nothing now: every dial tries it again.
    Down {
        /// What is in the way; absent: nothing that a user can mend, or it is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<NetworkCause>,
        /// The network's own words about the cause, in English.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// No peer can be dialled yet: the daemon looks for a way in.
    Connecting {
        /// How far its beginning is, 0 to 100.
        percent: u8,
        /// As in `down`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<NetworkCause>,
    },
    /// Only when reading: of a later version of the API.
    #[serde(other)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    Unknown,
}

/// What keeps a daemon out of the network, if it is something that its user can mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum NetworkCause {
    /// The computer's clock is wrong, as the network's relays say.
    Clock,
    /// The computer has no way to the internet.
    Offline,
    /// Only when reading: of a later version of the API.
    #[serde(other)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    Unknown,
}

/// Why a dial did not reach the own service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NotReached {
    /// Why. `peer-down`: the service is not there.
    pub code: Failure,
    /// For `handshake`: how the stream ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<StreamEnd>,
    /// The same in words, in English.
    pub detail: String,
}

fn say_that_they_have(say: usize) -> String {
    match say {
        0 | 1 => "a contact says that they have".to_owned(),
        n => format!("{n} contacts, this one among them, say that they have"),
    }
}

fn it_may_be_a_lie(say: usize) -> &'static str {
    match say {
        0 | 1 => "That is their word alone, which may be wrong or a lie.",
        _ => "That is their word, which may be wrong or a lie; that several say it makes it likelier.",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_reason_is_a_code_with_its_parameters_beside_it() {
        let (failure, detail) = (Some(Failure::PeerDown), Some("not found".into()));
        let reason = Reason::Unreachable { tries: 3, failure, ended: None, detail };
        let text = serde_json::to_string(&reason).unwrap();
        assert_eq!(text, r#"{"code":"unreachable","tries":3,"failure":"peer-down","detail":"not found"}"#);
        assert_eq!(serde_json::from_str::<Reason>(&text).unwrap(), reason);
        assert_eq!(serde_json::to_string(&Reason::NotAccepted).unwrap(), r#"{"code":"not-accepted"}"#);
        assert_eq!(serde_json::to_string(&Notice::ClockSet { ms: -9 }).unwrap(), r#"{"code":"clock-set","ms":-9}"#);
        let connecting = Network::Connecting { percent: 40, cause: None };
        assert_eq!(serde_json::to_string(&connecting).unwrap(), r#"{"code":"connecting","percent":40}"#);
        let unreached = NotReached { code: Failure::PeerDown, ended: None, detail: "not found".into() };
        assert_eq!(serde_json::to_string(&unreached).unwrap(), r#"{"code":"peer-down","detail":"not found"}"#);
    }

    #[test]
    fn the_words_for_people_are_short_and_name_the_peer_and_not_what_the_network_said() {
        let detail = Some("tor: error while connecting: 503 circuits failed: closed by relay".to_owned());
        let of = |failure| Reason::Unreachable { tries: 3, failure, ended: None, detail: detail.clone() };
        assert_eq!(of(Some(Failure::PeerDown)).about("bob"), "bob is not reachable");
        assert_eq!(of(Some(Failure::PeerDown)).sentence(), "the peer is not reachable");
        assert_eq!(of(None).about("bob"), "not connected to bob");
        let failures = [
            Failure::PeerDown,
            Failure::NoNetwork,
            Failure::Timeout,
            Failure::GivenUp,
            Failure::Handshake,
            Failure::NoRoom,
            Failure::Permanent,
        ];
        let mut all: Vec<String> = failures.into_iter().map(|failure| of(Some(failure)).about("bob")).collect();
        all.push(Trouble::NotReachable { ms: 60_000, failure: None, detail: "503 circuits failed".into() }.sentence());
        for words in &all {
            assert!(!words.contains("circuit") && words.len() < 80, "{words}");
        }
        all.dedup();
        assert_eq!(all.len(), 8, "{all:?}");
    }

    #[test]
    fn what_a_later_version_says_is_read_and_has_words() {
        let later = r#"{"code":"no-host","hosts":2}"#;
        assert_eq!(serde_json::from_str::<Reason>(later).unwrap(), Reason::Unknown);
        assert_eq!(serde_json::from_str::<Notice>(later).unwrap(), Notice::Unknown);
        assert_eq!(serde_json::from_str::<Trouble>(later).unwrap(), Trouble::Unknown);
        // And what an earlier one said.
        let before = r#"{"code":"not-reachable","ms":1,"detail":"x"}"#;
        let read = Trouble::NotReachable { ms: 1, failure: None, detail: "x".into() };
        assert_eq!(serde_json::from_str::<Trouble>(before).unwrap(), read);
        assert_eq!(serde_json::from_str::<Network>(later).unwrap(), Network::Unknown);
        let (down, detail) = (r#"{"code":"down","detail":"x"}"#, Some("x".into()));
        assert_eq!(serde_json::from_str::<Network>(down).unwrap(), Network::Down { cause: None, detail });
        let (strange, cause) = (r#"{"code":"connecting","percent":1,"cause":"moon"}"#, Some(NetworkCause::Unknown));
        assert_eq!(serde_json::from_str::<Network>(strange).unwrap(), Network::Connecting { percent: 1, cause });
        let unreached = serde_json::from_str::<NotReached>(r#"{"code":"no-host","detail":"x","hosts":2}"#).unwrap();
        assert_eq!(unreached, NotReached { code: Failure::Unknown, ended: None, detail: "x".into() });
        let more = r#"{"code":"unreachable","tries":1,"failure":"strange","new":[1]}"#;
        assert_eq!(
            serde_json::from_str::<Reason>(more).unwrap(),
            Reason::Unreachable { tries: 1, failure: Some(Failure::Unknown), ended: None, detail: None }
        );
        assert!(!Reason::Unknown.sentence().is_empty());
    }

    #[test]
    fn troubles_are_short_and_have_units_that_people_use() {
        let nothing = |ms, renewals| Trouble::NothingGetsThrough { ms, renewals }.sentence();
        assert_eq!(nothing(0, 0), "nothing has got through Tor for 1 s; new circuits are being tried");
        assert!(nothing(61_000, 1).ends_with("for 61 s; a new Tor client is being tried (1 attempt so far)"));
        assert!(nothing(600_000, 2).ends_with("for 10 min; a new Tor client is being tried (2 attempts so far)"));
        let failure = Some(Failure::PeerDown);
        let words = Trouble::NotReachable { ms: 180_000, failure, detail: "tor: a: b: c".into() }.sentence();
        assert_eq!(words, "nobody has reached this daemon for 3 min, itself included; it tries again");
        assert_eq!(Notice::ClockSet { ms: -7_200_000 }.sentence(), "the computer's clock was set back by 2 h");
        assert!(Notice::Woke { ms: 600_000 }.sentence().contains("for 10 min;"));
    }

    #[test]
    fn what_a_contact_says_is_told_as_its_words_and_stops_nobody() {
        for say in [1, 2, 16] {
            for notice in [Notice::OtherCopy { say }, Notice::Superseded { say }] {
                let words = notice.sentence();
                let who =
                    if say == 1 { "a contact says that they have met".into() } else { format!("{say} contacts, ") };
                assert!(words.starts_with(&who), "{words}");
                assert!(words.contains("may be wrong or a lie"), "{words}");
                assert!(!words.contains("stop"), "{words}");
                assert_eq!(words.contains("their word alone"), say == 1, "{words}");
            }
        }
    }
}
