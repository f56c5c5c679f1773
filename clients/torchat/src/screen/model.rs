//! What the screen knows and what happens to it: state and [`Model::update`], without input, output or clock.
//!
//! Everything that comes from outside is an [`Input`] with the time at which it came; everything that is to be done
//! outside is an [`Effect`]. So a test is a list of inputs, and every screen can be had without a terminal.

mod answers;
mod attention;
mod chosen;
mod command;
pub(crate) mod covers;
mod elsewhere;
mod erase;
mod events;
mod exchange;
mod keys;
mod line;
mod list;
mod logs;
mod mouse;
mod notice;
mod overlay;
mod recall;
mod remarks;
pub(crate) mod room;
mod scroll;
mod send;
mod stored;
mod timing;
mod verify;
mod words;

use super::areas::{Areas, Body, Sizes};
use super::editor::Editor;
use super::rows::Wrapped;
use super::settings::Settings;
use super::theme::Theme;
use super::wrap::width;
use crate::logs::Place;
use crate::times::Here;
use jiff::tz::TimeZone;
use line::Ran;
use remarks::Remarks;
use std::collections::{HashMap, VecDeque};
use torchat_client::api::record::ContactRequest;
use torchat_client::api::{ConversationId, Onion};
use torchat_client::timeline::{ConversationList, Item, Need, News, PageRequest, Timeline, Tor};

pub(crate) use super::notify::Notify;
use attention::Attention;
pub(crate) use attention::Between;
pub(crate) use command::{ALIASES, COMMANDS};
use covers::About;
pub(crate) use elsewhere::TorSign;
pub(crate) use exchange::{Answer, Ask, Decision, Effect, Erasing, Input, Past};
pub(crate) use keys::KEYS;
pub(crate) use notice::Notice;
pub(crate) use overlay::{Confirm, Overlay, Search};
pub(crate) use room::{RoomAnswer, RoomAsk, RoomWish};
pub(crate) use stored::Stored;

/// Rows of the list whose names are measured.
const MEASURED: usize = 100;

/// What is shown beside the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Open {
    Nothing,
    Conversation(ConversationId),
    Request(Onion),
    /// Somebody who asks to become a member of a room.
    Petition(ConversationId, Onion),
}

/// A conversation that is to be opened as soon as it is in the list: its event may come after the answer.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    conversation: ConversationId,
    /// What was open when the user asked for it: elsewhere they have gone on by now. `None`: it is told, and not opened.
    from: Option<Open>,
    /// What the user has done: told behind the name.
    done: &'static str,
}

/// Conversations that are wanted at most; more are neither told nor opened.
const WANTED: usize = 32;

/// Where keys go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Focus {
    Input,
    List,
    /// A message is chosen.
    Message(i64),
}

/// How it stands with the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Link {
    New,
    Up,
    Gone(String),
    Refused(String),
}

/// What the program starts with.
pub(crate) struct Start {
    pub(crate) now: i64,
    pub(crate) zone: TimeZone,
    pub(crate) theme: Theme,
    pub(crate) size: (u16, u16),
    /// Random, different in every run: the beginning of the keys of messages.
    pub(crate) session: String,
    pub(crate) stored: Stored,
    /// What may hide this screen without a word.
    pub(crate) between: Between,
    pub(crate) settings: Settings,
    /// The path of their file, for the user.
    pub(crate) settings_path: String,
    /// Where the text logs are; `None`: there is no home.
    pub(crate) logs: Option<Place>,
    /// What is wrong with that file.
    pub(crate) trouble: Option<String>,
}

/// The state.
pub(crate) struct Model {
    pub(crate) now: i64,
    pub(crate) zone: TimeZone,
    pub(crate) theme: Theme,
    pub(crate) size: (u16, u16),
    session: String,
    sent: u64,

    pub(crate) own: Option<Onion>,
    pub(crate) link: Link,
    /// Its sentence is harmless.
    pub(crate) tor: Option<Tor>,
    /// It is not usable since then, and does not only start.
    tor_down_since: Option<i64>,
    pub(crate) list: ConversationList,
    /// Notices of the daemon, newest last, harmless.
    notices: VecDeque<(i64, String)>,
    /// Of the first run.
    pub(crate) invite: Option<String>,
    invite_asked: bool,

