//! Users and groups of the machine by name, as they stand in its files.
//!
//! Not asked of the system's name service: that needs C code that loads other code. If your users are in a directory
//! service writes their numbers.

use std::io;

/// Where the users stand: passwd(5).
const USERS: &str = "/etc/passwd";
/// Where the groups stand: group(5).
const GROUPS: &str = "/etc/group";

/// The uid of a user, given by number or by name.
///
/// # Errors
/// Why there is none, in words.
pub(crate) fn uid(who: &str) -> Result<u32, String> {
    number(who, USERS, "user", &read)
}

/// The gid of a group, given by number or by name.
///
/// # Errors
/// Why there is none, in words.
pub(crate) fn gid(who: &str) -> Result<u32, String> {
    number(who, GROUPS, "group", &read)
}

fn read(file: &str) -> io::Result<Vec<u8>> {
    std::fs::read(file)
}

fn number(who: &str, file: &str, what: &str, read: &dyn Fn(&str) -> io::Result<Vec<u8>>) -> Result<u32, String> {
    if !who.is_empty() && who.bytes().all(|byte| byte.is_ascii_digit()) {
        return who.parse().map_err(|_| format!("{who} is too large to be the number of a {what}"));
    }
    let table = read(file).map_err(|error| format!("{file} cannot be read: {error}"))?;
    // Both files have the name first and the number third. A comment in the fifth field may be no UTF-8.
    String::from_utf8_lossy(&table)
        .lines()
        .find_map(|line| {
            let mut fields = line.split(':');
            let number = (fields.next() == Some(who)).then(|| fields.nth(1))??;
            number.parse().ok()
        })
        .ok_or_else(|| format!("the {what} {who:?} is not in {file}: write its number"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_and_numbers() {
        let table = |_: &str| Ok(b"root:x:0:0:root:/:/bin/sh\nanna:x:1001:1001:\xff:/home/anna:/bin/sh\n#x\n".to_vec());
        let find = |who: &str| number(who, USERS, "user", &table);
        assert_eq!((find("root"), find("anna"), find("4242")), (Ok(0), Ok(1001), Ok(4242)));
        for who in ["", "ann", "annaa", "x", "#x", "-1", "1 "] {
            let error = find(who).unwrap_err();
            assert!(error.contains(USERS) && error.contains("write its number"), "{who:?}: {error}");
        }
        assert!(find("4294967296").unwrap_err().contains("too large"));
        let none = number("anna", USERS, "user", &|_: &str| Err(io::ErrorKind::NotFound.into())).unwrap_err();
        assert!(none.contains("cannot be read"), "{none}");
    }
}
