//! The people of these tests, and what a screen says of them.

use super::TORCHAT;
use super::pty::{Home, Screen};
use std::path::Path;
use torchat_client::api::{Address, Connection, Onion, command};

/// A person alone, with a client that shows who it is.
pub(super) fn alone(dir: &Path, seed: u8) -> (Home, Screen) {
    let mut ann = Home::new(dir, "ann", seed);
    ann.daemon.start().unwrap();
    let screen = ann.screen(Path::new(TORCHAT), (80, 24));
    screen.see("Welcome to torchat");
    (ann, screen)
}

/// Somebody whose daemon talks, without a screen.
pub(super) struct Friend {
    home: Home,
    pub(super) onion: Onion,
}

impl Friend {
    pub(super) fn new(dir: &Path, seed: u8) -> Self {
        let mut home = Home::new(dir, "friend", seed);
        home.daemon.start().unwrap();
        let onion = home.daemon.client().unwrap().host().unwrap();
        let onion = Onion(torchat_protocol::id::parse_onion(&onion).unwrap());
        Self { home, onion }
    }

    pub(super) fn says(&self, to: &str, text: &str) {
        let connection = Connection::open(&Address::tcp(self.home.daemon.port().unwrap())).unwrap();
        let peer = to.parse().unwrap();
        connection.call(&command::Add { peer: to.to_owned(), text: String::new() }).unwrap();
        let (client_id, wait, timeout, expire) = (None, None, None, None);
        connection
            .call(&command::Send {
                peer,
                text: text.into(),
                client_id,
                wait,
                timeout,
                expire,
                re: None,
                to: Vec::new(),
            })
            .unwrap();
    }
}

/// Somebody nobody can reach.
pub(super) fn nobody() -> Onion {
    Onion((0u8..=255).find_map(|n| torchat_protocol::id::PeerId::from_key([n; 32]).ok()).unwrap())
}

/// The row of the list with this name, as it is now: without what is beside it.
fn row(screen: &vt100::Screen, name: &str) -> Option<String> {
    let rows = screen.rows(0, screen.size().1.get());
    rows.filter_map(|row| row.split_once('│').map(|(list, _)| list.trim_end().to_owned()))
        .find(|row| row.contains(name))
}

/// Waits until the list shows this many unread messages of somebody.
#[track_caller]
pub(super) fn unread(screen: &Screen, name: &str, count: u64) {
    screen.wait(&format!("{count} unread of {name}"), |screen| {
        let row = row(screen, name)?;
        let last = row.rsplit(' ').next().unwrap_or_default().parse::<u64>().unwrap_or(0);
        (last == count).then_some(())
    });
}

/// Ann with a friend and with nobody, whose conversation is open in a client of this size.
pub(super) fn ann_and_friend(dir: &Path, seed: u8, variables: &[(&str, &str)]) -> (Home, Friend, Screen, String) {
    let mut ann = Home::new(dir, "ann", seed);
    ann.daemon.start().unwrap();
    let friend = Friend::new(dir, seed + 1);
    let onion = ann.daemon.client().unwrap().host().unwrap();
    let mut screen = ann.screen_with(Path::new(TORCHAT), (80, 24), variables);
    screen.see("Welcome to torchat");
    for (peer, name) in [(friend.onion, "friend"), (nobody(), "nobody")] {
        screen.keys(&format!("/add {}\r", peer.0.onion()));
        screen.see("is a contact");
        screen.keys(&format!("/rename {name}\r"));
        screen.see(&format!("is called {name}"));
    }
    (ann, friend, screen, onion)
}
