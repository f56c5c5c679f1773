//! The commands of rooms, and what other commands mean where a room is open.

use super::super::room::{Question, RoomAsk, RoomWish};
use super::super::{Model, Open, Overlay};
use super::Command;
use crate::membership;
use crate::screen::address::{self, Address};
use crate::screen::rows::timeline_name;
use torchat_client::api::ConversationId;
use torchat_client::api::command::{GivenNotify, GivenRole};
use torchat_client::api::record::{Notify, Role, RoomForm};
use torchat_client::api::words::count;
use torchat_client::names::{KnownRoom, Purpose, ROOM_SIGN, is_room_word, resolve_member, resolve_room};
use torchat_client::show;
use torchat_client::timeline::Timeline;
use torchat_client::timeline::room::{member_before, member_name};

/// What is said as long as it is not known who is in the open room.
const NOT_HERE: &str = "the members are not here yet: press Enter again in a moment";

/// Columns of a name in a sentence.
const NAME: usize = 20;

impl Model {
    /// Runs a command that is about rooms, or means something else in a room. False: it is not.
    pub(super) fn run_in_rooms(&mut self, command: &Command, name: &str, rest: &str) -> bool {
        let is_open = self.timeline().is_some_and(Timeline::is_room);
        match command.name {
            "room" => match rest.split_once(char::is_whitespace).unwrap_or((rest, "")) {
                ("new", rest) => self.make_room(command, rest.trim()),
                ("join", rest) => self.join(rest.trim()),
                ("list", "") => self.show_rooms(),
                _ => self.usage(command),
            },
            "join" => self.join(rest),
            "leave" => self.leave_room(command, rest),
            "members" => self.show_members(),
            "peers" if is_open && matches!(name, "names" | "who") => self.show_members(),
            "topic" => self.topic(rest),
            "kick" => self.about_member(command, rest, |model, room, no, behind| match behind {
                "" | "return" => model.ask_to_remove(room, no, behind == "return"),
                _ => model.usage(command),
            }),
            "role" => self.about_member(command, rest, |model, room, no, word| match role(word) {
                Some(role) => model.ask_room(RoomAsk::In(room, RoomWish::Role(no, role))),
                None => model.usage(command),
            }),
            "pardon" => self.pardon(command, rest),
            "force" => self.ask_to_force(),
            "transfer" => self.about_member(command, rest, |model, room, no, _| model.ask_to_transfer(room, no)),
            "unmute" => self.about_member(command, rest, |model, room, no, _| {
                model.ask_room(RoomAsk::In(room, RoomWish::Unmute(no)));
            }),
            "mute" if is_open && !matches!(rest, "" | "on" | "off") && !is_room_word(rest) => {
                self.about_member(command, rest, |model, room, no, why| {
                    let why = Some(why.to_owned()).filter(|why| !why.is_empty());
                    model.ask_room(RoomAsk::In(room, RoomWish::Mute(no, why)));
                });
            }
            "admit" => match role(rest) {
                _ if rest.is_empty() => self.admit(true, None),
                Some(role) => self.admit(true, Some(role)),
                None => self.usage(command),
            },
            "accept" | "refuse" if rest.is_empty() && matches!(self.open, Open::Petition(..)) => {
                self.admit(command.name == "accept", None);
            }
            "edit" | "react" | "redact" if !is_open => self.no_room(),
            "edit" => self.edit_message(rest),
            "react" => self.react(rest),
            "redact" => self.redact(rest),
            "reply" if is_open => self.reply_in_room(None),
            "take" => self.wish(RoomWish::Take),
            "settle" => self.wish(RoomWish::Settle),
            "destroy" => self.ask_to_destroy(rest),
            "invite" if is_open => self.invite_to_room(command, rest),
            "rename" if is_open => self.wish(RoomWish::Alias(rest.to_owned())),
            "nick" if is_open && !rest.is_empty() => self.wish(RoomWish::Nick(rest.to_owned())),
            "notify" if matches!(rest, "all" | "mentions" | "none") => self.wish(RoomWish::Notify(match rest {
                "all" => GivenNotify::All,
                "none" => GivenNotify::None,
                _ => GivenNotify::Mentions,
            })),
            "whois" if is_open && rest.is_empty() => self.about_room(),
            "peer" | "query" | "msg" | "win" | "mute" if is_room_word(rest) => self.talk_to_room(command.name, rest),
            _ => return false,
        }
        true
    }

