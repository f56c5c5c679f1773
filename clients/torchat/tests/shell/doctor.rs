//! `torchat doctor` against daemons that have each trouble that can be made here.

use super::support::{House, Ran};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use torchat_client::api::{ApiClientError, Code, command};

fn mode(path: &Path, bits: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(bits)).unwrap();
}

/// What the JSON form says of one check: grade, sentence, advice. The last finding of it.
fn finding(house: &House, arguments: &[&str], check: &str) -> (Option<i32>, [String; 3]) {
    let ran = house.torchat(&[&["doctor", "--json"], arguments].concat());
    let rows: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let row = rows.iter().rfind(|row| row["check"] == check).unwrap_or_else(|| panic!("no {check}: {ran:?}"));
    (ran.code, ["grade", "sentence", "do"].map(|key| row[key].as_str().unwrap_or_default().to_owned()))
}

/// What is wrong, by the text form.
fn wrong(ran: &Ran) -> Vec<&str> {
    ran.stdout.lines().filter_map(|line| line.strip_prefix("WRONG  ")?.split(':').next()).collect()
}

#[test]
fn what_is_open_to_others_is_code_10() {
    let house = House::strangers();
    let data = house.alice.data().to_owned();
    let socket = house.alice.socket();
    let key = data.join("identity.key");
    std::fs::write(&key, "").unwrap();
    mode(&key, 0o600);
    mode(&data, 0o755);
    let ran = house.torchat(&["doctor"]);
    assert_eq!((ran.code, wrong(&ran)), (Some(10), vec!["data"]), "{ran:?}");
    assert!(ran.stdout.contains("\n       -> chmod 700"), "{ran:?}");
    mode(&data, 0o700);
    for (path, check, open, closed) in [(&socket, "socket", 0o666, 0o600), (&key, "key", 0o644, 0o600)] {
        mode(path, open);
        let (code, [grade, _, advice]) = finding(&house, &[], check);
        assert_eq!((code, grade.as_str()), (Some(10), "wrong"), "{check}");
        assert!(advice.starts_with("chmod 600"), "{advice}");
        mode(path, closed);
        assert_eq!(finding(&house, &[], check).0, Some(0), "{check}");
    }
    let token = house.dir().join("token");
    let made = house.torchat(&["token", "create", "reader", "--right", "read"]).stdout;
    std::fs::write(&token, made).unwrap();
    for (bits, code) in [(0o600, 0), (0o644, 10)] {
        mode(&token, bits);
        let (found, [_, sentence, _]) = finding(&house, &["--token-file", token.to_str().unwrap()], "token");
        assert_eq!(found, Some(code), "{sentence}");
    }
}

#[test]
fn a_tor_that_does_not_work_is_code_12_and_a_clock_that_it_complains_of_is_code_11() {
    let with = |trouble: &str| House::with(&[&format!("trouble={trouble}")]);
    let house = with("no relay answers");
    let ran = house.torchat(&["doctor"]);
    assert_eq!((ran.code, wrong(&ran)), (Some(12), vec!["tor"]), "{ran:?}");
    assert!(ran.stdout.contains("WRONG  tor: no relay answers (40 %).\n       -> "), "{ran:?}");
    // Its onion is not dialled: that would say the same once more, a minute later.
    assert!(ran.stdout.contains("note   onion: nobody can reach your onion while Tor does not work."), "{ran:?}");
    let house = House::with(&["trouble=the time is two hours off", "clock-wrong"]);
    let ran = house.torchat(&["doctor"]);
    assert_eq!((ran.code, wrong(&ran)), (Some(11), vec!["clock", "tor"]), "{ran:?}");
    let (code, [grade, _, advice]) = finding(&house, &[], "clock");
    assert_eq!((code, grade.as_str()), (Some(11), "wrong"));
    assert!(advice.starts_with("set it, for example with `timedatectl"), "{advice}");
}

