//! The command line: exactly the options of the contract. A usage error ends with status 2, which is clap's own.
//!
//! `cargo xtask dist` reads this file too, to write man pages and completions: so it names nothing else of this crate.

use clap::{Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A messenger daemon over Tor: your onion is your identity, programs speak JSON to it.
#[derive(Debug, Parser)]
#[command(
    name = "torchatd",
    version,
    about,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    after_help = "Exit status: 0 done, 1 other, 2 usage, 10 port taken, 11 data directory missing or not writable, \
                  12 data directory open to others, 13 already running, 14 torrc (with line), 15 configuration (with \
                  key), 16 messages damaged, missing or of a later version."
)]
pub(crate) struct Args {
    /// Run in the background; return when the control port answers
    // A bare flag: the ancestor's `-d 8000` must read as "in the background, port 8000".
    #[arg(short = 'd', long)]
    pub(crate) daemon: bool,

    /// Stop the daemon that runs with this data directory, and wait until it has stopped
    #[arg(long, conflicts_with_all = ["daemon", "config", "log_dir", "log_level", "port"])]
    pub(crate) stop: bool,

    /// Read the configuration and the torrc, say whether they are valid, and do nothing else
    #[arg(long, conflicts_with_all = ["daemon", "stop"])]
    pub(crate) check: bool,

    /// Where one daemon keeps everything: key, messages, socket, Tor's state [default: $XDG_DATA_HOME/torchatd]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,

    /// Configuration [default: $XDG_CONFIG_HOME/torchatd/torchatd.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// A file in C tor's format; torchatd reads a documented subset
    #[arg(long, value_name = "FILE")]
    pub(crate) torrc: Option<PathBuf>,

    /// Where torchatd.log, error.log and audit.log go [default: ./logs in a checkout, else $XDG_STATE_HOME/torchatd]
    #[arg(long, value_name = "DIR")]
    pub(crate) log_dir: Option<PathBuf>,

    /// How much to log [default: info]
    #[arg(long, value_name = "LEVEL", value_enum)]
    pub(crate) log_level: Option<Level>,

    /// The control socket [default: control.sock in the data directory]
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,

    /// Also serve the control port 127.0.0.1:PORT; 0 takes a free one
    #[arg(value_name = "PORT", value_parser = port)]
    pub(crate) port: Option<u16>,

    /// What to do instead of running
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// A port, or what to type instead of a word that people try.
fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| {
        let meant = match text.trim_start_matches('-').to_ascii_lowercase().as_str() {
            "check" | "checkconfig" | "check-config" | "configtest" | "test" | "verify" => {
                "to check the configuration: torchatd --check"
            }
            "start" | "run" | "daemon" => "to start it: torchatd, or torchatd -d in the background",
            "stop" | "exit" | "quit" | "kill" => "to stop it: torchatd --stop",
            "restart" | "reload" => {
                "to stop and start it: torchatd --stop, then torchatd -d; with SIGUSR2 it replaces itself"
            }
            "status" => "to see its state: torchat status",
            "doctor" => "to find out what is wrong: torchat doctor",
            "help" => "for help: torchatd --help",
            "version" => "for the version: torchatd --version",
            _ => "a port is a number from 0 to 65535; for all options: torchatd --help",
        };
        format!("it is neither a port nor a command ({meant})")
    })
}

impl Args {
    /// Makes every path independent of the working directory, and says where the logs go, if that is known.
    ///
    /// # Errors
    /// Those of the two functions, for what the user named.
    pub(crate) fn settle<E>(
        &mut self,
        absolute: impl Fn(&Path) -> Result<PathBuf, E>,
        log_dir: impl FnOnce(Option<&Path>) -> Result<PathBuf, E>,
    ) -> Result<(), E> {
        for path in [&mut self.data_dir, &mut self.config, &mut self.torrc, &mut self.socket].into_iter().flatten() {
            *path = absolute(path)?;
        }
        let named = self.log_dir.is_some();
        match log_dir(self.log_dir.as_deref()) {
            Ok(dir) => self.log_dir = Some(dir),
            Err(error) if named => return Err(error),
            // Said when it is looked for again, after what matters more.
            Err(_) => {}
        }
        Ok(())
    }

