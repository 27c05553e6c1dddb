//! What Vonage says when it does not do what it was asked.

use super::ours;
use super::response::{filled, text, text_of_value};
use crate::error::kind_of_code;
use crate::webhook::members;
use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{Response, StatusCode};
use serde_json::value::RawValue;
use std::time::{Duration, SystemTime};
use telephony_core::{Error, ErrorKind, Parameters, Retry, redact};

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RestOperation {
    /// Placing a call.
    PlaceCall,
    /// Ending a call.
    HangUp,
    /// Running another answer in a call.
    Transfer,
    /// Letting the others not hear a leg.
    Mute,
    /// Letting the others hear a leg again.
    Unmute,
    /// Letting a leg not hear the others.
    Earmuff,
    /// Letting a leg hear the others again.
    Unearmuff,
    /// Sending keys.
    SendDtmf,
    /// Speaking a text.
    StartTalk,
    /// Ending that.
    StopTalk,
    /// Playing a file.
    StartStream,
    /// Ending that.
    StopStream,
    /// Having keys reported.
    SubscribeDtmf,
    /// Ending that.
    UnsubscribeDtmf,
    /// Asking where a call is.
    FetchCall,
    /// Asking for calls.
    ListCalls,
    /// Fetching a recording.
    FetchRecording,
}

impl RestOperation {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::PlaceCall,
        Self::HangUp,
        Self::Transfer,
        Self::Mute,
        Self::Unmute,
        Self::Earmuff,
        Self::Unearmuff,
        Self::SendDtmf,
        Self::StartTalk,
        Self::StopTalk,
        Self::StartStream,
        Self::StopStream,
        Self::SubscribeDtmf,
        Self::UnsubscribeDtmf,
        Self::FetchCall,
        Self::ListCalls,
        Self::FetchRecording,
    ];

    /// The name of it in errors.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PlaceCall => "place call",
            Self::HangUp => "hang up",
            Self::Transfer => "transfer call",
            Self::Mute => "mute",
            Self::Unmute => "unmute",
            Self::Earmuff => "earmuff",
            Self::Unearmuff => "unearmuff",
            Self::SendDtmf => "send DTMF",
            Self::StartTalk => "start talk",
            Self::StopTalk => "stop talk",
            Self::StartStream => "start stream",
            Self::StopStream => "stop stream",
            Self::SubscribeDtmf => "subscribe to DTMF",
            Self::UnsubscribeDtmf => "unsubscribe from DTMF",
            Self::FetchCall => "fetch call",
            Self::ListCalls => "list calls",
            Self::FetchRecording => "fetch recording",
        }
    }

    /// What is to be said if nobody knows whether it was done.
    pub(crate) const fn when_unknown(self) -> &'static str {
        match self {
            Self::PlaceCall => LOOK_IT_UP,
            _ => LOOK_AT_IT,
        }
    }

    /// Whether doing it twice is the same as doing it once, so that it may be asked again when nobody knows whether it was
    /// done. Not for what would be heard or dialled twice, nor for a transfer: a stream in it has a token that is good for
    /// one socket.
    #[must_use]
    pub fn is_repeatable(self) -> bool {
        !matches!(
            self,
            Self::PlaceCall | Self::Transfer | Self::SendDtmf | Self::StartTalk | Self::StartStream
        )
    }
}

/// Whether Vonage says that there is no such call: for a hang-up that is success, if it was asked in the call's region.
#[must_use]
pub fn is_gone(response: &Response<Bytes>) -> bool {
    matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::GONE)
}

