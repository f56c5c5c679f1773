//! The client: some connections that each ask, wait for the answer, and ask again, for a slice of time.
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
    /// Whole lines, asked in turn.
    pub(crate) requests: Vec<Vec<u8>>,
    pub(crate) answer: &'static [u8],
}

/// The connections to one program.
pub(crate) struct Connections {
    script: Arc<Script>,
    idle: Vec<Connection>,
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    next: usize,
}

/// What came of a slice.
pub(crate) struct Slice {
    /// Answers a second.
    pub(crate) rate: f64,
    /// The median time of an answer, in microseconds.
    pub(crate) p50_us: f64,
}

impl Connections {
    pub(crate) async fn open(port: u16, count: usize, script: Arc<Script>) -> anyhow::Result<Self> {
        let mut idle = Vec::with_capacity(count);
        for n in 0..count {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
            stream.set_nodelay(true)?;
            // Each begins with another request, so that they are spread evenly at any time.
            idle.push(Connection { stream, buffer: vec![0; 4 * 1024], next: n });
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
                let mut times = Vec::new();
                while Instant::now() < end {
                    let asked = Instant::now();
                    connection.ask(&script).await?;
                    times.push(asked.elapsed().as_secs_f64() * 1e6);
                }
                anyhow::Ok((connection, times))
            });
        }
        let mut all = Vec::new();
        while let Some(done) = tasks.join_next().await {
            let (connection, times) = done??;
            self.idle.push(connection);
            all.extend(times);
        }
        let rate = all.len() as f64 / begun.elapsed().as_secs_f64();
        Ok(Slice { rate, p50_us: crate::stats::median(all) })
    }
}

impl Connection {
    async fn ask(&mut self, script: &Script) -> anyhow::Result<()> {
        let request = &script.requests[self.next % script.requests.len()];
        self.next += 1;
        self.stream.write_all(request).await?;
        let mut filled = 0;
        loop {
            ensure!(filled < self.buffer.len(), "an answer of more than {filled} bytes");
            match self.stream.read(&mut self.buffer[filled..]).await? {
                0 => bail!("the connection was closed"),
                n => filled += n,
            }
            if self.buffer[..filled].ends_with(b"\n") {
                break;
            }
        }
        let answer = &self.buffer[..filled];
        ensure!(answer.starts_with(script.answer), "not the answer: {}", String::from_utf8_lossy(answer));
        Ok(())
    }
}
