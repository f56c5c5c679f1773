//! Old daemons' messages.

use super::super::*;
use torchat_core::op::LegacyOp;
use torchat_core::snapshot::{LegacyNum, LegacyRow};
use torchat_protocol::legacy::{Claim, OldMessage};

fn old(text: &str, at_ms: i64, keep: usize) -> Op {
    let claim = Claim::new("a.onion".into()).unwrap();
    Op::Legacy(LegacyOp::Keep { message: OldMessage { claim, text: text.into() }, at_ms, keep })
}

fn kept(path: &Path) -> Vec<(String, bool)> {
    Reader::of_file(path.to_owned()).legacy(100).unwrap().into_iter().map(|l| (l.text, l.taken)).collect()
}

#[test]
fn old_daemons_messages_make_room_by_those_that_were_taken() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("torchat.db");
    let mut store = Store::open(&path).unwrap();
    store.commit(0, &[old("a", 10, 3), old("b", 20, 3), old("c", 30, 3)]).unwrap();
    let reader = Reader::of_file(path.clone());
    let first = reader.legacy_head(LegacyNum::NONE).unwrap().unwrap();
    assert_eq!((first.text.as_str(), first.claim.as_str(), first.at_ms), ("a", "a.onion", 10));
    let second = reader.legacy_head(first.row).unwrap().unwrap();
    store.commit(0, &[Op::Legacy(LegacyOp::Taken { row: second.row }), old("d", 40, 3)]).unwrap();
    let unread = |text: &str| (text.to_owned(), false);
    assert_eq!(kept(&path), [unread("a"), unread("c"), unread("d")], "only the taken one went");
    store.commit(0, &[old("e", 50, 3)]).unwrap();
    assert_eq!(kept(&path).len(), 4, "what nobody has taken stays");
    store
        .commit(0, &[Op::Legacy(LegacyOp::Taken { row: first.row }), Op::Legacy(LegacyOp::Forget { before_ms: 40 })])
        .unwrap();
    assert_eq!(kept(&path), [unread("d"), unread("e")]);
    let rows = [40, 50].map(|at_ms| LegacyRow { at_ms, taken: false });
    assert_eq!(reader.snapshot().unwrap().legacy, rows);
    assert_eq!(reader.legacy_head(LegacyNum(i64::MAX)).unwrap(), None);
    // They are nowhere else.
    assert!(reader.untaken().unwrap().is_empty() && reader.snapshot().unwrap().peers.is_empty());
}
