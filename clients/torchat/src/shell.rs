//! `torchat COMMAND`: the messenger for scripts.
//!
//! Each command is one connection, a few calls, lines on stdout and an exit code. Text for people, JSON lines for
//! programs. What others wrote goes through `torchat_client::show` on its way to people, here and nowhere else.

mod admin;
mod contacts;
mod doctor;
mod erase;
mod failure;
mod format;
mod import;
mod input;
mod legacy;
mod logs;
mod out;
mod peer;
mod pipe;
mod read;
mod receive;
mod room;
mod send;
mod tail;
mod verify;

use crate::arguments::exit::Exit;
use crate::arguments::{Command, ContactAction, Form, RoomAction, Token};
use crate::daemon::Place;
use crate::streams::is_closed;
pub(crate) use failure::line;
use failure::{Done, Failure, warn};
use out::Out;
use std::process::ExitCode;
use torchat_client::api::{Code, Connection, ConversationId, Onion};
use torchat_client::names::Purpose;

/// Runs a command; the exit code says how it went.
pub(crate) fn run(place: &Place, form: Form, command: Command) -> ExitCode {
    let shell = Shell { place, form };
    let result = writable(&command).and_then(|()| {
        warn_of_open_token(place, form);
        shell.run(command)
    });
    match result {
        Ok(()) => Exit::Done.into(),
        Err(failure) => {
            failure.report(form.json);
            failure.exit.into()
        }
    }
}

/// A command that takes something away for what it prints, or prints what cannot be had again, begins nothing when its
/// output is closed: see [`is_closed`].
fn writable(command: &Command) -> Done {
    let takes = match command {
        Command::Recv(recv) => !recv.keep,
        Command::Legacy(legacy) => !legacy.keep && !legacy.all,
        Command::Tail(tail) => tail.consumer.is_some(),
        Command::Export(export) => export.output.is_none(),
        Command::Token(Token::Create { output, .. }) => output.is_none(),
        Command::Contacts(contacts) => matches!(contacts.action, Some(ContactAction::Invite { .. })),
        Command::Room(room) => match &room.action {
            Some(RoomAction::Invite(invite)) => !invite.send,
            Some(RoomAction::Tail(tail)) => tail.consumer.is_some(),
            _ => false,
        },
        Command::Pipe(_) => true,
        _ => false,
    };
    if takes && is_closed(std::io::stdout()) {
        return Err(Failure::closed());
    }
    Ok(())
}

/// Says that others can read the token that is used. It works all the same: a user who made the file so will not lose a
/// night's report for it.
fn warn_of_open_token(place: &Place, form: Form) {
    use std::os::unix::fs::MetadataExt as _;
    let Some(file) = &place.token_file else { return };
    if !file.metadata().is_ok_and(|found| found.is_file() && found.mode() & 0o077 != 0) {
        return;
    }
    let shown = file.display().to_string();
    let message = format!("other users can read the token in {shown}: chmod 600 {shown}, and make a new one");
    warn(form.json, "token-file-open", &message);
}

/// What all commands share.
struct Shell<'a> {
    place: &'a Place,
    form: Form,
}

impl Shell<'_> {
    fn run(&self, command: Command) -> Done {
        match command {
            Command::Host => admin::host(self),
            Command::Whoami => admin::whoami(self),
            Command::Send(arguments) => send::run(self, &arguments),
            Command::Recv(arguments) => receive::run(self, &arguments),
            Command::Legacy(arguments) => legacy::run(self, &arguments),
            Command::History(arguments) => read::history(self, &arguments),
            Command::Search(arguments) => read::search(self, &arguments),
            Command::Peers => read::peers(self),
            Command::Contacts(arguments) => contacts::run(self, arguments.action),
            Command::Room(arguments) => room::run(self, arguments.action),
            Command::Conversations => read::conversations(self),
            Command::Status(depth) => admin::status(self, depth.verbose),
            Command::Tail(arguments) => tail::run(self, &arguments),
            Command::Token(action) => admin::token(self, action),
            Command::Export(arguments) => read::export(self, &arguments),
            Command::Logs(arguments) => logs::run(self, arguments.once),
            Command::Erase(arguments) => erase::run(self, &arguments),
            Command::ImportLog(arguments) => import::run(self, &arguments),
            Command::Pipe(arguments) => pipe::run(self, &arguments),
            Command::Exit => admin::exit(self),
            Command::Completions { shell } => admin::completions(self, shell),
            Command::CompletePeers { who } => peer::complete(self, who),
            Command::Doctor(depth) => doctor::run(self, depth.verbose),
        }
    }

    fn connect(&self) -> Done<Connection> {
        Ok(self.place.connect()?)
    }

    fn out(&self) -> Out {
        Out::new(self.form)
    }

    /// The user's names of the peers: for people only, so programs do not pay for them.
    fn names(&self, connection: &Connection) -> Done<format::Names> {
        if self.form.json {
            return Ok(format::Names::default());
        }
        Ok(format::Names::read(connection)?)
    }

    /// The person that a word means.
    fn peer(&self, connection: &Connection, word: &str, purpose: Purpose) -> Done<Onion> {
        peer::find(connection, word, purpose)
    }

    /// The conversation that a word means.
    fn conversation(&self, connection: &Connection, word: &str, purpose: Purpose) -> Done<ConversationId> {
        peer::find_conversation(connection, word, purpose)
    }

    /// Prints one record, or one line for people.
    fn answer(&self, record: &impl serde::Serialize, line: &str) -> Done {
        let mut out = self.out();
        if out.is_json() {
            out.record(record)?;
        } else {
            out.line(line)?;
        }
        out.flush()
    }
}

/// Whether a connection may use a command of the API.
fn may(connection: &Connection, command: &str) -> bool {
    connection.welcome().commands.iter().any(|name| name == command)
}

/// Whether a connection may use a command; else says what would be needed.
fn needs(connection: &Connection, command: &str, otherwise: &str) -> Done {
    if may(connection, command) {
        return Ok(());
    }
    let mut failure = Failure::system("you do not have the right to do this");
    (failure.exit, failure.code) = (Exit::Refused, Some(Code::NotAllowed));
    failure.hint = Some(otherwise.to_owned());
    Err(failure)
}
