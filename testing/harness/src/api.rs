//! A program that speaks API 1 over a raw socket, for tests: it knows lines of JSON and nothing of the client library.

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;
use torchat_protocol::control::token::{Exchange, Proof, Token};
use torchat_testkit::daemon::Daemon;
use torchat_testkit::loopback::arguments;

/// How long a line may take that must come.
const PATIENCE: Duration = Duration::from_secs(240);

/// Two daemons that can be contacts of each other, with peers on loopback TCP.
pub struct Pair {
    /// Deleted with the pair.
    pub dir: tempfile::TempDir,
    /// The first daemon.
    pub a: Daemon,
    /// The second one.
    pub b: Daemon,
    /// The first one's onion.
    pub onion_a: String,
    /// The second one's.
    pub onion_b: String,
    program: PathBuf,
}

fn started(program: &Path, dir: &Path, name: &str, seed: u8, options: &[&str]) -> anyhow::Result<Daemon> {
    let data = dir.join(name);
    let mut daemon = Daemon::new(program, arguments(&data, &dir.join("peers"), seed, options), &data);
    daemon.start()?;
    Ok(daemon)
}

impl Pair {
    /// Starts both from the loopback daemon's program.
    ///
    /// # Errors
    /// When one does not start.
    pub fn start(program: &Path) -> anyhow::Result<Self> {
        Self::start_with(program, &[])
    }

    /// The same; these are options of the first one.
    ///
    /// # Errors
    /// When one does not start.
    pub fn start_with(program: &Path, options: &[&str]) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        std::fs::create_dir(dir.path().join("peers"))?;
        let (a, b) = (started(program, dir.path(), "a", 1, options)?, started(program, dir.path(), "b", 2, &[])?);
        let (onion_a, onion_b) = (a.client()?.host()?, b.client()?.host()?);
        Ok(Self { a, b, onion_a, onion_b, dir, program: program.to_owned() })
    }

    /// One more daemon, which knows nobody.
    ///
    /// # Errors
    /// When it does not start.
    pub fn third(&self) -> anyhow::Result<Daemon> {
        started(&self.program, self.dir.path(), "c", 3, &[])
    }

    /// Makes them contacts of each other.
    ///
    /// # Errors
    /// When one refuses.
    pub fn befriend(self) -> anyhow::Result<Self> {
        self.a.client()?.add(&self.onion_b)?;
        self.b.client()?.add(&self.onion_a)?;
        Ok(self)
    }
}

/// A new connection to a daemon.
///
/// # Errors
/// When it does not run.
pub fn connect(daemon: &Daemon) -> anyhow::Result<Api> {
    Api::connect(daemon.port().context("it has no port")?)
}

/// A connection that has said HELLO.
pub struct Api {
    stream: TcpStream,
    lines: BufReader<TcpStream>,
    next_ref: u64,
    /// What came while an answer was awaited.
    kept: VecDeque<Value>,
    /// What HELLO answered.
    pub hello: Value,
}

impl Api {
    /// Connects and says HELLO.
    ///
    /// # Errors
    /// When nobody is there, or HELLO is refused.
    pub fn connect(port: u16) -> anyhow::Result<Self> {
        let mut api = Self::open(port)?;
        api.hello = api.ok(json!({"cmd": "HELLO", "api": 1, "client": "test"}))?;
        Ok(api)
    }

    fn open(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let lines = BufReader::new(stream.try_clone()?);
        Ok(Self { stream, lines, next_ref: 0, kept: VecDeque::new(), hello: Value::Null })
    }

    /// Connects and proves a token.
    ///
    /// # Errors
    /// When nobody is there, the token is refused, or the daemon does not prove that it knows it.
    pub fn prove(port: u16, token: &Token) -> anyhow::Result<Self> {
        const NONCE: &str = "AAECAwQFBgcICQoLDA0ODxAR";
        let mut api = Self::open(port)?;
        let hello = api.ok(json!({"cmd": "HELLO", "api": 1, "token": token.name(), "nonce": NONCE}))?;
        let (nonce, address) = (hello["nonce"].as_str().context("no nonce")?, format!("127.0.0.1:{port}"));
        let exchange = Exchange { client_nonce: NONCE, server_nonce: nonce, address: &address };
        let welcome = api.ok(json!({"cmd": "AUTH", "proof": token.client_proof(&exchange).to_string()}))?;
        let proof: Proof = welcome["proof"].as_str().context("no proof")?.parse()?;
        anyhow::ensure!(token.accepts(&exchange, &proof), "this is not the daemon");
        api.hello = welcome;
        Ok(api)
    }

