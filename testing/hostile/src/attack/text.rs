//! Words that are more than words to a terminal, a program, a shell or a reader's eye.
//!
//! They are data: stored and handed out byte for byte, harmless in everything that the daemon itself writes, and made
//! harmless by the clients' one function before they are shown.

use super::{Attack, Kind, row};
use crate::link::Lane;
use crate::target::Target;
use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use std::sync::Arc;
use torchat_client::show;
use torchat_protocol::id::PeerId;
use torchat_protocol::limits;
use torchat_protocol::message::{ContactReq, ContactState, PeerMessage};
use torchat_protocol::nick::{Nick, is_hidden};

/// A line that would be somebody else's message, if it could begin a line of a HISTORY.
const FORGED: &str = "2001-01-01T00:00:00Z";

fn nasty() -> Vec<(&'static str, String)> {
    let text = |text: &str| text.to_owned();
    vec![
        ("nothing nasty at all", text("good morning")),
        ("every script", text("שלום مرحبا こんにちは 😀👍🏽 Привет")),
        ("nothing", text("")),
        ("a terminal's title", text("\u{1b}]0;canary\u{7}")),
        ("a cleared screen", text("\u{1b}[2J\u{1b}[H\u{1b}[3J")),
        ("a control sequence of one character", text("\u{9b}31mred\u{9d}0;canary\u{9c}")),
        ("the clipboard", text("\u{1b}]52;c;Y2FuYXJ5\u{7}")),
        ("a question to the terminal", text("\u{1b}[6n\u{1b}[c\u{5}\u{1b}P$q\"p\u{1b}\\")),
        ("a hyperlink", text("\u{1b}]8;;http://canary/\u{1b}\\click\u{1b}]8;;\u{1b}\\")),
        ("NUL", text("a\0b")),
        ("every control character", (0..0x20u8).chain(0x7f..0xa0).map(char::from).collect()),
        ("backspaces", text("no\u{8}\u{8}yes")),
        ("a line over a line", text("evil\rgood")),
        ("bidi override", text("\u{202e}gpj.exe\u{202d}\u{202a}\u{202b}")),
        ("bidi isolates", text("\u{2066}a\u{2067}b\u{2068}c\u{2069}\u{200e}\u{200f}\u{61c}")),
        ("nothing to see", text("pay\u{200b}pal\u{feff}\u{2060}\u{00ad}\u{3164}")),
        ("tags", text("\u{e0041}\u{e0042}\u{e007f}")),
        ("marks without end", format!("a{}", "\u{301}".repeat(2_000))),
        ("somebody else's message", format!("x\n{FORGED} forged\r\n{FORGED} forged")),
        ("strange line ends", text("a\u{2028}b\u{2029}c\u{85}d\u{b}e\u{c}f")),
        ("a web page", text("<img src=http://canary/ onerror=alert(1)><script>alert(1)</script>")),
        ("a command", text("\"}\n{\"cmd\":\"EXIT\",\"id\":\"\",\"msg\":\"\"}\n")),
        ("a framed command", text("0014{\"cmd\":\"EXIT\"}")),
        ("a shell", text("$(touch canary)`touch canary`; touch canary\n-rf ../../x")),
        ("a database", text("'); DROP TABLE messages; DELETE FROM peers;--")),
        ("a format", text("%s%s%n%x{}{0}{{\\u{1b}\\n")),
        ("escapes as text", text("\\u0000\\ud800\\\"\\")),
        ("no characters", text("\u{ffff}\u{10ffff}\u{fdd0}\u{e000}")),
        ("the longest text", "x".repeat(limits::TEXT_BYTES)),
        ("the longest text, six bytes for each on the wire", "\u{1}".repeat(limits::TEXT_BYTES)),
        ("one line of 65,536 columns and a bell", format!("{}\u{7}", "W".repeat(limits::TEXT_BYTES - 1))),
    ]
}

pub(super) fn rows() -> Vec<Attack> {
    let mut rows: Vec<_> = nasty()
        .into_iter()
        .map(|(name, text)| {
            row(Kind::Quick, format!("text: {name}"), "stored as it came, harmless when shown", move |target| {
                let text = text.clone();
                async move { stored_as_it_came(&target, &text).await }
            })
        })
        .collect();
    rows.push(row(Kind::Quick, "request: nasty names and words", "kept apart from mail, bad names are none", requests));
    rows
}

