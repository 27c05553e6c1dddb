//! Faults on demand.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

use crate::engine::rest::Operation;

/// Something that goes wrong with a request of the app.
///
/// ```
/// use std::time::Duration;
/// use telephony_testkit::{Fault, Operation};
///
/// // The next two attempts to place a call are refused, and may be repeated after three seconds.
/// let fault = Fault::too_many_requests(Some(Duration::from_secs(3)))
///     .times(2)
///     .on(Operation::PlaceCall);
/// # drop(fault);
/// ```
#[derive(Clone)]
pub struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) times: usize,
    only: Option<Operation>,
}

#[derive(Clone)]
pub(crate) enum FaultKind {
    /// Not processed.
    Failure(RestFailure),
    Body {
        status: StatusCode,
        content_type: &'static str,
        body: String,
    },
    Redirect(String),
    CloseBefore,
    /// Processed.
    Slow(Duration),
    CloseAfter,
    Garbage,
    AfterFirstCallback,
}

/// A refusal that the test asked for: the carrier says it in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestFailure {
    /// Status.
    pub status: StatusCode,
    /// The carrier's own code, if the test wants a certain one.
    pub code: Option<String>,
    /// What goes into `Retry-After`.
    pub retry_after: Option<Duration>,
}

impl RestFailure {
    /// With a status; a number that is none becomes 500.
    pub fn new(status: u16) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code: None,
            retry_after: None,
        }
    }
}

impl Fault {
    /// Refused with this status and the carrier's documented error body. The request is not processed.
    pub fn status(status: u16) -> Self {
        Self::of(FaultKind::Failure(RestFailure::new(status)))
    }

    /// Refused with this status and one of the carrier's own error codes. The request is not processed.
    pub fn code(status: u16, code: impl Into<String>) -> Self {
        Self::of(FaultKind::Failure(RestFailure {
            code: Some(code.into()),
            ..RestFailure::new(status)
        }))
    }

    /// Refused with 429, perhaps with `Retry-After` (whole seconds). The request is not processed.
    pub fn too_many_requests(retry_after: Option<Duration>) -> Self {
        Self::of(FaultKind::Failure(RestFailure {
            retry_after,
            ..RestFailure::new(429)
        }))
    }

    /// Answered with exactly this. The request is not processed.
    pub fn body(status: u16, content_type: &'static str, body: impl Into<String>) -> Self {
        Self::of(FaultKind::Body {
            status: RestFailure::new(status).status,
            content_type,
            body: body.into(),
        })
    }

    /// Answered with a redirect (307) to a URL, perhaps on a foreign host. The request is not processed.
    pub fn redirect(location: impl Into<String>) -> Self {
        Self::of(FaultKind::Redirect(location.into()))
    }

    /// The connection is closed without an answer. The request is not processed.
    pub fn close_before() -> Self {
        Self::of(FaultKind::CloseBefore)
    }

    /// The request is processed, and then the connection is closed without an answer.
    pub fn close_after() -> Self {
        Self::of(FaultKind::CloseAfter)
    }

    /// The request is processed at once, and answered after this time (wall time).
    pub fn slow(delay: Duration) -> Self {
        Self::of(FaultKind::Slow(delay))
    }

    /// The request is processed, and the answer has its status and a body that cannot be read.
    pub fn garbage() -> Self {
        Self::of(FaultKind::Garbage)
    }

    /// The request is processed, and answered only when the app has answered the first webhook or callback of the call.
    pub fn after_first_callback() -> Self {
        Self::of(FaultKind::AfterFirstCallback)
    }

    /// For the next so many requests; once is the default.
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// Only for requests that want this.
    pub fn on(mut self, operation: Operation) -> Self {
        self.only = Some(operation);
        self
    }

    pub(crate) fn strikes(&self, operation: Operation) -> bool {
        self.times > 0 && self.only.is_none_or(|only| only == operation)
    }

    fn of(kind: FaultKind) -> Self {
        Self {
            kind,
            times: 1,
            only: None,
        }
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            FaultKind::Failure(failure) => return failure.fmt(f),
            FaultKind::Body { .. } => "body",
            FaultKind::Redirect(_) => "redirect",
            FaultKind::CloseBefore => "close before",
            FaultKind::Slow(_) => "slow",
            FaultKind::CloseAfter => "close after",
            FaultKind::Garbage => "garbage",
            FaultKind::AfterFirstCallback => "after the first callback",
        };
        f.debug_struct("Fault")
            .field("kind", &kind)
            .field("times", &self.times)
            .field("only", &self.only)
            .finish()
    }
}
