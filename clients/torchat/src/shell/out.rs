//! What comes out: lines of text for people, lines of JSON for programs.

use super::failure::{Done, Failure};
use crate::arguments::Form;
use serde::Serialize;
use std::io::{BufWriter, ErrorKind, Stdout, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use torchat_client::show::{shown_line, shown_rows};
use torchat_protocol::nick::is_hidden;

/// What is put before the further lines of a text: so no text of a peer looks like a line of ours.
pub(crate) const FURTHER: &str = "                 | ";

/// Standard output, or a file in its place.
pub(crate) struct Out {
    form: Form,
    /// The file, if it is one.
    file: Option<PathBuf>,
    to: BufWriter<Box<dyn Write + Send>>,
}

impl Out {
    /// Standard output.
    pub(crate) fn new(form: Form) -> Self {
        let stdout: Stdout = std::io::stdout();
        Self { form, file: None, to: BufWriter::new(Box::new(stdout)) }
    }

    /// A new file. See [`new_file`].
    pub(crate) fn to_file(form: Form, path: &Path) -> Done<Self> {
        let to = Box::new(new_file(path)?);
        Ok(Self { form, file: Some(whole(path)), to: BufWriter::new(to) })
    }

    fn failed(&self, error: &std::io::Error) -> Failure {
        match &self.file {
            Some(path) => Failure::written(path, error),
            None => Failure::output(error),
        }
    }

    /// Whether programs read it.
    pub(crate) fn is_json(&self) -> bool {
        self.form.json
    }

    /// Writes a line of our own words.
    pub(crate) fn line(&mut self, text: &str) -> Done {
        writeln!(self.to, "{text}").map_err(|error| self.failed(&error))
    }

    /// Writes a record on a line of its own.
    pub(crate) fn record(&mut self, record: &impl Serialize) -> Done {
        let text = serde_json::to_string(record).map_err(|error| Failure::system(error.to_string()))?;
        self.line(&escaped(&text))
    }

    /// A text of somebody else's, for several lines: harmless, or as it came if the user wants that.
    pub(crate) fn text(&self, text: &str) -> String {
        if self.form.raw {
            return text.to_owned();
        }
        shown_rows(text).replace('\n', &format!("\n{FURTHER}"))
    }

    /// A text of somebody else's on one line.
    pub(crate) fn one_line(&self, text: &str) -> String {
        if self.form.raw { text.to_owned() } else { shown_line(text) }
    }

    /// What was written is out when this returns.
    pub(crate) fn flush(&mut self) -> Done {
        self.to.flush().map_err(|error| self.failed(&error))
    }
}

/// A new file that only its user can read. Never one that is there.
pub(crate) fn new_file(path: &Path) -> Done<std::fs::File> {
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.map_err(|error| {
        let shown = whole(path);
        Failure::input(match error.kind() {
            ErrorKind::AlreadyExists => {
                format!("{} exists, and torchat does not overwrite it: name another file", shown.display())
            }
            _ => format!("cannot make {}: {error}", shown.display()),
        })
    })
}

/// A path from the root on: who reads an error of cron does not know where it was run.
pub(crate) fn whole(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// JSON that says the same and writes nothing to a terminal that somebody looks at it on: the control and direction
/// characters beyond ASCII, which JSON allows in its strings, are written as escapes.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if is_hidden(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    #[test]
    fn hidden_characters_are_escapes_in_json() {
        for text in ["plain \u{e9}\u{1f600}", "\u{9b}31m\u{202e}\u{feff}", "\u{e0041}\u{200b}\n"] {
            let json = super::escaped(&serde_json::to_string(text).unwrap());
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
            assert!(!json.chars().any(torchat_protocol::nick::is_hidden), "{json}");
        }
    }
}
