//! What the carrier has to say about the app, as data.
//!
//! A complaint is what a log of the carrier's console would hold, or what a person who knows the carrier would point
//! out: a document that it refuses, a frame of the wrong size, a socket left open. The simulator never panics about an
//! app; it goes on as the carrier would and writes complaints into the [`Outcome`](crate::Outcome).

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;

/// How bad a [`Complaint`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing: allowed, but it costs quality, or the simulator does not play this part of the carrier.
    Note,
    /// The carrier goes on and logs a warning, or users are known to regret it.
    Warning,
    /// The carrier refuses this, drops it, or ends the call over it.
    Error,
}

/// Something that the carrier would refuse, warn about or bill for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Complaint {
    /// How bad it is.
    pub severity: Severity,
    /// The carrier's own code where it has one (`"31951"`), otherwise a slug of the testkit (`"socket-left-open"`).
    pub code: Cow<'static, str>,
    /// What is wrong, for people. Holds neither numbers nor secrets.
    pub text: String,
    /// When, since the call began.
    #[serde(rename = "at_ms", serialize_with = "crate::outcome::as_millis")]
    pub at: Duration,
}

/// A complaint before the engine has put the time on it: what a persona returns.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The carrier's own code, or a slug.
    pub code: Cow<'static, str>,
    /// What is wrong, for people.
    pub text: String,
}

impl Finding {
    /// A finding of any severity.
    pub fn new(
        severity: Severity,
        code: impl Into<Cow<'static, str>>,
        text: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            code: code.into(),
            text: text.into(),
        }
    }

    /// The carrier refuses this.
    pub fn error(code: impl Into<Cow<'static, str>>, text: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, text)
    }

    /// The carrier warns about this.
    pub fn warning(code: impl Into<Cow<'static, str>>, text: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, text)
    }

    /// Worth knowing.
    pub fn note(code: impl Into<Cow<'static, str>>, text: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, text)
    }
}
