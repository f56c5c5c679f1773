//! Rooms in a [`Sim`]: what a test asks of the daemons, and what they have of a room.

use super::Sim;
use std::sync::Arc;
use std::time::Duration;
use torchat_core::effect::RoomAnswer;
use torchat_core::input::{NewInvite, NewRoom, RoomCommand, RoomWish};
use torchat_engine::handle::{Answer, Refusal, Request};
use torchat_engine::store::Reader;
use torchat_protocol::room::body::acts::Policy;
use torchat_protocol::room::body::{Body, BoundedText, Role};
use torchat_protocol::room::{Frame, RoomId, RoomInvite, TextId};
use torchat_room::outcome::ChannelId;
use torchat_room::reading::{Filter, Read};

impl Sim {
    /// Asks a daemon for something about rooms.
    ///
    /// # Panics
    /// When the daemon is stopping or its store fails.
    pub async fn ask_room(&self, n: usize, command: RoomCommand) -> RoomAnswer {
        match self.handle(n).ask(Request::Room(command)).await {
            Ok(Answer::Room(answer)) => answer,
            // The text's own id stays in the store; who reads it looks there.
            Ok(Answer::Accepted { mid, .. }) => RoomAnswer::Queued(TextId(mid.0)),
            Err(Refusal::Room(refused)) => RoomAnswer::Refused(refused),
            other => panic!("no answer about rooms: {other:?}"),
        }
    }

    /// Asks a daemon for something in a room.
    ///
    /// # Panics
    /// As [`Sim::ask_room`].
    pub async fn wish(&self, n: usize, room: RoomId, wish: RoomWish) -> RoomAnswer {
        self.ask_room(n, RoomCommand::In { room, wish }).await
    }

    /// A daemon makes a room.
    ///
    /// # Panics
    /// When it does not.
    pub async fn make_room(&self, n: usize) -> RoomId {
        let (name, policy) = (BoundedText::new("lab").expect("a name"), Policy::default());
        let new = NewRoom { name, topic: BoundedText::default(), policy, nick: None, client: None };
        match self.ask_room(n, RoomCommand::Make(new)).await {
            RoomAnswer::Room(room) => room,
            other => panic!("no room: {other:?}"),
        }
    }

    /// An invite for anybody, as often as they like.
    ///
    /// # Panics
    /// When the daemon does not own the room.
    pub async fn invite(&self, n: usize, room: RoomId) -> RoomInvite {
        let new = NewInvite { role: Role::Member, uses: None, hours: 24, whom: None, note: None };
        match self.wish(n, room, RoomWish::Invite(new)).await {
            RoomAnswer::Invited(invite) => invite,
            other => panic!("no invite: {other:?}"),
        }
    }

    /// A daemon begins to join a room.
    ///
    /// # Panics
    /// When it does not.
    pub async fn join(&self, n: usize, invite: &RoomInvite) {
        let (invite, text) = (invite.clone(), BoundedText::default());
        let joined = self.ask_room(n, RoomCommand::Join { invite, nick: None, text, want: None, client: None }).await;
        assert!(matches!(joined, RoomAnswer::Room(_)), "{joined:?}");
    }

    /// A daemon says a text in a room.
    ///
    /// # Panics
    /// When it does not accept it.
    pub async fn say(&self, n: usize, room: RoomId, text: &str) {
        let text = BoundedText::new(text).expect("a text that fits");
        let said = RoomWish::Say { text, re: None, to: Vec::new(), client: None, expire_ms: None };
        let answer = self.wish(n, room, said).await;
        assert!(matches!(answer, RoomAnswer::Queued(_)), "{answer:?}");
    }

    /// The texts that a daemon has of a room, in the order in which it stored them, with the number of each one's member.
    ///
    /// # Panics
    /// When its store cannot be read.
    #[must_use]
    pub fn said(&self, n: usize, room: RoomId) -> Vec<(u32, String)> {
        let filter = Filter { end: u64::MAX, ..Filter::default() };
        // Every member of whom something may be stored.
        let members = (1..=64).filter_map(torchat_protocol::room::MemberNo::new).collect();
        let filter = Arc::new(Filter { members, ..filter });
        let read = Read::Log { channel: ChannelId(0), from: 1, early: None, most: u32::MAX, filter };
        let found = Reader::shared(self.store(n)).answer_room(room, &read).expect("a store that is whole");
        let events = found.into_iter().flat_map(|(frames, _)| frames).flat_map(|frame| match frame {
            Frame::Events(events) => events,
            _ => Vec::new(),
        });
        let texts = events.filter_map(|event| match (event.header().author.member(), event.read()) {
            (Some(member), Ok(Some(Body::Text(text)))) => Some((member.get(), text.text.as_str().to_owned())),
            _ => None,
        });
        texts.collect()
    }

    /// Waits, in simulated time, until a daemon has so many texts of a room.
    ///
    /// # Panics
    /// When that does not come true within `limit`.
    pub async fn said_at_least(&self, n: usize, room: RoomId, count: usize, limit: Duration) {
        let deadline = tokio::time::Instant::now() + limit;
        while self.said(n, room).len() < count {
            assert!(tokio::time::Instant::now() < deadline, "daemon {n} has not {count} texts within {limit:?}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}
