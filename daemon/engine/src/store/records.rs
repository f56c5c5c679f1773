//! Small tables beside the mail: the keys that clients gave their messages, consumers' cursors, tokens.

use super::messages::{self, MessageRow};
use super::{Store, StoreError, TokenRow};
use rusqlite::{Connection, OptionalExtension as _, params};
use torchat_core::time::Believed;
use torchat_protocol::conversation::ConversationId;

/// How long a client's key is known, in milliseconds.
pub(crate) const CLIENT_ID_MS: i64 = 30 * 24 * 3_600_000;
/// Clients' keys that are known at most.
const CLIENT_IDS: i64 = 100_000;

/// Notes a client's key with its message, and drops old ones: two for each that is new, so that the table shrinks to its
/// limit and no commit becomes long.
pub(super) fn note_client_id(
    db: &Connection,
    client: &str,
    message: i64,
    at_ms: i64,
    believed: Option<Believed>,
) -> Result<(), StoreError> {
    // One that is too old to count gives its place.
    db.prepare_cached("INSERT OR REPLACE INTO client_id (client, message, at_ms) VALUES (?1, ?2, ?3)")?
        .execute(params![client, message, at_ms])?;
    let newest = db.last_insert_rowid();
    db.prepare_cached(
        "DELETE FROM client_id WHERE n IN (SELECT n FROM client_id ORDER BY n LIMIT 2) AND (n <= ?1 OR at_ms < ?2)",
    )?
    .execute([newest - CLIENT_IDS, known_since(believed)])?;
    Ok(())
}

/// Keys of before are not known any more. A clock that is not believed makes none too old: under it the same key would be
/// another message, which is sent twice forever.
fn known_since(believed: Option<Believed>) -> i64 {
    believed.and_then(|clock| clock.born_before(CLIENT_ID_MS)).unwrap_or(i64::MIN)
}

/// The message that was accepted under a key. Of one that is erased, [`MessageRow::erased`] and what remains of it.
pub(super) fn by_client_id(
    db: &Connection,
    client: &str,
    believed: Option<Believed>,
) -> Result<Option<MessageRow>, StoreError> {
    let mut query = db.prepare_cached(messages::BY_CLIENT)?;
    let found: Option<i64> = query.query_row(params![client, known_since(believed)], |row| row.get(0)).optional()?;
    let Some(id) = found else { return Ok(None) };
    let found = db.prepare_cached(messages::BY_ID)?.query_row([id], messages::row).optional()?;
    if found.is_some() { Ok(found) } else { messages::erased(db, id) }
}

/// All consumers and their places.
pub(super) fn cursors(db: &Connection) -> Result<Vec<(String, u64)>, StoreError> {
    let mut query = db.prepare_cached("SELECT consumer, seq FROM cursor")?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// All tokens by name.
pub(super) fn tokens(db: &Connection) -> Result<Vec<TokenRow>, StoreError> {
    let mut query = db.prepare_cached(
        "SELECT name, rights, peers, stored_key, server_key, created_ms, expires_ms FROM token ORDER BY name",
    )?;
    let mut rows = query.query([])?;
    let mut tokens = Vec::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let damaged = |what: &str| StoreError::Damaged(format!("the token {name:?} has no {what}"));
        let rights: String = row.get(1)?;
        let rights = serde_json::from_str(&rights).map_err(|_| damaged("rights"))?;
        let peers = match row.get::<_, Option<Vec<u8>>>(2)? {
            None => None,
            Some(ids) => {
                let (ids, rest) = ids.as_chunks::<32>();
                if !rest.is_empty() {
                    return Err(damaged("whole ids"));
                }
                Some(ids.iter().copied().map(ConversationId::from_bytes).collect())
            }
        };
        let (stored_key, server_key) = (row.get(3)?, row.get(4)?);
        let (created_ms, expires_ms) = (row.get(5)?, row.get(6)?);
        tokens.push(TokenRow { name, rights, peers, stored_key, server_key, created_ms, expires_ms });
    }
    Ok(tokens)
}

impl Store {
    /// Moves cursors forward, never back, in one durable transaction. Returns where each is then.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn acknowledge(&mut self, at_ms: i64, cursors: &[(String, u64)]) -> Result<Vec<u64>, StoreError> {
        self.transact(|db| {
            let mut move_on = db.prepare_cached(
                "INSERT INTO cursor (consumer, seq, at_ms) VALUES (?1, ?2, ?3)
                 ON CONFLICT (consumer) DO UPDATE SET seq = max(seq, excluded.seq), at_ms = excluded.at_ms
                 RETURNING seq",
            )?;
            let mut moved = Vec::with_capacity(cursors.len());
            for (consumer, seq) in cursors {
                let seq = i64::try_from(*seq).unwrap_or(i64::MAX);
                let now: i64 = move_on.query_row(params![consumer, seq, at_ms], |row| row.get(0))?;
                moved.push(now.unsigned_abs());
            }
            Ok(moved)
        })
    }

    /// Removes a consumer. `false`: there was none.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn forget_cursor(&mut self, consumer: &str) -> Result<bool, StoreError> {
        self.transact(|db| Ok(db.execute("DELETE FROM cursor WHERE consumer = ?1", [consumer])? > 0))
    }

    /// Adds a token, or replaces the one of its name.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn put_token(&mut self, token: &TokenRow) -> Result<(), StoreError> {
        let rights = serde_json::to_string(&token.rights).unwrap_or_default();
        let peers = token.peers.as_ref().map(|peers| peers.iter().flat_map(|p| *p.as_bytes()).collect::<Vec<u8>>());
        self.transact(|db| {
            db.execute(
                "INSERT OR REPLACE INTO token (name, rights, peers, stored_key, server_key, created_ms, expires_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    token.name,
                    rights,
                    peers,
                    token.stored_key,
                    token.server_key,
                    token.created_ms,
                    token.expires_ms
                ],
            )?;
            Ok(())
        })
    }

    /// Removes a token. `false`: there was none.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn drop_token(&mut self, name: &str) -> Result<bool, StoreError> {
        self.transact(|db| Ok(db.execute("DELETE FROM token WHERE name = ?1", [name])? > 0))
    }

    fn transact<T>(&mut self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if let Some(why) = &self.condemned {
            return Err(StoreError::Damaged(why.clone()));
        }
        // What a program or the user asks for at this moment, a row each: as much room as the user's decisions have.
        if let Some(room) = &mut self.room {
            room.admit(&self.db, super::room::Rank::Reading)?;
        }
        let transaction = self.db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let done = work(&transaction)?;
        transaction.commit().map_err(StoreError::unsure)?;
        Ok(done)
    }
}
