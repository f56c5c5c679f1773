//! What is said of a command line that is wrong: as clap says it, with the command that was meant; and as every other error for
//! programs (`--json`).

use crate::arguments::Arguments;
use crate::arguments::exit::Exit;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory as _, Parser as _};
use std::ffi::OsString;
use std::process::ExitCode;
use torchat_client::api::Code;

/// Reads the command line. What is wrong with it, or asked of it (`--help`, `--version`), is written here.
///
/// # Errors
/// How the process ends.
pub(crate) fn parse() -> Result<Arguments, ExitCode> {
    Arguments::try_parse().map_err(|mut error| {
        suggest(&mut error);
        let asked = !error.use_stderr();
        if !asked && is_json(std::env::args_os()) {
            crate::shell::line(&json(&error).to_string());
        } else {
            // Nobody can be told when that fails.
            let _ = error.print();
        }
        if asked { Exit::Done.into() } else { Exit::Usage.into() }
    })
}

/// Whether programs read the errors. What stands behind `--` is not an option.
fn is_json(arguments: impl IntoIterator<Item = OsString>) -> bool {
    arguments.into_iter().skip(1).take_while(|word| word != "--").any(|word| word == "--json")
}

/// Names the commands of two words whose second one was given alone: `torchat requests`.
fn suggest(error: &mut clap::Error) {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else { return };
    if error.kind() != ErrorKind::InvalidSubcommand {
        return;
    }
    let command = Arguments::command();
    let has = |group: &&Command| group.get_subcommands().any(|action| action.get_name() == word);
    let whole = command.get_subcommands().filter(has).map(|group| format!("{} {word}", group.get_name()));
    let whole: Vec<_> = whole.collect();
    if !whole.is_empty() {
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(whole));
    }
}

