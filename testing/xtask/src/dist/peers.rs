//! The completion of a PEER and of a ROOM: clap knows where one is wanted, and torchat itself knows who there is (`torchat complete-peers`).
//!
//! Rejected: clap's own dynamic completion, which is behind a feature that says that it is not stable, and starts the program for
//! every word.

use clap::Command;
use clap_complete::Shell;

/// The argument that is a PEER.
const PEER: &str = "peer";
/// The argument that is a ROOM, and the command whose actions have it.
const ROOM: &str = "room";

/// A command whose first word is a PEER or a ROOM.
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
        let first = sub.get_positionals().next().map(|first| first.get_id().as_str());
        let who = match (first, name, inside) {
            // Whom somebody adds is not known here.
            (_, "add", _) => continue,
            (Some(ROOM), ..) => "room",
            (Some(PEER), "accept" | "refuse", _) => "asking",
            (Some(PEER), "unblock", _) => "blocked",
            (Some(PEER), _, Some(_)) => "contact",
            (Some(PEER), _, None) => "peer",
            _ => continue,
        };
        found.push(Place { name: name.to_owned(), inside: inside.map(str::to_owned), who });
    }
    found
}

/// Around clap's function: behind a command that wants a PEER or a ROOM, and behind `--peer`, the names are offered instead.
fn bash(places: &[Place]) -> String {
    let case = |who: &str, also: &[&str]| {
        let names = places.iter().filter(|place| place.who == who).map(|place| place.name.as_str());
        format!("            {}) who={who} ;;\n", names.chain(also.iter().copied()).collect::<Vec<_>>().join("|"))
    };
    let cases =
        [case("contact", &[]), case("peer", &["-p", "--peer"]), case("asking", &[]), case("blocked", &[])].concat();
    let rooms = [case("room", &[]), case("none", &["--for"]).replace("who=none", "who=contact")].concat();
    format!(
        r#"
_torchat_peers() {{
    local who name word="${{COMP_WORDS[COMP_CWORD]}}"
    _torchat "$@"
    if [[ " ${{COMP_WORDS[*]:0:COMP_CWORD}} " == *" room "* ]]; then
        case "$3" in
{rooms}            *) return 0 ;;
        esac
    else
        case "$3" in
{cases}            *) return 0 ;;
        esac
    fi
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
_torchat_peer() { _torchat_peers peer "$@" }
_torchat_room() { _torchat_peers room "$@" }
_torchat_asking() { _torchat_peers asking "$@" }
_torchat_blocked() { _torchat_peers blocked "$@" }

if [ "$funcstack[1]" ="#;
    let (mut out, mut command) = (String::new(), String::new());
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('(').and_then(|line| line.strip_suffix(')')) {
            command = name.to_owned();
        }
        let place = places.iter().find(|place| place.name == command && place.who != ROOM);
        let completes = match place {
            _ if line.starts_with("':room -- ") || line.starts_with("'::room -- ") => Some(ROOM),
            Some(place) if line.starts_with("':peer -- ") => Some(place.who),
            _ if line.contains("'--for=[") => Some("contact"),
            _ if line.contains("]:PEER:") => Some("peer"),
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
            out.push_str(&format!(" {}", names("peer")));
        } else if line.contains(" -l for ") {
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
        assert!(bash.contains("            show|members|") && bash.contains("|destroy) who=room ;;"), "{bash}");
        assert!(zsh.contains(":peer -- The receiver:_torchat_peer'") && zsh.contains("_torchat_peers() {"));
        assert!(zsh.contains("':room -- The room:_torchat_room'") && !zsh.contains(":room -- The room:_default'"));
        assert!(zsh.contains("':peer -- The contact:_torchat_contact'"));
        assert_eq!((zsh.matches(":_torchat_asking'").count(), zsh.matches(":_torchat_blocked'").count()), (2, 1));
        assert!(!zsh.contains("':peer -- The peer:_default'") && !zsh.contains(":PEER:_default'"));
        assert!(fish.contains("subcommand send\" -f -a \"(torchat complete-peers peer"));
        assert!(fish.contains("__fish_torchat_using_subcommand room; and __fish_seen_subcommand_from mute\" -f -a"));
        assert!(fish.contains("__fish_seen_subcommand_from accept\" -f -a \"(torchat complete-peers asking"));
        for (file, text) in completions(&mut torchatd::Args::command()).unwrap() {
            assert!(!text.contains("complete-peers"), "{file}");
        }
    }
}
