//! Why the daemon said no, in words for people. Its own sentences are for programs, too: some name commands and parameters of the API,
//! which nobody types here.

use torchat_client::api::{ApiError, Code};

/// The API's parameters that a refusal can name, and what people call them: as the help texts do.
const PARAMETERS: &[(&str, &str)] = &[
    ("hours", "HOURS"),
    ("days", "DAYS"),
    ("client_id", "--id"),
    ("expire", "--expire"),
    ("before", "--before"),
    ("after", "--after"),
    ("consumer", "--consumer"),
    ("name", "NAME"),
    ("rights", "--right"),
    ("peers", "--peer"),
    ("limit", "the number"),
    ("wait", "--wait"),
    ("level", "the level"),
    ("token", "the token"),
    ("nonce", "the nonce"),
    ("to", "what mentions members"),
    ("want", "--last"),
    ("uses", "the number of uses"),
    ("joins", "the role of newcomers"),
    ("keep_days", "--keep-days"),
    ("member", "member"),
    ("reader", "reader"),
    ("take", "take"),
];

/// Who may mute whom, where somebody may not.
pub(crate) const MUTES: &str = "only moderators and the owner mute, and nobody can mute them";
/// Who may change a message.
pub(crate) const EDITS: &str = "only its writer changes a message";
/// Who may take a message away.
pub(crate) const REDACTS: &str = "only its writer, a moderator or the owner takes a message away";

/// What was refused, without what to do about it.
pub(crate) fn message(refusal: &ApiError) -> String {
    let words = match &refusal.code {
        Code::NoRequest => "this onion has not asked to become a contact",
        Code::NoContact => "this onion is not a contact",
        Code::Blocked => "this onion is blocked",
        Code::NotAllowed => match refusal.params.get("right").and_then(|right| right.as_str()) {
            Some(right) => return format!("this needs the right \"{right}\""),
            None => "you do not have the right to do this, or not with this peer",
        },
        Code::NotAuthenticated => "the daemon does not know you, or the token is not valid",
        Code::ClientIdReused => "this --id was used for another message",
        Code::StorageUnsure => "the disk failed while storing this, so it may or may not be stored",
        Code::TooManyConsumers => "the daemon keeps no more consumers",
        Code::UnknownConsumer => "the daemon does not know this consumer",
        Code::UnknownCommand => "this torchatd is older than this torchat and does not know the command",
        Code::IsRoom => "this is a room, and the command is for persons",
        Code::NoRoom => "there is no such room, or it is over for you",
        Code::AlreadyJoined => "you are in the room already, or have asked to become a member",
        Code::NotJoined => "you are not a member of the room, or not yet",
        Code::NoRole => "your role in the room does not allow it",
        Code::NoMember => "the room has no other member of this name or number, or they are not in it any more",
        Code::NotMuted => "the member is not muted",
        Code::NoMessage => "the room has no such message of a member that is said already",
        Code::NoPetition => "nobody with this onion asks to become a member of the room",
        Code::NoInvite => "the room has no such invite: it was used up, was ended or has expired",
        Code::NoHandover => "the owner does not hand the room over to you",
        Code::NotFrozen => "there is nothing to settle in the room",
        Code::RoomFrozen => "decisions of the room's owner contradict each other, so no further ones are taken",
        Code::NeedsHosts => "the room is full",
        Code::DecisionWaits => "no other member was reached yet, so the decision waits in the daemon",
        Code::NeedsQuorum => "too many decisions wait until another member is reached",
        Code::NotCaughtUp => "your daemon has met no other member since its start, and does not know yet what was said",
        Code::NoChain => "too many backups were restored here to write in the room under this number",
        Code::OwnerLeaves => "the owner of a room can neither leave it nor have another role",
        Code::TooManyRooms => "you are in as many rooms as the daemon keeps",
        Code::BadRequest | Code::BadValue => return parameters(&refusal.message),
        _ => return refusal.message.clone(),
    };
    words.to_owned()
}

