//! The configuration file: TOML, every key optional, an unknown key an error that names it and the file.
//!
//! It holds no data directory, so that one file serves many daemons of one machine. `docs/OPERATIONS.md` lists the keys
//! with their defaults; a test keeps that list and this file together.

use crate::{accounts, places};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;
use torchat_control::ControlConfig;
use torchat_core::policy::{DialPolicy, LegacyPolicy, Policy, RequestPolicy, Strangers};
use torchat_engine::{DialTimes, EngineConfig};
use torchat_protocol::control::api::Right;
use torchat_protocol::limits;

/// The whole file.
#[derive(Debug, Clone, PartialEq, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    profile: Profile,
    contacts: Contacts,
    control: Control,
    legacy: Legacy,
    limits: Limits,
    dial: Dial,
    /// What the kernel shall refuse to the daemon itself.
    pub(crate) sandbox: crate::sandbox::Wanted,
    /// Arti's own options, which `torchat-tor` checks and uses: `[tor.tor_network]` and so on.
    pub(crate) tor: toml::Table,
    /// From `[control]`, with the numbers of its names.
    #[serde(skip)]
    group: Option<GroupSocket>,
}

/// The socket for other users.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GroupSocket {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Who may open it.
    pub(crate) gid: u32,
    /// What they may do, by uid.
    users: BTreeMap<u32, BTreeSet<Right>>,
}

/// `[control]`. Times are seconds.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Control {
    idle_s: u64,
    must_prove: usize,
    trust_closed: bool,
    group_socket: Option<PathBuf>,
    group: Option<String>,
    users: BTreeMap<String, BTreeSet<Right>>,
}

impl Default for Control {
    fn default() -> Self {
        let ControlConfig { idle_time, must_prove, trust_closed, .. } = ControlConfig::default();
        Self {
            idle_s: idle_time.unwrap_or_default().as_secs(),
            must_prove,
            trust_closed,
            group_socket: None,
            group: None,
            users: BTreeMap::new(),
        }
    }
}

impl Control {
    /// The second socket, checked. The error has the key and what is wrong with it.
    fn group_socket(&self) -> Result<Option<GroupSocket>, (String, String)> {
        let wrong = |key: &str, why: &str| Err((format!("control.{key}"), why.to_owned()));
        let Some(path) = &self.group_socket else {
            return match (&self.group, self.users.is_empty()) {
                (Some(_), _) => wrong("group", "it means nothing without group_socket"),
                (None, false) => wrong("users", "it means nothing without group_socket"),
                (None, true) => Ok(None),
            };
        };
        if !path.is_absolute() {
            return wrong("group_socket", "it must be an absolute path");
        }
        if let Err(failure) = places::check_socket_path(path) {
            return wrong("group_socket", &failure.to_string());
        }
        let Some(group) = &self.group else {
            return wrong("group", "it is missing: the group of the users who may open group_socket");
        };
        let gid = accounts::gid(group).map_err(|why| ("control.group".to_owned(), why))?;
        if self.users.is_empty() {
            return wrong("users", "it is missing: without it nobody has any right on group_socket");
        }
        let mut users = BTreeMap::new();
        for (who, rights) in &self.users {
            let key = || format!("control.users.{who}");
            let uid = accounts::uid(who).map_err(|why| (key(), why))?;
            if rights.is_empty() {
                return Err((key(), "no rights: read, send, contacts or admin".to_owned()));
            }
            if users.insert(uid, rights.clone()).is_some() {
                return Err((key(), format!("the user {uid} is listed twice")));
            }
        }
        Ok(Some(GroupSocket { path: path.clone(), gid, users }))
    }
}

/// `[contacts]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Contacts {
    strangers: StrangersChoice,
    requests: usize,
    request_days: u64,
    invites: usize,
}

const DAY_MS: u64 = 86_400_000;

