//! Commands: the table, running them, completing them.

mod aliases;
mod names;
mod people;
mod rooms;
mod setting;
mod table;
mod talk;

use super::{Ask, Confirm, Decision, Effect, Link, Model, Open, Overlay, Past};
use crate::screen::address::{self, Address};
use crate::screen::wrap;
use crate::standing;
use crate::times::age;
use jiff::civil::Date;
use std::path::{Path, PathBuf};
use torchat_client::api::Onion;
use torchat_client::api::record::ContactState;
use torchat_client::api::words::count;
use torchat_client::names::{Known, Purpose, Standing, resolve};
use torchat_client::show;
use torchat_protocol::id::parse_onion;

pub(crate) use aliases::ALIASES;
use aliases::{Meaning, meaning, unclear};
pub(crate) use table::{COMMANDS, Command};
use table::{takes_member, takes_peer, words_of};

/// Characters of an onion that stand for it where it has no name.
const ONION_BEGINNING: usize = 10;

/// Where the peer behind a command is looked for.
fn purpose_of(command: &str) -> Purpose {
    match command {
        "accept" | "refuse" => Purpose::Request,
        "unblock" => Purpose::Unblock,
        _ => Purpose::Act,
    }
}

/// The command behind an alias.
fn full_name(word: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == word).map_or(word, |(_, name)| name)
}

impl Model {
    /// Runs what was typed behind the slash.
    pub(super) fn run(&mut self, line: &str) {
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        let command = match meaning(name) {
            Meaning::One(command) => command,
            Meaning::Many(names) => return self.warn(unclear(name, &names)),
            Meaning::Nothing => return self.warn(unclear(name, &[])),
        };
        if self.run_in_rooms(command, name, rest) {
            return;
        }
        match command.name {
            "add" => self.add(rest),
            "accept" => self.decide(Decision::Accept, rest),
            "refuse" => self.decide(Decision::Refuse, rest),
            "block" => self.decide(Decision::Block, rest),
            "unblock" => self.decide(Decision::Unblock, rest),
            "remove" => self.decide(Decision::Remove, rest),
            "hide" => match rest {
                "on" => self.decide(Decision::Hide, ""),
                "off" => self.decide(Decision::Appear, ""),
                "" => self.is_hidden(),
                _ => self.usage(command),
            },
            "rename" => match self.open_peer() {
                Ok(peer) => self.ask(Ask::Rename(peer, rest.to_owned())),
                Err(error) => self.warn(error),
            },
            "verify" if !self.verify(rest) => self.usage(command),
            "retain" if !self.retain(rest) => self.usage(command),
            "log" if !self.log(rest) => self.usage(command),
            "verify" | "retain" | "log" => {}
            "erase" => self.ask_to_erase(),
            "peer" => match self.peer_of(rest, Purpose::Act) {
                Ok(peer) if self.list.request(peer).is_some() => self.open(Open::Request(peer)),
                Ok(peer) if self.list.get(peer.conversation()).is_some() => {
                    self.open(Open::Conversation(peer.conversation()));
                }
                Ok(_) => self.warn("you have no contact with this onion: /add it"),
                Err(error) => self.warn(error),
            },
            "query" => self.message(rest, true),
            "msg" => self.message(rest, false),
            "me" => self.act(rest),
            "win" => self.win(rest),
            "close" => self.close(),
            "clear" => self.clear_view(),
            "whois" => self.whois(rest),
            "nick" => self.nick(rest),
            "peers" => self.peers(),
            "history" => self.history(command, rest),
            "search" => self.open_search(rest),
            "reply" => self.reply(None),
            "cancel" => self.cancel(None),
            "invite" => match rest.parse::<u32>() {
                _ if rest.is_empty() => self.ask(Ask::Invite { hours: 168, show: true }),
                Ok(hours) => self.ask(Ask::Invite { hours, show: true }),
                Err(_) => self.usage(command),
            },
            "qr" => match self.own {
                Some(own) => {
                    let title = "Your onion: anyone who has it can ask to become your contact".into();
                    self.overlay = Some(Overlay::Code { title, text: own.0.onion() });
                }
                None => self.warn("torchatd has not told your onion yet"),
            },
            "copy" => self.copy_own(),
            "status" => self.ask(Ask::Status),
            "export" => self.export(rest),
            "notify" if self.set_notify(rest) => {}
            "mouse" if self.set_mouse(rest) => {}
            "theme" if self.set_theme(rest) => {}
            "notify" | "mouse" | "theme" => self.usage(command),
            "mute" => self.mute(rest),
            "highlight" => self.highlight(rest),
            "set" => self.show_settings(),
            "keys" => self.overlay = Some(Overlay::Keys { scroll: 0 }),
            "start" => self.start_daemon(),
            // With a name irssi's `/q NAME` is meant, and nobody wants to leave.
            "quit" if name == "q" && !rest.is_empty() => self.warn("/q leaves; /query PEER goes to a conversation"),
            "quit" => self.leave(),
            "exit" => self.overlay = Some(Overlay::Confirm(Confirm::Exit)),
            _ => self.overlay = Some(Overlay::Help { scroll: 0 }),
        }
    }