/// The error that a response without success is. `now` is for a `Retry-After` that is a date.
///
/// | status | kind | retry |
/// |---|---|---|
/// | 400, 413, 414, 415, 422 | `InvalidArgument` | never |
/// | 401 | `Configuration` | never |
/// | 402, 403 | `Refused` | never |
/// | 404, 410 | `NotFound` | never |
/// | 408, 504 | `Timeout` | [repeatable](RestOperation::is_repeatable): safe; else: outcome unknown |
/// | 429 | `RateLimited` | safe, or after the time of `Retry-After`, for every operation: it was not done |
/// | other 5xx | `Carrier` | as 504 |
/// | anything else | `Carrier` | never |
#[must_use]
pub fn failure(operation: RestOperation, response: &Response<Bytes>, now: SystemTime) -> Error {
    let status = response.status();
    let body = Words::of(response);
    let kind = match status {
        StatusCode::GONE => ErrorKind::NotFound,
        status => kind_of_code(status.as_str()),
    };
    let said = body
        .said
        .as_deref()
        .map(mask)
        .filter(|said| !said.is_empty());
    let said = said.unwrap_or_else(|| {
        let reason = status.canonical_reason().unwrap_or("an unknown status");
        format!("Vonage answered `{reason}` and nothing that can be read")
    });
    let detail = match advice(operation, status) {
        Some(advice) => format!("{said}; {advice}"),
        None => said,
    };
    let mut error = ours(Error::new(kind, operation.name(), detail))
        .with_http_status(status.as_u16())
        .with_retry(retry(operation, response, now));
    // Where `type` repeats the status it says nothing new.
    if let Some(code) = body.code.filter(|code| code != status.as_str()) {
        error = error.with_provider_code(code);
    }
    with_request_id(error, response, body.instance)
}

/// A success that cannot be read.
pub(super) fn unreadable(operation: RestOperation, response: &Response<Bytes>) -> Error {
    let (retry, advice) = if operation.is_repeatable() {
        (Retry::Safe, "try again")
    } else {
        (Retry::OutcomeUnknown, operation.when_unknown())
    };
    let detail = format!("Vonage's answer cannot be read; {advice}");
    let error = ours(Error::new(ErrorKind::Carrier, operation.name(), detail))
        .with_http_status(response.status().as_u16())
        .with_retry(retry);
    with_request_id(error, response, None)
}

const LOOK_IT_UP: &str = "nobody knows whether the call was placed: look with `Calls::find_placed` before placing it again";
const LOOK_AT_IT: &str =
    "nobody knows whether it was done: fetch the call to see how it is before doing it again";

fn advice(operation: RestOperation, status: StatusCode) -> Option<&'static str> {
    let places = operation == RestOperation::PlaceCall;
    Some(match status.as_u16() {
        300..=399 => "redirects are not followed: check `base_url`",
        401 => {
            "check that `application_id` and `private_key` belong together, and this machine's clock"
        }
        402 => "check the balance of the account",
        403 => "check what the account, the application and its numbers may do",
        404 | 410 if places => "check `base_url`",
        404 | 410 if operation == RestOperation::FetchRecording => {
            "it may not be there yet; a recording is kept for 30 days, and is the application's that made it"
        }
        404 | 410 if operation != RestOperation::ListCalls => {
            "the call is over, or lives in another region: use the `region_url` of its webhook"
        }
        429 if places => {
            "an account may place 3 calls per second by default, dials in answers included: set `calls_per_second` to \
             what is left"
        }
        429 => "an account may send 15 requests per second by default",
        408 | 500..=599 if !operation.is_repeatable() => operation.when_unknown(),
        408 | 500..=599 => "try again later",
        _ => return None,
    })
}

fn retry(operation: RestOperation, response: &Response<Bytes>, now: SystemTime) -> Retry {
    let after = || retry_after(response, now).map_or(Retry::Safe, Retry::After);
    match response.status().as_u16() {
        429 => after(),
        408 | 500..=599 if operation.is_repeatable() => after(),
        408 | 500..=599 => Retry::OutcomeUnknown,
        _ => Retry::Never,
    }
}

/// Seconds or a date (RFC 9110). Over a day is taken for a day.
fn retry_after(response: &Response<Bytes>, now: SystemTime) -> Option<Duration> {
    const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let wait = if is_number {
        // What does not fit is very long.
        value.parse().map_or(LONGEST, Duration::from_secs)
    } else {
        let moment = httpdate::parse_http_date(value).ok()?;
        moment.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(LONGEST))
}

