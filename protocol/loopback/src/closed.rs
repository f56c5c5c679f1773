//! Whether the kernel still says whose a socket was that its program has closed.
//!
//! Linux 6.17 and later do, older ones say 0. A user namespace can show that 0 as any uid, also as our own, so it is tried out
//! with a uid that is not the one that a forgetful kernel would show.

use crate::{FIN_WAIT1, FIN_WAIT2, Found, Users, Way};
use rustix::fs::{Uid, fchown};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

/// How often it is tried out. Once is enough, unless the process is held up for 40 ms between two of its lines.
const TRIES: usize = 8;
/// A uid to give a socket away to, if we may: not root's, nor the overflow uid.
const OTHER: u32 = 1;

/// Whether the record of a closed socket tells its uid.
///
/// `FIN_WAIT2` may also be a remnant, which has uid 0 for everybody; nothing else writes another uid than the owner's.
pub(crate) const fn knows_uid(found: &Found, keeps_uids: bool) -> bool {
    keeps_uids && (found.state == FIN_WAIT1 || found.state == FIN_WAIT2 && found.uid != 0)
}

/// Tries out whether closed sockets keep their uid.
pub(crate) fn keeps_uids(way: &Way, users: Users) -> bool {
    (0..TRIES).find_map(|_| keeps_uid(way, users)).unwrap_or(false)
}

/// `None`: it took too long, and a remnant was found.
fn keeps_uid(way: &Way, users: Users) -> Option<bool> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    let client = TcpStream::connect(listener.local_addr().ok()?).ok()?;
    let (local, remote) = (client.local_addr().ok()?, client.peer_addr().ok()?);
    let given = users.own() != OTHER && fchown(&client, Some(Uid::from_raw(OTHER)), None).is_ok();
    let uid = if given { OTHER } else { users.own() };
    // Who cannot give it away is not root here. Outside of this namespace they may be, whose 0 may look like our uid.
    if !given && (uid == 0 || !users.are_everybodys()) {
        return Some(false);
    }
    drop(client);
    let found = way.find(local, remote).ok()??;
    (found.state == FIN_WAIT1 && found.inode == 0).then_some(found.uid == uid)
}
