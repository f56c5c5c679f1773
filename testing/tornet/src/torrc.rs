//! The configuration of every node, and of the daemons that use the network.
//!
//! Under `TestingTorNetwork 1` tor itself allows private addresses and relays in one subnet, and lowers every delay.

use crate::keys::Identity;
use crate::processes::LOG;
use crate::{Config, Node};
use anyhow::Context as _;
use std::path::Path;

/// Circuit-build time-out of clients, fixed. The learned one falls to 60 ms on loopback and then nothing works under
/// load; the default of 60 s makes a dial to a stale introduction point wait for minutes. It stands in the consensus, so
/// that arti and C tor follow it alike and no client needs `override_net_params`.
const BUILD_TIMEOUT_MS: u32 = 10_000;
/// Seconds from one vote to the next while there is no consensus. tor takes 5 and more, but a node that starts joins the
/// vote that goes on, so with 5 the first consensus is made within a second and lacks the slower nodes.
const FIRST_INTERVAL_S: u64 = 10;
/// Seconds for voting and as many for signing while there is no consensus: the least that tor takes.
const FIRST_DELAY_S: u64 = 2;
/// Seconds that the nodes get to start and to upload their descriptors before the first vote. Who misses it is missing for
/// a whole voting interval. Measured on two cores: 2 is too few every other time, 3 is enough on a quiet machine.
const LEAD_S: u64 = 4;
const _: () = assert!(LEAD_S + 2 * FIRST_DELAY_S < FIRST_INTERVAL_S, "the nodes would join the vote before that");

pub(crate) fn node(dir: &Path, node: &Node, config: &Config, now_s: u64, authorities: &str) -> anyhow::Result<String> {
    let mut text = common(dir, &node.name)?;
    let or_port = node.or_port;
    // Exits and name servers are of no use to onion services; no limits against abuse, tests abuse.
    text.push_str(&format!(
        "Address 127.0.0.1\nORPort 127.0.0.1:{or_port}\nSocksPort 0\nExitRelay 0\nAssumeReachable 1\n\
         ServerDNSDetectHijacking 0\nServerDNSTestAddresses\nServerDNSResolvConfFile /dev/null\n\
         ServerDNSAllowBrokenConfig 1\nDoSCircuitCreationEnabled 0\nDoSConnectionEnabled 0\n\
         DoSRefuseSingleHopClientRendezvous 0\n"
    ));
    if let Some(owner) = config.owner {
        text.push_str(&owned_by(owner));
    }
    if let Some(port) = node.dir_port {
        text.push_str(&authority(port, config.voting_interval_s, now_s));
    }
    text.push_str(authorities);
    Ok(text)
}

fn authority(port: u16, vote: u64, now_s: u64) -> String {
    // Both delays together must be less than half of the interval.
    let delay = if vote >= 20 { 4 } else { 3 };
    // C tor takes a time period to be as long as 24 votes; arti believes the consensus. If they differed, they would not
    // find each other's services.
    let period_min = 24 * vote / 60;
    let offset = first_vote_offset(now_s);
    format!(
        "DirPort 127.0.0.1:{port}\nAuthoritativeDirectory 1\nV3AuthoritativeDirectory 1\n\
         AuthDirTestReachability 0\nV3AuthNIntervalsValid 3\nTestingDirAuthVoteHSDir *\n\
         TestingDirAuthVoteGuard *\nTestingMinExitFlagThreshold 0\n\
         AuthDirFastGuarantee 1\nAuthDirVoteStableGuaranteeMinUptime 0\nAuthDirVoteStableGuaranteeMTBF 0\n\
         TestingV3AuthInitialVotingInterval {FIRST_INTERVAL_S}\nTestingV3AuthVotingStartOffset {offset}\n\
         TestingV3AuthInitialVoteDelay {FIRST_DELAY_S}\nTestingV3AuthInitialDistDelay {FIRST_DELAY_S}\n\
         V3AuthVotingInterval {vote}\nV3AuthVoteDelay {delay}\nV3AuthDistDelay {delay}\n\
         ConsensusParams cc_alg=2 hsdir_interval={period_min} cbtdisabled=1 \
         cbtinitialtimeout={BUILD_TIMEOUT_MS} guard-internet-likely-down-interval=20\n"
    )
}

