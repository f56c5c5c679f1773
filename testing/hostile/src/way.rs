//! How the hostile peer reaches a daemon: plain loopback TCP, or an onion through a SOCKS port.

use anyhow::{Context as _, ensure};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use torchat_protocol::id::PeerId;

/// A byte stream to a daemon.
pub trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// A boxed [`Stream`].
pub type BoxStream = Box<dyn Stream>;

/// The virtual port of the protocol.
const VIRTUAL_PORT: u16 = 80;

/// A way to daemons.
#[derive(Debug, Clone)]
pub enum Way {
    /// Loopback TCP: the directory has a file for each onion, with its port.
    Loopback(PathBuf),
    /// Tor, through the SOCKS5 port of a client on this machine.
    Socks(u16),
}

impl Way {
    /// Opens a stream to a daemon. Streams with different `circuit` share no circuit, where there are circuits.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn dial(&self, peer: PeerId, circuit: u64) -> anyhow::Result<BoxStream> {
        match self {
            Self::Loopback(directory) => loopback(directory, peer, Ipv4Addr::LOCALHOST).await,
            Self::Socks(port) => socks(*port, peer, circuit).await,
        }
    }

    /// Opens a stream from this loopback address (127.1.2.3), which stands for a circuit.
    ///
    /// # Errors
    /// When nobody answers, or there are real circuits.
    pub async fn dial_from(&self, peer: PeerId, from: Ipv4Addr) -> anyhow::Result<BoxStream> {
        match self {
            Self::Loopback(directory) => loopback(directory, peer, from).await,
            Self::Socks(_) => anyhow::bail!("only on loopback"),
        }
    }
}

async fn loopback(directory: &Path, peer: PeerId, from: Ipv4Addr) -> anyhow::Result<BoxStream> {
    let port = std::fs::read_to_string(directory.join(peer.onion())).context("it listens nowhere")?;
    let socket = TcpSocket::new_v4()?;
    if from != Ipv4Addr::LOCALHOST {
        socket.bind((from, 0).into())?;
    }
    let stream = socket.connect((Ipv4Addr::LOCALHOST, port.trim().parse::<u16>()?).into()).await?;
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}

/// RFC 1928 with the user name and password of RFC 1929, by which Tor isolates circuits.
async fn socks(port: u16, peer: PeerId, circuit: u64) -> anyhow::Result<BoxStream> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.context("the SOCKS port")?;
    stream.set_nodelay(true)?;
    stream.write_all(&[5, 1, 2]).await?;
    let mut two = [0; 2];
    stream.read_exact(&mut two).await?;
    ensure!(two == [5, 2], "the SOCKS port takes no user name: {two:?}");
    let name = circuit.to_string();
    let mut login = vec![1, u8::try_from(name.len())?];
    login.extend(name.as_bytes());
    login.extend([1, b'x']);
    stream.write_all(&login).await?;
    stream.read_exact(&mut two).await?;
    ensure!(two[1] == 0, "the SOCKS port refused the user name");
    let host = peer.onion();
    let mut request = vec![5, 1, 0, 3, u8::try_from(host.len())?];
    request.extend(host.as_bytes());
    request.extend(VIRTUAL_PORT.to_be_bytes());
    stream.write_all(&request).await?;
    let mut reply = [0; 4];
    stream.read_exact(&mut reply).await?;
    ensure!(reply[1] == 0, "the SOCKS port answers {}", reply[1]);
    // The bound address, which says nothing: its length depends on its kind.
    let rest = match reply[3] {
        1 => 4 + 2,
        4 => 16 + 2,
        3 => usize::from(stream.read_u8().await?) + 2,
        other => anyhow::bail!("an unknown kind of address {other}"),
    };
    stream.read_exact(&mut vec![0; rest]).await?;
    Ok(Box::new(stream))
}
