//! Requests about one account.

use super::{Among, PlivoCallOptions, RestOperation};
use crate::answer::elements::asking;
use crate::answer::{self, whole_seconds};
use crate::webhook::fields::{AFTER, START};
use crate::{NAME, PROVIDER, PlivoConfig, party};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use telephony_core::{
    Answer, CallId, CallLinks, CallStatus, Error, ErrorKind, MachineDetection, OutboundCall, Party,
    Result, StatusEvents,
};

/// What need not be escaped in a path or query (RFC 3986, unreserved).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
const JSON: &str = "application/json";
const AGENT: &str = concat!("telephony-plivo/", env!("CARGO_PKG_VERSION"));
/// How long a call may last (Plivo docs).
const CALL_SECONDS: std::ops::RangeInclusive<u64> = 1..=24 * 60 * 60;
const CALLER_NAME_CHARS: usize = 50;

/// Writes requests about one account.
#[derive(Debug, Clone, Copy)]
pub struct Requests<'a>(&'a PlivoConfig);

impl<'a> Requests<'a> {
    /// About the account of `config`, signed in with its current auth token.
    ///
    /// # Errors
    /// [`Configuration`](ErrorKind::Configuration) as [`PlivoConfig::validate`].
    pub fn new(config: &'a PlivoConfig) -> Result<Self> {
        config.validate()?;
        Ok(Self(config))
    }

