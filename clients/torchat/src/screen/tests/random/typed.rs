//! What is typed, while answers and events come in every order, and another daemon may answer: nothing that was typed for one goes
//! to another or disappears, and what is said of somebody is what has happened.

use super::*;
use crate::screen::model::{Link, Open};
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// Looked for once: each costs some work.
static PEERS: LazyLock<Vec<Onion>> = LazyLock::new(|| (0..12).map(super::super::onion).collect());

fn onion(number: u8) -> Onion {
    PEERS[usize::from(number)]
}

fn with(number: u8) -> ConversationId {
    onion(number).conversation()
}

#[derive(Debug, Clone)]
enum Step {
    /// A word, which is different each time.
    Word,
    Enter,
    /// A row of the list.
    Go(u8),
    Command(&'static str),
    Add(u8),
    Key(char, KeyModifiers),
    Neighbour(bool),
    Request(u8),
    RequestGone(u8),
    Contact(u8, bool),
    /// Somebody shows an invite of the user's.
    Invited(u8),
    Received(u8),
    Away,
    /// A daemon answers: of which identity, and whether its events go on.
    Back(u8, bool),
    /// One of the questions is answered: which one, and how.
    Answer(usize, How),
    Wait,
}

#[derive(Debug, Clone, Copy)]
enum How {
    Well,
    Refused,
    Later,
    Lost,
}

fn step() -> impl Strategy<Value = Step> {
    let commands = vec!["/accept", "/close", "/cancel", "/clear", "/peer ann", "/reply", "/blo"];
    let keys = vec![('a', KeyModifiers::ALT), ('c', KeyModifiers::CONTROL), ('_', KeyModifiers::CONTROL)];
    let how = prop::sample::select(vec![How::Well, How::Well, How::Well, How::Refused, How::Later, How::Lost]);
    prop_oneof![
        12 => Just(Step::Word),
        6 => Just(Step::Enter),
        3 => (1u8..5).prop_map(Step::Go),
        3 => prop::sample::select(commands).prop_map(Step::Command),
        1 => (2u8..10).prop_map(Step::Add),
        4 => prop::sample::select(keys).prop_map(|(key, modifiers)| Step::Key(key, modifiers)),
        1 => any::<bool>().prop_map(Step::Neighbour),
        2 => (6u8..10).prop_map(Step::Request),
        2 => (6u8..10).prop_map(Step::RequestGone),
        3 => (2u8..10, any::<bool>()).prop_map(|(peer, waits)| Step::Contact(peer, waits)),
        1 => (6u8..10).prop_map(Step::Invited),
        1 => (2u8..10).prop_map(Step::Received),
        1 => Just(Step::Away),
        2 => (prop::sample::select(vec![1u8, 1, 1, 11]), any::<bool>()).prop_map(|(own, on)| Step::Back(own, on)),
        14 => (any::<prop::sample::Index>(), how).prop_map(|(at, how)| Step::Answer(at.index(64), how)),
        1 => Just(Step::Wait),
    ]
}

/// Where a word was typed.
#[derive(Debug, Clone, Copy)]
struct Typed {
    own: Option<Onion>,
    /// `None`: no conversation was open, so it may go along to whom the user opens.
    to: Option<ConversationId>,
}

struct World {
    play: Play,
    words: HashMap<String, Typed>,
    /// With the daemon, or taken out by the user.
    done: HashSet<String>,
    /// Questions without an answer, and the identity that they are for.
    asked: Vec<(Option<Onion>, Ask)>,
    invited: HashSet<Onion>,
    accepted: HashSet<Onion>,
    next: i64,
}

impl World {
    fn new() -> Self {
        let play = Play::with((80, 24), Theme::Plain, Stored::default());
        let (words, done, asked) = (HashMap::new(), HashSet::new(), Vec::new());
        Self { play, words, done, asked, invited: HashSet::new(), accepted: HashSet::new(), next: 1_000 }
    }

    fn number(&mut self) -> i64 {
        self.next += 1;
        self.next
    }

    /// The words in a text.
    fn words_in(&self, text: &str) -> Vec<String> {
        self.words.keys().filter(|word| text.contains(word.as_str())).cloned().collect()
    }

    fn is_typing(&self) -> bool {
        self.play.model.overlay.is_none() && self.play.model.focus != crate::screen::model::Focus::List
    }

    /// What the user takes out of the input is not lost by the screen.
    fn taken_out(&mut self, text: &str) {
        let words = self.words_in(text);
        self.done.extend(words);
    }