/// Votes stand on the clock's multiples of the interval. The offset moves them so that the first vote begins `LEAD_S` after
/// the start: without it, it would begin at a random moment, often too early for some node.
fn first_vote_offset(now_s: u64) -> u64 {
    (now_s + LEAD_S + 2 * FIRST_DELAY_S) % FIRST_INTERVAL_S
}

pub(crate) fn client(dir: &Path, socks_port: u16, owner: u32, authorities: &str) -> anyhow::Result<String> {
    let common = common(dir, "client")?;
    Ok(format!("{common}SocksPort 127.0.0.1:{socks_port}\n{}{authorities}", owned_by(owner)))
}

fn common(dir: &Path, nickname: &str) -> anyhow::Result<String> {
    let (folder, pid) = (quoted(dir)?, quoted(&dir.join("pid"))?);
    let log = quoted_text(&format!("notice file {}", text(&dir.join(LOG))?));
    Ok(format!(
        "TestingTorNetwork 1\nDataDirectory {folder}\nPidFile {pid}\nLog {log}\nNickname {nickname}\n\
         ContactInfo test@invalid\nLogTimeGranularity 1\nShutdownWaitLength 0\nPathsNeededToBuildCircuits 0.67\n\
         LearnCircuitBuildTimeout 0\nNumCPUs 1\nAddressDisableIPv6 1\n"
    ))
}

/// tor looks every 15 s whether that process lives, and ends when it does not.
fn owned_by(owner: u32) -> String {
    format!("__OwningControllerProcess {owner}\n")
}

