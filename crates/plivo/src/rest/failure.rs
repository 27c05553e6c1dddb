//! Failed requests as the library's error.

use super::RestOperation;
use crate::NAME;
use crate::error::{kind_of_status, meaning_of_status};
use bytes::Bytes;
use http::{HeaderMap, Response, header};
use serde_json::Value;
use std::time::Duration;
use telephony_core::{Error, ErrorKind, Retry};

const REQUEST_ID_CHARS: usize = 128;
/// How much of the carrier's own words is passed on.
const MESSAGE_CHARS: usize = 200;

/// What an answer that is no success means.
///
/// | | retry |
/// |---|---|
/// | 429 | `After`, as `Retry-After` says, or `Safe` |
/// | 408, 5xx | `OutcomeUnknown`; for hanging up and reading `Safe` |
/// | anything else | `Never` |
///
/// Of the carrier's words (`error` or `message`) only those are passed on in which there is nothing that could be a number, an
/// address or a secret.
#[must_use]
pub fn failure(operation: RestOperation, response: &Response<Bytes>) -> Error {
    let status = response.status().as_u16();
    let kind = kind_of_status(status);
    let retry = match status {
        429 => match retry_after(response.headers()) {
            Some(pause) if !pause.is_zero() => Retry::After(pause),
            _ => Retry::Safe,
        },
        408 | 500..=599 if operation.is_repeatable() => Retry::Safe,
        408 | 500..=599 => Retry::OutcomeUnknown,
        _ => Retry::Never,
    };
    let body: Option<Value> = serde_json::from_slice(response.body()).ok();
    let said = body.as_ref().and_then(words).and_then(|said| plain(&said));
    let meaning = meaning_of_status(status);
    let detail = match said {
        Some(said) => format!("{meaning}: {said}"),
        None => meaning.to_owned(),
    };
    let detail = match retry {
        Retry::OutcomeUnknown => format!("{detail}; {}", doubt(operation)),
        _ => detail,
    };
    let error = Error::new(kind, operation.name(), detail)
        .with_provider(NAME)
        .with_http_status(status)
        .with_retry(retry);
    match body.as_ref().and_then(request_id) {
        Some(id) => error.with_request_id(id),
        None => error,
    }
}

/// What went wrong without an answer of Plivo's: the HTTP client's error, or that too many requests are waiting. What an
/// answer says stays as it is.
pub(crate) fn unanswered(operation: RestOperation, error: Error) -> Error {
    match (error.provider(), error.retry()) {
        (Some(_), _) => error,
        (None, Retry::OutcomeUnknown) => {
            let detail = format!("{}; {}", error.detail(), doubt(operation));
            Error::new(error.kind(), operation.name(), detail)
                .with_provider(NAME)
                .with_retry(Retry::OutcomeUnknown)
                .with_source(error)
        }
        (None, _) => error.with_provider(NAME),
    }
}

/// Whether the error says that the call is over or not there: for who wants it to end, that is success.
#[must_use]
pub fn is_gone(error: &Error) -> bool {
    error.kind() == ErrorKind::NotFound
}

/// A success that names no call. What was asked for was done, or may have been.
pub(super) fn unreadable(operation: RestOperation, response: &Response<Bytes>) -> Error {
    let says = "the answer names no call";
    let (detail, retry) = match operation.is_repeatable() {
        true => (says.to_owned(), Retry::Safe),
        false => (
            format!("{says}; {}", doubt(operation)),
            Retry::OutcomeUnknown,
        ),
    };
    Error::new(ErrorKind::Carrier, operation.name(), detail)
        .with_provider(NAME)
        .with_http_status(response.status().as_u16())
        .with_retry(retry)
}

fn doubt(operation: RestOperation) -> &'static str {
    match operation {
        RestOperation::PlaceCall => {
            "nobody knows whether the call was placed: wait for its callbacks before it is placed again"
        }
        _ => "it may have been done",
    }
}

/// `error` is a text, or an object with one.
fn words(body: &Value) -> Option<String> {
    let error = body.get("error").or_else(|| body.get("message"))?;
    match error {
        Value::String(text) => Some(text.clone()),
        Value::Object(fields) => Some(fields.get("error")?.as_str()?.to_owned()),
        _ => None,
    }
}

/// The words without those that could be somebody's number, address, URL or secret.
fn plain(said: &str) -> Option<String> {
    let is_plain = |word: &&str| {
        let word = word.trim_matches(['.', ',', ':', ';', '!', '?', '"', '\'', '(', ')']);
        (1..=24).contains(&word.len())
            && word
                .bytes()
                .all(|byte| byte.is_ascii_alphabetic() || b"_-'".contains(&byte))
    };
    let words: Vec<&str> = said
        .split_whitespace()
        .map(|word| if is_plain(&word) { word } else { "[…]" })
        .collect();
    let text: String = words.join(" ").chars().take(MESSAGE_CHARS).collect();
    words.iter().any(|word| *word != "[…]").then_some(text)
}

fn request_id(body: &Value) -> Option<String> {
    let id = body.get("api_id")?.as_str()?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_id = (1..=REQUEST_ID_CHARS).contains(&id.len()) && id.bytes().all(fits);
    is_id.then(|| telephony_core::redact::text(id))
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}
