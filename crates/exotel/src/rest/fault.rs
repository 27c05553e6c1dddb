//! What went wrong, out of an answer of the REST API.

use super::body::{get, inner, parse, text};
use super::{PLACE, RECORDING, Rest, error};
use crate::error::kind_of_code;
use bytes::Bytes;
use http::Response;
use http::header::{HeaderMap, RETRY_AFTER};
use serde_json::Value;
use std::time::{Duration, SystemTime};
use telephony_core::{Error, ErrorKind, Retry, redact};

/// Nobody is told to wait longer.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// More of the carrier's own words is not repeated.
const MAX_WORDS_CHARS: usize = 200;
/// A longer word is a token or an id, not a word.
const MAX_WORD_CHARS: usize = 40;
const MAX_REQUEST_ID_CHARS: usize = 128;

impl Rest<'_> {
    /// The tree of an answer that says that it went well.
    pub(super) fn accepted(
        &self,
        operation: &'static str,
        response: &Response<Bytes>,
        now: SystemTime,
    ) -> telephony_core::Result<Value> {
        let tree = parse(response.body());
        // A refusal may come with status 200.
        let refused = tree
            .as_ref()
            .and_then(|tree| get(inner(tree), "RestException"))
            .filter(|exception| !exception.is_null());
        match tree {
            Some(tree) if response.status().is_success() && refused.is_none() => Ok(tree),
            Some(tree) => Err(self.fault(operation, response, Some(&tree), now)),
            None => Err(self.fault(operation, response, None, now)),
        }
    }

    /// The error of an answer that has not what it must have.
    pub(super) fn incomplete(
        &self,
        operation: &'static str,
        response: &Response<Bytes>,
        missing: &str,
    ) -> Error {
        let detail = match operation {
            PLACE => format!("the answer has no {missing}; {LOOK_UP}"),
            _ => format!("the answer has no {missing}"),
        };
        let retry = match operation {
            PLACE => Retry::OutcomeUnknown,
            _ => Retry::Never,
        };
        self.with_answer(
            error(ErrorKind::Carrier, operation, &detail),
            response,
            None,
        )
        .with_retry(retry)
    }

    /// The error of an answer that does not say that it went well.
    pub(super) fn fault(
        &self,
        operation: &'static str,
        response: &Response<Bytes>,
        tree: Option<&Value>,
        now: SystemTime,
    ) -> Error {
        let http = response.status().as_u16();
        let said = tree.map(Said::read).unwrap_or_default();
        let by_code = said.code.as_deref().and_then(kind_of_code);
        let status = match by_code {
            Some(ErrorKind::RateLimited) if http < 500 => Some(429),
            _ if response.status().is_success() && tree.is_some() => said.status,
            _ => Some(http),
        };
        let kind = match (kind_of_status(status), by_code) {
            (ErrorKind::Carrier | ErrorKind::Timeout, _) | (_, None) => kind_of_status(status),
            (_, Some(kind)) => kind,
        };
        let mut detail = advice(operation, status, said.message.as_deref(), tree.is_some());
        if let Some(words) = said.message.and_then(|message| self.words(&message)) {
            detail = format!("{detail} (Exotel: {words})");
        }
        let code = said.code.or_else(|| {
            let status = said.status.filter(|status| *status != http)?;
            Some(status.to_string())
        });
        let mut fault = error(kind, operation, &detail);
        if let Some(code) = code.and_then(|code| self.words(&code)) {
            fault = fault.with_provider_code(code);
        }
        self.with_answer(fault, response, said.request_id)
            .with_retry(retry(operation, status, response.headers(), now))
    }

    fn with_answer(&self, fault: Error, response: &Response<Bytes>, said: Option<String>) -> Error {
        let fault = fault.with_http_status(response.status().as_u16());
        let header = ["x-request-id", "x-amz-request-id"]
            .into_iter()
            .find_map(|name| response.headers().get(name)?.to_str().ok());
        match header.or(said.as_deref()).filter(|id| self.is_plain_id(id)) {
            Some(id) => fault.with_request_id(id),
            None => fault,
        }
    }

    /// Whether it may be shown: no secret, no number, no sentence.
    fn is_plain_id(&self, id: &str) -> bool {
        (1..=MAX_REQUEST_ID_CHARS).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
            && redact::text(id) == id
            && !self.config.secrets().any(|secret| id.contains(secret))
    }

    /// The carrier's words as they may be shown. It may repeat what we sent: URLs with tokens in them, SIP addresses.
    /// Numbers are masked by the error itself.
    fn words(&self, text: &str) -> Option<String> {
        let mut text = text.to_owned();
        for secret in self.config.secrets() {
            text = text.replace(secret, "***");
        }
        let words = text.split_whitespace().map(|word| {
            let is_address = word.contains(['/', '=', '%', '@', '\\', '&', '<', '>']);
            if word.chars().count() > MAX_WORD_CHARS || (is_address && word.len() > 1) {
                "***"
            } else {
                word
            }
        });
        // Masked before it is cut: half a number is not seen to be one.
        let words = redact::text(&words.collect::<Vec<_>>().join(" "));
        let words: String = words.chars().take(MAX_WORDS_CHARS).collect();
        (!words.trim().is_empty()).then(|| words.trim().to_owned())
    }
}