    /// The arguments that mean the same start.
    pub(crate) fn line(&self) -> Vec<OsString> {
        let mut line: Vec<OsString> = Vec::new();
        if self.daemon {
            line.push("--daemon".into());
        }
        let paths = [
            ("--data-dir", &self.data_dir),
            ("--config", &self.config),
            ("--torrc", &self.torrc),
            ("--log-dir", &self.log_dir),
            ("--socket", &self.socket),
        ];
        for (option, path) in paths {
            if let Some(path) = path {
                line.extend([option.into(), path.into()]);
            }
        }
        if let Some(level) = self.log_level.and_then(|level| level.to_possible_value()) {
            line.extend(["--log-level".into(), level.get_name().into()]);
        }
        line.extend(self.port.map(|port| port.to_string().into()));
        line
    }
}

/// How much is logged. A later one includes all before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Level {
    /// What failed.
    Error,
    /// What may become a failure.
    Warn,
    /// What happened.
    Info,
    /// How it happened, with the short names of peers.
    Debug,
    /// Everything.
    Trace,
}

/// What `torchatd` does beside running and stopping.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Keep a copy of your onion, or move it to another machine
    #[command(subcommand)]
    Identity(IdentityCommand),
}

/// What is done with the identity.
#[derive(Debug, Subcommand)]
pub(crate) enum IdentityCommand {
    /// Write the onion's key to an encrypted file, or as 24 words
    Export(ExportArgs),
    /// Make the identity of a data directory from an exported one
    Import(ImportArgs),
}

/// Where the identity comes from, and how it is written.
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// The data directory of the identity [default: $XDG_DATA_HOME/torchatd]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,

    /// Print 24 words, for paper; anybody who reads them has your onion
    #[arg(long, conflicts_with_all = ["file", "passphrase_file"])]
    pub(crate) words: bool,

    /// The passphrase is the first line of this file, - for standard input [default: ask for it]
    #[arg(long, value_name = "PATH")]
    pub(crate) passphrase_file: Option<PathBuf>,

    /// The new file; an existing one is not overwritten
    #[arg(value_name = "FILE", required_unless_present = "words")]
    pub(crate) file: Option<PathBuf>,
}

