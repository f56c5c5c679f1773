//! What keeps Tor from working, in words that tell what to do: a wrong clock, a missing network.

use crate::report::{report, tidy};
use arti_client::status::{BlockageKind, BootstrapStatus};
use arti_client::{ErrorKind, HasKind};
use std::error::Error;
use torchat_protocol::control::reason::NetworkCause;

/// Why a start (or a renewal) is stuck, if arti thinks that it is.
pub(crate) fn of_start(status: &BootstrapStatus) -> Option<Cause> {
    // Before any blockage: a directory that is refused as too new or too old is one to arti, and no word about time.
    if let Some(clock) = clock_in(&status.to_string()) {
        return Some(clock);
    }
    let blockage = status.blocked()?;
    Some(match blockage.kind() {
        // Nobody has asked it to start yet.
        BlockageKind::Disabled => return None,
        BlockageKind::ClockSkewed => wrong_clock(None),
        BlockageKind::Offline => no_network().unwrap_or_else(|| {
            Cause::plain("stuck: no relay can be reached; the network of this computer may be down or blocked")
        }),
        _ => Cause::plain(format!("stuck: {}", tidy(&blockage.to_string()))),
    })
}

/// Why there is no way into the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cause {
    /// For programs: what the user can mend.
    pub(crate) code: Option<NetworkCause>,
    /// For people: a few words.
    pub(crate) short: String,
    /// Arti's error with all its causes, for the log and whoever asks for it.
    pub(crate) detail: Option<String>,
}

impl Cause {
    /// What arti did not say.
    pub(crate) fn plain(short: impl Into<String>) -> Self {
        Self { code: None, short: short.into(), detail: None }
    }

    /// Of an error of arti's; `status` is what it says of itself.
    pub(crate) fn of<E: HasKind + Error + 'static>(error: &E, status: &BootstrapStatus) -> Self {
        let short = shortly(error.kind(), &status.to_string(), routes().as_deref());
        Self { detail: Some(report(error)), ..short }
    }

    /// Both on one line, for the log.
    pub(crate) fn whole(&self) -> String {
        match &self.detail {
            Some(detail) => format!("{} ({detail})", self.short),
            None => self.short.clone(),
        }
    }
}

fn shortly(kind: ErrorKind, status: &str, routes: Option<&str>) -> Cause {
    if let Some(clock) = clock_in(status) {
        return clock;
    }
    if kind == ErrorKind::ClockSkew {
        return wrong_clock(None);
    }
    if let Some(missing) = missing_network(routes) {
        return missing;
    }
    let words = match kind {
        ErrorKind::TorAccessFailed => "no Tor relay answers",
        ErrorKind::TorNetworkTimeout => "the Tor network does not answer in time",
        ErrorKind::BootstrapRequired => "Tor has not started yet",
        ErrorKind::DirectoryExpired => "Tor's list of relays is out of date, and Tor cannot get a newer one",
        ErrorKind::TorDirectoryUnusable | ErrorKind::TorDirectoryError => "Tor cannot get a list of relays",
        ErrorKind::NoPath => "Tor finds no path through its relays",
        ErrorKind::LocalNetworkError => "this computer's network refuses connections",
        ErrorKind::LocalResourceExhausted => "this computer has no room for more connections",
        ErrorKind::ArtiShuttingDown | ErrorKind::ReactorShuttingDown => "Tor is stopping",
        _ => "Tor does not get through",
    };
    Cause::plain(words)
}

/// The network is not there at all, as far as that can be seen from here.
pub(crate) fn no_network() -> Option<Cause> {
    missing_network(routes().as_deref())
}

fn wrong_clock(by: Option<&str>) -> Cause {
    let by = by.unwrap_or("wrong");
    let short = format!("the computer's clock seems to be {by}, so Tor cannot work: set it");
    Cause { code: Some(NetworkCause::Clock), ..Cause::plain(short) }
}

/// Arti's estimate, by what relays say of the time, stands only in the text that it writes about its state: "Clock is
/// fast by around 2h 5m (based on 3 recent observations, with some confidence)". It stands there only if it is more than a
/// quarter of an hour and arti trusts it.
fn clock_in(status: &str) -> Option<Cause> {
    // Not the first "Clock is": arti also writes "Clock is skewed".
    let (way, rest) = ["slow", "fast"].into_iter().find_map(|way| {
        let (_, rest) = status.split_once(&format!("Clock is {way} by around "))?;
        Some((way, rest))
    })?;
    let by = rest.split(" (").next().unwrap_or(rest).trim_end_matches(['.', ')']);
    let plainly: Vec<_> = by.split_whitespace().take(2).collect();
    Some(wrong_clock(Some(&format!("{way} by about {}", plainly.join(" ")))))
}

/// The kernel's tables of routes, IPv4 and IPv6 (proc(5)), one after the other. `None`: this system does not tell.
fn routes() -> Option<String> {
    let four = std::fs::read_to_string("/proc/net/route").ok()?;
    // Without IPv6 in the kernel there is no such file.
    let six = std::fs::read_to_string("/proc/net/ipv6_route").unwrap_or_default();
    Some(four + &six)
}

fn missing_network(routes: Option<&str>) -> Option<Cause> {
    let routes = routes?;
    let out = routes.lines().any(|line| leads_out(line).unwrap_or(false));
    let words = "this computer has no way to the internet (no default route): connect it";
    (!out).then(|| Cause { code: Some(NetworkCause::Offline), ..Cause::plain(words) })
}

