//! Texts of ours that became events in the turn that accepted them, as most do.
//!
//! What such a text shows is known from its event. So its row is written once, as it stays, and nothing of it is read again: that
//! would be more than half of what it costs. If anything else of the transaction concerns it, it is judged as every other one.

use super::judge::{Message, Shown};
use super::write::New;
use super::{Before, Changes, Queued, Touched, row_with};
use crate::store::StoreError;
use crate::store::query::messages::peer_id;
use crate::store::query::rooms::{RoomPart, own_part};
use crate::store::replica::number;
use torchat_protocol::control::api::Onion;
use torchat_protocol::room::body::Place;
use torchat_protocol::room::body::said::Text;
use torchat_protocol::room::{Event, MemberNo, message_id};
use torchat_room::counts::Said;
use torchat_room::standing::Standing;

/// A text that is shown as its event says it.
#[derive(Debug)]
pub(super) struct Plain {
    pub(super) message: Message,
    pub(super) part: RoomPart,
}

impl Changes<'_> {
    /// An event of ours says a text that did not wait. False: a text with its id is there, and this is one more event of it.
    pub(super) fn said_at_once(
        &mut self,
        touched: &mut Touched,
        member: MemberNo,
        (event, text): (&Event, &Text),
        standing: Option<Standing>,
    ) -> Result<bool, StoreError> {
        let (room, header) = (touched.room, *event.header());
        let mid = message_id(room.id, member, text.mid);
        if row_with(self.db, touched.num, mid)?.is_some() {
            return Ok(false);
        }
        let (name, mentions) = (self.name(room, member)?, self.mentions_us(room, text)?);
        let new = New { mid, own: true, place: Some((header, standing)), text, name: &name, mentions };
        let flags = new.flags();
        let row = self.add_row(touched, &new)?;
        touched.rows.insert(row, Before::New);
        touched.queued.push(Queued { text: text.mid, row, mid: Some(mid) });
        let counts = standing.is_some_and(|standing| Said { order: header.order(), standing }.is_shown());
        // The message that one answers is looked up.
        if !counts || text.re.is_some() {
            return Ok(true);
        }
        let place = Place { author: header.author, seq: header.seq };
        let lamport = number(header.lamport)?;
        let shown = Shown {
            dir: 1,
            state: 0,
            place: Some(place),
            lamport: Some(lamport),
            text: text.text.as_str().to_owned(),
            flags,
            re: None,
            edited_ms: None,
            reacts: None,
        };
        let id = self.people(room)?.roster().members.get(&member).and_then(|member| member.id);
        let onion = id.and_then(|id| peer_id(id.0).ok()).map(Onion);
        let part = own_part(flags, (place, lamport), name, onion);
        let message = Message { id: row, mid, at_ms: self.moment.at_ms, sent_s: None, own: true, shown };
        touched.plain.insert(row, Plain { message, part });
        Ok(true)
    }
}
