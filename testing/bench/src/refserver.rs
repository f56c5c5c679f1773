//! The reference: as little as a tokio server can do with a line of JSON, and the same with an append log.
//!
//! It parses into a typed request and answers a typed reply of the same shape and length as torchat's, with a task for
//! each connection. With the log, a thread writes what waits, calls fdatasync once, and lets all of it be answered: the
//! best that an acknowledged durable message can cost. It has no identity, limits, owner check, or second framing.

use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::mpsc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// As long as an onion address.
const OWN: &str = "reference-reference-reference-reference-reference-refere.onion";
/// One batch of the log at most.
const BATCH: usize = 256;

#[derive(Deserialize)]
struct Request {
    cmd: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    msg: String,
    #[serde(default)]
    portno: i64,
}

#[derive(Serialize)]
struct Reply<'a> {
    cmd: &'a str,
    id: &'a str,
    msg: &'a str,
    portno: i64,
}

struct Entry {
    line: Vec<u8>,
    durable: oneshot::Sender<()>,
}

type Log = mpsc::Sender<Entry>;

/// Serves until it is killed.
pub(crate) fn run(dir: &Path, store: bool) -> anyhow::Result<()> {
    let log = if store { Some(open_log(&dir.join("log"))?) } else { None };
    // As many threads as the loopback daemon has.
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(serve(dir, log))
}

/// Serves without a log, for a reference that does something else as well.
#[cfg(feature = "tor")]
pub(crate) async fn answer(dir: &Path) -> anyhow::Result<()> {
    serve(dir, None).await
}

fn open_log(path: &Path) -> anyhow::Result<Log> {
    let mut file = File::options().create(true).append(true).open(path)?;
    let (log, entries) = mpsc::channel::<Entry>();
    std::thread::Builder::new().name("log".into()).spawn(move || {
        while let Ok(first) = entries.recv() {
            let mut batch = vec![first];
            batch.extend(entries.try_iter().take(BATCH - 1));
            let mut bytes = Vec::new();
            for entry in &batch {
                bytes.extend_from_slice(&entry.line);
            }
            if let Err(error) = file.write_all(&bytes).and_then(|()| file.sync_data()) {
                eprintln!("the log cannot be written: {error}");
                return;
            }
            for entry in batch {
                // A client that left does not need its answer.
                let _ = entry.durable.send(());
            }
        }
    })?;
    Ok(log)
}

async fn serve(dir: &Path, log: Option<Log>) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    std::fs::write(dir.join(".port"), listener.local_addr()?.port().to_string())?;
    std::fs::rename(dir.join(".port"), dir.join("port"))?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let log = log.clone();
        tokio::spawn(async move {
            if let Err(error) = converse(stream, log).await {
                eprintln!("a connection ended: {error:#}");
            }
        });
    }
}

async fn converse(mut stream: TcpStream, log: Option<Log>) -> anyhow::Result<()> {
    let mut waiting = Vec::new();
    let mut buffer = vec![0; 4 * 1024];
    loop {
        while let Some(end) = waiting.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = waiting.drain(..=end).collect();
            let request: Request = serde_json::from_slice(&line)?;
            let reply = match (request.cmd.as_str(), &log) {
                ("SEND", Some(log)) => {
                    anyhow::ensure!(!request.msg.is_empty(), "an empty message");
                    let (durable, answer) = oneshot::channel();
                    log.send(Entry { line, durable }).map_err(|_| anyhow::anyhow!("the log has ended"))?;
                    answer.await?;
                    Reply { cmd: "END", id: OWN, msg: "", portno: request.portno }
                }
                ("HOST", _) => Reply { cmd: "HOST", id: &request.id, msg: OWN, portno: request.portno },
                (other, _) => anyhow::bail!("unknown command {other:?}"),
            };
            let mut bytes = serde_json::to_vec(&reply)?;
            bytes.push(b'\n');
            stream.write_all(&bytes).await?;
        }
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            n => waiting.extend_from_slice(&buffer[..n]),
        }
    }
}
