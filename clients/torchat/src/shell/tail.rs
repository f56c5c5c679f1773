//! `torchat tail`: the event log, as it grows.

use super::failure::{Done, Failure, progress};
use super::format::{self, Names};
use super::out::Out;
use super::receive::{Kept, follower};
use super::{Shell, peer};
use crate::arguments::Tail;
use crate::membership::{self, speaker};
use crate::standing;
use crate::streams::when_gone;
use std::time::Duration;
use torchat_client::api::Connection;
use torchat_client::api::command::{Ack, Events, From, Place};
use torchat_client::api::event::{Event, Filter, Kind, MessageRef, What};
use torchat_client::api::events::{State, Step};
use torchat_client::names::Purpose;
use torchat_client::show::shown_line;

/// After this time without an event everything that was there has come.
const QUIET: Duration = Duration::from_secs(1);

pub(super) fn run(shell: &Shell<'_>, wanted: &Tail) -> Done {
    let kinds = wanted.events.iter().map(|name| kind(name)).collect::<Done<Vec<_>>>()?;
    let from = wanted.from.as_deref().map(place).transpose()?;
    let connection = shell.connect()?;
    let peers = peer::find_conversations(&connection, &wanted.peer, Purpose::Read)?;
    let mut names = shell.names(&connection)?;
    if wanted.no_follow {
        let filter = Filter { kinds: (!kinds.is_empty()).then_some(kinds), peers };
        return until_now(shell, &connection, names, wanted, from, filter);
    }
    drop(connection);
    let mut tells = from.is_some() && wanted.count.is_none();
    let kept = wanted.consumer.clone().map_or(Kept::Marks { marks: false }, Kept::Cursor);
    let filter = Filter { kinds: (!kinds.is_empty()).then_some(kinds), peers };
    let mut follower = follower(shell.place, filter, &kept, from);
    let stopped = follower.handle();
    when_gone(std::io::stdout(), move || stopped.stop());
    let mut out = shell.out();
    let (mut left, mut unsettled) = (wanted.count, false);
    loop {
        let patience = match (unsettled, tells) {
            (true, _) => Duration::ZERO,
            (false, true) => QUIET,
            (false, false) => Duration::MAX,
        };
        let step = if left == Some(0) { Step::Timeout } else { follower.step(patience) };
        match step {
            Step::Event(event) => {
                unsettled = true;
                write(&mut out, &mut names, &event)?;
                left = left.map(|left| left.saturating_sub(1));
            }
            Step::Timeout => {
                out.flush()?;
                match follower.ack() {
                    Err(error) if !error.is_passing() => return Err(error.into()),
                    // Said again when the daemon is back.
                    _ => unsettled = false,
                }
                if left == Some(0) {
                    return Ok(());
                }
                // A user who wanted what is there should not wonder why it does not end.
                if patience == QUIET && std::mem::take(&mut tells) {
                    progress(shell.form.json, "torchat: waiting for more events; --no-follow ends here");
                }
            }
            Step::State(State::Refused(error)) => return Err(error.into()),
            Step::State(State::Stopped) => return Ok(()),
            Step::State(_) => {}
        }
    }
}

/// Prints what is in the log now: from a place on, or what a consumer has not had.
fn until_now(
    shell: &Shell<'_>,
    connection: &Connection,
    mut names: Names,
    wanted: &Tail,
    from: Option<From>,
    filter: Filter,
) -> Done {
    let consumer = wanted.consumer.clone();
    let mut after = match (&consumer, from) {
        (Some(_), _) => None,
        (None, None | Some(From::Place(Place::Start))) => Some(0),
        (None, Some(From::Place(_))) => Some(connection.welcome().seq),
        (None, Some(From::After(seq))) => Some(seq),
    };
    let mut out = shell.out();
    let (mut left, mut last) = (wanted.count, None);
    loop {
        let events =
            Events { after, consumer: consumer.clone(), wait: None, limit: Some(1_000), filter: filter.clone() };
        let answer = connection.call(&events)?;
        let last = *last.get_or_insert(answer.last);
        let mut upto = answer.next;
        for event in &answer.events {
            write(&mut out, &mut names, event)?;
            left = left.map(|left| left.saturating_sub(1));
            if left == Some(0) {
                upto = event.seq;
                break;
            }
        }
        out.flush()?;
        if let Some(consumer) = &consumer {
            connection.call(&Ack { consumer: consumer.clone(), seq: upto })?;
        } else {
            after = Some(upto);
        }
        if left == Some(0) || answer.next >= last {
            return Ok(());
        }
    }
}

