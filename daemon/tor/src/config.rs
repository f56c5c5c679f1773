//! The `[tor.*]` tables: arti's own options, checked key by key, and what we do not leave to them.

use crate::TorConfig;
use crate::report::report;
use arti_client::TorClientConfig;
use arti_client::config::vanguards::VanguardConfig;
use std::path::{Path, PathBuf};
use toml::{Table, Value};
use tor_config::load::ConfigResolveOptions;
use tor_config::sources::MustRead;
use tor_config::{ConfigurationSource, ConfigurationSources};
use tor_guardmgr::VanguardMode;

/// Why the `[tor.*]` tables are not acceptable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Arti has no such option.
    #[error("unknown key tor.{0}")]
    UnknownKey(String),
    /// An option that the daemon decides.
    #[error("tor.{0} cannot be set: {1}")]
    Ours(&'static str, &'static str),
    /// Arti was built without full vanguards, so a service would be easy to find.
    #[error("this arti has no full vanguards: the onion service is not started")]
    NoVanguards,
    /// An option by which the daemon or its peers are easier to find, in the real network.
    #[error(
        "tor.{0} cannot be set: it makes a daemon easier to find, and is taken only in a network of one's own \
         (tor.tor_network.authorities)"
    )]
    Weakens(String),
    /// Bridges, for which there is no support.
    #[error("tor.bridges cannot be used: {}", NO_BRIDGES)]
    Bridges,
    /// A value that arti refuses.
    #[error("the [tor.*] tables are not acceptable: {0}")]
    Value(String),
}

/// What is said to somebody who needs bridges.
pub const NO_BRIDGES: &str = "torchatd does not support bridges yet. Where Tor is blocked it does not get through, and where its \
     use must stay unseen, do not run it: it connects to Tor's public relays. See \"Bridges\" in docs/OPERATIONS.md";

/// Options that would put keys elsewhere, or make the service easier to find, and what to say to who sets them.
const OURS: [(&str, &str); 2] = [
    ("storage", "state and cache stay in the data directory"),
    ("vanguards", "the onion service runs with full vanguards or not at all, because without them it is easy to find"),
];

/// Arti's table of bridges.
const BRIDGES: &str = "bridges";
/// Tables of which every key may be set: they decide when something is tried, and not by which way or how hidden. What is
/// in neither list cannot be set in the real network, so that an option that a later arti adds is looked at first.
const FREE: [&str; 6] =
    ["tor_network", "download_schedule", "preemptive_circuits", "circuit_timing", "address_filter", "stream_timeouts"];
/// Single keys of the other tables: which relays a firewall lets through, the way through a proxy, limits of memory.
const FREE_KEYS: [(&str, &str); 4] = [
    ("path_rules", "reachable_addrs"),
    ("path_rules", "long_lived_ports"),
    ("channel", "outbound_proxy"),
    ("system", "memory"),
];

/// The options by which somebody may be found more easily: fewer or shorter kept relays, relays that belong together, no
/// padding.
#[must_use]
pub fn weaker(options: &Table) -> Vec<String> {
    let mut weaker = Vec::new();
    for (table, value) in options {
        if FREE.contains(&table.as_str()) || OURS.iter().any(|(ours, _)| ours == table) {
            continue;
        }
        match value.as_table() {
            Some(keys) => {
                let free = |key: &str| FREE_KEYS.contains(&(table.as_str(), key));
                weaker.extend(keys.keys().filter(|key| !free(key)).map(|key| format!("{table}.{key}")));
            }
            None => weaker.push(table.clone()),
        }
    }
    weaker
}

/// Whether it is about another network than the real one.
fn is_private(options: &Table) -> bool {
    options.get("tor_network").and_then(|network| network.get("authorities")).is_some()
}

/// Checks the `[tor.*]` tables without touching the disk. (`override_net_params` is the one table whose keys are not
/// checked: arti takes any, because they are the names of consensus parameters.)
///
/// # Errors
/// [`ConfigError`], with the key.
pub fn check(options: &Table) -> Result<(), ConfigError> {
    resolve(options, Path::new("/nonexistent"), Path::new("/nonexistent")).map(drop)
}

pub(crate) fn build(config: &TorConfig) -> Result<TorClientConfig, ConfigError> {
    resolve(&config.options, &config.state_dir, &config.cache_dir)
}

