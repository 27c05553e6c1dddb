//! What people see: lines on stdout and stderr, with colours only on a terminal.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use telephony_testkit::Severity;

/// One of the two streams, and whether it takes colours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    pub(crate) fn stdout() -> Self {
        Self::new(io::stdout().is_terminal())
    }

    pub(crate) fn stderr() -> Self {
        Self::new(io::stderr().is_terminal())
    }

    /// `NO_COLOR` (<https://no-color.org>) and dumb terminals are obeyed.
    fn new(is_terminal: bool) -> Self {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            on: is_terminal && !is_set("NO_COLOR") && !is_dumb,
        }
    }

    pub(crate) fn bold(self, text: impl Display) -> String {
        self.with("1", text)
    }

    pub(crate) fn dim(self, text: impl Display) -> String {
        self.with("2", text)
    }

    pub(crate) fn good(self, text: impl Display) -> String {
        self.with("32", text)
    }

    pub(crate) fn bad(self, text: impl Display) -> String {
        self.with("31", text)
    }

    pub(crate) fn severity(self, severity: Severity, text: impl Display) -> String {
        match severity {
            Severity::Error => self.with("31", text),
            Severity::Warning => self.with("33", text),
            Severity::Note => self.with("36", text),
        }
    }

    fn with(self, code: &str, text: impl Display) -> String {
        if self.on {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_string()
        }
    }
}

/// A line on stdout. Whoever closes the pipe does not want the rest.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// A line on stderr.
pub(crate) fn tell(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// A line on stderr that the next one overwrites; nothing when stderr is no terminal.
pub(crate) fn status(line: &str) {
    let mut err = io::stderr().lock();
    if err.is_terminal() {
        let _ = write!(err, "\r\x1b[2K{line}");
        let _ = err.flush();
    }
}

/// Why the command failed.
pub(crate) fn complain(failure: &impl Display) {
    tell(format!("{} {failure}", Paint::stderr().bad("error:")));
}
