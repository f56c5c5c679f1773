//! What a daemon gets from the program that started it, and what it leaves behind: signals, descriptors, directory; nothing
//! new after a refused start; and the sandbox that it enters.

#![allow(clippy::unwrap_used)]

#[path = "lifecycle/house.rs"]
#[allow(dead_code, reason = "shared with the other tests of the process")]
mod house;

use house::{House, wait_until, within_patience};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use torchat_testkit::skipped;

/// A field of a process's status; `None`, loudly, if it is hidden from us.
fn field(pid: u32, name: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.map(|value| value.trim().to_owned())
}

fn starts(house: &House) -> usize {
    fs::read_to_string(house.logs().join("torchatd.log")).unwrap_or_default().matches(": serving").count()
}

fn replace(house: &House, pid: u32) {
    let before = starts(house);
    house::signal(pid, "USR2");
    wait_until(|| starts(house) > before);
}

#[test]
fn ignored_and_blocked_signals_of_the_starter_are_left_behind() {
    let house = House::new();
    // As supervisors and shells leave them: each has been seen. A shell that runs this test in its background ignores two more, and
    // the daemon leaves these as they are.
    let by = [
        "env",
        "--default-signal=INT,QUIT",
        "--ignore-signal=CHLD,TERM,HUP,USR2",
        "--block-signal=TERM,HUP,INT,USR2,CHLD",
    ];
    let ended = house.run_by(&by, &["-d"]).expect(0);
    assert!(ended.stdout.contains("serves"), "{ended:?}");
    let daemon = house.running();
    assert_eq!(field(daemon.pid(), "SigBlk").unwrap(), "0000000000000000");
    let ignored = u64::from_str_radix(&field(daemon.pid(), "SigIgn").unwrap(), 16).unwrap();
    // 32 and above: what the C library keeps for itself, which no program can set, and what nobody has a meaning for.
    assert_eq!(ignored & 0x7fff_ffff, 1 << 12, "nothing but SIGPIPE is ignored");
    replace(&house, daemon.pid());
    assert_eq!(house.ask(r#"{"cmd":"HOST"}"#)["cmd"], "HOST");
    daemon.signal("TERM");
    wait_until(|| !daemon.is_alive());
    // And a refusal is still one.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    house.run_by(&by, &["-d", &port]).expect(10);
}

#[test]
fn descriptors_of_the_starter_are_left_behind() {
    let house = House::new();
    let lock = house.root().join("lock");
    let shell = format!("exec 9>'{}'; flock 9 || exit 99; exec 7</etc/passwd; exec \"$@\"", lock.display());
    house.run_by(&["sh", "-c", &shell, "sh"], &["-d"]).expect(0);
    let pid = house.running().pid();
    File::open(&lock).unwrap().try_lock().expect("the starter's lock is free");
    if let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) {
        let open: Vec<PathBuf> = open.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok()).collect();
        assert!(!open.iter().any(|path| path == &lock || path == Path::new("/etc/passwd")), "{open:?}");
    }
    replace(&house, pid);
    assert_eq!(house.ask(r#"{"cmd":"HOST"}"#)["cmd"], "HOST");
    house.stop();
}

#[test]
fn a_limit_of_the_starter_on_the_size_of_files_does_not_end_it() {
    let house = House::new();
    // In units of 512 bytes: 5 KiB, which the store is larger than. The soft limit alone can be raised again.
    house.run_by(&["sh", "-c", "ulimit -S -f 10; exec \"$@\"", "sh"], &["-d"]).expect(0);
    let peer = house::another_onion();
    let text = "x".repeat(20_000);
    assert_eq!(house.ask(&format!(r#"{{"cmd":"SEND","id":"{peer}","msg":"{text}"}}"#))["cmd"], "END");
    house.stop();
    let refused = house.run_by(&["sh", "-c", "ulimit -f 10; exec \"$@\"", "sh"], &["-d"]);
    assert!([1, 11].contains(&refused.code), "it says why, and is not ended by a signal: {refused:?}");
}

#[test]
fn a_descriptor_that_an_argument_names_is_read() {
    let house = House::new();
    let shell = format!("exec 7<'{}'; shift; exec \"$@\" --torrc /dev/fd/7", house.root().join("torrc").display());
    fs::write(house.root().join("torrc"), "Nonsense 1\n").unwrap();
    let ended = house.run_by(&["sh", "-c", &shell, "sh", "x"], &["-d"]).expect(14);
    assert!(ended.stderr.contains("Nonsense"), "{ended:?}");
    fs::write(house.root().join("torrc"), "DataDirectory /elsewhere\n").unwrap();
    house.run_by(&["sh", "-c", &shell, "sh", "x"], &["-d"]).expect(0);
    house.stop();
}

#[test]
fn the_directory_of_the_start_is_left_and_may_go() {
    let house = House::new();
    let start = house.root().join("start");
    fs::create_dir(&start).unwrap();
    let config = ["--config", "../no-network.toml", "--log-dir", "../logs", "--data-dir", "../d"];
    let ended = house.run_in(&start, &[&["-d"][..], &config].concat());
    assert_eq!(ended.code, 0, "{ended:?}");
    let pid = house.running().pid();
    if let Ok(cwd) = fs::read_link(format!("/proc/{pid}/cwd")) {
        assert_eq!(cwd, Path::new("/"));
    }
    fs::remove_dir(&start).unwrap();
    replace(&house, pid);
    assert_eq!(house.ask(r#"{"cmd":"HOST"}"#)["cmd"], "HOST");
    house.stop();
    // It is gone before the daemon comes.
    let shell = "mkdir gone; cd gone; rmdir ../gone; exec \"$@\"";
    house.run_by(&["sh", "-c", shell, "sh"], &["-d"]).expect(0);
    replace(&house, house.running().pid());
    house.stop();
}

/// Everything below a directory, with what is in it.
fn tree(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                open.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}

type Prepare = fn(&House) -> Vec<String>;

#[test]
fn a_refused_start_leaves_nothing_new() {
    let table: [(&str, i32, Prepare); 9] = [
        ("a torrc that is wrong", 14, |house| {
            fs::write(house.root().join("torrc"), "Nonsense\n").unwrap();
            vec!["--torrc".into(), house.root().join("torrc").to_str().unwrap().into()]
        }),
        ("a configuration that is wrong", 15, |house| {
            fs::write(house.root().join("no-network.toml"), "nonsense = 1\n").unwrap();
            vec![]
        }),
        ("a port that is taken", 10, |_| vec!["PORT".into()]),
        ("a log that is a directory", 1, |house| {
            fs::create_dir_all(house.logs().join("torchatd.log")).unwrap();
            vec![]
        }),
        ("a log that is a link", 1, |house| {
            fs::create_dir(house.logs()).unwrap();
            std::os::unix::fs::symlink("/dev/null", house.logs().join("error.log")).unwrap();
            vec![]
        }),
        ("a socket in a place that is none", 1, |house| {
            vec!["--socket".into(), house.root().join("no/s").to_str().unwrap().into()]
        }),
        ("a socket whose path is a file", 1, |house| {
            fs::write(house.root().join("s"), "precious").unwrap();
            vec!["--socket".into(), house.root().join("s").to_str().unwrap().into()]
        }),
        ("a store that is a directory", 1, |house| {
            fs::create_dir(house.data()).unwrap();
            fs::set_permissions(house.data(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
            fs::create_dir(house.data().join("torchat.db-wal")).unwrap();
            vec![]
        }),
        ("a group that there is not", 15, |house| {
            let config = house.root().join("no-network.toml");
            let text = fs::read_to_string(&config).unwrap();
            let group =
                "[control]\ngroup_socket = \"/tmp/x/s\"\ngroup = \"no such group\"\nusers = { \"0\" = [\"read\"] }\n";
            fs::write(&config, format!("{group}{text}")).unwrap();
            vec![]
        }),
    ];
    for (what, code, prepare) in table {
        for background in [true, false] {
            let house = House::new();
            let mut line = prepare(&house);
            let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let port = taken.local_addr().unwrap().port().to_string();
            line.iter_mut().filter(|word| *word == "PORT").for_each(|word| word.clone_from(&port));
            let mut line: Vec<&str> = line.iter().map(String::as_str).collect();
            if background {
                line.push("-d");
            }
            let before = tree(house.root());
            let ended = house.run(&line);
            assert_eq!(ended.code, code, "{what}: {ended:?}");
            let mut after = tree(house.root());
            // Once the logs are open they say why.
            after.retain(|path| before.contains(path) || !path.starts_with(house.logs()));
            assert_eq!(after, before, "{what}: {ended:?}");
        }
    }
}

#[test]
fn a_name_that_is_not_utf_8_is_refused_in_its_own_words() {
    let house = House::new();
    let name = house.root().join(OsStr::from_bytes(b"d\xe9"));
    let before = tree(house.root());
    let shell = "exec \"$1\" --data-dir \"$(printf 'd\\351')\" --config no-network.toml --log-dir logs -d";
    let ended = house.run_by(&["sh", "-c", shell, "sh"], &[]).expect(11);
    assert!(ended.stderr.contains("not UTF-8") && ended.stderr.contains("--data-dir"), "{ended:?}");
    assert_eq!(tree(house.root()), before);
    assert!(!name.exists());
    // Of the others only the system reads.
    let shell = "exec \"$1\" --data-dir d --config no-network.toml --log-dir \"$(printf 'l\\351')\" -d";
    house.run_by(&["sh", "-c", shell, "sh"], &[]).expect(0);
    house.stop();
}

#[test]
fn a_full_disk_at_the_first_start_leaves_nothing() {
    let house = House::new();
    let test = "a_full_disk_at_the_first_start_leaves_nothing";
    if !skipped::is_root(test) {
        return;
    }
    let small = house.root().join("small");
    fs::create_dir(&small).unwrap();
    // In a namespace of its own, so that nothing stays mounted.
    let shell = r#"mount -t tmpfs -o size=64k,mode=700 none small && dd if=/dev/zero of=small/full bs=1k count=1000 2>/dev/null
        "$1" -d --data-dir small/d --log-dir logs --config no-network.toml; code=$?; ls -A small; exit $code"#;
    let ended = house.run_by(&["unshare", "-m", "sh", "-c", shell, "sh"], &[]);
    if ended.stderr.contains("unshare") || ended.stderr.contains("mount") {
        return skipped::skipped(test, skipped::NO_NAMESPACE);
    }
    assert_eq!(ended.code, 11, "{ended:?}");
    assert_eq!(ended.stdout.trim(), "full", "{ended:?}");
}

#[test]
fn two_starts_at_once_do_not_undo_each_other() {
    for _ in 0..3 {
        let house = House::new();
        let codes: Vec<i32> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| house.run(&["-d"]).code)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
        assert!(codes.iter().all(|code| [0, 13].contains(code)), "{codes:?}");
        assert_eq!(house.ask(r#"{"cmd":"HOST"}"#)["cmd"], "HOST");
        house.run(&["-d"]).expect(13);
        house.stop();
    }
}

#[test]
fn it_is_in_a_sandbox_and_stays_there_over_any_number_of_replacements() {
    let house = House::new();
    house.background(&[]);
    let pid = house.running().pid();
    let sentence = || house.ask(r#"{"cmd":"STATUS"}"#)["status"]["sandbox"].as_str().unwrap().to_owned();
    let said = sentence();
    if said != "on: landlock, seccomp" {
        // A kernel without one of them says so; this one's own word, by its list of what it can do.
        let has_landlock = fs::read_to_string("/sys/kernel/security/lsm").is_ok_and(|all| all.contains("landlock"));
        assert!(!has_landlock, "{said}");
        skipped::skipped("it_is_in_a_sandbox_and_stays_there_over_any_number_of_replacements", skipped::NO_SANDBOX);
    }
    assert!(said.contains("seccomp"), "{said}");
    // Landlock takes 16 layers: one for each replacement would end here.
    for _ in 0..18 {
        replace(&house, pid);
    }
    assert_eq!(sentence(), said);
    assert_eq!(field(pid, "Seccomp").unwrap(), "2");
    assert_eq!(field(pid, "Seccomp_filters").as_deref().unwrap_or("1"), "1");
    assert_eq!(field(pid, "NoNewPrivs").unwrap(), "1");
    house.stop();
    assert!(!house.data().join("control.sock").exists(), "the socket can be removed");
    let errors = fs::read_to_string(house.logs().join("error.log")).unwrap();
    assert!(!errors.contains("ermission denied"), "{errors}");
    // It can be switched off.
    let config = house.root().join("no-network.toml");
    let text = fs::read_to_string(&config).unwrap() + "[sandbox]\nlandlock = false\nseccomp = false\n";
    fs::write(&config, text).unwrap();
    house.background(&[]);
    assert_eq!(sentence(), "none: landlock is switched off; seccomp is switched off");
    assert_eq!(field(house.running().pid(), "Seccomp").unwrap(), "0");
    house.stop();
}

/// The files of Tor, by their names below the data directory.
fn of_tor(house: &House) -> Vec<PathBuf> {
    tree(&house.data().join("tor")).into_iter().filter(|path| path.is_file()).collect()
}

#[test]
fn damage_to_tors_files_costs_neither_the_start_nor_a_message() {
    let house = House::new();
    house.background(&[]);
    wait_until(|| of_tor(&house).iter().any(|path| path.ends_with("guards.json")));
    let peer = house::another_onion();
    assert_eq!(house.ask(&format!(r#"{{"cmd":"SEND","id":"{peer}","msg":"before"}}"#))["cmd"], "END");
    house.stop();
    let ways: [fn(&Path); 4] = [
        |path| fs::write(path, "").unwrap(),
        |path| fs::write(path, [0; 4096]).unwrap(),
        |path| fs::write(path, [0xa5; 4096]).unwrap(),
        |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        },
    ];
    for (round, damage) in ways.into_iter().enumerate() {
        let files = of_tor(&house);
        files.iter().filter(|path| !path.to_string_lossy().contains("damaged-")).for_each(|path| damage(path));
        house.background(&[]);
        assert_eq!(house.ask(&format!(r#"{{"cmd":"SEND","id":"{peer}","msg":"{round}"}}"#))["cmd"], "END");
        let history = house.ask(&format!(r#"{{"cmd":"HISTORY","id":"{peer}","msg":"100"}}"#));
        assert_eq!(history["lines"].as_array().unwrap().len(), round + 2, "{history}");
        let mut status = serde_json::Value::Null;
        let told = within_patience(|| {
            status = house.ask(r#"{"cmd":"STATUS"}"#)["status"].clone();
            let notices = status["notices"].as_array().unwrap();
            let told = notices.iter().any(|n| n["sentence"].as_str().unwrap().contains("set aside"));
            told && status["tor"]["sentence"].as_str().unwrap().starts_with("connecting")
        });
        assert!(told, "round {round}: {status}");
        wait_until(|| house.data().join("tor/state/state/guards.json").metadata().is_ok_and(|file| file.len() > 2));
        house.stop();
    }
    // What is of no use to Tor at all is no reason either: a file in the place of its directory.
    fs::remove_dir_all(house.data().join("tor")).unwrap();
    fs::write(house.data().join("tor"), "x").unwrap();
    house.background(&[]);
    let sentence = || house.ask(r#"{"cmd":"STATUS"}"#)["status"]["tor"]["sentence"].as_str().unwrap().to_owned();
    assert!(within_patience(|| !sentence().starts_with("starting")), "{}", sentence());
    println!("{}", sentence());
    house.stop();
}

/// A user that is not the one who runs the test.
const STRANGER: u32 = 65_534;

#[test]
fn a_key_of_another_owner_is_refused() {
    let house = House::new();
    if !skipped::is_root("a_key_of_another_owner_is_refused") {
        return;
    }
    house.background(&[]);
    house.stop();
    let key = house.data().join("identity.key");
    std::os::unix::fs::chown(&key, Some(STRANGER), None).unwrap();
    let before = tree(house.root());
    let refused = house.run(&["-d"]).expect(12);
    assert!(refused.stderr.contains("belongs to user 65534"), "{refused:?}");
    assert_eq!(tree(house.root()), before);
    std::os::unix::fs::chown(&key, Some(0), None).unwrap();
    house.background(&[]);
    house.stop();
}

#[test]
fn a_checkout_of_a_stranger_gets_no_log() {
    let house = House::new();
    let precious = house.root().join("precious");
    fs::write(&precious, "precious").unwrap();
    let set =
        |path: &Path, mode: u32| fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    let data = house.data();
    let config = house.config();
    let line = ["-d", "--data-dir", data.to_str().unwrap(), "--config", &config];
    type Spoil<'a> = Box<dyn Fn(&Path) + 'a>;
    let mut kinds: Vec<(&str, Spoil<'_>)> = vec![
        ("logs that all may write", Box::new(|dir: &Path| set(&dir.join("logs"), 0o777))),
        ("a place that all may write", Box::new(|dir: &Path| set(dir, 0o777))),
        ("a torrc that all may write", Box::new(|dir: &Path| set(&dir.join("torrc"), 0o666))),
        (
            "a link",
            Box::new(|dir: &Path| {
                fs::remove_dir(dir.join("logs")).unwrap();
                std::os::unix::fs::symlink("..", dir.join("logs")).unwrap();
            }),
        ),
    ];
    if skipped::is_root("a_checkout_of_a_stranger_gets_no_log") {
        for part in ["", "logs", "torrc"] {
            let give = move |dir: &Path| std::os::unix::fs::chown(dir.join(part), Some(STRANGER), None).unwrap();
            kinds.push(("something of another user", Box::new(give)));
        }
    }
    for (number, (what, prepare)) in kinds.into_iter().enumerate() {
        let dir = house.root().join(format!("checkout{number}"));
        fs::create_dir_all(dir.join("logs")).unwrap();
        fs::write(dir.join("torrc"), "").unwrap();
        for path in [&dir, &dir.join("logs")] {
            set(path, 0o755);
        }
        prepare(&dir);
        let ended = house.run_in(&dir, &line);
        assert_eq!(ended.code, 0, "{what}: {ended:?}");
        house.stop();
        assert_eq!(
            dir.join("logs").read_dir().unwrap().filter(|e| e.as_ref().unwrap().file_name() == "torchatd.log").count(),
            0,
            "{what}"
        );
        assert!(house.root().join("state/torchatd/torchatd.log").exists(), "{what}: where the logs of a user go");
    }
    // One's own is a checkout as ever.
    let dir = house.root().join("own");
    fs::create_dir_all(dir.join("logs")).unwrap();
    fs::write(dir.join("torrc"), "").unwrap();
    for path in [&dir, &dir.join("logs")] {
        set(path, 0o755);
    }
    assert_eq!(house.run_in(&dir, &line).code, 0);
    // And a link that comes later is not followed.
    let log = dir.join("logs/torchatd.log");
    fs::remove_file(&log).unwrap();
    std::os::unix::fs::symlink(&precious, &log).unwrap();
    house.stop();
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
}
