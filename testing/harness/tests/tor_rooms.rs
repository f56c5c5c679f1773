//! A room of four real `torchatd` processes on a private Tor network: `cargo xtask test` starts the network and says where it is.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use torchat_client::api::command::{
    History, OneRoom, RoomInvite, RoomJoin, RoomMembers, RoomNew, RoomRemove, Send, Wait,
};
use torchat_client::api::record::{Direction, Member, MemberState, Message, Room, RoomState};
use torchat_client::api::{Address, Connection, ConversationId};
use torchat_testkit::daemon::{Daemon, eventually};

/// In this time everybody has what was said, however long somebody was away before. Beside it an old introduction point alone can hold
/// a dial for 40 s.
const SEEN: Duration = Duration::from_secs(120);
/// Four services are published, and found for the first time.
const FIRST: Duration = Duration::from_secs(240);

/// A member with their daemon.
struct Person {
    name: &'static str,
    daemon: Daemon,
}

impl Person {
    fn new(dir: &Path, name: &'static str) -> Self {
        let program = std::env::var_os("TORCHATD").expect("this test needs torchatd: run `cargo xtask test`");
        let config = std::env::var_os("TORCHAT_TORNET");
        let config = PathBuf::from(config.expect("this test needs a private Tor network: run `cargo xtask test`"));
        Self { name, daemon: Daemon::on_tor(Path::new(&program), dir, name, &config) }
    }

    fn start(&mut self) {
        self.daemon.start().unwrap();
    }

    fn api(&self) -> anyhow::Result<Connection> {
        Ok(Connection::open(&Address::unix(self.daemon.socket()))?)
    }

    fn room(&self, peer: ConversationId) -> anyhow::Result<Room> {
        Ok(self.api()?.call(&OneRoom { peer })?.room)
    }

    fn members(&self, peer: ConversationId) -> anyhow::Result<Vec<Member>> {
        Ok(self.api()?.call(&RoomMembers { peer, after: None, limit: None })?.members)
    }

    /// Says a text; with a time: and waits until another member has it.
    fn says(&self, peer: ConversationId, text: &str, wait: Option<Duration>) {
        let send = Send {
            peer,
            text: text.to_owned(),
            client_id: None,
            wait: wait.map(|_| Wait::Delivered),
            timeout: wait.map(|wait| wait.as_secs()),
            expire: None,
            re: None,
            to: Vec::new(),
        };
        let limit = wait.unwrap_or_default() + Duration::from_secs(30);
        self.api().unwrap().call_within(&send, limit).unwrap();
    }

    /// What was said in the room and counts, with the number of its writer.
    fn heard(&self, peer: ConversationId) -> anyhow::Result<Vec<(u32, String)>> {
        let page = History { peer, before: None, after: None, limit: Some(1_000), hidden: false };
        let messages = self.api()?.call(&page)?.messages;
        let counts = |message: &Message| matches!(message.dir, Direction::In | Direction::Out);
        let said = messages.into_iter().filter(counts);
        Ok(said.filter_map(|message| Some((message.from?.member, message.text))).collect())
    }
}

/// All of them have heard the same, everything once, and each member's texts in the order in which they were said.
fn all_have(people: &[&Person], peer: ConversationId, said: &[(u32, &str)], limit: Duration) {
    let begun = Instant::now();
    for person in people {
        eventually(&format!("{} has everything", person.name), limit, || {
            let heard = person.heard(peer)?;
            anyhow::ensure!(by_member(&heard) == expected(said), "heard {heard:?}");
            Ok(Some(()))
        })
        .unwrap();
    }
    println!("texts: {}, members: {}, after {:.1} s", said.len(), people.len(), begun.elapsed().as_secs_f64());
}

fn by_member(heard: &[(u32, String)]) -> BTreeMap<u32, Vec<String>> {
    let mut texts = BTreeMap::<u32, Vec<String>>::new();
    for (member, text) in heard {
        texts.entry(*member).or_default().push(text.clone());
    }
    texts
}

fn expected(said: &[(u32, &str)]) -> BTreeMap<u32, Vec<String>> {
    by_member(&said.iter().map(|(member, text)| (*member, (*text).to_owned())).collect::<Vec<_>>())
}

/// A copy of a directory whose daemon does not run.
fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

