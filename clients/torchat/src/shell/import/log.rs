//! Reads the ancestor's log. Tolerant: it is years old, was written by several versions, and peers could write into it.

use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Read as _};

/// Longest line, and longest object over several lines: the ancestor took 5,000 bytes.
const OBJECT_BYTES: usize = 1 << 20;

/// A message of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Entry {
    /// Who is said to have sent it, or got it.
    pub(super) peer: String,
    /// `in` or `out`.
    pub(super) dir: &'static str,
    /// The text.
    pub(super) text: String,
    /// The log's own time, `YYYY-MM-DD HH:MM:SS.mmm` in the time zone of the machine that wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<String>,
    /// Nothing is proven.
    pub(super) auth: &'static str,
}

/// What a log holds.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// In the log's order.
    pub(super) entries: Vec<Entry>,
    /// Lines that seem to begin a message and hold no whole one.
    pub(super) left_out: u64,
}

/// What the ancestor sent and received.
#[derive(Deserialize)]
struct Line {
    cmd: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    msg: String,
}

/// An object that is not at its end.
struct Open {
    at: Option<String>,
    text: String,
}

impl Log {
    pub(super) fn read(mut input: impl BufRead) -> io::Result<Self> {
        let mut log = Self::default();
        let mut open: Option<Open> = None;
        loop {
            let mut bytes = Vec::new();
            let n = input.by_ref().take(OBJECT_BYTES as u64).read_until(b'\n', &mut bytes)?;
            let line = String::from_utf8_lossy(&bytes);
            let at = time(&line);
            // A line of the log begins with its time; anything else goes on with the object before it.
            if n == 0 || at.is_some() {
                log.left_out += u64::from(open.take().is_some());
            }
            if n == 0 {
                return Ok(log);
            }
            let object = match open.take() {
                Some(mut before) => {
                    before.text.push_str(&line);
                    before
                }
                None => match line.find('{').and_then(|start| line.get(start..)) {
                    Some(text) => Open { at, text: text.to_owned() },
                    None => continue,
                },
            };
            open = log.take(object);
        }
    }

    /// Takes the message that an object holds. What is not at its end is given back.
    fn take(&mut self, open: Open) -> Option<Open> {
        // Behind the object there may be anything: several requests in one segment, for one.
        let mut values = serde_json::Deserializer::from_str(&open.text).into_iter::<Line>();
        match values.next() {
            Some(Ok(Line { cmd, id, msg })) => {
                let dir = match cmd.as_str() {
                    "RECV" => "in",
                    "SEND" => "out",
                    // EXIT, END and ERR of later versions.
                    _ => return None,
                };
                self.entries.push(Entry { peer: id, dir, text: msg, at: open.at, auth: "none" });
                None
            }
            Some(Err(error)) if error.is_eof() && open.text.len() < OBJECT_BYTES => Some(open),
            _ => {
                self.left_out += 1;
                None
            }
        }
    }
}

/// The time at the beginning of a line of the log: `2026-11-20 23:53:13.915`.
fn time(line: &str) -> Option<String> {
    let time = line.get(..23)?;
    let form = "dddd-dd-dd dd:dd:dd.ddd";
    let fits = time.bytes().zip(form.bytes()).all(|(byte, form)| match form {
        b'd' => byte.is_ascii_digit(),
        form => byte == form,
    });
    fits.then(|| time.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &[u8]) -> Log {
        Log::read(text).unwrap()
    }

    #[test]
    fn the_ancestors_own_lines() {
        let log = read(
            b"\n\n\n\n\nFile verbosity level: 0\n\
            date       time         ( uptime  ) [ thread name/id ]                   file:line     v| \n\
            2026-11-20 23:53:13.915 (  35.599s) [        E9CA5740]             logger.cpp:29       0| {\"cmd\":\"RECV\",\"id\":\"bbbbbbbbbbbbbbbb.onion\",\"msg\":\"hi one\",\"portno\":80}\n\
            2026-11-20 23:53:20.000 (  41.599s) [        E9CA5740]             logger.cpp:29       0| { \"id\":\"bbbbbbbbbbbbbbbb.onion\", \"portno\": 80,\n \"cmd\":\"SEND\",\n \"msg\":\"over\\nlines\"}\n\
            2026-11-20 23:53:30.546 (  52.230s) [        E9CA5740]             logger.cpp:35     ERR| garbage\n",
        );
        let entry = |dir, text: &str, at: &str| Entry {
            peer: "bbbbbbbbbbbbbbbb.onion".into(),
            dir,
            text: text.into(),
            at: Some(at.into()),
            auth: "none",
        };
        assert_eq!(
            log.entries,
            [entry("in", "hi one", "2026-11-20 23:53:13.915"), entry("out", "over\nlines", "2026-11-20 23:53:20.000")]
        );
        assert_eq!(log.left_out, 0);
    }

    #[test]
    fn framed_later_ones_and_broken_ones() {
        let log = read(
            b"2017-04-01 00:00:00.000 ( 1.0s) [x] l:1 0| 0084{\"cmd\":\"RECV\",\"date\":\"[12:34] \",\"id\":\"a\",\"msg\":\"x\",\"portno\":80}\n\
            2017-04-01 00:00:01.000 ( 1.0s) [x] l:1 0| {\"cmd\":\"EXIT\",\"id\":\"\",\"msg\":\"\",\"portno\":0}\n\
            2017-04-01 00:00:02.000 ( 1.0s) [x] l:1 0| {\"cmd\":\"RECV\",\"id\":\"a\"\n\
            2017-04-01 00:00:03.000 ( 1.0s) [x] l:1 ERR| {not json\n\
            2017-04-01 00:00:04.000 ( 1.0s) [x] l:1 0| {\"cmd\":\"RECV\",\"id\":\"\xff\",\"msg\":\"y\"}\n\
            {\"cmd\":\"SEND\",\"id\":\"a\",\"msg\":\"no time\"}\n\
            {\"cmd\":\"RECV\",\"id\":",
        );
        let texts: Vec<_> = log.entries.iter().map(|entry| entry.text.as_str()).collect();
        assert_eq!(texts, ["x", "y", "no time"]);
        assert_eq!(log.left_out, 3);
    }
}