impl Default for Contacts {
    fn default() -> Self {
        let RequestPolicy { waiting, kept_ms, invites, .. } = RequestPolicy::default();
        Self {
            strangers: StrangersChoice::default(),
            requests: waiting,
            request_days: kept_ms.unsigned_abs() / DAY_MS,
            invites,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum StrangersChoice {
    Closed,
    Invite,
    #[default]
    Request,
    Open,
}

/// `[legacy]`: what old daemons may do, whose senders nothing proves.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Legacy {
    receive: bool,
    per_minute: usize,
    kept: usize,
    days: u64,
}

impl Default for Legacy {
    fn default() -> Self {
        let LegacyPolicy { receive, per_minute, kept, kept_ms } = LegacyPolicy::default();
        Self { receive, per_minute, kept, days: kept_ms.unsigned_abs() / DAY_MS }
    }
}

/// `[profile]`
#[derive(Debug, Clone, PartialEq, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Profile {
    nick: String,
}

/// `[limits]`. Sizes are bytes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Limits {
    unread_bytes_per_peer: u64,
    unread_bytes_total: u64,
    outbox_messages_per_contact: usize,
    outbox_bytes_total: u64,
    connections: usize,
    unauthenticated_streams: usize,
    stranger_links: usize,
    stranger_link_s: u64,
    expiry_days: u64,
    database_bytes: Option<u64>,
}

/// `[dial]`. Times are seconds.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Dial {
    attempt_timeout_s: u64,
    hedge_after_s: u64,
    concurrent: usize,
    loss_min_s: u64,
    loss_max_s: u64,
    retry_first_s: u64,
    retry_cap_hour_s: u64,
    retry_cap_day_s: u64,
    retry_cap_s: u64,
    start_spread_s: u64,
}

/// Connections of local programs at the same time, unless the file says otherwise.
const CONNECTIONS: usize = 2048;

impl Default for Limits {
    fn default() -> Self {
        let policy = Policy::default();
        Self {
            unread_bytes_per_peer: policy.unread_bytes_per_peer,
            unread_bytes_total: policy.unread_bytes_total,
            outbox_messages_per_contact: policy.outbox_messages_per_contact,
            outbox_bytes_total: policy.outbox_bytes_total,
            connections: CONNECTIONS,
            unauthenticated_streams: EngineConfig::default().unauthenticated_streams,
            stranger_links: policy.stranger_links,
            stranger_link_s: policy.stranger_link_ms / 1000,
            expiry_days: policy.expiry_ms.unsigned_abs() / DAY_MS,
            database_bytes: None,
        }
    }
}

impl Default for Dial {
    fn default() -> Self {
        let (policy, times) = (DialPolicy::default(), DialTimes::default());
        Self {
            attempt_timeout_s: times.attempt.as_secs(),
            hedge_after_s: times.hedge.as_secs(),
            concurrent: policy.concurrent,
            loss_min_s: policy.loss_min_ms / 1000,
            loss_max_s: policy.loss_max_ms / 1000,
            retry_first_s: policy.backoff_ms / 1000,
            retry_cap_hour_s: policy.cap_hour_ms / 1000,
            retry_cap_day_s: policy.cap_day_ms / 1000,
            retry_cap_s: policy.cap_ms / 1000,
            start_spread_s: policy.start_spread_ms / 1000,
        }
    }
}