#[test]
fn a_mesh_of_four_hears_everything_whoever_is_away_restored_or_removed() {
    let dir = tempfile::tempdir().unwrap();
    let [mut anna, mut bob, mut carl, mut dora] =
        ["anna", "bob", "carl", "dora"].map(|name| Person::new(dir.path(), name));
    [&mut anna, &mut bob, &mut carl, &mut dora].into_iter().for_each(Person::start);

    let new = RoomNew {
        name: "lab".into(),
        topic: "canary topic".into(),
        policy: Default::default(),
        nick: Some("anna".into()),
        client_id: None,
    };
    let peer = anna.api().unwrap().call(&new).unwrap().room.peer;
    let (role, hours, whom, note) = (None, None, None, None);
    let invite = RoomInvite { peer, role, uses: Some(3), hours, whom, send: false, note };
    let invite = anna.api().unwrap().call(&invite).unwrap().invite;
    for person in [&bob, &carl, &dora] {
        let (text, nick) = (String::new(), Some(person.name.to_owned()));
        let join = RoomJoin { invite: invite.clone(), text, want: None, nick, client_id: None };
        assert_eq!(person.api().unwrap().call(&join).unwrap().room.state, RoomState::Joining);
    }
    let begun = Instant::now();
    for person in [&anna, &bob, &carl, &dora] {
        eventually(&format!("{} sees four members", person.name), FIRST, || {
            let room = person.room(peer)?;
            anyhow::ensure!(room.state == RoomState::Member && room.members == 4, "{room:?}");
            Ok(Some(()))
        })
        .unwrap();
    }
    println!("four members after {:.1} s", begun.elapsed().as_secs_f64());
    let no = |person: &Person| person.room(peer).unwrap().me.unwrap().member;
    let [a, b, c, d] = [&anna, &bob, &carl, &dora].map(no);

    // Everybody says something.
    for person in [&anna, &bob, &carl, &dora] {
        person.says(peer, &format!("{} is here", person.name), None);
    }
    let mut said = vec![(a, "anna is here"), (b, "bob is here"), (c, "carl is here"), (d, "dora is here")];
    all_have(&[&anna, &bob, &carl, &dora], peer, &said, SEEN);

    // One is away, and back.
    carl.daemon.kill().unwrap();
    anna.says(peer, "carl is away", Some(SEEN));
    bob.says(peer, "I hear", Some(SEEN));
    said.extend([(a, "carl is away"), (b, "I hear")]);
    carl.start();
    carl.says(peer, "I am back", Some(SEEN));
    said.push((c, "I am back"));
    all_have(&[&anna, &bob, &carl, &dora], peer, &said, SEEN);

    // One says something, and is restored from a backup of before.
    dora.daemon.stop().unwrap();
    let backup = dir.path().join("backup");
    copy(dora.daemon.data(), &backup);
    dora.start();
    dora.says(peer, "not in the backup", Some(SEEN));
    said.push((d, "not in the backup"));
    all_have(&[&anna, &bob, &carl, &dora], peer, &said, SEEN);
    dora.daemon.kill().unwrap();
    std::fs::remove_dir_all(dora.daemon.data()).unwrap();
    copy(&backup, dora.daemon.data());
    dora.start();
    // What she says before she has it back is in front of it at her own machine: she has not heard it yet.
    all_have(&[&dora], peer, &said, SEEN);
    dora.says(peer, "after the restore", Some(SEEN));
    said.push((d, "after the restore"));
    all_have(&[&anna, &bob, &carl, &dora], peer, &said, SEEN);

    // One is removed, and hears no more.
    anna.api().unwrap().call(&RoomRemove { peer, member: b, ban: None, force: false, timeout: None }).unwrap();
    anna.says(peer, "without bob", Some(SEEN));
    let before = said.clone();
    said.push((a, "without bob"));
    all_have(&[&anna, &carl, &dora], peer, &said, SEEN);
    eventually("bob knows it", SEEN, || Ok((bob.room(peer)?.state == RoomState::Removed).then_some(()))).unwrap();
    assert_eq!(by_member(&bob.heard(peer).unwrap()), expected(&before));
    for person in [&anna, &carl, &dora] {
        let members = person.members(peer).unwrap();
        let state = |no: u32| members.iter().find(|member| member.no == no).map(|member| member.state);
        assert_eq!(state(b), Some(MemberState::Removed), "{}", person.name);
        for no in [a, c, d] {
            assert_eq!(state(no), Some(MemberState::In), "{}: {no}", person.name);
        }
    }

    // Logs say nothing of it.
    for person in [&mut anna, &mut bob, &mut carl, &mut dora] {
        person.daemon.stop().unwrap();
        for file in ["torchatd.log", "error.log", "audit.log"] {
            let log = dir.path().join(format!("{}-logs", person.name)).join(file);
            let text = std::fs::read_to_string(&log).unwrap();
            for secret in ["canary", "without bob", "is here", &peer.onion()[..56], &invite[invite.len() - 48..]] {
                assert!(!text.contains(secret), "{} holds {secret:?}", log.display());
            }
        }
    }
}
