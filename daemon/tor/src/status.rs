//! How far Tor is, in words, and the start that never gives up.

use crate::Client;
use crate::report::{report, tidy};
use crate::trouble::{self, Cause};
use arti_client::status::{BootstrapEvents, BootstrapStatus};
use arti_client::{ErrorKind, HasKind as _};
use futures::StreamExt as _;
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use tor_hsservice::RunningOnionService;
use tor_hsservice::status::State;
use torchat_protocol::control::reason::NetworkCause;
use torchat_transport::{NetworkDown, NetworkNotice, NetworkStatus};

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
/// Once the start has succeeded, `usable` stays true: arti never takes back that it was connected, and a daemon that
/// stopped dialling because of a failure would learn late that it is over. Whether the network carries us is another
/// matter: a dial or a look of our own ([`crate::pulse`]) that found no way in says `down`, until another one gets through.
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
    /// Why it is not up, apart from those words.
    start_cause: Option<NetworkCause>,
    /// Arti's own words on why it is not up.
    start_detail: Option<String>,
    /// The service, after the start.
    service: ServiceState,
    /// Why the last dial, or our own look, found no way into the network.
    trouble: Option<Cause>,
    /// Since when it does not carry us: milliseconds since 1970, and the moment.
    down: Option<(u64, Instant)>,
    /// A new client for dialling is being started.
    renewal: bool,
    /// What people should know, the youngest last.
    notices: Vec<NetworkNotice>,
}

/// What can be said of the service. Whether others reach it is judged by dials; arti's word flaps while it works.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum ServiceState {
    #[default]
    BeingPublished,
    Published,
    Recovering,
    Broken,
    Ended,
}

impl Status {
    pub(crate) fn new() -> Arc<Self> {
        let down = Some((wall_ms(), Instant::now()));
        let facts = Facts { starting: "starting Tor".into(), down, ..Facts::default() };
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

    /// A dial, or our own look, found no way into the network (the reason), or it got an answer from it (`None`), be it a
    /// refusal.
    pub(crate) fn dialled(&self, trouble: Option<Cause>) {
        self.change(|facts| facts.trouble = trouble);
    }

    /// Whether the last dial or look found no way into the network.
    pub(crate) fn in_trouble(&self) -> bool {
        self.facts().trouble.is_some()
    }

    /// A new client for dialling is being started, or that is over.
    pub(crate) fn renewal(&self, runs: bool) {
        self.change(|facts| facts.renewal = runs);
    }

    /// Dials go by a new client from now on. It spoke with the network a moment ago.
    pub(crate) fn renewed(&self) {
        self.change(|facts| facts.trouble = None);
    }

    fn progress(&self, percent: u8, why: Option<Cause>) {
        self.change(|facts| {
            facts.percent = percent;
            facts.start_cause = why.as_ref().and_then(|why| why.code);
            facts.start_detail = None;
            facts.starting = match why {
                Some(why) => format!("connecting to the Tor network ({percent} %), {}", why.short),
                None => format!("connecting to the Tor network ({percent} %)"),
            };
        });
    }

    fn failed(&self, cause: Cause, pause: Duration) {
        let seconds = pause.as_secs();
        self.change(|facts| {
            facts.starting = format!("no way into the Tor network: {}; trying again in {seconds} s", cause.short);
            facts.start_cause = cause.code;
            facts.start_detail = cause.detail;
        });
    }

    fn up(&self) {
        self.change(|facts| (facts.up, facts.percent) = (true, 100));
    }

    /// There is no Tor at all.
    pub(crate) fn cannot_start(&self, why: &str, pause: Duration) {
        let seconds = pause.as_secs();
        self.change(|facts| {
            facts.start_cause = None;
            facts.start_detail = None;
            facts.starting = format!("Tor cannot be started: {why}; trying again in {seconds} s");
        });
    }

    /// Something that people should know: parts of what Tor keeps on disk were damaged, for example.
    pub(crate) fn notice(&self, remarks: &[String]) {
        if remarks.is_empty() {
            return;
        }
        let wall_ms = wall_ms();
        self.change(|facts| {
            facts.notices.extend(remarks.iter().map(|sentence| NetworkNotice { wall_ms, sentence: sentence.clone() }));
            let excess = facts.notices.len().saturating_sub(NOTICES);
            facts.notices.drain(..excess);
        });
    }

    /// What arti says of the service. It says nothing of the network: measured, it calls a service running that nobody
    /// reaches.
    fn service(&self, state: State) {
        self.change(|facts| facts.service = facts.service.after(state));
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock()
    }

    fn change(&self, change: impl FnOnce(&mut Facts)) {
        // Told under the lock, so that what is told last is what is true.
        let mut facts = self.facts();
        change(&mut facts);
        facts.note_down();
        let new = facts.status();
        self.tell.send_if_modified(|old| {
            let changed = *old != new;
            *old = new;
            changed
        });
    }
}

/// Milliseconds since 1970.
fn wall_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or_default()
}

