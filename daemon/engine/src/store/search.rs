//! The full text search: words from clients become a query that is ours, and texts go into the index in bundles.
//!
//! To index with every message was rejected: it would double what a commit writes for a list that is read rarely. A
//! commit that finds enough texts that are not indexed takes some of them with it, and a search indexes the rest first.

use super::messages::{self, MessageRow, PageLimit};
use super::{StoreError, messages::blob};
use rand::Rng as _;
use rusqlite::{Connection, params};
use std::fmt::Write as _;
use torchat_protocol::conversation::ConversationId;

/// Bytes of what a client may search for.
pub const QUERY_BYTES: usize = 1024;
/// Words or phrases of it.
pub const QUERY_TERMS: usize = 32;

/// Makes the index's query of what a client typed: words, all of which must be there; `wor*` for a word that begins so;
/// `"two words"` side by side. Nothing of the index's own language gets through: every term is quoted by us. `None`: there
/// is no word in it, or too much.
#[must_use]
pub fn query(text: &str, among: Option<&[ConversationId]>) -> Option<String> {
    if text.len() > QUERY_BYTES {
        return None;
    }
    let terms = terms(text);
    if terms.is_empty() || terms.len() > QUERY_TERMS {
        return None;
    }
    let mut query = String::from("text : (");
    for (n, (term, prefix)) in terms.iter().enumerate() {
        let and = if n == 0 { "" } else { " AND " };
        let star = if *prefix { " *" } else { "" };
        let _ = write!(query, "{and}\"{term}\"{star}");
    }
    query.push(')');
    if let Some(among) = among {
        query.push_str(" AND conversation : (");
        for (n, id) in among.iter().enumerate() {
            let or = if n == 0 { "" } else { " OR " };
            let _ = write!(query, "{or}\"{}\"", conversation(id));
        }
        query.push(')');
    }
    Some(query)
}

/// The words and phrases, and whether each is only a beginning. Whatever is neither a letter nor a digit separates words,
/// as in the index, so a term holds no quote and no control character.
fn terms(text: &str) -> Vec<(String, bool)> {
    let mut terms = Vec::new();
    for (n, part) in text.split('"').enumerate() {
        let phrase = n % 2 == 1;
        // A star right behind a phrase belongs to its last word.
        if !phrase
            && n > 0
            && part.starts_with('*')
            && let Some((_, prefix)) = terms.last_mut()
        {
            *prefix = true;
        }
        let words: Vec<_> = if phrase { vec![part] } else { part.split_whitespace().collect() };
        for word in words {
            let cleaned: String = word.chars().map(|c| if is_word(c) { c } else { ' ' }).collect();
            let cleaned = cleaned.split_whitespace().collect::<Vec<_>>().join(" ");
            if cleaned.chars().any(char::is_alphanumeric) {
                terms.push((cleaned, !phrase && word.ends_with('*')));
            }
        }
    }
    terms
}

/// Letters, digits, and what is not of ASCII: accents that stand apart and the like are judged by the index.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || !(c.is_ascii() || c.is_control() || c.is_whitespace())
}

/// The word that stands for a conversation.
fn conversation(id: &ConversationId) -> String {
    let mut word = String::with_capacity(16);
    for byte in id.as_bytes().iter().take(8) {
        let _ = write!(word, "{byte:02x}");
    }
    word
}

/// Indexes texts after a row, at most `limit`. Returns up to which row everything is indexed then.
pub(super) fn index(db: &Connection, after: i64, upto: i64, limit: u32) -> Result<i64, StoreError> {
    let mut texts = db.prepare_cached(
        "SELECT m.id, p.peer, m.dir, m.text FROM message m LEFT JOIN peer p ON p.num = m.peer
         WHERE m.id > ?1 ORDER BY m.id LIMIT ?2",
    )?;
    let mut insert = db.prepare_cached("INSERT INTO search (rowid, text, conversation) VALUES (?1, ?2, ?3)")?;
    let mut rows = texts.query(params![after, limit])?;
    let (mut indexed, mut count) = (after, 0);
    while let Some(row) = rows.next()? {
        indexed = row.get(0)?;
        count += 1;
        // Marks are ours, and no message.
        if row.get::<_, i64>(2)? != 2 {
            let id = ConversationId::from_bytes(blob(row, 1)?);
            insert.execute(params![indexed, row.get_ref(3)?.as_str().unwrap_or_default(), conversation(&id)])?;
        }
    }
    if count < limit {
        indexed = indexed.max(upto);
    }
    db.prepare_cached("UPDATE meta SET value = ?1 WHERE name = 'indexed'")?.execute([indexed])?;
    Ok(indexed)
}

