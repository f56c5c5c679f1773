//! The commands of API 1: a table for each family, and all of them together.
//!
//! A command is added in the file of its family: one row in `commands!`, its parameters and its answer in `records!`. From
//! there come the parser, the rights, the audit, the schema and the documentation.

use super::CommandInfo;
use serde::{Deserialize, Serialize};

/// Makes the table of a family: for every command its type, name, right and answer.
macro_rules! commands {
    ($($(#[doc = $about:literal])+ $kind:ident $name:literal $right:expr => $answer:ty;)+) => {
        $(impl $crate::control::api::Call for $kind {
            const NAME: &'static str = $name;
            const RIGHT: Option<Right> = $right;
            type Answer = $answer;
        })+

        /// The commands of this family, in the order of the documentation.
        pub(super) const COMMANDS: &[$crate::control::api::CommandInfo] = &[
            $($crate::control::api::CommandInfo {
                name: $name,
                right: $right,
                about: concat!($($about, "\n"),+),
                #[cfg(feature = "schema")]
                parameters: |generator| generator.subschema_for::<$kind>(),
                #[cfg(feature = "schema")]
                answer: |generator| generator.subschema_for::<$answer>(),
            },)+
        ];
    };
}

/// Defines parameters or answers.
macro_rules! records {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* })+) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
            #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
            pub struct $name { $($(#[$field_meta])* pub $field: $type,)* }
        )+
    };
}

// After the macros that they use.
mod admin;
mod contacts;
mod events;
mod messages;
mod rooms;
mod session;

pub use admin::*;
pub use contacts::*;
pub use events::*;
pub use messages::*;
pub use rooms::*;
pub use session::*;

records! {
    /// An answer that only says that it was done.
    Nothing {}
}

/// The families, in the order of the documentation.
const FAMILIES: &[&[CommandInfo]] =
    &[session::COMMANDS, messages::COMMANDS, contacts::COMMANDS, rooms::COMMANDS, events::COMMANDS, admin::COMMANDS];

/// All commands, in the order of the documentation.
pub const COMMANDS: &[CommandInfo] = &all::<{ count() }>();

const fn count() -> usize {
    let (mut count, mut left) = (0, FAMILIES);
    while let [family, rest @ ..] = left {
        count += family.len();
        left = rest;
    }
    count
}

#[expect(clippy::indexing_slicing, reason = "runs only while compiling: an index out of range is no program")]
const fn all<const N: usize>() -> [CommandInfo; N] {
    let mut all = [FAMILIES[0][0]; N];
    let (mut at, mut family) = (0, 0);
    while family < FAMILIES.len() {
        let mut row = 0;
        while row < FAMILIES[family].len() {
            all[at] = FAMILIES[family][row];
            at += 1;
            row += 1;
        }
        family += 1;
    }
    all
}