    fn no_room(&mut self) {
        if let Err(error) = self.this_room() {
            self.warn(error);
        }
    }

    /// Wishes something in the open room.
    fn wish(&mut self, wish: RoomWish) {
        match self.this_room() {
            Ok((room, _)) => self.ask_room(RoomAsk::In(room, wish)),
            Err(error) => self.warn(error),
        }
    }

    /// `/room new NAME [TOPIC]`. A name with blanks is in quotes.
    fn make_room(&mut self, command: &Command, rest: &str) {
        let quoted = rest.strip_prefix('"').and_then(|rest| rest.split_once('"'));
        let (name, topic) = quoted.unwrap_or_else(|| rest.split_once(char::is_whitespace).unwrap_or((rest, "")));
        let name = name.strip_prefix('#').unwrap_or(name);
        if name.is_empty() {
            return self.usage(command);
        }
        let key = self.next_key();
        let (name, topic) = (name.to_owned(), topic.trim().to_owned());
        self.ask_known(RoomAsk::New { name, topic, key });
    }

    fn join(&mut self, rest: &str) {
        match address::read_room(rest) {
            Some(Ok(Address { peer: invite, words: text })) => self.ask_known(RoomAsk::Join { invite, text }),
            Some(Err(error)) => self.warn(error),
            None => self.warn("/join INVITE: an invite to a room begins with torchat-room:"),
        }
    }

    /// Asks a daemon that has rooms.
    fn ask_known(&mut self, ask: RoomAsk) {
        match self.knows_rooms() {
            Ok(()) => self.ask_room(ask),
            Err(error) => self.warn(error),
        }
    }

    fn leave_room(&mut self, command: &Command, rest: &str) {
        let forget = match rest {
            "" => false,
            "forget" => true,
            _ => return self.usage(command),
        };
        let (room, side) = match self.this_room() {
            Ok(open) => open,
            Err(error) => return self.warn(error),
        };
        if side.may(Role::Owner) {
            return self.warn("you own this room: /transfer hands it over, /destroy ends it");
        }
        let name = self.name_of(room, NAME);
        let stays = match forget {
            true => "Its messages are erased here.",
            false => "Its history stays.",
        };
        let text = format!("Leave {name}? Only another invite lets you in again. {stays}");
        let ask = RoomAsk::In(room, RoomWish::Leave { forget });
        self.ask_first(Question { text, keys: "y leaves, any other key does not", ask });
    }

    fn topic(&mut self, rest: &str) {
        let (room, side) = match self.this_room() {
            Ok(open) => open,
            Err(error) => return self.warn(error),
        };
        let topic = show::shown_line(&side.room().topic);
        match (rest, topic.is_empty()) {
            ("", true) => self.say("this room has no topic"),
            ("", false) => self.say(format!("topic: {topic}")),
            (topic, _) => self.ask_room(RoomAsk::In(room, RoomWish::Topic(topic.to_owned()))),
        }
    }

    /// `/pardon MEMBER`, one of those who were removed.
    fn pardon(&mut self, command: &Command, rest: &str) {
        if rest.is_empty() {
            return self.usage(command);
        }
        let found = self.this_room().map(|(room, side)| (room, side.members.is_loaded())).and_then(|(room, loaded)| {
            if !loaded {
                return Err(NOT_HERE.into());
            }
            let removed = self.removed_members();
            let no = resolve_member(rest.strip_prefix('@').unwrap_or(rest), &removed)
                .map_err(|_| "nobody who was removed is called so: /members shows them".to_owned())?;
            let onion = removed.iter().find(|member| member.no == no).and_then(|member| member.onion);
            Ok((room, onion.ok_or("the owner did not say the onion of this member, so no invite is kept from it")?))
        });
        match found {
            Ok((room, onion)) => self.ask_room(RoomAsk::In(room, RoomWish::Pardon(onion))),
            Err(error) => self.warn(error),
        }
    }

    /// `/force`: what was decided last in the open room and waits.
    fn ask_to_force(&mut self) {
        let room = match self.this_room() {
            Ok((room, _)) => room,
            Err(error) => return self.warn(error),
        };
        let Some((_, wish)) = self.waiting_decision().filter(|(of, _)| *of == room) else {
            return self.warn("nothing that you have decided here waits for another member");
        };
        let text = format!(
            "Do now what you have decided in {}, and all that waits before it? If the data directory of your torchatd was restored from \
             a backup, it may contradict what you decided after the backup; then the room is frozen, and some decisions are lost.",
            self.name_of(room, NAME)
        );
        let ask = RoomAsk::In(room, RoomWish::Forced(Box::new(wish)));
        self.ask_first(Question { text, keys: "y does it, any other key does not", ask });
    }