    fn take(&mut self, step: Step) {
        use self::Step::{Contact, Invited, Received, Request, RequestGone};
        let is_event = matches!(step, Request(_) | RequestGone(_) | Contact(..) | Invited(_) | Received(_));
        if is_event && self.play.model.link != Link::Up {
            return;
        }
        let text = self.play.model.editor.text().to_owned();
        match step {
            Step::Word if self.is_typing() && !text.starts_with('/') => {
                let word = format!("word{}x ", self.number());
                let to = match self.play.model.open {
                    Open::Conversation(id) => Some(id),
                    _ => None,
                };
                self.play.input(Input::Paste(word.clone()));
                if self.play.model.editor.text().contains(&word) {
                    let own = self.play.model.own;
                    self.words.insert(word.trim().to_owned(), Typed { own, to });
                }
            }
            Step::Word => self.play.key(KeyCode::Esc),
            Step::Enter => {
                let before = self.play.model.looked_up_over().map(str::to_owned);
                self.play.key(KeyCode::Enter);
                // It is in what can be recalled, which ends with the program and the identity.
                self.taken_out(&before.unwrap_or_default());
            }
            Step::Go(row) => self.play.with_key(KeyCode::Char(char::from(b'0' + row)), KeyModifiers::ALT),
            Step::Command(line) if text.is_empty() => {
                if line == "/cancel" {
                    // The last message, which waits for torchatd.
                    let waiting = self.play.model.stored.drafts.unsent().iter().map(|unsent| unsent.text.clone());
                    self.taken_out(&waiting.collect::<String>());
                }
                self.play.keys(line);
                if line != "/blo" {
                    self.play.key(KeyCode::Enter);
                }
            }
            Step::Command(_) => {
                self.play.with_key(KeyCode::Char('e'), KeyModifiers::CONTROL);
                if text.starts_with('/') {
                    self.play.with_key(KeyCode::Char('u'), KeyModifiers::CONTROL);
                    self.taken_out(&text);
                }
            }
            Step::Add(peer) if text.is_empty() => self.play.keys(&format!("/add {}\n", onion(peer).0.onion())),
            Step::Add(_) => {}
            Step::Key(key, modifiers) => {
                if matches!(key, 'c' | '_') {
                    let before = self.play.model.looked_up_over().map(str::to_owned);
                    self.taken_out(&(text + &before.unwrap_or_default()));
                }
                self.play.with_key(KeyCode::Char(key), modifiers);
            }
            Step::Neighbour(up) => {
                self.play.with_key(if up { KeyCode::Up } else { KeyCode::Down }, KeyModifiers::ALT);
            }
            Step::Request(peer) => {
                self.play.event(What::Request { peer: onion(peer), nick: format!("n{peer}"), text: "hi".into() });
            }
            Step::RequestGone(peer) => self.play.event(What::RequestGone { peer: onion(peer) }),
            Step::Contact(peer, waits) => {
                let mut contact = contact(peer, None, Some(&format!("n{peer}")));
                contact.state = if waits { ContactState::Waiting } else { ContactState::Contact };
                let known = self.play.model.list.get(with(peer)).map(|timeline| timeline.contact().state);
                if known == Some(ContactState::Waiting) && !waits {
                    self.accepted.insert(onion(peer));
                }
                self.play.event(What::Contact { contact });
            }
            Step::Invited(peer) => {
                self.invited.insert(onion(peer));
                super::super::newcomers::comes(&mut self.play, peer, &format!("n{peer}"));
            }
            Step::Received(peer) => {
                let id = self.number();
                let message = message(id, with(peer), Direction::In, MessageState::Unread, self.play.now, "hello");
                self.play.event(What::Received { message });
            }
            Step::Away => self.play.away(),
            Step::Back(own, continued) => {
                let another = self.play.model.own.is_some_and(|known| known != onion(own));
                if another {
                    (self.invited, self.accepted) = Default::default();
                }
                self.play.connect_to(own, continued && !another);
            }
            Step::Answer(at, how) => self.answer(at, how),
            Step::Wait => {
                self.play.now += 6_000;
                self.play.input(Input::Tick);
            }
        }
    }

    fn answer(&mut self, at: usize, how: How) {
        if self.asked.is_empty() {
            return;
        }
        let (own, ask) = self.asked.remove(at % self.asked.len());
        // The runtime drops what another daemon has answered.
        if own.is_some() && own != self.play.model.own {
            return;
        }
        let outcome = match how {
            How::Well => Ok(match &ask {
                Ask::Send { peer, text, .. } => {
                    let words = self.words_in(text);
                    self.done.extend(words);
                    let id = self.number();
                    let mid = message(id, *peer, Direction::Out, MessageState::Queued, 0, "").mid;
                    let state = MessageState::Queued;
                    Answer::Sent(torchat_client::api::command::SendAnswer { id, mid, state, duplicate: false })
                }
                Ask::Add { peer, .. } => Answer::Added((2..10).map(with).find(|with| with.onion() == *peer).unwrap()),
                ask => answer(ask),
            }),
            How::Refused => Err(ApiClientError::Refused(ApiError::new(Code::OutboxFull, "no"))),
            How::Later => Err(ApiClientError::Refused(ApiError::new(Code::StorageUnsure, "later"))),
            How::Lost => Err(ApiClientError::Lost { reason: "gone".into() }),
        };
        self.play.input(Input::Answer(ask, outcome));
    }

    /// What was asked by the last step, and whether all is as it must be.
    fn check(&mut self) -> Result<(), TestCaseError> {
        for effect in std::mem::take(&mut self.play.effects) {
            let Effect::Ask(ask) = effect else { continue };
            let own = self.play.model.own;
            if let Ask::Send { peer, text, .. } = &ask {
                for word in self.words_in(text) {
                    let typed = self.words[&word];
                    prop_assert!(typed.to.is_none_or(|to| to == *peer), "{word}, {typed:?}, goes to {peer:?}");
                    prop_assert!(typed.own.is_none() || typed.own == own, "{word}, {typed:?}, goes out as {own:?}");
                }
            }
            self.asked.push((own, ask));
        }
        let model = &self.play.model;
        let kept = format!("{:?} {:?} {:?}", model.stored, model.editor, model.looked_up_in());
        for word in self.words.keys().filter(|word| !self.done.contains(*word)) {
            prop_assert!(kept.contains(word.as_str()), "{word}, {:?}, is lost", self.words[word]);
        }
        for peer in (2..10).map(onion) {
            let said = model.remark(peer).map(|remark| remark.text.as_str()).unwrap_or_default();
            prop_assert!(!said.contains("came with your invite") || self.invited.contains(&peer), "{said}");
            prop_assert!(!said.contains("has accepted you") || self.accepted.contains(&peer), "{said}");
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, max_shrink_iters: 400, ..ProptestConfig::default() })]
    #[test]
    fn what_is_typed_for_one_goes_to_no_other_and_is_not_lost(steps in prop::collection::vec(step(), 1..80)) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
            world.check()?;
        }
    }
}
