//! Every code that API 1 answers, in one table: what it means and what to do about it.

use super::ApiError;

/// A row of [`CODES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeInfo {
    /// For programs; never changes its meaning.
    pub code: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What to do about it.
    pub hint: &'static str,
}

/// Makes the table.
macro_rules! codes {
    ($($code:literal: $meaning:literal, $hint:literal;)+) => {
        /// All codes, in the order of the documentation.
        pub const CODES: &[CodeInfo] = &[$(CodeInfo { code: $code, meaning: $meaning, hint: $hint },)+];
    };
}

codes! {
    "bad-object": "What was sent is no JSON object with a `cmd`. The connection ends; nothing after it was executed.",
        "send one JSON object a line, in UTF-8, with \"cmd\"";
    "unknown-command": "There is no such command.",
        "HELLO lists the commands that you may use";
    "bad-request": "A parameter is missing, has a wrong form or value, or does not go with another one. The message says which.",
        "look at the command's parameters in docs/CONTROL-API.md";
    "unsupported-api": "HELLO names a version of the API that this daemon does not speak.",
        "say \"api\":1";
    "not-authenticated": "This connection has not proven a token that is good now. The connection ends.",
        "HELLO with \"token\" and \"nonce\", then AUTH: see \"Tokens\" in docs/CONTROL-API.md";
    "not-allowed": "This connection may not do this, or not with this peer.",
        "HELLO tells what it may; whoever runs the daemon can make a token with other rights";
    "unavailable": "This daemon runs without the part that the command needs.",
        "ask whoever runs the daemon";
    "unknown-consumer": "There is no consumer of this name.",
        "CURSORS lists them";
    "unknown-subscription": "This connection has no subscription with this `ref`.",
        "name the \"ref\" of the SUBSCRIBE in \"sub\"";
    "unknown-token": "There is no token of this name.",
        "TOKEN with \"action\":\"list\" lists them";
    "token-exists": "A token of this name exists already.",
        "revoke it first, or choose another name";
    "too-many-tokens": "The daemon keeps no more tokens.",
        "revoke those that are not used any more";
    "already-subscribed": "A subscription of this connection has the same `ref`.",
        "give every SUBSCRIBE a \"ref\" of its own";
    "too-many-subscriptions": "This connection has as many subscriptions as it may.",
        "UNSUBSCRIBE one, or use another connection";
    "too-many-consumers": "The daemon keeps no more consumers.",
        "CURSORS with \"forget\" removes one that is not used any more";
    "taken-over": "Ends a subscription: the same consumer subscribed again, here or on another connection.",
        "run one program for each consumer, or give each a name of its own";
    "not-delivered": "The peer did not get the message in the time that SEND was to wait. With `queued` it is still being tried.",
        "with \"queued\" do not send it again: its events and HISTORY tell how it goes on";
    "to-self": "A message or a request to oneself.",
        "name another peer";
    "too-long": "The text is too long.",
        "split it: HELLO tells the limit as text_bytes";
    "client-id-reused": "The same `client_id` was used for another text or another peer.",
        "use a new client_id for a new message";
    "outbox-full": "Too many messages wait to be delivered.",
        "wait until some are delivered, or CANCEL some";
    "not-pending": "No such message waits for its delivery.",
        "it is delivered, was taken back or was never sent here: HISTORY tells";
    "no-contact": "The peer is no contact.",
        "ADD it first";
    "no-request": "The peer has not asked to become a contact.",
        "REQUESTS lists who has; ADD it if you want to ask it";
    "blocked": "The user blocked the peer.",
        "UNBLOCK it first";
    "not-blocked": "The peer is not blocked.",
        "CONTACTS tells who is";
    "too-many-invites": "Too many invites are outstanding.",
        "wait until some are used or too old";
    "storage": "The disk or the store's limit is full. Nothing was stored.",
        "make room on the disk and try again";
    "storage-locked": "Another program holds `torchat.db`. Nothing was stored.",
        "end the program that holds it (a backup, sqlite3) and try again";
    "storage-damaged": "`torchat.db` is damaged. Nothing was stored.",
        "stop the daemon and restore torchat.db from a copy: see \"Copies of the store\" in docs/OPERATIONS.md";
    "storage-failing": "The disk with `torchat.db` reports errors. Nothing was stored.",
        "look at the system's log and at the disk; the daemon tries again by itself";
    "storage-read-only": "`torchat.db` cannot be written: the file, its directory or its disk is read-only. Nothing was stored.",
        "make it writable for the daemon's user";
    "search-damaged": "The search's index is damaged. It is made anew from the messages, which are whole.",
        "search again later: STATUS tells under search";
    "storage-unsure": "The disk failed in the middle: it may be stored or not.",
        "look at HISTORY before you repeat it; with a client_id it can be repeated safely";
    "stopping": "The daemon is stopping.",
        "connect again when it runs, and go on at the cursor";
}

impl ApiError {
    /// An error with the hint of its code's row.
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        let row = CODES.iter().find(|row| row.code == code);
        debug_assert!(row.is_some(), "the code {code:?} has no row in the table");
        Self { code: code.to_owned(), message: message.into(), hint: row.map(|row| row.hint.to_owned()), queued: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_stands_once_and_says_what_to_do() {
        for (n, row) in CODES.iter().enumerate() {
            assert!(CODES.iter().skip(n + 1).all(|other| other.code != row.code), "{}", row.code);
            assert!(row.meaning.ends_with('.') && !row.hint.ends_with('.') && !row.hint.is_empty(), "{}", row.code);
            assert!(row.code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", row.code);
        }
    }
}
