//! How far Tor is, in words, and the start that never gives up.

use crate::Client;
use crate::report::{report, tidy};
use crate::trouble;
use arti_client::status::{BootstrapEvents, BootstrapStatus};
use arti_client::{ErrorKind, HasKind as _};
use futures::StreamExt as _;
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use tokio::time::Instant;
use tor_hsservice::RunningOnionService;
use tor_hsservice::status::State;
use torchat_transport::{NetworkNotice, NetworkStatus};

/// First pause after the start failed; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A start whose percentage has not grown for this time is said to be without progress. Arti says nothing then: with
/// few directory caches, none of which answers, it tries forever and reports neither an error nor a blockage.
const STALLED: Duration = Duration::from_secs(20);
/// How many notices are kept.
const NOTICES: usize = 8;

/// Where all that know something of Tor's state write it down, and where it becomes one sentence.
///
/// Once the start has succeeded, `usable` stays true: arti never takes back that it was connected, and dials are the
/// only probe there is, so a daemon that stopped dialling because of a failure would never learn that it is over.
///
/// While two clients live, what is said of the way into the network is what dials by the newer one meet, and what is said
/// of the service is the first one's, in which it lives.
pub(crate) struct Status {
    facts: Mutex<Facts>,
    tell: watch::Sender<NetworkStatus>,
}

#[derive(Default)]
struct Facts {
    /// The start: its progress and its words, until it has succeeded.
    up: bool,
    percent: u8,
    starting: String,
    /// The service, after the start.
    service: ServiceState,
    /// Why the last dial found no way into the network.
    trouble: Option<String>,
    /// Dials go by another client than the one in which the service lives, so its success says nothing of them.
    apart: bool,
    /// A new client for dialling is being started.
    renewal: bool,
    /// What people should know, the youngest last.
    notices: Vec<NetworkNotice>,
}

/// What can be said of the service. Whether others reach it is judged by dials; arti's word flaps while it works.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
enum ServiceState {
    #[default]
    BeingPublished,
    Published,
    Recovering,
    Broken(Option<String>),
    Ended,
}

impl Status {
    pub(crate) fn new() -> Arc<Self> {
        let facts = Facts { starting: "starting Tor".into(), ..Facts::default() };
        let (tell, _) = watch::channel(facts.status());
        Arc::new(Self { facts: Mutex::new(facts), tell })
    }

    pub(crate) fn watch(&self) -> watch::Receiver<NetworkStatus> {
        self.tell.subscribe()
    }

    /// Whether the start has succeeded, so that dials can work at all.
    pub(crate) fn is_up(&self) -> bool {
        self.facts().up
    }

    pub(crate) fn sentence(&self) -> String {
        self.facts().status().sentence
    }

    /// A dial found no way into the network (the reason), or it got an answer from it (`None`), be it a refusal.
    pub(crate) fn dialled(&self, trouble: Option<String>) {
        self.change(|facts| facts.trouble = trouble);
    }

    /// A new client for dialling is being started, or that is over.
    pub(crate) fn renewal(&self, runs: bool) {
        self.change(|facts| facts.renewal = runs);
    }

    /// Dials go by a new client from now on. It spoke with the network a moment ago.
    pub(crate) fn renewed(&self) {
        self.change(|facts| (facts.apart, facts.trouble) = (true, None));
    }

    fn progress(&self, percent: u8, why: Option<String>) {
        self.change(|facts| {
            facts.percent = percent;
            facts.starting = match why {
                Some(why) => format!("connecting to the Tor network ({percent} %), {why}"),
                None => format!("connecting to the Tor network ({percent} %)"),
            };
        });
    }

    fn failed(&self, why: &str, pause: Duration) {
        let seconds = pause.as_secs();
        self.change(|facts| {
            facts.starting = format!("no way into the Tor network: {why}; trying again in {seconds} s");
        });
    }

    fn up(&self) {
        self.change(|facts| (facts.up, facts.percent) = (true, 100));
    }

    /// There is no Tor at all.
    pub(crate) fn cannot_start(&self, why: &str, pause: Duration) {
        let seconds = pause.as_secs();
        self.change(|facts| facts.starting = format!("Tor cannot be started: {why}; trying again in {seconds} s"));
    }

