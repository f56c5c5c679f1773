//! Which names are marked. The list's course over events and answers is in the timeline's tests.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::timeline::tests::{NOW, contact, onion, with};
use torchat_protocol::control::api::event::What;
use torchat_protocol::control::api::record::{Contact, Conversation};

fn named(number: u8, name: Option<&str>, nick: Option<&str>) -> Contact {
    Contact { name: name.map(str::to_owned), nick: nick.map(str::to_owned), ..contact(onion(number)) }
}

/// A list with these contacts, as the daemon answers it.
fn listed(contacts: Vec<Contact>) -> ConversationList {
    let mut list = ConversationList::default();
    for need in list.connected(false) {
        if let Need::Conversations(request) = need {
            let all = contacts.iter().cloned().map(|contact| Conversation {
                contact,
                unread: 0,
                last: None,
                room: None,
                mentions: None,
            });
            list.conversations(request, all.collect(), NOW);
        }
    }
    list
}

fn rename(list: &mut ConversationList, contact: Contact) {
    list.event(&Event { seq: 1, at: String::new(), what: What::Contact { contact } }, NOW);
}

/// Of these numbers, those whose names are marked.
fn marked(list: &ConversationList, numbers: &[u8]) -> Vec<u8> {
    numbers.iter().copied().filter(|number| list.get(with(*number)).unwrap().is_lookalike()).collect()
}

#[test]
fn a_mark_goes_when_either_name_changes() {
    let mut list = listed(vec![named(2, None, Some("bob")), named(3, None, Some("b\u{43e}b"))]);
    assert_eq!(marked(&list, &[2, 3]), [2, 3]);
    rename(&mut list, named(3, None, Some("carol")));
    assert_eq!(marked(&list, &[2, 3]), [0_u8; 0], "the other name is not imitated any more");
    rename(&mut list, named(3, None, Some("BOB")));
    assert_eq!(marked(&list, &[2, 3]), [2, 3]);
    // The user's choice of the very same name settles which one is meant.
    rename(&mut list, named(2, Some("bob"), Some("bob")));
    assert_eq!(marked(&list, &[2, 3]), [3]);
    rename(&mut list, named(3, None, None));
    assert_eq!(marked(&list, &[2, 3]), [0_u8; 0]);
}

#[test]
fn two_names_of_the_users_own_that_are_equal_but_for_case_are_both_marked() {
    for (one, other) in [("bob", "bob"), ("bob", "Bob"), ("ann", "ANN"), ("...", "...")] {
        let mut list =
            listed(vec![named(2, Some(one), None), named(3, Some(other), None), named(4, Some("eve"), None)]);
        assert_eq!(marked(&list, &[2, 3, 4]), [2, 3], "{one} {other}");
        rename(&mut list, named(3, Some("else"), None));
        assert_eq!(marked(&list, &[2, 3, 4]), [0_u8; 0], "{one} {other}");
        rename(&mut list, named(3, Some(other), None));
        assert_eq!(marked(&list, &[2, 3, 4]), [2, 3], "{one} {other}");
    }
}

#[test]
fn who_has_no_name_is_like_nobody() {
    let list = listed(vec![named(2, None, None), named(3, None, Some("")), named(4, None, Some(""))]);
    assert_eq!(marked(&list, &[2, 3, 4]), [0_u8; 0]);
    assert!(list.looks_like(onion(5), "").is_none());
}

#[test]
fn a_strangers_name_is_compared_with_the_names_in_the_list() {
    let list = listed(vec![named(2, Some("bob"), None), named(3, None, Some("eve"))]);
    let like = |name: &str| list.looks_like(onion(9), name).map(|timeline| timeline.id());
    assert_eq!((like("B0B"), like("eve"), like("carol")), (Some(with(2)), Some(with(3)), None));
    assert!(list.looks_like(onion(2), "bob").is_none(), "nobody reads like itself");
}

#[test]
fn a_closed_conversation_has_no_row_until_something_new_comes_or_it_is_opened() {
    let mut list = listed(vec![named(2, Some("ann"), None), named(3, Some("bob"), None)]);
    let (ann, bob) = (onion(2).conversation(), onion(3).conversation());
    list.close(ann);
    assert_eq!(list.order(), [bob]);
    assert!(list.get(ann).is_some(), "nothing of it is forgotten");
    // A stranger with a name like hers is found out all the same.
    assert!(list.looks_like(onion(4), "Ann").is_some());
    list.keep(Some(ann));
    list.keep(None);
    assert!(list.order().contains(&ann));
    // With everybody closed it is not the list of a first start.
    list.close(ann);
    list.close(bob);
    assert!(list.order().is_empty() && !list.is_empty());
}

#[test]
fn a_verified_contact_is_not_marked_and_whoever_reads_like_it_is() {
    let verified = |contact| Contact { verified: Some("2026-11-21T09:30:00.000Z".into()), ..contact };
    let mut list =
        listed(vec![named(2, None, Some("alice")), named(3, Some("Alice"), None), named(4, Some("ALICE"), None)]);
    assert_eq!(marked(&list, &[2, 3, 4]), [2, 3, 4]);
    rename(&mut list, verified(named(3, Some("Alice"), None)));
    assert_eq!(marked(&list, &[2, 3, 4]), [2, 4]);
    // One that chose its name itself, too: what the user named like it is the imitation then.
    rename(&mut list, named(3, Some("Bob"), None));
    rename(&mut list, verified(named(2, None, Some("alice"))));
    assert_eq!(marked(&list, &[2, 3, 4]), [4]);
}

#[test]
fn no_name_holds_the_sign_of_a_verified_contact() {
    let list = listed(vec![named(2, None, Some("\u{2713}bob \u{2714}\u{fe0f}"))]);
    assert!(!list.get(with(2)).unwrap().name(20).contains(['\u{2713}', '\u{2714}']));
}
