//! Two people with nothing but the client, each with a real `torchatd` that the client starts for them, on a private Tor network:
//! `cargo xtask test` starts the network and says where it is.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use torchat_testkit::daemon::eventually;
use torchat_testkit::pty::Screen;

const TORCHAT: &str = env!("CARGO_BIN_EXE_torchat");
/// Of everything that Tor does. An old introduction point alone can hold a dial for 40 s.
const PATIENCE: Duration = Duration::from_secs(180);

/// Somebody's directory. A daemon that is left in it is killed when this is dropped.
struct Person(PathBuf);

impl Person {
    fn new(dir: &Path, name: &str) -> Self {
        let home = dir.join(name);
        let config = home.join("config/torchatd");
        std::fs::create_dir_all(&config).unwrap();
        std::fs::create_dir_all(home.join("data")).unwrap();
        let network = std::env::var_os("TORCHAT_TORNET");
        let network = network.expect("this test needs a private Tor network: run `cargo xtask test`");
        std::fs::copy(network, config.join("torchatd.toml")).unwrap();
        Self(home)
    }

    /// The client, which finds no daemon and is told to start one.
    fn start(&self, size: (u16, u16)) -> Screen {
        let mut screen = self.client(size);
        screen.see("No torchatd runs. Start one?");
        screen.keys("y");
        screen
    }

    fn client(&self, size: (u16, u16)) -> Screen {
        Screen::at_home(&self.0, Path::new(TORCHAT), size, PATIENCE)
    }

    /// As the shell prints it.
    fn onion(&self) -> String {
        let mut command = Command::new(TORCHAT);
        let output = command.arg("host").env("XDG_DATA_HOME", self.0.join("data")).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Waits for the end of the daemon, which leaves no pid.
    fn is_gone(&self) {
        eventually("the daemon is gone", PATIENCE, || Ok(self.daemon().is_none().then_some(()))).unwrap();
    }

    fn daemon(&self) -> Option<rustix::process::Pid> {
        let text = std::fs::read_to_string(self.0.join("data/torchatd/pid")).ok()?;
        rustix::process::Pid::from_raw(text.trim().parse().ok()?)
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        if let Some(pid) = self.daemon() {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// The row of the screen that holds a text.
fn row(screen: &Screen, text: &str) -> String {
    let frame = screen.frame();
    frame.lines().find(|line| line.contains(text)).unwrap_or_default().to_owned()
}

#[test]
fn two_people_talk_with_nothing_but_the_client() {
    let dir = tempfile::tempdir().unwrap();
    let (ann, bob) = (Person::new(dir.path(), "ann"), Person::new(dir.path(), "bob"));
    let begun = Instant::now();
    let mut a = ann.start((100, 30));
    let mut b = bob.start((80, 24));
    a.see("Welcome to torchat");
    b.see("Welcome to torchat");
    // It says what Tor does meanwhile, and takes what is typed before it is done.
    a.see("Tor: ");
    a.paste(&bob.onion());
    a.keys("\r");
    a.see("is a contact");
    a.keys("hello bob\r");
    a.see("hello bob");

    b.see("asks");
    println!("first start to the request on the other screen: {:.1} s", begun.elapsed().as_secs_f64());
    assert!(!row(&a, "hello bob").contains('✓'), "nothing is delivered before it is accepted");
    b.keys("/accept\r");
    b.see("hello bob");
    a.see("✓✓ hello bob");
    b.keys("hello ann\r");
    a.see("hello ann");
    b.see("✓✓ hello ann");

    // Bob goes, with his daemon; what is written to him waits and says so.
    b.keys("/exit\ry");
    assert!(b.end().success());
    a.keys("are you there?\r");
    a.see(".. are you there?");
    // He comes back, and catches up.
    let begun = Instant::now();
    let mut b = bob.start((80, 24));
    b.see("are you there?");
    a.see("✓✓ are you there?");
    println!("back to delivered on both screens: {:.1} s", begun.elapsed().as_secs_f64());
    b.keys("I am back\r");
    a.see("I am back");
    b.see("✓✓ I am back");

    // Leaving leaves the daemon, and another client goes on where this one was.
    a.keys("/quit\r");
    assert!(a.end().success() && a.is_restored());
    b.keys("while you were out\r");
    b.see("✓✓ while you were out");
    let mut a = ann.client((80, 24));
    a.see("while you were out");
    for screen in [&mut a, &mut b] {
        screen.keys("/exit\ry");
        assert!(screen.end().success());
    }
    ann.is_gone();
    bob.is_gone();
}
