//! `torchatd identity export` and `import` as their users meet them: real processes, files, modes, exit codes, and a daemon
//! that is the same onion afterwards. No packet leaves loopback, see `lifecycle.rs`.

#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "lifecycle/house.rs"]
mod house;
#[path = "identity/terminal.rs"]
mod terminal;

use house::House;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

const PASSPHRASE: &str = "correct horse bättery staple";
const ONLY_ONE: &str = "--this-copy-is-now-the-only-one";

struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Ended {
    /// That it ended so and said this; and that nothing of the passphrase was said.
    fn expect(self, code: i32, says: &str) -> Self {
        let Self { stdout, stderr, .. } = &self;
        assert_eq!(self.code, code, "{stdout}{stderr}");
        assert!(stderr.contains(says), "{says:?} in {stderr:?}");
        assert!(!stdout.contains(PASSPHRASE) && !stderr.contains(PASSPHRASE), "{stdout}{stderr}");
        self
    }
}

/// `torchatd identity`, with this standard input.
fn identity(house: &House, line: &[&str], input: &str) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_torchatd"));
    command.arg("identity").args(line).current_dir(house.root()).env_clear();
    for (name, dir) in [("HOME", ""), ("XDG_DATA_HOME", "share"), ("XDG_STATE_HOME", "state")] {
        command.env(name, house.root().join(dir));
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may refuse before it reads.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn export(house: &House, file: &Path) -> Ended {
    let data = house.data();
    let line = ["export", "--data-dir", text(&data), "--passphrase-file", "-", text(file)];
    identity(house, &line, &format!("{PASSPHRASE}\nnot this line\n"))
}

fn import(house: &House, file: &Path, passphrase: &str) -> Ended {
    let data = house.data();
    let line = ["import", "--data-dir", text(&data), "--passphrase-file", "-", ONLY_ONE, text(file)];
    identity(house, &line, passphrase)
}

fn export_words(house: &House) -> String {
    let data = house.data();
    let ended = identity(house, &["export", "--words", "--data-dir", text(&data)], "").expect(0, "can be you");
    ended.stdout
}

fn import_words(house: &House, words: &str) -> Ended {
    let data = house.data();
    identity(house, &["import", "--words", "--data-dir", text(&data), ONLY_ONE], words)
}

/// A daemon that ran once, and its onion.
fn lived_in() -> (House, String) {
    let house = House::new();
    house.background(&[]);
    let onion = onion(&house);
    house.stop();
    (house, onion)
}

fn onion(house: &House) -> String {
    house.ask(r#"{"cmd":"HOST"}"#)["msg"].as_str().unwrap().to_owned()
}

/// The value of a line of `identity.key`.
fn line_of(house: &House, name: &str) -> String {
    let key = house.read("identity.key");
    key.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned()
}

fn epoch(house: &House) -> u32 {
    line_of(house, "epoch").parse().unwrap()
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().mode() & 0o7777
}

/// Everything below a directory, with modes and content: two of them differ if anything was changed.
fn everything(dir: &Path) -> Vec<(PathBuf, u32, Vec<u8>)> {
    let mut all = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(path) = open.pop() {
        let kind = path.symlink_metadata().unwrap().file_type();
        let content = if kind.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        all.push((path.clone(), mode(&path), content));
        if kind.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    all.sort();
    all
}

#[test]
fn a_file_carries_the_onion_to_another_directory() {
    let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let old = House::new();
    let _daemon = old.background(&[]);
    let host = onion(&old);
    let key = old.read("identity.key");
    let file = old.root().join("copy");
    // While it runs: reading the key disturbs nobody.
    let exported = export(&old, &file).expect(0, "no contacts and no messages");
    assert!(exported.stdout.contains(&host), "{}", exported.stdout);
    assert_eq!(mode(&file), 0o600);
    assert_eq!(file.metadata().unwrap().len(), 121);
    assert_eq!(old.read("identity.key"), key);
    old.stop();

    let new = House::new();
    let imported = import(&new, &file, PASSPHRASE).expect(0, "Delete every other");
    assert!(imported.stdout.contains(&host), "{}", imported.stdout);
    assert_eq!((mode(&new.data()), mode(&new.data().join("identity.key"))), (0o700, 0o600));
    assert_eq!(line_of(&new, "onion-seed"), line_of(&old, "onion-seed"));
    assert_ne!(line_of(&new, "device-key"), line_of(&old, "device-key"), "two machines share no device key");
    assert_eq!(epoch(&old), 0);
    assert!(u64::from(epoch(&new)) >= begun, "{}", epoch(&new));
    let names: Vec<_> = fs::read_dir(new.data()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "the key and the lock: {names:?}");
    let _daemon = new.background(&[]);
    assert_eq!(onion(&new), host);
    new.stop();

    // On and on: every copy knows that it is younger than the one before.
    let (third, again) = (House::new(), new.root().join("again"));
    export(&new, &again).expect(0, "");
    assert_ne!(fs::read(&again).unwrap()[29..], fs::read(&file).unwrap()[29..], "salt and nonce are fresh");
    import(&third, &again, PASSPHRASE).expect(0, "");
    assert!(epoch(&third) > epoch(&new), "{} {}", epoch(&third), epoch(&new));
}

#[test]
fn words_carry_the_onion_too() {
    let (old, host) = lived_in();
    let words = export_words(&old);
    assert_eq!(words.split_whitespace().count(), 24);
    let new = House::new();
    // As somebody types them.
    let typed = format!("  {}\n\n", words.to_uppercase().replace(' ', "\t \n"));
    let imported = import_words(&new, &typed).expect(0, "");
    assert!(imported.stdout.contains(&host), "{}", imported.stdout);
    for word in words.split_whitespace() {
        let around = format!(" {word} ");
        assert!(!imported.stdout.to_lowercase().contains(&around), "a word is repeated");
    }
    assert!(epoch(&new) > 0);
    let _daemon = new.background(&[]);
    assert_eq!(onion(&new), host);
}

#[test]
fn an_identity_is_never_overwritten() {
    let ((old, _), (other, _)) = (lived_in(), lived_in());
    let (file, words) = (old.root().join("copy"), export_words(&old));
    export(&old, &file).expect(0, "");
    let before = everything(other.root());
    import(&other, &file, PASSPHRASE).expect(1, "never overwritten");
    import_words(&other, &words).expect(1, "never overwritten");
    // Its own one neither.
    let own = everything(old.root());
    import(&old, &file, PASSPHRASE).expect(1, "never overwritten");
    assert_eq!(everything(old.root()), own);
    assert_eq!(everything(other.root()), before);
    // Without its key the directory still has somebody's messages.
    fs::remove_file(other.data().join("identity.key")).unwrap();
    let before = everything(other.root());
    import(&other, &file, PASSPHRASE).expect(1, "torchat.db");
    import_words(&other, &words).expect(1, "torchat.db");
    assert_eq!(everything(other.root()), before);
}

#[test]
fn it_must_be_the_only_copy() {
    let (old, _) = lived_in();
    let (file, words) = (old.root().join("copy"), export_words(&old));
    export(&old, &file).expect(0, "");
    let new = House::new();
    let before = everything(new.root());
    let data = new.data();
    let line = ["import", "--data-dir", text(&data), "--passphrase-file", "-", text(&file)];
    let refused = identity(&new, &line, PASSPHRASE).expect(1, ONLY_ONE);
    assert!(refused.stderr.contains("overwrite each other's descriptor"), "{}", refused.stderr);
    identity(&new, &["import", "--words", "--data-dir", text(&data)], &words).expect(1, ONLY_ONE);
    assert_eq!(everything(new.root()), before);
}

#[test]
fn a_running_daemon_is_left_alone() {
    let (old, _) = lived_in();
    let file = old.root().join("copy");
    export(&old, &file).expect(0, "");
    let running = House::new();
    let daemon = running.background(&[]);
    let (host, key) = (onion(&running), running.read("identity.key"));
    import(&running, &file, PASSPHRASE).expect(13, &daemon.pid().to_string());
    // Nor when somebody has taken its key away meanwhile.
    let key_file = running.data().join("identity.key");
    fs::remove_file(&key_file).unwrap();
    import_words(&running, &export_words(&old)).expect(13, &daemon.pid().to_string());
    assert!(!key_file.exists());
    fs::write(&key_file, key).unwrap();
    assert_eq!(onion(&running), host);
    assert!(running.data().join("pid").exists());
}

#[test]
fn what_cannot_be_imported_changes_nothing() {
    let (old, _) = lived_in();
    let file = old.root().join("copy");
    export(&old, &file).expect(0, "");
    let good = fs::read(&file).unwrap();
    let new = House::new();
    let bad = old.root().join("bad");
    let before = everything(new.root());
    let mut later = good.clone();
    later[16] = 2;
    let mut greedy = good.clone();
    greedy[17..21].fill(0xff);
    let mut long = good.clone();
    long.push(b'\n');
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let key = fs::read(old.data().join("identity.key")).unwrap();
    for (bytes, says) in [
        (&good[..0], "cut off: 0 of"),
        (&good[..100], "cut off: 100 of"),
        (&key, "a different file"),
        (&later, "use a later torchatd"),
        (&greedy, "out of bounds"),
        (&long, "more than"),
        (&flipped, "the passphrase is wrong or the file is damaged"),
    ] {
        fs::write(&bad, bytes).unwrap();
        import(&new, &bad, PASSPHRASE).expect(1, says);
    }
    import(&new, &file, "another passphrase").expect(1, "the passphrase is wrong or the file is damaged");
    import(&new, &file, "").expect(1, "empty");
    import(&new, &old.root().join("missing"), PASSPHRASE).expect(1, "missing");
    let data = new.data();
    identity(&new, &["import", "--data-dir", text(&data), ONLY_ONE, text(&file)], PASSPHRASE).expect(1, "no terminal");

    let words = export_words(&old);
    let mut slip: Vec<&str> = words.split_whitespace().collect();
    slip[16] = "torchat";
    let refused = import_words(&new, &slip.join(" ")).expect(1, "word 17 ");
    assert!(!refused.stderr.contains("torchat "), "a word is repeated: {}", refused.stderr);
    import_words(&new, &["abandon"; 24].join(" ")).expect(1, "checksum");
    import_words(&new, &["abandon"; 23].join(" ")).expect(1, "23 words");
    import_words(&new, "").expect(1, "0 words");
    import_words(&new, &"abandon ".repeat(1000)).expect(1, "longer than");
    assert_eq!(everything(new.root()), before);
}

#[test]
fn directories_are_checked_as_for_a_start() {
    let (old, _) = lived_in();
    let file = old.root().join("copy");
    export(&old, &file).expect(0, "");
    let new = House::new();
    let missing = new.root().join("no/d");
    identity(&new, &["import", "--words", "--data-dir", text(&missing), ONLY_ONE], "").expect(11, "no/d");
    assert!(!new.root().join("no").exists());
    fs::create_dir(new.data()).unwrap();
    fs::set_permissions(new.data(), Permissions::from_mode(0o755)).unwrap();
    let before = everything(new.root());
    import(&new, &file, PASSPHRASE).expect(12, "chmod 700");
    assert_eq!(everything(new.root()), before);
    // An empty one that is ours is as good as none.
    fs::set_permissions(new.data(), Permissions::from_mode(0o700)).unwrap();
    import(&new, &file, PASSPHRASE).expect(0, "");
    // The default one is made with its parents.
    let line = ["import", "--passphrase-file", "-", ONLY_ONE, text(&file)];
    identity(&new, &line, PASSPHRASE).expect(0, "");
    assert_eq!(mode(&new.root().join("share/torchatd/identity.key")), 0o600);
}

#[test]
fn what_cannot_be_exported_changes_nothing() {
    let (house, _) = lived_in();
    let (file, data) = (house.root().join("copy"), house.data());
    fs::write(&file, "precious").unwrap();
    let before = everything(house.root());
    export(&house, &file).expect(1, "does not overwrite it");
    let new = house.root().join("new");
    export(&house, &house.root().join("no/copy")).expect(1, "no/copy");
    let line = ["export", "--data-dir", text(&data), "--passphrase-file", "-", text(&new)];
    identity(&house, &line, "too short\n").expect(1, "12 at least");
    identity(&house, &line, "\n").expect(1, "empty");
    identity(&house, &line, &"x".repeat(2000)).expect(1, "longer than 1024 bytes");
    let line = ["export", "--data-dir", text(&data), text(&new)];
    identity(&house, &line, PASSPHRASE).expect(1, "no terminal");
    let line = ["export", "--data-dir", text(&data), "--passphrase-file", "missing", text(&new)];
    identity(&house, &line, PASSPHRASE).expect(1, "missing");
    assert_eq!(everything(house.root()), before);

    let empty = House::new();
    let before = everything(empty.root());
    export(&empty, &new).expect(11, "does not exist");
    assert_eq!(everything(empty.root()), before);
    fs::create_dir(empty.data()).unwrap();
    export(&empty, &new).expect(1, "nothing to export");
    fs::set_permissions(data.join("identity.key"), Permissions::from_mode(0o644)).unwrap();
    export(&house, &new).expect(12, "0644");
    assert!(!new.exists());
}

#[test]
fn usage_errors_are_2() {
    let house = House::new();
    for line in [&["export"][..], &["import"], &["export", "--words", "file"], &["export", "--passphrase", "x", "file"]]
    {
        identity(&house, line, "").expect(2, "Usage");
    }
    house.nothing_was_made();
}

#[test]
fn the_passphrase_comes_from_a_file_as_well() {
    let (old, host) = lived_in();
    let (file, secret) = (old.root().join("copy"), old.root().join("passphrase"));
    fs::write(&secret, format!("{PASSPHRASE}\r\nsecond line")).unwrap();
    let data = old.data();
    let line = ["export", "--data-dir", text(&data), "--passphrase-file", text(&secret), text(&file)];
    identity(&old, &line, "").expect(0, "");
    // Its end of line is no part of it.
    let new = House::new();
    let imported = import(&new, &file, &format!("{PASSPHRASE}\n")).expect(0, "");
    assert!(imported.stdout.contains(&host), "{}", imported.stdout);
}

/// A key of before there were epochs: it serves, it is exported, and nobody writes to it.
#[test]
fn a_key_of_version_1_is_not_rewritten() {
    let house = House::new();
    fs::create_dir(house.data()).unwrap();
    fs::set_permissions(house.data(), Permissions::from_mode(0o700)).unwrap();
    let key = house.data().join("identity.key");
    let old = format!(
        "torchat identity v1\nonion-seed {}\ndevice-key {}\n\
         checksum 592880430b10683324bfc5f947a3e701f0a42649deb3275cdd36f315a21312bf\n",
        "11".repeat(32),
        "fe".repeat(32)
    );
    fs::write(&key, &old).unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    house.background(&[]);
    let host = onion(&house);
    house.stop();
    let words = export_words(&house);
    assert_eq!(fs::read_to_string(&key).unwrap(), old);
    let new = House::new();
    let imported = import_words(&new, &words).expect(0, "");
    assert!(imported.stdout.contains(&host), "{}", imported.stdout);
}

#[test]
fn a_terminal_is_asked_and_does_not_show_the_passphrase() {
    let (old, host) = lived_in();
    let (file, new) = (old.root().join("copy"), House::new());
    let (from, to) = (old.data(), new.data());
    let export = ["identity", "export", "--data-dir", text(&from), text(&file)];
    let import = ["identity", "import", "--data-dir", text(&to), text(&file)];

    let mut terminal = terminal::run(old.root(), &export);
    terminal.answer("New passphrase: ", &format!("{PASSPHRASE}\r"));
    terminal.answer("The same again: ", "something else\r");
    assert_eq!(terminal.end_saying("the two passphrases differ"), 1);
    assert!(!file.exists());

    let mut terminal = terminal::run(old.root(), &export);
    terminal.answer("New passphrase: ", "\x03");
    assert_eq!(terminal.end_saying("given up"), 1);
    assert!(!file.exists());

    let mut terminal = terminal::run(old.root(), &export);
    for question in ["New passphrase: ", "The same again: "] {
        // With a slip that is mended.
        terminal.answer(question, &format!("{PASSPHRASE}xy\x7f\x7f\r"));
    }
    assert_eq!(terminal.end_saying(&host), 0);
    assert!(!terminal.said().contains("horse"), "{}", terminal.said());

    let before = everything(new.root());
    let mut terminal = terminal::run(new.root(), &import);
    terminal.answer("Passphrase: ", &format!("{PASSPHRASE}\r"));
    terminal.answer("> ", "yes\r");
    assert_eq!(terminal.end_saying("nothing was changed"), 1);
    assert!(terminal.said().contains(&host), "what it would become is shown: {}", terminal.said());
    assert_eq!(everything(new.root()), before);

    let mut terminal = terminal::run(new.root(), &import);
    terminal.answer("Passphrase: ", &format!("{PASSPHRASE}\r"));
    terminal.answer("> ", "This copy is now  the only one\r");
    assert_eq!(terminal.end_saying(&host), 0);
    assert!(!terminal.said().contains("horse"), "{}", terminal.said());
    assert_eq!(line_of(&new, "onion-seed"), line_of(&old, "onion-seed"));
}

#[test]
fn words_are_typed_at_a_terminal() {
    let (old, host) = lived_in();
    let words = export_words(&old);
    let new = House::new();
    let to = new.data();
    let mut terminal = terminal::run(new.root(), &["identity", "import", "--words", "--data-dir", text(&to)]);
    // The last line is complete at its end: nobody has to know about Ctrl-D.
    terminal.answer("words", &words.replace('\n', "\r"));
    terminal.answer("type: ", "this copy is now the only one\r");
    assert_eq!(terminal.end_saying(&host), 0);
    assert_eq!(line_of(&new, "onion-seed"), line_of(&old, "onion-seed"));
}
