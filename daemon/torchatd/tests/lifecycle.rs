//! The binary as its users meet it: real processes, every exit code with its message, files and modes, start and stop.
//!
//! No packet leaves loopback: every daemon gets a configuration whose only Tor relays are closed ports of this machine.
//! The daemon serves before Tor is up and keeps trying, so nothing here waits for Tor.

#![allow(clippy::unwrap_used)]

#[path = "lifecycle/house.rs"]
#[allow(dead_code, reason = "shared with the other tests of the process")]
mod house;

use house::{House, exists_within, wait_until};
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

/// A clean stop, by contract.
const STOP: Duration = Duration::from_secs(2);

/// A stop took no longer than it may on a machine as busy as this one.
fn in_time(took: Duration) {
    let limit = STOP + torchat_testkit::pace::slack();
    assert!(took <= limit, "it took {took:?}, and may take {limit:?}");
}

#[test]
fn d_returns_when_the_port_answers() {
    let house = House::new();
    let port = house::free_port();
    let daemon = house.background(&[&port.to_string()]);
    // No waiting: the command has returned, so both must answer now.
    let onion = house.ask(r#"{"cmd":"HOST"}"#)["msg"].as_str().unwrap().to_owned();
    assert_eq!(onion.len(), 62, "{onion}");
    assert!(onion.ends_with(".onion"));
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    assert_eq!(house::ask(&mut stream, r#"{"cmd":"HOST"}"#)["msg"].as_str(), Some(onion.as_str()));
    assert!(daemon.stdout.contains(&format!("127.0.0.1:{port}")), "{}", daemon.stdout);
    assert_eq!(house.read("port"), format!("{port}\n"));
    house.stop();
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
}

#[test]
fn files_and_modes() {
    let house = House::new();
    let _daemon = house.background(&["0"]);
    let mode = |path: &std::path::Path| path.symlink_metadata().unwrap().mode() & 0o7777;
    assert_eq!(mode(&house.data()), 0o700);
    for name in ["identity.key", "torchat.db", "lock", "pid", "port", "control.sock"] {
        assert_eq!(mode(&house.data().join(name)), 0o600, "{name}");
    }
    assert!(house.data().join("control.sock").symlink_metadata().unwrap().file_type().is_socket());
    assert_eq!(mode(&house.data().join("tor")), 0o700);
    assert_eq!(mode(&house.logs()), 0o700);
    for name in ["torchatd.log", "error.log", "audit.log"] {
        assert_eq!(mode(&house.logs().join(name)), 0o600, "{name}");
    }
    // Whatever else it has made, now or in a later version.
    let mut open = vec![house.data(), house.logs()];
    let mut seen = 0;
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap()) {
            // Tor's state changes while we look: what is gone is nobody's to read.
            let Ok(found) = entry.metadata() else { continue };
            assert_eq!(found.mode() & 0o077, 0, "{} is open to others", entry.path().display());
            seen += 1;
            if found.is_dir() {
                open.push(entry.path());
            }
        }
    }
    assert!(seen > 10, "{seen}");
    house.stop();
    let mut left: Vec<_> = fs::read_dir(house.data())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with("torchat.db-"))
        .collect();
    left.sort();
    assert_eq!(left, ["identity.key", "lock", "tor", "torchat.db"]);
}

