//! [`Answer`] → NCCO, the JSON array of actions by which Vonage runs a call.
//!
//! | step | action | limits (otherwise [`InvalidArgument`](telephony_core::ErrorKind::InvalidArgument)) |
//! |---|---|---|
//! | stream | `connect` to a `websocket`, with `eventType: synchronous` | the last action; headers of 512 bytes; 8000, 16000 or 24000 Hz |
//! | say | `talk` | 1500 characters; the voice is the number of a `style` |
//! | play | `stream` | `http(s)` URL |
//! | gather | `talk`/`stream` with `bargeIn`, then `input` | 0–10 s for keys, 1–60 s for speech, 1–22 keys, ends with `#` or no key |
//! | dial | `connect` to a `phone`, `sip`, `app` or `vbc`, with `eventType: synchronous` | the last action; one target; rings 3–7200 s; lasts 1–7200 s |
//! | pause | `wait` | 0.1–7200 s |
//! | redirect | `notify` to the URL, whose response replaces the rest | `http(s)` URL |
//! | hang up | none: a call ends with its NCCO | the last step |
//! | reject | – | Vonage answers a call before it runs an NCCO |
//!
//! A `connect` is done as soon as the other side has answered, so what follows it is heard at the start and not at the end
//! (field reports; Vonage's own samples of one recording over two `connect`s rely on it). So nothing but a hang-up may follow
//! a stream or a dial; what comes after is the answer to the event.

mod document;
mod ncco;
mod steps;

use crate::config::VonageConfig;
use bytes::Bytes;
use telephony_core::{Answer, Answered, CallLinks, Error, ErrorKind, Result};

pub(crate) const CONTENT_TYPE: &str = "application/json";

/// Writes the answer.
pub(crate) fn write(config: &VonageConfig, answer: &Answer, links: &CallLinks) -> Result<Answered> {
    let body = match answer.as_document() {
        Some(document) => document::fill(document, links)?.into(),
        None => steps::write(config, answer.steps(), links)?,
    };
    Ok(Answered::document(CONTENT_TYPE, body))
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
