//! [`Answer`] → NCCO, the JSON array of actions by which Vonage runs a call.
//! The table of steps is in the docs of the crate.

mod document;
mod ncco;
mod steps;

pub(crate) use steps::{
    MAX_HEADER_BYTES, MAX_TEXT_CHARS, RESERVED_HEADERS, http_url, language, number, whole_seconds,
};

use crate::config::VonageConfig;
use bytes::Bytes;
use telephony_core::{Answer, Answered, CallLinks, Error, ErrorKind, Result};

pub(crate) const CONTENT_TYPE: &str = "application/json";

/// Writes the answer.
pub(crate) fn write(config: &VonageConfig, answer: &Answer, links: &CallLinks) -> Result<Answered> {
    Ok(Answered::document(
        CONTENT_TYPE,
        ncco(config, answer, links)?,
    ))
}

/// The answer as a JSON array of actions.
pub(crate) fn ncco(config: &VonageConfig, answer: &Answer, links: &CallLinks) -> Result<Bytes> {
    match answer.as_document() {
        Some(document) => Ok(document::fill(document, links)?.into()),
        None => steps::write(config, answer.steps(), links),
    }
}

/// An NCCO without actions.
pub(crate) fn empty() -> Answered {
    Answered::document(CONTENT_TYPE, Bytes::from_static(b"[]"))
}

fn unsupported(detail: &str) -> Error {
    Error::unsupported("write answer", detail)
}

fn invalid(detail: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, "write answer", detail)
}