/// What an error body says.
#[derive(Default)]
struct Said {
    status: Option<u16>,
    code: Option<String>,
    message: Option<String>,
    request_id: Option<String>,
}

impl Said {
    /// `RestException` is Exotel's; `error_data` is what its newer APIs have, `Error` what the store of the recordings has,
    /// and a bare message comes from what stands in front of them all.
    fn read(tree: &Value) -> Self {
        let tree = inner(tree);
        let newer = get(tree, "response").and_then(|response| get(response, "error_data"));
        let places = [get(tree, "RestException"), newer, get(tree, "error")];
        let place = places
            .into_iter()
            .flatten()
            .find(|place| place.is_object())
            .unwrap_or(tree);
        let first = |names: &[&str]| names.iter().find_map(|name| text(place, name));
        Self {
            status: text(place, "Status").and_then(|status| status.parse().ok()),
            code: text(place, "Code"),
            message: first(&["Message", "Description", "error", "error_description"]),
            request_id: text(tree, "request_id").or_else(|| first(&["RequestId", "request_id"])),
        }
    }
}

fn kind_of_status(status: Option<u16>) -> ErrorKind {
    match status {
        Some(401) => ErrorKind::Configuration,
        Some(402 | 403 | 409 | 451) => ErrorKind::Refused,
        Some(404 | 410) => ErrorKind::NotFound,
        Some(408) => ErrorKind::Timeout,
        Some(429) => ErrorKind::RateLimited,
        Some(400..=499) => ErrorKind::InvalidArgument,
        _ => ErrorKind::Carrier,
    }
}

/// What to do when it is not known whether a call was placed.
pub(crate) const LOOK_UP: &str = "nobody knows whether the call was placed: wait for its callback, or look for it with \
    `Calls::find_placed` once it must be over, before it is tried again";

/// What it means and what to do about it.
fn advice(operation: &str, status: Option<u16>, message: Option<&str>, readable: bool) -> String {
    let about_dnd = message.is_some_and(|message| message.to_ascii_uppercase().contains("NDNC"));
    let advice = match status {
        Some(400) => {
            "a parameter is wrong or missing; check the numbers, and that `from` is an ExoPhone of the account"
        }
        Some(401) => {
            "Exotel does not know the credentials; check `account_sid`, `api_key` and `api_token`, and that `region` is where \
             the account lives"
        }
        Some(402) => {
            "the account's balance or plan does not allow it; top it up or change the plan"
        }
        Some(403) if about_dnd => {
            "the number is on the do-not-call register (NDNC); it may not be called, and trying again does not help"
        }
        Some(403) if operation == RECORDING => {
            "the recording may not be fetched with these credentials; have them or this machine's address allowed in Exotel's \
             settings, or use a signed URL that is not too old"
        }
        Some(403) => {
            "the account may not do that; have the feature enabled by Exotel, or the account unblocked"
        }
        Some(404 | 410) if operation == RECORDING => {
            "there is no such recording, or not yet: it takes minutes after the end of the call"
        }
        Some(404 | 410) if operation == PLACE => {
            "there is no such account; check `account_sid`, `region` and `base_url`"
        }
        Some(404 | 410) => "there is nothing of that id in this account",
        Some(409) => "it is in use or in another state; look at its state before it is tried again",
        Some(429) => "too many requests: an account has 200 a minute; send them more slowly",
        Some(408) => "Exotel waited too long for the request",
        Some(400..=499) => "Exotel does not take the request",
        Some(500..) => "Exotel's side failed",
        Some(300..=399) => {
            "the answer sends us elsewhere, which is not followed; check `region` and `base_url`"
        }
        _ if !readable => "the answer cannot be read",
        _ => "Exotel says that it failed, and not why",
    };
    if operation == PLACE && is_unknown(status) {
        format!("{advice}; {LOOK_UP}")
    } else {
        advice.to_owned()
    }
}

/// Whether the status does not say that nothing was done.
fn is_unknown(status: Option<u16>) -> bool {
    !matches!(status, Some(400..=407 | 409..=499))
}

fn retry(operation: &str, status: Option<u16>, headers: &HeaderMap, now: SystemTime) -> Retry {
    let pause = || match retry_after(headers, now) {
        Some(pause) if !pause.is_zero() => Retry::After(pause),
        _ => Retry::Safe,
    };
    match status {
        Some(429) => pause(),
        _ if operation == PLACE && is_unknown(status) => Retry::OutcomeUnknown,
        Some(404) if operation == RECORDING => pause(), // It may come yet.
        Some(408 | 500..) => pause(),
        Some(200..=299) => Retry::Safe, // It cannot be read.
        _ => Retry::Never,
    }
}

/// Seconds, or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let pause = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        value.parse().map_or(MAX_RETRY_AFTER, Duration::from_secs)
    } else {
        let date = httpdate::parse_http_date(value).ok()?;
        date.duration_since(now).unwrap_or_default()
    };
    Some(pause.min(MAX_RETRY_AFTER))
}
