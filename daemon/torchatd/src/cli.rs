//! The command line: exactly the options of the contract. A usage error ends with status 2, which is clap's own.

use crate::logging::Level;
use clap::Parser;
use std::path::PathBuf;

/// A messenger that is a Unix daemon: Tor onion services for identity, JSON for programs.
#[derive(Debug, Parser)]
#[command(
    name = "torchatd",
    version,
    about,
    after_help = "Exit status: 0 done, 1 other, 2 usage, 10 port taken, 11 data directory missing or not writable, \
                  12 data directory open to others, 13 already running, 14 torrc (with line), 15 configuration (with \
                  key)."
)]
pub(crate) struct Args {
    /// Run in the background; return when the control port answers
    // A bare flag: the ancestor's `-d 8000` must read as "in the background, port 8000".
    #[arg(short = 'd', long)]
    pub(crate) daemon: bool,

    /// Ask the daemon that runs with this data directory to stop, and wait until it has
    #[arg(long, conflicts_with_all = ["daemon", "config", "log_dir", "log_level", "port"])]
    pub(crate) stop: bool,

    /// Everything of one daemon: key, messages, socket, Tor's state [default: $XDG_DATA_HOME/torchatd]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,

    /// Configuration [default: $XDG_CONFIG_HOME/torchatd/torchatd.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// A file in the format of C tor, of which a documented subset is read
    #[arg(long, value_name = "FILE")]
    pub(crate) torrc: Option<PathBuf>,

    /// Where torchatd.log and error.log go [default: ./logs in a checkout, else $XDG_STATE_HOME/torchatd]
    #[arg(long, value_name = "DIR")]
    pub(crate) log_dir: Option<PathBuf>,

    /// The least important thing that is logged [default: info]
    #[arg(long, value_name = "LEVEL", value_enum)]
    pub(crate) log_level: Option<Level>,

    /// The control socket [default: control.sock in the data directory]
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,

    /// Serve the control port on 127.0.0.1 too; 0 takes a free one
    #[arg(value_name = "PORT")]
    pub(crate) port: Option<u16>,
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
        let contract = ["config", "daemon", "data-dir", "log-dir", "log-level", "socket", "stop", "torrc"];
        assert_eq!(long, contract);
    }

    #[test]
    fn usage_errors_end_with_status_2() {
        let wrong: [&[&str]; 8] = [
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
        assert_eq!(parse(&["--help"]).unwrap_err().kind(), ErrorKind::DisplayHelp);
        assert_eq!(parse(&["--version"]).unwrap_err().exit_code(), 0);
    }

    #[test]
    fn stop_names_a_daemon_by_its_directory_or_socket() {
        let args = parse(&["--stop", "--data-dir", "d", "--socket", "s"]).unwrap();
        assert!(args.stop);
        assert_eq!(args.data_dir, Some("d".into()));
        assert_eq!(args.socket, Some("s".into()));
    }
}