/// As a record: what is wrong, and the tip or where to look.
fn json(error: &clap::Error) -> serde_json::Value {
    let text = error.to_string();
    let mut parts = text.split("\n\n").map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
    let message = parts.next().unwrap_or_default();
    let hint = parts.find_map(|part| part.strip_prefix("tip: ").map(str::to_owned));
    let hint =
        hint.unwrap_or_else(|| "`torchat --help` lists the commands, `torchat COMMAND --help` the options".to_owned());
    serde_json::json!({ "error": {
        "code": Code::BadInput,
        "message": message.strip_prefix("error: ").unwrap_or(&message),
        "hint": hint,
        "exit": Exit::Usage as u8,
    } })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn error(line: &str) -> clap::Error {
        let mut error = Arguments::try_parse_from(line.split(' ')).unwrap_err();
        suggest(&mut error);
        error
    }

    #[test]
    fn an_action_without_its_command_is_told_where_it_belongs() {
        for (line, tip) in [
            ("torchat requests", "'contacts requests'"),
            ("torchat add x", "'contacts add'"),
            ("torchat accept bob", "'contacts accept'"),
            ("torchat invite", "'contacts invite'"),
            ("torchat block bob", "'contacts block'"),
            ("torchat revoke cron", "'token revoke'"),
            ("torchat list", "'contacts list', 'room list', 'token list'"),
            ("torchat histroy bob", "'history'"),
        ] {
            let said = error(line).to_string();
            assert!(said.contains(tip) && said.contains("tip: "), "{line}: {said}");
        }
        assert!(!error("torchat nonsense").to_string().contains("tip: "));
    }

    #[test]
    fn every_wrong_command_line_is_a_record_for_programs() {
        for (line, message, hint) in [
            ("torchat nonsense --json", "unrecognized subcommand 'nonsense'", "`torchat --help`"),
            ("torchat requests", "unrecognized subcommand 'requests'", "'contacts requests'"),
            ("torchat send", "the following required arguments were not provided: <PEER>", "`torchat --help`"),
            ("torchat history bob -n 0", "invalid value '0' for '--count <N>': the number must be 1 or more", "--help"),
            ("torchat host --jsno", "unexpected argument '--jsno' found", "'--json'"),
        ] {
            let error = &json(&error(line))["error"];
            let text = |key: &str| error[key].as_str().unwrap().to_owned();
            assert_eq!((text("message").as_str(), text("code").as_str()), (message, "bad-input"), "{line}");
            assert!(text("hint").contains(hint) && error["exit"] == 2, "{line}: {error}");
        }
    }

    #[test]
    fn json_is_an_option_and_not_a_text() {
        let is = |line: &str| is_json(line.split(' ').map(OsString::from));
        assert!(is("torchat --json nonsense") && is("torchat nonsense --json"));
        assert!(!is("torchat send bob -- --json") && !is("--json nonsense"));
    }

    /// Every argument of every command, with the words that lead to it.
    fn arguments() -> Vec<(String, Command, clap::Arg)> {
        fn walk(path: &str, command: &Command, found: &mut Vec<(String, Command, clap::Arg)>) {
            for argument in command.get_arguments() {
                found.push((path.to_owned(), command.clone(), argument.clone()));
            }
            for under in command.get_subcommands() {
                walk(&format!("{path} {}", under.get_name()), under, found);
            }
        }
        let mut found = Vec::new();
        walk("torchat", &Arguments::command(), &mut found);
        found
    }

    /// What the help calls the value of an argument.
    fn value_name(argument: &clap::Arg) -> String {
        let names = argument.get_value_names().unwrap_or_default();
        names.first().map_or_else(|| argument.get_id().as_str().to_uppercase(), ToString::to_string)
    }

    /// Values that are not numbers; what is neither here nor takes only certain words must be one. `SEQ|start|now` and `DATE` are read by
    /// their commands, which name what is right.
    const TEXTS: [&str; 21] = [
        "PATH|PORT",
        "FILE",
        "DIR",
        "NAME",
        "PEER",
        "TEXT",
        "KEY",
        "WORD",
        "WORDS",
        "KIND",
        "DATE",
        "SEQ|start|now",
        "INVITE_FILE",
        "ROOM",
        "MEMBER",
        "MESSAGE",
        "INVITE",
        "WHO",
        "SIGN",
        "TOPIC",
        "ACTION",
    ];

    #[test]
    fn no_number_is_refused_in_a_programmers_words() {
        let mut seen = 0;
        for (path, command, argument) in arguments() {
            let name = value_name(&argument);
            let takes_value = argument.get_action().takes_values();
            if !takes_value || TEXTS.contains(&name.as_str()) || !argument.get_possible_values().is_empty() {
                continue;
            }
            for value in ["x", "1.5", "", "99999999999999999999999"] {
                let mut line: Vec<String> = path.split(' ').map(str::to_owned).collect();
                match argument.get_long() {
                    Some(long) => line.push(format!("--{long}={value}")),
                    // What stands before it, then it.
                    None => {
                        let before =
                            command.get_positionals().take_while(|before| before.get_id() != argument.get_id());
                        line.extend(before.map(|_| "bob".to_owned()));
                        line.push(value.to_owned());
                    }
                }
                let error = Arguments::try_parse_from(&line).expect_err(&line.join(" "));
                let said = error.to_string();
                let plain = ["the number must be", "it must be a whole number", "a number of days, or off"];
                assert!(plain.iter().any(|words| said.contains(words)), "{line:?}: {said}");
                assert!(!["digit", "..", "too large"].iter().any(|words| said.contains(words)), "{line:?}: {said}");
                seen += 1;
            }
        }
        assert!(seen >= 4 * 12, "{seen}");
    }

    #[test]
    fn the_help_of_tail_names_every_kind_of_event() {
        use torchat_client::api::event::Kind;
        let help =
            arguments().into_iter().find(|(path, _, argument)| path == "torchat tail" && argument.get_id() == "events");
        let help = help.unwrap().2.get_help().unwrap().to_string();
        for kind in Kind::STORED {
            let name = serde_json::to_value(kind).unwrap();
            assert!(help.split([' ', ',', ';', ':']).any(|word| word == name), "{name} is not in: {help}");
        }
    }
}
