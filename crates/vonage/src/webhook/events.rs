//! What a callback says, as events.

use super::message::{Message, is_websocket, members};
use super::status::{is_dial_failure, status_of};
use crate::time;
use std::time::Duration;
use telephony_core::media::StreamTicket;
use telephony_core::{
    AnsweredBy, CallEvent, CallEventKind, CallId, CallStatus, DialReport, Gathered, LegReport,
    LegRole, Party, Recording, StatusReport, StreamId, StreamReport, WebhookKind, redact,
};

/// What kind of callback it is. Not every one has a `status`, so what is there decides, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// The fallback URL is asked because we failed.
    Fallback,
    Status,
    Transfer,
    Input,
    Recording,
    Notify,
    Fault,
    /// What to do with a call that was answered.
    Answer,
    Unknown,
}

impl Shape {
    pub(super) fn of(message: &Message) -> Self {
        if message.filled("original_request").is_some() {
            Self::Fallback
        } else {
            Self::without_fallback(message)
        }
    }

    /// What it is apart from being asked of the fallback URL.
    pub(super) fn without_fallback(message: &Message) -> Self {
        let has = |name| message.filled(name).is_some();
        if has("status") {
            Self::Status
        } else if message.filled("type") == Some("transfer") || has("conversation_uuid_from") {
            Self::Transfer
        } else if has("speech") || has("dtmf") {
            Self::Input
        } else if message.parameters.get("recording_url").is_some() {
            Self::Recording
        } else if has("payload") {
            Self::Notify
        } else if has("reason") && !has("original_request") {
            Self::Fault
        } else if matches!(
            message.kind,
            WebhookKind::NextStep | WebhookKind::IncomingCall
        ) && message.leg().is_some()
        {
            Self::Answer
        } else {
            Self::Unknown
        }
    }
}

/// The call that the message is about, if it is certain or likely that its leg is the caller's, and what it says.
pub(super) fn read(message: &Message) -> (Option<CallId>, Vec<CallEvent>) {
    let mut events = Vec::with_capacity(1);
    let mut shape = Shape::of(message);
    if shape == Shape::Fallback {
        // What the original request said is in it too, and may be news: the digits that we failed to take.
        let reason = message.filled("reason").unwrap_or("our webhook failed");
        let fault = CallEventKind::CarrierFault {
            code: Some("fallback".to_owned()),
            message: redact::text(reason),
        };
        events.push(event(message, fault, message.leg()));
        shape = Shape::without_fallback(message);
        if matches!(shape, Shape::Unknown | Shape::Answer) {
            return (message.leg(), events);
        }
    }
    let (kind, call) = read_shape(message, shape);
    events.push(event(message, kind, call.clone()));
    (call, events)
}

fn event(message: &Message, kind: CallEventKind, call: Option<CallId>) -> CallEvent {
    let mut event =
        CallEvent::new(kind, call).with_payload(message.parameters.clone(), message.raw.clone());
    event.timestamp = message.filled("timestamp").map(str::to_owned);
    event
}

fn read_shape(message: &Message, shape: Shape) -> (CallEventKind, Option<CallId>) {
    let leg = message.leg();
    match shape {
        Shape::Status => read_status(message, &message.status_word().unwrap_or_default()),
        // The target is a conversation, which is nobody's address: it is in the parameters.
        Shape::Transfer => (CallEventKind::Transferred { target: None }, leg),
        Shape::Input => (CallEventKind::DigitsGathered(gathered(message)), leg),
        Shape::Recording => (recording(message), leg),
        Shape::Notify => (next_step("notify"), leg),
        Shape::Answer => (next_step("answer"), leg),
        Shape::Fault => {
            let fault = CallEventKind::CarrierFault {
                code: None,
                message: redact::text(message.filled("reason").unwrap_or_default()),
            };
            (fault, leg)
        }
        Shape::Unknown | Shape::Fallback => {
            let name = message.filled("type").unwrap_or("unknown");
            (other(name), leg)
        }
    }
}

fn next_step(after: &str) -> CallEventKind {
    CallEventKind::NextStep {
        after: after.to_owned(),
    }
}

fn other(name: &str) -> CallEventKind {
    CallEventKind::Other {
        name: redact::text(name),
    }
}

/// What became of a leg. Only what may be the caller's leg names the call.
fn read_status(message: &Message, word: &str) -> (CallEventKind, Option<CallId>) {
    let leg = message.leg();
    match word {
        "human" => return (CallEventKind::MachineDetected(AnsweredBy::Human), leg),
        "machine" => {
            let by = match message.filled("sub_state") {
                Some("beep_start") => AnsweredBy::MachineGreetingEnded,
                _ => AnsweredBy::Machine,
            };
            return (CallEventKind::MachineDetected(by), leg);
        }
        _ => {}
    }
    let status = status_of(word, message.filled("detail"));
    if is_media_leg(message) {
        return (media_leg(message, word, status), None);
    }
    if message.kind == WebhookKind::NextStep {
        return match status {
            Some(status) if is_dial_failure(word) => (dial_ended(message, status), None),
            _ => (leg_event(message, LegRole::Dialled, word, status), None),
        };
    }
    match status {
        Some(status) => {
            let mut report = StatusReport::new(status);
            report.duration = duration(message);
            report.sip_code = message
                .filled("sip_code")
                .and_then(|code| code.parse().ok());
            report.reason = message.filled("detail").map(redact::text);
            (CallEventKind::Status(report), leg)
        }
        None => (other(word), leg),
    }
}