/// Takes texts out of the index: their rows, and what stood there. Words are written over, not only marked as gone.
pub(super) fn forget(
    db: &Connection,
    id: ConversationId,
    texts: impl Iterator<Item = Result<(i64, String), StoreError>>,
) -> Result<(), StoreError> {
    let conversation = conversation(&id);
    let mut delete =
        db.prepare_cached("INSERT INTO search (search, rowid, text, conversation) VALUES ('delete', ?1, ?2, ?3)")?;
    let mut begun = false;
    for text in texts {
        let (row, text) = text?;
        if !std::mem::replace(&mut begun, true) {
            let mut known = db.prepare_cached("SELECT 1 FROM search_config WHERE k = 'secure-delete' AND v = 1")?;
            if !known.exists([])? {
                db.execute("INSERT INTO search (search, rank) VALUES ('secure-delete', 1)", [])?;
            }
        }
        delete.execute(params![row, text, conversation])?;
    }
    if begun {
        // The index writes what it has when a savepoint begins, or else when the transaction ends: damage in its pages is to be found
        // here, where the caller can go on without the index, and not by the commit.
        db.execute_batch("SAVEPOINT flushed; RELEASE flushed")?;
    }
    Ok(())
}

/// Puts texts into the index whose rows are behind those that were indexed before.
pub(super) fn learn(db: &Connection, id: ConversationId, texts: &[(i64, String)]) -> Result<(), StoreError> {
    let conversation = conversation(&id);
    let mut insert = db.prepare_cached("INSERT INTO search (rowid, text, conversation) VALUES (?1, ?2, ?3)")?;
    for (row, text) in texts {
        insert.execute(params![row, text, conversation])?;
    }
    Ok(())
}

/// Makes a new, empty index in the place of the one that is there: what is in it follows from the messages.
pub(super) fn make_anew(db: &mut Connection) -> Result<(), StoreError> {
    let create = "CREATE VIRTUAL TABLE search USING fts5 (
        text, conversation, content = '', columnsize = 0, tokenize = 'unicode61 remove_diacritics 2'
    ); UPDATE meta SET value = 0 WHERE name = 'indexed';";
    let mut replace = |away: &str| -> Result<(), StoreError> {
        let transaction = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        transaction.execute_batch(away)?;
        transaction.execute_batch(create)?;
        transaction.commit().map_err(StoreError::unsure)
    };
    replace("DROP TABLE IF EXISTS search").or_else(|error| {
        // Where its pages cannot be followed they cannot be given back either: it is left behind under another name.
        let name = rand::rng().next_u32();
        tracing::debug!(%error, "the damaged index cannot be removed");
        replace(&format!("ALTER TABLE search RENAME TO search_damaged_{name}"))
    })
}

/// Up to which row texts are indexed, and the last row that there is.
pub(super) fn state(db: &Connection) -> Result<(i64, i64), StoreError> {
    let mut query = db.prepare_cached(
        "SELECT (SELECT value FROM meta WHERE name = 'indexed'),
            (SELECT max(id) FROM (SELECT max(id) AS id FROM message UNION ALL SELECT max(id) FROM erased))",
    )?;
    Ok(query.query_row([], |row| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?.unwrap_or(0))))?)
}

/// Messages that a [`query`] finds, newest first, and whether there are older ones.
pub(super) fn find(
    db: &Connection,
    query: &str,
    among: Option<&[ConversationId]>,
    before: i64,
    most: PageLimit,
) -> Result<(Vec<MessageRow>, bool), StoreError> {
    let mut statement = db.prepare_cached(messages::FOUND)?;
    // Two ids may begin with the same bytes.
    let is_wanted = |row: &MessageRow| among.is_none_or(|among| among.contains(&row.conversation));
    let rows = statement.query_map(params![query, before], messages::row)?;
    most.take(rows.filter(|row| row.as_ref().map_or(true, is_wanted)))
}
