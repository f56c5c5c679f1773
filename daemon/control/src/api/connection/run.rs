//! How a connection goes on: what it waits for, what it writes, and when it ends.

use super::{Connection, Finished};
use crate::ControlConfig;
use crate::access::Visitor;
use crate::api::answer::{answer_line, refused};
use crate::api::dispatch::Context;
use crate::api::messages::Enqueued;
use crate::objects::{Found, Objects};
use futures::{FutureExt as _, StreamExt as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use torchat_engine::handle::Refusal;
use torchat_protocol::control::api::command::Subscribe;

/// How long the last lines may take when the daemon stops.
const STOP_TIME: Duration = Duration::from_secs(1);
/// How often a connection that has no deadline looks whether it has one.
const TICK: Duration = Duration::from_secs(3600);

/// Serves a connection from its HELLO on, which is `first`, until it ends.
pub(crate) async fn run(
    first: Vec<u8>,
    objects: &mut Objects<impl AsyncRead + Unpin>,
    writer: &mut (impl AsyncWrite + Unpin),
    visitor: Visitor,
    context: Context,
    config: Arc<ControlConfig>,
    stop: &CancellationToken,
) {
    // Without an idle time the timer goes off now and then for nothing.
    let tick = config.idle_time.unwrap_or(TICK);
    let mut connection = Connection::new(visitor, context, config);
    connection.begin(&first).await;
    let mut timer = std::pin::pin!(tokio::time::sleep(tick));
    let mut stopped = std::pin::pin!(stop.cancelled());
    let mut stopping: Option<Instant> = None;
    'connection: loop {
        connection.refill();
        // Mostly the kernel takes it at once: then nothing is set up to wait for it.
        while connection.outgoing.is_writing() {
            match connection.outgoing.write(writer).now_or_never() {
                Some(Ok(())) => connection.refill(),
                Some(Err(_)) => break 'connection,
                None => break,
            }
        }
        if connection.is_done() {
            break;
        }
        let deadline = connection.deadline().into_iter().chain(stopping).min();
        // A timer that is too early is only looked at again: most requests need not touch it.
        if let Some(deadline) = deadline.filter(|deadline| *deadline < timer.deadline()) {
            timer.as_mut().reset(deadline);
        }
        let may_begin = connection.may_begin();
        let Connection { work, enqueuing, outgoing, .. } = &mut connection;
        tokio::select! {
            biased;
            () = stopped.as_mut(), if stopping.is_none() => {
                stopping = Some(Instant::now() + STOP_TIME);
                connection.stop();
            }
            Some(enqueued) = async { Some(enqueuing.as_mut()?.await) }, if enqueuing.is_some() => {
                connection.enqueuing = None;
                connection.await_send(enqueued);
            }
            Some(finished) = work.next(), if !work.is_empty() => connection.finish(finished),
            found = async {
                if may_begin {
                    return objects.next().await;
                }
                objects.until_broken().await;
                Found::Broken
            } => if connection.take(found, objects).await.is_break() {
                break;
            },
            result = outgoing.write(writer), if outgoing.is_writing() => if result.is_err() {
                break;
            },
            () = timer.as_mut() => {
                let now = Instant::now();
                match connection.deadline().into_iter().chain(stopping).min() {
                    Some(deadline) if deadline <= now => {
                        tracing::debug!("a local client was idle for too long, or did not take its answers");
                        break;
                    }
                    Some(deadline) => timer.as_mut().reset(deadline),
                    None => timer.as_mut().reset(now + tick),
                }
            }
        }
    }
    if connection.exiting {
        connection.context.handle.stop();
    }
}

impl Connection {
    fn is_done(&self) -> bool {
        self.ended && !self.is_at_work() && !self.outgoing.is_writing() && self.subscriptions.is_empty()
    }

    /// When the connection must end if nothing changes.
    fn deadline(&self) -> Option<Instant> {
        let idle = !self.is_at_work() && self.outgoing.answers() == 0 && self.subscriptions.is_empty();
        self.outgoing.due().or_else(|| self.config.idle_time.filter(|_| idle).map(|time| self.active_at + time))
    }

    /// Puts on the way what is due, and lets subscriptions read on whose lines are.
    fn refill(&mut self) {
        if self.ended
            && !self.is_at_work()
            && let Some(error) = self.last_words.take()
        {
            self.refuse(None, error);
        }
        if self.exiting && self.outgoing.answers() == 0 {
            self.exiting = false;
            self.context.handle.stop();
        }
        let subscriptions = &mut self.subscriptions;
        self.outgoing.fill(|out| subscriptions.take_piece(out));
        if subscriptions.is_empty() {
            return;
        }
        for (number, read) in subscriptions.next_reads() {
            self.work.push(Box::pin(async move { Finished::Read { number, read: Box::new(read.await) } }));
        }
        if self.subscriptions.is_empty() {
            self.active_at = Instant::now();
        }
    }

    /// The daemon stops: what is due is said.
    fn stop(&mut self) {
        self.ended = true;
        self.context.ending.cancel();
        self.context.cut.cancel();
        self.subscriptions.end_all_with(&refused(&Refusal::Stopping));
    }

    fn finish(&mut self, finished: Finished) {
        if !matches!(finished, Finished::Read { .. }) {
            self.in_work -= 1;
        }
        match finished {
            Finished::Answer(line) => self.answer(line, None),
            Finished::Page((line, held)) => self.answer(line, held),
            Finished::Subscribed { number, reference, prepared } => {
                // Answers go before events, so none of its events comes before this line.
                let answer = self.subscriptions.begin(number, *prepared);
                self.answer(answer_line::<Subscribe>(reference, answer), None);
            }
            Finished::Read { number, read } => self.subscriptions.take(number, *read),
        }
    }

    fn await_send(&mut self, enqueued: Enqueued) {
        self.in_work += 1;
        self.work.push(Box::pin(async move { Finished::Answer(enqueued.answered().await) }));
    }
}
