//! The completion of a PEER: clap knows where one is wanted, and torchat itself knows who there is (`torchat complete-peers`).
//!
//! Rejected: clap's own dynamic completion, which is behind a feature that says that it is not stable, and starts the program for
//! every word.

use clap::Command;
use clap_complete::Shell;

/// The argument that is a PEER.
const PEER: &str = "peer";

/// A command whose first word is a PEER.
struct Place {
    name: String,
    /// The command that it is an action of.
    inside: Option<String>,
    /// Who can be meant: an argument of `torchat complete-peers`.
    who: &'static str,
}

/// Adds it to the completions that were made of a command line. A command line without a PEER keeps them as they are.
pub(super) fn add(shell: Shell, command: &Command, text: String) -> String {
    let places = places(command, None);
    match shell {
        _ if places.is_empty() => text,
        Shell::Bash => text + &bash(&places),
        Shell::Zsh => zsh(&places, &text),
        Shell::Fish => fish(&places, &text),
        _ => text,
    }
}

fn places(command: &Command, inside: Option<&str>) -> Vec<Place> {
    let mut found = Vec::new();
    for sub in command.get_subcommands() {
        let name = sub.get_name();
        found.extend(places(sub, Some(name)));
        // Whom somebody adds is not known here.
        if name != "add" && sub.get_positionals().next().is_some_and(|first| first.get_id() == PEER) {
            let who = match name {
                "accept" | "refuse" => "asking",
                "unblock" => "blocked",
                _ => "contact",
            };
            found.push(Place { name: name.to_owned(), inside: inside.map(str::to_owned), who });
        }
    }
    found
}

/// Around clap's function: behind a command that wants a PEER, and behind `--peer`, the names are offered instead.
fn bash(places: &[Place]) -> String {
    let case = |who: &str, also: &[&str]| {
        let names = places.iter().filter(|place| place.who == who).map(|place| place.name.as_str());
        format!("        {}) who={who} ;;\n", names.chain(also.iter().copied()).collect::<Vec<_>>().join("|"))
    };
    let cases = [case("contact", &["-p", "--peer"]), case("asking", &[]), case("blocked", &[])].concat();
    format!(
        r#"
_torchat_peers() {{
    local who name word="${{COMP_WORDS[COMP_CWORD]}}"
    _torchat "$@"
    case "$3" in
{cases}        *) return 0 ;;
    esac
    [[ $word == -* ]] && return 0
    word="${{word//\\/}}"
    COMPREPLY=()
    while IFS= read -r name; do
        [[ ${{name,,}} == "${{word,,}}"* ]] && COMPREPLY+=("$(printf '%q' "$name")")
    done < <("$1" complete-peers "$who" 2>/dev/null)
    return 0
}}

complete -F _torchat_peers -o bashdefault -o default torchat
"#
    )
}

/// In the place of zsh's own completion of any word.
fn zsh(places: &[Place], text: &str) -> String {
    const ANY: &str = ":_default'";
    let functions = r#"
_torchat_peers() {
    local who=$1
    shift
    local -a names
    names=(${(f)"$(_call_program peers torchat complete-peers $who 2>/dev/null)"})
    compadd "$@" -a names
}
_torchat_contact() { _torchat_peers contact "$@" }
_torchat_asking() { _torchat_peers asking "$@" }
_torchat_blocked() { _torchat_peers blocked "$@" }

if [ "$funcstack[1]" ="#;
    let (mut out, mut command) = (String::new(), String::new());
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('(').and_then(|line| line.strip_suffix(')')) {
            command = name.to_owned();
        }
        let place = places.iter().find(|place| place.name == command);
        let completes = match place {
            Some(place) if line.starts_with("':peer -- ") => Some(place.who),
            _ if line.contains("]:PEER:") => Some("contact"),
            _ => None,
        };
        match (completes, line.split_once(ANY)) {
            (Some(who), Some((before, behind))) => out.push_str(&format!("{before}:_torchat_{who}'{behind}")),
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    out.replacen("\nif [ \"$funcstack[1]\" =", functions, 1)
}

/// Rules beside those of the options; fish offers what all of them say.
fn fish(places: &[Place], text: &str) -> String {
    let names = |who: &str| format!("-f -a \"(torchat complete-peers {who} 2>/dev/null)\"");
    let mut out = String::new();
    for line in text.lines() {
        out.push_str(line);
        if line.contains(" -l peer ") {
            out.push_str(&format!(" {}", names("contact")));
        }
        out.push('\n');
    }
    for Place { name, inside, who } in places {
        let condition = match inside {
            Some(inside) => {
                format!("__fish_torchat_using_subcommand {inside}; and __fish_seen_subcommand_from {name}")
            }
            None => format!("__fish_torchat_using_subcommand {name}"),
        };
        out.push_str(&format!("complete -c torchat -n \"{condition}\" {}\n", names(who)));
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{completions, torchat, torchatd};
    use clap::CommandFactory as _;

    #[test]
    fn every_place_of_a_peer_is_completed_and_no_other_program_is_touched() {
        let made = completions(&mut torchat::Arguments::command()).unwrap();
        let [bash, zsh, fish] = made.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>()[..] else { panic!() };
        assert!(bash.contains("|history|") && bash.contains("accept|refuse) who=asking"), "{bash}");
        assert!(zsh.contains(":peer -- The receiver:_torchat_contact'") && zsh.contains("_torchat_peers() {"));
        assert_eq!((zsh.matches(":_torchat_asking'").count(), zsh.matches(":_torchat_blocked'").count()), (2, 1));
        assert!(!zsh.contains("':peer -- The peer:_default'") && !zsh.contains(":PEER:_default'"));
        assert!(fish.contains("subcommand send\" -f -a \"(torchat complete-peers contact"));
        assert!(fish.contains("__fish_seen_subcommand_from accept\" -f -a \"(torchat complete-peers asking"));
        for (file, text) in completions(&mut torchatd::Args::command()).unwrap() {
            assert!(!text.contains("complete-peers"), "{file}");
        }
    }
}
