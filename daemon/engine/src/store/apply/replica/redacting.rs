//! A text that is taken away loses its body in the transaction in which that is decided: ROOM-PROTOCOL.md, "What counts", 5.
//!
//! Whether it is taken away depends on the redacts that name it and on what they count as. So it is looked at, at the end of the
//! transaction, when a redact came or counts as something else now, and when a text or an edit came. Each is a look at the index of
//! what events name.

use super::Changes;
use crate::store::StoreError;
use crate::store::replica::{
    EDIT, LogRow, NICK, REACTION, REDACT, TEXT, TOPIC, bare_event, damaged, head, is_redacted, number, tag_number,
    target,
};
use rusqlite::params;
use torchat_protocol::room::Event;
use torchat_protocol::room::body::{Body, Place, Ref};

/// What an edit, a reaction or a redact names. `None`: the event names nothing, or its body is not there or breaks its rules.
pub(super) fn named(event: &Event) -> Option<Ref> {
    // Most events are texts, and a body takes longer to read than all else here.
    if !matches!(event.header().kind, EDIT | REACTION | REDACT) {
        return None;
    }
    match event.read().ok().flatten()? {
        Body::Edit(edit) => Some(edit.of),
        Body::Reaction(reaction) => Some(reaction.of),
        Body::Redact(redact) => Some(redact.of),
        _ => None,
    }
}

/// Whether a topic or a name has a body that breaks its rules. `None`: it has not, or it is another event.
pub(super) fn broken(event: &Event) -> Option<bool> {
    if !matches!(event.header().kind, TOPIC | NICK) || event.body().is_none() {
        return None;
    }
    (!matches!(event.read(), Ok(Some(Body::Topic(_) | Body::Nick(_))))).then_some(true)
}

impl Changes<'_> {
    /// An event, or its body, is here since now.
    pub(super) fn touch(&mut self, event: &Event, names: Option<Ref>) {
        let header = event.header();
        match header.kind {
            TEXT | EDIT => drop(self.touched.insert(Place { author: header.author, seq: header.seq })),
            REDACT => self.touched.extend(names.map(|names| names.place)),
            _ => {}
        }
    }

    /// A body that was missing is here.
    pub(super) fn body(&mut self, event: &Event) -> Result<(), StoreError> {
        let header = event.header();
        let names = named(event);
        let mut update = self.db.prepare_cached(
            "UPDATE room_event SET of_chain = ?4, of_seq = ?5, body = ?6, broken = ?7, of_tag = ?8 WHERE chain = ?1 AND seq = ?2 AND head = ?3",
        )?;
        let there = update.execute(params![
            self.room.chain(header.author),
            number(header.seq)?,
            head(event),
            names.map(|names| self.room.chain(names.place.author)),
            names.map(|names| number(names.place.seq)).transpose()?,
            event.body(),
            broken(event),
            names.map(|names| tag_number(names.tag)),
        ])? == 1;
        self.touch(event, names);
        if there { Ok(()) } else { Err(damaged("event of a body")) }
    }

    /// The end of the transaction: drops what is redacted since it.
    pub(in crate::store::apply) fn finish(&self) -> Result<(), StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT place, kind, of_chain, of_seq, head FROM room_event WHERE chain = ?1 AND seq = ?2",
        )?;
        for place in &self.touched {
            let mut rows = query.query(params![self.room.chain(place.author), number(place.seq)?])?;
            let Some(row) = rows.next()? else { continue };
            let (log_row, kind): (LogRow, u8) = (row.get(0)?, row.get(1)?);
            if is_redacted(self.db, self.room, *place, kind, target(row, 2)?)? {
                self.db
                    .prepare_cached("UPDATE room_event SET body = NULL WHERE place = ?1 AND body IS NOT NULL")?
                    .execute([log_row])?;
                if kind == TEXT {
                    self.drop_edits(&bare_event(row, 4, self.room.id)?)?;
                }
            }
        }
        Ok(())
    }

    /// Drops the edits of a text that was taken away. Others cannot edit it, so theirs are none.
    fn drop_edits(&self, text: &Event) -> Result<(), StoreError> {
        let Place { author, seq } = text.place();
        let Some(member) = author.member() else { return Ok(()) };
        self.db
            .prepare_cached(
                "UPDATE room_event SET body = NULL WHERE of_chain = ?1 AND of_seq = ?2 AND of_tag = ?4 AND kind IN (17, 18) AND kind = 17
                 AND chain >> 8 = ?3 AND body IS NOT NULL",
            )?
            .execute(params![self.room.chain(author), number(seq)?, self.room.member(member), tag_number(text.id().tag())])?;
        Ok(())
    }
}
