//! The plain function gets what the test vectors say, in which it was written down by hand what counts.

use crate::disk::{View, place};
use crate::oracle::{Oracle, Read};
use data_encoding::HEXLOWER;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use torchat_protocol::room::body::{Body, Place};
use torchat_protocol::room::{Author, Event, EventId, Frame, MemberNo, RoomId};

/// The type of EVENTS.
const EVENTS: u8 = 0x46;

fn bytes(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

fn event(item: &Value, room: RoomId) -> Read {
    let Ok(Some(Frame::Events(events))) = Frame::decode(EVENTS, &bytes(item), room) else { panic!("{item}") };
    let event = Arc::new(events.into_iter().next().unwrap());
    let body = event.read().ok().flatten().map(Arc::new);
    (event, body)
}

/// The lowest number of each chain at which two different events follow the same one.
fn forks(events: &[Read]) -> BTreeMap<Author, u64> {
    let mut first: BTreeMap<(Place, EventId), EventId> = BTreeMap::new();
    let mut forks = BTreeMap::new();
    for (event, _) in events {
        let id = *first.entry((place(event), event.header().prev)).or_insert(event.id());
        if id != event.id() {
            let (author, seq) = (event.header().author, event.header().seq);
            forks.entry(author).and_modify(|lowest: &mut u64| *lowest = seq.min(*lowest)).or_insert(seq);
        }
    }
    forks
}

/// The texts that count, in their order: the label, the edit in force, and who reacted how.
fn seen(view: &View, events: &[Read], labels: &BTreeMap<EventId, String>) -> Vec<(String, Option<String>, Value)> {
    let find = |at: Place| events.iter().find(|(event, _)| place(event) == at).unwrap();
    let of = |id: EventId| -> &Event { &events.iter().find(|(event, _)| event.id() == id).unwrap().0 };
    let mut texts: Vec<_> = view.texts.values().collect();
    texts.sort_by_key(|(id, ..)| of(*id).header().order());
    let row = |(id, edit, signs): &(EventId, Option<Place>, BTreeMap<MemberNo, String>)| {
        let edit = edit.map(|at| match find(at).1.as_deref() {
            Some(Body::Edit(edit)) => edit.text.as_str().to_owned(),
            body => panic!("{body:?}"),
        });
        (labels[id].clone(), edit, signs.iter().map(|(no, sign)| serde_json::json!([no, sign])).collect())
    };
    texts.into_iter().map(row).collect()
}

#[test]
fn the_plain_function_says_what_the_vectors_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/vectors/rooms-counts.json");
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let room = RoomId(bytes(&vectors["room"]).try_into().unwrap());
    let cases = vectors["cases"].as_array().unwrap();
    assert!(cases.len() > 20, "{} cases", cases.len());
    for case in cases {
        let what = case["what"].as_str().unwrap();
        let acts: Vec<_> = case["acts"].as_array().unwrap().iter().map(|item| event(item, room)).collect();
        let rows = case["events"].as_array().unwrap();
        let mut events: Vec<_> = rows.iter().map(|row| event(&row["item"], room)).collect();
        let label = |(row, read): (&Value, &Read)| (read.0.id(), row["label"].as_str().unwrap().to_owned());
        let labels: BTreeMap<_, _> = rows.iter().zip(&events).map(label).collect();
        for turned in [false, true] {
            if turned {
                events.reverse();
            }
            let oracle = Oracle::new(room, &acts, events.clone(), forks(&events));
            let view = oracle.view();
            let expected = case["texts"].as_array().unwrap().iter().map(|row| {
                let edit = row["edit"].as_str().map(str::to_owned);
                (row["label"].as_str().unwrap().to_owned(), edit, row["reactions"].clone())
            });
            assert_eq!(seen(&view, &events, &labels), expected.collect::<Vec<_>>(), "{what}");
            let nicks: Vec<_> = view.nicks.iter().map(|(no, nick)| serde_json::json!([no, nick])).collect();
            assert_eq!(Value::from(nicks), case["nicks"], "{what}");
            // Of what is not valid nobody asks whether it is hidden.
            let list = |name: &str| -> BTreeSet<String> {
                case[name].as_array().unwrap().iter().map(|label| label.as_str().unwrap().to_owned()).collect()
            };
            let hidden = oracle.hidden();
            let found = events.iter().filter(|(event, _)| hidden(place(event)));
            let found: BTreeSet<_> = found.map(|(event, _)| labels[&event.id()].clone()).collect();
            let (found, wanted) = (&found - &list("void"), list("hidden"));
            assert_eq!(found, wanted, "{what}");
        }
    }
}
