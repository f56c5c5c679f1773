//! What is set in one run of the client is set in the next one, and the other way round.

use super::TORCHAT;
use super::people::alone;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

#[test]
fn what_is_set_outlives_the_client_and_an_error_in_the_file_does_not_keep_it_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    let (ann, mut screen) = alone(dir.path(), 52);
    screen.keys("/theme light\r");
    screen.see("theme: light");
    screen.keys("/highlight fire\r");
    screen.see("fire is a highlight word");
    screen.keys("\x11");
    assert!(screen.end().success());
    let file = ann.dir().join("config/torchat/client.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text, "theme = \"light\"\nhighlight = [\"fire\"]\n");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    // The user writes into it, too; a command keeps that.
    std::fs::write(&file, format!("# mine\n{text}mouse = true # wheel\n")).unwrap();
    let mut screen = ann.screen(Path::new(TORCHAT), (80, 24));
    screen.see("Welcome to torchat");
    screen.written(b"\x1b[?1000h");
    screen.keys("/set\r");
    screen.see("theme = light  (client.toml)");
    screen.see("highlight = fire  (client.toml)");
    screen.keys("q/notify bell\r");
    screen.see("notifications: bell");
    screen.keys("\x11");
    assert!(screen.end().success());
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("# mine\n") && text.contains("mouse = true # wheel\nnotify = \"bell\"\n"), "{text}");
    // An error: said with its line, and nothing is written over.
    let wrong = "theme = \"light\"\nthme = 1\n";
    std::fs::write(&file, wrong).unwrap();
    let mut screen = ann.screen(Path::new(TORCHAT), (120, 40));
    screen.see("line 2: unknown field `thme`");
    screen.keys("/theme dark\r");
    screen.see("not saved, lasts until you leave");
    screen.keys("\x11");
    assert!(screen.end().success());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), wrong);
}
