//! One error for the whole library: what was being done, for which carrier, what it said, and whether to try again.
//!
//! ```
//! use telephony_core::{Error, ErrorKind, Retry};
//!
//! let error = Error::new(ErrorKind::RateLimited, "place call", "too many requests")
//!     .with_provider("twilio")
//!     .with_provider_code("20429")
//!     .with_http_status(429)
//!     .with_retry(Retry::Safe);
//! assert_eq!(error.to_string(), "twilio: place call: too many requests (code 20429, HTTP 429)");
//! ```

use crate::{ProviderName, redact};
use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// The library's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of thing went wrong; what a program decides by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The configuration is missing something or has something wrong.
    Configuration,
    /// No carrier of that name is known, or it was not compiled in.
    UnknownProvider,
    /// A webhook or an upgrade is not from who it should be from.
    Unauthenticated,
    /// What came in cannot be read.
    Malformed,
    /// The carrier, or this operation of it, cannot do that. Nothing was sent and the call is as it was.
    Unsupported,
    /// What the caller of this library asked for makes no sense.
    InvalidArgument,
    /// The call, stream, token or recording is not known.
    NotFound,
    /// Somebody has it already: a second socket for one stream.
    AlreadyClaimed,
    /// The carrier refuses: blocked number, no permission, no balance.
    Refused,
    /// Too many requests.
    RateLimited,
    /// Something took longer than its deadline.
    Timeout,
    /// Audio was refused because the playback was cleared.
    Interrupted,
    /// The stream or call is over.
    Closed,
    /// The network or the peer failed.
    Transport,
    /// The call store failed.
    Store,
    /// The carrier's side failed, or said something that it does not document.
    Carrier,
    /// A fault of this library.
    Internal,
}

impl ErrorKind {
    /// A short word for logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::UnknownProvider => "unknown-provider",
            Self::Unauthenticated => "unauthenticated",
            Self::Malformed => "malformed",
            Self::Unsupported => "unsupported",
            Self::InvalidArgument => "invalid-argument",
            Self::NotFound => "not-found",
            Self::AlreadyClaimed => "already-claimed",
            Self::Refused => "refused",
            Self::RateLimited => "rate-limited",
            Self::Timeout => "timeout",
            Self::Interrupted => "interrupted",
            Self::Closed => "closed",
            Self::Transport => "transport",
            Self::Store => "store",
            Self::Carrier => "carrier",
            Self::Internal => "internal",
        }
    }
}

/// Whether and how the same thing may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Retry {
    /// It would fail again, or nobody knows that it would not.
    #[default]
    Never,
    /// It was not done; it may be tried again after a pause.
    Safe,
    /// It was not done; it may be tried again after this time.
    After(Duration),
    /// It may have been done: find out first.
    OutcomeUnknown,
}

/// What went wrong. One pointer wide; prints as one line without secrets and without phone numbers.
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    provider: Option<ProviderName>,
    operation: &'static str,
    detail: String,
    provider_code: Option<String>,
    http_status: Option<u16>,
    request_id: Option<String>,
    retry: Retry,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of that kind while doing `operation` (a verb phrase such as `"verify webhook"`).
    /// `detail` says what is wrong and, where it helps, what to do; line breaks become spaces and long runs of digits are
    /// masked, so that a carrier's own words may be passed.
    pub fn new<'a>(
        kind: ErrorKind,
        operation: &'static str,
        detail: impl Into<Cow<'a, str>>,
    ) -> Self {
        Self(Box::new(Inner {
            kind,
            provider: None,
            operation,
            detail: redact::text(&detail.into()),
            provider_code: None,
            http_status: None,
            request_id: None,
            retry: Retry::Never,
            source: None,
        }))
    }

    /// Something in the configuration is missing or wrong.
    pub fn configuration<'a>(detail: impl Into<Cow<'a, str>>) -> Self {
        Self::new(ErrorKind::Configuration, "configure", detail)
    }

    /// A webhook that cannot be trusted.
    pub fn unauthenticated<'a>(detail: impl Into<Cow<'a, str>>) -> Self {
        Self::new(ErrorKind::Unauthenticated, "verify webhook", detail)
    }

    /// A webhook that cannot be read.
    pub fn malformed<'a>(detail: impl Into<Cow<'a, str>>) -> Self {
        Self::new(ErrorKind::Malformed, "read webhook", detail)
    }

    /// Something that the carrier cannot do.
    pub fn unsupported<'a>(operation: &'static str, detail: impl Into<Cow<'a, str>>) -> Self {
        Self::new(ErrorKind::Unsupported, operation, detail)
    }

    /// Names the carrier.
    #[must_use]
    pub fn with_provider(mut self, provider: impl Into<ProviderName>) -> Self {
        self.0.provider = Some(provider.into());
        self
    }

    /// Keeps the carrier's own error code.
    #[must_use]
    pub fn with_provider_code(mut self, code: impl AsRef<str>) -> Self {
        self.0.provider_code = Some(redact::text(code.as_ref()));
        self
    }

    /// Keeps the status of the carrier's HTTP answer.
    #[must_use]
    pub fn with_http_status(mut self, status: u16) -> Self {
        self.0.http_status = Some(status);
        self
    }

    /// Keeps the carrier's id of the request, to quote to its support.
    #[must_use]
    pub fn with_request_id(mut self, id: impl Into<String>) -> Self {
        self.0.request_id = Some(id.into());
        self
    }

    /// Says whether to try again.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Keeps what caused it. Its text is not repeated in ours; it must be free of secrets and numbers.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What kind of thing went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The carrier that it is about.
    #[must_use]
    pub fn provider(&self) -> Option<&ProviderName> {
        self.0.provider.as_ref()
    }

    /// What was being done.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// What is wrong, without the carrier's name, the operation and the codes.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The carrier's own error code.
    #[must_use]
    pub fn provider_code(&self) -> Option<&str> {
        self.0.provider_code.as_deref()
    }

    /// The status of the carrier's HTTP answer.
    #[must_use]
    pub fn http_status(&self) -> Option<u16> {
        self.0.http_status
    }

    /// The carrier's id of the request.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// Whether to try again.
    #[must_use]
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// Whether audio was refused because the playback was cleared: the caller spoke.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.kind() == ErrorKind::Interrupted
    }

    /// Whether the stream or call is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.kind() == ErrorKind::Closed
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            provider,
            operation,
            detail,
            provider_code,
            http_status,
            ..
        } = &*self.0;
        if let Some(provider) = provider {
            write!(f, "{provider}: ")?;
        }
        write!(f, "{operation}: {detail}")?;
        match (provider_code, http_status) {
            (Some(code), Some(status)) => write!(f, " (code {code}, HTTP {status})"),
            (Some(code), None) => write!(f, " (code {code})"),
            (None, Some(status)) => write!(f, " (HTTP {status})"),
            (None, None) => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_one_pointer_wide_and_one_line() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        let error = Error::malformed("first\r\nsecond +14155550100 third").with_provider("acme");
        assert_eq!(
            error.to_string(),
            "acme: read webhook: first  second [number] third"
        );
        assert!(!format!("{error:?}").contains("4155550100"));
    }

    #[test]
    fn does_not_repeat_its_source() {
        let error = Error::configuration("no file").with_source("the source");
        assert_eq!(error.to_string(), "configure: no file");
        assert_eq!(
            error.source().map(ToString::to_string).as_deref(),
            Some("the source")
        );
    }
}
