//! Somebody who asks: a stranger to become a contact, or anybody to become a member of a room.

use super::put;
use crate::screen::model::Model;
use crate::screen::model::room::petition_name;
use crate::screen::theme::Role;
use crate::screen::wrap::wrap;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use torchat_client::api::{ConversationId, Onion};
use torchat_client::show;

/// What is said of somebody who asks. All of it is harmless but the words, which are made so here.
struct Asking<'a> {
    name: String,
    /// What they ask for. For comfort only.
    how: &'static str,
    /// A warning about the name.
    like: Option<String>,
    peer: Onion,
    words: &'a str,
    keys: &'static str,
    /// What happens then. For comfort only.
    quiet: &'static str,
}

/// A stranger's request.
pub(super) fn request(model: &Model, peer: Onion, buffer: &mut Buffer, area: Rect) {
    let Some(request) = model.list.request(peer) else { return };
    let columns = usize::from(area.width).saturating_sub(4);
    let like = model.list.looks_like(peer, &request.nick).map(|like| like.name(20));
    let asking = Asking {
        name: Model::name_of_request(request, columns),
        how: match request.nick.as_str() {
            "" => "asks to become a contact.",
            _ => "asks to become a contact. This is the name they chose.",
        },
        like: like.map(|like| format!("The name reads like your contact {like}: this is somebody else.")),
        peer,
        words: &request.text,
        keys: "/accept  /refuse  /block",
        quiet: "If you refuse, they are not told.",
    };
    draw(model, &asking, buffer, area);
}

/// Somebody who asks to become a member of a room of ours.
pub(super) fn petition(model: &Model, room: ConversationId, peer: Onion, buffer: &mut Buffer, area: Rect) {
    let Some(petition) = model.list.petition(room, peer) else { return };
    let columns = usize::from(area.width).saturating_sub(4);
    let like = model.list.looks_like(peer, &petition.name).map(|like| like.name(20));
    let asking = Asking {
        name: petition_name(petition, columns),
        how: match (petition.name.as_str(), &petition.invite) {
            (_, Some(_)) => "asks to become a member, and has shown an invite of yours.",
            ("", None) => "asks to become a member of your room.",
            _ => "asks to become a member of your room. This is the name they chose.",
        },
        like: like.map(|like| format!("The name reads like your contact {like}: this is somebody else.")),
        peer,
        words: &petition.text,
        keys: "/admit  /refuse",
        quiet: "If you refuse, they are not told.",
    };
    draw(model, &asking, buffer, area);
}

fn draw(model: &Model, asking: &Asking<'_>, buffer: &mut Buffer, area: Rect) {
    let columns = usize::from(area.width).saturating_sub(4);
    let height = usize::from(area.height);
    let part = |text: &str, role: Role| wrap(text, columns).into_iter().map(move |row| (row, role)).collect::<Vec<_>>();
    let roomy = height >= 14;
    let blank = if roomy { part("", Role::Text) } else { Vec::new() };
    let name = part(&asking.name, Role::Contact(asking.peer.conversation()));
    let how = part(asking.how, Role::Text);
    let like = asking.like.as_ref().map_or_else(Vec::new, |like| part(like, Role::Warning));
    let onion = part(&asking.peer.0.onion(), Role::Dim);
    let keys = part(asking.keys, Role::Strong);
    let quiet = part(asking.quiet, Role::Dim);
    // A sign before every row, so that the words cannot pretend to be ours.
    let mut words = wrap(&show::shown_rows(asking.words), columns.saturating_sub(2));
    words.retain(|_| !asking.words.is_empty());
    // The onion is what tells one stranger from another, so it is always there; the words of a stranger are cut before it, and what is
    // only for comfort is left out before they are.
    let needed = name.len() + like.len() + onion.len() + keys.len() + 3 * blank.len();
    let mut room = height.saturating_sub(needed + words.len());
    let mut comfort = |part: &[(String, Role)]| {
        let fits = part.len() <= room;
        room -= if fits { part.len() } else { 0 };
        fits
    };
    let (shows_how, shows_quiet) = (comfort(&how), comfort(&quiet));
    let taken = needed + if shows_how { how.len() } else { 0 } + if shows_quiet { quiet.len() } else { 0 };
    let room = height.saturating_sub(taken);
    let cut = words.len() > room;
    words.truncate(if cut { room.saturating_sub(1) } else { room });
    let mut lines = blank.clone();
    lines.extend(name);
    lines.extend(how.into_iter().filter(|_| shows_how));
    lines.extend(like);
    lines.extend(onion);
    lines.extend(blank.clone());
    lines.extend(words.iter().map(|row| (format!("│ {row}"), Role::Text)));
    if cut && room > 0 {
        lines.push(("│ ... more, in a larger window".into(), Role::Dim));
    }
    lines.extend(blank);
    lines.extend(keys);
    lines.extend(quiet.into_iter().filter(|_| shows_quiet));
    for (n, (text, role)) in lines.iter().enumerate() {
        put(model, buffer, area, n, 2, text, *role);
    }
}