fn resolve(options: &Table, state: &Path, cache: &Path) -> Result<TorClientConfig, ConfigError> {
    if let Some((ours, why)) = OURS.into_iter().find(|(key, _)| options.contains_key(*key)) {
        return Err(ConfigError::Ours(ours, why));
    }
    // Who asks for bridges must not be connected without them. (In a network of one's own, the table may say that there are none.)
    let bridges = options.contains_key(BRIDGES);
    let refused = |why| if bridges { ConfigError::Bridges } else { ConfigError::Value(why) };
    let mut all = options.clone();
    all.insert("storage".into(), storage(state, cache)?);
    let full = Table::from_iter([("mode".to_owned(), Value::from("full"))]);
    all.insert("vanguards".into(), Value::Table(full));
    let text = toml::to_string(&all).map_err(|error| ConfigError::Value(error.to_string()))?;
    let mut sources = ConfigurationSources::new_empty();
    sources.push_source(ConfigurationSource::from_verbatim(text), MustRead::MustRead);
    let tree = sources.load().map_err(|error| ConfigError::Value(report(&error)))?;
    let resolved = tor_config::resolve_return_results::<TorClientConfig>(&tree, &ConfigResolveOptions::default())
        .map_err(|error| refused(report(&error)))?;
    if let Some(key) = resolved.unrecognized.first() {
        return Err(ConfigError::UnknownKey(key.to_string()));
    }
    require_full(resolved.value.as_ref())?;
    match weaker(options).into_iter().next() {
        Some(_) if bridges && !is_private(options) => Err(ConfigError::Bridges),
        Some(key) if !is_private(options) => Err(ConfigError::Weakens(key)),
        _ => Ok(resolved.value),
    }
}

/// The last word before a service is started by this configuration, however it came to be: without its feature arti takes
/// the option and ignores it.
fn require_full(vanguards: &VanguardConfig) -> Result<(), ConfigError> {
    if vanguards.mode() == VanguardMode::Full { Ok(()) } else { Err(ConfigError::NoVanguards) }
}

