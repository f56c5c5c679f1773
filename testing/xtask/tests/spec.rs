//! The protocol's test vectors, verified by a second implementation of `docs/PROTOCOL.md`: `testing/spec`, in
//! Python without further packages. It shares no line with ours, so a mistake in the document or an accident of our
//! libraries shows.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

fn check(vectors: &Path) -> Output {
    // A missing python3 fails the test: a check that is skipped in silence is none.
    Command::new("python3").arg(root().join("testing/spec/check.py")).arg(vectors).output().expect(
        "the second implementation needs python3, 3.9 or later. `cargo xtask test` installs it; by hand: sudo apt-get \
         install --no-install-recommends python3",
    )
}

#[test]
fn a_second_implementation_gets_the_same_bytes() {
    let output = check(&root().join("docs/vectors"));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    println!("{said}");
    let comparisons: u32 = said.split(' ').next().unwrap().parse().unwrap();
    assert!(comparisons > 200, "{said}");
}

#[test]
fn one_changed_value_in_any_file_is_noticed() {
    let changes = [
        ("certificates", r#""epoch": 1,"#, r#""epoch": 2,"#),
        ("compare", r#""battle""#, r#""zoo""#),
        ("frames", r#""message": """#, r#""message": "x""#),
        ("handshake", r#""now": 1790000000"#, r#""now": 1790086400"#),
        ("identities", r#""valid": false"#, r#""valid": true"#),
        ("messages", r#""valid": true"#, r#""valid": false"#),
        ("receiver", r#"\"ACK\",\"lane\":\"11"#, r#"\"ACK\",\"lane\":\"12"#),
        ("rooms-acts", r#""frozen": true"#, r#""frozen": false"#),
        ("rooms-counts", r#""topic": "by the owner""#, r#""topic": "by nobody""#),
        ("rooms-events", r#""later": false"#, r#""later": true"#),
        ("rooms-frames", r#""valid_with_a_zero_more": false"#, r#""valid_with_a_zero_more": true"#),
        ("rooms-ids", r#""tried": 34"#, r#""tried": 33"#),
        ("rooms-talk", r#""by": "a""#, r#""by": "b""#),
        ("sender", r#""delivered": []"#, r#""delivered": [1]"#),
        ("talk", r#""delivered": []"#, r#""delivered": [1]"#),
    ];
    let folder = std::env::temp_dir().join(format!("torchat-spec-{}", std::process::id()));
    std::thread::scope(|scope| {
        for (name, from, to) in changes {
            let copy = folder.join(name);
            scope.spawn(move || {
                std::fs::create_dir_all(&copy).unwrap();
                for file in std::fs::read_dir(root().join("docs/vectors")).unwrap().map(Result::unwrap) {
                    std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
                }
                let file = copy.join(name).with_extension("json");
                let text = std::fs::read_to_string(&file).unwrap();
                let changed = text.replacen(from, to, 1);
                assert_ne!(changed, text, "{name} holds {from}");
                std::fs::write(&file, changed).unwrap();
                let output = check(&copy);
                let said = String::from_utf8_lossy(&output.stderr);
                // Told as a difference, not as a fault of the program.
                assert!(output.status.code() == Some(1) && !said.contains("Traceback"), "{name}: {output:?}");
            });
        }
    });
    std::fs::remove_dir_all(&folder).unwrap();
}
