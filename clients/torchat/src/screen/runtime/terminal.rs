//! The terminal: how it is changed and, whatever happens, changed back.

use super::Wake;
use super::rewrite::{self, Disputed};
use crate::screen::model::{Input, Model};
use crate::screen::view;
use crate::streams;
use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste, EnableFocusChange,
    EnableMouseCapture, Event,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, DisableLineWrap, EnableLineWrap, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use data_encoding::BASE64;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use signal_hook::consts::SIGHUP;
use std::io::{self, BufWriter, Stdout, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use torchat_client::show;

/// A screen is written at once.
const BUFFER: usize = 64 << 10;
/// Longest text that terminals take for the clipboard.
const CLIPBOARD: usize = 70_000;

/// Whether the terminal is changed at the moment.
static CHANGED: AtomicBool = AtomicBool::new(false);

type Screen = ratatui::Terminal<CrosstermBackend<BufWriter<Stdout>>>;

/// The terminal while it belongs to this program. Dropped, it is as it was.
pub(in crate::screen) struct Terminal {
    screen: Screen,
    disputed: Disputed,
    mouse: bool,
    bare: bool,
}

impl Terminal {
    /// Takes the terminal. A panic of any thread gives it back and ends the program.
    pub(in crate::screen) fn enter() -> io::Result<Self> {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            restore();
            before(info);
            // A thread less would leave a screen that does not answer.
            std::process::exit(101);
        }));
        let screen = Screen::new(CrosstermBackend::new(BufWriter::with_capacity(BUFFER, io::stdout())))?;
        let mut terminal = Self { screen, disputed: Disputed::default(), mouse: false, bare: true };
        terminal.again()?;
        Ok(terminal)
    }

    /// Takes the terminal again, after [`Terminal::leave`].
    pub(super) fn again(&mut self) -> io::Result<()> {
        if self.bare {
            CHANGED.store(true, Ordering::SeqCst);
            enable_raw_mode()?;
            // Without line wrap: a terminal that thinks an emoji wider than we do cannot move a text into the next row.
            execute!(io::stdout(), EnterAlternateScreen, DisableLineWrap, EnableBracketedPaste, EnableFocusChange)?;
            if self.mouse {
                execute!(io::stdout(), EnableMouseCapture)?;
            }
            self.bare = false;
        }
        self.repaint()
    }

    /// Gives the terminal back.
    pub(super) fn leave(&mut self) -> io::Result<()> {
        if !self.bare {
            self.bare = true;
            restore();
        }
        Ok(())
    }

    /// Everything is drawn with the next draw.
    pub(super) fn repaint(&mut self) -> io::Result<()> {
        // Not its clear(): that asks the terminal where the cursor is, and waits for an answer that may never come.
        let size = self.screen.size()?;
        self.disputed.forget();
        self.screen.resize(Rect::new(0, 0, size.width, size.height))
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> io::Result<(u16, u16)> {
        self.screen.size().map(|size| (size.width, size.height))
    }

    /// Draws what has changed.
    pub(super) fn draw(&mut self, model: &Model) -> io::Result<()> {
        queue!(self.screen.backend_mut(), BeginSynchronizedUpdate)?;
        let drawn = self.screen.draw(|frame| view::draw(model, frame))?;
        let rows = self.disputed.rows(drawn.buffer);
        rewrite::write(self.screen.backend_mut(), &rows)?;
        execute!(self.screen.backend_mut(), EndSynchronizedUpdate)
    }

    /// Rings.
    pub(super) fn bell(&mut self) -> io::Result<()> {
        self.write("\x07")
    }

    /// Asks for a notification of the desktop: OSC 9, known to many terminals, ignored by the others.
    pub(super) fn notify(&mut self, text: &str) -> io::Result<()> {
        self.write(&format!("\x1b]9;torchat: {}\x1b\\\x07", told(text)))
    }

    /// Puts a text into the clipboard: OSC 52, also over ssh, if the terminal allows it.
    pub(super) fn copy(&mut self, text: &str) -> io::Result<()> {
        if text.len() > CLIPBOARD {
            return Ok(());
        }
        self.write(&format!("\x1b]52;c;{}\x1b\\", BASE64.encode(text.as_bytes())))
    }

    /// Switches the mouse on or off.
    pub(in crate::screen) fn mouse(&mut self, on: bool) -> io::Result<()> {
        self.mouse = on;
        if on { execute!(io::stdout(), EnableMouseCapture) } else { execute!(io::stdout(), DisableMouseCapture) }
    }

    fn write(&mut self, bytes: &str) -> io::Result<()> {
        let out = self.screen.backend_mut();
        out.write_all(bytes.as_bytes())?;
        io::Write::flush(out)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.leave();
    }
}

/// A notification's text, made harmless where it leaves this program, whatever was done before.
pub(in crate::screen) fn told(text: &str) -> String {
    show::shown_line(&show::reveal(text)).chars().take(400).collect()
}

/// Makes the terminal what it was. Twice does no harm; errors cannot be told to anybody any more.
fn restore() {
    if CHANGED.swap(false, Ordering::SeqCst) {
        let _ = execute!(
            io::stdout(),
            EndSynchronizedUpdate,
            DisableMouseCapture,
            DisableFocusChange,
            DisableBracketedPaste,
            EnableLineWrap,
            LeaveAlternateScreen,
            cursor::Show
        );
        let _ = disable_raw_mode();
    }
}

/// Reads keys, pasted texts, the mouse, and changes of the size, and tells when the terminal is gone.
pub(super) fn read(wakes: Sender<Wake>) -> io::Result<()> {
    // A terminal that is not the controlling one sends no HUP, and crossterm reads its end again and again.
    let gone = wakes.clone();
    streams::when_gone(io::stdin(), move || drop(gone.send(Wake::Signal(SIGHUP))));
    let gone = wakes.clone();
    streams::when_gone(io::stdout(), move || drop(gone.send(Wake::Signal(SIGHUP))));
    let thread = move || {
        loop {
            let wake = match crossterm::event::read() {
                Ok(Event::Key(key)) => Input::Key(key).into(),
                Ok(Event::Paste(text)) => Input::Paste(text).into(),
                Ok(Event::Mouse(mouse)) => Input::Mouse(mouse).into(),
                Ok(Event::Resize(columns, rows)) => Input::Resize(columns, rows).into(),
                Ok(Event::FocusGained) => Input::Focus(true).into(),
                Ok(Event::FocusLost) => Input::Focus(false).into(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    let _ = wakes.send(Wake::Lost(error));
                    return;
                }
            };
            if wakes.send(wake).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("terminal".into()).spawn(thread).map(drop)
}