async fn stored_as_it_came(target: &Arc<Target>, text: &str) -> anyhow::Result<()> {
    let (forger, mut link) = target.accepted(6).await?;
    let peer = forger.peer()?;
    let mut lane = Lane::fresh();
    link.say(&PeerMessage::Recv(lane.next(text))).await?;
    let heard = link.settle(target.patience).await?;
    ensure!(heard.alive && heard.acks().contains(&lane.state()), "it is not acknowledged");
    let found = target.texts(peer).await?.pop().context("it is not stored")?;
    ensure!(found == text, "it is stored as {:?}", found.get(..found.len().min(200)));
    // On the wire of the control port: one line of JSON without a control character, whatever is in it.
    let reply = one_line(&target.raw(json!({"cmd": "HISTORY", "id": peer.onion()}).to_string()).await?)?;
    let listing = reply["msg"].as_str().context("no listing")?;
    ensure!(!listing.lines().any(|line| line.starts_with(FORGED)), "a line of the listing is forged");
    harmless(text)
}

fn one_line(reply: &[u8]) -> anyhow::Result<Value> {
    let (end, line) = reply.split_last().context("no reply")?;
    ensure!(*end == b'\n' && line.iter().all(|byte| *byte >= b' '), "the reply is no line of JSON");
    Ok(serde_json::from_slice(line)?)
}

/// The clients' one function does what it promises.
fn harmless(text: &str) -> anyhow::Result<()> {
    let shown = show::shown_text(text);
    let bad = shown.chars().find(|c| (c.is_control() || is_hidden(*c)) && !matches!(c, '\n' | '\t'));
    // Two invisible signs belong to emoji and are documented to stay.
    let bad = bad.filter(|c| !matches!(c, '\u{fe0e}' | '\u{fe0f}'));
    ensure!(bad.is_none(), "{bad:?} reaches the screen");
    let line = show::shown_line(text);
    ensure!(!line.chars().any(|c| c.is_control()), "a line holds a control character");
    ensure!(show::columns(&show::shown_name(text, 20)) <= 20, "a name is wider than its place");
    Ok(())
}

async fn requests(target: Arc<Target>) -> anyhow::Result<()> {
    let words = |nick: &str, text: &str| (nick.to_owned(), text.to_owned());
    for (nick, text) in [
        words("Ada", "it is me"),
        words("\u{1b}[31mme", "\u{1b}]0;canary\u{7}\n2001-01-01T00:00:00Z forged"),
        words("a\u{202e}b", "\u{202e}\0\u{9b}2J"),
        words("<img src=x>\n", &"\u{1}".repeat(limits::REQUEST_TEXT_BYTES)),
        words("Torchat", "\"}\n{\"cmd\":\"EXIT\"}"),
        words(&target.peer.onion()[..32], ""),
    ] {
        let (forger, mut link) = target.stranger().await?;
        link.introduce().await?;
        link.say(&PeerMessage::ContactReq(ContactReq { nick: nick.clone(), text: text.clone(), invite: None })).await?;
        let heard = link.settle(target.patience).await?;
        let pending = |m: &PeerMessage| matches!(m, PeerMessage::ContactRes(r) if r.st == ContactState::Pending);
        ensure!(heard.alive && heard.messages.iter().all(pending), "{heard:?}");
        let peer = forger.peer()?;
        let kept = request_of(&target, peer).await?.context("an honest number of requests is not kept")?;
        ensure!(kept["msg"] == text.as_str(), "{kept:?}");
        let shown = if Nick::parse(&nick).is_ok() { nick.as_str() } else { "" };
        ensure!(kept["nick"] == shown, "the name {nick:?} is kept as {:?}", kept["nick"]);
        let reply = one_line(&target.raw(json!({"cmd": "REQUESTS"}).to_string()).await?)?;
        let listing = reply["msg"].as_str().context("no listing")?;
        ensure!(listing.lines().all(|line| line.contains(".onion asked at ") && line.len() < 100), "{listing:?}");
        harmless(&text)?;
        harmless(&nick)?;
        target.nothing_from(peer).await?;
        target.ask(move |client| Ok(client.decide("REFUSE", &peer.onion(), "")?)).await?;
    }
    Ok(())
}

/// What the daemon keeps of this peer's request.
pub(super) async fn request_of(target: &Target, peer: PeerId) -> anyhow::Result<Option<Value>> {
    let all = target.ask(|client| Ok(client.requests()?)).await?;
    Ok(all.into_iter().find(|request| request["id"] == peer.onion().as_str()))
}
