//! The subset of C tor's configuration format that the daemon reads, so that a familiar file keeps its meaning.
//!
//! Arti reads no torrc: this file is translated into our own settings. Rules:
//!
//! | directive | meaning here |
//! |---|---|
//! | `DataDirectory DIR` | the data directory, if the command line names none; relative to the torrc; the first counts |
//! | `HiddenServiceDir DIR` | accepted, because C tor demands it before the next one; the key is `identity.key`, not there |
//! | `HiddenServicePort VIRT [TARGET]` | the virtual port; the target is not used, but must not be the control port |
//! | `HiddenServiceVersion 3` | the only version there is |
//! | `SocksPort 0` | the daemon opens no SOCKS port; anything but 0 is an error, because it would not be kept |
//! | `Log SEVERITY[-SEVERITY] [DESTINATION]` | the severity is the log level; the destination is not used |
//!
//! Everything else is an error that names the line: a directive that is silently not obeyed, a bridge for example, can
//! cost its writer dearly.

use crate::cli::Level;
use std::path::{Path, PathBuf};

/// What a torrc asked for. Paths are as they were written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Torrc {
    /// Where everything of the daemon lives.
    pub(crate) data_directory: Option<PathBuf>,
    /// The port of the onion service that other daemons dial.
    pub(crate) virtual_port: Option<u16>,
    /// The least important thing that is logged.
    pub(crate) level: Option<Level>,
    /// The targets of the service's ports, with their lines, for [`Torrc::exposes`].
    targets: Vec<(usize, Target)>,
    /// What was read and has no effect: sentences for the log.
    pub(crate) remarks: Vec<String>,
}

/// Where C tor would forward an incoming stream.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    /// A TCP port. The host does not matter here: whatever it is, it may be a name for this machine.
    Tcp(u16),
    /// A Unix socket.
    Unix(PathBuf),
}

/// What is wrong with a torrc, and in which line (counted from 1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub(crate) struct TorrcError {
    /// The line in which the directive begins.
    pub(crate) line: usize,
    /// What is wrong and what to write instead.
    pub(crate) what: String,
}

impl Torrc {
    /// Reads the text of a torrc.
    pub(crate) fn parse(text: &str) -> Result<Self, TorrcError> {
        let mut torrc = Self::default();
        let mut service_named = false;
        for (line, directive) in directives(text) {
            let error = |what: String| TorrcError { line, what };
            let (keyword, rest) = directive.split_once([' ', '\t']).unwrap_or((&directive, ""));
            let value = unquote(rest.trim()).map_err(error)?;
            match keyword.to_ascii_lowercase().as_str() {
                "datadirectory" => torrc.data_directory(line, &value).map_err(error)?,
                "hiddenservicedir" => {
                    need(&value, "HiddenServiceDir", "a directory").map_err(error)?;
                    if std::mem::replace(&mut service_named, true) {
                        return Err(error("a second HiddenServiceDir: torchatd has exactly one onion service".into()));
                    }
                    torrc.remark(
                        line,
                        "HiddenServiceDir is not used: the onion's key is identity.key in the data directory",
                    );
                }
                "hiddenserviceport" => torrc.service_port(line, &value, service_named).map_err(error)?,
                "hiddenserviceversion" if value == "3" => {}
                "hiddenserviceversion" => {
                    return Err(error(format!("HiddenServiceVersion {value}: there is only version 3")));
                }
                "socksport" if value == "0" => {}
                "socksport" => {
                    return Err(error(format!("SocksPort {value}: torchatd opens no SOCKS port, write `SocksPort 0`")));
                }
                "log" => torrc.log(line, &value).map_err(error)?,
                "usebridges" | "bridge" | "clienttransportplugin" | "updatebridgesfromauthority" => {
                    return Err(error(format!("`{keyword}`: {}", torchat_tor::NO_BRIDGES)));
                }
                _ => {
                    return Err(error(format!(
                        "`{}` is not one of the directives that torchatd reads (DataDirectory, HiddenServiceDir, \
                         HiddenServicePort, HiddenServiceVersion, SocksPort, Log)",
                        keyword.escape_debug()
                    )));
                }
            }
        }
        Ok(torrc)
    }

