//! What a request tells, as events.
//!
//! One request may tell several things: a dial is over and the caller has gone; a call has ended and its recording is there.

use super::callback::Callback;
use super::fields::Fields;
use crate::error::meaning_of_code;
use std::time::Duration;
use telephony_core::{
    AnsweredBy, CallEvent, CallEventKind, CallId, CallStatus, DialReport, Gathered, LegReport,
    LegRole, Recording, StatusReport, StreamId, StreamReport, WebhookKind, WebhookRequest, redact,
};

/// The longest word of Twilio's that is passed on as a name.
const MAX_WORD_CHARS: usize = 64;

/// The call that a request is about, and what it tells.
pub(super) fn read(
    request: &WebhookRequest,
    fields: &Fields,
    callback: Callback,
) -> (Option<CallId>, Vec<CallEvent>) {
    // A child leg has its own id; the call that we know is its parent.
    let call_id = id(fields, "ParentCallSid").or_else(|| id(fields, "CallSid"));
    let event = |kind| {
        let mut event =
            CallEvent::new(kind, call_id.clone()).with_payload(fields.all(), request.body.clone());
        event.sequence = whole(fields, "SequenceNumber");
        event.timestamp = fields.get("Timestamp").map(str::to_owned);
        event
    };
    let events = kinds(request.kind, fields, callback)
        .into_iter()
        .map(event)
        .collect();
    (call_id, events)
}

fn kinds(kind: WebhookKind, fields: &Fields, callback: Callback) -> Vec<CallEventKind> {
    let mut kinds = Vec::with_capacity(2);
    match callback {
        Callback::Fallback => {
            kinds.push(fault(fields));
            if matches!(kind, WebhookKind::NextStep | WebhookKind::IncomingCall) {
                kinds.push(next_step("fallback"));
            }
        }
        Callback::Transcription => kinds.push(transcription(fields)),
        Callback::Recording => kinds.push(recording_status(fields)),
        Callback::Stream => kinds.push(stream(fields)),
        Callback::PartialResult => kinds.push(other("partial-result")),
        Callback::MachineDetection => kinds.push(machine_detection(fields)),
        Callback::Progress | Callback::Plain => {}
        Callback::Gathered => kinds.push(CallEventKind::DigitsGathered(gathered(fields))),
        Callback::Dialled => kinds.push(CallEventKind::DialEnded(dialled(fields))),
        Callback::Recorded => kinds.push(CallEventKind::RecordingReady(recording(fields))),
        Callback::StreamEnded => {
            if fields.get("StreamError").is_some() {
                kinds.push(CallEventKind::StreamFailed(stream_report(fields)));
            }
            kinds.push(next_step("stream"));
        }
        Callback::RelayEnded => {
            if fields.get("ErrorCode").is_some() {
                kinds.push(fault(fields));
            }
            kinds.push(next_step("conversation-relay"));
        }
        Callback::Dequeued => kinds.push(next_step("enqueue")),
        // Where to is a SIP address: it stays in the parameters, which are not shown.
        Callback::Refer => kinds.push(CallEventKind::Transferred { target: None }),
    }
    if callback == Callback::Plain && kind == WebhookKind::NextStep {
        kinds.push(next_step("redirect"));
    }
    if callback == Callback::Progress || callback.takes_answer(kind) || callback == Callback::Plain
    {
        kinds.extend(status(fields));
        kinds.extend(beside_status(fields, callback));
    }
    if kinds.is_empty() {
        kinds.push(other("unknown"));
    }
    kinds
}

/// The status of the call, or what its child leg did.
fn status(fields: &Fields) -> Option<CallEventKind> {
    let word = fields.get("CallStatus")?;
    let status: Option<CallStatus> = word.parse().ok();
    if fields.get("ParentCallSid").is_some() {
        let leg = id(fields, "CallSid");
        return Some(CallEventKind::Leg(LegReport::new(
            leg,
            LegRole::Dialled,
            status,
            short(word),
        )));
    }
    Some(match status {
        Some(status) => {
            let mut report = StatusReport::new(status);
            // `Duration` is what is billed, in minutes.
            report.duration = seconds(fields, "CallDuration");
            report.sip_code =
                whole(fields, "SipResponseCode").and_then(|code| code.try_into().ok());
            report.reason = fields.get("ErrorMessage").map(redact::text);
            CallEventKind::Status(report)
        }
        None => other(word),
    })
}

/// What comes in the same request as a status.
fn beside_status(fields: &Fields, callback: Callback) -> Vec<CallEventKind> {
    let mut kinds = Vec::new();
    if fields.get("AnsweredBy").is_some() && fields.get("ParentCallSid").is_none() {
        kinds.push(machine_detection(fields));
    }
    let may_have_recording = matches!(callback, Callback::Progress | Callback::Dialled);
    if may_have_recording && fields.get("RecordingUrl").is_some() {
        kinds.push(CallEventKind::RecordingReady(recording(fields)));
    }
    let is_status = matches!(callback, Callback::Progress | Callback::Plain);
    if is_status && fields.get("ErrorCode").is_some() {
        kinds.push(fault(fields));
    }
    kinds
}

