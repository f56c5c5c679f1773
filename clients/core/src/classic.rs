//! The classic JSON contract: one request, one reply.

use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
use torchat_protocol::control::code::Code;

/// Why a request did not get the reply it wanted.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The daemon cannot be reached, or left.
    #[error("the daemon does not answer: {0}")]
    Io(#[from] io::Error),
    /// The daemon said no.
    #[error("{message} ({code})")]
    Refused {
        /// The stable code.
        code: Code,
        /// The reason in words.
        message: String,
        /// The message is queued all the same: do not send it again.
        queued: bool,
    },
    /// The program that listens on the port is not of the user of this program, or cannot be told. It was told nothing.
    #[error(
        "the program that listens on port {port} is not known to be your torchatd: {why}; look which program that is, or use the daemon's socket"
    )]
    NotYours {
        /// The port.
        port: u16,
        /// What the system says of the other end.
        why: torchat_loopback::Refused,
    },
    /// The reply is not what the contract says.
    #[error("the daemon's reply is not understood: {0}")]
    Reply(String),
}

/// A message that UPDATE handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The sender's onion.
    pub peer: String,
    /// The text.
    pub text: String,
    /// Arrival, RFC 3339 in UTC.
    pub date: String,
}

/// A message of an old TORchat program. Nothing proves who wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyMessage {
    /// Who its sender says it is; must not be shown without [`LegacyMessage::warning`], nor be used as a peer's id.
    pub claims: String,
    /// The text.
    pub text: String,
    /// Arrival, RFC 3339 in UTC.
    pub date: String,
    /// What must be shown with the text.
    pub warning: String,
}

fn legacy_message(object: &Value) -> Result<LegacyMessage, ClientError> {
    Ok(LegacyMessage {
        claims: text(object, "claims")?,
        text: text(object, "msg")?,
        date: text(object, "date")?,
        warning: text(object, "warning")?,
    })
}

/// One line of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// RFC 3339 in UTC.
    pub date: String,
    /// `in` or `out`.
    pub dir: String,
    /// The message's id.
    pub mid: String,
    /// The text.
    pub text: String,
    /// `unread`, `read`; `queued`, `sent`, `waiting`, `delivered`, `withdrawn`, `failed`; `lost`.
    pub state: String,
    /// Why it is not delivered, in words.
    pub reason: Option<String>,
    /// When the peer is dialled next, RFC 3339 in UTC.
    pub next_try: Option<String>,
}

/// A connection to a daemon.
pub struct Client {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

impl Client {
    /// Connects to a daemon's Unix socket. A reply may take `patience`.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect_unix(path: &Path, patience: Duration) -> Result<Self, ClientError> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self { stream: Box::new(stream), buffer: Vec::new() })
    }