/// A path as a torrc takes it, whatever it holds: spaces and `#` too.
pub(crate) fn quoted(path: &Path) -> anyhow::Result<String> {
    Ok(quoted_text(text(path)?))
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

fn quoted_text(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

pub(crate) fn authority_lines(nodes: &[Node], identities: &[Identity]) -> String {
    let line = |(node, identity): (&Node, &Identity)| {
        let (port, v3) = (node.dir_port?, identity.v3.as_ref()?);
        Some(format!(
            "DirAuthority {} orport={} no-v2 v3ident={v3} 127.0.0.1:{port} {}\n",
            node.name, node.or_port, identity.rsa
        ))
    };
    nodes.iter().zip(identities).filter_map(line).collect()
}

/// arti's options for the network, in the `[tor.*]` tables of torchatd's configuration file.
pub(crate) fn daemon_config(nodes: &[Node], identities: &[Identity]) -> String {
    let authorities: Vec<_> = identities.iter().filter_map(|i| i.v3.as_ref()).map(|v3| format!("\"{v3}\"")).collect();
    let mut text = format!(
        "# A private Tor network on loopback. For: torchatd --config THIS-FILE\n\n[tor.tor_network]\n\
         authorities = {{ v3idents = [{}] }}\nfallback_caches = [\n",
        authorities.join(", ")
    );
    for (node, identity) in nodes.iter().zip(identities).filter(|(node, _)| node.dir_port.is_some()) {
        text.push_str(&format!(
            "  {{ rsa_identity = \"{}\", ed_identity = \"{}\", orports = [\"127.0.0.1:{}\"] }},\n",
            identity.rsa, identity.ed25519, node.or_port
        ));
    }
    text.push_str(
        "]\n\n[tor.path_rules]\nipv4_subnet_family_prefix = 33\nipv6_subnet_family_prefix = 129\n\n\
         [tor.address_filter]\nallow_local_addrs = true\nallow_onion_addrs = true\n\n\
         [tor.preemptive_circuits]\ninitial_predicted_ports = []\n",
    );
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sample() -> (Vec<Node>, Vec<Identity>) {
        let nodes = vec![
            Node { name: "a1".into(), or_port: 7001, dir_port: Some(7201) },
            Node { name: "r1".into(), or_port: 7051, dir_port: None },
        ];
        let identity =
            |v3: Option<&str>| Identity { rsa: "AA".into(), ed25519: "BB".into(), v3: v3.map(str::to_owned) };
        (nodes, vec![identity(Some("CC")), identity(None)])
    }

    #[test]
    fn only_authorities_are_named() {
        let (nodes, identities) = sample();
        assert_eq!(
            authority_lines(&nodes, &identities),
            "DirAuthority a1 orport=7001 no-v2 v3ident=CC 127.0.0.1:7201 AA\n"
        );
        let config = daemon_config(&nodes, &identities);
        assert!(
            config.contains("v3idents = [\"CC\"]") && config.contains("127.0.0.1:7001") && !config.contains("7051")
        );
    }

    #[test]
    fn every_address_is_loopback() {
        let (nodes, _) = sample();
        let text = node(Path::new("/d"), &nodes[0], &Config::default(), 0, "").unwrap();
        assert!(text.contains("hsdir_interval=8"));
        for line in text.lines().filter(|line| line.contains("Port ")) {
            assert!(line.contains("127.0.0.1:") || line.ends_with(" 0"), "{line}");
        }
    }

    #[test]
    fn a_relays_torrc() {
        let (nodes, _) = sample();
        let config = Config { owner: Some(77), ..Config::default() };
        let text = node(Path::new("/n e/r1"), &nodes[1], &config, 0, "DirAuthority x\n").unwrap();
        let expected = "TestingTorNetwork 1\nDataDirectory \"/n e/r1\"\nPidFile \"/n e/r1/pid\"\n\
            Log \"notice file /n e/r1/notice.log\"\nNickname r1\nContactInfo test@invalid\nLogTimeGranularity 1\n\
            ShutdownWaitLength 0\nPathsNeededToBuildCircuits 0.67\nLearnCircuitBuildTimeout 0\nNumCPUs 1\n\
            AddressDisableIPv6 1\nAddress 127.0.0.1\nORPort 127.0.0.1:7051\nSocksPort 0\nExitRelay 0\n\
            AssumeReachable 1\nServerDNSDetectHijacking 0\nServerDNSTestAddresses\n\
            ServerDNSResolvConfFile /dev/null\nServerDNSAllowBrokenConfig 1\nDoSCircuitCreationEnabled 0\n\
            DoSConnectionEnabled 0\nDoSRefuseSingleHopClientRendezvous 0\n__OwningControllerProcess 77\n\
            DirAuthority x\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn an_authority_adds_its_votes() {
        let expected = "DirPort 127.0.0.1:7201\nAuthoritativeDirectory 1\nV3AuthoritativeDirectory 1\n\
            AuthDirTestReachability 0\nV3AuthNIntervalsValid 3\nTestingDirAuthVoteHSDir *\n\
            TestingDirAuthVoteGuard *\nTestingMinExitFlagThreshold 0\nAuthDirFastGuarantee 1\n\
            AuthDirVoteStableGuaranteeMinUptime 0\nAuthDirVoteStableGuaranteeMTBF 0\n\
            TestingV3AuthInitialVotingInterval 10\nTestingV3AuthVotingStartOffset 1\n\
            TestingV3AuthInitialVoteDelay 2\nTestingV3AuthInitialDistDelay 2\n\
            V3AuthVotingInterval 15\nV3AuthVoteDelay 3\nV3AuthDistDelay 3\n\
            ConsensusParams cc_alg=2 hsdir_interval=6 cbtdisabled=1 cbtinitialtimeout=10000 \
            guard-internet-likely-down-interval=20\n";
        assert_eq!(authority(7201, 15, 1003), expected);
    }

    #[test]
    fn the_first_vote_begins_when_all_nodes_are_known() {
        for now in 1000..1020 {
            // The first consensus on the clock that tor makes after the start; voting and signing come before it.
            let first = (now + 1..).find(|s| s % FIRST_INTERVAL_S == first_vote_offset(now)).unwrap();
            assert_eq!(first - 2 * FIRST_DELAY_S, now + LEAD_S);
        }
    }

    #[test]
    fn nothing_in_a_path_ends_its_quotes() {
        assert_eq!(quoted(Path::new("/a b#c\"d\\e\nf")).unwrap(), "\"/a b#c\\\"d\\\\e\\nf\"");
    }
}