    /// A command about a member, and what follows the name.
    fn about_member(&mut self, command: &Command, rest: &str, act: impl FnOnce(&mut Self, ConversationId, u32, &str)) {
        if rest.is_empty() {
            return self.usage(command);
        }
        let found: Result<(ConversationId, u32, String), String> = self.this_room().and_then(|(room, side)| {
            if !side.members.is_loaded() {
                return Err(NOT_HERE.into());
            }
            let (no, text) = member_before(rest, &side.members.known()).map_err(|error| error.to_string())?;
            Ok((room, no, text.to_owned()))
        });
        match found {
            Ok((room, no, text)) => act(self, room, no, &text),
            Err(error) => self.warn(error),
        }
    }

    /// `/invite [USES] [ROLE]`, or `/invite CONTACT`.
    fn invite_to_room(&mut self, command: &Command, rest: &str) {
        let (mut uses, mut given, mut whom) = (1, None, None);
        let is_plain = rest.split_whitespace().all(|word| word.parse::<u32>().is_ok() || role(word).is_some());
        if is_plain && rest.split_whitespace().count() <= 2 {
            for word in rest.split_whitespace() {
                match word.parse() {
                    Ok(number) => uses = number,
                    Err(_) => given = role(word),
                }
            }
        } else {
            match self.peer_of(rest, Purpose::Act) {
                Ok(peer) => whom = Some(peer),
                Err(_) if is_plain => return self.usage(command),
                Err(error) => return self.warn(error),
            }
        }
        self.wish(RoomWish::Invite { uses, role: given, whom });
    }

    /// `/destroy NAME`.
    fn ask_to_destroy(&mut self, rest: &str) {
        let (room, side) = match self.this_room() {
            Ok(open) => open,
            Err(error) => return self.warn(error),
        };
        let facts = side.room();
        let typed = rest.strip_prefix('#').unwrap_or(rest);
        let is_named = typed == facts.name || facts.alias.as_deref() == Some(typed);
        let name = self.name_of(room, NAME);
        if rest.is_empty() || !is_named {
            return self
                .warn(format!("/destroy NAME: write the room's name behind it, to be sure that you mean {name}"));
        }
        let text = format!(
            "End {name}? All members' daemons that hear of it erase what they have of it. Nobody can be made to, and nothing brings it \
             back."
        );
        let ask = RoomAsk::In(room, RoomWish::Destroy(typed.to_owned()));
        self.ask_first(Question { text, keys: "y ends it, any other key does not", ask });
    }

    /// A command that names a room where others name a peer.
    fn talk_to_room(&mut self, command: &str, rest: &str) {
        let (room, text) = match self.room_before(rest) {
            Ok(found) => found,
            Err(error) => return self.warn(error),
        };
        match (command, text.as_str()) {
            ("mute", "" | "on" | "off") => {
                self.mute_conversation(room, Some(text.as_str()).filter(|on| !on.is_empty()).map(|on| on == "on"))
            }
            ("mute", _) => self.warn("/mute #ROOM on, /mute #ROOM off"),
            ("msg", "") => self.warn("/msg #ROOM TEXT: the text is missing"),
            ("msg", text) => {
                if self.send(room, text) {
                    let name = self.name_of(room, NAME);
                    self.say(format!("to {name}"));
                }
            }
            (_, text) => {
                self.open(Open::Conversation(room));
                if !text.is_empty() {
                    self.send(room, text);
                }
            }
        }
    }

    /// The room at the beginning of a text, and what follows. Names may have blanks: the longest one that fits is meant.
    fn room_before(&self, rest: &str) -> Result<(ConversationId, String), String> {
        let known = self.known_rooms();
        let mut ends: Vec<usize> =
            rest.match_indices(char::is_whitespace).map(|(at, _)| at).chain([rest.len()]).collect();
        ends.reverse();
        let found = ends.iter().find_map(|end| {
            let (word, text) = rest.split_at_checked(*end)?;
            resolve_room(word, &known).ok().map(|room| (room, text.trim().to_owned()))
        });
        let first = rest.split_whitespace().next().unwrap_or_default();
        match found {
            Some((room, text)) if self.list.get(room).is_some() => Ok((room, text)),
            Some(_) => Err("you are not in this room".into()),
            None => Err(resolve_room(first, &known).err().map(|error| error.to_string()).unwrap_or_default()),
        }
    }