    /// Connects to a daemon's port on 127.0.0.1. A reply may take `patience`, and the daemon as long until it accepts.
    ///
    /// # Errors
    /// When nobody listens, or another user does.
    pub fn connect_tcp(port: u16, patience: Duration) -> Result<Self, ClientError> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        // Any user can listen on a port that is free. Asked before a byte is written.
        match torchat_loopback::Owners::new().check_accepted(&stream, patience) {
            Ok(()) => {}
            Err(torchat_loopback::Refused::NoOwner | torchat_loopback::Refused::NotAccepted) => {
                return Err(io::Error::from(io::ErrorKind::ConnectionReset).into());
            }
            Err(why) => return Err(ClientError::NotYours { port, why }),
        }
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self { stream: Box::new(stream), buffer: Vec::new() })
    }

    /// Sends a request and returns the reply, an ERR included.
    ///
    /// # Errors
    /// When the daemon leaves, is silent for too long, or says something that is no JSON object.
    pub fn exchange(&mut self, request: &Value) -> Result<Value, ClientError> {
        let mut bytes = serde_json::to_vec(request).map_err(|error| ClientError::Reply(error.to_string()))?;
        bytes.push(b'\n');
        self.stream.write_all(&bytes)?;
        // A plain reply ends with a newline, and JSON text holds none.
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(end + 1);
                let line = std::mem::replace(&mut self.buffer, rest);
                return serde_json::from_slice(&line).map_err(|error| ClientError::Reply(error.to_string()));
            }
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                Ok(n) => self.buffer.extend(chunk.iter().take(n)),
                // We were stopped and go on: Linux ends a read that has a time limit then. The answer comes all the same.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// As [`Client::exchange`], with an ERR as an error.
    ///
    /// # Errors
    /// Those of [`Client::exchange`], and [`ClientError::Refused`].
    pub fn request(&mut self, request: &Value) -> Result<Value, ClientError> {
        let reply = self.exchange(request)?;
        if reply["cmd"] == "ERR" {
            return Err(ClientError::Refused {
                code: Code::of(&text(&reply, "code")?),
                message: text(&reply, "msg")?,
                queued: reply["queued"] == true,
            });
        }
        Ok(reply)
    }

    /// The daemon's own onion.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub fn host(&mut self) -> Result<String, ClientError> {
        text(&self.request(&json!({"cmd": "HOST"}))?, "msg")
    }

    /// Makes a peer a contact.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub fn add(&mut self, peer: &str) -> Result<(), ClientError> {
        self.request(&json!({"cmd": "ADD", "id": peer})).map(drop)
    }

    /// Queues a text; returns when it is durable here.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub fn send(&mut self, peer: &str, text: &str) -> Result<(), ClientError> {
        self.request(&json!({"cmd": "SEND", "id": peer, "msg": text})).map(drop)
    }

    /// Queues a text; returns when it is durable at the peer, at most after `seconds`.
    ///
    /// # Errors
    /// As [`Client::request`]; code `not-delivered` when the time was too short.
    pub fn send_and_wait(&mut self, peer: &str, text: &str, seconds: u64) -> Result<(), ClientError> {
        let request = json!({"cmd": "SEND", "id": peer, "msg": text, "wait": "delivered", "timeout": seconds});
        self.request(&request).map(drop)
    }

    /// The peers with unread mail.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub fn peers(&mut self) -> Result<Vec<String>, ClientError> {
        let list = text(&self.request(&json!({"cmd": "GET_PEERS"}))?, "msg")?;
        Ok(list.split(',').filter(|peer| !peer.is_empty()).map(str::to_owned).collect())
    }

    /// The oldest unread message of a peer. It counts as read with the next request on this connection.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub fn update(&mut self, peer: &str) -> Result<Option<Message>, ClientError> {
        let reply = self.request(&json!({"cmd": "UPDATE", "msg": peer}))?;
        if reply["cmd"] == "END" {
            return Ok(None);
        }
        Ok(Some(Message { peer: text(&reply, "id")?, text: text(&reply, "msg")?, date: text(&reply, "date")? }))
    }

    /// The last messages with a peer, oldest first.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub fn history(&mut self, peer: &str, count: u32) -> Result<Vec<Line>, ClientError> {
        let reply = self.request(&json!({"cmd": "HISTORY", "id": peer, "msg": count.to_string()}))?;
        let lines = reply["lines"].as_array().ok_or_else(|| ClientError::Reply("no lines".into()))?;
        lines
            .iter()
            .map(|line| {
                Ok(Line {
                    date: text(line, "date")?,
                    dir: text(line, "dir")?,
                    mid: text(line, "mid")?,
                    text: text(line, "msg")?,
                    state: text(line, "state")?,
                    reason: line["reason"].as_str().map(str::to_owned),
                    next_try: line["next_try"].as_str().map(str::to_owned),
                })
            })
            .collect()
    }

    /// The oldest message of an old TORchat program that was not taken. It counts as read with the next request on this
    /// connection.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub fn legacy(&mut self) -> Result<Option<LegacyMessage>, ClientError> {
        let reply = self.request(&json!({"cmd": "LEGACY"}))?;
        if reply["cmd"] == "END" { Ok(None) } else { legacy_message(&reply).map(Some) }
    }

    /// The last messages of old TORchat programs, oldest first, taken or not.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub fn legacy_history(&mut self, count: u32) -> Result<Vec<LegacyMessage>, ClientError> {
        let reply = self.request(&json!({"cmd": "LEGACY", "msg": count.to_string()}))?;
        let lines = reply["lines"].as_array().ok_or_else(|| ClientError::Reply("no lines".into()))?;
        lines.iter().map(legacy_message).collect()
    }

    /// Asks a peer, or the peer that made an invite, to become a contact, with a few words.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub fn ask(&mut self, onion_or_invite: &str, words: &str) -> Result<(), ClientError> {
        self.request(&json!({"cmd": "ADD", "id": onion_or_invite, "msg": words})).map(drop)
    }

    /// The strangers that ask: `id`, `nick`, `msg`, `date`. What they wrote must be shown as [`crate::show`] does.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub fn requests(&mut self) -> Result<Vec<Value>, ClientError> {
        self.list("REQUESTS", "requests")
    }

    /// An invite, good once and for this number of hours.
    ///
    /// # Errors
    /// As [`Client::request`]; code `too-many-invites`.
    pub fn invite(&mut self, hours: u32) -> Result<String, ClientError> {
        text(&self.request(&json!({"cmd": "INVITE", "msg": hours.to_string()}))?, "msg")
    }

    /// One of ACCEPT, REFUSE, BLOCK, UNBLOCK, REMOVE, RENAME, with its argument if it has one.
    ///
    /// # Errors
    /// As [`Client::request`]; codes `no-request`, `no-contact`, `blocked`, `not-blocked`, `bad-value`.
    pub fn decide(&mut self, command: &str, peer: &str, argument: &str) -> Result<(), ClientError> {
        self.request(&json!({"cmd": command, "id": peer, "msg": argument})).map(drop)
    }

    fn list(&mut self, command: &str, key: &str) -> Result<Vec<Value>, ClientError> {
        match self.request(&json!({"cmd": command}))?[key].take() {
            Value::Array(list) => Ok(list),
            _ => Err(ClientError::Reply(format!("no {key}"))),
        }
    }

    /// Takes a message back that is not delivered. `true`: it never left this machine; `false`: the peer may have got it,
    /// and [`Client::history`] shows how it ended as soon as the peer has said so.
    ///
    /// # Errors
    /// As [`Client::request`]; code `not-pending` when nothing with this id waits for its delivery.
    pub fn cancel(&mut self, peer: &str, mid: &str) -> Result<bool, ClientError> {
        Ok(self.request(&json!({"cmd": "CANCEL", "id": peer, "msg": mid}))?["certain"] == true)
    }

    /// Whether a contact sees us while there is nothing to deliver.
    ///
    /// # Errors
    /// As [`Client::request`]; code `no-contact`.
    pub fn appear(&mut self, peer: &str, online: bool) -> Result<(), ClientError> {
        let how = if online { "online" } else { "offline" };
        self.request(&json!({"cmd": "APPEAR", "id": peer, "msg": how})).map(drop)
    }

    /// The contacts and the blocked: `id`, `name`, `nick`, `presence` (a fact with its age, in words), `heard_s`, `link`, `appear`, `queued`, `state`.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub fn contacts(&mut self) -> Result<Vec<Value>, ClientError> {
        self.list("CONTACTS", "contacts")
    }

    /// The daemon's state.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub fn status(&mut self) -> Result<Value, ClientError> {
        Ok(self.request(&json!({"cmd": "STATUS"}))?["status"].take())
    }

    /// Stops the daemon.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub fn exit(&mut self) -> Result<(), ClientError> {
        self.request(&json!({"cmd": "EXIT"})).map(drop)
    }
}

fn text(reply: &Value, key: &str) -> Result<String, ClientError> {
    reply[key].as_str().map(str::to_owned).ok_or_else(|| ClientError::Reply(format!("no text {key:?}")))
}
