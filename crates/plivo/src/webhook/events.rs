//! What a request tells, as events.

use super::callback::Callback;
use super::fields::Fields;
use crate::party;
use std::time::Duration;
use telephony_core::{
    AnsweredBy, CallEvent, CallEventKind, CallId, CallStatus, DialReport, Gathered, LegReport,
    LegRole, Recording, StatusReport, StreamId, StreamReport, WebhookKind, WebhookRequest, redact,
};

/// The longest word of Plivo's that is passed on as a name.
const MAX_WORD_CHARS: usize = 64;

/// A status of Plivo's. `timeout` and `cancel` are its own words for what others call `no-answer` and `canceled`.
pub(crate) fn status_of(word: &str) -> Option<CallStatus> {
    let word = word.trim();
    if word.eq_ignore_ascii_case("timeout") {
        return Some(CallStatus::NoAnswer);
    }
    if word.eq_ignore_ascii_case("cancel") {
        return Some(CallStatus::Canceled);
    }
    word.parse().ok()
}

/// The call that a request is about, and what it tells.
pub(super) fn read(
    request: &WebhookRequest,
    fields: &Fields,
    callback: Callback,
) -> (Option<CallId>, Vec<CallEvent>) {
    let call_id = id(fields, "CallUUID");
    let event = |kind| {
        let mut event =
            CallEvent::new(kind, call_id.clone()).with_payload(fields.all(), request.body.clone());
        event.timestamp = fields.get("Timestamp").map(str::to_owned);
        event
    };
    let events = kinds(request.kind, fields, callback);
    let events = events.into_iter().map(event).collect();
    (call_id, events)
}

fn kinds(kind: WebhookKind, fields: &Fields, callback: Callback) -> Vec<CallEventKind> {
    let mut kinds = Vec::with_capacity(2);
    match callback {
        Callback::Stream => return vec![stream(fields)],
        Callback::DialledLeg => return vec![leg(fields)],
        Callback::MachineDetection => return vec![machine(fields)],
        Callback::Recorded => kinds.push(CallEventKind::RecordingReady(recording(fields))),
        Callback::Dialled => kinds.push(CallEventKind::DialEnded(dialled(fields))),
        Callback::Gathered => kinds.push(CallEventKind::DigitsGathered(gathered(fields))),
        Callback::StreamEnded => kinds.push(next_step("stream")),
        Callback::Plain if kind == WebhookKind::NextStep => kinds.push(next_step("redirect")),
        Callback::HungUp | Callback::Plain => {}
    }
    kinds.extend(status(fields));
    if callback == Callback::Plain && fields.get("Machine").is_some() {
        kinds.push(machine(fields));
    }
    if kinds.is_empty() {
        let event = fields.get("Event").unwrap_or("unknown");
        kinds.push(other(event));
    }
    kinds
}

fn status(fields: &Fields) -> Option<CallEventKind> {
    let word = fields.get("CallStatus")?;
    let Some(status) = status_of(word) else {
        return Some(other(word));
    };
    let mut report = StatusReport::new(status);
    if status.is_terminal() {
        report.duration = seconds(fields, "Duration");
    }
    let reason = fields
        .get("HangupCauseName")
        .or_else(|| fields.get("HangupCause"));
    report.reason = reason.map(short);
    Some(CallEventKind::Status(report))
}

/// Both sets of words that Plivo's pages have for it.
fn stream(fields: &Fields) -> CallEventKind {
    let word = fields.get("Event").or_else(|| fields.get("Status"));
    let word = word.unwrap_or_default();
    let names = ["StreamID", "StreamId", "StreamUUID"];
    let stream_id = names.iter().find_map(|name| fields.get(name));
    let stream_id = stream_id.and_then(|id| StreamId::new(id).ok());
    let mut report = StreamReport::new(stream_id.clone());
    report.status = Some(short(word));
    report.duration = seconds(fields, "Duration");
    let reason = fields.get("StatusReason").or_else(|| fields.get("Error"));
    let is = |words: [&str; 2]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
    if is(["StartStream", "started"]) {
        CallEventKind::StreamStarted { stream_id }
    } else if is(["StopStream", "stopped"]) {
        report.ended_by = reason.map(short);
        CallEventKind::StreamStopped(report)
    } else if is(["DroppedStream", "failed"]) {
        report.error = reason.map(short);
        CallEventKind::StreamFailed(report)
    } else {
        other(word)
    }
}

/// `callbackUrl` of a dial.
fn leg(fields: &Fields) -> CallEventKind {
    let word = fields
        .get("DialBLegStatus")
        .or_else(|| fields.get("DialAction"));
    let word = word.unwrap_or_default();
    let status = match word.trim().to_ascii_lowercase().as_str() {
        "answer" | "connected" => Some(CallStatus::InProgress),
        "hangup" => Some(CallStatus::Completed),
        word => status_of(word),
    };
    let leg = id(fields, "DialBLegUUID");
    CallEventKind::Leg(LegReport::new(leg, LegRole::Dialled, status, short(word)))
}

fn dialled(fields: &Fields) -> DialReport {
    let word = fields.get("DialStatus").unwrap_or_default();
    // It is over, whatever the word.
    let status = match status_of(word) {
        Some(CallStatus::InProgress) => Some(CallStatus::Completed),
        status => status.filter(|status| status.is_terminal()),
    };
    let mut report = DialReport::new(status);
    report.leg = id(fields, "DialBLegUUID");
    report.to = fields.get("DialBLegTo").map(party::read);
    report.duration = seconds(fields, "DialBLegDuration");
    report
}

fn gathered(fields: &Fields) -> Gathered {
    let mut gathered = Gathered::digits(fields.get("Digits").unwrap_or_default().trim());
    if let Some(text) = fields.get("Speech") {
        let sure = fields.get("SpeechConfidenceScore");
        let sure = sure.and_then(|sure| sure.trim().parse().ok());
        let sure = sure.filter(|sure: &f32| (0.0..=1.0).contains(sure));
        gathered.speech.push((text.to_owned(), sure));
    }
    // The redirect behind a gather is asked when nothing came.
    gathered.timed_out = gathered.is_empty();
    gathered
}

fn recording(fields: &Fields) -> Recording {
    let id = fields.get("RecordingID").map(str::to_owned);
    let mut recording = Recording::new(id, fields.get("RecordUrl").unwrap_or_default());
    recording.duration = seconds(fields, "RecordingDuration");
    recording
}

fn machine(fields: &Fields) -> CallEventKind {
    let is_machine = fields.get("Machine").map(str::trim);
    CallEventKind::MachineDetected(match is_machine {
        Some(word) if word.eq_ignore_ascii_case("true") => AnsweredBy::Machine,
        Some(word) if word.eq_ignore_ascii_case("false") => AnsweredBy::Human,
        Some(word) => AnsweredBy::Other(short(word)),
        None => AnsweredBy::Unknown,
    })
}

fn next_step(after: &str) -> CallEventKind {
    CallEventKind::NextStep {
        after: after.to_owned(),
    }
}

fn other(name: &str) -> CallEventKind {
    CallEventKind::Other { name: short(name) }
}

/// A word of Plivo's, so that it may be shown.
pub(crate) fn short(word: &str) -> String {
    redact::text(word).chars().take(MAX_WORD_CHARS).collect()
}

fn id(fields: &Fields, name: &str) -> Option<CallId> {
    CallId::new(fields.get(name)?).ok()
}

fn seconds(fields: &Fields, name: &str) -> Option<Duration> {
    fields
        .get(name)?
        .trim()
        .parse()
        .ok()
        .map(Duration::from_secs)
}
