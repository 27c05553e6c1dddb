//! Reading what Vonage answers.

use super::call_state::{CallPage, CallState, direction, status_of_call};
use super::failure::{RestOperation, failure, is_gone, unreadable};
use crate::webhook::members;
use bytes::Bytes;
use http::Response;
use http::header::CONTENT_TYPE;
use serde_json::value::RawValue;
use std::fmt;
use std::time::SystemTime;
use telephony_core::{
    CallId, CallLinks, CallStatus, Direction, OutboundCall, Parameters, PlacedCall, Report, Result,
};

/// A call that Vonage took. `Debug` does not show the raw text.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Placed {
    /// Its leg.
    pub id: CallId,
    /// Where it is: dialled at most, or over already. Taken is not answered, whatever the word.
    pub status: CallStatus,
    /// The word that Vonage had for it, in lower case.
    pub word: Option<String>,
    /// The conversation that it is in.
    pub conversation: Option<String>,
    /// Which way, as Vonage says.
    pub direction: Option<Direction>,
    /// Vonage's own words.
    pub raw: Bytes,
}

impl Placed {
    /// The same as core has it, with the report of the operation.
    #[must_use]
    pub fn into_placed_call(self, call: &OutboundCall, links: &CallLinks) -> PlacedCall {
        let provider = crate::provider_name();
        let Self {
            id,
            status,
            conversation,
            raw,
            ..
        } = self;
        let mut report = Report::placed(&provider, &call.from, &call.to, &id, status, raw);
        if let Some(conversation) = conversation {
            report = report.with_conversation(conversation);
        }
        PlacedCall::new(links.call_key().clone(), id, status, report)
    }
}

impl fmt::Debug for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Placed")
            .field("id", &self.id)
            .field("status", &self.status)
            .field("conversation", &self.conversation)
            .finish_non_exhaustive()
    }
}

/// How a hang-up went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HungUp {
    /// Vonage ends the call.
    Accepted,
    /// There is no such call, so it is over. **Or it lives in another region**: a 404 counts only from the host that the
    /// call is steered at.
    Gone,
}

/// A recording, or a transcript. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedAudio {
    /// What it is: `audio/mpeg`, for instance.
    pub content_type: Option<String>,
    /// The file.
    pub content: Bytes,
}

impl fmt::Debug for RecordedAudio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedAudio")
            .field("content_type", &self.content_type)
            .field("bytes", &self.content.len())
            .finish()
    }
}

/// Reads the answer to a [call that was placed](super::VoiceApi::place_call). `now` is for a `Retry-After` that is a date.
///
/// # Errors
/// What Vonage says. [`Retry::OutcomeUnknown`](telephony_core::Retry::OutcomeUnknown) if nobody knows whether it took the
/// call: a 5xx, or a success that cannot be read. Then look it up: [`CallFilter::placed_since`](super::CallFilter).
pub fn placed(response: &Response<Bytes>, now: SystemTime) -> Result<Placed> {
    let operation = RestOperation::PlaceCall;
    check(operation, response, now)?;
    let read = || {
        let call = text(response).and_then(members)?;
        let id = filled(&call, "uuid").or_else(|| filled(&call, "call_uuid"))?;
        let id = CallId::new(id).ok()?;
        let word = filled(&call, "status").map(str::to_lowercase);
        let said = word.as_deref().and_then(|word| status_of_call(word, &call));
        let status = match said {
            None | Some(CallStatus::Queued) => CallStatus::Queued,
            Some(
                over @ (CallStatus::Busy
                | CallStatus::Failed
                | CallStatus::NoAnswer
                | CallStatus::Canceled),
            ) => over,
            Some(_) => CallStatus::Initiated,
        };
        Some(Placed {
            id,
            status,
            word,
            conversation: filled(&call, "conversation_uuid").map(str::to_owned),
            direction: filled(&call, "direction").and_then(direction),
            raw: response.body().clone(),
        })
    };
    read().ok_or_else(|| unreadable(operation, response))
}

/// Reads the answer to a steering operation: any success will do.
///
/// # Errors
/// What Vonage says.
pub fn done(operation: RestOperation, response: &Response<Bytes>, now: SystemTime) -> Result<()> {
    check(operation, response, now)
}

/// Reads the answer to a hang-up.
///
/// # Errors
/// What Vonage says, other than that there is no such call.
pub fn hung_up(response: &Response<Bytes>, now: SystemTime) -> Result<HungUp> {
    if is_gone(response) {
        return Ok(HungUp::Gone);
    }
    check(RestOperation::HangUp, response, now)?;
    Ok(HungUp::Accepted)
}

/// Reads where a call is.
///
/// # Errors
/// What Vonage says; [`Carrier`](telephony_core::ErrorKind::Carrier) if it cannot be read.
pub fn call_state(response: &Response<Bytes>, now: SystemTime) -> Result<CallState> {
    let operation = RestOperation::FetchCall;
    check(operation, response, now)?;
    text(response)
        .and_then(CallState::read)
        .ok_or_else(|| unreadable(operation, response))
}

/// Reads a page of calls.
///
/// # Errors
/// What Vonage says; [`Carrier`](telephony_core::ErrorKind::Carrier) if it cannot be read.
pub fn call_page(response: &Response<Bytes>, now: SystemTime) -> Result<CallPage> {
    let operation = RestOperation::ListCalls;
    check(operation, response, now)?;
    text(response)
        .and_then(CallPage::read)
        .ok_or_else(|| unreadable(operation, response))
}

/// Reads a recording, or a transcript.
///
/// # Errors
/// What Vonage says; [`Carrier`](telephony_core::ErrorKind::Carrier) if it is empty.
pub fn recording(response: &Response<Bytes>, now: SystemTime) -> Result<RecordedAudio> {
    let operation = RestOperation::FetchRecording;
    check(operation, response, now)?;
    if response.body().is_empty() {
        return Err(unreadable(operation, response));
    }
    let content_type = response.headers().get(CONTENT_TYPE);
    Ok(RecordedAudio {
        content_type: content_type
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned),
        content: response.body().clone(),
    })
}

fn check(operation: RestOperation, response: &Response<Bytes>, now: SystemTime) -> Result<()> {
    if response.status().is_success() {
        Ok(())
    } else {
        Err(failure(operation, response, now))
    }
}

/// The body as text; [`None`] if it is none.
pub(super) fn text(response: &Response<Bytes>) -> Option<&str> {
    let text = std::str::from_utf8(response.body()).ok()?;
    Some(text.trim_start_matches('\u{feff}'))
}

/// The value of a member, whatever the case of its name, if it is not blank.
pub(super) fn filled<'a>(object: &'a Parameters, name: &str) -> Option<&'a str> {
    object
        .iter()
        .find(|(key, value)| key.eq_ignore_ascii_case(name) && !value.trim().is_empty())
        .map(|(_, value)| value.trim())
}

/// The members of a member.
pub(super) fn nested(object: &Parameters, name: &str) -> Option<Parameters> {
    members(filled(object, name)?)
}

/// A text as it is, anything else as its JSON.
pub(super) fn text_of_value(value: &RawValue) -> String {
    serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned())
}
