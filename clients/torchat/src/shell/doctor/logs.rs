//! The text logs of the client: that there are any, where, and who can read them.

use super::Finding;
use crate::logs::Place;
use crate::screen::SettingsFile;
use std::os::unix::fs::MetadataExt as _;

/// Nothing is said where nothing is logged.
pub(super) fn check() -> Option<Finding> {
    let file = SettingsFile::find();
    let choice = match file.chosen() {
        Ok(chosen) => chosen.choice,
        Err(error) => {
            let sentence = format!("the client's settings have an error, so nothing is logged: {error}");
            return Some(Finding::note("logs", sentence).advise(format!("correct {}", file.shown())));
        }
    };
    let folder = Place::find().filter(|_| !choice.is_nothing())?.logs;
    let what = match (choice.all, choice.conversations.len()) {
        (true, _) => "all conversations".to_owned(),
        (false, 1) => "1 conversation".to_owned(),
        (false, number) => format!("{number} conversations"),
    };
    let shown = folder.display();
    let sentence = format!("text logs of {what} are switched on, in {shown}; erasing messages does not erase them");
    Some(match folder.metadata() {
        Ok(found) if found.mode() & 0o077 != 0 => {
            let sentence = format!("{shown}, with your text logs, is open to others (mode {:o})", found.mode() & 0o777);
            Finding::note("logs", sentence).advise(format!("chmod 700 {shown}"))
        }
        _ => Finding::ok("logs", sentence),
    })
}
