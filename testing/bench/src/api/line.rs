//! One connection that asks and waits, as a program that does one thing after the other. It parses nothing: only the
//! daemon's time is to be seen.

use crate::load::HELLO;
use anyhow::ensure;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) struct Line {
    stream: TcpStream,
    lines: BufReader<TcpStream>,
    answer: String,
}

impl Line {
    /// A connection in the classic contract.
    pub(crate) fn classic(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        // As large as a page of HISTORY, so that it is not the reading that takes long.
        let lines = BufReader::with_capacity(64 * 1024, stream.try_clone()?);
        Ok(Self { stream, lines, answer: String::new() })
    }

    /// A connection that has said HELLO.
    pub(crate) fn api(port: u16) -> anyhow::Result<Self> {
        let mut line = Self::classic(port)?;
        line.say(HELLO)?;
        ensure!(line.hear()?.contains("\"ok\":"), "HELLO was refused: {}", line.answer);
        Ok(line)
    }

    pub(crate) fn say(&mut self, request: &[u8]) -> anyhow::Result<()> {
        Ok(self.stream.write_all(request)?)
    }

    /// The next line.
    pub(crate) fn hear(&mut self) -> anyhow::Result<&str> {
        self.answer.clear();
        ensure!(self.lines.read_line(&mut self.answer)? > 0, "the connection was closed");
        Ok(&self.answer)
    }

    /// Asks, and returns how long the answer took, which must begin so.
    pub(crate) fn ask(&mut self, request: &[u8], good: &str) -> anyhow::Result<Duration> {
        let asked = Instant::now();
        self.say(request)?;
        self.hear()?;
        let took = asked.elapsed();
        ensure!(self.answer.starts_with(good), "not the answer: {}", self.answer);
        Ok(took)
    }

    /// The answer that was heard last.
    pub(crate) fn answer(&self) -> &str {
        &self.answer
    }
}
