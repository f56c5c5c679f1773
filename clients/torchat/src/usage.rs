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
            crate::shell::note(&json(&error).to_string());
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
            ("torchat list", "'contacts list', 'token list'"),
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

    #[test]
    fn no_number_is_refused_in_a_programmers_words() {
        for line in [
            "torchat history bob -n x",
            "torchat recv -n -- 0",
            "torchat tail -n 0",
            "torchat send bob x --wait delivered --timeout 0",
            "torchat send bob x --expire soon",
            "torchat pipe bob --flush 1.5",
            "torchat history bob --before x",
            "torchat contacts invite --hours many",
            "torchat token create x --right read --days 99999999999",
        ] {
            let said = error(line).to_string();
            let plain = said.contains("the number must be") || said.contains("it must be a whole number");
            assert!(plain || line.contains("--"), "{line}: {said}");
            assert!(!said.contains("digit") && !said.contains("..") && !said.contains("too large"), "{line}: {said}");
        }
    }
}
