//! The standard streams as this process was given them: whether one was closed, and when its other end goes away.

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat, major, minor};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _};
use std::time::Duration;

/// The device number of /dev/null on Linux.
const NULL: (u32, u32) = (1, 3);

/// Whether a standard stream was closed when this program began.
///
/// What is written there would be nowhere, and everything that counts as read for it would be lost. The standard library has
/// opened /dev/null in its place before `main`, for reading and writing; who wants /dev/null opens it for writing only,
/// as every shell does. So /dev/null that is open for both counts as closed. Some programs give it so to their
/// children (Python's `subprocess.DEVNULL`): to them a command that would take something away says no, and says why.
pub(crate) fn is_closed(stream: impl AsFd) -> bool {
    let stream = stream.as_fd();
    let (Ok(flags), Ok(found)) = (fcntl_getfl(stream), fstat(stream)) else { return true };
    flags & OFlags::RWMODE == OFlags::RDWR
        && FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice
        && (major(found.st_rdev), minor(found.st_rdev)) == NULL
}

/// Calls back, on a thread of its own, when the other end of a stream has gone: the reader of a pipe or
/// socket, or a terminal. Never for files, and for what cannot be watched.
///
/// A thread that sleeps in the kernel: a program that waits for days must not look now and then.
pub(crate) fn when_gone(stream: impl AsFd, tell: impl FnOnce() + Send + 'static) {
    // Of our own, so that nobody can close it meanwhile.
    let Ok(stream) = stream.as_fd().try_clone_to_owned() else { return };
    let Ok(mut poll) = watch(&stream) else { return };
    let thread = move || {
        let _stream = stream;
        let mut events = Events::with_capacity(1);
        loop {
            match poll.poll(&mut events, None) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
                Ok(()) if tells_an_end(&events) => return tell(),
                Ok(()) => {}
            }
        }
    };
    // Without a thread the end is seen when something is written, as before.
    let _ = std::thread::Builder::new().name("gone".into()).spawn(thread);
}

/// Whether the other end of a stream has gone. `false` for files, and for what cannot be watched.
pub(crate) fn is_gone(stream: impl AsFd) -> bool {
    let mut events = Events::with_capacity(1);
    let asked = watch(stream).and_then(|mut poll| poll.poll(&mut events, Some(Duration::ZERO)));
    asked.is_ok() && tells_an_end(&events)
}

fn watch(stream: impl AsFd) -> io::Result<Poll> {
    let poll = Poll::new()?;
    // Urgent data never comes; errors and hang-ups are always told. Files refuse to be watched.
    poll.registry().register(&mut SourceFd(&stream.as_fd().as_raw_fd()), Token(0), Interest::PRIORITY)?;
    Ok(poll)
}

fn tells_an_end(events: &Events) -> bool {
    events.iter().any(|event| event.is_error() || event.is_write_closed())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs::File;
    use std::sync::mpsc::{RecvTimeoutError, channel};

    /// Longer than a busy machine takes.
    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn null_that_is_open_for_both_is_a_stream_that_was_closed() {
        let null = |read: bool, write: bool| File::options().read(read).write(write).open("/dev/null").unwrap();
        assert!(is_closed(null(true, true)));
        assert!(!is_closed(null(false, true)) && !is_closed(null(true, false)));
        assert!(!is_closed(File::options().read(true).write(true).open("/dev/zero").unwrap()));
        assert!(!is_closed(tempfile::tempfile().unwrap()));
    }

    #[test]
    fn the_end_of_a_reader_is_told_at_once_and_nothing_else() {
        let (reader, writer) = io::pipe().unwrap();
        let (sender, told) = channel();
        when_gone(&writer, move || sender.send(()).unwrap());
        assert!(!is_gone(&writer));
        assert_eq!(told.recv_timeout(Duration::from_millis(50)), Err(RecvTimeoutError::Timeout));
        drop(reader);
        told.recv_timeout(PATIENCE).unwrap();
        assert!(is_gone(&writer) && !is_gone(tempfile::tempfile().unwrap()));
        // A file has no reader: nobody waits for its end.
        let (sender, told) = channel::<()>();
        when_gone(tempfile::tempfile().unwrap(), move || sender.send(()).unwrap());
        assert_eq!(told.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
    }
}
