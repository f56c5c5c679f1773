//! A name reaches the peer that the user means, whatever a stranger calls itself and whatever its onion begins with.

use super::support::{House, PATIENCE, Ran};
use torchat_client::api::command;
use torchat_testkit::daemon::eventually;
use torchat_testkit::loopback::Loopback;

/// Carol, a stranger, asks Alice; returns her and her onion.
fn carol_asks(house: &House) -> (Loopback, String) {
    let carol = Loopback::start(house.dir(), "carol", 3).unwrap();
    let (api, alice) = (house.api(&carol), house.onion(&house.alice).0.onion());
    let onion = house.onion(&carol).0.onion();
    api.call(&command::Add { peer: alice, text: "hello".into() }).unwrap();
    eventually("her request is there", PATIENCE, || {
        Ok(house.torchat(&["contacts", "requests"]).stdout.contains(&onion).then_some(()))
    })
    .unwrap();
    (carol, onion)
}

fn has(ran: &Ran, code: i32, words: &str) {
    assert!(ran.code == Some(code) && ran.stderr.contains(words), "{code}, {words}: {ran:?}");
}

#[test]
fn a_stranger_whose_onion_begins_like_a_contacts_name_takes_nothing_that_is_meant_for_it() {
    let house = House::friends();
    let bob = house.onion(&house.bob).0.onion();
    let (_carol, onion) = carol_asks(&house);
    // Here the name was made to fit the onion; an onion that fits a name takes some seconds.
    let name = &onion[..6];
    assert_eq!(house.torchat(&["contacts", "rename", "bob", name]).code, Some(0));
    assert_eq!(house.torchat(&["send", name, "for bob", "--wait", "delivered"]).code, Some(0));
    assert_eq!(house.torchat_with(&["pipe", name, "--flush", "60"], b"by pipe\n").code, Some(0));
    assert!(house.torchat(&["history", name]).stdout.ends_with(": by pipe\n"));
    assert!(house.torchat(&["contacts", "appear", name, "online", "--json"]).stdout.contains(&bob));
    // The name is gone: what it meant by chance is not reached by anything that sends or allows.
    assert_eq!(house.torchat(&["contacts", "rename", &bob, "bobby"]).code, Some(0));
    let hint = format!("{onion}, write the whole onion");
    for command in [
        &["send", name, "a secret for bob"][..],
        &["pipe", name],
        &["contacts", "add", name],
        &["contacts", "block", name],
        &["contacts", "remove", name],
        &["contacts", "rename", name, "x"],
        &["contacts", "appear", name, "offline"],
        &["token", "create", "t", "--right", "send", "--peer", name],
        &["history", name],
        &["export", name],
        &["recv", "--peer", name],
        &["search", "x", "--peer", name],
        &["tail", "--peer", name],
    ] {
        has(&house.torchat(command), 6, &hint);
    }
    assert!(!house.torchat(&["contacts"]).stdout.contains(&onion), "she is no contact");
    assert_eq!(house.torchat(&["contacts", "unblock", name]).code, Some(6));
    // By the whole onion, and where it is asked about requests, she can be named; with it she may be written to.
    assert_eq!(house.torchat(&["contacts", "accept", name]).code, Some(0));
    assert_eq!(house.torchat(&["send", name, "hello Carol"]).code, Some(0));
}

#[test]
fn a_contact_hides_no_request_and_a_request_no_contact() {
    let house = House::friends();
    let bob = house.onion(&house.bob).0.onion();
    let (_carol, onion) = carol_asks(&house);
    assert_eq!(house.torchat(&["contacts", "rename", "bob", &onion[..8]]).code, Some(0));
    // About requests a contact's name and onion mean nothing.
    for none in [&bob[..8], "bobby"] {
        has(&house.torchat(&["contacts", "accept", none]), 6, "of anybody who asks");
        has(&house.torchat(&["contacts", "refuse", none]), 6, "of anybody who asks");
    }
    let refused = house.torchat(&["contacts", "refuse", &onion[..8], "--json"]);
    assert!(refused.code == Some(0) && refused.stdout.contains(&onion), "{refused:?}");
    let blocked = house.torchat(&["contacts", "block", &onion[..8], "--json"]);
    assert!(blocked.code == Some(0) && blocked.stdout.contains(&bob), "{blocked:?}");
    // The name went with it.
    let freed = house.torchat(&["contacts", "unblock", &bob[..8], "--json"]);
    assert!(freed.code == Some(0) && freed.stdout.contains(&bob), "{freed:?}");
    // A stranger is blocked by its whole onion.
    assert_eq!(house.torchat(&["contacts", "block", &onion]).code, Some(0));
}

