//! Notifications on the desktop, by its own program `notify-send`.

use super::Wake;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

/// The desktop, if the user sits before it.
pub(super) struct Desktop {
    program: Option<PathBuf>,
    busy: Arc<AtomicBool>,
}

impl Desktop {
    /// Over ssh, and without a desktop, there is none: then the terminal is asked, which is where the user is.
    pub(super) fn find(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
        let here = ["DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS"].into_iter().any(is_set)
            && !["SSH_CONNECTION", "SSH_TTY"].into_iter().any(is_set);
        let path = variable("PATH").filter(|_| here).unwrap_or_default();
        let program = crate::daemon::in_path(&path, "notify-send");
        Self { program, busy: Arc::default() }
    }

    /// Shows it. False: there is no desktop. What cannot be shown comes back as [`Wake::NotShown`].
    pub(super) fn show(&self, text: &str, wakes: &Sender<Wake>) -> bool {
        let Some(program) = &self.program else { return false };
        // One at a time: a desktop that hangs must not gather processes.
        if self.busy.swap(true, Ordering::SeqCst) {
            return true;
        }
        let mut command = Command::new(program);
        command.args(arguments(text)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let (busy, wakes, text) = (self.busy.clone(), wakes.clone(), text.to_owned());
        std::thread::spawn(move || {
            let shown = command.status().is_ok_and(|status| status.success());
            busy.store(false, Ordering::SeqCst);
            if !shown {
                let _ = wakes.send(Wake::NotShown(text));
            }
        });
        true
    }
}

/// The command line. No text of a peer is an option, because `--` stands before it; none is the title, and none is markup or
/// an escape of C, both of which the program knows in the body.
pub(in crate::screen) fn arguments(text: &str) -> [String; 4] {
    let body = super::terminal::told(text).replace('\\', "\\\\");
    let body = body.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    ["--app-name=torchat".into(), "--".into(), "torchat".into(), body]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_peer_writes_no_option_no_markup_and_no_escape() {
        let [name, end, title, body] = arguments("--icon=x <a href=\"x\">&amp;</a> \\x1b \x1b]0;x\x07 \u{202e}");
        assert_eq!((name.as_str(), end.as_str(), title.as_str()), ("--app-name=torchat", "--", "torchat"));
        assert_eq!(body, "--icon=x &lt;a href=\"x\"&gt;&amp;amp;&lt;/a&gt; \\\\x1b \\\\u{1b}]0;x\\\\u{7} \\\\u{202e}");
    }

    #[test]
    fn it_is_the_users_own_desktop_or_none() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("notify-send");
        std::fs::write(&program, "#!/bin/sh\n").unwrap();
        let path = dir.path().to_str().unwrap();
        let found = |pairs: &[(&str, &str)]| {
            let desktop = Desktop::find(|wanted| {
                pairs.iter().find(|(name, _)| *name == wanted).map(|(_, value)| OsString::from(value))
            });
            desktop.program
        };
        assert_eq!(found(&[("PATH", path), ("DISPLAY", ":0")]), None, "it cannot be run");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(found(&[("PATH", path), ("DISPLAY", ":0")]), Some(program));
        assert_eq!(found(&[("PATH", path)]), None);
        assert_eq!(found(&[("PATH", path), ("DISPLAY", ":0"), ("SSH_TTY", "/dev/pts/1")]), None);
        assert_eq!(found(&[("PATH", ".:bin"), ("DISPLAY", ":0")]), None);
    }
}
