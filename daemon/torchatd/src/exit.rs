//! The exit codes, which scripts may rely on, and the one error type that carries them.

use std::fmt;

/// How a run ended. The numbers are part of the contract (`docs/OPERATIONS.md`) and never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Code {
    /// Anything that has no code of its own.
    Other = 1,
    /// The control address, a port or a socket path, is in use.
    PortTaken = 10,
    /// The data directory is missing, is no directory, or cannot be written.
    DataDir = 11,
    /// The data directory, or the key in it, is open to other users.
    DataDirOpen = 12,
    /// A daemon runs with this data directory.
    AlreadyRunning = 13,
    /// The torrc; the message names the line.
    Torrc = 14,
    /// The configuration; the message names the key.
    Config = 15,
    /// The store is damaged, missing, or not the one that its log belongs to.
    Store = 16,
}

impl Code {
    /// The code of a number that came through the readiness pipe; an unknown one is [`Code::Other`].
    pub(crate) fn from_byte(byte: u8) -> Self {
        [
            Self::PortTaken,
            Self::DataDir,
            Self::DataDirOpen,
            Self::AlreadyRunning,
            Self::Torrc,
            Self::Config,
            Self::Store,
        ]
        .into_iter()
        .find(|code| *code as u8 == byte)
        .unwrap_or(Self::Other)
    }
}

/// Why the daemon does not run, for people, with the code for scripts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// For scripts.
    pub(crate) code: Code,
    /// For people: what is wrong, where, and what to do.
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// A failure without a code of its own.
    pub(crate) fn other(message: impl Into<String>) -> Self {
        Self::new(Code::Other, message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_survive_the_pipe() {
        for code in [Code::Other, Code::PortTaken, Code::DataDir, Code::DataDirOpen, Code::AlreadyRunning] {
            assert_eq!(Code::from_byte(code as u8), code);
        }
        assert_eq!(Code::from_byte(Code::Torrc as u8), Code::Torrc);
        assert_eq!(Code::from_byte(Code::Config as u8), Code::Config);
        assert_eq!(Code::from_byte(Code::Store as u8), Code::Store);
        assert_eq!(Code::from_byte(0), Code::Other);
        assert_eq!(Code::from_byte(99), Code::Other);
    }
}
