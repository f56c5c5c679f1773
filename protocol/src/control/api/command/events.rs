//! Commands about the event log: to read it, to be told, and to say what is worked off.

use super::Nothing;
use crate::control::api::event::{Event, Filter};
use crate::control::api::record::Cursor;
use crate::control::api::{Ref, Right};
use serde::{Deserialize, Serialize};

commands! {
    /// Events after a number, waiting for the first one if there is none.
    Events "EVENTS" Some(Right::Read) => EventsAnswer;
    /// Pushes events from now on, each as soon as it is durable. A second subscription of the same consumer ends the first.
    Subscribe "SUBSCRIBE" Some(Right::Read) => SubscribeAnswer;
    /// Ends a subscription of this connection.
    Unsubscribe "UNSUBSCRIBE" Some(Right::Read) => Nothing;
    /// Moves a consumer's cursor forward: events up to there never come again. Never moves it back.
    Ack "ACK" Some(Right::Read) => AckAnswer;
    /// The consumers and their cursors; with `forget`, one of them is removed.
    Cursors "CURSORS" Some(Right::Read) => CursorsAnswer;
}

records! {
    /// Parameters of EVENTS.
    Events {
        /// Events after this number. Not together with `consumer`; one of them is needed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
        /// Events after this consumer's cursor. A new consumer begins now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        consumer: Option<String>,
        /// Seconds to wait for the first event, at most 300; 0 if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait: Option<u32>,
        /// How many at most: 1 to 1,000; 100 if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
        /// Which ones.
        #[serde(default, deserialize_with = "crate::control::api::object")]
        filter: Filter,
    }
    /// What EVENTS answers.
    EventsAnswer {
        /// In order. A gap comes first.
        events: Vec<Event>,
        /// For the next call's `after`: everything up to here was looked at.
        next: u64,
        /// The last event's number.
        last: u64,
    }
    /// Parameters of SUBSCRIBE.
    Subscribe {
        /// The consumer whose durable cursor it is: 1 to 64 of letters, digits, `.`, `_`, `-`. Absent: no cursor, and
        /// `from` cannot be `cursor`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        consumer: Option<String>,
        /// Where to begin. Absent: `cursor` with a consumer, else `now`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<From>,
        /// Which events.
        #[serde(default, deserialize_with = "crate::control::api::object")]
        filter: Filter,
    }
    /// What SUBSCRIBE answers.
    SubscribeAnswer {
        /// Events after this number are pushed.
        after: u64,
        /// The last event's number.
        last: u64,
    }
    /// Parameters of UNSUBSCRIBE.
    Unsubscribe {
        /// The `ref` of the SUBSCRIBE.
        sub: Option<Ref>,
    }
    /// Parameters of ACK.
    Ack {
        /// The consumer.
        consumer: String,
        /// The consumer has processed everything up to this event.
        seq: u64,
    }
    /// What ACK answers.
    AckAnswer {
        /// Where the cursor is now.
        seq: u64,
    }
    /// Parameters of CURSORS.
    Cursors {
        /// A consumer to remove.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        forget: Option<String>,
    }
    /// What CURSORS answers.
    CursorsAnswer {
        /// By name.
        cursors: Vec<Cursor>,
    }
}

/// Where a subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "must be the number of an event, \"cursor\", \"now\" or \"start\"")]
pub enum From {
    /// At an event: those after this number.
    After(u64),
    /// At a place that has a name.
    Place(Place),
}

/// A place in the event log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// The consumer's cursor. A new consumer begins now.
    Cursor,
    /// After the last event.
    Now,
    /// At the oldest event that the log holds.
    Start,
}