impl Facts {
    /// Since when it does not work, and a line in the log when that begins or ends after the start.
    fn note_down(&mut self) {
        match (self.works(), self.down) {
            (true, Some((_, since))) => {
                tracing::info!("the Tor network works again, after {} s", since.elapsed().as_secs());
                self.down = None;
            }
            (false, None) => {
                if let Some(cause) = &self.trouble {
                    tracing::warn!("no way into the Tor network: {}", cause.whole());
                }
                self.down = Some((wall_ms(), Instant::now()));
            }
            (true, None) | (false, Some(_)) => {}
        }
    }

    fn works(&self) -> bool {
        self.up && self.trouble.is_none()
    }

    /// Arti's own words on what does not work.
    fn detail(&self) -> Option<String> {
        match (self.up, &self.trouble) {
            (false, _) => self.start_detail.clone(),
            (true, Some(cause)) => cause.detail.clone(),
            (true, None) => None,
        }
    }

    /// What the user can mend of it.
    fn cause(&self) -> Option<NetworkCause> {
        if self.up { self.trouble.as_ref().and_then(|cause| cause.code) } else { self.start_cause }
    }

    fn status(&self) -> NetworkStatus {
        let sentence = match (self.up, &self.trouble, self.renewal) {
            (false, ..) => self.starting.clone(),
            (true, Some(Cause { short, .. }), false) => {
                format!("no way into the Tor network: {short}; torchatd keeps trying")
            }
            (true, Some(Cause { short, .. }), true) => {
                format!("no way into the Tor network: {short}; torchatd is starting a new Tor client")
            }
            (true, None, false) => format!("connected to the Tor network; {}", self.service.words()),
            (true, None, true) => format!(
                "connected to the Tor network; {}; a new Tor client for dialling is being started",
                self.service.words()
            ),
        };
        let (cause, detail) = (self.cause(), self.detail());
        let down = self.down.map(|(wall_ms, since)| NetworkDown { wall_ms, since, cause, detail });
        NetworkStatus { usable: self.up, percent: self.percent, sentence, down, notices: self.notices.clone() }
    }
}

impl ServiceState {
    fn after(self, state: State) -> Self {
        match state {
            // "Unreachable" is arti's word when one directory of several has not taken the descriptor, or when only one
            // time period is known; measured, it is reachable in both cases.
            State::Running | State::DegradedReachable | State::DegradedUnreachable => Self::Published,
            // Said again for every upload: what is published stays so meanwhile.
            State::Bootstrapping if self == Self::Published => Self::Published,
            State::Recovering => Self::Recovering,
            State::Broken => Self::Broken,
            // The state before the launch is called so too.
            State::Shutdown if self != Self::BeingPublished => Self::Ended,
            _ => Self::BeingPublished,
        }
    }