/// Vonage does not document an id of a request; problem documents have one in `instance`, and these headers are usual.
fn with_request_id(error: Error, response: &Response<Bytes>, instance: Option<String>) -> Error {
    let header = |name: &&str| {
        response
            .headers()
            .get(*name)?
            .to_str()
            .ok()
            .map(str::to_owned)
    };
    let id = ["x-request-id", "x-nexmo-trace-id", "x-correlation-id"]
        .iter()
        .find_map(header)
        .or(instance);
    let fits = |id: &String| is_code(id) && *id == redact::text(id);
    match id.filter(fits) {
        Some(id) => error.with_request_id(id),
        None => error,
    }
}

/// What the body of an error says, whichever shape it has.
#[derive(Default)]
struct Words {
    code: Option<String>,
    said: Option<String>,
    instance: Option<String>,
}

impl Words {
    fn of(response: &Response<Bytes>) -> Self {
        // A gateway may answer with HTML, which says nothing that people should read in a log.
        let Some(body) = text(response).and_then(members) else {
            return Self::default();
        };
        let first = |names: &[&str]| {
            let is_text = |text: &&str| !text.starts_with(['{', '[']);
            let find = |name: &&str| filled(&body, name).filter(is_text);
            names.iter().find_map(find).map(str::to_owned)
        };
        let title = first(&["error_title", "title"]);
        let detail = first(&[
            "detail",
            "message",
            "description",
            "msg_error",
            "error-code-label",
            "error",
        ]);
        let mut said: Vec<String> = [title, detail].into_iter().flatten().collect();
        said.extend(invalid_parameters(&body));
        said.dedup();
        let code = first(&["type", "code", "error_code", "error-code"]);
        Self {
            code: code.and_then(|code| short_code(&code)),
            said: (!said.is_empty()).then(|| said.join(": ")),
            instance: first(&["instance", "trace_id"]),
        }
    }
}

/// `number can contain up to 15 digits`, for each of them.
fn invalid_parameters(body: &Parameters) -> Option<String> {
    let listed = filled(body, "invalid_parameters")?;
    let entries: Vec<&RawValue> = serde_json::from_str(listed).ok()?;
    let read = |entry: &&RawValue| {
        let Some(parameter) = members(entry.get()) else {
            return text_of_value(entry);
        };
        let name = filled(&parameter, "name").unwrap_or("a parameter");
        let reason = filled(&parameter, "reason").unwrap_or("is not valid");
        format!("`{name}` {reason}")
    };
    let entries: Vec<String> = entries.iter().take(5).map(read).collect();
    (!entries.is_empty()).then(|| entries.join(", "))
}

/// The last part of a problem's URL, or the word or number as it is.
fn short_code(code: &str) -> Option<String> {
    let code = if code.contains("://") {
        code.trim_end_matches('/').rsplit(['#', '/']).next()?
    } else {
        code
    };
    (is_code(code) && code != "about:blank").then(|| code.to_owned())
}

/// A word or an id, with nothing in it that could be an address or a link.
fn is_code(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:=".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

/// Letters and digits in a long row: a secret or a token has such, an id or a sentence does not.
fn looks_like_a_key(word: &str) -> bool {
    const KEY_CHARS: usize = 20;
    let mut runs = word.split(|c: char| !c.is_ascii_alphanumeric());
    runs.any(|run| {
        run.len() >= KEY_CHARS
            && run.bytes().any(|byte| byte.is_ascii_digit())
            && run.bytes().any(|byte| byte.is_ascii_alphabetic())
    })
}

/// Vonage may repeat what it was sent, and that has addresses and our media URL in it: links, addresses and long runs are
/// left out. Numbers are masked by the error.
fn mask(said: &str) -> String {
    const LONGEST_WORD: usize = 48;
    const LONGEST: usize = 300;
    let clean = |word: &str| {
        let is_private = word.contains("://")
            || word.contains('@')
            || word.to_ascii_lowercase().contains("/media/")
            || word.chars().count() > LONGEST_WORD
            || looks_like_a_key(word);
        if is_private {
            "[…]".to_owned()
        } else {
            word.to_owned()
        }
    };
    let words: Vec<String> = said.split_whitespace().map(clean).collect();
    let mut text = words.join(" ");
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
    text
}
