//! Two daemons that are contacts of each other and members of the same rooms, over their programs' own API.

use crate::friends::Friends;
use crate::process::{Process, Recipe};
use anyhow::ensure;
use std::time::{Duration, Instant};
use torchat_client::api::command::{OneRoom, RoomInvite, RoomJoin, RoomNew, Send, Wait};
use torchat_client::api::record::{MessageState, RoomState};
use torchat_client::api::{Address, Connection, ConversationId};

/// How long a text, or joining, may take.
const LIMIT: Duration = Duration::from_secs(240);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// Both daemons, a connection to each, and their rooms.
pub(super) struct Party {
    pub(super) friends: Friends,
    pub(super) connections: [Connection; 2],
    pub(super) rooms: Vec<ConversationId>,
}

/// A connection to a daemon.
pub(super) fn connect(daemon: &Process) -> anyhow::Result<Connection> {
    Ok(Connection::open(&Address::tcp(daemon.port))?)
}

/// Makes rooms at one daemon. Returns them with an invite to each.
pub(super) fn make(owner: &Connection, count: usize) -> anyhow::Result<Vec<(ConversationId, String)>> {
    (0..count)
        .map(|n| {
            let new = RoomNew {
                name: format!("room {n}"),
                topic: String::new(),
                policy: Default::default(),
                nick: Some("anna".into()),
                client_id: None,
            };
            let peer = owner.call(&new)?.room.peer;
            let (role, hours, whom, note) = (None, None, None, None);
            let invite = RoomInvite { peer, role, uses: Some(7), hours, whom, send: false, note };
            Ok((peer, owner.call(&invite)?.invite))
        })
        .collect()
}

impl Party {
    /// Starts both, and lets the second one into rooms of the first one.
    pub(super) fn start(recipes: [Recipe; 2], rooms: usize) -> anyhow::Result<Self> {
        let friends = Friends::start(recipes)?;
        let connections = [connect(&friends.running[0])?, connect(&friends.running[1])?];
        let made = make(&connections[0], rooms)?;
        for (_, invite) in &made {
            let (text, nick) = (String::new(), Some("bob".to_owned()));
            connections[1].call(&RoomJoin { invite: invite.clone(), text, want: None, nick, client_id: None })?;
        }
        let rooms: Vec<_> = made.into_iter().map(|(room, _)| room).collect();
        for connection in &connections {
            for room in &rooms {
                is_open(connection, *room)?;
            }
        }
        let party = Self { friends, connections, rooms };
        for room in &party.rooms {
            for connection in &party.connections {
                deliver(connection, *room, "the first one")?;
            }
        }
        Ok(party)
    }

    pub(super) fn stop(self) -> anyhow::Result<()> {
        drop(self.connections);
        self.friends.stop()
    }
}

/// Waits until a room is open with another member.
fn is_open(connection: &Connection, peer: ConversationId) -> anyhow::Result<()> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let room = connection.call(&OneRoom { peer })?.room;
        if room.state == RoomState::Member && room.members == 2 && room.linked == Some(1) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "a room is not open within {LIMIT:?}: {room:?}");
        std::thread::sleep(LOOK);
    }
}

/// A text to its delivery: durable at the other member, or at the contact.
pub(super) fn deliver(connection: &Connection, peer: ConversationId, text: &str) -> anyhow::Result<Duration> {
    let send = Send {
        peer,
        text: text.to_owned(),
        client_id: None,
        wait: Some(Wait::Delivered),
        timeout: Some(LIMIT.as_secs()),
        expire: None,
        re: None,
        to: Vec::new(),
    };
    let begun = Instant::now();
    let sent = connection.call_within(&send, LIMIT)?;
    let took = begun.elapsed();
    ensure!(sent.state == MessageState::Delivered, "a text is {:?}", sent.state);
    Ok(took)
}