/// Whether a line of the tables is a default route, or one half of it, as some tunnels set it.
fn leads_out(line: &str) -> Option<bool> {
    const REJECT: u32 = 0x200;
    const UP: u32 = 0x1;
    let fields: Vec<_> = line.split_whitespace().collect();
    let (wide, flags, interface) = match fields.len() {
        // Destination, prefix, source, prefix, next hop, metric, references, uses, flags, interface.
        10 => (u8::from_str_radix(fields[1], 16).ok()? <= 3, fields[8], fields[9]),
        // Interface, destination, gateway, flags, references, uses, metric, mask (in the machine's order), ..
        11 => (u32::from_str_radix(fields[7], 16).ok()?.count_ones() <= 1, fields[3], fields[0]),
        _ => return None,
    };
    let flags = u32::from_str_radix(flags, 16).ok()?;
    Some(wide && interface != "lo" && flags & UP != 0 && flags & REJECT == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
    const HOME: &str = "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n";
    const NEIGHBOURS: &str = "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
    const TUNNEL: &str = "tun0\t00000080\t0100080A\t0003\t0\t0\t0\t00000080\t0\t0\t0\n";
    const SIX_NONE: &str = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
                            00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n";
    const SIX: &str = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
                       fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n";

    #[test]
    fn a_wrong_clock_is_told_with_its_error() {
        for (status, want) in [
            (
                "Stuck at 10%: Can't bootstrap. Clock is fast by around 3h 2m 5s (based on 4 recent observations, with some \
              confidence)",
                Some("fast by about 3h 2m"),
            ),
            (
                "15%: x; y. Clock is slow by around 20days (based on 1 recent observations, with high confidence)",
                Some("slow by about 20days"),
            ),
            (
                "Stuck at 15%: Clock is skewed. (Clock is slow by around 2h (based on 2 recent observations, with some \
              confidence))",
                Some("slow by about 2h"),
            ),
            ("100%: connecting successfully; directory is usable", None),
            ("Stuck at 15%: Clock is skewed. (relays all seem to be using expired certificates)", None),
        ] {
            let want = want.map(|by| format!("the computer's clock seems to be {by}, so Tor cannot work: set it"));
            let found = clock_in(status);
            assert_eq!(found.as_ref().map(|cause| &cause.short), want.as_ref(), "{status}");
            assert!(found.is_none_or(|cause| cause.code == Some(NetworkCause::Clock)), "{status}");
        }
    }

    #[test]
    fn a_trouble_is_told_by_its_deepest_cause_in_a_few_words() {
        let words = |kind, status: &str, routes| shortly(kind, status, routes).short;
        let there = format!("{HEADER}{HOME}");
        let skewed = "100%. Clock is slow by around 5h (based on 3 recent observations, with high confidence)";
        assert!(words(ErrorKind::DirectoryExpired, skewed, Some(HEADER)).contains("slow by about 5h"));
        let clock = words(ErrorKind::ClockSkew, "100%", Some(&there));
        assert_eq!(clock, "the computer's clock seems to be wrong, so Tor cannot work: set it");
        assert!(words(ErrorKind::TorAccessFailed, "100%", Some(HEADER)).contains("no way to the internet"));
        assert_eq!(words(ErrorKind::TorAccessFailed, "100%", Some(&there)), "no Tor relay answers");
        assert_eq!(words(ErrorKind::TorAccessFailed, "100%", None), "no Tor relay answers", "no such tables here");
        for kind in [ErrorKind::NoPath, ErrorKind::DirectoryExpired, ErrorKind::Internal, ErrorKind::Other] {
            let words = words(kind, "100%", None);
            assert!(words.len() < 80 && !words.contains(':') && !words.contains("error"), "{words}");
        }
        let cause = Cause { detail: Some("tor: error: refused".into()), ..Cause::plain("no Tor relay answers") };
        assert_eq!(cause.whole(), "no Tor relay answers (tor: error: refused)");
        assert_eq!(Cause::plain("it is off").whole(), "it is off");
    }

    #[test]
    fn what_the_user_can_mend_has_a_code_whatever_its_words_are() {
        let there = format!("{HEADER}{HOME}");
        let code = |kind, status: &str, routes: &str| shortly(kind, status, Some(routes)).code;
        let skewed = "100%. Clock is slow by around 5h (based on 3 recent observations, with high confidence)";
        assert_eq!(code(ErrorKind::DirectoryExpired, skewed, HEADER), Some(NetworkCause::Clock));
        assert_eq!(code(ErrorKind::ClockSkew, "100%", &there), Some(NetworkCause::Clock));
        assert_eq!(code(ErrorKind::TorAccessFailed, "100%", HEADER), Some(NetworkCause::Offline));
        assert_eq!(code(ErrorKind::TorAccessFailed, "100%", &there), None);
    }

    #[test]
    fn a_missing_network_is_seen_by_the_routes() {
        let missing = |text: &str| missing_network(Some(text)).is_some();
        for table in [HEADER.to_owned(), format!("{HEADER}{NEIGHBOURS}"), format!("{HEADER}{SIX_NONE}")] {
            assert!(missing(&table), "{table}");
        }
        for line in [HOME, TUNNEL, SIX] {
            assert!(!missing(&format!("{HEADER}{NEIGHBOURS}{line}{SIX_NONE}")), "{line}");
        }
        assert!(missing_network(None).is_none());
    }

    #[test]
    fn a_start_that_is_not_stuck_has_no_trouble() {
        assert_eq!(of_start(&BootstrapStatus::default()), None);
    }
}
