//! The loop and its threads.

pub(super) mod daemon;
pub(super) mod desktop;
pub(super) mod export;
mod locate;
mod logs;
mod multiplexer;
mod rewrite;
mod rooms;
pub(super) mod settings;
mod stored;
pub(super) mod terminal;

use super::model::{Effect, Input, Model, Start};
use super::settings::Change;
use super::theme::Theme;
use crate::daemon::Place;
use crate::streams;
use anyhow::Context as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;
use terminal::Terminal;
use torchat_client::api::Onion;

/// What wakes the loop.
pub(super) enum Wake {
    Input(Box<Input>),
    /// What the daemon of an identity has answered. `None`: it was asked before any daemon had answered.
    Answer(Option<Onion>, Box<Input>),
    Signal(i32),
    /// The desktop did not show a notification.
    NotShown(String),
    /// tmux did not take a text.
    NotCopied(String),
    /// The terminal is gone.
    Lost(std::io::Error),
}

impl From<Input> for Wake {
    fn from(input: Input) -> Self {
        Self::Input(Box::new(input))
    }
}

/// Runs until the user leaves.
pub(super) fn run(place: &Place) -> anyhow::Result<()> {
    let mut file = stored::File::find();
    let multiplexer = multiplexer::Multiplexer::find(|name| std::env::var_os(name));
    let settings_file = settings::File::find();
    let (settings, trouble) = settings_file.read();
    let start = Start {
        now: now(),
        zone: TimeZone::system(),
        theme: Theme::chosen(settings.theme, |name| std::env::var(name).ok()),
        settings,
        settings_path: settings_file.shown(),
        logs: crate::logs::Place::find(),
        trouble,
        size: crossterm::terminal::size().context("the size of the terminal")?,
        // Only its beginning: a number is counted behind it, and the daemon takes 64 bytes.
        session: torchat_client::api::client_id()?,
        stored: file.read(),
        between: multiplexer.between,
    };
    let (wakes, inbox) = channel();
    // Before the terminal is changed, so that no signal finds it changed and nobody to change it back.
    signals(wakes.clone())?;
    let daemon = daemon::Daemon::start(place, &settings_file, &wakes)?;
    let terminal = Terminal::enter()?;
    terminal::read(wakes.clone())?;
    let desktop = desktop::Desktop::find(|name| std::env::var_os(name));
    let (model, settings) = (Model::new(start), settings_file);
    let mut looped = Loop { model, terminal, daemon, desktop, multiplexer, file, settings, wakes };
    if looped.model.has_mouse() {
        looped.terminal.mouse(true)?;
    }
    let result = looped.run(&inbox);
    if result.is_err() {
        // The terminal is gone; what was typed is not.
        let _ = looped.update(Input::Leave);
    }
    match result {
        // It went while something was drawn: what is told of it is still under way, and it is no failure either.
        Err(_) if streams::is_gone(std::io::stdin()) || streams::is_gone(std::io::stdout()) => Ok(()),
        result => result.context("the terminal"),
    }
}

/// The time, in milliseconds since 1970.
fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

/// Hands the signals that end, stop or continue the program to the loop.
fn signals(wakes: Sender<Wake>) -> anyhow::Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGHUP, SIGINT, SIGTSTP, SIGCONT])?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            if wakes.send(Wake::Signal(signal)).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}

struct Loop {
    model: Model,
    terminal: Terminal,
    daemon: daemon::Daemon,
    desktop: desktop::Desktop,
    multiplexer: multiplexer::Multiplexer,
    file: stored::File,
    settings: settings::File,
    wakes: Sender<Wake>,
}

/// Whether the loop goes on.
#[derive(PartialEq, Eq)]
enum Next {
    Go,
    Leave,
}

