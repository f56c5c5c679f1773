//! `torchat room tail`: the last messages of a room, and what comes.

use super::find;
use crate::arguments::TailRoom;
use crate::membership::{change, speaker};
use crate::shell::failure::Done;
use crate::shell::format;
use crate::shell::out::Out;
use crate::shell::receive::{Kept, follower};
use crate::shell::{Shell, read};
use crate::streams::when_gone;
use std::time::Duration;
use torchat_client::api::command::{Ack, Events, From};
use torchat_client::api::event::{Event, Filter, Kind, What};
use torchat_client::api::events::{State, Step};
use torchat_client::api::record::Message;
use torchat_client::api::{Connection, ConversationId};
use torchat_client::show::shown_line;

/// What is printed of the events.
const KINDS: [Kind; 7] =
    [Kind::Received, Kind::Queued, Kind::Edited, Kind::Redacted, Kind::Reacted, Kind::Member, Kind::Voided];

pub(super) fn run(shell: &Shell<'_>, wanted: &TailRoom) -> Done {
    let connection = shell.connect()?;
    let peer = find(&connection, &wanted.room)?;
    let filter = Filter { kinds: Some(KINDS.to_vec()), peers: Some(vec![peer]) };
    let mut lines = Lines { out: shell.out(), numbers: wanted.numbers, last: 0 };
    if let (Some(consumer), true) = (&wanted.consumer, wanted.no_follow) {
        return until_now(&connection, &mut lines, filter, consumer);
    }
    // Before the page: what comes between the two is told once, because its number is known by then.
    let from = From::After(connection.welcome().seq);
    if wanted.consumer.is_none() {
        lines.page(&connection, peer, wanted.count)?;
    }
    if wanted.no_follow {
        return Ok(());
    }
    drop(connection);
    let kept = wanted.consumer.clone().map_or(Kept::Marks { marks: false }, Kept::Cursor);
    follow(shell, lines, filter, &kept, from)
}

fn follow(shell: &Shell<'_>, mut lines: Lines, filter: Filter, kept: &Kept, from: From) -> Done {
    let mut follower = follower(shell.place, filter, kept, Some(from));
    let stopped = follower.handle();
    when_gone(std::io::stdout(), move || stopped.stop());
    let mut unsettled = false;
    loop {
        match follower.step(if unsettled { Duration::ZERO } else { Duration::MAX }) {
            Step::Event(event) => {
                unsettled = true;
                lines.event(&event)?;
            }
            Step::Timeout => {
                lines.out.flush()?;
                match follower.ack() {
                    Err(error) if !error.is_passing() => return Err(error.into()),
                    // Said again when the daemon is back.
                    _ => unsettled = false,
                }
            }
            Step::State(State::Refused(error)) => return Err(error.into()),
            Step::State(State::Stopped) => return Ok(()),
            Step::State(_) => {}
        }
    }
}

/// Prints what a consumer has not had.
fn until_now(connection: &Connection, lines: &mut Lines, filter: Filter, name: &str) -> Done {
    let mut last = None;
    loop {
        let (consumer, filter) = (Some(name.to_owned()), filter.clone());
        let answer = connection.call(&Events { after: None, consumer, wait: None, limit: Some(1_000), filter })?;
        let last = *last.get_or_insert(answer.last);
        for event in &answer.events {
            lines.event(event)?;
        }
        lines.out.flush()?;
        connection.call(&Ack { consumer: name.to_owned(), seq: answer.next })?;
        if answer.next >= last {
            return Ok(());
        }
    }
}

/// What is printed of one room.
struct Lines {
    out: Out,
    /// With the number of each message.
    numbers: bool,
    /// The number of the last message that was printed.
    last: i64,
}

impl Lines {
    /// The last messages that there are.
    fn page(&mut self, connection: &Connection, peer: ConversationId, count: u64) -> Done {
        let messages = read::backward(connection, peer, None, count)?;
        for message in &messages {
            self.message(message)?;
        }
        if count == 0 {
            self.last = read::backward(connection, peer, None, 1)?.last().map_or(0, |message| message.id);
        }
        self.out.flush()
    }

    fn message(&mut self, message: &Message) -> Done {
        self.last = self.last.max(message.id);
        if self.out.is_json() {
            return self.out.record(message);
        }
        let number = if self.numbers { format!("{:>5} ", message.id) } else { String::new() };
        let line = format!("{number}{}", format::room_message(&self.out, message));
        self.out.line(&line)
    }

    fn event(&mut self, event: &Event) -> Done {
        match &event.what {
            // It came while the page was read, and was in it.
            What::Received { message } | What::Queued { message } if message.id <= self.last => Ok(()),
            What::Received { message } | What::Queued { message } => self.message(message),
            _ if self.out.is_json() => self.out.record(event),
            _ => match self.words(event) {
                Some(line) => self.out.line(&line),
                None => Ok(()),
            },
        }
    }

    /// What else happened, behind the hyphens that no text of a member can begin with.
    fn words(&self, event: &Event) -> Option<String> {
        let time = format::time(&event.at);
        Some(match &event.what {
            What::Member { member, change: what, .. } => {
                format!("{time} -- {} {}", speaker(&member.name, member.no), change(*what, member))
            }
            What::Edited { id, text, .. } => format!("{time} -- message {id} now says: {}", self.out.text(text)),
            What::Redacted { id, .. } => format!("{time} -- message {id} was redacted"),
            What::Reacted { id, member, sign, .. } if sign.is_empty() => {
                format!("{time} -- no:{member} takes a reaction to message {id} back")
            }
            What::Reacted { id, member, sign, .. } => {
                format!("{time} -- no:{member} reacts to message {id}: {}", shown_line(sign))
            }
            What::Voided { messages, .. } => {
                let each = messages.iter().map(|one| format!("message {} is {}", one.id, one.state.name()));
                format!("{time} -- {}", each.collect::<Vec<_>>().join(", "))
            }
            What::Gap { from, to } => format!("{time} -- the events {from} to {to} are no longer in the log"),
            _ => return None,
        })
    }
}
