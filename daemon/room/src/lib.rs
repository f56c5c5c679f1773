//! One replica of a room: which events hold, what they mean, and what to say to other replicas.
//!
//! Pure code, like `torchat-core`: no clock, no entropy, no disk and no links.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]