    pub(crate) open: Open,
    pub(crate) focus: Focus,
    wanted: Vec<Wanted>,
    /// Where the cursor of the list is.
    pub(crate) list_at: usize,
    pub(crate) overlay: Option<Overlay>,
    pub(crate) notice: Option<Notice>,
    pub(crate) editor: Editor,
    pub(crate) stored: Stored,
    /// What is told outside of the screen.
    pub(crate) notify: Notify,
    save_at: Option<i64>,
    /// The key of the message that is on its way to the daemon.
    sending: Option<String>,
    /// The key of the message that the daemon is asked to give back.
    taking: Option<String>,
    retry_at: Option<i64>,
    /// The user was asked whether to start a daemon.
    asked_to_start: bool,
    /// Told to the daemon, not answered.
    seeing: bool,
    /// It was refused: not again before this.
    see_again_at: Option<i64>,
    news: News,
    /// When the user was told last about what is not on the screen.
    told_at: i64,
    /// What comes too soon after that, the last of it.
    untold: Option<Effect>,
    attention: Attention,
    /// A key, a click or a pasted text is what happens.
    typing: bool,
    /// The user was told that what they wanted is not possible.
    wrong: bool,
    /// Commands that the daemon has not answered, oldest first.
    ran: VecDeque<Ran>,
    /// What was copied last, in words.
    copied: &'static str,
    remarks: Remarks,
    rooms: room::Rooms,
    /// Columns of the longest name in the list.
    names: u16,
    mouse: bool,
    pub(crate) settings: Settings,
    settings_path: String,
    logs: Option<Place>,
    /// Conversations with a highlight word that was not seen yet, and the last message with one.
    mentioned: HashMap<ConversationId, i64>,
    /// What was typed and left the input.
    recall: recall::Recall,
    /// The view of this conversation is empty up to this message.
    cleared: Option<(ConversationId, i64)>,
    /// Where the user was before the jumps to what is new, and where the last one led.
    jumped: Option<(Open, Open)>,
    /// The last key was the one that leaves when it comes twice.
    leaving: bool,
    effects: Vec<Effect>,
    wrapped: Wrapped,
}

impl Model {
    /// Before anything has happened.
    pub(crate) fn new(start: Start) -> Self {
        let Start { now, zone, theme, size, session, mut stored, between, settings, settings_path, logs, trouble } =
            start;
        if settings.notify.is_some() {
            stored.notify = None;
        }
        let notify = settings.notify.or(stored.notify).unwrap_or_default();
        let mut editor = Editor::default();
        editor.set(stored.drafts.draft(None, None).to_owned());
        let mut model = Self {
            now,
            zone,
            theme,
            size,
            session,
            sent: 0,
            own: None,
            link: Link::New,
            tor: None,
            tor_down_since: None,
            list: ConversationList::default(),
            notices: VecDeque::new(),
            invite: None,
            invite_asked: false,
            open: Open::Nothing,
            focus: Focus::Input,
            wanted: Vec::new(),
            list_at: 0,
            overlay: None,
            notice: None,
            editor,
            stored,
            notify,
            save_at: None,
            sending: None,
            taking: None,
            retry_at: None,
            asked_to_start: false,
            seeing: false,
            see_again_at: None,
            news: News::default(),
            told_at: 0,
            untold: None,
            attention: Attention::new(between),
            typing: false,
            wrong: false,
            ran: VecDeque::new(),
            copied: "",
            remarks: Remarks::default(),
            rooms: room::Rooms::default(),
            names: 0,
            mouse: settings.mouse.unwrap_or(false),
            recall: recall::Recall::default(),
            cleared: None,
            jumped: None,
            leaving: false,
            effects: Vec::new(),
            wrapped: Wrapped::default(),
            settings_path,
            logs,
            mentioned: HashMap::new(),
            settings,
        };
        if let Some(trouble) = trouble {
            model.warn(trouble);
        }
        model
    }

    /// Whether wheel and clicks are wanted.
    pub(crate) fn has_mouse(&self) -> bool {
        self.mouse
    }

    /// What happens, and what is to be done because of it. `now` in milliseconds since 1970.
    pub(crate) fn update(&mut self, now: i64, input: Input) -> Vec<Effect> {
        self.now = now;
        self.typing = matches!(input, Input::Key(_) | Input::Paste(_) | Input::Mouse(_));
        self.attention.begin();
        match input {
            Input::Key(key) => self.key(key),
            Input::Paste(text) => self.paste(&text),
            Input::Mouse(mouse) => self.mouse(mouse),
            Input::Resize(columns, rows) => {
                self.size = (columns, rows);
                self.wrapped.clear();
                self.clamp();
            }
            Input::Focus(focused) => self.attention.reported(focused),
            Input::Looked(shown) => self.looked(shown),
            Input::Copied(in_tmux) => self.copied(in_tmux),
            Input::Tick => {}
            Input::Link(state) => self.link_changed(state),
            Input::Event(event) => self.event(*event),
            Input::Answer(ask, answer) => self.answer(ask, answer),
            Input::Exported { asked, whole, outcome } => self.exported(&asked, &whole, outcome),
            Input::Settings(outcome) => self.settings_changed(*outcome),
            Input::Logged(peer, on, outcome) => self.logged(peer, on, *outcome),
            Input::NotLogged(why) => self.warn(why),
            Input::Started(Ok(())) => self.effects.push(Effect::Retry),
            Input::Started(Err(error)) => self.warn(format!("torchatd did not start: {error}")),
            Input::Leave => self.leave(),
            Input::Resume => self.effects.push(Effect::Repaint),
        }
        self.settle();
        std::mem::take(&mut self.effects)
    }