    /// The line, if there is one, whose onion service would lead everybody to the control port or socket.
    pub(crate) fn exposes(&self, port: Option<u16>, socket: &Path) -> Option<TorrcError> {
        self.targets.iter().find_map(|(line, target)| {
            let what = match target {
                Target::Tcp(target) if Some(*target) == port => format!("port {target}"),
                Target::Unix(target) if same_file(target, socket) => format!("socket {}", socket.display()),
                _ => return None,
            };
            Some(TorrcError {
                line: *line,
                what: format!(
                    "HiddenServicePort leads to the control {what}: everybody who knows the onion could read your \
                     messages and stop the daemon; remove the target, torchatd needs none"
                ),
            })
        })
    }

    fn data_directory(&mut self, line: usize, value: &str) -> Result<(), String> {
        need(value, "DataDirectory", "a directory")?;
        match &self.data_directory {
            None => self.data_directory = Some(value.into()),
            Some(first) => {
                let first = first.display().to_string();
                self.remark(line, &format!("a second DataDirectory is not used, the first counts: {first}"));
            }
        }
        Ok(())
    }

    fn service_port(&mut self, line: usize, value: &str, service_named: bool) -> Result<(), String> {
        if !service_named {
            return Err("HiddenServicePort needs a HiddenServiceDir in a line before it, as in C tor".into());
        }
        let mut words = value.split_ascii_whitespace();
        let virtual_port = words.next().ok_or("HiddenServicePort needs a port")?;
        let virtual_port = tcp_port(virtual_port)?;
        let target = match words.next() {
            // C tor's own default.
            None => Target::Tcp(virtual_port),
            Some(target) => parse_target(target, virtual_port)?,
        };
        if let Some(more) = words.next() {
            return Err(format!("HiddenServicePort takes a port and a target, then comes `{}`", more.escape_debug()));
        }
        match self.virtual_port {
            Some(first) if first != virtual_port => {
                return Err(format!(
                    "a second virtual port ({virtual_port} after {first}): torchatd serves exactly one"
                ));
            }
            _ => self.virtual_port = Some(virtual_port),
        }
        self.targets.push((line, target));
        Ok(())
    }

    fn log(&mut self, line: usize, value: &str) -> Result<(), String> {
        let mut words = value.split_ascii_whitespace();
        let severities = words.next().ok_or("Log needs a severity: debug, info, notice, warn or err")?;
        let lowest = match severities.split_once('-') {
            None => severity(severities)?,
            Some((lowest, highest)) => {
                severity(highest)?;
                severity(lowest)?
            }
        };
        match words.next().map(str::to_ascii_lowercase).as_deref() {
            None => {}
            Some("stdout" | "stderr" | "syslog" | "file" | "android") => self
                .remark(line, "the destination of Log is not used: --log-dir says where torchatd.log and error.log go"),
            Some(other) => {
                return Err(format!("Log writes to stdout, stderr, syslog or file, not `{}`", other.escape_debug()));
            }
        }
        // C tor keeps every Log line; the most talkative decides what is written at all.
        self.level = self.level.max(Some(lowest));
        Ok(())
    }

    fn remark(&mut self, line: usize, what: &str) {
        self.remarks.push(format!("torrc, line {line}: {what}"));
    }
}

/// Splits a torrc into directives with the lines in which they begin: comments, blank lines and continued lines.
fn directives(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, raw) in text.lines().enumerate() {
        let line = raw.trim();
        if open.is_some() && line.starts_with('#') {
            // In C tor a comment between continued lines does not end the directive.
            continue;
        }
        let (part, continues) = match strip_comment(line).strip_suffix('\\') {
            Some(part) => (part.trim_end().to_owned(), true),
            None => (strip_comment(line).trim_end().to_owned(), false),
        };
        let (start, mut directive) = open.take().unwrap_or((index + 1, String::new()));
        if !directive.is_empty() && !part.is_empty() {
            directive.push(' ');
        }
        directive.push_str(&part);
        if continues {
            open = Some((start, directive));
        } else if !directive.is_empty() {
            found.push((start, directive));
        }
    }
    found.extend(open.filter(|(_, directive)| !directive.is_empty()));
    found
}

/// Cuts a comment off, but not a `#` between quotes.
fn strip_comment(line: &str) -> &str {
    let (mut quoted, mut escaped) = (false, false);
    for (at, character) in line.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '#' if !quoted => return line.get(..at).unwrap_or(line),
            _ => {}
        }
    }
    line
}