    /// Something that people should know: parts of what Tor keeps on disk were damaged, for example.
    pub(crate) fn notice(&self, remarks: &[String]) {
        if remarks.is_empty() {
            return;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall_ms = u64::try_from(now.as_millis()).unwrap_or_default();
        self.change(|facts| {
            facts.notices.extend(remarks.iter().map(|sentence| NetworkNotice { wall_ms, sentence: sentence.clone() }));
            let excess = facts.notices.len().saturating_sub(NOTICES);
            facts.notices.drain(..excess);
        });
    }

    fn service(&self, state: State, problem: Option<String>) {
        self.change(|facts| {
            facts.service = facts.service.after(state, problem);
            // It spoke with the network, by the client that dials.
            if state.is_fully_reachable() && !facts.apart {
                facts.trouble = None;
            }
        });
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock()
    }

    fn change(&self, change: impl FnOnce(&mut Facts)) {
        // Told under the lock, so that what is told last is what is true.
        let mut facts = self.facts();
        change(&mut facts);
        let new = facts.status();
        self.tell.send_if_modified(|old| {
            let changed = *old != new;
            *old = new;
            changed
        });
    }
}

impl Facts {
    fn status(&self) -> NetworkStatus {
        let sentence = match (self.up, &self.trouble, self.renewal) {
            (false, ..) => self.starting.clone(),
            (true, Some(why), false) => format!("no way into the Tor network: {why}; every dial tries again"),
            (true, Some(why), true) => {
                format!(
                    "no way into the Tor network: {why}; every dial tries again, and a new Tor client is being started"
                )
            }
            (true, None, false) => format!("connected to the Tor network; {}", self.service.words()),
            (true, None, true) => format!(
                "connected to the Tor network; {}; a new Tor client for dialling is being started",
                self.service.words()
            ),
        };
        NetworkStatus { usable: self.up, percent: self.percent, sentence, notices: self.notices.clone() }
    }
}

impl ServiceState {
    fn after(&self, state: State, problem: Option<String>) -> Self {
        match state {
            // "Unreachable" is arti's word when one directory of several has not taken the descriptor, or when only one
            // time period is known; measured, it is reachable in both cases.
            State::Running | State::DegradedReachable | State::DegradedUnreachable => Self::Published,
            // Said again for every upload: what is published stays so meanwhile.
            State::Bootstrapping if *self == Self::Published => Self::Published,
            State::Recovering => Self::Recovering,
            State::Broken => Self::Broken(problem),
            // The state before the launch is called so too.
            State::Shutdown if *self != Self::BeingPublished => Self::Ended,
            _ => Self::BeingPublished,
        }
    }

