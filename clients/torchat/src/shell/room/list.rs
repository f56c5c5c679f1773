//! What is known of rooms: `room list`, `show`, `members`, `invites`, `petitions`.

use super::{all_members, find, is_in, read};
use crate::counts::grouped;
use crate::membership::{self, MEMBER_COLUMNS, speaker};
use crate::shell::failure::Done;
use crate::shell::format::{self, Names, count};
use crate::shell::{Shell, out::Out};
use torchat_client::api::Connection;
use torchat_client::api::command::{RoomInvites, RoomPetitions, Rooms};
use torchat_client::api::record::{Member, Notify, OutstandingInvite, Petition, Proof, Role, Room, RoomState};
use torchat_client::names::shown_room;
use torchat_client::show::{columns, shown_line};
use torchat_protocol::room::limits::MAX_NUMBER;

pub(super) fn rooms(shell: &Shell<'_>) -> Done {
    let connection = shell.connect()?;
    let mut out = shell.out();
    for room in connection.call(&Rooms {})?.rooms {
        if out.is_json() {
            out.record(&room)?;
        } else {
            out.line(&row(&room))?;
        }
    }
    out.flush()
}

/// `#lab`, harmless.
pub(super) fn shown(room: &Room) -> String {
    shown_room(&room.name, room.alias.as_deref(), MEMBER_COLUMNS)
}

/// Two blanks stand between the parts: no name holds two.
fn row(room: &Room) -> String {
    let mut line = format!("{}  {}  ", shown(room), room.peer.onion());
    match membership::state(room.state) {
        Some(state) => line.push_str(state),
        None => {
            let role = room.me.map_or("member", |me| membership::role(me.role));
            line.push_str(&format!("{role}, {}", count(room.members, "member")));
            line.extend(room.linked.map(|linked| format!(", {linked} linked")));
        }
    }
    if room.queued > 0 {
        line.push_str(&format!(", {} queued", room.queued));
    }
    if room.frozen {
        line.push_str(", frozen");
    }
    line
}

pub(super) fn show(shell: &Shell<'_>, word: &str) -> Done {
    let connection = shell.connect()?;
    let room = read(&connection, word)?;
    let mut out = shell.out();
    if out.is_json() {
        out.record(&room)?;
        return out.flush();
    }
    let members = all_members(&connection, room.peer)?;
    for line in facts(&out, &room, &members) {
        out.line(&line)?;
    }
    out.flush()
}

/// The lines of [`show`]. What others have chosen stands behind words of ours.
fn facts(out: &Out, room: &Room, members: &[Member]) -> Vec<String> {
    let named = |no: u32| {
        let member = members.iter().find(|member| member.no == no);
        format!("{} (no:{no})", speaker(member.map_or("", |member| &member.name), no))
    };
    let mut lines = vec![shown(room), room.peer.onion()];
    if room.alias.as_deref().is_some_and(|alias| !alias.is_empty()) {
        lines.push(format!("its own name: {}", shown_room(&room.name, None, MEMBER_COLUMNS)));
    }
    if !room.topic.is_empty() {
        lines.push(format!("topic: {}", out.one_line(&room.topic)));
    }
    lines.extend(membership::state(room.state).map(str::to_owned));
    if let Some(me) = room.me {
        lines.push(format!("you are {}: {}", membership::with_article(me.role), named(me.member)));
    }
    if room.state == RoomState::Member {
        let linked = room.linked.map_or_else(String::new, |linked| format!(", {linked} linked with you now"));
        lines.push(format!("{}{linked}", count(room.members, "member")));
    }
    if let Some(owner) = room.owner.filter(|owner| room.me.is_none_or(|me| me.member != *owner)) {
        lines.push(format!("owner: {}", named(owner)));
    }
    if room.state == RoomState::Member {
        let history = match room.policy.history {
            MAX_NUMBER => "all messages".to_owned(),
            0 => "no older messages".to_owned(),
            number => format!("the last {}", count(number, "message")),
        };
        let joins = if room.policy.joins == Role::Reader { "read only" } else { "read and write" };
        lines.push(format!("people who join {joins}, and get {history}"));
        if let Some(days) = room.policy.keep_days {
            lines.push(format!("members' daemons keep what is said for {}", count(days, "day")));
        }
        lines.push(format!("programs tell you of {}", notified(room.notify)));
    }
    if let Some(handover) = room.handover {
        lines.push(format!("{} wants to hand it over to {}", named(handover.by), named(handover.to)));
    }
    if room.queued > 0 {
        lines.push(format!("{} of yours that no other member has", count(room.queued, "message")));
    }
    if room.missing > 0 {
        lines.push(format!("{} without what they say: members are asked for it", count(room.missing, "event")));
    }
    lines.extend(room.bytes.map(|bytes| format!("{} bytes on this disk", grouped(bytes))));
    lines.extend(room.problems.iter().map(|problem| format!("! {}", shown_line(&problem.sentence))));
    lines
}

