//! What peers are to us, as SQL: contacts, requests, invites, and what is known of each peer.

use super::Changes;
use crate::store::StoreError;
use rusqlite::params;
use torchat_core::snapshot::{ContactRequest, Intro, InviteRow};
use torchat_protocol::control::api::Onion;
use torchat_protocol::control::api::event::What;
use torchat_protocol::id::{PeerId, RunId};

impl Changes<'_> {
    pub(super) fn contact(&self, peer: &PeerId, at_ms: i64) -> Result<(), StoreError> {
        self.db
            .prepare_cached(
                "INSERT INTO peer (peer, contact, added_ms) VALUES (?1, 1, ?2)
                 ON CONFLICT (peer) DO UPDATE SET contact = 1, added_ms = excluded.added_ms",
            )?
            .execute(params![peer.as_bytes(), at_ms])?;
        Ok(())
    }

    pub(super) fn remove(&self, peer: &PeerId) -> Result<(), StoreError> {
        self.db
            .prepare_cached(
                "UPDATE peer SET contact = 0, waiting = 0, hidden = 0, petname = NULL, intro = '', intro_invite = NULL,
                    verified_ms = NULL
                 WHERE peer = ?1",
            )?
            .execute([peer.as_bytes()])?;
        Ok(())
    }

    pub(super) fn block(&self, peer: &PeerId, blocked: bool) -> Result<(), StoreError> {
        self.db
            .prepare_cached(
                "INSERT INTO peer (peer, blocked) VALUES (?1, ?2)
                 ON CONFLICT (peer) DO UPDATE SET blocked = excluded.blocked",
            )?
            .execute(params![peer.as_bytes(), blocked])?;
        Ok(())
    }

    pub(super) fn petname(&self, peer: &PeerId, name: Option<&str>) -> Result<(), StoreError> {
        self.db
            .prepare_cached("UPDATE peer SET petname = ?2 WHERE peer = ?1")?
            .execute(params![peer.as_bytes(), name])?;
        Ok(())
    }

    pub(super) fn nick(&self, peer: &PeerId, nick: &str) -> Result<(), StoreError> {
        self.db.prepare_cached("UPDATE peer SET nick = ?2 WHERE peer = ?1")?.execute(params![peer.as_bytes(), nick])?;
        Ok(())
    }

    pub(super) fn intro(&self, peer: &PeerId, intro: &Intro) -> Result<(), StoreError> {
        self.db
            .prepare_cached(
                "INSERT INTO peer (peer, intro, intro_invite) VALUES (?1, ?2, ?3)
                 ON CONFLICT (peer) DO UPDATE SET intro = excluded.intro, intro_invite = excluded.intro_invite",
            )?
            .execute(params![peer.as_bytes(), intro.text, intro.invite.map(|secret| secret.0)])?;
        Ok(())
    }

    /// `None`: the request is settled or too old.
    pub(super) fn request(&mut self, peer: &PeerId, request: Option<&ContactRequest>) -> Result<(), StoreError> {
        let Some(request) = request else {
            self.request_gone(peer)?;
            self.db.prepare_cached("DELETE FROM request WHERE peer = ?1")?.execute([peer.as_bytes()])?;
            return Ok(());
        };
        if request.refused {
            self.request_gone(peer)?;
        } else {
            let (nick, text) = (request.nick.clone(), request.text.clone());
            self.tell(What::Request { peer: Onion(*peer), nick, text });
        }
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO request (peer, nick, text, at_ms, refused) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![peer.as_bytes(), request.nick, request.text, request.at_ms, request.refused])?;
        Ok(())
    }

    /// A request that the user was told of does not wait any more.
    fn request_gone(&mut self, peer: &PeerId) -> Result<(), StoreError> {
        let mut query = self.db.prepare_cached("SELECT 1 FROM request WHERE peer = ?1 AND refused = 0")?;
        if query.exists([peer.as_bytes()])? {
            self.tell(What::RequestGone { peer: Onion(*peer) });
        }
        Ok(())
    }

    pub(super) fn invite(&self, invite: &InviteRow) -> Result<(), StoreError> {
        self.db
            .prepare_cached("INSERT INTO invite (hash, until_ms) VALUES (?1, ?2)")?
            .execute(params![invite.hash, invite.until_ms])?;
        Ok(())
    }

    pub(super) fn invite_gone(&self, hash: &[u8; 32]) -> Result<(), StoreError> {
        self.db.prepare_cached("DELETE FROM invite WHERE hash = ?1")?.execute([hash])?;
        Ok(())
    }

    pub(super) fn waiting_for_consent(&self, peer: &PeerId, waiting: bool) -> Result<(), StoreError> {
        self.db
            .prepare_cached(
                "INSERT INTO peer (peer, waiting) VALUES (?1, ?2)
                 ON CONFLICT (peer) DO UPDATE SET waiting = excluded.waiting",
            )?
            .execute(params![peer.as_bytes(), waiting])?;
        Ok(())
    }

    pub(super) fn met(&self, peer: &PeerId, epoch: u32, run: Option<RunId>) -> Result<(), StoreError> {
        self.db.prepare_cached("UPDATE peer SET epoch = ?2, met = ?3 WHERE peer = ?1")?.execute(params![
            peer.as_bytes(),
            epoch,
            run.map(|run| run.0)
        ])?;
        Ok(())
    }

    pub(super) fn hidden(&self, peer: &PeerId, hidden: bool) -> Result<(), StoreError> {
        self.db
            .prepare_cached("UPDATE peer SET hidden = ?2 WHERE peer = ?1")?
            .execute(params![peer.as_bytes(), hidden])?;
        Ok(())
    }

    pub(super) fn verified(&self, peer: &PeerId, at_ms: Option<i64>) -> Result<(), StoreError> {
        self.db
            .prepare_cached("UPDATE peer SET verified_ms = ?2 WHERE peer = ?1")?
            .execute(params![peer.as_bytes(), at_ms])?;
        Ok(())
    }

    pub(super) fn retain(&self, peer: &PeerId, days: Option<u32>) -> Result<(), StoreError> {
        self.db
            .prepare_cached(
                "INSERT INTO peer (peer, retain_days) VALUES (?1, ?2)
                 ON CONFLICT (peer) DO UPDATE SET retain_days = excluded.retain_days",
            )?
            .execute(params![peer.as_bytes(), days])?;
        Ok(())
    }

    pub(super) fn seen(&self, peer: &PeerId, at_ms: i64) -> Result<(), StoreError> {
        self.db
            .prepare_cached("UPDATE peer SET seen_ms = ?2 WHERE peer = ?1")?
            .execute(params![peer.as_bytes(), at_ms])?;
        Ok(())
    }

    pub(super) fn retry(&self, peer: &PeerId, attempts: u32, next_ms: i64) -> Result<(), StoreError> {
        self.db
            .prepare_cached(
                "INSERT INTO peer (peer, attempts, next_ms) VALUES (?1, ?2, ?3)
                 ON CONFLICT (peer) DO UPDATE SET attempts = excluded.attempts, next_ms = excluded.next_ms",
            )?
            .execute(params![peer.as_bytes(), attempts, next_ms])?;
        Ok(())
    }
}
