//! Tests of the whole screen, without a terminal: inputs into the model, and what [`view`](super::view) draws of it.

#![allow(clippy::unwrap_used)]

mod attention;
mod deciding;
mod frames;
mod habits;
mod hostile;
mod lines;
mod logs;
mod newcomers;
mod order;
mod places;
mod random;
mod refused;
mod rooms;
mod settings;
mod snapshots;
mod terminal;
mod updates;

#[path = "../../tests/support/pty.rs"]
#[allow(dead_code)]
mod pty;

use super::model::{Answer, Ask, Between, Effect, Input, Model, Start, Stored};
use super::settings::Settings;
use super::theme::Theme;
use super::view;
use crate::logs::Place;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::tz::TimeZone;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Position;
use std::path::Path;
use std::sync::Arc;
use torchat_client::api::command::{Limits, MessagesAnswer, StatusAnswer, Welcome};
use torchat_client::api::event::{Event, What};
use torchat_client::api::events::State;
use torchat_client::api::reason::{Failure, Reason};
use torchat_client::api::record::{
    Contact, ContactRequest, ContactState, Conversation, Direction, Message, MessageState,
};
use torchat_client::api::{ConversationId, Onion};
use torchat_client::timeline::{Anchor, Timeline};
use torchat_protocol::id::{MessageId, PeerId};

/// Saturday, 21 November 2026, 09:30 UTC.
const NOW: i64 = 1_795_253_400_000;

/// Onions that are points of the curve: the first from a number on.
pub(super) fn onion(number: u8) -> Onion {
    (0..=u8::MAX)
        .find_map(|last| {
            let mut key = [number; 32];
            key[31] = last & 0x7f;
            PeerId::from_key(key).ok()
        })
        .map(Onion)
        .unwrap()
}

/// The conversation with one of them.
fn with(number: u8) -> ConversationId {
    onion(number).conversation()
}

fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap().to_string()
}

fn contact(number: u8, name: Option<&str>, nick: Option<&str>) -> Contact {
    Contact {
        peer: onion(number),
        state: ContactState::Contact,
        name: name.map(str::to_owned),
        nick: nick.map(str::to_owned),
        link: false,
        heard_s: Some(180),
        hidden: false,
        queued: 0,
        verified: None,
        retain_days: None,
    }
}

fn message(
    id: i64,
    peer: impl Into<ConversationId>,
    dir: Direction,
    state: MessageState,
    at: i64,
    text: &str,
) -> Message {
    let mut mid = [0; 16];
    mid[..8].copy_from_slice(&id.to_be_bytes());
    Message {
        id,
        mid: MessageId(mid),
        peer: peer.into(),
        dir,
        text: text.to_owned(),
        state,
        at: time(at),
        sent_at: None,
        done_at: None,
        client_id: None,
        reason: None,
        why: None,
        next_try_at: None,
        from: None,
        order: None,
        re: None,
        mention: false,
        edited_at: None,
        reacts: Default::default(),
        flags: Vec::new(),
        stored: None,
    }
}

/// A model with a daemon that the test plays.
struct Play {
    model: Model,
    now: i64,
    /// What was not looked at yet.
    effects: Vec<Effect>,
    seq: u64,
    /// The daemon has rooms.
    rooms: bool,
}

impl Play {
    fn new(size: (u16, u16)) -> Self {
        Self::with(size, Theme::Plain, Stored::default())
    }

    fn with(size: (u16, u16), theme: Theme, stored: Stored) -> Self {
        Self::between(size, theme, stored, Between::Nothing)
    }

    /// On a screen that something may hide.
    fn between(size: (u16, u16), theme: Theme, stored: Stored, between: Between) -> Self {
        Self::begin(size, theme, stored, between, Settings::default())
    }

    /// With a file of settings.
    fn set(size: (u16, u16), theme: Theme, stored: Stored, settings: Settings) -> Self {
        Self::begin(size, theme, stored, Between::Nothing, settings)
    }

    fn begin(size: (u16, u16), theme: Theme, stored: Stored, between: Between, settings: Settings) -> Self {
        let (zone, session, settings_path) = (TimeZone::UTC, "test".into(), "~/.config/torchat/client.toml".into());
        let (now, trouble) = (NOW, None);
        let logs = Some(Place::below(Path::new("/home/me/.local/state/torchat")));
        let start = Start { now, zone, theme, size, session, stored, between, settings, settings_path, logs, trouble };
        Self { model: Model::new(start), now: NOW, effects: Vec::new(), seq: 0, rooms: false }
    }

    fn input(&mut self, input: Input) {
        let effects = self.model.update(self.now, input);
        self.effects.extend(effects);
    }

