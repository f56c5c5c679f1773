//! The lines of the API as they stand on the connection.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use torchat_protocol::control::api::event::Event;
use torchat_protocol::control::api::{ApiError, Ref};

/// What is common to all lines: enough to know whose it is. The answer itself is read by the thread that waits for it.
#[derive(Deserialize)]
pub(super) struct Head {
    #[serde(default, rename = "ref")]
    pub(super) reference: Option<Ref>,
    #[serde(default)]
    pub(super) ok: Option<IgnoredAny>,
    #[serde(default)]
    pub(super) error: Option<ApiError>,
    #[serde(default)]
    pub(super) sub: Option<Ref>,
    #[serde(default)]
    pub(super) end: Option<ApiError>,
    /// Of the classic contract: a daemon that does not know HELLO.
    #[serde(default)]
    pub(super) cmd: Option<String>,
    #[serde(default)]
    pub(super) event: Option<IgnoredAny>,
    #[serde(default)]
    pub(super) upto: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct Answer<A> {
    pub(super) ok: A,
}

#[derive(Deserialize)]
pub(super) struct Pushed {
    pub(super) event: Event,
}

/// An event of a kind that this crate does not know.
#[derive(Deserialize)]
pub(super) struct PushedUnknown {
    pub(super) event: Numbered,
}

#[derive(Deserialize)]
pub(super) struct Numbered {
    pub(super) seq: u64,
}

#[derive(Serialize)]
pub(super) struct Request<'a, C> {
    pub(super) cmd: &'static str,
    #[serde(rename = "ref")]
    pub(super) reference: i64,
    #[serde(flatten)]
    pub(super) parameters: &'a C,
}