/// What is wrong with a configuration. The text names the key and the file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// It cannot be read.
    #[error("the configuration {file} cannot be read: {source}")]
    Read {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is no TOML, has an unknown key, or a value of the wrong type.
    // The parser's text shows the line with the key.
    #[error("the configuration {file} is wrong: {source}")]
    Parse {
        /// The file.
        file: String,
        /// Where and what.
        source: Box<toml::de::Error>,
    },
    /// A value that cannot work.
    #[error("the configuration {file} is wrong: {key} = {value}: {why}")]
    Value {
        /// The file.
        file: String,
        /// Table and key.
        key: &'static str,
        /// The value.
        value: u64,
        /// What it must be.
        why: String,
    },
    /// A text that cannot work.
    #[error("the configuration {file} is wrong: {key}: {why}")]
    Text {
        /// The file.
        file: String,
        /// Table and key.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// Arti does not take its part.
    #[error("the configuration {file} is wrong in [tor]: {why}")]
    Tor {
        /// The file.
        file: String,
        /// The key and what is wrong with it.
        why: String,
    },
}

impl Config {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { file: file.clone(), source })?;
        Self::parse(&text, &file)
    }

    /// Reads the text of a file; `file` is its name for messages.
    pub(crate) fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text)
            .map_err(|source| ConfigError::Parse { file: file.to_owned(), source: Box::new(source) })?;
        if let Some((key, value, why)) = config.impossible() {
            return Err(ConfigError::Value { file: file.to_owned(), key, value, why });
        }
        let group = config.control.group_socket();
        config.group = group.map_err(|(key, why)| ConfigError::Text { file: file.to_owned(), key, why })?;
        Ok(config)
    }

    /// The first value that cannot work, with the reason.
    fn impossible(&self) -> Option<(&'static str, u64, String)> {
        let (limits, dial) = (&self.limits, &self.dial);
        // Below the longest text, a message could arrive that is never acknowledged.
        let text = limits::TEXT_BYTES as u64;
        let day = 86_400;
        let ranges: [(&'static str, u64, u64, u64); 27] = [
            ("contacts.requests", self.contacts.requests as u64, 1, 10_000),
            ("contacts.request_days", self.contacts.request_days, 1, 3650),
            ("contacts.invites", self.contacts.invites as u64, 1, 10_000),
            ("control.idle_s", self.control.idle_s, 0, 30 * day),
            ("control.must_prove", self.control.must_prove as u64, 1, 4096),
            ("legacy.per_minute", self.legacy.per_minute as u64, 1, 600),
            ("legacy.kept", self.legacy.kept as u64, 1, 10_000),
            ("legacy.days", self.legacy.days, 1, 3650),
            ("limits.expiry_days", limits.expiry_days, 1, 3650),
            ("limits.unread_bytes_per_peer", limits.unread_bytes_per_peer, text, 1 << 40),
            ("limits.unread_bytes_total", limits.unread_bytes_total, limits.unread_bytes_per_peer, 1 << 40),
            ("limits.outbox_messages_per_contact", limits.outbox_messages_per_contact as u64, 1, 10_000_000),
            ("limits.outbox_bytes_total", limits.outbox_bytes_total, text, 1 << 40),
            ("limits.connections", limits.connections as u64, 1, 60_000),
            ("limits.unauthenticated_streams", limits.unauthenticated_streams as u64, 1, 4096),
            ("limits.stranger_links", limits.stranger_links as u64, 1, 4096),
            ("limits.stranger_link_s", limits.stranger_link_s, 1, day),
            // Smaller than this the empty store and one message do not fit.
            ("limits.database_bytes", limits.database_bytes.unwrap_or(1 << 20), 1 << 20, 1 << 50),
            ("dial.attempt_timeout_s", dial.attempt_timeout_s, 1, 600),
            ("dial.hedge_after_s", dial.hedge_after_s, 1, 600),
            ("dial.concurrent", dial.concurrent as u64, 1, 256),
            ("dial.loss_min_s", dial.loss_min_s, 0, dial.loss_max_s),
            ("dial.loss_max_s", dial.loss_max_s, 0, 600),
            ("dial.retry_first_s", dial.retry_first_s, 1, dial.retry_cap_hour_s),
            ("dial.retry_cap_hour_s", dial.retry_cap_hour_s, 1, dial.retry_cap_day_s),
            ("dial.retry_cap_day_s", dial.retry_cap_day_s, 1, dial.retry_cap_s),
            ("dial.retry_cap_s", dial.retry_cap_s, 1, 30 * day),
        ];
        let spread = ("dial.start_spread_s", dial.start_spread_s, 0, day);
        ranges.into_iter().chain([spread]).find_map(|(key, value, least, most)| {
            let why = format!("it must be from {least} to {most}");
            (!(least..=most).contains(&value)).then_some((key, value, why))
        })
    }

    /// The control server's part.
    pub(crate) fn control(&self) -> ControlConfig {
        ControlConfig {
            max_connections: self.limits.connections,
            idle_time: (self.control.idle_s > 0).then(|| Duration::from_secs(self.control.idle_s)),
            must_prove: self.control.must_prove,
            trust_closed: self.control.trust_closed,
            users: self.group.as_ref().map(|group| group.users.clone()).unwrap_or_default(),
            ..ControlConfig::default()
        }
    }

    /// The socket for other users, if there is to be one.
    pub(crate) fn group(&self) -> Option<&GroupSocket> {
        self.group.as_ref()
    }

    /// The largest size of the store in bytes, if it is limited.
    pub(crate) fn database_bytes(&self) -> Option<u64> {
        self.limits.database_bytes
    }

    /// The engine's part.
    pub(crate) fn engine(&self) -> EngineConfig {
        let (limits, dial) = (&self.limits, &self.dial);
        EngineConfig {
            replaceable: true,
            policy: Policy {
                strangers: match self.contacts.strangers {
                    StrangersChoice::Closed => Strangers::Closed,
                    StrangersChoice::Invite => Strangers::Invite,
                    StrangersChoice::Request => Strangers::Request,
                    StrangersChoice::Open => Strangers::Open,
                },
                nick: self.profile.nick.clone(),
                requests: RequestPolicy {
                    waiting: self.contacts.requests,
                    kept_ms: days(self.contacts.request_days),
                    invites: self.contacts.invites,
                    ..RequestPolicy::default()
                },
                legacy: LegacyPolicy {
                    receive: self.legacy.receive,
                    per_minute: self.legacy.per_minute,
                    kept: self.legacy.kept,
                    kept_ms: days(self.legacy.days),
                },
                expiry_ms: days(limits.expiry_days),
                unread_bytes_per_peer: limits.unread_bytes_per_peer,
                unread_bytes_total: limits.unread_bytes_total,
                outbox_messages_per_contact: limits.outbox_messages_per_contact,
                outbox_bytes_total: limits.outbox_bytes_total,
                stranger_links: limits.stranger_links,
                stranger_link_ms: limits.stranger_link_s * 1000,
                dial: DialPolicy {
                    concurrent: dial.concurrent,
                    loss_min_ms: dial.loss_min_s * 1000,
                    loss_max_ms: dial.loss_max_s * 1000,
                    backoff_ms: dial.retry_first_s * 1000,
                    cap_hour_ms: dial.retry_cap_hour_s * 1000,
                    cap_day_ms: dial.retry_cap_day_s * 1000,
                    cap_ms: dial.retry_cap_s * 1000,
                    start_spread_ms: dial.start_spread_s * 1000,
                    ..DialPolicy::default()
                },
                ..Policy::default()
            },
            dial: DialTimes {
                attempt: Duration::from_secs(dial.attempt_timeout_s),
                hedge: Duration::from_secs(dial.hedge_after_s),
            },
            unauthenticated_streams: limits.unauthenticated_streams,
            ..EngineConfig::default()
        }
    }
}

