//! The configuration of every node, and of the daemons that use the network.

use crate::keys::Identity;
use crate::{Config, Node};
use std::path::Path;

/// Circuit-build time-out of clients, fixed. The learned one falls to 60 ms on loopback and then nothing works under
/// load; the default of 60 s makes a dial to a stale introduction point wait for minutes.
const BUILD_TIMEOUT_MS: u32 = 10_000;

pub(crate) fn node(dir: &Path, node: &Node, config: &Config, authorities: &str) -> String {
    let dir = dir.display();
    let or_port = node.or_port;
    let mut text = format!(
        "TestingTorNetwork 1\nDataDirectory {dir}\nPidFile {dir}/pid\nNickname {}\nContactInfo test@invalid\n\
         Log notice file {dir}/notice.log\nLogTimeGranularity 1\nShutdownWaitLength 0\n\
         PathsNeededToBuildCircuits 0.67\nLearnCircuitBuildTimeout 0\nNumCPUs 1\nAddressDisableIPv6 1\n\
         Address 127.0.0.1\nORPort 127.0.0.1:{or_port}\nSocksPort 0\nExitRelay 0\nAssumeReachable 1\n\
         ServerDNSDetectHijacking 0\nServerDNSTestAddresses\nServerDNSResolvConfFile /dev/null\n\
         ServerDNSAllowBrokenConfig 1\nDoSCircuitCreationEnabled 0\nDoSConnectionEnabled 0\n\
         DoSRefuseSingleHopClientRendezvous 0\n",
        node.name
    );
    if let Some(owner) = config.owner {
        text.push_str(&format!("__OwningControllerProcess {owner}\n"));
    }
    if let Some(port) = node.dir_port {
        let vote = config.voting_interval_s;
        let delay = if vote >= 20 { 4 } else { 3 };
        // C tor computes the length of a time period from the voting interval; arti takes it from the consensus.
        let period_min = 24 * vote / 60;
        text.push_str(&format!(
            "DirPort 127.0.0.1:{port}\nAuthoritativeDirectory 1\nV3AuthoritativeDirectory 1\n\
             AuthDirTestReachability 0\nV3AuthNIntervalsValid 3\nTestingDirAuthVoteHSDir *\n\
             TestingDirAuthVoteGuard *\nTestingMinExitFlagThreshold 0\nTestingV3AuthInitialVotingInterval 5\n\
             TestingV3AuthInitialVoteDelay 2\nTestingV3AuthInitialDistDelay 2\nV3AuthVotingInterval {vote}\n\
             V3AuthVoteDelay {delay}\nV3AuthDistDelay {delay}\n\
             ConsensusParams cc_alg=2 hsdir_interval={period_min} cbtdisabled=1 \
             cbtinitialtimeout={BUILD_TIMEOUT_MS} guard-internet-likely-down-interval=20\n"
        ));
    }
    text.push_str(authorities);
    text
}

pub(crate) fn client(dir: &Path, socks_port: u16, owner: u32, authorities: &str) -> String {
    let dir = dir.display();
    format!(
        "TestingTorNetwork 1\nDataDirectory {dir}\nPidFile {dir}/pid\nLog notice file {dir}/notice.log\n\
         SocksPort 127.0.0.1:{socks_port}\nLearnCircuitBuildTimeout 0\nNumCPUs 1\nAddressDisableIPv6 1\n\
         __OwningControllerProcess {owner}\n{authorities}"
    )
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
        let text = node(Path::new("/d"), &nodes[0], &Config::default(), "");
        assert!(text.contains("hsdir_interval=8"));
        for line in text.lines().filter(|line| line.contains("Port ")) {
            assert!(line.contains("127.0.0.1:") || line.ends_with(" 0"), "{line}");
        }
    }
}