    fn usage(&mut self, command: &Command) {
        self.warn(format!("/{} {}: {}", command.name, command.usage, command.about));
    }

    /// Goes to a place of the open conversation.
    fn history(&mut self, command: &Command, place: &str) {
        let Some(id) = self.conversation() else { return self.warn("no conversation is open") };
        let (start, end) = self.timeline().map_or((false, false), |timeline| {
            let window = &timeline.window;
            (window.is_loaded() && !window.has_older(), window.is_loaded() && !window.has_newer())
        });
        let is_up = self.link == Link::Up;
        match (place, place.parse::<u32>(), place.parse::<Date>()) {
            ("start", ..) if start || is_up => {
                self.go_to_start();
                self.say("the first messages; /history end or Alt+End goes back");
            }
            ("end", ..) | (_, Ok(0), _) if end || is_up => {
                self.go_to_end();
                self.say("the last messages");
            }
            ("start" | "end", ..) | (_, Ok(0), _) => {
                self.warn("torchatd is away, and these messages are not on this screen yet");
            }
            (_, Ok(count), _) => self.ask(Ask::Locate(id, Past::Back(count))),
            // The day begins where the user is.
            (_, _, Ok(day)) => match day.to_zoned(self.zone.clone()) {
                Ok(begin) => self.ask(Ask::Locate(id, Past::Since(begin.timestamp().as_millisecond()))),
                Err(error) => self.warn(error.to_string()),
            },
            _ => self.usage(command),
        }
    }

    /// Copies what a friend needs.
    fn copy_own(&mut self) {
        let (what, text) = match (self.invite.clone().filter(|_| self.is_first_run()), self.own) {
            (Some(invite), _) => ("your invite", invite),
            (None, Some(own)) => ("your onion", own.0.onion()),
            (None, None) => return self.warn("torchatd has not told your onion yet"),
        };
        self.copy(what, text);
    }

    /// Copies a text; what it is, is told when it is known where it is.
    pub(super) fn copy(&mut self, what: &'static str, text: String) {
        self.copied = what;
        self.effects.push(Effect::Copy(text));
    }

    /// Where the copied text is now.
    pub(super) fn copied(&mut self, in_tmux: bool) {
        let what = self.copied;
        // It is what the key that was just pressed has led to, though it comes a moment later.
        self.typing = true;
        self.say(match in_tmux {
            true => format!("{what} is in tmux's buffer: prefix ] pastes it"),
            false => format!("{what} is copied, if your terminal allows it"),
        });
    }

    fn add(&mut self, rest: &str) {
        match address::read(rest) {
            Some(Ok(Address { peer, words })) => self.ask(Ask::Add { peer, text: words }),
            Some(Err(error)) => self.warn(error),
            None if rest.is_empty() => self.warn("/add ONION or /add INVITE"),
            None => {
                let first = rest.split_whitespace().next().unwrap_or_default();
                let error = parse_onion(first).err().map(|error| format!(": {error}")).unwrap_or_default();
                self.warn(format!("this is neither an onion nor an invite{error}"));
            }
        }
    }

    /// Whose conversation is open.
    pub(super) fn open_peer(&self) -> Result<Onion, String> {
        let timeline = self.timeline().ok_or("no conversation is open")?;
        match timeline.is_room() {
            true => Err("this is a room, and not a person: /members shows who is in it".into()),
            false => Ok(timeline.peer()),
        }
    }

