//! tmux, between this program and the terminal: whether the window is shown, and its buffers.
//!
//! Nothing here waits: tmux is asked by a thread, and its answer is an input. What is copied goes in by standard input, so no
//! other user of the machine can read it among the arguments.

use super::Wake;
use crate::screen::model::{Between, Input};
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::Sender;

/// What tmux says of a pane: the clients that show its window, whether one pane fills the window, and whether it is this one.
const SHOWN: &str = "#{window_active_clients} #{window_zoomed_flag} #{pane_active}";

/// What is between the terminal and this program.
pub(super) struct Multiplexer {
    pub(super) between: Between,
    tmux: Option<PathBuf>,
    pane: OsString,
}

impl Multiplexer {
    /// As the environment says it.
    pub(super) fn find(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let value = |name: &str| variable(name).filter(|value| !value.is_empty());
        let between = match (value("TMUX"), value("STY")) {
            (Some(_), _) => Between::Tmux,
            (None, Some(_)) => Between::Other,
            (None, None) => Between::Nothing,
        };
        let path = value("PATH").filter(|_| between == Between::Tmux).unwrap_or_default();
        let tmux = crate::daemon::in_path(&path, "tmux");
        Self { between, tmux, pane: value("TMUX_PANE").unwrap_or_default() }
    }

    /// Asks whether the window is shown; the answer is [`Input::Looked`].
    pub(super) fn look(&self, wakes: &Sender<Wake>) {
        let command = self.tmux.as_ref().filter(|_| !self.pane.is_empty()).map(|tmux| {
            let mut command = Command::new(tmux);
            command.args(["display-message", "-p", "-t"]).arg(&self.pane).arg(SHOWN);
            command.stdin(Stdio::null()).stderr(Stdio::null());
            command
        });
        let wakes = wakes.clone();
        std::thread::spawn(move || {
            let said = command.and_then(|mut command| command.output().ok());
            let shown = said.and_then(|said| is_shown(&String::from_utf8_lossy(&said.stdout)));
            let _ = wakes.send(Input::Looked(shown).into());
        });
    }

    /// Puts a text into tmux's buffers, and by tmux into the terminal's clipboard, if tmux may do that. False: there is no tmux.
    /// [`Input::Copied`] tells that it is there; what tmux does not take comes back as [`Wake::NotCopied`].
    pub(super) fn copy(&self, text: &str, wakes: &Sender<Wake>) -> bool {
        let Some(tmux) = self.tmux.clone() else { return false };
        let (text, wakes) = (text.to_owned(), wakes.clone());
        std::thread::spawn(move || {
            // Before 3.2 there was no `-w`, which sets the clipboard, too.
            let copied = [&["load-buffer", "-w", "-"][..], &["load-buffer", "-"]]
                .into_iter()
                .any(|arguments| fed(&tmux, arguments, text.as_bytes()).unwrap_or(false));
            let wake = if copied { Input::Copied(true).into() } else { Wake::NotCopied(text) };
            let _ = wakes.send(wake);
        });
        true
    }
}

/// Whether a program took this on its standard input.
fn fed(program: &std::path::Path, arguments: &[&str], bytes: &[u8]) -> std::io::Result<bool> {
    let mut command = Command::new(program);
    command.args(arguments.iter().map(OsStr::new)).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(bytes));
    Ok(child.wait()?.success() && written.is_ok())
}

/// What [`SHOWN`] means; `None`: a tmux that does not know these words.
fn is_shown(said: &str) -> Option<bool> {
    let numbers: Vec<u32> = said.split_whitespace().map(|word| word.parse().ok()).collect::<Option<_>>()?;
    let &[clients, zoomed, active] = numbers.as_slice() else { return None };
    Some(clients > 0 && (zoomed == 0 || active == 1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    fn found(pairs: &[(&str, &str)]) -> Multiplexer {
        Multiplexer::find(|wanted| {
            pairs.iter().find(|(name, _)| *name == wanted).map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn the_environment_says_what_is_between() {
        assert_eq!(found(&[]).between, Between::Nothing);
        assert_eq!(found(&[("TMUX", "")]).between, Between::Nothing);
        assert_eq!(found(&[("TMUX", "/tmp/x,1,0")]).between, Between::Tmux);
        assert_eq!(found(&[("STY", "1.pts-0")]).between, Between::Other);
        // Not one that lies where we happen to stand.
        assert_eq!(found(&[("TMUX", "x"), ("PATH", ".:bin:")]).tmux, None);
    }

    #[test]
    fn a_window_is_shown_if_a_client_shows_it_and_no_other_pane_fills_it() {
        let all = [("1 0 1", Some(true)), ("2 0 0", Some(true)), ("0 0 1", Some(false)), ("1 1 0", Some(false))];
        for (said, shown) in all.into_iter().chain([("1 1 1\n", Some(true)), ("", None), (" 0 1", None)]) {
            assert_eq!(is_shown(said), shown, "{said:?}");
        }
    }

    #[test]
    fn what_is_copied_is_fed_and_not_an_argument() {
        let dir = tempfile::tempdir().unwrap();
        let script = |text: &str| {
            torchat_testkit::programs::script(&dir.path().join("tmux"), &format!("#!/bin/sh\n{text}\n")).unwrap();
        };
        let there = dir.path().join("buffer");
        let path = format!("{}:/bin:/usr/bin", dir.path().display());
        let (wakes, inbox) = channel();
        let copy = || {
            assert!(found(&[("TMUX", "x"), ("PATH", &path)]).copy("a secret", &wakes));
            inbox.recv_timeout(Duration::from_secs(60)).unwrap()
        };
        // An old one.
        script(&format!("[ \"$*\" = 'load-buffer -' ] || exit 1; /bin/cat > {}", there.display()));
        assert!(matches!(copy(), Wake::Input(input) if matches!(*input, Input::Copied(true))));
        assert_eq!(std::fs::read_to_string(&there).unwrap(), "a secret");
        script("exit 1");
        assert!(matches!(copy(), Wake::NotCopied(text) if text == "a secret"));
        assert!(!found(&[("PATH", &path)]).copy("a secret", &wakes));
    }
}
