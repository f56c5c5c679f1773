#![allow(clippy::unwrap_used)]

use super::*;
use rustix::net::sockopt::set_socket_linger;
use std::io::Write as _;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};

fn both() -> [Owners; 2] {
    let owners = Owners::new();
    assert!(owners.is_quick(), "this kernel has sock_diag");
    let (users, keeps_uids) = (owners.users, owners.keeps_uids);
    [owners, Owners { way: Way::Table, users, keeps_uids }]
}

/// A client and what the server accepted of it. `to`: how the client names the server.
fn connected(to: &str) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = TcpStream::connect(format!("{to}:{port}")).unwrap();
    (client, listener.accept().unwrap().0)
}

#[test]
fn both_ways_find_the_same_owner_from_both_ends() {
    for (client, server) in [connected("127.0.0.1"), connected("[::ffff:127.0.0.1]")] {
        let (near, far) = (near(&client).unwrap(), peer(&client).unwrap().unwrap());
        let [Owners { way: Way::Diag(diag), .. }, _] = both() else { panic!("no sock_diag") };
        let found = diag.find(near, far).unwrap().unwrap();
        assert_eq!((found.local, found.remote, found.state), (near, far, ESTABLISHED));
        assert_eq!(found.uid, rustix::process::geteuid().as_raw());
        assert_eq!(table::find(near, far).unwrap(), Some(found));
        for owners in both() {
            owners.check(&server).unwrap();
            owners.check(&client).unwrap();
        }
    }
}

#[test]
fn a_client_that_left_has_no_owner() {
    let (client, server) = connected("127.0.0.1");
    drop(client);
    for owners in both() {
        assert!(matches!(owners.check(&server), Err(Refused::NoOwner)));
    }
}

#[test]
fn a_client_that_reset_has_no_owner_whoever_listens_on_its_port() {
    for address in [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED] {
        // Another test may have been given the port by then.
        let listening = (0..100).find_map(|_| {
            let (mut client, server) = connected("127.0.0.1");
            let port = client.local_addr().unwrap().port();
            client.write_all(b"{\"cmd\":\"EXIT\"}").unwrap();
            set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
            drop(client);
            Some((server, TcpListener::bind((address, port)).ok()?))
        });
        let (server, _listener) = listening.expect("one of 100 ports is free");
        for owners in both() {
            assert!(matches!(owners.check(&server), Err(Refused::NoOwner)), "{address}");
        }
    }
}

#[test]
fn a_listener_is_not_the_other_end_even_of_a_connection_that_lives() {
    // As a packet filter makes it: the server's end lives, and there is no socket with the client's addresses here but
    // a listener.
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (far, near) = (SocketAddr::from(([127, 0, 0, 9], port)), SocketAddr::from(([127, 0, 0, 1], 1)));
    let [owners, _] = both();
    let Way::Diag(diag) = &owners.way else { panic!("no sock_diag") };
    let found = diag.find(far, near).unwrap();
    assert_eq!(
        found.map(|found| (found.state, found.uid)),
        Some((10, owners.users.own())),
        "the kernel names the listener"
    );
    assert!(matches!(owners.judge(found, far, near), Err(Refused::NoOwner)));
}

#[test]
fn an_answer_about_anything_else_is_refused() {
    let [owners, _] = both();
    let (far, near) = (SocketAddr::from(([127, 0, 0, 1], 5)), SocketAddr::from(([127, 0, 0, 1], 6)));
    let good = Found { state: ESTABLISHED, local: far, remote: near, uid: owners.users.own(), inode: 7 };
    assert!(owners.judge(Some(good), far, near).is_ok());
    // TIME_WAIT, SYN_SENT, SYN_RECV, CLOSE, LAST_ACK, LISTEN, CLOSING, NEW_SYN_RECV, and what there is not yet.
    for state in [0, 2, 3, 6, 7, 9, 10, 11, 12, 13, 255] {
        assert!(matches!(owners.judge(Some(Found { state, ..good }), far, near), Err(Refused::NoOwner)), "{state}");
    }
    let others = [
        Found { local: near, ..good },
        Found { remote: SocketAddr::from(([0, 0, 0, 0], 0)), ..good },
        Found { local: SocketAddr::from(([0, 0, 0, 0], 5)), ..good },
        Found { state: CLOSE_WAIT, inode: 0, ..good },
    ];
    for other in others {
        assert!(matches!(owners.judge(Some(other), far, near), Err(Refused::NoOwner)), "{other:?}");
    }
    let early = Found { uid: 0, inode: 0, ..good };
    assert!(matches!(owners.judge(Some(early), far, near), Err(Refused::NotAccepted)));
    let other = Found { uid: good.uid + 1, ..good };
    assert!(matches!(owners.judge(Some(other), far, near), Err(Refused::OtherUser)));
    assert!(matches!(owners.judge(None, far, near), Err(Refused::NoOwner)));
}

