//! Logs over kills, full disks, other writers and restored backups: each message is in its log once, in the order of HISTORY.

#![allow(clippy::unwrap_used)]

use super::choice::Choice;
use super::disk::{Disk, Files, Found};
use super::place::{Place, letters, log_name};
use super::position::Messages;
use super::progress::{Mark, Progress};
use super::write::{Logs, Reader, Trouble};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use std::cell::{Cell, RefCell};
use std::io;
use std::path::PathBuf;
use torchat_client::api::command::{History, MessagesAnswer};
use torchat_client::api::record::{Direction, Message, MessageState};
use torchat_client::api::{ApiClientError, ConversationId};

/// A conversation.
pub(super) fn peer(byte: u8) -> ConversationId {
    ConversationId::from_bytes([byte; 32])
}

/// A message of a moment in milliseconds since 1970.
pub(super) fn message(id: i64, peer: ConversationId, dir: Direction, at: i64, text: &str) -> Message {
    let at = jiff::Timestamp::from_millisecond(at).unwrap().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    serde_json::from_value(serde_json::json!({
        "id": id, "mid": format!("{id:032x}"), "peer": peer, "dir": dir, "text": text,
        "state": MessageState::Read, "at": at,
    }))
    .unwrap()
}

const OWN: u8 = 1;
const BOB: u8 = 2;

/// A daemon's store.
#[derive(Default)]
struct Store(RefCell<Vec<Message>>);

impl Store {
    fn say(&self, at: i64, text: &str) {
        let id = self.0.borrow().last().map_or(1, |last| last.id + 2);
        let dir = if id % 3 == 0 { Direction::Out } else { Direction::In };
        self.0.borrow_mut().push(message(id, peer(BOB), dir, at, text));
    }

    /// How a log must look.
    fn lines(&self) -> Vec<String> {
        self.0.borrow().iter().map(|message| message.text.clone()).collect()
    }
}

impl Messages for Store {
    fn page(&self, wanted: &History) -> Result<MessagesAnswer, ApiClientError> {
        let all = self.0.borrow();
        let limit = wanted.limit.unwrap() as usize;
        let is_in = |message: &&Message| {
            wanted.before.is_none_or(|before| message.id < before)
                && wanted.after.is_none_or(|after| message.id > after)
        };
        let found: Vec<Message> = all.iter().filter(is_in).cloned().collect();
        let more = found.len() > limit;
        let messages = match wanted.after {
            Some(_) => found.into_iter().take(limit).collect(),
            None => found[found.len().saturating_sub(limit)..].to_vec(),
        };
        Ok(MessagesAnswer { messages, more })
    }
}

/// What happens to a disk or to the process, once.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// The process dies at this operation, having done that part of it (in 256ths); zeros come behind it, as after a power cut.
    Kill {
        after: u32,
        part: u8,
        zeros: u8,
    },
    /// The disk is full from this operation on.
    Full {
        after: u32,
        part: u8,
    },
}

/// A disk with a fault in it.
struct Faulty {
    files: Files,
    fault: Cell<Fault>,
    done: Cell<u32>,
    dead: Cell<bool>,
}

impl Faulty {
    fn new(files: &Files, fault: Fault) -> Self {
        Self { files: files.clone(), fault: Cell::new(fault), done: Cell::new(0), dead: Cell::new(false) }
    }

    /// An operation that writes these bytes: all of them, or a part and an error.
    fn change(&self, bytes: &[u8], write: impl Fn(&[u8]) -> io::Result<()>) -> io::Result<()> {
        if self.dead.get() {
            return Err(io::Error::other("killed"));
        }
        let done = self.done.replace(self.done.get() + 1);
        let some = |part: u8| &bytes[..bytes.len() * usize::from(part) / 256];
        match self.fault.get() {
            Fault::Kill { after, part, zeros } if done >= after => {
                self.dead.set(true);
                write(&[some(part), &vec![0; usize::from(zeros)]].concat())?;
                Err(io::Error::other("killed"))
            }
            Fault::Full { after, part } if done >= after => {
                write(some(part))?;
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => write(bytes),
        }
    }
}

impl Disk for Faulty {
    type Lock = <Files as Disk>::Lock;

    fn lock(&self) -> io::Result<Self::Lock> {
        self.files.lock()
    }

    fn states(&self, own: &str) -> io::Result<Vec<String>> {
        self.files.states(own)
    }

    fn state(&self, own: &str, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.files.state(own, name)
    }

    fn replace(&self, own: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
        // It is done as a whole, or what is begun is another file.
        self.change(bytes, |some| match some == bytes {
            true => self.files.replace(own, name, bytes),
            false => Ok(()),
        })
    }

