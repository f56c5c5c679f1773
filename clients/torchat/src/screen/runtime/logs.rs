//! The thread that writes the text logs, woken by events.

use super::{Wake, settings};
use crate::logs::{Logger, Place, Trouble, Waking};
use crate::screen::model::Input;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;
use torchat_client::api::events::Handle;

/// When it is tried again to write what could not be written.
const AGAIN: Duration = Duration::from_secs(60);

/// Starts it. Without a home there are no logs, and it does nothing.
pub(super) fn start(handle: Handle, settings: settings::File, wakes: Sender<Wake>) -> anyhow::Result<Sender<Waking>> {
    let (sender, wakings) = channel();
    if let Some(place) = Place::find() {
        let logger = Logger::new(place, move || settings.chosen());
        std::thread::Builder::new().name("logs".into()).spawn(move || run(logger, &handle, &wakings, &wakes))?;
    }
    Ok(sender)
}

fn run(mut logger: Logger, handle: &Handle, wakings: &Receiver<Waking>, wakes: &Sender<Wake>) {
    let mut due = Waking::default();
    // What was told last: each trouble is told once.
    let mut told = None;
    loop {
        let limit = if told.is_some() { AGAIN } else { Duration::MAX };
        match wakings.recv_timeout(limit) {
            Ok(waking) => due.add(waking),
            Err(RecvTimeoutError::Timeout) => due.add(Waking::all()),
            Err(RecvTimeoutError::Disconnected) => return,
        }
        // Many messages that came together are one batch.
        wakings.try_iter().for_each(|waking| due.add(waking));
        // Its coming back is a waking, too.
        let Some(connection) = handle.connection() else { continue };
        if due.is_nothing() {
            continue;
        }
        match logger.pass(&connection, &due).1 {
            Ok(()) => (due, told) = (Waking::default(), None),
            Err(Trouble::Daemon(error)) if error.is_passing() => {}
            Err(trouble) => {
                due.add(Waking::all());
                let said = trouble.to_string();
                if told.as_ref() != Some(&said) && wakes.send(Input::NotLogged(said.clone()).into()).is_err() {
                    return;
                }
                told = Some(said);
            }
        }
    }
}