fn fault(fields: &Fields) -> CallEventKind {
    let code = fields.get("ErrorCode").map(short);
    let known = whole(fields, "ErrorCode")
        .and_then(|code| code.try_into().ok())
        .and_then(meaning_of_code);
    let message = match (fields.get("ErrorMessage"), known) {
        (Some(message), _) => redact::text(message),
        (None, Some(meaning)) => meaning.to_owned(),
        (None, None) => "Twilio reports a fault".to_owned(),
    };
    CallEventKind::CarrierFault { code, message }
}

fn transcription(fields: &Fields) -> CallEventKind {
    match (
        fields.get("TranscriptionEvent"),
        fields.get("TranscriptionStatus"),
    ) {
        (Some(event), _) => other(event),
        (None, Some(status)) => other(&format!("transcription-{status}")),
        (None, None) => other("transcription"),
    }
}

fn recording_status(fields: &Fields) -> CallEventKind {
    match fields.get("RecordingStatus").unwrap_or_default() {
        "completed" => CallEventKind::RecordingReady(recording(fields)),
        status => other(&format!("recording-{status}")),
    }
}

fn recording(fields: &Fields) -> Recording {
    let id = fields.get("RecordingSid").map(str::to_owned);
    let mut recording = Recording::new(id, fields.get("RecordingUrl").unwrap_or_default());
    recording.duration = seconds(fields, "RecordingDuration");
    recording
}

fn stream(fields: &Fields) -> CallEventKind {
    match fields.get("StreamEvent").unwrap_or_default() {
        "stream-started" => CallEventKind::StreamStarted {
            stream_id: stream_id(fields),
        },
        "stream-stopped" => CallEventKind::StreamStopped(stream_report(fields)),
        "stream-error" => CallEventKind::StreamFailed(stream_report(fields)),
        word => other(word),
    }
}

fn stream_report(fields: &Fields) -> StreamReport {
    let mut report = StreamReport::new(stream_id(fields));
    report.status = fields.get("StreamEvent").map(short);
    report.error = fields.get("StreamError").map(redact::text);
    report
}

fn stream_id(fields: &Fields) -> Option<StreamId> {
    StreamId::new(fields.get("StreamSid")?).ok()
}

fn machine_detection(fields: &Fields) -> CallEventKind {
    let word = fields.get("AnsweredBy").unwrap_or_default();
    if fields.get("ParentCallSid").is_some() {
        let leg = id(fields, "CallSid");
        return CallEventKind::Leg(LegReport::new(leg, LegRole::Dialled, None, short(word)));
    }
    CallEventKind::MachineDetected(answered_by(word))
}

/// Who answered, in Twilio's word.
pub(crate) fn answered_by(word: &str) -> AnsweredBy {
    match word {
        "human" => AnsweredBy::Human,
        // The REST resource may be coarser than the webhook.
        "machine_start" | "machine" => AnsweredBy::Machine,
        "machine_end_beep" | "machine_end_silence" | "machine_end_other" => {
            AnsweredBy::MachineGreetingEnded
        }
        "fax" => AnsweredBy::Fax,
        "unknown" => AnsweredBy::Unknown,
        word => AnsweredBy::Other(short(word)),
    }
}

fn gathered(fields: &Fields) -> Gathered {
    let mut gathered = Gathered::digits(fields.get("Digits").unwrap_or_default().trim());
    if let Some(text) = fields.get("SpeechResult") {
        let confidence = fields
            .get("Confidence")
            .and_then(|text| text.trim().parse().ok());
        let confidence = confidence.filter(|sure: &f32| (0.0..=1.0).contains(sure));
        gathered.speech.push((text.to_owned(), confidence));
    }
    // With the finish key alone the caller has answered, with nothing.
    gathered.timed_out = gathered.is_empty() && fields.get("FinishedOnKey").is_none();
    gathered
}

fn dialled(fields: &Fields) -> DialReport {
    let word = fields.get("DialCallStatus").unwrap_or_default();
    // For a conference it is `answered`, although it is over.
    let status = match word.parse() {
        Ok(CallStatus::InProgress) => Some(CallStatus::Completed),
        status => status.ok(),
    };
    let mut report = DialReport::new(status);
    report.leg = id(fields, "DialCallSid");
    report.duration = seconds(fields, "DialCallDuration");
    report
}

fn next_step(after: &str) -> CallEventKind {
    CallEventKind::NextStep {
        after: after.to_owned(),
    }
}

fn other(name: &str) -> CallEventKind {
    CallEventKind::Other { name: short(name) }
}

/// A word of Twilio's, so that it may be shown.
pub(crate) fn short(word: &str) -> String {
    redact::text(word).chars().take(MAX_WORD_CHARS).collect()
}

fn id(fields: &Fields, name: &str) -> Option<CallId> {
    CallId::new(fields.get(name)?).ok()
}

fn whole(fields: &Fields, name: &str) -> Option<u64> {
    fields.get(name)?.trim().parse().ok()
}

fn seconds(fields: &Fields, name: &str) -> Option<Duration> {
    whole(fields, name).map(Duration::from_secs)
}