    fn remove(&self, own: &str, name: &str) -> io::Result<()> {
        self.change(&[], |_| self.files.remove(own, name))
    }

    fn find(&self, own: &str, name: &str) -> io::Result<Found> {
        self.files.find(own, name)
    }

    fn read(&self, own: &str, name: &str, from: u64) -> io::Result<Vec<u8>> {
        self.files.read(own, name, from)
    }

    fn append(&self, own: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.change(bytes, |some| match some.is_empty() {
            true => Ok(()),
            false => self.files.append(own, name, some),
        })
    }
}

/// A user with a directory.
struct User {
    _dir: tempfile::TempDir,
    files: Files,
}

impl User {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = Files { place: Place::below(&dir.path().join("torchat")) };
        let user = Self { files, _dir: dir };
        user.logs().set(peer(BOB), &Progress::since(0)).unwrap();
        user
    }

    fn logs(&self) -> Logs<'_, Files> {
        Logs { disk: &self.files, own: peer(OWN) }
    }

    fn catch_up(&self, store: &Store) -> Result<u64, Trouble> {
        catch_up(&self.files, store)
    }

    fn log(&self) -> PathBuf {
        self.files.place.file(peer(OWN), peer(BOB))
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap()
    }

    /// The texts in the log.
    fn said(&self) -> Vec<String> {
        said(&self.text())
    }
}

fn said(text: &str) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    for line in text.trim_matches('\0').lines() {
        if let Some(further) = line.strip_prefix("                  | ") {
            let last = said.last_mut().unwrap();
            last.push('\n');
            last.push_str(further);
        } else if line.starts_with(|c: char| c.is_ascii_digit()) {
            said.push(line.split_once("> ").unwrap().1.to_owned());
        }
    }
    said
}

fn catch_up(disk: &impl Disk, store: &impl Messages) -> Result<u64, Trouble> {
    let reader = Reader { zone: &TimeZone::UTC, name: "bob", now: 0 };
    Logs { disk, own: peer(OWN) }.catch_up(store, peer(BOB), &reader)
}

#[test]
fn each_message_is_written_once_and_a_log_says_whose_it_is() {
    let (user, store) = (User::new(), Store::default());
    assert_eq!(user.catch_up(&store), Ok(0));
    assert!(!user.log().exists(), "nothing was said, so there is no log");
    store.say(1_000, "one");
    store.say(2_000, "two\nlines");
    assert_eq!(user.catch_up(&store), Ok(2));
    assert_eq!(user.catch_up(&store), Ok(0));
    store.say(3_000, "three");
    assert_eq!(user.catch_up(&store), Ok(1));
    let (own, bob) = (peer(OWN).onion(), peer(BOB).onion());
    let expected = format!(
        "# 1970-01-01 00:00:00: log of {own} (me) with {bob} (bob)\n\
         # times are UTC+00:00 from here on\n\
         1970-01-01 00:00:01 <bob> one\n\
         1970-01-01 00:00:02 <me> two\n\
         \u{20}                 | lines\n\
         1970-01-01 00:00:03 <bob> three\n"
    );
    assert_eq!(user.text(), expected);
}

#[test]
fn a_log_begins_with_the_moment_when_it_is_switched_on() {
    let (user, store) = (User::new(), Store::default());
    for at in 0..300 {
        store.say(at, &format!("{at}"));
    }
    user.logs().set(peer(BOB), &Progress::since(120)).unwrap();
    assert_eq!(user.catch_up(&store), Ok(179));
    assert_eq!(user.said()[0], "121");
}

