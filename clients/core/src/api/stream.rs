//! A connected socket of either kind.

use super::address::Endpoint;
use super::error::ApiClientError;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;
use torchat_loopback::{Owners, Refused};

#[derive(Debug)]
pub(super) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    /// Connects. Writing may take `patience`; reading waits forever, because a connection may well be quiet.
    pub(super) fn connect(endpoint: &Endpoint, patience: Duration) -> Result<Self, ApiClientError> {
        let connected = match endpoint {
            Endpoint::Unix(path) => UnixStream::connect(path).and_then(|stream| {
                stream.set_write_timeout(Some(patience))?;
                Ok(Self::Unix(stream))
            }),
            Endpoint::Tcp(address) => TcpStream::connect_timeout(address, patience).and_then(|stream| {
                // A request is one write; waiting for more of it would only add 40 ms.
                stream.set_nodelay(true)?;
                stream.set_write_timeout(Some(patience))?;
                Ok(Self::Tcp(stream))
            }),
        };
        connected.map_err(|error| ApiClientError::Connect {
            endpoint: endpoint.to_string(),
            reason: error.to_string(),
            kind: error.kind(),
            hint: match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    "it does not run there: start it with `torchatd -d`, or name its socket with --socket or TORCHAT_SOCKET"
                }
                io::ErrorKind::PermissionDenied => {
                    "the socket belongs to another user: ask who runs the daemon for the group socket or a token"
                }
                _ => "is it running? `torchatd -d` starts it",
            },
        })
    }

    /// Whether a program of our own user has accepted this. The directory of a Unix socket has shown it already.
    pub(super) fn is_ours(&self, endpoint: &Endpoint) -> Result<(), ApiClientError> {
        let Self::Tcp(stream) = self else { return Ok(()) };
        match Owners::new().check(stream) {
            Ok(()) => Ok(()),
            Err(why @ (Refused::NoOwner | Refused::NotAccepted)) => {
                Err(ApiClientError::Lost { reason: why.to_string() })
            }
            Err(why) => Err(ApiClientError::NotYours { endpoint: endpoint.to_string(), why: why.to_string() }),
        }
    }

    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
        })
    }

    /// Ends both directions, for every clone: threads that read wake up.
    pub(super) fn shut(&self) {
        // An error means that it has ended already.
        let _ = match self {
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(buffer),
            Self::Tcp(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.write(bytes),
            Self::Tcp(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