fn notified(notify: Notify) -> &'static str {
    match notify {
        Notify::All => "all messages",
        Notify::Mentions => "messages that mention you",
        Notify::None => "no messages",
        Notify::Unknown => "messages as another version says",
    }
}

pub(super) fn members(shell: &Shell<'_>, word: &str, all: bool) -> Done {
    let connection = shell.connect()?;
    let peer = find(&connection, word)?;
    let members: Vec<_> = all_members(&connection, peer)?.into_iter().filter(|member| all || is_in(member)).collect();
    let names = shell.names(&connection)?;
    let mut out = shell.out();
    let width = members.iter().map(|member| columns(&speaker(&member.name, member.no))).max().unwrap_or(0);
    for member in &members {
        if out.is_json() {
            out.record(member)?;
        } else {
            out.line(&member_row(&names, member, width))?;
        }
    }
    out.flush()
}

/// A member on a line. The name that the user gave a contact stands only beside a proof of our own: else the owner could give anybody
/// the place of a contact.
fn member_row(names: &Names, member: &Member, width: usize) -> String {
    let name = speaker(&member.name, member.no);
    let blanks = " ".repeat(width.saturating_sub(columns(&name)));
    let onion = member.onion.map_or_else(|| "no onion".to_owned(), |onion| onion.0.onion());
    let mut line = format!("{:>3}  {name}{blanks}  {:9}  {onion}", member.no, membership::role(member.role));
    if member.me {
        line.push_str("  you");
    } else {
        line.push_str(&format!("  {}", membership::proof(member.proven)));
    }
    line.extend(membership::member_state(member.state).map(|state| format!(", {state}")));
    if member.banned {
        line.push_str(", no invite lets them in");
    }
    if member.link {
        line.push_str(", linked");
    }
    line.extend(member.said_at.as_deref().map(|at| format!(", said {}", format::time(at))));
    if let Some(onion) = member.onion.filter(|_| member.proven == Proof::Link && !member.me)
        && names.has(onion)
    {
        line.push_str(&format!(", your contact {}", names.of(onion)));
    }
    line
}

pub(super) fn invites(shell: &Shell<'_>, word: &str) -> Done {
    let connection = shell.connect()?;
    let peer = find(&connection, word)?;
    let mut out = shell.out();
    let names = shell.names(&connection)?;
    for invite in connection.call(&RoomInvites { peer })?.invites {
        if out.is_json() {
            out.record(&invite)?;
        } else {
            let line = invite_row(&out, &names, &invite);
            out.line(&line)?;
        }
    }
    out.flush()
}

fn invite_row(out: &Out, names: &Names, invite: &OutstandingInvite) -> String {
    let used = match invite.uses {
        Some(uses) => format!("used {} of {}", invite.used, count(uses.into(), "time")),
        None => format!("used {}", count(invite.used, "time")),
    };
    let mut line =
        format!("{}  {}, {used}, until {}", invite.id, membership::role(invite.role), format::time(&invite.until));
    line.extend(invite.whom.map(|onion| format!(", for {}", names.of(onion))));
    line.extend(invite.note.as_deref().map(|note| format!(", note: {}", out.one_line(note))));
    line
}

pub(super) fn petitions(shell: &Shell<'_>, word: Option<&str>) -> Done {
    let connection = shell.connect()?;
    let peer = word.map(|word| find(&connection, word)).transpose()?;
    let petitions = connection.call(&RoomPetitions { peer })?.petitions;
    let mut out = shell.out();
    let names = if petitions.is_empty() { Names::default() } else { shell.names(&connection)? };
    for petition in &petitions {
        if out.is_json() {
            out.record(petition)?;
        } else {
            let line = petition_row(&out, &names, petition);
            out.line(&line)?;
        }
    }
    out.flush()
}