/// C tor's quoted values: `"a \"b\" c"`. An unquoted value is itself.
fn unquote(value: &str) -> Result<String, String> {
    let Some(inner) = value.strip_prefix('"') else { return Ok(value.to_owned()) };
    let mut text = String::new();
    let mut characters = inner.chars();
    loop {
        match characters.next() {
            None => return Err("a quotation mark is not closed".into()),
            Some('"') => break,
            Some('\\') => match characters.next() {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some(other @ ('"' | '\\' | '\'')) => text.push(other),
                other => return Err(format!("the escape `\\{}` is not supported", other.unwrap_or(' '))),
            },
            Some(other) => text.push(other),
        }
    }
    match characters.as_str().trim() {
        "" => Ok(text),
        more => Err(format!("`{}` follows the closing quotation mark", more.escape_debug())),
    }
}

fn need(value: &str, directive: &str, what: &str) -> Result<(), String> {
    if value.is_empty() { Err(format!("{directive} needs {what}")) } else { Ok(()) }
}

fn tcp_port(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("`{}` is not a port from 1 to 65535", text.escape_debug())),
    }
}

fn parse_target(target: &str, virtual_port: u16) -> Result<Target, String> {
    if let Some(path) = target.strip_prefix("unix:") {
        let path = unquote(path)?;
        need(&path, "unix:", "a path")?;
        return Ok(Target::Unix(path.into()));
    }
    if target.bytes().all(|byte| byte.is_ascii_digit()) {
        return tcp_port(target).map(Target::Tcp);
    }
    // `[::1]:8000`, `127.0.0.1:8000`, or a host without a port, for which C tor takes the virtual port.
    match target.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && (!host.contains(':') || host.ends_with(']')) => {
            tcp_port(port).map(Target::Tcp)
        }
        _ => Ok(Target::Tcp(virtual_port)),
    }
}

/// C tor's severities in ours: a `notice` of C tor is what an operator wants to read, our info.
fn severity(text: &str) -> Result<Level, String> {
    match text.to_ascii_lowercase().as_str() {
        "debug" => Ok(Level::Debug),
        "info" | "notice" => Ok(Level::Info),
        "warn" => Ok(Level::Warn),
        "err" => Ok(Level::Error),
        _ => Err(format!("`{}` is not a severity (debug, info, notice, warn, err)", text.escape_debug())),
    }
}

