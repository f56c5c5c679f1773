//! Each in a process of its own, because a sandbox cannot be left: the test's program is run again for the one test.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::needs::{PROGRAMS, READ};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;

const AGAIN: &str = "TORCHATD_TEST_SANDBOX";

/// Runs this very test in another process, where `confined` does what it must.
fn in_a_process_of_its_own(test: &str, confined: impl FnOnce(&Path)) {
    if let Some(dir) = std::env::var_os(AGAIN) {
        return confined(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    for name in ["data", "outside"] {
        std::fs::create_dir(dir.path().join(name)).unwrap();
        std::fs::write(dir.path().join(name).join("file"), name).unwrap();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("sandbox::tests::{test}"), "--nocapture", "--test-threads=1"])
        .env(AGAIN, dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
    print!("{said}");
}

fn needs(dir: &Path) -> Needs {
    Needs {
        // One that is not there, as on every machine one of them is not.
        write: vec![dir.join("missing"), dir.join("data"), "/dev/null".into()],
        read: READ.map(PathBuf::from).into(),
        execute: PROGRAMS.map(PathBuf::from).into(),
        ..Needs::default()
    }
}

/// Whether the kernel can do it at all, said loudly if not.
fn holds(test: &str, confined: &Confined, part: &str) -> bool {
    let holds = confined.sentence().starts_with("on")
        || confined.sentence().starts_with("partly: ") && {
            let held = confined.sentence().split(';').next().unwrap_or_default();
            held.contains(part)
        };
    if !holds {
        torchat_testkit::skipped::skipped(test, torchat_testkit::skipped::NO_SANDBOX);
    }
    holds
}

#[test]
fn files_outside_are_neither_read_nor_written() {
    in_a_process_of_its_own("files_outside_are_neither_read_nor_written", |dir| {
        let outside = dir.join("outside/file");
        assert_eq!(std::fs::read_to_string(&outside).unwrap(), "outside", "before");
        let confined = enter(&Wanted { landlock: true, seccomp: false }, &needs(dir));
        if !holds("files_outside_are_neither_read_nor_written", &confined, "landlock") {
            return;
        }
        std::thread::spawn({
            let dir = dir.to_owned();
            move || {
                let refused = |result: std::io::Result<()>| {
                    assert_eq!(result.unwrap_err().kind(), std::io::ErrorKind::PermissionDenied);
                };
                refused(std::fs::read(&outside).map(drop));
                refused(std::fs::write(&outside, "x"));
                refused(std::fs::write(dir.join("outside/new"), "x"));
                refused(std::fs::remove_file(&outside));
                refused(std::fs::rename(dir.join("data/file"), dir.join("outside/moved")));
                refused(std::fs::read_dir("/root").or_else(|_| std::fs::read_dir("/home")).map(drop));
                // And what the daemon does stays possible.
                let data = dir.join("data");
                std::fs::write(data.join("new"), "x").unwrap();
                std::fs::rename(data.join("new"), data.join("newer")).unwrap();
                std::fs::create_dir(data.join("d")).unwrap();
                std::fs::remove_dir(data.join("d")).unwrap();
                let socket = UnixListener::bind(data.join("s")).unwrap();
                UnixStream::connect(data.join("s")).unwrap();
                drop(socket);
                std::fs::remove_file(data.join("s")).unwrap();
                std::fs::read_to_string("/etc/passwd").unwrap();
                std::fs::read_to_string("/proc/self/status").unwrap();
                TcpListener::bind("127.0.0.1:0").unwrap();
            }
        })
        .join()
        .unwrap();
        // What may be executed: programs of the system, and not what lies in the data directory.
        assert!(Command::new("/bin/true").status().unwrap().success());
        std::fs::copy("/bin/true", dir.join("data/true")).unwrap();
        let refused = Command::new(dir.join("data/true")).status().unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
    });
}

#[test]
fn calls_that_are_never_needed_are_refused_and_threads_and_sockets_are_not() {
    let name = "calls_that_are_never_needed_are_refused_and_threads_and_sockets_are_not";
    in_a_process_of_its_own(name, |dir| {
        // It needs a thread that is not of the test's own pool to prove that children of it inherit.
        let confined = enter(&Wanted { landlock: false, seccomp: true }, &needs(dir));
        if !holds(name, &confined, "seccomp") {
            return;
        }
        let confined = || {
            let refused = Command::new("/bin/true").status().unwrap_err();
            assert_eq!(refused.raw_os_error(), Some(libc::ENOSYS), "no new process: {refused}");
            let family = rustix::net::AddressFamily::from_raw(38); // AF_ALG, by which holes in the kernel were used
            let refused = rustix::net::socket(family, rustix::net::SocketType::SEQPACKET, None).unwrap_err();
            assert_eq!(refused, rustix::io::Errno::NOSYS);
            assert_eq!(rustix::process::chroot("/").unwrap_err(), rustix::io::Errno::NOSYS);
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            UdpSocket::bind("[::1]:0").or_else(|_| UdpSocket::bind("127.0.0.1:0")).unwrap();
            UnixStream::pair().unwrap();
        };
        std::thread::spawn(confined).join().unwrap();
        confined();
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        assert!(status.contains("Seccomp:\t2") && status.contains("NoNewPrivs:\t1"), "{status}");
    });
}

#[test]
fn what_is_switched_off_is_said() {
    let confined = enter(&Wanted { landlock: false, seccomp: false }, &Needs::default());
    assert_eq!(confined.sentence(), "none: landlock is switched off; seccomp is switched off");
    assert!(confined.variable().starts_with(&std::process::id().to_string()));
}
