//! Failed requests as the library's error.

use super::body::Fields;
use super::{RestOperation, date};
use crate::NAME;
use crate::error::{kind_of_code, meaning_of_code};
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use std::time::{Duration, SystemTime};
use telephony_core::{Error, ErrorKind, Retry};

/// Where Twilio puts its id of a request (field reports), and where gateways do.
const REQUEST_ID: [&str; 2] = ["twilio-request-id", "x-request-id"];
const REQUEST_ID_CHARS: usize = 128;
const CODE_CHARS: usize = 32;
/// How much of the carrier's own words is passed on.
const MESSAGE_CHARS: usize = 200;
const WORD_CHARS: usize = 40;

/// What an answer that is no success means. `now` is when it came, for a `Retry-After` with a date.
///
/// | body | from |
/// |---|---|
/// | `{"code", "message", "more_info", "status"}` | the API (Twilio docs, SDKs) |
/// | `{"code", "message", "httpStatusCode", "params", "userError"}` | newer APIs (SDKs) |
/// | `{"errors": [{"code", "message", "infoUrl"}]}` | the newest (Twilio docs) |
/// | `<TwilioResponse><RestException><Code/><Message/>…` | the API where it answers XML (Twilio docs) |
/// | anything else, nothing | gateways: only the HTTP status counts |
///
/// | | retry |
/// |---|---|
/// | 429, code 20429: "never processed and always safe to retry" (Twilio docs) | `After`, as `Retry-After` says, or `Safe` |
/// | 4xx with code 10004: too many calls at once | the same |
/// | 408, 5xx | `OutcomeUnknown`, for a repeatable operation `After` or `Safe` |
/// | 404 for a recording, which may not be ready yet | `Safe` |
/// | anything else | `Never` |
///
/// The error's text never has the carrier's words where the code is known, and else only words in which there is nothing
/// that could be a number, an address or a secret.
#[must_use]
pub fn failure(operation: RestOperation, response: &Response<Bytes>, now: SystemTime) -> Error {
    let status = response.status();
    let body = Fields::read(response.body()).unwrap_or_default();
    let inner = body
        .list("errors")
        .and_then(|errors| Fields::of(errors.first()?));
    let body = inner.unwrap_or(body);
    let code = body.text("code");
    let number: Option<u32> = body.parsed("code");

    let kind = kind_of(status, number);
    let retry = retry_of(operation, status, number, response.headers(), now);
    let said = number.and_then(meaning_of_code).map(str::to_owned);
    let said = said
        .or_else(|| cleaned(&body.text("message")?))
        .unwrap_or_else(|| meaning_of_status(status).to_owned());
    let detail = match advice(operation, kind, retry) {
        Some(advice) => format!("{said}; {advice}"),
        None => said,
    };
    let mut error = Error::new(kind, operation.name(), detail)
        .with_provider(NAME)
        .with_http_status(status.as_u16())
        .with_retry(retry);
    if let Some(code) = code.filter(|code| is_word(code, CODE_CHARS)) {
        error = error.with_provider_code(code);
    }
    match request_id(response.headers()) {
        Some(id) => error.with_request_id(id),
        None => error,
    }
}

/// What went wrong without an answer of Twilio's: the HTTP client's error, or that too many requests are waiting. What an
/// answer says stays as it is.
pub(crate) fn unanswered(operation: RestOperation, error: Error) -> Error {
    if error.provider().is_some() {
        return error;
    }
    let retry = match (error.kind(), error.retry(), operation.is_repeatable()) {
        // There was an answer that the client did not take: it was too large.
        (ErrorKind::Carrier, Retry::Never, false) => Retry::OutcomeUnknown,
        (_, retry, _) => retry,
    };
    let kind = error.kind();
    let is_in_transit = matches!(
        kind,
        ErrorKind::Transport | ErrorKind::Timeout | ErrorKind::Carrier
    );
    match advice(operation, kind, retry).filter(|_| is_in_transit) {
        None => error.with_provider(NAME),
        Some(advice) => {
            let detail = format!("{}; {advice}", error.detail());
            Error::new(kind, operation.name(), detail)
                .with_provider(NAME)
                .with_retry(retry)
                .with_source(error)
        }
    }
}

/// Whether the error says that the call, or the recording, is over or not there: for who wants it to end, that is success.
#[must_use]
pub fn is_gone(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Closed)
}

/// A success that cannot be read. What was asked for was done, or may have been.
pub(super) fn unreadable(
    operation: RestOperation,
    response: &Response<Bytes>,
    what: &str,
) -> Error {
    let retry = match operation.is_repeatable() {
        true => Retry::Safe,
        false => Retry::OutcomeUnknown,
    };
    let detail = match advice(operation, ErrorKind::Carrier, retry) {
        Some(advice) => format!("{what}; {advice}"),
        None => what.to_owned(),
    };
    let error = Error::new(ErrorKind::Carrier, operation.name(), detail)
        .with_provider(NAME)
        .with_http_status(response.status().as_u16())
        .with_retry(retry);
    match request_id(response.headers()) {
        Some(id) => error.with_request_id(id),
        None => error,
    }
}

