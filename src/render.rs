//! How a failure is shown: `error: what`, the causes below it, and a hint that can be acted on.
//!
//! Names inside a message may come from a module nobody trusts, so control characters never reach the terminal. Nothing
//! here fails: when standard error is gone, there is nobody to tell.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    process::ExitCode,
};

use anstyle::{AnsiColor, Style};

use crate::exit::{self, Exit};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// Characters of a line that are shown. A text module in one line must not fill the screen.
const LINE_LIMIT: usize = 400;

/// Frames of a backtrace that are shown.
const FRAME_LIMIT: usize = 16;

/// Why the command ends without having done its work.
#[derive(Debug)]
pub(crate) struct Failure {
    code: ExitCode,
    what: String,
    causes: Vec<String>,
    hint: Option<String>,
    quiet: bool,
}

impl Failure {
    /// A failure that ends the process with `exit`; `what` is one sentence in lower case.
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { code: exit.into(), what: what.into(), causes: Vec::new(), hint: None, quiet: false }
    }

    /// No failure of ours: the program has ended by itself, and all is said.
    pub(crate) fn ended(code: i32) -> Self {
        Self { code: exit::of_guest(code), quiet: true, ..Self::new(Exit::Success, "") }
    }

    /// A wrong command line.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// wrun's own output could not be written. A reader that has gone away wants to hear nothing, not even that.
    pub(crate) fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { quiet: true, ..Self::new(Exit::Success, "") };
        }
        Self::new(Exit::Failed, "cannot write the output").cause(error.to_string())
    }

    /// Adds a cause, below those that are there. It may have several lines.
    pub(crate) fn cause(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Adds the chain of causes of `error`, without `error` itself.
    pub(crate) fn causes_of(mut self, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut next = error.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            if self.causes.last() != Some(&text) {
                self.causes.push(text);
            }
            next = cause.source();
        }
        self
    }

    /// Adds where the program was: the innermost frames, on one screen even when there are very many.
    pub(crate) fn backtrace(self, backtrace: &wrun::WasmBacktrace) -> Self {
        if backtrace.frames().is_empty() {
            return self;
        }
        self.cause(backtrace.innermost(FRAME_LIMIT).to_string())
    }

    /// Says what to do about it, naming the command where there is one.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What the process is to exit with.
    pub(crate) fn code(&self) -> ExitCode {
        self.code
    }

    /// The message as it is shown, with colours.
    fn text(&self) -> String {
        let mut text = String::new();
        let what = printable(&self.what);
        let _ = writeln!(text, "{ERROR}error:{ERROR:#} {what}");
        for line in self.causes.iter().flat_map(|cause| cause.lines()) {
            let _ = writeln!(text, "  {}", printable(line).trim_end());
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "\n{HINT}hint:{HINT:#} {}", printable(hint));
        }
        text
    }

    /// Shows the failure on standard error.
    pub(crate) fn print(&self) {
        if !self.quiet {
            let _ = anstream::stderr().lock().write_all(self.text().as_bytes());
        }
    }
}

impl From<wrun::Error> for Failure {
    /// The failure for an error that is of no kind with a message of its own.
    fn from(error: wrun::Error) -> Self {
        let failure = Self::new(Exit::Failed, error.to_string()).causes_of(&error);
        match error.backtrace() {
            Some(backtrace) => failure.backtrace(backtrace),
            None => failure,
        }
    }
}

/// Shows on standard error what the user should know, though the program runs; `hint` says what to do about it.
pub(crate) fn warning(what: &str, hint: &str) {
    let (what, hint) = (printable(what), printable(hint));
    let text = format!("{WARNING}warning:{WARNING:#} {what}\n{HINT}hint:{HINT:#} {hint}\n");
    let _ = anstream::stderr().lock().write_all(text.as_bytes());
}

/// The text without control characters, and cut when it is too long for a line.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for (position, character) in text.chars().enumerate() {
        if position == LINE_LIMIT {
            shown.push('…');
            break;
        }
        if character.is_control() && character != '\n' {
            shown.extend(character.escape_debug());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::{Exit, ExitCode, Failure, printable};

    fn plain(failure: &Failure) -> String {
        anstream::adapter::strip_str(&failure.text()).to_string()
    }

    #[test]
    fn the_causes_follow_the_error_and_the_hint_comes_last() {
        let failure =
            Failure::new(Exit::CannotRun, "cannot run `a`").cause("one\ntwo").hint("do b");
        assert_eq!(plain(&failure), "error: cannot run `a`\n  one\n  two\n\nhint: do b\n");
        assert_eq!(failure.code(), ExitCode::from(126));
    }

    #[test]
    fn names_cannot_drive_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(printable(&"x".repeat(1000)).chars().count(), 401);
    }

    #[test]
    fn a_broken_pipe_is_no_failure() {
        let error = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert_eq!(Failure::output(&error).code(), ExitCode::SUCCESS);
        let error = std::io::Error::from(std::io::ErrorKind::StorageFull);
        assert_eq!(Failure::output(&error).code(), ExitCode::from(125));
    }
}
