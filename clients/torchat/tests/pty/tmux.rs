//! The client in a real tmux with a configuration of nobody's: what it reads and when it rings, its buffers, what is pasted,
//! another size, and flags.

use super::TORCHAT;
use super::people::{Friend, nobody};
use super::pty::{self, Home, Screen};
use std::path::{Path, PathBuf};
use std::process::Command;
use torchat_client::api::record::MessageState;
use torchat_client::api::{Address, Connection, command};
use torchat_testkit::daemon::eventually;
use torchat_testkit::skipped;

/// Somebody in a window of tmux; the server ends with it.
struct Tmux {
    program: PathBuf,
    socket: PathBuf,
    screen: Screen,
}

impl Tmux {
    /// Starts torchat in the first window. `None`, said under the test's name: there is no tmux here.
    fn start(test: &str, home: &Home, configuration: &str) -> Option<Self> {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let program = std::env::split_paths(&folders).map(|folder| folder.join("tmux")).find(|path| path.is_file());
        let Some(program) = program else {
            skipped::skipped(test, skipped::NO_TMUX);
            return None;
        };
        // Its own: neither the user's configuration nor their server.
        let (socket, file) = (home.dir().join("tmux.sock"), home.dir().join("tmux.conf"));
        std::fs::write(&file, configuration).unwrap();
        let mut command = torchat_testkit::pty::at_home(home.dir(), &program);
        command.arg("-f").arg(&file).arg("-S").arg(&socket).args(["new-session", TORCHAT]);
        let screen = Screen::start(command, (80, 24));
        Some(Self { program, socket, screen })
    }

    /// Runs a command of tmux; returns what it says.
    #[track_caller]
    fn ask(&self, arguments: &[&str]) -> String {
        let output = Command::new(&self.program).arg("-S").arg(&self.socket).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The rows of the client's window, as tmux holds them.
    fn rows(&self) -> Vec<String> {
        self.ask(&["capture-pane", "-p", "-t", ":0"]).lines().map(str::to_owned).collect()
    }

    #[track_caller]
    fn until(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let found = eventually(what, pty::PATIENCE, || Ok(is_so(self).then_some(())));
        assert!(found.is_ok(), "{what}: {found:?}\n{}", self.rows().join("\n"));
    }

    /// Waits for a text in the client's window, whichever window is shown.
    #[track_caller]
    fn see(&self, text: &str) {
        self.until(text, |tmux| tmux.rows().iter().any(|row| row.contains(text)));
    }

    /// Whether the client's window wants to be looked at.
    fn is_rung(&self) -> bool {
        self.ask(&["display-message", "-p", "-t", ":0", "#{window_bell_flag}"]).trim() == "1"
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = Command::new(&self.program).arg("-S").arg(&self.socket).arg("kill-server").output();
    }
}

/// Ann in tmux, with a friend whose conversation is open; and Ann's onion.
fn ann(test: &str, dir: &Path, seed: u8, configuration: &str) -> Option<(Home, Friend, Tmux, String)> {
    let mut home = Home::new(dir, "ann", seed);
    home.daemon.start().unwrap();
    let mut tmux = Tmux::start(test, &home, configuration)?;
    let friend = Friend::new(dir, seed + 1);
    let onion = home.daemon.client().unwrap().host().unwrap();
    tmux.see("Welcome to torchat");
    tmux.screen.keys(&format!("/add {}\r", friend.onion.0.onion()));
    tmux.see("is a contact");
    tmux.screen.keys("/rename friend\r");
    tmux.see("is called friend");
    Some((home, friend, tmux, onion))
}

/// How Ann's daemon holds the friend's newest message with this text.
fn state(ann: &Home, friend: &Friend, text: &str) -> Option<MessageState> {
    let connection = Connection::open(&Address::tcp(ann.daemon.port().unwrap())).unwrap();
    let peer = friend.onion.conversation();
    let page =
        connection.call(&command::History { peer, before: None, after: None, limit: Some(20), hidden: false }).unwrap();
    page.messages.iter().rev().find(|message| message.text == text).map(|message| message.state)
}

#[test]
fn in_a_stock_tmux_a_hidden_window_reads_nothing_and_rings() {
    let dir = tempfile::tempdir().unwrap();
    let test = "in_a_stock_tmux_a_hidden_window_reads_nothing_and_rings";
    let Some((home, friend, mut tmux, onion)) = ann(test, dir.path(), 50, "") else { return };
    tmux.screen.keys("/notify bell\r");
    tmux.see("notifications: bell");
    // On the screen it is read, and nothing rings.
    friend.says(&onion, "while you look");
    tmux.until("read", |_| state(&home, &friend, "while you look") == Some(MessageState::Read));
    assert!(!tmux.is_rung());
    // A key came a moment ago; it proves nothing of a window that was left since.
    tmux.ask(&["new-window", "cat"]);
    friend.says(&onion, "while you are away");
    tmux.until("the bell", Tmux::is_rung);
    tmux.see("while you are away");
    assert_eq!(state(&home, &friend, "while you are away"), Some(MessageState::Unread));
    // Back, and a key.
    tmux.ask(&["select-window", "-t", ":0"]);
    tmux.screen.keys("x");
    // First what goes by itself after some seconds.
    tmux.see("focus-events on");
    tmux.until("read", |_| state(&home, &friend, "while you are away") == Some(MessageState::Read));
}

#[test]
fn with_focus_events_tmux_is_believed_without_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let test = "with_focus_events_tmux_is_believed_without_a_key";
    let Some((home, friend, mut tmux, onion)) = ann(test, dir.path(), 53, "set -g focus-events on\n") else { return };
    tmux.screen.keys("/notify bell\r");
    tmux.see("notifications: bell");
    tmux.ask(&["new-window", "cat"]);
    friend.says(&onion, "psst");
    tmux.until("the bell", Tmux::is_rung);
    // The bell may be that of the friend's acceptance, before the message is there.
    tmux.until("unread", |_| state(&home, &friend, "psst") == Some(MessageState::Unread));
    tmux.ask(&["select-window", "-t", ":0"]);
    tmux.until("read", |_| state(&home, &friend, "psst") == Some(MessageState::Read));
}