    /// Decides about a peer that is named, or about what is open.
    fn decide(&mut self, decision: Decision, name: &str) {
        let peer = match (name.is_empty(), self.open) {
            (true, Open::Request(peer)) => Ok(peer),
            (true, _) if matches!(decision, Decision::Accept | Decision::Refuse) => match self.list.request_list() {
                [] => Err("nobody asks to become a contact".to_owned()),
                // One that asks is meant, when nobody else is.
                [only] => Ok(only.peer),
                many => Err(format!("{} people ask to become contacts: open one in the list first", many.len())),
            },
            (true, Open::Conversation(_)) => self.open_peer(),
            (true, Open::Nothing) => Err("no conversation is open".to_owned()),
            (true, Open::Petition(..)) => Err("/admit lets them into the room, /refuse does not".to_owned()),
            (false, _) => self.peer_of(
                name,
                purpose_of(match decision {
                    Decision::Accept | Decision::Refuse => "accept",
                    Decision::Unblock => "unblock",
                    Decision::Block
                    | Decision::Remove
                    | Decision::Hide
                    | Decision::Appear
                    | Decision::Verify
                    | Decision::Doubt => "block",
                }),
            ),
        };
        match (decision, peer) {
            (Decision::Block, Ok(peer)) => self.overlay = Some(Overlay::Confirm(Confirm::Block(peer))),
            (Decision::Remove, Ok(peer)) => self.overlay = Some(Overlay::Confirm(Confirm::Remove(peer))),
            (_, Ok(peer)) => self.ask(Ask::Decide(decision, peer)),
            (_, Err(error)) => self.warn(error),
        }
    }

    /// Which peer a word means: an onion, a name that the user gave, or the beginning of a contact's onion. Neither what a peer calls
    /// itself nor who asks counts; see `torchat_client::names`.
    fn peer_of(&self, word: &str, purpose: Purpose) -> Result<Onion, String> {
        if word.is_empty() {
            return Err("which peer? Type a name that you gave, the beginning of a contact's onion, or an onion".into());
        }
        resolve(word, purpose, &self.known()).map_err(|error| match error {
            // At the start nobody is known yet: "you have no such contact" would not be true.
            _ if !self.list.is_loaded() => "your contacts are not here yet: press Enter again in a moment".into(),
            error => error.to_string(),
        })
    }

    /// Everybody who is known here.
    fn known(&self) -> Vec<Known> {
        let asking = self.list.request_list().iter().map(|request| Known {
            peer: request.peer,
            name: None,
            standing: Standing::Asking,
        });
        let people = self.list.timelines().filter(|timeline| !timeline.is_room());
        let conversations = people.map(|timeline| Known {
            peer: timeline.peer(),
            name: timeline.contact().name.clone(),
            standing: match timeline.contact().state {
                ContactState::Waiting | ContactState::Contact => Standing::Contact,
                ContactState::Blocked => Standing::Blocked,
                ContactState::Stranger | ContactState::Room | ContactState::Unknown => Standing::Former,
            },
        });
        asking.chain(conversations).collect()
    }

    /// What may be typed for a peer behind a command: names that the user gave, where they can be typed as they are shown, else
    /// the beginnings of onions.
    fn words_for(&self, command: &str) -> Vec<String> {
        let wanted = match purpose_of(command) {
            Purpose::Request => Standing::Asking,
            Purpose::Unblock => Standing::Blocked,
            Purpose::Act | Purpose::Read => Standing::Contact,
        };
        let mut words: Vec<String> = self
            .known()
            .into_iter()
            .filter(|row| row.standing == wanted)
            .map(|row| match row.name.filter(|name| !name.is_empty() && show::shown_name(name, 40) == *name) {
                Some(name) => name,
                None => row.peer.0.onion().chars().take(ONION_BEGINNING).collect(),
            })
            .collect();
        words.sort();
        words
    }

    fn peers(&mut self) {
        let mut lines = Vec::new();
        let mut timelines: Vec<_> = self.list.timelines().filter(|timeline| !timeline.is_room()).collect();
        timelines.sort_by_key(|timeline| timeline.name(40));
        for timeline in timelines {
            // That they are contacts is in the title.
            let state = match timeline.contact().state {
                ContactState::Contact => String::new(),
                other => format!(", {}", standing::words(other)),
            };
            let heard = match (timeline.contact().link, timeline.heard_at) {
                (true, _) => "online".to_owned(),
                (false, Some(at)) => format!("heard {} ago", age(self.now - at)),
                (false, None) => "never heard".to_owned(),
            };
            let hidden = if timeline.contact().hidden { ", you are hidden from them" } else { "" };
            let like = if timeline.is_lookalike() { ", READS LIKE ANOTHER NAME" } else { "" };
            lines.push(format!("{}: {heard}{state}{hidden}{like}", timeline.name(40)));
            lines.push(timeline.peer().0.onion());
        }
        if lines.is_empty() {
            lines.push("no contacts yet: /add ONION".into());
        }
        self.overlay = Some(Overlay::Text { title: "Contacts".into(), lines, scroll: 0 });
    }