#[test]
fn the_process_is_ours_alone() {
    let house = House::new();
    let daemon = house.background(&[]);
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let umask = status.lines().find_map(|line| line.strip_prefix("Umask:")).unwrap().trim();
    assert_eq!(umask, "0077");
    let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).unwrap();
    let limit = |name: &str| -> Vec<String> {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(limit("Max core file size")[..2], ["0", "0"]);
    let open_files = limit("Max open files");
    let hard = open_files[1].parse::<u64>().unwrap_or(u64::MAX);
    assert!(open_files[0].parse::<u64>().unwrap() >= hard.min(65_536));
    // Its own session, no terminal. (What becomes of the keys: secrets.rs.)
    let stat = fs::read_to_string(format!("/proc/{}/stat", daemon.pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let (session, terminal) = (fields[3], fields[4]);
    assert_ne!(session, daemon.pid().to_string(), "a session leader could get a terminal again");
    assert_eq!(terminal, "0");
}

#[test]
fn without_a_port_only_the_socket_serves() {
    let house = House::new();
    let daemon = house.background(&[]);
    assert!(!house.data().join("port").exists());
    assert!(!daemon.stdout.contains("127.0.0.1"), "{}", daemon.stdout);
    assert_eq!(house.ask(r#"{"cmd":"HOST"}"#)["cmd"], "HOST");
}

#[test]
fn another_socket_path() {
    let house = House::new();
    let socket = house.root().join("elsewhere.sock");
    let _daemon = house.background(&["--socket", socket.to_str().unwrap()]);
    assert!(!house.data().join("control.sock").exists());
    assert_eq!(house::ask_socket(&socket, r#"{"cmd":"HOST"}"#)["cmd"], "HOST");
    let failed = house.run(&["--stop"]);
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(failed.stderr.contains("--socket"), "{failed:?}");
    let stopped = house.run(&["--stop", "--socket", socket.to_str().unwrap()]);
    assert_eq!(stopped.code, 0, "{stopped:?}");
    assert!(!socket.exists());
}

#[test]
fn the_foreground_prints_the_port_and_stops_on_a_signal() {
    for signal in ["TERM", "INT"] {
        let house = House::new();
        let mut daemon = house.foreground(&["0"]);
        let line = daemon.first_line();
        let port: u16 = house.read("port").trim().parse().unwrap();
        assert!(line.contains(&format!("127.0.0.1:{port}")), "{line}");
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let asked = Instant::now();
        daemon.signal(signal);
        assert_eq!(daemon.wait_code(), Some(0), "{signal}");
        in_time(asked.elapsed());
        assert!(!house.data().join("pid").exists());
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let house = House::new();
    let mut daemon = house.foreground(&[]);
    daemon.first_line();
    // While it is held, both signals wait, so the second is there before the stop that the first begins is done.
    for signal in ["STOP", "TERM", "INT", "CONT"] {
        daemon.signal(signal);
    }
    assert_eq!(daemon.wait_code(), Some(1));
    house.background(&[]);
}

/// Each of these would end a process that does nothing about it, and its pid and socket would stay.
#[test]
fn signals_that_mean_nothing_are_ignored_and_told_once() {
    let house = House::new();
    let mut daemon = house.foreground(&[]);
    daemon.first_line();
    // By their numbers, because not every `kill` knows every name: USR1, ALRM, VTALRM, PROF, IO, STKFLT, PWR, PIPE, the first
    // and the last real-time signal, and USR1 again.
    for number in ["10", "14", "26", "27", "29", "16", "30", "13", "34", "64", "10"] {
        daemon.signal(number);
        assert_eq!(house.ask(r#"{"cmd":"HOST"}"#)["cmd"], "HOST", "after signal {number}");
    }
    let log = || fs::read_to_string(house.logs().join("torchatd.log")).unwrap();
    for name in ["SIGUSR1", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO", "SIGSTKFLT", "SIGPWR", "real-time"] {
        wait_until(|| log().contains(&format!("{name} ")));
    }
    assert_eq!(log().matches("SIGUSR1").count(), 1, "{}", log());
    daemon.signal("TERM");
    assert_eq!(daemon.wait_code(), Some(0));
}

#[test]
fn exit_answers_and_ends() {
    let house = House::new();
    let mut daemon = house.foreground(&[]);
    daemon.first_line();
    let asked = Instant::now();
    assert_eq!(house.ask(r#"{"cmd":"EXIT","portno":7}"#)["cmd"], "END");
    assert_eq!(daemon.wait_code(), Some(0));
    in_time(asked.elapsed());
}

#[test]
fn clients_that_hang_do_not_hold_a_stop() {
    let house = House::new();
    let mut daemon = house.foreground(&["0"]);
    daemon.first_line();
    let port: u16 = house.read("port").trim().parse().unwrap();
    let mut held: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap()).collect();
    for stream in &mut held {
        stream.write_all(br#"{"cmd":"HO"#).unwrap();
    }
    let asked = Instant::now();
    daemon.signal("TERM");
    assert_eq!(daemon.wait_code(), Some(0));
    in_time(asked.elapsed());
}

#[test]
fn stop_waits_until_the_daemon_is_gone() {
    let house = House::new();
    let daemon = house.background(&[]);
    let asked = Instant::now();
    let stopped = house.run(&["--stop"]);
    assert_eq!(stopped.code, 0, "{stopped:?}");
    in_time(asked.elapsed());
    // Its lock is free a moment before it is gone: it is closed first.
    wait_until(|| !daemon.is_alive());
    let again = house.run(&["--stop"]);
    assert_eq!(again.code, 1, "{again:?}");
    assert!(again.stderr.contains("no torchatd runs"), "{again:?}");
    // The next start needs no waiting.
    house.background(&[]);
}

#[test]
fn stop_without_a_directory() {
    let house = House::new();
    let failed = house.run(&["--stop"]);
    assert_eq!(failed.code, 11, "{failed:?}");
    house.nothing_was_made();
}

#[test]
fn a_second_start_names_the_first() {
    let house = House::new();
    let daemon = house.background(&["0"]);
    let port = house.read("port");
    for line in [&["-d"][..], &[], &["-d", port.trim()]] {
        let second = house.run(line);
        assert_eq!(second.code, 13, "{second:?}");
        assert!(second.stderr.contains(&daemon.pid().to_string()), "{second:?}");
        assert!(second.stderr.contains(&format!("serves port {}", port.trim())), "{second:?}");
        assert!(second.stderr.contains("torchatd --stop"), "{second:?}");
    }
    assert_eq!(house.ask(r#"{"cmd":"HOST"}"#)["cmd"], "HOST", "the first goes on");
    assert_eq!(house.read("port"), port);
}

#[test]
fn a_second_start_says_that_the_first_serves_no_port() {
    let house = House::new();
    house.background(&[]);
    let second = house.run(&["-d", "0"]);
    assert_eq!(second.code, 13, "{second:?}");
    assert!(second.stderr.contains("serves no port"), "{second:?}");
}

/// A daemon that was told to end answers nobody any more before it is gone.
#[test]
fn a_start_waits_for_a_daemon_that_ends() {
    let house = House::new();
    house.background(&[]);
    house.stop();
    let lock = fs::File::open(house.data().join("lock")).unwrap();
    lock.try_lock().unwrap();
    let start = std::thread::scope(|scope| {
        let start = scope.spawn(|| house.background(&[]));
        // Held until it is seen to wait: its process is there, and the lock is asked for again and again.
        wait_until(|| house.waits_for_the_lock());
        drop(lock);
        start.join().unwrap()
    });
    assert_eq!(house.ask(r#"{"cmd":"HOST"}"#)["cmd"], "HOST");
    drop(start);
}

#[test]
fn a_taken_port_is_found_before_anything_is_made() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let house = House::new();
    for line in [&["-d", port.as_str()][..], &[port.as_str()]] {
        let failed = house.run(line);
        assert_eq!(failed.code, 10, "{failed:?}");
        assert!(failed.stderr.contains(&port), "{failed:?}");
        house.nothing_was_made();
    }
}

#[test]
fn a_taken_socket() {
    let house = House::new();
    let socket = house.root().join("taken.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    let failed = house.run(&["--socket", socket.to_str().unwrap()]);
    assert_eq!(failed.code, 10, "{failed:?}");
    house.nothing_was_made();
    let file = house.root().join("precious");
    fs::write(&file, "text").unwrap();
    let failed = house.run(&["--socket", file.to_str().unwrap()]);
    assert_eq!(failed.code, 1, "{failed:?}");
    assert_eq!(fs::read(&file).unwrap(), b"text");
    house.nothing_was_made();
}

#[test]
fn a_long_socket_path_is_named() {
    let house = House::new();
    let socket = house.root().join("s".repeat(120));
    let failed = house.run(&["-d", "--socket", socket.to_str().unwrap()]);
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(failed.stderr.contains("107") && failed.stderr.contains("--socket"), "{failed:?}");
    house.nothing_was_made();
}

#[test]
fn a_missing_or_impossible_data_directory() {
    let house = House::new();
    fs::write(house.root().join("file"), "").unwrap();
    for dir in ["missing/d", "file", "file/d"] {
        let dir = house.root().join(dir);
        let failed = house.run_bare(&["-d", "--data-dir", dir.to_str().unwrap()]);
        assert_eq!(failed.code, 11, "{failed:?}");
        assert!(failed.stderr.contains(dir.to_str().unwrap()), "{failed:?}");
    }
    assert!(!house.root().join("missing").exists());
    assert!(!house.logs().exists());
}

#[test]
fn a_data_directory_that_cannot_be_written() {
    let house = House::new();
    fs::create_dir(house.data()).unwrap();
    let Some(failed) = house.run_as_another_user(&house.data(), 0o500) else {
        let test = "a_data_directory_that_cannot_be_written";
        return torchat_testkit::skipped::skipped(test, torchat_testkit::skipped::NO_SETPRIV);
    };
    assert_eq!(failed.code, 11, "{failed:?}");
    assert_eq!(fs::read_dir(house.data()).unwrap().count(), 0);
}

#[test]
fn a_data_directory_that_is_open_to_others() {
    let house = House::new();
    fs::create_dir(house.data()).unwrap();
    fs::set_permissions(house.data(), Permissions::from_mode(0o755)).unwrap();
    let failed = house.run(&["-d", "0"]);
    assert_eq!(failed.code, 12, "{failed:?}");
    assert!(failed.stderr.contains("0755") && failed.stderr.contains("chmod 700"), "{failed:?}");
    assert_eq!(fs::read_dir(house.data()).unwrap().count(), 0);
    assert!(!house.logs().exists());
}

#[test]
fn a_data_directory_of_another_user() {
    let house = House::new();
    fs::create_dir(house.data()).unwrap();
    if !torchat_testkit::skipped::is_root("a_data_directory_of_another_user") {
        return;
    }
    std::os::unix::fs::chown(house.data(), Some(65_534), None).unwrap();
    fs::set_permissions(house.data(), Permissions::from_mode(0o700)).unwrap();
    let failed = house.run(&["-d"]);
    assert_eq!(failed.code, 12, "{failed:?}");
    assert!(failed.stderr.contains("65534"), "{failed:?}");
}

#[test]
fn a_wrong_torrc_is_named_with_its_line() {
    let house = House::new();
    let torrc = house.root().join("torrc");
    for (text, line) in [
        ("SocksPort 0\nUseBridges 1\n", "line 2"),
        ("HiddenServiceDir x\n\nHiddenServicePort 80 127.0.0.1:8765\n", "line 3"),
        ("SocksPort 9050\n", "line 1"),
    ] {
        fs::write(&torrc, text).unwrap();
        let failed = house.run(&["-d", "8765", "--torrc", torrc.to_str().unwrap()]);
        assert_eq!(failed.code, 14, "{text}: {failed:?}");
        assert!(failed.stderr.contains(line) && failed.stderr.contains("torrc"), "{text}: {failed:?}");
        house.nothing_was_made();
    }
    let failed = house.run(&["--torrc", "/no/such/torrc"]);
    assert_eq!(failed.code, 14, "{failed:?}");
}

#[test]
fn the_torrc_names_the_data_directory_and_the_command_line_comes_first() {
    let house = House::new();
    let torrc = house.root().join("torrc");
    fs::write(&torrc, "DataDirectory by-torrc\nHiddenServiceDir hs\nHiddenServicePort 80\nLog warn\n").unwrap();
    let config = house.config();
    let line =
        ["-d", "--torrc", torrc.to_str().unwrap(), "--config", &config, "--log-dir", house.logs().to_str().unwrap()]
            .map(str::to_owned);
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    let started = house.run_bare(&line);
    assert_eq!(started.code, 0, "{started:?}");
    assert!(house.root().join("by-torrc/identity.key").exists());
    let stopped = house.run_bare(&["--stop", "--torrc", torrc.to_str().unwrap()]);
    assert_eq!(stopped.code, 0, "{stopped:?}");
    assert!(!house.data().exists());
    let _daemon = house.background(&["--torrc", torrc.to_str().unwrap()]);
    assert!(house.data().join("identity.key").exists());
    let log = fs::read_to_string(house.logs().join("torchatd.log")).unwrap();
    assert!(log.lines().all(|line| !line.contains(" INFO ")), "the level of the torrc: {log}");
    // What was done with all rights is written down at every level.
    let audit = fs::read_to_string(house.logs().join("audit.log")).unwrap();
    assert!(audit.lines().any(|line| line.contains("\"EXIT\"")), "{audit}");
}

#[test]
fn a_wrong_configuration_is_named_with_its_key() {
    let house = House::new();
    let file = house.root().join("wrong.toml");
    for (text, key) in [
        ("[limits]\nconections = 5\n", "conections"),
        ("[limits]\nconnections = 0\n", "limits.connections"),
        ("data_dir = \"/x\"\n", "data_dir"),
        ("[contacts]\nstrangers = \"friends\"\n", "friends"),
        ("[tor.path_rule]\nx = 1\n", "path_rule"),
    ] {
        fs::write(&file, text).unwrap();
        let failed = house.run_with_config(&file, &["-d", "0"]);
        assert_eq!(failed.code, 15, "{text}: {failed:?}");
        assert!(failed.stderr.contains(key) && failed.stderr.contains("wrong.toml"), "{text}: {failed:?}");
        house.nothing_was_made();
    }
    let failed = house.run_with_config(&house.root().join("missing.toml"), &[]);
    assert_eq!(failed.code, 15, "{failed:?}");
}

#[test]
fn the_configuration_of_the_user_is_found() {
    let house = House::new();
    fs::create_dir_all(house.root().join("config/torchatd")).unwrap();
    fs::write(house.root().join("config/torchatd/torchatd.toml"), "nonsense = 1\n").unwrap();
    let failed = house.run_bare(&["--data-dir", house.data().to_str().unwrap()]);
    assert_eq!(failed.code, 15, "{failed:?}");
    assert!(failed.stderr.contains("nonsense"), "{failed:?}");
}

#[test]
fn a_check_reads_the_settings_and_changes_nothing() {
    let house = House::new();
    let write = |name: &str, text: &str| {
        let file = house.root().join(name);
        fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let none = house.run_bare(&["--check"]).expect(0);
    assert!(none.stdout.starts_with("there is no configuration") && none.stdout.lines().count() == 1, "{none:?}");
    let (config, torrc) = (write("right.toml", "[control]\n"), write("right-torrc", "SocksPort 0\n"));
    let right = house.run_bare(&["--check", "--config", &config, "--torrc", &torrc, "8000"]).expect(0);
    assert!(right.stdout.contains(&config) && right.stdout.contains(&torrc), "{right:?}");
    assert_eq!(right.stdout.lines().count(), 1, "{right:?}");
    let wrong = write("wrong.toml", "[control]\nnonsense = 1\n");
    let failed = house.run_bare(&["--check", "--config", &wrong]).expect(15);
    assert!(failed.stderr.contains("nonsense") && failed.stderr.contains("wrong.toml"), "{failed:?}");
    let wrong = write("wrong-torrc", "SocksPort 0\nUseBridges 1\n");
    let failed = house.run_bare(&["--check", "--torrc", &wrong]).expect(14);
    assert!(failed.stderr.contains("line 2") && failed.stderr.contains("bridges"), "{failed:?}");
    let exposed = write("open-torrc", "HiddenServiceDir x\nHiddenServicePort 80 127.0.0.1:8000\n");
    house.run_bare(&["--check", "--torrc", &exposed, "8000"]).expect(14);
    house.nothing_was_made();
    // A daemon may run with the very same directory.
    let daemon = house.background(&[]);
    house.run(&["--check"]).expect(0);
    assert!(daemon.is_alive());
}

#[test]
fn usage_errors_are_2() {
    let house = House::new();
    for line in [&["--nonsense"][..], &["70000"], &["1", "2"], &["--stop", "-d"]] {
        assert_eq!(house.run_bare(line).code, 2, "{line:?}");
    }
    assert_eq!(house.run_bare(&["--help"]).code, 0);
    assert!(house.run_bare(&["--version"]).stdout.starts_with("torchatd "));
    house.nothing_was_made();
}

#[test]
fn a_log_directory_that_cannot_be_made_leaves_no_data_directory() {
    let house = House::new();
    let data = house.data();
    for line in [&[][..], &["-d"]] {
        for logs in ["/proc/x", "/proc/self", "/dev/null/x"] {
            let arguments = ["--data-dir", data.to_str().unwrap(), "--log-dir", logs];
            let failed = house.run_bare(&[&arguments, line].concat());
            assert_eq!(failed.code, 1, "{failed:?}");
            house.nothing_was_made();
        }
    }
}

#[test]
fn a_damaged_identity_is_never_overwritten() {
    let house = House::new();
    house.background(&[]);
    house.stop();
    let key = house.data().join("identity.key");
    let mut bytes = fs::read(&key).unwrap();
    let digit = bytes.iter().position(|byte| byte.is_ascii_digit()).unwrap() + 60;
    bytes[digit] = if bytes[digit] == b'0' { b'1' } else { b'0' };
    fs::write(&key, &bytes).unwrap();
    let failed = house.run(&["-d"]);
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(failed.stderr.contains("identity.key is damaged"), "{failed:?}");
    assert_eq!(fs::read(&key).unwrap(), bytes);
    fs::remove_file(&key).unwrap();
    let failed = house.run(&["-d"]);
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(failed.stderr.contains("identity.key is missing"), "{failed:?}");
    assert!(!key.exists());
}

#[test]
fn what_fails_after_the_fork_is_reported_by_the_starter() {
    let house = House::new();
    house.background(&[]);
    house.stop();
    fs::write(house.data().join("torchat.db"), vec![b'x'; 8192]).unwrap();
    for name in ["torchat.db-wal", "torchat.db-shm"] {
        let _ = fs::remove_file(house.data().join(name));
    }
    let failed = house.run(&["-d"]);
    assert_eq!(failed.code, 16, "{failed:?}");
    assert!(failed.stderr.contains("torchat.db is damaged: it is not a SQLite file"), "{failed:?}");
    let log = fs::read_to_string(house.logs().join("error.log")).unwrap();
    assert!(log.contains("torchat.db"), "{log}");
    assert!(!house.data().join("pid").exists());
    let foreground = house.run(&[]);
    assert_eq!(foreground.code, 16, "{foreground:?}");
}

#[test]
fn a_store_of_another_version_is_left_alone() {
    let house = House::new();
    house.background(&[]);
    house.stop();
    let path = house.data().join("torchat.db");
    let whole = fs::read(&path).unwrap();
    // SQLite's `user_version`.
    let says = |version: u32| [&whole[..60], &version.to_be_bytes(), &whole[64..]].concat();
    for (version, words) in [
        (99, "the store has version 99 and was last opened by torchatd "),
        (2, "a development version or changed by hand"),
        (0, "a development version or changed by hand"),
    ] {
        fs::write(&path, says(version)).unwrap();
        for arguments in [&["-d"][..], &[]] {
            let failed = house.run(arguments);
            assert_eq!(failed.code, 16, "{failed:?}");
            assert!(failed.stderr.contains(words) && failed.stderr.contains("Nothing was changed"), "{failed:?}");
        }
        assert!(fs::read(&path).unwrap() == says(version), "version {version}");
    }
    fs::write(&path, whole).unwrap();
    house.background(&[]);
}

#[test]
fn killed_and_started_again_it_is_the_same() {
    let house = House::new();
    let daemon = house.background(&["0"]);
    let onion = house.ask(r#"{"cmd":"HOST"}"#)["msg"].clone();
    let peer = house::another_onion();
    let sent = house.ask(&format!(r#"{{"cmd":"SEND","id":"{peer}","msg":"before the kill"}}"#));
    assert_eq!(sent["cmd"], "END", "{sent}");
    daemon.signal("KILL");
    wait_until(|| !daemon.is_alive());
    assert!(house.data().join("pid").exists(), "a kill leaves its traces");
    let stopped = house.run(&["--stop"]);
    assert_eq!(stopped.code, 1, "{stopped:?}");
    let _daemon = house.background(&[]);
    assert!(!house.data().join("port").exists(), "the port of the killed daemon is not ours");
    assert_eq!(house.ask(r#"{"cmd":"HOST"}"#)["msg"], onion);
    let history = house.ask(&format!(r#"{{"cmd":"HISTORY","id":"{peer}"}}"#));
    assert_eq!(history["lines"][0]["msg"], "before the kill", "{history}");
}

#[test]
fn the_logs_hold_no_onion_and_no_text() {
    let house = House::new();
    let _daemon = house.background(&["0", "--log-level", "trace"]);
    let onion = house.ask(r#"{"cmd":"HOST"}"#)["msg"].as_str().unwrap().to_owned();
    let peer = house::another_onion();
    let canary = "canary-of-the-text";
    assert_eq!(house.ask(&format!(r#"{{"cmd":"SEND","id":"{peer}","msg":"{canary}"}}"#))["cmd"], "END");
    assert_eq!(house.ask(&format!(r#"{{"cmd":"ADD","id":"{peer}"}}"#))["cmd"], "END");
    assert_eq!(house.ask(&format!(r#"{{"cmd":"{canary}"}}"#))["cmd"], "ERR");
    house.stop();
    let events = fs::read_to_string(house.logs().join("torchatd.log")).unwrap();
    assert!(events.contains("serving") && events.contains("stopped"), "{events}");
    for log in [events, fs::read_to_string(house.logs().join("error.log")).unwrap()] {
        for secret in [onion.trim_end_matches(".onion"), peer.trim_end_matches(".onion"), canary] {
            assert!(!log.contains(secret), "{secret}: {log}");
        }
    }
}

#[test]
fn hang_up_reopens_the_logs() {
    let house = House::new();
    let daemon = house.background(&[]);
    let log = house.logs().join("torchatd.log");
    fs::rename(&log, house.logs().join("moved")).unwrap();
    daemon.signal("HUP");
    assert!(exists_within(&log), "SIGHUP makes the log anew");
    wait_until(|| fs::read_to_string(&log).unwrap().contains("reopened"));
    assert!(daemon.is_alive());
}

#[test]
fn logs_of_a_checkout_stay_in_it() {
    let house = House::new();
    let checkout = house.root().join("checkout");
    fs::create_dir_all(checkout.join("logs")).unwrap();
    let data = house.data();
    let config = house.config();
    let line = ["-d", "--data-dir", data.to_str().unwrap(), "--config", &config];
    assert_eq!(house.run_in(&checkout, &line).code, 0);
    house.stop();
    assert!(!checkout.join("logs/torchatd.log").exists(), "no torrc: not a checkout");
    assert!(house.root().join("state/torchatd/torchatd.log").exists());
    fs::write(checkout.join("torrc"), "any directive\n").unwrap();
    assert_eq!(house.run_in(&checkout, &line).code, 0, "the torrc of a checkout is not read by itself");
    house.stop();
    assert!(checkout.join("logs/torchatd.log").exists());
}

#[test]
fn the_default_data_directory_is_made_with_its_parents() {
    let house = House::new();
    let config = house.config();
    let started = house.run_bare(&["-d", "--config", &config]);
    assert_eq!(started.code, 0, "{started:?}");
    let data = house.root().join("share/torchatd");
    assert_eq!(data.metadata().unwrap().mode() & 0o7777, 0o700);
    assert_eq!(house.run_bare(&["--stop"]).code, 0);
    assert!(data.join("identity.key").exists());
}

#[test]
fn two_daemons_with_two_directories_do_not_meet() {
    let (a, b) = (House::new(), House::new());
    let _a = a.background(&["0"]);
    let _b = b.background(&["0"]);
    assert_ne!(a.ask(r#"{"cmd":"HOST"}"#)["msg"], b.ask(r#"{"cmd":"HOST"}"#)["msg"]);
    a.stop();
    assert_eq!(b.ask(r#"{"cmd":"HOST"}"#)["cmd"], "HOST");
}

#[test]
fn a_client_that_only_connects_is_served_and_gone() {
    let house = House::new();
    let _daemon = house.background(&["0"]);
    let port: u16 = house.read("port").trim().parse().unwrap();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut reply = Vec::new();
    // Closed without a byte, by an end or a reset.
    let _ = stream.read_to_end(&mut reply);
    assert_eq!(reply, b"");
    assert_eq!(house.ask(r#"{"cmd":"HOST"}"#)["cmd"], "HOST");
}
