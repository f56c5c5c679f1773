//! What the daemon answers.

use super::send::RETRY;
use super::{Answer, Ask, Decision, Effect, Focus, Link, Model, Open, Overlay, Search, chosen, one_line, words};
use torchat_client::api::command::{MessagesAnswer, StatusAnswer};
use torchat_client::api::record::Conversation;
use torchat_client::api::{ApiClientError, Code, ConversationId, Onion};
use torchat_client::show;
use torchat_client::timeline::{Anchor, ConversationList, ListRequest, PageRequest, Tor, Waiting};

/// Lines of /status at most.
const DETAILS: usize = 400;

impl Model {
    /// An answer, or why there is none.
    pub(super) fn answer(&mut self, ask: Ask, answer: Result<Answer, ApiClientError>) {
        let searched = self.search_answered(&ask);
        let answer = match (ask, answer) {
            (Ask::Send { peer, key, .. }, answer) => {
                let outcome = match answer {
                    Ok(Answer::Sent(sent)) => Ok(sent),
                    Ok(_) => Err(ApiClientError::Protocol("another answer".into())),
                    Err(error) => Err(error),
                };
                return self.sent(peer, &key, outcome);
            }
            (Ask::TakeBack { key, .. }, answer) => return self.taken_back(&key, answer),
            (ask, Ok(answer)) => (ask, answer),
            (ask, Err(error)) => return self.failed(&ask, &error),
        };
        let from = self.line_done(&answer.0);
        match answer {
            (Ask::Conversations(request), Answer::Conversations(list)) => self.conversations(request, list),
            (Ask::Requests(ticket), Answer::Requests(requests)) => {
                self.change_list(|list| list.requests(ticket, requests));
            }
            (Ask::News { .. }, Answer::Status(status)) => self.news(&status),
            (Ask::Status, Answer::Status(status)) => self.status(&status),
            (Ask::Page(peer, request), Answer::Page(page, behind)) => self.page(peer, request, page, behind),
            (Ask::Search { before, .. }, Answer::Found(found)) if searched => {
                if let Some(Overlay::Search(search)) = &mut self.overlay {
                    (search.more, search.complete) = (found.more, found.complete);
                    if before.is_none() {
                        search.found.clear();
                        search.at = 0;
                    }
                    search.found.extend(found.messages);
                }
            }
            (Ask::Locate(peer, _), Answer::Located(Some(id))) if self.open == Open::Conversation(peer) => {
                self.jump(peer, id)
            }
            (Ask::Locate(..), Answer::Located(None)) => self.say("no messages since then"),
            (Ask::Cancel(..), Answer::Cancelled(certain)) => self.say(chosen::cancelled(certain)),
            (Ask::Seen(peer, upto), _) => {
                self.seeing = false;
                if let Some(timeline) = self.list.get_mut(peer) {
                    timeline.seen(upto);
                }
            }
            (Ask::Add { peer: text, .. }, Answer::Added(id)) => {
                if let Some(peer) = id.as_peer() {
                    self.invite_shown(&text, Onion(peer));
                }
                self.invite = None;
                if self.list.get(id).is_none() {
                    // Its event may still be under way.
                    self.change_list(ConversationList::look);
                }
                self.open_then(id, from, "is a contact now; your messages are sent when they are online");
            }
            // Shown on the screen of the first run, if that is still there.
            (Ask::Invite { show: false, .. }, Answer::Invite(invite)) => self.invite = Some(invite),
            (_, Answer::Invite(invite)) => {
                let title = "An invite: good once. The first one to show it is a contact at once".into();
                self.overlay = Some(Overlay::Code { title, text: invite });
            }
            (Ask::Decide(decision, peer), _) => self.decided(decision, peer, from),
            (Ask::Rename(peer, name), _) => self.say(match name.as_str() {
                "" => format!("{}.. has the name again that they chose themselves", peer.0.short()),
                name => format!("{}.. is called {}", peer.0.short(), show::unmarked_name(name, 40)),
            }),
            (Ask::Retain(peer, days), _) => self.retained(peer, days),
            (Ask::CountErasable(id, what), Answer::Erasable(found)) => self.erasable(id, what, found),
            (Ask::Erase(id, _), Answer::Erased(erased, kept)) => self.erased(id, erased, kept),
            (Ask::Room(ask), Answer::Room(answer)) => self.room_answered(ask, answer, from),
            (Ask::Exit, _) => self.leave(),
            _ => {}
        }
    }

    fn failed(&mut self, ask: &Ask, error: &ApiClientError) {
        match ask {
            Ask::Conversations(request) => self.list.conversations_failed(*request),
            Ask::Requests(ticket) => self.list.requests_failed(*ticket),
            Ask::Page(peer, request) => {
                if let Some(timeline) = self.list.get_mut(*peer) {
                    timeline.window.failed(*request);
                }
            }
            Ask::News { .. } => return self.news.failed(self.now),
            Ask::Seen(peer, upto) => {
                self.seeing = false;
                if error.is_passing() {
                    self.see_again_at = Some(self.now + RETRY);
                } else {
                    // A token without the right to send: not again.
                    if let Some(timeline) = self.list.get_mut(*peer) {
                        timeline.seen_here(*upto);
                    }
                }
                return;
            }
            Ask::CountErasable(id, what) => self.not_counted(*id, *what),
            Ask::Room(room) if error.code() == Some(&Code::DecisionWaits) => {
                self.line_done(ask);
                return self.decision_waits(room);
            }
            // Like a page: what is missing is seen, and asked for at the next connection.
            Ask::Room(ask) if self.room_failed(ask) => return,
            // The daemon stops faster than it answers.
            Ask::Exit if matches!(error, ApiClientError::Lost { .. }) => return self.leave(),
            Ask::Invite { show: false, .. } => return,
            _ => {}
        }
        self.line_refused(&Effect::Ask(ask.clone()));
        // That the daemon is away is on the screen already.
        if !matches!(error, ApiClientError::Lost { .. }) || self.link == Link::Up {
            self.warn(words::refused(ask, error));
        }
    }

