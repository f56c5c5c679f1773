//! The terminal is left as it was found, and used for no more than is wanted.

use super::TORCHAT;
use super::people::{alone, ann_and_friend, unread};
use super::pty::Home;
use std::path::Path;

#[test]
fn stopped_and_continued_it_leaves_the_terminal_as_it_was() {
    use rustix::process::{Signal, WaitOptions, waitpid};
    let dir = tempfile::tempdir().unwrap();
    let (ann, mut screen) = alone(dir.path(), 5);
    screen.keys("half a line");
    screen.see("> half a line");
    screen.keys("\x1a");
    let pid = rustix::process::Pid::from_raw(i32::try_from(screen.pid()).unwrap());
    let (_, status) = waitpid(pid, WaitOptions::UNTRACED).unwrap().unwrap();
    assert!(status.stopped());
    screen.wait("the screen of the shell", |screen| (!screen.alternate_screen()).then_some(()));
    assert!(screen.is_restored());
    screen.signal(Signal::CONT);
    screen.see("> half a line");
    assert!(!screen.is_restored());
    // Another program stops it.
    screen.signal(Signal::TSTP);
    let (_, status) = waitpid(pid, WaitOptions::UNTRACED).unwrap().unwrap();
    assert!(status.stopped());
    screen.wait("the screen of the shell", |screen| (!screen.alternate_screen()).then_some(()));
    assert!(screen.is_restored());
    screen.signal(Signal::CONT);
    screen.see("> half a line");
    // And another ends it.
    screen.signal(Signal::TERM);
    assert!(screen.end().success());
    assert!(screen.is_restored());
    let drafts = std::fs::read_to_string(ann.drafts()).unwrap();
    assert!(drafts.contains("half a line"), "{drafts}");
}

/// A terminal that is not the controlling one sends no signal when it goes: some web terminals and supervisors give such.
#[test]
fn a_terminal_that_goes_away_ends_it_though_nobody_signals() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use std::io::{Read as _, Write as _};
    use std::process::Stdio;
    let dir = tempfile::tempdir().unwrap();
    let mut ann = Home::new(dir.path(), "ann", 41);
    ann.daemon.start().unwrap();
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let window = rustix::termios::Winsize { ws_col: 80, ws_row: 24, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&master, window).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let slave = || std::fs::File::options().read(true).write(true).open(&name).unwrap();
    let placed = torchat_testkit::pty::at_home(ann.dir(), Path::new(TORCHAT));
    // The same without --ctty: a session of its own that has no terminal.
    let mut command = std::process::Command::new("setsid");
    command.arg(TORCHAT).env_clear().current_dir(ann.dir());
    command.envs(placed.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut child = command.stdin(slave()).stdout(slave()).stderr(Stdio::null()).spawn().unwrap();
    drop(command);
    let master = std::fs::File::from(master);
    let until = |mut from: &std::fs::File, text: &str| {
        let (mut said, mut bytes) = (String::new(), [0; 4096]);
        while !said.contains(text) {
            let count = from.read(&mut bytes).unwrap();
            said.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    };
    until(&master, "Welcome");
    (&master).write_all(b"half a line").unwrap();
    until(&master, "line");
    drop(master);
    let status = torchat_testkit::daemon::eventually("it has ended", super::pty::PATIENCE, || Ok(child.try_wait()?));
    assert!(status.unwrap().success());
    let drafts = std::fs::read_to_string(ann.drafts()).unwrap();
    assert!(drafts.contains("half a line"), "{drafts}");
}

#[test]
fn without_a_daemon_it_says_so_and_finds_it_when_it_comes() {
    let dir = tempfile::tempdir().unwrap();
    let mut ann = Home::new(dir.path(), "ann", 6);
    let mut screen = ann.screen(Path::new(TORCHAT), (80, 24));
    screen.see("No torchatd runs. Start one?");
    screen.keys("n");
    screen.see("torchatd is away");
    ann.daemon.start().unwrap();
    screen.see("Welcome to torchat");
    screen.keys("/quit\r");
    assert!(screen.end().success());
}

#[test]
fn nothing_is_drawn_while_nothing_happens() {
    let dir = tempfile::tempdir().unwrap();
    let (_ann, screen) = alone(dir.path(), 7);
    // Its answer is drawn last of what the start leads to.
    screen.see("also as the QR code");
    let ticks = |pid: u32| {
        std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .unwrap()
            .split(' ')
            .skip(13)
            .take(2)
            .map(|n| n.parse::<u64>().unwrap())
            .sum::<u64>()
    };
    // The lapse of time is what is tested: nothing must come of it, once the last draw is whole.
    let lapse = |ms| std::thread::sleep(std::time::Duration::from_millis(ms));
    let mut pieces = screen.pieces();
    for _ in 0..20 {
        lapse(300);
        if std::mem::replace(&mut pieces, screen.pieces()) == screen.pieces() {
            break;
        }
    }
    // The clock is drawn once a minute: at most once here.
    let (pieces, before) = (screen.pieces(), ticks(screen.pid()));
    let minute = || jiff::Timestamp::now().as_second() / 60;
    let began = minute();
    lapse(2_500);
    // A draw may come in several pieces.
    let drawn = screen.pieces() - pieces;
    assert!(drawn == 0 || minute() > began, "{drawn} pieces");
    assert!(ticks(screen.pid()) - before <= 1);
}

#[test]
fn the_mouse_is_the_terminals_until_it_is_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let (_ann, friend, mut screen, onion) = ann_and_friend(dir.path(), 35, &[]);
    friend.says(&onion, "click me");
    unread(&screen, "friend", 1);
    let is_on = |screen: &vt100::Screen| screen.mouse_protocol_mode() != vt100::MouseProtocolMode::None;
    screen.wait("no mouse", |screen| (!is_on(screen)).then_some(()));
    screen.keys("/mouse on\r");
    screen.wait("the mouse", |screen| is_on(screen).then_some(()));
    // A click on the friend's row of the list opens the conversation.
    let at = screen.wait("a row", |screen| {
        screen.rows(0, 80).position(|row| row.split('│').next().is_some_and(|list| list.contains("friend")))
    });
    screen.keys(&format!("\x1b[<0;4;{}M\x1b[<0;4;{}m", at + 1, at + 1));
    screen.see("click me");
    unread(&screen, "friend", 0);
    screen.keys("/mouse off\r");
    screen.wait("no mouse", |screen| (!is_on(screen)).then_some(()));
    screen.keys("/mouse on\r");
    screen.wait("the mouse", |screen| is_on(screen).then_some(()));
    screen.keys("\x11");
    assert!(screen.end().success());
    assert!(screen.is_restored());
}

#[test]
fn without_colours_there_are_none() {
    let dir = tempfile::tempdir().unwrap();
    let (_ann, friend, screen, onion) = ann_and_friend(dir.path(), 37, &[("NO_COLOR", "1")]);
    friend.says(&onion, "black and white");
    unread(&screen, "friend", 1);
    screen.wait("the screen without a colour", |screen| {
        let (rows, columns) = screen.size();
        let cells = (0..rows.get()).flat_map(|row| (0..columns.get()).map(move |column| (row, column)));
        let plain = |(row, column)| {
            let default = vt100::Color::Default;
            screen.cell(row, column).is_none_or(|cell| cell.fgcolor() == default && cell.bgcolor() == default)
        };
        cells.into_iter().all(plain).then_some(())
    });
}
