//! That the terminal is given back, whatever happens.

use crate::screen::runtime::terminal::Terminal;
use std::process::Command;

/// In which thread the program that the test starts panics.
const PANICS_IN: &str = "TORCHAT_TEST_PANICS_IN";

#[test]
#[ignore = "the program that the next test starts, on a terminal of its own"]
fn takes_the_terminal_and_panics() {
    let mut terminal = Terminal::enter().unwrap();
    terminal.mouse(true).unwrap();
    match std::env::var(PANICS_IN).as_deref() {
        Ok("another") => drop(std::thread::spawn(|| panic!("on purpose")).join()),
        _ => panic!("on purpose"),
    }
    // Not reached: a panic anywhere ends the program.
    loop {
        std::thread::park();
    }
}

#[test]
fn a_panic_of_any_thread_gives_the_terminal_back_and_says_why() {
    for thread in ["this", "another"] {
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(std::env::current_exe().unwrap());
        command.args(["--exact", "--ignored", "--nocapture"]);
        command.arg("screen::tests::terminal::takes_the_terminal_and_panics");
        command.env(PANICS_IN, thread).env("TERM", "xterm-256color");
        let mut screen = super::pty::Screen::start(command, (80, 24));
        screen.written(b"\x1b[?1049h");
        assert_eq!(screen.end().code(), Some(101));
        assert!(screen.is_restored(), "{}", screen.frame());
        assert!(screen.frame().contains("on purpose"), "{}", screen.frame());
    }
}