    fn export(&mut self, path: &str) {
        let Some(timeline) = self.timeline() else { return self.warn("no conversation is open") };
        let conversation = timeline.id();
        let day = jiff::Timestamp::from_millisecond(self.now).unwrap_or_default().to_zoned(self.zone.clone());
        let path = match path {
            "" => PathBuf::from(format!("torchat-{}-{}.txt", conversation.short(), day.strftime("%Y%m%d-%H%M%S"))),
            path => PathBuf::from(path),
        };
        let name = timeline.name(40);
        self.effects.push(Effect::Export { peer: conversation, path, name });
    }

    /// A conversation was written, or could not be: then what was typed comes back.
    pub(super) fn exported(&mut self, asked: &Path, whole: &Path, outcome: Result<u64, String>) {
        let effect = self.ran_export(asked);
        match (outcome, effect) {
            (Ok(written), effect) => {
                if let Some(effect) = effect {
                    self.take_line(&effect);
                }
                self.say(format!("{} written to {}", count(written, "message"), whole.display()));
            }
            (Err(error), effect) => {
                if let Some(effect) = effect {
                    self.line_refused(&effect);
                }
                self.warn(format!("not exported to {}: {error}", whole.display()));
            }
        }
    }

    /// Completes the command or its word; with several possibilities as far as they agree, and names them.
    pub(super) fn complete(&mut self) {
        let before = self.editor.before_cursor();
        let Some(line) = before.strip_prefix('/') else { return };
        let (part, candidates): (String, Vec<String>) = match line.split_once(' ') {
            None => {
                let names = COMMANDS.iter().map(|command| command.name.to_owned());
                (line.to_owned(), names.filter(|name| name.starts_with(line)).collect())
            }
            Some((command, part)) if takes_member(full_name(command)) && self.open_room().is_some() => {
                (part.to_owned(), self.member_words(part).unwrap_or_default())
            }
            Some((command, part)) if takes_peer(full_name(command)) => {
                let command = full_name(command);
                let lower = part.to_lowercase();
                let names = self.words_for(command).into_iter().chain(self.room_words(command));
                (part.to_owned(), names.filter(|name| name.to_lowercase().starts_with(&lower)).collect())
            }
            Some((command, part)) => {
                let words = words_of(full_name(command)).iter().filter(|word| word.starts_with(part));
                (part.to_owned(), words.map(|word| (*word).to_owned()).collect())
            }
        };
        match candidates.as_slice() {
            [] => {}
            [only] => self.editor.complete(part.len(), &format!("{only} ")),
            [first, rest @ ..] => {
                let mut common = first.clone();
                while !rest.iter().all(|other| other.to_lowercase().starts_with(&common.to_lowercase())) {
                    common.pop();
                }
                if common.len() > part.len() {
                    self.editor.complete(part.len(), &common);
                }
                self.say(wrap::cut(&candidates.join("  "), 200));
            }
        }
    }

    /// What the status line says while a command is typed.
    pub(crate) fn command_hint(&self) -> Option<String> {
        let line = self.editor.text().strip_prefix('/')?;
        let (name, whole) = line.split_once(char::is_whitespace).map_or((line, false), |(name, _)| (name, true));
        let alias = full_name(name);
        if let Some(command) = COMMANDS.iter().find(|command| command.name == alias) {
            let name = alias;
            let usage = if command.usage.is_empty() { String::new() } else { format!(" {}", command.usage) };
            return Some(format!("/{name}{usage}: {}", command.about));
        }
        if whole {
            return None;
        }
        let names: Vec<_> =
            COMMANDS.iter().map(|command| command.name).filter(|known| known.starts_with(name)).collect();
        (!names.is_empty()).then(|| format!("/{}", names.join(" /")))
    }
}