#[test]
fn what_the_kernel_says_of_a_closed_socket_is_believed_only_if_it_can_be_true() {
    let (far, near) = (SocketAddr::from(([127, 0, 0, 1], 5)), SocketAddr::from(([127, 0, 0, 1], 6)));
    let judge = |own, keeps_uids, state, uid| {
        let users = Users::made_up(own);
        let owners = Owners { way: Way::Table, users, keeps_uids };
        owners.judge(Some(Found { state, local: far, remote: near, uid, inode: 0 }), far, near)
    };
    for own in [0, 1000] {
        for state in [FIN_WAIT1, FIN_WAIT2] {
            // A kernel that forgets says 0 for everybody.
            assert!(matches!(judge(own, false, state, 0), Err(Refused::Closed)));
            assert!(matches!(judge(own, false, state, own), Err(Refused::Closed)));
            assert!(matches!(judge(own, true, state, 1001), Err(Refused::OtherUser)));
        }
        assert!(matches!(judge(own, true, FIN_WAIT1, own), Ok(Client::Closed)));
        assert!(matches!(judge(own, true, FIN_WAIT2, 0), Err(Refused::Closed)), "a remnant has uid 0 for everybody");
    }
    assert!(matches!(judge(1000, true, FIN_WAIT2, 1000), Ok(Client::Closed)));
    assert!(matches!(judge(1000, true, FIN_WAIT1, 0), Err(Refused::OtherUser)));
}

#[test]
fn a_client_that_wrote_and_closed_is_ours_where_the_kernel_still_says_so() {
    for owners in both() {
        let mut ours = 0;
        for _ in 0..1_000 {
            // A kernel that keeps it is asked until this process was quick enough once.
            if owners.keeps_uids && ours > 0 {
                break;
            }
            let (mut client, server) = connected("127.0.0.1");
            client.write_all(b"{\"cmd\":\"SEND\"}").unwrap();
            drop(client);
            match owners.client(&server) {
                Ok(Client::Closed) => ours += 1,
                // This process was held up, or the kernel forgets at once.
                Err(Refused::Closed) => {}
                other => panic!("{other:?}"),
            }
            assert!(matches!(owners.check(&server), Err(Refused::NoOwner)), "nobody would read an answer");
        }
        assert_eq!(ours > 0, owners.keeps_uids);
    }
}

#[test]
fn what_is_left_of_a_closed_socket_is_told_apart() {
    let (client, server) = connected("127.0.0.1");
    drop(client);
    for owners in both() {
        let begun = Instant::now();
        // The FIN is confirmed after some 40 ms; from then on nobody knows whose it was.
        while !matches!(owners.client(&server), Err(Refused::Closed)) {
            assert!(begun.elapsed() < Duration::from_secs(30));
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_half_closed_client_is_still_itself() {
    let (client, server) = connected("127.0.0.1");
    client.shutdown(Shutdown::Write).unwrap();
    for owners in both() {
        owners.check(&server).unwrap();
    }
}

#[test]
fn a_server_is_known_when_it_has_accepted() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    for owners in both() {
        assert!(matches!(owners.check_accepted(&client, Duration::ZERO), Err(Refused::NotAccepted)));
    }
    let accepting = std::thread::spawn(move || (listener.accept().unwrap(), listener));
    for owners in both() {
        owners.check_accepted(&client, Duration::from_secs(30)).unwrap();
    }
    let ((server, _), _listener) = accepting.join().unwrap();
    drop(server);
    for owners in both() {
        // A program that has closed it is not waited for.
        assert!(matches!(owners.check_accepted(&client, Duration::MAX), Err(Refused::NoOwner)));
    }
}

#[test]
fn questions_of_many_threads_get_their_own_answers() {
    let owners = Owners::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let (client, server) = connected("127.0.0.1");
                    owners.check(&server).unwrap();
                    drop(client);
                    assert!(matches!(owners.check(&server), Err(Refused::NoOwner)));
                }
            });
        }
    });
}

#[test]
fn what_is_not_loopback_is_refused() {
    // Bound to every address, connected to one of this machine that is none of loopback, if it has one.
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    if socket.connect("192.0.2.1:9").is_err() {
        return;
    }
    let ip = socket.local_addr().unwrap().ip();
    let listener = TcpListener::bind((ip, 0)).unwrap();
    let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let server = listener.accept().unwrap().0;
    assert!(matches!(Owners::new().check(&server), Err(Refused::NotLoopback)));
}
