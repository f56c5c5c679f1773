//! The parameters of the commands that are about contacts.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Contacts, or one decision.
#[derive(Debug, Args)]
#[command(subcommand_value_name = "ACTION")]
pub(crate) struct Contacts {
    #[command(subcommand)]
    pub(crate) action: Option<ContactAction>,
}

/// A decision about a peer.
#[derive(Debug, Subcommand)]
pub(crate) enum ContactAction {
    /// Print them; the same as no action
    List,
    /// Make a peer a contact and ask it to accept you
    Add {
        /// Its onion, or an invite (torchat:...?i=...); -: the first line of standard input, and the rest are the words
        #[arg(required_unless_present = "invite_file")]
        peer: Option<String>,
        /// A few words to it, at most 500 bytes
        words: Option<String>,
        /// The file with the onion or invite, in the place of PEER
        #[arg(long, value_name = "FILE")]
        invite_file: Option<PathBuf>,
    },
    /// Print the strangers that ask to become contacts
    Requests,
    /// Make a stranger that asks a contact
    Accept {
        /// Who asks
        peer: String,
    },
    /// Do not show a stranger's request again for 30 days; it learns nothing of it
    Refuse {
        /// Who asks
        peer: String,
    },
    /// Block a peer: it sees what every stranger sees
    Block {
        /// The peer
        peer: String,
    },
    /// Make a blocked peer a stranger
    Unblock {
        /// The peer
        peer: String,
    },
    /// Give a contact a name of yours; an empty one takes it away
    Rename {
        /// The peer
        peer: String,
        /// The name
        name: String,
    },
    /// Make a contact a stranger; what waits for it is taken back, the history stays
    Remove {
        /// The peer
        peer: String,
    },
    /// Make an invite: the first peer that uses it, in time, is a contact at once
    Invite {
        /// How long it is good for
        #[arg(long, value_name = "HOURS")]
        hours: Option<u32>,
    },
    /// Say whether a contact sees you while there is nothing to deliver
    Appear {
        /// The contact
        peer: String,
        /// How
        #[arg(value_enum)]
        how: Appearance,
    },
}

/// How a contact sees us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Appearance {
    /// Linked whenever both are there
    Online,
    /// Linked only to deliver
    Offline,
}