    /// What may be typed for a room behind a command: its name, where it can be typed as it is shown and means that room.
    pub(super) fn room_words(&self, command: &str) -> Vec<String> {
        if !matches!(command, "peer" | "query" | "msg" | "mute" | "win") {
            return Vec::new();
        }
        let known = self.known_rooms();
        let word = |room: &KnownRoom| {
            let name = room.alias.as_deref().filter(|alias| !alias.is_empty()).unwrap_or(&room.name);
            let word = format!("{ROOM_SIGN}{name}");
            let is_clear = show::shown_name(name, 40) == name && resolve_room(&word, &known) == Ok(room.id);
            is_clear.then_some(word)
        };
        let mut words: Vec<String> = known.iter().filter_map(word).collect();
        words.sort();
        words
    }

    /// `/room list`.
    fn show_rooms(&mut self) {
        if let Err(error) = self.knows_rooms() {
            return self.warn(error);
        }
        let mut rooms: Vec<&Timeline> = self.list.timelines().filter(|timeline| timeline.is_room()).collect();
        rooms.sort_by_key(|timeline| (timeline.name(40), timeline.id()));
        let mut lines = Vec::new();
        for timeline in rooms {
            let facts = timeline.room().map(|side| side.room());
            let state = facts.map_or_else(String::new, |room| match membership::state(room.state) {
                None => count(room.members, "member"),
                Some(state) => state.to_owned(),
            });
            lines.push(format!("{}  {state}", timeline_name(timeline, 40)));
            if let Some(topic) = facts.map(|room| show::shown_line(&room.topic)).filter(|topic| !topic.is_empty()) {
                lines.push(format!("  {topic}"));
            }
        }
        if lines.is_empty() {
            lines.push("no rooms yet: /room new NAME makes one, /join INVITE joins one".into());
        }
        self.overlay = Some(Overlay::Text { title: "Rooms".into(), lines, scroll: 0 });
    }

    /// `/whois` in a room: what is known of it.
    fn about_room(&mut self) {
        let Some((id, side)) = self.open_room() else { return };
        let room = side.room();
        let mut lines = vec![id.onion(), String::new()];
        lines.push(match &room.alias {
            Some(alias) => format!("you call it {}; its owner calls it {}", shown(alias), shown(&room.name)),
            None => format!("its owner calls it {}", shown(&room.name)),
        });
        if !room.topic.is_empty() {
            lines.push(format!("topic: {}", show::shown_line(&room.topic)));
        }
        lines.push(match room.form {
            RoomForm::Mesh => format!("{}, each linked with each other", count(room.members, "member")),
            RoomForm::Unknown => count(room.members, "member"),
        });
        lines.extend(room.owner.map(|owner| match side.members.get(owner) {
            _ if side.me() == Some(owner) => "you own it".to_owned(),
            Some(member) => format!("{} owns it", member_name(&member.name, owner, NAME)),
            None => format!("member {owner} owns it"),
        }));
        let me = room.me.map(|me| format!("you are member {}, {}", me.member, membership::role(me.role)));
        lines.extend(membership::state(room.state).map(str::to_owned).or(me));
        lines.push(format!(
            "notifications: {}",
            match room.notify {
                Notify::All => "all messages",
                Notify::Mentions | Notify::Unknown => "messages that mention you",
                Notify::None => "none",
            }
        ));
        if room.queued > 0 {
            lines.push(format!("{} of yours wait for another member", count(room.queued, "message")));
        }
        lines.extend(room.problems.iter().map(|problem| problem.why.sentence()));
        let title = format!("About {}", self.name_of(id, 30));
        self.overlay = Some(Overlay::Text { title, lines, scroll: 0 });
    }
}

fn shown(name: &str) -> String {
    match show::unmarked_name(name, 60) {
        name if name.is_empty() => "nothing".into(),
        name => name,
    }
}

/// A role that can be given.
fn role(word: &str) -> Option<GivenRole> {
    match word {
        "reader" => Some(GivenRole::Reader),
        "member" => Some(GivenRole::Member),
        "moderator" => Some(GivenRole::Moderator),
        _ => None,
    }
}
