//! What is wrong with rooms, or to be decided in them.

use super::super::failure::Done;
use super::super::format::Names;
use super::Finding;
use torchat_client::api::command::Rooms;
use torchat_client::api::reason::RoomTrouble;
use torchat_client::api::record::{Room, RoomState};
use torchat_client::api::words::count;
use torchat_client::api::{Call as _, Connection};
use torchat_client::show::shown_line;

/// Looks at all rooms. Nothing is said by a daemon that has none, or knows no rooms.
pub(super) fn check(connection: &Connection, names: &Names) -> Done<Vec<Finding>> {
    if !connection.welcome().commands.iter().any(|name| name == Rooms::NAME) {
        return Ok(Vec::new());
    }
    let rooms = connection.call(&Rooms::default())?.rooms;
    Ok(findings(&rooms, |room| names.of(room.peer)))
}

fn findings(rooms: &[Room], name: impl Fn(&Room) -> String) -> Vec<Finding> {
    let troubles = rooms.iter().flat_map(|room| room.problems.iter().map(move |problem| (room, problem)));
    let mut found: Vec<_> = troubles
        .map(|(room, problem)| {
            let what = match &problem.why {
                // Its own words are all that is known of it.
                RoomTrouble::Unknown => shown_line(&problem.sentence),
                why => why.sentence(),
            };
            let sentence = format!("{}: {what}", name(room));
            match advice(&problem.why) {
                Some(advice) => Finding::wrong("rooms", sentence, advice),
                None => Finding::note("rooms", sentence),
            }
        })
        .collect();
    let open: Vec<_> = rooms.iter().filter(|room| room.state == RoomState::Member).collect();
    if found.is_empty() && !open.is_empty() {
        let linked = open.iter().filter(|room| room.linked > Some(0)).count() as u64;
        let sentence = format!("{}, {linked} of them linked with other members now", count(open.len() as u64, "room"));
        found.push(Finding::ok("rooms", sentence));
    }
    found
}

/// What to do about a trouble. `None`: nothing is wrong, or it passes.
fn advice(why: &RoomTrouble) -> Option<&'static str> {
    Some(match why {
        RoomTrouble::Frozen { ours: true } => "`torchat room settle ROOM` says which of your decisions hold",
        RoomTrouble::Frozen { ours: false } => "ask the owner of the room to settle it",
        RoomTrouble::NobodyReached { .. } => {
            "ask another member whether their torchatd runs; if your own onion is reachable, so are you"
        }
        RoomTrouble::Restored { ours: false } => {
            "if you restored this data directory from a backup, that was it; if you run a second copy of it, end one of them"
        }
        RoomTrouble::Restored { ours: true } => {
            "if you restored this data directory from a backup, that was it: `torchat room invite` makes new invites; if you run a \
             second copy of it, end one of them"
        }
        RoomTrouble::TooMuch => {
            "nothing, if somebody was away for long; else `torchat history` shows who says so much, and the owner can remove them"
        }
        RoomTrouble::NoChain => "`torchat room leave ROOM`, then join it again with a new invite",
        RoomTrouble::NeedsNewer => "install a newer torchatd",
        RoomTrouble::Pending | RoomTrouble::ActsWait { .. } | RoomTrouble::Offered | RoomTrouble::Unknown => {
            return None;
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Grade;
    use super::*;
    use serde_json::json;

    fn room(state: &str, linked: u64, whys: &[serde_json::Value]) -> Room {
        let problems: Vec<_> = whys.iter().map(|why| json!({"sentence": "", "why": why})).collect();
        serde_json::from_value(json!({
            "peer": "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion", "name": "lab", "topic": "",
            "state": state, "form": "mesh", "members": 3, "linked": linked, "queued": 0, "notify": "all",
            "policy": {"joins": "member", "history": 1000}, "problems": problems,
        }))
        .unwrap()
    }

    fn found(rooms: &[Room]) -> Vec<(Grade, String)> {
        findings(rooms, |room| room.name.clone()).into_iter().map(|one| (one.grade, one.sentence)).collect()
    }

    #[test]
    fn rooms_without_trouble_are_counted_and_no_rooms_are_not_mentioned() {
        assert_eq!(found(&[]), []);
        assert_eq!(found(&[room("left", 0, &[])]), []);
        let told = found(&[room("member", 2, &[]), room("member", 0, &[]), room("left", 0, &[])]);
        assert_eq!(told, [(Grade::Ok, "2 rooms, 1 of them linked with other members now".to_owned())]);
    }

    #[test]
    fn each_trouble_is_told_with_its_room_and_what_to_do() {
        let whys = [
            json!({"code": "frozen", "ours": true}),
            json!({"code": "acts-wait", "decisions": 2}),
            json!({"code": "nobody-reached", "ms": 90_000_000}),
            json!({"code": "restored"}),
            json!({"code": "a-later-one"}),
        ];
        let told = found(&[room("member", 0, &whys)]);
        let grades: Vec<_> = told.iter().map(|(grade, _)| *grade).collect();
        assert_eq!(grades, [Grade::Wrong, Grade::Note, Grade::Wrong, Grade::Wrong, Grade::Note]);
        assert!(told.iter().all(|(_, sentence)| sentence.starts_with("lab: ")), "{told:?}");
        assert!(told[1].1.contains("2 decisions of yours wait"), "{told:?}");
    }
}