/// Whether the event is of the media socket's own leg: it was dialled at a `ws` or `wss` URI, it repeats the headers that we
/// gave the socket, or it has the status that only such legs have.
pub(super) fn is_media_leg(message: &Message) -> bool {
    let repeats_our_headers = || {
        let headers = message.object("headers");
        headers.is_some_and(|headers| headers.get(StreamTicket::KEY_PARAMETER).is_some())
    };
    message.filled("to").is_some_and(is_websocket)
        || message.status_word().as_deref() == Some("disconnected")
        || repeats_our_headers()
}

fn media_leg(message: &Message, word: &str, status: Option<CallStatus>) -> CallEventKind {
    let stream_id = message
        .leg()
        .and_then(|leg| StreamId::new(leg.as_str()).ok());
    let mut report = StreamReport::new(stream_id.clone());
    report.status = Some(redact::text(word));
    match word {
        "answered" => CallEventKind::StreamStarted { stream_id },
        "disconnected" | "completed" => {
            report.ended_by = message.filled("disconnected_by").map(redact::text);
            report.duration = duration(message);
            CallEventKind::StreamStopped(report)
        }
        _ if is_dial_failure(word) => {
            report.error = message.filled("detail").map(redact::text);
            CallEventKind::StreamFailed(report)
        }
        _ => leg_event(message, LegRole::Media, word, status),
    }
}

fn leg_event(
    message: &Message,
    role: LegRole,
    word: &str,
    status: Option<CallStatus>,
) -> CallEventKind {
    CallEventKind::Leg(LegReport::new(
        message.leg(),
        role,
        status,
        redact::text(word),
    ))
}

fn dial_ended(message: &Message, status: CallStatus) -> CallEventKind {
    let mut report = DialReport::new(Some(status));
    report.leg = message.leg();
    report.to = message.filled("to").map(Party::parse_without_plus);
    report.duration = duration(message);
    CallEventKind::DialEnded(report)
}

/// Keys and speech. `dtmf` was a bare text once; both are there even if only one was asked for, and say so in `error`.
fn gathered(message: &Message) -> Gathered {
    let mut gathered = Gathered::default();
    let is_true = |text: Option<&str>| text == Some("true");
    gathered.timed_out = is_true(message.filled("timed_out"));
    match message.object("dtmf") {
        Some(dtmf) => {
            gathered.digits = dtmf.get_filled("digits").unwrap_or_default().to_owned();
            gathered.timed_out |= is_true(dtmf.get("timed_out"));
        }
        None => gathered.digits = message.filled("dtmf").unwrap_or_default().to_owned(),
    }
    gathered
        .digits
        .retain(|c| c.is_ascii_digit() || matches!(c, 'A'..='D' | 'a'..='d' | '*' | '#'));
    if let Some(speech) = message.object("speech") {
        gathered.timed_out |= speech.get("timeout_reason") == Some("start_timeout");
        gathered.speech = speech.get("results").map(spoken).unwrap_or_default();
    }
    gathered
}

fn spoken(results: &str) -> Vec<(String, Option<f32>)> {
    let results: Vec<&serde_json::value::RawValue> =
        serde_json::from_str(results).unwrap_or_default();
    let read = |result: &serde_json::value::RawValue| {
        let result = members(result.get())?;
        let confidence = result.get("confidence").and_then(|text| text.parse().ok());
        Some((result.get("text")?.to_owned(), confidence))
    };
    results.into_iter().filter_map(read).collect()
}

/// A recording that failed has been seen with an empty URL and a size of 0 (Vonage/vonage-node-sdk#132).
fn recording(message: &Message) -> CallEventKind {
    let url = message.filled("recording_url").unwrap_or_default();
    if url.is_empty() || message.filled("size") == Some("0") {
        return other("record-failed");
    }
    let id = message.filled("recording_uuid").map(str::to_owned);
    let mut recording = Recording::new(id, url);
    let at = |name| message.filled(name).and_then(time::seconds_of);
    if let (Some(start), Some(end)) = (at("start_time"), at("end_time")) {
        recording.duration = u64::try_from(end - start).ok().map(Duration::from_secs);
    }
    CallEventKind::RecordingReady(recording)
}

/// Seconds, as a number or as a text, whole or not.
fn duration(message: &Message) -> Option<Duration> {
    let seconds: f64 = message.filled("duration")?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}
