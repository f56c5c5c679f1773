//! The parameters of the commands that are about tokens.

use super::number;
use clap::{Subcommand, ValueEnum};
use std::path::PathBuf;

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a token, and print it or write it to a file; it is shown once and not stored
    Create {
        /// Its name: letters, digits, dots, underscores and hyphens
        name: String,
        /// A right of the token; may be given several times
        #[arg(short, long = "right", value_name = "RIGHT", value_enum, required = true)]
        rights: Vec<Allowed>,
        /// Good for the conversation with this peer only; may be given several times
        #[arg(short, long, value_name = "PEER")]
        peer: Vec<String>,
        /// Ends after this number of days
        #[arg(long, value_parser = number::whole::<u32>)]
        days: Option<u32>,
        /// A new file for the token, which only you can read [default: standard output]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Print the tokens, without their secrets
    List,
    /// Revoke a token at once and close its connections
    Revoke {
        /// Its name
        name: String,
    },
}

/// A right of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Allowed {
    /// See conversations, contacts, events, the state of the daemon
    Read,
    /// Write to contacts, take back, mark as read
    Send,
    /// Decide who is a contact
    Contacts,
    /// Make, join and leave rooms, and decide in them
    Rooms,
    /// Everything
    Admin,
}
