//! The process replaces itself by its own program, in place: same process id, arguments, environment and directory, and
//! nobody can tell it from a long turn. That is an upgrade when the program's file is another one by now, and the last
//! repair when Tor gets nowhere in this process.
//!
//! The lock and the listening sockets are handed over and never closed. So nobody else can take the data directory, the
//! port or the socket in between, and a program that connects meanwhile waits instead of being refused. They travel in
//! flight in a socket pair, of which one end is the new process's standard input; the first message in it also brings
//! the real standard input back. (Open files of a known number cannot be taken over in safe Rust otherwise.)
//!
//! Everything is as after a clean stop when the program is executed: good-byes, last commit, last replies.

use crate::cli::{Args, Level};
use crate::exit::Failure;
use crate::logging::Logs;
use crate::places;
use crate::sandbox::{self, Confined};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Set for the new process, to its process id: what it inherits waits at its standard input. With another number it is
/// somebody's copy of our environment and means nothing.
const VARIABLE: &str = "TORCHATD_REPLACED";

/// What is handed over.
pub(crate) struct Inheritance {
    /// The lock of the data directory, held.
    pub(crate) lock: File,
    /// The control socket.
    pub(crate) unix: UnixListener,
    /// The control port, if there is one.
    pub(crate) tcp: Option<TcpListener>,
}

/// The program as it was started.
pub(crate) struct Program {
    path: PathBuf,
    name: OsString,
    arguments: Vec<OsString>,
}

impl Program {
    /// To be called at the start, as long as the working directory and the file are those of the start.
    ///
    /// The path is the one by which it was called and not the file behind it, so that a link that an upgrade sets to the
    /// new version leads there.
    pub(crate) fn of_this_process() -> io::Result<Self> {
        let name = std::env::args_os().next().unwrap_or_default();
        let file = std::env::current_exe()?;
        let path = called_by(Path::new(&name)).filter(|path| same_file(path, &file)).unwrap_or(file);
        Ok(Self { path, name, arguments: Vec::new() })
    }

    /// With the arguments of a replacement, which begins in another directory.
    pub(crate) fn with(self, arguments: Vec<OsString>) -> Self {
        Self { arguments, ..self }
    }

    /// Whether there is something to execute.
    pub(crate) fn check(&self) -> io::Result<()> {
        rustix::fs::access(&self.path, rustix::fs::Access::EXEC_OK)?;
        // The sandbox is not asked by that. What may be executed in it may be read.
        match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let why = "the sandbox does not allow this process to execute it: stop and start the daemon";
                Err(io::Error::new(error.kind(), why))
            }
            opened => opened.map(drop),
        }
    }

    /// Becomes the new process; comes back only with the reason why not.
    pub(crate) fn execute(&self, inheritance: &Inheritance, confined: &Confined) -> io::Error {
        if let Err(error) = hand_over(inheritance) {
            return error;
        }
        let pid = std::process::id().to_string();
        let mut command = Command::new(&self.path);
        command.arg0(&self.name).args(&self.arguments);
        command.env(VARIABLE, pid).env(sandbox::VARIABLE, confined.variable()).exec()
    }

    /// For people.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn called_by(name: &Path) -> Option<PathBuf> {
    if name.components().count() > 1 || name.is_absolute() {
        return std::path::absolute(name).ok();
    }
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())?;
    std::path::absolute(found).ok()
}

fn same_file(a: &Path, b: &Path) -> bool {
    let id = |path: &Path| path.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()));
    id(a).is_some_and(|a| Some(a) == id(b))
}

/// Puts everything into our own standard input, which survives the execution.
fn hand_over(inheritance: &Inheritance) -> io::Result<()> {
    let (near, far) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    let stdin = io::stdin();
    let mut files: Vec<BorrowedFd<'_>> = vec![stdin.as_fd(), inheritance.lock.as_fd(), inheritance.unix.as_fd()];
    files.extend(inheritance.tcp.as_ref().map(AsFd::as_fd));
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&files)) {
        return Err(io::Error::other("no room for the open files"));
    }
    sendmsg(&near, &[IoSlice::new(&[0])], &mut control, SendFlags::empty())?;
    Ok(rustix::stdio::dup2_stdin(far)?)
}

/// What the process before us handed over; `None` if we were started in the usual way. To be called once, first of all.
///
/// # Errors
/// When it handed over something else than expected.
pub(crate) fn inherit() -> Result<Option<Inheritance>, Failure> {
    if std::env::var(VARIABLE).ok().and_then(|pid| pid.parse().ok()) != Some(std::process::id()) {
        return Ok(None);
    }
    take_over()
        .map(Some)
        .map_err(|error| Failure::other(format!("nothing was handed over at the replacement: {error}")))
}

fn take_over() -> io::Result<Inheritance> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    // The descriptors must not outlive the next execution by themselves.
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    recvmsg(io::stdin().as_fd(), &mut [IoSliceMut::new(&mut byte)], &mut control, flags)?;
    let mut files: Vec<OwnedFd> = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(sent) = message {
            files.extend(sent);
        }
    }
    let mut files = files.into_iter();
    let mut next = || files.next().ok_or_else(|| io::Error::other("open files are missing"));
    rustix::stdio::dup2_stdin(next()?)?;
    let (lock, unix) = (File::from(next()?), UnixListener::from(next()?));
    Ok(Inheritance { lock, unix, tcp: files.next().map(TcpListener::from) })
}

/// Writes into the logs why a replaced process cannot go on: nobody reads what it prints.
pub(crate) fn log_failure(args: &Args, failure: &Failure) {
    let logs = places::log_dir(args.log_dir.as_deref()).ok().and_then(|dir| Logs::open(&dir).ok());
    // If the daemon had its logs already, it has said it there.
    if logs.is_some_and(|logs| logs.install(Level::Info, false).is_ok()) {
        tracing::error!(code = failure.code as u8, "replaced, but cannot go on: {failure}");
    }
}
