//! The frames in the documents: what the terminal client looks like.
//!
//! The client's own test holds the conversation, because only it can draw the client's screen; it writes what it compares
//! otherwise.

/// Writes them into README.md and docs/CLIENT.md.
pub(crate) fn run() -> anyhow::Result<()> {
    let test = ["test", "--quiet", "-p", "torchat", "--bin", "torchat", "the_documents_show_this_screen"];
    crate::run(crate::cargo().args(test).env("TORCHAT_WRITE_FRAMES", "1"))
}