fn kind_of(status: StatusCode, code: Option<u32>) -> ErrorKind {
    // `Carrier` stands for codes that are not known, too.
    let by_code = code
        .map(kind_of_code)
        .filter(|kind| *kind != ErrorKind::Carrier);
    by_code.unwrap_or_else(|| match status.as_u16() {
        // Redirects are not followed: `base_url` is not where the API is.
        300..=399 | 401 | 407 | 426 => ErrorKind::Configuration,
        402 | 403 | 409 | 451 => ErrorKind::Refused,
        404 | 410 => ErrorKind::NotFound,
        408 | 504 => ErrorKind::Timeout,
        429 => ErrorKind::RateLimited,
        400..=499 => ErrorKind::InvalidArgument,
        _ => ErrorKind::Carrier,
    })
}

fn retry_of(
    operation: RestOperation,
    status: StatusCode,
    code: Option<u32>,
    headers: &HeaderMap,
    now: SystemTime,
) -> Retry {
    let later = || match retry_after(headers, now) {
        Some(pause) if !pause.is_zero() => Retry::After(pause),
        _ => Retry::Safe,
    };
    let was_refused = status == StatusCode::TOO_MANY_REQUESTS
        || code == Some(20429)
        || (code == Some(10004) && status.is_client_error());
    if was_refused {
        return later();
    }
    let is_ambiguous = status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT;
    match (is_ambiguous, operation.is_repeatable()) {
        (true, true) => later(),
        (true, false) => Retry::OutcomeUnknown,
        (false, _)
            if operation == RestOperation::FetchRecording && status == StatusCode::NOT_FOUND =>
        {
            later()
        }
        (false, _) => Retry::Never,
    }
}

/// Seconds or a date (RFC 9110).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    Some(date::parse(text)?.duration_since(now).unwrap_or_default())
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = REQUEST_ID.iter().find_map(|name| headers.get(*name))?;
    let id = id.to_str().ok()?.trim();
    is_word(id, REQUEST_ID_CHARS).then(|| telephony_core::redact::text(id))
}

/// Whether this is an id or a code, and not a text.
fn is_word(text: &str, longest: usize) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=longest).contains(&text.len()) && text.bytes().all(fits)
}

fn meaning_of_status(status: StatusCode) -> &'static str {
    match status.as_u16() {
        300..=399 => "the answer leads to another address, where no credentials are sent",
        401 => "the credentials are not accepted",
        403 => "the account may not do that",
        404 | 410 => "there is no such call or resource",
        408 | 504 => "no answer came in time",
        409 => "something else changes it at the same time",
        413 => "the request is too large",
        429 => "too many requests",
        400..=499 => "the request was not accepted",
        500..=599 => "the service failed",
        _ => "this is no answer of the API",
    }
}

/// What to do about it.
fn advice(operation: RestOperation, kind: ErrorKind, retry: Retry) -> Option<&'static str> {
    Some(match (retry, kind, operation) {
        (Retry::OutcomeUnknown, _, RestOperation::PlaceCall) => {
            "nobody knows whether the call was placed: look for it with `Calls::find_placed` before it is placed again"
        }
        (Retry::OutcomeUnknown, _, RestOperation::StartRecording) => {
            "the recording may have begun: wait for its callback before it is started again"
        }
        (Retry::OutcomeUnknown, ..) => {
            "it may have been done: fetch the call before it is done again"
        }
        (_, ErrorKind::NotFound, RestOperation::FetchRecording) => {
            "it may not be ready yet: try again after a pause, or wait for its callback"
        }
        (Retry::Safe | Retry::After(_), ..) => "try again after a pause",
        (_, ErrorKind::Configuration, _) => {
            "check the account's SID, its auth token or API key, and that they are of the region that is asked"
        }
        (_, ErrorKind::NotFound, RestOperation::PlaceCall | RestOperation::FindCalls) => {
            "check the account's SID and `base_url`"
        }
        (_, ErrorKind::NotFound, _) => "it is over, or is of another account or region",
        (_, ErrorKind::Closed, _) => "it is over, or was not answered yet",
        _ => return None,
    })
}

/// The carrier's words without those that could be somebody's number, address, URL or secret.
fn cleaned(message: &str) -> Option<String> {
    let is_plain = |word: &&str| {
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        let letters = word.chars().filter(|c| c.is_alphabetic()).count();
        let is_mixed = digits > 0 && letters > 0;
        digits < 6
            && !(is_mixed && word.chars().count() > 12)
            && word.chars().count() <= WORD_CHARS
            && !word.contains(['@', '/', '%', '<', '>', '=', '{', '\u{fffd}'])
            && !word.trim_end_matches(':').contains(':')
    };
    let words: Vec<&str> = message
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .take(MESSAGE_CHARS)
        .map(|word| if is_plain(&word) { word } else { "[…]" })
        .collect();
    let text: String = words.join(" ").chars().take(MESSAGE_CHARS).collect();
    words.iter().any(|word| *word != "[…]").then_some(text)
}