#[test]
fn a_new_name_that_another_contact_has_or_that_reads_like_it_is_warned_of() {
    let house = House::friends();
    let carol = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd";
    assert_eq!(house.torchat(&["contacts", "add", carol]).code, Some(0));
    let rename = |name: &str| house.torchat(&["contacts", "rename", carol, name]);
    for (name, warning) in
        [("bob", "has the name \"bob\", too"), ("Bob", "reads like \"bob\""), ("b0b", "reads like \"bob\"")]
    {
        let ran = rename(name);
        has(&ran, 0, warning);
        assert!(ran.stderr.contains("5vesrrri") && ran.stdout.is_empty(), "{ran:?}");
    }
    let json = house.torchat(&["contacts", "rename", carol, "bob", "--json"]);
    assert!(json.stderr.starts_with("{\"warning\":{\"code\":\"name-taken\"") && json.code == Some(0), "{json:?}");
    for name in ["carol", ""] {
        assert_eq!((rename(name).code, rename(name).stderr.as_str()), (Some(0), ""), "{name}");
    }
    // Its own name again is no twin.
    assert_eq!(house.torchat(&["contacts", "rename", "bob", "bob"]).stderr, "");
}

#[test]
fn who_may_not_look_up_names_is_told_to_write_the_onion_and_in_no_words_of_the_api() {
    let house = House::friends();
    let bob = house.onion(&house.bob).0.onion();
    let made = house.torchat(&["token", "create", "cron", "--right", "send", "--output", "cron.token"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let cron = |words: &[&str]| house.torchat(&[&["--token-file", "cron.token"], words].concat());
    for words in [&["send", "bob", "hello"][..], &["history", "bob"], &["contacts", "rename", "bob", "b"]] {
        has(&cron(words), 4, "name the peer by the full onion");
    }
    assert_eq!(cron(&["send", &bob, "hello"]).code, Some(0));
    for words in [
        &["history", &bob][..],
        &["contacts"],
        &["status"],
        &["token", "list"],
        &["recv"],
        &["contacts", "block", &bob],
    ] {
        let ran = cron(words);
        assert_eq!(ran.code, Some(4), "{words:?}: {ran:?}");
        let shouts = |word: &str| word.len() > 3 && word.chars().all(|c| c.is_ascii_uppercase());
        assert!(!ran.stderr.split(|c: char| !c.is_ascii_alphabetic()).any(shouts), "{words:?}: {ran:?}");
    }
    assert_eq!(house.torchat(&["token", "revoke", "cron"]).code, Some(0));
    has(&cron(&["host"]), 4, "--token-file FILE");
}

#[test]
fn the_sign_of_a_verified_contact_stands_before_its_name_and_no_name_holds_it() {
    let house = House::friends();
    house.bob_says(&["\u{2713} verified, says bob"]);
    let listing: [&[&str]; 5] =
        [&["conversations"], &["peers"], &["recv", "--keep"], &["history", "bob"], &["tail", "--no-follow"]];
    // What a name holds is not shown, and the text is behind the name.
    let wanted = "\u{2713}bob";
    assert_eq!(house.torchat(&["contacts", "rename", "bob", wanted]).code, Some(0));
    for words in listing.map(|words| words.iter().map(|word| word.replace("bob", wanted)).collect::<Vec<_>>()) {
        let ran = house.torchat(&words.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(ran.code == Some(0) && ran.stdout.contains("bob"), "{words:?}: {ran:?}");
        assert!(!ran.stdout.contains(wanted), "{words:?}: {ran:?}");
    }
    assert!(house.torchat(&["contacts"]).stdout.ends_with(", name: bob\n"));
    assert_eq!(house.torchat(&["contacts", "rename", wanted, "bob"]).code, Some(0));
    assert_eq!(house.torchat(&["contacts", "verify", "bob", "--yes"]).code, Some(0));
    for words in listing {
        let ran = house.torchat(words);
        assert!(ran.code == Some(0) && ran.stdout.contains(wanted), "{words:?}: {ran:?}");
    }
    assert!(house.torchat(&["contacts"]).stdout.contains(", \u{2713} verified 20"));
    assert!(house.torchat(&["export", "bob"]).stdout.lines().next().unwrap().ends_with("(<), \u{2713} verified"));
    assert!(house.torchat(&["peers", "--json"]).stdout.contains("\"verified\":\"20"));
    // It goes with the contact, and that is told.
    let removed = house.torchat(&["contacts", "remove", "bob"]);
    has(&removed, 0, "this contact was verified, and is not any more");
    let bob = house.onion(&house.bob).0.onion();
    assert_eq!(house.torchat(&["contacts", "add", &bob]).code, Some(0));
    assert_eq!(house.torchat(&["contacts", "block", &bob]).stderr, "", "one that is not verified loses nothing");
}
