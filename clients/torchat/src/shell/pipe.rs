//! `torchat pipe`: a conversation as standard input and output.

use super::failure::{Done, Failure};
use super::input::Lines;
use super::receive::{Kept, Sink, follower, settle};
use super::{Shell, needs};
use crate::arguments::Pipe;
use crate::arguments::exit::Exit;
use crate::streams::{is_closed, when_gone};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use torchat_client::api::command::{Send, Wait};
use torchat_client::api::event::{Filter, Kind, What};
use torchat_client::api::events::{Handle, State, Step};
use torchat_client::api::{ApiClientError, ConversationId, client_id};
use torchat_client::names::Purpose;

/// Between two attempts while the daemon is away.
const RETRY: Duration = Duration::from_millis(200);
/// What the daemon may take beyond the time that a SEND waits.
const BEYOND: Duration = Duration::from_secs(30);

pub(super) fn run(shell: &Shell<'_>, wanted: &Pipe) -> Done {
    if !wanted.follow && is_closed(std::io::stdin()) {
        return Err(Failure::input("standard input is closed: nothing can be sent (--follow receives without it)"));
    }
    let connection = shell.connect()?;
    let peer = shell.conversation(&connection, &wanted.peer, Purpose::Act)?;
    needs(&connection, "SEND", "a token needs the right `send`")?;
    let names = shell.names(&connection)?;
    drop(connection);
    let kept = match &wanted.consumer {
        Some(name) => Kept::Cursor(name.clone()),
        None => Kept::Marks { marks: true },
    };
    let filter = Filter { kinds: Some(vec![Kind::Received, Kind::Lost]), peers: Some(vec![peer]) };
    let mut follower = follower(shell.place, filter, &kept, None);
    // A line of output is a message; what would end a line early is written out.
    let mut sink = Sink::new(shell, names, None).with_line(|out, _, message| out.one_line(&message.text));
    let (handle, flush, stay, json) = (follower.handle(), wanted.flush, wanted.follow, shell.form.json);
    let stopped = follower.handle();
    when_gone(std::io::stdout(), move || stopped.stop());
    let (report, result) = channel();
    let mut sending = Some((handle, report));
    loop {
        match sink.step(&mut follower) {
            Step::Event(event) => {
                sink.event(&event)?;
                if let (What::Received { message }, Kept::Marks { .. }) = (&event.what, &kept) {
                    sink.seen(message);
                }
            }
            Step::Timeout => settle(&mut sink, &mut follower, &kept)?,
            Step::State(State::Connected { .. }) => {
                sink.back();
                // Not before: an answer to the first line must not be missed.
                if let Some((handle, report)) = sending.take() {
                    std::thread::spawn(move || {
                        let result = send_lines(&handle, peer, flush, json);
                        let ends = result.is_err() || !stay;
                        let _ = report.send(result);
                        if ends {
                            handle.stop();
                        }
                    });
                }
            }
            Step::State(State::Gone { reason, .. }) => sink.gone(&reason),
            Step::State(State::Refused(error)) => return Err(error.into()),
            Step::State(State::New) => {}
            Step::State(State::Stopped) => {
                settle(&mut sink, &mut follower, &kept)?;
                return ended(&result);
            }
        }
    }
}

fn ended(result: &Receiver<Done>) -> Done {
    result.try_recv().unwrap_or(Ok(()))
}

/// Sends each line of standard input; returns when the last one is safe in the daemon, or at the peer. A line that is no
/// text is told and left out: whatever writes the lines goes on, and so do we. Then the command ends with bad input.
fn send_lines(handle: &Handle, peer: ConversationId, flush: Option<u64>, json: bool) -> Done {
    let mut lines = Lines::new(std::io::stdin().lock());
    let (mut last, mut outcome) = (None, Ok(()));
    while let Some((number, line)) = lines.next()? {
        let text = match line {
            // An empty line is no message, and no error.
            Ok(text) if text.is_empty() => continue,
            Ok(text) => text,
            Err(why) => {
                why.of(&format!("line {number} of standard input was not sent: it")).report(json);
                outcome = Err(Failure::silent(Exit::BadInput));
                continue;
            }
        };
        let send = Send {
            peer,
            text,
            client_id: Some(client_id()?),
            wait: None,
            timeout: None,
            expire: None,
            re: None,
            to: Vec::new(),
        };
        send_surely(handle, &send, Duration::from_secs(60))?;
        last = Some(send);
    }
    // The same key again sends nothing, it only waits; and what is before it is delivered before it.
    if let (Some(last), Some(seconds)) = (last, flush) {
        let (wait, timeout) = (Some(Wait::Delivered), Some(seconds));
        send_surely(handle, &Send { wait, timeout, ..last }, Duration::from_secs(seconds) + BEYOND)?;
    }
    outcome
}

/// Sends over as many connections as it takes: the key makes all attempts one message.
fn send_surely(handle: &Handle, send: &Send, limit: Duration) -> Done {
    let deadline = Instant::now() + limit;
    loop {
        let result = match handle.connection() {
            Some(connection) => connection.call_within(send, limit),
            None => Err(ApiClientError::Lost { reason: "torchatd is away".into() }),
        };
        match result {
            Err(error) if error.is_passing() && Instant::now() < deadline => std::thread::sleep(RETRY),
            Err(error) => return Err(error.into()),
            Ok(_) => return Ok(()),
        }
    }
}