    fn conversations(&mut self, request: ListRequest, conversations: Vec<Conversation>) {
        let now = self.now;
        let first = !self.list.is_loaded();
        self.change_list(|list| list.conversations(request, conversations, now));
        self.wrapped.clear();
        self.show_unsent();
        self.mentions_seen();
        // What is typed goes nowhere else.
        if first && self.open == Open::Nothing && self.editor.text().is_empty() {
            // The latest conversation is what one wants to see; requests wait in the list.
            if let Some(id) = self.list.order().first().copied().filter(|_| self.is_wide()) {
                self.open(Open::Conversation(id));
            } else if !self.list.order().is_empty() {
                self.focus = Focus::List;
            }
        }
        if self.is_first_run() && !self.invite_asked {
            self.invite_asked = true;
            self.ask(Ask::Invite { hours: 168, show: false });
        }
    }

    fn page(&mut self, id: ConversationId, request: PageRequest, page: MessagesAnswer, behind: Option<MessagesAnswer>) {
        let Some(timeline) = self.list.get_mut(id) else { return };
        let opened = !timeline.window.is_loaded();
        if !timeline.window.answer(request, page, behind) {
            return;
        }
        match request.anchor {
            Anchor::Newest if opened && timeline.unread() > 0 && timeline.window.bottom.is_none() => {
                timeline.new_from = timeline.window.first_unread();
                self.first_unread_visible();
            }
            Anchor::Oldest => self.clamp(),
            Anchor::Around(message) if self.open == Open::Conversation(id) => {
                // First, because a chosen message tells more of itself.
                self.focus = Focus::Message(message);
                self.show_message(message);
            }
            // Its reason may be longer now.
            Anchor::One(message) if self.focus == Focus::Message(message) => self.reveal_message(message),
            _ => {}
        }
    }

    /// How far Tor is, and why mail waits.
    fn news(&mut self, answer: &StatusAnswer) {
        self.news.answered(answer, self.now);
        self.ask_news();
        if let Some(tor) = Tor::of(answer) {
            self.tor_is(tor);
        }
        self.list.set_waiting(Waiting::all(answer, self.now));
    }

    /// Asks for news if it is time.
    pub(super) fn ask_news(&mut self) {
        if self.link == Link::Up
            && let Some(status) = self.news.ask(self.now)
        {
            self.ask(Ask::News { version: status.version });
        }
    }

    /// An opened conversation begins with what is new, if that is more than fits.
    fn first_unread_visible(&mut self) {
        let Some(id) = self.timeline().and_then(|timeline| timeline.new_from) else { return };
        if !self.visible().iter().any(|row| row.id == id) {
            self.show_message(id);
        }
    }

    fn decided(&mut self, decision: Decision, peer: Onion, from: Option<Open>) {
        let name = self.name_of(peer, 20);
        let words = match decision {
            Decision::Accept => "is a contact",
            Decision::Refuse => "is not shown again for 30 days; they are not told",
            Decision::Block => "is blocked: they see what every stranger sees",
            Decision::Unblock => "is a stranger again",
            Decision::Remove => "is not a contact any more; the history stays",
            Decision::Hide => "sees you only while there is something to deliver",
            Decision::Appear => "sees you when you are there",
            Decision::Verify => "is verified: a ✓ is shown before the name",
            Decision::Doubt => "is not verified any more",
        };
        if decision == Decision::Accept {
            self.change_list(|list| {
                list.request_decided(peer);
                Vec::new()
            });
            if from.is_some_and(|from| from == Open::Nothing || from == Open::Request(peer)) {
                return self.open_then(peer.conversation(), from, words);
            }
        }
        self.say(format!("{name} {words}"));
    }

    fn status(&mut self, answer: &StatusAnswer) {
        let told = self.notices().take(10).map(|(at, notice)| format!("{} {notice}", self.here().moment(*at)));
        let told: Vec<_> = told.collect();
        // The same as `torchat status` shows, with the names of this screen.
        let lines = crate::status::lines(answer, false, |peer| self.name_of(peer, 30));
        let mut lines: Vec<_> = lines.iter().map(|line| one_line(line)).collect();
        if !told.is_empty() {
            lines.push(String::new());
            lines.extend(told);
        }
        lines.truncate(DETAILS);
        self.overlay = Some(Overlay::Text { title: "State of the daemon".into(), lines, scroll: 0 });
    }

    /// Whether this is the question of the search that is open, which has its answer now.
    fn search_answered(&mut self, ask: &Ask) -> bool {
        let Some(Overlay::Search(search)) = &mut self.overlay else { return false };
        let is_it = search.question.take_if(|question| **question == *ask).is_some();
        search.waiting &= !is_it;
        is_it
    }

    /// Asks for what is in the search's input, or for more of it.
    pub(super) fn search(&mut self, more: bool) {
        let Some(Overlay::Search(search)) = &mut self.overlay else { return };
        let Search { editor, peer, asked, found, waiting, .. } = search;
        let text = editor.text().trim().to_owned();
        if text.is_empty() || *waiting && *asked == text {
            return;
        }
        (*asked, *waiting) = (text.clone(), true);
        let (peer, before) = (*peer, found.last().map(|message| message.id).filter(|_| more));
        let ask = Ask::Search { text, peer, before };
        search.question = Some(Box::new(ask.clone()));
        self.ask(ask);
    }
}