#[test]
fn copies_reach_tmux_and_an_invite_is_taken_as_it_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let test = "copies_reach_tmux_and_an_invite_is_taken_as_it_is_shown";
    let Some((_home, _friend, mut tmux, onion)) = ann(test, dir.path(), 56, "") else { return };
    tmux.screen.keys("/copy\r");
    tmux.see("your onion is in tmux's buffer");
    assert_eq!(tmux.ask(&["show-buffer"]), onion);
    // The rows of somebody's first page, with the code beside them.
    let mut other = Home::new(dir.path(), "other", 58);
    other.daemon.start().unwrap();
    let first = other.screen(Path::new(TORCHAT), (80, 24));
    first.see("torchat contacts invite");
    let rows = first.wait("the invite", |screen| {
        let rows: Vec<String> = screen.rows(0, 80).skip_while(|row| !row.contains("torchat:")).take(3).collect();
        (rows.len() == 3).then(|| rows.join("\n"))
    });
    tmux.screen.keys("/add ");
    tmux.ask(&["set-buffer", &rows]);
    tmux.ask(&["paste-buffer", "-p", "-t", ":0"]);
    tmux.until("the whole of it", |tmux| tmux.rows().iter().any(|row| row.contains("?i=")));
    tmux.screen.keys("\r");
    let theirs = other.daemon.client().unwrap().host().unwrap();
    let shown = format!("{}..", &theirs[..4]);
    tmux.until("the contact", |tmux| tmux.rows().iter().any(|row| row.contains(&shown)));
    // The other one is told who came.
    first.see("came with your invite");
}

#[test]
fn another_size_and_flags_leave_no_traces() {
    let dir = tempfile::tempdir().unwrap();
    let test = "another_size_and_flags_leave_no_traces";
    let Some((_home, _friend, mut tmux, _)) = ann(test, dir.path(), 60, "") else { return };
    let is_letter = |c: char| ('\u{1f1e6}'..='\u{1f1ff}').contains(&c);
    let flagged = |tmux: &Tmux| tmux.rows().iter().any(|row| row.contains(is_letter));
    tmux.screen.keys("flags: 🇩🇪 🇫🇷 👩‍👧 end");
    tmux.see("end");
    assert!(flagged(&tmux));
    tmux.screen.keys("\x15");
    tmux.until("an empty input", |tmux| tmux.rows().iter().any(|row| row.ends_with("│>")));
    assert!(!flagged(&tmux), "{}", tmux.rows().join("\n"));
    // One that was sent is not in the pages that come after it.
    tmux.screen.keys("to 🇪🇸 and back\r");
    tmux.until("it is sent", |tmux| tmux.rows().iter().any(|row| row.ends_with("│>")) && flagged(tmux));
    tmux.screen.keys("/help\r");
    tmux.see("any other key closes");
    assert!(!flagged(&tmux), "{}", tmux.rows().join("\n"));
    tmux.screen.keys("\x1b");
    tmux.until("the conversation", |tmux| flagged(tmux));
    // Another size: the last line is the last row again.
    for size in [(100, 30), (40, 12), (80, 24)] {
        tmux.screen.resize(size);
        tmux.until("the whole window", |tmux| {
            let rows = tmux.rows();
            // One row is tmux's own.
            rows.len() == usize::from(size.1) - 1 && rows.last().is_some_and(|row| row.starts_with("? keys"))
        });
    }
    let nobody = nobody().0.onion();
    tmux.screen.keys(&format!("/add {nobody}\r"));
    tmux.see("is a contact");
}