#[test]
fn an_onion_that_does_not_answer_is_code_13() {
    let house = House::strangers();
    let onion = house.onion(&house.alice).0.onion();
    // Nobody finds it there any more, itself included.
    std::fs::remove_file(house.dir().join("peers").join(onion)).unwrap();
    let ran = house.torchat(&["doctor"]);
    assert_eq!((ran.code, wrong(&ran)), (Some(13), vec!["onion"]), "{ran:?}");
    assert!(ran.stdout.contains("did not answer over a fresh circuit") && ran.stdout.contains("nothing is lost"));
    // The second within a minute tells of the first.
    let (code, [grade, sentence, advice]) = finding(&house, &[], "onion");
    assert_eq!((code, grade.as_str()), (Some(13), "wrong"), "{sentence}");
    assert!(advice.contains("nothing is lost"), "{advice}");
}

#[test]
fn a_store_that_takes_nothing_is_code_14() {
    let house = House::with(&["bytes=614400"]);
    let (api, peer) = (house.api(&house.alice), house.onion(&house.bob).conversation());
    let mut house = house;
    house.bob.stop().unwrap();
    let refused = (0..200).find_map(|_| {
        let text = "x".repeat(60_000);
        let send = command::Send {
            peer,
            text,
            client_id: None,
            wait: None,
            timeout: None,
            expire: None,
            re: None,
            to: Vec::new(),
        };
        api.call(&send).err()
    });
    assert!(matches!(refused, Some(ApiClientError::Refused(ref error)) if error.code == Code::Storage), "{refused:?}");
    let ran = house.torchat(&["doctor"]);
    assert_eq!((ran.code, wrong(&ran)), (Some(14), vec!["storage"]), "{ran:?}");
    assert!(ran.stdout.contains("-> make room"), "{ran:?}");
    // What waits is told beside it, with the reason.
    assert!(ran.stdout.contains(" undelivered.\n"), "{ran:?}");
}

#[test]
fn what_waits_is_told_with_its_reason_and_is_nothing_wrong() {
    let mut house = House::friends();
    house.bob.stop().unwrap();
    assert_eq!(house.torchat(&["send", "bob", "wait for it"]).code, Some(0));
    let ran = house.torchat(&["doctor"]);
    assert_eq!((ran.code, wrong(&ran)), (Some(0), vec![]), "{ran:?}");
    assert!(ran.stdout.contains("note   queue: 1 message undelivered.\n       -> the daemon sends each"), "{ran:?}");
    assert!(ran.stdout.contains("note   queue: 1 message for bob: "), "{ran:?}");
}

#[test]
fn no_daemon_is_code_3_and_the_files_are_looked_at_all_the_same() {
    let mut house = House::strangers();
    house.alice.stop().unwrap();
    mode(house.alice.data(), 0o711);
    let ran = house.torchat(&["doctor"]);
    assert_eq!((ran.code, wrong(&ran)), (Some(3), vec!["daemon", "data"]), "{ran:?}");
    let (code, [grade, ..]) = finding(&house, &[], "clock");
    assert_eq!((code, grade.as_str()), (Some(3), "ok"));
    // Somebody else's program on the socket.
    let listener = std::os::unix::net::UnixListener::bind(house.alice.socket()).unwrap();
    let squatter = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut stream, b"220 mail\r\n").unwrap();
    });
    let ran = house.torchat(&["doctor"]);
    squatter.join().unwrap();
    assert_eq!((ran.code, wrong(&ran).first()), (Some(7), Some(&"daemon")), "{ran:?}");
}

#[test]
fn a_token_that_may_not_look_is_refused() {
    let house = House::friends();
    let token = house.dir().join("token");
    std::fs::write(&token, house.torchat(&["token", "create", "sender", "--right", "send"]).stdout).unwrap();
    mode(&token, 0o600);
    let ran = house.torchat(&["doctor", "--token-file", token.to_str().unwrap()]);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(ran.stdout.starts_with("ok     daemon: ") && ran.stderr.contains("\"read\""), "{ran:?}");
}
