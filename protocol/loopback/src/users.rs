//! Who this process is, and whether uids tell anything here.

/// Where there is no /proc. The kernel's own default.
const OVERFLOW_UID: u32 = 65_534;
/// How many uids there are.
const ALL: u64 = u32::MAX as u64;

/// Why nobody can be told from anybody by a uid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this process is uid {uid} in a user namespace that shows everybody outside of it under that same uid, so nobody could be \
     told from its own user: run it under a uid of its own, any but {uid}"
)]
pub struct CannotTell {
    /// The uid.
    pub uid: u32,
}

/// The uids of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Users {
    own: u32,
    /// The uid that the kernel shows for users without one in our user namespace; `None`: here everybody has one.
    nobody: Option<u32>,
    /// Every uid here is the same uid outside.
    same: bool,
}

impl Users {
    /// Those of this process. Reads two files of /proc.
    #[must_use]
    pub fn of_this_process() -> Self {
        let read = |path| std::fs::read_to_string(path).ok();
        let overflow = read("/proc/sys/kernel/overflowuid").and_then(|text| text.trim().parse().ok());
        // Without a map nothing is known, so it is taken for a namespace.
        let map = read("/proc/self/uid_map").unwrap_or_default();
        let nobody = (!maps_all(&map)).then(|| overflow.unwrap_or(OVERFLOW_UID));
        Self { own: rustix::process::geteuid().as_raw(), nobody, same: maps_same(&map) }
    }

    /// Of a user with this uid on a machine without namespaces.
    #[cfg(test)]
    pub(crate) const fn made_up(own: u32) -> Self {
        Self { own, nobody: None, same: true }
    }

    /// Our own uid.
    #[must_use]
    pub const fn own(&self) -> u32 {
        self.own
    }

    /// Whether a uid means nobody in particular.
    #[must_use]
    pub fn is_nobody(&self, uid: u32) -> bool {
        self.nobody == Some(uid)
    }

    /// Whether uids are the same here as on the whole machine: 0 is root's, and only root's.
    pub(crate) const fn are_everybodys(&self) -> bool {
        self.same
    }

    /// Whether our own user can be told from others by its uid.
    ///
    /// # Errors
    /// If not.
    pub fn can_tell(&self) -> Result<(), CannotTell> {
        if self.is_nobody(self.own) { Err(CannotTell { uid: self.own }) } else { Ok(()) }
    }
}

/// user_namespaces(7): each line has the first uid inside, the first outside, and how many.
fn maps_all(map: &str) -> bool {
    let count = |line: &str| line.split_ascii_whitespace().nth(2)?.parse::<u64>().ok();
    map.lines().filter_map(count).sum::<u64>() >= ALL
}

/// The one line of a machine without namespaces of users.
fn maps_same(map: &str) -> bool {
    map.split_ascii_whitespace().eq(["0", "0", "4294967295"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_plain_map_leaves_every_uid_as_it_is() {
        assert!(maps_same("         0          0 4294967295\n"));
        for other in ["", "0 1000 1\n", "0 0 4294967294\n", "1000 0 1\n", "0 0 1000\n1000 1000 4294966295\n"] {
            assert!(!maps_same(other), "{other}");
        }
    }

    #[test]
    fn only_the_whole_map_knows_everybody() {
        assert!(maps_all("         0          0 4294967295\n"));
        assert!(maps_all("0 0 1000\n1000 1000 4294966295\n"));
        for part in ["", "0 1000 1\n", "0 100000 65536\n", "0 0 4294967294\n", "?"] {
            assert!(!maps_all(part), "{part}");
        }
    }

    #[test]
    fn nobody_is_nobody_only_where_somebody_is_missing() {
        let inside = Users { own: OVERFLOW_UID, nobody: Some(OVERFLOW_UID), same: false };
        assert_eq!(inside.can_tell(), Err(CannotTell { uid: OVERFLOW_UID }));
        let outside = Users { own: OVERFLOW_UID, nobody: None, same: true };
        assert_eq!(outside.can_tell(), Ok(()));
        assert!(!outside.is_nobody(OVERFLOW_UID));
        let somebody = Users { own: 1000, nobody: Some(OVERFLOW_UID), same: false };
        assert!(somebody.can_tell().is_ok() && somebody.is_nobody(OVERFLOW_UID) && !somebody.is_nobody(1000));
    }
}
