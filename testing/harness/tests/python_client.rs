//! Runs the tests of the Python client against the loopback daemon.

use std::process::Command;

#[test]
fn the_python_client_passes_its_own_tests() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../clients/python");
    let output = Command::new("python3")
        .args(["-B", "-W", "error::ResourceWarning", "-m", "unittest", "discover", "-s", "tests"])
        .current_dir(root)
        .env("PYTHONPATH", root)
        .env("LOOPBACK_DAEMON", env!("CARGO_BIN_EXE_loopback-daemon"))
        .env_remove("TORCHAT_SOCKET")
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => panic!("this test needs python3, 3.9 or newer, which cannot be started: {error}"),
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    // unittest is content with no tests at all.
    assert!(!said.contains("Ran 0 tests"), "{said}");
}
