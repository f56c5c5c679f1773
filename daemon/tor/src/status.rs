//! How far Tor is, in words, and the start that never gives up.

use crate::Client;
use futures::StreamExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tor_hsservice::RunningOnionService;
use torchat_engine::transport::NetworkStatus;

/// First pause after the start failed; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Bootstraps until it works, then only watches. Holds the service, which ends with the task.
pub(crate) async fn bootstrap(client: Client, service: Arc<RunningOnionService>, tell: watch::Sender<NetworkStatus>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let mut events = client.bootstrap_events();
        let watching = async {
            while let Some(event) = events.next().await {
                let percent = percent(event.as_frac());
                let sentence = match event.blocked() {
                    Some(blockage) => format!("connecting to the Tor network ({percent} %), stuck: {blockage}"),
                    None => format!("connecting to the Tor network ({percent} %)"),
                };
                say(&tell, false, percent, sentence);
            }
            std::future::pending().await
        };
        let result = tokio::select! {
            biased;
            result = client.bootstrap() => result,
            () = watching => return,
        };
        match result {
            Ok(()) => break,
            Err(error) => {
                let why = report(&error);
                tracing::warn!("no way into the Tor network: {why}");
                let seconds = pause.as_secs();
                let sentence = format!("no way into the Tor network ({why}); trying again in {seconds} s");
                say(&tell, false, percent(client.bootstrap_status().as_frac()), sentence);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
    tracing::info!("connected to the Tor network");
    say(&tell, true, 100, "connected to the Tor network".into());
    // The service's own status word flaps while it is reachable, so it is shown at debug level only; whether we are
    // reachable is judged by dials.
    let mut states = service.status_events();
    let mut last = None;
    while let Some(status) = states.next().await {
        let state = status.state();
        if last != Some(state) {
            tracing::debug!("onion service: {state:?}");
            last = Some(state);
        }
    }
    // Kept for the life of the process, even if its status ends.
    std::future::pending::<()>().await;
}

fn say(tell: &watch::Sender<NetworkStatus>, usable: bool, percent: u8, sentence: String) {
    tell.send_if_modified(|status| {
        let new = NetworkStatus { usable, percent, sentence };
        let changed = *status != new;
        *status = new;
        changed
    });
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction of 0 to 1")]
fn percent(fraction: f32) -> u8 {
    (fraction.clamp(0.0, 1.0) * 100.0) as u8
}

/// An error with its causes (a plain Display hides arti's), without onion addresses: arti redacts them in its own texts,
/// and what looks like one all the same is cut out.
pub(crate) fn report(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let deeper = error.to_string();
        // Some errors repeat their cause's text in their own.
        if !text.contains(&deeper) {
            text.push_str(": ");
            text.push_str(&deeper);
        }
        cause = error.source();
    }
    scrub(&text)
}

fn scrub(text: &str) -> String {
    let looks_like_onion = |word: &str| word.contains(".onion") || word.len() >= 56;
    text.split(' ').map(|word| if looks_like_onion(word) { "[onion]" } else { word }).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_onion_passes() {
        let onion = "a".repeat(56);
        assert_eq!(scrub(&format!("cannot reach {onion}.onion: gone")), "cannot reach [onion] gone");
        assert_eq!(scrub(&format!("key {onion}")), "key [onion]");
        assert_eq!(scrub("nothing to hide"), "nothing to hide");
    }
}
