//! `torchat logs` as processes: killed, several at once, over restarts of the daemon, on a full disk.

use super::support::{House, PATIENCE, TORCHAT};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use torchat_testkit::daemon::eventually;
use torchat_testkit::skipped;

/// Switches all logs on.
fn all_on(house: &House) {
    let folder = house.dir().join(".config/torchat");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("client.toml"), "logs.all = true\n").unwrap();
}

/// Alice's log of Bob.
fn log(house: &House) -> PathBuf {
    let letters = |onion: String| onion.trim_end_matches(".onion").to_owned();
    let [own, bob] = [&house.alice, &house.bob].map(|daemon| letters(house.onion(daemon).0.onion()));
    house.dir().join(".local/state/torchat/logs").join(own).join(format!("{bob}.log"))
}

/// The texts of a log.
fn said(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.split_once("<bob> ").map(|(_, text)| text)).collect()
}

/// Waits until the log has a text.
#[track_caller]
fn has(house: &House, text: &str) {
    let path = log(house);
    let look = || Ok(std::fs::read_to_string(&path).is_ok_and(|log| said(&log).last() == Some(&text)).then_some(()));
    eventually(&format!("{text} in {}", path.display()), PATIENCE, look).unwrap();
}

/// A program that is killed when it is dropped.
struct Writer(Child);

impl Writer {
    fn start(house: &House, stderr: Stdio) -> Self {
        let mut command = house.command(TORCHAT);
        Self(command.arg("logs").stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn().unwrap())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn killed_writers_and_a_daemon_that_comes_and_goes_leave_each_message_once() {
    let mut house = House::friends();
    all_on(&house);
    let mut texts = Vec::new();
    let mut number = 0;
    let mut say = |house: &House| {
        number += 1;
        let text = format!("message {number}");
        house.bob_says(&[&text]);
        texts.push(text.clone());
        text
    };
    let steady = Writer::start(&house, Stdio::null());
    for round in 0..4 {
        // Two write, and one of them is killed in the middle of something.
        let victim = Writer::start(&house, Stdio::null());
        let text = say(&house);
        if round % 2 == 0 {
            has(&house, &text);
        }
        drop(victim);
        let text = say(&house);
        has(&house, &text);
    }
    house.alice.stop().unwrap();
    house.alice.start_again().unwrap();
    let text = say(&house);
    has(&house, &text);
    drop(steady);
    // While nobody wrote.
    say(&house);
    say(&house);
    assert_eq!(house.torchat(&["logs", "--once"]).code, Some(0));
    let text = std::fs::read_to_string(log(&house)).unwrap();
    assert_eq!(said(&text), texts);
}

#[test]
fn a_full_disk_is_told_and_what_is_missing_is_written_when_there_is_room() {
    let test = "a_full_disk_is_told_and_what_is_missing_is_written_when_there_is_room";
    if !skipped::is_root(test) {
        return;
    }
    let house = House::friends();
    all_on(&house);
    house.bob_says(&["one"]);
    assert_eq!(house.torchat(&["logs", "--once"]).code, Some(0));
    house.bob_says(&["two", "three"]);
    // A small disk for the logs, in a namespace of its own, so that nothing stays mounted.
    let script = r#"cd .local/state; cp -a torchat kept; mount -t tmpfs -o size=64k,mode=700 none torchat || exit 1
        cp -a kept/. torchat/; dd if=/dev/zero of=torchat/full bs=1k count=1000 2>/dev/null
        torchat logs --once; echo "exit $?"; rm torchat/full; torchat logs --once; cat torchat/logs/*/*.log"#;
    let ran = house.run(house.command("unshare").args(["-m", "sh", "-c", script]), b"");
    if ran.stderr.contains("unshare") || ran.stderr.contains("mount") {
        return skipped::skipped(test, skipped::NO_NAMESPACE);
    }
    assert!(ran.stdout.starts_with("exit 1\n"), "{ran:?}");
    assert_eq!(ran.stderr.matches("the text logs are not written (No space left on device").count(), 1, "{ran:?}");
    assert_eq!(said(&ran.stdout), ["one", "two", "three"], "{ran:?}");
}

#[test]
fn who_follows_is_told_once_that_nothing_can_be_written_and_goes_on() {
    let house = House::friends();
    all_on(&house);
    house.bob_says(&["one"]);
    assert_eq!(house.torchat(&["logs", "--once"]).code, Some(0));
    // A folder in the place of the log.
    let path = log(&house);
    std::fs::remove_file(&path).ok();
    std::fs::create_dir_all(&path).unwrap();
    let mut writer = Writer::start(&house, Stdio::piped());
    let mut told = BufReader::new(writer.0.stderr.take().unwrap());
    house.bob_says(&["two"]);
    let mut line = String::new();
    told.read_line(&mut line).unwrap();
    assert!(line.starts_with("torchat: the text logs are not written ("), "{line}");
    std::fs::remove_dir(&path).unwrap();
    // The next message wakes it, and what could not be written comes first.
    house.bob_says(&["three"]);
    has(&house, "three");
    assert_eq!(said(&std::fs::read_to_string(&path).unwrap()), ["two", "three"]);
    drop(writer);
    let mut rest = String::new();
    told.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "", "once");
}