    fn words(&self) -> &'static str {
        match self {
            Self::BeingPublished => "the onion service is being published",
            Self::Published => "the onion service is published",
            Self::Recovering => "the onion service is looking for new introduction points",
            Self::Broken => "the onion service does not work; error.log may say why",
            Self::Ended => "the onion service has ended: restart the daemon",
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
                let cause = Cause::of(&error, &client.bootstrap_status());
                tracing::warn!("no way into the Tor network: {}", cause.whole());
                status.failed(cause, pause);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
    status.up();
    let mut states = service.status_events();
    let mut last = None;
    while let Some(told) = states.next().await {
        let state = told.state();
        if last != Some(state) {
            match (state, told.current_problem()) {
                (State::Broken, Some(problem)) => {
                    tracing::warn!("the onion service does not work: {}", tidy(&format!("{problem:?}")));
                }
                _ => tracing::debug!("onion service: {state:?}"),
            }
            last = Some(state);
        }
        status.service(state);
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
            () = tokio::time::sleep_until((grown + STALLED).into()), if !stalled => {
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

fn without_progress(status: &BootstrapStatus, cause: Option<Cause>) -> Cause {
    let text = tidy(&status.to_string());
    // Arti puts the percentage first, which our sentence has already.
    let step = text.split_once("%: ").map_or(text.as_str(), |(_, step)| step);
    let cause = cause.unwrap_or_else(|| Cause::plain(step));
    let short = format!("without progress for {} s or more: {}", STALLED.as_secs(), cause.short);
    Cause { short, ..cause }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction of 0 to 1")]
fn percent(status: &BootstrapStatus) -> u8 {
    (status.as_frac().clamp(0.0, 1.0) * 100.0) as u8
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn cause() -> Cause {
        Cause { detail: Some("tor: a: b: c".into()), ..Cause::plain("nobody answers") }
    }

    #[test]
    fn how_long_it_is_away_counts_from_the_first_failure_and_arti_s_words_are_apart() {
        let status = Status::new();
        let seen = status.watch();
        assert!(seen.borrow().down.is_some() && !seen.borrow().works(), "not started yet");
        status.up();
        assert!(seen.borrow().down.is_none() && seen.borrow().works());
        status.dialled(Some(cause()));
        let first = seen.borrow().down.clone().unwrap();
        assert_eq!(first.detail, cause().detail);
        assert!(!seen.borrow().sentence.contains("a: b"), "{:?}", seen.borrow());
        status.dialled(Some(Cause::plain("still nobody")));
        let still = seen.borrow().down.clone().unwrap();
        assert_eq!((still.wall_ms, still.since, still.detail), (first.wall_ms, first.since, None));
        status.dialled(None);
        assert!(seen.borrow().works());
    }

    #[test]
    fn the_start_is_told_in_words() {
        let status = Status::new();
        let seen = status.watch();
        let sentence = || seen.borrow().sentence.clone();
        assert_eq!(sentence(), "starting Tor");
        status.progress(40, None);
        assert_eq!((sentence().as_str(), seen.borrow().percent), ("connecting to the Tor network (40 %)", 40));
        status.progress(40, Some(Cause::plain("stuck: offline")));
        assert_eq!(sentence(), "connecting to the Tor network (40 %), stuck: offline");
        status.failed(cause(), Duration::from_secs(8));
        assert_eq!(sentence(), "no way into the Tor network: nobody answers; trying again in 8 s");
        assert_eq!(seen.borrow().down.as_ref().and_then(|down| down.detail.clone()), cause().detail);
        assert!(!seen.borrow().usable && !status.is_up());
        status.up();
        assert!(seen.borrow().usable && status.is_up());
        assert_eq!(sentence(), "connected to the Tor network; the onion service is being published");
    }

    #[test]
    fn what_the_user_can_mend_is_told_as_a_code_for_as_long_as_it_is_so() {
        let status = Status::new();
        let seen = status.watch();
        let cause = || seen.borrow().down.as_ref().and_then(|down| down.cause);
        let clock = || Cause { code: Some(NetworkCause::Clock), ..Cause::plain("any words") };
        status.progress(10, Some(clock()));
        assert_eq!(cause(), Some(NetworkCause::Clock));
        status.progress(11, None);
        assert_eq!(cause(), None);
        status.failed(clock(), Duration::from_secs(8));
        assert_eq!(cause(), Some(NetworkCause::Clock));
        status.up();
        assert_eq!(cause(), None);
        status.dialled(Some(clock()));
        assert_eq!(cause(), Some(NetworkCause::Clock));
        status.dialled(None);
        assert_eq!(cause(), None);
    }

    #[test]
    fn what_arti_says_of_a_step_is_not_said_twice() {
        let text = without_progress(&BootstrapStatus::default(), None).short;
        assert!(text.starts_with("without progress for 20 s or more: ") && !text.contains("0%"), "{text}");
        let text = without_progress(&BootstrapStatus::default(), Some(Cause::plain("no cable"))).short;
        assert_eq!(text, "without progress for 20 s or more: no cable");
    }

    #[test]
    fn with_two_clients_dials_are_judged_by_the_newer_and_the_service_by_its_own() {
        let status = Status::new();
        status.up();
        status.service(State::Running);
        let seen = status.watch();
        let sentence = || seen.borrow().sentence.clone();
        status.dialled(Some(Cause::plain("no guard answers")));
        status.renewal(true);
        let want = "no way into the Tor network: no guard answers; torchatd is starting a new Tor client";
        assert_eq!(sentence(), want);
        // Given up: nothing is said to be better than it is.
        status.renewal(false);
        assert_eq!(sentence(), "no way into the Tor network: no guard answers; torchatd keeps trying");
        status.renewal(true);
        status.renewed();
        status.renewal(false);
        assert_eq!(sentence(), "connected to the Tor network; the onion service is published");
        status.service(State::Recovering);
        assert_eq!(
            sentence(),
            "connected to the Tor network; the onion service is looking for new introduction points"
        );
        status.dialled(Some(Cause::plain("lost again")));
        status.service(State::Running);
        assert_eq!(sentence(), "no way into the Tor network: lost again; torchatd keeps trying");
        assert!(seen.borrow().usable);
    }

    #[test]
    fn a_lost_network_is_told_and_dials_go_on() {
        let status = Status::new();
        status.up();
        status.service(State::Running);
        let seen = status.watch();
        status.dialled(Some(Cause::plain("no guard answers")));
        assert_eq!(seen.borrow().sentence, "no way into the Tor network: no guard answers; torchatd keeps trying");
        assert!(seen.borrow().usable && !seen.borrow().works(), "dials go on, and nobody calls it well");
        status.dialled(None);
        assert_eq!(seen.borrow().sentence, "connected to the Tor network; the onion service is published");
        status.dialled(Some(Cause::plain("again")));
        status.service(State::Running);
        assert!(!seen.borrow().works(), "arti's word for its service is no evidence");
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
            service = service.after(state);
            told.push(service);
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
        status.service(State::Running);
        assert!(seen.has_changed().is_ok_and(|changed| changed));
    }
}
