//! What STATUS says, in lines for people: the same for `torchat status` and for `/status`.

use crate::times::span;
use torchat_client::api::ConversationId;
use torchat_client::api::command::StatusAnswer;
use torchat_client::api::status::{NoticePart, RoomsPart};
use torchat_client::api::words::count;
use torchat_client::reason;
use torchat_client::show::shown_line;

/// The lines, harmless. `verbose`: also what Tor itself says of a trouble. `name`: what a peer is called.
pub(crate) fn lines(answer: &StatusAnswer, verbose: bool, name: impl Fn(ConversationId) -> String) -> Vec<String> {
    let status = &answer.status;
    let mut lines = vec![shown_line(&answer.sentence)];
    if let Some(tor) = status.tor.as_ref().filter(|tor| !tor.usable) {
        if let Some(seconds) = tor.down_s {
            lines.push(format!("Tor has not worked for {}", span(seconds)));
        }
        if let Some(detail) = tor.detail.as_ref().filter(|_| verbose) {
            lines.push(format!("Tor says: {}", shown_line(detail)));
        }
    }
    if let Some(onion) = status.onion {
        lines.push(format!("you: {}", onion.0.onion()));
    }
    if let Some(seconds) = status.reachable.as_ref().and_then(|reachable| reachable.reached_s_ago) {
        lines.push(format!("reached from outside {} ago", span(seconds)));
    }
    lines.extend(status.rooms.as_ref().and_then(rooms));
    for row in status.reasons.iter().flatten() {
        let next = row.next_try_s.map_or_else(String::new, |s| format!("; next try in {}", span(s)));
        let waiting = count(row.queued, "message");
        let why = reason::words(row.why.as_ref(), Some(&row.reason), "the peer").unwrap_or_default();
        lines.push(format!("{waiting} for {}: {why}{next}", name(row.peer)));
    }
    lines.extend(status.notices.iter().flatten().map(|told| format!("notice: {}", notice(told, &name))));
    lines
}

/// The rooms on a line; `None`: there are none.
fn rooms(rooms: &RoomsPart) -> Option<String> {
    let asks = match rooms.petitions {
        0 => String::new(),
        1 => "; somebody asks to become a member".to_owned(),
        people => format!("; {people} ask to become members"),
    };
    let links = count(rooms.links, "other daemon");
    (rooms.joined > 0).then(|| format!("in {}, linked with {links}{asks}", count(rooms.joined, "room")))
}

/// A notice on a line: which peer it is about, and what it says. Half of them are what a contact says, so it is told which one.
pub(crate) fn notice(notice: &NoticePart, name: impl Fn(ConversationId) -> String) -> String {
    let who = notice.peer.map_or_else(String::new, |peer| format!("{}: ", name(peer)));
    format!("{who}{}", shown_line(&notice.sentence))
}