fn write(out: &mut Out, names: &mut Names, event: &Event) -> Done {
    match &event.what {
        What::Contact { contact } => names.changed(contact),
        What::Room { room } => names.room_changed(room),
        _ => {}
    }
    if out.is_json() {
        return out.record(event);
    }
    let line = line(out, names, event);
    out.line(&line)
}

fn kind(name: &str) -> Done<Kind> {
    serde_json::from_value(name.into())
        .map_err(|_| Failure::input(format!("there is no kind of event \"{}\"", shown_line(name))))
}

fn place(text: &str) -> Done<From> {
    match text {
        "start" => Ok(From::Place(Place::Start)),
        "now" => Ok(From::Place(Place::Now)),
        number => number
            .parse()
            .map(From::After)
            .map_err(|_| Failure::input("--from takes the number of an event, `start` or `now`")),
    }
}

/// An event in words.
fn line(out: &Out, names: &Names, event: &Event) -> String {
    let time = format::time(&event.at);
    let about = |what: &str, message: &MessageRef| {
        format!("{time} . {}: message {} {what}", names.of(message.peer), message.id)
    };
    match &event.what {
        What::Received { message } | What::Queued { message } | What::Lost { message } => {
            format::message(out, names, message)
        }
        What::Sent(message) => about("is on the way", message),
        What::Delivered(message) => about("is delivered", message),
        What::Failed(message) => about("was not delivered in its time", message),
        What::Withdrawn(message) => about("was taken back", message),
        What::Read(message) => about("was read", message),
        What::Request { peer, nick, text } => {
            let asks = format!("{time} ? {} asks to become a contact", peer.0.onion());
            format!("{asks}{}", format::says_of_themselves(out, nick, text))
        }
        What::RequestGone { peer } => format!("{time} . the request of {} is gone", peer.0.onion()),
        What::Contact { contact } => {
            format!("{time} . {}", standing::sentence(&names.of(contact.peer), contact.state))
        }
        What::Link { peer, up } => {
            format!("{time} . {}: the link is {}", names.of(*peer), if *up { "up" } else { "down" })
        }
        What::Tor { sentence, .. } => format!("{time} . {}", shown_line(sentence)),
        What::Notice { peer, sentence, .. } => {
            let who = peer.map_or_else(String::new, |peer| format!("{}: ", names.of(peer)));
            format!("{time} ! {who}{}", shown_line(sentence))
        }
        What::Legacy { id, claims } => {
            format!("{time} ! an old program that claims to be {} has written: legacy message {id}", shown_line(claims))
        }
        What::Erased { peer, from, upto, .. } => {
            format!("{time} . {}: messages {from} to {upto} were erased here", names.of(*peer))
        }
        What::Room { room } => {
            let state = membership::state(room.state).unwrap_or("the room has changed");
            format!("{time} . {}: {state}", names.of(room.peer))
        }
        What::Member { peer, member, change } => {
            let who = speaker(&member.name, member.no);
            format!("{time} . {}: {who} {}", names.of(*peer), membership::change(*change, member))
        }
        What::Petition { petition } => {
            let asks = format!("{time} ? {} asks to join {}", petition.onion.0.onion(), names.of(petition.peer));
            format!("{asks}{}", format::says_of_themselves(out, &petition.name, &petition.text))
        }
        What::PetitionGone { peer, onion } => {
            format!("{time} . {}: {} does not ask any more", names.of(*peer), onion.0.onion())
        }
        What::Edited { peer, id, text, .. } => {
            format!("{time} . {}: message {id} now says: {}", names.of(*peer), shown_line(text))
        }
        What::Redacted { peer, id, .. } => format!("{time} . {}: message {id} was redacted", names.of(*peer)),
        What::Reacted { peer, id, member, sign, .. } => {
            format!("{time} . {}: member {member} reacts to message {id}: {}", names.of(*peer), shown_line(sign))
        }
        What::Voided { peer, messages } => {
            let told = messages.iter().map(|one| format!("message {} is {}", one.id, one.state.name()));
            format!("{time} . {}: {}", names.of(*peer), told.collect::<Vec<_>>().join(", "))
        }
        What::Gap { from, to } => format!("{time} ! the events {from} to {to} are no longer in the log"),
    }
}
