//! The table of the commands: what the help says, and what may follow each.

/// A command: its name, what follows it, what it does.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    pub(crate) usage: &'static str,
    pub(crate) about: &'static str,
}

/// All commands, in the order of the help.
pub(crate) const COMMANDS: &[Command] = &[
    command("add", "ONION|INVITE [WORDS]", "make a peer a contact, and send them a few words"),
    command("accept", "[PEER]", "accept a contact request"),
    command("refuse", "[PEER]", "do not show a request again for 30 days; the stranger is not told"),
    command("block", "[PEER]", "block a peer, after a question; they see what every stranger sees"),
    command("unblock", "PEER", "unblock a peer, who becomes a stranger"),
    command("remove", "[PEER]", "remove a contact, after a question; they become a stranger; the history stays"),
    command("rename", "NAME", "name the contact or the room; without NAME, show the name that they chose"),
    command("hide", "[on|off]", "show yourself to the contact only while there is something to deliver"),
    command(
        "verify",
        "[yes|no|WORDS]",
        "words and a code to compare with the contact; yes: they are the same; WORDS: compare these",
    ),
    command(
        "retain",
        "[DAYS|off]",
        "erase the conversation's messages here when they are older than this, after a question",
    ),
    command("erase", "", "erase the conversation here, after a question"),
    command(
        "peer",
        "PEER",
        "open a conversation: a name that you gave, the beginning of a contact's onion, or an onion",
    ),
    command("query", "PEER [TEXT]", "the same, and send a text there"),
    command("msg", "PEER TEXT", "send a text without going there"),
    command("me", "TEXT", "send what you do: `* waves`"),
    command("win", "N", "go to the conversation in row N of the list"),
    command("close", "", "take the conversation out of the list until something new comes"),
    command("clear", "", "empty the view; nothing is erased"),
    command("peers", "", "all contacts with their onions"),
    command("whois", "[PEER]", "what is known here about a peer"),
    command("nick", "[NAME]", "who you are; in a room, what you are called there"),
    command(
        "history",
        "start|end|DATE|COUNT",
        "go to the first or the last message, to a day (2026-11-21), or COUNT messages back",
    ),
    command("search", "[WORDS]", "search here, or with Tab everywhere: all words, wor*, \"two words\""),
    command("reply", "", "quote the other side's last message; in a room, the next text answers it"),
    command("cancel", "", "take back your last undelivered message"),
    command(
        "invite",
        "[HOURS]",
        "make an invite, good once, for 168 hours or HOURS; in a room: /invite [USES] [ROLE], or /invite CONTACT sends one",
    ),
    command("qr", "", "your onion as a QR code"),
    command("copy", "", "copy your invite, or else your onion, to the clipboard"),
    command("status", "", "what the daemon and Tor are doing"),
    command("export", "[FILE]", "write the conversation to a new file"),
    command(
        "log",
        "[on|off]",
        "write the conversation's messages to a text file as they come; or say whether, and where",
    ),
    command(
        "notify",
        "[off|bell|desktop|content]",
        "notify you of messages that are not on the screen; content shows their text; in a room: /notify all|mentions|none",
    ),
    command(
        "mute",
        "[PEER] [on|off]",
        "no bell and no notification from them; what comes is unread all the same; in a room, /mute MEMBER [WHY] hides what they say",
    ),
    command("highlight", "[WORD|-WORD]", "mark messages with a word, or no longer; it comes through a mute"),
    command("mouse", "[on|off]", "wheel and clicks; while it is on, hold Shift to select text"),
    command("theme", "[dark|light|plain]", "the colours"),
    command("set", "", "all settings, and where each comes from"),
    command("keys", "", "all keys"),
    command("help", "", "all commands"),
    command("start", "", "start torchatd if none runs"),
    command("room", "new NAME [TOPIC]|join INVITE|list", "make a room, join one, show yours"),
    command("join", "INVITE [WORDS]", "join a room, with a few words to its owner"),
    command("leave", "[forget]", "leave the room, after a question; forget: its messages are erased here, too"),
    command("members", "", "who is in the room; Enter: what can be done about them"),
    command("topic", "[TEXT]", "what the room is about; TEXT: change it"),
    command("edit", "[TEXT]", "change your last message in the room; without TEXT, it comes into the input"),
    command("redact", "[WHY]", "take away your last message in the room at all members, after a question"),
    command("react", "[SIGN]", "react to the last message in the room; without SIGN, not any more"),
    command(
        "kick",
        "MEMBER [return]",
        "remove a member from the room, after a question; return: an invite lets them in again",
    ),
    command("pardon", "MEMBER", "let invites work again for somebody who was removed"),
    command("role", "MEMBER reader|member|moderator", "give a member of the room another role"),
    command("force", "", "do now what you have decided and what waits for another member, after a question"),
    command("unmute", "MEMBER", "end the mutes of a member of the room"),
    command(
        "admit",
        "[reader|member|moderator]",
        "let somebody in who asks to become a member of your room; /refuse does not",
    ),
    command("transfer", "MEMBER", "hand the room over to a member, after a question; they must /take it"),
    command("take", "", "own the room that its owner wants to hand over to you"),
    command("settle", "", "settle a room of yours that is frozen"),
    command("destroy", "NAME", "end a room of yours at all members, after a question; NAME: its name"),
    command("quit", "", "leave; torchatd goes on"),
    command("exit", "", "stop torchatd, after a question, and leave"),
];

const fn command(name: &'static str, usage: &'static str, about: &'static str) -> Command {
    Command { name, usage, about }
}

/// What may follow a command, where it is one of a few words.
pub(super) fn words_of(command: &str) -> &'static [&'static str] {
    match command {
        "notify" => &["off", "bell", "desktop", "content", "all", "mentions", "none"],
        "room" => &["new", "join", "list"],
        "leave" => &["forget"],
        "admit" => &["reader", "member", "moderator"],
        "mouse" | "hide" | "log" => &["on", "off"],
        "theme" => &["dark", "light", "plain"],
        "verify" => &["yes", "no"],
        "retain" => &["off"],
        "history" => &["start", "end"],
        _ => &[],
    }
}

/// Whether a peer follows a command.
pub(super) fn takes_peer(command: &str) -> bool {
    matches!(
        command,
        "peer" | "query" | "msg" | "mute" | "whois" | "win" | "accept" | "refuse" | "block" | "unblock" | "remove"
    )
}

/// Whether a member follows a command, where a room is open.
pub(super) fn takes_member(command: &str) -> bool {
    matches!(command, "mute" | "unmute" | "kick" | "transfer" | "role")
}
