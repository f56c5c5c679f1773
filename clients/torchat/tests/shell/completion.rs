//! What bash completes, tried with the bash that is here.

use super::support::House;

/// What bash offers for the last word of a command line.
fn offered(house: &House, line: &str) -> Vec<String> {
    let words: Vec<_> = line.split(' ').collect();
    let quoted: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
    let (last, before) = (words.len() - 1, words[words.len() - 2]);
    let script = format!(
        "source <(torchat completions bash)\n\
         function=$(complete -p torchat | sed 's/.*-F \\([^ ]*\\).*/\\1/')\n\
         COMP_WORDS=({}); COMP_CWORD={last}; COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}\n\
         $function torchat {} '{before}'\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        quoted.join(" "),
        quoted[last],
    );
    let ran = house.shell(&script);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{line}");
    ran.stdout.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_the_names_of_contacts() {
    let house = House::friends();
    let carol = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd";
    assert_eq!(house.torchat(&["contacts", "add", carol]).code, Some(0));
    assert_eq!(house.torchat(&["contacts", "rename", carol, "Carol Ann"]).code, Some(0));
    assert_eq!(offered(&house, "torchat hist"), ["history"]);
    assert_eq!(offered(&house, "torchat send --wa"), ["--wait"]);
    assert_eq!(offered(&house, "torchat send --wait d"), ["delivered"]);
    for line in ["send ", "history ", "export ", "pipe ", "contacts block ", "recv --peer ", "tail -p "] {
        let mut all = offered(&house, &format!("torchat {line}"));
        all.sort();
        assert_eq!(all, ["Carol\\ Ann", "bob"], "{line}");
    }
    assert_eq!(offered(&house, "torchat send b"), ["bob"]);
    assert_eq!(offered(&house, "torchat contacts rename c"), ["Carol\\ Ann"], "in any case");
    // Who asks is another list, and nobody does.
    assert_eq!(offered(&house, "torchat contacts accept "), [""; 0]);
    assert_eq!(house.torchat(&["contacts", "block", "bob"]).code, Some(0));
    assert_eq!(offered(&house, "torchat contacts unblock "), [house.onion(&house.bob).0.onion()]);
}

#[test]
fn bash_completes_rooms_where_one_is_written_to_or_read_and_nowhere_else() {
    let house = House::friends();
    assert_eq!(house.torchat(&["room", "new", "the lab"]).code, Some(0));
    for line in ["room say ", "room mute ", "room show \\#THE"] {
        assert_eq!(offered(&house, &format!("torchat {line}")), ["\\#the\\ lab"], "{line}");
    }
    assert_eq!(offered(&house, "torchat history \\#"), ["\\#the\\ lab"]);
    assert_eq!(offered(&house, "torchat contacts block \\#"), [""; 0]);
    assert_eq!(offered(&house, "torchat room invite --for "), ["bob"]);
}

#[test]
fn without_a_daemon_nothing_is_offered_nothing_is_said_and_none_is_started() {
    let mut house = House::friends();
    house.alice.stop().unwrap();
    assert_eq!(offered(&house, "torchat send b"), [""; 0]);
    let ran = house.torchat(&["complete-peers", "--start"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), "", ""));
}