fn storage(state: &Path, cache: &Path) -> Result<Value, ConfigError> {
    // Literal: arti would expand a `$` or `~` in a plain path.
    let literal = |path: &Path| {
        let text =
            path.to_str().ok_or_else(|| ConfigError::Value(format!("{} is not UTF-8", PathBuf::from(path).display())));
        Ok(Value::Table(Table::from_iter([("literal".to_owned(), Value::from(text?))])))
    };
    let primary = Table::from_iter([("kind".to_owned(), Value::from("ephemeral"))]);
    let keystore = Table::from_iter([("primary".to_owned(), Value::Table(primary))]);
    Ok(Value::Table(Table::from_iter([
        ("state_dir".to_owned(), literal(state)?),
        ("cache_dir".to_owned(), literal(cache)?),
        ("keystore".to_owned(), Value::Table(keystore)),
    ])))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arti_client::config::vanguards::VanguardConfigBuilder;
    use tor_config::ExplicitOrAuto;

    fn checked(text: &str) -> Result<(), ConfigError> {
        check(&text.parse::<Table>().unwrap())
    }

    #[test]
    fn nothing_and_a_private_network_are_fine() {
        assert_eq!(checked(""), Ok(()));
        let private = r#"
            [tor_network]
            authorities = { v3idents = ["97D003816DA48701E171BE2C5B6AFC2AE9C2F346"] }
            fallback_caches = [
              { rsa_identity = "F0ED5FF25D6859D6CDEBFF3734D22F1279923A78", ed_identity = "B04SRCrrQVGqNFqH6/xnMcPBYfDo+HmPTaUluuxYW18", orports = ["127.0.0.1:7001"] },
            ]
            [path_rules]
            ipv4_subnet_family_prefix = 33
            [address_filter]
            allow_local_addrs = true
        "#;
        assert_eq!(checked(private), Ok(()));
    }

    #[test]
    fn a_mistyped_key_is_named_at_every_level() {
        for (text, key) in [
            ("[path_rulez]\na = 1", "path_rulez"),
            ("[path_rules]\nipv4_subnet_familyprefix = 33", "path_rules.ipv4_subnet_familyprefix"),
            ("nonsense = 1", "nonsense"),
            // The list of authorities and its neighbour's entries: tables in tables, and tables in a list.
            ("[tor_network.authorities]\nv3ident = []", "tor_network.authorities.v3ident"),
            (
                "[[tor_network.fallback_caches]]\nrsa_identity = \"F0ED5FF25D6859D6CDEBFF3734D22F1279923A78\"\n\
                 ed_identity = \"B04SRCrrQVGqNFqH6/xnMcPBYfDo+HmPTaUluuxYW18\"\norports = [\"127.0.0.1:7001\"]\n\
                 orport = 7001",
                "tor_network.fallback_caches[0].orport",
            ),
            ("[stream_timeouts]\nconnect_timeouts = \"10 s\"", "stream_timeouts.connect_timeouts"),
            // A table of the whole program arti, which is not part of the library.
            ("[logging]\nconsole = \"debug\"", "logging"),
        ] {
            assert_eq!(checked(text), Err(ConfigError::UnknownKey(key.into())), "{text}");
        }
    }

    #[test]
    fn what_the_daemon_decides_cannot_be_set() {
        assert!(matches!(checked("[storage]\nstate_dir = \"/x\""), Err(ConfigError::Ours("storage", _))));
    }

    #[test]
    fn a_service_without_full_vanguards_is_refused() {
        for mode in ["\"lite\"", "\"disabled\"", "\"auto\"", "\"full\"", "0"] {
            let refused = checked(&format!("[vanguards]\nmode = {mode}")).unwrap_err();
            assert!(matches!(refused, ConfigError::Ours("vanguards", _)), "{mode}: {refused:?}");
            let text = refused.to_string();
            assert!(text.starts_with("tor.vanguards cannot be set: ") && text.contains("full vanguards"), "{text}");
        }
        // In a process, too, and before anything is written.
        let config = TorConfig {
            state_dir: "/nonexistent/state".into(),
            cache_dir: "/nonexistent/cache".into(),
            virtual_port: 80,
            options: "[vanguards]\nmode = \"lite\"".parse().unwrap(),
        };
        assert!(matches!(build(&config), Err(ConfigError::Ours("vanguards", _))));
        // And whatever arti itself makes of its options, only full ones pass.
        for mode in [VanguardMode::Lite, VanguardMode::Disabled, VanguardMode::Full] {
            let mut vanguards = VanguardConfigBuilder::default();
            vanguards.mode(ExplicitOrAuto::Explicit(mode));
            let judged = require_full(&vanguards.build().unwrap());
            assert_eq!(judged.is_ok(), mode == VanguardMode::Full, "{mode}");
        }
        let default = VanguardConfigBuilder::default().build().unwrap();
        assert_eq!(require_full(&default), Err(ConfigError::NoVanguards), "arti's default is what clients need");
    }

    #[test]
    fn what_weakens_the_real_network_is_refused_and_a_private_one_decides_for_itself() {
        let private = "[tor_network]\nauthorities = { v3idents = [\"97D003816DA48701E171BE2C5B6AFC2AE9C2F346\"] }\n\
             fallback_caches = [{ rsa_identity = \"F0ED5FF25D6859D6CDEBFF3734D22F1279923A78\", \
             ed_identity = \"B04SRCrrQVGqNFqH6/xnMcPBYfDo+HmPTaUluuxYW18\", orports = [\"127.0.0.1:7001\"] }]\n";
        for (text, key) in [
            ("[override_net_params]\n\"guard-hs-l2-number\" = 1", "override_net_params.guard-hs-l2-number"),
            ("[channel]\npadding = \"none\"", "channel.padding"),
            ("[path_rules]\nipv4_subnet_family_prefix = 33", "path_rules.ipv4_subnet_family_prefix"),
            ("[path_rules]\nipv6_subnet_family_prefix = 129", "path_rules.ipv6_subnet_family_prefix"),
            ("[directory_tolerance]\npost_valid_tolerance = \"90 days\"", "directory_tolerance.post_valid_tolerance"),
        ] {
            assert_eq!(checked(text), Err(ConfigError::Weakens(key.into())), "{text}");
            assert_eq!(checked(&format!("{private}{text}")), Ok(()), "{text}");
            assert_eq!(weaker(&text.parse().unwrap()), [key]);
        }
        for text in [
            "[stream_timeouts]\nconnect_timeout = \"20 s\"",
            "[circuit_timing]\nmax_dirtiness = \"10 minutes\"",
            "[path_rules]\nreachable_addrs = [\"*:443\"]",
            "[download_schedule.retry_bootstrap]\ninitial_delay = \"2 s\"",
        ] {
            assert_eq!(checked(text), Ok(()), "{text}");
            assert!(weaker(&text.parse().unwrap()).is_empty(), "{text}");
        }
    }

    #[test]
    fn the_real_network_is_never_mixed_into_a_private_one() {
        // Without caches of its own it would be started by those of the real network.
        let alone = "[tor_network]\nauthorities = { v3idents = [\"97D003816DA48701E171BE2C5B6AFC2AE9C2F346\"] }";
        assert!(matches!(checked(alone), Err(ConfigError::Value(_))));
    }

    #[test]
    fn bridges_are_refused_and_not_forgotten() {
        let bridge = "[bridges]\nbridges = [\"192.0.2.83:80 EB6EFB27F29AC9511A4246D7ABE1AFABFB416FF1\"]";
        for text in [bridge, "[bridges]\nenabled = true", "[bridges]\nenabled = false"] {
            assert_eq!(checked(text), Err(ConfigError::Bridges), "{text}");
        }
        assert!(ConfigError::Bridges.to_string().contains("does not support bridges yet"));
    }

    #[test]
    fn vanguards_are_full_and_our_directories_are_ours() {
        let dir = Path::new("/nonexistent/$HOME/~");
        let config = resolve(&Table::new(), dir, dir).unwrap();
        let vanguards: &VanguardConfig = config.as_ref();
        assert_eq!(vanguards.mode(), VanguardMode::Full);
        // Said by us, and not by a default of arti's that may change.
        assert!(format!("{vanguards:?}").contains("Explicit(Full)"), "{vanguards:?}");
        // As it stands, without an expansion.
        assert!(format!("{config:?}").contains("/nonexistent/$HOME/~"));
    }

    #[test]
    fn a_wrong_value_is_told() {
        let wrong = checked("[path_rules]\nipv4_subnet_family_prefix = \"many\"");
        assert!(
            matches!(&wrong, Err(ConfigError::Value(text)) if text.contains("ipv4_subnet_family_prefix")),
            "{wrong:?}"
        );
    }
}
