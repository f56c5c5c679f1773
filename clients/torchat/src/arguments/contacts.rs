//! The parameters of the commands that are about contacts.

use super::number;
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
    /// Print what is known here about one of them, and since when they are verified
    Show {
        /// The contact
        peer: String,
    },
    /// Make a peer a contact and ask them to accept you
    Add {
        /// Their onion, or an invite (torchat:...?i=...); -: the first line of standard input, and the rest are the words
        #[arg(required_unless_present = "invite_file")]
        peer: Option<String>,
        /// A few words to them, at most 500 bytes
        words: Option<String>,
        /// The file with the onion or invite, instead of PEER
        #[arg(long, value_name = "FILE")]
        invite_file: Option<PathBuf>,
    },
    /// Print the contact requests
    Requests,
    /// Accept a contact request
    Accept {
        /// Who asks
        peer: String,
    },
    /// Do not show a stranger's request again for 30 days; they are not told
    Refuse {
        /// Who asks
        peer: String,
    },
    /// Block a peer: they see what every stranger sees; a verified contact loses the mark
    Block {
        /// The peer
        peer: String,
    },
    /// Unblock a peer, who becomes a stranger
    Unblock {
        /// The peer
        peer: String,
    },
    /// Give a contact a name; an empty name removes it
    Rename {
        /// The peer
        peer: String,
        /// The name
        name: String,
    },
    /// Remove a contact: takes back what waits for them; the history stays; a verified contact loses the mark
    Remove {
        /// The peer
        peer: String,
    },
    /// Make an invite: the first person who uses it in time becomes a contact at once
    Invite {
        /// How long it is valid
        #[arg(long, value_name = "HOURS", value_parser = number::whole::<u32>)]
        hours: Option<u32>,
    },
    /// Compare a contact's key with its owner: print the words that both of you must see
    Verify {
        /// The contact
        peer: String,
        /// They are the same: mark the contact as verified
        #[arg(long, conflicts_with = "undo")]
        yes: bool,
        /// Compare these words, heard or read from the QR code of the contact's screen; -: standard input. With --yes the mark is set
        /// only if they are the same
        #[arg(long, value_name = "TEXT", conflicts_with = "undo")]
        words: Option<String>,
        /// Take the mark away
        #[arg(long)]
        undo: bool,
    },
    /// Erase the messages of a conversation here when they are older than a number of days
    Retain {
        /// The other side
        peer: String,
        /// How many days, or off
        #[arg(value_name = "DAYS|off", value_parser = retained)]
        days: Retained,
    },
    /// Set whether a contact sees you online when there is nothing to deliver
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
    /// Linked whenever both of you are online
    Online,
    /// Linked only to deliver
    Offline,
}

/// For how many days messages are kept; `None`: forever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retained(pub(crate) Option<u32>);

fn retained(word: &str) -> Result<Retained, String> {
    match (word, word.parse()) {
        ("off", _) => Ok(Retained(None)),
        (_, Ok(days)) => Ok(Retained(Some(days))),
        (_, Err(_)) => Err("a number of days, or off".to_owned()),
    }
}