#[test]
fn what_is_switched_on_and_off_is_followed_and_nothing_of_between_is_written() {
    let (user, store) = (User::new(), Store::default());
    let logs = user.logs();
    let only =
        |list: &[u8]| Choice { conversations: list.iter().map(|byte| peer(*byte)).collect(), ..Choice::default() };
    let all = |except: &[u8]| Choice {
        all: true,
        except: except.iter().map(|byte| peer(*byte)).collect(),
        ..Choice::default()
    };
    let pass = |choice: &Choice, at: i64| {
        logs.follow(choice, at).unwrap();
        if choice.is_on(peer(BOB)) {
            logs.begun(choice, peer(BOB)).unwrap();
            user.catch_up(&store).unwrap();
        }
    };
    logs.forget(peer(BOB)).unwrap();
    store.say(10, "before");
    pass(&only(&[BOB]), 15);
    store.say(20, "listed");
    pass(&only(&[BOB]), 15);
    store.say(30, "off");
    pass(&only(&[]), 35);
    pass(&only(&[BOB]), 38);
    store.say(40, "listed again");
    pass(&only(&[BOB]), 38);
    store.say(50, "off again");
    pass(&only(&[]), 55);
    pass(&all(&[]), 55);
    store.say(60, "all");
    pass(&all(&[]), 55);
    store.say(70, "an exception");
    pass(&all(&[BOB]), 75);
    pass(&all(&[]), 76);
    store.say(80, "no exception");
    pass(&all(&[]), 76);
    assert_eq!(user.said(), ["listed", "listed again", "all", "no exception"]);
    // Both: a log that nobody wanted cannot be taken back.
    let both = Choice { conversations: [peer(BOB)].into(), ..all(&[BOB]) };
    assert!(!both.is_on(peer(BOB)) && both.is_on(peer(3)) && !both.is_nothing());
    assert!(Choice { all: false, ..both }.is_nothing());
    // An exception that was made before anything of it was known.
    logs.follow(&Choice::default(), 81).unwrap();
    logs.follow(&all(&[5]), 90).unwrap();
    assert_eq!(logs.progress(peer(5)).unwrap().unwrap().mark, Mark::Off);
    logs.follow(&all(&[]), 100).unwrap();
    assert_eq!(logs.progress(peer(5)).unwrap().unwrap().mark, Mark::Since(100));
}

#[test]
fn the_users_own_edits_rotation_and_removal_lose_nothing() {
    let (user, store) = (User::new(), Store::default());
    let say = |text: &str| {
        store.say(1_000, text);
        user.catch_up(&store).unwrap();
    };
    say("one");
    let text = format!("{}my own line, without an end", user.text());
    std::fs::write(user.log(), &text).unwrap();
    say("two");
    assert_eq!(user.text(), format!("{text}\n1970-01-01 00:00:01 <me> two\n"));
    // Rotated: a new file says again whose it is, and from where its times count.
    let rotated = user.log().with_extension("log.1");
    std::fs::rename(user.log(), &rotated).unwrap();
    say("three");
    assert_eq!(user.said(), ["three"]);
    assert!(user.text().starts_with("# ") && user.text().contains("\n# times are UTC+00:00"), "{}", user.text());
    assert!(std::fs::read_to_string(&rotated).unwrap().ends_with("two\n"));
    // Emptied, as copytruncate does; then removed, with its folder.
    std::fs::write(user.log(), "").unwrap();
    say("four");
    assert_eq!(user.said(), ["four"]);
    std::fs::remove_dir_all(&user.files.place.logs).unwrap();
    say("five");
    assert_eq!(user.said(), ["five"]);
}

#[test]
fn a_restored_backup_is_followed_from_what_is_later() {
    let (user, store) = (User::new(), Store::default());
    for at in [1_000, 2_000, 3_000, 4_000] {
        store.say(at, &format!("{at}"));
    }
    user.catch_up(&store).unwrap();
    // The backup knows the first two; its next numbers are those of others.
    let other = |id: i64, at: i64, text: &str| {
        let mut message = message(id, peer(BOB), Direction::In, at, text);
        message.mid = format!("{:032x}", id + 1_000).parse().unwrap();
        message
    };
    store.0.borrow_mut().truncate(2);
    assert_eq!(user.catch_up(&store), Ok(0));
    store.0.borrow_mut().push(other(5, 9_000, "after the backup"));
    assert_eq!(user.catch_up(&store), Ok(1));
    store.0.borrow_mut().push(other(7, 9_500, "and more"));
    assert_eq!(user.catch_up(&store), Ok(1));
    assert_eq!(user.said(), ["1000", "2000", "3000", "4000", "after the backup", "and more"]);
}

#[test]
fn erased_messages_and_a_clock_that_goes_back_make_no_line_twice() {
    let (user, store) = (User::new(), Store::default());
    for at in [9_000, 1_000, 2_000] {
        store.say(at, &format!("{at}"));
    }
    user.catch_up(&store).unwrap();
    store.0.borrow_mut().pop();
    assert_eq!(user.catch_up(&store), Ok(0), "the last one was erased");
    store.0.borrow_mut().clear();
    assert_eq!(user.catch_up(&store), Ok(0), "all were");
    store.0.borrow_mut().push(message(99, peer(BOB), Direction::In, 500, "new"));
    assert_eq!(user.catch_up(&store), Ok(1));
    assert_eq!(user.said(), ["9000", "1000", "2000", "new"]);
}

#[test]
fn a_long_absence_is_caught_up_in_batches() {
    let (user, store) = (User::new(), Store::default());
    let long = "x".repeat(60_000);
    for at in 0..450 {
        store.say(at + 1, if at % 50 == 0 { &long } else { "short" });
    }
    assert_eq!(user.catch_up(&store), Ok(450));
    let said: Vec<String> = user.said().into_iter().map(|text| text.replace('\n', "")).collect();
    assert_eq!(said, store.lines());
}

