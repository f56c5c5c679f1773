//! What a contact is to the user, in words: the same in the shell and on the screen.

use torchat_client::api::record::ContactState;

/// Behind a name, among other words about this contact: "bob: has not accepted you yet, heard 3 min ago".
pub(crate) fn words(state: ContactState) -> &'static str {
    match state {
        ContactState::Contact => "contact",
        ContactState::Waiting => "has not accepted you yet",
        ContactState::Stranger => "not a contact",
        ContactState::Blocked => "blocked",
        ContactState::Room => "a room",
        ContactState::Unknown => "in a state that this torchat does not know",
    }
}

/// As a sentence about somebody: "bob is blocked".
pub(crate) fn sentence(name: &str, state: ContactState) -> String {
    let words = words(state);
    match state {
        ContactState::Contact => format!("{name} is a contact"),
        ContactState::Waiting => format!("{name} {words}"),
        ContactState::Stranger | ContactState::Blocked | ContactState::Room | ContactState::Unknown => {
            format!("{name} is {words}")
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_state_is_a_sentence() {
        let said = |state| sentence("bob", state);
        assert_eq!(said(ContactState::Contact), "bob is a contact");
        assert_eq!(said(ContactState::Waiting), "bob has not accepted you yet");
        assert_eq!(said(ContactState::Stranger), "bob is not a contact");
        assert_eq!(said(ContactState::Blocked), "bob is blocked");
        assert_eq!(said(ContactState::Room), "bob is a room");
        assert_eq!(said(ContactState::Unknown), "bob is in a state that this torchat does not know");
    }

    /// A second set of these words somewhere else would soon differ from this one.
    #[test]
    fn no_other_file_words_the_states() {
        let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if !path.ends_with("standing.rs") && path.extension().is_some_and(|end| end == "rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let words = text.lines().find(|line| {
                        ["Waiting", "Blocked", "Unknown"].iter().any(|state| {
                            line.trim().strip_prefix("ContactState::").is_some_and(|rest| {
                                rest.strip_prefix(*state).is_some_and(|rest| rest.trim_start().starts_with("=> \""))
                            })
                        })
                    });
                    assert_eq!(words, None, "{}", path.display());
                }
            }
        }
    }
}
