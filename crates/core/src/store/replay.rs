//! Requests that come again, and the answers that they got.

use crate::{AccountLabel, Error, ErrorKind, Result};
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// The longest body of an answer that is kept: 64 KiB. No carrier takes a longer document.
pub const MAX_ANSWER_BODY: usize = 64 << 10;

/// What tells a request from all others of its account: the carrier's replay key, or a fingerprint of the request.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestName {
    account: AccountLabel,
    // A store may hold it several times.
    name: Arc<str>,
}

impl RequestName {
    /// The request of that account that is called `name`.
    #[must_use]
    pub fn new(account: AccountLabel, name: impl Into<Arc<str>>) -> Self {
        Self {
            account,
            name: name.into(),
        }
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> &AccountLabel {
        &self.account
    }

    /// The name. It may hold what the carrier signs with: not for logs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for RequestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestName({})", self.account)
    }
}

/// An answer that a request got. `Debug` does not show its body.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The media type of the body.
    pub content_type: Option<String>,
    /// The body.
    pub body: Bytes,
}

impl KeptAnswer {
    /// An answer with that status, media type and body.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] if the body is longer than [`MAX_ANSWER_BODY`].
    pub fn new(status: u16, content_type: Option<&str>, body: Bytes) -> Result<Self> {
        if body.len() > MAX_ANSWER_BODY {
            let detail = "an answer of more than 64 KiB is not kept";
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "keep answer",
                detail,
            ));
        }
        let content_type = content_type.map(str::to_owned);
        Ok(Self {
            status,
            content_type,
            // Not the larger buffer that it may be a part of.
            body: Bytes::copy_from_slice(&body),
        })
    }
}

impl fmt::Debug for KeptAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeptAnswer({}, {} bytes)", self.status, self.body.len())
    }
}

/// Says whose turn it is to work on a request. The store makes it; who got it hands it back with the answer, so that who was
/// too late does not end the turn of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn(String);

impl Turn {
    /// A turn that the store knows by `mark`: another one for each.
    #[must_use]
    pub fn new(mark: impl Into<String>) -> Self {
        Self(mark.into())
    }

    /// The mark.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a request came before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirstTime {
    /// It did not: the asker works on it, and [keeps its answer](super::CallStore::keep_answer).
    Yes(Turn),
    /// It did, and got this answer.
    Answered(KeptAnswer),
    /// It did, and is still being worked on.
    InProgress,
}