    fn key(&mut self, code: KeyCode) {
        self.input(Input::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    }

    fn with_key(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        self.input(Input::Key(KeyEvent::new(code, modifiers)));
    }

    /// Types a text; `\n` is Enter.
    fn keys(&mut self, text: &str) {
        for c in text.chars() {
            self.key(if c == '\n' { KeyCode::Enter } else { KeyCode::Char(c) });
        }
    }

    /// Empties the input, and types a line.
    fn line(&mut self, text: &str) {
        self.with_key(KeyCode::Char('e'), KeyModifiers::CONTROL);
        self.with_key(KeyCode::Char('u'), KeyModifiers::CONTROL);
        self.keys(&format!("{text}\n"));
    }

    fn event(&mut self, what: What) {
        self.seq += 1;
        let event = Event { seq: self.seq, at: time(self.now), what };
        self.input(Input::Event(Box::new(event)));
    }

    fn connect(&mut self, continued: bool) {
        self.connect_to(1, continued);
    }

    /// The daemon with this identity is connected.
    fn connect_to(&mut self, identity: u8, continued: bool) {
        let limits = Limits {
            object_bytes: 1,
            text_bytes: 65_536,
            requests: 1,
            subscriptions: 1,
            page: 1_000,
            room_text_bytes: 16_384,
        };
        let onion = onion(identity);
        let commands = if self.rooms { vec!["ROOMS".to_owned()] } else { vec![] };
        let welcome = Welcome { onion, rights: vec![], peers: None, commands, seq: 0, oldest: 0, limits };
        self.input(Input::Link(State::Connected { welcome: Arc::new(welcome), continued }));
    }

    /// The daemon is away.
    fn away(&mut self) {
        let reason = torchat_client::api::ApiClientError::Lost { reason: "gone".into() };
        self.input(Input::Link(State::Gone { reason, retry: std::time::Duration::ZERO }));
    }

    /// The user leaves; what is kept for the next start.
    fn leave(&mut self) -> Stored {
        self.input(Input::Leave);
        let saved = self.effects.iter().rev().find_map(|effect| match effect {
            Effect::Save(stored) => Some(serde_json::to_string(stored).unwrap()),
            _ => None,
        });
        serde_json::from_str(&saved.unwrap()).unwrap()
    }

    /// How many questions that fit wait for an answer.
    fn asks(&self, fits: impl Fn(&Ask) -> bool) -> usize {
        self.effects.iter().filter(|effect| matches!(effect, Effect::Ask(ask) if fits(ask))).count()
    }

    /// Takes the first question that fits.
    #[track_caller]
    fn asked(&mut self, fits: impl Fn(&Ask) -> bool) -> Ask {
        let found = self.effects.iter().position(|effect| matches!(effect, Effect::Ask(ask) if fits(ask)));
        match found.map(|at| self.effects.remove(at)) {
            Some(Effect::Ask(ask)) => ask,
            _ => panic!("not asked; but {:?}", self.effects),
        }
    }

    fn answer(&mut self, ask: Ask, answer: Answer) {
        self.input(Input::Answer(ask, Ok(answer)));
    }

    /// A daemon with these conversations and requests answers everything that was asked at the connection.
    fn start(&mut self, list: Vec<Conversation>, requests: Vec<ContactRequest>) {
        self.start_as(1, list, requests);
    }

    /// The same of the daemon with this identity.
    fn start_as(&mut self, identity: u8, list: Vec<Conversation>, requests: Vec<ContactRequest>) {
        self.connect_to(identity, false);
        let ask = self.asked(|ask| matches!(ask, Ask::Requests(_)));
        self.answer(ask, Answer::Requests(requests));
        let ask = self.asked(|ask| matches!(ask, Ask::Conversations { .. }));
        self.answer(ask, Answer::Conversations(list));
        self.status(true, 100, "connected to the Tor network");
    }

    fn status(&mut self, usable: bool, percent: u32, sentence: &str) {
        // What the user asked for comes before what is always asked.
        let shown = self.effects.contains(&Effect::Ask(Ask::Status));
        let ask = self.asked(|ask| if shown { *ask == Ask::Status } else { matches!(ask, Ask::News { .. }) });
        let status = serde_json::from_value(serde_json::json!({
            "tor": { "usable": usable, "percent": percent, "sentence": sentence },
            "links": 1, "queue": { "bytes": 10, "messages": 2 },
        }))
        .unwrap();
        self.answer(ask, Answer::Status(Box::new(StatusAnswer { version: 1, sentence: sentence.to_owned(), status })));
    }

    /// Answers a page of the open conversation.
    #[track_caller]
    fn page(&mut self, anchor: Anchor, messages: Vec<Message>, more: bool) {
        let ask = self.asked(|ask| matches!(ask, Ask::Page(_, asked) if asked.anchor == anchor));
        self.answer(ask, Answer::Page(MessagesAnswer { messages, more }, None));
    }

    /// The conversation with somebody.
    fn timeline(&self, peer: u8) -> &Timeline {
        self.model.list.get(with(peer)).unwrap()
    }

    /// Whether this page was asked for.
    fn wants(&self, peer: u8, anchor: Anchor) -> bool {
        self.effects.iter().any(|effect| matches!(effect, Effect::Ask(ask) if is_page(ask, peer, anchor)))
    }

    fn drawn(&self) -> (Buffer, Position) {
        let (columns, rows) = self.model.size;
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        terminal.draw(|frame| view::draw(&self.model, frame)).unwrap();
        let cursor = terminal.get_cursor_position().unwrap();
        (terminal.backend().buffer().clone(), cursor)
    }

    /// The screen as text, a row a line.
    fn text(&self) -> String {
        let (buffer, _) = self.drawn();
        let mut out = String::new();
        for y in 0..buffer.area.height {
            let mut x = 0;
            let mut row = String::new();
            while x < buffer.area.width {
                let symbol = buffer[(x, y)].symbol();
                row.push_str(symbol);
                x += u16::try_from(super::wrap::width(symbol)).unwrap().max(1);
            }
            out.push_str(row.trim_end());
            out.push('\n');
        }
        out
    }

    #[track_caller]
    fn see(&self, text: &str) {
        let screen = self.text();
        assert!(screen.contains(text), "{text:?} is not on the screen:\n{screen}");
    }

    #[track_caller]
    fn see_not(&self, text: &str) {
        let screen = self.text();
        assert!(!screen.contains(text), "{text:?} is on the screen:\n{screen}");
    }
}

/// Whether this page is asked for.
fn is_page(ask: &Ask, peer: u8, anchor: Anchor) -> bool {
    matches!(ask, Ask::Page(asked, request) if *asked == with(peer) && request.anchor == anchor)
}

/// Three people; one has said something new.
fn people() -> Vec<Conversation> {
    let mut ann = contact(2, Some("ann"), Some("Annie"));
    ann.link = true;
    let mut carl = contact(4, None, Some("carl"));
    carl.heard_s = None;
    carl.state = ContactState::Waiting;
    let last = |id, peer: u8, text: &str| {
        let dir = if peer == 3 { Direction::In } else { Direction::Out };
        Some(message(id, onion(peer), dir, MessageState::Delivered, NOW - 60_000, text))
    };
    vec![
        Conversation { contact: ann, unread: 0, last: last(30, 2, "see you"), room: None, mentions: None },
        Conversation {
            contact: contact(3, None, Some("bob")),
            unread: 2,
            last: last(20, 3, "are you there?"),
            room: None,
            mentions: None,
        },
        Conversation { contact: carl, unread: 0, last: None, room: None, mentions: None },
    ]
}

/// What was said with ann, over two days.
fn talk() -> Vec<Message> {
    use Direction::{In, Mark, Out};
    use MessageState::{Delivered, Failed, Lost, Queued, Read, Sent, Withdrawn};
    let ann = onion(2);
    let day = 24 * 3_600_000;
    let at = |minutes: i64| NOW - minutes * 60_000;
    let mut list = vec![
        message(1, ann, In, Read, at(40) - day, "Did you read the paper about onion services? I think that we should."),
        message(2, ann, Out, Delivered, at(38) - day, "Not yet. Tonight."),
        message(3, ann, Mark, Lost, at(37) - day, "3 messages were lost here: a backup was restored"),
        message(4, ann, In, Read, at(30), "日本語も大丈夫? Ärger mit e\u{301} und 👩‍👧?"),
        message(5, ann, Out, Delivered, at(28), "fn main() {\n\tprintln!(\"hi\");\n}"),
        message(6, ann, Out, Failed, at(25), "this one never came"),
        message(7, ann, Out, Withdrawn, at(24), "no, forget it"),
        message(8, ann, Out, Sent, at(3), "on its way"),
        message(
            9,
            ann,
            Out,
            Queued,
            at(2),
            "see you at eight, or a little later if the train is as late as it was last week",
        ),
    ];
    list[5].reason = Some("not delivered in 30 days".into());
    list[5].why = Some(Reason::Expired { seconds: Some(30 * 86_400) });
    let detail = Some("tor: the service has no descriptor: 404".to_owned());
    let why = Reason::Unreachable { tries: 2, failure: Some(Failure::PeerDown), ended: None, detail };
    list[8].reason = Some("no connection (tor: the service has no descriptor: 404), 2 tries so far".into());
    list[8].why = Some(why);
    list[8].next_try_at = Some(time(NOW + 90_000));
    list
}

/// The screen of somebody who talks with ann.
fn talking(size: (u16, u16)) -> Play {
    let mut play = Play::new(size);
    play.start(people(), vec![]);
    if play.model.focus == super::model::Focus::List {
        play.key(KeyCode::Enter);
    }
    play.page(Anchor::Newest, talk(), false);
    play
}
