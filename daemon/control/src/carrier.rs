//! What carries a connection: two streams of bytes, and the word for where they come from.
//!
//! Everything behind the listener knows nothing else of a socket. A further carrier (WebSocket, an onion of the user's own) is
//! a listener that says who is at the other end and makes one of these; it touches no contract and no command.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// What comes from a program. In a box: a session is compiled once and not for each kind of socket, and one virtual call
/// for each read is not measurable beside it.
pub(crate) type Input = Box<dyn AsyncRead + Send + Unpin>;
/// What goes to it.
pub(crate) type Output = Box<dyn AsyncWrite + Send + Unpin>;

/// Over what a program is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A Unix socket: its own user's, or the one for other users.
    Unix,
    /// The loopback port.
    Tcp,
}

/// A connection's bytes.
pub(crate) struct Carrier {
    pub(crate) kind: Kind,
    pub(crate) input: Input,
    pub(crate) output: Output,
}

impl Carrier {
    /// From a Unix socket.
    pub(crate) fn unix(stream: UnixStream) -> Self {
        let (input, output) = stream.into_split();
        Self { kind: Kind::Unix, input: Box::new(input), output: Box::new(output) }
    }

    /// From the loopback port.
    pub(crate) fn tcp(stream: TcpStream) -> Self {
        // A reply is one write: waiting for more to send would only delay it.
        let _ = stream.set_nodelay(true);
        let (input, output) = stream.into_split();
        Self { kind: Kind::Tcp, input: Box::new(input), output: Box::new(output) }
    }
}