/// Whether two paths name one file; if one of them does not exist (yet), whether they are written alike.
fn same_file(a: &Path, b: &Path) -> bool {
    let resolved = |path: &Path| {
        let name = path.file_name()?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(parent.canonicalize().ok()?.join(name))
    };
    a == b || resolved(a).is_some_and(|a| resolved(b) == Some(a))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SHIPPED: &str = include_str!("../../../torrc");

    fn error(text: &str) -> TorrcError {
        Torrc::parse(text).unwrap_err()
    }

    #[test]
    fn the_shipped_file_is_read_and_changes_nothing() {
        let torrc = Torrc::parse(SHIPPED).unwrap();
        assert_eq!(torrc.virtual_port, Some(80));
        assert_eq!(torrc.data_directory, None, "a default data directory would tie every daemon to one place");
        assert_eq!(torrc.exposes(Some(8000), Path::new("/run/control.sock")), None);
    }

    #[test]
    fn the_shipped_file_shows_every_directive() {
        for keyword in ["DataDirectory", "HiddenServiceDir", "HiddenServicePort", "SocksPort", "Log"] {
            let shown = SHIPPED.lines().any(|line| line.trim_start_matches(['#', ' ']).starts_with(keyword));
            assert!(shown, "{keyword}");
        }
    }

    #[test]
    fn what_the_shipped_file_has_commented_out_is_read_too() {
        // Lines such as `#DataDirectory ~/...` are offers to the reader: they must work when the mark is removed.
        let opened: String = SHIPPED
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if rest.starts_with(|first: char| first.is_ascii_uppercase()) => rest,
                _ => line,
            })
            .flat_map(|line| [line, "\n"])
            .collect();
        let torrc = Torrc::parse(&opened).unwrap();
        assert!(torrc.data_directory.is_some());
    }

    #[test]
    fn every_directive_in_any_case() {
        let torrc = Torrc::parse(
            "datadirectory /var/lib/x\nSOCKSPORT 0\nHiddenServiceDir hs\nhiddenserviceversion 3\n\
             HiddenServicePort 80 127.0.0.1:9999\nLog notice file /x\nLog debug-warn stdout\n",
        )
        .unwrap();
        assert_eq!(torrc.data_directory, Some("/var/lib/x".into()));
        assert_eq!(torrc.virtual_port, Some(80));
        assert_eq!(torrc.level, Some(Level::Debug), "the most talkative Log line decides");
        assert_eq!(torrc.remarks.len(), 3, "{:?}", torrc.remarks);
    }

    #[test]
    fn comments_quotes_and_continued_lines() {
        let torrc = Torrc::parse(
            "  # a comment\r\nDataDirectory \"/a b/#c\\\"d\" # with a comment\r\n\r\nLog \\\n  # in between\n  warn\n",
        )
        .unwrap();
        assert_eq!(torrc.data_directory, Some("/a b/#c\"d".into()));
        assert_eq!(torrc.level, Some(Level::Warn));
    }

    #[test]
    fn errors_name_the_line_where_the_directive_begins() {
        let unknown = error("# one\n\nUseBridges 1\n");
        assert_eq!(unknown.line, 3);
        assert!(unknown.to_string().contains("line 3: `UseBridges`"), "{unknown}");
        assert_eq!(error("Log warn\n%include /etc/tor/torrc\n").line, 2);
        assert_eq!(error("+Log warn\n").line, 1);
        assert_eq!(error("SocksPort 0\nSocksPort \\\n 9050\n").line, 2);
        assert_eq!(error("DataDirectory\n").line, 1);
        assert_eq!(error("DataDirectory \"/x\n").line, 1);
        assert_eq!(error("DataDirectory \"/x\" y\n").line, 1);
        assert_eq!(error("Log loud\n").line, 1);
        assert_eq!(error("Log warn printer\n").line, 1);
        assert_eq!(error("Log warn-loud\n").line, 1);
        assert_eq!(error("HiddenServiceVersion 2\n").line, 1);
        assert_eq!(error("HiddenServicePort 80\n").line, 1);
        assert_eq!(error("HiddenServiceDir a\nHiddenServicePort 80\nHiddenServicePort 81\n").line, 3);
        assert_eq!(error("HiddenServiceDir a\nHiddenServiceDir b\n").line, 2);
        for port in ["0", "65536", "http", ""] {
            assert_eq!(error(&format!("HiddenServiceDir a\nHiddenServicePort {port}\n")).line, 2, "{port:?}");
        }
        assert_eq!(error("HiddenServiceDir a\nHiddenServicePort 80 127.0.0.1:8000 x\n").line, 2);
    }

    #[test]
    fn the_first_data_directory_counts() {
        let torrc = Torrc::parse("DataDirectory /a\nDataDirectory /b\n").unwrap();
        assert_eq!(torrc.data_directory, Some("/a".into()));
        assert!(torrc.remarks[0].contains("line 2"), "{:?}", torrc.remarks);
    }

    #[test]
    fn a_service_that_leads_to_the_control_port_is_found() {
        let socket = Path::new("/run/t/control.sock");
        let at = |target: &str| {
            let text = format!("HiddenServiceDir a\n# the ancestor's line\nHiddenServicePort 80 {target}\n");
            Torrc::parse(&text).unwrap().exposes(Some(8000), socket).map(|error| error.line)
        };
        let leading =
            ["8000", "127.0.0.1:8000", "localhost:8000", "[::1]:8000", "0.0.0.0:8000", "unix:/run/t/control.sock"];
        for target in leading {
            assert_eq!(at(target), Some(3), "{target}");
        }
        for target in ["", "8001", "127.0.0.1:80", "127.0.0.1", "[::1]", "unix:/run/t/other.sock"] {
            assert_eq!(at(target), None, "{target}");
        }
        // Without a target, C tor forwards to the virtual port itself.
        let bare = Torrc::parse("HiddenServiceDir a\nHiddenServicePort 8000\n").unwrap();
        assert_eq!(bare.exposes(Some(8000), socket).map(|error| error.line), Some(2));
        assert_eq!(bare.exposes(None, socket), None);
    }

    #[test]
    fn another_spelling_of_the_socket_is_the_same_socket() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("control.sock");
        let other = dir.path().join("./control.sock");
        let text = format!("HiddenServiceDir a\nHiddenServicePort 80 unix:{}\n", other.display());
        assert!(Torrc::parse(&text).unwrap().exposes(None, &socket).is_some());
    }
}