fn petition_row(out: &Out, names: &Names, petition: &Petition) -> String {
    let (time, onion) = (format::time(&petition.at), petition.onion.0.onion());
    let invited = if petition.invite.is_some() { ", with an invite" } else { "" };
    let says = format::says_of_themselves(out, &petition.name, &petition.text);
    format!("{time} ? {}: {onion}{invited}{says}", names.of(petition.peer))
}

/// What the user joined, in a sentence: `joined #lab: 4 members, owner anna`.
pub(super) fn joined(connection: &Connection, room: &Room) -> Done<String> {
    let mut line = format!("joined {}: {}", shown(room), count(room.members, "member"));
    if let Some(owner) = room.owner {
        let members = all_members(connection, room.peer)?;
        let name = members.iter().find(|member| member.no == owner).map_or("", |member| &member.name);
        line.push_str(&format!(", owner {}", speaker(name, owner)));
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::tests::member;
    use super::*;
    use crate::arguments::Form;
    use serde_json::json;

    const ROOM: &str = "52sfije2rhkqqibiuxx2dj5olxew2ajppimi4o5bnxe6axygijwrooid.onion";
    const ONION: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";

    fn room(more: serde_json::Value) -> Room {
        let mut whole = json!({
            "peer": ROOM, "name": "lab", "topic": "", "state": "member", "form": "mesh", "me": {"member": 1, "role": "owner"},
            "owner": 1, "members": 3, "linked": 2, "policy": {"joins": "member", "history": 1000}, "queued": 0, "notify": "all",
        });
        whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn a_room_is_told_on_a_line_and_its_name_forges_no_part_of_it() {
        assert_eq!(row(&room(json!({}))), format!("#lab  {ROOM}  owner, 3 members, 2 linked"));
        let waits = room(json!({"alias": "work", "queued": 2, "frozen": true}));
        assert_eq!(row(&waits), format!("#work  {ROOM}  owner, 3 members, 2 linked, 2 queued, frozen"));
        let left = row(&room(json!({"state": "removed", "me": null})));
        assert_eq!(left, format!("#lab  {ROOM}  the owner has removed you"));
        let hostile = row(&room(json!({"name": "a  b\n\u{1b}[2J"})));
        assert_eq!(hostile.matches("  ").count(), 2, "{hostile}");
        assert!(!hostile.contains(['\n', '\u{1b}']), "{hostile}");
    }

    #[test]
    fn a_room_is_told_in_facts_and_what_others_chose_comes_behind_our_words() {
        let out = Out::new(Form { json: false, raw: false });
        let members = [member(1, "anna", json!({"me": true})), member(2, "owner: x", json!({}))];
        let told = room(json!({
            "topic": "a\nb", "owner": 2, "me": {"member": 1, "role": "reader"}, "handover": {"by": 2, "to": 1},
            "policy": {"joins": "reader", "history": 0}, "problems": [{"sentence": "so", "why": {"code": "pending"}}],
        }));
        let lines = facts(&out, &told, &members);
        let expected = [
            "#lab",
            ROOM,
            "topic: a\\u{a}b",
            "you are a reader: anna (no:1)",
            "3 members, 2 linked with you now",
            "owner: owner\\u{3a} x (no:2)",
            "people who join read only, and get no older messages",
            "programs tell you of all messages",
            "owner\\u{3a} x (no:2) wants to hand it over to anna (no:1)",
            "! so",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn the_name_of_a_contact_stands_only_beside_a_proof_of_our_own() {
        let contact =
            json!({"peer": ONION, "state": "contact", "name": "carol", "link": true, "hidden": false, "queued": 0});
        let contact = serde_json::from_value(contact).unwrap();
        let names = Names::new([&contact]);
        let said = member(5, "bob", json!({"onion": ONION}));
        assert_eq!(member_row(&names, &said, 5), format!("  5  bob    member     {ONION}  as the owner says"));
        let proven = member(5, "bob", json!({"onion": ONION, "proven": "link", "state": "muted", "link": true}));
        let row = member_row(&names, &proven, 3);
        assert_eq!(row, format!("  5  bob  member     {ONION}  proven by link, muted, linked, your contact carol"));
    }
}