/// A daemon's sentence with the parameters as people know them.
fn parameters(sentence: &str) -> String {
    let mut sentence = sentence.to_owned();
    for (name, known) in PARAMETERS {
        // Without an article: these are the words of the command line.
        let (name, article) = (format!("\"{name}\""), format!("a \"{name}\""));
        sentence = sentence.replace(&article, known).replace(&name, known);
    }
    // What a program writes for "none".
    sentence.replace("or null", "or off")
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::path::{Path, PathBuf};
    use torchat_protocol::control::code::CODES;

    /// Whether words name something that only programs write: a command in capital letters, a parameter in quotes, a value of JSON.
    pub(crate) fn names_the_api(words: &str) -> bool {
        // A document is named where nothing shorter helps; these capital letters are words of the help texts.
        let allowed = ["CURSORS in docs/CONTROL-API.md", "docs/CONTROL-API.md, CURSORS,", "docs/OPERATIONS.md"];
        let typed = ["FILE", "HOURS", "DAYS", "NAME", "PEER", "WORDS", "ONION", "INVITE"];
        let words = allowed.iter().fold(words.to_owned(), |words, document| words.replace(document, ""));
        let capital = |word: &str| word.len() > 3 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        let parameter = |quoted: &str| quoted.len() > 1 && quoted.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        words
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .any(|word| !typed.contains(&word) && capital(word))
            || words.split('"').skip(1).step_by(2).any(parameter)
            || ["CONTROL-API", "client_id", "null"].iter().any(|word| words.contains(word))
    }

    /// The string literals behind each place that begins with this.
    fn literals(text: &str, begin: &str) -> Vec<String> {
        let behind = text.split(begin).skip(1);
        let literal = |rest: &str| {
            let (until, rest) = rest.split_once('"')?;
            // Another argument than a text, or a text that is made elsewhere.
            if until.contains([')', ';']) {
                return None;
            }
            let mut found = String::new();
            let mut chars = rest.chars();
            loop {
                match chars.next()? {
                    '\\' => found.extend(chars.next()),
                    '"' => return Some(found),
                    // What is filled in, such as a limit, is not a name.
                    '{' => {
                        found.push('1');
                        chars.by_ref().take_while(|c| *c != '}').for_each(drop);
                    }
                    c => found.push(c),
                }
            }
        };
        behind.filter_map(literal).collect()
    }

    fn sources(folder: &str) -> Vec<PathBuf> {
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder)];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|end| end == "rs") {
                    files.push(path);
                }
            }
        }
        files
    }

    /// Every sentence with which the daemon refuses a value, as its source has them.
    #[test]
    fn no_refusal_of_a_value_names_a_parameter_of_the_api() {
        let mut seen = 0;
        for path in sources("daemon/control/src/api") {
            let text = std::fs::read_to_string(&path).unwrap();
            for sentence in
                literals(&text, "fail(Code::BadRequest,").into_iter().chain(literals(&text, "Code::BadRequest,\n"))
            {
                let said = message(&ApiError::new(Code::BadRequest, sentence.clone()));
                assert!(!names_the_api(&said), "{}: {sentence}: {said}", path.display());
                seen += 1;
            }
        }
        assert!(seen > 15, "{seen} sentences were found");
        let days = ApiError::new(Code::BadRequest, "\"days\" must be 1 to 36500, or null");
        assert_eq!(message(&days), "DAYS must be 1 to 36500, or off");
    }

    /// What the engine says of a refusal is shown only where it names nothing of the API.
    #[test]
    fn no_refusal_of_the_engine_names_the_api() {
        let ours = [
            ("Unsure", Code::StorageUnsure),
            ("NoContact", Code::NoContact),
            ("NoRequest", Code::NoRequest),
            ("Blocked", Code::Blocked),
            ("ClientIdReused", Code::ClientIdReused),
            ("TooManyConsumers", Code::TooManyConsumers),
        ];
        for (_, code) in &ours {
            let said = message(&ApiError::new(code.clone(), "look at HISTORY"));
            assert!(!names_the_api(&said), "{code}: {said}");
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../daemon/engine/src/refusal.rs");
        let text = std::fs::read_to_string(path).unwrap();
        let variants: Vec<_> = text.split("#[error(").skip(1).collect();
        assert!(variants.len() > 15, "{}", variants.len());
        for variant in variants {
            let name = variant.split(")]\n").nth(1).unwrap().trim();
            let name: String = name.chars().take_while(|c| c.is_alphanumeric()).collect();
            let sentence = literals(&format!("#{variant}"), "#").remove(0);
            let has_ours = ours.iter().any(|(variant, _)| *variant == name);
            assert!(has_ours || !names_the_api(&sentence), "{name}: {sentence}");
        }
    }

    #[test]
    fn every_code_has_words() {
        for row in CODES {
            assert!(!message(&ApiError::new(row.code.clone(), "so")).is_empty(), "{}", row.text);
        }
        assert!(names_the_api("ADDS it") && names_the_api("HISTORY") && names_the_api("\"days\" is missing"));
        assert!(!names_the_api("--token-file FILE of Tor") && !names_the_api("\"2026-11-21T09:30:00Z\""));
    }
}