    /// Writes an object and a newline.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn say(&mut self, object: &Value) -> anyhow::Result<()> {
        self.say_bytes(format!("{object}\n").as_bytes())
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn say_bytes(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// The socket, for what a test does to it.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// The next line, kept or read.
    ///
    /// # Errors
    /// When none comes in time, or the connection ended.
    pub fn line(&mut self) -> anyhow::Result<Value> {
        match self.kept.pop_front() {
            Some(line) => Ok(line),
            None => self.read(),
        }
    }

    /// The next line that was kept while something else was awaited.
    ///
    /// # Errors
    /// When there is none.
    pub fn line_at_once(&mut self) -> anyhow::Result<Value> {
        self.kept.pop_front().context("nothing was kept")
    }

    fn read(&mut self) -> anyhow::Result<Value> {
        let mut text = String::new();
        if self.lines.read_line(&mut text).context("no line came")? == 0 {
            bail!("the connection ended");
        }
        serde_json::from_str(&text).with_context(|| format!("no JSON: {text}"))
    }

    /// The next line of a subscription: its event, or why it ended.
    ///
    /// # Errors
    /// When none comes in time, or the connection ended.
    pub fn event(&mut self, sub: &Value) -> anyhow::Result<Result<Value, Value>> {
        let matches = |line: &Value| line["sub"] == *sub && (line.get("event").is_some() || line.get("end").is_some());
        let at = self.kept.iter().position(matches);
        let mut line = match at.and_then(|at| self.kept.remove(at)) {
            Some(line) => line,
            None => loop {
                let line = self.read()?;
                if matches(&line) {
                    break line;
                }
                self.kept.push_back(line);
            },
        };
        Ok(if line.get("end").is_some() { Err(line["end"].take()) } else { Ok(line["event"].take()) })
    }

    /// Asks without waiting. Returns the `ref`, which is made if there is none.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn begin(&mut self, mut request: Value) -> anyhow::Result<Value> {
        if request.get("ref").is_none() {
            self.next_ref += 1;
            request["ref"] = json!(format!("r{}", self.next_ref));
        }
        self.say(&request)?;
        Ok(request["ref"].take())
    }

    /// The answer to a request: `ok` or `error`.
    ///
    /// # Errors
    /// When none comes in time, or the connection ended.
    pub fn answer(&mut self, reference: &Value) -> anyhow::Result<Result<Value, Value>> {
        let matches = |line: &Value| line.get("sub").is_none() && line["ref"] == *reference;
        let at = self.kept.iter().position(matches);
        let mut line = match at.and_then(|at| self.kept.remove(at)) {
            Some(line) => line,
            None => loop {
                let line = self.read()?;
                if matches(&line) {
                    break line;
                }
                self.kept.push_back(line);
            },
        };
        Ok(if line.get("error").is_some() { Err(line["error"].take()) } else { Ok(line["ok"].take()) })
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// When none comes in time, or the connection ended.
    pub fn ask(&mut self, request: Value) -> anyhow::Result<Result<Value, Value>> {
        let reference = self.begin(request)?;
        self.answer(&reference)
    }

    /// Asks for what must be done.
    ///
    /// # Errors
    /// When it is refused, or the connection ended.
    pub fn ok(&mut self, request: Value) -> anyhow::Result<Value> {
        let text = request.to_string();
        self.ask(request)?.map_err(|error| anyhow::anyhow!("{text}: {error}"))
    }

    /// Asks for what must be refused. Returns the code.
    ///
    /// # Errors
    /// When it is done, or the connection ended.
    pub fn refused(&mut self, request: Value) -> anyhow::Result<String> {
        let text = request.to_string();
        match self.ask(request)? {
            Ok(ok) => bail!("{text} was not refused: {ok}"),
            Err(error) => Ok(error["code"].as_str().unwrap_or_default().to_owned()),
        }
    }

    /// Whether the connection ended and nothing more came.
    pub fn is_over(&mut self) -> bool {
        self.kept.is_empty() && matches!(self.lines.read_line(&mut String::new()), Ok(0) | Err(_))
    }
}
