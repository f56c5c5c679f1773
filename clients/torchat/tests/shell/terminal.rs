//! torchat at a terminal, which `script` (util-linux) makes: there is no safe way to make one here.

use super::support::House;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Longer than anything here takes on a busy machine; reached only when a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command at its terminal. It is killed when dropped.
pub(crate) struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: Receiver<Vec<u8>>,
    shown: Vec<u8>,
    /// Up to here the screen was looked at.
    seen: usize,
}

impl Terminal {
    /// Runs a command; `None`, loudly, if there is no `script`.
    pub(crate) fn run(house: &House, words: &[&str]) -> Option<Self> {
        // For a shell: nothing of ours has a quote in it.
        let command: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        let child = house
            .command("script")
            .args(["--quiet", "--return", "--command", &command.join(" "), "/dev/null"])
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut child) = child else {
            eprintln!("SKIPPED: there is no `script` to make a terminal");
            return None;
        };
        let (keys, mut out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, screen) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = out.read(&mut bytes) {
                if sender.send(bytes[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Some(Self { child, keys, screen, shown: Vec::new(), seen: 0 })
    }

    /// Waits for a question and types the answer.
    pub(crate) fn answer(&mut self, question: &str, keys: &str) {
        while !self.sees(question) {
            assert!(self.look(), "no {question:?} in {:?}", self.shown());
        }
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits for the end and returns its status; `says` must be on the screen.
    pub(crate) fn end(&mut self, says: &str) -> i32 {
        while self.look() {}
        assert!(self.sees(says), "no {says:?} in {:?}", self.shown());
        self.child.wait().unwrap().code().unwrap()
    }

    /// Everything that was on the screen.
    pub(crate) fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown).into_owned()
    }

    /// Whether this came since the last time, which ends with it.
    fn sees(&mut self, text: &str) -> bool {
        let at = self.shown[self.seen..].windows(text.len()).position(|window| window == text.as_bytes());
        self.seen += at.map_or(0, |at| at + text.len());
        at.is_some()
    }

    /// Waits for more on the screen; `false` at its end.
    fn look(&mut self) -> bool {
        use std::sync::mpsc::RecvTimeoutError::{Disconnected, Timeout};
        match self.screen.recv_timeout(PATIENCE) {
            Ok(more) => {
                self.shown.extend(more);
                true
            }
            Err(Disconnected) => false,
            Err(Timeout) => panic!("nothing comes after {:?}", self.shown()),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
