//! What the onion's key signs: certificates of ours, in one place, and whatever Tor makes of the copy that it gets.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

/// The sources of a folder, without tests.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        if path.is_dir() && name != "tests" {
            sources(&path, found);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            found.push(path);
        }
    }
}

#[test]
fn the_onions_key_signs_certificates_and_nothing_else() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let mut found = Vec::new();
    // Whole folders, so that a crate which is new in one of them is looked at too.
    for krate in ["protocol", "daemon", "clients"] {
        sources(&root.join(krate), &mut found);
    }
    let mut places = Vec::new();
    for path in &found {
        let source = std::fs::read_to_string(path).unwrap();
        let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            let signs = ["raw_sign::", "raw_sign(", "raw_sign_byupdate", ".sign(", ".try_sign(", "sign_prehashed"];
            if signs.iter().any(|call| line.contains(call)) {
                places.push(format!("{}: {}", path.strip_prefix(root).unwrap().display(), line.trim()));
            }
        }
    }
    places.sort();
    let expected = [
        // The bytes behind the context of a certificate, which no other use of the key begins with.
        "daemon/core/src/handshake/identity.rs: cert.signature = raw_sign::<Sha512>(&key, &cert.to_be_signed(), \
         verifying).to_bytes();",
        // A member's key was made for one room; the onion's signs nothing in rooms.
        "daemon/core/src/rooms/asked.rs: let accept = Signature(key.sign(&Handover::to_be_signed(id, proposal, \
         me)).to_bytes());",
        "daemon/room/src/signing.rs: let signature = Signature(key.sign(&header.id().to_be_signed()).to_bytes());",
    ];
    assert_eq!(places, expected);
    assert!(found.len() > 100, "{}", found.len());
}