    fn words(&self) -> String {
        match self {
            Self::BeingPublished => "the onion service is being published".into(),
            Self::Published => "the onion service is published".into(),
            Self::Recovering => "the onion service looks for new introduction points".into(),
            Self::Broken(None) => "the onion service does not work".into(),
            Self::Broken(Some(why)) => format!("the onion service does not work: {why}"),
            Self::Ended => "the onion service has ended: the daemon must be started again".into(),
        }
    }
}

/// How a start ended that did not go on forever.
pub(crate) enum Given {
    /// Arti is going away.
    Ended,
    /// What it read from the disk is damaged, in its words.
    Damaged(String),
}

/// Bootstraps until it works, then only watches. Holds the service, which ends with the task.
pub(crate) async fn bootstrap(client: Client, service: Arc<RunningOnionService>, status: &Status) -> Given {
    let mut pause = FIRST_PAUSE;
    loop {
        let watching = watch_start(client.bootstrap_events(), status);
        let result = tokio::select! {
            biased;
            result = client.bootstrap() => result,
            () = watching => return Given::Ended,
        };
        match result {
            Ok(()) => break,
            // It reads the same file at every attempt.
            Err(error) if error.kind() == ErrorKind::CacheCorrupted => return Given::Damaged(report(&error)),
            Err(error) => {
                let why = report(&error);
                tracing::warn!("no way into the Tor network: {why}");
                status.failed(&why, pause);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
    tracing::info!("connected to the Tor network");
    status.up();
    let mut states = service.status_events();
    let mut last = None;
    while let Some(told) = states.next().await {
        let state = told.state();
        let problem = told.current_problem().map(|problem| tidy(&format!("{problem:?}")));
        if last != Some(state) {
            match (state, &problem) {
                (State::Broken, Some(why)) => tracing::warn!("the onion service does not work: {why}"),
                _ => tracing::debug!("onion service: {state:?}"),
            }
            last = Some(state);
        }
        status.service(state, problem);
    }
    // Kept for the life of the process, even if its status ends.
    std::future::pending().await
}

/// Tells how far a start is, for as long as it takes.
async fn watch_start(mut events: BootstrapEvents, status: &Status) {
    let mut last = BootstrapStatus::default();
    let mut grown = Instant::now();
    let mut stalled = false;
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(event) => {
                    if percent(&event) > percent(&last) {
                        (grown, stalled) = (Instant::now(), false);
                    }
                    last = event;
                }
                // Arti is going away, and the start with it.
                None => std::future::pending().await,
            },
            () = tokio::time::sleep_until(grown + STALLED), if !stalled => {
                stalled = true;
                tracing::warn!("the way into the Tor network makes no progress: {}", tidy(&last.to_string()));
            }
        }
        let why = match trouble::of_start(&last) {
            None if stalled => Some(without_progress(&last, trouble::no_network())),
            why => why,
        };
        status.progress(percent(&last), why);
    }
}

fn without_progress(status: &BootstrapStatus, cause: Option<&str>) -> String {
    let text = tidy(&status.to_string());
    // Arti puts the percentage first, which our sentence has already.
    let step = text.split_once("%: ").map_or(text.as_str(), |(_, step)| step);
    format!("without progress for {} s or more: {}", STALLED.as_secs(), cause.unwrap_or(step))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction of 0 to 1")]
fn percent(status: &BootstrapStatus) -> u8 {
    (status.as_frac().clamp(0.0, 1.0) * 100.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_told_in_words() {
        let status = Status::new();
        let seen = status.watch();
        let sentence = || seen.borrow().sentence.clone();
        assert_eq!(sentence(), "starting Tor");
        status.progress(40, None);
        assert_eq!((sentence().as_str(), seen.borrow().percent), ("connecting to the Tor network (40 %)", 40));
        status.progress(40, Some("stuck: offline".into()));
        assert_eq!(sentence(), "connecting to the Tor network (40 %), stuck: offline");
        status.failed("nobody answers", Duration::from_secs(8));
        assert_eq!(sentence(), "no way into the Tor network: nobody answers; trying again in 8 s");
        assert!(!seen.borrow().usable && !status.is_up());
        status.up();
        assert!(seen.borrow().usable && status.is_up());
        assert_eq!(sentence(), "connected to the Tor network; the onion service is being published");
    }

    #[test]
    fn what_arti_says_of_a_step_is_not_said_twice() {
        let text = without_progress(&BootstrapStatus::default(), None);
        assert!(text.starts_with("without progress for 20 s or more: ") && !text.contains("0%"), "{text}");
        let text = without_progress(&BootstrapStatus::default(), Some("no cable"));
        assert_eq!(text, "without progress for 20 s or more: no cable");
    }

    #[test]
    fn with_two_clients_dials_are_judged_by_the_newer_and_the_service_by_its_own() {
        let status = Status::new();
        status.up();
        status.service(State::Running, None);
        let seen = status.watch();
        let sentence = || seen.borrow().sentence.clone();
        status.dialled(Some("no guard answers".into()));
        status.renewal(true);
        let want = "no way into the Tor network: no guard answers; every dial tries again, and a new Tor client is being \
                    started";
        assert_eq!(sentence(), want);
        // Given up: nothing is said to be better than it is.
        status.renewal(false);
        assert_eq!(sentence(), "no way into the Tor network: no guard answers; every dial tries again");
        status.renewal(true);
        status.renewed();
        status.renewal(false);
        assert_eq!(sentence(), "connected to the Tor network; the onion service is published");
        status.service(State::Recovering, None);
        assert_eq!(sentence(), "connected to the Tor network; the onion service looks for new introduction points");
        status.dialled(Some("lost again".into()));
        status.service(State::Running, None);
        assert_eq!(sentence(), "no way into the Tor network: lost again; every dial tries again");
        assert!(seen.borrow().usable);
    }

    #[test]
    fn a_lost_network_is_told_and_dials_go_on() {
        let status = Status::new();
        status.up();
        status.service(State::Running, None);
        let seen = status.watch();
        status.dialled(Some("no guard answers".into()));
        assert_eq!(seen.borrow().sentence, "no way into the Tor network: no guard answers; every dial tries again");
        assert!(seen.borrow().usable, "without a dial nobody would notice that it is over");
        status.dialled(None);
        assert_eq!(seen.borrow().sentence, "connected to the Tor network; the onion service is published");
        status.dialled(Some("again".into()));
        status.service(State::Running, None);
        assert_eq!(seen.borrow().sentence, "connected to the Tor network; the onion service is published");
    }

    #[test]
    fn the_services_flapping_is_not_shown() {
        let mut service = ServiceState::default();
        let mut told = Vec::new();
        for state in [
            State::Shutdown,
            State::Bootstrapping,
            State::DegradedUnreachable,
            State::Bootstrapping,
            State::Running,
            State::Recovering,
            State::Bootstrapping,
            State::Running,
            State::Shutdown,
        ] {
            service = service.after(state, None);
            told.push(service.clone());
        }
        use ServiceState::{BeingPublished, Ended, Published, Recovering};
        let want = [
            BeingPublished,
            BeingPublished,
            Published,
            Published,
            Published,
            Recovering,
            BeingPublished,
            Published,
            Ended,
        ];
        assert_eq!(told, want);
    }

    #[test]
    fn nobody_is_woken_for_nothing() {
        let status = Status::new();
        status.up();
        let mut seen = status.watch();
        seen.mark_unchanged();
        status.dialled(None);
        assert!(!seen.has_changed().is_ok_and(|changed| changed));
        status.service(State::Running, None);
        assert!(seen.has_changed().is_ok_and(|changed| changed));
    }
}
