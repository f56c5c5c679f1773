//! The search's index follows from the messages: damage there stops nothing else.

use super::*;

/// Garbage in the index, as a bad sector leaves it.
fn damage(store: &Store) {
    store.db.execute("UPDATE search_data SET block = x'ffffffffffffffffffffffffffffffff'", []).unwrap();
}

fn found(store: &Store, text: &str) -> Result<Vec<i64>, StoreError> {
    let query = search::query(text, None).unwrap();
    let (rows, _) = search::find(store.connection(), &query, None, i64::MAX, PageLimit::rows(10))?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

#[test]
fn a_damaged_index_stops_no_commit_and_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("torchat.db");
    let mut store = Store::open(&path).unwrap();
    let ops: Vec<_> = (1..=300).map(|n| receive(peer(1), n, &format!("word{n} common"))).collect();
    store.commit(0, &ops).unwrap();
    while store.index(256).unwrap() {}
    damage(&store);
    // More than a commit leaves behind.
    let mut n = 300;
    for _ in 0..40 {
        let ops: Vec<_> = (n + 1..=n + 1_000).map(|n| receive(peer(1), n, "later")).collect();
        n += 1_000;
        store.commit(0, &ops).unwrap();
    }
    assert_eq!(store.health().search(), SearchHealth::Rebuilding);
    while store.index(4_096).unwrap() {}
    assert_eq!(store.health().search(), SearchHealth::Ok);
    assert_eq!(found(&store, "word7").unwrap(), [7], "what was indexed before is there again");
    assert_eq!(found(&store, "later").unwrap().len(), 10);
    // The next start sees it like any other.
    drop(store);
    let store = Store::open(&path).unwrap();
    assert_eq!(found(&store, "word7").unwrap(), [7]);
}

#[test]
fn an_index_whose_pages_cannot_be_followed_is_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("torchat.db");
    let mut store = Store::open(&path).unwrap();
    let ops: Vec<_> = (1..=5_000).map(|n| receive(peer(1), n, &format!("word{n} common"))).collect();
    store.commit(0, &ops).unwrap();
    while store.index(256).unwrap() {}
    let root: i64 = store
        .db
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'search_data'", [], |row| row.get(0))
        .unwrap();
    drop(store);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = usize::try_from((root - 1) * 4_096).unwrap();
    bytes[at..at + 4_096].fill(0xee);
    std::fs::write(&path, bytes).unwrap();
    let mut store = Store::open(&path).unwrap();
    assert_eq!(found(&store, "word7").unwrap_err().trouble(), Trouble::Damaged);
    store.distrust_search();
    while store.index(4_096).unwrap() {}
    assert_eq!(found(&store, "word7").unwrap(), [7]);
    store.commit(0, &[receive(peer(1), 5_001, "after")]).unwrap();
}