    /// What follows from the state, whatever led to it.
    fn settle(&mut self) {
        let (found, wanted) = self.wanted.drain(..).partition(|it| self.list.get(it.conversation).is_some());
        self.wanted = wanted;
        found.into_iter().for_each(|wanted| self.open_wanted(wanted));
        self.give_back();
        self.expire();
        self.typing = false;
        self.take_next_back();
        self.send_next();
        self.target_settles();
        self.load();
        self.see();
        self.focus_settles();
    }

    fn ask(&mut self, ask: Ask) {
        self.effects.push(Effect::Ask(ask));
    }

    /// Changes the list and asks what it needs then. The list's cursor stays on its row.
    fn change_list(&mut self, change: impl FnOnce(&mut ConversationList) -> Vec<Need>) {
        let at = self.list.items().get(self.list_at).copied();
        for need in change(&mut self.list) {
            self.ask(match need {
                Need::Conversations(request) => Ask::Conversations(request),
                Need::Requests(ticket) => Ask::Requests(ticket),
                Need::Petitions(ticket) => {
                    self.ask_petitions(ticket);
                    continue;
                }
                Need::Message(peer, id) => Ask::Page(peer, PageRequest::one(id)),
            });
        }
        let items = self.list.items();
        let found = items.iter().position(|item| Some(*item) == at);
        self.list_at = found.unwrap_or(self.list_at).min(items.len().saturating_sub(1));
        self.measure_names(&items);
    }

    /// How long the names of the list are. Of a very long list its beginning counts: the rest is seldom looked at.
    fn measure_names(&mut self, items: &[Item]) {
        let columns = items.iter().take(MEASURED).map(|item| match item {
            Item::Request(peer) => self.list.request(*peer).map_or(0, |asks| width(&Self::name_of_request(asks, 30))),
            Item::Petition(room, peer) => width(&self.name_of_petition(*room, *peer, 30)),
            Item::Conversation(peer) => {
                self.list.get(*peer).map_or(0, |timeline| width(&super::rows::timeline_name(timeline, 30)))
            }
        });
        let names = columns.max().and_then(|columns| u16::try_from(columns).ok()).unwrap_or(0);
        if names != self.names {
            self.names = names;
            self.wrapped.clear();
        }
    }

    /// The places of the screen.
    pub(crate) fn areas(&self) -> Areas {
        let body = match &self.overlay {
            Some(Overlay::Code { .. } | Overlay::Compare { .. }) => Body::Code,
            Some(_) => Body::Open,
            None if self.is_first_run() => Body::FirstRun,
            None if self.focus == Focus::List => Body::List,
            None => Body::Open,
        };
        self.sizes().areas(self.editor.rows(self.input_columns()).rows.len(), body)
    }

    fn sizes(&self) -> Sizes {
        Sizes { screen: self.size, has_list: !self.is_first_run(), names: self.names, list: self.settings.list_width }
    }

    /// Whether list and conversation are side by side.
    pub(crate) fn is_wide(&self) -> bool {
        self.sizes().is_wide()
    }

    /// Whether the list is on the screen.
    pub(crate) fn shows_list(&self) -> bool {
        self.is_wide() || self.focus == Focus::List
    }

    /// The columns of the input's text.
    pub(crate) fn input_columns(&self) -> usize {
        self.sizes().input_columns()
    }