    /// Places a call.
    ///
    /// | the call | Plivo |
    /// |---|---|
    /// | `answer` | `answer_url` with our answer URL and `after=start`: Plivo asks there when somebody has answered |
    /// | `ring_timeout` (1 s or more), `max_duration` (1 s to 24 h) | `ring_timeout`, `time_limit`, in whole seconds |
    /// | `machine_detection`: `Wait` | `machine_detection=true`: the verdict comes with the question (not certain) |
    /// | `machine_detection`: `Report` | the same with our events URL as `machine_detection_url` |
    /// | `record` | unsupported |
    /// | `status_events`: `All`, `End` | `hangup_url` with our status URL; `ring_url` too, unless it is `End` |
    /// | `parameters` | in the query of our URLs, so that they come back with every callback |
    /// | [`PlivoCallOptions`] | `caller_name`, `send_digits` |
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) for what Plivo cannot do, [`InvalidArgument`](ErrorKind::InvalidArgument) for
    /// what is against its rules.
    pub fn place_call(&self, call: &OutboundCall, links: &CallLinks) -> Result<Request<Bytes>> {
        let operation = RestOperation::PlaceCall;
        let default = PlivoCallOptions::default();
        let options = call
            .extension::<PlivoCallOptions>(&PROVIDER)?
            .unwrap_or(&default);
        check(call, options)?;
        // What cannot be expressed is refused before it is asked for.
        answer::xml(&call.answer, links, Some(CallStatus::InProgress))?;
        let with = |url: String| with_parameters(url, &call.parameters);
        let mut body = json!({
            "from": party::written(&call.from, operation.name())?,
            "to": party::written(&call.to, operation.name())?,
            "answer_url": with(asking(links, START)),
            "answer_method": "POST",
            "hangup_url": with(links.status_url()),
            "hangup_method": "POST",
        });
        let mut add = |name: &str, value: Value| body[name] = value;
        if call.status_events == StatusEvents::All {
            add("ring_url", with(links.status_url()).into());
            add("ring_method", "POST".into());
        }
        if let Some(timeout) = call.ring_timeout {
            add("ring_timeout", whole_seconds(timeout).into());
        }
        if let Some(limit) = call.max_duration {
            add("time_limit", whole_seconds(limit).into());
        }
        if call.machine_detection != MachineDetection::Off {
            add("machine_detection", "true".into());
        }
        if call.machine_detection == MachineDetection::Report {
            add("machine_detection_url", with(links.events_url()).into());
            add("machine_detection_method", "POST".into());
        }
        if let Some(name) = &options.caller_name {
            add("caller_name", name.as_str().into());
        }
        if let Some(digits) = &options.send_digits {
            add("send_digits", digits.as_str().into());
        }
        self.request(operation, Method::POST, &["Call"], Some(&body))
    }

    /// Ends a call.
    ///
    /// # Errors
    /// [`Configuration`](ErrorKind::Configuration) if the configured host is none.
    pub fn hang_up(&self, call: &CallId) -> Result<Request<Bytes>> {
        let path = ["Call", call.as_str()];
        self.request(RestOperation::HangUp, Method::DELETE, &path, None)
    }

    /// Gives a call up that waits to be dialled (SDKs).
    ///
    /// # Errors
    /// As [`hang_up`](Self::hang_up).
    pub fn cancel(&self, call: &CallId) -> Result<Request<Bytes>> {
        let path = ["Request", call.as_str()];
        self.request(RestOperation::HangUp, Method::DELETE, &path, None)
    }

    /// Has a call ask at our answer URL what to do.
    ///
    /// # Errors
    /// As [`place_call`](Self::place_call) for the answer.
    pub fn transfer(
        &self,
        call: &CallId,
        answer: &Answer,
        links: &CallLinks,
    ) -> Result<Request<Bytes>> {
        answer::xml(answer, links, Some(CallStatus::InProgress))?;
        let body = json!({"legs": "aleg", "aleg_url": links.answer_url(), "aleg_method": "POST"});
        let path = ["Call", call.as_str()];
        self.request(RestOperation::Transfer, Method::POST, &path, Some(&body))
    }

    /// Sends keys into a call.
    ///
    /// # Errors
    /// As [`hang_up`](Self::hang_up).
    pub fn send_digits(&self, call: &CallId, digits: &str) -> Result<Request<Bytes>> {
        let body = json!({"digits": digits, "leg": "aleg"});
        let path = ["Call", call.as_str(), "DTMF"];
        self.request(RestOperation::SendDigits, Method::POST, &path, Some(&body))
    }

    /// Asks for a call among those (Plivo docs). One that is not there is a 404.
    ///
    /// # Errors
    /// As [`hang_up`](Self::hang_up).
    pub fn fetch_call(&self, call: &CallId, among: Among) -> Result<Request<Bytes>> {
        let operation = RestOperation::FetchCall;
        let mut url = self.url(&["Call", call.as_str()]);
        url.push_str(match among {
            Among::Live => "?status=live",
            Among::Queued => "?status=queued",
            Among::Ended => "",
        });
        self.request_to(operation, Method::GET, url, None)
    }

    fn request(
        &self,
        operation: RestOperation,
        method: Method,
        path: &[&str],
        body: Option<&Value>,
    ) -> Result<Request<Bytes>> {
        self.request_to(operation, method, self.url(path), body)
    }

    /// Below the account.
    fn url(&self, path: &[&str]) -> String {
        let config = self.0;
        let mut url = format!("{}/v1/Account/{}/", config.api_url(), config.auth_id());
        for segment in path {
            url.extend(utf8_percent_encode(segment, ESCAPED));
            url.push('/');
        }
        url
    }

    fn request_to(
        &self,
        operation: RestOperation,
        method: Method,
        url: String,
        body: Option<&Value>,
    ) -> Result<Request<Bytes>> {
        let mut request = Request::builder()
            .method(method)
            .uri(url)
            .header(header::ACCEPT, JSON)
            .header(header::USER_AGENT, AGENT)
            .header(header::AUTHORIZATION, self.credentials(operation)?);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, JSON);
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        request.body(body.into()).map_err(|error| {
            let detail = "the request could not be written: check `base_url`";
            Error::new(ErrorKind::Configuration, operation.name(), detail)
                .with_provider(NAME)
                .with_source(error)
        })
    }

    fn credentials(&self, operation: RestOperation) -> Result<HeaderValue> {
        let token = self.0.tokens().first().map(|token| token.expose());
        let pair = format!("{}:{}", self.0.auth_id(), token.unwrap_or_default());
        let value = format!("Basic {}", STANDARD.encode(pair));
        let mut value = HeaderValue::from_str(&value).map_err(|error| {
            Error::new(
                ErrorKind::Internal,
                operation.name(),
                "the credentials make no header",
            )
            .with_provider(NAME)
            .with_source(error)
        })?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// The signature covers the decoded query, so it does not matter how it is written.
fn with_parameters(mut url: String, parameters: &BTreeMap<String, String>) -> String {
    for (name, value) in parameters {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.extend(utf8_percent_encode(name, ESCAPED));
        url.push('=');
        url.extend(utf8_percent_encode(value, ESCAPED));
    }
    url
}

/// Refuses what cannot be honoured before anything is written.
fn check(call: &OutboundCall, options: &PlivoCallOptions) -> Result<()> {
    let operation = RestOperation::PlaceCall;
    let ensure = |fits: bool, detail: &str| match fits {
        true => Ok(()),
        false => Err(operation.invalid(detail)),
    };
    if call.record {
        let detail = "Plivo has no recording of the whole call that could be asked for here";
        return Err(Error::unsupported(operation.name(), detail).with_provider(NAME));
    }
    let is_known = matches!(
        call.machine_detection,
        MachineDetection::Off | MachineDetection::Wait | MachineDetection::Report
    );
    if !is_known || !matches!(call.status_events, StatusEvents::All | StatusEvents::End) {
        let detail = "Plivo has no such machine detection or choice of status events";
        return Err(Error::unsupported(operation.name(), detail).with_provider(NAME));
    }
    ensure(
        matches!(call.from, Party::Number(_) | Party::LocalNumber(_)),
        "a call is placed from a number: one of the account's, or a verified one",
    )?;
    ensure(
        call.ring_timeout
            .is_none_or(|limit| whole_seconds(limit) > 0),
        "a call must ring for at least a second",
    )?;
    ensure(
        call.max_duration
            .is_none_or(|limit| CALL_SECONDS.contains(&whole_seconds(limit))),
        "a call may last from 1 second to 24 hours",
    )?;
    let is_named = |name: &String| !name.is_empty() && name != AFTER;
    ensure(
        call.parameters.keys().all(is_named),
        "a parameter of the call has no name, or the library's own name `after`",
    )?;
    if let Some(name) = &options.caller_name {
        ensure(
            (1..=CALLER_NAME_CHARS).contains(&name.chars().count()),
            "the caller's name must have 1 to 50 characters",
        )?;
    }
    if let Some(digits) = &options.send_digits {
        let is_key = |byte: u8| byte.is_ascii_digit() || b"*#wW".contains(&byte);
        ensure(
            !digits.is_empty() && digits.bytes().all(is_key),
            "the keys to send must be out of 0-9 * # w W",
        )?;
    }
    Ok(())
}
