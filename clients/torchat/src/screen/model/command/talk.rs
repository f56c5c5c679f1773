//! The commands of a conversation that people bring from other programs: `/msg`, `/query`, `/me`, `/win`, `/close`, `/clear`.

use super::super::{Focus, Model, Open};
use crate::screen::editor::TEXT_LIMIT;
use torchat_client::api::Onion;
use torchat_client::api::words::count;
use torchat_client::names::Purpose;

impl Model {
    /// `/msg PEER TEXT` sends without going there, `/query PEER [TEXT]` goes there.
    pub(super) fn message(&mut self, rest: &str, goes: bool) {
        let (peer, text) = match self.peer_and_text(rest) {
            Ok(found) => found,
            Err(error) => return self.warn(error),
        };
        let id = peer.conversation();
        if self.list.request(peer).is_some() && self.list.get(id).is_none() {
            if goes {
                self.open(Open::Request(peer));
            }
            return self.warn("this stranger asks to become a contact: /accept first, then write");
        }
        if self.list.get(id).is_none() {
            return self.warn("you have no contact with this onion: /add it");
        }
        if goes && text.len() <= TEXT_LIMIT {
            self.open(Open::Conversation(id));
        }
        match (text, goes) {
            ("", true) => {}
            ("", false) => self.warn("/msg PEER TEXT: the text is missing"),
            (text, _) => {
                if self.send(id, text) {
                    let name = self.name_of(peer, 20);
                    self.say(format!("to {name}"));
                }
            }
        }
    }

    /// The peer at the beginning of a text, and what follows. Names may have blanks: the longest one that fits is meant.
    fn peer_and_text<'a>(&self, rest: &'a str) -> Result<(Onion, &'a str), String> {
        let names = self.words_for("peer").into_iter();
        let fits = |name: &String| {
            rest.strip_prefix(name.as_str())
                .is_some_and(|text| text.is_empty() || text.starts_with(char::is_whitespace))
        };
        let long = names.filter(fits).map(|name| name.len()).max();
        let end = long.or_else(|| rest.find(char::is_whitespace)).unwrap_or(rest.len());
        let (word, text) = rest.split_at_checked(end).unwrap_or((rest, ""));
        Ok((self.peer_of(word, Purpose::Act)?, text.trim()))
    }

    /// `/me TEXT`: plain text, so that every client shows it; the name before it is the one that the reader knows.
    pub(super) fn act(&mut self, text: &str) {
        match self.conversation() {
            _ if text.is_empty() => self.warn("/me TEXT: what do you do?"),
            Some(peer) if self.list.get(peer).is_some() => {
                self.send(peer, &format!("* {text}"));
            }
            _ => self.warn("no conversation is open"),
        }
    }

    /// `/win N`: a row of the list, counted from 1.
    pub(super) fn win(&mut self, rest: &str) {
        match rest.parse::<usize>() {
            Ok(number @ 1..) => self.open_number(number),
            _ => match self.peer_of(rest, Purpose::Act) {
                Ok(_) => self.message(rest, true),
                Err(_) => self.warn("/win N: the conversation in row N of the list, from 1 on"),
            },
        }
    }

    /// Opens the row of the list with this number, from 1 on.
    pub(in super::super) fn open_number(&mut self, number: usize) {
        let rows = self.list.items().len();
        if number > rows {
            return self.say(format!("the list has {}", count(rows as u64, "row")));
        }
        self.open_item(number.saturating_sub(1));
    }

    /// `/close`: the conversation leaves the list until something new comes; with unread messages it keeps its row.
    pub(super) fn close(&mut self) {
        match self.open {
            Open::Conversation(peer) => {
                let name = self.name_of(peer, 20);
                self.open(Open::Nothing);
                self.change_list(|list| {
                    list.close(peer);
                    Vec::new()
                });
                // What is unread keeps its row: nobody should forget that it is there.
                self.say(match self.list.order().contains(&peer) {
                    true => format!("{name} stays in the list, because you have not read everything there"),
                    false => format!("{name} is out of the list until something new comes; /query brings it back"),
                });
            }
            Open::Petition(..) => self.warn("somebody who asks stays until you /admit or /refuse them"),
            Open::Request(_) => self.warn("a request stays until you /accept, /refuse or /block it"),
            Open::Nothing => self.warn("no conversation is open"),
        }
        if !self.is_wide() && !self.list.items().is_empty() {
            self.focus = Focus::List;
        }
    }

    /// `/clear`: the view is empty until something new comes or the user scrolls.
    pub(super) fn clear_view(&mut self) {
        let Some(timeline) = self.timeline() else { return self.warn("no conversation is open") };
        let last = timeline.window.before(None).map_or(0, |entry| entry.message.id);
        let id = timeline.id();
        self.go_to_end();
        self.focus = Focus::Input;
        self.cleared = Some((id, last));
        self.say("the view is empty, nothing is erased: PgUp shows it again");
    }

    /// Up to which message the view is empty.
    pub(in super::super) fn cleared_upto(&self) -> Option<i64> {
        let timeline = self.timeline().filter(|timeline| timeline.window.bottom.is_none())?;
        self.cleared.filter(|(id, _)| *id == timeline.id()).map(|(_, upto)| upto)
    }

    /// Whether numbers stand before the rows of the list: where they are of use, and not always.
    pub(crate) fn shows_numbers(&self) -> bool {
        self.focus == Focus::List || self.editor.text().starts_with("/w")
    }
}
