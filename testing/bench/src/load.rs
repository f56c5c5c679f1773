//! The client: some connections that each ask, wait for the answer, and ask again, for a slice of time; or that keep some
//! requests in flight.
//!
//! One thread for all of them, the same for both programs, so that its own cost is the same in both slices.

use anyhow::{bail, ensure};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How long a slice is.
pub(crate) const SLICE: Duration = Duration::from_millis(250);

/// What is asked, and how a good answer begins.
pub(crate) struct Script {
    /// Said first on each connection, and answered by a line that is not looked at; empty: nothing is said.
    pub(crate) hello: &'static [u8],
    /// Whole lines, asked in turn.
    pub(crate) requests: Vec<Vec<u8>>,
    pub(crate) answer: &'static [u8],
    /// Requests of a connection that are not answered, at most.
    pub(crate) in_flight: usize,
}

impl Script {
    /// One request after the other, in the classic contract.
    pub(crate) fn classic(requests: Vec<Vec<u8>>, answer: &'static [u8]) -> Self {
        Self { hello: b"", requests, answer, in_flight: 1 }
    }

    /// One request after the other, in API 1. Each has 1 as its `ref`.
    pub(crate) fn api(requests: Vec<Vec<u8>>) -> Self {
        Self { hello: HELLO, requests, answer: b"{\"ref\":1,\"ok\":", in_flight: 1 }
    }

    /// The same with this many in flight.
    pub(crate) fn in_flight(self, in_flight: usize) -> Self {
        Self { in_flight, ..self }
    }
}

/// What makes a connection one of API 1.
pub(crate) const HELLO: &[u8] = b"{\"cmd\":\"HELLO\",\"api\":1,\"client\":\"bench\"}\n";

/// The connections to one program.
pub(crate) struct Connections {
    script: Arc<Script>,
    idle: Vec<Connection>,
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    next: usize,
    /// Requests that are not answered.
    open: usize,
}

/// What came of a slice.
pub(crate) struct Slice {
    /// Answers a second.
    pub(crate) rate: f64,
    /// The median time of an answer, in microseconds. With more than one request in flight it says nothing.
    pub(crate) p50_us: f64,
}

impl Connections {
    pub(crate) async fn open(port: u16, count: usize, script: Arc<Script>) -> anyhow::Result<Self> {
        let mut idle = Vec::with_capacity(count);
        for n in 0..count {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
            stream.set_nodelay(true)?;
            // Each begins with another request, so that they are spread evenly at any time.
            let mut connection = Connection { stream, buffer: vec![0; 16 * 1024], next: n, open: 0 };
            if !script.hello.is_empty() {
                connection.stream.write_all(script.hello).await?;
                connection.open = 1;
                connection.answers(b"").await?;
            }
            idle.push(connection);
        }
        Ok(Self { script, idle })
    }

    /// Lets all of them ask for a slice.
    pub(crate) async fn slice(&mut self) -> anyhow::Result<Slice> {
        let mut tasks = JoinSet::new();
        let begun = Instant::now();
        let end = begun + SLICE;
        for mut connection in std::mem::take(&mut self.idle) {
            let script = self.script.clone();
            tasks.spawn(async move {
                let (mut times, mut count) = (Vec::new(), 0);
                while Instant::now() < end {
                    let asked = Instant::now();
                    connection.ask(&script).await?;
                    count += connection.answers(script.answer).await?;
                    times.push(asked.elapsed().as_secs_f64() * 1e6);
                }
                while connection.open > 0 {
                    count += connection.answers(script.answer).await?;
                }
                anyhow::Ok((connection, times, count))
            });
        }
        let (mut all, mut answers) = (Vec::new(), 0);
        while let Some(done) = tasks.join_next().await {
            let (connection, times, count) = done??;
            self.idle.push(connection);
            all.extend(times);
            answers += count;
        }
        let rate = answers as f64 / begun.elapsed().as_secs_f64();
        Ok(Slice { rate, p50_us: crate::stats::median(all) })
    }
}

impl Connection {
    /// Asks as often as the script lets it, in one write.
    async fn ask(&mut self, script: &Script) -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        while self.open < script.in_flight {
            bytes.extend_from_slice(&script.requests[self.next % script.requests.len()]);
            self.next += 1;
            self.open += 1;
        }
        Ok(self.stream.write_all(&bytes).await?)
    }

    /// Waits for answers: those that come together, up to the end of a line. Returns how many.
    async fn answers(&mut self, good: &[u8]) -> anyhow::Result<usize> {
        let mut filled = 0;
        loop {
            ensure!(filled < self.buffer.len(), "answers of more than {filled} bytes");
            match self.stream.read(&mut self.buffer[filled..]).await? {
                0 => bail!("the connection was closed"),
                n => filled += n,
            }
            if self.buffer[..filled].ends_with(b"\n") {
                break;
            }
        }
        let mut count = 0;
        for answer in self.buffer[..filled].split_inclusive(|byte| *byte == b'\n') {
            ensure!(answer.starts_with(good), "not the answer: {}", String::from_utf8_lossy(answer));
            count += 1;
        }
        ensure!(count <= self.open, "{count} answers to {} requests", self.open);
        self.open -= count;
        Ok(count)
    }
}