/// Checked by [`Config::parse`] to be some years at most.
fn days(days: u64) -> i64 {
    i64::try_from(days.saturating_mul(DAY_MS)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const OPERATIONS: &str = include_str!("../../../docs/OPERATIONS.md");

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, "x.toml")
    }

    /// The example in the documentation: the only block of TOML that begins with `[contacts]`.
    fn documented() -> &'static str {
        let start = OPERATIONS.find("```toml\n[contacts]").unwrap() + "```toml\n".len();
        let rest = OPERATIONS.get(start..).unwrap();
        rest.get(..rest.find("```").unwrap()).unwrap()
    }

    #[test]
    fn the_documented_keys_are_the_keys_and_their_values_the_defaults() {
        let shown = parse(documented()).unwrap();
        assert_eq!(shown, Config { limits: Limits { database_bytes: None, ..Limits::default() }, ..Config::default() });
        // The keys without a default stand there as comments.
        for key in ["database_bytes", "group_socket", "group", "users"] {
            assert!(documented().contains(&format!("# {key} = ")), "{key}");
        }
        let table: toml::Table = documented().parse().unwrap();
        assert_eq!(table["limits"].as_table().unwrap().len(), 9);
        assert_eq!(table["dial"].as_table().unwrap().len(), 10);
        assert_eq!(table["legacy"].as_table().unwrap().len(), 4);
        assert_eq!(table["control"].as_table().unwrap().len(), 3);
    }

    #[test]
    fn the_defaults_are_possible_and_the_engines_own() {
        let config = parse("").unwrap();
        let (engine, own) = (config.engine(), EngineConfig::default());
        assert_eq!(engine.policy, own.policy);
        assert_eq!(engine.dial, own.dial);
        assert_eq!(engine.unauthenticated_streams, own.unauthenticated_streams);
        assert_eq!(config.database_bytes(), None);
        assert_eq!(config.control().max_connections, 2048);
        assert_eq!((config.control().idle_time, config.control().must_prove), (Some(Duration::from_secs(3600)), 16));
        assert!(config.control().users.is_empty() && config.group().is_none() && !config.control().trust_closed);
    }

    #[test]
    fn keys_reach_the_engine() {
        let config = parse(
            "[contacts]\nstrangers = \"open\"\n[limits]\nunread_bytes_per_peer = 1_000_000\nconnections = 7\n\
             database_bytes = 5_000_000\n[legacy]\nreceive = true\ndays = 2\n[control]\ntrust_closed = true\n[dial]\nattempt_timeout_s = 3\nretry_cap_hour_s = 30\n",
        )
        .unwrap();
        let engine = config.engine();
        assert_eq!(engine.policy.strangers, Strangers::Open);
        assert_eq!(engine.policy.unread_bytes_per_peer, 1_000_000);
        assert_eq!(engine.policy.dial.cap_hour_ms, 30_000);
        assert!(engine.policy.legacy.receive && !LegacyPolicy::default().receive);
        assert_eq!(engine.policy.legacy.kept_ms, 2 * 86_400_000);
        assert_eq!(engine.dial.attempt, Duration::from_secs(3));
        assert_eq!(config.control().max_connections, 7);
        assert!(config.control().trust_closed);
        assert_eq!(config.database_bytes(), Some(5_000_000));
    }

    #[test]
    fn tors_tables_pass_through() {
        let config = parse("[tor.path_rules]\nipv4_subnet_family_prefix = 33\n").unwrap();
        let rules = config.tor["path_rules"].as_table().unwrap();
        assert_eq!(rules["ipv4_subnet_family_prefix"].as_integer(), Some(33));
    }

    /// A configuration with a group socket and these users.
    fn grouped(users: &str) -> String {
        format!("[control]\ngroup_socket = \"/run/t/s\"\ngroup = \"7\"\nusers = {users}\n")
    }

    #[test]
    fn a_group_socket_has_users_with_rights() {
        let config = parse(&grouped(r#"{ "1001" = ["read", "send"], root = ["admin"] }"#)).unwrap();
        let group = config.group().unwrap();
        assert_eq!((group.path.as_path(), group.gid), (Path::new("/run/t/s"), 7));
        let users = config.control().users;
        assert_eq!(users[&1001], BTreeSet::from([Right::Read, Right::Send]));
        assert_eq!(users[&0], BTreeSet::from([Right::Admin]));
        // The example in the documentation, as far as its names exist here.
        let example: String = documented()
            .lines()
            .filter_map(|line| line.strip_prefix("# "))
            .filter(|line| !line.starts_with("d"))
            .collect::<Vec<_>>()
            .join("\n");
        let example = example.replace("\"torchat\"", "\"0\"").replace("anna", "root");
        assert!(parse(&format!("[control]\n{example}\n")).unwrap().group().is_some(), "{example}");
    }

    #[test]
    fn wrong_keys_and_values_are_named_with_the_file() {
        let wrong = [
            ("data_dir = \"/x\"", "data_dir"),
            ("[contact]\n", "contact"),
            ("[contacts]\nstranger = \"open\"", "stranger"),
            ("[contacts]\nstrangers = \"friends\"", "strangers"),
            ("[limits]\nconections = 1", "conections"),
            ("[limits]\nconnections = \"many\"", "connections"),
            ("[limits]\nconnections = -1", "connections"),
            ("[limits]\nconnections = 0", "limits.connections"),
            ("[legacy]\nsend = true", "send"),
            ("[legacy]\nper_minute = 0", "legacy.per_minute"),
            ("[limits]\nunread_bytes_per_peer = 65535", "limits.unread_bytes_per_peer"),
            ("[limits]\nunread_bytes_total = 1000000", "limits.unread_bytes_total"),
            ("[dial]\nretry_cap_hour_s = 100000", "dial.retry_cap_hour_s"),
            ("[dial]\nloss_min_s = 4", "dial.loss_min_s"),
            ("[dial]\nhedge = 4", "hedge"),
            ("[dial", "dial"),
            ("[control]\nmust_prove = 0", "control.must_prove"),
            ("[control]\nidle_s = 9999999", "control.idle_s"),
            ("[control]\ngroup = \"0\"", "control.group"),
            ("[control.users]\n0 = [\"read\"]", "control.users"),
            ("[control]\ngroup_socket = \"s\"", "control.group_socket"),
            ("[control]\ngroup_socket = \"/s\"", "control.group"),
            ("[control]\ngroup_socket = \"/s\"\ngroup = \"no such group\"", "no such group"),
            ("[control]\ngroup_socket = \"/s\"\ngroup = \"0\"", "control.users"),
            (&grouped("{ nobody-here = [\"read\"] }"), "control.users.nobody-here"),
            (&grouped("{ 5 = [] }"), "control.users.5"),
            (&grouped("{ 5 = [\"write\"] }"), "write"),
            (&grouped("{ 5 = [\"read\"], 05 = [\"send\"] }"), "twice"),
            (&format!("[control]\ngroup_socket = \"/{}\"", "s".repeat(107)), "control.group_socket"),
        ];
        for (text, key) in wrong {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(key), "{text}: {message}");
            assert!(message.contains("x.toml"), "{text}: {message}");
        }
        let message = Config::read(Path::new("/no/such.toml")).unwrap_err().to_string();
        assert!(message.contains("/no/such.toml"), "{message}");
    }
}
