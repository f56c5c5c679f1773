//! The real client on a real terminal with real daemons, whose peers are on loopback.

#![allow(clippy::unwrap_used)]

#[path = "pty/conversation.rs"]
mod conversation;
#[path = "pty/logs.rs"]
mod logs;
#[path = "pty/notices.rs"]
mod notices;
#[path = "pty/people.rs"]
mod people;
#[path = "support/pty.rs"]
#[allow(dead_code)]
mod pty;
#[path = "pty/rooms.rs"]
mod rooms;
#[path = "pty/settings.rs"]
mod settings;
#[path = "pty/terminal.rs"]
mod terminal;
#[path = "pty/tmux.rs"]
mod tmux;

const TORCHAT: &str = env!("CARGO_BIN_EXE_torchat");
