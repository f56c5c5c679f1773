//! Where in HISTORY a log goes on.

use super::progress::Mark;
use torchat_client::api::command::{History, MessagesAnswer};
use torchat_client::api::{ApiClientError, Connection, ConversationId};
use torchat_client::timeline::millis;

/// Messages of a page when a moment is looked for.
const PAGE: u32 = 100;

/// Who tells what was said.
pub(crate) trait Messages {
    /// A page of a conversation.
    ///
    /// # Errors
    /// The daemon is away, or says no.
    fn page(&self, wanted: &History) -> Result<MessagesAnswer, ApiClientError>;
}

impl Messages for Connection {
    fn page(&self, wanted: &History) -> Result<MessagesAnswer, ApiClientError> {
        self.call(wanted)
    }
}

/// The number of the message behind which a log goes on.
///
/// Numbers are the order of HISTORY. A restored backup gives numbers again that it has forgotten: then the newest message up to
/// the log's last one is another one, or later than all that is in the log. There the time decides: what is later than the log
/// is new. (The clock alone would not do, because it may go back.)
///
/// # Errors
/// As [`Messages::page`].
pub(super) fn position(
    messages: &impl Messages,
    peer: ConversationId,
    mark: &Mark,
) -> Result<Option<i64>, ApiClientError> {
    let last = match mark {
        Mark::Off => return Ok(None),
        Mark::Since(at) => return Ok(Some(until(messages, peer, *at)?)),
        Mark::Last(last) => last,
    };
    let before = History { peer, before: Some(last.id.saturating_add(1)), after: None, limit: Some(1), hidden: false };
    let newest = messages.page(&before)?.messages.pop();
    Ok(Some(match newest {
        Some(message) if message.id == last.id && message.mid == last.mid => last.id,
        Some(message) if message.id == last.id || millis(&message.at).unwrap_or(0) > last.at => {
            until(messages, peer, last.at)?
        }
        // It was erased here, and what is before it is in the log.
        _ => last.id,
    }))
}

/// The last message that is not later than a moment; 0: there is none.
fn until(messages: &impl Messages, peer: ConversationId, at: i64) -> Result<i64, ApiClientError> {
    let mut before = None;
    loop {
        let page = messages.page(&History { peer, before, after: None, limit: Some(PAGE), hidden: false })?;
        let early = page.messages.iter().rev().find(|message| millis(&message.at).unwrap_or(0) <= at);
        match (early, page.messages.first()) {
            (Some(message), _) => return Ok(message.id),
            (None, Some(first)) if page.more => before = Some(first.id),
            _ => return Ok(0),
        }
    }
}