    /// Where and when the user is.
    pub(crate) fn here(&self) -> Here<'_> {
        Here { zone: &self.zone, now: self.now }
    }

    /// The open conversation.
    pub(crate) fn timeline(&self) -> Option<&Timeline> {
        match self.open {
            Open::Conversation(id) => self.list.get(id),
            _ => None,
        }
    }

    /// Which conversation is open.
    fn conversation(&self) -> Option<ConversationId> {
        match self.open {
            Open::Conversation(id) => Some(id),
            _ => None,
        }
    }

    fn timeline_mut(&mut self) -> Option<&mut Timeline> {
        match self.open {
            Open::Conversation(id) => self.list.get_mut(id),
            _ => None,
        }
    }

    /// The name of a conversation or its peer, harmless; also of one that is not here.
    pub(crate) fn name_of(&self, conversation: impl Into<ConversationId>, columns: usize) -> String {
        let id = conversation.into();
        match self.list.get(id) {
            Some(timeline) => timeline.name(columns),
            None => format!("{}..", id.short()),
        }
    }

    /// What a question says of a conversation or its peer.
    pub(crate) fn about(&self, id: ConversationId) -> About {
        let is_verified = self.list.get(id).is_some_and(Timeline::is_verified);
        About { name: self.name_of(id, 30), is_verified }
    }

    /// What a stranger calls itself, harmless, or the beginning of its onion.
    pub(crate) fn name_of_request(request: &ContactRequest, columns: usize) -> String {
        match torchat_client::show::unmarked_name(&request.nick, columns) {
            nick if nick.is_empty() => format!("{}..", request.peer.0.short()),
            nick => nick,
        }
    }

    /// Who asks to become a member, and of which room, harmless.
    pub(crate) fn name_of_petition(&self, room: ConversationId, peer: Onion, columns: usize) -> String {
        let name = self.list.petition(room, peer).map(|petition| room::petition_name(petition, columns));
        format!("{} {}", name.unwrap_or_default(), self.name_of(room, columns))
    }

    /// Whether somebody is a contact.
    pub(crate) fn is_contact(&self, peer: Onion) -> bool {
        use torchat_client::api::record::ContactState::{Contact, Waiting};
        let timeline = self.list.get(peer.conversation());
        timeline.is_some_and(|timeline| matches!(timeline.contact().state, Contact | Waiting))
    }

    /// Nobody is here yet.
    pub(crate) fn is_first_run(&self) -> bool {
        self.list.is_loaded() && self.list.is_empty()
    }

    /// Opens a conversation that the user has just made, and tells them. `from`: what was open when they asked for it.
    fn open_then(&mut self, conversation: ConversationId, from: Option<Open>, done: &'static str) {
        if self.wanted.len() < WANTED {
            self.wanted.push(Wanted { conversation, from, done });
        }
    }

    /// Opens it, if nothing is typed that is about something else, and tells it.
    fn open_wanted(&mut self, Wanted { conversation, from, done }: Wanted) {
        let nobody = |open: Open| match open {
            Open::Nothing => true,
            Open::Request(peer) => peer.conversation() == conversation,
            Open::Petition(room, _) => room == conversation,
            Open::Conversation(_) => false,
        };
        // Of a request that is decided, nothing is open any more.
        let is_there = from.is_some_and(|from| from == self.open || nobody(from) && self.open == Open::Nothing);
        let text = self.editor.text();
        let typed = if text.is_empty() {
            Some(String::new())
        } else {
            // What was typed to nobody else was typed to the new contact.
            let may_go = nobody(self.open) && !send::is_command(text) && !self.recall.is_shown(text);
            may_go.then(|| text.to_owned())
        };
        if let Some(typed) = typed.filter(|_| is_there) {
            if !typed.is_empty() {
                self.editor.take();
            }
            self.open(Open::Conversation(conversation));
            if !typed.is_empty() {
                self.editor.set(send::joined(self.editor.text(), &typed));
                self.keep_draft();
            }
        }
        let name = self.name_of(conversation, 20);
        self.say(format!("{name} {done}"));
    }

    /// Puts the draft that belongs to what is open into the input. What belongs to no identity yet belongs now to this one.
    fn show_draft(&mut self) {
        let (own, conversation) = (self.own, self.conversation());
        if own.is_some()
            && let Some(unowned) = self.stored.drafts.take_unowned(conversation)
        {
            let both = send::joined(self.stored.drafts.draft(own, conversation), &unowned);
            self.stored.drafts.keep(own, conversation, &both);
            self.save_soon();
        }
        self.recall.end();
        self.editor.set(self.stored.drafts.draft(own, conversation).to_owned());
    }

    /// Opens a conversation, a request or nothing, with the draft that belongs to it.
    fn open(&mut self, open: Open) {
        if self.open == open {
            return;
        }
        self.keep_draft();
        if let Some(timeline) = self.timeline_mut() {
            timeline.close();
        }
        let before = self.conversation();
        self.open = open;
        if let Some(id) = self.conversation() {
            self.mentioned.remove(&id);
        }
        self.cleared = None;
        self.focus = Focus::Input;
        if let Some(timeline) = self.timeline_mut() {
            timeline.close();
        }
        let conversation = self.conversation();
        self.change_list(|list| {
            list.keep(conversation);
            Vec::new()
        });
        // What was typed where no conversation is open stays from one request to another.
        if conversation != before {
            self.show_draft();
        }
        self.wrapped.clear();
        let item = match open {
            Open::Conversation(id) => Some(Item::Conversation(id)),
            Open::Request(peer) => Some(Item::Request(peer)),
            Open::Petition(room, peer) => Some(Item::Petition(room, peer)),
            Open::Nothing => None,
        };
        if let Some(at) = self.list.items().iter().position(|other| Some(*other) == item) {
            self.list_at = at;
        }
    }
}

/// A sentence on one line, whatever it was made of.
fn one_line(text: &str) -> String {
    torchat_client::show::shown_line(&torchat_client::show::reveal(text).replace('\n', " "))
}
