//! The line of a command: it stays when the command is wrong, and comes back when the daemon refuses what it asked.

use super::room::RoomAsk;
use super::{Ask, Effect, Model, Open};
use crate::screen::editor::Editor;
use std::path::Path;

/// Lines that are not answered at most; the oldest ones do not come back.
const LINES: usize = 32;

/// A line that was run, until it is known how it went.
#[derive(Debug, Clone)]
pub(super) struct Ran {
    effect: Effect,
    line: Editor,
    open: Open,
}

impl Model {
    /// Runs a command; the input is the line that asked for it.
    pub(super) fn run_line(&mut self, command: &str) {
        let line = self.editor.clone();
        let (open, before) = (self.open, self.effects.len());
        self.editor.take();
        self.wrong = false;
        self.run(command);
        if self.wrong && self.open == open && self.editor.text().is_empty() {
            self.editor = line;
        } else {
            let asked = self.effects.iter().skip(before).find(|effect| may_be_refused(effect)).cloned();
            if let Some(effect) = asked {
                if self.ran.len() >= LINES {
                    self.ran.pop_front();
                }
                self.ran.push_back(Ran { effect, line, open });
            }
        }
        self.keep_draft();
    }

    /// Takes the line out that has asked for this.
    pub(super) fn take_line(&mut self, effect: &Effect) -> Option<Ran> {
        let at = self.ran.iter().position(|ran| ran.effect == *effect)?;
        self.ran.remove(at)
    }

    /// What a line has asked for is done. What was open when it ran; `None`: no line has asked for it.
    pub(super) fn line_done(&mut self, ask: &Ask) -> Option<Open> {
        self.take_line(&Effect::Ask(ask.clone())).map(|ran| ran.open)
    }

    /// The export to this file that a line has asked for.
    pub(super) fn ran_export(&self, file: &Path) -> Option<Effect> {
        let mut effects = self.ran.iter().map(|ran| &ran.effect);
        effects.find(|effect| matches!(effect, Effect::Export { path, .. } if path == file)).cloned()
    }

    /// What a line has asked for was refused: the line comes back, unless something else is typed by now.
    pub(super) fn line_refused(&mut self, refused: &Effect) {
        let Some(Ran { line, open, .. }) = self.take_line(refused) else { return };
        if self.open == open && self.editor.text().is_empty() {
            self.editor = line;
            self.save_soon();
        }
    }
}

/// Whether the user may have to write it otherwise: everything that a command asks, but not what the screen asks by itself, nor what
/// was typed into a page of its own.
fn may_be_refused(effect: &Effect) -> bool {
    match effect {
        Effect::Export { .. } => true,
        Effect::Ask(ask) => match ask {
            Ask::Locate(..)
            | Ask::Cancel(..)
            | Ask::Add { .. }
            | Ask::Decide(..)
            | Ask::Rename(..)
            | Ask::Retain(..)
            | Ask::CountErasable(..)
            | Ask::Erase(..)
            | Ask::Status
            | Ask::Exit => true,
            Ask::Invite { show, .. } => *show,
            Ask::Room(ask) => !matches!(ask, RoomAsk::Petitions(_) | RoomAsk::Members(..)),
            Ask::Conversations(_)
            | Ask::Requests(_)
            | Ask::News { .. }
            | Ask::Page(..)
            | Ask::Search { .. }
            | Ask::Send { .. }
            | Ask::TakeBack { .. }
            | Ask::Seen(..) => false,
        },
        _ => false,
    }
}
