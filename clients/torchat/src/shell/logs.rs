//! `torchat logs`: the text logs, without the screen.

use super::Shell;
use super::failure::{Done, Failure, progress, warn};
use super::out::Out;
use super::receive::{Kept, follower};
use crate::logs::{Logger, Place, Trouble, Waking, Written};
use crate::screen::SettingsFile;
use crate::streams::when_gone;
use serde_json::json;
use std::time::Duration;
use torchat_client::api::event::{Filter, Kind};
use torchat_client::api::events::{State, Step};
use torchat_client::api::{ApiClientError, Code, Connection};

/// When it is tried again to write what could not be written.
const AGAIN: Duration = Duration::from_secs(60);
/// What may wake us.
const KINDS: [Kind; 4] = [Kind::Received, Kind::Queued, Kind::Lost, Kind::Contact];

pub(super) fn run(shell: &Shell<'_>, once: bool) -> Done {
    let place = Place::find().ok_or_else(|| Failure::system("there is no home directory for text logs"))?;
    let file = SettingsFile::find();
    // An error in it is told before anything is waited for.
    let chosen = file.chosen().map_err(|why| failed(Trouble::Settings(why)))?;
    let connection = if once || shell.place.start { Some(shell.connect()?) } else { None };
    if chosen.choice.is_nothing() {
        let how = "/log on in the terminal client, or [logs] in";
        warn(shell.form.json, "nothing-logged", &format!("no conversation is logged: {how} {}", file.shown()));
    }
    let logger = Logger::new(place.clone(), move || file.chosen());
    let mut logs = Logs { logger, place, out: shell.out() };
    match connection.filter(|_| once) {
        Some(connection) => logs.write(&connection, &Waking::all())?.map_err(failed),
        None => logs.follow(shell),
    }
}

fn failed(trouble: Trouble) -> Failure {
    match trouble {
        Trouble::Daemon(error) => error.into(),
        trouble @ Trouble::Settings(_) => Failure::input(trouble.to_string()),
        trouble @ Trouble::Disk { .. } => Failure::system(trouble.to_string()),
    }
}

struct Logs {
    logger: Logger,
    place: Place,
    out: Out,
}

impl Logs {
    /// Writes what is new, and tells programs what it was. The inner error is about the logs, the outer one about our output.
    fn write(&mut self, connection: &Connection, woken: &Waking) -> Done<Result<(), Trouble>> {
        let (written, result) = self.logger.pass(connection, woken);
        let own = connection.welcome().onion.conversation();
        for Written { conversation, messages } in written {
            let file = self.place.file(own, conversation).display().to_string();
            if self.out.is_json() {
                self.out.record(&json!({ "peer": conversation, "messages": messages, "file": file }))?;
            }
        }
        self.out.flush()?;
        Ok(result)
    }

    /// Writes until the process ends. What cannot be written is told once, and tried again.
    fn follow(&mut self, shell: &Shell<'_>) -> Done {
        let words = format!("torchat: writing to {} until you end it (Ctrl+C)", self.place.logs.display());
        progress(shell.form.json, &words);
        let filter = Filter { kinds: Some(KINDS.to_vec()), peers: None };
        let mut follower = follower(shell.place, filter, &Kept::Marks { marks: false }, None);
        let handle = follower.handle();
        if self.out.is_json() {
            let stopped = follower.handle();
            when_gone(std::io::stdout(), move || stopped.stop());
        }
        let (mut woken, mut told, mut away) = (Waking::default(), None, false);
        loop {
            let patience = match (woken.is_nothing(), &told) {
                (false, _) => Duration::ZERO,
                (true, Some(_)) => AGAIN,
                (true, None) => Duration::MAX,
            };
            match follower.step(patience) {
                Step::Timeout => {
                    let Some(connection) = handle.connection() else {
                        // Its coming back wakes us.
                        woken = Waking::default();
                        continue;
                    };
                    if told.is_some() {
                        woken.add(Waking::all());
                    }
                    match self.write(&connection, &std::mem::take(&mut woken))? {
                        Ok(()) => told = None,
                        // It is all looked at again when the daemon is back.
                        Err(Trouble::Daemon(error)) if error.is_passing() => {}
                        Err(Trouble::Daemon(error)) => return Err(error.into()),
                        Err(trouble) => {
                            let said = trouble.to_string();
                            if told.as_ref() != Some(&said) {
                                warn(shell.form.json, "not-logged", &said);
                            }
                            told = Some(said);
                        }
                    }
                }
                Step::State(State::Refused(error)) => return Err(error.into()),
                Step::State(State::Stopped) => return Ok(()),
                // Whoever is not let in, or has named what cannot be a socket, would wait forever.
                Step::State(State::Gone { reason: reason @ ApiClientError::Connect { .. }, .. })
                    if !reason.is_absent() =>
                {
                    return Err(reason.into());
                }
                Step::State(State::Gone { .. }) => {
                    if !std::mem::replace(&mut away, true) {
                        warn(
                            shell.form.json,
                            Code::NotRunning.as_str(),
                            "no torchatd runs: waiting for it (--once ends instead)",
                        );
                    }
                }
                step => {
                    away = false;
                    woken.add(Waking::of(&step));
                }
            }
        }
    }
}
