//! How `torchat` ends, in one table: `--help`, the man page and docs/SHELL.md are made of it.

/// Makes the enum and its table.
macro_rules! codes {
    ($($(#[doc = $about:literal])+ $kind:ident $code:literal $meaning:literal;)+) => {
        /// How a command ended.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        #[allow(dead_code, reason = "clap itself ends with Usage; xtask reads the table only")]
        pub(crate) enum Exit {
            $($(#[doc = $about])+ $kind = $code,)+
        }

        /// Code and meaning of each, in order.
        pub(crate) const TABLE: &[(u8, &str)] = &[$(($code, $meaning),)+];
    };
}

codes! {
    /// All went well. Also when the program that reads our output has had enough of it.
    Done 0 "done";
    /// The output cannot be written, the system refused something, or an answer was not understood.
    Other 1 "something failed that has no other code";
    /// The command line is wrong; clap's own code.
    Usage 2 "usage: the command line is wrong";
    /// No daemon answers.
    NotRunning 3 "no daemon: it does not run, cannot be reached, or stopped meanwhile";
    /// The daemon said no.
    Refused 4 "refused: the daemon said no; the message says why";
    /// `send --wait delivered`, `room join`.
    NotDelivered 5 "not delivered in time, not let into a room, or not decided yet; unless the message says otherwise, the daemon goes on trying";
    /// What was given cannot be used.
    BadInput 6 "bad input: a PEER that is unknown or ambiguous, a text that is too long, a file that cannot be read";
    /// `doctor`.
    Unwell 7 "doctor: something is wrong that has no code below";
    /// `doctor`: socket, data directory, key, token file.
    UnwellFiles 10 "doctor: the files are open to others, or closed to you";
    /// `doctor`.
    UnwellClock 11 "doctor: the clock is wrong";
    /// `doctor`.
    UnwellTor 12 "doctor: Tor does not work";
    /// `doctor`.
    UnwellOnion 13 "doctor: your onion was not reached";
    /// `doctor`: the disk and the store on it.
    UnwellStore 14 "doctor: the disk or the store is full";
    /// `doctor`.
    UnwellQueue 15 "doctor: the outbox is nearly full";
}

/// The table for `--help`.
pub(crate) fn help() -> String {
    let rows = TABLE.iter().map(|(code, meaning)| format!("\n  {code}  {meaning}"));
    format!(
        "Exit status:{}\n\nWith several problems, the exit code of doctor is that of the first.",
        rows.collect::<String>()
    )
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