impl Loop {
    fn run(&mut self, inbox: &Receiver<Wake>) -> std::io::Result<()> {
        self.draw()?;
        loop {
            let first = match self.model.wake_at() {
                Some(at) => {
                    // A moment later rather than earlier: then it is due.
                    let left = u64::try_from(at.saturating_sub(now())).unwrap_or(0) + 1;
                    inbox.recv_timeout(Duration::from_millis(left))
                }
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            let mut next = match first {
                Ok(wake) => self.take(wake)?,
                Err(RecvTimeoutError::Timeout) => self.update(Input::Tick)?,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            // What came together is drawn together.
            while next == Next::Go {
                match inbox.try_recv() {
                    Ok(wake) => next = self.take(wake)?,
                    Err(_) => break,
                }
            }
            if next == Next::Leave {
                return Ok(());
            }
            self.draw()?;
        }
    }

    fn draw(&mut self) -> std::io::Result<()> {
        let size = self.terminal.size()?;
        if size != self.model.size {
            // Its event is still under way.
            self.update(Input::Resize(size.0, size.1))?;
        }
        self.terminal.draw(&self.model)
    }

    fn take(&mut self, wake: Wake) -> std::io::Result<Next> {
        match wake {
            Wake::Input(input) => self.update(*input),
            // Another daemon has come meanwhile: it was not asked.
            Wake::Answer(own @ Some(_), _) if own != self.model.own => Ok(Next::Go),
            Wake::Answer(_, input) => self.update(*input),
            Wake::Signal(SIGTSTP) => {
                self.suspend()?;
                Ok(Next::Go)
            }
            // After a stop that could not be seen coming, a shell has changed the terminal.
            Wake::Signal(SIGCONT) => {
                self.terminal.leave()?;
                self.terminal.again()?;
                self.update(Input::Resume)
            }
            Wake::Signal(_) => self.update(Input::Leave),
            Wake::NotCopied(text) => {
                self.terminal.copy(&text)?;
                self.update(Input::Copied(false))
            }
            Wake::NotShown(text) => self.terminal.notify(&text).map(|()| Next::Go),
            Wake::Lost(error) => Err(error),
        }
    }

    fn update(&mut self, input: Input) -> std::io::Result<Next> {
        for effect in self.model.update(now(), input) {
            match effect {
                Effect::Ask(ask) => self.daemon.ask(self.model.own, ask),
                Effect::Export { peer, path, name } => self.daemon.export(peer, path, name, self.wakes.clone()),
                Effect::StartDaemon => self.daemon.start_daemon(self.wakes.clone()),
                Effect::Retry => self.daemon.retry(),
                // A disk that is full must not end a conversation; the next change tries again.
                Effect::Save(stored) => drop(self.file.write(&stored)),
                Effect::Set(change) => {
                    let outcome = Box::new(self.settings.change(&change));
                    let _ = self.wakes.send(Input::Settings(outcome).into());
                }
                Effect::Log(peer, on) => {
                    let outcome = Box::new(self.settings.change(&Change::Log(peer, on)));
                    self.daemon.log_again();
                    let _ = self.wakes.send(Input::Logged(peer, on, outcome).into());
                }
                Effect::Bell => self.terminal.bell()?,
                Effect::Notify(text) if self.desktop.show(&text, &self.wakes) => {}
                Effect::Notify(text) => self.terminal.notify(&text)?,
                Effect::Copy(text) if self.multiplexer.copy(&text, &self.wakes) => {}
                Effect::Copy(text) => drop(self.wakes.send(Wake::NotCopied(text))),
                Effect::Look => self.multiplexer.look(&self.wakes),
                Effect::Mouse(on) => self.terminal.mouse(on)?,
                Effect::Suspend => self.suspend()?,
                Effect::Repaint => self.terminal.repaint()?,
                Effect::Leave => return Ok(Next::Leave),
            }
        }
        Ok(Next::Go)
    }

    fn suspend(&mut self) -> std::io::Result<()> {
        self.terminal.leave()?;
        // Stops this process, all threads of it, until `fg`.
        signal_hook::low_level::emulate_default_handler(SIGTSTP)?;
        self.terminal.again()
    }
}