/// How the identity is read, and where it goes.
#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    /// The data directory that becomes this identity, which it must not have yet [default: $XDG_DATA_HOME/torchatd]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,

    /// Read 24 words from standard input
    #[arg(long, conflicts_with_all = ["file", "passphrase_file"])]
    pub(crate) words: bool,

    /// The passphrase is the first line of this file, - for standard input [default: ask for it]
    #[arg(long, value_name = "PATH")]
    pub(crate) passphrase_file: Option<PathBuf>,

    /// Confirm that no other daemon will ever run with this onion [default: ask]
    #[arg(long)]
    pub(crate) this_copy_is_now_the_only_one: bool,

    /// A file of `torchatd identity export`
    #[arg(value_name = "FILE", required_unless_present = "words")]
    pub(crate) file: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    fn parse(line: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from(["torchatd"].iter().chain(line))
    }

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn d_is_a_bare_flag() {
        let args = parse(&["-d", "8000"]).unwrap();
        assert!(args.daemon);
        assert_eq!(args.port, Some(8000));
        let args = parse(&["8000", "--daemon"]).unwrap();
        assert!(args.daemon);
        assert_eq!(args.port, Some(8000));
        assert_eq!(parse(&[]).unwrap().port, None);
        assert_eq!(parse(&["0"]).unwrap().port, Some(0));
    }

    #[test]
    fn exactly_the_options_of_the_contract() {
        let command = Args::command();
        let mut long: Vec<_> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
        long.sort_unstable();
        let contract = ["check", "config", "daemon", "data-dir", "log-dir", "log-level", "socket", "stop", "torrc"];
        assert_eq!(long, contract);
    }

    #[test]
    fn a_settled_line_means_the_same_start_from_anywhere() {
        let line = ["-d", "--data-dir", "d", "--config", "/c", "--socket", "s", "--log-level", "debug", "8000"];
        let mut args = parse(&line).unwrap();
        let absolute = |path: &Path| Ok::<_, ()>(Path::new("/here").join(path));
        args.settle(absolute, |named| Ok(named.map_or("/logs".into(), |dir| Path::new("/here").join(dir)))).unwrap();
        let settled = args.line();
        let again = Args::try_parse_from(std::iter::once("torchatd".into()).chain(settled.clone())).unwrap();
        assert_eq!(again.line(), settled);
        let text: Vec<_> = settled.iter().map(|part| part.to_str().unwrap()).collect();
        let want = "--daemon --data-dir /here/d --config /c --log-dir /logs --socket /here/s --log-level debug 8000";
        assert_eq!(text.join(" "), want);
        let mut homeless = parse(&[]).unwrap();
        homeless.settle(absolute, |_| Err(())).unwrap();
        assert!(homeless.line().is_empty());
        assert!(parse(&["--log-dir", "x"]).unwrap().settle(absolute, |_| Err(())).is_err());
    }

    #[test]
    fn usage_errors_end_with_status_2() {
        let wrong: [&[&str]; 10] = [
            &["--check", "-d"],
            &["--check", "--stop"],
            &["65536"],
            &["-1"],
            &["eight"],
            &["8000", "8001"],
            &["--nonsense"],
            &["--log-level", "loud"],
            &["--stop", "-d"],
            &["--stop", "8000"],
        ];
        for line in wrong {
            let error = parse(line).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line:?}: {error}");
        }
        for (word, want) in [
            ("check-config", "torchatd --check"),
            ("stop", "torchatd --stop"),
            ("start", "torchatd -d"),
            ("reload", "SIGUSR2"),
            ("status", "torchat status"),
            ("70000", "0 to 65535"),
        ] {
            let error = parse(&[word]).unwrap_err().to_string();
            assert!(error.contains(want) && !error.contains("invalid digit"), "{error}");
        }
        assert_eq!(parse(&["--help"]).unwrap_err().kind(), ErrorKind::DisplayHelp);
        assert_eq!(parse(&["--version"]).unwrap_err().exit_code(), 0);
    }

    #[test]
    fn the_identity_needs_a_file_or_words() {
        let wrong: [&[&str]; 10] = [
            &["identity"],
            &["identity", "export"],
            &["identity", "import"],
            &["identity", "show"],
            &["identity", "export", "--words", "file"],
            &["identity", "export", "--words", "--passphrase-file", "p"],
            &["identity", "import", "--words", "file"],
            &["identity", "export", "--this-copy-is-now-the-only-one", "file"],
            // Of a passphrase in the arguments everybody on the machine knows.
            &["identity", "export", "--passphrase", "secret", "file"],
            &["-d", "identity", "export", "file"],
        ];
        for line in wrong {
            let error = parse(line).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line:?}: {error}");
        }
        let args = parse(&["identity", "export", "--data-dir", "d", "--passphrase-file", "-", "file"]).unwrap();
        let Some(Command::Identity(IdentityCommand::Export(args))) = args.command else { panic!("{args:?}") };
        assert_eq!((args.data_dir, args.file, args.words), (Some("d".into()), Some("file".into()), false));
        assert_eq!(args.passphrase_file, Some("-".into()));
        let args = parse(&["identity", "import", "--words", "--this-copy-is-now-the-only-one"]).unwrap();
        let Some(Command::Identity(IdentityCommand::Import(args))) = args.command else { panic!("{args:?}") };
        assert!(args.words && args.this_copy_is_now_the_only_one && args.file.is_none());
        assert!(parse(&["8000"]).unwrap().command.is_none());
    }

    #[test]
    fn stop_names_a_daemon_by_its_directory_or_socket() {
        let args = parse(&["--stop", "--data-dir", "d", "--socket", "s"]).unwrap();
        assert!(args.stop);
        assert_eq!(args.data_dir, Some("d".into()));
        assert_eq!(args.socket, Some("s".into()));
    }
}