#[test]
fn a_file_of_ours_that_is_broken_is_told_with_what_to_do_and_nothing_is_written() {
    let (user, store) = (User::new(), Store::default());
    store.say(1, "one");
    let state = user.files.place.state.join(letters(peer(OWN))).join(format!("{}.json", letters(peer(BOB))));
    std::fs::write(&state, "{").unwrap();
    let error = user.catch_up(&store).unwrap_err().to_string();
    assert!(error.contains("remove it") && error.contains("logs.state"), "{error}");
    assert!(!user.log().exists());
    assert_eq!(std::fs::read_to_string(&state).unwrap(), "{");
}

#[test]
fn several_writers_write_each_message_once() {
    let (user, store) = (User::new(), Shared::default());
    let texts: Vec<String> = (0..200).map(|number| format!("{number}")).collect();
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut count = 0;
                    while !store.is_complete() {
                        count += catch_up(&user.files, &store).unwrap();
                    }
                    count + catch_up(&user.files, &store).unwrap()
                })
            })
            .collect();
        for text in &texts {
            store.say(text);
        }
        store.complete();
        let counts: Vec<u64> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
        assert_eq!(counts.iter().sum::<u64>(), 200, "{counts:?}");
    });
    assert_eq!(user.said(), texts);
}

/// A store for several threads.
#[derive(Default)]
struct Shared(std::sync::Mutex<(Vec<Message>, bool)>);

impl Shared {
    fn say(&self, text: &str) {
        let mut stored = self.0.lock().unwrap();
        let id = i64::try_from(stored.0.len()).unwrap() + 1;
        stored.0.push(message(id, peer(BOB), Direction::In, id, text));
    }

    fn complete(&self) {
        self.0.lock().unwrap().1 = true;
    }

    fn is_complete(&self) -> bool {
        self.0.lock().unwrap().1
    }
}

impl Messages for Shared {
    fn page(&self, wanted: &History) -> Result<MessagesAnswer, ApiClientError> {
        let stored = Store(RefCell::new(self.0.lock().unwrap().0.clone()));
        stored.page(wanted)
    }
}

/// What happens in a life of a user.
#[derive(Debug, Clone)]
enum Happening {
    Say(String),
    /// Somebody else who writes the same logs.
    Other,
    /// A writer meets a fault.
    Meet(Fault),
}

fn happening() -> impl Strategy<Value = Happening> {
    let text = "[ab]{0,2}(\n[ab]{0,2}){0,2}";
    let kill = (0u32..4, any::<u8>(), prop_oneof![4 => Just(0u8), 1 => 1u8..9])
        .prop_map(|(after, part, zeros)| Fault::Kill { after, part, zeros });
    let full = (0u32..4, any::<u8>()).prop_map(|(after, part)| Fault::Full { after, part });
    prop_oneof![
        5 => text.prop_map(Happening::Say),
        2 => Just(Happening::Other),
        4 => prop_oneof![2 => kill, 1 => full].prop_map(Happening::Meet),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn whatever_dies_each_message_is_in_the_log_once_and_in_order(
        happenings in prop::collection::vec(happening(), 1..30)
    ) {
        let (user, store) = (User::new(), Store::default());
        for happening in &happenings {
            match happening {
                // Many of the same second and text: the hardest to tell apart.
                Happening::Say(text) => store.say(1_000, text),
                Happening::Other => drop(user.catch_up(&store).unwrap()),
                Happening::Meet(fault) => {
                    let disk = Faulty::new(&user.files, *fault);
                    let _ = catch_up(&disk, &store);
                    if let Fault::Full { .. } = fault {
                        // Room again, in the same process.
                        disk.fault.set(Fault::None);
                        catch_up(&disk, &store).unwrap();
                    }
                }
            }
        }
        user.catch_up(&store).unwrap();
        prop_assert_eq!(user.catch_up(&store), Ok(0));
        if !store.lines().is_empty() {
            let text = user.text();
            let has_zeros = text.contains('\0');
            // A line that a power cut has cut stays before its whole one.
            let whole: String = text.lines().filter(|line| !line.contains('\0')).map(|line| format!("{line}\n")).collect();
            prop_assert_eq!(said(&whole), store.lines(), "{:?} {:?}", has_zeros, text);
        }
    }
}

#[test]
fn the_name_of_a_log_is_made_of_letters_only() {
    let name = log_name(peer(BOB));
    assert_eq!(name.len(), 60);
    assert!(
        name.trim_end_matches(".log").chars().all(|c| c.is_ascii_lowercase() || ('2'..='7').contains(&c)),
        "{name}"
    );
}
